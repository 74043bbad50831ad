"""Figures as people read them; imports nothing."""

__all__ = ["half_width", "number", "percent", "seconds", "unanswered"]


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


def unanswered(requests: dict[str, int]) -> list[str]:
    """How requests ended without an answer, by the counts of a summary: ``["3 rejected", "2 timed out"]``."""
    kinds = ("rejected", "lost", "timed_out", "in_flight")
    return [f"{requests[kind]:,} {kind.replace('_', ' ')}" for kind in kinds if requests[kind]]
