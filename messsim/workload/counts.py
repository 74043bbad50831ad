"""Columns of token counts, block by block; what is noted where they are not whole."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from messsim.errors import DataError

from .chunk import Floats, Ints
from .readers import Marks, as_numbers, rows_in_file, token_counts

if TYPE_CHECKING:
    import polars as pl

__all__ = ["CountsColumn"]

WITH_SEPARATORS = (".csv", ".tsv", ".txt")  # files in which a comma may have been read as the decimal one
MOST_THOUSANDS = 10  # most counts are below so many thousands
THREE_DECIMALS = 0.75  # of thousands at least so many do not end with a zero: nine in ten do not
ROUNDING = 1e-6
TOTAL = re.compile(r"(?i)(^|\.|usage[_ ])(total[_ -]?tok(en)?s?|tok(en)?s?[_ -]total)$")


class CountsColumn:
    """A column of token counts of a file, which are rounded where they are not whole, as means of several are."""

    def __init__(self, column: str, path: Path) -> None:
        self.column, self._path = column, path
        self._marks = Marks()
        self._note = ""
        self._first = (0, 0.0, 0)  # the first that is not whole: its row from 1, its value, what it is read as
        self._broken = self._few = self._three = self._eighths = 0
        self._may_be_thousands = True

    def read(self, frame: pl.DataFrame, before: int) -> Ints:
        """Those of the next rows of the file; so many came before."""
        counts = token_counts(frame, self.column, self._path, before, self._marks)
        if not frame[self.column].dtype.is_integer():
            self._look_at(frame, counts, before)
        return counts

    def _look_at(self, frame: pl.DataFrame, counts: Ints, before: int) -> None:
        import polars as pl

        series = frame[self.column]
        values = as_numbers(series, self._marks) if series.dtype == pl.String else series
        exact = values.cast(pl.Float64).to_numpy()
        self._may_be_thousands &= bool((exact < 1000).all())
        rows = np.flatnonzero(exact != counts)
        if not len(rows):
            return
        if not self._broken:
            row, places = int(rows[0]), rows_in_file(frame)
            place = before + row if places is None else int(places[row])
            self._first = (place + 1, float(exact[row]), int(counts[row]))
            self._note = f"such as {series[row]}: read as {counts[row]}"
        broken = exact[rows]
        self._broken += len(rows)
        self._few += int((broken < MOST_THOUSANDS).sum())
        self._three += int(_is_broken(100 * broken).sum())
        self._eighths += int((~_is_broken(8 * broken)).sum())
        self._may_be_thousands &= not _is_broken(1000 * broken).any()

    def notes(self) -> list[str]:
        """What deserves to be said of all of them.

        Raises
        ------
        DataError
            Where they are thousands, beyond doubt, whose comma was read as the decimal one.
        """
        return self._of_name() + self._of_values()

    def _of_name(self) -> list[str]:
        if not TOTAL.search(self.column):
            return []
        return [f"column {self.column!r} counts the tokens of prompt and answer together, by its name"]

    def _of_values(self) -> list[str]:
        if not self._broken:
            return []
        note = f"column {self.column!r} has counts that are not whole, {self._note}"
        if not self._may_be_thousands or self._three < THREE_DECIMALS * self._broken:
            return [note]
        row, value, count = self._first
        name = self._path.name.lower().removesuffix(".gz").removesuffix(".zst")
        if name.endswith(WITH_SEPARATORS) and 2 * max(self._broken - self._few, self._eighths) < self._broken:
            raise DataError(
                f"column {self.column!r} has {value:.10g} in row {row}; expected whole counts: where a comma "
                f"parts thousands write {1000 * value:.0f}, where it is a mean {count}",
                str(self._path),
            )
        return [f"{note}; are they thousands, whose comma was read as the decimal one?"]


def _is_broken(values: Floats) -> NDArray[np.bool_]:
    """Which are not whole, beyond rounding."""
    broken: NDArray[np.bool_] = np.abs(values - np.rint(values)) > ROUNDING
    return broken
