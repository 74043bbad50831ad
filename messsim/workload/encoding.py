"""In which letters a text is written: UTF-8 and UTF-16 are told by their bytes, others by what they would say."""

from __future__ import annotations

import codecs

__all__ = ["BYTE_ORDER_MARK", "Letters", "wide_encoding"]

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
LEAST_WIDE, MOST_WIDE = 16, 64  # bytes of a text that tell that every other is 0: later ones may be of other letters
SAMPLE = 1 << 14  # letters beyond ASCII that tell
COMMON = range(
    0xB0, 0xD8
)  # first bytes of the 3,755 commonest Chinese characters in GB 2312, from which GB 18030 comes
BOTH_HIGH = 0xA1  # least second byte of these: in Western text a letter of ASCII mostly follows
MOSTLY = 0.75


def wide_encoding(start: bytes) -> str | None:
    """The encoding of a text whose letters take two bytes or four, with or without a mark; None: it is another."""
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if start.startswith(UTF16):
        return "utf-16"
    start = start[:MOST_WIDE]
    pairs = start[: len(start) // 2 * 2]
    even, odd = set(pairs[::2]), set(pairs[1::2])
    if len(pairs) < LEAST_WIDE or (even == {0}) == (odd == {0}) or b"\0\0" in pairs:
        return None
    return "utf-16-le" if odd == {0} else "utf-16-be"


class Letters:
    """Turns a text into UTF-8, piece by piece; what is in no UTF-8 is Windows-1252 or GB 18030, with a note."""

    def __init__(self, notes: list[str]) -> None:
        self._notes = notes
        self._encoding = ""  # of the first piece that is in no UTF-8

    def utf8(self, text: bytes) -> bytes:
        """The next piece, which ends where a line does, its lines as Unix ends them."""
        if b"\n" not in text:
            text = text.replace(b"\r", b"\n")
        try:
            text.decode()
        except UnicodeDecodeError:
            if not self._encoding:
                self._encoding, name = ("gb18030", "GB 18030") if _is_chinese(text) else ("cp1252", "Windows-1252")
                self._notes.append(f"it is not in UTF-8: letters beyond ASCII are read as {name}")
            return text.decode(self._encoding, "replace").encode()
        return text


def _is_chinese(text: bytes) -> bool:
    """Whether it can be read as GB 18030, and most of its letters are then common characters of Chinese."""
    try:
        letters = "".join(filter(lambda letter: letter > "\x7f", text.decode("gb18030")))[:SAMPLE]
    except UnicodeDecodeError:
        return False
    pairs = [letter.encode("gb18030") for letter in letters]
    common = sum(len(pair) == 2 and pair[0] in COMMON and pair[1] >= BOTH_HIGH for pair in pairs)
    return common > 1 and common >= MOSTLY * len(pairs)
