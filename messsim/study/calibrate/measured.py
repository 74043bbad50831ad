"""Servers as they were measured, and the closed-loop scenarios that are to predict them.

The tables, their sources and their doubts are described in the READMEs of the data directory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from messsim.scenario import Scenario, parse
from messsim.workload.readers import numbers, read
from messsim.zoo import Profile, UnknownProfile, find_profile, load_gpus, load_host

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "HOSTS",
    "SERVED_FILE",
    "Point",
    "closed_loop",
    "host_of",
    "one_server",
    "profile_of",
    "served_points",
    "table",
]

SERVED_FILE = "profiles/served_h100.csv"

# Checkpoints and the built-in models whose weights have the same shapes.
SHAPES = {
    "meta-llama/Llama-3.1-8B-Instruct": "Llama-3.1-8B",
    "meta-llama/Llama-3.1-70B-Instruct": "Llama-3.1-70B",
    "meta-llama/Llama-3.3-70B-Instruct": "Llama-3.1-70B",
    "meta-llama/Llama-3.1-405B-Instruct": "Llama-3.1-405B",
    "meta-llama/Llama-3.1-405B-Instruct-FP8": "Llama-3.1-405B",
    "meta-llama/Llama-4-Scout-17B-16E-Instruct": "Llama-4-Scout",
    "Qwen/Qwen3-8B": "Qwen3-8B",
    "Qwen/Qwen3-14B": "Qwen3-14B",
    "Qwen/Qwen3-14B-FP8": "Qwen3-14B",
    "Qwen/Qwen3-32B": "Qwen3-32B",
    "Qwen/Qwen3-30B-A3B-Instruct-2507": "Qwen3-30B-A3B",
    "Qwen/Qwen3-30B-A3B-Thinking-2507": "Qwen3-30B-A3B",
    "Qwen/Qwen3-Coder-30B-A3B-Instruct": "Qwen3-30B-A3B",
    "Qwen/Qwen3-235B-A22B-Instruct-2507": "Qwen3-235B-A22B",
    "Qwen/Qwen3-235B-A22B-Instruct-2507-FP8": "Qwen3-235B-A22B",
    "Qwen/Qwen3-235B-A22B-Thinking-2507": "Qwen3-235B-A22B",
    "Qwen/Qwen3-235B-A22B-Thinking-2507-FP8": "Qwen3-235B-A22B",
    "google/gemma-3-12b-it": "Gemma-3-12B",
    "google/gemma-3-27b-it": "Gemma-3-27B",
    "openai/gpt-oss-20b": "gpt-oss-20b",
    "openai/gpt-oss-120b": "gpt-oss-120b",
    "deepseek-ai/DeepSeek-V3.1": "DeepSeek-V3",
    "deepseek-ai/DeepSeek-R1-0528": "DeepSeek-V3",
}
# What an engine's own processes take, by the engine: see the hosts of the zoo. ML.ENERGY served with vLLM 0.11.
HOSTS = {"vllm": "vllm-0.12", "trtllm": "trtllm-1.0", "tensorrt-llm": "trtllm-1.0", "sglang": "sglang-0.5"}
# Iterations that they plan ahead. vLLM does from 0.14; the tables have 0.11 and 0.12.
LOOKAHEAD = {"vllm": 0, "trtllm": 1, "tensorrt-llm": 1, "sglang": 1}
# GPUs of the rows that something was fitted to: hosts' times to the TPOT of all; what `_settings` says to the TTFT of
# vLLM's on 4 GPUs and TensorRT-LLM's on one.
FITTED = {
    "vllm 0.12.0": (2, 4, 8),
    "trtllm 1.0.0rc3": (1, 2, 4, 8),
    "sglang 0.5.1.post1": (2, 4, 8),
    "sglang 0.5.8.post1": (1,),
}
# What the tables do not say of the engine: the default of vLLM's server on a GPU of this size
# (vllm/engine/arg_utils.py), and enough sequences for every client.
MAX_BATCHED_TOKENS = 8192
MAX_NUM_SEQS = 1024
SGLANG_ALONE_TOKENS = 7_000

REQUESTS_A_CLIENT = 10  # of a benchmark that starts at once and counts every request


@dataclass(frozen=True)
class Point:
    """One row of a table.

    Attributes
    ----------
    table
        "served", "energy", "bursts" or "requests".
    facts
        What was measured: model, gpu, gpus, engine or task, lengths in tokens, clients, and whether the profile was
        fitted to this very row (`in_sample`).
    measured
        Readings: seconds, tokens per second, joules per output token, watts; of "requests" one of each request.
    scenario
        None if no built-in profile has this model on these GPUs.
    window
        The requests [from, to) that count; of "energy": the meter runs from so many first tokens until so many
        requests have finished.
    """

    table: str
    facts: dict[str, Any]
    measured: dict[str, float] | dict[str, list[float]]
    scenario: Scenario | None
    window: tuple[int, int]


def served_points(data: Path, sets: list[str] | None, seed: int | None) -> list[Point]:
    """Mean latencies at a fixed concurrency, one point a row.

    Raises
    ------
    DataError
        If the table is missing or does not hold what its README says.
    ScenarioError
        If `sets` fit no scenario.
    """
    path = data / SERVED_FILE
    whole = ["tp", "prompt_len", "output_len", "batch"]
    names = ["model", "gpu", "backend", "backend_version"]
    frame = table(path, names, whole, ["ttft_ms", "tpot_ms"])
    points = []
    for row in frame.iter_rows(named=True):
        profile = profile_of(row["model"], row["gpu"], row["tp"], "bf16")
        facts = {
            "model": row["model"],
            "gpu": row["gpu"],
            "gpus": row["tp"],
            "engine": f"{row['backend']} {row['backend_version']}",
            "prompt_tokens": row["prompt_len"],
            "output_tokens": row["output_len"],
            "clients": row["batch"],
            "in_sample": row["tp"] in FITTED.get(f"{row['backend']} {row['backend_version']}", ()),
        }
        requests = REQUESTS_A_CLIENT * row["batch"]
        lengths = {"prompt": row["prompt_len"], "output": row["output_len"]}
        scenario = None
        if profile is not None:
            limits = _settings(row["backend"], row["tp"], row["prompt_len"], row["batch"])
            scenario = closed_loop(profile, row["backend"], row["batch"], requests, lengths, sets, seed, **limits)
        ttft_s, tpot_s = row["ttft_ms"] / 1e3, row["tpot_ms"] / 1e3
        # every answer has as many tokens, so these means make up the mean of the whole
        measured = {"ttft_s": ttft_s, "tpot_s": tpot_s, "e2e_s": ttft_s + (row["output_len"] - 1) * tpot_s}
        points.append(Point("served", facts, measured, scenario, (0, requests)))
    return points


def _settings(engine: str, gpus: int, prompt_tokens: int, clients: int) -> Mapping[str, Any]:
    """What the table does not say of the servers, as their mean TTFT tells it.

    vLLM took about four prompts an iteration: so say the rows of 4 GPUs. TensorRT-LLM took two, and had one place less
    than there were clients, so that one of them always waited for a whole answer: so say the rows of one GPU. SGLang
    on one GPU, full of weights, had some 7,000 tokens left for its cache: so say the rows with prompts of 1,024 tokens.
    """
    if engine == "sglang":
        return {"schedule": "sglang"} | ({"kv_capacity_tokens": SGLANG_ALONE_TOKENS} if gpus == 1 else {})
    if engine == "vllm":
        return {"max_batched_tokens": max(4 * prompt_tokens, MAX_NUM_SEQS)}
    seats = max(clients - 1, 1)
    return {"max_num_seqs": seats, "max_batched_tokens": max(2 * prompt_tokens, seats)}


def table(path: Path, names: list[str], whole: list[str], readings: list[str]) -> pl.DataFrame:
    """A table, every number of it above 0."""
    import polars as pl

    frame = read(path, [*names, *whole, *readings])
    checked = [pl.Series(c, numbers(frame, c, path, least=1)).cast(pl.Int64) for c in whole]
    checked += [pl.Series(c, numbers(frame, c, path, least=1e-9)) for c in readings]
    return frame.with_columns(checked)


def profile_of(checkpoint: str, gpu: str, gpus: int, weights: str) -> Profile | None:
    """The built-in profile of a checkpoint, if there is one; GPUs by short or full name."""
    if checkpoint not in SHAPES:
        return None
    short = next((name for name, facts in load_gpus().items() if gpu in (name, facts.name)), gpu.split("-")[0])
    try:
        return find_profile(SHAPES[checkpoint], short, gpus, weights)
    except UnknownProfile:
        return None


def closed_loop(
    profile: Profile,
    engine: str,
    clients: int,
    requests: int,
    lengths: Mapping[str, object],
    sets: list[str] | None,
    seed: int | None,
    *,
    slower: float = 1.0,
    prefixes: Mapping[str, object] | None = None,
    arrivals: Mapping[str, object] | None = None,
    **limits: object,
) -> Scenario:
    """A fixed number of clients at one replica, its GPU `slower` times as slow as its profile; nothing is routed.

    `prefixes` is what prompts share, as a scenario says it; `arrivals` other ones than those of the clients.
    """
    served = {"profile": profile.model, "weights": profile.weights} if slower == 1.0 else _slowed(profile, slower)
    model = {
        "name": profile.model,
        "gpu": profile.gpu,
        "tp": profile.tp,
        **served,
        "host": host_of(HOSTS[engine], profile.tp),
        "lookahead": LOOKAHEAD[engine],
        "max_num_seqs": MAX_NUM_SEQS,
        "max_batched_tokens": MAX_BATCHED_TOKENS,
        **limits,
    }
    arrivals = arrivals or {"kind": "closed", "clients": clients}
    return one_server(profile.name, model, arrivals, requests, lengths, sets, seed, prefixes)


def _slowed(profile: Profile, times: float) -> dict[str, object]:
    """A profile's keys in a scenario, all of its durations `times` as long; no energy."""
    figures = asdict(profile.duration)
    seconds = {name: times * value for name, value in figures.items() if isinstance(value, float)}
    knots = [[tokens, times * knot_s] for tokens, knot_s in profile.duration.knots]
    return {"coefficients": {"knots": knots, **seconds}, "kv_capacity_tokens": profile.memory.kv_capacity_tokens}


def host_of(name: str, gpus: int) -> dict[str, str | float]:
    """A host of the zoo on so many GPUs, as a scenario says it."""
    host = load_host(name, gpus)
    return {key: getattr(host, key) for key in ("kind", "h0_s", "h1_s_per_sequence", "after_s")}


def one_server(
    name: str,
    model: Mapping[str, object],
    arrivals: Mapping[str, object],
    requests: int,
    lengths: Mapping[str, object],
    sets: list[str] | None,
    seed: int | None,
    prefixes: Mapping[str, object] | None = None,
) -> Scenario:
    """One replica of one model, and nothing to route."""
    data = ({} if prefixes is None else {"prefixes": prefixes}) | {
        "name": name,
        "requests": requests,
        "sla": {"alpha": 0.0},
        "arrivals": arrivals,
        "tokens": lengths,
        "satisfaction": {"kind": "irt"},
        "features": {"kind": "none"},
        "router": {"policy": "cheapest"},
        "models": [{**model, "satisfaction": 0.5}],
    }
    return parse(data, sets, seed=seed)
