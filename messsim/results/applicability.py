"""Which figures have a long run to speak of: where batch means and warm-up would mislead, and why."""

from collections.abc import Iterator
from typing import Literal

from messsim.routing import FIXED_ROUTING
from messsim.scenario import Scenario

__all__ = ["MOST_UNSERVED", "Quantity", "refusal", "refusal_of_run"]

Quantity = Literal["latency", "utilization", "satisfaction", "cost"]

MOST_UNSERVED = 0.02  # of all requests, still in the system as the last one arrives


def refusal(scenario: Scenario, quantity: Quantity) -> str | None:
    """Why methods for the long run (batch means, MSER-5, a warm-up) do not apply to a figure; None if they do.

    They want a process that settles: constant laws and a routing that does not learn. All else has a mean over a
    stated number of requests only, whose interval comes from replications.
    """
    return next(_reasons(scenario, quantity), None)


def _reasons(scenario: Scenario, quantity: Quantity) -> Iterator[str]:
    if quantity in ("latency", "utilization") and scenario.cluster.mode == "none":
        yield f"cluster.mode = 'none' has no {quantity}"
    if scenario.arrivals.kind == "diurnal":
        yield "arrivals.kind = 'diurnal': the rate changes with the hour"
    if scenario.arrivals.kind == "trace":
        yield "arrivals.kind = 'trace': a trace happened once, and its rate changes"
    if scenario.sessions is not None:
        yield "sessions: requests are in order of sessions, whose later turns come when earlier answers do"
    if scenario.phases:
        yield "phases: what holds before a change does not hold after it"
    if scenario.cluster.failures is not None and scenario.cluster.failures.schedule:
        yield "cluster.failures.schedule: planned failures happen once"
    if scenario.satisfaction.kind == "table" and scenario.satisfaction.order == "file":
        yield "satisfaction.order = 'file': the table's rows come in their own order"
    yield from _learning(scenario)


def _learning(scenario: Scenario) -> Iterator[str]:
    router = scenario.router
    if len(scenario.models) == 1:
        return  # whatever the router learns, every request goes to the same model
    if router.policy not in FIXED_ROUTING:
        yield f"router.policy = {router.policy!r}: where requests go changes as the router learns"
    elif router.cost_estimate != "known" and router.policy == "cheapest":
        yield f"router.cost_estimate = {router.cost_estimate!r}: where requests go changes as costs are learnt"


def refusal_of_run(arrived: int, unserved: int) -> str | None:
    """Why a finished run has no long run to speak of: more is left over than a queue in balance leaves.

    Parameters
    ----------
    arrived
        Requests, when the last sample of the timeline was taken.
    unserved
        Of those, in the system then. At load 1 + x they are about x / (1 + x) of all.
    """
    if unserved <= MOST_UNSERVED * arrived:
        return None
    return (
        f"{unserved:,} of {arrived:,} requests were still unserved when the last one came: "
        "the servers are saturated, or the run is too short"
    )
