"""Oracles as routers: the least cost at which the promise can be kept, by somebody who knows what is hidden.

`clairvoyant` knows whether each model's answer would satisfy; `statistical` knows only how probably, from the request's
difficulty. Both look at all requests before the first, find the price of satisfaction of each tenant's linear
program (`oracle_dual`), and send every request to argmin_m E_m - price s_m. In a cluster their routing meets the same
queues as anybody's. They explore nothing and need no feedback.
"""

from messsim.scenario.routing import Router

from .contract import Knowledge, Policy
from .oracle_dual import Frontier
from .plugin import compile_policy

__all__ = ["clairvoyant", "statistical"]

ROUNDED_UP = 1.0 - 1e-9  # owed from the start
OUT_OF_REACH = 1e15  # above any cost, and small enough that costs still break ties


def decide(tenant, models, costs, facts, params, state):  # type: ignore[no-untyped-def]
    """params[3 * tenant]: two neighbouring prices, and which part of those who are indifferent pays the higher.

    state[tenant]: what is still owed to that part, so that it is met exactly and not on average.
    """
    low = high = 0
    row = 3 * tenant
    for m in range(1, models):
        if costs[m] - params[row] * facts[m] < costs[low] - params[row] * facts[low]:
            low = m
        if costs[m] - params[row + 1] * facts[m] < costs[high] - params[row + 1] * facts[high]:
            high = m
    if low == high:
        return low
    state[tenant] += params[row + 2]
    if state[tenant] < 1.0:
        return low
    state[tenant] -= 1.0
    return high


def clairvoyant(options: Router, models: int, features: int) -> Policy:
    """Knows the outcomes."""
    return compile_policy("oracle", decide, needs=frozenset({"outcomes"}), prepare=_prepare)


def statistical(options: Router, models: int, features: int) -> Policy:
    """Knows the difficulty."""
    return compile_policy("statistical-oracle", decide, needs=frozenset({"difficulty"}), prepare=_prepare)


def _prepare(kernel, known: Knowledge) -> None:  # type: ignore[no-untyped-def]
    assert known.facts is not None
    frontier = Frontier(len(known.mean_costs), len(known.alphas))
    for block in known.facts():
        frontier.add(block.satisfaction, block.costs, block.tenant)
    prices = [x for k, alpha in enumerate(known.alphas) for x in _prices(frontier, alpha, k)]
    kernel.replace(prices, [ROUNDED_UP] * len(known.alphas))


def _prices(frontier: Frontier, alpha: float, tenant: int) -> tuple[float, float, float]:
    optimum = frontier.optimum(alpha, tenant)
    if optimum is None:  # out of reach: whoever satisfies at all, whatever it costs
        return OUT_OF_REACH, OUT_OF_REACH, 0.0
    return optimum.low, optimum.high, optimum.share
