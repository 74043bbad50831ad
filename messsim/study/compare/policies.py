"""Policies on the same requests: figures with intervals over replications, and paired differences."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from messsim.errors import ScenarioError
from messsim.results.figures import Figure, figures
from messsim.results.intervals import Interval, paired_difference, replication_interval
from messsim.results.rent import fixed_cost, fleet_figures, rent_usd_per_hour
from messsim.routing import find
from messsim.scenario import Scenario
from messsim.shapes.studies import Comparison, OraclePoint, Spread
from messsim.summary import TenantSummary

from ..runs import GivenWorkers, Matrix, OnProgress, Runs, Task, Workers, check_seeds, every, runs_of, workers_from
from ..runs.identity import contents
from ..runs.journal import Key
from ..runs.points import Point
from ..runs.rows import Row, row_of
from ..runs.so_far import OnKnown, telling
from ..runs.summaries import Summary, summary_of
from ..simulation.oracles import oracles_beside

__all__ = ["FIGURES", "ORACLES", "check_policies", "compare", "frontier", "ratio_to", "with_policy"]

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
    out: Path | None = None,
    workers: GivenWorkers = None,
    on_progress: OnProgress | None = None,
    on_known: OnKnown | None = None,
) -> tuple[Comparison, list[Row]]:
    """Runs every policy on the same replications of a scenario.

    Chance is drawn before routing, so that a replication is the same requests for all of them. What the ratios to
    the oracles are of: `ratio_to`.

    Parameters
    ----------
    scenario
        Its own policy takes no part unless it is named.
    policies
        As in ``router.policy``; the first is what the others are compared with.
    seeds
        Replications 0 ... seeds - 1 of the scenario's seed.
    out
        A directory for ``results.parquet``; one that the same comparison began is continued.
    workers, on_progress
        As in `messsim.study.runs.runs_of`.
    on_known
        Called after each run with what is known of each policy so far.

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
    base = scenario.changed(replication=0)
    points: list[Point] = [{"router.policy": policy} for policy in policies]
    scenarios = [with_policy(base, policy) for policy in policies]
    keys = [(i, r) for r in range(seeds) for i in range(len(policies))]
    matrix = Matrix(base, points, scenarios.__getitem__, _measured)
    with runs_of(
        matrix,
        out=out,
        identity=lambda: contents("compare", base, points, scenarios),
        table=lambda runs: list(_rows(matrix, runs, keys).values()),
        keys=keys,
        workers=workers,
        on_progress=on_progress,
    ) as runs:
        summaries = runs.all(keys, telling(on_known, policies, lambda: _rows(matrix, runs, keys)))
        _add_oracles([(matrix.scenario(key), runs.values[key]) for key in keys], runs.workers)
    return _comparison(scenario, policies, summaries, seeds), list(_rows(matrix, runs, keys).values())


def _comparison(scenario: Scenario, policies: Sequence[str], summaries: list[Summary], seeds: int) -> Comparison:
    """What is known of every policy, and how it differs from the first, by its replications."""
    flat = [figures(summary) for summary in summaries]
    by_policy = {p: flat[k :: len(policies)] for k, p in enumerate(policies)}
    names = [m.name for m in scenario.models]
    paths = [*FIGURES, *fleet_figures(scenario), *(f"models.{name}.share" for name in names)]
    first = by_policy[policies[0]]
    return {
        "scenario": scenario.name,
        "alpha": _promised([summary["sla"]["alpha"] for summary in summaries]),
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
    }


def _promised(alphas: Sequence[float]) -> float:
    """The mean promise of runs: with several tenants it goes by who was answered."""
    return alphas[0] if len(set(alphas)) == 1 else math.fsum(alphas) / len(alphas)


def _rows(matrix: Matrix[Summary], runs: Runs[Summary], keys: Sequence[Key]) -> dict[Key, Row]:
    """A row for each policy and replication that came to its end."""
    return {key: row_of(matrix.scenario(key), runs.values[key]) for key in keys if key in runs.values}


def _add_oracles(runs: Sequence[tuple[Scenario, Summary]], many: Workers) -> None:
    """Puts all three oracles of known cost into the summaries, by one pass for runs of the same requests."""
    groups: dict[tuple[int, int], list[tuple[Scenario, Summary]]] = {}
    for scenario, summary in runs:
        groups.setdefault((scenario.replication, summary["requests"]["arrived"]), []).append((scenario, summary))
    alike = list(groups.values())
    tasks = [
        (same[0][0], same[0][1]["requests"]["arrived"], [[t["satisfaction"] for t in s["tenants"]] for _, s in same])
        for same in alike
    ]
    for same, result in zip(alike, every(many, oracles_beside, tasks, frees_gil=True), strict=True):
        for (_, summary), costs in zip(same, result, strict=True):
            summary["cost"]["oracle"] = {
                "clairvoyant": costs["clairvoyant"],
                "statistical": costs["statistical"],
                "feature": costs["feature"],
            }


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
    check_seeds(seeds)


def _measured(task: Task) -> Summary:
    """A run's summary with its cost beside those of the oracles."""
    scenario, _ = task
    beside_oracles = scenario.router.policy not in ORACLES
    summary = summary_of(scenario)
    cost, answered = summary["cost"], sum(m["answered"] for m in summary["models"])
    cost["per_request_without_exploration"] = (cost["total"] - cost["exploration"]) / answered if answered else None
    clairvoyant, statistical = ORACLES
    cost["ratio_to_simulated_oracle"] = ratio_to(scenario, summary, clairvoyant) if beside_oracles else None
    knows_law = beside_oracles and scenario.satisfaction.kind == "irt"
    cost["ratio_to_statistical_oracle"] = ratio_to(scenario, summary, statistical) if knows_law else None
    return summary


def ratio_to(scenario: Scenario, summary: Summary, oracle: str) -> float | None:
    """Cost per request over that of an oracle that satisfies each tenant as much; None where it cannot.

    Costs are those of answered requests, exploration, lost work and idle energy included: the oracle routes the same
    requests in the same cluster, promised to satisfy each tenant as the policy did.
    """
    own = [s for t in summary["tenants"] if (s := t["satisfaction"]) is not None]
    if len(own) < len(summary["tenants"]) or summary["cost"]["per_request"] is None:
        return None
    summarised = summary_of(promising(with_policy(scenario, oracle), own))
    if not summarised["cost"]["per_request"] or not all(
        _reached(t, s, oracle) for t, s in zip(summarised["tenants"], own, strict=True)
    ):
        return None
    return summary["cost"]["per_request"] / summarised["cost"]["per_request"]


def _reached(tenant: TenantSummary, asked: float, oracle: str) -> bool:
    """Whether an oracle did what it was asked; the statistical one is right on average only, to four deviations."""
    slack = CLOSE if oracle == ORACLES[0] else 2.0 / math.sqrt(max(tenant["answered"], 1))
    return tenant["satisfaction"] is not None and tenant["satisfaction"] >= asked - slack


def promising(scenario: Scenario, alphas: Sequence[float]) -> Scenario:
    """The same scenario with other promises, one a tenant."""
    if not scenario.tenants:
        return scenario.changed(sla=scenario.sla.model_copy(update={"alpha": alphas[0]}))
    tenants = [t.model_copy(update={"alpha": a}) for t, a in zip(scenario.tenants, alphas, strict=True)]
    return scenario.changed(tenants=tenants)


def _interval(values: Sequence[Any]) -> Spread | None:
    """Of the replications that have the figure; `count` says how many they are."""
    known = [float(v) for v in values if v is not None]
    return _stated(replication_interval(known)) if known else None


def _paired(runs: Sequence[Mapping[str, Figure]], first: Sequence[Mapping[str, Figure]], path: str) -> Spread | None:
    result = ((a.get(path), b.get(path)) for a, b in zip(runs, first, strict=True))
    pairs = [(float(a), float(b)) for a, b in result if a is not None and b is not None]
    return _stated(paired_difference([a for a, _ in pairs], [b for _, b in pairs])) if pairs else None


def _stated(interval: Interval) -> Spread:
    return {"mean": interval.mean, "low": interval.low, "high": interval.high, "count": interval.count}


def frontier(scenario: Scenario, comparison: Comparison, *, workers: GivenWorkers = None) -> list[OraclePoint]:
    """What the oracles pay in this cluster for satisfaction around that of the policies, on the first replication.

    Returns
    -------
    list of OraclePoint
        Levels out of reach are left out.
    """
    reached = [
        p["figures"]["sla.satisfaction"]["mean"] for p in comparison["policies"] if p["figures"]["sla.satisfaction"]
    ]
    low, high = max(0.0, min(reached, default=0.0) - 0.05), min(1.0, max(reached, default=1.0) + 0.05)
    levels = [low + (high - low) * k / (LEVELS - 1) for k in range(LEVELS)]
    asked = [(o, level) for o in ORACLES for level in levels if o == ORACLES[0] or scenario.satisfaction.kind == "irt"]
    return sorted(_points(scenario, asked, workers), key=lambda p: (p["oracle"], p["satisfaction"]))


def _points(scenario: Scenario, asked: Sequence[tuple[str, float]], workers: GivenWorkers) -> Iterator[OraclePoint]:
    tenants = len(scenario.promises)
    tasks = [promising(with_policy(scenario, o), [level] * tenants).changed(replication=0) for o, level in asked]
    with workers_from(workers) as many:
        summaries = every(many, summary_of, tasks, frees_gil=scenario.engine == "compiled")
    for (oracle, level), result in zip(asked, summaries, strict=True):
        satisfaction, cost = result["sla"]["satisfaction"], result["cost"]["per_request"]
        if satisfaction is None or cost is None:
            continue
        if all(_reached(t, level, oracle) for t in result["tenants"]):
            yield {"oracle": oracle, "satisfaction": satisfaction, "cost": cost}
