"""``report`` and ``plot``: what a run looked like."""

from pathlib import Path
from typing import Annotated

import typer

from .base import command, print_written
from .outputs import check_file

__all__ = ["plot", "report"]


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
    from messsim.study.pages.report import report as write

    check_file(out)
    print_written(write(directory, out))


@command
def plot(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="What the --out of run or converge wrote.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file to draw: .svg, .png or .html.")],
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT",
            help="satisfaction, queue, cost; of a run also answers, latency, load, power, tenants; of converge also "
            "probability, gap.",
        ),
    ] = "satisfaction",
) -> None:
    """One chart of a run, or of a convergence study, as a file (extra `plot`)."""
    from messsim.study.pages.plots import plot as draw

    check_file(out)
    draw(directory, what, out)
    print_written(out)
