"""SimPy's environment, with absolute times and a full order of what happens at one instant."""

from collections.abc import Callable
from heapq import heappush
from typing import Any

import simpy

__all__ = ["ARRIVES", "ENDS", "LABEL", "RECONCILES", "RETRIES", "STARTS", "Calendar", "Moment"]

# What comes first at one instant; within a kind the smaller (a, b) of an order (kind, a, b).
# Iteration ends and completions (replica, 0), failures (replica, 1), repairs and ends of loading (replica, 2),
# transfers that share a link (link, 3), calls of an API, front ends and transfers (replica, 3 + request and more).
ENDS = 1
LABEL = 2  # (request, model)
RECONCILES = 3  # the router's instances: (0, 0)
RETRIES = 4  # retries and stages of a chain: (request, model)
ARRIVES = 5  # (request or client, 0)
STARTS = 6  # iterations: (replica, 0)

Order = tuple[int, int, int]


class Moment(simpy.Event):
    """An event that happens at a time of the calendar, whatever else does."""

    def __init__(self, env: simpy.Environment, then: Callable[[Any], None] | None = None) -> None:
        self.env = env
        self.callbacks = [then] if then is not None else []
        self._ok = True
        self._value = None


class Calendar(simpy.Environment):
    """An environment whose events are put at absolute times: now + (t - now) is not t for 2 % of pairs."""

    before: Callable[[float], None] | None = None  # hears of the next moment before it comes

    def step(self) -> None:
        """Handles the next event; what a process raises comes out as it was raised.

        SimPy would make it anew of its type and arguments, which not every exception can be made of.
        """
        if self.before is not None:
            self.before(self.peek())
        event = self._queue[0][-1] if self._queue else None
        try:
            super().step()
        except BaseException:
            if event is None or event._ok or event.defused:
                raise
            raise event._value from None

    def schedule_at(self, moment: simpy.Event, time_s: float, order: Order) -> None:
        """Puts an event at time_s; among the events of that instant by its order."""
        heappush(self._queue, (time_s, order, next(self._eid), moment))  # type: ignore[misc]

    def at(self, time_s: float, order: Order) -> Moment:
        """An event to wait for in a process: ``yield calendar.at(...)``."""
        moment = Moment(self)
        self.schedule_at(moment, time_s, order)
        return moment

    def call_at(self, then: Callable[[Any], None], time_s: float, order: Order) -> Moment:
        """Calls `then` at time_s."""
        moment = Moment(self, then)
        self.schedule_at(moment, time_s, order)
        return moment

    def schedule(self, event: simpy.Event, priority: Any = 1, delay: float = 0.0) -> None:
        """SimPy's own events, the starts of processes, come first at their instant, in order of creation."""
        heappush(self._queue, (self._now + delay, (0, int(priority), 0), next(self._eid), event))  # type: ignore[misc]
