"""What the promise costs without a router, the rent, and whether routing can pay."""

import contextlib
import io
import json
from itertools import pairwise

import numpy as np
import pytest
import tomli_w
from builders import model, pool, scenario

from messsim.cli import app
from messsim.engines import prepare
from messsim.errors import OutputError, ScenarioError
from messsim.results.figures import Requirement
from messsim.scenario import parse, with_values
from messsim.study import run
from messsim.study.compare.fleets import fleets
from messsim.study.plan.candidates import axes_of
from messsim.study.plan.cheapest import plan
from messsim.study.plan.files import read_plan
from messsim.study.plan.goal import Goal
from messsim.study.runs import local_workers
from messsim.study.runs.points import points_of
from messsim.study.runs.verdicts import verdict_of
from messsim.study.simulation.check import check
from messsim.study.simulation.without_router import MOST_REQUESTS, without_router
from messsim.study.simulation.worth import _fit, worth

MODELS = [model("small", 0.5), model("large", 0.8)]
PRICED = [m | {"cost_per_request": c} for m, c in zip(MODELS, (10.0, 100.0), strict=True)]


def printed(*args) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        app([str(a) for a in args], prog_name="messsim")
    return out.getvalue()


def shipped(**more):
    return parse(scenario(**({"models": MODELS, "requests": 2_000, "sla": {"alpha": 0.65}} | more)))


def under(settings, policy):
    return run(with_values(settings, {"router.policy": policy}), keep_records=False).summary


def test_where_nothing_can_be_simulated_without_a_router_the_reason_is_told(monkeypatch):
    closed = {"kind": "closed", "clients": 2, "think_s": 1.0}
    nothing = {"best_single": None, "static_mix": None}
    loop = shipped(arrivals=closed, requests=None, horizon_s=10.0)
    assert without_router(loop) == nothing | {
        "left_out": "closed loop with horizon_s: with another router other requests arrive"
    }
    assert without_router(shipped(arrivals=closed, requests=20))["best_single"] is not None

    def fails(settings):
        raise ScenarioError(["the first", "the second"])

    monkeypatch.setattr("messsim.study.simulation.without_router.prepare", fails)
    assert without_router(shipped()) == nothing | {"left_out": "the first"}


def test_without_a_router_is_what_a_run_of_the_baseline_costs():
    shipped_scenario = shipped()
    result = without_router(shipped_scenario)
    for name, policy in (("best_single", "best-single"), ("static_mix", "static-mix")):
        theirs = under(shipped_scenario, policy)
        assert result[name]["per_request"] == theirs["cost"]["per_request"]
        assert result[name]["satisfaction"] == theirs["sla"]["satisfaction"]
    assert result["best_single"]["model"] == "large"
    assert result["left_out"] is None
    assert run(shipped_scenario, keep_records=False, beside=without_router).summary["cost"]["without_router"] == result


def test_what_is_not_simulated_says_why():
    many = without_router(shipped(requests=MOST_REQUESTS + 1))
    assert many["best_single"] is many["static_mix"] is None
    assert many["left_out"].startswith("1,000,001 requests: `messsim compare")
    out = without_router(shipped(sla={"alpha": 0.9}))
    assert out == {"best_single": None, "static_mix": None, "left_out": None}


def test_each_tenant_is_to_have_its_model():
    def two(alpha):
        tenants = [{"name": "a", "share": 0.5, "alpha": 0.3}, {"name": "b", "share": 0.5, "alpha": alpha}]
        return without_router(parse(scenario(tenants=tenants)))

    assert two(0.99) == {"best_single": None, "static_mix": None, "left_out": None}, "out of reach for one of them"
    reached = two(0.7)
    assert reached["best_single"]["model"] is None, "a's is the small one and b's the large one"
    assert reached["best_single"]["satisfaction"] is not None
    assert reached["static_mix"]["satisfaction"] is not None


def test_the_terminal_shows_realised_costs_only(tmp_path):
    file = tmp_path / "s.toml"
    file.write_text(tomli_w.dumps(scenario(models=MODELS, requests=500, sla={"alpha": 0.65})))
    reported = printed("run", file)
    line = next(x for x in reported.splitlines() if x.startswith("without router"))
    theirs = without_router(shipped(requests=500))
    assert f"large alone {theirs['best_single']['per_request']:.4g} J" in line
    assert "expected" not in reported
    assert json.loads(printed("run", file, "--json"))["cost"]["without_router"] == theirs


def test_rent_is_stated_and_fixed_where_all_is_rented():
    rented = shipped(cost={"unit": "USD", "usd_per_gpu_hour": {"GPU": 3.0}})
    cost = run(rented, keep_records=False).summary["cost"]
    assert (cost["rent_usd_per_hour"], cost["fixed"], cost["gpus"]) == (6.0, True, 2)
    under_another = under(rented, "largest")["cost"]
    assert under_another["total"] == pytest.approx(cost["total"], rel=0.02)  # all but the tail after the last arrival
    checklist = check(rented)
    assert (checklist["rent_usd_per_hour"], checklist["cost_fixed"]) == (6.0, True)
    free = run(shipped(), keep_records=False).summary["cost"]
    assert (free["rent_usd_per_hour"], free["fixed"]) == (None, False)


# ---- can routing pay? -----------------------------------------------------------------------------------


def test_bounds_fall_with_what_is_known():
    result = worth(prepare(shipped(requests=6_000, models=PRICED)))
    order = [result["best_single"]["per_request"], result["static_mix"], result["own_cost"], result["features"]]
    order += [result["clairvoyant"]]
    assert None not in order
    assert all(b <= a * 1.02 for a, b in pairwise(order)), order
    assert 0.0 < result["features_save"] <= result["can_save"] < 1.0


def test_features_without_signal_save_no_more_than_costs_do():
    blind = worth(prepare(shipped(requests=6_000, models=PRICED, features={"signal": 0.0})))
    seeing = worth(prepare(shipped(requests=6_000, models=PRICED, features={"signal": 1.0})))
    assert blind["features_save"] < blind["own_cost_saves"] + 0.05
    assert seeing["features_save"] > blind["features_save"] + 0.1


def test_features_are_judged_by_what_choices_satisfied_not_by_what_was_predicted():
    noise = shipped(requests=2_000, models=PRICED, features={"dimensions": 80, "signal": 0.0})
    result = worth(prepare(noise))
    assert result["features"] > 0.97 * result["own_cost"]


def test_the_fit_is_that_of_scikit_learn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    chance = np.random.default_rng(1)
    x = np.hstack([np.ones((500, 1)), chance.normal(size=(500, 3))])
    outcomes = np.stack([chance.random(500) < 0.7, chance.random(500) < 1 / (1 + np.exp(-2 * x[:, 1]))]).astype(float)
    outcomes[0, :100] = 0.25  # a grade counts as so much of each
    for weights, outcome in zip(_fit(x, outcomes).T, outcomes, strict=True):
        graded = np.concatenate([outcome, 1 - outcome])
        fit = linear_model.LogisticRegression(tol=1e-9, max_iter=1000).fit(
            np.vstack([x, x])[:, 1:], np.repeat([1, 0], 500), sample_weight=graded
        )
        assert weights == pytest.approx([fit.intercept_[0], *fit.coef_[0]], abs=0.01)


def test_dominated_models_are_named():
    three = [model("small", 0.5), {**model("worse", 0.4), "cost_per_request": 500.0}, model("large", 0.8)]
    result = worth(prepare(shipped(models=three)))
    assert {"model": "worse", "by": "small"} in result["dominated"]


def test_batch_is_how_many_a_busy_replica_runs_at_once():
    arrivals = {"kind": "poisson", "rate_rps": 0.01}
    calm = check(shipped(arrivals=arrivals, requests=200, router={"policy": "random"}))
    for result in calm["pools"]:
        assert result["batch"] == pytest.approx(1.0, abs=0.05)
        assert result["thin"]


def test_a_busy_replica_runs_one_sequence_at_least():
    """Copies that only explore keep it busy too, and no record tells of them."""
    busy = check(shipped(requests=60, router={"c": 10.0}, arrivals={"kind": "poisson", "rate_rps": 0.05}))["pools"]
    assert all(pool["batch"] >= 1.0 for pool in busy)


# ---- fleets ---------------------------------------------------------------------------------------------


def test_a_pool_of_no_replicas_is_left_out_with_its_model():
    three = [model("small", 0.5), model("middle", 0.6), model("large", 0.8)]
    shipped_scenario = shipped(models=three, router={"predictor": {"start": "means", "means": [0.5, 0.6, 0.8]}})
    less = with_values(shipped_scenario, {"models.middle.replicas": 0})
    assert less.model_names == ["small", "large"]
    assert less.router.predictor.means == [0.5, 0.8]
    with pytest.raises(ScenarioError):
        with_values(shipped_scenario, {f"models.{name}.replicas": 0 for name in shipped_scenario.model_names})


def test_an_empty_pool_beside_another_is_left_out_alone():
    models = [{"name": "two", "satisfaction": 0.5}, model("one", 0.8)]
    pools = [pool("two", name="near"), pool("two", name="far")]
    phase = {"from_request": 5, "satisfaction": {"two": 0.4, "one": 0.9}, "withdrawn": ["one"]}
    shipped_scenario = shipped(models=models, pools=pools, phases=[phase])
    near = with_values(shipped_scenario, {"pools.far.replicas": 0})
    assert ([p.name for p in near.pools], near.model_names) == (["near"], ["two", "one"])
    less = with_values(shipped_scenario, {"models.one.replicas": 0})
    assert ([p.name for p in less.pools], less.model_names) == (["near", "far"], ["two"])
    assert (less.phases[0].withdrawn, less.phases[0].satisfaction) == ([], {"two": 0.4})


@pytest.mark.parametrize(("kept", "verdict"), [(10, "met"), (9, "met"), (8, "failed")])
def test_a_promise_is_judged_by_how_often_it_is_kept(kept, verdict):
    rows = [{"sla_satisfaction": 0.61}] * kept + [{"sla_satisfaction": 0.59}] * (10 - kept)
    judged = verdict_of(Requirement.parse("sla.satisfaction>=0.6"), rows)
    assert (judged["verdict"], judged["kept"]) == (verdict, kept)
    assert verdict_of(Requirement.parse("sla.satisfaction>=0.6"), rows, 0.8)["verdict"] == "met"


def test_each_policy_gets_its_cheapest_fleet():
    shipped_scenario = shipped(requests=300, cost={"usd_per_gpu_hour": {"GPU": 2.0}})
    axes = axes_of(shipped_scenario, ["small=0..2", "large=1..2"], [])
    result = fleets(
        shipped_scenario,
        ["mess+", "largest"],
        Goal(axes, ["requests.lost<=0", "gpus<=3"], seeds=2),
        workers=lambda: local_workers(1),
    )
    largest = result["policies"][1]["plan"]
    assert [p["replicas"] for p in largest["best"]["pools"]] == [0, 1]
    assert largest["best"]["gpus"] == 1
    assert largest["counts"]["candidates"] == 5  # of 6, less two of each
    assert result["best"] == "mess+"
    with pytest.raises(ScenarioError, match=r"no cluster of these keeps to it"):
        plan(shipped_scenario, Goal(axes, ["usd_per_hour<1"], seeds=2), workers=local_workers(1))


def test_fleets_are_kept_as_plans_and_as_points_of_a_sweep(tmp_path, monkeypatch):
    shipped_scenario = shipped(requests=100, cost={"usd_per_gpu_hour": {"GPU": 2.0}})
    axes = axes_of(shipped_scenario, ["small=0..1", "large=1..2"], [])
    asked = (shipped_scenario, ["mess+", "largest"], Goal(axes, ["requests.lost<=0"], seeds=2))
    result = fleets(*asked, out=tmp_path / "o", workers=lambda: local_workers(1))
    assert json.loads((tmp_path / "o" / "fleets.json").read_text()) == result
    assert read_plan(tmp_path / "o" / "largest") == result["policies"][1]["plan"]
    points = points_of([], tmp_path / "o" / "fleets.csv")
    assert points[1] == {"router.policy": "largest", 'models."small".replicas': 0, 'models."large".replicas': 1}
    monkeypatch.setattr("messsim.study.plan.cheapest.row_at", None)
    assert fleets(*asked, out=tmp_path / "o", workers=lambda: local_workers(1)) == result
    (tmp_path / "o" / ".fleets.csv.0123456789abcdef.partial").touch()  # of one that was killed
    assert fleets(*asked, out=tmp_path / "o", workers=lambda: local_workers(1)) == result
    (tmp_path / "o" / "mine.txt").touch()
    with pytest.raises(OutputError, match=r"holds mine\.txt, which is no plan"):
        fleets(*asked, out=tmp_path / "o")


def test_the_best_policy_is_that_of_the_cheapest_fleet(monkeypatch):
    prices = {"mess+": None, "largest": 3.0, "random": 2.0, "cheapest": 2.5}

    def planned(settings, *args, **options):
        price = prices[settings.router.policy_name]
        return {"requirements": [], "unit": "USD", "best": None if price is None else {"objective": price}}

    monkeypatch.setattr("messsim.study.compare.fleets.plan", planned)
    assert fleets(shipped(), list(prices), Goal([], [], seeds=2))["best"] == "random"
    prices.update(largest=None, random=None, cheapest=None)
    assert fleets(shipped(), list(prices), Goal([], [], seeds=2))["best"] is None


def test_a_plan_that_may_leave_out_any_model_leaves_one():
    shipped_scenario = shipped(requests=100, cost={"usd_per_gpu_hour": {"GPU": 2.0}})
    axes = axes_of(shipped_scenario, ["small=0..1", "large=0..1"], [])
    result = plan(shipped_scenario, Goal(axes, ["requests.lost<=0"], seeds=2), workers=local_workers(1))
    assert result["counts"]["candidates"] == 3
    assert result["best"]["gpus"] == 1
