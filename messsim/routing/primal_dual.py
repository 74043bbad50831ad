"""Primal-dual: the price of satisfaction follows the promise, lambda <- max(0, lambda + eta (alpha - s)).

Online dual descent for one long-term constraint (Balseiro, Lu and Mirrokni, "The Best of Many Worlds: Dual Mirror
Descent for Online Allocation Problems", arXiv 2011.10124): each request goes to argmin_m E_m / E - lambda s_m, where E
is the zoo's mean cost, so that eta has no unit. With a plain virtual queue, lambda = eta Q: this is MESS+ with
V = 1 / (eta E), since drift-plus-penalty is the same method in another scale. It learns and explores as MESS+ does.
"""

from messsim.scenario.routing import Router

from .contract import OF_QUEUE, PLAN_ALL, Knowledge, Policy
from .learning import predictor_of
from .mixing import scale
from .plugin import compile_policy

__all__ = ["build"]

OPTIONS = OF_QUEUE | {"eta", "c", "kappa", "learn", "predictor", "reference", "cost_estimate", "cost_prior"}


def decide(step, models, queue, scores, costs, uniforms, params):  # type: ignore[no-untyped-def]
    """params: eta, mean cost, c, kappa."""
    if uniforms[0] < params[2] * step ** -params[3]:
        return PLAN_ALL
    price = params[0] * queue
    best = 0
    for m in range(1, models):
        if costs[m] / params[1] - price * scores[m] < costs[best] / params[1] - price * scores[best]:
            best = m
    return best


def build(options: Router, models: int, features: int) -> Policy:
    """Primal-dual for one run."""

    def prepare(kernel, known: Knowledge) -> None:  # type: ignore[no-untyped-def]
        kernel.replace([options.eta, scale(known.mean_costs), options.c, options.kappa])

    return compile_policy(
        "primal-dual",
        decide,
        predictor=predictor_of(options, models, features),
        learns_every_answer=options.learn == "every",
        options=OPTIONS,
        prepare=prepare,
    )
