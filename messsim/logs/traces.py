"""Traces from what others wrote down: logs of gateways, results of benchmarks, public traces.

A trace is what ``arrivals.kind = "trace"`` reads: `arrival_s` (seconds since the first request), `prompt_tokens`,
`output_tokens`, and `tenant` where one was asked for. A file without times gives lengths alone.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from messsim.errors import DataError, OutputError
from messsim.results import check_free, whole_or_absent
from messsim.scenario.arrivals import Columns
from messsim.shapes.logs import ImportedTrace, TenantShare, TokenCounts
from messsim.workload.apart import FirstOfLists
from messsim.workload.blocks import blocks, schema_of
from messsim.workload.choosing import Chooser, way_past
from messsim.workload.counts import CountsColumn
from messsim.workload.doubts import bursts, doubts
from messsim.workload.growing import Growing
from messsim.workload.nested import column_of
from messsim.workload.readers import filled, texts
from messsim.workload.time_form import TimeForm
from messsim.workload.times import Times
from messsim.workload.unread import unread

from .looking import sums_over_time
from .made_of import BLOCK_TOKENS, WRITTEN, MadeOf, as_text, columns_of
from .presets import PRESETS, Preset, first_of, lacking, recognised
from .server_logs import server_log
from .took import Took
from .trace_hints import (
    DEFAULTS,
    NO_TIMES,
    UNUSED,
    Summed,
    beside_prompts,
    lengths_alone,
    named_twice,
    what_is_missing,
    when_done,
)

if TYPE_CHECKING:
    import polars as pl

__all__ = ["KINDS", "OTHERS", "Reading", "Trace", "TraceColumns", "plan_reading", "read_requests", "write_trace"]

KINDS = (".csv", ".csv.gz", ".parquet", ".jsonl")
BLOCK_ROWS = 1 << 20
MOST_TENANTS = 20
OTHERS, NOBODY = "others", "(none)"


@dataclass(frozen=True)
class TraceColumns:
    """Which columns of a file mean what, as far as the user says; None: as the tool that wrote it calls them.

    Attributes
    ----------
    tenant
        Column of who asked; None: left out.
    """

    time: str | None = None
    prompt_tokens: str | None = None
    output_tokens: str | None = None
    tenant: str | None = None


@dataclass(frozen=True)
class Reading:
    """How a file is read: whose it is, its columns, and how it writes times."""

    preset: Preset | None
    time: str | None
    prompt_tokens: str
    output_tokens: str
    tenant: str | None
    form: TimeForm
    chooser: Chooser
    notes: tuple[str, ...] = ()
    made_of: Columns = field(default_factory=Columns)  # what prompts are made of: hashes and sessions
    took: str | None = None  # column of how long an answer took, in ns, where times are when it was done
    schema: Mapping[str, Any] = field(default_factory=dict)  # of the file

    @property
    def block_tokens(self) -> int:
        """Tokens of a block that hashes name."""
        return (self.preset.block_tokens if self.preset is not None else None) or BLOCK_TOKENS


@dataclass(frozen=True)
class Trace:
    """Requests in order of time, and what deserves to be said of them.

    Attributes
    ----------
    rate_rps
        That of a benchmark whose file says no times, where it says so, requests per second.
    columns
        What prompts are made of: columns by the keys of arrivals.columns that they are.
    block_tokens
        Tokens of a block that hashes name; None without any.
    start
        The date of time 0, where the file says it; with a Z in UTC.
    """

    frame: pl.DataFrame
    notes: tuple[str, ...] = ()
    source: str | None = None
    rate_rps: float | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    block_tokens: int | None = None
    start: str | None = None

    @property
    def has_times(self) -> bool:
        """Whether it says when requests came."""
        return "arrival_s" in self.frame.columns

    def summary(self) -> ImportedTrace:
        """How many there are, how fast they come, how long they are, who asks."""
        span_s = float(self.frame["arrival_s"][-1]) if self.has_times else None
        count = self.frame.height
        tenants: list[TenantShare] = []
        if "tenant" in self.frame.columns:
            shares = self.frame["tenant"].value_counts().sort("count", "tenant", descending=[True, False])
            tenants = [{"name": name, "share": n / count} for name, n in shares.iter_rows()]
        return {
            "requests": count,
            "format": self.source,
            "start": self.start,
            "duration_s": span_s,
            "rate_rps": (count - 1) / span_s if span_s else self.rate_rps,
            "prompt_tokens": _counts(self.frame["prompt_tokens"].to_numpy()),
            "output_tokens": _counts(self.frame["output_tokens"].to_numpy()),
            "tenants": tenants,
            "columns": dict(self.columns),
            "block_tokens": self.block_tokens,
            "notes": list(self.notes),
        }


def _counts(tokens: NDArray[Any]) -> TokenCounts:
    p50, p99 = np.quantile(tokens, [0.5, 0.99])
    return {"mean": float(tokens.mean()), "p50": float(p50), "p99": float(p99), "max": float(tokens.max())}


# ---- whose file it is -----------------------------------------------------------------------------------


def plan_reading(
    path: Path, columns: TraceColumns, form: TimeForm | None = None, chooser: Chooser | None = None, kind: str = "auto"
) -> Reading:
    """Finds out how to read a file: what the user says goes before what its tool is known to write.

    Parameters
    ----------
    kind
        "auto": known by its columns; "log": no tool that is known; or the name of a preset.

    Raises
    ------
    DataError
        If a column is missing: with what the file looks like, and the options that name columns.
    """
    schema = _schema(path)
    preset = _preset(schema, kind, path)
    given = {"time": columns.time, "prompt_tokens": columns.prompt_tokens, "output_tokens": columns.output_tokens}
    if preset is not None and preset.lacks and not all(given.values()):
        raise DataError(f"looks like {preset.title}, which {preset.refusal}", str(path))
    by_preset: dict[str, str | None] = dict.fromkeys(given)
    if preset is not None:
        by_preset = {
            "time": first_of(schema, preset.time),
            "prompt_tokens": first_of(schema, preset.prompt, in_text=preset.in_text),
            "output_tokens": first_of(schema, preset.output, in_text=preset.in_text),
        }
    names = {key: given[key] or by_preset[key] for key in given}
    without_times = given["time"] == NO_TIMES or (preset is not None and names["time"] is None and not given["time"])
    for key, default in DEFAULTS.items():
        names[key] = names[key] or (default if preset is None else None)
    if without_times:
        names["time"] = None
    wanted = [n for k, n in names.items() if n is not None]
    missing = [n for n in wanted if column_of(schema, n) is None]
    unnamed = [k for k, n in names.items() if n is None and not (k == "time" and without_times)]
    if missing or unnamed:
        raise _lacking(what_is_missing(schema, preset, missing, unnamed, path), given.values(), path)
    if len(set(wanted)) < len(wanted):
        raise DataError(named_twice(names), str(path))
    form, chooser, notes = form or TimeForm(), chooser or Chooser(), []
    if preset is not None:
        if form.format == "auto" and names["time"] == by_preset["time"] and preset.unit != "auto":
            form = replace(form, format=preset.unit)
        chooser = _chosen_by(preset, schema, chooser)
        if names["time"] is None and given["time"] is None:
            notes.append(lengths_alone(schema, preset))
        if preset.name != "messsim":
            notes.append(f"read as {preset.title}")
    if chooser.tokens:
        chooser = replace(chooser, tokens=(str(names["prompt_tokens"]), str(names["output_tokens"])))
    made_of = Columns() if preset is None or names["time"] is None else _made_of(schema, preset)
    used = [*wanted, columns.tenant, *columns_of(made_of).values(), *chooser.columns]
    apart, longer = beside_prompts(schema, str(names["prompt_tokens"]))
    notes += [*filter(None, [unread(schema, [*used, *apart], UNUSED)]), *longer, *when_done(given["time"])]
    took = preset.took if preset is not None and names["time"] in preset.time else None
    return Reading(
        preset, names["time"], str(names["prompt_tokens"]), str(names["output_tokens"]), columns.tenant, form, chooser,
        tuple(notes), made_of, took or None, schema,
    )  # fmt: skip


def _lacking(problems: list[str], named: Iterable[str | None], path: Path) -> DataError:
    return (None if any(named) else server_log(path)) or DataError(problems, str(path))


def _schema(path: Path) -> Mapping[str, Any]:
    """The columns of a file; of a log in words the error says whose it is."""
    try:
        return schema_of(path)
    except DataError as error:
        raise server_log(path) or error from None


def _chosen_by(preset: Preset, schema: Mapping[str, Any], chooser: Chooser) -> Chooser:
    """Which rows count, without those that its tool leaves out, unless the user names a value of their column."""
    by_user = {condition.column for condition in chooser.select if condition.operator == "="}
    select = tuple(
        c for c in preset.select if c.column not in by_user and column_of(schema, c.column, in_text=False) is not None
    )
    chooser = replace(chooser.with_select(select), unique=chooser.unique or first_of(schema, preset.identity))
    return replace(chooser, tokens=("",)) if preset.skip_failed and not chooser.tokens else chooser


def _made_of(schema: Mapping[str, Any], preset: Preset) -> Columns:
    """What its prompts are made of, as far as the file says: of sessions all columns or none."""
    there = {key: name for key, name in preset.prompts.items() if name in schema}
    for whole in (("session", "delay"), ("chat", "parent")):
        if not all(key in there for key in whole):
            there = {key: name for key, name in there.items() if key not in whole}
    if "parent" not in there:
        there.pop("turn", None)
    return Columns(**there, delay_format=preset.delay_format)


def _preset(schema: Mapping[str, Any], kind: str, path: Path) -> Preset | None:
    if kind == "log":
        return None
    if kind == "auto":
        return recognised(schema)
    preset = next(p for p in PRESETS if p.name == kind)
    lacks = [t.replace("|", " or ") for t in lacking(schema, preset)]
    if lacks and not preset.lacks:
        summary = recognised(schema)
        if summary is not None and summary.name == f"{kind}-summary":
            return summary
        looks = f"; it looks like {summary.title}: --from {summary.name}" if summary is not None else ""
        raise DataError(f"is not {preset.title}: it lacks {', '.join(lacks)}{looks}", str(path))
    return preset


# ---- its requests ---------------------------------------------------------------------------------------


def read_requests(path: Path, reading: Reading, *, most_tenants: int = MOST_TENANTS) -> Trace:
    """The requests of a file, in order of time.

    Raises
    ------
    DataError
        That names the first bad row, from 1, and its value.
    """
    rows, notes, extra = _Rows(reading, path), list(reading.notes), _Extra(reading)
    wanted = [*filter(None, [reading.time]), reading.prompt_tokens, reading.output_tokens, *reading.chooser.columns]
    wanted += [reading.tenant] if reading.tenant else []
    wanted += columns_of(reading.made_of).values()
    schema = reading.schema
    summed = Summed(schema if reading.preset is None else {})
    wanted += [c for c in [*extra.columns, *summed.columns, *filter(None, [reading.took])] if c in schema]
    firsts = FirstOfLists((reading.prompt_tokens, reading.output_tokens), schema, path)
    wanted += firsts.columns
    numbers = (reading.time, reading.prompt_tokens, reading.output_tokens)
    made_of, chooser = reading.made_of, reading.chooser
    named = (reading.tenant, chooser.unique, made_of.session, made_of.chat, made_of.parent)
    chooser.labels = [c for c in named if c is not None and c not in numbers]
    for before, frame in blocks(path, wanted, notes, chooser.labels):
        extra.add(frame)
        summed.add(frame)
        rows.add(frame, keep := chooser.keep(frame, path), before)
        firsts.add(frame, keep)
    chooser.check(path)
    frame, more = rows.frame(most_tenants)
    notes += [*chooser.notes(), *more, *extra.notes(), *summed.notes(), *firsts.notes()]
    columns = {key: WRITTEN[key] for key in columns_of(reading.made_of)}
    block_tokens = reading.block_tokens if "hash_ids" in columns else None
    source = None if reading.preset is None else reading.preset.name
    return Trace(frame, tuple(notes), source, extra.rate_rps, columns, block_tokens, rows.start)


@dataclass
class _Extra:
    """What a benchmark's file says of itself in every row."""

    reading: Reading
    clients: set[int] = field(default_factory=set)
    rates: set[float] = field(default_factory=set)

    @property
    def columns(self) -> list[str]:
        preset = self.reading.preset
        return [] if preset is None else [c for c in (preset.clients, preset.rate) if c]

    def add(self, frame: pl.DataFrame) -> None:
        preset = self.reading.preset
        if preset is None:
            return
        for column, values in ((preset.clients, self.clients), (preset.rate, self.rates)):
            if column in frame.columns and frame[column].dtype.is_numeric():
                values |= set(frame[column].drop_nulls().unique().to_list())

    @property
    def rate_rps(self) -> float | None:
        return float(next(iter(self.rates))) if len(self.rates) == 1 else None

    def notes(self) -> list[str]:
        if not any(self.clients):
            return []
        times = ""
        if self.reading.time is not None:
            times = " times are when one was sent, not when it would have come;"
        limit = f"at most {max(self.clients)} requests ran at once (--max-concurrency):"
        return [f"{limit}{times} arrivals.kind = 'closed' is that benchmark"]


class _Rows:
    """The requests of a file, block by block: of all rows, so that an error names the row of the file.

    Those that do not count are then left out. Memory is that of the arrays: 16 bytes a request, 20 with tenants.
    """

    def __init__(self, reading: Reading, path: Path) -> None:
        self._reading, self._path = reading, path
        self._times = None if reading.time is None else Times(reading.time, path, reading.form)
        self._tokens = [Growing(np.int32), Growing(np.int32)]
        self._took_s = Took(reading.took, path)
        self._tenants = Growing(np.int32)
        self._names: dict[str, int] = {}
        self._made_of = MadeOf(reading.made_of, path, reading.block_tokens)
        self._read = {c: CountsColumn(c, path) for c in (reading.prompt_tokens, reading.output_tokens)}

    def add(self, frame: pl.DataFrame, keep: NDArray[np.bool_], before: int) -> None:
        """Takes the next rows of the file; so many came before."""
        import polars as pl

        reading, path = self._reading, self._path
        if self._times is not None:
            self._times.add(self._made_of.with_times(frame, str(reading.time)), before, keep)
            self._took_s.add(frame, before, keep)
        columns = (reading.prompt_tokens, reading.output_tokens)
        counted = frame
        for column in () if keep.all() else self._read:
            counted = filled(counted, column, pl.Series(keep), 1)
        for counts, column in zip(self._tokens, columns, strict=True):
            try:
                every = self._read[column].read(counted, before)
            except DataError as error:
                way = partial(way_past, condition=f"{column}>0", what="tokens")
                ways = ["" if reading.chooser.tokens and "skip-failed" in way(p) else way(p) for p in error.problems]
                raise DataError([p + w for p, w in zip(error.problems, ways, strict=True)], str(path)) from None
            counts.add(here := every[keep])
            if counts is self._tokens[0]:
                self._made_of.add(frame, keep, here, before)
        if reading.tenant is not None:
            numbered = [
                self._names.setdefault(t.strip() or NOBODY, len(self._names))
                for t in texts(frame, reading.tenant, path)
            ]
            self._tenants.add(np.array(numbered, np.int32)[keep])

    @property
    def start(self) -> str | None:
        """The date of the earliest."""
        return None if self._times is None else self._times.start

    def frame(self, most_tenants: int) -> tuple[pl.DataFrame, list[str]]:
        """All of them, in order of time, and notes."""
        import polars as pl

        columns: dict[str, NDArray[Any]] = {}
        notes: list[str] = []
        if self._times is not None:
            time_s = self._times.seconds(self._took_s.seconds())
            columns["arrival_s"] = time_s - time_s.min()
            notes += self._times.notes + self._took_s.notes()
        notes += [note for column in self._read.values() for note in column.notes()]
        notes += self._made_of.notes()
        names = ("prompt_tokens", "output_tokens")
        columns |= {name: counts.array() for name, counts in zip(names, self._tokens, strict=True)}
        if self._reading.tenant is not None:
            columns["tenant"] = self._tenants.array()
        order = None
        if self._times is not None:
            notes += self._made_of.check(columns["arrival_s"], columns["prompt_tokens"])
            behind = int((np.diff(columns["arrival_s"]) < 0).sum())
            if behind:
                notes.append(
                    f"rows are not in order of time ({behind:,} are earlier than the row before); they are sorted"
                )
                order = np.argsort(columns["arrival_s"], kind="stable")
                columns = {name: values[order] for name, values in columns.items()}
            notes += doubts(columns["arrival_s"], self._reading.form, dates=self._times.have_unit)
            if self._reading.made_of.delay is None:  # else later turns wait for answers
                notes += bursts(columns["arrival_s"], self._times.of_day_s)
            notes += sums_over_time(columns["arrival_s"]) if self._times.are_dates else []
        frame = self._made_of.beside(pl.DataFrame(columns), order)
        if self._reading.tenant is not None:
            tenants, note = _named_tenants(columns["tenant"], list(self._names), most_tenants)
            frame = frame.with_columns(tenant=tenants)
            notes += note
        return frame, notes


def _named_tenants(rows: NDArray[np.int32], names: list[str], most: int) -> tuple[pl.Series, list[str]]:
    """Who asked, by name: those with the most requests, and all others as one."""
    import polars as pl

    counts = np.bincount(rows, minlength=len(names))
    asked = int((counts > 0).sum())
    if asked <= most:
        return pl.Series(names, dtype=pl.String).gather(rows), []
    kept = set(np.argsort(-counts, kind="stable")[:most].tolist())
    others = OTHERS
    while others in names:
        others += "_"
    shown = [name if i in kept else others for i, name in enumerate(names)]
    share = 1.0 - counts[list(kept)].sum() / len(rows)
    note = (
        f"{asked:,} tenants: the {most} with the most requests are kept, the rest ({100 * share:.3g} %) are {others!r}"
    )
    return pl.Series(shown, dtype=pl.String).gather(rows), [f"{note}; --tenants says how many"]


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
            as_text(trace.frame).write_csv(file)
        elif kind == ".jsonl":
            trace.frame.write_ndjson(file)
        else:
            with gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed:
                for start in range(0, trace.frame.height, BLOCK_ROWS):
                    part = as_text(trace.frame.slice(start, BLOCK_ROWS))
                    packed.write(part.write_csv(include_header=start == 0).encode())
