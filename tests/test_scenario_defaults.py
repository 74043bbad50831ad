"""What a scenario means that says nothing of a key: a default that changes would change runs of the same file."""

from importlib import import_module
from pkgutil import iter_modules

import pytest

import messsim.scenario
from messsim.scenario.base import Part

DEFAULTS = {
    "Closed": {"think_s": 0.0},
    "Diurnal": {"day_s": 86_400.0},
    "Trace": {"block_tokens": 512, "repeat": True},
    "Autoscale": {
        "min_replicas": 1,
        "tolerance": 0.1,
        "up_window_s": 0.0,
        "down_window_s": 300.0,
        "up_most_replicas": 4,
        "down_most_factor": 2.0,
        "stable_window_s": 60.0,
        "panic_window_s": 6.0,
        "panic_threshold": 2.0,
        "saturated_usage": 0.8,
        "saturated_waiting": 5.0,
        "spare_usage": 0.1,
        "spare_waiting": 3.0,
        "day_s": 86_400.0,
    },
    "ColdStart": {"load_gb_per_s": 0.5},
    "Clients": {
        "abort": True,
        "retries": 0,
        "backoff_growth": 2.0,
        "backoff_jitter": 0.0,
        "retry_after_max_s": 0.0,
        "rate_giving_up": False,
    },
    "KvRouter": {"prefill_load_scale": 1.0, "overlap_credit": 1.0},
    "OwnRule": {"state": 0},
    "Packed": {"requests": 64},
    "PrefixAffinity": {
        "cache_threshold": 0.3,
        "balance_abs_threshold": 64,
        "balance_rel_threshold": 1.5,
        "max_tree_tokens": 2**23,
        "eviction_interval_s": 120.0,
    },
    "ScoreWeights": {
        "queue": 2.0,
        "kv_cache": 2.0,
        "prefix": 3.0,
        "load": 0.0,
        "token_load": 0.0,
        "session": 0.0,
        "no_hit_lru": 0.0,
        "active": 0.0,
    },
    "Scored": {
        "index_block_tokens": 64,
        "index_tokens": 131_072,
        "max_load_tokens": 2**22,
        "idle_requests": 0,
        "max_busy_score": 1.0,
        "cold_replicas": 1024,
        "sticky_until_saturated": False,
        "affinity_threshold": 0.8,
        "max_ttft_penalty_s": 18.0,
        "peak_prefill_tokens_per_s": 15_928.0,
    },
    "SessionAffinity": {"ttl_s": 300.0},
    "Cluster": {"state_delay_s": 0.0},
    "Coefficients": {
        "a0_s": 0.0,
        "c0_s_per_token": 0.0,
        "c1_s_per_token": 0.0,
        "nstar_tokens": 0.0,
        "ae_s": 0.0,
        "se": 0.0,
        "experts": 0,
        "top_k": 0,
        "ab_s_per_sequence": 0.0,
        "ak_s_per_token": 0.0,
        "akm_s_per_token": 0.0,
        "aq_s_per_token2": 0.0,
        "a1_s": 0.0,
        "ac_s_per_token": 0.0,
        "akx_s_per_token": 0.0,
        "abk_s_per_token": 0.0,
        "p0_w_per_gpu": 0.0,
        "e_j_per_token": 0.0,
        "ek_j_per_cached_token": 0.0,
        "p_idle_w_per_gpu": 0.0,
        "energy_measured": False,
    },
    "Drafts": {"draft_s": 0.0, "draft_s_per_sequence": 0.0},
    "Failures": {"mttr_s": 300.0},
    "Host": {"h0_s": 0.0, "h1_s_per_sequence": 0.0, "after_s": 0.0},
    "Outage": {"replica": 0},
    "Serving": {
        "tp": 1,
        "replicas": 1,
        "max_num_seqs": 256,
        "max_batched_tokens": 2048,
        "lookahead": 0,
        "scheduler_recv_interval": 1,
        "chunked_prefill": True,
        "kv_block_tokens": 1,
        "prefix_cache": False,
        "front_end_workers": 0,
        "detokenize_s": 0.0,
        "latency_s": 0.5,
        "tpot_s": 0.02,
        "usd_per_million_prompt_tokens": 0.0,
        "usd_per_million_output_tokens": 0.0,
        "prompt_cache_s": 300.0,
        "prompt_cache_least_tokens": 1024,
        "prompt_cache_step_tokens": 128,
        "burst_s": 60.0,
    },
    "Geometric": {"max": 1_000_000},
    "Lognormal": {"max": 1_000_000},
    "OwnProfile": {"tp": 1, "front_end_workers": 0, "detokenize_s": 0.0},
    "Features": {"dimensions": 16, "signal": 0.8},
    "Irt": {"slope": 1.5, "grades": 2},
    "Task": {"weight": 1.0, "mean": 0.0, "deviation": 1.0},
    "Feedback": {
        "probability": 1.0,
        "false_positive": 0.0,
        "false_negative": 0.0,
        "satisfied_rate": 1.0,
        "one_sided": False,
    },
    "Predictor": {"learning_rate": 0.05, "momentum": 0.0, "weight_decay": 0.0, "clip": 0.0},
    "Router": {
        "c": 0.1,
        "kappa": 0.25,
        "discount": 1.0,
        "initial_queue": 0.0,
        "instances": 1,
        "keep_session_model": False,
        "workers": 1,
        "gain": 0.01,
        "eta": 0.5,
        "width": 1.0,
        "ridge": 1.0,
        "forgetting": 0.997,
        "calibration": 0.05,
        "scorer": 3.0,
        "training": 2000,
    },
    "Tenant": {"share": 1.0, "priority": 0},
    "Weights": {"quality": 1.0, "latency": 1.0, "cost": 1.0, "load": 1.0},
    "Record": {"potential_outcomes": False, "max_open": 4_000_000},
    "Scenario": {"seed": 1, "replication": 0, "warmup": 0},
    "GeometricTurns": {"max": 100},
    "Prefixes": {"groups": 1, "exponent": 1.0},
    "Transfer": {"latency_s": 5e-05, "bandwidth_gb_per_s": 25.0},
}


def parts(of: type = Part) -> dict[str, type]:
    """All tables of a scenario, by the names of their classes."""
    for module in iter_modules(messsim.scenario.__path__):
        import_module(f"messsim.scenario.{module.name}")
    collected = {}
    for part in of.__subclasses__():
        if part.__module__.startswith("messsim.scenario."):
            collected |= {part.__name__: part} | parts(part)
    return collected


def numbers(part: type) -> dict[str, float]:
    """Its own defaults that are numbers, and not those of what it is made of."""
    fields = {name: part.model_fields[name].default for name in part.__annotations__ if name in part.model_fields}
    return {name: value for name, value in fields.items() if isinstance(value, (int, float))}


@pytest.mark.parametrize("name", DEFAULTS)
def test_numbers_that_a_scenario_need_not_say(name):
    """Those of dispatch are of SGLang's, Dynamo's and llm-d's routers; others are told at their keys."""
    assert numbers(parts()[name]) == DEFAULTS[name]


def test_no_number_stands_outside_the_table():
    assert {name for name, part in parts().items() if numbers(part)} == set(DEFAULTS)
