"""Replications of a plan's candidates, each run once."""

from collections.abc import Callable, Sequence
from typing import Any

from messsim.errors import MesssimError
from messsim.scenario import Scenario, with_values

from .candidates import Axis, Candidate
from .journal import Journal
from .processes import Workers, summary_of
from .rows import Row, check_version, row_of

__all__ = ["Runs", "Told"]

Told = Callable[[int, int], None]


def _row(task: tuple[Scenario, dict[str, Any]]) -> Row:
    scenario, point = task
    return row_of(scenario, summary_of(scenario), point)


class Runs:
    """Replications of candidates, each run once."""

    def __init__(
        self,
        base: Scenario,
        axes: Sequence[Axis],
        candidates: Sequence[Candidate],
        seeds: int,
        workers: Workers,
        kept: Journal | None,
        progress: Told | None,
    ) -> None:
        self._base, self._axes, self._candidates = base, axes, candidates
        self.seeds, self._workers, self._kept = seeds, workers, kept
        self._tell = progress or (lambda done, total: None)
        self._rows: dict[tuple[int, int], Row | MesssimError] = {}
        if kept is not None:
            self._rows |= kept.rows

    def kept(self) -> list[Row]:
        """The rows of finished runs, by candidate and replication."""
        return [] if self._kept is None else [self._kept.rows[key] for key in sorted(self._kept.rows)]

    def scenario(self, i: int) -> Scenario:
        """The scenario of a candidate."""
        return with_values(self._base, self._candidates[i].values(self._axes))

    def of(self, i: int, seeds: int, left: int = 0) -> list[Row | MesssimError]:
        """Replications 0 ... seeds - 1 of a candidate; `left` candidates may come after it."""
        todo = [r for r in range(seeds) if (i, r) not in self._rows]
        if todo:
            point = self._candidates[i].values(self._axes)
            said = self.scenario(i)
            tasks = [(said.changed(replication=r), point) for r in todo]
            for k, value in self._workers.each(_row, tasks):
                self._rows[i, todo[k]] = value
                if not isinstance(value, MesssimError):
                    check_version(value)
                    if self._kept is not None:
                        self._kept.add((i, todo[k]), value)
                self._tell(len(self._rows), len(self._rows) + len(todo) - k - 1 + left * self.seeds)
        return [self._rows[i, r] for r in range(seeds)]
