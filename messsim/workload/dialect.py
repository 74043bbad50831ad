"""How a text of values separated by commas, semicolons, tabs or bars is written, told by its first line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Dialect"]

SEPARATORS = b",;\t|"
SPACES = re.compile(rb"[ \t]+")
STATED = re.compile(rb'^\s*"?sep=(.)"?\s*?\n', re.I)  # how a spreadsheet is told of the separator
LEAST_COLUMNS = 3  # of a table with a title, or with spaces between columns
MOST_TITLES = 10  # lines before the header
MOST_FIRST = MOST_TITLES + 3  # lines: those, and a header between two rules
QUOTED = re.compile(rb'"[^"]*"')
BLANK = re.compile(rb"(?:\n[ ]*\r?)+(?=\n|$)")
BAR = ord("|")
OF_RULES = b"-=:+| \t\r"  # lines that terminals and Markdown draw in tables
LINES_OF_RULES = (b"--", b"==", b":-", b"-:")
COUNT = re.compile(rb"\n(\(\d+ rows?\)|\d+ rows? in set[^\n]*)\s*\Z")  # below a table that a database printed
MAY_BE_BLANK = (b"\n\n", b"\n\r", b"\n ")  # found much faster than the pattern, which stops at each line


@dataclass(frozen=True)
class Dialect:
    """Its separator, and whether a comma stands where others write a decimal point.

    Attributes
    ----------
    comments
        Whether lines that begin with # are no rows: where the first does.
    ruled
        Whether a rule is drawn above or below the header, as terminals and Markdown do in tables of bars.
    edged
        Whether bars stand around each row of such a table, as they do around its header.
    """

    separator: str = ","
    decimal_comma: bool = False
    comments: bool = False
    ruled: bool = False
    edged: bool = False

    @classmethod
    def of(cls, text: bytes) -> Dialect:
        """That of a text from its beginning."""
        comments = text.lstrip().startswith(b"#")
        first = cls(comments=comments).without_comments(text).split(b"\n", MOST_FIRST)[:MOST_FIRST]
        if (at := _ruled_header(first)) is not None and max(SEPARATORS, key=first[at].count) == BAR:
            edges = first[at].strip()
            return cls("|", False, comments, True, edges.startswith(b"|") and edges.endswith(b"|"))
        text = b"\n".join(line for line in text[: 1 << 16].split(b"\n") if not _is_rule(line))
        stated = STATED.match(text)
        text = without_titles(text)
        plain = QUOTED.sub(b"_", text)  # what is quoted may hold separators and ends of lines
        lines = [line for line in plain.splitlines() if line.strip() and not line.startswith(b"#")]
        if not lines:
            return cls(comments=comments)
        counts = {chr(s): lines[0].count(bytes([s])) for s in SEPARATORS}
        best = max(counts, key=lambda s: counts[s])
        if stated and counts.get(stated[1].decode("latin-1")):
            best = stated[1].decode()
        if counts[best] == 0 and _in_columns(lines):
            return cls(" ", False, comments)
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
        text = self.bare(text)
        has_columns = self.separator.encode() in text[: 1 << 16]
        if not has_columns or b'"' in text:
            return text
        text = BLANK.sub(b"", text) if text.endswith(b"\n") or any(m in text for m in MAY_BE_BLANK) else text
        return self._without_empty_end(text).lstrip(b"\r\n")

    def _without_empty_end(self, text: bytes) -> bytes:
        """Without rows of nothing but separators at its end, as spreadsheets leave them."""
        if text.rstrip().endswith((b"rows)", b"row)", b"sec)")):
            text = COUNT.sub(b"\n", text)
        nothing = self.separator.encode() + b" \r\n"
        end = len(text)
        while (start := text.rfind(b"\n", 0, end)) > 0 and not text[start:end].strip(nothing):
            end = start
        return text[:end]

    def bare(self, text: bytes) -> bytes:
        """Lines, the header or others, without what is drawn around and between their values."""
        if self.separator == " ":
            return b"".join(SPACES.sub(b" ", line.strip()) + b"\n" for line in text.splitlines())
        if not self.ruled:
            return text
        # A rule with bars may be a row of dashes: only the one at the header is known to be none.
        lines = [line for line in text.split(b"\n") if b"|" in line or not _is_rule(line)]
        return b"\n".join(map(_without_edges, lines) if self.edged else lines)

    def beginning(self, text: bytes) -> bytes:
        """The text from its header on, without what stands before it, and without a rule below it."""
        text = self.without_comments(text)
        if not self.ruled:
            return without_titles(text)
        lines = text.split(b"\n", MOST_FIRST)
        at = _ruled_header(lines[:MOST_FIRST]) or 0
        below = at + 2 if _is_rule(b"".join(lines[at + 1 : at + 2])) else at + 1
        return b"\n".join([lines[at], *lines[below:]])

    def named(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame, its columns' names without spaces around them."""
        names = [name.strip() for name in frame.columns]
        return frame.rename(dict(zip(frame.columns, names, strict=True))) if len({*names}) == len(names) else frame

    def original(self, names: list[str], wanted: list[str]) -> list[str]:
        """The columns to read for those that are wanted by name or dotted path, as the file names them."""
        return [n for n in names if any(w == n.strip() or w == n or w.startswith(f"{n.strip()}.") for w in wanted)]


def without_titles(text: bytes) -> bytes:
    """Without a line that states the separator, and lines of a title above a table of at least three columns.

    A title has one value at most, whatever separators stand around it, and the header below a value in each column.
    """
    text = STATED.sub(b"", text, count=1)
    lines = text.split(b"\n", MOST_TITLES + 1)[: MOST_TITLES + 1]
    titles = next((i for i, line in enumerate(lines) if any(_filled(line, s) > 1 for s in SEPARATORS)), 0)
    if not any(_filled(line, s) for line in lines[:titles] for s in SEPARATORS):
        return text
    header = lines[titles]
    whole = any(_filled(header, s) == header.count(s) + 1 >= LEAST_COLUMNS for s in SEPARATORS)
    return text.split(b"\n", titles)[titles] if whole else text


def _is_rule(line: bytes) -> bool:
    """Whether nothing but a line is drawn here."""
    return not line.strip(OF_RULES) and any(drawn in line for drawn in LINES_OF_RULES)


def _ruled_header(lines: list[bytes]) -> int | None:
    """Which line is the header of a table of bars, if a rule is drawn above or below it."""
    at = next((i for i, line in enumerate(lines) if not _is_rule(line) and _filled(line, BAR) > 1), None)
    return at if at is not None and any(map(_is_rule, lines[max(at - 1, 0) : at + 2])) else None


def _without_edges(line: bytes) -> bytes:
    return line.strip(b" \t\r").removeprefix(b"|").removesuffix(b"|").strip(b" \t")


def _filled(line: bytes, separator: int) -> int:
    """How many values of a line are not empty."""
    return sum(bool(value.strip(b' \r"')) for value in line.split(bytes([separator])))


def _in_columns(lines: list[bytes]) -> bool:
    """Whether spaces part at least three columns, as many in every line."""
    widths = {len(line.split()) for line in lines[:MOST_TITLES]}
    return len(lines) > 1 and len(widths) == 1 and min(widths) >= LEAST_COLUMNS
