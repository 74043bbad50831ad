"""What prompts of a trace are made of, from one file to another: the hashes of their blocks, and sessions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from messsim.scenario.arrivals import Columns
from messsim.workload.chunk import Floats, Ints
from messsim.workload.growing import Growing
from messsim.workload.hashes import HashIds
from messsim.workload.links import NO_PARENT, Links, plain_names
from messsim.workload.readers import Marks, filled, numbers, texts
from messsim.workload.readers import as_text as text_of

if TYPE_CHECKING:
    import polars as pl

__all__ = ["BLOCK_TOKENS", "WRITTEN", "MadeOf", "as_text", "columns_of"]

BLOCK_TOKENS = 512
# What each column is called in a trace of messsim, by its key in arrivals.columns.
WRITTEN = {
    "hash_ids": "hash_ids",
    "session": "session",
    "delay": "delay_s",
    "chat": "chat",
    "parent": "parent",
    "turn": "turn",
}


def columns_of(names: Columns) -> dict[str, str]:
    """The columns that there are, by their keys."""
    return {key: getattr(names, key) for key in WRITTEN if getattr(names, key) is not None}


class MadeOf:
    """These columns of a file, block by block; whole files are checked as a run would."""

    def __init__(self, names: Columns, path: Path, block_tokens: int) -> None:
        self._columns = columns_of(names)
        self._per_second = 1e3 if names.delay_format == "ms" else 1.0
        self._links: Links | None = Links(names, path)
        self._reader = Links(names, path)
        self._hashes = HashIds(names.hash_ids, path, block_tokens)
        self._parts: list[pl.DataFrame] = []
        self._delay_s, self._delay_marks = Growing(np.float64), Marks()
        self._session, self._path = names.session, path
        self._begun: set[str] = set()
        self._left_out: set[str] = set()  # sessions whose first turn does not count
        self._beheaded: set[str] = set()  # those of them that go on

    def with_times(self, frame: pl.DataFrame, time: str) -> pl.DataFrame:
        """The frame, where turns that have a delay need no time."""
        return self._reader.with_times(frame, time)

    def add(self, frame: pl.DataFrame, keep: NDArray[np.bool_], prompt_tokens: Ints, before: int) -> None:
        """The next rows, of which those in `keep` count, whose prompts are so long; so many came before."""
        import polars as pl

        if not self._columns:
            return
        if (delay := self._columns.get("delay")) is not None:
            given = frame[delay].is_not_null() & pl.Series(keep)
            counted = filled(frame, delay, given, 0)
            delays = numbers(counted, delay, self._path, least=0.0, before=before, marks=self._delay_marks)
            self._delay_s.add(np.where(given.to_numpy(), delays / self._per_second, np.nan)[keep])
        part = frame.select(list(self._columns.values())).filter(pl.Series(keep))
        read = [text_of(part[c], c, self._path) for c, dtype in part.schema.items() if dtype == pl.Binary]
        self._parts.append(part.with_columns(read))
        if self._session is not None:
            self._follow(plain_names(texts(frame, self._session, self._path)), keep)
        if not keep.all():
            self._links = None
        if self._links is not None:
            self._links.add(frame, before)
            self._hashes.add(frame, prompt_tokens, before)

    def _follow(self, sessions: list[str], keep: NDArray[np.bool_]) -> None:
        """Which sessions begin, and which begin without their first turn."""
        for session, kept in zip(sessions, keep.tolist(), strict=True):
            if session in NO_PARENT:
                continue
            if session not in self._begun:
                self._begun.add(session)
                if not kept:
                    self._left_out.add(session)
            elif kept and session in self._left_out:
                self._beheaded.add(session)

    def notes(self) -> list[str]:
        """What leaving rows out has done to sessions."""
        if not self._beheaded:
            return []
        return [
            "sessions whose first turn is left out begin with a later one, at its own time or else that of the row "
            f"before it: {len(self._beheaded):,}"
        ]

    def check(self, time_s: Floats, prompt_tokens: Ints) -> list[str]:
        """Raises DataError, as a run would, if rows contradict each other; not where rows were left out.

        Returns what a run would note of hashes.
        """
        if self._links is None or not self._columns:
            return []
        self._links.turns(time_s)
        self._hashes.runs(prompt_tokens)
        return self._hashes.notes()

    def beside(self, frame: pl.DataFrame, order: NDArray[np.intp] | None) -> pl.DataFrame:
        """The frame, whose rows are in this order of the file's, with these columns."""
        import polars as pl

        if not self._columns:
            return frame
        whole = pl.concat(self._parts, how="vertical_relaxed")
        if order is not None:
            whole = whole[order]
        named = {WRITTEN[key]: whole[column] for key, column in self._columns.items()}
        if "delay_s" in named:
            delay_s = self._delay_s.array()
            named["delay_s"] = pl.Series(delay_s if order is None else delay_s[order], nan_to_null=True)
        return frame.with_columns(**named)


def as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Lists as text, numbers with spaces between them: for files that know no lists."""
    import polars as pl

    lists = [name for name, kind in frame.schema.items() if isinstance(kind, pl.List)]
    return frame.with_columns(pl.col(name).cast(pl.List(pl.String)).list.join(" ") for name in lists)
