"""A policy of one's own: MESS+'s rule, but it never asks for more than the least model that is good enough.

While the queue is short it takes the cheapest model whose score reaches alpha; only when the queue is longer than
`patience` does it weigh cost against the queue as MESS+ does. It explores like MESS+.

    messsim run scenarios/own-policy.toml
"""

from messsim import _core
from messsim.routing import PLAN_ALL
from messsim.routing.plugin import compile_policy


def decide(step, models, alpha, queue, scores, costs, uniforms, params):
    """Which model answers, by the arguments that it names."""
    v, c, patience = params
    if uniforms[0] < c / step**0.25:
        return PLAN_ALL
    best = 0
    for m in range(models):
        if queue <= patience and scores[m] >= alpha:
            return m  # models stand in rising order of cost
        if v * costs[m] + queue * (alpha - scores[m]) < v * costs[best] + queue * (alpha - scores[best]):
            best = m
    return best


def build(options, models, features):
    """The policy for one run: `options` is the scenario's [router]."""
    predictor = _core.Predictor(models, features, learning_rate=options.predictor.learning_rate)
    return compile_policy(
        "patient",
        decide,
        params=[options.V, options.c, 5.0],
        predictor=predictor,
        options=frozenset({"V", "c", "predictor"}),
    )
