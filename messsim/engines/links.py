"""A link whose bandwidth the transfers on it share evenly (csrc/link.h), for the engine in SimPy."""

import heapq
import math
from typing import Any

__all__ = ["Link"]


class Link:
    """Transfers that have had as many bytes as any other that was there as long: processor sharing.

    Attributes
    ----------
    next_s
        When the first of them ends; infinite while none is there.
    """

    def __init__(self, bytes_per_s: float) -> None:
        self.next_s = math.inf
        self._bytes_per_s = bytes_per_s
        self._carried = 0.0  # bytes that each has had since it was last empty, as of _since_s
        self._since_s = 0.0
        self._ends: list[tuple[float, Any, Any]] = []

    def join(self, transfer: Any, order: Any, size: float, now: float) -> None:
        """A transfer of so many bytes begins; among those that end together the least order is first."""
        self._advance(now)
        heapq.heappush(self._ends, (self._carried + size, order, transfer))
        self._foresee()

    def leave(self, transfer: Any, now: float) -> None:
        """One that has not ended is called off."""
        self._advance(now)
        self._ends = [end for end in self._ends if end[2] is not transfer]
        heapq.heapify(self._ends)
        self._foresee()

    def end(self, now: float) -> Any:
        """Takes out a transfer that ends now; None: none does."""
        if self.next_s != now:
            return None
        self._carried, _, transfer = heapq.heappop(self._ends)
        self._since_s = now
        self._foresee()
        return transfer

    def _share(self) -> float:
        return self._bytes_per_s / len(self._ends)

    def _advance(self, now: float) -> None:
        self._carried = self._carried + (now - self._since_s) * self._share() if self._ends else 0.0
        self._since_s = now

    def _foresee(self) -> None:
        if not self._ends:
            self.next_s = math.inf
            return
        left = self._ends[0][0] - self._carried
        self.next_s = self._since_s + (left / self._share() if left > 0.0 else 0.0)
