"""Percentiles of a stream in bounded memory: a histogram on a logarithmic grid."""

import numpy as np

from messsim import _core
from messsim.workload.chunk import Floats

__all__ = ["LogHistogram", "ScoreHistogram"]

BINS_PER_OCTAVE = 1024
LEAST, OCTAVES = 2.0**-20, 44  # from a microsecond to half a year of seconds


class LogHistogram:
    """Positive values in 1,024 bins per factor of 2; zeros and NaN are kept apart.

    A percentile is off by at most half a bin, a relative 0.034 %; the mean is exact. Two histograms of the
    same values are equal whatever the chunks they came in.
    """

    RELATIVE_ERROR = 2.0 ** (0.5 / BINS_PER_OCTAVE) - 1.0

    def __init__(self) -> None:
        self._counts = np.zeros(BINS_PER_OCTAVE * OCTAVES, np.int64)
        self._zeros = 0
        self._sum = 0.0

    def add(self, values: Floats) -> None:
        """Counts values >= 0; NaN does not take part."""
        zeros, total = _core.log_histogram_add(self._counts, np.ascontiguousarray(values), LEAST, BINS_PER_OCTAVE)
        self._zeros += zeros
        self._sum += total

    @property
    def count(self) -> int:
        """Values seen."""
        return self._zeros + int(self._counts.sum())

    @property
    def mean(self) -> float | None:
        """Their mean; None without any."""
        return self._sum / self.count if self.count else None

    def quantiles(self, shares: list[float]) -> list[float | None]:
        """The smallest value with at least that share at or below it, for each share."""
        count = self.count
        if count == 0:
            return [None] * len(shares)
        cumulative = self._zeros + np.cumsum(self._counts)
        found: list[float | None] = []
        for share in shares:
            rank = max(int(np.ceil(share * count)), 1)
            if rank <= self._zeros:
                found.append(0.0)
                continue
            at = int(np.searchsorted(cumulative, rank))
            found.append(float(LEAST * 2.0 ** ((at + 0.5) / BINS_PER_OCTAVE)))
        return found

    def summary(self) -> dict[str, float | None]:
        """Mean, p50, p90, p95, p99."""
        p50, p90, p95, p99 = self.quantiles([0.5, 0.9, 0.95, 0.99])
        return {"mean": self.mean, "p50": p50, "p90": p90, "p95": p95, "p99": p99}


class ScoreHistogram:
    """How well predicted probabilities sort and fit what happened."""

    BINS = 4096

    def __init__(self) -> None:
        self._good = np.zeros(self.BINS)
        self._bad = np.zeros(self.BINS)
        self._loss = 0.0

    def add(self, scores: Floats, satisfied: Floats) -> None:
        """Counts predictions with their outcomes in [0, 1]; NaN on either side does not take part."""
        known = ~np.isnan(scores + satisfied)
        if not known.all():
            scores, satisfied = scores[known], satisfied[known]
        p = np.clip(scores, 1e-15, 1.0 - 1e-15)
        good, bad = _core.log(p), _core.log(1.0 - p)
        self._loss -= float(np.sum(bad + satisfied * (good - bad)))
        bins = np.minimum((scores * self.BINS).astype(np.int64), self.BINS - 1)
        count = np.bincount(bins, minlength=self.BINS)
        satisfied_count = np.bincount(bins, weights=satisfied, minlength=self.BINS)
        self._good += satisfied_count
        self._bad += count - satisfied_count

    @property
    def log_loss(self) -> float | None:
        """Mean cross-entropy, nats."""
        count = float(self._good.sum() + self._bad.sum())
        return self._loss / count if count else None

    @property
    def auc(self) -> float | None:
        """Probability that a satisfied answer had the higher score; ties count one half."""
        good, bad = float(self._good.sum()), float(self._bad.sum())
        if good == 0 or bad == 0:
            return None
        below = np.cumsum(self._bad) - self._bad
        return float(np.sum(self._good * (below + 0.5 * self._bad)) / (good * bad))
