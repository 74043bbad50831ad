"""Reports of comparisons and sweeps: what is grouped, and what is said of it."""

import json
import re

import numpy as np
import polars as pl
import pytest
from builders import model, scenario
from runs import EVIL
from test_page import Elements

from messsim.errors import OutputError, SimulationError
from messsim.plot.points import forest
from messsim.report.compare.comparison import comparison_pictures
from messsim.report.pages.report import report
from messsim.report.study.page import _tiles
from messsim.report.study.verdict import cheapest
from messsim.results.intervals import replication_interval
from messsim.scenario import dump, parse
from messsim.shapes.studies import Dearer
from messsim.study import run
from messsim.study.compare.files import write_comparison
from messsim.study.compare.policies import compare
from messsim.study.converge.convergence import converge
from messsim.study.converge.files import write_convergence
from messsim.study.groups.grouped import grouped
from messsim.study.replicate import StoppingRule, replicate
from messsim.study.runs.points import points_of
from messsim.study.runs.rows import failed_row, frame_of
from messsim.study.runs.summaries import local_workers
from messsim.study.sweep import sweep
from messsim.wording import number

TWO = [{"name": "a", "alpha": 0.45}, {"name": "b", "alpha": 0.55}]


@pytest.fixture(scope="module")
def study_scenario():
    return parse(
        scenario(
            name=EVIL,
            requests=120,
            tenants=TWO,
            models=[model("m.1", 0.4), model("[2]", 0.6), model("policy", 0.8)],
            router={"learn": "explored", "V": 1e-3},  # so that a promise is missed too
        )
    )


@pytest.fixture(scope="module")
def compared(study_scenario, tmp_path_factory):
    out = tmp_path_factory.mktemp("compared") / "out"
    comparison, _ = compare(study_scenario, ["mess+", "random", "largest", "oracle"], 3, out=out, workers=1)
    write_comparison(out, study_scenario, comparison, pictures=comparison_pictures, workers=1)
    return out


@pytest.fixture(scope="module")
def swept(study_scenario, tmp_path_factory):
    out = tmp_path_factory.mktemp("swept") / "out"
    points = points_of(["router.V=1e-4,1e-2,1.0", "router.policy=mess+,random"])
    sweep(study_scenario, points, seeds=2, out=out, workers=local_workers(1))
    return out


def words_of(directory) -> str:
    return " ".join(Elements(report(directory).read_text(encoding="utf-8")).text.split())


# ---- grouping -------------------------------------------------------------------------------------------


def test_groups_are_means_and_intervals_of_their_rows(study_scenario, compared):
    rows = pl.read_parquet(compared / "results.parquet")
    groups = grouped(rows, study_scenario)
    assert groups.keys == ["policy"]
    assert groups.points["point"].to_list() == ["mess+", "random", "largest", "oracle"]
    assert groups.points["replications"].to_list() == [3] * 4
    for point in groups.points.iter_rows(named=True):
        mine = rows.filter(policy=point["policy"])
        for name, column in (("cost", "cost_per_request"), ("share m.1", "models_m_1_share")):
            interval = replication_interval(mine[column].to_list())
            assert point[f"{name}_mean"] == pytest.approx(interval.mean)
            assert point[f"{name}_low"] == pytest.approx(interval.low)
            assert point[f"{name}_high"] == pytest.approx(interval.high)


def test_kept_is_kept_for_every_tenant(study_scenario, compared):
    rows = pl.read_parquet(compared / "results.parquet")
    margins = np.minimum(rows["tenants_a_satisfaction"] - 0.45, rows["tenants_b_satisfaction"] - 0.55).to_numpy()
    points = grouped(rows, study_scenario).points
    assert points["margin_mean"].to_list() == pytest.approx(margins.reshape(3, 4).mean(axis=0).tolist())
    assert points["kept"].to_list() == (margins.reshape(3, 4) >= -1e-9).sum(axis=0).tolist()
    assert 0 < points["kept"].sum() < 12


def test_points_are_told_by_their_keys(study_scenario, swept):
    groups = grouped(pl.read_parquet(swept / "results.parquet"), study_scenario)
    assert groups.keys == ["router.V", "router.policy"]
    assert groups.points["point"][0] == "router.V = 0.0001, router.policy = mess+"
    longer = pl.read_parquet(swept / "results.parquet").rename({"router.V": 'models."m.1".replicas'})
    assert grouped(longer, study_scenario).points["point"][0] == "m.1.replicas = 0.0001, router.policy = mess+"
    twins = longer.rename({"router.policy": 'pools."m.1".replicas'})
    assert (
        grouped(twins, study_scenario)
        .points["point"][0]
        .startswith('models."m.1".replicas = 0.0001, pools."m.1".replicas')
    )
    assert len(groups.points) == 6


def test_one_replication_has_no_interval_and_a_failed_run_no_part(study_scenario, compared):
    rows = pl.read_parquet(compared / "results.parquet").filter(replication=0)
    failed = frame_of([failed_row(study_scenario.changed(replication=7), SimulationError("it broke"))])
    groups = grouped(pl.concat([rows, failed], how="diagonal_relaxed"), study_scenario)
    assert groups.points["cost_low"].null_count() == 4
    assert groups.points["cost_mean"].null_count() == 0
    assert groups.points["replications"].to_list() == [1] * 4
    assert groups.failures.rows() == [("mess+", 7, "it broke")]


def test_what_are_no_rows_of_a_study(study_scenario):
    with pytest.raises(OutputError, match=r"results.parquet: the column error is missing"):
        grouped(pl.DataFrame({"policy": ["a"], "replication": [0]}), study_scenario)


def study_of(margins, costs, policies=("a", "b", "c")):
    """Rows of policies with these margins and costs, one each a replication."""
    return pl.DataFrame(
        [
            {"policy": p, "replication": r, "error": None, "sla_kept": m >= 0, "sla_margin": m, "sla_alpha": 0.6}
            | {"cost_per_request": c}
            for p, ms, cs in zip(policies, margins, costs, strict=True)
            for r, (m, c) in enumerate(zip(ms, cs, strict=True))
        ],
        schema_overrides={"error": pl.String},
    )


@pytest.mark.parametrize(
    ("margins", "standing"),
    [
        ([0.01, 0.011, 0.012], "kept"),
        ([0.0, 0.0, 0.0], "kept"),
        ([0.001, 0.05, 0.002], "undecided"),  # always kept, by a mean whose interval reaches below 0
        ([-0.01, 0.02, 0.01], "undecided"),
        ([-0.001, -0.05, -0.002], "undecided"),
        ([-0.01, -0.011, -0.012], "missed"),
        ([0.001], "kept"),
        ([-0.001], "missed"),
    ],
)
def test_a_point_is_undecided_where_its_replications_do_not_decide(study_scenario, margins, standing):
    groups = grouped(study_of([margins], [[1.0] * len(margins)], ["a"]), study_scenario)
    assert groups.points["standing"].to_list() == [standing]
    assert groups.points["alpha"].to_list() == [0.6]


def test_the_cheapest_is_named_only_where_the_paired_differences_tell(study_scenario):
    good = [[0.01, 0.011, 0.012]] * 3
    apart = [[10.0, 20.0, 30.0], [8.0, 18.0, 28.1], [15.0, 25.0, 36.0]]  # they spread, yet each pair is alike
    groups = grouped(study_of(good, apart), study_scenario)
    assert [d.point for d in groups.dearer] == ["b", "a", "c"]
    assert groups.dearer[1].mean == pytest.approx((2 + 2 + 1.9) / 3)
    kept = groups.points.filter(standing="kept")
    assert cheapest(kept, groups.dearer, "J", "policies").startswith("The cheapest of them is b: 18.03 (0 to")
    assert "the next, a, costs 1.967 ± 0.14 J more on the same requests (paired)" in cheapest(
        kept, groups.dearer, "J", "policies"
    )
    noisy = grouped(study_of(good, [[10.0, 20.0, 30.0], [12.0, 17.0, 30.0], [15.0, 25.0, 36.0]]), study_scenario)
    reported = cheapest(noisy.points, noisy.dearer, "J", "policies")
    assert reported.startswith("b, a and c cost about the same")
    assert "what a costs more on the same requests, 0.3333 ± 6.3 J (paired), may be chance" in reported
    assert "cheapest" not in reported
    oracle = grouped(study_of(good, apart, ["a", "oracle", "c"]), study_scenario)
    assert [d.point for d in oracle.dearer] == ["a", "c"]


# ---- pages ----------------------------------------------------------------------------------------------


def test_a_comparison_says_who_keeps_the_promise_at_what_cost(study_scenario, compared):
    points = grouped(pl.read_parquet(compared / "results.parquet"), study_scenario).points
    rivals = points.filter(pl.col("policy") != "oracle")
    kept, opened_ = (rivals.filter(standing=s).sort("cost_mean") for s in ("kept", "undecided"))
    assert (len(kept), len(opened_)) == (1, 2)
    words = words_of(compared)
    assert "Comparison of 3 policies and 1 oracle, 3 replications each" in words
    assert "1 of 3 policies keep the promise, 2 undecided" in words
    assert f"{kept['policy'][0]} does: {kept['cost_mean'][0]:.4g}" in words
    assert f"Whether {opened_['policy'][0]} and" in words or f"and {opened_['policy'][0]} keep it" in words
    assert "Less mess+, on the same requests (paired)" in words
    assert EVIL in words


def test_a_sweep_is_drawn_along_its_keys(swept):
    words = words_of(swept)
    assert "Share of answers that satisfy along router.V" in words
    assert "along router.policy" not in words  # no numbers
    assert "6 points" in words
    assert "promised" not in words.split("seed 1", 1)[1][:20]  # two tenants, two promises


def test_one_promise_is_told(tmp_path):
    parsed = parse(scenario(requests=40, sla={"alpha": 0.6}))
    sweep(parsed, [{"router.V": 1.0}], seeds=1, out=tmp_path / "o", workers=local_workers(1))
    assert f"seed {parsed.seed}, 60.00 % promised" in words_of(tmp_path / "o")


def test_a_replicated_scenario_is_no_comparison(tmp_path):
    parsed = parse(scenario(requests=40, sla={"alpha": 0.6}))
    replicate(parsed, StoppingRule(3), out=tmp_path / "o", workers=local_workers(1))
    words = words_of(tmp_path / "o")
    assert f"3 replications, policy {parsed.router.policy_name}, seed {parsed.seed}, 60.00 % promised" in words
    assert "of 3 replications" in words
    assert "policies" not in words.split("messsim", 1)[0]
    assert "How sure is it?" in words
    assert words.count("Strokes: one replication each.") >= 2
    assert "What does satisfaction cost?" not in words


def test_a_narrow_chart_knows_how_wide_its_names_are(swept):
    page = report(swept).read_text(encoding="utf-8")
    asides = [int(n) for n in re.findall(r'"aside": ?(\d+)', page)]
    assert max(asides) == 6 * max(map(len, ("router.V = 0.0001", "router.policy = random")))


def test_points_have_the_same_values_everywhere(study_scenario, tmp_path):
    sweep(study_scenario, points_of(["router.V=1e-5..1e-3:4"]), seeds=1, out=tmp_path / "o", workers=local_workers(1))
    assert "e-05" not in words_of(tmp_path / "o").split("The scenario")[0]


def test_failed_runs_are_told(study_scenario, compared, tmp_path):
    rows = pl.read_parquet(compared / "results.parquet")
    failed = frame_of([failed_row(study_scenario.changed(replication=7), SimulationError(f"it broke {EVIL}"))])
    pl.concat([rows, failed], how="diagonal_relaxed").write_parquet(tmp_path / "results.parquet")
    (tmp_path / "scenario.toml").write_bytes((compared / "scenario.toml").read_bytes())
    words = words_of(tmp_path)
    assert "1 runs did not come to their end" in words
    assert f"mess+ 7 it broke {EVIL}" in words


def test_a_study_in_which_every_run_failed_has_a_page(study_scenario, tmp_path):
    rows = frame_of([failed_row(study_scenario.changed(replication=r), SimulationError("it broke")) for r in range(2)])
    rows.write_parquet(tmp_path / "results.parquet")
    (tmp_path / "scenario.toml").write_text(dump(study_scenario))
    assert "Runs that failed" in words_of(tmp_path)


@pytest.mark.parametrize("file", ["results.parquet", "comparison.json"])
def test_a_damaged_study_is_named(compared, tmp_path, file):
    for path in compared.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes()[: 100 if path.name == file else None])
    with pytest.raises(OutputError, match=f"{tmp_path}.*(cannot be read|it is damaged)"):
        report(tmp_path)


def test_a_comparison_of_another_version_is_named(compared, tmp_path):
    for path in compared.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    data = json.loads((compared / "comparison.json").read_text())
    del data["policies"][1]["difference"]
    (tmp_path / "comparison.json").write_text(json.dumps(data))
    with pytest.raises(OutputError, match=r"comparison.json: policies.1.difference"):
        report(tmp_path)


def test_a_browser_draws_both(opened, compared, swept):
    for directory, width in ((compared, 1280), (swept, 390)):
        shown = opened(report(directory), width=width)
        assert shown.heard == []
        assert shown.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        drawn = "c => c.querySelectorAll('.mark-symbol path, .mark-rect path').length"
        charts = shown.page.evaluate(f"[...document.querySelectorAll('.chart')].map({drawn})")
        assert len(charts) >= 5
        assert min(charts) >= 3


def test_a_point_is_named_with_its_key_where_its_row_is_turned(opened, swept):
    shown = opened(report(swept), width=390)
    heads = "[...document.querySelectorAll('#figures ~ .scroll tbody th')]"
    reported = shown.page.evaluate(f"{heads}.map(h => getComputedStyle(h, '::before').content)")
    assert set(reported) == {'"router.V = "'}
    wide = opened(report(swept), width=1280).page
    assert set(wide.evaluate(f"{heads}.map(h => getComputedStyle(h, '::before').content)")) == {"none"}


def test_money_is_told_for_1000_requests_everywhere(tmp_path):
    priced = [model("m", 0.5, cost_per_request=2e-4), model("n", 0.7, cost_per_request=3e-3)]
    parsed = parse(scenario(requests=60, models=priced, cost={"unit": "USD"}, cluster={"mode": "none"}))
    pages = [tmp_path / name for name in ("compared", "swept", "run", "converged")]
    comparison, _ = compare(parsed, ["mess+", "largest"], 2, out=pages[0], workers=1)
    write_comparison(pages[0], parsed, comparison, workers=1)
    sweep(parsed, points_of(["router.V=1,10,100"]), seeds=2, out=pages[1], workers=local_workers(1))
    run(parsed, out=pages[2])
    write_convergence(pages[3], converge(parsed, 2, out=pages[3], workers=1))
    for page in pages:
        text = report(page).read_text(encoding="utf-8").split("<script>")[0]
        words = " ".join(Elements(text).text.split())
        of_one = r"USD per answer|, USD(?! per 1,000)[^\"]{9}" + r"|\b0\.00\d+ USD" * (page.name != "run")  # totals
        assert re.findall(of_one, words + text) == [], page
        assert "per 1,000" in words


def test_axes_and_tips_name_the_unit_and_the_interval(study_scenario, compared):
    points = grouped(pl.read_parquet(compared / "results.parquet"), study_scenario).points
    figure = forest(points, "cost", "mJ")
    text = json.dumps(figure.chart.to_dict())
    assert figure.title == "Cost of an answer, mJ"
    assert '"title": "cost of an answer, mJ"' in text
    assert '"title": "cost of an answer"' not in text
    first = points.filter(point="mess+").row(0, named=True)
    mean, low, high = (number(first[f"cost_{end}"]) for end in ("mean", "low", "high"))
    assert f'"told": "{mean} ({low} to {high})"' in text
    assert forest(points, "e2e_p95").title == "End to end, 95th percentile"
    whisker, dot = (layer["encoding"] for layer in figure.chart.to_dict()["layer"])
    assert (whisker["x"]["field"], whisker["x2"]["field"], dot["x"]["field"]) == ("cost_low", "cost_high", "cost_mean")


@pytest.mark.parametrize(("low", "tiles"), [(0.5, 3), (0.0, 0), (None, 0)])
def test_the_cheapest_has_tiles_where_chance_hides_none(low, tiles):
    kept = pl.DataFrame(
        {"point": ["a", "b"]} | {f"{name}_mean": [1.0, 2.0] for name in ("cost", "satisfaction", "margin")}
    )
    assert len(_tiles(kept, [Dearer("a", 0.0, 0.0), Dearer("b", 1.0, low)], "J")) == tiles
    assert len(_tiles(kept, [Dearer("a", 0.0, 0.0)], "J")) == 3
    assert _tiles(kept, [], "J") == []
