"""``converge``: how surely, and how soon, the promise is kept."""

from pathlib import Path
from typing import Annotated

import typer

from .base import (
    AsJson,
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
)

__all__ = ["converge"]


@command
def converge(
    scenario: ScenarioFile,
    seeds: Annotated[int, typer.Option(help="Replications.")] = 20,
    requests: Requests = None,
    seed: Seed = None,
    sets: Sets = None,
    workers: Workers = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write curves, a row a replication, and a report to a new directory."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Replicate a scenario: when, how often and how surely is the promise kept?"""
    from messsim.report.convergence import convergence_table
    from messsim.report.progress import runs_bar
    from messsim.results import check_free
    from messsim.study.convergence import converge as run_all
    from messsim.study.convergence_files import write_convergence

    if out is not None:
        check_free(out)
    said = load(scenario, sets, requests=requests, seed=seed)
    with runs_bar(stderr, said.name) as told:
        found = run_all(said, seeds, workers=workers, told=told)
    if out is not None and not write_convergence(out, said, found):
        stderr.print_plain("no report.html: drawing needs `pip install 'messsim[plot]'`", "yellow")
    if as_json:
        print_json(found.summary)
        return
    console.print(convergence_table(found.summary))
    print_written(out)
