"""What is known of a run's requests before any is drawn: means over all of them, phases included."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from messsim.scenario import Scenario
from messsim.scenario.quality import Task

from . import irt
from .arrivals import TraceArrivals
from .spans import Span, mean_of_rows, mean_over

if TYPE_CHECKING:
    from .arrivals import ArrivalSource
    from .table import OutcomeTable
    from .trace import TraceRows

__all__ = [
    "WINDOW_S",
    "Rates",
    "any_satisfied",
    "law_rate_rps",
    "mean_satisfaction",
    "most_satisfied",
    "rates",
    "rushes",
]

STEPS = 16  # midpoints at which a gradual change is looked at
WINDOW_S = 60.0
BLOCK = 65_536  # arrivals that are drawn at once
MOST = 20_000_000  # arrivals that are looked at


def mean_satisfaction(scenario: Scenario, table: OutcomeTable | None, spans: Sequence[Span]) -> list[float]:
    """Mean satisfaction of each model, as if each could be had all the time."""
    return [mean_over(spans, lambda s, m=m: _mean_in(scenario, table, s, m)) for m in range(len(scenario.models))]  # type: ignore[misc]


def _mean_in(scenario: Scenario, table: OutcomeTable | None, span: Span, model: int) -> float:
    law = scenario.satisfaction
    if law.kind == "irt":
        if span.stage.phase is None:
            return scenario.models[model].satisfaction or 0.0
        slope = law.slope
        return _over_change(span, lambda thetas, tasks: irt.mean_satisfaction(thetas[model], slope, tasks))
    assert table is not None
    values = table.satisfied[span.stage.columns[model]]
    return mean_of_rows(values if span.stage.rows is None else values[span.stage.rows], span, law.order == "file")


def any_satisfied(scenario: Scenario, table: OutcomeTable | None, spans: Sequence[Span]) -> float:
    """Mean satisfaction by the best answer of the models that can be had: no router can satisfy more."""
    return mean_over(spans, lambda s: _any_in(scenario, table, s))


def _any_in(scenario: Scenario, table: OutcomeTable | None, span: Span) -> float:
    law, there = scenario.satisfaction, np.flatnonzero(span.stage.available)
    if law.kind == "irt":
        slope, grades = law.slope, law.grades
        return _over_change(span, lambda th, tasks: irt.any_satisfied([th[m] for m in there], slope, tasks, grades))
    assert table is not None
    best = np.max([table.satisfied[span.stage.columns[m]] for m in there], axis=0)
    return mean_of_rows(best if span.stage.rows is None else best[span.stage.rows], span, law.order == "file")


def most_satisfied(scenario: Scenario, table: OutcomeTable | None, spans: Sequence[Span]) -> float:
    """The most that a router which sees no outcome beforehand can satisfy on average.

    Where nothing that it sees tells of which requests another model satisfies more often, that is the mean of the best
    model that can be had: by item response theory with one slope the ablest model is the best at every difficulty, and
    rows drawn at random look all the same without features, costs and lengths of their own. Elsewhere it is the best
    answer of all models.
    """
    return mean_over(spans, lambda s: _most_in(scenario, table, s))


def _most_in(scenario: Scenario, table: OutcomeTable | None, span: Span) -> float:
    there, law = np.flatnonzero(span.stage.available), scenario.satisfaction
    if law.kind == "irt" and span.stage.phase is not None:
        slope = law.slope
        return _over_change(span, lambda th, tasks: irt.mean_satisfaction(max(th[m] for m in there), slope, tasks))
    if law.kind == "irt" or _rows_look_alike(scenario, table):
        return max(_mean_in(scenario, table, span, int(m)) for m in there)
    return _any_in(scenario, table, span)


def _rows_look_alike(scenario: Scenario, table: OutcomeTable | None) -> bool:
    """Whether nothing that is known of a request tells which row of the table it is."""
    law = scenario.satisfaction
    assert law.kind == "table"
    assert table is not None
    own = table.prompt_tokens is not None or table.output_tokens or table.costs
    return scenario.features.kind == "none" and law.order == "random" and not own


def _over_change(span: Span, value: Callable[[list[float], list[Task]], float]) -> float:
    """Mean of a function of (abilities less the shift of difficulties, tasks) over a span, by midpoints of a change."""
    stage, (low, high) = span.stage, span.progress
    assert stage.difficulty is not None
    steps = STEPS if high > low else 1
    progress = low + (high - low) * (np.arange(steps) + 0.5) / steps
    shifts = np.broadcast_to(stage.shift_at(progress), steps)
    thetas = [np.broadcast_to(theta, steps) for theta in stage.thetas_at(progress)]
    tasks = stage.difficulty.tasks
    values = [value([float(th[k] - shifts[k]) for th in thetas], tasks) for k in range(steps)]
    if span.asked is None:
        return sum(values) / steps
    weights = [span.weight(k / steps, (k + 1) / steps) for k in range(steps)]
    return math.fsum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)


def law_rate_rps(scenario: Scenario) -> float | None:
    """Mean rate of the arrival law outside all phases, requests per second; None in a closed loop and for traces."""
    law = scenario.arrivals
    if law.kind == "diurnal":
        return sum(law.rates_rps) / len(law.rates_rps)
    if law.kind == "mmpp":
        calm, burst = law.mean_calm_s, law.mean_burst_s
        return (calm * law.rate_rps + burst * law.burst_rate_rps) / (calm + burst)
    return None if law.kind == "closed" or law.kind == "trace" else law.rate_rps


@dataclass(frozen=True)
class Rates:
    """How many requests a run has and how fast they come: `mean_rps`, and `peak_rps` in the busiest minute."""

    requests: int
    mean_rps: float
    peak_rps: float


def rates(source: ArrivalSource, requests: int | None, horizon_s: float | None) -> Rates:
    """Draws the arrival times of a run and counts them, at most the first 20 million.

    Parameters
    ----------
    requests, horizon_s
        When the run ends: one of them, or both.
    """
    most = MOST if requests is None else min(requests, MOST)
    seen, last_s, busiest, window, inside = 0, 0.0, 0, -1.0, 0
    ended = False
    while seen < most and not ended:
        times = source.next_times(min(BLOCK, most - seen))
        if horizon_s is not None:
            kept = int(np.searchsorted(times, horizon_s, side="left"))
            ended, times = kept < len(times), times[:kept]
        if len(times) == 0:
            break
        numbers, counts = np.unique(times // WINDOW_S, return_counts=True)
        counts[0] += inside if numbers[0] == window else 0
        busiest = max(busiest, int(counts.max()))
        window, inside = float(numbers[-1]), int(counts[-1])
        seen, last_s = seen + len(times), float(times[-1])
    if ended and horizon_s is not None:
        last_s = horizon_s
    mean = seen / last_s if last_s > 0 else 0.0
    return Rates(seen, mean, max(mean, busiest / WINDOW_S) if last_s > WINDOW_S else mean)


def rushes(trace: TraceRows, requests: int) -> list[tuple[int, int]]:
    """The minutes of a run in which most requests, most tokens of prompts and most of answers come: first and count.

    The trace is taken again and again; of its requests the first 20 million are looked at.
    """
    source, most = TraceArrivals(trace), min(requests, MOST)
    tokens = [t for t in (trace.prompt_tokens, trace.output_tokens) if t is not None]
    busiest = [(0.0, 0, 0)] * (1 + len(tokens))  # sum, first, count
    number, begun, summed = -1.0, 0, [0.0] * len(busiest)  # of the minute that the last block ends in
    for before in range(0, most, BLOCK):
        n = min(BLOCK, most - before)
        minutes = source.next_times(n) // WINDOW_S
        first = np.flatnonzero(np.diff(minutes, prepend=-1.0))
        begins = before + first
        row = np.arange(before, before + n) % len(trace)
        sums = [np.diff(first, append=n).astype(np.float64)]
        sums += [np.add.reduceat(t[row], first, dtype=np.float64) for t in tokens]
        if minutes[0] == number:
            begins[0] = begun
            for values, earlier in zip(sums, summed, strict=True):
                values[0] += earlier
        number, begun, summed = float(minutes[-1]), int(begins[-1]), [float(values[-1]) for values in sums]
        for place, values in enumerate(sums):
            k = int(values.argmax())
            busiest[place] = max(busiest[place], (float(values[k]), int(begins[k]), int(sums[0][k])), key=_sum)
    return sorted({(first, count) for _, first, count in busiest})


def _sum(minute: tuple[float, int, int]) -> float:
    return minute[0]
