"""Many runs at once, in processes of their own."""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from itertools import islice
from multiprocessing import resource_tracker
from types import TracebackType
from typing import Any, Protocol, TypeVar

from messsim.engines.pipeline import cores
from messsim.errors import MesssimError, SimulationError
from messsim.scenario import Scenario

from .single import run

__all__ = [
    "AHEAD",
    "WAIT_S",
    "Workers",
    "guarded",
    "in_order",
    "in_processes",
    "local_workers",
    "summaries",
    "summary_of",
]

Item = TypeVar("Item")
Value = TypeVar("Value")
AHEAD = 2  # tasks handed out per process: the rest stays here, so that an interruption is quick
WAIT_S = 0.1  # then Ctrl-C is heard: Polars' handler restarts a wait that has no end


class Workers(Protocol):
    """Who calls a function for many items at once."""

    def each(
        self, function: Callable[[Item], Value], items: Iterable[Item]
    ) -> Iterator[tuple[int, Value | MesssimError]]:
        """Calls a function for every item and yields what comes back as it comes.

        Parameters
        ----------
        function
            Of one item; importable by name, as pickle wants it. What it returns must not depend on who runs it.
        items
            Read as they are needed: there may be millions.

        Yields
        ------
        tuple of int and value
            The item's position and what came of it. A MesssimError of one item is its value and stops no other.

        Raises
        ------
        SimulationError
            If a worker dies (the machine is out of memory, somebody killed it).
        """
        ...


def local_workers(count: int | None = None) -> AbstractContextManager[Workers]:
    """Processes of this machine; none: one a core. With 1, everything happens in this process."""
    count = count or cores()
    return contextlib.nullcontext(_Here()) if count == 1 else _Processes(count)


class _Here:
    """This process."""

    def each(
        self, function: Callable[[Item], Value], items: Iterable[Item]
    ) -> Iterator[tuple[int, Value | MesssimError]]:
        for i, item in enumerate(items):
            yield i, guarded(function, item)


class _Processes:
    """Processes that are spawned, not forked (Polars' threads do not survive a fork), with one thread of Polars each.

    They end with the context; where it is left by an exception, at once.
    """

    def __init__(self, count: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._count = count
        self._pool = ProcessPoolExecutor(count, mp_context=context, initializer=_one_thread_each)

    def __enter__(self) -> "_Processes":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            for process in list((self._pool._processes or {}).values()):
                process.terminate()
        with contextlib.suppress(KeyboardInterrupt):
            self._pool.shutdown(cancel_futures=True)

    def each(
        self, function: Callable[[Item], Value], items: Iterable[Item]
    ) -> Iterator[tuple[int, Value | MesssimError]]:
        numbered = enumerate(items)
        waiting: dict[Future[Value | MesssimError], int] = {}
        try:
            while True:
                for i, item in islice(numbered, self._count * AHEAD - len(waiting)):
                    with _deaf_to_sigint():
                        waiting[self._pool.submit(guarded, function, item)] = i
                if not waiting:
                    break
                done, _ = wait(waiting, WAIT_S, return_when=FIRST_COMPLETED)
                for future in done:
                    i = waiting.pop(future)
                    yield i, future.result()
        except BrokenProcessPool:
            raise SimulationError("a process of the study died; was the machine out of memory?") from None
        finally:
            for future in waiting:
                future.cancel()


def in_processes(
    function: Callable[[Item], Value], items: Iterable[Item], *, workers: int | None = None
) -> Generator[tuple[int, Value | MesssimError], None, None]:
    """`Workers.each` in processes that start and end with it; `workers` as `local_workers` says."""
    with local_workers(workers) as many:
        yield from many.each(function, items)


def in_order(found: Generator[tuple[int, Value | MesssimError], None, None]) -> Generator[Value, None, None]:
    """The values of `in_processes` in the order of their items; the first error that comes is raised.

    Closing it closes `found`, which ends the processes.
    """
    waiting: dict[int, Value] = {}
    following = 0
    with contextlib.closing(found):
        for i, value in found:
            if isinstance(value, MesssimError):
                raise value
            waiting[i] = value
            while following in waiting:
                yield waiting.pop(following)
                following += 1


@contextlib.contextmanager
def _deaf_to_sigint() -> Iterator[None]:
    """What is started here never hears of Ctrl-C: this process does, a moment later, and ends the others."""
    resource_tracker.ensure_running()  # which lets signals through once it has started
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _one_thread_each() -> None:
    os.environ["POLARS_MAX_THREADS"] = "1"


def guarded(function: Callable[[Item], Value], item: Item) -> Value | MesssimError:
    """What a function returns, or the MesssimError that it raises."""
    try:
        return function(item)
    except MesssimError as error:
        return error


def summary_of(scenario: Scenario) -> dict[str, Any]:
    """The summary of a run on one thread; no records are kept."""
    return run(scenario, keep_records=False, pipelined=False).summary


def summaries(
    scenarios: Iterable[Scenario], *, workers: int | None = None
) -> Iterator[tuple[int, dict[str, Any] | MesssimError]]:
    """The summary of every scenario, as they come: see `in_processes`."""
    return in_processes(summary_of, scenarios, workers=workers)
