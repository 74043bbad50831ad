"""Many runs at once, in processes of their own."""

import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Any, TypeVar

from messsim.engines.pipeline import cores
from messsim.errors import MesssimError, SimulationError
from messsim.scenario import Scenario

from .single import run

__all__ = ["in_processes", "summaries", "summary_of"]

Item = TypeVar("Item")
Value = TypeVar("Value")
AHEAD = 2  # tasks handed out per process: the rest stays here, so that an interruption is quick


def in_processes(
    function: Callable[[Item], Value], items: Iterable[Item], *, workers: int | None = None
) -> Iterator[tuple[int, Value | MesssimError]]:
    """Calls a function for every item, in processes, and yields what comes back as it comes.

    Processes are spawned, not forked (Polars' threads do not survive a fork), each with one thread of Polars.
    Nothing a function returns may depend on which process ran it.

    Parameters
    ----------
    function
        Of one item; importable by name, as pickle wants it.
    items
        Read as they are needed: there may be millions.
    workers
        Processes; none: one a core. With 1, everything happens in this process.

    Yields
    ------
    tuple of int and value
        The item's position and what came of it. A MesssimError of one item is its value and stops no other.

    Raises
    ------
    SimulationError
        If a process dies (the machine is out of memory, somebody killed it).
    """
    workers = workers or cores()
    numbered = enumerate(items)
    if workers == 1:
        for i, item in numbered:
            yield i, _guarded(function, item)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_one_thread_each)
    waiting: dict[Future[Value | MesssimError], int] = {}
    try:
        while True:
            for i, item in islice(numbered, workers * AHEAD - len(waiting)):
                waiting[pool.submit(_guarded, function, item)] = i
            if not waiting:
                break
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                i = waiting.pop(future)
                yield i, future.result()
    except BrokenProcessPool:
        raise SimulationError("a process of the study died; was the machine out of memory?") from None
    except BaseException:
        for process in list((pool._processes or {}).values()):
            process.terminate()
        raise
    finally:
        with contextlib.suppress(KeyboardInterrupt):
            pool.shutdown(cancel_futures=True)


def _one_thread_each() -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and ends its processes
    os.environ["POLARS_MAX_THREADS"] = "1"


def _guarded(function: Callable[[Item], Value], item: Item) -> Value | MesssimError:
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
