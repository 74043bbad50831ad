"""``verify``: the simulator against queueing theory."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from messsim.files import json_text

from .base import AsJson, Seed, Workers, command, stderr
from .outputs import check_out, hand_over

if TYPE_CHECKING:
    from messsim.shapes.evidence import Verification

__all__ = ["verify"]


@command
def verify(
    engine: Annotated[str, typer.Option(help="Which engine simulates: compiled or simpy.")] = "compiled",
    size: Annotated[
        float | None,
        typer.Option(help="Share of the requests of a full verification.", show_default="1; simpy: 0.01"),
    ] = None,
    slow_server: Annotated[
        float, typer.Option(metavar="FACTOR", help="Make every server slower than theory is told: a test of the test.")
    ] = 1.0,
    seed: Seed = None,
    workers: Workers = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write the table to a new directory.")] = None,
    as_json: AsJson = False,
) -> None:
    """The simulator against queueing theory: every case with its interval and verdict; exit 1 if one fails."""
    from messsim.report.base.progress import runs_bar
    from messsim.report.verification import verification
    from messsim.results.directory import write_texts
    from messsim.study.verify import verify as compare

    check_out(out)
    with runs_bar(stderr, "verifying") as progress:
        comparison = compare(
            engine=engine, size=size, seed=seed, slow_server=slow_server, workers=workers, progress=progress
        )
    hand_over(
        comparison,
        lambda: verification(comparison),
        as_json,
        out,
        lambda target: write_texts(target, _files(comparison)),
    )
    if not comparison["passed"]:
        raise typer.Exit(1)


def _files(verification: "Verification") -> dict[str, str]:
    from messsim.report.verification import verification_page

    return {
        "verification.json": json_text(verification),
        "verification.md": verification_page(verification),
    }
