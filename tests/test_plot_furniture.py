"""What stands around the data of every chart: marks, axes, legends, tips, titles and notes, as `charts.txt` has them.

Of the data itself: how many rows each mark has, the first of them and the last.

`python tests/test_plot_furniture.py` writes the file anew: what changes in it was meant to, or is a fault.
"""

import json
from pathlib import Path
from unittest.mock import patch

import polars as pl
from runs import tenant_by_hand
from test_plot_charts import SIZES, TIMELINE, run
from test_plot_encodings import POINT, SUMMARY, curves, oracle
from test_plot_parts import points
from test_plot_studies import clusters
from test_theory_orders import THEORY

from messsim.plot.challenge import kept_chart, ranks_chart
from messsim.plot.charts.answers import answers
from messsim.plot.charts.cost import cost
from messsim.plot.charts.hits import hits
from messsim.plot.charts.latency import latency, latency_in_time
from messsim.plot.charts.load import load
from messsim.plot.charts.power import power
from messsim.plot.charts.queue import queue
from messsim.plot.charts.replicas import replicas
from messsim.plot.charts.satisfaction import satisfaction
from messsim.plot.charts.tenants import tenants
from messsim.plot.clusters import against_price
from messsim.plot.marks import Marks, OutageMark, PhaseMark
from messsim.plot.points import along, forest, shares
from messsim.plot.replications import certified_gap, cost_bands, probability, queue_bands, satisfaction_bands
from messsim.plot.theme import DARK, LIGHT
from messsim.plot.tradeoff import tradeoff
from messsim.report.hardware import accuracy_plots
from messsim.report.reproduce import theory_plots

FILE = Path(__file__).parent / "charts.txt"
MARKS = Marks([PhaseMark("rush", 150, None)], [OutageMark("8b", 0, 50.0, 70.0, False)])
RANKS = {"policy": ["a", "b"], "rank": [1.25, 1.75], "low": [1.0, 1.5], "high": [1.5, 2.0]}
SHARES = {"point": ["a", "b"], "share 8b_mean": [0.75, 0.5], "share 70b_mean": [0.25, 0.5]}
KEPT = {"condition": ["late", "late"], "policy": ["a", "b"], "share": [1.0, 0.5], "told": ["2 of 2", "1 of 2"]}


def figures():
    resized = TIMELINE.with_columns(pl.Series(name, sizes) for name, sizes in SIZES.items())
    eventful = run(resized, tenants=[tenant_by_hand(name, queue_final=0.0) for name in "ab"])
    drawn = (answers, cost, hits, latency, load, power, queue, replicas, satisfaction, tenants)
    of_run = {draw.__name__: draw(eventful, marks=MARKS) for draw in drawn}
    keyed = points().with_columns(pl.Series("policy", ["p", "q"]), alpha=pl.lit(0.6))
    return of_run | {
        "latency in time": latency_in_time(eventful, MARKS),
        "satisfaction of replications": satisfaction_bands(curves(), SUMMARY),
        "probability": probability(curves(), SUMMARY),
        "queue of replications": queue_bands(curves(), SUMMARY),
        "cost of replications": cost_bands(curves(), SUMMARY),
        "certified gap": certified_gap(curves(), SUMMARY),
        "trade-off": tradeoff(pl.DataFrame(POINT), ["policy"], "J", [0.5], [oracle("o", 1.0, 0.5)]),
        "margins": forest(points(), "margin"),
        "costs of points": forest(points(), "cost", "J"),
        "along a key": along(keyed, ["router.V", "policy"], "router.V", "satisfaction"),
        "shares": shares(pl.DataFrame(SHARES), ["8b", "70b"]),
        "price": against_price(clusters([1.0, 2.0]), "latency_s.ttft.p95", 1.5, "USD/h", "price", "TTFT p95"),
        "ranks": ranks_chart(pl.DataFrame(RANKS)),
        "kept": kept_chart(pl.DataFrame(KEPT), ["a", "b"]),
    }


def pictures():
    """Those of the documentation, as their renderer is given them."""
    given = {"tpot_s": 0.02, "ttft_s": 0.5, "e2e_s": 3.0, "tokens_per_s": 900.0, "j_per_token": 0.25}
    facts = {"model": "Qwen/Qwen3-32B", "gpu": "H100", "gpus": 2, "engine": "vllm 0.12.0", "in_sample": True}
    rows = [
        facts | {"clients": n, "measured": given, "predicted": {k: f * v for k, v in given.items()}}
        | {"error": dict.fromkeys(given, f - 1.0)}
        for n, f in ((8, 1.25), (64, 0.8))
    ]  # fmt: skip
    other = {k: v for k, v in rows[0].items() if k != "engine"} | {"gpu": "L40S", "in_sample": False}
    with (
        patch.object(accuracy_plots, "svg_of", lambda chart: chart.to_dict(validate=False)),
        patch.object(theory_plots, "svg_of", lambda chart: chart.to_dict(validate=False)),
    ):
        drawn = accuracy_plots.accuracy_svg({"served": {"rows": rows}, "energy": {"rows": [*rows, other]}})
        return drawn | theory_plots.theory_svg({name: with_ends(part) for name, part in THEORY.items()})


def with_ends(part):
    """An order of the theory whose points have intervals."""
    if not isinstance(part, dict):
        return part
    spread = {"low": 0.5, "high": 2.0}
    wide = {
        k: [p | {e: f * p["measured"] for e, f in spread.items()} for p in part[k]]
        for k in ("points", "by_t")
        if k in part
    }
    return part | wide


def picture(whole):
    """A line for what is around the panels, and what each has."""
    around = {k: v for k, v in whole.items() if k not in ("hconcat", "layer", "datasets", "config", "$schema", "data")}
    yield json.dumps(around | {"legend": whole["config"]["legend"]}, sort_keys=True)
    for panel in whole.get("hconcat", [whole]):
        yield f"  {json.dumps([panel.get('width'), panel.get('height')])}"
        yield from layers(panel, whole)


def furniture(figure):
    """A line for what is said of a chart, and one for each mark, its data and each channel, without numbered names."""
    whole = figure.chart.to_dict(validate=False)
    yield json.dumps([figure.title, figure.height, figure.note, figure.description], ensure_ascii=False)
    if figure.table is not None:
        yield f"  table of {ends(figure.table.to_dicts())}"
    yield from layers(whole, whole)
    for param in whole.get("params", []):
        named = {key: value for key, value in param.items() if key != "views"}
        yield f"  {json.dumps(named, sort_keys=True)}"


def layers(chart, whole):
    """Marks, data and channels of a chart or a panel of it."""
    before = None
    for layer in chart.get("layer", [chart]):
        yield f"  {json.dumps(layer['mark'], sort_keys=True)}"
        data = layer.get("data") or chart.get("data") or whole["data"]
        if data != before:  # a halo and its words are of the same
            yield f"    {ends(data['values'] if 'values' in data else whole['datasets'][data['name']])}"
        before = data
        for channel, encoding in sorted(layer.get("encoding", {}).items()):
            yield f"    {channel}: {json.dumps(encoding, sort_keys=True, ensure_ascii=False)}"


def ends(rows):
    """How many rows there are, and the first and the last."""
    shown = [json.dumps(row, ensure_ascii=False) for row in (rows[0], rows[-1])]
    return f"{len(rows)}: {' ... '.join(shown if len(rows) > 1 else shown[:1])}"


def text():
    parts = [f"# {name}\n{json.dumps(colours)}" for name, colours in (("light", LIGHT), ("dark", DARK))]
    parts += [f"# {name}\n" + "\n".join(furniture(figure)) for name, figure in figures().items()]
    parts += [f"# picture {name}\n" + "\n".join(picture(whole)) for name, whole in pictures().items()]
    return "\n\n".join(parts) + "\n"


def test_the_furniture_of_charts_is_as_it_was_looked_at():
    assert text().splitlines() == FILE.read_text(encoding="utf-8").splitlines()


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
