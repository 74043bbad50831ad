"""What makes one doubt that times in order are those of a server's requests."""

from __future__ import annotations

import numpy as np

from messsim.wording import number, rate

from .chunk import Floats
from .time_form import TimeForm
from .times import DAY_S
from .units import NAMES, UNITS

__all__ = ["bursts", "doubts"]

SLOWEST_RPS, LIKELY_RPS, FASTEST_RPS = 0.01, 0.05, 1e6
LONGEST_GAP_S = 6 * 3600.0
MINUTE_S = 60.0
AT_ONCE = 1 << 20  # gaps, so that there need not be memory for all of a long trace's


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


def bursts(time_s: Floats, *, dates: bool = False) -> list[str]:
    """A note where all come at one time, or share dates without seconds or a time of day; of times in order."""
    if len(time_s) < 2:
        return []
    if time_s[0] == time_s[-1]:
        return [f"all {len(time_s):,} requests come at one time"]
    gaps_s = np.diff(time_s) if dates else time_s[:0]
    apart_s = gaps_s[gaps_s > 0.0]
    if not dates or len(gaps_s) < 2 * len(apart_s) or (apart_s % MINUTE_S).any():
        return []
    what = "day" if not (apart_s % DAY_S).any() else "minute"
    return [f"times are to the {what}: {len(time_s):,} requests come in {len(apart_s) + 1:,} bursts, each all at once"]


def _long(seconds: float) -> str:
    for unit, length in (("years", 365.25 * DAY_S), ("days", DAY_S), ("hours", 3600.0)):
        if seconds >= 2 * length:
            return f"{number(seconds / length)} {unit}"
    return f"{number(seconds)} s"
