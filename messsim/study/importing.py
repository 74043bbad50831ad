"""Traces from what others wrote down: results of ``vllm bench serve``, and logs of gateways.

A trace is what ``arrivals.kind = "trace"`` reads: `arrival_s` (seconds since the first request), `prompt_tokens`,
`output_tokens`, and `tenant` where one was asked for.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from messsim.errors import DataError, OutputError
from messsim.results import check_free, whole_or_absent
from messsim.workload.chunk import Floats
from messsim.workload.readers import first_bad, numbers, read, texts, token_counts

if TYPE_CHECKING:
    import polars as pl

__all__ = ["KINDS", "LogColumns", "Trace", "from_log", "from_vllm", "write_trace"]

KINDS = (".csv", ".csv.gz", ".parquet", ".jsonl")
LATEST_S = 1e11  # seconds since 1970: the year 5138; what is later is not in seconds


@dataclass(frozen=True)
class LogColumns:
    """Which columns of a log mean what.

    Attributes
    ----------
    time_format
        "s" or "ms" since 1970 or any other start, "iso" (ISO 8601; without an offset: UTC), or "auto": "iso" where
        the column is text, else "s".
    tenant
        Column of who asked; none: left out.
    """

    time: str = "arrival_s"
    prompt_tokens: str = "prompt_tokens"
    output_tokens: str = "output_tokens"
    tenant: str | None = None
    time_format: str = "auto"


@dataclass(frozen=True)
class Trace:
    """Requests in order of time, and what deserves to be said of them."""

    frame: pl.DataFrame
    notes: tuple[str, ...] = ()

    def summary(self) -> dict[str, Any]:
        """How many there are, how fast they come, how long they are, who asks."""
        span_s = float(self.frame["arrival_s"][-1])
        count = self.frame.height
        told: dict[str, Any] = {
            "requests": count,
            "duration_s": span_s,
            "rate_rps": (count - 1) / span_s if span_s > 0 else None,
        }
        for column in ("prompt_tokens", "output_tokens"):
            values = self.frame[column].to_numpy()
            p50, p99 = np.quantile(values, [0.5, 0.99])
            told[column] = {"mean": values.mean(), "p50": p50, "p99": p99, "max": values.max()}
            told[column] = {k: float(v) for k, v in told[column].items()}
        told["tenants"] = []
        if "tenant" in self.frame.columns:
            shares = self.frame["tenant"].value_counts().sort("count", "tenant", descending=[True, False])
            told["tenants"] = [{"name": name, "share": n / count} for name, n in shares.iter_rows()]
        return told | {"notes": list(self.notes)}


def from_vllm(path: Path) -> Trace:
    """The requests of a benchmark: ``vllm bench serve --save-result --save-detailed``.

    Requests that failed are left out. `start_times` are when the client sent each request.

    Raises
    ------
    DataError
        If it is no such file, or was written without details.
    """
    result = _result(path)
    lists = {key: _list(result, key, path) for key in ("start_times", "input_lens", "output_lens")}
    errors = result.get("errors") or [""] * len(lists["start_times"])
    if len({len(errors), *map(len, lists.values())}) > 1:
        told = ", ".join(f"{key} {len(values)}" for key, values in (lists | {"errors": errors}).items())
        raise DataError(f"its lists differ in length: {told}", str(path))
    failed = np.array([bool(error) for error in errors])
    import polars as pl

    try:
        frame = pl.DataFrame(lists)
    except (TypeError, pl.exceptions.PolarsError) as error:
        raise DataError(f"its lists do not hold numbers alone: {error}", str(path)) from None
    notes = [f"requests that failed are left out: {failed.sum():,}"] if failed.any() else []
    if result.get("max_concurrency"):
        notes.append(
            f"at most {result['max_concurrency']} requests ran at once (--max-concurrency): times are when one was "
            "sent, not when it would have come; arrivals.kind = 'closed' is that benchmark"
        )
    columns = LogColumns("start_times", "input_lens", "output_lens", time_format="s")
    return _trace(frame, columns, path, failed, notes)


def _result(path: Path) -> dict[str, Any]:
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", str(path)) from None
    except ValueError as error:  # json.JSONDecodeError and UnicodeDecodeError
        raise DataError(f"is no JSON object that `vllm bench serve --save-result` writes: {error}", str(path)) from None
    if not isinstance(result, dict):
        raise DataError("is no JSON object; expected what `vllm bench serve --save-result` writes", str(path))
    return result


def _list(result: dict[str, Any], key: str, path: Path) -> list[Any]:
    values = result.get(key)
    if not isinstance(values, list) or not values:
        hint = "expected a benchmark run with --save-result --save-detailed"
        if key == "start_times" and "input_lens" in result:
            hint += " by a version of vLLM that notes when requests start"
        raise DataError(f"has no {key}; {hint}", str(path))
    return values


def from_log(path: Path, columns: LogColumns, *, skip_failed: bool = False) -> Trace:
    """The requests of a gateway's log: CSV, CSV.gz, JSONL or Parquet, one row a request.

    Parameters
    ----------
    skip_failed
        Leave out rows without tokens (none, or 0), which are errors otherwise.

    Raises
    ------
    DataError
        That names the first bad row, from 1, and its value.
    """
    import polars as pl

    wanted = [columns.time, columns.prompt_tokens, columns.output_tokens, *filter(None, [columns.tenant])]
    frame = read(path, wanted)
    failed = np.zeros(frame.height, bool)
    if skip_failed:
        values = {c: pl.col(c).cast(pl.Float64, strict=False) for c in _tokens_of(columns)}
        none = [pl.col(c).is_null() | (value == 0).fill_null(False) for c, value in values.items()]
        failed = frame.select(failed=pl.any_horizontal(none))["failed"].to_numpy()
    notes = [f"rows without tokens are left out: {failed.sum():,}"] if failed.any() else []
    return _trace(frame, columns, path, failed, notes)


def _trace(
    frame: pl.DataFrame, columns: LogColumns, path: Path, failed: NDArray[np.bool_], notes: Sequence[str]
) -> Trace:
    """All rows are looked at, so that an error names the row of the file; those that failed are then left out."""
    import polars as pl

    if failed.all():
        raise DataError("no request of it was answered; expected some", str(path))
    ones = [pl.when(pl.Series(failed)).then(pl.lit(1)).otherwise(pl.col(c)).alias(c) for c in _tokens_of(columns)]
    time_s = _seconds(frame, columns, path)[~failed]
    filled = frame.with_columns(ones) if failed.any() else frame
    order = np.argsort(time_s, kind="stable")
    found: dict[str, Any] = {"arrival_s": time_s[order] - time_s.min()}
    for name, column in zip(("prompt_tokens", "output_tokens"), _tokens_of(columns), strict=True):
        found[name] = token_counts(filled, column, path)[~failed][order]
    if columns.tenant is not None:
        tenants = texts(frame, columns.tenant, path)
        found["tenant"] = [tenants[i] for i in np.flatnonzero(~failed)[order]]
    return Trace(pl.DataFrame(found), tuple(notes))


def _tokens_of(columns: LogColumns) -> tuple[str, str]:
    return columns.prompt_tokens, columns.output_tokens


def _seconds(frame: pl.DataFrame, columns: LogColumns, path: Path) -> Floats:
    import polars as pl

    series, form = frame[columns.time], columns.time_format
    if isinstance(series.dtype, pl.Datetime):
        return np.asarray((series.dt.epoch("us").to_numpy() - series.dt.epoch("us").min()) * 1e-6)
    if form == "iso" or (form == "auto" and series.dtype == pl.String):
        return _iso_seconds(series, path)
    values = numbers(frame, columns.time, path)
    late = series.cast(pl.Float64) > LATEST_S
    if form != "ms" and late.any():
        raise first_bad(columns.time, late, series, "seconds; --time-format ms for milliseconds", path)
    return values * (1e-3 if form == "ms" else 1.0)


def _iso_seconds(series: pl.Series, path: Path) -> Floats:
    """Seconds since the first: subtracted as whole microseconds, which lose nothing."""
    import polars as pl

    expected = "a date and time such as 2023-11-16T18:15:46Z"
    moments = [_moment(text) for text in series.cast(pl.String)]
    bad = pl.Series([m is None for m in moments])
    if bad.any():
        raise first_bad(series.name, bad, series, expected, path)
    first = min(m for m in moments if m is not None)
    return np.array([(m - first).total_seconds() for m in moments if m is not None])


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat((text or "").strip())
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def write_trace(trace: Trace, target: Path) -> None:
    """Writes a trace whole, or nothing: CSV, CSV.gz, JSONL or Parquet, by the file's name.

    Raises
    ------
    OutputError
        If the file exists, is of another kind, or cannot be written.
    """
    kind = next((k for k in sorted(KINDS, key=len, reverse=True) if target.name.lower().endswith(k)), None)
    if kind is None:
        raise OutputError(f"{target}: cannot tell its kind by its name; expected {', '.join(KINDS)}")
    check_free(target, "file")
    with whole_or_absent(target) as beside:
        if kind == ".parquet":
            trace.frame.write_parquet(beside)
        elif kind == ".jsonl":
            trace.frame.write_ndjson(beside)
        elif kind == ".csv":
            trace.frame.write_csv(beside)
        else:
            beside.write_bytes(gzip.compress(trace.frame.write_csv().encode(), mtime=0))
