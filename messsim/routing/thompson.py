"""Thompson sampling with a price: a draw from what is believed of each model's satisfaction, weighed against cost.

Agrawal and Goyal, "Thompson Sampling for Contextual Bandits with Linear Payoffs" (ICML 2013): Gaussian beliefs about
each model's weights, from the same ridge regression as LinUCB's. The sampled payoff x'theta is normal with mean x'theta
and deviation width sqrt(x' A^-1 x), and is drawn as such. Since a user is satisfied with a
probability, the draw is cut to [0, 1]. Cost enters as in `linucb`: argmin_m E_m / E - eta Q draw_m.
"""

import math

import numpy as np

from messsim.scenario.routing import Router

from .bandit import priced_bandit
from .contract import Policy

__all__ = ["build"]


def decide(models, dimensions, queue, costs, features, uniforms, params, state):  # type: ignore[no-untyped-def]
    """params: eta, mean cost, width; two uniforms a model make a normal deviate (Box and Muller, 1958)."""
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
        normal = math.sqrt(-2.0 * math.log(uniforms[2 * m])) * math.cos(2.0 * math.pi * uniforms[2 * m + 1])
        draw = min(1.0, max(0.0, mean + params[2] * math.sqrt(max(0.0, variance)) * normal))
        value = costs[m] / params[1] - params[0] * queue * draw
        if value < least:
            chosen, least = m, value
    return chosen


def build(options: Router, models: int, features: int) -> Policy:
    """Thompson sampling for one run."""
    return priced_bandit("thompson", decide, options, models, features, uniforms=2 * models)
