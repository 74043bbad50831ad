"""What a router believes to be in the caches of replicas: the prompts that it has sent there.

A prompt is taken apart into the nodes of its path and what it alone says, which is counted but not looked for. What
goes first, where there is too much, is what was sent least recently.
"""

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["Texts", "parts_of"]

Job = Any  # messsim._core.Job


def parts_of(job: Job) -> Iterator[tuple[int | None, int, int]]:
    """The parts of a prompt: node, first token and the one behind its last; None: what no other prompt says."""
    start = 0
    for node, end in job.path:
        yield node, start, end
        start = end
    if start < job.prompt_tokens:
        yield None, start, job.prompt_tokens


class Texts:
    """Texts by replica.

    `units_of` says how many units so many tokens from the start of a prompt are. Of one prompt the start is the oldest
    and goes first, or its end.
    """

    def __init__(self, units_of: Callable[[int], int], *, starts_go_first: bool) -> None:
        self._units_of = units_of
        self._starts_go_first = starts_go_first
        self._by_node: dict[int, dict[Any, list[int]]] = {}  # node: replicas in the order in which they came by it
        self._by_server: dict[Any, dict[Any, list[int]]] = {}  # replica: nodes, the one sent least recently first
        self._alone = 0

    def units(self, server: Any) -> int:
        """How much is believed to be at a replica."""
        return sum(to - start for start, to in self._by_server.get(server, {}).values())

    def at(self, node: int | None) -> dict[Any, list[int]]:
        """Who has what of a node: replicas with the first unit and the one behind the last."""
        return {} if node is None else self._by_node.get(node, {})

    def add(self, job: Job, server: Any) -> None:
        """The prompt of a job is sent to a replica."""
        parts = list(parts_of(job))
        for node, first, end in parts if self._starts_go_first else reversed(parts):
            self._add_part(server, node, self._units_of(first), self._units_of(end))

    def _add_part(self, server: Any, node: int | None, start: int, to: int) -> None:
        if start == to:
            return
        texts = self._by_server.setdefault(server, {})
        if node is None:
            newest: Any = next(reversed(texts), None)
            if not isinstance(newest, tuple):
                self._alone += 1
                newest = ("alone", self._alone)
                texts[newest] = [0, 0]
            texts[newest][1] += to - start
            return
        text = texts.pop(node, None)
        if text is None:
            text = self._by_node.setdefault(node, {})[server] = [start, start]
        texts[node] = text
        text[:] = start, max(text[1], to)

    def trim(self, server: Any, units: int) -> None:
        """At a replica there is no more than so much."""
        texts = self._by_server.get(server, {})
        excess = self.units(server) - units
        while excess > 0:
            node, text = next(iter(texts.items()))
            gone = min(excess, text[1] - text[0])
            excess -= gone
            text[0] += gone * self._starts_go_first
            text[1] -= gone * (not self._starts_go_first)
            if text[0] == text[1]:
                self._drop(server, node)

    def _drop(self, server: Any, node: Any) -> None:
        del self._by_server[server][node]
        if not isinstance(node, tuple):
            del self._by_node[node][server]
            if not self._by_node[node]:
                del self._by_node[node]

    def forget(self, server: Any) -> None:
        """A replica is gone, and its cache with it."""
        for node in list(self._by_server.get(server, {})):
            self._drop(server, node)
