"""The rule `saturation`: the saturation analyzer of llm-d's workload variant autoscaler (WVA).

Source: llm-d/llm-d-workload-variant-autoscaler@14bed5d0, docs/saturation-analyzer.md, and @2ca0f701,
docs/saturation-scaling-config.md, for the thresholds. A look is at an instant instead of the peak of the minute before
it. Pools of one model that scale by this rule are looked at together: the cheapest of those where nobody loads, and
that has a replica left, gets the one that is wanted, and the dearest gives the one that is not.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from messsim.scenario.autoscale import Autoscale

from .look import Look

__all__ = ["Saturation", "unsaturated"]


def unsaturated(settings: Autoscale, replicas: Iterable[tuple[float, float]]) -> tuple[int, float, float]:
    """Of replicas (memory in use, requests that wait), how many are not saturated, and their sums of both."""
    count, usage_sum, waiting_sum = 0, 0.0, 0.0
    for usage, waiting in replicas:
        if usage < settings.saturated_usage and waiting < settings.saturated_waiting:
            count += 1
            usage_sum += usage
            waiting_sum += waiting
    return count, usage_sum, waiting_sum


@dataclass
class Saturation:
    """One more when too little is spare, one fewer when enough would be; nothing while a replica loads."""

    settings: Autoscale

    def wanted(self, look: Look) -> float:
        """Replicas that are wanted, whatever the limits of the pool."""
        size = float(look.ready + look.loading)
        if look.unfinished == 0 and look.unfinished_elsewhere == 0 and size <= 1.0:
            return 0.0  # which is put off, and never below the least
        if look.loading > 0:
            return size
        if not self._is_enough(look, look.unsaturated):
            return size if look.another_grows else size + 1.0
        return size - 1.0 if self._is_enough(look, look.unsaturated - 1) and not look.another_shrinks else size

    def _is_enough(self, look: Look, replicas: int) -> bool:
        """Whether so many replicas under the load of those that are not saturated have enough to spare."""
        settings = self.settings
        return (
            replicas > 0
            and settings.saturated_usage - look.usage / replicas >= settings.spare_usage
            and settings.saturated_waiting - look.waiting / replicas >= settings.spare_waiting
        )
