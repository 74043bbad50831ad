"""Policies as plain functions, compiled by Numba to the signatures of csrc/policy.h.

Write `decide` (and, where needed, `finish`, `rated` and `learn`) as functions of numbers and arrays; `compile_policy`
turns them into C function pointers that both engines call without the interpreter. Each function names the arguments
that it wants, out of those of its role in ARGUMENTS:

    def decide(step, models, queue, scores, costs, params):
        ...
        return model

All arrays are float64: scores, costs, loads, facts and labels have `models` entries, features `dimensions`, uniforms as
many as the policy declares, params and state as given here. What changes from request to request belongs into `state`;
chance comes from `uniforms` alone. A compiled function cannot raise: return a negative number, which stops the run with
that code and the request's number.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from messsim import _core
from messsim.errors import PolicyError

from .contract import Policy, Prepare

__all__ = ["ARGUMENTS", "compile_policy"]

ARGUMENTS = {
    "decide": (
        *("request", "step", "tenant", "models", "dimensions", "alpha", "queue"),
        *("scores", "costs", "loads", "facts", "features", "uniforms", "params", "state"),
    ),
    "finish": (
        *("request", "stage", "tenant", "model", "models"),
        *("scores", "costs", "facts", "uniforms", "params", "state"),
    ),
    "rated": ("request", "tenant", "model", "alpha", "satisfaction", "queue", "params", "state"),
    "learn": ("request", "tenant", "models", "dimensions", "features", "labels", "params", "state"),
}
UNKNOWN = 2**40
REAL = {"alpha", "queue", "satisfaction"}
LENGTHS = dict.fromkeys(["scores", "costs", "loads", "facts", "labels"], "models") | {"features": "dimensions"}

Function = Callable[..., Any]


def compile_policy(
    name: str,
    decide: Function,
    *,
    finish: Function | None = None,
    rated: Function | None = None,
    learn: Function | None = None,
    params: Sequence[float] = (),
    state: Sequence[float] = (),
    uniforms: int = 2,
    predictor: _core.Predictor | None = None,
    learns_every_answer: bool = False,
    options: frozenset[str] = frozenset(),
    needs: frozenset[str] = frozenset(),
    prepare: Prepare | None = None,
) -> Policy:
    """A policy from Python functions.

    Parameters
    ----------
    name
        As it shows in reports; its chance is the column ``policy:NAME``.
    decide, finish, rated, learn
        The functions, each with any of the arguments of its role in ARGUMENTS.
    params, state
        What they are given: constants, and the numbers that they may change. Arrays without a length where
        `prepare` is given, which may replace them.
    uniforms
        How many a request has, an even number.
    predictor
        What scores and learns; none: every score is 1/2.
    learns_every_answer, options, needs, prepare
        As in `Policy`.

    Raises
    ------
    PolicyError
        If a function has other arguments, or Numba cannot compile it.
    """
    functions = {"decide": decide, "finish": finish, "rated": rated, "learn": learn}
    # What `prepare` puts in has a length that nobody knows yet: such a policy must not ask for one.
    exact = (max(len(params), 1), max(len(state), 1), uniforms)
    n_params, n_state, n_uniforms = exact if prepare is None else (UNKNOWN, UNKNOWN, UNKNOWN)
    pointers = {
        role: _compiled(role, f, n_params, n_state, n_uniforms) for role, f in functions.items() if f is not None
    }
    address = {role: pointers[role].address if role in pointers else 0 for role in functions}
    kernel = _core.Policy(
        address["decide"],
        params,
        state,
        finish=address["finish"],
        rated=address["rated"],
        learn=address["learn"],
        uniforms=uniforms,
    )
    kernel.keep_alive(tuple(pointers.values()))  # the machine code lives as long as the kernel
    return Policy(name, kernel, predictor, learns_every_answer, options, needs, prepare)


@lru_cache(maxsize=64)
def _compiled(role: str, function: Function, n_params: int, n_state: int, uniforms: int) -> Any:
    import numba

    _refuse_raise(role, function)
    given = list(inspect.signature(function).parameters)
    if strange := [a for a in given if a not in ARGUMENTS[role]]:
        raise PolicyError(f"{role} takes {', '.join(strange)}; expected any of {', '.join(ARGUMENTS[role])}")
    try:
        lengths = LENGTHS | {"params": n_params, "state": n_state, "uniforms": uniforms}
        wrapper = _wrapper(numba, role, numba.njit(function), given, lengths)
        return numba.cfunc(_signature(numba, role))(wrapper)
    except numba.core.errors.NumbaError as error:
        reason = str(error).strip().split("\n")[0]
        raise PolicyError(f"{role} of {function.__module__} cannot be compiled: {reason}") from None


def _refuse_raise(role: str, function: Function) -> None:
    """An exception inside a compiled function would be printed and 0 returned: a valid model."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError):  # no source at hand, as in an interactive session
        return
    for node in ast.walk(tree):
        if isinstance(node, (ast.Raise, ast.Assert)):
            what = "raises" if isinstance(node, ast.Raise) else "asserts"
            raise PolicyError(
                f"{role} {what} in its line {node.lineno}; a compiled function cannot: return a negative number instead"
            )


def _is_array(argument: str) -> bool:
    return argument in LENGTHS or argument in ("uniforms", "params", "state")


def _signature(numba: Any, role: str) -> Any:
    pointer = numba.types.CPointer(numba.float64)
    types = [pointer if _is_array(a) else numba.float64 if a in REAL else numba.int64 for a in ARGUMENTS[role]]
    return numba.int64(*types)


def _wrapper(numba: Any, role: str, inner: Any, given: list[str], lengths: dict[str, Any]) -> Any:
    """The whole signature around a function that takes some of it: pointers become arrays.

    Written as source, since Numba has no other way to pass on a choice of arguments. A length of 0 stands as 1,
    which csrc always has room for.
    """
    passed = [f"carray({a}, ({lengths[a]},))" if _is_array(a) else a for a in given]
    source = f"def {role}({', '.join(ARGUMENTS[role])}):\n    return inner({', '.join(passed)})\n"
    space = {"inner": inner, "carray": numba.carray}
    exec(source, space)
    return space[role]
