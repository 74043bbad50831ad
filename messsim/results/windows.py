"""The promise window by window: a day at a time, or over the last so many answers."""

from typing import Any

import numpy as np

from messsim.scenario.routing import Sla
from messsim.workload.chunk import Floats

from .verdict import falls_short

__all__ = ["InOrder", "Judged", "LastAnswers", "Periods", "Windows", "windows_of"]


class Judged:
    """Windows that are over: how many, how many fell short, and the least satisfied of them."""

    def __init__(self) -> None:
        self.count = self.violated = 0
        self.worst: float | None = None

    def judge(self, answered: Any, satisfied: Floats, promised: Floats) -> None:
        """Windows by their sums; each has at least one answer."""
        if len(satisfied) == 0:
            return
        self.count += len(satisfied)
        self.violated += int(np.count_nonzero(falls_short(satisfied / answered, promised / answered)))
        least = float((satisfied / answered).min())
        self.worst = least if self.worst is None else min(self.worst, least)

    @property
    def violation_rate(self) -> float | None:
        """Fraction that fell short."""
        return self.violated / self.count if self.count else None


class Periods:
    """Windows of equal length on the clock, [k length_s, (k + 1) length_s); a request belongs to that of its arrival.

    A window is judged when it is over; one without an answer is no window.
    """

    def __init__(self, length_s: float) -> None:
        self._length_s = length_s
        self._judged = Judged()
        self._number = -1.0  # the window that is not over yet, and its sums
        self._sums = np.zeros(3)  # answered, satisfied, promised

    def add(self, arrival_s: Floats, satisfied: Floats, alphas: Floats) -> None:
        """Answered requests in order of arrival."""
        if len(arrival_s) == 0:
            return
        numbers, at = np.unique(arrival_s // self._length_s, return_inverse=True)
        sums = np.array([np.bincount(at), np.bincount(at, weights=satisfied), np.bincount(at, weights=alphas)])
        if numbers[0] == self._number:
            sums[:, 0] += self._sums
        elif self._sums[0]:
            self._judged.judge(*self._sums[:, None])
        self._judged.judge(*sums[:, :-1])
        self._number, self._sums = float(numbers[-1]), sums[:, -1]

    def close(self, until_s: float) -> Judged:
        """What became of all windows that were over at `until_s`."""
        if self._sums[0] and (self._number + 1.0) * self._length_s <= until_s:
            self._judged.judge(*self._sums[:, None])
            self._sums = np.zeros(3)
        return self._judged


class LastAnswers:
    """The last `length` answers, looked at after every answer from the length-th on, in order of arrival."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._judged = Judged()
        self._last = np.empty((2, 0))  # satisfied and alpha of fewer than `length` answers

    def add(self, arrival_s: Floats, satisfied: Floats, alphas: Floats) -> None:
        """Answered requests in order of arrival."""
        values = np.concatenate([self._last, [satisfied, alphas]], axis=1)
        so_far = np.cumsum(np.concatenate([np.zeros((2, 1)), values], axis=1), axis=1)
        sums = so_far[:, self._length :] - so_far[:, : -self._length]
        self._judged.judge(float(self._length), *sums)
        self._last = values[:, max(0, values.shape[1] - self._length + 1) :]

    def close(self, until_s: float) -> Judged:
        """What became of all windows."""
        return self._judged


class InOrder:
    """Windows over answered requests that come in any order, as turns of sessions do: kept, and sorted at the end.

    Equal times keep the order in which they came. 24 bytes an answer.
    """

    def __init__(self, windows: Periods | LastAnswers) -> None:
        self._windows = windows
        self._parts: list[Floats] = []

    def add(self, arrival_s: Floats, satisfied: Floats, alphas: Floats) -> None:
        """Answered requests."""
        self._parts.append(np.array([arrival_s, satisfied, alphas]))

    def close(self, until_s: float) -> Judged:
        """What became of all windows."""
        if self._parts:
            values = np.concatenate(self._parts, axis=1)
            self._windows.add(*values[:, np.argsort(values[0], kind="stable")])
            self._parts = []
        return self._windows.close(until_s)


Windows = Periods | LastAnswers | InOrder


def windows_of(sla: Sla, has_sessions: bool = False) -> Windows | None:
    """Windows as the promise states them; None where it speaks of the whole run only."""
    if sla.window_s is None and sla.window_requests is None:
        return None
    windows = Periods(sla.window_s) if sla.window_s is not None else LastAnswers(sla.window_requests or 1)
    return InOrder(windows) if has_sessions else windows
