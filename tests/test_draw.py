"""Random columns: known answers, independence of the order they are drawn in, accuracy, moments, pins."""

import hashlib
import math
from collections.abc import Callable

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from messsim import _core

MU, SIGMA = 5.0, 0.75


def drawing(name: str, *law: float) -> Callable[..., None]:
    """A method of `_core.Stream` as a function of seed, column, first request and what it fills."""

    def draw(seed, column, first, *into, replication=0, sub=0, **odd) -> None:
        getattr(_core.Stream(seed, column, replication, sub), name)(first, *law, *into, **odd)

    return draw


# name: (draw, whether it has an odd component)
DRAWS: dict[str, tuple[Callable[..., None], bool]] = {
    "uniform": (drawing("uniform"), True),
    "choice": (drawing("choice"), False),
    "exponential": (drawing("exponential"), True),
    "normal": (drawing("normal"), True),
    "lognormal": (drawing("lognormal", MU, SIGMA), True),
}

# what is built upon those
MEAN_TOKENS, MOST_TOKENS, SLOPE, ABILITY = 200.0, 500, 1.7, 0.3
GEOMETRIC_SCALE = -1 / math.log1p(-1 / MEAN_TOKENS)


def difficulty_of(first: int, n: int) -> np.ndarray:
    return np.array([(first + i) % 2**64 % 7 / 2 - 1.5 for i in range(n)])


def uniform_pair(n, seed, column, first, **which) -> np.ndarray:
    out = np.full((n, 2), math.nan)
    drawing("uniform_pair")(seed, column, first, out, **which)
    return out


def normal_pair(n, seed, column, first, **which) -> np.ndarray:
    even, odd = np.full((2, n), math.nan)
    drawing("normal_pair")(seed, column, first, even, odd, **which)
    return np.column_stack([even, odd])


def geometric(n, seed, column, first, **which) -> np.ndarray:
    out = np.full(n, -1, dtype=np.int32)
    drawing("geometric", GEOMETRIC_SCALE, MOST_TOKENS)(seed, column, first, out, **which)
    return out


def lognormal_count(n, seed, column, first, **which) -> np.ndarray:
    out = np.full(n, -1, dtype=np.int32)
    drawing("lognormal_count", MU, SIGMA, MOST_TOKENS)(seed, column, first, out, **which)
    return out


def logistic(n, seed, column, first, **which) -> np.ndarray:
    out = np.full(n, math.nan)
    drawing("logistic", SLOPE, ABILITY)(seed, column, first, difficulty_of(first, n), out, **which)
    return out


BUILT = {f.__name__: f for f in (uniform_pair, normal_pair, geometric, lognormal_count, logistic)}
each_draw = pytest.mark.parametrize("name", list(DRAWS))


def drawn(name: str, n: int, seed=1, column=2, first=0, **which) -> np.ndarray:
    if name in BUILT:
        return BUILT[name](n, seed, column, first, **which)
    out = np.full(n, math.nan)
    DRAWS[name][0](seed, column, first, out, **which)
    return out


def words_of(seed: int, column: int, request: int, replication=0, sub=0) -> list[int]:
    key = np.array([seed, column], dtype=np.uint32)
    counter = np.array([request & 0xFFFFFFFF, request >> 32, replication, sub], dtype=np.uint32)
    return [int(w) for w in _core.philox_block(key, counter)]


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.tobytes() == b.tobytes()


# ---- the generator --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [  # "philox4x32 10" in kat_vectors of the authors' Random123 library
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
    ids=["zeros", "ones", "pi"],
)
def test_philox_gives_the_published_answers(counter, key, words):
    block = _core.philox_block(np.array(key, dtype=np.uint32), np.array(counter, dtype=np.uint32))
    assert list(block) == words


uint32 = st.integers(0, 2**32 - 1)
uint64 = st.one_of(st.integers(0, 2**64 - 1), st.integers(2**32 - 40, 2**32 + 40), st.integers(0, 100))


@settings(derandomize=True, deadline=None, max_examples=300)
@given(uint32, uint32, uint64, uint32, uint32, st.integers(1, 100))
def test_a_uniform_is_52_bits_of_its_block(seed, column, first, replication, sub, n):
    for odd in (False, True):
        u = drawn("uniform", n, seed, column, first, replication=replication, sub=sub, odd=odd)
        for i in {0, n // 2, n - 1}:
            request = (first + i) % 2**64
            high, low = words_of(seed, column, request, replication, sub)[2 * odd : 2 * odd + 2]
            k = (high << 32 | low) >> 12
            assert u[i] == math.ldexp(2 * k + 1, -53)  # exact: (k + 1/2) 2^-52
            assert u[i] == _core.Stream(seed, column, replication, sub).one(request, odd)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(uint32, uint32, uint64, uint32, uint32)
def test_a_choice_is_the_first_word_of_its_block(seed, column, first, replication, sub):
    u = drawn("choice", 40, seed, column, first, replication=replication, sub=sub)
    for i in (0, 39):
        word = words_of(seed, column, (first + i) % 2**64, replication, sub)[0]
        assert u[i] == math.ldexp(2 * word + 1, -33)


@pytest.mark.parametrize(("name", "bits"), [("uniform", 53), ("choice", 33)])
def test_u_is_an_odd_multiple_of_half_a_step_and_never_0_or_1(name, bits):
    u = drawn(name, 1 << 20)
    assert np.all(u * 2.0**bits % 2.0 == 1.0)
    assert u.min() > 0.0
    assert u.max() < 1.0


# ---- whose numbers --------------------------------------------------------------------------------------


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    st.sampled_from([*DRAWS, *BUILT]),
    uint64,
    st.lists(st.one_of(st.integers(0, 70), st.sampled_from([1023, 1024, 1025, 2500])), max_size=8),
)
def test_chunks_do_not_show(name, first, lengths):
    whole = drawn(name, sum(lengths), first=first)
    parts, at = [], first
    for n in lengths:
        parts.append(drawn(name, n, first=at % 2**64))
        at += n
    assert same_bits(whole, np.concatenate(parts) if parts else whole)


@pytest.mark.parametrize("odd", [False, True])
def test_draws_are_quantiles_of_the_uniform(odd):
    u = drawn("uniform", 5000, odd=odd)
    z = drawn("normal", 5000, odd=odd)
    assert same_bits(drawn("exponential", 5000, odd=odd), _core.quantile_exponential(u))
    assert same_bits(z, _core.quantile_normal(u))
    assert same_bits(drawn("lognormal", 5000, odd=odd), _core.exp(MU + SIGMA * z))


@pytest.mark.parametrize("which", [{}, {"replication": 4}], ids=repr)
def test_what_is_built_upon_the_draws_follows_from_them(which):
    n = 20_000
    pair, normals = drawn("uniform_pair", n, **which), drawn("normal_pair", n, **which)
    for k, odd in enumerate([False, True]):
        assert same_bits(pair[:, k], drawn("uniform", n, odd=odd, **which))
        assert same_bits(normals[:, k], drawn("normal", n, odd=odd, **which))
    tokens = 1 + np.floor(drawn("exponential", n, **which) * GEOMETRIC_SCALE)
    np.testing.assert_array_equal(drawn("geometric", n, **which), np.minimum(tokens, MOST_TOKENS))
    tokens = np.clip(np.floor(drawn("lognormal", n, **which) + 0.5), 1, MOST_TOKENS)
    np.testing.assert_array_equal(drawn("lognormal_count", n, **which), tokens)
    chance = 1 / (1 + _core.exp(-(SLOPE * (ABILITY - difficulty_of(0, n)))))
    np.testing.assert_array_equal(drawn("logistic", n, **which), drawn("choice", n, **which) < chance)


def test_token_counts_stay_within_their_limits():
    assert drawn("geometric", 1 << 16).min() == 1
    assert drawn("geometric", 1 << 16).max() == MOST_TOKENS
    assert drawn("lognormal_count", 1 << 16).max() == MOST_TOKENS
    tokens = np.empty(1 << 12, dtype=np.int32)
    _core.Stream(1, 2).lognormal_count(0, -3.0, 1.0, 100.0, tokens)
    assert tokens.min() == 1
    _core.Stream(1, 2).geometric(0, 1e30, 2.0**31 - 1, tokens)  # however long: no overflow
    assert np.all(tokens == 2**31 - 1)


def test_another_component_makes_another_pair():
    assert not np.any(drawn("normal_pair", 1000) == drawn("normal_pair", 1000, sub=1))


@pytest.mark.parametrize(
    "call",
    [
        lambda: _core.Stream(1, 2).uniform_pair(0, np.zeros((5, 3))),
        lambda: _core.Stream(1, 2).normal_pair(0, np.zeros(5), np.zeros(4)),
        lambda: _core.Stream(1, 2).logistic(0, 1.0, 0.0, np.zeros(5), np.zeros(4)),
    ],
    ids=["uniform_pair", "normal_pair", "logistic"],
)
def test_columns_that_belong_together_have_one_length(call):
    with pytest.raises(_core.errors.KernelError):
        call()


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    """As a z-score: standard normal for independent columns."""
    return float(np.corrcoef(x, y)[0, 1] * math.sqrt(len(x)))


OTHERS = [{"seed": 9}, {"column": 9}, {"replication": 1}, {"sub": 1}, {"first": 1}, {"odd": True}]


@pytest.mark.parametrize(
    ("name", "other"),
    [(name, other) for name, (_, has_odd) in DRAWS.items() for other in OTHERS if has_odd or "odd" not in other],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_everything_of_the_key_and_counter_makes_another_stream(name, other):
    n = 20000
    mine, theirs = drawn(name, n), drawn(name, n, **other)
    assert np.count_nonzero(mine == theirs) < 5
    # P(|z| > 5) = 6e-7, 29 cases: one other seed in 60,000 would fail
    assert abs(correlation(mine, theirs)) < 5.0


@pytest.mark.parametrize(
    ("out", "error"),
    [
        (np.zeros(4, dtype=np.float32), ValueError),
        (np.zeros(8)[::2], ValueError),
        (np.zeros((2, 2)), ValueError),
        (None, TypeError),
    ],
    ids=["float32", "strided", "matrix", "none"],
)
@each_draw
def test_another_array_is_refused_not_copied(name, out, error):
    with pytest.raises(error):
        DRAWS[name][0](1, 2, 0, out)


@each_draw
@pytest.mark.parametrize("bad", [{"seed": -1}, {"seed": 2**32}, {"column": 2**32}, {"first": -1}])
def test_a_number_that_does_not_fit_its_word_is_refused(name, bad):
    with pytest.raises(OverflowError):
        drawn(name, 3, **bad)


def test_a_philox_block_has_its_shape():
    with pytest.raises(_core.errors.KernelError, match="2 words and a counter 4"):
        _core.philox_block(np.zeros(3, dtype=np.uint32), np.zeros(4, dtype=np.uint32))


# ---- accuracy: mpmath with 40 digits --------------------------------------------------------------------

mpmath.mp.dps = 40
RNG = np.random.default_rng(20)


def worst_ulps(got: np.ndarray, truth: list[mpmath.mpf]) -> float:
    errors = (abs(mpmath.mpf(float(g)) - t) / math.ulp(float(t)) for g, t in zip(got, truth, strict=True))
    return float(max(errors))


def test_exp_is_within_an_ulp():
    x = np.concatenate(
        [
            RNG.uniform(-708, 708, 20000),
            RNG.uniform(-1, 1, 20000),
            RNG.normal(size=500) * 1e-8,
            (np.arange(-1021, 1021) + 0.5) * math.log(2),  # where the power of two changes
            [0.0, -0.0, 708.0, -708.0, 5e-324, 2.0**-53, math.log(2) / 2],
        ]
    )
    assert worst_ulps(_core.exp(x), [mpmath.exp(mpmath.mpf(float(v))) for v in x]) <= 1.0


def test_exp_is_clipped_at_708():
    beyond = np.array([708.5, 1e300, math.inf])
    assert np.all(_core.exp(beyond) == _core.exp(np.array([708.0])))
    assert np.all(_core.exp(-beyond) == _core.exp(np.array([-708.0])))
    assert math.isnan(_core.exp(np.array([math.nan]))[0])


def test_log_is_within_an_ulp():
    around_one = 2.0 ** -RNG.uniform(1, 52, 1000)
    roots = [math.sqrt(0.5), math.sqrt(2.0)]  # where the power of two changes
    steps = np.arange(-20, 21) * 2.0**-53
    x = np.concatenate(
        [
            np.exp(RNG.uniform(-708, 709, 20000)),
            RNG.uniform(0, 2, 20000),
            1 + around_one,
            1 - around_one,
            *(root * (1 + steps) for root in roots),
            [2.2250738585072014e-308, 1.7976931348623157e308, 1 - 2.0**-53, 1 + 2.0**-52, math.e],
        ]
    )
    x = x[(x > 0) & (x != 1)]
    assert worst_ulps(_core.log(x), [mpmath.log(mpmath.mpf(float(v))) for v in x]) <= 1.0
    assert _core.log(np.array([1.0]))[0] == 0.0


def true_normal_quantile(u: float, guess: float) -> mpmath.mpf:
    """Newton on the tail probability, in which nothing cancels; the guess is right to 1e-9 at least."""
    exact = mpmath.mpf(u)
    tail, z = min(exact, 1 - exact), abs(mpmath.mpf(guess))
    for _ in range(4):
        density = mpmath.exp(-z * z / 2) / mpmath.sqrt(2 * mpmath.pi)
        z += (mpmath.erfc(z / mpmath.sqrt(2)) / 2 - tail) / density
    return z if u > 0.5 else -z


def on_grid(u: np.ndarray) -> np.ndarray:
    """The nearest uniforms that a draw can give."""
    k = np.clip(np.floor(u * 2.0**52), 0, 2.0**52 - 1)
    return (k + 0.5) * 2.0**-52


NORMAL_POINTS = np.unique(
    np.concatenate(
        [
            on_grid(RNG.uniform(0, 1, 3000)),
            on_grid(0.5 + RNG.normal(size=600) * 1e-5),
            on_grid(10.0 ** RNG.uniform(-15.9, -1, 2000)),  # the far tail
            on_grid(1 - 10.0 ** RNG.uniform(-15.9, -1, 2000)),
            on_grid(0.075 + np.arange(-15, 16) * 2.0**-52),  # the branches
            on_grid(0.925 + np.arange(-15, 16) * 2.0**-52),
            math.exp(-25) * (1 + np.arange(-15, 16) * 1e-3),  # sqrt(-ln p) = 5
            1.4e-11 * (1 + np.arange(-15, 16) * 1e-9),  # where a block turns to the far range
            [2.0**-53, 1 - 2.0**-53, 0.075, 0.925],
        ]
    )
)


def test_the_normal_quantile_is_within_1e_minus_15():
    z = _core.quantile_normal(NORMAL_POINTS)
    guess = special.ndtri(NORMAL_POINTS)
    for u, mine, near in zip(NORMAL_POINTS, z, guess, strict=True):
        truth = true_normal_quantile(float(u), float(near))
        assert abs(mpmath.mpf(float(mine)) - truth) <= 1e-15 * abs(truth), u
    assert _core.quantile_normal(np.array([0.5]))[0] == 0.0


def test_the_normal_quantile_agrees_with_scipy():
    u = np.concatenate([NORMAL_POINTS, drawn("uniform", 200_000)])
    z = _core.quantile_normal(u)
    np.testing.assert_allclose(z, special.ndtri(u), rtol=2e-15, atol=0)
    drawable = u * 2.0**53 % 2 == 1  # of those 1 - u is exact
    assert same_bits(z[drawable], -_core.quantile_normal(1 - u[drawable]))


def test_the_normal_quantile_rises_across_its_branches():
    for at in (0.075, 0.925, math.exp(-25)):
        u = at * (1 + np.arange(-50, 51) * 1e-12)
        assert np.all(np.diff(_core.quantile_normal(u)) > 0), at


def test_the_exponential_quantile_is_minus_log_of_the_rest():
    u = np.concatenate([on_grid(NORMAL_POINTS), drawn("uniform", 5000)])
    truth = [-mpmath.log(1 - mpmath.mpf(float(v))) for v in u]
    assert worst_ulps(_core.quantile_exponential(u), truth) <= 1.0


def test_the_ends_of_the_unit_interval_are_finite():
    ends = np.array([2.0**-53, 1 - 2.0**-53])
    np.testing.assert_allclose(_core.quantile_exponential(ends), [2.0**-53, 53 * math.log(2)], rtol=1e-15)
    np.testing.assert_allclose(_core.quantile_normal(ends), [-8.209536151601387, 8.209536151601387], rtol=1e-15)


@pytest.mark.parametrize("function", [_core.exp, _core.log, _core.quantile_normal, _core.quantile_exponential])
def test_no_elements_give_no_elements(function):
    assert function(np.empty(0)).shape == (0,)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.lists(st.floats(2.0**-53, 1 - 2.0**-53), min_size=1, max_size=200))
def test_an_element_does_not_depend_on_its_neighbours(values):
    u = np.array(values)
    for function in (_core.quantile_normal, _core.quantile_exponential, _core.exp, _core.log):
        alone = np.concatenate([function(u[i : i + 1]) for i in range(len(u))])
        assert same_bits(function(u), alone)


# ---- moments ----------------------------------------------------------------------------------------------

N = 1 << 20
LOGNORMAL_MEAN = math.exp(MU + SIGMA**2 / 2)
MOMENTS = [  # name, function, its mean and variance under the law
    ("uniform", lambda x: x, 1 / 2, 1 / 12),
    ("uniform", lambda x: x**2, 1 / 3, 1 / 5 - 1 / 9),
    ("choice", lambda x: x, 1 / 2, 1 / 12),
    ("choice", lambda x: x < 0.3, 0.3, 0.3 * 0.7),
    ("exponential", lambda x: x, 1, 1),
    ("exponential", lambda x: x**2, 2, 24 - 4),
    ("exponential", lambda x: x > 7, math.exp(-7), math.exp(-7) * (1 - math.exp(-7))),
    ("normal", lambda x: x, 0, 1),
    ("normal", lambda x: x**2, 1, 2),
    ("normal", lambda x: x**3, 0, 15),
    ("normal", lambda x: x**4, 3, 105 - 9),
    ("normal", lambda x: x < -3, special.ndtr(-3), special.ndtr(-3) * special.ndtr(3)),
    ("lognormal", lambda x: x, LOGNORMAL_MEAN, LOGNORMAL_MEAN**2 * math.expm1(SIGMA**2)),
    ("lognormal", np.log, MU, SIGMA**2),
    ("lognormal", lambda x: (np.log(x) - MU) ** 2, SIGMA**2, 2 * SIGMA**4),
]


@pytest.mark.parametrize(("name", "function", "mean", "variance"), MOMENTS)
def test_moments(name, function, mean, variance):
    x = function(drawn(name, N, seed=77, column=3))
    z = (np.mean(x) - mean) / math.sqrt(variance / N)
    # P(|z| > 4.5) = 7e-6, 15 cases: one other seed in 10,000 would fail
    assert abs(z) < 4.5


# ---- shapes, and histograms of what was drawn -----------------------------------------------------------


@pytest.mark.parametrize("most", [1, 2, 200, 2**31 - 1])
def test_counts_are_cut_at_most(most):
    n, tokens = 3000, np.empty(3000, dtype=np.int32)
    _core.Stream(1, 2).geometric(5, GEOMETRIC_SCALE, most, tokens)
    whole = 1 + np.floor(drawn("exponential", n, first=5) * GEOMETRIC_SCALE)
    np.testing.assert_array_equal(tokens, np.minimum(whole, most))
    _core.Stream(1, 2).lognormal_count(5, MU, SIGMA, most, tokens)
    np.testing.assert_array_equal(tokens, np.clip(np.floor(drawn("lognormal", n, first=5) + 0.5), 1, most))


def test_a_difficulty_far_from_the_ability_decides():
    out, difficulty = np.full(2000, math.nan), np.full(2000, 1e6)
    _core.Stream(1, 2).logistic(0, 1.0, 0.0, difficulty, out)
    assert np.all(out == 0)
    _core.Stream(1, 2).logistic(0, 1.0, 0.0, -difficulty, out)
    assert np.all(out == 1)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: _core.Stream(1, 2).uniform_pair(0, np.empty((4, 3))),
        lambda: _core.Stream(1, 2).normal_pair(0, np.empty(4), np.empty(5)),
        lambda: _core.Stream(1, 2).logistic(0, 1.0, 0.0, np.empty(3), np.empty(4)),
        lambda: _core.log_histogram_add(np.zeros(0, dtype=np.int64), np.ones(3), 1.0, 8.0),
    ],
    ids=["uniform_pair", "normal_pair", "logistic", "histogram"],
)
def test_lengths_that_do_not_fit_are_refused(draw):
    with pytest.raises(_core.errors.KernelError):
        draw()


def test_no_requests_are_drawn_as_none():
    for name in [*DRAWS, *BUILT]:
        assert len(drawn(name, 0)) == 0
    nothing, none = np.empty(0), np.empty(0, np.int32)
    _core.Stream(1, 2).geometric_of(0, none, np.ones(1, np.uint32), np.ones(1), np.ones(1), none)
    assert len(_core.exp(nothing)) == len(_core.log(nothing)) == len(_core.quantile_normal(nothing)) == 0
    assert _core.scores_add(np.zeros(2), np.zeros(2), nothing, nothing) == 0.0
    assert _core.log_histogram_add(np.zeros(3, dtype=np.int64), np.empty(0), 1.0, 8.0) == (0, 0.0)


def inside_bins(values: np.ndarray, least: float, per_octave: float) -> np.ndarray:
    """Without those so near an edge that rounding decides."""
    at = np.log2(values / least) * per_octave
    return values[np.abs(at - np.round(at)) > 1e-9]


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(-30, 10), st.sampled_from([1.0, 8.0, 16.0, 100.0]), st.integers(1, 900), st.integers(0, 1000))
def test_a_log_histogram_counts_as_numpy_does(exponent, per_octave, bins, seed):
    least, rng = 2.0**exponent, np.random.default_rng(seed)
    values = inside_bins(np.exp(rng.normal(size=700) * 8), least, per_octave)
    expected = np.clip(np.floor(np.log2(values / least) * per_octave), 0, bins - 1).astype(int)
    others = np.array([0.0, math.nan, 0.0, -0.0])
    mixed = rng.permutation(np.concatenate([values, others]))
    counts = np.zeros(bins, dtype=np.int64)
    zeros, total = _core.log_histogram_add(counts, mixed, least, per_octave)
    assert zeros == 3
    assert total == pytest.approx(math.fsum(values), rel=1e-12)
    np.testing.assert_array_equal(counts, np.bincount(expected, minlength=bins))
    _core.log_histogram_add(counts, mixed, least, per_octave)  # it adds to what is there
    np.testing.assert_array_equal(counts, 2 * np.bincount(expected, minlength=bins))


# ---- pins -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*DRAWS, *BUILT])
def test_the_stream_is_pinned(name):
    """Another sum is another stream: every published run changes, and so the changelog must say so."""
    which = {"replication": 3} | ({"sub": 5} if name in DRAWS else {})
    chunk = drawn(name, 4096, seed=20250519, column=0xC0FFEE, first=2**32 - 1000, **which)
    assert hashlib.sha256(chunk.astype("<f8").tobytes()).hexdigest() == PINS[name]


PINS = {
    "uniform": "fc560830f4f3f79eeb2c7efd8786842e19c0b44704cef75ac8249d608610a979",
    "choice": "b7502b09b742ac63b6387135f39c3f72317ef8e38c1bf8c20ed5e5f3aaa8331b",
    "exponential": "e095f72fcad77a06a1772d8711cfe39ffa04232d679ec941f8fc8cc8710f04dc",
    "normal": "b3a45163740720c217800aea2d432980933bf783da179bd3df729f9523354cfc",
    "lognormal": "cec665b72707beb02871aed4bf0fd9af4ce7b9e53584a6143b23f29a8b9cd7fa",
    "uniform_pair": "51ac61fd4e18a0f75377b5ceb4e9d0ada6ec0e2fd2b7502977a057a7dea3fbc9",
    "normal_pair": "7db8b5f70e170ea29bf2b372c33f37595977767735435f82ffe47de0ca1f7174",
    "geometric": "ce49fcd6f5027d831f3d07e0333c600d59ddd0702dbc299433259573e4b89de6",
    "lognormal_count": "ad033adf3eb5815c647ff26ef2fe33f7f1f98414fa86759ba012840dbb6f4c69",
    "logistic": "ede4afc1b18ba87a6685044be00539c98f101e349e18115e0c7581bf66fb6500",
}
