"""Rows out of JSON of any shape: arrays, objects one after the other, rows wrapped in objects, columns as lists."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any

from messsim.files import what_is_wrong

if TYPE_CHECKING:
    import polars as pl

__all__ = ["DECODER", "Documents", "is_wrapped", "keys_twice", "rows_of", "table_of"]

# Where the rows of a document are that is one object; * goes through a list.
WRAPPED = (
    "benchmarks.*.requests.successful",
    "resourceSpans.*.scopeSpans.*.spans",
    "resource_spans.*.scope_spans.*.spans",
    "batches.*.scopeSpans.*.spans",
    "resourceLogs.*.scopeLogs.*.logRecords",
    "trace.resourceSpans.*.scopeSpans.*.spans",
    "data.*.spans",
    "experiments.*.requests",
    "hits.hits",
    "data",
    "items",
    "requests",
    "results",
    "records",
    "rows",
    "logs",
    "entries",
    "value",
)
OF_PYTHON = "; it looks like what Python prints: json.dumps writes JSON"
RESULTS = frozenset({"benchmarks", "resourceSpans", "resource_spans"})  # what no row has
DEEPEST, LEAST_ROWS = 4, 2  # of objects within objects where rows are looked for; how many make a list of rows
Row = dict[str, Any]
LISTS = ("start_times", "input_lens", "output_lens", "errors", "ttfts")  # of benchmarks that write columns as lists


def _finite(text: str) -> float | None:
    value = float(text)
    return value if isfinite(value) else None


def _decoder(twice: set[str]) -> json.JSONDecoder:
    """Reads JSON; NaN, infinity and numbers beyond floats, which JSON has not, are null.

    Of a key that an object has more than once the first value counts, as Polars has it; if others differ, the key is
    added to `twice`.
    """

    def first(pairs: list[tuple[str, Any]]) -> Row:
        row = dict(pairs)
        if len(row) < len(pairs):
            row = dict(reversed(pairs))
            twice.update(key for key, value in pairs if row[key] != value)
        return row

    return json.JSONDecoder(object_pairs_hook=first, parse_constant=lambda _: None, parse_float=_finite)


DECODER = _decoder(set())


@dataclass
class Documents:
    """What a text of JSON holds.

    Attributes
    ----------
    values
        One after the other.
    noise
        Lines between them that are none.
    twice
        Keys that an object has more than once, with different values, of which the first counts.
    """

    values: list[Any] = field(default_factory=list)
    noise: int = 0
    twice: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, text: str) -> Documents:
        """Reads all of it; NaN and infinity, which JSON has not, are null.

        Raises
        ------
        ValueError
            With the number of the value that is damaged, or if there is none.
        """
        result, at = cls(), _next(text, 0)
        decoder = _decoder(result.twice)
        while at < len(text):
            try:
                value, end = decoder.raw_decode(text, at)
            except RecursionError:
                raise ValueError("it is nested too deeply") from None
            except json.JSONDecodeError as error:
                if text[at] in "{[" and error.pos > at + 1:
                    what = f"row {len(result.values) + 1} is no JSON object: {what_is_wrong(error)}"
                    raise ValueError(what + OF_PYTHON * _is_of_python(text)) from None
                value, end = None, _end_of_line(text, at)
            except ValueError as error:
                raise ValueError(f"row {len(result.values) + 1} is no JSON object: {what_is_wrong(error)}") from None
            if isinstance(value, (dict, list)):
                result.values.append(value)
            else:
                result.noise += 1
                end = _end_of_line(text, at)
            at = _next(text, end)
        if not result.values:
            raise ValueError("it holds no JSON object; expected {...}" + OF_PYTHON * _is_of_python(text))
        if len(result.values) == 1 and _are_results(result.values[0]):
            (result.values,) = result.values
        return result


def _is_of_python(text: str) -> bool:
    """Whether it begins as a dictionary does that Python prints, or a list of them."""
    return re.match(r"\s*\[?\s*\{\s*'", text) is not None


def _are_results(value: Any) -> bool:
    """Whether it is an array of whole results, as of several benchmarks, and not of rows."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(v, dict) and (not RESULTS.isdisjoint(v) or _columns(v) is not None) for v in value)
    )


def keys_twice(text: bytes, columns: list[str]) -> list[str]:
    """The keys of columns that a line of JSON has more than once, with different values.

    Only lines that name a key more often than once are parsed, and only where the text has more of it than lines.
    """
    twice = set[str]()
    lines, decoder = text.count(b"\n") + 1, _decoder(twice)
    names = list(dict.fromkeys(part for column in columns for part in (column, *column.split("."))))
    for quoted in (json.dumps(name, ensure_ascii=False).encode() for name in names):
        if text.count(quoted) > lines:
            for line in text.splitlines():
                if line.count(quoted) > 1:
                    with contextlib.suppress(ValueError, RecursionError):  # a line that is none is left out, or refused
                        decoder.decode(line.decode())
    return [name for name in names if name in twice]


def _next(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n,\x1e":
        at += 1
    return at


def _end_of_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def is_wrapped(value: object) -> bool:
    """Whether one object holds several rows."""
    return isinstance(value, dict) and (
        _columns(value) is not None or next(_unwrapped(value), None) is not None or _answer(value) is not None
    )


def rows_of(values: list[Any]) -> list[Row]:
    """The rows, a dictionary each.

    Raises
    ------
    ValueError
        For an element that is no object, by its number.
    """
    rows: list[Row] = []
    for value in values:
        rows += _rows(value)
    if len(rows) == 1 and rows in (values, *values) and isinstance(rows[0], dict):
        row = _named_attributes(rows[0])  # whose list of attributes is none of rows
        rows = _table(row) or _results(row) or _lists(row) or _by_key(row) or _longest(row) or rows
    for i, row in enumerate(rows):
        if not isinstance(row, dict):
            raise ValueError(f"row {i + 1} is no JSON object; expected {{...}}")
    return [_named_attributes(row) for row in rows]


def _rows(value: Any) -> list[Any]:
    if (answered := _answer(value)) is not None:
        return answered
    if isinstance(value, list):
        return [row for inner in value for row in (inner if isinstance(inner, list) else [inner])]
    columns = _columns(value)
    if columns is not None:
        rest = {k: v for k, v in value.items() if not isinstance(v, (list, dict))}
        return [rest | dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    for rows in _unwrapped(value):
        return rows
    return [value]


def _answer(value: Any) -> list[Row] | None:
    """Rows of an answer to a query: CloudWatch's of fields and values, Loki's of lines by their labels; None: none."""
    if not isinstance(value, dict):
        return None
    rows = [row for row in _at(value, ["results"]) if isinstance(row, list)]
    if any(rows) and all(_is_field(cell) for row in rows for cell in row):
        return [{cell["field"]: cell["value"] for cell in row} for row in rows]
    streams = [s for s in _at(value, ["data", "result"]) if isinstance(s, dict) and "stream" in s and "values" in s]
    if not all(_is_stream(s["stream"], s["values"]) for s in streams):
        return None
    lines = [(s["stream"], *line) for s in streams for line in s["values"]]
    return [{"timestamp": at, "line": line, "labels": labels} for labels, at, line, *_ in lines] or None


def _is_field(cell: Any) -> bool:
    return isinstance(cell, dict) and isinstance(cell.get("field"), str) and "value" in cell


def _is_stream(labels: Any, lines: Any) -> bool:
    """Whether lines are a list each of a time and a text, and perhaps more."""
    return (
        isinstance(labels, dict) and isinstance(lines, list) and all(isinstance(x, list) and len(x) > 1 for x in lines)
    )


def _unwrapped(value: Row) -> Iterator[list[Any]]:
    for path in WRAPPED:
        rows = list(_at(value, path.split(".")))
        if rows and all(isinstance(row, dict) for row in rows):
            yield rows


def _table(value: Row) -> list[Row]:
    """Rows of values below a list of columns, as pandas and Kusto write them."""
    inner = [*value.values(), *(v[0] for v in value.values() if isinstance(v, list) and v)]
    for table in (value, *(v for v in inner if isinstance(v, dict))):
        table = {key.lower(): held for key, held in table.items()}
        columns, rows = table.get("columns"), table.get("rows", table.get("data"))
        if isinstance(columns, list) and isinstance(rows, list) and all(isinstance(row, list) for row in rows):
            names = [c.get("name", c.get("ColumnName")) if isinstance(c, dict) else c for c in columns]
            return [dict(zip(map(str, names), row, strict=False)) for row in rows]
    return []


def _lists(value: Row) -> list[Row]:
    """Rows of an object of columns: lists of one length, or values by the number of their row."""
    numbered = [v for v in value.values() if isinstance(v, dict) and v and all(k.isdecimal() for k in v)]
    if len(numbered) == len(value) > 1 and all(v.keys() == numbered[0].keys() for v in numbered):
        value = {name: list(column.values()) for name, column in value.items()}
    columns = {k: v for k, v in value.items() if isinstance(v, list) and not any(isinstance(i, dict) for i in v)}
    lengths = {len(v) for v in columns.values()}
    if len(columns) < 2 or len(lengths) != 1 or lengths.pop() < LEAST_ROWS:
        return []
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _by_key(value: Row) -> list[Row]:
    """Rows by their names or numbers, alike in their keys."""
    rows = list(value.values())
    if len(rows) < LEAST_ROWS or not all(isinstance(row, dict) and row for row in rows):
        return []
    every = set().union(*rows)
    alike = all(2 * len(row) > len(every) for row in rows)
    if alike and all(key.isdecimal() for key in value):  # pandas's, by to_json(orient="index")
        return rows
    return [{"key": key} | row for key, row in value.items()] if alike else []


def _results(value: Row) -> list[Row]:
    """Results of an evaluation by the names of tasks, one or several each, as EvalPlus has them, or by numbers."""
    held = value.get("eval") if {"date", "hash"} & value.keys() else None
    if held is None and isinstance(value.get("details"), dict):
        held = {key: row for key, row in value["details"].items() if key.isdecimal()}
    if not isinstance(held, dict):
        return []
    each = [(key, row) for key, rows in held.items() for row in (rows if isinstance(rows, list) else [rows])]
    if len(each) < LEAST_ROWS or not all(isinstance(row, dict) for _, row in each):
        return []
    return [{"key": key} | row for key, row in each]


def _longest(value: Row, deep: int = DEEPEST) -> list[Row]:
    """The longest list of objects within objects, where one object is no request itself."""
    lists = [v for v in value.values() if isinstance(v, list) and all(isinstance(row, dict) for row in v)]
    lists += [_longest(v, deep - 1) for v in value.values() if isinstance(v, dict)] if deep else []
    best = max(lists, key=len, default=[])
    return best if len(best) >= LEAST_ROWS else []


def _at(value: Any, path: list[str]) -> Iterator[Any]:
    if not path:
        if isinstance(value, list):
            yield from value
    elif path[0] == "*":
        for inner in value if isinstance(value, list) else []:
            yield from _at(inner, path[1:])
    elif isinstance(value, dict) and path[0] in value:
        yield from _at(value[path[0]], path[1:])


def _columns(value: Row) -> dict[str, list[Any]] | None:
    """The lists of a benchmark that writes its requests as columns."""
    lists = {k: value[k] for k in LISTS if isinstance(value.get(k), list) and value[k]}
    if len(lists) < 2 or ("input_lens" not in lists and "output_lens" not in lists):
        return None
    for k in LISTS:
        if value.get(k) and not isinstance(value[k], list):
            raise ValueError(f"{k}: expected a list, not {type(value[k]).__name__}")
    if len({len(v) for v in lists.values()}) > 1:
        sizes = ", ".join(f"{k} {len(v)}" for k, v in lists.items())
        raise ValueError(f"its lists differ in length: {sizes}")
    return lists


def _named_attributes(row: Row) -> Row:
    """OpenTelemetry's attributes, and Jaeger's tags, a list of keys and typed values, as an object."""
    for column in ("attributes", "tags"):
        listed = row.get(column)
        named = (
            [a for a in listed if isinstance(a, dict) and isinstance(a.get("key"), str)]
            if isinstance(listed, list)
            else []
        )
        if named:
            row = row | {column: {a["key"]: _untyped(a.get("value")) for a in named}}
    return row


def _untyped(value: Any) -> Any:
    if isinstance(value, dict) and len(value) == 1:
        ((kind, inner),) = value.items()
        return int(inner) if kind == "intValue" and str(inner).removeprefix("-").isdecimal() else inner
    return value


def table_of(rows: list[Row]) -> pl.DataFrame:
    """The rows as a table; a column whose values are of kinds that no column has at once is their JSON, as text."""
    import polars as pl

    for name in dict.fromkeys(key for row in rows for key in row):
        try:
            _lines([{name: row.get(name)} for row in rows])
        except pl.exceptions.PolarsError:
            kept = (type(None), str)
            rows = [row if isinstance(row.get(name), kept) else row | {name: json.dumps(row[name])} for row in rows]
    return _lines(rows)


def _lines(rows: list[Row]) -> pl.DataFrame:
    import polars as pl

    return pl.read_ndjson(b"\n".join(json.dumps(row).encode() for row in rows), infer_schema_length=None)
