"""Columns of points of a server as people's own tables call them: concurrency, isl, TTFT (ms), mean_tpot."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from messsim.workload.meaning import by_meaning

if TYPE_CHECKING:
    import polars as pl

__all__ = ["by_usual_names"]

CLIENTS = re.compile(r"(max_|num_|n_)?(conc|concurrency|concurrent_requests|concurrent_users|clients|users)")
TIME = re.compile(
    r"(?:(?:mean|avg|average)_)?(ttft|tpot|itl|e2el?|e2e_latency)(?:_(?:mean|avg|average))?(?:_(ms|us|ns|s))?"
)
READINGS = {"itl": "tpot", "e2el": "e2e", "e2e_latency": "e2e"}
ITERATIONS = re.compile(r"duration(_ms|_us|_ns|_s)?|batch")  # columns that points have not


def by_usual_names(frame: pl.DataFrame) -> pl.DataFrame:
    """The table with the names of this module's readers where a column is called otherwise; else as it is."""
    columns = frame.columns
    if any(ITERATIONS.fullmatch(c) for c in columns):
        return frame
    words = {c: "_".join(re.findall(r"[a-z0-9]+", c.lower())) for c in columns}
    clients = "clients" if "clients" in columns else next((c for c in columns if CLIENTS.fullmatch(words[c])), None)
    lengths = {
        ours: ours if ours in columns else by_meaning(ours, columns) for ours in ("prompt_tokens", "output_tokens")
    }
    times: dict[str, str] = {}
    for column in columns:
        if (
            (match := TIME.fullmatch(words[column]))
            and words[column] not in READINGS
            and column not in ("ttft", "tpot")
        ):
            ours = f"{READINGS.get(match[1], match[1])}_{match[2] or 's'}"
            if ours not in columns and ours not in times.values():
                times[column] = ours
    if clients is None or not all(lengths.values()):
        return frame
    bare = {"isl", "osl", "concurrency", "ttft"} <= set(columns)  # AIConfigurator's, in ms, which has names of its own
    named = {} if bare else {clients: "clients"} | {str(theirs): ours for ours, theirs in lengths.items()}
    return frame.rename({theirs: ours for theirs, ours in (named | times).items() if theirs != ours})
