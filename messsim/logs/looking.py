"""A look at the first rows of a file whose columns nobody knows by name, for hints where one is missing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from messsim.errors import DataError
from messsim.wording import seconds
from messsim.workload.apart import is_of_objects
from messsim.workload.blocks import blocks
from messsim.workload.chunk import Floats
from messsim.workload.dates import parse_dates
from messsim.workload.nested import json_of, names_in
from messsim.workload.readers import as_numbers
from messsim.workload.stamps import stamps_s
from messsim.workload.times import DAY_S
from messsim.workload.units import LONG_S, UNITS

from .presets import first_of
from .usual_columns import PROMPT, SCORE

if TYPE_CHECKING:
    import polars as pl

__all__ = ["FirstRows", "fields_of_list", "is_text", "may_be_outcomes", "sums_over_time"]

LOOKED_AT = 20  # rows
LEAST_EVEN = 4  # rows that tell sums over time
# What a request ends with, or how long it took: no time at which one came.
NO_ARRIVAL = re.compile(r"(?i)(^|[^a-z])(end|finish|complet|updat|expir|last|until|due|birth|deadline|release)")
A_NAME = re.compile(r"(?i)(^|[^a-z])(id|key|hash|seed|phone|number|no|nr|code)$|[a-z]Id$")  # of something, in digits
# What columns of times are called, whole words of a name; any other needs the look of a log's times.
A_TIME = re.compile(
    r"(?:^|[^A-Za-z]|(?<=[a-z])(?=[A-Z]))"
    r"(?i:(date_?)?time\w*|dates?|days?|at|ts|stamp|when|clock|epoch|modified|created|logged|recorded)(?![a-z])"
)
OF_WHOM = re.compile(r"(?i)(^|[^a-z])(account|user|customer|client|tenant|trace|span|session|version|order|ticket)s?$")
SPOKEN = r"^\s*[\[{]|\S\s+\S"  # text of more than a word, or JSON
CONVERSATIONS = re.compile(r"(conversations?|messages|dialog(ue)?|turns)(\.|$)")

# Columns of evaluations whose scores have no usual name: of HELM, OpenAI evals and lm-evaluation-harness.
EVALUATIONS = ({"stats", "instance_id"}, {"sample_id", "type", "data"}, {"doc_id", "filter"})


@dataclass(frozen=True)
class FirstRows:
    """What they tell.

    Attributes
    ----------
    within_text
        Paths into columns of text that hold JSON objects.
    time
        The first column of nothing but dates, or seconds since 1970 in any unit, of which its name or its values make
        clear that they are a log's; None: there is none.
    wordy
        Columns that hold neither numbers nor objects that may: no counts.
    spoken
        Columns of structures, or of text of several words.
    lists
        Columns of lists of objects, and how long the longest list is.
    """

    within_text: tuple[str, ...] = ()
    time: str | None = None
    wordy: frozenset[str] = frozenset()
    spoken: frozenset[str] = frozenset()
    lists: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path) -> FirstRows:
        """Of a file; of one that cannot be read, nothing."""
        try:
            frame = next(blocks(path, None))[1].head(LOOKED_AT)
        except (DataError, StopIteration):
            return cls()
        row = next(frame.iter_rows(named=True), {})
        may_be = [c for c in frame.columns if not NO_ARRIVAL.search(c) and not A_NAME.search(c)]
        times = [c for c in may_be if _are_times(frame[c])]
        called_so = [c for c in times if A_TIME.search(c)]
        look_so = (c for c in times if not OF_WHOM.search(c) and _are_close(frame[c]))
        wordy = frozenset(c for c in frame.columns if _is_wordy(frame[c]))
        spoken = frozenset(c for c in frame.columns if _is_spoken(frame[c]))
        lists = {c: _longest(frame[c]) for c in frame.columns if fields_of_list(frame.schema[c])}
        return cls(tuple(_within_text(row)), next(iter([*called_so, *look_so]), None), wordy, spoken, lists)

    def may_count(self, names: Sequence[str]) -> list[str]:
        """Those that may be of counts."""
        return [name for name in names if name not in self.wordy]


def _within_text(value: Any, at: str = "", in_text: bool = False) -> Iterator[str]:
    """The paths of values within JSON that is text."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value, in_text = json.loads(json_of(value)), True
        except (ValueError, RecursionError):
            return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _within_text(inner, f"{at}.{key}" if at else key, in_text)
    elif in_text:
        yield at


def _longest(series: pl.Series) -> int:
    lengths = series.list.len().to_list()
    return max((length for length in lengths if length is not None), default=0)


def fields_of_list(dtype: Any) -> list[str]:
    """Paths of the fields that the objects of a list have; none of another type."""
    if not is_of_objects(dtype):
        return []
    return list(names_in({f.name: f.dtype for f in dtype.inner.fields}))


def _is_wordy(series: pl.Series) -> bool:
    import polars as pl

    if series.dtype == pl.String:
        return as_numbers(series, money=True).null_count() == len(series) > series.null_count()
    return isinstance(series.dtype, pl.List)


def _are_times(series: pl.Series) -> bool:
    """Whether it holds dates, or numbers that are seconds since 1970 in one unit."""
    import polars as pl

    if series.null_count() or series.n_unique() == 1 < len(series):
        return False
    if series.dtype in (pl.Date, pl.Datetime):
        return True
    if series.dtype == pl.String:
        dates = parse_dates(series)
        return not dates.bad.any() or (dates.day_first_ns is not None and not dates.bad_day_first.any())
    if not series.dtype.is_numeric():
        return False
    return stamps_s(series.cast(pl.Float64).to_numpy()) is not None


def _are_close(series: pl.Series) -> bool:
    """Whether times are as a log's: dates with a time of day, or numbers that are no more than a day apart on average.

    A version is a date too, and an account may have ten digits, as the seconds since 1970 have.
    """
    import polars as pl

    if series.dtype.is_numeric():
        stamps = stamps_s(series.cast(pl.Float64).to_numpy())
        return stamps is not None and bool(np.ptp(stamps) <= DAY_S * max(len(stamps) - 1, 1))
    if series.dtype == pl.String:
        dates = parse_dates(series)
        ns = dates.ns if not dates.bad.any() or dates.day_first_ns is None else dates.day_first_ns
        return bool((ns % (UNITS["ns"] * int(DAY_S))).any())
    return series.dtype != pl.Date


def _is_spoken(series: pl.Series) -> bool:
    import polars as pl

    return series.dtype.is_nested() or (series.dtype == pl.String and bool(series.str.contains(SPOKEN).any()))


def is_text(names: Sequence[str]) -> bool:
    """Whether columns hold what was said."""
    return any(CONVERSATIONS.match(name) for name in names)


def may_be_outcomes(schema: Mapping[str, Any]) -> bool:
    """Whether columns are those of scores of answers to prompts."""
    by_name = first_of(schema, SCORE) is not None and first_of(schema, PROMPT) is not None
    return by_name or any(columns <= schema.keys() for columns in EVALUATIONS)


def sums_over_time(time_s: Floats) -> list[str]:
    """A note where times are all as far apart, by whole minutes, as those of sums over time are."""
    gaps = np.diff(time_s)
    if len(time_s) < LEAST_EVEN or gaps[0] <= 0.0 or gaps[0] % LONG_S["min"] != 0.0 or (gaps != gaps[0]).any():
        return []
    apart = seconds(float(gaps[0]))
    return [f"rows are exactly {apart} apart: where each sums up what came in that time, they are no requests"]
