"""One after another."""

from typing import Any

from .rule import Job, Rule

__all__ = ["RoundRobin"]


class RoundRobin(Rule):
    """In turn."""

    _turn = 0

    def pick(self, up: list[Any], job: Job) -> Any:
        """One of at least two replicas that are up and take the job."""
        server = self.look(up, job)
        self._turn += 1
        return server

    def look(self, up: list[Any], job: Job) -> Any:
        """Whom it would pick, without a trace."""
        return up[self._turn % len(up)]
