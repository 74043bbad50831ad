"""What prompts of a trace share, by the ids of their blocks: each id stands for its block and all text before it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from messsim.errors import DataError

from .chunk import Ints, Numbers
from .growing import Growing
from .prompts import NODE, Paths
from .readers import first_bad

if TYPE_CHECKING:
    import polars as pl

__all__ = ["HashIds", "Runs"]

PRIVATE = 1 << 60  # ids of what a single request has to itself begin here; a cache shifts ids by two bits
EXPECTED = "a list of whole numbers"
ONE_MARK = f"{EXPECTED} parted by one mark: a comma among semicolons or spaces may be a decimal one"
COMMA, OTHER_MARK = r"\d,\d", r";|[^,;\s]\s+[^,;\s]"  # in the text of a list


@dataclass(frozen=True)
class Runs:
    """The nodes of each row's prompt: the longest runs of blocks that no prompt enters or leaves in the middle.

    Attributes
    ----------
    start : int64 [rows + 1]
    node : int64 [start[rows]]
        Numbers from 0 to `count` - 1.
    end_tokens : int32 [start[rows]]
    """

    start: Numbers
    node: Numbers
    end_tokens: Ints
    count: int

    def taken(self, rows: NDArray[np.intp]) -> Runs:
        """Those of some rows, in another order."""
        at, start = _places(self.start, rows)
        return Runs(start, self.node[at], self.end_tokens[at], self.count)

    def paths(self, rows: NDArray[np.intp], turn: Numbers, first: int, prompt_tokens: Ints) -> Paths:
        """Those of requests `first`, first + 1, ..., which are these rows in the turn-th repetition of the trace.

        What no hash names is a request's own. Each repetition is other text: else all of it would be cached.
        """
        at, start = _places(self.start, rows)
        counts = np.diff(start)
        ends = np.zeros(len(rows), np.int64)
        some = counts > 0
        ends[some] = self.end_tokens[at[start[1:][some] - 1]]
        own = ends < prompt_tokens
        whole = np.concatenate([[0], np.cumsum(counts + own)])
        nodes = np.empty(int(whole[-1]), NODE)
        owner = np.repeat(np.arange(len(rows)), counts)
        place = np.arange(len(at)) - start[owner] + whole[owner]
        nodes["id"][place] = self.node[at] + turn[owner] * self.count
        nodes["end_tokens"][place] = self.end_tokens[at]
        last = whole[1:][own] - 1
        nodes["id"][last] = PRIVATE + first + np.flatnonzero(own)
        nodes["end_tokens"][last] = prompt_tokens[own]
        return Paths(whole, nodes)


def _places(start: Numbers, rows: NDArray[np.intp]) -> tuple[Numbers, Numbers]:
    """Where the entries of some rows are, one after the other, and where each row's begin among these."""
    counts = start[rows + 1] - start[rows]
    begin = np.concatenate([[0], np.cumsum(counts)])
    owner = np.repeat(np.arange(len(rows)), counts)
    return np.arange(int(begin[-1])) - begin[owner] + start[rows][owner], begin


class HashIds:
    """A column of lists of ids, block by block of the file."""

    def __init__(self, column: str | None, path: Path, block_tokens: int) -> None:
        self.columns = [] if column is None else [column]
        self._path = path
        self._block = block_tokens
        self._ids = Growing(np.int64)
        self._counts = Growing(np.int64)
        self._short = 0

    def add(self, frame: pl.DataFrame, prompt_tokens: Ints, before: int) -> None:
        """The next rows, whose prompts are so long; so many came before."""
        for column in self.columns:
            lists = _lists(frame, column, self._path, before)
            counts = lists.list.len().fill_null(0).to_numpy().astype(np.int64)
            most = -(-prompt_tokens.astype(np.int64) // self._block)
            if (bad := np.flatnonzero(counts > most)).size:
                row = int(bad[0])
                raise DataError(
                    f"column {column!r} has {counts[row]} ids in row {before + row + 1}, whose prompt has "
                    f"{prompt_tokens[row]} tokens; expected at most {most[row]} of {self._block} tokens each "
                    "(block_tokens says how many)",
                    str(self._path),
                )
            ids = lists.explode().drop_nulls()
            if len(ids) != int(counts.sum()):
                holes = lists.list.eval(_is_null()).list.any().fill_null(False)
                raise first_bad(column, holes, _stated(lists), EXPECTED, self._path, before)
            self._counts.add(counts)
            self._short += int(((counts > 0) & (counts < prompt_tokens // self._block)).sum())
            self._ids.add(_as_int64(ids))

    def notes(self) -> list[str]:
        """Whether prompts are longer than their ids say, as where blocks are taken to be shorter than they are."""
        if not self._short:
            return []
        beyond = f"prompts that go on for {self._block} tokens or more beyond their {self.columns[0]}: {self._short:,}"
        return [f"{beyond}; that text is their own (block_tokens says how many tokens an id stands for)"]

    def runs(self, prompt_tokens: Ints) -> Runs | None:
        """The nodes of all rows, in the order of the file.

        Raises
        ------
        DataError
            If an id follows two others, or stands for blocks of two lengths of which one goes on.
        """
        if not self.columns:
            return None
        ids, counts = self._ids.array(), self._counts.array()
        start = np.concatenate([[0], np.cumsum(counts)])
        names, number = np.unique(ids, return_inverse=True)
        owner = np.repeat(np.arange(len(counts)), counts)
        depth = np.arange(len(ids)) - start[owner]
        parent = np.where(depth > 0, np.concatenate([[-1], number[:-1]]), -1)[: len(ids)]
        self._check_parents(names, number, parent, owner)
        self._check_lengths(names, number, depth, owner, counts, prompt_tokens)
        uses = np.bincount(number, minlength=len(names))
        goes_on = (depth > 0) & (uses[number] == uses[parent])
        heads = np.ones(len(names), bool)
        heads[number[goes_on]] = False
        run_of = np.cumsum(heads) - 1
        begins = np.flatnonzero(~goes_on)
        ends = np.minimum((depth + 1) * self._block, prompt_tokens[owner])
        last = np.concatenate([begins[1:], [len(ids)]]) - 1 if len(begins) else begins
        per_row = np.bincount(owner[begins], minlength=len(counts))
        return Runs(
            np.concatenate([[0], np.cumsum(per_row)]),
            run_of[number[begins]],
            ends[last].astype(np.int32),
            int(heads.sum()),
        )

    def _check_parents(self, names: Numbers, number: Numbers, parent: Numbers, owner: Numbers) -> None:
        first = np.full(len(names), -1, np.int64)
        first[number[::-1]] = np.arange(len(number))[::-1]
        bad = np.flatnonzero(parent != parent[first[number]])
        if bad.size:
            at = int(bad[0])

            def origin(place: int) -> str:
                where = f"follows {names[parent[place]]}" if parent[place] >= 0 else "is the first of its prompt"
                return f"{where} in row {owner[place] + 1}"

            raise DataError(
                f"column {self.columns[0]!r}: id {names[number[at]]} {origin(at)}, but "
                f"{origin(int(first[number[at]]))}; "
                "expected one and the same before it: an id names its block and all text before it",
                str(self._path),
            )

    def _check_lengths(
        self, names: Numbers, number: Numbers, depth: Numbers, owner: Numbers, counts: Numbers, prompt_tokens: Ints
    ) -> None:
        length = np.minimum(self._block, prompt_tokens[owner] - depth * self._block)
        goes_on = np.zeros(len(names), bool)
        goes_on[number[depth < counts[owner] - 1]] = True
        bad = np.flatnonzero((length < self._block) & goes_on[number])
        if bad.size:
            at = int(bad[0])
            raise DataError(
                f"column {self.columns[0]!r}: id {names[number[at]]} stands for {length[at]} tokens in row "
                f"{owner[at] + 1}, where the prompt ends, but goes on elsewhere; expected {self._block} tokens",
                str(self._path),
            )


def _stated(lists: pl.Series) -> pl.Series:
    import polars as pl

    return pl.Series([str(value) for value in lists.to_list()])


def _is_null() -> pl.Expr:
    import polars as pl

    return pl.element().is_null()


def _lists(frame: pl.DataFrame, column: str, path: Path, before: int) -> pl.Series:
    """Lists; text such as "[1, 2, 3]" or "1 2 3" is one too, and numbers may be written as text."""
    import polars as pl

    series = frame[column]
    shown = series
    if series.dtype == pl.String:
        inner = series.str.strip_chars(" \t\r\n[],;")
        mixed = (inner.str.contains(COMMA) & inner.str.contains(OTHER_MARK)).fill_null(False)
        if mixed.any():
            raise first_bad(column, mixed, shown, ONE_MARK, path, before)
        series = inner.str.replace_all(r"[,;\s]+", " ").str.split(" ")
        series = series.list.eval(pl.element().filter(pl.element() != ""))
    if series.dtype == pl.Null:
        return series.cast(pl.List(pl.Int64))
    within = series.dtype.inner if isinstance(series.dtype, pl.List) else None
    if within in (pl.String, pl.Float32, pl.Float64):
        given, whole = pl.element(), pl.element().cast(pl.Int64, strict=False)
        if within == pl.String:
            whole = pl.coalesce(whole, given.cast(pl.UInt64, strict=False).reinterpret(signed=True))
        unread = whole.is_null() if within == pl.String else whole.is_null() | (whole != given)
        bad = series.list.eval(given.is_not_null() & unread).list.any().fill_null(False)
        if bad.any():
            raise first_bad(column, bad, shown if shown.dtype == pl.String else _stated(shown), EXPECTED, path, before)
        return series.list.eval(whole)
    if within is None or not (within.is_integer() or within == pl.Null):
        raise DataError(f"column {column!r} is of type {series.dtype}; expected {EXPECTED} in each row", str(path))
    return series


def _as_int64(ids: pl.Series) -> Numbers:
    import polars as pl

    if ids.dtype == pl.UInt64:
        return ids.to_numpy().view(np.int64)
    return ids.cast(pl.Int64).to_numpy()
