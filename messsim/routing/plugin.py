"""Policies as plain functions, compiled by Numba to the signatures of csrc/policy.h.

Write `decide` (and, where needed, `finish`, `rated` and `learn`) as functions of numbers and arrays; `compile_policy`
turns them into C function pointers that both engines call without the interpreter. Each function names the arguments
that it wants, out of those of its role in ARGUMENTS:

    def decide(step, models, queue, scores, costs, params):
        ...
        return model

All arrays are float64: scores, costs, loads, facts and labels have `models` entries, features `dimensions`, uniforms as
many as the policy declares, params and state as many as they were given. Only `state` may be written; what changes from
request to request belongs there. Chance comes from `uniforms` alone. A division by zero or an index out of range stops
the run, and so does a negative number, which is returned as an error code.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from messsim import _core
from messsim.errors import PolicyError

from .compiled import compiled_by, digest_of
from .contract import Policy, Prepare
from .failures import Role, reason

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
REAL = {"alpha", "queue", "satisfaction"}
# As an expression in a wrapper; params and state have theirs before their first entry (csrc/policy.h).
LENGTHS = dict.fromkeys(["scores", "costs", "loads", "facts", "labels"], "models") | {
    "features": "dimensions",
    "params": "int(params[-1])",
    "state": "int(state[-1])",
}
WRITABLE = "state"

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
    boundscheck: bool = True,
) -> Policy:
    """A policy from Python functions.

    Parameters
    ----------
    name
        As it shows in reports; its chance is the column ``policy:NAME``.
    decide, finish, rated, learn
        The functions, each with any of the arguments of its role in ARGUMENTS.
    params, state
        What they are given: constants, and the numbers that they may change; `prepare` may replace them.
    uniforms
        How many a request has, an even number.
    predictor
        What scores and learns; none: every score is 1/2.
    learns_every_answer, options, needs, prepare
        As in `Policy`.
    boundscheck
        Whether an index out of range stops the run. Without it such an index reads or overwrites other memory.

    Raises
    ------
    PolicyError
        If a function has other arguments, returns something else than a whole number, writes to what it may only
        read, or Numba cannot compile it.
    """
    if not isinstance(name, str) or not name:
        raise PolicyError(f"compile_policy: name = {name!r}: expected a string of at least one character")
    functions = {"decide": decide, "finish": finish, "rated": rated, "learn": learn}
    roles = {r: _compiled(r, _plain(r, f), uniforms, boundscheck) for r, f in functions.items() if f is not None}
    address = {role: roles[role].address if role in roles else 0 for role in functions}
    kernel = _core.Policy(
        address["decide"],
        params,
        state,
        finish=address["finish"],
        rated=address["rated"],
        learn=address["learn"],
        uniforms=uniforms,
    )
    kernel.keep_alive(tuple(roles.values()))  # the machine code lives as long as the kernel
    return Policy(name, kernel, predictor, learns_every_answer, options, needs, prepare)


def _plain(role: str, function: Function) -> Function:
    """The Python function, also of one that Numba has compiled already."""
    plain: Function = getattr(function, "py_func", function)
    if not inspect.isfunction(plain):
        raise PolicyError(f"{role} = {function!r}: expected a Python function")
    return plain


@lru_cache(maxsize=64)
def _compiled(role: str, function: Function, uniforms: int, boundscheck: bool) -> Role:
    import numba

    _refuse_raise(role, function)
    given = list(inspect.signature(function).parameters)
    if strange := [a for a in given if a not in ARGUMENTS[role]]:
        raise PolicyError(f"{role} takes {', '.join(strange)}; expected any of {', '.join(ARGUMENTS[role])}")
    types = tuple(_type(numba, a) for a in given)
    # only compiled code calls it: the wrappers for Python are half the work of the compiler
    options: Any = {"boundscheck": boundscheck, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    digest = digest_of(function, role, str(uniforms), str(boundscheck))
    try:
        inner = compiled_by(lambda cache: numba.njit(types, cache=cache, **options)(function), digest)
    except numba.core.errors.NumbaError as error:
        raise PolicyError(f"{role} of {function.__module__} cannot be compiled: {reason(error)}") from None
    _check_return(numba, role, inner.nopython_signatures[0].return_type)
    compiled = Role(role, inner, ARGUMENTS[role], given, LENGTHS | {"uniforms": str(uniforms)})
    compiled.link(_signature(numba, role), digest)
    return compiled


def _check_return(numba: Any, role: str, returned: Any) -> None:
    expected = {"decide": "a plan", "finish": "a model"}.get(role, "0 or an error code below 0")
    what = f"{role} returns {{}}; expected {expected}, a whole number"
    if isinstance(returned, numba.types.NoneType):
        raise PolicyError(what.format("nothing"))
    if isinstance(returned, numba.types.Optional):
        raise PolicyError(what.format("nothing on some of its ways"))
    if not isinstance(returned, (numba.types.Integer, numba.types.Boolean)):
        raise PolicyError(what.format(f"a {returned}") + "; int(...) makes one of a number")


def _refuse_raise(role: str, function: Function) -> None:
    """What a function reports it returns, so that one place says how."""
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
    return argument in LENGTHS or argument == "uniforms"


def _type(numba: Any, argument: str) -> Any:
    """Of an argument as the user's function sees it."""
    if _is_array(argument):
        return numba.types.Array(numba.float64, 1, "C", readonly=argument != WRITABLE)
    return numba.float64 if argument in REAL else numba.int64


def _signature(numba: Any, role: str) -> Any:
    """Of a role as C calls it."""
    pointer = numba.types.CPointer(numba.float64)
    types = [pointer if _is_array(a) else numba.float64 if a in REAL else numba.int64 for a in ARGUMENTS[role]]
    return numba.int64(*types)
