"""``challenge``: any router under hard conditions, beside all others."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from messsim.amounts import names_in

from .base import AsJson, On, RayAddress, Requests, Seed, Workers, command, stderr, workers_on
from .outputs import hand_over, tell_leftovers

__all__ = ["challenge"]

QUICK = 300  # requests
SEEDS = 5


@command
def challenge(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE.py", help="A policy of your own, beside the others.")
    ] = None,
    policies: Annotated[
        str | None, typer.Option(metavar="P1,P2,...", help="Policies; ranks are compared with the first.")
    ] = None,
    conditions: Annotated[str | None, typer.Option(metavar="C1,C2,...", help="Conditions; none: all.")] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help=f"Replications, the same for all; none: {SEEDS}.", show_default=False)
    ] = None,
    requests: Requests = None,
    seed: Seed = None,
    quick: Annotated[bool, typer.Option("--quick", help=f"{QUICK} requests and one replication: does it run?")] = False,
    on: On = "local",
    ray_address: RayAddress = None,
    workers: Workers = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write runs, challenge.json and report.html to a directory; one that stopped continues there.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Challenge routers: drift, late, few, false and poisoned ratings, overload, failures; one table."""
    from messsim.report.challenge.tables import challenge_report, challenge_tables
    from messsim.report.compare.comparison import so_far_bar
    from messsim.study.challenge.conditions import CONDITIONS
    from messsim.study.challenge.conditions import conditions as read
    from messsim.study.challenge.files import write_challenge
    from messsim.study.challenge.routers import POLICIES
    from messsim.study.challenge.routers import challenge as run_all

    tell_leftovers(out)
    many = workers_on(on, workers, ray_address)
    requests = QUICK if quick and requests is None else requests
    scenarios = read(CONDITIONS if conditions is None else names_in(conditions), requests=requests, seed=seed)
    own = [] if file is None else [str(file.resolve())]
    named = [*own, *(POLICIES if policies is None else names_in(policies))]
    unit = next(iter(scenarios.values())).cost.unit
    with so_far_bar(stderr, "challenge", unit) as (on_progress, on_known):
        result, _ = run_all(
            *(scenarios, named, seeds or (1 if quick else SEEDS)),
            out=out,
            workers=many,
            on_progress=on_progress,
            on_known=on_known,
        )
    hand_over(
        dataclasses.asdict(result),
        lambda: challenge_tables(result),
        as_json,
        out,
        lambda target: write_challenge(target, scenarios, result, page=challenge_report),
    )
