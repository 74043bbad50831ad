"""``converge``: how surely, and how soon, the promise is kept."""

from pathlib import Path
from typing import Annotated

import typer

from .base import AsJson, On, RayAddress, Requests, ScenarioFile, Seed, Sets, Workers, command, load, stderr, workers_on
from .outputs import hand_over, tell_leftovers

__all__ = ["converge"]


@command
def converge(
    scenario: ScenarioFile,
    seeds: Annotated[int, typer.Option(help="Replications.")] = 20,
    requests: Requests = None,
    seed: Seed = None,
    sets: Sets = None,
    on: On = "local",
    ray_address: RayAddress = None,
    workers: Workers = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write runs, curves and a report; one that stopped continues there."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Replicate a scenario: when, how often and how surely is the promise kept?"""
    from messsim.report.compare.comparison import so_far_bar
    from messsim.report.convergence import convergence_report, convergence_table
    from messsim.study.converge.convergence import converge as run_all
    from messsim.study.converge.files import write_convergence

    tell_leftovers(out)
    many = workers_on(on, workers, ray_address)
    loaded = load(scenario, sets, requests=requests, seed=seed)
    with so_far_bar(stderr, loaded.name, loaded.cost.unit) as (on_progress, on_known):
        result = run_all(
            *(loaded, seeds),
            out=out,
            workers=many,
            on_progress=on_progress,
            on_known=on_known,
        )
    hand_over(
        result.summary,
        lambda: convergence_table(result.summary),
        as_json,
        out,
        lambda target: write_convergence(target, result, page=lambda study: convergence_report(study, loaded)),
    )
