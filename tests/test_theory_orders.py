"""The orders of `reproduce theory`, from made-up runs whose exponents are known: nothing is simulated."""

import math
from types import SimpleNamespace

import pytest
from runs import cells, shown

from messsim.report.reproduce import theory_plots
from messsim.report.reproduce.theory import PICTURES, theory_page, theory_tables
from messsim.results.intervals import replication_interval
from messsim.study.reproduce import theory


def measured(**values):
    base = {"exploit_j": 1.0, "all_models_j": 11.0, "overhead_j": 0.5, "queue": 1.0}
    return base | {"t": [100, 1000], "satisfaction": [0.5, 0.5], "explored": [0.1, 0.1]} | values


# ---- power laws -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("exponent", [-1.0, -0.5, 0.0, 2.0])
def test_a_slope_is_the_exponent(exponent):
    points = [{"x": x, "y": 3.0 * x**exponent} for x in (1.0, 2.0, 5.0, 70.0)]
    slope = theory._slope("it", "x", "p", points, "x", "y")
    assert slope["measured"] == pytest.approx(exponent, abs=1e-9)
    assert {k: slope[k] for k in ("of", "against", "predicted")} == {"of": "it", "against": "x", "predicted": "p"}


@pytest.mark.parametrize(("values", "exponent"), [([1.0, 2.0], None), ([1.0, 2.0, 4.0], 1.0), ([], None)])
def test_a_slope_takes_three_points(values, exponent):
    slope = theory._slope("it", "x", "p", [{"x": v, "y": v} for v in values], "x", "y")["measured"]
    assert slope == (None if exponent is None else pytest.approx(exponent))


def test_points_that_are_not_positive_have_no_logarithm():
    points = [{"x": x, "y": y} for x, y in ((1.0, 1.0), (2.0, 2.0), (3.0, 0.0), (4.0, 4.0), (5.0, -1.0))]
    assert theory._slope("it", "x", "p", points, "x", "y")["measured"] == pytest.approx(1.0)
    assert theory._slope("it", "x", "p", points[:3], "x", "y")["measured"] is None


def test_a_spread_is_the_interval_around_the_mean():
    interval = replication_interval([1.0, 2.0, 6.0])
    spread = theory._spread([1.0, 2.0, 6.0])
    assert spread["measured"] == 3.0
    assert (spread["low"], spread["high"]) == (3.0 - interval.half_width, 3.0 + interval.half_width)
    assert theory._spread([4.0]) == {"measured": 4.0, "low": 4.0, "high": 4.0}  # one alone has none


# ---- the queue ------------------------------------------------------------------------------------------


def test_the_queue_is_fitted_where_v_lambda_is_above_3_and_not_at_it():
    """Price 10: V lambda = 3 at 0.3 has a queue that would bend the line, above it queues are V lambda."""
    runs = {v: [measured(queue=q), measured(queue=q)] for v, q in ((0.1, 7.0), (0.3, 500.0), (0.4, 4.0), (0.5, 5.0))}
    assert theory._queue(runs, 10.0)["slopes"][0]["measured"] is None  # two points make no line
    runs[2.0] = [measured(queue=19.0), measured(queue=21.0)]
    order = theory._queue(runs, 10.0)
    assert order["slopes"][0]["measured"] == pytest.approx(1.0)
    assert [p["predicted"] for p in order["points"]] == pytest.approx([1.0, 3.0, 4.0, 5.0, 20.0])
    assert [p["measured"] for p in order["points"]] == [7.0, 500.0, 4.0, 5.0, 20.0]
    assert [p["V"] for p in order["points"]] == [0.1, 0.3, 0.4, 0.5, 2.0]


# ---- shortfall ------------------------------------------------------------------------------------------


def test_shortfall_is_the_mean_of_what_is_missing_and_nothing_is_gained_by_more():
    runs = {0.5: [measured(satisfaction=[0.5, 0.9]), measured(satisfaction=[0.7, 0.5])]}
    points = theory._shortfall(runs, 4.0, 0.8)["points"]
    assert [p["measured"] for p in points] == pytest.approx([0.2, 0.15])  # (0.3 + 0.1) / 2, (0 + 0.3) / 2
    assert [p["predicted"] for p in points] == [0.02, 0.002]  # V lambda / T
    assert [(p["V"], p["t"]) for p in points] == [(0.5, 100.0), (0.5, 1000.0)]


def test_shortfall_is_fitted_where_the_queue_has_settled():
    """V lambda = 2 and alpha = 0.8: from 20 x 2 / 0.8 = 50 requests on, the 50th included."""
    t = [49, 50, 100, 200]
    run = measured(t=t, satisfaction=[0.8 - 0.7] + [0.8 - 5.0 / x for x in t[1:]])
    (slope,) = theory._shortfall({0.5: [run]}, 4.0, 0.8)["slopes"]
    assert slope["measured"] == pytest.approx(-1.0)
    assert slope["of"] == "shortfall, V = 0.5"
    run = measured(t=t[1:3], satisfaction=[0.5, 0.5])
    assert theory._shortfall({0.5: [run]}, 4.0, 0.8)["slopes"][0]["measured"] is None


# ---- the gap --------------------------------------------------------------------------------------------


def optimum(per_request):
    return SimpleNamespace(per_request=per_request)


def test_the_gap_is_taken_pair_by_pair_where_the_run_is_long_enough():
    """Price 10, 1,000 requests, optimum 20 J: what is owed, V 100 / 1000, is at most 0.2 J up to V = 2."""
    optima = [optimum(19.0), optimum(21.0)]
    runs = {v: [measured(exploit_j=20.0 + 1.0 / v), measured(exploit_j=24.0 + 1.0 / v)] for v in (0.5, 1.0, 2.0, 2.001)}
    gap = theory._gap(runs, optima, 10.0, 1000)
    assert [p["V"] for p in gap["points"]] == [0.5, 1.0, 2.0]
    assert [p["measured"] for p in gap["points"]] == pytest.approx([4.0, 3.0, 2.5])  # (1 + 3) / 2 and 1 / V
    assert gap["floor_j"] == 2.5
    assert gap["slopes"][0]["measured"] is None
    assert gap["predicted"] == []


def test_the_gap_falls_between_its_ceiling_and_its_floor():
    """At most a third of the largest and at least thrice the least, both left out: 90, 30, 20, 10, 6, 2 J."""
    gaps = {1e-4: 90.0, 3e-4: 30.0, 5e-4: 20.0, 1e-3: 10.0, 10e-3 / 6: 7.0, 5e-3: 6.0, 1e-2: 2.0}
    runs = {v: [measured(exploit_j=100.0 + g)] for v, g in gaps.items()}
    gap = theory._gap(runs, [optimum(100.0)], 1e-6, 1000)
    level = math.exp((math.log(5e-4 * 20.0) + math.log(1e-3 * 10.0) + math.log(10e-3 / 6 * 7.0)) / 3)
    assert [p["predicted"] for p in gap["predicted"]] == pytest.approx([level / v for v in theory.WEIGHTS])
    assert [p["V"] for p in gap["predicted"]] == list(theory.WEIGHTS)
    assert gap["slopes"][0]["measured"] == pytest.approx(-0.87, abs=0.02)


# ---- exploring ------------------------------------------------------------------------------------------


def test_exploring_costs_so_much_more_as_often_as_it_is_done():
    """All models cost 10 J more than the one chosen; kappa = 1/2 over 100 requests: c / (1/2) / 10 times 10 J."""
    runs = {c: [measured(overhead_j=2.0 * c), measured(overhead_j=2.0 * c)] for c in (0.25, 0.5, 1.0, 3.0)}
    runs[3.0] = [measured(overhead_j=4.0), measured(overhead_j=4.0)]  # explores at every step at first: not on the line
    order = theory._overhead(runs, 0.5, 100)
    assert [p["predicted"] for p in order["points"]] == pytest.approx([0.5, 1.0, 2.0, 6.0])
    assert [p["measured"] for p in order["points"]] == [0.5, 1.0, 2.0, 4.0]
    by_c, by_t = order["slopes"]
    assert by_c["measured"] == pytest.approx(1.0)
    assert by_t["predicted"] == "-0.5"


def test_exploring_against_time_is_that_of_c_1():
    runs = {1.0: [measured(t=[100, 400, 900], explored=[0.2, 0.1, 0.05]), measured(explored=[0.2, 0.1, 0.0])]}
    runs[1.0][1]["explored"] = [0.2, 0.1, 2 / 15 - 0.05]
    order = theory._overhead(runs, 0.5, 900)
    assert [p["measured"] for p in order["by_t"]] == pytest.approx([2.0, 1.0, 2 / 3])
    assert [p["predicted"] for p in order["by_t"]] == pytest.approx([2.0, 1.0, 2 / 3])  # 10 J x 2 / sqrt(t)
    assert [p["t"] for p in order["by_t"]] == [100.0, 400.0, 900.0]
    assert order["slopes"][1]["measured"] == pytest.approx(-0.5)


def test_the_settings_are_those_of_the_paper_with_telling_features():
    scenario = theory._scenario(0.25, 0.5, 321, ["sla.alpha=0.6"], 7)
    assert (scenario.router.V, scenario.router.c, scenario.requests, scenario.seed) == (0.25, 0.5, 321, 7)
    assert (scenario.features.dimensions, scenario.features.signal, scenario.sla.alpha) == (4, 0.8, 0.6)
    assert scenario.router.policy == "mess+"


# ---- in words -------------------------------------------------------------------------------------------


def orders(**changes):
    base = {"requests": 40_000, "replications": 2, "alpha": 0.8, "optimum": 90.126, "price": 536.449}
    slope = {"of": "it", "against": "V", "predicted": "-1", "measured": -0.876}
    base |= {name: {"points": [], "slopes": [slope]} for name in PICTURES}
    return base | {"gap": {"points": [], "slopes": [slope | {"measured": None}], "floor_j": 1.2345}} | changes


FACTS = (
    "40,000 requests, 2 replications; alpha 0.8; the feature oracle pays 90.13 J a request, and lambda = 536.4 J for "
    "one more satisfied answer; the cost gap comes down to 1.23 J"
)


def test_a_page_of_orders_has_the_exponents_what_they_are_of_and_the_pictures():
    title, table, facts, *pictures = theory_page(orders()).rstrip("\n").split("\n\n")
    assert (title, facts) == ("# The orders of MESS+", FACTS)
    assert table.splitlines()[2:5:2] == ["| it | V | -1 | -0.88 |", "| it | V | -1 | -0.88 |"]
    assert table.splitlines()[3] == "| it | V | -1 | - |", "the gap"
    assert pictures[1::2] == [f"![{title}]({name}.svg)" for name, title in PICTURES.items()]


def test_the_terminal_has_the_same():
    made = theory_tables(orders())
    assert cells(made)[1:5] == [["it", "V", "-1", m] for m in ("-0.88", "-", "-0.88", "-0.88")]
    assert " ".join(shown(made, 300).splitlines()[-1].split()) == FACTS


# ---- what the pictures draw -----------------------------------------------------------------------------


def along(**columns):
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


GAPS = along(V=[1.0, 10.0], measured=[6.0, 0.0])
PREDICTED = along(V=[1.0, 2.0, 3.0, 4.0, 5.0], predicted=[18.0, 17.9, 1.1, 1.0, 0.5])
BY_C = along(c=[0.1], measured=[2.0], predicted=[3.0])
BY_T = along(t=[100.0], measured=[4.0], predicted=[5.0])
QUEUES = along(V=[1.0, 2.0], measured=[6.0, 7.0], predicted=[0.1, 0.2])
SHORT = along(V=[1.0, 1.0, 2.0], t=[4.0, 100.0, 25.0], measured=[0.2, 0.1, 0.0], predicted=[0.7, 0.6, 0.1])
THEORY = {
    "alpha": 0.7,
    "gap": {"points": GAPS, "predicted": PREDICTED, "floor_j": 3.0},
    "overhead": {"points": BY_C, "by_t": BY_T},
    "queue": {"points": QUEUES},
    "shortfall": {"points": SHORT},
}
LAW = "c T^(-κ) / (1 - κ) · (ΣE - E)"
DRAWN = {
    "_gap": [
        (1.0, 6.0, "measured"),
        (2.0, 17.9, "1 / V"),
        (3.0, 1.1, "1 / V"),
        (1.0, 3.0, "floor"),
        (10.0, 3.0, "floor"),
    ],
    "_overhead_by_c": [(0.1, 2.0, "measured"), (0.1, 3.0, LAW)],
    "_overhead_by_t": [(100.0, 4.0, "measured"), (100.0, 5.0, LAW)],
    "_queue": [(1.0, 6.0, "measured"), (2.0, 7.0, "measured"), (2.0, 0.2, "V λ")],
    "_shortfall": [
        (4.0, 0.2, "measured"),
        (100.0, 0.1, "measured"),
        (100.0, 0.6, "V λ / T"),
        (4.0, 0.5, "1 / √T"),
        (100.0, 0.1, "1 / √T"),
    ],
}


@pytest.mark.parametrize("name", DRAWN)
def test_pictures_draw_what_was_measured_and_the_law_where_it_is_near(monkeypatch, name):
    monkeypatch.setattr(theory_plots, "_lines", lambda alt, rows, *of: [(r["x"], r["y"], r["law"]) for r in rows])
    assert getattr(theory_plots, name)(None, THEORY | {"alpha": 0.65}) == DRAWN[name]
