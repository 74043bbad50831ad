"""Points of a study, or policies, beside one another.

`points` is the table of `messsim.study.groups.grouped.Grouped`: a row a point, with ``NAME_mean``, ``NAME_low`` and
``NAME_high``, and ``NAME_each``, the values of its runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from messsim.wording import number, percent, plain, seconds

from .figure import Figure, library
from .parts import MOST_LETTERS, SECONDS, SQUARES, UNSIGNED_ZERO, distinct, folded, layered, rows, shortened, tip_title

if TYPE_CHECKING:
    import polars as pl

__all__ = ["AXES", "BETWEEN", "along", "forest", "in_words", "possible", "shares"]

MOST_NAMED = 40  # points that are told by name
MOST_DRAWN = 1000
MOST_SERIES = 8
EVERY_SERIES = "all"
SHARE = "share "
BETWEEN = ", "  # the keys of a point

AXES: dict[str, tuple[str, str, Callable[[float | None], str]]] = {  # title, format, in words
    "satisfaction": ("share of answers that satisfy", "%", lambda v: percent(v, 2)),
    "margin": ("margin to the promise", "+%", lambda v: "-" if v is None else f"{100 * v:+.2f} points"),
    "cost": ("cost of an answer", ",~r", number),
    "ttft_p95": ("TTFT, 95th percentile", "", seconds),
    "e2e_p95": ("end to end, 95th percentile", "", seconds),
}


def possible(points: pl.DataFrame, name: str) -> pl.DataFrame:
    """Points whose intervals hold what there can be: no time or cost below 0, no share beyond 0 and 1.

    Student's interval of a few replications does not know that.
    """
    import polars as pl

    if name == "margin":
        return points
    most = 1.0 if name == "satisfaction" else None
    return points.with_columns(pl.col(f"{name}_{end}").clip(0.0, most) for end in ("low", "high"))


def in_words(name: str) -> pl.Expr:
    """Mean and interval as text."""
    import polars as pl

    as_text = AXES[name][2]

    def row(values: dict[str, float | None]) -> str:
        mean, low, high = (values[f"{name}_{p}"] for p in ("mean", "low", "high"))
        return as_text(mean) if low is None else f"{as_text(mean)} ({as_text(low)} to {as_text(high)})"

    return pl.struct(f"{name}_{p}" for p in ("mean", "low", "high")).map_elements(row, return_dtype=pl.String)


def forest(points: pl.DataFrame, name: str, unit: str = "") -> Figure:
    """One figure of every point with its interval, one below the other; of a single one, every run too."""
    import polars as pl

    alt = library()
    title, form, _ = AXES[name]
    title = f"{title}, {unit}" if unit else title
    drawn = possible(points, name).drop_nulls(f"{name}_mean").head(MOST_NAMED)
    sure = drawn[f"{name}_low"].is_not_null().any()
    each = len(points) == 1 and sure
    one = drawn.select("point", pl.col(f"{name}_each").alias("one")).explode("one") if each else None
    drawn = drawn.select("point", *(f"{name}_{p}" for p in ("mean", "low", "high")), in_words(name).alias("told"))
    order = drawn["point"].to_list()
    axis = alt.Axis(labelExpr=SECONDS, tickCount=5) if not form else alt.Axis(format=form, tickCount=5)
    if name == "margin":
        axis = alt.Axis(format=form, tickCount=5, labelExpr=UNSIGNED_ZERO)

    def x(column: str) -> Any:
        return alt.X(
            f"{column}:Q",
            title=title,
            scale=_from_zero(drawn, name, one) or alt.Scale(zero=False, padding=12),
            axis=axis,
        )

    y = alt.Y("point:N", title=None, sort=None, scale=alt.Scale(domain=order), axis=_named(order, grid=True))
    base, whiskers = alt.Chart(rows(drawn)), alt.Chart(rows(drawn.drop_nulls(f"{name}_low")))
    layers = [
        whiskers.mark_rule(style="whisker").encode(x=x(f"{name}_low"), x2=f"{name}_high:Q", y=y),
        base.mark_point(style="dot", filled=True, size=70).encode(
            x=x(f"{name}_mean"), y=y, tooltip=["point:N", alt.Tooltip("told:N", title=tip_title(title))]
        ),
    ]
    if one is not None:
        layers.append(alt.Chart(rows(one.head(MOST_DRAWN))).mark_tick(style="whisker", size=24).encode(x=x("one"), y=y))
    if name == "margin":
        layers.insert(0, alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(style="promise").encode(x=x("zero")))
    left = len(points) - len(drawn)
    note = "Dots: means over the replications, with their 95 % intervals." if sure else "Dots: of one replication."
    note += "" if one is None else " Strokes: one replication each."
    note += (
        " Right of the dashed line the promise is kept, to the tenant with the least margin too."
        if name == "margin"
        else ""
    )
    return Figure(
        title[0].upper() + title[1:],
        layered(*layers),
        f"{title[0].upper()}{title[1:]}, of {len(drawn)} points: {_extremes(drawn)}.",
        note + (f" The first {len(drawn)} of {len(points)} points." if left else ""),
        height=_height(order),
    )


def _from_zero(drawn: pl.DataFrame, name: str, runs: pl.DataFrame | None = None) -> Any:
    """The scale of a cost or a time, whose axis begins at 0; None for shares."""
    if name in ("satisfaction", "margin"):
        return None
    ends = [v for part in ("mean", "high") for v in drawn[f"{name}_{part}"].drop_nulls()]
    ends += [] if runs is None else runs["one"].drop_nulls().to_list()
    return library().Scale(domain=[0.0, 1.05 * max(ends, default=0.0) or 1.0], nice=False)


def _named(names: Sequence[str], **options: Any) -> Any:
    """An axis of points; a point of several keys has a line for each."""
    several = any(BETWEEN in name for name in names)
    lines = f"split(datum.label, '{BETWEEN}')" if several else shortened(MOST_LETTERS)
    return library().Axis(labelExpr=lines, labelLimit=190, ticks=False, domain=False, **options)


def _height(names: Sequence[str]) -> int:
    lines = max((name.count(BETWEEN) + 1 for name in names), default=1)
    return (14 + 12 * lines) * max(2, len(names)) + 20


def _extremes(drawn: pl.DataFrame) -> str:
    if drawn.is_empty():
        return "none has it"
    column = drawn.columns[1]
    least, most = drawn.sort(column).row(0, named=True), drawn.sort(column).row(-1, named=True)
    return f"least {least['told']} for {least['point']}, most {most['told']} for {most['point']}"


def along(points: pl.DataFrame, keys: Sequence[str], key: str, name: str, unit: str = "") -> Figure:
    """One figure along the values of a numeric key; a line for each setting of the other keys, if they are few."""
    import polars as pl

    alt = library()
    title, form, _ = AXES[name]
    title = f"{title}, {unit}" if unit else title
    others = [
        pl.format("{} = {}", pl.lit(k), pl.col(k).map_elements(plain, return_dtype=pl.String)) for k in keys if k != key
    ]
    series = pl.concat_str(others, separator=", ") if others else pl.lit(EVERY_SERIES)
    columns = [f"{name}_{p}" for p in ("mean", "low", "high")]
    drawn = possible(points, name).drop_nulls([key, columns[0]]).head(MOST_DRAWN)
    shown = pl.col("alpha") if "alpha" in points.columns else pl.lit(None, pl.Float64).alias("alpha")
    drawn = drawn.select(
        pl.col(key).alias("value"), series.alias("series"), *columns, in_words(name).alias("told"), shown
    )
    names = drawn["series"].unique(maintain_order=True).to_list()
    lines = len(names) <= MOST_SERIES
    values = drawn["value"].cast(pl.Float64)
    wide = bool(len(values)) and values.min() > 0 and values.max() / values.min() > 50  # type: ignore[operator]
    axis = alt.Axis(labelExpr=SECONDS, tickCount=5) if not form else alt.Axis(format=form, tickCount=5)
    kind = {"type": "log"} if wide else {"zero": False}
    scale = alt.Scale(padding=12, nice=False, **kind)
    x = alt.X("value:Q", title=key, scale=scale, axis=alt.Axis(format="~g", tickCount=5))

    def y(column: str) -> Any:
        return alt.Y(
            f"{column}:Q", title=title, scale=_from_zero(drawn, name) or alt.Scale(zero=False, padding=8), axis=axis
        )

    sure = bool(drawn[columns[1]].is_not_null().any())
    apart = distinct("series", names) if lines and others else {}
    color = apart.get("color", alt.Undefined)
    base = alt.Chart(rows(drawn))
    tips = [
        alt.Tooltip("value:Q", title=tip_title(key), format="~g"),
        "series:N",
        alt.Tooltip("told:N", title=tip_title(title)),
    ]
    dots = base.mark_point(style="dot", filled=True, size=50).encode(x=x, y=y(columns[0]), color=color, tooltip=tips)
    whiskers = base.mark_rule(style="whisker").encode(x=x, y=y(columns[1]), y2=f"{columns[2]}:Q", color=color)
    curves = base.mark_line(style="median").encode(x=x, y=y(columns[0]), **apart) if lines else None
    promised = drawn.drop_nulls("alpha").select("value", "series", "alpha") if name == "satisfaction" else drawn.clear()
    promise = alt.Chart(rows(promised)).mark_line(style="promise").encode(x=x, y=y("alpha"), detail="series:N")
    return Figure(
        f"{title[0].upper()}{title[1:]} along {key}",
        layered(promise, whiskers, curves, dots),
        f"{title[0].upper()}{title[1:]} at {drawn['value'].n_unique()} values of {key}.",
        ("Means over the replications with their 95 % intervals" if sure else "Of one replication")
        + (", dashed: what is promised" if len(promised) else "")
        + ("." if lines else "; the other keys, of too many settings for colours, by pointing."),
        height=240,
    )


def shares(points: pl.DataFrame, models: Sequence[str]) -> Figure:
    """Who answered, for every point."""
    import polars as pl

    alt = library()
    drawn = points.head(MOST_NAMED)
    order = drawn["point"].to_list()
    columns = {f"{SHARE}{m}_mean": m for m in models if f"{SHARE}{m}_mean" in drawn.columns}
    long = drawn.select("point", *columns).unpivot(index="point", variable_name="column", value_name="share")
    long = long.drop_nulls().with_columns(model=pl.col("column").replace_strict(columns, return_dtype=pl.String))
    few, names = folded(long.select("point", "model", "share"), "model", list(columns.values()), "share")
    few = few.group_by("point", "model", maintain_order=True).agg(pl.col("share").sum())
    place = pl.col("model").replace_strict(names, list(range(len(names))), return_dtype=pl.Int32)
    bars = (
        alt.Chart(rows(few.with_columns(place=place)))
        .mark_bar(height={"band": 0.7})
        .encode(
            x=alt.X("share:Q", title="share of answers", stack="zero", scale=alt.Scale(domain=[0, 1], nice=False)).axis(
                format="%", tickCount=5
            ),
            y=alt.Y("point:N", title=None, sort=None, scale=alt.Scale(domain=order), axis=_named(order)),
            color=alt.Color("model:N", title=None, scale=alt.Scale(domain=names), legend=SQUARES),
            order="place:Q",
            tooltip=["point:N", "model:N", alt.Tooltip("share:Q", format=".1%")],
        )
    )
    return Figure(
        "Who answered",
        layered(bars),
        f"Share of answers by model, for {len(drawn)} points.",
        "Means over the replications.",
        height=_height(order),
    )
