"""Replicas of pools that change their size: those that are up, load and drain, along the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from messsim.errors import OutputError
from messsim.wording import number

from .digest import sliced
from .figure import Figure, Run, library
from .marks import NOTHING, Marks
from .parts import crosshair, folded, layered, lines, side_by_side, time_axis, time_unit

if TYPE_CHECKING:
    import polars as pl

__all__ = ["PREFIX", "changes_size", "replicas"]

PREFIX = "replicas_"
PHASES = ("up", "loading", "draining")


def changes_size(run: Run) -> list[str]:
    """The pools whose replicas come and go."""
    return [p["name"] for p in run.summary["pools"] if f"{PREFIX}up_{p['name']}" in run.timeline.columns]


def replicas(run: Run, marks: Marks = NOTHING) -> Figure:
    """Replicas up, loading and draining."""
    import polars as pl

    alt = library()
    pools = changes_size(run)
    if not pools:
        raise OutputError("no pool of the run changes its size (autoscale): there are no replicas to draw")
    frame = sliced(run)
    last_s = frame["to_s"].max()
    unit, size = time_unit(last_s if isinstance(last_s, float) else 0.0)
    middle = ((pl.col("from_s") + pl.col("to_s")) / 2 / size).alias("time")
    drawn = {f"{name} {phase}": f"{PREFIX}{phase}_{name}" for name in pools for phase in PHASES}
    drawn = {name: column for name, column in drawn.items() if phase_is_seen(name, column, run)}
    wide = frame.select(middle, *(pl.col(column).cast(pl.Float64).alias(name) for name, column in drawn.items()))
    long = wide.unpivot(index="time", variable_name="replicas", value_name="value").drop_nulls()
    long, names = folded(long, "replicas", list(drawn), "value")
    long = long.group_by("time", "replicas").agg(pl.col("value").sum()).sort("time", "replicas")
    x, y = time_axis(unit), alt.Y("value:Q", title="replicas")
    beside, values = side_by_side(long, "time", "replicas", "value", names, ".1f")
    tips = [alt.Tooltip("time:Q", title=unit, format=".4~g"), *values]
    behind, before = marks.layers(run.timeline, "time_s", size)
    means = {p["name"]: p["mean_replicas"] for p in run.summary["pools"]}
    listed = ", ".join(f"{number(means[name])} of {name}" for name in pools)
    return Figure(
        "Replicas",
        layered(*behind, lines(long, x, y, series="replicas", names=names), *before, crosshair(beside, x, tips)),
        f"Replicas along the run; paid for on average: {listed}.",
        "As an arriving request finds them, mean of each slice of the run; those that load or drain are paid for."
        + marks.note(),
        _table(run, pools),
        height=240,
    )


def _table(run: Run, pools: list[str]) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(
        [
            {"pool": p["name"], "replicas at most": str(p["replicas"]), "on average": number(p["mean_replicas"])}
            for p in run.summary["pools"]
            if p["name"] in pools
        ]
    )


def phase_is_seen(name: str, column: str, run: Run) -> bool:
    """Whether there ever is a replica in a phase; those that are up are always drawn."""
    most = run.timeline[column].max()
    return name.endswith(" up") or (isinstance(most, int) and most > 0)
