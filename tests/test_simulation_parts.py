"""Parts of `check`, `explain`, `show` and traces, without a run: worked out by hand."""

import io
import json
import math
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from builders import model, scenario
from runs import shown

from messsim import study
from messsim.errors import OutputError
from messsim.report.run.explanation import explanation
from messsim.routing import PLAN_ALL, PLAN_CHAIN, PLAN_EXPLORE
from messsim.scenario import parse
from messsim.shapes.live import LiveLatency
from messsim.study.simulation import watching, worth
from messsim.study.simulation.check import _broken_promises, _overloaded, _rate
from messsim.study.simulation.explain import _compare, _explanation, _record, _Watch, explain
from messsim.study.simulation.single import _both, _clock_note
from messsim.study.simulation.trace.events import Slots, TraceFile
from messsim.study.simulation.tracing import parse_window, trace

# ---- what routing is worth ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("points", "alpha", "least"),
    [
        ([(0.4, 1.0), (0.8, 5.0)], 0.6, 3.0),
        ([(0.4, 1.0), (0.8, 5.0)], 0.4, 1.0),
        ([(0.4, 1.0), (0.8, 5.0)], 0.8, 5.0),
        ([(0.4, 1.0), (0.8, 5.0)], 0.81, None),
        ([(0.4, 1.0), (0.6, 1.5), (0.8, 5.0)], 0.6, 1.5),
        ([(0.4, 1.0), (0.5, 9.0), (0.8, 5.0)], 0.7, 4.0),  # 1/4 of the first, 3/4 of the last
        ([(0.8, 5.0)], 0.7, 5.0),
    ],
)
def test_the_cheapest_of_points_and_mixes_of_two_that_satisfies(points, alpha, least):
    cheapest = worth._cheapest_mix(np.array(points), alpha)
    assert cheapest == (None if least is None else pytest.approx(least))


SATISFIED = np.array([[1.0, 0.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
COSTS = np.array([[1.0, 1.0, 1.0, 1.0], [3.0, 3.0, 3.0, 3.0]])


def test_choices_go_from_the_cheapest_to_the_best_as_satisfaction_is_worth_more():
    points = [tuple(p) for p in worth._at_prices(SATISFIED, SATISFIED, COSTS).tolist()]
    assert points[0] == (0.5, 1.0), "free: the cheapest model"
    assert points[-1] == (1.0, 2.0), "the large one where the small one fails"
    assert set(points) == {(0.5, 1.0), (1.0, 2.0)}
    assert len(points) == 121


def realised(predictions, satisfied, costs, tenant, alphas):
    return worth._least([worth._points(each, satisfied, costs, tenant) for each in predictions], tenant, alphas)


def test_what_is_realised_is_of_the_outcomes_and_not_of_what_was_predicted():
    tenant = np.zeros(4, np.int32)
    wrong = SATISFIED[:, ::-1]
    assert realised((SATISFIED,), SATISFIED, COSTS, tenant, [0.75]) == pytest.approx(1.5)
    assert realised((wrong,), SATISFIED, COSTS, tenant, [0.75]) is None, "the large one answers the wrong half"
    means = np.array([[0.5] * 4, [1.0] * 4])
    assert realised((means,), SATISFIED, COSTS, tenant, [0.75]) == pytest.approx(2.0), "all small or all large"
    assert realised((wrong, means), SATISFIED, COSTS, tenant, [0.75]) == pytest.approx(2.0)
    assert realised((SATISFIED,), SATISFIED, COSTS, tenant, [1.1]) is None


def test_each_tenant_is_promised_its_own():
    tenant = np.array([0, 0, 1, 1], np.int32)
    # the first may stay with the cheapest (half satisfied), the second must always be satisfied
    assert realised((SATISFIED,), SATISFIED, COSTS, tenant, [0.5, 1.0]) == pytest.approx((1.0 + 2.0) / 2)
    assert realised((SATISFIED,), SATISFIED, COSTS, tenant, [0.5, 1.1]) is None
    assert worth._means(SATISFIED, tenant).tolist() == [[0.5] * 4, [1.0] * 4]
    mixed = worth._means(SATISFIED, np.array([0, 1, 0, 1], np.int32))
    assert mixed.tolist() == [[1.0, 0.0, 1.0, 0.0], [1.0] * 4]


@pytest.mark.parametrize(
    ("least", "before", "saved"),
    [(1.0, 4.0, 0.75), (5.0, 4.0, 0.0), (4.0, 4.0, 0.0), (None, 4.0, None), (1.0, None, None), (1.0, 0.0, None)],
)
def test_the_share_that_is_saved_is_at_least_nothing(least, before, saved):
    assert worth._saved(least, before) == saved


@pytest.mark.parametrize(
    ("satisfaction", "costs", "dominated"),
    [
        ([0.5, 0.8], [1.0, 2.0], []),
        ([0.5, 0.8], [2.0, 2.0], [("a", "b")]),
        ([0.5, 0.5], [2.0, 1.0], [("a", "b")]),
        ([0.5, 0.5], [1.0, 1.0], []),
        ([0.8, 0.5], [1.0, 2.0], [("b", "a")]),
    ],
)
def test_a_model_is_dominated_by_one_that_is_no_worse_and_somewhere_better(satisfaction, costs, dominated):
    spec = SimpleNamespace(model_names=["a", "b"])
    pairs = worth._dominated(spec, np.array(satisfaction), np.array(costs))
    assert [(d["model"], d["by"]) for d in pairs] == dominated


def test_features_that_tell_nothing_are_refused_with_the_reason():
    assert worth._predicted(SATISFIED, np.empty((0, 4))) == (None, "the router sees no features")
    few = np.array([[1.0, 2.0, 3.0, 4.0]])
    assert worth._predicted(SATISFIED, few) == (None, "fewer than 5 different requests")
    many = np.broadcast_to(np.float64(1.0), (2, worth.MOST_VALUES // 2 + 1))
    assert worth._predicted(SATISFIED, many) == (None, "2 features are too many to fit here")


def test_features_that_tell_everything_predict_it_out_of_fold():
    features = np.array([np.repeat([-1.0, 1.0], 50) + np.arange(100) * 1e-3])
    satisfied = np.array([np.repeat([0.0, 1.0], 50), np.ones(100)])
    predicted, why = worth._predicted(satisfied, features)
    assert why is None
    assert predicted[0, :50].max() < 0.2
    assert predicted[0, 50:].min() > 0.8
    assert predicted[1].min() > 0.95


def test_a_fit_without_features_is_the_mean():
    weights = worth._fit(np.ones((4, 1)), np.array([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]]))
    assert 1.0 / (1.0 + np.exp(-weights[0])) == pytest.approx([0.25, 0.5], abs=1e-3)
    assert worth._chance(np.array([-1e9, 0.0, 1e9])) == pytest.approx([0.0, 0.5, 1.0])


# ---- check ----------------------------------------------------------------------------------------------


def test_pools_beyond_what_they_sustain_are_problems():
    def pool(load):
        return {"name": "p", "offered_rps": 12.345678, "capacity_rps": 10.0, "load": load}

    text = "pool p: gets 12.35 requests/s and sustains 10"
    assert [_overloaded([pool(load)]) for load in (None, 0.5, 1.0, 1.001)] == [[], [], [], [text]]


def test_promises_out_of_reach_are_problems():
    one = {"alpha": 0.95, "tenant": "gold", "best_model": 0.6, "any_model": 0.91234, "most": 0.91234}
    one |= {"reachable": False}
    fine = one | {"reachable": True, "tenant": "rest"}
    assert _broken_promises([one]) == [
        "sla.alpha = 0.95: out of reach: all models together satisfy 91.23%",
    ]
    assert _broken_promises([fine, one]) == [
        "sla.alpha = 0.95 of tenant gold: out of reach: all models together satisfy 91.23%",
    ]
    assert _broken_promises([fine]) == []


def test_workers_that_take_no_time_do_any_number():
    assert _rate(3, 0.5) == 6.0
    assert _rate(3, 0.0) == math.inf


# ---- explain --------------------------------------------------------------------------------------------


def seen(**changes):
    data = {"step": 7, "alpha": 0.6, "queue": 2.0, "V": 0.5, "scores": [0.5, 0.75], "costs": [2.0, 4.0], "plan": 1}
    return data | {"loads": [0.0, 0.0], "uniforms": [0.1, 0.2]} | changes


def record(**changes):
    data = {"id": 5, "attempts": 1, "explored": False, "queue": 2.0, "model": "b", "score": 0.75, "status": "completed"}
    return data | {"tenant": "all"} | changes


def compared(record_, seen_, kept=False, reference=0):
    _compare(Path("DIR"), record_, seen_, ["a", "b"], reference, kept)


def test_a_record_that_says_what_the_replay_saw_passes():
    compared(record(), seen())
    compared(record(score=None), seen())
    compared(record(explored=True, model="a", score=0.5), seen(plan=PLAN_ALL))
    compared(record(explored=True), seen(plan=PLAN_EXPLORE | 1))
    compared(record(model="another", score=0.1), seen(plan=PLAN_CHAIN), kept=False)
    compared(record(model="a", score=0.1, explored=True), seen(), kept=True)
    compared(record(attempts=2, explored=True), seen())


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"queue": 2.5}, "queue = 2.0, the record says 2.5"),
        ({"explored": True}, "explored = False, the record says True"),
        ({"model": "a"}, "model = 'b', the record says 'a'"),
        ({"score": 0.5}, "score = 0.75, the record says 0.5"),
    ],
)
def test_a_record_that_says_something_else_is_told(change, text):
    with pytest.raises(OutputError) as caught:
        compared(record(**change), seen())
    assert str(caught.value) == (
        f"DIR: the replay decides request 5 with {text}: another version of messsim, or other data files, made it, "
        "or its scenario.toml was changed"
    )


def explained(policy="mess+", **changes):
    return _explanation(["a", "b"], seen(**changes), record(), policy, None, 1)


def test_a_decision_is_the_least_sum_of_cost_and_shortfall():
    made = explained()
    assert made["how"] == "exploited"
    assert made["V"] == 0.5
    assert made["models"] == [
        {
            "name": "a",
            "score": 0.5,
            "cost": 2.0,
            "v_cost": 1.0,
            "q_shortfall": pytest.approx(0.2),
            "total": pytest.approx(1.2),
            "chosen": False,
        },
        {
            "name": "b",
            "score": 0.75,
            "cost": 4.0,
            "v_cost": 2.0,
            "q_shortfall": pytest.approx(-0.3),
            "total": pytest.approx(1.7),
            "chosen": True,
        },
    ]
    assert {
        k: made[k] for k in ("request", "policy", "step", "alpha", "queue", "uniforms", "instance", "instances")
    } == {
        "request": 5,
        "policy": "mess+",
        "step": 7,
        "alpha": 0.6,
        "queue": 2.0,
        "uniforms": [0.1, 0.2],
        "instance": None,
        "instances": 1,
    }


def test_another_policy_has_no_terms_and_a_model_that_is_not_there_no_cost():
    made = explained("random")
    assert made["V"] is None
    assert [[m[k] for k in ("v_cost", "q_shortfall", "total")] for m in made["models"]] == [[None] * 3] * 2
    assert made["models"][0]["cost"] == 2.0
    gone = explained(costs=[math.inf, 4.0])["models"][0]
    assert (gone["cost"], gone["v_cost"], gone["total"], gone["chosen"]) == (None, None, None, False)
    assert gone["q_shortfall"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("plan", "how", "chosen"),
    [
        (0, "exploited", [True, False]),
        (PLAN_ALL, "explored: every model got a copy", [True, True]),
        (PLAN_EXPLORE | 1, "explored: one model drawn at random", [False, True]),
        (PLAN_CHAIN | 1, "chain: the first model to be asked", [False, True]),
    ],
)
def test_how_a_request_was_decided(plan, how, chosen):
    made = explained(plan=plan)
    assert made["how"] == how
    assert [m["chosen"] for m in made["models"]] == chosen


class Kernel:
    """A policy's kernel with a steered V for each of two tenants, and one number of room."""

    def __init__(self):
        self.state, self.calls, self.other = [0.25, 0.5, 9.0], [], "else"

    def decide(self, *facts):
        self.calls.append(facts)
        return 3

    def copy(self):
        return Kernel()


def test_a_watched_kernel_notes_one_decision_with_the_v_of_its_tenant():
    noted = []
    watch = _Watch(Kernel(), 5, noted)
    facts = ([0.5], [2.0], [0.0], [0.1, 0.2])
    assert watch.decide(4, 6, 0.6, 2.0, *facts) == 3
    assert noted == []
    watch.decide(5, 7, 0.6, 2.0, *facts, None, None, 1)
    watch.copy().decide(5, 8, 0.7, 3.0, *facts, None, None, 7)
    assert [(n["step"], n["alpha"], n["queue"], n["V"], n["plan"]) for n in noted] == [
        (7, 0.6, 2.0, 0.5, 3),
        (8, 0.7, 3.0, 0.5, 3),
    ]
    assert noted[0]["scores"] == [0.5]
    assert (noted[0]["costs"], noted[0]["loads"], noted[0]["uniforms"]) == ([2.0], [0.0], [0.1, 0.2])
    watch.decide(5, 9, 0.6, 2.0, *facts)
    assert noted[-1]["V"] == 0.25, "of the first tenant where none is told"
    assert watch.other == "else"


# ---- at most two snapshots a second ---------------------------------------------------------------------


def test_who_watches_is_told_at_most_twice_a_second(monkeypatch):
    clock, taken = [10.0], []
    monkeypatch.setattr(watching.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(watching, "snapshot_of", lambda *of: of[-1])
    watcher = watching.Watcher(None, None, None, threading.Lock(), None, taken.append)
    for clock[0] in (10.25, 10.5, 10.75, 10.99, 11.0, 11.25):
        watcher(clock[0])
    assert taken == [10.5, 11.0]


# ---- how a run stands -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "kept", "first"),
    [(0, 0, None), (1, 1, 0), (48, 48, 0), (49, 25, 0), (50, 25, 1), (96, 48, 1), (97, 33, 0)],
)
def test_a_curve_is_thinned_and_its_last_value_stays(count, kept, first):
    thin = watching._thin([float(k) for k in range(count)])
    assert len(thin) == kept
    if kept:
        assert (thin[0], thin[-1]) == (first, count - 1)


def test_what_is_not_known_is_no_part_of_a_curve():
    assert watching._thin([None, 1.0, math.nan, 2.0, math.inf]) == [1.0, 2.0]
    assert [watching._known(v) for v in (None, math.nan, -math.inf, 0.0)] == [None, None, None, 0.0]


def samples(*energies):
    return {"time_s": 2.0 * np.arange(len(energies)), "energy_j": np.array([[0.0, e] for e in energies])}


def test_power_is_over_the_last_tenth_of_the_timeline():
    assert watching._power(samples(0.0, 10.0), 1) == 5.0
    assert watching._power(samples(0.0, 10.0, 30.0), 1) == 10.0, "of two samples at least"
    assert watching._power(samples(*[0.0] * 27, 100.0, 110.0, 130.0), 1) == 7.5, "of thirty the last three"
    assert watching._power(samples(5.0), 1) is None
    assert watching._power(samples(0.0, 10.0), 0) == 0.0


def test_latencies_have_names_and_those_that_are_missing_none():
    result = {"e2e": {"p50": 1.0, "p95": 2.0}, "ttft": {"p50": None, "p95": None}, "queueing": {}}
    assert watching._latencies(result) == [
        LiveLatency(name="TTFT", p50_s=None, p95_s=None),
        LiveLatency(name="end to end", p50_s=1.0, p95_s=2.0),
    ]


def test_a_directory_without_a_run_is_told(tmp_path):
    with pytest.raises(OutputError) as error:
        watching.show(tmp_path)
    expected = "expected what run --out wrote"
    assert str(error.value) == f"{tmp_path}: holds no run, and none is being written there; {expected}"
    (tmp_path / "live.json").write_text("{")
    with pytest.raises(OutputError, match=rf"^{tmp_path}/live\.json"):
        watching.show(tmp_path)


def test_a_run_that_has_only_begun_is_told(tmp_path, monkeypatch):
    """Its snapshot is gone between the look for it and the reading."""
    (tmp_path / "live.json").write_text("{}")

    def gone(file, _):
        file.unlink()
        raise OutputError(f"{file}: no such file")

    monkeypatch.setattr(watching, "read_whole", gone)
    with pytest.raises(OutputError) as error:
        watching.show(tmp_path)
    assert str(error.value) == f"{tmp_path}: its run has only begun; expected to be asked again in a second"


def test_a_clock_too_long_for_microseconds_is_a_note():
    assert _clock_note(SimpleNamespace(end_s=1e6)) == []
    (note,) = _clock_note(SimpleNamespace(end_s=1e12))
    assert note.startswith("the run ends after 1e+12 s, and so long a time is known to 0.00012 s only")


def test_progress_is_told_before_the_snapshot():
    order = []

    class Listening:
        is_watched = True

        def __call__(self, state):
            order.append(("watcher", state))

    def progress(state):
        order.append(("progress", state))

    watcher = Listening()
    _both(watcher, progress)("now")
    assert order == [("progress", "now"), ("watcher", "now")]
    assert _both(watcher, None) is watcher
    watcher.is_watched = False
    assert (_both(watcher, progress), _both(watcher, None)) == (progress, None)


# ---- traces ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "window"), [("0..60", (0, 60)), (" 1.5 .. 2 ", (1.5, 2)), ("0..1" + "0" * 15, (0, 1e15))]
)
def test_a_window_of_time(text, window):
    assert parse_window(text) == window


@pytest.mark.parametrize("text", ["", "5", "5..5", "6..5", "-1..5", "1..", "a..b", "0..1" + "0" * 16, "1...2"])
def test_what_is_no_window_is_told(text):
    with pytest.raises(OutputError) as caught:
        parse_window(text)
    assert str(caught.value) == (
        f"--trace-window {text}: expected A..B, seconds of simulated time with A < B, as in 60..120"
    )


def test_a_trace_into_a_directory_is_refused(tmp_path):
    with pytest.raises(OutputError, match=r": is a directory; expected the name of a file to write$"):
        trace(parse(scenario()), tmp_path)


def written(*calls, from_s=1.0, most=100):
    out = io.StringIO()
    file = TraceFile(out, from_s, {"a": 1}, most)
    for name, *arguments in calls:
        getattr(file, name)(*arguments)
    file.close()
    return json.loads(out.getvalue()), file


def test_events_have_times_in_microseconds():
    data, file = written(
        ("name", 3, None, "router"),
        ("name", 3, 4, "slot"),
        ("span", 3, 4, "prefill 1", "prefill", 0.5, 1.5),
        ("instant", 3, 4, "x", "kind", 2.0),
        ("instant", 3, None, "y", "kind", 2.25),
        ("counter", 3, "queue", 1.0, {"all": 2.5}),
    )
    assert data["otherData"] == {"a": 1}
    assert data["displayTimeUnit"] == "ms"
    assert data["traceEvents"] == [
        {"ph": "M", "pid": 3, "tid": 0, "name": "process_name", "args": {"name": "router"}},
        {"ph": "M", "pid": 3, "tid": 0, "name": "process_sort_index", "args": {"sort_index": 3}},
        {"ph": "M", "pid": 3, "tid": 4, "name": "thread_name", "args": {"name": "slot"}},
        {
            "ph": "X",
            "pid": 3,
            "tid": 4,
            "name": "prefill 1",
            "cat": "prefill",
            "ts": 500_000.0,
            "dur": 1_000_000.0,
            "args": {},
        },
        {"ph": "i", "s": "t", "pid": 3, "tid": 4, "name": "x", "cat": "kind", "ts": 2_000_000.0, "args": {}},
        {"ph": "i", "s": "p", "pid": 3, "tid": 0, "name": "y", "cat": "kind", "ts": 2_250_000.0, "args": {}},
        {"ph": "C", "pid": 3, "tid": 0, "name": "queue", "ts": 1_000_000.0, "args": {"all": 2.5}},
    ]
    assert (file.events, file.happened) == (7, 4)


def test_what_ends_before_the_window_is_left_out():
    data, _ = written(
        ("span", 1, 1, "s", "k", 0.0, 0.99),
        ("instant", 1, 1, "i", "k", 0.99),
        ("counter", 1, "c", 0.99, {}),
        ("span", 1, 1, "last", "k", 0.0, 1.0),
    )
    assert [e["name"] for e in data["traceEvents"]] == ["last"]


def test_a_file_has_so_many_events_and_no_more():
    calls = [("counter", 1, "c", 2.0, {})] * 3
    assert written(*calls, most=3)[1].events == 3
    with pytest.raises(OutputError, match=r"^--trace-window: more than 2 events; expected a shorter window$"):
        written(*calls, most=2)


def test_the_lowest_free_number_comes_first():
    slots = Slots()
    assert [slots.take() for _ in range(3)] == [0, 1, 2]
    slots.give_back(2)
    slots.give_back(0)
    assert [slots.take() for _ in range(3)] == [0, 2, 3]
    assert slots.made == 4


def test_a_session_keeps_its_model_and_the_explanation_says_so(tmp_path):
    data = scenario(
        requests=30,
        sessions={"turns": 3, "think_s": 1.0, "followup": 2},
        router={"keep_session_model": True},
        arrivals={"kind": "poisson", "rate_rps": 0.05},
    )
    ran = study.run(parse(data), out=tmp_path / "out")
    models = ran.requests.collect()["model"].to_list()
    first, second = (explain(tmp_path / "out", request) for request in (6, 7))
    assert models[7] == models[6]
    assert second["how"] == f"{models[6]} is kept, which answered the turn before"
    assert "is kept" not in first["how"]
    with pytest.raises(OutputError, match="--request 30: expected 0 to 29"):
        explain(tmp_path / "out", 30)
    (tmp_path / "out" / "scenario.toml").write_text("requests = 0")
    with pytest.raises(OutputError, match="its scenario cannot be run any more: "):
        explain(tmp_path / "out", 6)


# ---- records that are missing, bounds that are met exactly ----------------------------------------------


def test_an_explanation_says_what_a_start_of_a_pool_that_changes_its_size_loads(tmp_path):
    breathes = {"autoscale": {"rule": "target", "cold_start": {"load_gb_per_s": 2.0}}}
    study.run(parse(scenario(models=[model("small", 0.4) | breathes, model("large", 0.8)])), out=tmp_path / "out")
    made = explain(tmp_path / "out", 6)
    assert made["starts"] == {"small": {"mean_s": 269.0, "weights_gb": 16.0, "weights_of": "assumed"}}
    last = shown(explanation(made)).splitlines()[-1]
    assert last == "pool small: a replica takes 269 s to start and loads 16 GB of weights, assumed"
    study.run(parse(scenario()), out=tmp_path / "fixed")
    assert "starts" not in explain(tmp_path / "fixed", 6)


def test_a_request_that_a_full_model_handed_on_is_explained(tmp_path):
    """One place a model and no queue: while a request is there, the next ones go to the other model."""
    full = {"admission": {"max_waiting": 0}, "when_full": "next_model"}
    models = [model(n, s, max_num_seqs=1) for n, s in (("small", 0.4), ("large", 0.8))]
    data = scenario(models=models, cluster=full, router={"policy": "cheapest"})
    records = study.run(parse(data), out=tmp_path / "out").requests.collect()
    row = records.row(next(i for i, m in enumerate(records["model"]) if m == "large"), named=True)
    made = explain(tmp_path / "out", row["id"])
    assert made["how"] == "exploited; small takes no more, so it goes to large"
    assert [m["chosen"] for m in made["models"]] == [True, False]
    kept = next(r for r in records.iter_rows(named=True) if r["model"] == "small")
    assert explain(tmp_path / "out", kept["id"])["how"] == "exploited"


def test_turns_are_explained_by_their_numbers_which_have_gaps_where_none_was_sent(tmp_path):
    """Numbers go session by session, those of turns that were not sent included."""
    impatient = {"clients": {"patience_s": 0.6}, "feedback": {"delay": 0.0}}
    data = scenario(requests=60, sessions={"turns": 4, "think_s": 0.0}, **impatient)
    records = study.run(parse(data), out=tmp_path / "out").requests.collect()
    ids = records["id"].to_list()
    assert max(ids) > len(ids)
    assert explain(tmp_path / "out", max(ids))["request"] == max(ids)
    unsent = next(k for k in range(max(ids)) if k not in ids)
    with pytest.raises(OutputError, match=f"request {unsent} has no record: it is a turn that was not sent"):
        explain(tmp_path / "out", unsent)
    with pytest.raises(OutputError, match=f"expected 0 to {max(ids)}"):
        explain(tmp_path / "out", max(ids) + 1)


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"id": [1]}, "requests: request 7 has 0 records; a part of them is missing"),
        ({"id": [7, 7]}, "requests: request 7 has 2 records; a part of them is missing"),
        (
            {"id": [7], "attempts": [1], "explored": [True], "queue": [0.0]},
            "requests: the column score is missing; another version of messsim wrote it",
        ),
    ],
)
def test_a_request_without_its_record_is_not_explained(columns, text):
    result = SimpleNamespace(requests=pl.LazyFrame(columns))
    with pytest.raises(OutputError) as error:
        _record(result, Path("d"), 7)
    assert str(error.value) == f"d/{text}"


def test_a_pool_at_its_bound_is_not_overloaded():
    at = {"name": "p", "load": 1.0, "offered_rps": 2.0, "capacity_rps": 2.0}
    assert _overloaded([at, at | {"load": None}]) == []
    assert _overloaded([at | {"load": 1.001}]) == ["pool p: gets 2 requests/s and sustains 2"]
