"""When requests come: rates, burstiness, exact inversion, traces, and independence of the chunk size.

Statistics are compared by t = (mean - theory) / standard error over independent replications, |t| < 4.6: a false
alarm in 23,000 tests (t with 39 degrees of freedom); counts by chi-square, p > 1e-4. Seeds are fixed.
"""

import gzip
import itertools
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from builders import scenario
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from messsim.errors import SimulationError
from messsim.scenario import load, parse
from messsim.workload import Workload
from messsim.workload.clock import Clock, changed_by
from messsim.workload.expectations import law_rate_rps
from messsim.workload.gamma import GammaGaps, gamma_gaps

REPLICATIONS = 40
T_LIMIT = 4.6
P_LIMIT = 1e-4

KINDS = {
    "poisson": {"kind": "poisson", "rate_rps": 3.0},
    "gamma": {"kind": "gamma", "rate_rps": 3.0, "cv": 2.0},
    "regular gamma": {"kind": "gamma", "rate_rps": 3.0, "cv": 0.2},
    "mmpp": {"kind": "mmpp", "rate_rps": 1.0, "burst_rate_rps": 9.0, "mean_calm_s": 6.0, "mean_burst_s": 2.0},
    "on and off": {"kind": "mmpp", "rate_rps": 0.0, "burst_rate_rps": 12.0, "mean_calm_s": 6.0, "mean_burst_s": 2.0},
    "diurnal": {"kind": "diurnal", "rates_rps": [1.0, 0.0, 5.0, 6.0], "day_s": 40.0},
}
each_kind = pytest.mark.parametrize("law", KINDS.values(), ids=KINDS)


def workload(law, folder=None, **changes) -> Workload:
    return Workload(parse(scenario(arrivals=law, features={"kind": "none"}, **changes), folder=folder))


def times(law, n: int | None = None, size=65_536, folder=None, **changes) -> np.ndarray:
    """Arrival times of the first n requests, drawn `size` at a time."""
    changes = {"requests": n} | changes if "horizon_s" not in changes else {"requests": None} | changes
    chunks = list(workload(law, folder, **changes).chunks(size))
    return np.concatenate([c.arrival_s for c in chunks]) if chunks else np.empty(0)


def t_value(values: list[float], theory: float) -> float:
    return (np.mean(values) - theory) / (np.std(values, ddof=1) / math.sqrt(len(values)))


# ---- rate and burstiness --------------------------------------------------------------------------------


@each_kind
def test_the_rate_is_as_said(law):
    mean = workload(law).mean_rate_rps()
    assert mean == pytest.approx(3.0)
    span_s = 4000.0  # whole days; an mmpp that starts calm lags by less than a cycle's requests
    counts = [len(times(law, horizon_s=span_s, replication=r)) for r in range(REPLICATIONS)]
    lag = 0.0
    if law["kind"] == "mmpp":  # integral of the rate's distance from its mean while calm fades
        calm, burst = law["mean_calm_s"], law["mean_burst_s"]
        lag = (law["rate_rps"] - mean) * calm * burst / (calm + burst)
    if law["kind"] == "gamma":  # renewal theory: a gap starts at 0, so (cv^2 - 1) / 2 requests more
        lag = (law["cv"] ** 2 - 1) / 2
    assert abs(t_value(counts, mean * span_s + lag)) < T_LIMIT


@pytest.mark.parametrize("cv", [0.05, 0.5, 1.0, 3.0])
def test_gamma_gaps_have_their_mean_and_deviation(cv):
    gaps = [
        np.diff(times({"kind": "gamma", "rate_rps": 4.0, "cv": cv}, 5000, replication=r)) for r in range(REPLICATIONS)
    ]
    assert abs(t_value([g.mean() for g in gaps], 1 / 4)) < T_LIMIT
    assert abs(t_value([((g - 1 / 4) ** 2).mean() for g in gaps], (cv / 4) ** 2)) < T_LIMIT


@pytest.mark.parametrize("cv", [0.05, 0.5, 1.0, 3.0, 20.0])
def test_gamma_gaps_have_their_distribution(cv):
    gaps = np.diff(times({"kind": "gamma", "rate_rps": 1.0, "cv": cv}, 20_000), prepend=0.0)
    p = np.linspace(0.0, 1.0, 41)
    edges = stats.gamma(1 / cv**2, scale=cv**2).ppf(p)
    keep = (edges > 1e-9) | (p == 0)  # shorter gaps may vanish in the sum that they are taken from
    seen = np.histogram(gaps, edges[keep])[0]
    assert stats.chisquare(seen, np.diff(p[keep]) * 20_000).pvalue > P_LIMIT


def test_poisson_gaps_are_exponential_and_independent():
    gaps = np.diff(times({"kind": "poisson", "rate_rps": 4.0}, 20_000), prepend=0.0)
    assert stats.kstest(gaps, stats.expon(scale=1 / 4).cdf).pvalue > P_LIMIT
    correlations = [np.corrcoef(gaps[:-lag], gaps[lag:])[0, 1] for lag in (1, 2, 3)]
    assert np.abs(correlations).max() < 4.2 / math.sqrt(20_000)  # false alarm once in 12,500: 3 lags


@pytest.mark.parametrize("law", [KINDS["mmpp"], KINDS["on and off"]], ids=["mmpp", "on and off"])
def test_bursts_have_the_index_of_dispersion_of_theory(law):
    """Var(N(t)) / E(N(t)) of a stationary two-state process (Fischer and Meier-Hellstern, 1993, eq. 20)."""
    r1, r2 = 1 / law["mean_calm_s"], 1 / law["mean_burst_s"]
    calm, burst = law["rate_rps"], law["burst_rate_rps"]
    s, window_s = r1 + r2, 10.0
    mean = (calm * r2 + burst * r1) / s
    growth = 2 * r1 * r2 * (calm - burst) ** 2 / (s**2 * (calm * r2 + burst * r1))
    theory = 1 + growth * (1 - (1 - math.exp(-s * window_s)) / (s * window_s))
    assert theory > 5
    collected = []
    for r in range(REPLICATIONS):
        t = times(law, horizon_s=4000.0, replication=r)
        counts = np.histogram(t, np.arange(100.0, 4000.1, window_s))[0]  # by 100 s it has forgotten its start
        collected.append(np.mean((counts - mean * window_s) ** 2) / (mean * window_s))
    assert abs(t_value(collected, theory)) < T_LIMIT


def test_diurnal_counts_follow_the_rates():
    law = {"kind": "diurnal", "rates_rps": [1.0, 0.0, 5.0, 6.0, 0.5], "day_s": 50.0}
    t = times(law, horizon_s=5000.0)
    counts = np.bincount((t % 50.0 // 10.0).astype(int), minlength=5)
    assert counts[1] == 0
    expected = 1000.0 * np.delete(law["rates_rps"], 1)
    assert stats.chi2.sf(((np.delete(counts, 1) - expected) ** 2 / expected).sum(), 4) > P_LIMIT


# ---- the clock ------------------------------------------------------------------------------------------


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    st.lists(
        st.tuples(st.floats(1e-3, 1e3), st.one_of(st.just(0.0), st.floats(1e-2, 1e2))), min_size=1, max_size=8
    ).filter(lambda day: any(rate for _, rate in day)),
    st.lists(st.floats(1e-6, 50.0), min_size=1, max_size=60),
)
def test_the_inverse_is_exact(day, gaps):
    """Lambda(t_i) = S_i, worked out in fractions from the rounded t_i; and no request comes at a rate of 0."""
    points = np.cumsum(gaps)
    t = Clock(itertools.cycle(day)).times(points)
    assert (np.diff(t) >= 0).all()
    eps = Fraction(1, 2**52)
    for point, time_s in zip(points.tolist(), t.tolist(), strict=True):
        start = integral = Fraction(0)
        for length, rate in itertools.cycle(day):
            end = start + Fraction(length)
            if end >= Fraction(time_s):
                break
            integral, start = integral + Fraction(length) * Fraction(rate), end
        integral += (Fraction(time_s) - start) * Fraction(rate)
        # The starts and integrals of the slots before are rounded too: a few units of the last place each.
        fastest = Fraction(max(r for _, r in day))
        slots = 8 * len(day) * (1 + Fraction(time_s) / sum(Fraction(s) for s, _ in day))
        assert abs(integral - Fraction(point)) <= slots * eps * (Fraction(point) + fastest * Fraction(time_s))


def test_a_clock_that_does_not_get_ahead_says_so():
    """Each burst is lost beside so long a calm: 1e6 + 1e-12 is 1e6."""
    clock = Clock(itertools.cycle([(1e6, 0.0), (1e-12, 1e15)]))
    with pytest.raises(SimulationError, match="nobody comes any more"):
        clock.times(np.array([1.0]))


def test_by_hand():
    # 2 requests in [0, 1), none in [1, 3), then 4 a second.
    clock = Clock(iter([(1.0, 2.0), (2.0, 0.0), (10.0, 4.0)]))
    np.testing.assert_array_equal(clock.times(np.array([1.0, 2.0, 4.0])), [0.5, 3.0, 3.5])
    np.testing.assert_array_equal(clock.times(np.array([6.0, 42.0 - 1e-9])), [4.0, 13.0 - 0.25e-9])
    # A point on the boundary is the first of the next slot with a rate, even where a block ends with it.
    np.testing.assert_array_equal(Clock(iter([(1.0, 2.0), (2.0, 0.0), (10.0, 4.0)])).times(np.array([2.0])), [3.0])


def test_factors_change_the_rates_from_their_time_on():
    listed = list(changed_by(iter([(10.0, 1.0), (10.0, 2.0)]), [(0.0, 3.0), (5.0, 0.5), (10.0, 2.0), (15.0, 1.0)]))
    assert listed == [(5.0, 3.0), (5.0, 0.5), (5.0, 4.0), (5.0, 2.0)]
    assert list(changed_by(iter([(10.0, 1.0)]), [])) == [(10.0, 1.0)]


# ---- common random numbers ------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [1.0, 3.0, 0.7])
def test_a_day_of_equal_rates_is_a_poisson_process(rate):
    flat = {"kind": "diurnal", "rates_rps": [rate] * 7, "day_s": 70.0}
    assert times(flat, 2000).tobytes() == times({"kind": "poisson", "rate_rps": rate}, 2000).tobytes()


def test_a_faster_process_is_the_same_in_its_own_time():
    slow = times({"kind": "poisson", "rate_rps": 1.0}, 500)
    assert times({"kind": "poisson", "rate_rps": 4.0}, 500).tobytes() == (slow / 4).tobytes()


@each_kind
@pytest.mark.parametrize("start", [{"from_s": 30.0}, {"from_request": 100}], ids=["time", "request"])
def test_a_phase_changes_no_arrival_before_it(law, start):
    plain = times(law, 400)
    quicker = times(law, 400, phases=[start | {"rate_factor": 5.0}])
    before = int(np.searchsorted(plain, 30.0)) if "from_s" in start else 100
    assert 0 < before < 400
    assert plain[:before].tobytes() == quicker[:before].tobytes()
    assert (quicker[before:] < plain[before:]).all()
    assert times(law, 400, phases=[start | {"difficulty": 1.0}]).tobytes() == plain.tobytes()


@pytest.mark.parametrize("law", [KINDS["poisson"], KINDS["gamma"]], ids=["poisson", "gamma"])
def test_a_phase_multiplies_the_rate(law):
    plain = np.diff(times(law, 300), prepend=0.0)
    phases = [{"from_request": 100, "rate_factor": 4.0}, {"from_request": 200, "rate_factor": 0.5}]
    factor = np.repeat([1.0, 4.0, 0.5], 100)
    np.testing.assert_allclose(times(law, 300, phases=phases), np.cumsum(plain / factor), rtol=1e-12)
    # The same by time: each phase starts from the scenario, not from the phase before.
    lines = [{"from_s": 10.0, "rate_factor": 4.0}, {"from_s": 20.0}, {"from_s": 30.0, "rate_factor": 0.5}]
    changed = times(law, 300, phases=lines)
    integral = np.interp(changed, [0, 10, 20, 30, 1e4], np.cumsum([0, 10, 40, 10, 0.5 * 9970]))
    np.testing.assert_allclose(integral, times(law, 300), rtol=1e-11)


# ---- the chunk size does not show -----------------------------------------------------------------------

CHANGES = {
    "plain": [],
    "phases by request": [{"from_request": 70, "rate_factor": 3.0}, {"from_request": 71, "rate_factor": 0.1}],
    "phases by time": [{"from_s": 20.0, "rate_factor": 3.0}, {"from_s": 33.3, "rate_factor": 0.1}],
}


@pytest.mark.parametrize("phases", CHANGES.values(), ids=CHANGES)
@each_kind
@settings(derandomize=True, deadline=None, max_examples=15)
@given(size=st.integers(1, 300))
def test_the_chunk_size_changes_no_bit(law, phases, size):
    assert times(law, 300, size, phases=phases).tobytes() == times(law, 300, 300, phases=phases).tobytes()


@each_kind
@settings(derandomize=True, deadline=None, max_examples=10)
@given(size=st.integers(1, 300), horizon_s=st.floats(1e-15, 60.0))
def test_a_horizon_cuts_the_stream(law, size, horizon_s):
    whole = times(law, 400)
    assert whole[-1] > 60
    cut = times(law, horizon_s=horizon_s, size=size)
    assert cut.tobytes() == whole[whole < horizon_s].tobytes()


def test_chunks_know_their_place():
    chunks = list(workload(KINDS["poisson"], requests=100).chunks(30))
    assert [(c.first, len(c), len(c.arrival_s)) for c in chunks] == [
        (0, 30, 30),
        (30, 30, 30),
        (60, 30, 30),
        (90, 10, 10),
    ]


def test_clients_have_no_arrival_times():
    w = workload({"kind": "closed", "clients": 3}, requests=10)
    assert [(len(c), c.arrival_s) for c in w.chunks(6)] == [(6, None), (4, None)]
    assert w.mean_rate_rps() is None


# ---- gamma quantiles ------------------------------------------------------------------------------------

CVS = [0.05, 0.07, 0.1, 0.2, 0.5, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0]


@pytest.mark.parametrize("cv", CVS)
def test_the_gamma_table_is_within_its_stated_error(cv):
    gaps = gamma_gaps(cv)
    assert gaps is gamma_gaps(cv)
    assert gaps.error < 1e-9
    z = np.random.default_rng(2).uniform(-8.2, 8.2, 4000)
    law = stats.gamma(1 / cv**2, scale=cv**2)
    exact = np.where(z < 0, law.ppf(special.ndtr(z)), law.isf(special.ndtr(-z)))
    seen = exact > 1e-290  # below it SciPy's quantile loses digits, or is 0
    result = gaps(z)
    np.testing.assert_allclose(result[seen], exact[seen], rtol=max(2 * gaps.error, 2e-12))
    assert (result[~seen] < 1e-289).all()
    assert (np.diff(gaps(np.linspace(-8.3, 8.3, 100_001))) >= 0).all()


def test_gamma_of_cv_1_is_exponential():
    z = np.linspace(-8.0, 8.0, 999)
    np.testing.assert_allclose(GammaGaps(1.0)(z), -special.log_ndtr(-z), rtol=1e-11)


# ---- traces ---------------------------------------------------------------------------------------------

ROWS = {
    "arrival_s": [100.0, 101.5, 101.5, 104.0, 110.0],
    "prompt_tokens": [5, 6, 7, 8, 9],
    "output_tokens": [1, 2, 3, 4, 5],
}
FROM_TRACE = {"prompt": {"kind": "trace"}, "output": {"kind": "trace"}}


def write(path: Path, rows: dict[str, list]) -> str:
    frame = pl.DataFrame(rows)
    if path.name.endswith(".csv.gz"):
        path.write_bytes(gzip.compress(frame.write_csv().encode(), mtime=0))
    elif path.suffix == ".csv":
        frame.write_csv(path)
    elif path.suffix == ".parquet":
        frame.write_parquet(path)
    else:
        frame.write_ndjson(path)
    return path.name


def trace(folder: Path, rows=ROWS, name="t.csv", **law) -> dict:
    return {"kind": "trace", "file": write(folder / name, rows)} | law


def test_a_trace_starts_at_0_and_ends_with_its_last_row(tmp_path):
    w = workload(trace(tmp_path), tmp_path, requests=None, tokens=FROM_TRACE)
    (chunk,) = w.chunks(100)
    np.testing.assert_array_equal(chunk.arrival_s, [0.0, 1.5, 1.5, 4.0, 10.0])
    np.testing.assert_array_equal(chunk.prompt_tokens, ROWS["prompt_tokens"])
    np.testing.assert_array_equal(chunk.output_tokens, [ROWS["output_tokens"]] * 2)
    assert (w.length, w.notes) == (5, [])
    assert (w.mean_prompt_tokens(), w.longest_prompt_tokens()) == (7.0, 9.0)
    assert (w.mean_output_tokens(1), w.longest_output_tokens(1)) == (3.0, 5.0)
    assert w.mean_square_prompt_tokens() == pytest.approx(np.mean(np.square(ROWS["prompt_tokens"])))
    assert w.mean_square_output_tokens(1) == pytest.approx(np.mean(np.square(ROWS["output_tokens"])))


def test_a_trace_repeats_after_its_span_and_a_mean_gap(tmp_path):
    w = workload(trace(tmp_path), tmp_path, requests=12, tokens=FROM_TRACE)
    (chunk,) = w.chunks(100)
    once = np.array([0.0, 1.5, 1.5, 4.0, 10.0])
    np.testing.assert_array_equal(chunk.arrival_s, np.concatenate([once, once + 12.5, once[:2] + 25]))
    np.testing.assert_array_equal(chunk.prompt_tokens, [5, 6, 7, 8, 9, 5, 6, 7, 8, 9, 5, 6])
    assert w.mean_rate_rps() == 11 / 26.5  # of the rows that the run takes


@pytest.mark.parametrize("end", [{"requests": 12}, {"requests": None, "horizon_s": 99.0}], ids=["requests", "horizon"])
def test_a_trace_may_end_instead(tmp_path, end):
    assert len(times(trace(tmp_path, repeat=False), folder=tmp_path, **end)) == 5
    assert times(trace(tmp_path, repeat=False), folder=tmp_path, horizon_s=4.0).tolist() == [0.0, 1.5, 1.5]


def test_a_phase_may_take_its_tokens_from_the_trace(tmp_path):
    for key in ("prompt", "output"):
        phases = [{"from_request": 2, key: {"kind": "trace"}}]
        w = workload(trace(tmp_path), tmp_path, requests=None, phases=phases, tokens={"prompt": 1, "output": 2})
        (chunk,) = w.chunks(100)
        result, least = (chunk.prompt_tokens, 1) if key == "prompt" else (chunk.output_tokens[1], 2)
        np.testing.assert_array_equal(result, [least, least, *ROWS[f"{key}_tokens"][2:]])


def test_a_trace_is_stretched_to_a_rate(tmp_path):
    w = workload(trace(tmp_path, rate_rps=2.0), tmp_path, requests=5)
    (chunk,) = w.chunks(100)
    np.testing.assert_allclose(chunk.arrival_s, np.array([0.0, 1.5, 1.5, 4.0, 10.0]) / 5, rtol=1e-15)
    assert w.mean_rate_rps() == pytest.approx(2.0, rel=1e-15)
    long = times(trace(tmp_path, rate_rps=2.0), 5001, folder=tmp_path)
    assert 5000 / long[-1] == pytest.approx(2.0)


def test_arrivals_at_one_time_are_spread_only_by_repeating(tmp_path):
    law = trace(tmp_path, {"arrival_s": [7.0, 7.0]}, rate_rps=4.0)
    np.testing.assert_array_equal(times(law, 5, folder=tmp_path), [0.0, 0.0, 0.5, 0.5, 1.0])


def test_a_window_keeps_its_own_seconds(tmp_path):
    law = trace(tmp_path, window_s=[1.0, 10.0])  # since the first request; 10.0 is outside
    w = workload(law, tmp_path, requests=None, tokens=FROM_TRACE)
    (chunk,) = w.chunks(100)
    np.testing.assert_array_equal(chunk.arrival_s, [0.5, 0.5, 3.0])
    np.testing.assert_array_equal(chunk.prompt_tokens, [6, 7, 8])
    assert w.mean_rate_rps() == 3 / (2.5 + 1.25)


def test_an_unsorted_trace_is_sorted_stably_with_a_note(tmp_path):
    rows = {"arrival_s": [3.0, 1.0, 3.0, 1.0, 2.0], "prompt_tokens": [1, 2, 3, 4, 5], "output_tokens": [1] * 5}
    w = workload(trace(tmp_path, rows), tmp_path, requests=None, tokens=FROM_TRACE)
    (chunk,) = w.chunks(100)
    np.testing.assert_array_equal(chunk.arrival_s, [0.0, 0.0, 1.0, 2.0, 2.0])
    np.testing.assert_array_equal(chunk.prompt_tokens, [2, 4, 5, 1, 3])
    assert w.notes == ["t.csv: arrivals are not in order of time; they are sorted"]
    many = {"arrival_s": [3, 1, 2] * 100, "prompt_tokens": list(range(1, 301)), "output_tokens": [1] * 300}
    (chunk,) = workload(trace(tmp_path, many), tmp_path, requests=None, tokens=FROM_TRACE).chunks(300)
    at = np.arange(100) * 3
    np.testing.assert_array_equal(chunk.prompt_tokens, np.concatenate([at + 2, at + 3, at + 1]))


@pytest.mark.parametrize(
    "stamps",
    [
        ["2023-11-16 18:15:46.6805900", "2023-11-16 18:15:50.9951690"],  # as Azure publishes them
        ["2023-11-16T18:15:46.680590", "2023-11-16T18:15:50.995169"],
        ["2023-11-16T18:15:46.680590Z", "2023-11-16T18:15:50.995169Z"],
        ["2023-11-16T18:15:46.680590+02:00", "2023-11-16T18:15:50.995169+02:00"],
    ],
    ids=["azure", "iso", "utc", "offset"],
)
def test_dates_are_seconds_since_the_first(tmp_path, stamps):
    law = trace(tmp_path, {"TIMESTAMP": stamps}, columns={"time": "TIMESTAMP"})
    np.testing.assert_allclose(times(law, 2, folder=tmp_path), [0.0, 4.314579], atol=1e-9)


def test_dates_in_a_parquet_file(tmp_path):
    frame = pl.DataFrame({"arrival_s": ["2023-11-16T18:15:46.5", "2023-11-16T18:16:46"]})
    for unit in ("ms", "us", "ns"):
        stamps = frame["arrival_s"].str.to_datetime(time_unit=unit)
        law = trace(tmp_path, {"arrival_s": stamps}, "t.parquet")
        np.testing.assert_array_equal(times(law, 2, folder=tmp_path), [0.0, 59.5])


def test_the_kind_of_file_changes_no_bit(tmp_path):
    rng = np.random.default_rng(3)
    rows = {
        "arrival_s": np.cumsum(rng.exponential(size=300)).round(6).tolist(),
        "prompt_tokens": rng.integers(1, 5000, 300).tolist(),
        "output_tokens": rng.integers(1, 5000, 300).tolist(),
    }
    collected = []
    for name in ("a.csv", "a.csv.gz", "a.parquet", "a.jsonl", "a.ndjson", "A.CSV"):
        w = workload(trace(tmp_path, rows, name.lower()), tmp_path, requests=500, tokens=FROM_TRACE)
        (chunk,) = w.chunks(500)
        collected.append((chunk.arrival_s.tobytes(), chunk.prompt_tokens.tobytes(), chunk.output_tokens.tobytes()))
    assert len(set(collected)) == 1


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_a_column_may_be_whole_numbers_for_long(tmp_path, name):
    rows = {"arrival_s": [float(i) for i in range(12_000)] + [12_000.5]}
    lines = [f"{t:g}" for t in rows["arrival_s"]]
    if name == "t.csv":
        (tmp_path / name).write_text("arrival_s\n" + "\n".join(lines) + "\n")
    else:
        (tmp_path / name).write_text("".join(f'{{"arrival_s": {t}}}\n' for t in lines))
    assert times({"kind": "trace", "file": name}, 12_001, folder=tmp_path)[-1] == 12_000.5


@settings(derandomize=True, deadline=None, max_examples=30)
@given(size=st.integers(1, 40))
def test_the_chunk_size_changes_no_bit_of_a_trace(tmp_path_factory, size):
    folder = tmp_path_factory.getbasetemp()
    law = trace(folder, rate_rps=3.0)
    one, many = (list(workload(law, folder, requests=37, tokens=FROM_TRACE).chunks(n)) for n in (37, size))
    for name in ("arrival_s", "prompt_tokens", "output_tokens"):
        joined = np.concatenate([getattr(c, name) for c in many], axis=-1)
        assert joined.tobytes() == getattr(one[0], name).tobytes()


def test_the_quickstarts_trace():
    w = Workload(load(Path(__file__).parents[1] / "scenarios" / "quickstart.toml"))
    assert w.length == 19_366
    assert w.mean_rate_rps() == pytest.approx(55.0, abs=0.05)


@pytest.mark.parametrize(
    ("arrivals", "rate_rps"),
    [
        ({"kind": "poisson", "rate_rps": 2.0}, 2.0),
        ({"kind": "gamma", "rate_rps": 2.0, "cv": 3.0}, 2.0),
        ({"kind": "diurnal", "rates_rps": [1.0, 0.0, 5.0], "day_s": 30.0}, 2.0),
        (
            {"kind": "mmpp", "rate_rps": 1.0, "burst_rate_rps": 9.0, "mean_calm_s": 30.0, "mean_burst_s": 10.0},
            (30.0 * 1.0 + 10.0 * 9.0) / 40.0,
        ),
        ({"kind": "closed", "clients": 3}, None),
        ({"kind": "trace", "file": "t.csv"}, None),
    ],
)
def test_the_mean_rate_of_a_law(arrivals, rate_rps):
    assert law_rate_rps(parse(scenario(arrivals=arrivals))) == rate_rps
