"""Whole loads that a server was given: many requests at once, and requests that arrive one by one.

The tables and their sources are described in the README of ``served/`` in the data directory. They may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from messsim.scenario.base import SMALLEST
from messsim.workload.readers import numbers, read

from ..calibrate.fitting import calibrate
from ..calibrate.measured import Point, closed_loop, host_of, one_server, profile_of, table
from ..calibrate.options import Options
from ..calibrate.sharegpt import trace_at_once
from .shared_prompts import trace_of_blocks

__all__ = ["BURSTS_FILE", "ITERATIONS_FILE", "REQUESTS_FILE", "burst_points", "request_points"]

BURSTS_FILE = "served/gpustack_qwen3_14b.csv"
REQUESTS_FILE = "served/vllm019_rtx4090_llama31_8b_requests.csv"
ITERATIONS_FILE = "served/iterations_rtx4090_llama31_8b.csv"  # of the same server: what its profile is fitted to

# What the commands leave at the engines' defaults, by engine and GPU (documents of vLLM, SGLang and TensorRT-LLM).
LIMITS: dict[tuple[str, str], dict[str, int | str]] = {
    ("vllm", "H100"): {"max_num_seqs": 1024, "max_batched_tokens": 8192},
    ("vllm", "A100"): {"max_num_seqs": 256, "max_batched_tokens": 2048},
    ("sglang", "H100"): {"max_num_seqs": 2048, "max_batched_tokens": 8192, "schedule": "sglang"},
    ("sglang", "A100"): {"max_num_seqs": 2048, "max_batched_tokens": 8192, "schedule": "sglang"},
    ("tensorrt-llm", "H100"): {"max_num_seqs": 2048, "max_batched_tokens": 8192, "kv_policy": "reserve"},
    ("tensorrt-llm", "A100"): {"max_num_seqs": 2048, "max_batched_tokens": 8192, "kv_policy": "reserve"},
}
# What the API server takes for each of many requests that come at once, s. It serves its connections in turn, so all
# are through together, after this long for each: no first token came earlier in the rows of IN_TURN (twice their mean
# TTFT less the last TTFT, over 1,000 prompts of 128 tokens).
ADMITTED_S = {"vllm": 12.4e-3, "tensorrt-llm": 1.5e-3, "sglang": 1.7e-3}
IN_TURN = {
    ("vllm", "A100", "random 128 input"),
    ("tensorrt-llm", "A100", "random 128 input"),
    ("sglang", "H100", "random 128 input"),
}
# GPUs that were slower than their profile, and how much: that H100's median gap between tokens with prompts of 32,000
# (CLOCKED) is an iteration in which the 7 sequences that its memory holds decode: 43.5 ms, less 1.6 ms of host, where
# the profile has 23.6 ms.
SLOWER = {"H100": 1.77}
CLOCKED = ("vllm", "H100", "random 32K input")

_TOKENS = re.compile(r"--max_num_tokens=(\d+)")
_READINGS = {"duration_s": 1.0, "ttft_mean_ms": 1e-3, "tpot_mean_ms": 1e-3}

# The server of the requests: vLLM 0.19 on one RTX 4090, Llama-3.1-8B in bf16. Later turns of a conversation find the
# blocks of earlier ones, and a request that was preempted what is left of its own.
RTX_4090_TOKENS = 41_408
RTX_4090_BLOCK = 16
RTX_4090 = {
    "max_num_seqs": 256,
    "max_batched_tokens": 2048,
    "kv_capacity_tokens": RTX_4090_TOKENS,
    "kv_block_tokens": RTX_4090_BLOCK,
    "prefix_cache": True,
}


def burst_points(data: Path, sets: list[str] | None, seed: int | None) -> list[Point]:
    """Requests that are all sent at once, one point a row; raises as `served_points`.

    Fixed lengths are as the row says. Those of ShareGPT, of which a row has the totals alone, are distributed as the
    benchmark's are, stretched to the row's means. Rows of a GPU that was slower than its profile count twice: with the
    profile as it is, and with all its times as much longer.
    """
    path = data / BURSTS_FILE
    if not path.exists():
        return []
    whole = ["requests", "prompt_tokens_total", "output_tokens_total"]
    frame = table(path, ["engine", "gpu", "model", "command", "load"], whole, list(_READINGS))
    points = []
    for row in frame.iter_rows(named=True):
        points.append(_burst(row, sets, seed))
        if row["gpu"] in SLOWER:
            points.append(_burst(row, sets, seed, SLOWER[row["gpu"]]))
    return points


def _burst(row: Mapping[str, Any], sets: list[str] | None, seed: int | None, slower: float = 1.0) -> Point:
    """One row, its GPU `slower` times as slow as its profile."""
    weights = "fp8_block" if row["model"].endswith("-FP8") else "bf16"
    profile = profile_of(row["model"], row["gpu"], 1, weights)
    clients = row["requests"]
    means = {"prompt": row["prompt_tokens_total"] / clients, "output": row["output_tokens_total"] / clients}
    key = (row["engine"], row["gpu"], row["load"])
    facts = {
        "model": row["model"],
        "gpu": row["gpu"] if slower == 1.0 else f"{row['gpu']} at its own speed",
        "gpus": 1,
        "engine": row["engine"],
        "load": row["load"],
        "prompt_tokens": round(means["prompt"]),
        "output_tokens": round(means["output"]),
        "clients": clients,
        "in_sample": key in IN_TURN or (slower != 1.0 and key == CLOCKED),
    }
    scenario = None
    if profile is not None:
        limits = dict(LIMITS[row["engine"], row["gpu"]])
        if tokens := _TOKENS.search(row["command"]):
            limits["max_batched_tokens"] = int(tokens[1])
        lengths, arrivals = _load(row["load"], clients, means)
        scenario = closed_loop(
            profile,
            row["engine"],
            clients,
            clients,
            lengths,
            sets,
            seed,
            slower=slower,
            prefixes=None,
            arrivals=arrivals,
            front_end_s=ADMITTED_S[row["engine"]] * clients,
            **limits,
        )
    measured = {
        name: row[column] * factor
        for name, (column, factor) in zip(("duration_s", "ttft_s", "tpot_s"), _READINGS.items(), strict=True)
    }
    return Point("bursts", facts, measured, scenario, (0, clients))


def _load(name: str, clients: int, means: Mapping[str, float]) -> tuple[dict[str, object], dict[str, object] | None]:
    """The lengths of a load by the benchmark's name of it, and its arrivals, if they are no closed loop."""
    if name != "sharegpt":
        return {what: round(mean) for what, mean in means.items()}, None
    file = trace_at_once(clients, means["prompt"], means["output"])
    trace: dict[str, object] = {"kind": "trace"}
    return {"prompt": trace, "output": trace}, trace | {"file": str(file), "repeat": False}


def request_points(data: Path, sets: list[str] | None, seed: int | None) -> list[Point]:
    """Requests of one server as they arrived, all of them one point; raises as `served_points`.

    The profile is fitted to single iterations of the same GPU alone: none of the requests is in it.
    """
    path = data / REQUESTS_FILE
    if not path.exists():
        return []
    readings = ["ttft_s", "tpot_s", "e2e_s"]
    frame = table(path, [], ["prompt_tokens", "output_tokens"], readings)
    arrivals_s = numbers(read(path, ["arrival_s"]), "arrival_s", path, least=0.0)
    fit = calibrate(data / ITERATIONS_FILE, options=Options(kv_capacity_tokens=RTX_4090_TOKENS))
    figures = {name: c["value"] for name, c in fit["coefficients"].items() if c["value"] is not None}
    coefficients = {name: value for name, value in figures.items() if value >= SMALLEST}
    model: dict[str, object] = {
        "name": "Llama-3.1-8B",
        "gpu": "RTX-4090",
        "coefficients": coefficients,
        "host": host_of("overlap", gpus=1),
        "lookahead": 1,
    }
    facts = {
        "model": "Llama-3.1-8B",
        "gpu": "RTX-4090",
        "gpus": 1,
        "engine": "vllm 0.19",
        "load": "ShareGPT, one by one",
        "clients": None,
        "in_sample": False,
    }
    arrivals = {
        "kind": "trace",
        "file": str(trace_of_blocks(frame, arrivals_s, RTX_4090_BLOCK)),
        "columns": {"hash_ids": "hash_ids"},
        "block_tokens": RTX_4090_BLOCK,
        "repeat": False,
    }
    lengths = {"prompt": {"kind": "trace"}, "output": {"kind": "trace"}}
    scenario = one_server("RTX 4090 requests", model | RTX_4090, arrivals, frame.height, lengths, sets, seed)
    measured = {name: frame[name].to_list() for name in readings}
    lengths_of = {name: frame[name].to_list() for name in ("prompt_tokens", "output_tokens")}
    return [Point("requests", facts | lengths_of, measured, scenario, (0, frame.height))]
