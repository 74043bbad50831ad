"""Curves in request order: satisfaction so far, and when it stopped falling below the promise."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from messsim.workload.chunk import Floats

__all__ = ["Running"]

MOST = 4096


@dataclass
class Running:
    """Sums over requests in id order.

    `time_mean` is the mean over all answered requests of the satisfaction until then, which is what the
    tables of the MESS+ paper show. `compliant_from` is the first request after which satisfaction so far
    never again falls below the promise so far.
    """

    answered: int = 0
    satisfied: float = 0.0
    promised: float = 0.0
    cost: float = 0.0
    curve_sum: float = 0.0
    last_short: int = -1
    stride: int = 1
    ids: list[int] = field(default_factory=list)
    satisfaction: list[float] = field(default_factory=list)
    promise: list[float] = field(default_factory=list)
    cost_per_request: list[float] = field(default_factory=list)

    def add(self, ids: NDArray[np.int64], satisfied: Floats, alphas: Floats, costs: Floats) -> None:
        """Requests in id order; satisfied is NaN where there was no answer."""
        answered = ~np.isnan(satisfied)
        so_far = self.answered + np.cumsum(answered)
        sums = self.satisfied + np.cumsum(np.where(answered, satisfied, 0.0))
        promises = self.promised + np.cumsum(np.where(answered, alphas, 0.0))
        spent = self.cost + np.cumsum(costs)
        with np.errstate(invalid="ignore", divide="ignore"):
            curve = sums / so_far
            promise = promises / so_far
            per_request = spent / so_far
        self.curve_sum += float(curve[answered].sum())
        # sums of alpha are rounded: a promise met exactly must not count as missed by the last bit
        # (and one that is missed stays missed while nobody is answered)
        short = sums < promises - 1e-9 * so_far
        if short.any():
            self.last_short = int(ids[np.flatnonzero(short)[-1]])
        self.answered, self.satisfied = int(so_far[-1]), float(sums[-1])
        self.promised, self.cost = float(promises[-1]), float(spent[-1])
        self._sample(ids, curve, promise, per_request)

    def _sample(self, ids: NDArray[np.int64], *curves: Floats) -> None:
        """Keeps the values of every `stride`-th request: satisfaction, promise, cost."""
        kept = (self.satisfaction, self.promise, self.cost_per_request)
        at = np.flatnonzero(ids % self.stride == 0)
        while len(self.ids) + len(at) > MOST:
            self.stride *= 2
            keep = [k for k, i in enumerate(self.ids) if i % self.stride == 0]
            self.ids = [self.ids[k] for k in keep]
            for values in kept:
                values[:] = [values[k] for k in keep]
            at = at[ids[at] % self.stride == 0]
        self.ids += ids[at].tolist()
        for values, curve in zip(kept, curves, strict=True):
            values += curve[at].tolist()

    @property
    def mean(self) -> float | None:
        """Satisfaction over all answered requests."""
        return self.satisfied / self.answered if self.answered else None

    @property
    def alpha(self) -> float | None:
        """The promise over all answered requests: tenants' alphas weighted by their answers."""
        return self.promised / self.answered if self.answered else None

    @property
    def time_mean(self) -> float | None:
        """Mean over answered requests of the satisfaction until then."""
        return self.curve_sum / self.answered if self.answered else None

    def compliant_from(self, arrived: int) -> int | None:
        """First request from which on the promise is kept; None if it never is."""
        first = self.last_short + 1
        return first if self.answered and first < arrived else None
