"""The rule `target`: so many unfinished requests a replica, as KEDA's on a Horizontal Pod Autoscaler.

Sources: Kubernetes 1.32, pkg/controller/podautoscaler (replica_calculator.go; horizontal.go,
stabilizeRecommendationWithBehaviors and scale-up policies), and kubernetes.io, "Horizontal Pod Autoscaling"; keda.sh,
"ScaledObject specification". The metric is of type AverageValue.
"""

import math
from dataclasses import dataclass

from messsim.scenario.autoscale import Autoscale

from .look import Look, Recent, remember

__all__ = ["Target"]


@dataclass
class Target:
    """Grows to the least advice of the window up and shrinks to the highest of the window down."""

    settings: Autoscale
    target: float
    recent: Recent

    def wanted(self, look: Look) -> float:
        """Replicas that are wanted, whatever the limits of the pool."""
        settings, size, now = self.settings, float(look.ready + look.loading), self._advice(look)
        remember(self.recent, look.time_s, now, max(settings.up_window_s, settings.down_window_s))
        least = min([now, *(v for t, v in self.recent if look.time_s - t < settings.up_window_s)])
        highest = max([now, *(v for t, v in self.recent if look.time_s - t < settings.down_window_s)])
        wanted = min(max(size, least), highest)
        assert settings.up_most_factor is not None
        return min(wanted, max(float(math.ceil(size * settings.up_most_factor)), size + settings.up_most_replicas))

    def _advice(self, look: Look) -> float:
        size, unfinished = float(look.ready + look.loading), float(look.unfinished)
        if size > 0.0 and abs(unfinished / (self.target * size) - 1.0) <= self.settings.tolerance:
            return size
        return float(math.ceil(unfinished / self.target))
