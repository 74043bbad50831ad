"""Replicas of pools that change their size: those that are up, load and drain, along the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from messsim.errors import OutputError
from messsim.wording import number

from ..digest import sliced
from ..figure import Figure, Run, library
from ..marks import NOTHING, Marks
from ..parts import LINES, TONES, crosshair, folded, layered, middles, rows, side_by_side, time_axis
from ..pools import are_models

if TYPE_CHECKING:
    import polars as pl

__all__ = ["PREFIX", "changes_size", "replicas"]

PREFIX = "replicas_"
MOST_TICKS = 5
PHASES = ("up", "loading", "draining")
DASHES = ([1, 0], [5, 3], [7, 2, 1, 2])  # of the phases: a colour is a pool's


def changes_size(run: Run) -> list[str]:
    """The pools whose replicas come and go."""
    return [p["name"] for p in run.summary["pools"] if f"{PREFIX}up_{p['name']}" in run.timeline.columns]


def replicas(run: Run, marks: Marks = NOTHING) -> Figure:
    """Replicas up, loading and draining, of pools that change their size."""
    import polars as pl

    alt = library()
    pools = changes_size(run)
    if not pools:
        raise OutputError("no pool of the run changes its size (autoscale): there are no replicas to draw")
    frame = sliced(run)
    middle, unit, size = middles(frame)
    drawn = [
        (name, phase, column)
        for name in pools
        for phase in PHASES
        if phase_is_seen(phase, column := f"{PREFIX}{phase}_{name}", run)
    ]
    parts = [
        frame.select(middle, pl.lit(name).alias("pool"), pl.lit(phase).alias("phase"), pl.col(column).alias("value"))
        for name, phase, column in drawn
    ]
    long, names = folded(pl.concat(parts).drop_nulls(), "pool", pools, "value")
    long = long.group_by("time", "pool", "phase").agg(pl.col("value").cast(pl.Float64).sum())
    long = long.with_columns(pl.format("{} {}", "pool", "phase").alias("replicas")).sort("time", "replicas")
    x = time_axis(unit)
    most = int(long["value"].max() or 1)  # type: ignore[arg-type]
    whole = list(range(0, most + 1, -(-most // MOST_TICKS)))
    y = alt.Y("value:Q", title="replicas", axis=alt.Axis(values=whole, format="d"))
    every = [f"{name} {phase}" for name in names for phase in PHASES]
    every = [name for name in every if name in set(long["replicas"])]
    beside, values = side_by_side(long, "time", "replicas", "value", every, ".1f")
    tips = [alt.Tooltip("time:Q", title=unit, format=".4~g"), *values]
    behind, before = marks.layers(run.timeline, "time_s", size)
    curves = (
        alt.Chart(rows(long))
        .mark_line(clip=True)
        .encode(
            x=x,
            y=y,
            color=alt.Color("pool:N", title=None, scale=_colours(run, names), legend=LINES),
            strokeDash=_dashes([phase for phase in PHASES if phase in set(long["phase"])]),
        )
    )
    means = {p["name"]: p["mean_replicas"] for p in run.summary["pools"]}
    listed = ", ".join(f"{number(means[name])} of {name}" for name in pools)
    return Figure(
        "Replicas",
        layered(*behind, curves, *before, crosshair(beside, x, tips)),
        f"Replicas along the run; paid for on average: {listed}.",
        "Solid: up; dashed: loading; dash and dot: draining. As an arriving request finds them, mean of each slice of "
        "the run; those that load or drain are paid for." + marks.note(),
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


def _dashes(phases: list[str]) -> Any:
    """Of the phases that there are; where replicas are only up, nothing has to be told apart."""
    alt = library()
    scale = alt.Scale(domain=phases, range=[DASHES[PHASES.index(phase)] for phase in phases])
    legend = alt.Legend(symbolType="stroke") if len(phases) > 1 else None
    return alt.StrokeDash("phase:N", title=None, scale=scale, legend=legend)


def _colours(run: Run, names: list[str]) -> Any:
    """Those of the models where pools are named as they are, as in the other charts of load."""
    alt = library()
    every = [m["name"] for m in run.summary["models"]]
    if are_models(run, [p["name"] for p in run.summary["pools"]]) and set(names) <= set(every):
        return alt.Scale(domain=every)
    return alt.Scale(domain=names, range=TONES)


def phase_is_seen(phase: str, column: str, run: Run) -> bool:
    """Whether there ever is a replica in a phase; those that are up are always drawn."""
    most = run.timeline[column].max()
    return phase == "up" or (isinstance(most, int) and most > 0)
