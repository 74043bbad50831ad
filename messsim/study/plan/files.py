"""What ``plan --out`` leaves beside its runs: the requirements and the answer, for its report."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ConfigDict, RootModel, ValidationError

from messsim.errors import OutputError
from messsim.files import MOST_JSON, read_bytes, why
from messsim.results import write_file
from messsim.shapes.studies import PlanSummary

__all__ = ["PLAN", "read_plan", "write_plan"]

PLAN = "plan.json"


def write_plan(directory: Path, found: PlanSummary) -> None:
    """Writes ``plan.json``, what ``plan --json`` prints, in place of what an earlier plan wrote there."""
    write_file(directory / PLAN, (json.dumps(found, indent=2, allow_nan=False) + "\n").encode())


def read_plan(directory: Path) -> PlanSummary:
    """What a plan found.

    Raises
    ------
    OutputError
        If it is damaged, or another version wrote it.
    """
    path = directory / PLAN
    try:
        return _Plan.model_validate_json(read_bytes(path, MOST_JSON)).root
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "all of it"
        raise OutputError(f"{path}: {key}: {first['msg']}; it is damaged, or of another version") from None
    except OSError as error:
        raise OutputError(f"{path}: {why(error)}") from None


class _Plan(RootModel[PlanSummary]):
    """plan.json; it may hold more."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, defer_build=True)
