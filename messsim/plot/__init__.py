"""Charts of a run, as Altair draws them: ``messsim.plot.satisfaction(result)``, or ``result.plot.satisfaction()``."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from messsim.summary import LatencyName

    from .figure import Figure, Run

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

# The module of each chart in charts/, which has it as a function of that name.
MODULES = {
    "satisfaction": "promise",
    "queue": "promise",
    "cost": "cost",
    "answers": "answers",
    "latency": "latency",
    "load": "load",
    "power": "load",
    "hits": "load",
    "replicas": "replicas",
    "tenants": "answers",
}


class Draw(Protocol):
    """What makes a figure of a run; some take marks, or which latency."""

    def __call__(self, result: Run, *args: Any, **options: Any) -> Figure:
        """The figure."""


def _figure(name: str, result: Run, *args: Any, **options: Any) -> Figure:
    """Modules are loaded as they draw: the names alone, for a help text, cost nothing."""
    drawn: Figure = getattr(import_module(f".charts.{MODULES[name]}", __name__), name)(result, *args, **options)
    return drawn


def _themed(name: str, result: Run, **options: Any) -> Any:
    from .figure import themed

    return themed(_figure(name, result, **options))


FIGURES: dict[str, Draw] = {name: partial(_figure, name) for name in MODULES}


def satisfaction(result: Run) -> Any:
    """Satisfaction so far, its guaranteed lower bound, and the promise."""
    return _themed("satisfaction", result)


def queue(result: Run) -> Any:
    """The virtual queue: the satisfying answers that are owed."""
    return _themed("queue", result)


def cost(result: Run) -> Any:
    """Cost of an answer by what it was spent on, beside what it could have cost."""
    return _themed("cost", result)


def answers(result: Run) -> Any:
    """Which model answered, along the run."""
    return _themed("answers", result)


def load(result: Run) -> Any:
    """Requests in each pool, along the run."""
    return _themed("load", result)


def power(result: Run) -> Any:
    """Power of each pool, along the run."""
    return _themed("power", result)


def hits(result: Run) -> Any:
    """Cached share of the prompts in each pool that has a prefix cache, along the run."""
    return _themed("hits", result)


def replicas(result: Run) -> Any:
    """Replicas up, loading and draining, of pools that change their size."""
    return _themed("replicas", result)


def tenants(result: Run) -> Any:
    """How far above or below their promise tenants are, along the run."""
    return _themed("tenants", result)


def latency(result: Run, which: LatencyName = "ttft") -> Any:
    """The distribution of one latency, by model: ttft, tpot, e2e or queueing."""
    return _themed("latency", result, which=which)


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
