"""Best single: the cheapest model that keeps the promise alone; the most satisfying where none does.

It knows each model's mean satisfaction and mean cost, as a provider does who evaluated the zoo before. What every
router must beat: on some of the MESS+ paper's own benchmarks it is cheaper than MESS+.
"""

from messsim.scenario.routing import Router

from .contract import Knowledge, Policy
from .mixing import cheapest_able
from .plugin import compile_policy

__all__ = ["build"]


def decide(tenant, params):  # type: ignore[no-untyped-def]
    """params[tenant]: the model."""
    return int(params[tenant])


def build(options: Router, models: int, features: int) -> Policy:
    """Best single for one run."""

    def prepare(kernel, known: Knowledge) -> None:  # type: ignore[no-untyped-def]
        assert known.mean_satisfaction is not None
        kernel.replace([cheapest_able(known.mean_satisfaction, known.mean_costs, a) for a in known.alphas])

    return compile_policy("best-single", decide, needs=frozenset({"mean_satisfaction"}), prepare=prepare)
