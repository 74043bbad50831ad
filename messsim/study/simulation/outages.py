"""When replicas were down: the plan, and what chance drew, drawn again."""

from collections.abc import Iterator

from messsim.plot.marks import OutageMark
from messsim.scenario import Scenario
from messsim.workload import Chance

__all__ = ["outages"]


def outages(scenario: Scenario, until_s: float) -> list[OutageMark]:
    """All failures that begin before `until_s`, in order of time; repairs may come later."""
    failures = scenario.cluster.failures
    if failures is None:
        return []
    collected = [
        OutageMark(o.pool, o.replica, o.at_s, o.at_s + o.for_s, True) for o in failures.schedule if o.at_s < until_s
    ]
    if failures.mtbf_s is not None:
        for pool in scenario.fleet:
            for replica in range(pool.replicas):
                collected += _drawn(scenario, str(pool.name), replica, failures.mtbf_s, failures.mttr_s, until_s)
    return sorted(collected, key=lambda o: (o.from_s, o.pool, o.replica))


def _drawn(
    scenario: Scenario, pool: str, replica: int, mtbf_s: float, mttr_s: float, until_s: float
) -> Iterator[OutageMark]:
    """As the engines draw them (messsim.engines.breakdowns)."""
    chance = Chance(scenario.seed, scenario.replication)
    fails, repairs = chance.column("failure", pool), chance.column("repair", pool)
    time_s, k = 0.0, 0
    while True:
        fails_s = time_s + mtbf_s * chance.one_exponential(fails, k, replica)
        if fails_s >= until_s:
            return
        time_s = fails_s + mttr_s * chance.one_exponential(repairs, k, replica)
        yield OutageMark(pool, replica, fails_s, time_s, False)
        k += 1
