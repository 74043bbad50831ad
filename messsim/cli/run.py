"""``run``, ``check`` and ``explain``: one scenario, before, during and after."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from messsim.errors import OutputError

from .base import (
    AsJson,
    Replication,
    Requests,
    Requires,
    ScenarioFile,
    Seed,
    Sets,
    command,
    console,
    load,
    print_json,
    print_written,
    stderr,
)
from .outputs import check_file, check_out

if TYPE_CHECKING:
    from messsim.scenario import Scenario

__all__ = ["check", "explain", "run"]


RunOut = Annotated[Path | None, typer.Option(metavar="DIR", help="Write records and summary to a new directory.")]
TraceFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Also write what happens in --trace-window for a trace viewer such as ui.perfetto.dev (JSON): the "
        "same run once more, by the SimPy engine, up to the end of the window.",
    ),
]
TraceWindow = Annotated[
    str | None, typer.Option(metavar="A..B", help="Window of --trace, seconds of simulated time; none: 0..60.")
]
Watch = Annotated[bool, typer.Option("--watch", help="Show promise, queue, shares, latencies and replicas as they go.")]


@command
def run(
    scenario: ScenarioFile,
    engine: Annotated[str | None, typer.Option(help="Which engine simulates: compiled or simpy.")] = None,
    requests: Requests = None,
    seed: Seed = None,
    replication: Replication = None,
    sets: Sets = None,
    out: RunOut = None,
    require: Requires = None,
    trace: TraceFile = None,
    trace_window: TraceWindow = None,
    watch: Watch = False,
    as_json: AsJson = False,
) -> None:
    """Simulate a scenario and print what came of it; with --require, exit 1 where a requirement fails."""
    from messsim import study
    from messsim.report.base.progress import progress_bar
    from messsim.report.run.live import watching
    from messsim.report.run.summary import run_summary
    from messsim.report.study.requirements import requirement_line, requirement_table
    from messsim.study.runs.requirements import judged, known_figures, requirements_of
    from messsim.study.simulation import tracing
    from messsim.study.simulation.without_router import without_router

    noted = check_out(out)
    check_file(trace)
    if out is not None and trace is not None and out.absolute() == trace.absolute():
        raise OutputError(f"{out}: is given to both --out and --trace; expected two names")
    loaded = load(scenario, sets, engine=engine, requests=requests, seed=seed, replication=replication)
    requirements = requirements_of(require, known_figures(loaded)) if require else []
    if trace_window is not None and trace is None:
        raise OutputError(f"--trace-window {trace_window}: expected --trace FILE with it")
    window_s = tracing.parse_window(trace_window or "0..60")
    if watch:
        with watching(stderr) as tell:
            result = study.run(loaded, out=out, keep_records=False, watch=tell, beside=without_router)
    else:
        with progress_bar(stderr, loaded.name, _one_alpha(loaded)) as progress:
            result = study.run(loaded, out=out, keep_records=False, progress=progress, beside=without_router)
    verdicts = judged(requirements, result.summary)
    try:
        if trace is not None:
            _trace(loaded, trace, window_s)
    finally:  # the run itself is over, and may have taken hours
        if as_json:
            print_json(result.summary | ({"requirements": verdicts} if verdicts else {}))
        else:
            console.print(run_summary(result.summary, [note for note in result.notes if note not in noted]))
            if verdicts:
                console.print(requirement_table(verdicts))
            print_written(out)
    if not as_json:
        print_written(trace, "trace ")
    failed = [v for v in verdicts if not v["met"]]
    for verdict in failed:
        stderr.print(requirement_line(verdict), soft_wrap=True)
    if failed:
        raise typer.Exit(1)


def _one_alpha(scenario: "Scenario") -> float | None:
    """The promise; None where tenants have different ones."""
    alphas = {t.alpha for t in scenario.promises}
    return alphas.pop() if len(alphas) == 1 else None


def _trace(scenario: "Scenario", file: Path, window_s: tuple[float, float]) -> None:
    from messsim.report.base.progress import progress_bar
    from messsim.study.simulation import tracing

    with progress_bar(stderr, "watching the run") as progress:
        happened = tracing.trace(scenario, file, window_s, progress)
    if happened == 0:
        empty = f"nothing happens from {window_s[0]:g} to {window_s[1]:g} s: {file} is empty"
        stderr.print_plain(empty)


@command
def check(
    scenario: ScenarioFile,
    requests: Requests = None,
    seed: Seed = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Before running: load of each pool, whether alpha can be reached, time and memory; exit 1 if it cannot work."""
    from messsim.report.run.checklist import checklist
    from messsim.study.simulation.check import check as examine

    checked = examine(load(scenario, sets, requests=requests, seed=seed))
    if as_json:
        print_json(checked)
    else:
        console.print(checklist(checked))
    if checked["problems"]:
        raise typer.Exit(1)


@command
def explain(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="Directory that `run --out` wrote.")],
    request: Annotated[int, typer.Option(help="Which request, from 0; the SimPy engine plays the run again up to it.")],
    run_policy: Annotated[
        bool, typer.Option("--run-policy", help="Run the Python files that the scenario names, which you trust.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Why a request went where it went: scores, costs, Q and the terms of the argmin."""
    from messsim.report.base.progress import progress_bar
    from messsim.report.run.explanation import explanation
    from messsim.study.simulation.explain import explain as find

    with progress_bar(stderr, "replaying the run") as progress:
        result = find(run_dir, request, progress, run_policy=run_policy)
    if as_json:
        print_json(result)
    else:
        console.print(explanation(result))
