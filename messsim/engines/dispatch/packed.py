"""The fullest replica with fewer than so many unfinished requests; where all have as many, the least loaded.

Of equals the first. Bin packing: batches are large, and replicas without work idle.
"""

from typing import Any

from .rule import Job, Rule

__all__ = ["Packed"]


class Packed(Rule):
    """One replica after the other is filled."""

    def pick(self, up: list[Any], job: Job) -> Any:
        """One of at least two replicas that are up and take the job."""
        room = [server for server in up if self.looks.unfinished(server) < self.cluster.packed.requests]
        return max(room, key=self.looks.unfinished) if room else self.least_loaded(up, job, random_ties=False)
