"""What a meter reads of a server that is full: tokens and joules between two instants of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from messsim.results import Result

__all__ = ["counted", "metered"]


def metered(result: Result, started: int, finished: int) -> dict[str, float]:
    """Throughput, power and energy per output token of a run of one pool, read as ML.ENERGY's benchmark does.

    Parameters
    ----------
    result
        A run whose requests all finished.
    started, finished
        The meter runs from when so many requests have their first token until so many have finished, both at least 1.

    Returns
    -------
    dict
        `tokens_per_s`, `power_w` and `j_per_token`. Tokens of an answer come evenly between its first and its last, and
        power is even between two rows of the timeline.
    """
    first, last, tokens = _columns(result, "first_token_s", "finish_s", "output_tokens")
    begins, ends = np.sort(first)[started - 1], np.sort(last)[finished - 1]
    made = [_made(first, last, tokens, at) for at in (begins, ends)]
    joules = np.interp([begins, ends], *_energy(result))
    seconds, answered, spent = ends - begins, made[1] - made[0], joules[1] - joules[0]
    return {"tokens_per_s": answered / seconds, "power_w": spent / seconds, "j_per_token": spent / answered}


def counted(result: Result, started: int, finished: int) -> dict[str, float]:
    """What the energy formula counts while the meter of `metered` runs; parameters are those of `metered`.

    Returns
    -------
    dict
        `seconds`; `tokens` that were decoded; `prompt_tokens` that were computed, a prompt's at its first token; and
        `cached_tokens` of the decoding sequences, added up over their iterations.
    """
    first, last, tokens, prompt, kept = _columns(
        result, "first_token_s", "finish_s", "output_tokens", "prompt_tokens", "cached_prompt_tokens"
    )
    begins, ends = np.sort(first)[started - 1], np.sort(last)[finished - 1]
    decoded = [_decoded(first, last, tokens, at) for at in (begins, ends)]
    cached = [(n * prompt + n * n / 2.0).sum() for n in decoded]
    return {
        "seconds": ends - begins,
        "tokens": _made(first, last, tokens, ends) - _made(first, last, tokens, begins),
        "prompt_tokens": float(((prompt - kept) * ((begins < first) & (first <= ends))).sum()),
        "cached_tokens": float(cached[1] - cached[0]),
    }


def _columns(result: Result, *names: str) -> list[NDArray[np.float64]]:
    frame = result.requests.select(*names).collect()
    return [frame[name].to_numpy().astype(float) for name in names]


def _made(first: NDArray[np.float64], last: NDArray[np.float64], tokens: NDArray[np.float64], at: float) -> float:
    """Tokens that had come by an instant."""
    return float(((first <= at) * (1.0 + _decoded(first, last, tokens, at))).sum())


def _decoded(
    first: NDArray[np.float64], last: NDArray[np.float64], tokens: NDArray[np.float64], at: float
) -> NDArray[np.float64]:
    """Tokens of each answer after its first that had come by an instant."""
    share = np.clip((at - first) / np.maximum(last - first, 1e-12), 0.0, 1.0)
    decoded: NDArray[np.float64] = share * (tokens - 1.0)
    return decoded


def _energy(result: Result) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Instants at which the engine was seen, and the energy by then, J."""
    timeline = result.timeline
    (power,) = (name for name in timeline.columns if name.startswith("power_w_"))
    times = timeline["time_s"].to_numpy()
    steps = np.diff(times, prepend=times[:1])
    return times, np.cumsum(steps * timeline[power].fill_null(0.0).fill_nan(0.0).to_numpy())
