"""Parts of charts without drawing: ticks, names, domains, bars and tables, worked out by hand."""

from types import SimpleNamespace

import polars as pl
import pytest
from runs import merged, summary_by_hand

from messsim.plot import parts, replications
from messsim.plot import pools as of_pools
from messsim.plot.charts import answers, cost, latency, replicas
from messsim.plot.charts import satisfaction as promise
from messsim.plot.digest import by_request, latency_bins, latency_by_time, sliced, thinned
from messsim.plot.labels import PLACES, Place, placed
from messsim.plot.points import _extremes, _from_zero, _height, along, forest, in_words, possible
from messsim.plot.replications import _domain as bands_domain
from messsim.plot.signs import with_signs
from messsim.plot.tradeoff import _beaten, _domain, _note, _pixel, _shown, tradeoff
from messsim.plot.tradeoff import _labels as labels_of

# ---- ticks and titles -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("least", "most", "values"),
    [
        (1, 10, [1, 2, 5, 10]),
        (2, 49, [2, 5, 10, 20]),
        (0.05, 0.5, [0.05, 0.1, 0.2, 0.5]),
        (3, 4, []),
        (1e-3, 1e-3, [1e-3]),
    ],
)
def test_ticks_are_one_two_and_five_times_powers_of_ten(least, most, values):
    assert parts._round_numbers(least, most) == values


@pytest.mark.parametrize(
    ("last_s", "unit", "size"),
    [
        (119.9, "seconds", 1.0),
        (120.0, "minutes", 60.0),
        (7199.0, "minutes", 60.0),
        (7200.0, "hours", 3600.0),
        (172_800.0, "days", 86_400.0),
    ],
)
def test_time_is_told_from_two_of_a_unit_on(last_s, unit, size):
    assert parts.time_unit(last_s) == (unit, size)


def test_the_middle_of_a_slice_is_in_its_unit():
    middle, unit, size = parts.middles(pl.DataFrame({"from_s": [0.0, 600.0], "to_s": [600.0, 1200.0]}))
    assert (unit, size) == ("minutes", 60.0)
    frame = pl.DataFrame({"from_s": [0.0, 600.0], "to_s": [600.0, 1200.0]}).select(middle)
    assert frame["time"].to_list() == [5.0, 15.0]


@pytest.mark.parametrize(
    ("text", "title"),
    [('a "b"', 'a "b"'), ("a\\b", "a\\\\b"), ("a\nb", r"a\u240ab"), ("a\x1bb", r"a\u241bb"), ("plain", "plain")],
)
def test_titles_of_tooltips_escape_what_ends_an_expression(text, title):
    assert parts.tip_title(text) == title


def test_lines_side_by_side_have_numbers_for_names():
    long = pl.DataFrame({"t": [1, 0, 0], "s": ["b", "a", "b"], "v": [3.0, 1.0, 2.0]})
    wide, tips = parts.side_by_side(long, "t", "s", "v", ["b", "a", "c"], ".1f")
    assert wide.columns == ["t", "series 0", "series 1"]
    assert wide.rows() == [(0, 2.0, 1.0), (1, 3.0, None)]
    assert [t.to_dict()["title"] for t in tips] == ["b", "a"]


def test_names_beyond_eight_are_others():
    names = [f"m{k}" for k in range(9)]
    frame = pl.DataFrame({"model": names, "n": [9.0, 8.0, 0.5, 7.0, 6.0, 5.0, 4.0, 0.25, 3.0]})
    few, kept = parts.folded(frame, "model", names, "n")
    assert kept == ["m0", "m1", "m3", "m4", "m5", "m6", "m8", "others"]
    assert few["model"].to_list() == ["m0", "m1", "others", "m3", "m4", "m5", "m6", "others", "m8"]
    weights = dict(zip(names, range(9), strict=True))
    assert parts.folded(frame, "model", names, "n", weights)[1] == [*names[2:], "others"]
    assert parts.folded(frame.head(8), "model", names[:8], "n")[1] == names[:8]


def test_up_to_two_lines_differ_by_grey_and_more_by_dashes_too():
    assert set(parts.distinct("s", ["a", "b"])) == {"color"}
    assert set(parts.distinct("s", ["a", "b", "c"])) == {"color", "strokeDash"}
    assert set(parts.distinct("s", ["a", "b", "c"], models=True)) == {"color"}
    dashes = parts.distinct("s", list("abcde"))["strokeDash"].to_dict()["scale"]["range"]
    assert dashes == [[1, 0], [1, 0], [8, 3], [8, 3], [4, 3]]


def test_axes_of_requests_end_at_the_last():
    assert parts.requests_axis(100).to_dict()["scale"]["domain"] == [0, 99]
    assert parts.requests_axis(0).to_dict()["scale"]["domain"] == [0, 1]
    assert parts.log_requests_axis(0, 0).to_dict()["scale"]["domain"] == [1, 2]
    axis = parts.log_requests_axis(4, 60).to_dict()
    assert (axis["scale"]["domain"], axis["axis"]["values"]) == ([4, 60], [5, 10, 20, 50])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a\x00b\nc", "a␀b␊c"),
        ("\x7f", "␡"),
        ("\u2028\ud800", "\ufffd\ufffd"),
        ({"k\t": ["\x1b", 1, None]}, {"k␉": ["␛", 1, None]}),
    ],
)
def test_what_a_picture_cannot_hold_has_a_sign(value, expected):
    assert with_signs(value) == expected


# ---- labels ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("align", "box"),
    [
        ("left", (110.0, 12.5, 143.0, 27.5)),
        ("right", (77.0, 12.5, 110.0, 27.5)),
        ("center", (93.5, 12.5, 126.5, 27.5)),
    ],
)
def test_the_box_of_a_label_goes_by_its_end(align, box):
    assert Place(align, 10.0, -5.0).box(100.0, 25.0, 5) == pytest.approx(box)


def test_labels_take_the_first_place_that_is_free():
    assert placed([(100.0, 100.0)], ["abc"], 300.0, 300.0) == [0]
    assert placed([(290.0, 100.0)], ["abc"], 300.0, 300.0) == [1], "to the left at the right end"
    assert placed([(100.0, 5.0)], ["abc"], 300.0, 300.0) == [2], "below at the top"
    assert placed([(100.0, 100.0)], [""], 300.0, 300.0) == [None]
    assert placed([(5.0, 5.0)], ["a long name"], 20.0, 20.0) == [None]
    first, second = placed([(100.0, 100.0), (100.0, 100.0)], ["abc", "abc"], 300.0, 300.0)
    assert (first, second) == (0, 1), "those that come first choose first"
    boxes = [PLACES[k].box(100.0, 100.0, 3) for k in (first, second)]
    assert boxes[1][2] <= boxes[0][0]
    assert placed([(100.0, 100.0), (114.0, 92.0)], ["abc", ""], 300.0, 300.0) == [1, None], "no dot is covered"


# ---- points ---------------------------------------------------------------------------------------------


def points(**more):
    columns = {"point": ["a", "b"], "router.V": [1.0, 2.0]}
    for name in ("cost", "satisfaction", "margin"):
        columns |= {f"{name}_mean": [0.5, 0.75], f"{name}_low": [-0.25, 0.5], f"{name}_high": [1.25, 1.0]}
        columns |= {f"{name}_each": [[0.5], [0.75]]}
    return pl.DataFrame(columns | more)


def test_points_of_one_replication_have_no_whiskers():
    none = pl.Series([None, None], dtype=pl.Float64)
    one = points(**{f"{n}_{end}": none for n in ("cost", "margin") for end in ("low", "high")})
    for name in ("cost", "margin"):
        figure = forest(one, name)
        assert "rule" not in [
            layer["mark"]["type"] for layer in figure.chart.to_dict()["layer"] if layer["mark"]["style"] == "whisker"
        ]
        assert figure.note.startswith("Dots: of one replication.")
        single = forest(one.head(1), name)
        assert single.note.startswith("Dots: of one replication.")
        assert "Strokes" not in single.note
        assert len(single.chart.to_dict()["layer"]) == len(figure.chart.to_dict()["layer"])
    assert forest(points(), "cost").note.startswith("Dots: means over the replications, with their 95 % intervals.")


def test_what_explains_a_chart_speaks_of_whiskers_where_there_are_some():
    none = pl.Series([None, None], dtype=pl.Float64)
    one = points(**{f"{n}_{end}": none for n in ("cost", "satisfaction") for end in ("low", "high")})
    assert tradeoff(points(), ["router.V"], "J", []).note.startswith(
        "Up and to the left is better. Whiskers: 95 % intervals over the replications."
    )
    note = tradeoff(one, ["router.V"], "J", []).note
    assert note.startswith("Up and to the left is better. Dots: of one replication.")
    assert "intervals" not in note
    assert along(points(), ["router.V"], "router.V", "cost").note.startswith(
        "Means over the replications with their 95 %"
    )
    assert along(one, ["router.V"], "router.V", "cost").note == "Of one replication."


def test_what_is_promised_is_told_above_the_whiskers():
    drawn = tradeoff(points(), ["router.V"], "J", [0.6]).chart.to_dict()["layer"]
    styles = [layer["mark"]["style"] for layer in drawn]
    assert styles.index("promise") < styles.index("whisker") < styles.index("promise-halo")
    assert styles.index("promise-halo") < styles.index("promise-label") < styles.index("dot")


def test_intervals_hold_only_what_can_be():
    assert possible(points(), "cost")["cost_low"].to_list() == [0.0, 0.5]
    assert possible(points(), "cost")["cost_high"].to_list() == [1.25, 1.0]
    assert possible(points(), "satisfaction")["satisfaction_high"].to_list() == [1.0, 1.0]
    assert possible(points(), "margin")["margin_low"].to_list() == [-0.25, 0.5]


def test_a_figure_in_words_has_its_interval():
    words = points(cost_low=[None, 0.5]).select(in_words("cost").alias("x"), in_words("margin").alias("y"))
    assert words["x"].to_list() == ["0.5", "0.75 (0.5 to 1)"]
    assert words["y"][1] == "+75.00 points (+50.00 points to +100.00 points)"


def test_axes_of_costs_begin_at_nothing_and_have_room_for_the_most():
    assert _from_zero(points(), "cost").to_dict()["domain"] == pytest.approx([0.0, 1.05 * 1.25])
    runs = pl.DataFrame({"one": [2.0, None]})
    assert _from_zero(points(), "cost", runs).to_dict()["domain"] == pytest.approx([0.0, 2.1])
    assert _from_zero(points().clear(), "cost").to_dict()["domain"] == [0.0, 1.0]
    assert _from_zero(points(), "satisfaction") is None


def test_the_height_goes_by_points_and_their_keys():
    assert _height([]) == _height(["a"]) == _height(["a", "b"]) == 26 * 2 + 20
    assert _height(["x = 1, y = 2", "b", "c"]) == 38 * 3 + 20


def test_the_least_and_the_most_are_named():
    drawn = pl.DataFrame({"point": ["a", "b", "c"], "x": [2.0, 1.0, 3.0], "told": ["two", "one", "three"]})
    assert _extremes(drawn) == "least one for b, most three for c"
    assert _extremes(drawn.clear()) == "none has it"


def test_no_tooltip_tells_a_thing_twice():
    for figure in (forest(points(), "cost", "J"), along(points(), ["router.V"], "router.V", "cost", "J")):
        for layer in figure.chart.to_dict(validate=False)["layer"]:
            tips = [t["field"] for t in layer["encoding"].get("tooltip", [])]
            assert len(tips) == len(set(tips))


# ---- cost against satisfaction --------------------------------------------------------------------------


def test_both_axes_hold_points_promises_and_oracles():
    assert _domain(points(), [0.0, 3.0], [0.6]) == [(-0.25, 3.0), (-0.25, 1.25)]
    flat = points().head(1).with_columns(pl.lit(0.5).alias(f"cost_{p}") for p in ("mean", "low", "high"))
    (low, high), _ = _domain(flat, [0.5], [])
    assert (low, high) == pytest.approx((0.495, 0.505)), "a hundredth of room where all are alike"
    assert _domain(points().clear(), [], []) == [(-0.01, 0.01), (-0.01, 0.01)]


def test_a_point_is_beaten_by_one_that_is_no_worse_and_somewhere_better():
    drawn = pl.DataFrame({"cost_mean": [1.0, 1.0, 2.0, 2.0], "satisfaction_mean": [0.5, 0.6, 0.6, 0.7]})
    assert [_beaten(drawn, i) for i in range(4)] == [True, False, True, False]
    assert not _beaten(pl.concat([drawn.tail(1)] * 2), 0), "alike is not better"


def test_pixels_have_a_margin_on_both_sides():
    assert [_pixel(v, (1.0, 3.0), 248.0) for v in (1.0, 2.0, 3.0)] == [24.0, 124.0, 224.0]


def test_names_are_shown_from_one_width_to_the_next():
    assert [s["expr"] for s in _shown()] == [
        "width >= 0 && width < 480 ? 1 : 0",
        "width >= 480 && width < 760 ? 1 : 0",
        "width >= 760 && width < 1e+09 ? 1 : 0",
    ]


def test_points_are_labelled_by_their_keys():
    drawn = pl.DataFrame({"policy": ["p", "q"], 'models."8b".replicas': [1, 2], "router.V": [1e-5, None]})
    assert labels_of(drawn, ["policy"]) == ["p", "q"]
    assert labels_of(drawn, ['models."8b".replicas']) == ["replicas = 1", "replicas = 2"]
    assert labels_of(drawn, ["policy", "router.V"]) == ["p, 0.00001", "q, none"]


def test_the_note_says_what_there_is():
    assert "Names: the values of a, b." in _note(["a", "b"], False, False)
    alone = _note(["a"], False, False)
    assert "Names:" not in alone
    assert "Dashed" not in alone
    assert _note(["a"], True, False).endswith(" Dashed: the promise.")
    assert _note(["a"], False, True).endswith(
        "Dotted: what oracles, which know more than a router can, pay for as much."
    )


# ---- bars of costs --------------------------------------------------------------------------------------


def test_what_was_spent_is_by_answer_and_adds_up():
    summary = summary_by_hand(**{"requests.completed": 1000, "cost.lost": 1000.0})
    assert cost._spent(summary) == [
        {"kind": "this run", "part": "answers", "cost": 8.0},
        {"kind": "this run", "part": "exploring", "cost": 0.5},
        {"kind": "this run", "part": "lost", "cost": 1.0},
        {"kind": "this run", "part": "idle", "cost": 2.5},
    ]
    bare = {"requests.completed": 1000, "cost.exploration": 0.0, "cost.idle": None, "cost.total": 0.0}
    assert cost._spent(summary_by_hand(**bare)) == [{"kind": "this run", "part": "answers", "cost": 0.0}]
    assert cost._spent(summary_by_hand(**{"requests.completed": 0})) == []


RIVALS = {"left_out": None, "best_single": {"model": "70b", "per_request": 20.0}, "static_mix": {"per_request": 15.0}}


def bars(**changes):
    return {b["kind"]: b["cost"] for b in cost._rivals(summary_by_hand(**changes))}


def test_rivals_are_simulated_choices_and_without_servers_oracles():
    assert bars() == {}
    assert bars(**{"cost.without_router": RIVALS}) == {"70b alone": 20.0, "best fixed mix": 15.0}
    several = merged(RIVALS, {"best_single.model": None, "static_mix": None})
    assert bars(**{"cost.without_router": several}) == {"one model alone": 20.0}
    oracle = {"clairvoyant": {"at_own": 8.0}, "statistical": None, "feature": {"at_own": None}}
    assert bars(**{"cost.oracle": oracle, "pools": []}) == {"clairvoyant oracle": 8.0}
    assert bars(**{"cost.oracle": oracle}) == {}


def test_the_table_of_costs():
    changes = {"requests.completed": 1000, "cost.without_router": merged(RIVALS, {"static_mix": None})}
    assert cost._table(summary_by_hand(**changes)).rows() == [
        ("total", "12,000 J", "12 J"),
        ("exploring", "500 J", "0.5 J"),
        ("lost work", "0 J", "0 J"),
        ("idle", "2,500 J", "2.5 J"),
        ("70b alone", "-", "20 J"),
    ]
    assert cost._each(5.0, summary_by_hand(**{"requests.completed": 0})) == "-"
    assert cost._each(None, summary_by_hand()) == "-"


# ---- other charts ---------------------------------------------------------------------------------------


def test_bins_are_stacked_in_the_order_of_the_models():
    bins = pl.DataFrame(
        {"model": ["b", "a", "a"], "from_s": [1.0, 1.0, 2.0], "to_s": [2.0, 2.0, 4.0], "count": [1, 2, 5]}
    )
    stacked = latency._stacked(bins, ["a", "b"], 10)
    assert stacked.select("model", "low", "high", "from", "to").rows() == [
        ("a", 0.0, 0.2, "1 s", "2 s"),
        ("b", pytest.approx(0.2), pytest.approx(0.3), "1 s", "2 s"),
        ("a", 0.0, 0.5, "2 s", "4 s"),
    ]
    assert [latency._least(pl.Series([], dtype=pl.Float64)), latency._most(pl.Series([], dtype=pl.Float64))] == [
        1e-3,
        1.0,
    ]
    assert [latency._least(pl.Series([2.0, 3.0])), latency._most(pl.Series([2.0, 3.0]))] == [2.0, 3.0]


def test_the_scale_of_a_share_has_room_for_what_has_settled():
    # all settled: from 0.4 to 0.7, with 0.15 of the 0.3 between on either side
    wide = pl.DataFrame(
        {"satisfaction_running": [0.6] * 100, "certificate": [0.4] * 100, "promise_running": [0.5] * 100}
    )
    assert promise._domain(wide, 0.7) == pytest.approx((0.355, 0.745))
    first = wide.with_columns(satisfaction_running=pl.Series([0.0, 1.0, *[0.6] * 98]))
    assert promise._domain(first, 0.7) == pytest.approx((0.355, 0.745)), "the first two of a hundred do not count"
    assert promise._domain(wide.with_columns(certificate=pl.lit(0.0)), 0.99)[0] == 0.0
    bands = pl.DataFrame({"satisfaction_p05": [0.4] * 100, "satisfaction_p95": [0.7] * 100})
    assert bands_domain(bands, ["satisfaction"], 0.5) == pytest.approx([0.37, 0.73])


@pytest.mark.parametrize(
    ("certificate", "expected"),
    [
        (
            [0.1] * 80 + [0.46, 0.48, 0.47] + [0.49] * 17,
            0.46,
        ),  # just below, where the label is
        ([0.46] * 80 + [0.5] * 20, 0.5),  # on the line, and close to it elsewhere only
        ([0.46] * 80 + [0.2] * 20, 0.5),  # far below
        ([0.46] * 80 + [0.6] * 20, 0.5),  # above
        ([None] * 100, 0.5),  # none: raters err
    ],
)
def test_the_label_of_the_promise_hangs_where_no_curve_crosses_it(certificate, expected):
    thin = pl.DataFrame(
        {"satisfaction_p50": [0.7] * 100, "certificate_p50": certificate},
        schema_overrides={"certificate_p50": pl.Float64},
    )
    assert replications._free_below(thin, ["satisfaction", "certificate"], 0.5, [0.0, 1.0]) == expected


def test_the_label_of_the_promise_takes_the_last_fifth_and_one_row_at_least():
    def below(values):
        return replications._free_below(pl.DataFrame({"satisfaction_p50": values}), ["satisfaction"], 0.5, [0.0, 1.0])

    assert below([0.46, 0.46, 0.48]) == 0.48
    assert below([0.5] * 15 + [0.46, 0.48, 0.48, 0.48, 0.48]) == 0.48
    assert below([0.5] * 15 + [0.48, 0.46, 0.48, 0.48, 0.48]) == 0.46


@pytest.mark.parametrize(
    ("since", "text"), [(None, "is kept never for good."), (1200, "is kept for good from request 1,200 on.")]
)
def test_the_words_of_the_promise(since, text):
    sla = summary_by_hand(**{"sla.time_to_compliance": since})["sla"]
    made = promise._title(sla, 1)
    assert made.startswith(
        "Running share of satisfying answers, 60.00 % at the end, against the promised 50.0 %, which"
    )
    assert made.endswith(text)
    assert promise._title(sla, 3) == f"{made[:-1]}, all 3 tenants taken together."


def test_models_have_a_table_with_utilisation_where_there_are_servers():
    table = answers._models(summary_by_hand())
    assert table.row(0) == ("8b", "742", "75.0 %", "50.0 %", "10 J", "40.0 %")
    assert answers._models(summary_by_hand(pools=[])).columns[-1] == "cost of an answer"


def test_an_area_has_every_model_in_every_slice():
    long = pl.DataFrame(
        {"request": [0, 5], "model": ["a", "b"], "order": [0, 1], "answered": [2, 3], "share": [1.0, 1.0]}
    )
    rows = answers._complete(long, ["a", "b"]).sort("request", "order").select("request", "model", "share").rows()
    assert rows == [(0, "a", 1.0), (0, "b", 0.0), (5, "a", 0.0), (5, "b", 1.0)]


def run(timeline=None, requests=None, **changes):
    return SimpleNamespace(summary=summary_by_hand(**changes), timeline=timeline, requests=requests)


POOLS = [{"name": "8b", "replicas": 3}, {"name": "70b", "replicas": 1}]


def test_pools_have_the_colours_of_models_of_the_same_names_in_order():
    assert of_pools.are_models(run(), ["8b", "70b"])
    assert not of_pools.are_models(run(), ["70b", "8b"])
    assert not of_pools.are_models(run(), ["8b"])


def test_pools_that_change_their_size_have_columns_of_their_own():
    timeline = pl.DataFrame({"replicas_up_8b": [0, 0], "replicas_loading_8b": [0, 1], "replicas_draining_8b": [0, 0]})
    made = run(timeline, pools=POOLS)
    assert replicas.changes_size(made) == ["8b"]
    seen = [replicas.phase_is_seen(p, f"replicas_{p}_8b", made) for p in ("up", "loading", "draining")]
    assert seen == [True, True, False]
    pools = [p | {"mean_replicas": 1.5} for p in POOLS]
    assert replicas._table(run(timeline, pools=pools), ["8b"]).rows() == [("8b", "3", "1.5")]


# ---- digests --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "most", "kept"), [(4, 4, [0, 1, 2, 3]), (5, 4, [0, 2, 4]), (6, 4, [0, 2, 4, 5]), (0, 4, [])]
)
def test_thinned_are_every_kth_and_the_last(rows, most, kept):
    assert thinned(pl.DataFrame({"k": range(rows)}, {"k": pl.Int64}), most)["k"].to_list() == kept


def test_a_timeline_in_slices_weighs_power_by_time_and_hits_by_tokens():
    timeline = pl.DataFrame(
        {
            "time_s": [1.0, 2.0, 60.0, 120.0],
            "in_system_p": [2, 4, 6, 8],
            "power_w_p": [10.0, 40.0, None, 5.0],
            "hit_rate_p": [0.5, 0.75, 0.25, None],
            "started_prompt_tokens_p": [100, 200, 300, 300],
        }
    )
    made = sliced(run(timeline))  # a second a slice
    assert made["slice"].to_list() == [1, 2, 60, 119], "the last one has both its ends"
    assert made.select("from_s", "to_s").row(0) == (1.0, 2.0)
    assert made["in_system_p"].to_list() == [2.0, 4.0, 6.0, 8.0]
    assert made["power_w_p"].to_list() == [None, 40.0, None, 5.0], "of no time there is none"
    assert made["hit_rate_p"].to_list() == [None, 0.75, 0.25, None]


def test_a_run_in_which_no_time_passes_is_one_slice_of_a_second():
    timeline = pl.DataFrame({"time_s": [0.0, 0.0], "in_system_p": [1, 4], "power_w_p": [10.0, 40.0]})
    assert sliced(run(timeline)).select("slice", "from_s", "to_s", "in_system_p").rows() == [(0, 0.0, 1.0, 2.5)]
    nothing = timeline.clear()
    assert sliced(run(nothing)).rows() == []


REQUESTS = pl.LazyFrame(
    {
        "id": [0, 1, 2, 3],
        "status": ["completed", "completed", "rejected", "completed"],
        "model": ["a", "b", None, "a"],
        "satisfied": [1.0, 0.5, None, 1.0],
        "arrival_s": [0.0, 1.0, 2.0, 120.0],
        "start_s": [0.0, 2.0, None, 120.0],
        "first_token_s": [1.0, 5.0, None, 121.5],
        "finish_s": [1.0, 13.0, None, 123.5],
        "output_tokens": [1, 5, None, 3],
    }
)


def test_answers_are_counted_by_slice_and_group():
    made = run(requests=REQUESTS, **{"requests.arrived": 240})
    assert by_request(made, "model").rows() == [(0, "a", 1, 1.0), (0, "b", 1, 0.5), (2, "a", 1, 1.0)], "two a slice"


@pytest.mark.parametrize(
    ("name", "bins"),
    [
        ("ttft", [("a", 1.0, 1), ("a", 2**0.5, 1), ("b", 4.0, 1)]),
        ("tpot", [("a", 1.0, 1), ("b", 2.0, 1)]),
        ("e2e", [("a", 1.0, 1), ("a", 2**1.75, 1), ("b", 2**3.5, 1)]),
        ("queueing", [("a", None, 2), ("b", 1.0, 1)]),
    ],
)
def test_latencies_are_counted_in_quarters_of_octaves(name, bins):
    made = run(requests=REQUESTS, accuracy={"warmup_left_out_of_latencies": 0})
    rows = latency_bins(made, name).sort("from_s", "model", nulls_last=False).select("model", "from_s", "count").rows()
    expected = sorted(bins, key=lambda b: (b[1] or 0.0, b[0]))
    assert rows == [(m, None if at is None else pytest.approx(at), n) for m, at, n in expected]
    later = run(requests=REQUESTS, accuracy={"warmup_left_out_of_latencies": 1})
    assert latency_bins(later, name)["count"].sum() == sum(n for _, _, n in bins) - (name != "tpot")


def test_percentiles_are_by_arrival():
    timeline = pl.DataFrame({"time_s": [0.0, 120.0]})
    made = run(timeline, REQUESTS, accuracy={"warmup_left_out_of_latencies": 0})
    table = latency_by_time(made, "ttft", [0.5, 0.95])
    assert table.select("from_s", "to_s", "answers").rows() == [(0.0, 1.0, 1), (1.0, 2.0, 1), (119.0, 120.0, 1)]
    assert table["p50"].to_list() == pytest.approx([1.0, 4.0, 1.5], rel=0.022)
    assert table["p95"].to_list() == table["p50"].to_list()


def test_pools_that_are_named_as_models_are_theirs_and_models_are_ranked_by_answers():
    models = [{"name": "a", "answered": 3, "share": 0.75}, {"name": "b", "answered": 1, "share": 0.25}]
    run = SimpleNamespace(summary={"models": models})
    assert of_pools._answered(run) == {"a": 3, "b": 1}
    assert of_pools.are_models(run, ["a", "b"])
    assert not of_pools.are_models(run, ["b", "a"])
    assert not of_pools.are_models(run, ["a"])
