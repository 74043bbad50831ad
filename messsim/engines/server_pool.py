"""A pool of replicas in SimPy, or an API, and what waits for all of them together."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from messsim import _core
from messsim.workload import Chance

from .api_server import ApiServer
from .calendar import Calendar
from .cluster import PoolPlan
from .drafts import drafts_of
from .fronts import Front
from .gpu_server import DRAINING, LOADING, GpuServer
from .job import Job
from .looks import Looks
from .observer import Observer

__all__ = ["ServerPool"]
Done = Callable[[Any], None]


class ServerPool:
    """The replicas of one pool, and what waits for all of them together."""

    def __init__(
        self,
        calendar: Calendar,
        plan: PoolPlan,
        shared: bool,
        track_usage: bool,
        done: Done,
        chance: Chance,
        front: int,
        looks: Looks,
        observer: Observer | None = None,
    ) -> None:
        self.chance = chance
        self.drafts = drafts_of(plan, chance)
        self.front = Front(calendar, plan, chance, front, self._queue, self.leave)  # of a shared queue
        self.plan = plan
        self.looks = looks
        self.observer = observer
        self.queue = _core.Queue(plan.serving.order) if shared and not plan.is_api else None
        self.unfinished = 0
        self.rule: Any = None  # of dispatch, among all pools of its group
        self.group: Any = None  # of pools that requests are dispatched among
        self.transfers: Any = None  # where it prefills for others, or decodes what they have prefilled
        self._done = done
        first, count = plan.first_replica, 0 if plan.is_api else plan.replicas
        self.replicas = [GpuServer(calendar, self, first + k, track_usage) for k in range(count)]
        self.servers: list[Any] = [ApiServer(calendar, self, first)] if plan.is_api else list(self.replicas)
        self.up: list[Any] = self.servers

    def refresh(self, server: Any) -> None:
        """A replica went down or came up, which is seen at once."""
        self.up = [s for s in self.servers if s.is_up]
        self.looks.show([server])

    def counts(self) -> tuple[int, int, int]:
        """Replicas that are up, loading and draining."""
        phases = [r.phase for r in self.replicas]
        return len(self.up), phases.count(LOADING), phases.count(DRAINING)

    @property
    def work(self) -> int:
        """Requests that it has something to do for.

        Where it prefills not those whose KV only waits there; where it decodes all that are to decode there, those that
        wait for a replica to come up included.
        """
        if self.plan.role != "decode":
            return self.unfinished - sum(server.kept for server in self.replicas)
        held: int = self.group.held_for(self)
        return sum(server.unfinished for server in self.replicas) + held

    def crowd(self) -> float:
        """Unfinished requests for each replica that is up."""
        return self.unfinished / len(self.up) if self.up else math.inf

    def is_closed(self, prompt_tokens: int, max_new_tokens: int, max_waiting: int | None) -> bool:
        """Whether it does not take a request.

        It is too long, the pool is full, or the API is down or has had as much as it takes.
        """
        if not self.plan.takes(prompt_tokens, max_new_tokens):
            return True
        if self.plan.is_api:
            return not self.up or not self.up[0].allows(prompt_tokens + max_new_tokens)
        places = len(self.up) * self.plan.places
        return max_waiting is not None and self.unfinished >= places + max_waiting

    def finished(self, job: Job) -> None:
        """The last token of a job of this pool is there, or nobody wants it and it has left its batch."""
        front = self._server_of(job).front if not self.plan.is_api else None
        if front is None or front.detokenize_s == 0.0 or job.tag.gone:
            self.leave(job)
            return
        if self.observer is not None:
            self.observer.finished(front.calendar.now, job)
        front.detokenize(job)

    def left(self, job: Job) -> None:
        """A job has left a replica, or its queue."""
        self.rule.left(job)
        if self.transfers is not None:
            self.transfers.left(job)

    def leave(self, job: Job) -> None:
        """A job has left this pool."""
        self.left(job)
        self.unfinished -= 1
        self._done(job)

    def _server_of(self, job: Job) -> GpuServer:
        return self.replicas[job.replica - self.plan.first_replica]

    def abort(self, job: Job) -> bool:
        """Nobody waits for a job any more; returns whether it has left by now. An API answers what it was asked."""
        first = self.plan.first_replica
        for front in (self.front, *(s.front for s in self.replicas)):
            if (left := front.abort(job)) is not None:
                return left
        if job.runs:
            return self.replicas[job.replica - first].abort(job)
        if not job.waits:
            return False
        if self.queue is None:
            return self.replicas[job.server - first].abort(job)
        ran = job.replica - first  # it may have run elsewhere, where that failed
        if 0 <= ran < len(self.replicas) and self.replicas[ran].replica.queues(job):  # preempted by one that drains
            return self.replicas[ran].abort(job)
        if self.queue.remove(job):
            self.offer()
        return True

    def share(self, job: Job) -> None:
        """A job goes to the shared queue."""
        self.front.enter(job)

    def _queue(self, job: Job) -> None:
        assert self.queue is not None
        if self.queue.push(job) or any(s.is_idle for s in self.up):
            self.offer()

    def offer(self) -> None:
        """The head of the shared queue is new: an idle replica takes it, or whoever first has room."""
        if not self.queue:
            return
        for server in self.up:
            if server.is_idle:
                server.notify()
                return
        for server in self.up:
            server.notify()
