"""What a run returns, and what a directory of results is read back as."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from messsim.errors import OutputError
from messsim.plot import Plots

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Result"]


@dataclass(frozen=True)
class Result:
    """A run's results.

    Attributes
    ----------
    summary
        The object that ``--json`` prints.
    timeline
        At most 4,096 rows in request order (Polars).
    notes
        What the run deserved to be told about its scenario.
    directory
        Where it was written, if it was.
    """

    summary: dict[str, Any]
    timeline: pl.DataFrame = field(repr=False)
    notes: list[str] = field(default_factory=list)
    directory: Path | None = None
    _records: pl.DataFrame | None = field(default=None, repr=False)

    @property
    def requests(self) -> pl.LazyFrame:
        """One row a request.

        Raises
        ------
        OutputError
            If the run neither wrote its records nor kept them.
        """
        import polars as pl

        if self._records is not None:
            return self._records.lazy()
        if self.directory is None:
            raise OutputError("the run kept no records; expected run(..., out=DIR) or keep_records=True")
        return pl.scan_parquet(self.directory / "requests" / "part-*.parquet")

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
        import polars as pl

        path = Path(directory)
        try:
            summary = json.loads((path / "summary.json").read_text(encoding="utf-8"))
            timeline = pl.read_parquet(path / "timeline.parquet")
        except (OSError, ValueError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            raise OutputError(f"{path}: expected a directory that `messsim run --out` wrote ({error})") from None
        return cls(summary, timeline, directory=path)
