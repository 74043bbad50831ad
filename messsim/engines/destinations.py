"""Where a request would go if a router sent it to a model now: what a marginal cost is reckoned by."""

from typing import Any

from .servers import ModelServers

__all__ = ["Destinations"]


class Destinations:
    """By the rule of dispatch, which does not remember that it was asked.

    Of `least_loaded`, which evens loads out, and of replicas that share a queue, what runs is the mean of the pool.
    """

    def __init__(self, pools: list[Any], servers: list[ModelServers], looks: Any, dispatch: str) -> None:
        self._pools = pools
        self._servers = servers
        self._looks = looks
        self._goes_by_load = dispatch == "least_loaded" and looks.delay_s == 0

    def of(self, job: Any, max_waiting: int | None, now: float) -> dict[str, float]:
        """Fields of ms_destination (csrc/marginal.h) of a job that goes to its model."""
        pool, server = self._look(self._servers[job.model], job, max_waiting)
        if pool is None:
            return {"pool": -1, "running": 0, "cached": 0}
        if server is not None and not self._goes_by_load:
            running = self._looks.unfinished(server)
        else:
            running = pool.unfinished // len(pool.up) if pool.up else pool.plan.serving.max_num_seqs
        has_cache = server is not None and not pool.plan.is_api
        cached = server.replica.cached_tokens(job, now) if has_cache else 0
        return {"pool": self._pools.index(pool), "running": running, "cached": cached}

    def _look(self, servers: ModelServers, job: Any, max_waiting: int | None) -> tuple[Any, Any]:
        """A pool, or None, and a replica of it, or None where the job would wait for one."""
        pool, up = servers.destination(job, max_waiting)
        if up:
            server = up[0] if len(up) == 1 else servers.rule.look(up, job)
            return server.pool, server
        if pool is not None and pool.queue is not None:
            return pool, next((s for s in pool.up if s.is_idle), None)
        return pool, None
