"""What charts of several points, clusters and conditions draw, worked out by hand."""

import polars as pl
import pytest
from test_plot_encodings import drawn, layers
from test_plot_parts import points

from messsim.plot.challenge import kept_chart, ranks_chart
from messsim.plot.clusters import against_price
from messsim.plot.parts import SECONDS, UNSIGNED_ZERO
from messsim.plot.points import along, forest, shares

# ---- points ---------------------------------------------------------------------------------------------


def test_points_stand_below_one_another_with_their_intervals():
    figure = forest(points(), "satisfaction")
    assert figure.description == (
        "Share of answers that satisfy, of 2 points: least 50.00 % (0.00 % to 100.00 %) for a, most 75.00 % "
        "(50.00 % to 100.00 %) for b."
    )
    ((whisker, _),) = drawn(figure, "whisker")
    assert (whisker["x"], whisker["x2"], whisker["y"]) == ("satisfaction_low", "satisfaction_high", "point")
    ((dot, rows),) = drawn(figure, "dot")
    assert (dot["x"], [row["satisfaction_mean"] for row in rows]) == ("satisfaction_mean", [0.5, 0.75])
    assert "Strokes" not in figure.note


def test_of_one_point_every_run_has_a_stroke():
    alone = points().head(1).with_columns(cost_each=pl.Series([[0.25, 0.75, None]]))
    whisker, stroke = drawn(forest(alone, "cost", "J"), "whisker")
    assert whisker[0]["x"] == "cost_low"
    assert [row["one"] for row in stroke[1]] == [0.25, 0.75, None]


def test_margins_have_a_line_at_the_promise():
    figure = forest(points(), "margin")
    ((line, rows),) = drawn(figure, "promise")
    assert (line["x"], rows) == ("zero", [{"zero": 0}])
    assert "Right of the dashed line the promise is kept" in figure.note
    assert drawn(forest(points(), "cost", "J"), "promise") == []
    (dots,) = [layer for layer in layers(figure) if layer["mark"].get("style") == "dot"]
    assert dots["encoding"]["x"]["axis"] == {"format": "+%", "tickCount": 5, "labelExpr": UNSIGNED_ZERO}


def test_points_beyond_the_first_forty_are_counted():
    many = pl.concat([points()] * 25).with_columns(point=pl.Series([f"p{k}" for k in range(50)]))
    assert forest(many, "cost", "J").note.endswith(" The first 40 of 50 points.")


def test_a_figure_along_a_key_has_a_line_for_each_setting_of_the_others():
    both = pl.concat([points(), points()]).with_columns(pl.Series("policy", ["p", "p", "q", "q"]), alpha=pl.lit(0.6))
    figure = along(both, ["router.V", "policy"], "router.V", "satisfaction")
    assert figure.title == "Share of answers that satisfy along router.V"
    assert figure.description == "Share of answers that satisfy at 2 values of router.V."
    ((curve, rows),) = drawn(figure, "median")
    assert (curve["x"], curve["y"], curve["color"]) == ("value", "satisfaction_mean", "series")
    assert [(row["value"], row["series"]) for row in rows] == [
        *((v, s) for s in ("policy = p", "policy = q") for v in (1.0, 2.0)),
    ]
    ((promise, promised),) = drawn(figure, "promise")
    assert (promise["y"], {row["alpha"] for row in promised}) == ("alpha", {0.6})
    assert figure.note.endswith(", dashed: what is promised.")
    assert drawn(along(both, ["router.V", "policy"], "router.V", "cost", "J"), "promise") == []


@pytest.mark.parametrize(("most", "kind"), [(50.0, None), (51.0, "log")])
def test_a_wide_axis_is_logarithmic(most, kind):
    wide = points().with_columns(pl.Series("router.V", [1.0, most]))
    (layer,) = (x for x in layers(along(wide, ["router.V"], "router.V", "cost"))
                if x["mark"].get("style") == "dot")  # fmt: skip
    assert layer["encoding"]["x"]["scale"].get("type") == kind


def test_shares_of_models_are_stacked_in_their_order():
    table = pl.DataFrame({"point": ["a", "b"], "share 8b_mean": [0.75, None], "share 70b_mean": [0.25, 1.0]})
    figure = shares(table, ["8b", "70b", "none"])
    rows = [row for layer in layers(figure) for row in layer["data"]["values"]]
    assert {(r["point"], r["model"], r["share"], r["place"]) for r in rows} == {
        ("a", "8b", 0.75, 0),
        ("a", "70b", 0.25, 1),
        ("b", "70b", 1.0, 1),
    }
    assert figure.description == "Share of answers by model, for 2 points."


# ---- clusters -------------------------------------------------------------------------------------------


def clusters(means, **changes):
    n = len(means)
    made = {"cluster": [f"c{k}" for k in range(n)], "objective": [float(k + 1) for k in range(n)], "mean": means}
    made |= {"low": [m - 0.5 for m in means], "high": [m + 0.5 for m in means], "verdict": ["met"] * n}
    return pl.DataFrame(made | {"answer": [False] * n} | changes)


def layer_of(figure, style):
    return next(x for x in layers(figure) if x["mark"].get("style") == style)


def test_verdicts_are_counted_and_have_their_signs():
    table = clusters([1.0, 2.0, 3.0], verdict=["met", "failed", "met"])
    figure = against_price(table, "latency_s.ttft.p95", 2.5, "USD/h", "price", "TTFT p95")
    assert figure.title == "TTFT p95"
    assert figure.description == "TTFT p95 of 3 clusters along their price: 2 met, 1 failed."
    assert [row["cluster"] for row in drawn(figure, "met")[0][1]] == ["c0", "c2"]
    assert [row["cluster"] for row in drawn(figure, "failed")[0][1]] == ["c1"]
    assert against_price(clusters([1.0]).clear(), "x", 1.0, "J", "energy").chart is None


def test_clusters_of_one_replication_have_no_whiskers():
    none = pl.Series([None, None], dtype=pl.Float64)
    figure = against_price(clusters([1.0, 2.0], low=none, high=none), "x", 1.5, "USD/h", "price")
    assert figure.note.endswith("uncertain. Of one replication.")
    assert against_price(clusters([1.0]), "x", 1.5, "USD/h", "price").note.endswith("over the replications.")


@pytest.mark.parametrize(
    ("path", "axis"),
    [
        ("sla.satisfaction", {"format": ".1%", "tickCount": 5}),
        ("latency_s.attainment", {"format": ".1%", "tickCount": 5}),
        ("models.small.share", {"format": ".1%", "tickCount": 5}),
        ("cost.per_request", {"tickCount": 5, "labelOverlap": "greedy"}),
        ("latency_s.ttft.p95", {"labelExpr": SECONDS, "tickCount": 5}),
    ],
)
def test_axes_are_labelled_as_figures_are_read(path, axis):
    figure = against_price(clusters([0.7, 0.9]), path, 0.8, "USD/h", "price")
    assert layer_of(figure, "met")["encoding"]["y"]["axis"] == axis


@pytest.mark.parametrize(("answer", "align", "dx"), [(0, "left", 8), (1, "left", 8), (2, "right", -8)])
def test_the_answers_name_stands_where_there_is_room(answer, align, dx):
    table = clusters([1.0, 2.0, 3.0], answer=[k == answer for k in range(3)])
    mark = layer_of(against_price(table, "x", 1.5, "USD/h", "price"), "value-label")["mark"]
    assert (mark["align"], mark["dx"], mark["dy"]) == (align, dx, -14)


def test_times_begin_at_0_and_end_above_bound_and_intervals():
    figure = against_price(clusters([0.2, 2.0]), "latency_s.ttft.p95", 1.0, "USD/h", "price")
    assert layer_of(figure, "met")["encoding"]["y"]["scale"]["domain"] == [0.0, pytest.approx(1.06 * 2.5)]
    assert [row["low"] for row in drawn(figure, "whisker")[0][1]] == [0.0, 1.5], "no time is below 0"


@pytest.mark.parametrize(("least", "kind"), [(0.2, None), (0.19, "log")])
def test_orders_of_magnitude_are_on_a_logarithmic_axis(least, kind):
    figure = against_price(clusters([least, 10.0]), "cost.per_request", 1.0, "J", "energy of a run")
    assert layer_of(figure, "met")["encoding"]["y"]["scale"].get("type") == kind
    low = drawn(figure, "whisker")[0][1][0]["low"]
    assert low == (0.0 if kind is None else pytest.approx(least / 2))


@pytest.mark.parametrize(("answer", "align"), [(0, "left"), (2, "right")])
def test_the_answer_is_named_where_there_is_room(answer, align):
    marked = [k == answer for k in range(3)]
    figure = against_price(clusters([1.0, 2.0, 3.0], answer=marked), "x", 2.0, "J", "energy")
    layer = layer_of(figure, "value-label")
    assert layer["mark"]["align"] == align
    assert [row["cluster"] for row in layer["data"]["values"]] == [f"c{answer}"]


# ---- conditions -----------------------------------------------------------------------------------------


def test_who_keeps_the_promise_where_is_a_dot_as_full_as_often_as_it_does():
    cells = pl.DataFrame(
        {
            "condition": ["late", "late", "sparse", "sparse"],
            "policy": ["a", "b", "a", "b"],
            "share": [1.0, 0.5, 0.0, 0.99],
            "told": ["2 of 2", "1 of 2", "0 of 2", "99 of 100"],
        }
    )
    figure = kept_chart(cells, ["b", "a"])
    assert figure.description == ("1 of 4 pairs of a policy and a condition keep the promise in every replication.")
    ((dot, rows),) = drawn(figure, "dot")
    assert (dot["x"], dot["y"], dot["fillOpacity"]) == ("condition", "policy", "share")
    assert len(rows) == 4
    assert layer_of(figure, "dot")["encoding"]["y"]["scale"]["domain"] == ["b", "a"]


def test_ranks_have_lines_where_there_are_replications():
    standings = pl.DataFrame({"policy": ["a", "b"], "rank": [1.25, 1.75], "low": [1.0, 1.5], "high": [1.5, 2.0]})
    figure = ranks_chart(standings)
    assert figure.description == "Mean ranks of 2 policies; the best is a, 1.25."
    ((whisker, _),) = drawn(figure, "whisker")
    assert (whisker["x"], whisker["x2"], drawn(figure, "dot")[0][0]["x"]) == ("low", "high", "rank")
    assert "95 % intervals" in figure.note
    one = standings.with_columns(low=pl.lit(None, pl.Float64), high=pl.lit(None, pl.Float64))
    assert "95 % intervals" not in ranks_chart(one).note
