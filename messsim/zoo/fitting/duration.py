"""Fitting the duration of an iteration to measured ones.

Given nstar and se the formula is linear in all other coefficients, which are at least 0: non-negative least squares.
nstar is looked for between every two neighbouring counts of new tokens, where the formula is linear in c1 and in
c1 nstar; se by a grid and a search around its best value; then all coefficients are polished together. Misfits are
relative, and each kind of iteration (decode only, prefill only, mixed) counts the same, however many rows it has.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from .determined import Estimate, judged
from .iterations import Floats, Iterations, by_kind, linear_columns, predicted_seconds

__all__ = ["DURATION", "fit_duration", "kind_weights"]

DURATION = [
    "a0_s",
    "c0_s_per_token",
    "c1_s_per_token",
    "nstar_tokens",
    "ae_s",
    "se",
    "ab_s_per_sequence",
    "ak_s_per_token",
    "aq_s_per_token2",
    "a1_s",
    "ac_s_per_token",
    "akm_s_per_token",
    "akx_s_per_token",
    "abk_s_per_token",
]
SE_GRID = np.geomspace(0.05, 20.0, 24)
MOST_SEGMENTS = 40
FAR = ("c0_s_per_token", "c1_s_per_token")  # without prompts in the rows, those of a scenario are far beyond them
UNSEEN = 1e-9  # greatest relative share of c1 in any row, below which it is not there
SEEN = Estimate(0.0, None, "given")
LEAST_A0_S = 1e-9


def fit_duration(rows: Iterations, given: Mapping[str, float]) -> tuple[dict[str, float], dict[str, Estimate]]:
    """Fits the duration of an iteration.

    Parameters
    ----------
    rows
        Measured iterations.
    given
        Coefficients that are not to be fitted.

    Returns
    -------
    figures : dict
        Values that reproduce the rows best; of coefficients that the rows do not determine, one of many.
    estimates : dict
        What is known of each.
    """
    from scipy.optimize import least_squares

    given = dict(given) if rows.experts else {"ae_s": 0.0, "se": 0.0, **given}
    weights = kind_weights(rows)
    free = [n for n in DURATION if n not in given]
    if not free:
        return dict(given), {}
    cost, best = _with_best_se(rows, given, weights)
    least = np.array([LEAST_A0_S if n == "a0_s" else 0.0 for n in free])
    x = np.maximum(np.array([best[n] for n in free]), least)

    def misfits(x: Floats) -> Floats:
        return weights * (predicted_seconds(given | dict(zip(free, x, strict=True)), rows) / rows.seconds - 1.0)

    scale = np.maximum(x, _scale(free, rows))
    solution = least_squares(misfits, x, bounds=(least, np.inf), x_scale=scale, xtol=1e-14, ftol=1e-14, gtol=1e-14)
    polished = given | dict(zip(free, map(float, solution.x), strict=True))
    held = {n: polished[n] for n in ("nstar_tokens", "se")}
    for other in ((_cost(polished, rows, weights), polished), _linear(rows, given | held, weights)):
        cost, best = min((cost, best), other, key=lambda fit: fit[0])
    figures, notes = _settled(best, free, rows)
    shown = [n for n in free if n not in notes]
    values = np.array([figures[n] for n in shown])
    misfit = predicted_seconds(figures, rows) / rows.seconds - 1.0
    estimates = judged(shown, values, _slopes(figures, shown, rows), weights, misfit, far=FAR) | notes
    for name, needs in (("c1_s_per_token", "c0_s_per_token"), ("nstar_tokens", "c1_s_per_token")):
        knee = name == "nstar_tokens" or name in notes  # a knee that no row shows, if c0 itself is known
        if name in free and knee and estimates.get(needs, SEEN).value is None:
            estimates[name] = Estimate(None, None, "not determined", f"{needs} is not")
    return figures, estimates


def kind_weights(rows: Iterations) -> Floats:
    """Weights of rows so that each kind of iteration counts the same."""
    weights = np.zeros(len(rows))
    for which in by_kind(rows).values():
        if which.any():
            weights[which] = 1.0 / np.sqrt(which.sum())
    return weights


def _with_best_se(rows: Iterations, given: Mapping[str, float], weights: Floats) -> tuple[float, dict[str, float]]:
    """Cost and coefficients of the best fit."""
    from scipy.optimize import minimize_scalar

    if "se" in given:
        return _with_best_nstar(rows, given, weights)

    def fit(log_se: float) -> tuple[float, dict[str, float]]:
        return _with_best_nstar(rows, {**given, "se": float(np.exp(log_se))}, weights)

    grid = np.log(SE_GRID)
    best = int(np.argmin([fit(x)[0] for x in grid]))
    around = (grid[max(0, best - 1)], grid[min(len(grid) - 1, best + 1)])
    solution = minimize_scalar(lambda x: fit(x)[0], bounds=around, method="bounded", options={"xatol": 1e-9})
    return min(fit(solution.x), fit(grid[best]), key=lambda fit: fit[0])


def _with_best_nstar(rows: Iterations, held: Mapping[str, float], weights: Floats) -> tuple[float, dict[str, float]]:
    """Cost and coefficients of the best fit with se held."""
    if "nstar_tokens" in held:
        return _linear(rows, held, weights)
    counts = np.unique(rows.new_tokens)
    coarse = _thinned(counts)
    collected = [(*_linear(rows, held, weights, edge), edge) for edge in coarse]
    collected.append((*_linear(rows, {**held, "nstar_tokens": 0.0}, weights), 0.0))
    cost, figures, edge = min(collected, key=lambda fit: fit[0])
    if len(coarse) < len(counts):
        at = int(np.searchsorted(coarse, edge))
        near = counts[(counts >= coarse[max(0, at - 1)]) & (counts <= coarse[min(len(coarse) - 1, at + 1)])]
        finer = [_linear(rows, held, weights, e) for e in _thinned(near)]
        cost, figures = min([(cost, figures), *finer], key=lambda fit: fit[0])
    return cost, figures


def _thinned(counts: Floats) -> Floats:
    if len(counts) <= MOST_SEGMENTS:
        return counts
    kept: Floats = counts[np.unique(np.linspace(0, len(counts) - 1, MOST_SEGMENTS).astype(int))]
    return kept


def _linear(
    rows: Iterations, held: Mapping[str, float], weights: Floats, edge: float | None = None
) -> tuple[float, dict[str, float]]:
    """Cost and coefficients of the best fit with nstar held, or between `edge` and the next count of new tokens."""
    from scipy.optimize import nnls

    figures = dict.fromkeys(DURATION, 0.0) | dict(held)
    columns = linear_columns(rows, figures["se"], figures["nstar_tokens"])
    if edge is not None:
        above = rows.new_tokens > edge
        columns["c1_s_per_token"] = rows.new_tokens * above
        columns["nstar_tokens"] = -above.astype(np.float64)  # of c1 nstar
    free = [n for n in columns if n not in held]
    fixed = sum((held[n] * columns[n] for n in columns if n in held), np.zeros(len(rows)))
    scale = weights / rows.seconds
    matrix = np.column_stack([columns[n] * scale for n in free])
    size = np.maximum(np.linalg.norm(matrix, axis=0), 1e-300)
    solution, _ = nnls(matrix / size, weights - fixed * scale)
    figures |= dict(zip(free, map(float, solution / size), strict=True))
    if edge is not None:
        c1 = figures["c1_s_per_token"]
        following = rows.new_tokens[rows.new_tokens > edge].min(initial=np.inf)
        figures["nstar_tokens"] = float(np.clip(figures["nstar_tokens"] / c1, edge, following)) if c1 > 0 else edge
    figures["a0_s"] = max(figures["a0_s"], LEAST_A0_S)
    return _cost(figures, rows, weights), figures


def _cost(figures: Mapping[str, float], rows: Iterations, weights: Floats) -> float:
    return float(np.sum((weights * (predicted_seconds(figures, rows) / rows.seconds - 1.0)) ** 2))


def _scale(free: list[str], rows: Iterations) -> Floats:
    """A size for each coefficient below which it hardly matters: a thousandth of the mean row."""
    columns = linear_columns(rows, 1.0, 0.0)
    mean = float(rows.seconds.mean())
    own = {"nstar_tokens": 1.0, "se": 0.01}
    return np.array([own[n] if n in own else 1e-3 * mean / max(columns[n].mean(), 1e-12) for n in free])


def _settled(
    figures: dict[str, float], free: list[str], rows: Iterations
) -> tuple[dict[str, float], dict[str, Estimate]]:
    """The same fit where nstar shows in no row: it is then 0, and a0 and c0 hold what it made of them."""
    if "nstar_tokens" not in free:
        return figures, {}
    least, most = rows.new_tokens.min(), rows.new_tokens.max()
    c0, c1, nstar = (figures[n] for n in ("c0_s_per_token", "c1_s_per_token", "nstar_tokens"))
    a0 = figures["a0_s"] - c1 * nstar
    knee = [n for n in ("c1_s_per_token", "nstar_tokens") if n in free]
    if _most_share(c1 * np.maximum(0.0, rows.new_tokens - nstar), rows) <= UNSEEN:
        if "c0_s_per_token" in free and _most_share(c0 * rows.new_tokens, rows) > UNSEEN:
            return figures | dict.fromkeys(knee, 0.0), dict.fromkeys(knee, _no_knee(least, most))
        unseen = Estimate(None, None, "not determined", f"new tokens cost no time up to {most:g}, the most of a row")
        return figures, dict.fromkeys(knee, unseen)
    if nstar <= least and a0 > 0 and "a0_s" in free:
        if "c0_s_per_token" in free and "c1_s_per_token" in free:
            merged = {"a0_s": a0, "c0_s_per_token": c0 + c1, "c1_s_per_token": 0.0, "nstar_tokens": 0.0}
            return figures | merged, dict.fromkeys(knee, _no_knee(least, most))
        why = f"any value up to {least:g}, the fewest new tokens of a row, does as well"
        return figures | {"nstar_tokens": 0.0, "a0_s": a0}, {"nstar_tokens": Estimate(0.0, 0.0, "fitted", why)}
    return figures, {}


def _most_share(seconds: Floats, rows: Iterations) -> float:
    return float((seconds / rows.seconds).max())


def _no_knee(least: float, most: float) -> Estimate:
    return Estimate(0.0, 0.0, "fitted", f"each new token takes as long, from {least:g} to {most:g}")


def _slopes(figures: Mapping[str, float], names: list[str], rows: Iterations) -> Floats:
    """[rows, names]: relative change of each row by each coefficient."""
    columns = linear_columns(rows, figures["se"], figures["nstar_tokens"])
    above = (rows.new_tokens > figures["nstar_tokens"]).astype(np.float64)
    columns["nstar_tokens"] = -figures["c1_s_per_token"] * above
    if rows.experts:
        exponent = math.log(1.0 - rows.top_k / rows.experts) * rows.new_tokens
        columns["se"] = -figures["ae_s"] * exponent * rows.uncovered(figures["se"])
    return np.column_stack([columns[n] / rows.seconds for n in names]) if names else np.empty((len(rows), 0))
