"""Chance that no seed of a run governs, in functions of one's own: `random` and `numpy.random`."""

import dis
import inspect
import random
import re
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["unseeded"]

MODULES = {"random", "numpy.random"}
# Steps that load or store a name; in one, Python 3.13 and later may do two: STORE_FAST_LOAD_FAST.
NAMED = re.compile(r"(LOAD|STORE)_(GLOBAL|DEREF|FAST)")
ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD")  # the latter until Python 3.11


def unseeded(function: Callable[..., Any]) -> str | None:
    """The module from which a function, or one that it calls, draws at random; None: from none."""
    return _drawn(function, set())


def _drawn(value: Any, seen: set[types.FunctionType]) -> str | None:
    """The same of any value, functions that have been `seen` aside."""
    if (module := _draws_from(value)) is not None:
        return module
    function = getattr(value, "py_func", value)  # of one that Numba has compiled
    if not inspect.isfunction(function) or function in seen:
        return None
    seen.add(function)
    return next((module for named in _named(function) if (module := _drawn(named, seen)) is not None), None)


def _named(function: types.FunctionType) -> Iterator[Any]:
    """What a function names: globals, what is around it, attributes of modules among these, and its names for them."""
    around = dict(inspect.getclosurevars(function).nonlocals)
    codes = [function.__code__]
    for code in codes:
        codes += [c for c in code.co_consts if isinstance(c, types.CodeType)]
        known: dict[str, dict[str, object]] = {"GLOBAL": function.__globals__, "DEREF": around, "FAST": {}}
        value: Any = None
        for step in dis.get_instructions(code):
            if steps := NAMED.findall(step.opname):
                names = step.argval if isinstance(step.argval, tuple) else (step.argval,)
                for (how, scope), name in zip(steps, names, strict=True):
                    if how == "LOAD":
                        value = known[scope].get(name)
                    elif scope != "GLOBAL":
                        known[scope][name] = value
            elif step.opname == "COPY":  # a = b = module
                continue
            elif step.opname in ATTRIBUTES and isinstance(value, types.ModuleType):
                value = getattr(value, step.argval, None)
            else:
                value = None
            yield value


def _draws_from(value: Any) -> str | None:
    """The module of chance that a value is, or is of."""
    if isinstance(value, types.ModuleType):
        return value.__name__ if value.__name__ in MODULES else None
    owner = value if isinstance(value, _generators()) else getattr(value, "__self__", None)
    if not isinstance(owner, _generators()):
        return None
    return "random" if isinstance(owner, random.Random) else "numpy.random"


def _generators() -> tuple[type, ...]:
    """Classes whose objects draw at random; NumPy's, whose import takes time, where anything has imported them."""
    of_numpy = sys.modules.get("numpy.random")
    return (random.Random,) if of_numpy is None else (random.Random, of_numpy.RandomState, of_numpy.Generator)
