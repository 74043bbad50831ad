"""What a router learns by: options of [router.predictor], V in the scale of costs, marginal costs."""

import json
import math
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import tomli_w
from builders import COEFFICIENTS, IDLE_W, POWER_W, STEP_S, model, run, scenario
from typer.testing import CliRunner

from messsim import MessPlus, _core
from messsim.cli import app
from messsim.engines import prepare
from messsim.errors import DataError, ScenarioError
from messsim.routing.tradeoff import automatic_v, check_costs, notes_on_v
from messsim.scenario import dump, parse
from messsim.scenario.shipped import files_of

# ---- starting well ---------------------------------------------------------------------------------------

ROWS = 500
FEATURES = {
    "constant": lambda rng, hard: np.full((1, ROWS), 7.0),
    "telling": lambda rng, hard: np.stack([hard, rng.normal(size=ROWS)]),
    "unscaled": lambda rng, hard: np.stack([hard, 10.0 ** rng.integers(0, 6, ROWS)]),
    "heavy tails": lambda rng, hard: rng.standard_t(1, size=(3, ROWS)) * 1e3,
    "many": lambda rng, hard: rng.normal(size=(100, ROWS)) + hard,
}


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("optimizer", ["sgd", "adagrad"])
def test_an_optimist_starves_no_model(name, optimizer, tmp_path):
    """Nobody explores, and only the last model of three keeps the promise: it must be tried, whatever the features."""
    rng = np.random.default_rng(7)
    hard = rng.normal(size=ROWS)
    columns = {f"feature__{j:03}": x for j, x in enumerate(FEATURES[name](rng, hard))}
    chance = {"s": 0.6 - 0.05 * hard, "m": 0.65 - 0.05 * hard, "l": 0.9 - 0.05 * hard}
    columns |= {m: (rng.random(ROWS) < p).astype(float) for m, p in chance.items()}
    pl.DataFrame(columns).write_parquet(tmp_path / "o.parquet")
    data = scenario(
        requests=20_000,
        sla={"alpha": 0.75},
        cluster={"mode": "none"},
        satisfaction={"kind": "table", "file": str(tmp_path / "o.parquet")},
        features=None,
        models=[{"name": m, "cost_per_request": c} for m, c in [("s", 1.0), ("m", 2.0), ("l", 9.0)]],
        router={"V": "auto", "c": 0.0, "predictor": {"start": "optimistic", "optimizer": optimizer}},
    )
    r = run(data, "compiled")
    assert r.summary["sla"]["satisfaction"] >= 0.748
    answers = np.bincount(r.records.model, minlength=3)
    assert answers.min() > 20
    assert answers[2] > 200


def test_an_even_start_may_starve_a_model():
    """Why the option is there: the small model's 0.6 beats the 1/2 of one that nobody tried, for good."""
    router = MessPlus(["s", "l"], 0, 0.75, c=0.0)
    for t in range(2_000):
        route = router.route([], costs=[1.0, 9.0])
        router.feedback(route.request, float(t % 5 < 3))
        assert route.answer_from == "s"


def test_biases_start_at_the_scenarios_means_or_those_given():
    r = prepare(parse(scenario(router={"predictor": {"start": "means"}})))
    assert r.scenario.router.predictor.means == [0.4, 0.8]
    np.testing.assert_allclose(r.policy.predictor.bias, [math.log(0.4 / 0.6), math.log(4.0)])
    r = prepare(parse(scenario(router={"predictor": {"start": "means", "means": [0.5, 1.0]}})))
    np.testing.assert_allclose(r.policy.predictor.bias, [0.0, math.log(99.0)])
    with pytest.raises(ScenarioError, match="means: expected the mean satisfaction of each of the 2 models"):
        prepare(parse(scenario(router={"predictor": {"start": "means", "means": [0.5]}})))
    with pytest.raises(ScenarioError, match="means"):
        MessPlus(["a", "b"], 1, 0.5, predictor={"start": "means"})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"optimizer": "adagrad", "momentum": 0.5}, "expected momentum = 0"),
        ({"means": [0.5, 0.5]}, 'expected start = "means"'),
        ({"optimizer": "adam"}, "expected one of sgd, adagrad"),
        ({"start": "hopeful"}, "expected one of even, means, optimistic"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, words):
    with pytest.raises(ScenarioError, match=words):
        parse(scenario(router={"predictor": options}))


# ---- one feature in tokens -----------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 1 / 30_000])
def test_a_feature_in_tokens_does_not_cost_the_promise(scale):
    rng = np.random.default_rng(4)
    router, kept = MessPlus(["s", "l"], 2, 0.7), 0.0
    for _ in range(5_000):
        hard = rng.random()
        route = router.route([hard, rng.integers(10, 100_000) * scale], costs=[120.0, 900.0])
        good = {"s": float(rng.random() < 0.9 - 0.6 * hard), "l": float(rng.random() < 0.9 - 0.2 * hard)}
        kept += good[route.answer_from]
        router.feedback(route.request, {m: good[m] for m in route.models})
    assert kept / 5_000 >= 0.7


def test_tables_are_standardized_and_synthetic_features_are_not(tmp_path):
    (tmp_path / "o.csv").write_text("small,large,feature__a\n" + "0,1,3\n1,1,5\n" * 9)
    table = scenario(satisfaction={"kind": "table", "file": str(tmp_path / "o.csv")}, features=None)
    table["satisfaction"].pop("slope", None)
    for m in table["models"]:
        del m["satisfaction"]
    assert prepare(parse(table)).scenario.router.predictor.standardize is True
    assert prepare(parse(scenario())).scenario.router.predictor.standardize is False


# ---- warm start ---------------------------------------------------------------------------------------------


def labelled(path, rows):
    frame = pl.DataFrame(rows)
    {"csv": frame.write_csv, "jsonl": frame.write_ndjson, "parquet": frame.write_parquet}[path.suffix[1:]](path)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_warm_start_is_a_step_a_row(tmp_path, kind):
    file = tmp_path / f"rows.{kind}"
    rows = {"feature__b": [1.0, 2.0, 3.0], "feature__a": [0.5, 0.25, 4.0], "feature__c": [0.0, 1.0, 0.0]}
    labelled(file, rows | {"satisfied__large": [1, None, 0], "satisfied__small": [0, None, 1], "other": [1, 2, 3]})
    data = scenario(router={"predictor": {"warm_start": str(file), "learning_rate": 0.5}})
    setup = prepare(parse(data))
    expected = _core.Predictor(2, 3, learning_rate=0.5)
    expected.learn(np.array([0.5, 1.0, 0.0]), np.array([0.0, 1.0]))
    expected.learn(np.array([4.0, 3.0, 0.0]), np.array([1.0, 0.0]))
    assert setup.policy.predictor.weights.tobytes() == expected.weights.tobytes()
    assert setup.policy.predictor.version == 0
    a, b = run(data, "simpy"), run(data, "compiled")
    assert a.records.score.tobytes() == b.records.score.tobytes()
    assert a.records.score[0] != 0.5
    assert str(file) in dump(setup.scenario)


def test_what_is_wrong_with_a_warm_start_is_told(tmp_path):
    file = tmp_path / "rows.csv"
    for text, words in [
        ("feature__a,satisfied__small\n1,1\n", "has 1 columns feature__NAME; expected 3"),
        ("feature__a,feature__b,feature__c,small\n1,1,1,1\n", "expected any of the columns satisfied__small"),
        ("feature__a,feature__b,feature__c,satisfied__small\n1,1,1,2\n", "'satisfied__small' has 2 in row 1"),
        ("feature__a,feature__b,feature__c,satisfied__small\n1,1,1,\n1,1,1,2\n", "'satisfied__small' has 2 in row 2"),
        ("feature__a,feature__b,feature__c,satisfied__small\n1,x,1,1\n", "feature__b"),
    ]:
        file.write_text(text)
        with pytest.raises(DataError, match=words):
            prepare(parse(scenario(router={"predictor": {"warm_start": str(file)}})))
    with pytest.raises(DataError, match="no such file"):
        prepare(parse(scenario(router={"predictor": {"warm_start": "gone.csv"}})))


def test_a_gateway_learns_from_labelled_requests():
    router = MessPlus(["a", "b"], 1, 0.5, predictor={"standardize": False})
    router.learn_from([[1.0], [2.0]], [[1.0, math.nan], [math.nan, math.nan]])
    assert router.queue == 0.0
    scores = router.preview([1.0], costs=[1.0, 2.0]).scores
    assert scores["a"] > 0.5 == scores["b"]
    for x, labels in [([[1.0, 2.0]], [[1, 1]]), ([[1.0]], [[1]]), ([[1.0]], [[2, 1]]), ([[math.inf]], [[1, 1]])]:
        with pytest.raises(ScenarioError, match="features and satisfied"):
            router.learn_from(x, labels)
    with pytest.raises(ScenarioError, match="learn_from"):
        MessPlus(["a", "b"], 1, 0.5, predictor={"warm_start": "rows.csv"})


# ---- V ------------------------------------------------------------------------------------------------------


def test_an_automatic_v_is_one_over_the_gap():
    assert automatic_v([120.0, 900.0]) == 0.00128
    assert automatic_v([900.0, 500.0, 100.0]) == 0.00125
    assert automatic_v([5.0, 5.0]) == automatic_v([5.0]) == 0.2
    assert automatic_v([0.0, 0.0]) == automatic_v([math.inf]) == 1.0
    assert automatic_v([10.0, math.inf, 20.0]) == 0.1


@pytest.mark.parametrize("dearest", [5e-324, 1e-310, 1e-200, 1e-16, 1e16, 1e200])
def test_an_automatic_v_wants_costs_of_a_plausible_size(dearest):
    with pytest.raises(ScenarioError, match=rf"costs: .* {re.escape(f'{dearest:g}')} .* from 1e-15 to 1e\+15, or V"):
        check_costs([0.0, dearest, math.inf])
    assert 1e-250 < automatic_v([0.0, dearest]) <= 1.0


def test_costs_of_a_plausible_size_are_taken():
    for costs in ([], [0.0, 0.0], [math.inf], [1e-15], [1e15, math.inf]):
        check_costs(costs)


def test_costs_that_differ_by_rounding_alone_have_no_gap():
    assert automatic_v([1e-7, 1e-7 + 5e-16]) == 1e7
    assert automatic_v([0.1, 0.1 + 2e-17, math.inf]) == 10.0


def test_costs_of_no_plausible_size_stop_a_run_by_name(tmp_path):
    table = tmp_path / "answers.csv"
    table.write_text("small,large,cost_small,cost_large\n0,1,0,1e-310\n1,1,0,1e-310\n")
    satisfaction = {"kind": "table", "file": str(table), "costs": "cost_{column}"}
    data = scenario(cluster={"mode": "none"}, satisfaction=satisfaction, features={"kind": "none"})
    data["models"] = [{"name": "small"}, {"name": "large"}]
    data["router"] = {"V": "auto"}
    with pytest.raises(ScenarioError, match=r"costs: .*1e-310"):
        prepare(parse(data))


def test_a_gateway_of_tiny_costs_refuses_them_and_goes_on(tmp_path):
    router = MessPlus(["a", "b"], 0, 0.5)
    for ask in (router.route, router.preview):
        with pytest.raises(ScenarioError, match="costs: has 1e-310; expected 0 for all, or 1e-15 at least"):
            ask([], costs=[0.0, 1e-310])
    assert router.preview([], costs=[1e-17, 1.0]).request == 0  # what rounding left
    assert router.route([], costs=[1.0, 3.0]).request == 0
    assert router.weight == 0.5
    router.save(tmp_path / "saved.json")
    assert MessPlus.load(tmp_path / "saved.json").weight == 0.5


def test_an_automatic_v_is_resolved_and_stored(tmp_path):
    data = scenario(cluster={"mode": "none"}, router={"V": "auto"})
    data["models"] = [model("small", 0.4, cost_per_request=100.0), model("large", 0.8, cost_per_request=300.0)]
    setup = prepare(parse(data))
    assert setup.scenario.router.V == 0.005
    assert "V = 0.005" in dump(setup.scenario)
    assert any(n.startswith("router.V = 0.005 1/J: ") for n in setup.notes)
    assert run(data, "simpy").records.model.tolist() == run(data, "compiled").records.model.tolist()
    by_hand = run(data | {"router": {"V": 0.005}})
    assert run(data).records.model.tolist() == by_hand.records.model.tolist()


def test_a_steered_v_comes_back_after_long_ease():
    """The cheapest model keeps the promise for 80,000 requests, then no longer: V must not have run away meanwhile."""
    data = scenario(requests=100_000, cluster={"mode": "none"}, features={"kind": "none"}, sla={"alpha": 0.3})
    data["models"] = [model("a", 0.5, cost_per_request=0.0), model("b", 0.8, cost_per_request=1.0)]
    data["router"] = {"V": "auto", "target_queue": 5.0}
    data["phases"] = [{"from_request": 80_000, "satisfaction": {"a": 0.2}}]
    after = run(data).records.model[90_000:]
    assert after.mean() == pytest.approx(0.1 / 0.6, abs=0.02)  # of 0.3 promised, a mix of 0.2 and 0.8


def test_any_unit_of_cost_gives_the_same_decisions():
    data = scenario(requests=400, cluster={"mode": "none"}, router={"V": "auto"})
    chosen = []
    for unit in (1.0, 1e-7, 1e6):
        data["models"] = [model("a", 0.4, cost_per_request=100 * unit), model("b", 0.8, cost_per_request=300 * unit)]
        chosen.append(run(data).records.model.tolist())
    assert chosen[0] == chosen[1] == chosen[2]
    assert 0 < sum(chosen[0]) < 400


def test_a_gateways_automatic_v_follows_the_costs_it_has_seen(tmp_path):
    router = MessPlus(["a", "b"], 0, 0.5, c=0.0, target_queue=3.0)
    assert router.preview([], costs=[1.0, 3.0]).request == 0
    router.route([], costs=[1.0, 3.0])
    assert router.weight == 0.5
    router.feedback(0, 0.0)
    router.route([], costs=[0.0, 0.0])
    assert router.weight == 1.0
    router.save(tmp_path / "r.json")
    other = MessPlus.load(tmp_path / "r.json")
    for r in (router, other):
        r.route([], costs=[1.0, 10.0])
    assert other.weight == router.weight
    assert MessPlus(["a", "b"], 0, 0.5, V=0.25).weight == 0.25


@pytest.mark.parametrize("value", ["'often'", "0", "-1.0", "true"])
def test_a_weight_that_is_none_is_one_error(value):
    done = CliRunner().invoke(app, ["run", "scenarios/synthetic.toml", "--set", f"router.V={value}"])
    assert done.exit_code == 2
    assert len([line for line in done.output.splitlines() if "router.V" in line]) == 1
    assert "number" not in done.output.split("router.V", 1)[1].split("=")[0]


def test_a_weight_that_switches_cost_or_satisfaction_off_is_told():
    say = lambda v, requests=1000: notes_on_v(v, [1e-4, 5e-4], [0.5, 0.8], 0.7, requests, "USD")  # noqa: E731
    assert "cost never matters" in say(1e-4)[0]
    assert "would take 2500" in say(1e-4)[0]
    assert say(2500.0) == []
    assert "cost always decides" in say(1e6)[0]
    assert say(1e6, math.inf) == []
    assert notes_on_v(1e9, [1.0, 2.0], [0.75, 0.8], 0.7, 1000, "J") == []  # the cheapest keeps the promise: rightly so
    # the cheapest is not the least satisfying: a queue of 3 or more, where ten requests add 2 at most
    (short,) = notes_on_v(0.1, [1.0, 5.0, 10.0], [0.6, 0.5, 0.9], 0.8, 10, "J")
    assert "from a queue of 3 on, and 10 requests add at most 2;" in short
    assert notes_on_v(1.0, [1.0, 2.0], None, 0.7, 1000, "J") == []
    assert notes_on_v(1e-9, [1.0, 2.0], [0.8, 0.7], 0.7, 1000, "J") == []  # nobody is worth more


def test_from_which_weight_on_cost_matters_and_up_to_which_satisfaction_does():
    """2 J for 1/4 more: worth it from a queue of 8 V on. It rises by 3/4, over 100 requests by 100 (3/4 - 1/2)."""
    say = lambda v: notes_on_v(v, [3.0, 1.0, 2.0], [0.75, 0.5, 0.625], 0.75, 100, "J")  # noqa: E731
    assert "once the queue is above 0.015, and one unsatisfying answer adds 0.75" in say(0.00187)[0]
    assert say(0.00188) == say(3.12) == []
    assert "worth its cost from a queue of 25 on, and 100 requests add at most 25" in say(3.13)[0]


def test_of_several_promises_the_largest_is_what_an_answer_adds():
    tenants = [{"name": "a", "alpha": 0.1}, {"name": "b", "alpha": 0.75}, {"name": "c", "alpha": 0.5}]
    data = scenario(tenants=tenants, router={"policy": "mess+", "V": 1e-9})
    data["models"] = [model("small", 0.4, cost_per_request=1.0), model("large", 0.8, cost_per_request=3.0)]
    notes = prepare(parse(data)).notes
    assert any("cost never matters" in note and "one unsatisfying answer adds 0.75;" in note for note in notes)


def test_replay_finds_weight_in_the_logs_costs(tmp_path):
    rows = [
        {"satisfied__a": i % 2, "satisfied__b": 1, "cost__a": 100, "cost__b": 300, "feature__x": i} for i in range(50)
    ]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = CliRunner().invoke(app, ["replay", str(tmp_path / "log.jsonl"), "--alpha", "0.6", "--json"])
    assert json.loads(done.stdout)["V"] == 0.005
    shown = CliRunner().invoke(app, ["replay", str(tmp_path / "log.jsonl"), "--alpha", "0.6"])
    assert "V = 0.005" in shown.stdout


# ---- marginal costs -------------------------------------------------------------------------------------------


def test_a_marginal_cost_wakes_no_idle_replica_without_need():
    """Iterations cost the same whoever runs: joining one is free, waking a replica costs all but its idle power."""
    setup = prepare(parse(scenario(router={"cost_estimate": "marginal"})))
    known, marginal = np.array([1.0, 2.0]), setup.costs.marginal()
    wakes = 3 * STEP_S * (POWER_W - IDLE_W)
    assert marginal.of(1, known, [goes(0, 0), goes(1, 1)]).tolist() == [wakes, 0.0]
    share = STEP_S * POWER_W * (1 + 2 / 4)
    assert marginal.of(1, known, [goes(0, 4), goes(1, 12)]).tolist() == [share, share]


def goes(pool, running):
    return {"pool": pool, "running": running, "cached": 0}


def test_stated_costs_and_apis_stay_as_they_are():
    data = scenario(router={"cost_estimate": "marginal"})
    data["cost"] = {"unit": "USD", "usd_per_gpu_hour": {"GPU": 1.0}}
    data["models"] = [
        model("stated", 0.4, cost_per_request=7.0),
        {"name": "api", "satisfaction": 0.8, "kind": "api", "usd_per_million_output_tokens": 5.0, "latency_s": 1.0},
    ]
    costs = prepare(parse(data)).costs.marginal().of(1, np.array([7.0, 3.0]), [goes(0, 2), goes(1, 2)])
    assert costs.tolist() == [7.0, 3.0]


def test_marginal_costs_need_servers():
    data = scenario(cluster={"mode": "none"}, router={"cost_estimate": "marginal"})
    data["models"] = [model("small", 0.4, cost_per_request=1.0), model("large", 0.8, cost_per_request=3.0)]
    with pytest.raises(ScenarioError, match=r'cluster\.mode = "none" has none'):
        prepare(parse(data))


def test_marginal_costs_know_the_caches_in_every_chunk():
    """The second model, once it has a beginning, is the cheaper one for it: in both engines, chunk after chunk."""
    first = COEFFICIENTS | {"c0_s_per_token": 0.006}
    cached = {"prefix_cache": True, "kv_block_tokens": 4, "kv_capacity_tokens": 4000}
    second = cached | {"coefficients": COEFFICIENTS | {"c0_s_per_token": 0.01}}
    data = scenario(
        requests=150,
        sla={"alpha": 0.5},
        tokens={"prompt": 40, "output": 4},
        prefixes={"tokens": 36, "groups": 9},
        models=[model("a", 0.6, coefficients=first), model("b", 0.7, **second)],
        router={"cost_estimate": "marginal", "V": 10.0, "c": 0.5},
        record={"chunk": 64},
    )
    simpy, compiled = (run(data, engine) for engine in ("simpy", "compiled"))
    assert len(simpy.chunks) == 3
    alone = simpy.records.model[64:][~simpy.records.explored[64:].astype(bool)]
    assert 0.1 < alone.mean() < 0.9
    for name in ("model", "cost", "cached_prompt_tokens", "finish_s"):
        assert getattr(simpy.records, name).tolist() == getattr(compiled.records, name).tolist()


def test_marginal_costs_fill_the_batch_that_runs():
    """Two models alike at a load of two requests at a time: by known cost they share; by marginal cost one idles."""
    base = scenario(
        requests=400,
        sla={"alpha": 0.3},
        arrivals={"kind": "poisson", "rate_rps": 6.0},
        models=[model("a", 0.6, max_num_seqs=32), model("b", 0.6, max_num_seqs=32, coefficients=COEFFICIENTS)],
        router={"c": 0.0, "V": 1.0},
    )
    runs = {e: run(base | {"router": base["router"] | {"cost_estimate": e}}, "compiled") for e in ("known", "marginal")}
    assert (runs["marginal"].records.model == 0).mean() > 0.9


def test_what_a_shipped_scenario_needs_beside_it_has_the_warm_start(tmp_path):
    (tmp_path / "labels.csv").write_text("x\n")
    file = tmp_path / "s.toml"
    file.write_text(tomli_w.dumps(scenario(router={"predictor": {"warm_start": "labels.csv"}})))
    assert files_of(file) == [Path("s.toml"), Path("labels.csv")]
