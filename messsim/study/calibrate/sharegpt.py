"""How long ShareGPT's first prompts and answers are, as `vllm bench serve` sends them, where a table has totals alone.

Quantiles in tokens of Qwen2.5 over 5,000 conversations drawn from `ShareGPT_V3_unfiltered_cleaned_split.json`
(`results/dataset_stats.json` of IsseiHasegawa/vLLM-experiment at `bc304c6c`), of which the benchmark keeps 4,491: at
least 4 tokens each, prompts of 1,024 at most, 2,048 together. Their means are 229 and 197.
"""

from __future__ import annotations

from math import pi, sin, sqrt
from pathlib import Path
from typing import TYPE_CHECKING

from ..runs.scratch import scratch
from .lengths import in_order_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["sharegpt_lengths", "trace_at_once"]

LEVELS = (0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.998)
PROMPT = (4, 4, 5, 7, 10, 17, 26, 48, 108, 229, 330, 445, 643, 767, 821, 913, 995)
ANSWER = (4, 5, 5, 7, 11, 19, 34, 71, 124, 201, 268, 351, 491, 636, 770, 793, 1155)
RANK_CORRELATION = -0.416  # the longer the prompt, the shorter the answer


def sharegpt_lengths(
    requests: int, prompt_mean: float, answer_mean: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Prompts and answers of as many requests, in tokens: the quantiles in a drawn order, stretched to the means.

    Ranks are those of normal numbers with Spearman's correlation of the conversations.
    """
    import numpy as np

    draws = np.random.default_rng(0).standard_normal((2, requests))
    correlation = 2.0 * sin(pi * RANK_CORRELATION / 6.0)
    answers = correlation * draws[0] + sqrt(1.0 - correlation**2) * draws[1]
    return (
        in_order_of(draws[0], LEVELS, PROMPT, prompt_mean),
        in_order_of(answers, LEVELS, ANSWER, answer_mean),
    )


def trace_at_once(requests: int, prompt_mean: float, answer_mean: float) -> Path:
    """Write requests of such lengths that all arrive at 0, as a trace that lasts as long as this process."""
    import polars as pl

    prompts, answers = sharegpt_lengths(requests, prompt_mean, answer_mean)
    path = Path(scratch().name) / f"sharegpt-{requests}-{prompt_mean}-{answer_mean}.csv"
    pl.DataFrame({"arrival_s": [0.0] * requests, "prompt_tokens": prompts, "output_tokens": answers}).write_csv(path)
    return path
