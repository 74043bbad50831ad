"""Three policies to stand beside MESS+: they learn nothing and promise nothing."""

from messsim import _core
from messsim.scenario.routing import Router

from .contract import Policy

__all__ = ["cheapest", "largest", "random"]

ESTIMATE = frozenset({"cost_estimate", "cost_prior"})


def random(options: Router, models: int, features: int) -> Policy:
    """Any model with equal probability."""
    return Policy("random", _core.Policy("random", [], []))


def cheapest(options: Router, models: int, features: int) -> Policy:
    """The model of least estimated cost."""
    return Policy("cheapest", _core.Policy("cheapest", [], []), options=ESTIMATE)


def largest(options: Router, models: int, features: int) -> Policy:
    """The last model of the zoo, the dearest."""
    return Policy("largest", _core.Policy("largest", [], []))
