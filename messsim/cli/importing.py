"""``import``: a trace from what others wrote down."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from .base import AsJson, command, console, print_json
from .outputs import check_out

__all__ = ["import_"]


@command
def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Benchmark result (JSON), or log (CSV, JSONL, Parquet).")
    ],
    out: Annotated[
        Path, typer.Option(metavar="TRACE", help="The trace: a new .csv, .csv.gz, .jsonl or .parquet file.")
    ],
    kind: Annotated[
        Literal["vllm", "log"] | None,
        typer.Option("--from", help="vllm: `vllm bench serve` with --save-detailed; none: vllm for .json, else log."),
    ] = None,
    time: Annotated[str, typer.Option(metavar="COLUMN", help="Column of times of a log.")] = "arrival_s",
    time_format: Annotated[
        Literal["auto", "s", "ms", "iso"],
        typer.Option(help="Seconds, milliseconds, or ISO 8601; auto: ISO 8601 where it is text, else seconds."),
    ] = "auto",
    prompt_tokens: Annotated[
        str, typer.Option(metavar="COLUMN", help="Column of prompt token counts.")
    ] = "prompt_tokens",
    output_tokens: Annotated[
        str, typer.Option(metavar="COLUMN", help="Column of answer token counts.")
    ] = "output_tokens",
    tenant: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of who asked; none: not imported.")
    ] = None,
    skip_failed: Annotated[bool, typer.Option("--skip-failed", help="Leave out rows of a log without tokens.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a trace from a benchmark of vLLM or a gateway's log, and say how a scenario uses it."""
    from messsim.report.importing import import_summary, import_toml
    from messsim.study.importing import LogColumns, from_log, from_vllm, write_trace

    check_out(out, "file")
    columns = LogColumns(time, prompt_tokens, output_tokens, tenant, time_format)
    if (kind or ("vllm" if file.suffix.lower() == ".json" else "log")) == "vllm":
        trace = from_vllm(file)
    else:
        trace = from_log(file, columns, skip_failed=skip_failed)
    write_trace(trace, out)
    found = trace.summary()
    if as_json:
        print_json({"file": str(out)} | found)
    else:
        console.print(import_summary(found))
        console.print_plain(f"\nwritten to {out}; in a scenario beside it:\n\n{import_toml(found, Path(out.name))}")
