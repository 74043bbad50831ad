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

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from messsim import _core
from messsim.errors import PolicyError

from .contract import Policy, Prepare
from .roles import SIGNATURES, compiled_role, plain

__all__ = ["ARGUMENTS", "compile_policy"]

ARGUMENTS = {role: SIGNATURES[role].arguments for role in ("decide", "finish", "rated", "learn")}

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
    if prepare is not None and inspect.iscoroutinefunction(prepare):
        raise PolicyError("prepare is an async function; expected a plain one, without async")
    functions = {"decide": decide, "finish": finish, "rated": rated, "learn": learn}
    roles = {r: compiled_role(r, plain(r, f), uniforms, boundscheck) for r, f in functions.items() if f is not None}
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
