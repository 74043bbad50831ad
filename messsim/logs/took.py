"""How long answers took, where a log's times are when they were done: their requests came so much earlier."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from messsim.workload.chunk import Floats
from messsim.workload.growing import Growing
from messsim.workload.readers import Marks, filled, numbers
from messsim.workload.units import UNITS

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Took"]


class Took:
    """A column of nanoseconds, block by block; a row without a value took no time, of which a note tells.

    Memory: 8 bytes a row where there is such a column, else none.
    """

    def __init__(self, column: str | None, path: Path) -> None:
        self._column, self._path = column, path
        self._took_s = Growing(np.float64)
        self._absent = 0
        self._marks = Marks()

    def add(self, frame: pl.DataFrame, before: int, keep: NDArray[np.bool_]) -> None:
        """The next rows of the file, of which those in `keep` count; so many came before.

        Raises
        ------
        DataError
            If a row that counts has no number, or one below 0.
        """
        import polars as pl

        if self._column is None:
            return
        if self._column not in frame.columns:
            took_ns = np.zeros(frame.height)
            self._absent += int(keep.sum())
        else:
            there = frame[self._column].is_not_null() & pl.Series(keep)
            counted_frame = filled(frame, self._column, there, 0)
            took_ns = numbers(counted_frame, self._column, self._path, least=0, before=before, marks=self._marks)
            self._absent += int(keep.sum()) - int(there.sum())
        self._took_s.add(took_ns[keep] / UNITS["ns"])

    def seconds(self) -> Floats | None:
        """Seconds of each row that counts, in the order of the file; None without such a column."""
        if self._column is None:
            return None
        took_s: Floats = self._took_s.array()
        return took_s

    def notes(self) -> list[str]:
        """What deserves to be said of it."""
        if not self._absent:
            return []
        rows = "1 row does" if self._absent == 1 else f"{self._absent:,} rows do"
        theirs = "its time is" if self._absent == 1 else "their times are"
        late = f"{theirs} when an answer was done, not when it was asked for"
        return [f"{rows} not say {self._column!r}: {late}"]
