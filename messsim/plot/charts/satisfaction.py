"""Is the promise kept: satisfaction so far, and the certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from messsim.summary import Sla
from messsim.wording import percent, together

from ..digest import thinned
from ..figure import Figure, Run, library
from ..marks import NOTHING, Marks
from ..parts import crosshair, layered, lines, requests_axis, rows, timeline_table

if TYPE_CHECKING:
    import polars as pl

__all__ = ["satisfaction"]

CURVES = {"satisfaction_running": "satisfied so far", "certificate": "certificate"}
PROMISE = "promise_running"
BOUND = (
    "The certificate is the sample-path bound α − (Q − Q₀)/T, Q₀ what Q began with: the share of rated answers that "
    "satisfy cannot be lower, whatever the traffic does."
)
UNSETTLED = 0.02  # of the run: there the scale of the share need not fit


def satisfaction(run: Run, marks: Marks = NOTHING) -> Figure:
    """Satisfaction so far, its guaranteed lower bound, and the promise."""
    import polars as pl

    alt = library()
    sla = run.summary["sla"]
    wide = thinned(run.timeline).select("request", *CURVES, PROMISE)
    curves = {c: name for c, name in CURVES.items() if wide[c].is_not_null().any()}
    low, high = _domain(wide, sla["alpha"])
    x = requests_axis(run.summary["requests"]["arrived"])
    y = alt.Y(
        "share:Q", title="share of answers", scale=alt.Scale(domain=[low, high], nice=False), axis=alt.Axis(format="%")
    )
    named = wide.select("request", *[pl.col(c).alias(name) for c, name in curves.items()])
    long = named.unpivot(index="request", variable_name="curve", value_name="share").drop_nulls()
    tips = [alt.Tooltip("request:Q", format=",")]
    tips += [alt.Tooltip(f"{c}:Q", title=name, format=".2%") for c, name in curves.items()]
    behind, before = marks.layers(run.timeline, "request")
    several = len({t["alpha"] for t in run.summary["tenants"]}) > 1
    if several:
        tips.append(alt.Tooltip(f"{PROMISE}:Q", title="promised so far", format=".2%"))
    chart = layered(
        *behind,
        lines(long, x, y, series="curve", names=list(curves.values())),
        *_promise(wide, sla["alpha"], several, x, y),
        *before,
        crosshair(wide, x, tips),
    )
    return Figure(
        "Satisfaction and certificate",
        chart,
        _title(sla, len(run.summary["tenants"])),
        " ".join(
            [
                BOUND if sla["certificate"] is not None else f"There is no certificate: {_why_not(sla)}.",
                *(
                    ["Dashed: the mean promise of the answers so far, of tenants who are promised different shares."]
                    * several
                ),
            ]
        )
        + marks.note(),
        timeline_table(run.timeline, curves | ({PROMISE: "promised so far"} if several else {}), percent),
    )


def _promise(wide: pl.DataFrame, alpha: float, several: bool, x: Any, y: Any) -> list[Any]:
    """A line, level if everybody is promised the same, and what it says at its right end."""
    import polars as pl

    alt = library()
    line_here = f"promised {percent(alpha)}" + (" on average" if several else "")
    end = alt.Chart(rows(pl.DataFrame({"share": [alpha], "text": [line_here]})))
    label = end.mark_text(style="promise-label", align="right", baseline="top", dx=-4, dy=5, x={"expr": "width"})
    if several:
        so_far = alt.Chart(rows(wide.select("request", share=PROMISE).drop_nulls()))
        line = so_far.mark_line(style="promise", clip=True).encode(x=x, y=y)
    else:
        line = end.mark_rule(style="promise").encode(y=y)
    halo = end.mark_text(style="promise-halo", align="right", baseline="top", dx=-4, dy=5, x={"expr": "width"})
    return [line, halo.encode(y=y, text="text:N"), label.encode(y=y, text="text:N")]


def _domain(wide: pl.DataFrame, alpha: float) -> tuple[float, float]:
    """Room for the settled curves and the promise; the first steps of a mean of few answers may leave it."""
    settled = wide.tail(max(1, int(len(wide) * (1 - UNSETTLED))))
    ends = [settled[c].quantile(q) for c in (*CURVES, PROMISE) for q in (0.01, 1.0)]
    known = [alpha, *(e for e in ends if e is not None)]
    room = 0.15 * max(max(known) - min(known), 0.02)
    return max(0.0, min(known) - room), min(1.0, max(known) + room)


def _why_not(sla: Sla) -> str:
    return "raters err" if sla["rated"] else "no answer was rated"


def _title(sla: Sla, tenants: int) -> str:
    text = f"Running share of satisfying answers, {percent(sla['satisfaction'], 2)} at the end"
    since = sla["time_to_compliance"]
    when = "never for good" if since is None else f"for good from request {since:,} on"
    return f"{text}, against the promised {percent(sla['alpha'])}, which is kept {when}{together(tenants)}."
