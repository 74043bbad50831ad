"""Traces from what others wrote down: results of ``vllm bench serve``, and logs of gateways.

A trace is what ``arrivals.kind = "trace"`` reads: `arrival_s` (seconds since the first request), `prompt_tokens`,
`output_tokens`, and `tenant` where one was asked for.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from messsim import files
from messsim.errors import DataError, OutputError
from messsim.results import check_free, whole_or_absent
from messsim.workload.blocks import blocks
from messsim.workload.chunk import Floats
from messsim.workload.growing import Growing
from messsim.workload.readers import first_bad, numbers, texts, token_counts

if TYPE_CHECKING:
    import polars as pl

__all__ = ["KINDS", "LogColumns", "Trace", "from_log", "from_vllm", "write_trace"]

KINDS = (".csv", ".csv.gz", ".parquet", ".jsonl")
BLOCK_ROWS = 1 << 20
EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
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

    @property
    def tokens(self) -> tuple[str, str]:
        """The columns of token counts."""
        return self.prompt_tokens, self.output_tokens


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
    if not isinstance(errors, list):
        raise DataError(f"errors: expected a list of texts, not {type(errors).__name__}", str(path))
    if len({len(errors), *map(len, lists.values())}) > 1:
        told = ", ".join(f"{key} {len(values)}" for key, values in (lists | {"errors": errors}).items())
        raise DataError(f"its lists differ in length: {told}", str(path))
    failed = np.array([bool(error) for error in errors])
    import polars as pl

    try:
        frame = pl.DataFrame(lists)
    except (TypeError, OverflowError, pl.exceptions.PolarsError) as error:
        raise DataError(f"its lists do not hold numbers alone: {error}", str(path)) from None
    notes = [f"requests that failed are left out: {failed.sum():,}"] if failed.any() else []
    if result.get("max_concurrency"):
        notes.append(
            f"at most {result['max_concurrency']} requests ran at once (--max-concurrency): times are when one was "
            "sent, not when it would have come; arrivals.kind = 'closed' is that benchmark"
        )
    rows = _Rows(LogColumns("start_times", "input_lens", "output_lens", time_format="s"), path)
    rows.add(frame, failed, 0)
    return rows.trace(notes)


def _result(path: Path) -> dict[str, Any]:
    expected = "is no JSON object that `vllm bench serve --save-result` writes"
    try:
        result = files.read_json(path)
    except OSError as error:
        raise DataError(files.why(error), str(path)) from None
    except ValueError as error:  # no UTF-8, no JSON, or a number of thousands of digits
        raise DataError(f"{expected}: {error}", str(path)) from None
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
    wanted = [columns.time, *columns.tokens, *filter(None, [columns.tenant])]
    rows = _Rows(columns, path)
    for before, frame in blocks(path, wanted):
        rows.add(frame, _without_tokens(frame, columns) if skip_failed else np.zeros(frame.height, bool), before)
    notes = [f"rows without tokens are left out: {rows.failed:,}"] if rows.failed else []
    return rows.trace(notes)


def _without_tokens(frame: pl.DataFrame, columns: LogColumns) -> NDArray[np.bool_]:
    import polars as pl

    values = {c: pl.col(c).cast(pl.Float64, strict=False) for c in columns.tokens}
    none = [pl.col(c).is_null() | (value == 0).fill_null(False) for c, value in values.items()]
    return frame.select(failed=pl.any_horizontal(none))["failed"].to_numpy()


class _Rows:
    """The requests of a file, block by block: of all rows, so that an error names the row of the file.

    Those that failed are then left out. Memory is that of the arrays: 16 bytes a request, 20 with tenants.
    """

    def __init__(self, columns: LogColumns, path: Path) -> None:
        self._columns, self._path = columns, path
        self._times: tuple[float, Growing] | None = None  # how many of its units are a second
        self._tokens = [Growing(np.int32), Growing(np.int32)]
        self._tenants = Growing(np.int32)
        self._names: dict[str, int] = {}
        self.failed = 0

    def add(self, frame: pl.DataFrame, failed: NDArray[np.bool_], before: int) -> None:
        """Takes the next rows of the file; so many came before."""
        import polars as pl

        columns, path = self._columns, self._path
        per_second, times = _times(frame, columns, path, before)
        if self._times is None:
            self._times = per_second, Growing(times.dtype)
        if per_second != self._times[0]:
            other = frame[columns.time]
            raise first_bad(
                columns.time, other.is_not_null(), other, "times of one kind, as in the rows before", path, before
            )
        self._times[1].add(times[~failed])
        ones = [pl.when(pl.Series(failed)).then(pl.lit(1)).otherwise(pl.col(c)).alias(c) for c in columns.tokens]
        filled = frame.with_columns(ones) if failed.any() else frame
        for counts, column in zip(self._tokens, columns.tokens, strict=True):
            counts.add(token_counts(filled, column, path, before)[~failed])
        if columns.tenant is not None:
            numbered = [self._names.setdefault(t, len(self._names)) for t in texts(frame, columns.tenant, path)]
            self._tenants.add(np.array(numbered, np.int32)[~failed])
        self.failed += int(failed.sum())

    def trace(self, notes: Sequence[str]) -> Trace:
        """All of them, in order of time."""
        import polars as pl

        if self._times is None or len(self._times[1]) == 0:
            raise DataError("no request of it was answered; expected some", str(self._path))
        per_second, times = self._times[0], self._times[1].array()
        found: dict[str, NDArray[Any]] = {"arrival_s": _since_first(times, per_second)}
        names = ("prompt_tokens", "output_tokens")
        found |= {name: counts.array() for name, counts in zip(names, self._tokens, strict=True)}
        if self._columns.tenant is not None:
            found["tenant"] = self._tenants.array()
        if (np.diff(found["arrival_s"]) < 0).any():
            order = np.argsort(found["arrival_s"], kind="stable")
            found = {name: values[order] for name, values in found.items()}
        frame = pl.DataFrame(found)
        if self._columns.tenant is not None:
            tenants = pl.Series(list(self._names), dtype=pl.String)
            frame = frame.with_columns(tenant=tenants.gather(frame["tenant"]))
        return Trace(frame, tuple(notes))


def _since_first(times: NDArray[Any], per_second: float) -> Floats:
    """Seconds since the first."""
    times -= times.min()
    return times if per_second == 1.0 else times / per_second


def _times(frame: pl.DataFrame, columns: LogColumns, path: Path, before: int) -> tuple[float, NDArray[Any]]:
    """Times and how many of their units are a second: dates are whole microseconds, which lose nothing."""
    import polars as pl

    series, form = frame[columns.time], columns.time_format
    if isinstance(series.dtype, pl.Datetime):
        if series.null_count():
            raise first_bad(series.name, series.is_null(), "no value", "a date and time", path, before)
        return 1e6, series.dt.epoch("us").to_numpy()
    if form == "iso" or (form == "auto" and series.dtype == pl.String):
        return 1e6, _iso_micros(series, path, before)
    values = numbers(frame, columns.time, path, before=before)
    late = pl.Series(values) > LATEST_S
    if form != "ms" and late.any():
        raise first_bad(columns.time, late, series, "seconds; --time-format ms for milliseconds", path, before)
    return 1.0, values * (1e-3 if form == "ms" else 1.0)


def _iso_micros(series: pl.Series, path: Path, before: int) -> NDArray[np.int64]:
    """Microseconds since 1970."""
    import polars as pl

    expected = "a date and time such as 2023-11-16T18:15:46Z"
    moments = [_moment(text) for text in series.cast(pl.String)]
    bad = pl.Series([m is None for m in moments])
    if bad.any():
        raise first_bad(series.name, bad, series, expected, path, before)
    return np.array([(m - EPOCH) // MICROSECOND for m in moments if m is not None], np.int64)


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
    with whole_or_absent(target) as beside, beside.open("wb") as file:
        if kind == ".parquet":
            trace.frame.write_parquet(file)
        elif kind == ".csv":
            trace.frame.write_csv(file)
        elif kind == ".jsonl":
            trace.frame.write_ndjson(file)
        else:
            with gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed:
                for start in range(0, trace.frame.height, BLOCK_ROWS):
                    part = trace.frame.slice(start, BLOCK_ROWS)
                    packed.write(part.write_csv(include_header=start == 0).encode())
