"""Chains: models asked one after another until the policy is content; only the last answer is the user's."""

import numpy as np
import pytest
from builders import ALWAYS, NEVER, POWER_W, STEP_S, OwnPolicy, model, run, scenario, trace

from messsim import routing
from messsim.errors import PolicyError

LENGTHS = (2, 3, 6)
TIMES = [STEP_S * n for n in LENGTHS]
JOULES = [POWER_W * t for t in TIMES]


@pytest.fixture(params=["simpy", "compiled"])
def engine(request) -> str:
    return request.param


@pytest.fixture
def chained(monkeypatch, engine):
    """Runs requests under a policy that asks the models of `order`, one after another, until `stages`."""

    def go(data: dict, order=(0, 1, 2), stages=lambda request: 3, **policy):
        finished = []

        def finish(request: int, stage: int, asked: int) -> int:
            finished.append((request, stage, asked))
            return order[stage + 1] if stage + 1 < stages(request) else 3

        own = OwnPolicy(lambda _: routing.PLAN_CHAIN | order[0], finish, **policy)
        monkeypatch.setitem(routing.POLICIES, "own", own.build)
        return run(data | {"router": data["router"] | {"policy": "own"}}, engine), own.asked, finished

    return go


def chain(folder, times, **changes) -> dict:
    """Answers of 2, 3 and 6 tokens."""
    models = [
        model(n, s, output={"kind": "constant", "tokens": o}, max_num_seqs=1)
        for n, s, o in zip("abc", (NEVER, NEVER, ALWAYS), LENGTHS, strict=True)
    ]
    return scenario(**{"arrivals": trace(folder, times), "requests": None, "models": models} | changes)


def test_stages_run_one_after_another(chained, tmp_path):
    r, _, finished = chained(chain(tmp_path, [0, 30, 60]), stages=lambda request: request + 1)
    assert finished == [(0, 0, 0), (1, 0, 0), (1, 1, 1), (2, 0, 0), (2, 1, 1), (2, 2, 2)]
    records = r.records
    assert r.statuses == ["completed"] * 3
    assert records.model.tolist() == [0, 1, 2]
    assert records.replica.tolist() == [0, 1, 2]
    assert records.start_s.tolist() == [0, 30, 60]  # of the first stage
    assert records.first_token_s.tolist() == [STEP_S, 30 + TIMES[0] + STEP_S, 60 + TIMES[0] + TIMES[1] + STEP_S]
    assert records.finish_s.tolist() == [TIMES[0], 30 + sum(TIMES[:2]), 60 + sum(TIMES)]
    assert records.output_tokens.tolist() == list(LENGTHS)
    assert not records.explored.any()


def test_earlier_stages_are_exploration(chained, tmp_path):
    r, _, _ = chained(chain(tmp_path, [0, 30, 60]), stages=lambda request: request + 1)
    assert r.records.cost.tolist() == [JOULES[0], sum(JOULES[:2]), sum(JOULES)]
    assert r.records.exploration_cost.tolist() == [0, JOULES[0], sum(JOULES[:2])]
    cost = r.summary["cost"]
    assert cost["paper"] == sum(JOULES)  # each answer that a user saw
    assert cost["exploration"] == JOULES[0] + sum(JOULES[:2])


@pytest.mark.parametrize("delay", ["immediate", 1.0])
def test_only_the_last_answer_is_rated(chained, tmp_path, delay):
    """Never satisfied by a and b, always by c: Q is what one answer each makes it. No answer is known before."""
    late = 0.0 if delay == "immediate" else 1.0
    times = [0, TIMES[0] + late - 1 / 64, TIMES[0] + late, 60]
    data = chain(tmp_path, times, feedback={"delay": delay})
    r, _, _ = chained(data, stages=lambda request: [1, 2, 3, 1][request])
    assert r.records.feedback_s.tolist() == (r.records.finish_s + late).tolist()
    assert r.records.queue.tolist() == [0, 0, 0.5, 0.5]  # +½ by a, +½ by b, -½ by c
    assert r.records.satisfied.tolist() == [0, 0, 1, 0]
    assert r.outcome.tenants[0].delivered == 4


def test_a_learning_chain_learns_from_its_last_answer_only(chained, tmp_path):
    predictor = _predictor(3)
    r, asked, _ = chained(chain(tmp_path, [0, 60]), stages=lambda _: 2, predictor=predictor, learns_every_answer=True)
    assert r.outcome.updates == 2
    assert asked[1].scores[0] == asked[1].scores[2] == 0.5
    assert asked[1].scores[1] < 0.5
    assert r.records.score.tolist() == [0.5, asked[1].scores[1]]


def _predictor(features: int):
    from messsim import _core

    return _core.Predictor(3, features, learning_rate=0.5)


def test_the_same_model_may_be_asked_again(chained, tmp_path):
    r, _, finished = chained(chain(tmp_path, [0, 60]), order=(0, 0, 0))
    assert [f[1] for f in finished[:3]] == [0, 1, 2]
    assert r.records.finish_s[0] == 3 * TIMES[0]
    assert r.records.cost[0] == 3 * JOULES[0]
    assert r.records.exploration_cost[0] == 2 * JOULES[0]


def test_a_later_stage_that_is_turned_away_rejects_the_request(chained, tmp_path):
    """The second asks b while the first is there."""
    data = chain(tmp_path, [0, TIMES[0], 60], cluster={"admission": {"max_waiting": 0}})
    r, _, _ = chained(data, order=(0, 2, 1), stages=lambda _: 2)
    assert r.statuses == ["completed", "rejected", "completed"]
    assert r.records.cost[1] == r.records.exploration_cost[1] == JOULES[0]
    assert np.isnan(r.records.finish_s[1])
    assert r.outcome.tenants[0].delivered == 2


def test_a_stage_may_be_lost(chained, tmp_path):
    outage = {"pool": "b", "at_s": TIMES[0] + STEP_S, "for_s": 1.0}
    failures = {"on_failure": "lose", "schedule": [outage]}
    r, _, _ = chained(chain(tmp_path, [0, 60], cluster={"failures": failures}), stages=lambda _: 2)
    assert r.statuses == ["lost", "completed"]
    assert r.records.cost[0] == JOULES[0] + POWER_W * STEP_S
    assert r.records.exploration_cost[0] == JOULES[0]
    assert r.summary["requests"]["labels_of_lost"] == 0
    assert r.summary["cost"]["lost"] == r.records.cost[0]


def test_a_horizon_cuts_a_chain(chained, tmp_path):
    data = chain(tmp_path, [0, 60], horizon_s=TIMES[0] + 2 * STEP_S)
    r, _, _ = chained(data)
    assert r.statuses == ["in_flight"]
    assert r.records.cost[0] == JOULES[0] + POWER_W * 2 * STEP_S
    assert r.records.exploration_cost[0] == JOULES[0]


def test_a_client_waits_for_the_end_of_the_chain(chained, tmp_path):
    data = chain(tmp_path, [0, 1], arrivals={"kind": "closed", "clients": 1, "think_s": 1.0}, requests=3)
    r, _, _ = chained(data)
    assert r.records.arrival_s.tolist() == [k * (sum(TIMES) + 1.0) for k in range(3)]


def test_chains_of_several_requests_interleave(chained, tmp_path):
    """One place a model: the second waits at a, then at c behind the first."""
    r, _, _ = chained(chain(tmp_path, [0, 0, 60]))
    a, b, c = TIMES
    first = a + b + c
    second_at_c = max(2 * a + b + max(0.0, b - a), first)
    assert r.records.finish_s[:2].tolist() == [first, second_at_c + c]
    assert r.records.start_s[:2].tolist() == [0, a]


def test_an_unlawful_next_model_stops_the_run(chained, tmp_path):
    with pytest.raises(PolicyError) as stopped:
        chained(chain(tmp_path, [0, 1]), order=(0, 9, 9))
    assert str(stopped.value) == (
        "the policy's finish returned 9 at request 0; expected a model from 0 to 2 to ask next, or 3 to stay with the "
        "answer (at 0.5 s, after 1 requests)"
    )


def test_the_next_model_is_named_with_the_facts_that_the_policy_needs(monkeypatch, tmp_path, engine):
    """Facts are the outcomes for a policy that declares them, and 0 for any other."""
    for needs in ({"outcomes"}, set()):
        facts = []
        own = OwnPolicy(lambda _: routing.PLAN_CHAIN, lambda *_: 3, needs=frozenset(needs), on_finish=facts.append)
        monkeypatch.setitem(routing.POLICIES, "own", own.build)
        data = chain(tmp_path, [0, 9], router={"policy": "own"})
        r = run(data, engine)
        assert facts == [[0.0, 0.0, float(bool(needs))]] * 2
        assert r.statuses == ["completed"] * 2


def test_a_chain_is_waited_for_as_a_whole(chained, tmp_path):
    """Nobody sees a token before the last answer is complete: who is patient to the first token waits for it all."""
    patience_s = TIMES[0] + TIMES[1] + STEP_S
    clients = {"patience_s": patience_s, "until": "first_token"}
    data = chain(tmp_path, [0, 30], clients=clients, feedback={"delay": 0.0})
    r, _, _ = chained(data, stages=lambda request: 3 - request)
    assert r.statuses == ["timed_out", "completed"]
    assert r.records.model.tolist() == [2, 1]
    assert r.records.energy_j[0] == POWER_W * patience_s  # the last stage stops after one iteration


def test_a_retry_asks_the_whole_chain_again(chained, tmp_path):
    """Only the second attempt is quick enough, for it stops after the first stage."""
    clients = {"patience_s": TIMES[0] + STEP_S, "retries": 1, "backoff_s": 0.0}
    asked = iter([3, 1])
    data = chain(tmp_path, [0, 99], requests=1, clients=clients, feedback={"delay": 0.0})
    r, _, finished = chained(data, stages=lambda request: next(asked))
    assert finished == [(0, 0, 0), (0, 0, 0)]
    assert r.statuses == ["completed"]
    assert r.records.model.tolist() == [0]
    assert r.records.energy_j[0] == JOULES[0] + POWER_W * STEP_S + JOULES[0]
    assert r.records.start_s[0] == TIMES[0] + STEP_S
