"""Logs of containers and collectors, whose rows hold the program's own line as text: the JSON in it is the row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

__all__ = ["within_messages"]

# The column of the line, and one that only such a log has: Docker and Kubernetes, Loki, CloudWatch, journald.
WRAPPERS = (("log", "stream"), ("line", "labels"), ("message", "ingestionTime"), ("MESSAGE", "__REALTIME_TIMESTAMP"))


def within_messages(frame: pl.DataFrame, noise: list[int]) -> pl.DataFrame:
    """The rows that lines hold as JSON, beside what the log says of each; other lines are counted in `noise`."""
    import polars as pl

    column = next((c for c, other in WRAPPERS if c in frame.columns and other in frame.columns), None)
    if column is None or frame.schema[column] != pl.String:
        return frame
    rows = [{k: v for k, v in row.items() if k != column} | inner for row in frame.iter_rows(named=True)
            if (inner := _object(row[column])) is not None]  # fmt: skip
    if not rows:
        return frame
    noise.append(frame.height - len(rows))
    return pl.read_ndjson(b"\n".join(json.dumps(row, default=str).encode() for row in rows), infer_schema_length=None)


def _object(line: str | None) -> dict[str, Any] | None:
    """The JSON object that a line is, or ends with."""
    text = "" if line is None else line[line.find("{") :] if "{" in line else ""
    try:
        value = json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
