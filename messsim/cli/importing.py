"""``import``: a trace, or a table of outcomes, from what others wrote down."""

from pathlib import Path
from typing import Annotated

import typer

from .base import AsJson, command, console, print_json
from .outputs import check_out

__all__ = ["TimeFormat", "TimeZone", "import_"]

TimeFormat = Annotated[
    str,
    typer.Option(
        metavar="FORMAT",
        help="Times: s, ms, us, ns, iso, or a pattern such as '%d/%m/%Y %H:%M:%S'; auto: by the column's suffix (_ms), "
        "by the size of seconds since 1970, or dates in any common form.",
    ),
]
TimeZone = Annotated[
    str | None,
    typer.Option(metavar="ZONE", help="Time zone of dates that name none, such as Europe/Berlin; none: UTC."),
]
Select = Annotated[
    list[str] | None,
    typer.Option("--select", metavar="COLUMN=VALUE", help="Only such rows (also != < <= > >=); may be repeated."),
]


@command
def import_(
    file: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="Log, trace or benchmark result (CSV, JSON, JSONL, Parquet, .gz, .zst); - for stdin."
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="What is written: a new .csv, .csv.gz, .jsonl or .parquet file.")
    ],
    kind: Annotated[
        str,
        typer.Option(
            "--from", metavar="TOOL", help="Whose file it is (docs: reference/formats.md); log: none; auto: by its columns."
        ),
    ] = "auto",
    time: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of times; none: lengths alone.", show_default=False)
    ] = None,
    time_format: TimeFormat = "auto",
    time_zone: TimeZone = None,
    prompt_tokens: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of prompt token counts; a.b for a field of a struct.")
    ] = None,
    output_tokens: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of answer token counts.")
    ] = None,
    tenant: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of who asked; none: not imported.")
    ] = None,
    tenants: Annotated[int, typer.Option(min=1, help="At most so many tenants; the rest are 'others'.")] = 20,
    select: Select = None,
    skip_failed: Annotated[
        bool, typer.Option("--skip-failed", help="Leave out rows whose token counts are missing, 0, or no numbers.")
    ] = False,
    unique: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Count each value of this column once, such as a request's id.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a trace from a log, a benchmark or a public trace, and say how a scenario uses it."""
    from messsim.errors import OutputError
    from messsim.logs.presets import PRESETS
    from messsim.logs.traces import TraceColumns, plan_reading, read_requests, write_trace
    from messsim.report.importing import import_summary, import_toml
    from messsim.workload.choosing import Chooser, conditions
    from messsim.workload.times import TimeForm, check_form

    check_out(out, "file")
    known = ["auto", "log", *(p.name for p in PRESETS)]
    if kind not in known:
        raise OutputError(f"--from {kind}: expected one of {', '.join(known)}")
    if len(file) > 1:
        raise OutputError(f"{len(file)} files: expected one; --outcomes joins several")
    form = TimeForm(time_format, time_zone)
    check_form(form)
    chooser = Chooser(conditions(select or []), ("",) if skip_failed else (), unique)
    columns = TraceColumns(time, prompt_tokens, output_tokens, tenant)
    trace = read_requests(file[0], plan_reading(file[0], columns, form, chooser, kind), most_tenants=tenants)
    write_trace(trace, out)
    found = trace.summary()
    if as_json:
        print_json({"file": str(out)} | found)
    else:
        console.print(import_summary(found))
        console.print_plain(f"\nwritten to {out}; in a scenario beside it:\n\n{import_toml(found, Path(out.name))}")
