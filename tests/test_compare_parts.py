"""Parts of `compare`: what is measured of a run, promises of oracles, files, and checks; without a comparison."""

import json
from types import SimpleNamespace

import pytest
from builders import scenario

from messsim.errors import OutputError, ScenarioError
from messsim.scenario import parse
from messsim.study.compare import fleets as fleets_module
from messsim.study.compare import policies as module
from messsim.study.compare.files import comparison_csv
from messsim.study.compare.fleets import _check_free, _points, fleets
from messsim.study.compare.policies import (
    CLOSE,
    _interval,
    _paired,
    _reached,
    check_policies,
    frontier,
    promising,
    ratio_to,
    with_policy,
)
from messsim.study.plan.goal import Goal

BASE = parse(scenario())
TENANTS = parse(scenario(tenants=[{"name": "gold", "alpha": 0.9}, {"name": "rest", "alpha": 0.4}]))
T = 12.7062047  # Student's t at 95 % with one degree of freedom


def summary(cost, *satisfactions, kept=True, answered=100):
    """What `ratio_to` and its like look at."""
    tenants = [{"satisfaction": s, "answered": answered} for s in satisfactions]
    return {
        "tenants": tenants,
        "sla": {"kept": kept, "satisfaction": satisfactions[0] if satisfactions else None},
        "cost": {"per_request": cost},
    }


# ---- checks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policies", "seeds", "message"),
    [
        ([], 1, "--policies: names no policy; expected some, separated by commas"),
        (["mess+", "random", "mess+"], 1, "--policies: mess+ is named twice"),
        (["own.py", "own.py"], 1, "--policies: own.py is named twice"),
        (["mess+"], 0, "--seeds 0: expected at least 1"),
    ],
)
def test_policies_that_cannot_be_compared_are_told(policies, seeds, message):
    with pytest.raises(ScenarioError) as caught:
        check_policies(policies, seeds)
    assert str(caught.value) == message


def test_policies_that_can_be_compared_pass():
    check_policies(["mess+"], 1)
    check_policies(["mess+", "own.py"], 5)
    with pytest.raises(ScenarioError, match="mes"):
        check_policies(["mess+", "mes"], 1)


def test_another_policy_changes_nothing_else():
    other = with_policy(BASE, "random")
    assert other.router.policy == "random"
    assert with_policy(other, BASE.router.policy) == BASE


# ---- promises and oracles -------------------------------------------------------------------------------


def test_promises_are_those_of_each_tenant_in_order():
    assert promising(BASE, [0.75]).sla.alpha == 0.75
    assert [t.alpha for t in promising(TENANTS, [0.1, 0.2]).tenants] == [0.1, 0.2]
    assert [t.name for t in promising(TENANTS, [0.1, 0.2]).tenants] == ["gold", "rest"]


@pytest.mark.parametrize(
    ("satisfaction", "answered", "oracle", "reached"),
    [
        (0.6, 100, "oracle", True),
        (0.6 - 0.9 * CLOSE, 100, "oracle", True),
        (0.6 - 1.1 * CLOSE, 100, "oracle", False),
        (None, 0, "oracle", False),
        (0.41, 100, "statistical-oracle", True),  # four deviations of 0.5 / 10
        (0.39, 100, "statistical-oracle", False),
        (0.56, 2500, "statistical-oracle", True),
        (0.55, 2500, "statistical-oracle", False),
        (0.0, 0, "statistical-oracle", True),
    ],
)
def test_what_an_oracle_was_asked_it_did_up_to_chance(satisfaction, answered, oracle, reached):
    assert _reached({"satisfaction": satisfaction, "answered": answered}, 0.6, oracle) is reached


@pytest.mark.parametrize(
    ("ours", "theirs", "ratio"),
    [
        (summary(3.0, 0.9, 0.4), summary(2.0, 0.9, 0.4), 1.5),
        (summary(3.0, 0.9, 0.4), summary(2.0, 1.0, 0.5), 1.5),
        (summary(3.0, 0.9, 0.4), summary(2.0, 0.9, 0.3), None),
        (summary(3.0, 0.9, 0.4), summary(0.0, 0.9, 0.4), None),
        (summary(3.0, 0.9, 0.4), summary(None, 0.9, 0.4), None),
        (summary(3.0, 0.9, None), summary(2.0, 0.9, 0.4), None),
        (summary(None, 0.9, 0.4), summary(2.0, 0.9, 0.4), None),
    ],
)
def test_a_ratio_is_to_an_oracle_that_satisfies_each_tenant_as_much(monkeypatch, ours, theirs, ratio):
    asked = []
    monkeypatch.setattr(module, "summary_of", lambda s: asked.append(s) or theirs)
    assert ratio_to(TENANTS, ours, "oracle") == ratio
    for made in asked:
        assert [t.alpha for t in made.tenants] == [0.9, 0.4]
        assert made.router.policy == "oracle"


@pytest.mark.parametrize(
    ("policy", "kind", "simulated", "statistical"),
    [("mess+", "irt", 2.0, 3.0), ("oracle", "irt", None, None), ("statistical-oracle", "irt", None, None)],
)
def test_what_is_measured_of_a_run(monkeypatch, policy, kind, simulated, statistical):
    cost = {"total": 12.0, "exploration": 2.0, "per_request": 3.0}
    made = {"cost": cost, "models": [{"answered": 1}, {"answered": 3}]}
    monkeypatch.setattr(module, "summary_of", lambda s: made)
    monkeypatch.setattr(module, "ratio_to", lambda s, m, oracle: {"oracle": 2.0, "statistical-oracle": 3.0}[oracle])
    measured = module._measured((with_policy(BASE, policy), {}))["cost"]
    assert measured["per_request_without_exploration"] == 2.5
    assert measured["ratio_to_simulated_oracle"] == simulated
    assert measured["ratio_to_statistical_oracle"] == statistical


def test_where_nobody_was_answered_an_answer_has_no_cost(monkeypatch):
    made = {"cost": {"total": 12.0, "exploration": 2.0}, "models": [{"answered": 0}]}
    monkeypatch.setattr(module, "summary_of", lambda s: made)
    measured = module._measured((with_policy(BASE, "oracle"), {}))["cost"]
    assert measured["per_request_without_exploration"] is None


# ---- the frontier ---------------------------------------------------------------------------------------


def comparison(*means):
    figures = [None if m is None else {"mean": m} for m in means]
    return {"policies": [{"figures": {"sla.satisfaction": f}} for f in figures]}


@pytest.mark.parametrize(
    ("means", "low", "high"),
    [
        ((0.5, 0.75), 0.45, 0.8),
        ((0.5, None), 0.45, 0.55),
        ((0.02, 0.99), 0.0, 1.0),
        ((None,), 0.0, 1.0),
    ],
)
def test_oracles_are_asked_for_nine_levels_around_the_policies(monkeypatch, means, low, high):
    asked = []
    monkeypatch.setattr(module, "_points", lambda s, levels, w: asked.extend(levels) or iter(()))
    assert frontier(BASE, comparison(*means)) == []
    levels = [low + (high - low) * k / 8 for k in range(9)]
    assert [o for o, _ in asked] == ["oracle"] * 9 + ["statistical-oracle"] * 9
    assert [level for _, level in asked] == pytest.approx(levels * 2)


def test_points_of_the_frontier_are_those_that_were_reached_by_oracle_and_satisfaction(monkeypatch):
    answers = {
        ("oracle", 0.5): summary(2.0, 0.5),
        ("oracle", 0.75): summary(3.0, 0.7),  # asked for more
        ("statistical-oracle", 0.25): summary(None, 0.25),
        ("statistical-oracle", 0.5): summary(4.0, 0.45),
        ("oracle", 0.25): summary(1.0, 0.3),
    }
    monkeypatch.setattr(module, "summary_of", lambda s: answers[s.router.policy, s.sla.alpha])
    asked = module._points(BASE, list(answers), 1)
    assert list(asked) == [
        {"oracle": "oracle", "satisfaction": 0.5, "cost": 2.0},
        {"oracle": "statistical-oracle", "satisfaction": 0.45, "cost": 4.0},
        {"oracle": "oracle", "satisfaction": 0.3, "cost": 1.0},
    ]
    monkeypatch.setattr(module, "_points", lambda s, levels, w: iter([*sorted_apart]))
    sorted_apart = [
        {"oracle": "statistical-oracle", "satisfaction": 0.1, "cost": 1.0},
        {"oracle": "oracle", "satisfaction": 0.5, "cost": 0.0},
        {"oracle": "oracle", "satisfaction": 0.3, "cost": 1.0},
    ]
    assert frontier(BASE, comparison(0.5)) == sorted_apart[::-1]


# ---- figures --------------------------------------------------------------------------------------------


def test_intervals_are_over_the_replications_that_have_the_figure():
    assert _interval([1, None, 3]) == {
        "mean": 2.0,
        "low": pytest.approx(2 - T),
        "high": pytest.approx(2 + T),
        "count": 2,
    }
    assert _interval([True]) == {"mean": 1.0, "low": None, "high": None, "count": 1}
    assert _interval([None, None]) is None


def test_differences_are_ours_less_the_firsts_where_both_have_the_figure():
    ours = [{"x": 5.0}, {"x": 1.0}, {}, {"x": 4.0}]
    first = [{"x": 2.0}, {"x": None}, {"x": 1.0}, {"x": 2.0}]
    paired = _paired(ours, first, "x")
    assert (paired["mean"], paired["count"]) == (2.5, 2)
    assert paired["low"] == pytest.approx(2.5 - T / 2), "of 3 and 2"
    assert _paired(ours, first, "y") is None


def test_oracles_of_known_cost_are_worked_out_once_for_the_same_requests(monkeypatch):
    asked = []

    def beside(task):
        spec, arrived, satisfactions = task
        asked.append((spec.replication, arrived, satisfactions))
        return [{"clairvoyant": sum(s), "statistical": arrived, "feature": None} for s in satisfactions]

    def run(replication, arrived, satisfaction):
        made = summary(1.0, satisfaction) | {"requests": {"arrived": arrived}}
        return BASE.changed(replication=replication), made

    def each(function, items, **_):
        return ((i, function(item)) for i, item in enumerate(items))

    monkeypatch.setattr(module, "oracles_beside", beside)
    runs = [run(0, 40, 0.5), run(0, 40, 0.75), run(1, 40, 0.25), run(0, 39, 0.125)]
    module._add_oracles(runs, SimpleNamespace(each=each))
    assert asked == [(0, 40, [[0.5], [0.75]]), (1, 40, [[0.25]]), (0, 39, [[0.125]])]
    assert [s["cost"]["oracle"]["clairvoyant"] for _, s in runs] == [0.5, 0.75, 0.25, 0.125]
    assert runs[3][1]["cost"]["oracle"] == {"clairvoyant": 0.125, "statistical": 39, "feature": None}


# ---- files ----------------------------------------------------------------------------------------------


def test_a_comparison_as_csv_has_a_line_for_each_policy_and_figure():
    one = {"mean": 2.0, "low": 1.0, "high": 3.0, "count": 5}
    policies = [
        {"name": "a", "figures": {"x": one, "y": None}, "difference": None},
        {"name": "b", "figures": {"x": one}, "difference": {"x": one | {"mean": 0.5, "low": None, "high": None}}},
    ]
    assert comparison_csv({"policies": policies}).splitlines() == [
        "policy,figure,mean,low,high,count,difference_mean,difference_low,difference_high,difference_count",
        "a,x,2.0,1.0,3.0,5,,,,",
        "a,y,,,,,,,,",
        "b,x,2.0,1.0,3.0,5,0.5,,,5",
    ]


# ---- fleets ---------------------------------------------------------------------------------------------


def plan_with(objective, overrides=None):
    best = None if overrides is None else {"objective": objective, "overrides": overrides}
    return {"best": best, "requirements": ["a<1"], "unit": "USD/h"}


def test_for_each_policy_a_fleet_is_planned_and_the_cheapest_is_the_best(monkeypatch, tmp_path):
    plans = {
        "mess+": plan_with(3.0, {'models."8b".replicas': 2}),
        "random": plan_with(2.0, {'models."8b".replicas': 1, "pools.0.gpu": "A100"}),
        "cheapest": plan_with(None),
    }
    asked = []

    def plan(spec, goal, **options):
        asked.append((spec.router.policy, goal, options))
        return plans[spec.router.policy]

    monkeypatch.setattr(fleets_module, "plan", plan)
    goal = Goal(["axis"], ["a<1"], "energy", seeds=3, kept_share=0.8)
    answer = fleets(BASE, list(plans), goal, out=tmp_path, workers=lambda: "w")
    assert answer["best"] == "random"
    assert [p["policy"] for p in answer["policies"]] == list(plans)
    assert answer["policies"][0]["plan"] is plans["mess+"]
    assert (answer["requirements"], answer["unit"], answer["replications"]) == (["a<1"], "USD/h", 3)
    assert (answer["alpha"], answer["cost_unit"]) == (0.5, "J")
    assert [a[0] for a in asked] == list(plans)
    assert asked[1][1:] == (goal, {"workers": "w", "on_progress": None, "out": tmp_path / "random"})
    assert json.loads((tmp_path / "fleets.json").read_text())["best"] == "random"
    assert (tmp_path / "fleets.csv").read_text().splitlines() == [
        'router.policy,"models.""8b"".replicas",pools.0.gpu',
        "mess+,2,",
        "random,1,A100",
    ]
    plans["random"] = plans["mess+"] = plan_with(None)
    assert fleets(BASE, list(plans), Goal([], []), workers=lambda: "w")["best"] is None
    assert fleets(TENANTS, list(plans), Goal([], []), workers=lambda: "w")["alpha"] is None
    assert asked[-1][2]["out"] is None


def test_no_fleet_makes_an_empty_table():
    assert _points([{"policy": "a", "plan": plan_with(None)}]) == "\n"


@pytest.mark.parametrize("ours", ["fleets.json", "fleets.csv", "mess+.partial"])
def test_a_directory_of_fleets_is_gone_on_with(tmp_path, ours):
    _check_free(tmp_path / "none")
    (tmp_path / "random").mkdir()
    (tmp_path / "random" / "study.json").touch()
    (tmp_path / ours).touch()
    _check_free(tmp_path)


def test_a_directory_with_something_else_is_refused(tmp_path):
    (tmp_path / "thesis").mkdir()
    with pytest.raises(OutputError) as caught:
        _check_free(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: holds thesis, which is no plan; expected a directory that is yet to be made, or one that "
        "compare --fleets began"
    )
