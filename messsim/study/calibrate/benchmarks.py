"""Sums that benchmarks of vLLM and SGLang write, as points of a server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from messsim.errors import DataError
from messsim.workload.chunk import Floats
from messsim.workload.readers import numbers, picked, row_number

from .lengths import ALIKE, Lengths, by_quantiles, columns_of, shows_spread
from .sharegpt import sharegpt_lengths
from .usual import clients_of

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
EACH = ("input_lens", "output_lens")  # of each request, where a result has details
LEAST = 1e-9  # of what must be above 0
AHEAD = 1.2  # a rate of so many times what was answered keeps all clients busy
DETAILS = "; vllm bench serve --save-detailed, or SGLang's bench_serving --output-details, writes those of each"


def benchmarked(frame: pl.DataFrame, path: Path, notes: list[str]) -> pl.DataFrame:
    """Runs of ``vllm bench serve`` or SGLang's bench_serving as points; others as they are.

    Beside the means of the lengths stand those of each request, where a run has them or names the data set that they
    are of. What else deserves a word is added to `notes`.

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
        theirs = clients_of(frame.columns)
        frame = frame.with_columns((pl.lit(None) if theirs is None else pl.col(theirs)).alias("max_concurrency"))
    # a result with details has been read as a row for each of its requests, with the sums of all in each
    keys = [c for c in dict.fromkeys((*sums, *BENCHMARKS, "duration", "date")) if c in frame.columns]
    each = _of_each(frame, keys)
    frame = frame.unique(keys, maintain_order=True)
    completed = numbers(frame, "completed", path, least=1)
    _check_clients(frame, completed)
    collected = {ours: numbers(frame, total, path, least=1) / completed for total, ours in TOTALS.items()}
    lengths = dict(_lengths(frame, each, {"completed": completed, **collected}, notes))
    if (collected["output_tokens"] == 1.0).all() and "mean_tpot_ms" in frame.columns:
        frame = frame.drop("mean_tpot_ms")  # 0, of answers of one token
    collected |= {ours: numbers(frame, c, path, least=LEAST) for c, ours in BENCHMARKS.items() if c in frame.columns}
    collected["clients"] = np.minimum(collected["clients"], completed)  # no more are ever under way than there are
    lists = columns_of(lengths.get(i) for i in range(frame.height))
    return picked(frame, [c for c in ENGINE if c in frame.columns]).with_columns(**collected, **lists)


def _of_each(frame: pl.DataFrame, keys: list[str]) -> list[Lengths | None]:
    """Of each run the lengths of its requests that were answered, in their order; none where it has no details."""
    import polars as pl

    if not set(EACH) <= set(frame.columns):
        return [None] * frame.select(keys).n_unique()
    each = frame.select(*keys, *EACH)
    if all(
        isinstance(each.schema[name], pl.List) for name in EACH
    ):  # a row for each run, as other runs have no details
        lengths = [pl.col(name).list.len() for name in EACH]
        whole = pl.when(lengths[0] == lengths[1])
        each = each.with_columns(whole.then(pl.col(name)).alias(name) for name in EACH).explode(EACH)
    prompts, answers = (pl.col(name).cast(pl.Int64, strict=False) for name in EACH)
    answered = (prompts > 0) & (answers > 0)  # one that failed has an answer of 0 tokens
    runs = each.group_by(keys, maintain_order=True).agg(prompts.filter(answered), answers.filter(answered))
    lists = zip(*(runs[name] for name in EACH), strict=True)
    return [Lengths(p.to_numpy(), a.to_numpy()) if len(p) else None for p, a in lists]


def _lengths(
    frame: pl.DataFrame, each: list[Lengths | None], sums: Mapping[str, Floats], notes: list[str]
) -> Iterator[tuple[int, Lengths]]:
    """Runs whose requests are known to differ, or taken to, by their number."""
    alike, drawn, advice = False, set[str](), ""
    for i, run in enumerate(frame.iter_rows(named=True)):
        requests, prompt, answer = (float(sums[name][i]) for name in ("completed", *TOTALS.values()))
        if (lengths := each[i]) is None and (lengths := _of_data_set(run, int(requests), prompt, answer)) is not None:
            drawn.add(str(run["dataset_name"]))
        if lengths is not None:
            yield i, lengths
        elif shows_spread(prompt) or shows_spread(answer):
            alike = True
            advice = advice if all(run.get(name) is not None for name in EACH) else DETAILS
    if drawn:
        notes.append(
            f"lengths of requests are taken to be those of the data set ({', '.join(sorted(drawn))}), stretched to "
            f"their means{DETAILS}"
        )
    if alike:
        notes.append(f"{ALIKE}{advice}")


def _of_data_set(run: Mapping[str, Any], requests: int, prompt_mean: float, answer_mean: float) -> Lengths | None:
    """Lengths by the data set: ShareGPT's as vLLM's benchmark cuts them, or evenly from a share of one to itself."""
    name = run.get("dataset_name")
    if name == "sharegpt" and not run.get("sharegpt_output_len"):
        return Lengths(*sharegpt_lengths(requests, prompt_mean, answer_mean))
    share = _number(run.get("random_range_ratio"))
    most = [_number(run.get(f"random_{part}_len")) for part in ("input", "output")]
    if name not in ("random", "random-ids") or not (0.0 <= share < 1.0 and all(length >= 1.0 for length in most)):
        return None
    laws = [((0.0, 1.0), (max(share * length, 1.0), length)) for length in most]
    return by_quantiles(requests, (*laws[0], prompt_mean), (*laws[1], answer_mean))


def _check_clients(frame: pl.DataFrame, completed: Floats) -> None:
    """Raises where a run had no limit of requests under way, or sent them too slowly to reach it."""
    for i, run in enumerate(frame.iter_rows(named=True)):
        row = row_number(frame, i)
        if run["max_concurrency"] is None:
            raise DataError(
                f"column 'max_concurrency' has no value in row {row}: how many requests were under way changed all the "
                "time; expected --max-concurrency N when the benchmark is run, with --request-rate inf"
            )
        given, seconds = run.get("request_rate"), _number(run.get("duration"))
        answered = completed[i] / seconds if seconds > 0 else 0.0
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
