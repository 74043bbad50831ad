"""Many router instances in both engines: against MESS+ in plain Python, one router each, and by hand."""

import ctypes
import io
import json
from functools import reduce
from operator import add

import numpy as np
import pytest
from builders import ALWAYS, DECIDE, NEVER, Run, model, run, scenario, trace
from reference.router import Router, twin_of
from rich.console import Console

import messsim
from messsim import _core, routing
from messsim.engines import prepare
from messsim.errors import ScenarioError
from messsim.report.run.explanation import explanation
from messsim.routing import Policy
from messsim.scenario import parse
from messsim.study.simulation.explain import explain
from messsim.study.simulation.tracing import trace as trace_of
from messsim.workload import Workload


@pytest.fixture(params=["simpy", "compiled"])
def engine(request) -> str:
    return request.param


def whom(r: Run) -> list[int]:
    """The instance of each request."""
    return [int(i) for c in r.chunks for i in c.drawn.instance[: len(c)]]


# ---- against plain Python -------------------------------------------------------------------------------

CASES = {
    "at once": {},
    "late labels": {"feedback": {"probability": 0.7, "delay": {"kind": "exponential", "mean_s": 4.0}}},
    "two tenants": {"tenants": [{"name": "x", "alpha": 0.9}, {"name": "y", "share": 3.0, "alpha": 0.4}]},
    "momentum": {"router": {"predictor": {"learning_rate": 0.3, "momentum": 0.9, "weight_decay": 1e-3}}},
    "a queue that forgets": {"router": {"discount": 0.9}},
    "steered": {"router": {"target_queue": 4.0, "gain": 0.05}},
    "queues that have begun": {"router": {"initial_queue": 3.0}},
    "learns from one, raters err": {"router": {"explore": "chosen"}, "feedback": {"false_negative": 0.2}},
    "small chunks": {"record": {"chunk": 64}},
}


def case(name: str, instances: int, reconcile_s: float | None) -> dict:
    data = {
        "requests": 300,
        "sla": {"alpha": 0.65},
        "arrivals": {"kind": "poisson", "rate_rps": 1.0},
        "cluster": {"mode": "none"},
        "models": [model(n, s, cost_per_request=e) for n, s, e in (("a", 0.3, 1.0), ("b", 0.6, 3.0), ("c", 0.8, 9.0))],
    } | {key: value for key, value in CASES[name].items() if key != "router"}
    router = {"V": 0.05, "c": 1.0, "predictor": {"learning_rate": 0.3}} | CASES[name].get("router", {})
    return scenario(**data, router=router | {"instances": instances, "reconcile_s": reconcile_s})


def mean(values: list) -> float:
    return reduce(add, values[1:], values[0]) / len(values)


def reconcile(twins: list[Router]) -> None:
    for queues in zip(*(t.tracked for t in twins), strict=True):
        q, plain = mean([k.q for k in queues]), mean([k.plain for k in queues])
        for queue in queues:
            queue.q, queue.plain = q, plain
    learnt = [t.predictor.saved() for t in twins]
    means = {key: mean([np.array(x[key]) for x in learnt]).tolist() for key in ("weights", "bias", "velocity")}
    for twin, own in zip(twins, learnt, strict=True):
        twin.predictor.restore(own | means)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("instances", "reconcile_s"), [(2, 10.0), (3, 0.75), (11, 40.0), (2, None)])
def test_every_instance_is_a_router_of_its_own(engine, name, instances, reconcile_s):
    r = run(case(name, instances, reconcile_s), engine)
    twins, records, k = [twin_of(r) for _ in range(instances)], r.records, 1
    decisions = []
    for i, (now, who) in enumerate(zip(records.arrival_s, whom(r), strict=True)):
        while reconcile_s is not None and k * reconcile_s <= now:
            for twin in twins:
                twin.deliver(k * reconcile_s)
            reconcile(twins)
            k += 1
        decisions.append(twins[who].decide(i, records.tenant[i], now))
    assert records.instance.tolist() == whom(r)
    assert records.explored.tolist() == [d.explored for d in decisions]
    assert records.model.tolist() == [d.model for d in decisions]
    assert records.queue.tolist() == [d.queue for d in decisions]
    assert records.score.tolist() == [d.score for d in decisions]
    while reconcile_s is not None and any(t.coming for t in twins):  # labels that come after the last request
        for twin in twins:
            twin.deliver(k * reconcile_s)
        if any(t.coming for t in twins):
            reconcile(twins)
        k += 1
    for twin in twins:
        twin.deliver(np.inf)
    assert r.outcome.updates == sum(t.predictor.version for t in twins) > 10
    for number, tenant in enumerate(r.outcome.tenants):
        own = [t.tracked[number] for t in twins]
        assert tenant.rated == sum(q.rated for q in own) > 10
        assert tenant.queue_plain == reduce(add, [q.plain for q in own], 0.0)
        assert tenant.delivered == sum(t.delivered[number].rated for t in twins)


# ---- by hand --------------------------------------------------------------------------------------------


def test_queues_meet_at_their_mean_between_labels_and_arrivals(engine, tmp_path):
    """Nobody is ever satisfied, so each label adds alpha = 1/2 to its instance's queue, 4 s after its request.

    Labels of requests at 0, 1, 2, 3 s are in at 4, 5, 6, 7 s; the queues meet at 7 s, after the label of that
    instant and before its request.
    """
    data = scenario(
        requests=9,
        arrivals=trace(tmp_path, range(9)),
        cluster={"mode": "none"},
        models=[model("only", NEVER, cost_per_request=1.0)],
        feedback={"delay": 4.0},
        router={"instances": 2, "reconcile_s": 7.0, "c": 0.0},
    )
    r = run(data, engine)
    who = whom(r)
    first = who[:4].count(0)
    assert 0 < first < 4  # each has queued something by then, or the case says nothing
    assert r.records.queue[:7].tolist() == [
        0.5 * who[: max(0, t - 3)].count(who[t]) for t in range(7)
    ]  # labels until t - 4
    assert r.records.queue[7] == 1.0  # 4 labels, 2 queues
    assert r.records.queue[8] == 1.0 + 0.5 * (who[4] == who[8])
    assert r.outcome.tenants[0].queue_tracked == 4.5
    assert r.outcome.end_s == 12.0  # the last label; the reconciliation at 14 s is nobody's business any more


def test_reconciliations_keep_no_run_alive(engine):
    data = scenario(requests=30, router={"instances": 3, "policy": "largest"})
    ends = [
        run(data | {"router": data["router"] | more}, engine).outcome.end_s for more in ({}, {"reconcile_s": 0.001})
    ]
    assert ends[0] == ends[1]


# ---- what an instance owns -------------------------------------------------------------------------------


def test_the_state_of_a_policy_is_one_for_each_instance(engine, monkeypatch):
    """A policy that counts its requests and answers with models in turn."""

    def in_turn(*reported):
        state = reported[-1]
        state[0] += 1.0
        return int(state[0]) % 2

    callback = DECIDE(in_turn)
    address = ctypes.cast(callback, ctypes.c_void_p).value
    monkeypatch.setitem(routing.POLICIES, "own", lambda *_: Policy("own", _core.Policy(address, [], [0.0])))
    r = run(scenario(router={"policy": "own", "instances": 3, "reconcile_s": 1.0}), engine)
    counts = [0, 0, 0]
    for chosen, who in zip(r.records.model, whom(r), strict=True):
        counts[who] += 1
        assert chosen == counts[who] % 2
    assert min(counts) > 3


def test_the_certificate_is_that_of_the_sum(engine):
    """Reconciliation moves shortfall to instances that have none, whose own certificates then fail: the sum's holds."""
    data = case("at once", 5, 3.0)
    r = run(data, engine)
    (tenant,) = r.outcome.tenants
    rated = tenant.rated_satisfied / tenant.rated
    assert tenant.certificate == pytest.approx(0.65 - tenant.queue_tracked / tenant.rated, abs=1e-12)
    assert tenant.certificate <= rated
    assert tenant.queue_tracked > 0
    last = r.outcome.timeline.samples[-1]
    assert last.queue_tracked == pytest.approx(tenant.queue_tracked, abs=1.0)  # one rating later
    assert r.summary["sla"]["queue_tracked_final"] == tenant.queue_tracked
    assert r.summary["sla"]["rated"] == 300


def test_a_reconciliation_that_loses_shortfall_is_found_out(monkeypatch):
    def forget(ledgers):
        for ledger in ledgers:
            ledger.restore(ledger.saved() | {"queue": 0.0, "plain": 0.0})

    data = scenario(models=[model("only", NEVER)], router={"instances": 2, "reconcile_s": 5.0})
    run(data, "simpy")
    monkeypatch.setattr(_core, "reconcile", forget)
    with pytest.raises(AssertionError, match="certificate does not hold"):
        run(data, "simpy")


# ---- who decided -----------------------------------------------------------------------------------------


def test_explain_shows_the_queue_of_the_instance_that_decided(tmp_path):
    data = case("at once", 3, 20.0)
    out, who = tmp_path / "run", whom(run(data))
    messsim.run(parse(data), out=out)
    for request in (0, 60, 299):  # the replay compares queue, score and model with the record
        explained = explain(out, request)
        assert (explained["instance"], explained["instances"]) == (who[request], 3)
        assert explained["step"] == who[: request + 1].count(who[request])
        assert explained["models"][0]["q_shortfall"] == explained["queue"] * (0.65 - explained["models"][0]["score"])
        console = Console(width=200, file=io.StringIO())
        console.print(explanation(explained))
        assert f"of instance {who[request]} (of 3)" in console.file.getvalue()


def test_a_trace_names_the_instance_that_decided(tmp_path):
    data = scenario(router={"instances": 3, "reconcile_s": 2.0})
    trace_of(parse(data), tmp_path / "trace.json", (0.0, 1000.0))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    named = {e["args"]["request"]: e["args"]["instance"] for e in events if "instance" in e.get("args", {})}
    assert list(named.values()) == whom(run(data))


# ---- chance ----------------------------------------------------------------------------------------------


def test_the_instance_is_a_choice_of_its_own():
    drawn = [
        Workload(parse(scenario(requests=20_000, router={"instances": n}))).columns(0, 20_000) for n in (1, 4, 1000)
    ]
    assert drawn[0].instance is None
    np.testing.assert_array_equal(drawn[0].satisfied, drawn[1].satisfied)
    assert drawn[1].instance.dtype == np.int32
    counts = np.bincount(drawn[1].instance)
    assert len(counts) == 4
    assert np.abs(counts - 5000).max() < 4 * np.sqrt(20_000 * 0.25 * 0.75)
    assert (drawn[2].instance.min(), drawn[2].instance.max()) == (0, 999)
    assert abs(np.corrcoef(drawn[1].instance[1:], drawn[1].instance[:-1])[0, 1]) < 0.03
    late = Workload(parse(scenario(router={"instances": 4}))).columns(7000, 10)
    np.testing.assert_array_equal(late.instance, drawn[1].instance[7000:7010])


def test_one_instance_is_the_router_itself(engine):
    alone = run(scenario(), engine)
    assert not alone.records.instance.any()
    r = run(scenario(router={"instances": 1, "reconcile_s": 1.0}), engine)
    for name, column in vars(alone.records).items():
        np.testing.assert_array_equal(column, vars(r.records)[name], err_msg=name)
    assert repr(r.outcome.tenants) == repr(alone.outcome.tenants)


# ---- what may be said -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("router", "message"),
    [
        ({"instances": 0}, "router.instances = 0: expected at least 1"),
        ({"instances": 1001}, "router.instances = 1001: expected at most 1000"),
        ({"instances": 2, "reconcile_s": 1e-4}, "router.reconcile_s = 0.0001: expected at least 0.001"),
        ({"instances": 2, "window": 10}, "window = 10 and instances = 2: expected one of them"),
        ({"instances": 2, "random": {"window": 10}, "policy": "random"}, "window = 10 and instances = 2"),
    ],
)
def test_what_has_no_meaning_is_refused(router, message):
    with pytest.raises(ScenarioError) as refused:
        prepare(parse(scenario(router=router)))
    assert message in str(refused.value)


def test_reconciling_a_single_instance_deserves_a_word():
    notes = prepare(parse(scenario(router={"reconcile_s": 60.0}))).notes
    assert "router.reconcile_s: ignored with router.instances = 1" in notes
    setup = prepare(parse(scenario(router={"policy": "random", "instances": 2, "reconcile_s": 60.0})))
    assert not [n for n in setup.notes if "instances" in n or "reconcile" in n]


def test_a_share_of_the_requests_calibrates_every_instance():
    """Knowledge.requests is what one instance may expect."""
    spec = {"policy": "threshold", "calibration": 0.5, "instances": 4}
    data = scenario(requests=400, router=spec, models=[model("a", NEVER), model("b", ALWAYS)])
    assert prepare(parse(data)).policy.kernel.params[3] == 50
