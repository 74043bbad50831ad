"""Curves in request order: satisfaction so far, and when it stopped falling below the promise."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from messsim import _core
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

    stride: int = 1
    ids: list[int] = field(default_factory=list)
    satisfaction: list[float] = field(default_factory=list)
    promise: list[float] = field(default_factory=list)
    cost_per_request: list[float] = field(default_factory=list)
    _sums: Floats = field(default_factory=lambda: np.array([0.0, -1.0, 0.0, 0.0, 0.0, 0.0]))  # by csrc/tally.h

    def add(self, ids: NDArray[np.int64], satisfied: Floats, alphas: Floats, costs: Floats) -> None:
        """Requests in id order; satisfied is NaN where there was no answer."""
        satisfied, alphas, costs = (np.ascontiguousarray(column) for column in (satisfied, alphas, costs))
        at, curves = _core.running_add(self._sums, ids, satisfied, alphas, costs, self.stride)
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
    def answered(self) -> int:
        """Answered requests."""
        return int(self._sums[0])

    @property
    def last_short(self) -> int:
        """The last request after which satisfaction so far was below the promise so far; -1 without one."""
        return int(self._sums[1])

    @property
    def satisfied(self) -> float:
        """Sum of satisfaction."""
        return float(self._sums[2])

    @property
    def promised(self) -> float:
        """Sum of the alphas of answered requests."""
        return float(self._sums[3])

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
        return float(self._sums[5]) / self.answered if self.answered else None

    def compliant_from(self, arrived: int) -> int | None:
        """First request from which on the promise is kept; None if it never is."""
        first = self.last_short + 1
        return first if self.answered and first < arrived else None
