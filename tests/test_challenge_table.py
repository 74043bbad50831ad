"""The table of a challenge, and convergence and replications beside it: worked out by hand from rows."""

import math
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from builders import scenario

from messsim.errors import ScenarioError
from messsim.plot.challenge import ranks_chart
from messsim.results.intervals import share_interval
from messsim.scenario import parse
from messsim.shapes.challenge import Cell
from messsim.study.challenge.conditions import _stretched
from messsim.study.challenge.routers import challenge
from messsim.study.challenge.table import _cell, _key, _ranks, _standing, table_of
from messsim.study.converge.aligned import CURVES, aligned, from_columns, halved
from messsim.study.converge.convergence import _quantiles, _spread, _summary, converge
from messsim.study.replicate import _all_precise, _figures

T = 12.7062047  # Student's t at 95 % with one degree of freedom


def row(kept=True, cost=1.0, margin=0.1, error=None, **more):
    data = {"sla_kept": kept, "cost_per_request": cost, "sla_margin": margin, "error": error}
    data |= {"requests_completed": 8, "requests_arrived": 10, "sla_satisfaction": 0.5}
    return data | {"sla_time_to_compliance": 100, "latency_s_e2e_p95": 2.0} | more


FAILED = {"error": "it stopped"}

# ---- ranks ----------------------------------------------------------------------------------------------


def test_who_keeps_the_promise_is_first_then_who_misses_least_then_who_fails():
    order = [
        row(cost=1.0),
        row(cost=2.0),
        row(kept=False, margin=-0.1, cost=0.1),
        row(kept=False, margin=-0.2, cost=0.0),
        FAILED,
    ]
    assert _ranks(order) == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert _ranks(order[::-1]) == [5.0, 4.0, 3.0, 2.0, 1.0]


@pytest.mark.parametrize(
    ("costs", "ranks"),
    [
        ([1.0], [1.0]),
        ([2.0, 1.0, 2.0], [2.5, 1.0, 2.5]),
        ([1.0, 1.0, 1.0], [2.0] * 3),
        ([1.0, 1.0, 3.0], [1.5, 1.5, 3.0]),
    ],
)
def test_who_are_alike_share_the_mean_of_their_ranks(costs, ranks):
    assert _ranks([row(cost=c) for c in costs]) == ranks


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({}, (0, 1.0)),
        ({"kept": False}, (1, -0.1)),
        ({"cost": None}, (2, 0.0)),
        ({"margin": None}, (2, 0.0)),
        ({"error": "x"}, (2, 0.0)),
    ],
)
def test_what_a_rank_goes_by(change, key):
    assert _key(row(**change)) == key


# ---- cells and standings --------------------------------------------------------------------------------


def test_a_cell_has_means_over_the_runs_that_ended():
    rows = [
        row(cost=1.0, cost_ratio_to_simulated_oracle=1.5),
        row(kept=False, cost=3.0, sla_time_to_compliance=None, requests_completed=10, latency_s_e2e_p95=4.0),
        FAILED,
        {"error": "later"},
    ]
    assert _cell("late", "my/own.py", rows, [1.0, 2.0, 6.0, 3.0]) == Cell(
        condition="late",
        policy="own.py",
        kept=1,
        runs=4,
        compliant_from=100.0,
        compliant=1,
        satisfaction=0.5,
        answered=pytest.approx(0.9),
        cost=2.0,
        x_oracle=1.5,
        e2e_p95_s=3.0,
        rank=3.0,
        error="it stopped",
    )
    nothing = _cell("late", "p", [FAILED], [2.0])
    assert (nothing.kept, nothing.runs, nothing.answered, nothing.cost, nothing.compliant_from) == (
        0,
        1,
        None,
        None,
        None,
    )
    assert _cell("late", "p", [row()], [1.0]).error == ""


def test_a_standing_is_over_conditions_with_replications_as_values():
    def cell(kept, x_oracle):
        return SimpleNamespace(kept=kept, runs=2, x_oracle=x_oracle)

    first, mine = [1.0, 2.0], [3.0, 6.0]
    made = _standing("p", [cell(2, 2.0), cell(1, None), cell(0, 8.0)], mine, first)
    assert (made.policy, made.kept, made.runs) == ("p", 3, 6)
    assert made.x_oracle == pytest.approx(4.0), "the geometric mean of what is known"
    assert made.rank == 4.5
    assert (made.rank_low, made.rank_high) == pytest.approx((4.5 - 1.5 * T, 4.5 + 1.5 * T))
    assert made.difference == 3.0
    assert (made.low, made.high) == pytest.approx((3.0 - T, 3.0 + T)), "of 2 and 4"
    own = _standing("p", [cell(2, None)], first, first)
    assert (own.x_oracle, own.difference, own.low, own.high) == (None, None, None, None)


def test_the_table_of_rows_by_condition_policy_and_replication():
    base = parse(scenario(seed=3, requests=40))
    scenarios = {"a": base, "b": base.changed(requests=50)}
    costs = {("a", "p"): (3.0, 3.0), ("a", "q"): (1.0, 4.0), ("b", "p"): (2.0, 2.0), ("b", "q"): (1.0, 1.0)}
    rows = [row(cost=c) for condition in scenarios for p in "pq" for c in costs[condition, p]]
    made = table_of(scenarios, ["p", "q"], 2, rows)
    assert [(c.condition, c.policy, c.cost, c.rank) for c in made.cells] == [
        ("a", "p", 3.0, 1.5),
        ("a", "q", 2.5, 1.5),
        ("b", "p", 2.0, 2.0),
        ("b", "q", 1.0, 1.0),
    ]
    assert [(s.policy, s.rank) for s in made.standings] == [("q", 1.25), ("p", 1.75)]
    assert [(s.policy, s.difference) for s in made.standings] == [("q", -0.5), ("p", None)]
    assert (made.seed, made.replications, made.conditions) == (3, 2, ["a", "b"])
    assert (made.requests, made.alphas) == ({"a": 40, "b": 50}, {"a": 0.5, "b": 0.5})
    other = table_of({"a": base, "b": base.changed(seed=4)}, ["p", "q"], 2, rows)
    assert other.seed is None
    assert other.scenarios_sha256 != made.scenarios_sha256


@pytest.mark.parametrize(
    ("scenarios", "policies", "message"),
    [
        ({}, ["mess+"], "a challenge: expected a policy and a condition at least"),
        ({"a": parse(scenario())}, [], "a challenge: expected a policy and a condition at least"),
        ({"a": parse(scenario())}, ["mess+", "mess+"], "--policies: mess+ is named twice"),
    ],
)
def test_what_is_no_challenge_is_told(scenarios, policies, message):
    with pytest.raises(ScenarioError) as caught:
        challenge(scenarios, policies)
    assert str(caught.value) == message


def test_a_policy_that_is_no_file_is_told(tmp_path):
    with pytest.raises(ScenarioError, match=r"none\.py: there is no such file; expected a policy in Python$"):
        challenge({"a": parse(scenario())}, [str(tmp_path / "none.py")])


def test_phases_begin_at_the_same_share_of_the_requests():
    phases = [{"from_request": 10, "over_requests": 8, "difficulty": 0.5}, {"from_request": 30, "difficulty": 0.1}]
    spec = parse(scenario(requests=40, phases=phases))
    half = _stretched(spec, 20)
    assert half.requests == 20
    assert [(p.from_request, p.over_requests) for p in half.phases] == [(5, 4), (15, None)]
    timed = _stretched(parse(scenario(requests=40, phases=[{"from_s": 3.0, "difficulty": 0.1}])), 20)
    assert (timed.phases[0].from_s, timed.phases[0].from_request) == (3.0, None)
    assert _stretched(spec, 2).phases[0].over_requests == 1, "of one request at least"
    cold = parse(scenario(name="cold-start", requests=40))
    assert [_stretched(cold, n).requests for n in (20, 60)] == [20, 40], "about having few"
    assert _stretched(parse(scenario(requests=40)), 60).requests == 60


# ---- convergence ----------------------------------------------------------------------------------------


def timeline(requests, satisfaction, promise=0.5, queue=1.0):
    n = len(requests)
    columns = {"satisfaction_running": satisfaction, "certificate": [0.25] * n, "queue": [queue] * n}
    return from_columns({"request": requests, "promise_running": [promise] * n, "cost_running": [2.0] * n} | columns)


def test_curves_are_compared_at_the_requests_that_all_have():
    made = aligned(
        [
            timeline([0, 1, 2, 3, 4], [0.0, 0.25, 0.5, 0.75, 1.0]),
            timeline([0, 2, 4], [1.0, 0.4, None], queue=3.0),
            timeline([0, 1, 2], [0.5, 0.5, 0.6], queue=5.0),
        ],
        [2, None, 0],
    )
    assert made["request"].to_list() == [0, 2, 4]
    assert made["runs"].to_list() == [3, 3, 2]
    assert made["satisfaction_mean"].to_list() == pytest.approx([0.5, 0.5, 1.0])
    assert made["satisfaction_p50"].to_list() == pytest.approx([0.5, 0.5, 1.0])
    assert made["satisfaction_p75"].to_list() == pytest.approx([0.75, 0.55, 1.0])
    assert made["queue_mean"].to_list() == pytest.approx([3.0, 3.0, 2.0])
    assert made["below"].to_list() == pytest.approx([1 / 3, 1 / 3, 0.0])
    assert made["settled"].to_list() == pytest.approx([1 / 3, 2 / 3, 2 / 3])
    low, high = share_interval(1, 3)
    assert made.row(0, named=True)["below_low"] == pytest.approx(low)
    assert made.row(0, named=True)["below_high"] == pytest.approx(high)


def test_what_nobody_knows_is_null():
    made = aligned([timeline([0, 1], [None, None])], [None])
    assert made["satisfaction_mean"].to_list() == [None, None]
    assert made["below"].to_list() == [None, None]
    assert made["below_low"].to_list() == [None, None]
    assert made["settled"].to_list() == [0.0, 0.0]


@pytest.mark.parametrize(("rows", "kept", "stride"), [(512, 512, 1), (513, 257, 2), (1024, 512, 2), (1025, 257, 4)])
def test_a_timeline_is_halved_until_it_is_short(rows, kept, stride):
    frame = pl.DataFrame({c: np.arange(float(rows)) for c in ("request", "promise_running", *CURVES.values(), "more")})
    made = halved(frame)
    assert len(made) == kept
    assert made["request"][1] == stride
    assert "more" not in made.columns


@pytest.mark.parametrize(
    ("values", "p05", "p50", "p95"),
    [
        ([3.0], 3.0, 3.0, 3.0),
        ([2.0, 1.0], 1.0, 1.0, 2.0),
        ([float(k) for k in range(1, 21)], 1.0, 10.0, 19.0),
        ([float(k) for k in range(1, 22)], 2.0, 11.0, 20.0),
        ([1.0, math.inf, math.inf], 1.0, None, None),
    ],
)
def test_a_quantile_is_the_least_value_that_so_many_reach(values, p05, p50, p95):
    made = _quantiles(values)
    assert (made["p05"], made["p50"], made["p95"]) == (p05, p50, p95)


def test_a_spread_is_over_the_replications_that_have_the_figure():
    made = _spread([1.0, None, 3.0])
    assert (made["mean"], made["count"], made["p50"]) == (2.0, 2, 1.0)
    assert made["high"] == pytest.approx(2.0 + T)
    assert _spread([None]) is None


def test_a_convergence_study_sums_up_its_runs():
    def summary(kept, arrived, alpha=0.5):
        sla = {"kept": kept, "alpha": alpha, "satisfaction": 0.5, "certificate": None, "queue_final": 2.0}
        return {"sla": sla, "requests": {"arrived": arrived}, "cost": {"per_request": 3.0}}

    runs = [summary(True, 40), summary(None, 50, alpha=0.7), summary(False, 30), summary(True, 20)]
    made = _summary(parse(scenario(name="s", seed=3)), runs, [0, None, 12, 4])
    low, high = share_interval(2, 4)
    assert made["kept"] == {"runs": 2, "share": 0.5, "low": low, "high": high}
    assert (made["requests"], made["replications"], made["seed"]) == (50, 4, 3)
    assert made["alpha"] == pytest.approx(0.55)
    assert made["time_to_compliance"]["never"] == 1
    assert (made["time_to_compliance"]["p50"], made["time_to_compliance"]["p95"]) == (4.0, None)
    assert made["end"]["certificate"] is None
    assert (made["end"]["queue"]["mean"], made["end"]["cost_per_request"]["mean"]) == (2.0, 3.0)
    with pytest.raises(ScenarioError, match=r"^--seeds 1: expected at least 2: one run says nothing of chance$"):
        converge(parse(scenario()), 1)


# ---- replications ---------------------------------------------------------------------------------------


def test_figures_of_replications_are_numbers_or_null_in_all():
    runs = [
        {"a": 1.0, "none": None, "some": None, "text": "x", "mixed": None, "flag": True},
        {"a": 3.0, "none": None, "some": 4.0, "text": "y", "mixed": "z", "flag": False},
    ]
    made = _figures(runs)
    assert list(made) == ["a", "none", "some"]
    assert made["none"] is None
    assert (made["a"]["mean"], made["a"]["count"]) == (2.0, 2)
    assert (made["some"]["mean"], made["some"]["count"]) == (4.0, 1)


@pytest.mark.parametrize(
    ("values", "precision", "precise"),
    [
        ([2.0, 2.0], 0.01, True),
        ([2.0, 2.002], 0.01, True),  # half-width 0.0127, of 2.001 x 0.01 / 1.01 = 0.0198
        ([2.0, 2.004], 0.01, False),
        ([2.0, None], 0.5, False),
        ([2.0], 0.5, False),
    ],
)
def test_figures_are_precise_where_each_is_known_in_all_replications(values, precision, precise):
    runs = [{"x": v, "y": 1.0} for v in values]
    assert _all_precise(runs, ["y", "x"], precision) is precise


def test_intervals_of_ranks_end_at_the_first_and_the_last_rank():
    standings = pl.DataFrame({"policy": ["a", "b"], "rank": [1.5, 1.5], "low": [-0.6, 1.25], "high": [3.6, 1.75]})
    spec = ranks_chart(standings).chart.to_dict()
    drawn = spec["data"]["values"] if "data" in spec else next(iter(spec["datasets"].values()))
    assert [(row["low"], row["high"]) for row in drawn] == [(1.0, 2.0), (1.25, 1.75)]
