"""Charts: what they count is what the records say, whatever the names, and never more than a page can hold."""

import json
import re
import sys
from pathlib import Path
from xml.dom import minidom

import altair as alt
import numpy as np
import polars as pl
import pytest
import vl_convert
from builders import model, scenario
from runs import eventful, made

import messsim
from messsim.errors import OutputError
from messsim.plot import FIGURES
from messsim.plot.charts.satisfaction import _domain
from messsim.plot.clusters import against_price
from messsim.plot.digest import LATENCIES, LEAST_S, by_request, latency_bins, latency_by_time, sliced, thinned
from messsim.plot.figure import Figure, specification_of, themed
from messsim.plot.files import as_bytes
from messsim.plot.marks import Marks, OutageMark, PhaseMark
from messsim.plot.parts import SECONDS, folded, time_unit
from messsim.plot.theme import DARK, LIGHT
from messsim.report.base.page import chart_html

SHOWN = ("promise", "reference", "met", "uncertain", "failed")
MOST_ROWS = 5000  # what Altair takes at most, of each data set


@pytest.fixture(scope="module")
def result():
    return made(eventful())


def datasets(specification):
    """All rows of inline data in a chart."""
    if isinstance(specification, dict):
        if isinstance(specification.get("values"), list) and specification["values"][:1] != []:
            yield specification["values"]
        for part in specification.values():
            yield from datasets(part)
    elif isinstance(specification, list):
        for part in specification:
            yield from datasets(part)


# ---- what is counted ------------------------------------------------------------------------------------


def test_slices_of_requests_count_every_answer(result):
    frame, records = by_request(result, "model"), result.requests.collect()
    for m in result.summary["models"]:
        assert frame.filter(model=m["name"])["answered"].sum() == m["answered"]
    ids = records["id"].to_numpy() // 5 * 5
    row = frame.row(37, named=True)
    there = (ids == row["request"]) & (records["model"].cast(str) == row["model"]).to_numpy()
    assert row["answered"] == there.sum()
    assert row["satisfied"] == records["satisfied"].to_numpy()[there].sum()


def latencies(records):
    first, finish, arrival = records["first_token_s"], records["finish_s"], records["arrival_s"]
    return {
        "ttft": first - arrival,
        "tpot": ((finish - first) / (records["output_tokens"] - 1)).filter(records["output_tokens"] > 1),
        "e2e": finish - arrival,
        "queueing": records["start_s"] - arrival,
    }


@pytest.mark.parametrize("which", LATENCIES)
def test_a_histogram_has_every_answer_in_its_bin(result, which):
    bins = latency_bins(result, which)
    values = latencies(result.requests.collect())[which]
    assert bins["count"].sum() == len(values)
    assert bins.filter(pl.col("from_s").is_null())["count"].sum() == (values < LEAST_S).sum()
    for row in bins.drop_nulls().group_by("from_s", "to_s").agg(pl.col("count").sum()).iter_rows(named=True):
        assert row["count"] == ((values >= row["from_s"]) & (values < row["to_s"])).sum()


def test_latencies_leave_the_warmup_out():
    warm = made(scenario(requests=200, warmup=150))
    assert latency_bins(warm, "e2e")["count"].sum() == 50


def test_percentiles_in_time_are_those_of_their_slice(result):
    outcome = latency_by_time(result, "e2e", [0.5, 0.95])
    records = result.requests.collect()
    values = latencies(records)["e2e"].to_numpy()
    assert outcome["answers"].sum() == len(values)
    for row in outcome.iter_rows(named=True):
        inside = (records["arrival_s"] >= row["from_s"]) & (records["arrival_s"] < row["to_s"])
        if row["slice"] == 119:  # the last arrival is its end
            inside |= records["arrival_s"] >= row["to_s"]
        there = np.sort(values[inside.to_numpy()])
        for share, name in ((0.5, "p50"), (0.95, "p95")):
            exact = there[int(np.ceil(share * len(there))) - 1]
            assert row[name] == pytest.approx(exact, rel=2 ** (0.5 / 16) - 1 + 1e-9)


def test_slices_of_time_keep_the_energy(result):
    frame, timeline = sliced(result), result.timeline
    lasts = np.diff(timeline["time_s"].to_numpy(), prepend=timeline["time_s"][0])
    column = "power_w_request"
    energy = np.nansum(timeline[column].fill_null(np.nan).to_numpy() * lasts)
    inside = np.minimum((timeline["time_s"] / frame["to_s"][0]).floor().to_numpy(), 119)
    spans = np.array([lasts[inside == s].sum() for s in frame["slice"]])
    assert np.nansum(frame[column].fill_null(np.nan).to_numpy() * spans) == pytest.approx(energy, rel=1e-3)


def test_thinning_keeps_the_ends():
    for n in (1, 399, 400, 401, 4096):
        frame = pl.DataFrame({"x": range(n)})
        thin = thinned(frame)
        assert len(thin) <= 401
        assert thin["x"][0] == 0
        assert thin["x"][-1] == n - 1
        assert thin["x"].is_unique().all()


def test_many_names_become_eight():
    names = [f"m{k}" for k in range(12)]
    frame = pl.DataFrame({"model": names, "n": range(12)})
    few, order = folded(frame, "model", names, "n")
    assert order == ["m5", "m6", "m7", "m8", "m9", "m10", "m11", "others"]
    assert few.filter(model="others")["n"].sum() == 0 + 1 + 2 + 3 + 4
    assert folded(frame[:8], "model", names[:8], "n")[1] == names[:8]


def test_time_is_told_in_a_fitting_unit():
    assert [time_unit(s)[0] for s in (0.0, 119.0, 120.0, 7199.0, 7200.0, 172_800.0)] == [
        *("seconds", "seconds", "minutes", "minutes", "hours", "days"),
    ]


def test_the_low_end_of_an_interval_may_be_below_no_time():
    data = alt.Data(values=[{"x": -40.0}, {"x": 40.0}])
    chart = alt.Chart(data).mark_point().encode(x=alt.X("x:Q", axis=alt.Axis(labelExpr=SECONDS)))
    svg = vl_convert.vegalite_to_svg(chart.to_dict())
    assert "40 s<" in svg
    assert "ms<" not in svg
    assert "µs<" not in svg


# ---- the charts -----------------------------------------------------------------------------------------


def test_every_chart_is_a_file_a_function_and_a_method(result):
    files = sorted((Path(messsim.plot.__file__).parent / "charts").glob("[a-z]*.py"))
    assert [f.stem for f in files] == list(FIGURES) == dir(result.plot)
    assert set(FIGURES) < set(dir(messsim.plot))
    for name in FIGURES:
        function, method = getattr(messsim.plot, name), getattr(result.plot, name)
        assert function.__name__ == method.__name__ == name
        assert function.__doc__ == method.__doc__, name
        assert function.__doc__.endswith("."), name


def test_a_chart_that_there_is_not_is_an_attribute_error_that_lists_them(result):
    for holder in (messsim.plot, result.plot):
        assert not hasattr(holder, "satisfacton")
        with pytest.raises(AttributeError, match="no chart 'satisfacton'; expected one of answers, cost, hits"):
            _ = holder.satisfacton


@pytest.mark.parametrize("name", [name for name in FIGURES if name not in {"hits", "replicas"}])
def test_every_chart_is_valid_and_bounded(result, name):
    marks = Marks([PhaseMark("a phase", 300, None)], [OutageMark("p", 0, 10.0, 20.0, True)])
    figure = FIGURES[name](result, marks=marks)
    specification = themed(figure).to_dict()  # Altair checks it against the schema of Vega-Lite
    sets = list(datasets(specification))
    assert sets
    assert max(map(len, sets)) <= MOST_ROWS
    assert figure.description
    assert len(figure.table) >= 1
    assert "NaN" not in json.dumps(specification)


def test_replicas_that_come_and_go_are_drawn_by_phase(result):
    quick = {"fixed_s": 2.0, "weights_gb": 0.0, "compile_s": 0.0, "init_s": 0.0}
    autoscale = {"rule": "target", "target": 1.0, "period_s": 1.0, "down_window_s": 0.0, "cold_start": quick}
    models = [model("a", 0.5, replicas=3, autoscale=autoscale), model("b", 0.7)]
    run = made(scenario(requests=200, arrivals={"kind": "poisson", "rate_rps": 8.0}, models=models))
    series = {
        row["replicas"]
        for rows in datasets(run.plot.replicas().to_dict())
        for row in rows
        if isinstance(row, dict) and "replicas" in row
    }
    assert {"a up", "a loading"} <= series
    assert not any(name.startswith("b ") for name in series)
    dashes = next(
        layer["encoding"]["strokeDash"]
        for layer in run.plot.replicas().to_dict()["layer"]
        if "strokeDash" in layer["encoding"]
    )
    assert dashes["scale"]["domain"][:2] == ["up", "loading"]
    assert dashes["legend"] == {"symbolType": "stroke"}
    with pytest.raises(OutputError, match=r"no pool of the run changes its size"):
        result.plot.replicas()


def test_a_repair_after_the_run_does_not_stretch_its_charts():
    timeline = pl.DataFrame({"request": [0, 100], "time_s": [0.0, 60.0]})
    behind, _ = Marks(outages=[OutageMark("p", 0, 30.0, 900.0, False)]).layers(timeline, "time_s", 60.0)
    assert [(s["from"], s["to"]) for s in next(datasets(behind[0].to_dict()))] == [(0.5, 1.0)]


def test_a_chart_draws_what_it_says(result):
    svg = as_bytes(messsim.plot.satisfaction(result).to_dict(), "svg").decode()
    assert f"promised {100 * result.summary['sla']['alpha']:.1f} %" in svg
    assert svg.count("<path") > 10
    html = chart_html(FIGURES["answers"](result)).decode()
    assert "small-3.1" in html
    assert 'src="http' not in html
    assert as_bytes(result.plot.queue().to_dict(), "png").startswith(b"\x89PNG")


def drawn_by_page(domain, rows):
    """What the page of a chart tells its script: of a line with such a legend, and of bars beside such rows."""
    axes = {
        "color": alt.Color("name:N", scale=alt.Scale(domain=domain)),
        "y": alt.Y("row:N", scale=alt.Scale(domain=rows)),
    }
    layers = [alt.Chart(alt.Data(values=[{"x": 1}])).mark_line().encode(**{k: a}) for k, a in axes.items()]
    html = chart_html(Figure("t", alt.layer(*layers), "d", height=123)).decode()
    data = re.search(r'<script type="application/json" id="charts">(.*?)</script>', html, re.DOTALL)[1]
    (chart,) = json.loads(data)["charts"]
    return chart


@pytest.mark.parametrize(
    ("domain", "rows", "room"),
    [
        (["mess+", "random"], ["a", "long"], {"longest": 6, "aside": 24}),
        (["x" * 34], ["y" * 31], {"longest": 34, "aside": 186}),
        (["x" * 35], ["y" * 32], {"longest": 34, "aside": 190}),  # longer names are cut
        (["x"], ["a=1, bcd=22"], {"longest": 1, "aside": 36}),  # a key a line
        ([], [], {"longest": 0, "aside": 0}),
    ],
)
def test_the_page_knows_how_much_room_names_take(domain, rows, room):
    chart = drawn_by_page(domain, rows)
    assert chart["usermeta"] == room
    assert (chart["width"], chart["height"], "config" in chart) == ("container", 123, False)
    assert chart["autosize"] == {"type": "fit-x", "contains": "padding"}


def promises(result):
    """The values that the promise's line is drawn through, in request order."""
    layers = FIGURES["satisfaction"](result).chart.to_dict()["layer"]
    line = next(layer for layer in layers if layer["mark"].get("style") == "promise")
    return [row["share"] for row in line["data"]["values"]]


def test_the_promise_is_what_was_promised_so_far(result):
    promise = thinned(result.timeline)["promise_running"].drop_nulls()
    assert promise.n_unique() > 10
    assert promises(result) == pytest.approx(promise.to_list(), rel=1e-5)
    assert promises(made(scenario(requests=50, sla={"alpha": 0.6}))) == [0.6]


def test_the_scale_of_the_share_fits_all_but_the_first_steps():
    shares = [0.0, 0.0, *(0.3 + 0.004 * k for k in range(98))]
    wide = pl.DataFrame({"satisfaction_running": shares, "certificate": shares, "promise_running": [0.5] * 100})
    low, high = _domain(wide, 0.5)
    assert 0.2 < low < 0.3
    assert max(shares) < high < 0.8


def test_a_requirement_is_drawn_at_its_bound_and_clusters_at_their_figures():
    shares = {"mean": [0.8, 0.95], "low": [0.78, None], "high": [0.82, None]}
    sorts = {"objective": [1.0, 2.0], "verdict": ["failed", "met"], "answer": [False, True]}
    clusters = pl.DataFrame({"cluster": ["a", "b"]} | shares | sorts)
    layers = against_price(clusters, "sla.satisfaction", 0.9, "USD/h", "price").chart.to_dict()["layer"]
    by_style = {layer["mark"]["style"]: layer for layer in layers}
    promise, whisker, missed = (by_style[style] for style in ("promise", "whisker", "failed"))
    assert promise["data"]["values"] == [{"bound": 0.9}]
    assert (promise["encoding"]["y"]["field"], "x" in promise["encoding"]) == ("bound", False)
    assert [row["low"] for row in whisker["data"]["values"]] == [0.78]
    assert (whisker["encoding"]["y"]["field"], whisker["encoding"]["y2"]["field"]) == ("low", "high")
    assert [row["mean"] for row in missed["data"]["values"]] == [0.8]


def test_names_are_never_read_as_paths(result):
    chart = result.plot.answers().to_dict()
    tips = [t for layer in chart["layer"] for t in layer["encoding"].get("tooltip", [])]
    assert {t["title"] for t in tips} >= {"small-3.1", "a[b]:'c\"", "request"}
    assert all(not set(".[]'\"") & set(t["field"]) for t in tips)


@pytest.mark.parametrize(
    ("name", "rendered"),  # the renderer is a process: each chart has it once
    [
        ("org\\umodel", ""),
        ("new\nline", "latency"),
        ("ls\u2028x", ""),
        ("esc\x1b[31m", "tenants"),
        ("nul\x00", "answers"),
        ("\x01\x1f", "power"),
        ("\uffff", "load"),
        ("\x7f", ""),
        ("esc\x1b[31m", "answers"),
    ],
)
def test_names_that_a_picture_cannot_hold_are_drawn_with_signs(name, rendered):
    tenants = [{"name": name, "alpha": 0.5}, {"name": "other", "alpha": 0.3}]
    models = [model(name, 0.4), model("other", 0.8)]
    result = made(scenario(name=name, models=models, tenants=tenants, requests=60))
    for chart in ("answers", "latency", "load", "power", "tenants"):
        drawn = themed(FIGURES[chart](result))
        if chart == rendered:
            svg = as_bytes(specification_of(FIGURES[chart](result)), "svg")
            minidom.parseString(svg)
            assert not re.search(rb"[\x00-\x1f\x7f]", svg.replace(b"\n", b""))  # a PNG is drawn from it
        texts = json.dumps(drawn.to_dict(), ensure_ascii=False)  # Altair draws it in this process, if it is asked to
        assert not re.search(r"\\u00|(?<!\\)\\n|[\x00-\x1f\x7f\u2028\uffff]", texts)
        assert not re.search(r"\\\\u(00[01]|2028|ffff)", texts)  # what an expression of Vega-Lite's would make of it


def test_a_picture_that_ends_its_renderer_is_an_error(monkeypatch, result):
    monkeypatch.setattr("messsim.plot.files.RENDERER", "import os; os.abort()")
    with pytest.raises(OutputError, match="the picture cannot be drawn: its renderer ended by SIGABRT"):
        as_bytes(result.plot.queue().to_dict(), "svg")


def test_more_models_than_colours():
    many = made(scenario(requests=300, models=[model(f"m{k}", 0.5) for k in range(10)], router={"policy": "random"}))
    for name in ("answers", "load", "power"):
        rows = [r for data in datasets(themed(FIGURES[name](many)).to_dict()) for r in data]
        key = "model" if name == "answers" else "pool"
        shown = {r[key] for r in rows if key in r}
        assert len(shown) <= 8
        assert "others" in shown


def test_without_servers_there_is_no_load():
    alone = made(scenario(cluster={"mode": "none"}))
    for draw in (alone.plot.load, alone.plot.power, alone.plot.latency):
        with pytest.raises(OutputError, match=r"nothing to draw|no load to draw"):
            draw()
    assert alone.plot.cost().to_dict()


def test_a_run_of_one_request_is_drawn():
    short = made(scenario(requests=1))
    for name in ("satisfaction", "queue", "cost", "answers", "load", "tenants"):
        assert themed(FIGURES[name](short)).to_dict(), name


def test_a_run_of_nothing_has_nothing_to_draw():
    nothing = made(scenario(requests=None, horizon_s=1e-9))
    for name in ("queue", "cost", "answers", "load", "power"):
        figure = FIGURES[name](nothing)
        assert figure.chart is None, name
        with pytest.raises(OutputError, match="nothing to draw"):
            themed(figure)


def test_an_unknown_latency(result):
    with pytest.raises(OutputError, match="latency 'tftt': expected one of ttft, tpot, e2e, queueing"):
        result.plot.latency("tftt")


def test_without_altair_there_is_a_remedy(result, monkeypatch):
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(OutputError, match=r"install it with `pip install 'messsim\[plot\]'`"):
        result.plot.queue()


def test_phases_stand_where_they_start(result):
    marks = Marks(
        [PhaseMark("by request", 300, None), PhaseMark("by time", None, 20.0), PhaseMark("never", 10**6, None)]
    )
    _, before = marks.layers(result.timeline, "time_s", 60.0)
    lines = before[0].to_dict()["data"]["values"]
    arrivals = result.requests.collect()["arrival_s"]
    assert [line["what"] for line in lines] == ["by request", "by time"]
    assert lines[0]["at"] * 60 == pytest.approx(arrivals[300])
    assert lines[1]["at"] == pytest.approx(20 / 60)
    assert marks.layers(result.timeline, "request")[0] == []


# ---- colours --------------------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_marks_stand_out(theme):
    surface = theme["background"]
    texts = [theme["axis"]["labelColor"], theme["legend"]["labelColor"], theme["style"]["promise-label"]["color"]]
    assert min(contrast(c, surface) for c in texts) >= 4.5
    marks = [*theme["range"]["category"], *theme["range"]["ordinal"], *(theme["style"][s]["color"] for s in SHOWN)]
    assert min(contrast(c, surface) for c in marks) >= 2.6
