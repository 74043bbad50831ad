"""What can be known of satisfaction before an answer, under IRT: P(s = 1) given the difficulty, or the features."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from messsim import _core
from messsim.scenario.quality import Irt

from .chunk import Chunk, Floats
from .irt import moments, shares_of, sigmoid, tasks_of
from .spline import Spline

if TYPE_CHECKING:
    from .stages import Stage
    from .workload import Workload

__all__ = ["Knowledge", "probabilities"]

Knowledge = Literal["difficulty", "features"]

GRID = 2048
FARTHEST_DEVIATIONS, FARTHEST_LOGIT = 10.0, 40.0  # beyond, a mean sigmoid is 0 or 1 to double precision


def probabilities(workload: Workload, chunk: Chunk, knows: Knowledge) -> Floats | None:
    """P(s = 1) of each model for each request of a chunk, [models, n]; None where outcomes come from a table.

    Whoever knows the difficulty knows P(s = 1 | difficulty). Whoever knows the features, and the laws of the
    phase, knows P(s = 1 | features): the mean of that over the difficulties which the features leave possible.
    """
    satisfaction = workload.scenario.satisfaction
    if satisfaction.kind != "irt":
        return None
    known = np.empty(chunk.satisfied.shape)
    for stage, part, progress in workload.stretches(chunk.first, len(chunk), chunk.arrival_s):
        thetas = stage.thetas_at(progress)
        if knows == "difficulty":
            assert chunk.difficulty is not None
            for m, theta in enumerate(thetas):
                known[m, part] = sigmoid(satisfaction.slope * (theta - chunk.difficulty[part]))
        else:
            signal = workload.scenario.features.signal if workload.features else 0.0
            seen = chunk.features[0, part] if workload.features else np.zeros(part.stop - part.start)
            known[:, part] = _given_features(satisfaction, stage, stage.shift_at(progress), thetas, signal, seen)
    return known


def _given_features(
    irt: Irt, stage: Stage, shift: float | Floats, thetas: list[float | Floats], signal: float, seen: Floats
) -> Floats:
    """Given feature 0, signal z + sqrt(1 - signal^2) e with z the standardised difficulty; the others tell nothing.

    Of a normal mixture of difficulties the posterior is one too: each task has a weight, a mean and a deviation.
    """
    assert stage.difficulty is not None
    centre, spread = moments(tasks_of(irt))
    weights, known = np.zeros(len(seen)), np.zeros((len(stage.thetas), len(seen)))
    possible = [(w, t) for w, t in zip(shares_of(stage.difficulty.tasks), stage.difficulty.tasks, strict=True) if w > 0]
    laws = [_Seen((t.mean + shift - centre) / spread, t.deviation / spread, signal) for _, t in possible]
    evidence = [law.log_density(seen) for law in laws]
    most = np.max(evidence, axis=0)
    for (share, _), law, logarithm in zip(possible, laws, evidence, strict=True):
        weight = share * _core.exp(np.ascontiguousarray(logarithm - most))
        mean = centre + spread * law.posterior_mean(seen)
        smoothed = _smoothed(irt.slope, spread * law.posterior_deviation)
        weights += weight
        for m, theta in enumerate(thetas):
            known[m] += weight * smoothed(theta - mean)
    return known / weights


class _Seen:
    """Feature 0 of requests whose standardised difficulty is N(mean, deviation^2): normal, as is the posterior."""

    def __init__(self, mean: float | Floats, deviation: float, signal: float) -> None:
        noise = 1.0 - signal * signal
        self._mean, self._signal = mean, signal
        self._variance = signal * signal * deviation * deviation + noise
        self._gain = signal * deviation * deviation / self._variance
        self.posterior_deviation = deviation * math.sqrt(noise / self._variance)

    def log_density(self, seen: Floats) -> Floats:
        """Up to a constant that all laws share."""
        off = seen - self._signal * self._mean
        return np.asarray(-0.5 * (off * off / self._variance + math.log(self._variance)))

    def posterior_mean(self, seen: Floats) -> Floats:
        """Of the standardised difficulty."""
        return np.asarray(self._mean + self._gain * (seen - self._signal * self._mean))


@lru_cache(maxsize=64)
def _smoothed(slope: float, deviation: float) -> Callable[[Floats], Floats]:
    """The mean of sigmoid(slope (y + e)) over e ~ N(0, deviation^2), as a function of y; within 1e-8.

    A cubic spline on a grid over which it goes from 0 to 1.
    """
    if deviation == 0.0:
        return lambda y: sigmoid(slope * y)
    reach = FARTHEST_DEVIATIONS * deviation + FARTHEST_LOGIT / slope
    grid = np.linspace(-reach, reach, GRID + 1)
    spline = Spline(grid, _mean_sigmoid(grid, slope, deviation))
    return lambda y: np.clip(spline(np.clip(y, -reach, reach)), 0.0, 1.0)


def _mean_sigmoid(y: Floats, slope: float, deviation: float) -> Floats:
    """The same by trapezoids, over the wider of two laws: e, or the logistic law whose distribution the sigmoid is.

    Either integrand is analytic at least pi deviations of that law off the real axis (see `irt`): exact to rounding.
    """
    if slope * deviation <= 1.0:
        z = np.arange(-10.0, 10.25, 0.25)
        weights = _core.exp(-0.5 * z * z)
        values = sigmoid(slope * (y[:, None] + deviation * z))
    else:
        from scipy.special import ndtr

        z = np.arange(-40.0, 40.5, 0.5)
        weights = sigmoid(z) * sigmoid(-z)
        values = ndtr((y[:, None] + z / slope) / deviation)
    return np.asarray(values @ (weights / math.fsum(weights)))
