"""What clusters cost, and what they give for it: one chart for each requirement of a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from messsim.wording import number

from .figure import Figure, library
from .parts import SECONDS, layered, rows, seconds_axis, tip_title

if TYPE_CHECKING:
    import polars as pl

__all__ = ["against_price"]

SHAPES = {"met": "circle", "uncertain": "diamond", "failed": "cross"}
SPREAD_OUT = 50.0  # times from least to most, where the axis is logarithmic
MOST_DRAWN = 1000


def against_price(clusters: pl.DataFrame, path: str, bound: float, unit: str, price: str, name: str = "") -> Figure:
    """The figure of a requirement, and its bound, along the price of each cluster.

    Parameters
    ----------
    clusters
        A row a cluster: `cluster` (in words), `objective`, `mean`, `low` and `high` of the figure, `verdict` on this
        requirement ("met", "uncertain" or "failed"), and whether it is the `answer`.
    path, bound
        The requirement's.
    unit, price
        The objective's, and what it is: "price", "energy of a run".
    name
        What the figure is called; none: its path.
    """
    import polars as pl

    alt, name = library(), name or path
    drawn = clusters.drop_nulls(["objective", "mean"]).head(MOST_DRAWN)
    drawn = drawn.with_columns(pl.col("mean").map_elements(number, return_dtype=pl.String).alias("told"))
    least, most = min([bound, *drawn["mean"]]), max([bound, *drawn["mean"]])
    wide = least > 0 and most / least > SPREAD_OUT  # clusters too small: orders of magnitude
    if not wide and least >= 0:
        drawn = drawn.with_columns(pl.col("low").clip(0.0))  # Student's interval does not know that none is below
    if wide:
        drawn = drawn.with_columns(pl.col("low").clip(least / 2))  # a logarithm's axis has no end below
    if path.startswith("latency_s.") and not wide:  # no time is below 0, nor is there room for it
        top = max([most, *drawn["high"].drop_nulls()])
        scale = alt.Scale(domain=[0.0, 1.06 * top], nice=False)
    else:
        scale = alt.Scale(padding=12, **({"type": "log", "nice": False} if wide else {"zero": False}))
    axis = _axis(path, least / 2 if wide else None, 2 * most)
    among = alt.Scale(zero=False, padding=20, nice=False)
    x = alt.X("objective:Q", title=f"{price}, {unit}", scale=among, axis=alt.Axis(tickCount=6, **_prefixed(unit)))

    def y(column: str) -> Any:
        return alt.Y(f"{column}:Q", title=name, scale=scale, axis=axis)

    tips = [
        alt.Tooltip("cluster:N"),
        alt.Tooltip("objective:Q", title=tip_title(unit)),
        alt.Tooltip("told:N", title=tip_title(name)),
    ]
    promise = alt.Chart(alt.Data(values=[{"bound": bound}])).mark_rule(style="promise").encode(y=y("bound"))
    whiskers = alt.Chart(rows(drawn.drop_nulls(["low", "high"]))).mark_rule(style="whisker", clip=True)
    layers = [promise, whiskers.encode(x=x, y=y("low"), y2="high:Q")]
    for verdict, shape in SHAPES.items():
        mine = alt.Chart(rows(drawn.filter(verdict=verdict)))
        dots = mine.mark_point(style=verdict, shape=shape, filled=True, size=80)
        layers.append(dots.encode(x=x, y=y("mean"), tooltip=tips))
    layers.append(_answer(drawn).encode(x=x, y=y("mean"), text=alt.value("the answer")))
    counts = ", ".join(f"{n:,} {v}" for v in SHAPES if (n := drawn.filter(verdict=v).height))
    return Figure(
        name[0].upper() + name[1:],
        layered(*layers) if len(drawn) else None,
        f"{name} of {len(drawn)} clusters along their {price}: {counts or 'none has it'}.",
        "Dashed: the bound. Green dots: clusters that meet it; red crosses: that miss it; amber diamonds: uncertain. "
        + ("Whiskers: 95 % intervals over the replications." if drawn["low"].count() else "Of one replication."),
        height=260,
    )


def _answer(drawn: pl.DataFrame) -> Any:
    """A name beside the answer, on the side that has room."""
    prices = drawn["objective"]
    middle = (prices.min() + prices.max()) / 2 if len(prices) else 0.0  # type: ignore[operator]
    is_right = (drawn.filter("answer")["objective"] > middle).any()
    side: dict[str, object] = {"align": "right", "dx": -8} if is_right else {"align": "left", "dx": 8}
    return library().Chart(rows(drawn.filter("answer"))).mark_text(style="value-label", dy=-14, **side)


def _prefixed(unit: str) -> dict[str, str]:
    """Large energies with a prefix, 350k; prices in full."""
    return {"format": "~s" if unit == "J" else ",.4~r"}


def _axis(path: str, least: float | None, most: float) -> Any:
    """Of a figure; `least`: where a logarithmic axis begins."""
    if path.endswith(("satisfaction", "attainment", ".share")):
        return library().Axis(format=".1%", tickCount=5)
    if not path.startswith("latency_s."):
        return library().Axis(tickCount=5, labelOverlap="greedy")
    return library().Axis(labelExpr=SECONDS, tickCount=5) if least is None else seconds_axis(least, most)
