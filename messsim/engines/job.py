"""A copy of a request on its way through the servers of the SimPy engine."""

from __future__ import annotations

import math

from messsim import _core

__all__ = ["Job"]


class Job(_core.Job):
    """What happens to a copy outside of a replica; inside, the core changes its fields (csrc/job.h)."""

    def hurry(self, priority: int, arrival_s: float, deadline_s: float) -> None:
        """What orders queues that are not first in first out."""
        self.priority, self.arrival_s, self.deadline_s = priority, arrival_s, deadline_s

    def served_elsewhere(self, replica: int, start_s: float, first_token_s: float, finish_s: float) -> None:
        """Sets its times where no Replica serves it, an API or no servers at all; a retry keeps the first ones."""
        self.replica, self.finish_s = replica, finish_s
        if math.isnan(self.start_s):
            self.start_s = start_s
        if math.isnan(self.first_token_s):
            self.first_token_s = first_token_s

    def reaches_user(self, now_s: float) -> None:
        """The answer is detokenized, which takes time: its end at the user."""
        self.finish_s = now_s

    def stop_transfer(self) -> None:
        """Nobody wants its answer any more; it leaves at the end of its transfer."""
        self.aborted = 1

    def wait_for(self, server: int) -> None:
        """It is to go to this replica; -1: nobody knows where yet."""
        self.server = server

    def settle_price(self, usd_per_s: float) -> None:
        """What it has used of a replica is priced before it goes to another."""
        self.usage_usd += self.usage_s * usd_per_s
        self.usage_s = 0.0

    def restart(self) -> None:
        """After a failure: it begins again from its prompt and keeps its first times and its energy."""
        self.generated_tokens = self.transferred = 0
        self.attempt += 1

    def take_energy_j(self) -> float:
        """What it has drawn so far, to be paid for: it starts anew from 0."""
        energy_j, self.energy_j = self.energy_j, 0.0
        return energy_j

    def take_usage_usd(self) -> float:
        """What it has used so far of replicas that it left, to be paid for: it starts anew from 0."""
        usage_usd, self.usage_usd = self.usage_usd, 0.0
        return usage_usd

    @property
    def runs(self) -> bool:
        """Whether it is in a replica's batch."""
        return self.place == _core.RUNS

    @property
    def waits(self) -> bool:
        """Whether it is in the queue of a replica or of a pool, or has come to where it is to decode."""
        return self.place in (_core.QUEUED, _core.ARRIVED)

    @property
    def transfers(self) -> bool:
        """Whether its KV is on its way to where it decodes."""
        return self.place == _core.TRANSFERS
