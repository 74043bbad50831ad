"""What can be said of a scenario before it runs."""

import time
from typing import Any

import numpy as np

from messsim.engines import Setup, prepare
from messsim.engines.capacity import saturation_rps
from messsim.engines.cluster import UNLIMITED_TOKENS, PoolPlan
from messsim.results import Tally, summarise
from messsim.results.rent import fixed_cost, rent_usd_per_hour
from messsim.results.summary import peak_rss_mib
from messsim.results.verdict import falls_short
from messsim.routing.mixing import best_single
from messsim.scenario import Scenario
from messsim.workload.expectations import Rates

from .single import ENGINES

__all__ = ["check", "sustained_rps"]

PROBE_REQUESTS = 2_000


def check(scenario: Scenario) -> dict[str, Any]:
    """Load, stability, reach of the promise, and the time and memory to expect.

    The first 2,000 requests are simulated to see who they go to and how long they take: chance is drawn
    before routing, so they are the very first requests of the run itself.

    Returns
    -------
    dict
        All means are over the requests that the run will have, phases and repetitions of files included.
        `models`: mean satisfaction and known cost. `promises`: alpha against the best model and against a
        router that always knows who is right. `pools`: requests a second that each can sustain, and its load: on
        average and, as `peak_load`, in the busiest minute. `problems`: why the study cannot work, promises out of reach
        and pools whose load is over 1. `expect`: wall seconds and peak MiB.
    """
    setup = prepare(scenario)
    scenario = setup.scenario
    probe, wall_s = _probe(setup)
    rates, total = setup.workload.rates(), setup.workload.expected_requests
    promises, pools = _promises(setup), [_pool(setup, p, probe, rates) for p in setup.pools]
    return {
        "scenario": scenario.name,
        "policy": setup.policy.name,
        "cost_unit": scenario.cost.unit,
        "rent_usd_per_hour": rent_usd_per_hour(scenario),
        "cost_fixed": fixed_cost(scenario),
        "requests": total,
        "rate_rps": rates and rates.mean_rps,
        "peak_rate_rps": rates and rates.peak_rps,
        "mean_prompt_tokens": setup.workload.mean_prompt_tokens(),
        "models": _models(setup),
        "promises": promises,
        "pools": pools,
        "problems": [*_broken_promises(promises), *_overloaded(pools)],
        "expect": {
            "wall_s": total / probe["performance"]["requests_per_s"] if total else None,
            "probe_requests": probe["requests"]["arrived"],
            "probe_wall_s": wall_s,
            "peak_rss_mib": peak_rss_mib(),
        },
        "notes": setup.notes,
    }


def _probe(setup: Setup) -> tuple[dict[str, Any], float]:
    said = setup.scenario
    length = setup.workload.length
    few = min(PROBE_REQUESTS, length) if length else PROBE_REQUESTS
    probed = prepare(said.changed(requests=few, horizon_s=None, warmup=0))
    tally = Tally(probed.scenario)
    started = time.perf_counter()
    outcome = ENGINES[said.engine](probed, tally.add, None)
    wall_s = time.perf_counter() - started
    return summarise(probed.scenario, outcome, tally, wall_s), wall_s


def _models(setup: Setup) -> list[dict[str, Any]]:
    w = setup.workload
    costs = setup.costs.mean(w)
    return [
        {
            "name": name,
            "satisfaction": satisfaction,
            "known_cost": None if np.isnan(cost) else cost,
            "mean_output_tokens": w.mean_output_tokens(m),
        }
        for m, (name, satisfaction, cost) in enumerate(
            zip(setup.scenario.model_names, w.mean_satisfaction(), costs, strict=True)
        )
    ]


def _promises(setup: Setup) -> list[dict[str, Any]]:
    w, s = setup.workload, setup.scenario
    means, most, costs = w.mean_satisfaction(), w.any_satisfied(), setup.costs.mean(w)
    single = [best_single(means, costs, t.alpha or 0.0) for t in s.promises]
    return [
        {
            "tenant": t.name,
            "alpha": t.alpha,
            "best_model": max(means),
            "any_model": most,
            "single_model": None if m is None else s.model_names[m],
            "reachable": not falls_short(most, t.alpha or 0.0),
        }
        for t, m in zip(s.promises, single, strict=True)
    ]


def _pool(setup: Setup, pool: PoolPlan, probe: dict[str, Any], rates: Rates | None) -> dict[str, Any]:
    model = probe["models"][pool.model]
    explored = probe["requests"]["explored"] / max(probe["requests"]["arrived"], 1)
    # shares are of answers: exploring requests also go, unseen, to every model but the reference
    unseen = setup.scenario.router.explore == "all" and pool.model != setup.scenario.reference
    share = (model["share"] or 0.0) + (explored if unseen else 0.0)
    capacity = None if pool.is_api else pool.replicas * sustained_rps(setup, pool)
    siblings = [p for p in setup.pools if p.model == pool.model]
    part = pool.replicas / sum(p.replicas for p in siblings)
    offered = None if rates is None else rates.mean_rps * share * part
    peak = None if rates is None else rates.peak_rps * share * part
    return {
        "name": pool.name,
        "gpu": pool.gpu,
        "gpus": pool.gpus * pool.replicas,
        "replicas": pool.replicas,
        "kv_capacity_tokens": pool.kv_capacity_tokens if pool.kv_capacity_tokens < UNLIMITED_TOKENS else None,
        "capacity_rps": capacity,
        "offered_rps": offered,
        "load": offered / capacity if offered is not None and capacity else None,
        "peak_load": peak / capacity if peak is not None and capacity else None,
        "utilization_in_probe": model["utilization"],
        "energy_measured": pool.energy_measured,
    }


def _broken_promises(promises: list[dict[str, Any]]) -> list[str]:
    return [
        f"sla.alpha = {p['alpha']:g}{'' if len(promises) == 1 else ' of tenant ' + p['tenant']}: out of reach: all "
        f"models together satisfy {p['any_model']:.2%}"
        for p in promises
        if not p["reachable"]
    ]


def _overloaded(pools: list[dict[str, Any]]) -> list[str]:
    return [
        f"pool {p['name']}: gets {p['offered_rps']:.4g} requests/s and sustains {p['capacity_rps']:.4g}"
        for p in pools
        if p["load"] is not None and p["load"] > 1.0
    ]


def sustained_rps(setup: Setup, pool: PoolPlan) -> float:
    """Requests a second of one replica at saturation."""
    w = setup.workload
    return saturation_rps(
        pool,
        w.mean_prompt_tokens(),
        w.mean_output_tokens(pool.model),
        prompt_square=w.mean_square_prompt_tokens(),
        output_square=w.mean_square_output_tokens(pool.model),
    )
