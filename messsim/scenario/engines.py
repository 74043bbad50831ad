"""Serving engines: what each does where nobody says otherwise, by the memory of the GPU."""

import re
from typing import Literal, TypedDict

from .laws import ConstantDelay

__all__ = ["GPU_MEMORY_GB", "VERSIONS", "Engine", "Limits", "defaults_of", "followed"]

Engine = Literal["vllm", "sglang", "tensorrt-llm"]

VERSIONS: dict[Engine, str] = {"vllm": "0.32", "sglang": "0.5.23", "tensorrt-llm": "1.2"}  # whose rules and defaults

# Memory of the zoo's GPUs, 10^9 bytes: of the defaults, all that matters is between which steps it lies.
GPU_MEMORY_GB = {
    "A100": 85.9,
    "H100": 85.9,
    "H200": 151.4,
    "B200": 193.3,
    "B300": 288.4,
    "GB200": 198.7,
    "L40S": 48.0,
    "RTX-PRO-6000": 102.6,
}
GIB = 1.073741824  # 10^9 bytes

# HTTP, tokenising and the way to the scheduler, which every TTFT has. vLLM: mean TTFT at 4 and 8 clients with prompts
# of 1,024 tokens, Llama-3.1-70B in fp8 on 2 to 8 H100 and 1 to 8 H200 (InferenceMAX, October 2025, as it stands in
# aiconfigurator-core 0.12.0), is -13 to 32 ms above the simulated one, 7 in the mean; 10 was chosen when it was 11.
# Assumed to be the same of the other engines.
FRONT_END_S = 0.01


# All three plan an iteration while the one before it runs: vLLM from 0.14 (async_scheduling, vllm/v1/engine/core.py,
# step_with_batch_queue), SGLang (event_loop_overlap of srt/managers/scheduler.py, unless disable_overlap_schedule),
# TensorRT-LLM 1.x (_executor_loop_overlap of _torch/pyexecutor/py_executor.py, unless disable_overlap_scheduler). vLLM
# up to 0.13 does not: a scenario says so by its host, of kind "sum".
LOOKAHEAD = 1


def followed(engine: Engine) -> str:
    """An engine as whose rules and defaults are followed, with the version."""
    return f"{engine} {VERSIONS[engine]}"


class Limits(TypedDict):
    """Keys of a pool that an engine has defaults for."""

    schedule: Engine
    max_num_seqs: int
    max_batched_tokens: int
    chunked_prefill: bool
    kv_policy: Literal["recompute", "reserve"]
    kv_block_tokens: int
    prefix_cache: bool
    lookahead: int
    front_end_s: ConstantDelay


def defaults_of(engine: Engine, gpu: str) -> Limits:
    """What an engine does on a GPU if it is only told the model.

    Parameters
    ----------
    engine
        vLLM 0.32 and its API server (vllm/engine/arg_utils.py, vllm/config/cache.py), SGLang 0.5.23
        (srt/arg_groups/memory_hook.py) or TensorRT-LLM 1.2 (tensorrt_llm/llmapi/llm_args.py).
    gpu
        A key of GPU_MEMORY_GB, or a name that begins with one, such as "H100-SXM5" or "A100-40GB".

    Raises
    ------
    ValueError
        If the memory of the GPU is not known.
    """
    name, memory_gib = _known(gpu)
    if name is None:
        raise ValueError(
            f"gpu = {gpu!r}: the defaults of {engine} go by the GPU's memory; "
            f"expected one of {', '.join(GPU_MEMORY_GB)}, "
            "or no engine but schedule, max_num_seqs, max_batched_tokens, kv_block_tokens and prefix_cache"
        )
    if engine == "vllm":
        return _limits("vllm", *_of_vllm(name, memory_gib), 16)
    if engine == "sglang":
        tokens = next((t for below, t in ((20, 2048), (60, 4096), (160, 8192)) if memory_gib < below), 16384)
        return _limits("sglang", 2048, tokens, 1)
    return _limits("tensorrt-llm", 2048, 8192, 32)


def _known(gpu: str) -> tuple[str | None, float]:
    """The GPU of the table that a name begins with, and its memory, GiB: what the name says, or the table's."""
    plain = re.sub(r"[^a-z0-9]", "", gpu.lower()).removeprefix("nvidia")
    name = next((n for n in GPU_MEMORY_GB if plain.startswith(n.lower().replace("-", ""))), None)
    match = re.search(r"(\d+) ?gb", gpu.lower())
    return name, float(match[1]) if match else GPU_MEMORY_GB.get(name or "", 0.0) / GIB


def _of_vllm(gpu: str, memory_gib: float) -> tuple[int, int]:
    if memory_gib >= 160:
        return 1024, 16384
    return (1024, 8192) if memory_gib >= 70 and gpu != "A100" else (256, 2048)


def _limits(engine: Engine, sequences: int, tokens: int, block_tokens: int) -> Limits:
    is_tensorrt = engine == "tensorrt-llm"
    return Limits(
        schedule=engine,
        max_num_seqs=sequences,
        max_batched_tokens=tokens,
        chunked_prefill=not is_tensorrt,
        kv_policy="reserve" if is_tensorrt else "recompute",
        kv_block_tokens=block_tokens,
        prefix_cache=True,
        lookahead=LOOKAHEAD,
        front_end_s=ConstantDelay(mean_s=FRONT_END_S),
    )
