"""Which part of its data files a run takes, and how often."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from messsim.scenario import Scenario
from messsim.wording import rate, shown

from .spans import Span

if TYPE_CHECKING:
    from .table import OutcomeTable
    from .trace import TraceRows

__all__ = ["shared_columns", "usage_notes"]

WORTH_A_NOTE = 0.01  # of a table's rows, taken more than once


def usage_notes(
    scenario: Scenario, trace: TraceRows | None, table: OutcomeTable | None, spans: Sequence[Span]
) -> Iterator[str]:
    """Notes where a run takes a part of a trace only, or rows of a trace or a table more than once."""
    requests = sum(s.count for s in spans)
    if trace is not None:
        yield from _of_trace(trace, requests)
        if scenario.requests is not None and requests == len(trace) < scenario.requests:
            yield (
                f"{trace.file}: ends after {requests:,} of {scenario.requests:,} requests; arrivals.repeat = true "
                "begins it again"
            )
    if table is not None:
        yield from _of_table(scenario, table, spans, requests)


def _of_trace(trace: TraceRows, requests: int) -> Iterator[str]:
    rows = len(trace)
    first, last = trace.first_row + 1, trace.first_row + min(requests, rows)
    if last - first + 1 < trace.file_rows:
        first_s = trace.time_s[: min(requests, rows)]
        at_once = len(first_s) > 1 and np.ptp(first_s) == 0.0
        here = "all at one time" if at_once else rate(trace.rate_rps(len(first_s)))
        whole = f"; all of them come at {rate(trace.file_rate_rps, '')}" if trace.file_rate_rps else ""
        yield f"{trace.file}: takes rows {first:,} to {last:,} of {trace.file_rows:,}, {here}{whole}"
    if requests > rows:
        again = min(1.0, requests / rows - 1.0)
        yield (
            f"{trace.file}: {requests:,} requests repeat its {rows:,} rows {requests / rows:.3g} times; "
            f"{_percent(again)} of them are taken more than once"
        )


def _of_table(scenario: Scenario, table: OutcomeTable, spans: Sequence[Span], requests: int) -> Iterator[str]:
    """Rows that are drawn by chance are drawn more than once by the law of Poisson, whose rate is requests per row."""
    law = scenario.satisfaction
    assert law.kind == "table"
    in_order = law.order == "file"
    times = np.zeros(table.rows)  # that each row is taken, or expected to be
    for span in spans:
        rows = np.arange(table.rows) if span.stage.rows is None else span.stage.rows
        times[rows] += span.count // len(rows) if in_order else span.count / len(rows)
        if in_order:
            times[rows[(span.first + np.arange(span.count % len(rows))) % len(rows)]] += 1.0
    more = float(np.mean(times > 1.0 if in_order else -np.expm1(-times) - times * np.exp(-times)))
    if more >= WORTH_A_NOTE:
        how = "repeat" if in_order else "are drawn from"
        about = "" if in_order else "about "
        name = scenario.path(law.file).name
        yield (
            f"{name}: {requests:,} requests {how} its {table.rows:,} rows; {about}{_percent(more)} of them are taken "
            "more than once"
        )


def _percent(share: float) -> str:
    return f"{100.0 * share:.0f} %" if share < 0.995 or share == 1.0 else f"{math.floor(1000.0 * share) / 10.0:.1f} %"


def shared_columns(scenario: Scenario) -> list[str]:
    """A note for each column of outcomes that several models take: they answer alike."""
    takers: dict[str, list[str]] = {}
    for model in scenario.models if scenario.satisfaction.kind == "table" else ():
        takers.setdefault(model.column or model.name, []).append(model.name)
    return [
        f"{' and '.join(names)} take one column, {shown(column)}, so that they answer alike; messsim import --outcomes "
        "joins files of one model each"
        for column, names in takers.items()
        if len(names) > 1
    ]
