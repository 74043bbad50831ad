"""Load-aware MESS+: quality, cost and latency together, argmin_m V (E_m + w D_m) + Q (alpha - s_m).

D_m is the queueing delay that a request must expect at model m: the requests beyond its places, at the rate at which
a full batch completes them. A place is one of max_num_seqs of every replica that is up; with a free place the request
joins the next iteration and waits for none. The weight w is what a second of waiting costs, in the scenario's unit.
Without servers, and while no batch is full, this is MESS+.
"""

from messsim.scenario.routing import Router

from .contract import OF_QUEUE, PLAN_ALL, Knowledge, Policy
from .learning import predictor_of
from .plugin import compile_policy

__all__ = ["build"]

OPTIONS = OF_QUEUE | {
    *("V", "c", "kappa", "learn", "delay_weight", "predictor", "reference", "cost_estimate", "cost_prior")
}
FIRST = 4  # params before the turnovers


def decide(step, models, alpha, queue, scores, costs, loads, uniforms, params):  # type: ignore[no-untyped-def]
    """params: V, c, kappa, w, then each model's turnover: seconds in which a full batch is replaced."""
    if uniforms[0] < params[1] * step ** -params[2]:
        return PLAN_ALL
    chosen, least = 0, 0.0
    for m in range(models):
        delay_s = max(0.0, loads[m] - 1.0) * params[FIRST + m]
        value = params[0] * (costs[m] + params[3] * delay_s) + queue * (alpha - scores[m])
        if m == 0 or value < least:
            chosen, least = m, value
    return chosen


def build(options: Router, models: int, features: int) -> Policy:
    """Load-aware MESS+ for one run."""

    def prepare(kernel, known: Knowledge) -> None:  # type: ignore[no-untyped-def]
        assert known.turnover_s is not None
        weight = max(known.mean_costs) if options.delay_weight is None else options.delay_weight
        kernel.replace([options.weight, options.c, options.kappa, weight, *known.turnover_s])

    return compile_policy(
        "load-aware",
        decide,
        predictor=predictor_of(options, models, features),
        learns_every_answer=options.learn == "every",
        options=OPTIONS,
        needs=frozenset({"loads"}),
        prepare=prepare,
    )
