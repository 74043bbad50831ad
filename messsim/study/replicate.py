"""One scenario, replicated: every figure with its interval, for a number of replications or until one is precise."""

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from messsim.errors import ScenarioError
from messsim.report.replications import replication_csv
from messsim.results import write_parquet
from messsim.results.directory import complete_or_absent, writing
from messsim.results.figures import Figure, check_path, figures, look_up
from messsim.results.intervals import Interval, is_precise, replication_interval
from messsim.scenario import Scenario, dump

from .processes import in_order, in_processes, summary_of
from .requirements import known_figures
from .rows import LEFT_OUT, Row, frame_of, row_of

__all__ = ["Plan", "plan_of", "replicate", "write_replications"]

SEEDS = 10
FIRST = 10  # replications before an interval is believed to be as wide as it says (Law, section 9.4.1)
MOST = 1_000
DEFAULT = ("sla.satisfaction",)
NO_FIGURES = (*LEFT_OUT, "scenario", "engine", "seed", "replication", "version")

Told = Callable[[int, int], None]
Runs = list[dict[str, Figure]]


@dataclass(frozen=True)
class Plan:
    """How many replications.

    Attributes
    ----------
    most
        This many, or fewer if `precision` is reached.
    precision
        Relative, such as 0.01: stop when the 95 % interval of every figure of `of` is within
        precision / (1 + precision) of its mean, after 10 replications at least; none: do not stop.
    of
        Paths of figures.
    """

    most: int = SEEDS
    precision: float | None = None
    of: tuple[str, ...] = DEFAULT


def plan_of(seeds: int | None, precision: str | None, of: Sequence[str] | None, most: int | None) -> Plan:
    """The plan of a command line.

    Raises
    ------
    ScenarioError
        If options contradict each other, or the precision is no share such as ``1%`` or ``0.01``.
    """
    if precision is None:
        for option, value in (("--of", of), ("--most", most)):
            if value:
                raise ScenarioError(f"{option}: expected with --precision only")
        return Plan(seeds or SEEDS)
    if seeds is not None:
        raise ScenarioError("--seeds and --precision: expected only one of them")
    if most is not None and most < FIRST:
        raise ScenarioError(f"--most {most}: expected at least {FIRST}, before which no interval is believed")
    return Plan(most or MOST, _share(precision), tuple(of or DEFAULT))


def _share(text: str) -> float:
    try:
        value = float(text.strip().removesuffix("%")) / (100.0 if text.strip().endswith("%") else 1.0)
    except ValueError:
        value = 0.0
    if not 0.0 < value < 1.0:
        raise ScenarioError(f"--precision {text}: expected a share above 0 and below 1, such as 1% or 0.01")
    return value


def replicate(
    scenario: Scenario, plan: Plan = Plan(), *, workers: int | None = None, told: Told | None = None
) -> tuple[dict[str, Any], list[Row]]:
    """Runs replications 0, 1, ... of a scenario's seed.

    Where a router learns, or rates change, an interval can come from replications only. When to stop depends on
    their order, not on which was done first.

    Parameters
    ----------
    plan
        How many.
    workers
        Processes; none: one a core.
    told
        Called with how many runs are done, and of how many (at most).

    Returns
    -------
    tuple
        The result (``--json``): `figures` by path, each with mean, low, high, level, count, null where no replication
        has it; `precise`: whether what was asked is reached, null if nothing was. And a row a replication.

    Raises
    ------
    ScenarioError
        If the scenario cannot be run, or a path leads nowhere.
    SimulationError
        If a run cannot go on.
    """
    if plan.precision is not None:
        known = known_figures(scenario)
        for path in plan.of:
            check_path(path, known)
    runs: Runs = []
    rows: list[Row] = []
    precise = None if plan.precision is None else False
    asked = (scenario.changed(replication=r) for r in range(plan.most))
    with closing(in_order(in_processes(summary_of, asked, workers=workers))) as found:
        for number, summary in enumerate(found):
            runs.append(figures({k: v for k, v in summary.items() if k not in NO_FIGURES}))
            rows.append(row_of(scenario.changed(replication=number), summary))
            if told is not None:
                told(len(runs), plan.most)
            if plan.precision is not None and len(runs) >= FIRST and _all_precise(runs, plan.of, plan.precision):
                precise = True
                break
    return {
        "scenario": scenario.name,
        "seed": scenario.seed,
        "cost_unit": scenario.cost.unit,
        "replications": len(runs),
        "precision": plan.precision,
        "of": list(plan.of) if plan.precision is not None else None,
        "precise": precise,
        "figures": _figures(runs),
    }, rows


def _all_precise(runs: Runs, of: Sequence[str], precision: float) -> bool:
    """A figure that some replications lack is not: they would be left out of its mean."""
    return all(None not in v and is_precise(_interval(v), precision) for v in (_values(runs, path) for path in of))


def _figures(runs: Runs) -> dict[str, dict[str, Any] | None]:
    """Those that are numbers in some replication, or null in all, in the summary's order."""
    texts = {path for run in runs for path, value in run.items() if isinstance(value, (str, bool))}
    found = {path: _values(runs, path) for path in runs[0] if path not in texts}
    return {path: None if set(v) == {None} else _interval(v).summary() for path, v in found.items()}


def _values(runs: Runs, path: str) -> list[float | None]:
    return [look_up(path, run) for run in runs]


def _interval(values: list[float | None]) -> Interval:
    """Over the replications that have the figure."""
    return replication_interval([v for v in values if v is not None])


def write_replications(out: Path, scenario: Scenario, found: dict[str, Any], rows: Sequence[Row]) -> None:
    """Writes a directory, whole or not at all: ``results.parquet`` with a row a replication, and the intervals.

    Raises
    ------
    OutputError
        If it exists already or cannot be written.
    """
    with complete_or_absent(out) as beside, writing(out):
        (beside / "scenario.toml").write_text(dump(scenario), encoding="utf-8")
        (beside / "replications.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        (beside / "replications.csv").write_text(replication_csv(found), encoding="utf-8")
        write_parquet(frame_of(rows), beside / "results.parquet")
