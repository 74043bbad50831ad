"""The index of the rule `scored` over large fleets against the SimPy engine, which looks at all."""

import random

import pytest
from builders import api, model, pool, run, scenario
from test_dispatch import many
from test_engines_equal import assert_equal

from messsim.scenario import parse

WEIGHTS = ["queue", "kv_cache", "prefix", "load", "token_load", "session", "no_hit_lru", "active"]
SERVING = {"prefix_cache": True, "kv_block_tokens": 4, "kv_capacity_tokens": 400, "max_num_seqs": 3}


def cluster_of(seed: int, delay_s: float, failures: dict) -> dict:
    """The rule with weights of which some are 0, and much is equal."""
    chance = random.Random(seed)
    weights = {name: chance.choice([0.0, 0.0, 0.5, 1.0, 2.0, 3.0]) for name in WEIGHTS}
    scored = {
        "weights": weights,
        "index_block_tokens": 4,
        "index_blocks": chance.choice([12, 10_000]),
        "max_load_tokens": chance.choice([40, 4_194_304]),
        "idle_requests": chance.choice([0, 1]),
        "cold_replicas": chance.choice([5, 1024]),
        "sticky_until_saturated": chance.random() < 0.25,
    }
    return {"dispatch": "scored", "state_delay_s": delay_s, "failures": failures, "scored": scored}


AT_RANDOM = {"mtbf_s": 40.0, "mttr_s": 2.0}
OUTAGES = {"schedule": [{"pool": "steady", "replica": k, "at_s": 0.4 * k, "for_s": 1.5} for k in range(12)]}


def fleet(seed: int, delay_s: float, pools: list[dict], failures: dict = AT_RANDOM):
    cluster = cluster_of(seed, delay_s, failures)
    return many("scored", delay_s, seed=seed, pools=pools, cluster=cluster, requests=300)


def scaled(rule: str, **more) -> dict:
    cold = {"fixed_s": 0.5, "weights_gb": 0.0, "compile_s": 0.0, "init_s": 0.0}
    steps = {"period_s": 0.5, "down_window_s": 0.0, "up_window_s": 0.0, "cold_start": cold}
    return {"rule": rule, "min_replicas": 12} | steps | more


@pytest.mark.parametrize("delay_s", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(12))
def test_whatever_the_weights_of_replicas_that_fail_load_and_drain(seed, delay_s):
    """90 replicas of three pools, whose memories differ; a third of them come and go by what they have to do."""
    rules = [
        scaled("target", target=1.0),
        scaled("concurrency", target=1.0),
        scaled("saturation", saturated_usage=0.05, spare_usage=0.01),
    ]
    pools = [
        pool("only", **SERVING, name="steady", replicas=30),
        pool("only", **SERVING | {"kv_capacity_tokens": 300}, name="smaller", replicas=30),
        pool("only", **SERVING, name="scaled", replicas=30, autoscale=rules[seed % 3]),
    ]
    assert_equal(parse(fleet(seed, delay_s, pools, OUTAGES)))


@pytest.mark.parametrize("seed", range(8))
def test_of_those_that_prefill_for_others(seed):
    """40 of them, whose memory is free when another replica has what it held."""
    prefill = SERVING | {"role": "prefill", "kv_bytes_per_token": 25e6}
    decode = SERVING | {"role": "decode", "prefix_cache": False}
    pools = [pool("only", **prefill, name="p", replicas=40), pool("only", **decode, name="d", replicas=12)]
    assert_equal(parse(fleet(seed, 0.0, pools)))


@pytest.mark.parametrize("seed", range(8))
def test_of_those_whose_pool_is_full_the_others_are_looked_at(seed):
    """Now and then a pool takes no more, and now and then a prompt is too long for one."""
    pools = [
        pool("only", **SERVING, name="short", replicas=20, max_model_len=40),
        pool("only", **SERVING | {"max_num_seqs": 1}, name="long", replicas=20),
    ]
    data = fleet(seed, 0.0, pools)
    data["cluster"]["admission"] = {"max_waiting": 2}
    assert_equal(parse(data))


@pytest.mark.parametrize("other", ["queue", "load", "kv_cache", "active"])
@pytest.mark.parametrize("seed", [2, 5, 6, 15])
def test_whose_prompts_under_way_are_all_that_it_has_to_do_ties_with_who_has_nothing(seed, other):
    weights = dict.fromkeys(WEIGHTS, 0.0) | {"token_load": 1.0, other: 1.0}
    cached = {"prefix_cache": True, "kv_block_tokens": 4, "kv_capacity_tokens": 4000, "max_num_seqs": 4}
    scored = {"weights": weights, "index_block_tokens": 4, "max_load_tokens": 400}
    alike = many(
        "scored",
        0.0,
        seed=seed,
        pools=[pool("only", replicas=30, **cached)],
        cluster={"dispatch": "scored", "scored": scored},
        prefixes={"groups": 3, "tokens": 8},
        sessions={"turns": 4, "think_s": 0.5, "followup": 4},
        tokens={"prompt": {"kind": "constant", "tokens": 8}},
        arrivals={"kind": "poisson", "rate_rps": 40.0},
        requests=300,
    )
    assert_equal(parse(alike))


def test_a_fleet_at_rest_is_all_ties():
    """Ten requests an hour: every choice is among all 60, by the draw."""
    pools = [pool("only", **SERVING, replicas=60)]
    arrivals = {"kind": "poisson", "rate_rps": 10 / 3600}
    weights = {"queue": 2.0, "kv_cache": 2.0, "prefix": 0.0}
    cluster = {"dispatch": "scored", "scored": {"weights": weights}}
    data = many("scored", 0.0, pools=pools, arrivals=arrivals, cluster=cluster, sessions=None, requests=120)
    assert_equal(parse(data))
    assert len(set(run(data, "compiled").records.replica.tolist())) > 45


def test_the_timeline_of_many_replicas_is_thinned_alike():
    """4,100 replicas have at most 512 samples."""
    large = {"models": [model("large", 0.8, replicas=4100)], "cluster": {"dispatch": "round_robin"}}
    data = scenario(requests=513, arrivals={"kind": "poisson", "rate_rps": 500.0}, **large)
    outcomes = [run(data, engine).outcome for engine in ("simpy", "compiled")]
    assert [s.request for s in outcomes[0].timeline.samples] == list(range(0, 513, 2))
    assert repr(list(outcomes[1].timeline.samples)) == repr(outcomes[0].timeline.samples)


@pytest.mark.parametrize("rule", ["least_loaded", "shared_queue", "round_robin"])
@pytest.mark.parametrize("on_failure", ["retry", "lose"])
def test_records_of_a_large_fleet_that_are_written_in_two_parts_are_whole(rule, on_failure):
    """300 replicas that fail, clients who give up and ask again, an API, and a horizon before the last answers."""
    serving = {"max_num_seqs": 2, "kv_capacity_tokens": 60}
    pools = [
        pool("only", **serving, name="near", replicas=150),
        pool("only", **serving, name="far", replicas=150),
        {"model": "only", "name": "theirs", **api()},
    ]
    failures = {"mtbf_s": 3.0, "mttr_s": 1.0, "on_failure": on_failure}
    clients = {"patience_s": 1.0, "retries": 2, "backoff_s": 0.1, "abort": True}
    data = many(
        "random", 0.0, pools=pools, cluster={"dispatch": rule, "failures": failures}, clients=clients, sessions=None,
        arrivals={"kind": "poisson", "rate_rps": 400.0}, requests=None, horizon_s=3.5,
    )  # fmt: skip
    assert_equal(parse(data))
    records = run(data, "compiled").records
    assert records.preemptions.max() > 0
    assert records.attempts.max() > 1
    assert len(set(records.status.tolist())) >= 3


def test_who_starts_before_another_at_one_instant_has_looked_at_what_comes_back_to_a_shared_queue():
    """Five replicas whose iterations end together, whose memory is short, and who come and go."""
    cold_start = {"fixed_s": 0.25, "weights_gb": 4.0, "load_gb_per_s": 8.0, "compile_s": 0.5, "init_s": 0.5}
    scaling = {"rule": "target", "target": 4.0, "tolerance": 0.0, "period_s": 1.0, "down_window_s": 0.0}
    serving = {"max_num_seqs": 8, "max_batched_tokens": 16, "kv_capacity_tokens": 200, "kv_block_tokens": 16}
    data = {
        "seed": 2,
        "sla": {"alpha": 0.6},
        "arrivals": {"kind": "poisson", "rate_rps": 5.0},
        "tokens": {"prompt": {"kind": "constant", "tokens": 5}},
        "satisfaction": {"kind": "irt"},
        "features": {"dimensions": 1},
        "models": [{"name": "a", "satisfaction": 0.4, "output": {"kind": "constant", "tokens": 20}}],
        "pools": [
            {
                "model": "a",
                "coefficients": {"a0_s": 0.25, "p0_w_per_gpu": 100.0, "p_idle_w_per_gpu": 10.0},
                "replicas": 5,
                "prefix_cache": True,
                "schedule": "vllm",
                "autoscale": scaling | {"min_replicas": 1, "zero_after_s": 0.5, "cold_start": cold_start},
                **serving,
            }
        ],
        "router": {"policy": "largest"},
        "cluster": {"dispatch": "shared_queue"},
        "requests": 60,
    }
    assert_equal(parse(data))


LIMITS = [
    {"requests_per_minute": 6.0, "burst_s": 10.0},
    {"tokens_per_minute": 200.0, "burst_s": 18.0},
    {"requests_per_minute": 12.0, "tokens_per_minute": 300.0, "burst_s": 12.0, "max_concurrent_requests": 1},
]


@pytest.mark.parametrize("are_all_limited", [True, False])
@pytest.mark.parametrize("own", [0, 1])
@pytest.mark.parametrize("rule", ["random", "least_loaded", "round_robin", "scored", "shared_queue"])
def test_of_many_apis_those_that_let_a_call_in(rule, own, are_all_limited):
    """24 APIs with limits of all kinds, some too short for long requests, of which one after the other is down."""
    limits = LIMITS if are_all_limited else [*LIMITS, {}, {}]
    pools = [
        {"model": "only", "name": f"api-{k}", **api(), **limits[k % len(limits)]}
        | ({"max_model_len": 60} if k % 7 == 0 else {})
        for k in range(24)
    ]
    outages = [{"pool": f"api-{k}", "at_s": 0.3 * k, "for_s": 0.8} for k in range(24)]
    data = many(
        "random",
        0.0,
        pools=[*pools, *[pool("only", **SERVING, name="own", replicas=2)] * own],
        cluster={"dispatch": rule, "failures": {"schedule": outages}},
        arrivals={"kind": "poisson", "rate_rps": 25.0},
    )
    assert_equal(parse(data))
    if own == 0:  # limits bind
        assert ("rejected" in run(data, "compiled").statuses) == are_all_limited
