"""Fixed mixes of models, the least cost of a promise, and what needs no router: by hand."""

import numpy as np
import pytest

from messsim.results.baselines import best_static
from messsim.results.oracle import oracle_of
from messsim.routing.mixing import best_single, cheapest_able, cheapest_mix, educated_guess, mix_params, scale
from messsim.routing.oracle_dual import Frontier

QUALITY, COSTS = [0.4, 0.6, 0.8], [1.0, 4.0, 6.0]


@pytest.mark.parametrize(
    ("quality", "costs", "alpha", "single", "able"),
    [
        (QUALITY, COSTS, 0.3, 0, 0),
        (QUALITY, COSTS, 0.4, 0, 0),
        (QUALITY, COSTS, 0.4 + 5e-10, 0, 0),  # rounding
        (QUALITY, COSTS, 0.41, 1, 1),
        (QUALITY, COSTS, 0.8, 2, 2),
        (QUALITY, COSTS, 0.81, None, 2),
        (QUALITY, [9.0, 4.0, 3.0], 0.5, 2, 2),
        (QUALITY, [9.0, 4.0, 4.0], 0.5, 1, 1),  # ties to the first
        ([0.7, 0.7], [1.0, 2.0], 0.9, None, 0),
    ],
)
def test_the_cheapest_that_keeps_the_promise(quality, costs, alpha, single, able):
    assert best_single(quality, costs, alpha) == single
    assert cheapest_able(quality, costs, alpha) == able


@pytest.mark.parametrize(
    ("alpha", "expected"),
    [
        (0.4, (1.0, 0, 0, 0.0)),
        (0.5, (2.25, 0, 2, 0.25)),  # a quarter of 6 and the rest of 1; by the middle model it would be 2.5
        (0.6, (3.5, 0, 2, 0.5)),
        (0.8, (6.0, 0, 2, 1.0)),
        (0.81, None),
    ],
)
def test_the_cheapest_mix_of_two(alpha, expected):
    mix = cheapest_mix(QUALITY, COSTS, alpha)
    assert mix is None if expected is None else mix == pytest.approx(expected)


def test_a_mix_may_be_of_neighbours_or_one_alone():
    assert cheapest_mix(QUALITY, [1.0, 2.0, 6.0], 0.5) == pytest.approx((1.5, 0, 1, 0.5))
    assert cheapest_mix([0.8, 0.4], [6.0, 1.0], 0.5) == pytest.approx((2.25, 1, 0, 0.25))  # the worse one first
    assert cheapest_mix([0.5, 0.6], [2.0, 1.0], 0.5) == (1.0, 1, 1, 0.0)


def test_the_papers_guess_moves_by_one_percent():
    assert educated_guess([0.4, 0.8], 0.6) == [0.5, 0.5]
    # one step: 0.495 and 0.505, which sum to 1
    assert educated_guess([0.4, 0.8], 0.601) == pytest.approx([0.495, 0.505])
    assert educated_guess([0.4, 0.8], 0.9) == [0.0, 1.0]
    assert educated_guess([0.7, 0.7], 0.9) == [1.0, 0.0]
    assert educated_guess([0.2, 0.5, 0.8], 0.5) == pytest.approx([1 / 3] * 3)


def test_parameters_of_a_mix_are_models_and_cumulative_shares():
    assert mix_params([(2, 0.25), (0, 0.75)], 3) == [2.0, 0.0, 0.0, 0.25, 1.0, 1.0]
    assert mix_params([(1, 3.0), (0, 0.0)], 2) == [1.0, 1.0, 1.0, 1.0]
    assert mix_params([(0, 1.0), (1, 1.0), (2, 2.0)], 3) == [0.0, 1.0, 2.0, 0.25, 0.5, 1.0]


@pytest.mark.parametrize(("costs", "expected"), [([1.0, 3.0], 2.0), ([0.0, 0.0], 1.0), ([5.0], 5.0)])
def test_the_scale_of_costs(costs, expected):
    assert scale(costs) == expected


# ---- the least cost when outcomes are known -------------------------------------------------------------


def frontier(satisfied, costs, tenant=None, tenants=1):
    made = Frontier(len(satisfied), tenants)
    who = None if tenant is None else np.array(tenant, np.int32)
    made.add(np.array(satisfied, float), np.array(costs, float), who)
    return made


# Four requests. The cheap model (1) satisfies the first; the dear one all but the last, for 3, 2, 5 and 9.
FOUR = ([[1, 0, 0, 0], [1, 1, 1, 0]], [[1, 1, 1, 1], [3, 2, 5, 9]])


@pytest.mark.parametrize(
    ("alpha", "total"),
    [
        (0.0, 4.0),
        (0.25, 4.0),
        (0.375, 4.5),  # half of the second for 1 more
        (0.5, 5.0),
        (0.625, 7.0),  # and half of the third for 4 more
        (0.75, 9.0),
    ],
)
def test_the_cheapest_way_takes_the_cheapest_steps_first(alpha, total):
    optimum = frontier(*FOUR).optimum(alpha)
    assert optimum.per_request == pytest.approx(total / 4, rel=1e-12)
    assert optimum.error == 0.0


def test_prices_lie_between_those_of_the_steps():
    made = frontier(*FOUR)
    half = made.optimum(0.375)
    assert (half.share, half.low < 1.0 < half.high < 4.0) == (0.5, True)
    late = made.optimum(0.625)
    assert (late.share, late.low < 4.0 < late.high) == (0.5, True)
    assert late.low == pytest.approx(2.5, rel=1e-3)
    assert made.optimum(0.2).low == made.optimum(0.2).high
    assert made.optimum(0.2).low < 1.0
    assert made.optimum(0.75).per_request == pytest.approx(2.25)
    assert made.optimum(0.75 + 1e-10).per_request == pytest.approx(2.25)  # rounding
    assert made.optimum(0.7501) is None
    assert Frontier(2).optimum(0.0) is None


def test_each_tenant_has_a_frontier_and_sums():
    made = frontier(*FOUR, [0, 1, 0, 1], 2)
    assert made.requests.tolist() == [2.0, 2.0]
    assert made.satisfied.tolist() == [[1.0, 2.0], [0.0, 1.0]]
    assert made.costs.tolist() == [[2.0, 8.0], [2.0, 11.0]]
    assert made.optimum(0.5, 1).per_request == pytest.approx(1.5)
    assert made.optimum(1.0, 0).per_request == pytest.approx(3.0)


# ---- the oracle, and what is chosen beforehand ----------------------------------------------------------


def test_the_oracle_keeps_each_tenants_promise():
    made = frontier(*FOUR, [0, 1, 0, 1], 2)
    oracle = oracle_of(made, [1.0, 0.5], [0.5, 0.0])
    assert oracle.at_alpha == pytest.approx((2 * 3.0 + 2 * 1.5) / 4)
    assert oracle.at_own == pytest.approx(1.0)
    assert oracle.relative_error == 0.0
    assert oracle.costs == {"at_alpha": oracle.at_alpha, "at_own": oracle.at_own}
    assert oracle_of(made, [1.0, 0.6], [0.5, None]).costs == {"at_alpha": None, "at_own": None}
    assert oracle_of(Frontier(2), [0.5], [None]).at_alpha is None
    nobody = frontier([[1.0]], [[2.0]], [0], 2)
    assert oracle_of(nobody, [1.0, 1.0], [1.0, None]).at_own == 2.0  # the second tenant has no request


def test_the_cheapest_single_model_and_mixes():
    made = frontier(*FOUR)  # means of 1/4 for 1 and 3/4 for 4.75
    assert best_static(made, [0.25]) == (0, 1.0, 1.0)
    single, cost, mix = best_static(made, [0.5])
    assert (single, cost) == (1, 4.75)
    assert mix == pytest.approx((1.0 + 4.75) / 2)
    assert best_static(made, [0.8]) == (None, None, None)


def test_one_model_for_everybody_keeps_every_promise():
    made = frontier(*FOUR, [0, 1, 0, 1], 2)  # tenant 0: 1/2 for 1, 1 for 4; tenant 1: 0 for 1, 1/2 for 5.5
    assert best_static(made, [0.5, 0.0]) == (0, 1.0, 1.0)
    single, cost, mix = best_static(made, [0.5, 0.25])
    assert (single, cost) == (1, 4.75)
    assert mix == pytest.approx((1.0 + 3.25) / 2)
    assert best_static(made, [0.5, 0.6]) == (None, None, None)
    assert best_static(made, [1.0, 0.5])[2] == pytest.approx(4.75)


def test_who_has_no_request_and_what_cannot_be_had_do_not_count():
    made = frontier([[1, 1], [1, 1]], [[np.inf, 1.0], [3.0, 3.0]], [0, 0], 2)
    assert best_static(made, [0.5, 9.0]) == (1, 3.0, 3.0)
    nothing = frontier([[1, 1], [1, 1]], [[np.inf, 1.0], [3.0, np.inf]])
    assert best_static(nothing, [0.5]) == (None, None, None)
    assert best_static(Frontier(2), [0.5]) == (None, None, None)
