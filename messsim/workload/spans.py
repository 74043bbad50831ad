"""The spans of a run: which of its requests are drawn by which stage, known before any is drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .arrivals import ArrivalSource
from .chunk import Floats, Ints
from .stages import Stage

__all__ = ["Asked", "Span", "mean_of_rows", "mean_over", "spans_of"]

BLOCK = 65_536  # arrivals that are drawn at once
MOST = 20_000_000  # requests of a span whose rows of two files are looked at together


@dataclass(frozen=True)
class Asked:
    """Which requests are a tenant's: those of some rows of a trace, which is taken again and again."""

    rows: NDArray[np.bool_]

    @cached_property
    def _sums(self) -> NDArray[np.int64]:
        return np.cumsum(self.rows, dtype=np.int64)

    def before(self, number: int) -> int:
        """How many of the first requests are the tenant's."""
        again, rest = divmod(number, len(self.rows))
        return again * int(self._sums[-1]) + (int(self._sums[rest - 1]) if rest else 0)

    def numbers(self, first: int, n: int) -> NDArray[np.int64]:
        """Which of the requests first ... first + n - 1 are the tenant's."""
        at = np.arange(first, first + n)
        return at[self.rows[at % len(self.rows)]]


@dataclass(frozen=True)
class Span:
    """Requests first ... first + count - 1, all of one stage.

    Attributes
    ----------
    progress
        How far the first and the last of them are on the way to a gradual stage, in [0, 1]; (1, 1) elsewhere.
    asked
        The tenant whose requests alone means are over; None: all are.
    """

    stage: Stage
    first: int
    count: int
    progress: tuple[float, float] = (1.0, 1.0)
    asked: Asked | None = None

    def weight(self, part: float = 0.0, end: float = 1.0) -> int:
        """How many requests means are over, of a part of the span."""
        first, last = (self.first + round(at * self.count) for at in (part, end))
        return last - first if self.asked is None else self.asked.before(last) - self.asked.before(first)

    def progress_of(self, skipped: int, n: int) -> Floats | None:
        """How far n of its requests, the first `skipped` left out, are on the way; None where all are there."""
        low, high = self.progress
        if low == high:
            return None
        return np.asarray(low + (high - low) * np.arange(skipped, skipped + n) / self.count)


def spans_of(stages: Sequence[Stage], total: int, arrivals: Callable[[], ArrivalSource | None]) -> list[Span]:
    """The spans of the first `total` requests, in order; at least one.

    Parameters
    ----------
    stages
        Before all phases, and of each phase.
    arrivals
        Makes the run's own source of arrival times; asked only where phases begin by time.
    """
    times = [t for s in stages if s.phase and s.phase.from_s is not None for t in (s.phase.start, _end_of(s))]
    by_time = dict(zip(times, _requests_before(times, total, arrivals()), strict=True)) if times else {}

    def request_at(stage: Stage, at: float) -> int:
        """The request at that time or number; beyond the run, where it is cut off, the one that would come then."""
        assert stage.phase is not None
        return int(by_time[at] if stage.phase.from_s is not None else at)

    starts = [0 if s.phase is None else min(request_at(s, s.phase.start), total) for s in stages]
    spans: list[Span] = []
    for stage, first, last in zip(stages, starts, [*starts[1:], total], strict=True):
        end = request_at(stage, _end_of(stage)) if stage.before is not None else first
        changed = min(end, last)
        if changed > first:
            spans.append(Span(stage, first, changed - first, (0.0, (changed - first) / (end - first))))
        if last > changed:
            spans.append(Span(stage, changed, last - changed))
    return spans


def _end_of(stage: Stage) -> float:
    """Where the changes of a gradual phase are complete, requests or seconds."""
    return stage.phase.start + stage.phase.over if stage.phase is not None else 0.0


def _requests_before(times_s: Sequence[float], total: int, source: ArrivalSource | None) -> list[int]:
    """How many requests come before each time; of times beyond the first `total`, by their mean rate."""
    counts = [0] * len(times_s)
    seen, until_s, last_s = 0, max(times_s), 0.0
    while source is not None and seen < total:
        block = source.next_times(min(BLOCK, total - seen))
        seen += len(block)
        counts = [c + int(block.searchsorted(t, side="left")) for c, t in zip(counts, times_s, strict=True)]
        last_s = float(block[-1])
        if last_s >= until_s:
            return counts
    if last_s <= 0.0:
        return counts
    return [round(seen * t / last_s) if t > last_s else c for c, t in zip(counts, times_s, strict=True)]


def mean_over(spans: Sequence[Span], value: Callable[[Span], float]) -> float:
    """Mean of a value over all requests, or over those of the tenant that the spans are of."""
    if len(spans) == 1:
        return value(spans[0])
    return math.fsum(s.weight() * value(s) for s in spans) / sum(s.weight() for s in spans)


def mean_of_rows(values: Floats | Ints, span: Span, in_order: bool) -> float:
    """Mean of a file's column over the rows that a span takes: one after another and then again, or any by chance."""
    rows = len(values)
    whole, rest = divmod(span.count, rows)
    if not in_order or (rest == 0 and span.asked is None):
        return float(values.mean())
    if span.asked is not None:
        return _mean_of_asked(values, span, span.asked)
    start = span.first % rows
    part = float(values[start : start + rest].sum()) + float(values[: max(0, start + rest - rows)].sum())
    return ((whole * float(values.sum()) if whole else 0.0) + part) / span.count


def _mean_of_asked(values: Floats | Ints, span: Span, asked: Asked) -> float:
    """The same over the requests of one tenant; of the first 20 million of the span, as long as any is the tenant's."""
    summed, seen = 0.0, 0
    for skipped in range(0, span.count, BLOCK):
        if skipped >= MOST and seen:
            break
        numbers = asked.numbers(span.first + skipped, min(BLOCK, span.count - skipped))
        summed, seen = summed + float(values[numbers % len(values)].sum()), seen + len(numbers)
    return summed / seen
