"""Text of values that a separator parts, as a table; what is wrong with a row is told by its number."""

from __future__ import annotations

import csv
from functools import partial
from io import StringIO
from typing import TYPE_CHECKING

from .dialect import Dialect

if TYPE_CHECKING:
    import polars as pl

__all__ = ["FIRST_ROWS", "separated"]

FIRST_ROWS = 1000  # that types are guessed from
TOO_MANY = "found more fields than defined in 'Schema'"  # polars, of a row that is longer than the header


def separated(text: bytes, dialect: Dialect, columns: list[str] | None = None, before: int = 0) -> pl.DataFrame:
    """Types are those of all rows; to look at the first rows alone takes a tenth of the time and mostly gives them.

    Rows may end with separators that no name is above; `before` is how many rows of the file come before these.
    """
    import polars as pl

    form = partial(pl.read_csv, text, columns=columns, separator=dialect.separator, decimal_comma=dialect.decimal_comma)
    try:
        frame = form(infer_schema_length=FIRST_ROWS)
        first = frame.head(FIRST_ROWS).select(pl.all().is_null().all())
        if frame.height <= FIRST_ROWS or not any(first.row(0)):
            return frame
    except pl.exceptions.ComputeError as error:
        if str(error).startswith(TOO_MANY):
            _check_lengths(text, dialect, before)
            form = partial(form, truncate_ragged_lines=True)
    try:
        return form(infer_schema_length=None)
    except pl.exceptions.ComputeError:
        if text.count(b'"') % 2:
            number = before + len(_rows(text, dialect)) - 1
            raise ValueError(f"row {number} opens a quote that is never closed; expected two quotes, or none") from None
        raise


def _rows(text: bytes, dialect: Dialect) -> list[list[str]]:
    """The rows of a text with its header, as Python reads them; blank lines are none."""
    return [row for row in csv.reader(StringIO(text.decode(), newline=""), delimiter=dialect.separator) if row]


def _check_lengths(text: bytes, dialect: Dialect, before: int) -> None:
    """Raises ValueError for the first row with values that no name is above."""
    header, *rows = _rows(text, dialect)
    names = len(header)
    for number, row in enumerate(rows, start=before + 1):
        if any(value.strip() for value in row[names:]):
            hint = f"expected as many, and quotes around a value that holds {dialect.separator!r}"
            raise ValueError(f"row {number} has {len(row)} values, and the header {names} names; {hint}")
