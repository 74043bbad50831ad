"""An API in SimPy: one server without a batch, with limits and a memory of prompts."""

from __future__ import annotations

from typing import Any

from messsim import _core

from .calendar import ENDS, Calendar
from .job import Job

__all__ = ["ApiServer"]


class ApiServer:
    """Somebody else's servers: a request starts at once and takes its time."""

    def __init__(self, calendar: Calendar, pool: Any, index: int) -> None:
        self.calendar = calendar
        self.pool = pool  # a ServerPool
        self.index = index
        self.failures = 0  # causes that keep it down at present
        self._meter = _core.Api({**pool.plan.api_limits}, {**pool.plan.prompt_cache})
        self._calls: dict[Job, Any] = {}  # under way, with the event of its end

    @property
    def is_up(self) -> bool:
        """Whether requests may be sent to it."""
        return self.failures == 0

    @property
    def unfinished(self) -> int:
        """Requests that it has, wherever they are."""
        unfinished: int = self.pool.unfinished
        return unfinished

    def allows(self, tokens: int) -> bool:
        """Whether its limits let in a call of so many tokens now."""
        return self.wait_s(tokens) == 0.0

    def wait_s(self, tokens: int) -> float:
        """Until its limits would let in such a call if nobody else called, seconds; infinite where it cannot tell."""
        return self._meter.wait_s(tokens, self.unfinished, self.calendar.now)

    def submit(self, job: Job) -> None:
        """A job is sent to it, and begins at once."""
        serving, now = self.pool.plan.serving, self.calendar.now
        self._meter.call(job, now)
        first_token_s = now + serving.latency_s
        finish_s = first_token_s + serving.tpot_s * (job.output_tokens - 1)
        job.served_elsewhere(self.index, now, first_token_s, finish_s)
        if self.pool.observer is not None:
            self.pool.observer.call_begins(now, job, first_token_s)
        order = (ENDS, self.index, 3 + job.request)
        self._calls[job] = self.calendar.call_at(lambda event: self._answer(job, event), finish_s, order)

    def _answer(self, job: Job, event: Any) -> None:
        if self._calls.get(job) is event:
            del self._calls[job]
            self.pool.left(job)
            self.pool.finished(job)

    def fail(self) -> list[Job]:
        """It goes down; returns the jobs that it leaves without an answer. What is complete at this instant is."""
        self.failures += 1
        self.pool.refresh(self)
        now = self.calendar.now
        cut = [job for job in self._calls if job.finish_s > now]
        for job in cut:
            del self._calls[job]
            job.cut_off(now)
        return cut

    def repair(self) -> bool:
        """One cause is mended; returns whether it is up again."""
        self.failures -= 1
        self.pool.refresh(self)
        return self.is_up
