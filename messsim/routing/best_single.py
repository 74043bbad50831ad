"""Best single: the cheapest model that keeps the promise alone; the most satisfying where none does.

It knows each model's mean satisfaction and mean cost, as a provider does who evaluated the zoo before. What every
router must beat: on some of the MESS+ paper's own benchmarks it is cheaper than MESS+.
"""

from messsim import _core
from messsim.scenario.routing import Router

from .contract import Knowledge, Policy
from .mixing import cheapest_able, mix_params

__all__ = ["build"]


def build(options: Router, models: int, features: int) -> Policy:
    """Best single for one run."""

    def prepare(kernel, known: Knowledge) -> None:  # type: ignore[no-untyped-def]
        assert known.mean_satisfaction is not None
        singles = [cheapest_able(known.mean_satisfaction, known.mean_costs, a) for a in known.alphas]
        kernel.replace([x for m in singles for x in mix_params([(m, 1.0)], models)])

    alone = _core.Policy("mix", mix_params([(0, 1.0)], models), [])
    return Policy("best-single", alone, needs=frozenset({"mean_satisfaction"}), prepare=prepare)
