"""What ``plan --out`` leaves beside its runs: the requirements and the answer, for its report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from messsim.errors import OutputError
from messsim.files import MOST_JSON, read_bytes, why
from messsim.results import write_file

__all__ = ["PLAN", "read_plan", "write_plan"]

PLAN = "plan.json"

Verdict = Literal["met", "uncertain", "failed"]


def write_plan(directory: Path, found: dict[str, Any]) -> None:
    """Writes ``plan.json``, what ``plan --json`` prints, in place of what an earlier plan wrote there."""
    write_file(directory / PLAN, (json.dumps(found, indent=2, allow_nan=False) + "\n").encode())


def read_plan(directory: Path) -> dict[str, Any]:
    """What a plan found.

    Raises
    ------
    OutputError
        If it is damaged, or another version wrote it.
    """
    path = directory / PLAN
    try:
        return _Plan.model_validate_json(read_bytes(path, MOST_JSON)).model_dump()
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "all of it"
        raise OutputError(f"{path}: {key}: {first['msg']}; it is damaged, or of another version") from None
    except OSError as error:
        raise OutputError(f"{path}: {why(error)}") from None


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class _Interval(_Shape):
    mean: float | None
    low: float | None
    high: float | None


class _Judged(_Interval):
    requirement: str
    path: str
    operator: str
    bound: float
    verdict: Verdict
    reason: str | None


class _Pool(_Shape):
    pool: str
    gpu: str | None
    tp: int
    replicas: int


class _Cluster(_Shape):
    pools: list[_Pool]
    overrides: dict[str, int | float | str | bool | None]
    gpus: int
    objective: float | None
    energy_j: _Interval | None
    verdict: Verdict
    requirements: list[_Judged]


class _Counts(_Shape):
    candidates: int
    simulated: int
    costlier: int
    too_small: int
    assumed: int


class _Plan(_Shape):
    """What a report reads of plan.json; it may hold more."""

    objective: str
    unit: str
    requirements: list[str]
    seed: int
    replications: int
    level: float
    kept_share: float
    status: Verdict
    best: _Cluster | None
    clusters: list[_Cluster]
    counts: _Counts
    assumptions: list[str]
