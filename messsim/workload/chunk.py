"""A stretch of requests as columns: their whole fate, drawn before anyone decides."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import Floats, Ints, Numbers
from .prompts import Paths, Turns

__all__ = ["Chunk", "Floats", "Ints", "Numbers", "joined", "requests_at_once", "selected"]


def requests_at_once(models: int) -> int:
    """Requests to draw and to sum at once: 65,536, or about so many that a column a model takes 16 MiB.

    Memory for larger columns is given back to the system each time, which clears its pages before they are used again
    (csrc/memory.c). Columns of many models lie no power of two apart: the values of one request, a column each, would
    take the same few places of the processor's cache.
    """
    return min(65_536, 2**21 // models - 8)


@dataclass(slots=True)
class Chunk:
    """Requests first, first + 1, ..., first + n - 1.

    Attributes
    ----------
    arrival_s : float64 [n] or None
        Arrival times, seconds, never falling; None in a closed loop, where they follow from the run. Of a turn that
        waits for an answer, before which time it is not sent.
    tenant : int32 [n]
        Index of the tenant.
    instance : int32 [n] or None
        The instance of the router that it comes to; None where there is one.
    prompt_tokens : int32 [n]
        Of a later turn of a session that is drawn by laws, what is expected: its engine writes what it becomes.
    output_tokens : int32 [models, n] or None
        Tokens of each model's answer; None where they are unread (`Workload.answer_tokens` has them).
    max_new_tokens : int32 [n] or None
        The longest answer that the client of each allows, to which all are cut; None: nobody says.
    features : float64 [d, n]
        What the router sees; without rows where the compiled engine draws it (csrc/difficulty.h).
    satisfied : float64 [models, n]
        Whether (0 or 1, or in between) each model's answer would satisfy: hidden from the router.
    labels : float64 [models, n] or None
        What a rater says of each model's answer, NaN where its user says nothing; None where all rate rightly.
    costs : float64 [models, n] or None
        Known cost of each model where the scenario or a table states it, else NaN; None: nowhere.
    available : bool [models, n] or None
        Whether a request may go to the model; None: always.
    price_factor : float64 [models, n] or None
        What multiplies the prices of each model's APIs; None: 1 always.
    difficulty : float64 [n] or None
        Difficulty under IRT; None with a table.
    facts : float64 [models, n] or None
        What a policy is told that may know what is hidden: outcomes, or their probabilities.
    policy_uniforms : float64 [n, k]
        The policy's own chance.
    feedback_uniform : float64 [n] or None
        Below the feedback probability: the request is rated. None where it is unread, since all or none are.
    delay_s : float64 [models, n] or None
        Seconds from each copy's answer to its label; None where labels are immediate.
    turns
        Which of them are turns of sessions; None: none are.
    paths
        What their prompts are made of; None: they share nothing.
    """

    first: int
    arrival_s: Floats | None
    tenant: Ints
    instance: Ints | None
    prompt_tokens: Ints
    output_tokens: Ints | None
    max_new_tokens: Ints | None
    features: Floats
    satisfied: Floats
    labels: Floats | None
    costs: Floats | None
    available: NDArray[np.bool_] | None
    price_factor: Floats | None
    difficulty: Floats | None
    facts: Floats | None
    policy_uniforms: Floats
    feedback_uniform: Floats | None
    delay_s: Floats | None
    turns: Turns | None = None
    paths: Paths | None = None

    def __len__(self) -> int:
        return len(self.tenant)


def joined(parts: list[Chunk]) -> Chunk:
    """One chunk of neighbours, in order, without turns and paths."""
    if len(parts) == 1:
        return parts[0]

    def join(name: str) -> Any:
        pieces = [getattr(p, name) for p in parts]
        return None if pieces[0] is None else np.concatenate(pieces, axis=_axis(name))

    return Chunk(parts[0].first, **{name: join(name) for name in _columns()})


def selected(chunk: Chunk, rows: NDArray[np.intp] | slice) -> Chunk:
    """Some of its requests, without turns and paths."""

    def select(name: str) -> Any:
        column = getattr(chunk, name)
        if column is None:
            return None
        if isinstance(rows, slice):
            return column[rows] if _axis(name) == 0 else column[..., rows]
        return np.take(column, rows, axis=_axis(name))

    return replace(chunk, turns=None, paths=None, **{name: select(name) for name in _columns()})


def _columns() -> list[str]:
    return [name for name in Chunk.__slots__ if name not in ("first", "turns", "paths")]


def _axis(name: str) -> int:
    return 0 if name == "policy_uniforms" else -1
