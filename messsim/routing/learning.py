"""What several policies learn by: the predictor of MESS+, and ridge regression for the bandits."""

import numpy as np
from numpy.typing import NDArray

from messsim import _core
from messsim.scenario.routing import Router

__all__ = ["predictor_of", "ridge_learn", "ridge_state"]


def predictor_of(options: Router, models: int, features: int) -> _core.Predictor:
    """Logistic regression by SGD, as ``[router.predictor]`` says."""
    said = options.predictor
    return _core.Predictor(
        models,
        features,
        learning_rate=said.learning_rate,
        momentum=said.momentum,
        weight_decay=said.weight_decay,
        clip=said.clip,
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
    gain = np.empty(n)
    for m in range(models):
        if np.isnan(labels[m]):
            continue
        inverse = m * (n * n + n)
        weights = inverse + n * n
        spread, predicted = 1.0, state[weights + dimensions]
        for j in range(dimensions):
            predicted += state[weights + j] * features[j]
        for i in range(n):
            gain[i] = state[inverse + i * n + dimensions]
            for j in range(dimensions):
                gain[i] += state[inverse + i * n + j] * features[j]
            spread += gain[i] * (features[i] if i < dimensions else 1.0)
        for i in range(n):
            state[weights + i] += gain[i] / spread * (labels[m] - predicted)
            for j in range(n):
                state[inverse + i * n + j] -= gain[i] * gain[j] / spread
    return 0
