"""A log of real routing decisions and what came of them.

Columns of a CSV, Parquet or JSONL file, a row a request in the order of routing:

``feature__NAME``     what the router saw (any number of them, also none)
``model``             who answered; a row without one, such as of a call that failed, is left out and counted
``satisfied``         0, 1 or between: the user's rating of that answer; empty where there is none
``satisfied__MODEL``  of every model's answer, where all were asked and judged
``cost__MODEL``       expected cost of the request on every model; or
``cost``              what the answer has cost: its mean by model then stands for the expectation
``propensity``        with which probability the logging router chose that model, where it chose at random
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from messsim.errors import DataError
from messsim.workload.readers import numbers, read, require, texts

if TYPE_CHECKING:
    import polars as pl

__all__ = ["DecisionLog", "read_log"]

Floats = NDArray[np.float64]

FEATURE, SATISFIED, COST = "feature__", "satisfied__", "cost__"
EVEN = 1e-6  # how near 1 / models a propensity must be


@dataclass(frozen=True)
class DecisionLog:
    """What a log holds.

    Attributes
    ----------
    models
        In rising order of mean cost.
    features : float64 [d, n]
    costs : float64 [models, n]
    chosen : int64 [n] or None
        Who answered.
    satisfied : float64 [n] or None
        Of that answer; NaN where nobody rated it.
    outcomes : float64 [models, n] or None
        Of every model's answer.
    propensity : float64 [n] or None
    unanswered
        Rows that name no model, and are left out: calls that failed.
    """

    models: list[str]
    features: Floats
    costs: Floats
    chosen: NDArray[np.int64] | None
    satisfied: Floats | None
    outcomes: Floats | None
    propensity: Floats | None
    unanswered: int = 0

    def __len__(self) -> int:
        return int(self.costs.shape[1])

    @property
    def is_random(self) -> bool:
        """Whether every request went to any model with equal probability, as the log itself says."""
        even = 1.0 / len(self.models)
        return self.propensity is not None and bool((np.abs(self.propensity - even) < EVEN).all())


def read_log(path: Path) -> DecisionLog:
    """Reads and checks a log.

    Raises
    ------
    DataError
        Naming file, column, row and what was expected.
    """
    frame = read(path)
    judged = [c.removeprefix(SATISFIED) for c in frame.columns if c.startswith(SATISFIED)]
    if not judged:
        require(frame.columns, ["model", "satisfied"], path)
    unanswered = 0
    if "model" in frame.columns and not judged:
        frame, unanswered = _answered(frame, path)
    answered = texts(frame, "model", path) if "model" in frame.columns else None
    priced = [c.removeprefix(COST) for c in frame.columns if c.startswith(COST)]
    models = judged or priced or sorted(set(answered or []))
    costs = _costs(frame, models, answered, path)
    models = sorted(models, key=lambda m: float(costs[m].mean()))
    names = sorted(c for c in frame.columns if c.startswith(FEATURE))
    features = [numbers(frame, c, path) for c in names]
    rates = answered is not None and "satisfied" in frame.columns
    return DecisionLog(
        models=models,
        features=np.ascontiguousarray(features) if features else np.empty((0, frame.height)),
        costs=np.stack([costs[m] for m in models]),
        chosen=None if answered is None else _chosen(answered, models, path),
        satisfied=_ratings(frame, path) if rates else None,
        outcomes=np.stack([numbers(frame, SATISFIED + m, path, least=0, most=1) for m in models]) if judged else None,
        propensity=numbers(frame, "propensity", path, least=0, most=1) if "propensity" in frame.columns else None,
        unanswered=unanswered,
    )


def _answered(frame: pl.DataFrame, path: Path) -> tuple[pl.DataFrame, int]:
    """The rows that name a model, and how many do not."""
    import polars as pl

    names = texts(frame, "model", path)
    kept = frame.filter(pl.Series([name.strip() != "" for name in names]))
    if kept.height == 0:
        raise DataError("column 'model' is empty in every row; expected who answered", str(path))
    return kept, frame.height - kept.height


def _costs(frame: pl.DataFrame, models: list[str], answered: list[str] | None, path: Path) -> dict[str, Floats]:
    if any(c.startswith(COST) for c in frame.columns):
        require(frame.columns, [COST + m for m in models], path)
        return {m: numbers(frame, COST + m, path, least=0) for m in models}
    if answered is None or "cost" not in frame.columns:
        expected = f"expected {', '.join(COST + m for m in models)}, or model and cost"
        raise DataError(f"tells no costs; {expected}", str(path))
    paid, who = numbers(frame, "cost", path, least=0), np.asarray(answered)
    for model in models:
        if not (who == model).any():
            raise DataError(f"model {model!r} never answers, so its cost is unknown; expected {COST}{model}", str(path))
    return {m: np.full(frame.height, paid[who == m].mean()) for m in models}


def _chosen(answered: list[str], models: list[str], path: Path) -> NDArray[np.int64]:
    place = {m: i for i, m in enumerate(models)}
    for row, model in enumerate(answered):
        if model not in place:
            expected = f"expected one of {', '.join(models)}"
            raise DataError(f"column 'model' has {model!r} in row {row + 1}; {expected}", str(path))
    return np.array([place[m] for m in answered], dtype=np.int64)


def _ratings(frame: pl.DataFrame, path: Path) -> Floats:
    import polars as pl

    there = frame["satisfied"].is_not_null()
    values = np.full(frame.height, np.nan)
    if there.any():
        rated = frame.filter(pl.col("satisfied").is_not_null())
        values[there.to_numpy()] = numbers(rated, "satisfied", path, least=0, most=1)
    return values
