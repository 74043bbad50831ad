"""What a router keeps account of by itself: of what it has sent to each replica, the prompt tokens whose prefill
is still to come, and the memory of prompts whose answers are not complete.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

__all__ = ["Accounts"]

Job = Any  # messsim._core.Job


@dataclass
class _Charge:
    server: Any
    prefill: int
    held: int


class Accounts:
    """Tokens by replica.

    Attributes
    ----------
    prefill, held
        Tokens that are to be prefilled, and that prompts hold in whole blocks.
    """

    def __init__(self) -> None:
        self.prefill: Counter[Any] = Counter()
        self.held: Counter[Any] = Counter()
        self._charges: dict[Job, _Charge] = {}

    def charge(self, server: Any, job: Job, prefill: int) -> None:
        """A copy is sent to a replica, where so many tokens of its prompt are to be computed."""
        block = server.pool.plan.serving.kv_block_tokens
        held = -(-job.prompt_tokens // block) * block
        self._charges[job] = _Charge(server, prefill, held)
        self.prefill[server] += prefill
        self.held[server] += held

    def release(self, job: Job) -> None:
        """Its answer is complete, or nobody waits for it there any more."""
        charge = self._charges.pop(job, None)
        if charge is not None:
            self.prefill[charge.server] -= charge.prefill
            self.held[charge.server] -= charge.held

    def settle(self, server: Any, now: float) -> None:
        """A boundary of a replica was reached: who has a first token by now is not prefilled any more."""
        if self.prefill[server] == 0:
            return
        decoding, prefilling = server.replica.batch()
        for job in reversed(decoding + prefilling):  # those who came last come first
            charge = self._charges.get(job)
            to_come = 0 if charge is None else charge.prefill
            if charge is not None and to_come > 0 and job.first_token_s <= now:
                self.prefill[server] -= to_come
                charge.prefill = 0
            elif to_come == 0 and job.first_token_s < now and job.preemptions == 0:
                break
