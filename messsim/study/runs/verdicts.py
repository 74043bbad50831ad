"""Requirements judged on replications: met or failed only where the whole interval says so."""

import math
from collections.abc import Sequence

from messsim.errors import MesssimError
from messsim.results.figures import Requirement
from messsim.results.intervals import LEVEL, replication_interval, student_t
from messsim.shapes.studies import Level, Verdict

from .rows import Row, column_of

__all__ = [
    "FAILED",
    "KEPT_SHARE",
    "MET",
    "UNCERTAIN",
    "is_promise",
    "out_of_reach",
    "overall",
    "values_of",
    "verdict_of",
]

MET: Level = "met"
UNCERTAIN: Level = "uncertain"
FAILED: Level = "failed"
KEPT_SHARE = 0.9  # of replications that must keep a promise


def is_promise(requirement: Requirement) -> bool:
    """Whether it bounds satisfaction from below: what a router steers to its promise, and no further."""
    of_tenant = requirement.path.startswith("tenants.") and requirement.path.endswith((".satisfaction", ".margin"))
    return not requirement.from_above and (requirement.path in ("sla.satisfaction", "sla.margin") or of_tenant)


def verdict_of(requirement: Requirement, rows: Sequence[Row | MesssimError], kept_share: float = KEPT_SHARE) -> Verdict:
    """`mean`, `low` and `high` of the figure over replications; whether it is surely met, surely not, or neither.

    A bound from below on satisfaction is met where it holds in `kept_share` of the replications; `kept` says in how
    many.
    """
    verdict: Verdict = {
        "requirement": str(requirement),
        "path": requirement.path,
        "operator": requirement.operator,
        "bound": requirement.bound,
        "mean": None,
        "low": None,
        "high": None,
        "verdict": FAILED,
        "reason": None,
    }
    errors = [row for row in rows if isinstance(row, MesssimError)]
    if errors:
        return verdict | {"reason": str(errors[0])}
    values = values_of(requirement.path, [row for row in rows if not isinstance(row, MesssimError)])
    if len(values) < len(rows):
        return verdict | {"reason": "a run has no such figure (null)"}
    interval = replication_interval(values)
    low, high = interval.low, interval.high
    verdict |= {"mean": interval.mean, "low": low, "high": high}
    if low is None or high is None:
        return verdict | {"verdict": UNCERTAIN, "reason": "one replication has no interval"}
    if is_promise(requirement):
        kept = sum(requirement.met_by(v) for v in values)
        enough = kept >= kept_share * len(values)
        return verdict | {"verdict": MET if enough else FAILED, "kept": kept}
    if requirement.operator == "==":
        surely = requirement.met_by(low) and requirement.met_by(high)
        never = not surely and not low <= requirement.bound <= high
    else:
        worst, best = (high, low) if requirement.from_above else (low, high)
        surely, never = requirement.met_by(worst), not requirement.met_by(best)
    return verdict | {"verdict": MET if surely else FAILED if never else UNCERTAIN}


def out_of_reach(
    requirement: Requirement, rows: Sequence[Row | MesssimError], seeds: int, kept_share: float = KEPT_SHARE
) -> bool:
    """Whether a requirement cannot be met any more by `seeds` replications, whatever those beyond `rows` give.

    Exact: of n values of which k miss a bound, the interval's end is nearest to it where the k lie on the bound and
    the others all on one value beyond it; the end is then past the bound where

    ``k/n + t sqrt(k (n - k) / (n - 1)) / n >= 1``, with Student's t of n - 1 degrees of freedom.
    """
    fine = [row for row in rows if not isinstance(row, MesssimError)]
    values = values_of(requirement.path, fine)
    if len(values) < len(rows):
        return True
    missed = sum(not requirement.met_by(v) for v in values)
    if is_promise(requirement):
        return seeds - missed < kept_share * seeds
    if requirement.operator == "==":
        return missed > 0
    if seeds < 2:
        return False
    end = missed + student_t(LEVEL, seeds - 1) * math.sqrt(missed * (seeds - missed) / (seeds - 1))
    return missed > 0 and end >= seeds


def overall(verdicts: Sequence[Verdict]) -> Level:
    """Met if all are; failed if one is."""
    names = {v["verdict"] for v in verdicts}
    return FAILED if FAILED in names else UNCERTAIN if UNCERTAIN in names else MET


def values_of(path: str, rows: Sequence[Row]) -> list[float]:
    """The figure of each row that has it."""
    column = column_of(path)
    return [float(v) for row in rows if isinstance(v := row.get(column), (bool, int, float))]
