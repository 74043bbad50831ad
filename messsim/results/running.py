"""Curves in request order: satisfaction so far, and when it stopped falling below the promise."""

import numpy as np
from numpy.typing import NDArray

from messsim import _core
from messsim.workload.chunk import Floats

__all__ = ["Running"]

MOST = 4096


class Running(_core.RunningSums):
    """Sums over requests in id order, and curves of at most 4,096 of them.

    Of every `stride`-th request, `ids`, there is what came of all up to it: the mean `satisfaction` of the answers, the
    mean alpha of their `promise`, and the `cost_per_request` answered, in the scenario's unit.

    `answered` counts requests, `satisfied` sums satisfaction and `promised` the alphas of those; after `last_short`
    satisfaction so far was below the promise so far for the last time (-1: never).
    """

    def __init__(self) -> None:
        super().__init__()
        self.stride = 1
        self.ids = np.empty(0, np.int64)
        self.satisfaction, self.promise, self.cost_per_request = np.empty((3, 0))

    def add(self, ids: NDArray[np.int64], satisfied: Floats, alphas: Floats, costs: Floats) -> None:
        """Requests in id order; satisfied is NaN where there was no answer."""
        satisfied, alphas, costs = (np.ascontiguousarray(column) for column in (satisfied, alphas, costs))
        at, curves = self.sum_up(ids, satisfied, alphas, costs, self.stride)
        kept = np.stack([self.satisfaction, self.promise, self.cost_per_request])
        while len(self.ids) + len(at) > MOST:
            self.stride *= 2
            keep, some = self.ids % self.stride == 0, at % self.stride == 0
            self.ids, kept = self.ids[keep], kept[:, keep]
            at, curves = at[some], curves[:, some]
        self.ids = np.concatenate([self.ids, at])
        self.satisfaction, self.promise, self.cost_per_request = np.concatenate([kept, curves], axis=1)

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
