"""Where the start of the prompt went before, as long as loads are alike: SGLang's cache-aware rule.

Source: sgl-project/sglang@053b63ff, sgl-model-gateway/src/policies/cache_aware.rs and tree.rs. If the most loaded
replica has more than `balance_abs_threshold` unfinished requests more than the least loaded one, and more than
`balance_rel_threshold` times as many, the least loaded one takes the copy. Else the router's tree of what it sent
tells how much of the prompt was sent where: if that is more than `cache_threshold` of it, the copy goes to the
replica that has had this text for longest, else to the least loaded one (older versions, and the words at the head of
that file: the one with the smallest tree). Every `eviction_interval_s` what is beyond `max_tree_tokens` of a replica is
forgotten, the ends of what was sent least recently first.
"""

from typing import Any

from .rule import Job, Rule
from .texts import Texts, parts_of

__all__ = ["PrefixAffinity"]


class PrefixAffinity(Rule):
    """Where the prompt was begun."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._texts = Texts(int, starts_go_first=False)
        self._servers: dict[Any, None] = {}
        self._evictions = 0

    def pick(self, up: list[Any], job: Job) -> Any:
        """One of at least two replicas that are up and take the job."""
        self._evict(up[0].calendar.now)
        if not self._is_imbalanced(up):
            best, matched = self._longest_match(up, job)
            if best is not None and matched / job.prompt_tokens > self.cluster.prefix_affinity.cache_threshold:
                return best
        return self.least_loaded(up, job, random_ties=False)

    def _is_imbalanced(self, up: list[Any]) -> bool:
        loads, prefix_affinity = [self.looks.unfinished(server) for server in up], self.cluster.prefix_affinity
        most, least = max(loads), min(loads)
        return (
            most - least > prefix_affinity.balance_abs_threshold
            and most > prefix_affinity.balance_rel_threshold * least
        )

    def _longest_match(self, up: list[Any], job: Job) -> tuple[Any, int]:
        best, matched = None, 0
        for node, start, end in parts_of(job):
            reach = start
            for server, (_, to) in self._texts.at(node).items():
                if min(to, end) > reach and server in up:
                    reach, best = min(to, end), server
            if reach == start:
                break
            matched = reach
            if reach < end:
                break
        return best, matched

    def _evict(self, now: float) -> None:
        prefix_affinity = self.cluster.prefix_affinity
        turns = int(now / prefix_affinity.eviction_interval_s)
        if turns > self._evictions:
            self._evictions = turns
            for server in self._servers:
                self._texts.trim(server, prefix_affinity.max_tree_tokens)

    def sent(self, server: Any, job: Job) -> None:
        """Hears where a job goes."""
        self._evict(server.calendar.now)
        self._servers[server] = None
        self._texts.add(job, server)

    def forget(self, server: Any) -> None:
        """A replica went down, and what it knew is gone."""
        self._texts.forget(server)
