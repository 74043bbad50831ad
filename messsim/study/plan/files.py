"""What ``plan --out`` leaves beside its runs: the requirements and the answer, for its report."""

from __future__ import annotations

import json
from pathlib import Path

from messsim.results import write_file
from messsim.results.reading import read_whole
from messsim.shapes.studies import PlanSummary

__all__ = ["PLAN", "read_plan", "write_plan"]

PLAN = "plan.json"


def write_plan(directory: Path, plan: PlanSummary) -> None:
    """Writes ``plan.json``, what ``plan --json`` prints, in place of what an earlier plan wrote there."""
    write_file(directory / PLAN, (json.dumps(plan, indent=2, allow_nan=False) + "\n").encode())


def read_plan(directory: Path) -> PlanSummary:
    """What a plan found.

    Raises
    ------
    OutputError
        If it is damaged, or another version wrote it.
    """
    return read_whole(directory / PLAN, PlanSummary)
