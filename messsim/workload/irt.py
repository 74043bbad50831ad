"""Item response theory: who satisfies whom, P(s = 1) = sigmoid(slope (ability - difficulty)).

The two-parameter logistic model (Birnbaum, in Lord and Novick, "Statistical Theories of Mental Test
Scores", 1968, ch. 17), with models in the place of examinees and requests in that of items.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from messsim import _core
from messsim.scenario.quality import Irt, Task

from .chance import Chance
from .chunk import Floats

__all__ = ["Difficulty", "abilities", "any_satisfied", "mean_satisfaction", "sigmoid"]

# Trapezoids over +-10 standard deviations: exact to rounding for functions this smooth.
_Z = np.linspace(-10.0, 10.0, 4001)
_WEIGHT = np.exp(-0.5 * _Z * _Z)
_WEIGHT = _WEIGHT / _WEIGHT.sum()


def sigmoid(z: Floats) -> Floats:
    """1 / (1 + e^-z) by the kernel's exponential."""
    flat = np.ascontiguousarray(-z).reshape(-1)
    return (1.0 / (1.0 + _core.exp(flat))).reshape(z.shape)


def mean_satisfaction(ability: float, slope: float, tasks: list[Task]) -> float:
    """Mean over the mixture of difficulties."""
    return sum(
        float(w) * float(_WEIGHT @ sigmoid(slope * (ability - t.mean - t.deviation * _Z)))
        for w, t in zip(_shares(tasks), tasks, strict=True)
    )


def any_satisfied(thetas: list[float], slope: float, tasks: list[Task]) -> float:
    """Share of requests that at least one model satisfies: no router can satisfy more."""
    total = 0.0
    for w, t in zip(_shares(tasks), tasks, strict=True):
        nobody = np.ones_like(_Z)
        for theta in thetas:
            nobody *= 1.0 - sigmoid(slope * (theta - t.mean - t.deviation * _Z))
        total += w * float(_WEIGHT @ (1.0 - nobody))
    return total


def abilities(means: list[float], slope: float, tasks: list[Task]) -> list[float]:
    """The ability of each model that gives it this mean satisfaction, to rounding."""
    return [_ability(mean, slope, tuple(tasks)) for mean in means]


@lru_cache(maxsize=1024)
def _ability(mean: float, slope: float, tasks: tuple[Task, ...]) -> float:
    """Newton's steps, kept inside a bracket that every step narrows."""
    low, high = -1.0, 1.0
    while mean_satisfaction(low, slope, list(tasks)) > mean:
        low *= 2.0
    while mean_satisfaction(high, slope, list(tasks)) < mean:
        high *= 2.0
    ability = (low + high) / 2.0
    for _ in range(100):
        excess = mean_satisfaction(ability, slope, list(tasks)) - mean
        low, high = (low, ability) if excess > 0 else (ability, high)
        step = -excess / _growth(ability, slope, tasks)
        following = ability + step if low < ability + step < high else (low + high) / 2.0
        if abs(following - ability) <= 1e-15 * max(abs(ability), 1.0):
            break
        ability = following
    return ability


def _growth(ability: float, slope: float, tasks: tuple[Task, ...]) -> float:
    """Derivative of the mean satisfaction by the ability."""
    total = 0.0
    for w, t in zip(_shares(list(tasks)), tasks, strict=True):
        p = sigmoid(slope * (ability - t.mean - t.deviation * _Z))
        total += float(w) * slope * float(_WEIGHT @ (p * (1.0 - p)))
    return total


def _shares(tasks: list[Task]) -> Floats:
    weights = np.array([t.weight for t in tasks])
    return np.asarray(weights / weights.sum())


def tasks_of(said: Irt, weights: dict[str, float] | None = None) -> list[Task]:
    """The families of difficulty, with other weights where a phase gives them."""
    tasks = said.tasks or [Task(name="all")]
    if weights is None:
        return tasks
    return [t.model_copy(update={"weight": weights.get(t.name, 0.0)}) for t in tasks]


@dataclass(frozen=True)
class Difficulty:
    """Draws difficulties of requests.

    `shift` is added to all; `centre` and `spread` are those of the whole scenario's mixture, in whose units
    features speak of a difficulty.
    """

    tasks: list[Task]
    shift: float
    chance: Chance

    def draw(self, first: int, n: int) -> Floats:
        """Difficulties of requests first ... first + n - 1."""
        z = self.chance.normal(self.chance.column("difficulty"), first, n)
        if len(self.tasks) == 1:
            return self.tasks[0].mean + self.tasks[0].deviation * z + self.shift
        cumulative = np.cumsum(_shares(self.tasks))
        u = self.chance.choice(self.chance.column("task"), first, n)
        at: NDArray[np.intp] = np.minimum(np.searchsorted(cumulative, u, side="right"), len(self.tasks) - 1)
        means = np.array([t.mean for t in self.tasks])[at]
        deviations = np.array([t.deviation for t in self.tasks])[at]
        return np.asarray(means + deviations * z + self.shift)


def moments(tasks: list[Task]) -> tuple[float, float]:
    """Mean and standard deviation of the mixture of difficulties."""
    shares = _shares(tasks)
    means = np.array([t.mean for t in tasks])
    centre = float(shares @ means)
    variance = float(shares @ (np.array([t.deviation for t in tasks]) ** 2 + (means - centre) ** 2))
    return centre, variance**0.5
