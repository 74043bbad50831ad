"""Records to Parquet, a part of a million rows at a time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from messsim.engines import RecordChunk
from messsim.scenario import Scenario

from .directory import writing
from .frames import joined, record_frame, write_parquet

if TYPE_CHECKING:
    import polars as pl

__all__ = ["RecordWriter"]

PART_ROWS = 1_048_576


class RecordWriter:
    """Writes ``requests/part-*.parquet`` under a directory; holds at most one part in memory.

    `target` is the name that the directory will have in the end: errors speak of it.
    """

    def __init__(self, scenario: Scenario, directory: Path, target: Path) -> None:
        self._scenario = scenario
        self._directory = directory
        self._target = target
        self._frames: list[pl.DataFrame] = []  # without the draws behind the records: those are three times as large
        self._rows = 0
        self._parts = 0
        with writing(target):
            (directory / "requests").mkdir()

    def add(self, chunk: RecordChunk) -> None:
        """Takes a chunk of records."""
        self._frames.append(record_frame(self._scenario, [chunk]))
        self._rows += len(chunk)
        if self._rows >= PART_ROWS:
            self._write()

    def close(self) -> None:
        """Writes what is left."""
        if self._frames or self._parts == 0:
            self._write()

    def _write(self) -> None:
        path = self._directory / "requests" / f"part-{self._parts:05d}.parquet"
        frame = joined(self._scenario, self._frames)
        with writing(self._target):
            write_parquet(frame, path, compression=self._scenario.record.compression)
        self._parts += 1
        self._frames, self._rows = [], 0
