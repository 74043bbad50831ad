"""Time of a server outside its GPUs: its front end before the queue, detokenizing after the last token."""

import pytest
from builders import ALWAYS, POWER_W, STEP_S, api, model, run, scenario, trace

from messsim.errors import ScenarioError
from messsim.scenario import parse

ENGINES = ["simpy", "compiled"]


def one_pool(tmp_path, times_s, serving, **changes):
    changes = {"tokens": {"prompt": 1, "output": 2}} | changes
    models = [model("only", ALWAYS, **serving)]
    return scenario(requests=len(times_s), arrivals=trace(tmp_path, times_s), models=models, **changes)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dispatch", ["least_loaded", "shared_queue"])
def test_one_request_by_hand(tmp_path, engine, dispatch):
    """Front end until 0.5 s, two iterations until 1 s, detokenized at 1.125 s; the GPU is paid for two iterations."""
    serving = {"front_end_s": 0.5, "detokenize_s": 0.125}
    r = run(one_pool(tmp_path, [0], serving, cluster={"dispatch": dispatch}), engine)
    c = r.records
    assert (c.start_s[0], c.first_token_s[0], c.finish_s[0]) == (0.5, 0.75, 1.125)
    assert c.energy_j[0] == 2 * STEP_S * POWER_W
    assert r.outcome.in_system_integral == 1.125


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("workers", "starts_s"), [(1, [0.5, 1.0, 1.5]), (2, [0.5, 0.5, 1.0]), (0, [0.5] * 3)])
def test_workers_of_a_front_end_first_in_first_out(tmp_path, engine, workers, starts_s):
    serving = {"front_end_s": 0.5, "front_end_workers": workers}
    assert run(one_pool(tmp_path, [0, 0, 0], serving), engine).records.start_s.tolist() == starts_s


@pytest.mark.parametrize("engine", ENGINES)
def test_who_is_outside_the_gpu_is_unfinished(tmp_path, engine):
    """While the first request is in the front end of one replica, the second goes to the other.

    Admission counts who is being detokenized too: the only place is taken until 0.5 + 2 s.
    """
    r = run(one_pool(tmp_path, [0, 0.25], {"front_end_s": 1.0, "replicas": 2}), engine)
    assert r.records.replica.tolist() == [0, 1]
    serving = {"detokenize_s": 2.0, "max_num_seqs": 1}
    data = one_pool(tmp_path, [0, 2.25, 2.75], serving, cluster={"admission": {"max_waiting": 0}})
    r = run(data, engine)
    assert r.statuses == ["completed", "rejected", "completed"]
    assert r.records.finish_s[0] == 2.5


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("on_failure", ["retry", "lose"])
def test_a_failure_hits_the_front_end_and_spares_what_is_complete(tmp_path, engine, on_failure):
    """At 1.1 s the first answer is being detokenized, and arrives; the second request is in the front end."""
    outage = {"pool": "only", "at_s": 1.1, "for_s": 1.0}
    serving = {"front_end_s": 0.5, "front_end_workers": 1, "detokenize_s": 0.5}
    cluster = {"failures": {"on_failure": on_failure, "schedule": [outage]}}
    r = run(one_pool(tmp_path, [0, 1], serving, cluster=cluster), engine)
    assert r.records.finish_s[0] == 1.5
    assert r.statuses == ["completed", "completed" if on_failure == "retry" else "lost"]
    if on_failure == "retry":
        assert r.records.start_s[1] == pytest.approx(2.1 + 0.5, abs=1e-12)  # from the front end on


@pytest.mark.parametrize("engine", ENGINES)
def test_who_gives_up_leaves_the_front_end(tmp_path, engine):
    """At 3.75 s the second gives up, with whom the worker goes on until 4 s, and the third, who waits and is gone.

    With a patience of 1 s nobody comes through.
    """
    data = one_pool(
        tmp_path,
        [0, 0, 0, 3.0],
        {"front_end_s": 2.0, "front_end_workers": 1},
        feedback={"delay": 0.0},
        clients={"patience_s": 1.0},
    )
    r = run(data | {"clients": {"patience_s": 3.75, "until": "first_token"}}, engine)
    assert r.statuses == ["completed", "timed_out", "timed_out", "completed"]
    assert r.records.start_s[3] == 4.0 + 2.0
    r = run(data, engine)
    assert r.statuses == ["timed_out"] * 4
    assert r.records.energy_j.tolist() == [0.0] * 4


@pytest.mark.parametrize("engine", ENGINES)
def test_at_the_horizon_what_is_outside_is_paid_for(tmp_path, engine):
    data = one_pool(tmp_path, [0, 0], {"front_end_s": 0.25, "front_end_workers": 1, "detokenize_s": 5.0})
    del data["requests"]
    r = run(data | {"horizon_s": 1.1}, engine)
    assert r.statuses == ["in_flight", "in_flight"]
    assert r.records.energy_j.sum() == pytest.approx(3 * STEP_S * POWER_W)
    r = run(data | {"horizon_s": 0.2}, engine)
    assert r.statuses == ["in_flight", "in_flight"]
    assert r.records.energy_j.sum() == 0.0


def test_bad_front_ends_are_refused():
    workers = {"front_end_s": 0.1, "front_end_workers": 2}
    with pytest.raises(ScenarioError, match=r"models.0.front_end_workers = 2: with cluster.dispatch = 'shared_queue'"):
        parse(scenario(models=[model("a", **workers)], cluster={"dispatch": "shared_queue"}))
    usd = {"unit": "USD"}
    with pytest.raises(ScenarioError, match=r"models.0.detokenize_s = 1.0: has no effect with kind = 'api'"):
        parse(scenario(models=[{"name": "a", "satisfaction": 0.5, "detokenize_s": 1.0} | api()], cost=usd))
    with pytest.raises(ScenarioError, match=r"models.0.front_end_s = -0.5: expected at least 0"):
        parse(scenario(models=[model("a", front_end_s=-0.5)]))
