"""Draws the table of docs/sessions.md: joules an answer, what was found in caches, and how long users wait."""

import argparse
import re
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl

ROOT = Path(__file__).parent.parent
GREEN, BLUE, ORANGE = "#2a9d5c", "#3d6fb6", "#c9792f"
MILLISECONDS = {"ms": 1.0, "s": 1000.0}
SHORT = {
    "MESS+ by request": "by request",
    "MESS+, keep_session_model": "keeps the model",
    'MESS+, cost_estimate = "marginal"': "knows the cache",
    "both": "both",
    "best single (the large model), two replicas of it": "large model alone",
}


def rows_of(page: str) -> pl.DataFrame:
    """The table as figures: router, joules an answer, mean TTFT in milliseconds, hit rate in percent."""
    rows = []
    for line in page.splitlines():
        cells = [cell.strip().replace("`", "") for cell in line.strip("|").split("|")]
        if cells[0] in SHORT:
            value, unit = cells[3].split()
            rows.append(
                {
                    "router": SHORT[cells[0]],
                    "joules": float(cells[2]),
                    "ttft_ms": float(value) * MILLISECONDS[unit],
                    "hits": float(re.sub(r" ?%", "", cells[5])),
                }
            )
    if len(rows) != len(SHORT):
        raise SystemExit(f"docs/sessions.md: {len(rows)} rows of the table are known; expected {len(SHORT)}")
    return pl.DataFrame(rows)


def _panel(rows: pl.DataFrame, column: str, title: str, color: str, *, labels: bool, log: bool = False) -> Any:
    router = alt.Y("router:N", sort=list(SHORT.values()), title=None)
    most = 1.25 * max(rows[column].to_list())
    scale = alt.Scale(type="log", domain=[50, 3000]) if log else alt.Scale(zero=True, domainMax=most)
    low = {"x2": alt.X2Datum(50)} if log else {}
    x = alt.X(f"{column}:Q", title=title, scale=scale, axis=alt.Axis(tickCount=4))
    bars = (
        alt.Chart(rows)
        .mark_bar(color=color, height=16)
        .encode(x=x, y=router.axis(labels=labels, ticks=labels, labelLimit=200), **low)
    )
    text = (
        alt.Chart(rows)
        .mark_text(align="left", dx=4)
        .encode(x=x, y=router, text=alt.Text(f"{column}:Q", format=",.3~r"))
    )
    return alt.layer(bars, text).properties(width=165, height=130)


def main() -> None:
    """Reads the page and writes the picture beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", nargs="?", default=ROOT / "docs" / "sessions.svg", type=Path)
    rows = rows_of((ROOT / "docs" / "sessions.md").read_text())
    charts = alt.hconcat(
        _panel(rows, "joules", "J an answer", GREEN, labels=True),
        _panel(rows, "hits", "prompt tokens found in caches, %", BLUE, labels=False),
        _panel(rows, "ttft_ms", "mean time to a first token, ms", ORANGE, labels=False, log=True),
        spacing=14,
    )
    charts.configure_view(stroke=None).configure(background="white").save(parser.parse_args().out)


if __name__ == "__main__":
    main()
