"""Static mix: models at random with fixed probabilities, the cheapest that keep the promise on average.

A linear program on mean satisfactions and mean costs; it mixes two models at most. It knows these means and nothing of
a request: what a router saves beyond it comes from telling requests apart.
"""

from messsim.scenario.routing import Router

from .contract import Knowledge, Policy
from .mixing import cheapest_able, cheapest_mix
from .plugin import compile_policy

__all__ = ["build"]


def decide(tenant, uniforms, params):  # type: ignore[no-untyped-def]
    """params[3 * tenant]: two models, and the probability of the second."""
    row = 3 * tenant
    return int(params[row + 1]) if uniforms[1] < params[row + 2] else int(params[row])


def build(options: Router, models: int, features: int) -> Policy:
    """Static mix for one run."""

    def prepare(kernel, known: Knowledge) -> None:  # type: ignore[no-untyped-def]
        kernel.replace([x for alpha in known.alphas for x in _mix(known, alpha)])

    return compile_policy("static-mix", decide, needs=frozenset({"mean_satisfaction"}), prepare=prepare)


def _mix(known: Knowledge, alpha: float) -> tuple[float, float, float]:
    assert known.mean_satisfaction is not None
    found = cheapest_mix(known.mean_satisfaction, known.mean_costs, alpha)
    if found is None:
        best = float(cheapest_able(known.mean_satisfaction, known.mean_costs, alpha))
        return best, best, 0.0
    _, low, high, share = found
    return float(low), float(high), share
