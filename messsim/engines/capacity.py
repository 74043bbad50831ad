"""How many requests a second a replica can sustain: its saturation throughput in closed form."""

from messsim import _core

from .cluster import PoolPlan

__all__ = ["saturation_rps"]


def saturation_rps(pool: PoolPlan, prompt_tokens: float, output_tokens: float) -> float:
    """Requests per second that one replica completes when there is always one waiting.

    At saturation the batch is as full as places, memory and the token budget allow. A request takes
    `output_tokens` iterations, so B sequences let B / output_tokens new prompts in per iteration; the mean
    iteration is evaluated at the mean composition (exact where duration is linear in it).
    """
    said, context = pool.said, prompt_tokens + output_tokens / 2.0
    by_places = min(said.max_num_seqs, max(pool.kv_capacity_tokens / context, 1.0)) / output_tokens
    by_budget = said.max_batched_tokens / (prompt_tokens + output_tokens)
    started = min(by_places, by_budget)  # requests that start, and end, in an iteration
    sequences = started * output_tokens
    prompts = started * prompt_tokens
    seconds, _ = _core.iteration(
        pool.coefficients, sequences, sequences * context, prompts, prompts * prompt_tokens / 2.0
    )
    return started / seconds
