"""What the promise costs without a router: the same requests in the same cluster, with choices made beforehand."""

from messsim.engines import prepare
from messsim.errors import MesssimError
from messsim.results import Tally, summarise
from messsim.routing.mixing import best_single, cheapest_mix
from messsim.scenario import Scenario
from messsim.summary import StaticChoice, WithoutRouter

from .single import simulated

__all__ = ["MOST_REQUESTS", "without_router"]

MOST_REQUESTS = 1_000_000  # a second or two each; beyond that nobody asked for two more runs


def without_router(scenario: Scenario) -> WithoutRouter:
    """Simulates the best single model and the best fixed mix in place of a scenario's router.

    Both are chosen by the models' mean satisfactions and expected costs, as whoever evaluated the models before
    would choose them; satisfaction and cost are what the cluster made of them.

    Returns
    -------
    dict
        `best_single`: `model` (None where tenants have different ones), `per_request`, `satisfaction` and `kept`;
        `static_mix`: the same without `model`; None where there is none. `left_out`: why nothing was simulated, else
        None.
    """
    nothing: WithoutRouter = {"best_single": None, "static_mix": None, "left_out": None}
    if scenario.horizon_s is not None and scenario.requests is None and scenario.arrivals.kind == "closed":
        return nothing | {"left_out": "closed loop with horizon_s: with another router other requests arrive"}
    try:
        known = prepare(_under(scenario, "best-single"))
        count = known.workload.expected_requests
        if count is None or count > MOST_REQUESTS:
            many = "a run of unknown length" if count is None else f"{count:,.0f} requests"
            left_out = f"{many}: `messsim compare --policies best-single,static-mix` simulates it"
            return nothing | {"left_out": left_out}
        means, costs = known.workload.mean_satisfaction(), known.costs.means
        alphas = scenario.alphas
        singles = [best_single(means, costs, alpha) for alpha in alphas]
        costs_here = nothing.copy()
        if None not in singles:
            names = {scenario.model_names[m] for m in singles if m is not None}
            model = names.pop() if len(names) == 1 else None
            costs_here["best_single"] = {"model": model, **_realised(_under(scenario, "best-single"))}
        if all(cheapest_mix(means, costs, alpha) is not None for alpha in alphas):
            costs_here["static_mix"] = _realised(_under(scenario, "static-mix"))
        return costs_here
    except MesssimError as error:  # a model that is not there all the time, say
        return nothing | {"left_out": str(error).splitlines()[0]}


def _under(scenario: Scenario, policy: str) -> Scenario:
    router = scenario.router.model_copy(update={"policy": policy})
    return scenario.changed(router=router, engine="compiled")


def _realised(scenario: Scenario) -> StaticChoice:
    setup = prepare(scenario)
    tally = Tally(setup.scenario)
    summary = summarise(setup.scenario, simulated(setup, tally.add, None), tally, 0.0)
    sla = summary["sla"]
    return {
        "per_request": summary["cost"]["per_request"],
        "satisfaction": sla["satisfaction"],
        "kept": sla["kept"],
        "e2e_p95_s": summary["latency_s"]["e2e"]["p95"],
    }
