"""One after another."""

from typing import Any

from .rule import Job, Rule

__all__ = ["RoundRobin"]


class RoundRobin(Rule):
    """In turn."""

    _turn = 0

    def pick(self, up: list[Any], job: Job) -> Any:
        """One of at least two replicas that are up and take the job."""
        self._turn += 1
        return up[(self._turn - 1) % len(up)]
