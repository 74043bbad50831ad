"""What a promise costs at least: the dual against linear programs, what can be known against Bayes, runs."""

import math
import subprocess
import sys

import numpy as np
import pytest
from builders import model, run, scenario
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from scipy.optimize import linprog

from messsim import _core
from messsim.engines import knowledge, prepare
from messsim.errors import KernelError
from messsim.results.baselines import best_static
from messsim.results.oracle import oracle_of
from messsim.routing.oracle_dual import Frontier
from messsim.scenario import parse
from messsim.study.simulation.oracles import Oracles, oracles
from messsim.workload import Workload
from messsim.workload.irt import sigmoid
from messsim.workload.knowledge import probabilities

quick = settings(derandomize=True, deadline=None, max_examples=150)


def least_cost(satisfied: np.ndarray, costs: np.ndarray, alpha: float) -> float | None:
    """The linear program, mean cost of a request; None if infeasible."""
    models, n = satisfied.shape
    one_each = np.tile(np.eye(n), models)
    solution = linprog(
        costs.ravel(), A_ub=[-satisfied.ravel()], b_ub=[-alpha * n], A_eq=one_each, b_eq=np.ones(n), bounds=(0, 1)
    )
    return solution.fun / n if solution.success else None


def frontier_of(satisfied: np.ndarray, costs: np.ndarray) -> Frontier:
    frontier = Frontier(len(satisfied))
    frontier.add(np.ascontiguousarray(satisfied, float), np.ascontiguousarray(costs, float))
    return frontier


# ---- the dual -------------------------------------------------------------------------------------------


@st.composite
def programs(draw) -> tuple[np.ndarray, np.ndarray, float]:
    models, n = draw(st.integers(1, 4)), draw(st.integers(1, 12))
    satisfactions = draw(st.sampled_from([st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 0.25, 0.5, 1.0])]))
    prices = draw(st.sampled_from([st.sampled_from([0.0, 1.0, 3.0]), st.floats(0.001, 1000.0)]))
    shape = (models, n)
    satisfied = np.reshape(draw(st.lists(satisfactions, min_size=models * n, max_size=models * n)), shape)
    costs = np.reshape(draw(st.lists(prices, min_size=models * n, max_size=models * n)), shape)
    return satisfied, costs, draw(st.sampled_from([0.0, 0.3, 0.5, 0.75, 1.0]))


@quick
@given(programs())
def test_the_optimum_is_the_linear_programs(program):
    satisfied, costs, alpha = program
    optimum, best = frontier_of(*program[:2]).optimum(alpha), least_cost(*program)
    if best is None:
        assert optimum is None
        return
    assert -1e-7 <= optimum.per_request - best <= optimum.error + 1e-7
    # and the prices reach it: argmin at the one or the other
    taken = [(costs - price * satisfied).argmin(axis=0) for price in (optimum.low, optimum.high)]
    each = np.arange(satisfied.shape[1])

    def mixed(values: np.ndarray) -> float:
        low, high = (values[t, each].mean() for t in taken)
        return (1 - optimum.share) * low + optimum.share * high

    assert mixed(satisfied) >= alpha - 1e-9
    assert mixed(costs) == pytest.approx(optimum.per_request, rel=1e-9, abs=1e-9)


def test_steps_that_share_a_bin_cost_no_more_than_the_stated_error():
    """1,000 slopes within one bin of 1/256: taken at their mean, the cheaper half seems dearer than it is."""
    rises = np.linspace(1.0, 1.0 + 1 / 257, 1000)
    frontier = frontier_of([np.zeros(1000), np.ones(1000)], [np.zeros(1000), rises])
    optimum, exact = frontier.optimum(0.5), rises[:500].sum() / 1000
    assert optimum.per_request - exact == pytest.approx(0.25 * (rises[750] - rises[250]), rel=0.01)
    assert optimum.per_request - exact <= optimum.error <= 0.002 * exact
    assert frontier.optimum(1.0).error == 0.0


def test_costs_of_few_values_are_exact():
    satisfied = [np.tile([0.0, 1.0, 0.0, 0.0], 250), np.tile([1.0, 1.0, 0.0, 1.0], 250)]
    optimum = frontier_of(satisfied, [np.full(1000, 2.0), np.full(1000, 7.0)]).optimum(0.5)
    assert (optimum.per_request, optimum.error, optimum.share) == (2.0 + 0.25 * 5.0, 0.0, 0.5)
    assert optimum.low < 5.0 < optimum.high


def test_what_nobody_satisfies_is_infeasible_but_for_rounding():
    frontier = frontier_of([np.repeat([0.0, 1.0], [3, 7])], [np.ones(10)])
    assert frontier.optimum(0.7).per_request == 1.0
    assert frontier.optimum(math.nextafter(0.7, 1)).per_request == 1.0
    assert frontier.optimum(0.700001) is None
    assert Frontier(2).optimum(0.0) is None


@pytest.mark.parametrize(
    "arrays",
    [
        (np.zeros((1, 7)), [0, 1]),  # no such tenant
        (np.zeros((1, 7)), [0, -1]),
        (np.zeros((1, 6)), [0, 0]),
        (np.zeros((1, 7)), [0, 0, 0]),
    ],
    ids=["tenant", "negative tenant", "sums", "length"],
)
def test_arrays_that_do_not_fit_are_refused(arrays):
    sums, tenant = arrays
    bins, columns = np.zeros((len(sums), _core.FRONTIER_BINS, 4)), np.ones((2, 2))
    with pytest.raises(KernelError):
        _core.frontier_add(sums, bins, np.array(tenant, np.int32), columns, columns)


# ---- several tenants ------------------------------------------------------------------------------------


def two_tenants() -> Frontier:
    frontier = Frontier(2, tenants=3)  # the third never comes
    tenant = np.array([0, 0, 0, 0, 1, 1], np.int32)
    satisfied = np.array([[0.0, 0.0, 1.0, 0.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0, 1.0, 1.0]])
    frontier.add(satisfied, np.array([np.full(6, 1.0), np.full(6, 4.0)]), tenant)
    return frontier


def test_every_tenant_has_a_constraint_of_its_own():
    optimal = oracle_of(two_tenants(), [0.5, 0.5, 1.0], [0.75, 1.0, None])
    assert optimal.at_alpha == (6 * 1.0 + 1 * 3.0 + 0) / 6
    assert optimal.at_own == (6 * 1.0 + 2 * 3.0 + 1 * 3.0) / 6
    assert oracle_of(two_tenants(), [0.9, 0.5, 1.0], [None, 1.0, 0.0]).costs == {"at_alpha": None, "at_own": None}


def test_one_model_serves_all_but_each_tenant_has_its_own_mix():
    # means: tenant 0 has 1/4 and 3/4, tenant 1 has 1/2 and 1
    single, cost, mix = best_static(two_tenants(), [0.5, 0.5, 1.0])
    assert (single, cost) == (1, 4.0)
    assert mix == pytest.approx((4 * 2.5 + 2 * 1.0) / 6)
    assert best_static(two_tenants(), [0.9, 0.5, 1.0]) == (None, None, None)
    assert best_static(two_tenants(), [0.0, 1.0, 1.0]) == (1, 4.0, pytest.approx((4 * 1.0 + 2 * 4.0) / 6))
    assert best_static(Frontier(2), [0.5]) == (None, None, None)


# ---- what can be known of satisfaction ------------------------------------------------------------------

TASKS = [
    {"name": "easy", "mean": -1.0, "deviation": 0.5, "weight": 3.0},
    {"name": "hard", "mean": 1.5, "deviation": 2.0},
    {"name": "rare", "mean": 0.0, "deviation": 0.1, "weight": 1.0},
]
PHASE = {"from_request": 60, "difficulty": 0.7, "tasks": {"easy": 1.0, "hard": 2.0}, "satisfaction": {"small": 0.6}}


def known(knows: str, n: int = 120, **changes):
    """The workload, its chunk of n requests, and P(s = 1)."""
    workload = Workload(parse(scenario(requests=n, **changes)))
    (chunk,) = workload.chunks(n)
    return workload, chunk, probabilities(workload, chunk, knows)


def by_bayes(workload: Workload, chunk, i: int, m: int) -> float:
    """P(s = 1 | feature 0) from its definition, by adaptive quadrature over the difficulty."""
    s, stage = workload.scenario, workload.stages[int(i >= 60)]
    base = s.satisfaction.tasks
    weights = np.array([t.weight for t in base]) / sum(t.weight for t in base)
    centre = sum(w * t.mean for w, t in zip(weights, base, strict=True))
    spread = math.sqrt(sum(w * (t.deviation**2 + (t.mean - centre) ** 2) for w, t in zip(weights, base, strict=True)))
    signal, seen = s.features.signal, chunk.features[0, i]

    def density(d: float) -> float:
        prior = sum(
            t.weight * stats.norm.pdf(d, t.mean + stage.difficulty.shift, t.deviation) for t in stage.difficulty.tasks
        )
        return prior * stats.norm.pdf(seen, signal * (d - centre) / spread, math.sqrt(1 - signal**2))

    def mean(f) -> float:
        points = [t.mean + stage.difficulty.shift + k * t.deviation for t in stage.difficulty.tasks for k in (-2, 0, 2)]
        return integrate.quad(f, -12, 16, points=sorted(set(points)), limit=400)[0]

    slope, theta = s.satisfaction.slope, stage.thetas[m]
    return mean(lambda d: density(d) / (1 + math.exp(-slope * (theta - d)))) / mean(density)


@pytest.mark.parametrize(("slope", "signal"), [(1.5, 0.8), (8.0, 0.4), (0.3, 0.95)])
def test_what_features_tell_is_bayes(slope, signal):
    irt = {"slope": slope, "tasks": TASKS}
    workload, chunk, result = known("features", satisfaction=irt, features={"signal": signal}, phases=[PHASE])
    for i in (0, 17, 59, 60, 61, 119):
        for m in (0, 1):
            assert result[m, i] == pytest.approx(by_bayes(workload, chunk, i, m), abs=1e-7)


def test_whoever_knows_the_difficulty_knows_the_probability():
    workload, chunk, result = known("difficulty", satisfaction={"tasks": TASKS}, phases=[PHASE])
    for m in (0, 1):
        theta = np.where(np.arange(120) < 60, workload.stages[0].thetas[m], workload.stages[1].thetas[m])
        np.testing.assert_allclose(result[m], sigmoid(1.5 * (theta - chunk.difficulty)), rtol=1e-12)


def test_features_tell_all_at_signal_1_and_nothing_at_0():
    *_, certain = known("difficulty")
    np.testing.assert_allclose(known("features", features={"signal": 1.0})[2], certain, rtol=1e-9)
    for blind in ({"signal": 0.0}, {"kind": "none"}):
        *_, result = known("features", features=blind)
        np.testing.assert_allclose(result, np.array([[0.4], [0.8]]) * np.ones(120), rtol=1e-8)


# ---- runs, and passes of their own ----------------------------------------------------------------------

NO_SERVERS = {
    "cluster": {"mode": "none"},
    "models": [
        {"name": n, "satisfaction": s, "cost_per_request": c}
        for n, s, c in [("small", 0.4, 1.0), ("mid", 0.6, 2.5), ("large", 0.8, 9.0)]
    ],
    "router": {"V": 0.1, "c": 0.5},
}
TENANTS = {"tenants": [{"name": "x", "alpha": 0.7, "share": 1.0}, {"name": "y", "alpha": 0.3, "share": 2.0}]}


def own_of(summary) -> list[float | None]:
    return [t["satisfaction"] for t in summary["tenants"]]


@pytest.mark.parametrize(
    "changes", [NO_SERVERS, NO_SERVERS | TENANTS, {"tokens": {"prompt": {"kind": "geometric", "mean": 20.0}}}]
)
def test_a_runs_clairvoyant_oracle_is_the_linear_program(changes):
    r = run(scenario(requests=150, **changes))
    clairvoyant = r.summary["cost"]["oracle"]["clairvoyant"]
    for key in ("at_alpha", "at_own"):
        total = 0.0
        for k, tenant in enumerate(r.summary["tenants"]):
            its = r.records.tenant == k
            wanted = tenant["alpha" if key == "at_alpha" else "satisfaction"]
            total += its.sum() * least_cost(r.satisfied[:, its], r.known[:, its], wanted)
        error = r.summary["accuracy"]["oracle_relative_error"]
        assert total / 150 * (1 - 1e-7) <= clairvoyant[key] <= total / 150 * (1 + error + 1e-7)


@pytest.mark.parametrize("policy", ["mess+", "random", "cheapest", "largest"])
def test_no_policy_beats_the_oracle_as_satisfying(policy):
    r = run(scenario(requests=400, **NO_SERVERS | {"router": {"policy": policy, "V": 0.1, "c": 0.5}}))
    cost = r.summary["cost"]
    copies = np.where(r.records.explored, r.known.sum(axis=0), r.known[r.records.model, np.arange(400)])
    assert cost["oracle_per_request"] == cost["oracle"]["clairvoyant"]["at_own"]
    assert cost["ratio_to_oracle"] == pytest.approx(copies.mean() / cost["oracle_per_request"], rel=1e-12)
    assert cost["ratio_to_oracle"] >= 1.0 - 1e-9


def test_realised_cost_has_no_ratio():
    cost = run(scenario()).summary["cost"]
    assert cost["ratio_to_oracle"] is None
    assert cost["oracle_per_request"] > 0


def test_a_promise_out_of_reach_has_no_cost():
    cost = run(scenario(sla={"alpha": 1.0}, **NO_SERVERS)).summary["cost"]
    assert cost["oracle"]["clairvoyant"]["at_alpha"] is None
    assert cost["ratio_to_oracle"] > 1


@pytest.mark.parametrize("changes", [NO_SERVERS, TENANTS, {"requests": None, "horizon_s": 30.0}])
def test_a_pass_of_its_own_finds_the_runs_oracle(changes):
    data = scenario(**{"requests": 300} | changes)
    summary = run(data, "compiled").summary
    bounds = oracles(parse(data), own_of(summary))
    assert bounds["clairvoyant"] == summary["cost"]["oracle"]["clairvoyant"]
    small = oracles(parse(data | {"record": {"chunk": 64}}), own_of(summary))
    for name in ("clairvoyant", "statistical", "feature"):
        assert small[name] == pytest.approx(bounds[name], rel=1e-12)


def test_in_a_closed_loop_the_run_tells_how_many_came():
    loop = {"kind": "closed", "clients": 4, "think_s": 0.5}
    data = scenario(arrivals=loop, requests=None, horizon_s=60.0, record={"chunk": 64})
    summary = run(data, "compiled").summary
    arrived = summary["requests"]["arrived"]
    assert arrived % 64
    bounds = oracles(parse(data), own_of(summary), arrived)
    assert bounds["clairvoyant"] == summary["cost"]["oracle"]["clairvoyant"]
    with pytest.raises(ValueError, match="how many requests the run had"):
        oracles(parse(data), own_of(summary))


def test_who_knows_less_pays_more():
    result = Oracles(parse(scenario(requests=5_000, sla={"alpha": 0.65}, **NO_SERVERS))).costs([0.7])
    frontier = Frontier(3)
    workload = Workload(parse(scenario(requests=5_000, **NO_SERVERS)))
    (chunk,) = workload.chunks(5_000)
    frontier.add(chunk.satisfied, np.repeat([[1.0], [2.5], [9.0]], 5_000, axis=1))
    *_, mix = best_static(frontier, [0.65])
    costs = [result[name]["at_alpha"] for name in ("clairvoyant", "statistical", "feature")]
    assert costs == sorted(costs)
    assert costs[-1] < mix
    assert all(result[name]["at_own"] > result[name]["at_alpha"] for name in ("clairvoyant", "statistical", "feature"))
    assert result["relative_error"] < 1e-3


def test_a_statistical_oracle_is_the_linear_program_on_probabilities():
    data = parse(scenario(requests=100, **NO_SERVERS))
    workload = Workload(data)
    (chunk,) = workload.chunks(100)
    costs = np.repeat([[1.0], [2.5], [9.0]], 100, axis=1)
    bounds = oracles(data, [0.75])
    for name, knows in (("statistical", "difficulty"), ("feature", "features")):
        for key, alpha in (("at_alpha", 0.5), ("at_own", 0.75)):
            best = least_cost(probabilities(workload, chunk, knows), costs, alpha)
            assert best - 1e-6 <= bounds[name][key] <= best * (1 + bounds["relative_error"]) + 1e-6


def test_a_table_has_no_law_to_know(tmp_path):
    file = tmp_path / "table.csv"
    file.write_text("small,large\n" + "\n".join(["0,1", "1,1", "0,0", "0,1"]))
    models = [model("small", None), model("large", None)]
    data = scenario(satisfaction={"kind": "table", "file": str(file)}, features={"kind": "none"}, models=models)
    data["satisfaction"] = {"kind": "table", "file": str(file)}
    bounds = oracles(parse(data), [0.5])
    assert bounds["statistical"] is bounds["feature"] is None
    assert bounds["clairvoyant"]["at_alpha"] > 0


@pytest.mark.parametrize("closed", [False, True])
def test_who_knows_the_answers_knows_those_of_all_chunks(monkeypatch, closed):
    """Where nobody knows how many requests will come, those of enough whole chunks."""
    monkeypatch.setattr(knowledge, "WITHOUT_END", 100)
    data = scenario(requests=400, record={"chunk": 64}, router={"policy": "oracle"})
    if closed:
        del data["requests"]
        data |= {"arrivals": {"kind": "closed", "clients": 3}, "horizon_s": 1e6}
    setup = prepare(parse(data))
    facts = list(knowledge._all_facts(setup.workload, setup.costs))
    assert [len(f.tenant) for f in facts] == ([64, 64] if closed else [64] * 6 + [16])
    expected = setup.workload.columns(0, 128).facts
    np.testing.assert_array_equal(np.concatenate([f.satisfaction for f in facts[:2]], axis=1), expected)


def test_bins_that_stay_empty_take_no_memory():
    """A thousand tenants with a request each: half a megabyte for all bins of each would be 524 MB."""
    code = """
import resource
import numpy as np
from messsim.routing.oracle_dual import Frontier
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
frontier = Frontier(2, 1000)
one = np.array([[0.0] * 1000, [1.0] * 1000]), np.array([[1.0] * 1000, [3.0] * 1000])
frontier.add(*one, np.arange(1000, dtype=np.int32))
assert frontier.optimum(1.0, 999).per_request == 3.0
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    kib = int(made.stdout) / (1024 if sys.platform == "darwin" else 1)
    assert kib < 64 * 1024


def test_without_memory_for_all_tenants_that_is_what_is_raised(monkeypatch):
    def full(*args, **more):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr("mmap.mmap", full)
    with pytest.raises(MemoryError, match=r"^20,000 tenants$"):
        Frontier(2, 20_000)
