"""Laws of tokens and delays: each has the mean, the range and the distribution that it states.

Means are compared by t = (mean - theory) / standard error over 40 independent replications, |t| < 4.6: a false
alarm in 23,000 tests (t with 39 degrees of freedom). Distributions by chi-square or Kolmogorov-Smirnov,
p > 1e-4: one in 10,000. Seeds are fixed, so an alarm stays until the stream or the law changes.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from scipy import stats

from messsim import _core
from messsim.scenario.laws import DelayLaw, TokenLaw
from messsim.workload import Chance
from messsim.workload.laws import delay_sampler, lognormal_parameters, token_sampler

COLUMN = 17
REPLICATIONS = 40
T_LIMIT = 4.6
P_LIMIT = 1e-4


def token_law(**spec):
    return TypeAdapter(TokenLaw).validate_python(spec)


def delay_law(**spec):
    return TypeAdapter(DelayLaw).validate_python(spec)


def pmf(law, most: int) -> np.ndarray:
    """P(N = 0), P(N = 1), ..., P(N = most) of a law, longer draws cut to it, by SciPy alone."""
    k = np.arange(most + 1)
    if law.kind == "constant":
        return (k == law.tokens).astype(float)
    if law.kind == "empirical":
        weights = np.ones(len(law.tokens)) if law.weights is None else np.array(law.weights)
        return np.bincount(law.tokens, weights / weights.sum(), most + 1)
    if law.kind == "geometric":
        cdf = stats.geom(1 / law.mean).cdf(k) if law.mean > 1 else np.minimum(k, 1.0)
    else:
        sigma = math.sqrt(math.log1p(law.cv**2))
        cdf = stats.lognorm(sigma, scale=law.mean * math.exp(-(sigma**2) / 2)).cdf(k + 0.5)
        cdf[0] = 0.0  # below half a token is still one
    cdf[most] = 1.0
    return np.diff(cdf, prepend=0.0)


LAWS = {
    "constant": token_law(kind="constant", tokens=42),
    "geometric": token_law(kind="geometric", mean=150.0),
    "geometric of mean 1": token_law(kind="geometric", mean=1.0),
    "geometric of mean 1.01": token_law(kind="geometric", mean=1.01),
    "geometric, cut": token_law(kind="geometric", mean=150.0, max=100),
    "geometric, cut to 1": token_law(kind="geometric", mean=150.0, max=1),
    "lognormal": token_law(kind="lognormal", mean=500.0, cv=1.0),
    "lognormal, cut": token_law(kind="lognormal", mean=500.0, cv=2.0, max=800),
    "lognormal of short ones": token_law(kind="lognormal", mean=0.8, cv=1.0),
    "lognormal, narrow": token_law(kind="lognormal", mean=20.0, cv=0.01),
    "empirical": token_law(kind="empirical", tokens=[7, 3, 90], weights=[1.0, 0.0, 3.0]),
    "empirical, equal": token_law(kind="empirical", tokens=[5, 1, 5, 9]),
}
each_law = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)


def drawn(law, n: int, replication=0, first=0) -> np.ndarray:
    return token_sampler(law, Chance(1, replication), COLUMN).draw(first, n)


def t_value(means: np.ndarray, theory: float) -> float:
    error = np.std(means, ddof=1) / math.sqrt(len(means))
    difference = np.mean(means) - theory
    return difference / error if error else (0.0 if abs(difference) < 1e-12 * theory else math.inf)


# ---- tokens ---------------------------------------------------------------------------------------------


@each_law
def test_the_mean_is_that_of_the_draws(law):
    means = np.array([drawn(law, 5000, r).mean() for r in range(REPLICATIONS)])
    assert abs(t_value(means, token_sampler(law, Chance(1), COLUMN).mean)) < T_LIMIT


@each_law
def test_the_mean_and_the_mean_square_are_exact(law):
    most = min(int(token_sampler(law, Chance(1), COLUMN).most) + 1, getattr(law, "max", 10**6))
    p = pmf(law, most)
    assert p.sum() == pytest.approx(1)
    k, sampler = np.arange(most + 1.0), token_sampler(law, Chance(1), COLUMN)
    assert sampler.mean == pytest.approx(float(k @ p), rel=1e-11)
    assert sampler.mean_square == pytest.approx(float(k**2 @ p), rel=1e-10)


@each_law
def test_counts_are_whole_and_within_the_range(law):
    sampler = token_sampler(law, Chance(1), COLUMN)
    counts = sampler.draw(0, 100_000)
    assert counts.dtype == np.int32
    assert counts.min() >= 1
    assert counts.max() <= sampler.most
    assert sampler.most <= getattr(law, "max", math.inf)


@each_law
def test_the_distribution_is_the_laws(law):
    counts = drawn(law, 100_000)
    p = pmf(law, max(int(counts.max()), 1) if not hasattr(law, "max") else min(law.max, 20_000))
    seen = np.bincount(counts, minlength=len(p))
    assert seen[p == 0].sum() == 0
    # Neighbours are put together until each group expects 50 or more.
    group = np.floor(np.cumsum(p) * len(counts) / 50.0001).astype(int)
    expected, observed = np.bincount(group, p) * len(counts), np.bincount(group, seen)
    keep = expected > 0
    expected, observed = expected[keep], observed[keep]
    if len(expected) > 1 and expected[-1] < 50:
        expected[-2], observed[-2] = expected[-2] + expected[-1], observed[-2] + observed[-1]
        expected, observed = expected[:-1], observed[:-1]
    if len(expected) > 1:
        expected *= len(counts) / expected.sum()
        assert stats.chisquare(observed, expected).pvalue > P_LIMIT


def test_a_geometric_of_mean_1_is_always_1():
    assert set(drawn(LAWS["geometric of mean 1"], 1000)) == {1}


def test_cutting_moves_the_rest_to_the_limit():
    law, long = LAWS["geometric, cut"], LAWS["geometric"]
    np.testing.assert_array_equal(drawn(law, 5000), np.minimum(drawn(long, 5000), 100))


def test_by_hand():
    # P(N > k) = (1/2)^k for k < 3: 1 + 1/2 + 1/4
    assert token_sampler(token_law(kind="geometric", mean=2.0, max=3), Chance(1), 0).mean == 1.75
    assert token_sampler(LAWS["empirical"], Chance(1), 0).mean == (7 + 3 * 90) / 4
    unused = token_law(kind="empirical", tokens=[7, 90], weights=[1.0, 0.0])
    assert [token_sampler(law, Chance(1), 0).most for law in (LAWS["empirical"], unused)] == [90, 7]


def test_parameters_of_a_lognormal_give_its_mean_and_deviation():
    mu, sigma = lognormal_parameters(500.0, 2.0)
    law = stats.lognorm(sigma, scale=math.exp(mu))
    assert law.mean() == pytest.approx(500, rel=1e-12)
    assert law.std() == pytest.approx(1000, rel=1e-12)


class Twin:
    """Chance that applies each law's quantile function to given u; by default the ends of (0, 1) in 52 bits."""

    def __init__(self, u: np.ndarray | None = None) -> None:
        self.u = np.array([2.0**-53, 1.0 - 2.0**-53]) if u is None else u

    def uniform(self, *_):
        return self.u

    def geometric(self, _column, _first, _n, scale, most):
        return np.minimum(1.0 + np.floor(_core.quantile_exponential(self.u) * scale), most).astype(np.int32)

    def lognormal_count(self, _column, _first, _n, mu, sigma, most):
        x = _core.exp(mu + sigma * _core.quantile_normal(self.u))
        return np.clip(np.floor(x + 0.5), 1, most).astype(np.int32)


@each_law
def test_a_draw_is_the_laws_quantile_of_the_columns_uniform(law):
    twin = Twin(Chance(1, 3).uniform(COLUMN, 9, 5000))
    np.testing.assert_array_equal(drawn(law, 5000, 3, 9), token_sampler(law, twin, COLUMN).draw(9, 5000))


@pytest.mark.parametrize(
    "law",
    [
        *LAWS.values(),
        token_law(kind="geometric", mean=1e7, max=10**7),
        token_law(kind="lognormal", mean=1e6, cv=100.0, max=10**7),
        token_law(kind="empirical", tokens=[*range(1, 11), 99], weights=[0.1] * 10 + [0.0]),  # sums to 1 - 2^-53
    ],
)
def test_the_ends_of_chance_are_within_the_range(law):
    sampler = token_sampler(law, Twin(), 0)
    counts = sampler.draw(0, 2)
    assert 1 <= counts.min() <= counts.max() <= sampler.most


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    st.one_of(
        st.builds(
            lambda mean, most: token_law(kind="geometric", mean=mean, max=most),
            st.floats(1, 1e4),
            st.integers(1, 3000),
        ),
        st.builds(
            lambda mean, cv, most: token_law(kind="lognormal", mean=mean, cv=cv, max=most),
            st.floats(0.1, 1e4),
            st.floats(1e-3, 100),
            st.integers(1, 3000),
        ),
        st.builds(
            lambda pairs: token_law(kind="empirical", tokens=[t for t, _ in pairs], weights=[w for _, w in pairs]),
            st.lists(st.tuples(st.integers(1, 3000), st.floats(0.01, 10)), min_size=1, max_size=9),
        ),
    )
)
def test_any_laws_mean_is_exact(law):
    sampler = token_sampler(law, Chance(1), 0)
    p = pmf(law, getattr(law, "max", 3000))
    assert sampler.mean == pytest.approx(float(np.arange(len(p)) @ p), rel=1e-9)
    assert sampler.draw(0, 500).max() <= sampler.most


# ---- delays ---------------------------------------------------------------------------------------------

DELAYS = {
    "exponential": (delay_law(kind="exponential", mean_s=60.0), stats.expon(scale=60.0)),
    "lognormal": (
        delay_law(kind="lognormal", mean_s=60.0, cv=2.0),
        stats.lognorm(math.sqrt(math.log(5)), scale=60 / math.sqrt(5)),
    ),
}
each_delay = pytest.mark.parametrize(("law", "theory"), DELAYS.values(), ids=DELAYS)


@each_delay
def test_delays_have_their_mean(law, theory):
    means = np.array([delay_sampler(law, Chance(1, r), COLUMN)(0, 5000).mean() for r in range(REPLICATIONS)])
    assert theory.mean() == pytest.approx(60)
    assert abs(t_value(means, 60.0)) < T_LIMIT


@each_delay
def test_delays_have_their_distribution(law, theory):
    assert stats.kstest(delay_sampler(law, Chance(1), COLUMN)(0, 20_000), theory.cdf).pvalue > P_LIMIT


def test_a_constant_delay():
    assert set(delay_sampler(delay_law(kind="constant", mean_s=2.5), Chance(1), COLUMN)(0, 9)) == {2.5}
