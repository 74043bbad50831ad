"""The summary of a run: the object that ``--json`` prints and summary.json holds."""

import resource
import sys

from messsim.engines import Outcome
from messsim.engines.outcome import PoolOutcome
from messsim.scenario import Scenario
from messsim.scenario.fleet import Pool
from messsim.scenario.routing import Slo as Objectives
from messsim.summary import (
    Cache,
    Cost,
    Latencies,
    ModelSummary,
    PoolSummary,
    Requests,
    RouterTimes,
    Sessions,
    Sla,
    Slo,
    Summary,
    TenantSummary,
    Throughput,
    Transfers,
)
from messsim.summary import Windows as WindowsSummary
from messsim.version import __version__

from .baselines import best_static
from .histogram import LogHistogram, ScoreHistogram
from .means import energy_of
from .oracle import Oracle, oracle_of
from .rent import fixed_cost, rent_usd_per_hour
from .stationary import latency_intervals
from .tally import Tally
from .verdict import Verdict, mean_alpha, verdict_of, verdict_of_all
from .windows import Windows

__all__ = ["peak_rss_mib", "summarise"]


def summarise(scenario: Scenario, outcome: Outcome, tally: Tally, wall_s: float) -> Summary:
    """All figures of a run, as `messsim.summary` explains them; what does not apply is None."""
    tally.close()
    oracle = _clairvoyant(scenario, tally)
    latencies, fleet = tally.latencies.summary(), scenario.fleet
    return {
        "scenario": scenario.name,
        "engine": scenario.engine,
        "seed": scenario.seed,
        "replication": scenario.replication,
        "version": __version__,
        "requests": _requests(outcome, tally),
        "sessions": _sessions(scenario, outcome, tally),
        "sla": _sla(scenario, outcome, tally),
        "cost": _cost(scenario, outcome, tally, oracle),
        "energy": energy_of(outcome, tally),
        "throughput": _throughput(outcome, tally),
        "cache": _cache(fleet, tally),
        "models": [_model(scenario, outcome, tally, m) for m in range(len(scenario.models))],
        "router": _router(scenario, outcome),
        "transfers": _transfers(fleet, outcome),
        "pools": [_pool(scenario, p) for p in outcome.pools],
        "tenants": _tenants(scenario, outcome, tally, latencies),
        "latency_s": latencies,
        "intervals": latency_intervals(scenario, outcome, tally.series),
        "slo": _slo(scenario, outcome, tally),
        "predictor": {
            "log_loss": tally.scores.log_loss,
            "auc": tally.scores.auc,
            "updates": outcome.updates,
        },
        "accuracy": {
            "percentile_relative_error": LogHistogram.RELATIVE_ERROR,
            "auc_bins": ScoreHistogram.BINS,
            "in_flight_left_out_of_latencies": tally.count("in_flight"),
            "oracle_relative_error": oracle.relative_error,
            "warmup_left_out_of_latencies": scenario.warmup,
        },
        "performance": {
            "wall_s": wall_s,
            "requests_per_s": tally.arrived / wall_s if wall_s > 0 else None,
            "events": outcome.events,
            "events_per_s": outcome.events / wall_s if wall_s > 0 else None,
            "peak_rss_mib": peak_rss_mib(),
        },
    }


def peak_rss_mib() -> float:
    """Peak memory of this process, MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def _requests(outcome: Outcome, tally: Tally) -> Requests:
    return {
        "arrived": tally.arrived,
        "completed": tally.count("completed"),
        "rejected": tally.count("rejected"),
        "too_long": tally.count("too_long"),
        "lost": tally.count("lost"),
        "timed_out": tally.count("timed_out"),
        "in_flight": tally.count("in_flight"),
        "attempts": outcome.attempts,
        "explored": outcome.explored,
        "with_feedback": tally.with_feedback,
        "labels_of_lost": outcome.labels_of_lost,
    }


def _sessions(scenario: Scenario, outcome: Outcome, tally: Tally) -> Sessions | None:
    if not scenario.has_sessions:
        return None
    return {"begun": tally.sessions, "turns": tally.arrived, "turns_not_sent": outcome.turns_not_sent}


def _sla(scenario: Scenario, outcome: Outcome, tally: Tally) -> Sla:
    running, tenants = tally.running, outcome.tenants
    rated = sum(t.rated for t in tenants)
    promised = sum(t.alpha * t.rated - (t.queue_plain - t.queue_initial) for t in tenants)
    mean = mean_alpha([t.alpha for t in tenants], tally.tenant_answered.tolist())
    alpha = scenario.sla.alpha if mean is None else mean
    satisfaction = running.mean
    overall = verdict_of(satisfaction, alpha)
    judged = verdict_of_all([_verdict(outcome, tally, k) for k in range(len(tenants))])
    return {
        "alpha": alpha,
        "kept": judged.kept,
        "margin": judged.margin,
        "satisfaction": satisfaction,
        "satisfaction_time_mean": running.time_mean,
        "satisfaction_per_arrived": running.satisfied / tally.arrived if tally.arrived else None,
        "shortfall": None if overall.margin is None else max(0.0, -overall.margin),
        "queue_final": sum(t.queue_delivered for t in tenants),
        "queue_max": max(t.queue_delivered_max for t in tenants),
        "queue_tracked_final": sum(t.queue_tracked for t in tenants),
        "queue_plain_final": sum(t.queue_plain for t in tenants),
        "queue_initial": sum(t.queue_initial for t in tenants),
        "rated": rated,
        "satisfaction_rated": sum(t.rated_satisfied for t in tenants) / rated if rated else None,
        "certificate": promised / rated if rated and not scenario.feedback.raters_err else None,
        "time_to_compliance": running.compliant_from(tally.arrived),
        "windows": _windows(scenario, outcome, tally.windows),
    }


def _windows(scenario: Scenario, outcome: Outcome, windows: Windows | None) -> WindowsSummary | None:
    """The promise in each window that was over before traffic ended."""
    if windows is None:
        return None
    until_s = outcome.last_arrival_s if scenario.horizon_s is None else scenario.horizon_s
    judged = windows.close(until_s)
    return {
        "window_s": scenario.sla.window_s,
        "window_requests": scenario.sla.window_requests,
        "count": judged.count,
        "violated": judged.violated,
        "violation_rate": judged.violation_rate,
        "worst": judged.worst,
    }


def _clairvoyant(scenario: Scenario, tally: Tally) -> Oracle:
    own = zip(tally.tenant_satisfied.tolist(), tally.tenant_answered.tolist(), strict=True)
    return oracle_of(tally.frontier, scenario.alphas, [s / n if n else None for s, n in own])


def _cost(scenario: Scenario, outcome: Outcome, tally: Tally, oracle: Oracle) -> Cost:
    idle = sum(p.idle_cost for p in outcome.pools) if outcome.pools else None
    total = tally.cost + (idle or 0.0)
    single, single_cost, mix = best_static(tally.frontier, scenario.alphas)
    return {
        "unit": scenario.cost.unit,
        "total": total,
        "exploration": tally.exploration_cost,
        "lost": tally.lost_cost,
        "idle": idle,
        "paper": tally.paper_cost,
        "per_request": total / tally.running.answered if tally.running.answered else None,
        # by known costs over all arrivals; the other two oracles take further passes (study/oracles.py)
        "oracle": {"clairvoyant": oracle.costs, "statistical": None, "feature": None},
        "oracle_per_request": oracle.at_own,
        "ratio_to_oracle": _ratio_to_oracle(scenario, tally, oracle),
        "best_single": {
            "model": None if single is None else scenario.model_names[single],
            "per_request": single_cost,
        },
        "static_mix_per_request": mix,
        "usd_per_million_tokens": _usd_per_million(scenario, outcome, total, tally.output_tokens + tally.prompt_tokens),
        "rent_usd_per_hour": rent_usd_per_hour(scenario, {p.name: p.mean_replicas for p in outcome.pools}),
        "fixed": fixed_cost(scenario),
        "gpus": sum(p.gpus * p.replicas for p in outcome.pools) if outcome.pools else None,
    }


def _ratio_to_oracle(scenario: Scenario, tally: Tally, oracle: Oracle) -> float | None:
    """Known cost of all copies of all arrivals over the oracle's; None with servers, whose cost is what was realised.

    Without servers every arrival is answered, and what it costs is its known cost.
    """
    if scenario.cluster.mode != "none" or not oracle.at_own:
        return None
    return tally.cost / tally.arrived / oracle.at_own


def _usd_per_million(scenario: Scenario, outcome: Outcome, total: float, tokens: int) -> float | None:
    """USD per million prompt and answer tokens: the total, or else what owning the priced GPUs costs."""
    usd = total if scenario.cost.unit == "USD" else sum(p.owned_usd for p in outcome.pools)
    return usd / tokens * 1e6 if usd > 0 and tokens else None


def _throughput(outcome: Outcome, tally: Tally) -> Throughput:
    last_s = tally.last_answer_s
    if not outcome.pools or not last_s:
        return {"duration_s": None, "requests_per_s": None, "output_tokens_per_s": None}
    return {
        "duration_s": last_s,
        "requests_per_s": tally.count("completed") / last_s,
        "output_tokens_per_s": tally.output_tokens / last_s,
    }


def _cache(fleet: list[Pool], tally: Tally) -> Cache:
    """What prefix caches of replicas and prompt caches of APIs held of the prompts; null where no pool has one."""
    if not any(p.prefix_cache or p.usd_per_million_cached_prompt_tokens is not None for p in fleet):
        return {"hit_rate": None, "cached_prompt_tokens": None, "cached_recompute_tokens": None}
    started = tally.started_prompt_tokens
    return {
        "hit_rate": tally.cached_prompt_tokens / started if started else None,
        "cached_prompt_tokens": tally.cached_prompt_tokens,
        "cached_recompute_tokens": tally.cached_recompute_tokens,
    }


def _model(scenario: Scenario, outcome: Outcome, tally: Tally, m: int) -> ModelSummary:
    answered, total = int(tally.answered[m]), int(tally.answered.sum())
    pools = [p for p in outcome.pools if p.model == m]
    return {
        "name": scenario.model_names[m],
        "share": answered / total if total else None,
        "answered": answered,
        "satisfaction": float(tally.satisfied[m]) / answered if answered else None,
        "cost_per_request": float(tally.visible_cost[m]) / answered if answered else None,
        "utilization": _mean_utilization(pools),
        "energy_j": sum(p.meter_j for p in pools) if pools else None,
        "idle_energy_j": sum(p.idle_energy_j for p in pools) if pools else None,
    }


def _mean_utilization(pools: list[PoolOutcome]) -> float | None:
    busy = [(p.utilization, p.replicas) for p in pools if p.utilization is not None]
    return sum(u * r for u, r in busy) / sum(r for _, r in busy) if busy else None


def _router(scenario: Scenario, outcome: Outcome) -> RouterTimes:
    """Time that decisions take and wait for, where they take any; utilisation is measured to the last arrival."""
    router_settings, router = scenario.router, outcome.router
    begun = router.begun if router_settings.decision_s is not None else 0
    until_s = outcome.last_arrival_s * router_settings.workers * router_settings.instances
    return {
        "wait_s": router.wait_s / begun if begun else None,
        "decision_s": router.busy_s / begun if begun else None,
        "utilization": min(1.0, router.used_s / until_s) if begun and until_s > 0 else None,
    }


def _transfers(fleet: list[Pool], outcome: Outcome) -> Transfers:
    """Of KV from prefill to decode, where these are split."""
    if all(pool.role == "both" for pool in fleet):
        return {"begun": None, "wait_s": None, "transfer_s": None, "gigabytes": None}
    done = outcome.transfers
    return {
        "begun": done.begun,
        "wait_s": done.wait_s / done.begun if done.begun else None,
        "transfer_s": done.takes_s / done.ended if done.ended else None,
        "gigabytes": done.bytes / 1e9,
    }


def _pool(scenario: Scenario, pool: PoolOutcome) -> PoolSummary:
    return {
        "name": pool.name,
        "model": scenario.model_names[pool.model],
        "gpu": pool.gpu,
        "gpus_per_replica": pool.gpus,
        "schedule": pool.schedule,
        "engine": pool.engine,
        "kv_capacity_tokens": pool.kv_capacity_tokens,
        "replicas": pool.replicas,
        "mean_replicas": pool.mean_replicas,
        "utilization": pool.utilization,
        "energy_j": pool.meter_j,
        "idle_energy_j": pool.idle_energy_j,
        "energy_measured": pool.energy_measured,
        "preemptions": pool.preemptions,
    }


def _verdict(outcome: Outcome, tally: Tally, k: int) -> Verdict:
    return verdict_of(_satisfaction_of_tenant(tally, k), outcome.tenants[k].alpha)


def _satisfaction_of_tenant(tally: Tally, k: int) -> float | None:
    answered = int(tally.tenant_answered[k])
    return float(tally.tenant_satisfied[k]) / answered if answered else None


def _tenants(scenario: Scenario, outcome: Outcome, tally: Tally, of_all: Latencies) -> list[TenantSummary]:
    """Figures of each tenant; a single tenant's latencies are the run's."""
    slos = scenario.objectives
    latencies = [of_all] if len(slos) == 1 else map(tally.latencies_of_tenant, range(len(slos)))
    return [
        _tenant(scenario, outcome, tally, k, latency_s, slo)
        for k, (latency_s, slo) in enumerate(zip(latencies, slos, strict=True))
    ]


def _tenant(
    scenario: Scenario, outcome: Outcome, tally: Tally, k: int, latency_s: Latencies, slo: Objectives
) -> TenantSummary:
    tenant, judged = outcome.tenants[k], _verdict(outcome, tally, k)
    return {
        "name": tenant.name,
        "alpha": tenant.alpha,
        "satisfaction": _satisfaction_of_tenant(tally, k),
        "kept": judged.kept,
        "margin": judged.margin,
        "answered": int(tally.tenant_answered[k]),
        "queue_final": tenant.queue_delivered,
        "certificate": tenant.certificate if tenant.rated and not scenario.feedback.raters_err else None,
        "rated": tenant.rated,
        "windows": _windows(scenario, outcome, tally.tenant_windows[k]),
        "latency_s": latency_s,
        "slo": _attained(outcome, slo, tally, [k]),
    }


def _slo(scenario: Scenario, outcome: Outcome, tally: Tally) -> Slo:
    """Of all requests, each by the objectives of its tenant."""
    promises = scenario.promises
    stated = next((t.objectives for t in promises if t.objectives is not None and t.objectives.stated), scenario.slo)
    attained = _attained(outcome, stated, tally, list(range(len(promises))))
    slo = scenario.slo
    return {**attained, "ttft_s": slo.ttft_s, "tpot_s": slo.tpot_s, "e2e_s": slo.e2e_s}


def _attained(outcome: Outcome, slo: Objectives, tally: Tally, tenants: list[int]) -> Slo:
    """Share and rate of requests of some tenants that were answered within all objectives, where there are any."""
    arrived, attained = (int(counts[tenants].sum()) for counts in (tally.tenant_arrived, tally.tenant_attained))
    stated = slo.stated and bool(outcome.pools)
    until_s = max(tally.last_answer_s, outcome.last_arrival_s)
    rate_rps = attained / until_s if until_s > 0 else None if attained else 0.0
    return {
        "ttft_s": slo.ttft_s,
        "tpot_s": slo.tpot_s,
        "e2e_s": slo.e2e_s,
        "attainment": attained / arrived if stated and arrived else None,
        "goodput_rps": rate_rps if stated else None,
    }
