"""Decisions of a router in the engine in SimPy: who takes a request, what it costs, what is to be learnt."""

from types import SimpleNamespace

import numpy as np
import pytest
from builders import scenario

from messsim import _core
from messsim.engines.brain import Brain, Columns, Decision, destined, substitute
from messsim.engines.decisions import Decisions
from messsim.routing import PLAN_ALL, PLAN_CHAIN, PLAN_EXPLORE, build
from messsim.scenario import parse

INF = float("inf")

# ---- who takes a request --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "costs", "expected"),
    [(0, [1.0, 2.0], 0), (0, [INF, 2.0], 1), (1, [1.0, INF, 3.0], 2), (1, [1.0, INF], 2), (2, [1.0, 2.0], 2)],
)
def test_the_next_more_capable_model_that_can_be_had(model, costs, expected):
    assert substitute(model, costs) == expected


@pytest.mark.parametrize(
    ("plan", "costs", "expected"),
    [
        (1, [1.0, 2.0, 3.0], 1),
        (1, [1.0, INF, 3.0], 2),
        (1, [1.0, INF, INF], 0),
        (2, [1.0, 2.0, INF], 1),  # else the next less capable
        (PLAN_ALL, [INF, INF, INF], PLAN_ALL),
        (PLAN_CHAIN | 0, [INF, 2.0, 3.0], PLAN_CHAIN | 1),
        (PLAN_EXPLORE | 2, [1.0, INF, INF], PLAN_EXPLORE | 0),
    ],
)
def test_a_plan_goes_to_a_model_that_can_be_had(plan, costs, expected):
    assert destined(plan, costs) == expected


@pytest.mark.parametrize(
    ("plan", "explores"), [(0, False), (PLAN_ALL, True), (PLAN_EXPLORE | 1, True), (PLAN_CHAIN, False)]
)
def test_a_decision_that_is_made_to_learn_from(plan, explores):
    nothing = np.zeros(2)
    assert Decision(plan, 0, 0.0, nothing, nothing, nothing, nothing, None).explores is explores


def brain(**router):
    s = parse(scenario(router={"policy": "cheapest"} | router))
    made = Brain(s, build(s.router, 2, 3), _core.MarginalCosts([]))
    chunk = SimpleNamespace(
        first=10, prompt_tokens=np.array([5, 5], np.int32), policy_uniforms=np.full((2, 2), 0.5),
        facts=None, features=np.zeros((3, 2)),
    )  # fmt: skip
    columns = Columns(chunk, np.array([[3.0, 1.0], [2.0, INF]]), False)
    made.begin(columns)
    return made, columns


LOADS = np.zeros(2)


def test_a_brain_decides_by_known_costs():
    made, columns = brain()
    first = made.decide(10, 0, 0, LOADS)
    assert (first.plan, first.scores.tolist(), first.instance) == (1, [0.5, 0.5], 0)  # nobody predicts
    assert made.decide(11, 1, 0, LOADS).plan == 0
    assert made.step == 2
    again = made.decide_alone(columns, 10, 0, np.full(2, 0.5), LOADS)
    assert (again.plan, again.costs.tolist(), made.step) == (1, [3.0, 2.0], 3)


def test_a_brain_learns_costs():
    made, _ = brain(cost_estimate="mean", cost_prior=5.0)
    assert made.decide(10, 0, 0, LOADS).costs.tolist() == [5.0, 5.0]
    made.learn_cost(1, 8.0, False)
    made.learn_cost(1, 4.0, True)
    assert made.decide(10, 0, 0, LOADS).costs.tolist() == [5.0, 6.0]
    assert made.decide(11, 1, 0, LOADS).costs.tolist() == [5.0, INF]  # that cannot be had
    unknown, _ = brain(cost_estimate="mean")
    assert unknown.decide(10, 0, 0, LOADS).costs.tolist() == [3.0, 2.0]
    last, _ = brain(cost_estimate="last_explored")
    last.learn_cost(0, 8.0, True)
    last.learn_cost(0, 4.0, False)
    assert last.decide(10, 0, 0, LOADS).costs.tolist() == [8.0, 2.0]


def test_a_rating_moves_the_queue_of_its_tenant():
    made, _ = brain()
    made.rate(10, 0, 0, 0.0)  # the promise is 0.5
    assert made.tracked[0].queue == 0.5
    made.rate(10, -1, 0, 0.0)  # no model was chosen
    assert made.tracked[0].queue == 1.0
    assert made.decide(11, 1, 0, LOADS).queue == 1.0
    made.rate(11, 1, 0, 1.0)
    assert made.tracked[0].queue == 0.5


# ---- decisions ------------------------------------------------------------------------------------------


def decisions(takes, *, when_full="next_model", keep=False, needs_loads=False):
    s = parse(scenario(cluster={"when_full": when_full, "admission": {"max_waiting": 1}}))
    policy = SimpleNamespace(learns_every_answer=False)
    setup = SimpleNamespace(scenario=s, workload=None, policy=policy, needs_loads=needs_loads, needs_destinations=False)
    service = SimpleNamespace(takes=lambda m, prompt, most: takes[m], loads=lambda: np.array([1.0, 2.0]))
    made = Decisions(setup, SimpleNamespace(now=7.0), None, service, None)
    made.keeps_session_model = keep
    return made


def decision(plan, costs=(1.0, 2.0)):
    known = np.array(costs)
    return Decision(plan, 0, 0.0, known, known, known, np.zeros(2), None)


ASKED = SimpleNamespace(prompt=5, max_new=lambda m: 3)


@pytest.mark.parametrize(
    ("plan", "takes", "costs", "expected"),
    [
        (0, [True, True], (1.0, 2.0), 0),
        (0, [False, True], (1.0, 2.0), 1),
        (1, [True, False], (1.0, 2.0), 0),
        (0, [False, False], (1.0, 2.0), 0),  # nobody takes it: its own turns it away
        (1, [True, False], (INF, 2.0), 1),
        (PLAN_ALL, [False, True], (1.0, 2.0), PLAN_ALL),
        (PLAN_CHAIN | 0, [False, True], (1.0, 2.0), PLAN_CHAIN | 0),
        (PLAN_EXPLORE | 0, [False, True], (1.0, 2.0), PLAN_EXPLORE | 1),
    ],
)
def test_where_a_model_is_full_the_next_takes_the_request(plan, takes, costs, expected):
    assert decisions(takes)._with_room(ASKED, decision(plan, costs)) == expected
    assert decisions(takes, when_full="turn_away")._with_room(ASKED, decision(plan, costs)) == plan


def test_the_user_sees_the_reference_where_all_answer():
    made = decisions([True, True])
    assert made._seen(decision(PLAN_ALL)) == 1
    assert made._seen(decision(PLAN_ALL, (1.0, INF))) == 0
    assert made._seen(decision(PLAN_EXPLORE | 0)) == 0
    assert made._seen(decision(PLAN_CHAIN | 1)) == 1


class Opened:
    """An attempt that hears what was decided."""

    def __init__(self, *, rated=True, attempt=0, explored_before=False):
        self.request, self.attempt, self.rated, self.prompt = 12, attempt, rated, 5
        self.explored, self.explored_before, self.instance, self.learnt = False, explored_before, 0, None
        chunk = SimpleNamespace(first=10, features=np.arange(6.0).reshape(2, 3), policy_uniforms=np.arange(3.0))
        self.columns, self.rows = SimpleNamespace(chunk=chunk), SimpleNamespace(model_before={2: 1})
        self.heard = None

    def max_new(self, model):
        return 3

    def decides(self, *heard):
        self.heard = heard
        self.explored = heard[2]

    def will_learn(self, features):
        self.learnt = features.tolist()


@pytest.mark.parametrize(
    ("plan", "opened", "every", "explored", "rated", "learnt"),
    [
        (PLAN_ALL, {}, False, 1, 1, [2.0, 5.0]),
        (0, {}, False, 0, 1, None),
        (0, {}, True, 0, 1, [2.0, 5.0]),
        (PLAN_ALL, {"rated": False}, True, 1, 0, None),
        (PLAN_ALL, {"attempt": 1}, False, 1, 0, [2.0, 5.0]),  # a request is rated once
        (PLAN_ALL, {"explored_before": True}, False, 0, 1, [2.0, 5.0]),
    ],
)
def test_decisions_are_counted_and_what_is_to_be_learnt_is_kept(plan, opened, every, explored, rated, learnt):
    made, attempt = decisions([True, True]), Opened(**opened)
    made.learns_every_answer = every
    made.instances = SimpleNamespace(decide=lambda o, i, loads: decision(plan), brains=[SimpleNamespace()])
    made.at_once(attempt, 2)
    assert (made.attempts, made.explored, made.rated, attempt.learnt) == (1, explored, rated, learnt)
    assert attempt.heard[1:] == (1 if plan == PLAN_ALL else 0, plan == PLAN_ALL, 7.0)


def test_a_decision_alone_keeps_the_model_of_its_session_and_draws_anew_for_later_attempts():
    made = decisions([True, True], keep=True, needs_loads=True)
    asked, known = [], [(1.0, 2.0)]

    def decide(opened, uniforms, loads):
        asked.append((uniforms, loads.tolist()))
        return decision(0, known[0])

    made.workload = SimpleNamespace(uniforms_of_attempt=lambda request, attempt: (request, attempt))
    made.instances = SimpleNamespace(decide_alone=decide)
    first, again, last = Opened(), Opened(attempt=1), Opened()
    made.alone(first)
    made.alone(again)
    assert asked == [(2.0, [1.0, 2.0]), ((12, 1), [1.0, 2.0])]
    assert (first.heard[0].plan, again.heard[0].plan) == (1, 0)
    known[0] = (1.0, INF)  # the model of its session cannot be had
    made.alone(last)
    assert last.heard[0].plan == 0
