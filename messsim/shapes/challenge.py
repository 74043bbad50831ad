"""What a challenge found: a cell for each condition and policy, and where each policy stands over all conditions."""

from dataclasses import dataclass

__all__ = ["Cell", "Challenge", "Standing"]


@dataclass(frozen=True)
class Cell:
    """One policy under one condition.

    Attributes
    ----------
    kept, runs
        Replications in which the promise was kept, and that came to their end.
    compliant_from, compliant
        Mean request from which the promise holds for good, of the `compliant` replications in which it does.
    satisfaction
        Mean share of answers that satisfy.
    answered
        Mean share of requests that are answered.
    cost
        Mean realised cost of an answer, in the scenario's unit.
    x_oracle
        Mean ratio of it to the cost of an oracle that satisfies as much; None where the oracle could not.
    e2e_p95_s
        Mean 95th percentile of end-to-end latency, seconds.
    rank
        Mean rank among the policies, 1 the best.
    error
        Why a replication did not come to its end; empty: all did.
    """

    condition: str
    policy: str
    kept: int
    runs: int
    compliant_from: float | None
    compliant: int
    satisfaction: float | None
    answered: float | None
    cost: float | None
    x_oracle: float | None
    e2e_p95_s: float | None
    rank: float
    error: str


@dataclass(frozen=True)
class Standing:
    """A policy over all conditions.

    Attributes
    ----------
    kept, runs
        Runs in which the promise was kept, and all runs.
    x_oracle
        Geometric mean over the conditions in which it is known.
    rank, rank_low, rank_high
        Mean rank over conditions, and its 95 % interval over replications; None with one replication.
    difference, low, high
        Rank minus that of the first policy on the same requests, with its interval; None for the first.
    """

    policy: str
    kept: int
    runs: int
    x_oracle: float | None
    rank: float
    rank_low: float | None
    rank_high: float | None
    difference: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Challenge:
    """All of it, with what makes it quotable.

    Attributes
    ----------
    scenarios_sha256
        Of all scenarios as they were run, without their policies; `policies_sha256`: of each policy that is a file.
    seed, replications
        Replications 0 ... replications - 1 of each scenario's seed; None: the scenarios have several seeds.
    requests
        Of each condition; None where they last for a time.
    alphas, cost_units
        The promise of each condition, and the unit of its costs.
    """

    version: str
    scenarios_sha256: str
    policies_sha256: dict[str, str]
    seed: int | None
    replications: int
    conditions: list[str]
    requests: dict[str, int | None]
    alphas: dict[str, float]
    cost_units: dict[str, str]
    policies: list[str]
    standings: list[Standing]
    cells: list[Cell]
