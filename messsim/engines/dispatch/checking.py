"""`check_rule`: what a rule of dispatch of one's own breaks, in words its author understands."""

from __future__ import annotations

import numpy as np

from messsim import _core
from messsim.errors import PolicyError
from messsim.routing import interruptible
from messsim.workload.chunk import Floats

__all__ = ["check_rule"]

TRIES = 1_000
REPLICAS = (2, 3, 8, 100)
MAY_RAISE = (ArithmeticError, ValueError, IndexError)  # where compiled code goes on with another number


def check_rule(rule: _core.DispatchRule) -> list[str]:
    """Tries a rule on made-up choices, and on the extreme ones that a run may bring.

    Among these: two replicas and a hundred, all idle, all alike and all overloaded, full memory and empty, prompts that
    every cache holds or none, requests of no session, and uniforms next to 0 and 1.

    Returns
    -------
    list of str
        One line for each clause of the contract that it breaks; empty if none was seen. Its state is put back.
    """
    return interruptible(_check, rule)


def _check(rule: _core.DispatchRule) -> list[str]:
    choices = [*_extremes(), *_made_up()]
    before = rule.state.copy()
    try:
        problems = _picks(rule, choices)
        if not problems:
            rule.state[:] = before
            problems = [*_calculates(rule, choices), *_repeats(rule, choices, before)]
    finally:
        rule.state[:] = before
    return problems


class _Choice:
    """One made-up choice."""

    def __init__(self, request: int, replicas: int, chance: np.random.Generator) -> None:
        self.request = request
        self.replicas = replicas
        self.attempt = int(chance.integers(0, 3))
        self.session = int(chance.integers(-1, 50))
        self.prompt_tokens = int(chance.integers(1, 100_000))
        self.now_s = float(chance.exponential(1e4))
        self.numbers: Floats = np.cumsum(chance.integers(1, 3, size=replicas)).astype(np.float64)  # some are down
        self.loads: Floats = np.floor(chance.exponential(20.0, size=replicas))
        self.waiting: Floats = np.floor(self.loads / 2.0)
        self.usage: Floats = chance.uniform(size=replicas)
        self.cached: Floats = np.floor(chance.uniform(size=replicas) * self.prompt_tokens)
        self.uniforms: Floats = chance.uniform(2.0**-53, 1.0 - 2.0**-53, size=2)

    def pick(self, rule: _core.DispatchRule) -> int:
        seen = self.numbers, self.loads, self.waiting, self.usage, self.cached, self.uniforms
        return rule.pick(self.request, self.attempt, self.session, self.prompt_tokens, self.now_s, *seen)


def _made_up() -> list[_Choice]:
    chance = np.random.default_rng(0)
    return [_Choice(k, REPLICAS[k % len(REPLICAS)], chance) for k in range(TRIES)]


def _extremes() -> list[_Choice]:
    """Each takes one thing to an end, or everything; for few replicas and many."""
    choices: list[_Choice] = []
    for replicas in REPLICAS:
        nothing, much, full = np.zeros(replicas), np.full(replicas, 1e6), np.ones(replicas)
        ends: list[dict[str, object]] = [
            {"loads": nothing, "waiting": nothing, "usage": nothing, "cached": nothing},
            {"loads": much, "waiting": much, "usage": full},
            {"prompt_tokens": 1, "cached": nothing},
            {"prompt_tokens": 1_000_000, "cached": np.full(replicas, 1e6)},
            {"session": -1, "request": 0, "now_s": 0.0, "attempt": 0},
            {"session": 2**40, "request": 2**40, "now_s": 1e12, "attempt": 1_000},
            {"uniforms": np.full(2, 2.0**-53)},
            {"uniforms": np.full(2, 1.0 - 2.0**-53)},
            {"numbers": np.arange(replicas) * 1_000.0},
        ]
        for end in ends:
            choice = _Choice(len(choices), replicas, np.random.default_rng(1))
            vars(choice).update(end)
            choices.append(choice)
    return choices


def _picks(rule: _core.DispatchRule, choices: list[_Choice]) -> list[str]:
    for choice in choices:
        try:
            choice.pick(rule)
        except PolicyError as error:
            return [f"{error}, of {choice.replicas} replicas"]
    if not np.isfinite(rule.state).all():
        return ["the rule of dispatch leaves a state that is not finite"]
    return []


def _calculates(rule: _core.DispatchRule, choices: list[_Choice]) -> list[str]:
    """Compiled arithmetic goes on where Python's stops: log(-1) is NaN, exp(1000) infinite."""
    for function in rule.functions:
        for choice in choices[:300]:
            error = function.interpreted(vars(choice) | {"params": rule.params, "state": rule.state})
            if isinstance(error, MAY_RAISE):
                return [
                    f"the rule of dispatch: at request {choice.request} Python raises {type(error).__name__}: {error}, "
                    "where compiled code goes on with another number"
                ]
    return []


def _repeats(rule: _core.DispatchRule, choices: list[_Choice], before: Floats) -> list[str]:
    picks = []
    for _ in range(2):
        rule.state[:] = before
        picks.append([choice.pick(rule) for choice in choices])
    if picks[0] != picks[1]:
        first = next(k for k, (a, b) in enumerate(zip(*picks, strict=True)) if a != b)
        return [
            f"the rule of dispatch gave {picks[0][first]} and then {picks[1][first]} for the same state and arguments; "
            "chance may come from uniforms alone"
        ]
    return []
