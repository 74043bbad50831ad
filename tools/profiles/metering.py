"""What a server did on average while ML.ENERGY's benchmark metered it: counted in iterations, without any duration."""

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Metered", "metered"]

DRAWN = 8_000  # answers at least: as many times all of a server's as that takes


@dataclass(frozen=True)
class Metered:
    """Means a decoding sequence and iteration: cached tokens, and prompts that join."""

    cached_tokens: float
    prompts: float


def metered(
    places: int, requests: int, prompt: int, answers: NDArray[np.int64], weights: NDArray[np.float64]
) -> Metered:
    """Means from when `places` requests are being answered until all but as many, and one, have been.

    `requests` wait at the start and are answered in turn, as many at a time as there are places, a token an iteration.
    """
    rng = np.random.default_rng(0)
    steps = cached = joined = 0.0
    for _ in range(-(-DRAWN // requests)):
        tokens = rng.choice(answers, size=requests, p=weights / weights.sum())
        starts = _starts(places, tokens)
        ends = starts + tokens
        until = np.sort(ends)[requests - places - 2]
        seen = np.clip(until - starts, 0, tokens)
        steps += seen.sum()
        cached += (seen * (prompt + seen / 2.0)).sum()
        joined += ((starts > 0) & (starts < until)).sum()
    return Metered(cached / steps, joined / steps)


def _starts(places: int, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    """Iteration at which each request starts."""
    free = [0] * places
    starts = np.empty_like(tokens)
    for i, n in enumerate(tokens.tolist()):
        starts[i] = heapq.heapreplace(free, free[0] + n)
    return starts
