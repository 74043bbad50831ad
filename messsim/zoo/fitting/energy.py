"""Fitting the energy of an iteration to measured ones, at their measured durations.

Below the cap the formula is linear in P0, e and ek; each power that was measured may be the cap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from .determined import Estimate, judged
from .duration import kind_weights
from .iterations import Floats, Iterations, predicted_joules

__all__ = ["ENERGY", "fit_energy"]

Bools = npt.NDArray[np.bool_]


ENERGY = ["p0_w_per_gpu", "e_j_per_token", "ek_j_per_cached_token", "p_cap_w_per_gpu"]
LINEAR = ENERGY[:3]
MOST_CAPS = 60
NO_CAP_W = 1e12
CAPPED = 2  # rows at the cap that it takes to call it one
PENALTY = 2.0  # coefficients that a cap counts for: the cap, and the choice of its rows
EXACT = 1e-20  # sum of squares a row that is nothing but rounding


def fit_energy(rows: Iterations, given: Mapping[str, float]) -> tuple[dict[str, float], dict[str, Estimate]]:
    """Fits the energy of an iteration; parameters and returns are those of `fit_duration`."""
    assert rows.joules is not None
    joules, weights = rows.joules, kind_weights(rows)
    free = [n for n in LINEAR if n not in given]

    def misfits(figures: Mapping[str, float]) -> Floats:
        return weights * (predicted_joules(figures, rows, rows.seconds) / joules - 1.0)

    def cost(figures: Mapping[str, float]) -> float:
        return float(np.sum(misfits(figures) ** 2))

    best = _below(rows, given, weights, free, given.get("p_cap_w_per_gpu", NO_CAP_W))
    names = free
    if "p_cap_w_per_gpu" not in given:
        power = joules / (rows.gpus * rows.seconds)
        capped = min((_below(rows, given, weights, free, cap) for cap in _candidates(power)), key=cost)
        capped = _polished(capped, [*free, "p_cap_w_per_gpu"], misfits, joules)
        if _worth_it(cost(best), cost(capped), len(rows)) and _at_cap(capped, rows).sum() >= CAPPED:
            best, names = capped, [*free, "p_cap_w_per_gpu"]
    values = np.array([best[n] for n in names])
    estimates = judged(names, values, _slopes(best, names, rows), weights, misfits(best) / weights)
    if "p_cap_w_per_gpu" not in given and "p_cap_w_per_gpu" not in names:
        estimates["p_cap_w_per_gpu"] = Estimate(None, None, "none", "no rows reach it")
    return best, estimates


def _polished(
    figures: dict[str, float], names: list[str], misfits: Callable[[Mapping[str, float]], Floats], joules: Floats
) -> dict[str, float]:
    """The same fit with all of the named free at once, if that is better and the cap is still above P0."""
    from scipy.optimize import least_squares

    def figures_of(x: Floats) -> dict[str, float]:
        return figures | dict(zip(names, map(float, x), strict=True))

    x = np.array([figures[n] for n in names])
    scale = np.maximum(x, 1e-3 * float(joules.mean()))
    result = figures_of(
        least_squares(lambda y: misfits(figures_of(y)), x, bounds=(0, np.inf), x_scale=scale, xtol=1e-14).x
    )
    better = np.sum(misfits(result) ** 2) < np.sum(misfits(figures) ** 2)
    return result if better and result["p_cap_w_per_gpu"] >= result["p0_w_per_gpu"] else figures


def _worth_it(without: float, cost: float, rows: int) -> bool:
    """Whether a cap explains more than chance would: by the Bayesian criterion, and more than rounding."""
    return without > EXACT * rows and rows * np.log(without / max(cost, 1e-300)) > PENALTY * np.log(rows)


def _at_cap(figures: Mapping[str, float], rows: Iterations) -> Bools:
    uncapped = predicted_joules({**figures, "p_cap_w_per_gpu": NO_CAP_W}, rows, rows.seconds)
    at_cap: Bools = uncapped > figures["p_cap_w_per_gpu"] * rows.gpus * rows.seconds
    return at_cap


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
    solution, _ = nnls(matrix / size, weights[below] - fixed * scale)
    figures |= dict(zip(free, map(float, solution / size), strict=True))
    return figures if "p_cap_w_per_gpu" in given else figures | {"p_cap_w_per_gpu": max(cap, figures["p0_w_per_gpu"])}


def _columns(rows: Iterations) -> dict[str, Floats]:
    return {
        "p0_w_per_gpu": rows.gpus * rows.seconds,
        "e_j_per_token": rows.new_tokens,
        "ek_j_per_cached_token": rows.cached_tokens,
    }


def _slopes(figures: Mapping[str, float], names: list[str], rows: Iterations) -> Floats:
    assert rows.joules is not None
    capped = _at_cap(figures, rows)
    columns = {n: c * ~capped for n, c in _columns(rows).items()}
    columns["p_cap_w_per_gpu"] = rows.gpus * rows.seconds * capped
    return np.column_stack([columns[n] / rows.joules for n in names]) if names else np.empty((len(rows), 0))
