"""What all commands share: the application, how errors are told, options that several have."""

import contextlib
import errno
import functools
import os
import resource
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_type_hints

import typer
import typer.core

from messsim.errors import MesssimError, OutputError, SimulationError, system_error
from messsim.files import json_text
from messsim.report.base.screen import Screen
from messsim.wording import visible

from .amounts import whole_number
from .help import HELP, meant, meant_command
from .signals import exit_code

if TYPE_CHECKING:
    from messsim.scenario import Scenario
    from messsim.study.runs import Workers as StudyWorkers

__all__ = [
    "AsJson",
    "On",
    "RayAddress",
    "Replication",
    "Requests",
    "Requires",
    "ScenarioFile",
    "Seed",
    "Sets",
    "Workers",
    "app",
    "command",
    "console",
    "load",
    "print_json",
    "print_written",
    "stderr",
    "workers_on",
]

_ending = contextlib.ExitStack()  # what a command leaves when it ends, by an error too
UsageError: type[Exception] = typer.BadParameter.__bases__[0]  # Typer exports no name for it


@contextlib.contextmanager
def _visible_usage() -> Iterator[None]:
    """A wrong command line may hold anything: what Typer says of it is made visible before Typer prints it."""
    try:
        yield
    except UsageError as error:
        message = visible(_usage(error))
        error.format_message = lambda: message  # type: ignore[attr-defined]
        raise


def _usage(error: Any) -> str:
    """What is wrong with a command line, and what was meant."""
    message = str(error.format_message()).replace(": Value error, ", ": ", 1)  # as Typer's choices begin
    option, words = getattr(error, "option_name", None), error.ctx
    if words is None:
        return message
    if option is not None and (instead := meant(option, words.command)) is not None:
        return f"No such option: {option}; did you mean {instead}?"
    if message.startswith("No such command ") and (name := message.split("'")[1]):
        instead = meant_command(name, getattr(words.command, "commands", {}))
        return message if instead is None else f"No such command {name!r}; did you mean {instead}?"
    return message + next((hint for part, hint in HINTS.items() if part in message), "")


HINTS = {
    "unexpected extra argument": "; --policies A,B takes several, --set KEY=VALUE is repeated",
    "Invalid value for '--seed'": "; of several seeds: messsim replicate SCENARIO --seeds COUNT",
}  # by a part of what is wrong


class Commands(typer.core.TyperGroup):
    """All commands, as Typer has them, but for how a wrong command line and an option without a value are shown."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name; its help gives no type to an option that takes no value."""
        command = super().get_command(ctx, cmd_name)
        for option in command.get_params(ctx) if command is not None else ():
            if getattr(option, "is_flag", False) and option.metavar is None:
                option.metavar = ""
        return command

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Reads what stands before a command's name."""
        with _visible_usage():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Reads the command's name and what follows, and runs it."""
        with _visible_usage():
            return super().invoke(ctx)


app = typer.Typer(
    name="messsim",
    cls=Commands,
    help="Simulate LLM inference clusters behind a router that promises satisfaction (MESS+).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
LONGEST_LINE = 2000  # characters of a message
MOST_THREADS = 1_024  # that Polars is let start: tens of thousands hold up the whole machine
LEAST_MEMORY = 1 << 30  # bytes of addresses: with less, Polars' threads end the process where they are

if os.environ.get("COLUMNS", "").strip() == "0":  # which stands for nothing known, and would print nothing
    del os.environ["COLUMNS"]
console = Screen()
stderr = Screen(stderr=True)

ScenarioFile = Annotated[Path, typer.Argument(metavar="SCENARIO", help="Scenario file (TOML).")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY.PATH=VALUE", help="Change a key of the scenario; may be repeated."),
]
Requests = Annotated[
    int | None,
    typer.Option(parser=whole_number, metavar="COUNT", help="How many requests arrive, such as 50000, 50k or 1e6."),
]
Seed = Annotated[int | None, typer.Option(help="Seed of all chance.")]
Replication = Annotated[int | None, typer.Option(help="Which replication of the seed.")]
Requires = Annotated[
    list[str] | None,
    typer.Option(
        "--require",
        metavar="FIGURE>=BOUND",
        help="A bound on a figure of the summary, such as 'ttft.p95<2s' or 'sla.satisfaction>=60%'; may be repeated.",
    ),
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Runs at once; none: as many as there are cores, where that pays.")
]
On = Annotated[Literal["local", "ray"], typer.Option(help="This machine, or a Ray cluster.")]
RayAddress = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Of a running Ray cluster; none: RAY_ADDRESS, or a Ray of this machine."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def command(function: Callable[..., None]) -> Callable[..., None]:
    """A command whose errors come in one voice, exit codes 1 (failed), 2 (bad input), 128 and its number (a signal)."""
    _refuse_empty_paths(function)

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            _check_surroundings()
            with _ending:
                function(*args, **kwargs)
        except KeyboardInterrupt as interrupt:
            stderr.print_plain(str(interrupt) or "interrupted; nothing was written", "bold yellow")
            raise typer.Exit(exit_code(interrupt)) from None
        except MesssimError as error:
            text = _on_one_line(str(error), [*args, *kwargs.values(), getattr(error, "file", None)])
            stderr.print_plain(_in_short(f"error: {text}"), "bold red")
            raise typer.Exit(1 if isinstance(error, SimulationError) else 2) from None
        except MemoryError:
            raise _failed("there is not enough memory") from None
        except EOFError as error:  # Typer would call it aborted, with the exit code of a failed requirement
            raise _failed(f"a file ends too early: {error}") from None
        except BrokenPipeError:
            raise  # whoever read it wants no more
        except BaseException as error:
            refusal = system_error(error)
            if refusal is None:
                raise
            more = "; expected a higher limit of open files (ulimit -n)" if refusal.errno == errno.EMFILE else ""
            name = _on_one_line(str(refusal.filename or "the system"), [refusal.filename])
            raise _failed(f"{name}: {refusal.strerror or refusal}{more}") from None

    name = function.__name__.strip("_").replace("_", "-")  # a word of Python's own has _ behind it
    about = HELP.get(name)
    if about is None:
        return app.command(name)(wrapped)
    return app.command(name, rich_help_panel=about.group, epilog=about.epilog)(wrapped)


def _refuse_empty_paths(function: Callable[..., None]) -> None:
    """Has Typer read each path of a command by `_path`."""
    for annotation in get_type_hints(function, include_extras=True).values():
        if "Path" in str(annotation):
            for option in get_args(annotation)[1:]:
                option.parser = _path


def _path(text: str | Path) -> Path:
    """For Typer: a path. Python takes the empty text, as of a shell's variable that is not set, for this folder."""
    if text == "":
        raise typer.BadParameter("'' is empty; expected a path")
    return Path(text)


def _on_one_line(text: str, given: Iterable[object]) -> str:
    """A message whose lines are its own: line ends in the names that were given are written out."""
    each = [value for values in given for value in (values if isinstance(values, list) else [values])]
    for name in (str(value) for value in each if isinstance(value, (str, Path))):
        text = text.replace(name, name.replace("\n", "\\n"))
    return text


def _in_short(text: str) -> str:
    """A message whose lines can be read: a file may hold names of any length."""
    return "\n".join(
        line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE // 2]} ... {line[-LONGEST_LINE // 2 :]}"
        for line in text.split("\n")
    )


def _failed(reason: str) -> typer.Exit:
    with contextlib.suppress(OSError):
        stderr.print_plain(f"error: {reason}", "bold red")
    return typer.Exit(2)


def _check_surroundings() -> None:
    """What would end a command without a word, or with many that do not help."""
    threads = os.environ.get("POLARS_MAX_THREADS")
    if threads is not None and not (threads.isdecimal() and 1 <= int(threads) <= MOST_THREADS):
        raise OutputError(f"POLARS_MAX_THREADS={threads}: expected a whole number from 1 to {MOST_THREADS:,}, or none")
    memory = resource.getrlimit(resource.RLIMIT_AS)[0]
    if memory != resource.RLIM_INFINITY and memory < LEAST_MEMORY:
        raise OutputError(
            f"a process may have {memory >> 20} MiB of addresses (ulimit -v); expected at least "
            f"{LEAST_MEMORY >> 20} MiB"
        )


def workers_on(
    place: str, count: int | None, ray_address: str | None
) -> "contextlib.AbstractContextManager[StudyWorkers]":
    """See `messsim.study.runs.places.workers_on`; those of this machine end with the command, whether used or not."""
    from messsim.study.runs import places

    many = places.workers_on(place, count, ray_address)
    if place == "local":
        _ending.push(many)
    return many


def load(file: Path, sets: list[str] | None, **flags: Any) -> "Scenario":
    """The scenario of a command line."""
    from messsim.errors import ScenarioError
    from messsim.scenario import load as read
    from messsim.scenario.shipped import shipped_folder

    if not file.exists() and (shipped_folder() / f"{file.stem}.toml").is_file():
        raise ScenarioError(f"no such file; messsim init --example {file.stem} copies the shipped one", str(file))
    return read(file, sets, **flags)


def print_json(value: Any) -> None:
    """One JSON object on standard output."""
    typer.echo(json_text(value).replace("\x7f", "\\u007f"), nl=False)


def print_written(out: Path | None, what: str = "") -> None:
    """Where something was written, if anywhere."""
    if out is not None:
        console.print_plain(f"{what}written to {out}", "dim")


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
