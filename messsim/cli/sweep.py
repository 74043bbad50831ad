"""``sweep``: one scenario at many points."""

from pathlib import Path
from typing import Annotated

import typer

from .base import (
    AsJson,
    On,
    RayAddress,
    Requests,
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
    workers_on,
)
from .outputs import tell_leftovers

__all__ = ["as_given", "sweep"]


def as_given(file: Path, sets: list[str] | None, requests: int | None, seed: int | None) -> list[str]:
    """The command that runs a scenario as it was given to a study."""
    words = ["messsim", "run", str(file), *(word for text in sets or [] for word in ("--set", text))]
    words += [] if requests is None else ["--requests", str(requests)]
    return words + ([] if seed is None else ["--seed", str(seed)])


@command
def sweep(
    scenario: ScenarioFile,
    grid: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY.PATH=V1,V2,...",
            help="Values of a key; several grids are combined. 1e-5..1e-3:5 are five values, each the same multiple of "
            "the one before; 0.5..0.7:5:linear five at equal distances; 1..8 all whole numbers.",
        ),
    ] = None,
    points: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Points, a line each; the columns are key paths.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Replications of each point, the same for all.")] = 5,
    show: Annotated[
        list[str] | None, typer.Option(metavar="FIGURE", help="Figures to show, by path; may be repeated.")
    ] = None,
    requests: Requests = None,
    seed: Seed = None,
    sets: Sets = None,
    on: On = "local",
    ray_address: RayAddress = None,
    workers: Workers = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write results.parquet to a directory; a sweep that stopped continues there."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Simulate a scenario at many points and print mean and interval of each."""
    from messsim.report.compare.comparison import so_far_bar
    from messsim.report.study.points import sweep_table
    from messsim.study.runs.points import points_of
    from messsim.study.sweep import sweep as run_all

    many = workers_on(on, workers, ray_address)
    loaded = load(scenario, sets, requests=requests, seed=seed)
    chosen = points_of(grid or [], points)
    tell_leftovers(out)
    with so_far_bar(stderr, loaded.name, loaded.cost.unit) as (on_progress, on_known):
        result = run_all(
            loaded,
            chosen,
            seeds=seeds,
            shown=show or None,
            out=out,
            workers=many,
            on_progress=on_progress,
            on_known=on_known,
        )
    if as_json:
        print_json(result)
    else:
        console.print(sweep_table(result, as_given(scenario, sets, requests, seed)), crop=False)
        print_written(out)
    if result["failures"]:
        raise typer.Exit(1)
