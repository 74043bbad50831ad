"""What a run returns, and what a directory of results is read back as."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from messsim import files
from messsim.errors import DataError, OutputError
from messsim.forking import check_not_forked
from messsim.plot import Plots
from messsim.summary import Summary

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Result"]


@dataclass(frozen=True)
class Result:
    """A run's results.

    Attributes
    ----------
    summary
        The object that ``--json`` prints: `messsim.summary` has its fields with units and meanings.
    notes
        What the run deserved to be told about its scenario.
    directory
        Where it was written, if it was.
    """

    summary: Summary
    _timeline: Callable[[], pl.DataFrame] = field(repr=False)
    notes: list[str] = field(default_factory=list)
    directory: Path | None = None
    _records: pl.DataFrame | None = field(default=None, repr=False)

    @cached_property
    def timeline(self) -> pl.DataFrame:
        """At most 4,096 rows in request order (Polars)."""
        return self._timeline()

    def __getstate__(self) -> dict[str, object]:
        """For pickle and copies: how the timeline was made is the run's, which does not travel."""
        return vars(self) | {"_timeline": partial(copy.copy, self.timeline)}

    @property
    def requests(self) -> pl.LazyFrame:
        """One row a request.

        Raises
        ------
        OutputError
            If the run neither wrote its records nor kept them.
        SimulationError
            If this process was forked from one that had simulated or read data before.
        """
        check_not_forked()
        if self._records is not None:
            return self._records.lazy()
        if self.directory is None:
            raise OutputError("the run kept no records; expected run(..., out=DIR) or keep_records=True")
        return _scanned(self.directory / "requests")

    @property
    def plot(self) -> Plots:
        """Charts: ``result.plot.satisfaction()`` and so on, drawn by Altair (extra ``plot``)."""
        return Plots(self)

    @classmethod
    def read(cls, directory: str | Path) -> Result:
        """The results in a directory that `run` wrote.

        Raises
        ------
        OutputError
            If it is no such directory.
        """
        from messsim.workload.blocks import whole

        path = Path(directory)
        try:
            summary = files.read_json(path / "summary.json")
            timeline = whole(path / "timeline.parquet")
        except (OSError, ValueError, DataError) as error:
            what = files.in_words(error, path / "summary.json")
            raise OutputError(f"{path}: expected a directory that `messsim run --out` wrote ({what})") from None
        if not isinstance(summary, dict):
            raise OutputError(f"{path}/summary.json: expected an object; it is damaged")
        return cls(cast("Summary", summary), lambda: timeline, directory=path)


def _scanned(folder: Path) -> pl.LazyFrame:
    """The records of a run. Names that Polars cannot take are opened for it."""
    import polars as pl

    from messsim.workload.parquet import check_layout

    parts = sorted(folder.absolute().glob("part-*.parquet"))  # to Polars ~/x and file:/x are no names in a folder
    if not parts:
        raise OutputError(f"{folder}: holds no records of requests; it is damaged")
    for part in parts:
        try:
            with files.open_file(part) as file:
                check_layout(file)
        except OSError as error:
            raise OutputError(f"{part}: {files.why(error, is_given=False)}") from None
        except ValueError as error:
            raise OutputError(f"{part}: cannot be read: {error}") from None
    if all(map(files.is_utf8, parts)):
        return pl.scan_parquet(parts, glob=False)
    with contextlib.ExitStack() as stack:
        opened: list[IO[bytes]] = [stack.enter_context(part.open("rb")) for part in parts]
        return pl.scan_parquet(opened)  # it keeps descriptors of its own
