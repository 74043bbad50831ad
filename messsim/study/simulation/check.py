"""What can be said of a scenario before it runs."""

import math
import time
from collections.abc import Iterator

import numpy as np

from messsim.engines import Outcome, Setup, prepare
from messsim.engines.capacity import saturation_rps
from messsim.engines.cluster import UNLIMITED_TOKENS, PoolPlan
from messsim.engines.dispatch import check_rule
from messsim.engines.networks import shared_links
from messsim.engines.records import RecordChunk
from messsim.results import Tally, summarise
from messsim.results.rent import fixed_cost, rent_usd_per_hour
from messsim.results.summary import peak_rss_mib
from messsim.results.verdict import bounded_by, falls_short
from messsim.routing.mixing import best_single
from messsim.scenario import Scenario
from messsim.shapes.checks import CheckedModel, CheckedPool, CheckedPromise, Checklist
from messsim.summary import Summary
from messsim.workload.expectations import Rates
from messsim.workload.spans import Span

from .single import simulated
from .starts import start_of
from .worth import FEW, worth

__all__ = ["check", "sustained_rps"]

PROBE_REQUESTS = 2_000
LINKS = {"prefill": "each replica that prefills", "decode": "each that decodes", "cluster": "the cluster"}


def check(scenario: Scenario) -> Checklist:
    """Load, stability, reach of the promise, and the time and memory to expect.

    The first 2,000 requests are simulated to see who they go to and how long they take: chance is drawn
    before routing, so they are the very first requests of the run itself.

    Returns
    -------
    Checklist
        All means are over the requests that the run will have, phases and repetitions of files included; those of
        promises are over the tenant's own, where a trace says which they are.
        `models`: mean satisfaction and known cost. `promises`: alpha against the best model, against a
        router that always knows who is right, and against `most`, what one can satisfy that knows what the policy may
        know. `pools`: requests a second that each can sustain, and its load: on
        average and, as `peak_load`, in the busiest minute; `batch`, how many sequences it runs at once while it is
        busy, and `thin`, whether these are fewer than 8. `worth`: what routing can save (`study.simulation.worth`).
        `problems`: why the study cannot work, promises out of reach and pools whose load is over 1, and
        `other_problems`: those of routers, front ends, networks and rules of dispatch. `expect`: wall seconds and
        peak MiB.
    """
    setup = prepare(scenario)
    scenario = setup.scenario
    probe, wall_s, batches = _probe(setup)
    speed_rps = probe["performance"]["requests_per_s"]
    rates, total = setup.workload.rates(), setup.workload.expected_requests
    promises, pools = _promises(setup), [_pool(setup, p, probe, rates, batches) for p in setup.pools]
    others = [*_overloaded_workers(setup, pools, rates), *_overloaded_links(setup, pools), *_broken_rule(setup)]
    return {
        "scenario": scenario.name,
        "policy": setup.policy.name,
        "cost_unit": scenario.cost.unit,
        "rent_usd_per_hour": rent_usd_per_hour(scenario),
        "cost_fixed": fixed_cost(scenario),
        "requests": total,
        "rate_rps": None if rates is None else rates.mean_rps,
        "peak_rate_rps": None if rates is None else rates.peak_rps,
        "mean_prompt_tokens": setup.workload.mean_prompt_tokens(),
        "models": _models(setup),
        "promises": promises,
        "pools": pools,
        "worth": worth(setup),
        "problems": [*_broken_promises(promises), *_overloaded(pools), *others],
        "other_problems": others,
        "expect": {
            "wall_s": total / speed_rps if total and speed_rps else None,
            "probe_requests": probe["requests"]["arrived"],
            "probe_wall_s": wall_s,
            "peak_rss_mib": peak_rss_mib(),
        },
        "notes": [*setup.notes, *_too_long(setup), *_without_engine(setup)],
    }


def _broken_rule(setup: Setup) -> list[str]:
    """What a rule of dispatch of the user's own breaks on choices that are made up."""
    return [] if setup.own_rule is None else [f"cluster.dispatch: {line}" for line in check_rule(setup.own_rule.copy())]


def _too_long(setup: Setup) -> list[str]:
    """How many of the first requests are too long, for every model and for some."""
    if not setup.costs.limited:
        return []
    length = setup.workload.length
    first = setup.workload.columns(0, min(PROBE_REQUESTS, length) if length else PROBE_REQUESTS)
    nobody = np.isinf(setup.costs.of_chunk(first)).all(axis=0)
    of, problems = f"of the first {len(first):,} requests", []
    if nobody.any():
        problems.append(f"too long: {nobody.sum():,} {of} for every model, and turned away")
    for m, is_too_long in setup.costs.too_long(first).items():
        elsewhere, name = (is_too_long & ~nobody).sum(), setup.scenario.model_names[m]
        if elsewhere:
            problems.append(
                f"too long: {is_too_long.sum():,} {of} for {name}, {elsewhere:,} of which go to other models"
            )
    return problems


def _without_engine(setup: Setup) -> list[str]:
    """Where first tokens are judged: pools of built-in profiles, which time kernels, that say nothing of the engine
    around them.
    """
    if not setup.scenario.judges_first_tokens:
        return []
    default = [p for p in setup.pools if p.profile is not None and p.serving.schedule == "vllm"]
    bare = [p.name for p in default if p.serving.engine is None and p.serving.front_end_s is None]
    if not bare:
        return []
    return [
        f"{', '.join(bare)}: no engine is named, so that a first token comes without a front end and planning ahead, "
        'about half as late as with them at light load; expected engine = "vllm", "sglang" or "tensorrt-llm"'
    ]


def _probe(setup: Setup) -> tuple[Summary, float, list[float | None]]:
    """The first requests, simulated: their summary, how long it took, and each model's mean batch while it is busy."""
    scenario = setup.scenario
    length = setup.workload.length
    few = min(PROBE_REQUESTS, length) if length else PROBE_REQUESTS
    probed = prepare(scenario.changed(requests=few, horizon_s=None, warmup=0))
    tally = Tally(probed.scenario)
    served: list[RecordChunk] = []

    def add(chunk: RecordChunk) -> None:
        served.append(chunk)
        tally.add(chunk)

    started = time.perf_counter()
    outcome = simulated(probed, add, None)
    wall_s = time.perf_counter() - started
    batches = [_batch(served, outcome, m) for m in range(len(scenario.models))]
    return summarise(probed.scenario, outcome, tally, wall_s), wall_s, batches


def _batch(served: list[RecordChunk], outcome: Outcome, model: int) -> float | None:
    """Sequences that a busy replica of a model runs at once, in the mean until the last arrival, if any is busy.

    No record tells of copies that only explore, so that it may be more, and is one at least.
    """
    until_s = outcome.last_arrival_s
    pools = [p for p in outcome.pools if p.model == model]
    busy_s = sum((p.utilization or 0.0) * p.replicas * until_s for p in pools)
    served_s = 0.0
    for chunk in served:
        c = chunk.columns
        mine = (c["model"] == model) & np.isfinite(c["finish_s"]) & np.isfinite(c["start_s"])
        served_s += float(np.maximum(np.minimum(c["finish_s"][mine], until_s) - c["start_s"][mine], 0.0).sum())
    return max(served_s / busy_s, 1.0) if busy_s > 0 else None


def _models(setup: Setup) -> list[CheckedModel]:
    w = setup.workload
    return [
        {
            "name": name,
            "satisfaction": satisfaction,
            "known_cost": None if np.isnan(cost) else cost,
            "mean_output_tokens": w.mean_output_tokens(m),
        }
        for m, (name, satisfaction, cost) in enumerate(
            zip(setup.scenario.model_names, w.mean_satisfaction(), setup.costs.means, strict=True)
        )
    ]


def _promises(setup: Setup) -> list[CheckedPromise]:
    w, s = setup.workload, setup.scenario
    spans = [w.spans_of_tenant(k) for k in range(len(s.promises))]
    means, any_model, most = zip(*_bounds(setup, spans), strict=True)
    single = [best_single(m, setup.costs.means, alpha) for m, alpha in zip(means, s.alphas, strict=True)]
    return [
        {
            "tenant": tenant.name,
            "alpha": tenant.alpha,
            "best_model": max(means[k]),
            "any_model": any_model[k],
            "most": most[k],
            "single_model": None if (m := single[k]) is None else s.model_names[m],
            "reachable": not spans[k] or not falls_short(most[k], s.alphas[k]),
        }
        for k, tenant in enumerate(s.promises)
    ]


def _bounds(setup: Setup, spans: list[list[Span]]) -> Iterator[tuple[list[float], float, float]]:
    """By tenant, who asks in these spans: each model's mean satisfaction, that of the best answer, and the most."""
    w, known = setup.workload, "outcomes" in setup.policy.needs
    for k, asked in enumerate(spans):
        if k == 0 or asked is not spans[k - 1]:  # those who ask everywhere alike have the same
            any_model = w.any_satisfied(asked)
            bounds = w.mean_satisfaction(asked), any_model, any_model if known else w.most_satisfied(asked)
        yield bounds


def _pool(
    setup: Setup, pool: PoolPlan, probe: Summary, rates: Rates | None, batches: list[float | None]
) -> CheckedPool:
    model = probe["models"][pool.model]
    explored = probe["requests"]["explored"] / max(probe["requests"]["arrived"], 1)
    # shares are of answers: exploring requests also go, unseen, to every model but the reference
    unseen = setup.scenario.router.explore == "all" and pool.model != setup.scenario.reference
    share = (model["share"] or 0.0) + (explored if unseen else 0.0)
    capacity = None if pool.is_api else pool.replicas * sustained_rps(setup, pool)
    siblings = [p for p in setup.pools if p.model == pool.model and p.role == pool.role]
    part = pool.replicas / sum(p.replicas for p in siblings)
    offered = None if rates is None else rates.mean_rps * share * part
    peak = None if rates is None else rates.peak_rps * share * part
    # records tell of a request's whole time, not of what it spent where prefill and decode are split
    batch = None if pool.is_api or pool.role != "both" else batches[pool.model]
    load = offered / capacity if offered is not None and capacity else None
    return {
        "name": pool.name,
        "model": setup.scenario.model_names[pool.model],
        "gpu": pool.gpu,
        "gpus": pool.gpus * pool.replicas,
        "replicas": pool.replicas,
        "kv_capacity_tokens": pool.kv_capacity_tokens if pool.kv_capacity_tokens < UNLIMITED_TOKENS else None,
        "capacity_rps": capacity,
        "offered_rps": offered,
        "load": load,
        "peak_load": _peak_load(setup, pool, share * part, peak, capacity, load or 0.0),
        "utilization_in_probe": model["utilization"],
        "batch": batch,
        "few": FEW,
        "thin": pool.serving.autoscale is None and (batch or FEW) < FEW,
        "energy_measured": pool.energy_measured,
        "start": start_of(pool),
    }


def _peak_load(
    setup: Setup, pool: PoolPlan, share: float, peak_rps: float | None, capacity_rps: float | None, load: float
) -> float | None:
    """The load of the busiest minute; of a trace with lengths of its own by the lengths that come in that minute.

    It is at least the mean `load`: where a run ends within a minute, all of its minutes may have fewer requests.
    """
    if peak_rps is None or not capacity_rps:
        return None
    loads = [
        rps * share / (pool.replicas * _sustained(setup, pool, *setup.workload.mean_tokens(span, pool.model)))
        for rps, span in setup.workload.rushes
    ]
    return max(load, *(loads or [peak_rps / capacity_rps]))


def _broken_promises(promises: list[CheckedPromise]) -> list[str]:
    return [
        f"sla.alpha = {p['alpha']:g}{'' if len(promises) == 1 else ' of tenant ' + p['tenant']}: out of reach: "
        f"{_most(p)}"
        for p in promises
        if not p["reachable"]
    ]


def _most(promise: CheckedPromise) -> str:
    """Why no router can satisfy more."""
    any_model, most = promise["any_model"], promise["most"]
    who = bounded_by(most, promise["best_model"], any_model)
    if who is None:
        return f"all models together satisfy {any_model:.2%}"
    return f"{who} satisfies {most:.2%}, and nothing that a router sees tells where another satisfies more often"


def _overloaded(pools: list[CheckedPool]) -> list[str]:
    return [
        f"pool {p['name']}: gets {p['offered_rps']:.4g} requests/s and sustains {p['capacity_rps']:.4g}"
        for p in pools
        if p["load"] is not None and p["load"] > 1.0
    ]


def _overloaded_workers(setup: Setup, pools: list[CheckedPool], rates: Rates | None) -> list[str]:
    """Routers and front ends that get more than their workers can do."""
    router, problems = setup.scenario.router, []
    if rates is not None and router.decision_s is not None and router.workers:
        decides_rps = _rate(router.workers * router.instances, router.decision_s.mean_s)
        if rates.mean_rps > decides_rps:
            problems.append(f"router: gets {rates.mean_rps:.4g} requests/s and decides {decides_rps:.4g}")
    for plan, pool in zip(setup.pools, pools, strict=True):
        law, workers = plan.serving.front_end_s, plan.serving.front_end_workers
        if law is None or not workers or pool["offered_rps"] is None:
            continue
        passes_rps = _rate(workers * plan.replicas, law.mean_s)
        if pool["offered_rps"] > passes_rps:
            gets = pool["offered_rps"]
            problems.append(f"pool {plan.name}: gets {gets:.4g} requests/s and its front ends pass {passes_rps:.4g}")
    return problems


def _overloaded_links(setup: Setup, pools: list[CheckedPool]) -> list[str]:
    """Networks that are to carry more KV than they can."""
    transfer, problems = setup.scenario.cluster.transfer, []
    for links in shared_links(transfer, setup.pools, setup.workload.mean_prompt_tokens()):
        bytes_per_s = sum(
            (pool["offered_rps"] or 0.0) * links.request_bytes[plan.model]
            for plan, pool in zip(setup.pools, pools, strict=True)
            if plan.role == "prefill" and plan.model in links.request_bytes
        )
        if bytes_per_s > links.bytes_per_s:
            one = len(links.request_bytes) == 1 and len(setup.scenario.models) > 1
            whose = f" of {setup.scenario.model_names[next(iter(links.request_bytes))]}" if one else ""
            problems.append(
                f"transfers of KV{whose}: get {bytes_per_s / 1e9:.4g} GB/s and can carry {links.bytes_per_s / 1e9:.4g} "
                f"(cluster.transfer.bandwidth_gb_per_s of {LINKS[transfer.bandwidth_of]})"
            )
    return problems


def _rate(workers: int, mean_s: float) -> float:
    return workers / mean_s if mean_s > 0.0 else math.inf


def sustained_rps(setup: Setup, pool: PoolPlan) -> float:
    """Requests a second of one replica at saturation."""
    w = setup.workload
    prompt, output = w.mean_prompt_tokens(), w.mean_output_tokens(pool.model)
    squares = w.mean_square_prompt_tokens(), w.mean_square_output_tokens(pool.model)
    return _sustained(setup, pool, prompt, output, *squares)


def _sustained(
    setup: Setup, pool: PoolPlan, prompt: float, output: float, prompt_square: float, output_square: float
) -> float:
    return saturation_rps(
        pool,
        prompt,
        output,
        prompt_square=prompt_square,
        output_square=output_square,
        limit_tokens=setup.workload.mean_limit_tokens(),
    )
