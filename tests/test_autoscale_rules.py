"""Rules of autoscaling by themselves, look by look, at both sides of each threshold."""

import math

import pytest

from messsim.engines.autoscale import Autoscaler, Look, unsaturated
from messsim.engines.autoscale.look import remember
from messsim.engines.autoscale.saturation import Saturation
from messsim.engines.autoscale.schedule import floor_of_day
from messsim.scenario.autoscale import Autoscale

DAY = [{"at_s": 10, "replicas": 1}, {"at_s": 40, "replicas": 3}, {"at_s": 60, "replicas": 2}]


def autoscaler(rule, target=10.0, most=100, **more):
    return Autoscaler(Autoscale(rule=rule, **more), target, most)


@pytest.mark.parametrize(
    ("time_s", "expected"),
    [(0, 2), (9.9, 2), (10, 1), (39.9, 1), (40, 3), (59, 3), (60, 2), (99, 2), (100, 2), (110, 1), (145, 3), (200, 2)],
)
def test_the_step_of_the_day_that_holds(time_s, expected):
    assert floor_of_day(Autoscale(rule="schedule", schedule=DAY, day_s=100), time_s) == expected


def test_without_steps_the_day_asks_for_nobody():
    assert floor_of_day(Autoscale(rule="target"), 5.0) == 0.0


def test_a_schedule_is_followed_within_what_there_is():
    s = autoscaler("schedule", most=2, schedule=DAY, day_s=100, min_replicas=0)
    assert [s.wanted(Look(t, 0, 0, 50)) for t in (0, 10, 40)] == [2, 1, 2]
    assert autoscaler("schedule", schedule=DAY, day_s=100, min_replicas=2).wanted(Look(10, 1, 0, 0)) == 2


def test_what_is_older_than_a_window_is_forgotten():
    from collections import deque

    recent = deque([(0.0, 5.0), (1.0, 6.0), (2.0, 7.0)])
    remember(recent, 4.0, 8.0, 3.0)
    assert list(recent) == [(2.0, 7.0), (4.0, 8.0)]  # exactly as old as the window is too old


# ---- target ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ready", "loading", "unfinished", "expected"),
    [
        (10, 0, 80, 10),
        (10, 0, 90, 10),  # an eighth off is tolerated
        (10, 0, 91, 12),
        (10, 0, 70, 10),
        (10, 0, 69, 9),
        (6, 4, 91, 12),  # those that load count
        (0, 0, 1, 1),
        (0, 0, 33, 4),  # by four at once, or to twice the size
        (2, 0, 999, 6),
        (5, 0, 999, 10),
        (3, 0, 48, 6),
    ],
)
def test_target_wants_so_many_unfinished_requests_each(ready, loading, unfinished, expected):
    s = autoscaler("target", 8.0, down_window_s=0.0, tolerance=0.125)
    assert s.wanted(Look(15.0, ready, loading, unfinished)) == expected


def test_target_grows_by_the_least_advice_of_its_window():
    s = autoscaler("target", up_window_s=30.0, down_window_s=0.0)
    assert s.wanted(Look(0.0, 2, 0, 20)) == 2
    assert s.wanted(Look(15.0, 2, 0, 50)) == 2  # 15 s ago two were enough
    assert s.wanted(Look(29.0, 2, 0, 40)) == 2
    assert s.wanted(Look(30.0, 2, 0, 50)) == 4  # 30 s ago is out of the window: the least is 4


def test_target_shrinks_to_the_highest_advice_of_its_window():
    s = autoscaler("target", down_window_s=60.0)
    assert s.wanted(Look(0.0, 8, 0, 60)) == 6  # no look before this one
    s = autoscaler("target", down_window_s=60.0)
    s.wanted(Look(0.0, 8, 0, 80))
    assert s.wanted(Look(59.0, 8, 0, 30)) == 8
    assert s.wanted(Look(60.0, 8, 0, 20)) == 3
    assert s.wanted(Look(119.0, 3, 0, 5)) == 2


@pytest.mark.parametrize(
    ("idle_s", "expected"),
    [(0.0, 1), (299.0, 1), (300.0, 0)],
)
def test_target_goes_to_zero_when_nothing_was_there_for_long_enough(idle_s, expected):
    s = autoscaler("target", min_replicas=0, down_window_s=0.0)
    assert s.wanted(Look(0.0, 1, 0, 3)) == 1
    assert s.wanted(Look(100.0, 1, 0, 0)) == 1
    assert s.wanted(Look(100.0 + idle_s, 1, 0, 0)) == expected


def test_target_begins_to_wait_anew_after_a_request():
    s = autoscaler("target", min_replicas=0, down_window_s=0.0)
    s.wanted(Look(0.0, 1, 0, 0))
    s.wanted(Look(200.0, 1, 0, 1))
    assert s.wanted(Look(350.0, 1, 0, 0)) == 1
    assert s.wanted(Look(649.0, 1, 0, 0)) == 1
    assert s.wanted(Look(650.0, 1, 0, 0)) == 0
    assert s.may_end(650.0)
    assert not s.may_end(649.9)
    assert s.wanted(Look(700.0, 0, 0, 0)) == 0  # who is not there is not kept


def test_from_zero_a_pool_wakes_as_soon_as_something_is_there():
    s = autoscaler("target", min_replicas=0, tolerance=1.0)
    assert s.wanted(Look(0.0, 0, 0, 1)) == 1


# ---- concurrency ----------------------------------------------------------------------------------------


def concurrency(**more):
    given = {"stable_window_s": 60.0, "panic_window_s": 6.0, "panic_threshold": 2.0}
    return autoscaler("concurrency", **(given | more))


def test_concurrency_goes_by_the_mean_of_its_window():
    s = concurrency()
    assert s.wanted(Look(2.0, 2, 0, 20)) == 2
    assert s.wanted(Look(4.0, 2, 0, 30)) == 3  # a mean of 25
    assert s.wanted(Look(6.0, 3, 0, 13)) == 3  # 21
    assert s.wanted(Look(63.9, 3, 0, 0)) == 2  # without the first: 14.33
    assert s.wanted(Look(64.0, 2, 0, 0)) == 1  # without the second: 4.33


@pytest.mark.parametrize(
    ("unfinished", "rush"), [(31, False), (40, False), (41, True)]
)  # of two replicas a rush wants four or more, ceil(u / 10) / 2 >= 2
def test_concurrency_panics_from_its_threshold_on(unfinished, rush):
    s = concurrency(panic_threshold=2.5)
    for k in range(1, 30):
        s.wanted(Look(2.0 * k, 2, 0, 10))
    wanted = s.wanted(Look(60.0, 2, 0, unfinished * 3 - 20))  # three looks lie in the panic window
    assert (wanted > 3) is rush


def test_concurrency_only_grows_in_a_rush_and_for_a_window_after():
    s = concurrency()
    assert s.wanted(Look(2.0, 1, 0, 50)) == 5
    assert s.wanted(Look(4.0, 5, 0, 0)) == 5  # means of 25 want 3, but it is in a rush
    assert s.wanted(Look(62.0, 5, 0, 0)) == 5  # 60 s after the rush
    assert s.wanted(Look(62.1, 5, 0, 0)) == 2  # over: no less than half of five


def test_concurrency_shrinks_to_no_less_than_a_part_and_grows_to_no_more_than_a_multiple():
    s = concurrency(down_most_factor=4.0)
    assert s.wanted(Look(2.0, 9, 0, 0)) == 2  # 9 / 4 = 2.25
    s = concurrency(up_most_factor=1.5, panic_threshold=100.0)
    assert s.wanted(Look(2.0, 3, 0, 90)) == 5  # 4.5
    assert s.wanted(Look(4.0, 0, 1, 90)) == 2  # nobody is up: as one


# ---- saturation -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("replica", "counts"),
    [((0.79, 4.9), True), ((0.8, 0.0), False), ((0.0, 5.0), False), ((0.0, 0.0), True)],
)
def test_a_replica_is_saturated_from_either_threshold_on(replica, counts):
    settings = Autoscale(rule="saturation")
    assert unsaturated(settings, [replica, (0.5, 2.0), (1.0, 9.0)]) == (
        (2, 0.5 + replica[0], 2.0 + replica[1]) if counts else (1, 0.5, 2.0)
    )
    assert unsaturated(settings, []) == (0, 0.0, 0.0)


def saturation(ready, usage, waiting, *, loading=0, unfinished=9, count=None, **more):
    look = Look(0.0, ready, loading, unfinished, ready if count is None else count, usage, waiting, **more)
    return Saturation(Autoscale(rule="saturation")).wanted(look)


@pytest.mark.parametrize(
    ("ready", "usage", "waiting", "more", "expected"),
    [
        (2, 1.375, 4.0, {}, 2),  # 0.69 and 2 each: 0.11 and 3 to spare; of one there would be none
        (2, 1.42, 0.0, {}, 3),  # 0.09 to spare
        (2, 0.0, 4.1, {}, 3),  # 2.95 to spare
        (2, 0.7, 2.0, {}, 1),  # one would have 0.1 and 3 to spare
        (2, 0.71, 2.0, {}, 2),
        (2, 0.6, 2.1, {}, 2),
        (1, 0.1, 0.0, {}, 1),  # nobody would be left
        (3, 0.0, 0.0, {"count": 0}, 4),  # all are saturated
        (3, 0.0, 0.0, {"count": 1}, 3),
        (3, 0.0, 0.0, {"count": 2}, 2),
        (2, 0.0, 0.0, {"loading": 1}, 3),  # nothing while one loads
        (2, 1.6, 9.0, {"loading": 1}, 3),
        (2, 1.42, 0.0, {"another_grows": True}, 2),
        (2, 0.2, 0.0, {"another_shrinks": True}, 2),
        (2, 0.2, 0.0, {"another_grows": True}, 1),
        (1, 0.0, 0.0, {"unfinished": 0}, 0),
        (0, 0.0, 0.0, {"unfinished": 0, "loading": 1}, 0),
        (1, 0.0, 0.0, {"unfinished": 0, "unfinished_elsewhere": 1}, 1),
        (2, 0.0, 0.0, {"unfinished": 0}, 1),
    ],
)
def test_saturation_adds_one_or_takes_one(ready, usage, waiting, more, expected):
    assert saturation(ready, usage, waiting, **more) == expected


def test_a_pool_that_loads_to_help_the_others_waits_anew():
    s = autoscaler("saturation", min_replicas=0)
    s.wanted(Look(0.0, 1, 0, 0))
    assert s.may_end(600.0)
    s.wanted(Look(60.0, 0, 1, 0, unfinished_elsewhere=3))
    assert not s.may_end(659.0)
    assert s.may_end(660.0)


def test_before_any_look_no_pool_may_end():
    s = autoscaler("saturation", min_replicas=0)
    assert not s.may_end(1e9)
    assert s._idle_since_s == math.inf
