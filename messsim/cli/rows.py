"""Options that say which rows of a table count, and how its times are written."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from messsim.workload.time_form import TimeForm

__all__ = ["Select", "SkipFailed", "TimeFormat", "TimeZone", "Unique", "time_form"]

TimeFormat = Annotated[
    str,
    typer.Option(
        metavar="FORMAT",
        help="Times: s, ms, us, ns, min, h, d, iso, or a pattern such as '%d/%m/%Y %H:%M:%S'; auto: by the column's "
        "suffix (_ms), by the size of seconds since 1970, or dates in any common form.",
    ),
]
TimeZone = Annotated[
    str | None,
    typer.Option(metavar="ZONE", help="Time zone of dates that name none, such as Europe/Berlin; none: UTC."),
]
Select = Annotated[
    list[str] | None,
    typer.Option("--select", metavar="COLUMN=VALUE", help="Only such rows (also != < <= > >=); may be repeated."),
]
Unique = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Count each value of this column once, such as a request's id.")
]

SkipFailed = Annotated[
    bool,
    typer.Option(
        "--skip-failed",
        help="Leave out rows whose token counts, costs, or measured times are missing, 0, or no numbers; of outcomes: "
        "scores that are none.",
    ),
]


def time_form(time_format: str, time_zone: str | None) -> "TimeForm":
    """How times are written, checked."""
    from messsim.workload.time_form import TimeForm, check_form

    form = TimeForm(time_format, time_zone)
    check_form(form)
    return form
