"""What holds in every run, over random scenarios (tests/strategies.py), and in both engines.

An engine asserts by itself that the energy paid for is the energy metered, and that each certificate holds; here
both are worked out again from the records and the draws behind them.
"""

import math
from itertools import pairwise

import numpy as np
import pytest
from builders import Run, run
from hypothesis import HealthCheck, assume, given, note, settings
from hypothesis import strategies as st
from reference.router import Queue
from strategies import scenarios

from messsim.engines.calendar import ARRIVES, LABEL, RECONCILES
from messsim.engines.records import COLUMNS, COMPLETED, IN_FLIGHT, LOST, REJECTED, STATUS, TOO_LONG
from messsim.errors import ScenarioError
from messsim.scenario import dump, parse

checks = list(HealthCheck)
many = settings(derandomize=True, deadline=None, max_examples=150, suppress_health_check=checks)
some = settings(many, max_examples=40)
engines = st.sampled_from(["simpy", "compiled"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("traces")


def simulated(data: dict, engine: str) -> Run:
    note(f"{engine}\n{dump(parse(data))}")
    try:
        return run(data, engine)
    except ScenarioError as error:
        assume("too long for every model" not in str(error))
        raise


def same(a: Run, b: Run) -> bool:
    return all(getattr(a.records, n).tobytes() == getattr(b.records, n).tobytes() for n in COLUMNS)


# ---- one run --------------------------------------------------------------------------------------------


@many
@given(st.data(), engines)
def test_every_run_is_sound(folder, data, engine):
    check(simulated(data.draw(scenarios(folder)), engine))


@pytest.mark.slow
@settings(many, max_examples=2000)
@given(st.data(), engines)
def test_every_run_of_many_is_sound(folder, data, engine):
    check(simulated(data.draw(scenarios(folder)), engine))


def check(r: Run) -> None:
    if len(r) == 0:
        assert r.summary["requests"]["arrived"] == r.outcome.issued == 0
        return
    check_records(r)
    check_counts(r)
    check_energy(r)
    check_queues(r)


def check_records(r: Run) -> None:
    """Each request once, in id order; times in theirs; nothing missing where an answer was given."""
    c, models = r.records, len(r.satisfied)
    none = r.setup.scenario.cluster.mode == "none"
    assert c.id.tolist() == list(range(len(r)))
    assert (np.diff(c.arrival_s) >= 0).all()
    assert c.arrival_s[-1] == r.outcome.last_arrival_s or r.setup.scenario.arrivals.kind == "closed"
    done = c.status == COMPLETED
    for name in ("start_s", "first_token_s", "finish_s", "satisfied"):
        assert not np.isnan(getattr(c, name)[done]).any(), name
    assert np.isnan(c.finish_s[~done]).all()
    assert np.isnan(c.satisfied[~done]).all()
    assert np.isnan(c.feedback_s[~done]).all()
    times = [c.arrival_s, c.start_s, c.first_token_s, c.finish_s]
    for before, after in pairwise(times):
        both = ~(np.isnan(before) | np.isnan(after))
        assert (before[both] <= after[both]).all()
    rated = done & (r.feedback < r.setup.scenario.feedback.probability)
    assert (~np.isnan(c.feedback_s))[~rated].sum() == 0
    if math.isinf(r.setup.scenario.horizon_s or math.inf):
        assert not np.isnan(c.feedback_s[rated]).any()
    assert c.satisfied[done].tolist() == r.satisfied[c.model[done], np.flatnonzero(done)].tolist()
    undecided = (c.status == TOO_LONG) | ((c.status == IN_FLIGHT) & (r.setup.scenario.router.decision_s is not None))
    assert ((c.model >= 0) | undecided).all()
    assert (c.model < models).all()
    assert (c.model[c.status == TOO_LONG] == -1).all()
    assert (np.isinf(r.known).all(axis=0) == (c.status == TOO_LONG)).all()  # and nobody else is
    assert np.isfinite(r.known[c.model, np.arange(len(r))][c.model >= 0]).all()
    assert (c.cost >= 0).all()
    assert (c.energy_j >= 0).all()
    assert (c.exploration_cost >= 0).all()
    assert (c.exploration_cost <= c.cost * (1 + 1e-12)).all()
    assert (c.exploration_cost[~c.explored] == 0).all()
    assert ((c.replica >= 0) | ~done | none).all()
    assert ((c.preemptions == 0) | (c.replica >= 0)).all()


def check_counts(r: Run) -> None:
    s = r.summary
    n = s["requests"]
    assert n["arrived"] == len(r) == r.outcome.issued
    assert n["arrived"] == sum(n[k] for k in STATUS)
    counted = np.bincount(r.records.status, minlength=len(STATUS))
    assert [n[k] for k in STATUS] == counted.tolist()
    assert r.setup.scenario.horizon_s is not None or n["in_flight"] == 0
    assert n["explored"] == r.records.explored.sum()
    assert sum(m["answered"] for m in s["models"]) == n["completed"]
    if n["completed"]:
        assert math.isclose(sum(m["share"] for m in s["models"]), 1.0)
    assert sum(t["answered"] for t in s["tenants"]) == n["completed"]


def check_energy(r: Run) -> None:
    """Requests pay for what the replicas drew; money for the time that they were busy."""
    scenario = r.setup.scenario
    if not r.setup.pools:
        return
    metered = sum(p.meter_j for p in r.outcome.pools)
    assert math.isclose(r.records.energy_j.sum(), metered, rel_tol=1e-9, abs_tol=1e-9)
    assert all(p.idle_energy_j >= 0 for p in r.outcome.pools)
    assert all(p.utilization is None or 0 <= p.utilization <= 1 + 1e-9 for p in r.outcome.pools)
    if scenario.cost.unit == "J":
        assert r.records.cost.tolist() == r.records.energy_j.tolist()


def delivered_labels(r: Run) -> list[tuple[float, int]]:
    """(when, request) of every label of an answer that a user saw, in the order in which they come."""
    c, scenario = r.records, r.setup.scenario
    if r.delays is None:
        return [(c.arrival_s[i], i) for i in range(len(r)) if c.status[i] not in (REJECTED, TOO_LONG)]
    end_s = math.inf if scenario.horizon_s is None else scenario.horizon_s
    due = [(c.finish_s[i] + r.delays[c.model[i], i], i) for i in range(len(r)) if c.status[i] == COMPLETED]
    return sorted(d for d in due if d[0] <= end_s)


def moments(r: Run) -> list[tuple[float, int, int]]:
    """(when, what comes first then, request or -1) of labels, and of reconciliations until the last of them."""
    arrival_s = r.records.arrival_s
    # a label of the instant of its own arrival comes after it, any other before arrivals
    labels = [(t, ARRIVES if t == arrival_s[i] else LABEL, i) for t, i in delivered_labels(r)]
    period_s = r.setup.scenario.router.reconciled_s
    last_s = max([arrival_s[-1], *(t for t, _, _ in labels)])
    count = 0 if math.isinf(period_s) else int(last_s / period_s)
    return sorted(labels + [(k * period_s, RECONCILES, -1) for k in range(1, count + 1)])


def check_queues(r: Run) -> None:
    """Every queue is the fold of its labels in order of delivery, and every certificate holds."""
    c, scenario = r.records, r.setup.scenario
    if scenario.router.decision_s is not None:
        return  # the records do not tell when each decision was made
    promises = [Queue(t.alpha, scenario.router) for t in scenario.promises]
    tracked = [[Queue(t.alpha, scenario.router) for t in scenario.promises] for _ in range(scenario.router.instances)]
    whose = [0] * len(r)
    if scenario.router.instances > 1:
        whose = np.concatenate([chunk.drawn.instance[: len(chunk)] for chunk in r.chunks]).tolist()
    rated = r.feedback < scenario.feedback.probability
    to_come, at, lost = moments(r), 0, 0
    for i, now in enumerate(c.arrival_s):
        while at < len(to_come) and to_come[at] < (now, ARRIVES, i):
            move(r, promises, tracked, whose, rated, to_come[at][2])
            at += 1
        if c.status[i] == TOO_LONG:
            assert math.isnan(c.queue[i])
            continue
        assert math.isclose(c.queue[i], tracked[whose[i]][c.tenant[i]].q, rel_tol=0, abs_tol=1e-9)
        lost += c.status[i] == LOST and rated[i] and r.delays is None
    for _, _, i in to_come[at:]:
        move(r, promises, tracked, whose, rated, i)
    assert r.summary["requests"]["labels_of_lost"] == lost
    for k, tenant in enumerate(r.outcome.tenants):
        all_, seen = promises[k], [own[k] for own in tracked]
        count, satisfied, plain = (sum(getattr(q, n) for q in seen) for n in ("rated", "satisfied", "plain"))
        assert (tenant.delivered, tenant.rated) == (all_.rated, count)
        assert math.isclose(tenant.queue_delivered, all_.plain, abs_tol=1e-9)
        assert math.isclose(tenant.queue_delivered_max, all_.plain_max, abs_tol=1e-9)
        assert math.isclose(tenant.queue_plain, plain, abs_tol=1e-9)
        if count:
            bound = tenant.alpha - (tenant.queue_plain - sum(q.initial for q in seen)) / count
            assert math.isclose(tenant.certificate, bound, abs_tol=1e-12)
            assert satisfied / count >= bound - 1e-9


def move(r: Run, promises, tracked, whose, rated, i: int) -> None:
    """The label of request i is in; of -1: the instances are reconciled."""
    if i < 0:
        for queues in zip(*tracked, strict=True):
            q, plain = (sum(getattr(x, n) for x in queues) / len(queues) for n in ("q", "plain"))
            for queue in queues:
                queue.q, queue.plain = q, plain
        return
    tenant, model = r.records.tenant[i], r.records.model[i]
    promises[tenant].rate(r.satisfied[model, i])
    if rated[i]:
        tracked[whose[i]][tenant].rate(r.labels[model, i])


# ---- several runs ---------------------------------------------------------------------------------------


@some
@given(st.data(), engines)
def test_no_record_depends_on_the_chunk_nor_on_luck(folder, data, engine):
    scenario = data.draw(scenarios(folder))
    first = simulated(scenario, engine)
    assume(len(first) > 0)
    for chunk in (64, 100, 65_536):
        assert same(first, run(scenario | {"record": {"chunk": chunk}}, engine))
    other = run(scenario | {"seed": scenario["seed"] + 100}, engine)
    assert not np.array_equal(first.uniforms, other.uniforms[: len(first)])
    replicated = run(scenario | {"replication": 1}, engine)
    assert not np.array_equal(first.uniforms, replicated.uniforms[: len(first)])


@some
@given(st.data(), engines)
def test_littles_law_is_an_identity(folder, data, engine):
    """The integral of the number in the system is the sum of the times spent there."""
    scenario = data.draw(scenarios(folder))
    scenario["router"] |= {"c": 0.0}
    scenario["cluster"].pop("admission", None)
    if "failures" in scenario["cluster"]:
        scenario["cluster"]["failures"]["on_failure"] = "retry"
    r = simulated(scenario, engine)
    assume(len(r) > 0)
    c, end_s = r.records, r.outcome.end_s
    assert not c.explored.any()
    assume((c.status != LOST).all())  # with an API that went down: the records do not tell when
    left_s = np.where(c.status == IN_FLIGHT, end_s, c.finish_s)
    left_s = np.where(c.status == TOO_LONG, c.arrival_s, left_s)
    if "decision_s" in scenario["router"]:
        assume((c.status != REJECTED).all())  # the records do not tell when
    left_s = np.where(c.status == REJECTED, c.arrival_s, left_s)  # an API that is down turns away at once
    expected = (left_s - c.arrival_s).sum()
    assert math.isclose(r.outcome.in_system_integral, expected, rel_tol=1e-9, abs_tol=1e-9)


@some
@given(st.data(), engines)
def test_requests_do_not_depend_on_who_routes_them(folder, data, engine):
    """Common random numbers: another policy faces the same requests."""
    scenario = data.draw(scenarios(folder))
    assume(scenario["arrivals"]["kind"] != "closed")
    one = simulated(scenario | {"router": {"policy": "cheapest"}}, engine)
    two = run(scenario | {"router": {"policy": "largest"}}, engine)
    for name in ("arrival_s", "tenant", "prompt_tokens"):
        assert getattr(one.records, name).tolist() == getattr(two.records, name).tolist()
    assert one.satisfied.tolist() == two.satisfied.tolist()
    assert one.feedback.tolist() == two.feedback.tolist()
