"""The best weighted sum of scores: llm-d's router. Of equals any one.

Source: llm-d/llm-d-router@ebab6879; pkg/epp/config/loader/defaults.go for the weights, pkg/epp/framework/plugins for
the rest.

    queue       (most - q) / (most - least), q the waiting requests of the engine; 1 if all are alike
    kv_cache    1 - share of the memory that the batch holds
    load        (1 - min(q, 128) / 128) / 2
    prefix      share of the prompt's blocks that the router has sent there, by a list of blocks of its own
    token_load  1 - min(1, tokens / 4,194,304), tokens those whose prefill is to come there, the new ones included
    session     1 where the session was sent last, within the time that `session` remembers it; else 0
    active      1 with at most `idle_requests` unfinished ones, else max_busy_score (most - n) / most; known at once
    no_hit_lru  0.5; where nobody was sent any of the prompt, from 1 down to 0 by place in a row: first who never got
                such a request, in order, then the others, who got one longest ago first

"Sticky until saturated": of those to whom at least `affinity_threshold` of the prompt was sent, if there are any,
unless the least of their prefills to come takes more than `max_ttft_penalty_s` longer, at
`peak_prefill_tokens_per_s`, than the least of all others'.
"""

import math
from typing import Any

from ..cluster import UNLIMITED_TOKENS
from .accounts import Accounts
from .rule import Job, Rule
from .session import Bindings
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
        self._sessions = Bindings(self.cluster.session.ttl_s)
        self._cold: dict[Any, None] = {}  # who got requests of which nobody had anything, least recently first
        self._is_cold: tuple[Job, bool] = (None, False)  # the job of the last choice, and whether it is one

    def pick(self, up: list[Any], job: Job) -> Any:
        """One of at least two replicas that are up and take the job."""
        matched, total = self._match(up, job)
        self._is_cold = job, not any(server in matched for server in up)
        if self.cluster.scored.sticky_until_saturated:
            up = self._narrow(up, matched, total)
        queues = [self.waiting(server) for server in up]
        of_router = self._of_router(up, job)
        costs = [
            -(
                self._of_engine(server, min(queues), max(queues))
                + self._of_prompt(server, job, matched, total)
                + of_router[server]
            )
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
        scored, there = self.cluster.scored, matched.get(server, 0)
        score = scored.weights.prefix * (there / total) if total > 0 else 0.0
        if scored.weights.token_load > 0:
            tokens = self._accounts.prefill[server] + job.prompt_tokens - there * self._unit
            score += scored.weights.token_load * (1.0 - min(1.0, tokens / scored.max_load_tokens))
        return score

    def _of_router(self, up: list[Any], job: Job) -> dict[Any, float]:
        """What it knows by itself."""
        weights, bound = self.cluster.scored.weights, self._sessions.of(job, up[0].calendar.now)
        active = self._activity(up) if weights.active > 0 else {}
        cold = self._coldness(up) if weights.no_hit_lru > 0 else {}
        return {
            server: weights.session * (server is bound)
            + weights.active * active.get(server, 0.0)
            + weights.no_hit_lru * cold.get(server, 0.0)
            for server in up
        }

    def _activity(self, up: list[Any]) -> dict[Any, float]:
        settings, most = self.cluster.scored, max(server.unfinished for server in up)

        def score(unfinished: int) -> float:
            return 1.0 if unfinished <= settings.idle_requests else (most - unfinished) / most * settings.max_busy_score

        return {server: score(server.unfinished) for server in up}

    def _coldness(self, up: list[Any]) -> dict[Any, float]:
        if not self._is_cold[1] or len(up) < 2:
            return dict.fromkeys(up, 0.5)
        never = [server for server in up if server not in self._cold]
        ranks = {server: k for k, server in enumerate(never)}
        ranks |= {server: len(never) + k for k, server in enumerate(self._cold) if server in up}
        return {server: max(1.0 - rank / (len(up) - 1), 0.0) for server, rank in ranks.items()}

    def _narrow(self, up: list[Any], matched: dict[Any, int], total: int) -> list[Any]:
        """Those to whom enough of the prompt was sent, as long as they are not saturated."""
        scored = self.cluster.scored
        sticky = [s for s in up if total > 0 and matched.get(s, 0) / total >= scored.affinity_threshold]
        if len(sticky) in (0, len(up)):
            return up
        least_s = min(self._prefill_s(s) for s in sticky)
        others_s = min((self._prefill_s(s) for s in up if s not in sticky), default=math.inf)
        saturated = scored.max_ttft_penalty_s > 0 and least_s - others_s > scored.max_ttft_penalty_s
        return up if saturated else sticky

    def _prefill_s(self, server: Any) -> float:
        return self._accounts.prefill[server] / self.cluster.scored.peak_prefill_tokens_per_s

    # ---- blocks of the prompt that the router has sent where ----------------------------------------

    def _units(self, tokens: int) -> int:
        most = self.cluster.scored.index_tokens
        return (min(tokens, most) if most > 0 else tokens) // self._unit

    def _known(self, server: Any) -> Texts:
        if self._texts is None:
            block = self.plans[0].serving.kv_block_tokens
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
        self._sessions.bind(job, server)
        of_choice, is_cold = self._is_cold
        self._is_cold = (None, False)  # a job that is sent again may go where nothing was chosen
        if is_cold if of_choice is job else server not in matched:
            self._note_cold(server)
        self._accounts.charge(server, job, job.prompt_tokens - matched.get(server, 0) * self._unit)
        plan, texts = server.pool.plan, self._known(server)
        is_known = plan.kv_capacity_tokens < UNLIMITED_TOKENS
        blocks = plan.kv_capacity_tokens // plan.serving.kv_block_tokens if is_known else UNKNOWN_BLOCKS
        texts.add(job, server)
        texts.trim(server, self.cluster.scored.index_blocks or blocks)

    def _note_cold(self, server: Any) -> None:
        self._cold.pop(server, None)
        self._cold[server] = None
        if len(self._cold) > self.cluster.scored.cold_replicas:
            del self._cold[next(iter(self._cold))]

    def forget(self, server: Any) -> None:
        """A replica went down, and what it knew is gone."""
        self._known(server).forget(server)

    def left(self, job: Job) -> None:
        """A job is not at its replica any more."""
        self._accounts.release(job)

    def boundary(self, server: Any) -> None:
        """A replica is between two iterations."""
        self._accounts.settle(server, server.calendar.now)
