"""A request between its decision and its record, in the SimPy engine, by itself."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from messsim.engines.open_request import OpenRequest
from messsim.engines.records import COLUMNS, COMPLETED, IN_FLIGHT, LOST
from messsim.routing import PLAN_CHAIN

NAN = math.nan


def rows(**more):
    """A chunk from request 10 on, of two requests for two models."""
    chunk = SimpleNamespace(first=10, price_factor=None)
    columns = {
        "tenant": [0, 2],
        "prompt": [100, 7],
        "outputs": [(1, 2), (3, 4)],
        "satisfied": [(0.0, 1.0), (0.25, 0.75)],
        "labels": [(1.0, 0.0), (NAN, 0.5)],
        "delays": None,
        "rated": [False, True],
        "max_new": [(8, 9), (16, 17)],
        "grows": True,
        "path": lambda request: [(request, 5), (request + 1, 7)],
        "session": lambda request: request + 30,
    }
    return SimpleNamespace(chunk=chunk, **columns | more)


def opened(i=1, **more):
    of = rows(**more)
    return OpenRequest.of(of, SimpleNamespace(chunk=of.chunk), i, 2.5, 3, scored=True)


def decided(i=1, plan=1, seen=1, explored=False, **more):
    attempt = opened(i, **more)
    attempt.decides(SimpleNamespace(plan=plan, queue=0.5, scores=[0.125, 0.375]), seen, explored, 4.0)
    return attempt


def record(attempt):
    return dict(zip(COLUMNS, attempt.row(), strict=True))


def answered_by(**changes):
    known = {"replica": 5, "preemptions": 2, "cached_prompt_tokens": 3, "cached_recompute_tokens": 4}
    return SimpleNamespace(**known, **{"start_s": 5.0, "first_token_s": 6.0, "finish_s": 7.0} | changes)


def test_a_new_attempt_has_nothing_under_way():
    attempt = opened()
    assert (attempt.copies, attempt.unlabelled, attempt.stage, attempt.attempt, attempt.jobs) == (0, 0, 0, 0, [])
    assert (attempt.seen, attempt.replica, attempt.status, attempt.completed) == (-1, -1, IN_FLIGHT, False)
    assert (attempt.gone, attempt.over, attempt.explored, attempt.explored_before) == (False,) * 4
    assert (attempt.answered, attempt.heir, attempt.features, attempt.labels, attempt.decision) == (None,) * 5
    assert math.isnan(attempt.decided_s)


def test_the_record_of_who_is_not_decided():
    known = record(opened())
    whose = [known.pop(n) for n in ("id", "tenant", "instance", "arrival_s", "prompt_tokens", "attempts", "status")]
    assert whose == [11, 2, 3, 2.5, 7, 1, IN_FLIGHT]
    assert {n for n, x in known.items() if isinstance(x, float) and math.isnan(x)} == {
        *("queue", "score", "satisfied", "feedback_s", "start_s", "first_token_s", "finish_s")
    }
    numbers = {n: x for n, x in known.items() if not (isinstance(x, float) and math.isnan(x))}
    assert {n: x for n, x in numbers.items() if x != 0} == {"model": -1, "replica": -1}


def test_the_record_of_an_answer():
    attempt = decided(explored=True)
    attempt.feedback_s = 8.0
    attempt.pay(1, 10.0, 3.0)
    attempt.pay(0, 5.0, 0.5)
    attempt.answer(answered_by())
    assert (attempt.completed, attempt.decided_s) == (True, 4.0)
    assert record(attempt) == {
        "id": 11,
        "tenant": 2,
        "instance": 3,
        "arrival_s": 2.5,
        "explored": True,
        "model": 1,
        "replica": 5,
        "prompt_tokens": 7,
        "output_tokens": 4,
        "queue": 0.5,
        "score": 0.375,
        "satisfied": 0.75,
        "feedback_s": 8.0,
        "start_s": 5.0,
        "first_token_s": 6.0,
        "finish_s": 7.0,
        "preemptions": 2,
        "cached_prompt_tokens": 3,
        "cached_recompute_tokens": 4,
        "attempts": 1,
        "energy_j": 15.0,
        "cost": 3.5,
        "exploration_cost": 0.5,  # of the copy that the user did not see
        "status": COMPLETED,
    }


def test_without_an_answer_nobody_is_satisfied():
    attempt = decided()
    attempt.saw(answered_by())
    attempt.status, attempt.feedback_s = LOST, 8.0
    known = record(attempt)
    assert math.isnan(known["satisfied"])
    assert math.isnan(known["feedback_s"])
    assert math.isnan(known["finish_s"])
    assert (known["replica"], known["start_s"], known["first_token_s"], known["status"]) == (5, 5.0, 6.0, LOST)


def test_a_chain_starts_with_its_first_copy():
    attempt = decided(plan=PLAN_CHAIN)
    attempt.saw(answered_by())
    attempt.stage = 1
    attempt.answer(answered_by(start_s=15.0, first_token_s=16.0, finish_s=17.0))
    assert (attempt.start_s, attempt.first_token_s, attempt.finish_s) == (5.0, 16.0, 17.0)
    assert (attempt.preemptions, attempt.cached_recompute_tokens, attempt.cached_prompt_tokens) == (4, 8, 3)


def test_the_next_attempt_takes_over_what_is_known_and_counts_as_a_copy():
    attempt = decided(explored=True)
    attempt.answered, attempt.copies, attempt.attempt = "waiting", 2, 1
    heir = attempt.begins_again()
    assert (attempt.heir, attempt.answered, heir.answered, heir.copies, heir.attempt) == (heir, None, "waiting", 1, 2)
    assert (heir.explored, heir.explored_before, heir.seen, heir.decision) == (False, True, -1, None)
    kept = (
        "request",
        "tenant",
        "arrival_s",
        "prompt",
        "outputs",
        "satisfied",
        "ratings",
        "delays",
        "rated",
        "instance",
    )
    for name in (*kept, "scored", "columns", "rows"):
        assert getattr(heir, name) is getattr(attempt, name)
    assert heir.begins_again().explored_before
    assert not decided().begins_again().explored_before
    assert record(heir)["explored"]
    assert record(heir)["attempts"] == 3


def test_what_an_attempt_has_cost_goes_to_the_next():
    attempt = decided()
    attempt.pay(0, 10.0, 3.0)
    attempt.pay(1, 1.0, 0.5)
    attempt.saw(answered_by())
    heir = attempt.begins_again()
    heir.energy_j, heir.cost, heir.exploration_cost, heir.preemptions, heir.cached_recompute_tokens = (
        1.0,
        1.0,
        1.0,
        1,
        1,
    )
    attempt.pass_on(heir)
    assert (heir.energy_j, heir.cost, heir.exploration_cost) == (12.0, 4.5, 4.0)
    assert (heir.preemptions, heir.cached_recompute_tokens, heir.cached_prompt_tokens) == (3, 5, 0)


def test_a_copy_is_of_its_attempt_and_its_model():
    attempt = decided()
    attempt.attempt = 2
    job = attempt.copy(1)
    assert attempt.jobs == [job]
    assert (job.request, job.model, job.prompt_tokens, job.output_tokens, job.tag) == (11, 1, 7, 4, attempt)
    assert (job.attempt, job.session, job.max_new_tokens) == (2 << 16, 41, 17)
    assert job.path == [(11, 5), (12, 7)]
    other = attempt.draft(0)
    assert (other.output_tokens, other.max_new_tokens, attempt.jobs) == (3, 16, [job])
    assert attempt.copy(0) is attempt.jobs[1]


@pytest.mark.parametrize(
    ("more", "model", "goes_on"),
    [
        ({}, 1, True),
        ({}, 0, False),  # nobody sees that answer
        ({"plan": PLAN_CHAIN | 1}, 1, False),
        ({"grows": False}, 1, False),
    ],
)
def test_only_the_answer_that_is_seen_is_read_on(more, model, goes_on):
    job = decided(**more).draft(model)
    assert (job.path, job.answer_node) == ([(11, 5), (12, 7)], 12 if goes_on else -1)


def test_who_is_heard():
    attempt = decided()
    assert (attempt.heard_of(1), attempt.heard_of(0)) == (True, False)
    assert not decided(seen=0).heard_of(0)  # they say nothing of it
    assert not decided(0).heard_of(1)  # they say nothing at all


def test_labels_are_there_at_once_but_of_chains_and_late_raters():
    assert decided().labelled_at_once
    assert not decided(plan=PLAN_CHAIN).labelled_at_once
    late = decided(delays=[(1.0, 2.0), (3.0, 4.0)])
    assert (late.labelled_at_once, late.delays) == (False, (3.0, 4.0))


def test_prices_of_apis_go_by_request_and_model():
    attempt = opened()
    assert attempt.price_factor(1) == 1.0
    attempt.columns.chunk.price_factor = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert (attempt.price_factor(0), attempt.price_factor(1)) == (2.0, 4.0)


def test_what_the_predictor_will_learn_is_kept():
    attempt, features = opened(), np.array([1.0, 2.0])
    attempt.will_learn(features)
    features[0] = 9.0
    assert attempt.features.tolist() == [1.0, 2.0]
    assert np.isnan(attempt.labels).tolist() == [True, True]
