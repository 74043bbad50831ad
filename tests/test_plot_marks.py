"""What stands beside curves: phases and failures where they happen, names that are long, legends, a point alone."""

import polars as pl
import pytest

from messsim.plot import parts
from messsim.plot.charts import latency, replicas
from messsim.plot.figure import library
from messsim.plot.marks import Marks, OutageMark, PhaseMark, _labels

# ---- phases and failures --------------------------------------------------------------------------------

TIMELINE = pl.DataFrame({"request": [0, 50, 100], "time_s": [0.0, 10.0, 40.0]})


def test_phases_stand_where_they_begin_on_either_axis():
    marks = Marks(
        [PhaseMark("a", 75, None), PhaseMark("b", None, 5.0), PhaseMark("late", 101, None), PhaseMark("x", None, 41.0)]
    )
    assert marks._lines(TIMELINE, "request", 1.0) == [
        {"at": 75.0, "what": "a", "number": 1},
        {"at": 25.0, "what": "b", "number": 2},
    ]
    assert [line["at"] for line in marks._lines(TIMELINE, "time_s", 5.0)] == [5.0, 1.0]


@pytest.mark.parametrize(
    ("names", "note"),
    [
        (["a", "b"], "phases begin: 1 a, 2 b."),
        (["phase 1", "b"], "phases begin: 2 b."),
        (["phase 1", "phase 2"], "phases begin, by their number."),
        ([f"p{k}" for k in range(10)], f"phases begin: {', '.join(f'{k + 1} p{k}' for k in range(8))}, and 2 more."),
    ],
)
def test_phases_are_told_by_the_numbers_at_their_lines(names, note):
    assert Marks([PhaseMark(name, 0, None) for name in names]).note() == f" Dotted lines: {note}"


def test_failures_are_shades_up_to_the_end_of_the_run():
    marks = Marks([], [OutageMark("p", 3, 10.0, 25.0, True), OutageMark("q", 0, 40.0, 99.0, False)])
    assert marks._shades(TIMELINE, "time_s", 10.0) == [
        {"from": 1.0, "to": 2.5, "what": "p, replica 3 (planned)"},
        {"from": 4.0, "to": 4.0, "what": "q, replica 0"},
    ]
    assert marks._shades(TIMELINE, "request", 1.0)[0] == {"from": 50.0, "to": 75.0, "what": "p, replica 3 (planned)"}
    assert marks.note() == " Red bands: a replica is down; darker: several are."
    assert marks.note(filled=True) == " Red, along the top: a replica is down; darker: several are."
    assert Marks().note() == ""


def lines_at(*places):
    return [{"at": at, "what": "a long name of a phase", "number": k} for k, at in enumerate(places, 1)]


@pytest.mark.parametrize(
    ("places", "scale", "labels"),
    [
        ([10.0, 50.0], 1.0, [(10.0, "1", "left"), (50.0, "2", "left")]),
        # a letter takes 8 of 250 pixels, and as much room: 6.4 of 100 requests
        ([10.0, 16.3, 50.0], 1.0, [(10.0, "1-2", "left"), (50.0, "3", "left")]),
        ([10.0, 16.5, 50.0], 1.0, [(10.0, "1", "left"), (16.5, "2", "left"), (50.0, "3", "left")]),
        ([10.0, 12.0, 22.0, 50.0], 1.0, [(10.0, "1-3", "left"), (50.0, "4", "left")]),
        ([1.0, 1.63], 10.0, [(1.0, "1-2", "left")]),
        ([0.0, 99.0], 1.0, [(0.0, "1", "left"), (99.0, "2", "right")]),
        ([], 1.0, []),
    ],
)
def test_numbers_that_would_touch_stand_together_and_none_leaves_the_chart(places, scale, labels):
    drawn = _labels(lines_at(*places)[::-1], TIMELINE, "request", scale)
    assert [(label["at"], label["text"], label["align"]) for label in drawn] == labels


# ---- long names, and little to draw ----------------------------------------------------------------------


def test_of_a_long_name_both_ends_are_shown():
    assert parts.shortened(9) == (
        "length(datum.label) > 9 ? slice(datum.label, 0, 3) + '…' + slice(datum.label, -5) : datum.label"
    )


def test_a_line_of_one_point_is_a_point():
    x, y = parts.requests_axis(1), "share:Q"
    one = pl.DataFrame({"request": [0], "share": [0.5], "curve": ["a"]})
    two = pl.DataFrame({"request": [0, 1], "share": [0.5, 0.6], "curve": ["a", "a"]})
    drawn = [parts.lines(long, x, y, series="curve", names=["a"]).to_dict()["mark"] for long in (one, two)]
    assert [mark["point"] for mark in drawn] == [True, False]


def test_requests_are_counted_in_whole_numbers():
    assert parts.requests_axis(1).to_dict()["axis"]["labelExpr"].startswith("datum.value % 1 ? '' : ")


def test_dashes_are_told_apart_only_where_there_are_several():
    assert replicas._dashes(["up"]).to_dict()["legend"] is None
    two = replicas._dashes(["up", "draining"]).to_dict()
    assert two["scale"] == {"domain": ["up", "draining"], "range": [[1, 0], [7, 2, 1, 2]]}
    assert two["legend"] == {"symbolType": "stroke"}


def test_no_share_of_answers_is_above_all_of_them():
    assert latency.AT_MOST_ALL == "datum.value > 1 ? '' : datum.label"
    assert parts.haloed(alt_chart(), align="left")[0].to_dict()["mark"] == {
        "type": "text",
        "align": "left",
        "style": "mark-halo",
    }


def alt_chart():
    return library().Chart(parts.rows(pl.DataFrame({"a": [1]})))
