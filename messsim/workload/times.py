"""A column of times, whatever its kind: numbers in a unit, or dates. One notion of it for every file with times."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from messsim.errors import DataError

from .choosing import way_without
from .chunk import Floats
from .dates import YEARLESS, Dates, local_to_utc, parse_by, parse_dates, pattern_of
from .durations import GOES_BACK, NO_DATE, Durations
from .growing import Growing
from .nested import of_other_type
from .readers import Marks, as_numbers, first_bad, rows_in_file
from .stamps import EPOCH_S, LATEST_S, Strays, date_text, like_others, lost_digits_s, unit_by_size
from .ticks import Ticks
from .time_form import TimeForm, check_form
from .units import LONG, NAMES, PER_SECOND, UNITS, unit_of

if TYPE_CHECKING:
    import polars as pl

__all__ = ["DAY_S", "Times"]

COMPACT = (19_700_101_000_000, 22_000_101_000_000)  # 20250818123000: a date without anything between
WITH_MS = 1_000  # 20250818123000456: the same to the millisecond
# 2000 to 2099 as spreadsheets count days, from 1900; as modified Julian dates; as Julian dates
DAYS = ((36_526.0, 73_050.0), (51_544.0, 88_069.0), (2_451_544.5, 2_488_069.5))
MOST = 1e12  # seconds, which are no time
EXPECTED = "seconds, or a date and time such as 2023-11-16T18:15:46"
ANY_DAY = "1972-01-01"  # for patterns of times of day
SECOND_NS, DAY_S = UNITS["ns"], 86_400.0
NGINX = "msec"  # its variable of the time, in seconds to the millisecond
NANOSECOND_YEARS = (1678, 2261)  # whole years whose nanoseconds since 1970 fit into 64 bits
EXACT = 1 << 53  # whole numbers up to this are exact as float64


class Times:
    """A column of times, block by block. Memory: 8 bytes a row, 16 where day and month may be either way round.

    Attributes
    ----------
    notes
        What deserves to be said of them; complete after `seconds`.
    start
        The first time as a date, in UTC where it ends with Z, after `seconds`; None where times are since any start.
    of_day_s
        The first time since midnight, seconds, after `seconds`; None where times are since any start.
    """

    def __init__(self, column: str, path: Path, form: TimeForm | None = None, *, least: float = -np.inf) -> None:
        self._column, self._path, self._form, self._least = column, path, form or TimeForm(), least
        self._values: Growing | None = None
        self._day_first: Growing | None = None
        self._dates: bool | None = None
        self._per_second: float = 1
        self._unit_from = self._either = ""
        self._marks, self._strays = Marks(), Strays()
        self._origin = 0
        self._last_local: int | None = None
        self._second = self._was_second = False  # whether the last times are the second ones of those that come twice
        self._durations, self._ticks = Durations(self._form), Ticks(self._form)
        self._twice, self._hour_open = 0, False
        self._local = self._offsets = self._twelve_hours = self._dots = False
        self._month_first_ok = self._day_first_ok = True
        self.notes: list[str] = []
        self.start: str | None = None
        self.of_day_s: float | None = None
        check_form(self._form)

    def add(self, frame: pl.DataFrame, before: int, keep: NDArray[np.bool_] | None = None) -> None:
        """The next rows of the file, of which those in `keep` count; so many came before."""
        import polars as pl

        series, path = frame[self._column], self._path
        if keep is not None and not keep.all():
            if not keep.any():
                return
            series = series.gather(pl.arg_where(pl.Series(keep), eager=True))
            rows = np.flatnonzero(keep) + before
        elif (places := rows_in_file(frame)) is not None:
            rows = places.to_numpy()
        else:
            rows = np.arange(before, before + len(series))
        missing = series.is_null()
        if missing.any():
            hint = f"{EXPECTED}; rows without one can be left out, --select '{series.name}!='"
            raise _bad(
                series.name, missing, "no value", hint if self._form.option.startswith("--") else EXPECTED, path, rows
            )
        series = self._plain(series, rows)
        dates = self._are_dates(series)
        if self._dates is None:
            self._dates = dates
        if dates != self._dates:
            expected = f"{('a date and time', 'a number')[dates]} as in the rows before"
            raise _bad(series.name, series.is_not_null(), series, expected, path, rows)
        if dates:
            self._add_dates(series, rows)
        else:
            self._add_numbers(series, rows)

    @property
    def are_dates(self) -> bool:
        """Whether they are dates, not numbers."""
        return bool(self._dates)

    @property
    def have_unit(self) -> bool:
        """Whether their unit is plain: of dates, durations, and numbers that are since 1970 by their size."""
        return self.are_dates or self._unit_from == "size" or self._durations.begun

    def _plain(self, series: pl.Series, rows: NDArray[np.int64]) -> pl.Series:
        """Durations as seconds, with or without their unit in the text (1.5s, 250ms); ticks and 14 digits as dates."""
        import polars as pl

        for read, misfit in (self._ticks.read(series), self._durations.read(series, rows)):
            if misfit is not None:
                raise _bad(series.name, misfit[0], series, misfit[1], self._path, rows)
            if read is not None:
                return read
        if self._form.format != "auto" or not series.dtype.is_integer():
            return series
        low, high = int(series.min()), int(series.max())  # type: ignore[arg-type]
        if COMPACT[0] <= low <= high <= COMPACT[1]:
            return series.cast(pl.String).str.replace(r"^(\d{8})", "${1}T")
        if COMPACT[0] * WITH_MS <= low <= high <= COMPACT[1] * WITH_MS:
            return series.cast(pl.String).str.replace(r"^(\d{8})(\d{6})", "${1}T${2}.")
        return series

    def _are_dates(self, series: pl.Series) -> bool:
        import polars as pl

        if series.dtype in (pl.Date, pl.Datetime):
            return True
        if self._form.format in PER_SECOND:
            return False
        if self._form.format != "auto":
            return True
        if series.dtype != pl.String:
            return False
        return bool(as_numbers(series[:1]).null_count())

    # ---- numbers ----------------------------------------------------------------------------------------

    def _add_numbers(self, series: pl.Series, rows: NDArray[np.int64]) -> None:
        import polars as pl

        path, name = self._path, series.name
        if series.dtype == pl.String:
            text, series = series, as_numbers(series, self._marks)
            if series.null_count():
                value = str(text[int(series.is_null().arg_max() or 0)])
                expected = self._marks.expected(value) or self._or_without(value)
                raise _bad(name, series.is_null(), text, expected, path, rows)
        whole = series.dtype.is_integer()
        if not series.dtype.is_numeric():
            expected = self._range() + ", or a date and time" * series.dtype.is_nested()
            raise DataError(of_other_type(name, series.dtype, expected), str(path))
        if self._values is None:
            self._values = Growing(np.float64)
            self._choose_unit(series)
            start = series[0]
            self._origin = int(start) if whole and start is not None and abs(start) > EXACT else 0
        values = series.cast(pl.Float64).to_numpy()
        bad = self._impossible(values)
        if bad.any():
            raise self._refused(series, bad, rows)
        self._strays.add(values / self._per_second, rows, self._per_second)
        if self._origin and whole:  # exact in their own bits, beyond zero too where these have no sign
            exact = series.to_numpy()
            values = (exact - exact.dtype.type(self._origin)).view(np.int64).astype(np.float64)
        elif self._origin:
            values = values - self._origin
        self._values.add(values)

    def _impossible(self, values: Floats) -> NDArray[np.bool_]:
        """No number, before the start, or later than any time: in a finer unit it would often be one of our days."""
        seconds = values / self._per_second
        bad = ~np.isfinite(values) | (values < self._least) | (seconds > MOST)
        for per_second in UNITS.values():
            if per_second > self._per_second:
                day = values / per_second
                bad |= (seconds > LATEST_S) & (day >= EPOCH_S[0]) & (day <= EPOCH_S[1])
        return bad

    def _range(self) -> str:
        low = f"at least {self._least:g} and " if np.isfinite(self._least) else ""
        return f"a number, {low}at most {MOST * self._per_second:g}"

    def _refused(self, series: pl.Series, bad: NDArray[np.bool_], rows: NDArray[np.int64]) -> DataError:
        import polars as pl

        value = float(series[int(np.argmax(bad))])
        unit = next(u for u, n in PER_SECOND.items() if n == self._per_second)
        finer = next((u for u, n in UNITS.items() if n > 1 and EPOCH_S[0] <= value / n <= EPOCH_S[1]), None)
        expected = self._range()
        if value / self._per_second > LATEST_S and finer is not None and finer != unit:
            expected = f"{NAMES[unit]}; {self._form.option} {finer} for {NAMES[finer]}"
            before = series.cast(pl.Float64).to_numpy() / self._per_second
            if self._strays.has_stamps or ((before >= EPOCH_S[0]) & (before <= EPOCH_S[1])).any():
                expected = like_others(value, self._per_second, self._column, self._form.option)
        if not np.isfinite(value):
            expected = self._or_without(f"{value}", expected)
        shown = series if series.dtype.is_integer() else series.cast(pl.Float64)
        return _bad(series.name, pl.Series(bad), shown, expected, self._path, rows)

    def _choose_unit(self, series: pl.Series) -> None:
        import polars as pl

        form = self._form
        if self._durations.begun:  # they are in seconds by now, whatever a name or an option says
            return
        if form.format in PER_SECOND:
            self._per_second, self._unit_from = PER_SECOND[form.format], "option"
            return
        by_name = unit_of(self._column)
        if self._column.lower() == NGINX and EPOCH_S[0] <= float(series.min()) <= float(series.max()) <= EPOCH_S[1]:  # type: ignore[arg-type]
            return
        if by_name is not None:
            self._per_second, self._unit_from = PER_SECOND[by_name], "name"
            if by_name in LONG:
                self.notes.append(
                    f"column {self._column!r} is read as {NAMES[by_name]}, by its name; "
                    f"{self._form.option} says otherwise"
                )
            return
        if (unit := unit_by_size(series.cast(pl.Float64).to_numpy())) is not None:
            self._per_second, self._unit_from = UNITS[unit], "size"
            if unit != "s":
                self.notes.append(
                    f"column {self._column!r} is read as {NAMES[unit]} since 1970, by its size; "
                    f"{form.option} says otherwise"
                )
            return
        low, high = float(series.min()), float(series.max())  # type: ignore[arg-type]
        if series.dtype.is_float() and any(first <= low and high <= last for first, last in DAYS):
            self.notes.append(
                f"column {self._column!r} is read as seconds, but looks like the days of a spreadsheet or Julian "
                f"dates: {self._form.option} d"
            )

    # ---- dates ------------------------------------------------------------------------------------------

    def _add_dates(self, series: pl.Series, rows: NDArray[np.int64]) -> None:
        import polars as pl

        dates = self._parsed(series)
        if self._values is None:
            self._values = Growing(np.int64)
        self._strays.add(dates.read_ns / SECOND_NS, rows)
        self._month_first_ok &= not dates.bad.any()
        self._day_first_ok &= not dates.bad_day_first.any()
        bad = dates.bad & dates.bad_day_first if dates.day_first_ns is not None else dates.bad
        if not bad.any() and not (self._month_first_ok or self._day_first_ok):
            bad = dates.bad if dates.bad.any() else dates.bad_day_first
        if bad.any():
            expected = self._expected(series, bad)
            raise _bad(series.name, pl.Series(bad), series.cast(pl.String), expected, self._path, rows)
        if self._form.of_day:
            back = np.diff(dates.ns, prepend=dates.ns[0] if self._last_local is None else self._last_local) < 0
            if back.any():
                raise _bad(series.name, pl.Series(back), series.cast(pl.String), GOES_BACK, self._path, rows)
        self._twelve_hours |= dates.twelve_hours
        self._dots |= dates.dots
        self._either = self._either or dates.either
        if dates.day_first_ns is not None or self._day_first is not None:
            if self._day_first is None:
                self._day_first = Growing(np.int64)
                if len(self._values):
                    self._day_first.add(self._values.copy())
            other = dates.ns if dates.day_first_ns is None else dates.day_first_ns
            self._day_first.add(self._in_utc(series, other, dates, rows))
        self._values.add(self._in_utc(series, dates.ns, dates, rows))
        self._local |= bool(dates.local.any())
        self._offsets |= not dates.local.all()
        self._last_local, self._was_second = int(dates.ns[-1]), self._second

    def _expected(self, series: pl.Series, bad: NDArray[np.bool_]) -> str:
        import polars as pl

        value = str(series[int(np.argmax(bad))])
        if not self._form.of_day and re.fullmatch(
            r"\s*\d{1,2}:\d{2}(:\d{2})?([.,]\d+)?\s*([AaPp]\.?[Mm]\.?)?\s*", value
        ):
            return NO_DATE
        if self._form.option.startswith("--") and not re.search(r"[1-9]", value):
            return self._or_without(value)
        if re.search(r"\d\s*(CST|IST|BST)\b", value):
            return f"an offset such as +0100: this name stands for several; {self._form.zone_option} says which"
        if YEARLESS.match(value):
            return "a date with its year too"
        if "%" in self._form.format:
            return f"what {self._form.option} {self._form.format!r} describes"
        if series.dtype != pl.String:
            value = str(series.cast(pl.String)[int(np.argmax(bad))])
            return self._or_without(value, f"a date of the years {NANOSECOND_YEARS[0]} to {NANOSECOND_YEARS[1]}")
        return f"a date and time such as 2023-11-16T18:15:46, or another with {self._form.option} PATTERN"

    def _or_without(self, value: str, expected: str = EXPECTED) -> str:
        """What is expected where a value is no time at all, and how to leave out its row."""
        if not self._form.option.startswith("--"):
            return expected
        return f"{expected}; {way_without(self._column, value.strip())}"

    def _parsed(self, series: pl.Series) -> Dates:
        import polars as pl

        n = len(series)
        if series.dtype in (pl.Date, pl.Datetime):
            zone = series.dtype.time_zone if isinstance(series.dtype, pl.Datetime) else None
            in_utc = series if zone is None else series.dt.convert_time_zone("UTC")
            fits = in_utc.dt.year().is_between(*NANOSECOND_YEARS).to_numpy()
            ns = series.set(pl.Series(~fits), None).cast(pl.Datetime("ns", zone)).dt.epoch("ns").fill_null(0).to_numpy()
            return Dates(ns, None, ~fits, ~fits, np.full(n, zone is None))
        series = series.cast(pl.String).str.strip_chars('"')  # of JSON that a cell of a CSV quotes
        if "%" not in self._form.format:
            dates = parse_dates(series)
            if self._form.zone is not None and dates.bad.any():  # a name that stands for several zones
                bare = series.str.replace(r"\s*(CST|IST|BST)\s*$", "")
                dates = parse_dates(bare)
                if dates.either:
                    dates = replace(dates, either=str(series.filter(bare == dates.either)[0]))
            return dates
        try:
            if self._form.of_day:
                return parse_by(f"%F {self._form.format}", f"{ANY_DAY} " + series)
            return parse_by(self._form.format, series)
        except pl.exceptions.PolarsError as error:
            raise DataError(
                f"{self._form.option} = {self._form.format!r}: cannot be used: {str(error).splitlines()[0]}",
                str(self._path),
            ) from None

    def _in_utc(
        self, series: pl.Series, ns: NDArray[np.int64], dates: Dates, rows: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        import polars as pl

        zone = self._form.zone
        if zone is None or not dates.local.any():
            return ns
        before = None if self._last_local is None else (self._last_local, self._was_second)
        converted, twice, second, never, open_ = local_to_utc(ns, zone, before)
        if (never & dates.local).any():
            expected = f"a time that the clocks of {zone} show: they go forward over it"
            raise _bad(series.name, pl.Series(never & dates.local), series, expected, self._path, rows)
        self._twice += int((twice & dates.local).sum())
        self._hour_open |= bool((open_ & dates.local).any())
        self._second = bool(second[-1])
        return np.where(dates.local, converted, ns)

    # ---- the end ----------------------------------------------------------------------------------------

    def seconds(self, took_s: Floats | None = None) -> Floats:
        """Seconds, in the order of the file: dates since the first of them, numbers as they are in their unit.

        Parameters
        ----------
        took_s
            How long each took that the file's times are the ends of; the beginnings are returned.
        """
        assert self._values is not None
        values = self._values.array()
        self._durations.check(self._column, self._path)
        self._check_strays()
        if not self._dates:
            values = values if took_s is None else values - took_s * self._per_second
            seconds: Floats = values if self._per_second == 1 else values / self._per_second
            if self._durations.of_day:
                self._note_one("day")
            if self._unit_from in ("name", "option") and self._per_second > 1 and len(values) > 1:
                self._doubt_the_unit(values)
            first_s = (float(values.min()) + self._origin) / self._per_second if len(values) else 0.0
            if EPOCH_S[0] <= first_s <= EPOCH_S[1]:
                self.start, self.of_day_s = date_text(round(first_s * 1_000) * UNITS["us"], "Z"), first_s % DAY_S
                if not self._origin and (step_s := lost_digits_s(values, self._per_second)):
                    lost = (
                        "were its last digits lost, as in 32-bit floats, or numbers such as 1.7E+12 of a spreadsheet?"
                    )
                    self.notes.append(f"column {self._column!r} has multiples of {step_s:,.15g} s alone: {lost}")
            return seconds
        values = self._in_order_of_month(values)
        self.notes += filter(None, [self._ticks.note])
        self._note_clock(values)
        if self._local and self._offsets and self._form.zone is None:
            which = f"column {self._column!r} has dates without an offset among others with one"
            self.notes.append(f"{which}: they are read as UTC; {self._form.zone_option} says otherwise")
        values = values if took_s is None else values - np.rint(took_s * SECOND_NS).astype(np.int64)
        self.of_day_s = int(values.min()) / SECOND_NS % DAY_S
        if self._form.yearless:
            self._note_one("day" if self._form.of_day else "year")
        else:
            self.start = date_text(int(values.min()), "" if self._local and self._form.zone is None else "Z")
        since_first = (values - values.min()).view(np.uint64)  # may be more than half of what 64 bits hold
        since_first_s: Floats = since_first / SECOND_NS
        return since_first_s

    def _note_one(self, what: str) -> None:
        lacks = {"day": "dates", "year": "year"}[what]
        self.notes.append(f"column {self._column!r} says no {lacks}: its times are read as of one {what}")

    def _check_strays(self) -> None:
        """Raises where one of stamps since 1970 is none: years before the others, it would look like another unit."""
        if (first := self._strays.first()) is None:
            return
        row, at_s = first
        if self._dates:
            value, expected = date_text(int(at_s) * SECOND_NS, ""), "a date of 2001 to 2099, as nearly all rows have"
        else:
            value = f"{at_s * self._per_second:.15g}"
            expected = like_others(at_s * self._per_second, self._per_second, self._column, self._form.option)
        raise DataError(f"column {self._column!r} has {value} in row {row + 1}; expected {expected}", str(self._path))

    def _doubt_the_unit(self, values: Floats) -> None:
        """Whether it is not that of stamps since 1970, of which seconds are the commonest."""
        low, high = values.min() + self._origin, values.max() + self._origin
        if EPOCH_S[0] <= low and high <= EPOCH_S[1] and high - low < 0.1 * low:
            unit = next(u for u, n in PER_SECOND.items() if n == self._per_second)
            by = "its name" if self._unit_from == "name" else self._form.option
            self.notes.append(
                f"column {self._column!r} is read as {NAMES[unit]} by {by}, but looks like seconds since 1970: "
                f"{self._form.option} s"
            )

    def _in_order_of_month(self, month_first: NDArray[np.int64]) -> NDArray[np.int64]:
        if self._day_first is None:
            return month_first
        day_first = self._day_first.array()
        if not self._month_first_ok:
            return day_first
        if not self._day_first_ok:
            return month_first
        disorder = [int((np.diff(v) < 0).sum()) for v in (month_first, day_first)]
        by_day = not self._twelve_hours and (self._dots or disorder[1] < disorder[0])
        if not np.array_equal(month_first - month_first[0], day_first - day_first[0]):
            order = "day/month" if by_day else "month/day"
            pattern = self._pattern(day_first=not by_day)
            self.notes.append(
                f"column {self._column!r} is read as {order}/year, though it may be the other way round"
                + (f": {self._form.option} {pattern!r}" if pattern else "")
            )
        return day_first if by_day else month_first

    def _pattern(self, *, day_first: bool) -> str:
        """What reads the first date whose day and month may be either, with one of them first; "": none is known."""
        import polars as pl

        pattern = pattern_of(self._either, day_first=day_first)
        if not pattern:
            return ""
        dates = pl.Series([self._either])
        try:
            expected, read = parse_dates(dates), parse_by(pattern, dates)
        except pl.exceptions.PolarsError:
            return ""
        assert expected.day_first_ns is not None
        ns = expected.day_first_ns if day_first else expected.ns
        same_zone = self._form.zone is None or np.array_equal(read.local, expected.local)
        return pattern if not read.bad.any() and np.array_equal(read.ns, ns) and same_zone else ""

    def _note_clock(self, ns: NDArray[np.int64]) -> None:
        if self._twice and self._form.zone:
            doubt = ", but some are so far before the next row that the second fits as well: write times in UTC"
            self.notes.append(
                f"{self._twice:,} times come twice in {self._form.zone}, where daylight saving ends: the first is "
                f"meant until the clock goes back{doubt if self._hour_open else ''}"
            )
        if not self._local or self._form.zone is not None or len(ns) < 2:
            return
        steps_s = np.diff(ns) / SECOND_NS
        back = int(np.argmin(steps_s))
        if -3660 <= steps_s[back] <= -1800:
            behind = f"{-steps_s[back]:,.0f} s behind {date_text(int(ns[back]), '')}"
            ended = f"if daylight saving ended, {self._form.zone_option} such as Europe/Berlin puts it right"
            self.notes.append(f"column {self._column!r} goes back by {behind}: {ended}")


def _bad(
    column: str, bad: pl.Series, shown: pl.Series | str, expected: str, path: Path, rows: NDArray[np.int64]
) -> DataError:
    at = int(bad.arg_max() or 0)
    one = bad[at : at + 1]
    return first_bad(
        column, one, shown if isinstance(shown, str) else shown[at : at + 1], expected, path, int(rows[at])
    )
