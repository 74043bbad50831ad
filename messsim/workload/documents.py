"""Rows out of JSON of any shape: arrays, objects one after the other, rows wrapped in objects, columns as lists."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Documents", "is_wrapped", "rows_of"]

# Where the rows of a document are that is one object; * goes through a list.
WRAPPED = (
    "benchmarks.*.requests.successful",
    "resourceSpans.*.scopeSpans.*.spans",
    "resource_spans.*.scope_spans.*.spans",
    "experiments.*.requests",
    "hits.hits",
    "data",
    "items",
    "requests",
    "results",
    "records",
    "rows",
    "logs",
    "value",
)
Row = dict[str, Any]
LISTS = ("start_times", "input_lens", "output_lens", "errors", "ttfts")  # of benchmarks that write columns as lists


@dataclass
class Documents:
    """What a text of JSON holds.

    Attributes
    ----------
    values
        One after the other.
    noise
        Lines between them that are none.
    """

    values: list[Any] = field(default_factory=list)
    noise: int = 0

    @classmethod
    def read(cls, text: str) -> Documents:
        """Reads all of it; NaN and infinity, which JSON has not, are null.

        Raises
        ------
        ValueError
            With the number of the value that is damaged, or if there is none.
        """
        decoder = json.JSONDecoder(parse_constant=lambda _: None)
        found, at = cls(), _next(text, 0)
        while at < len(text):
            try:
                value, end = decoder.raw_decode(text, at)
            except RecursionError:
                raise ValueError("it is nested too deeply") from None
            except json.JSONDecodeError as error:
                if text[at] in "{[" and error.pos > at + 1:
                    raise ValueError(f"row {len(found.values) + 1} is no JSON object: {error}") from None
                value, end = None, _end_of_line(text, at)
            if isinstance(value, (dict, list)):
                found.values.append(value)
            else:
                found.noise += 1
                end = _end_of_line(text, at)
            at = _next(text, end)
        if not found.values:
            raise ValueError("it holds no JSON object; expected {...}")
        return found


def _next(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n,\x1e":
        at += 1
    return at


def _end_of_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def is_wrapped(value: object) -> bool:
    """Whether one object holds several rows."""
    return isinstance(value, dict) and (_columns(value) is not None or next(_unwrapped(value), None) is not None)


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
    for i, row in enumerate(rows):
        if not isinstance(row, dict):
            raise ValueError(f"row {i + 1} is no JSON object; expected {{...}}")
    return [_named_attributes(row) for row in rows]


def _rows(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [row for inner in value for row in (inner if isinstance(inner, list) else [inner])]
    columns = _columns(value)
    if columns is not None:
        rest = {k: v for k, v in value.items() if not isinstance(v, (list, dict))}
        return [rest | dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    for rows in _unwrapped(value):
        return rows
    return [value]


def _unwrapped(value: Row) -> Iterator[list[Any]]:
    for path in WRAPPED:
        rows = list(_at(value, path.split(".")))
        if rows and all(isinstance(row, dict) for row in rows):
            yield rows


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
    """OpenTelemetry's attributes, a list of keys and typed values, as an object."""
    attributes = row.get("attributes")
    if not isinstance(attributes, list):
        return row
    named = {a["key"]: _untyped(a.get("value")) for a in attributes if isinstance(a, dict) and "key" in a}
    return row | {"attributes": named}


def _untyped(value: Any) -> Any:
    if isinstance(value, dict) and len(value) == 1:
        ((kind, inner),) = value.items()
        return int(inner) if kind == "intValue" and str(inner).lstrip("-").isdecimal() else inner
    return value
