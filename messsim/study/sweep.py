"""A scenario at many points, each with several replications: the same requests at every point."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from messsim.errors import MesssimError, ScenarioError
from messsim.results.figures import Figure, full_path
from messsim.results.intervals import replication_interval
from messsim.results.rent import fleet_figures
from messsim.scenario import Scenario, with_values
from messsim.shapes.studies import IntervalSummary, Sweep, SweepPoint
from messsim.version import __version__

from .runs import GivenWorkers, Matrix, OnProgress, Runs, Task, check_seeds, runs_of
from .runs.identity import contents
from .runs.points import Point, in_words
from .runs.requirements import known_figures
from .runs.rows import Row, failed_row, row_of
from .runs.so_far import OnKnown, telling
from .runs.summaries import summary_of
from .runs.verdicts import values_of

__all__ = ["SHOWN", "sweep"]

SHOWN = ("sla.satisfaction", "cost.per_request", "latency_s.ttft.p95")


def sweep(
    scenario: Scenario,
    points: Sequence[Point],
    *,
    seeds: int = 5,
    shown: Sequence[str] | None = None,
    out: Path | None = None,
    workers: GivenWorkers = None,
    on_progress: OnProgress | None = None,
    on_known: OnKnown | None = None,
) -> Sweep:
    """Runs every point with replications 0 ... seeds - 1.

    Chance is drawn before routing, so replication k sees the same requests at every point, as far as the point
    leaves arrivals and lengths alone: differences between points spread less than the points do.

    Parameters
    ----------
    scenario
        What the points change.
    points
        From `messsim.study.runs.points.points_of`.
    seeds
        Replications of each point.
    shown
        Paths of the figures to report, each with its mean and 95 % interval over replications; none: `SHOWN`, and rent
        and mean replicas of pools that change their size.
    out
        A directory for ``results.parquet``; one that the same sweep began is continued.
    workers, on_progress
        As in `messsim.study.runs.runs_of`.
    on_known
        Called after each run with what is known of each point so far.

    Raises
    ------
    ScenarioError
        If there are no replications, a point cannot be run, a path leads nowhere, or no point can be set up at all.
    OutputError, SimulationError
        As `messsim.study.runs.runs_of` does.
    """
    check_seeds(seeds)
    base = scenario.changed(replication=0)
    scenarios = [_at(base, point) for point in points]
    shown = _full_paths(shown, scenarios)
    keys = [(i, r) for r in range(seeds) for i in range(len(points))]
    matrix = Matrix(base, points, scenarios.__getitem__, _row)
    with runs_of(
        matrix,
        out=out,
        identity=lambda: contents("sweep", base, points, scenarios),
        table=lambda runs: _table(matrix, runs),
        keys=keys,
        workers=workers,
        on_progress=on_progress,
    ) as runs:
        runs.make(keys, telling(on_known, [in_words(point) for point in points], lambda: runs.values))
    return _summed_up(matrix, seeds, shown, runs)


def _summed_up(matrix: Matrix[Row], seeds: int, shown: Sequence[str], runs: Runs[Row]) -> Sweep:
    """Figures of all points, and the runs that failed."""
    base, points = matrix.base, matrix.points
    resumed = sum(r < seeds for _, r in runs.before)
    at_points = [[runs.values[i, r] for r in range(seeds) if (i, r) in runs.values] for i in range(len(points))]
    return {
        "scenario": base.name,
        "version": __version__,
        "seed": base.seed,
        "cost_unit": base.cost.unit,
        "replications": seeds,
        "computed": len(points) * seeds - resumed - len(runs.failed),
        "resumed": resumed,
        "points": [_point(p, matrix.scenario_at(i), at_points[i], shown) for i, p in enumerate(points)],
        "failures": [
            {"point": points[i], "replication": r, "error": str(runs.failed[i, r])} for i, r in sorted(runs.failed)
        ],
    }


def _at(base: Scenario, point: Point) -> Scenario:
    try:
        return with_values(base, point)
    except ScenarioError as error:
        raise ScenarioError([f"at {in_words(point)}: {problem}" for problem in error.problems]) from None


def _full_paths(shown: Sequence[str] | None, scenarios: Sequence[Scenario]) -> list[str]:
    known = _first_figures(scenarios)
    if shown is None:
        fleets = dict.fromkeys(path for scenario in scenarios for path in fleet_figures(scenario))
        return [*SHOWN, *(path for path in fleets if path in known)]
    return [full_path(path, known) for path in shown]


def _first_figures(scenarios: Sequence[Scenario]) -> dict[str, Figure]:
    """Every figure that a summary has, from one request of the first point that can be set up.

    Raises
    ------
    ScenarioError
        If none can: what is wrong with the first.
    """
    first: MesssimError | None = None
    for scenario in scenarios:
        try:
            return known_figures(scenario)
        except ScenarioError as error:
            first = first or error
    assert first is not None
    raise first


def _row(task: Task) -> Row:
    scenario, point = task
    return row_of(scenario, summary_of(scenario), point)


def _table(matrix: Matrix[Row], runs: Runs[Row]) -> list[Row]:
    """All rows by point and replication, those that failed included."""
    rows = runs.values | {
        key: failed_row(matrix.scenario(key), error, matrix.points[key[0]]) for key, error in runs.failed.items()
    }
    return [rows[key] for key in sorted(rows)]


def _point(point: Point, scenario: Scenario, rows: Sequence[Row], shown: Sequence[str]) -> SweepPoint:
    return {
        "point": point,
        "policy": scenario.router.policy_name,
        "replications": len(rows),
        "figures": {path: _interval(path, rows) for path in shown},
    }


def _interval(path: str, rows: Sequence[Row]) -> IntervalSummary | None:
    """Mean and interval over the replications that have the figure; None where none has."""
    values = values_of(path, rows)
    return replication_interval(values).summary() if values else None
