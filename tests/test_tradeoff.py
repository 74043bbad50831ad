"""Cost against satisfaction: every name can be read, and stands at its point."""

import itertools

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messsim.plot.figure import themed
from messsim.plot.labels import DOT, PLACES, placed
from messsim.plot.tradeoff import WIDTHS, _labels, tradeoff

WIDTH, HEIGHT = 400.0, 300.0
positions = st.tuples(st.floats(0, WIDTH), st.floats(0, HEIGHT))


def apart(a, b):
    return a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_points_are_labelled_by_what_makes_them_differ():
    drawn = pl.DataFrame({"policy": ["mess+", "random"], "router.V": [1e-3, 0.5]})
    assert _labels(drawn, ["policy"]) == ["mess+", "random"]
    assert _labels(drawn, ["router.V"]) == ["V = 0.001", "V = 0.5"]
    assert _labels(drawn, ["policy", "router.V"]) == ["mess+, 0.001", "random, 0.5"]


@given(st.lists(st.tuples(positions, st.text("abc", max_size=30)), max_size=25))
@settings(deadline=None, derandomize=True)
def test_names_cover_nothing(dots):
    places = placed([d for d, _ in dots], [n for _, n in dots], WIDTH, HEIGHT)
    assert len(places) == len(dots)
    boxes = [PLACES[k].box(*dot, len(name)) for k, (dot, name) in zip(places, dots, strict=True) if k is not None]
    assert all(apart(a, b) for a, b in itertools.combinations(boxes, 2))
    marks = [(x - DOT, y - DOT, x + DOT, y + DOT) for (x, y), _ in dots]
    assert all(apart(box, mark) for box in boxes for mark in marks)
    assert all(box[0] >= 0 and box[2] <= WIDTH and box[1] >= 0 and box[3] <= HEIGHT for box in boxes)
    assert all(k is None for k, (_, name) in zip(places, dots, strict=True) if not name)


def test_a_name_finds_the_free_side():
    assert placed([(200, 150)], ["alone"], WIDTH, HEIGHT) == [0]
    assert PLACES[placed([(395, 150)], ["right"], WIDTH, HEIGHT)[0]].align == "right"
    crossed = PLACES[placed([(200, 150)], ["alone"], WIDTH, HEIGHT, [140.0])[0]]
    assert not crossed.box(200, 150, 5)[1] < 140.0 < crossed.box(200, 150, 5)[3]
    everywhere = [float(y) for y in range(0, 300, 5)]
    assert placed([(200, 150)], ["alone"], WIDTH, HEIGHT, everywhere) == [0], "better crossed than none"
    assert placed([(200, 150)] * 20, ["same"] * 20, WIDTH, HEIGHT)[-1] is None


def points(rows, keys):
    """A row of each: values of the keys, cost, satisfaction."""
    columns = {k: [row[0][i] for row in rows] for i, k in enumerate(keys)}
    spans = {f"cost_{p}": [float(row[1]) for row in rows] for p in ("mean", "low", "high")}
    spans |= {f"satisfaction_{p}": [float(row[2]) for row in rows] for p in ("mean", "low", "high")}
    return pl.DataFrame({"point": [f"point {k}" for k in range(len(rows))]} | columns | spans)


def names(figure):
    """Of each width: name -> (cost, satisfaction)."""
    layers = [layer for layer in themed(figure).to_dict()["layer"] if layer["mark"].get("style") == "value-label"]
    collected = {}
    for layer in layers:
        for row in layer["data"]["values"]:
            seen = collected.setdefault(layer["mark"]["opacity"]["expr"], {})
            seen[row["label"]] = (row["cost_mean"], row["satisfaction_mean"])
    return collected


def test_every_point_of_a_small_study_is_named_at_every_width():
    rows = [((1e-5,), 3.0, 0.7), ((1e-4,), 2.0, 0.6), ((1e-3,), 1.0, 0.5)]
    result = names(tradeoff(points(rows, ["router.V"]), ["router.V"], "J", [0.6]))
    assert len(result) == len(WIDTHS)
    for seen in result.values():
        assert seen == {"V = 0.00001": (3, 0.7), "V = 0.0001": (2, 0.6), "V = 0.001": (1, 0.5)}


def test_a_name_stands_in_one_place_at_each_width():
    rows = [((f"p{k}",), float(k), 0.5 + k / 10) for k in range(3)]
    figure = themed(tradeoff(points(rows, ["policy"]), ["policy"], "J", [])).to_dict()
    for style in ("value-label", "halo"):
        drawn = [
            (layer["mark"]["opacity"]["expr"], row["label"])
            for layer in figure["layer"]
            if layer["mark"].get("style") == style
            for row in layer["data"]["values"]
        ]
        assert len(drawn) == len(set(drawn)) == len(WIDTHS) * len(rows)


def test_points_of_several_keys_are_named_by_their_values():
    keys = ['models."llama-3.1-8b".replicas', "policy"]
    rows = [((1, "mess+"), 1.0, 0.5), ((2, None), 2.0, 0.6)]
    figure = tradeoff(points(rows, keys), keys, "J", [])
    assert set(next(iter(names(figure).values()))) == {"1, mess+", "2, none"}
    assert f"Names: the values of {keys[0]}, policy." in figure.note


def test_where_room_is_scarce_points_that_no_other_beats_are_named():
    rows = [((f"worse {k}",), 5.0, 0.5) for k in range(300)] + [(("best",), 5.0, 0.5001)]
    for seen in names(tradeoff(points(rows, ["policy"]), ["policy"], "J", [0.5])).values():
        assert "best" in seen
        assert len(seen) < 20


def test_a_study_without_costs_has_nothing_to_draw():
    nothing = points([(("a",), 1.0, 0.5)], ["policy"]).with_columns(cost_mean=pl.lit(None, pl.Float64))
    assert tradeoff(nothing, ["policy"], "J", [0.5]).chart is None


@pytest.mark.parametrize("value", [0.0, 5.0])
def test_one_point_is_drawn(value):
    figure = tradeoff(points([(("a",), value, value / 10)], ["policy"]), ["policy"], "J", [])
    assert all(seen == {"a": (value, value / 10)} for seen in names(figure).values())
