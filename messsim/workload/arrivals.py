"""Arrival times, in order, a block at a time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

import numpy as np

from messsim import _core
from messsim.scenario import arrivals as scenario_arrivals

from .chance import Chance
from .chunk import Floats
from .clock import Clock, Segments, changed_by
from .gamma import gamma_gaps

if TYPE_CHECKING:
    from .trace import TraceRows

__all__ = ["ArrivalSource", "Factors", "RateArrivals", "TraceArrivals", "rate_arrivals"]

Factors = list[tuple[float, float]]  # (from request or from seconds, factor of the rate)


class ArrivalSource(Protocol):
    """Gives the times of the next n requests."""

    def next_times(self, n: int) -> Floats:
        """Times of the next n requests, seconds, never falling."""
        ...


class RateArrivals:
    """Unit-rate points S_i = S_(i-1) + gap_i, sent through a clock.

    The sum runs strictly from left to right, so the block size changes no bit.
    """

    def __init__(self, gaps: Callable[[int, int], Floats], clock: Clock, by_request: Factors | None = None) -> None:
        self._gaps = gaps
        self._clock = clock
        self._factors = by_request or []
        self._next = 0
        self._point = 0.0

    def next_times(self, n: int) -> Floats:
        """Times of the next n requests, seconds."""
        gaps = self._gaps(self._next, n)
        for start, factor in reversed(self._factors):
            at = max(int(start) - self._next, 0)
            following = [s for s, _ in self._factors if s > start]
            end = max(int(following[0]) - self._next, 0) if following else n
            gaps[at:end] /= factor
        self._point = _core.sum_up(gaps, self._point)
        self._next += n
        return self._clock.times(gaps)


class TraceArrivals:
    """The times of a trace, again and again."""

    def __init__(self, rows: TraceRows) -> None:
        self._rows = rows
        self._next = 0

    def next_times(self, n: int) -> Floats:
        """Times of the next n requests, seconds."""
        at = np.arange(self._next, self._next + n)
        self._next += n
        turn, row = np.divmod(at, len(self._rows))
        times: Floats = self._rows.time_s[row] + turn * self._rows.period_s
        return times


def rate_arrivals(
    law: scenario_arrivals.Poisson | scenario_arrivals.Gamma | scenario_arrivals.Mmpp | scenario_arrivals.Diurnal,
    chance: Chance,
    by_request: Factors,
    by_time: Factors,
) -> RateArrivals:
    """The source of a law with a rate; phases multiply the rate from a request or a time on."""
    column = chance.column("arrivals")

    def exponential(first: int, n: int) -> Floats:
        return chance.exponential(column, first, n)

    gaps = exponential
    if isinstance(law, scenario_arrivals.Gamma):
        quantile = gamma_gaps(law.cv)

        def gamma(first: int, n: int) -> Floats:
            return quantile(chance.normal(column, first, n))

        gaps = gamma
    return RateArrivals(gaps, Clock(changed_by(_segments(law, chance), by_time)), by_request)


def _segments(
    law: scenario_arrivals.Poisson | scenario_arrivals.Gamma | scenario_arrivals.Mmpp | scenario_arrivals.Diurnal,
    chance: Chance,
) -> Segments:
    if isinstance(law, scenario_arrivals.Diurnal):
        slot_s = law.day_s / len(law.rates_rps)
        return ((slot_s, rate) for rate in itertools.cycle(law.rates_rps))
    if isinstance(law, scenario_arrivals.Mmpp):
        return _sojourns(law, chance)
    return iter([(math.inf, law.rate_rps)])


def _sojourns(law: scenario_arrivals.Mmpp, chance: Chance) -> Iterator[tuple[float, float]]:
    """Calm first; the k-th sojourn has a number of its own, whatever the requests do."""
    column = chance.column("mmpp")
    states = itertools.cycle([(law.mean_calm_s, law.rate_rps), (law.mean_burst_s, law.burst_rate_rps)])
    for k, (mean_s, rate) in enumerate(states):
        yield mean_s * chance.one_exponential(column, k), rate
