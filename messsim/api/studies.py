"""Every study as a function: what the command of the same name does, without a command line."""

from __future__ import annotations

import dataclasses
import itertools
import operator
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from messsim.amounts import names_in, spaced
from messsim.errors import ScenarioError
from messsim.results.directory import write_texts
from messsim.scenario import Scenario, load, parse
from messsim.scenario.changing import full_path
from messsim.scenario.python_values import without_numpy

from . import EVERY
from .progress import RunProgress, StudyProgress, run_progress, study_progress
from .shown import Result, StudyResult
from .tables import clusters_table, flat_table, points_table

if TYPE_CHECKING:
    from messsim.study.runs import GivenWorkers

__all__ = ["challenge", "check", "compare", "converge", "plan", "replicate", "run", "sweep", "verify"]

Given = str | Path
GivenScenario = str | Path | Mapping[str, Any]
Axis = str | Sequence[Any]


def run(
    scenario: Scenario | GivenScenario,
    *,
    out: Given | None = None,
    keep_records: bool = True,
    progress: RunProgress | None = None,
    **options: Any,
) -> Result:
    """Simulates a scenario.

    Parameters
    ----------
    scenario
        From `messsim.load`, or built in Python; or its file, or a dictionary of what that would hold.
    out
        A directory to write, which must not exist: it appears whole when the run is over, or not at all.
    keep_records
        Whether ``Result.requests`` is held in memory where there is no `out` (130 bytes a request).
    progress
        Called now and then with how far the run is; none: a line in a notebook, and silence elsewhere.
    options
        Keys of the scenario with other values, as `Scenario.changed` takes them (``alpha=0.7``, ``requests=1000``); and
        of `messsim.study.simulation.single.run`: `pipelined` and `beside`.

    Raises
    ------
    ScenarioError, OutputError, SimulationError
        Before the run, if it cannot be run or written; during it, if it cannot go on.
    """
    from messsim import study

    changes = {key: options.pop(key) for key in set(options) - {"pipelined", "beside"}}
    changed = _scenario(scenario).changed(**changes) if changes else _scenario(scenario)
    with run_progress(progress) as on_progress:
        result = study.run(changed, out=out, keep_records=keep_records, progress=on_progress, **options)
    return Result(**{f.name: getattr(result, f.name) for f in dataclasses.fields(result)})


def check(scenario: Scenario | GivenScenario) -> StudyResult:
    """Load of each pool, reach of the promise, what routing can save, time and memory to expect; a row a model."""
    from messsim.report.run.checklist import checklist
    from messsim.study.simulation.check import check as examine

    checked = examine(_scenario(scenario))
    return StudyResult(checked, lambda: flat_table(checked["models"]), lambda: checklist(checked), "check")


def compare(
    scenario: Scenario | GivenScenario,
    policies: Sequence[Given] | Given = EVERY,
    *,
    seeds: int = 5,
    out: Given | None = None,
    workers: GivenWorkers = None,
    progress: StudyProgress | None = None,
) -> StudyResult:
    """Runs policies on the same requests: promise, cost and latency, paired differences to the first; a row a run.

    Parameters
    ----------
    policies
        As in ``router.policy``; the others are compared with the first.
    seeds
        Replications, the same for all.
    out
        A directory for everything that the command writes; a comparison that stopped continues there.
    workers
        Runs at once; none: as it pays.
    progress
        Called with how many runs are done, and of how many; none: a line in a notebook.
    """
    from messsim.report.compare.comparison import comparison_pictures, comparison_tables
    from messsim.study.compare.files import write_comparison
    from messsim.study.compare.policies import compare as run_all
    from messsim.study.runs.rows import frame_of

    settings = _scenario(scenario)
    with study_progress(progress) as on_progress:
        result, rows = run_all(
            settings, _names(policies), _whole("seeds", seeds), out=_path(out), workers=workers, on_progress=on_progress
        )
    if out is not None:
        write_comparison(Path(out), settings, result, pictures=comparison_pictures)
    return StudyResult(result, lambda: frame_of(rows), lambda: comparison_tables(result), "comparison")


def sweep(
    scenario: Scenario | GivenScenario,
    grid: Mapping[str, Axis] | Iterable[Mapping[str, Any]],
    *,
    seeds: int = 5,
    show: Sequence[str] | None = None,
    out: Given | None = None,
    workers: GivenWorkers = None,
    progress: StudyProgress | None = None,
) -> StudyResult:
    """Runs a scenario at many points; a row a point.

    Parameters
    ----------
    grid
        Values by key path, combined: ``{"router.V": "1e-5..1e-3:5", "alpha": [0.5, 0.6]}``; or points, each values
        by key path. A key that only one table has stands for its path.
    show
        Paths of figures; none: satisfaction, cost per request and p95 TTFT.
    seeds, out, workers, progress
        As in `compare`.
    """
    from messsim.report.study.points import sweep_table
    from messsim.study.sweep import sweep as run_all

    settings = _scenario(scenario)
    points = _points(grid)
    with study_progress(progress) as on_progress:
        result = run_all(
            *(settings, points),
            seeds=_whole("seeds", seeds),
            shown=show or None,
            out=_path(out),
            workers=workers,
            on_progress=on_progress,
        )
    command = ["messsim", "run", f"{settings.name}.toml"]
    return StudyResult(result, lambda: points_table(result["points"]), lambda: sweep_table(result, command), "sweep")


def _points(grid: Mapping[str, Axis] | Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    from messsim.study.runs.points import refuse_twice, refuse_twins

    given = [grid] if isinstance(grid, Mapping) and grid else list(grid) if isinstance(grid, Iterable) else []
    if not given or not all(isinstance(point, Mapping) for point in given):
        raise ScenarioError(f"grid = {grid!r}: expected values by key path, such as {{'alpha': [0.5, 0.6]}}, or points")
    for point in given:
        refuse_twice([_axis(key) for key in point])
    if isinstance(grid, Mapping):
        axes = [[(_axis(key), v) for v in _values(key, axis)] for key, axis in grid.items()]
        points = list(map(dict, itertools.product(*axes)))
    else:
        points = [{_axis(key): without_numpy(value) for key, value in point.items()} for point in given]
    refuse_twins(points)
    return points


def _axis(key: str) -> str:
    """The path of a key that points may differ in."""
    from messsim.study.runs.points import SEEDED

    if key in SEEDED:
        raise ScenarioError(f"{key}: is no axis; expected seeds=, how many replications of each point")
    return full_path(Scenario, key)


def _values(key: str, axis: Axis) -> Sequence[Any]:
    try:
        values = spaced(axis) if isinstance(axis, str) else axis if isinstance(axis, Sequence) else without_numpy(axis)
    except ValueError as error:
        raise ScenarioError(f"{key} = {axis!r}: {error}") from None
    if values is None or not isinstance(values, Sequence) or not values:
        raise ScenarioError(f"{key} = {axis!r}: expected a list of values, or a range such as '1e-5..1e-3:5'")
    return [without_numpy(value) for value in values]


def replicate(
    scenario: Scenario | GivenScenario,
    seeds: int | None = None,
    *,
    precision: float | str | None = None,
    of: Sequence[str] | None = None,
    most: int | None = None,
    out: Given | None = None,
    workers: GivenWorkers = None,
    progress: StudyProgress | None = None,
) -> StudyResult:
    """Replicates a scenario: mean and interval of every figure; a row a replication.

    Parameters
    ----------
    seeds
        How many replications; none: 10.
    precision
        Instead: until the 95 % intervals of the figures `of` are this narrow, such as 0.01, after `most` at most.
    out, workers, progress
        As in `compare`.
    """
    from messsim.report.study.replications import replication_table
    from messsim.study.replicate import replicate as run_all
    from messsim.study.replicate import stopping_rule
    from messsim.study.runs.rows import frame_of

    settings = _scenario(scenario)
    seeds, most = (None if n is None else _whole(name, n) for name, n in (("seeds", seeds), ("most", most)))
    rule = stopping_rule(seeds, None if precision is None else str(precision), of, most)
    with study_progress(progress) as on_progress:
        result, rows = run_all(settings, rule, out=_path(out), workers=workers, on_progress=on_progress)
    return StudyResult(result, lambda: frame_of(rows), lambda: replication_table(result), "replications")


def converge(
    scenario: Scenario | GivenScenario,
    seeds: int = 20,
    *,
    out: Given | None = None,
    workers: GivenWorkers = None,
    progress: StudyProgress | None = None,
) -> StudyResult:
    """Replicates a scenario: when, how often and how surely is the promise kept? A row a replication.

    Parameters
    ----------
    seeds
        Replications, at least 2.
    out, workers, progress
        As in `compare`.
    """
    from messsim.report.convergence import convergence_report, convergence_table
    from messsim.study.converge.convergence import converge as run_all
    from messsim.study.converge.files import write_convergence

    settings = _scenario(scenario)
    with study_progress(progress) as on_progress:
        result = run_all(settings, _whole("seeds", seeds), out=_path(out), workers=workers, on_progress=on_progress)
    if out is not None:
        write_convergence(Path(out), result, page=lambda study: convergence_report(study, settings))
    return StudyResult(result.summary, lambda: result.rows, lambda: convergence_table(result.summary), "convergence")


def plan(
    scenario: Scenario | GivenScenario,
    require: Sequence[str],
    *,
    replicas: Mapping[str, tuple[int, int] | str],
    gpus: Mapping[str, str] | None = None,
    objective: str = "usd",
    kept: float = 0.9,
    seeds: int = 5,
    out: Given | None = None,
    workers: GivenWorkers = None,
    progress: StudyProgress | None = None,
) -> StudyResult:
    """Finds the cheapest numbers of replicas, and kinds of GPU, that keep all requirements; a row a cluster.

    Parameters
    ----------
    require
        Such as ``"ttft.p95 < 2s"``.
    replicas
        By pool, or by a model with one pool: ``(1, 8)`` or ``"1..8"``.
    gpus
        By pool: ``"H100,A100/tp2"``.
    objective
        ``"usd"``: price of all GPUs by the hour; ``"energy"``: joules of a run.
    kept
        Share of the replications in which a requirement on satisfaction must hold.
    seeds, out, workers, progress
        As in `compare`.
    """
    from messsim.report.plan.answer import plan_tables
    from messsim.study.plan.candidates import axes_of
    from messsim.study.plan.cheapest import plan as find
    from messsim.study.plan.goal import Goal

    settings = _scenario(scenario)
    ranges = [f"{pool}={r if isinstance(r, str) else '..'.join(map(str, r))}" for pool, r in replicas.items()]
    axes = axes_of(settings, ranges, [f"{pool}={kinds}" for pool, kinds in (gpus or {}).items()])
    goal = Goal(axes, require, objective, _whole("seeds", seeds), kept)
    with study_progress(progress) as on_progress:
        result = find(settings, goal, out=_path(out), workers=workers, on_progress=on_progress)
    return StudyResult(result, lambda: clusters_table(result["clusters"]), lambda: plan_tables(result), "plan")


def challenge(
    policies: Sequence[Given] | Given | None = None,
    *,
    conditions: Sequence[str] | None = None,
    seeds: int = 5,
    requests: int | None = None,
    seed: int | None = None,
    out: Given | None = None,
    workers: GivenWorkers = None,
    progress: StudyProgress | None = None,
) -> StudyResult:
    """Challenges routers under hard conditions; a row a condition, policy and replication.

    Parameters
    ----------
    policies
        As in ``router.policy``, or files; ranks are compared with the first. None: all.
    conditions
        None: all.
    requests, seed
        Instead of the conditions' own.
    out
        A directory for its runs, challenge.json and report.html; one that the same challenge began is continued.
    seeds, workers, progress
        As in `compare`.
    """
    from messsim.report.challenge.tables import challenge_report, challenge_tables
    from messsim.study.challenge.conditions import CONDITIONS
    from messsim.study.challenge.conditions import conditions as read
    from messsim.study.challenge.files import write_challenge
    from messsim.study.challenge.routers import POLICIES
    from messsim.study.challenge.routers import challenge as run_all
    from messsim.study.runs.rows import frame_of

    scenarios = read(CONDITIONS if conditions is None else conditions, requests=requests, seed=seed)
    with study_progress(progress) as on_progress:
        result, rows = run_all(
            *(scenarios, _names(POLICIES if policies is None else policies), _whole("seeds", seeds)),
            out=_path(out),
            workers=workers,
            on_progress=on_progress,
        )
    if out is not None:
        write_challenge(Path(out), scenarios, result, page=challenge_report)
    summary = dataclasses.asdict(result)
    return StudyResult(summary, lambda: frame_of(rows), lambda: challenge_tables(result), "challenge")


def verify(
    *,
    engine: str = "compiled",
    size: float | None = None,
    seed: int | None = None,
    workers: int | None = None,
    out: Given | None = None,
    progress: StudyProgress | None = None,
) -> StudyResult:
    """Compares the simulator with queueing theory; a row a case.

    Parameters
    ----------
    engine
        ``"compiled"`` or ``"simpy"``.
    size
        Share of the requests of a full verification; none: 1, and 0.01 by the SimPy engine.
    out
        A new directory for the table.
    seed, workers, progress
        As in `challenge`.
    """
    from messsim.report.verification import verification, verification_page
    from messsim.study.verify import verify as compare_all

    with study_progress(progress) as on_progress:
        result = compare_all(engine=engine, size=size, seed=seed, workers=workers, progress=on_progress)
    if out is not None:
        write_texts(Path(out), {"verification.md": verification_page(result)})
    return StudyResult(result, lambda: flat_table(result["cases"]), lambda: verification(result), "verification")


def _scenario(given: Scenario | GivenScenario) -> Scenario:
    """A scenario, read where its file is given, or what a file would hold."""
    if isinstance(given, Mapping):
        return parse(dict(given))
    if isinstance(given, (str, Path)):
        return load(given)
    if not isinstance(given, Scenario):
        raise ScenarioError(f"scenario = {given!r}: expected one, its file, or a dictionary of what that would hold")
    return given


def _whole(name: str, value: Any) -> int:
    """A count as an int of Python's."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise ScenarioError(f"{name} = {value!r}: expected a whole number") from None


def _names(given: Sequence[Given] | Given) -> list[str]:
    """Policies and files in a list, or as a command line takes them: one text with commas."""
    if isinstance(given, str):
        return names_in(given)
    if isinstance(given, Path):
        return [str(given)]
    if not all(isinstance(policy, (str, Path)) for policy in given):
        raise ScenarioError(f"policies = {given!r}: expected names and files")
    return list(map(str, given))


def _path(out: Given | None) -> Path | None:
    return None if out is None else Path(out)
