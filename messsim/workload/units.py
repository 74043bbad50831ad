"""Units of time, and those that numbers are in by a column's name."""

from __future__ import annotations

import re
from functools import cache

__all__ = ["LONG", "LONG_S", "NAMES", "PER_SECOND", "UNITS", "unit_of"]

UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}  # how many are a second
LONG_S = {"min": 60, "h": 3_600, "d": 86_400}  # units that take more than one
LONG = {unit: 1 / seconds for unit, seconds in LONG_S.items()}
PER_SECOND: dict[str, float] = UNITS | LONG
NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
NAMES |= {"min": "minutes", "h": "hours", "d": "days"}
SUFFIX = re.compile(
    r"(?:[_\s.(\[-]|unix|^)(?P<low>ns|us|µs|ms|s|[nuµm]secs?|nanos?|nanoseconds|micros|microseconds|millis|milliseconds"
    r"|secs?|seconds|mins?|minutes?|hrs?|hours|days)[)\]]?$"
    r"|(?<=[a-z])(?P<camel>Ns|Us|Ms|Nanos?|Micros|Millis|Nanoseconds|Microseconds|Milliseconds|Seconds|Minutes|Hours)$"
)
STARTS = {"n": "ns", "u": "us", "µ": "us", "micro": "us", "min": "min", "m": "ms", "s": "s", "h": "h", "d": "d"}


@cache
def unit_of(column: str) -> str | None:
    """The unit that a column's name ends with, if any."""
    match = SUFFIX.search(column.strip())
    if match is None:
        return None
    name = (match["low"] or match["camel"]).lower()
    return STARTS[max((start for start in STARTS if name.startswith(start)), key=len)]
