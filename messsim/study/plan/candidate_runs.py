"""Replications of a plan's candidates, each run once."""

from collections.abc import Callable, Sequence

from messsim.errors import MesssimError

from ..runs import Matrix, Runs, Task
from ..runs.rows import Row, row_of
from ..runs.summaries import summary_of

__all__ = ["CandidateRuns", "row_at"]


def row_at(task: Task) -> Row:
    """The row of a run of a study."""
    scenario, point = task
    return row_of(scenario, summary_of(scenario), point)


class CandidateRuns:
    """Replications 0 ... seeds - 1 of each candidate, made when they are asked for."""

    def __init__(self, matrix: Matrix[Row], runs: Runs[Row], seeds: int) -> None:
        self._runs = runs
        self.seeds = seeds
        self.scenario = matrix.scenario_at
        self.made: dict[int, int] = {}  # replications of each candidate that was evaluated

    def of(self, i: int, seeds: int, left: int = 0) -> list[Row | MesssimError]:
        """Replications 0 ... seeds - 1 of a candidate; `left` candidates may come after it."""
        keys = [(i, r) for r in range(seeds)]
        for _ in self._runs.each(keys, later=left * self.seeds):
            pass
        return [self._runs.values[key] if key in self._runs.values else self._runs.failed[key] for key in keys]

    def evaluation(
        self, i: int, hopeless: Callable[[Sequence[Row | MesssimError]], bool], left: int = 0
    ) -> list[Row | MesssimError]:
        """All replications of a candidate; the first alone, where the others cannot change what it says."""
        first = self.of(i, 1, left)
        rows = first if hopeless(first) else self.of(i, self.seeds, left)
        self.made[i] = len(rows)
        return rows
