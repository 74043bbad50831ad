"""Servers whose energy ML.ENERGY metered (version 3), and the scenarios that are to predict them.

The benchmark (ml-energy/benchmark at `c1d6557`, configs/vllm) sends a task's questions all at once, some times over, to
a server that takes so many at a time, and meters from when as many have their first token until all but as many, and
one, have finished. Where a cap is near the number of questions, that is while answers are young.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from messsim.errors import DataError

from .measured import MAX_NUM_SEQS, Point, closed_loop, profile_of, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from messsim.zoo import Profile

__all__ = [
    "ENERGY_FILE",
    "HELD_UP",
    "LENGTHS_FILE",
    "LOADS",
    "PROMPT_TOKENS",
    "Lengths",
    "energy_points",
    "is_held_up",
    "requests_of",
]

ENERGY_FILE = "energy/mlenergy_v3_llm.csv"
LENGTHS_FILE = "energy/mlenergy_v3_output_length_hist.csv"

WEIGHTS = {"bfloat16": "bf16", "fp8": "fp8", "mxfp4": "mxfp4"}
# The table has no prompt lengths. A turn of a chat has all turns before it in its prompt. What a prompt adds to the
# gaps between tokens (their mean less their median, up to 64 clients) is what kernels take for some 450 tokens, for
# dense models of 8 to 405 billion parameters on either GPU, and for some 250 of GPQA's (gpt-oss on H100). Code: one
# H100, full of a model of 30 billion parameters, holds 89 of 96 sequences with 1,300.
PROMPT_TOKENS = {"lm-arena-chat": 450, "gpqa": 250, "sourcegraph-fim": 1300}
QUESTIONS = {"lm-arena-chat": 1024, "gpqa": 198, "sourcegraph-fim": 1024}
# How often a server was sent the questions, where it was more than once: caps on its batch, by how often.
REPEATS: dict[tuple[str, str, str], dict[int, tuple[int, ...]]] = {
    ("gpqa", "Qwen/Qwen3-14B", "B200"): {2: (256,), 3: (384, 512)},
    ("gpqa", "Qwen/Qwen3-14B", "H100"): {2: (192, 256)},
    ("gpqa", "Qwen/Qwen3-235B-A22B-Thinking-2507", "B200"): {2: (256,), 3: (384, 512), 5: (768,)},
    ("gpqa", "Qwen/Qwen3-235B-A22B-Thinking-2507-FP8", "B200"): {2: (256,), 3: (384,), 4: (512,), 6: (1024,)},
    ("gpqa", "Qwen/Qwen3-235B-A22B-Thinking-2507-FP8", "H100"): {2: (192, 256)},
    ("gpqa", "Qwen/Qwen3-30B-A3B-Thinking-2507", "B200"): {2: (256,), 3: (512,), 6: (1024,)},
    ("gpqa", "Qwen/Qwen3-30B-A3B-Thinking-2507", "H100"): {2: (192, 256)},
    ("gpqa", "Qwen/Qwen3-32B", "B200"): {2: (256,)},
    ("gpqa", "Qwen/Qwen3-8B", "B200"): {2: (256,)},
    ("gpqa", "deepseek-ai/DeepSeek-R1-0528", "B200"): {2: (256,)},
    ("gpqa", "deepseek-ai/DeepSeek-V3.1", "B200"): {2: (256,)},
    ("gpqa", "openai/gpt-oss-120b", "B200"): {
        2: (128,), 3: (256,), 4: (512,), 7: (1024,), 12: (2048,), 18: (3072,), 24: (4096,)
    },
    ("gpqa", "openai/gpt-oss-120b", "H100"): {
        2: (192, 256), 3: (384,), 4: (512,), 5: (768,), 6: (1024,), 9: (1536,), 12: (2048,)
    },
    ("gpqa", "openai/gpt-oss-20b", "B200"): {2: (128,), 3: (256, 384), 4: (512,), 6: (1024,), 11: (2048,), 21: (4096,)},
    ("gpqa", "openai/gpt-oss-20b", "H100"): {
        2: (96, 128, 192, 256), 3: (384, 512), 5: (768,), 6: (1024,), 9: (1536,), 12: (2048,)
    },
    ("lm-arena-chat", "Qwen/Qwen3-14B", "B200"): {2: (512, 1024), 3: (2048,), 7: (4096,)},
    ("lm-arena-chat", "Qwen/Qwen3-235B-A22B-Instruct-2507", "B200"): {
        2: (512, 1024), 3: (1536, 2048), 4: (3072,), 6: (4096,)
    },
    ("lm-arena-chat", "Qwen/Qwen3-235B-A22B-Instruct-2507-FP8", "B200"): {2: (256, 512)},
    ("lm-arena-chat", "Qwen/Qwen3-30B-A3B-Instruct-2507", "B200"): {2: (256, 512, 768, 1024), 3: (1536,), 4: (2048,)},
    ("lm-arena-chat", "Qwen/Qwen3-30B-A3B-Instruct-2507", "H100"): {2: (256, 384, 512, 768, 1024), 3: (1536,)},
    ("lm-arena-chat", "Qwen/Qwen3-32B", "B200"): {2: (256, 384, 512)},
    ("lm-arena-chat", "Qwen/Qwen3-8B", "B200"): {2: (256, 512), 4: (1024, 1536), 6: (2048,)},
    ("lm-arena-chat", "deepseek-ai/DeepSeek-V3.1", "B200"): {2: (768, 1024), 3: (2048,), 4: (3072,)},
    ("lm-arena-chat", "meta-llama/Llama-3.1-405B-Instruct", "B200"): {
        2: (768, 1024), 3: (2048,), 4: (3072,), 6: (4096,)
    },
    ("lm-arena-chat", "meta-llama/Llama-3.1-405B-Instruct-FP8", "B200"): {2: (768, 1024)},
    ("lm-arena-chat", "meta-llama/Llama-3.1-70B-Instruct", "B200"): {2: (512, 1024), 3: (1536, 2048), 5: (3072,)},
    ("lm-arena-chat", "meta-llama/Llama-3.1-70B-Instruct", "H100"): {2: (512, 768, 1024), 3: (1536, 2048)},
    ("lm-arena-chat", "meta-llama/Llama-3.1-8B-Instruct", "B200"): {
        2: (128, 256), 3: (512,), 4: (1024,), 8: (2048,), 16: (4096,)
    },
    ("lm-arena-chat", "meta-llama/Llama-3.1-8B-Instruct", "H100"): {2: (256, 384, 512), 3: (768, 1024)},
    ("lm-arena-chat", "meta-llama/Llama-3.3-70B-Instruct", "B200"): {2: (512, 1024, 1536), 3: (2048,), 4: (3072,)},
    ("lm-arena-chat", "meta-llama/Llama-3.3-70B-Instruct", "H100"): {2: (512, 768, 1024), 3: (1536, 2048)},
    ("lm-arena-chat", "meta-llama/Llama-4-Scout-17B-16E-Instruct", "H100"): {2: (512, 768, 1024)},
    ("sourcegraph-fim", "Qwen/Qwen3-Coder-30B-A3B-Instruct", "B200"): {2: (64, 128), 4: (256, 512), 6: (1024, 1536)},
    ("sourcegraph-fim", "Qwen/Qwen3-Coder-30B-A3B-Instruct", "H100"): {2: (256, 384, 512), 3: (768,)},
}  # fmt: skip
VLLM = {"kv_block_tokens": 16, "prefix_cache": True}  # its defaults
LOADS = {"up to 64 clients": 64, "65 to 255 clients": 255, "256 clients or more": 2**31}  # to sum rows up by
# Servers whose own host held them up. Where fewer than one iteration in twelve carries a prompt, nine in ten gaps
# between tokens should be alike: on H100, and with several B200, the ninth decile is 1.01 to 1.1 medians; with one B200
# and long answers 1.3 to 1.5, and the median 31 to 57 ms whatever the model, as far as 128 sequences. With 256 or
# more memory may be what runs short.
UNEVEN, UNEVEN_MS, FEW_PROMPTS, FEW_SEQUENCES = 1.3, 10.0, 1 / 12, 256
HELD_UP = "held up by their host"
# What such a host took and its GPU drew meanwhile is told by servers of models that no profile speaks of: Nemotron Nano
# 9B and 12B with one B200, 13 rows of 8 to 512 sequences, answers of 5,000 to 5,700 tokens of GPQA. Lines by least
# squares: batch over throughput by batch, and power by throughput, down to none. Answers of LONG_ANSWER tokens and more
# have it on that GPU, whatever their own readings say.
LONG_ANSWER = 5_000.0
SLOW_HOST = {"kind": "overlap", "h0_s": 29.5e-3, "h1_s_per_sequence": 68e-6, "wait_w_per_gpu": 286.0}


def energy_points(data: Path, sets: list[str] | None, seed: int | None) -> list[Point]:
    """Throughput, power and energy per output token while the server is full, one point a row.

    Raises
    ------
    DataError
        If a table is missing or does not hold what its README says.
    ScenarioError
        If `sets` fit no scenario.
    """
    path = data / ENERGY_FILE
    whole = ["num_gpus", "tensor_parallel", "max_num_seqs"]
    readings = ["output_throughput_tokens_per_sec", "avg_power_watts", "energy_per_token_joules"]
    others = ["avg_output_len", "avg_batch_size", "median_itl_ms", "p90_itl_ms"]
    frame = table(path, ["task", "gpu_model", "model_id", "weight_precision"], whole, [*readings, *others])
    lengths = Lengths(data / LENGTHS_FILE)
    points = []
    for row in frame.iter_rows(named=True):
        weights = WEIGHTS.get(row["weight_precision"])
        profile = profile_of(row["model_id"], row["gpu_model"], row["num_gpus"], weights) if weights else None
        clients = row["max_num_seqs"]
        held_up = is_held_up(row)
        facts = {
            "model": row["model_id"],
            "gpu": row["gpu_model"],
            "gpus": row["num_gpus"],
            "precision": row["weight_precision"],
            "tensor_parallel": row["tensor_parallel"],
            "task": row["task"],
            "prompt_tokens": PROMPT_TOKENS.get(row["task"]),
            "output_tokens": row["avg_output_len"],
            "clients": clients,
            "load": HELD_UP if held_up else next(name for name, most in LOADS.items() if clients <= most),
            "in_sample": profile is not None and not held_up and _fitted_to(profile, row["model_id"], row["num_gpus"]),
        }
        scenario = None
        requests = 0
        if profile is not None:
            requests = requests_of(row)
            answers, weights_of = lengths.of(row)
            prompt, prefixes = _prompts(row["task"], requests)
            output = {"kind": "empirical", "tokens": answers.tolist(), "weights": weights_of.tolist()}
            tokens: dict[str, object] = {"prompt": prompt, "output": output}
            limits = VLLM | {"max_num_seqs": max(clients, MAX_NUM_SEQS)} | _slow_host(row)
            scenario = closed_loop(profile, "vllm", clients, requests, tokens, sets, seed, prefixes=prefixes, **limits)
        measured = dict(zip(("tokens_per_s", "power_w", "j_per_token"), (row[r] for r in readings), strict=True))
        points.append(Point("energy", facts, measured, scenario, (clients, requests - clients - 1)))
    return points


def requests_of(row: Mapping[str, Any]) -> int:
    """Requests that a server of a row was sent: each question of its task, once or more."""
    clients = int(row["max_num_seqs"])
    known = REPEATS.get((row["task"], row["model_id"], row["gpu_model"]), {})
    least = (clients + 1) // QUESTIONS[row["task"]] + 1  # that leave something to meter
    return QUESTIONS[row["task"]] * max(least, next((n for n, caps in known.items() if clients in caps), 1))


def is_held_up(row: Mapping[str, Any]) -> bool:
    """Whether gaps between tokens of a row of ML.ENERGY's table are uneven, and neither prompts nor memory is why."""
    batch, output, median, decile = (
        float(row[c]) for c in ("avg_batch_size", "avg_output_len", "median_itl_ms", "p90_itl_ms")
    )
    uneven = decile > UNEVEN * median and decile - median > UNEVEN_MS
    return uneven and batch < FEW_SEQUENCES and batch / output < FEW_PROMPTS


def _slow_host(row: Mapping[str, Any]) -> dict[str, object]:
    """The host of a server with one B200 and long answers, as a scenario says it; nothing of others."""
    alike = (row["gpu_model"], row["num_gpus"], row["task"]) == ("B200", 1, "gpqa")
    return {"host": SLOW_HOST} if alike and row["avg_output_len"] >= LONG_ANSWER else {}


def _prompts(task: str, requests: int) -> tuple[int, dict[str, object] | None]:
    """Tokens of a prompt that are its own, and the text that prompts share.

    Questions that are sent again are found in the prefix cache, as far as it has room. Each request draws its question,
    where the benchmark goes through them in turn: as many are sent again, in another order.
    """
    tokens = PROMPT_TOKENS[task]
    if requests <= QUESTIONS[task]:
        return tokens, None
    return 1, {"groups": QUESTIONS[task], "exponent": 0.0, "tokens": tokens - 1}


def _fitted_to(profile: Profile, checkpoint: str, gpus: int) -> bool:
    """Whether the energy coefficients were fitted to this checkpoint's readings on as many GPUs."""
    return profile.energy.note.startswith(f"metered: {checkpoint} on {gpus} ")


class Lengths:
    """Histograms of answer lengths, by task and checkpoint."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._frame = table(path, ["task", "model_id"], ["count"], ["out_tokens_lo", "out_tokens_hi"])

    def of(self, row: Mapping[str, Any]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Answers in tokens and their weights: the histogram's shape, stretched to the row's own mean."""
        import numpy as np

        rows = self._frame.filter(task=row["task"], model_id=row["model_id"])
        if rows.height == 0:
            raise DataError(f"has no histogram of {row['model_id']}, {row['task']}", str(self._path))
        middle = ((rows["out_tokens_lo"] + rows["out_tokens_hi"]) / 2).to_numpy()
        counts = rows["count"].to_numpy().astype(float)
        stretch = float(row["avg_output_len"]) * counts.sum() / (middle * counts).sum()
        return np.maximum(1, np.rint(middle * stretch)).astype(np.int64), counts
