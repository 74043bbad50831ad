"""What the rules of dispatch share."""

from typing import Any

from messsim.scenario.fleet import Cluster
from messsim.workload import Chance

from ..cluster import PoolPlan
from ..looks import Looks

__all__ = ["Draws", "Rule"]

Job = Any  # messsim._core.Job


class Draws:
    """Two uniform numbers of each copy and attempt, for what dispatch leaves to chance."""

    def __init__(self, chance: Chance, column: int) -> None:
        self._chance = chance
        self._column = column

    def below(self, n: int, job: Job, *, second: bool = False) -> int:
        """A whole number below n."""
        u = self._chance.one(self._column, job.request, job.attempt, odd=second)
        return min(int(u * n), n - 1)


class Rule:
    """A rule of dispatch among the replicas of one model, whose pools are `plans`."""

    def __init__(self, cluster: Cluster, draws: Draws, looks: Looks, plans: list[PoolPlan]) -> None:
        self.cluster = cluster
        self.draws = draws
        self.looks = looks
        self.plans = plans

    def pick(self, up: list[Any], job: Job) -> Any:
        """One of at least two replicas that are up and take the job."""
        raise NotImplementedError

    def sent(self, server: Any, job: Job) -> None:
        """Hears where a job goes, picked or the only one."""

    def forget(self, server: Any) -> None:
        """A replica went down, and what it knew is gone."""

    def left(self, job: Job) -> None:
        """A job's last token is there, or nobody waits for it any more, or its replica failed; heard once or more."""

    def boundary(self, server: Any) -> None:
        """A replica is between two iterations."""

    def cheapest(self, up: list[Any], costs: list[float], job: Job) -> Any:
        """The one that costs least; any one of several."""
        equal = [server for server, cost in zip(up, costs, strict=True) if cost == min(costs)]
        return equal[self.draws.below(len(equal), job)]

    def least_loaded(self, up: list[Any], job: Job, *, random_ties: bool) -> Any:
        """The fewest unfinished requests, as far as is known; of several the first, or any one of them."""
        loads = [self.looks.unfinished(server) for server in up]
        equal = [server for server, load in zip(up, loads, strict=True) if load == min(loads)]
        return equal[self.draws.below(len(equal), job) if random_ties else 0]
