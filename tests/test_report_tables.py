"""Tables of comparisons, fleets and convergence, of results that are made by hand."""

import pytest
from runs import cells, shown

from messsim.report.compare.comparison import (
    _differences,
    _kept,
    _latency,
    _point,
    _promise,
    _shares,
    comparison_so_far,
    comparison_tables,
)
from messsim.report.compare.fleets import fleet_tables
from messsim.report.convergence import _ends, _since, _tiles, convergence_table
from messsim.study.runs.so_far import SoFar

# ---- comparisons ----------------------------------------------------------------------------------------


def span(mean, half=None, count=5):
    ends = (None, None) if half is None else (mean - half, mean + half)
    return {"mean": mean, "low": ends[0], "high": ends[1], "count": count}


PATHS = (
    *("sla.satisfaction", "sla.satisfaction_per_arrived", "sla.shortfall", "sla.windows.worst"),
    *("sla.time_to_compliance", "cost.per_request", "cost.per_request_without_exploration"),
    *("cost.ratio_to_simulated_oracle", "cost.ratio_to_statistical_oracle", "energy.total_j"),
    *(f"requests.{how}" for how in ("rejected", "lost", "timed_out")),
    *(f"latency_s.{kind}.{at}" for kind in ("ttft", "e2e") for at in ("p50", "p95", "p99")),
    *("models.8b.share", "models.70b.share"),
)
NONE = dict.fromkeys(PATHS)
FIGURES = NONE | {
    "sla.satisfaction": span(0.6, 0.01),
    "sla.satisfaction_per_arrived": span(0.55),
    "sla.shortfall": span(0.0025),
    "sla.windows.worst": span(0.4),
    "sla.time_to_compliance": span(1234.0, count=4),
    "cost.per_request": span(2.5, 0.25),
    "cost.per_request_without_exploration": span(2.25),
    "cost.ratio_to_simulated_oracle": span(1.5),
    "cost.ratio_to_statistical_oracle": span(1.25),
    "energy.total_j": span(20_000.0),
    "latency_s.ttft.p50": span(0.1),
    "latency_s.ttft.p95": span(0.2, 0.05),
    "latency_s.ttft.p99": span(0.3),
    "latency_s.e2e.p50": span(1.0),
    "latency_s.e2e.p95": span(2.0, 0.5),
    "latency_s.e2e.p99": span(3.0),
    "models.8b.share": span(0.75),
    "models.70b.share": span(0.25),
}
LESS = NONE | {
    "sla.satisfaction": span(-0.025, 0.01),
    "cost.per_request": span(2.5, 0.25),
    "latency_s.ttft.p95": span(-0.0125, 0.01),
    "latency_s.e2e.p95": span(0.5),
}
FIRST = {"name": "mess+", "figures": FIGURES, "difference": None}
SECOND = {"name": "random", "figures": NONE, "difference": LESS}


def compared(*policies, **changes):
    data = {
        "scenario": "s",
        "alpha": 0.55,
        "cost_unit": "J",
        "rent_usd_per_hour": None,
        "cost_fixed": False,
        "gpus": 12,
        "replications": 5,
        "models": ["8b", "70b"],
        "policies": list(policies) or [FIRST, SECOND],
    }
    return data | changes


def test_promise_and_cost_of_each_policy():
    assert cells(_promise([FIRST, SECOND], "J", 5)) == [
        [
            *("policy", "satisfied", "short by", "worst window", "kept from"),
            *("J/request", "unexplored", "x oracle", "x statistical"),
        ],
        ["mess+", "60.00 % ± 1", "0.25 %", "40.0 %", "1,234 (4 of 5)", "2.5 ± 0.25", "2.25", "1.5", "1.25"],
        ["random", "-", "-", "-", "never", "-", "-", "-", "-"],
    ]


def test_of_arrivals_is_told_where_some_were_not_answered():
    lossy = FIRST | {"figures": FIGURES | {"requests.lost": span(0.5)}}
    assert [row[2] for row in cells(_promise([lossy], "J", 5))] == ["of arrivals", "55.0 %"]
    none = FIRST | {"figures": FIGURES | {"requests.lost": span(0.0)}}
    assert cells(_promise([none], "J", 5))[0][2] == "short by"


def test_money_is_of_a_thousand_requests():
    made = cells(_promise([FIRST], "USD", 5))
    assert made[0][5] == "USD/1,000 requests"
    assert made[1][5:7] == ["2,500 ± 250", "2,250"]


@pytest.mark.parametrize(
    ("interval", "text"), [(None, "never"), (span(1234.0), "1,234"), (span(0.0, count=1), "0 (1 of 5)")]
)
def test_from_when_the_promise_is_kept(interval, text):
    assert _kept(interval, 5) == text


def test_latencies_and_shares_of_each_policy():
    assert cells(_latency([FIRST])) == [
        ["policy", *(f"{kind} {p}" for kind in ("TTFT", "end-to-end") for p in ("p50", "p95", "p99")), "energy"],
        ["mess+", "100 ms", "200 ms", "300 ms", "1 s", "2 s", "3 s", "20 kJ"],
    ]
    assert cells(_shares([FIRST], ["8b", "70b"])) == [["policy", "8b", "70b"], ["mess+", "75.0 %", "25.0 %"]]


def test_differences_have_signs_and_stand_against_the_first():
    assert cells(_differences([FIRST, SECOND], "J")) == [
        ["against mess+", "satisfied", "J/request", "TTFT p95", "end-to-end p95"],
        ["random", "-2.50 points ± 1", "+2.5 ± 0.25", "-0.0125 s ± 0.01", "+0.5 s"],
    ]
    cheaper = SECOND | {"difference": LESS | {"cost.per_request": span(-0.002, 0.001)}}
    assert cells(_differences([FIRST, cheaper], "USD"))[1][2] == "-2 ± 1"
    alike = SECOND | {"difference": LESS | {"cost.per_request": span(0.0)}}
    assert cells(_differences([FIRST, alike], "J"))[1][2] == "0"


@pytest.mark.parametrize(
    ("made", "first", "last"),
    [
        (
            compared(),
            "s: 2 policies on the same 5 replications, 55.00 % promised",
            "± is half of a 95 % interval over 5 replications",
        ),
        (
            compared(replications=1),
            "s: 2 policies on the same 1 replication, 55.00 % promised",
            "one replication says nothing of chance: --seeds 5 gives intervals",
        ),
        (
            compared(rent_usd_per_hour=7.5),
            "s: 2 policies on the same 5 replications, 55.00 % promised, on 12 GPUs at 7.5 USD an hour",
            "± is half of a 95 % interval over 5 replications",
        ),
    ],
)
def test_a_comparison_begins_with_what_it_is_of_and_ends_with_how_sure_it_is(made, first, last):
    text = shown(comparison_tables(made)).splitlines()
    assert (text[0], text[-1]) == (first, last)


def test_a_comparison_says_that_rent_is_the_cost_and_one_policy_is_compared_with_none():
    text = shown(comparison_tables(compared(rent_usd_per_hour=7.5, cost_fixed=True))).splitlines()
    assert text[1] == "the rent is the cost, whatever the router does: only another fleet costs less"
    assert [line for line in text if line.startswith("against mess+")]
    assert not [line for line in shown(comparison_tables(compared(FIRST))).splitlines() if line.startswith("against")]


def test_what_is_known_so_far_is_of_the_last_points():
    known = [SoFar(f"p{k}", 3, 2, 0.6, 0.0025) for k in range(12)]
    made = cells(comparison_so_far(known, "USD"))
    assert made[0] == ["so far", "runs", "kept in", "satisfied", "USD/1,000 requests"]
    assert made[1] == ["p0", "3", "2", "60.00 %", "2.5"]
    made = cells(comparison_so_far([*known, SoFar("last", 1, 0, None, None)], "J"))
    assert made[0][0] == "so far (1 more)"
    assert (made[1][0], made[-1]) == ("p1", ["last", "1", "0", "-", "-"])


def test_a_point_of_the_picture_has_the_ends_of_both_intervals():
    assert _point(FIRST, 1000.0) == ("mess+", 0.6, 0.59, 0.61, 2500.0, 2250.0, 2750.0)
    single = FIRST | {"figures": FIGURES | {"cost.per_request": span(2.5)}}
    assert _point(single, 1.0)[4:] == (2.5, None, None)
    assert _point(SECOND, 1.0) is None


# ---- fleets ---------------------------------------------------------------------------------------------


def test_fleets_are_told_side_by_side_and_in_words():
    pools = [{"pool": "8b", "gpu": "H100", "tp": 1, "replicas": 2}]
    figures = {
        "sla.satisfaction": span(0.6),
        "cost.per_request": span(0.0025, 0.001),
        "latency_s.e2e.p95": span(2.0, 0.5),
    }
    best = {"gpus": 1002, "objective": 5.0, "figures": figures, "kept": 4, "pools": pools}
    plans = [
        {"policy": "mess+", "plan": {"best": best, "assumptions": ["checked: x", "an assumption"]}},
        {"policy": "random", "plan": {"best": None, "status": "failed", "assumptions": ["an assumption", "another"]}},
    ]
    made = {"scenario": "s", "requirements": ["a<1", "b<2"], "unit": "USD/h", "cost_unit": "USD", "replications": 5}
    assert cells(fleet_tables(made | {"policies": plans})) == [
        ["s: for each policy the cheapest fleet with a<1, b<2"],
        ["policy", "GPUs", "USD/h", "satisfied", "kept", "USD/1,000 requests", "end-to-end p95, s"],
        ["mess+", "1,002", "5", "60.00 %", "4 of 5", "2.5 ± 1", "2 ± 0.5"],
        ["random", *["-"] * 6],
        ["mess+: 8b 2 x H100"],
        ["random: no cluster of these keeps every requirement"],
        ["± is half of a 95 % interval over 5 replications, the same requests for all"],
        ["an assumption"],
        ["another"],
    ]
    alone = cells(fleet_tables(made | {"policies": plans, "replications": 1}))
    assert ["one replication says nothing of chance: --seeds 5 gives intervals"] in alone


# ---- convergence ----------------------------------------------------------------------------------------


def quantiles(*values):
    return dict(zip(("p05", "p25", "p50", "p75", "p95"), values, strict=True))


CONVERGED = {
    "alpha": 0.55,
    "cost_unit": "USD",
    "replications": 20,
    "kept": {"runs": 19, "share": 0.95, "low": 0.75, "high": 0.999},
    "time_to_compliance": {"never": 1} | quantiles(10.0, 20.0, 3000.0, 40.0, None),
    "end": {
        "satisfaction": span(0.6, 0.01) | quantiles(0.51, 0.52, 0.53, 0.54, 0.65),
        "certificate": None,
        "queue": span(5.0, 0.5) | quantiles(1.0, 2.0, 3.0, 4.0, 9.0),
        "cost_per_request": span(0.0025, 0.001) | quantiles(0.001, 0.002, 0.003, 0.004, 0.005),
    },
}


def test_a_convergence_study_on_the_terminal():
    assert cells(convergence_table(CONVERGED)) == [
        ["SLA of 55.00 % satisfying answers kept in 19 of 20 runs"],
        ["true probability", "75.0 % to 99.9 % (95 % interval)"],
        ["kept for good", "5 % of runs from request 10, 50 % of runs from request 3,000, 1 never"],
        ["at the end", "mean", "5 %", "25 %", "50 %", "75 %", "95 %"],
        ["satisfied", "60.00 % ± 1", "51.00 %", "52.00 %", "53.00 %", "54.00 %", "65.00 %"],
        ["virtual queue", "5 ± 0.5", "1", "2", "3", "4", "9"],
        ["cost of an answer", "2.5 USD per 1,000 requests ± 1"] + [f"{n} USD per 1,000 requests" for n in range(1, 6)],
    ]


@pytest.mark.parametrize(
    ("since", "text"),
    [
        ({"never": 20} | quantiles(None, None, None, None, None), "20 never"),
        ({"never": 0} | quantiles(None, None, None, None, None), "never"),
        (
            {"never": 0} | quantiles(0.0, 0.0, 1.0, 2.0, 3.0),
            "5 % of runs from request 0, 50 % of runs from request 1, 95 % of runs from request 3",
        ),
    ],
)
def test_since_when_runs_keep_their_promise(since, text):
    assert _since(CONVERGED | {"time_to_compliance": since}) == text


def test_tiles_of_a_convergence_study():
    assert [(t.name, t.value, t.note) for t in _tiles(CONVERGED)] == [
        ("Half keep it from request", "3,000", "on, to their end"),
        ("95 % keep it", "fewer do", "from some request to their end"),
        ("Satisfied at the end", "60.00 %", "90 % of runs: 51.00 % to 65.00 %"),
        ("Virtual queue at the end", "5", "95 % of runs: 9 at most"),
        ("Cost of an answer", "2.5 USD per 1,000 requests", "90 % of runs: 1 to 5"),
    ]
    none = CONVERGED | {"end": dict.fromkeys(CONVERGED["end"])}
    assert len(_tiles(none)) == 2
    assert _ends(none) == []
