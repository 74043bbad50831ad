"""Where the least is to be computed and held: the cost of NVIDIA Dynamo's KV router, in tokens instead of blocks.

Source: ai-dynamo/dynamo@07a6c9ce, lib/kv-router/src/scheduling/selector/default.rs. With n the prompt's tokens, p
those whose prefill is still to come at a replica and c those of the prompt that its prefix cache holds, the copy goes
where

    prefill_load_scale * max(0, p + n - overlap_credit * c) + held

is least, to any one of equals; held are the tokens, in whole blocks, of all prompts there whose answers are not
complete. The router keeps account of p and held by itself; what caches hold it has from the last look at them, where
they are polled. Its terms for caches beyond the GPU, and for a temperature, are left out; a block that several hold
counts for each.
"""

from typing import Any

from .accounts import Accounts
from .rule import Job, Rule

__all__ = ["KvRouter"]


class KvRouter(Rule):
    """The cheapest by work to come and memory."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._accounts = Accounts()

    def pick(self, up: list[Any], job: Job) -> Any:
        """One of at least two replicas that are up and take the job."""
        return self.cheapest(up, [self._cost(server, job) for server in up], job)

    def _cost(self, server: Any, job: Job) -> float:
        kv_router, accounts = self.cluster.kv_router, self._accounts
        saved = kv_router.prefill_load_scale * kv_router.overlap_credit * self.cached(server, job)
        most = kv_router.prefill_load_scale * (accounts.prefill[server] + job.prompt_tokens)
        return float(kv_router.prefill_load_scale * accounts.prefill[server] + accounts.held[server] - min(saved, most))

    def sent(self, server: Any, job: Job) -> None:
        """Hears where a job goes."""
        self._accounts.charge(server, job, job.prompt_tokens - self.cached(server, job))

    def left(self, job: Job) -> None:
        """A job is not at its replica any more."""
        self._accounts.release(job)

    def boundary(self, server: Any) -> None:
        """A replica is between two iterations."""
        self._accounts.settle(server, server.calendar.now)
