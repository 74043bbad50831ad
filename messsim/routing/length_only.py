"""Length-only: knows what each request costs, by its length, and nothing else about it.

The price of satisfaction follows the promise as in primal-dual, argmin_m E_m / E - eta Q s_m, but s_m is one number for
all requests: the mean of the ratings of model m so far, one satisfying answer counted in before the first, so that no
model is left untried. E is the zoo's mean cost. It tells requests apart by their costs alone: dearer models answer
those that are cheap there, mostly short ones. What a router saves beyond it comes from features.

Source: the bound of a router without features, with the price of Balseiro, Lu and Mirrokni, arXiv 2011.10124.
"""

from messsim.scenario.routing import Router

from .contract import OF_QUEUE, Knowledge, Policy
from .mixing import scale
from .plugin import compile_policy

__all__ = ["build"]

OPTIONS = OF_QUEUE | {"eta", "cost_estimate", "cost_prior"}


def decide(models, queue, costs, params, state):  # type: ignore[no-untyped-def]
    """params: eta, mean cost. state[2 m]: ratings of model m, and their sum."""
    best, least = 0, 0.0
    for m in range(models):
        mean = (state[2 * m + 1] + 1.0) / (state[2 * m] + 1.0)
        value = costs[m] / params[1] - params[0] * queue * mean
        if m == 0 or value < least:
            best, least = m, value
    return best


def rated(model, satisfaction, state):  # type: ignore[no-untyped-def]
    """One rating more of a model."""
    state[2 * model] += 1.0
    state[2 * model + 1] += satisfaction
    return 0


def build(options: Router, models: int, features: int) -> Policy:
    """The length-only router for one run."""

    def prepare(kernel, known: Knowledge) -> None:  # type: ignore[no-untyped-def]
        kernel.replace([options.eta, scale(known.mean_costs)], [0.0] * (2 * models))

    return compile_policy(
        "length-only",
        decide,
        rated=rated,
        params=[options.eta, 1.0],
        state=[0.0] * (2 * models),
        options=OPTIONS,
        prepare=prepare,
    )
