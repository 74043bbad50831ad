"""Item response theory: who satisfies whom, P(s = 1) = sigmoid(slope (ability - difficulty)).

The two-parameter logistic model (Birnbaum, in Lord and Novick, "Statistical Theories of Mental Test
Scores", 1968, ch. 17), with models in the place of examinees and requests in that of items.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from messsim import _core
from messsim.scenario.quality import Irt, Task

from .chance import Chance
from .chunk import Floats

__all__ = [
    "Difficulty",
    "abilities",
    "any_satisfied",
    "mean_satisfaction",
    "moments",
    "shares_of",
    "sigmoid",
    "tasks_of",
]

FARTHEST = 1e9  # no ability is: whatever the slope and the tasks may be, nobody satisfies less or more


def sigmoid(z: Floats) -> Floats:
    """1 / (1 + e^-z) by the kernel's exponential."""
    flat = np.ascontiguousarray(-z).reshape(-1)
    return (1.0 / (1.0 + _core.exp(flat))).reshape(z.shape)


@lru_cache(maxsize=64)
def _nodes(step: float) -> tuple[Floats, Floats]:
    """Nodes z over +-10 standard deviations and their weights under N(0, 1)."""
    half = round(10.0 / step)
    z: Floats = np.arange(-half, half + 1, dtype=np.float64) * step
    weights = _core.exp(-0.5 * z * z)
    return z, weights / math.fsum(weights)


def _quadrature(slope: float, task: Task) -> tuple[Floats, Floats]:
    """Difficulties of a task and their weights, fine enough for sigmoids of this slope.

    Trapezoids of step h err by e^(-2 pi d / h) for a function whose poles lie d off the real axis (Trefethen
    and Weideman, "The exponentially convergent trapezoidal rule", SIAM Review 56, 2014), here d = pi / (slope
    deviation): 1e-17 with h = 0.5 / (slope deviation), of which this takes half. Where that product passes 1000 the
    sigmoid is nearly a step, and the mean exact to a node's weight, 2e-4.
    """
    z, weights = _nodes(min(0.1, max(0.25 / (slope * task.deviation), 5e-4)))
    return task.mean + task.deviation * z, weights


def _mean(share: float, values: Floats, weights: Floats) -> float:
    """By exact summation: the same bits on every machine."""
    return share * math.fsum(weights * values)


def mean_satisfaction(ability: float, slope: float, tasks: list[Task]) -> float:
    """Mean over the mixture of difficulties."""
    return _mean_satisfaction(ability, slope, tuple(tasks))


@lru_cache(maxsize=4096)
def _mean_satisfaction(ability: float, slope: float, tasks: tuple[Task, ...]) -> float:
    """It is asked for again for every tenant."""
    total = 0.0
    for share, task in zip(shares_of(tasks), tasks, strict=True):
        difficulty, weights = _quadrature(slope, task)
        total += _mean(share, sigmoid(slope * (ability - difficulty)), weights)
    return total


def any_satisfied(thetas: list[float], slope: float, tasks: list[Task], grades: int = 2) -> float:
    """Share of requests that at least one model satisfies: no router can satisfy more.

    With grades, the mean satisfaction by the best answer: the mean over k of the share that at least one answer brings
    to k criteria.
    """
    return _any_satisfied(tuple(thetas), slope, tuple(tasks), grades)


@lru_cache(maxsize=1024)
def _any_satisfied(thetas: tuple[float, ...], slope: float, tasks: tuple[Task, ...], grades: int) -> float:
    """It is asked for again for every tenant."""
    criteria, total = grades - 1, 0.0
    for share, task in zip(shares_of(tasks), tasks, strict=True):
        difficulty, weights = _quadrature(slope, task)
        nobody = np.ones((criteria, len(difficulty)))  # brings it to k = 1 ... criteria
        for theta in thetas:
            nobody *= _fewer(sigmoid(slope * (theta - difficulty)), criteria)
        total += _mean(share, 1.0 - nobody.mean(axis=0), weights)
    return total


def _fewer(p: Floats, criteria: int) -> Floats:
    """[criteria, n]: probability of fewer than k = 1 ... criteria successes in so many trials."""
    exactly = [math.comb(criteria, k) * p**k * (1.0 - p) ** (criteria - k) for k in range(criteria)]
    return np.asarray(np.cumsum(exactly, axis=0))


def abilities(means: list[float], slope: float, tasks: list[Task]) -> list[float]:
    """The ability of each model that gives it this mean satisfaction, to rounding."""
    return [_ability(mean, slope, tuple(tasks)) for mean in means]


@lru_cache(maxsize=1024)
def _ability(mean: float, slope: float, tasks: tuple[Task, ...]) -> float:
    """Newton's steps, kept inside a bracket that every step narrows."""
    low, high = -1.0, 1.0
    while mean_satisfaction(low, slope, list(tasks)) > mean and low > -FARTHEST:
        low *= 2.0
    while mean_satisfaction(high, slope, list(tasks)) < mean and high < FARTHEST:
        high *= 2.0
    ability = (low + high) / 2.0
    for _ in range(100):
        excess = mean_satisfaction(ability, slope, list(tasks)) - mean
        if abs(excess) <= 2e-16 * mean:
            break
        low, high = (low, ability) if excess > 0 else (ability, high)
        growth = _growth(ability, slope, list(tasks))
        following = ability - excess / growth if growth > 0 else low
        if not low < following < high:
            following = (low + high) / 2.0
        ability, moved = following, abs(following - ability)
        if moved <= 1e-15 * max(abs(ability), 1.0):
            break
    return ability


def _growth(ability: float, slope: float, tasks: list[Task]) -> float:
    """Derivative of the mean satisfaction by the ability."""
    total = 0.0
    for share, task in zip(shares_of(tasks), tasks, strict=True):
        difficulty, weights = _quadrature(slope, task)
        p = sigmoid(slope * (ability - difficulty))
        total += _mean(share, slope * p * (1.0 - p), weights)
    return total


def shares_of(tasks: Sequence[Task]) -> list[float]:
    """Each task's share of requests."""
    whole = math.fsum(t.weight for t in tasks)
    return [t.weight / whole for t in tasks]


def tasks_of(irt: Irt, weights: dict[str, float] | None = None) -> list[Task]:
    """The families of difficulty, with other weights where a phase gives them."""
    tasks = irt.tasks or [Task(name="all")]
    if weights is None:
        return tasks
    return [t.model_copy(update={"weight": weights.get(t.name, 0.0)}) for t in tasks]


@dataclass(frozen=True)
class Difficulty:
    """Draws difficulties of requests from the mixture of tasks; `shift` is added to all."""

    tasks: list[Task]
    shift: float
    chance: Chance

    def draw(self, first: int, n: int, shift: float | Floats) -> Floats:
        """Difficulties of requests first ... first + n - 1; `shift` is added to all, or each has its own."""
        z = self.chance.normal(self.chance.column("difficulty"), first, n)
        if len(self.tasks) == 1:
            return self.tasks[0].mean + self.tasks[0].deviation * z + shift
        cumulative = np.cumsum(shares_of(self.tasks))
        u = self.chance.choice(self.chance.column("task"), first, n)
        at: NDArray[np.intp] = np.minimum(np.searchsorted(cumulative, u, side="right"), len(self.tasks) - 1)
        means = np.array([t.mean for t in self.tasks])[at]
        deviations = np.array([t.deviation for t in self.tasks])[at]
        return np.asarray(means + deviations * z + shift)


def moments(tasks: list[Task]) -> tuple[float, float]:
    """Mean and standard deviation of the mixture of difficulties: the unit in which features speak of one."""
    shares = shares_of(tasks)
    centre = math.fsum(w * t.mean for w, t in zip(shares, tasks, strict=True))
    variance = math.fsum(w * (t.deviation**2 + (t.mean - centre) ** 2) for w, t in zip(shares, tasks, strict=True))
    return centre, math.sqrt(variance)
