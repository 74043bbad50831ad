"""Requests that are too long: for one model, which is then no choice, or for all, which turns them away on arrival."""

import math

import pytest
from builders import ALWAYS, model, run, scenario, trace

import messsim
from messsim.engines import prepare
from messsim.errors import OutputError, ScenarioError
from messsim.scenario import parse
from messsim.study.simulation.check import check
from messsim.study.simulation.explain import explain

ENGINES = ["simpy", "compiled"]


def of_lengths(tmp_path, lengths, **changes):
    """Requests a second apart with these (prompt, answer) tokens."""
    prompts, answers = zip(*lengths, strict=True)
    arrivals = trace(tmp_path, range(len(lengths)), prompt_tokens=prompts, output_tokens=answers)
    tokens = {"prompt": {"kind": "trace"}, "output": {"kind": "trace"}}
    return scenario(requests=len(lengths), arrivals=arrivals, tokens=tokens, **changes)


@pytest.mark.parametrize("engine", ENGINES)
def test_one_long_request_is_turned_away_and_the_run_goes_on(tmp_path, engine):
    """A context of 10 takes 7 + 3 tokens, not 8 + 3. Memory for 12 takes 10 + 3: the last is not cached."""
    lengths = [(7, 3), (8, 3), (1, 1)]
    r = run(of_lengths(tmp_path, lengths, models=[model("only", max_model_len=10)]), engine)
    assert r.statuses == ["completed", "too_long", "completed"]
    assert r.records.model.tolist() == [0, -1, 0]
    assert r.records.output_tokens.tolist() == [3, 0, 1]
    assert math.isnan(r.records.queue[1])
    assert math.isnan(r.records.finish_s[1])
    assert r.records.attempts.tolist() == [1, 1, 1]
    assert r.summary["requests"] | {"too_long": 1, "completed": 2, "attempts": 2, "lost": 0} == r.summary["requests"]
    memory = [model("only", kv_capacity_tokens=12)]
    lengths = [(10, 3), (11, 3)]
    assert run(of_lengths(tmp_path, lengths, models=memory), engine).statuses == ["completed", "too_long"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_model_that_cannot_take_a_request_is_no_choice_for_it(tmp_path, engine):
    """The cheap model would answer all; the long request goes to the dear one, also where everybody is asked."""
    models = [model("cheap", ALWAYS, max_model_len=10), model("dear", ALWAYS, max_model_len=100)]
    lengths = [(7, 3), (50, 3), (90, 30)]
    data = of_lengths(tmp_path, lengths, models=models, router={"policy": "cheapest"})
    r = run(data, engine)
    assert r.statuses == ["completed", "completed", "too_long"]
    assert r.records.model.tolist() == [0, 1, -1]
    assert [math.isinf(cost) for cost in r.known[0]] == [False, True, True]
    everyone = run(data | {"router": {"c": 1.0, "kappa": 0.0, "reference": "cheap"}}, engine)
    assert everyone.records.model.tolist() == [0, 1, -1]
    assert everyone.records.exploration_cost[1] == 0.0
    assert everyone.records.exploration_cost[0] > 0.0


@pytest.mark.parametrize("engine", ENGINES)
def test_a_pool_that_cannot_take_a_request_is_passed_over(tmp_path, engine):
    """Two pools of one model: the first is idle, and too short for the second request."""
    pools = [
        {"model": "only", "name": "short", "coefficients": {"a0_s": 0.25}, "max_num_seqs": 4, "max_model_len": 10},
        {"model": "only", "name": "long", "coefficients": {"a0_s": 0.25}, "max_num_seqs": 4},
    ]
    bare = [{"name": "only", "satisfaction": 0.5, "max_model_len": 60}]
    r = run(of_lengths(tmp_path, [(5, 3), (50, 3), (60, 3)], models=bare, pools=pools), engine)
    assert r.statuses == ["completed", "completed", "too_long"]  # a limit of the model holds for pools that have none
    assert r.records.replica.tolist() == [0, 1, -1]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_client_in_a_closed_loop_asks_again(tmp_path, engine):
    data = scenario(
        requests=20,
        arrivals={"kind": "closed", "clients": 1, "think_s": 0.5},
        tokens={"prompt": {"kind": "empirical", "tokens": [1, 50]}, "output": 2},
        models=[model("only", max_model_len=10)],
    )
    r = run(data, engine)
    assert {"completed", "too_long"} == set(r.statuses)
    for i, status in enumerate(r.statuses[:-1]):
        ends_s = r.records.arrival_s[i] if status == "too_long" else r.records.finish_s[i]
        assert r.records.arrival_s[i + 1] == ends_s + 0.5


def test_a_law_without_a_maximum_runs():
    """The longest lognormal that may ever come has some hundred thousand tokens; those that come have not."""
    lognormal = {"kind": "lognormal", "mean": 20.0, "cv": 1.0}
    data = scenario(tokens={"prompt": lognormal, "output": lognormal}, models=[model("a", kv_capacity_tokens=2_000)])
    assert run(data, "compiled").statuses == ["completed"] * 40


def test_without_servers_the_context_counts_too():
    models = [{"name": n, "satisfaction": 0.5, "cost_per_request": c} for n, c in (("a", 1.0), ("b", 2.0))]
    models[0]["max_model_len"] = 30
    tokens = {"prompt": 10, "output": {"kind": "geometric", "mean": 20.0}}
    data = scenario(cluster={"mode": "none"}, models=models, tokens=tokens, router={"policy": "cheapest"})
    for engine in ENGINES:
        r = run(data, engine)
        longer = (r.chunks[0].drawn.output_tokens[0] if r.chunks[0].drawn.output_tokens is not None else None) > 20
        assert r.records.model.tolist() == longer.astype(int).tolist()
        assert 0 < longer.sum() < 40


def test_the_oracle_leaves_out_what_nobody_can_answer(tmp_path):
    models = [model("a", ALWAYS, max_model_len=10), model("b", ALWAYS, max_model_len=10)]
    r = run(of_lengths(tmp_path, [(7, 3), (8, 3), (7, 3)], models=models), "compiled")
    assert r.summary["cost"]["oracle_per_request"] == pytest.approx(r.known[0, 0])


def test_a_scenario_whose_requests_are_all_too_long_is_refused():
    """100 prompt and 60 output tokens, the last of which is never cached."""
    for changes, most in [({"kv_capacity_tokens": 158}, 159), ({"max_model_len": 159}, 159)]:
        data = scenario(tokens={"prompt": 100, "output": 60}, models=[model("only", **changes)])
        with pytest.raises(ScenarioError, match=f"shortest has 160 tokens .* the most that any takes are {most}"):
            prepare(parse(data))
    assert run(scenario(tokens={"prompt": 100, "output": 60}, models=[model("only", max_model_len=160)]))


def test_check_counts_the_long_requests(tmp_path):
    models = [model("cheap", max_model_len=10), model("dear", max_model_len=100)]
    notes = check(parse(of_lengths(tmp_path, [(7, 3), (50, 3), (90, 30)], models=models)))["notes"]
    assert "too long: 1 of the first 3 requests for every model, and turned away" in notes
    assert "too long: 2 of the first 3 requests for cheap, 1 of which go to other models" in notes


def test_check_counts_what_runs_at_once_not_what_waits(tmp_path):
    """Four at once, two places: each pair runs for as long as the other waits, and the last comes to an idle pool."""
    data = of_lengths(tmp_path, [(1, 3)] * 4, models=[model("only", max_num_seqs=2)])
    data["arrivals"] |= trace(tmp_path, [0.0, 0.0, 0.0, 0.0, 1000.0], prompt_tokens=[1] * 5, output_tokens=[3] * 5)
    (only,) = check(parse(data | {"requests": 5}))["pools"]
    assert only["batch"] == 2.0


def test_nobody_explains_what_was_never_decided(tmp_path):
    data = of_lengths(tmp_path, [(7, 3), (8, 3)], models=[model("only", max_model_len=10)])
    result = messsim.run(parse(data), out=tmp_path / "run")
    assert result.requests.select("model", "status").collect().rows() == [("only", "completed"), (None, "too_long")]
    assert explain(tmp_path / "run", 0)["record"]["model"] == "only"
    with pytest.raises(OutputError, match="request 1 was never decided: it is too long for every model"):
        explain(tmp_path / "run", 1)
