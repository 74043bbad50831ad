"""Static mix: models at random with fixed probabilities, stated ones, or the cheapest that keep the promise on average.

Without ``router.mix`` they are the optimum of a linear program on mean satisfactions and mean costs; it mixes two
models at most. It knows these means and nothing of a request: what a router saves beyond it comes from telling
requests apart.
"""

from messsim import _core
from messsim.errors import ScenarioError
from messsim.scenario.routing import Router

from .contract import Knowledge, Policy
from .mixing import cheapest_able, cheapest_mix, mix_params

__all__ = ["build"]

OPTIONS = frozenset({"mix"})


def build(options: Router, models: int, features: int) -> Policy:
    """Static mix for one run.

    Raises
    ------
    ScenarioError
        If a stated mix has not one share for each model.
    """
    stated = options.mix
    if stated is not None and len(stated) != models:
        raise ScenarioError(f"router.mix = {stated}: expected {models} shares, one for each model in order")

    def prepare(kernel, known: Knowledge) -> None:  # type: ignore[no-untyped-def]
        mixes = [_cheapest(known, alpha) if stated is None else list(enumerate(stated)) for alpha in known.alphas]
        kernel.replace([x for mix in mixes for x in mix_params(mix, models)])

    return Policy(
        "static-mix",
        _core.Policy("mix", mix_params([(0, 1.0)], models), []),
        needs=frozenset() if stated is not None else frozenset({"mean_satisfaction"}),
        options=OPTIONS,
        prepare=prepare,
    )


def _cheapest(known: Knowledge, alpha: float) -> list[tuple[int, float]]:
    assert known.mean_satisfaction is not None
    mix = cheapest_mix(known.mean_satisfaction, known.mean_costs, alpha)
    if mix is None:
        return [(cheapest_able(known.mean_satisfaction, known.mean_costs, alpha), 1.0)]
    _, low, high, share = mix
    return [(low, 1.0)] if low == high else [(high, share), (low, 1.0 - share)]
