"""Many runs at once, in processes of their own."""

import atexit
import contextlib
import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import connection, resource_tracker
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from messsim.errors import MesssimError, SimulationError
from messsim.forking import is_in_use

from .workers import AHEAD, WAIT_S, guarded

__all__ = ["Processes", "can_fork", "end_if_started_again"]

Item = TypeVar("Item")
Value = TypeVar("Value")
STARTED_AGAIN = 79  # exit code of a process whose script starts the study instead of waiting for work


def end_if_started_again() -> None:
    """Ends a process that a study is starting and whose script, imported by it, starts the study again."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        os._exit(STARTED_AGAIN)  # the study says why: see `_death`


class Processes:
    """Processes with one thread of Polars each.

    They end with the context; where it is left by an exception, at once; and with this process, however it ends.

    Parameters
    ----------
    count
        How many there are.
    may_fork
        Whether they may be copies of this process as it is now, which spares each all imports. They are where that is
        safe: with threads, Polars' among them, which do not survive a fork, they are spawned.

    Attributes
    ----------
    are_copies : bool
        Whether they are.
    """

    def __init__(self, count: int, *, may_fork: bool = False) -> None:
        end_if_started_again()
        self._count = count
        self._started: dict[int, BaseProcess] = {}
        copies = _copies(count) if may_fork and can_fork() else None
        self.are_copies = copies is not None
        if copies is not None:
            self._pool = copies
            self._started |= copies._processes
            return
        _check_main()
        with _deaf_to_sigint():  # its queues start what keeps the resources of processes in order
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(count, mp_context=context, initializer=_start, initargs=(set(),))

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is not None:
            for process in list(self._started.values()):
                process.kill()
        with contextlib.suppress(KeyboardInterrupt):
            self._pool.shutdown(cancel_futures=True)

    def each(
        self,
        function: Callable[[Item], Value],
        items: Iterable[Item],
        *,
        count: int | None = None,
        frees_gil: bool = False,
    ) -> Generator[tuple[int, Value | MesssimError], None, None]:
        """See `messsim.study.runs.workers.Workers.each`."""
        numbered = enumerate(items)
        waiting: dict[Future[Value | MesssimError], int] = {}
        try:
            while True:
                for i, item in islice(numbered, self._count * AHEAD - len(waiting)):
                    waiting[self._submit(function, item)] = i
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

    def _submit(self, function: Callable[[Item], Value], item: Item) -> "Future[Value | MesssimError]":
        try:
            with _deaf_to_sigint():
                return self._pool.submit(guarded, function, item)
        except OSError as error:
            if not self._pool._broken:
                raise
            # one process died while another was started, and the pool has closed what it would hand over to it
            raise BrokenProcessPool from error
        finally:
            self._started |= self._pool._processes or {}

    def _death(self) -> str:
        """Why the processes of the study are no more."""
        self._pool.shutdown()  # its thread takes their exit codes from the system, and has noted them all when it ends
        codes = {process.exitcode for process in self._started.values()}
        if STARTED_AGAIN in codes:
            return (
                "the script that starts this study is imported by each of its processes, which would start it again; "
                'expected the call under `if __name__ == "__main__":`, or workers=1'
            )
        killed = "" if -signal.SIGKILL not in codes else " (killed)"
        return f"a process of the study died{killed}; was the machine out of memory?"


def _copies(count: int) -> ProcessPoolExecutor | None:
    """A pool of copies of this process, all of them made; None where the system has no room for so many."""
    handled = _handled_signals()
    with _deaf_to_sigint(handled):
        context = multiprocessing.get_context("fork")
        pool = ProcessPoolExecutor(count, mp_context=context, initializer=_start, initargs=(handled,))
        try:
            pool.submit(int)
        except BaseException as error:  # nobody would tell those that were made to end
            for process in list((pool._processes or {}).values()):
                process.kill()
                process.join()
                process.close()
            if not isinstance(error, (OSError, RuntimeError)):  # a process or a thread more than the system allows
                raise
            return None
    return pool


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


def can_fork() -> bool:
    """Whether this process can be forked: by Linux's list of its threads, those of libraries too."""
    try:
        threads = len(list(Path("/proc/self/task").iterdir()))
    except OSError:
        return False
    return threads == 1 and "polars" not in sys.modules and not is_in_use()


def _handled_signals() -> set[int]:
    """Signals but Ctrl-C for which Python calls a function: in a copy of this process they are to end it instead."""
    return {n for n in signal.valid_signals() - {signal.SIGINT} if callable(signal.getsignal(n))}


@contextlib.contextmanager
def _deaf_to_sigint(also: Collection[int] = ()) -> Iterator[None]:
    """What is started here never hears of Ctrl-C: this process does, a moment later, and ends the others.

    Nor of the other signals given, until it chooses to.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    resource_tracker.ensure_running()  # it outlives the end of a terminal, and lets SIGINT through once it has started
    signal.pthread_sigmask(signal.SIG_SETMASK, {*before, signal.SIGINT, *also})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(handled: Collection[int]) -> None:
    """The first thing that a process of a study does: from here on the signals given end it, if it is a copy."""
    for number in handled:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, handled)
    gc.set_threshold(500_000)  # what is imported is kept, as by the command line
    atexit.register(gc.freeze)  # the study waits for the end
    os.environ["POLARS_MAX_THREADS"] = "1"
    threading.Thread(target=_end_with_parent, name="messsim-parent", daemon=True).start()


def _end_with_parent() -> None:
    """Ends this process when the one that started it is gone, also by ``kill -9``: its end of a pipe closes then."""
    if (parent := multiprocessing.parent_process()) is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
