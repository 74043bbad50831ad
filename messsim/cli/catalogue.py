"""``profiles`` and ``schema``: what is built in, and what a scenario may say."""

from typing import Annotated

import typer

from .base import AsJson, command, console, print_json

__all__ = ["profiles", "schema"]


@command
def profiles(
    name: Annotated[str | None, typer.Argument(help="A model, or MODEL/GPU/tpN; none: list all.")] = None,
    as_json: AsJson = False,
) -> None:
    """The built-in models and GPUs, with the source of each figure."""
    from messsim.report.profiles import profile_details, profile_list
    from messsim.zoo import select_profiles

    found = select_profiles(name)
    if as_json:
        from dataclasses import asdict

        print_json([{"name": p.name} | asdict(p) for p in found])
    elif name is None:
        console.print(profile_list(found))
    else:
        for profile in found:
            console.print(profile_details(profile))


@command
def schema() -> None:
    """JSON Schema of the scenario file."""
    from messsim.scenario import schema as scenario_schema

    print_json(scenario_schema())
