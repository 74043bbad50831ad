"""Arrival rates that change with time: the inverse of the integrated rate.

With unit-rate points S_i and Lambda(t) the integral of the rate, t_i = Lambda^-1(S_i) are the arrivals of
the changing rate. Rates are constant by segments, so Lambda is piecewise linear and its inverse exact: no
thinning, and common random numbers stay paired whatever the rates.
"""

from collections.abc import Iterator

import numpy as np

from messsim.errors import SimulationError

from .chunk import Floats

__all__ = ["Clock", "changed_by"]

MOST_IN_VAIN = 100_000  # segments in a row that bring nobody

Segments = Iterator[tuple[float, float]]  # (length in seconds, requests per second), without end


def changed_by(segments: Segments, factors: list[tuple[float, float]]) -> Segments:
    """The same rates times factors: [(from seconds, factor)], rising, 1 before the first."""
    factor, start = 1.0, 0.0
    coming = list(factors)
    for length, rate in segments:
        end = start + length
        while coming and coming[0][0] < end:
            at, following = coming.pop(0)
            if at > start:
                yield at - start, rate * factor
            start, factor = at, following
        if end > start:
            yield end - start, rate * factor
        start = end


class Clock:
    """Turns unit-rate points, in order and a block at a time, into times.

    Neighbours of equal rate are one segment: a boundary at which the rate stays changes no bit.
    """

    def __init__(self, segments: Segments) -> None:
        self._segments = segments
        self._time_s = 0.0  # where the last segment known ends
        self._point = 0.0  # Lambda there
        self._starts_s: list[float] = []
        self._points: list[float] = []
        self._rates: list[float] = []

    def times(self, points: Floats) -> Floats:
        """Times of rising points, seconds."""
        if len(points) == 0:
            return points
        in_vain = 0
        while self._point <= points[-1]:
            length, rate = next(self._segments)
            before = self._point
            if not self._rates or rate != self._rates[-1]:
                self._starts_s.append(self._time_s)
                self._points.append(self._point)
                self._rates.append(rate)
            self._time_s += length
            self._point = self._points[-1] + (self._time_s - self._starts_s[-1]) * rate
            in_vain = in_vain + 1 if self._point == before else 0
            if in_vain > MOST_IN_VAIN:
                raise SimulationError(
                    f"arrivals: nobody comes any more after {self._time_s:.6g} s: the periods in which someone would "
                    "are too short beside so long a time; expected longer ones, or higher rates in the others"
                )
        if len(self._points) == 1:
            only: Floats = points - self._points[0]
            only /= self._rates[0]
            only += self._starts_s[0]
            return only
        # The last segment that starts at or before a point: segments of rate 0 are never it.
        at = np.searchsorted(self._points, points, side="right") - 1
        starts, origins, rates = (np.array(v)[at] for v in (self._starts_s, self._points, self._rates))
        times: Floats = starts + (points - origins) / rates
        passed = int(at[-1])
        del self._starts_s[:passed], self._points[:passed], self._rates[:passed]
        return times
