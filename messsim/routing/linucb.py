"""LinUCB with a price: optimism about each model's satisfaction, weighed against cost.

The disjoint model of Li, Chu, Langford and Schapire, "A Contextual-Bandit Approach to Personalized News Article
Recommendation" (WWW 2010, Algorithm 1): ridge regression of the label on the features, per model, and an upper bound
x'theta + width sqrt(x' A^-1 x), here cut to [0, 1] since a user is satisfied with a probability. Its reward is a
satisfied user, so cost enters as in Lagrangian constrained bandits (Agrawal and Devanur, "Linear Contextual Bandits
with Knapsacks", NIPS 2016): argmin_m E_m / E - eta Q bound_m, E being the zoo's mean cost. It asks one model a request
and learns from that answer alone.
"""

import math

import numpy as np

from messsim.scenario.routing import Router

from .bandit import priced_bandit
from .contract import Policy

__all__ = ["build"]


def decide(models, dimensions, queue, costs, features, params, state):  # type: ignore[no-untyped-def]
    """params: eta, mean cost, width."""
    n = dimensions + 1
    x, product = np.ones(n), np.empty(n)
    x[:dimensions] = features
    chosen, least = 0, math.inf
    for m in range(models):
        inverse = state[m * (n * n + n) :][: n * n]
        weights = state[m * (n * n + n) + n * n :][:n]
        product[:] = 0.0
        for i in range(n):
            row = inverse[i * n :][:n]  # slices need no look at negative indices, so that the loop is vectorised
            for j in range(n):
                product[j] += x[i] * row[j]
        mean, variance = 0.0, 0.0
        for j in range(n):
            mean += weights[j] * x[j]
            variance += product[j] * x[j]
        bound = min(1.0, max(0.0, mean + params[2] * math.sqrt(max(0.0, variance))))
        value = costs[m] / params[1] - params[0] * queue * bound
        if value < least:
            chosen, least = m, value
    return chosen


def build(options: Router, models: int, features: int) -> Policy:
    """LinUCB for one run."""
    return priced_bandit("linucb", decide, options, models, features)
