"""Verdicts on requirements, as people read them."""

from collections.abc import Sequence

from rich.console import Group, RenderableType

from messsim.shapes.studies import Judged

from ..base.screen import Text
from ..base.tables import Fitting, number

__all__ = ["requirement_line", "requirement_table"]


def requirement_table(verdicts: Sequence[Judged]) -> RenderableType:
    """A line a requirement: the figure, and what is to spare or missing."""
    table = Fitting(("requirement", "figure", "to spare", "verdict"), spare=("to spare",))
    for v in verdicts:
        met = v["met"]
        table.add_row(
            v["requirement"],
            number(v["value"]),
            number(v["margin"]),
            "met" if met else "failed",
            style="green" if met else "bold red",
        )
    return Group(Text(), table)


def requirement_line(verdict: Judged) -> Text:
    """A requirement that failed, and by how much."""
    return Text(f"failed: {verdict['requirement']}: {verdict['reason']}", style="bold red")
