"""Does the promise hold, how soon, and how surely: many replications of one scenario, side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from messsim.errors import MesssimError, ScenarioError
from messsim.results.intervals import LEVEL, replication_interval, share_interval
from messsim.scenario import Scenario
from messsim.version import __version__

from .aligned import SHARES, aligned, halved
from .processes import in_processes
from .rows import Row, frame_of, row_of
from .single import run

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Convergence", "converge"]

AT_THE_END = {  # key of the summary: of what
    "satisfaction": ("sla", "satisfaction"),
    "certificate": ("sla", "certificate"),
    "queue": ("sla", "queue_final"),
    "cost_per_request": ("cost", "per_request"),
}


@dataclass(frozen=True)
class Convergence:
    """Replications of a scenario.

    Attributes
    ----------
    summary
        What ``--json`` prints.
    curves
        A row a request number: see `messsim.study.aligned.aligned`.
    rows
        A row a replication, as in every study.
    """

    summary: dict[str, Any]
    curves: pl.DataFrame
    rows: pl.DataFrame


def converge(
    scenario: Scenario,
    seeds: int,
    *,
    workers: int | None = None,
    told: Callable[[int, int], None] | None = None,
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
    workers
        Processes; none: one a core.
    told
        Called with how many runs are done, and of how many.

    Raises
    ------
    ScenarioError
        If there are fewer than two seeds, or the scenario cannot be run.
    SimulationError
        If a run cannot go on.
    """
    if seeds < 2:
        raise ScenarioError(f"--seeds {seeds}: expected at least 2: one run says nothing of chance")
    tasks = [scenario.changed(replication=r) for r in range(seeds)]
    done: dict[int, tuple[dict[str, Any], pl.DataFrame]] = {}
    for i, found in in_processes(_replication, tasks, workers=workers):
        if isinstance(found, MesssimError):
            raise found
        done[i] = found
        if told is not None:
            told(len(done), seeds)
    summaries = [done[i][0] for i in range(seeds)]
    since = [s["sla"]["time_to_compliance"] for s in summaries]
    rows: list[Row] = [row_of(task, summary) for task, summary in zip(tasks, summaries, strict=True)]
    curves = aligned([done[i][1] for i in range(seeds)], since)
    return Convergence(_summary(scenario, summaries, since), curves, frame_of(rows))


def _replication(scenario: Scenario) -> tuple[dict[str, Any], pl.DataFrame]:
    result = run(scenario, keep_records=False, pipelined=False)
    return result.summary, halved(result.timeline)


def _summary(scenario: Scenario, summaries: Sequence[dict[str, Any]], since: Sequence[int | None]) -> dict[str, Any]:
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
        "time_to_compliance": {"never": sum(t is None for t in since)} | _quantiles([_or_never(t) for t in since]),
        "end": {name: _spread([s[table][key] for s in summaries]) for name, (table, key) in AT_THE_END.items()},
    }


def _or_never(request: int | None) -> float:
    return math.inf if request is None else float(request)


def _quantiles(values: Sequence[float]) -> dict[str, float | None]:
    """The smallest value with at least the share at or below it; None where that is never."""
    ordered = sorted(values)
    found = {name: ordered[max(math.ceil(share * len(ordered)), 1) - 1] for name, share in SHARES.items()}
    return {name: None if math.isinf(v) else v for name, v in found.items()}


def _spread(values: Sequence[float | None]) -> dict[str, Any] | None:
    """Mean with its interval, and quantiles, over the replications that have the figure."""
    known = [float(v) for v in values if v is not None]
    if not known:
        return None
    interval = replication_interval(known)
    mean = {"mean": interval.mean, "low": interval.low, "high": interval.high, "count": interval.count}
    return mean | _quantiles(known)
