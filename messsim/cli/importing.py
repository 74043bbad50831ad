"""``import``: a trace, or a table of outcomes, from what others wrote down."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .base import AsJson, command, console, print_json
from .outputs import check_named_file
from .rows import Select, SkipFailed, TimeFormat, TimeZone, Unique, time_form

if TYPE_CHECKING:
    from messsim.logs.scores import OutcomeOptions
    from messsim.workload.choosing import Chooser

__all__ = ["import_"]


Logs = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE...",
        help="Log, trace or benchmark result (CSV, JSON, JSONL, Parquet, .gz, .zst); - for stdin.",
    ),
]
Target = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="What is written: a new .csv, .csv.gz, .jsonl or .parquet file. Without it the file is only looked at.",
    ),
]
Tool = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="TOOL",
        help="Whose file it is (docs: reference/formats.md); log: none; auto: by its columns.",
    ),
]
TimeColumn = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Column of times; none: lengths alone.", show_default=False)
]
PromptColumn = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Column of prompt token counts; a.b for a field of a struct.")
]
OutputColumn = Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of answer token counts.")]
TenantColumn = Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of who asked; none: not imported.")]
AsOutcomes = Annotated[
    bool, typer.Option("--outcomes", help="Make a table of outcomes of models; a FILE may be MODEL=FILE.")
]
PromptId = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Of outcomes: the column that tells prompts apart.")
]
Maps = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="VALUE=SATISFACTION", help="What scores mean: 'pass=1,fail=0'; or grades: 1..5."),
]
Filter = Annotated[
    str | None, typer.Option("--filter", metavar="NAME", help="Which filter of lm-evaluation-harness counts.")
]


@command
def import_(
    file: Logs,
    out: Target = None,
    kind: Tool = "auto",
    time: TimeColumn = None,
    time_format: TimeFormat = "auto",
    time_zone: TimeZone = None,
    prompt_tokens: PromptColumn = None,
    output_tokens: OutputColumn = None,
    tenant: TenantColumn = None,
    tenants: Annotated[int, typer.Option(min=1, help="At most so many tenants; the rest are 'others'.")] = 20,
    select: Select = None,
    skip_failed: SkipFailed = False,
    unique: Unique = None,
    outcomes: AsOutcomes = False,
    prompt: PromptId = None,
    model: Annotated[str | None, typer.Option(metavar="COLUMN", help="Of outcomes: the column of models.")] = None,
    score: Annotated[str | None, typer.Option(metavar="COLUMN", help="Of outcomes: the column of scores.")] = None,
    map_: Maps = None,
    filter_: Filter = None,
    as_json: AsJson = False,
) -> None:
    """Make a trace from a log, a benchmark or a public trace, or a table of outcomes; say how a scenario uses it."""
    from messsim.errors import OutputError
    from messsim.logs.scores import OutcomeOptions, parse_map
    from messsim.logs.toml import import_toml
    from messsim.logs.traces import TraceColumns, plan_reading, read_requests, write_trace
    from messsim.report.logs.importing import import_summary
    from messsim.workload.choosing import Chooser, conditions

    check_named_file(out)
    of_outcomes = {"--prompt": prompt, "--model": model, "--score": score, "--map": map_, "--filter": filter_}
    chooser = Chooser(conditions(select or []), ("",) if skip_failed and not outcomes else (), unique)
    if outcomes:
        of_traces = {"--from": kind != "auto", "--time": time, "--time-format": time_format != "auto",
                     "--time-zone": time_zone, "--prompt-tokens": prompt_tokens, "--output-tokens": output_tokens,
                     "--tenant": tenant}  # fmt: skip
        _refuse(of_traces, "is of traces; expected it without --outcomes")
        options = OutcomeOptions(prompt, model, score, *parse_map(map_ or []), filter_, skip_failed)
        _outcomes(file, out, options, chooser, as_json)
        return
    _refuse(of_outcomes, "is of outcomes; expected --outcomes with it")
    _check_kind(kind)
    if len(file) > 1:
        raise OutputError(f"{len(file)} files: expected one; --outcomes joins several")
    form = time_form(time_format, time_zone)
    columns = TraceColumns(time, prompt_tokens, output_tokens, tenant)
    trace = read_requests(file[0], plan_reading(file[0], columns, form, chooser, kind), most_tenants=tenants)
    if out is not None:
        write_trace(trace, out)
    summary = trace.summary()
    if as_json:
        print_json({"file": _name(out)} | summary)
    else:
        console.print(import_summary(summary))
        console.print_plain(_written(out, lambda name: import_toml(summary, name)))


def _check_kind(kind: str) -> None:
    from messsim.errors import OutputError
    from messsim.logs.presets import PRESETS
    from messsim.scenario.problems import near

    known = ["auto", "log", *(p.name for p in PRESETS)]
    if kind not in known:
        raise OutputError(f"--from {kind}: expected one of {', '.join(known)}{near(kind, known)}")


def _name(out: Path | None) -> str | None:
    return None if out is None else str(out)


def _written(out: Path | None, toml: Callable[[Path], str]) -> str:
    """Where it was written, and how a scenario uses it."""
    if out is None:
        return "\nnothing is written: --out FILE writes it, and says how a scenario uses it"
    return f"\nwritten to {out}; in a scenario beside it:\n\n{toml(Path(out.name))}"


def _refuse(options: Mapping[str, object], reason: str) -> None:
    """If any of these options was given."""
    from messsim.errors import OutputError

    if given := [name for name, value in options.items() if value]:
        raise OutputError(f"{given[0]}: {reason}")


def _outcomes(
    files: list[Path], out: Path | None, options: "OutcomeOptions", chooser: "Chooser", as_json: bool
) -> None:
    from messsim.logs.outcomes import read_outcomes, write_outcomes
    from messsim.logs.toml import outcomes_toml
    from messsim.report.logs.importing import outcomes_summary

    paths: list[Path | tuple[str, Path]] = []
    for file in files:
        name, equals, path = str(file).partition("=")
        paths.append((name, Path(path)) if equals and not file.exists() else file)
    outcomes = read_outcomes(paths, options, chooser)
    if out is not None:
        write_outcomes(outcomes, out)
    means = {m: float(outcomes.frame[m].mean()) for m in outcomes.models}  # type: ignore[arg-type]
    if as_json:
        print_json(
            {"file": _name(out), "prompts": outcomes.frame.height, "satisfaction": means, "notes": list(outcomes.notes)}
        )
    else:
        console.print(outcomes_summary(outcomes.frame.height, means, outcomes.notes))
        costs, tokens = outcomes.has_costs, outcomes.has_tokens
        console.print_plain(_written(out, lambda n: outcomes_toml(outcomes.models, n, costs=costs, tokens=tokens)))
