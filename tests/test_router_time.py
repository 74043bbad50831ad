"""Decisions that take time: a queue in front of the router's workers, and what a decision sees at its end."""

import math

import numpy as np
import pytest
from builders import ALWAYS, NEVER, POWER_W, STEP_S, model, run, scenario, trace

from messsim.errors import ScenarioError
from messsim.scenario import notes_of, parse
from messsim.study.simulation.check import check

ENGINES = ["simpy", "compiled"]
FREE = [{"name": "small", "satisfaction": NEVER, "cost_per_request": 1.0}]


def at(tmp_path, times_s, router, **changes):
    """Without servers: an answer comes when the router has decided."""
    changes = {"cluster": {"mode": "none"}, "models": FREE} | changes
    return scenario(requests=len(times_s), arrivals=trace(tmp_path, times_s), router={"V": 1e-2} | router, **changes)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("workers", "decided_s"), [(1, [2.0, 4.0, 6.0, 12.0]), (2, [2.0, 2.0, 4.0, 12.0]), (0, [2.0, 2.0, 3.0, 12.0])]
)
def test_workers_decide_first_in_first_out(tmp_path, engine, workers, decided_s):
    """Requests at 0, 0, 1 and 10 s, each decision 2 s: by one worker, by two, by as many as are needed."""
    r = run(at(tmp_path, [0, 0, 1, 10], {"decision_s": 2.0, "workers": workers}), engine)
    assert r.records.finish_s.tolist() == decided_s
    waits_s = np.array(decided_s) - 2.0 - r.records.arrival_s
    assert r.summary["router"]["wait_s"] == waits_s.sum() / 4
    assert r.summary["router"]["decision_s"] == 2.0
    assert r.outcome.in_system_integral == (np.array(decided_s) - r.records.arrival_s).sum()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("times_s", "workers", "utilization"),
    [([0, 4], 1, 0.5), ([0, 0, 1, 10], 1, 0.6), ([0, 0, 1, 10], 2, 0.3), ([0, 9, 10], 2, 0.15), ([0, 0, 0, 1], 1, 1.0)],
)
def test_utilisation_is_of_the_time_until_the_last_arrival(tmp_path, engine, times_s, workers, utilization):
    """Decisions of 2 s; what is decided after the last arrival is no part of it."""
    r = run(at(tmp_path, times_s, {"decision_s": 2.0, "workers": workers}), engine)
    assert r.summary["router"]["utilization"] == pytest.approx(utilization)


@pytest.mark.parametrize("seed", [8, 10, 19])
def test_engines_sum_up_the_workers_time_alike(seed):
    """To the last bit, however often they measure: turns come while workers are busy, after the last session began."""
    data = scenario(
        seed=seed,
        requests=60,
        arrivals={"kind": "poisson", "rate_rps": 3.0},
        sessions={"turns": 5, "think_s": 0.3, "followup": 2},
        router={"V": 1e-2, "decision_s": {"kind": "exponential", "mean_s": 0.37}, "workers": 1 + seed % 3},
    )
    assert run(data, "simpy").outcome.router == run(data, "compiled").outcome.router


@pytest.mark.parametrize("engine", ENGINES)
def test_a_decision_sees_the_state_at_its_end(tmp_path, engine):
    """Nobody is ever satisfied: the second, decided after the first is rated, finds Q = alpha, not 0 as it came."""
    r = run(at(tmp_path, [0, 0.5], {"decision_s": 1.0, "workers": 0}), engine)
    assert r.records.queue.tolist() == [0.0, 0.5]
    assert r.records.feedback_s.tolist() == [1.0, 1.5]
    at_once = run(at(tmp_path, [0, 0.5], {"decision_s": 0.0, "workers": 0}), engine)
    assert at_once.records.feedback_s.tolist() == [0.0, 0.5]


@pytest.mark.parametrize("engine", ENGINES)
def test_instances_have_workers_of_their_own(tmp_path, engine):
    """Requests that come together are decided one after the other by each instance."""
    r = run(at(tmp_path, [0.0] * 12 + [50.0], {"decision_s": 1.0, "instances": 3}), engine)
    for instance in range(3):
        mine = (r.records.instance == instance) & (r.records.arrival_s == 0.0)
        decided_s = sorted(r.records.finish_s[mine])
        assert decided_s == [1.0 + k for k in range(len(decided_s))]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_time_is_part_of_ttft_and_of_no_energy(tmp_path, engine):
    data = scenario(
        requests=1, arrivals=trace(tmp_path, [0]), models=[model("only", ALWAYS)], router={"decision_s": 0.5}
    )
    r = run(data, engine)
    assert (r.records.start_s[0], r.records.first_token_s[0], r.records.finish_s[0]) == (0.5, 0.75, 1.25)
    assert r.summary["latency_s"]["ttft"]["mean"] == 0.75
    assert r.records.energy_j[0] == 3 * STEP_S * POWER_W


@pytest.mark.parametrize("engine", ENGINES)
def test_who_gives_up_is_not_decided(tmp_path, engine):
    """Patience of 1 s and decisions of 2 s: the first gives up while it is decided, the second while it waits."""
    data = scenario(
        requests=3,
        arrivals=trace(tmp_path, [0, 0, 1.5]),
        router={"decision_s": 2.0},
        feedback={"delay": 0.0},
        clients={"patience_s": 1.0, "rate_giving_up": True},
    )
    r = run(data, engine)
    assert r.statuses == ["timed_out"] * 3
    assert r.records.model.tolist() == [-1, -1, -1]
    assert r.outcome.attempts == 0
    assert r.summary["router"]["decision_s"] == 2.0  # of the first and the third, begun at 2 s
    assert r.outcome.router.begun == 2
    assert r.outcome.tenants[0].queue_tracked == 1.5  # the complaints count all the same


@pytest.mark.parametrize("engine", ENGINES)
def test_a_second_attempt_is_decided_anew(tmp_path, engine):
    """The client gives up at 1 s, asks again at 2 s and is decided from then on."""
    data = scenario(
        requests=1,
        arrivals=trace(tmp_path, [0]),
        models=[model("only", ALWAYS, coefficients={"a0_s": 0.25})],
        tokens={"output": 1},
        router={"decision_s": {"kind": "exponential", "mean_s": 1.0}},
        feedback={"delay": 0.0},
        clients={"patience_s": 0.75, "retries": 30, "backoff_s": 0.5, "backoff_growth": 1.0},
    )
    r = run(data, engine)
    assert r.statuses == ["completed"]
    k = r.records.attempts[0] - 1
    assert r.outcome.attempts == 1
    assert r.records.start_s[0] - k * 1.25 < 0.5


@pytest.mark.parametrize("engine", ENGINES)
def test_a_second_attempt_waits_from_when_it_is_made(tmp_path, engine):
    """Decided from 0 on, given up at 3.5 s, it asks again at 4.5 s and waits for the other's decision until 5.75 s."""
    data = scenario(
        requests=2,
        arrivals=trace(tmp_path, [0, 4.0]),
        models=[model("only", ALWAYS)],
        tokens={"output": 100},
        router={"decision_s": 1.75, "workers": 1},
        feedback={"delay": 0.0},
        clients={"patience_s": 3.5, "retries": 1, "backoff_s": 1.0},
    )
    r = run(data, engine)
    assert (r.outcome.router.begun, r.summary["router"]["wait_s"]) == (4, 1.25 / 4)


@pytest.mark.parametrize("engine", ENGINES)
def test_at_the_horizon_the_undecided_are_in_flight(tmp_path, engine):
    data = at(tmp_path, [0, 0, 0], {"decision_s": 2.0}) | {"horizon_s": 3.0}
    del data["requests"]
    r = run(data, engine)
    assert r.statuses == ["completed", "in_flight", "in_flight"]
    assert r.records.model.tolist() == [0, -1, -1]
    assert math.isnan(r.records.queue[1])
    assert r.summary["requests"]["in_flight"] == 2
    assert r.outcome.in_system_integral == 2.0 + 3.0 + 3.0


def test_a_router_that_takes_no_time_is_as_before(tmp_path):
    """Decisions of 0 s by as many workers as are needed change nothing."""
    data = scenario(router={"decision_s": 0.0, "workers": 0})
    for engine in ENGINES:
        with_time, without = run(data, engine), run(scenario(), engine)
        for name, column in vars(without.records).items():
            assert getattr(with_time.records, name).tobytes() == column.tobytes(), name


def test_bad_times_are_refused():
    for router, message in [
        ({"decision_s": -1.0}, "router.decision_s = -1.0: expected at least 0"),
        ({"decision_s": "soon"}, "router.decision_s"),
        ({"workers": -1}, "router.workers = -1: expected at least 0"),
    ]:
        with pytest.raises(ScenarioError, match=message):
            parse(scenario(router=router))


def test_check_names_a_router_that_gets_too_much():
    models = [model("only", ALWAYS, max_num_seqs=64, replicas=8, front_end_s=0.5, front_end_workers=1)]
    data = scenario(models=models, arrivals={"kind": "poisson", "rate_rps": 20.0}, tokens={"output": 1}, requests=200)
    problems = check(parse(data | {"router": {"decision_s": 0.1, "workers": 1}}))["problems"]
    assert "router: gets 20 requests/s and decides 10" in problems
    assert "pool only: gets 20 requests/s and its front ends pass 16" in problems
    enough = data | {"router": {"decision_s": 0.1, "workers": 1, "instances": 3}}
    assert not any(problem.startswith("router") for problem in check(parse(enough))["problems"])


def test_workers_without_work_are_noted():
    parsed = parse(scenario(router={"workers": 3}, models=[model("a", front_end_workers=2)]))
    notes = notes_of(parsed)
    assert "router.workers: ignored without router.decision_s" in notes
    assert "models.0.front_end_workers: ignored without front_end_s" in notes


@pytest.mark.parametrize("router", [{"decision_s": 2e6}, {"decision_s": {"kind": "exponential", "mean_s": 1e9}}])
def test_times_that_no_router_takes_are_refused(router):
    with pytest.raises(ScenarioError, match=r"router.decision_s: .* seconds; expected at most 1e\+06"):
        parse(scenario(router=router))
