"""Many runs at once, in processes of their own."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from itertools import islice
from multiprocessing import connection, resource_tracker
from multiprocessing.process import BaseProcess
from pathlib import Path
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
STARTED_AGAIN = 79  # exit code of a process whose script starts the study instead of waiting for work
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

    They end with the context; where it is left by an exception, at once; and with this process, however it ends.
    """

    def __init__(self, count: int) -> None:
        if getattr(multiprocessing.current_process(), "_inheriting", False):
            os._exit(STARTED_AGAIN)  # this process is itself being started by a study: see `_check_main`
        _check_main()
        context = multiprocessing.get_context("spawn")
        self._count = count
        self._pool = ProcessPoolExecutor(count, mp_context=context, initializer=_start)
        self._started: dict[int, BaseProcess] = {}

    def __enter__(self) -> "_Processes":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            for process in list(self._started.values()):
                process.kill()
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
                    self._started |= self._pool._processes or {}
                if not waiting:
                    break
                done, _ = wait(waiting, WAIT_S, return_when=FIRST_COMPLETED)
                for future in done:
                    i = waiting.pop(future)
                    yield i, future.result()
        except BrokenProcessPool:
            raise SimulationError(self._death()) from None
        finally:
            for future in waiting:
                future.cancel()

    def _death(self) -> str:
        """Why the processes of the study are no more."""
        for process in self._started.values():
            process.join(1.0)
        codes = {process.exitcode for process in self._started.values()}
        if STARTED_AGAIN in codes:
            return (
                "the script that starts this study is imported by each of its processes, which would start it again; "
                'expected the call under `if __name__ == "__main__":`, or workers=1'
            )
        killed = "" if -signal.SIGKILL not in codes else " (killed)"
        return f"a process of the study died{killed}; was the machine out of memory?"


def _check_main() -> None:
    """Spawned processes import the script that is run: it must be one that they find.

    Raises
    ------
    SimulationError
        If it came from standard input.
    """
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    if getattr(main, "__spec__", None) is None and file is not None and not Path(file).exists():
        raise SimulationError(
            f"the processes of a study import the script that starts it, and there is no file {file}; "
            "expected the script in a file, or workers=1"
        )


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
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    resource_tracker.ensure_running()  # it outlives the end of a terminal, and lets SIGINT through once it has started
    signal.pthread_sigmask(signal.SIG_SETMASK, before | {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start() -> None:
    """The first thing that a process of a study does."""
    os.environ["POLARS_MAX_THREADS"] = "1"
    threading.Thread(target=_end_with_parent, name="messsim-parent", daemon=True).start()


def _end_with_parent() -> None:
    """Ends this process when the one that started it is gone, also by ``kill -9``: its end of a pipe closes then."""
    if (parent := multiprocessing.parent_process()) is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


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
