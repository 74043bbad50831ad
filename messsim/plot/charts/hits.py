"""What the prefix caches of the pools hold along the run."""

from __future__ import annotations

from messsim.errors import OutputError
from messsim.wording import percent

from ..figure import Figure, Run, library
from ..marks import NOTHING, Marks
from ..parts import MOST_SERIES, crosshair, layered, lines, side_by_side, time_axis
from ..pools import HIT_RATE, are_models, pools_of

__all__ = ["hits"]


def hits(run: Run, marks: Marks = NOTHING) -> Figure:
    """Cached share of the prompts in each pool that has a prefix cache, along the run."""
    import polars as pl

    alt = library()
    long, unit, size, names = pools_of(run, HIT_RATE)
    if not names:
        raise OutputError("no pool has a prefix cache: there is no hit rate to draw; expected prefix_cache = true")
    names = names[:MOST_SERIES]
    long = long.filter(pl.col("pool").is_in(names)).sort("time", "pool")
    x = time_axis(unit)
    y = alt.Y("value:Q", title="cached share of prompts", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%"))
    behind, before = marks.layers(run.timeline, "time_s", size)
    drawn = lines(long, x, y, series="pool", names=names, models=are_models(run, names))
    wide, values = side_by_side(long, "time", "pool", "value", names, ".1%")
    tips = [alt.Tooltip("time:Q", title=unit, format=".4~g"), *values]
    return Figure(
        "Prefix caches",
        layered(*behind, drawn, *before, crosshair(wide, x, tips)),
        f"Of the prompts' tokens {percent(run.summary['cache']['hit_rate'])} were in the prefix cache of the replica "
        "that began them.",
        "Cached share of the prompts begun in each slice of the run, by pool." + marks.note(),
        height=240,
    )
