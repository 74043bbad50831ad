"""All pools of one model in SimPy, and the choice among their replicas."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from .dispatch import Rule
from .job import Job
from .server_pool import ServerPool

__all__ = ["ModelServers"]


def _holder(pools: list[ServerPool]) -> ServerPool:
    """Of pools that take a request, none of which is up, the one that is to wake for it.

    It is the first, or the cheapest of those that scale by saturation with that one.
    """
    if not pools[0].plan.saturates:
        return pools[0]
    return min((p for p in pools if p.plan.saturates), key=lambda p: p.plan.price_order)


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
        pool, up = self.destination(job, max_waiting)
        if pool is None:
            return False
        if up:
            self._send(job, up)
            return True
        self._give(pool, job)
        if pool.queue is not None:
            pool.share(job)
        else:
            self._held.append(job)
        return True

    def destination(self, job: Job, max_waiting: int | None) -> tuple[ServerPool | None, list[Any]]:
        """Where a job goes: a pool, None if none takes it, and the replicas to choose from.

        There are none of these where it waits in the queue that those of the pool share, or until one is up.
        """
        pools = self.open_to(job.prompt_tokens, job.max_new_tokens, max_waiting)
        if not pools:
            return None, []
        own = [p for p in pools if not p.plan.is_api] if self.shared else []
        if own:  # an API has no queue to share: it is asked when all else is full
            return min(own, key=ServerPool.crowd) if any(p.up for p in own) else _holder(own), []
        up = pools[0].up if len(pools) == 1 else [s for p in pools for s in p.up]
        return (up[0].pool, up) if up else (_holder(pools), [])

    def held_for(self, pool: ServerPool) -> int:
        """Requests that wait for a replica of this pool to come up."""
        takers = [[p for p in self.pools if p.plan.takes(j.prompt_tokens, j.max_new_tokens)] for j in self._held]
        return sum(_holder(pools) is pool for pools in takers)

    def takes(self, prompt_tokens: int, max_new_tokens: int, max_waiting: int | None) -> bool:
        """Whether some pool takes such a request now."""
        return bool(self.open_to(prompt_tokens, max_new_tokens, max_waiting))

    def open_to(self, prompt_tokens: int, max_new_tokens: int, max_waiting: int | None) -> list[ServerPool]:
        """The pools that take such a request now."""
        return [p for p in self.pools if not p.is_closed(prompt_tokens, max_new_tokens, max_waiting)]

    def retry_after_s(self, prompt_tokens: int, max_new_tokens: int) -> float:
        """Until an API that refuses such a request has enough for it, as its Retry-After says; infinite: none tells."""
        apis = [p for p in self.pools if p.plan.is_api and p.up and p.plan.takes(prompt_tokens, max_new_tokens)]
        return min((p.up[0].wait_s(prompt_tokens + max_new_tokens) for p in apis), default=math.inf)

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
