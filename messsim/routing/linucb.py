"""LinUCB with a price: optimism about each model's satisfaction, weighed against cost.

The disjoint model of Li, Chu, Langford and Schapire, "A Contextual-Bandit Approach to Personalized News Article
Recommendation" (WWW 2010, Algorithm 1): ridge regression of the label on the features, per model, and an upper bound
x'theta + width sqrt(x' A^-1 x), here cut to [0, 1] since a user is satisfied with a probability. Its reward is a
satisfied user, so cost enters as in Lagrangian constrained bandits (Agrawal and Devanur, "Linear Contextual Bandits
with Knapsacks", NIPS 2016): argmin_m E_m / E - eta Q bound_m, E being the zoo's mean cost. It asks one model a request
and learns from that answer alone.
"""

import math

from messsim.scenario.routing import Router

from .bandit import priced_bandit
from .contract import Policy

__all__ = ["build"]


def decide(models, dimensions, queue, costs, features, params, state):  # type: ignore[no-untyped-def]
    """params: eta, mean cost, width."""
    n = dimensions + 1
    chosen, least = 0, math.inf
    for m in range(models):
        inverse = m * (n * n + n)
        weights = inverse + n * n
        mean, variance = 0.0, 0.0
        for i in range(n):
            x = features[i] if i < dimensions else 1.0
            mean += state[weights + i] * x
            for j in range(n):
                variance += x * state[inverse + i * n + j] * (features[j] if j < dimensions else 1.0)
        bound = min(1.0, max(0.0, mean + params[2] * math.sqrt(max(0.0, variance))))
        value = costs[m] / params[1] - params[0] * queue * bound
        if value < least:
            chosen, least = m, value
    return chosen


def build(options: Router, models: int, features: int) -> Policy:
    """LinUCB for one run."""
    return priced_bandit("linucb", decide, options, models, features)
