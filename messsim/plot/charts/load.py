"""What the pools do along the run: requests in them, the power that they draw, and what their prefix caches hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from messsim.errors import OutputError
from messsim.wording import number, percent

from ..digest import sliced
from ..figure import Figure, Run, library
from ..marks import NOTHING, Marks
from ..parts import (
    MOST_SERIES,
    SQUARES,
    TONES,
    WHOLE,
    crosshair,
    folded,
    layered,
    lines,
    middles,
    rows,
    side_by_side,
    time_axis,
)

if TYPE_CHECKING:
    import polars as pl

__all__ = ["are_models", "caches", "hits", "load", "power"]

HIT_RATE = "hit_rate_"


def load(run: Run, marks: Marks = NOTHING) -> Figure:
    """Requests in each pool, waiting or running."""
    alt = library()
    long, unit, size, names = _pools(run, "in_system_")
    models = are_models(run, names)
    long, names = folded(long, "pool", names, "value", _answered(run) if models else None)
    long = _summed(long)
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
        _table(run),
        height=240,
    )


def power(run: Run, marks: Marks = NOTHING) -> Figure:
    """Power of each pool."""
    import polars as pl

    alt = library()
    long, unit, size, names = _pools(run, "power_w_")
    models = are_models(run, names)
    long, names = folded(long, "pool", names, "value", _answered(run) if models else None)
    order = pl.col("pool").replace_strict(names, list(range(len(names))), return_dtype=pl.Int32)
    long = _summed(long).with_columns(order=order).sort("order", "time")
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
        _table(run),
        height=240,
    )


def caches(run: Run) -> list[str]:
    """The pools whose prefix caches are followed along the run; an API's is not."""
    return [p["name"] for p in run.summary["pools"] if f"{HIT_RATE}{p['name']}" in run.timeline.columns]


def hits(run: Run, marks: Marks = NOTHING) -> Figure:
    """Cached share of the prompts in each pool that has a prefix cache."""
    import polars as pl

    alt = library()
    long, unit, size, names = _pools(run, HIT_RATE)
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


def _pools(run: Run, prefix: str) -> tuple[pl.DataFrame, str, float, list[str]]:
    """One quantity by `time` and `pool` as `value`; the unit of time, its seconds, and the pools' names."""
    import polars as pl

    names = [p["name"] for p in run.summary["pools"]]
    if not names:
        raise OutputError("the run has no servers (cluster.mode = 'none'): there is no load to draw")
    frame = sliced(run)
    middle, unit, size = middles(frame)
    names = [n for n in names if prefix + n in frame.columns]
    wide = frame.select(middle, *[pl.col(prefix + n).cast(pl.Float64) for n in names])
    long = wide.unpivot(index="time", variable_name="pool", value_name="value").drop_nulls()
    return long.with_columns(pl.col("pool").str.strip_prefix(prefix)), unit, size, names


def are_models(run: Run, names: list[str]) -> bool:
    """Whether pools are named as the models are, and so have their colours."""
    return names == [m["name"] for m in run.summary["models"]]


def _answered(run: Run) -> dict[str, float]:
    return {m["name"]: m["answered"] for m in run.summary["models"]}


def _summed(long: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    return long.group_by("time", "pool").agg(pl.col("value").sum()).sort("time", "pool")


def _table(run: Run) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(
        [
            {
                "pool": p["name"],
                "model": p["model"],
                "GPUs": f"{p['replicas'] * p['gpus_per_replica']} x {p['gpu']}" if p["gpu"] else "-",
                "replicas": str(p["replicas"]),
                "utilisation": percent(p["utilization"]),
                "energy (kJ)": number((p["energy_j"] + p["idle_energy_j"]) / 1000),
                "of which idle (kJ)": number(p["idle_energy_j"] / 1000),
                "energy is": "measured" if p["energy_measured"] else "assumed",
                "preemptions": f"{p['preemptions']:,}",
            }
            for p in run.summary["pools"]
        ]
    )
