"""Replications side by side: what is laid over what, and how sure one may be of it."""

import json

import numpy as np
import polars as pl
import pytest
from builders import model, scenario
from scipy.stats import binomtest
from test_cli import here, refused, write
from test_page import Elements

from messsim.errors import OutputError, ScenarioError, SimulationError
from messsim.report.convergence import convergence_report
from messsim.report.pages.plots import plot
from messsim.report.pages.report import report
from messsim.results.intervals import share_interval
from messsim.scenario import parse
from messsim.study import run
from messsim.study.converge.aligned import CURVES, aligned, halved
from messsim.study.converge.convergence import converge
from messsim.study.converge.files import read_convergence, write_convergence

SMALL = {"requests": 300, "router": {"policy": "random"}, "sla": {"alpha": 0.6}}  # kept by about half of the runs


@pytest.fixture(scope="module")
def small():
    return parse(scenario(**SMALL))


@pytest.fixture(scope="module")
def study(small):
    return converge(small, 7, workers=1)


@pytest.fixture(scope="module")
def runs(small):
    return [run(small.changed(replication=r)) for r in range(7)]


# ---- intervals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "of"), [(0, 1), (1, 1), (0, 20), (3, 20), (20, 20), (499, 1000)])
def test_the_interval_of_a_share_is_clopper_and_pearsons(count, of):
    exact = binomtest(count, of).proportion_ci(0.95, method="exact")
    assert share_interval(count, of) == pytest.approx((exact.low, exact.high), abs=1e-12)


@pytest.mark.parametrize(("count", "of"), [(-1, 3), (4, 3), (0, 0)])
def test_a_share_of_nothing_has_none(count, of):
    with pytest.raises(ValueError, match="expected a count of some"):
        share_interval(count, of)


# ---- curves ---------------------------------------------------------------------------------------------


def timeline(requests, **columns):
    n = len(requests)
    default = {"promise_running": [0.5] * n} | {c: [0.0] * n for c in CURVES.values()}
    return pl.DataFrame({"request": requests} | default | columns)


def test_the_coarsest_grid_is_everybodys():
    fine = timeline([0, 1, 2, 3, 4], satisfaction_running=[0.0, 0.5, 0.4, 0.6, 0.5])
    coarse = timeline([0, 2, 4, 6], satisfaction_running=[1.0, 0.5, None, 0.7])
    curves = aligned([fine, coarse], [3, None])
    assert curves["request"].to_list() == [0, 2, 4, 6]
    assert curves["runs"].to_list() == [2, 2, 2, 1]
    assert curves["satisfaction_mean"].to_list() == pytest.approx([0.5, 0.45, 0.5, 0.7])
    assert curves["satisfaction_p50"].to_list() == pytest.approx([0.5, 0.45, 0.5, 0.7])
    assert curves["below"].to_list() == [0.5, 0.5, 0.0, 0.0]  # met exactly is not below
    assert curves["settled"].to_list() == [0.0, 0.0, 0.5, 0.5]
    low, high = share_interval(1, 2)
    assert curves.row(0, named=True)["below_low"] == low
    assert curves.row(0, named=True)["below_high"] == high


def test_what_no_run_has_is_null():
    curves = aligned([timeline([0, 1], certificate=[None, None])] * 2, [0, 0])
    assert curves["certificate_mean"].null_count() == 2
    assert curves["certificate_p95"].null_count() == 2


def test_halving_keeps_a_grid_of_powers_of_two():
    few = halved(timeline(list(range(0, 4 * 1500, 4))))
    assert few["request"].to_list() == list(range(0, 6000, 16))
    assert len(halved(timeline(list(range(512))))) == 512
    assert len(halved(timeline([]))) == 0


def test_curves_are_those_of_the_runs(study, runs):
    assert study.curves["request"].to_list() == list(range(300))
    satisfaction = np.array([r.timeline["satisfaction_running"].to_numpy() for r in runs])
    assert study.curves["satisfaction_mean"].to_numpy() == pytest.approx(satisfaction.mean(axis=0))
    assert study.curves["satisfaction_p95"].to_numpy() == pytest.approx(np.quantile(satisfaction, 0.95, axis=0))
    queue = np.array([r.timeline["queue"].to_numpy() for r in runs])
    assert study.curves["queue_p25"].to_numpy() == pytest.approx(np.quantile(queue, 0.25, axis=0))
    below = (satisfaction < 0.6 - 1e-9).mean(axis=0)
    assert study.curves["below"].to_numpy() == pytest.approx(below)
    assert 0 < below[-1] < 1  # some runs keep the promise, some do not: both sides are tested


def test_settled_is_never_below_again(study, runs):
    since = [r.summary["sla"]["time_to_compliance"] for r in runs]
    for t in (0, 50, 299):
        assert study.curves["settled"][t] == np.mean([s is not None and s <= t for s in since])
    assert (study.curves["settled"] <= 1 - study.curves["below"] + 1e-12).all()


def test_tenants_promises_are_weighed_by_their_answers():
    parsed = parse(scenario(requests=60, tenants=[{"name": "a", "alpha": 0.9}, {"name": "b", "alpha": 0.1}]))
    result = run(parsed)
    alphas = result.requests.collect()["tenant"].cast(str).replace_strict({"a": 0.9, "b": 0.1}).to_numpy()
    assert result.timeline["promise_running"].to_numpy() == pytest.approx(np.cumsum(alphas) / np.arange(1, 61))


# ---- the study ------------------------------------------------------------------------------------------


def test_the_summary_says_what_the_runs_did(study, runs):
    summary = study.summary
    satisfaction = sorted(r.summary["sla"]["satisfaction"] for r in runs)
    kept = sum(s >= 0.6 - 1e-9 for s in satisfaction)
    assert summary["kept"]["runs"] == kept
    assert (summary["kept"]["low"], summary["kept"]["high"]) == share_interval(kept, 7)
    end = summary["end"]["satisfaction"]
    assert end["mean"] == pytest.approx(np.mean(satisfaction))
    assert (end["p05"], end["p50"], end["p95"]) == (satisfaction[0], satisfaction[3], satisfaction[6])
    half = 2.4469118511 * np.std(satisfaction, ddof=1) / np.sqrt(7)  # Student's t, 6 degrees of freedom
    assert end["high"] - end["mean"] == pytest.approx(half)
    since = [r.summary["sla"]["time_to_compliance"] for r in runs]
    assert summary["time_to_compliance"]["never"] == since.count(None) > 0
    assert summary["time_to_compliance"]["p95"] is None
    assert study.rows["replication"].to_list() == list(range(7))
    assert study.rows["sla_satisfaction"].to_list() == [r.summary["sla"]["satisfaction"] for r in runs]


def test_each_figure_at_the_end_is_its_own():
    """Raters err, so that the queue that is tracked is another; runs of one length in time have other lengths."""
    data = scenario(requests=None, horizon_s=60.0, sla={"alpha": 0.7}, feedback={"false_positive": 0.5})
    summary = converge(parse(data), 3, workers=1).summary
    alone = [run(parse(data | {"replication": r})).summary for r in range(3)]
    arrived = [s["requests"]["arrived"] for s in alone]
    assert min(arrived) < summary["requests"] == max(arrived)
    assert summary["end"]["certificate"] is None
    for name, figures in (
        ("satisfaction", [s["sla"]["satisfaction"] for s in alone]),
        ("queue", [s["sla"]["queue_final"] for s in alone]),
        ("cost_per_request", [s["cost"]["per_request"] for s in alone]),
    ):
        end = summary["end"][name]
        assert end["mean"] == pytest.approx(np.mean(figures))
        assert (end["p05"], end["p50"], end["p95"], end["count"]) == (*sorted(figures), 3)
    assert [s["sla"]["queue_final"] for s in alone] != [s["sla"]["queue_tracked_final"] for s in alone]


def test_processes_change_nothing(small, study):
    rows = []
    again = converge(small, 7, workers=2, on_progress=lambda done, total: rows.append((done, total)))
    assert again.summary == study.summary
    assert again.curves.equals(study.curves)
    assert again.rows.equals(study.rows)
    assert rows == [(k, 7) for k in range(8)]


def test_runs_of_different_lengths(tmp_path):
    parsed = parse(scenario(requests=None, horizon_s=30.0))
    convergence = converge(parsed, 3, out=tmp_path / "out", workers=1)
    runs = convergence.curves["runs"]
    assert runs[0] == 3
    assert runs[-1] < 3
    write_convergence(tmp_path / "out", convergence)
    assert report(tmp_path / "out", tmp_path / "a.html").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"feedback": {"false_negative": 0.2}},
        {"feedback": {"probability": 0.0}},
        {"requests": None, "horizon_s": 1e-9},
        {"requests": 1},
        {"cluster": {"mode": "none"}},
        {"models": [model("only", 0.999999)]},
    ],
)
def test_scenarios_that_leave_something_out_have_a_page(tmp_path, changes):
    parsed = parse(scenario(**changes))
    convergence = converge(parsed, 2, out=tmp_path / "out", workers=1)
    assert write_convergence(tmp_path / "out", convergence, page=lambda c: convergence_report(c, parsed)) == []
    assert "Promise kept in" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_one_run_says_nothing_of_chance(small):
    with pytest.raises(ScenarioError, match="--seeds 1: expected at least 2"):
        converge(small, 1)


# ---- files and page -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def directory(tmp_path_factory, small, study):
    out = tmp_path_factory.mktemp("converged") / "out"
    assert converge(small, 7, out=out, workers=1).summary == study.summary
    assert write_convergence(out, study, page=lambda c: convergence_report(c, small)) == []
    return out


def test_what_is_written_is_read_back(directory, study):
    again = read_convergence(directory)
    assert again.summary == study.summary
    assert again.curves.equals(study.curves)
    assert again.rows.equals(study.rows)
    page = (directory / "report.html").read_bytes()
    report(directory)
    assert (directory / "report.html").read_bytes() == page


def test_the_page_says_how_sure_it_is(directory, study):
    words = " ".join(Elements((directory / "report.html").read_text(encoding="utf-8")).text.split())
    kept = study.summary["kept"]
    assert f"Promise kept in {kept['runs']} of 7 runs" in words
    assert f"between {100 * kept['low']:.1f} % and {100 * kept['high']:.1f} %" in words
    assert "Probability of being below the promise" in words


@pytest.mark.parametrize(
    ("what", "kind", "axis"),
    [
        ("satisfaction", "svg", "share of answers"),
        ("probability", "html", "share of runs"),
        ("queue", "html", "answers owed"),
        ("cost", "html", "J per answer"),
        ("gap", "html", "promise \\u2212 certificate"),
    ],
)
def test_each_chart_can_be_had_alone(directory, tmp_path, what, kind, axis):
    plot(directory, what, tmp_path / f"a.{kind}")
    assert axis in (tmp_path / f"a.{kind}").read_text(encoding="utf-8")


def test_a_chart_that_the_study_has_not_is_told(directory, tmp_path):
    with pytest.raises(OutputError, match="load: unknown chart; expected one of satisfaction, probability, queue"):
        plot(directory, "load", tmp_path / "a.svg")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("file", ["convergence.json", "curves.parquet", "results.parquet"])
def test_a_damaged_study_is_named(directory, tmp_path, file):
    for path in directory.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes()[: 200 if path.name == file else None])
    with pytest.raises(OutputError, match="expected a directory that `messsim converge --out` wrote"):
        report(tmp_path)


def test_a_study_of_another_version_is_named(directory, tmp_path):
    for path in directory.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    pl.read_parquet(directory / "curves.parquet").drop("queue_p05").write_parquet(tmp_path / "curves.parquet")
    with pytest.raises(OutputError, match=r"curves.parquet: queue_p05: expected a column of numbers"):
        report(tmp_path)
    words = pl.read_parquet(directory / "curves.parquet").with_columns(pl.col("settled").cast(pl.String))
    words.write_parquet(tmp_path / "curves.parquet")
    with pytest.raises(OutputError, match=r"curves.parquet: settled: expected a column of numbers"):
        report(tmp_path)


def test_the_command(tmp_path):
    file = write(tmp_path / "a.toml", **SMALL)
    done = here("converge", file, "--seeds", 3, "--workers", 1, "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("SLA of 60.00 % satisfying answers kept in ")
    assert done.stdout.endswith(f"written to {tmp_path / 'out'}\n")
    names = ["convergence.json", "curves.parquet", "report.html", "results.parquet", "rows.jsonl"]
    names += ["scenario.toml", "study.json"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == names
    printed = json.loads(here("converge", file, "--seeds", 3, "--json", "--workers", 1).stdout)
    assert printed == json.loads((tmp_path / "out" / "convergence.json").read_text())
    assert "out" in refused(here("converge", file, "--seed", 9, "--seeds", 3, "--out", tmp_path / "out"))
    assert "--seeds 0: expected at least 2" in refused(here("converge", file, "--seeds", 0))


def test_no_replication_is_made_after_one_that_fails(monkeypatch):
    asked = []

    def stop(spec, **_):
        asked.append(spec.replication)
        raise SimulationError("it stopped")

    monkeypatch.setattr("messsim.study.converge.convergence.run", stop)
    with pytest.raises(SimulationError, match="it stopped"):
        converge(parse(scenario(requests=20)), 3, workers=1)
    assert asked == [0]
