"""The virtual queue along a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from messsim.summary import Sla
from messsim.wording import number, virtual_queue

from ..digest import thinned
from ..figure import Figure, Run, library
from ..marks import NOTHING, Marks
from ..parts import crosshair, layered, lines, requests_axis, rows, timeline_table

if TYPE_CHECKING:
    import polars as pl

__all__ = ["queue"]

QUEUES = {"queue": "Q", "queue_tracked": "Q as the router sees it"}


def queue(run: Run, marks: Marks = NOTHING) -> Figure:
    """The virtual queue: the satisfying answers that are owed."""
    alt = library()
    sla = run.summary["sla"]
    wide = thinned(run.timeline).select("request", *QUEUES)
    shown = QUEUES if (wide["queue"] != wide["queue_tracked"]).any() else {"queue": "Q"}
    x, y = requests_axis(run.summary["requests"]["arrived"]), _owed_axis(wide)
    tips = [alt.Tooltip("request:Q", format=",")]
    tips += [alt.Tooltip(f"{c}:Q", title=name, format=".2f") for c, name in shown.items()]
    behind, before = marks.layers(run.timeline, "request")
    if len(shown) == 1:
        flat = wide.rename({"queue": "answers"})
        curve = alt.Chart(rows(flat)).mark_area(style="owed", opacity=0.6, line=False).encode(x=x, y=y)
    else:
        long = wide.rename(shown).unpivot(index="request", variable_name="curve", value_name="answers")
        curve = lines(long, x, y, series="curve", names=list(shown.values()), strokeWidth=1.5)
    chart = layered(*behind, curve, *before, crosshair(wide, x, tips))
    return Figure(
        "Virtual queue",
        chart,
        f"Virtual queue Q: {virtual_queue(sla['queue_final'], sla['queue_max'], len(run.summary['tenants']))}.",
        "Q grows by α for each answer and shrinks by 1 for each that satisfies: the satisfying answers that are still "
        "owed. The longer it is, the more the router pays for good answers." + _begun(sla) + marks.note(),
        timeline_table(run.timeline, shown, number),
        height=180,
    )


def _owed_axis(wide: pl.DataFrame) -> Any:
    """From 0, also where nothing is ever owed."""
    alt = library()
    owed = any((wide[column] > 0.0).any() for column in QUEUES)
    return alt.Y("answers:Q", title="answers owed", scale=alt.Undefined if owed else alt.Scale(domain=[0, 1]))


def _begun(sla: Sla) -> str:
    begun = sla["queue_initial"]
    return f" It began at {number(begun)}, a place-holder that nobody is owed." if begun else ""
