"""Figures as people read them; imports nothing of messsim."""

import math
import re
from functools import cache

__all__ = [
    "cost",
    "cost_heading",
    "half_width",
    "headed",
    "number",
    "per_request",
    "percent",
    "plain",
    "rate",
    "request_unit",
    "scaled_unit",
    "seconds",
    "shown",
    "together",
    "virtual_queue",
    "visible",
]

ROUNDING = 1e-12  # what sums of floats leave where exact ones would leave nothing
MOST_IN_FULL = 1e15
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
LEAST_PER_S = 0.01  # below, a rate is told by the hour
LEAST_PREFIXED = 1e4  # J: below, four digits say it
# Seconds of the unit, and from how many seconds on it is used: the ends are where three digits would round up.
_TIMES = (
    (86_400.0, 172_800.0, "days"),
    (3600.0, 7200.0, "h"),
    (60.0, 599.5, "min"),
    (1.0, 0.9995, "s"),
    (1e-3, 0.9995e-3, "ms"),
)


def percent(share: float | None, digits: int = 1) -> str:
    """A share as percent, or a dash."""
    return "-" if share is None else f"{100 * share:.{digits}f} %"


def number(value: float | None, unit: str = "") -> str:
    """Four significant digits, thousands set apart; what is below any unit's reach is 0."""
    if value is None:
        return "-"
    if abs(value) >= 1000:
        digits = f"{value:,.0f}" if abs(value) < MOST_IN_FULL else f"{value:.4g}"
    else:
        digits = "0" if abs(value) < ROUNDING else f"{value:.4g}"
    return f"{digits} {unit}".strip()


def plain(value: object) -> str:
    """The value of a key: a number in six digits, without an exponent as far as people read it (0.0000464159)."""
    if value is None:
        return "none"
    if not isinstance(value, float) or not 1e-7 <= abs(value) < MOST_IN_FULL:
        return str(value)
    digits = f"{value:.{max(0, 5 - math.floor(math.log10(abs(value))))}f}"
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def cost(value: float | None, unit: str) -> str:
    """A sum of money or energy: a large one of joules in kJ, MJ, GJ or TJ."""
    if value is None or unit != "J":
        return number(value, unit)
    prefixed = _PREFIXES if abs(value) >= LEAST_PREFIXED else ()
    scale, prefix = next(((s, p) for s, p in prefixed if abs(value) >= s), (1.0, ""))
    return number(value / scale, f"{prefix}J")


def per_request(value: float | None, unit: str) -> str:
    """The cost of a request: of money that of 1,000 of them."""
    return number(None if value is None else request_unit(unit)[0] * value, scaled_unit(unit))


def request_unit(unit: str) -> tuple[float, str]:
    """By what to multiply the cost of a request, and its unit then: of money for 1,000 requests."""
    return (1000.0, unit) if unit == "USD" else (1.0, unit)


def scaled_unit(unit: str) -> str:
    """The unit of what `request_unit` scaled: ``J``, or ``USD per 1,000 requests``."""
    return f"{unit} per 1,000 requests" if request_unit(unit)[0] > 1 else unit


def cost_heading(unit: str) -> str:
    """The heading of a column of what `request_unit` scaled."""
    return f"{unit}/1,000 requests" if request_unit(unit)[0] > 1 else f"{unit}/request"


def headed(path: str, unit: str | None) -> tuple[float, str]:
    """By what to multiply a figure of the summary, and its heading then: the path, of a request's cost with the unit.

    Parameters
    ----------
    unit
        Of the scenario's costs; none: several.
    """
    if unit is None or "per_request" not in path.rsplit(".", 1)[-1]:
        return 1.0, path
    return request_unit(unit)[0], f"{path} ({cost_heading(unit)})"


def half_width(value: float) -> str:
    """What stands after a ±: two significant digits, and from 100 on whole numbers."""
    if abs(value) < ROUNDING:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 99.5 else f"{value:.2g}"


def seconds(value: float | None) -> str:
    """Three significant digits, in µs, ms, s, min, h or days."""
    if value is None:
        return "-"
    if value < 0.0:
        return f"-{seconds(-value)}"
    if value < ROUNDING:
        return "0 ms"
    for scale, least, unit in _TIMES:
        if value >= least:
            return f"{value / scale:,.0f} {unit}" if value >= 999.5 * scale else f"{value / scale:.3g} {unit}"
    return f"{1e6 * value:.3g} µs"


def rate(value: float | None, what: str = " requests") -> str:
    """Requests a second; where they are minutes apart, by the hour."""
    if value is None:
        return "-"
    if 0.0 < abs(value) < LEAST_PER_S:
        return f"{number(3600.0 * value)}{what}/h"
    return f"{number(value)}{what}/s"


def shown(name: str) -> str:
    """A name as it is, or with what cannot be printed written out: an error has one line a problem."""
    return name if name.isprintable() and name.strip() else repr(name)


# C0 except line ends and tabs, DEL and C1, line and paragraph separators.
_CONTROL = [*range(9), *range(11, 32), *range(0x7F, 0xA0)]
_SEPARATORS = (0x2028, 0x2029)
# What has no glyph of its own: bidirectional controls (they reorder a line), spaces of no width, fillers, tags, ...:
# Unicode's Default_Ignorable_Code_Point, and the rest of its category Cf that draws nothing.
_UNSEEN = [
    *(0xAD, 0x034F, 0x061C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x200B, 0x200E, 0x200F, 0x3164, 0xFEFF, 0xFFA0),
    *range(0x180B, 0x1810),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2070),
    *range(0xFFF0, 0xFFFC),
    *range(0x1BCA0, 0x1BCA4),
    *range(0x1D173, 0x1D17B),
    *range(0xE0000, 0xE1000),
]
_SURROGATES = range(0xD800, 0xE000)
_BYTES = range(0xDC80, 0xDD00)  # how Python keeps the bytes of a file's name that are no UTF-8


def _escape(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


@cache  # of thousands of characters, which few texts have
def _escapes() -> dict[int, str]:
    hidden = (*_CONTROL, *_SEPARATORS, *_UNSEEN, *_SURROGATES)
    return {c: _escape(c) for c in hidden} | {c: _escape(c - 0xDC00) for c in _BYTES}


# Joiners and variation selectors make one emoji of several, and shape letters of scripts that need it. Elsewhere, and
# more than one at a place, they make two names that look alike.
_IDLE_JOINER = (
    "(?<![^\0-\u02ff\u200c\u200d])[\u200c\u200d]|[\u200c\u200d](?![^\0-\u02ff\u200c\u200d])"
    "|(?<![^\0-\u02ff\u200c\u200d\ufe00-\ufe0f])[\ufe00-\ufe0f](?!\u20e3)"
)


def visible(text: str) -> str:
    r"""Text as a terminal may show it: what commands the terminal or is unseen is written out, ``\x1b`` for ESC.

    Line ends and tabs stay. Text that is visible already is returned as it is.
    """
    if text.isascii() and text.isprintable():
        return text
    return re.sub(_IDLE_JOINER, lambda match: _escape(ord(match[0])), text.translate(_escapes()))


def together(tenants: int) -> str:
    """After a figure that is one of all tenants, where there are several."""
    return f", all {tenants:,} tenants taken together" if tenants > 1 else ""


def virtual_queue(final: float, most: float, tenants: int) -> str:
    """Q at the end, which is the sum over tenants, and the largest that one of them had."""
    if tenants > 1:
        return f"{number(final)} at the end over all {tenants:,} tenants, {number(most)} at most for one"
    return f"{number(final)} at the end, {number(most)} at most"
