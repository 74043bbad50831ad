"""One run: a scenario in, results out."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from messsim.engines import Outcome, Progress, RecordChunk, Setup, prepare
from messsim.engines.pipeline import Background
from messsim.results import (
    RecordWriter,
    Result,
    Tally,
    check_free,
    complete_or_absent,
    joined,
    provenance,
    record_frame,
    summarise,
    timeline_frame,
    writing,
)
from messsim.scenario import Scenario, dump

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ENGINES", "run"]

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
) -> Result:
    """Simulates a scenario.

    Parameters
    ----------
    scenario
        From `messsim.load`, or built in Python.
    out
        A directory to write, which must not exist: it appears whole when the run is over, or not at all.
    keep_records
        Whether ``Result.requests`` is held in memory where there is no `out` (130 bytes a request).
    progress
        Called now and then with how far the run is.
    pipelined
        Whether drawing, simulating and writing overlap in three threads; none: if there is more than one core and
        more than a few chunks. No result depends on it.

    Returns
    -------
    Result

    Raises
    ------
    ScenarioError, OutputError, SimulationError
        Before the run, if it cannot be run or written; during it, if it cannot go on.
    """
    target = Path(out) if out is not None else None
    if target is not None:
        check_free(target)
    setup = prepare(scenario)
    scenario = setup.scenario
    if pipelined is None:
        length = setup.workload.length
        pipelined = (os.cpu_count() or 1) > 1 and (length is None or length > 2 * scenario.record.chunk)
    setup = dataclasses.replace(setup, pipelined=pipelined)
    started = time.perf_counter()
    tally = Tally(scenario)
    kept: list[pl.DataFrame] = []
    with contextlib.ExitStack() as stack:
        beside = writer = None
        if target is not None:
            beside = stack.enter_context(complete_or_absent(target))
            writer = RecordWriter(scenario, beside, target)
        keep = writer is None and keep_records

        def sink(chunk: RecordChunk) -> None:
            tally.add(chunk)
            if writer is not None:
                writer.add(chunk)
            if keep:
                kept.append(record_frame(scenario, [chunk]))

        if pipelined:
            with Background(sink) as behind:
                outcome = ENGINES[scenario.engine](setup, behind, progress)
        else:
            outcome = ENGINES[scenario.engine](setup, sink, progress)
        if writer is not None:
            writer.close()
        summary = summarise(scenario, outcome, tally, time.perf_counter() - started)
        timeline = timeline_frame(scenario, outcome, tally.running)
        if beside is not None and target is not None:
            with writing(target):
                (beside / "scenario.toml").write_text(dump(_findable(scenario)), encoding="utf-8")
                whole = summary | {"provenance": provenance(scenario)}
                (beside / "summary.json").write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
                timeline.write_parquet(beside / "timeline.parquet")
    records = joined(scenario, kept) if keep else None
    return Result(summary, timeline, setup.notes, target, records)


def _findable(scenario: Scenario) -> Scenario:
    """The same scenario with a policy's file by its whole path, so that it runs from any folder."""
    router = scenario.router
    if not router.policy.endswith(".py"):
        return scenario
    path = str(scenario.path(router.policy).resolve())
    return scenario.changed(router=router.model_copy(update={"policy": path}))
