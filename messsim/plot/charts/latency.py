"""How long answers took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from messsim.errors import OutputError
from messsim.summary import PERCENTILES, LatencyName, Percentile, Percentiles, Summary
from messsim.wording import seconds

from ..digest import LATENCIES, latency_bins, latency_by_time
from ..figure import Figure, Run, library
from ..marks import NOTHING, Marks
from ..parts import SQUARES, crosshair, folded, haloed, layered, lines, middles, rows, seconds_axis, time_axis

if TYPE_CHECKING:
    import polars as pl

__all__ = ["latency", "latency_in_time"]

AT_MOST_ALL = "datum.value > 1 ? '' : datum.label"  # above are only names
SHARES: dict[Percentile, str] = {"p50": "median", "p95": "95th percentile", "p99": "99th percentile"}
NAMES: dict[LatencyName, str] = {
    "ttft": "Time to first token (TTFT)",
    "tpot": "Time per output token (TPOT)",
    "e2e": "End-to-end latency",
    "queueing": "Queueing time",
}


def latency(run: Run, which: LatencyName = "ttft", marks: Marks = NOTHING) -> Figure:
    """The distribution of one latency, by model: ttft, tpot, e2e or queueing."""
    import polars as pl

    alt = library()
    if which not in NAMES:
        raise OutputError(f"latency {which!r}: expected one of {', '.join(NAMES)}")
    percentiles = _stated_percentiles(run, which)
    bins = latency_bins(run, which)
    zeros = int(bins.filter(pl.col("from_s").is_null())["count"].sum())
    bins, names = folded(bins.drop_nulls(), "model", [m["name"] for m in run.summary["models"]], "count",
                         {m["name"]: m["answered"] for m in run.summary["models"]})  # fmt: skip
    total = int(bins["count"].sum()) + zeros
    x = alt.X(
        "from_s:Q",
        title=None,
        scale=alt.Scale(type="log", nice=False),
        axis=seconds_axis(_least(bins["from_s"]), _most(bins["to_s"])),
    )
    color = alt.Color("model:N", title=None, scale=alt.Scale(domain=names), legend=SQUARES)
    stacked = _stacked(bins, names, total)
    headroom = alt.Scale(domain=[0, 1.3 * _most(stacked["high"])])  # for the names of the percentiles
    bars = (
        alt.Chart(rows(stacked))
        .mark_rect(strokeWidth=0)
        .encode(
            x=x,
            x2="to_s:Q",
            y=alt.Y(
                "low:Q", title="share of answers", scale=headroom, axis=alt.Axis(format="%", labelExpr=AT_MOST_ALL)
            ),
            y2="high:Q",
            color=color,
            tooltip=[
                alt.Tooltip("model:N"),
                alt.Tooltip("from:N"),
                alt.Tooltip("to:N"),
                alt.Tooltip("count:Q", title="answers", format=","),
            ],
        )
    )
    waited = f" {100 * zeros / total:.1f} % are below 1 µs and not drawn." if zeros else ""
    listed = ", ".join(f"{name} {seconds(percentiles[p])}" for p, name in SHARES.items())
    return Figure(
        NAMES[which],
        layered(bars, *_percentiles(percentiles)),
        f"{NAMES[which]} of {total:,} answers: mean {seconds(percentiles['mean'])}, {listed}.",
        f"Lines: median, 95th and 99th percentile.{waited}",
        _table(run.summary),
        height=220,
    )


def _stated_percentiles(run: Run, which: LatencyName) -> Percentiles:
    percentiles = run.summary["latency_s"][which]
    if percentiles["mean"] is None:
        raise OutputError("no answer of the run had a latency: there is nothing to draw")
    return percentiles


def _stacked(bins: pl.DataFrame, names: list[str], total: int) -> pl.DataFrame:
    """With the ends of each model's part of its bin, in shares of all answers."""
    import polars as pl

    order = pl.col("model").replace_strict(names, list(range(len(names))), return_dtype=pl.Int32)
    summed = bins.group_by("model", "from_s", "to_s").agg(pl.col("count").sum()).with_columns(order=order)
    high = pl.col("count").cum_sum().over("from_s", order_by="order") / total
    text = [pl.col(f"{e}_s").map_elements(seconds, return_dtype=pl.String).alias(e) for e in ("from", "to")]
    return summed.sort("from_s", "order").with_columns(high=high, low=high - pl.col("count") / total).with_columns(text)


def _least(column: pl.Series) -> float:
    least = column.min()
    return least if isinstance(least, float) else 1e-3


def _most(column: pl.Series) -> float:
    most = column.max()
    return most if isinstance(most, float) else 1.0


def _percentiles(percentiles: Percentiles) -> list[Any]:
    alt = library()
    rules: list[Any] = []
    names: list[Any] = []
    for line, share in enumerate(SHARES):
        if percentiles[share]:
            drawn = alt.Chart(
                alt.Data(values=[{"at": percentiles[share], "what": share, "told": seconds(percentiles[share])}])
            )
            tips = [alt.Tooltip("what:N", title="percentile"), alt.Tooltip("told:N", title="is")]
            # one below the other, so that no two touch
            rules.append(drawn.mark_rule(style="mark").encode(x="at:Q", tooltip=tips))
            names += haloed(drawn.encode(x="at:Q", text="what:N"), align="left", baseline="top", dx=3, y=12 * line)
    return [*rules, *names]


def _table(summary: Summary) -> pl.DataFrame:
    import polars as pl

    latencies = summary["latency_s"]
    return pl.DataFrame(
        [
            {"latency": name, "mean": seconds(latencies[key]["mean"])}
            | {p: seconds(latencies[key][p]) for p in PERCENTILES}
            for key, name in LATENCIES.items()
        ]
    )


def latency_in_time(run: Run, marks: Marks = NOTHING) -> Figure:
    """TTFT by when requests came."""
    import polars as pl

    alt = library()
    _stated_percentiles(run, "ttft")
    result = latency_by_time(run, "ttft", [0.5, 0.95])
    middle, unit, size = middles(result)
    curves = {"p50": "median", "p95": "95th percentile"}
    wide = result.with_columns(middle)
    wide = wide.with_columns(
        pl.col(c).map_elements(seconds, return_dtype=pl.String, skip_nulls=False).alias(f"{c} told") for c in curves
    )
    long = wide.select("time", *curves).rename(curves).unpivot(index="time", variable_name="curve", value_name="s")
    x = time_axis(unit)
    ticks = seconds_axis(0.7 * _least(result["p50"]), 1.4 * _most(result["p95"]))
    y = alt.Y("s:Q", title="TTFT", scale=alt.Scale(type="log", nice=False, padding=12), axis=ticks)
    tips = [alt.Tooltip("time:Q", title=unit, format=".4~g"), alt.Tooltip("answers:Q", format=",")]
    tips += [alt.Tooltip(f"{c} told:N", title=name) for c, name in curves.items()]
    behind, before = marks.layers(run.timeline, "time_s", size)
    worst = wide.filter(pl.col("p95") == pl.col("p95").max()).head(1)
    text = "" if worst.is_empty() else (
        f"; the 95th percentile is highest, {worst['p95 told'][0]}, at {worst['time'][0]:.3g} {unit}"
    )  # fmt: skip
    return Figure(
        "Time to first token along the run",
        layered(*behind, lines(long.drop_nulls(), x, y, series="curve", names=list(curves.values())), *before,
                crosshair(wide, x, tips)),
        f"Median and 95th percentile of the time to first token, by arrival{text}.",
        f"Each point is a slice of the run.{marks.note()}",
        height=220,
    )  # fmt: skip
