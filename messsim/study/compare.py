"""Policies on the same requests: figures with intervals over replications, and paired differences."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from messsim.errors import MesssimError, ScenarioError
from messsim.results.figures import figures
from messsim.results.intervals import Interval, paired_difference, replication_interval
from messsim.results.rent import fixed_cost, rent_usd_per_hour
from messsim.routing import find
from messsim.scenario import Scenario

from .oracles import oracles_beside
from .processes import Workers, in_processes, local_workers, summary_of
from .rows import Row, row_of

__all__ = ["FIGURES", "ORACLES", "check_policies", "compare", "frontier", "with_policy"]

ORACLES = ("oracle", "statistical-oracle")
CLOSE = 2e-3  # a clairvoyant who satisfies this much less than asked could not do what was asked
LEVELS = 9

FIGURES = (
    "sla.satisfaction",
    "sla.shortfall",
    "sla.satisfaction_per_arrived",
    "sla.windows.worst",
    "sla.windows.violation_rate",
    "sla.time_to_compliance",
    "cost.per_request",
    "cost.per_request_without_exploration",
    "cost.ratio_to_simulated_oracle",
    "cost.ratio_to_statistical_oracle",
    *(f"cost.oracle.{who}.{at}" for who in ("clairvoyant", "statistical", "feature") for at in ("at_alpha", "at_own")),
    "requests.rejected",
    "requests.lost",
    "requests.timed_out",
    "requests.attempts",
    "energy.total_j",
    *(f"latency_s.{kind}.{at}" for kind in ("ttft", "e2e") for at in ("p50", "p95", "p99")),
)


def compare(
    scenario: Scenario,
    policies: Sequence[str],
    seeds: int,
    *,
    workers: int | None = None,
    told: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, Any], list[Row]]:
    """Runs every policy on the same replications of a scenario.

    Chance is drawn before routing, so that a replication is the same requests for all of them. The ratios to the
    oracles are of costs per answered request, exploration, lost work and idle energy included: the oracle routes
    the same requests in the same cluster, promised to satisfy each tenant as the policy did.

    Parameters
    ----------
    scenario
        Its own policy takes no part unless it is named.
    policies
        As in ``router.policy``; the first is what the others are compared with.
    seeds
        Replications 0 ... seeds - 1 of the scenario's seed.
    workers
        Processes; none: one a core.
    told
        Called with how many runs are done, and of how many.

    Returns
    -------
    tuple
        The comparison (``--json``), and a row for each policy and replication.

    Raises
    ------
    ScenarioError
        If a policy is unknown, or named twice, or cannot be run.
    SimulationError
        If a run cannot go on.
    """
    check_policies(policies, seeds)
    tasks = [
        (with_policy(scenario, p).changed(replication=r), p not in ORACLES) for r in range(seeds) for p in policies
    ]
    done: dict[int, dict[str, Any]] = {}
    with local_workers(workers) as many:
        for i, found in many.each(_measured, tasks):
            if isinstance(found, MesssimError):
                raise found
            done[i] = found
            if told is not None:
                told(len(done), len(tasks))
        _add_oracles([(task[0], done[i]) for i, task in enumerate(tasks)], many)
    rows = [row_of(task[0], done[i]) for i, task in enumerate(tasks)]
    flat = [figures(done[i]) for i in range(len(tasks))]
    by_policy = {p: flat[k :: len(policies)] for k, p in enumerate(policies)}
    names = [m.name for m in scenario.models]
    paths = [*FIGURES, *(f"models.{name}.share" for name in names)]
    first = by_policy[policies[0]]
    return {
        "scenario": scenario.name,
        "alpha": flat[0]["sla.alpha"],
        "cost_unit": scenario.cost.unit,
        "rent_usd_per_hour": rent_usd_per_hour(scenario),
        "cost_fixed": fixed_cost(scenario),
        "gpus": sum(p.tp * p.replicas for p in scenario.fleet if p.kind == "gpu"),
        "seed": scenario.seed,
        "replications": seeds,
        "models": names,
        "policies": [
            {
                "name": policy,
                "figures": {path: _interval([f.get(path) for f in runs]) for path in paths},
                "difference": None if runs is first else {path: _paired(runs, first, path) for path in paths},
            }
            for policy, runs in by_policy.items()
        ],
    }, rows


def _add_oracles(runs: Sequence[tuple[Scenario, dict[str, Any]]], many: Workers) -> None:
    """Puts all three oracles of known cost into the summaries, by one pass for runs of the same requests."""
    groups: dict[tuple[int, int], list[tuple[Scenario, dict[str, Any]]]] = {}
    for scenario, summary in runs:
        groups.setdefault((scenario.replication, summary["requests"]["arrived"]), []).append((scenario, summary))
    alike = list(groups.values())
    tasks = [
        (same[0][0], same[0][1]["requests"]["arrived"], [[t["satisfaction"] for t in s["tenants"]] for _, s in same])
        for same in alike
    ]
    for i, found in many.each(oracles_beside, tasks):
        if isinstance(found, MesssimError):
            raise found
        for (_, summary), costs in zip(alike[i], found, strict=True):
            summary["cost"]["oracle"] = {name: costs[name] for name in summary["cost"]["oracle"]}


def with_policy(scenario: Scenario, policy: str) -> Scenario:
    """The same scenario under another policy."""
    return scenario.changed(router=scenario.router.model_copy(update={"policy": policy}))


def check_policies(policies: Sequence[str], seeds: int) -> None:
    """Raises a ScenarioError for policies that are unknown or named twice, or too few replications."""
    if not policies:
        raise ScenarioError("--policies: names no policy; expected some, separated by commas")
    for policy in policies:
        if policies.count(policy) > 1:
            raise ScenarioError(f"--policies: {policy} is named twice")
        if not policy.endswith(".py"):
            find(policy)
    if seeds < 1:
        raise ScenarioError(f"--seeds {seeds}: expected at least 1")


def _measured(task: tuple[Scenario, bool]) -> dict[str, Any]:
    """A run's summary with its cost beside those of the oracles."""
    scenario, beside_oracles = task
    summary = summary_of(scenario)
    cost, answered = summary["cost"], sum(m["answered"] for m in summary["models"])
    cost["per_request_without_exploration"] = (cost["total"] - cost["exploration"]) / answered if answered else None
    clairvoyant, statistical = ORACLES
    cost["ratio_to_simulated_oracle"] = _ratio(scenario, summary, clairvoyant) if beside_oracles else None
    knows_law = beside_oracles and scenario.satisfaction.kind == "irt"
    cost["ratio_to_statistical_oracle"] = _ratio(scenario, summary, statistical) if knows_law else None
    return summary


def _ratio(scenario: Scenario, summary: dict[str, Any], oracle: str) -> float | None:
    """Cost per request over that of an oracle that satisfies each tenant as much; None where it cannot."""
    own = [t["satisfaction"] for t in summary["tenants"]]
    if None in own or summary["cost"]["per_request"] is None:
        return None
    found = summary_of(promising(with_policy(scenario, oracle), own))
    if not found["cost"]["per_request"] or not all(
        _reached(t, s, oracle) for t, s in zip(found["tenants"], own, strict=True)
    ):
        return None
    return float(summary["cost"]["per_request"] / found["cost"]["per_request"])


def _reached(tenant: dict[str, Any], asked: float, oracle: str) -> bool:
    """Whether an oracle did what it was asked; the statistical one is right on average only, to four deviations."""
    slack = CLOSE if oracle == ORACLES[0] else 2.0 / math.sqrt(max(tenant["answered"], 1))
    return tenant["satisfaction"] is not None and tenant["satisfaction"] >= asked - slack


def promising(scenario: Scenario, alphas: Sequence[float]) -> Scenario:
    """The same scenario with other promises, one a tenant."""
    if not scenario.tenants:
        return scenario.changed(sla=scenario.sla.model_copy(update={"alpha": alphas[0]}))
    tenants = [t.model_copy(update={"alpha": a}) for t, a in zip(scenario.tenants, alphas, strict=True)]
    return scenario.changed(tenants=tenants)


def _interval(values: Sequence[Any]) -> dict[str, Any] | None:
    """Of the replications that have the figure; `count` says how many they are."""
    known = [float(v) for v in values if v is not None]
    return _told(replication_interval(known)) if known else None


def _paired(runs: Sequence[dict[str, Any]], first: Sequence[dict[str, Any]], path: str) -> dict[str, Any] | None:
    pairs = [(a[path], b[path]) for a, b in zip(runs, first, strict=True) if None not in (a.get(path), b.get(path))]
    return _told(paired_difference([a for a, _ in pairs], [b for _, b in pairs])) if pairs else None


def _told(interval: Interval) -> dict[str, Any]:
    return {"mean": interval.mean, "low": interval.low, "high": interval.high, "count": interval.count}


def frontier(
    scenario: Scenario, comparison: dict[str, Any], *, workers: int | None = None
) -> list[dict[str, float | str]]:
    """What the oracles pay in this cluster for satisfaction around that of the policies, on the first replication.

    Returns
    -------
    list of dict
        `oracle`, `satisfaction` that it reached, `cost` per answered request; levels out of reach are left out.
    """
    reached = [
        p["figures"]["sla.satisfaction"]["mean"] for p in comparison["policies"] if p["figures"]["sla.satisfaction"]
    ]
    low, high = max(0.0, min(reached, default=0.0) - 0.05), min(1.0, max(reached, default=1.0) + 0.05)
    levels = [low + (high - low) * k / (LEVELS - 1) for k in range(LEVELS)]
    asked = [(o, level) for o in ORACLES for level in levels if o == ORACLES[0] or scenario.satisfaction.kind == "irt"]
    return sorted(_points(scenario, asked, workers), key=lambda p: (p["oracle"], p["satisfaction"]))


def _points(
    scenario: Scenario, asked: Sequence[tuple[str, float]], workers: int | None
) -> Iterator[dict[str, float | str]]:
    tenants = len(scenario.promises)
    tasks = [promising(with_policy(scenario, o), [level] * tenants).changed(replication=0) for o, level in asked]
    for i, found in in_processes(summary_of, tasks, workers=workers):
        if isinstance(found, MesssimError):
            raise found
        oracle, level = asked[i]
        if all(_reached(t, level, oracle) for t in found["tenants"]):
            yield {"oracle": oracle, "satisfaction": found["sla"]["satisfaction"], "cost": found["cost"]["per_request"]}
