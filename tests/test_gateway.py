"""MESS+ outside the simulator: the same decisions, and nothing lost between save and load."""

import json

import numpy as np
import pytest
from builders import model, run, scenario

import messsim
from messsim.errors import OutputError, ScenarioError
from messsim.routing import MessPlus


def simulated(**router):
    router = router | {"predictor": {"standardize": True} | router.get("predictor", {})}  # as MessPlus does
    said = scenario(
        requests=400,
        seed=3,
        sla={"alpha": 0.65},
        features={"dimensions": 4, "signal": 0.9},
        models=[model("s", 0.4, cost_per_request=1.0), model("m", 0.6, cost_per_request=4.0),
                model("l", 0.8, cost_per_request=9.0)],
        cluster={"mode": "none"},
        router={"V": 0.05, "c": 0.5} | router,
    )  # fmt: skip
    return run(said, "compiled"), said["router"]


@pytest.mark.parametrize(
    "router",
    [{}, {"explore": "chosen"}, {"window": 20}, {"discount": 0.9}, {"target_queue": 3.0}, {"reference": "m"},
     {"predictor": {"learning_rate": 0.1, "momentum": 0.9, "clip": 1.0}}],
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
    refuse("features: has 2 values; expected 2 finite", lambda: ours.route([1.0, np.nan], [1, 2]))
    refuse("costs: expected 2 numbers", lambda: ours.route([1.0, 2.0], ["x", 2]))
    refuse("costs: has a; expected a, b", lambda: ours.route([1.0, 2.0], {"a": 1}))
    assert ours.pending == 0
    route = ours.route([1.0, 2.0], [1, 2])
    refuse("request 9: does not wait", lambda: ours.feedback(9, 1.0))
    refuse("'b' was not asked", lambda: ours.feedback(0, {"a": 1.0, "b": 1.0}))
    refuse("'a' has 2.0; expected a number from 0 to 1", lambda: ours.feedback(0, 2.0))
    refuse("'a' has nan", lambda: ours.feedback(0, float("nan")))
    refuse("'a' has 'yes'; expected a number from 0 to 1", lambda: ours.feedback(0, "yes"))
    refuse("'a' has None; expected", lambda: ours.feedback(0, {"a": None}))
    refuse("has no label of 'a'", lambda: ours.feedback(0, {}))
    ours.feedback(route.request, np.bool_(True))
    refuse("request 0: does not wait", lambda: ours.feedback(0, True))
    refuse("Vee: no such option; expected any of V,", lambda: MessPlus(["a"], 1, 0.5, Vee=1.0))
    refuse("V = -1.0: ", lambda: MessPlus(["a"], 1, 0.5, V=-1.0))
    refuse("features = -1: expected how many", lambda: MessPlus(["a"], -1, 0.5))
    refuse("features = 1.5: expected how many", lambda: MessPlus(["a"], 1.5, 0.5))
    refuse("alpha = 1.5", lambda: MessPlus(["a"], 1, 1.5))
    refuse("each with a name of its own", lambda: MessPlus(["a", "a"], 1, 0.5))
    refuse("reference = 'c': expected one of a, b", lambda: MessPlus(["a", "b"], 1, 0.5, reference="c"))


def test_a_file_that_is_not_ours_is_refused(tmp_path):
    refuse("cannot be read", lambda: MessPlus.load(tmp_path / "none.json"))
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
