"""What an engine makes of a GPU's memory: the tokens that its cache holds."""

from messsim.scenario.fleet import Serving
from messsim.zoo.records import Memory

__all__ = ["capacity_tokens", "memory_share"]

MIB = 2**20
# The share of a GPU's memory that an engine takes for weights and cache where nobody says; TensorRT-LLM's is that of
# what is free once the weights are there.
# vLLM: gpu_memory_utilization (vllm/config/cache.py, 0.92 in 0.25 to 0.32, 0.9 up to 0.15 at least). From 0.21 on its
# CUDA graphs are reckoned in (VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS, vllm/envs.py).
# TensorRT-LLM: free_gpu_memory_fraction (tensorrt_llm/llmapi/llm_args.py, KvCacheConfig, 1.2 to 1.4).
SHARES = {"vllm": 0.92, "tensorrt-llm": 0.9}
SHARE = 0.9  # of profiles, and of vLLM when they were made
# What an engine keeps on each GPU beside weights and cache: CUDA context, graphs, activations (assumed, as in the
# profiles). SGLang's share is without these.
OTHER_BYTES = 4_500_000_000


def capacity_tokens(serving: Serving, memory: Memory) -> int:
    """The cache of a replica by the rules of its engine, tokens."""
    if serving.engine is None and serving.gpu_memory_share is None:
        return memory.kv_capacity_tokens
    share = memory_share(serving, memory)
    total, others = memory.gpu_memory_bytes * serving.tp, OTHER_BYTES * serving.tp
    if serving.engine == "sglang":
        left = share * total - memory.weights_bytes
    elif serving.engine == "tensorrt-llm":
        left = share * (total - memory.weights_bytes - others)
    else:
        left = share * total - memory.weights_bytes - others
    return max(int(left) // memory.kv_bytes_per_token, 0)


def memory_share(serving: Serving, memory: Memory) -> float:
    """What an engine takes of a GPU's memory, 0 to 1: what the pool says, or its own default.

    SGLang leaves room for what grows with the tokens of a prefill, with GPUs and with its CUDA graphs:
    mem_fraction_static by srt/arg_groups/memory_hook.py (sgl-project/sglang@031ed82d), graphs of prefills counted.
    """
    if serving.gpu_memory_share is not None:
        return serving.gpu_memory_share
    if serving.engine != "sglang":
        return SHARES.get(serving.engine or "", SHARE)
    gpu_mib = memory.gpu_memory_bytes / MIB
    tokens = serving.max_batched_tokens
    reserved = 512 + 1.5 * max(tokens, 2048) + 128 * serving.tp + 2 * _largest_graph(gpu_mib, serving.tp)
    reserved += 8 * _prefill_graphs(tokens)
    if gpu_mib > 60 * 1024:
        reserved = max(reserved, 10 * 1024)
    return round((gpu_mib - reserved) / gpu_mib, 3)


def _largest_graph(gpu_mib: float, gpus: int) -> int:
    """Sequences of the largest CUDA graph of a decode iteration."""
    small = gpus < 4
    steps = ((20, 8, 8), (35, 48, 160), (60, 32, 160), (160, 256, 512))
    return next((few if small else many for below, few, many in steps if gpu_mib < below * 1024), 512)


def _prefill_graphs(tokens: int) -> int:
    """Sizes of prefill that it captures a graph for."""
    steps = ((4, 33, 4), (48, 257, 16), (288, 513, 32), (576, 1025, 64), (1280, 4097, 256), (4608, tokens + 1, 512))
    return sum(size <= tokens for first, end, step in steps for size in range(first, end, step))
