"""The workers of this machine: in this process while runs are few or short, in processes of their own where that pays.

A process of a study first imports what it needs. Whether the runs that are left repay that is decided from the CPU
time of the first runs, and again whenever one ends: until then they are made by threads of this process.
"""

import contextlib
import ctypes
import operator
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager
from itertools import islice
from types import TracebackType
from typing import Any, Generic, TypeVar

from messsim.engines.pipeline import cores
from messsim.errors import MesssimError, ScenarioError, SimulationError

from .workers import WAIT_S, Workers, guarded

__all__ = ["GivenWorkers", "local_workers", "workers_from"]

GivenWorkers = int | AbstractContextManager[Workers] | None

Item = TypeVar("Item")
Value = TypeVar("Value")

START_S = 1.1  # CPU time that a process takes before its first run, twice over: a busy machine takes longer
COPY_START_S = 0.3  # the same of a copy of this process, which has imported most of what a run needs
MOST_COPIES = 16  # at 2 ms each they are made whether or not they will pay
LOCKED = 0.3  # share of a run's time that holds Python's global lock, where the engine frees it
GRACE_S = 2.0  # for a run to end where its study is stopped
MOST_THREADS = 4  # more gain next to nothing beside that share


def local_workers(count: int | None = None, *, may_fork: bool = False) -> AbstractContextManager[Workers]:
    """Workers of this machine.

    Parameters
    ----------
    count
        So many processes; with 1, everything happens in this process, one after another. None: as many as there are
        cores, once the work pays for their start.
    may_fork
        Whether processes may be copies of this one as it is now.
    """
    if count is None and cores() > 1:
        return _Automatic(cores(), may_fork=may_fork)
    if count in (None, 1):
        return contextlib.nullcontext(_Here())
    from .processes import Processes

    return Processes(count or 1, may_fork=may_fork)


class _Here:
    """This process, one run after another."""

    def each(
        self,
        function: Callable[[Item], Value],
        items: Iterable[Item],
        *,
        count: int | None = None,
        frees_gil: bool = False,
    ) -> Generator[tuple[int, Value | MesssimError], None, None]:
        for i, item in enumerate(items):
            yield i, guarded(function, item)


def workers_from(given: GivenWorkers) -> AbstractContextManager[Workers]:
    """Whose context is given, or so many processes of this machine: see `local_workers`.

    Raises
    ------
    ScenarioError
        If it is neither, or there would be no process.
    """
    if isinstance(given, AbstractContextManager):
        return given
    if given is not None and (isinstance(given, bool) or not hasattr(given, "__index__") or given < 1):
        raise ScenarioError(f"workers = {given!r}: expected a whole number of at least 1")
    return local_workers(None if given is None else operator.index(given))


def pays(left_s: float, count: int, frees_gil: bool, *, copies: bool = False) -> bool:
    """Whether processes repay their start.

    Parameters
    ----------
    left_s
        CPU time of all runs that are left, s.
    count
        Processes, and cores.
    frees_gil
        Whether threads would run side by side but for `LOCKED`; else one after another.
    copies
        Whether they are copies of this process.

    Notes
    -----
    Amdahl's law: threads need ``locked + (1 - locked) / count`` of the time, processes ``1 / count``.
    """
    locked = LOCKED if frees_gil else 1.0
    return left_s * locked * (1.0 - 1.0 / count) > (COPY_START_S if copies else START_S)


class _Automatic:
    """Threads of this process first, and processes from when they pay until the end of the study."""

    def __init__(self, count: int, *, may_fork: bool = False) -> None:
        from .processes import Processes, can_fork, end_if_started_again

        end_if_started_again()
        self._count = count
        self._stack = contextlib.ExitStack()
        self._copies: Processes | None = None  # made now, while this process has one thread
        if may_fork and count <= MOST_COPIES and can_fork():
            with contextlib.suppress(SimulationError):  # no room for copies, nor anything that others could import
                made = self._stack.enter_context(Processes(count, may_fork=True))
                self._copies = made if made.are_copies else None
        self._processes: Processes | None = None
        self._alone = False  # processes cannot be started from here
        self._spent_s = 0.0  # CPU time of finished runs
        self._finished = 0

    def __enter__(self) -> "_Automatic":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, at)

    def each(
        self,
        function: Callable[[Item], Value],
        items: Iterable[Item],
        *,
        count: int | None = None,
        frees_gil: bool = False,
    ) -> Generator[tuple[int, Value | MesssimError], None, None]:
        if self._processes is not None:
            yield from self._processes.each(function, items)
            return
        most = min(self._count, MOST_THREADS) if frees_gil else 1
        numbered, taken = enumerate(items), 0
        with _Threads(function) as threads:
            while True:
                for i, item in islice(numbered, most - len(threads.running)):
                    threads.start(i, item)
                    taken += 1
                if not threads.running:
                    return
                yield from self._counted(threads)
                if self._start(threads, None if count is None else count - taken, frees_gil):
                    break
            assert self._processes is not None
            for k, value in self._processes.each(function, (item for _, item in numbered)):
                yield taken + k, value
                yield from self._counted(threads, 0.0)
            while threads.running:
                yield from self._counted(threads)

    def _counted(
        self, threads: "_Threads[Item, Value]", wait_s: float = WAIT_S
    ) -> Iterator[tuple[int, Value | MesssimError]]:
        for i, value, cpu_s in threads.finished(wait_s):
            self._spent_s += cpu_s
            self._finished += 1
            yield i, value

    def _start(self, threads: "_Threads[Any, Any]", left: int | None, frees_gil: bool) -> bool:
        """Starts the processes if the runs that are left pay for them; where nobody knows, as many as there were."""
        if self._alone or left == 0:
            return False
        running_s = threads.longest_s()
        one_s = max(self._spent_s / self._finished if self._finished else 0.0, running_s)
        left_s = max((left or 0) * one_s, self._spent_s + running_s)
        if not pays(left_s, self._count, frees_gil, copies=self._copies is not None):
            return False
        if self._copies is not None:
            self._processes = self._copies
            return True
        from .processes import Processes

        try:
            self._processes = self._stack.enter_context(Processes(self._count))
        except SimulationError:
            self._alone = True  # a script from standard input, say: there is nothing that they could import
        return not self._alone


class _Threads(Generic[Item, Value]):
    """Calls in threads of this process.

    Where they are left by an exception, the calls are stopped at their next step of Python; one that comes to none
    within two seconds, in a policy that never returns, ends with this process.
    """

    def __init__(self, function: Callable[[Item], Value]) -> None:
        self._function = function
        self.running: dict[Future[tuple[Value | MesssimError, float]], int] = {}
        self._began_s: dict[int, float] = {}  # CPU time of a thread when its call began, by thread

    def __enter__(self) -> "_Threads[Item, Value]":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for ident in list(self._began_s):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(KeyboardInterrupt))
        wait(self.running, GRACE_S)

    def start(self, i: int, item: Item) -> None:
        """Calls the function for an item."""
        future: Future[tuple[Value | MesssimError, float]] = Future()
        self.running[future] = i
        threading.Thread(target=self._call, args=(future, item), name="messsim-run", daemon=True).start()

    def _call(self, future: "Future[tuple[Value | MesssimError, float]]", item: Item) -> None:
        with contextlib.suppress(KeyboardInterrupt):  # one that comes when the call is over ends nothing
            self._answer(future, item)

    def _answer(self, future: "Future[tuple[Value | MesssimError, float]]", item: Item) -> None:
        ident, began_s = threading.get_ident(), time.thread_time()
        self._began_s[ident] = began_s
        try:
            value = guarded(self._function, item)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result((value, time.thread_time() - began_s))
        finally:
            del self._began_s[ident]

    def finished(self, wait_s: float) -> Iterator[tuple[int, Value | MesssimError, float]]:
        """Position, value and CPU time of the calls that have ended, after a wait for the first, s."""
        done, _ = wait(self.running, wait_s, return_when=FIRST_COMPLETED)
        for future in done:
            i = self.running.pop(future)
            value, cpu_s = future.result()
            yield i, value, cpu_s

    def longest_s(self) -> float:
        """CPU time so far of the longest call that is under way, s."""
        longest_s = 0.0
        for ident, began_s in list(self._began_s.items()):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                now_s = time.clock_gettime(time.pthread_getcpuclockid(ident))
                longest_s = max(longest_s, now_s - began_s)
        return longest_s
