"""Rules of dispatch that read prefix caches see them as old as the last look, by hand: looks at 2 s, 4 s, ..."""

import json
import random
from pathlib import Path

import pytest
from builders import model, pool, run, scenario
from test_dispatch import many
from test_engines_equal import assert_equal

from messsim.scenario import parse
from messsim.workload.chance import Chance

engines = pytest.mark.parametrize("engine", ["simpy", "compiled"])
OWN_RULES = Path(__file__).with_name("own_dispatch.py")
A, B = [1, 2], [5, 6, 7]  # prompts of 1,024 and 1,536 tokens, by hashes of blocks of 512


def where(folder, engine: str, cluster: dict, sent: list[tuple[float, list[int]]], seed: int = 1) -> list[int]:
    """Replicas of requests, half a second each, on two whose memory has 97 blocks of 16: one more than B's prompt."""
    rows = [
        {"timestamp": 1000 * t_s, "input_length": 512 * len(ids), "output_length": 2, "hash_ids": ids}
        for t_s, ids in [(0.0, [9]), *sent]
    ]
    file = folder / "trace.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    memory = {"kv_block_tokens": 16, "kv_capacity_tokens": 1552, "max_batched_tokens": 8192, "prefix_cache": True}
    data = scenario(
        requests=None,
        seed=seed,
        arrivals={"kind": "trace", "file": str(file), "format": "mooncake", "repeat": False},
        tokens={"prompt": {"kind": "trace"}, "output": {"kind": "trace"}},
        models=[model("only", replicas=2, **memory)],
        cluster=cluster,
    )
    return run(data, engine).records.replica.tolist()[1:]


def placed(delay_s: float, *places: int) -> dict:
    """A rule that goes where this says, at -1 where most is cached, of equals the first; replica 0 begins."""
    rule = f"{OWN_RULES}:listed_or_cached"
    return {"dispatch": rule, "own": {"params": [0, *places]}, "state_delay_s": delay_s}


@engines
@pytest.mark.parametrize(("delay_s", "t_s", "expected"), [(2, 1.9, 0), (2, 2.0, 1), (2, 5.9, 1), (0, 1.9, 1)])
def test_what_has_come_into_a_cache_is_seen_at_the_next_look(tmp_path, engine, delay_s, t_s, expected):
    assert where(tmp_path, engine, placed(delay_s, 1, -1), [(0.5, A), (t_s, A)]) == [1, expected]


@engines
@pytest.mark.parametrize(("delay_s", "t_s", "expected"), [(2, 3.9, 1), (2, 4.0, 0), (0, 3.9, 0)])
def test_what_was_evicted_is_seen_until_the_next_look(tmp_path, engine, delay_s, t_s, expected):
    """B has taken all memory of the replica with A by 3 s."""
    sent = [(0.5, A), (2.5, B), (t_s, A)]
    assert where(tmp_path, engine, placed(delay_s, 1, 1, -1), sent) == [1, 1, expected]


@engines
@pytest.mark.parametrize(("delay_s", "t_s", "expected"), [(2, 2.7, 0), (2, 4.0, 1), (0, 2.7, 1)])
def test_a_replica_that_failed_is_seen_to_have_nothing(tmp_path, engine, delay_s, t_s, expected):
    """Replica 1 has A as the look at 2 s sees, is down at once, and computes A again, which is seen at 4 s."""
    failures = {"schedule": [{"pool": "only", "replica": 1, "at_s": 2.0, "for_s": 0.05}]}
    cluster = placed(delay_s, 1, 1, -1) | {"failures": failures}
    assert where(tmp_path, engine, cluster, [(0.5, A), (2.06, A), (t_s, A)]) == [1, 1, expected]
    cluster = placed(delay_s, 1, -1) | {"failures": failures}
    assert where(tmp_path, engine, cluster, [(0.5, A), (2.06, A)]) == [1, 0]


def drawn(n: int, seed: int) -> list[int]:
    """Which of two idle replicas the kv_router draws for each request behind the first."""
    chance = Chance(seed)
    return [int(chance.one(chance.column("dispatch", "only"), 1 + i, odd=False) * 2) for i in range(n)]


def seed_of(wanted) -> int:
    return next(seed for seed in range(1, 100) if wanted(drawn(3, seed)))


@engines
@pytest.mark.parametrize(("delay_s", "t_s", "sees"), [(2, 1.9, False), (2, 2.0, True), (0, 1.9, True)])
def test_the_kv_router_hears_of_a_prompt_at_the_next_look(tmp_path, engine, delay_s, t_s, sees):
    """Unseen, it is drawn for as the first was, and the other replica is."""
    seed = seed_of(lambda places: places[0] != places[1])
    first, other, _ = drawn(3, seed)
    cluster = {"dispatch": "kv_router", "state_delay_s": delay_s}
    expected = [first, first if sees else other]
    assert where(tmp_path, engine, cluster, [(0.9, A), (t_s, A)], seed) == expected


@engines
@pytest.mark.parametrize(("delay_s", "t_s", "sees"), [(2, 3.9, True), (2, 4.0, False), (0, 3.9, False)])
def test_the_kv_router_hears_of_an_eviction_at_the_next_look(tmp_path, engine, delay_s, t_s, sees):
    seed = seed_of(lambda places: places[0] == places[1] != places[2])
    first, _, other = drawn(3, seed)
    cluster = {"dispatch": "kv_router", "state_delay_s": delay_s}
    expected = [first, first, first if sees else other]
    assert where(tmp_path, engine, cluster, [(0.9, A), (2.5, B), (t_s, A)], seed) == expected


def drawn_fleet(seed: int) -> dict:
    """Few replicas or many, whose memory is short or not; conversations, failures, prices of what a request adds."""
    chance = random.Random(seed)
    memory = {"prefix_cache": True, "kv_block_tokens": 4, "kv_capacity_tokens": chance.choice([140, 400])}
    schedule = chance.choice([{}, {"schedule": "sglang"}, {"max_batched_tokens": 8}])
    served = {"max_num_seqs": 3, "replicas": chance.choice([2, 3, 20])} | memory | schedule
    other = {"name": "other", "satisfaction": 0.8, "output": {"kind": "geometric", "mean": 6.0, "max": 60}}
    rules = ({"dispatch": "kv_router"}, {"dispatch": f"{OWN_RULES}:everything", "own": {"state": 1}})
    failures = {"mtbf_s": 30.0, "mttr_s": 1.0, "on_failure": "retry"}
    delay_s = chance.choice([0.1, 0.25, 0.7, 5.0])
    changes = {
        "seed": seed,
        "requests": 300,
        "pools": [pool("only", **served), pool("other", **served)],
        "router": {"cost_estimate": chance.choice(["known", "marginal"]), "V": 1e-2},
        "arrivals": {"kind": "poisson", "rate_rps": 3.0 * served["replicas"]},
        "cluster": rules[seed % 2] | {"state_delay_s": delay_s, "failures": failures},
    }
    data = many("random", delay_s, **changes)
    return data | {"models": [*data["models"], other]}


@pytest.mark.parametrize("seed", range(16))
def test_the_engines_see_the_same(seed):
    assert_equal(parse(drawn_fleet(seed)))
