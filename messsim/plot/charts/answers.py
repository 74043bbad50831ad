"""Who answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from messsim.summary import Summary
from messsim.wording import per_request, percent

from ..digest import by_request
from ..figure import Figure, Run, library
from ..marks import NOTHING, Marks
from ..parts import SQUARES, crosshair, folded, layered, requests_axis, rows, side_by_side

if TYPE_CHECKING:
    import polars as pl

__all__ = ["answers"]


def answers(run: Run, marks: Marks = NOTHING) -> Figure:
    """Which model answered, along the run."""
    import polars as pl

    alt = library()
    models = run.summary["models"]
    counted, names = folded(by_request(run, "model"), "model", [m["name"] for m in models], "answered",
                            {m["name"]: m["answered"] for m in models})  # fmt: skip
    share = pl.col("answered") / pl.col("answered").sum().over("request")
    order = pl.col("model").replace_strict(names, list(range(len(names))), return_dtype=pl.Int32)
    long = counted.group_by("request", "model").agg(pl.col("answered").sum()).with_columns(share=share, order=order)
    x = requests_axis(run.summary["requests"]["arrived"])
    color = alt.Color("model:N", title=None, scale=alt.Scale(domain=names), legend=SQUARES)
    area = (
        alt.Chart(rows(_complete(long, names).sort("order", "request")))
        .mark_area()
        .encode(
            x=x,
            y=alt.Y("share:Q", title="share of answers", stack="zero", scale=alt.Scale(domain=[0, 1], nice=False)).axis(
                format="%", tickCount=5
            ),
            color=color,
            order="order:Q",
        )
    )
    wide, shares = side_by_side(long, "request", "model", "share", names, ".1%")
    wide = wide.fill_null(0.0)
    tips = [alt.Tooltip("request:Q", title="from request", format=","), *shares]
    behind, before = marks.layers(run.timeline, "request", filled=True)
    most = max(models, key=lambda m: m["share"] or 0.0)
    return Figure(
        "Who answered",
        layered(area, *behind, *before, crosshair(wide, x, tips)),
        f"Share of answers by model along the run; {most['name']} gave most, {percent(most['share'])}.",
        f"Stacked from the first model of the scenario up, in slices of the run.{marks.note(filled=True)}",
        _models(run.summary),
    )


def _complete(long: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """With a row for every model in every slice: an area needs its zeros."""
    import polars as pl

    grid = long.select("request").unique().join(long.select("model", "order").unique(), how="cross")
    assert set(long["model"]) <= set(names)
    return grid.join(long, on=["request", "model", "order"], how="left").with_columns(pl.col("share").fill_null(0.0))


def _models(summary: Summary) -> pl.DataFrame:
    import polars as pl

    unit = summary["cost"]["unit"]
    table = [
        {
            "model": m["name"],
            "answered": f"{m['answered']:,}",
            "share": percent(m["share"]),
            "satisfied": percent(m["satisfaction"]),
            "cost of an answer": per_request(m["cost_per_request"], unit),
            "utilisation": percent(m["utilization"]),
        }
        for m in summary["models"]
    ]
    frame = pl.DataFrame(table)
    return frame if summary["pools"] else frame.drop("utilisation")
