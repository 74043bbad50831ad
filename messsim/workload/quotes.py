"""Text whose values stand in single quotes, as databases and spreadsheets can be told to write it."""

from __future__ import annotations

import re

__all__ = ["Quotes"]

SEPARATOR = rb"[,;\t|]"
QUOTED = rb"'[^'\n]*(?:''[^'\n]*)*'"
BARE = rb"(?:[^,;\t|'\"\n][^,;\t|\n]*)?"
HEADER = re.compile(rb"%s(?:%s%s)+" % (QUOTED, SEPARATOR, QUOTED))
ROW = re.compile(rb"(?:%s|%s)(?:%s(?:%s|%s))*" % (QUOTED, BARE, SEPARATOR, QUOTED, BARE))
# A value in single quotes, or one that opens a quote and is none.
VALUE = re.compile(rb"(^|%s)(?:(%s)(?=%s|\r?$)|['\"][^\n]*)" % (SEPARATOR, QUOTED, SEPARATOR), re.M)
OPENS = re.compile(rb"(?:^|%s)'" % SEPARATOR)
MOST_BYTES = 1 << 16  # in which the first rows stand
MOST_ROWS = 10  # that tell
MOST_SHOWN = 40  # bytes of a value in an error


class Quotes:
    """Turns a text into one with double quotes, piece by piece, where its header and first rows have single ones."""

    def __init__(self) -> None:
        self._single: bool | None = None

    def doubled(self, text: bytes) -> bytes:
        """The next piece.

        Raises
        ------
        ValueError
            If the header is in single quotes, and a value opens a quote that does not end with it.
        """
        if self._single is None:
            self._single = _are_single(text)
        return VALUE.sub(_doubled, text) if self._single else text


def _doubled(value: re.Match[bytes]) -> bytes:
    if value[2] is None:
        shown = value[0][len(value[1]) :][:MOST_SHOWN].decode(errors="replace").rstrip()
        hint = "expected values in single quotes, as its header is, each within a line and with two for one within it"
        raise ValueError(f"a value opens a quote that does not end it, at {shown!r}; {hint}")
    return value[1] + b'"' + value[2][1:-1].replace(b"''", b"'").replace(b'"', b'""') + b'"'


def _are_single(text: bytes) -> bool:
    """Whether all names of the header stand in single quotes, and in its first rows they stand around whole values.

    A header without them says that they may be of the values themselves.
    """
    lines = text[:MOST_BYTES].split(b"\n")
    if len(text) > MOST_BYTES:
        lines.pop()  # it is cut
    header, *rows = [line.rstrip(b"\r") for line in lines if line.strip()][: MOST_ROWS + 1] or [b""]
    return HEADER.fullmatch(header) is not None and all(map(ROW.fullmatch, rows)) and any(map(OPENS.search, rows))
