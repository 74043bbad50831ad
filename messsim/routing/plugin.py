"""Policies of your own, compiled by Numba to the signatures of csrc/policy.h.

Write `decide` (and, where needed, `finish` and `rated`) as plain functions of numbers and arrays; `compile_policy`
turns them into C function pointers that both engines call without the interpreter. A compiled function cannot raise:
return a negative number, which stops the run with that code and the request's number.

    def decide(request, step, models, alpha, queue, scores, costs, loads, facts, uniforms, params, state):
        ...
        return model

All arrays are float64: scores, costs and loads have `models` entries, uniforms 2, facts `models` (zeros unless the
policy declares ``needs={"outcomes"}``), params and state as given here. What changes from request to request belongs
into `state`; chance comes from `uniforms` alone.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from messsim import _core
from messsim.errors import PolicyError, ScenarioError

from .contract import Policy

__all__ = ["compile_policy"]

DECIDE = [
    "request",
    "step",
    "models",
    "alpha",
    "queue",
    "scores",
    "costs",
    "loads",
    "facts",
    "uniforms",
    "params",
    "state",
]
FINISH = ["request", "stage", "model", "models", "scores", "costs", "facts", "uniforms", "params", "state"]
RATED = ["request", "model", "satisfaction", "queue", "params", "state"]

Function = Callable[..., Any]


def compile_policy(
    name: str,
    decide: Function,
    *,
    finish: Function | None = None,
    rated: Function | None = None,
    params: Sequence[float] = (),
    state: Sequence[float] = (),
    predictor: _core.Predictor | None = None,
    learns_every_answer: bool = False,
    options: frozenset[str] = frozenset(),
    needs: frozenset[str] = frozenset(),
) -> Policy:
    """A policy from Python functions.

    Parameters
    ----------
    name
        As it shows in reports; its chance is the column ``policy:NAME``.
    decide, finish, rated
        The functions, with exactly the arguments of DECIDE, FINISH and RATED.
    params, state
        What they are given: constants, and the numbers that they may change.
    predictor
        What scores and learns; none: every score is 1/2.

    Raises
    ------
    PolicyError
        If a function has other arguments, or Numba cannot compile it.
    ScenarioError
        If Numba is not installed.
    """
    pointers = {}
    for role, function, arguments in (("decide", decide, DECIDE), ("finish", finish, FINISH), ("rated", rated, RATED)):
        if function is not None:
            pointers[role] = _compiled(role, function, arguments, len(params), len(state))
    kernel = _core.Policy(
        pointers["decide"].address,
        params,
        state,
        finish=pointers["finish"].address if finish else 0,
        rated=pointers["rated"].address if rated else 0,
    )
    kernel.keep_alive(tuple(pointers.values()))  # the machine code lives as long as the kernel
    return Policy(name, kernel, predictor, learns_every_answer, options, needs)


def _compiled(role: str, function: Function, arguments: list[str], params: int, state: int) -> Any:
    try:
        import numba
    except ImportError:
        raise ScenarioError(
            "router.policy: Numba is not installed; expected `pip install messsim[numba]` for a policy of your own"
        ) from None
    _refuse_raise(role, function)
    given = list(inspect.signature(function).parameters)
    if given != arguments:
        raise PolicyError(f"{role} takes ({', '.join(given)}); expected ({', '.join(arguments)})")
    inner = numba.njit(function)
    try:
        return numba.cfunc(_signature(numba, arguments))(_wrapper(numba, role, inner, params, state))
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


def _signature(numba: Any, arguments: list[str]) -> Any:
    whole = ("request", "step", "stage", "model", "models")
    real = ("alpha", "queue", "satisfaction")
    types = dict.fromkeys(whole, numba.int64) | dict.fromkeys(real, numba.float64)
    pointer = numba.types.CPointer(numba.float64)
    return numba.int64(*[types.get(a, pointer) for a in arguments])


def _wrapper(numba: Any, role: str, inner: Any, n_params: int, n_state: int) -> Any:
    """From pointers to arrays; a length of 0 stands as 1, which csrc always has room for."""
    carray, p, s = numba.carray, max(n_params, 1), max(n_state, 1)

    def decide(request, step, models, alpha, queue, scores, costs, loads, facts, uniforms, params, state):  # type: ignore[no-untyped-def]
        m = (models,)
        return inner(
            request,
            step,
            models,
            alpha,
            queue,
            carray(scores, m),
            carray(costs, m),
            carray(loads, m),
            carray(facts, m),
            carray(uniforms, (2,)),
            carray(params, (p,)),
            carray(state, (s,)),
        )

    def finish(request, stage, model, models, scores, costs, facts, uniforms, params, state):  # type: ignore[no-untyped-def]
        m = (models,)
        return inner(
            request,
            stage,
            model,
            models,
            carray(scores, m),
            carray(costs, m),
            carray(facts, m),
            carray(uniforms, (2,)),
            carray(params, (p,)),
            carray(state, (s,)),
        )

    def rated(request, model, satisfaction, queue, params, state):  # type: ignore[no-untyped-def]
        return inner(request, model, satisfaction, queue, carray(params, (p,)), carray(state, (s,)))

    return {"decide": decide, "finish": finish, "rated": rated}[role]
