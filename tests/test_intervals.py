"""Intervals over independent values: against SciPy, by hand, and by how often they cover."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from messsim.results.intervals import Interval, is_precise, paired_difference, replication_interval, student_t

values = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(values, st.sampled_from([0.8, 0.95, 0.99, 0.9999]))
def test_a_replication_interval_is_scipys(result, level):
    ours = replication_interval(result, level)
    error = stats.sem(result)
    assert ours.mean == pytest.approx(np.mean(result), rel=1e-9, abs=1e-6)
    assert ours.half_width == pytest.approx(stats.t.ppf(0.5 + level / 2, len(result) - 1) * error, rel=1e-6, abs=1e-6)
    assert ours.count == len(result)
    assert (ours.low, ours.high) == (ours.mean - ours.half_width, ours.mean + ours.half_width)


def test_by_hand():
    # mean 3, variance 2.5, t(0.975, 4) = 2.776445: half-width 2.776445 sqrt(2.5 / 5)
    interval = replication_interval([1, 2, 3, 4, 5])
    assert interval.mean == 3.0
    assert interval.half_width == pytest.approx(1.963243, abs=1e-6)
    assert interval.summary() == {"mean": 3.0, "low": interval.low, "high": interval.high, "level": 0.95, "count": 5}
    assert interval.covers(1.04)
    assert not interval.covers(1.03)
    assert interval.covers(1.03, slack=0.01)
    edged = Interval(mean=3.0, half_width=1.5, level=0.95, count=5)
    assert edged.covers(1.5)
    assert edged.covers(4.5)
    assert not edged.covers(4.5 + 1e-12)


def test_a_single_value_has_a_mean_and_no_interval():
    interval = replication_interval([2.5])
    assert (interval.mean, interval.half_width, interval.low, interval.high, interval.count) == (
        2.5,
        None,
        None,
        None,
        1,
    )
    assert not interval.covers(2.5)
    assert not is_precise(interval, 1.0)
    with pytest.raises(ValueError, match="no values"):
        replication_interval([])


def test_pairs_take_out_what_they_share():
    shared = np.random.default_rng(1).normal(0, 100, 30)
    difference = paired_difference((shared + 1).tolist(), shared.tolist())
    assert difference.mean == pytest.approx(1.0)
    assert difference.half_width < 1e-9
    apart = replication_interval(shared.tolist())
    assert apart.half_width > 20
    with pytest.raises(ValueError, match=r"zip\(\)"):
        paired_difference([1.0, 2.0], [1.0])


@pytest.mark.parametrize(("half_width", "precise"), [(0.099, True), (0.0999, False), (0.1, False)])
def test_precision_is_of_the_true_mean(half_width, precise):
    # the true mean may be as small as 10 - 0.099: 0.099 of that is 1 %
    assert is_precise(Interval(10.0, half_width, 0.95, 10), 0.01) is precise
    assert is_precise(Interval(-10.0, half_width, 0.95, 10), 0.01) is precise
    assert math.isclose(0.01 / 1.01 * 10, 0.0990099, rel_tol=1e-6)


def test_nothing_is_precise_about_a_mean_of_zero_unless_all_are():
    assert not is_precise(Interval(0.0, 1e-9, 0.95, 10), 0.5)
    assert is_precise(Interval(0.0, 0.0, 0.95, 10), 0.5)


def test_student_t_of_the_tables():
    # NIST/SEMATECH e-Handbook 1.3.6.7.2
    assert student_t(0.95, 1) == pytest.approx(12.706, abs=5e-4)
    assert student_t(0.95, 9) == pytest.approx(2.262, abs=5e-4)
    assert student_t(0.99, 30) == pytest.approx(2.750, abs=5e-4)


def test_they_cover_as_often_as_they_say():
    """400 intervals, each of 5 normal values; 364 to 393 is the exact binomial region of 99.9 % at 95 %."""
    rng = np.random.default_rng(7)
    hits = sum(replication_interval(rng.normal(3.0, 2.0, 5).tolist()).covers(3.0) for _ in range(400))
    assert 364 <= hits <= 393
