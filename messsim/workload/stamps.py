"""Numbers that are stamps since 1970: the unit that nearly all of them are in, and those that stray among them."""

from __future__ import annotations

import re
import shlex

import numpy as np
from numpy.typing import NDArray

from .chunk import Floats
from .units import NAMES, PER_SECOND, UNITS

__all__ = ["EPOCH_S", "LATEST_S", "Strays", "date_text", "like_others", "lost_digits_s", "stamps_s", "unit_by_size"]

EPOCH_S = (1e9, 4.1e9)  # 2001 to 2099
LATEST_S = 1e11  # the year 5138; as milliseconds, 1973
LEAST = 3  # times, of which two tell that the third strays, unless it is a stamp in another unit
MOST_STRAYS = 0.1  # of all of them
LEAST_STAMPS = 4  # how many that are multiples of much are so by no chance
MANY_S = 1e4  # a second of which so many are one is met by chance once in so many bursts
SHEET_STEP_S = 100.0  # steps of 10 s and less may be meant
SPAN = 0.1  # of the time since 1970, within which the others lie


def unit_by_size(values: Floats) -> str | None:
    """The unit in which all of these are stamps since 1970, or nearly all; of several, the coarsest; None: in none."""
    for unit, per_second in UNITS.items():
        seconds = values / per_second
        strays = Strays()
        strays.add(seconds, np.arange(len(values)), per_second)
        if not strays.count or strays.first() is not None:
            return unit
    return None


def stamps_s(values: Floats) -> Floats | None:
    """Those of some numbers that are stamps since 1970, in seconds, where nearly all are; else None."""
    unit = unit_by_size(values)
    seconds = values / UNITS[unit or "s"]
    return None if unit is None else seconds[(seconds >= EPOCH_S[0]) & (seconds <= EPOCH_S[1])]


def like_others(value: float, per_second: float, column: str, option: str) -> str:
    """What is expected instead of a number where other rows have stamps since 1970, and how to leave out such rows.

    Parameters
    ----------
    option
        What the format of the column's times is an option of: a command can leave out rows.
    """
    names = {n: NAMES[unit] for unit, n in PER_SECOND.items()}
    expected, condition = f"{names[per_second]} since 1970, as nearly all rows have", f"!={value:.15g}"
    for other in UNITS.values():
        if other != per_second and EPOCH_S[0] <= value / other <= EPOCH_S[1]:
            date = date_text(round(value / other * 1e6) * 1_000, "Z")
            expected = f"{names[per_second]} since 1970, as other rows have: in {names[other]} it is {date}"
            between = min(LATEST_S * min(other, per_second), EPOCH_S[0] * max(other, per_second))
            bound = f"{between:.0e}".replace("+", "")
            condition = ("<" if per_second < other else ">") + bound
    way = f"; such rows can be left out, --select {shlex.quote(column + condition)}"
    return expected + way if option.startswith("--") else expected


def date_text(ns: int, zone: str) -> str:
    """Nanoseconds since 1970 as a date, to the millisecond."""
    return str(np.datetime64(ns // UNITS["us"], "ms")).removesuffix(".000") + zone


class Strays:
    """Which times, block by block, are no stamps since 1970 where nearly all the others are: 0 and -1 stand for none.

    Those that would be in another unit stray even if they are many.

    Attributes
    ----------
    count
        How many are none.
    """

    def __init__(self) -> None:
        self.count = self._all = 0
        self._first: tuple[int, float] | None = None
        self._other: tuple[int, float] | None = None
        self._low, self._high = np.inf, -np.inf

    @property
    def has_stamps(self) -> bool:
        """Whether some are stamps since 1970."""
        return self.count < self._all

    def add(self, seconds: Floats, rows: NDArray[np.int64], per_second: float | None = None) -> None:
        """The next, and where each stands in the file; `per_second` is the unit in which they are numbers."""
        within = (seconds >= EPOCH_S[0]) & (seconds <= EPOCH_S[1])
        if self._other is None and per_second is not None and not within.all():
            low, high = float(seconds.min()), float(seconds.max())
            for unit in UNITS.values():
                least, most = (bound * unit / per_second for bound in EPOCH_S)
                if unit == per_second or high < least or low > most:
                    continue
                others = (seconds >= least) & (seconds <= most)
                if others.any():
                    at = int(np.argmax(others))
                    self._other = int(rows[at]), float(seconds[at])
        self._all += len(seconds)
        self.count += int((~within).sum())
        if self._first is None and not within.all():
            at = int(np.argmin(within))
            self._first = int(rows[at]), float(seconds[at])
        self._low = min(self._low, float(seconds.min(initial=np.inf, where=within)))
        self._high = max(self._high, float(seconds.max(initial=-np.inf, where=within)))

    def first(self) -> tuple[int, float] | None:
        """The row of the first, from 0, and its seconds; None where none strays."""
        if not self.has_stamps or self._high - self._low >= SPAN * self._low:
            return None
        is_few = self._all >= LEAST and self.count <= max(1, MOST_STRAYS * self._all)
        return self._first if is_few else self._other


def lost_digits_s(values: Floats, per_second: float) -> float:
    """What all stamps are multiples of, where that tells that their last digits are lost; 0: it does not.

    In 32 bits, which are 128 s apart, they are multiples of a power of two; in a spreadsheet, from milliseconds on, of
    a power of ten.
    """
    whole = (values == np.rint(values)).all()
    if len(values) < LEAST_STAMPS or not whole:
        return 0.0
    step = int(np.gcd.reduce(values.astype(np.int64)))
    if values.min() == values.max():  # such as 1.72E+09 alone: a burst, or all digits but three are lost
        zeros = len(str(step)) - len(str(step).rstrip("0"))
        return 10.0**zeros / per_second if 10.0**zeros / per_second >= MANY_S else 0.0
    of_32_bits = step.bit_count() == 1 and step >= np.spacing(np.float32(values.min()))
    of_sheet = per_second > 1 and re.fullmatch("10*", str(step)) is not None and step / per_second >= SHEET_STEP_S
    return step / per_second if of_32_bits or of_sheet else 0.0
