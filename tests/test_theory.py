"""Queueing formulas against values of textbooks, special cases that reduce to others, and chains solved afresh."""

import math

import numpy as np
import pytest
from scipy import stats

from messsim.study.verify import theory


@pytest.mark.parametrize(
    ("servers", "offered", "blocked"),
    # tables of Erlang's loss formula (Iversen, Teletraffic Engineering and Network Planning)
    [(1, 1.0, 0.5), (2, 1.0, 0.2), (5, 3.0, 0.110054), (10, 5.0, 0.018385), (20, 12.0, 0.009796)],
)
def test_erlang_b(servers, offered, blocked):
    assert theory.erlang_b(servers, offered) == pytest.approx(blocked, abs=5e-7)


@pytest.mark.parametrize("rho", [0.1, 0.5, 0.9, 0.99])
def test_erlang_c(rho):
    assert theory.erlang_c(1, rho) == pytest.approx(rho)
    assert theory.erlang_c(2, 2 * rho) == pytest.approx(2 * rho**2 / (1 + rho))  # Kleinrock, Queueing Systems I, 3.5
    # by its sum: a^c / c! / (1 - rho) over all of it and what is below c
    a, c = 16 * rho, 16
    above = a**c / math.factorial(c) / (1 - rho)
    below = sum(a**k / math.factorial(k) for k in range(c))
    assert theory.erlang_c(c, a) == pytest.approx(above / (above + below))


def test_waits_of_one_server():
    assert theory.mmc_wait_s(1, 0.8, 2.0) == pytest.approx(theory.mg1_wait_s(0.8, 2.0, 1.0)) == pytest.approx(8.0)
    assert theory.mg1_wait_s(0.8, 2.0, 0.0) == pytest.approx(4.0)  # M/D/1 waits half as long
    assert theory.mmc_wait_s(2, 1.6, 1.0) == pytest.approx(0.8**2 / (1 - 0.8**2))
    assert theory.ps_response_s(0.75, 3.0) == pytest.approx(12.0)
    # the time in M/M/1 at load 1/2 is exponential with mean 2: half of it within 2 log 2
    assert theory.mm1_response_quantile_s(0.5, 1.0, 0.5) == pytest.approx(2 * math.log(2))


def test_departures_are_as_irregular_as_arrivals_or_services():
    assert theory.departures_scv(0.3, 1.0) == 1.0  # Burke
    assert theory.departures_scv(1.0, 0.25) == 0.25  # always busy: services
    assert theory.departures_scv(0.0, 7.0) == 1.0  # never busy: arrivals


@pytest.mark.parametrize("rho", [0.5, 0.9, 1.0, 1.3])
def test_a_limited_queue(rho):
    places = 5
    blocked, wait_s = theory.mmck(1, places, rho, 1.0)
    weights = np.array([rho**k for k in range(places + 1)])
    weights /= weights.sum()
    assert blocked == pytest.approx(weights[-1])
    accepted = weights[:-1] / weights[:-1].sum()  # who gets in finds k before them, and waits for each
    assert wait_s == pytest.approx(float(accepted @ np.arange(places)))


def test_limits_of_a_limited_queue():
    assert theory.mmck(16, 16, 14.0, 1.0) == (pytest.approx(theory.erlang_b(16, 14.0)), 0.0)
    blocked, wait_s = theory.mmck(2, 500, 1.6, 1.0)
    assert blocked < 1e-12
    assert wait_s == pytest.approx(theory.mmc_wait_s(2, 1.6, 1.0))


def test_machine_repair():
    # one server: the chance that all think is Erlang's loss of `clients` lines offered think / service
    thinking = theory.erlang_b(6, 5.0)
    assert theory.machine_repair_response_s(1, 6, 10.0, 2.0) == pytest.approx(6 * 2.0 / (1 - thinking) - 10.0)
    assert theory.machine_repair_response_s(4, 4, 10.0, 2.0) == pytest.approx(2.0)  # a server for each
    assert theory.machine_repair_response_s(1, 50, 1e-6, 2.0) == pytest.approx(100.0, rel=1e-5)  # nobody thinks


@pytest.mark.parametrize("rho", [0.2, 0.6, 0.9])
def test_gamma_gaps(rho):
    assert theory.gamma_m1_wait_s(rho, 1.0, 2.0) == pytest.approx(theory.mg1_wait_s(rho, 2.0, 1.0))
    # E2/M/1: x (2 rho + 1 - x)^2 = 4 rho^2 has, beside 1, the root below
    x = (1 + 4 * rho - math.sqrt(1 + 8 * rho)) / 2
    assert theory.gamma_m1_wait_s(rho, 0.5**0.5, 1.0) == pytest.approx(x / (1 - x))


@pytest.mark.parametrize(("rho", "above"), [(0.5, 28), (0.8, 10), (0.9, 5)])
def test_two_queues_wait_longer_than_one(rho, above):
    ratio = theory.shortest_of_two_wait_s(rho, 1.0) / theory.mmc_wait_s(2, 2 * rho, 1.0)
    assert round(100 * (ratio - 1)) == above


def test_the_shorter_queue_by_following_the_chain():
    """The same chain in uniform steps from empty queues until nothing changes, the longer one not told apart."""
    rho, most = 0.5, 40
    p = np.zeros((most, most))
    p[0, 0] = 1.0
    i, j = np.indices((most, most))
    for _ in range(4000):
        after = np.zeros_like(p)
        left, tie = i < j, i == j
        for share, to_first in ((p * (left + 0.5 * tie), True), (p * (~left & ~tie) + 0.5 * p * tie, False)):
            moved = 2 * rho * share
            after[1:, :] += moved[:-1, :] if to_first else 0.0
            after[:, 1:] += 0.0 if to_first else moved[:, :-1]
        after[:-1, :] += p[1:, :]
        after[0, :] += p[0, :]
        after[:, :-1] += p[:, 1:]
        after[:, 0] += p[:, 0]
        p = after / after.sum()
    assert theory.shortest_of_two_wait_s(rho, 1.0) == pytest.approx(float((p * np.minimum(i, j)).sum()), rel=1e-6)


def test_clients_who_give_up():
    # patience as long as a service: each leaves after a service's time, waiting or served, so as many are there as in
    # M/M/inf, a Poisson number; those beyond the servers wait
    k = np.arange(4, 200)
    waiting = float((k - 4) @ stats.poisson.pmf(k, 5.0))
    assert theory.gave_up(4, 5.0, 2.0, 2.0, False) == pytest.approx(waiting / 5.0)
    # served too: all leave at twice the rate, so the busy servers of M/M/inf at half the load
    assert theory.gave_up(300, 5.0, 2.0, 2.0, True) == pytest.approx(0.5)
    busy = 1.0 - theory.erlang_b(1, 0.9)  # nearly no patience: M/M/1/1
    assert theory.gave_up(1, 0.9, 1.0, 1e-9, False) == pytest.approx(1.0 - busy)
    assert theory.gave_up(2, 1.8, 1.0, 1e9, False) < 1e-7
    assert theory.gave_up(2, 5.0, 1.0, 100.0, False) == pytest.approx(1 - 2 / 5)  # the servers never rest


def test_clients_whose_patience_is_fixed():
    assert theory.gave_up_after(0.7, 2.0, 0.0) == pytest.approx(theory.erlang_b(1, 0.7))
    assert theory.gave_up_after(0.7, 2.0, 1e3) == pytest.approx(0.0, abs=1e-12)
    assert theory.gave_up_after(2.0, 2.0, 1e2) == pytest.approx(1 - 1 / 2.0)
    assert theory.gave_up_after(1.0, 2.0, 3.0) == pytest.approx(theory.gave_up_after(1.0 + 1e-9, 2.0, 3.0))
    # by simulating Lindley's recursion
    rng = np.random.default_rng(1)
    left, work_s, n = 0, 0.0, 200_000
    for gap_s, service_s in zip(rng.exponential(2.0 / 0.8, n), rng.exponential(2.0, n), strict=True):
        work_s = max(work_s - gap_s, 0.0)
        left += work_s > 3.0
        work_s += service_s * (work_s <= 3.0)
    assert theory.gave_up_after(0.8, 2.0, 3.0) == pytest.approx(left / n, rel=0.02)


@pytest.mark.parametrize(("rho", "pause_s"), [(0.3, 0.5), (0.6, 4.0)])
def test_clients_who_ask_again(rho, pause_s):
    """The chain of (busy, pausing) solved afresh: attempts are arrivals and returns, by arrival."""
    most = 150
    rates = np.zeros((2 * most, 2 * most))  # state busy * most + pausing
    for n in range(most):
        rates[n, most + n] += rho
        rates[most + n, n] += 1.0
        if n:
            rates[n, most + n - 1] += n / pause_s
        if n + 1 < most:
            rates[most + n, most + n + 1] += rho
    balance = (rates - np.diag(rates.sum(axis=1))).T
    balance[0] = 1.0
    p = np.linalg.solve(balance, np.eye(2 * most)[0])
    pausing = float(p @ np.tile(np.arange(most), 2))
    assert theory.retrial_attempts(rho, 1.0, pause_s) == pytest.approx(1.0 + pausing / pause_s / rho)
    assert theory.retrial_wait_s(rho, 1.0, pause_s) == pytest.approx(pausing / rho)  # Little
