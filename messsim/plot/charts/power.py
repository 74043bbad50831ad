"""The power that the pools draw along the run."""

from __future__ import annotations

from messsim.wording import number

from ..figure import Figure, Run, library
from ..marks import NOTHING, Marks
from ..parts import SQUARES, TONES, WHOLE, crosshair, layered, rows, side_by_side, time_axis
from ..pools import along_the_run, pool_table

__all__ = ["power"]


def power(run: Run, marks: Marks = NOTHING) -> Figure:
    """Power of each pool, along the run."""
    import polars as pl

    alt = library()
    long, unit, size, names, models = along_the_run(run, "power_w_")
    order = pl.col("pool").replace_strict(names, list(range(len(names))), return_dtype=pl.Int32)
    long = long.with_columns(order=order).sort("order", "time")
    colours = alt.Scale(domain=names) if models else alt.Scale(domain=names, range=TONES)
    x = time_axis(unit)
    area = (
        alt.Chart(rows(long))
        .mark_area()
        .encode(
            x=x,
            y=alt.Y("value:Q", title="power (W)", stack="zero", axis=alt.Axis(labelExpr=WHOLE)),
            color=alt.Color("pool:N", title=None, scale=colours, legend=SQUARES),
            order="order:Q",
        )
    )
    wide, values = side_by_side(long, "time", "pool", "value", names, ",.0f")
    tips = [alt.Tooltip("time:Q", title=unit, format=".4~g"), *values]
    behind, before = marks.layers(run.timeline, "time_s", size, filled=True)
    energy = run.summary["energy"]
    assumed = "" if energy["measured"] else " The energy of some pools is assumed, not measured."
    return Figure(
        "Power",
        layered(area, *behind, *before, crosshair(wide, x, tips)),
        f"Power of each pool along the run; {number(energy['total_j'], 'J')} in all, of which "
        f"{number(energy['idle_j'], 'J')} idle.",
        f"Stacked; mean of each slice of the run.{assumed}{marks.note(filled=True)}",
        pool_table(run),
        height=240,
    )
