"""Charts of a run, as Altair draws them: ``messsim.plot.satisfaction(result)``, or ``result.plot.satisfaction()``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from messsim.summary import LatencyName

from . import answers as _answers
from . import cost as _cost
from . import latency as _latency
from . import load as _load
from . import promise as _promise
from . import replicas as _replicas
from .figure import Figure, Run, themed

__all__ = [
    "FIGURES",
    "Plots",
    "answers",
    "cost",
    "hits",
    "latency",
    "load",
    "power",
    "queue",
    "replicas",
    "satisfaction",
    "tenants",
]

FIGURES: dict[str, Callable[..., Figure]] = {
    "satisfaction": _promise.satisfaction,
    "queue": _promise.queue,
    "cost": _cost.cost,
    "answers": _answers.answers,
    "latency": _latency.latency,
    "load": _load.load,
    "power": _load.power,
    "hits": _load.hits,
    "replicas": _replicas.replicas,
    "tenants": _answers.tenants,
}


def satisfaction(result: Run) -> Any:
    """Satisfaction so far, its guaranteed lower bound, and the promise."""
    return themed(_promise.satisfaction(result))


def queue(result: Run) -> Any:
    """The virtual queue: the satisfying answers that are owed."""
    return themed(_promise.queue(result))


def cost(result: Run) -> Any:
    """Cost of an answer by what it was spent on, beside what it could have cost."""
    return themed(_cost.cost(result))


def answers(result: Run) -> Any:
    """Which model answered, along the run."""
    return themed(_answers.answers(result))


def load(result: Run) -> Any:
    """Requests in each pool, along the run."""
    return themed(_load.load(result))


def power(result: Run) -> Any:
    """Power of each pool, along the run."""
    return themed(_load.power(result))


def hits(result: Run) -> Any:
    """Cached share of the prompts in each pool that has a prefix cache, along the run."""
    return themed(_load.hits(result))


def replicas(result: Run) -> Any:
    """Replicas up, loading and draining, of pools that change their size."""
    return themed(_replicas.replicas(result))


def tenants(result: Run) -> Any:
    """How far above or below their promise tenants are, along the run."""
    return themed(_answers.tenants(result))


def latency(result: Run, which: LatencyName = "ttft") -> Any:
    """The distribution of one latency, by model: ttft, tpot, e2e or queueing."""
    return themed(_latency.latency(result, which=which))


class Plots:
    """The charts of one result; each is an Altair chart, to show in a notebook or to ``save``."""

    def __init__(self, result: Run) -> None:
        self._result = result

    def satisfaction(self) -> Any:
        """Satisfaction so far, its guaranteed lower bound, and the promise."""
        return satisfaction(self._result)

    def queue(self) -> Any:
        """The virtual queue: the satisfying answers that are owed."""
        return queue(self._result)

    def cost(self) -> Any:
        """Cost of an answer by what it was spent on, beside what it could have cost."""
        return cost(self._result)

    def answers(self) -> Any:
        """Which model answered, along the run."""
        return answers(self._result)

    def load(self) -> Any:
        """Requests in each pool, along the run."""
        return load(self._result)

    def power(self) -> Any:
        """Power of each pool, along the run."""
        return power(self._result)

    def hits(self) -> Any:
        """Cached share of the prompts in each pool that has a prefix cache, along the run."""
        return hits(self._result)

    def replicas(self) -> Any:
        """Replicas up, loading and draining, of pools that change their size."""
        return replicas(self._result)

    def tenants(self) -> Any:
        """How far above or below their promise tenants are, along the run."""
        return tenants(self._result)

    def latency(self, which: LatencyName = "ttft") -> Any:
        """The distribution of one latency, by model: ttft, tpot, e2e or queueing."""
        return latency(self._result, which)
