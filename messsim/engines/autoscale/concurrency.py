"""The rule `concurrency`: Knative's pod autoscaler (KPA).

Source: knative.dev, "About autoscaling" (kpa-specific), and knative/serving, pkg/autoscaler/scaling/autoscaler.go.
Looks come every period instead of being gathered by second, and include what waits.
"""

import math
from dataclasses import dataclass

from messsim.scenario.autoscale import Autoscale

from .look import Look, Recent, remember

__all__ = ["Concurrency"]


@dataclass
class Concurrency:
    """By means over a stable window, and over a short one in a rush, after which the pool only grows for a while."""

    settings: Autoscale
    target: float
    recent: Recent
    panic_s: float = -1.0  # when it was last in a rush; below 0: it is not
    panic_most: int = 0

    def wanted(self, look: Look) -> float:
        """Replicas that are wanted, whatever the limits of the pool."""
        settings, now = self.settings, look.time_s
        remember(self.recent, now, float(look.unfinished), settings.stable_window_s)
        ready = float(max(look.ready, 1))
        assert settings.up_most_factor is not None
        most, least = (
            float(math.ceil(settings.up_most_factor * ready)),
            float(math.floor(ready / settings.down_most_factor)),
        )
        stable = self._replicas_of(now, settings.stable_window_s)
        rush = self._replicas_of(now, settings.panic_window_s)
        wanted = min(max(stable, least), most)
        if rush / ready >= settings.panic_threshold:
            self.panic_s = now
        elif self.panic_s >= 0.0 and now - self.panic_s > settings.stable_window_s:
            self.panic_s, self.panic_most = -1.0, 0
        if self.panic_s >= 0.0:
            wanted = max(wanted, min(max(rush, least), most), float(self.panic_most))
            self.panic_most = int(min(wanted, 1e9))
        return wanted

    def _replicas_of(self, now: float, window_s: float) -> float:
        """What the mean of the looks of a window wants."""
        total, count = 0.0, 0
        for time_s, value in self.recent:
            if time_s > now - window_s:
                total += value
                count += 1
        return float(math.ceil(total / count / self.target))
