"""Logs of containers and collectors, whose rows hold the program's own line as text: the JSON in it is the row."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .documents import DECODER

if TYPE_CHECKING:
    import polars as pl

__all__ = ["LeftOut", "within_messages"]

# The column of the line, one that only such a log has, and what else it may have beside them.
WRAPPERS = (
    ("log", "stream", {"attrs", "logtag", "_p", "kubernetes", "docker"}),  # Docker and Kubernetes
    ("line", "labels", {"fields", "structuredMetadata"}),  # Loki
    ("message", "ingestionTime", {"eventId", "logStreamName", "logGroupName", "logGroup", "logStream", "owner"}),
    ("MESSAGE", "__REALTIME_TIMESTAMP", set[str]()),  # journald, whose columns are all in capitals
)
OF_ALL = {"time", "date", "timestamp", "@timestamp", "ts", "tag", "labels", "stream", "source", "host", "hostname"}
STREAMS = ("stdout", "stderr")


@dataclass
class LeftOut:
    """What is left out of a file of lines, and where it is a log that wraps a program's own lines, in which column.

    Attributes
    ----------
    lines
        Those that are no JSON object.
    messages
        Lines of the program that hold none.
    column
        That of the program's lines, told by the first rows; "": there is none.
    """

    lines: int = 0
    messages: int = 0
    column: str | None = None


def within_messages(frame: pl.DataFrame, left_out: LeftOut) -> pl.DataFrame:
    """The rows that lines hold as JSON, beside what the log says of each; other lines are counted in `left_out`.

    A table stays as it is if it has columns that no such log has, or if its first rows mostly hold no JSON.
    """
    import polars as pl

    column = _column_of_lines(frame) if left_out.column is None else left_out.column
    rows = [{k: v for k, v in row.items() if k != column} | inner
            for row in (frame.iter_rows(named=True) if column else ())
            if (inner := _object(row.get(column)))]  # fmt: skip
    if left_out.column is None:
        left_out.column = column if 2 * len(rows) > frame.height else ""
    if not left_out.column:
        return frame
    left_out.messages += frame.height - len(rows)
    if not rows:
        return frame.clear()
    return pl.read_ndjson(b"\n".join(json.dumps(row, default=str).encode() for row in rows), infer_schema_length=None)


def _column_of_lines(frame: pl.DataFrame) -> str:
    """The column of the program's lines, in a table of nothing but what a log of containers has; "": none."""
    import polars as pl

    for column, other, more in WRAPPERS:
        if frame.schema.get(column) != pl.String or other not in frame.columns:
            continue
        if other == "stream" and not frame["stream"].cast(pl.String, strict=False).is_in(STREAMS).all():
            return ""
        rest = {c.split(".")[0] for c in frame.columns} - {column, other} - more - OF_ALL
        return column if all(c.isupper() and column.isupper() for c in rest) else ""
    return ""


def _object(line: Any) -> dict[str, Any] | None:
    """The JSON object that a line is, or ends with."""
    text = line[line.find("{") :].strip() if isinstance(line, str) and "{" in line else ""
    try:
        value = DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
