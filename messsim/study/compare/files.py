"""What ``compare --out`` writes."""

import json
from pathlib import Path

from messsim.plot.files import svg_of
from messsim.report.base.pictures import needs_altair
from messsim.report.compare.comparison import comparison_csv, cost_picture
from messsim.results.directory import write_file
from messsim.scenario import Scenario
from messsim.shapes.studies import Comparison, ComparisonWithFrontier

from ..runs import GivenWorkers
from ..runs.pictures import add_pictures
from .policies import frontier

__all__ = ["write_comparison"]

PICTURE = "cost-satisfaction.svg"


def write_comparison(
    out: Path, scenario: Scenario, comparison: Comparison, *, workers: GivenWorkers = None
) -> list[str]:
    """Writes what came of a comparison into its directory, and draws a picture.

    ``comparison.json`` and ``comparison.csv`` have the means, intervals and differences,
    ``cost-satisfaction.svg`` the picture with the oracles' frontier.

    Returns
    -------
    list of str
        Why there is no picture, where there is none.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    whole: ComparisonWithFrontier = {**comparison, "frontier": frontier(scenario, comparison, workers=workers)}
    write_file(out / "comparison.json", (json.dumps(whole, indent=2) + "\n").encode())
    write_file(out / "comparison.csv", comparison_csv(comparison).encode())
    return add_pictures(out, PICTURE, lambda: _picture(whole))


def _picture(whole: ComparisonWithFrontier) -> dict[str, bytes]:
    needs_altair()
    return {PICTURE: svg_of(cost_picture(whole)).encode("utf-8")}
