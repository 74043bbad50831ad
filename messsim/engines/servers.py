"""Pools of replicas in SimPy: each replica is a server that alternates between finish and start.

A server's life is a loop of two callbacks, not a generator: a boundary that an arrival has moved forward is
then a new event and a forgotten old one, and a request costs half the time (bench/bench_engine.py).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any

from messsim import _core
from messsim.workload import Chance

from .calendar import ENDS, STARTS, Calendar
from .cluster import PoolPlan
from .dispatch import Rule
from .drafts import drafts_of
from .fronts import Front
from .looks import Looks
from .observer import Observer

__all__ = ["DRAINING", "LOADING", "OFF", "READY", "ModelServers", "ServerPool"]

# of a replica of a pool that an autoscaler changes; others are always ready
READY, LOADING, DRAINING, OFF = "ready", "loading", "draining", "off"

Job = _core.Job
Done = Callable[[Any], None]


class _GpuServer:
    """One replica and its place in the calendar."""

    def __init__(self, calendar: Calendar, pool: ServerPool, index: int, track_usage: bool) -> None:
        self.calendar = calendar
        self.pool = pool
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
        self._next: Any = None  # the event of the boundary that counts; older ones are forgotten

    @property
    def is_up(self) -> bool:
        return self.failures == 0

    @property
    def serves(self) -> bool:
        """Whether it works on what it has."""
        return self.is_up or self.phase == DRAINING

    @property
    def unfinished(self) -> int:
        return self.replica.unfinished + self.front.unfinished + self.promised

    @property
    def is_idle(self) -> bool:
        return self.replica.state == _core.IDLE

    def submit(self, job: Job) -> None:
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
            self.calendar.call_at(self._start, self.calendar.now, (STARTS, self.index, 0))
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
            self._start(None)  # nothing else happens at this instant
        else:
            self.calendar.call_at(self._start, now, (STARTS, self.index, 0))

    def _start(self, _: Any) -> None:
        if not self.serves:
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
        return self.replica.meter_j(now) + self.pool.plan.idle_w * self.idle_s(now)

    def idle_s(self, now: float) -> float:
        return max(now - self.replica.busy_s(now) - self._down_until(now), 0.0)


class _ApiServer:
    """Somebody else's servers: a request starts at once and takes its time."""

    def __init__(self, calendar: Calendar, pool: ServerPool, index: int) -> None:
        self.calendar = calendar
        self.pool = pool
        self.index = index
        self.failures = 0  # causes that keep it down at present
        self._meter = _core.Api({**pool.plan.api_limits}, {**pool.plan.prompt_cache})
        self._calls: dict[Job, Any] = {}  # under way, with the event of its end

    @property
    def is_up(self) -> bool:
        return self.failures == 0

    @property
    def unfinished(self) -> int:
        return self.pool.unfinished

    def allows(self, tokens: int) -> bool:
        """Whether its limits let in a call of so many tokens now."""
        return self._meter.allows(tokens, self.unfinished, self.calendar.now)

    def submit(self, job: Job) -> None:
        serving, now = self.pool.plan.serving, self.calendar.now
        self._meter.call(job, now)
        first_token_s = now + serving.latency_s
        finish_s = first_token_s + serving.tpot_s * (job.output_tokens - 1)
        job.served_elsewhere(self.index, now, first_token_s, finish_s)
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
        self.replicas = [_GpuServer(calendar, self, first + k, track_usage) for k in range(count)]
        self.servers: list[Any] = [_ApiServer(calendar, self, first)] if plan.is_api else list(self.replicas)
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

    def _server_of(self, job: Job) -> _GpuServer:
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
        if job.replica >= 0 and self._server_of(job).replica.queues(job):  # preempted by one that drains
            return self._server_of(job).abort(job)
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


class ModelServers:
    """All pools of one model, and the choice among their replicas.

    Where prefill and decode are split, those that prefill; `decoders` are the others.
    """

    decoders: ModelServers | None = None

    def __init__(self, pools: list[ServerPool], shared: bool, rule: Rule) -> None:
        self.pools = pools
        for pool in pools:
            pool.rule, pool.group = rule, self
        self.shared = shared
        self.rule = rule
        self._held: deque[Job] = deque()  # while no replica is up

    def place(self, job: Job, max_waiting: int | None = None) -> bool:
        """Sends a job to a replica; False if it is turned away."""
        pools = self.open_to(job.prompt_tokens, job.max_new_tokens, max_waiting)
        if not pools:
            return False
        own = [p for p in pools if not p.plan.is_api] if self.shared else []
        if own:  # an API has no queue to share: it is asked when all else is full
            pool = min(own, key=ServerPool.crowd)
            self._give(pool, job)
            pool.share(job)
            return True
        up = pools[0].up if len(pools) == 1 else [s for p in pools for s in p.up]
        if not up:
            self._give(pools[0], job)
            self._held.append(job)
        else:
            self._send(job, up)
        return True

    def held_for(self, pool: ServerPool) -> int:
        """Requests that wait for a replica of this pool to come up: it is the first that takes them."""
        first = [next(p for p in self.pools if p.plan.takes(j.prompt_tokens, j.max_new_tokens)) for j in self._held]
        return sum(p is pool for p in first)

    def takes(self, prompt_tokens: int, max_new_tokens: int, max_waiting: int | None) -> bool:
        """Whether some pool takes such a request now."""
        return bool(self.open_to(prompt_tokens, max_new_tokens, max_waiting))

    def open_to(self, prompt_tokens: int, max_new_tokens: int, max_waiting: int | None) -> list[ServerPool]:
        """The pools that take such a request now."""
        return [p for p in self.pools if not p.is_closed(prompt_tokens, max_new_tokens, max_waiting)]

    def _send(self, job: Job, up: list[Any]) -> None:
        server = up[0] if len(up) == 1 else self.rule.pick(up, job)
        self.rule.sent(server, job)
        if self.decoders is not None:
            server.pool.transfers.promise(job)
        self._give(server.pool, job)
        server.submit(job)

    @staticmethod
    def _give(pool: ServerPool, job: Job) -> None:
        """A job is a pool's from now on."""
        job.pool = pool
        pool.unfinished += 1

    def abort(self, job: Job) -> bool:
        """Nobody waits for a job any more; returns whether it has left by now. Else it comes finished."""
        pool: ServerPool = job.pool
        on_its_way: bool | None = None if pool.transfers is None else pool.transfers.abort(job)
        if on_its_way is not None:
            left = on_its_way
        elif job in self._held:
            self._held.remove(job)
            left = True
        else:
            left = pool.abort(job)
        pool.unfinished -= left
        if left:
            pool.left(job)
        return left

    def forget(self, server: Any) -> None:
        """A replica went down, and what it knew is gone."""
        self.rule.forget(server)

    def resume(self, pool: ServerPool) -> list[Job]:
        """A replica of the pool is up again; returns what was held and is to be placed again."""
        pool.offer()
        held, self._held = self._held, deque()
        for job in held:
            job.pool.unfinished -= job.source < 0  # else it is prefilled already
        return list(held)

    def withdraw_all(self, now: float) -> list[Job]:
        """Cuts everything off: all jobs under way or waiting."""
        jobs = [job for p in self.pools for r in p.replicas if r.serves for job in r.replica.evict(now)]
        jobs += [job for p in self.pools if p.queue is not None for job in p.queue.drain()]
        fronts = [front for p in self.pools for front in (p.front, *(r.front for r in p.replicas))]
        jobs += [job for front in fronts for job in front.withdraw()]
        decoding = self.decoders.withdraw_all(now) if self.decoders is not None else []
        return [*jobs, *self._held, *decoding]

    def load(self) -> float:
        """Unfinished requests per place."""
        pools = self.pools + (self.decoders.pools if self.decoders is not None else [])
        places = sum(len(p.up) * p.plan.places for p in pools)
        return sum(p.unfinished for p in pools) / places if places else 0.0
