"""Intervals from a single run: batch means for values that depend on the values before them, and where to start.

They hold for stationary quantities only: `applicability` says of which scenarios they may be asked.
"""

import math
from dataclasses import dataclass

import numpy as np

from messsim.workload.chunk import Floats

from .intervals import LEVEL, Interval, replication_interval

__all__ = ["Batches", "SteadyState", "mser", "steady_state"]

SMALLEST = 5  # values in a batch to start with: the 5 of MSER-5
MOST = 4096  # batches that are kept
LEAST_BATCHES = 20  # of the interval; up to twice as many (Schmeiser, 1982: 10 to 30, more gain little)
FINER = 8  # batches this much smaller must be uncorrelated already
Z_CORRELATED = 2.326  # one-sided 1 %
ROUNDING = 1e-6  # relative: batch means that differ less are one constant, read off a clock with steps


class Batches:
    """Means of consecutive values, a fixed number to a batch, in bounded memory.

    When there are too many, neighbours are joined in pairs and the batches are twice as large from then on.
    """

    def __init__(self) -> None:
        self.size = SMALLEST
        self._means = np.empty(0)
        self._rest = np.empty(0)

    def add(self, values: Floats) -> None:
        """Takes the next values; NaN does not take part."""
        unknown = np.isnan(values)
        values = np.concatenate([self._rest, values[~unknown] if unknown.any() else values])
        whole = len(values) // self.size * self.size
        self._rest = values[whole:]
        self._means = np.concatenate([self._means, _means(values[:whole], self.size)])
        while len(self._means) >= MOST:
            pairs = len(self._means) // 2 * 2
            if pairs < len(self._means):  # the odd one waits as values, all equal to its mean
                self._rest = np.concatenate([np.full(self.size, self._means[-1]), self._rest])
            self._means = _means(self._means[:pairs], 2)
            self.size *= 2

    @property
    def means(self) -> Floats:
        """Of all whole batches, in order."""
        return self._means


def _means(values: Floats, size: int) -> Floats:
    return np.asarray(values.reshape(-1, size).mean(axis=1))


def mser(means: Floats) -> int:
    """How many of the first batch means to leave out, so that the rest is known best.

    The cut d least in  sum_{i >= d} (x_i - mean_d)^2 / (n - d)^2  (White, Cobb and Spratt 2000: MSER-5 with batches
    of 5), looked for in the first half: a cut at its end says that the run is too short to tell.
    """
    n = len(means)
    if n < 2 or _all_alike(means):
        return 0
    tail = np.arange(n, 0, -1.0)
    centred = means - means.mean()  # else squares cancel
    sums, squares = np.cumsum(centred[::-1])[::-1], np.cumsum(centred[::-1] ** 2)[::-1]
    score = (squares - sums**2 / tail) / tail**2
    return int(np.argmin(score[: n // 2 + 1]))


def _all_alike(means: Floats) -> bool:
    """Whether they differ by rounding only."""
    return float(np.ptp(means)) <= ROUNDING * float(np.abs(means).max())


@dataclass(frozen=True)
class SteadyState:
    """A mean in the long run, from one run.

    Attributes
    ----------
    interval
        Student's over the batch means.
    warmup
        First values that it leaves out.
    batch_size
        Values in a batch.
    warning
        Why the interval is not to be trusted; None if nothing speaks against it.
    """

    interval: Interval
    warmup: int
    batch_size: int
    warning: str | None


def steady_state(batches: Batches, level: float = LEVEL, find_warmup: bool = True) -> SteadyState | None:
    """The mean after the warm-up with an interval by batch means; None with fewer than 100 values.

    Batches are joined until 20 to 39 are left, whatever the length of the run. The interval is as good as they are
    independent, so a warning is given where batches an eighth of the size are still correlated (von Neumann's
    ratio, one-sided 1 %), or where the warm-up takes half of the run.

    Parameters
    ----------
    find_warmup
        Whether the first values are left out by MSER-5; else none are.
    """
    means = batches.means
    if len(means) < LEAST_BATCHES:
        return None
    cut = mser(means) if find_warmup else 0
    together = (len(means) - cut) // LEAST_BATCHES
    warning = None
    if together == 0 or (find_warmup and cut >= len(means) // 2):
        cut, together = 0, len(means) // LEAST_BATCHES
        warning = "the run is too short to tell where its warm-up ends: nothing was left out"
    count = (len(means) - cut) // together
    kept = means[len(means) - count * together :]
    interval = replication_interval(_means(kept, together).tolist(), level)
    if warning is None and correlated(_means(kept[len(kept) % max(together // FINER, 1) :], max(together // FINER, 1))):
        warning = "the run is too short for its autocorrelation: the interval is too narrow"
    return SteadyState(interval, (len(means) - len(kept)) * batches.size, together * batches.size, warning)


def correlated(means: Floats) -> bool:
    """Whether neighbours are alike, by von Neumann's ratio (Fishman 1978): a one-sided test at 1 %."""
    n = len(means)
    deviations = means - means.mean()
    spread = float(deviations @ deviations)
    if _all_alike(means):
        return False
    likeness = 1.0 - float(np.sum(np.diff(means) ** 2)) / (2.0 * spread)
    return likeness > Z_CORRELATED * math.sqrt((n - 2) / (n * n - 1))
