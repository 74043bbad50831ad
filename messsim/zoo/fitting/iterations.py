"""Measured iterations as columns, and the formulas of `messsim.zoo.iteration` over all of them at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["SMALL_BATCH", "Iterations", "by_kind", "predicted_joules", "predicted_seconds"]

Floats = npt.NDArray[np.float64]
Figures = Mapping[str, float]

SMALL_BATCH = 32  # sequences up to which a batch is called small where errors are told by region


@dataclass(frozen=True)
class Iterations:
    """Measured iterations, one entry each.

    Attributes
    ----------
    prompt_tokens
        Prompt tokens that it prefills.
    prompt_pairs
        Sum over its prompts of p (c + p/2), c tokens of the prompt being cached already.
    batch, cached_tokens
        Decoding sequences, and the tokens that they have cached in all before the iteration.
    seconds
        Its duration.
    joules
        Energy of all GPUs; None where none was measured.
    gpus
        GPUs of the replica.
    experts, top_k
        Experts a layer and experts a token uses; 0 for a dense model.
    """

    prompt_tokens: Floats
    prompt_pairs: Floats
    batch: Floats
    cached_tokens: Floats
    seconds: Floats
    joules: Floats | None = None
    gpus: int = 1
    experts: int = 0
    top_k: int = 0

    def __len__(self) -> int:
        return len(self.seconds)

    @property
    def new_tokens(self) -> Floats:
        """Prompt tokens and one token for each decoding sequence."""
        return self.prompt_tokens + self.batch

    def uncovered(self, se: float) -> Floats:
        """Chance that an iteration's tokens all leave out a given expert; 1 for a dense model."""
        left_out = 1.0 - self.top_k / self.experts if self.experts else 1.0
        return np.asarray(left_out ** (se * self.new_tokens), dtype=np.float64)


def predicted_seconds(figures: Figures, rows: Iterations) -> Floats:
    """The duration of each iteration by the coefficients, s; the formula of `iteration_seconds`."""
    mixed = rows.prompt_tokens > 0
    above = np.maximum(0.0, rows.new_tokens - figures["nstar_tokens"])
    seconds: Floats = figures["a0_s"] + figures["c1_s_per_token"] * above
    if rows.experts:
        seconds = seconds + figures["ae_s"] * (1.0 - rows.uncovered(figures["se"]))
    per_cached = figures["ak_s_per_token"] + figures["akm_s_per_token"] * mixed
    seconds = seconds + figures["ab_s_per_sequence"] * rows.batch + per_cached * rows.cached_tokens
    return seconds + figures["aq_s_per_token2"] * rows.prompt_pairs


def predicted_joules(figures: Figures, rows: Iterations, seconds: Floats) -> Floats:
    """The energy of iterations that last so long, J; the formula of `iteration_joules`."""
    gpu_seconds = rows.gpus * seconds
    joules = figures["p0_w_per_gpu"] * gpu_seconds + figures["e_j_per_token"] * rows.new_tokens
    joules = joules + figures["ek_j_per_cached_token"] * rows.cached_tokens
    return np.minimum(figures["p_cap_w_per_gpu"] * gpu_seconds, joules)


def by_kind(rows: Iterations) -> dict[str, npt.NDArray[np.bool_]]:
    """Which iterations only decode, only prefill, or do both."""
    prompts, decoding = rows.prompt_tokens > 0, rows.batch > 0
    return {"decode": decoding & ~prompts, "prefill": prompts & ~decoding, "mixed": prompts & decoding}
