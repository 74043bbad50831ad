"""What the bandits have in common: ridge regression of the label on the features, and a price of satisfaction."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from messsim.scenario.routing import Router

from .contract import OF_QUEUE, Knowledge, Policy
from .mixing import scale
from .plugin import compile_policy

__all__ = ["priced_bandit"]

OPTIONS = OF_QUEUE | {"eta", "width", "ridge", "cost_estimate", "cost_prior"}


def priced_bandit(
    name: str, decide: Callable[..., Any], options: Router, models: int, features: int, uniforms: int = 2
) -> Policy:
    """A policy that asks one model and learns from its answer; the params of `decide` are eta, mean cost and width."""

    def prepare(kernel, known: Knowledge) -> None:  # type: ignore[no-untyped-def]
        start = ridge_state(models, features, options.ridge)
        kernel.replace([options.eta, scale(known.mean_costs), options.width], start)

    return compile_policy(
        name,
        decide,
        learn=ridge_learn,
        learns_every_answer=True,
        uniforms=uniforms,
        options=OPTIONS,
        needs=frozenset({"features"}),
        prepare=prepare,
    )


def ridge_state(models: int, features: int, ridge: float) -> NDArray[np.float64]:
    """For each model the inverse of the design matrix [n, n] and the weights [n], n = features + 1 for the constant.

    Before any label the design matrix is `ridge` times the identity.
    """
    n = features + 1
    one = np.concatenate([np.eye(n).reshape(-1) / ridge, np.zeros(n)])
    return np.tile(one, models)


def ridge_learn(models, dimensions, features, labels, state):  # type: ignore[no-untyped-def]
    """Recursive least squares: the inverse by Sherman and Morrison, the weights by the gain times the residual."""
    n = dimensions + 1
    x, gain = np.ones(n), np.empty(n)
    x[:dimensions] = features
    for m in range(models):
        if np.isnan(labels[m]):
            continue
        inverse = state[m * (n * n + n) :][: n * n]
        weights = state[m * (n * n + n) + n * n :][:n]
        gain[:] = 0.0
        for i in range(n):
            row = inverse[i * n :][:n]  # slices need no look at negative indices, so that the loop is vectorised
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
    return 0
