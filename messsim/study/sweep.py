"""A scenario at many points, each with several replications: the same requests at every point."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from messsim.errors import MesssimError, ScenarioError
from messsim.results.figures import Figure, check_path
from messsim.results.intervals import replication_interval
from messsim.scenario import Scenario, with_values
from messsim.version import __version__

from .identity import contents
from .journal import journal, keeping
from .points import Point, told
from .processes import Workers, local_workers, summary_of
from .requirements import known_figures
from .rows import Row, check_version, failed_row, row_of
from .verdicts import values_of

if TYPE_CHECKING:
    from .journal import Journal

__all__ = ["SHOWN", "sweep"]

SHOWN = ("sla.satisfaction", "cost.per_request", "latency_s.ttft.p95")

Key = tuple[int, int]  # point, replication
Told = Callable[[int, int], None]


def sweep(
    scenario: Scenario,
    points: Sequence[Point],
    *,
    seeds: int = 5,
    shown: Sequence[str] = SHOWN,
    out: Path | None = None,
    workers: AbstractContextManager[Workers] | None = None,
    progress: Told | None = None,
) -> dict[str, Any]:
    """Runs every point with replications 0 ... seeds - 1.

    Chance is drawn before routing, so replication k sees the same requests at every point, as far as the point
    leaves arrivals and lengths alone: differences between points spread less than the points do.

    Parameters
    ----------
    scenario
        What the points change.
    points
        From `messsim.study.points.points_of`.
    seeds
        Replications of each point.
    shown
        Paths of the figures to report, each with its mean and 95 % interval over replications.
    out
        A directory for ``results.parquet``; one that the same sweep began is gone on with.
    workers
        Who runs; none: a process a core.
    progress
        Told how many runs are done, out of how many.

    Returns
    -------
    dict
        `points`: figures by path with mean, low, high. `failures`: point, replication, error, and the overrides
        that reproduce it. `computed` and `resumed`: runs of now and of before.

    Raises
    ------
    ScenarioError
        If a point cannot be run as it stands, a path leads nowhere, or no point can be set up at all.
    OutputError
        If the directory is something else's or damaged, or cannot be written to.
    SimulationError
        If a worker dies. What is finished stays in the directory, as it does on KeyboardInterrupt or a full disk.
    """
    base = scenario.changed(replication=0)
    scenarios = [_at(base, point) for point in points]
    known = _first_figures(scenarios)
    for path in shown:
        check_path(path, known)
    keys = [(i, r) for r in range(seeds) for i in range(len(points))]
    book = nullcontext() if out is None else journal(out, base, contents(base, points, scenarios), points)
    with book as kept:
        state = _Runs(points, scenarios, keys, kept)
        with keeping(kept, state.in_order, lambda: f"{state.done} of {len(keys)}"), workers or local_workers() as many:
            state.run(many, progress)
    return state.report(scenario, seeds, shown)


def _at(base: Scenario, point: Point) -> Scenario:
    try:
        return with_values(base, point)
    except ScenarioError as error:
        raise ScenarioError([f"at {told(point)}: {problem}" for problem in error.problems]) from None


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


def _row(task: tuple[Scenario, Point]) -> Row:
    scenario, point = task
    return row_of(scenario, summary_of(scenario), point)


class _Runs:
    """The rows of a sweep: those of before, and those that come."""

    def __init__(
        self, points: Sequence[Point], scenarios: Sequence[Scenario], keys: list[Key], kept: Journal | None
    ) -> None:
        self._points, self._scenarios, self._kept, self._keys = points, scenarios, kept, keys
        self._rows: dict[Key, Row] = dict(kept.rows) if kept is not None else {}
        self._failed: dict[Key, MesssimError] = {}
        self._todo = [key for key in keys if key not in self._rows]

    @property
    def done(self) -> int:
        """Runs that came to their end."""
        return len(self._keys) - len(self._todo) + sum(key in self._rows for key in self._todo)

    def run(self, workers: Workers, progress: Told | None) -> None:
        tell = progress or (lambda done, total: None)
        tell(self.done, len(self._keys))
        for i, value in workers.each(_row, self._tasks()):
            self._take(self._todo[i], value)
            tell(self.done + len(self._failed), len(self._keys))

    def _tasks(self) -> Iterator[tuple[Scenario, Point]]:
        for i, replication in self._todo:
            yield self._scenarios[i].changed(replication=replication), self._points[i]

    def _take(self, key: Key, value: Row | MesssimError) -> None:
        if isinstance(value, MesssimError):
            self._failed[key] = value
            return
        check_version(value)
        if self._kept is not None:
            self._kept.add(key, value)
        self._rows[key] = value

    def in_order(self) -> list[Row]:
        """All rows by point and replication, those that failed included."""
        rows = self._rows | {
            (i, r): failed_row(self._scenarios[i].changed(replication=r), error, self._points[i])
            for (i, r), error in self._failed.items()
        }
        return [rows[key] for key in sorted(rows)]

    def report(self, scenario: Scenario, seeds: int, shown: Sequence[str]) -> dict[str, Any]:
        return {
            "scenario": scenario.name,
            "version": __version__,
            "seed": scenario.seed,
            "replications": seeds,
            "computed": len(self._todo) - len(self._failed),
            "resumed": len(self._keys) - len(self._todo),
            "points": [self._point(i, shown) for i in range(len(self._points))],
            "failures": [self._failure(key) for key in sorted(self._failed)],
        }

    def _point(self, i: int, shown: Sequence[str]) -> dict[str, Any]:
        rows = [self._rows[key] for key in sorted(self._keys) if key[0] == i and key in self._rows]
        return {
            "point": self._points[i],
            "policy": self._scenarios[i].router.policy_name,
            "replications": len(rows),
            "figures": {path: _interval(path, rows) for path in shown},
        }

    def _failure(self, key: Key) -> dict[str, Any]:
        i, replication = key
        return {"point": self._points[i], "replication": replication, "error": str(self._failed[key])}


def _interval(path: str, rows: Sequence[Row]) -> dict[str, Any] | None:
    """Mean and interval over the replications that have the figure; None where none has."""
    values = values_of(path, rows)
    return replication_interval(values).summary() if values else None
