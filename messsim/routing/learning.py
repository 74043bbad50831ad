"""What MESS+ and its like learn by."""

import math

import numpy as np
from numpy.typing import NDArray

from messsim import _core
from messsim.errors import ScenarioError
from messsim.scenario.routing import Predictor, Router

__all__ = ["predictor_of", "warm_start"]

OPTIMISTIC = 0.95  # what an optimist expects of a model that nobody has tried

Floats = NDArray[np.float64]


def predictor_of(options: Router, models: int, features: int) -> _core.Predictor:
    """Logistic regression by SGD or AdaGrad, as ``[router.predictor]`` says.

    Raises
    ------
    ScenarioError
        If biases are to start at means that are not given for each model.
    """
    predictor = options.predictor
    return _core.Predictor(
        models,
        features,
        learning_rate=predictor.learning_rate,
        momentum=predictor.momentum,
        weight_decay=predictor.weight_decay,
        clip=predictor.clip,
        optimizer=predictor.optimizer,
        standardize=bool(predictor.standardize),
        bias=_bias(predictor, models),
    )


def _bias(predictor: Predictor, models: int) -> list[float]:
    if predictor.start == "even":
        return [0.0] * models
    if predictor.start == "optimistic":
        return [_logit(OPTIMISTIC)] * models
    if predictor.means is None or len(predictor.means) != models:
        given = "none" if predictor.means is None else str(len(predictor.means))
        raise ScenarioError(
            f"router.predictor.means: expected the mean satisfaction of each of the {models} models, in order; "
            f"{given} given"
        )
    return [_logit(mean) for mean in predictor.means]


def _logit(mean: float) -> float:
    bounded = min(max(mean, 0.01), 0.99)  # nobody is sure
    return math.log(bounded / (1.0 - bounded))


def warm_start(predictor: _core.Predictor, features: Floats, labels: Floats) -> None:
    """Lets a predictor learn from labelled requests, one after the other, before the first one.

    Parameters
    ----------
    features : float64 [n, d]
    labels : float64 [n, models]
        In [0, 1]; NaN where nobody rated that model's answer.
    """
    for x, rated in zip(np.ascontiguousarray(features), np.ascontiguousarray(labels), strict=True):
        if not np.isnan(rated).all():
            predictor.learn(x, rated)
    predictor.restore(predictor.saved() | {"version": 0})  # steps are counted from the first request on
