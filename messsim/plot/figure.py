"""A chart and the words that go with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from messsim.errors import OutputError
from messsim.summary import Summary

from .signs import with_signs
from .theme import LIGHT, Specification

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Figure", "Run", "drawable", "library", "specification_of", "themed"]

WIDTH, HEIGHT = 640, 300


class Run(Protocol):
    """What figures are made of: a `messsim.Result`, or anything like it."""

    @property
    def summary(self) -> Summary:
        """The object that ``--json`` prints."""

    @property
    def timeline(self) -> pl.DataFrame:
        """At most 4,096 rows in request order."""

    @property
    def requests(self) -> pl.LazyFrame:
        """One row a request."""


@dataclass(frozen=True)
class Figure:
    """A chart without size or colours, and what stands beside it.

    Attributes
    ----------
    title
        A few words.
    chart
        An Altair chart; what colours it is in `messsim.plot.theme`. None where there is nothing to draw.
    description
        What the chart shows, with its main figures, for who cannot see it.
    note
        How to read it.
    table
        The figures behind it: a few rows, headed as people read them.
    height
        Pixels.
    """

    title: str
    chart: Any = field(repr=False)
    description: str
    note: str = ""
    table: pl.DataFrame | None = field(default=None, repr=False)
    height: int = HEIGHT


def library() -> Any:
    """Altair.

    Raises
    ------
    OutputError
        If it is not installed.
    """
    try:
        import altair
        import vl_convert  # noqa: F401  (draws files, and holds the scripts of a page)
    except ImportError:
        raise OutputError("drawing needs Altair; install it with `pip install 'messsim[plot]'`") from None
    return altair


def drawable(figure: Figure) -> Figure:
    """The same figure, if it has a chart.

    Raises
    ------
    OutputError
        If there is nothing to draw.
    """
    if figure.chart is None:
        raise OutputError(f"{figure.title}: the run has nothing to draw")
    return figure


def themed(figure: Figure) -> Any:
    """The chart as it is shown outside a report, as `specification_of` has it.

    Altair may draw it in this process, which its renderer would end over a name that no picture can hold.

    Raises
    ------
    OutputError
        If there is nothing to draw.
    """
    return type(drawable(figure).chart).from_dict(specification_of(figure), validate=False)


def specification_of(figure: Figure) -> Specification:
    """The chart as Vega-Lite, with title, size and the light colours, and nothing that no picture can hold.

    Raises
    ------
    OutputError
        If there is nothing to draw.
    """
    chart = drawable(figure).chart.properties(title=figure.title, width=WIDTH, height=figure.height)
    chart = chart.properties(description=figure.description).configure(**LIGHT)
    specification: Specification = with_signs(chart.to_dict(validate=False))
    return specification
