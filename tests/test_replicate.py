"""Replications of a scenario: intervals over them, when to stop, and the command."""

import json

import polars as pl
import pytest
from builders import model, scenario
from test_cli import here, refused, write

from messsim.errors import ScenarioError
from messsim.report.study.replications import _cells
from messsim.results import replication_interval
from messsim.scenario import parse
from messsim.study.replicate import StoppingRule, _all_precise, replicate, stopping_rule
from messsim.study.runs.summaries import in_order, in_processes, summary_at, summary_of


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    monkeypatch.setattr("messsim.study.runs.local.cores", lambda: 1)


SMALL = parse(scenario(requests=300))


def doubled(x: int) -> int:
    if x < 0:
        raise ScenarioError(f"{x} is below 0")
    return 2 * x


@pytest.mark.parametrize("workers", [1, 2])
def test_values_in_order(workers):
    assert list(in_order(in_processes(doubled, range(20), workers=workers))) == list(range(0, 40, 2))
    with pytest.raises(ScenarioError, match="-1 is below 0"):
        list(in_order(in_processes(doubled, [1, -1], workers=workers)))


def test_figures_are_intervals_over_the_replications():
    result, rows = replicate(SMALL, StoppingRule(4))
    runs = [summary_of(SMALL.changed(replication=r)) for r in range(4)]
    expected = replication_interval([r["sla"]["satisfaction"] for r in runs])
    assert result["figures"]["sla.satisfaction"] == expected.summary()
    assert result["figures"]["models.small.share"]["count"] == 4
    assert result["figures"]["requests.arrived"]["low"] == result["figures"]["requests.arrived"]["high"] == 300
    assert result["figures"]["cost.oracle.statistical"] is None
    assert not any(p.split(".")[0] in ("performance", "accuracy", "intervals", "seed") for p in result["figures"])
    assert (result["replications"], result["precision"], result["precise"], result["of"]) == (4, None, None, None)
    assert [r["replication"] for r in rows] == [0, 1, 2, 3]
    assert [r["sla_satisfaction"] for r in rows] == [r["sla"]["satisfaction"] for r in runs]
    json.dumps(result, allow_nan=False)


def test_figures_that_some_replications_lack_are_averaged_over_the_others():
    """A promise that some of them never keep for good has no time to compliance there."""
    parsed = parse(scenario(requests=60, sla={"alpha": 0.6}))
    result, rows = replicate(parsed, StoppingRule(12))
    known = [r["sla_time_to_compliance"] for r in rows if r["sla_time_to_compliance"] is not None]
    assert 0 < len(known) < 12
    assert result["figures"]["sla.time_to_compliance"] == replication_interval(known).summary()


def test_a_row_tells_half_of_the_interval_as_a_share_of_the_mean():
    interval = {"mean": -0.02, "low": -0.025, "high": -0.015, "level": 0.95, "count": 7}
    assert _cells("cost.per_request", interval, "J")[1:] == ("-0.02", "-0.025", "-0.015", "25.00 %", "7")
    assert _cells("cost.per_request", interval, "USD")[1:] == ("-20", "-25", "-15", "25.00 %", "7")
    assert _cells("cost.per_request", interval | {"low": None, "high": None}, "J")[2:5] == ("-", "-", "-")
    assert _cells("cost.per_request", interval | {"mean": 0.0}, "J")[4] == "-"


def test_it_stops_when_all_that_is_asked_is_precise():
    seen = []
    precision = 0.02
    rule = StoppingRule(100, precision, ("sla.satisfaction", "cost.per_request"))
    result, rows = replicate(SMALL, rule, on_progress=lambda done, most: seen.append((done, most)))
    n = result["replications"]
    assert result["precise"] is True
    assert 10 < n < 100
    assert seen == [(k, 100) for k in range(n + 1)]

    def precise(k: int) -> bool:
        intervals = [replication_interval([r[c] for r in rows[:k]]) for c in ("sla_satisfaction", "cost_per_request")]
        return all(i.half_width <= precision / (1 + precision) * i.mean for i in intervals)

    assert [precise(k) for k in range(10, n + 1)] == [False] * (n - 10) + [True]


def test_when_it_stops_does_not_depend_on_the_processes():
    rule = StoppingRule(40, 0.02)
    assert replicate(SMALL, rule, workers=2) == replicate(SMALL, rule)


def test_ten_are_made_before_any_is_believed():
    always = parse(scenario(requests=50, models=[model("only", 1 - 1e-12)]))
    result, _ = replicate(always, StoppingRule(40, 0.01))
    assert (result["replications"], result["precise"]) == (10, True)


def test_it_gives_up():
    result, _ = replicate(SMALL, StoppingRule(12, 1e-6))
    assert (result["replications"], result["precise"]) == (12, False)


def test_a_figure_that_some_lack_is_never_precise():
    parsed = parse(scenario(requests=60, sla={"alpha": 0.6}))
    result, _ = replicate(parsed, StoppingRule(12, 0.99, ("sla.time_to_compliance",)))
    assert result["precise"] is False
    alike = [{"sla.certificate": 0.5, "sla.margin": 0.1} for _ in range(10)]
    assert _all_precise(alike, ["sla.certificate", "sla.margin"], 0.01)
    lacking = [*alike, {"sla.certificate": None, "sla.margin": 0.1}]  # the others' mean is known exactly
    assert not _all_precise(lacking, ["sla.certificate"], 0.01)
    assert not _all_precise(lacking, ["sla.margin", "sla.certificate"], 0.01)


@pytest.mark.parametrize(("text", "share"), [("1%", 0.01), ("0.5 %", 0.005), ("0.02", 0.02)])
def test_a_precision_is_a_share(text, share):
    assert stopping_rule(None, text, None, None).precision == pytest.approx(share)


def test_the_least_that_may_be_made_is_where_intervals_are_believed():
    assert stopping_rule(None, "1%", None, 10).most == 10
    assert stopping_rule(7, None, None, None).most == 7


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ((5, "1%", None, None), "--seeds and --precision: expected only one of them"),
        ((None, "1", None, None), "--precision 1: expected a share above 0 and below 1"),
        ((None, "little", None, None), "--precision little: expected a share"),
        ((None, "0%", None, None), "--precision 0%: expected a share"),
        ((None, None, ["sla.satisfaction"], None), "--of: expected with --precision only"),
        ((None, None, None, 50), "--most: expected with --precision only"),
        ((None, "1%", None, 9), "--most 9: expected at least 10"),
    ],
)
def test_contradictions_are_told(given, reason):
    with pytest.raises(ScenarioError, match=reason):
        stopping_rule(*given)


# ---- the command ----------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "small.toml", requests=200, name="small")


def test_the_command_prints_a_table(file):
    done = here("replicate", file, "--seeds", "3", "--set", "sla.alpha=0.4")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("small: 3 replications of seed 1, costs in J\n")
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if "." in line.split(" ")[0]}
    mean, low, high = (float(x) for x in rows["sla.satisfaction"][:3])
    assert low < mean < high
    assert rows["sla.satisfaction"][-1] == "3"
    assert {"cost.per_request", "latency_s.ttft.mean", "models.small.share", "models.large.share"} <= set(rows)


USD = ("--set", 'cost.unit="USD"', "--set", "cost.usd_per_gpu_hour={GPU=2.5}")


def test_money_is_told_for_a_thousand_requests(file):
    args = [file, "--seeds", "2", *USD]
    exact = json.loads(here("replicate", *args, "--json").stdout)["figures"]["cost.per_request"]["mean"]
    (line,) = [x for x in here("replicate", *args).stdout.splitlines() if x.startswith("cost.per_request ")]
    assert "(USD/1,000 requests)" in line
    assert float(line.split(")")[1].split()[0]) == pytest.approx(1000.0 * exact, rel=1e-3)
    swept = here("sweep", file, "--grid", "sla.alpha=0.4", "--seeds", "2", *USD).stdout
    assert "cost.per_request (USD/1,000 requests)" in swept


def test_the_command_stops_or_fails_by_precision(file):
    args = ["replicate", file, "--precision", "20%", "--of", "cost.per_request", "--most", "11"]
    done = here(*args)
    assert done.returncode == 0
    assert "cost.per_request known to 20 %" in done.stdout
    failed = here(*args[:3], "0.1%", *args[4:])
    assert failed.returncode == 1
    assert "cost.per_request not known to 0.1 % after 11 replications" in failed.stdout


def test_the_command_in_json_and_to_a_directory(file, tmp_path):
    out = tmp_path / "out"
    done = here("replicate", file, "--seeds", "2", "--json", "--out", out)
    data = json.loads(done.stdout)
    assert data == json.loads((out / "replications.json").read_text())
    assert pl.read_parquet(out / "results.parquet")["replication"].to_list() == [0, 1]
    table = pl.read_csv(out / "replications.csv")
    assert table.filter(figure="sla.satisfaction")["mean"].item() == data["figures"]["sla.satisfaction"]["mean"]
    assert (out / "scenario.toml").is_file()
    assert here("replicate", file, "--seeds", "3", "--out", out).returncode == 0
    assert pl.read_parquet(out / "results.parquet")["replication"].to_list() == [0, 1, 2]
    assert "differs in its scenario" in refused(here("replicate", file, "--seed", "9", "--out", out))
    (tmp_path / "other").mkdir()
    assert "exists already" in refused(here("replicate", file, "--out", tmp_path / "other"))


def test_it_goes_on_where_it_stopped(tmp_path, monkeypatch):
    made = []

    def stop(task):
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(task)
        return summary_at(task)

    monkeypatch.setattr("messsim.study.replicate.summary_at", stop)
    with pytest.raises(KeyboardInterrupt, match=r"^interrupted; 3 runs are kept"):
        replicate(SMALL, StoppingRule(5), out=tmp_path / "out")
    assert pl.read_parquet(tmp_path / "out" / "results.parquet").height == 3
    monkeypatch.setattr("messsim.study.replicate.summary_at", lambda task: made.append(task) or summary_at(task))
    assert replicate(SMALL, StoppingRule(5), out=tmp_path / "out") == replicate(SMALL, StoppingRule(5))
    assert [task[0].replication for task in made[:5]] == [0, 1, 2, 3, 4]


def test_an_unknown_figure_is_told_before_anything_runs(file):
    reported = refused(here("replicate", file, "--precision", "1%", "--of", "sla.satisfactoin"))
    assert "sla.satisfactoin: no such figure; did you mean 'sla.satisfaction'?" in reported
