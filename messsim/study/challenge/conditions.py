"""A challenge for routers: every policy under every condition, on the same requests."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from messsim.errors import MesssimError, ScenarioError
from messsim.files import sha256
from messsim.report.challenge.facts import Cell, Challenge, Standing
from messsim.results.intervals import paired_difference, replication_interval
from messsim.routing import find
from messsim.scenario import Scenario, dump, load
from messsim.version import __version__

from ..compare.policies import ORACLES, ratio_to, with_policy
from ..runs.rows import Row, failed_row, row_of
from ..runs.summaries import local_workers, summary_of

__all__ = ["CONDITIONS", "POLICIES", "challenge", "conditions", "conditions_folder"]

CONDITIONS = (
    *("stationary", "cold-start", "sudden-drift", "gradual-drift", "model-added", "model-withdrawn"),
    *("late", "sparse", "one-sided", "biased", "complaints-only", "poisoned", "overload", "failures", "instances"),
)
POLICIES = (
    *("mess+", "linucb", "thompson", "pareto-floor", "load-aware", "static-mix", "best-single", "threshold"),
    *("cascade", "length-only", "route-balance", "multi-factor"),
)
Run = tuple[str, str, Scenario]  # condition, policy, and both as a scenario
Cells = Mapping[tuple[str, str], Sequence[Row]]  # rows of a condition and a policy, by replication


def conditions_folder() -> Path:
    """Where the scenarios of the challenge are: in an installed package, or in the source tree.

    Raises
    ------
    ScenarioError
        If they are in neither.
    """
    package = Path(__file__).resolve().parents[2]
    for folder in (package / "challenge", package.parent / "scenarios" / "challenge"):
        if (folder / "stationary.toml").exists():
            return folder
    raise ScenarioError("the scenarios of the challenge are missing; expected scenarios/challenge beside the package")


def conditions(
    names: Sequence[str] = CONDITIONS, *, requests: int | None = None, seed: int | None = None
) -> dict[str, Scenario]:
    """The scenarios of conditions, by name; with fewer or more requests, phases move with them.

    Raises
    ------
    ScenarioError
        If there is no such condition, or one is named twice.
    """
    for name in names:
        if name not in CONDITIONS:
            raise ScenarioError(f"--conditions: {name!r}: expected any of {', '.join(CONDITIONS)}")
        if list(names).count(name) > 1:
            raise ScenarioError(f"--conditions: {name} is named twice")
    folder = conditions_folder()
    flags = {} if seed is None else {"seed": seed}
    found = {name: load(folder / f"{name}.toml", None, **flags) for name in names}
    return found if requests is None else {name: _stretched(s, requests) for name, s in found.items()}


def _stretched(scenario: Scenario, requests: int) -> Scenario:
    """So many requests, fewer where a condition is about having few; phases begin at the same share of them."""
    assert scenario.requests is not None
    if not scenario.phases:
        return scenario.changed(
            requests=min(requests, scenario.requests) if scenario.name == "cold-start" else requests
        )
    factor = requests / scenario.requests
    moved = [
        p.model_copy(
            update={
                "from_request": None if p.from_request is None else round(factor * p.from_request),
                "over_requests": None if p.over_requests is None else max(1, round(factor * p.over_requests)),
            }
        )
        for p in scenario.phases
    ]
    return scenario.changed(requests=requests, phases=moved)


def runs_of(scenarios: Mapping[str, Scenario], policies: Sequence[str], seeds: int) -> Iterator[Run]:
    """Every condition, policy and replication; replications of one policy stand together."""
    for condition, scenario in scenarios.items():
        for policy in policies:
            for r in range(seeds):
                yield condition, policy, with_policy(scenario, policy).changed(replication=r)


def challenge(
    scenarios: Mapping[str, Scenario],
    policies: Sequence[str] = POLICIES,
    seeds: int = 5,
    *,
    workers: int | None = None,
    told: Callable[[int, int], None] | None = None,
) -> tuple[Challenge, list[Row]]:
    """Runs every policy under every condition.

    Parameters
    ----------
    scenarios
        By condition; see `conditions`.
    policies
        As in ``router.policy``; a file's path is absolute. Ranks are compared with the first.
    seeds
        Replications 0 ... seeds - 1 of each scenario's seed.
    workers
        Processes; none: one a core.
    told
        Called with how many runs are done, and of how many.

    Returns
    -------
    tuple
        What was found, and a row for each condition, policy and replication.

    Raises
    ------
    ScenarioError
        If a policy is unknown, or named twice.
    """
    _check(scenarios, policies, seeds)
    runs = list(runs_of(scenarios, policies, seeds))
    done: dict[int, Row] = {}
    with local_workers(workers) as many:
        for i, found in many.each(_played, runs):
            condition, policy, scenario = runs[i]
            if isinstance(found, MesssimError):
                found = failed_row(scenario, found, {"condition": condition}) | {"policy": policy}
            done[i] = found
            if told is not None:
                told(len(done), len(runs))
    rows = [done[i] for i in range(len(runs))]
    return table_of(scenarios, policies, seeds, rows), rows


def _played(run: Run) -> Row:
    """The row of a run, with its cost beside that of the clairvoyant oracle in the same cluster."""
    condition, policy, scenario = run
    summary = summary_of(scenario)
    beside = scenario.router.policy not in ORACLES
    summary["cost"]["ratio_to_simulated_oracle"] = ratio_to(scenario, summary, ORACLES[0]) if beside else None
    return row_of(scenario, summary, {"condition": condition}) | {"policy": policy}


def _check(scenarios: Mapping[str, Scenario], policies: Sequence[str], seeds: int) -> None:
    if not policies or not scenarios:
        raise ScenarioError("a challenge: expected a policy and a condition at least")
    if seeds < 1:
        raise ScenarioError(f"--seeds {seeds}: expected at least 1")
    for policy in policies:
        if list(policies).count(policy) > 1:
            raise ScenarioError(f"--policies: {policy} is named twice")
        if not policy.endswith(".py"):
            find(policy)
        elif not Path(policy).is_file():
            raise ScenarioError(f"{policy}: there is no such file; expected a policy in Python")


# ---- the table --------------------------------------------------------------------------------------------


def table_of(scenarios: Mapping[str, Scenario], policies: Sequence[str], seeds: int, rows: Sequence[Row]) -> Challenge:
    """What the rows of all runs say, in the order of `runs_of`."""
    order = iter(rows)
    by: Cells = {(c, p): [next(order) for _ in range(seeds)] for c in scenarios for p in policies}
    ranks = {(c, r): _ranks([by[c, p][r] for p in policies]) for c in scenarios for r in range(seeds)}
    cells = [
        _cell(c, p, by[c, p], [ranks[c, r][k] for r in range(seeds)]) for c in scenarios for k, p in enumerate(policies)
    ]
    means = {
        p: [math.fsum(ranks[c, r][k] for c in scenarios) / len(scenarios) for r in range(seeds)]
        for k, p in enumerate(policies)
    }
    standings = [_standing(p, [x for x in cells if x.policy == p], means[p], means[policies[0]]) for p in policies]
    first = standings[0]
    standings = [first if s is first else s for s in sorted(standings, key=lambda s: s.rank)]
    bare = [with_policy(s, "mess+").changed(replication=0) for s in scenarios.values()]
    own_seeds = {s.seed for s in scenarios.values()}
    return Challenge(
        version=__version__,
        scenarios_sha256=hashlib.sha256("\n".join(dump(s) for s in bare).encode()).hexdigest(),
        policies_sha256={Path(p).name: sha256(Path(p)) for p in policies if p.endswith(".py")},
        seed=own_seeds.pop() if len(own_seeds) == 1 else None,
        replications=seeds,
        conditions=list(scenarios),
        requests={c: s.requests for c, s in scenarios.items()},
        alphas={c: s.sla.alpha for c, s in scenarios.items()},
        cost_units={c: s.cost.unit for c, s in scenarios.items()},
        policies=[_name(p) for p in policies],
        standings=standings,
        cells=cells,
    )


def _name(policy: str) -> str:
    return Path(policy).name if policy.endswith(".py") else policy


def _ranks(rows: Sequence[Row]) -> list[float]:
    """Ranks of the policies in one replication of a condition; who are alike share the mean of their ranks."""
    keys = [_key(row) for row in rows]
    return [1.0 + sum(k < key for k in keys) + (sum(k == key for k in keys) - 1) / 2.0 for key in keys]


def _key(row: Row) -> tuple[int, float]:
    """Kept before missed before failed; then by the cost of an answer, or by what is missing."""
    cost, margin = row.get("cost_per_request"), row.get("sla_margin")
    if row["error"] is not None or cost is None or margin is None:
        return 2, 0.0
    return (0, float(cost)) if row["sla_kept"] else (1, -float(margin))


def _cell(condition: str, policy: str, rows: Sequence[Row], ranks: Sequence[float]) -> Cell:
    ended = [row for row in rows if row["error"] is None]
    compliant = _known(ended, "sla_time_to_compliance")
    errors = [str(row["error"]) for row in rows if row["error"] is not None]
    return Cell(
        condition=condition,
        policy=_name(policy),
        kept=sum(bool(row["sla_kept"]) for row in ended),
        runs=len(rows),
        compliant_from=_mean(compliant),
        compliant=len(compliant),
        satisfaction=_mean(_known(ended, "sla_satisfaction")),
        answered=_mean([float(row["requests_completed"]) / float(row["requests_arrived"]) for row in ended]),  # type: ignore[arg-type]
        cost=_mean(_known(ended, "cost_per_request")),
        x_oracle=_mean(_known(ended, "cost_ratio_to_simulated_oracle")),
        e2e_p95_s=_mean(_known(ended, "latency_s_e2e_p95")),
        rank=math.fsum(ranks) / len(ranks),
        error=errors[0] if errors else "",
    )


def _known(rows: Sequence[Row], column: str) -> list[float]:
    return [float(value) for row in rows if (value := row.get(column)) is not None]


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _standing(policy: str, cells: Sequence[Cell], ranks: Sequence[float], first: Sequence[float]) -> Standing:
    """Replications are the independent values: a rank is the mean over the conditions of one."""
    own = replication_interval(ranks)
    against = None if ranks is first else paired_difference(ranks, first)
    logs = [math.log(c.x_oracle) for c in cells if c.x_oracle]
    return Standing(
        policy=_name(policy),
        kept=sum(c.kept for c in cells),
        runs=sum(c.runs for c in cells),
        x_oracle=math.exp(math.fsum(logs) / len(logs)) if logs else None,
        rank=own.mean,
        rank_low=own.low,
        rank_high=own.high,
        difference=None if against is None else against.mean,
        low=None if against is None else against.low,
        high=None if against is None else against.high,
    )
