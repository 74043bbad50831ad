"""Educated guess: models at random, with probabilities nudged until their mix keeps the promise.

The baseline "random with constraint" of the MESS+ paper (arXiv 2505.19947). It knows each model's mean satisfaction; it
does not look at cost.
"""

import numpy as np

from messsim.scenario.routing import Router

from .contract import Knowledge, Policy
from .mixing import educated_guess
from .plugin import compile_policy

__all__ = ["build"]


def decide(tenant, models, uniforms, params):  # type: ignore[no-untyped-def]
    """params[tenant * models + m]: probability of the models up to m."""
    for m in range(models - 1):
        if uniforms[1] < params[tenant * models + m]:
            return m
    return models - 1


def build(options: Router, models: int, features: int) -> Policy:
    """Educated guess for one run."""

    def prepare(kernel, known: Knowledge) -> None:  # type: ignore[no-untyped-def]
        assert known.mean_satisfaction is not None
        kernel.replace(np.concatenate([np.cumsum(educated_guess(known.mean_satisfaction, a)) for a in known.alphas]))

    return compile_policy("educated-guess", decide, needs=frozenset({"mean_satisfaction"}), prepare=prepare)
