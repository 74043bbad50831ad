"""``compare``: policies on the same requests."""

from pathlib import Path
from typing import Annotated

import typer

from messsim.errors import OutputError

from .base import (
    AsJson,
    Requests,
    Requires,
    ScenarioFile,
    Seed,
    Sets,
    Workers,
    command,
    load,
    stderr,
)
from .outputs import check_out, hand_over
from .planning import plan_fleets

__all__ = ["compare"]

EVERY = "mess+,load-aware,best-single,static-mix,random,threshold,cascade,primal-dual,linucb,oracle"


@command
def compare(
    scenario: ScenarioFile,
    policies: Annotated[
        str, typer.Option(metavar="P1,P2,...", help="Policies; the others are compared with the first.")
    ] = EVERY,
    seeds: Annotated[int, typer.Option(min=1, help="Replications, the same for all.")] = 5,
    fleets: Annotated[
        bool,
        typer.Option("--fleets", help="A fleet for each policy, the cheapest that keeps --require, as plan finds it."),
    ] = False,
    replicas: Annotated[
        list[str] | None, typer.Option(metavar="POOL=0..8", help="With --fleets: replicas to choose from; repeatable.")
    ] = None,
    require: Requires = None,
    requests: Requests = None,
    seed: Seed = None,
    sets: Sets = None,
    workers: Workers = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write results.parquet, comparison.json, a CSV and a picture to a new directory."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare policies on the same requests: promise, cost, latency, with intervals and paired differences."""
    from messsim.report.comparison import comparison_tables
    from messsim.report.fleets import fleet_tables
    from messsim.report.progress import runs_bar
    from messsim.study.candidates import axes_of
    from messsim.study.compare import compare as run_all
    from messsim.study.comparison_files import write_comparison
    from messsim.study.processes import local_workers
    from messsim.study.verdicts import KEPT_SHARE

    check_out(out)
    said = load(scenario, sets, requests=requests, seed=seed)
    if fleets:
        if out is not None:
            raise OutputError(f"--out {out}: holds a comparison on one fleet; expected it without --fleets, or --json")
        axes = axes_of(said, replicas or [], [])
        planned = plan_fleets(
            said, policies, axes, require or [], "usd", seeds, KEPT_SHARE, lambda: local_workers(workers)
        )
        hand_over(planned, lambda: fleet_tables(planned), as_json)
        return
    if replicas or require:
        raise OutputError("--replicas and --require: choose a fleet for each policy; expected --fleets with them")
    names = [name.strip() for name in policies.split(",") if name.strip()]
    with runs_bar(stderr, said.name) as told:
        found, rows = run_all(said, names, seeds, workers=workers, told=told)
    hand_over(
        found,
        lambda: comparison_tables(found),
        as_json,
        out,
        lambda target: write_comparison(target, said, found, rows, workers=workers),
    )
