"""Dates and times as logs write them, a column at a time: nanoseconds since 1970."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import available_timezones

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

__all__ = ["YEARLESS", "Dates", "local_to_utc", "parse_by", "parse_dates", "pattern_of"]

Nanos = NDArray[np.int64]
Mask = NDArray[np.bool_]

SECOND_NS, DAY_S = 1_000_000_000, 86_400
OUT_OF_ORDER_NS, LONG_NS = 600 * SECOND_NS, 7_200 * SECOND_NS
FIRST_YEAR, LAST_YEAR = 1970, 2200  # nanoseconds of later years do not fit into 64 bits

CLOCK = (
    r"(?P<H>\d{1,2})[:.](?P<M>\d{2})(?:[:.](?P<S>\d{2})(?:[.,](?P<f>\d{1,9})\d*)?)?(?:\s*(?P<p>[AaPp])\.?[Mm]\b\.?)?"
)
OFFSET = r"[+-]\d{2}:?\d{2}|[+-]\d{2}"
# JavaScript puts GMT before an offset and its name behind it.
ZONE = rf"(?:\s*(?P<z>(?:GMT|UTC)(?:{OFFSET})|{OFFSET}|[A-Za-z][\w+-]*(?:/[\w+-]+)*))?"
ZONE += r"(?:\s+\(?[A-Z]{1,5}\)?|\s+\([A-Z][\w .'-]*\)|\[[\w/+-]+\])?"
END = r"(?:\s+m=[+-][\d.]+)?\s*\]?\s*$"  # Go adds its monotonic clock, Apache a bracket
AFTER = rf"(?:(?:\s*[T,:_@-]\s*|\s+){CLOCK})?{ZONE}{END}"  # Kibana puts an @ between
MONTH = r"(?P<mon>[A-Za-z]{3})[a-z]*\.?"
DAY_MONTH = rf"^\s*\[?(?:[A-Za-z]{{3,9}},?\s+)?(?P<d>\d{{1,2}})(?:[-/ ]|\.\s?){MONTH}"
FORMS = (
    rf"^\s*\[?(?P<y>\d{{4}})[-/.年] ?(?P<m>\d{{1,2}})[-/.月] ?(?P<d>\d{{1,2}})[.日]?{AFTER}",
    rf"^\s*(?P<y>\d{{4}})(?P<m>\d{{2}})(?P<d>\d{{2}})[T _-](?P<H>\d{{2}})(?P<M>\d{{2}})(?P<S>\d{{2}})"
    rf"(?:[.,](?P<f>\d{{1,9}})\d*)?{ZONE}{END}",
    rf"^\s*\[?(?P<m>\d{{1,2}})(?P<sep>[/.-])(?P<d>\d{{1,2}})[/.-](?P<y>\d{{4}}){AFTER}",
    rf"^\s*\[?(?P<m>\d{{1,2}})(?P<sep>[/.])(?P<d>\d{{1,2}})[/.](?P<y>\d{{2}}){AFTER}",
    rf"{DAY_MONTH}[-/ ](?P<y>\d{{4}}){AFTER}",
    # Two digits may be the hour of a date without a year; they are not before a clock, or behind - or / at the end.
    rf"{DAY_MONTH}[-/ ](?P<y>\d{{2}})(?:\s*[T,_@]\s*|\s+){CLOCK}{ZONE}{END}",
    rf"{DAY_MONTH}[-/](?P<y>\d{{2}})(?:\s+(?P<z>[A-Z]{{3,4}}))?{END}",
    rf"^\s*(?:[A-Za-z]{{3,9}},?\s+)?{MONTH}\s+(?P<d>\d{{1,2}}),?\s+(?P<y>\d{{4}}){AFTER}",
    rf"^\s*(?:[A-Za-z]{{3}}\s+)?{MONTH}\s+(?P<d>\d{{1,2}})\s+{CLOCK}{ZONE}\s+(?P<y>\d{{4}}){END}",
)
YEARLESS = re.compile(
    r"^\s*\[?([A-Za-z]{3,9},?\s+)?([A-Za-z]{3,9}\.?\s+\d{1,2},?|\d{1,2}(\.\s?|[-/ ])(?!days?\b)[A-Za-z]{3,9}\.?)"
    r"[ /:]\s*\d{1,2}[:.]\d{2}([:.]\d{2}([.,]\d+)?)?\b(?!.*\s\d{4}\b)"
)
EITHER_ORDER = (2, 3)  # of FORMS: the month first, or the day
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# Names that mean one offset everywhere they are used (IANA time zone database); CST, IST and BST do not.
NAMED_H = {"z": 0, "utc": 0, "gmt": 0, "ut": 0, "est": -5, "edt": -4, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8}
NAMED_H |= {"pdt": -7, "wet": 0, "west": 1, "cet": 1, "cest": 2, "eet": 2, "eest": 3, "msk": 3, "jst": 9, "kst": 9}


@dataclass(frozen=True)
class Dates:
    """A block of dates.

    Attributes
    ----------
    ns : int64 [n]
        Nanoseconds since 1970, of local time where `local`; the month first where either order may be.
    day_first_ns : int64 [n] or None
        With the day first, where any row leaves the order open.
    bad, bad_day_first : bool [n]
        What is no date; and what is none with the day first.
    local : bool [n]
        Rows that name no zone.
    twelve_hours
        Whether any row says AM or PM, as where the month comes first.
    dots
        Whether dots part the numbers, as where the day comes first.
    either
        The first row whose order is open; "": none.
    """

    ns: Nanos
    day_first_ns: Nanos | None
    bad: Mask
    bad_day_first: Mask
    local: Mask
    twelve_hours: bool = False
    dots: bool = False
    either: str = ""

    @property
    def read_ns(self) -> Nanos:
        """With the month first, or the day where the month cannot be."""
        return self.ns if self.day_first_ns is None else np.where(self.bad, self.day_first_ns, self.ns)


def parse_dates(series: pl.Series) -> Dates:
    """Reads a column of text in any of `FORMS`, each row by the first that fits."""
    import polars as pl

    n = len(series)
    ns, day_first = np.zeros(n, np.int64), np.zeros(n, np.int64)
    bad, bad_day_first, local = np.ones(n, bool), np.ones(n, bool), np.zeros(n, bool)
    twelve = dots = False
    either = ""
    rest = np.arange(n)
    for number, form in enumerate(FORMS):
        groups = series.gather(rest).str.extract_groups(form).struct.unnest()
        fits = groups["y"].is_not_null().to_numpy()
        if not fits.any():
            continue
        at, rows = rest[fits], groups.filter(pl.Series(fits))
        ns[at], bad[at], local[at] = _nanos(rows)
        if number in EITHER_ORDER:
            either = either or str(series[int(at[0])])
            swapped = rows.rename({"m": "d", "d": "m"})
            day_first[at], bad_day_first[at], _ = _nanos(swapped)
            dots |= bool((rows["sep"] == ".").any())
        else:
            day_first[at], bad_day_first[at] = ns[at], bad[at]
        twelve |= "p" in rows.columns and rows["p"].null_count() < rows.height
        rest = rest[~fits]
        if not len(rest):
            break
    return Dates(ns, day_first if either else None, bad, bad_day_first, local, twelve, dots, either)


def parse_by(pattern: str, series: pl.Series) -> Dates:
    """Dates as a pattern of the user's has them; a PolarsError where it is none."""
    import polars as pl

    if ",%f" in pattern:  # polars knows no fraction of a second behind a comma
        series = series.str.replace(r"^(.*\d),(\d)", "${1}.${2}")
    result = series.str.strip_chars().str.to_datetime(
        pattern.replace(".%f", "%.f").replace(",%f", "%.f"), strict=False, time_unit="ns", ambiguous="earliest"
    )
    bad = result.is_null().to_numpy()
    zoned = isinstance(result.dtype, pl.Datetime) and result.dtype.time_zone is not None
    return Dates(result.dt.epoch("ns").fill_null(0).to_numpy(), None, bad, bad, np.full(len(series), not zoned))


def pattern_of(date: str, *, day_first: bool) -> str:
    """How a date is written whose day and month could be either, with one of them first, in directives of polars.

    "": no pattern reads the name of its zone. As plain text, which shifts no clock, only names of UTC may stay.
    """
    match = next(filter(None, (re.match(FORMS[form], date) for form in EITHER_ORDER)))
    parts = match.groupdict()
    zone = parts["z"] or ""
    offset = re.search(rf"(?:{OFFSET})$|^[Zz]$", zone) if "/" not in zone else None
    if zone and not offset and NAMED_H.get(zone.lower()) != 0:
        return ""
    day, month = ("m", "d") if day_first else ("d", "m")
    directives = {day: "%d", month: "%m", "y": "%Y" if len(parts["y"]) == 4 else "%y", "M": "%M", "S": "%S", "f": "%f"}
    directives |= {"H": "%I" if parts["p"] else "%H", "p": "%p"}
    if offset:
        full = len(offset[0]) > 3
        date = date[: match.start("z") + offset.start()] + ("%z" if full else "%#z") + date[match.end("z") :]
    for name in sorted(filter(parts.get, directives), key=match.start, reverse=True):
        end = match.end(name) + (name == "p")  # the M of AM and PM
        date = date[: match.start(name)] + directives[name] + date[end:]
    return date.strip()


def _nanos(rows: pl.DataFrame) -> tuple[Nanos, Mask, Mask]:
    """Nanoseconds, what is none, and what names no zone."""
    import polars as pl

    def whole(name: str) -> Nanos:
        if name not in rows.columns:
            return np.zeros(rows.height, np.int64)
        return rows[name].cast(pl.Int64, strict=False).fill_null(0).to_numpy()

    year, day, hour, minute, second = (whole(c) for c in "ydHMS")
    year = np.where(rows["y"].str.len_chars().to_numpy() == 2, year + 2000, year)
    month = whole("m") if "m" in rows.columns else _months(rows["mon"])
    if "p" in rows.columns:
        half = rows["p"].str.to_lowercase()
        twelve = half.is_not_null().to_numpy()
        bad = twelve & ((hour < 1) | (hour > 12))
        hour = np.where(twelve, hour % 12, hour) + 12 * (half == "p").fill_null(False).to_numpy()
    else:
        bad = np.zeros(rows.height, bool)
    bad |= (year < FIRST_YEAR) | (year > LAST_YEAR) | (month < 1) | (month > 12) | (day < 1)
    bad |= (hour > 23) | (minute > 59) | (second > 60)  # 60: a leap second
    year, month = np.where(bad, FIRST_YEAR, year), np.where(bad, 1, month)
    months = 12 * (year - 1970) + month - 1
    first, end = _day_of(months), _day_of(months + 1)
    bad |= day > end - first
    days = first + day - 1
    fraction = rows["f"].str.pad_end(9, "0").cast(pl.Int64).fill_null(0).to_numpy() if "f" in rows.columns else 0
    offset, unknown, local = _offsets(rows["z"])
    seconds = days * DAY_S + hour * 3600 + minute * 60 + second - offset
    ns = seconds * SECOND_NS + fraction
    for name in rows["z"].filter(pl.Series(unknown)).unique():
        if name in _places():
            here = (rows["z"] == name).fill_null(False).to_numpy()
            ns[here], _, _, unknown[here], _ = local_to_utc(ns[here], name, None)
    return ns, bad | unknown, local


def _day_of(months: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first days of months since January 1970, in days since then."""
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


@cache
def _places() -> frozenset[str]:
    """Names such as Europe/Berlin."""
    return frozenset(available_timezones())


def _months(names: pl.Series) -> Nanos:
    """1 to 12; 0: no month."""
    table = {name: i + 1 for i, name in enumerate(MONTHS)}
    return np.array([table.get((name or "").lower(), 0) for name in names], np.int64)


def _offsets(zones: pl.Series) -> tuple[Nanos, Mask, Mask]:
    """Seconds east of Greenwich, zones that nobody knows, and rows without one."""
    names = zones.unique().to_list()
    known = {name: _offset_s(name) for name in names if name is not None}
    local = zones.is_null().to_numpy()
    values = zones.replace_strict(known, default=None) if known else zones
    unknown = values.is_null().to_numpy() & ~local
    return values.cast(int, strict=False).fill_null(0).to_numpy(), unknown, local


@cache
def _offset_s(zone: str) -> int | None:
    if match := re.fullmatch(r"(?:GMT|UTC)?([+-])(\d{2}):?(\d{2})?", zone):
        sign, hours, minutes = match.groups()
        seconds = int(hours) * 3600 + int(minutes or 0) * 60
        return (-seconds if sign == "-" else seconds) if int(hours) < 24 and int(minutes or 0) < 60 else None
    hours_east = NAMED_H.get(zone.lower())
    return None if hours_east is None else hours_east * 3600


def local_to_utc(ns: Nanos, zone: str, before: tuple[int, bool] | None) -> tuple[Nanos, Mask, Mask, Mask, Mask]:
    """Local times of a zone in UTC, which of them come twice (daylight saving ends), of which the second is meant,
    which never come, and which follow a row that was read as a first one and may be a second one.

    Of the two times that may be meant it is the first until the clock goes back, and the second from then on, or where
    the row before is of later. Steps back of up to ten minutes within the hour are rows out of order. Where rows are
    an hour apart and more nothing tells which is meant. `before` is the local time of the row before, and whether it
    was a second one.
    """
    import polars as pl

    rows = ns if before is None else np.append(before[0], ns)
    naive = pl.Series(rows).cast(pl.Datetime("ns"))
    early, late = (
        naive.dt.replace_time_zone(zone, ambiguous=which, non_existent="null").dt.epoch("ns")
        for which in ("earliest", "latest")
    )
    never = early.is_null().to_numpy()
    first, second = early.fill_null(0).to_numpy(), late.fill_null(0).to_numpy()
    twice = first != second
    steps = np.diff(rows, prepend=rows[0])
    back = (steps < -OUT_OF_ORDER_NS) | ((steps < 0) & ~np.append(False, twice[:-1]))
    back[0] = before is not None and before[1]
    by_itself = back | ~twice | (steps > LONG_NS)
    decided_by = np.maximum.accumulate(np.where(by_itself, np.arange(len(rows)), 0))
    meant = twice & back[decided_by]
    utc, new = np.where(meant, second, first), slice(len(rows) - len(ns), None)
    fits_too = (twice & ~meant)[:-1] & (utc[1:] >= second[:-1])
    return utc[new], twice[new], meant[new], never[new], np.append(False, fits_too)[new]
