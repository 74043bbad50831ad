"""The router's own time: requests wait for one of its workers, and are decided when the worker is done."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from messsim.workload import wait_of

from .calendar import ARRIVES, Calendar
from .open_request import OpenRequest
from .outcome import RouterOutcome
from .setup import Setup

__all__ = ["Workers"]


class Workers:
    """The workers of each instance of the router; `decide` takes an attempt whose decision is due.

    Attributes
    ----------
    take_time
        Whether decisions take time; else nobody comes here.
    """

    def __init__(self, setup: Setup, calendar: Calendar, decide: Callable[[OpenRequest], None]) -> None:
        router = setup.scenario.router
        self.calendar = calendar
        self.chance = setup.workload.chance
        self.take_time = router.decision_s is not None
        self._decide = decide
        self._count = router.workers
        self._law = wait_of(router.decision_s, self.chance, "decision")
        self._busy = [0] * router.instances
        self._waiting: list[deque[OpenRequest]] = [deque() for _ in range(router.instances)]
        self._begun, self._wait_s, self._busy_s = 0, 0.0, 0.0
        self._at_work, self._since_s, self._worked_s, self._used_s = 0, 0.0, 0.0, 0.0

    def enter(self, opened: OpenRequest) -> None:
        """An attempt comes to the router."""
        opened.decided_s = self.calendar.now  # until it is decided: since when it waits
        if self._count == 0 or self._busy[opened.instance] < self._count:
            self._begin(opened)
        else:
            self._waiting[opened.instance].append(opened)

    def _begin(self, opened: OpenRequest) -> None:
        takes_s = self._law.draw_s(self.chance, opened.request, opened.attempt)
        self._busy[opened.instance] += 1
        self._work(1, self.calendar.now)
        self._begun += 1
        self._busy_s += takes_s
        order = (ARRIVES, opened.request, 1 + opened.attempt)
        self.calendar.call_at(lambda _: self._done(opened), self.calendar.now + takes_s, order)

    def _done(self, opened: OpenRequest) -> None:
        self._decide(opened)
        self._busy[opened.instance] -= 1
        self._work(-1, self.calendar.now)
        waiting = self._waiting[opened.instance]
        if waiting:
            following = waiting.popleft()
            self._wait_s += self.calendar.now - following.decided_s
            self._begin(following)

    def leave(self, opened: OpenRequest) -> bool:
        """Its client has given up: returns whether it waited, and is gone now."""
        waiting = self._waiting[opened.instance]
        if opened not in waiting:
            return False
        waiting.remove(opened)
        return True

    def _work(self, change: int, now: float) -> None:
        """So many workers begin a decision, or have ended one."""
        self._worked_s += self._at_work * (now - self._since_s)
        self._since_s = now
        self._at_work += change

    def measure(self, now: float) -> None:
        """The last request has come: utilisation is measured to here."""
        self._used_s = self._worked_s + self._at_work * (now - self._since_s)

    @property
    def outcome(self) -> RouterOutcome:
        """How many decisions, and for how long."""
        return RouterOutcome(self._begun, self._wait_s, self._busy_s, self._used_s)
