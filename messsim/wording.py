"""Figures as people read them; imports nothing."""

__all__ = ["half_width", "number", "percent", "seconds", "shown", "unanswered", "visible"]


def percent(share: float | None, digits: int = 1) -> str:
    """A share as percent, or a dash."""
    return "-" if share is None else f"{100 * share:.{digits}f} %"


def number(value: float | None, unit: str = "") -> str:
    """Four significant digits, thousands set apart."""
    if value is None:
        return "-"
    digits = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{digits} {unit}".strip()


def half_width(value: float) -> str:
    """What stands after a ±: two significant digits, and from 100 on whole numbers."""
    return f"{value:,.0f}" if abs(value) >= 99.5 else f"{value:.2g}"


def seconds(value: float | None) -> str:
    """Milliseconds below a second."""
    if value is None:
        return "-"
    if value < 0.9995:  # which three digits would round to 1000 ms
        return f"{1000 * value:.3g} ms"
    return f"{value:.3g} s" if value < 999.5 else f"{value:,.0f} s"


def shown(name: str) -> str:
    """A name as it is, or with what cannot be printed written out: an error has one line a problem."""
    return name if name.isprintable() and name.strip() else repr(name)


def unanswered(requests: dict[str, int]) -> list[str]:
    """How requests ended without an answer, by the counts of a summary: ``["3 rejected", "2 timed out"]``."""
    kinds = ("rejected", "too_long", "lost", "timed_out", "in_flight")
    return [f"{requests[kind]:,} {kind.replace('_', ' ')}" for kind in kinds if requests[kind]]


# C0 except line ends and tabs, DEL and C1, bidirectional controls (they reorder a line), line and paragraph separators.
_CONTROL = [*range(9), *range(11, 32), *range(0x7F, 0xA0)]
_WIDER = [0x061C, 0x200E, 0x200F, 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_BYTES = range(0xDC80, 0xDD00)  # how Python keeps the bytes of a file's name that are no UTF-8
_VISIBLE = (
    {c: f"\\x{c:02x}" for c in _CONTROL}
    | {c: f"\\u{c:04x}" for c in (*_WIDER, *range(0xD800, 0xE000))}
    | {c: f"\\x{c - 0xDC00:02x}" for c in _BYTES}
)


def visible(text: str) -> str:
    r"""Text as a terminal may show it: what would command the terminal is written out, ``\x1b`` for ESC.

    Line ends and tabs stay. Text that is visible already is returned as it is.
    """
    return text if text.isascii() and text.isprintable() else text.translate(_VISIBLE)
