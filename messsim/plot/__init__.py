"""Charts of a run, as Altair draws them: ``messsim.plot.satisfaction(result)``, or ``result.plot.satisfaction()``.

A chart is a file of ``charts/`` with a function of its name. The names alone, for a help text, load none of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, update_wrapper
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Protocol

from . import charts

if TYPE_CHECKING:
    from .figure import Figure, Run

__all__ = ["FIGURES", "Plots"]


class Draw(Protocol):
    """What makes a figure of a run; some take marks, or which latency."""

    def __call__(self, result: Run, *args: Any, **options: Any) -> Figure:
        """The figure."""


def _drawing(name: str) -> Draw:
    function: Draw = getattr(import_module(f"{charts.__name__}.{name}"), name)
    return function


def _figure(name: str, result: Run, *args: Any, **options: Any) -> Figure:
    return _drawing(name)(result, *args, **options)


FIGURES: dict[str, Draw] = {m.name: partial(_figure, m.name) for m in iter_modules(charts.__path__)}


def _chart(name: str) -> Callable[..., Any]:
    if name not in FIGURES:
        raise AttributeError(f"no chart {name!r}; expected one of {', '.join(FIGURES)}")

    def chart(result: Run, *args: Any, **options: Any) -> Any:
        from .figure import themed

        return themed(_figure(name, result, *args, **options))

    return update_wrapper(chart, _drawing(name), ("__name__", "__doc__"))


def __getattr__(name: str) -> Callable[..., Any]:
    """A chart by its name, as a function of a result."""
    return _chart(name)


def __dir__() -> list[str]:
    return [*__all__, *FIGURES]


class Plots:
    """The charts of one result; each is an Altair chart, to show in a notebook or to ``save``."""

    def __init__(self, result: Run) -> None:
        self._result = result

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """A chart by its name, of this result; ``latency`` takes which one."""
        chart = _chart(name)
        return update_wrapper(partial(chart, self._result), chart, ("__name__", "__doc__"))

    def __dir__(self) -> list[str]:
        return [*FIGURES]
