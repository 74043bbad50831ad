"""Laws of token counts and delays as quantile functions of counter-based uniforms, with their means."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from messsim import _core
from messsim.quantiles import normal_cdf
from messsim.scenario import laws as scenario_laws

from .chance import Chance
from .chunk import Floats, Ints

__all__ = [
    "TokenSampler",
    "delay_sampler",
    "histogram_sampler",
    "limited_sampler",
    "lognormal_parameters",
    "token_sampler",
]


SAMPLE = 4096  # requests whose answers stand for all, where each has a limit of its own


@dataclass(frozen=True)
class TokenSampler:
    """A law of token counts.

    Attributes
    ----------
    draw : (first, n) -> int32 [n]
    mean, mean_square
        Of exactly what `draw` gives, rounding and cutting included; tokens, tokens^2. Of `limited_sampler` estimates.
    most
        No draw is longer; tokens.
    geometric
        (scale, most) of ``Chance.geometric`` with the sampler's column, where that is what it draws; else None.
    """

    draw: Callable[[int, int], Ints]
    mean: float
    mean_square: float
    most: float
    geometric: tuple[float, float] | None = None


def _log(x: float) -> float:
    """The kernel's logarithm: the same bits everywhere."""
    return float(_core.log(np.array([x]))[0])


def lognormal_parameters(mean: float, cv: float) -> tuple[float, float]:
    """(mu, sigma) of a lognormal with this mean and coefficient of variation."""
    variance = _log(1.0 + cv * cv)
    return _log(mean) - variance / 2.0, math.sqrt(variance)


def token_sampler(law: scenario_laws.TokenLaw, chance: Chance, column: int) -> TokenSampler:
    """The sampler of a law that stands by itself (not taken from a trace or a table)."""
    if law.kind == "constant":
        value = law.tokens
        return TokenSampler(lambda first, n: np.full(n, value, np.int32), value, value**2, value)
    if law.kind == "geometric":
        return _geometric(law.mean, law.max, chance, column)
    if law.kind == "lognormal":
        return _lognormal(law, chance, column)
    if law.kind == "empirical":
        return _empirical(law, chance, column)
    raise AssertionError(law.kind)  # the workload resolves "trace", "table" and "builtin" itself


def _geometric(mean: float, most: int, chance: Chance, column: int) -> TokenSampler:
    if mean == 1:
        return TokenSampler(lambda first, n: np.ones(n, np.int32), 1, 1, 1)
    survival = 1.0 - 1.0 / mean
    scale = -1.0 / _log(survival)

    def draw(first: int, n: int) -> Ints:
        return chance.geometric(column, first, n, scale, most)

    within = -math.expm1(most * math.log(survival))  # P(N <= most)
    cut_mean = mean * within  # sum of P(N > k) over k < most
    cut_square = (2.0 * mean - 1.0) * cut_mean - 2.0 * mean * most * (1.0 - within)  # the same of (2 k + 1) P(N > k)
    return TokenSampler(draw, cut_mean, cut_square, min(most, 1 + 40 * scale), (scale, most))


def _lognormal(law: scenario_laws.Lognormal, chance: Chance, column: int) -> TokenSampler:
    mu, sigma = lognormal_parameters(law.mean, law.cv)

    def draw(first: int, n: int) -> Ints:
        return chance.lognormal_count(column, first, n, mu, sigma, law.max)

    most = max(min(law.max, round(math.exp(mu + 8.3 * sigma)) + 1), 1)  # z is 8.2 at most
    return TokenSampler(draw, *_lognormal_moments(mu, sigma, most), most)


@lru_cache(maxsize=256)
def _lognormal_moments(mu: float, sigma: float, most: int) -> tuple[float, float]:
    """Mean and mean square of the counts: the runs of a study often share them, and they take a millisecond."""
    k = np.arange(1, most)
    above = np.array(normal_cdf(((mu - np.log(k + 0.5)) / sigma).tolist()))  # P(N > k)
    return 1.0 + float(above.sum()), 1.0 + float((2.0 * k + 1.0) @ above)


def _empirical(law: scenario_laws.Empirical, chance: Chance, column: int) -> TokenSampler:
    weights = np.ones(len(law.tokens)) if law.weights is None else np.array(law.weights)
    return histogram_sampler(np.array(law.tokens, np.int32), weights, chance, column)


def histogram_sampler(tokens: Ints, weights: Floats, chance: Chance, column: int) -> TokenSampler:
    """The sampler of token counts [n] with a weight each."""
    tokens, weights = tokens[weights > 0], weights[weights > 0]
    cumulative = np.cumsum(weights / weights.sum())

    def draw(first: int, n: int) -> Ints:
        at = np.searchsorted(cumulative, chance.uniform(column, first, n), side="right")
        return tokens[np.minimum(at, len(tokens) - 1)]

    squares = tokens.astype(np.float64) ** 2
    mean, mean_square = (float(np.average(values, weights=weights)) for values in (tokens, squares))
    return TokenSampler(draw, mean, mean_square, float(tokens.max()))


def limited_sampler(sampler: TokenSampler, limit: TokenSampler) -> TokenSampler:
    """Draws of a sampler, each cut to that of another for the same request; its means are those of a sample."""

    def draw(first: int, n: int) -> Ints:
        return np.minimum(sampler.draw(first, n), limit.draw(first, n))

    tokens = draw(0, SAMPLE).astype(np.float64)
    mean, mean_square = float(tokens.mean()), float((tokens**2).mean())
    return TokenSampler(draw, mean, mean_square, min(sampler.most, limit.most))


def delay_sampler(law: scenario_laws.DelayLaw, chance: Chance, column: int) -> Callable[[int, int], Floats]:
    """Seconds from an answer to its label, (first, n) -> float64 [n]; not for "immediate"."""
    if law.kind == "constant":
        return lambda first, n: np.full(n, law.mean_s)
    if law.kind == "exponential":
        return lambda first, n: law.mean_s * chance.exponential(column, first, n)
    if law.kind == "lognormal":
        mu, sigma = lognormal_parameters(law.mean_s, law.cv)
        return lambda first, n: chance.lognormal(column, first, n, mu, sigma)
    raise AssertionError(law.kind)
