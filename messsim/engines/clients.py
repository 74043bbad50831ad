"""Clients who do not wait forever: they give up an attempt, and may ask again.

An attempt that is turned away, lost or given up leaves no answer. Its client asks again after a pause, while retries
last: the request is routed anew, and what the attempts before have cost is part of its record.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from messsim.routing import PLAN_CHAIN
from messsim.workload import wait_of

from .calendar import RETRIES, Calendar
from .labels import Labels
from .open_request import OpenRequest
from .records import REJECTED, TIMED_OUT
from .service import Service
from .setup import Setup

__all__ = ["Clients"]

AFTER_ALL_MODELS = 2**32  # at one instant a request's failures and chain stages come first: (request, model)


class Clients:
    """Lets clients give up and ask again.

    `abandon` takes a copy that has left its server for good, `ask_again` an attempt whose client asks again,
    `leave_router` one that gives up and may wait for a decision, and `drop` an attempt that one thing fewer keeps open;
    `follow` hears that nothing more comes for the client of one.
    """

    def __init__(
        self,
        setup: Setup,
        calendar: Calendar,
        service: Service,
        labels: Labels,
        *,
        abandon: Callable[[Any], None],
        ask_again: Callable[[OpenRequest], None],
        leave_router: Callable[[OpenRequest], None],
        drop: Callable[[OpenRequest], None],
        follow: Callable[[OpenRequest], None],
    ) -> None:
        self.settings = setup.scenario.clients
        self.calendar = calendar
        self.service = service
        self.labels = labels
        self.chance = setup.workload.chance
        self.patience = wait_of(self.settings.patience_s, self.chance, "patience")
        self.backoff = wait_of(self.settings.backoff_s, self.chance, "backoff")
        self.jitter = self.chance.column("backoff-jitter")
        self.abandon = abandon
        self.ask_again = ask_again
        self.leave_router = leave_router
        self.drop = drop
        self.follow = follow

    def wait(self, opened: OpenRequest) -> None:
        """The client of a new attempt begins to wait."""
        if self.settings.patience_s is None:
            return
        wait_s = self.patience.draw_s(self.chance, opened.request, opened.attempt)
        order = (RETRIES, opened.request, AFTER_ALL_MODELS + 2 * opened.attempt)
        self.calendar.call_at(lambda _: self.give_up(opened), self.calendar.now + wait_s, order)

    def release(self, opened: OpenRequest) -> None:
        """Nothing more comes for the client who waits: a closed loop's asks its next question after a pause."""
        opened.over = True
        waiting, opened.answered = opened.answered, True
        if waiting is not None:
            asks_again, pause_s, order = waiting
            self.calendar.schedule_at(asks_again, self.calendar.now + pause_s, order)
        self.follow(opened)

    def get_none(self, opened: OpenRequest, status: int) -> None:
        """There will be no answer: the client asks again later, or is left with a status."""
        if opened.attempt == self.settings.retries:
            opened.status = status
            self.release(opened)
            return
        pause_s = self._pause_s(opened, status)
        opened.over = True
        opened.copies += 1  # keeps the record open until the next attempt does
        order = (RETRIES, opened.request, AFTER_ALL_MODELS + 2 * opened.attempt + 1)
        self.calendar.call_at(lambda _: self._try_again(opened), self.calendar.now + pause_s, order)

    def _pause_s(self, opened: OpenRequest, status: int) -> float:
        """Until the next attempt: as an API that turned this one away says, or else a client's own."""
        settings = self.settings
        if status == REJECTED and settings.retry_after_max_s > 0.0:
            after_s = self.service.retry_after_s(opened)
            if 0.0 < after_s <= settings.retry_after_max_s:
                return after_s
        pause_s = self.backoff.draw_s(self.chance, opened.request, opened.attempt)
        for _ in range(opened.attempt):
            pause_s *= settings.backoff_growth
        pause_s = min(pause_s, settings.backoff_max_s or pause_s)
        if settings.backoff_jitter > 0.0:
            pause_s *= 1.0 - settings.backoff_jitter * self.chance.one(self.jitter, opened.request, opened.attempt)
        return pause_s

    def _try_again(self, opened: OpenRequest) -> None:
        self.ask_again(opened)
        self.drop(opened)

    def give_up(self, opened: OpenRequest) -> None:
        """The client has waited long enough."""
        if opened.over or self._reads_on(opened):
            return
        opened.gone = True
        self.get_none(opened, TIMED_OUT)
        if opened.status == TIMED_OUT and self.settings.rate_giving_up:
            self.labels.complain(opened)
        opened.copies += 1  # keeps it open while its copies go
        self.leave_router(opened)
        if self.settings.abort:
            for job in reversed(tuple(opened.jobs)):
                if self.service.abort(job):
                    self.abandon(job)
        self.drop(opened)

    def _reads_on(self, opened: OpenRequest) -> bool:
        """Whether the user reads the answer already.

        Of a chain nobody sees anything before the last answer is complete.
        """
        if opened.decision is None or self.settings.until != "first_token" or opened.decision.plan & PLAN_CHAIN:
            return False
        return any(job.model == opened.seen and job.first_token_s <= self.calendar.now for job in opened.jobs)
