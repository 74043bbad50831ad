"""Multi-factor: the greatest weighted sum of quality, latency, cost and load, each scaled to [0, 1] over the models.

The selector `multi_factor` of the vLLM Semantic Router (vllm-project/semantic-router at 095a2386,
pkg/selection/multi_factor.go): quality counts as it is, latency, cost and load inverted; a factor that is the same for
all counts 1/2; weights add up to 1, and are equal where none are given. Quality there is a model's known score, so here
its mean satisfaction; latency there is a measured percentile, here the model's turnover times its load (once where a
place is free); load is unfinished requests per place. Its ceilings on latency, cost and requests under way are off by
default there, and here. It sees no feature of a request but its cost, learns nothing and promises nothing.
"""

from messsim.scenario.routing import Router

from .contract import Knowledge, Policy
from .plugin import compile_policy

__all__ = ["build"]

OPTIONS = frozenset({"weights", "cost_estimate", "cost_prior"})
FIRST = 4  # params before the models' own


def decide(models, costs, loads, params):  # type: ignore[no-untyped-def]
    """params: weights of quality, latency, cost and load, then mean satisfaction and turnover (s) of each model."""
    chosen, most, any_chosen = 0, 0.0, False
    for m in range(models):
        if costs[m] < 1e300:
            value = 0.0
            for factor in range(4):
                low, high, own = 0.0, 0.0, 0.0
                first = True
                for k in range(models):
                    if costs[k] < 1e300:
                        if factor == 0:
                            x = params[FIRST + k]
                        elif factor == 1:
                            x = params[FIRST + models + k] * max(1.0, loads[k])
                        elif factor == 2:
                            x = costs[k]
                        else:
                            x = loads[k]
                        low = x if first else min(low, x)
                        high = x if first else max(high, x)
                        first = False
                        if k == m:
                            own = x
                scaled = (own - low) / (high - low) if high > low else 0.5
                value += params[factor] * (scaled if factor == 0 else 1.0 - scaled)
            if not any_chosen or value > most:
                chosen, most, any_chosen = m, value, True
    return chosen


def build(options: Router, models: int, features: int) -> Policy:
    """The multi-factor selector for one run."""
    weights = options.weights.of("quality", "latency", "cost", "load")

    def prepare(kernel, known: Knowledge) -> None:  # type: ignore[no-untyped-def]
        assert known.turnover_s is not None
        assert known.mean_satisfaction is not None
        kernel.replace([*weights, *known.mean_satisfaction, *known.turnover_s])

    return compile_policy(
        "multi-factor",
        decide,
        params=[*weights, *[0.0] * (2 * models)],
        options=OPTIONS,
        needs=frozenset({"loads", "mean_satisfaction"}),
        prepare=prepare,
    )
