"""Amounts and lists as people write them: ``1e6``, ``50k``, ``90%``, ``2 s``, ``1e-5..1e-3:5``, ``a, b``.

Imports nothing of messsim.
"""

import math
import re

__all__ = ["SHARE", "TIME", "amount", "count", "names_in", "spaced"]

TIME, SHARE = "a time", "a share"

_NUMBER = r"[+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_AMOUNT = re.compile(rf"\s*({_NUMBER})\s*([^\s\d]*)\s*")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_MULTIPLES = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9}
_SECONDS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
MOST_SPACED = 10_000  # values of one range


def amount(text: str) -> tuple[float, str | None]:
    """A number with or without a unit, in seconds or as a share of 1, and what kind of unit it has.

    >>> amount("500 ms"), amount("90%"), amount("50k"), amount("2")
    ((0.5, 'a time'), (0.9, 'a share'), (50000.0, None), (2.0, None))

    Raises
    ------
    ValueError
        If it is no such amount.
    """
    match = _AMOUNT.fullmatch(_THOUSANDS.sub("", text))
    if not match:
        raise ValueError(f"{text!r} is no number")
    value, unit = float(match[1]), match[2]
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is no finite number")
    if unit in _SECONDS:
        return (value / 1e3 if unit == "ms" else value * _SECONDS[unit]), TIME
    if unit == "%":
        return value / 100.0, SHARE
    if unit not in _MULTIPLES:
        known = ", ".join(["%", *_SECONDS, "k", "M", "G"])
        raise ValueError(f"{text!r} has the unit {unit!r}; known are {known}")
    return value * _MULTIPLES[unit], None


def count(text: str) -> int:
    """A whole number such as ``50000``, ``50k``, ``1e6``, ``1.5M``, ``1_000_000`` or ``1,000,000``.

    Raises
    ------
    ValueError
        If it is none.
    """
    plain = _THOUSANDS.sub("", text).strip()
    if re.fullmatch(r"[+-]?\d[\d_]*", plain):
        return int(plain)  # exact, however long
    value, unit = amount(text)
    if unit is not None or value != int(value):
        raise ValueError(f"{text!r} is no whole number")
    return int(value)


def spaced(text: str) -> list[float | int] | None:
    """The values of a range; None for a text that is none.

    ``1..8`` is every whole number of it; ``1e-5..1e-3:5`` are five values, each the same multiple of the one before;
    ``0.5..0.9:5:linear`` are five values at equal distances.

    Raises
    ------
    ValueError
        If the range is empty, or has too many values.
    """
    match = re.fullmatch(rf"\s*({_NUMBER})\s*\.\.\s*({_NUMBER})\s*(?::\s*(\d+)\s*(?::\s*(\w+)\s*)?)?", text)
    if not match:
        _refuse_steps(text)
        return None
    low, high, whole = float(match[1]), float(match[2]), _is_whole(match[1]) and _is_whole(match[2])
    if low >= high:
        raise ValueError(f"{text.strip()} is empty; expected LOW..HIGH with LOW < HIGH")
    if match[3] is None:
        return _whole_numbers(text, low, high, whole)
    many, spacing = int(match[3]), match[4] or "log"
    if not 2 <= many <= MOST_SPACED:
        raise ValueError(f"{text.strip()}: {many} values; expected 2 to {MOST_SPACED:,}")
    if spacing == "log" and low <= 0.0:
        raise ValueError(f"{text.strip()}: starts at {match[1]}; expected above 0, or {text.strip()}:linear")
    if spacing not in ("log", "linear"):
        raise ValueError(f"{text.strip()}: {spacing!r} is no spacing; expected log or linear")
    inner = [_between(low, high, k / (many - 1), spacing) for k in range(1, many - 1)]
    return [int(v) if whole and v == int(v) else v for v in (low, *inner, high)]


def names_in(text: str) -> list[str]:
    """Names with commas between them, as a command line takes them."""
    return [name for part in text.split(",") if (name := part.strip())]


def _refuse_steps(text: str) -> None:
    """Says how ``LOW:HIGH`` and ``LOW:HIGH:STEP``, as other tools write ranges, are written here."""
    match = re.fullmatch(rf"\s*({_NUMBER}):({_NUMBER})(?::({_NUMBER}))?\s*", text)
    if not match:
        return
    low, high, step = float(match[1]), float(match[2]), float(match[3] or 0.0)
    many = round((high - low) / step) + 1 if step else 5
    written = f"{min(low, high):g}..{max(low, high):g}:{many}:linear" if many >= 2 else "LOW..HIGH:HOW_MANY:linear"
    raise ValueError(f"{text.strip()}: expected a range such as {written}")


def _whole_numbers(text: str, low: float, high: float, whole: bool) -> list[float | int]:
    if not whole:
        raise ValueError(f"{text.strip()}: expected how many values, such as {text.strip()}:5")
    if high - low >= MOST_SPACED:
        raise ValueError(f"{text.strip()}: {high - low + 1:,.0f} values; expected at most {MOST_SPACED:,}")
    return list(range(int(low), int(high) + 1))


def _between(low: float, high: float, share: float, spacing: str) -> float:
    """To six significant digits: a value that can be read and typed again."""
    value = low + (high - low) * share if spacing == "linear" else low * (high / low) ** share
    return float(f"{value:.6g}")


def _is_whole(text: str) -> bool:
    return re.fullmatch(r"[+-]?\d[\d_]*", text) is not None
