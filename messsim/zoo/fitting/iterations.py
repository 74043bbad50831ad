"""Measured iterations as columns, and the formulas of `messsim.zoo.iteration` over all of them at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

__all__ = ["SMALL_BATCH", "Iterations", "by_kind", "linear_columns", "predicted_joules", "predicted_seconds"]

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
    prompt_prior
        Tokens of its prompts that are cached already, c over all of them.
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
    prompt_prior: Floats
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

    def only(self, which: npt.NDArray[np.bool_]) -> Iterations:
        """Those that `which` [rows] says."""
        return replace(
            self,
            prompt_tokens=self.prompt_tokens[which],
            prompt_pairs=self.prompt_pairs[which],
            prompt_prior=self.prompt_prior[which],
            batch=self.batch[which],
            cached_tokens=self.cached_tokens[which],
            seconds=self.seconds[which],
            joules=None if self.joules is None else self.joules[which],
        )

    def uncovered(self, se: float) -> Floats:
        """Chance that an iteration's tokens all leave out a given expert; 1 for a dense model."""
        left_out = 1.0 - self.top_k / self.experts if self.experts else 1.0
        return np.asarray(left_out ** (se * self.new_tokens), dtype=np.float64)


def predicted_seconds(figures: Figures, rows: Iterations) -> Floats:
    """The duration of each iteration by the coefficients, s, without a host; the formula of `iteration_seconds`.

    With g(n) = a0 + c0 n + c1 max(0, n - nstar) + ae (1 - (1 - top_k / experts)^(se n)), no ae for a dense model.
    """
    columns = linear_columns(rows, figures["se"], figures["nstar_tokens"])
    return np.asarray(sum(figures[name] * column for name, column in columns.items()), dtype=np.float64)


def linear_columns(rows: Iterations, se: float, nstar: float) -> dict[str, Floats]:
    """What each linear coefficient is multiplied by."""
    mixed = rows.prompt_tokens > 0
    cached = rows.cached_tokens * mixed
    columns = {
        "a0_s": np.ones(len(rows)),
        "c0_s_per_token": rows.new_tokens,
        "c1_s_per_token": np.maximum(0.0, rows.new_tokens - nstar),
        "ab_s_per_sequence": rows.batch,
        "ak_s_per_token": rows.cached_tokens,
        "aq_s_per_token2": rows.prompt_pairs,
        "a1_s": mixed.astype(np.float64),
        "ac_s_per_token": rows.prompt_prior,
        "akm_s_per_token": cached,
        "akx_s_per_token": cached / np.maximum(rows.batch, 1.0),
        "abk_s_per_token": cached * rows.batch,
    }
    if rows.experts:
        columns["ae_s"] = 1.0 - rows.uncovered(se)
    return columns


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
