"""Requirements on a scenario's figures, checked before a run and judged after it."""

from collections.abc import Sequence

from messsim.results.figures import Figure, Requirement, figures
from messsim.scenario import Scenario
from messsim.shapes.studies import Judged
from messsim.summary import Summary

from .summaries import summary_of

__all__ = ["GPUS", "RENT", "judged", "known_figures", "requirements_of"]

GPUS, RENT = "cost.gpus", "cost.rent_usd_per_hour"


def known_figures(scenario: Scenario) -> dict[str, Figure]:
    """Every figure that a run of the scenario has, by path; the values are those of its first request alone.

    Raises
    ------
    ScenarioError
        If the scenario cannot be set up.
    """
    return figures(summary_of(scenario.changed(requests=1, horizon_s=None, warmup=0)))


def requirements_of(texts: Sequence[str], known: dict[str, Figure]) -> list[Requirement]:
    """Requirements such as ``sla.satisfaction>=0.6`` or ``ttft.p95 < 500 ms``, on figures that there are.

    Raises
    ------
    ScenarioError
        If one is none, or its path leads nowhere.
    """
    return [Requirement.parse(text, known) for text in texts]


def judged(requirements: Sequence[Requirement], summary: Summary) -> list[Judged]:
    """The verdict on each requirement: see `Requirement.judge`."""
    known = figures(summary)
    return [requirement.judge(known) for requirement in requirements]
