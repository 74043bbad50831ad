"""The page of a run in words: its tiles, since when the promise holds, and the tables of what happened."""

from types import SimpleNamespace

import polars as pl
import pytest
from runs import summary_by_hand, tenant_by_hand

from messsim.plot.marks import Marks, OutageMark, PhaseMark
from messsim.report.run.page import _conversations, _events, _footer, _objectives, _provenance, _since
from messsim.report.run.tiles import tiles_of


def tiles(**changes):
    """Value and note by name, in their order."""
    return {t.name: (t.value, t.note) for t in tiles_of(summary_by_hand(**changes))}


# ---- tiles ----------------------------------------------------------------------------------------------


def test_the_tiles_of_a_plain_run():
    assert tiles() == {
        "Satisfied": ("60.00 %", "promised 50.00 %"),
        "Certificate": ("≥ 55.00 %", "of 980 rated answers"),
        "Cost of an answer": ("12.5 J", "exploring and idle included"),
        "Cost to oracle's": ("1.50 times", "at equal satisfaction"),
        "Explored": ("5.00 %", "of all requests"),
        "TTFT p95": ("250 ms", "end to end p95 2.5 s"),
        "Energy of a token": ("0.75 J", "measured"),
        "Not answered": ("1.00 %", "4 rejected, 6 timed out"),
    }


@pytest.mark.parametrize(
    ("changes", "name", "tile"),
    [
        ({"sla.rated": 0}, "Certificate", ("none", "no answer was rated")),
        ({"sla.certificate": None}, "Certificate", ("none", "raters err; they say 61.00 %")),
        ({"sla.certificate": 0.0}, "Certificate", ("vacuous", "the queue is longer than the promise")),
        (
            {"cost.unit": "USD", "cost.per_request": 0.0025},
            *("Cost of an answer", ("2.5 USD", "per 1,000 requests; exploring and idle included")),
        ),
        ({"cost.rent_usd_per_hour": 7.5}, "Rent of an hour", ("7.5 USD", "of all priced GPUs")),
        (
            {"cost.rent_usd_per_hour": 7.5, "cost.fixed": True},
            *("Rent of an hour", ("7.5 USD", "whatever the router does")),
        ),
        (
            {"sla.windows": {"count": 1234, "violation_rate": 0.125, "worst": 0.25}},
            *("Windows that miss", ("12.5 %", "of 1,234; 25.0 % satisfied in the worst")),
        ),
        ({"energy.measured": False}, "Energy of a token", ("0.75 J", "partly assumed")),
        (
            {"slo": {"attainment": 0.9, "goodput_rps": 2.5}},
            *("Within the SLO", ("90.0 %", "goodput 2.5 requests/s")),
        ),
    ],
)
def test_a_tile_says_what_it_is_of(changes, name, tile):
    assert tiles(**changes)[name] == tile


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"sla.windows": {"count": 0, "violation_rate": None, "worst": None}}, "Windows that miss"),
        ({"cost.ratio_to_oracle": None}, "Cost to oracle's"),
        ({"latency_s.ttft": dict.fromkeys(("p50", "p90", "p95", "p99", "mean"))}, "TTFT p95"),
        ({"energy.j_per_output_token": None}, "Energy of a token"),
        ({"requests.completed": 1000}, "Not answered"),
        ({"cost.per_request": None}, "Cost of an answer"),
    ],
)
def test_what_does_not_apply_has_no_tile(changes, name):
    assert name not in tiles(**changes)


def test_choices_made_beforehand_stand_beside_the_run():
    single = {"model": "70b", "per_request": 20.0, "satisfaction": 0.8, "kept": True, "e2e_p95_s": 583.0}
    mix = {"per_request": 15.0, "satisfaction": 0.45, "kept": False, "e2e_p95_s": None}
    made = tiles(**{"cost.without_router": {"best_single": single, "static_mix": mix, "left_out": None}})
    assert made["70b alone"] == ("20 J", "80.00 % satisfied; end-to-end p95 583 s; simulated")
    assert made["Best fixed mix"] == ("15 J", "45.00 % satisfied, missed; simulated")
    of_each = {"best_single": single | {"model": None}, "static_mix": None, "left_out": None}
    made = tiles(**{"cost.without_router": of_each})
    assert "Each tenant its model alone" in made
    assert "Best fixed mix" not in made


def test_of_several_tenants_the_one_with_the_least_margin_is_named():
    both = [tenant_by_hand("a", margin=0.2), tenant_by_hand("b", margin=-0.1, alpha=0.75, satisfaction=0.65)]
    made = tiles(tenants=both)
    assert made["Satisfied"] == ("60.00 %", "of all tenants' answers; promised 50.00 % on average")
    assert made["Satisfied, b"] == ("65.00 %", "the least margin; promised 75.00 %")


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
