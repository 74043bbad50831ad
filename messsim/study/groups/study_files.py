"""The directory of a comparison or a sweep, read for its report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from messsim.errors import DataError, OutputError
from messsim.results.reading import read_whole
from messsim.shapes.studies import ComparisonWithFrontier
from messsim.workload.blocks import whole

if TYPE_CHECKING:
    import polars as pl

__all__ = ["RESULTS", "read_study"]

RESULTS, COMPARISON = "results.parquet", "comparison.json"


def read_study(directory: Path) -> tuple[pl.DataFrame, ComparisonWithFrontier | None]:
    """The rows of a study, and what ``compare`` said of them, where it did.

    Raises
    ------
    OutputError
        If a file is damaged, or another version wrote it.
    """
    try:
        rows = whole(directory / RESULTS)
    except (OSError, DataError) as error:
        raise OutputError(f"{directory}: its results cannot be read: {error}") from None
    comparison = directory / COMPARISON
    return rows, read_whole(comparison, ComparisonWithFrontier) if comparison.exists() else None
