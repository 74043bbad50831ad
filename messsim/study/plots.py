"""One chart of a run as a file."""

from __future__ import annotations

from pathlib import Path

from messsim.errors import OutputError
from messsim.plot.face import FIGURES
from messsim.plot.figure import library, themed
from messsim.plot.files import FORMATS, as_bytes
from messsim.results import Result, check_whole, reading_records, write_file

__all__ = ["plot"]


def plot(directory: str | Path, what: str, out: str | Path) -> None:
    """Draws one chart of what ``messsim run --out`` wrote.

    Parameters
    ----------
    directory
        The run's.
    what
        One of `messsim.plot.FIGURES`.
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
    if what not in FIGURES:
        raise OutputError(f"{what}: unknown chart; expected one of {', '.join(FIGURES)}")
    library()
    result = Result.read(directory)
    check_whole(result)
    with reading_records(Path(directory)):
        figure = FIGURES[what](result)
    write_file(target, as_bytes(themed(figure), kind))
