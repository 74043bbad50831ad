"""``show``, ``report`` and ``plot``: what a run looks like."""

import time
from pathlib import Path
from typing import Annotated

import typer

from messsim.errors import OutputError
from messsim.plot import FIGURES

from .base import command, console, print_written
from .outputs import check_file

__all__ = ["plot", "report", "show"]

AGAIN_S = 1.0


@command
def report(
    directory: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="What the --out of run, replicate, converge, compare, challenge, sweep or plan wrote."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The HTML file; none: report.html in the directory.")
    ] = None,
) -> None:
    """A run or a study as one HTML file that opens offline (extra `plot`)."""
    from messsim.report.pages.report import report as write

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
            help=f"Of a run: {', '.join(FIGURES)}; of converge: satisfaction, queue, cost, probability, gap.",
        ),
    ] = "satisfaction",
) -> None:
    """One chart of a run, or of a convergence study, as a file (extra `plot`)."""
    from messsim.report.pages.plots import plot as draw

    check_file(out)
    draw(directory, what, out)
    print_written(out)


@command
def show(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="What the --out of run wrote, or is writing.")],
) -> None:
    """A run on the terminal: promise, queue, shares, latencies, replicas; while it runs, as they go."""
    from messsim.report.run.live import dashboard, line_of
    from messsim.study.simulation.watching import show as state_of

    snapshot = state_of(directory)
    if not console.is_terminal:
        console.print(line_of(snapshot), highlight=False, soft_wrap=True)
        return
    if not snapshot.done:
        from rich.live import Live

        with Live(dashboard(snapshot), console=console, auto_refresh=False, transient=True) as live:
            while not snapshot.done:
                time.sleep(AGAIN_S)
                try:
                    snapshot = state_of(directory)
                except OutputError:  # it was broken off: what it was at last stays
                    break
                live.update(dashboard(snapshot), refresh=True)
    console.print(dashboard(snapshot))
