"""What each layer of a chart draws: the columns on its axes and the rows that they come from."""

import polars as pl
import pytest

from messsim.plot.figure import themed
from messsim.plot.replications import (
    certified_gap,
    charts_of,
    cost_bands,
    probability,
    queue_bands,
    satisfaction_bands,
)
from messsim.plot.tradeoff import tradeoff


def layers(figure):
    """With the rows that each draws, which layers may share."""
    whole = themed(figure).to_dict()

    def rows(data):
        return data["values"] if "values" in data else whole["datasets"][data["name"]]

    return [layer | {"data": {"values": rows(layer.get("data") or whole["data"])}} for layer in whole["layer"]]


def drawn(figure, style):
    """Of the layers of a style, from the lowest: columns by channel, and rows."""
    return [
        (
            {channel: e["field"] for channel, e in layer["encoding"].items() if isinstance(e, dict) and "field" in e},
            layer["data"]["values"],
        )
        for layer in layers(figure)
        if layer["mark"].get("style") == style
    ]


# ---- cost against satisfaction --------------------------------------------------------------------------

POINT = {
    "point": ["a"],
    "policy": ["a"],
    "cost_low": [1.0],
    "cost_mean": [2.0],
    "cost_high": [4.0],
    "satisfaction_low": [0.4],
    "satisfaction_mean": [0.5],
    "satisfaction_high": [0.7],
}


def oracle(name, cost, satisfaction):
    return {"oracle": name, "cost": cost, "satisfaction": satisfaction}


def test_a_dot_is_at_the_means_and_its_whiskers_end_where_the_intervals_do():
    figure = tradeoff(pl.DataFrame(POINT), ["policy"], "J", [])
    ((dot, (row,)),) = drawn(figure, "dot")
    assert (dot["x"], dot["y"]) == ("cost_mean", "satisfaction_mean")
    assert {name: [row[name]] for name in POINT if name not in ("point", "policy")}.items() <= POINT.items()
    assert [fields for fields, _ in drawn(figure, "whisker")] == [
        {"x": "cost_low", "x2": "cost_high", "y": "satisfaction_mean"},
        {"x": "cost_mean", "y": "satisfaction_low", "y2": "satisfaction_high"},
    ]


def test_each_oracle_has_a_line_of_its_own_and_its_name_at_the_top_of_it():
    frontier = [oracle("far", 3.0, 0.9), oracle("near", 1.0, 0.5), oracle("far", 2.0, 0.6), oracle("near", 1.5, 0.8)]
    figure = tradeoff(pl.DataFrame(POINT), ["policy"], "J", [], [*frontier, oracle("alone", 4.0, 0.7)])

    def lines(style):
        return sorted([(v["oracle"], v["cost"], v["satisfaction"]) for v in rows] for _, rows in drawn(figure, style))

    far, near = [("far", 2.0, 0.6), ("far", 3.0, 0.9)], [("near", 1.0, 0.5), ("near", 1.5, 0.8)]
    assert lines("mark") == [[("alone", 4.0, 0.7)], far, near]
    assert lines("mark-label") == [[("alone", 4.0, 0.7)], far[1:], near[1:]]


# ---- replications ---------------------------------------------------------------------------------------

QUANTILES = ("p05", "p25", "p50", "p75", "p95")
SUMMARY = {
    "requests": 101,
    "replications": 20,
    "alpha": 0.75,
    "cost_unit": "J",
    "time_to_compliance": {"p05": 1.0, "p25": 5.0, "p50": 10.0, "p75": 40.0, "p95": None, "never": 2},
    "end": {
        "satisfaction": {"p50": 0.76, "p95": 0.9, "mean": 0.77},
        "queue": {"p50": 3.0, "p95": 8.0, "mean": 4.0},
        "cost_per_request": {"p50": 1.5, "p95": 2.5, "mean": 2.0},
    },
}
REQUEST = [0, 1, 4, 100]


def curves(**columns):
    """Each curve is its quantile's number over ten at every request, unless it is stated."""
    made = {"request": REQUEST, "runs": [20] * 4}
    for name in ("satisfaction", "certificate", "queue", "cost"):
        made |= {f"{name}_{q}": [k / 10] * 4 for k, q in enumerate(QUANTILES, start=1)}
        made[f"{name}_mean"] = [0.35] * 4
    made |= {"below": [1.0, 0.5, 0.25, 0.1], "below_low": [0.8, 0.3, 0.1, 0.0], "below_high": [1.0, 0.7, 0.5, 0.3]}
    return pl.DataFrame(made | {"settled": [0.0, 0.05, 0.25, 0.9]} | columns)


@pytest.mark.parametrize(
    ("chart", "name"), [(satisfaction_bands, "satisfaction"), (queue_bands, "queue"), (cost_bands, "cost")]
)
def test_bands_reach_from_quantile_to_quantile_and_the_wide_one_is_below(chart, name):
    bands = drawn(chart(curves(), SUMMARY), "band")
    assert [(fields["x"], fields["y"], fields["y2"]) for fields, _ in bands] == [
        ("request", f"{name}_p05", f"{name}_p95"),
        ("request", f"{name}_p25", f"{name}_p75"),
    ]
    scale = bands[0][1][0][f"{name}_p05"] / 0.1
    assert [row["request"] for row in bands[1][1]] == REQUEST
    assert bands[1][1][0][f"{name}_p75"] == pytest.approx(0.4 * scale)


@pytest.mark.parametrize(("chart", "name"), [(queue_bands, "queue"), (cost_bands, "cost")])
def test_the_line_is_the_middle_run(chart, name):
    ((fields, values),) = drawn(chart(curves(), SUMMARY), "median")
    assert (fields["x"], fields["y"], len(values)) == ("request", f"{name}_p50", 4)


def test_the_promise_is_where_it_is_and_the_curves_of_shares_have_their_names():
    figure = satisfaction_bands(curves(), SUMMARY)
    ((fields, values),) = drawn(figure, "promise")
    assert (fields["y"], values[0]["alpha"]) == ("alpha", 0.75)
    assert figure.description.endswith(" in 20 runs against 75.0 % promised; in the middle run 76.00 % at the end.")
    without = curves(certificate_p50=pl.Series([None] * 4, dtype=pl.Float64))
    assert "certificate, median" in figure.table.columns
    assert "certificate, median" not in satisfaction_bands(without, SUMMARY).table.columns


def test_costs_are_of_a_thousand_answers_where_the_unit_is_money():
    assert cost_bands(curves(), SUMMARY).table["J per answer, median"].to_list() == ["0.3"] * 4
    dollars = cost_bands(curves(), SUMMARY | {"cost_unit": "USD"})
    assert dollars.table["USD per 1,000 answers, median"].to_list() == ["300"] * 4
    assert drawn(dollars, "median")[0][1][0]["cost_p50"] == 300.0
    assert dollars.description.endswith("; with idle replicas 2,000 USD per 1,000 requests on average at the end.")


def test_the_probability_is_drawn_from_request_1_with_its_interval_and_who_does_not_settle():
    figure = probability(curves(), SUMMARY)
    ((fields, values),) = drawn(figure, "band")
    assert (fields["y"], fields["y2"]) == ("below_low", "below_high")
    assert [row["request"] for row in values] == [1, 4, 100]
    assert figure.description.startswith(
        "Half of the runs keep the promise for good from request 10 on, 95 % of them never; "
    )
    assert figure.description.endswith("2 of 20 never do.")
    lines = [row for layer in layers(figure) for row in layer["data"]["values"] if "curve" in row]
    later = {row["request"]: row["share"] for row in lines if row["curve"] == "at this or a later one"}
    assert later == pytest.approx({1: 0.95, 4: 0.75, 100: 0.1})


def test_the_gap_is_drawn_where_there_is_one_and_shapes_begin_at_its_first():
    """0.75 less 0.25, 0.5 and 0.7: after 1 request 0.5 is left, after 4 a half of it, after 100 a tenth."""
    figure = certified_gap(curves(certificate_mean=[None, 0.25, 0.5, 0.7]), SUMMARY)
    ((fields, values),) = drawn(figure, "median")
    assert (fields["x"], fields["y"]) == ("request", "gap")
    assert [(row["request"], row["gap"]) for row in values] == [(1, 0.5), (4, 0.25), (100, pytest.approx(0.05))]
    root, whole = ({row["request"]: row["gap"] for row in values} for _, values in drawn(figure, "mark"))
    assert root == pytest.approx({1: 0.5, 4: 0.25, 100: 0.05})
    assert whole == pytest.approx({1: 0.5, 4: 0.125}), "at 100 it is far below the curve"
    assert figure.description == "Promise less certificate, mean over the runs: 0.05 at request 100."


def test_a_certificate_above_the_promise_leaves_no_gap():
    figure = certified_gap(curves(certificate_mean=[None, 0.25, 0.75, 0.8]), SUMMARY)
    assert [row["request"] for row in drawn(figure, "median")[0][1]] == [1]
    assert figure.description.endswith(": 0.5 at request 1.")


def test_there_is_no_gap_where_nothing_is_certified():
    assert list(charts_of(curves())) == ["satisfaction", "probability", "queue", "cost", "gap"]
    nothing = curves(certificate_mean=pl.Series([None] * 4, dtype=pl.Float64))
    assert list(charts_of(nothing)) == ["satisfaction", "probability", "queue", "cost"]
