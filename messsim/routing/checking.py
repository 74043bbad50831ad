"""`check_policy`: what a policy breaks of the contract, in words its author understands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from messsim import _core
from messsim.errors import PolicyError

from .contract import PLAN_ALL, PLAN_CHAIN, PLAN_MODEL, Policy
from .interruptible import interruptible

__all__ = ["check_policy"]

TRIES = 2_000
MAY_RAISE = (
    ArithmeticError,
    ValueError,
    IndexError,
)  # where compiled code goes on with NaN, infinity or another number
QUEUES = (0.0, 1e-9, 0.5, 3.0, 1e6)


def check_policy(policy: Policy, models: int, features: int = 0) -> list[str]:
    """Tries a policy on thousands of made-up requests, and on the extreme ones that a run may bring.

    Among these: an empty and a very long queue, a promise of 0 and of 1, costs that are zero, or infinite for all
    models but one, equal scores, features of 0, no load and much, and a single model.

    Parameters
    ----------
    policy
        Built for `models` models and `features` features.

    Returns
    -------
    list of str
        One line for each clause of the contract that it breaks; empty if none was found. The policy's state is put
        back as it was.

    Raises
    ------
    PolicyError
        If the first argument is no policy, or there is no model.
    """
    if not isinstance(policy, Policy):
        raise PolicyError(f"check_policy: policy = {policy!r:.60}: expected a Policy, as compile_policy makes it")
    if models < 1 or features < 0:
        raise PolicyError(f"check_policy: models = {models}, features = {features}: expected at least 1 and 0")
    return interruptible(_check, policy, models, features)


def _check(policy: Policy, models: int, features: int) -> list[str]:
    state = policy.kernel.state.copy()
    extreme, made_up = _extremes(policy, models, features), _requests(policy, models, features)
    problems = _decides(policy, extreme + made_up)  # if it cannot even decide, the rest would say the same again
    if not problems:
        policy.kernel.state[:] = state
        problems = [*_calculates(policy, extreme + made_up[:200]), *_decides_alone(policy, features)]
    if not problems:
        problems = [*_repeats(policy, made_up), *_ends_chains(policy, extreme + made_up)]
        problems += _listens(policy, extreme + made_up)
    policy.kernel.state[:] = state
    return problems


class _Request:
    """One made-up request."""

    def __init__(self, number: int, models: int, features: int, uniforms: int, chance: np.random.Generator) -> None:
        self.number = number
        self.alpha = float(chance.uniform())
        self.queue = float(chance.choice(QUEUES))
        self.scores = chance.uniform(size=models) if number % 7 else np.full(models, 0.5)
        self.costs = chance.exponential(100.0, size=models) if number % 5 else np.zeros(models)
        self.loads = chance.uniform(0.0, 2.0, size=models) if number % 3 else np.zeros(models)
        self.facts: NDArray[np.float64] = np.round(chance.uniform(size=models))
        self.uniforms = chance.uniform(2.0**-53, 1.0 - 2.0**-53, size=uniforms)
        self.features = chance.normal(size=features)
        self.labels: NDArray[np.float64] = np.where(chance.uniform(size=models) < 0.5, self.facts, np.nan)

    def arrays(self) -> tuple[NDArray[np.float64], ...]:
        return self.scores, self.costs, self.loads, self.uniforms, self.features

    def call(self, policy: Policy) -> dict[str, object]:
        """The arguments of `decide` by name."""
        count = len(self.scores)
        facts = self.facts_for(policy)
        lists = {"scores": self.scores, "costs": self.costs, "loads": self.loads, "uniforms": self.uniforms}
        return lists | {
            "request": self.number,
            "step": self.number + 1,
            "tenant": 0,
            "models": count,
            "dimensions": len(self.features),
            "alpha": self.alpha,
            "queue": self.queue,
            "facts": np.zeros(count) if facts is None else facts,
            "features": self.features,
            "params": policy.kernel.params,
            "state": policy.kernel.state,
        }

    def facts_for(self, policy: Policy) -> NDArray[np.float64] | None:
        return self.facts if policy.needs & {"outcomes", "difficulty"} else None

    def decide(self, policy: Policy) -> int:
        return int(
            policy.kernel.decide(
                self.number,
                self.number + 1,
                self.alpha,
                self.queue,
                self.scores,
                self.costs,
                self.loads,
                self.uniforms,
                self.facts_for(policy),
                self.features if "features" in policy.needs else None,
            )
        )


def _requests(policy: Policy, models: int, features: int) -> list[_Request]:
    chance = np.random.default_rng(0)
    return [_Request(k, models, features, policy.kernel.uniforms, chance) for k in range(TRIES)]


def _extremes(policy: Policy, models: int, features: int) -> list[_Request]:
    """Each takes one thing to an end, or everything."""
    only_first, only_last = np.full(models, np.inf), np.full(models, np.inf)
    only_first[0] = only_last[-1] = 100.0
    nothing, much = np.zeros(models), np.full(models, 1e6)
    ends: list[dict[str, object]] = [
        {"queue": 0.0, "scores": nothing},
        {"queue": 1e9, "alpha": 1.0},
        {"alpha": 0.0, "scores": np.ones(models)},
        {"scores": np.full(models, 0.5), "costs": nothing, "loads": nothing},
        {"costs": only_first, "loads": much},
        {"costs": only_last, "queue": 0.0},
        {"features": np.zeros(features), "uniforms": np.full(policy.kernel.uniforms, 2.0**-53)},
        {"features": np.full(features, 1e6), "uniforms": np.full(policy.kernel.uniforms, 1.0 - 2.0**-53)},
        {"queue": 0.0, "alpha": 0.0, "scores": nothing, "costs": nothing, "loads": nothing},
    ]
    requests: list[_Request] = []
    for end in ends:
        request = _Request(len(requests), models, features, policy.kernel.uniforms, np.random.default_rng(1))
        vars(request).update(end)
        requests.append(request)
    return requests


def _decides_alone(policy: Policy, features: int) -> list[str]:
    """A scenario may have one model; what `prepare` knows of more models does not fit it."""
    if policy.prepare is not None:
        return []
    request = _Request(0, 1, features, policy.kernel.uniforms, np.random.default_rng(2))
    try:
        request.decide(policy)
    except PolicyError as error:
        return [f"decide: where there is one model, {error}"]
    return []


def _calculates(policy: Policy, made_up: list[_Request]) -> list[str]:
    """Compiled arithmetic goes on where Python's stops: log(-1) is NaN, exp(1000) infinite."""
    for function in getattr(policy.kernel, "functions", ()):
        for request in made_up if function.role == "decide" else []:
            error = function.interpreted(request.call(policy))
            if isinstance(error, MAY_RAISE):
                return [
                    f"decide: at request {request.number} Python raises {type(error).__name__}: {error}, where "
                    "compiled code goes on with another number"
                ]
    return []


def _decides(policy: Policy, made_up: list[_Request]) -> list[str]:
    params = policy.kernel.params.copy()
    for request in made_up:
        given = [a.copy() for a in request.arrays()]
        try:
            request.decide(policy)
        except PolicyError as error:
            return [f"decide: {error}"]
        if any((a != b).any() for a, b in zip(given, request.arrays(), strict=True)):
            return [f"decide: writes into its arguments at request {request.number}; only state may be written"]
        if (policy.kernel.params != params).any():
            return [f"decide: writes into params at request {request.number}; what changes belongs into state"]
    if not np.isfinite(policy.kernel.state).all():
        return ["decide: leaves a state that is not finite"]
    return []


def _repeats(policy: Policy, made_up: list[_Request]) -> list[str]:
    state = policy.kernel.state.copy()
    plans = []
    for _ in range(2):
        policy.kernel.state[:] = state
        plans.append([request.decide(policy) for request in made_up])
    if plans[0] != plans[1]:
        first = next(k for k, (a, b) in enumerate(zip(*plans, strict=True)) if a != b)
        once, again = plans[0][first], plans[1][first]
        return [
            f"decide: the same state and arguments gave {once} and then {again} at request {first}; chance may come "
            "from uniforms alone"
        ]
    return []


def _ends_chains(policy: Policy, made_up: list[_Request]) -> list[str]:
    for request in made_up[:200]:
        try:
            plan = request.decide(policy)
            if plan == PLAN_ALL or not plan & PLAN_CHAIN:
                continue
            model, stage, models = plan & PLAN_MODEL, 0, len(request.scores)
            while model != models:
                arguments = (request.number, stage, model, request.scores, request.costs, request.uniforms)
                model = int(policy.kernel.finish(*arguments, request.facts_for(policy)))
                stage += 1
                if stage == _core.CHAIN_MOST - 1:
                    return [f"finish: the chain of request {request.number} goes on after {stage} answers"]
        except PolicyError as error:
            return [f"finish: {error}"]
    return []


def _listens(policy: Policy, made_up: list[_Request]) -> list[str]:
    try:
        for k in range(100):
            policy.kernel.rated(k, 0, 0.5, float(k % 2), 0.1 * k)
    except PolicyError as error:
        return [f"rated: {error}"]
    try:
        for request in made_up[:100]:
            policy.kernel.learn(request.number, request.features, request.labels)
    except PolicyError as error:
        return [f"learn: {error}"]
    return []
