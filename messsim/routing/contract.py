"""The contract of a routing policy, for both engines and for a policy of your own.

A policy is asked, always in this order for a request:

``score(x, scores, first)``
    Predicted satisfaction of a block of requests, before any of them is decided. A pure function of the
    weights: when `version` changes, what follows is scored again.
``decide``
    Once per request, with the virtual queue and the loads of that very moment. Returns a plan: a model's
    index, ``PLAN_ALL`` (every model gets a copy; the user sees the reference model's answer),
    ``PLAN_EXPLORE | m`` (m alone, but an exploring step) or ``PLAN_CHAIN | m`` (m first, then as `finish`
    says).
``finish``
    Chains only: the model to ask next, or the number of models when the user gets this answer.
``rated``
    The label of an answer that the user saw is in.
``learn``
    All labels of a request are in; NaN for models that were not asked, rejected or lost. First the predictor
    takes its step, then the policy is told.

The arithmetic of `decide`, `finish`, `rated` and `learn` exists once: C functions, or functions that Numba compiles
to the same signatures (csrc/policy.h, `messsim.routing.plugin`), so that every engine calls the same machine code.
State is one float64 array; chance comes in as uniforms of the request, from the column ``policy:NAME``.

Before the first request, `prepare` may look at what the policy declares it `needs`, and at nothing else.

To add a policy, write one file with a function ``build(options, models, features) -> Policy`` and name it in
`messsim.routing.POLICIES`, or in the entry-point group ``messsim.policies`` of a package of your own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from messsim import _core
from messsim.scenario.routing import Router

__all__ = [
    "OF_QUEUE",
    "PLAN_ALL",
    "PLAN_CHAIN",
    "PLAN_EXPLORE",
    "PLAN_MODEL",
    "Build",
    "Facts",
    "Knowledge",
    "Policy",
    "Prepare",
    "ledger_of",
]

OF_QUEUE = frozenset({"discount", "window", "initial_queue"})  # options of whoever decides by the virtual queue
PLAN_ALL = _core.PLAN_ALL
PLAN_CHAIN = _core.PLAN_CHAIN
PLAN_EXPLORE = _core.PLAN_EXPLORE
PLAN_MODEL = _core.PLAN_MODEL  # plan & PLAN_MODEL is the model that a plan names

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]


def ledger_of(alpha: float, options: Router) -> _core.Ledger:
    """A virtual queue as it starts."""
    window = options.window or 0
    return _core.Ledger(alpha, discount=options.discount, window=window, initial=options.initial_queue)


@dataclass(frozen=True)
class Facts:
    """What is true of some requests, hidden from every honest router.

    Attributes
    ----------
    tenant : int32 [n]
    costs : float64 [models, n]
        Known costs.
    satisfaction : float64 [models, n]
        Potential outcomes; or their probabilities, for a policy that needs "difficulty".
    """

    tenant: Ints
    costs: Floats
    satisfaction: Floats


@dataclass(frozen=True)
class Knowledge:
    """What a policy may look at before the first request; None: it does not declare that it needs it.

    Attributes
    ----------
    alphas
        The promise of each tenant.
    requests
        How many are expected, by each instance of the router; None where nobody knows.
    mean_costs
        Mean known cost of each model, in the scenario's unit.
    mean_satisfaction
        Of each model ("mean_satisfaction").
    turnover_s
        Of each model, the seconds in which as many requests are served as have a place, when all places are
        taken; 0 without servers ("loads").
    facts
        All requests of the run, block after block, as often as it is called ("outcomes", "difficulty").
    sample
        Labelled requests of the same kind as the run's, but other ones: a training set ("training").
    """

    alphas: list[float]
    requests: float | None
    mean_costs: list[float]
    mean_satisfaction: list[float] | None = None
    turnover_s: list[float] | None = None
    facts: Callable[[], Iterator[Facts]] | None = None
    sample: Callable[[int], Facts] | None = None


Prepare = Callable[[_core.Policy, Knowledge], None]


@dataclass(frozen=True)
class Policy:
    """A policy, built for one run.

    Attributes
    ----------
    name
        As on the command line.
    kernel
        `decide`, `finish`, `rated` and `learn` with their parameters and their state.
    predictor
        What scores and learns; None for a policy that needs no scores (it sees 1/2 for every model).
    learns_every_answer
        Whether each rated answer is a lesson on its own model, not only those of exploring requests.
    options
        The keys of ``[router]`` that it reads.
    needs
        What it must be told, out of "features" (of the request it decides), "loads", "mean_satisfaction", "training",
        "outcomes" or "difficulty" (`facts`: what will satisfy, or how probably). It gets nothing else.
    prepare
        Called once before the run; fills the kernel's parameters and state.
    """

    name: str
    kernel: _core.Policy
    predictor: _core.Predictor | None = None
    learns_every_answer: bool = False
    options: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    prepare: Prepare | None = None

    def cost_estimate(self, router: Router) -> str:
        """How it is told of costs: as the options say if it reads them, else each request's known cost."""
        return router.cost_estimate if "cost_estimate" in self.options else "known"

    def copies(self, count: int) -> "list[Policy]":
        """As many instances of it, itself the first: each with a state and a predictor of its own, now all alike."""
        return [self, *(self._copy() for _ in range(count - 1))]

    def _copy(self) -> "Policy":
        predictor = None if self.predictor is None else self.predictor.copy()
        return replace(self, kernel=self.kernel.copy(), predictor=predictor)


Build = Callable[[Router, int, int], Policy]  # (options, models, features)
