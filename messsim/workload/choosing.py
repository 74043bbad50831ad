"""Which rows of a file count: by the values of columns, without failed requests, each request once."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from messsim.errors import DataError

from .meaning import COUNTED, meaning_of
from .nested import resolved
from .readers import Marks, as_numbers, as_text, marks_of_counts
from .thousands import points_part_thousands

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Chooser", "Condition", "conditions", "way_past", "way_without"]

Mask = NDArray[np.bool_]

CONDITION = re.compile(r"(?P<column>.+?)\s*(?P<operator>!=|>=|<=|=|>|<)\s*(?P<value>.*)", re.DOTALL)
BAD_NUMBER = re.compile(
    r" has (?:(?P<none>no value|0|nan)|(?P<below>'?-\d[\d.]*'?)|'(?P<text>.*)'|\S+) in row \d", re.S
)
NOTHING = ("", "null", "none")  # values that stand for a missing one
TRUTHS = (("true", "1", "1.0"), ("false", "0", "0.0"))  # as tools write them
WHOLE = re.compile(r"-?(0|[1-9]\d*)")
MOST_NAMED = 8  # values of a column that an error names


@dataclass(frozen=True)
class Condition:
    """What a row must fulfil: a column, one of = != < <= > >=, and a value.

    Attributes
    ----------
    what
        What rows that do not fulfil it are called; none: by the condition.
    """

    column: str
    operator: str
    value: str
    what: str = ""

    def __str__(self) -> str:
        return f"{self.column}{self.operator}{self.value}"

    def holds(
        self, frame: pl.DataFrame, marks: Marks | None = None, path: Path | None = None, label: bool = False
    ) -> Mask:
        """Which rows fulfil it. Numbers compare as numbers, whatever their type; text by its letters.

        `marks` is what commas and points mean in the rows before. `label`: the column's text is of names, which
        no number equals that is written in another way, but for a whole one that pandas has written as 12.0.

        Raises
        ------
        DataError
            For a number in which they mean another thing, and for a column of a type that equals no text.
        """
        series = frame[self.column]
        if self.operator in ("=", "!="):
            same = self._same(series, marks, path, label)
            return same if self.operator == "=" else ~same
        values = _numbers(series, marks, path)
        bound = float(self.value)
        with np.errstate(invalid="ignore"):
            collected = {"<": values < bound, "<=": values <= bound, ">": values > bound, ">=": values >= bound}
        holds: Mask = collected[self.operator]
        return holds

    def _same(self, series: pl.Series, marks: Marks | None, path: Path | None, label: bool) -> Mask:
        import polars as pl

        if series.dtype.is_nested() or self.value.lower() in NOTHING:
            none = series.is_null().to_numpy()
            if series.dtype == pl.String:
                none = (
                    none | series.str.strip_chars().str.to_lowercase().is_in(list(NOTHING)).fill_null(True).to_numpy()
                )
            return none if self.value.lower() in NOTHING else np.zeros(len(series), bool)
        text = as_text(series, self.column, path or "").str.strip_chars()
        if self.value.lower() == "nan":  # which equals nothing, itself included, and is written in several ways
            return (text.str.to_lowercase() == "nan").fill_null(False).to_numpy()
        if label and series.dtype == pl.String and self.value.lower() in ("true", "false"):  # programs write True
            return (text.str.to_lowercase() == self.value.lower()).fill_null(False).to_numpy()
        if label and series.dtype == pl.String:
            forms = [self.value, f"{self.value}.0"] if WHOLE.fullmatch(self.value) else [self.value]
            return text.is_in(forms).fill_null(False).to_numpy()
        if series.dtype == pl.Boolean or self.value.lower() in ("true", "false"):
            spellings = next((s for s in TRUTHS if self.value.lower() in s), (self.value.lower(),))
            return text.str.to_lowercase().is_in(list(spellings)).fill_null(False).to_numpy()
        same: Mask = (text == self.value).fill_null(False).to_numpy()
        with contextlib.suppress(ValueError):  # a value that is no number
            number = float(self.value)
            same |= _numbers(series, marks, path) == number
        return same


def conditions(texts: Sequence[str], option: str = "--select") -> tuple[Condition, ...]:
    """Conditions as a user writes them: ``status=200``, ``latency_ms<5000``, ``error=`` (none).

    Raises
    ------
    DataError
        For one that is none.
    """
    collected = []
    for text in texts:
        match = CONDITION.fullmatch(text.strip())
        if match is None:
            raise DataError(f"{option} {text!r}: expected COLUMN=VALUE, or another of != < <= > >=")
        condition = Condition(match["column"], match["operator"], match["value"].strip())
        if condition.operator not in ("=", "!="):
            try:
                float(condition.value)
            except ValueError:
                raise DataError(f"{option} {text!r}: expected a number behind {condition.operator}") from None
        collected.append(condition)
    return tuple(collected)


@dataclass
class Chooser:
    """Chooses rows, block by block, and counts those that are left out, by the reason.

    Attributes
    ----------
    select
        All of these must hold.
    tokens
        Columns that must hold a number other than 0: requests that failed have none.
    lacking
        What rows without such a number are called.
    unique
        Column of which every value counts once, at its first row; rows without a value all count.
    labels
        Columns of names, and of ids, which equal what is written as they are; in whatever letters, as in `blocks`.
    """

    select: tuple[Condition, ...] = ()
    tokens: tuple[str, ...] = ()
    unique: str | None = None
    lacking: str = "rows without tokens"
    labels: Collection[str] = ()

    def __post_init__(self) -> None:
        self.kept = 0
        self._left_out: dict[str, int] = {}
        self._seen: set[int] = set()
        self._values: dict[str, set[str]] = {}
        self._fulfilled: set[Condition] = set()  # by some row
        self._has_points: dict[Path, bool] = {}  # whether points part thousands of counts, by file
        self._marks: defaultdict[str, Marks] = defaultdict(Marks)

    @property
    def columns(self) -> list[str]:
        """The columns that it looks at."""
        return [*(c.column for c in self.select), *self.tokens, *([self.unique] if self.unique else [])]

    def with_select(self, more: tuple[Condition, ...]) -> Chooser:
        """A new one that asks for more."""
        return replace(self, select=(*self.select, *more))

    def keep(self, frame: pl.DataFrame, path: Path | None = None) -> Mask:
        """Which rows of the next block count; errors name the file."""
        keep = np.ones(frame.height, bool)
        labels = {label.strip().casefold() for label in self.labels}
        for condition in self.select:
            self._note_values(frame, condition)
            what = condition.what or f"rows without {condition}"
            marks = self._marks_of(condition.column, frame, path)
            holds = condition.holds(frame, marks, path, condition.column.casefold() in labels)
            self._fulfilled |= {condition} if holds.any() else set()
            keep &= self._count(what, keep, holds)
        if self.tokens:
            there = np.logical_and.reduce(
                [_has_number(frame[c], self._marks_of(c, frame, path), path) for c in self.tokens]
            )
            keep &= self._count(self.lacking, keep, there)
        if self.unique is not None:
            keep &= self._count(f"rows whose {self.unique} came before", keep, self._first(frame[self.unique], keep))
        self.kept += int(keep.sum())
        return keep

    def of_file(self, frame: pl.DataFrame, path: Path, *, as_one: bool = False) -> pl.DataFrame:
        """The rows that count of a whole file, one of several.

        A value of `unique` counts once in each, or in all, if they count as one.

        Raises
        ------
        DataError
            If it has no such column, or no such row.
        """
        beside = resolved(frame, self.columns, path)
        if not as_one:
            self._seen.clear()
        self._marks.clear()
        self._fulfilled.clear()
        self._values.clear()
        kept, self.kept = self.kept, 0
        frame = frame.filter(self.keep(beside, path))
        self.check(path)
        self.kept += kept
        return frame

    def _marks_of(self, column: str, frame: pl.DataFrame, path: Path | None) -> Marks:
        """What commas and points mean in a column: in this block too, where it counts tokens."""
        import polars as pl

        marks = self._marks[column]
        if path is None or frame.schema[column] != pl.String or meaning_of(column) not in COUNTED:
            return marks
        if path not in self._has_points:
            self._has_points[path] = points_part_thousands(path)
        return marks_of_counts(frame[column], marks) if self._has_points[path] else marks

    def _count(self, what: str, before: Mask, holds: Mask) -> Mask:
        self._left_out[what] = self._left_out.get(what, 0) + int((before & ~holds).sum())
        return holds

    def _first(self, series: pl.Series, keep: Mask) -> Mask:
        first = np.ones(len(series), bool)
        hashes, there = series.hash(), series.is_not_null().to_numpy()
        for i in np.flatnonzero(keep & there):
            value = hashes[int(i)]
            first[i] = value not in self._seen
            self._seen.add(value)
        return first

    def _note_values(self, frame: pl.DataFrame, condition: Condition) -> None:
        known = self._values.setdefault(condition.column, set())
        if len(known) <= MOST_NAMED:
            with contextlib.suppress(DataError):  # not of lists, for instance
                there = as_text(frame[condition.column], condition.column)  # what equals none is told by `holds`
                known |= {str(v) for v in there.unique()[: MOST_NAMED + 1]}

    def notes(self) -> list[str]:
        """How many rows are left out, a line a reason."""
        return [f"{what} are left out: {count:,}" for what, count in self._left_out.items() if count]

    def check(self, path: Path) -> None:
        """Raises DataError where no row is left."""
        if self.kept:
            return
        for condition in self.select:
            is_unmet = condition.what == "" and condition not in self._fulfilled
            if is_unmet and (known := sorted(self._values.get(condition.column, ()))):
                there = ", ".join(known[:MOST_NAMED]) + (", ..." if len(known) > MOST_NAMED else "")
                raise DataError(f"no row has {condition}; {condition.column} is: {there}", str(path))
        reasons = "; ".join(self.notes())
        raise DataError(f"no request of it was answered{f' ({reasons})' if reasons else ''}; expected some", str(path))


def way_without(column: str, value: str = "") -> str:
    """How rows with a value in a column are left out; no value: those without one."""
    return f"such rows can be left out, --select {shlex.quote(f'{column}!={value}')}"


def way_past(problem: str, condition: str, what: str, command: str = "") -> str:
    """How the row of a problem with a number is left out: one that has none, or one below 0; "": there is no way.

    Parameters
    ----------
    condition
        What a number must fulfil that is not below 0, such as prompt_tokens>0.
    what
        What a row without a number, or with 0, is without.
    command
        What has the options, where that is another command.
    """
    match = BAD_NUMBER.search(problem)
    if match is None:
        return ""
    if match["below"]:
        return f"; such rows can be left out, {command}--select {shlex.quote(condition)}"
    without = match["none"] or not re.search(r"\d", match["text"] or "0")
    return f"; {command}--skip-failed leaves out rows without {what}" if without else ""


def _numbers(series: pl.Series, marks: Marks | None, path: Path | None) -> NDArray[np.float64]:
    """Numbers, NaN where there is none."""
    import polars as pl

    if series.dtype == pl.String:
        text, marks = series, marks or Marks()
        series = as_numbers(text, marks, money=True)
        for value in text.filter(series.is_null()).unique() if marks.comma else ():
            if expected := marks.expected(value):
                raise DataError(f"column {text.name!r} has {value!r}; expected {expected}", str(path or ""))
    if not (series.dtype.is_numeric() or series.dtype == pl.Boolean):
        return np.full(len(series), np.nan)
    return series.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()


def _has_number(series: pl.Series, marks: Marks, path: Path | None) -> Mask:
    values = _numbers(series, marks, path)
    there: Mask = ~np.isnan(values) & (values != 0.0)
    return there
