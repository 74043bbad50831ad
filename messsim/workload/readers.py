"""Tables from files: CSV, CSV.gz, Parquet, JSONL; what is wrong with one is said in its own words."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from messsim.errors import DataError

from .chunk import Floats

if TYPE_CHECKING:
    import polars as pl

__all__ = ["numbers", "read", "require"]

KINDS = ".csv, .csv.gz, .parquet, .jsonl or .ndjson"


def read(path: Path, columns: list[str] | None = None) -> pl.DataFrame:
    """The table, only the named columns where named.

    Raises
    ------
    DataError
        If the file is missing, unreadable, of another kind, without a named column, or empty.
    """
    import polars as pl

    if not path.is_file():
        raise DataError("no such file", str(path))
    name = path.name.lower()
    try:
        if name.endswith((".csv", ".csv.gz")):
            frame = pl.read_csv(path, infer_schema_length=10_000)
        elif name.endswith(".parquet"):
            frame = pl.read_parquet(path)
        elif name.endswith((".jsonl", ".ndjson")):
            frame = pl.read_ndjson(path)
        else:
            raise DataError(f"cannot tell its kind by its name; expected {KINDS}", str(path))
    except (pl.exceptions.PolarsError, OSError, ValueError, EOFError) as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise DataError(f"cannot be read: {reason}", str(path)) from None
    if columns is not None:
        require(frame.columns, columns, path)
        frame = frame.select(list(dict.fromkeys(columns)))
    if frame.height == 0:
        raise DataError("has no rows", str(path))
    return frame


def require(have: list[str], wanted: list[str], path: Path) -> None:
    """Raises for columns that are not there, with the nearest name."""
    problems = []
    for column in dict.fromkeys(wanted):
        if column not in have:
            near = get_close_matches(column, have, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(have[:12])}"
            problems.append(f"column {column!r} is missing; {hint}")
    if problems:
        raise DataError(problems, str(path))


def numbers(frame: pl.DataFrame, column: str, path: Path, *, least: float, most: float = np.inf) -> Floats:
    """A column as float64, every value present and within [least, most]."""
    import polars as pl

    series = frame[column]
    if not (series.dtype.is_numeric() or series.dtype == pl.Boolean):
        raise DataError(f"column {column!r} is of type {series.dtype}; expected numbers", str(path))
    if series.null_count():
        row = int(series.is_null().arg_max() or 0)
        raise DataError(f"column {column!r} has no value in row {row + 1}; expected a number", str(path))
    values = series.cast(pl.Float64).to_numpy()
    bad = ~((values >= least) & (values <= most))
    if bad.any():
        row = int(bad.argmax())
        upper = f" and at most {most:g}" if np.isfinite(most) else ""
        raise DataError(
            f"column {column!r} has {values[row]:g} in row {row + 1}; expected at least {least:g}{upper}",
            str(path),
        )
    return values
