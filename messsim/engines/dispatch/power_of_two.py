"""The less loaded of two that are drawn at random, of equals the first.

Source: Mitzenmacher, IEEE TPDS 12 (10), 2001.
"""

from typing import Any

from .rule import Job, Rule

__all__ = ["PowerOfTwo"]


class PowerOfTwo(Rule):
    """The better of two."""

    def pick(self, up: list[Any], job: Job) -> Any:
        """One of at least two replicas that are up and take the job."""
        a = self.draws.below(len(up), job)
        b = self.draws.below(len(up) - 1, job, second=True)
        b += b >= a
        return min((up[min(a, b)], up[max(a, b)]), key=self.looks.unfinished)
