"""Static mix: models at random with fixed probabilities, stated ones, or the cheapest that keep the promise on average.

Without ``router.mix`` they are the optimum of a linear program on mean satisfactions and mean costs; it mixes two
models at most. It knows these means and nothing of a request: what a router saves beyond it comes from telling
requests apart.
"""

from messsim.errors import ScenarioError
from messsim.scenario.routing import Router

from .contract import Knowledge, Policy
from .mixing import cheapest_able, cheapest_mix
from .plugin import compile_policy

__all__ = ["build"]

OPTIONS = frozenset({"mix"})


def decide(tenant, models, uniforms, params):  # type: ignore[no-untyped-def]
    """params[2 * tenant * models]: models, then the probability of each or one before it."""
    row = 2 * tenant * models
    for k in range(models - 1):
        if uniforms[1] < params[row + models + k]:
            return int(params[row + k])
    return int(params[row + models - 1])


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
        kernel.replace([x for mix in mixes for x in _row(mix, models)])

    return compile_policy(
        "static-mix",
        decide,
        params=_row([(0, 1.0)], models),
        options=OPTIONS,
        needs=frozenset() if stated is not None else frozenset({"mean_satisfaction"}),
        prepare=prepare,
    )


def _row(mix: list[tuple[int, float]], models: int) -> list[float]:
    """Models with a share, the last one repeated, and their cumulative probabilities."""
    chosen = [(m, share) for m, share in mix if share > 0]
    total = sum(share for _, share in chosen)
    order = [float(m) for m, _ in chosen]
    edges = [sum(share for _, share in chosen[: k + 1]) / total for k in range(len(chosen))]
    missing = models - len(chosen)
    return [*order, *[order[-1]] * missing, *edges, *[1.0] * missing]


def _cheapest(known: Knowledge, alpha: float) -> list[tuple[int, float]]:
    assert known.mean_satisfaction is not None
    found = cheapest_mix(known.mean_satisfaction, known.mean_costs, alpha)
    if found is None:
        return [(cheapest_able(known.mean_satisfaction, known.mean_costs, alpha), 1.0)]
    _, low, high, share = found
    return [(low, 1.0)] if low == high else [(high, share), (low, 1.0 - share)]
