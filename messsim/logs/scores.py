"""What the scores of a table of outcomes mean: numbers, words, grades, or what the user says of them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from messsim.errors import DataError
from messsim.workload.readers import as_numbers, as_text, first_bad

from .score_hints import grades_of

if TYPE_CHECKING:
    import polars as pl

__all__ = ["WORDS", "OutcomeOptions", "parse_map", "satisfaction"]

WORDS = {"true": 1.0, "false": 0.0, "pass": 1.0, "fail": 0.0, "passed": 1.0, "failed": 0.0, "correct": 1.0,
         "incorrect": 0.0, "yes": 1.0, "no": 0.0, "y": 1.0, "n": 0.0, "t": 1.0, "f": 0.0, "up": 1.0, "down": 0.0,
         "timeout": 0.0, "thumbs_up": 1.0, "thumbs_down": 0.0,
         "👍": 1.0, "👎": 0.0, "like": 1.0, "dislike": 0.0}  # fmt: skip
GRADES = re.compile(r"(\d+)\.\.(\d+)")


@dataclass(frozen=True)
class OutcomeOptions:
    """What the user says of files of outcomes.

    Attributes
    ----------
    prompt, model, score
        Columns of what was asked, of whom, and how well it was answered; None: by the usual names.
    values
        Satisfaction by what the score column holds.
    grades
        Lowest and highest grade, which become 0 and 1.
    filter
        The filter of lm-evaluation-harness that counts.
    skip_failed
        Whether a score that is no number and no known word counts as missing, and is no error.
    """

    prompt: str | None = None
    model: str | None = None
    score: str | None = None
    values: Mapping[str, float] | None = None
    grades: tuple[float, float] | None = None
    filter: str | None = None
    skip_failed: bool = False


def parse_map(texts: Sequence[str]) -> tuple[dict[str, float] | None, tuple[float, float] | None]:
    """``pass=1,fail=0`` as values, and ``1..5`` as grades.

    Raises
    ------
    DataError
        For what is neither, or a satisfaction outside of [0, 1].
    """
    values: dict[str, float] = {}
    grades = None
    for text in texts:
        if match := GRADES.fullmatch(text.strip()):
            low, high = float(match[1]), float(match[2])
            if low >= high:
                raise DataError(f"--map {text}: expected LOWEST..HIGHEST")
            grades = low, high
            continue
        for part in text.split(","):
            name, equals, value = part.rpartition("=")
            try:
                satisfaction = float(value)
            except ValueError:
                satisfaction = -1.0
            if not equals or not 0 <= satisfaction <= 1:
                raise DataError(f"--map {text!r}: expected VALUE=SATISFACTION, from 0 to 1, or grades such as 1..5")
            values[name.strip().lower()] = satisfaction
    return values or None, grades


def satisfaction(
    series: pl.Series,
    column: str,
    path: Path,
    options: OutcomeOptions,
    places: pl.Series | None = None,
    wanted: str = "scores: --score COLUMN",
) -> pl.Series:
    """Scores as satisfaction from 0 to 1: numbers, words such as pass and fail, grades, or as the options map them.

    `wanted` is what the column should hold, and the option that names another.

    Raises
    ------
    DataError
        That names the first row whose score is none of these.
    """
    import polars as pl

    text = as_text(series, column, path, wanted)
    series = text if series.dtype == pl.Binary else series
    text = text.str.strip_chars().str.to_lowercase()
    if series.dtype == pl.String:
        series = series.set(text == "", None)  # nobody said anything
    values = _numbers(text) if series.dtype == pl.String else series.cast(pl.Float64, strict=False)
    given = values
    mapped = dict(options.values or {})
    by_value = _by_value(values, mapped)
    if options.grades is not None:
        low, high = options.grades
        values = (values - low) / (high - low)
    by_word = text.replace_strict(WORDS | mapped, default=None, return_dtype=pl.Float64).fill_null(by_value)
    values = by_word.fill_null(values) if options.values else values.fill_null(by_word)
    values = values.fill_nan(None)
    bad = ((values < 0) | (values > 1)).fill_null(False)  # a grade is a rating: never left out
    if not options.skip_failed:
        bad = bad | (values.is_null() & series.is_not_null())
    if bad.any():
        low_high = grades_of(values if options.grades is None else given)
        expected = (
            f"a satisfaction from 0 to 1; --map 'pass=1,fail=0' says what values mean, --map {low_high} what grades"
        )
        hint = "; --skip-failed leaves out what is no number"
        is_grade = options.skip_failed or values[int(bad.arg_max() or 0)] is not None
        raise first_bad(column, bad, series, expected + ("" if is_grade else hint), path, places=places)
    return values.alias("score")


def _by_value(values: pl.Series, mapped: Mapping[str, float]) -> pl.Series:
    """Satisfaction by scores as numbers, whichever way they are written: -1 is -1.0."""
    import polars as pl

    keys = as_numbers(pl.Series(list(mapped), dtype=pl.String)).cast(pl.Float64).to_list()
    satisfied = {k: v for k, v in zip(keys, mapped.values(), strict=True) if k is not None and math.isfinite(k)}
    return values.replace_strict(satisfied, default=None, return_dtype=pl.Float64)


def _numbers(text: pl.Series) -> pl.Series:
    """Numbers; 100 % are 1."""
    import polars as pl

    percent = text.str.ends_with("%").fill_null(False)
    values = as_numbers(text.str.strip_suffix("%")).cast(pl.Float64)
    return (values / 100).zip_with(percent, values)
