"""``replay``: MESS+ in shadow on a log of real decisions."""

import json
from pathlib import Path
from typing import Annotated

import typer

from .base import AsJson, Seed, command
from .outputs import check_out, hand_over

__all__ = ["replay"]


@command
def replay(
    log: Annotated[
        Path,
        typer.Argument(metavar="LOG", help="CSV, Parquet or JSONL, a row a request (docs: how-to/gateway.md)."),
    ],
    alpha: Annotated[float, typer.Option(help="The promise: fraction of answers that satisfies.")],
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An option of the router, such as V=1e-4.")
    ] = None,
    seed: Seed = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the JSON object to a new file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run MESS+ in shadow on a log of real decisions; what the log cannot tell is refused, with the reason."""
    from messsim.report.replayed import replayed
    from messsim.results.directory import write_file
    from messsim.scenario.overrides import router_options
    from messsim.logs.decisions import read_log
    from messsim.logs.replay import replay as run

    check_out(out, "file")
    found = run(read_log(log), alpha, seed=seed or 0, **router_options(sets or []))
    hand_over(
        found,
        lambda: replayed(found),
        as_json,
        out,
        lambda target: write_file(target, (json.dumps(found, indent=2) + "\n").encode()),
    )
