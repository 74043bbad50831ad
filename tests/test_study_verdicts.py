"""Requirements judged on replications, by hand.

Student's t at 95 %: 12.7062 with one degree of freedom, 4.30265 with two, 2.77645 with four.
"""

from typing import Any

import pytest

from messsim.errors import SimulationError
from messsim.results.figures import Requirement
from messsim.study.runs.verdicts import is_promise, out_of_reach, overall, values_of, verdict_of

FAILED_RUN = SimulationError("replication 1 stopped")


def requirement(operator: str, bound: float, path: str = "latency_s.ttft.p95") -> Requirement:
    return Requirement(path, operator, bound)


def rows_of(*values: Any, path: str = "latency_s.ttft.p95"):
    return [{path.replace(".", "_"): v} for v in values]


@pytest.mark.parametrize(
    ("values", "known"),
    [
        ([1, 2.5], [1.0, 2.5]),
        ([True, False], [1.0, 0.0]),
        ([None, 3], [3.0]),
        (["4"], []),
        ([], []),
    ],
)
def test_values_are_numbers_of_the_rows_that_have_the_figure(values, known):
    assert values_of("latency_s.ttft.p95", rows_of(*values)) == known
    assert values_of("latency_s.ttft.p99", rows_of(*values)) == []


@pytest.mark.parametrize(
    ("values", "level"),
    [((0.7, 0.7, 0.7), "met"), ((0.7 - 1e-13,) * 3, "met"), ((0.6, 0.8), "uncertain"), ((0.6,) * 3, "failed")],
)
def test_what_equals_its_bound_may_be_off_by_rounding(values, level):
    assert verdict_of(requirement("==", 0.7), rows_of(*values))["verdict"] == level


# Of 1 and 3: mean 2, variance 2, so 12.7062 x sqrt(2 / 2) on both sides.
HALF = 12.7062047


def test_a_verdict_has_the_mean_and_the_interval():
    verdict = verdict_of(requirement("<", 20.0), rows_of(1.0, 3.0))
    assert verdict["low"] == pytest.approx(2.0 - HALF)
    assert verdict["high"] == pytest.approx(2.0 + HALF)
    del verdict["low"], verdict["high"]
    assert verdict == {
        "requirement": "latency_s.ttft.p95<20",
        "path": "latency_s.ttft.p95",
        "operator": "<",
        "bound": 20.0,
        "mean": 2.0,
        "verdict": "met",
        "reason": None,
    }


@pytest.mark.parametrize(
    ("operator", "bound", "level"),
    [
        ("<", 14.71, "met"),
        ("<", 14.70, "uncertain"),
        ("<", -10.70, "uncertain"),
        ("<", -10.71, "failed"),
        (">", -10.71, "met"),
        (">", -10.70, "uncertain"),
        (">", 14.70, "uncertain"),
        (">", 14.71, "failed"),
        ("==", 2.0, "uncertain"),
        ("==", 14.70, "uncertain"),
        ("==", 14.71, "failed"),
        ("==", -10.71, "failed"),
    ],
)
def test_the_whole_interval_decides(operator, bound, level):
    assert verdict_of(requirement(operator, bound), rows_of(1.0, 3.0))["verdict"] == level


@pytest.mark.parametrize(
    ("operator", "bound", "level"),
    [
        ("<=", 2.0, "met"),
        ("<", 2.0, "failed"),
        (">=", 2.0, "met"),
        (">", 2.0, "failed"),
        ("==", 2.0, "met"),
        ("==", 2.5, "failed"),
    ],
)
def test_equal_values_have_an_interval_without_width(operator, bound, level):
    assert verdict_of(requirement(operator, bound), rows_of(2.0, 2.0))["verdict"] == level


def test_one_replication_is_uncertain_and_has_its_value():
    verdict = verdict_of(requirement("<", 2.0), rows_of(1.0))
    assert (verdict["mean"], verdict["low"], verdict["high"]) == (1.0, None, None)
    assert (verdict["verdict"], verdict["reason"]) == ("uncertain", "one replication has no interval")


def test_a_run_that_failed_fails_every_requirement_with_the_first_reason():
    verdict = verdict_of(requirement("<", 2.0), [*rows_of(1.0), FAILED_RUN, SimulationError("later")])
    assert (verdict["verdict"], verdict["reason"], verdict["mean"]) == ("failed", "replication 1 stopped", None)


def test_a_figure_that_one_run_does_not_have_fails():
    verdict = verdict_of(requirement("<", 2.0), rows_of(1.0, None))
    assert (verdict["verdict"], verdict["reason"]) == ("failed", "a run has no such figure (null)")
    assert verdict["mean"] is None


SATISFACTION = "sla.satisfaction"


@pytest.mark.parametrize(
    ("kept", "of", "share", "level"),
    [
        (9, 10, 0.9, "met"),
        (8, 10, 0.9, "failed"),
        (10, 10, 1.0, "met"),
        (9, 10, 1.0, "failed"),
        (1, 2, 0.5, "met"),
        (0, 2, 0.5, "failed"),
    ],
)
def test_a_promise_is_met_in_a_share_of_the_replications(kept, of, share, level):
    rows = rows_of(*[0.6] * kept, *[0.4] * (of - kept), path=SATISFACTION)
    verdict = verdict_of(requirement(">=", 0.5, SATISFACTION), rows, share)
    assert (verdict["verdict"], verdict["kept"]) == (level, kept)


def test_a_promise_is_kept_in_nine_of_ten_replications_unless_asked_otherwise():
    rows = rows_of(*[0.6] * 17, *[0.4] * 3, path=SATISFACTION)
    assert verdict_of(requirement(">=", 0.5, SATISFACTION), rows)["verdict"] == "failed", "17 of 20 are fewer than 0.9"
    assert verdict_of(requirement(">=", 0.5, SATISFACTION), rows[:19][2:])["verdict"] == "failed", "15 of 17"
    assert verdict_of(requirement(">=", 0.5, SATISFACTION), rows[:18])["verdict"] == "met", "17 of 18"


@pytest.mark.parametrize(
    ("path", "operator", "promise"),
    [
        ("sla.satisfaction", ">=", True),
        ("sla.satisfaction", ">", True),
        ("sla.satisfaction", "==", True),
        ("sla.satisfaction", "<=", False),
        ("sla.margin", ">=", True),
        ("sla.shortfall", ">=", False),
        ("tenants.gold.satisfaction", ">=", True),
        ("tenants.gold.margin", ">=", True),
        ("tenants.gold.margin", "<", False),
        ("tenants.gold.share", ">=", False),
        ("models.8b.satisfaction", ">=", False),
    ],
)
def test_what_bounds_satisfaction_from_below_is_a_promise(path, operator, promise):
    assert is_promise(Requirement(path, operator, 0.5)) is promise


@pytest.mark.parametrize(
    ("missed", "seen", "seeds", "out"),
    [
        # k/n + t sqrt(k (n - k) / (n - 1)) / n >= 1, with t of n - 1 degrees of freedom
        (0, 1, 2, False),
        (1, 1, 2, True),  # 1/2 + 12.7 x 1 / 2
        (1, 1, 3, True),  # 1/3 + 4.303 x 1 / 3 = 1.77
        (1, 1, 5, False),  # 1/5 + 2.776 x 1 / 5 = 0.755
        (2, 2, 5, True),  # 2/5 + 2.776 x 1.2247 / 5 = 1.08
        (2, 5, 5, True),
        (5, 5, 5, True),
        (5, 5, 10, False),  # (5 + 2.262 x sqrt(5 x 5 / 9)) / 10 = 0.877
        (6, 6, 10, False),  # 0.969
        (7, 7, 10, True),  # 1.046
        (1, 1, 1, False),
    ],
)
def test_what_others_cannot_make_up_for_is_out_of_reach(missed, seen, seeds, out):
    rows = rows_of(*[3.0] * missed, *[1.0] * (seen - missed))
    assert out_of_reach(requirement("<", 2.0), rows, seeds) is out


@pytest.mark.parametrize(
    ("missed", "seeds", "share", "out"),
    [(0, 10, 0.9, False), (1, 10, 0.9, False), (2, 10, 0.9, True), (1, 2, 0.5, False), (2, 2, 0.5, True)],
)
def test_a_promise_is_out_of_reach_where_too_few_replications_are_left(missed, seeds, share, out):
    rows = rows_of(*[0.4] * missed, path=SATISFACTION)
    assert out_of_reach(requirement(">=", 0.5, SATISFACTION), rows, seeds, share) is out


def test_one_other_value_puts_equality_out_of_reach():
    assert out_of_reach(requirement("==", 2.0), rows_of(2.0, 2.5), 5)
    assert not out_of_reach(requirement("==", 2.0), rows_of(2.0, 2.0), 5)


def test_a_failed_run_or_a_missing_figure_puts_everything_out_of_reach():
    assert out_of_reach(requirement("<", 2.0), [*rows_of(1.0), FAILED_RUN], 5)
    assert out_of_reach(requirement("<", 2.0), rows_of(1.0, None), 5)
    assert not out_of_reach(requirement("<", 2.0), rows_of(1.0, 1.5), 5)
    assert not out_of_reach(requirement("<", 2.0), [], 5)


@pytest.mark.parametrize(
    ("levels", "level"),
    [
        (["met", "met"], "met"),
        (["met", "uncertain"], "uncertain"),
        (["uncertain", "failed", "met"], "failed"),
        (["failed"], "failed"),
        ([], "met"),
    ],
)
def test_the_worst_verdict_is_that_of_all(levels, level):
    base = verdict_of(requirement("<", 2.0), rows_of(1.0, 1.0))
    assert overall([base | {"verdict": one} for one in levels]) == level
