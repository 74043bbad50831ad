"""Reports of SWE-bench: which instances a model's patches resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from messsim import files

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Report", "read_report"]

# Keys of the harness's report (schema_version 2), and of results.json of the leaderboard's submissions.
TRIED = ("submitted_ids", "completed_ids", "unresolved_ids", "empty_patch_ids", "error_ids")
EVERY = ("generated", "with_logs", "unresolved")  # that list every attempt
LISTED = ("generated", "no_generation", "no_logs", "with_logs", "applied", "no_apply", "unresolved")


@dataclass(frozen=True)
class Report:
    """Instances, and whether each was resolved.

    Attributes
    ----------
    frame
        Columns `instance_id` and `resolved`.
    model
        Whose patches they are, where the report's own name says it.
    """

    frame: pl.DataFrame
    model: str | None = None
    notes: list[str] = field(default_factory=list)
    only_resolved: bool = False  # what failed is not listed


def read_report(path: Path) -> Report | None:
    """The report in a file; None if it is none.

    Instances that were not submitted are no answers and are left out.
    """
    import polars as pl

    if path.suffix.lower() != ".json":
        return None
    try:
        report = files.read_json(path)
    except (OSError, ValueError):
        return None  # which the reader of tables says better
    if not isinstance(report, dict):
        return None
    resolved = report.get("resolved_ids", report.get("resolved"))
    if isinstance(resolved, list):
        tried = [i for key in (*TRIED, *LISTED) if isinstance(report.get(key), list) for i in report[key]]
        names = list(dict.fromkeys([*tried, *resolved]))
        done = set(resolved)
        frame = pl.DataFrame({"instance_id": names, "resolved": [name in done for name in names]})
        only = "resolved_ids" not in report and not any(key in report for key in EVERY)
        return Report(frame, _model(path, report), _notes(path, report, only), only)
    if report and all(isinstance(v, dict) and "resolved" in v for v in report.values()):
        rows = {"instance_id": list(report), "resolved": [bool(v["resolved"]) for v in report.values()]}
        return Report(pl.DataFrame(rows))
    return None


def _model(path: Path, report: Mapping[str, Any]) -> str | None:
    """The harness names its report MODEL.RUN.json."""
    model, dot, _ = path.stem.rpartition(".")
    return model if dot and "schema_version" in report else None


def _notes(path: Path, report: Mapping[str, Any], only_resolved: bool) -> list[str]:
    notes = []
    if left := len(report.get("incomplete_ids") or ()):
        notes.append(f"{path.name}: instances that were not submitted are left out: {left:,}")
    if only_resolved:
        where = f"{path.resolve().parent.name}/{path.name}"
        notes.append(f"{where}: does not list what failed: instances that only other files list count as failed")
    return notes
