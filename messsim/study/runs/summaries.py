"""Many runs at once, in the workers of this machine."""

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TypeVar

from messsim.errors import MesssimError
from messsim.scenario import Scenario
from messsim.summary import Summary

from ..simulation.single import run
from . import Task, local_workers

__all__ = [
    "Summary",
    "in_order",
    "in_processes",
    "local_workers",
    "summaries",
    "summary_at",
    "summary_of",
]

Item = TypeVar("Item")
Value = TypeVar("Value")


def in_processes(
    function: Callable[[Item], Value], items: Iterable[Item], *, workers: int | None = None
) -> Generator[tuple[int, Value | MesssimError], None, None]:
    """`Workers.each` with workers that start and end with it; `workers` as `local_workers` says."""
    with local_workers(workers) as many, contextlib.closing(many.each(function, items)) as result:
        yield from result


def in_order(result: Generator[tuple[int, Value | MesssimError], None, None]) -> Generator[Value, None, None]:
    """The values of `in_processes` in the order of their items; the first error that comes is raised.

    Closing it closes `result`, which ends the processes.
    """
    waiting: dict[int, Value] = {}
    following = 0
    with contextlib.closing(result):
        for i, value in result:
            if isinstance(value, MesssimError):
                raise value
            waiting[i] = value
            while following in waiting:
                yield waiting.pop(following)
                following += 1


def summary_of(scenario: Scenario) -> Summary:
    """The summary of a run on one thread; no records are kept."""
    return run(scenario, keep_records=False, pipelined=False).summary


def summary_at(task: Task) -> Summary:
    """The summary of a run of a study."""
    return summary_of(task[0])


def summaries(
    scenarios: Iterable[Scenario], *, workers: int | None = None
) -> Iterator[tuple[int, Summary | MesssimError]]:
    """The summary of every scenario, as they come: see `in_processes`."""
    return in_processes(summary_of, scenarios, workers=workers)
