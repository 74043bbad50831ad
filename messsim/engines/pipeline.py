"""Drawing, simulating and writing side by side: threads with bounded queues between them.

The C core and Polars release the GIL, so the stages overlap; nothing that they compute depends on it. A queue holds
a few chunks at most, and every wait ends within a fraction of a second to look whether the other side has gone.
"""

import os
import queue
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Any, Generic, TypeVar

__all__ = ["Background", "ahead", "cores"]

Item = TypeVar("Item")

DEPTH = 2
WAIT_S = 0.1


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _End:
    """Ends a queue; carries the exception that ended it, if one did."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def _put(items: "queue.Queue[Any]", item: Any, stopped: threading.Event) -> bool:
    while not stopped.is_set():
        try:
            items.put(item, timeout=WAIT_S)
        except queue.Full:
            continue
        return True
    return False


def ahead(source: Iterator[Item]) -> Generator[Item, None, None]:
    """The same items, made by a thread that runs up to DEPTH of them ahead.

    An exception of the source is raised where its item would have come. Closing the iterator stops the thread.
    """
    items: queue.Queue[Any] = queue.Queue(DEPTH)
    stopped = threading.Event()

    def produce() -> None:
        end = _End()
        try:
            for item in source:
                if not _put(items, item, stopped):
                    return
        except BaseException as error:  # handed to whoever reads
            end = _End(error)
        _put(items, end, stopped)

    thread = threading.Thread(target=produce, name="messsim-ahead", daemon=True)
    thread.start()
    try:
        while True:
            item = items.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        stopped.set()
        thread.join()


class Background(Generic[Item]):
    """Calls a function on items in a thread of its own, in order.

    Use as a context manager: leaving it waits for all items, or drops those that wait if an exception is under way.
    An exception of the function is raised at the next item, or on leaving.
    """

    def __init__(self, function: Callable[[Item], None]) -> None:
        self._function = function
        self._items: queue.Queue[Any] = queue.Queue(DEPTH)
        self._stopped = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="messsim-behind", daemon=True)

    def __call__(self, item: Item) -> None:
        """Hands an item over; waits while DEPTH of them wait already."""
        if not _put(self._items, item, self._stopped):
            self._raise()

    def __enter__(self) -> "Background[Item]":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is not None:
            self._stopped.set()
        _put(self._items, _End(), self._stopped)
        self._thread.join()
        if kind is None:
            self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while not self._stopped.is_set():
            try:
                item = self._items.get(timeout=WAIT_S)
            except queue.Empty:
                continue
            if isinstance(item, _End):
                return
            try:
                self._function(item)
            except BaseException as error:  # handed to whoever calls
                self._error = error
                self._stopped.set()
