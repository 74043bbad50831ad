"""A column of times by itself: units, dates, and what is doubted; worked out by hand."""

import datetime as dt
import itertools
import shlex
import zoneinfo
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from messsim.errors import DataError
from messsim.workload.choosing import conditions
from messsim.workload.dates import local_to_utc
from messsim.workload.doubts import bursts, doubts
from messsim.workload.growing import Growing
from messsim.workload.stamps import like_others
from messsim.workload.time_form import TimeForm, check_form
from messsim.workload.times import Times
from messsim.workload.units import NAMES, UNITS, unit_of

FILE = Path("log.csv")
DAY = 86_400.0
DURATION = r"expected a duration with its unit, such as 1\.5s, 1m30\.25s, PT1M30\.25S or 0 days 00:01:30"


def times(values, column="t", form=None, zone=None, keep=None, least=-np.inf, blocks=1):
    made = Times(column, FILE, TimeForm(form or "auto", zone), least=least)
    frame = pl.DataFrame({column: values}, strict=False)
    size = -(-frame.height // blocks)
    for start in range(0, frame.height, size):
        some = None if keep is None else np.array(keep[start : start + size])
        made.add(frame[start : start + size], start, some)
    return made


def seconds(values, **more):
    return times(values, **more).seconds().tolist()


@pytest.mark.parametrize(
    ("column", "unit"),
    [
        ("t", None), ("time", None), ("time_s", "s"), ("time_ms", "ms"), ("ts_us", "us"), ("x_µs", "us"),
        ("x.nanos", "ns"), ("x micros", "us"), ("time [ms]", "ms"), ("time (s)", "s"), ("ms", "ms"),
        ("x_ns", "ns"), ("unixms", "ms"),
        ("startTimeMs", "ms"), ("startTimeUnixNano", "ns"), ("elapsedSeconds", "s"), ("x_minutes", "min"),
        ("x_hours", "h"), ("x_days", "d"), ("x_mins", "min"), ("x-secs", "s"), ("items", None), ("x_msecs", "ms"),
    ],
)  # fmt: skip
def test_the_unit_that_a_name_ends_with(column, unit):
    assert unit_of(column) == unit


@pytest.mark.parametrize(
    ("values", "more", "expected"),
    [
        ([0, 1, 4], {}, [0.0, 1.0, 4.0]),
        ([0, 1500], {"form": "ms"}, [0.0, 1.5]),
        ([0, 2_500_000], {"form": "us"}, [0.0, 2.5]),
        ([0, 10**9], {"form": "ns"}, [0.0, 1.0]),
        ([0.0, 0.5], {"form": "min"}, [0.0, 30.0]),
        ([0.0, 0.5], {"form": "h"}, [0.0, 1800.0]),
        ([0.0, 2.0], {"form": "d"}, [0.0, 2 * DAY]),
        ([0, 1500], {"column": "t_ms"}, [0.0, 1.5]),
        ([0, 1500], {"column": "t_ms", "form": "s"}, [0.0, 1500.0]),  # what the user says goes first
        (["0", "1.5"], {}, [0.0, 1.5]),
        (["1.5s", "250ms", "2 min", "1h", "3us"], {}, [1.5, 0.25, 120.0, 3600.0, 3e-6]),
        (["0 days 00:00:01.5", "1 day 01:02:03", "3s"], {}, [1.5, DAY + 3723.0, 3.0]),
        (["0s", "250.5ms", "1m30.25s", "1h0m0.5s", "-1m30s"], {}, [0.0, 0.2505, 90.25, 3600.5, -90.0]),  # Go
        (["5ms", "1h 2min 3s 4ms 5us 6ns", "2d"], {}, [0.005, 3723.004005006, 2 * DAY]),
        (["PT0S", "PT0.25S", "PT1M30,5S", "P1DT1H", "P1W", "-PT1S"], {}, [0, 0.25, 90.5, DAY + 3600, 7 * DAY, -1]),
        (["0:00:00", "0:01:30.25", "1 day, 0:00:01"], {}, [0.0, 90.25, DAY + 1]),  # Python
        (["00:00:00.5000000", "1.00:00:01", "-1.00:00:01"], {}, [0.5, DAY + 1, -DAY - 1]),  # .NET
        (["1,5s", "2,25ms", "3,0001s"], {}, [1.5, 0.00225, 3.0001]),
        (["PT1,125S", "00:00:02,125", "100:00:00"], {}, [1.125, 2.125, 360_000.0]),
        ([dt.time(9), dt.time(9, 0, 1, 500_000)], {}, [32400.0, 32401.5]),
        (["2024-W19-1", "2024-W19-2"], {"form": "%G-W%V-%u"}, [0.0, DAY]),
        (["2024-19-1", "2024-19-2"], {"form": "%Y-%U-%w"}, [0.0, DAY]),
        (["2024-05", "2024-06"], {"form": "%Y-%m"}, [0.0, 31 * DAY]),
        (["09:00", "09:01"], {"form": "%H:%M"}, [0.0, 60.0]),
        (["09:00:00:500", "09:00:01:750"], {"form": "%H:%M:%S:%3f"}, [0.0, 1.25]),
        (["11:00:00 AM", "01:00:00 PM"], {"form": "%I:%M:%S %p"}, [0.0, 7200.0]),
        (["09:00:01", "09:00:02,5", "9:00:03"], {}, [32401.0, 32402.5, 32403.0]),
        ([dt.timedelta(seconds=2), dt.timedelta(milliseconds=1)], {}, [2.0, 0.001]),
        ([dt.date(2024, 5, 6), dt.date(2024, 5, 7)], {}, [0.0, DAY]),
        ([20240506000000, 20240506000130], {}, [0.0, 90.0]),
        (["2024-05-06T00:00:01Z", "2024-05-06T00:00:00Z"], {}, [1.0, 0.0]),
        (["06.05.2024 00:00:00", "06.05.2024 00:00:02"], {"form": "%d.%m.%Y %H:%M:%S"}, [0.0, 2.0]),
    ],
)
@pytest.mark.parametrize("blocks", [1, 2])
def test_seconds(values, more, expected, blocks):
    assert seconds(values, blocks=blocks, **more) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("values", "form", "of_day"),
    [
        (["09:00:01", "09:00:02", "09:00:02"], None, True),
        ([dt.time(9), dt.time(9, 0, 1), dt.time(9, 0, 1)], None, True),
        (["09:00", "09:01", "09:01"], "%H:%M", True),
        (["00:00:01", "24:00:02", "00:00:03"], None, False),  # no time of day, and so in any order
        (["1 day 00:00:01", "00:00:02", "0:00:01"], None, False),
        (["1s", "PT1S"], None, False),
    ],
)
@pytest.mark.parametrize("blocks", [1, 2])
def test_times_that_may_be_of_one_day_are_noted(values, form, of_day, blocks):
    made = times(values, form=form, blocks=blocks)
    made.seconds()
    assert made.notes == ["column 't' says no dates: its times are read as of one day"] * of_day


@pytest.mark.parametrize(
    ("values", "form", "start"),
    [
        (["02-28 09:00", "03-01 09:01"], "%m-%d %H:%M", None),
        (["Feb 28 09:00", "Mar 01 09:01"], "%b %d %H:%M", None),
        (["2024-02-29 09:00", "2024-03-01 09:01"], "%F %H:%M", "2024-02-29T09:00:00"),
    ],
)
def test_patterns_without_a_year_are_read_as_of_one(values, form, start):
    made = times(values, form=form)
    assert (made.seconds().tolist(), made.start) == ([0.0, DAY + 60.0], start)
    note = "column 't' says no year: its times are read as of one year"
    assert made.notes == [note] * (start is None)


@pytest.mark.parametrize(
    ("values", "expected", "start", "note"),
    [
        ([1_700_000_000, 1_700_000_001], 1.0, "2023-11-14T22:13:20Z", None),
        ([1_700_000_000_000, 1_700_000_000_500], 0.5, "2023-11-14T22:13:20Z", "milliseconds"),
        ([1_700_000_000_000_000, 1_700_000_000_250_000], 0.25, "2023-11-14T22:13:20Z", "microseconds"),
        ([1_700_000_000_000_000_000, 1_700_000_000_000_000_001], 1e-9, "2023-11-14T22:13:20Z", "nanoseconds"),
        ([999_999_999, 1_000_000_000], 1.0, None, None),
        ([5, 6], 1.0, None, None),
        ([1_700_000_000.25, 1_700_000_000.75], 0.5, "2023-11-14T22:13:20.250Z", None),
    ],
)
def test_times_since_1970_tell_their_unit_by_their_size(values, expected, start, note):
    made = times(values)
    given = made.seconds()
    assert given[1] - given[0] == pytest.approx(expected, rel=1e-9 if expected > 1e-6 else 1e-6)
    assert made.start == start
    assert [note in n for n in made.notes] == ([] if note is None else [True])


@pytest.mark.parametrize(
    ("values", "more", "message"),
    [
        ([0, None], {}, "column 't' has no value in row 2; expected seconds, or a date and time such as"),
        ([0.0, float("nan")], {}, "column 't' has nan in row 2; expected a number, at most 1e"),
        ([0, -1], {"least": 0.0}, "column 't' has -1 in row 2; expected a number, at least 0 and at most 1e"),
        (["1", "x"], {}, "column 't' has 'x' in row 2; expected seconds"),
        (
            ["1.5s", "soon"],
            {},
            f"column 't' has 'soon' in row 2; {DURATION}; such rows can be left out, --select 't!=soon'$",
        ),
        (["0 days 00:00:01", "soon"], {}, f"column 't' has 'soon' in row 2; {DURATION}; such rows"),
        (["0s", "1s", "P1Y"], {"blocks": 3}, f"column 't' has 'P1Y' in row 3; {DURATION}$"),
        (["0s", "1m30.25s"], {"form": "s"}, "column 't' has '1m30.25s' in row 2; expected seconds, as --time-format s"),
        (["PT0S", "PT1M"], {"form": "s"}, "column 't' has 'PT1M' in row 2; expected seconds, as --time-format s"),
        (["1s", "P", "P1DT1S"], {}, f"column 't' has 'P' in row 2; {DURATION}; such rows"),
        (["23:59:59", "00:00:01"], {}, "column 't' has '00:00:01' in row 2; expected a date too, not a time of day"),
        (["23:59:59", "00:00:01"], {"blocks": 2}, "column 't' has '00:00:01' in row 2; expected a date too"),
        (["250ms", "500ms", "3", "4"], {"blocks": 2}, f"column 't' has '3' in row 3; {DURATION}$"),
        (["0s", "1h", "3 seconds"], {}, f"column 't' has '3 seconds' in row 3; {DURATION}$"),
        (["0", "1s", "2s"], {}, f"column 't' has '0' in row 1; {DURATION}$"),
        (["2024-05-06", "1s", "2024-05-07"], {}, "column 't' has '1s' in row 2; expected a date and time"),
        (
            [0, 1_700_000_000_000],
            {"form": "s"},
            "has 1700000000000 in row 2; expected seconds; --time-format ms for",
        ),
        ([[1]], {}, r"column 't' is of type List\(Int64\); expected a number, at most 1e\+12, or a date and time"),
        (["2024-05-06", "2024-13-06"], {}, "has '2024-13-06' in row 2; expected a date and time such as"),
        (["2024-05-06", "12:30"], {}, "expected a date too, not a time of day alone"),
        (["2024-05-06", "May 6 12:30:01"], {}, "expected a date with its year too"),
        (["2024-05-06 00:00:00 IST"], {}, r"expected an offset such as \+0100: .*; --time-zone says which"),
        (["2024-05-06"], {"form": "%d %H"}, r"--time-format = '%d %H': cannot be used: Invalid format string"),
        (["12:30"], {"form": "%H:%M", "zone": "Europe/Berlin"}, "'%H:%M': expected the day in it too: --time-zone is"),
        (["12:30", "12:29"], {"form": "%H:%M", "blocks": 2}, "has '12:29' in row 2; expected a date too, .*: it is b"),
        (["12:30"], {"form": "%H:%M%%d"}, "has '12:30' in row 1; expected what --time-format '%H:%M%%d' describes"),
        (["12:30:00", "12:30:01"], {"form": "ms"}, "in row 1; expected milliseconds, as --time-format ms says; with"),
        (["12:30:00", "12:30:01"], {"form": "h"}, "in row 1; expected hours, as --time-format h says; without it"),
        (["12:30:00"], {"zone": "Europe/Berlin"}, "in row 1; expected a date too, .*: --time-zone is for dates"),
        (["950ms", "1,234ms", "2,000 ms"], {}, "'1,234ms' in row 2; expected no comma before three digits, as it may"),
        (["950ms", "1m1,234s"], {"blocks": 2}, "'1m1,234s' in row 2; expected no comma before three digits"),
        (["1,234.5s", "1s", "2s"], {}, f"'1,234.5s' in row 1; {DURATION}$"),
        (["2024:05:06", "2024:05:07"], {}, "column 't' has '2024:05:06' in row 1; expected a date and time"),
        (["06.05:12:30", "07.05:12:30"], {}, "column 't' has '06.05:12:30' in row 1; expected a date and time"),
        (["12.31:12:30"], {}, "column 't' has '12.31:12:30' in row 1; expected a date and time"),
        (["12:30:00", "2024-05-06", "2024-05-07"], {}, "column 't' has '12:30:00' in row 1; expected a date too"),
        (["2024-05-06"], {"form": "%d.%m.%Y"}, r"expected what --time-format '%d.%m.%Y' describes"),
    ],
)
def test_what_is_no_time_is_told(values, more, message):
    with pytest.raises(DataError, match=message):
        seconds(values, **more)


def test_numbers_and_dates_do_not_mix():
    made = times([0, 1])
    assert not made.are_dates
    with pytest.raises(DataError, match=r"has '2024-05-06' in row 3; expected a number as in the rows before"):
        made.add(pl.DataFrame({"t": ["2024-05-06"]}), 2)
    made = times(["2024-05-06"])
    assert made.are_dates
    with pytest.raises(DataError, match=r"has 5 in row 2; expected a date and time as in the rows before"):
        made.add(pl.DataFrame({"t": [5]}), 1)


def test_rows_that_do_not_count_may_hold_anything():
    assert seconds(["x", "3", None, "7"], keep=[False, True, False, True]) == [3.0, 7.0]
    made = times([0, 1, 2], keep=[True, True, True])
    made.add(pl.DataFrame({"t": [9]}), 3, np.array([False]))
    assert made.seconds().tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(DataError, match="in row 4"):
        times([0, 1, 2, "x"], keep=[True, False, True, True])


def test_day_and_month_may_be_either_until_a_row_tells():
    assert seconds(["1/2/2024", "13/2/2024"]) == [0.0, 12 * DAY]  # 13 is no month
    assert seconds(["1/2/2024", "1/13/2024"]) == [0.0, 11 * DAY]
    assert seconds(["1/2/2024 1:00 AM", "2/2/2024 1:00 AM"]) == [0.0, 31 * DAY]  # AM: the month first
    assert seconds(["1.2.2024", "2.2.2024"]) == [0.0, DAY]  # dots: the day first
    made = times(["1/2/2024", "2/2/2024"])
    assert made.seconds().tolist() == [0.0, 31 * DAY]
    assert "is read as month/day/year, though it may be the other way round" in made.notes[0]
    made = times(["31/1/2024", "1/2/2024"])
    assert made.seconds().tolist() == [0.0, DAY]
    ordered = times(["1/2/2024", "2/1/2024", "3/1/2024"])
    assert ordered.seconds().tolist() == [0.0, 30 * DAY, 59 * DAY]
    with pytest.raises(DataError, match="in row 2"):
        times(["1/13/2024", "13/1/2024"])


@pytest.mark.parametrize("mark", ["/", "."])
def test_few_days_that_are_no_month_are_no_strays(mark):
    days = [f"{day:02}{mark}11{mark}2023 00:00" for day in range(1, 14) for _ in range(20)]  # the 13th: one of 13
    expected = [(day - 1) * DAY for day in range(1, 14) for _ in range(20)]
    assert seconds(days) == expected
    assert seconds(days[::-1]) == expected[::-1]
    assert seconds([f"12{mark}11{mark}2023"] * 23 + [f"13{mark}11{mark}2023"]) == [0.0] * 23 + [DAY]


@pytest.mark.parametrize(
    ("values", "pattern"),
    [
        (["1/2/2024", "2/2/2024"], "%d/%m/%Y"),
        (["1/2/2024 1:00", "2/2/2024 1:00"], "%d/%m/%Y %H:%M"),
        (["1-2-2024T01:00:07", "2-2-2024T01:00:07"], "%d-%m-%YT%H:%M:%S"),
        (["01/02/24 01:00:07.25", "02/02/24 01:00:07.25"], "%d/%m/%y %H:%M:%S.%f"),
        (["1/2/2024 1:00 AM", "2/2/2024 1:00 AM"], "%d/%m/%Y %I:%M %p"),
        (["1/2/2024, 1:00:00 pm", "2/2/2024, 1:00:00 pm"], "%d/%m/%Y, %I:%M:%S %p"),
        (["1/2/2024 01:00:00 +02:00", "2/2/2024 01:00:00 +02:00"], "%d/%m/%Y %H:%M:%S %z"),
    ],
)
def test_the_pattern_that_a_note_proposes_reads_the_column_the_other_way_round(values, pattern):
    made = times(values)
    assert made.seconds().tolist() == [0.0, 31 * DAY]
    assert f"the other way round: --time-format '{pattern}'" in made.notes[0]
    assert times(values, form=pattern).seconds().tolist() == [0.0, DAY]


def test_local_times_of_a_zone():
    made = times(["2024-05-06 12:00:00", "2024-05-06 12:00:01"], zone="Europe/Berlin")
    made.seconds()
    assert made.start == "2024-05-06T10:00:00Z"
    assert times(["2024-05-06 12:00:00"]).seconds().tolist() == [0.0]
    local = times(["2024-05-06 12:00:00"])
    local.seconds()
    assert local.start == "2024-05-06T12:00:00"
    with pytest.raises(DataError, match="expected a time that the clocks of Europe/Berlin show: they go"):
        times(["2024-03-31 02:30:00"], zone="Europe/Berlin")
    stamped = times(["2024-05-06 00:00:00 IST", "2024-05-06 00:00:01 IST"], zone="Asia/Kolkata")
    assert stamped.seconds().tolist() == [0.0, 1.0]


def test_a_clock_that_goes_back_is_put_right_by_its_zone():
    values = ["2024-10-27 02:30:00", "2024-10-27 02:59:00", "2024-10-27 02:10:00", "2024-10-27 03:00:00"]
    made = times(values, zone="Europe/Berlin")
    assert made.seconds().tolist() == [0.0, 1740.0, 2400.0, 5400.0]
    assert made.notes[0].startswith("3 times come twice in Europe/Berlin")
    plain = times(values)
    plain.seconds()
    assert "goes back by 2,940 s behind 2024-10-27T02:59:00: if daylight" in plain.notes[0]
    some = times(values, keep=[False, True, True, True])  # as the file has it, whatever rows are left out
    some.seconds()
    assert some.notes == plain.notes
    assert times(values, zone="Europe/Berlin", blocks=2).seconds().tolist() == [0.0, 1740.0, 2400.0, 5400.0]


@pytest.mark.parametrize("blocks", [1, 2, 3, 7])
def test_the_hour_that_comes_twice_in_rows_out_of_order_in_blocks_and_of_two_autumns(blocks):
    """Seconds behind the row before are no clock that went back; the second hour lasts until it is over."""
    clocks = ["02:30:05", "02:30:04", "02:59:59", "02:00:01", "02:10:00", "02:50:00", "03:00:02", "02:59:58"]
    values = [f"{day} {clock}" for day in ("2024-10-27", "2025-10-26") for clock in clocks]
    autumn = [0.0, -1.0, 1794.0, 1796.0, 2395.0, 4795.0, 5397.0, 5393.0]
    later = 364 * 86_400.0
    made = times(values, zone="Europe/Berlin", blocks=blocks)
    assert made.seconds().tolist() == [s + 1.0 for s in [*autumn, *(later + s for s in autumn)]]


@pytest.mark.parametrize("blocks", [1, 2, 3, 10])
@pytest.mark.parametrize("place", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("gap_min", [1, 10, 25, 45, 50, 60, 75])
def test_rows_so_far_apart_that_either_of_two_hours_fits_are_noted(gap_min, place, blocks):
    """Whatever is read as of the wrong hour has the note; rows that follow one another closely have none."""
    begun = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    zone = zoneinfo.ZoneInfo(place)
    ends = next(t for h in range(24 * 366) if _goes_back(t := begun + dt.timedelta(hours=h), zone))
    gap = dt.timedelta(minutes=gap_min)
    true = [ends + (k - 3 * 60 // gap_min) * gap for k in range(6 * 60 // gap_min + 1)]
    made = times([f"{t.astimezone(zone):%Y-%m-%d %H:%M:%S}" for t in true], zone=place, blocks=blocks)
    right = made.seconds().tolist() == [(t - true[0]).total_seconds() for t in true]
    doubt = "but some are so far before the next row that the second fits as well: write times in UTC"
    noted = any(doubt in note for note in made.notes)
    dense = gap_min <= (10 if place == "Australia/Lord_Howe" else 45)
    assert right or noted
    assert dense == (right and not noted)


def _goes_back(time, zone):
    after = time + dt.timedelta(hours=1)
    return after.astimezone(zone).utcoffset() < time.astimezone(zone).utcoffset()


def hour(*texts):
    return np.array([np.datetime64(f"2024-{t}", "ns").astype(np.int64) for t in texts])


def test_which_local_times_come_twice_and_which_never():
    ns, twice, _, never, _ = local_to_utc(
        hour("10-27T01:59", "10-27T02:00", "10-27T02:59", "10-27T03:00"), "Europe/Berlin", None
    )
    assert ns.tolist() == hour("10-26T23:59", "10-27T00:00", "10-27T00:59", "10-27T02:00").tolist()
    assert twice.tolist() == [False, True, True, False]
    assert not never.any()
    _, _, _, never, _ = local_to_utc(
        hour("03-31T01:59", "03-31T02:00", "03-31T02:59", "03-31T03:00"), "Europe/Berlin", None
    )
    assert never.tolist() == [False, True, True, False]
    ns, *_ = local_to_utc(hour("10-27T02:10"), "Europe/Berlin", (int(hour("10-27T02:50")[0]), False))
    assert ns.tolist() == hour("10-27T01:10").tolist()  # the row before was later: the clock has gone back


def test_units_that_look_like_seconds_are_doubted():
    made = times([1_700_000_000, 1_700_000_100], column="t_ms")
    made.seconds()
    assert made.notes == [
        "column 't_ms' is read as milliseconds by its name, but looks like seconds since 1970: --time-format s"
    ]
    made = times([1_700_000_000, 1_700_000_100], form="us")
    made.seconds()
    assert made.notes == [
        "column 't' is read as microseconds by --time-format, but looks like seconds since 1970: --time-format s"
    ]
    far = times([1_000_000_000, 2_000_000_000], column="t_ms")  # of times far apart it is no doubt
    far.seconds()
    assert far.notes == []
    sheet = times([45_000.25, 45_000.5])
    assert "looks like the days of a spreadsheet or Julian dates: --time-format d" in sheet.notes[0]
    for days in ([2_460_000.5, 2_460_001.25], [60_000.5, 88_000.25]):
        assert times(days).notes[0] == sheet.notes[0]
        assert times(days, form="d").seconds().tolist() == [d * 86_400 for d in days]
    assert times([2_488_069.5, 2_488_070.5]).notes == []
    assert times([36_525.9, 45_000.5]).notes == []
    assert times([45_000, 45_001]).notes == []
    minutes = times([1, 2], column="t_minutes")
    assert "is read as minutes, by its name" in minutes.notes[0]


@pytest.mark.parametrize(
    ("time_s", "dates", "note"),
    [
        ([], False, None),
        ([0.0], False, None),
        ([0.0, 0.0], False, None),
        ([0.0, 99.0], False, None),
        ([0.0, 101.0], False, "if times are milliseconds, it is 9.901/s: --time-format ms"),
        ([0.0, 101.0], True, None),
        ([0.0, 1e6], False, "if times are microseconds"),
        ([0.0, 5e-7], False, "is more than any server takes; --time-format says the unit"),
        ([0.0, 2e-6], False, None),
        ([*range(3000), 24_000.0], False, None),
        ([*range(3000), 25_000.0], False, "the longest time between two requests is 6.111 hours"),
        ([*range(3000), 25_000.0], True, "the longest time between two requests is 6.111 hours"),
    ],
)
def test_times_that_no_server_has_are_doubted(time_s, dates, note):
    given = doubts(np.array(time_s, float), TimeForm(), dates=dates)
    assert (given == []) is (note is None)
    if note is not None:
        assert note in given[0]


@pytest.mark.parametrize("at", range(1, 8))
@pytest.mark.parametrize("at_once", [1, 2, 3, 100])
def test_the_longest_gap_is_found_wherever_it_is(monkeypatch, at, at_once):
    monkeypatch.setattr("messsim.workload.doubts.AT_ONCE", at_once)
    time_s = np.arange(8.0)
    time_s[at:] += 25_000.0
    (note,) = doubts(time_s, TimeForm(), dates=True)
    assert "6.945 hours" in note


@pytest.mark.parametrize(
    ("time_s", "of_day_s", "what"),
    [
        ([], 0.0, None),
        ([0.0], 0.0, None),
        ([0.0, 0.0], 0.0, None),
        ([0.0] * 3 + [60.0] * 3 + [180.0] * 2, 36_060.0, "minute"),
        ([0.0] * 3 + [60.0] * 3 + [180.0] * 2, 36_020.5, None),  # by chance, or by a timer
        ([0.0] * 3 + [60.0] * 3 + [180.0] * 2, None, None),  # since any start: somebody wants them so
        ([0.0] * 3 + [60.0] * 3 + [181.0] * 2, 36_060.0, None),
        ([0.0] * 3 + [3600.0] * 3 + [7200.0] * 3, 36_000.0, "hour"),
        ([0.0] * 3 + [3600.0] * 3 + [7200.0] * 3, 36_060.0, "minute"),
        ([0.0] * 3 + [DAY] * 3 + [3 * DAY] * 2, 0.0, "day"),
        ([0.0] * 3 + [DAY] * 3 + [3 * DAY] * 2, 36_000.0, "hour"),
        ([0.0] * 4 + [60.0] * 4, 36_060.0, None),  # twice may be chance
        ([0.0, 60.0, 60.0, 120.0, 120.0], 36_060.0, None),
    ],
)
@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_dates_that_requests_share_are_noted(monkeypatch, time_s, of_day_s, what, at_once):
    monkeypatch.setattr("messsim.workload.doubts.AT_ONCE", at_once)
    n = len(time_s)
    note = f"times are to the {what}: {n} requests come in 3 bursts, each all at once"
    assert bursts(np.array(time_s, float), of_day_s) == [note] * (what is not None)


@pytest.mark.parametrize(
    ("values", "more", "of_day_s"),
    [
        (["2024-05-06 10:00:20.5", "2024-05-06 10:00:30"], {}, 36_020.5),
        (["10:01", "10:02"], {"form": "%H:%M"}, 36_060.0),
        ([1_700_000_000, 1_700_000_001], {}, 80_000.0),
        ([5, 6], {}, None),
        (["10:01:00", "10:02:00"], {}, None),
    ],
)
def test_the_time_of_day_of_the_first(values, more, of_day_s):
    made = times(values, **more)
    made.seconds()
    assert made.of_day_s == of_day_s


@pytest.mark.parametrize(
    "values", [["0s", "1000s"], [dt.timedelta(0), dt.timedelta(seconds=1000)], ["0:00:00", "1:00:00"]]
)
def test_the_unit_of_durations_is_not_doubted(values):
    made = times(values)
    assert doubts(made.seconds(), TimeForm(), dates=made.have_unit) == []


@pytest.mark.parametrize(
    ("time_s", "note"),
    [
        (
            [0.0, 101.0],
            "35.64 requests/h over 101 s is slow for a server; if times are milliseconds, it is 9.901/s: "
            "--time-format ms",
        ),
        (
            [0.0, 5e-7],
            "2,000,000 requests/s is more than any server takes; --time-format says the unit: s, ms, us or ns",
        ),
        (
            [*range(3000), 25_000.0],
            "the longest time between two requests is 6.111 hours; where that is wrong, --time-format says how times "
            "are written",
        ),
        ([0.0, 100.0], None),  # 0.01 requests a second are not too few
        ([0.0, 1e-6], None),  # nor a million too many
        ([*range(3000), 2999.0 + 21_600.0], None),  # nor six hours too long
    ],
)
def test_words_of_doubt(time_s, note):
    assert doubts(np.array(time_s, float), TimeForm()) == ([] if note is None else [note])


@pytest.mark.parametrize(
    ("span_s", "text"),
    [
        (7199.0, "7,199 s"),
        (7200.0, "2 hours"),
        (2 * DAY, "2 days"),
        (730.5 * DAY, "2 years"),
        (730.0 * DAY, "730 days"),
    ],
)
def test_long_times_are_said_in_the_unit_of_which_there_are_two(span_s, text):
    (note,) = doubts(np.array([0.0, span_s]), TimeForm())
    assert f" over {text} is slow" in note


def test_a_comma_may_stand_before_the_fraction_of_a_second():
    given = seconds(["06.05.2024 00:00:00,250", "06.05.2024 00:00:02,5"], form="%d.%m.%Y %H:%M:%S,%f")
    assert given == [0.0, 2.25]


def test_words_of_notes_on_units_and_clocks():
    sized = times([1_700_000_000_000, 1_700_000_000_250])
    assert sized.seconds().tolist() == [1.7e9, 1.70000000025e9]
    assert sized.notes == ["column 't' is read as milliseconds since 1970, by its size; --time-format says otherwise"]
    hours = times([1, 2], column="t_hours")
    hours.seconds()
    assert hours.notes == ["column 't_hours' is read as hours, by its name; --time-format says otherwise"]
    sheet = times([45_000.25, 45_000.5])
    sheet.seconds()
    looks = "looks like the days of a spreadsheet or Julian dates: --time-format d"
    assert sheet.notes == [f"column 't' is read as seconds, but {looks}"]
    back = times(["2024-10-27 02:59:00", "2024-10-27 02:00:00"])
    back.seconds()
    assert back.notes == [
        "column 't' goes back by 3,540 s behind 2024-10-27T02:59:00: if daylight saving ended, --time-zone such as "
        "Europe/Berlin puts it right"
    ]
    twice = times(["2024-10-27 02:30:00", "2024-10-27 02:00:00"], zone="Europe/Berlin")
    assert twice.seconds().tolist() == [0.0, 1800.0]
    assert twice.notes == [
        "2 times come twice in Europe/Berlin, where daylight saving ends: the first is meant until the clock goes back"
    ]


@pytest.mark.parametrize(("back_s", "noted"), [(1799, False), (1800, True), (3660, True), (3661, False)])
def test_a_clock_that_goes_back_by_about_an_hour(back_s, noted):
    later = dt.datetime(2024, 10, 27, 3)
    made = times([str(later), str(later - dt.timedelta(seconds=back_s))])
    made.seconds()
    assert len(made.notes) == noted


def test_forms_and_zones_that_there_are_not():
    for form in ("auto", "iso", "date", "s", "d", "%d %H"):
        check_form(TimeForm(form, "Europe/Berlin"))
    with pytest.raises(DataError, match="--time-format = 'x': expected auto, s, ms, us, ns, min, h, d, iso, or a p"):
        check_form(TimeForm("x"))
    with pytest.raises(DataError, match=r"columns.time_zone = 'Berlin': unknown time zone"):
        check_form(TimeForm("auto", "Berlin", "columns.time_format"))


@pytest.mark.parametrize(
    ("values", "more", "begun", "start"),
    [
        ([5, 9], {}, [3.0, 8.75], None),
        ([5000, 9000], {"form": "ms"}, [3.0, 8.75], None),
        ([1755507600, 1755507601], {}, [1755507598.0, 1755507600.75], "2025-08-18T08:59:58Z"),
        (["2025-08-18T09:00:00.5Z", "2025-08-18T09:00:01Z"], {}, [0.0, 2.25], "2025-08-18T08:59:58.500Z"),
        (["2025-08-18T09:00:09Z", "2025-08-18T09:00:01Z"], {}, [6.25, 0.0], "2025-08-18T09:00:00.750Z"),
    ],
)
def test_what_ended_at_a_time_began_before(values, more, begun, start):
    made = times(values, **more)
    assert made.seconds(np.array([2.0, 0.25])).tolist() == begun
    assert made.start == start


def test_an_array_that_grows():
    growing = Growing(np.int32)
    assert (len(growing), growing.array().tolist()) == (0, [])
    growing = Growing(np.int32)
    growing.add(np.array([1, 2]))
    growing.add(np.array([], np.int32))
    growing.add(np.arange(3, 40))
    kept = growing.copy()
    growing.add(np.array([40]))
    assert kept.tolist() == list(range(1, 40))
    assert len(growing) == 40
    assert growing.array().tolist() == list(range(1, 41))
    assert growing.array().dtype == np.int32


B = 1_700_000_000


@pytest.mark.parametrize("form", [None, "ms", "s"])
def test_durations_have_a_unit_of_their_own(form):
    waits = [dt.timedelta(milliseconds=500 * i) for i in range(3)]
    assert seconds(waits, column="arrival_ms", form=form) == [0.0, 0.5, 1.0]
    assert seconds([2_000 * d for d in waits], column="start_us") == [0.0, 1000.0, 2000.0]


def test_durations_in_text_have_a_unit_of_their_own():
    assert seconds(["250ms", "1.5s"], column="start_ms") == [0.25, 1.5]


def test_whole_numbers_without_a_sign_may_go_back():
    stamps = pl.Series([B * 10**9 + 7, B * 10**9, B * 10**9 + 10**9], dtype=pl.UInt64)
    made = times(stamps).seconds()
    assert (made - made[1]).tolist() == pytest.approx([7e-9, 0.0, 1.0], rel=1e-12)


@pytest.mark.parametrize("dtype", [pl.Int8, pl.Int16, pl.Int32, pl.UInt8, pl.UInt32])
def test_numbers_of_few_bits_are_times_too(dtype):
    assert seconds(pl.Series([0, 100, 7], dtype=dtype)) == [0.0, 100.0, 7.0]


@pytest.mark.parametrize(
    "last",
    [
        dt.datetime(9999, 12, 31),
        dt.datetime(1, 1, 1),
        dt.datetime(2262, 1, 1),
        dt.date(9999, 12, 31),
        dt.datetime(9999, 1, 1, tzinfo=dt.UTC),
    ],
)
def test_dates_that_stand_for_none_are_refused_with_their_row(last):
    first = dt.datetime(2024, 1, 1, tzinfo=last.tzinfo) if isinstance(last, dt.datetime) else dt.date(2024, 1, 1)
    with pytest.raises(DataError, match=rf"has '{last.year:04d}-.* in row 2; expected a date .*1678 to 2261") as raised:
        times([first, last])
    (way,) = conditions([str(raised.value).split("--select '")[1].removesuffix("'")])
    assert way.holds(pl.DataFrame({"t": [first, last]})).tolist() == [True, False]


@pytest.mark.parametrize(
    ("values", "step"),
    [
        (pl.Series([B, B + 200, B + 500, B + 900], dtype=pl.Float32).cast(pl.Float64), "128 s"),
        (["1.70045E+12", "1.70045E+12", "1.70046E+12", "1.70047E+12"], "10,000 s"),
        ([B, B + 1, B + 500, B + 900], ""),
        ([B + 0.5, B + 200, B + 500, B + 900], ""),
        ([0, 100, 200, 300], ""),  # since any start
        ([B // 60 * 60 + 60 * i for i in range(6)], ""),  # each minute on purpose
        ([B // 60 * 60_000 + 60_000 * i for i in range(6)], ""),
        ([B // 10 * 10_000 + 10_000 * i for i in range(6)], ""),
        ([B // 100 * 100 + 100 * i for i in range(6)], ""),  # whole seconds have no exponent in a spreadsheet
        ([B // 64 * 64 + 64 * i for i in range(6)], ""),  # finer than 32 bits
        ([B] * 6, "100,000,000 s"),
        ([1.72e9] * 6, "10,000,000 s"),  # a spreadsheet's 1.72E+09
        ([1.72e12] * 6, "10,000,000 s"),
        ([1.72e9] * 3, ""),
        ([1_720_001_000] * 6, ""),
        ([B // 128 * 128] * 6, "100,000,000 s"),
        (
            pl.Series([B * 1e3, B * 1e3 + 3e5, B * 1e3 + 5e5, B * 1e3 + 9e5], dtype=pl.Float32).cast(pl.Float64),
            "131.07",
        ),
        ([B, B + 100, B + 200], ""),  # so few may be so by chance
    ],
)
def test_stamps_that_lost_their_last_digits_are_noted(values, step):
    made = times(values, blocks=2)
    made.seconds()
    lost = [note for note in made.notes if "digits" in note]
    assert len(lost) == bool(step)
    assert all(step in note for note in lost)


def test_what_is_no_number_is_left_out_by_a_proposed_option():
    with pytest.raises(DataError, match=r"has nan in row 2; .*--select 't!=nan'"):
        times(["1", "nan", "3"])
    (way,) = conditions(["t!=nan"])
    assert way.holds(pl.DataFrame({"t": ["1", "nan", "3"]})).tolist() == [True, False, True]
    assert way.holds(pl.DataFrame({"t": [1.0, float("nan"), None]})).tolist() == [True, False, True]


def test_stamps_since_1970_are_in_the_unit_that_their_size_says():
    made = times([B * 1000, (B + 50_000) * 1000], column="t")
    (note,) = doubts(made.seconds(), TimeForm(), dates=made.have_unit)
    assert note.startswith("the longest time")


def test_a_decimal_comma_is_one_in_all_blocks():
    assert seconds(["0,125", "12,500", "123,456", "999,001"], blocks=2) == [0.125, 12.5, 123.456, 999.001]
    with pytest.raises(DataError, match="has '0,125' in row 3; expected a number in which a comma parts thousands"):
        times(["1,234", "2,345", "0,125", "12,500"], blocks=2)


def test_dates_of_a_file_with_types_are_read_as_far_as_64_bits_hold_them():
    ten = dt.datetime(1900, 1, 1, 10)  # as pandas dates a time of day
    made = times([ten, ten + dt.timedelta(minutes=5)])
    assert (made.seconds().tolist(), made.start) == ([0.0, 300.0], "1900-01-01T10:00:00")
    far = [dt.datetime(1700, 1, 1), dt.datetime(2201, 1, 1)]
    assert seconds(far) == [0.0, (far[1] - far[0]).total_seconds()]
    since_1970 = pl.Series([0, 1000]).cast(pl.Datetime("ms", "America/New_York"))
    assert seconds(since_1970) == [0.0, 1.0]


# ---- stamps that stray among others, and units in text --------------------------------------------------


def stamps(per_second=1, n=50):
    return [(1_700_000_000 + i) * per_second for i in range(n)]


@pytest.mark.parametrize(("unit", "per_second"), [("", 1), ("milli", 1_000), ("micro", 10**6), ("nano", 10**9)])
@pytest.mark.parametrize("place", [0, 1, 20, 49])
@pytest.mark.parametrize("value", [0, -1, 60])
def test_what_is_no_stamp_among_stamps_is_told_with_its_row(unit, per_second, place, value):
    values = stamps(per_second)
    values[place] = value
    with pytest.raises(DataError) as caught:
        times(values, blocks=2).seconds()
    expected = f"column 't' has {value} in row {place + 1}; expected {unit}seconds since 1970, as nearly all rows have"
    assert expected in str(caught.value)
    assert str(caught.value).endswith(f"--select 't!={value}'")


def test_a_date_of_1970_among_others_is_told_with_its_row():
    read = times(["2024-05-01T10:00:00Z", "1970-01-01T00:00:00Z", "2024-05-01T10:00:01Z"])
    with pytest.raises(DataError, match="column 't' has 1970-01-01T00:00:00 in row 2; expected a date of 2001 to 2099"):
        read.seconds()


@pytest.mark.parametrize(
    "values",
    [
        [0.0, 1.7e9],
        [0.0, 1.0, 2.0, 3.0],
        [0, 1_500_000_000, 3_000_000_000, 4_000_000_000],  # nanoseconds since a start
        [*stamps(n=20), 0, 1, 2],
        stamps(1_000),
    ],
)
def test_other_numbers_are_read_as_they_are(values):
    assert len(times(values).seconds()) == len(values)


def test_a_stamp_in_another_unit_is_told_with_what_the_others_have():
    some = [float(s) for s in stamps(n=10)]
    with pytest.raises(
        DataError, match=r"in row 11; expected seconds since 1970, as other rows have: in milliseconds it is"
    ):
        times([*some, 1.7e12, *some])


@pytest.mark.parametrize(
    ("first", "rest", "form", "row", "unit", "other"),
    [
        (1, 1_000, "auto", 4, "seconds", "milliseconds"),  # 1772355603000 would be no date at all
        (1, 1_000, "ms", 1, "milliseconds", "seconds"),  # 1772355600 would be of January 1970
        (1_000, 1, "ms", 4, "milliseconds", "seconds"),
        (1_000_000, 1_000, "us", 4, "microseconds", "milliseconds"),
        (1_000, 1, "auto", 1, "seconds", "milliseconds"),
    ],
)
def test_stamps_of_two_units_are_told_however_many_each_has(first, rest, form, row, unit, other):
    """As where two programs write into one log: no unit is right for all rows, and none is proposed."""
    values = [1_772_355_600 * first + i for i in range(3)] + [1_772_355_603 * rest + i for i in range(3)]
    for blocks in (1, 2, 6):
        with pytest.raises(DataError) as caught:
            times(values, form=form, blocks=blocks).seconds()
        if blocks > 1 and form == "auto" and first > rest:
            continue  # the unit is that of the first block
        expected = f"has {values[row - 1]} in row {row}; expected {unit} since 1970, as other rows have: "
        assert expected in str(caught.value)
        assert f"in {other} it is 2026-03-01T09:00:0{0 if row == 1 else 3}" in str(caught.value)
        assert "--time-format" not in str(caught.value)


@pytest.mark.parametrize("pair", list(itertools.permutations(UNITS, 2)))
def test_the_advice_on_stamps_of_two_units_leaves_those_of_one(pair):
    first, second = (UNITS[unit] for unit in pair)
    values = [1_772_355_600 * first + i for i in range(3)] + [1_772_355_603 * second + i for i in range(3)]
    with pytest.raises(DataError, match=f"expected {NAMES[min(pair, key=UNITS.get)]} since 1970, as other") as caught:
        times(values)
    assert "--time-format" not in str(caught.value)
    (way,) = conditions([shlex.split(str(caught.value).rpartition("--select ")[2])[0]])
    kept = pl.DataFrame({"t": values}).filter(way.holds(pl.DataFrame({"t": values})))["t"].to_list()
    assert kept == (values[:3] if first < second else values[3:])
    assert len(times(kept).seconds()) == 3


@pytest.mark.parametrize("column", ["t", "t_ms"])
def test_two_rows_of_two_units_are_no_trace_of_56_years(column):
    for values in ([1_772_355_601_000, 1_772_355_600], [1_772_355_600, 1_772_355_601_000]):
        with pytest.raises(
            DataError, match=r"has 1772355600 in row \d; expected milliseconds since 1970, as other rows"
        ):
            times(values, form="ms" if column == "t" else "auto", column=column).seconds()


def test_a_unit_in_text_must_be_that_of_the_option():
    def read(values, unit):
        return times(values, form=unit).seconds().tolist()

    assert read(["0ms", "250ms"], "ms") == read(["0us", "250000us"], "us") == [0.0, 0.25]
    assert read(["0 days 00:00:00", "0 days 00:00:01"], "ms") == [0.0, 1.0]  # of pandas, which states its own
    for values, unit, place in ((["250ms", "1s"], "ms", 2), (["250ms", "1s"], "s", 1), (["2m"], "h", 1)):
        with pytest.raises(
            DataError, match=f"in row {place}; expected .*, as --time-format {unit} says; without it each"
        ):
            read(values, unit)


CLOCKS = ["08:00:00", "09:00:00", "07:00:00", "1.00:00:00"]


@pytest.mark.parametrize("blocks", [1, 2, 4])
def test_clocks_may_go_back_where_any_row_of_the_file_says_days(blocks):
    assert seconds(CLOCKS, blocks=blocks) == [28_800.0, 32_400.0, 25_200.0, 86_400.0]
    with pytest.raises(DataError, match="column 't' has '07:00:00' in row 3; expected a date too, not a time of day"):
        seconds([*CLOCKS[:3], "10:00:00"], blocks=blocks)


def test_a_time_of_day_that_has_a_type_is_shown_as_it_is_written():
    with pytest.raises(DataError, match="column 't' has '08:00:00' in row 2; expected a date too, not a time of day"):
        seconds([dt.time(9), dt.time(8)])
    with pytest.raises(DataError, match="column 't' has 08:00:00 in row 1; expected a date too, not a time of day"):
        seconds([dt.time(8)], zone="Europe/Berlin")


@pytest.mark.parametrize("value", ["10:00:00 AM", "9:05 p.m.", "00:01.5", "10:00"])
def test_a_time_of_day_in_any_form_is_told(value):
    with pytest.raises(DataError, match=f"column 't' has '{value}' in row 1; expected a date too, not a time of day"):
        seconds([value, value])


def test_a_date_without_anything_between_may_have_milliseconds():
    assert seconds([20240506100000123, 20240506100001456]) == [0.0, 1.333]
    assert seconds([20240506100000, 20240506100001]) == [0.0, 1.0]


def test_durations_may_have_a_plus():
    assert seconds(["+0.5s", "+1.25s", "-1s"]) == [0.5, 1.25, -1.0]


@pytest.mark.parametrize("blocks", [1, 2])
def test_days_before_a_point_may_be_of_a_month_where_no_row_tells(blocks):
    with pytest.raises(DataError, match=r"'16\.05:12:30' in row 1; expected a duration .*'%d\.%m:%H:%M' where it is a"):
        seconds(["16.05:12:30", "17.05:00:10"], blocks=blocks)
    with pytest.raises(DataError, match=r"'06\.06:00:10' in row 3; expected a duration .*'%d\.%m:%H:%M' where it is a"):
        seconds(["16.05:12:30", "17.05:00:10", "06.06:00:10"], blocks=1)
    assert seconds(["16.05:12:30", "17.13:00:10"], blocks=blocks) == [1_401_150.0, 1_515_610.0]
    assert seconds(["16.05:12:30", "00:00:10"], blocks=blocks) == [1_401_150.0, 10.0]
    assert seconds(["16.05:12:30", "17.05:00:10"], form="%d.%m:%H:%M", blocks=blocks) == [0.0, 42_000.0]


def test_dates_without_an_offset_among_others_are_noted():
    some, bare = ["2026-03-01T09:00:00Z", "2026-03-01T10:00:03+01:00"], ["2026-03-01T09:00:01", "2026-03-01 09:00:02"]
    note = (
        "column 't' has dates without an offset among others with one: they are read as UTC; --time-zone says otherwise"
    )
    for blocks in (1, 2, 4):
        mixed = times([some[0], *bare, some[1]], blocks=blocks)
        assert mixed.seconds().tolist() == [0.0, 1.0, 2.0, 3.0]
        assert mixed.notes == [note]
        for alike in (some, bare):
            read = times(alike, blocks=min(blocks, 2))
            read.seconds()
            assert read.notes == []
    berlin = times([some[0], "2026-03-01T10:00:01"], zone="Europe/Berlin")
    assert berlin.seconds().tolist() == [0.0, 1.0]
    assert berlin.notes == []


@pytest.mark.parametrize(
    ("value", "per_second", "bound"),
    [(1.6e9, 1 / 60, "t<1e09"), (1.6e12, 1.0, "t<1e11"), (1.6e9, 1e3, "t>1e11"), (1.6e12, 1 / 3600, "t<3e07")],
)
def test_the_bound_that_parts_two_units_lies_between_their_stamps(value, per_second, bound):
    text = like_others(value, per_second, "t", "--time-format")
    assert text.endswith(f"; such rows can be left out, --select '{bound}'")
    limit = float(bound[2:])
    assert (value < limit) == (bound[1] == ">")
    assert (1.6e9 * per_second < limit) == (bound[1] == "<")
