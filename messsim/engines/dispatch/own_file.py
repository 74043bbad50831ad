"""The rule of dispatch of one's own that a scenario names: a function of a file, which this runs, as machine code."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from messsim import _core
from messsim.errors import PolicyError, ScenarioError
from messsim.routing.files import load_function
from messsim.scenario import Scenario

__all__ = ["compile_rule", "own_rule"]

KEY = "cluster.dispatch"
UNIFORMS = 2  # MS_OWN_UNIFORMS of csrc/dispatch_plan.h


def own_rule(scenario: Scenario) -> _core.DispatchRule | None:
    """The rule that a scenario names as ``FILE.py:function``; None where it names another.

    Raises
    ------
    ScenarioError
        If the file cannot be loaded, has no such function, or the function cannot be compiled.
    """
    named = scenario.cluster.own_rule
    if named is None:
        return None
    file, function = named
    path = Path(scenario.path(file)).resolve()
    loaded = load_function(path, function, KEY, f"{function}(loads, ...)")
    try:
        return compile_rule(loaded, params=scenario.cluster.own.params, state=[0.0] * scenario.cluster.own.state)
    except PolicyError as error:
        raise ScenarioError(f"{KEY}: {path}: {error}") from None


def compile_rule(
    pick: Callable[..., Any], *, params: Sequence[float] = (), state: Sequence[float] = ()
) -> _core.DispatchRule:
    """A rule of dispatch from a Python function.

    Parameters
    ----------
    pick
        A function of any of ``request, attempt, session, prompt_tokens, now_s, replicas, numbers, loads, waiting,
        usage, cached, uniforms, params, state``, that returns one of the replicas, from 0 to ``replicas - 1``.
    params, state
        What it is given: constants, and the numbers that it may change.

    Raises
    ------
    PolicyError
        If it has other arguments, returns something else than a whole number, writes to what it may only read, or
        Numba cannot compile it.
    """
    from messsim.routing.roles import compiled_role, plain

    role = compiled_role("pick", plain("pick", pick), UNIFORMS, True)
    rule = _core.DispatchRule(
        role.address,
        params,
        state,
        sees_loads="loads" in role.given,
        sees_engines=not {"waiting", "usage"}.isdisjoint(role.given),
        sees_caches="cached" in role.given,
    )
    rule.keep_alive((role,))  # the machine code lives as long as the rule
    return rule
