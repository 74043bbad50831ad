"""How large and how small the numbers of a scenario may be: each bound is taken, the number beyond it refused."""

import math
import re
from typing import Annotated

import pytest
from pydantic import TypeAdapter, ValidationError
from test_scenario_defaults import parts

BOUNDS = {
    "Closed": {"clients": "[1, 1_000_000]", "think_s": "[0, ]"},
    "Diurnal": {"day_s": "(0, ]"},
    "Gamma": {"rate_rps": "(0, ]", "cv": "[0.05, 20]"},
    "Mmpp": {"rate_rps": "[0, ]", "burst_rate_rps": "(0, ]", "mean_calm_s": "(0, ]", "mean_burst_s": "(0, ]"},
    "Poisson": {"rate_rps": "(0, ]"},
    "Trace": {"block_tokens": "[1, 10_000_000]"},
    "Autoscale": {
        "min_replicas": "[0, 2**53]",
        "period_s": "[1e-06, ]",
        "tolerance": "[0, 1]",
        "up_window_s": "[0, ]",
        "down_window_s": "[0, ]",
        "up_most_factor": "[1, 1_000_000]",
        "up_most_replicas": "[0, 2**53]",
        "down_most_factor": "[1, 1_000_000]",
        "stable_window_s": "(0, ]",
        "panic_window_s": "(0, ]",
        "panic_threshold": "(0, ]",
        "saturated_usage": "[0, 1]",
        "saturated_waiting": "(0, ]",
        "spare_usage": "[0, 1]",
        "spare_waiting": "[0, ]",
        "day_s": "(0, ]",
    },
    "ColdStart": {"load_gb_per_s": "(0, ]"},
    "Step": {"at_s": "[0, ]", "replicas": "[0, 2**53]"},
    "Clients": {
        "retries": "[0, 100]",
        "backoff_growth": "[1, 10]",
        "backoff_jitter": "[0, 1]",
        "retry_after_max_s": "[0, ]",
    },
    "KvRouter": {"prefill_load_scale": "[0, 1_000_000]", "overlap_credit": "[0, 1_000_000]"},
    "OwnRule": {"state": "[0, 1_000_000]"},
    "Packed": {"requests": "[1, 2**31 - 1]"},
    "PrefixAffinity": {
        "cache_threshold": "[0, 1]",
        "balance_abs_threshold": "[0, 2**53]",
        "balance_rel_threshold": "[0, ]",
        "max_tree_tokens": "[0, 2**53]",
        "eviction_interval_s": "[0.001, ]",
    },
    "ScoreWeights": {
        "queue": "[0, 1_000_000]",
        "kv_cache": "[0, 1_000_000]",
        "prefix": "[0, 1_000_000]",
        "load": "[0, 1_000_000]",
        "token_load": "[0, 1_000_000]",
        "session": "[0, 1_000_000]",
        "no_hit_lru": "[0, 1_000_000]",
        "active": "[0, 1_000_000]",
    },
    "Scored": {
        "index_block_tokens": "[1, 2**31 - 1]",
        "index_tokens": "[0, 2**53]",
        "max_load_tokens": "(0, ]",
        "idle_requests": "[0, 2**53]",
        "max_busy_score": "[0, 1]",
        "cold_replicas": "[1, 2**31 - 1]",
        "affinity_threshold": "[0, 1]",
        "max_ttft_penalty_s": "[0, ]",
        "peak_prefill_tokens_per_s": "(0, ]",
    },
    "SessionAffinity": {"ttl_s": "(0, ]"},
    "Admission": {"max_waiting": "[0, 2**53]"},
    "Cluster": {"state_delay_s": "[0, ]"},
    "Coefficients": {
        "a0_s": "[0, ]",
        "c0_s_per_token": "[0, ]",
        "c1_s_per_token": "[0, ]",
        "nstar_tokens": "[0, ]",
        "ae_s": "[0, ]",
        "se": "[0, ]",
        "experts": "[0, 2**53]",
        "top_k": "[0, 2**53]",
        "ab_s_per_sequence": "[0, ]",
        "ak_s_per_token": "[0, ]",
        "akm_s_per_token": "[0, ]",
        "aq_s_per_token2": "[0, ]",
        "a1_s": "[0, ]",
        "ac_s_per_token": "[0, ]",
        "akx_s_per_token": "[0, ]",
        "abk_s_per_token": "[0, ]",
        "p0_w_per_gpu": "[0, ]",
        "e_j_per_token": "[0, ]",
        "ek_j_per_cached_token": "[0, ]",
        "p_idle_w_per_gpu": "[0, ]",
    },
    "Drafts": {"tokens": "[1, 16]", "draft_s": "[0, ]", "draft_s_per_sequence": "[0, ]"},
    "Failures": {"mtbf_s": "[0.001, ]", "mttr_s": "[0.001, ]"},
    "Host": {"h0_s": "[0, ]", "h1_s_per_sequence": "[0, ]", "after_s": "[0, ]"},
    "Outage": {"replica": "[0, 2**53]", "at_s": "[0, ]", "for_s": "(0, ]"},
    "Serving": {
        "tp": "[1, 2**31 - 1]",
        "replicas": "[1, 100_000]",
        "max_num_seqs": "[1, 2**31 - 1]",
        "max_batched_tokens": "[1, 2**31 - 1]",
        "scheduler_recv_interval": "[1, 1000]",
        "gpu_memory_share": "[, 1]",
        "kv_block_tokens": "[1, 2**31 - 1]",
        "front_end_workers": "[0, 100_000]",
        "detokenize_s": "[0, 1_000_000]",
        "latency_s": "[0, ]",
        "tpot_s": "[0, ]",
        "usd_per_million_prompt_tokens": "[0, ]",
        "usd_per_million_output_tokens": "[0, ]",
        "prompt_cache_s": "(0, ]",
        "prompt_cache_least_tokens": "[1, 2**31 - 1]",
        "prompt_cache_step_tokens": "[1, 2**31 - 1]",
        "burst_s": "(0, ]",
    },
    "Constant": {"tokens": "[1, 10_000_000]"},
    "ConstantDelay": {"mean_s": "[0, ]"},
    "ExponentialDelay": {"mean_s": "(0, ]"},
    "Geometric": {"mean": "[1, 10_000_000]", "max": "[1, 10_000_000]"},
    "Lognormal": {"mean": "(0, 10_000_000]", "cv": "[0.001, 100]", "max": "[1, 10_000_000]"},
    "LognormalDelay": {"mean_s": "(0, ]", "cv": "[0.001, 100]"},
    "OwnProfile": {"tp": "[1, 2**31 - 1]", "front_end_workers": "[0, 100_000]", "detokenize_s": "[0, 1_000_000]"},
    "Phase": {"difficulty": "[-1000, 1000]"},
    "Features": {"dimensions": "[1, 4096]", "signal": "[0, 1]"},
    "Irt": {"slope": "[0.001, 1000]", "grades": "[2, 101]"},
    "Task": {"weight": "[0, 1_000_000_000_000]", "mean": "[-1000, 1000]", "deviation": "(0, 1000]"},
    "Feedback": {
        "probability": "[0, 1]",
        "false_positive": "[0, 1]",
        "false_negative": "[0, 1]",
        "satisfied_rate": "[0, 1]",
    },
    "Predictor": {"learning_rate": "(0, ]", "momentum": "[0, 1)", "weight_decay": "[0, ]", "clip": "[0, ]"},
    "Router": {
        "c": "[0, ]",
        "kappa": "[0, 1]",
        "discount": "(0, 1]",
        "window": "[, 10_000_000]",
        "initial_queue": "[0, ]",
        "instances": "[1, 1000]",
        "reconcile_s": "[0.001, ]",
        "workers": "[0, 100_000]",
        "gain": "(0, 1)",
        "eta": "(0, ]",
        "width": "[0, ]",
        "ridge": "(0, ]",
        "forgetting": "(0, 1]",
        "calibration": "(0, 1)",
        "scorer": "[0, ]",
        "training": "[1, 2**31 - 1]",
    },
    "Sla": {"alpha": "[0, 1]", "window_requests": "[1, 10_000_000]"},
    "Tenant": {"share": "(0, 1_000_000_000_000]", "priority": "[-1000, 1000]"},
    "Weights": {"quality": "[0, ]", "latency": "[0, ]", "cost": "[0, ]", "load": "[0, ]"},
    "Record": {"max_open": "[1, 2**31 - 1]", "chunk": "[64, 1_048_576]"},
    "Scenario": {"requests": "[1, 2**53]", "seed": "[0, 2**32)", "replication": "[0, 2**32)", "warmup": "[0, 2**53]"},
    "ConstantTurns": {"turns": "[1, 1000]"},
    "GeometricTurns": {"mean": "[1, 1000]", "max": "[1, 1000]"},
    "Prefixes": {"groups": "[1, 1_000_000]", "exponent": "[0, 10]"},
    "Transfer": {"latency_s": "[0, 1_000_000]", "bandwidth_gb_per_s": "[1e-06, ]"},
}


def number(text):
    """``1_000_000``, ``2**53``, ``2**31 - 1``, ``0.001``; None where there is none."""
    power = re.fullmatch(r"2\*\*(\d+)( - 1)?", text)
    if power:
        return 2 ** int(power[1]) - (power[2] is not None)
    return None if text == "" else float(text) if "." in text or "e" in text else int(text)


def beyond(value, whole, way):
    """The nearest number above it (way = 1) or below it (-1)."""
    return value + way if whole else math.nextafter(value, way * math.inf)


@pytest.mark.parametrize(("part", "key"), [(part, key) for part, keys in BOUNDS.items() for key in keys])
def test_bounds(part, key):
    text, field = BOUNDS[part][key], parts()[part].model_fields[key]
    adapter = TypeAdapter(Annotated[field.annotation, *field.metadata])
    whole = "float" not in str(field.annotation)

    def is_taken(value):
        try:
            adapter.validate_python(value)
        except ValidationError:
            return False
        return True

    least, most = map(number, text[1:-1].split(", "))
    for value, closed, way in ((least, text[0] == "[", -1), (most, text[-1] == "]", 1)):
        if value is None:
            continue
        assert is_taken(value) is closed
        assert not is_taken(beyond(value, whole, way))
        assert is_taken(value - way if whole else value - way * 1e-9)
