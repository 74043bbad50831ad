"""The charts of a run: what they say of it, what they draw and the table beside each, of a run made up by hand."""

from types import SimpleNamespace

import polars as pl
import pytest
from runs import model_by_hand, summary_by_hand, tenant_by_hand
from test_plot_encodings import drawn, layers

from messsim.errors import OutputError
from messsim.plot.charts.answers import answers
from messsim.plot.charts.cost import cost
from messsim.plot.charts.hits import hits
from messsim.plot.charts.latency import latency, latency_in_time
from messsim.plot.charts.load import load
from messsim.plot.charts.power import power
from messsim.plot.charts.queue import queue
from messsim.plot.charts.replicas import replicas
from messsim.plot.charts.satisfaction import satisfaction
from messsim.plot.charts.tenants import tenants

TIMELINE = pl.DataFrame(
    {
        "request": [0, 100, 200, 300],
        "time_s": [0.0, 40.0, 80.0, 120.0],
        "satisfaction_running": [None, 0.5, 0.65, 0.6],
        "certificate": [None, 0.25, 0.5, 0.55],
        "promise_running": [None, 0.5, 0.5, 0.5],
        "queue": [0.0, 20.0, 3.0, 1.5],
        "queue_tracked": [0.0, 20.0, 3.0, 1.5],
        "in_system_8b": [0, 2, 4, 1],
        "in_system_70b": [0, 1, 8, 0],
        "power_w_8b": [None, 100.0, 200.0, 300.0],
        "power_w_70b": [None, 1000.0, 2000.0, 3000.0],
        "hit_rate_8b": [None, 0.5, 0.75, 0.25],
        "started_prompt_tokens_8b": [0, 10, 20, 30],
    }
)


def pool(name, **changes):
    data = {"name": name, "model": name, "replicas": 2, "gpus_per_replica": 4, "gpu": "H100", "utilization": 0.25}
    data |= {"energy_j": 9000.0, "idle_energy_j": 1000.0, "energy_measured": True, "preemptions": 1234}
    return data | {"mean_replicas": 1.5} | changes


POOLS = [pool("8b"), pool("70b", utilization=0.75, gpu=None)]
REQUESTS = pl.LazyFrame(
    {
        "id": [0, 1, 150, 299],
        "status": ["completed", "rejected", "completed", "completed"],
        "model": ["8b", None, "70b", "8b"],
        "tenant": ["a", "b", "b", "a"],
        "satisfied": [1.0, None, 0.0, 0.0],
        "arrival_s": [0.0, 1.0, 60.0, 119.5],
        "start_s": [0.5, None, 62.0, 119.5],
        "first_token_s": [1.0, None, 64.0, 119.75],
        "finish_s": [3.0, None, 80.0, 120.0],
        "output_tokens": [3, None, 5, 2],
    }
)


def run(timeline=TIMELINE, **changes):
    facts = {"pools": POOLS, "requests.arrived": 300, "accuracy": {"warmup_left_out_of_latencies": 0}}
    facts |= {"energy.total_j": 20_000.0, "energy.idle_j": 2_000.0, "cache.hit_rate": 0.4}
    return SimpleNamespace(summary=summary_by_hand(**facts | changes), timeline=timeline, requests=REQUESTS)


def column(frame, name):
    return frame[name].to_list()


def values(figure, key):
    """All rows that have a key, of any layer."""
    return [row for layer in layers(figure) for row in layer["data"]["values"] if key in row]


# ---- the promise ----------------------------------------------------------------------------------------


def test_satisfaction_is_said_against_the_promise_and_since_when_it_is_kept():
    figure = satisfaction(run())
    assert figure.description == (
        "Running share of satisfying answers, 60.00 % at the end, against the promised 50.0 %, which is kept for good "
        "from request 12 on."
    )
    assert satisfaction(run(**{"sla.time_to_compliance": None})).description.endswith("which is kept never for good.")
    assert figure.table.columns == ["request", "satisfied so far", "certificate"]
    assert column(figure.table, "certificate") == ["-", "25.0 %", "50.0 %", "55.0 %"]
    ((_, (promise,)),) = drawn(figure, "promise")
    assert promise == {"share": 0.5, "text": "promised 50.0 %"}


def test_of_tenants_with_promises_of_their_own_the_mean_so_far_is_drawn():
    both = [tenant_by_hand("a"), tenant_by_hand("b", alpha=0.9)]
    timeline = TIMELINE.with_columns(promise_running=pl.Series([None, 0.5, 0.6, 0.7]))
    figure = satisfaction(run(timeline, tenants=both))
    ((_, promised),) = drawn(figure, "promise")
    assert [(row["request"], row["share"]) for row in promised] == [(100, 0.5), (200, 0.6), (300, 0.7)]
    assert column(figure.table, "promised so far") == ["-", "50.0 %", "60.0 %", "70.0 %"]
    assert "tenants who are promised different shares" in figure.note


@pytest.mark.parametrize(("rated", "why"), [(0, "no answer was rated"), (300, "raters err")])
def test_without_a_certificate_there_is_none(rated, why):
    nothing = TIMELINE.with_columns(certificate=pl.lit(None, pl.Float64))
    figure = satisfaction(run(nothing, **{"sla.certificate": None, "sla.rated": rated}))
    assert figure.table.columns == ["request", "satisfied so far"]
    assert figure.note.startswith(f"There is no certificate: {why}.")


def test_the_queue_is_drawn_once_or_beside_what_the_router_sees():
    figure = queue(run())
    assert figure.description == "Virtual queue Q: 1.5 at the end, 20 at most."
    ((_, area),) = drawn(figure, "owed")
    assert [row["answers"] for row in area] == [0, 20, 3, 1.5]
    assert "place-holder" not in figure.note
    seen = queue(
        run(TIMELINE.with_columns(queue_tracked=pl.Series([0.0, 10.0, 2.0, 1.0])), **{"sla.queue_initial": 7.0})
    )
    assert drawn(seen, "owed") == []
    assert column(seen.table, "Q as the router sees it") == ["0", "10", "2", "1"]
    assert column(seen.table, "Q") == ["0", "20", "3", "1.5"]
    assert " It began at 7, a place-holder" in seen.note


# ---- load and power -------------------------------------------------------------------------------------


def test_the_busiest_pool_is_named_and_each_has_its_own_load():
    figure = load(run())
    assert figure.description == "Requests in each pool along the run; 70b is busiest, 75.0 % of the time."
    at = {(row["pool"], round(row["time"], 2)): row["value"] for row in values(figure, "pool")}
    assert at[("70b", 1.34)] == 8.0, "at 80 s, in the slice from 80 to 81 s, in minutes"
    assert at[("8b", 1.34)] == 4.0
    idle = [pool("8b", utilization=None), pool("70b", utilization=0.0)]
    assert "8b is busiest" in load(run(pools=idle)).description


def test_the_table_of_pools():
    small, large = load(run()).table.rows(named=True)
    assert small == {
        "pool": "8b",
        "model": "8b",
        "GPUs": "8 x H100",
        "replicas": "2",
        "utilisation": "25.0 %",
        "energy (kJ)": "10",
        "of which idle (kJ)": "1",
        "energy is": "measured",
        "preemptions": "1,234",
    }
    assert large["GPUs"] == "-"
    assert load(run(pools=[pool("8b", energy_measured=False)])).table["energy is"][0] == "assumed"


def test_power_is_stacked_and_says_what_is_idle_and_assumed():
    figure = power(run())
    assert figure.description == "Power of each pool along the run; 20,000 J in all, of which 2,000 J idle."
    assert "assumed" not in figure.note
    watts = {(row["pool"], row["order"]): row["value"] for row in values(figure, "order")}
    assert watts == {("8b", 0): 300.0, ("70b", 1): 3000.0}, "the first pool is the lowest"
    assumed = power(run(**{"energy.measured": False}))
    assert " The energy of some pools is assumed, not measured." in assumed.note


def test_hits_are_of_pools_with_a_cache():
    figure = hits(run())
    assert figure.description.startswith("Of the prompts' tokens 40.0 % were in the prefix cache")
    assert {row["pool"]: row["value"] for row in values(figure, "pool")} == {"8b": 0.25}
    with pytest.raises(OutputError, match="no pool has a prefix cache"):
        hits(run(TIMELINE.drop("hit_rate_8b")))


@pytest.mark.parametrize("chart", [load, power, hits])
def test_without_servers_there_is_no_load(chart):
    with pytest.raises(OutputError, match="the run has no servers"):
        chart(run(pools=[]))


SIZES = {
    "replicas_up_8b": [1, 1, 2, 2],
    "replicas_loading_8b": [0, 1, 0, 0],
    "replicas_draining_8b": [0, 0, 0, 0],
}


def test_replicas_are_drawn_by_phase_where_they_come_and_go():
    figure = replicas(run(TIMELINE.with_columns(pl.Series(name, sizes) for name, sizes in SIZES.items())))
    assert figure.description == "Replicas along the run; paid for on average: 1.5 of 8b."
    at = {(row["phase"], row["time"]): row["value"] for row in values(figure, "phase")}
    assert (at[("up", 0.675)], at[("loading", 0.675)], at[("up", 1.34167)]) == (1.0, 1.0, 2.0)
    assert {phase for phase, _ in at} == {"up", "loading"}
    assert figure.table.rows() == [("8b", "2", "1.5")]
    with pytest.raises(OutputError, match="no pool of the run changes its size"):
        replicas(run())


def colours(figure):
    """Of the layers that have dashes too."""
    return [layer["encoding"]["color"] for layer in layers(figure) if "strokeDash" in layer["encoding"]]


@pytest.mark.parametrize(
    ("changes", "scale"),
    [
        ({}, {"domain": ["8b", "70b"]}),
        ({"models": [model_by_hand("70b"), model_by_hand("8b")]}, {"domain": ["8b"], "range": "ordinal"}),
    ],
)
def test_replicas_have_the_colours_of_all_models_where_pools_are_named_as_they_are(changes, scale):
    figure = replicas(run(TIMELINE.with_columns(pl.Series(name, sizes) for name, sizes in SIZES.items()), **changes))
    (colour,) = colours(figure)
    assert colour["scale"] == scale
    assert (colour["field"], colour["type"], colour["title"]) == ("pool", "nominal", None)


def test_many_pools_that_change_their_size_are_folded_and_have_greys():
    names = [f"p{k}" for k in range(12)]
    sizes = {column.replace("8b", name): values for name in names for column, values in SIZES.items()}
    timeline = TIMELINE.with_columns(pl.Series(name, values) for name, values in sizes.items())
    many = {"pools": [pool(name) for name in names], "models": [model_by_hand(name) for name in names]}
    (colour,) = [
        layer["encoding"]["color"]
        for layer in layers(replicas(run(timeline, **many)))
        if "strokeDash" in layer["encoding"]
    ]
    assert colour["scale"]["range"] == "ordinal"
    assert len(colour["scale"]["domain"]) < 12


# ---- answers and tenants --------------------------------------------------------------------------------


def test_shares_of_answers_are_of_those_of_a_slice():
    figure = answers(run())
    assert figure.description == "Share of answers by model along the run; 8b gave most, 75.0 %."
    shares = {(row["request"], row["model"]): row["share"] for row in values(figure, "order")}
    assert shares == {
        (0, "8b"): 1.0,
        (0, "70b"): 0.0,
        (150, "8b"): 0.0,
        (150, "70b"): 1.0,
        (297, "8b"): 1.0,
        (297, "70b"): 0.0,
    }, "three requests a slice"
    first, second = figure.table.rows(named=True)
    assert (first["answered"], first["share"], first["satisfied"], first["cost of an answer"]) == (
        *("742", "75.0 %", "50.0 %", "10 J"),
    )
    assert (second["model"], second["utilisation"]) == ("70b", "40.0 %")
    assert "utilisation" not in answers(run(pools=[])).table.columns


def test_margins_add_up_to_where_a_slice_ends():
    """Tenant a: 1 of 1 until its next slice, 1 of 2 at the end; b: 0 of 1. Both are promised a half."""
    both = [tenant_by_hand("a", margin=0.0, queue_final=2.5), tenant_by_hand("b", margin=-0.5, queue_final=1.0)]
    figure = tenants(run(tenants=both))
    assert figure.description == "Satisfaction so far minus the promise, by tenant; least for b, -50.00 points."
    so_far = {(row["tenant"], row["request"]): row["margin"] for row in values(figure, "tenant")}
    assert so_far == {("a", 297): 0.5, ("a", 300): 0.0, ("b", 300): -0.5}
    assert figure.table.rows()[0] == ("a", "990", "50.0 %", "60.00 %", "55.00 %", "2.5", "250 ms")
    assert "least margin" not in figure.note


def test_of_many_tenants_those_with_the_least_margin_are_drawn():
    many = [tenant_by_hand(f"t{k}", margin=0.1 * (k - 5), queue_final=0.0) for k in (9, 1, 2, 3, 4, 5, 6)]
    rest = [tenant_by_hand("a", margin=0.3, queue_final=0.0), tenant_by_hand("b", margin=0.35, queue_final=0.0)]
    figure = tenants(run(tenants=[*many, *rest, tenant_by_hand("none", margin=None, queue_final=None)]))
    assert "The 8 tenants with the least margin." in figure.note
    assert "least for t1, -40.00 points" in figure.description
    assert {row["tenant"] for row in values(figure, "tenant")} == {"a", "b"}, "t9 has more"


# ---- costs and latencies --------------------------------------------------------------------------------


def test_costs_stand_beside_those_of_choices_made_beforehand():
    beside = {"best_single": {"model": "70b", "per_request": 20.0}, "static_mix": {"per_request": 15.0}}
    figure = cost(run(**{"cost.without_router": beside | {"left_out": None}, "requests.completed": 1000}))
    assert figure.description == (
        "An answer of this run costs 12.5 J in all. Beside it: 70b alone 20 J; best fixed mix 15 J."
    )
    totals = {row["kind"]: row["shown"] for row in drawn(figure, "value-label")[0][1]}
    assert totals == {"this run": "12", "70b alone": "20", "best fixed mix": "15"}
    assert figure.table.rows() == [
        ("total", "12,000 J", "12 J"),
        ("exploring", "500 J", "0.5 J"),
        ("lost work", "0 J", "0 J"),
        ("idle", "2,500 J", "2.5 J"),
        ("70b alone", "-", "20 J"),
        ("best fixed mix", "-", "15 J"),
    ]
    assert cost(run()).description == "An answer of this run costs 12.5 J in all."


def test_a_histogram_says_percentiles_and_draws_a_share_of_all_answers():
    figure = latency(run(**{"latency_s.ttft": {"mean": 1.75, "p50": 1.0, "p90": 3.0, "p95": 4.0, "p99": 4.0}}))
    assert figure.description == (
        "Time to first token (TTFT) of 3 answers: mean 1.75 s, median 1 s, 95th percentile 4 s, 99th percentile 4 s."
    )
    bars = {row["model"]: row["high"] - row["low"] for row in values(figure, "high")}
    assert bars == pytest.approx({"8b": 1 / 3, "70b": 1 / 3}, abs=1e-5)
    assert {row["what"]: row["at"] for row in values(figure, "what")} == {"p50": 1, "p95": 4, "p99": 4}
    ttft = figure.table.rows(named=True)[0]
    assert (ttft["latency"], ttft["mean"], ttft["p90"]) == ("TTFT", "1.75 s", "3 s")


def test_without_a_latency_there_is_no_histogram():
    with pytest.raises(OutputError, match="no answer of the run had a latency"):
        latency(run(), which="tpot")
    with pytest.raises(OutputError, match="latency 'slow': expected one of ttft, tpot, e2e, queueing"):
        latency(run(), which="slow")


def test_the_worst_slice_is_named_with_its_time():
    """Of the answers that came at 0, 60 and 119.5 s the second waited longest: 4 s, in a bin of 1/16 octave."""
    figure = latency_in_time(run())
    assert figure.description.endswith("; the 95th percentile is highest, 4.09 s, at 1.01 minutes.")
    assert {row["answers"] for row in values(figure, "answers")} == {1}


def test_models_that_gave_no_answer_have_no_bar():
    three = [model_by_hand(name, answered=n) for name, n in (("8b", 2), ("70b", 1), ("idle", 0))]
    assert {row["model"] for row in values(latency(run(models=three)), "high")} == {"8b", "70b"}
