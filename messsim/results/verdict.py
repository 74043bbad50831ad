"""Whether a promise was kept: decided here, with one tolerance, for whatever is summed up, judged or drawn.

A promise is kept where mean satisfaction is at least alpha, less `_core.KEPT_TOLERANCE` for rounding; one to several
tenants where it is kept to each.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from messsim import _core

__all__ = ["TOLERANCE", "Verdict", "bounded_by", "falls_short", "mean_alpha", "verdict_of", "verdict_of_all"]

TOLERANCE = _core.KEPT_TOLERANCE  # of mean satisfaction


def falls_short(satisfaction: Any, alpha: Any) -> Any:
    """Whether satisfaction misses alpha, of numbers or element by element of arrays; NaN does not."""
    return satisfaction < alpha - TOLERANCE


def bounded_by(most: float, best_model: float, any_model: float) -> str | None:
    """Whose mean satisfaction is the most that a router can have; None where it is that of the best answers.

    Where phases have a best model each, the most is not the mean of any one model over the run.
    """
    if not falls_short(most, any_model):
        return None
    return "the best model" if abs(most - best_model) <= TOLERANCE else "the best model of each phase"


@dataclass(frozen=True)
class Verdict:
    """The promise to one tenant, or to all of them.

    Attributes
    ----------
    kept
        None where nobody was answered.
    margin
        Satisfaction less alpha, 0 where they differ by rounding only; of several tenants the least.
    """

    kept: bool | None
    margin: float | None


def verdict_of(satisfaction: float | None, alpha: float) -> Verdict:
    """The verdict on one promise."""
    if satisfaction is None:
        return Verdict(None, None)
    margin = satisfaction - alpha
    return Verdict(not falls_short(satisfaction, alpha), 0.0 if abs(margin) <= TOLERANCE else margin)


def verdict_of_all(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict on the promises to all tenants who were answered: the one of the least margin."""
    judged = [v for v in verdicts if v.margin is not None]
    return min(judged, key=lambda v: v.margin or 0.0, default=Verdict(None, None))


def mean_alpha(alphas: Sequence[float], answered: Sequence[int]) -> float | None:
    """Mean of alpha over answered requests, rounded once; None where nobody was answered."""
    total = sum(answered)
    if not total:
        return None
    if len({a for a, n in zip(alphas, answered, strict=True) if n}) == 1:
        return next(a for a, n in zip(alphas, answered, strict=True) if n)
    return math.fsum(a * n for a, n in zip(alphas, answered, strict=True)) / total
