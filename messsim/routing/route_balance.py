"""RouteBalance's fused score: quality, latency and cost in one number, argmax_m w_q s_m - w_l L_m - w_c E_m.

RouteBalance ("Fused Model Routing and Load Balancing for Heterogeneous LLM Serving", arXiv 2606.17949) chooses model
and instance together by weights with w_q + w_l + w_c = 1. It promises nothing, and learns nothing while it serves: its
estimator is trained on labelled requests. As far as the public description goes, and no further:

- quality is the predictor's, trained on a first share of the requests, which every model answers (theirs: ten nearest
  neighbours of an embedding, trained offline);
- latency is the model's turnover times its load, or once where a place is free (theirs: gradient-boosted trees on the
  state of an instance); which replica of a model answers is left to the cluster's dispatch;
- latency and cost are relative to the greatest among the models that can be had. How the system itself scales them is
  not public in words; equal weights are our choice.
"""

from messsim.scenario.routing import Router

from .contract import PLAN_ALL, Knowledge, Policy
from .learning import predictor_of
from .plugin import compile_policy

__all__ = ["build"]

OPTIONS = frozenset({"weights", "calibration", "predictor", "reference", "cost_estimate", "cost_prior"})
WITHOUT_END = 2_000  # requests of training where nobody knows how many will come
FIRST = 4  # params before the turnovers


def decide(step, models, scores, costs, loads, params):  # type: ignore[no-untyped-def]
    """params: weights of quality, latency and cost, requests of training, then each model's turnover in seconds."""
    if step <= params[3]:
        return PLAN_ALL
    slowest, dearest = 0.0, 0.0
    for m in range(models):
        if costs[m] < 1e300:
            slowest = max(slowest, params[FIRST + m] * max(1.0, loads[m]))
            dearest = max(dearest, costs[m])
    chosen, most = 0, 0.0
    any_chosen = False
    for m in range(models):
        if costs[m] < 1e300:
            latency = params[FIRST + m] * max(1.0, loads[m])
            value = params[0] * scores[m]
            value -= params[1] * (latency / slowest if slowest > 0.0 else 0.0)
            value -= params[2] * (costs[m] / dearest if dearest > 0.0 else 0.0)
            if not any_chosen or value > most:
                chosen, most, any_chosen = m, value, True
    return chosen


def build(options: Router, models: int, features: int) -> Policy:
    """RouteBalance's score for one run."""
    weights = options.weights.of("quality", "latency", "cost")

    def prepare(kernel, known: Knowledge) -> None:  # type: ignore[no-untyped-def]
        assert known.turnover_s is not None
        training = max(1, round(options.calibration * known.requests)) if known.requests else WITHOUT_END
        kernel.replace([*weights, training, *known.turnover_s])

    return compile_policy(
        "route-balance",
        decide,
        params=[*weights, 1.0, *[0.0] * models],
        predictor=predictor_of(options, models, features),
        options=OPTIONS,
        needs=frozenset({"loads"}),
        prepare=prepare,
    )
