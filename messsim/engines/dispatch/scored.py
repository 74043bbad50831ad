"""The best weighted sum of scores: llm-d's router. Of equals any one.

Source: llm-d/llm-d-router@ebab6879; pkg/epp/config/loader/defaults.go for the weights, pkg/epp/framework/plugins for
the rest.

    queue       (most - q) / (most - least), q the waiting requests of the engine; 1 if all are alike
    kv_cache    1 - share of the memory that the batch holds
    load        (1 - min(q, 128) / 128) / 2
    prefix      share of the prompt's blocks that the router has sent there, by a list of blocks of its own
    token_load  1 - min(1, tokens / 4,194,304), tokens those whose prefill is to come there, the new ones included

"Sticky until saturated": of those to whom at least `affinity_threshold` of the prompt was sent, if there are any,
unless the least of their prefills to come takes more than `max_ttft_penalty_s` longer, at
`peak_prefill_tokens_per_s`, than the least of all others'.
"""

import math
from typing import Any

from ..cluster import UNLIMITED_TOKENS
from .accounts import Accounts
from .rule import Job, Rule
from .texts import Texts, parts_of

__all__ = ["Scored"]

LOAD_MOST = 128
UNKNOWN_BLOCKS = 31250


class Scored(Rule):
    """The highest score."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._accounts = Accounts()
        self._texts: Texts | None = None
        self._unit = 0

    def pick(self, up: list[Any], job: Job) -> Any:
        """One of at least two replicas that are up and take the job."""
        matched, total = self._match(up, job)
        if self.cluster.scored.sticky_until_saturated:
            up = self._narrow(up, matched, total)
        queues = [self.waiting(server) for server in up]
        costs = [
            -(self._of_engine(server, min(queues), max(queues)) + self._of_prompt(server, job, matched, total))
            for server in up
        ]
        return self.cheapest(up, costs, job)

    # ---- scores -------------------------------------------------------------------------------------

    def _of_engine(self, server: Any, least: int, most: int) -> float:
        weights, q = self.cluster.scored.weights, self.waiting(server)
        shorter = (most - q) / (most - least) if most > least else 1.0
        load = 0.5 * (1.0 - min(q, LOAD_MOST) / LOAD_MOST)
        return weights.queue * shorter + weights.kv_cache * (1.0 - self.usage(server)) + weights.load * load

    def _of_prompt(self, server: Any, job: Job, matched: dict[Any, int], total: int) -> float:
        said, there = self.cluster.scored, matched.get(server, 0)
        score = said.weights.prefix * (there / total) if total > 0 else 0.0
        if said.weights.token_load > 0:
            tokens = self._accounts.prefill[server] + job.prompt_tokens - there * self._unit
            score += said.weights.token_load * (1.0 - min(1.0, tokens / said.max_load_tokens))
        return score

    def _narrow(self, up: list[Any], matched: dict[Any, int], total: int) -> list[Any]:
        """Those to whom enough of the prompt was sent, as long as they are not saturated."""
        said = self.cluster.scored
        sticky = [s for s in up if total > 0 and matched.get(s, 0) / total >= said.affinity_threshold]
        if len(sticky) in (0, len(up)):
            return up
        least_s = min(self._prefill_s(s) for s in sticky)
        others_s = min((self._prefill_s(s) for s in up if s not in sticky), default=math.inf)
        saturated = said.max_ttft_penalty_s > 0 and least_s - others_s > said.max_ttft_penalty_s
        return up if saturated else sticky

    def _prefill_s(self, server: Any) -> float:
        return self._accounts.prefill[server] / self.cluster.scored.peak_prefill_tokens_per_s

    # ---- blocks of the prompt that the router has sent where ----------------------------------------

    def _units(self, tokens: int) -> int:
        most = self.cluster.scored.index_tokens
        return (min(tokens, most) if most > 0 else tokens) // self._unit

    def _known(self, server: Any) -> Texts:
        if self._texts is None:
            block = self.plans[0].said.kv_block_tokens
            self._unit = max(self.cluster.scored.index_block_tokens, block)
            self._texts = Texts(self._units, starts_go_first=True)
        return self._texts

    def _match(self, up: list[Any], job: Job) -> tuple[dict[Any, int], int]:
        """Blocks of the prompt by replica, up to the first that nobody has, and how many there are in all."""
        texts = self._known(up[0])
        matched: dict[Any, int] = {}
        total, is_over = 0, False
        for node, start, end in parts_of(job):
            first, total = self._units(start), self._units(end)
            if first == total or is_over:
                continue
            there = texts.at(node)
            reach, before = first, -1
            while reach > before:
                before = reach
                reach = max([reach, *(to for begin, to in there.values() if begin <= reach)])
            reach = min(reach, total)
            for server, (begin, to) in there.items():
                if (blocks := min(to, reach) - max(begin, first)) > 0:
                    matched[server] = matched.get(server, 0) + blocks
            is_over = reach < total
        return matched, total

    # ---- what happens -------------------------------------------------------------------------------

    def sent(self, server: Any, job: Job) -> None:
        """Hears where a job goes."""
        matched, _ = self._match([server], job)
        self._accounts.charge(server, job, job.prompt_tokens - matched.get(server, 0) * self._unit)
        plan, texts = server.pool.plan, self._known(server)
        is_known = 0 < plan.kv_capacity_tokens < UNLIMITED_TOKENS
        blocks = plan.kv_capacity_tokens // plan.said.kv_block_tokens if is_known else UNKNOWN_BLOCKS
        texts.add(job, server)
        texts.trim(server, self.cluster.scored.index_blocks or blocks)

    def forget(self, server: Any) -> None:
        """A replica went down, and what it knew is gone."""
        self._known(server).forget(server)

    def left(self, job: Job) -> None:
        """A job is not at its replica any more."""
        self._accounts.release(job)

    def boundary(self, server: Any) -> None:
        """A replica is between two iterations."""
        self._accounts.settle(server, server.calendar.now)
