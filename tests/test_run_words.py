"""What the reports of a run say, word by word, of summaries that are made by hand."""

import pytest
from runs import WORTH, cells, merged, shown, summary_by_hand, tenant_by_hand

from messsim.report.run.explanation import explanation
from messsim.report.run.summary import _figures, _latencies, _models, _tenants, run_summary
from messsim.report.run.tiles import tiles_of
from messsim.report.run.verdict import least_margin, unanswered, verdict
from messsim.report.run.worth import bounds_of, sentences_of

# ---- the verdict ----------------------------------------------------------------------------------------


def test_one_tenant_is_not_named():
    judged = verdict(summary_by_hand())
    assert judged.kept is True
    assert judged.text == "60.00 % of answers satisfy, 50.00 % promised (+10.00 points)"


def test_of_several_tenants_the_least_margin_counts():
    tenants = [
        tenant_by_hand("gold", alpha=0.9, satisfaction=0.875, margin=-0.025),
        tenant_by_hand("none", margin=None, satisfaction=None),
        tenant_by_hand("rest"),
    ]
    assert least_margin(tenants) is tenants[0]
    judged = verdict(summary_by_hand(**{"tenants": tenants, "sla.kept": False}))
    assert judged.kept is False
    assert judged.text == "87.50 % of answers satisfy, 90.00 % promised to gold (-2.50 points)"


def test_where_nobody_was_answered_there_is_no_verdict():
    silent = [tenant_by_hand(margin=None, satisfaction=None)]
    assert least_margin(silent) is None
    judged = verdict(summary_by_hand(tenants=silent))
    assert (judged.kept, judged.text) == (None, "nobody was answered")


def test_how_requests_ended_without_an_answer():
    requests = dict.fromkeys(("rejected", "too_long", "lost", "timed_out", "in_flight"), 0)
    assert unanswered(requests) == []
    assert unanswered(requests | {"rejected": 1200, "timed_out": 1}) == ["1,200 rejected", "1 timed out"]
    assert unanswered(requests | {"in_flight": 3, "too_long": 2, "lost": 4}) == [
        "2 too long",
        "4 lost",
        "3 in flight",
    ]


# ---- tiles ----------------------------------------------------------------------------------------------


def tiles(**changes):
    return {t.name: (t.value, t.note) for t in tiles_of(summary_by_hand(**changes))}


def test_the_tiles_of_a_run():
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
    ("change", "name", "tile"),
    [
        (
            {"cost.unit": "USD", "cost.per_request": 0.0025},
            "Cost of an answer",
            "2.5 USD|per 1,000 requests; exploring and idle included",
        ),
        ({"cost.rent_usd_per_hour": 7.5}, "Rent of an hour", "7.5 USD|of all priced GPUs"),
        ({"cost.rent_usd_per_hour": 7.5, "cost.fixed": True}, "Rent of an hour", "7.5 USD|whatever the router does"),
        ({"energy.measured": False}, "Energy of a token", "0.75 J|partly assumed"),
        ({"slo.attainment": 0.925, "slo.goodput_rps": 3.5}, "Within the SLO", "92.5 %|goodput 3.5 requests/s"),
        ({"sla.certificate": 0.0}, "Certificate", "vacuous|the queue is longer than the promise"),
        ({"sla.certificate": 1e-4}, "Certificate", "≥ 0.01 %|of 980 rated answers"),
        ({"sla.certificate": None}, "Certificate", "none|raters err; they say 61.00 %"),
        ({"sla.certificate": None, "sla.rated": 0}, "Certificate", "none|no answer was rated"),
        ({"sla.rated": 0}, "Certificate", "none|no answer was rated"),
        (
            {"requests.arrived": 0, "requests.completed": 0, "requests.explored": 0},
            "Explored",
            "0.00 %|of all requests",
        ),
        (
            {"sla.windows": {"count": 1200, "violation_rate": 0.25, "worst": 0.4}},
            "Windows that miss",
            "25.0 %|of 1,200; 40.0 % satisfied in the worst",
        ),
    ],
)
def test_a_tile_says_what_there_is(change, name, tile):
    assert "|".join(tiles(**change)[name]) == tile


@pytest.mark.parametrize(
    ("change", "absent"),
    [
        ({"cost.ratio_to_oracle": None}, "Cost to oracle's"),
        ({"cost.per_request": None}, "Cost of an answer"),
        ({"latency_s.ttft.mean": None}, "TTFT p95"),
        ({"latency_s.ttft": dict.fromkeys(("p50", "p90", "p95", "p99", "mean"))}, "TTFT p95"),
        ({"energy.j_per_output_token": None}, "Energy of a token"),
        ({"energy.j_per_output_token": 0.0}, "Energy of a token"),
        ({"requests.completed": 1000}, "Not answered"),
        ({"sla.windows": {"count": 0, "violation_rate": None, "worst": None}}, "Windows that miss"),
    ],
)
def test_what_does_not_apply_has_no_tile(change, absent):
    assert absent not in tiles(**change)
    assert len(tiles(**change)) == len(tiles()) - (absent in tiles())


def test_of_several_tenants_two_tiles_tell_all_and_the_worst():
    tenants = [tenant_by_hand("gold", alpha=0.9, satisfaction=0.875, margin=-0.025), tenant_by_hand("rest")]
    made = tiles(tenants=tenants)
    assert made["Satisfied"] == ("60.00 %", "of all tenants' answers; promised 50.00 % on average")
    assert made["Satisfied, gold"] == ("87.50 %", "the least margin; promised 90.00 %")
    nobody = [tenant_by_hand(n, margin=None) for n in "ab"]
    assert not [name for name in tiles(tenants=nobody) if name.startswith("Satisfied, ")]


SINGLE = {"model": "70b", "per_request": 20.0, "satisfaction": 0.8, "kept": True, "e2e_p95_s": 583.0}
MIX = {"model": None, "per_request": 15.0, "satisfaction": 0.495, "kept": False, "e2e_p95_s": 1.5}
UNKNOWN = {"e2e_p95_s": None}  # without servers


def without(single, mix, left_out=None):
    return {"left_out": left_out, "best_single": single, "static_mix": mix}


def test_choices_made_beforehand_have_tiles_where_they_were_simulated():
    made = tiles(**{"cost.without_router": without(SINGLE, MIX)})
    assert made["70b alone"] == ("20 J", "80.00 % satisfied; end-to-end p95 583 s; simulated")
    assert made["Best fixed mix"] == ("15 J", "49.50 % satisfied, missed; end-to-end p95 1.5 s; simulated")
    made = tiles(**{"cost.without_router": without(SINGLE | {"model": None} | UNKNOWN, None)})
    assert made["Each tenant its model alone"] == ("20 J", "80.00 % satisfied; simulated")
    assert "Best fixed mix" not in made
    made = tiles(**{"cost.without_router": without(None, MIX | UNKNOWN)})
    assert made["Best fixed mix"] == ("15 J", "49.50 % satisfied, missed; simulated")


# ---- the summary ----------------------------------------------------------------------------------------


def lines(**changes):
    """The rows of names and figures by name; what goes on below stands behind a new line."""
    rows, last = {}, ""
    for first, *rest in cells(_figures(summary_by_hand(**changes))):
        last = first if rest else last
        rows[last] = rest[0] if rest else f"{rows[last]}\n{first}"
    return rows


USUAL = lines()


def test_the_figures_of_a_run():
    text = shown(run_summary(summary_by_hand(), ["first note"])).splitlines()
    assert text[0] == "SLA kept: 60.00 % of answers satisfy, 50.00 % promised (+10.00 points)"
    assert text[1] == "note: first note"
    assert text[-1] == "compiled engine: 2,000,000 requests/s, 500 ms, 123 MiB"
    assert [line for line in text if line.startswith("latency")]
    assert not [row for row in cells(run_summary(summary_by_hand(pools=[]), [])) if row[0] == "latency"]
    assert USUAL == {
        "requests": "1,000 arrived, 990 completed, 4 rejected, 6 timed out, 50 explored",
        "certificate": "at least 55.00 % of the 980 rated answers, on this very path",
        "kept for good": "from request 12 on",
        "virtual queue": "1.5 at the end, 20 at most",
        "cost": "12 kJ (500 J exploring, 2,500 J idle)",
        "cost per request": "12.5 J",
        "cost vs oracle": "1.5 times the oracle's 8.25 J at equal satisfaction",
        "energy": "0.75 J per output token",
    }


def test_a_promise_that_was_missed_and_one_that_nobody_can_judge():
    assert shown(run_summary(summary_by_hand(**{"sla.kept": False}), [])).startswith("SLA missed: 60.00 %")
    silent = summary_by_hand(tenants=[tenant_by_hand(margin=None)])
    assert shown(run_summary(silent, [])).splitlines()[0] == "SLA: nobody was answered"


PERIODS = {"window_s": 60.0, "window_requests": None, "count": 40, "violated": 10, "violation_rate": 0.25, "worst": 0.4}


@pytest.mark.parametrize(
    ("change", "name", "text"),
    [
        ({"requests.attempts": 1001}, "requests", "4 rejected, 6 timed out, 1,001 attempts, 50 explored"),
        (
            {"router": {"utilization": 0.25, "decision_s": 0.002, "wait_s": 0.001}},
            "router",
            "busy 25.0 % of the time, 2 ms a decision, waits 1 ms in the mean",
        ),
        (
            {"transfers": {"begun": 1234, "transfer_s": 0.5, "wait_s": 0.25}},
            "transfers",
            "1,234 from prefill to decode, 500 ms each, after a wait of 250 ms in the mean",
        ),
        ({"sla.certificate": 0.0}, "certificate", "vacuous: the queue is longer than the promise"),
        (
            {"sla.certificate": None},
            "certificate",
            "none: raters err; they say that 61.00 % of 980 satisfied",
        ),
        ({"sla.rated": 0}, "certificate", "none: no answer was rated"),
        ({"sla.time_to_compliance": None}, "kept for good", "never"),
        ({"sla.time_to_compliance": 0}, "kept for good", "from request 0 on"),
        (
            {"tenants": [{"name": name} for name in "abcdefghijklmnopqrstu"]},
            "kept for good",
            "from request 12 on, all 21 tenants taken together",
        ),
        (
            {"sla.windows": PERIODS},
            "windows",
            "10 of 40 periods of 60 s miss the promise (25.0 %), 40.00 % satisfied in the worst",
        ),
        (
            {"sla.windows": PERIODS | {"window_s": None, "window_requests": 1000}},
            "windows",
            "10 of 40 stretches of 1,000 answers miss the promise (25.0 %), 40.00 % satisfied in the worst",
        ),
        ({"sla.windows": PERIODS | {"count": 0}}, "windows", "none: the run is shorter than periods of 60 s"),
        ({"cost.idle": None}, "cost", "12 kJ (500 J exploring)"),
        ({"cost.lost": 40.0}, "cost", "12 kJ (500 J exploring, 2,500 J idle, 40 J lost)"),
        ({"cost.unit": "USD", "cost.per_request": 0.0025}, "cost per request", "2.5 USD per 1,000 requests"),
        ({"cost.rent_usd_per_hour": 7.5}, "rent", "7.5 USD an hour for 10 GPUs"),
        (
            {"cost.rent_usd_per_hour": 7.5, "cost.fixed": True},
            "rent",
            "7.5 USD an hour for 10 GPUs, whatever the router does: only another fleet costs less",
        ),
        ({"cost.ratio_to_oracle": None, "pools": []}, "cost vs oracle", "none: nobody was answered, or more were"),
        ({"energy.measured": False}, "energy", "energy of some pools is assumed, not measured"),
        (
            {"throughput": {"duration_s": 63.5, "requests_per_s": 15.75, "output_tokens_per_s": 3174.0}},
            "throughput",
            "15.75 requests/s, 3,174 output tokens/s, over 63.5 s",
        ),
        ({"cost.usd_per_million_tokens": 0.4}, "price", "0.4 USD per million tokens"),
        (
            {"slo.attainment": 0.925, "slo.goodput_rps": 3.5},
            "SLO",
            "92.5 % within, goodput 3.5 requests/s",
        ),
        (
            {"cost.without_router": without(None, None, "too few requests")},
            "without router",
            "not simulated: too few requests",
        ),
        (
            {"cost.without_router": without(None, None)},
            "without router",
            "no model, and no fixed mix of them, keeps the promise",
        ),
        (
            {"cost.without_router": without(None, MIX)},
            "without router",
            "best fixed mix 15 J (49.50 % satisfied: missed, end-to-end p95 1.5 s); no model alone keeps the promise",
        ),
        (
            {"cost.without_router": without(SINGLE, MIX | {"kept": None})},
            "without router",
            "70b alone 20 J (end-to-end p95 583 s)\nbest fixed mix 15 J (end-to-end p95 1.5 s)",
        ),
        (
            {"cost.without_router": without(SINGLE | {"model": None} | UNKNOWN, MIX | {"kept": True} | UNKNOWN)},
            "without router",
            "each tenant its model alone 20 J\nbest fixed mix 15 J",
        ),
    ],
)
def test_a_figure_says_what_there_is(change, name, text):
    made = lines(**change)
    assert made[name].endswith(text) or made[name].startswith(text)
    assert set(made) == set(USUAL) | {name}


@pytest.mark.parametrize(
    ("change", "absent"),
    [
        ({"cost.ratio_to_oracle": None}, "cost vs oracle"),
        ({"energy.j_per_output_token": None}, "energy"),
        ({"transfers.begun": 0}, "transfers"),
    ],
)
def test_what_does_not_apply_has_no_line(change, absent):
    assert absent not in lines(**change)


def test_replicas_that_change_are_told_on_average():
    pools = summary_by_hand()["pools"]
    pools[1]["mean_replicas"] = 1.5
    made = lines(**{"cost.rent_usd_per_hour": 7.5, "pools": pools})["rent"]
    assert made == "7.5 USD an hour for 8.0 GPUs on average"


def rows(table, name, **changes):
    """The row of a table that begins with a name."""
    return next(row for row in cells(table(summary_by_hand(**changes))) if row[0] == name)


def test_models_have_shares_costs_and_where_their_energy_comes_from():
    assert rows(_models, "model") == ["model", "answered", "share", "satisfied", "J/request", "utilisation", "energy"]
    assert rows(_models, "8b") == ["8b", "742", "75.0 %", "50.0 %", "10", "40.0 %", "measured"]
    assert rows(_models, "70b") == ["70b", "248", "25.0 %", "80.0 %", "20.5", "40.0 %", "assumed"]
    assert rows(_models, "8b", **{"cost.unit": "USD"})[4] == "10,000"
    models = summary_by_hand()["models"]
    models[0] |= {"energy_j": 0.0, "cost_per_request": None}
    models[1] |= {"energy_j": 0.0, "idle_energy_j": 0.0}
    assert rows(_models, "8b", models=models)[4:] == ["-", "40.0 %", "measured"], "it idles"
    assert rows(_models, "70b", models=models)[6] == "-"
    assert rows(_models, "8b", pools=[]) == ["8b", "742", "75.0 %", "50.0 %", "10"]


def test_latencies_have_half_of_their_interval_where_they_have_a_long_run():
    assert rows(_latencies, "latency") == ["latency", "mean", "p50", "p90", "p95", "p99"]
    assert rows(_latencies, "TTFT") == ["TTFT", "150 ms", "100 ms", "200 ms", "250 ms", "300 ms"]
    assert rows(_latencies, "TPOT") == ["TPOT", *["-"] * 5]
    assert rows(_latencies, "end to end")[4] == "2.5 s"
    known = {"low": 0.1, "high": 0.2, "warning": "too few batches"}
    intervals = {"ttft": known, "tpot": None, "e2e": known | {"low": None}, "queueing": known | {"warning": None}}
    changes = {"intervals.latency_s": intervals}
    assert rows(_latencies, "latency", **changes)[:3] == ["latency", "mean", "± 95 %"]
    assert rows(_latencies, "TTFT", **changes)[:3] == ["TTFT", "150 ms", "50 ms"]
    assert rows(_latencies, "end to end", **changes)[2] == "-"
    assert "note: TTFT, end to end: too few batches" in shown(_latencies(summary_by_hand(**changes)))


def test_tenants_have_a_table_where_there_are_several():
    tenants = [tenant_by_hand("gold", alpha=0.9), tenant_by_hand("rest", certificate=None, answered=1234)]
    head = ["tenant", "answered", "promised", "satisfied", "certificate", "TTFT p95"]
    assert rows(_tenants, "tenant", tenants=tenants) == head
    assert rows(_tenants, "gold", tenants=tenants) == ["gold", "990", "90.0 %", "60.0 %", "55.0 %", "250 ms"]
    assert rows(_tenants, "rest", tenants=tenants) == ["rest", "1,234", "50.0 %", "60.0 %", "-", "250 ms"]
    tenants[0] = merged(tenants[0], {"slo.attainment": 0.75, "slo.goodput_rps": 2.5})
    assert rows(_tenants, "tenant", tenants=tenants) == [*head, "in time", "goodput"]
    assert rows(_tenants, "gold", tenants=tenants)[6:] == ["75.0 %", "2.5/s"]
    assert "promised  satisfied" in shown(run_summary(summary_by_hand(tenants=tenants), []))
    assert "promised  satisfied" not in shown(run_summary(summary_by_hand(), []))


def test_of_many_tenants_those_with_the_least_margin_are_shown_in_their_order():
    tenants = [tenant_by_hand(f"t{k}", margin=None if k == 0 else 0.1 - k / 1000) for k in range(22)]
    tenants[5] = tenant_by_hand("t5", margin=-0.2)
    text = shown(_tenants(summary_by_hand(tenants=tenants))).splitlines()
    names = [line.split()[0] for line in text[1:-1]]
    assert names == [f"t{k}" for k in range(2, 22)]  # t0 was never answered, t1 has the largest margin
    assert text[-1].strip() == "the 20 of 22 tenants with the least margin"
    assert "least margin" not in shown(_tenants(summary_by_hand(tenants=tenants[:20])))


def test_the_queues_of_several_tenants_are_a_sum_and_a_largest():
    tenants = [tenant_by_hand("gold"), tenant_by_hand("rest")]
    assert lines(tenants=tenants)["virtual queue"] == "1.5 at the end over all 2 tenants, 20 at most for one"


# ---- what routing can save ------------------------------------------------------------------------------


def test_bounds_go_from_who_knows_least_to_who_knows_all():
    assert bounds_of(WORTH) == [
        ["best single model, 70b", "20 J"],
        ["best fixed mix", "15 J"],
        ["knows each request's cost", "14 J"],
        ["knows what features tell", "12 J"],
        ["knows every outcome", "10 J"],
    ]
    none = WORTH | {"best_single": {"model": None, "per_request": None}, "unit": "USD", "features": None}
    assert bounds_of(none)[0] == ["best single model", "-"]
    assert bounds_of(none)[1] == ["best fixed mix", "15,000 USD per 1,000 requests"]


def pool(name, batch, replicas=1, thin=True, model="m"):
    return {"name": name, "model": model, "batch": batch, "few": 8.0, "thin": thin, "replicas": replicas}


SAVES = "routing can save at most 50 % of the best choice made beforehand, of which features 25 % (expected costs)"
FURTHER = "what would help most: a promise further from what one model keeps alone, or models further apart in cost"
THIN = "sequences at once where it is busy: below 8 a request pays mostly for itself being alone"


@pytest.mark.parametrize(
    ("change", "pools", "sentences"),
    [
        ({}, [], [SAVES]),
        ({}, [pool("p", 2.0, thin=False)], [SAVES]),
        (
            {"can_save": None},
            [],
            ["routing cannot be judged by cost: no fixed choice of models keeps the promise"],
        ),
        ({"features_save": 0.124}, [], [SAVES.replace("25", "12"), "what would help most: features that tell more of"]),
        ({"features_save": 0.125}, [], [SAVES.replace("25", "12")]),
        ({"can_save": 0.1, "features_save": 0.1}, [], [SAVES.replace("50", "10").replace("25", "10")]),
        ({"can_save": 0.09, "features_save": 0.09}, [], [SAVES.replace("50", "9").replace("25", "9"), FURTHER]),
        (
            {"features_save": None, "no_features": "there are none"},
            [],
            [SAVES.replace("of which features 25 %", "what features would save is not known: there are none")],
        ),
        (
            {"features_save": None},
            [],
            [
                SAVES.replace(
                    "of which features 25 %", "what features would save is not known: they do not reach the promise"
                )
            ],
        ),
        (
            {"dominated": [{"model": "a", "by": "b"}]},
            [],
            [SAVES, "a is dominated: b satisfies no less often, at no more cost"],
        ),
        (
            {},
            [pool("p", 2.54), pool("q", 1.0)],
            [
                SAVES,
                f"pool p runs 2.5 {THIN}",
                f"pool q runs 1 {THIN}",
                "what would help most: more traffic, or a zoo without p: its replica idles or serves few at once",
            ],
        ),
        (
            {},
            [pool("p", 2.0, 3), pool("q", 1.5, 2), pool("r", 1.0, 1)],
            [
                SAVES,
                f"pool p runs 2 {THIN}",
                f"pool q runs 1.5 {THIN}",
                f"pool r runs 1 {THIN}",
                "what would help most: fewer replicas of q (1 instead of 2), which then run more at once",
            ],
        ),
        (
            {"dominated": [{"model": "a", "by": "b"}]},
            [pool("p", 2.0, 3, model="b"), pool("q", 2.0, 3, model="a")],
            [
                SAVES,
                "a is dominated: b satisfies no less often, at no more cost",
                f"pool p runs 2 {THIN}",
                f"pool q runs 2 {THIN}",
                "what would help most: a zoo without a, whose replicas serve few at once and which another model",
            ],
        ),
    ],
)
def test_what_routing_can_save_and_what_would_help(change, pools, sentences):
    made = sentences_of(WORTH | change, pools)
    assert len(made) == len(sentences)
    assert [m.startswith(s) for m, s in zip(made, sentences, strict=True)] == [True] * len(made), made


# ---- one decision ---------------------------------------------------------------------------------------

RECORD = {
    "tenant": "gold",
    "status": "completed",
    "model": "70b",
    "replica": 3,
    "satisfied": 0.5,
    "prompt_tokens": 1200,
    "output_tokens": 34,
    "arrival_s": 10.0,
    "first_token_s": 10.25,
    "finish_s": 12.5,
    "energy_j": 20_000.0,
}
SCORED = {"name": "8b", "score": 0.25, "cost": 3.0, "v_cost": 0.5, "q_shortfall": 2.0, "total": 2.5, "chosen": False}
EXPLAINED = {
    "request": 1234,
    "instance": None,
    "instances": 1,
    "step": 1300,
    "how": "chosen by the policy",
    "alpha": 0.6,
    "queue": 12.5,
    "V": 1e-4,
    "models": [
        SCORED,
        SCORED | {"name": "70b", "score": 0.75, "cost": None, "v_cost": None, "total": None, "chosen": True},
    ],
    "record": RECORD,
}


def test_a_decision_is_told_with_its_terms_and_its_end():
    assert shown(explanation(EXPLAINED)).splitlines() == [
        "request 1,234 of tenant gold, decision 1,300: chosen by the policy",
        "alpha = 0.6, Q = 12.5, V = 0.0001; least V cost + Q (alpha - score) wins",
        "",
        "   model   score  cost  V cost  Q (alpha - score)  sum",
        "   8b     0.2500     3     0.5                  2  2.5",
        ">  70b    0.7500     -       -                  2    -",
        "",
        "70b on replica 3: 1,200 prompt and 34 output tokens, first token after 250 ms, done after 2.5 s, 20 kJ; "
        "it satisfied",
    ]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"instance": 2_000, "instances": 3_000}, "decision 1,300 of instance 2,000 (of 3,000): chosen"),
        ({"V": None}, "alpha = 0.6, Q = 12.5\n"),
        ({"models": [SCORED | {"q_shortfall": -0.0}]}, "8b     0.2500     3     0.5                  0  2.5"),
        ({"record": RECORD | {"satisfied": 0.49}}, "it did not satisfy"),
        ({"record": RECORD | {"replica": None}}, "\n70b: 1,200 prompt"),
        ({"record": RECORD | {"status": "timed_out"}}, "\ntimed out at 70b"),
    ],
)
def test_a_decision_says_what_there_is(change, text):
    assert text in shown(explanation(EXPLAINED | change))


def test_of_many_dominated_models_the_first_are_named():
    many = [{"model": f"m{k}", "by": "best"} for k in range(29)]
    text = sentences_of(WORTH | {"dominated": many}, [])
    assert [sentence for sentence in text if "is dominated" in sentence] == [
        f"m{k} is dominated: best satisfies no less often, at no more cost" for k in range(3)
    ]
    assert "so are 26 more of the models" in text
    assert "so is 1 more of the models" in sentences_of(WORTH | {"dominated": many[:4]}, [])
    assert not [sentence for sentence in sentences_of(WORTH | {"dominated": many[:3]}, []) if "more of" in sentence]
