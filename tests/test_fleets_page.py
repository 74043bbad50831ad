"""The pages of fleets and of a convergence study in words, of answers made by hand."""

import json

import pytest
from builders import scenario
from test_plan_words import judged, of, plan
from test_plot_encodings import SUMMARY, curves
from test_report_tables import span

from messsim.report.compare.fleets_page import fleets_page
from messsim.report.convergence import convergence_page
from messsim.report.pages.report import report
from messsim.scenario import dump, parse

# ---- fleets ---------------------------------------------------------------------------------------------

FIGURES = {"cost.per_request": span(0.0025, 0.001), "latency_s.e2e.p95": span(2.0, 0.5)}


def answered(objective, **changes):
    best = of(objective, kept=4, figures=FIGURES, **changes)
    return plan(best, best=best)


def fleets(best="mess+", **plans):
    entries = [{"policy": policy, "plan": made} for policy, made in plans.items()]
    facts = {"scenario": "s", "replications": 5, "alpha": 0.6, "unit": "USD/h", "cost_unit": "USD"}
    return facts | {"best": best, "policies": entries, "requirements": ["latency_s.ttft.p95<2"]}


def test_a_page_of_fleets_says_what_each_policy_needs_and_gives():
    page = fleets_page(fleets(**{"mess+": answered(5.0), "dir/own.py": answered(7.0), "none": plan()}), scenario="toml")
    assert page.headline == "mess+ needs the cheapest fleet"
    assert page.subtitle == "A fleet for each of 3 policies, 5 replications each, 60.00 % promised"
    assert page.verdict == "Each policy has the cheapest of its fleets that keeps: TTFT, 95th percentile < 2 s."
    assert page.kept is True
    assert page.footer.startswith(
        "± is half of a 95 % interval over 5 replications, the same requests for all. messsim"
    )
    several = fleets_page(fleets(**{"mess+": answered(5.0)}) | {"alpha": None}, scenario="toml")
    assert several.subtitle == "A fleet for each of 1 policies, 5 replications each, each tenant with a promise"
    alone = fleets_page(fleets(**{"mess+": answered(5.0)}) | {"replications": 1}, scenario="toml")
    assert alone.footer.startswith("One replication says nothing of chance: --seeds 5 gives intervals. messsim report")
    assert [(t.name, t.value, t.note) for t in page.tiles] == [
        ("mess+", "5 USD/h", "1,006 GPUs"),
        ("dir/own.py", "7 USD/h", "1,006 GPUs"),
        ("none", "no fleet", ""),
    ]
    needs, gives, commands, scenario = page.sections
    fleet = "8b 2 x H100, 70b 1 x H100/tp4"
    assert needs.tables[0].rows == [
        ["mess+", "5 USD/h", "1,006", fleet],
        ["dir/own.py", "7 USD/h", "1,006", fleet],
        ["none", "-", "-", "no cluster of these keeps every requirement"],
    ]
    assert gives.tables[0].header == [
        *("policy", "TTFT, 95th percentile < 2 s", "promise kept in", "USD/1,000 requests", "end-to-end p95, s"),
    ]
    assert gives.tables[0].rows[0] == ["mess+", "1 s", "4 of 5", "2.5 ± 1", "2 ± 0.5"]
    assert len(gives.tables[0].rows) == 2
    first, second = commands.verbatim.splitlines()
    assert first.startswith("messsim run mess+/scenario.toml ")
    assert second.startswith("messsim run own.py/scenario.toml ")
    assert scenario.verbatim == "toml"


@pytest.mark.parametrize(
    ("plans", "headline"),
    [
        ({"mess+": answered(5.0), "random": plan()}, "Only mess+ has a fleet that keeps every requirement"),
        ({"mess+": answered(5.0)}, "mess+ needs the cheapest fleet"),
        (
            {"mess+": answered(5.0), "a": answered(5.0), "b": answered(5.0), "dear": answered(6.0)},
            "mess+, a and b need fleets at one price",
        ),
    ],
)
def test_who_needs_the_cheapest_fleet(plans, headline):
    assert fleets_page(fleets(**plans), scenario="").headline == headline


def test_where_no_fleet_keeps_all_there_is_no_command():
    page = fleets_page(fleets(best=None, a=plan(of(5.0, judged(verdict="failed"))), b=plan()), scenario="")
    assert (page.headline, page.kept) == ("No fleet surely keeps every requirement", False)
    assert [s.title for s in page.sections if s.verbatim] == []
    assert page.sections[1].tables[0].rows == []


def test_a_directory_of_fleets_has_its_report(tmp_path):
    whole = {"version": "1", "seed": 3, "violation": None}
    figures = {path: figure | {"level": 0.95} for path, figure in FIGURES.items()}
    best = of(5.0, kept=4, figures=figures, energy_j=None)
    made = fleets(**{"mess+": plan(best, best=best, **whole), "random": plan(**whole)})
    (tmp_path / "fleets.json").write_text(json.dumps(made))
    (tmp_path / "mess+").mkdir()
    (tmp_path / "mess+" / "scenario.toml").write_text(dump(parse(scenario(name="of-fleets"))))
    page = report(tmp_path).read_text()
    assert "mess+ has a fleet that keeps every requirement" in page
    assert "of-fleets" in page  # the scenario of the first policy


# ---- convergence ----------------------------------------------------------------------------------------


def study(share, **changes):
    kept = {"runs": round(20 * share), "share": share, "low": 0.5, "high": 0.999}
    facts = {"scenario": "s", "policy": "mess+", "seed": 3, "version": "1.2", "kept": kept}
    spread = dict.fromkeys(("p05", "p25", "p50", "p75", "p95", "mean"), 0.5) | {"low": None, "high": None}
    end = dict.fromkeys(("satisfaction", "certificate", "queue", "cost_per_request"), spread)
    return SUMMARY | facts | {"end": end} | changes


def headings(page):
    """Those of how the runs ended."""
    return next(s.tables[0].header for s in page.sections if s.tables)


@pytest.mark.parametrize(("share", "kept"), [(1.0, True), (0.95, None), (0.0, False)])
def test_a_convergence_page_says_in_how_many_runs_the_promise_is_kept(share, kept):
    page = convergence_page(study(share), curves(), "toml", ["a note"])
    assert (page.kept, page.headline) == (kept, f"Promise kept in {round(20 * share)} of 20 runs")
    assert page.subtitle == "Convergence study: 20 replications of 101 requests, policy mess+, seed 3"
    assert page.verdict == (
        "75.00 % of answers were promised to satisfy. The probability that a run keeps the promise is between 50.0 % "
        "and 99.9 % (95 % interval)."
    )
    assert headings(page)[1] == "mean ± half of its 95 % interval"
    assert headings(convergence_page(study(share, replications=1), curves(), "toml", []))[1] == "of one replication"
    assert page.notes == ["a note"]
    assert page.footer.endswith(" 2 of 20 runs never kept their promise for good.")


def test_a_convergence_page_has_every_chart_once():
    shown, owed, end, scenario = convergence_page(study(1.0), curves(), "toml", []).sections
    assert [f.title for f in shown.figures] == [
        "Satisfaction and certificate",
        "Probability of being below the promise",
    ]
    assert [f.title for f in owed.figures] == ["Virtual queue", "Cost of an answer so far", "Certified gap"]
    assert end.tables[0].header[:2] == ["figure", "mean ± half of its 95 % interval"]
    assert scenario.verbatim == "toml"
