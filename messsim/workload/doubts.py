"""What makes one doubt that times in order are those of a server's requests."""

from __future__ import annotations

import numpy as np

from messsim.wording import number, rate

from .chunk import Floats
from .time_form import TimeForm
from .times import DAY_S
from .units import LONG_S, NAMES, UNITS

__all__ = ["bursts", "doubts"]

SLOWEST_RPS, LIKELY_RPS, FASTEST_RPS = 0.01, 0.05, 1e6
LONGEST_GAP_S = 6 * 3600.0
EVEN_S = {"day": LONG_S["d"], "hour": LONG_S["h"], "minute": LONG_S["min"]}
LEAST_BURSTS = 3
AT_ONCE = 1 << 20  # times, so that there need not be memory for all of a long trace's


def doubts(time_s: Floats, form: TimeForm, *, dates: bool = False) -> list[str]:
    """Notes on times in order that no server has: too far apart, or too close, for their unit."""
    n = len(time_s)
    span_s = float(time_s[-1] - time_s[0]) if n else 0.0
    if n < 2 or span_s <= 0:
        return []
    rps = (n - 1) / span_s
    notes = []
    longest_s = max(float(np.diff(time_s[i : i + AT_ONCE + 1]).max()) for i in range(0, n - 1, AT_ONCE))
    if rps < SLOWEST_RPS and not dates:
        finer = next((u for u, k in UNITS.items() if k > 1 and rps * k >= LIKELY_RPS), None)
        if finer is not None:
            notes.append(
                f"{rate(rps)} over {_long(span_s)} is slow for a server; if times are {NAMES[finer]}, it is "
                f"{rate(rps * UNITS[finer], '')}: {form.option} {finer}"
            )
    elif rps > FASTEST_RPS and not dates:
        notes.append(f"{rate(rps)} is more than any server takes; {form.option} says the unit: s, ms, us or ns")
    if not notes and longest_s > LONGEST_GAP_S:
        notes.append(
            f"the longest time between two requests is {_long(longest_s)}; where that is wrong, {form.option} says how "
            "times are written"
        )
    return notes


def bursts(time_s: Floats, of_day_s: float | None) -> list[str]:
    """A note where dates in order are shared, and without seconds, minutes or a time of day.

    `of_day_s` is the time of day at second 0; None: times are no dates.
    """
    if of_day_s is None:
        return []
    even, distinct = list(EVEN_S), min(len(time_s), 1)
    for i in range(0, len(time_s), AT_ONCE):
        some = time_s[i : i + AT_ONCE + 1]
        distinct += int(np.count_nonzero(np.diff(some)))
        even = [what for what in even if not ((some + of_day_s) % EVEN_S[what]).any()]
    if not even or distinct < LEAST_BURSTS or len(time_s) < 2 * distinct:
        return []
    return [f"times are to the {even[0]}: {len(time_s):,} requests come in {distinct:,} bursts, each all at once"]


def _long(seconds: float) -> str:
    for unit, length in (("years", 365.25 * DAY_S), ("days", DAY_S), ("hours", 3600.0)):
        if seconds >= 2 * length:
            return f"{number(seconds / length)} {unit}"
    return f"{number(seconds)} s"
