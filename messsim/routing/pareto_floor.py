"""ParetoBandit with its pacer turned round: a floor under satisfaction instead of a ceiling over cost.

ParetoBandit (Taberner-Miller, arXiv 2604.00136; package paretobandit 0.1.1) is LinUCB that forgets, max reward - lambda
cost, and a pacer that moves lambda by a smoothed cost: ema <- (1 - a) ema + a cost, lambda <- max(0, lambda + r (ema /
target - 1)). Turned round, max lambda reward - cost, where

    ema <- (1 - a) ema + a rating,  lambda <- max(0, lambda + r (1 - ema / alpha)),

a = r = 0.05, ema from alpha on, as published. What a model was learnt by is worth `forgetting` less with each request,
and the variance of a model neither asked nor rated for k requests is forgetting^-k times as much, at most 200 times.
Departures: cost is relative to the dearest model's mean, not logarithmic, since it is what is minimised; lambda has no
upper end, since theirs guards a hard ceiling that a floor does not have; the bound is cut to [0, 1] as in linucb.
"""

import math

import numpy as np

from messsim.scenario.routing import Router

from .bandit import ridge_state
from .contract import Knowledge, Policy
from .plugin import compile_policy

__all__ = ["build"]

OPTIONS = frozenset({"width", "ridge", "forgetting", "cost_estimate", "cost_prior"})
WIDTH = 0.05  # of the confidence bound, where none is given
SMOOTHING, RATE = 0.05, 0.05
MOST = 200.0  # by which idleness may raise a variance


def decide(tenant, models, dimensions, costs, features, params, state):  # type: ignore[no-untyped-def]
    """params: dearest mean cost, width, forgetting, number of tenants.

    state: inverse and weights of each model, request of its last lesson and of its last answer, then the number of
    requests decided, then each tenant's ema and lambda.
    """
    n = dimensions + 1
    size = n * n + n + 2
    clock = models * size
    state[clock] += 1.0
    price = state[clock + 2 + 2 * tenant]
    x, product = np.ones(n), np.empty(n)
    x[:dimensions] = features
    chosen, least = 0, math.inf
    for m in range(models):
        inverse = state[m * size :][: n * n]
        weights = state[m * size + n * n :][: n + 2]
        product[:] = 0.0
        for i in range(n):
            row = inverse[i * n :][:n]  # slices need no look at negative indices, so that the loop is vectorised
            for j in range(n):
                product[j] += x[i] * row[j]
        mean, variance = 0.0, 0.0
        for j in range(n):
            mean += weights[j] * x[j]
            variance += product[j] * x[j]
        idle = state[clock] - max(weights[n], weights[n + 1])
        variance *= min(MOST, params[2] ** -idle)
        bound = min(1.0, max(0.0, mean + params[1] * math.sqrt(max(0.0, variance))))
        value = costs[m] / params[0] - price * bound
        if value < least:
            chosen, least = m, value
    state[chosen * size + n * n + n + 1] = state[clock]
    return chosen


def rated(tenant, alpha, satisfaction, params, state):  # type: ignore[no-untyped-def]
    """The pacer's step; it stands behind all models, at the end of the state."""
    at = len(state) - 2 * int(params[3]) + 2 * tenant
    state[at] = (1.0 - SMOOTHING) * state[at] + SMOOTHING * satisfaction
    if alpha > 0.0:
        state[at + 1] = max(0.0, state[at + 1] + RATE * (1.0 - state[at] / alpha))
    return 0


def learn(models, dimensions, features, labels, params, state):  # type: ignore[no-untyped-def]
    """Recursive least squares with forgetting; weights do not change when both sums are discounted alike."""
    n = dimensions + 1
    size = n * n + n + 2
    clock = models * size
    x, gain = np.ones(n), np.empty(n)
    x[:dimensions] = features
    for m in range(models):
        if np.isnan(labels[m]):
            continue
        inverse = state[m * size :][: n * n]
        weights = state[m * size + n * n :][: n + 2]
        discount = max(1.0 / MOST, params[2] ** (state[clock] - weights[n]))
        inverse /= discount
        gain[:] = 0.0
        for i in range(n):
            row = inverse[i * n :][:n]
            for j in range(n):
                gain[j] += x[i] * row[j]
        spread, predicted = 1.0, 0.0
        for j in range(n):
            predicted += weights[j] * x[j]
            spread += gain[j] * x[j]
        share = 1.0 / spread
        for i in range(n):
            weights[i] += gain[i] * share * (labels[m] - predicted)
            row = inverse[i * n :][:n]
            for j in range(n):
                row[j] -= gain[i] * gain[j] * share
        weights[n] = state[clock]
    return 0


def build(options: Router, models: int, features: int) -> Policy:
    """The paced bandit for one run."""
    width = options.width if "width" in options.model_fields_set else WIDTH

    def state(alphas: list[float]) -> list[float]:
        rows = ridge_state(models, features, options.ridge).reshape(models, -1)
        start = np.concatenate([rows, np.zeros((models, 2))], axis=1).reshape(-1)
        return [*start, 0.0, *(x for alpha in alphas for x in (alpha, 0.0))]

    def prepare(kernel, known: Knowledge) -> None:  # type: ignore[no-untyped-def]
        dearest = max(known.mean_costs) or 1.0
        kernel.replace([dearest, width, options.forgetting, len(known.alphas)], state(known.alphas))

    return compile_policy(
        "pareto-floor",
        decide,
        rated=rated,
        learn=learn,
        params=[1.0, width, options.forgetting, 1.0],
        state=state([0.5]),
        learns_every_answer=True,
        options=OPTIONS,
        needs=frozenset({"features"}),
        prepare=prepare,
    )
