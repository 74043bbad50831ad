"""Options whose values are amounts as people write them."""

import typer

from messsim.amounts import TIME, amount, count

__all__ = ["fraction", "rate_of", "whole_number"]


def whole_number(text: str | int) -> int:
    """For Typer: ``50000``, ``50k``, ``1e6``."""
    try:
        return count(str(text))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no whole number; expected one such as 50000, 50k or 1e6") from None


def rate_of(text: str | float) -> float:
    """For Typer: requests per second, such as ``4`` or ``1.5k``."""
    try:
        value, unit = amount(str(text))
    except ValueError:
        value, unit = 0.0, TIME
    if unit is not None or value <= 0.0:
        raise typer.BadParameter(f"{text!r} is no rate; expected requests per second, such as 4")
    return value


def fraction(text: str | float) -> float:
    """For Typer: ``0.9`` or ``90%``."""
    try:
        value, unit = amount(str(text))
    except ValueError:
        value, unit = 0.0, TIME
    if unit == TIME:
        raise typer.BadParameter(f"{text!r} is no share; expected one such as 0.9 or 90%")
    return value
