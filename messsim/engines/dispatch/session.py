"""A session stays where it was sent last, if it can; who is of no session, or of one that is not known any more,
goes to the least loaded.

As llm-d's session affinity by the session's id (llm-d/llm-d-router@ebab6879,
pkg/epp/framework/plugins/scheduling/scorer/sessionaffinity): bindings that are unused for 300 s are forgotten.
"""

from typing import Any

from .rule import Job, Rule

__all__ = ["Session"]


class Session(Rule):
    """Where the session is."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._bound: dict[int, tuple[Any, float]] = {}  # by session: the replica, and when it was used last

    def pick(self, up: list[Any], job: Job) -> Any:
        """One of at least two replicas that are up and take the job."""
        server, used_s = self._bound.get(job.session, (None, 0.0))
        if server in up and not used_s < server.calendar.now - self.cluster.session.ttl_s:
            return server
        return self.least_loaded(up, job, random_ties=self.cluster.ties == "random")

    def sent(self, server: Any, job: Job) -> None:
        """Hears where a job goes."""
        if job.session >= 0:
            self._bound[job.session] = (server, server.calendar.now)
