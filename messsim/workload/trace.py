"""A trace of requests: when they came, and how long their prompts and answers were."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from messsim.errors import DataError
from messsim.scenario import arrivals as said

from .chunk import Floats, Ints
from .readers import first_bad, numbers, read, token_counts

if TYPE_CHECKING:
    import polars as pl

__all__ = ["TraceRows", "read_trace"]


@dataclass(frozen=True)
class TraceRows:
    """The trace's rows in order of time, from 0 s on.

    `period_s` is what a repetition adds: the span and one mean gap. Token columns are None unless asked.
    `file` names it, `file_rows` are all its rows, and `first_row` is the first of them in order of time that is here;
    `file_rate_rps` is the mean rate of all of them, stretched as these are.
    """

    time_s: Floats
    period_s: float
    prompt_tokens: Ints | None
    output_tokens: Ints | None
    notes: tuple[str, ...] = ()
    file: str = ""
    file_rows: int = 0
    first_row: int = 0
    file_rate_rps: float | None = None

    def __len__(self) -> int:
        return len(self.time_s)

    @property
    def has_tokens(self) -> bool:
        """Whether it says how long prompts or answers are."""
        return self.prompt_tokens is not None or self.output_tokens is not None

    def requests_before(self, horizon_s: float, *, repeat: bool) -> int:
        """How many requests come before a deadline."""
        turns = int(horizon_s // self.period_s) if repeat else 0
        rest = int(np.searchsorted(self.time_s + turns * self.period_s, horizon_s, side="left"))
        return turns * len(self) + rest

    def rate_rps(self, requests: int) -> float:
        """Mean rate of the first `requests`, requests per second; of the whole trace where all its rows are taken."""
        span_s = float(self.time_s[requests - 1]) if requests < len(self) else 0.0
        return (requests - 1) / span_s if span_s > 0 else len(self) / self.period_s


def read_trace(law: said.Trace, path: Path, *, prompt: bool, output: bool) -> TraceRows:
    """Reads, sorts (stably, with a note), cuts to the window, starts at 0 and stretches to the rate."""
    names = law.columns
    wanted = [names.time] + [names.prompt_tokens] * prompt + [names.output_tokens] * output
    frame = read(path, wanted)
    time_s = _seconds(frame, names.time, path)
    notes, first_row = [], 0
    order = np.argsort(time_s, kind="stable")
    if (np.diff(time_s) < 0).any():
        notes.append(f"{path.name}: arrivals are not in order of time; they are sorted")
    since_s = time_s[order] - time_s[order[0]]
    file_period_s = _period_s(since_s)
    if law.window_s is not None:
        inside = (since_s >= law.window_s[0]) & (since_s < law.window_s[1])
        first_row = int(np.argmax(inside))
        order, since_s = order[inside], since_s[inside] - law.window_s[0]
        if len(order) == 0:
            raise DataError(f"has no rows in window_s = {law.window_s} s", str(path))
    as_recorded_s = _period_s(since_s)
    since_s, period_s = _stretched(since_s, law.rate_rps, path)
    stretched = period_s / as_recorded_s if as_recorded_s else 1.0

    def tokens(column: str, asked: bool) -> Ints | None:
        return token_counts(frame, column, path)[order] if asked else None

    return TraceRows(
        since_s,
        period_s,
        tokens(names.prompt_tokens, prompt),
        tokens(names.output_tokens, output),
        tuple(notes),
        path.name,
        frame.height,
        first_row,
        frame.height / (file_period_s * stretched) if file_period_s else None,
    )


def _seconds(frame: pl.DataFrame, column: str, path: Path) -> Floats:
    import polars as pl

    series = frame[column]
    expected = "seconds, or a date and time such as 2023-11-16T18:15:46"
    if series.null_count():
        raise first_bad(column, series.is_null(), "no value", expected, path)
    if series.dtype == pl.String:
        series = _dates(series, expected, path)
    if isinstance(series.dtype, pl.Datetime):
        micro: Floats = series.dt.epoch("us").to_numpy().astype(np.float64)
        return np.asarray((micro - micro.min()) * 1e-6)
    return numbers(frame, column, path, least=0.0, most=1e12)


def _dates(series: pl.Series, expected: str, path: Path) -> pl.Series:
    """ISO 8601 only: a day and a month in any other order may be mistaken for each other."""
    import polars as pl

    iso = series.str.contains(r"^\s*\d{4}-\d{2}-\d{2}")
    if not iso.all():
        raise first_bad(series.name, ~iso, series, expected, path)
    try:
        dates = series.str.to_datetime(strict=False)
    except pl.exceptions.PolarsError:
        dates = pl.Series([None] * len(series))  # not even the first is a date
    if dates.null_count():
        raise first_bad(series.name, dates.is_null(), series, expected, path)
    return dates


def _period_s(time_s: Floats) -> float:
    """Span and one mean gap, seconds; 0 where all are at one time."""
    span_s = float(time_s[-1] - time_s[0])
    return span_s + span_s / (len(time_s) - 1) if span_s > 0 else 0.0


def _stretched(time_s: Floats, rate_rps: float | None, path: Path) -> tuple[Floats, float]:
    period_s = _period_s(time_s)
    if period_s <= 0 and rate_rps is None:
        raise DataError(
            f"all {len(time_s)} arrivals are at one time, so there is no rate; expected arrivals.rate_rps",
            str(path),
        )
    if period_s <= 0 and rate_rps is not None:
        return time_s - time_s[0], len(time_s) / rate_rps
    if rate_rps is None:
        return time_s, period_s
    factor = len(time_s) / period_s / rate_rps
    return time_s * factor, period_s * factor
