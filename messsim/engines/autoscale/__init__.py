"""The rules by which pools change their size, one a file as in csrc/autoscale*.c, and what they have in common."""

from __future__ import annotations

import math
from collections import deque

from messsim.scenario.autoscale import Autoscale

from .cold_start import cold_phases
from .concurrency import Concurrency
from .look import Look
from .saturation import Saturation, unsaturated
from .schedule import floor_of_day
from .target import Target

__all__ = ["Autoscaler", "Look", "cold_phases", "unsaturated"]


class Autoscaler:
    """Says how many replicas a pool is to have, `target` unfinished requests each; `most` is how many there are.

    It is never less than `min_replicas`, nor than the schedule of the day says. To zero it goes only when nothing was
    unfinished at any look for `zero_after_s`, and from zero as soon as something is.
    """

    def __init__(self, settings: Autoscale, target: float, most: int) -> None:
        self._settings = settings
        self._most = most
        self._idle_since_s = math.inf
        self._rule: Target | Concurrency | Saturation | None = None
        if settings.rule == "target":
            self._rule = Target(settings, target, deque())
        elif settings.rule == "concurrency":
            self._rule = Concurrency(settings, target, deque())
        elif settings.rule == "saturation":
            self._rule = Saturation(settings)

    def wanted(self, look: Look) -> int:
        """Replicas that are wanted now."""
        wanted = 0.0
        if self._rule is not None:
            wanted = self._awake(look, self._rule.wanted(look))
        wanted = max(wanted, float(self.least(look.time_s)))
        return int(wanted) if wanted < self._most else self._most

    def least(self, time_s: float) -> int:
        """The fewest replicas that the pool may have at this time."""
        return max(int(floor_of_day(self._settings, time_s)), self._settings.min_replicas)

    def may_end(self, time_s: float) -> bool:
        """Whether its last replica may go: it had nothing to do for long enough."""
        assert self._settings.zero_after_s is not None
        return time_s - self._idle_since_s >= self._settings.zero_after_s

    def _awake(self, look: Look, wanted: float) -> float:
        if look.unfinished_elsewhere > 0 and look.loading > 0:
            self._idle_since_s = math.inf  # it comes to help the others
        if look.unfinished > 0:
            self._idle_since_s = math.inf
            return max(wanted, 1.0)
        if self._idle_since_s == math.inf:
            self._idle_since_s = look.time_s
        assert self._settings.zero_after_s is not None
        waits = look.time_s - self._idle_since_s < self._settings.zero_after_s
        return 1.0 if wanted < 1.0 and look.ready + look.loading > 0 and waits else wanted
