"""What ``converge --out`` writes, and a report reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from messsim.errors import DataError, OutputError
from messsim.files import in_words, json_text, read_json
from messsim.results import whole_or_absent, write_file, write_parquet
from messsim.results.reading import Whole
from messsim.shapes.evidence import ConvergenceSummary
from messsim.workload.blocks import whole

from ..runs.pictures import add_pictures
from .aligned import CURVES as CURVE_NAMES
from .aligned import SHARES
from .convergence import Convergence

if TYPE_CHECKING:
    import polars as pl

__all__ = ["CONVERGENCE", "read_convergence", "write_convergence"]

CONVERGENCE, CURVES, RESULTS = "convergence.json", "curves.parquet", "results.parquet"


def write_convergence(
    out: Path, convergence: Convergence, *, page: Callable[[Convergence], Mapping[str, bytes]] | None = None
) -> list[str]:
    """Writes what came of a study into its directory.

    ``convergence.json`` is what ``--json`` prints, ``curves.parquet`` a row a request number.

    Parameters
    ----------
    out
        The directory.
    convergence
        From `messsim.study.converge.convergence.converge`.
    page
        Makes files beside them, by name: the report.

    Returns
    -------
    list of str
        Why there is no page, where there is none.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with whole_or_absent(out / CURVES) as beside:
        write_parquet(convergence.curves, beside)
    write_file(out / CONVERGENCE, json_text(convergence.summary).encode())
    return [] if page is None else add_pictures(out, "report.html", lambda: page(convergence))


def read_convergence(directory: Path) -> Convergence:
    """The study that a directory holds.

    Raises
    ------
    OutputError
        If it is damaged, or another version wrote it.
    """
    try:
        summary = read_json(directory / CONVERGENCE)
        curves, rows = (whole(directory / name) for name in (CURVES, RESULTS))
        _check(summary, curves)
    except (OSError, ValueError, DataError) as error:
        what = in_words(error, directory / CONVERGENCE)
        raise OutputError(f"{directory}: expected a directory that `messsim converge --out` wrote ({what})") from None
    return Convergence(summary, curves, rows)


def _check(summary: Any, curves: pl.DataFrame) -> None:
    """Raises a ValueError (pydantic's is one) unless everything is there that the page is made of."""
    Whole[ConvergenceSummary].model_validate(summary)
    expected = ["request", "runs", "below", "below_low", "below_high", "settled"]
    expected += [f"{name}_{key}" for name in CURVE_NAMES for key in ("mean", *SHARES)]
    for name in expected:
        if name not in curves.columns or not curves[name].dtype.is_numeric():
            raise ValueError(f"{CURVES}: {name}: expected a column of numbers")
