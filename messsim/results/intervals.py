"""Confidence intervals from independent values: replications, paired differences, and how many are enough.

Values of one run are autocorrelated and do not belong here: see `steady`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from messsim.quantiles import student_quantile
from messsim.shapes.studies import IntervalSummary

__all__ = [
    "LEVEL",
    "Interval",
    "is_precise",
    "paired_difference",
    "replication_interval",
    "share_interval",
    "student_t",
]

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval.

    Attributes
    ----------
    mean
        Of the values, in their unit.
    half_width
        In the same unit; None where a single value says nothing of the spread.
    level
        Probability with which such an interval covers the true mean.
    count
        Independent values behind it.
    """

    mean: float
    half_width: float | None
    level: float
    count: int

    @property
    def low(self) -> float | None:
        """Lower end."""
        return None if self.half_width is None else self.mean - self.half_width

    @property
    def high(self) -> float | None:
        """Upper end."""
        return None if self.half_width is None else self.mean + self.half_width

    def covers(self, value: float, slack: float = 0.0) -> bool:
        """Whether a value lies in it, widened on either side by `slack`; never without a width."""
        return self.half_width is not None and abs(value - self.mean) <= self.half_width + slack

    def summary(self) -> IntervalSummary:
        """For JSON."""
        return {"mean": self.mean, "low": self.low, "high": self.high, "level": self.level, "count": self.count}


def student_t(level: float, freedom: float) -> float:
    """The t with which a two-sided interval of a level reaches, for so many degrees of freedom."""
    return student_quantile((1.0 - level) / 2.0, freedom)


def replication_interval(values: Sequence[float], level: float = LEVEL) -> Interval:
    """Student's interval for the mean of independent values: one figure of each replication.

    Parameters
    ----------
    values
        At least one; finite.
    level
        In (0, 1).

    Raises
    ------
    ValueError
        Without values.
    """
    n = len(values)
    if n == 0:
        raise ValueError("no values; expected at least one")
    mean = math.fsum(values) / n
    if n == 1:
        return Interval(mean, None, level, 1)
    variance = math.fsum((x - mean) ** 2 for x in values) / (n - 1)
    return Interval(mean, student_t(level, n - 1) * math.sqrt(variance / n), level, n)


def share_interval(count: int, of: int, level: float = LEVEL) -> tuple[float, float]:
    """Clopper and Pearson's interval for a probability: `count` of `of` independent runs had it.

    Exact: it covers the probability at least with the level, and mostly with more (Biometrika 26, 1934).

    Raises
    ------
    ValueError
        Unless 0 <= count <= of and of > 0.
    """
    from scipy.special import betaincinv

    if not 0 <= count <= of or of == 0:
        raise ValueError(f"{count} of {of}; expected a count of some")
    tail = (1.0 - level) / 2.0
    low = 0.0 if count == 0 else float(betaincinv(count, of - count + 1, tail))
    high = 1.0 if count == of else float(betaincinv(count + 1, of - count, 1.0 - tail))
    return low, high


def paired_difference(ours: Sequence[float], theirs: Sequence[float], level: float = LEVEL) -> Interval:
    """Interval for the mean of ours - theirs, each pair from the same replication.

    Common random numbers make the members of a pair alike, so that their difference spreads much less than they do
    (Law, Simulation Modeling and Analysis, section 10.2).

    Raises
    ------
    ValueError
        If they are not as many, or none.
    """
    return replication_interval([a - b for a, b in zip(ours, theirs, strict=True)], level)


def is_precise(interval: Interval, precision: float) -> bool:
    """Whether the mean is known to a relative `precision`, such as 0.01, of the true mean.

    The half-width must be within precision / (1 + precision) of the *estimated* mean (Law, section 9.4.1). A mean of
    exactly 0 is precise only if all values are 0.
    """
    if interval.half_width is None:
        return False
    return interval.half_width <= precision / (1.0 + precision) * abs(interval.mean)
