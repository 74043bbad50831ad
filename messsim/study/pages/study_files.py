"""The directory of a comparison or a sweep, read for its report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ConfigDict, RootModel, ValidationError

from messsim.errors import DataError, OutputError
from messsim.files import MOST_JSON, read_bytes
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
        said = directory / COMPARISON
        found = None
        if said.exists():
            found = _Comparison.model_validate_json(read_bytes(said, MOST_JSON)).root
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "all of it"
        raise OutputError(
            f"{directory / COMPARISON}: {key}: {first['msg']}; it is damaged, or of another version"
        ) from None
    except (OSError, DataError) as error:
        raise OutputError(f"{directory}: its results cannot be read: {error}") from None
    return rows, found


class _Comparison(RootModel[ComparisonWithFrontier]):
    """comparison.json; it may hold more."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, defer_build=True)
