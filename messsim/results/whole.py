"""Whether a directory of results is whole, and of a version that is understood."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from messsim.errors import OutputError, system_error
from messsim.summary import Summary

from .reading import Whole, damaged
from .result import Result

if TYPE_CHECKING:
    import polars as pl

__all__ = ["check_figures", "check_whole", "reading_records"]


TIMELINE = ("request", "time_s", "satisfaction_running", "queue", "queue_tracked", "certificate", "cost_running")
RECORDS = (
    *("id", "tenant", "arrival_s", "model", "output_tokens", "satisfied", "start_s", "first_token_s", "finish_s"),
    "status",
)


def check_figures(result: Result) -> None:
    """Raises unless the summary and the timeline of a run hold what is shown of them.

    Raises
    ------
    OutputError
        Naming the file and what is wrong with it.
    """
    path = result.directory or Path()
    try:
        Whole[Summary].model_validate(result.summary)
    except ValidationError as error:
        raise damaged(path / "summary.json", error) from None
    pools = [p["name"] for p in result.summary["pools"]]
    seen = [f"{what}_{pool}" for pool in pools for what in ("in_system", "power_w")]
    _columns(f"{path}/timeline.parquet", result.timeline.collect_schema(), (*TIMELINE, *seen))


def check_whole(result: Result) -> None:
    """Raises unless the records of a run, too, hold what charts are made of.

    Raises
    ------
    OutputError
        Naming the file and what is wrong with it.
    """
    import polars as pl

    check_figures(result)
    path = result.directory or Path()
    with reading_records(path):
        schema = result.requests.collect_schema()
        rows = result.requests.select(pl.len()).collect().item()
    _columns(f"{path}/requests", schema, RECORDS)
    for column, named in (("model", result.summary["models"]), ("tenant", result.summary["tenants"])):
        names, recorded = [each["name"] for each in named], getattr(schema[column], "categories", pl.Series()).to_list()
        if names != recorded:
            which = f"its {column}s are {', '.join(names)}, those of the records {', '.join(recorded)}"
            raise OutputError(f"{path}/summary.json: {which}; one of the two is of another run, or was changed")
    if rows != (arrived := result.summary["requests"]["arrived"]):
        raise OutputError(f"{path}/requests: holds records of {rows:,} requests, not of {arrived:,}; it is damaged")


@contextlib.contextmanager
def reading_records(path: Path) -> Iterator[None]:
    """Turns what goes wrong while records are read into an OutputError that names the directory."""
    import polars as pl

    try:
        yield
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        reason = str(system_error(error) or error).splitlines()[0]
        raise OutputError(f"{path}/requests: its records cannot be read: {reason}") from None


def _columns(file: str, schema: pl.Schema, expected: tuple[str, ...]) -> None:
    words = {"tenant", "model", "status"}
    for name in expected:
        if name not in schema:
            raise OutputError(f"{file}: the column {name} is missing; another version of messsim wrote it")
        if name not in words and not schema[name].is_numeric():
            raise OutputError(f"{file}: the column {name} holds {schema[name]}, not numbers; it is damaged")
