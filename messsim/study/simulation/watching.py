"""How a run stands while it goes, from its timeline and sums, and of a directory that it is written to."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from messsim.engines import Progress
from messsim.errors import MesssimError, OutputError
from messsim.results import Result, in_progress, leftover_notes, write_file
from messsim.results.reading import read_whole
from messsim.results.whole import check_figures
from messsim.scenario import Scenario, load
from messsim.shapes.live import LiveLatency, LiveModel, LivePool, Snapshot

if TYPE_CHECKING:
    import polars as pl

    from messsim.results import Tally

__all__ = ["LIVE", "Watcher", "show"]

LIVE = "live.json"  # in the directory of a run that is not over
EVERY_S = 0.5
WATCHED = 4_096  # requests that are drawn and summed at once where someone watches: shares and latencies are that fresh
MOST_POINTS = 48  # of a curve
LATENCIES = {"ttft": "TTFT", "tpot": "TPOT", "e2e": "end to end"}


class Watcher:
    """Makes snapshots of a run, at most two a second, out of what its engine tells and what is summed of its records.

    Parameters
    ----------
    scenario, tally
        The run's. Records are summed in blocks, so that latencies and costs may be some requests behind.
    answered
        By model, of all records that were handed on.
    lock
        Is held while records are summed, which another thread may do.
    folder
        Where the run is written, for `show`: each snapshot replaces the one before as ``live.json``.
    tell
        Is told each snapshot.
    """

    def __init__(
        self,
        scenario: Scenario,
        tally: Tally,
        answered: NDArray[np.int64],
        lock: threading.Lock,
        folder: Path | None,
        tell: Callable[[Snapshot], None] | None,
    ) -> None:
        self._scenario, self._tally, self._answered = scenario, tally, answered
        self._lock, self._folder, self._tell = lock, folder, tell
        self._last_s = time.monotonic()

    @property
    def is_watched(self) -> bool:
        """Whether anybody learns of the run before it is over."""
        return self._folder is not None or self._tell is not None

    def __call__(self, progress: Progress) -> None:
        """What an engine calls."""
        if not self.is_watched or time.monotonic() - self._last_s < EVERY_S:
            return
        with self._lock:
            snapshot = snapshot_of(self._scenario, self._tally, self._answered, progress)
        if self._folder is not None:
            with contextlib.suppress(OutputError):  # a full disk is told by what has to be written
                write_file(self._folder / LIVE, snapshot.model_dump_json().encode())
        if self._tell is not None:
            self._tell(snapshot)
        self._last_s = time.monotonic()

    def close(self) -> None:
        """Takes ``live.json`` away: the results themselves are to come."""
        if self._folder is not None:
            (self._folder / LIVE).unlink(missing_ok=True)


def snapshot_of(scenario: Scenario, tally: Tally, handed_on: NDArray[np.int64], progress: Progress) -> Snapshot:
    """How a run stands."""
    answered = handed_on + np.array(progress.answered() or 0)
    timeline = progress.timeline()
    samples, seen = timeline.samples, timeline.columns()
    last = samples[-1] if samples else None
    running = tally.running
    latencies: Mapping[str, Any] = tally.latencies.summary() if scenario.cluster.mode != "none" else {}
    pools = scenario.fleet if last is not None and last.in_system else []
    promised = _last(running.promise)
    return Snapshot(
        scenario=scenario.name,
        policy=scenario.router.policy_name,
        requests=progress.requests,
        total=progress.total,
        time_s=progress.time_s,
        horizon_s=progress.horizon_s,
        satisfaction=_known(progress.satisfaction),
        promise=promised if promised is not None else scenario.promises[0].alpha,
        queue=progress.queue,
        certificate=None if last is None or scenario.feedback.raters_err else _known(last.certificate),
        explored=0 if last is None else last.explored,
        cost_per_request=_last(running.cost_per_request),
        cost_unit=scenario.cost.unit,
        models=[LiveModel(name=n, answered=int(a)) for n, a in zip(scenario.model_names, answered, strict=True)],
        latencies=_latencies(latencies),
        pools=[
            LivePool(
                name=p.name,
                replicas=p.replicas if p.autoscale is None or last is None else last.replicas[k][0],
                in_system=0 if last is None else last.in_system[k],
                power_w=_power(seen, k),
            )
            for k, p in enumerate(pools)
        ],
        satisfaction_curve=_thin(running.satisfaction.tolist()),
        queue_curve=_thin(seen["queue"].tolist()),
        done=False,
    )


def _power(seen: Mapping[str, NDArray[Any]], pool: int) -> float | None:
    """Mean power of a pool over the last tenth of the timeline, watts."""
    times_s, energy_j = seen["time_s"], seen["energy_j"]
    first = -min(len(times_s), max(2, len(times_s) // 10))
    lasts_s = times_s[-1] - times_s[first]
    return float((energy_j[-1, pool] - energy_j[first, pool]) / lasts_s) if lasts_s > 0.0 else None


def _latencies(result: Mapping[str, Any]) -> list[LiveLatency]:
    return [
        LiveLatency(name=name, p50_s=result[key]["p50"], p95_s=result[key]["p95"])
        for key, name in LATENCIES.items()
        if key in result
    ]


def _thin(values: Sequence[float]) -> list[float]:
    known = [v for v in list(values) if v is not None and math.isfinite(v)]
    step = -(-len(known) // MOST_POINTS) or 1
    return known[::-step][::-1]  # the last one stays


def _last(values: NDArray[np.float64]) -> float | None:
    return _known(float(values[-1])) if len(values) else None


def _known(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


def show(directory: Path) -> Snapshot:
    """How the run of a directory stands or ended.

    Parameters
    ----------
    directory
        What ``run --out`` wrote, or is writing.

    Raises
    ------
    OutputError
        If no run was or is written there.
    """
    if (directory / "summary.json").exists():
        return _of_result(Result.read(directory))
    live = directory / LIVE if (directory / LIVE).exists() else None
    for folder in in_progress(directory):
        live = folder / LIVE
    if live is None:
        left = "".join(f"; {note}" for note in leftover_notes(directory))
        expected = "expected what run --out wrote"
        raise OutputError(f"{directory}: holds no run, and none is being written there; {expected}{left}")
    try:
        return read_whole(live, Snapshot)
    except OutputError:
        if live.exists():
            raise
    if (directory / "summary.json").exists():  # it ended meanwhile
        return _of_result(Result.read(directory))
    raise OutputError(f"{directory}: its run has only begun; expected to be asked again in a second")


def _up(timeline: pl.DataFrame, pool: str, most: int) -> int:
    """Replicas that were up at the end; of a pool that does not change its size all that it has."""
    column = f"replicas_up_{pool}"
    return int(timeline[column][-1]) if column in timeline.columns else most


def _policy(directory: Path | None) -> str:
    """The router's; what the scenario names may be gone."""
    try:
        return load(directory / "scenario.toml").router.policy_name if directory is not None else "router"
    except MesssimError:
        return "router"


def _of_result(result: Result) -> Snapshot:
    check_figures(result)
    summary, timeline = result.summary, result.timeline
    try:
        sla, cost, latencies = summary["sla"], summary["cost"], summary["latency_s"]
        pools = [
            LivePool(
                name=p["name"],
                replicas=_up(timeline, p["name"], p["replicas"]),
                in_system=timeline[f"in_system_{p['name']}"][-1],
                power_w=_known(timeline[f"power_w_{p['name']}"][-1]),
            )
            for p in (summary["pools"] if len(timeline) else [])
        ]
        return Snapshot(
            scenario=summary["scenario"],
            policy=_policy(result.directory),
            requests=summary["requests"]["arrived"],
            total=summary["requests"]["arrived"],
            time_s=timeline["time_s"][-1] if len(timeline) else 0.0,
            horizon_s=None,
            satisfaction=sla["satisfaction"],
            promise=sla["alpha"],
            queue=sla["queue_final"],
            certificate=sla["certificate"],
            explored=summary["requests"]["explored"],
            cost_per_request=cost["per_request"],
            cost_unit=cost["unit"],
            models=[LiveModel(name=m["name"], answered=m["answered"]) for m in summary["models"]],
            latencies=_latencies(latencies),
            pools=pools,
            satisfaction_curve=_thin(timeline["satisfaction_running"].to_list()),
            queue_curve=_thin(timeline["queue"].to_list()),
            done=True,
        )
    except (KeyError, ValidationError) as error:
        raise OutputError(f"{result.directory}: is damaged, or of another version of messsim ({error!r})") from None
