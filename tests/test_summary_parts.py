"""The figures of a summary one by one, of outcomes and sums that are made up: each number, and where there is none."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from messsim.results import energy_of, summary
from messsim.results.oracle import Oracle


def pool(**changes):
    facts = {"idle_energy_j": 10.0, "idle_cost": 1.0, "energy_measured": True, "owned_usd": 0.5, "meter_j": 40.0}
    return SimpleNamespace(**facts | {"model": 0, "utilization": 0.5, "replicas": 2, "gpus": 4} | changes)


def of(*pools, **facts):
    return SimpleNamespace(pools=list(pools), **facts)


def priced(unit="USD", mode="replicas"):
    return SimpleNamespace(cost=SimpleNamespace(unit=unit), cluster=SimpleNamespace(mode=mode))


def test_energy_is_of_requests_and_of_what_idles():
    tally = SimpleNamespace(energy_j=30.0, output_tokens=100)
    both = of(pool(), pool(idle_energy_j=5.0, energy_measured=False))
    energy = {"total_j": 45.0, "idle_j": 15.0, "j_per_output_token": 0.45, "measured": False}
    assert energy_of(both, tally) == energy
    tally.output_tokens = 0
    made = energy_of(of(pool()), tally)
    assert made == {"total_j": 40.0, "idle_j": 10.0, "j_per_output_token": None, "measured": True}
    assert energy_of(of(), tally) == dict.fromkeys(energy)


@pytest.mark.parametrize(
    ("unit", "pools", "total", "tokens", "usd"),
    [
        ("USD", [pool()], 3.0, 2_000_000, 1.5),
        ("J", [pool(), pool(owned_usd=1.5)], 3.0, 4_000_000, 0.5),  # what owning the priced GPUs costs
        ("J", [pool(owned_usd=0.0)], 3.0, 100, None),
        ("J", [], 3.0, 100, None),
        ("USD", [pool()], 0.0, 100, None),
        ("USD", [pool()], 3.0, 0, None),
    ],
)
def test_money_per_million_tokens(unit, pools, total, tokens, usd):
    assert summary._usd_per_million(priced(unit), of(*pools), total, tokens) == usd


@pytest.mark.parametrize(
    ("mode", "own", "ratio"), [("none", 2.0, 1.5), ("none", None, None), ("none", 0.0, None), ("replicas", 2.0, None)]
)
def test_the_ratio_to_the_oracle_is_of_known_costs(mode, own, ratio):
    tally = SimpleNamespace(cost=12.0, arrived=4)
    assert summary._ratio_to_oracle(priced(mode=mode), tally, Oracle(1.0, own, 0.0)) == ratio


def test_throughput_ends_with_the_last_answer():
    tally = SimpleNamespace(last_answer_s=4.0, output_tokens=100, count={"completed": 8}.get)
    rates = {"duration_s": 4.0, "requests_per_s": 2.0, "output_tokens_per_s": 25.0}
    assert summary._throughput(of(pool()), tally) == rates
    assert summary._throughput(of(), tally) == dict.fromkeys(rates)
    tally.last_answer_s = 0.0
    assert summary._throughput(of(pool()), tally) == dict.fromkeys(rates)


@pytest.mark.parametrize(
    ("fleet", "started", "cached"),
    [
        ([(False, None), (False, None)], 100, (None, None, None)),
        ([(False, None), (True, None)], 100, (0.25, 25, 7)),
        ([(False, 0.0)], 100, (0.25, 25, 7)),  # an API's, at no price
        ([(True, None)], 0, (None, 25, 7)),
    ],
)
def test_what_caches_held_is_of_the_prompts_begun(fleet, started, cached):
    pools = [SimpleNamespace(prefix_cache=c, usd_per_million_cached_prompt_tokens=usd) for c, usd in fleet]
    tally = SimpleNamespace(started_prompt_tokens=started, cached_prompt_tokens=25, cached_recompute_tokens=7)
    made = summary._cache(pools, tally)
    assert tuple(made.values()) == cached
    assert list(made) == ["hit_rate", "cached_prompt_tokens", "cached_recompute_tokens"]


def test_the_figures_of_a_model_are_of_its_answers_and_pools():
    tally = SimpleNamespace(answered=np.array([3, 1, 0]), satisfied=np.array([1.5, 1.0, 0.0]))
    tally.visible_cost = np.array([6.0, 5.0, 0.0])
    scenario = SimpleNamespace(model_names=["a", "b", "c"])
    pools = of(pool(), pool(utilization=0.8, replicas=1), pool(utilization=None), pool(model=1, utilization=None))
    made = [list(summary._model(scenario, pools, tally, m).values()) for m in range(3)]
    assert made == [
        ["a", 0.75, 3, 0.5, 2.0, pytest.approx(0.6), 120.0, 30.0],
        ["b", 0.25, 1, 1.0, 5.0, None, 40.0, 10.0],
        ["c", 0.0, 0, None, None, None, None, None],
    ]
    tally.answered = np.zeros(3, int)
    assert summary._model(scenario, pools, tally, 0)["share"] is None


@pytest.mark.parametrize(
    ("begun", "last_s", "decides", "figures"),
    [
        (4, 2.0, True, (0.5, 0.25, 0.1)),  # of two workers in each of two instances
        (4, 0.0, True, (0.5, 0.25, None)),
        (4, 0.1, True, (0.5, 0.25, 1.0)),
        (0, 2.0, True, (None, None, None)),
        (4, 2.0, False, (None, None, None)),
    ],
)
def test_times_of_a_router_that_takes_time(begun, last_s, decides, figures):
    router = SimpleNamespace(decision_s=0.25 if decides else None, workers=2, instances=2)
    outcome = SimpleNamespace(
        router=SimpleNamespace(begun=begun, wait_s=2.0, busy_s=1.0, used_s=0.8), last_arrival_s=last_s
    )
    made = summary._router(SimpleNamespace(router=router), outcome)
    assert (made["wait_s"], made["decision_s"], made["utilization"]) == figures


@pytest.mark.parametrize(
    ("roles", "begun", "ended", "figures"),
    [
        (["both", "both"], 4, 2, (None, None, None, None)),
        (["prefill", "decode"], 4, 2, (4, 0.5, 1.5, 5.0)),
        (["both", "prefill"], 0, 0, (0, None, None, 5.0)),
    ],
)
def test_transfers_are_of_pools_that_are_split(roles, begun, ended, figures):
    done = SimpleNamespace(begun=begun, ended=ended, wait_s=2.0, takes_s=3.0, bytes=5e9)
    fleet = [SimpleNamespace(role=role) for role in roles]
    made = summary._transfers(fleet, SimpleNamespace(transfers=done))
    assert (made["begun"], made["wait_s"], made["transfer_s"], made["gigabytes"]) == figures


@pytest.mark.parametrize(
    ("stated", "pools", "end_s", "which", "figures"),
    [
        (True, [pool()], 2.0, [0, 1], (0.5, 2.0)),
        (True, [pool()], 2.0, [1], (0.25, 0.5)),
        (True, [pool()], 0.0, [0, 1], (0.5, None)),
        (True, [pool()], 2.0, [2], (None, 0.0)),
        (False, [pool()], 2.0, [0, 1], (None, None)),
        (True, [], 2.0, [0, 1], (None, None)),
    ],
)
def test_objectives_are_kept_by_a_share_of_those_who_came(stated, pools, end_s, which, figures):
    slo = SimpleNamespace(stated=stated, ttft_s=0.5, tpot_s=None, e2e_s=2.0)
    counts = {"tenant_arrived": np.array([4, 4, 0]), "tenant_attained": np.array([3, 1, 0])}
    tally = SimpleNamespace(**counts, last_answer_s=end_s)
    made = summary._attained(of(*pools, last_arrival_s=end_s / 4), slo, tally, which)
    assert (made["attainment"], made["goodput_rps"]) == figures
    assert (made["ttft_s"], made["tpot_s"], made["e2e_s"]) == (0.5, None, 2.0)


@pytest.mark.parametrize(("horizon_s", "until_s"), [(None, 7.0), (9.0, 9.0)])
def test_windows_are_judged_that_were_over_before_traffic_ended(horizon_s, until_s):
    closed = []

    def close(at_s):
        closed.append(at_s)
        return SimpleNamespace(count=4, violated=1, violation_rate=0.25, worst=0.5)

    scenario = SimpleNamespace(horizon_s=horizon_s, sla=SimpleNamespace(window_s=60.0, window_requests=None))
    made = summary._windows(scenario, SimpleNamespace(last_arrival_s=7.0), SimpleNamespace(close=close))
    assert list(made.values()) == [60.0, None, 4, 1, 0.25, 0.5]
    assert closed == [until_s]
    assert summary._windows(scenario, None, None) is None


@pytest.mark.parametrize(("platform", "mib"), [("linux", 3.0), ("darwin", 3.0 / 1024)])
def test_peak_memory_is_told_in_kib_by_linux_and_in_bytes_by_macos(monkeypatch, platform, mib):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(summary.resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=3072))
    assert summary.peak_rss_mib() == mib
