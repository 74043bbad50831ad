"""A column of numbers that count from long before 1970, as .NET, Windows and browsers do: told by their size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .choosing import way_without
from .stamps import EPOCH_S
from .time_form import TimeForm
from .units import UNITS, unit_of

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Ticks"]

DIGITS = r"^\s*\d{17,18}\s*$"  # of such a number as text


@dataclass(frozen=True)
class _Clock:
    """How many of its ticks are a second, and at which it was 1970."""

    title: str
    per_second: int
    at_1970_s: int

    @property
    def range(self) -> tuple[int, int]:
        """The ticks of 2001 to 2099."""
        least, most = ((self.at_1970_s + int(end)) * self.per_second for end in EPOCH_S)
        return least, most


# https://learn.microsoft.com/dotnet/api/system.datetime.ticks, .../windows/win32/api/minwinbase/ns-minwinbase-filetime
CLOCKS = (
    _Clock("ticks of .NET (100 ns since the year 1)", 10_000_000, 62_135_596_800),
    _Clock("file times of Windows (100 ns since 1601)", 10_000_000, 11_644_473_600),
    _Clock("times of Chromium (microseconds since 1601)", 1_000_000, 11_644_473_600),
)


class Ticks:
    """Reads them block by block, as dates in UTC; `note` says as what, once some are read."""

    def __init__(self, form: TimeForm) -> None:
        self._clock: _Clock | None = None
        self._form = form
        self.note = ""

    def read(self, series: pl.Series) -> tuple[pl.Series | None, tuple[pl.Series, str] | None]:
        """The next rows as dates, None: they are no ticks; and which of them are none, with what was expected."""
        import polars as pl

        if self._form.format != "auto" or unit_of(series.name) is not None:
            return None, None
        ticks = series
        if series.dtype == pl.String and bool(series.str.contains(DIGITS).any()):
            ticks = series.str.strip_chars().cast(pl.Int64, strict=False)
        if not ticks.dtype.is_numeric():
            return None, None
        if self._clock is None:
            middle = ticks.cast(pl.Float64).median()
            self._clock = next((c for c in CLOCKS if c.range[0] <= float(middle or 0) <= c.range[1]), None)  # type: ignore[arg-type]
            if self._clock is None:
                return None, None
            by = f"by their size; {self._form.option} says otherwise"
            self.note = f"column {series.name!r} is read as {self._clock.title}, {by}"
        clock = self._clock
        whole = ticks.cast(pl.Int64, strict=False)
        bad = ~whole.is_between(*clock.range).fill_null(False)
        if bad.any():
            return None, (bad, self._expected(series, bad))
        since_1970 = whole - clock.at_1970_s * clock.per_second
        return (since_1970 * (UNITS["ns"] // clock.per_second)).cast(pl.Datetime("ns", "UTC")), None

    def _expected(self, series: pl.Series, bad: pl.Series) -> str:
        """What is expected of the first bad row, and how those like it are left out: an unset date of .NET is 0."""
        assert self._clock is not None
        expected = f"{self._clock.title} of 2001 to 2099, as most rows have"
        if not self._form.option.startswith("--"):
            return expected
        value = series[int(bad.arg_max() or 0)]
        return f"{expected}; {way_without(series.name, '' if value is None else str(value).strip())}"
