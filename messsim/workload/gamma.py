"""Quantiles of the gamma law of arrival gaps, by a table built once for each shape."""

from functools import cached_property, lru_cache

import numpy as np

from messsim import _core

from .chunk import Floats

__all__ = ["GammaGaps", "gamma_gaps"]


@lru_cache(maxsize=16)
def gamma_gaps(cv: float) -> "GammaGaps":
    """The table for a coefficient of variation, built once."""
    return GammaGaps(cv)


class GammaGaps:
    """Quantile function of the gamma law with mean 1 and the given coefficient of variation.

    `scipy.special.gammaincinv` costs 250 to 890 ns a draw; this table about 20. Nodes are spaced evenly in
    z, the normal quantile of u, where the logarithm of the gap is smooth; between them cubic Hermite
    interpolation of log(gap) with its exact slopes.

    Attributes
    ----------
    error
        Largest relative error of a quantile found on a grid five times finer than the nodes: below 1e-9
        for all cv from 0.05 to 20 (a test).
    """

    NODES = 4096
    SPAN = 8.3  # u = 2^-53 and 1 - 2^-53 lie at |z| = 8.2

    def __init__(self, cv: float) -> None:
        self.shape = 1.0 / (cv * cv)
        self._z = np.linspace(-self.SPAN, self.SPAN, self.NODES)
        self._step = self._z[1] - self._z[0]
        self._log_gap = self._exact(self._z)
        self._slope = self._exact_slope(self._z)

    @cached_property
    def error(self) -> float:
        """Largest relative error found."""
        fine = np.linspace(-8.2, 8.2, 5 * self.NODES + 1)
        return float(np.max(np.abs(np.expm1(self._interpolated(fine) - self._exact(fine)))))

    def __call__(self, z: Floats) -> Floats:
        """Gaps of mean 1 from standard normal quantiles z."""
        return _core.exp(self._interpolated(z))

    def _exact(self, z: Floats) -> Floats:
        """log(gap); each tail by the function that keeps its precision, the far left by the power law."""
        from scipy.special import gammainccinv, gammaincinv, gammaln, log_ndtr, ndtr

        k = self.shape
        with np.errstate(divide="ignore"):
            body = np.where(z < 0, np.log(gammaincinv(k, ndtr(z))), np.log(gammainccinv(k, ndtr(-z))))
        # P(X < x) -> x^k / Gamma(k + 1) as x -> 0: where x underflows or is tiny, its inverse is exact.
        left = (log_ndtr(z) + gammaln(k + 1.0)) / k
        log_gap: Floats = np.where(left < -40.0, left, body) - np.log(k)
        return log_gap

    def _exact_slope(self, z: Floats) -> Floats:
        """d log(gap) / dz = phi(z) / (x f(x)), x = shape gap, f its density: from dF = f dx = phi dz."""
        from scipy.special import gammaln

        k, log_x = self.shape, self._log_gap + np.log(self.shape)
        log_phi = -0.5 * z * z - 0.5 * np.log(2.0 * np.pi)
        slope: Floats = np.exp(log_phi + gammaln(k) - k * log_x + np.exp(log_x))
        return slope

    def _interpolated(self, z: Floats) -> Floats:
        position = (np.clip(z, -self.SPAN, self.SPAN) + self.SPAN) / self._step
        i = np.minimum(position.astype(np.int64), self.NODES - 2)
        t = position - i
        left, right = self._log_gap[i], self._log_gap[i + 1]
        a = self._slope[i] * self._step - (right - left)
        b = (right - left) - self._slope[i + 1] * self._step
        value: Floats = left + t * (right - left) + t * (1 - t) * (a * (1 - t) + b * t)
        return value
