"""Draws the picture of one run on the README's first screen: satisfaction, promise, certificate and queue."""

import argparse
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl

import messsim
from messsim.plot.theme import LIGHT
from messsim.wording import percent

ROOT = Path(__file__).parent.parent
PROMISE, TONES = LIGHT["style"]["promise"]["color"], LIGHT["range"]["ordinal"]


def _curves(timeline: pl.DataFrame, alpha: float) -> Any:
    names = {"satisfaction_running": "satisfied so far", "certificate": "certificate"}
    long = (
        timeline.filter(pl.col("request") >= 20)
        .select("request", *[pl.col(k).alias(v) for k, v in names.items()])
        .unpivot(index="request", variable_name="curve", value_name="share")
        .drop_nulls()
    )
    x = alt.X("request:Q", title=None, axis=alt.Axis(labels=False))
    lines = (
        alt.Chart(long)
        .mark_line(clip=True)
        .encode(
            x=x,
            y=alt.Y("share:Q", title="share of answers", scale=alt.Scale(domain=[0.45, 0.7])).axis(format="%"),
            color=alt.Color("curve:N", title=None, scale=alt.Scale(domain=list(names.values()), range=TONES[:2])),
        )
    )
    promise = (
        alt.Chart(pl.DataFrame({"alpha": [alpha]})).mark_rule(color=PROMISE, strokeDash=[6, 4]).encode(y="alpha:Q")
    )
    label = (
        alt.Chart(pl.DataFrame({"alpha": [alpha], "text": [f"promised {percent(alpha)}"]}))
        .mark_text(align="right", dx=-6, dy=9, color=PROMISE, fontWeight="bold", x="width")
        .encode(y="alpha:Q", text="text:N")
    )
    return alt.layer(lines, promise, label).properties(width=640, height=220)


def _queue(timeline: pl.DataFrame) -> Any:
    return (
        alt.Chart(timeline)
        .mark_area(color=TONES[1], opacity=0.6)
        .encode(x=alt.X("request:Q", title="request"), y=alt.Y("queue:Q", title="answers owed (Q)"))
        .properties(width=640, height=90)
    )


def main() -> None:
    """Runs the quickstart and writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", nargs="?", default=ROOT / "docs" / "quickstart.svg", type=Path)
    arguments = parser.parse_args()
    scenario = messsim.load(ROOT / "scenarios" / "quickstart.toml")
    result = messsim.run(scenario, keep_records=False)
    charts = alt.vconcat(_curves(result.timeline, scenario.sla.alpha), _queue(result.timeline), spacing=8)
    title = alt.Title(
        "Prompts of 13 tasks, four models on 13 H100s, MESS+ promising 62.5 %",
        subtitle=f"{result.summary['requests']['arrived']:,} requests; scenarios/quickstart.toml",
        anchor="start",
    )
    charts.properties(title=title, background="white").save(arguments.out)


if __name__ == "__main__":
    main()
