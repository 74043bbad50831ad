"""How a text of values separated by commas, semicolons, tabs or bars is written, told by its first line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Dialect"]

SEPARATORS = b",;\t|"
QUOTED = re.compile(rb'"[^"]*"')
BLANK = re.compile(rb"(?:\n[ ]*\r?)+(?=\n|$)")
MAY_BE_BLANK = (b"\n\n", b"\n\r", b"\n ")  # found much faster than the pattern, which stops at each line


@dataclass(frozen=True)
class Dialect:
    """Its separator, and whether a comma stands where others write a decimal point.

    Attributes
    ----------
    comments
        Whether lines that begin with # are no rows: where the first does.
    """

    separator: str = ","
    decimal_comma: bool = False
    comments: bool = False

    @classmethod
    def of(cls, text: bytes) -> Dialect:
        """That of a text from its beginning."""
        comments = text.lstrip().startswith(b"#")
        plain = QUOTED.sub(b"", text[: 1 << 16])  # what is quoted may hold separators and ends of lines
        lines = [line for line in plain.splitlines() if line.strip() and not line.startswith(b"#")]
        if not lines:
            return cls(comments=comments)
        counts = {chr(s): lines[0].count(bytes([s])) for s in SEPARATORS}
        best = max(counts, key=lambda s: counts[s])
        separator = best if counts[best] > 0 else ","
        return cls(separator, separator == ";", comments)

    def without_comments(self, text: bytes) -> bytes:
        """Only lines that are rows, or the header."""
        if not self.comments:
            return text
        return b"".join(line for line in text.splitlines(keepends=True) if not line.lstrip().startswith(b"#"))

    def cleaned(self, text: bytes) -> bytes:
        """Without comments, and without blank lines where these are no rows of one empty value."""
        text = self.without_comments(text)
        has_columns = self.separator.encode() in text[: 1 << 16]
        if not has_columns or b'"' in text:
            return text
        return BLANK.sub(b"", text) if text.endswith(b"\n") or any(m in text for m in MAY_BE_BLANK) else text

    def named(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame, its columns' names without spaces around them."""
        names = [name.strip() for name in frame.columns]
        return frame.rename(dict(zip(frame.columns, names, strict=True))) if len({*names}) == len(names) else frame

    def original(self, names: list[str], wanted: list[str]) -> list[str]:
        """The columns to read for those that are wanted by name or dotted path, as the file names them."""
        return [n for n in names if any(w == n.strip() or w == n or w.startswith(f"{n.strip()}.") for w in wanted)]
