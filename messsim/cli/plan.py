"""``plan``: the cheapest cluster that keeps a set of requirements."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from messsim.amounts import names_in

from .amounts import fraction
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
    workers_on,
)
from .outputs import hand_over, tell_leftovers
from .sweep import as_given

if TYPE_CHECKING:
    from collections.abc import Callable

    from messsim.scenario import Scenario
    from messsim.shapes.studies import Fleets
    from messsim.study.plan.goal import Goal

__all__ = ["plan", "plan_fleets"]

UNITS = {"usd": "USD per hour", "energy": "J a run"}  # of an objective


def plan_fleets(
    scenario: "Scenario",
    policies: str,
    goal: "Goal",
    out: Path | None,
    workers: "Callable[[], Any]",
) -> "Fleets":
    """A fleet for each policy, with a bar of progress."""
    from messsim.report.base.progress import runs_bar
    from messsim.study.compare.fleets import fleets

    with runs_bar(stderr, scenario.name) as on_progress:
        return fleets(scenario, names_in(policies), goal, out=out, workers=workers, on_progress=on_progress)


Replicas = Annotated[
    list[str] | None,
    typer.Option(
        metavar="POOL=1..8",
        help="Replicas that a pool, or a model's only pool, may have; 0 leaves it out; "
        "of one with autoscale the least that it keeps; repeatable.",
    ),
]
Gpus = Annotated[
    list[str] | None,
    typer.Option(metavar="POOL=H100,A100/tp2", help="GPUs that a pool may have; may be repeated."),
]
Objective = Annotated[
    Literal["usd", "energy"], typer.Option(help="What is least: rent of all GPUs by the hour, or joules of a run.")
]
PlannedPolicies = Annotated[
    str | None, typer.Option(metavar="P1,P2,...", help="Plan for each of these policies; none: the scenario's.")
]
KeptShare = Annotated[
    float,
    typer.Option(
        parser=fraction,
        metavar="SHARE",
        show_default="90%",
        help="Share of the replications in which a requirement on satisfaction must hold, such as 90%.",
    ),
]
PlanOut = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Write runs and answer to a directory; a plan that stopped continues there."),
]


@command
def plan(
    scenario: ScenarioFile,
    replicas: Replicas = None,
    gpus: Gpus = None,
    require: Requires = None,
    objective: Objective = "usd",
    policies: PlannedPolicies = None,
    kept: KeptShare = 0.9,
    seeds: Annotated[int, typer.Option(help="Replications of each cluster, the same for all.")] = 5,
    requests: Requests = None,
    seed: Seed = None,
    sets: Sets = None,
    on: On = "local",
    ray_address: RayAddress = None,
    workers: Workers = None,
    out: PlanOut = None,
    as_json: AsJson = False,
) -> None:
    """Find the cheapest numbers of replicas, and kinds of GPU, that keep all requirements; exit 1 if none do."""
    from messsim.report.base.progress import known_bar
    from messsim.report.compare.fleets import fleet_tables
    from messsim.report.plan.answer import best_so_far, plan_command, plan_tables
    from messsim.study.plan.candidates import axes_of
    from messsim.study.plan.cheapest import plan as find
    from messsim.study.plan.goal import Goal

    tell_leftovers(out)
    many = workers_on(on, workers, ray_address) if policies is None else None  # each policy's plan has its own
    loaded = load(scenario, sets, requests=requests, seed=seed)
    goal = Goal(axes_of(loaded, replicas or [], gpus or []), require or [], objective, seeds, kept)
    if policies is not None:
        planned = plan_fleets(loaded, policies, goal, out, lambda: workers_on(on, workers, ray_address))
        hand_over(planned, lambda: fleet_tables(planned), as_json, out)
        if planned["best"] is None:
            raise typer.Exit(1)
        return
    with known_bar(stderr, loaded.name) as (on_progress, show):
        result = find(
            loaded,
            goal,
            out=out,
            workers=many,
            on_progress=on_progress,
            on_known=on_progress
            and (lambda best: show(best_so_far(best.replicas, best.value, best.simulated, UNITS[objective]))),
        )
    if as_json:
        print_json(result)
    else:
        console.print(plan_tables(result))
        if result["best"] is not None:
            console.print_plain("\n" + plan_command(result["best"], as_given(scenario, sets, requests, seed)))
        print_written(out)
    if result["best"] is None:
        raise typer.Exit(1)
