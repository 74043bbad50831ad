"""A study is a matrix of runs: points times replications, each run made once and kept."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from messsim.errors import MesssimError, ScenarioError
from messsim.scenario import Scenario

from .journal import Key, journal, keeping
from .local import GivenWorkers, workers_from
from .points import Point
from .rows import Row, check_version
from .workers import OnProgress, Workers

if TYPE_CHECKING:
    from .identity import Contents
    from .journal import Journal

__all__ = ["Matrix", "Runs", "Task", "check_seeds", "runs_of"]

Value = TypeVar("Value", bound=Mapping[str, Any])
Task = tuple[Scenario, Point]


def check_seeds(seeds: int, least: int = 1, why: str = "") -> None:
    """Raises a ScenarioError for fewer replications than `least`, and says why so many are needed."""
    if seeds < least:
        raise ScenarioError(f"--seeds {seeds}: expected at least {least}{why}")


@dataclass(frozen=True)
class Matrix(Generic[Value]):
    """What the runs of a study are.

    Attributes
    ----------
    base
        The scenario that the points change.
    points
        What tells them apart: values by key path.
    scenario_at
        The scenario at a point, by its number; its replication is not looked at.
    measure
        What a study needs of a run, from the scenario and its point: importable by name, and JSON, with the `version`
        of messsim that made it.
    """

    base: Scenario
    points: Sequence[Point]
    scenario_at: Callable[[int], Scenario]
    measure: Callable[[Task], Value]

    def scenario(self, key: Key) -> Scenario:
        """The scenario of a run, by point and replication."""
        return self.scenario_at(key[0]).changed(replication=key[1])


class Runs(Generic[Value]):
    """The runs of a study by point and replication: those of before, and those that come.

    Attributes
    ----------
    workers
        Who makes them.
    values
        What was measured in each run that came to its end.
    before
        Those of these runs that were there when the study began, or was continued.
    failed
        The errors of the others.
    """

    def __init__(
        self, matrix: Matrix[Value], workers: Workers, kept: Journal[Value] | None, on_progress: OnProgress | None
    ) -> None:
        self._matrix, self.workers, self._kept = matrix, workers, kept
        self._on_progress = on_progress or (lambda done, total: None)
        self.values: dict[Key, Value] = dict(kept.rows) if kept is not None else {}
        self.before = frozenset(self.values)
        self.failed: dict[Key, MesssimError] = {}
        self._asked: set[Key] = set()

    def each(self, keys: Sequence[Key], *, later: int = 0, surely: bool = True) -> Generator[Key, None, None]:
        """Makes those runs that are not there yet, and yields each key, in whatever order, when it is there.

        Parameters
        ----------
        keys
            Point and replication, each once.
        later
            How many runs may be asked for after these, for the progress.
        surely
            Whether all of them are going to be read.
        """
        if set(keys) <= self._asked:
            yield from keys
            return
        self._asked.update(keys)
        todo = [key for key in keys if not self._is_known(key)]
        done, total = sum(map(self._is_known, self._asked)), len(self._asked) + later
        self._on_progress(done, total)
        yield from (key for key in keys if self._is_known(key))
        tasks = ((self._matrix.scenario(key), self._matrix.points[key[0]]) for key in todo)
        count, frees_gil = len(todo) if surely else None, self._frees_gil(todo)
        with closing(self.workers.each(self._matrix.measure, tasks, count=count, frees_gil=frees_gil)) as made:
            for number, (i, value) in enumerate(made, start=1):
                self._take(todo[i], value)
                self._on_progress(done + number, total)
                yield todo[i]

    def make(self, keys: Sequence[Key], then: Callable[[], None] | None = None) -> None:
        """Makes those runs that are not there yet, whatever becomes of them; calls `then` after each."""
        for _ in self.each(keys):
            if then is not None:
                then()

    def all(self, keys: Sequence[Key], then: Callable[[], None] | None = None) -> list[Value]:
        """The values of runs, in the order of the keys; calls `then` after each, in the order in which they come.

        Raises
        ------
        MesssimError
            Of the first run that fails.
        """
        for key in self.each(keys):
            self._raise(key)
            if then is not None:
                then()
        return [self.values[key] for key in keys]

    def in_order(self, keys: Sequence[Key], *, surely: bool) -> Generator[Value, None, None]:
        """The values of runs one after another, each as soon as those before it are there.

        Parameters
        ----------
        keys
            Point and replication, each once.
        surely
            Whether all of them are going to be read.

        Raises
        ------
        MesssimError
            Of the first run that fails.
        """
        waiting = list(reversed(keys))
        with closing(self.each(keys, surely=surely)) as made:
            for key in made:
                self._raise(key)
                while waiting and waiting[-1] in self.values:
                    yield self.values[waiting.pop()]

    def count(self, keys: Sequence[Key] | None) -> str:
        """How many runs have come to their end, in words: "3", or of those with these keys "3 of 4"."""
        if keys is None:
            return str(len(self.values))
        return f"{sum(key in self.values for key in keys)} of {len(keys)}"

    def _is_known(self, key: Key) -> bool:
        return key in self.values or key in self.failed

    def _raise(self, key: Key) -> None:
        if key in self.failed:
            raise self.failed[key]

    def _take(self, key: Key, value: Value | MesssimError) -> None:
        if isinstance(value, MesssimError):
            self.failed[key] = value
            return
        check_version(value)
        if self._kept is not None:
            self._kept.add(key, value)
        self.values[key] = value

    def _frees_gil(self, keys: Sequence[Key]) -> bool:
        """Whether the engine does, for the first of some runs; a policy of one's own may be in Python."""
        if not keys:
            return False
        scenario = self._matrix.scenario(keys[0])
        return scenario.engine == "compiled" and not scenario.python_files


@contextmanager
def runs_of(
    matrix: Matrix[Value],
    *,
    out: Path | None,
    identity: Callable[[], Contents],
    table: Callable[[Runs[Value]], Sequence[Row]],
    keys: Sequence[Key] | None = None,
    workers: GivenWorkers,
    on_progress: OnProgress | None,
) -> Iterator[Runs[Value]]:
    """The runs of a study, with who makes them and the directory that keeps them.

    Parameters
    ----------
    matrix
        What they are.
    out
        A directory that is filled run by run; one that the same study began is continued; none: nothing is kept.
    identity
        What the results depend on: see `messsim.study.runs.identity.contents`.
    table
        The rows of ``results.parquet``, written however the study ends.
    keys
        The runs that the study wants, where they are known beforehand: if it is stopped it then says how many of them
        are kept.
    workers
        Who runs, or how many processes; none: this machine, as it pays.
    on_progress
        Called with how many runs are done, and of how many, at most.

    Raises
    ------
    OutputError
        If the directory is something else's or damaged, or cannot be written to.
    SimulationError
        If a worker dies. What is finished stays in the directory, as it does on KeyboardInterrupt or a full disk.
    """
    book = nullcontext() if out is None else journal(out, matrix.base, identity(), matrix.points)
    pool = workers_from(workers)  # told before anything is written
    with book as kept, pool as many:
        runs = Runs(matrix, many, kept, on_progress)
        with keeping(kept, lambda: table(runs), lambda: runs.count(keys)):
            yield runs
