"""Chance that no seed of a run governs, in functions of one's own: `random` and `numpy.random`."""

import dis
import inspect
import random
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

__all__ = ["unseeded"]

MODULES = {"random", "numpy.random"}
GENERATORS = (random.Random, np.random.RandomState, np.random.Generator)
NAMES = ("LOAD_GLOBAL", "LOAD_DEREF")
ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD")  # the latter until Python 3.11


def unseeded(function: Callable[..., Any], seen: frozenset[int] = frozenset()) -> str | None:
    """The module from which a function, or one that it calls, draws at random; None: from none."""
    function = getattr(function, "py_func", function)  # of one that Numba has compiled
    if not inspect.isfunction(function) or id(function) in seen:
        return None
    seen |= {id(function)}
    for value in _named(function):
        if (module := _draws_from(value) or unseeded(value, seen)) is not None:
            return module
    return None


def _named(function: types.FunctionType) -> Iterator[Any]:
    """What a function names: globals, what is around it, and attributes of modules among these."""
    known = {**function.__globals__, **inspect.getclosurevars(function).nonlocals}
    codes = [function.__code__]
    for code in codes:
        codes += [c for c in code.co_consts if isinstance(c, types.CodeType)]
        value: Any = None
        for step in dis.get_instructions(code):
            if step.opname in NAMES:
                value = known.get(step.argval)
            elif step.opname in ATTRIBUTES and isinstance(value, types.ModuleType):
                value = getattr(value, step.argval, None)
            else:
                value = None
            yield value


def _draws_from(value: Any) -> str | None:
    """The module of chance that a value is, or is of."""
    if isinstance(value, types.ModuleType):
        return value.__name__ if value.__name__ in MODULES else None
    owner = value if isinstance(value, GENERATORS) else getattr(value, "__self__", None)
    if not isinstance(owner, GENERATORS):
        return None
    return "random" if isinstance(owner, random.Random) else "numpy.random"
