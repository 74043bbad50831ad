"""The command line: a command parses, calls one function, prints."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from messsim.errors import MesssimError, SimulationError

if TYPE_CHECKING:
    from messsim.scenario import Scenario

__all__ = ["app", "main"]

app = typer.Typer(
    name="messsim",
    help="Simulate LLM inference clusters behind a router that promises satisfaction (MESS+).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
console = Console()
stderr = Console(stderr=True)

ScenarioFile = Annotated[Path, typer.Argument(metavar="SCENARIO", help="Scenario file (TOML).")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY.PATH=VALUE", help="Change a key of the scenario; may be repeated."),
]
Requests = Annotated[int | None, typer.Option(help="How many requests arrive.")]
Seed = Annotated[int | None, typer.Option(help="Seed of all chance.")]
Replication = Annotated[int | None, typer.Option(help="Which replication of the seed.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def command(function: Callable[..., None]) -> Callable[..., None]:
    """A command whose errors come in one voice, with the exit codes 1 (failed), 2 (bad input), 130 (Ctrl-C)."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
        except KeyboardInterrupt:
            stderr.print("interrupted; nothing was written", style="bold yellow")
            raise typer.Exit(130) from None
        except MesssimError as error:
            stderr.print(f"error: {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(1 if isinstance(error, SimulationError) else 2) from None

    return app.command()(wrapped)


def _load(file: Path, sets: list[str] | None, **flags: Any) -> "Scenario":
    from messsim.scenario import load

    return load(file, sets, **flags)


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, allow_nan=False))


@command
def run(
    scenario: ScenarioFile,
    engine: Annotated[str | None, typer.Option(help="Which engine simulates: compiled or simpy.")] = None,
    requests: Requests = None,
    seed: Seed = None,
    replication: Replication = None,
    sets: Sets = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write records and summary to a new directory.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Simulate a scenario and print what came of it."""
    from messsim import study
    from messsim.report.progress import progress_bar
    from messsim.report.terminal import run_summary

    said = _load(scenario, sets, engine=engine, requests=requests, seed=seed, replication=replication)
    with progress_bar(stderr, said.name) as progress:
        result = study.run(said, out=out, keep_records=False, progress=progress)
    if as_json:
        _print_json(result.summary)
        return
    console.print(run_summary(result.summary, result.notes))
    if out is not None:
        console.print(f"written to {out}", style="dim", highlight=False)


@command
def check(
    scenario: ScenarioFile,
    requests: Requests = None,
    seed: Seed = None,
    sets: Sets = None,
    as_json: AsJson = False,
) -> None:
    """Before running: load of each pool, stability, whether alpha can be reached, time and memory."""
    from messsim.report.checklist import checklist
    from messsim.study.check import check as examine

    found = examine(_load(scenario, sets, requests=requests, seed=seed))
    if as_json:
        _print_json(found)
    else:
        console.print(checklist(found))


@command
def explain(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="Directory that `run --out` wrote.")],
    request: Annotated[int, typer.Option(help="Which request, from 0.")],
    as_json: AsJson = False,
) -> None:
    """Why a request went where it went: scores, costs, Q and the terms of the argmin."""
    from messsim.report.explanation import explanation
    from messsim.report.progress import progress_bar
    from messsim.study.explain import explain as find

    with progress_bar(stderr, "replaying the run") as progress:
        found = find(run_dir, request, progress)
    if as_json:
        _print_json(found)
    else:
        console.print(explanation(found))


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

        _print_json([{"name": p.name} | asdict(p) for p in found])
    elif name is None:
        console.print(profile_list(found))
    else:
        for profile in found:
            console.print(profile_details(profile))


@command
def schema() -> None:
    """JSON Schema of the scenario file."""
    from messsim.scenario import schema as scenario_schema

    _print_json(scenario_schema())


def _version(wanted: bool) -> None:
    if wanted:
        from messsim.version import __version__

        typer.echo(f"messsim {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point."""
    app(prog_name="messsim")


if __name__ == "__main__":
    main()
