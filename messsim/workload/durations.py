"""A column of durations that state their own unit: those of types, and text of Go, ISO 8601, pandas or a clock."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from messsim.errors import DataError

from .choosing import way_without
from .readers import first_bad
from .time_form import TimeForm
from .units import LONG_S, NAMES, PER_SECOND, UNITS

if TYPE_CHECKING:
    import polars as pl

__all__ = ["GOES_BACK", "NO_DATE", "Durations"]

NUMBER = r"\d+(?:[.,]\d+)?"
THOUSANDS = r"(?:^|\D)[1-9]\d{0,2},\d{3}\s*[a-zµμ]"  # or decimals, in one of several units
UNIT_NAMES = {"d": "d", "h": "h", "min": "min|m", "s": "sec|s", "ms": "ms", "us": "us|µs|μs", "ns": "ns"}
# 1.5s, 250 ms, and of several units, as Go and Rust write them: 1m30.25s
OF_UNITS = r"^\s*\+?(?P<sign>-)?"
OF_UNITS += "".join(rf"(?:(?P<{unit}>{NUMBER})\s*(?:{names})\s*)?" for unit, names in UNIT_NAMES.items()) + "$"
OF_ISO = rf"^\s*(?P<sign>-)?P(?:(?P<w>{NUMBER})W)?(?:(?P<d>{NUMBER})D)?"
OF_ISO += rf"(?:T(?:(?P<h>{NUMBER})H)?(?:(?P<min>{NUMBER})M)?(?:(?P<s>{NUMBER})S)?)?\s*$"
MINUTES = r":(?P<min>[0-5]\d):(?P<s>[0-5]\d(?:[.,]\d+)?)\s*$"
# 0 days 00:00:01 of pandas, 1 day, 0:00:01 of Python, and 0:00:01, which may be a time of day
OF_A_CLOCK = rf"^\s*(?:(?P<d>-?\d+)\s+days?,?\s+\+?)?(?P<h>\d{{1,3}}){MINUTES}"
OF_DOTNET = rf"^\s*(?P<sign>-)?(?P<d>[1-9]\d*)\.(?P<h>[01]\d|2[0-3]){MINUTES}"  # 1.00:00:01; 06.05:12:30 is a date
MAY_BE_DATE = r"^\s*([12]\d|3[01])\.(0[1-9]|1[0-2]):([01]\d|2[0-3]):[0-5]\d\s*$"  # 16.05:12:30, perhaps of 16 May
DAY_AND_MONTH = re.compile(r"\s*\d{1,2}\.\d{2}:\d{2}:\d{2}\s*")
FORMS = (OF_UNITS, OF_ISO, OF_A_CLOCK, OF_DOTNET)
LONG_UNITS_S = {"w": 7 * LONG_S["d"]} | LONG_S
DAY_H = 24
SOME = 16  # first rows, by which a column is told
EXPECTED = "a duration with its unit, such as 1.5s, 1m30.25s, PT1M30.25S or 0 days 00:01:30"
NO_COMMA = "no comma before three digits, as it may part decimals or thousands"
NO_DATE = "a date too, not a time of day alone"
GOES_BACK = f"{NO_DATE}: it is before the one above"
OF_DAY_AND_MONTH = "'%d.%m:%H:%M' where it is a day and month"


class Durations:
    """Reads them block by block, as seconds.

    Attributes
    ----------
    begun
        Whether the rows so far are durations.
    of_day
        Whether all so far may be times of day: they are read as those of one day, as long as they do not go back.
    """

    def __init__(self, form: TimeForm) -> None:
        """`form` is what the user says of times."""
        self.begun = self.of_day = False
        self._form, self._unit, self._option = form, form.format, form.option
        self._last_s = float("-inf")
        self._back: tuple[int, str] | None = None  # the first that goes back: its row, from 0, and its value
        self._date: tuple[int, str] | None = None  # the first row, where all so far may be dates

    def read(self, series: pl.Series, rows: NDArray[np.int64]) -> tuple[pl.Series | None, tuple[pl.Series, str] | None]:
        """The next rows in seconds, None: they are no durations; and which cannot be used, with what was expected.

        `rows` are where they stand in the file, from 0. What only all rows tell is left to `check`.
        """
        import polars as pl

        if isinstance(series.dtype, pl.Duration):
            self.begun = True
            return series.cast(pl.Int64) / UNITS[series.dtype.time_unit], None
        if series.dtype == pl.Time:
            series = series.dt.to_string("%T%.f")
        if series.dtype != pl.String or (self._unit != "auto" and self._unit not in PER_SECOND):
            return None, None
        if not self.begun and not any(_form_of(value) for value in series[:SOME]):
            return None, None
        seconds, clock, others = _parts(series, self._unit)
        missing = seconds.is_null()
        if missing.any():
            likely = self.begun or 2 * int(missing.sum()) < len(series) + (not missing[0])
            return None, (missing, self._expected(series, missing)) if likely else None
        if (commas := series.str.contains(THOUSANDS)).any():
            return None, (commas, NO_COMMA)
        if others.any():
            expected = (
                f"{NAMES[self._unit]}, as {self._option} {self._unit} says; without it each value has its own unit"
            )
            return None, (others, expected)
        if self._form.zone is not None and clock.any():
            return None, (clock, f"{NO_DATE}: {self._form.zone_option} is for dates")
        dates = bool(series.str.contains(MAY_BE_DATE).all()) and (self._date is not None or not self.begun)
        self._date = (self._date or (int(rows[0]), series[0])) if dates else None
        self.of_day = bool(clock.all()) and (self.of_day or not self.begun)
        self.begun = True
        back = (seconds.diff() < 0).fill_null(bool(seconds[0] < self._last_s))
        self._last_s = float(seconds[-1])
        if self._back is None and back.any():
            at = int(back.arg_max() or 0)
            self._back = int(rows[at]), series[at]
        return seconds, None

    def check(self, column: str, path: Path) -> None:
        """Raises, once all rows are read, where clocks of one day go back, and where all may be days and months.

        A later row may say days, and so that they are durations, which may be in any order.
        """
        if self.of_day and self._back is not None:
            raise _refused(column, self._back, GOES_BACK, path)
        if self._date is not None:
            expected = f"a duration with its unit, such as 16d5h12m30s, or {self._option} {OF_DAY_AND_MONTH}"
            raise _refused(column, self._date, expected, path)

    def _expected(self, series: pl.Series, bad: pl.Series) -> str:
        value = series[int(bad.arg_max() or 0)].strip()
        if DAY_AND_MONTH.fullmatch(value):
            return f"{EXPECTED}, or {self._option} {OF_DAY_AND_MONTH}"
        no_time = self._option.startswith("--") and not re.search(r"\d", value)
        return EXPECTED + (f"; {way_without(series.name, value)}" if no_time else "")


def _refused(column: str, first: tuple[int, str], expected: str, path: Path) -> DataError:
    import polars as pl

    row, value = first
    return first_bad(column, pl.Series([True]), repr(value), expected, path, row)


def _form_of(value: object) -> str | None:
    """The form that a value has."""
    text = str(value)
    return next((form for form in FORMS if (match := re.match(form, text)) and any(match.groupdict().values())), None)


def _parts(series: pl.Series, unit: str) -> tuple[pl.Series, pl.Series, pl.Series]:
    """Seconds, null where a value has no form; what may be a time of day; and what states another unit than this."""
    import polars as pl

    seconds = pl.Series([None] * len(series), dtype=pl.Float64)
    clock = others = pl.Series([False] * len(series))
    for form in FORMS:
        parts = series.str.extract_groups(form).struct.unnest()
        units = [name for name in parts.columns if name in PER_SECOND or name == "w"]
        parts = parts.with_columns(pl.col(units).str.replace(",", ".", literal=True).cast(pl.Float64))
        there = parts.select(pl.any_horizontal(pl.col(units).is_not_null())).to_series()
        if not there.any():
            continue
        each = [pl.col(u) * LONG_UNITS_S[u] if u in LONG_UNITS_S else pl.col(u) / UNITS[u] for u in units]
        value = parts.select(pl.when(there).then(pl.sum_horizontal(each))).to_series()
        if "sign" in parts.columns:
            value = value.zip_with(parts["sign"].is_null(), -value)
        else:
            clock = (there & parts["d"].is_null() & (parts["h"] < DAY_H)).fill_null(False)
        if unit in PER_SECOND:  # which pandas' durations state by themselves
            other = parts.select(pl.any_horizontal(pl.col(u).is_not_null() for u in units if u != unit)).to_series()
            others |= other if "sign" in parts.columns else other & parts["d"].is_null()
        seconds = seconds.fill_null(value) if seconds.null_count() < len(seconds) else value
        if not seconds.null_count():
            break
    return seconds.alias(series.name), clock, others
