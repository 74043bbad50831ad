"""One chart of a run, or of a convergence study, as a file."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from messsim.errors import OutputError
from messsim.plot import FIGURES
from messsim.plot.figure import Figure, library, specification_of
from messsim.plot.files import as_bytes
from messsim.plot.replications import charts_of
from messsim.results import Result, check_whole, reading_records, write_file
from messsim.study.converge.files import CONVERGENCE, read_convergence

from ..base.page import chart_html

__all__ = ["plot"]

FORMATS = ("svg", "png", "html")


def plot(directory: str | Path, what: str, out: str | Path) -> None:
    """Draws one chart of what the ``--out`` of run or converge wrote.

    Parameters
    ----------
    directory
        The run's, or the study's.
    what
        Of a run one of `messsim.plot.FIGURES`; of a study one of `messsim.plot.replications.charts_of`.
    out
        The file; its name ends in .svg, .png or .html. One that is there already is replaced.

    Raises
    ------
    OutputError
        If there is no such chart, format or run, or the file cannot be written.
    """
    target = Path(out)
    kind = target.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise OutputError(f"{target}: expected a file name that ends in .{', .'.join(FORMATS[:-1])} or .{FORMATS[-1]}")
    library()
    path = Path(directory)
    figure = _replicated(path, what) if (path / CONVERGENCE).exists() else _of_a_run(path, what)
    write_file(target, chart_html(figure) if kind == "html" else as_bytes(specification_of(figure), kind))


def _of_a_run(path: Path, what: str) -> Figure:
    _check(what, FIGURES)
    result = Result.read(path)
    check_whole(result)
    with reading_records(path):
        return FIGURES[what](result)


def _replicated(path: Path, what: str) -> Figure:
    study = read_convergence(path)
    charts = charts_of(study.curves)
    _check(what, charts)
    return charts[what](study.curves, study.summary)


def _check(what: str, charts: Collection[str]) -> None:
    if what not in charts:
        raise OutputError(f"{what}: unknown chart; expected one of {', '.join(charts)}")
