"""Options that a scenario leaves to messsim: resolved once its costs and its data are known."""

import math

from messsim.routing.tradeoff import automatic_v, check_costs, notes_on_v
from messsim.scenario import Scenario
from messsim.workload import Workload

from .costs import KnownCosts

__all__ = ["notes_on_options", "resolved"]


def resolved(scenario: Scenario, workload: Workload, costs: KnownCosts) -> Scenario:
    """The scenario with numbers and yes or no where it says "auto", or nothing.

    `router.V` becomes `automatic_v` of the models' mean known costs; `router.predictor.standardize` true unless
    features are drawn around the IRT difficulty, which have one scale by construction; `router.predictor.means` the
    scenario's mean satisfactions where ``start = "means"`` and none are given.
    """
    router, predictor = scenario.router, scenario.router.predictor
    changes: dict[str, object] = {}
    if predictor.standardize is None:
        changes["standardize"] = scenario.features.kind in ("table", "text")
    if predictor.start == "means" and predictor.means is None:
        changes["means"] = workload.mean_satisfaction()
    options: dict[str, object] = {"predictor": predictor.model_copy(update=changes)}
    if router.V == "auto":
        check_costs(costs.means)
        options["V"] = automatic_v(costs.means)
    return scenario.changed(router=router.model_copy(update=options))


def notes_on_options(asked: Scenario, scenario: Scenario, workload: Workload, costs: KnownCosts) -> list[str]:
    """What V was resolved to, and whether a stated one switches cost or satisfaction off."""
    v = scenario.router.weight
    if asked.router.V == "auto":
        return [f"router.V = {v:g} 1/{scenario.cost.unit}: 1 / the gap between the dearest and the cheapest model"]
    alphas = scenario.alphas
    expected = math.inf if workload.length is None else float(workload.length)
    return notes_on_v(v, costs.means, workload.mean_satisfaction(), max(alphas), expected, scenario.cost.unit)
