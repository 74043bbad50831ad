"""GuideLLM's benchmarks.json, a benchmark for each number of streams, as points of a server.

Its names: https://github.com/vllm-project/guidellm, src/guidellm/benchmark/schemas and scheduler/strategies.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from messsim import files
from messsim.errors import DataError
from messsim.scenario.base import MOST_TOKENS
from messsim.workload.blocks import opened
from messsim.workload.documents import Row

from .lengths import ALIKE, Lengths, columns_of, shows_spread

if TYPE_CHECKING:
    import polars as pl

__all__ = ["of_guidellm", "refuse_csv"]

MEANS = {  # of requests that were answered; a latency in s, the other times in ms
    "prompt_tokens": "prompt_token_count",
    "output_tokens": "output_token_count",
    "ttft_ms": "time_to_first_token_ms",
    "tpot_ms": "inter_token_latency_ms",
    "e2e_s": "request_latency",
}
CLOSED = {"concurrent": "streams", "synchronous": ""}  # strategies that keep requests under way, and how many
# Of a request, by version.
PROMPT = ("prompt_tokens", "prompt_metrics.text_tokens", "input_metrics.text_tokens")
ANSWER = ("output_tokens", "output_metrics.text_tokens")
SENT = (
    "request_start_time",
    "start_time",
    "scheduler_info.request_timings.request_start",
    "info.timings.request_start",
)
HOW = "expected --profile concurrent (--rate-type concurrent until 0.3) with --rate N"


def of_guidellm(path: Path, notes: list[str]) -> pl.DataFrame | None:
    """The points of a result of GuideLLM, None: the file is none. What deserves a word is added to `notes`.

    Raises
    ------
    DataError
        If no benchmark of it kept a fixed number of requests under way.
    """
    import polars as pl

    benchmarks = _benchmarks(path)
    if not benchmarks:
        return None
    kinds = [str(_strategy(benchmark).get("type_")) for benchmark in benchmarks]
    closed = [b for b, kind in zip(benchmarks, kinds, strict=True) if kind in CLOSED]
    others = ", ".join(dict.fromkeys(kind for kind in kinds if kind not in CLOSED))
    if not closed:
        raise DataError(
            f"holds benchmarks of GuideLLM that keep no fixed number of streams ({others}); {HOW}", str(path)
        )
    if len(closed) < len(kinds):
        left_out = len(kinds) - len(closed)
        notes.append(f"benchmarks that keep no fixed number of streams are left out: {left_out} ({others})")
    closed = _answered(closed, path, notes)
    rows = [{"clients": _clients(b)} | {ours: _mean(b, theirs) for ours, theirs in MEANS.items()} for b in closed]
    if missing := [theirs for ours, theirs in list(MEANS.items())[:2] if any(row[ours] is None for row in rows)]:
        lacking = " and ".join(f"metrics.{name}.successful.mean" for name in missing)
        raise DataError(f"has a benchmark without {lacking}; expected the mean of its answered requests", str(path))
    lengths = [_lengths(b, path, notes) for b in closed]
    unknown = (row for row, each in zip(rows, lengths, strict=True) if each is None)
    if any(shows_spread(row[name] or 0.0) for row in unknown for name in ("prompt_tokens", "output_tokens")):
        notes.append(ALIKE)
    frame = pl.DataFrame(rows, schema=dict.fromkeys(("clients", *MEANS), pl.Float64))
    measured = [c for c in frame.columns if (frame[c] > 0).any()]
    return frame.select(measured).with_columns(**columns_of(lengths))


def _benchmarks(path: Path) -> list[Row]:
    """The benchmarks of a file with those keys that GuideLLM's have; none of any other."""
    try:
        with opened(path) as (kind, file):
            text = file.read(files.MOST_JSON) if kind == "json" else b""
        report = json.loads(text) if b'"benchmarks"' in text else None
    except (DataError, ValueError, RecursionError):
        return []  # which the reader of tables says better
    listed = report.get("benchmarks") if isinstance(report, dict) else None
    if not isinstance(listed, list) or not all(
        isinstance(b, dict) and isinstance(b.get("metrics"), dict) for b in listed
    ):
        return []
    return listed if all(_strategy(b) and _at(b, "metrics.request_latency") is not None for b in listed) else []


def refuse_csv(columns: Iterable[str], path: Path) -> None:
    """Raises where the columns are those of GuideLLM's CSV: its header takes three rows, of groups, names and units."""
    if {"Run Info", "Benchmark", "Timings", "Request Latency"} <= set(columns):
        raise DataError("is the CSV of GuideLLM; expected its benchmarks.json (--outputs json)", str(path))


def _strategy(benchmark: Mapping[str, Any]) -> Row:
    listed = _first(benchmark, ("config.strategy", "args.strategy"))
    return listed if isinstance(listed, dict) else {}


def _answered(benchmarks: list[Row], path: Path, notes: list[str]) -> list[Row]:
    """Those of whose requests any was answered; others, as of a server that fell over, have no means."""
    some = [b for b in benchmarks if _requests(b) is None or _requests(b)]
    if not some:
        raise DataError("holds benchmarks of GuideLLM without an answered request; expected some that were", str(path))
    if left_out := len(benchmarks) - len(some):
        notes.append(f"benchmarks without an answered request are left out: {left_out}")
    return some


def _requests(benchmark: Mapping[str, Any]) -> float | None:
    """How many requests were answered."""
    places = ("metrics.request_totals.successful", "metrics.request_latency.successful.count")
    return _number(_first(benchmark, places))


def _clients(benchmark: Mapping[str, Any]) -> float | None:
    """How many requests were under way: no more than there were."""
    strategy = _strategy(benchmark)
    key = CLOSED[str(strategy["type_"])]
    streams = _number(strategy.get(key)) if key else 1.0
    answered = _requests(benchmark)
    return streams if streams is None or answered is None else min(streams, answered)


def _mean(benchmark: Mapping[str, Any], name: str) -> float | None:
    return _number(_at(benchmark, f"metrics.{name}.successful.mean"))


def _lengths(benchmark: Mapping[str, Any], path: Path, notes: list[str]) -> Lengths | None:
    """Of each request that was answered, in the order in which they were sent; None where any is not known."""
    requests = _at(benchmark, "requests.successful")
    if not isinstance(requests, list) or not requests:
        return None
    rows = [[_number(_first(request, names)) for names in (SENT, PROMPT, ANSWER)] for request in requests]
    for name, tokens in (pair for row in rows for pair in zip(("prompt", "answer"), row[1:], strict=True)):
        if tokens and not 1 <= tokens <= MOST_TOKENS:  # not a number, too
            expected = f"expected 1 to {MOST_TOKENS:,} tokens"
            raise DataError(
                f"requests.successful: has a request whose {name} is {tokens:g} long; {expected}", str(path)
            )
    known = [(sent, prompt, answer) for sent, prompt, answer in rows if sent is not None and prompt and answer]
    if len(known) < len(rows):
        lacking = f"of the {len(rows):,} requests of a benchmark {len(rows) - len(known):,} have no lengths or no time"
        notes.append(f"{lacking}: all of it are taken to be as long as their mean")
        return None
    _, prompts, answers = np.array(sorted(known, key=lambda row: row[0])).T
    return Lengths(prompts.astype(np.int64), answers.astype(np.int64))


def _first(value: Any, paths: Iterable[str]) -> Any:
    return next((held for path in paths if (held := _at(value, path)) is not None), None)


def _at(value: Any, path: str) -> Any:
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
