"""One run: a scenario in, results out."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import threading
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from messsim.engines import Outcome, Progress, RecordChunk, Setup, prepare
from messsim.engines.pipeline import Background, cores
from messsim.engines.records import COMPLETED
from messsim.files import json_text
from messsim.results import (
    RecordWriter,
    Result,
    Tally,
    check_free,
    complete_or_absent,
    joined,
    leftover_notes,
    provenance,
    record_frame,
    summarise,
    timeline_frame,
    warmup_note,
    write_parquet,
    writing,
)
from messsim.results.histogram import LEAST
from messsim.routing import interruptible
from messsim.scenario import Scenario, dump
from messsim.summary import Summary, WithoutRouter

from .watching import WATCHED, Watcher

if TYPE_CHECKING:
    import polars as pl

    from messsim.shapes.live import Snapshot

__all__ = ["ENGINES", "run", "simulated"]

Engine = Callable[[Setup, Callable[[RecordChunk], None], Callable[[Progress], None] | None], Outcome]


def _simpy(setup: Setup, sink: Any, progress: Any) -> Outcome:
    from messsim.engines.simpy_engine import simulate

    return simulate(setup, sink, progress)


def _compiled(setup: Setup, sink: Any, progress: Any) -> Outcome:
    from messsim.engines.compiled import simulate

    return simulate(setup, sink, progress)


ENGINES: dict[str, Engine] = {"compiled": _compiled, "simpy": _simpy}


def run(
    scenario: Scenario,
    *,
    out: str | Path | None = None,
    keep_records: bool = True,
    progress: Callable[[Progress], None] | None = None,
    pipelined: bool | None = None,
    beside: Callable[[Scenario], WithoutRouter] | None = None,
    watch: Callable[[Snapshot], None] | None = None,
) -> Result:
    """Simulates a scenario.

    Parameters
    ----------
    scenario
        From `messsim.load`, or built in Python.
    out
        A directory to write, which must not exist: it appears whole when the run is over, or not at all. What a run
        that was killed left beside it is named in ``Result.notes``.
    keep_records
        Whether ``Result.requests`` is held in memory where there is no `out` (130 bytes a request).
    progress
        Called now and then with how far the run is.
    pipelined
        Whether drawing, simulating and writing overlap in three threads; none: if there is more than one core and
        more than a few chunks. No result depends on it.
    beside
        Told after the run what it was of; what it returns is `cost.without_router` of the summary
        (`messsim.study.simulation.without_router`).
    watch
        Called about twice a second with how the run stands (`messsim.shapes.live.Snapshot`). A run with `out` can
        be watched from elsewhere too: see `messsim.study.simulation.watching.show`.

    Returns
    -------
    Result

    Raises
    ------
    ScenarioError, OutputError, SimulationError
        Before the run, if it cannot be run or written; during it, if it cannot go on.
    """
    target = Path(out) if out is not None else None
    notes = _checked(target, scenario) if target is not None else []
    setup = _prepared(scenario, pipelined, watch is not None)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(complete_or_absent(target)) if target is not None else None
        records = _Records(setup.scenario, folder, target, keep_records, watch is not None)
        started = time.perf_counter()
        watcher = Watcher(setup.scenario, records.seen, records.answered, records.lock, folder, watch)
        outcome = _simulated(setup, records, _both(watcher, progress))
        watcher.close()
        summary = summarise(setup.scenario, outcome, records.tally, time.perf_counter() - started)
        timeline = cache(partial(timeline_frame, setup.scenario, outcome, records.tally.running))
        if beside is not None:
            summary["cost"]["without_router"] = beside(scenario)
        if folder is not None and target is not None:
            _write(setup.scenario, summary, timeline(), folder, target)
    notes += [*setup.notes, *warmup_note(setup.scenario.warmup, summary["intervals"]["refused"]), *_clock_note(outcome)]
    return Result(summary, timeline, notes, target, records.kept())


def _checked(target: Path, scenario: Scenario) -> list[str]:
    """Refuses now what could not be written after the run; notes what a run that was killed left there."""
    check_free(target)
    dump(scenario)
    return leftover_notes(target)


def _prepared(scenario: Scenario, pipelined: bool | None, is_watched: bool) -> Setup:
    setup = prepare(scenario)
    if is_watched:
        setup.workload.most_at_once = WATCHED
    length = setup.workload.length
    if pipelined is None:
        pipelined = cores() > 1 and (length is None or length > 2 * setup.workload.chunk_size)
    return dataclasses.replace(setup, pipelined=pipelined)


def _clock_note(outcome: Outcome) -> list[str]:
    """Where times are so long that a number cannot hold a microsecond beside them."""
    step_s = math.ulp(outcome.end_s)
    if step_s <= LEAST:
        return []
    return [
        f"the run ends after {outcome.end_s:.3g} s, and so long a time is known to {step_s:.2g} s only: "
        "latencies are no more exact than that; expected a higher rate"
    ]


def _both(watcher: Watcher, progress: Callable[[Progress], None] | None) -> Callable[[Progress], None] | None:
    """Tells both, as far as anybody listens."""
    if progress is None or not watcher.is_watched:
        return watcher if watcher.is_watched else progress

    def tell(state: Progress) -> None:
        progress(state)
        watcher(state)

    return tell


class _Records:
    """Where records go: into the summary always, to files or into memory where asked."""

    def __init__(self, scenario: Scenario, beside: Path | None, target: Path | None, keep: bool, watched: bool) -> None:
        self._scenario = scenario
        self._writer = RecordWriter(scenario, beside, target) if beside is not None and target is not None else None
        self._frames: list[pl.DataFrame] | None = [] if keep and self._writer is None else None
        self.tally = Tally(scenario)
        self.seen = Tally(scenario, WATCHED) if watched else self.tally  # summed more often, for who watches
        self._is_shown = watched or beside is not None
        self.answered = np.zeros(len(scenario.models), np.int64)
        self.lock = threading.Lock()  # a snapshot of the tally is taken in the thread of the engine

    def add(self, chunk: RecordChunk) -> None:
        with self.lock:
            if self._is_shown:
                by = chunk.columns["model"][chunk.columns["status"] == COMPLETED]
                self.answered += np.bincount(by, minlength=len(self.answered))
            self.tally.add(chunk)
            if self.seen is not self.tally:
                self.seen.add(chunk)
        if self._writer is not None:
            self._writer.add(chunk)
        if self._frames is not None:
            self._frames.append(record_frame(self._scenario, [chunk]))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def kept(self) -> pl.DataFrame | None:
        return None if self._frames is None else joined(self._scenario, self._frames)


def _simulated(setup: Setup, records: _Records, progress: Callable[[Progress], None] | None) -> Outcome:
    if setup.pipelined:
        with Background(records.add) as behind:
            outcome = simulated(setup, behind, progress)
    else:
        outcome = simulated(setup, records.add, progress)
    records.close()
    return outcome


def simulated(
    setup: Setup, sink: Callable[[RecordChunk], None], progress: Callable[[Progress], None] | None
) -> Outcome:
    """What the scenario's engine makes of a run; Ctrl-C ends it also where the policy never returns."""
    engine = ENGINES[setup.scenario.engine]
    if setup.runs_own_code:
        return interruptible(engine, setup, sink, progress)
    return engine(setup, sink, progress)


def _write(scenario: Scenario, summary: Summary, timeline: pl.DataFrame, beside: Path, target: Path) -> None:
    with writing(target):
        (beside / "scenario.toml").write_text(dump(scenario), encoding="utf-8")
        whole = summary | {"provenance": provenance(scenario)}
        (beside / "summary.json").write_text(json_text(whole), encoding="utf-8")
        write_parquet(timeline, beside / "timeline.parquet")
