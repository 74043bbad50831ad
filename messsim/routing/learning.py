"""What MESS+ and its like learn by."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from messsim import _core
from messsim.errors import DataError, ScenarioError
from messsim.scenario.routing import Predictor, Router

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["predictor_of", "warm_start"]

OPTIMISTIC = 0.95  # what an optimist expects of a model that nobody has tried
FEATURE, SATISFIED = "feature__", "satisfied__"


def predictor_of(options: Router, models: int, features: int) -> _core.Predictor:
    """Logistic regression by SGD or AdaGrad, as ``[router.predictor]`` says.

    Raises
    ------
    ScenarioError
        If biases are to start at means that are not given for each model.
    """
    said = options.predictor
    return _core.Predictor(
        models,
        features,
        learning_rate=said.learning_rate,
        momentum=said.momentum,
        weight_decay=said.weight_decay,
        clip=said.clip,
        optimizer=said.optimizer,
        standardize=bool(said.standardize),
        bias=_bias(said, models),
    )


def _bias(said: Predictor, models: int) -> list[float]:
    if said.start == "even":
        return [0.0] * models
    if said.start == "optimistic":
        return [_logit(OPTIMISTIC)] * models
    if said.means is None or len(said.means) != models:
        given = "none" if said.means is None else str(len(said.means))
        raise ScenarioError(
            f"router.predictor.means: expected the mean satisfaction of each of the {models} models, in order; "
            f"{given} given"
        )
    return [_logit(mean) for mean in said.means]


def _logit(mean: float) -> float:
    bounded = min(max(mean, 0.01), 0.99)  # nobody is sure
    return math.log(bounded / (1.0 - bounded))


def warm_start(predictor: _core.Predictor, file: Path, models: Sequence[str], features: int) -> None:
    """Lets a predictor learn from labelled rows, one after the other, before the first request.

    Parameters
    ----------
    file
        CSV, Parquet or JSONL with columns ``feature__NAME``, in the order of their names those of the requests, and
        ``satisfied__MODEL``, from 0 to 1, for any of the models; empty where nobody rated.

    Raises
    ------
    DataError
        If the file is none, has another number of features, or no column of any model's.
    """
    import numpy as np
    import polars as pl

    from messsim.workload.readers import numbers, read

    frame = read(file)
    names = sorted(c for c in frame.columns if c.startswith(FEATURE))
    if len(names) != features:
        have = f"has {len(names)} columns {FEATURE}NAME"
        raise DataError(f"{have}; expected {features}, the features of a request", str(file))
    rated = [m for m in models if SATISFIED + m in frame.columns]
    if not rated:
        expected = ", ".join(SATISFIED + m for m in models)
        raise DataError(f"has no labels; expected any of the columns {expected}", str(file))
    x = np.stack([numbers(frame, c, file) for c in names], axis=1) if names else np.empty((frame.height, 0))
    labels = np.full((frame.height, len(models)), np.nan)
    for model in rated:
        there = frame[SATISFIED + model].is_not_null()
        if there.any():
            known = frame.filter(pl.col(SATISFIED + model).is_not_null())
            values = numbers(known, SATISFIED + model, file, least=0, most=1)
            labels[there.to_numpy(), list(models).index(model)] = values
    for row in range(frame.height):
        if not np.isnan(labels[row]).all():
            predictor.learn(np.ascontiguousarray(x[row]), labels[row])
    predictor.restore(predictor.saved() | {"version": 0})  # steps are counted from the first request on
