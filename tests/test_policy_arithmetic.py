"""The arithmetic of policies as plain Python, before it is compiled: each decision worked out by hand."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from messsim.routing import (
    PLAN_ALL,
    PLAN_CHAIN,
    cascade,
    educated_guess,
    length_only,
    load_aware,
    multi_factor,
    oracle,
    pareto_floor,
    primal_dual,
    route_balance,
    threshold,
)
from messsim.routing.bandit import ridge_learn, ridge_state
from messsim.routing.cascade import cheapest_chain
from messsim.routing.imports import modules_beside
from messsim.routing.learning import _logit
from messsim.routing.tradeoff import automatic_v, notes_on_v
from messsim.scenario.routing import Router, Weights

INF = float("inf")
U = [0.5, 0.5]  # uniforms that explore nothing where c = 0


@pytest.mark.parametrize(
    ("queue", "costs", "scores", "expected"),
    [
        (0.0, [1.0, 2.0], [0.0, 1.0], 0),
        (4.0, [1.0, 2.0], [0.0, 1.0], 1),  # 2 / 4 - 2 x 1 < 1 / 4
        (0.5, [1.0, 2.0], [0.0, 1.0], 0),  # 0.5 - 0.25 = 0.25: equals, the first
        (0.6, [1.0, 2.0], [0.0, 1.0], 1),
        (9.0, [INF, 2.0], [1.0, 0.0], 1),
    ],
)
def test_primal_dual_prices_satisfaction_by_the_queue(queue, costs, scores, expected):
    assert primal_dual.decide(1, 2, queue, scores, costs, U, [0.5, 4.0, 0.0, 0.5]) == expected


@pytest.mark.parametrize(
    ("step", "u", "explores"), [(1, 0.09, True), (1, 0.1, False), (4, 0.049, True), (4, 0.05, False)]
)
def test_exploring_becomes_rarer(step, u, explores):
    """With c = 0.1 and kappa = 1/2: 0.1 at first, 0.05 at the fourth step."""
    uniforms = [u, 0.5]
    plan = primal_dual.decide(step, 2, 0.0, [0.0, 0.0], [1.0, 2.0], uniforms, [1.0, 1.0, 0.1, 0.5])
    assert (plan == PLAN_ALL) is explores
    plan = load_aware.decide(step, 2, 0.5, 0.0, [0.0] * 2, [1.0, 2.0], [0.0] * 2, uniforms, [1, 0.1, 0.5, 0, 1, 1])
    assert (plan == PLAN_ALL) is explores


@pytest.mark.parametrize(
    ("loads", "queue", "expected"),
    [
        ([1.0, 1.0], 0.0, 0),  # a full batch is no delay yet
        ([1.4, 1.0], 0.0, 0),  # 2 (1 + 3 x 0.4 x 2) = 6.8 < 8
        ([1.6, 1.0], 0.0, 1),  # 2 (1 + 3 x 0.6 x 2) = 9.2 > 8
        ([1.0, 1.0], 11.0, 0),  # 2 + 11 (0.5 - 0.2) = 5.3 < 8 + 11 (0.5 - 0.7) = 5.8
        ([1.0, 1.0], 13.0, 1),  # 5.9 > 5.4
    ],
)
def test_load_aware_adds_the_delay_beyond_a_full_batch(loads, queue, expected):
    params = [2.0, 0.0, 0.5, 3.0, 2.0, 5.0]  # V, c, kappa, w, turnovers
    assert load_aware.decide(1, 2, 0.5, queue, [0.2, 0.7], [1.0, 4.0], loads, U, params) == expected


def test_length_only_weighs_costs_by_the_mean_of_ratings():
    state = [0.0] * 4
    params = [0.5, 2.0]
    assert length_only.decide(2, 3.0, [1.0, 2.0], params, state) == 0  # alike: (0 + 1) / (0 + 1)
    length_only.rated(0, 0.0, state)
    assert state == [1.0, 0.0, 0.0, 0.0]
    # 0.5 - 0.5 x 3 x 1/2 = -0.25 against 1 - 1.5 = -0.5
    assert length_only.decide(2, 3.0, [1.0, 2.0], params, state) == 1
    assert length_only.decide(2, 2.0, [1.0, 2.0], params, state) == 0  # 0 each: the first
    length_only.rated(1, 0.5, state)
    assert state == [1.0, 0.0, 1.0, 0.5]
    assert length_only.decide(2, 3.0, [1.0, 2.0], params, state) == 0  # -0.25 against 1 - 1.125


@pytest.mark.parametrize(
    ("u", "tenant", "expected"), [(0.19, 0, 0), (0.2, 0, 1), (0.69, 0, 1), (0.7, 0, 2), (0.4, 1, 0)]
)
def test_educated_guess_draws_by_cumulative_probabilities(u, tenant, expected):
    params = [0.2, 0.7, 1.0, 0.5, 0.5, 1.0]
    assert educated_guess.decide(tenant, 3, [0.99, u], params) == expected


@pytest.mark.parametrize(
    ("weights", "costs", "loads", "expected"),
    [
        ([1.0, 0.0, 0.0, 0.0], [1.0, 2.0], [0.0, 0.0], 1),
        ([0.0, 1.0, 0.0, 0.0], [1.0, 2.0], [0.0, 0.0], 0),  # turnovers of 2 and 3
        ([0.0, 1.0, 0.0, 0.0], [1.0, 2.0], [1.6, 1.0], 1),  # 3.2 against 3
        ([0.0, 0.0, 1.0, 0.0], [1.0, 2.0], [0.0, 0.0], 0),
        ([0.0, 0.0, 0.0, 1.0], [1.0, 2.0], [0.5, 0.4], 1),
        ([0.0, 0.0, 1.0, 0.0], [2.0, 2.0], [0.0, 0.0], 0),  # all alike
        ([0.0, 0.0, 1.0, 0.0], [INF, 2.0], [0.0, 0.0], 1),
        ([0.4, 0.3, 0.3, 0.0], [1.0, 2.0], [0.0, 0.0], 0),
        ([0.7, 0.2, 0.1, 0.0], [1.0, 2.0], [0.0, 0.0], 1),
    ],
)
def test_multi_factor_scales_each_factor(weights, costs, loads, expected):
    assert multi_factor.decide(2, costs, loads, [*weights, 0.4, 0.8, 2.0, 3.0]) == expected


@pytest.mark.parametrize(
    ("step", "scores", "costs", "loads", "expected"),
    [
        (10, [0.0, 1.0], [1.0, 2.0], [0.0, 0.0], PLAN_ALL),  # still training
        (11, [0.0, 1.0], [1.0, 2.0], [0.0, 0.0], 1),  # 0 - 0.3 x 1 - 0.2 x 1/2 against 0.5 - 0.3 x 1/2 - 0.2
        (11, [0.5, 0.6], [1.0, 2.0], [0.0, 0.0], 1),  # 0.25 - 0.4 against 0.3 - 0.35
        (11, [0.9, 0.5], [1.0, 2.0], [0.0, 0.0], 0),  # 0.45 - 0.4 against 0.25 - 0.35
        (11, [0.9, 0.5], [INF, 2.0], [0.0, 0.0], 1),
        (11, [0.5, 0.5], [1.0, 2.0], [0.0, 3.0], 0),  # turnovers of 4, and 2 x 3: 0.25 - 0.2 - 0.1 against 0.25 - 0.5
        (11, [0.5, 0.5], [0.0, 0.0], [0.0, 0.0], 1),  # costs of nothing
        (11, [0.5, 0.5], [2.0, 2.0], [1.0, 2.0], 0),  # 4, and 2 x 2: the first of equals
    ],
)
def test_route_balance_scores(step, scores, costs, loads, expected):
    params = [0.5, 0.3, 0.2, 10.0, 4.0, 2.0]
    assert route_balance.decide(step, 2, scores, costs, loads, params) == expected


# ---- the threshold router -------------------------------------------------------------------------------


def test_a_threshold_trains_calibrates_and_then_splits():
    state = np.zeros(threshold.BINS)
    params = [0.0, 1.0, 2.0, 6.0, -1.0, 0.5]  # training to 2, calibration to 6, half of the requests to the strong one

    def decide(step, w, s, u=0.9):
        return threshold.decide(step, 0, [w, s], [0.0, u], params, state)

    assert decide(2, 0.5, 0.5) == PLAN_ALL
    # s (1 - w) / (s (1 - w) + w (1 - s)) with w = 1/2 is s
    wins = [0.1, 0.4, 0.6, 0.9]
    picked = [decide(3 + k, 0.5, s, u) for k, (s, u) in enumerate(zip(wins, [0.4, 0.5, 0.6, 0.49], strict=True))]
    assert picked == [1, 0, 0, 1]
    # of four requests two go to the strong one: those above 0.5
    assert [decide(7 + k, 0.5, s) for k, s in enumerate([0.95, 0.6, 0.41, 0.2])] == [1, 1, 0, 0]
    assert decide(9, 0.9, 0.9) == 0  # even odds are 0.5, below 0.6
    assert decide(9, 0.0, 0.0) == 0  # no odds count as even


@pytest.mark.parametrize(("s", "expected"), [(0.7, 1), (0.69, 0)])
def test_a_stated_threshold_is_used_after_the_training(s, expected):
    params = [0.0, 1.0, 2.0, 6.0, 0.7, 0.5]
    assert threshold.decide(3, 0, [0.5, s], [0.0, 0.0], params, np.zeros(threshold.BINS)) == expected


def test_the_pair_and_the_share_of_a_threshold():
    known = SimpleNamespace(mean_costs=[3.0, 1.0, 2.0, 9.0], mean_satisfaction=[0.9, 0.4, 0.5, 0.7])
    assert threshold._pair(known) == (1, 0)
    assert threshold._share(known, 1, 0, 0.65) == pytest.approx(0.5)
    assert (threshold._share(known, 1, 0, 0.3), threshold._share(known, 1, 0, 0.95)) == (0.0, 1.0)
    alike = SimpleNamespace(mean_satisfaction=[0.5, 0.5])
    assert (threshold._share(alike, 0, 1, 0.5), threshold._share(alike, 0, 1, 0.6)) == (0.0, 1.0)


# ---- chains ---------------------------------------------------------------------------------------------


def test_a_chain_goes_on_where_the_scorer_doubts():
    # tenant 1: three models 2, 0, 1 with thresholds 0 and 1; the scorer's quality is 4
    params = [4.0, *[0.0] * 6, 3.0, 2.0, 0.0, 1.0, 0.0, 1.0, 0.0]
    assert cascade.decide(1, params) == PLAN_CHAIN | 2

    def finish(stage, model, satisfied, u=0.5):
        return cascade.finish(stage, 1, model, 3, [satisfied] * 3, [u] * 3, params)

    assert finish(0, 2, 1.0) == 3  # a logit of 2
    assert finish(0, 2, 0.0) == 0  # -2 is below 0
    assert finish(0, 2, 0.5) == 3  # 0 is not
    assert finish(1, 0, 0.75) == 3  # 1 is not below 1
    assert finish(1, 0, 0.7) == 1
    assert finish(2, 1, 0.0) == 3  # the last
    assert finish(0, 2, 0.0, u=0.9) == 3  # log 9 = 2.2 of noise


def test_the_cheapest_chain_of_examples():
    # model 0 costs 1 and is right twice, model 1 costs 10 and is always right
    facts = SimpleNamespace(
        satisfaction=np.array([[1.0, 1.0, 0.0, 0.0], [1.0] * 4]), costs=np.array([[1.0] * 4, [10.0] * 4])
    )
    logits = np.array([[3.0, 2.0, -2.0, -3.0], [3.0] * 4])
    assert cheapest_chain(facts, logits, 0.5) == ([0], [])
    models, (level,) = cheapest_chain(facts, logits, 1.0)
    assert models == [0, 1]
    assert -2.0 < level <= 2.0  # both wrong answers are doubted, and no right one
    models, (level,) = cheapest_chain(facts, logits, 0.75)
    assert models == [0, 1]
    assert -3.0 < level <= -2.0
    graded = SimpleNamespace(satisfaction=np.array([[0.7] * 3, [0.9] * 3]), costs=facts.costs[:, :3])
    assert graded.satisfaction[0].mean() < 0.7  # by rounding only
    assert cheapest_chain(graded, logits[:, :3], 0.7) == ([0], [])
    nobody = SimpleNamespace(satisfaction=np.zeros((2, 4)), costs=facts.costs)
    assert cheapest_chain(nobody, logits, 0.5)[0] == [0]


# ---- bandits --------------------------------------------------------------------------------------------


def test_ridge_regression_learns_label_by_label():
    """One feature and the constant, ridge 1: after (x = 1, y = 1) the weights are 1/3 each."""
    state = ridge_state(2, 1, 1.0)
    assert state.tolist() == [1, 0, 0, 1, 0, 0] * 2
    assert ridge_state(1, 1, 2.0).tolist() == [0.5, 0, 0, 0.5, 0, 0]
    ridge_learn(2, 1, [1.0], [1.0, math.nan], state)
    assert state[:6] == pytest.approx([2 / 3, -1 / 3, -1 / 3, 2 / 3, 1 / 3, 1 / 3])
    assert state[6:].tolist() == [1, 0, 0, 1, 0, 0]
    ridge_learn(2, 1, [-2.0], [0.0, math.nan], state)
    design = np.array([[1 + 1 + 4, 1 - 2], [1 - 2, 1 + 1 + 1]], float)
    assert state[:4].reshape(2, 2) == pytest.approx(np.linalg.inv(design))
    assert state[4:6] == pytest.approx(np.linalg.solve(design, [1.0, 1.0]))


def test_the_pacer_of_pareto_floor():
    state = [0.0] * 10 + [0.6, 0.0, 0.5, 1.0]  # two tenants: ema and lambda
    params = [1.0, 0.0, 1.0, 2.0]
    assert pareto_floor.rated(0, 0.6, 0.0, params, state) == 0
    assert state[-4:] == pytest.approx([0.57, 0.05 * 0.05, 0.5, 1.0])
    pareto_floor.rated(1, 0.5, 1.0, params, state)
    assert state[-2:] == pytest.approx([0.525, 1.0 + 0.05 * (1.0 - 0.525 / 0.5)])
    pareto_floor.rated(1, 0.0, 1.0, params, state)  # nothing is promised
    assert state[-1] == pytest.approx(1.0 - 0.0025)
    pareto_floor.rated(0, 0.1, 1.0, params, state)
    assert state[-3] == 0.0  # never below


def test_pareto_floor_decides_by_bounds_and_widens_what_is_idle():
    # no features: each model has inverse [1], weight [1], lesson and answer; then the clock, ema and lambda
    def decide(state, costs=(1.0, 2.0), width=0.0, forgetting=1.0):
        return pareto_floor.decide(0, 2, 0, costs, [], [2.0, width, forgetting, 1.0], state)

    state = [1.0, 0.2, 0, 0, 1.0, 0.8, 0, 0, 0.0, 0.5, 1.0]
    assert decide(state) == 1  # 0.5 - 0.2 against 1 - 0.8
    assert (state[8], state[7], state[3]) == (1.0, 1.0, 0)  # the clock, and who answered when
    state[10] = 0.8
    assert decide(state) == 0  # 0.5 - 0.16 against 1 - 0.64
    assert state[3] == 2.0
    state[10] = 0.0
    assert decide(state, (INF, 2.0)) == 1
    # bounds are cut to [0, 1], and the variance of who is idle grows by forgetting^-k
    fresh = [0.01, 0.0, 0, 0, 0.01, 0.0, 8, 0, 9.0, 0.5, 1.0]
    assert decide(list(fresh), (1.0, 1.0), 1.0, 0.5) == 0  # idle for 10 requests: 0.1 sqrt(200), cut to 1; 0.1 sqrt(4)
    assert decide(list(fresh), (1.4, 1.0), 1.0, 0.5) == 0  # 0.7 - 1 against 0.5 - 0.2
    assert decide(list(fresh), (2.8, 1.0), 1.0, 0.5) == 1  # 1.4 - 1 against 0.5 - 0.2
    assert decide(list(fresh), (1.4, 1.0), 1.0, 1.0) == 1  # without forgetting 0.7 - 0.1 against 0.5 - 0.1


def test_pareto_floor_forgets_what_it_learnt_before():
    """Without features: inverse, weight, number of the last lesson, of the last answer; the clock stands behind."""
    state = np.array([1.0, 0.5, 3.0, 0.0, 1.0, 0.5, 3.0, 0.0, 5.0])
    params = [1.0, 0.0, 0.5, 1.0]
    assert pareto_floor.learn(2, 0, [], [1.0, math.nan], params, state) == 0
    # two requests later the inverse is worth four times as much: gain 4, spread 5
    assert state[:4] == pytest.approx([4 - 16 / 5, 0.5 + 4 / 5 * 0.5, 5.0, 0.0])
    assert state[4:].tolist() == [1.0, 0.5, 3.0, 0.0, 5.0]  # nobody rated the other
    state[:4], state[8] = [1.0, 0.5, 3.0, 0.0], 103.0
    pareto_floor.learn(2, 0, [], [0.5, math.nan], params, state)
    assert state[:3] == pytest.approx([200 / 201, 0.5, 103.0])  # 0.5^100 would be 10^30 times as much


def test_pareto_floor_learns_of_features_and_the_constant():
    state = np.array([1.0, 0.0, 0.0, 1.0, 0.0, 0.5, 0.0, 0.0, 1.0])
    pareto_floor.learn(1, 1, [2.0], [1.0], [1.0, 0.0, 0.5, 1.0], state)
    # the inverse is 2 I, so the gain of (2, 1) is (4, 2) and the spread 1 + 8 + 2; 0.5 was predicted
    assert state[:4] == pytest.approx([2 - 16 / 11, -8 / 11, -8 / 11, 2 - 4 / 11])
    assert state[4:6] == pytest.approx([4 / 11 * 0.5, 0.5 + 2 / 11 * 0.5])
    assert state[6:].tolist() == [1.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ((0.0, 0.0), 0),
        ((2.0, 2.0), 0),  # 1 - 2 x 0.5 = 2 - 2 x 1: equals, the first
        ((2.5, 2.5), 1),
        ((20.0, 20.0), 1),
        ((30.0, 30.0), 2),
    ],
)
def test_an_oracle_sends_each_request_to_the_least_cost_less_what_satisfaction_is_worth(prices, expected):
    state = [0.25]
    assert oracle.decide(0, 3, [1.0, 2.0, 7.0], [0.5, 1.0, 1.2], [*prices, 0.5], state) == expected
    assert state == [0.25]  # nothing is owed where both prices say the same


def test_an_oracle_pays_the_higher_price_for_its_part_of_the_requests():
    params = [0.0, 0.0, 1.0, 0.0, 9.0, 0.375]  # of two tenants: 3 of 8 requests of the second pay 9
    state = [0.5, 0.75]
    chosen = [oracle.decide(1, 2, [1.0, 2.0], [0.0, 1.0], params, state) for _ in range(8)]
    assert chosen == [1, 0, 0, 1, 0, 1, 0, 0]
    assert state == [0.5, 0.75]


@pytest.mark.parametrize(("requests", "training"), [(1000.0, 50), (30.0, 2), (3.0, 1), (None, 2000)])
def test_route_balance_trains_on_a_share_of_the_run(requests, training):
    given = []
    policy = route_balance.build(Router(policy="route-balance", calibration=0.05), 2, 0)
    kernel = SimpleNamespace(replace=lambda *what: given.append(what))
    policy.prepare(kernel, SimpleNamespace(requests=requests, turnover_s=[0.5, 2.0]))
    weights = Weights().of("quality", "latency", "cost")
    assert given == [([*weights, training, 0.5, 2.0],)]


# ---- beginnings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mean", "odds"), [(0.5, 1.0), (0.75, 3.0), (0.99, 99.0), (1.0, 99.0), (0.0, 1 / 99), (0.01, 1 / 99)]
)
def test_nobody_is_sure_of_a_mean(mean, odds):
    assert math.exp(_logit(mean)) == pytest.approx(odds)


@pytest.mark.parametrize(
    ("costs", "v"),
    [
        ([2.0, 6.0], 0.25),
        ([2.0, 3.0, 8.0], 0.167),
        ([5.0, 5.0], 0.2),
        ([5.0, INF], 0.2),
        ([0.0, 0.0], 1.0),
        ([INF], 1.0),
        ([], 1.0),
        ([1.0, 1.0 + 1e-10], 1.0),
    ],
)
def test_an_automatic_v_is_one_over_the_gap(costs, v):
    assert automatic_v(costs) == v


@pytest.mark.parametrize(
    ("v", "costs", "satisfaction", "alpha", "requests", "words"),
    [
        # worth it from a queue of V x 4 / 0.4 = 10 V on; a miss adds 0.5
        (0.00099, [2.0, 6.0], [0.4, 0.8], 0.5, 1000, "cost never matters"),
        (0.001, [2.0, 6.0], [0.4, 0.8], 0.5, 1000, None),
        (9.99, [2.0, 6.0], [0.4, 0.8], 0.5, 1000, None),  # 1000 requests add 100
        (10.1, [2.0, 6.0], [0.4, 0.8], 0.5, 1000, "cost always decides"),
        (1e9, [2.0, 6.0], [0.5, 0.8], 0.5, 1000, None),  # the cheapest keeps the promise alone
        (1e9, [2.0, 6.0], None, 0.5, 1000, None),
        (1e9, [2.0], [0.5], 0.9, 1000, None),
        (1e9, [6.0, 2.0], [0.4, 0.8], 0.5, 1000, None),  # the best is the cheapest
        (0.0, [2.0, 6.0], [0.4, 0.8], 0.0, 1000, None),
    ],
)
def test_a_v_that_does_nothing_is_told(v, costs, satisfaction, alpha, requests, words):
    notes = notes_on_v(v, costs, satisfaction, alpha, requests, "J")
    assert (notes == []) is (words is None)
    if words is not None:
        assert words in notes[0]
        assert notes[0].startswith(f"router.V = {v:g} 1/J: ")
        assert notes[0].endswith('"auto" would take 0.25')


# ---- modules beside a policy ----------------------------------------------------------------------------


def test_modules_that_a_file_imports_from_its_folder(tmp_path):
    def write(name, text=""):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    policy = write("policy.py", "import helper, os, policy\nfrom pack import deep\n\ndef f():\n    import late\n")
    write("helper.py", "from importlib import import_module\nimport_module('named')\n")
    write("pack/__init__.py", "from . import side\n")
    write("pack/deep.py", "from .other import thing\nfrom ..helper import x\n")
    for name in ("pack/side.py", "pack/other.py", "late.py", "named.py", "unused.py"):
        write(name)
    expected = ["helper.py", "late.py", "named.py", "pack/__init__.py", "pack/deep.py", "pack/other.py", "pack/side.py"]
    assert [str(p.relative_to(tmp_path)) for p in modules_beside(policy)] == expected
    assert modules_beside(write("broken.py", "import (")) == []
    assert modules_beside(tmp_path / "none.py") == []
