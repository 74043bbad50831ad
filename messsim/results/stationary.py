"""Intervals for the mean latencies of one run, where they have a long run; else the reason why not."""

from messsim.engines import Outcome
from messsim.scenario import Scenario
from messsim.summary import Intervals, LatencyName, LongRun

from .applicability import refusal, refusal_of_run
from .intervals import LEVEL
from .steady import Batches, steady_state

__all__ = ["latency_intervals", "warmup_note"]


def latency_intervals(scenario: Scenario, outcome: Outcome, series: dict[LatencyName, Batches]) -> Intervals:
    """Batch-means intervals of the mean latencies in the long run, seconds.

    Parameters
    ----------
    scenario, outcome
        What was run, and its end.
    series
        Latencies in request order, without the scenario's `warmup`; empty where none were gathered.

    Returns
    -------
    Intervals
        A latency without 100 values has none.
    """
    refused = refusal(scenario, "latency") or _refused_at_the_end(outcome)
    collected = {name: _interval(batches, scenario.warmup) for name, batches in series.items()}
    return {"level": LEVEL, "refused": refused, "latency_s": None if refused else collected}


def warmup_note(warmup: int, refused: str | None) -> list[str]:
    """A word on a warm-up that was asked of a run without a long run; none where it is of use."""
    if not warmup or refused is None:
        return []
    return [f"warmup = {warmup}: latencies leave out the first requests, but no long run follows ({refused})"]


def _refused_at_the_end(outcome: Outcome) -> str | None:
    if not outcome.timeline.samples:
        return None
    last = outcome.timeline.samples[-1]
    return refusal_of_run(last.request, sum(last.in_system))


def _interval(batches: Batches, warmup: int) -> LongRun | None:
    steady = steady_state(batches, find_warmup=warmup == 0)
    if steady is None:
        return None
    return {
        "mean": steady.interval.mean,
        "low": steady.interval.low,
        "high": steady.interval.high,
        "batches": steady.interval.count,
        "batch_size": steady.batch_size,
        "warmup": warmup or steady.warmup,
        "warning": steady.warning,
    }
