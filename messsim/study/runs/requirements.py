"""Requirements on a scenario's figures, checked before a run and judged after it."""

from collections.abc import Sequence

from messsim.results.figures import Figure, Requirement, check_path, figures
from messsim.scenario import Scenario
from messsim.shapes.studies import Judged
from messsim.summary import Summary

from .summaries import summary_of

__all__ = ["GPUS", "RENT", "judged", "known_figures", "requirements_of"]

GPUS, RENT = "cost.gpus", "cost.rent_usd_per_hour"
SHORT = {"gpus": GPUS, "usd_per_hour": RENT}  # names that are asked for often


def known_figures(scenario: Scenario) -> dict[str, Figure]:
    """Every figure that a run of the scenario has, by path; the values are those of its first request alone.

    Raises
    ------
    ScenarioError
        If the scenario cannot be set up.
    """
    return figures(summary_of(scenario.changed(requests=1, horizon_s=None, warmup=0)))


def requirements_of(texts: Sequence[str], known: dict[str, Figure]) -> list[Requirement]:
    """Requirements such as ``sla.satisfaction>=0.6``, on figures that there are.

    Raises
    ------
    ScenarioError
        If one is none, or its path leads nowhere.
    """
    found = [Requirement.parse(text) for text in texts]
    found = [Requirement(SHORT.get(r.path, r.path), r.operator, r.bound) for r in found]
    for requirement in found:
        check_path(requirement.path, known)
    return found


def judged(requirements: Sequence[Requirement], summary: Summary) -> list[Judged]:
    """The verdict on each requirement: see `Requirement.judge`."""
    known = figures(summary)
    return [requirement.judge(known) for requirement in requirements]
