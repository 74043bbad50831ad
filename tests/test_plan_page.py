"""Reports of plans: the answer, what each cluster misses, and the file they are read from."""

import json
import re
import shlex
import shutil
import sys

import pytest
from builders import model, scenario
from runs import EVIL
from test_page import Elements
from typer.testing import CliRunner

from messsim.cli import app
from messsim.errors import OutputError
from messsim.report.pages.report import report
from messsim.report.plan import answer as answers
from messsim.report.plan.words import name_of
from messsim.scenario import parse
from messsim.study.plan.candidates import axes_of
from messsim.study.plan.cheapest import plan
from messsim.study.plan.goal import Goal
from messsim.study.runs.summaries import local_workers

PLAN = sys.modules["messsim.study.plan.cheapest"]  # which the package names as its function
FAST, KEPT = "latency_s.ttft.p95<1", "sla.satisfaction>=0.45"
WORDS = {FAST: "TTFT, 95th percentile < 1 s", KEPT: "answers that satisfy ≥ 45.00 %"}


def planned(out, wanted=(FAST, KEPT), seeds=3, **more):
    """Up to 16 clusters of two models whose promise, 0.9, none of them keeps."""
    parsed = parse(
        scenario(
            name=EVIL,
            requests=300,
            sla={"alpha": 0.9},
            models=[model("small", 0.4), model("large", 0.8)],
            arrivals={"kind": "poisson", "rate_rps": 8.0},
            cost={"usd_per_gpu_hour": {"GPU": 2.0}},
        )
    )
    axes = axes_of(parsed, ["small=1..2", "large=1..4"], [])
    goal = Goal(axes, wanted, seeds=seeds)
    return plan(parsed, goal, out=out, **{"workers": local_workers(1)} | more)


@pytest.fixture(scope="module")
def met(tmp_path_factory):
    out = tmp_path_factory.mktemp("plan") / "out"
    return out, planned(out)


def words_of(directory) -> str:
    return " ".join(Elements(report(directory).read_text(encoding="utf-8")).text.split())


def test_figures_have_names_by_their_percentile():
    parts = {"mean": "mean", "p50": "median", "p90": "90th percentile", "p99": "99th percentile"}
    for part, expected in parts.items():
        assert name_of(f"latency_s.ttft.{part}") == f"TTFT, {expected}"
    assert name_of('models."a.b".share') == 'models."a.b".share'


def test_a_plan_is_kept_with_its_requirements_and_answer(met):
    out, result = met
    kept = json.loads((out / "plan.json").read_text())
    assert kept == json.loads(json.dumps(result))
    assert kept["requirements"] == [FAST, KEPT]
    assert kept["best"] in kept["clusters"]
    assert len(kept["clusters"]) == kept["counts"]["simulated"] > 1
    assert [c["objective"] for c in kept["clusters"]] == sorted(c["objective"] for c in kept["clusters"])


def test_the_page_judges_by_the_requirements_and_not_by_the_promise(met):
    out, result = met
    words = words_of(out)
    assert "Every requirement is kept" in words
    pools = ", ".join(f"{p['pool']} {p['replicas']} x GPU" for p in result["best"]["pools"])
    assert f"Cheapest cluster that keeps every requirement: {pools}; {result['best']['objective']:g} USD/h." in words
    assert "keep the promise" not in words
    assert EVIL in words


def test_requirements_have_units_and_the_answer_its_command(met, tmp_path, monkeypatch):
    out, result = met
    words = words_of(out)
    assert "TTFT, 95th percentile" in words
    assert "required < 1 s" in words
    assert "required ≥ 45.00 %" in words
    assert "latency_s.ttft" not in words.split("The scenario")[0]
    command = re.search(r"messsim run scenario.toml --set .*?(?= What do clusters)", words)[0]
    monkeypatch.chdir(out)
    done = CliRunner().invoke(app, [*shlex.split(command)[1:], "--json"])
    pools = {p["name"]: p["replicas"] for p in json.loads(done.stdout)["pools"]}
    assert pools == {p["pool"]: p["replicas"] for p in result["best"]["pools"]}


def test_each_cluster_says_what_it_misses(met):
    out, result = met
    rows = words_of(out).split("Clusters that were simulated", 1)[1].split("The clusters that were not", 1)[0]
    for c in result["clusters"]:
        missed = [WORDS[r["requirement"]] for r in c["requirements"] if r["verdict"] == "failed"]
        missed += [f"perhaps {WORDS[r['requirement']]}" for r in c["requirements"] if r["verdict"] == "uncertain"]
        pools = ", ".join(f"{p['pool']} {p['replicas']} x GPU" for p in c["pools"])
        answer = " (the answer)" if c == result["best"] else ""
        assert f"{pools}{answer} {c['objective']:g} {', '.join(missed) or 'nothing'} " in rows
    assert "failed" in {c["verdict"] for c in result["clusters"]}


def test_where_no_cluster_will_do_the_page_says_so(tmp_path):
    planned(tmp_path / "o", wanted=["latency_s.ttft.p95<0.001"], seeds=2)
    words = words_of(tmp_path / "o")
    assert "No cluster surely keeps every requirement" in words
    assert "Required TTFT, 95th percentile < 1 ms" in words
    assert "The command that runs the answer" not in words
    assert "Every requirement is kept" not in words


def test_the_plan_of_an_interrupted_command_is_absent_and_of_a_later_one_replaced(tmp_path, monkeypatch):
    row_at = PLAN.row_at
    monkeypatch.setattr(PLAN, "row_at", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        planned(tmp_path / "o", seeds=2)
    assert not list((tmp_path / "o").glob("*plan.json*"))
    monkeypatch.setattr(PLAN, "row_at", row_at)
    for wanted in ([KEPT], ["sla.satisfaction>=0.1"]):
        planned(tmp_path / "o", wanted=wanted, seeds=2)
        assert json.loads((tmp_path / "o" / "plan.json").read_text())["requirements"] == wanted


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[:100], "plan.json: all of it: .*it is damaged, or another version"),
        (lambda text: text.replace('"clusters"', '"points"'), "plan.json: clusters: field required; it is damaged"),
        (lambda text: text.replace('"verdict": "met"', '"verdict": "fine"'), r"plan.json: best\..*verdict: "),
    ],
)
def test_a_damaged_plan_is_named(met, tmp_path, damage, message):
    out, _ = met
    (tmp_path / "scenario.toml").write_bytes((out / "scenario.toml").read_bytes())
    (tmp_path / "plan.json").write_text(damage((out / "plan.json").read_text()))
    with pytest.raises(OutputError, match=message):
        report(tmp_path)


def test_a_browser_draws_every_requirement(opened, met):
    out, result = met
    shown = opened(report(out), width=390)
    assert shown.heard == []
    assert shown.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    count = "c => c.querySelectorAll('.mark-symbol path').length"
    drawn = shown.page.evaluate(f"[...document.querySelectorAll('.chart')].map({count})")
    assert drawn == [len(result["clusters"])] * 2


@pytest.mark.parametrize(
    ("many", "best", "first"),
    [(30, None, 18), (30, 0, 0), (30, 10, 4), (30, 29, 18), (12, 11, 0), (5, 3, 0), (13, 9, 1)],
)
def test_the_table_is_a_window_around_the_best(many, best, first):
    frontier = [{"objective": k} for k in range(many)]
    shown = answers._around(frontier, None if best is None else frontier[best])
    assert [c["objective"] for c in shown] == list(range(first, min(first + 12, many)))


def test_fleets_of_policies_have_a_page(met, tmp_path):
    """Beside the plan of each: who needs the cheapest, and that a policy has none."""
    out, kept = met
    none = kept | {"best": None}
    shutil.copytree(out, tmp_path / "mess+")
    fleets = {"scenario": "s", "alpha": 0.9, "cost_unit": "J", "requirements": kept["requirements"], "unit": "USD/h",
              "replications": 3, "policies": [{"policy": "mess+", "plan": kept}, {"policy": "random", "plan": none}],
              "best": "mess+"}  # fmt: skip
    (tmp_path / "fleets.json").write_text(json.dumps(fleets))
    text = report(tmp_path).read_text(encoding="utf-8")
    assert "Only mess+ has a fleet that keeps every requirement" in text
    assert WORDS[FAST].replace("<", "&lt;") in text
    assert "no fleet" in text
    assert "messsim run mess+/scenario.toml --set" in text
    fleets["policies"][1]["plan"] = kept
    (tmp_path / "fleets.json").write_text(json.dumps(fleets))
    assert "mess+ and random need fleets at one price" in report(tmp_path).read_text(encoding="utf-8")
