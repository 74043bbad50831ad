"""The servers and the order of events in both engines, in small runs worked out by hand (docs/conventions.md, A, B).

Iterations last STEP_S whatever is in them, so a request of p prompt and o output tokens takes
ceil(p / budget) + o - 1 of them.
"""

import math

import numpy as np
import pytest
from builders import ALWAYS, COEFFICIENTS, IDLE_W, NEVER, POWER_W, STEP_S, api, model, pool, run, scenario, trace

from messsim.workload.chance import Chance

LASTS_S = 3 * STEP_S  # the default request: its prompt, then two more tokens


@pytest.fixture(params=["simpy", "compiled"])
def engine(request) -> str:
    return request.param


def lone(**more) -> dict:
    """A zoo of one model."""
    return {"models": [model("only", **more)]}


# ---- one request ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("prompt", "chunks"), [(1, 1), (4, 1), (5, 2), (10, 3)])
def test_a_lone_request_takes_its_chunks_and_its_tokens(engine, tmp_path, prompt, chunks):
    coefficients = COEFFICIENTS | {"e_j_per_token": 2.0}
    data = scenario(
        arrivals=trace(tmp_path, [0, 10]),
        requests=None,
        tokens={"prompt": prompt, "output": 5},
        **lone(coefficients=coefficients, max_batched_tokens=4),
    )
    r = run(data, engine).records
    first_s = r.arrival_s + chunks * STEP_S
    assert r.start_s.tolist() == [0, 10]
    assert r.first_token_s.tolist() == first_s.tolist()
    assert r.finish_s.tolist() == (first_s + 4 * STEP_S).tolist()
    joules = POWER_W * STEP_S * (chunks + 4) + 2.0 * (prompt + 4)
    np.testing.assert_allclose(r.energy_j, joules, rtol=1e-12)
    assert r.cost.tolist() == r.energy_j.tolist()


def test_an_arrival_joins_the_iteration_that_starts_with_it(engine, tmp_path):
    times = [0, 2 * STEP_S, 2.5 * STEP_S]  # at a boundary, and between two
    data = scenario(arrivals=trace(tmp_path, times), requests=None, tokens={"output": 8}, **lone())
    r = run(data, engine).records
    assert r.start_s.tolist() == [0, 2 * STEP_S, 3 * STEP_S]
    assert r.finish_s.tolist() == [8 * STEP_S, 10 * STEP_S, 11 * STEP_S]


def test_two_in_a_batch_share_its_energy(engine, tmp_path):
    """Decoders share an iteration alike; a prompt pays what it adds, here nothing: the power is constant."""
    data = scenario(arrivals=trace(tmp_path, [0, STEP_S, 20]), requests=None, tokens={"output": 4}, **lone())
    energy = run(data, engine).records.energy_j
    step = POWER_W * STEP_S
    # first: alone, with the other's prompt, then two shared; second: its prompt for nothing, two shared, alone
    np.testing.assert_allclose(energy[:2], [step + step + 2 * step / 2, 2 * step / 2 + step], rtol=1e-12)


# ---- who comes first at one instant -----------------------------------------------------------------------


def test_a_place_that_is_freed_is_free_for_who_arrives_at_that_instant(engine, tmp_path):
    data = scenario(
        arrivals=trace(tmp_path, [0, LASTS_S - 1 / 8, LASTS_S]),
        requests=None,
        cluster={"admission": {"max_waiting": 0}},
        **lone(max_num_seqs=1),
    )
    assert run(data, engine).statuses == ["completed", "rejected", "completed"]


def test_a_label_comes_before_an_arrival_of_the_same_instant(engine, tmp_path):
    delay = 1.0
    due = LASTS_S + delay
    data = scenario(
        arrivals=trace(tmp_path, [0, due - 1 / 1024, due]),
        requests=None,
        feedback={"delay": delay},
        **lone(satisfaction=NEVER),
    )
    assert run(data, engine).records.queue.tolist() == [0, 0, 0.5]  # Q + alpha - 0


def test_a_label_without_delay_comes_after_the_completion_of_its_instant(engine, tmp_path):
    data = scenario(
        arrivals=trace(tmp_path, [0, LASTS_S - 1 / 1024, LASTS_S]),
        requests=None,
        feedback={"delay": 0.0},
        **lone(satisfaction=NEVER),
    )
    r = run(data, engine).records
    assert r.queue.tolist() == [0, 0, 0.5]
    assert r.feedback_s.tolist() == r.finish_s.tolist()


def test_failures_and_repairs_come_before_arrivals_and_after_completions(engine, tmp_path):
    data = scenario(
        arrivals=trace(tmp_path, [0, LASTS_S, LASTS_S + 4]),
        requests=None,
        cluster={
            "failures": {
                "on_failure": "lose",
                "schedule": [{"pool": "only", "replica": 0, "at_s": LASTS_S, "for_s": 4.0}],
            }
        },
        **lone(replicas=2),
    )
    run_ = run(data, engine)
    assert run_.statuses == ["completed"] * 3  # the first ends at the very instant of the failure
    assert run_.records.replica.tolist() == [0, 1, 0]


def test_arrivals_of_one_instant_come_in_their_order(engine, tmp_path):
    data = scenario(arrivals=trace(tmp_path, [0, 0, 0, 0, 9]), requests=None, **lone(max_num_seqs=1, replicas=2))
    r = run(data, engine).records
    assert r.replica.tolist() == [0, 1, 0, 1, 0]
    assert r.start_s.tolist() == [0, 0, LASTS_S, LASTS_S, 9]


# ---- the end ----------------------------------------------------------------------------------------------


def test_a_run_of_requests_drains(engine):
    r = run(scenario(requests=40, arrivals={"kind": "poisson", "rate_rps": 1000.0}, **lone(max_num_seqs=1)), engine)
    assert r.statuses == ["completed"] * 40
    assert r.outcome.end_s == pytest.approx(r.records.arrival_s[0] + 40 * LASTS_S)


def test_a_horizon_cuts(engine, tmp_path):
    """Two and a half iterations into the second request: it pays for them and is in flight."""
    horizon = 2.0
    times = [0, horizon - 2.5 * STEP_S, horizon + 1]
    data = scenario(arrivals=trace(tmp_path, times), requests=None, horizon_s=horizon, **lone())
    r = run(data, engine)
    assert r.statuses == ["completed", "in_flight"]
    assert r.records.start_s[1] == times[1]
    assert r.records.first_token_s[1] == times[1] + STEP_S
    assert np.isnan(r.records.finish_s[1])
    assert np.isnan(r.records.satisfied[1])
    assert r.records.energy_j.tolist() == [POWER_W * LASTS_S, POWER_W * 2.5 * STEP_S]
    assert r.outcome.end_s == horizon
    assert r.summary["requests"]["in_flight"] == 1
    assert r.summary["cost"]["total"] == POWER_W * 5.5 * STEP_S + r.summary["cost"]["idle"]


def test_what_happens_at_the_horizon_still_happens(engine, tmp_path):
    data = scenario(arrivals=trace(tmp_path, [0, 0.5, 9]), requests=None, horizon_s=LASTS_S, **lone())
    r = run(data, engine)
    assert r.statuses == ["completed", "in_flight"]
    assert r.summary["requests"]["completed"] == 1


def test_labels_after_the_horizon_never_arrive(engine, tmp_path):
    data = scenario(
        arrivals=trace(tmp_path, [0, 1, 9]), requests=None, horizon_s=3.0, feedback={"delay": 2.0}, **lone()
    )
    r = run(data, engine)
    assert r.statuses == ["completed"] * 2
    assert r.records.feedback_s[0] == LASTS_S + 2.0
    assert np.isnan(r.records.feedback_s[1])
    assert r.outcome.tenants[0].rated == r.summary["requests"]["with_feedback"] == 1


def test_utilisation_and_idle_energy_are_measured_to_the_last_arrival(engine, tmp_path):
    last = 10.0
    data = scenario(arrivals=trace(tmp_path, [0, 4, last]), requests=None, **lone(replicas=2, max_num_seqs=1))
    r = run(data, engine)
    (only,) = r.summary["pools"]
    busy = 2 * LASTS_S  # the third begins at the end of the measure
    assert only["utilization"] == busy / (2 * last)
    assert only["idle_energy_j"] == IDLE_W * (2 * last - busy)
    assert only["energy_j"] == POWER_W * 3 * LASTS_S
    assert r.summary["cost"]["idle"] == only["idle_energy_j"]


# ---- which replica ----------------------------------------------------------------------------------------


class PlainServers:
    """Replicas of one place each with service of LASTS_S: first in, first out, dispatched by the rule's words."""

    def __init__(self, rule: str, replicas: int, chance: Chance, name: str) -> None:
        self.rule, self.chance, self.column = rule, chance, chance.column("dispatch", name)
        self.ends: list[list[float]] = [[] for _ in range(replicas)]
        self.turn = 0

    def unfinished(self, k: int, now: float) -> int:
        return sum(e > now for e in self.ends[k])

    def pick(self, i: int, now: float) -> int:
        n = len(self.ends)
        everyone = list(range(n))
        if self.rule == "round_robin":
            self.turn += 1
            return (self.turn - 1) % n
        if self.rule == "shared_queue":  # an idle one, or whoever is free first
            free_s = [max([now, *e]) for e in self.ends]
            return free_s.index(min(free_s))
        if self.rule == "power_of_two":
            a = int(self.chance.one(self.column, i) * n)
            others = [k for k in everyone if k != a]
            b = others[int(self.chance.one(self.column, i, odd=True) * (n - 1))]
            everyone = sorted([a, b])
        return min(everyone, key=lambda k: self.unfinished(k, now))

    def serve(self, i: int, now: float) -> tuple[int, float]:
        k = self.pick(i, now)
        start_s = max([now, *self.ends[k]])
        self.ends[k].append(start_s + LASTS_S)
        return k, start_s


@pytest.mark.parametrize("rule", ["least_loaded", "round_robin", "power_of_two", "shared_queue"])
@pytest.mark.parametrize("load", [0.3, 0.9, 1.5])
def test_the_dispatch_rules(engine, rule, load):
    replicas = 4
    rate = load * replicas / LASTS_S
    data = scenario(
        requests=200,
        arrivals={"kind": "poisson", "rate_rps": rate},
        cluster={"dispatch": rule},
        **lone(max_num_seqs=1, replicas=replicas),
    )
    r = run(data, engine).records
    plain = PlainServers(rule, replicas, Chance(1), "only")
    expected = [plain.serve(i, t) for i, t in enumerate(r.arrival_s)]
    assert r.replica.tolist() == [k for k, _ in expected]
    np.testing.assert_allclose(r.start_s, [s for _, s in expected], rtol=1e-12)
    np.testing.assert_allclose(r.finish_s, r.start_s + LASTS_S, rtol=1e-12)


def test_several_pools_of_a_model_are_one_set_of_replicas(engine, tmp_path):
    """Replicas are numbered over all pools in file order; the other model's turn is its own."""
    data = scenario(
        arrivals=trace(tmp_path, [0, 0, 0, 0, 0, 0, 9]),
        requests=None,
        models=[{"name": "small", "satisfaction": 0.4}, {"name": "large", "satisfaction": 0.8}],
        pools=[pool("large"), pool("small", replicas=2), pool("large", replicas=2, name="more")],
        router={"policy": "largest"},
        cluster={"dispatch": "round_robin"},
    )
    r = run(data, engine)
    assert r.records.replica.tolist() == [0, 3, 4, 0, 3, 4, 0]
    summary = r.summary
    assert [(p["name"], p["model"], p["replicas"]) for p in summary["pools"]] == [
        ("large-1", "large", 1),
        ("small", "small", 2),
        ("more", "large", 2),
    ]
    batch_j = POWER_W * LASTS_S  # two simultaneous requests cost what one costs: a batch
    assert [p["energy_j"] for p in summary["pools"]] == [2 * batch_j, 0, 2 * batch_j]
    assert summary["models"][1]["energy_j"] == 4 * batch_j


def test_a_shared_queue_belongs_to_a_pool(engine, tmp_path):
    """The pool with the fewest unfinished requests per replica gets the next."""
    data = scenario(
        arrivals=trace(tmp_path, [0] * 6 + [9]),
        requests=None,
        models=[{"name": "only", "satisfaction": 0.5}],
        pools=[pool("only", max_num_seqs=1), pool("only", max_num_seqs=1, replicas=2)],
        cluster={"dispatch": "shared_queue"},
    )
    r = run(data, engine).records
    # unfinished / replicas before each: 0:0, 1:0, 1:½, 1:1, 2:1, 2:1½
    assert r.replica[[0, 3]].tolist() == [0, 0]
    assert sorted(r.replica[[1, 2, 4, 5]]) == [1, 1, 2, 2]


# ---- admission --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seqs", "limit", "replicas"), [(2, 1, 1), (1, 0, 3), (3, 4, 2)])
def test_beyond_its_places_and_the_limit_a_pool_turns_away(engine, tmp_path, seqs, limit, replicas):
    room = replicas * seqs + limit
    data = scenario(
        arrivals=trace(tmp_path, [0] * (room + 3) + [30]),
        requests=None,
        cluster={"admission": {"max_waiting": limit}},
        **lone(max_num_seqs=seqs, replicas=replicas),
    )
    r = run(data, engine)
    assert r.statuses == ["completed"] * room + ["rejected"] * 3 + ["completed"]
    away = slice(room, room + 3)
    for name in ("start_s", "first_token_s", "finish_s", "satisfied", "feedback_s"):
        assert np.isnan(getattr(r.records, name)[away]).all(), name
    assert not r.records.cost[away].any()
    assert (r.records.replica[away] == -1).all()
    assert r.outcome.tenants[0].delivered == room + 1  # they enter no queue
    assert r.summary["requests"]["rejected"] == 3


def test_a_replica_that_is_down_has_no_places(engine, tmp_path):
    outage = {"pool": "only", "replica": 1, "at_s": 0.0, "for_s": 5.0}
    data = scenario(
        arrivals=trace(tmp_path, [0, 1, 1, 1, 1, 9]),
        requests=None,
        cluster={"admission": {"max_waiting": 1}, "failures": {"schedule": [outage]}},
        **lone(max_num_seqs=2, replicas=2),
    )
    assert run(data, engine).statuses == ["completed"] * 4 + ["rejected", "completed"]


def test_a_model_turns_away_only_when_all_its_pools_are_full(engine, tmp_path):
    data = scenario(
        arrivals=trace(tmp_path, [0] * 5 + [9]),
        requests=None,
        models=[{"name": "only", "satisfaction": 0.5}],
        pools=[pool("only", max_num_seqs=1), pool("only", max_num_seqs=3)],
        cluster={"admission": {"max_waiting": 0}},
    )
    r = run(data, engine)
    assert r.statuses == ["completed"] * 4 + ["rejected", "completed"]
    assert r.records.replica.tolist() == [0, 1, 1, 1, -1, 0]


# ---- closed loop ------------------------------------------------------------------------------------------


def test_clients_ask_again_after_their_answer_and_a_pause(engine):
    """One place: answers come one after another; an index belongs to who asks, in order of asking."""
    think = 1.0
    data = scenario(
        requests=6,
        arrivals={"kind": "closed", "clients": 2, "think_s": think},
        **lone(max_num_seqs=1),
    )
    r = run(data, engine)
    asked, free, expected = [0.0, 0.0], 0.0, []
    for _ in range(6):
        client = asked.index(min(asked))
        start = max(asked[client], free)
        expected.append((asked[client], start, start + LASTS_S))
        free = start + LASTS_S
        asked[client] = free + think
    assert list(zip(r.records.arrival_s, r.records.start_s, r.records.finish_s, strict=True)) == expected
    assert r.outcome.last_arrival_s == expected[-1][0]
    assert r.records.id.tolist() == list(range(6))


def test_pauses_are_drawn_by_the_request_before_them(engine):
    data = scenario(
        requests=30, arrivals={"kind": "closed", "clients": 1, "think_s": 2.0, "think": "exponential"}, **lone()
    )
    r = run(data, engine).records
    chance = Chance(1)
    pauses = [2.0 * chance.one_exponential(chance.column("think"), k) for k in range(29)]
    np.testing.assert_allclose(np.diff(r.arrival_s), LASTS_S + np.array(pauses), rtol=1e-12)


@pytest.mark.parametrize(("reference", "waits_s"), [("slow", 9 * STEP_S), ("fast", LASTS_S)])
def test_a_client_waits_only_for_the_answer_that_it_sees(engine, reference, waits_s):
    """Exploring asks both models; the client waits for the reference's answer, be it the first or the last."""
    slow = model("slow", output={"kind": "constant", "tokens": 9}, replicas=9)
    data = scenario(
        requests=5,
        arrivals={"kind": "closed", "clients": 1, "think_s": 0.25},
        models=[slow, model("fast")],
        router={"c": 1.0, "kappa": 0.0, "reference": reference},
    )
    r = run(data, engine)
    assert r.records.explored.all()
    assert r.records.arrival_s.tolist() == [k * (waits_s + 0.25) for k in range(5)]
    assert r.statuses == ["completed"] * 5
    assert r.outcome.end_s == 4 * (waits_s + 0.25) + 9 * STEP_S


def test_a_client_that_is_turned_away_pauses_too(engine):
    data = scenario(
        requests=8,
        arrivals={"kind": "closed", "clients": 2, "think_s": STEP_S},
        cluster={"admission": {"max_waiting": 0}},
        **lone(max_num_seqs=1),
    )
    r = run(data, engine)
    # the second client asks every STEP_S while the first is served; at LASTS_S the place is free for it
    assert r.records.arrival_s.tolist() == [0, 0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5]
    assert [s[0] for s in r.statuses] == ["c", "r", "r", "r", "c", "r", "r", "c"]


def test_clients_who_never_stop_are_measured_to_the_horizon(engine):
    data = scenario(requests=None, horizon_s=10.0, arrivals={"kind": "closed", "clients": 1}, **lone())
    r = run(data, engine)
    whole = int(10.0 / LASTS_S)
    assert r.statuses == ["completed"] * whole + ["in_flight"]
    assert r.outcome.last_arrival_s == 10.0
    assert r.summary["pools"][0]["utilization"] == 1.0
    assert r.summary["pools"][0]["idle_energy_j"] == 0.0


# ---- APIs ---------------------------------------------------------------------------------------------------


def test_an_api_has_no_limits(engine, tmp_path):
    spec = {"name": "api", "satisfaction": 0.6} | api(tpot_s=0.125)
    data = scenario(
        arrivals=trace(tmp_path, [0] * 50 + [9]),
        requests=None,
        models=[spec],
        cost={"unit": "USD"},
        cluster={"admission": {"max_waiting": 0}},
    )
    r = run(data, engine)
    assert r.statuses == ["completed"] * 51
    assert (r.records.start_s == r.records.arrival_s).all()
    assert (r.records.first_token_s == r.records.arrival_s + 0.5).all()
    assert (r.records.finish_s == r.records.first_token_s + 2 * 0.125).all()
    assert r.summary["pools"][0]["utilization"] is None


# ---- mode none ----------------------------------------------------------------------------------------------


def test_without_servers_answers_are_there_at_once_for_their_known_cost(engine):
    cheap, dear = 3.0, 11.0
    data = scenario(
        models=[
            {"name": "small", "satisfaction": ALWAYS, "cost_per_request": cheap},
            {"name": "large", "satisfaction": ALWAYS, "cost_per_request": dear},
        ],
        router={"policy": "random"},
        cluster={"mode": "none"},
    )
    r = run(data, engine)
    assert set(r.records.model) == {0, 1}
    assert r.records.cost.tolist() == [[cheap, dear][m] for m in r.records.model]
    for name in ("start_s", "first_token_s", "finish_s"):
        assert (getattr(r.records, name) == r.records.arrival_s).all()
    s = r.summary
    assert s["pools"] == []
    assert {v for latency in s["latency_s"].values() for v in latency.values()} == {None}
    assert s["cost"]["idle"] is None
    assert s["cost"]["total"] == s["cost"]["paper"] == r.records.cost.sum()
    assert s["models"][0]["utilization"] is s["models"][0]["energy_j"] is None
    assert math.isclose(s["cost"]["per_request"], r.records.cost.mean())
