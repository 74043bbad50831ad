"""The contract of a routing policy, for both engines and for a policy of your own.

A policy is asked five things, always in this order for a request:

``score(x, scores, first)``
    Predicted satisfaction of a block of requests, before any of them is decided. A pure function of the
    weights: when `version` changes, what follows is scored again.
``decide(request, step, alpha, queue, scores, costs, loads, uniforms, facts)``
    Once per request, with the virtual queue and the loads of that very moment. Returns a plan: a model's
    index, ``PLAN_ALL`` (every model gets a copy; the user sees the reference model's answer),
    ``PLAN_EXPLORE | m`` (m alone, but an exploring step) or ``PLAN_CHAIN | m`` (m first, then as `finish`
    says).
``finish(request, stage, model, scores, costs, uniforms, facts)``
    Chains only: the model to ask next, or the number of models when the user gets this answer.
``rated(request, model, satisfaction, queue)``
    The label of an answer that the user saw is in.
``learn(x, labels)``
    All labels of a request are in; NaN for models that were not asked, rejected or lost.

The arithmetic of `decide`, `finish` and `rated` exists once: C functions, or functions that Numba compiles
to the same signatures (csrc/policy.h), so that every engine calls the same machine code. State is one
float64 array; chance comes in as two uniforms a request, from the column ``policy:NAME``.

To add a policy, write one file with a function ``build(options, models, features) -> Policy`` and name it in
`messsim.routing.POLICIES`, or in the entry-point group ``messsim.policies`` of a package of your own.
"""

from collections.abc import Callable
from dataclasses import dataclass

from messsim import _core
from messsim.scenario.routing import Router

__all__ = ["PLAN_ALL", "PLAN_CHAIN", "PLAN_EXPLORE", "PLAN_MODEL", "Build", "Policy"]

PLAN_ALL = _core.PLAN_ALL
PLAN_CHAIN = _core.PLAN_CHAIN
PLAN_EXPLORE = _core.PLAN_EXPLORE
PLAN_MODEL = _core.PLAN_MODEL  # plan & PLAN_MODEL is the model that a plan names


@dataclass(frozen=True)
class Policy:
    """A policy, built for one run.

    Attributes
    ----------
    name
        As on the command line.
    kernel
        `decide`, `finish` and `rated` with their parameters and their state.
    predictor
        What scores and learns; None for a policy that needs no scores (it sees 1/2 for every model).
    learns_every_answer
        Whether each rated answer is a step on its own model, not only a fully explored request.
    options
        The keys of ``[router]`` that it reads.
    needs
        What it must be told beyond features, out of "outcomes" and "loads". It gets nothing else.
    """

    name: str
    kernel: _core.Policy
    predictor: _core.Predictor | None = None
    learns_every_answer: bool = False
    options: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()


Build = Callable[[Router, int, int], Policy]  # (options, models, features)
