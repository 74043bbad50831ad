"""A directory that a study fills run by run: what was killed goes on where it stopped.

``scenario.toml`` and ``study.json`` are there from the start, ``rows.jsonl`` grows by a line a finished run, and
``results.parquet`` is made of it whenever the command ends. Each line has a check sum of itself and of the study, so
that a damaged line, or one of another study, is never taken for a run.
"""

import contextlib
import fcntl
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import Any, Generic, TypedDict, TypeVar, cast

from messsim.errors import MesssimError, OutputError, ScenarioError, SimulationError
from messsim.files import check_plain, finite, json_text, read_json, why
from messsim.results import complete_or_absent, leftovers, whole_or_absent, write_parquet, writing
from messsim.scenario import Scenario, dump

from .identity import Contents, difference, hashed
from .points import Point
from .rows import Row, frame_of

__all__ = ["Journal", "Key", "journal", "keeping"]

ROWS, STUDY, RESULTS = "rows.jsonl", "study.json", "results.parquet"
FILES = (  # all that studies write beside their rows
    RESULTS,
    "plan.json",
    "replications.json",
    "replications.csv",
    "comparison.json",
    "comparison.csv",
    "convergence.json",
    "challenge.json",
    "scenarios",
    "curves.parquet",
    "report.html",
)
KEPT = "its finished runs are kept"

Key = tuple[int, int]  # point, replication
Value = TypeVar("Value")  # what is kept of a run, as JSON: its row, or more


class Entry(TypedDict):
    """A line without its check sum."""

    point: int
    replication: int
    row: Any


class Journal(Generic[Value]):
    """What is kept of finished runs in an open directory.

    Attributes
    ----------
    rows
        By point and replication.
    """

    def __init__(self, directory: Path, opened: FileIO, parts: Contents, points: int) -> None:
        self.directory = directory
        self._opened = opened
        self._lines: _Lines[Value] = _Lines(directory / ROWS, hashed(parts), points)
        self.rows, size = self._lines.read(opened.readall())
        with writing(directory, KEPT):
            opened.truncate(size)
            opened.seek(size)

    def add(self, key: Key, row: Value) -> None:
        """Keeps a row: it is in the file when this returns.

        Raises
        ------
        OutputError
            If it cannot be written; the rows of before are kept.
        """
        row = cast(Value, finite(row))  # as whoever goes on reads it
        line = self._lines.line(key, row)
        size = self._opened.tell()
        try:
            with writing(self.directory, KEPT):
                _write(self._opened, line)
        except BaseException:
            with contextlib.suppress(OSError):  # half a line is cut off; where that fails, by the next that reads it
                self._opened.truncate(size)
                self._opened.seek(size)
            raise
        self.rows[key] = row

    def close(self, rows: Sequence[Row]) -> None:
        """Writes ``results.parquet``, in place of what it was.

        Raises
        ------
        OutputError
            If it cannot be written; the rows are kept.
        """
        if rows:
            kept = f"{KEPT}: the same command goes on from there"
            with whole_or_absent(self.directory / RESULTS, kept) as beside:
                write_parquet(frame_of(rows), beside)


def _write(opened: FileIO, line: bytes) -> None:
    """All of it: a disk that fills up takes a part and says so at the next."""
    while line:
        line = line[opened.write(line) :]


class _Lines(Generic[Value]):
    """The lines of ``rows.jsonl``."""

    def __init__(self, path: Path, study: str, points: int) -> None:
        self._path, self._study, self._points = path, study, points

    def line(self, key: Key, row: Value) -> bytes:
        """The line of a finished run."""
        entry = {"point": key[0], "replication": key[1], "row": row}
        return json_text(entry | {"check": self._check(entry)}, indent=None).encode()

    def read(self, content: bytes) -> tuple[dict[Key, Value], int]:
        """The rows, and how many bytes they take: half a line at the end, which a kill may leave, is left out.

        Raises
        ------
        OutputError
            For a line that is damaged, of another study, or there twice.
        """
        whole = content[: content.rfind(b"\n") + 1]
        rows: dict[Key, Value] = {}
        for number, line in enumerate(whole.split(b"\n")[:-1], start=1):
            entry = self._entry(number, line)
            key = entry["point"], entry["replication"]
            if key in rows:
                raise self._error(number, f"repeats replication {key[1]} of point {key[0]}")
            rows[key] = entry["row"]
        return rows, len(whole)

    def _entry(self, number: int, line: bytes) -> Entry:
        try:
            entry = json.loads(line.decode("utf-8"))
            check = entry.pop("check")
        except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
            raise self._error(number, "is damaged") from None
        if set(entry) != {"point", "replication", "row"} or check != self._check(entry):
            raise self._error(number, "is damaged, or of another study")
        if not 0 <= entry["point"] < self._points:
            raise self._error(number, f"is of point {entry['point']}, of {self._points} from 0")
        return cast("Entry", entry)

    def _check(self, entry: Mapping[str, Any]) -> str:
        return hashed([self._study, entry])[:16]

    def _error(self, number: int, what: str) -> OutputError:
        return OutputError(
            f"{self._path}: line {number} {what}; expected a row that this study wrote: "
            "without the line, its run is made again"
        )


@contextlib.contextmanager
def journal(directory: Path, base: Scenario, parts: Contents, points: Sequence[Point]) -> Iterator[Journal[Any]]:
    """Opens the directory of a study, a new one or one that the same study began.

    Raises
    ------
    OutputError
        If it is something else's, another study's, damaged, or being filled by somebody else.
    """
    is_new = not directory.exists()
    if not is_new:
        _same(directory, parts)
    else:
        with complete_or_absent(directory) as beside, writing(directory):
            (beside / "scenario.toml").write_text(dump(base), encoding="utf-8")
            study = {"contents": parts, "points": list(points)}
            (beside / STUDY).write_text(json_text(study, default=str), encoding="utf-8")
            (beside / ROWS).touch()
    with _opened(directory) as opened:
        try:
            with writing(directory, KEPT):
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the system lets go of it however we end
        except OutputError as error:
            if not isinstance(error.__cause__, BlockingIOError):
                raise
            raise OutputError(f"{directory}: another process is filling it; expected to be alone") from None
        for left in (left for name in FILES for left in leftovers(directory / name)):
            _remove(left)  # of one that was killed: nobody else writes here
        kept: Journal[Any] = Journal(directory, opened, parts, len(points))
        try:
            yield kept
        except ScenarioError:
            if is_new and not kept.rows:  # what cannot be run leaves nothing behind
                shutil.rmtree(directory, ignore_errors=True)
            raise


def _opened(directory: Path) -> FileIO:
    path = directory / ROWS
    try:
        check_plain(path)
    except OSError as error:
        raise OutputError(f"{path}: {why(error, 'the rows that this study wrote', is_given=False)}") from None
    with writing(directory, KEPT):
        return FileIO(path, "r+")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _same(directory: Path, parts: Contents) -> None:
    try:
        differing = difference(parts, read_json(directory / STUDY)["contents"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise OutputError(
            f"{directory}: exists already and no study began it; expected a directory that is yet to be made"
        ) from None
    if differing is not None:
        raise OutputError(
            f"{directory}: holds a study that differs in its {differing}; expected another directory: "
            "results of different studies are never mixed"
        )


@contextlib.contextmanager
def keeping(kept: Journal[Any] | None, table: Callable[[], Sequence[Row]], done: Callable[[], str]) -> Iterator[None]:
    """Writes the table at the end of a study, also where something stops it, which then tells how much is kept.

    Parameters
    ----------
    kept
        Where the study's rows are kept; none: nowhere.
    table
        The rows of ``results.parquet``.
    done
        How many runs are kept, in words: "3 of 4".
    """
    try:
        yield
    except (KeyboardInterrupt, SimulationError, OutputError) as error:
        if kept is None:
            raise
        with contextlib.suppress(MesssimError):  # the disk may be full: the rows are what counts
            kept.close(table())
        # The same exception: one that a signal raised also knows which.
        error.args = (f"{str(error) or 'interrupted'}; {done()} runs are kept: the same command goes on from there",)
        raise
    if kept is not None:
        kept.close(table())
