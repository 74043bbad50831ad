"""The rows of a study by its points: means, intervals, standing, and which is cheapest, worked out by hand.

Student's t at 95 % with one degree of freedom is 12.7062: of two values the interval reaches half their difference
times as much on either side of their mean.
"""

import polars as pl
import pytest
from builders import model, scenario

from messsim.errors import OutputError
from messsim.scenario import parse
from messsim.shapes.studies import Dearer
from messsim.study.groups.grouped import _short, grouped
from messsim.study.groups.paired import dearer_by, standing

T = 12.7062047
BASE = parse(scenario(models=[model("8b", 0.4), model("7.0b", 0.8)]))


def row(policy="mess+", replication=0, *, margin=0.0, cost=1.0, kept=True, error=None, alpha=0.5, **more):
    figures = {
        "sla_kept": kept,
        "sla_margin": margin,
        "sla_satisfaction": None if margin is None else 0.5 + margin,
        "sla_alpha": alpha,
        "cost_per_request": cost,
        "models_8b_share": 0.25,
        "models_7_0b_share": 0.75,
    }
    if error is not None:
        figures = dict.fromkeys(figures)
    return {"policy": policy, "replication": replication, "error": error} | figures | more


def of(*rows, keys=()):
    """The groups of rows whose keys stand before the policy."""
    return grouped(pl.DataFrame([{k: r[k] for k in keys} | r for r in rows]), BASE)


# ---- points ---------------------------------------------------------------------------------------------


def test_policies_are_points_in_the_order_of_their_first_rows():
    study = of(row("random"), row("mess+"), row("random", 1))
    assert study.keys == ["policy"]
    assert study.points["point"].to_list() == ["random", "mess+"]
    assert study.points["replications"].to_list() == [2, 1]


def test_means_and_intervals_of_a_point():
    study = of(
        row(margin=0.1, cost=1.0, kept=True, latency_s_ttft_p95=2.0),
        row(replication=1, margin=-0.1, cost=2.0, kept=False, latency_s_ttft_p95=None),
    )
    point = study.points.row(0, named=True)
    assert point["cost_mean"] == 1.5
    assert point["cost_low"] == pytest.approx(1.5 - T * 0.5)
    assert point["cost_high"] == pytest.approx(1.5 + T * 0.5)
    assert point["cost_each"] == [1.0, 2.0]
    assert point["margin_mean"] == pytest.approx(0.0)
    assert point["margin_each"] == [0.1, -0.1]
    assert point["satisfaction_mean"] == pytest.approx(0.5)
    assert (point["ttft_p95_mean"], point["ttft_p95_low"], point["ttft_p95_high"]) == (2.0, None, None)
    assert point["ttft_p95_each"] == [2.0]
    assert (point["e2e_p95_mean"], point["e2e_p95_each"]) == (None, [])
    assert (point["share 8b_mean"], point["share 7.0b_mean"]) == (0.25, 0.75)
    assert point["share 8b_low"] == point["share 8b_high"] == 0.25
    assert (point["kept"], point["replications"]) == (1, 2)
    assert point["standing"] == "undecided"


def test_three_values_have_three_values_spread():
    # mean 2, standard deviation 1, t with two degrees of freedom 4.30265
    point = of(*[row(replication=r, cost=c) for r, c in enumerate([1.0, 2.0, 3.0])]).points.row(0, named=True)
    assert point["cost_high"] - point["cost_mean"] == pytest.approx(4.30265 / 3**0.5, rel=1e-5)
    assert "cost_sd" not in point
    assert "cost_n" not in point


def test_the_promise_stands_where_all_runs_have_the_same():
    study = of(row("a"), row("a", 1), row("b"), row("b", 1, alpha=0.6))
    assert study.points["alpha"].to_list() == [0.5, None]


def test_an_oracle_is_no_rival():
    study = of(row("oracle", cost=0.1), row("statistical-oracle", cost=0.2), row("mess+", cost=1.0))
    assert study.points["oracle"].to_list() == [True, True, False]
    assert study.dearer == [Dearer("mess+", 0.0, None)]


def test_only_points_that_keep_the_promise_are_compared():
    study = of(row("cheap", cost=0.5, kept=False, margin=-0.1), row("a", cost=2.0), row("b", cost=1.0))
    assert study.points["standing"].to_list() == ["missed", "kept", "kept"]
    assert study.dearer == [Dearer("b", 0.0, None), Dearer("a", 1.0, None)]


def test_failed_runs_are_told_and_do_not_count():
    study = of(row("a"), row("a", 1, error="stopped"), row("b", error="broke"))
    assert study.failures.rows() == [("a", 1, "stopped"), ("b", 0, "broke")]
    assert study.points["point"].to_list() == ["a"]
    assert study.points["replications"].to_list() == [1]


def test_where_every_run_failed_there_are_no_points():
    study = grouped(pl.DataFrame([{"policy": "a", "replication": 0, "error": "stopped"}]), BASE)
    assert len(study.points) == 0
    assert study.dearer == []
    assert study.failures.rows() == [("a", 0, "stopped")]


@pytest.mark.parametrize("missing", ["policy", "replication", "error", "sla_kept", "sla_margin"])
def test_rows_of_another_version_are_told(missing):
    with pytest.raises(OutputError) as caught:
        grouped(pl.DataFrame([row()]).drop(missing), BASE)
    assert str(caught.value) == (
        f"results.parquet: the column {missing} is missing; another version of messsim wrote it"
    )


# ---- the names of points --------------------------------------------------------------------------------


def test_points_are_named_by_their_keys():
    rows = [row(**{"router.V": 1e-4, "sla.alpha": 0.5}), row(**{"router.V": 1.0, "sla.alpha": None})]
    study = of(*rows, keys=["router.V", "sla.alpha"])
    assert study.keys == ["router.V", "sla.alpha"]
    assert study.points["point"].to_list() == ["router.V = 0.0001, sla.alpha = 0.5", "router.V = 1, sla.alpha = none"]
    assert study.points["router.V"].to_list() == [1e-4, 1.0]


@pytest.mark.parametrize(
    ("policies", "keys", "expected"),
    [
        (["a", "a"], ["router.V"], ["router.V"]),
        (["a", "b"], ["router.V"], ["router.V", "policy"]),
        (["a", "b"], ["router.policy"], ["router.policy"]),
        (["a", "a"], [], ["policy"]),
    ],
)
def test_the_policy_is_a_key_where_there_are_several_and_no_key_says_which(policies, keys, expected):
    rows = [row(p, **{"router.V": 1, "router.policy": p}) for p in policies]
    assert of(*rows, keys=keys).keys == expected


@pytest.mark.parametrize(
    ("keys", "short"),
    [
        (["router.V"], ["router.V"]),
        (["cluster.failures.mtbf_s"], ["failures.mtbf_s"]),
        (['models."8.b".replicas', 'models."7b".replicas'], ["8.b.replicas", "7b.replicas"]),
        (["a.x.y", "b.x.y"], ["a.x.y", "b.x.y"]),
        (["seed"], ["seed"]),
    ],
)
def test_keys_are_named_by_their_last_two_parts_unless_two_are_alike(keys, short):
    assert list(_short(keys).values()) == short
    assert list(_short(keys)) == keys


# ---- standing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kept", "replications", "low", "high", "expected"),
    [
        (3, 3, 0.0, 0.2, "kept"),
        (3, 3, -1e-9, 0.2, "kept"),  # rounding is no miss
        (3, 3, -2e-9, 0.2, "undecided"),
        (2, 3, 0.0, 0.2, "undecided"),
        (0, 3, -0.2, -0.1, "missed"),
        (2, 3, -0.2, -0.1, "missed"),
        (3, 3, -0.2, -0.1, "missed"),
        (0, 3, -0.2, -1e-10, "undecided"),
        (0, 3, -0.2, 0.0, "undecided"),
        (1, 1, None, None, "kept"),
        (0, 1, None, None, "missed"),
        (1, 2, None, None, "undecided"),
    ],
)
def test_the_standing_of_a_point(kept, replications, low, high, expected):
    schema = {"kept": pl.Int64, "replications": pl.Int64, "margin_low": pl.Float64, "margin_high": pl.Float64}
    frame = pl.DataFrame([(kept, replications, low, high)], schema=schema, orient="row")
    assert frame.select(standing()).item() == expected


# ---- which is cheapest ----------------------------------------------------------------------------------


def costs(**by_point):
    rows = [(p, r, c) for p, values in by_point.items() for r, c in values.items()]
    return pl.DataFrame(rows, schema=["point", "replication", "cost_per_request"], orient="row")


def test_differences_are_of_the_same_replications_and_cheapest_first():
    dearer = dearer_by(costs(a={0: 3.0, 1: 7.0}, b={0: 1.0, 1: 3.0}, c={1: 10.0, 0: None}), ["a", "b", "c"])
    assert [d.point for d in dearer] == ["b", "a", "c"]
    assert dearer[0] == Dearer("b", 0.0, 0.0)
    assert dearer[1].mean == 3.0
    assert dearer[1].low == pytest.approx(3.0 - T), "of 2 and 4"
    assert dearer[2] == Dearer("c", 7.0, None)


def test_points_that_are_not_asked_for_or_share_no_replication_are_left_out():
    rows = costs(a={0: 3.0}, b={0: 1.0}, c={5: 2.0}, d={0: None})
    assert dearer_by(rows, ["a", "c", "d"]) == [Dearer("c", 0.0, None)]
    assert dearer_by(rows, ["a", "d"]) == [Dearer("a", 0.0, None)]
    assert dearer_by(rows, []) == []
