"""``report`` and ``plot``: what a run looked like."""

from pathlib import Path
from typing import Annotated

import typer

from .base import command, console

__all__ = ["plot", "report"]

RunDir = Annotated[Path, typer.Argument(metavar="RUN_DIR", help="Directory that `run --out` wrote.")]


@command
def report(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="What the --out of run, converge, compare, sweep or plan wrote.")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The HTML file; none: report.html in the directory.")
    ] = None,
) -> None:
    """A run or a study as one HTML file that opens offline (extra `plot`)."""
    from messsim.study.report import report as write

    console.print(f"written to {write(directory, out)}", style="dim", highlight=False, soft_wrap=True)


@command
def plot(
    run_dir: RunDir,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file to draw: .svg, .png or .html.")],
    what: Annotated[
        str,
        typer.Argument(metavar="WHAT", help="satisfaction, queue, cost, answers, latency, load, power or tenants."),
    ] = "satisfaction",
) -> None:
    """One chart of a run as a file (extra `plot`)."""
    from messsim.study.plots import plot as draw

    draw(run_dir, what, out)
    console.print(f"written to {out}", style="dim", highlight=False, soft_wrap=True)
