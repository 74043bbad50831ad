"""Signs for what a picture cannot hold."""

from typing import Any

__all__ = ["with_signs"]

# What cannot be in a picture's XML, and line ends, which names may have: a sign that stands for each.
SIGNS = {c: chr(0x2400 + c) for c in range(32)} | {0x7F: "\u2421"}
SIGNS |= dict.fromkeys([0x2028, 0x2029, *range(0xD800, 0xE000), 0xFFFE, 0xFFFF], "\ufffd")


def with_signs(value: Any) -> Any:
    """The specification of a chart in whose texts nothing is left that breaks its picture."""
    if isinstance(value, str):
        return value.translate(SIGNS)
    if isinstance(value, dict):
        return {with_signs(k): with_signs(v) for k, v in value.items()}
    if isinstance(value, list):
        return [with_signs(v) for v in value]
    return value
