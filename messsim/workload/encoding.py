"""In which letters a text is written: UTF-8 and UTF-16 are told by their bytes, others by what they would say."""

from __future__ import annotations

import codecs
import re

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
LEAST_KINDS = 5  # of characters
BEYOND_ASCII = re.compile(rb"[^\0-\x7f]")
IN_WORD = re.compile(r"(?<=[A-Za-z])[^\0-\x7f]|[^\0-\x7f](?=[A-Za-z])")
MOST_BYTES = 1 << 20  # from which an encoding is told: as many as a header is read with
NAMES = {"gb18030": "GB 18030", "cp1252": "Windows-1252"}
WESTERN = "messsim-western"  # how bytes that are in no UTF-8 are read


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
    """Turns a text into UTF-8, piece by piece; what is in no UTF-8 is Windows-1252 or GB 18030, with a note.

    All of a file is of one of them. Where it is of UTF-8 but for some bytes, these are read as Windows-1252; `exact`:
    they are left as they are, for its reader to refuse their row.
    """

    def __init__(self, notes: list[str], *, exact: bool = False) -> None:
        self._notes = notes
        self._exact = exact
        self._encoding = ""  # of the first piece with letters beyond ASCII

    def utf8(self, text: bytes) -> bytes:
        """The next piece, which ends where a line does, its lines as Unix ends them."""
        if b"\n" not in text:
            text = text.replace(b"\r", b"\n")
        if text.isascii():
            return text
        if not self._encoding:
            self._encoding = _encoding_of(text)
            if self._encoding != "utf-8":
                self._note(f"it is not in UTF-8: letters beyond ASCII are read as {NAMES[self._encoding]}")
        if self._encoding != "utf-8":
            return text.decode(self._encoding, "replace").encode()
        try:
            text.decode()
        except UnicodeDecodeError:
            if not self._exact:
                self._note("some bytes are in no UTF-8: they are read as Windows-1252")
                return text.decode(errors=WESTERN).encode()
        return text

    def _note(self, note: str) -> None:
        if note not in self._notes:
            self._notes.append(note)


def _western(error: UnicodeError) -> tuple[str, int]:
    """Bytes that are in no UTF-8, as Windows-1252."""
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error(WESTERN, _western)


def _encoding_of(text: bytes) -> str:
    """That of most letters beyond ASCII in the first bytes that have any."""
    first = BEYOND_ASCII.search(text)
    if first is None:
        return "utf-8"
    text = text[text.rfind(b"\n", 0, first.start()) + 1 :]
    end = text.rfind(b"\n", 0, MOST_BYTES) + 1 if len(text) > MOST_BYTES else 0
    start = text[: end or len(text)]
    letters = start.decode(errors="ignore")
    valid = len(letters) - len(letters.encode("ascii", "ignore"))
    if valid >= len(start) - len(letters.encode()):
        return "utf-8"
    return "gb18030" if _is_chinese(start) else "cp1252"


def _is_chinese(text: bytes) -> bool:
    """Whether it can be read as GB 18030, and most of its letters are then common characters of Chinese.

    Capitals with accents, side by side, are such as well: of few kinds, and within words of other letters.
    """
    try:
        decoded = text.decode("gb18030")
    except UnicodeDecodeError:
        return False
    letters = "".join(filter(lambda letter: letter > "\x7f", decoded))
    pairs = [letter.encode("gb18030") for letter in letters[:SAMPLE]]
    common = [pair for pair in pairs if len(pair) == 2 and pair[0] in COMMON and pair[1] >= BOTH_HIGH]
    in_words = len(IN_WORD.findall(decoded)) > len(letters) / 2
    return len({*common}) >= LEAST_KINDS and len(common) >= MOSTLY * len(pairs) and not in_words
