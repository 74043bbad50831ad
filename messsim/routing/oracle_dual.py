"""What a promise costs at least when outcomes are known, and the price that pays for it: the oracle's dual.

Choose a model for each request t so that the mean satisfaction is at least alpha and the cost least:

    min sum_t c_{m(t),t}   subject to   sum_t s_{m(t),t} >= alpha T

As a linear program (a request may be split between two models) it has one coupling constraint, hence one dual
variable lambda, the price of satisfaction: every request goes to argmin_m c_m - lambda s_m, and those that are
indifferent at lambda are split so that the constraint is met exactly. With s in {0, 1} it is a fractional knapsack on
(cheapest satisfying - cheapest). The s may be outcomes (a clairvoyant oracle), or probabilities of what somebody
knows: then the promise is kept in expectation.
"""

import mmap
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from messsim import _core

__all__ = ["Frontier", "Optimum"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Optimum:
    """The cheapest way to keep a promise.

    Attributes
    ----------
    per_request
        Mean cost of all requests, in the unit of the costs.
    error
        By how much the true optimum may be cheaper; 0 where costs take few values.
    low, high
        Two neighbouring prices of satisfaction. A request goes to ``argmin_m c_m - low s_m``, or, with
        probability `share`, to ``argmin_m c_m - high s_m``; no request added is indifferent at either.
    share
        In [0, 1].
    """

    per_request: float
    error: float
    low: float
    high: float
    share: float


def _empty_bins(tenants: int) -> Floats:
    """Zeros [tenants, bins, 4].

    Of many tenants most bins stay empty: they stand on small pages of the system, which are made when first written.
    NumPy asks for huge ones, of which a single bin takes 2 MiB.
    """
    shape = tenants, _core.FRONTIER_BINS, 4
    if tenants == 1:
        return np.zeros(shape)
    try:
        pages = mmap.mmap(-1, 8 * int(np.prod(shape)), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(f"{tenants:,} tenants") from error
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        with suppress(OSError):  # a kernel without huge pages
            pages.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(pages).reshape(shape)


class Frontier:
    """Least cost at any satisfaction, of a stream of requests in bounded memory (csrc/frontier.h).

    Requests may belong to several tenants, each with a promise of its own. Half a megabyte a tenant at most, as far as
    its requests reach; nothing depends on the chunks in which they come but the rounding of sums.

    Attributes
    ----------
    requests : float64 [tenants]
        Requests added.
    satisfied, costs : float64 [tenants, models]
        Sums over all requests, had each of them gone to that model.
    """

    def __init__(self, models: int, tenants: int = 1) -> None:
        self._sums = np.zeros((tenants, _core.FRONTIER_SUMS + 2 * models))
        self._bins = _empty_bins(tenants)
        self.requests = self._sums[:, 0]
        self.satisfied = self._sums[:, _core.FRONTIER_SUMS : _core.FRONTIER_SUMS + models]
        self.costs = self._sums[:, _core.FRONTIER_SUMS + models :]

    def add(self, satisfied: Floats, costs: Floats, tenant: NDArray[np.int32] | None = None) -> None:
        """Adds requests: satisfied in [0, 1] and costs, both [models, n]; without `tenant` [n] all are the first's."""
        if tenant is None:
            tenant = np.zeros(satisfied.shape[1], np.int32)
        _core.frontier_add(self._sums, self._bins, tenant, satisfied, costs)

    def optimum(self, alpha: float, tenant: int = 0) -> Optimum | None:
        """The cheapest way to a mean satisfaction of at least alpha; None if there is none, or no request."""
        count, satisfied, cost = self._sums[tenant, : _core.FRONTIER_SUMS].tolist()
        used = self._bins[tenant][self._bins[tenant, :, 0] > 0.0]
        gains, costs, least, most = used.T
        reached = satisfied + np.cumsum(gains)
        best = float(reached[-1]) if len(used) else satisfied
        wanted = alpha * count
        if count == 0 or wanted > best + _core.KEPT_TOLERANCE * count:
            return None
        at = int(np.searchsorted(reached, wanted))  # the bin whose steps are taken in part
        prices = _between(least, most)
        if wanted <= satisfied or at == len(used):
            price = float(prices[0 if wanted <= satisfied else -1])
            total = cost + (0.0 if wanted <= satisfied else float(costs.sum()))
            return Optimum(total / count, 0.0, price, price, 0.0)
        taken, left = wanted - float(reached[at] - gains[at]), float(reached[at]) - wanted
        slope = float(costs[at] / gains[at])
        total = cost + float(costs[:at].sum()) + taken * slope
        error = 0.0
        if least[at] < most[at]:  # taken in rising order they would cost less than their mean
            error = max(0.0, min(taken * (slope - float(least[at])), left * (float(most[at]) - slope)))
        low, high = prices[at : at + 2].tolist()
        return Optimum(total / count, error / count, low, high, float(taken / gains[at]))


def _between(least: Floats, most: Floats) -> Floats:
    """Prices before the first bin, between two neighbours, and beyond the last; any price where there is none."""
    if len(least) == 0:
        return np.ones(1)
    return np.concatenate([[least[0] / 2.0], most[:-1] + (least[1:] - most[:-1]) / 2.0, [2.0 * most[-1]]])
