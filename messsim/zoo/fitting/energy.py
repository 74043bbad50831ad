"""Fitting the energy of an iteration to measured ones, at their measured durations.

Below the cap the formula is linear in P0, e and ek; each power that was measured may be the cap.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .determined import Estimate, judged
from .duration import kind_weights
from .iterations import Floats, Iterations, predicted_joules

__all__ = ["ENERGY", "fit_energy"]

ENERGY = ["p0_w_per_gpu", "e_j_per_token", "ek_j_per_cached_token", "p_cap_w_per_gpu"]
LINEAR = ENERGY[:3]
MOST_CAPS = 60
NO_CAP_W = 1e12
CAPPED = 2  # rows at the cap that it takes to call it one


def fit_energy(rows: Iterations, given: Mapping[str, float]) -> tuple[dict[str, float], dict[str, Estimate]]:
    """Fits the energy of an iteration; parameters and returns are those of `fit_duration`."""
    from scipy.optimize import least_squares

    assert rows.joules is not None
    joules, weights = rows.joules, kind_weights(rows)
    free = [n for n in LINEAR if n not in given]
    power = joules / (rows.gpus * rows.seconds)
    caps = [given["p_cap_w_per_gpu"]] if "p_cap_w_per_gpu" in given else [NO_CAP_W, *_candidates(power)]

    def misfits(figures: Mapping[str, float]) -> Floats:
        return weights * (predicted_joules(figures, rows, rows.seconds) / joules - 1.0)

    found = [_below(rows, given, weights, free, cap) for cap in caps]
    best = min(found, key=lambda f: float(np.sum(misfits(f) ** 2)))
    names = free + ([] if "p_cap_w_per_gpu" in given or best["p_cap_w_per_gpu"] == NO_CAP_W else ["p_cap_w_per_gpu"])
    if "p_cap_w_per_gpu" in names:
        x = np.array([best[n] for n in names])
        scale = np.maximum(x, [1e-3 * float(joules.mean())] * len(x))
        polished = least_squares(
            lambda y: misfits(best | dict(zip(names, y, strict=True))), x, bounds=(0, np.inf), x_scale=scale, xtol=1e-14
        )
        better = best | dict(zip(names, map(float, polished.x), strict=True))
        if (
            polished.cost * 2 < float(np.sum(misfits(best) ** 2))
            and better["p_cap_w_per_gpu"] >= better["p0_w_per_gpu"]
        ):
            best = better
    slopes = _slopes(best, names, rows)
    estimates = judged(names, np.array([best[n] for n in names]), slopes, weights, misfits(best) / weights)
    at_cap = int(np.count_nonzero(slopes[:, -1])) if "p_cap_w_per_gpu" in names else 0
    if "p_cap_w_per_gpu" not in given and at_cap < CAPPED:
        estimates["p_cap_w_per_gpu"] = Estimate(None, None, "none", "no rows reach it")
        best = best | {"p_cap_w_per_gpu": NO_CAP_W}
    return best, estimates


def _candidates(power: Floats) -> list[float]:
    """Powers that may be the cap: those measured, the greatest first."""
    unique = np.unique(power)[::-1]
    return [float(p) for p in unique[: MOST_CAPS // 2]] + [
        float(p) for p in np.quantile(unique, np.linspace(0.5, 1.0, MOST_CAPS // 2))
    ]


def _below(
    rows: Iterations, given: Mapping[str, float], weights: Floats, free: list[str], cap: float
) -> dict[str, float]:
    """The best fit of the rows below a cap."""
    from scipy.optimize import nnls

    assert rows.joules is not None
    figures = dict.fromkeys(ENERGY, 0.0) | dict(given) | {"p_cap_w_per_gpu": cap}
    below = rows.joules / (rows.gpus * rows.seconds) < cap * (1 - 1e-9)
    if not free or not below.any():
        return figures
    columns = _columns(rows)
    scale = (weights / rows.joules)[below]
    fixed = sum((given[n] * columns[n] for n in LINEAR if n in given), np.zeros(len(rows)))[below]
    matrix = np.column_stack([columns[n][below] * scale for n in free])
    size = np.maximum(np.linalg.norm(matrix, axis=0), 1e-300)
    found, _ = nnls(matrix / size, weights[below] - fixed * scale)
    figures |= dict(zip(free, map(float, found / size), strict=True))
    return figures | {"p_cap_w_per_gpu": max(cap, figures["p0_w_per_gpu"])}


def _columns(rows: Iterations) -> dict[str, Floats]:
    return {
        "p0_w_per_gpu": rows.gpus * rows.seconds,
        "e_j_per_token": rows.new_tokens,
        "ek_j_per_cached_token": rows.cached_tokens,
    }


def _slopes(figures: Mapping[str, float], names: list[str], rows: Iterations) -> Floats:
    assert rows.joules is not None
    capped = predicted_joules({**figures, "p_cap_w_per_gpu": NO_CAP_W}, rows, rows.seconds) > (
        figures["p_cap_w_per_gpu"] * rows.gpus * rows.seconds
    )
    columns = {n: c * ~capped for n, c in _columns(rows).items()}
    columns["p_cap_w_per_gpu"] = rows.gpus * rows.seconds * capped
    return np.column_stack([columns[n] / rows.joules for n in names]) if names else np.empty((len(rows), 0))
