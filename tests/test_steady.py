"""Intervals from one run: coverage on queues whose mean is known, warm-up, warnings, and what is refused.

Waiting times of M/M/1 come from Lindley's recursion, W' = max(0, W + S - A), here as a sum less its minimum so far:
nothing of messsim is in them. The mean in the long run is rho / (1 - rho) service times.
"""

import math

import numpy as np
import pytest
from builders import model, run, scenario
from scipy import stats

import messsim
from messsim.results.applicability import refusal, refusal_of_run
from messsim.results.steady import Batches, correlated, mser, steady_state
from messsim.scenario import parse

RUNS = 400
REGION = (364, 393)  # exact binomial 99.9 % of 400 at 95 %: 91.0 to 98.25 %


def waits(rho: float, n: int, rng: np.random.Generator, start: float = 0.0) -> np.ndarray:
    steps = rng.standard_exponential(n - 1) - rng.standard_exponential(n - 1) / rho
    walk = np.concatenate([[start], start + np.cumsum(steps)])
    return walk - np.minimum(np.minimum.accumulate(walk), 0.0)


def batched(values: np.ndarray, cut: int = 65_536) -> Batches:
    batches = Batches()
    for k in range(0, len(values), cut):
        batches.add(values[k : k + cut])
    return batches


# ---- coverage -------------------------------------------------------------------------------------------


def coverage(rho: float, n: int) -> tuple[int, int, int]:
    """How many of 400 intervals cover: by batch means, by pretending independence; and how many were warned of."""
    rng, truth = np.random.default_rng(11), rho / (1 - rho)
    covered = naive = warned = 0
    for _ in range(RUNS):
        values = waits(rho, n, rng)
        steady = steady_state(batched(values))
        covered += steady.interval.covers(truth)
        warned += steady.warning is not None
        naive += abs(values.mean() - truth) <= 1.96 * values.std() / math.sqrt(n)
    return covered, naive, warned


def test_the_region_is_the_binomials():
    assert tuple(int(x) for x in stats.binom.interval(0.999, RUNS, 0.95)) == REGION


def test_batch_means_cover_and_a_naive_interval_does_not():
    covered, naive, warned = coverage(0.8, 100_000)
    assert REGION[0] <= covered <= REGION[1]
    # the variance of the mean is 82 times what independence makes it: 2 Phi(1.96 / sqrt(82)) - 1 = 17 %
    low, high = stats.binom.interval(0.999, RUNS, 0.17)
    assert low <= naive <= high
    assert warned < 0.1 * RUNS


@pytest.mark.slow
@pytest.mark.parametrize(("rho", "n"), [(0.5, 20_000), (0.8, 400_000), (0.9, 1_000_000)])
def test_batch_means_cover_at_other_loads(rho, n):
    covered, _, _ = coverage(rho, n)
    assert REGION[0] <= covered <= REGION[1]


def test_a_run_too_short_for_its_autocorrelation_is_warned_of():
    _, _, warned = coverage(0.8, 5_000)
    assert warned > 0.9 * RUNS


# ---- batches --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "cut"), [(9_003, 1), (30_007, 7), (30_007, 4096), (30_007, 65_536)])
def test_batches_are_means_of_consecutive_values_whatever_the_chunks(n, cut):
    values = np.random.default_rng(3).normal(size=n)
    batches = batched(values, cut)
    whole = len(batches.means) * batches.size
    np.testing.assert_allclose(batches.means, values[:whole].reshape(-1, batches.size).mean(axis=1), atol=1e-14)
    assert batches.size == (5 if n < 5 * 4096 else 10)
    assert 0 <= n - whole < batches.size


def test_what_is_unknown_takes_no_part():
    values = np.repeat(np.arange(40.0), 5)
    gaps = np.insert(values, slice(0, None, 3), math.nan)
    assert batched(gaps, 11).means.tolist() == np.arange(40.0).tolist()


def test_memory_is_bounded():
    batches = Batches()
    for _ in range(100):
        batches.add(np.ones(65_536))
    assert len(batches.means) <= 4096
    assert batches.size == 5 * 2**9
    assert batches.means.tolist() == [1.0] * len(batches.means)


# ---- warm-up --------------------------------------------------------------------------------------------


def test_mser_by_hand():
    # cuts 0 to 3 of (9, 1, 2, 1, 2, 1): sums of squares about the mean of the rest over (n - d)^2
    means = np.array([9.0, 1.0, 2.0, 1.0, 2.0, 1.0])
    scores = [((means[d:] - means[d:].mean()) ** 2).sum() / (6 - d) ** 2 for d in range(4)]
    assert mser(means) == int(np.argmin(scores)) == 1
    assert mser(np.array([5.0])) == 0


def test_a_warm_up_is_found_and_left_out():
    """A queue of 1,000 requests to start with: its end is where the long run starts."""
    rng = np.random.default_rng(5)
    values = waits(0.5, 100_000, rng, start=1000.0)
    emptied = int(np.flatnonzero(values == 0.0)[0])
    steady = steady_state(batched(values))
    assert 0.8 * emptied < steady.warmup < emptied + 5_000
    assert steady.interval.covers(1.0)
    assert steady_state(batched(values), find_warmup=False).interval.mean > 5.0


def test_a_run_that_never_settles_is_warned_of():
    steady = steady_state(batched(np.arange(10_000.0)))
    assert "too short to tell where its warm-up ends" in steady.warning
    assert steady.warmup < 10_000 // 20


def test_too_few_values_have_no_interval():
    assert steady_state(batched(np.arange(99.0))) is None
    assert steady_state(batched(np.ones(100))).interval.half_width == 0.0


def test_correlation_is_noticed_and_chance_is_not():
    rng = np.random.default_rng(2)
    assert sum(correlated(rng.normal(size=200)) for _ in range(1000)) in range(2, 24)  # 1 %: 99.9 % of binomials
    noise = rng.normal(size=(200, 200))
    assert sum(correlated(n[1:] + 0.6 * n[:-1]) for n in noise) > 190
    assert not correlated(np.ones(50))


def test_a_constant_read_off_a_clock_is_no_series():
    clock_s = np.cumsum(np.random.default_rng(4).exponential(100.0, 20_000))
    values = (clock_s + 1e-3) - clock_s
    assert np.ptp(values) > 0
    steady = steady_state(batched(values))
    assert (steady.warmup, steady.warning) == (0, None)


# ---- in a run -------------------------------------------------------------------------------------------


def summary_of(**changes):
    quick = {"coefficients": {"a0_s": 0.01}, "max_num_seqs": 1}
    return run(
        scenario(**{"models": [model("only", 0.5, **quick)], "arrivals": POISSON, "requests": 20_000} | changes),
        "compiled",
    ).summary


POISSON = {"kind": "poisson", "rate_rps": 20.0}  # M/D/1: three iterations of 10 ms a request, load 0.6


def test_a_run_has_intervals_of_its_latencies():
    intervals = summary_of()["intervals"]
    assert (intervals["level"], intervals["refused"]) == (0.95, None)
    wait_s = 0.6 / 0.4 / 2 * 0.03
    for name, theory in (("queueing", wait_s), ("ttft", wait_s + 0.01), ("e2e", wait_s + 0.03), ("tpot", 0.01)):
        interval = intervals["latency_s"][name]
        assert interval["low"] - 1e-9 <= theory <= interval["high"] + 1e-9, name
        assert interval["warning"] is None
        assert 20 <= interval["batches"] < 40
        assert 20_000 - 2 * interval["batch_size"] < interval["batches"] * interval["batch_size"] + interval["warmup"]


def test_a_stated_warm_up_is_what_is_left_out():
    summary = summary_of(warmup=1_000)
    interval = summary["intervals"]["latency_s"]["e2e"]
    assert interval["warmup"] == 1_000
    assert interval["batches"] * interval["batch_size"] == 19_000
    assert interval["mean"] == pytest.approx(summary["latency_s"]["e2e"]["mean"], rel=1e-12)


def test_a_warm_up_that_leads_nowhere_is_noted():
    data = scenario(requests=500, warmup=100)
    (note,) = (n for n in messsim.run(parse(data), keep_records=False).notes if n.startswith("warmup"))
    assert "warmup = 100: latencies leave out the first requests, but no long run follows (router.policy" in note
    for changes in ({"warmup": 0}, {"models": [model("only")]}):
        assert not any("warmup" in n for n in messsim.run(parse(data | changes), keep_records=False).notes)


def test_chunks_change_no_interval():
    one, other = (summary_of(record={"chunk": chunk})["intervals"] for chunk in (64, 65_536))
    assert one == other


def test_a_run_is_refused_before_and_after():
    learning = summary_of(models=[model("small"), model("large")], requests=500)["intervals"]
    assert "as the router learns" in learning["refused"]
    assert learning["latency_s"] is None
    saturated = summary_of(arrivals=POISSON | {"rate_rps": 40.0}, requests=5_000)["intervals"]
    assert "the servers are saturated, or the run is too short" in saturated["refused"]
    assert saturated["latency_s"] is None


def test_a_short_run_has_no_interval_but_a_mean():
    summary = summary_of(requests=99)
    assert summary["intervals"]["latency_s"] == dict.fromkeys(["ttft", "tpot", "e2e", "queueing"])
    assert summary["latency_s"]["e2e"]["mean"] > 0


# ---- what has no long run -------------------------------------------------------------------------------

DIURNAL = {"kind": "diurnal", "rates_rps": [1.0, 2.0], "day_s": 60.0}
FIXED = {"policy": "random"}


def asked(quantity="latency", **changes):
    return refusal(parse(scenario(**{"router": FIXED} | changes)), quantity)


def test_a_settled_scenario_is_answered():
    for quantity in ("latency", "utilization", "satisfaction", "cost"):
        assert asked(quantity) is None
        assert asked(quantity, arrivals={"kind": "closed", "clients": 4}) is None
        assert asked(quantity, models=[model("only")], router={"policy": "mess+"}) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"arrivals": DIURNAL}, "the rate changes with the hour"),
        ({"phases": [{"from_request": 20, "rate_factor": 2.0}]}, "phases"),
        ({"router": {"policy": "mess+"}}, "as the router learns"),
        ({"router": {"policy": "own.py"}}, "as the router learns"),
        ({"router": {"policy": "cheapest", "cost_estimate": "mean"}}, "as costs are learnt"),
        ({"cluster": {"failures": {"schedule": [{"pool": "small", "at_s": 1.0, "for_s": 1.0}]}}}, "planned failures"),
    ],
)
def test_what_changes_has_no_long_run(changes, reason):
    for quantity in ("latency", "satisfaction"):
        assert reason in asked(quantity, **changes)


def test_a_trace_is_refused(tmp_path):
    (tmp_path / "trace.csv").write_text("arrival_s\n0\n1\n2\n")
    assert "happened once" in asked(arrivals={"kind": "trace", "file": str(tmp_path / "trace.csv")})


def test_without_servers_there_is_no_latency_but_satisfaction():
    models = [model("a", cost_per_request=1.0), model("b", cost_per_request=2.0)]
    bare = {"models": [{k: m[k] for k in ("name", "satisfaction", "cost_per_request")} for m in models]}
    bare["cluster"] = {"mode": "none"}
    assert "has no latency" in asked("latency", **bare)
    assert asked("satisfaction", **bare) is None


def test_a_saturated_run_is_refused():
    assert refusal_of_run(10_000, 200) is None
    assert "saturated" in refusal_of_run(10_000, 201)
