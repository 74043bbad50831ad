"""Many replications of a scenario: bands of their curves, and how likely the promise is kept by when.

`curves` is the table of `messsim.study.converge.aligned.aligned`, `summary` what ``messsim converge --json`` prints.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from messsim.shapes.evidence import ConvergenceSummary, Quantile
from messsim.wording import number, per_request, percent, request_unit

from .digest import thinned
from .figure import Figure, library
from .parts import crosshair, layered, lines, log_requests_axis, requests_axis, rows

if TYPE_CHECKING:
    import polars as pl

__all__ = ["certified_gap", "charts_of", "cost_bands", "probability", "queue_bands", "satisfaction_bands"]

FEW = 20  # runs: with fewer, the 5 % quantile is next to the least
UNSETTLED = 0.02  # of the run: there the scale of the share need not fit
LABEL = 5  # the promise's label takes a fifth of the width,
CLOSE = 0.08  # and so much of the height
NAMES = {"satisfaction": "satisfied so far", "certificate": "certificate"}

Axis = Callable[[str], Any]  # the y axis of a column


def satisfaction_bands(curves: pl.DataFrame, summary: ConvergenceSummary) -> Figure:
    """Satisfaction so far, the certificate, and the promise."""
    import polars as pl

    alt = library()
    thin, alpha = thinned(curves), summary["alpha"]
    names = {c: n for c, n in NAMES.items() if thin[f"{c}_p50"].is_not_null().any()}
    scale = alt.Scale(domain=_domain(thin, list(names), alpha), nice=False)
    x = requests_axis(summary["requests"])

    def y(column: str) -> Any:
        return alt.Y(f"{column}:Q", title="share of answers", scale=scale, axis=alt.Axis(format="%"))

    medians = thin.select("request", *[pl.col(f"{c}_p50").alias(n) for c, n in names.items()])
    long = medians.unpivot(index="request", variable_name="curve", value_name="share").drop_nulls()
    below = _free_below(thin, list(names), alpha, scale.domain)
    promise = alt.Chart(
        rows(pl.DataFrame({"alpha": [alpha], "below": [below], "text": [f"promised {percent(alpha)}"]}))
    )
    place = {"align": "right", "baseline": "top", "dx": -4, "dy": 5, "x": {"expr": "width"}}
    halo, label = (promise.mark_text(style=f"promise-{style}", **place) for style in ("halo", "label"))
    chart = layered(
        *_bands(thin, "satisfaction", x, y),
        promise.mark_rule(style="promise").encode(y=y("alpha")),
        lines(long, x, y("share"), series="curve", names=list(names.values())),
        halo.encode(y=y("below"), text="text:N"),
        label.encode(y=y("below"), text="text:N"),
        crosshair(thin, x, _tips(names, ".2%")),
    )
    end, many = summary["end"]["satisfaction"], summary["replications"]
    note = "" if end is None else f"; in the middle run {percent(end['p50'], 2)} at the end"
    return Figure(
        "Satisfaction and certificate",
        chart,
        f"Share of satisfying answers so far in {many} runs against {percent(alpha)} promised{note}.",
        _how_to_read(summary),
        _table(curves, names, lambda v: percent(v, 2)),
    )


def _domain(thin: pl.DataFrame, columns: list[str], alpha: float) -> list[float]:
    """Room for the settled bands and the promise."""
    tail = thin.tail(max(1, int(len(thin) * (1 - UNSETTLED))))
    ends = [tail[f"{c}_{p}"].quantile(q) for c in columns for p, q in (("p05", 0.02), ("p95", 0.98))]
    known = [alpha, *(e for e in ends if e is not None)]
    room = 0.1 * max(max(known) - min(known), 0.02)
    return [max(0.0, min(known) - room), min(1.0, max(known) + room)]


def _free_below(thin: pl.DataFrame, columns: list[str], alpha: float, domain: Sequence[float]) -> float:
    """What the promise's label hangs from: the line, or a curve so close below it that it would cross the label."""
    end = thin.tail(max(1, len(thin) // LABEL))
    lows = [low for c in columns if (low := end[f"{c}_p50"].min()) is not None]
    near = alpha - CLOSE * (domain[1] - domain[0])
    return min([alpha, *(float(low) for low in lows if near < low < alpha)])  # type: ignore[arg-type, operator]


def probability(curves: pl.DataFrame, summary: ConvergenceSummary) -> Figure:
    """How likely satisfaction so far is below the promise at a request, and at that or any later one."""
    import polars as pl

    alt = library()
    thin = _from_one(thinned(curves)).with_columns(unsettled=1.0 - pl.col("settled"))
    names = {"below": "below the promise at this request", "unsettled": "at this or a later one"}
    x = log_requests_axis(_first(thin), summary["requests"])

    def y(column: str) -> Any:
        scale = alt.Scale(domain=[0, 1], nice=False)
        return alt.Y(f"{column}:Q", title="share of runs", scale=scale, axis=alt.Axis(format="%"))

    long = thin.select("request", *[pl.col(c).alias(n) for c, n in names.items()])
    long = long.unpivot(index="request", variable_name="curve", value_name="share").drop_nulls()
    known = rows(thin.select("request", "below_low", "below_high").drop_nulls())
    ends = {"below_low": "95 % interval from", "below_high": "to"}
    tips = [alt.Tooltip("request:Q", format=",")]
    tips += [alt.Tooltip(f"{c}:Q", title=n, format=".1%") for c, n in (names | ends).items()]
    chart = layered(
        alt.Chart(known).mark_area(style="band").encode(x=x, y=y("below_low"), y2="below_high:Q"),
        lines(long, x, y("share"), series="curve", names=list(names.values())),
        crosshair(thin, x, tips),
    )
    since = summary["time_to_compliance"]
    return Figure(
        "Probability of being below the promise",
        chart,
        f"Half of the runs keep the promise for good {_from(since['p50'])}, 95 % of them {_from(since['p95'])}; "
        f"{since['never']} of {summary['replications']} never do.",
        "Shaded: 95 % interval of the probability at one request (Clopper and Pearson). The other line is the share of "
        "runs that do not yet keep the promise for good: the distribution of the time to compliance.",
        _compliance(summary),
        height=260,
    )


def _from(request: float | None) -> str:
    return "never" if request is None else f"from request {request:,.0f} on"


def _compliance(summary: ConvergenceSummary) -> pl.DataFrame:
    import polars as pl

    since = summary["time_to_compliance"]
    shares: dict[Quantile, str] = {"p05": "5 %", "p25": "25 %", "p50": "50 %", "p75": "75 %", "p95": "95 %"}
    rows_here = [{"share of runs": s, "keep the promise for good": _from(since[p])} for p, s in shares.items()]
    return pl.DataFrame(rows_here)


def queue_bands(curves: pl.DataFrame, summary: ConvergenceSummary) -> Figure:
    """The virtual queue."""
    end = summary["end"]["queue"]
    middle, most = (None, None) if end is None else (end["p50"], end["p95"])
    described = f"Virtual queue Q: in the middle run {number(middle)} at the end, in 95 % at most {number(most)}."
    return _banded(curves, summary, "queue", ("Virtual queue", "answers owed"), described)


def cost_bands(curves: pl.DataFrame, summary: ConvergenceSummary) -> Figure:
    """Cost of an answer so far, without what idle replicas cost."""
    scale, unit = request_unit(summary["cost_unit"])
    end = summary["end"]["cost_per_request"]
    text = "" if end is None else f"; with idle replicas {per_request(end['mean'], unit)} on average at the end"
    curves = curves.with_columns(scale * curves[c] for c in curves.columns if c.startswith("cost_"))
    title = f"{unit} per answer" if scale == 1.0 else f"{unit} per 1,000 answers"
    return _banded(curves, summary, "cost", ("Cost of an answer so far", title), f"Cost of an answer so far{text}.")


def _banded(
    curves: pl.DataFrame, summary: ConvergenceSummary, name: str, titles: tuple[str, str], description: str
) -> Figure:
    alt = library()
    thin, x = thinned(curves), requests_axis(summary["requests"])

    def y(column: str) -> Any:
        return alt.Y(f"{column}:Q", title=titles[1])

    middle = rows(thin.select("request", f"{name}_p50").drop_nulls())
    median = alt.Chart(middle).mark_line(style="median").encode(x=x, y=y(f"{name}_p50"))
    chart = layered(*_bands(thin, name, x, y), median, crosshair(thin, x, _tips({name: "median"}, ".4~g")))
    return Figure(
        titles[0], chart, description, _how_to_read(summary), _table(curves, {name: titles[1]}, number), height=220
    )


def certified_gap(curves: pl.DataFrame, summary: ConvergenceSummary) -> Figure:
    """The distance of the certificate from the promise, beside the shapes that theory has for it."""
    import polars as pl

    alt = library()
    thin = _from_one(thinned(curves)).with_columns(gap=summary["alpha"] - pl.col("certificate_mean"))
    wide = thin.select("request", "gap").filter(pl.col("gap") > 0)
    start, end = (wide.row(0), wide.row(-1)) if len(wide) else ((1, 1.0), (1, 1.0))
    x = log_requests_axis(_first(wide), summary["requests"])
    least, most = (g if isinstance(g, float) else 1.0 for g in (wide["gap"].min(), wide["gap"].max()))
    powers = [10.0**k for k in range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)]

    def y(column: str) -> Any:
        scale = alt.Scale(type="log", nice=False, padding=6)
        return alt.Y(
            f"{column}:Q", title="promise − certificate", scale=scale, axis=alt.Axis(format="~g", values=powers)
        )

    ratio = pl.col("request") / start[0]
    shapes = [
        alt.Chart(rows(wide.with_columns(gap=start[1] * ratio**power).filter(pl.col("gap") >= end[1] / 3)))
        .mark_line(style="mark")
        .encode(x=x, y=y("gap"))
        for power in (-0.5, -1.0)
    ]
    tips = [alt.Tooltip("request:Q", format=","), alt.Tooltip("gap:Q", title="promise − certificate", format=".3~g")]
    curve = alt.Chart(rows(wide)).mark_line(style="median").encode(x=x, y=y("gap"))
    few = thinned(wide, 11)
    table = {"request": [f"{r:,}" for r in few["request"]], "promise − certificate": [number(g) for g in few["gap"]]}
    return Figure(
        "Certified gap",
        layered(*shapes, curve, crosshair(wide, x, tips)),
        f"Promise less certificate, mean over the runs: {number(end[1])} at request {end[0]:,}.",
        "Mean over the runs of (Q − Q₀)/T, Q₀ what Q began with; both axes logarithmic. Dotted: the shapes 1/√T and, "
        "steeper, 1/T; theory bounds the violation by the order of V/T + 1/√T.",
        pl.DataFrame(table),
        height=240,
    )


Draw = Callable[["pl.DataFrame", ConvergenceSummary], Figure]


def charts_of(curves: pl.DataFrame) -> dict[str, Draw]:
    """The charts by name, as far as there is anything to draw: there is no certificate where raters err."""
    charts: dict[str, Draw] = {
        "satisfaction": satisfaction_bands,
        "probability": probability,
        "queue": queue_bands,
        "cost": cost_bands,
    }
    certified = bool(curves["certificate_mean"].is_not_null().any())
    return charts | ({"gap": certified_gap} if certified else {})


def _bands(thin: pl.DataFrame, name: str, x: Any, y: Axis) -> list[Any]:
    """Between the 5 and 95 % quantiles of the runs, and between the quarters."""
    alt = library()
    drawn = []
    for low, high in (("p05", "p95"), ("p25", "p75")):
        ends = f"{name}_{low}", f"{name}_{high}"
        area = alt.Chart(rows(thin.select("request", *ends).drop_nulls())).mark_area(style="band", clip=True)
        drawn.append(area.encode(x=x, y=y(ends[0]), y2=f"{ends[1]}:Q"))
    return drawn


def _tips(names: dict[str, str], form: str) -> list[Any]:
    alt = library()
    tips = [alt.Tooltip("request:Q", format=","), alt.Tooltip("runs:Q")]
    for column, name in names.items():
        tips += [
            alt.Tooltip(f"{column}_p50:Q", title=name, format=form),
            alt.Tooltip(f"{column}_p05:Q", title="5 % of runs below", format=form),
            alt.Tooltip(f"{column}_p95:Q", title="95 % of runs below", format=form),
        ]
    return tips


def _from_one(thin: pl.DataFrame) -> pl.DataFrame:
    """Without request 0, which a logarithmic axis has no place for."""
    return thin.filter(thin["request"] > 0)


def _first(thin: pl.DataFrame) -> int:
    return int(thin["request"][0]) if len(thin) else 1


def _how_to_read(summary: ConvergenceSummary) -> str:
    few = " With so few runs, the outer band is little less than all of them." if summary["replications"] < FEW else ""
    return f"Line: the median of the runs. Bands: half of them, and 90 %, at each request by itself.{few}"


def _table(curves: pl.DataFrame, names: dict[str, str], as_text: Callable[[Any], str]) -> pl.DataFrame:
    """A dozen requests, with the quantiles of each curve."""
    import polars as pl

    few = thinned(curves, 11)
    cells = {"request": [f"{r:,}" for r in few["request"]]}
    for column, name in names.items():
        for quantile, word in (("p05", "5 %"), ("p50", "median"), ("p95", "95 %")):
            cells[f"{name}, {word}"] = [as_text(v) for v in few[f"{column}_{quantile}"]]
    return pl.DataFrame(cells)
