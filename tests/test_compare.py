"""`compare`: the same requests for every policy, intervals over replications, paired differences, ratios to oracles."""

import csv
import io
import json
import re
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from builders import COEFFICIENTS, model, scenario
from numpy.testing import assert_allclose
from rich.console import Console

import messsim.study.compare.policies as compare_module
from messsim.errors import OutputError, PolicyError, ScenarioError
from messsim.report.compare.comparison import comparison_pictures, comparison_tables, cost_figure
from messsim.report.pages.report import report
from messsim.results.intervals import paired_difference, replication_interval
from messsim.scenario import dump, parse
from messsim.study import run
from messsim.study.compare.files import comparison_csv, write_comparison
from messsim.study.compare.policies import compare, frontier, with_policy
from messsim.study.simulation.oracles import Oracles

POLICIES = ["best-single", "mess+", "random"]


def priced(**changes):
    return parse(
        scenario(
            **{
                "requests": 400,
                "models": [model("small", 0.4, cost_per_request=1.0), model("large", 0.8, cost_per_request=10.0)],
                "cluster": {"mode": "none"},
                "sla": {"alpha": 0.6},
            }
            | changes
        )
    )


@pytest.fixture(scope="module")
def compared():
    return compare(priced(), POLICIES, 3, workers=1)


def alone(policy, replication):
    return run(with_policy(priced(), policy).changed(replication=replication)).summary


def test_figures_are_those_of_single_runs(compared):
    comparison, rows = compared
    runs = {p: [alone(p, r) for r in range(3)] for p in POLICIES}
    for policy in comparison["policies"]:
        values = [s["sla"]["satisfaction"] for s in runs[policy["name"]]]
        expected = replication_interval(values)
        reported = policy["figures"]["sla.satisfaction"]
        assert (reported["mean"], reported["low"], reported["high"]) == (expected.mean, expected.low, expected.high)
        without = [
            (s["cost"]["total"] - s["cost"]["exploration"]) / s["requests"]["completed"] for s in runs[policy["name"]]
        ]
        assert_allclose(policy["figures"]["cost.per_request_without_exploration"]["mean"], np.mean(without))
    assert [(r["policy"], r["replication"]) for r in rows] == [(p, r) for r in range(3) for p in POLICIES]
    assert comparison["alpha"] == 0.6


def test_differences_are_paired_with_the_first(compared):
    comparison, _ = compared
    first, mess, _ = comparison["policies"]
    assert first["difference"] is None
    pairs = [
        (alone("mess+", r)["cost"]["per_request"], alone("best-single", r)["cost"]["per_request"]) for r in range(3)
    ]
    expected = paired_difference([a for a, _ in pairs], [b for _, b in pairs])
    reported = mess["difference"]["cost.per_request"]
    assert (reported["mean"], reported["low"], reported["high"]) == (expected.mean, expected.low, expected.high)


def test_ratios_are_to_the_oracles_at_the_policys_own_satisfaction(compared):
    comparison, rows = compared
    for row in rows[:2]:
        scene = priced().changed(replication=0)
        costs = Oracles(scene).costs([row["sla_satisfaction"]])
        expected = row["cost_per_request"] / costs["clairvoyant"]["at_own"]
        assert row["cost_ratio_to_simulated_oracle"] == pytest.approx(expected, rel=0.01)  # met by whole requests
        assert row["cost_ratio_to_simulated_oracle"] > row["cost_ratio_to_statistical_oracle"] > 0.9
    assert comparison["policies"][0]["figures"]["cost.ratio_to_simulated_oracle"]["mean"] > 1.5


def test_what_a_run_calls_its_ratio_is_the_same_figure_in_a_comparison(compared):
    comparison, rows = compared
    alone = run(with_policy(priced(), "best-single").changed(replication=0)).summary["cost"]["ratio_to_oracle"]
    assert rows[0]["cost_ratio_to_oracle"] == alone
    assert "cost.ratio_to_oracle" not in comparison["policies"][0]["figures"]


def test_all_three_oracles_of_known_cost_stand_beside_every_policy(compared):
    comparison, rows = compared
    passed = [Oracles(priced().changed(replication=r)) for r in range(3)]
    for k, policy in enumerate(comparison["policies"]):
        costs = [passed[r].costs([rows[3 * r + k]["sla_satisfaction"]]) for r in range(3)]
        for who in ("clairvoyant", "statistical", "feature"):
            for at in ("at_alpha", "at_own"):
                reported = policy["figures"][f"cost.oracle.{who}.{at}"]
                values = [c[who][at] for c in costs if c[who][at] is not None]
                assert (reported["mean"], reported["count"]) == (pytest.approx(np.mean(values), rel=1e-12), len(values))
                assert rows[k][f"cost_oracle_{who}_{at}"] == costs[0][who][at]


def test_policies_that_met_unlike_many_requests_have_oracles_of_their_own():
    closed = {"kind": "closed", "clients": 3, "think_s": 0.2}
    models = [model("small", 0.4), model("large", 0.8, coefficients=COEFFICIENTS | {"a0_s": 1.0})]
    scene = parse(scenario(arrivals=closed, requests=None, horizon_s=60.0, models=models))
    _, rows = compare(scene, ["cheapest", "largest"], 1, workers=1)
    assert rows[0]["requests_arrived"] > 1.5 * rows[1]["requests_arrived"]
    for row in rows:
        expected = Oracles(scene, row["requests_arrived"]).costs([row["sla_satisfaction"]])
        assert row["cost_oracle_feature_at_alpha"] == expected["feature"]["at_alpha"]


def test_tenants_are_each_satisfied_as_much_by_the_oracle():
    scene = priced(tenants=[{"name": "a", "alpha": 0.75}, {"name": "b", "alpha": 0.5}])
    comparison, _ = compare(scene, ["static-mix"], 1, workers=1)
    ratio = comparison["policies"][0]["figures"]["cost.ratio_to_simulated_oracle"]["mean"]
    assert 1.5 < ratio < 10


def test_one_replication_has_no_interval():
    comparison, _ = compare(priced(), ["random", "cheapest"], 1, workers=1)
    reported = comparison["policies"][0]["figures"]["sla.satisfaction"]
    assert reported["low"] is reported["high"] is None
    assert reported["count"] == 1


def test_a_figure_counts_the_replications_that_have_it():
    comparison, rows = compare(priced(), ["static-mix"], 4, workers=1)
    kept = [r["sla_time_to_compliance"] for r in rows]
    assert None in kept
    reported = comparison["policies"][0]["figures"]["sla.time_to_compliance"]
    assert reported["count"] == sum(k is not None for k in kept)


def test_the_frontier_rises_and_lies_below_all(compared):
    comparison, _ = compared
    curve = frontier(priced(), comparison, workers=1)
    clairvoyant = [p for p in curve if p["oracle"] == "oracle"]
    assert len(clairvoyant) >= 3
    assert [p["cost"] for p in clairvoyant] == sorted(p["cost"] for p in clairvoyant)
    for policy in comparison["policies"]:
        s, c = (policy["figures"][k]["mean"] for k in ("sla.satisfaction", "cost.per_request"))
        assert np.interp(s, [p["satisfaction"] for p in clairvoyant], [p["cost"] for p in clairvoyant]) < c


def test_processes_change_nothing(compared):
    again, rows = compare(priced(), POLICIES, 3, workers=2)
    assert json.dumps(again) == json.dumps(compared[0])
    assert rows == compared[1]


def test_files_are_whole_and_hold_the_same(compared, tmp_path):
    comparison, rows = compared
    assert compare(priced(), POLICIES, 3, out=tmp_path / "out", workers=1) == compared
    write_comparison(tmp_path / "out", priced(), comparison, pictures=comparison_pictures, workers=1)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "comparison.csv",
        "comparison.json",
        "cost-satisfaction.svg",
        "results.parquet",
        "rows.jsonl",
        "scenario.toml",
        "study.json",
    ]
    whole = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert {k: v for k, v in whole.items() if k != "frontier"} == comparison
    frame = pl.read_parquet(tmp_path / "out" / "results.parquet")
    assert frame["sla_satisfaction"].to_list() == [r["sla_satisfaction"] for r in rows]
    lines = list(csv.DictReader(io.StringIO(comparison_csv(comparison))))
    line = next(x for x in lines if x["policy"] == "mess+" and x["figure"] == "cost.per_request")
    assert float(line["difference_mean"]) == comparison["policies"][1]["difference"]["cost.per_request"]["mean"]
    svg = (tmp_path / "out" / "cost-satisfaction.svg").read_text()
    assert svg.startswith("<svg")
    assert "best-single" in svg


def test_a_comparison_goes_on_where_it_stopped(compared, tmp_path, monkeypatch):
    measured, made = compare_module._measured, []

    def stop(task):
        if len(made) == 4:
            raise KeyboardInterrupt
        made.append(task)
        return measured(task)

    monkeypatch.setattr(compare_module, "_measured", stop)
    with pytest.raises(KeyboardInterrupt, match=r"^interrupted; 4 of \d+ runs are kept"):
        compare(priced(), POLICIES, 3, out=tmp_path / "out", workers=1)
    assert pl.read_parquet(tmp_path / "out" / "results.parquet").height == 4
    monkeypatch.setattr(compare_module, "_measured", lambda task: made.append(task) or measured(task))
    again, rows = compare(priced(), POLICIES, 3, out=tmp_path / "out", workers=1)
    assert json.dumps(again) == json.dumps(compared[0])
    assert rows == compared[1]
    assert len(made) == 3 * len(POLICIES)


def test_what_cannot_be_run_leaves_no_directory(tmp_path):
    with pytest.raises(ScenarioError, match=r"nobody\.py"):
        compare(priced(), ["nobody.py", "random"], 1, out=tmp_path / "out", workers=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("policies", "seeds", "expected"),
    [
        (["mess+", "mess+"], 1, "mess+ is named twice"),
        (["mess+", "cheapst"], 1, "did you mean 'cheapest'"),
        ([], 1, "names no policy"),
        (["mess+"], 0, "--seeds 0: expected at least 1"),
    ],
)
def test_what_cannot_be_compared_is_refused(policies, seeds, expected):
    with pytest.raises(ScenarioError) as error:
        compare(priced(), policies, seeds, workers=1)
    assert expected in str(error.value)


def test_a_policy_that_fails_stops_the_comparison(tmp_path):
    text = "from messsim.routing.plugin import compile_policy\ndef decide(request):\n"
    text += "    return -3 if request == 9 else 0\n"
    text += "def build(options, models, features):\n    return compile_policy('own', decide)\n"
    (tmp_path / "own.py").write_text(text)
    with pytest.raises(PolicyError, match="its error code -3 at request 9"):
        compare(priced().placed_in(tmp_path), ["random", "own.py"], 1, workers=1)


def test_the_command_prints_tables_or_one_object(tmp_path):
    file = tmp_path / "s.toml"
    file.write_text(dump(priced()))
    command = [sys.executable, "-m", "messsim.cli", "compare", str(file), "--policies", "mess+,random", "--seeds", "2"]
    done = subprocess.run([*command, "--workers", "1"], capture_output=True, text=True, check=True)
    assert "2 policies on the same 2 replications, 60.00 % promised" in done.stdout
    assert "against mess+" in done.stdout
    data = json.loads(subprocess.run([*command, "--json"], capture_output=True, text=True, check=True).stdout)
    assert [p["name"] for p in data["policies"]] == ["mess+", "random"]
    assert "of arrivals" not in done.stdout  # all were answered
    assert subprocess.run([*command, "--out", str(tmp_path)], capture_output=True, check=False).returncode == 2


def test_what_is_satisfied_of_arrivals_is_told_where_requests_stay_unanswered():
    """Satisfaction is of answers: a policy whose clients give up would look better than it is."""
    impatient = priced(
        cluster={"mode": "servers"},
        models=[model("small", 0.4, max_num_seqs=1), model("large", 0.8, max_num_seqs=1)],
        arrivals={"kind": "poisson", "rate_rps": 2.0},
        feedback={"delay": 1.0},
        clients={"patience_s": 2.0},
    )
    comparison, _ = compare(impatient, ["random"], 1, workers=1)
    figures = comparison["policies"][0]["figures"]
    assert figures["requests.timed_out"]["mean"] > 0
    text = f"{100 * figures['sla.satisfaction_per_arrived']['mean']:.1f} %"
    console = Console(width=80, file=io.StringIO())
    console.print(comparison_tables(comparison))
    head, row = console.file.getvalue().splitlines()[2:4]
    assert re.split(r"  +", head)[:3] == ["policy", "satisfied", "of arrivals"]
    assert re.split(r"  +", row)[2] == text


def test_rent_of_replicas_that_come_and_go_is_compared(tmp_path):
    """Each policy wakes the replicas that it needs: rent and satisfaction are those of its own runs, over the same
    requests."""
    cold = {"fixed_s": 1.0, "weights_gb": 0.0, "compile_s": 0.0, "init_s": 0.0}
    autoscale = {"rule": "target", "target": 2.0, "period_s": 1.0, "down_window_s": 4.0, "cold_start": cold}
    models = [
        model(n, s, replicas=4, autoscale=autoscale | {"min_replicas": 0}) for n, s in (("small", 0.4), ("large", 0.8))
    ]
    law = {"kind": "mmpp", "rate_rps": 2.0, "burst_rate_rps": 20.0, "mean_calm_s": 10.0, "mean_burst_s": 3.0}
    spec = parse(
        scenario(requests=200, arrivals=law, models=models, cost={"unit": "USD", "usd_per_gpu_hour": {"GPU": 2.0}})
    )
    policies = ["cheapest", "largest", "random"]
    comparison, rows = compare(spec, policies, 2, workers=1, out=tmp_path / "out")
    means = {}
    for policy in comparison["policies"]:
        summaries = [run(with_policy(spec, policy["name"]).changed(replication=r)).summary for r in range(2)]
        rents = [s["cost"]["rent_usd_per_hour"] for s in summaries]
        means[policy["name"]] = [sum(p["mean_replicas"] for p in s["pools"]) for s in summaries]
        assert [row["cost_rent_usd_per_hour"] for row in rows if row["policy"] == policy["name"]] == rents
        assert rents == pytest.approx([2.0 * m for m in means[policy["name"]]])
        figures = policy["figures"]
        assert figures["cost.rent_usd_per_hour"]["mean"] == pytest.approx(np.mean(rents))
        by_pool = [figures[f"pools.{n}.mean_replicas"]["mean"] for n in ("small", "large")]
        assert sum(by_pool) == pytest.approx(np.mean(means[policy["name"]]))
    assert means["random"] != means["cheapest"]
    console = Console(width=160, file=io.StringIO())
    console.print(comparison_tables(comparison))
    text = console.file.getvalue()
    assert re.search(r"policy +rent, USD/h +mean replicas, small +mean replicas, large\n", text)
    assert re.search(rf"cheapest +{np.mean(means['cheapest']) * 2.0:.2f}\d* ± ", text)
    write_comparison(tmp_path / "out", spec, comparison, workers=1)
    assert "cheapest,pools.large.mean_replicas," in (tmp_path / "out" / "comparison.csv").read_text()
    page = report(tmp_path / "out").read_text(encoding="utf-8")
    assert re.search(r"rent, USD/h</th>.*mean replicas small</th>.*mean replicas large</th>", page, re.DOTALL)


def test_what_is_promised_to_several_tenants_is_the_mean_of_all_runs():
    tenants = [{"name": "a", "alpha": 0.9}, {"name": "b", "alpha": 0.3}]
    comparison, rows = compare(parse(scenario(tenants=tenants)), ["cheapest", "largest"], 3, workers=1)
    promised = [row["sla_alpha"] for row in rows]
    assert len(set(promised)) > 1
    assert comparison["alpha"] == pytest.approx(np.mean(promised))


def test_a_fleet_that_stays_as_it_is_has_no_columns_for_it(compared):
    comparison, _ = compared
    assert not [path for path in comparison["policies"][0]["figures"] if "replicas" in path or "rent" in path]
    console = Console(width=160, file=io.StringIO())
    console.print(comparison_tables(comparison))
    assert "mean replicas" not in console.file.getvalue()


def test_the_picture_is_that_of_the_page(compared):
    comparison, _ = compared
    figure = cost_figure(comparison | {"frontier": [{"oracle": "oracle", "satisfaction": 0.6, "cost": 2e-3}]})
    assert figure.title == f"{comparison['scenario']}: cost against satisfaction"
    layers = figure.chart.to_dict()["layer"]
    titles = {layer["encoding"]["x"].get("title") for layer in layers if "x" in layer["encoding"]}
    assert "cost of an answer, J" in titles
    assert not [layer for layer in layers if "color" in layer["encoding"]], "colours are for models"
    data = [layer["data"]["values"] for layer in layers]
    drawn = next(rows for rows in data if {"cost_mean", "point"} <= rows[0].keys())
    first = comparison["policies"][0]
    assert drawn[0]["point"] == first["name"]
    assert drawn[0]["cost_mean"] == pytest.approx(first["figures"]["cost.per_request"]["mean"], rel=1e-5)
    nobody = comparison | {"policies": [], "frontier": []}
    with pytest.raises(OutputError, match="has nothing to draw"):
        comparison_pictures(nobody)
