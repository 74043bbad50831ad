"""Text of values that a separator parts, as a table; what is wrong with a row is told by its number."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator
from functools import partial
from io import StringIO
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from .dialect import Dialect

if TYPE_CHECKING:
    import polars as pl

__all__ = ["FIRST_ROWS", "is_plain", "separated"]

FIRST_ROWS = 1000  # that types are guessed from


def separated(
    text: bytes, dialect: Dialect, columns: list[str] | None = None, before: int = 0, as_text: Collection[str] = ()
) -> pl.DataFrame:
    """Types are those of all rows; to look at the first rows alone takes a tenth of the time and mostly gives them.

    Rows may end with separators that no name is above; `before` is how many rows of the file come before these, and
    columns in `as_text` are text whatever it looks like.
    """
    import polars as pl

    form = partial(pl.read_csv, text, columns=columns, separator=dialect.separator, decimal_comma=dialect.decimal_comma)
    form = partial(form, schema_overrides=dict.fromkeys(as_text, pl.String))
    if text and (b'"' in text or _may_be_long(text, dialect)):
        if not is_plain(text, dialect):
            _check_rows(text, dialect, before)
        form = partial(form, truncate_ragged_lines=True)
    try:
        frame = form(infer_schema_length=FIRST_ROWS)
        first = frame.head(FIRST_ROWS).select(pl.all().is_null().all())
        if frame.height <= FIRST_ROWS or not any(first.row(0)):
            return frame
    except pl.exceptions.ComputeError:
        pass  # a type that the first rows do not tell
    return form(infer_schema_length=None)


def _may_be_long(text: bytes, dialect: Dialect) -> bool:
    """Whether a row of a text without quotes has more separators than its header."""
    letters = np.frombuffer(text, np.uint8)
    starts = np.flatnonzero(letters[:-1] == ord("\n"))
    counts = np.add.reduceat(letters == ord(dialect.separator), np.append(0, starts), dtype=np.int32)
    return bool((counts > counts[0]).any())


def is_plain(text: bytes, dialect: Dialect) -> bool:
    """Whether quotes stand around whole values alone, and no row has more of them than the first: nothing to check.

    Looking at each row takes ten times as long.
    """
    letters = np.frombuffer(b"\n" + text + b"\n", np.uint8)
    quotes = np.flatnonzero(letters == ord('"'))
    around = np.array([ord(dialect.separator), ord("\n"), ord('"')], np.uint8)
    begins, ends = letters[quotes[::2] - 1], letters[quotes[1::2] + 1]
    if len(quotes) % 2 or not (np.isin(begins, around).all() and np.isin(ends, [*around, ord("\r")]).all()):
        return False
    parted, ended = (np.flatnonzero(letters == ord(mark)) for mark in (dialect.separator, "\n"))
    parted, ended = (places[np.searchsorted(quotes, places) % 2 == 0] for places in (parted, ended))
    values = np.diff(np.searchsorted(parted, ended))
    return bool((values <= values[0]).all())


def _check_rows(text: bytes, dialect: Dialect, before: int) -> None:
    """Raises ValueError for the first row with an odd quote, or with values that no name is above.

    polars ends a row where quotes are even, wherever they stand: one within a value (5" disk) hides rows from it, and
    what is beyond the header it drops without a word if only some columns are read.
    """
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    quotes: list[int] = []  # of the row's lines
    returned: list[
        bool
    ] = []  # whether they hold a carriage return, at which polars ends no row, beside that at the end

    def lines() -> Iterator[str]:
        for line in StringIO(text.decode(), newline="\n"):
            bare = line.rstrip("\r\n")
            quotes.append(line.count('"'))
            returned.append("\r" in bare)
            yield bare.replace("\r", " ") + "\n"

    names, number = 0, before
    for row in csv.reader(lines(), delimiter=dialect.separator):
        if any(quotes):
            odd = [count % 2 for count in accumulate(quotes)]
            if odd.pop() or not all(odd):
                which = f"row {number}" if names else "the header"
                raise ValueError(f"{which} opens a quote that is never closed; expected two quotes, or none")
        quotes.clear()
        parted = any(returned)
        returned.clear()
        if not row:  # a blank line
            continue
        if names and any(value.strip() for value in row[names:]):
            hint = f"expected as many, and quotes around a value that holds {dialect.separator!r}"
            if parted:
                hint = (
                    "a carriage return stands within it; expected lines that end alike, as tr -s '\\r' '\\n' makes them"
                )
            raise ValueError(f"row {number} has {len(row)} values, and the header {names} names; {hint}")
        names = names or len(row)
        number += 1
