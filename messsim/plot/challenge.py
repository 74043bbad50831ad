"""What a challenge found, as charts: mean ranks, and under which conditions who kept the promise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .figure import Figure, library
from .parts import layered, rows

if TYPE_CHECKING:
    import polars as pl

__all__ = ["kept_chart", "ranks_chart"]

NAMES = 150  # pixels of the longest name beside a row


def ranks_chart(standings: pl.DataFrame) -> Figure:
    """Mean ranks with their intervals.

    Parameters
    ----------
    standings
        `policy`, `rank`, `low` and `high` (null with one replication), the best first.
    """
    import polars as pl

    alt = library()
    names = standings["policy"].to_list()
    most = max(2, len(names))
    y = alt.Y("policy:N", title=None, sort=None, scale=alt.Scale(domain=names), axis=_names())
    scale = alt.Scale(domain=[1, most], nice=False, padding=8)

    def x(column: str) -> Any:
        return alt.X(f"{column}:Q", title="mean rank, 1 is best", scale=scale, axis=alt.Axis(tickMinStep=1))

    # no rank lies beyond the first and the last, whatever Student's t says of few replications
    base = alt.Chart(rows(standings.with_columns(pl.col("low", "high").clip(1.0, float(most)))))
    tips = ["policy:N", alt.Tooltip("rank:Q", title="mean rank", format=".2f")]
    best = standings.row(0, named=True)
    return Figure(
        "Mean rank over all conditions",
        layered(
            base.mark_rule(style="whisker").encode(x=x("low"), x2="high:Q", y=y),
            base.mark_point(style="dot", filled=True, size=70).encode(x=x("rank"), y=y, tooltip=tips),
        ),
        f"Mean ranks of {len(names)} policies; the best is {best['policy']}, {best['rank']:.2f}.",
        "Dots: means over the conditions."
        + " Lines: 95 % intervals over the replications." * (best["high"] is not None),
        height=26 * len(names) + 20,
    )


def kept_chart(cells: pl.DataFrame, policies: list[str]) -> Figure:
    """A dot for each condition and policy, the fuller the more often the promise was kept.

    Parameters
    ----------
    cells
        `condition`, `policy`, `share` (of the replications in which it was kept) and `told`, the same in words.
    policies
        From above to below.
    """
    alt = library()
    conditions = cells["condition"].unique(maintain_order=True).to_list()
    x = alt.X("condition:N", title=None, sort=None, scale=alt.Scale(domain=conditions),
              axis=alt.Axis(labelAngle=-90, labelLimit=130, ticks=False, domain=False))  # fmt: skip
    y = alt.Y("policy:N", title=None, sort=None, scale=alt.Scale(domain=policies), axis=_names())
    fill = alt.FillOpacity("share:Q", scale=alt.Scale(domain=[0, 1], range=[0, 1]), legend=None)
    tips = ["policy:N", "condition:N", alt.Tooltip("told:N", title="promise kept")]
    base = alt.Chart(rows(cells)).encode(x=x, y=y)
    always = int((cells["share"] == 1.0).sum())
    return Figure(
        "Where is the promise kept?",
        layered(
            base.mark_point(style="whisker", filled=False, size=110),
            base.mark_point(style="dot", filled=True, size=110).encode(fillOpacity=fill, tooltip=tips),
        ),
        f"{always} of {len(cells)} pairs of a policy and a condition keep the promise in every replication.",
        "Full: in every replication; empty: in none; between: in some.",
        height=26 * len(policies) + 20,
    )


def _names() -> Any:
    return library().Axis(labelLimit=NAMES, ticks=False, domain=False, grid=True)
