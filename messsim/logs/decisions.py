"""A log of real routing decisions and what came of them.

Columns of a CSV, Parquet or JSONL file, a row a request in the order of routing:

``feature__NAME``     what the router saw (any number of them, also none)
``model``             who answered; a row without one, such as of a call that failed, is left out and counted
``satisfied``         0, 1 or between: the user's rating of that answer; empty where there is none
``satisfied__MODEL``  of every model's answer, where all were asked and judged
``cost__MODEL``       expected cost of the request on every model; or
``cost``              what the answer has cost: its mean by model then stands for the expectation
``propensity``        with which probability the logging router chose that model, where it chose at random

Those without a name in them may be called otherwise: `DecisionColumns` says how.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from messsim.errors import DataError
from messsim.routing.gateway_input import LARGEST
from messsim.workload.choosing import Chooser, way_past, way_without
from messsim.workload.meaning import by_meaning
from messsim.workload.nested import name_missing, names_in
from messsim.workload.readers import first_bad, numbers, read, require, resolved, rows_in_file, texts, with_rows_in_file
from messsim.workload.time_form import TimeForm
from messsim.workload.times import Times

from .pairs import refuse_votes
from .scores import OutcomeOptions, satisfaction

if TYPE_CHECKING:
    import polars as pl

__all__ = ["DecisionColumns", "DecisionLog", "read_log"]

Floats = NDArray[np.float64]

FEATURE, SATISFIED, COST = "feature__", "satisfied__", "cost__"
EVEN = 1e-6  # how near 1 / models a propensity must be


@dataclass(frozen=True)
class DecisionColumns:
    """What a log calls its columns; dotted paths too.

    Attributes
    ----------
    values
        Satisfaction by what the column of ratings holds, where that is no number from 0 to 1.
    grades
        Lowest and highest grade, which become 0 and 1.
    """

    model: str = "model"
    satisfied: str = "satisfied"
    cost: str = "cost"
    propensity: str = "propensity"
    values: Mapping[str, float] | None = None
    grades: tuple[float, float] | None = None
    time: str | None = None
    form: TimeForm | None = None

    def options(self) -> dict[str, str]:
        """Those that are not called as we do: ours, and theirs."""
        ours = ("model", "satisfied", "cost", "propensity")
        return {name: theirs for name in ours if (theirs := getattr(self, name)) != name}


@dataclass(frozen=True)
class DecisionLog:
    """What a log holds.

    Attributes
    ----------
    models
        In rising order of mean cost.
    features : float64 [d, n]
    costs : float64 [models, n]
    chosen : int64 [n] or None
        Who answered.
    satisfied : float64 [n] or None
        Of that answer; NaN where nobody rated it.
    outcomes : float64 [models, n] or None
        Of every model's answer.
    propensity : float64 [n] or None
        Above 0.
    unanswered
        Rows that name no model, and are left out: calls that failed.
    notes
        What else deserves a word.
    """

    models: list[str]
    features: Floats
    costs: Floats
    chosen: NDArray[np.int64] | None
    satisfied: Floats | None
    outcomes: Floats | None
    propensity: Floats | None
    unanswered: int = 0
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return int(self.costs.shape[1])

    @property
    def is_random(self) -> bool:
        """Whether every request went to any model with equal probability, as the log itself says."""
        even = 1.0 / len(self.models)
        return self.propensity is not None and bool((np.abs(self.propensity - even) < EVEN).all())


def read_log(path: Path, columns: DecisionColumns | None = None, chooser: Chooser | None = None) -> DecisionLog:
    """Reads and checks a log.

    Raises
    ------
    DataError
        Naming file, column, row and what was expected.
    """
    columns, chooser = columns or DecisionColumns(), chooser or Chooser()
    about: list[str] = []
    chooser.labels = list(filter(None, (columns.model, chooser.unique)))
    table = read(path, notes=about, labels=chooser.labels)
    frame = with_rows_in_file(_named(table, columns, chooser, path))
    frame = frame.filter(chooser.keep(frame, path))
    chooser.check(path)
    frame, notes = _in_order(frame, columns, path)
    judged = [c.removeprefix(SATISFIED) for c in frame.columns if c.startswith(SATISFIED)]
    if not judged:
        _require(frame, path)
    if "satisfied" in frame.columns:
        frame, unread = _rated(frame, columns, path, skips=bool(chooser.tokens))
        notes += unread
    unanswered = 0
    if "model" in frame.columns and not judged:
        frame, unanswered = _answered(frame, path)
    answered = [t.strip() for t in texts(frame, "model", path)] if "model" in frame.columns else None
    priced = [c.removeprefix(COST) for c in frame.columns if c.startswith(COST)]
    models = judged or priced or sorted(set(answered or []))
    costs = _costs(frame, models, answered, path, columns.cost, skips=bool(chooser.tokens))
    models = sorted(models, key=lambda m: float(costs[m].mean()))
    names = sorted(c for c in frame.columns if c.startswith(FEATURE))
    features = [_feature(frame, c, path) for c in names]
    rates = answered is not None and "satisfied" in frame.columns
    return DecisionLog(
        models=models,
        features=np.ascontiguousarray(features) if features else np.empty((0, frame.height)),
        costs=np.stack([costs[m] for m in models]),
        chosen=None if answered is None else _chosen(answered, models, path, rows_in_file(frame)),
        satisfied=_ratings(frame, path) if rates else None,
        outcomes=np.stack([numbers(frame, SATISFIED + m, path, least=0, most=1) for m in models]) if judged else None,
        propensity=_propensity(frame, columns.propensity, path) if "propensity" in frame.columns else None,
        unanswered=unanswered,
        notes=(*about, *chooser.notes(), *notes),
    )


def _feature(frame: pl.DataFrame, column: str, path: Path) -> Floats:
    """A number of every row, yes being 1; what a router would refuse is refused with its row."""
    import polars as pl

    if frame[column].dtype == pl.Boolean:
        frame = frame.with_columns(pl.col(column).cast(pl.Int8))
    try:
        values = numbers(frame, column, path)
    except DataError as error:
        gaps = frame[column].null_count()
        hint = f"; {way_without(column)}" if gaps else ""
        raise DataError([f"{problem}{hint}" for problem in error.problems], str(path)) from None
    if (far := np.abs(values) > LARGEST).any():
        expected = f"a number no further from 0 than {LARGEST:g}"
        raise first_bad(column, pl.Series(far), pl.Series(values), expected, path, places=rows_in_file(frame))
    return values


def _in_order(frame: pl.DataFrame, columns: DecisionColumns, path: Path) -> tuple[pl.DataFrame, list[str]]:
    """The rows by time, and what deserves to be said of it; as they stand where no column of times is named."""
    if columns.time is None:
        return frame, _out_of_order(frame, path)
    times = Times(columns.time, path, columns.form)
    times.add(frame, 0)
    seconds = times.seconds()
    order = np.argsort(seconds, kind="stable")
    late = int((np.diff(seconds) < 0).sum())
    unsorted = [f"{late:,} times a row is earlier than the row above it: all are put in order of time"] if late else []
    return frame[order], [*times.notes, *unsorted]


def _out_of_order(frame: pl.DataFrame, path: Path) -> list[str]:
    """A note where a column of times, by its name, says that rows do not stand in order."""
    name = by_meaning("arrival_s", [c for c in frame.columns if not frame[c].null_count()])
    if name is None:
        return []
    try:
        (times := Times(name, path)).add(frame, 0)
        late = int((np.diff(times.seconds()) < 0).sum())
    except DataError:  # it holds no times after all
        return []
    rows = f"{late:,} times a row is earlier, by {name!r}, than the row above it"
    return [f"{rows}: --time {shlex.quote(name)} puts all in order of time"] if late else []


def _rated(frame: pl.DataFrame, columns: DecisionColumns, path: Path, *, skips: bool) -> tuple[pl.DataFrame, list[str]]:
    """With ratings from 0 to 1, and a note on those that are none where these are skipped."""
    import polars as pl

    options = OutcomeOptions(values=columns.values, grades=columns.grades, skip_failed=skips)
    wanted = "ratings: --satisfied COLUMN"
    rated = satisfaction(frame["satisfied"], columns.satisfied, path, options, rows_in_file(frame), wanted)
    given = (frame["satisfied"].cast(pl.String).str.strip_chars() != "").fill_null(False)
    unread = int((given & rated.is_null()).sum())
    notes = [f"ratings that are no number are left out: {unread:,}"] if unread else []
    return frame.with_columns(rated.alias("satisfied")), notes


def _named(frame: pl.DataFrame, columns: DecisionColumns, chooser: Chooser, path: Path) -> pl.DataFrame:
    """The columns under our names, and what rows are chosen by."""
    theirs = columns.options()
    of_time = [columns.time] if columns.time is not None else []
    frame = resolved(frame, [*theirs.values(), *of_time, *chooser.columns], path)
    return frame.with_columns(frame[name].alias(ours) for ours, name in theirs.items())


def _require(frame: pl.DataFrame, path: Path) -> None:
    """Raises where nobody is named who answered, or no rating; with the options that name columns."""
    missing = [c for c in ("model", "satisfied") if c not in frame.columns]
    if missing:
        refuse_votes(frame, path)
        names = list(names_in(frame.schema))
        lines = name_missing(frame.columns, names, missing)
        options = [f"--{c} {shlex.quote(by_meaning(c, names) or 'COLUMN')} names it" for c in missing]
        raise DataError([f"{line}; {option}" for line, option in zip(lines, options, strict=True)], str(path))


def _propensity(frame: pl.DataFrame, named: str, path: Path) -> Floats:
    import polars as pl

    values = numbers(frame, named, path, least=0, most=1)
    if (values == 0).any():
        expected = "a probability above 0 of what was chosen after all"
        raise first_bad(named, pl.Series(values == 0), "0", expected, path, places=rows_in_file(frame))
    return values


def _answered(frame: pl.DataFrame, path: Path) -> tuple[pl.DataFrame, int]:
    """The rows that name a model, and how many do not."""
    import polars as pl

    names = texts(frame, "model", path)
    kept = frame.filter(pl.Series([name.strip() != "" for name in names]))
    if kept.height == 0:
        raise DataError("column 'model' is empty in every row; expected who answered", str(path))
    return kept, frame.height - kept.height


def _costs(
    frame: pl.DataFrame, models: list[str], answered: list[str] | None, path: Path, named: str, *, skips: bool
) -> dict[str, Floats]:
    """Mean costs of each model's answers, from a column of this name, or its own column for each."""
    if any(c.startswith(COST) for c in frame.columns):
        require(frame.columns, [COST + m for m in models], path)
        return {m: numbers(frame, COST + m, path, least=0, money=True) for m in models}
    if answered is None or "cost" not in frame.columns:
        expected = f"expected {', '.join(COST + m for m in models)}, or model and cost"
        if meant := by_meaning("cost", names_in(frame.schema)):
            expected += f": --cost {shlex.quote(meant)} names it"
        raise DataError(f"tells no costs; {expected}", str(path))
    try:
        paid = numbers(frame, named, path, least=0, money=True)
    except DataError as error:
        ways = [way_past(p, f"{named}>=0", "a cost") for p in error.problems]
        problems = [p + way * (not skips or "--select" in way) for p, way in zip(error.problems, ways, strict=True)]
        raise DataError(problems, str(path)) from None
    who = np.asarray(answered)
    for model in models:
        if not (who == model).any():
            raise DataError(f"model {model!r} never answers, so its cost is unknown; expected {COST}{model}", str(path))
    return {m: np.full(frame.height, paid[who == m].mean()) for m in models}


def _chosen(answered: list[str], models: list[str], path: Path, places: pl.Series | None) -> NDArray[np.int64]:
    place = {m: i for i, m in enumerate(models)}
    for row, model in enumerate(answered):
        if model not in place:
            expected = f"expected one of {', '.join(models)}"
            number = 1 + (row if places is None else int(places[row]))
            raise DataError(f"column 'model' has {model!r} in row {number}; {expected}", str(path))
    return np.array([place[m] for m in answered], dtype=np.int64)


def _ratings(frame: pl.DataFrame, path: Path) -> Floats:
    import polars as pl

    there = frame["satisfied"].is_not_null()
    values = np.full(frame.height, np.nan)
    if there.any():
        rated = frame.filter(pl.col("satisfied").is_not_null())
        values[there.to_numpy()] = numbers(rated, "satisfied", path, least=0, most=1)
    return values
