"""Failures and repairs in both engines, worked out by hand (docs/conventions.md, B and D)."""

import numpy as np
import pytest
from builders import COEFFICIENTS, IDLE_W, NEVER, POWER_W, STEP_S, model, pool, run, scenario, trace

from messsim.errors import SimulationError
from messsim.workload.chance import Chance

OUTPUT = 8
LASTS_S = OUTPUT * STEP_S


@pytest.fixture(params=["simpy", "compiled"])
def engine(request) -> str:
    return request.param


def failing(folder, times, *outages, on_failure="retry", **more) -> dict:
    """One model `only` whose replicas fail as told: (replica, at, for)."""
    schedule = [{"pool": "only", "replica": k, "at_s": at, "for_s": lasts} for k, at, lasts in outages]
    cluster = {"failures": {"on_failure": on_failure, "schedule": schedule}}
    return scenario(
        arrivals=trace(folder, times), requests=None, tokens={"output": OUTPUT}, cluster=cluster, **lone(**more)
    )


def lone(**more) -> dict:
    return {"models": [model("only", **more)]}


def test_a_retried_request_begins_again_and_keeps_its_first_times(engine, tmp_path):
    """It fails two and a half iterations in, waits for the repair, and pays for both attempts."""
    fails, down = 2.5 * STEP_S, 1.0
    r = run(failing(tmp_path, [0, 9], (0, fails, down)), engine)
    back = fails + down
    assert r.statuses == ["completed"] * 2
    assert r.records.start_s[0] == 0
    assert r.records.first_token_s[0] == STEP_S
    assert r.records.finish_s[0] == back + LASTS_S
    assert r.records.energy_j[0] == POWER_W * (fails + LASTS_S)
    assert r.summary["cost"]["lost"] == 0  # the request was answered


def test_first_times_that_a_failure_prevented_are_the_next_attempts(engine, tmp_path):
    fails = STEP_S / 2
    r = run(failing(tmp_path, [0, 9], (0, fails, 1.0)), engine).records
    assert r.start_s[0] == 0
    assert r.first_token_s[0] == fails + 1.0 + STEP_S


def test_a_lost_request_keeps_what_happened_and_what_it_cost(engine, tmp_path):
    fails = 2.5 * STEP_S
    r = run(failing(tmp_path, [0, 9], (0, fails, 1.0), on_failure="lose"), engine)
    assert r.statuses == ["lost", "completed"]
    assert r.records.start_s[0] == 0
    assert r.records.first_token_s[0] == STEP_S
    assert np.isnan(r.records.finish_s[0])
    assert np.isnan(r.records.satisfied[0])
    assert np.isnan(r.records.feedback_s[0])
    assert r.records.replica[0] == 0
    assert r.records.cost[0] == r.records.energy_j[0] == POWER_W * fails
    assert r.summary["cost"]["lost"] == POWER_W * fails
    assert r.summary["requests"]["lost"] == 1


@pytest.mark.parametrize(("delay", "used"), [("immediate", 1), (0.0, 0)])
def test_a_label_may_be_used_before_its_request_is_lost(engine, tmp_path, delay, used):
    data = failing(tmp_path, [0, 9], (0, 0.5, 1.0), on_failure="lose", satisfaction=NEVER)
    r = run(data | {"feedback": {"delay": delay}}, engine)
    assert r.summary["requests"]["labels_of_lost"] == used
    assert r.records.queue[1] == 0.5 * used
    assert r.outcome.tenants[0].rated == 1 + used


def test_unrated_requests_have_no_label_to_use(engine, tmp_path):
    data = failing(tmp_path, [0, 9], (0, 0.5, 1.0), on_failure="lose")
    r = run(data | {"feedback": {"probability": 0.0}}, engine)
    assert r.statuses[0] == "lost"
    assert r.summary["requests"]["labels_of_lost"] == 0


def test_waiting_requests_are_lost_with_their_replica(engine, tmp_path):
    r = run(failing(tmp_path, [0, 0, 0, 9], (0, 1.0, 1.0), on_failure="lose", max_num_seqs=1), engine)
    assert r.statuses == ["lost"] * 3 + ["completed"]
    assert np.isnan(r.records.start_s[1:3]).all()
    assert r.records.cost[1:3].tolist() == [0, 0]


def test_retried_requests_queue_at_the_tail_in_id_order(engine, tmp_path):
    """0 and 2 are on replica 0, 1 and 3 on replica 1; after the failure all are on replica 1: 1, 3, 0, 2."""
    fails = 0.5
    data = failing(tmp_path, [0, 0, 0, 0, 99], (0, fails, 50.0), replicas=2, max_num_seqs=1)
    r = run(data, engine).records
    order = [1, 3, 0, 2]
    assert r.finish_s[order].tolist() == [LASTS_S, 2 * LASTS_S, 3 * LASTS_S, 4 * LASTS_S]
    assert r.start_s[[0, 2]].tolist() == [0, 3 * LASTS_S]  # 0 had started, 2 had not
    assert r.replica[:4].tolist() == [1, 1, 1, 1]


def test_a_pool_with_no_replica_up_holds_its_queue(engine, tmp_path):
    down_until = 5.0
    data = failing(tmp_path, [0, 3, 4, 9], (0, 1.0, 4.0), max_num_seqs=1)
    r = run(data, engine).records
    assert r.start_s[:3].tolist() == [0, down_until + LASTS_S, down_until + 2 * LASTS_S]
    assert r.finish_s[0] == down_until + LASTS_S


def test_a_shared_queue_waits_for_a_repair_too(engine, tmp_path):
    data = failing(tmp_path, [0, 3, 4, 9], (0, 1.0, 4.0), max_num_seqs=1)
    r = run(data | {"cluster": data["cluster"] | {"dispatch": "shared_queue"}}, engine).records
    starts = 5.0 + LASTS_S * np.arange(3)
    assert sorted(r.finish_s[:3]) == (starts + LASTS_S).tolist()


def test_overlapping_failures_end_with_the_last(engine, tmp_path):
    r = run(failing(tmp_path, [0, 3, 30], (0, 2.0, 3.0), (0, 4.0, 6.0)), engine).records
    assert r.start_s[1] == 10.0


def test_what_is_down_draws_nothing(engine, tmp_path):
    last, down = 20.0, 6.0
    r = run(failing(tmp_path, [0, last], (0, 10.0, down)), engine)
    (only,) = r.summary["pools"]
    assert only["idle_energy_j"] == IDLE_W * (last - LASTS_S - down)
    assert only["utilization"] == LASTS_S / last  # downtime is left out of neither side
    assert r.summary["cost"]["idle"] == only["idle_energy_j"]


def test_random_failures_have_the_times_of_their_columns(engine):
    """Each replica's k-th time to failure and to repair is a draw of its own; nobody starts while it is down."""
    mtbf, mttr, replicas = 20.0, 5.0, 2
    data = scenario(
        requests=200,
        arrivals={"kind": "poisson", "rate_rps": 1.0},
        cluster={"failures": {"mtbf_s": mtbf, "mttr_s": mttr}},
        **lone(replicas=replicas),
    )
    r = run(data, engine)
    chance, end_s = Chance(1), r.outcome.last_arrival_s
    fails, mends = chance.column("failure", "only"), chance.column("repair", "only")
    down_s, spans = 0.0, []
    for number in range(replicas):
        time_s, k = 0.0, 0
        while time_s < end_s:
            at = time_s + mtbf * chance.one_exponential(fails, k, number)
            time_s = at + mttr * chance.one_exponential(mends, k, number)
            spans.append((number, at, time_s))
            down_s += max(min(time_s, end_s) - at, 0.0) if at < end_s else 0.0
            k += 1
    (only,) = r.summary["pools"]
    idle_s = replicas * end_s * (1 - only["utilization"]) - down_s
    assert len(spans) > 10
    assert only["idle_energy_j"] == pytest.approx(IDLE_W * idle_s, rel=1e-9)
    for number, at, until in spans:
        here = (r.records.replica == number) & (r.records.finish_s > at) & (r.records.finish_s < until)
        assert not here.any()
    assert r.statuses == ["completed"] * 200


def test_the_energy_of_a_failed_iteration_is_its_part_until_then(engine, tmp_path):
    """Prompt tokens cost 8 J each: a quarter of the iteration, a quarter of the joules."""
    coefficients = COEFFICIENTS | {"e_j_per_token": 8.0}
    data = failing(tmp_path, [0, 9], (0, STEP_S / 4, 1.0), on_failure="lose", coefficients=coefficients)
    whole = POWER_W * STEP_S + 8.0 * 1
    assert run(data, engine).records.energy_j[0] == pytest.approx(whole / 4, rel=1e-12)


def test_what_a_replica_drew_is_paid_though_an_api_takes_over(engine, tmp_path):
    """The replica fails at 0.6 s, after 2 iterations and a part of the third; the run is cut while the API answers."""
    api = {"kind": "api", "latency_s": 5.0, "tpot_s": 0.1, "usd_per_million_output_tokens": 5.0}
    outage = {"pool": "own", "replica": 0, "at_s": 0.6, "for_s": 9.0}
    for horizon_s, status in ((1.0, "in_flight"), (20.0, "completed")):
        r = run(
            scenario(
                requests=None,
                horizon_s=horizon_s,
                arrivals=trace(tmp_path, [0, 19]),
                tokens={"output": OUTPUT},
                models=[{"name": "only", "satisfaction": 0.5}],
                pools=[pool("only", name="own"), {"model": "only", "name": "api"} | api],
                cost={"unit": "USD", "usd_per_gpu_hour": {"GPU": 3.6}},
                cluster={"failures": {"on_failure": "retry", "schedule": [outage]}},
            ),
            engine,
        )
        assert r.statuses[0] == status
        assert r.records.energy_j[0] == pytest.approx(POWER_W * 0.6, rel=1e-12)
        answered = 0.0 if status == "in_flight" else OUTPUT * 5.0 / 1e6
        assert r.records.cost[0] == pytest.approx(0.6 * 3.6 / 3600 + answered, rel=1e-12)
    assert (r.records.start_s[0], r.records.first_token_s[0]) == (0.0, STEP_S)  # as after any retry
    assert r.records.finish_s[0] == pytest.approx(0.6 + 5.0 + 0.1 * (OUTPUT - 1), rel=1e-12)


def test_what_a_replica_did_is_paid_at_its_own_price_though_another_takes_over(engine, tmp_path):
    """Two iterations and a half at 2 USD a second, then the whole answer at 3."""
    both = [pool("only", name=name, gpu=name) for name in ("a", "b")]
    outage = {"pool": "a", "replica": 0, "at_s": 2.5 * STEP_S, "for_s": 99.0}
    data = scenario(
        requests=None,
        arrivals=trace(tmp_path, [0, 19]),
        tokens={"output": OUTPUT},
        models=[{"name": "only", "satisfaction": 0.5}],
        pools=both,
        cost={"unit": "USD", "usd_per_gpu_hour": {"a": 2.0 * 3600, "b": 3.0 * 3600}},
        cluster={"failures": {"on_failure": "retry", "schedule": [outage]}},
    )
    r = run(data, engine)
    assert r.records.replica[0] == 1
    assert r.records.cost[0] == pytest.approx(2.0 * 2.5 * STEP_S + 3.0 * LASTS_S, rel=1e-12)


def test_failures_that_nothing_outlives_end_the_run(engine):
    """An answer takes 2 s and a replica lives for some milliseconds: without a limit it would begin again for ever.

    That the router's instances are reconciled all the while is no progress.
    """
    failures, router = {"mtbf_s": 0.002, "mttr_s": 0.001}, {"instances": 2, "reconcile_s": 0.01}
    data = scenario(requests=1, tokens={"output": OUTPUT}, cluster={"failures": failures}, router=router, **lone())
    with pytest.raises(
        SimulationError, match=r"replicas failed 100,000 times .* \(MS_ERR_IN_VAIN\) \(at .* s, after 1"
    ):
        run(data, engine)


def test_many_failures_do_no_harm_while_requests_end():
    """More than the limit in all, but not in a row."""
    failures = {"mtbf_s": 0.01, "mttr_s": 0.001}
    data = scenario(requests=30, arrivals={"kind": "poisson", "rate_rps": 0.01}, tokens={"output": 1})
    data |= {"cluster": {"failures": failures}} | lone(coefficients=COEFFICIENTS | {"a0_s": 0.01})
    r = run(data, "compiled")
    assert r.statuses == ["completed"] * 30
    assert r.outcome.events > 2 * 100_000
