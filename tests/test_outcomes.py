"""Who satisfies whom, and what a router sees of it: item response theory, tables, phases, tenants.

Statistics are compared by t = (mean - theory) / standard error over 40 independent replications, |t| < 4.6: a
false alarm in 23,000 tests (t with 39 degrees of freedom); distributions by chi-square or Kolmogorov-Smirnov,
p > 1e-4. Seeds are fixed.
"""

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from builders import model, scenario
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats

from messsim.scenario import parse
from messsim.scenario.quality import Task
from messsim.workload import Chunk, Workload
from messsim.workload.irt import abilities, any_satisfied, mean_satisfaction, moments, sigmoid

REPLICATIONS = 40
T_LIMIT = 4.6
P_LIMIT = 1e-4

ONE = [Task(name="all")]
TWO = [Task(name="easy", mean=-1.0, deviation=0.5, weight=3.0), Task(name="hard", mean=1.5, deviation=2.0)]
each_mixture = pytest.mark.parametrize("tasks", [ONE, TWO], ids=["one", "two"])


def spec_of(tasks: list[Task]) -> list[dict]:
    return [] if tasks is ONE else [t.model_dump() for t in tasks]


def drawn(data: dict, n: int = 4000, folder: Path | None = None, **changes) -> Chunk:
    """The first n requests, and where they came."""
    (chunk,) = Workload(parse(data | {"requests": n} | changes, folder=folder)).chunks(n)
    return chunk


def t_value(values: list[float], theory: float) -> float:
    return (np.mean(values) - theory) / (np.std(values, ddof=1) / math.sqrt(len(values)))


def replicated(data: dict, of, n: int = 4000) -> list:
    return [of(drawn(data, n, replication=r)) for r in range(REPLICATIONS)]


def expectation(f, tasks: list[Task]) -> float:
    """Mean of f(difficulty) by adaptive quadrature, task by task."""
    total = sum(t.weight for t in tasks)

    def of(task: Task) -> float:
        def integrand(z):
            return f(task.mean + task.deviation * z) * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

        return integrate.quad(integrand, -12, 12, epsabs=1e-13, epsrel=1e-13, limit=500, points=[0.0])[0]

    return sum(t.weight / total * of(t) for t in tasks)


# ---- item response theory -------------------------------------------------------------------------------


def test_the_sigmoid_is_scipys():
    z = np.linspace(-700.0, 700.0, 10_001)
    np.testing.assert_allclose(sigmoid(z), special.expit(z), rtol=1e-14, atol=1e-300)


@each_mixture
@pytest.mark.parametrize("slope", [0.1, 1.5, 6.0])
def test_abilities_give_the_means_exactly(tasks, slope):
    means = [0.01, 0.3, 0.5, 0.758, 0.971]
    thetas = abilities(means, slope, tasks)
    assert thetas == sorted(thetas)
    for mean, theta in zip(means, thetas, strict=True):
        result = expectation(lambda d, theta=theta: special.expit(slope * (theta - d)), tasks)
        assert result == pytest.approx(mean, abs=1e-11)
        assert mean_satisfaction(theta, slope, tasks) == pytest.approx(mean, abs=1e-14)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    mean=st.floats(1e-6, 1 - 1e-6),
    slope=st.floats(1e-3, 1e3),
    tasks=st.lists(
        st.builds(
            Task, name=st.just("x"), mean=st.floats(-3, 3), deviation=st.floats(0.1, 3), weight=st.floats(0.1, 9)
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_any_mean_has_its_ability(mean, slope, tasks):
    (theta,) = abilities([mean], slope, tasks)
    if slope * max(t.deviation for t in tasks) < 1000:
        assert mean_satisfaction(theta, slope, tasks) == pytest.approx(mean, abs=1e-12)
    else:
        assert mean_satisfaction(theta, slope, tasks) == pytest.approx(mean, abs=5e-4)


@pytest.mark.parametrize("mean", [5e-324, 1e-17, 1 - 2**-53])
@pytest.mark.parametrize("slope", [1e-3, 1.5, 1e3])
def test_means_at_the_ends_have_abilities_too(mean, slope):
    (theta,) = abilities([mean], slope, ONE)
    assert math.isfinite(theta)
    assert mean_satisfaction(theta, slope, ONE) == pytest.approx(mean, abs=1e-15)


def test_a_mean_that_rounding_keeps_out_of_reach():
    """The shares of 14 equal tasks sum to 1 - 3 2^-53, so the most that an ability can give lies below the mean."""
    tasks = [Task(name=str(i)) for i in range(14)]
    (theta,) = abilities([1 - 2**-53], 1.5, tasks)
    assert math.isfinite(theta)
    assert mean_satisfaction(theta, 1.5, tasks) == pytest.approx(1, abs=1e-15)


def test_tasks_far_apart_leave_a_plain_between_them():
    """Where no ability changes anything, Newton has no slope to go by."""
    tasks = [Task(name="a", mean=-500.0, deviation=0.1), Task(name="b", mean=500.0, deviation=0.1)]
    for mean in (0.3, 0.5, 0.8):
        (theta,) = abilities([mean], 100.0, tasks)
        assert mean_satisfaction(theta, 100.0, tasks) == pytest.approx(mean, abs=1e-12)


def test_a_steep_slope_is_a_step():
    # P(difficulty < ability) alone, up to the sigmoid's own width: pi^2 / 6 (1 / slope)^2 times the density's slope.
    (theta,) = abilities([0.8], 1000.0, ONE)
    assert theta == pytest.approx(special.ndtri(0.8), abs=1e-5)


@each_mixture
@pytest.mark.parametrize("slope", [0.5, 1.5, 6.0])
def test_models_satisfy_as_often_as_said(tasks, slope):
    data = scenario(satisfaction={"slope": slope, "tasks": spec_of(tasks)}, models=[model("a", 0.3), model("b", 0.8)])
    means = np.array(replicated(data, lambda c: c.satisfied.mean(axis=1)))
    assert abs(t_value(means[:, 0], 0.3)) < T_LIMIT
    assert abs(t_value(means[:, 1], 0.8)) < T_LIMIT
    assert set(np.unique(drawn(data).satisfied)) == {0.0, 1.0}
    assert Workload(parse(data)).mean_satisfaction() == [0.3, 0.8]


@each_mixture
@pytest.mark.parametrize("slope", [0.5, 2.0, 6.0])
def test_how_often_any_model_satisfies(tasks, slope):
    means = [0.3, 0.5, 0.8]
    thetas = abilities(means, slope, tasks)
    result = any_satisfied(thetas, slope, tasks)

    def nobody(difficulty):
        return math.prod(1 - special.expit(slope * (theta - difficulty)) for theta in thetas)

    assert result == pytest.approx(1 - expectation(nobody, tasks), abs=1e-11)
    data = scenario(
        satisfaction={"slope": slope, "tasks": spec_of(tasks)},
        models=[model(f"m{i}", mean) for i, mean in enumerate(means)],
    )
    assert abs(t_value(replicated(data, lambda c: c.satisfied.max(axis=0).mean()), result)) < T_LIMIT


@pytest.mark.parametrize("grades", [3, 6])
def test_graded_answers_keep_their_mean_and_are_shares_of_criteria(grades):
    data = scenario(
        satisfaction={"slope": 2.0, "grades": grades}, models=[model("a", 0.3), model("b", 0.8)], requests=2000
    )
    chunk = drawn(data)
    assert set(np.unique(chunk.satisfied)) == {k / (grades - 1) for k in range(grades)}
    means = np.array(replicated(data, lambda c: c.satisfied.mean(axis=1)))
    assert abs(t_value(means[:, 0], 0.3)) < T_LIMIT
    assert abs(t_value(means[:, 1], 0.8)) < T_LIMIT
    thetas = Workload(parse(data)).stages[0].thetas
    best = any_satisfied(thetas, 2.0, ONE, grades)
    assert abs(t_value(replicated(data, lambda c: c.satisfied.max(axis=0).mean()), best)) < T_LIMIT
    assert best < any_satisfied(thetas, 2.0, ONE)  # who misses one criterion no longer misses all

    def spread(c):  # given the difficulty, a share of independent criteria
        p = special.expit(2.0 * (thetas[0] - c.difficulty))
        return float(np.mean((c.satisfied[0] - p) ** 2 - p * (1 - p) / (grades - 1)))

    assert abs(t_value(replicated(data, spread), 0.0)) < T_LIMIT


def test_two_grades_are_yes_and_no():
    plain, graded = scenario(), scenario(satisfaction={"grades": 2})
    np.testing.assert_array_equal(drawn(plain).satisfied, drawn(graded).satisfied)


def test_given_the_difficulty_models_fail_independently():
    data = scenario(satisfaction={"slope": 2.0}, models=[model("a", 0.5), model("b", 0.6)])
    thetas = Workload(parse(data)).stages[0].thetas

    def residuals(chunk):
        p = [special.expit(2.0 * (theta - chunk.difficulty)) for theta in thetas]
        return float(np.mean((chunk.satisfied[0] - p[0]) * (chunk.satisfied[1] - p[1])))

    assert abs(t_value(replicated(data, residuals), 0.0)) < T_LIMIT
    both = replicated(data, lambda c: (c.satisfied[0] * c.satisfied[1]).mean())
    assert np.mean(both) > 0.5 * 0.6 + 0.05  # but easy requests are easy for both


def test_difficulties_are_the_mixture():
    data = scenario(satisfaction={"tasks": spec_of(TWO)})
    law = [(stats.norm(t.mean, t.deviation), t.weight / 4.0) for t in TWO]
    result = stats.kstest(drawn(data, 20_000).difficulty, lambda x: sum(w * d.cdf(x) for d, w in law))
    assert result.pvalue > P_LIMIT
    assert moments(TWO) == pytest.approx(
        (-1 * 0.75 + 1.5 * 0.25, math.sqrt(0.75 * (0.25 + 1) + 0.25 * (4 + 2.25) - 0.375**2))
    )
    assert moments(ONE) == (0.0, 1.0)


# ---- features -------------------------------------------------------------------------------------------


@each_mixture
@pytest.mark.parametrize("signal", [0.0, 0.6, 1.0])
def test_feature_0_knows_the_difficulty_as_said_and_the_others_nothing(tasks, signal):
    data = scenario(satisfaction={"tasks": spec_of(tasks)}, features={"dimensions": 4, "signal": signal})
    centre, spread = moments(tasks)

    def products(chunk):
        z = (chunk.difficulty - centre) / spread
        return [np.mean(z * x) for x in chunk.features]

    values = np.array(replicated(data, products))
    if signal == 1:
        np.testing.assert_allclose(drawn(data).features[0], (drawn(data).difficulty - centre) / spread, rtol=1e-15)
    else:
        assert abs(t_value(values[:, 0], signal)) < T_LIMIT
    for j in (1, 2, 3):
        assert abs(t_value(values[:, j], 0.0)) < T_LIMIT


def test_features_are_standard_normal_and_independent_of_each_other():
    for dimensions in (5, 6):
        x = drawn(scenario(features={"dimensions": dimensions, "signal": 0.7}), 20_000).features
        assert x.shape == (dimensions, 20_000)
        assert min(stats.kstest(row, "norm").pvalue for row in x) > P_LIMIT / dimensions
        correlations = np.corrcoef(x)[np.triu_indices(dimensions, 1)]
        assert np.abs(correlations).max() < 5 / math.sqrt(20_000)  # false alarm once in 100,000: 15 pairs


def test_features_say_no_more_than_the_signal():
    """Beyond feature 0 the difficulty's rest is unknown: its variance is 1 - signal^2."""
    data = scenario(features={"dimensions": 3, "signal": 0.6})

    def rest(chunk):
        return np.mean((chunk.difficulty - 0.6 * chunk.features[0]) ** 2)

    assert abs(t_value(replicated(data, rest), 1 - 0.36)) < T_LIMIT


def test_more_features_change_no_other():
    few, many = (drawn(scenario(features={"dimensions": d})) for d in (3, 8))
    assert few.features.tobytes() == many.features[:3].tobytes()
    assert Workload(parse(scenario(features={"dimensions": 8}))).features == 8


def test_no_features():
    w = Workload(parse(scenario(features={"kind": "none"})))
    assert w.features == 0
    assert next(w.chunks(10)).features.shape == (0, 10)


# ---- phases ---------------------------------------------------------------------------------------------

HALVES = scenario(satisfaction={"slope": 1.5, "tasks": spec_of(TWO)}, models=[model("a", 0.3), model("b", 0.7)])


def second_half(chunk: Chunk) -> np.ndarray:
    return chunk.satisfied[:, 2000:].mean(axis=1)


def test_harder_requests_lower_the_satisfaction():
    data = HALVES | {"phases": [{"from_request": 2000, "difficulty": 0.7}]}
    thetas = abilities([0.3, 0.7], 1.5, TWO)
    values = np.array(replicated(data, second_half))
    for m, theta in enumerate(thetas):
        lower = mean_satisfaction(theta - 0.7, 1.5, TWO)
        assert lower < [0.3, 0.7][m] - 0.08
        assert abs(t_value(values[:, m], lower)) < T_LIMIT
    before, after = drawn(HALVES), drawn(data)
    np.testing.assert_array_equal(after.difficulty[:2000], before.difficulty[:2000])
    np.testing.assert_allclose(after.difficulty[2000:], before.difficulty[2000:] + 0.7, rtol=1e-12)
    # The router sees it: features speak in the scenario's own units.
    shift = 0.8 * 0.7 / moments(TWO)[1]
    np.testing.assert_allclose(after.features[0, 2000:], before.features[0, 2000:] + shift, rtol=1e-9)


def test_another_satisfaction_is_another_ability():
    data = HALVES | {"phases": [{"from_request": 2000, "satisfaction": {"a": 0.9}}]}
    values = np.array(replicated(data, second_half))
    assert abs(t_value(values[:, 0], 0.9)) < T_LIMIT
    assert drawn(data).satisfied[1].tobytes() == drawn(HALVES).satisfied[1].tobytes()
    # A better model never loses what it had: the same uniforms decide.
    assert (drawn(data).satisfied[0] >= drawn(HALVES).satisfied[0]).all()


def test_other_weights_of_tasks():
    data = HALVES | {"phases": [{"from_request": 2000, "tasks": {"hard": 2.0}}]}
    values = np.array(replicated(data, second_half))
    for m, theta in enumerate(abilities([0.3, 0.7], 1.5, TWO)):
        assert abs(t_value(values[:, m], mean_satisfaction(theta, 1.5, [TWO[1]]))) < T_LIMIT
    law = stats.norm(1.5, 2.0)
    assert stats.kstest(drawn(data, 20_000).difficulty[2000:], law.cdf).pvalue > P_LIMIT


def test_each_phase_starts_from_the_scenario():
    data = HALVES | {
        "phases": [{"from_request": 100, "difficulty": 3.0, "prompt": 7, "output": 8}, {"from_request": 200}],
        "tokens": {"prompt": 2, "output": 3},
        "models": [model("a", 0.3), model("b", 0.7, output=4)],
    }
    plain, phased = drawn(HALVES, 300), drawn(data, 300)
    np.testing.assert_array_equal(phased.difficulty[200:], plain.difficulty[200:])
    np.testing.assert_array_equal(phased.prompt_tokens, np.repeat([2, 7, 2], 100))
    np.testing.assert_array_equal(phased.output_tokens, [np.repeat([3, 8, 3], 100), np.repeat([4, 8, 4], 100)])
    w = Workload(parse(data))
    assert len(w.stages) == 3
    assert (w.mean_prompt_tokens(), w.longest_prompt_tokens()) == (2, 7)
    assert (w.mean_output_tokens(1), w.longest_output_tokens(1)) == (4, 8)


def test_a_phase_by_time_begins_with_the_first_arrival_at_or_after_it():
    law = {"kind": "poisson", "rate_rps": 2.0}
    plain = drawn(scenario(arrivals=law, tokens={"prompt": 1}))
    start = float(plain.arrival_s[1234])
    phased = drawn(scenario(arrivals=law, tokens={"prompt": 1}, phases=[{"from_s": start, "prompt": 9}]))
    assert (phased.prompt_tokens[:1234] == 1).all()
    assert (phased.prompt_tokens[1234:] == 9).all()


# ---- tenants and users ----------------------------------------------------------------------------------


def test_tenants_have_their_shares():
    tenants = [{"name": "a", "share": 1.0}, {"name": "b", "share": 0.001}, {"name": "c", "share": 5.0}]
    tenant = drawn(scenario(tenants=tenants), 60_000).tenant
    assert tenant.dtype == np.int32
    expected = np.array([1.0, 0.001, 5.0]) / 6.001 * 60_000
    assert stats.chisquare(np.bincount(tenant, minlength=3), expected).pvalue > P_LIMIT
    assert set(drawn(scenario()).tenant) == {0}


def test_uniforms_are_uniform():
    chunk = drawn(scenario(feedback={"delay": {"kind": "exponential", "mean_s": 4.0}}), 20_000)
    for u in (chunk.feedback_uniform, *chunk.policy_uniforms.T, *(-np.expm1(-chunk.delay_s / 4.0))):
        assert stats.kstest(u, "uniform").pvalue > P_LIMIT
    assert chunk.policy_uniforms.shape == (20_000, 2)
    assert drawn(scenario()).delay_s is None


# ---- tables ---------------------------------------------------------------------------------------------

ROWS = 12
TABLE = {
    "ok_a": [i % 2 for i in range(ROWS)],
    "ok_b": [0.25 * (i % 5) for i in range(ROWS)],
    "ok_b2": [1 - i % 2 for i in range(ROWS)],
    "subject": ["law", "art", "law", "bio"] * 3,
    "feature__y": [10.0 + i for i in range(ROWS)],
    "feature__x": [-1.0 * i for i in range(ROWS)],
    "prompt_tokens": [100 + i for i in range(ROWS)],
    "output_tokens__ok_a": [200 + i for i in range(ROWS)],
    "output_tokens__ok_b": [300 + i for i in range(ROWS)],
    "output_tokens__ok_b2": [400 + i for i in range(ROWS)],
    "usd_ok_a": [0.5 * i for i in range(ROWS)],
    "usd_ok_b": [0.25 * i for i in range(ROWS)],
    "usd_ok_b2": [0.125 * i for i in range(ROWS)],
}
FROM_TABLE = {"prompt": {"kind": "table"}, "output": {"kind": "table"}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    pl.DataFrame(TABLE).write_parquet(folder / "t.parquet")
    return folder


def table(**changes) -> dict:
    spec = {"kind": "table", "file": "t.parquet", "group": "subject", "costs": "usd_{column}"}
    data = scenario(
        satisfaction=None,
        features=None,
        tokens=FROM_TABLE,
        models=[model("a", column="ok_a"), model("ok_b")],
    )
    return data | {"satisfaction": spec | changes.pop("satisfaction", {})} | changes


def rows_of(chunk: Chunk) -> np.ndarray:
    """The row that each request is, told by its prompt's length."""
    return chunk.prompt_tokens - 100


def test_a_request_is_a_row_in_all_its_columns(folder):
    chunk = drawn(table(), folder=folder)
    row = rows_of(chunk)
    np.testing.assert_array_equal(chunk.satisfied, [np.array(TABLE[c], float)[row] for c in ("ok_a", "ok_b")])
    np.testing.assert_array_equal(chunk.costs, [np.array(TABLE[c])[row] for c in ("usd_ok_a", "usd_ok_b")])
    np.testing.assert_array_equal(chunk.output_tokens, [200 + row, 300 + row])
    np.testing.assert_array_equal(chunk.features, [-1.0 * row, 10.0 + row])  # columns by name
    assert chunk.difficulty is None
    w = Workload(parse(table(), folder=folder))
    assert (w.features, w.table.rows) == (2, ROWS)
    assert w.mean_satisfaction() == [np.mean(TABLE["ok_a"]), np.mean(TABLE["ok_b"])]
    assert (w.mean_prompt_tokens(), w.longest_prompt_tokens()) == (105.5, 111)
    assert (w.mean_output_tokens(1), w.longest_output_tokens(1)) == (305.5, 311)


def test_rows_are_drawn_with_replacement(folder):
    seen = np.bincount(rows_of(drawn(table(), 12_000, folder=folder)), minlength=ROWS)
    assert stats.chisquare(seen).pvalue > P_LIMIT
    row = rows_of(drawn(table(), 12_000, folder=folder))
    pairs = np.bincount(row[:-1:2] * ROWS + row[1::2], minlength=ROWS**2)
    assert stats.chisquare(pairs).pvalue > P_LIMIT


def test_rows_may_come_in_the_files_order(folder):
    data = table(satisfaction={"order": "file"})
    np.testing.assert_array_equal(rows_of(drawn(data, 30, folder=folder)), np.arange(30) % ROWS)


@pytest.mark.parametrize("order", ["file", "random"])
def test_phases_may_choose_groups_and_columns(folder, order):
    phases = [
        {"from_request": 100, "groups": ["bio", "art"]},
        {"from_request": 200, "columns": {"ok_b": "ok_b2"}},
    ]
    data = table(satisfaction={"order": order}, phases=phases)
    chunk = drawn(data, 300, folder=folder)
    row = rows_of(chunk)
    chosen = [1, 3, 5, 7, 9, 11]
    assert set(row[:100]) == set(row[200:]) == set(range(ROWS))
    assert set(row[100:200]) == set(chosen)
    if order == "file":
        np.testing.assert_array_equal(row[100:200], np.array(chosen)[np.arange(100, 200) % 6])
    np.testing.assert_array_equal(chunk.satisfied[1, :200], np.array(TABLE["ok_b"])[row[:200]])
    np.testing.assert_array_equal(chunk.satisfied[1, 200:], np.array(TABLE["ok_b2"])[row[200:]])
    np.testing.assert_array_equal(chunk.output_tokens[1], np.where(np.arange(300) < 200, 300, 400) + row)
    np.testing.assert_array_equal(chunk.costs[1], np.where(np.arange(300) < 200, 0.25, 0.125) * row)
    assert Workload(parse(data, folder=folder)).longest_output_tokens(1) == 411


def test_a_table_of_outcomes_has_its_notes(tmp_path):
    table_of = pl.DataFrame(TABLE).with_columns(pl.col("prompt_tokens") + 0.4)
    text = table_of.write_csv().replace("subject", "subject,subject", 1).replace("\n", "\n0,").removesuffix("0,")
    (tmp_path / "t.csv").write_text(text)
    data = table(satisfaction={"file": "t.csv", "group": None, "costs": None}, features={"kind": "none"})
    del data["satisfaction"]["group"], data["satisfaction"]["costs"]
    twice, rounded = Workload(parse(data, folder=tmp_path)).notes[:2]
    assert twice == "t.csv: its header has 'subject' more than once: the first is read"
    assert rounded == "t.csv: column 'prompt_tokens' has counts that are not whole, such as 100.4: read as 100"


def test_without_costs_there_are_none(folder):
    data = table()
    del data["satisfaction"]["costs"]
    assert drawn(data, folder=folder).costs is None


def test_one_cost_for_all_models(folder):
    chunk = drawn(table(satisfaction={"costs": "usd_ok_a"}), folder=folder)
    np.testing.assert_array_equal(chunk.costs, [0.5 * rows_of(chunk)] * 2)


def test_a_table_without_features(folder):
    data = table(features={"kind": "none"})
    assert Workload(parse(data, folder=folder)).features == 0
    assert drawn(data, folder=folder).features.shape == (0, 4000)


def test_the_kind_of_file_changes_no_bit(folder):
    frame = pl.DataFrame(TABLE)
    frame.write_csv(folder / "t.csv")
    frame.write_ndjson(folder / "t.jsonl")
    one = drawn(table(), folder=folder)
    for name in ("t.csv", "t.jsonl"):
        other = drawn(table(satisfaction={"file": name}), folder=folder)
        for column in ("satisfied", "costs", "features", "prompt_tokens", "output_tokens"):
            assert getattr(one, column).tobytes() == getattr(other, column).tobytes()


CAPTURE = """\
doc_id,input_text,benchmark_name,label_small,label_medium,label_large,energy_consumption_small,\
energy_consumption_medium,energy_consumption_large,inference_time_small,inference_time_medium,inference_time_large
0,"What is the capital of France, and why?",arc_easy,1,1,1,81.9,393.5,2002.25,0.4,0.9,2.5
1,"Which of these is a metal?",arc_easy,0,1,1,79.5,400.25,1999.5,0.4,0.9,2.5
2,"Is water wet?",boolq,0,0,1,43.5,130.75,1040.5,0.2,0.5,1.5
3,"Does the sun rise in the east?",boolq,0,0,0,44.5,129.75,1041.5,0.2,0.5,1.5
"""


def capture(**changes) -> dict:
    data = scenario(satisfaction=None, features=None, cluster={"mode": "none"}) | {
        "models": [{"name": f"llama-{size}", "column": size} for size in ("small", "medium", "large")],
        "features": {"kind": "none"},
    }
    spec = {"kind": "table", "file": "capture.csv", "format": "capture", "order": "file", "group": "benchmark_name"}
    return data | {"satisfaction": spec} | changes


def test_the_authors_capture_files_are_read_as_they_are(tmp_path):
    (tmp_path / "capture.csv").write_text(CAPTURE)
    chunk = drawn(capture(), 4, tmp_path)
    np.testing.assert_array_equal(chunk.satisfied, [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]])
    np.testing.assert_array_equal(
        chunk.costs, [[81.9, 79.5, 43.5, 44.5], [393.5, 400.25, 130.75, 129.75], [2002.25, 1999.5, 1040.5, 1041.5]]
    )
    data = capture(phases=[{"from_request": 0, "groups": ["boolq"]}])
    np.testing.assert_array_equal(drawn(data, 4, tmp_path).satisfied[2], [1, 0, 1, 0])


# ---- features from text ---------------------------------------------------------------------------------


def topics(n: int) -> list[str]:
    rng = np.random.default_rng(5)
    words = (["court", "judge", "statute", "appeal"], ["cell", "enzyme", "protein", "gene"])
    return [" ".join(rng.choice(words[i % 2], 12)) for i in range(n)]


def text_table(tmp_path: Path, texts: list, column="prompt") -> dict:
    rows = {column: texts, "ok_a": [i % 2 for i in range(len(texts))], "ok_b": [1] * len(texts)}
    pl.DataFrame(rows).write_parquet(tmp_path / "text.parquet")
    data = table(features={"kind": "text", "dimensions": 3, "column": column}, tokens={})
    return data | {"satisfaction": {"kind": "table", "file": "text.parquet", "order": "file"}}


def test_text_features_see_the_topic(tmp_path):
    pytest.importorskip("sklearn")
    w = Workload(parse(text_table(tmp_path, topics(80)), folder=tmp_path))
    x = w.table.features
    assert x.shape == (3, 80)
    np.testing.assert_allclose(x.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(x.std(axis=1), 1, rtol=1e-12)
    assert max(abs(np.corrcoef(row, np.arange(80) % 2)[0, 1]) for row in x) > 0.95
    again = Workload(parse(text_table(tmp_path, topics(80)), folder=tmp_path))
    assert again.table.features.tobytes() == x.tobytes()


SAME = "all of these seventeen or so words are the same, and what differs in their features is rounding alone"


@pytest.mark.parametrize("texts", [[SAME] * 101, [None] * 9, [""] * 8 + ["one"]], ids=["same", "none", "one"])
def test_texts_that_tell_nothing_are_features_all_the_same(tmp_path, texts):
    pytest.importorskip("sklearn")
    x = Workload(parse(text_table(tmp_path, texts), folder=tmp_path)).table.features
    assert x.shape == (3, len(texts))
    same = [texts.index(t) for t in texts]
    np.testing.assert_allclose(x, x[:, same], atol=1e-7)
    assert (x == 0).all() == (len(set(texts)) == 1)


def test_text_of_a_capture_file(tmp_path):
    pytest.importorskip("sklearn")
    (tmp_path / "capture.csv").write_text(CAPTURE)
    data = capture(features={"kind": "text", "dimensions": 2})
    assert drawn(data, 4, tmp_path).features.shape == (2, 4)


# ---- the chunk size does not show -----------------------------------------------------------------------

BY_REQUEST = [
    {"from_request": 60, "difficulty": 1.0, "rate_factor": 2.0, "prompt": {"kind": "geometric", "mean": 9}},
    {"from_request": 61, "satisfaction": {"small": 0.9}},
    {"from_request": 150, "tasks": {"hard": 1.0}, "output": {"kind": "lognormal", "mean": 30, "cv": 1.0}},
]
BY_TIME = [{k: v for k, v in p.items() if k != "from_request"} | {"from_s": p["from_request"] / 2} for p in BY_REQUEST]
STREAMS = {
    "irt": scenario(
        satisfaction={"tasks": spec_of(TWO)},
        tokens={"prompt": {"kind": "lognormal", "mean": 90, "cv": 1.0}, "output": {"kind": "geometric", "mean": 9}},
        tenants=[{"name": "x"}, {"name": "y"}],
        feedback={"delay": {"kind": "lognormal", "mean_s": 3.0, "cv": 1.0}},
        phases=BY_REQUEST,
    ),
    "table": table(phases=[{"from_request": 50, "groups": ["law"]}, {"from_request": 111, "columns": {"a": "ok_b2"}}]),
    "table in order": table(satisfaction={"order": "file"}, phases=[{"from_request": 50, "groups": ["law"]}]),
}
STREAMS["irt by time"] = STREAMS["irt"] | {"phases": BY_TIME}
each_stream = pytest.mark.parametrize("data", STREAMS.values(), ids=STREAMS)


def bits(chunks: list[Chunk], arrivals=True) -> dict[str, bytes | None]:
    collected = {}
    for name in Chunk.__slots__:
        parts = [getattr(c, name) for c in chunks]
        if name == "first" or parts[0] is None or (name == "arrival_s" and not arrivals):
            continue
        collected[name] = np.concatenate(parts, axis=0 if name == "policy_uniforms" else -1).tobytes()
    return collected


@each_stream
@settings(derandomize=True, deadline=None, max_examples=25)
@given(size=st.integers(1, 220))
def test_the_chunk_size_changes_no_bit(folder, data, size):
    w = Workload(parse(data | {"requests": 200}, folder=folder))
    assert bits(list(w.chunks(size))) == bits(list(w.chunks(200)))


@pytest.mark.parametrize("name", ["irt", "table", "table in order"])
@settings(derandomize=True, deadline=None, max_examples=25)
@given(first=st.integers(0, 199), n=st.integers(1, 100))
def test_any_stretch_can_be_drawn_alone(folder, name, first, n):
    w = Workload(parse(STREAMS[name] | {"requests": 300}, folder=folder))
    alone = w.columns(first, n)
    assert (alone.first, len(alone), alone.arrival_s) == (first, n, None)
    whole = next(w.chunks(300))
    for column in Chunk.__slots__:
        value, part = getattr(alone, column), getattr(whole, column)
        if column not in ("first", "arrival_s") and value is not None:
            part = part[first : first + n] if column == "policy_uniforms" else part[..., first : first + n]
            np.testing.assert_array_equal(value, part)


def test_a_stretch_far_out_is_drawn_as_easily():
    w = Workload(parse(scenario(requests=None, horizon_s=1.0)))
    far = w.columns(2**40, 5)
    assert far.first == 2**40
    assert far.feedback_uniform.tobytes() == w.chance.choice(w.chance.column("feedback"), 2**40, 5).tobytes()
