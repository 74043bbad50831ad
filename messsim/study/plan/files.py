"""What ``plan --out`` leaves beside its runs: the requirements and the answer, for its report."""

from __future__ import annotations

from pathlib import Path

from messsim.files import json_text
from messsim.results import write_file
from messsim.results.reading import read_whole
from messsim.shapes.studies import PlanSummary

__all__ = ["PLAN", "read_plan", "write_plan"]

PLAN = "plan.json"


def write_plan(directory: Path, plan: PlanSummary) -> None:
    """Writes ``plan.json``, what ``plan --json`` prints, in place of what an earlier plan wrote there."""
    write_file(directory / PLAN, json_text(plan).encode())


def read_plan(directory: Path) -> PlanSummary:
    """What a plan found.

    Raises
    ------
    OutputError
        If it is damaged, or another version wrote it.
    """
    return read_whole(directory / PLAN, PlanSummary)
