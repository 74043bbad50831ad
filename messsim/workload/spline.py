"""A cubic spline: that of SciPy, to the last bit, without the 0.4 s that its import takes."""

import numpy as np

from .chunk import Floats

__all__ = ["Spline"]


class Spline:
    """The cubic spline through some points, "not a knot": one polynomial for both intervals at either end.

    Parameters
    ----------
    x
        At least four places, ascending, equally far apart but for rounding.
    y
        The values there.

    Notes
    -----
    The slopes at the points solve a tridiagonal system (C. de Boor, "A Practical Guide to Splines", 1978, chapter IV).
    With equal distances no entry below its diagonal is greater than the pivot: Gaussian elimination exchanges no rows.
    """

    def __init__(self, x: Floats, y: Floats) -> None:
        step, secant = np.diff(x), np.diff(y) / np.diff(x)
        slope = _slopes(step, secant, x[2] - x[0], x[-1] - x[-3])
        bend = (slope[:-1] + slope[1:] - 2.0 * secant) / step
        self._x = x
        self._powers = (y[:-1], slope[:-1], (secant - slope[:-1]) / step - bend, bend / step)

    def __call__(self, at: Floats) -> Floats:
        """The values of the spline at any places from the first point to the last."""
        piece = np.clip(np.searchsorted(self._x, at, side="right") - 1, 0, len(self._x) - 2)
        offset, power = at - self._x[piece], np.ones_like(at)
        value = np.zeros_like(at)
        for coefficients in self._powers:
            value += coefficients[piece] * power
            power = power * offset
        return value


def _slopes(step: Floats, secant: Floats, first: float, last: float) -> Floats:
    """Of the spline at each point; `first` and `last` are the lengths of the two intervals at either end."""
    diagonal = np.concatenate([step[1:2], 2.0 * (step[:-1] + step[1:]), step[-2:-1]]).tolist()
    above, below = [first, *step[:-1].tolist()], [*step[1:].tolist(), last]
    start = ((step[0] + 2.0 * first) * step[1] * secant[0] + step[0] ** 2 * secant[1]) / first
    end = (step[-1] ** 2 * secant[-2] + (2.0 * last + step[-1]) * step[-2] * secant[-1]) / last
    right = [float(start), *(3.0 * (step[1:] * secant[:-1] + step[:-1] * secant[1:])).tolist(), float(end)]
    for i, under in enumerate(below):
        factor = under / diagonal[i]
        diagonal[i + 1] -= factor * above[i]
        right[i + 1] -= factor * right[i]
    right[-1] /= diagonal[-1]
    for i in reversed(range(len(below))):
        right[i] = (right[i] - above[i] * right[i + 1]) / diagonal[i]
    return np.array(right)
