"""The search of a plan step by step: what is evaluated in which order, and why the rest is not."""

import pytest

from messsim.study.plan.candidates import Candidate, Kind
from messsim.study.plan.search import MOST_CHECKS, Evaluation, Search


def sizes(*replicas, gpu="A", tp=1):
    """Candidates of one kind."""
    return [Candidate((Kind(gpu, tp),) * len(r), r) for r in replicas]


ROW = sizes((1,), (2,), (3,))


class Tried(Search):
    """A search that notes what it evaluates and what it looks at once more."""

    def __init__(self, candidates, prices, met=(), *, helped=True, values=None, carries=(), promising=()):
        self.order, self.looked_at, self.heard = [], [], []
        values = values or prices or [float(c.gpus) for c in candidates]

        def evaluate(i):
            self.order.append(i)
            return Evaluation(i in met, helped, values[i])

        def look(i, best):
            self.looked_at.append((i, best))
            return i in promising

        super().__init__(
            candidates, prices, evaluate, look, lambda i: i not in carries, lambda: self.heard.append(self.best)
        )
        self.run()


def test_the_largest_comes_first_and_the_cheapest_that_is_met_is_the_best():
    s = Tried(ROW, [1.0, 2.0, 3.0], met={1, 2})
    assert s.order == [2, 1, 0], "of two that are left the dearer: the middle"
    assert s.best == 1
    assert s.heard == [2, 1, 1], "told after each"


def test_what_lies_within_one_that_is_not_met_is_assumed_to_fail_and_its_largest_looked_at():
    s = Tried(ROW, [1.0, 2.0, 3.0])
    assert (s.order, s.best, s.assumed) == ([2], None, {0, 1})
    assert s.looked_at == [(1, None)], "what fails at the edge fails below it"
    assert (s.checked, s.unchecked, s.violation) == ({1}, 0, None)


def test_nothing_is_assumed_where_more_replicas_do_not_help():
    s = Tried(ROW, [1.0, 2.0, 3.0], met={0}, helped=False)
    assert (s.order, s.best, s.assumed, s.looked_at) == ([2, 1, 0], 0, set(), [])


def test_one_that_is_met_against_the_assumption_ends_all_assumptions():
    s = Tried(ROW, [1.0, 2.0, 3.0], met={0, 1}, promising={1})
    assert (s.order, s.violation, s.best) == ([2, 1, 0], 1, 0)
    assert (s.assumed, s.too_small) == (set(), set())


def test_one_that_only_seemed_to_be_met_changes_nothing():
    s = Tried(ROW, [1.0, 2.0, 3.0], promising={1})
    assert (s.order, s.violation, s.best, s.checked) == ([2, 1], None, None, {1})
    assert s.assumed == {0, 1}


def test_what_is_too_small_is_not_evaluated_but_looked_at():
    s = Tried(ROW, [1.0, 2.0, 3.0], met={0, 1, 2}, carries={0, 1})
    assert (s.order, s.too_small, s.looked_at, s.best) == ([2], {0, 1}, [(1, 2)], 2)
    s = Tried(ROW, [1.0, 2.0, 3.0], met={0, 1, 2}, carries={0, 1}, promising={1})
    assert (s.order, s.violation, s.best) == ([2, 1, 0], 1, 0)


def test_the_largest_is_evaluated_even_if_it_would_be_called_too_small():
    s = Tried(ROW, [1.0, 2.0, 3.0], met={2}, carries={0, 1, 2})
    assert (s.order, s.too_small) == ([2], {0, 1})


def test_of_two_kinds_the_cheaper_largest_comes_first_and_may_spare_the_other():
    candidates = sizes((1,), (2,), gpu="H") + sizes((1,), (2,), gpu="A")
    s = Tried(candidates, [6.0, 8.0, 1.0, 2.0], met={0, 1, 2, 3})
    assert s.order == [3, 2]
    s = Tried(candidates, [1.5, 8.0, 1.0, 2.0], met={0, 1, 3})
    assert s.order == [3, 0, 2], "of 1.0 and 1.5 the middle is the dearer, and it is the best at once"
    assert s.best == 0


def test_one_replica_more_anywhere_makes_a_neighbour():
    square = sizes((1, 1), (1, 2), (2, 1), (2, 2))
    s = Tried(square, [2.0, 3.0, 3.5, 4.0])
    assert s.order == [3], "the only one without a larger neighbour"
    assert s.looked_at == [(2, None), (1, None)], "the dearest first, and not the smallest, which lies within them"


def test_a_cluster_without_a_model_is_no_neighbour_of_one_with_it():
    s = Tried(sizes((0, 1), (1, 1)), [1.0, 2.0], met={1})
    assert s.order == [0, 1]
    assert s.assumed == set(), "nor is it assumed to fail with the other"


def test_where_only_runs_tell_the_price_larger_ones_are_assumed_to_cost_more():
    s = Tried(sizes((1,), (2,), (3,), (4,)), None, met={1, 2, 3})
    assert s.order == [3, 1, 0]
    assert s.best == 1
    assert s.assumed == {2}
    assert s.looked_at == [(2, 1)], "the next above the best may be cheaper after all"


def test_only_the_next_above_the_best_is_looked_at():
    s = Tried(sizes((1,), (2,), (3,), (4,), (5,)), None, met={0, 1, 2, 3, 4})
    assert (s.order, s.best) == ([4, 2, 1, 0], 0)
    assert s.assumed == {3}
    assert s.looked_at == [], "one of four replicas is three above the best"


def test_a_larger_one_that_costs_less_is_found_and_ends_the_assumptions():
    s = Tried(sizes((1,), (2,), (3,), (4,)), None, met={1, 2, 3}, values=[1.0, 9.0, 2.0, 9.5], promising={2})
    assert (s.order, s.violation, s.best) == ([3, 1, 0, 2], 2, 2)


@pytest.mark.parametrize(
    ("values", "best"),
    [([5.0, 5.0], 1), ([4.0, 5.0], 0), ([None, 5.0], 1), ([None, None], 1)],
)
def test_the_cheapest_of_what_was_met_is_the_best_and_ties_go_to_fewer_gpus(values, best):
    s = Tried(sizes((1,), gpu="A", tp=4) + sizes((1,), gpu="B", tp=2), None, met={0, 1}, values=values)
    assert sorted(s.order) == [0, 1]
    assert s.best == best


def test_equal_price_and_gpus_go_to_the_first():
    assert Tried(sizes((1,), gpu="A") + sizes((1,), gpu="B"), None, met={0, 1}, values=[2.0, 2.0]).best == 0


def test_at_most_so_many_assumptions_are_checked_from_the_dearest_on():
    candidates = [c for k in range(MOST_CHECKS + 6) for c in sizes((1,), (2,), gpu=f"G{k}")]
    prices = [float(i) for i in range(len(candidates))]
    s = Tried(candidates, prices)
    assert s.unchecked == 6
    assert [i for i, _ in s.looked_at] == list(range(2 * (MOST_CHECKS + 5), 10, -2))
    assert len(s.checked) == MOST_CHECKS == 64


def test_what_is_open_is_neither_evaluated_left_out_nor_dearer():
    s = Tried(ROW, [1.0, 2.0, 3.0], met={1, 2})
    assert [s.open(i) for i in range(3)] == [False] * 3
    s.evaluated = {}
    assert [s.costlier(i) for i in range(3)] == [False, True, True], "the price of the best itself is no less"
    assert [s.open(i) for i in range(3)] == [True, False, False]
    s.best = None
    assert [s.open(i) for i in range(3)] == [True] * 3
    s.too_small, s.assumed = {0}, {1}
    assert [s.open(i) for i in range(3)] == [False, False, True]
