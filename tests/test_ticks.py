"""Numbers that count from long before 1970; the dates are worked out by Python's own calendar."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from messsim.errors import DataError
from messsim.workload.time_form import TimeForm
from messsim.workload.times import Times

FILE = Path("log.csv")
DATES = [dt.datetime(2024, 5, 6, 10, 0, second, 123_456) for second in (0, 1, 30)]
TICKS = [(date - dt.datetime(1, 1, 1)) // dt.timedelta(microseconds=1) * 10 for date in DATES]
FILE_TIMES = [(date - dt.datetime(1601, 1, 1)) // dt.timedelta(microseconds=1) * 10 for date in DATES]
OF_CHROMIUM = [ticks // 10 for ticks in FILE_TIMES]


def times(values, form="auto", blocks=1, column="t", option="--time-format"):
    made = Times(column, FILE, TimeForm(form, option=option))
    size = -(-len(values) // blocks)
    for start in range(0, len(values), size):
        made.add(pl.DataFrame({column: values[start : start + size]}), start)
    return made


@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize("kind", [int, str, " {} ".format, float])
@pytest.mark.parametrize(
    ("values", "title"),
    [
        (TICKS, "ticks of .NET (100 ns since the year 1)"),
        (FILE_TIMES, "file times of Windows (100 ns since 1601)"),
        (OF_CHROMIUM, "times of Chromium (microseconds since 1601)"),
    ],
)
def test_ticks_are_dates(values, title, kind, blocks):
    made = times([kind(value) for value in values], blocks=blocks)
    assert made.seconds().tolist() == pytest.approx([0.0, 1.0, 30.0], abs=3e-5 if kind is float else 0.0)
    assert made.start == "2024-05-06T10:00:00.123Z"
    assert made.notes == [f"column 't' is read as {title}, by their size; --time-format says otherwise"]
    assert made.have_unit


@pytest.mark.parametrize("blocks", [1, 5])
@pytest.mark.parametrize("stray", [0, -1, 10**17, 9 * 10**18])
def test_what_is_no_tick_among_ticks_is_told_with_its_row(stray, blocks):
    with pytest.raises(
        DataError, match=rf"column 't' has {stray} in row 4; expected ticks of \.NET .* of 2001 to 2099"
    ):
        times([*TICKS, stray, TICKS[0]], blocks=blocks)


@pytest.mark.parametrize("kind", [int, str])
def test_rows_that_are_no_tick_can_be_left_out(kind):
    """As an unset date of .NET, which is 0."""
    with pytest.raises(DataError, match=r"of 2001 to 2099, as most rows have; such rows can be .*, --select 't!=0'$"):
        times([kind(value) for value in (*TICKS, 0)])
    with pytest.raises(DataError, match=r"of 2001 to 2099, as most rows have$"):
        times([kind(value) for value in (*TICKS, 0)], option="arrivals.time_format")


def test_numbers_with_a_unit_of_their_own_are_no_ticks():
    assert times([FILE_TIMES[0], FILE_TIMES[0] + 10**9], column="up_ns").start is None
    assert times([0, 5 * 10**17], form="ns").seconds().tolist() == [0.0, 5e8]
    assert (
        times([1_700_000_000_000_000_000, 1_700_000_001_000_000_000])
        .notes[0]
        .startswith("column 't' is read as nanoseconds since 1970")
    )
