"""What ``compare --out`` writes."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from messsim.plot.files import svg_of
from messsim.report.comparison import comparison_csv, cost_picture
from messsim.report.pictures import needs_altair
from messsim.results import write_parquet
from messsim.results.directory import complete_or_absent, writing
from messsim.scenario import Scenario, dump

from .compare import frontier
from .pictures import add_pictures
from .rows import Row, frame_of

__all__ = ["write_comparison"]

PICTURE = "cost-satisfaction.svg"


def write_comparison(
    out: Path, scenario: Scenario, found: dict[str, Any], rows: Sequence[Row], *, workers: int | None = None
) -> list[str]:
    """Writes a directory, whole or not at all, and then draws a picture into it.

    ``results.parquet`` has a row for each policy and replication, ``comparison.json`` and ``comparison.csv`` the means,
    intervals and differences, ``cost-satisfaction.svg`` the picture with the oracles' frontier.

    Returns
    -------
    list of str
        Why there is no picture, where there is none.

    Raises
    ------
    OutputError
        If it exists already or cannot be written.
    """
    whole = found | {"frontier": frontier(scenario, found, workers=workers)}
    with complete_or_absent(out) as beside, writing(out):
        (beside / "scenario.toml").write_text(dump(scenario), encoding="utf-8")
        (beside / "comparison.json").write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
        (beside / "comparison.csv").write_text(comparison_csv(found), encoding="utf-8")
        write_parquet(frame_of(rows), beside / "results.parquet")
    return add_pictures(out, PICTURE, lambda: _picture(whole))


def _picture(whole: dict[str, Any]) -> dict[str, bytes]:
    needs_altair()
    return {PICTURE: svg_of(cost_picture(whole)).encode("utf-8")}
