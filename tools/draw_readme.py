"""Draws the picture on the README's first screen: the promise kept, and what that costs with and without a router."""

import argparse
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl

import messsim
from messsim.plot.theme import LIGHT
from messsim.study.simulation.without_router import without_router
from messsim.summary import Summary
from messsim.wording import percent, seconds

ROOT = Path(__file__).parent.parent
PROMISE, TONES = LIGHT["style"]["promise"]["color"], LIGHT["range"]["ordinal"]
WIDTH = 420


def _curves(timeline: pl.DataFrame, alpha: float) -> Any:
    names = {"satisfaction_running": "satisfied so far", "certificate": "guaranteed so far"}
    long = (
        timeline.filter(pl.col("request") >= 20)
        .select("request", *[pl.col(k).alias(v) for k, v in names.items()])
        .unpivot(index="request", variable_name="curve", value_name="share")
        .drop_nulls()
    )
    x = alt.X("request:Q", title=None, axis=alt.Axis(labels=False))
    legend = alt.Legend(orient="none", legendX=WIDTH - 130, legendY=120)
    lines = (
        alt.Chart(long)
        .mark_line(clip=True)
        .encode(
            x=x,
            y=alt.Y("share:Q", title="share of answers", scale=alt.Scale(domain=[0.5, 0.7])).axis(format="%"),
            color=alt.Color(
                "curve:N", title=None, legend=legend, scale=alt.Scale(domain=list(names.values()), range=TONES[:2])
            ),
        )
    )
    promise = (
        alt.Chart(pl.DataFrame({"alpha": [alpha]})).mark_rule(color=PROMISE, strokeDash=[6, 4]).encode(y="alpha:Q")
    )
    label = (
        alt.Chart(pl.DataFrame({"alpha": [alpha], "text": [f"promised {percent(alpha)}"]}))
        .mark_text(align="right", dx=-6, dy=-12, color=PROMISE, fontWeight="bold", x="width")
        .encode(y="alpha:Q", text="text:N")
    )
    return alt.layer(lines, promise, label).properties(
        width=WIDTH, height=190, title=alt.Title("The promise is kept", anchor="start")
    )


def _queue(timeline: pl.DataFrame) -> Any:
    return (
        alt.Chart(timeline)
        .mark_area(color=TONES[1], opacity=0.6)
        .encode(x=alt.X("request:Q", title="request"), y=alt.Y("queue:Q", title="answers owed"))
        .properties(width=WIDTH, height=70)
    )


def _costs(summary: Summary) -> Any:
    """What a request costs: with the router, and by the choices made beforehand on the same requests and GPUs."""
    beforehand = summary["cost"]["without_router"]
    choices = [("MESS+", summary["cost"]["per_request"] or 0.0, summary["latency_s"]["e2e"]["p95"])]
    for name, choice in (
        ("best fixed mix", beforehand["static_mix"]),
        ("best single model", beforehand["best_single"]),
    ):
        if choice is not None:
            choices.append((name, choice["per_request"] or 0.0, choice["e2e_p95_s"]))
    bar_rows = [
        {"router": name, "joules": joules, "text": f"{joules:.0f} J; p95 {seconds(p95)}"}
        for name, joules, p95 in choices
    ]
    bars = alt.Chart(pl.DataFrame(bar_rows)).encode(
        y=alt.Y("router:N", sort=None, title=None, axis=alt.Axis(labelLimit=200, ticks=False, domain=False)),
        x=alt.X("joules:Q", axis=None, scale=alt.Scale(domainMax=1.7 * max(c[1] for c in choices))),
    )
    fill = alt.condition(alt.datum.router == "MESS+", alt.value(TONES[0]), alt.value(TONES[1]))
    figures = bars.mark_text(align="left", dx=5).encode(text="text:N")
    drawn = alt.layer(bars.mark_bar(height=26).encode(color=fill), figures)
    title = alt.Title("What a request draws on the same GPUs", subtitle="and the end-to-end p95", anchor="start")
    return drawn.properties(width=260, height=150, title=title)


def main() -> None:
    """Runs the quickstart and writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", nargs="?", default=ROOT / "docs" / "quickstart.svg", type=Path)
    arguments = parser.parse_args()
    scenario = messsim.load(ROOT / "scenarios" / "quickstart.toml")
    result = messsim.run(scenario, keep_records=False, beside=without_router)
    promise = alt.vconcat(_curves(result.timeline, scenario.sla.alpha), _queue(result.timeline), spacing=8)
    charts = alt.hconcat(promise, _costs(result.summary), spacing=36)
    title = alt.Title(
        "Prompts of 13 tasks, four models on 13 H100s, MESS+ promising 62.5 %",
        subtitle=f"{result.summary['requests']['arrived']:,} requests; scenarios/quickstart.toml",
        anchor="start",
    )
    charts.properties(title=title, background="white").save(arguments.out)


if __name__ == "__main__":
    main()
