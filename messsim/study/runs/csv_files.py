"""Means and intervals as CSV."""

import csv
import io
from collections.abc import Iterable, Sequence

from messsim.shapes.studies import Spread

__all__ = ["ENDS", "csv_of", "end_values"]

ENDS = ("mean", "low", "high", "count")


def end_values(spread: Spread | None) -> list[float | None]:
    """The cells of a CSV for `mean`, `low`, `high` and `count`."""
    return [None] * 4 if spread is None else [spread["mean"], spread["low"], spread["high"], spread["count"]]


def csv_of(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A line a row; None is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
