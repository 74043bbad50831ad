"""The JSON objects that studies print and keep, as types: what `--json` of each command has.

They are plain dictionaries of JSON's own types; a report reads them, and one that is read back from a file is checked
against them. The summary of a run has a module of its own, `messsim.summary`.
"""

from dataclasses import dataclass
from typing import Any, Literal, NotRequired

from typing_extensions import ReadOnly, TypedDict

__all__ = [
    "Cluster",
    "Comparison",
    "ComparisonWithFrontier",
    "Dearer",
    "Fleets",
    "IntervalSummary",
    "Judged",
    "Level",
    "OraclePoint",
    "PlanCounts",
    "PlanSummary",
    "PolicyFigures",
    "PolicyPlan",
    "PoolChoice",
    "Replications",
    "Span",
    "Spread",
    "Sweep",
    "SweepFailure",
    "SweepPoint",
    "Verdict",
]

Level = Literal["met", "uncertain", "failed"]
Values = dict[str, Any]  # of scenario keys, by path


class Span(TypedDict):
    """A mean and the ends of its interval; the ends are None where one value says nothing of the spread."""

    mean: ReadOnly[float | None]
    low: ReadOnly[float | None]
    high: ReadOnly[float | None]


class Spread(TypedDict):
    """A mean over replications with its 95 % interval, and how many have the figure."""

    mean: float
    low: float | None
    high: float | None
    count: int


class IntervalSummary(Spread):
    """An interval with the probability by which it covers the mean."""

    level: float


class Judged(TypedDict):
    """A requirement, judged on one run."""

    requirement: str
    path: str
    operator: str
    bound: float
    value: float | None
    met: bool
    margin: float | None
    reason: str | None


class Verdict(TypedDict):
    """A requirement, judged on replications."""

    requirement: str
    path: str
    operator: str
    bound: float
    mean: float | None
    low: float | None
    high: float | None
    verdict: Level
    reason: str | None
    kept: NotRequired[int]  # replications that keep a promise


class PoolChoice(TypedDict):
    """A pool of a cluster that was planned."""

    pool: str
    gpu: str | None
    tp: int
    replicas: int
    most: NotRequired[int]  # of a pool with autoscale, whose `replicas` are those that it keeps at least


class Cluster(TypedDict):
    """A cluster that `plan` simulated; `objective` in the plan's unit."""

    pools: list[PoolChoice]
    overrides: Values
    gpus: int
    objective: float | None
    energy_j: IntervalSummary | None
    figures: dict[str, IntervalSummary | None]
    replications: int
    kept: int
    verdict: Level
    requirements: list[Verdict]


class PlanCounts(TypedDict):
    """How many clusters there were, and what became of them."""

    candidates: int
    simulated: int
    costlier: int
    too_small: int
    assumed: int
    checked: int
    unchecked: int


class PlanSummary(TypedDict):
    """What `plan` prints.

    Attributes
    ----------
    frontier
        Clusters that no other beats in the objective and in all requirements' margins, cheapest first.
    clusters
        All that were simulated, cheapest first.
    counts
        Of candidates.
    assumptions
        What the answer rests on beyond its replications, in sentences.
    """

    scenario: str
    version: str
    objective: str
    unit: str
    requirements: list[str]
    seed: int
    replications: int
    level: float
    status: Level
    best: Cluster | None
    frontier: list[Cluster]
    clusters: list[Cluster]
    counts: PlanCounts
    violation: Cluster | None
    kept_share: float
    assumptions: list[str]


class PolicyPlan(TypedDict):
    """The fleet that a policy needs."""

    policy: str
    plan: PlanSummary


class Fleets(TypedDict):
    """What `compare --fleets` prints; `best` is the policy whose fleet is cheapest, None where no fleet is enough.

    `alpha` is None where tenants have promises of their own.
    """

    scenario: str
    alpha: float | None
    cost_unit: str
    requirements: list[str]
    unit: str
    replications: int
    policies: list[PolicyPlan]
    best: str | None


class PolicyFigures(TypedDict):
    """A policy's figures by path, and their paired differences to the first policy's; None for the first."""

    name: str
    figures: dict[str, Spread | None]
    difference: dict[str, Spread | None] | None


class Comparison(TypedDict):
    """What `compare` prints."""

    scenario: str
    alpha: float
    cost_unit: str
    rent_usd_per_hour: float | None
    cost_fixed: bool
    gpus: int
    seed: int
    replications: int
    models: list[str]
    policies: list[PolicyFigures]


class OraclePoint(TypedDict):
    """What an oracle pays for an answer in the cluster, where so many satisfy."""

    oracle: str
    satisfaction: float
    cost: float


class ComparisonWithFrontier(Comparison):
    """comparison.json."""

    frontier: list[OraclePoint]


class SweepPoint(TypedDict):
    """A point of a sweep."""

    point: Values
    policy: str
    replications: int
    figures: dict[str, IntervalSummary | None]


class SweepFailure(TypedDict):
    """A run of a sweep that did not come to its end."""

    point: Values
    replication: int
    error: str


class Sweep(TypedDict):
    """What `sweep` prints.

    Attributes
    ----------
    computed, resumed
        Runs of now and of before.
    points
        Figures by path with mean, low, high.
    failures
        Point, replication and error of each run that failed.
    """

    scenario: str
    version: str
    seed: int
    cost_unit: str
    replications: int
    computed: int
    resumed: int
    points: list[SweepPoint]
    failures: list[SweepFailure]


class Replications(TypedDict):
    """What `replicate` prints.

    Attributes
    ----------
    precise
        Whether what was asked is reached; None if nothing was.
    figures
        By path, each with mean, low, high, level, count; None where no replication has it.
    """

    scenario: str
    seed: int
    cost_unit: str
    replications: int
    precision: float | None
    of: list[str] | None
    precise: bool | None
    figures: dict[str, IntervalSummary | None]


@dataclass(frozen=True)
class Dearer:
    """How much more an answer of a point costs than one of the cheapest, on the same requests, with a 95 % interval.

    One replication has no interval: `low` is None.
    """

    point: str
    mean: float
    low: float | None
