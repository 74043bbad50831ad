"""``init``: a scenario to begin from."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from messsim.amounts import names_in
from messsim.logs.defaults import DEFAULT_MODELS, DEFAULT_RATE_RPS

from .amounts import fraction, rate_of
from .base import command, console
from .outputs import print_notes

if TYPE_CHECKING:
    from messsim.logs.traces import Trace

__all__ = ["init"]

NAME = "scenario.toml"
BETWEEN = "halfway between the two best models"

Rate = Annotated[
    float | None,
    typer.Option(
        parser=rate_of,
        metavar="RATE",
        help="Requests per second, without --from.",
        show_default=f"{DEFAULT_RATE_RPS:g}",
    ),
]


@command
def init(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="What is written.", show_default="scenario.toml")
    ] = None,
    example: Annotated[
        str | None, typer.Option(metavar="NAME", help="Copy this scenario that comes with messsim, and its data.")
    ] = None,
    examples: Annotated[bool, typer.Option("--examples", help="List the scenarios that come with messsim.")] = False,
    trace: Annotated[
        Path | None,
        typer.Option("--from", metavar="TRACE", help="Your traffic: a file that `messsim import` reads as it is."),
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(
            metavar="M1,M2,...",
            help="Models of `messsim profiles`, or profiles such as Llama-3.1-70B/H100/tp4.",
            show_default=",".join(DEFAULT_MODELS),
        ),
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(
            parser=fraction,
            metavar="SHARE",
            help="The promise, such as 0.6 or 60%.",
            show_default=BETWEEN,
        ),
    ] = None,
    rate: Rate = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there already.")] = False,
) -> None:
    """Write a commented scenario to begin from, for models and traffic of your own, or a shipped example.

    On a terminal it asks, where no option is given.
    """
    from messsim.errors import OutputError
    from messsim.logs.starting import copy_example, write_beginning
    from messsim.logs.starting import examples as known
    from messsim.report.base.tables import grid

    if examples:
        console.print(grid(*known().items()))
        return
    if example is not None:
        given = {"--from": trace, "--models": models, "--alpha": alpha, "--rate": rate}
        if mixed := [name for name, value in given.items() if value is not None]:
            raise OutputError(f"{mixed[0]}: an example is copied as it is; expected it without --example")
        written = copy_example(example, file, overwrite=overwrite)
    else:
        target = file or Path(NAME)
        if target.suffix and target.suffix != ".toml":
            name = shlex.quote(str(target))
            raise OutputError(f"{target}: expected a name that ends with .toml; --from {name} reads your traffic")
        text, traffic = _text(target, trace, models, alpha, rate, overwrite)
        written = write_beginning(target, text, traffic, overwrite=overwrite)
    for path in written:
        console.print_plain(f"written to {path}", "dim")
    made = shlex.quote(str(written[0]))
    console.print_plain(f"\nnext: messsim check {made}\n      messsim run {made}")


def _text(
    target: Path, trace: Path | None, models: str | None, alpha: float | None, rate: float | None, overwrite: bool
) -> tuple[str, "tuple[Path, Trace] | None"]:
    """The scenario, and the trace to write beside it."""
    from messsim.errors import DataError, OutputError
    from messsim.logs.starting import beginning, check_place, profiles_of, traffic_of
    from messsim.logs.traces import TraceColumns, plan_reading, read_requests
    from messsim.results.targets import check_nameable

    check_place(target, overwrite)
    check_nameable(target)
    if trace is not None and rate is not None:
        raise OutputError("--rate: --from says how fast requests come; expected one of them")
    names = models or ",".join(DEFAULT_MODELS)
    if _asks(trace, models, alpha, rate):
        names = _answer("Models", names)
        traffic_file = _answer("Your traffic, a file that `messsim import` reads (none: made up)", "none")
        trace = None if traffic_file == "none" else Path(traffic_file)
        if trace is None:
            rate = rate_of(_answer("Requests per second", f"{DEFAULT_RATE_RPS:g}"))
        share = _answer("The promise, a share of the answers such as 60%", BETWEEN)
        alpha = None if share == BETWEEN else fraction(share)
    profiles = profiles_of(names_in(names))
    if trace is None:
        return beginning(target.stem, profiles, alpha=alpha, rate_rps=rate or DEFAULT_RATE_RPS), None
    place = target.with_name(f"{target.stem}-trace.csv")
    check_place(place, overwrite)
    try:
        requests = read_requests(trace, plan_reading(trace, TraceColumns()))
    except DataError as error:
        if " --" in str(error):  # of options that `import` has
            hint = f"; then messsim import {shlex.quote(str(trace))} with that, and messsim init --from what it writes"
            raise DataError([*error.problems[:-1], error.problems[-1] + hint], str(trace)) from None
        raise
    print_notes(requests.notes)
    traffic = traffic_of(requests.summary(), Path(place.name))
    return beginning(target.stem, profiles, alpha=alpha, rate_rps=0.0, traffic=traffic), (place, requests)


def _asks(*options: object) -> bool:
    """Whether to ask: on a terminal, where no option says anything."""
    there = sys.stdin is not None and sys.stdin.isatty() and console.is_terminal
    return there and all(option is None for option in options)


def _answer(what: str, default: str) -> str:
    """What the user types; nothing is the default."""
    return str(typer.prompt(what, default=default, err=True))
