"""Any one, all equally likely."""

from typing import Any

from .rule import Job, Rule

__all__ = ["AtRandom"]


class AtRandom(Rule):
    """Any replica."""

    def pick(self, up: list[Any], job: Job) -> Any:
        """One of at least two replicas that are up and take the job."""
        return up[self.draws.below(len(up), job)]
