"""What ``compare --out`` writes."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from messsim.report.comparison import comparison_csv, cost_picture
from messsim.report.pictures import needs_altair, svg_of
from messsim.results import write_parquet
from messsim.results.directory import complete_or_absent, writing
from messsim.scenario import Scenario, dump

from .compare import frontier
from .rows import Row, frame_of

__all__ = ["write_comparison"]


def write_comparison(
    out: Path, scenario: Scenario, found: dict[str, Any], rows: Sequence[Row], *, workers: int | None = None
) -> None:
    """Writes a directory, whole or not at all.

    ``results.parquet`` has a row for each policy and replication, ``comparison.json`` and ``comparison.csv`` the means,
    intervals and differences, ``cost-satisfaction.svg`` the picture with the oracles' frontier.

    Raises
    ------
    OutputError
        If it exists already or cannot be written.
    ScenarioError
        If Altair is not installed.
    """
    needs_altair()
    whole = found | {"frontier": frontier(scenario, found, workers=workers)}
    with complete_or_absent(out) as beside, writing(out):
        (beside / "scenario.toml").write_text(dump(scenario), encoding="utf-8")
        (beside / "comparison.json").write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
        (beside / "comparison.csv").write_text(comparison_csv(found), encoding="utf-8")
        write_parquet(frame_of(rows), beside / "results.parquet")
        (beside / "cost-satisfaction.svg").write_text(svg_of(cost_picture(whole)), encoding="utf-8")
