"""The duration form as near to composed iterations as it can be in the region where it is farthest off.

A linear program: the knots and the terms, none negative, such that the mean error and the bias of no region exceed a
share of their goals, the least share there is; and beneath `NEAR`, where that is near enough, the least mean error of
the kinds of iterations. Unlike least squares it is not drawn to a few iterations that no line can follow.
"""

from typing import Any

import numpy as np
from fitting import MOST, MOST_BIAS, NEAR, TERMS, Fit, between, regions, written
from scipy.optimize import linprog
from scipy.sparse import csr_array, eye_array, hstack, vstack

__all__ = ["nearest_everywhere"]

LEAST_KNOT = 0.9  # of what the kernels of all new tokens take: the rest may be given to the terms
MOST_TO_MEAN = 10.0  # weight of the region farthest off beside the mean error of decode, prefill and mixed


def nearest_everywhere(fit: Fit) -> dict[str, Any]:
    """Knots and coefficients, seconds, whose worst region is the least off; as `fitting.fitted` returns them."""
    free = [t for t in TERMS if t not in fit.mixing]
    new = (fit.rows[:, 0] + fit.rows[:, 2]).astype(float)
    hats = [between(fit.counts, one, new) for one in np.eye(len(fit.counts))]
    matrix = np.column_stack([*hats, *(fit.columns[t] for t in free)]) / fit.whole[:, None]
    size = np.maximum(np.abs(matrix).max(axis=0), 1e-300)
    matrix /= size
    rows, columns = matrix.shape
    bounds = [(LEAST_KNOT * ms * scale, None) for ms, scale in zip(fit.knots, size, strict=False)]
    bounds += [(0.0, None)] * (len(free) + rows) + [(NEAR, None)]
    which = regions(fit.rows)
    cost = np.zeros(columns + rows + 1)
    for kind in ("decode", "prefill", "mixed"):
        if kind in which:
            cost[columns:-1] += which[kind] / which[kind].sum()
    cost[-1] = MOST_TO_MEAN
    solution = linprog(cost, *_limits(matrix, list(which.values())), bounds=bounds, method="highs").x[:columns] / size
    terms = dict.fromkeys(TERMS, 0.0) | dict(zip(free, solution[len(hats) :].tolist(), strict=True))
    return written(fit, solution[: len(hats)], terms)


def _limits(matrix: Any, which: list[Any]) -> tuple[Any, Any]:
    """Left and right sides of: each error at most its variable, a region's at most the share of its goals."""
    rows, columns = matrix.shape
    whole, one, none = csr_array(matrix), eye_array(rows, format="csr"), csr_array((rows, 1))
    left = [hstack([whole, -one, none]), hstack([-whole, -one, none])]
    right = [np.ones(rows), -np.ones(rows)]
    for region in which:
        mean = region / region.sum()
        bias = mean @ matrix
        for of_terms, of_errors, most, side in (
            (np.zeros(columns), mean, MOST, 0.0),
            (bias, np.zeros(rows), MOST_BIAS, 1.0),
            (-bias, np.zeros(rows), MOST_BIAS, -1.0),
        ):
            left.append(csr_array(np.r_[of_terms, of_errors, -most / 100][None]))
            right.append(np.array([side]))
    return vstack(left, format="csr"), np.concatenate(right)
