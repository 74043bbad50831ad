"""Columns of points of a server as people's own tables call them: concurrency, isl, TTFT (ms), mean_tpot."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from messsim.errors import DataError
from messsim.workload.durations import Durations
from messsim.workload.meaning import COUNTED, by_meaning, meaning_of
from messsim.workload.readers import as_numbers, first_bad, marks_of_counts, row_number, rows_in_file
from messsim.workload.thousands import points_part_thousands
from messsim.workload.time_form import TimeForm

if TYPE_CHECKING:
    import polars as pl

__all__ = ["by_usual_names", "clients_of", "counts", "with_own_units", "with_whole_counts"]

CLIENTS = (
    re.compile(r"(num_|n_)?(concurrency|concurrent_requests)"),
    re.compile(r"max_(conc|concurrency|concurrent_requests)"),
    re.compile(r"(num_|n_)?conc"),
    re.compile(r"(max_|num_|n_)?clients"),
)  # how many requests run at once, the surest names first
USERS = re.compile(r"(max_|num_|n_)?(concurrent_)?users")  # who may pause: clients where nothing else says it
TIME = re.compile(
    r"(?:(?:mean|avg|average)_)?(ttft|tpot|itl|e2el?|e2e_latency)(?:_(?:mean|avg|average))?(?:_(ms|us|ns|s))?"
)
MEAN = re.compile(r"^(mean|avg|average)_|_(mean|avg|average)$")
COUNTS = ("completed", "batch", "cached_tokens", "prompt_prior")  # beside clients and tokens of prompts and answers
READINGS = {"itl": "tpot", "e2el": "e2e", "e2e_latency": "e2e"}
BATCH = re.compile(r"(max_)?(batch|batch_size|bs)")  # requests at once, where answers are measured
ITERATIONS = re.compile(r"duration(_ms|_us|_ns|_s)?|batch")  # columns that points have not, but where they say TTFT


def by_usual_names(frame: pl.DataFrame) -> pl.DataFrame:
    """The table with the names of this module's readers where a column is called otherwise; else as it is.

    Raises
    ------
    DataError
        Where two columns say how many requests ran at once, and differ.
    """
    columns = frame.columns
    words = _words(columns)
    answers = any(TIME.fullmatch(word) for word in words.values())
    if not answers and any(ITERATIONS.fullmatch(c) for c in columns):
        return frame
    ranked = ["clients"] if "clients" in columns else _clients(words)
    means = {MEAN.sub("", words[c]): c for c in columns}  # by what they are the means of
    lengths = {
        ours: ours if ours in columns else by_meaning(ours, columns) or means.get(by_meaning(ours, means) or "")
        for ours in ("prompt_tokens", "output_tokens")
    }
    times: dict[str, str] = {}
    for column in columns:
        if (
            (match := TIME.fullmatch(words[column]))
            and words[column] not in READINGS
            and column not in ("ttft", "tpot", "e2e")
        ):
            ours = f"{READINGS.get(match[1], match[1])}_{match[2] or 's'}"
            if ours not in columns and ours not in times.values():
                times[column] = ours
    if not ranked or not all(lengths.values()):
        return frame
    _check_alike(frame, ranked)
    bare = {"isl", "osl", "concurrency", "ttft"} <= set(columns)  # AIConfigurator's, in ms, which has names of its own
    named = {} if bare else {ranked[0]: "clients"} | {str(theirs): ours for ours, theirs in lengths.items()}
    return frame.rename({theirs: ours for theirs, ours in (named | times).items() if theirs != ours})


def with_own_units(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    """The table with times whose values state their unit (12.5 ms) in seconds, under this module's names.

    Raises
    ------
    DataError
        With the row of a value that states none beside others.
    """
    import polars as pl

    rows = np.arange(frame.height) if (places := rows_in_file(frame)) is None else places.to_numpy()
    for column, words in _words(frame.columns).items():
        match = TIME.fullmatch(words) or re.fullmatch(r"(duration)(?:_(?:ms|us|ns|s))?", words)
        if match is None or frame[column].dtype != pl.String or not frame[column].str.contains(r"\d\s*[a-zµμ]").any():
            continue
        named = f"{READINGS.get(match[1], match[1])}_s"
        times, misfit = Durations(TimeForm()).read(frame[column].str.strip_chars(), rows)
        if misfit is not None:
            raise first_bad(column, misfit[0], frame[column], misfit[1], path, places=places)
        if times is not None and (named == column or named not in frame.columns):
            frame = frame.with_columns(times.alias(column)).rename({column: named})
    return frame


def with_whole_counts(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    """The table with counts whose points part thousands, where a comma is decimal, as numbers; other text stays."""
    import polars as pl

    if not points_part_thousands(path):
        return frame
    for column in (c for c in frame.columns if counts(c) and frame[c].dtype == pl.String):
        values = as_numbers(frame[column], marks_of_counts(frame[column]))
        if values.dtype == pl.Int64 and values.null_count() == frame[column].null_count():
            frame = frame.with_columns(values.alias(column))
    return frame


def counts(column: str) -> bool:
    """Whether a column is of requests or tokens, by its name."""
    return column in COUNTS or meaning_of(column) in COUNTED or clients_of([column]) is not None


def clients_of(columns: Iterable[str]) -> str | None:
    """The column that says how many requests ran at once, by its name; None: there is none."""
    return next(iter(_clients(_words(columns))), None)


def _words(columns: Iterable[str]) -> dict[str, str]:
    return {c: "_".join(re.findall(r"[a-z0-9]+", c.lower())) for c in columns}


def _clients(words: Mapping[str, str]) -> list[str]:
    """Columns of how many requests ran at once, the surest first; of users, or a batch, where there are none."""
    ranked = [c for names in CLIENTS for c, word in words.items() if names.fullmatch(word)]
    others = ([c for c, word in words.items() if names.fullmatch(word)] for names in (USERS, BATCH))
    return ranked or next(filter(None, others), [])


def _check_alike(frame: pl.DataFrame, ranked: list[str]) -> None:
    first = frame[ranked[0]]
    for other in ranked[1:]:
        if (apart := (first != frame[other]).fill_null(False).arg_true()).len():
            row = int(apart[0])
            where = f"row {row_number(frame, row)}: {first[row]} and {frame[other][row]}"
            raise DataError(
                f"columns {ranked[0]!r} and {other!r} differ in {where}; expected one of how many requests ran at "
                "once: call it clients"
            )
