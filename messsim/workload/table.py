"""Outcomes of real models on real prompts, and which row a request is."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from messsim.errors import DataError
from messsim.scenario import Scenario
from messsim.scenario.quality import Table

from .chunk import Floats, Ints
from .counts import CountsColumn
from .readers import numbers, read, require, resolved, shown, texts

if TYPE_CHECKING:
    import polars as pl

__all__ = ["OutcomeTable", "Rows", "read_table"]

Rows = NDArray[np.int64]

# The MESS+ authors' capture files: one block of columns a model size.
CAPTURE_LABEL = "label_{column}"
CAPTURE_COST = "energy_consumption_{column}"
CAPTURE_TEXT = "input_text"
MOST_GRADE = 10  # a score above, up to 100, is a percentage


@dataclass(frozen=True)
class OutcomeTable:
    """One row a prompt.

    Attributes
    ----------
    satisfied : {column: float64 [rows]}
        Outcomes in [0, 1] by the column that a model names.
    costs : {column: float64 [rows]}
        Measured costs by column; empty where the table has none.
    features : float64 [d, rows]
    prompt_tokens : int32 [rows] or None
    output_tokens : {column: int32 [rows]}
    groups : {name: int64 [rows of the group]}
    notes
        What is allowed in the file, but deserves a word.
    """

    satisfied: dict[str, Floats]
    costs: dict[str, Floats]
    features: Floats
    prompt_tokens: Ints | None
    output_tokens: dict[str, Ints]
    groups: dict[str, Rows]
    rows: int
    notes: tuple[str, ...] = ()

    def select(self, groups: list[str] | None) -> Rows | None:
        """Rows of some groups, in the file's order; None for all."""
        if groups is None:
            return None
        return np.sort(np.concatenate([self.groups[g] for g in groups]))


def read_table(scenario: Scenario, table: Table, *, prompt: bool, output: bool) -> OutcomeTable:
    """Reads and checks what the scenario asks of its table; token columns only where asked."""
    path = scenario.path(table.file)
    notes: list[str] = []
    frame = read(path, notes=notes, labels=[table.group] if table.group else [])
    capture = table.format == "capture"
    label = CAPTURE_LABEL if capture else "{column}"
    cost = table.costs or (CAPTURE_COST if capture else None)
    columns = list(dict.fromkeys([m.column or m.name for m in scenario.models] + _phase_columns(scenario)))
    wanted = [_of(label, c) for c in columns]
    wanted += [_of(cost, c) for c in columns] if cost else []
    wanted += [table.prompt_tokens] * prompt
    wanted += [_of(table.output_tokens, c) for c in columns] * output
    wanted += [table.group] if table.group else []
    frame = resolved(frame, wanted, path)
    counts = {c: CountsColumn(c, path) for c in ([table.prompt_tokens] if prompt else [])}
    counts |= {c: CountsColumn(c, path) for c in (_of(table.output_tokens, m) for m in columns if output)}
    tokens = {c: column.read(frame, 0) for c, column in counts.items()}
    notes += (note for column in counts.values() for note in column.notes())
    return OutcomeTable(
        satisfied={c: _scores(frame, _of(label, c), path) for c in columns},
        costs={c: numbers(frame, _of(cost, c), path, least=0, money=True) for c in columns} if cost else {},
        features=_features(scenario, frame, path, capture),
        prompt_tokens=tokens[table.prompt_tokens] if prompt else None,
        output_tokens={c: tokens[_of(table.output_tokens, c)] for c in columns} if output else {},
        groups=_groups(scenario, frame, table.group, path) if table.group else {},
        rows=frame.height,
        notes=tuple(f"{path.name}: {note}" for note in notes),
    )


def _scores(frame: pl.DataFrame, column: str, path: Path) -> Floats:
    """Outcomes; where one is missing, with what leaves out its prompt."""
    try:
        return numbers(frame, column, path, least=0, most=1)
    except DataError as error:
        absent = frame[column].null_count() or (frame[column].dtype.is_float() and frame[column].is_nan().any())
        one = shlex.quote(f"{column}={path}")
        grades = f" --map {_grades(frame[column])}" if frame[column].dtype.is_numeric() else ""
        way = f"; messsim import --outcomes {one} and so on{grades} reads percents, grades and words (--map says which)"
        if absent:
            way = "; messsim import --outcomes with --skip-failed leaves out prompts without a score"
        raise DataError([f"{problem}{way}" for problem in error.problems], str(path)) from None


def _grades(scores: pl.Series) -> str:
    """What `--map` takes for scores beyond 1."""
    percents = scores.is_between(0, 100).all() and (scores > MOST_GRADE).any()
    return "0..100" if percents else "LOWEST..HIGHEST"


def _of(template: str, column: str) -> str:
    return template.replace("{column}", column)


def _phase_columns(scenario: Scenario) -> list[str]:
    return [column for phase in scenario.phases for column in phase.columns.values()]


def _features(scenario: Scenario, frame: pl.DataFrame, path: Path, capture: bool) -> Floats:
    features = scenario.features
    if features.kind == "table":
        names = sorted(c for c in frame.columns if c.startswith(features.prefix))
        if not names:
            prefix = f"no column starts with features.prefix = {features.prefix!r}"
            raise DataError(f"{prefix}; expected some, or features.kind = 'none'", str(path))
        return np.ascontiguousarray(
            [
                numbers(
                    frame,
                    c,
                    path,
                )
                for c in names
            ]
        )
    if features.kind == "text":
        from .text import hashed_features

        column = CAPTURE_TEXT if capture and features.column not in frame.columns else features.column
        require(frame.columns, [column], path)
        return hashed_features(texts(frame, column, path), features.dimensions)
    return np.empty((0, frame.height))


def _groups(scenario: Scenario, frame: pl.DataFrame, column: str, path: Path) -> dict[str, Rows]:
    values = np.asarray(texts(frame, column, path))
    groups = {str(v): np.flatnonzero(values == v) for v in np.unique(values)}
    for i, phase in enumerate(scenario.phases):
        for name in phase.groups or []:
            if name not in groups:
                known = ", ".join([shown(g) for g in groups if g][:20])
                raise DataError(f"phases.{i}.groups: column {column!r} has no {name!r}; it has {known}", str(path))
    return groups
