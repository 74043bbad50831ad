"""Which rows of a trace are turns of one session, and what each of them waits for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from messsim.errors import DataError
from messsim.scenario.arrivals import Columns

from .chunk import Floats, Ints, Numbers
from .growing import Growing
from .readers import Marks, filled, numbers, texts

if TYPE_CHECKING:
    import polars as pl

__all__ = ["NO_PARENT", "Links", "TraceTurns", "plain_names"]

NO_PARENT = ("", "-1", "None", "null")


@dataclass(frozen=True)
class TraceTurns:
    """Rows in order of sessions: those by time of their first turn, and within one the turns.

    Attributes
    ----------
    order : int64 [rows]
        Row of the file, in order of time, that is at each place.
    session, turn, parent, wait_s
        As in `prompts.Turns`; `parent` is a place among all rows.
    """

    order: Numbers
    session: Numbers
    turn: Ints
    parent: Ints
    wait_s: Floats

    @property
    def begins(self) -> NDArray[np.bool_]:
        """Whether each row is the first of its session."""
        return self.parent < 0

    @property
    def first(self) -> Numbers:
        """Place of the first turn of each row's session."""
        return np.flatnonzero(self.begins)[self.session]

    def within(self, inside: slice) -> TraceTurns:
        """Those of neighbouring rows that are whole sessions."""
        parent = self.parent[inside]
        return TraceTurns(
            self.order[inside],
            self.session[inside] - self.session[inside][:1],
            self.turn[inside],
            np.where(parent >= 0, parent - inside.start, -1).astype(np.int32),
            self.wait_s[inside],
        )


class Links:
    """The columns that tell sessions, block by block of the file."""

    def __init__(self, names: Columns, path: Path) -> None:
        self._names, self._path = names, path
        self.columns = [c for c in (names.session, names.delay, names.chat, names.parent, names.turn) if c is not None]
        self.labels = [c for c in (names.session, names.chat, names.parent) if c is not None]
        self._begun: set[str] = set()
        self._sessions: list[str] = []
        self._chats: list[str] = []
        self._parents: list[str] = []
        self._wait_s = Growing(np.float64)
        self._turns = Growing(np.float64)
        self._delay_marks, self._turn_marks = Marks(), Marks()

    def add(self, frame: pl.DataFrame, before: int) -> None:
        """The next rows of the file; so many came before."""
        names = self._names
        if names.session is not None:
            self._sessions += plain_names(texts(frame, names.session, self._path))
            self._add_delays(frame, str(names.delay), before)
        if names.parent is not None:
            self._chats += plain_names(texts(frame, str(names.chat), self._path))
            self._parents += plain_names(texts(frame, names.parent, self._path))
        if names.turn is not None:
            self._turns.add(numbers(frame, names.turn, self._path, before=before, marks=self._turn_marks))

    def _add_delays(self, frame: pl.DataFrame, column: str, before: int) -> None:
        """NaN where there is none."""
        given = frame[column].is_not_null()
        zeros = filled(frame, column, given, 0)
        per_second = 1e3 if self._names.delay_format == "ms" else 1.0
        delay = numbers(zeros, column, self._path, least=0.0, before=before, marks=self._delay_marks) / per_second
        self._wait_s.add(np.where(given.to_numpy(), delay, np.nan))

    def with_times(self, frame: pl.DataFrame, time: str) -> pl.DataFrame:
        """The next rows, where turns that have a delay need no time: they take that of a row before.

        Not so the first of a session: there is no answer before it that a delay could count from.
        """
        import polars as pl

        names = self._names
        if names.delay is None or names.session is None:
            return frame
        follows = []
        for session in plain_names(texts(frame, names.session, self._path)):
            follows.append(session in self._begun)
            self._begun |= set() if session in NO_PARENT else {session}
        waits = pl.col(names.delay).is_not_null() & pl.Series(follows)
        nearest = pl.col(time).forward_fill().backward_fill()
        return frame.with_columns(pl.when(waits & pl.col(time).is_null()).then(nearest).otherwise(pl.col(time)))

    def turns(self, time_s: Floats) -> tuple[TraceTurns, Floats, list[str]] | None:
        """The turns, the time before which each row is not sent (in the order of the file), and notes.

        Raises
        ------
        DataError
            If a turn comes before the one that it follows, or follows itself.
        """
        if not self.columns:
            return None
        rows = len(time_s)
        notes: list[str] = []
        if self._names.session is not None:
            parent = _previous(self._sessions)
            wait_s = self._wait_s.array()
            waits = (parent >= 0) & np.isfinite(wait_s)
            time_s = time_s.copy()
            for row in np.flatnonzero(waits).tolist():
                time_s[row] = time_s[parent[row]]
        else:
            parent, notes = self._by_chat()
            wait_s, waits = np.zeros(rows), np.zeros(rows, bool)
        root, depth = self._roots(parent)
        self._check(parent, time_s, waits)
        by_time = np.argsort(time_s, kind="stable")
        rank = np.empty(rows, np.int64)
        rank[by_time] = np.arange(rows)
        order = np.lexsort((rank, rank[root]))
        place = np.empty(rows, np.int64)
        place[order] = np.arange(rows)
        parent_here = np.where(parent >= 0, place[parent], -1)[order]
        turns = TraceTurns(
            order,
            np.cumsum(parent_here < 0) - 1,
            depth[order].astype(np.int32),
            parent_here.astype(np.int32),
            np.where(parent_here >= 0, np.nan_to_num(wait_s[order]), 0.0),
        )
        return turns, time_s, notes

    def _by_chat(self) -> tuple[Numbers, list[str]]:
        row_of: dict[str, int] = {}
        for row, chat in enumerate(self._chats):
            if (first := row_of.setdefault(chat, row)) != row:
                raise self._bad(
                    f"{self._names.chat!r} has {chat!r} in row {first + 1} and in row {row + 1}", "different ids"
                )
        without_zeros: dict[str, int] = {}
        for chat, row in row_of.items():
            without_zeros[_stripped(chat)] = -1 if _stripped(chat) in without_zeros else row
        none = [p in NO_PARENT for p in self._parents]
        parents = [
            -1 if no else row_of.get(p, without_zeros.get(_stripped(p), -1))
            for no, p in zip(none, self._parents, strict=True)
        ]
        elsewhere = sum(f < 0 and not no for f, no in zip(parents, none, strict=True))
        notes = []
        if elsewhere:
            notes.append(f"turns whose parent is not in the file begin sessions of their own: {elsewhere:,}")
        return np.array(parents, np.int64), notes

    def _check(self, parent: Numbers, time_s: Floats, waits: NDArray[np.bool_]) -> None:
        rows = np.flatnonzero(parent >= 0)
        before, here = time_s[parent[rows]], time_s[rows]
        early = rows[((here < before) | ((here == before) & (rows < parent[rows]))) & ~waits[rows]]
        if early.size:
            raise self._wrong(int(early[0]), int(parent[early[0]]))
        if self._names.turn is not None:
            turn = self._turns.array()
            bad = rows[turn[rows] <= turn[parent[rows]]]
            if bad.size:
                row, other = int(bad[0]), int(parent[bad[0]])
                raise self._bad(
                    f"{self._names.turn!r} has {turn[row]:g} in row {row + 1} and {turn[other]:g} in row {other + 1}, "
                    "which it follows",
                    "a later turn than that of its parent",
                )

    def _wrong(self, row: int, parent: int) -> DataError:
        column = self._names.parent or self._names.session
        return self._bad(
            f"{column!r}: row {row + 1} follows row {parent + 1}, which comes later", "a turn after the one before it"
        )

    def _roots(self, parent: Numbers) -> tuple[Numbers, Numbers]:
        """The first turn of each row's session, and how many turns come between."""
        root = np.where(parent >= 0, parent, np.arange(len(parent)))
        depth = (parent >= 0).astype(np.int64)
        for _ in range(64):  # each time twice as far
            further = root[root]
            if (further == root).all():
                break
            depth, root = depth + depth[root], further
        circle = np.flatnonzero((root != root[root]) | (parent[root] >= 0))
        if circle.size:
            row = int(circle[0])
            raise self._bad(
                f"{self._names.parent!r}: row {row + 1} follows row {parent[row] + 1}, and this one in the end row "
                f"{row + 1}",
                "a first turn, whose parent is -1",
            )
        return root, depth

    def _bad(self, problem: str, expected: str) -> DataError:
        return DataError(f"column {problem}; expected {expected}", str(self._path))


def plain_names(names: list[str]) -> list[str]:
    """Whole numbers that were read as others are written as such."""
    return [n[:-2] if n.endswith(".0") else n for n in names]


def _stripped(name: str) -> str:
    """A whole number without the zeros before it: one column of a file may have them where another has none."""
    return name.lstrip("0") or "0" if name.isdigit() else name


def _previous(sessions: list[str]) -> Numbers:
    """The row before of the same session; -1: there is none, or it is of no session."""
    last: dict[str, int] = {}
    previous = np.full(len(sessions), -1, np.int64)
    for row, name in enumerate(sessions):
        if name in NO_PARENT:
            continue
        previous[row] = last.get(name, -1)
        last[name] = row
    return previous
