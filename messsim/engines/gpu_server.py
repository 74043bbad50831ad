"""A replica in SimPy: a server that alternates between finish and start.

Its life is a loop of two callbacks, not a generator: a boundary that an arrival has moved forward is then a new event
and a forgotten old one, and a request costs half the time (bench/bench_engine.py).
"""

from __future__ import annotations

import math
from typing import Any

from messsim import _core

from .calendar import ENDS, STARTS, Calendar
from .fronts import Front
from .job import Job
from .observer import Observer

__all__ = ["DRAINING", "LOADING", "OFF", "READY", "GpuServer", "Job"]

# of a replica of a pool that an autoscaler changes; others are always ready
READY, LOADING, DRAINING, OFF = "ready", "loading", "draining", "off"


class GpuServer:
    """One replica and its place in the calendar."""

    def __init__(self, calendar: Calendar, pool: Any, index: int, track_usage: bool) -> None:
        self.calendar = calendar
        self.pool = pool  # a ServerPool
        self.index = index
        self.failures = 0  # causes that keep it down at present
        self.kept = 0  # requests that it has prefilled and whose KV it holds for others
        self.promised = 0  # requests that are to decode here, before their prefill is done
        self.phase = READY
        self.ready_s = 0.0  # when it has loaded
        self.down_s = 0.0  # failed, or off
        self.down_since_s = 0.0
        self.replica = _core.Replica(
            index,
            pool.plan.coefficients,
            track_usage=track_usage,
            shared=pool.queue,
            drafts=pool.drafts,
            **pool.plan.limits,
        )
        self.front = Front(calendar, pool.plan, pool.chance, index, self.take, pool.leave)
        self._next: Any = None  # the event of the boundary or start that counts; older ones are forgotten

    @property
    def is_up(self) -> bool:
        """Whether requests may be sent to it."""
        return self.failures == 0

    @property
    def serves(self) -> bool:
        """Whether it works on what it has."""
        return self.is_up or self.phase == DRAINING

    @property
    def unfinished(self) -> int:
        """Requests that it has, wherever they are."""
        return self.replica.unfinished + self.front.unfinished + self.promised

    @property
    def is_idle(self) -> bool:
        """Whether it has nothing to do."""
        return self.replica.state == _core.IDLE

    def submit(self, job: Job) -> None:
        """A job is sent to it."""
        self.front.enter(job)

    def take(self, job: Job) -> None:
        """A job that is through the front end, or prefilled elsewhere, comes to its queue."""
        self.act(self.replica.submit(job, self.calendar.now))

    def abort(self, job: Job) -> bool:
        """Nobody waits for a job any more; returns whether it has left by now."""
        notice, left = self.replica.abort(job, self.calendar.now)
        self.act(notice)
        return left

    def notify(self) -> None:
        """The head of the shared queue is new."""
        self.act(self.replica.notify(self.calendar.now))

    def act(self, notice: int) -> None:
        """Follows what the replica answered to a new head of its queue."""
        if notice == _core.WAKE:
            self._start_later()
        elif notice == _core.RESCHEDULE:
            self._await_boundary()

    def _await_boundary(self) -> None:
        self._next = self.calendar.call_at(self._boundary, self.replica.boundary_s, (ENDS, self.index, 0))

    def _boundary(self, event: Any) -> None:
        if event is not self._next:
            return
        now = self.calendar.now
        jobs = self.replica.finish()
        for job in jobs:
            self.pool.left(job)
        self.pool.rule.boundary(self)
        for job in jobs:
            if job.source >= 0:
                self.pool.transfers.prefilled(job)
            else:
                self.pool.finished(job)
        if self.calendar.peek() > now:
            self._start(event)  # nothing else happens at this instant
        else:
            self._start_later()

    def _start_later(self) -> None:
        """After what else happens at this instant."""
        self._next = self.calendar.call_at(self._start, self.calendar.now, (STARTS, self.index, 0))

    def _start(self, event: Any) -> None:
        if event is not self._next or not self.serves:
            return
        before = self.replica.preemptions
        pulled = self.replica.start(self.calendar.now)
        if self.pool.transfers is not None:
            self.pool.transfers.begin(self)
        if self.pool.observer is not None:
            self._show(self.pool.observer)
        if self.replica.boundary_s < math.inf:
            self._await_boundary()
        if self.pool.queue is not None and (pulled or self.replica.preemptions > before):
            self.pool.offer()

    def _show(self, observer: Observer) -> None:
        decoding, prefilling = self.replica.batch()
        queue = self.pool.queue
        waiting = self.replica.waiting if queue is None else len(queue)
        prompts = self.replica.prompt_tokens if self.pool.plan.serving.prefix_cache else None
        observer.batch_starts(self.calendar.now, self.index, decoding, prefilling, waiting, prompts)

    def fail(self) -> list[Job]:
        """It goes down; returns the jobs that it had."""
        self.failures += 1
        if self.failures > 1:
            return []
        self._next = None
        self.down_since_s = self.calendar.now
        self.pool.refresh(self)
        return self.replica.evict(self.calendar.now) + self.front.evict()

    def repair(self) -> bool:
        """One cause is mended; returns whether it is up again."""
        self.failures -= 1
        if self.failures:
            return False
        self.down_s += self.calendar.now - self.down_since_s
        self.replica.repair()
        self.pool.refresh(self)
        return True

    def drain(self) -> None:
        """It takes no more. What it has it serves to the end."""
        self.failures = 1
        self.phase = DRAINING
        self.replica.share(None)
        self.pool.refresh(self)

    def turn_off(self, now: float) -> None:
        """It has drained."""
        self._next = None
        self.replica.evict(now)
        self.call_off(now)

    def call_off(self, now: float) -> None:
        """It does not load any more."""
        self.phase, self.down_since_s = OFF, now

    def load(self, now: float, ready_s: float) -> None:
        """It begins to load."""
        self.down_s += now - self.down_since_s
        self.phase, self.ready_s = LOADING, ready_s

    def be_ready(self, now: float) -> None:
        """It has loaded."""
        self.phase, self.down_since_s = READY, now
        self.replica.share(self.pool.queue)
        self.repair()

    def rented_s(self, now: float) -> float:
        """Seconds that it was not off, nor failed."""
        return now - self._down_until(now)

    def _down_until(self, now: float) -> float:
        is_down = not self.is_up and self.phase not in (LOADING, DRAINING)
        return self.down_s + (now - self.down_since_s if is_down else 0.0)

    def energy_j(self, now: float) -> float:
        """Joules drawn until now, idle power included."""
        idle_w: float = self.pool.plan.idle_w
        return self.replica.meter_j(now) + idle_w * self.idle_s(now)

    def idle_s(self, now: float) -> float:
        """Seconds until now that it drew idle power."""
        return max(now - self.replica.busy_s(now) - self._down_until(now), 0.0)
