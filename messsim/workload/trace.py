"""A trace of requests: when they came, and how long their prompts and answers were."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from messsim.errors import DataError
from messsim.scenario import arrivals as scenario_arrivals
from messsim.scenario.laws import Tokens

from .apart import FIRST, FirstOfLists
from .blocks import blocks, schema_of
from .choosing import way_past
from .chunk import Floats, Ints
from .counts import CountsColumn
from .doubts import doubts
from .growing import Growing
from .hashes import HashIds, Runs
from .links import Links, TraceTurns
from .prompts import Paths, Turns
from .readers import texts
from .time_form import TimeForm
from .times import Times
from .unread import PROMPTS, unread

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Lengths", "TraceRows", "read_lengths", "read_trace"]

OTHERS = "others"  # the tenant that stands for all who are none
TENANT = "tenant\0"  # no column of a file
MOST_NAMED = 8  # tenants that an error names
AT_ONCE_S = 1.0  # for the rate of a trace whose requests all come at one time, and that is not repeated


@dataclass(frozen=True)
class TraceRows:
    """The trace's rows in order of time, from 0 s on; of sessions in order of their first turns.

    `period_s` is what a repetition adds: the span and one mean gap. Token columns are None unless asked.
    `tenant` is who asks, by place in the scenario's tenants, where the trace says so. `file` names it, `file_rows` are
    all its rows, and `first_row` is the first of them in order of time that is here;
    `file_rate_rps` is the mean rate of all of them, stretched as these are.
    `turns` says which rows are turns of sessions, whose `time_s` is the one before which they are not sent, and `runs`
    what prompts share.
    """

    time_s: Floats
    period_s: float
    prompt_tokens: Ints | None
    output_tokens: Ints | None
    notes: tuple[str, ...] = ()
    file: str = ""
    file_rows: int = 0
    first_row: int = 0
    file_rate_rps: float | None = None
    tenant: Ints | None = None
    turns: TraceTurns | None = None
    runs: Runs | None = None
    in_order: ClassVar[bool] = True  # requests take the rows one after the other, as in `Lengths`

    def __len__(self) -> int:
        return len(self.time_s)

    @property
    def has_tokens(self) -> bool:
        """Whether it says how long prompts or answers are."""
        return self.prompt_tokens is not None or self.output_tokens is not None

    def requests_before(self, horizon_s: float, *, repeat: bool) -> int:
        """How many requests come before a deadline."""
        turns = int(horizon_s // self.period_s) if repeat else 0
        if self.turns is not None:
            late = np.flatnonzero((self.time_s + turns * self.period_s >= horizon_s) & self.turns.begins)
            return turns * len(self) + (int(late[0]) if late.size else len(self))
        rest = int(np.searchsorted(self.time_s + turns * self.period_s, horizon_s, side="left"))
        return turns * len(self) + rest

    def rate_rps(self, requests: int) -> float:
        """Mean rate of the first `requests`, requests per second; of whole repetitions that of the trace."""
        again, rest = divmod(requests, len(self))
        span_s = again * self.period_s + float(self.time_s[:rest].max()) if rest else 0.0
        return (requests - 1) / span_s if span_s > 0 else len(self) / self.period_s

    # ---- sessions, and what prompts share ---------------------------------------------------------------

    def begins(self, first: int, n: int) -> NDArray[np.bool_]:
        """Whether each of n requests begins a session."""
        assert self.turns is not None
        return self.turns.begins[np.arange(first, first + n) % len(self)]

    def stretch(self, first: int, least: int) -> int:
        """How many requests from one on make whole sessions, at least so many unless the trace begins again before."""
        assert self.turns is not None
        row = first % len(self)
        following = np.flatnonzero(self.turns.begins[row + least :])
        return least + int(following[0]) if following.size else len(self) - row

    def made_of(self, first: int, n: int, prompt_tokens: Ints) -> tuple[Turns | None, Paths | None]:
        """Turns and paths of n requests from `first` on; no turns where they do not begin with a session."""
        again, rows = np.divmod(np.arange(first, first + n), len(self))
        paths = None if self.runs is None else self.runs.paths(rows, again, first, prompt_tokens)
        whole = self.turns
        if whole is None:
            return None, paths
        parent = np.where(whole.parent[rows] >= 0, whole.parent[rows] - rows + np.arange(n), -1)
        if ((parent < 0) & (whole.parent[rows] >= 0)).any():
            return None, paths
        session = whole.session[rows] + again * (int(whole.session[-1]) + 1)
        return Turns(session, whole.turn[rows], parent.astype(np.int32), whole.wait_s[rows]), paths


@dataclass(frozen=True)
class Lengths:
    """Lengths of prompts and answers, row by row; None unless asked.

    `in_order`: requests take the rows one after the other; else any by chance, a prompt with its answer.
    """

    prompt_tokens: Ints | None
    output_tokens: Ints | None
    in_order: bool
    notes: tuple[str, ...] = ()


def read_lengths(law: Tokens, path: Path, *, prompt: bool, output: bool) -> Lengths:
    """Reads a file of lengths without times."""
    names = law.columns
    tokens = {c: Growing(np.int32) for c in [names.prompt_tokens] * prompt + [names.output_tokens] * output}
    columns_read = {column: CountsColumn(column, path) for column in tokens}
    notes: list[str] = []
    for before, frame in blocks(path, list(tokens), notes):
        for column, counts in tokens.items():
            counts.add(_token_counts(columns_read[column], frame, path, before))
    columns = {column: counts.array() for column, counts in tokens.items()}
    notes += (note for column in columns_read.values() for note in column.notes())
    return Lengths(
        columns[names.prompt_tokens] if prompt else None,
        columns[names.output_tokens] if output else None,
        law.order == "file",
        tuple(f"{path.name}: {note}" for note in notes),
    )


class _Tenants:
    """A column of who asks, as places in the scenario's list of tenants."""

    def __init__(self, column: str | None, tenants: list[str], path: Path) -> None:
        self.columns = [] if column is None else [column]
        self._places = {name: i for i, name in enumerate(tenants)}
        self._path = path
        self.indices = Growing(np.int32)

    def add(self, frame: pl.DataFrame, before: int) -> None:
        """The next rows; whoever is no tenant is OTHERS, where there is such a tenant."""
        for column in self.columns:
            names = texts(frame, column, self._path)
            places = [self._place(name) for name in names]
            if min(places, default=0) < 0:
                row = places.index(-1)
                known = ", ".join(list(self._places)[:MOST_NAMED])
                raise DataError(
                    f"column {column!r} has {names[row]!r} in row {before + row + 1}, which is no tenant; expected one "
                    f"of {known}, or a tenant named {OTHERS!r} for all that are none",
                    str(self._path),
                )
            self.indices.add(np.array(places, np.int32))

    def _place(self, name: str) -> int:
        """That of a tenant; True and False, as programs write them, are also those that TOML and JSON call so."""
        if name not in self._places and name.lower() in ("true", "false"):
            name = name.lower()
        return self._places.get(name, self._places.get(OTHERS, -1))


def read_trace(
    law: scenario_arrivals.Trace, path: Path, *, prompt: bool, output: bool, tenants: list[str] | None = None
) -> TraceRows:
    """Reads, sorts (stably, with a note), cuts to the window, starts at 0 and stretches to the rate.

    Memory is that of the arrays, 8 bytes a time and 4 a token count, whatever else the file holds, and half as much
    again for a while; rows that are not in order of time are copied, and sorted by 8 bytes each.
    """
    names = law.columns
    form = TimeForm(names.time_format, names.time_zone, "arrivals.columns.time_format")
    times = Times(names.time, path, form, least=0.0)
    tokens = {c: Growing(np.int32) for c in [names.prompt_tokens] * prompt + [names.output_tokens] * output}
    who = _Tenants(names.tenant, tenants or [], path)
    links, hashes = Links(names, path), HashIds(names.hash_ids if prompt else None, path, law.block_tokens)
    left, read = _unread(names, path), _read_blocks(path, names, times, tokens, who, links, hashes)
    time_s = times.seconds()
    notes = [f"{path.name}: {note}" for note in (*read, *times.notes, *left, *hashes.notes())]
    if names.hash_ids is not None and not prompt:
        notes.append(f"{path.name}: {names.hash_ids} is left out: no prompt is as long as the trace says")
    columns: dict[str, Ints] = {column: counts.array() for column, counts in tokens.items()}
    columns |= {TENANT: who.indices.array()} if who.columns else {}
    runs = hashes.runs(columns[names.prompt_tokens]) if hashes.columns else None
    linked = links.turns(time_s)
    turns, order = None, _order(time_s)
    if linked is None and order is not None:
        notes.append(f"{path.name}: arrivals are not in order of time; they are sorted")
    if linked is not None:
        turns, time_s, more = linked
        order = turns.order
        notes += [f"{path.name}: {note}" for note in more]
    rows, time_s = len(time_s), time_s if order is None else time_s[order]
    time_s -= time_s.min()
    in_order = time_s if turns is None else np.sort(time_s)
    notes += [f"{path.name}: {note}" for note in doubts(in_order, form, dates=times.have_unit)]
    first_row, file_period_s = 0, _period_s(time_s)
    if law.window_s is not None:
        inside = _inside(law.window_s, time_s, turns, path)
        first_row = int(inside.start)
        time_s, order = time_s[inside] - law.window_s[0], np.arange(rows)[inside] if order is None else order[inside]
        turns = None if turns is None else turns.within(inside)
    taken = {column: values if order is None else values[order] for column, values in columns.items()}
    as_recorded_s = _period_s(time_s)
    time_s, period_s = _stretched(time_s, law.rate_rps, path, repeat=law.repeat)
    stretched = period_s / as_recorded_s if as_recorded_s else 1.0
    if turns is not None and law.rate_rps is not None and turns.wait_s.any():
        notes.append(f"{path.name}: time is stretched, but {names.delay} is as recorded")
    return TraceRows(
        time_s,
        period_s,
        taken[names.prompt_tokens] if prompt else None,
        taken[names.output_tokens] if output else None,
        tuple(notes),
        path.name,
        rows,
        first_row,
        rows / (file_period_s * stretched) if file_period_s else None,
        taken.get(TENANT),
        turns,
        None if runs is None else runs.taken(np.arange(rows) if order is None else order),
    )


def _unread(names: scenario_arrivals.Columns, path: Path) -> list[str]:
    """A note on sessions and hashes in the file that no column is named for.

    It stands before the reading of rows: JSON, all of which is parsed for it, is then let go.
    """
    if names.has_sessions and names.hash_ids is not None:
        return []
    named = [value for value in names.model_dump().values() if isinstance(value, str)]
    note = unread(schema_of(path), named, PROMPTS)
    return [f"{note}; arrivals.columns names what is read"] if note else []


def _token_counts(counts: CountsColumn, frame: pl.DataFrame, path: Path, before: int) -> Ints:
    """Token counts, and what to do with requests that have none: a scenario takes all rows."""
    try:
        return counts.read(frame, before)
    except DataError as error:
        way = partial(way_past, condition=f"{counts.column}>0", what="tokens", command="messsim import ")
        raise DataError([problem + way(problem) for problem in error.problems], str(path)) from None


def _read_blocks(
    path: Path,
    names: scenario_arrivals.Columns,
    times: Times,
    tokens: dict[str, Growing],
    who: _Tenants,
    links: Links,
    hashes: HashIds,
) -> list[str]:
    """Hands the blocks of the file to all that collect columns of it; returns what the reader has to note."""
    notes: list[str] = []
    columns_read = {column: CountsColumn(column, path) for column in tokens}
    wanted = [names.time, *tokens, *who.columns, *links.columns, *hashes.columns]
    firsts = FirstOfLists(tokens, schema_of(path) if any(FIRST in column for column in tokens) else {}, path)
    for before, frame in blocks(path, [*wanted, *firsts.columns], notes, labels=[*who.columns, *links.labels]):
        firsts.add(frame)
        times.add(links.with_times(frame, names.time), before)
        who.add(frame, before)
        links.add(frame, before)
        for column, counts in tokens.items():
            counts.add(here := _token_counts(columns_read[column], frame, path, before))
            if column == names.prompt_tokens:
                hashes.add(frame, here, before)
    return [*notes, *(note for column in columns_read.values() for note in column.notes()), *firsts.notes()]


def _inside(window_s: list[float], time_s: Floats, turns: TraceTurns | None, path: Path) -> slice:
    """The rows in a window of the trace's time; of chats, those of all that begin in it."""
    begins_s = time_s if turns is None else time_s[turns.first]
    inside = slice(*np.searchsorted(begins_s, window_s, side="left"))
    if len(time_s[inside]) == 0:
        raise DataError(f"has no rows in window_s = {window_s} s", str(path))
    return inside


def _order(time_s: Floats) -> NDArray[np.int64] | None:
    """The rows in order of time, those of one time as they stand; None if they are: arrays then need no copy."""
    in_order = (time_s[1:] >= time_s[:-1]).all()
    return None if in_order else np.argsort(time_s, kind="stable")


def _period_s(time_s: Floats) -> float:
    """Span and one mean gap, seconds; 0 where all are at one time."""
    span_s = float(time_s.max() - time_s.min())
    return span_s + span_s / (len(time_s) - 1) if span_s > 0 else 0.0


def _stretched(time_s: Floats, rate_rps: float | None, path: Path, *, repeat: bool) -> tuple[Floats, float]:
    period_s = _period_s(time_s)
    if period_s <= 0 and rate_rps is None:
        if not repeat:
            return time_s, AT_ONCE_S
        raise DataError(
            f"all {len(time_s)} arrivals are at one time, so there is no rate; expected arrivals.rate_rps, or "
            "arrivals.repeat = false",
            str(path),
        )
    if period_s <= 0 and rate_rps is not None:
        return time_s - time_s.min(), len(time_s) / rate_rps
    if rate_rps is None:
        return time_s, period_s
    factor = len(time_s) / period_s / rate_rps
    return time_s * factor, period_s * factor
