"""Models that come and go, prices that change, and drift that is gradual."""

import numpy as np
import pytest
from builders import ALWAYS, NEVER, OwnPolicy, model, run, scenario, trace
from scipy import special

from messsim import routing
from messsim.errors import ScenarioError
from messsim.results import record_frame
from messsim.scenario import parse
from messsim.workload import Workload
from messsim.workload.knowledge import probabilities

ABC = [{"name": n, "satisfaction": s, "cost_per_request": c} for n, s, c in [("a", 0.3, 1.0), ("b", 0.6, 3.0)]]
ABC += [{"name": "c", "satisfaction": 0.8, "cost_per_request": 9.0}]
NONE = {"models": ABC, "cluster": {"mode": "none"}, "requests": 300}
SPAN = [{"from_request": 100, "withdrawn": ["b"]}, {"from_request": 200}]


@pytest.fixture(params=["simpy", "compiled"])
def engine(request) -> str:
    return request.param


def priced(**changes) -> dict:
    return scenario(**(NONE | {"phases": SPAN} | changes))


@pytest.mark.parametrize("estimate", ["known", "mean", "last_explored"])
@pytest.mark.parametrize("policy", [{"policy": "mess+", "c": 1.0, "explore": "chosen"}, {"policy": "random"}, {}])
def test_nobody_goes_to_a_model_that_is_withdrawn(engine, policy, estimate):
    r = run(priced(router=policy | {"cost_estimate": estimate}, sla={"alpha": 0.55}), engine)
    gone = r.records.model[100:200]
    assert 1 not in gone
    assert len(set(gone)) == 2
    assert 1 in r.records.model[:100]
    assert 1 in r.records.model[200:]


@pytest.mark.parametrize(("withdrawn", "instead"), [(["c"], 1), (["b", "c"], 0), (["a"], 2)])
def test_a_policy_that_insists_gets_the_next_model(engine, withdrawn, instead):
    r = run(priced(router={"policy": "largest"}, phases=[{"from_request": 100, "withdrawn": withdrawn}]), engine)
    assert set(r.records.model[:100]) == {2}
    assert set(r.records.model[100:]) == {instead}


def test_exploring_asks_those_that_are_there(engine):
    """Without its reference, the user sees the next less capable answer; the lesson is of two models."""
    r = run(priced(router={"c": 1.0, "kappa": 0.0}, phases=[{"from_request": 100, "withdrawn": ["c"]}]), engine)
    assert (r.records.cost[:100] == 13.0).all()
    assert (r.records.cost[100:] == 4.0).all()
    assert (r.records.exploration_cost[100:] == 1.0).all()
    assert (set(r.records.model[:100]), set(r.records.model[100:])) == ({2}, {1})
    assert r.outcome.updates == 300


def test_a_chain_passes_over_what_is_withdrawn_and_ends_at_the_top(engine, monkeypatch, tmp_path):
    """a, then b, then c: without b it goes from a to c; without c it ends at b."""
    own = OwnPolicy(lambda _: routing.PLAN_CHAIN, lambda request, stage, asked: asked + 1)
    monkeypatch.setitem(routing.POLICIES, "own", own.build)
    phases = [{"from_request": 1, "withdrawn": ["b"]}, {"from_request": 2, "withdrawn": ["c"]}]
    data = priced(arrivals=trace(tmp_path, [0, 30, 60]), requests=None, router={"policy": "own"}, phases=phases)
    r = run(data, engine).records
    assert r.model.tolist() == [2, 2, 1]
    assert r.cost.tolist() == [13, 10, 4]


def test_who_is_withdrawn_finishes_what_it_has(engine, tmp_path):
    models = [model("b", ALWAYS), model("a", NEVER, output={"kind": "constant", "tokens": 40})]
    data = scenario(
        arrivals=trace(tmp_path, [0, 1]),
        requests=None,
        models=models,
        router={"policy": "largest"},
        phases=[{"from_request": 1, "withdrawn": ["a"]}],
    )
    r = run(data, engine)
    assert r.statuses == ["completed"] * 2
    assert r.records.model.tolist() == [1, 0]
    assert r.records.finish_s[0] == 10.0


def test_a_model_is_added_by_withdrawing_it_before(engine):
    phases = [{"from_request": 0, "withdrawn": ["c"]}, {"from_request": 150}]
    r = run(priced(router={"policy": "largest"}, phases=phases), engine)
    assert r.records.model.tolist() == [1] * 150 + [2] * 150


def test_what_is_not_always_there_is_no_choice_made_beforehand():
    sla = {"alpha": 0.45}
    whole, parted = run(priced(phases=[], sla=sla)).summary["cost"], run(priced(sla=sla)).summary["cost"]
    assert whole["best_single"]["model"] == "b"
    assert parted["best_single"]["model"] == "c"
    gone = run(priced(phases=[SPAN[0] | {"from_request": 0}], sla={"alpha": 0.8})).summary["cost"]
    full = run(priced(phases=[], sla={"alpha": 0.8})).summary["cost"]
    assert gone["oracle"]["clairvoyant"]["at_alpha"] > full["oracle"]["clairvoyant"]["at_alpha"]


def test_records_have_no_infinite_cost():
    r = run(priced(record={"potential_outcomes": True}))
    costs = record_frame(r.setup.scenario, r.chunks)["known_cost_b"]
    assert costs.null_count() == 100
    assert costs.max() == 3.0


def test_prices_change_with_a_phase(engine):
    phases = [{"from_request": 100, "cost_per_request": {"c": 0.5}}, {"from_request": 200}]
    r = run(priced(router={"policy": "cheapest"}, phases=phases), engine)
    assert r.records.model.tolist() == [0] * 100 + [2] * 100 + [0] * 100
    assert r.records.cost.tolist() == [1.0] * 100 + [0.5] * 100 + [1.0] * 100


def theta(data: dict, stage: int) -> float:
    return Workload(parse(data)).stages[stage].thetas[0]


def gradual(**phase) -> dict:
    """From 0.3 and difficulty 0, over 100 requests, to `phase`."""
    return priced(
        phases=[
            {"from_request": 100, "over_requests": 100, "satisfaction": {"a": 0.9}, "difficulty": 1.0} | phase,
        ]
    )


def test_difficulty_and_ability_move_in_equal_steps():
    data = gradual()
    plain, moved = Workload(parse(priced(phases=[]))).columns(0, 300), Workload(parse(data)).columns(0, 300)
    way = np.clip((np.arange(300) - 100) / 100, 0, 1)
    np.testing.assert_allclose(moved.difficulty, plain.difficulty + way, rtol=0, atol=1e-12)
    slope, a, b = 1.5, theta(data, 0), theta(data, 1)
    known = probabilities(Workload(parse(data)), moved, "difficulty")
    expected = special.expit(slope * (a + way * (b - a) - moved.difficulty))
    np.testing.assert_allclose(known[0], expected, rtol=0, atol=1e-12)


def test_outcomes_follow_the_ability_on_the_way():
    """Half of the way between never and always there, the same uniforms satisfy more and more."""
    low, high = 1e-6, 1 - 1e-6
    models = [{"name": "a", "satisfaction": low, "cost_per_request": 1.0}]
    phases = [{"from_request": 0, "over_requests": 3000, "satisfaction": {"a": high}}]
    data = scenario(models=models, cluster={"mode": "none"}, requests=3000, phases=phases)
    satisfied = Workload(parse(data)).columns(0, 3000).satisfied[0]
    thirds = satisfied.reshape(3, 1000).mean(axis=1)
    assert thirds[0] < 0.05
    assert abs(thirds[1] - 0.5) < 0.1
    assert thirds[2] > 0.95


def test_the_way_may_be_measured_in_seconds():
    data = priced(phases=[{"from_s": 10.0, "over_s": 20.0, "difficulty": 2.0}])
    chunk = next(Workload(parse(data)).chunks(300))
    plain = next(Workload(parse(priced(phases=[]))).chunks(300))
    way = np.clip((chunk.arrival_s - 10) / 20, 0, 1)
    np.testing.assert_allclose(chunk.difficulty, plain.difficulty + 2 * way, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("phases", "line"),
    [
        ([{"from_request": 5, "withdrawn": ["x"]}], "phases.0.withdrawn.x: unknown model; expected one of a, b, c"),
        (
            [{"from_request": 5, "withdrawn": ["a", "b", "c"]}],
            "phases.0.withdrawn: all models are; expected at least one that takes requests",
        ),
        (
            [{"from_request": 5, "over_requests": 9}, {"from_request": 10}],
            "phases.0.over_requests = 9: expected at most 5, where the next phase begins",
        ),
        ([{"from_request": 5, "over_s": 9.0}], "phases.0: over_s with from_request; expected over_requests"),
    ],
)
def test_what_makes_no_sense(phases, line):
    with pytest.raises(ScenarioError) as caught:
        parse(priced(phases=phases))
    assert caught.value.problems == [line]


def test_with_servers_costs_are_what_they_do():
    with pytest.raises(ScenarioError, match=r"cost_per_request: expected cluster\.mode = 'none'"):
        parse(scenario(phases=[{"from_request": 5, "cost_per_request": {"small": 1.0}}]))
