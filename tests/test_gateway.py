"""MESS+ outside the simulator: the same decisions, and nothing lost between save and load."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from builders import model, run, scenario
from hypothesis import given, settings
from hypothesis import strategies as st

import messsim
from messsim.errors import OutputError, ScenarioError
from messsim.routing import PLAN_ALL, PLAN_EXPLORE, MessPlus


def simulated(**router):
    router = router | {"predictor": {"standardize": True} | router.get("predictor", {})}  # as MessPlus does
    data = scenario(
        requests=400,
        seed=3,
        sla={"alpha": 0.65},
        features={"dimensions": 4, "signal": 0.9},
        models=[model("s", 0.4, cost_per_request=1.0), model("m", 0.6, cost_per_request=4.0),
                model("l", 0.8, cost_per_request=9.0)],
        cluster={"mode": "none"},
        router={"V": 0.05, "c": 0.5} | router,
    )  # fmt: skip
    return run(data, "compiled"), data["router"]


@pytest.mark.parametrize(
    "router",
    [{}, {"explore": "chosen"}, {"window": 20}, {"discount": 0.9}, {"target_queue": 3.0},
     {"initial_queue": 4.5}, {"reference": "m"}, {"predictor": {"learning_rate": 0.1, "momentum": 0.9, "clip": 1.0}}],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("kept", [False, True], ids=["in one go", "saved and loaded half-way"])
def test_it_decides_as_the_simulator_does(router, kept, tmp_path):
    done, options = simulated(**router)
    ours = MessPlus(["s", "m", "l"], 4, 0.65, seed=3, **options)
    x = done.setup.workload.columns(0, 400).features
    for t in range(400):
        if kept and t == 200:
            ours.save(tmp_path / "router.json")
            ours = MessPlus.load(tmp_path / "router.json")
        route = ours.route(x[:, t], {"s": 1.0, "m": 4.0, "l": 9.0})
        assert route.request == t
        assert route.answer_from == ["s", "m", "l"][done.records.model[t]]
        assert route.explores == done.records.explored[t]
        assert route.queue == done.records.queue[t]
        assert route.scores[route.answer_from] == done.records.score[t]
        ours.feedback(t, {m: done.satisfied[["s", "m", "l"].index(m), t] for m in route.models})
    assert ours.certificate == pytest.approx(done.summary["sla"]["certificate"], abs=1e-12)
    assert 10 < done.records.explored.sum() < 390


def test_feedback_comes_in_any_order_and_survives_a_restart(tmp_path):
    ours = MessPlus(["a", "b"], 1, 0.7, c=1.0, kappa=0.0)
    routes = [ours.route([0.1 * k], [1.0, 2.0]) for k in range(3)]
    assert [r.models for r in routes] == [("a", "b")] * 3
    assert ours.pending == 3
    ours.save(tmp_path / "r.json")
    for one in (ours, MessPlus.load(tmp_path / "r.json")):
        one.feedback(2, {"a": 0.0, "b": 1.0})
        one.feedback(0, 0.0)  # the user's answer only, from b
        one.forget(1)
        assert one.pending == 0
        assert one.queue == pytest.approx(0.7)
    loaded = MessPlus.load(tmp_path / "r.json")
    loaded.feedback(2, {"a": 0.0, "b": 1.0})
    loaded.feedback(0, 0.0)
    assert loaded.route([0.3], [1.0, 2.0]).scores == ours.route([0.3], [1.0, 2.0]).scores


def refuse(text, call):
    with pytest.raises(ScenarioError) as error:
        call()
    assert text in str(error.value)


def test_what_is_wrong_is_told():
    ours = MessPlus(["a", "b"], 2, 0.7, c=0.0)
    refuse("features: has 1 values; expected 2 finite numbers", lambda: ours.route([1.0], [1, 2]))
    refuse("features: has nan; expected 2 finite", lambda: ours.route([1.0, np.nan], [1, 2]))
    refuse("costs: expected 2 numbers", lambda: ours.route([1.0, 2.0], ["x", 2]))
    refuse("costs: has a; expected a, b", lambda: ours.route([1.0, 2.0], {"a": 1}))
    assert ours.pending == 0
    route = ours.route([1.0, 2.0], [1, 2])
    refuse("request 9: does not wait", lambda: ours.feedback(9, 1.0))
    refuse("'b' was not asked", lambda: ours.feedback(0, {"a": 1.0, "b": 1.0}))
    refuse("'a' has 2.0; expected a number from 0 to 1", lambda: ours.feedback(0, 2.0))
    refuse("'a' has 1.0000000000000002; expected", lambda: ours.feedback(0, 1.0 + 2**-52))
    refuse("'a' has -5e-324; expected", lambda: ours.feedback(0, -5e-324))
    refuse("'a' has nan", lambda: ours.feedback(0, float("nan")))
    refuse("'a' has 'yes'; expected a number from 0 to 1", lambda: ours.feedback(0, "yes"))
    refuse("'a' has None; expected", lambda: ours.feedback(0, {"a": None}))
    refuse("has no label of 'a'", lambda: ours.feedback(0, {}))
    ours.feedback(route.request, np.bool_(True))
    refuse("request 0: does not wait", lambda: ours.feedback(0, True))
    refuse("Vee: no such option; expected any of V,", lambda: MessPlus(["a"], 1, 0.5, Vee=1.0))
    refuse("V = -1.0: ", lambda: MessPlus(["a"], 1, 0.5, V=-1.0))
    refuse("costs: has -1; expected 2 numbers of at least 0", lambda: ours.route([1.0, 2.0], [1, -1]))
    refuse("costs: expected 2 numbers", lambda: ours.route([1.0, 2.0], ["1", "2"]))
    refuse("costs: has True; expected 2 numbers of at least 0", lambda: ours.route([1.0, 2.0], {"a": 0.5, "b": True}))
    refuse("costs: has False; expected 2", lambda: ours.preview([1.0, 2.0], np.array([False, True])))
    refuse("costs: has True; expected 2", lambda: ours.route([1.0, 2.0], [np.bool_(True), 2]))
    assert ours.route([True, False], [1, 2]).request == 1  # features may be marks
    refuse("seed = -1: expected a whole number from 0 to 4294967295", lambda: MessPlus(["a"], 1, 0.5, seed=-1))
    refuse("seed = 4294967296: expected", lambda: MessPlus(["a"], 1, 0.5, seed=2**32))
    refuse("seed = 1.5: expected", lambda: MessPlus(["a"], 1, 0.5, seed=1.5))
    refuse("alpha = '0.5': expected a number from 0 to 1", lambda: MessPlus(["a"], 1, "0.5"))
    refuse("alpha = None: expected a number from 0 to 1", lambda: MessPlus(["a"], 1, None))
    refuse("alpha = nan: expected", lambda: MessPlus(["a"], 1, float("nan")))
    refuse("features = 2147483648: expected how many", lambda: MessPlus(["a"], 2**31, 0.5))
    refuse("features = True: expected how many", lambda: MessPlus(["a"], True, 0.5))
    refuse("models = 'ab': expected at least one", lambda: MessPlus("ab", 1, 0.5))
    refuse("models = 7: expected at least one", lambda: MessPlus(7, 1, 0.5))
    refuse("models = []: expected at least one", lambda: MessPlus([], 1, 0.5))
    refuse("max_pending = 0: expected", lambda: MessPlus(["a"], 1, 0.5, max_pending=0))
    refuse("predictor.learning_rate = 'x': expected", lambda: MessPlus(["a"], 1, 0.5, predictor={"learning_rate": "x"}))
    refuse("features = -1: expected how many", lambda: MessPlus(["a"], -1, 0.5))
    refuse("features = 1.5: expected how many", lambda: MessPlus(["a"], 1.5, 0.5))
    refuse("alpha = 1.5", lambda: MessPlus(["a"], 1, 1.5))
    refuse("each with a name of its own", lambda: MessPlus(["a", "a"], 1, 0.5))
    refuse("reference = 'c': expected one of a, b", lambda: MessPlus(["a", "b"], 1, 0.5, reference="c"))


def test_a_file_that_is_not_ours_is_refused(tmp_path):
    refuse("no such file", lambda: MessPlus.load(tmp_path / "none.json"))
    refuse("is a device; expected what MessPlus.save wrote", lambda: MessPlus.load("/dev/zero"))
    (tmp_path / "x.json").write_text("[1, 2]")
    refuse("is not what MessPlus.save wrote", lambda: MessPlus.load(tmp_path / "x.json"))
    ours = MessPlus(["a", "b"], 2, 0.7)
    ours.save(tmp_path / "r.json")
    whole = json.loads((tmp_path / "r.json").read_text())
    whole["predictor"]["bias"] = [0.0]
    (tmp_path / "y.json").write_text(json.dumps(whole))
    with pytest.raises(messsim.errors.MesssimError):
        MessPlus.load(tmp_path / "y.json")
    whole["messsim_mess_plus"] = 99
    (tmp_path / "y.json").write_text(json.dumps(whole))
    refuse("is of format 99; expected 2", lambda: MessPlus.load(tmp_path / "y.json"))
    with pytest.raises(OutputError):
        ours.save(tmp_path / "no" / "folder.json")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r.json", "x.json", "y.json"]


# ---- what it keeps ----------------------------------------------------------------------------------------


def test_numbers_of_numpy_are_numbers(tmp_path):
    ours = MessPlus(
        np.array(["a", "b"]), np.int64(2), np.float32(0.5), seed=np.uint32(3), V=np.float32(3), c=np.int32(1),
        max_pending=np.int64(5), predictor={"learning_rate": np.float64(0.25)},
    )  # fmt: skip
    ours.route(np.array([1, 2]), np.array([1, 2]))
    ours.save(tmp_path / "r.json")
    ours.save(tmp_path / "again.json")
    MessPlus.load(tmp_path / "r.json").save(tmp_path / "loaded.json")
    kept = [(tmp_path / f"{name}.json").read_text() for name in ("r", "again", "loaded")]
    assert kept[0] == kept[1] == kept[2]
    assert '"V": 3.0' in kept[0]


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.longdouble])
def test_floats_of_any_length_can_be_saved(tmp_path, kind):
    predictor = {"learning_rate": kind(0.25)}
    options = {"V": kind(3), "c": kind(1), "discount": kind(0.5), "initial_queue": kind(2)}
    ours = MessPlus(["a", "b"], 2, kind(0.5), predictor=predictor, **options)
    ours.feedback(ours.route([kind(1), 2], {"a": kind(1), "b": 2}).request, kind(0.5))
    ours.save(tmp_path / "r.json")
    MessPlus.load(tmp_path / "r.json").save(tmp_path / "loaded.json")
    assert (tmp_path / "r.json").read_text() == (tmp_path / "loaded.json").read_text()


@pytest.mark.parametrize("label", [np.complex64(1), 1 + 0j, np.timedelta64(1, "s"), np.datetime64("2020"), "1", [1.0]])
def test_labels_that_are_no_real_numbers_are_refused(label):
    ours = MessPlus(["a"], 1, 0.5, c=0.0)
    request = ours.route([1.0], [1]).request
    refuse("expected a number from 0 to 1", lambda: ours.feedback(request, label))
    refuse("expected a number from 0 to 1", lambda: ours.observe([1.0], "a", label))
    assert ours.pending == 1


@pytest.mark.parametrize("request_", [[0], np.array(0), {}, None, "0"])
def test_what_is_no_number_of_a_request_does_not_wait(request_):
    ours = MessPlus(["a"], 1, 0.5, c=0.0)
    ours.route([1.0], [1])
    refuse("does not wait for feedback", lambda: ours.feedback(request_, 1.0))
    ours.forget(request_)
    assert ours.pending == 1


def test_the_oldest_are_forgotten_when_too_many_wait(tmp_path):
    ours = MessPlus(["a", "b"], 1, 0.7, max_pending=3)
    for k in range(5):
        ours.route([0.1 * k], [1.0, 2.0])
    assert (ours.pending, ours.forgotten) == (3, 2)
    ours.save(tmp_path / "r.json")
    for one in (ours, MessPlus.load(tmp_path / "r.json")):
        assert (one.pending, one.forgotten) == (3, 2)
        refuse("request 1: does not wait", lambda one=one: one.feedback(1, 1.0))
        one.feedback(2, 1.0)
        one.route([0.5], [1.0, 2.0])
        assert (one.pending, one.forgotten) == (3, 2)
        one.route([0.5], [1.0, 2.0])
        assert (one.pending, one.forgotten) == (3, 3)
    assert MessPlus(["a"], 0, 0.5)._most_pending == 100_000


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The text of a router that has seen some requests, and that of its window's brother."""
    folder, texts = tmp_path_factory.mktemp("saved"), []
    for options in ({}, {"window": 3}):
        ours = MessPlus(["a", "b"], 2, 0.7, c=1.0, predictor={"momentum": 0.5}, **options)
        for k in range(8):
            ours.route([0.1 * k, 1.0], [1.0, 2.0])
        for k in range(5):
            ours.feedback(k, float(k % 2))
        ours.save(folder / "r.json")
        texts.append((folder / "r.json").read_text())
    return folder, texts


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (("ledger", "queue"), float("nan"), "ledger.queue = nan: expected a finite number"),
        (("ledger", "queue"), -1.0, "ledger.queue = -1.0: expected at least 0"),
        (("ledger", "rated"), -3, "ledger.rated = -3: expected at least 0"),
        (("ledger", "rated"), 2, "ledger.promised = 3.5: expected at most rated = 2"),
        (("ledger", "recent"), [0.1], "ledger.recent: expected 0 numbers"),
        (("state",), [float("nan"), 0.0], "state.0 = nan: expected a finite number"),
        (("state",), [1.0], "state = [1.0]: expected 2 numbers"),
        (("predictor", "bias"), [0.0, float("inf")], "predictor.bias.1 = inf: expected a finite number"),
        (("predictor", "bias"), [0.0], "as many models and features"),
        (("predictor", "bias"), None, "predictor.bias: missing"),
        (("predictor", "velocity"), None, "predictor.velocity: missing"),
        (("predictor", "mean"), None, "predictor.mean: missing"),
        (("predictor", "seen"), None, "predictor.seen: missing"),
        (("predictor", "seen"), -1, "predictor.seen = -1: expected at least 0"),
        (("predictor", "seen"), 0.5, "predictor.seen = 0.5: expected"),
        (("predictor", "squares"), [1.0, -1.0], "predictor.squares = [1.0, -1.0]: expected sums of squares"),
        (("predictor", "stranger"), 1, "predictor.stranger: unknown key"),
        (("ledger", "recent_sum"), -0.5, "ledger.recent_sum = -0.5: expected the sum of recent, 0.0"),
        (("models",), ["a", ""], "each with a name of its own"),
        (("predictor", "version"), -1, "predictor.version = -1: expected at least 0"),
        (("routed",), -1, "routed = -1: expected at least 0"),
        (("seed",), -1, "seed = -1: expected"),
        (("alpha",), "0.5", "alpha = '0.5': expected a number"),
        (("models",), ["a", "a"], "each with a name of its own"),
        *(
            (("options",), {name: 1, "c": 0.5}, f"options.{name}: no such option")
            for name in ("alpha", "features", "max_pending", "models", "seed")
        ),
        (("pending",), [[99, 0, None]], "pending.0 = 99: expected a request below routed = 8"),
        (("pending",), [[1, 0, None], [1, 0, None]], "pending.1 = 1: expected a request below routed = 8, each once"),
        (("pending",), [[8, 0, None]], "pending.0 = 8: expected a request below routed = 8"),
        (("pending",), [[1, 7, None]], "pending.0: has the plan 7"),
        (("pending",), [[1, 2, None]], "pending.0: has the plan 2; expected one of 2 models"),
        (("pending",), [[1, 0, [1.0]]], "pending.0: has 1 features; expected 2"),
        (("pending",), [[1, 0, [0.0, -1e300]]], "pending.0: expected features no further from 0 than"),
        (("pending",), [[1, PLAN_ALL, None]], "pending.0: has no features; expected 2 of a request that teaches"),
        (("max_pending",), 2, "pending: has 3 entries; expected at most 2"),
        (("pending",), 5, "pending = 5: expected a list"),
        (("pending",), [[1, PLAN_EXPLORE | 2, None]], f"pending.0: has the plan {PLAN_EXPLORE | 2}; expected one of 2"),
        (("pending",), [[1, 0, [0.0, 1.1e50]]], "pending.0: expected features no further from 0 than 1e+50"),
        (("cost_sums",), [1.0], "cost_sums = [1.0]: expected 2 numbers of at least 0"),
        (("cost_sums",), [1.0, -0.5], "cost_sums = [1.0, -0.5]: expected 2 numbers of at least 0"),
        (("state",), [1.0, -0.5], "state = [1.0, -0.5]: expected 2 numbers of at least 0"),
        (("ledger", "plain"), 99.0, "ledger.plain = 99.0: expected at most plain_max = "),
        (("ledger", "satisfied"), 6.0, "ledger.satisfied = 6.0: expected at most rated = 5"),
        (("V",), 0.0, "V = 0.0: expected at least 1e-100"),
        (("V",), 1e-320, "V = 1e-320: expected at least 1e-100"),
        (("cost_sums",), [1.0, 1e101], "cost_sums = [1.0, 1e+101]: expected 2 numbers of at least 0, 1e+100 at most"),
        (
            ("predictor", "velocity"),
            [[2e100, 0.0]] * 2,
            "predictor.velocity.0.0 = 2e+100: expected a number no further",
        ),
        (("predictor", "mean"), [0.0, -2e100], "predictor.mean.1 = -2e+100: expected a number no further from 0 than"),
        (("predictor", "mean"), [0.0, "x"], "predictor.mean.1 = 'x': expected a number"),
        (("predictor", "mean"), [0.0, True], "predictor.mean.1 = true: expected a number"),
        (("stranger",), 1, "stranger: unknown key"),
    ],
)
def test_a_file_that_somebody_changed_is_refused_by_its_key(saved, key, value, message):
    folder, texts = saved
    whole = json.loads(texts[0])
    inside = whole
    for part in key[:-1]:
        inside = inside[part]
    if value is None:
        del inside[key[-1]]
    else:
        inside[key[-1]] = value
    (folder / "changed.json").write_text(json.dumps(whole))
    refuse(message, lambda: MessPlus.load(folder / "changed.json"))
    refuse("changed.json", lambda: MessPlus.load(folder / "changed.json"))


@pytest.mark.parametrize("recent", [[0.0, 1.5, 0.0], [0.0, 0.0, -1.5], [0.0, 0.0]])
def test_a_window_holds_as_many_shortfalls_as_it_is_long(saved, recent):
    folder, texts = saved
    whole = json.loads(texts[1])
    whole["ledger"]["recent"] = recent
    (folder / "changed.json").write_text(json.dumps(whole))
    refuse(
        "changed.json: ledger.recent: expected 3 numbers from -1 to 1", lambda: MessPlus.load(folder / "changed.json")
    )
    whole["ledger"] |= {"recent": [1.0, -1.0, 0.5], "recent_sum": 0.5}
    (folder / "changed.json").write_text(json.dumps(whole))
    MessPlus.load(folder / "changed.json")


def test_what_is_at_its_bound_is_taken(saved):
    folder, texts = saved
    whole = json.loads(texts[0])
    rated = float(whole["ledger"]["rated"])
    whole["ledger"] |= {"satisfied": rated, "promised": rated, "plain": 2.0, "plain_max": 2.0}
    whole |= {"max_pending": 3, "cost_sums": [0.0, 0.0], "state": [0.0, 0.0], "V": 1e-9}
    whole["pending"] = [[7, PLAN_EXPLORE | 1, [1e50, -1e50]], [0, 0, None], [1, PLAN_ALL, [0.0, 0.0]]]
    whole["predictor"] |= {"mean": [1e100, -1e100], "squares": [1e300, 0.0]}
    (folder / "changed.json").write_text(json.dumps(whole))
    ours = MessPlus.load(folder / "changed.json")
    assert ours.pending == 3
    assert ours.weight == 1e-9


def test_sums_of_squares_have_a_range_of_their_own(tmp_path):
    """AdaGrad's velocity is one."""
    ours = MessPlus(["a", "b"], 1, 0.7, predictor={"optimizer": "adagrad"})
    ours.save(tmp_path / "r.json")
    whole = json.loads((tmp_path / "r.json").read_text())
    whole["predictor"]["velocity"][0][0] = 1e120
    (tmp_path / "r.json").write_text(json.dumps(whole))
    MessPlus.load(tmp_path / "r.json")


def test_words_of_what_is_refused():
    ours = MessPlus(["a", "b"], 2, 0.7, c=0.0)
    refuse("costs: has -0.5; expected 2 numbers of at least 0", lambda: ours.route([1.0, 2.0], [1, -0.5]))
    refuse("costs: has inf; expected 2 finite numbers", lambda: ours.route([1.0, 2.0], [1, math.inf]))
    refuse(
        "costs: has 1.1e+50; expected 2 numbers no further from 0 than 1e+50", lambda: ours.route([0, 0], [0, 1.1e50])
    )
    refuse("features: expected 2 numbers", lambda: ours.route([1.0, 2.0j], [1, 2]))
    refuse("features: expected 2 numbers", lambda: ours.route([[1.0], [1.0, 2.0]], [1, 2]))
    refuse("features: expected 2 numbers", lambda: ours.route([1.0, 10**400], [1, 2]))
    ours.route([1.0, -1.0], [0.0, 1e50])
    refuse(
        "features and satisfied: are [1, 2] and [2, 2]; expected [n, 2] and [n, 2]",
        lambda: ours.learn_from([[1.0, 2.0]], [[1.0, 0.0]] * 2),
    )
    words = "features and satisfied: expected numbers up to 1e+50, and labels from 0 to 1 or NaN"
    for label in (1.5, -0.5):
        refuse(words, lambda label=label: ours.learn_from([[1.0, 2.0]], [[label, 0.0]]))
    refuse(words, lambda: ours.learn_from([[math.nan, 2.0]], [[1.0, 0.0]]))
    ours.learn_from([[1.0, 2.0]], [[math.nan, 1.0]])
    refuse("satisfied: has no label of 'a', whose answer the user got", lambda: ours.feedback(0, {}))
    refuse("features = 4097: expected how many a request has, 0 to 4096", lambda: MessPlus(["a"], 4097, 0.5))
    refuse(
        "predictor.warm_start: a file is read by a scenario's run; expected learn_from(), later",
        lambda: MessPlus(["a"], 1, 0.5, predictor={"warm_start": "f.csv"}),
    )
    refuse("reference = 'c': expected one of a, b", lambda: MessPlus(["a", "b"], 1, 0.5, reference="c"))
    long = "x" * 70
    refuse(f"alpha = '{'x' * 56}...: expected a number from 0 to 1", lambda: MessPlus(["a"], 1, long))
    refuse(f"alpha = '{'x' * 58}': expected", lambda: MessPlus(["a"], 1, "x" * 58))


def test_a_missing_key_without_a_description_is_told_alone(saved):
    folder, texts = saved
    (folder / "changed.json").write_text(json.dumps(json.loads(texts[0]) | {"ledger": {}}))
    with pytest.raises(ScenarioError) as refused:
        MessPlus.load(folder / "changed.json")
    assert "ledger.queue: missing\n" in str(refused.value)  # it said: expected None


def places(value, path=()):
    """The path of every value in a JSON document."""
    yield path
    if isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, key))


NONSENSE = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=3),
    st.lists(st.floats(), max_size=3), st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)  # fmt: skip


@settings(derandomize=True, deadline=None, max_examples=400)
@given(st.data(), st.integers(0, 1), st.booleans())
def test_a_damaged_file_is_refused_or_a_router_that_works(saved, data, which, removes):
    folder, texts = saved
    whole = json.loads(texts[which])
    path = data.draw(st.sampled_from([p for p in places(whole) if p]))
    inside = whole
    for part in path[:-1]:
        inside = inside[part]
    if removes:
        del inside[path[-1]]
    else:
        inside[path[-1]] = data.draw(NONSENSE)
    (folder / "damaged.json").write_text(json.dumps(whole))
    text = ""
    try:
        ours = MessPlus.load(folder / "damaged.json")
    except messsim.errors.MesssimError as error:
        text = str(error)
    if text:
        assert "damaged.json" in text
        return
    assert np.isfinite(ours.queue)
    route = ours.route([0.0] * ours.features, [1.0] * len(ours.models))
    assert all(0.0 <= s <= 1.0 for s in route.scores.values())
    ours.feedback(route.request, 1.0)
    ours.save(folder / "kept.json")
    MessPlus.load(folder / "kept.json")


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad"])
def test_features_whose_squares_no_float_holds_are_refused(tmp_path, optimizer):
    router = MessPlus(
        ["a", "b"], features=2, alpha=0.5, seed=1, predictor={"optimizer": optimizer, "standardize": False}
    )
    for features in ([1e51, 0.0], [0.0, -1e200]):
        with pytest.raises(
            ScenarioError, match=r"features: has -?1e\+\d+; expected 2 numbers no further from 0 than 1e\+50"
        ):
            router.route(features, [1.0, 2.0])
        with pytest.raises(ScenarioError, match=r"expected numbers up to 1e\+50"):
            router.learn_from([features], [[1.0, 0.0]])
    for sign in (1.0, -1.0, 1.0, -1.0):
        router.feedback(router.route([1e50 * sign, 0.0], [1.0, 2.0]).request, 1.0)
    router.learn_from([[1e50, 1e50]] * 30, [[1.0, 0.0]] * 30)
    router.save(tmp_path / "kept.json")
    MessPlus.load(tmp_path / "kept.json")
    whole = json.loads((tmp_path / "kept.json").read_text())
    whole["predictor"]["mean"][0] = 1e147
    (tmp_path / "kept.json").write_text(json.dumps(whole))
    with pytest.raises(
        ScenarioError, match=r"predictor.mean.0 = 1e\+147: expected a number no further from 0 than 1e\+100"
    ):
        MessPlus.load(tmp_path / "kept.json")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '{"messsim_mess_plus": 1}', "\udcff"])
def test_no_json_of_ours_is_told(tmp_path, text):
    (tmp_path / "x.json").write_bytes(text.encode(errors="surrogateescape"))
    refuse("x.json: ", lambda: MessPlus.load(tmp_path / "x.json"))


def test_two_that_save_to_one_file_at_once_both_succeed(tmp_path, monkeypatch):
    """Threads of one process, or containers whose processes have one id; one is whole in the end."""
    ours, other, file = MessPlus(["a", "b"], 2, 0.7), MessPlus(["a", "b"], 2, 0.9), tmp_path / ("r" * 250)
    replace = Path.replace

    def meanwhile(self, target):
        monkeypatch.setattr(Path, "replace", replace)
        other.save(file)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", meanwhile)
    ours.save(file)
    assert MessPlus.load(file).alpha == 0.7
    assert list(tmp_path.iterdir()) == [file]


def test_what_another_router_asked_for_is_of_a_known_model():
    ours = MessPlus(["a", "b"], 1, 0.5)
    refuse("model = 'c': expected one of a, b", lambda: ours.observe([0.5], "c", 1.0))
    ours.observe([0.5], "b", 1.0)


def test_a_saved_router_that_is_nested_too_deep_is_refused(tmp_path):
    (tmp_path / "r.json").write_text('{"state": ' + "[" * 100_000 + "]" * 100_000 + "}")
    refuse("r.json: is not what MessPlus.save wrote", lambda: MessPlus.load(tmp_path / "r.json"))
