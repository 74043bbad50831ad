"""Sums that benchmarks of vLLM and SGLang write, as points of a server."""

from __future__ import annotations

from math import isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING

from messsim.errors import DataError
from messsim.workload.readers import numbers, picked, row_number

if TYPE_CHECKING:
    import polars as pl

__all__ = ["BENCHMARKS", "ENGINE", "LEAST", "TOTALS", "benchmarked"]

ENGINE = ("backend", "backend_version")  # columns of which a file may hold one value only
BENCHMARKS = {  # what a benchmark of vLLM or SGLang sums up
    "max_concurrency": "clients",
    "output_throughput": "tokens_per_s",
    "mean_ttft_ms": "ttft_ms",
    "mean_tpot_ms": "tpot_ms",
    "mean_e2el_ms": "e2e_ms",
    "mean_e2e_latency_ms": "e2e_ms",
}
TOTALS = {"total_input_tokens": "prompt_tokens", "total_output_tokens": "output_tokens"}  # of all that completed
LEAST = 1e-9  # of what must be above 0
AHEAD = 1.2  # a rate of so many times what was answered keeps all clients busy


def benchmarked(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Runs of ``vllm bench serve`` or SGLang's bench_serving as points, their lengths the means; others as they are.

    Raises
    ------
    DataError
        If a run did not keep `max_concurrency` requests under way.
    """
    import polars as pl

    sums = {"completed", "max_concurrency", *TOTALS}
    if not sums - {"max_concurrency"} <= set(frame.columns):
        return frame
    if "max_concurrency" not in frame.columns:
        frame = frame.with_columns(max_concurrency=pl.lit(None))
    # a result with details has been read as a row for each of its requests, with the sums of all in each
    frame = frame.unique([c for c in (*sums, *BENCHMARKS, "duration") if c in frame.columns], maintain_order=True)
    _check_clients(frame)
    completed = numbers(frame, "completed", path, least=1)
    collected = {ours: numbers(frame, total, path, least=1) / completed for total, ours in TOTALS.items()}
    collected |= {ours: numbers(frame, c, path, least=LEAST) for c, ours in BENCHMARKS.items() if c in frame.columns}
    return picked(frame, [c for c in ENGINE if c in frame.columns]).with_columns(**collected)


def _check_clients(frame: pl.DataFrame) -> None:
    """Raises where a run had no limit of requests under way, or sent them too slowly to reach it."""
    for i, run in enumerate(frame.iter_rows(named=True)):
        row = row_number(frame, i)
        if run["max_concurrency"] is None:
            raise DataError(
                f"column 'max_concurrency' has no value in row {row}: how many requests were under way changed all the "
                "time; expected --max-concurrency N when the benchmark is run, with --request-rate inf"
            )
        given, seconds = run.get("request_rate"), _number(run.get("duration"))
        answered = _number(run["completed"]) / seconds if seconds > 0 else 0.0
        rate = _number(given)  # none: SGLang writes "trace" where each request was sent at a time of its own
        if given is not None and (isnan(rate) or rate < AHEAD * answered):
            raise DataError(
                f"column 'request_rate' has {given} in row {row}, and {answered:.3g} a second were answered: fewer "
                "than max_concurrency were under way; expected inf (--request-rate), or far more than that"
            )


def _number(value: object) -> float:
    """The value as a number; not a number where it is none."""
    try:
        return float(str(value))
    except ValueError:
        return nan
