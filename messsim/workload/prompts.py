"""What the prompts of a stretch of requests are made of, and which of them follow the answers of which."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import Floats, Ints, Numbers

__all__ = ["NODE", "Paths", "Turns"]

NODE = np.dtype([("id", np.int64), ("end_tokens", np.int32)], align=True)  # ms_node_of_path of csrc/job.h


@dataclass(slots=True)
class Paths:
    """The nodes that each prompt goes through, from its first token on (csrc/job.h).

    Attributes
    ----------
    start : int64 [n + 1]
        Nodes start[i] ... start[i + 1] - 1 are those of request i.
    nodes : NODE [start[n]]
        Who has equal ids has the same text. `end_tokens` counts from the beginning of the prompt.
    """

    start: NDArray[np.int64]
    nodes: NDArray[Any]


@dataclass
class Turns:
    """Turns of sessions: a stretch holds whole sessions, the turns of each in order.

    Attributes
    ----------
    session : int64 [n]
    turn : int32 [n]
        From 0 on.
    parent : int32 [n]
        Place in the stretch of the turn whose answer this one waits for; -1: none, it comes at its time.
    wait_s : float64 [n]
        Seconds from that answer until this turn is sent, where its own time (`Chunk.arrival_s`) is not later.
    new_tokens : int32 [n] or None
        The text that a turn adds to the prompt and the answer before. None: all prompts are given.
    """

    session: Numbers
    turn: Ints
    parent: Ints
    wait_s: Floats
    new_tokens: Ints | None = None

    @cached_property
    def roots(self) -> Ints:
        """The requests that come at times of their own, in order."""
        return np.flatnonzero(self.parent < 0).astype(np.int32)

    @cached_property
    def first_child(self) -> Ints:
        """Int32 [n]: the first of those that wait for each answer; -1: none."""
        return self._links[0]

    @cached_property
    def next_child(self) -> Ints:
        """Int32 [n]: the next that waits for the same answer; -1: none."""
        return self._links[1]

    @cached_property
    def _links(self) -> tuple[Ints, Ints]:
        n = len(self.parent)
        first, following = np.full(n, -1, np.int32), np.full(n, -1, np.int32)
        waiting = np.flatnonzero(self.parent >= 0).astype(np.int32)
        parents = self.parent[waiting]
        if (parents[1:] > parents[:-1]).all():  # one after the other, nobody waits for the same answer
            first[parents] = waiting
            return first, following
        waiting = waiting[np.argsort(parents, kind="stable")]
        parents = self.parent[waiting]
        same = parents[1:] == parents[:-1]
        following[waiting[:-1][same]] = waiting[1:][same]
        heads = np.concatenate([[True], ~same])[: len(waiting)]
        first[parents[heads]] = waiting[heads]
        return first, following
