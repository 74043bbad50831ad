"""Units of time: those that numbers are in by a column's name, and durations, which state their own."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

__all__ = ["DURATION", "ELAPSED", "LONG", "NAMES", "PER_SECOND", "UNITS", "in_seconds", "of_other_unit", "unit_of"]

UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}  # how many are a second
LONG = {"min": 1 / 60, "h": 1 / 3600, "d": 1 / 86_400}  # units that take more than one
PER_SECOND: dict[str, float] = UNITS | LONG
NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
NAMES |= {"min": "minutes", "h": "hours", "d": "days"}
SUFFIX = re.compile(
    r"(?:[_\s.(\[-]|unix|^)(?P<low>ns|us|µs|ms|s|[nuµm]secs?|nanos?|nanoseconds|micros|microseconds|millis|milliseconds"
    r"|secs?|seconds|mins?|minutes?|hrs?|hours|days)[)\]]?$"
    r"|(?<=[a-z])(?P<camel>Ns|Us|Ms|Nanos?|Micros|Millis|Nanoseconds|Microseconds|Milliseconds|Seconds|Minutes|Hours)$"
)
STARTS = {"n": "ns", "u": "us", "µ": "us", "micro": "us", "min": "min", "m": "ms", "s": "s", "h": "h", "d": "d"}
DURATION = re.compile(r"^\s*(-?\d+(?:\.\d+)?)\s*(ns|us|µs|ms|s|sec|min|m|h)\s*$")
IN_TEXT = {"ns": 1e9, "us": 1e6, "µs": 1e6, "ms": 1e3, "s": 1.0, "sec": 1.0, "min": 1 / 60, "m": 1 / 60, "h": 1 / 3600}
ELAPSED = re.compile(r"^\s*(-?\d+) days? \+?(\d{1,2}):(\d{2}):(\d{2}(?:\.\d+)?)\s*$")  # as pandas writes timedeltas


@cache
def unit_of(column: str) -> str | None:
    """The unit that a column's name ends with, if any."""
    match = SUFFIX.search(column.strip())
    if match is None:
        return None
    name = (match["low"] or match["camel"]).lower()
    return STARTS[max((start for start in STARTS if name.startswith(start)), key=len)]


def in_seconds(series: pl.Series, *, in_text: bool) -> pl.Series | None:
    """Durations in seconds, `in_text` also those that state their unit (1.5s, 250ms, 0 days 00:00:01); else None."""
    import polars as pl

    if isinstance(series.dtype, pl.Duration):
        return series.cast(pl.Int64) / UNITS[series.dtype.time_unit]
    if series.dtype != pl.String or not in_text:
        return None
    if ELAPSED.match(str(series[0])):
        parts = series.str.extract_groups(ELAPSED.pattern).struct.unnest().cast(pl.Float64)
        if parts["1"].null_count():
            return None
        return (((parts["1"] * 24 + parts["2"]) * 60 + parts["3"]) * 60 + parts["4"]).alias(series.name)
    if not DURATION.match(str(series[0])):
        return None
    parts = series.str.extract_groups(DURATION.pattern).struct.unnest()
    if parts["1"].null_count():
        return None
    per_second = parts["2"].replace_strict(IN_TEXT, return_dtype=pl.Float64)
    return parts["1"].cast(pl.Float64).alias(series.name) / per_second


def of_other_unit(series: pl.Series, unit: str) -> pl.Series:
    """Which durations state another unit than this in their text."""
    import polars as pl

    if series.dtype != pl.String:
        return pl.Series([False] * len(series))
    stated = series.str.extract(DURATION.pattern, 2).replace_strict(IN_TEXT, return_dtype=pl.Float64)
    return (stated != PER_SECOND[unit]).fill_null(False)
