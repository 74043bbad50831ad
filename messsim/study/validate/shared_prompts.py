"""Which of the RTX 4090's requests begin alike: later turns of a conversation begin with the prompt of an earlier one.

The table of requests has lengths alone. Their token ids are the load's, whose lengths and order are the table's:
`workloads/sharegpt-llama-3.1-8b-300-sps10.jsonl` of LLMServingSim (MIT; kept in skyp0714/event_driven_llmsim at
`165de004`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..runs.scratch import scratch

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

__all__ = ["ALIKE", "blocks", "trace_of_blocks"]

# Request, counted from 0, the earlier one that it begins like, and for how many tokens: all that share a block.
ALIKE = (
    *((47, 40, 455), (66, 35, 633), (68, 28, 363), (79, 17, 859), (88, 27, 327), (93, 82, 629), (117, 45, 389)),
    *((128, 63, 843), (139, 117, 996), (140, 76, 391), (152, 31, 38), (158, 107, 616), (173, 153, 460)),
    *((174, 38, 1320), (177, 22, 483), (180, 61, 824), (183, 31, 319), (184, 151, 579), (188, 138, 721)),
    *((200, 109, 262), (209, 201, 607), (220, 146, 522), (223, 36, 814), (227, 226, 520), (235, 56, 838)),
    *((237, 207, 1265), (265, 149, 596), (280, 147, 831), (281, 186, 817), (285, 165, 735), (287, 111, 448)),
    (293, 163, 262),
)


def blocks(prompt_tokens: list[int], size: int) -> list[list[int]]:
    """Ids of the blocks of `size` tokens of each prompt; prompts that begin alike have the same ids there."""
    earlier = {request: (other, tokens // size) for request, other, tokens in ALIKE}
    ids: list[list[int]] = []
    unused = 0
    for request, tokens in enumerate(prompt_tokens):
        other, same = earlier.get(request, (0, 0))
        shared = ids[other][:same] if same else []
        own = -(-tokens // size) - len(shared)
        ids.append([*shared, *range(unused, unused + own)])
        unused += own
    return ids


def trace_of_blocks(frame: pl.DataFrame, arrivals_s: npt.NDArray[np.float64], size: int) -> Path:
    """Write the requests with the ids of their blocks, as a trace that lasts as long as this process."""
    import polars as pl

    ids = blocks(frame["prompt_tokens"].to_list(), size)
    trace = frame.select("prompt_tokens", "output_tokens").with_columns(arrival_s=arrivals_s, hash_ids=pl.Series(ids))
    path = Path(scratch().name) / f"requests-{size}.jsonl"
    trace.write_ndjson(path)
    return path
