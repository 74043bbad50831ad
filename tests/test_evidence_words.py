"""Tables of verification, of the paper and of logs, of results that are made by hand."""

import pytest
from runs import cells, shown

from messsim.report.logs.importing import import_summary, outcomes_summary
from messsim.report.logs.replay import replayed
from messsim.report.reproduce.paper import cost_table, paper_csv, paper_table, paper_tables, provider_table
from messsim.report.reproduce.theory_plots import _powers
from messsim.report.verification import verification, verification_page


def span(mean, half=None):
    ends = (None, None) if half is None else (mean - half, mean + half)
    return {"mean": mean, "low": ends[0], "high": ends[1], "count": 5}


# ---- verification ---------------------------------------------------------------------------------------

CASE = {
    "name": "wait",
    "unit": "s",
    "theory": -2.0,
    "simulated": -2.02,
    "ci_low": -2.1,
    "ci_high": -1.9,
    "relative_error": 0.01,
    "relative_half_width": 0.05,
    "bias": 0.01,
    "passed": True,
    "agrees": True,
    "timing": True,
}
VERIFIED = {
    "engine": "compiled",
    "seed": 7,
    "replications": 30,
    "requests": 1_234_567,
    "family_level": 0.95,
    "level": 0.99875,
    "widest": 0.02,
    "slow_server": 1.0,
    "records": [],
}
ROW = ["wait, s", "-2", "-2.02", "-2.1", "-1.9", "+1.00 %", "5.00 %", "0.5 %", "agrees"]


def verified(*cases, **changes):
    return VERIFIED | {"cases": [CASE | c for c in cases]} | changes


def test_each_case_has_a_row_and_all_a_verdict():
    made = cells(verification(verified({})))
    assert made[1] == ROW
    assert made[2] == ["all 1 cases agree with theory"]
    assert made[3][0].startswith("compiled engine, seed 7: 30 replications of each scenario, 1,234,567 requests in")
    text = " ".join(" ".join(row) for row in made[3:])
    assert "with probability 95 % (99.875 % each)" in text
    assert text.endswith("the half-width is at most 2 % of theory.")


@pytest.mark.parametrize(
    ("change", "column", "cell"),
    [
        ({"unit": ""}, 0, "wait"),
        ({"bias": 0.0}, 7, "0"),
        ({"passed": False}, 8, "too wide"),
        ({"passed": False, "agrees": False}, 8, "DIFFERS"),
    ],
)
def test_a_case_says_how_it_ended(change, column, cell):
    made = cells(verification(verified(change, {})))
    assert made[1][column] == cell
    assert made[3] == ["1 of 2 cases failed" if "passed" in change else "all 2 cases agree with theory"]


def test_a_slowed_server_is_to_be_noticed_by_the_cases_of_time():
    cases = [{"agrees": False}, {"name": "late"}, {"timing": False, "name": "count"}]
    made = shown(verification(verified(*cases, slow_server=1.02)), 300)
    assert (
        "every server takes 1.02 times as long as theory is told: noticed by 1 of 2 timing cases; not by: late\n"
        in made
    )
    made = shown(verification(verified({"agrees": False}, slow_server=1.02)), 300)
    assert "noticed by 1 of 1 timing cases\n" in made


def test_the_page_has_the_same_table():
    lines = verification_page(verified({})).splitlines()
    assert lines[2:5] == [
        "| case | theory | simulated | from | to | error | half-width | bias | verdict |",
        "| --- | --: | --: | --: | --: | --: | --: | --: | --- |",
        f"| {' | '.join(ROW)} |",
    ]


# ---- the paper ------------------------------------------------------------------------------------------


def paper():
    runs = {
        "c": 0.1,
        "paper": {"satisfaction": span(0.61, 0.01), "cost_mj": span(1.5, 0.25)},
        "whole": {"satisfaction": span(0.62), "cost_mj": span(2.5, 0.5)},
        "shares": {"1B": 0.5, "8B": 0.3, "70B": 0.2},
        "explored": 12.0,
        "kept": 3,
        "less_than_published": 0.25,
        "ratio_to_oracle": 1.25,
    }
    benchmark = {
        "name": "arc",
        "title": "ARC",
        "alpha": 0.6,
        "requests": 100,
        "published": {"satisfaction": 0.6234, "shares": {"1B": 0.1, "8B": 0.2, "70B": 0.7}},
        "best_single": {"model": "8B", "cost_mj": 1.75},
        "runs": [runs, runs | {"c": 1.0}],
    }
    other = benchmark | {"published": {"satisfaction": 0.5, "shares": None}, "best_single": {"model": None}}
    costs = {"ours": [{"c": 0.1, "paper_mj": 1.25, "whole_mj": 2.75}], "published_mj": 1.5, "rivals_mj": [2.0, 3.0]}
    return {"replications": 5, "benchmarks": [benchmark, other | {"runs": [runs]}], "mean_cost": costs, "missing": []}


def test_the_papers_benchmarks_on_a_terminal():
    text = " ".join(shown(paper_tables(paper())).split())
    assert text.count("ARC") == 3
    assert "mean over 2 benchmarks at c = 0.1: 1.25 MJ without exploring, 2.75 with" in text
    assert "published: 1.50 MJ without exploring, 2.00 and 3.00 of its rivals" in text
    assert "interval over 5 replications" in text
    assert "not in" not in text
    lacking = paper() | {"data": "here", "missing": ["a", "b"]}
    assert "not in here: a, b" in shown(paper_tables(lacking))


def rows_of(markdown):
    return [line.replace("\u00a0", " ").strip("| ").split(" | ") for line in markdown.splitlines()]


def test_the_papers_accounting_stands_beside_what_was_published():
    made = rows_of(paper_table(paper()))
    assert made[1] == ["---", *["---:"] * 7]
    assert made[2] == ["ARC", "60 %", "0.1", "61.00 ± 1.00 %", "62.34 %", "20/30/50", "70/20/10", "1.50 ± 0.25"]
    assert [row[2] for row in made[2:]] == ["0.1", "1", "0.1"]
    assert made[4][6] == "-"
    made = rows_of(provider_table(paper()))
    assert made[2] == ["ARC", "0.1", "62.00 %", "3 of 5", "2.50 ± 0.50", "1.75 (8B)", "1.25"]
    assert made[4][5] == "none"
    assert rows_of(cost_table(paper()))[2:] == [
        ["here, c = 0.1", "1.25", "2.75"],
        ["published, MESS+", "1.50"],
        ["published, a rival", "2.00"],
        ["published, a rival", "3.00"],
    ]


def test_the_papers_figures_as_csv():
    head, first, *_ = paper_csv(paper()).splitlines()
    row = dict(zip(head.split(","), first.split(","), strict=True))
    assert row["paper_satisfaction_low"] == "0.6"
    assert row["paper_cost_mj_high"] == "1.75"
    assert row["whole_satisfaction_low"] == ""
    assert row["whole_cost_mj_mean"] == "2.5"
    assert row["share_70B"] == "0.2"
    assert (row["kept"], row["explored"], row["c"], row["alpha"]) == ("3", "12.0", "0.1", "0.6")
    assert row["published_satisfaction"] == "0.6234"


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([1.0, 30.0], [1, 2, 5, 10, 20, 50, 100, 200, 500]),
        ([1.0, 31.0], [1, 10, 100]),
        ([0.05, 0.2], [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5]),
    ],
)
def test_ticks_are_powers_of_ten_or_their_parts_where_they_would_be_few(values, ticks):
    assert _powers(values)["values"] == pytest.approx(ticks)


# ---- logs -----------------------------------------------------------------------------------------------

TOKENS = {"mean": 12.5, "p50": 1000.0, "p99": 2000.0, "max": 3000.0}
IMPORTED = {
    "requests": 1234,
    "duration_s": 90.0,
    "rate_rps": 2.5,
    "prompt_tokens": TOKENS,
    "output_tokens": TOKENS | {"mean": 1.0},
    "notes": ["a note"],
}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({}, "1,234 in 90 s, 2.5 requests/s"),
        ({"rate_rps": None}, "1,234, all at one time"),
        ({"rate_rps": None, "duration_s": None}, "1,234, without times"),
    ],
)
def test_what_was_imported(change, text):
    assert cells(import_summary(IMPORTED | change)) == [
        ["requests", text],
        ["prompt tokens", "mean 12.5, p50 1,000, p99 2,000, max 3,000"],
        ["output tokens", "mean 1, p50 1,000, p99 2,000, max 3,000"],
        ["note: a note"],
    ]


def test_outcomes_that_were_imported():
    assert cells(outcomes_summary(1234, {"8b": 0.6}, ["a note"])) == [
        ["prompts", "1,234"],
        ["8b", "satisfies 60.0 %"],
        ["note: a note"],
    ]


ROUTER = {
    "requests": 1234,
    "rated": 1000,
    "satisfaction": 0.6,
    "shortfall": 0.0125,
    "time_to_compliance": 2000,
    "cost_per_request": 2.5,
    "exploration_cost": 3.5,
    "shares": [0.75, 0.25],
}
SHADOW = {
    "agreement": 0.5,
    "shares": [0.5, 0.5],
    "cost_per_request": 2.25,
    "queue_final": 12.5,
    "log_loss": 0.625,
    "auc": None,
    "ips": None,
}
REPLAYED = {
    "requests": 1234,
    "alpha": 0.55,
    "V": 1e-4,
    "kind": "random",
    "models": ["8b", "70b"],
    "logged": ROUTER,
    "mess_plus": None,
    "shadow": SHADOW,
    "notes": ["a note"],
    "refused": [{"what": "a figure", "why": "because"}],
}


def test_a_log_that_is_replayed():
    assert cells(replayed(REPLAYED)) == [
        [
            "1,234 requests, 55.00 % promised, V = 0.0001: the log's router chose at random: the requests on which "
            "MESS+ agrees are a fair sample"
        ],
        ["router", "requests", "rated", "satisfied", "short by", "kept from", "cost a request", "cost of exploring"],
        ["logged", "1,234", "1,000", "60.00 %", "1.25 %", "2,000", "2.5", "3.5"],
        ["agreement", "50.0 %"],
        ["cost of its choices", "2.25 a request, by expected costs"],
        ["queue Q at the end", "12.5, from the answers that users got"],
        ["predictor", "log loss 0.625, AUC -"],
        ["who answers", "8b", "70b"],
        ["logged", "75.0 %", "25.0 %"],
        ["mess+ in shadow", "50.0 %", "50.0 %"],
        ["note: a note"],
        ["refused: a figure"],
        ["because"],
    ]


def test_a_log_with_every_outcome_knows_what_mess_plus_would_have_done():
    baselines = {"best_single": None, "static_mix_per_request": 2.0, "oracle_per_request": 1.5, "ratio_to_oracle": 1.25}
    every = {"mess_plus": ROUTER | {"time_to_compliance": None}, "shadow": None, "kind": "all outcomes"}
    made = cells(replayed(REPLAYED | every | {"baselines": baselines}))
    assert [row[0] for row in made[2:4]] == ["logged", "mess+"]
    assert made[3][5] == "never"
    assert "mess+ in shadow" not in [row[0] for row in made]
    assert made[7:11] == [
        ["best single model", "no model keeps the promise alone"],
        ["best fixed mix", "2"],
        ["oracle", "1.5"],
        ["mess+ / oracle", "1.25 at its own satisfaction"],
    ]
    single = {"model": "8b", "cost_per_request": 1.75}
    made = cells(replayed(REPLAYED | {"baselines": baselines | {"best_single": single}}))
    assert ["best single model", "1.75 (8b)"] in made


def test_inverse_propensities_have_their_error_and_worth():
    ips = {"satisfaction": 0.6, "standard_error": 0.0125, "effective_sample_size": 1234.4}
    made = cells(replayed(REPLAYED | {"shadow": SHADOW | {"ips": ips}}))
    assert ["satisfied, by inverse propensity", "60.00 %, error 1.25 %, worth 1,234 requests"] in made
