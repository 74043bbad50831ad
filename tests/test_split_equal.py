"""Split prefill and decode in random scenarios: both engines leave the same records, bit for bit.

The draws are those of test_engines_equal.py, with the pools of one model at least replaced by pools with roles.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sizes import cases
from strategies import without_own_limits
from test_dispatch import RULES, many
from test_engines_equal import (
    agree,
    assert_equal,
    autoscale,
    check_random,
    coefficients,
    nightly,
    outside_the_gpu,
    quick,
    scenarios,
)

from messsim.scenario import parse

DECODE_RULES = [None, "least_loaded", "power_of_two", "round_robin", "random"]


@st.composite
def with_role(draw, role, name, model, schedule):
    seqs, replicas = draw(st.sampled_from([1, 2, 4, 16])), draw(st.integers(1, 4))
    pool = {
        "model": model,
        "name": name,
        "role": role,
        "coefficients": draw(coefficients()),
        "replicas": replicas,
        "max_num_seqs": seqs,
        "max_batched_tokens": seqs + draw(st.sampled_from([0, 4, 32, 512])),
        "kv_capacity_tokens": draw(st.sampled_from([330, 400, 1000, 100_000])),
        "kv_block_tokens": draw(st.sampled_from([1, 1, 4])),
    }
    pool |= draw(outside_the_gpu()) | draw(autoscale(replicas)) | {"schedule": schedule}
    if schedule == "tensorrt-llm":
        pool |= draw(st.sampled_from([{"kv_policy": "recompute"}, {"kv_policy": "reserve", "max_new_tokens": 40}]))
    if role == "decode" and schedule == "vllm":
        pool["prefix_cache"] = draw(st.booleans())
    if role == "prefill":  # 25 or 100 MB in 1 GB/s: transfers of 0.1 s and more, that tie with iterations
        pool["kv_bytes_per_token"] = draw(st.sampled_from([1e3, 25e6, 1e8]))
        pool["prefix_cache"] = draw(st.booleans())
    return pool


@st.composite
def split(draw, data):
    """The same scenario with pools of roles for its first model, or all."""
    names = [model["name"] for model in data["models"]]
    chosen = names if draw(st.booleans()) else names[:1]
    cluster = data["cluster"]
    pools = [p for p in data["pools"] if p["model"] not in chosen]
    for model in chosen:
        schedule = draw(st.sampled_from(["vllm", "vllm", "sglang", "tensorrt-llm"]))
        for role in ["prefill", "decode", *draw(st.sampled_from([[], ["prefill"], ["decode"]]))]:
            pools.append(draw(with_role(role, f"{model}.{len(pools)}", model, schedule)))
    if "max_new_tokens" in data["tokens"]:
        without_own_limits(pools)
    agree(pools)
    if not any(f"{name}_per_minute" in pool for pool in pools for name in ("requests", "tokens")):
        data.get("clients", {}).pop("retry_after_max_s", None)
    failures = cluster.get("failures", {})
    if any("autoscale" in p for p in pools):
        failures.pop("mtbf_s", None)
    fixed = [p for p in pools if p.get("role") and "autoscale" not in p]
    failures.pop("schedule", None)
    if fixed and draw(st.booleans()):
        hit = draw(st.lists(st.sampled_from(fixed), min_size=1, max_size=2))
        at_s = st.sampled_from([0.25, 0.5, 1.0, 1.1, 3.0])
        outages = [{"pool": p["name"], "replica": p["replicas"] - 1, "at_s": draw(at_s), "for_s": 2.5} for p in hit]
        outages += [dict(o, replica=0, for_s=1.0) for o in outages if o["replica"]]
        cluster["failures"] = failures | {"schedule": outages}
    if data["arrivals"]["kind"] == "closed":
        data["arrivals"]["think_s"] = max(data["arrivals"]["think_s"], 0.25)
    if cluster["dispatch"] == "shared_queue":
        cluster["dispatch"] = "kv_router"
    cluster["transfer"] = {
        "dispatch": draw(st.sampled_from(DECODE_RULES)),
        "order": draw(st.sampled_from(["decode_first", "prefill_first"])),
        "latency_s": draw(st.sampled_from([0.0, 0.05, 0.25])),
        "bandwidth_gb_per_s": draw(st.sampled_from([1.0, 1e6])),
        "bandwidth_of": draw(st.sampled_from(["transfer", "prefill", "decode", "cluster"])),
        "first_token": draw(st.sampled_from(["after_prefill", "after_transfer"])),
    }
    router = data["router"]
    router["cost_estimate"] = "known" if router["cost_estimate"] == "marginal" else router["cost_estimate"]
    for phase in data["phases"]:
        if factors := phase.pop("price_factor", {}):
            phase["price_factor"] = {name: factor for name, factor in factors.items() if name not in chosen}
    prefixes = {"groups": 2, "tokens": 6}
    return data | {"pools": pools} | draw(st.sampled_from([{}, {"prefixes": prefixes}]))


split_scenarios = scenarios().filter(lambda data: data["pools"]).flatmap(split)


@settings(quick, max_examples=cases(60))
@given(split_scenarios)
def test_the_engines_are_equal_with_split_prefill_and_decode(data):
    check_random(data)


@pytest.mark.parametrize("rule", RULES)
def test_an_index_of_many_that_prefill_says_what_looking_at_all_says(rule):
    data = many(rule, 0.0)
    serving = data["pools"][0]
    prefill = serving | {"name": "p", "role": "prefill", "kv_bytes_per_token": 1e6}
    decode = serving | {"name": "d", "role": "decode", "prefix_cache": False}
    assert_equal(parse(data | {"pools": [prefill, decode]}))


@pytest.mark.slow
@nightly
@given(split_scenarios)
def test_the_engines_are_equal_in_many_scenarios_with_split_prefill_and_decode(data):
    check_random(data)
