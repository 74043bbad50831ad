"""Whether a directory of results is whole, and of a version that is understood."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from messsim.errors import OutputError

from .result import Result

if TYPE_CHECKING:
    import polars as pl

__all__ = ["check_whole", "reading_records"]


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class _Requests(_Shape):
    arrived: int
    completed: int
    rejected: int
    too_long: int
    lost: int
    timed_out: int
    in_flight: int
    attempts: int
    explored: int


class _Sla(_Shape):
    alpha: float
    satisfaction: float | None
    kept: bool | None
    margin: float | None
    queue_final: float
    queue_max: float
    rated: int
    satisfaction_rated: float | None
    windows: dict[str, Any] | None
    certificate: float | None
    time_to_compliance: int | None


class _BestSingle(_Shape):
    model: str | None
    per_request: float | None


class _Cost(_Shape):
    unit: str
    total: float
    exploration: float
    lost: float
    idle: float | None
    per_request: float | None
    oracle: dict[str, Any] | None
    ratio_to_oracle: float | None
    best_single: _BestSingle
    static_mix_per_request: float | None


class _Energy(_Shape):
    total_j: float | None
    idle_j: float | None
    j_per_output_token: float | None
    measured: bool | None


class _Model(_Shape):
    name: str
    share: float | None
    answered: int
    satisfaction: float | None
    cost_per_request: float | None
    utilization: float | None


class _Pool(_Shape):
    name: str
    model: str
    gpu: str
    gpus_per_replica: int
    replicas: int
    utilization: float | None
    energy_j: float
    idle_energy_j: float
    energy_measured: bool
    preemptions: int


class _Percentiles(_Shape):
    mean: float | None
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None


class _Latencies(_Shape):
    ttft: _Percentiles
    tpot: _Percentiles
    e2e: _Percentiles
    queueing: _Percentiles


class _Slo(_Shape):
    ttft_s: float | None
    tpot_s: float | None
    e2e_s: float | None
    attainment: float | None
    goodput_rps: float | None


class _Tenant(_Shape):
    name: str
    alpha: float
    satisfaction: float | None
    kept: bool | None
    margin: float | None
    answered: int
    queue_final: float
    certificate: float | None
    latency_s: _Latencies
    slo: _Slo


class _Accuracy(_Shape):
    warmup_left_out_of_latencies: int


class _Performance(_Shape):
    wall_s: float


class _Summary(_Shape):
    """What charts and reports read of a summary; it may hold more."""

    scenario: str
    engine: str
    seed: int
    replication: int
    version: str
    requests: _Requests
    sla: _Sla
    cost: _Cost
    energy: _Energy
    models: list[_Model]
    pools: list[_Pool]
    tenants: list[_Tenant]
    latency_s: _Latencies
    slo: _Slo
    accuracy: _Accuracy
    performance: _Performance


TIMELINE = ("request", "time_s", "satisfaction_running", "queue", "queue_tracked", "certificate", "cost_running")
RECORDS = (
    *("id", "tenant", "arrival_s", "model", "output_tokens", "satisfied", "start_s", "first_token_s", "finish_s"),
    "status",
)


def check_whole(result: Result) -> None:
    """Raises unless the summary, the timeline and the records of a run hold what charts are made of.

    Raises
    ------
    OutputError
        Naming the file and what is wrong with it.
    """
    path = result.directory or Path()
    try:
        _Summary.model_validate(result.summary)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "all of it"
        raise OutputError(
            f"{path}/summary.json: {key}: {first['msg'][0].lower()}{first['msg'][1:]}; it is damaged, or another "
            "version of messsim wrote it: run the scenario again"
        ) from None
    pools = [p["name"] for p in result.summary["pools"]]
    seen = [f"{what}_{pool}" for pool in pools for what in ("in_system", "power_w")]
    _columns(f"{path}/timeline.parquet", result.timeline.collect_schema(), (*TIMELINE, *seen))
    with reading_records(path):
        schema = result.requests.collect_schema()
    _columns(f"{path}/requests", schema, RECORDS)


@contextlib.contextmanager
def reading_records(path: Path) -> Iterator[None]:
    """Turns what goes wrong while records are read into an OutputError that names the directory."""
    import polars as pl

    try:
        yield
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise OutputError(f"{path}/requests: its records cannot be read: {str(error).splitlines()[0]}") from None


def _columns(file: str, schema: pl.Schema, expected: tuple[str, ...]) -> None:
    words = {"tenant", "model", "status"}
    for name in expected:
        if name not in schema:
            raise OutputError(f"{file}: the column {name} is missing; another version of messsim wrote it")
        if name not in words and not schema[name].is_numeric():
            raise OutputError(f"{file}: the column {name} holds {schema[name]}, not numbers; it is damaged")
