"""Outages of APIs in both engines, worked out by hand: a first token after 0.5 s, a further one each 0.25 s."""

import json

import numpy as np
import pytest
from builders import COEFFICIENTS, POWER_W, STEP_S, api, pool, run, scenario, trace

OUTPUT = 3
LASTS_S = 0.5 + 0.25 * (OUTPUT - 1)
ANSWER_USD = OUTPUT * 5.0 / 1e6
USD = {"unit": "USD", "usd_per_gpu_hour": {"GPU": 3600.0}}  # a GPU costs 1 USD a second


@pytest.fixture(params=["simpy", "compiled"])
def engine(request) -> str:
    return request.param


def called(folder, times, *outages, on_failure="retry", pools=(), **more) -> dict:
    """One model `only`, served by the API `api` and `pools`, whose outages are (pool, at, for)."""
    schedule = [{"pool": name, "at_s": at, "for_s": lasts} for name, at, lasts in outages]
    return scenario(
        **{
            "arrivals": trace(folder, times),
            "requests": None,
            "models": [{"name": "only", "satisfaction": 0.5}],
            "pools": [{"model": "only", "name": "api"} | api(), *pools],
            "cost": USD,
            "cluster": {"failures": {"on_failure": on_failure, "schedule": schedule}},
        }
        | more
    )


OWN = pool("only", name="own")


@pytest.mark.parametrize("on_failure", ["retry", "lose"])
def test_an_outage_loses_what_is_under_way_and_turns_away_what_comes(engine, tmp_path, on_failure):
    """Down from 0.75 to 2: the second request is cut off after its first token, the fourth comes as all is well."""
    times = [0.0, 0.25, 1.0, 2.0]
    r = run(called(tmp_path, times, ("api", 0.75, 1.25), on_failure=on_failure), engine)
    assert r.statuses == ["lost", "lost", "rejected", "completed"]
    assert r.records.start_s[:2].tolist() == [0.0, 0.25]
    assert r.records.first_token_s[:2].tolist() == [0.5, 0.75]
    assert np.isnan(r.records.finish_s[:3]).all()
    assert r.records.finish_s[3] == 2.0 + LASTS_S
    assert r.records.replica.tolist() == [0, 0, -1, 0]
    assert r.records.cost.tolist() == [0.0, 0.0, 0.0, pytest.approx(ANSWER_USD)]  # providers charge for answers
    assert (r.summary["requests"]["lost"], r.summary["requests"]["rejected"]) == (2, 1)


def test_a_first_token_that_an_outage_prevented_never_comes(engine, tmp_path):
    r = run(called(tmp_path, [0.0, 9.0], ("api", 0.25, 1.0)), engine)
    assert r.statuses == ["lost", "completed"]
    assert np.isnan(r.records.first_token_s[0])


def test_what_is_complete_as_an_outage_begins_goes_through(engine, tmp_path):
    r = run(called(tmp_path, [0.0, 0.0, 9.0], ("api", LASTS_S, 1.0)), engine)
    assert r.statuses == ["completed"] * 3
    assert r.records.finish_s[:2].tolist() == [LASTS_S, LASTS_S]


def test_overlapping_outages_end_with_the_last(engine, tmp_path):
    times = [0.0, 2.0, 3.5, 5.0]
    r = run(called(tmp_path, times, ("api", 1.0, 2.0), ("api", 2.5, 2.5)), engine)
    assert r.statuses == ["completed", "rejected", "rejected", "completed"]


@pytest.mark.parametrize("dispatch", ["least_loaded", "round_robin", "power_of_two"])
def test_replicas_of_the_model_take_over(engine, tmp_path, dispatch):
    """What was under way begins again on the replica, and what comes goes there."""
    data = called(tmp_path, [0.0, 1.0, 9.0], ("api", 0.75, 3.0), pools=[OWN])
    r = run(data | {"cluster": data["cluster"] | {"dispatch": dispatch}}, engine)
    assert r.statuses == ["completed"] * 3
    assert r.records.replica[:2].tolist() == [1, 1]
    assert r.records.finish_s[:2].tolist() == [0.75 + OUTPUT * STEP_S, 1.0 + OUTPUT * STEP_S]


def test_a_copy_that_a_replica_takes_over_keeps_its_first_times(engine, tmp_path):
    r = run(called(tmp_path, [0.0, 9.0], ("api", 0.75, 3.0), pools=[OWN]), engine)
    assert r.records.replica[0] == 1
    assert (r.records.start_s[0], r.records.first_token_s[0]) == (0.0, 0.5)
    assert r.records.finish_s[0] == 0.75 + OUTPUT * STEP_S
    assert r.records.cost[0] == pytest.approx(OUTPUT * STEP_S)  # the replica's seconds; the API's call failed
    assert r.records.energy_j[0] == pytest.approx(POWER_W * OUTPUT * STEP_S)


def test_a_repaired_api_takes_what_a_replica_that_is_down_holds(engine, tmp_path):
    """The replica fails with a request that has drawn joules while the API is down too: held first, then called for."""
    own = pool("only", name="own", coefficients=COEFFICIENTS)
    outages = [("api", 0.0, 2.0), ("own", 0.5 + STEP_S / 2, 9.0)]
    data = called(tmp_path, [0.0, 0.5, 19.0], *outages, pools=[own])
    r = run(data, engine)
    assert r.statuses == ["completed"] * 3
    assert r.records.finish_s[1] == 2.0 + LASTS_S
    assert r.records.start_s[1] == 0.5
    assert r.records.energy_j[:2].sum() == pytest.approx(POWER_W * (0.5 + STEP_S / 2))
    assert r.records.cost[1] == pytest.approx(ANSWER_USD)


def test_no_replica_and_no_api_holds_requests_for_the_replica(engine, tmp_path):
    data = called(tmp_path, [0.0, 1.0, 9.0], ("api", 0.5, 6.0), ("own", 0.5, 4.0), pools=[OWN])
    r = run(data, engine)
    assert r.statuses == ["completed"] * 3
    assert r.records.start_s[1] == 4.5
    assert r.records.finish_s[1] == 4.5 + OUTPUT * STEP_S


def test_a_full_pool_and_an_api_that_is_down_turn_requests_away(engine, tmp_path):
    own = pool("only", name="own", max_num_seqs=1)
    data = called(tmp_path, [0.0, 0.5, 0.5, 9.0], ("api", 0.25, 6.0), pools=[own])
    data["cluster"] |= {"admission": {"max_waiting": 0}, "dispatch": "shared_queue"}
    r = run(data, engine)
    assert r.statuses == ["completed", "rejected", "rejected", "completed"]


def test_clients_ask_again_when_an_api_turns_them_away(engine, tmp_path):
    clients = {"retries": 2, "backoff_s": 1.0, "backoff_growth": 1.0}
    data = called(tmp_path, [0.0, 2.0, 9.0], ("api", 1.5, 2.0), clients=clients, feedback={"delay": 0.0})
    r = run(data, engine)
    assert r.statuses == ["completed"] * 3
    assert r.records.attempts.tolist() == [1, 3, 1]  # at 2, 3 and 4
    assert r.records.finish_s[1] == 4.0 + LASTS_S


def test_who_has_given_up_is_not_asked_for_by_an_outage(engine, tmp_path):
    """Its client went at 0.25 and the server goes on; the outage ends it, and nobody asks again."""
    clients = {"patience_s": 0.25, "abort": False}
    data = called(tmp_path, [0.0, 9.0], ("api", 0.5, 1.0), clients=clients, feedback={"delay": 0.0})
    r = run(data, engine)
    assert r.statuses == ["timed_out", "timed_out"]
    assert r.records.cost.tolist() == [0.0, pytest.approx(ANSWER_USD)]


@pytest.mark.parametrize(("delay", "used"), [("immediate", 1), (0.0, 0)])
def test_a_label_may_be_used_before_its_call_fails(engine, tmp_path, delay, used):
    data = called(tmp_path, [0.0, 9.0], ("api", 0.5, 1.0), feedback={"delay": delay})
    r = run(data, engine)
    assert r.statuses == ["lost", "completed"]
    assert r.summary["requests"]["labels_of_lost"] == used
    assert r.outcome.tenants[0].rated == 1 + used


def test_copies_for_exploration_are_turned_away_alone(engine, tmp_path):
    """The user's answer comes from the model of its own, whatever happens to the other copy."""
    models = [
        {"name": "cheap", "satisfaction": 0.5} | api(),
        {"name": "dear", "satisfaction": 0.9} | api(latency_s=2.0),
    ]
    data = called(tmp_path, [0.0, 3.0, 9.0], ("cheap", 0.75, 5.0), models=models) | {"pools": []}
    data["router"] |= {"c": 1e9, "reference": "dear"}
    r = run(data, engine)
    assert r.records.explored.all()
    assert r.statuses == ["completed"] * 3
    assert r.records.cost == pytest.approx([ANSWER_USD, ANSWER_USD, 2 * ANSWER_USD])


def test_random_outages_are_those_of_its_columns(engine):
    """Requests come every few milliseconds: those that start in an outage are turned away, those before it are lost."""
    models = [{"name": "only", "satisfaction": 0.5} | api()]
    failures = {"mtbf_s": 20.0, "mttr_s": 5.0}
    data = scenario(requests=3000, arrivals={"kind": "poisson", "rate_rps": 20.0}, models=models)
    r = run(data | {"cost": {"unit": "USD"}, "cluster": {"failures": failures}}, engine)
    chance, arrival_s = r.setup.workload.chance, r.records.arrival_s
    fails, mends = chance.column("failure", "only"), chance.column("repair", "only")
    time_s, expected = 0.0, np.full(3000, "completed", dtype=object)
    for k in range(200):
        at = time_s + 20.0 * chance.one_exponential(fails, k, 0)
        time_s = at + 5.0 * chance.one_exponential(mends, k, 0)
        expected[(arrival_s >= at) & (arrival_s < time_s)] = "rejected"
        expected[(arrival_s < at) & (arrival_s + LASTS_S > at) & (expected == "completed")] = "lost"
    assert r.statuses == expected.tolist()
    assert min((expected == s).sum() for s in ("completed", "rejected", "lost")) > 20


def test_what_an_api_had_cached_counts_no_more_once_an_outage_ended_the_call(engine, tmp_path):
    """Requests take turns; the last one's whole prompt is cached at the API, its call is cut off, and a replica without
    a cache computes all of it."""
    file = tmp_path / "hashes.jsonl"
    row = {"prompt_tokens": 1024, "output_tokens": OUTPUT, "hash_ids": [1, 2]}
    file.write_text("".join(json.dumps(row | {"arrival_s": float(i)}) + "\n" for i in range(4)))
    law = {"kind": "trace", "file": str(file), "columns": {"hash_ids": "hash_ids"}, "repeat": False}
    data = called(tmp_path, [0.0], ("api", 3.25, 100.0), pools=[OWN | {"max_batched_tokens": 2048}], arrivals=law)
    data["tokens"] = {"prompt": {"kind": "trace"}, "output": {"kind": "trace"}}
    data["pools"][0] |= {"usd_per_million_cached_prompt_tokens": 0.01, "usd_per_million_prompt_tokens": 0.1}
    data["cluster"]["dispatch"] = "round_robin"
    data["pools"].reverse()
    data["arrivals"] = law
    r = run(data, engine)
    assert r.summary["requests"]["completed"] == 4
    assert r.records.replica.tolist() == [0, 1, 0, 0]
    assert r.records.cached_prompt_tokens.tolist() == [0] * 4
