"""Adding as the compiled engine adds."""

from collections.abc import Iterable
from functools import reduce
from operator import add

__all__ = ["in_order"]


def in_order(values: Iterable[float]) -> float:
    """Their sum from left to right, each step rounded; since Python 3.12 `sum` gives other bits."""
    return reduce(add, values, 0.0)
