"""Tables from files, and their columns as numbers or text; what is wrong with one is said in its own words."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from messsim.errors import DataError
from messsim.files import json_text
from messsim.scenario.base import MOST_TOKENS
from messsim.wording import shown

from .blocks import whole
from .chunk import Floats, Ints
from .nested import of_other_type, require, resolved

if TYPE_CHECKING:
    import polars as pl

DOTTED, DOTTED_OR_WHOLE = r"^\d{1,3}(\.\d{3})+$", r"^\d+$|^\d{1,3}(\.\d{3})+$"
GROUPED = r"^[+-]?[1-9]\d{0,2}(?:(?:,\d{3})+|(?:'\d{3})+|(?:[ \u{a0}\u{202f}]\d{3})+)(?:\.\d+)?$"
WITH_COMMA = r"^[+-]?(?:\d+|[1-9]\d{0,2}(?:\.\d{3})+),\d+$"  # points may part thousands then
OF_THOUSANDS = re.compile(
    r"(?i)(?:^|[^a-z])(?:[km][ _.-]?tok(?:en)?s?|thousands?|millions?)(?![a-z])"
    r"|tok(?:en)?s?[ _.-][km]$|[(\[] ?[km] ?[)\]]"
)
PARTED_BY_COMMA = r"^[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?$"
PARTED_BY_POINT = r"^[+-]?[1-9]\d{0,2}(?:\.\d{3})+,\d+$"
CURRENCY = r"^(?:USD|US ?[$])\s*|\s*(?:USD|[$])$"  # before or behind a number: costs are in USD
DECIMAL, THOUSANDS = "is the decimal one", "parts thousands"
ROWS_AT_ONCE = 4096
ROW_IN_FILE = "\0row in file"  # a column of no file's

__all__ = [
    "ROW_IN_FILE",
    "Marks",
    "as_key",
    "as_numbers",
    "as_text",
    "filled",
    "first_bad",
    "marks_of_counts",
    "numbers",
    "picked",
    "read",
    "require",
    "resolved",
    "row_number",
    "rows_in_file",
    "shown",
    "texts",
    "token_counts",
    "with_rows_in_file",
]


def read(
    path: Path, columns: list[str] | None = None, notes: list[str] | None = None, labels: Collection[str] = ()
) -> pl.DataFrame:
    """The table, only the named columns where named; `notes` and `labels` as in `blocks`.

    Raises
    ------
    DataError
        If the file is missing, unreadable, of another kind, without a named column, or empty.
    """
    frame = whole(path, notes, labels)
    if columns is not None:
        frame = resolved(frame, columns, path).select(list(dict.fromkeys(columns)))
    if frame.height == 0:
        raise DataError("has no rows", str(path))
    return frame


def numbers(
    frame: pl.DataFrame,
    column: str,
    path: Path,
    *,
    least: float = -np.inf,
    most: float = np.inf,
    before: int = 0,
    marks: Marks | None = None,
    money: bool = False,
) -> Floats:
    """A column as float64: every value present, finite and within [least, most].

    Text that reads as a number is one. `before` is how many rows of the file come before those of the frame, `marks`
    what commas and points mean in them; `money` as in `as_numbers`.
    """
    import polars as pl

    series = frame[column]
    expected = _range(least, most)
    places = rows_in_file(frame)
    is_number = series.dtype.is_numeric() or (series.dtype == pl.Boolean and most == 1)
    if not is_number and series.dtype not in (pl.String, pl.Null):
        raise DataError(of_other_type(column, series.dtype, expected), str(path))
    if series.null_count():
        raise first_bad(column, series.is_null(), "no value", expected, path, before, places)
    if series.dtype == pl.String:
        marks = marks or Marks()
        number = as_numbers(series, marks, money=money)
        if number.null_count():
            expected = marks.expected(series.filter(number.is_null())[0]) or expected
            raise first_bad(column, number.is_null(), series, expected, path, before, places)
        series = number
    values = series.cast(pl.Float64)
    bad = ~(values.is_finite() & (values >= least) & (values <= most))
    if bad.any():
        raise first_bad(column, bad, values, expected, path, before, places)
    return values.to_numpy()


def with_rows_in_file(frame: pl.DataFrame) -> pl.DataFrame:
    """A whole file whose rows keep where they stand in it, whichever of them are left out or moved."""
    return frame.with_row_index(ROW_IN_FILE)


def rows_in_file(frame: pl.DataFrame) -> pl.Series | None:
    """Where in its file each row stands; None: as it does in the frame."""
    return frame[ROW_IN_FILE] if ROW_IN_FILE in frame.columns else None


def picked(frame: pl.DataFrame, columns: Sequence[str | pl.Expr]) -> pl.DataFrame:
    """Some columns of a frame, and where its rows stand in their file, where it says so."""
    return frame.select(*columns, *(c for c in frame.columns if c == ROW_IN_FILE))


def row_number(frame: pl.DataFrame, row: int) -> int:
    """Which row of its file one of a frame is, from 1."""
    places = rows_in_file(frame)
    return (row if places is None else int(places[row])) + 1


def token_counts(frame: pl.DataFrame, column: str, path: Path, before: int = 0, marks: Marks | None = None) -> Ints:
    """A column of token counts, rounded to whole ones; `before` and `marks` as in `numbers`."""
    if OF_THOUSANDS.search(column):
        raise DataError(
            f"column {column!r} is of thousands or millions, by its name; expected one of tokens", str(path)
        )
    marks = marks_of_counts(frame[column], marks)
    tokens = numbers(frame, column, path, least=1, most=MOST_TOKENS, before=before, marks=marks)
    return np.round(tokens).astype(np.int32)


def texts(frame: pl.DataFrame, column: str, path: Path) -> list[str]:
    """A column as text; no value is the empty text."""
    return [str(value) for value in as_text(frame[column], column, path).fill_null("")]


def as_text(series: pl.Series, column: str, path: Path | str = "", expected: str = "text or numbers") -> pl.Series:
    """Values as text, by the letters that a file has for them; null stays null.

    Raises
    ------
    DataError
        If they are lists, objects, durations, or bytes that are no UTF-8.
    """
    import polars as pl

    if not (series.dtype.is_nested() or series.dtype == pl.Duration):
        with contextlib.suppress(pl.exceptions.ComputeError):
            return series.cast(pl.String)
    raise DataError(of_other_type(column, series.dtype, expected), str(path))


def filled(frame: pl.DataFrame, column: str, counts: pl.Series, number: int) -> pl.DataFrame:
    """The frame with a number where a row does not count; what is no number nor text stays, which `numbers` refuses."""
    import polars as pl

    dtype = frame[column].dtype
    if not (dtype.is_numeric() or dtype in (pl.String, pl.Boolean, pl.Null)):
        return frame
    return frame.with_columns(pl.when(counts).then(pl.col(column)).otherwise(pl.lit(number)).alias(column))


def as_key(series: pl.Series, column: str, path: Path) -> pl.Series:
    """What tells rows apart, as text; chat messages, as all lists and objects, as JSON, whatever the order of keys.

    Raises
    ------
    DataError
        If it is of durations, or of bytes that are no UTF-8.
    """
    import polars as pl

    if not series.dtype.is_nested():
        return as_text(series, column, path)
    parts = [pl.Series(series.name, [], pl.String)]
    for start in range(0, len(series), ROWS_AT_ONCE):  # Python's objects take ten times the memory
        some = series.slice(start, ROWS_AT_ONCE).to_list()
        parts.append(pl.Series(series.name, [None if v is None else _as_json(v) for v in some], pl.String))
    return pl.concat(parts).str.strip_chars()


def _as_json(value: Any) -> str:
    return json_text(_in_order(value), indent=None, default=str, ascii_only=False)


def _in_order(value: Any) -> Any:
    """A value whose objects have their keys in order, without those that hold nothing: a table gives each row all."""
    if isinstance(value, dict):
        return {key: _in_order(value[key]) for key in sorted(value) if value[key] is not None}
    return [_in_order(inner) for inner in value] if isinstance(value, list) else value


@dataclass
class Marks:
    """What commas and points mean in a column's numbers: the same in all blocks of a file.

    Attributes
    ----------
    comma, point
        DECIMAL, THOUSANDS, or "" while no row tells.
    """

    comma: str = ""
    point: str = ""

    def expected(self, value: str | None) -> str:
        """What is expected where a value would be a number, did its comma or point not mean another thing; else ""."""
        value = (value or "").strip()
        for mark, meaning, otherwise in (
            ("comma", self.comma, {DECIMAL: PARTED_BY_COMMA, THOUSANDS: WITH_COMMA}),
            ("point", self.point, {DECIMAL: PARTED_BY_POINT, THOUSANDS: r"^[+-]?\d+\.\d+$"}),
        ):
            if meaning and re.match(otherwise[meaning], value):
                return f"a number in which a {mark} {meaning}, as in other rows"
        return ""


def marks_of_counts(series: pl.Series, marks: Marks | None = None) -> Marks:
    """What commas and points mean in counts: in text a point parts thousands where all are written so, or whole.

    `marks` is what they mean in the rows before. Whether others than traces have such points `points_part_thousands`
    tells.
    """
    import polars as pl

    marks = marks or Marks()
    if series.dtype == pl.String and not marks.point:
        text = series.str.strip_chars()
        if text.str.contains(DOTTED).any() and text.drop_nulls().str.contains(DOTTED_OR_WHOLE).all():
            marks.point = THOUSANDS
    return marks


def as_numbers(text: pl.Series, marks: Marks | None = None, *, money: bool = False) -> pl.Series:
    """Text as whole numbers if all of it is, else as numbers; null: none.

    Thousands may be parted by commas, apostrophes or spaces; a comma may stand for the decimal point where it does in
    every value that has one, and points then part thousands. `marks` is what they mean in the rows before, and then
    in these too: what is a number in another sense is none. `money`: USD may stand
    before or behind a number; other currencies make it none.
    """
    import polars as pl

    marks = marks or Marks()
    bare = text.str.strip_chars().str.strip_chars_start("$ ")
    if bare.str.contains(r"[,' \u{a0}\u{202f}]").any():
        grouped = bare.str.contains(GROUPED).fill_null(False)
        with_comma = bare.filter(bare.str.contains(",", literal=True))
        if not marks.comma and len(with_comma):
            if with_comma.str.contains(GROUPED).all():
                marks.comma = THOUSANDS
            elif with_comma.str.contains(WITH_COMMA).all():
                marks.comma = DECIMAL
        if marks.comma == DECIMAL:
            if not marks.point and with_comma.str.contains(".", literal=True).any():
                marks.point = THOUSANDS
        elif grouped.any():
            bare = bare.str.replace_all(r"[,' \u{a0}\u{202f}]", "").zip_with(grouped, bare)
    if not marks.point and text.str.contains(r"^[^.]*\.[^.,]*$").any():
        marks.point = DECIMAL
    if marks.comma == DECIMAL or marks.point == THOUSANDS:
        bare = _with_points(bare, thousands=marks.point == THOUSANDS)
    whole_numbers = bare.cast(pl.Int64, strict=False)
    if whole_numbers.null_count() == bare.null_count():
        return whole_numbers
    values = bare.cast(pl.Float64, strict=False)
    if values.null_count() > bare.null_count() and money and bare.str.contains(CURRENCY).any():
        return as_numbers(text.str.strip_chars().str.replace(CURRENCY, ""), marks)
    return values


def _with_points(text: pl.Series, *, thousands: bool) -> pl.Series:
    """Numbers with decimal commas as with decimal points; null where points part thousands and one parts others."""
    import polars as pl

    if not thousands:
        return text.str.replace(",", ".", literal=True)
    parted = text.str.contains(DOTTED) | ~text.str.contains(r"^[^,]*\.[^,]*$")
    bare = text.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    return bare.zip_with(parted.fill_null(False), pl.Series([None], dtype=pl.String))


def first_bad(
    column: str,
    bad: pl.Series,
    shown: pl.Series | str,
    expected: str,
    path: Path,
    before: int = 0,
    places: pl.Series | None = None,
) -> DataError:
    """The error that names the first bad row, from 1 (a CSV's header does not count).

    `places` says where in the file each row stands, if not one after the other behind `before`.
    """
    row = int(bad.arg_max() or 0)
    place = before + row if places is None else int(places[row])
    value = shown if isinstance(shown, str) else shown[row]
    value = f"{value:.10g}" if isinstance(value, float) else value if value is shown else _as_written(value)
    return DataError(f"column {column!r} has {value} in row {place + 1}; expected {expected}", str(path))


def _as_written(value: object) -> str:
    """A value as a file would write it; text in quotes."""
    return str(value) if isinstance(value, (dt.date, dt.time, dt.timedelta, Decimal)) else repr(value)


def _range(least: float, most: float) -> str:
    bounds = [f"at least {least:.10g}"] * bool(np.isfinite(least)) + [f"at most {most:.10g}"] * bool(np.isfinite(most))
    return f"a number, {' and '.join(bounds)}" if bounds else "a finite number"
