"""What a plan looks for."""

from collections.abc import Sequence
from dataclasses import dataclass

from messsim.errors import ScenarioError

from ..runs import check_seeds
from ..runs.requirements import RENT
from ..runs.verdicts import KEPT_SHARE
from .candidates import Axis

__all__ = ["ENERGY", "Goal"]

ENERGY = "energy.total_j"


@dataclass(frozen=True)
class Goal:
    """Requirements, and what is least among the clusters that meet them.

    A requirement on satisfaction is met where it holds in a share of the replications: what a router keeps it keeps
    barely, and an interval of the mean would always straddle the promise. Any other is met only if the whole 95 %
    interval over replications keeps to it, failed only if the whole interval does not, and uncertain otherwise; each
    requirement is judged by itself.

    Attributes
    ----------
    axes
        What may change, from `messsim.study.plan.candidates.axes_of`.
    requirements
        Such as ``latency_s.ttft.p95<2``.
    objective
        "usd": price of all GPUs by the hour, where pools have autoscale the rent of a run; "energy": joules of a whole
        run, idle energy included.
    seeds
        Replications of each candidate, at least 2.
    kept_share
        The share of replications in which a requirement on satisfaction must hold.
    """

    axes: Sequence[Axis]
    requirements: Sequence[str]
    objective: str = "usd"
    seeds: int = 5
    kept_share: float = KEPT_SHARE

    @property
    def measured(self) -> str:
        """The figure of a run that the objective is where it is not known before one."""
        return RENT if self.objective == "usd" else ENERGY

    def check(self) -> None:
        """Raises a ScenarioError for what no plan can look for."""
        if not self.requirements:
            raise ScenarioError("no requirements; expected --require, such as 'latency_s.ttft.p95<2'")
        check_seeds(self.seeds, 2, ": one replication has no interval")
        if not 0.0 < self.kept_share <= 1.0:
            raise ScenarioError(f"--kept {self.kept_share:g}: expected a share of replications, above 0 and at most 1")
