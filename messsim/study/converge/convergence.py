"""Does the promise hold, how soon, and how surely: many replications of one scenario, side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, cast

from messsim.results.intervals import LEVEL, replication_interval, share_interval
from messsim.scenario import Scenario
from messsim.shapes.evidence import ConvergenceSummary, Quantiles, SpreadWithQuantiles
from messsim.version import __version__

from ..runs import GivenWorkers, Matrix, OnProgress, Runs, Task, check_seeds, runs_of
from ..runs.identity import contents
from ..runs.journal import Key
from ..runs.rows import Row, frame_of, row_of
from ..runs.so_far import OnKnown, telling
from ..runs.summaries import Summary
from ..simulation.single import run
from .aligned import SHARES, aligned, from_columns, halved

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Convergence", "converge"]


@dataclass(frozen=True)
class Convergence:
    """Replications of a scenario.

    Attributes
    ----------
    summary
        What ``--json`` prints.
    curves
        A row a request number: see `messsim.study.converge.aligned.aligned`.
    rows
        A row a replication, as in every study.
    """

    summary: ConvergenceSummary
    curves: pl.DataFrame
    rows: pl.DataFrame


def converge(
    scenario: Scenario,
    seeds: int,
    *,
    out: Path | None = None,
    workers: GivenWorkers = None,
    on_progress: OnProgress | None = None,
    on_known: OnKnown | None = None,
) -> Convergence:
    """Runs replications 0 ... seeds - 1 and lays their curves over one another by request number.

    Satisfaction, Q and cost of a learning router are quantities of a finite horizon, autocorrelated within a run: all
    intervals and bands are over replications.

    Parameters
    ----------
    scenario
        Its replication is not looked at.
    seeds
        How many replications.
    out
        A directory for ``results.parquet``; one that the same study began is continued.
    workers, on_progress
        As in `messsim.study.runs.runs_of`.
    on_known
        Called after each replication with what is known so far.

    Raises
    ------
    ScenarioError
        If there are fewer than two seeds, or the scenario cannot be run.
    SimulationError
        If a run cannot go on.
    """
    check_seeds(seeds, 2, ": one run says nothing of chance")
    base = scenario.changed(replication=0)
    matrix = Matrix(base, [{}], lambda i: base, _replication)
    keys = [(0, r) for r in range(seeds)]
    with runs_of(
        matrix,
        out=out,
        identity=lambda: contents("converge", base, [{}], [base]),
        table=lambda runs: list(_rows(matrix, runs, keys).values()),
        keys=keys,
        workers=workers,
        on_progress=on_progress,
    ) as runs:
        tell = telling(on_known, [base.router.policy_name], lambda: _rows(matrix, runs, keys))
        replications = runs.all(keys, tell)
    summaries = [result["summary"] for result in replications]
    since = [s["sla"]["time_to_compliance"] for s in summaries]
    curves = aligned([from_columns(result["timeline"]) for result in replications], since)
    return Convergence(_summary(scenario, summaries, since), curves, frame_of(list(_rows(matrix, runs, keys).values())))


class _Replication(TypedDict):
    version: str
    summary: Summary
    timeline: dict[str, list[float | None]]  # by column, as `halved` leaves it


def _replication(task: Task) -> _Replication:
    result = run(task[0], keep_records=False, pipelined=False)
    timeline = halved(result.timeline).to_dict(as_series=False)
    return {"version": __version__, "summary": result.summary, "timeline": timeline}


def _rows(matrix: Matrix[_Replication], runs: Runs[_Replication], keys: Sequence[Key]) -> dict[Key, Row]:
    return {key: row_of(matrix.scenario(key), runs.values[key]["summary"]) for key in keys if key in runs.values}


def _summary(scenario: Scenario, summaries: Sequence[Summary], since: Sequence[int | None]) -> ConvergenceSummary:
    kept = [s["sla"]["kept"] is True for s in summaries]
    low, high = share_interval(sum(kept), len(kept))
    return {
        "scenario": scenario.name,
        "policy": scenario.router.policy_name,
        "version": __version__,
        "seed": scenario.seed,
        "replications": len(summaries),
        "requests": max(s["requests"]["arrived"] for s in summaries),
        "alpha": math.fsum(s["sla"]["alpha"] for s in summaries) / len(summaries),
        "cost_unit": scenario.cost.unit,
        "level": LEVEL,
        "kept": {"runs": sum(kept), "share": sum(kept) / len(kept), "low": low, "high": high},
        "time_to_compliance": {"never": sum(t is None for t in since), **_quantiles([_or_never(t) for t in since])},
        "end": {
            "satisfaction": _spread([s["sla"]["satisfaction"] for s in summaries]),
            "certificate": _spread([s["sla"]["certificate"] for s in summaries]),
            "queue": _spread([s["sla"]["queue_final"] for s in summaries]),
            "cost_per_request": _spread([s["cost"]["per_request"] for s in summaries]),
        },
    }


def _or_never(request: int | None) -> float:
    return math.inf if request is None else float(request)


def _quantiles(values: Sequence[float]) -> Quantiles:
    """The smallest value with at least the share at or below it; None where that is never."""
    ordered = sorted(values)
    collected = {name: ordered[max(math.ceil(share * len(ordered)), 1) - 1] for name, share in SHARES.items()}
    return cast("Quantiles", {name: None if math.isinf(v) else v for name, v in collected.items()})


def _spread(values: Sequence[float | None]) -> SpreadWithQuantiles | None:
    """Mean with its interval, and quantiles, over the replications that have the figure."""
    known = [float(v) for v in values if v is not None]
    if not known:
        return None
    interval = replication_interval(known)
    return {
        "mean": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "count": interval.count,
        **_quantiles(known),
    }
