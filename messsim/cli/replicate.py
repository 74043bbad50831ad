"""``replicate``: one scenario, many replications, an interval for every figure."""

from pathlib import Path
from typing import Annotated

import typer

from .base import AsJson, On, RayAddress, Requests, ScenarioFile, Seed, Sets, Workers, command, load, stderr, workers_on
from .outputs import hand_over, tell_leftovers

__all__ = ["replicate"]


@command
def replicate(
    scenario: ScenarioFile,
    seeds: Annotated[int | None, typer.Option(min=1, help="How many replications.", show_default="10")] = None,
    precision: Annotated[
        str | None,
        typer.Option(metavar="SHARE", help="Instead: until the 95 % intervals of --of are this narrow, such as 1%."),
    ] = None,
    of: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIGURE", help="Figure to be known so precisely; may be repeated.", show_default="sla.satisfaction"
        ),
    ] = None,
    most: Annotated[
        int | None, typer.Option(min=1, help="Replications after which to give up.", show_default="1,000")
    ] = None,
    requests: Requests = None,
    seed: Seed = None,
    sets: Sets = None,
    on: On = "local",
    ray_address: RayAddress = None,
    workers: Workers = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write runs, replications.json and a CSV; one that stopped continues there."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Replicate a scenario and print mean and 95 % interval of its figures; exit 1 if a precision is not reached."""
    from messsim.report.compare.comparison import so_far_bar
    from messsim.report.study.replications import replication_table
    from messsim.study.replicate import replicate as run_all
    from messsim.study.replicate import stopping_rule

    tell_leftovers(out)
    rule = stopping_rule(seeds, precision, of, most)
    many = workers_on(on, workers, ray_address)
    loaded = load(scenario, sets, requests=requests, seed=seed)
    with so_far_bar(stderr, loaded.name, loaded.cost.unit) as (on_progress, on_known):
        result, _ = run_all(
            *(loaded, rule),
            out=out,
            workers=many,
            on_progress=on_progress,
            on_known=on_known,
        )
    hand_over(result, lambda: replication_table(result), as_json, out)
    if result["precise"] is False:
        raise typer.Exit(1)
