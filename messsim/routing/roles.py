"""Functions of the user's, compiled to the signature of their role: one for each place where C calls one.

A function names the arguments that it wants, out of those of its role; `compiled_role` makes a C function pointer of
it. All arrays are float64, and only `state` may be written.
"""

import ast
import ctypes
import inspect
import os
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from messsim.errors import PolicyError

from .compiled import compiled_by, digest_of
from .failures import Role, reason
from .machine_code import SETTINGS

__all__ = ["SIGNATURES", "compiled_role", "plain"]

Function = Callable[..., Any]

WRITABLE = "state"
REAL = {"alpha", "queue", "satisfaction", "now_s"}
# As an expression in a wrapper; params and state have theirs before their first entry (csrc/policy.h).
OF_ALL = {"params": "int(params[-1])", "state": "int(state[-1])"}
OF_MODELS = dict.fromkeys(["scores", "costs", "loads", "facts", "labels"], "models")
OF_REPLICAS = dict.fromkeys(["numbers", "loads", "waiting", "usage", "cached"], "replicas")


@dataclass(frozen=True)
class Signature:
    """What a role is given, the lengths of the arrays among it, and what it is to return."""

    arguments: tuple[str, ...]
    lengths: Mapping[str, str]
    returns: str = "0 or an error code below 0"


SIGNATURES = {  # csrc/policy.h, and of pick csrc/dispatch_plan.h
    "decide": Signature(
        (
            *("request", "step", "tenant", "models", "dimensions", "alpha", "queue"),
            *("scores", "costs", "loads", "facts", "features", "uniforms", "params", "state"),
        ),
        OF_ALL | OF_MODELS | {"features": "dimensions"},
        "a plan",
    ),
    "finish": Signature(
        (
            *("request", "stage", "tenant", "model", "models"),
            *("scores", "costs", "facts", "uniforms", "params", "state"),
        ),
        OF_ALL | OF_MODELS,
        "a model",
    ),
    "rated": Signature(("request", "tenant", "model", "alpha", "satisfaction", "queue", "params", "state"), OF_ALL),
    "learn": Signature(
        ("request", "tenant", "models", "dimensions", "features", "labels", "params", "state"),
        OF_ALL | OF_MODELS | {"features": "dimensions"},
    ),
    "pick": Signature(
        (
            *("request", "attempt", "session", "prompt_tokens", "now_s", "replicas"),
            *("numbers", "loads", "waiting", "usage", "cached", "uniforms", "params", "state"),
        ),
        OF_ALL | OF_REPLICAS,
        "one of the replicas",
    ),
}


def plain(role: str, function: Function) -> Function:
    """The Python function, also of one that Numba has compiled already.

    Raises
    ------
    PolicyError
        If it is none, or an async one.
    """
    python: Function = getattr(function, "py_func", function)
    if not inspect.isfunction(python):
        raise PolicyError(f"{role} = {function!r}: expected a Python function")
    if inspect.iscoroutinefunction(python):
        raise PolicyError(f"{role} is an async function; expected a plain one, without async")
    return python


@lru_cache(maxsize=64)
def compiled_role(role: str, function: Function, uniforms: int, boundscheck: bool) -> Role:
    """A Python function as machine code of its role, with so many `uniforms`.

    Raises
    ------
    PolicyError
        If it has other arguments, returns something else than a whole number, writes to what it may only read, draws
        at random from something else than `uniforms`, or Numba cannot compile it.
    """
    from .unseeded import unseeded

    _refuse_raise(role, function)
    if (module := unseeded(function)) is not None:
        raise PolicyError(
            f"{role} draws from {module}, which no seed of a run governs; expected uniforms, drawn for it"
        )
    signature = SIGNATURES[role]
    lengths = {**signature.lengths, "uniforms": str(uniforms)}
    given = list(inspect.signature(function).parameters)
    if strange := [a for a in given if a not in signature.arguments]:
        raise PolicyError(f"{role} takes {', '.join(strange)}; expected any of {', '.join(signature.arguments)}")
    digest = digest_of(function, role, str(uniforms), str(boundscheck))
    compiled = Role(role, function, signature.arguments, given, lengths, digest)
    if not compiled.is_kept(tuple(_c_type(a, lengths) for a in signature.arguments)):
        _compile(compiled, digest, boundscheck)
    return compiled


def _compile(role: Role, digest: str | None, boundscheck: bool) -> None:
    """By Numba, and its wrapper.

    Raises
    ------
    PolicyError
        If Numba cannot, or the function returns something else than a whole number.
    """
    numba = _compiler()
    function = role.function
    types = tuple(_type(numba, a, role.lengths) for a in role.given)
    # only compiled code calls it: the wrappers for Python are half the work of the compiler
    options: Any = {"boundscheck": boundscheck, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    try:
        inner = compiled_by(lambda cache: numba.njit(types, cache=cache, **options)(function), digest)
    except numba.core.errors.NumbaError as error:
        raise PolicyError(f"{role.role} of {function.__module__} cannot be compiled: {reason(error)}") from None
    _check_return(numba, role.role, inner.nopython_signatures[0].return_type)
    role.link(inner, _signature(numba, role.arguments, role.lengths))


def _compiler() -> Any:
    """Numba, set to compile.

    Raises
    ------
    PolicyError
        If a variable of the environment keeps it from that.
    """
    try:
        import numba
    except ValueError as error:  # of no threads at all, for instance
        given = ", ".join(f"{name}={value}" for name, value in os.environ.items() if name.startswith(SETTINGS))
        raise PolicyError(f"Numba, which compiles it, cannot start: {error} The environment has {given}") from None
    if vars(numba)["config"].DISABLE_JIT:
        raise PolicyError("NUMBA_DISABLE_JIT is set, with which Numba compiles nothing; expected it not to be set")
    return numba


def _check_return(numba: Any, role: str, returned: Any) -> None:
    what = f"{role} returns {{}}; expected {SIGNATURES[role].returns}, a whole number"
    if isinstance(returned, numba.types.NoneType):
        raise PolicyError(what.format("nothing"))
    if isinstance(returned, numba.types.Optional):
        raise PolicyError(what.format("nothing on some of its ways"))
    if not isinstance(returned, (numba.types.Integer, numba.types.Boolean)):
        raise PolicyError(what.format(f"a {returned}") + "; int(...) makes one of a number")


def _refuse_raise(role: str, function: Function) -> None:
    """What a function reports it returns, so that one place says how."""
    try:
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, SyntaxError):  # no source at hand, as in an interactive session
        return
    for node in ast.walk(tree):
        if isinstance(node, (ast.Raise, ast.Assert)):
            what = "raises" if isinstance(node, ast.Raise) else "asserts"
            raise PolicyError(
                f"{role} {what} in line {first + node.lineno - 1} of its file; a compiled function cannot: return a "
                "negative number instead"
            )


def _type(numba: Any, argument: str, lengths: Mapping[str, str]) -> Any:
    """Of an argument as the user's function sees it."""
    if argument in lengths:
        return numba.types.Array(numba.float64, 1, "C", readonly=argument != WRITABLE)
    return numba.float64 if argument in REAL else numba.int64


def _c_type(argument: str, lengths: Mapping[str, str]) -> Any:
    """Of an argument as C passes it."""
    if argument in lengths:
        return ctypes.POINTER(ctypes.c_double)
    return ctypes.c_double if argument in REAL else ctypes.c_int64


def _signature(numba: Any, arguments: tuple[str, ...], lengths: Mapping[str, str]) -> Any:
    """Of a role as C calls it."""
    pointer = numba.types.CPointer(numba.float64)
    types = [pointer if a in lengths else numba.float64 if a in REAL else numba.int64 for a in arguments]
    return numba.int64(*types)
