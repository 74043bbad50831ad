"""Replications of every experiment, and a verdict on every case."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from messsim.errors import ScenarioError
from messsim.results.intervals import Interval, replication_interval
from messsim.scenario import Scenario
from messsim.shapes.evidence import PinnedRecords, Verification, VerifiedCase

from ..runs.summaries import in_order, in_processes
from .cases import Case, Experiment, experiments
from .measures import observe
from .pinned import pinned_records
from .queues import slower

__all__ = ["verify"]

FAMILY_LEVEL = 0.99  # probability that no right case fails by chance
MOST_SIZE = 10_000
PRECISION = 0.01  # widest half-width at full size, relative to theory
SIZES = {"compiled": 1.0, "simpy": 0.01}  # by engine, unless said otherwise
SEED = 1
REPLICATIONS = 32
LEAST_REQUESTS = 4_000  # of a replication: start-up must not matter
WARMUP = 20  # a twentieth of the requests is left out of latencies

Pair = tuple[float, float]


@dataclass(frozen=True)
class _Task:
    """One replication of one experiment, as it goes to a process."""

    experiment: Experiment
    scenario: Scenario


@dataclass(frozen=True)
class _Setting:
    """What all replications have in common."""

    engine: str
    size: float
    seed: int
    slow_server: float

    def check(self) -> None:
        """Raises a ScenarioError for what cannot be simulated."""
        if self.engine not in SIZES:
            raise ScenarioError(f"engine = {self.engine!r}: expected one of {', '.join(SIZES)}")
        for name, value in (("size", self.size), ("slow-server", self.slow_server)):
            if not 0.0 < value < math.inf:
                raise ScenarioError(f"{name} = {value}: expected a number above 0")
        if self.size > MOST_SIZE:
            raise ScenarioError(f"size = {self.size:g}: expected at most {MOST_SIZE:,}, which takes days")
        if not 0 <= self.seed < 2**32:
            raise ScenarioError(f"seed = {self.seed}: expected a whole number from 0 to {2**32 - 1}")

    def requests(self, e: Experiment) -> int:
        """Of one replication."""
        return max(round(e.requests * self.size), LEAST_REQUESTS)

    def replication(self, e: Experiment, number: int) -> Scenario:
        """One replication of an experiment, which no other has the number of."""
        n = self.requests(e)
        slowed = slower(e.scenario, self.slow_server) if self.slow_server != 1.0 else e.scenario
        return slowed.changed(requests=n, warmup=n // WARMUP, engine=self.engine, seed=self.seed, replication=number)


def verify(
    *,
    engine: str = "compiled",
    size: float | None = None,
    seed: int | None = None,
    slow_server: float = 1.0,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    chosen: Sequence[Experiment] | None = None,
) -> Verification:
    """Compares simulated queues with theory.

    Every case is an average of 32 independent replications with Student's interval at the level 1 - 0.01 / cases:
    all of them together cover their theory with probability 99 % (Bonferroni). A case passes if theory, give or take
    the case's bias, lies in it, and the interval is narrow: half-width at most 1 % of theory in a full verification,
    2 % / sqrt(size) in a smaller one. Where all experiments are run, records of scenarios without caches, sessions and
    other engines' schedules are also compared with pinned sums: bit for bit what they were before there were any.

    Parameters
    ----------
    engine
        "compiled" or "simpy".
    size
        Share of the requests of a full verification; none: 1 by the compiled engine, 0.01 by the SimPy engine. No
        replication has fewer than 4,000, so that its start does not matter.
    seed
        Of all chance; none: 1.
    slow_server
        Multiplies every time of every server, not their theory: above 1 all timing cases must fail.
    workers
        Processes; none: one a core.
    progress
        Called with the replications done and all of them.
    chosen
        Experiments; none: all.

    Returns
    -------
    Verification

    Raises
    ------
    ScenarioError
        If there is no such engine, a size or factor is not above 0, or a seed is not in [0, 2^32).
    """
    size = SIZES.get(engine) if size is None else size
    setting = _Setting(engine, 1.0 if size is None else size, SEED if seed is None else seed, slow_server)
    setting.check()
    asked = list(experiments() if chosen is None else chosen)
    tasks = [
        _Task(e, setting.replication(e, n * REPLICATIONS + k))
        for n, e in enumerate(asked)  # no two experiments share their chance
        for k in range(REPLICATIONS)
    ]
    records = pinned_records(engine) if chosen is None else []
    return _judged(setting, asked, _all_observed(tasks, workers, progress), records)


def _judged(
    setting: _Setting,
    asked: Sequence[Experiment],
    pairs_of: dict[str, list[list[Pair]]],
    records: list[PinnedRecords],
) -> Verification:
    """A verdict on every case of the experiments, by what was observed in their replications."""
    level = 1.0 - (1.0 - FAMILY_LEVEL) / sum(len(e.cases) for e in asked)
    widest = PRECISION if setting.size >= 1.0 else 2.0 * PRECISION / setting.size**0.5
    cases = [
        _verdict(case, [pairs[k] for pairs in pairs_of[e.scenario.name]], level, widest)
        for e in asked
        for k, case in enumerate(e.cases)
    ]
    return {
        "passed": all(c["passed"] for c in cases) and all(r["same"] for r in records),
        "engine": setting.engine,
        "seed": setting.seed,
        "size": setting.size,
        "slow_server": setting.slow_server,
        "replications": REPLICATIONS,
        "requests": REPLICATIONS * sum(setting.requests(e) for e in asked),
        "family_level": FAMILY_LEVEL,
        "level": level,
        "widest": widest,
        "cases": cases,
        "records": records,
    }


def _all_observed(
    tasks: Sequence[_Task], workers: int | None, progress: Callable[[int, int], None] | None
) -> dict[str, list[list[Pair]]]:
    """What was observed in the replications of each experiment, by its name."""
    tasks = sorted(tasks, key=lambda t: -(t.scenario.requests or 0))  # long ones first: the processes end together
    collected: dict[str, list[list[Pair]]] = {}
    runs = in_order(in_processes(_observed, tasks, workers=workers))  # sums of floats must not depend on who is quicker
    for done, (task, pairs) in enumerate(zip(tasks, runs, strict=True), start=1):
        collected.setdefault(task.experiment.scenario.name, []).append(pairs)
        if progress is not None:
            progress(done, len(tasks))
    return collected


def _observed(task: _Task) -> list[Pair]:
    """(theory, simulated) of each case in one replication."""
    run = observe(task.scenario, task.experiment.columns)
    return [(c.theory if isinstance(c.theory, float) else c.theory(run), c.measure(run)) for c in task.experiment.cases]


def _verdict(case: Case, pairs: list[Pair], level: float, widest: float) -> VerifiedCase:
    """Theory that was read off the runs themselves differs from one to the next: what counts is the difference."""
    theory = replication_interval([t for t, _ in pairs]).mean
    difference = replication_interval([s - t for t, s in pairs], level)
    bias = case.bias * abs(theory)
    half_width = difference.half_width or 0.0
    agrees, narrow = difference.covers(0.0, bias), half_width <= widest * abs(theory)
    simulated = Interval(theory + difference.mean, half_width, level, len(pairs))
    return {
        "name": case.name,
        "unit": case.unit,
        "theory": theory,
        "simulated": simulated.mean,
        "ci_low": simulated.low,
        "ci_high": simulated.high,
        "bias": bias,
        "relative_error": difference.mean / theory,
        "relative_half_width": half_width / abs(theory),
        "agrees": agrees,
        "narrow": narrow,
        "passed": agrees and narrow,
        "timing": case.timing,
    }
