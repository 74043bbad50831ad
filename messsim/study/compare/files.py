"""What ``compare --out`` writes."""

from collections.abc import Callable, Mapping
from pathlib import Path

from messsim.files import json_text
from messsim.results.directory import write_file
from messsim.scenario import Scenario
from messsim.shapes.studies import Comparison, ComparisonWithFrontier

from ..runs import GivenWorkers
from ..runs.csv_files import ENDS, csv_of, end_values
from ..runs.pictures import add_pictures
from .policies import frontier

__all__ = ["comparison_csv", "write_comparison"]

Pictures = Callable[[ComparisonWithFrontier], Mapping[str, bytes]]


def write_comparison(
    out: Path,
    scenario: Scenario,
    comparison: Comparison,
    *,
    pictures: Pictures | None = None,
    workers: GivenWorkers = None,
) -> list[str]:
    """Writes what came of a comparison into its directory: ``comparison.json`` and ``comparison.csv``.

    Parameters
    ----------
    out
        The directory.
    scenario, comparison
        From `messsim.study.compare.policies.compare`.
    pictures
        Draws files beside them, by name; it is handed the comparison with the oracles' frontier.
    workers
        Who finds that frontier.

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
    write_file(out / "comparison.json", json_text(whole).encode())
    write_file(out / "comparison.csv", comparison_csv(comparison).encode())
    return [] if pictures is None else add_pictures(out, "cost-satisfaction.svg", lambda: pictures(whole))


def comparison_csv(comparison: Comparison) -> str:
    """A line for each policy and figure: mean, interval and replications, then the same of the difference."""
    rows = [
        [policy["name"], path, *end_values(interval), *end_values((policy["difference"] or {}).get(path))]
        for policy in comparison["policies"]
        for path, interval in policy["figures"].items()
    ]
    return csv_of(["policy", "figure", *ENDS, *(f"difference_{end}" for end in ENDS)], rows)
