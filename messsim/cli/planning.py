"""``plan``: the cheapest cluster that keeps a set of requirements."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from .base import (
    AsJson,
    On,
    RayAddress,
    Requests,
    Requires,
    ScenarioFile,
    Seed,
    Sets,
    Workers,
    command,
    console,
    load,
    print_json,
    print_written,
    stderr,
)
from .outputs import tell_leftovers
from .sweeping import as_given

__all__ = ["plan"]


@command
def plan(
    scenario: ScenarioFile,
    replicas: Annotated[
        list[str] | None,
        typer.Option(metavar="POOL=1..8", help="Replicas that a pool, or a model's only pool, may have; repeatable."),
    ] = None,
    gpus: Annotated[
        list[str] | None,
        typer.Option(metavar="POOL=H100,A100/tp2", help="GPUs that a pool may have; may be repeated."),
    ] = None,
    require: Requires = None,
    objective: Annotated[
        Literal["usd", "energy"], typer.Option(help="What is least: price of all GPUs by the hour, or joules of a run.")
    ] = "usd",
    seeds: Annotated[int, typer.Option(help="Replications of each cluster, the same for all.")] = 5,
    requests: Requests = None,
    seed: Seed = None,
    sets: Sets = None,
    on: On = "local",
    ray_address: RayAddress = None,
    workers: Workers = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write runs and answer to a directory; a plan that stopped goes on there."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find the cheapest numbers of replicas, and kinds of GPU, that keep all requirements; exit 1 if none do."""
    from messsim.report.planning import plan_command, plan_tables
    from messsim.report.progress import runs_bar
    from messsim.study.candidates import axes_of
    from messsim.study.plan import plan as find
    from messsim.study.workers import workers_on

    said = load(scenario, sets, requests=requests, seed=seed)
    axes = axes_of(said, replicas or [], gpus or [])
    tell_leftovers(out)
    with runs_bar(stderr, said.name) as on_progress:
        found = find(
            said,
            axes,
            require or [],
            objective=objective,
            seeds=seeds,
            out=out,
            workers=workers_on(on, workers, ray_address),
            on_progress=on_progress,
        )
    if as_json:
        print_json(found)
    else:
        console.print(plan_tables(found))
        if found["best"] is not None:
            console.print_plain("\n" + plan_command(found["best"], as_given(scenario, sets, requests, seed)))
        print_written(out)
    if found["best"] is None:
        raise typer.Exit(1)
