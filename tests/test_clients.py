"""Clients who give up and ask again, in both engines, worked out by hand (quarter-second iterations)."""

import math

import numpy as np
import pytest
from builders import ALWAYS, POWER_W, STEP_S, model, pool, run, scenario, trace

from messsim.errors import ScenarioError
from messsim.scenario import parse
from messsim.workload import Chance, wait_of

OUTPUT = 8
LASTS_S = OUTPUT * STEP_S


@pytest.fixture(params=["simpy", "compiled"])
def engine(request) -> str:
    return request.param


def impatient(folder, times, *, clients, **more) -> dict:
    """One model `only` with one replica, whose answers last two seconds."""
    data = {k: more.pop(k) for k in ("cluster", "sla", "satisfaction", "router") if k in more}
    feedback = {"delay": 0.0} | more.pop("feedback", {})
    models = more.pop("models", None) or [model("only", **{"satisfaction": ALWAYS} | more)]
    return scenario(
        arrivals=trace(folder, [*times, 99]),
        requests=len(times),
        tokens={"output": OUTPUT},
        feedback=feedback,
        clients=clients,
        models=models,
        **data,
    )


# ---- giving up --------------------------------------------------------------------------------------------


def test_who_gives_up_leaves_at_the_next_end_of_an_iteration_and_pays_for_it(engine, tmp_path):
    r = run(impatient(tmp_path, [0, 9], clients={"patience_s": 0.6}), engine)
    assert r.statuses == ["timed_out"] * 2
    assert r.records.energy_j.tolist() == [POWER_W * 0.75] * 2  # three iterations
    assert r.records.first_token_s[0] == STEP_S
    assert np.isnan(r.records.finish_s).all()
    assert np.isnan(r.records.satisfied).all()
    assert r.records.replica.tolist() == [0, 0]
    assert r.summary["requests"]["timed_out"] == 2
    assert r.summary["cost"]["lost"] == 2 * POWER_W * 0.75
    assert r.outcome.end_s == 9.75


def test_an_answer_that_is_complete_at_the_last_moment_is_in_time(engine, tmp_path):
    assert run(impatient(tmp_path, [0], clients={"patience_s": LASTS_S}), engine).statuses == ["completed"]
    assert run(impatient(tmp_path, [0], clients={"patience_s": LASTS_S - 1e-9}), engine).statuses == ["timed_out"]


def test_who_gives_up_in_the_queue_makes_room_at_once(engine, tmp_path):
    """One at a time: 1 gives up at 1 s, 2 follows 0."""
    r = run(impatient(tmp_path, [0, 0.5, 0.5], clients={"patience_s": 4.0}, max_num_seqs=1), engine)
    assert r.statuses == ["completed", "completed", "timed_out"]
    r = run(impatient(tmp_path, [0, 0.5, 1.0], clients={"patience_s": 3.0}, max_num_seqs=1), engine)
    assert r.statuses == ["completed", "timed_out", "timed_out"]
    # 1 starts at 2 s and leaves at 3.5 s; 2 follows, and leaves at 4 s
    assert r.records.start_s.tolist() == [0, 2, 3.5]
    assert r.records.energy_j.tolist() == [POWER_W * s for s in (2, 1.5, 0.5)]


def test_who_gives_up_while_no_replica_is_up_leaves_at_once(engine, tmp_path):
    """Down from 1 to 50 s: the first, whose answer is lost, and the second, who comes then, wait for a replica."""
    outage = {"pool": "only", "replica": 0, "at_s": 1.0, "for_s": 49.0}
    cluster = {"failures": {"on_failure": "retry", "schedule": [outage]}}
    r = run(impatient(tmp_path, [0, 1.5, 60], clients={"patience_s": 2.5}, cluster=cluster), engine)
    assert r.statuses == ["timed_out", "timed_out", "completed"]
    assert r.records.energy_j.tolist() == [POWER_W * 1.0, 0.0, POWER_W * LASTS_S]
    assert r.outcome.in_system_integral == 2.5 + 2.5 + LASTS_S


@pytest.mark.parametrize("dispatch", ["least_loaded", "shared_queue"])
def test_who_waits_behind_a_prompt_too_long_for_the_memory_starts_when_it_gives_up(engine, tmp_path, dispatch):
    """0 has its first token and stays; 1 finds no memory and gives up at 1.35 s; 2 fits at the next boundary."""
    clients = {"patience_s": 1.1, "until": "first_token"}
    data = impatient(tmp_path, [0, 0.25, 0.75], clients=clients, cluster={"dispatch": dispatch}, kv_capacity_tokens=64)
    lengths = {"prompt_tokens": [20, 45, 1, 1], "output_tokens": [20, 2, 2, 1]}
    data |= {"arrivals": trace(tmp_path, [0, 0.25, 0.75, 99], **lengths)}
    data |= {"tokens": {"prompt": {"kind": "trace"}, "output": {"kind": "trace"}}}
    r = run(data, engine)
    assert r.statuses == ["completed", "timed_out", "completed"]
    assert r.records.start_s[[0, 2]].tolist() == [0, 1.5]


def test_servers_that_do_not_abort_work_for_nobody(engine, tmp_path):
    clients = {"patience_s": 0.6, "abort": False}
    r = run(impatient(tmp_path, [0, 1.0], clients=clients, max_num_seqs=1), engine)
    assert r.statuses == ["timed_out"] * 2
    assert r.records.energy_j.tolist() == [POWER_W * LASTS_S] * 2
    assert r.outcome.tenants[0].delivered == 0
    assert r.outcome.end_s == 2 * LASTS_S


def test_who_gives_up_in_the_shared_queue_of_a_pool_after_its_replica_in_another_failed(engine, tmp_path):
    """1 runs on the only replica of the second pool until that fails, and gives up while it waits for the first."""
    pools = [pool("only", name=name, max_num_seqs=1) for name in ("first", "second")]
    outage = {"pool": "second", "replica": 0, "at_s": 0.6, "for_s": 9.0}
    failures = {"on_failure": "retry", "schedule": [outage]}
    cluster = {"dispatch": "shared_queue", "failures": failures}
    data = impatient(tmp_path, [0, 0], clients={"patience_s": 1.5}, cluster=cluster)
    r = run(data | {"models": [{"name": "only", "satisfaction": 0.6}], "pools": pools}, engine)
    assert r.statuses == ["timed_out"] * 2
    assert r.records.energy_j.tolist() == [POWER_W * 1.5, POWER_W * 0.6]


def test_who_reads_the_first_token_stays(engine, tmp_path):
    """0 sees a token after 0.25 s; 1 would see one at 2.25 s and waits until 1.5 s only."""
    clients = {"patience_s": 1.0, "until": "first_token"}
    r = run(impatient(tmp_path, [0, 0.5], clients=clients, max_num_seqs=1), engine)
    assert r.statuses == ["completed", "timed_out"]
    assert r.records.energy_j.tolist() == [POWER_W * LASTS_S, 0]


def test_nobody_hears_of_who_gives_up_unless_they_rate_it(engine, tmp_path):
    silent = run(impatient(tmp_path, [0, 9], clients={"patience_s": 0.5}), engine)
    assert silent.outcome.tenants[0].rated == silent.outcome.tenants[0].delivered == 0
    loud = run(impatient(tmp_path, [0, 9], clients={"patience_s": 0.5, "rate_giving_up": True}), engine)
    tenant = loud.outcome.tenants[0]
    assert (tenant.rated, tenant.delivered, tenant.rated_satisfied) == (2, 0, 0)
    assert tenant.queue_tracked == 2 * 0.5
    assert loud.records.queue.tolist() == [0, 0.5]
    unrated = impatient(
        tmp_path, [0], clients={"patience_s": 0.5, "rate_giving_up": True}, feedback={"probability": 0.0}
    )
    assert run(unrated, engine).outcome.tenants[0].rated == 0


def test_copies_that_were_complete_teach_and_the_others_do_not(engine, tmp_path):
    """Both models are asked; only the small one, twice as fast, is done when the client gives up."""
    quick = model("small", ALWAYS, output=2)
    data = impatient(
        tmp_path, [0, 9], clients={"patience_s": 1.0}, models=[quick, model("large", ALWAYS)], router={"c": 1.0}
    )
    r = run(data, engine)
    assert r.statuses[0] == "timed_out"
    assert r.outcome.updates == 2
    assert r.records.exploration_cost[0] == POWER_W * 2 * STEP_S
    assert r.outcome.tenants[0].rated == 0


# ---- asking again -------------------------------------------------------------------------------------------


def test_a_retry_is_the_same_request_with_all_that_it_cost(engine, tmp_path):
    """0 and 1 share a place: 1 gives up at 1.5 s, asks again at 2 s, and is done at 4 s."""
    clients = {"patience_s": 2.0, "retries": 1, "backoff_s": 0.5}
    r = run(impatient(tmp_path, [0, 0.25], clients=clients, max_num_seqs=1), engine)
    assert r.statuses == ["completed"] * 2
    assert r.records.attempts.tolist() == [1, 2]
    assert r.records.arrival_s.tolist() == [0, 0.25]
    # the first attempt ran from 2 s to 2.25 s; the second began at 2.75 s
    assert r.records.start_s.tolist() == [0, 2.75]
    assert r.records.finish_s.tolist() == [2, 4.75]
    assert r.records.energy_j.tolist() == [POWER_W * 2, POWER_W * (0.25 + 2)]
    assert r.summary["requests"]["attempts"] == 3
    assert r.outcome.tenants[0].delivered == 2


def test_pauses_grow_and_retries_end(engine, tmp_path):
    clients = {"patience_s": 0.25, "retries": 2, "backoff_s": 1.0, "backoff_growth": 3.0, "rate_giving_up": True}
    r = run(impatient(tmp_path, [0], clients=clients), engine)
    # attempts at 0, 1.25 and 1.25 + 0.25 + 3 s, each of one iteration
    assert r.statuses == ["timed_out"]
    assert r.records.attempts.tolist() == [3]
    assert r.records.start_s[0] == 4.5
    assert r.records.energy_j[0] == POWER_W * 3 * STEP_S
    assert r.outcome.end_s == 4.75
    assert r.outcome.tenants[0].rated == 1  # once, when no retry is left


def test_who_is_turned_away_asks_again(engine, tmp_path):
    cluster = {"admission": {"max_waiting": 0}}
    clients = {"retries": 2, "backoff_s": 1.0, "backoff_growth": 1.0}
    r = run(impatient(tmp_path, [0, 0.5, 0.5], clients=clients, cluster=cluster, max_num_seqs=1), engine)
    # 1 and 2 ask at 0.5, 1.5 and 2.5 s; at 2.5 s the place is free for the first of them
    assert r.statuses == ["completed", "completed", "rejected"]
    assert r.records.attempts.tolist() == [1, 3, 3]
    assert r.records.start_s[1] == 2.5


def test_who_is_lost_asks_again(engine, tmp_path):
    outage = [{"pool": "only", "replica": 0, "at_s": 0.5, "for_s": 1.0}]
    cluster = {"failures": {"on_failure": "lose", "schedule": outage}}
    r = run(impatient(tmp_path, [0], clients={"retries": 1, "backoff_s": 2.0}, cluster=cluster), engine)
    assert r.statuses == ["completed"]
    assert r.records.start_s[0] == 2.5
    assert r.records.energy_j[0] == POWER_W * (0.5 + LASTS_S)


def test_without_aborts_attempts_of_one_request_meet(engine, tmp_path):
    """The second attempt shares the batch with the first, which nobody waits for; the record waits for both."""
    clients = {"patience_s": 1.0, "abort": False, "retries": 1, "backoff_s": 0.0}
    r = run(impatient(tmp_path, [0], clients=clients), engine)
    assert r.statuses == ["timed_out"]
    assert r.records.energy_j[0] == POWER_W * 3.0  # busy from 0 to 3 s
    assert r.outcome.end_s == 3.0


def test_a_client_of_a_closed_loop_waits_for_the_last_attempt(engine):
    data = scenario(
        arrivals={"kind": "closed", "clients": 1, "think_s": 1.0},
        requests=2,
        tokens={"output": OUTPUT},
        feedback={"delay": 0.0},
        clients={"patience_s": 0.5, "retries": 1, "backoff_s": 1.0},
        models=[model("only", ALWAYS)],
    )
    r = run(data, engine)
    assert r.records.arrival_s.tolist() == [0, 0.5 + 1 + 0.5 + 1]


def test_a_run_that_is_cut_in_a_pause_leaves_the_request_in_flight(engine, tmp_path):
    clients = {"patience_s": 0.5, "retries": 1, "backoff_s": 10.0}
    data = impatient(tmp_path, [0], clients=clients) | {"horizon_s": 5.0, "requests": None}
    r = run(data, engine)
    assert r.statuses == ["in_flight"]
    assert r.records.energy_j[0] == POWER_W * 0.5


def test_later_attempts_have_chance_of_their_own(engine):
    data = scenario(
        requests=400,
        arrivals={"kind": "poisson", "rate_rps": 40.0},
        feedback={"delay": 0.0},
        clients={"patience_s": 0.5, "retries": 1, "backoff_s": {"kind": "exponential", "mean_s": 1.0}},
        router={"policy": "random"},
    )
    r = run(data, engine)
    asked_twice = r.records.attempts == 2
    first = np.minimum((r.uniforms[:, 0] * 2).astype(int), 1)
    assert asked_twice.sum() > 100
    moved = r.records.model[asked_twice] != first[asked_twice]
    assert 0.35 < moved.mean() < 0.65  # four standard deviations and more


# ---- chance -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("law", "mean", "deviation"),
    [
        (2.5, 2.5, 0.0),
        ({"kind": "exponential", "mean_s": 2.0}, 2.0, 2.0),
        ({"kind": "lognormal", "mean_s": 2.0, "cv": 0.5}, 2.0, 1.0),
    ],
)
def test_waits_follow_their_law(law, mean, deviation):
    clients = parse(scenario(clients={"patience_s": law, "retries": 1}, feedback={"delay": 0.0})).clients
    chance = Chance(1)
    wait = wait_of(clients.patience_s, chance, "patience")
    draws = np.array([wait.draw_s(chance, request, attempt) for request in range(2000) for attempt in range(2)])
    assert abs(draws.mean() - mean) <= 5 * deviation / math.sqrt(len(draws))
    assert abs(draws.std() - deviation) <= 0.15 * deviation
    assert len(set(draws)) == (1 if deviation == 0 else len(draws))


# ---- what is refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clients": {"patience_s": 0}}, "clients.patience_s = 0: expected more than 0"),
        ({"clients": {"patience_s": "long"}}, "clients.patience_s = 'long': expected a number of seconds, or a law"),
        ({"clients": {"patience_s": 1.0}, "feedback": {"delay": "immediate"}}, "clients.patience_s: with feedback.del"),
        ({"clients": {"retries": 1}}, "clients.retries = 1: every request has its answer in time"),
        ({"clients": {"retries": -1}}, "clients.retries = -1: expected"),
        ({"clients": {"patience": 1.0}}, "clients.patience"),
        (
            {
                "clients": {"patience_s": 1.0},
                "cluster": {"mode": "none"},
                "models": [{"name": "only", "satisfaction": 0.5, "cost_per_request": 1.0}],
            },
            "clients.patience_s: expected cluster.mode = 'servers'",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(changes, message):
    with pytest.raises(ScenarioError, match=message.replace("(", r"\(")):
        parse(scenario(**{"feedback": {"delay": 0.0}} | changes))
