"""Text whose values stand in single quotes, as databases and spreadsheets can be told to write it."""

from __future__ import annotations

import re

__all__ = ["Quotes"]

QUOTED = rb"'(?:[^'\n]|'')*'"
ALL_QUOTED = re.compile(rb"%s(?:[,;\t|]%s)+" % (QUOTED, QUOTED))
BARE = rb"[^,;\t|'\"\n]*"
SOME_QUOTED = re.compile(rb"(?=[^\n]*')(?:%s|%s)(?:[,;\t|](?:%s|%s))+" % (QUOTED, BARE, QUOTED, BARE))
ONE = re.compile(rb"'((?:[^']|'')*)'")
MOST_ROWS = 10  # that tell


class Quotes:
    """Turns a text into one with double quotes, piece by piece, where its first rows have single ones."""

    def __init__(self) -> None:
        self._single: bool | None = None

    def doubled(self, text: bytes) -> bytes:
        """The next piece."""
        if self._single is None:
            self._single = _are_single(text)
        if not self._single:
            return text
        if b"''" not in text and b'"' not in text:
            return text.replace(b"'", b'"')
        return ONE.sub(lambda m: b'"' + m[1].replace(b"''", b"'").replace(b'"', b'""') + b'"', text)


def _are_single(text: bytes) -> bool:
    """Whether all names of the header stand in single quotes, or some value of each of the first rows does."""
    lines = [line.strip(b" \r") for line in text[: 1 << 16].split(b"\n", MOST_ROWS + 1)[: MOST_ROWS + 1]]
    header, *rows = [line for line in lines if line] or [b""]
    return bool(ALL_QUOTED.fullmatch(header) or (rows and all(map(SOME_QUOTED.fullmatch, rows))))
