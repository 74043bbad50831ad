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
        return min(int(self.uniform(job, second=second) * n), n - 1)

    def uniform(self, job: Job, *, second: bool = False) -> float:
        """A number in (0, 1)."""
        return self._chance.one(self._column, job.request, job.attempt, odd=second)


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

    def look(self, up: list[Any], job: Job) -> Any:
        """Whom it would pick, without a trace."""
        return self.pick(up, job)

    def sent(self, server: Any, job: Job) -> None:
        """Hears where a job goes, picked or the only one."""

    def forget(self, server: Any) -> None:
        """A replica went down, and what it knew is gone."""

    def left(self, job: Job) -> None:
        """A job's last token is there, or nobody waits for it any more, or its replica failed; heard once or more."""

    def boundary(self, server: Any) -> None:
        """A replica is between two iterations."""

    def waiting(self, server: Any) -> int:
        """Requests in the queue of a replica's engine, as far as is known; 0 of an API."""
        return 0 if server.pool.plan.is_api else self.looks.waiting(server)

    def usage(self, server: Any) -> float:
        """Share of a replica's memory that its batch holds, as far as is known; 0 of an API."""
        return 0.0 if server.pool.plan.is_api else self.looks.usage(server)

    def cached(self, server: Any, job: Job) -> int:
        """Tokens of the prompt that the prefix cache of a replica holds, as far as is known; 0 of an API."""
        return 0 if server.pool.plan.is_api else int(server.replica.seen_cached_tokens(job))

    def cheapest(self, up: list[Any], costs: list[float], job: Job) -> Any:
        """The one that costs least; any one of several."""
        equal = [server for server, cost in zip(up, costs, strict=True) if cost == min(costs)]
        return equal[self.draws.below(len(equal), job)]

    def least_loaded(self, up: list[Any], job: Job, *, random_ties: bool) -> Any:
        """The fewest unfinished requests, as far as is known; of several the first, or any one of them."""
        loads = [self.looks.unfinished(server) for server in up]
        equal = [server for server, load in zip(up, loads, strict=True) if load == min(loads)]
        return equal[self.draws.below(len(equal), job) if random_ties else 0]
