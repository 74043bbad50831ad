"""A challenge for routers: every policy under every condition, on the same requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from messsim.errors import ScenarioError
from messsim.scenario import Scenario
from messsim.shapes.challenge import Challenge

from ..compare.policies import ORACLES, check_policies, ratio_to, with_policy
from ..runs import GivenWorkers, Matrix, OnProgress, Runs, Task, runs_of
from ..runs.identity import contents
from ..runs.journal import Key
from ..runs.points import Point
from ..runs.rows import Row, failed_row, row_of
from ..runs.so_far import OnKnown, telling
from ..runs.summaries import summary_of
from .table import table_of

__all__ = ["POLICIES", "challenge"]

POLICIES = (
    *("mess+", "linucb", "thompson", "pareto-floor", "load-aware", "static-mix", "best-single", "threshold"),
    *("cascade", "length-only", "route-balance", "multi-factor"),
)
CONDITION, POLICY = "condition", "router.policy"


def challenge(
    scenarios: Mapping[str, Scenario],
    policies: Sequence[str] = POLICIES,
    seeds: int = 5,
    *,
    out: Path | None = None,
    workers: GivenWorkers = None,
    on_progress: OnProgress | None = None,
    on_known: OnKnown | None = None,
) -> tuple[Challenge, list[Row]]:
    """Runs every policy under every condition.

    Parameters
    ----------
    scenarios
        By condition; see `messsim.study.challenge.conditions.conditions`.
    policies
        As in ``router.policy``, files as seen from the working directory. Ranks are compared with the first.
    seeds
        Replications 0 ... seeds - 1 of each scenario's seed.
    out
        A directory for ``results.parquet``; one that the same challenge began is continued.
    workers, on_progress
        As in `messsim.study.runs.runs_of`.
    on_known
        Called after each run with what is known of each policy so far, over all conditions.

    Returns
    -------
    tuple
        What was found, and a row for each condition, policy and replication; of a run that failed, its `error`.

    Raises
    ------
    ScenarioError
        If a policy is unknown, or named twice.
    OutputError, SimulationError
        As `messsim.study.runs.runs_of` does.
    """
    policies = [str(Path(p).resolve()) if p.endswith(".py") else p for p in policies]
    _check(scenarios, policies, seeds)
    points: list[Point] = [{CONDITION: c, POLICY: p} for c in scenarios for p in policies]
    at_points = [with_policy(s, p).changed(replication=0) for s in scenarios.values() for p in policies]
    keys = [(i, r) for r in range(seeds) for i in range(len(points))]
    matrix = Matrix(at_points[0], points, at_points.__getitem__, _measured)
    with runs_of(
        matrix,
        out=out,
        identity=lambda: contents("challenge", matrix.base, points, at_points, several=True),
        table=lambda runs: _rows(matrix, runs),
        keys=keys,
        workers=workers,
        on_progress=on_progress,
    ) as runs:
        runs.make(keys, telling(on_known, [str(point[POLICY]) for point in points], lambda: runs.values))
    rows = _rows(matrix, runs, keys)
    return table_of(scenarios, policies, seeds, rows), rows


def _measured(task: Task) -> Row:
    """The row of a run, with its cost beside that of the clairvoyant oracle in the same cluster."""
    scenario, point = task
    summary = summary_of(scenario)
    beside = scenario.router.policy not in ORACLES
    summary["cost"]["ratio_to_simulated_oracle"] = ratio_to(scenario, summary, ORACLES[0]) if beside else None
    return row_of(scenario, summary, {CONDITION: point[CONDITION]}) | {"policy": point[POLICY]}


def _rows(matrix: Matrix[Row], runs: Runs[Row], keys: Sequence[Key] | None = None) -> list[Row]:
    """Rows by condition, policy and replication, those that failed included; `keys`: of these runs alone."""
    rows = dict(runs.values)
    for key, error in runs.failed.items():
        point = matrix.points[key[0]]
        rows[key] = failed_row(matrix.scenario(key), error, {CONDITION: point[CONDITION]}) | {"policy": point[POLICY]}
    return [rows[key] for key in sorted(rows if keys is None else keys)]


def _check(scenarios: Mapping[str, Scenario], policies: Sequence[str], seeds: int) -> None:
    if not policies or not scenarios:
        raise ScenarioError("a challenge: expected a policy and a condition at least")
    check_policies(policies, seeds)
    for policy in policies:
        if policy.endswith(".py") and not Path(policy).is_file():
            raise ScenarioError(f"{policy}: there is no such file; expected a policy in Python")
