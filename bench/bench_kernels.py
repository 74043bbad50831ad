"""The kernels of csrc against what they replace. Each group holds its own baseline: read the ratios in it.

Run with ``pytest bench/bench_kernels.py --benchmark-json=kernels.json``; see bench/README.md.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict

import numpy as np
import pytest
from reference.kernel import kernel_coefficients
from reference.replica import Arrival, Coefficients, Limits, simulate
from threadpoolctl import threadpool_limits

from messsim import _core
from messsim.routing.oracle_dual import Frontier

SHORT = {"max_time": 0.2, "min_rounds": 5, "warmup": True, "warmup_iterations": 2}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """All kernels run on one core; NumPy's matrix product would otherwise take both."""
    with threadpool_limits(1):
        yield


# ---- scoring and argmin: the router's work a request ----------------------------------------------------

V, ALPHA, QUEUE = 1e-3, 0.7, 3.0
Router = Callable[[np.ndarray, np.ndarray], np.ndarray]  # x [features, n], costs [models, n] -> chosen [n]


def learnt(models: int, features: int) -> _core.Predictor:
    rng = np.random.default_rng(1)
    predictor = _core.Predictor(models, features, learning_rate=0.1)
    for _ in range(20):
        predictor.learn(rng.normal(size=features), rng.integers(0, 2, models).astype(float))
    return predictor


def route_numpy(predictor: _core.Predictor, n: int) -> Router:
    weights, bias = predictor.weights, predictor.bias[:, None]

    def route(x: np.ndarray, costs: np.ndarray) -> np.ndarray:
        scores = 1.0 / (1.0 + np.exp(-(weights @ x + bias)))
        return np.argmin(V * costs + QUEUE * (ALPHA - scores), axis=0)

    return route


def compiled_by_numba() -> Callable[..., None]:
    numba = pytest.importorskip("numba")
    tile = 256

    @numba.njit
    def route(weights, bias, x, costs, chosen):  # type: ignore[no-untyped-def]
        models, features = weights.shape
        n = x.shape[1]
        z, least = np.empty(tile), np.empty(tile)
        for start in range(0, n, tile):
            width = min(tile, n - start)
            for m in range(models):
                z[:width] = 0.0
                for j in range(features):
                    w = weights[m, j]
                    for i in range(width):
                        z[i] += w * x[j, start + i]
                for i in range(width):
                    score = 1.0 / (1.0 + math.exp(-(z[i] + bias[m])))
                    value = V * costs[m, start + i] + QUEUE * (ALPHA - score)
                    if m == 0 or value < least[i]:
                        least[i] = value
                        chosen[start + i] = m

    return route


@pytest.fixture(scope="module")
def numba_route() -> Callable[..., None]:
    return compiled_by_numba()


def route_numba(predictor: _core.Predictor, n: int, kernel: Callable[..., None]) -> Router:
    weights, bias, chosen = predictor.weights, predictor.bias, np.empty(n, dtype=np.int32)

    def route(x: np.ndarray, costs: np.ndarray) -> np.ndarray:
        kernel(weights, bias, x, costs, chosen)
        return chosen

    return route


def route_messsim(predictor: _core.Predictor, n: int) -> Router:
    scores, chosen = np.empty((len(predictor.bias), n)), np.empty(n, dtype=np.int32)

    def route(x: np.ndarray, costs: np.ndarray) -> np.ndarray:
        predictor.score(x, scores)
        _core.argmin_block(V, ALPHA, QUEUE, scores, costs, chosen)
        return chosen

    return route


SIZES = [
    pytest.param(n, models, features, id=f"n{n}-m{models}-d{features}")
    for n in (1, 32, 1024, 65536)
    for models in (2, 4, 16)
    for features in (8, 32, 768)
    if n * features <= 1 << 22  # beyond it the features alone are hundreds of MB
]


@pytest.mark.benchmark(**SHORT)
@pytest.mark.parametrize("how", ["numpy", "numba", "messsim"])
@pytest.mark.parametrize(("n", "models", "features"), SIZES)
def test_scoring_and_argmin(benchmark, request, n, models, features, how) -> None:
    benchmark.group = f"route n={n} models={models} features={features}"
    rng = np.random.default_rng(2)
    predictor = learnt(models, features)
    x, costs = rng.normal(size=(features, n)), rng.random((models, n)) * 100
    if how == "numba":
        route = route_numba(predictor, n, request.getfixturevalue("numba_route"))
        route(x, costs)  # compiles
    else:
        route = {"numpy": route_numpy, "messsim": route_messsim}[how](predictor, n)
    chosen = benchmark(route, x, costs)
    agreeing = np.mean(chosen == route_numpy(predictor, n)(x, costs))
    assert agreeing > 0.999  # sums in another order may decide a tie otherwise
    benchmark.extra_info["requests"] = n


# ---- columns of random numbers --------------------------------------------------------------------------

COLUMN = 65536
Fill = Callable[[np.ndarray], None]

CORE: dict[str, Callable[[int, np.ndarray], None]] = {
    "uniform": lambda first, out: _core.Stream(1, 2).uniform(first, out),
    "choice": lambda first, out: _core.Stream(1, 2).choice(first, out),
    "exponential": lambda first, out: _core.Stream(1, 2).exponential(first, out),
    "normal": lambda first, out: _core.Stream(1, 2).normal(first, out),
    "lognormal": lambda first, out: _core.Stream(1, 2).lognormal(first, 5.0, 0.75, out),
}


def generator_fill(kind: str, rng: np.random.Generator) -> Fill:
    def lognormal(out: np.ndarray) -> None:
        out[:] = rng.lognormal(5.0, 0.75, len(out))

    return {
        "uniform": lambda out: rng.random(out=out),
        "choice": lambda out: rng.random(out=out),
        "exponential": lambda out: rng.standard_exponential(out=out),
        "normal": lambda out: rng.standard_normal(out=out),
        "lognormal": lognormal,
    }[kind]


@pytest.mark.benchmark(**SHORT)
@pytest.mark.parametrize("how", ["numpy-pcg64", "numpy-philox", "messsim"])
@pytest.mark.parametrize("kind", list(CORE))
def test_drawing_a_column(benchmark, kind, how) -> None:
    benchmark.group = f"draw {kind}"
    out = np.empty(COLUMN)
    if how == "messsim":
        fill: Fill = lambda out: CORE[kind](0, out)  # noqa: E731
    else:
        bits = np.random.PCG64(1) if how == "numpy-pcg64" else np.random.Philox(1)
        fill = generator_fill(kind, np.random.Generator(bits))
    benchmark(fill, out)
    assert np.all(np.isfinite(out))
    benchmark.extra_info["numbers"] = COLUMN


# ---- a replica under load -------------------------------------------------------------------------------

LLAMA_8B_ON_H100 = Coefficients(  # a profile of Llama-3.1-8B on one H100, without knots
    a0=0.0074256,
    c1=1.96e-05,
    nstar=198.0,
    ae=0.0,
    se=0.0,
    experts=0.0,
    top_k=0.0,
    ab=5.5382e-05,
    ak=4.1767e-08,
    akm=6.26505e-08,
    aq=7.9192e-10,
    p0=472.0,
    e=0.01768,
    ek=0.0,
    p_cap=700.0,
)
COEFFICIENTS = kernel_coefficients(LLAMA_8B_ON_H100)
LIMITS = Limits(max_num_seqs=256, max_batched_tokens=8192, kv_capacity_tokens=467291, kv_policy="recompute")


def arrivals(n: int, rate: float) -> list[Arrival]:
    rng = np.random.default_rng(3)
    times = np.cumsum(rng.exponential(1 / rate, n))
    prompts = np.ceil(rng.lognormal(6.0, 0.6, n))
    outputs = rng.geometric(1 / 200, n)
    return [Arrival(float(t), int(p), int(o)) for t, p, o in zip(times, prompts, outputs, strict=True)]


def drive(work: list[Arrival]) -> tuple[int, float]:
    """One replica alone in the world. Returns the events (arrivals and boundaries) and the last time."""
    limits = asdict(LIMITS)
    replica = _core.Replica(0, COEFFICIENTS | {"draft_tokens": limits.pop("draft_tokens")}, **limits)
    jobs = [_core.Job(i, 0, a.prompt_tokens, a.output_tokens) for i, a in enumerate(work)]
    events = at = 0
    now = 0.0
    while at < len(jobs) or replica.unfinished:
        arrival = work[at].time if at < len(jobs) else math.inf
        now = min(replica.boundary_s, arrival)
        due = replica.boundary_s == now
        if due:
            replica.finish()
        if arrival == now:
            due |= replica.submit(jobs[at], now) == _core.WAKE
            at += 1
            events += 1
        if due:
            replica.start(now)
            events += 1
    return events, now


def step(work: list[Arrival]) -> tuple[int, float]:
    """The same server, iteration by iteration in plain Python."""
    truth = simulate(LLAMA_8B_ON_H100, LIMITS, work)
    return 0, max(float(outcome.finish_s) for outcome in truth.outcomes)


@pytest.mark.parametrize("how", ["stepping-python", "messsim"])
@pytest.mark.parametrize(("requests", "rate"), [(300, 5.0), (300, 25.0)], ids=["5-per-s", "25-per-s"])
def test_a_replica_under_load(benchmark, requests, rate, how) -> None:
    benchmark.group = f"replica, {rate:g} requests/s"
    work = arrivals(requests, rate)
    run = drive if how == "messsim" else step
    rounds = 20 if how == "messsim" else 2
    events, end_s = benchmark.pedantic(run, (work,), rounds=rounds, warmup_rounds=1)
    assert end_s == pytest.approx(drive(work)[1], rel=1e-9)
    benchmark.extra_info.update(requests=requests, simulated_s=end_s)
    if events and benchmark.stats:
        benchmark.extra_info["events"] = events
        benchmark.extra_info["events_per_s"] = events / benchmark.stats.stats.mean


# ---- the known cost of a request --------------------------------------------------------------------------

CHUNK, BATCH, OUTPUT = 8192.0, 32.0, 200.0


def known_costs_numpy(prompts: np.ndarray) -> np.ndarray:
    c = LLAMA_8B_ON_H100

    def joules(decoders, context, p, work) -> np.ndarray:  # type: ignore[no-untyped-def]
        tokens = p + decoders
        seconds = c.a0 + c.c1 * np.maximum(0.0, tokens - c.nstar) + c.ab * decoders + c.ak * context + c.aq * work
        return np.minimum(c.p_cap * seconds, c.p0 * seconds + c.e * tokens + c.ek * context)

    assert np.all(prompts <= CHUNK)  # one chunk: the twin needs no loop over chunks
    prompt = prompts.astype(float)
    prefill = joules(0.0, 0.0, prompt, prompt * (prompt / 2))
    return prefill + (OUTPUT - 1) * (joules(BATCH, BATCH * (prompt + OUTPUT / 2), 0.0, 0.0) / BATCH)


def known_costs_core(prompts: np.ndarray) -> np.ndarray:
    costs = np.empty(len(prompts))
    known = {"coefficients": COEFFICIENTS, "usd_per_s": 0.0, "max_batched_tokens": CHUNK, "nominal_batch": BATCH}
    _core.known_costs(known | {"mean_output_tokens": OUTPUT, "mean_tokens": 1.0}, prompts, costs)
    return costs


@pytest.mark.benchmark(**SHORT)
@pytest.mark.parametrize("how", ["numpy", "messsim"])
@pytest.mark.parametrize("n", [1, 1024, 65536])
def test_known_costs(benchmark, n, how) -> None:
    benchmark.group = f"known cost n={n}"
    prompts = np.random.default_rng(4).integers(1, 8192, n, dtype=np.int32)
    costs = benchmark(known_costs_core if how == "messsim" else known_costs_numpy, prompts)
    np.testing.assert_allclose(costs, known_costs_numpy(prompts), rtol=1e-12)
    benchmark.extra_info["requests"] = n


# ---- the oracle's frontier: what a run adds up of every request's potential outcomes ---------------------


def frontier_numpy(satisfied: np.ndarray, costs: np.ndarray, alpha: float) -> float:
    """Least mean cost, outcomes 0 or 1: a histogram of (cheapest satisfying - cheapest), cheapest steps first."""
    n = costs.shape[1]
    first = np.argmin(costs, axis=0)
    base, lucky = costs[first, np.arange(n)], satisfied[first, np.arange(n)] > 0
    step = np.where(satisfied > 0, costs, np.inf).min(axis=0) - base
    step = step[~lucky & np.isfinite(step)]
    bins = np.floor(256 * np.log2(step)).astype(np.int64) + 8192
    gain, cost = np.bincount(bins, minlength=16384), np.bincount(bins, step, 16384)
    wanted, reached = alpha * n - lucky.sum(), np.cumsum(gain)
    at = int(np.searchsorted(reached, wanted))
    part = (wanted - reached[at] + gain[at]) / gain[at]
    return float((base.sum() + cost[:at].sum() + part * cost[at]) / n)


def frontier_core(satisfied: np.ndarray, costs: np.ndarray, alpha: float) -> float:
    frontier = Frontier(len(costs))
    frontier.add(satisfied, costs)
    optimum = frontier.optimum(alpha)
    assert optimum is not None
    return optimum.per_request


@pytest.mark.benchmark(**SHORT)
@pytest.mark.parametrize("how", ["numpy", "messsim"])
@pytest.mark.parametrize("models", [2, 4, 16])
def test_the_oracles_frontier(benchmark, models, how) -> None:
    benchmark.group = f"frontier models={models}"
    rng, n, alpha = np.random.default_rng(5), 65536, 0.7
    satisfied = (rng.uniform(size=(models, n)) < np.linspace(0.4, 0.9, models)[:, None]).astype(float)
    costs = np.geomspace(10.0, 1000.0, models)[:, None] * rng.lognormal(0.0, 0.5, n)
    least = benchmark(frontier_core if how == "messsim" else frontier_numpy, satisfied, costs, alpha)
    np.testing.assert_allclose(least, frontier_numpy(satisfied, costs, alpha), rtol=1e-4)  # other bins
    benchmark.extra_info["requests"] = n
