"""The virtual queue: its recursion, its certificate on every path, and the queues that forget."""

import math
from collections import deque
from fractions import Fraction
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messsim import _core
from messsim.errors import OutOfMemory

unit = st.floats(0, 1)
ratings = st.lists(st.one_of(st.sampled_from([0.0, 1.0]), unit), max_size=300)
sixty_fourths = st.integers(0, 64).map(lambda k: k / 64)  # whose sums are exact
often = settings(derandomize=True, deadline=None, max_examples=300)


def queue_twin(alpha: float, satisfaction: list[float], discount: float = 1.0, start: float = 0.0) -> list[float]:
    queue, path = start, []
    for s in satisfaction:
        queue = max(0.0, discount * queue + (alpha - s))
        path.append(queue)
    return path


def rated_path(ledger: _core.Ledger, satisfaction: list[float]) -> list[float]:
    path = []
    for s in satisfaction:
        ledger.rate(s)
        path.append(ledger.queue)
    return path


def test_before_any_rating():
    ledger = _core.Ledger(0.7)
    assert (ledger.alpha, ledger.queue, ledger.plain, ledger.plain_max) == (0.7, 0.0, 0.0, 0.0)
    assert (ledger.rated, ledger.satisfied) == (0, 0.0)
    assert math.isnan(ledger.certificate)
    assert ledger.holds is True


def test_an_example_by_hand():
    ledger = _core.Ledger(0.75)
    assert rated_path(ledger, [0.0, 1.0, 0.0, 0.0, 0.5]) == [0.75, 0.5, 1.25, 2.0, 2.25]
    assert ledger.rated == 5
    assert ledger.satisfied == 1.5
    assert ledger.certificate == 0.75 - 2.25 / 5
    assert rated_path(ledger, [1.0] * 10)[-1] == 0.0
    assert ledger.plain_max == 2.25


def test_a_queue_that_has_begun_by_hand():
    """It began with 1, which five good answers use up: the bound is then above the promise by 1 of 8 answers."""
    ledger = _core.Ledger(0.75, initial=1.0)
    assert (ledger.queue, ledger.plain, ledger.plain_max, ledger.initial, ledger.rated) == (1.0, 1.0, 1.0, 1.0, 0)
    assert math.isnan(ledger.certificate)
    assert ledger.holds
    assert rated_path(ledger, [1.0, 1.0, 0.0]) == [0.75, 0.5, 1.25]
    assert ledger.certificate == 0.75 - (1.25 - 1.0) / 3
    assert rated_path(ledger, [1.0] * 5)[-1] == 0.0
    assert ledger.certificate == 0.75 + 1.0 / 8  # more than was promised: the place-holder has been used up
    assert ledger.certificate <= ledger.satisfied / ledger.rated == 7 / 8
    assert ledger.holds


@often
@given(unit, ratings)
def test_the_queue_follows_its_recursion(alpha, satisfaction):
    ledger = _core.Ledger(alpha)
    path = rated_path(ledger, satisfaction)
    assert path == queue_twin(alpha, satisfaction)
    assert ledger.plain == ledger.queue
    assert ledger.plain_max == max(path, default=0.0)
    assert ledger.rated == len(satisfaction)
    assert ledger.satisfied == [0.0, *accumulate(satisfaction)][-1]  # sum() compensates from Python 3.12 on


ways_to_forget = st.one_of(
    st.fixed_dictionaries(
        {"discount": st.sampled_from([0.0, 0.5, 0.9, 0.999, 1.0]), "initial": st.sampled_from([0.0, 0.7, 1e4])}
    ),
    st.fixed_dictionaries({"window": st.integers(1, 50)}),
)


@often
@given(unit, ratings, ways_to_forget)
def test_the_certificate_holds_on_every_path_however_the_queue_forgets(alpha, satisfaction, how):
    ledger = _core.Ledger(alpha, **how)
    for t, s in enumerate(satisfaction, start=1):
        ledger.rate(s)
        slack = t * 2.0**-52 * (ledger.plain_max + 1)
        assert ledger.holds
        assert ledger.certificate == pytest.approx(alpha - (ledger.plain - ledger.initial) / t, rel=1e-12, abs=1e-11)
        assert Fraction(ledger.certificate) - Fraction(slack) <= sum(map(Fraction, satisfaction[:t])) / t
    start = how.get("initial", 0.0)
    assert ledger.plain == (queue_twin(alpha, satisfaction, start=start) or [start])[-1]


@often
@given(sixty_fourths, st.lists(sixty_fourths, min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_the_certificate_holds_in_any_order_exactly(alpha, satisfaction, random):
    random.shuffle(satisfaction)
    ledger = _core.Ledger(alpha)
    rated_path(ledger, satisfaction)
    total = len(satisfaction)
    assert Fraction(sum(satisfaction)) >= total * Fraction(alpha) - Fraction(ledger.plain)


def test_the_certificate_is_reached():
    """It is the best bound there is: an identity as long as the queue was never empty."""
    ledger = _core.Ledger(0.5)
    rated_path(ledger, [0.0] * 7 + [1.0] * 3)
    assert ledger.certificate == ledger.satisfied / ledger.rated == 0.3


@often
@given(unit, ratings, st.sampled_from([0.0, 0.25, 0.9, 0.99]))
def test_a_discounted_queue_follows_its_recursion(alpha, satisfaction, discount):
    ledger = _core.Ledger(alpha, discount=discount)
    assert rated_path(ledger, satisfaction) == queue_twin(alpha, satisfaction, discount)


def window_twin(alpha: float, satisfaction: list[float], window: int) -> list[float]:
    recent: deque[float] = deque(maxlen=window)
    path = []
    for s in satisfaction:
        recent.append(alpha - s)
        path.append(max(0.0, math.fsum(recent)))
    return path


@often
@given(sixty_fourths, st.lists(sixty_fourths, max_size=300), st.integers(1, 60))
def test_a_windowed_queue_equals_a_deque(alpha, satisfaction, window):
    ledger = _core.Ledger(alpha, window=window)
    assert rated_path(ledger, satisfaction) == window_twin(alpha, satisfaction, window)


def test_a_windowed_queue_drifts_no_further_than_rounding():
    rng = np.random.default_rng(4)
    satisfaction = list(rng.random(50_000))
    path = rated_path(_core.Ledger(0.7, window=100), satisfaction)
    # each rating adds two roundings of a sum below 100: a random walk of 2^-47 a step
    np.testing.assert_allclose(path, window_twin(0.7, satisfaction, 100), rtol=0, atol=1e-11)


def test_a_window_longer_than_the_run_is_a_plain_sum():
    ledger = _core.Ledger(0.5, window=1000)
    assert rated_path(ledger, [1.0, 1.0, 0.0, 0.0, 0.0]) == [0.0, 0.0, 0.0, 0.0, 0.5]
    assert ledger.plain == 1.5  # which forgives nothing that it has forgotten


def test_a_window_beyond_memory_is_refused():
    with pytest.raises(OutOfMemory, match="MS_ERR_MEMORY"):
        _core.Ledger(0.5, window=2**58)
