"""A session stays where it was sent last, if it can; who is of no session, or of one that is not known any more,
goes to the least loaded.

As llm-d's session affinity by the session's id (llm-d/llm-d-router@ebab6879,
pkg/epp/framework/plugins/scheduling/scorer/sessionaffinity): bindings that are unused for 300 s are forgotten.
"""

from typing import Any

from .rule import Job, Rule

__all__ = ["Bindings", "Session"]


class Bindings:
    """Where each session was sent last, unless that is longer ago than `ttl_s`."""

    def __init__(self, ttl_s: float) -> None:
        self._ttl_s = ttl_s
        self._bound: dict[int, tuple[Any, float]] = {}  # by session: the replica, and when it was used last

    def of(self, job: Job, now: float) -> Any:
        """The replica of a job's session; None where none is known."""
        server, used_s = self._bound.get(job.session, (None, 0.0))
        return None if used_s < now - self._ttl_s else server

    def bind(self, job: Job, server: Any) -> None:
        """A job of a session, if it is of one, is sent to a replica."""
        if job.session >= 0:
            self._bound[job.session] = (server, server.calendar.now)


class Session(Rule):
    """Where the session is."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._bindings = Bindings(self.cluster.session.ttl_s)

    def pick(self, up: list[Any], job: Job) -> Any:
        """One of at least two replicas that are up and take the job."""
        server = self._bindings.of(job, up[0].calendar.now)
        return server if server in up else self.least_loaded(up, job, random_ties=self.cluster.ties == "random")

    def sent(self, server: Any, job: Job) -> None:
        """Hears where a job goes."""
        self._bindings.bind(job, server)
