"""Pieces that several charts are made of."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .digest import thinned
from .figure import library
from .signs import with_signs

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "LINES",
    "MOST_LETTERS",
    "MOST_SERIES",
    "SQUARES",
    "TONES",
    "UNSIGNED_ZERO",
    "WHOLE",
    "crosshair",
    "distinct",
    "folded",
    "haloed",
    "layered",
    "lines",
    "log_requests_axis",
    "middles",
    "requests_axis",
    "rows",
    "seconds_axis",
    "shortened",
    "side_by_side",
    "time_axis",
    "time_unit",
    "timeline_table",
    "tip_title",
]

MOST_SERIES = 8
MOST_LETTERS = 34  # of a name in a legend
OTHERS = "others"
TONES = "ordinal"  # the range of greys in the theme
DASHES = [[1, 0], [8, 3], [4, 3], [2, 2]]
TICKS = {"expr": "width / 90"}
WHOLE = "datum.value < 1e6 ? format(datum.value, ',') : format(datum.value / 1e6, '~r') + ' M'"
REQUESTS = f"datum.value % 1 ? '' : {WHOLE}"
UNSIGNED_ZERO = "abs(datum.value) < 1e-9 ? '0%' : datum.label"  # of an axis whose other labels have signs
SECONDS = (
    "datum.value == 0 ? '0 s' : abs(datum.value) < 0.000999 ? format(datum.value * 1e6, '~r') + ' µs' : "
    "abs(datum.value) < 0.999 ? format(datum.value * 1e3, '~r') + ' ms' : format(datum.value, '~r') + ' s'"
)


def shortened(most: int) -> str:
    """What Vega-Lite makes of a label of more letters: its ends, for names are often alike in the beginning."""
    first = most // 3
    ends = f"slice(datum.label, 0, {first}) + '…' + slice(datum.label, -{most - first - 1})"
    return f"length(datum.label) > {most} ? {ends} : datum.label"


LINES = {"labelExpr": shortened(MOST_LETTERS)}  # in a legend
SQUARES = LINES | {"symbolType": "square"}  # of areas and bars


def time_unit(last_s: float) -> tuple[str, float]:
    """The unit that a run's time is best told in, and its seconds."""
    for unit, size in (("days", 86_400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if last_s >= 2 * size:
            return unit, size
    return "seconds", 1.0


def middles(frame: pl.DataFrame) -> tuple[pl.Expr, str, float]:
    """The middle of each slice `from_s` to `to_s` as `time`, in a unit that fits; that unit, and its seconds."""
    import polars as pl

    last_s = frame["to_s"].max()
    unit, size = time_unit(last_s if isinstance(last_s, float) else 0.0)
    return ((pl.col("from_s") + pl.col("to_s")) / 2 / size).alias("time"), unit, size


def rows(frame: pl.DataFrame) -> Any:
    """A frame as inline data, floats in six digits."""
    import polars as pl

    floats = pl.selectors.float()
    return library().Data(values=frame.with_columns(floats.round_sig_figs(6)).to_dicts())


def requests_axis(arrived: int) -> Any:
    """Request numbers along the bottom."""
    alt = library()
    scale = alt.Scale(domain=[0, max(1, arrived - 1)], nice=False)
    return alt.X("request:Q", title="request", scale=scale, axis=alt.Axis(labelExpr=REQUESTS, tickCount=TICKS))


def log_requests_axis(least: int, most: int) -> Any:
    """Request numbers above 0 on a logarithmic axis."""
    alt = library()
    least, most = max(1, least), max(2, least + 1, most)
    scale = alt.Scale(type="log", domain=[least, most], nice=False)
    axis = alt.Axis(labelExpr=WHOLE, values=_round_numbers(least, most), labelOverlap="greedy", labelSeparation=8)
    return alt.X("request:Q", title="request", scale=scale, axis=axis)


def _round_numbers(least: float, most: float) -> list[float]:
    """1, 2 and 5 times powers of ten."""
    decades = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    values = [float(f"{10.0**k * digit:.1g}") for k in decades for digit in (1, 2, 5)]
    return [v for v in values if least <= v <= most]


def time_axis(unit: str) -> Any:
    """Time along the bottom."""
    alt = library()
    return alt.X("time:Q", title=unit, scale=alt.Scale(nice=False), axis=alt.Axis(tickCount=TICKS))


def seconds_axis(least: float, most: float, **options: Any) -> Any:
    """Seconds on a logarithmic axis that has the labels 1, 2 and 5, or fewer where they would touch."""
    values = _round_numbers(least, most)
    return library().Axis(labelExpr=SECONDS, values=values, labelOverlap="greedy", labelSeparation=8, **options)


def lines(
    long: pl.DataFrame, x: Any, y: Any, *, series: str, names: list[str], models: bool = False, **mark: Any
) -> Any:
    """One line for each name in their order: in the colours of models, or in greys, dashed where they are many."""
    points = len(long) <= len(names)  # a line of one is not seen
    drawn = library().Chart(rows(long)).mark_line(clip=not points, point=points, **mark)
    return drawn.encode(x=x, y=y, **distinct(series, names, models=models))


def distinct(series: str, names: list[str], *, models: bool = False) -> dict[str, object]:
    """The channels that tell lines apart: colours are for models alone."""
    alt = library()
    if models:
        return {"color": alt.Color(f"{series}:N", title=None, scale=alt.Scale(domain=names), legend=LINES)}
    color = alt.Color(f"{series}:N", title=None, scale=alt.Scale(domain=names, range=TONES), legend=LINES)
    if len(names) <= 2:
        return {"color": color}
    dashes = alt.Scale(domain=names, range=[DASHES[k // 2 % len(DASHES)] for k in range(len(names))])
    return {"color": color, "strokeDash": alt.StrokeDash(f"{series}:N", title=None, scale=dashes, legend=LINES)}


def crosshair(wide: pl.DataFrame, x: Any, tooltips: list[Any]) -> Any:
    """A line under the pointer that tells all values there."""
    alt = library()
    names = {str(part.shorthand).rpartition(":")[0] for part in (x, *tooltips)}
    near = alt.selection_point(
        name="pointer", on="pointerover", nearest=True, clear="pointerout", encodings=["x"], empty=False
    )
    return (
        alt.Chart(rows(wide.select(c for c in wide.columns if c in names)))
        .mark_rule(style="crosshair")
        .encode(x=x, opacity=alt.condition(near, alt.value(0.7), alt.value(0)), tooltip=tooltips)
        .add_params(near)
    )


def side_by_side(long: pl.DataFrame, x: str, series: str, value: str, names: list[str], form: str) -> Any:
    """A frame with a column for each name, and the tooltips that tell them.

    Columns are numbered, not named: a name may have dots and brackets, which mean something to Vega-Lite.
    """
    import polars as pl

    numbers = {name: f"series {k}" for k, name in enumerate(names)}
    numbered = long.with_columns(pl.col(series).replace_strict(numbers, return_dtype=pl.String))
    pivoted = numbered.pivot(series, index=x, values=value).sort(x)
    there = {name: number for name, number in numbers.items() if number in pivoted.columns}
    tips = [library().Tooltip(f"{number}:Q", title=tip_title(name), format=form) for name, number in there.items()]
    return pivoted.select(x, *there.values()), tips


def tip_title(text: str) -> str:
    r"""Somebody's own words as the title of a tooltip.

    Vega-Lite puts it between quotation marks of an expression and escapes nothing but these: a backslash would begin an
    escape, a line end would end the expression. What that expression gives is put into the picture.
    """
    return json.dumps(with_signs(text))[1:-1].replace('\\"', '"')


def haloed(chart: Any, **mark: Any) -> list[Any]:
    """Labels that can be read across lines and areas: what keeps these off, then the words."""
    return [chart.mark_text(style=style, **mark) for style in ("mark-halo", "mark-label")]


def layered(*layers: Any) -> Any:
    """One chart; layers without data are left out, and where none is left there is no chart."""
    there = [layer for layer in layers if layer is not None and layer.data.values != []]
    return library().layer(*there) if there else None


def folded(
    frame: pl.DataFrame, column: str, order: list[str], weight: str, weights: Mapping[str, float] | None = None
) -> tuple[pl.DataFrame, list[str]]:
    """At most eight names, the weightiest in their given order; the rest become ``others``.

    Rows keep their values: sum over what is now the same name. `weights` are used in place of the sums of `weight`, so
    that several charts have the same names in the same colours.
    """
    import polars as pl

    if len(order) <= MOST_SERIES:
        return frame, order
    weights = weights or dict(frame.group_by(column).agg(pl.col(weight).sum()).iter_rows())
    kept = sorted(order, key=lambda n: -(weights.get(n) or 0))[: MOST_SERIES - 1]
    name = pl.when(pl.col(column).is_in(kept)).then(pl.col(column)).otherwise(pl.lit(OTHERS)).alias(column)
    return frame.with_columns(name), [*(n for n in order if n in kept), OTHERS]


def timeline_table(timeline: pl.DataFrame, columns: dict[str, str], shown: Any) -> pl.DataFrame:
    """A dozen rows of the timeline, columns by name, each value as `shown` writes it."""
    import polars as pl

    few = thinned(timeline, 11)
    figures = {name: [shown(value) for value in few[column]] for column, name in columns.items()}
    return pl.DataFrame({"request": [f"{r:,}" for r in few["request"]]} | figures)
