"""A run as a file for a trace viewer: Chrome's Trace Event Format, which Perfetto and Speedscope read.

The format: "Trace Event Format", nduca@ and dsinclair@, Google, 2016. Times are microseconds; X is a span, i an
instant, C a counter, M the name of a track. Spans of one track must not overlap, so each replica has as many tracks as
it ever runs sequences at once.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import Any, TextIO

from messsim.errors import OutputError
from messsim.files import json_text

__all__ = ["MOST_EVENTS", "Slots", "TraceFile"]

MOST_EVENTS = 2_000_000  # some 300 MB, about what a viewer holds


class TraceFile:
    """Writes events as they come, those of a window of time; nothing of them is kept.

    Parameters
    ----------
    out
        Where to write. The file is complete after `close`.
    from_s
        Events that end before it are left out, seconds.
    about
        What the viewer shows as the file's own data.
    most
        More events than these are an OutputError.
    """

    def __init__(self, out: TextIO, from_s: float, about: Mapping[str, object], most: int = MOST_EVENTS) -> None:
        self._out = out
        self._from_s = from_s
        self._most = most
        self.events = 0
        self.happened = 0  # without names
        other = json_text(about, indent=None).rstrip()
        out.write(f'{{"displayTimeUnit": "ms", "otherData": {other}, "traceEvents": [')

    def shows(self, time_s: float) -> bool:
        """Whether what happens then is in the window."""
        return time_s >= self._from_s

    def name(self, pid: int, tid: int | None, name: str) -> None:
        """The name of a process, or of one of its threads; processes are shown in the order of their numbers."""
        kind, thread = ("process_name", 0) if tid is None else ("thread_name", tid)
        self._write({"ph": "M", "pid": pid, "tid": thread, "name": kind, "args": {"name": name}})
        if tid is None:
            self._write({"ph": "M", "pid": pid, "tid": 0, "name": "process_sort_index", "args": {"sort_index": pid}})

    def span(self, pid: int, tid: int, name: str, kind: str, start_s: float, end_s: float, **args: Any) -> None:
        """Something that lasts."""
        if not self.shows(end_s):
            return
        start_ns, end_ns = _ns(start_s), _ns(end_s)
        times = {"ts": start_ns / 1000, "dur": (end_ns - start_ns) / 1000}
        self._write({"ph": "X", "pid": pid, "tid": tid, "name": name, "cat": kind} | times | {"args": args})

    def instant(self, pid: int, tid: int | None, name: str, kind: str, time_s: float, **args: Any) -> None:
        """Something that happens on a thread, or to the whole process."""
        if not self.shows(time_s):
            return
        where = {"s": "p", "pid": pid, "tid": 0} if tid is None else {"s": "t", "pid": pid, "tid": tid}
        self._write({"ph": "i"} | where | {"name": name, "cat": kind, "ts": _ns(time_s) / 1000, "args": args})

    def counter(self, pid: int, name: str, time_s: float, values: Mapping[str, float]) -> None:
        """Figures that hold from a time on."""
        if self.shows(time_s):
            self._write({"ph": "C", "pid": pid, "tid": 0, "name": name, "ts": _ns(time_s) / 1000, "args": values})

    def close(self) -> None:
        """Ends the file."""
        self._out.write("\n]}\n")

    def _write(self, event: Mapping[str, object]) -> None:
        self.events += 1
        self.happened += event["ph"] != "M"
        if self.events > self._most:
            raise OutputError(f"--trace-window: more than {self._most:,} events; expected a shorter window")
        self._out.write(("\n" if self.events == 1 else ",\n") + json_text(event, indent=None).rstrip())


def _ns(time_s: float) -> int:
    """Whole nanoseconds: sums of them are exact, so spans that touch do not overlap."""
    return round(time_s * 1e9)


class Slots:
    """Numbers for things that last, the lowest free one first."""

    def __init__(self) -> None:
        self.made = 0
        self._free: list[int] = []

    def take(self) -> int:
        """A number that nobody has."""
        if self._free:
            return heapq.heappop(self._free)
        self.made += 1
        return self.made - 1

    def give_back(self, slot: int) -> None:
        """It is free again."""
        heapq.heappush(self._free, slot)
