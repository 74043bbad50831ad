"""``compare``: policies on the same requests."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from messsim.amounts import names_in
from messsim.api import EVERY
from messsim.errors import OutputError

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
    load,
    stderr,
    workers_on,
)
from .outputs import hand_over, tell_leftovers
from .plan import plan_fleets

__all__ = ["compare"]


WithFleets = Annotated[
    bool,
    typer.Option("--fleets", help="A fleet for each policy, the cheapest that keeps --require, as plan finds it."),
]
Replicas = Annotated[
    list[str] | None, typer.Option(metavar="POOL=0..8", help="With --fleets: replicas to choose from; repeatable.")
]
CompareOut = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Write runs, JSON, a CSV and a picture, or a plan for each policy; one that stopped continues there.",
    ),
]


@command
def compare(
    scenario: ScenarioFile,
    policies: Annotated[
        str, typer.Option(metavar="P1,P2,...", help="Policies; the others are compared with the first.")
    ] = ",".join(EVERY),
    seeds: Annotated[int, typer.Option(min=1, help="Replications, the same for all.")] = 5,
    fleets: WithFleets = False,
    replicas: Replicas = None,
    require: Requires = None,
    requests: Requests = None,
    seed: Seed = None,
    sets: Sets = None,
    on: On = "local",
    ray_address: RayAddress = None,
    workers: Workers = None,
    out: CompareOut = None,
    as_json: AsJson = False,
) -> None:
    """Compare policies on the same requests: promise, cost, latency, with intervals and paired differences."""
    from messsim.report.compare.comparison import comparison_pictures, comparison_tables, so_far_bar
    from messsim.report.compare.fleets import fleet_tables
    from messsim.study.compare.files import write_comparison
    from messsim.study.compare.policies import compare as run_all
    from messsim.study.plan.candidates import axes_of
    from messsim.study.plan.goal import Goal

    tell_leftovers(out)
    started = None if fleets else workers_on(on, workers, ray_address)
    loaded = load(scenario, sets, requests=requests, seed=seed)
    if started is None:
        goal = Goal(axes_of(loaded, replicas or [], []), require or [], seeds=seeds)
        planned = plan_fleets(loaded, policies, goal, out, lambda: workers_on(on, workers, ray_address))
        hand_over(planned, lambda: fleet_tables(planned), as_json, out)
        return
    if replicas or require:
        raise OutputError("--replicas and --require: choose a fleet for each policy; expected --fleets with them")
    with started as many:
        with so_far_bar(stderr, loaded.name, loaded.cost.unit) as (on_progress, on_known):
            result, _ = run_all(
                *(loaded, names_in(policies), seeds),
                out=out,
                workers=nullcontext(many),
                on_progress=on_progress,
                on_known=on_known,
            )
        hand_over(
            result,
            lambda: comparison_tables(result),
            as_json,
            out,
            lambda target: write_comparison(
                target, loaded, result, pictures=comparison_pictures, workers=nullcontext(many)
            ),
        )
