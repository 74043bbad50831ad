"""Many runs at once, in processes of their own."""

import atexit
import contextlib
import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import connection, resource_tracker
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from messsim.errors import MesssimError, SimulationError

from .workers import AHEAD, WAIT_S, guarded

__all__ = ["Processes", "end_if_started_again"]

Item = TypeVar("Item")
Value = TypeVar("Value")
STARTED_AGAIN = 79  # exit code of a process whose script starts the study instead of waiting for work


def end_if_started_again() -> None:
    """Ends a process that a study is starting and whose script, imported by it, starts the study again."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        os._exit(STARTED_AGAIN)  # the study says why: see `_death`


class Processes:
    """Processes that are spawned, not forked (Polars' threads do not survive a fork), with one thread of Polars each.

    They end with the context; where it is left by an exception, at once; and with this process, however it ends.
    """

    def __init__(self, count: int) -> None:
        end_if_started_again()
        _check_main()
        context = multiprocessing.get_context("spawn")
        self._count = count
        with _deaf_to_sigint():  # its queues start what keeps the resources of processes in order
            self._pool = ProcessPoolExecutor(count, mp_context=context, initializer=_start)
        self._started: dict[int, BaseProcess] = {}

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
    gc.set_threshold(500_000)  # what is imported is kept, as by the command line
    atexit.register(gc.freeze)  # the study waits for the end
    os.environ["POLARS_MAX_THREADS"] = "1"
    threading.Thread(target=_end_with_parent, name="messsim-parent", daemon=True).start()


def _end_with_parent() -> None:
    """Ends this process when the one that started it is gone, also by ``kill -9``: its end of a pipe closes then."""
    if (parent := multiprocessing.parent_process()) is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
