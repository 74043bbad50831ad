"""``profiles`` and ``schema``: what is built in, and what a scenario may say."""

from typing import Annotated

import typer

from .base import AsJson, command, console, print_json

__all__ = ["profiles", "schema"]


@command
def profiles(
    name: Annotated[
        str | None, typer.Argument(help="A model, a part of its name, or MODEL/GPU/tpN; none: list all.")
    ] = None,
    gpu: Annotated[str | None, typer.Option(help="Only on this GPU.")] = None,
    weights: Annotated[
        str | None, typer.Option(help="Only with these weights: bf16, fp8, fp8_block, nvfp4 or mxfp4.")
    ] = None,
    tp: Annotated[int | None, typer.Option(min=1, help="Only on so many GPUs.")] = None,
    as_json: AsJson = False,
) -> None:
    """The built-in models and GPUs; of one profile every figure with its source."""
    from messsim.report.hardware.profiles import profile_details, profile_list
    from messsim.zoo import select_profiles

    selected = select_profiles(name, gpu=gpu, weights=weights, tp=tp)
    if as_json:
        from dataclasses import asdict

        print_json([{"name": p.name} | asdict(p) for p in selected])
    elif len(selected) == 1:
        console.print(profile_details(selected[0]))
    else:
        console.print(profile_list(selected))


@command
def schema() -> None:
    """JSON Schema of the scenario file."""
    from messsim.scenario import schema as scenario_schema

    print_json(scenario_schema())
