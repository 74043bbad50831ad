"""Draws the rates of whole runs from pytest-benchmark's JSON.

pytest bench/bench_engine.py --benchmark-json=bench.json
python bench/plot.py bench.json docs/speed.svg
"""

import argparse
import json
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl

NAMES = {
    "test_mm1[process a customer]": "SimPy, M/M/1: a process a customer",
    "test_mm1[callbacks]": "SimPy, M/M/1: callbacks",
    "test_whole_run[cluster, simpy engine]": "messsim, cluster: SimPy engine",
    "test_records": "messsim, cluster: with Parquet records",
    "test_whole_run[cluster]": "messsim, cluster: compiled engine",
    "test_whole_run[peer workload, 8 replicas]": "messsim, peer workload on 8 replicas",
    "test_whole_run[no servers]": "messsim, routing alone",
}


def rates(benchmarks: list[dict[str, Any]]) -> pl.DataFrame:
    """Requests (customers) a second of the runs in NAMES, those that were measured."""
    collected = {b["name"]: b["extra_info"]["requests_per_s"] for b in benchmarks if b["name"] in NAMES}
    return pl.DataFrame(
        {
            "run": [NAMES[n] for n in NAMES if n in collected],
            "rate": [collected[n] for n in NAMES if n in collected],
            "label": [f"{collected[n] / 1e6:.2f} million/s" for n in NAMES if n in collected],
        }
    )


def chart(frame: pl.DataFrame) -> Any:
    """Dots on a logarithmic axis, each with its figure."""
    y = alt.Y("run:N", sort=None, title=None, axis=alt.Axis(labelLimit=300))
    x = alt.X(
        "rate:Q",
        scale=alt.Scale(type="log", domain=[10_000, 50_000_000]),
        axis=alt.Axis(values=[10**k for k in range(4, 8)], format="~s"),
        title="requests or customers a second",
    )
    dots = alt.Chart(frame).mark_circle(color="#3d6fb6", size=90, opacity=1).encode(x=x, y=y)
    labels = alt.Chart(frame).mark_text(align="left", dx=9).encode(x=x, y=y, text="label:N")
    return (dots + labels).properties(width=420, height=190, background="white")


def main() -> None:
    """Reads the JSON and writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("picture", type=Path, help="SVG or PNG")
    arguments = parser.parse_args()
    benchmarks = json.loads(arguments.results.read_text(encoding="utf-8"))["benchmarks"]
    chart(rates(benchmarks)).save(arguments.picture)


if __name__ == "__main__":
    main()
