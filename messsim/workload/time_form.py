"""How a file writes times, as far as its user says."""

import re
from dataclasses import dataclass

from messsim.errors import DataError

from .units import PER_SECOND

__all__ = ["TimeForm", "check_form"]

YEAR_IN_PATTERN = re.compile(r"%[-_0]?[YCyGgDFxcsv+]")
DATE_IN_PATTERN = re.compile(r"%[-_0]?[YCyGgmbBhdeaAwuUWVjDFxcsv+]")


@dataclass(frozen=True)
class TimeForm:
    """How a file writes times.

    Attributes
    ----------
    format
        "s", "ms", "us", "ns", "min", "h" or "d" since any start, "iso" or "date" (dates in any common form), a pattern
        of ``strftime`` such as ``"%d.%m.%Y %H:%M:%S"``, or "auto": by the column's suffix, by the size of seconds
        since 1970, else seconds.
    zone
        Time zone of dates that name none, by its IANA name; none: UTC.
    option
        What the user calls `format`, for notes and errors.
    """

    format: str = "auto"
    zone: str | None = None
    option: str = "--time-format"

    @property
    def yearless(self) -> bool:
        """Whether it is a pattern without a year: of times of day, or dates of any year."""
        return "%" in self.format and not YEAR_IN_PATTERN.search(self.format.replace("%%", ""))

    @property
    def of_day(self) -> bool:
        """Whether it is a pattern of times of day alone."""
        return "%" in self.format and not DATE_IN_PATTERN.search(self.format.replace("%%", ""))

    @property
    def zone_option(self) -> str:
        """What the user calls `zone`."""
        return self.option.replace("format", "zone")


def check_form(form: TimeForm) -> None:
    """Raises DataError for a format or a zone that there is not."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    if form.format not in ("auto", "iso", "date", *PER_SECOND) and "%" not in form.format:
        raise DataError(
            f"{form.option} = {form.format!r}: expected auto, s, ms, us, ns, min, h, d, iso, or a pattern such as "
            "'%d/%m/%Y %H:%M:%S'"
        )
    if form.of_day and form.zone is not None:
        raise DataError(f"{form.option} = {form.format!r}: expected the day in it too: {form.zone_option} is for dates")
    if form.zone is not None:
        try:
            ZoneInfo(form.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise DataError(
                f"{form.zone_option} = {form.zone!r}: unknown time zone; expected a name such as 'Europe/Berlin'"
            ) from None
