"""Curves in request order: satisfaction so far, and when it stopped falling below the promise."""

import numpy as np
from numpy.typing import NDArray

from messsim import _core
from messsim.workload.chunk import Floats

__all__ = ["Running"]

MOST = 4096


class Running(_core.RunningSums):
    """Sums over requests in id order, and curves of at most 4,096 of them.

    `answered` counts requests, `satisfied` sums satisfaction and `promised` the alphas of those; after `last_short`
    satisfaction so far was below the promise so far for the last time (-1: never).
    """

    def __init__(self) -> None:
        super().__init__()
        self.stride = 1
        self.ids: list[int] = []
        self.satisfaction: list[float] = []
        self.promise: list[float] = []
        self.cost_per_request: list[float] = []

    def add(self, ids: NDArray[np.int64], satisfied: Floats, alphas: Floats, costs: Floats) -> None:
        """Requests in id order; satisfied is NaN where there was no answer."""
        satisfied, alphas, costs = (np.ascontiguousarray(column) for column in (satisfied, alphas, costs))
        at, curves = self.sum_up(ids, satisfied, alphas, costs, self.stride)
        kept = (self.satisfaction, self.promise, self.cost_per_request)
        while len(self.ids) + len(at) > MOST:
            self.stride *= 2
            keep = [k for k, i in enumerate(self.ids) if i % self.stride == 0]
            self.ids = [self.ids[k] for k in keep]
            for values in kept:
                values[:] = [values[k] for k in keep]
            some = at % self.stride == 0
            at, curves = at[some], curves[:, some]
        self.ids += at.tolist()
        for values, curve in zip(kept, curves, strict=True):
            values += curve.tolist()

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
        """Mean over answered requests of the satisfaction until then, as the tables of the MESS+ paper show it."""
        return self.curve_sum / self.answered if self.answered else None

    def compliant_from(self, arrived: int) -> int | None:
        """First request from which on satisfaction so far keeps the promise so far; None if there is none."""
        first = self.last_short + 1
        return first if self.answered and first < arrived else None
