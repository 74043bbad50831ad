"""A column of durations of which some cannot be read: the row and the form at fault, not those that are well."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .choosing import way_without
from .units import DURATION, ELAPSED, NAMES, PER_SECOND, of_other_unit

if TYPE_CHECKING:
    import polars as pl

__all__ = ["misfits"]

# Go's 1m30.25s, and those of ISO 8601, PT1M30.25S
COMPOSED = re.compile(r"^\s*-?(?:(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h)){2,}|P(?:\d[\d.,]*[DW])*(?:T[\d.,HMS]+)?)\s*$")
SOME = 16  # first rows, by which a column is told
ONE_UNIT = "a duration of one number and one unit, such as 90.25s"
OF_A_CLOCK = "a duration such as 0 days 00:00:01, as in other rows"


def misfits(series: pl.Series, unit: str, option: str, *, read: bool, begun: bool) -> tuple[pl.Series, str] | None:
    """Which durations cannot be used, and what was expected of them; None: none, or these are no durations.

    Parameters
    ----------
    unit
        What the user says of times, "auto" or a unit.
    option
        What the user says it with.
    read
        Whether all of them could be read.
    begun
        Whether the rows before are durations.
    """
    import polars as pl

    if read:
        other = of_other_unit(series, unit) if unit in PER_SECOND else None
        if other is None or not other.any():
            return None
        return other, f"{NAMES[unit]}, as {option} {unit} says; without it each value has its own unit"
    if series.dtype != pl.String or (unit != "auto" and unit not in PER_SECOND):
        return None
    some = any(form.match(str(value)) for value in series[:SOME] for form in (DURATION, ELAPSED, COMPOSED))
    plain, elapsed, composed = (series.str.contains(form.pattern) for form in (DURATION, ELAPSED, COMPOSED))
    if not begun and (not some or 2 * int((plain | elapsed | composed).sum()) < len(series)):
        return None
    of_a_clock = elapsed.sum() > plain.sum()
    bad = ~(elapsed if of_a_clock else plain)
    value = series[int(bad.arg_max() or 0)].strip()
    no_time = option.startswith("--") and not re.search(r"\d", value)
    return bad, (OF_A_CLOCK if of_a_clock else ONE_UNIT) + (f"; {way_without(series.name, value)}" if no_time else "")
