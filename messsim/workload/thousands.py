"""Whether points part thousands in a file: where it shows that a comma is the decimal mark."""

from __future__ import annotations

import re
from pathlib import Path

from .blocks import opened
from .dialect import Dialect
from .encoding import Letters

__all__ = ["points_part_thousands"]

LOOKED_AT = 4 << 20  # bytes from the beginning of a file
BEGINS, ENDS = rb'(?m)(?:^|;)[ "]*[+-]?', rb'[ "]*(?:;|\r?$)'  # a value, perhaps in quotes
# In 1,234 a comma, and in 1.234 a point, may be either.
DECIMAL_COMMA = re.compile(
    BEGINS + rb"(?![1-9]\d{0,2}(?:,\d{3})+" + ENDS + rb")(?:\d+|[1-9]\d{0,2}(?:\.\d{3})+),\d+" + ENDS
)
DECIMAL_POINT = re.compile(
    BEGINS + rb"(?![1-9]\d{0,2}(?:\.\d{3})+" + ENDS + rb")(?:\d+|[1-9]\d{0,2}(?:,\d{3})+)?\.\d+(?:[eE][+-]?\d+)?" + ENDS
)


def points_part_thousands(path: Path) -> bool:
    """Whether 1.024 is 1024 in a file: some number has a decimal comma, and none has what only is a decimal point.

    Only text with semicolons between its values can tell: elsewhere a comma may part values, or numbers be typed.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    with opened(path) as (kind, file):
        if kind != "csv":
            return False
        text = file.read(LOOKED_AT)
    text = Letters([]).utf8(text[: text.rfind(b"\n")] if len(text) == LOOKED_AT else text)  # no part of a number
    if not Dialect.of(text).decimal_comma:
        return False
    return DECIMAL_COMMA.search(text) is not None and DECIMAL_POINT.search(text) is None
