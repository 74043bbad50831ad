"""Whether each tenant got what was promised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from messsim.summary import TenantSummary
from messsim.wording import number, percent, seconds

from ..digest import by_request
from ..figure import Figure, Run, library
from ..marks import NOTHING, Marks
from ..parts import UNSIGNED_ZERO, crosshair, layered, lines, requests_axis, side_by_side

if TYPE_CHECKING:
    import polars as pl

__all__ = ["tenants"]


def tenants(run: Run, marks: Marks = NOTHING) -> Figure:
    """How far above or below their promise tenants are, along the run."""
    import polars as pl

    alt = library()
    summaries = run.summary["tenants"]
    alphas = {t["name"]: t["alpha"] for t in summaries}
    counted = by_request(run, "tenant")
    sums = [pl.col(c).cum_sum().over("tenant") for c in ("satisfied", "answered")]
    margin = pl.col("satisfied") / pl.col("answered") - pl.col("tenant").replace_strict(alphas, return_dtype=pl.Float64)
    ends = pl.col("request").shift(-1).over("tenant").fill_null(int(run.summary["requests"]["arrived"]))
    so_far = counted.with_columns(*sums).with_columns(margin=margin, request=ends)
    shown = sorted((t for t in summaries if t["margin"] is not None), key=lambda t: t["margin"] or 0.0)[:8]
    names = [t["name"] for t in summaries if t in shown]
    long = so_far.filter(pl.col("tenant").is_in(names))
    x = requests_axis(run.summary["requests"]["arrived"])
    wide, margins = side_by_side(long, "request", "tenant", "margin", names, "+.2%")
    tips = [alt.Tooltip("request:Q", title="until request", format=","), *margins]
    y = alt.Y("margin:Q", title="satisfied so far − promised", axis=alt.Axis(format="+%", labelExpr=UNSIGNED_ZERO))
    zero = alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(style="promise").encode(y="zero:Q")
    behind, before = marks.layers(run.timeline, "request")
    worst = shown[0] if shown else None
    least = "" if worst is None else f"; least for {worst['name']}, {100 * (worst['margin'] or 0.0):+.2f} points"
    few = "" if len(summaries) <= len(names) else f" The {len(names)} tenants with the least margin."
    return Figure(
        "Margin of each tenant",
        layered(*behind, zero, lines(long, x, y, series="tenant", names=names), *before,
                crosshair(wide, x, tips)),
        f"Satisfaction so far minus the promise, by tenant{least}.",
        f"Above the dashed line the promise is kept.{few}{marks.note()}",
        _tenants(summaries),
        height=240,
    )  # fmt: skip


def _tenants(summaries: list[TenantSummary]) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(
        [
            {
                "tenant": t["name"],
                "answered": f"{t['answered']:,}",
                "promised": percent(t["alpha"]),
                "satisfied": percent(t["satisfaction"], 2),
                "certificate": percent(t["certificate"], 2),
                "Q": number(t["queue_final"]),
                "TTFT p95": seconds(t["latency_s"]["ttft"]["p95"]),
            }
            for t in summaries
        ]
    )
