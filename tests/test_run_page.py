"""The page of a run in words: since when the promise holds, and the tables of what happened."""

from types import SimpleNamespace

import polars as pl
import pytest
from runs import summary_by_hand, tenant_by_hand

from messsim.plot import FIGURES
from messsim.plot.marks import Marks, OutageMark, PhaseMark
from messsim.report.pages import report
from messsim.report.run.page import _conversations, _events, _footer, _objectives, _provenance, _sections, _since

# ---- since when -----------------------------------------------------------------------------------------

TIMELINE = pl.DataFrame({"request": [0, 10, 20], "time_s": [0.0, 100.0, 400.0]})


@pytest.mark.parametrize(
    ("first", "text"),
    [
        (None, "Satisfaction so far was below the promise to the end."),
        (0, "Satisfaction so far was never below the promise."),
        (5, "Satisfaction so far keeps the promise for good from request 5 on, 50 seconds into the run."),
        (15, "Satisfaction so far keeps the promise for good from request 15 on, 4.17 minutes into the run."),
    ],
)
def test_since_when_the_promise_is_kept(first, text):
    run = SimpleNamespace(summary=summary_by_hand(**{"sla.time_to_compliance": first}), timeline=TIMELINE)
    assert _since(run) == text
    run.summary["tenants"] *= 2
    assert _since(run) == text.replace("so far", "so far, of all tenants together,", 1)


def test_phases_that_begin_within_a_run_are_marked(monkeypatch):
    def phase(name, request=None, time_s=None):
        return SimpleNamespace(name=name, from_request=request, from_s=time_s)

    monkeypatch.setattr(report, "outages", lambda scenario, end_s: [("until", end_s)])
    phases = [phase(None, 0), phase("last", 99), phase("never", 100), phase("at the end", None, 9.0)]
    scenario = SimpleNamespace(phases=[*phases, phase("after it", None, 9.5)])
    timeline = pl.DataFrame({"time_s": [0.0, 9.0]})
    result = SimpleNamespace(summary={"requests": {"arrived": 100}}, timeline=timeline)
    made = report._marks(scenario, result)
    assert [(p.name, p.request, p.time_s) for p in made.phases] == [
        *(("phase 1", 0, None), ("last", 99, None), ("at the end", None, 9.0)),
    ]
    assert made.outages == [("until", 9.0)]
    nobody = SimpleNamespace(summary={"requests": {"arrived": 0}}, timeline=timeline.clear())
    assert [p.name for p in report._marks(scenario, nobody).phases] == ["phase 1"]


def test_marks_stand_on_every_chart_along_the_run(monkeypatch):
    def drawing(name):
        return lambda run, marks=None, which=None: (name, marks)

    marks = Marks([PhaseMark("rush", 10, None)], [])
    monkeypatch.setattr("messsim.report.run.page.FIGURES", {name: drawing(name) for name in FIGURES})
    monkeypatch.setattr("messsim.report.run.page.latency", drawing("latency"))
    monkeypatch.setattr("messsim.report.run.page.latency_in_time", drawing("latency in time"))
    pools = [{"name": "8b", "energy_j": 1.0, "idle_energy_j": 0.0}]
    summary = summary_by_hand(tenants=[tenant_by_hand("a"), tenant_by_hand("b")], pools=pools)
    made = _sections(SimpleNamespace(summary=summary, timeline=TIMELINE), "name = 's'", marks, None)
    drawn = [figure for section in made for figure in section.figures]
    assert [name for name, given in drawn if given is marks] == [
        *("satisfaction", "queue", "cost", "answers", "tenants", "latency in time", "load", "power"),
    ]
    assert {name for name, given in drawn if given is None} == {"latency"}, "a histogram has no time"


# ---- tables ---------------------------------------------------------------------------------------------


def test_conversations_and_caches_have_their_figures():
    sessions = {"begun": 1200, "turns": 5000, "turns_not_sent": 17}
    cache = {"hit_rate": 0.4, "cached_prompt_tokens": 2500}
    (table,) = _conversations(summary_by_hand(sessions=sessions, cache=cache))
    assert table.rows == [
        ["conversations", "1,200"],
        ["turns that were sent", "5,000"],
        ["turns that were not, of conversations that ended before", "17"],
        ["prompt tokens that were in a cache", "40.0 %"],
        ["their number", "2,500"],
    ]
    assert _conversations(summary_by_hand()) == []
    (alone,) = _conversations(summary_by_hand(cache=cache))
    assert len(alone.rows) == 2


def test_objectives_are_of_tenants_who_have_them():
    slo = {"attainment": 0.9, "goodput_rps": 2.5, "ttft_s": 0.5, "tpot_s": None, "e2e_s": 20.0}
    (table,) = _objectives([tenant_by_hand("none"), tenant_by_hand("a", slo=slo)])
    assert table.rows == [["a", "500 ms", "-", "20 s", "90.0 %", "2.5"]]
    assert _objectives([tenant_by_hand("none")]) == []


def test_events_say_when_how_long_and_why():
    phases = [PhaseMark("by number", request=1500, time_s=None), PhaseMark("by time", request=None, time_s=90.0)]
    outages = [OutageMark("p", 3, 10.0, 25.0, planned=True), OutageMark("q", 0, 30.0, 31.0, planned=False)]
    begun, down = _events(Marks(phases, outages))
    assert begun.rows == [["by number", "1,500", "-"], ["by time", "-", "90 s"]]
    assert down.rows == [["p, 3", "10 s", "15 s", "plan"], ["q, 0", "30 s", "1 s", "chance"]]
    assert down.caption == "Replicas that were down"
    (many,) = _events(Marks([], outages * 30))
    assert (len(many.rows), many.caption) == (50, "Replicas that were down (the first 50 of 60)")
    assert _events(Marks()) == []


def test_a_page_names_what_it_was_made_with():
    made = {"messsim": "1.2", "python": "3.11.7", "packages": {"numpy": "2.0"}, "platform": "Linux", "cpus": 4}
    (table,) = _provenance(summary_by_hand(provenance=made | {"data": {"t.csv": "abc"}}))
    assert table.rows == [
        ["messsim", "1.2"],
        ["Python", "3.11.7"],
        ["numpy", "2.0"],
        ["machine", "Linux, 4 CPUs"],
        ["t.csv", "SHA-256 abc"],
    ]
    assert _provenance(summary_by_hand()) == []
    assert _footer(summary_by_hand()) == (
        "messsim 1.2, compiled engine: 1,000 requests simulated in 500 ms. "
        "The same scenario, seed and version give the same figures."
    )
