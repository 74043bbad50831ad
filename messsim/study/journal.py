"""A directory that a study fills run by run: what was killed goes on where it stopped.

``scenario.toml`` and ``study.json`` are there from the start, ``rows.jsonl`` grows by a line a finished run, and
``results.parquet`` is made of it whenever the command ends.
"""

import contextlib
import fcntl
import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any

from messsim.errors import OutputError
from messsim.results import complete_or_absent, writing
from messsim.results.provenance import files_of
from messsim.scenario import Scenario, dump
from messsim.version import __version__

from .points import Point
from .rows import Row, frame_of

__all__ = ["Journal", "contents", "journal", "went_on"]

ROWS, STUDY, RESULTS = "rows.jsonl", "study.json", "results.parquet"

Key = tuple[int, int]  # point, replication


def contents(base: Scenario, points: Sequence[Point], scenarios: Sequence[Scenario]) -> dict[str, str]:
    """What a study's results depend on, each part hashed: two studies may share a directory if all are equal."""
    sha = cache(_sha)
    data = sorted({sha(s.path(f)) for s in scenarios for f in files_of(s)})
    own = sorted({_hash(p.model_dump(mode="json")) for s in scenarios for p in s.fleet if p.coefficients is not None})
    return {
        "messsim": __version__,
        "scenario": _hash(base.model_dump(mode="json", by_alias=True)),
        "points": _hash(list(points)),
        "data files": _hash(data + own),  # own: figures of profile files that points name
    }


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, default=str).encode()).hexdigest()


def _sha(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "absent"  # its points fail, and say so


class Journal:
    """The rows of finished runs in an open directory.

    Attributes
    ----------
    rows
        By point and replication.
    """

    def __init__(self, directory: Path, opened: IO[str]) -> None:
        self.directory = directory
        self._opened = opened
        self.rows = _read(directory / ROWS, opened)

    def add(self, key: Key, row: Row) -> None:
        """Keeps a row: it is in the file when this returns."""
        with writing(self.directory):
            self._opened.write(json.dumps({"point": key[0], "replication": key[1], "row": row}) + "\n")
            self._opened.flush()
        self.rows[key] = row

    def close(self, rows: Sequence[Row]) -> None:
        """Writes ``results.parquet``, in place of what it was."""
        if not rows:
            return
        beside = self.directory / f".{RESULTS}.partial"
        with writing(self.directory / RESULTS):
            frame_of(rows).write_parquet(beside)
            beside.rename(self.directory / RESULTS)


@contextlib.contextmanager
def journal(directory: Path, base: Scenario, parts: dict[str, str], points: Sequence[Point]) -> Iterator[Journal]:
    """Opens the directory of a study, a new one or one that the same study began.

    Raises
    ------
    OutputError
        If it is something else's, another study's, or being filled by somebody else.
    """
    if directory.exists():
        _same(directory, parts)
    else:
        with complete_or_absent(directory) as beside:
            (beside / "scenario.toml").write_text(dump(base), encoding="utf-8")
            study = {"contents": parts, "points": list(points)}
            (beside / STUDY).write_text(json.dumps(study, indent=2, default=str) + "\n", encoding="utf-8")
            (beside / ROWS).touch()
    with writing(directory):
        opened = (directory / ROWS).open("r+", encoding="utf-8")
    with opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the system lets go of it however we end
        except BlockingIOError:
            raise OutputError(f"{directory}: another process is filling it; expected to be alone") from None
        yield Journal(directory, opened)


def _same(directory: Path, parts: dict[str, str]) -> None:
    try:
        theirs = json.loads((directory / STUDY).read_text(encoding="utf-8"))["contents"]
        differing = [name for name, value in parts.items() if theirs[name] != value]
    except (OSError, ValueError, KeyError, TypeError):
        raise OutputError(
            f"{directory}: exists already and no study began it; expected a directory that is yet to be made"
        ) from None
    if differing:
        what = " and ".join(differing)
        raise OutputError(
            f"{directory}: holds a study that differs in its {what}; expected another directory: "
            "results of different studies are never mixed"
        )


def _read(path: Path, opened: IO[str]) -> dict[Key, Row]:
    """The rows so far; half a line at the end, which a kill may leave, is cut off."""
    text = opened.read()
    whole = text[: text.rfind("\n") + 1]
    rows = {}
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            entry = json.loads(line)
            rows[entry["point"], entry["replication"]] = entry["row"]
        except (ValueError, KeyError, TypeError):
            raise OutputError(f"{path}: line {number} is damaged; expected a row of the study") from None
    opened.seek(len(whole.encode()))
    opened.truncate()
    return rows


def went_on(error: BaseException, done: int, total: int | None = None) -> str:
    """What stopped a study, and what is kept of it."""
    many = f"{done}" if total is None else f"{done} of {total}"
    return f"{str(error) or 'interrupted'}; {many} runs are kept: the same command goes on from there"
