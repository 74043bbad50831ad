"""What a request costs by the rule of dispatch: 8 replicas of one pool, and 10,000 of 200 pools, under the same load each.

CPU time between runs of n and of 2 n requests, so that what a cluster costs to set up is left out; the fastest of three.
`extra_info` has both and their ratio, which is to be at most 3.
"""

import time
from typing import Any

import pytest

from messsim.engines import compiled, prepare
from messsim.scenario import parse

REQUESTS = 100_000
RULES: dict[str, dict[str, Any]] = {
    "least_loaded": {},
    "least_loaded, ties at random": {"dispatch": "least_loaded", "ties": "random"},
    "least_loaded, polled": {"dispatch": "least_loaded", "state_delay_s": 0.05},
    "round_robin": {},
    "power_of_two": {},
    "random": {},
    "session": {},
    "prefix_affinity": {},
    "kv_router": {},
    "scored, polled": {"dispatch": "scored", "state_delay_s": 0.05},
}
CLUSTERS = {8: 1, 10_000: 200}  # replicas: pools


def scenario(rule: str, replicas: int, requests: int) -> dict[str, Any]:
    pools = CLUSTERS[replicas]
    serving = {"model": "one", "profile": "llama-3.1-8b", "gpu": "H100", "replicas": replicas // pools}
    memory = {"kv_block_tokens": 16, "prefix_cache": True}
    return {
        "requests": requests,
        "sla": {"alpha": 0.5},
        "arrivals": {"kind": "poisson", "rate_rps": 0.05 * replicas},
        "sessions": {"turns": 4, "think_s": 1.0, "followup": 50},
        "tokens": {"prompt": 200, "output": 100},
        "satisfaction": {"kind": "irt"},
        "features": {"dimensions": 1},
        "models": [{"name": "one", "satisfaction": 0.6}],
        "pools": [{"name": f"pool-{p}"} | serving | memory for p in range(pools)],
        "router": {"policy": "cheapest"},
        "cluster": {"dispatch": rule} | RULES[rule],
    }


def cpu_s(rule: str, replicas: int, requests: int) -> float:
    """Of one run, without what comes before it."""
    setup = prepare(parse(scenario(rule, replicas, requests)))
    started = time.process_time()
    compiled.simulate(setup, lambda _: None)
    return time.process_time() - started


def a_request_us(rule: str, replicas: int) -> float:
    """Microseconds of a request more."""
    rounds = 3
    longer = min(cpu_s(rule, replicas, 2 * REQUESTS) for _ in range(rounds))
    shorter = min(cpu_s(rule, replicas, REQUESTS) for _ in range(rounds))
    return (longer - shorter) / REQUESTS * 1e6


@pytest.mark.benchmark(group="dispatch among many replicas")
@pytest.mark.parametrize("rule", RULES)
def test_dispatch_among_many(benchmark: Any, rule: str) -> None:
    few, many = benchmark.pedantic(lambda: [a_request_us(rule, n) for n in CLUSTERS], rounds=1)
    benchmark.extra_info.update(few_us=round(few, 3), many_us=round(many, 3), ratio=round(many / few, 2))
    assert many < 3 * few
