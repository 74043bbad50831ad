"""What the reports of studies say, word by word, of tables and rows that are made by hand."""

import polars as pl
import pytest
from runs import cells, shown

from messsim.report.study.page import _alone, _curves, _promised, _replicated, _sentence_on_one, _tiles, _what
from messsim.report.study.points import spread, sweep_table
from messsim.report.study.replications import replication_table
from messsim.report.study.requirements import requirement_line, requirement_table
from messsim.report.study.tables import differences_table, failures_table, has, points_table, with_half
from messsim.report.study.verdict import cheapest, level_with_first, undecided
from messsim.shapes.studies import Dearer

# ---- which is cheapest ----------------------------------------------------------------------------------


def points(*names, **columns):
    """Points that cost 1, 2, ... with half an interval of 0.25."""
    n = len(names)
    costs = [float(k + 1) for k in range(n)]
    data = {
        "point": list(names),
        "cost_mean": costs,
        "cost_low": [c - 0.25 for c in costs],
        "cost_high": [c + 0.25 for c in costs],
    }
    return pl.DataFrame(data | columns)


A, B = Dearer("a", 0.0, 0.0), Dearer("b", 2.0, 0.5)


@pytest.mark.parametrize(
    ("lows", "level"),
    [
        ([0.0], 1),
        ([0.0, 0.5], 1),
        ([0.0, 0.0], 2),
        ([0.0, -0.5, 0.5, 0.0], 3),
        ([None, None], 2),
        ([0.5, 0.5], 1),
        ([], 0),
    ],
)
def test_points_whose_difference_may_be_chance_share_the_first_place(lows, level):
    assert len(level_with_first([Dearer(str(k), 1.0, low) for k, low in enumerate(lows)])) == level


@pytest.mark.parametrize(
    ("kept", "dearer", "sentence"),
    [
        (points(), [], "None of the points surely kept the promise to every tenant."),
        (points("a"), [], "None of them has a cost."),
        (points("a"), [A], "a does: 1 ± 0.25 J for an answer."),
        (
            points("a", "b"),
            [A, B],
            "The cheapest of them is a: 1 ± 0.25 J for an answer; the next, b, costs 2 ± 1.5 J more on the same "
            "requests (paired).",
        ),
        (
            points("a", "b"),
            [A, Dearer("b", 2.0, -0.5)],
            "a and b cost about the same, 1 ± 0.25 J for an answer of a: what b costs more on the same requests, "
            "2 ± 2.5 J (paired), may be chance.",
        ),
        (points("a", "b"), [A, Dearer("b", 0.0, 0.0)], "a and b cost the same to the digit: 1 ± 0.25 J for an answer."),
        (
            points("a", "b"),
            [Dearer("a", 0.0, None), Dearer("b", 2.0, None)],
            "a was the cheapest of them in the one replication: 1 ± 0.25 J for an answer; more seeds would tell "
            "chance.",
        ),
        (
            points("b", "a"),
            [A, B],
            "The cheapest of them is a: 2 ± 0.25 J for an answer; the next, b, costs 2 ± 1.5 J more on the same "
            "requests (paired).",
        ),
    ],
)
def test_the_cheapest_in_a_sentence(kept, dearer, sentence):
    assert cheapest(kept, dearer, "J", "points") == sentence


def level(names):
    return cheapest(points(*names), [Dearer(n, float(k), 0.0) for k, n in enumerate(names)], "J", "points")


def test_a_sentence_names_four_points_and_of_several_keys_two():
    assert level("abcd").startswith("a, b, c and d cost about the same")
    assert level("abcdef").startswith("a, b, c, d and 2 more cost about the same")
    assert level(["x = 1, y = 1", "x = 1, y = 2"]).startswith("x = 1, y = 1 and x = 1, y = 2 cost about")
    assert level(["x = 1, y = 1", "b", "c"]).startswith("x = 1, y = 1; b and 1 more cost about")


@pytest.mark.parametrize(
    ("names", "sentences"),
    [
        ([], []),
        (["a"], ["Whether a keeps it, 5 replications do not decide."]),
        (["a", "b"], ["Whether a and b keep it, 5 replications do not decide."]),
        (["a", "b", "c"], ["Whether a, b and c keep it, 5 replications do not decide."]),
        (["x = 1, y = 1", "b"], ["Whether x = 1, y = 1 and b keep it, 5 replications do not decide."]),
        (["x = 1, y = 1", "b", "c"], ["Whether 3 of them keep it, 5 replications do not decide."]),
    ],
)
def test_points_that_are_undecided(names, sentences):
    assert undecided(points(*names), 5) == sentences


# ---- figures with half of their interval ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "mean", "high", "unit", "text"),
    [
        ("cost", 2.0, 2.5, "J", "2 ± 0.5 J"),
        ("cost", 2.0, None, "J", "2 J"),
        ("cost", None, None, "J", "- J"),
        ("cost", 2.0, 4.0, "", "2 ± 2"),
        ("cost", 2.0, 4.5, "J", "2 (0 to 4.5) J"),
        ("satisfaction", 0.6, 0.61, "", "60.00 % ± 1"),
        ("satisfaction", 0.25, 0.75, "", "25.00 % (0 to 75.00 %)"),
        ("margin", 0.01, 0.035, "", "+1.00 points ± 2.5"),
        ("margin", -0.01, 0.015, "", "-1.00 points ± 2.5"),
        ("ttft_p95", 0.5, 0.625, "", "500 ms ± 125 ms"),
        ("e2e_p95", 0.5, 1.5, "", "500 ms (0 to 1.5 s)"),
    ],
)
def test_a_mean_with_half_of_its_interval(name, mean, high, unit, text):
    assert with_half({f"{name}_mean": mean, f"{name}_high": high}, name, unit) == text


def test_a_figure_is_there_where_any_point_has_it():
    frame = pl.DataFrame({"cost_mean": [None, 1.0], "e2e_p95_mean": [None, None]})
    assert [has(frame, n) for n in ("cost", "e2e_p95", "margin")] == [True, False, False]


def study(rows=1, **changes):
    columns = {"kept": [4], "replications": [5], "standing": ["undecided"], "router.V": [1e-4]}
    columns |= {"satisfaction_mean": [0.6], "satisfaction_high": [0.61], "margin_mean": [0.1], "margin_high": [0.11]}
    columns |= {"ttft_p95_mean": [0.5], "ttft_p95_high": [0.625], "e2e_p95_mean": [None], "e2e_p95_high": [None]}
    one = points("a", **columns)
    return pl.concat([one] * rows).with_columns(**changes)


def test_every_point_has_a_row():
    table = points_table(study(2), ["router.V"], "J")
    assert table.caption == "Means ± half of their 95 % intervals"
    assert table.header == [
        *("router.V", "promise", "kept in", "share of answers that satisfy", "margin to the promise"),
        *("cost of an answer, J", "TTFT, 95th percentile"),
    ]
    row = ["0.0001", "undecided", "4 of 5", "60.00 % ± 1", "+10.00 points ± 1", "1 ± 0.25", "500 ms ± 125 ms"]
    assert table.rows == [row] * 2
    assert table.keyed
    assert not points_table(study().with_columns(policy=pl.lit("p")), ["policy"], "J").keyed


def test_figures_of_one_replication_have_no_intervals():
    none = pl.lit(None, pl.Float64)
    alone = study(replications=pl.lit(1)).with_columns(
        none.alias(f"{n}_high") for n in ("satisfaction", "margin", "cost", "ttft_p95")
    )
    table = points_table(alone, ["router.V"], "J")
    assert table.caption == "Figures of one replication"
    assert not any("±" in cell for row in table.rows for cell in row)


@pytest.mark.parametrize(("rows", "left"), [(200, ""), (201, " (the first 200 of 201)")])
def test_of_many_points_the_first_are_in_the_table(rows, left):
    table = points_table(study(rows), ["router.V"], "J")
    assert len(table.rows) == 200
    assert table.caption == f"Means ± half of their 95 % intervals{left}"
    failed = pl.DataFrame({"point": ["p"] * rows, "replication": [1] * rows, "error": ["stopped"] * rows})
    failures = failures_table(failed)
    assert (failures.caption, len(failures.rows)) == (f"Runs that failed{left}", 200)
    assert failures.rows[0] == ["p", "1", "stopped"]
    assert failures.words


def difference(mean, low, high):
    return {"mean": mean, "low": low, "high": high, "count": 5}


@pytest.mark.parametrize(
    ("cost", "cost_text", "tested"),
    [
        (difference(2.0, 1.5, 2.5), "+2 ± 0.5", "dearer"),
        (difference(-2.0, -2.5, -1.5), "-2 ± 0.5", "cheaper"),
        (difference(0.5, 0.0, 1.0), "+0.5 ± 0.5", "undecided"),
        (difference(-0.5, -1.0, 0.0), "-0.5 ± 0.5", "undecided"),
        (difference(2.0, None, None), "+2", "undecided"),
        (None, "-", "undecided"),
    ],
)
def test_differences_to_the_first_policy(cost, cost_text, tested):
    others = {
        "sla.satisfaction": difference(-0.025, -0.05, 0.0),
        "cost.per_request": cost,
        "latency_s.ttft.p95": None,
        "latency_s.e2e.p95": difference(0.25, 0.125, 0.375),
    }
    first, second = {"name": "mess+", "difference": None}, {"name": "random", "difference": others}
    table = differences_table({"cost_unit": "J", "policies": [first, second]})
    assert table.caption == "Less mess+, on the same requests (paired)"
    assert table.header == [
        *("policy", "satisfied, points", "cost, J", "TTFT p95, s", "end to end p95, s", "by the paired test"),
    ]
    assert table.rows == [["random", "-2.5 ± 2.5", cost_text, "-", "+0.25 ± 0.12", tested]]


def test_money_differs_by_a_thousand_requests():
    policies = [{"name": n, "difference": {"cost.per_request": difference(0.002, 0.001, 0.003)}} for n in "ab"]
    table = differences_table({"cost_unit": "USD", "policies": policies})
    assert table.header[2] == "cost, USD per 1,000 requests"
    assert table.rows[0][:3] == ["b", "-", "+2 ± 1"]


# ---- the page -------------------------------------------------------------------------------------------

FACTS = {"name": "s", "seed": 7, "cost_unit": "J", "alpha": None}


@pytest.mark.parametrize(
    ("rivals", "oracles", "policies", "text"),
    [
        (1, 0, False, "Study of 1 point"),
        (2, 0, False, "Study of 2 points"),
        (1, 0, True, "Comparison of 1 policy"),
        (2, 1, True, "Comparison of 2 policies and 1 oracle"),
        (2, 2, True, "Comparison of 2 policies and 2 oracles"),
    ],
)
def test_what_a_study_is_of(rivals, oracles, policies, text):
    assert _what(rivals, oracles, policies) == text


def test_one_scenario_replicated():
    assert _replicated(study(), FACTS) == "5 replications, policy a, seed 7"
    assert _replicated(study(replications=pl.lit(1)), FACTS | {"alpha": 0.5}) == (
        "1 replication, policy a, seed 7, 50.00 % promised"
    )
    assert _alone(study()) == "Promise kept in 4 of 5 replications: undecided"
    assert _alone(study(standing=pl.lit("kept"))) == "Promise kept in 4 of 5 replications"
    assert _sentence_on_one(study(), "J") == "60.00 % ± 1 of answers satisfy; an answer costs 1 ± 0.25 J."
    assert _promised(None) == ""


def test_the_cheapest_has_tiles_unless_chance_hides_it():
    made = {t.name: (t.value, t.note) for t in _tiles(study(), [A, B], "J")}
    assert made == {
        "Its cost of an answer": ("1 J", ""),
        "Its satisfaction": ("60.00 %", ""),
        "Its least margin": ("+10.00 points", "mean over replications"),
        "Its TTFT p95": ("500 ms", ""),
    }
    assert len(_tiles(study(ttft_p95_mean=pl.lit(None)), [A], "J")) == 3
    assert _tiles(study(), [A, Dearer("b", 1.0, 0.0)], "J") == []
    assert _tiles(study(), [], "J") == []


@pytest.mark.parametrize(
    ("values", "figures"), [([1, 2, 3], 2), ([1, 2, 2], 0), ([1.0, 2.0, 3.0], 2), (["a", "b", "c"], 0)]
)
def test_a_key_of_three_numbers_or_more_has_curves(monkeypatch, values, figures):
    drawn = []
    monkeypatch.setattr("messsim.report.study.page.along", lambda p, keys, key, *rest: drawn.append((key, *rest)))
    assert len(_curves(pl.DataFrame({"k": values}), ["k"], "J")) == figures
    assert drawn == [("k", "satisfaction"), ("k", "cost", "J")][:figures]


# ---- a sweep on the terminal ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("interval", "scale", "text"),
    [
        (None, 1.0, "-"),
        ({"mean": None, "low": None, "high": None}, 1.0, "-"),
        ({"mean": 2.0, "low": None, "high": 3.0}, 1.0, "2"),
        ({"mean": 2.0, "low": 1.0, "high": None}, 1.0, "2"),
        ({"mean": 2.0, "low": 1.5, "high": 2.5}, 1.0, "2 ± 0.5"),
        ({"mean": 2.0, "low": 1.5, "high": 2.5}, 1000.0, "2,000 ± 500"),
    ],
)
def test_a_mean_with_its_spread(interval, scale, text):
    assert spread(interval, scale) == text


def swept(points_, failures=(), **changes):
    data = {"scenario": "s", "cost_unit": "USD", "replications": 5, "computed": 8, "resumed": 2}
    return data | {"points": points_, "failures": list(failures)} | changes


def one(point, mean=0.002):
    figures = {"sla.satisfaction": None, "cost.per_request": {"mean": mean, "low": mean / 2, "high": mean * 1.5}}
    return {"point": point, "policy": "mess+", "replications": 5, "figures": figures}


def test_a_sweep_has_a_line_a_point():
    made = shown(sweep_table(swept([one({"router.V": 1e-4}), one({"k": "a b"})]), ["messsim"])).splitlines()
    assert made == [
        "s: 2 points, 10 runs, 2 of them from before",
        "",
        "router.V  k      runs  sla.satisfaction  cost.per_request (USD/1,000 requests)",
        "0.0001    -         5                 -                                  2 ± 1",
        '-         "a b"     5                 -                                  2 ± 1',
        "",
        "mean ± half of the 95 % interval over 5 replications, the same at every point",
    ]


def test_one_point_and_one_replication_of_it():
    made = shown(sweep_table(swept([one({"k": 1})], computed=1, resumed=0, replications=1), ["messsim"])).splitlines()
    assert made[0] == "s: 1 point, 1 run"
    assert made[-1] == "one replication: no interval; --seeds 5 gives one"


def test_where_the_unit_of_costs_is_swept_no_heading_names_it():
    made = shown(sweep_table(swept([one({"cost.unit": "USD"})]), ["messsim"])).splitlines()
    assert made[2].split() == ["cost.unit", "runs", "sla.satisfaction", "cost.per_request"]
    assert made[3].endswith(" 0.002 ± 0.001")


@pytest.mark.parametrize(("count", "more"), [(10, []), (11, ["... and 1 more failed"])])
def test_what_failed_is_told_with_the_command_that_shows_it(count, more):
    failure = {"point": {"k": "a b", "n": 2}, "replication": 3, "error": "it stopped"}
    made = shown(sweep_table(swept([one({"k": 1})], [failure] * count), ["messsim", "run", "my file"])).splitlines()
    command = """  messsim run 'my file' --set 'k="a b"' --set n=2 --replication 3"""
    assert made[6:] == ["failed: it stopped", command] * 10 + more


# ---- replications on the terminal -----------------------------------------------------------------------


def interval(mean, low=None, high=None, count=1):
    return {"mean": mean, "low": low, "high": high, "level": 0.95, "count": count}


def replicated(figures, **changes):
    data = {"scenario": "s", "seed": 7, "cost_unit": "USD", "replications": 5, "precision": None, "of": None}
    return data | {"precise": None, "figures": figures} | changes


def test_the_main_figures_have_their_intervals():
    figures = {
        "models.8b.share": interval(0.5),
        "latency_s.ttft.p95": None,
        "cost.per_request": interval(0.002, 0.001, 0.003, 5),
        "requests.rejected": interval(0.0),
        "requests.lost": interval(2.0, 1.0, 3.0, 5),
        "energy.total_j": interval(1.0),
        "sla.satisfaction": interval(0.6, 0.57, 0.63, 4),
        "models.8b.answered": interval(5.0),
        "sla.shortfall": interval(0.0, 0.0, 0.0, 5),
    }
    made = cells(replication_table(replicated(figures)))
    assert made == [
        ["s: 5 replications of seed 7, costs in USD"],
        ["figure", "mean", "from", "to", "±", "runs"],
        ["sla.satisfaction", "0.6", "0.57", "0.63", "5.00 %", "4"],
        ["sla.shortfall", "0", "0", "0", "-", "5"],
        ["cost.per_request (USD/1,000 requests)", "2", "1", "3", "50.00 %", "5"],
        ["requests.lost", "2", "1", "3", "50.00 %", "5"],
        ["models.8b.share", "0.5", "-", "-", "-", "1"],
        ["95 % intervals over replications (Student); all figures: --json"],
    ]


def test_what_was_asked_to_be_precise_comes_first():
    figures = {"sla.satisfaction": interval(0.6), "energy.total_j": interval(-4.0, -5.0, -3.0, 12)}
    asked = {"precision": 0.015, "of": ['"energy".total_j'], "replications": 12}
    made = cells(replication_table(replicated(figures, **asked, precise=False)))
    assert [row[0] for row in made[2:4]] == ["energy.total_j", "sla.satisfaction"]
    assert made[2][4] == "25.00 %", "of what it is, whatever its sign"
    assert made[-2] == ['"energy".total_j not known to 1.5 % after 12 replications']
    made = cells(replication_table(replicated(figures, **asked, precise=True)))
    assert made[-2] == ['"energy".total_j known to 1.5 %']


def test_one_replication_says_nothing_of_chance():
    made = cells(replication_table(replicated({}, replications=1)))
    assert made[0] == ["s: 1 replication of seed 7, costs in USD"]
    assert made[-1] == ["one replication says nothing of chance; all figures: --json"]


# ---- requirements ---------------------------------------------------------------------------------------


def test_requirements_are_told_with_what_is_to_spare():
    met = {"requirement": "a<2", "value": 1.5, "margin": 0.5, "met": True, "reason": None}
    missed = {"requirement": "b>=2", "value": None, "margin": None, "met": False, "reason": "is null"}
    assert cells(requirement_table([met, missed])) == [
        ["requirement", "figure", "to spare", "verdict"],
        ["a<2", "1.5", "0.5", "met"],
        ["b>=2", "-", "-", "failed"],
    ]
    assert requirement_line(missed).plain == "failed: b>=2: is null"
