"""Tables from files: CSV, CSV.gz, Parquet, JSONL; what is wrong with one is said in its own words."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from messsim.errors import DataError
from messsim.scenario.base import MOST_TOKENS

from .chunk import Floats, Ints
from .parquet import check_layout

if TYPE_CHECKING:
    import polars as pl

__all__ = ["first_bad", "numbers", "read", "require", "shown", "texts", "token_counts"]

KINDS = ".csv, .csv.gz, .parquet, .jsonl or .ndjson"
MOST_NAMED = 12  # columns of a file that an error names


def read(path: Path, columns: list[str] | None = None) -> pl.DataFrame:
    """The table, only the named columns where named.

    Raises
    ------
    DataError
        If the file is missing, unreadable, of another kind, without a named column, or empty.
    """
    import polars as pl

    if not path.is_file():
        raise DataError("is a directory; expected a file" if path.is_dir() else "no such file", str(path))
    try:
        frame = _frame(path)
    except pl.exceptions.PanicException:  # its text is about the reader's insides
        raise DataError("cannot be read: it is damaged, or of a kind that Polars does not know", str(path)) from None
    except (pl.exceptions.PolarsError, OSError, ValueError, EOFError) as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise DataError(f"cannot be read: {reason}", str(path)) from None
    if columns is not None:
        require(frame.columns, columns, path)
        frame = frame.select(list(dict.fromkeys(columns)))
    if frame.height == 0:
        raise DataError("has no rows", str(path))
    return frame


def _frame(path: Path) -> pl.DataFrame:
    """Whatever the file holds. Types are those of all rows: a column may be whole numbers for long."""
    import polars as pl

    name = path.name.lower()
    if name.endswith((".csv", ".csv.gz")):
        return pl.read_csv(path, infer_schema_length=None)
    if name.endswith(".parquet"):
        check_layout(path)
        return pl.read_parquet(path)
    if name.endswith((".jsonl", ".ndjson")):
        return pl.read_ndjson(path, infer_schema_length=None)
    raise DataError(f"cannot tell its kind by its name; expected {KINDS}", str(path))


def require(have: list[str], wanted: list[str], path: Path) -> None:
    """Raises for columns that are not there, with the nearest name."""
    problems = []
    for column in dict.fromkeys(wanted):
        if column not in have:
            near = get_close_matches(column, have, n=1, cutoff=0.5)
            more = ", ..." if len(have) > MOST_NAMED else ""
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(shown, have[:MOST_NAMED]))}{more}"
            problems.append(f"column {column!r} is missing; {hint}")
    if problems:
        raise DataError(problems, str(path))


def shown(name: str) -> str:
    """A name as it is, or with what cannot be printed written out: an error has one line a problem."""
    return name if name.isprintable() and name.strip() else repr(name)


def numbers(frame: pl.DataFrame, column: str, path: Path, *, least: float = -np.inf, most: float = np.inf) -> Floats:
    """A column as float64: every value present, finite and within [least, most]."""
    import polars as pl

    series = frame[column]
    expected = _range(least, most)
    if series.null_count():
        raise first_bad(column, series.is_null(), "no value", expected, path)
    if series.dtype == pl.String:
        number = series.cast(pl.Float64, strict=False)
        if number.null_count():
            raise first_bad(column, number.is_null(), series, expected, path)
    if not (series.dtype.is_numeric() or (series.dtype == pl.Boolean and most == 1)):
        raise DataError(f"column {column!r} is of type {series.dtype}; expected {expected}", str(path))
    values = series.cast(pl.Float64)
    bad = ~(values.is_finite() & (values >= least) & (values <= most))
    if bad.any():
        raise first_bad(column, bad, values, expected, path)
    return values.to_numpy()


def token_counts(frame: pl.DataFrame, column: str, path: Path) -> Ints:
    """A column of token counts, rounded to whole ones."""
    return np.round(numbers(frame, column, path, least=1, most=MOST_TOKENS)).astype(np.int32)


def texts(frame: pl.DataFrame, column: str, path: Path) -> list[str]:
    """A column as text; no value is the empty text."""
    import polars as pl

    series = frame[column]
    if series.dtype.is_nested() or series.dtype == pl.Binary:
        raise DataError(f"column {column!r} is of type {series.dtype}; expected text or numbers", str(path))
    return [str(value) for value in series.cast(pl.String).fill_null("")]


def first_bad(column: str, bad: pl.Series, shown: pl.Series | str, expected: str, path: Path) -> DataError:
    """The error that names the first bad row, from 1 (a CSV's header does not count)."""
    row = int(bad.arg_max() or 0)
    value = shown if isinstance(shown, str) else shown[row]
    value = f"{value:.10g}" if isinstance(value, float) else value if value is shown else repr(value)
    return DataError(f"column {column!r} has {value} in row {row + 1}; expected {expected}", str(path))


def _range(least: float, most: float) -> str:
    bounds = [f"at least {least:.10g}"] * bool(np.isfinite(least)) + [f"at most {most:.10g}"] * bool(np.isfinite(most))
    return f"a number, {' and '.join(bounds)}" if bounds else "a finite number"
