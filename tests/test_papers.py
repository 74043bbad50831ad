"""The paper's benchmarks and orders, reproduced small: figures against runs of their own, captures, the command."""

import csv
import io
import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import messsim
from messsim.cli import app
from messsim.errors import DataError, ScenarioError
from messsim.report.reproduce.paper import paper_csv, paper_page, paper_table, provider_table
from messsim.report.reproduce.theory import PICTURES, slope_table
from messsim.scenario import parse
from messsim.study.reproduce.benchmarks import reproduce_paper
from messsim.study.reproduce.captures import captured
from messsim.study.reproduce.paper import BENCHMARKS, MODELS
from messsim.study.reproduce.theory import _measured, _slope, _spread, reproduce_theory

SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios" / "paper"


# ---- the benchmarks -------------------------------------------------------------------------------------


def test_the_shipped_files_are_the_same_scenarios():
    assert {f.stem for f in SCENARIOS.glob("*.toml")} == {b.name for b in BENCHMARKS}
    for benchmark in BENCHMARKS:
        shipped = messsim.load(SCENARIOS / f"{benchmark.name}.toml")
        assert parse(benchmark.scenario()).model_dump() == shipped.model_dump()


def test_what_was_published_is_whole():
    for b in BENCHMARKS:
        assert sum(b.shares) == pytest.approx(1.0, abs=0.0151), b.name  # rounded to 0.01
        assert list(b.cost_j) == sorted(b.cost_j)
    missed = [b.name for b in BENCHMARKS if b.satisfaction < b.alpha]
    assert missed == ["sciq"]


@pytest.fixture(scope="module")
def small() -> dict:
    return reproduce_paper(seeds=2, exploration=[0.1, 1.0], workers=1)


def test_figures_are_those_of_the_runs(small):
    (boolq,) = (b for b in small["benchmarks"] if b["name"] == "boolq")
    (reported,) = (r for r in boolq["runs"] if r["c"] == 1.0)
    runs = [messsim.load(SCENARIOS / "boolq.toml", ["router.c=1.0"], replication=r) for r in range(2)]
    collected = [messsim.run(s, keep_records=False).summary for s in runs]
    paper, whole = reported["paper"], reported["whole"]
    for what, values in (
        (paper["satisfaction"], [f["sla"]["satisfaction_time_mean"] for f in collected]),
        (paper["cost_mj"], [f["cost"]["paper"] / 1e6 for f in collected]),
        (whole["satisfaction"], [f["sla"]["satisfaction"] for f in collected]),
        (whole["cost_mj"], [f["cost"]["total"] / 1e6 for f in collected]),
    ):
        assert what["mean"] == pytest.approx(np.mean(values), rel=1e-12)
        assert what["high"] - what["mean"] == pytest.approx(12.7062 * np.std(values, ddof=1) / math.sqrt(2), rel=1e-4)
    assert whole["cost_mj"]["mean"] > paper["cost_mj"]["mean"]
    assert reported["less_than_published"] == pytest.approx(0.8221 - paper["satisfaction"]["mean"])
    assert reported["shares"]["llama-3.1-8b"] == pytest.approx(np.mean([f["models"][1]["share"] for f in collected]))
    assert reported["kept"] == sum(f["sla"]["satisfaction"] >= 0.8 for f in collected)
    assert boolq["best_single"]["model"] == "llama-3.1-8b"
    assert boolq["best_single"]["cost_mj"] == pytest.approx(130.7 * 3270 / 1e6)
    assert boolq["published"] == {"satisfaction": 0.8221, "shares": dict(zip(MODELS, (0.25, 0.42, 0.34), strict=True))}


def test_mean_costs_are_over_the_benchmarks(small):
    assert [b["name"] for b in small["benchmarks"]] == [b.name for b in BENCHMARKS]
    for k, ours in enumerate(small["mean_cost"]["ours"]):
        each = [b["runs"][k] for b in small["benchmarks"]]
        assert ours["paper_mj"] == pytest.approx(np.mean([r["paper"]["cost_mj"]["mean"] for r in each]))
        assert ours["whole_mj"] == pytest.approx(np.mean([r["whole"]["cost_mj"]["mean"] for r in each]))


def test_tables_show_both_accountings(small):
    run = small["benchmarks"][-1]["runs"][1]
    papers, providers = (table(small).replace("\u00a0", " ") for table in (paper_table, provider_table))
    assert len(papers.splitlines()) == len(providers.splitlines()) == 2 + 8 * 2
    (row,) = (line for line in papers.splitlines() if line.startswith("| WinoGrande | 70 % | 1 |"))
    assert f"| {100 * run['paper']['satisfaction']['mean']:.2f} ± " in row
    assert "| 73.22 % |" in row
    assert "| 36/48/16 |" in row
    (row,) = (line for line in providers.splitlines() if line.startswith("| WinoGrande | 1 |"))
    assert f"| {100 * run['whole']['satisfaction']['mean']:.2f} ± " in row
    assert f"| {run['kept']} of 2 | {run['whole']['cost_mj']['mean']:.2f} ± " in row
    page = paper_page(small).replace("\u00a0", " ")
    assert "| published, MESS+ | 1.07 |" in page
    rows = list(csv.DictReader(io.StringIO(paper_csv(small))))
    assert [(r["name"], float(r["c"])) for r in rows] == [(b.name, c) for b in BENCHMARKS for c in (0.1, 1.0)]
    assert float(rows[-1]["whole_cost_mj_mean"]) == run["whole"]["cost_mj"]["mean"]


def test_exploration_is_not_set_twice():
    for text in ("router.c=0.5", " router.c = 0.5"):
        with pytest.raises(ScenarioError, match="expected --c"):
            reproduce_paper(seeds=1, sets=[text], workers=1)


# ---- capture files --------------------------------------------------------------------------------------

WORDS = ["metal", "planet", "river", "court", "enzyme", "verb", "sum", "king"]


def capture(path: Path, names: list[str], sizes: list[str], rows: int = 60) -> None:
    """A file in the authors' format; costs rise with the place in `sizes`, columns stand in another order."""
    chance = np.random.default_rng(3)
    lines = []
    for i in range(rows):
        row = {"doc_id": i, "input_text": " ".join(chance.choice(WORDS, 6)), "benchmark_name": names[i % len(names)]}
        for size in sorted(sizes):
            k = sizes.index(size)
            row |= {f"label_{size}": int(chance.uniform() < 0.5 + 0.2 * k), f"acc_norm_{size}": 0.0}
            row |= {f"energy_consumption_{size}": 10.0 * 5**k + i / 100, f"inference_time_{size}": 0.1}
        lines.append(row)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, lines[0])
        writer.writeheader()
        writer.writerows(lines)


def test_benchmarks_are_found_in_the_authors_files(tmp_path):
    pytest.importorskip("sklearn")
    capture(tmp_path / "two.csv", ["boolq", "piqa"], ["xsmall", "medium", "large"])
    capture(tmp_path / "one.csv", ["arc_easy", "something_else"], ["small", "large"])
    result = reproduce_paper(tmp_path, seeds=2, exploration=[0.5], workers=1)
    assert {b["name"]: b["requests"] for b in result["benchmarks"]} == {"arc-easy": 30, "boolq": 30, "piqa": 30}
    assert result["missing"] == ["arc-challenge", "logiqa", "sciq", "social-iqa", "winogrande"]
    easy, boolq, _ = result["benchmarks"]
    assert list(boolq["runs"][0]["shares"]) == list(MODELS)
    assert list(easy["runs"][0]["shares"]) == ["small", "large"]  # two models are not the paper's three
    assert easy["published"]["shares"] is None
    assert "| - |" in paper_table(result)


def test_a_capture_is_run_row_by_row_cheapest_model_first(tmp_path):
    pytest.importorskip("sklearn")
    capture(tmp_path / "c.csv", ["boolq", "piqa"], ["tiny", "mid", "big"])
    (_, settings), _ = captured(tmp_path)
    assert [(m["name"], m["column"]) for m in settings["models"]] == list(
        zip(MODELS, ("tiny", "mid", "big"), strict=True)
    )
    result = messsim.run(parse(settings | {"record": {"potential_outcomes": True}}))
    table = list(csv.DictReader(io.StringIO((tmp_path / "c.csv").read_text())))[::2]
    costs = result.requests.collect()["known_cost_llama-3.3-70b"].to_list()
    assert costs == [float(row["energy_consumption_big"]) for row in table]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda d: None, "holds no file; expected capture files"),
        (lambda d: capture(d / "a.csv", ["unknown"], ["small"]), "holds unknown; expected capture files"),
        (lambda d: [capture(d / f"{n}.csv", ["boolq"], ["s"]) for n in "ab"], "benchmark 'boolq' is also in a.csv"),
        (lambda d: (d / "a.csv").write_text("input_text,benchmark_name\nx,boolq\n"), "no column starts with 'label_'"),
        (lambda d: (d / "a.csv").write_text("x\n1\n"), "column 'benchmark_name' is missing"),
        (lambda d: (d / "a.csv").write_text("benchmark_name,label_s\nboolq,1\n"), "column 'input_text' is missing"),
    ],
    ids=["empty", "others", "twice", "no labels", "no capture", "no text"],
)
def test_what_is_wrong_with_captures_is_said(tmp_path, made, message):
    made(tmp_path)
    with pytest.raises(DataError, match=message):
        captured(tmp_path)


# ---- the orders -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def theory() -> dict:
    return reproduce_theory(40_000, seeds=2, workers=1)


def test_figures_spread_by_the_interval_of_their_replications():
    point = _spread([1.0, 2.0, 3.0])
    half = 4.302652729911275 / 3.0**0.5
    assert point == pytest.approx({"measured": 2.0, "low": 2.0 - half, "high": 2.0 + half})
    assert _spread([1.5]) == {"measured": 1.5, "low": 1.5, "high": 1.5}


def test_a_power_law_has_its_exponent():
    points = [{"x": x, "y": 3.0 * x**-0.7} for x in (1.0, 2.0, 5.0)] + [{"x": 9.0, "y": 0.0}]
    assert _slope("y", "x", "-0.7", points, "x", "y")["measured"] == pytest.approx(-0.7, rel=1e-12)
    assert _slope("y", "x", "?", points[2:], "x", "y")["measured"] is None


def test_measured_figures_are_those_of_runs(theory):
    """The queue and the overhead of one point, from runs of their own."""
    base = next(b for b in BENCHMARKS if b.name == "boolq").scenario()
    base |= {"requests": 40_000, "features": {"dimensions": 4, "signal": 0.8}, "router": {"V": 1.0, "c": 0.1}}
    results = [messsim.run(parse(base | {"replication": r}), keep_records=False) for r in range(2)]
    queues = [r.timeline["queue"].tail(r.timeline.height // 2).mean() for r in results]
    (point,) = (p for p in theory["queue"]["points"] if p["V"] == 1.0)
    assert point["measured"] == pytest.approx(np.mean(queues))
    assert point["predicted"] == theory["price"]
    short = [p for p in theory["shortfall"]["points"] if p["V"] == 1.0][-1]
    last = [r.timeline.filter(request=int(short["t"]) - 1)["satisfaction_running"].item() for r in results]
    assert short["measured"] == pytest.approx(np.mean([max(0.8 - s, 0.0) for s in last]))
    assert short["predicted"] == pytest.approx(theory["price"] / short["t"])


def test_what_one_more_satisfied_answer_costs_is_between_the_prices_at_which_the_optimum_stays(theory):
    from messsim.study.reproduce import theory as orders

    usual = orders._scenario(orders.V, orders.C, 40_000, None, None)
    optima = [orders._optimum(usual.changed(replication=r)) for r in range(2)]
    assert theory["price"] == pytest.approx(sum(o.low + o.high for o in optima) / 4, rel=1e-12)
    assert theory["optimum"] == pytest.approx(sum(o.per_request for o in optima) / 2, rel=1e-12)
    assert all(o.low < o.high for o in optima)


def test_overhead_is_the_predicted_one(theory):
    """Explored requests are Bernoulli: 4.6 standard errors of their expected number, and 1 % for the sum over t."""
    more = 43.6 + 130.7 + 1040.8
    for p in theory["overhead"]["points"][2:5]:
        expected = sum(min(1.0, p["c"] / t**0.25) for t in range(1, 40_001))
        slack = 4.6 / math.sqrt(2 * expected) + 0.01
        assert p["measured"] == pytest.approx(p["predicted"], rel=slack)
        assert 0 < p["predicted"] < p["c"] / 0.75 * 40_000**-0.25 * more


def test_the_gap_is_beyond_an_optimum_below_any_mix(theory):
    assert 70.0 < theory["optimum"] < 100.7  # the feature oracle, and the best fixed mix
    assert theory["gap"]["points"][0]["measured"] > 100.0
    assert theory["gap"]["floor_j"] == min(p["measured"] for p in theory["gap"]["points"])
    # V = 1 would fall short by 536 J * 536 / 40,000 = 7 J: too short a run for it
    assert [p["V"] for p in theory["gap"]["points"]] == [p["V"] for p in theory["queue"]["points"]][:9]
    line = theory["gap"]["predicted"]
    assert line[0]["V"] * line[0]["predicted"] == pytest.approx(line[-1]["V"] * line[-1]["predicted"])


def test_every_quantity_has_an_exponent_beside_the_predicted(theory):
    table = slope_table(theory)
    assert len(table.splitlines()) == 2 + 3 + 1 + 2 + 1
    for name in PICTURES:
        for slope in theory[name]["slopes"]:
            assert f"| {slope['of']} | {slope['against']} | {slope['predicted']} |" in table


@pytest.mark.parametrize("text", ["router.V=1", "router.c=1.0", "requests=5"])
def test_what_theory_sweeps_cannot_be_set(text):
    with pytest.raises(ScenarioError, match="theory sweeps"):
        reproduce_theory(10_000, seeds=1, sets=[text], workers=1)


def test_a_promise_beyond_the_features_is_refused():
    with pytest.raises(ScenarioError, match=r"sla.alpha = 0.9: expected a promise that features alone can keep"):
        reproduce_theory(10_000, seeds=1, sets=["sla.alpha=0.9"], workers=1)


# ---- the command ----------------------------------------------------------------------------------------


JOURNAL = ("study.json", "scenario.toml", "rows.jsonl")  # of a study that may go on


def cli(*arguments: str):
    return CliRunner().invoke(app, ["reproduce", *arguments, "--workers", "1"])


def test_the_command_prints_json_and_writes_files(tmp_path):
    done = cli("paper", "--seeds", "1", "--c", "1", "--json", "--out", str(tmp_path / "out"))
    assert done.exit_code == 0
    data = json.loads(done.stdout)
    assert [r["c"] for b in data["benchmarks"] for r in b["runs"]] == [1.0] * 8
    written = {f.name for f in (tmp_path / "out").iterdir()}
    assert written == {"paper.json", "paper.md", "paper.csv", "results.parquet", *JOURNAL}
    rows = pl.read_parquet(tmp_path / "out" / "results.parquet")
    assert rows["benchmark"].to_list() == [b["name"] for b in data["benchmarks"]]
    assert rows["router.c"].to_list() == [1.0] * 8
    means = [run["whole"]["satisfaction"]["mean"] for b in data["benchmarks"] for run in b["runs"]]
    assert rows["sla_satisfaction"].to_list() == pytest.approx(means)
    assert json.loads((tmp_path / "out" / "paper.json").read_text()) == data
    assert cli("paper", "--out", str(tmp_path / "out")).exit_code == 2


def test_theory_is_drawn(tmp_path):
    pytest.importorskip("vl_convert")
    done = cli("theory", "--seeds", "1", "--requests", "10000", "--out", str(tmp_path / "out"))
    assert done.exit_code == 0, done.stderr
    assert "exponent measured" in done.stdout
    files = {f.name: f.read_text() for f in (tmp_path / "out").iterdir()}
    assert set(files) == {"theory.json", "theory.md", *(f"{name}.svg" for name in PICTURES), *JOURNAL}
    assert all(files[f"{name}.svg"].startswith("<svg") for name in PICTURES)
    assert all(f"({name}.svg)" in files["theory.md"] for name in PICTURES)


@pytest.mark.parametrize(
    "arguments",
    [("theory", "--data", "."), ("theory", "--c", "1"), ("paper", "--requests", "20000")],
    ids=lambda a: " ".join(a),
)
def test_an_option_of_the_other_is_refused(arguments):
    done = cli(*arguments)
    assert done.exit_code == 2
    assert f"is no option of `messsim reproduce {arguments[0]}`" in done.stderr


def test_a_run_is_measured_at_points_that_are_evenly_apart_in_logarithm(monkeypatch):
    """The timeline of a long run has its first request, and then only every thousandth."""
    timeline = pl.DataFrame(
        {
            "request": [0, 1000, 2000, 3000],
            "queue": [9.0, 1.0, 2.0, 4.0],
            "satisfaction_running": [1.0, 0.5, 0.6, 0.7],
            "explored": [1, 11, 21, 31],
        }
    )
    summary = {"requests": {"arrived": 4000, "explored": 40}, "cost": {"paper": 3960.0, "total": 8000.0}}
    ran = SimpleNamespace(summary=summary, timeline=timeline)
    monkeypatch.setattr("messsim.study.reproduce.theory.run", lambda *_, **__: ran)
    models = [SimpleNamespace(cost_per_request=c) for c in (2.0, None, 3.0)]
    made = _measured((SimpleNamespace(models=models), None))
    assert made["t"] == [1, 1001, 2001, 3001]
    assert made["satisfaction"] == [1.0, 0.5, 0.6, 0.7]
    assert made["explored"] == pytest.approx([1.0, 11 / 1001, 21 / 2001, 31 / 3001])
    assert (made["exploit_j"], made["overhead_j"], made["all_models_j"], made["queue"]) == (1.0, 1.0, 5.0, 3.0)
