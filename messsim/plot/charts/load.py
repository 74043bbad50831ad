"""Requests in the pools along the run."""

from __future__ import annotations

from messsim.wording import percent

from ..figure import Figure, Run, library
from ..marks import NOTHING, Marks
from ..parts import crosshair, layered, lines, side_by_side, time_axis
from ..pools import along_the_run, pool_table

__all__ = ["load"]


def load(run: Run, marks: Marks = NOTHING) -> Figure:
    """Requests in each pool, along the run."""
    alt = library()
    long, unit, size, names, models = along_the_run(run, "in_system_")
    x = time_axis(unit)
    y = alt.Y("value:Q", title="requests in the pool")
    behind, before = marks.layers(run.timeline, "time_s", size)
    wide, values = side_by_side(long, "time", "pool", "value", names, ".1f")
    tips = [alt.Tooltip("time:Q", title=unit, format=".4~g"), *values]
    busiest = max(run.summary["pools"], key=lambda p: p["utilization"] or 0.0)
    return Figure(
        "Load",
        layered(
            *behind, lines(long, x, y, series="pool", names=names, models=models), *before, crosshair(wide, x, tips)
        ),
        f"Requests in each pool along the run; {busiest['name']} is busiest, {percent(busiest['utilization'])} of the "
        "time.",
        "Running and waiting requests as an arriving one finds them, mean of each slice of the run." + marks.note(),
        pool_table(run),
        height=240,
    )
