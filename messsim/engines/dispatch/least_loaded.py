"""The fewest unfinished requests; of several such replicas the first, or any one of them."""

from typing import Any

from .rule import Job, Rule

__all__ = ["LeastLoaded"]


class LeastLoaded(Rule):
    """The least loaded replica."""

    def pick(self, up: list[Any], job: Job) -> Any:
        """One of at least two replicas that are up and take the job."""
        return self.least_loaded(up, job, random_ties=self.cluster.ties == "random")
