"""Dates as text: each form against Python's own calendar, at the ends of every field."""

import calendar
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import polars as pl
import pytest

from messsim.workload.dates import local_to_utc, parse_dates, pattern_of


def ns_of(year, month=1, day=1, hour=0, minute=0, second=0, *, zone=UTC) -> int:
    since = datetime(year, month, day, hour, minute, second, tzinfo=zone) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since // timedelta(seconds=1)) * 10**9


def parsed(text: str) -> int | None:
    """Nanoseconds since 1970 of one date; None where it is none."""
    dates = parse_dates(pl.Series([text]))
    return None if dates.bad[0] else int(dates.ns[0])


@pytest.mark.parametrize(
    "text",
    ["1969-12-31", "2201-01-01", "2024-00-10", "2024-13-10", "2024-01-00", "2024-04-31", "2023-02-29", "2100-02-29",
     "2024-01-01T24:00:00", "2024-01-01T00:60:00", "2024-01-01T00:00:61", "2024-01-01T00:00:00+24:00",
     "8/18/2025, 0:00:38 AM", "8/18/2025, 13:00:38 PM", "18/Nix/2025:00:00:38 +0000", "2024-01-01T00:00:00 XYZ"],
)  # fmt: skip
def test_what_is_on_no_calendar_is_none(text):
    assert parsed(text) is None


def test_the_first_and_last_of_every_field_are_dates():
    for year in (1970, 2000, 2024, 2200):
        for month in range(1, 13):
            last = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC) - timedelta(days=1)
            for day in (1, last.day):
                assert parsed(f"{year}-{month:02d}-{day:02d}") == ns_of(year, month, day)
    assert parsed("2024-05-06T23:59:59Z") == ns_of(2024, 5, 6, 23, 59, 59)
    assert parsed("2016-12-31T23:59:60Z") == ns_of(2017)  # a leap second
    assert parsed("2024-05-06T00:00:00.000000001Z") == ns_of(2024, 5, 6) + 1
    assert (
        parsed("2024-05-06T07:08:09.5-03:30")
        == ns_of(2024, 5, 6, 7, 8, 9, zone=timezone(timedelta(hours=-3, minutes=-30))) + 5 * 10**8
    )


def test_months_have_names():
    for month, name in enumerate(calendar.month_abbr[1:], 1):
        assert parsed(f"18/{name}/2025:00:00:38 +0000") == ns_of(2025, month, 18, 0, 0, 38)


@pytest.mark.parametrize(
    ("hour", "half", "expected"),
    [(12, "AM", 0), (1, "AM", 1), (11, "AM", 11), (12, "PM", 12), (1, "PM", 13), (11, "PM", 23)],
)
def test_the_day_has_two_halves(hour, half, expected):
    assert parsed(f"8/18/2025, {hour}:00:38 {half}") == ns_of(2025, 8, 18, expected, 0, 38)


@pytest.mark.parametrize(
    "text",
    ["5 Jan 10:05:30", "05/Jan 10:20:30", "Fri 5 Jan 10:05:30", "13 Mar 08:15:22", "5 Jan 10-11", "5 Jan 30",
     "5-Jan 10:05:30", "5. Jan 10:05", "05/Jan/10:20:30", "05-Jan-10-11", "5 Jan 10:05:30 +0100", "[05/Jan 10:20:30]"],
)  # fmt: skip
def test_an_hour_is_no_year(text):
    assert parsed(text) is None


@pytest.mark.parametrize(
    "text",
    ["18-AUG-25 12.00.38 AM", "18-AUG-25 00:00:38", "18/Aug/25 00:00:38", "18 Aug 25 00:00:38", "18 Aug 25, 00:00:38",
     "Mon, 18 Aug 25 00:00:38 GMT", "18-Aug-25T00:00:38Z", "18. Aug 25 00:00:38"],
)  # fmt: skip
def test_years_may_have_two_digits(text):
    assert parsed(text) == ns_of(2025, 8, 18, 0, 0, 38)
    assert parsed("18-AUG-25") == parsed("18/Aug/25") == parsed("18-AUG-25 UTC") == ns_of(2025, 8, 18)


@pytest.mark.parametrize(
    ("names", "hours"),
    [
        ("Z z UTC utc GMT UT WET", 0),
        ("CET WEST", 1),
        ("CEST EET", 2),
        ("EEST MSK", 3),
        ("JST KST", 9),
        ("EDT", -4),
        ("EST CDT", -5),
        ("MDT", -6),
        ("MST PDT", -7),
        ("PST", -8),
    ],
)
def test_names_of_zones_that_mean_one_offset(names, hours):
    for name in names.split():
        assert parsed(f"2024-05-06T12:00:00 {name}") == ns_of(2024, 5, 6, 12 - hours), name
    for name in ("CST", "IST", "BST"):
        assert parsed(f"2024-05-06T12:00:00 {name}") is None


@pytest.mark.parametrize(
    ("zone", "minutes"),
    [("+01", 60), ("+0130", 90), ("-01:30", -90), ("GMT+0200", 120), ("UTC-02:00", -120), ("+2359", 1439)],
)
def test_offsets(zone, minutes):
    assert parsed(f"2024-05-06T12:00:00 {zone}") == ns_of(2024, 5, 6, 12) - minutes * 60 * 10**9
    for wrong in ("+2400", "+0060", "-24"):
        assert parsed(f"2024-05-06T12:00:00 {wrong}") is None


@pytest.mark.parametrize(
    ("date", "day_first", "pattern"),
    [
        ("05/06/2024", False, "%m/%d/%Y"),
        ("05/06/2024", True, "%d/%m/%Y"),
        (" 5.6.24 7:08:09.5 ", True, "%d.%m.%y %H:%M:%S.%f"),
        ("5/6/2024, 7:08:09 PM", False, "%m/%d/%Y, %I:%M:%S %p"),
        ("05/06/2024 07:08 +0200", True, "%d/%m/%Y %H:%M %z"),
        ("05/06/2024 07:08 +02", True, "%d/%m/%Y %H:%M %#z"),
        ("05/06/2024 07:08 UTC", True, "%d/%m/%Y %H:%M UTC"),
        ("05/06/2024 07:08 CET", True, ""),
        ("05/06/2024 07:08 Europe/Berlin", True, ""),
    ],
)
def test_the_pattern_of_a_date_whose_order_is_open(date, day_first, pattern):
    assert pattern_of(date, day_first=day_first) == pattern


def test_places_are_zones_too_each_in_its_row():
    rows = [
        "2024-05-06 12:00 Europe/Berlin",
        "2024-05-06 12:00",
        "2024-01-06 12:00 America/New_York",
        "2024-05-06 12:00Z",
    ]
    dates = parse_dates(pl.Series(rows))
    assert not dates.bad.any()
    assert dates.local.tolist() == [False, True, False, False]
    assert dates.ns.tolist() == [
        ns_of(2024, 5, 6, 10),
        ns_of(2024, 5, 6, 12),
        ns_of(2024, 1, 6, 17),
        ns_of(2024, 5, 6, 12),
    ]
    assert parsed("2024-03-31 02:30 Europe/Berlin") is None  # no clock shows it
    assert parsed("2024-05-06 12:00 Europe/Nowhere") is None


@pytest.mark.parametrize("before", [None, (0, False)])
def test_times_that_come_twice_are_the_first_until_the_clock_goes_back(before):
    """The clocks of Berlin go back from three to two on 27 October 2024."""
    minutes = [110, 130, 170, 125, 175, 181]
    local = np.array([ns_of(2024, 10, 27) + m * 60 * 10**9 for m in minutes])
    late = np.array([False, False, False, True, True, True])
    utc, twice, _, never, _ = local_to_utc(local, "Europe/Berlin", before)
    assert twice.tolist() == [False, True, True, True, True, False]
    assert not never.any()
    assert ((local - utc) // (3600 * 10**9)).tolist() == np.where(late, 1, 2).tolist()
    utc, *_ = local_to_utc(local[1:3], "Europe/Berlin", (int(local[2]), False))  # the row before was later
    assert ((local[1:3] - utc) // (3600 * 10**9)).tolist() == [1, 1]
