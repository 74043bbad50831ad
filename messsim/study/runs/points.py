"""Points of a sweep: what a grid and a file of points say, one value for each key path."""

import csv
import io
import itertools
import json
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from messsim.amounts import spaced
from messsim.errors import DataError, ScenarioError
from messsim.files import read_bytes, why
from messsim.scenario.overrides import parse_value, split_path

__all__ = ["Point", "in_words", "points_of", "read_points"]

Point = dict[str, Any]  # value by key path, such as {"router.V": 1e-4}

MOST_BYTES = 256 << 20  # of a file of points
DECIMAL_COMMA = re.compile(r"^(\s*[+-]?\d+),(\d+(?:[eE][+-]?\d+)?\s*)$")
BLANK = re.compile(r"\A([^\S\n]*\n)+")  # lines before the first with anything in it
STATED = re.compile(r'"?sep=([,;\t|])"?\s*?\n', re.IGNORECASE)  # how a spreadsheet is told of the separator
QUOTED = re.compile(r'"[^"]*"')
SEEDED = ("seed", "replication")  # what --seed and --seeds are for


def points_of(grids: Sequence[str], file: Path | None = None) -> list[Point]:
    """Every combination of the grids' values, for each line of the file where there is one.

    Parameters
    ----------
    grids
        Each ``router.V=1e-5,1e-4``: values in TOML, plain words, or ranges as `messsim.amounts.spaced` reads them.
    file
        CSV whose columns are key paths; see `read_points`.

    Raises
    ------
    ScenarioError
        If a grid is none, or a key path or a point is given twice.
    """
    axes = [_grid(text) for text in grids]
    lines = [{}] if file is None else read_points(file)
    if not axes and file is None:
        raise ScenarioError("no points; expected --grid KEY.PATH=VALUE,VALUE or --points FILE.csv")
    refuse_twice([path for path, _ in axes] + list(lines[0]))
    combinations = itertools.product(*([(path, value) for value in values] for path, values in axes))
    points = [line | dict(combination) for line, combination in itertools.product(lines, list(combinations))]
    refuse_twins(points)
    return points


def _grid(text: str) -> tuple[str, list[Any]]:
    path, equals, values = text.partition("=")
    if not equals or not values.strip():
        raise ScenarioError(f"--grid {text}: expected KEY.PATH=VALUE,VALUE,..., such as router.V=1e-5,1e-4")
    key = _path(path, f"--grid {text}")
    try:
        return key, _values(values)
    except ValueError as error:
        raise ScenarioError(f"--grid {text}: {error}") from None


def _values(text: str) -> list[Any]:
    """Values in TOML, parted by commas; where that is no TOML, each by itself: a range, or else a plain word."""
    try:
        parsed = tomllib.loads(f"values = [{text}]")
    except ValueError:
        ranges = [(part, spaced(part)) for part in text.split(",")]
        return [v for part, values in ranges for v in ([parse_value(part)] if values is None else values)]
    return list(parsed["values"])


def _path(text: str, where: str) -> str:
    keys = split_path(text)
    if keys is None:
        raise ScenarioError(f"{where}: {text!r} is no key path; expected one such as router.V")
    if keys[0] in SEEDED:
        raise ScenarioError(f"{where}: {keys[0]} is no axis; expected --seed and --seeds for it")
    return text.strip()


def read_points(file: Path) -> list[Point]:
    """The points of a CSV file: a line each, its columns key paths; an empty cell leaves the scenario's value.

    Semicolons or tabs may part cells, as spreadsheets write them; with semicolons a comma may be the decimal one.

    Raises
    ------
    DataError
        If the file cannot be read, or a line has more or fewer cells than the head.
    """
    try:
        text = read_bytes(file, MOST_BYTES).decode("utf-8-sig")
        text = BLANK.sub("", text)
        if (stated := STATED.match(text)) is not None:
            text = text[stated.end() :]
        mark = stated[1] if stated else max(",;\t", key=QUOTED.sub("", text.partition("\n")[0]).count)
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=mark) if row]
    except OSError as error:
        raise DataError(why(error), str(file)) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot be read: {error}", str(file)) from None
    if len(rows) < 2:
        raise DataError("has no points; expected a line of key paths, then a line for each point", str(file))
    while len(rows[0]) > 1 and not any(row[-1].strip() for row in rows if len(row) == len(rows[0])):
        rows = [row[:-1] if len(row) == len(rows[0]) else row for row in rows]  # a column without a name
    if mark == ";":
        rows = [[DECIMAL_COMMA.sub(r"\1.\2", cell) for cell in row] for row in rows]
    paths = [_path(name, f"{file}: column {i + 1}") for i, name in enumerate(rows[0])]
    for number, row in enumerate(rows[1:], start=1):
        if len(row) != len(paths):
            raise DataError(f"row {number} has {len(row)} cells; expected {len(paths)}", str(file))
    if len(set(paths)) < len(paths):
        raise DataError("a key path is given twice; expected each once", str(file))
    return [{p: parse_value(cell) for p, cell in zip(paths, row, strict=True) if cell.strip()} for row in rows[1:]]


def refuse_twice(paths: Sequence[str]) -> None:
    """Raises a ScenarioError where a key path stands twice."""
    for path in paths:
        if paths.count(path) > 1:
            raise ScenarioError(f"{path}: given twice; expected each key path once")


def refuse_twins(points: Sequence[Point]) -> None:
    """Raises a ScenarioError where a point stands twice."""
    seen: set[str] = set()
    for point in points:
        key = json.dumps(point, sort_keys=True, default=str)
        if key in seen:
            raise ScenarioError(f"the point {in_words(point)} is given twice; expected different points")
        seen.add(key)


def in_words(point: Point) -> str:
    """A point as people read it: ``router.V = 0.0001, sla.alpha = 0.5``."""
    return ", ".join(f"{path} = {value!r}" for path, value in point.items()) or "the scenario as it is"
