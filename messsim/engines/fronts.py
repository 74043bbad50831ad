"""Time outside the GPU that a server takes: its front end before a request queues there, detokenizing at the end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from messsim.workload import Chance, wait_of

from .calendar import ARRIVES, ENDS, Calendar
from .cluster import PoolPlan

__all__ = ["Front"]

Job = Any  # messsim._core.Job
MOST_ATTEMPTS = 2**24  # of a request, at one place


def _order_of(job: Job) -> int:
    """Unique at a place: a request has one copy of an attempt there."""
    return int((job.request + 1) * MOST_ATTEMPTS + job.attempt)


class Front:
    """What a replica, or a pool with a shared queue, has outside its GPUs.

    Requests come to `front_end_workers` in parallel, first in, first out, and then to the queue. Answers reach their
    users `detokenize_s` after their last token. Neither costs energy.

    Parameters
    ----------
    place
        Of the calendar's order: the replica's index; of a pool, a number above all of those.
    queue
        Takes a job that has passed the front end.
    done
        Takes a job that has left: detokenized, or given up in the front end.
    """

    def __init__(
        self,
        calendar: Calendar,
        plan: PoolPlan,
        chance: Chance,
        place: int,
        queue: Callable[[Job], None],
        done: Callable[[Job], None],
    ) -> None:
        self.calendar = calendar
        self.chance = chance
        self.place = place
        self.queue = queue
        self.done = done
        serving = plan.serving
        self.takes_time = serving.front_end_s is not None
        self.detokenize_s = serving.detokenize_s
        self._workers = serving.front_end_workers
        self._law = wait_of(serving.front_end_s, chance, "front-end", plan.name)
        self._waiting: deque[Job] = deque()
        self._served: dict[Job, Any] = {}  # with the event of its end
        self._aborted: set[Job] = set()
        self._detokenizing: dict[Job, None] = {}

    @property
    def unfinished(self) -> int:
        """Jobs that are here."""
        return len(self._waiting) + len(self._served) + len(self._detokenizing)

    # ---- before the queue ---------------------------------------------------------------------------

    def enter(self, job: Job) -> None:
        """A job that was sent here comes to a worker, or waits for one."""
        if not self.takes_time:
            self.queue(job)
        elif self._workers == 0 or len(self._served) < self._workers:
            self._begin(job)
        else:
            self._waiting.append(job)

    def _begin(self, job: Job) -> None:
        time_s = self.calendar.now + self._law.draw_s(self.chance, job.request, job.attempt)
        order = (ARRIVES, self.place, _order_of(job))
        self._served[job] = self.calendar.call_at(lambda event: self._pass(job, event), time_s, order)

    def _pass(self, job: Job, event: Any) -> None:
        if self._served.get(job) is not event:
            return
        del self._served[job]
        if self._waiting:
            self._begin(self._waiting.popleft())
        if job in self._aborted:
            self._aborted.remove(job)
            self.done(job)
        else:
            self.queue(job)

    # ---- after the last token -----------------------------------------------------------------------

    def detokenize(self, job: Job) -> None:
        """The last token is there: the answer reaches its user a while later."""
        self._detokenizing[job] = None
        order = (ENDS, job.replica, _order_of(job))
        self.calendar.call_at(lambda _: self._detokenized(job), self.calendar.now + self.detokenize_s, order)

    def _detokenized(self, job: Job) -> None:
        del self._detokenizing[job]
        job.reaches_user(self.calendar.now)
        self.done(job)

    # ---- mishaps ------------------------------------------------------------------------------------

    def abort(self, job: Job) -> bool | None:
        """Nobody wants the answer; returns whether the job is gone by now, None if it is not here.

        A worker who has begun goes on to the end.
        """
        if job in self._waiting:
            self._waiting.remove(job)
            return True
        if job in self._served:
            self._aborted.add(job)
            return False
        return False if job in self._detokenizing else None

    def evict(self) -> list[Job]:
        """The replica fails: what is in its front end. Answers that are complete reach their users."""
        jobs = [*self._served, *self._waiting]
        self._served.clear()
        self._waiting.clear()
        self._aborted.clear()
        return jobs

    def withdraw(self) -> list[Job]:
        """At the end: everything."""
        return [*self.evict(), *self._detokenizing]
