"""What a router sees of its replicas where it polls them: their state as it was at the last multiple of a delay.

A look comes before anything that happens at its instant. Between two events nothing changes but what is a function of
time, so a look need not be an event: it is carried out, for its own time, when the next event comes.
"""

from collections.abc import Iterable
from typing import Any

__all__ = ["Looks"]


class Looks:
    """What dispatch sees of replicas; with no delay as they are.

    Where `settles`, iterations under way at a look have put into caches, and evicted, what they do: prices go by that.
    """

    def __init__(self, delay_s: float, *, settles: bool = False) -> None:
        self.delay_s = delay_s
        self._settles = settles
        self.index = 0
        self._unfinished: dict[int, int] = {}
        self._engines: dict[int, tuple[int, float]] = {}  # waiting requests, share of memory in use

    @property
    def time_s(self) -> float:
        """When the last look was."""
        return self.index * self.delay_s

    def due(self, time_s: float) -> bool:
        """Whether a look has come due by a time since the last one."""
        if not time_s < 2.0**62 * self.delay_s:
            return False
        index = int(time_s / self.delay_s)
        index += (index + 1) * self.delay_s <= time_s  # the quotient is rounded
        index -= index * self.delay_s > time_s
        is_due = index > self.index
        self.index = max(index, self.index)
        return is_due

    def look(self, servers: Iterable[Any]) -> None:
        """All that routers ask of servers is seen as it is at the time of the look."""
        for server in servers:
            self._unfinished[server.index] = server.unfinished
            if not server.pool.plan.is_api:
                server.replica.look(self.time_s, settles=self._settles)
                self._engines[server.index] = (server.replica.waiting, server.replica.kv_usage(self.time_s))

    def show(self, servers: Iterable[Any]) -> None:
        """Unfinished requests of servers are seen as they are now."""
        if self.delay_s > 0:
            self._unfinished.update({s.index: s.unfinished for s in servers})

    def unfinished(self, server: Any) -> int:
        """Unfinished requests of a replica, as far as is known."""
        return int(server.unfinished) if self.delay_s == 0 else self._unfinished.get(server.index, 0)

    def waiting(self, server: Any) -> int:
        """Requests in the queue of a replica's engine."""
        return int(server.replica.waiting) if self.delay_s == 0 else self._engines.get(server.index, (0, 0.0))[0]

    def usage(self, server: Any) -> float:
        """Share of a replica's memory that its batch holds."""
        if self.delay_s == 0:
            return float(server.replica.kv_usage(server.calendar.now))
        return self._engines.get(server.index, (0, 0.0))[1]
