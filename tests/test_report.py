"""What people see: tables that fit, figures in few digits, verdicts, and the progress bar."""

import io
import math
import re

import pytest
from builders import ALWAYS, COEFFICIENTS, NEVER, model, run, scenario, trace
from rich.console import Console

from messsim.engines import Progress
from messsim.report.base import progress
from messsim.report.base.progress import curve, known_bar, progress_bar
from messsim.report.base.screen import Screen
from messsim.report.base.tables import Fitting, number, percent, seconds
from messsim.report.compare.comparison import comparison_so_far
from messsim.report.plan.answer import best_so_far
from messsim.report.run.checklist import _models, _pools
from messsim.report.run.summary import _rent, _rival, run_summary
from messsim.scenario import parse
from messsim.study.challenge.routers import challenge
from messsim.study.compare.policies import compare as compare_all
from messsim.study.converge.convergence import converge
from messsim.study.plan.candidates import axes_of
from messsim.study.plan.cheapest import plan
from messsim.study.plan.goal import Goal
from messsim.study.replicate import StoppingRule, replicate
from messsim.study.runs.so_far import SoFar, so_far, telling
from messsim.study.sweep import sweep
from messsim.wording import cost, cost_heading, half_width, per_request, plain, rate


def shown(renderable, width: int = 80) -> str:
    console = Console(width=width, file=io.StringIO())
    console.print(renderable)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


# ---- figures --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.0, "0 J"),
        (1.23456, "1.235 J"),
        (999.94, "999.9 J"),
        (1000.0, "1,000 J"),
        (1234.5, "1,234 J"),
        (-2e6, "-2,000,000 J"),
    ],
)
def test_numbers_have_four_digits(value, text):
    assert number(value, "J") == text
    assert number(value) == text.removesuffix(" J")


def test_shares_and_times():
    assert [percent(None), percent(0.1234), percent(0.1239, 2), percent(1.0, 0)] == ["-", "12.3 %", "12.39 %", "100 %"]
    times = [None, 0.0, 0.0123, 0.9994, 0.9996, 1.0, 61.234, 999.7, 12345.6]
    texts = ["-", "0 ms", "12.3 ms", "999 ms", "1 s", "1 s", "61.2 s", "16.7 min", "3.43 h"]
    assert [seconds(t) for t in times] == texts
    assert [seconds(t) for t in (35_164, 259_200, 9e8, 1.25e-5, 5.6e-17, -2)] == [
        *("9.77 h", "3 days", "10,417 days", "12.5 µs", "0 ms", "-2 s")
    ]


def test_what_rounding_leaves_is_nothing():
    assert [number(5.6e-17, "J"), number(-1e-13), half_width(3e-17), number(1e-9)] == ["0 J", "0", "0", "1e-09"]


def test_costs_have_units_that_people_use():
    assert [cost(2e6, "J"), cost(9999, "J"), cost(12_600, "J"), cost(None, "J")] == [
        *("2 MJ", "9,999 J", "12.6 kJ", "-")
    ]
    assert [cost(3.2e10, "J"), cost(-126_000, "J"), cost(5e12, "J")] == ["32 GJ", "-126 kJ", "5 TJ"]
    assert [per_request(0.0123, "USD"), per_request(195.2, "J")] == ["12.3 USD per 1,000 requests", "195.2 J"]
    assert [cost(0.5, "USD"), cost_heading("USD"), cost_heading("J")] == [
        *("0.5 USD", "USD/1,000 requests", "J/request")
    ]


# ---- tables ---------------------------------------------------------------------------------------------


def table() -> Fitting:
    made = Fitting(("name", "first", "second", "third"), spare=("third", "first"))
    made.add_row("a-long-name", "1", "22", "333")
    return made


WIDE = "name         first  second  third\na-long-name      1      22    333"


def test_a_wide_terminal_shows_all():
    assert shown(table(), 40) == WIDE


def test_columns_go_below_in_their_order_with_the_name():
    first = ["name         first  second", "a-long-name      1      22"]
    second = ["name         third", "a-long-name    333"]
    assert shown(table(), 31).splitlines() == [*first, "", *second]
    assert shown(table(), 24).splitlines() == [
        *("name         second", "a-long-name      22", ""),
        *("name         first", "a-long-name      1", ""),
        *("name         third", "a-long-name    333"),
    ]


def test_where_no_column_fits_beside_the_name_the_table_is_turned():
    lines = shown(table(), 16).splitlines()
    assert lines == ["name    a-long-n", "        ame", "first   1", "second  22", "third   333"]


@pytest.mark.parametrize("width", [20, 30, 60, 200])
def test_nothing_is_lost_at_any_width(width):
    made = Fitting(["name", *(f"column {i}" for i in range(12))], spare=["column 3"])
    made.add_row("x", *(f"cell-{i}" for i in range(12)))
    printed = "".join(shown(made, width).split())
    assert all(f"cell-{i}" in printed for i in range(12))


def test_a_pipe_gets_every_column_in_one_line(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    screen = Screen(stderr=True)
    monkeypatch.setattr("sys.stderr", io.StringIO())
    made = Fitting(["name", *(f"column {i}" for i in range(40))])
    made.add_row("x", *(f"cell-{i}" for i in range(40)))
    screen.print(made)
    assert len(screen.file.getvalue().splitlines()) == 2


# ---- the summary ----------------------------------------------------------------------------------------


def summary_shown(width: int = 100, **changes) -> str:
    r = run(scenario(**changes))
    return shown(run_summary(r.summary, r.setup.notes), width)


def test_a_promise_kept_and_one_missed():
    kept = summary_shown(models=[model("only", ALWAYS)])
    assert kept.startswith("SLA kept: 100.00 % of answers satisfy, 50.00 % promised (+50.00 points)\n")
    assert "kept for good     from request 0 on" in kept
    missed = summary_shown(models=[model("only", NEVER)])
    assert missed.startswith("SLA missed: 0.00 % of answers satisfy, 50.00 % promised (-50.00 points)\n")
    assert "kept for good     never" in missed
    assert "certificate       vacuous: the queue is longer than the promise" in missed


def test_with_tenants_the_worst_margin_counts():
    tenants = [{"name": "easy", "alpha": 0.1}, {"name": "hard", "alpha": 1.0}]
    text = summary_shown(tenants=tenants, models=[model("only", 0.6)])
    assert text.startswith("SLA missed: ")
    assert "100.00 % promised to hard (-" in text.splitlines()[0]


def test_cost_is_shown_against_the_oracle():
    assert "oracle" not in summary_shown()  # with servers it would be an expected cost beside a realised one
    alone = [
        {"name": n, "satisfaction": s, "cost_per_request": c} for n, s, c in [("a", NEVER, 1.0), ("b", ALWAYS, 5.0)]
    ]
    text = summary_shown(cluster={"mode": "none"}, models=alone, router={"policy": "largest"})
    assert "cost vs oracle    1 times the oracle's 5 J at equal satisfaction" in text


def test_nobody_was_answered(tmp_path):
    text = summary_shown(requests=None, horizon_s=1e-9)
    assert text.startswith("SLA: nobody was answered")
    text = summary_shown(feedback={"probability": 0.0})
    assert "certificate       none: no answer was rated" in text


def test_what_did_not_end_is_said():
    text = summary_shown(requests=None, horizon_s=0.8, arrivals={"kind": "poisson", "rate_rps": 40.0})
    assert " in flight, " in text
    text = summary_shown(cluster={"admission": {"max_waiting": 0}}, models=[model("only", max_num_seqs=1)])
    assert " rejected, " in text


def test_energy_that_is_assumed_is_called_so(tmp_path):
    text = summary_shown(models=[model("own", coefficients=COEFFICIENTS)])
    assert "J per output token; energy of some pools is assumed, not measured" in text
    (row,) = (line for line in text.splitlines() if line.startswith("own "))
    assert row.endswith(" assumed")


def test_an_api_has_no_energy_to_speak_of(tmp_path):
    api = {"name": "api", "satisfaction": 0.6, "kind": "api", "usd_per_million_output_tokens": 9.0}
    text = summary_shown(models=[api], cost={"unit": "USD"}, arrivals=trace(tmp_path, [0, 1]), requests=None)
    assert "per output token" not in text
    assert "assumed" not in text
    assert "USD per million tokens" in text


def test_objectives_are_told_where_they_are_stated():
    assert "SLO               100.0 % within, goodput" in summary_shown(slo={"ttft_s": 1e6})
    assert "SLO" not in summary_shown()


def test_the_hit_rate_is_told_where_there_is_a_prefix_cache():
    cached = [model("own", coefficients=COEFFICIENTS, prefix_cache=True)]
    share = {"prefixes": {"tokens": 100}, "tokens": {"prompt": 50, "output": 2}, "models": cached}
    (row,) = (line for line in summary_shown(**share).splitlines() if line.startswith("prefix cache"))
    assert re.fullmatch(r"prefix cache      held \d\d\.\d % of all prompt tokens", row)
    assert "prefix cache" not in summary_shown()


def test_notes_come_right_after_the_verdict():
    assert summary_shown(sla={"alpha": 0.9}).splitlines()[1].startswith("note: alpha = 0.9 is above the best model's")


# ---- progress -------------------------------------------------------------------------------------------


def at(requests: int, satisfaction: float, **more) -> Progress:
    return Progress(
        **({"total": 200, "time_s": 30.0, "horizon_s": None} | more),
        requests=requests,
        satisfaction=satisfaction,
        queue=12.345,
    )


def test_a_bar_tells_rate_share_satisfaction_and_queue():
    console = Console(width=100, file=io.StringIO(), force_terminal=True)
    with progress_bar(console, "my run") as tell:
        tell(at(50, 0.625))
    text = console.file.getvalue()
    for word in ("my run", "25 %", "requests/s", "satisfied 62.5 %", "Q 12.3"):
        assert word in text, word


def test_a_bar_of_a_horizon_goes_by_time_and_knows_what_it_does_not_know():
    console = Console(width=100, file=io.StringIO(), force_terminal=True)
    with progress_bar(console, "my run") as tell:
        tell(at(50, math.nan, total=None, horizon_s=60.0))
    text = console.file.getvalue()
    assert "50 %" in text
    assert "satisfied -" in text
    assert "nan" not in text


def test_a_long_run_shows_how_satisfaction_went_beside_the_promise(monkeypatch):
    monkeypatch.setattr(progress, "SHOW_CURVE_S", -1.0)
    console = Console(width=100, file=io.StringIO(), force_terminal=True)
    with progress_bar(console, "my run", 0.6) as tell:
        for share in (0.5, 0.6, 0.7):
            tell(at(50, share))
    assert "satisfied so far |▁▄█| middle: 60.0 % promised" in console.file.getvalue()


def test_a_curve_is_never_wider_than_its_place():
    assert curve([0.6] * 1000, 0.6) == "▄" * 40
    assert len(curve([k / 999 for k in range(999)], 0.5)) <= 40
    assert curve([], 0.6) == ""


def test_what_is_known_so_far_stands_below_the_bar():
    console = Console(width=100, file=io.StringIO(), force_terminal=True)
    known = [SoFar("mess+", 2, 1, 0.61, 0.0123), SoFar("random", 0, 0, None, None)]
    with known_bar(console, "study") as (on_progress, show):
        on_progress(1, 4)
        show(comparison_so_far(known, "USD"))
        show(best_so_far({"large": 2, "small": 0}, 7.5, 3, "USD per hour"))
    text = console.file.getvalue()
    assert "best so far: 2 x large, no small; 7.5 USD per hour; 3 clusters simulated" in text
    printed = shown(comparison_so_far(known, "USD"))
    assert printed.splitlines()[1].split() == ["mess+", "2", "1", "61.00", "%", "12.3"]
    assert "; 359.2 kJ a run;" in str(best_so_far({"large": 1}, 359_192.0, 1, "J a run"))
    assert str(best_so_far(None, None, 1, "J")) == "best so far: none keeps every requirement; 1 cluster simulated"


def test_what_is_known_so_far_is_in_the_order_of_points_whoever_is_done_first():
    row = {"sla_kept": True, "sla_satisfaction": 0.5, "cost_per_request": 2.0}
    rows = {(2, 0): row, (0, 1): row | {"sla_kept": False, "sla_satisfaction": 0.25}, (1, 0): row, (0, 0): row}
    known = so_far(["a", "b", "c"], rows)
    assert [(k.point, k.runs, k.kept, k.satisfaction) for k in known] == [
        ("a", 2, 1, 0.375),
        ("b", 1, 1, 0.5),
        ("c", 1, 1, 0.5),
    ]


def test_what_is_known_is_told_as_it_is_by_then_if_anybody_listens():
    assert telling(None, ["a"], lambda: 1 / 0) is None
    heard: list[list[SoFar]] = []
    row = {"sla_kept": True, "sla_satisfaction": 0.5, "cost_per_request": 2.0}
    rows = {}
    tell = telling(heard.append, ["a", "b"], lambda: rows)
    rows[1, 0] = row
    tell()
    rows[0, 0] = row
    tell()
    assert [[known.point for known in each] for each in heard] == [["b"], ["a", "b"]]


def test_studies_tell_what_they_know_so_far():
    known: list[object] = []
    small = parse(scenario(requests=40))
    compare_all(small, ["random", "cheapest"], 2, workers=1, on_known=known.append)
    assert [p.runs for p in known[-1]] == [2, 2]
    assert [p.runs for p in known[0]] == [1]
    known.clear()
    axes = axes_of(small, ["large=1..2"], [])
    goal = Goal(axes, ["sla.satisfaction>=0.01"], "energy", seeds=2)
    result = plan(small, goal, workers=1, on_known=known.append)
    assert known[-1].replicas == {p["pool"]: p["replicas"] for p in result["best"]["pools"] if p["pool"] == "large"}


def test_every_study_of_replications_tells_what_it_knows():
    small = parse(scenario(requests=40))
    for run_all in (
        lambda reported: sweep(small, [{"router.V": 0.1}, {"router.V": 1.0}], seeds=2, workers=1, on_known=reported),
        lambda reported: replicate(small, StoppingRule(2), workers=1, on_known=reported),
        lambda reported: converge(small, 2, workers=1, on_known=reported),
        lambda reported: challenge({"plain": small}, ["random", "largest"], 2, workers=1, on_known=reported),
    ):
        known: list[list[SoFar]] = []
        run_all(known.append)
        assert {point.runs for point in known[-1]} == {2}
        assert all(0.0 <= point.satisfaction <= 1.0 and point.cost_per_request > 0.0 for point in known[-1])
    assert [point.point for point in known[-1]] == ["random", "largest"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(4.6415888e-05, "0.0000464159"), (1e-5, "0.00001"), (0.55, "0.55"), (1200.0, "1200"), (7, "7"), (None, "none")],
)
def test_values_of_keys_are_written_out(value, expected):
    assert plain(value) == expected


def test_nobody_watches_a_pipe():
    console = Console(file=io.StringIO())
    with progress_bar(console, "my run") as tell:
        assert tell is None
    assert console.file.getvalue() == ""


@pytest.mark.parametrize(
    ("rps", "expected"), [(None, "-"), (5.25, "5.25 requests/s"), (0.01, "0.01 requests/s"), (0.002, "7.2 requests/h")]
)
def test_rates_are_told_by_the_second_or_by_the_hour(rps, expected):
    assert rate(rps) == expected


@pytest.mark.parametrize(("kept", "more"), [(True, ""), (None, ""), (False, " (61.00 % satisfied: missed)")])
def test_a_rival_misses_only_what_was_promised(kept, more):
    choice = {"per_request": 2.5, "satisfaction": 0.61, "kept": kept, "e2e_p95_s": None}
    assert _rival(choice, "J") == f"2.5 J{more}"


def test_a_check_shows_money_by_the_thousand_and_what_is_known_of_each_pool():
    models = [("a", 0.5, 0.002, 100.0), ("b", 0.7, None, 50.0)]
    pools = [("p", 2, 2.5, None, None, 80_000), ("q", 1, None, 4.0, None, None), ("r", 1, 2.5, 5.0, 2.0, None)]
    checked = {
        "cost_unit": "USD",
        "models": [
            dict(zip(("name", "satisfaction", "known_cost", "mean_output_tokens"), m, strict=True)) for m in models
        ],
        "pools": [
            {"gpu": "H100", "energy_measured": p[0] == "p"}
            | dict(zip(("name", "gpus", "capacity_rps", "offered_rps", "load", "kv_capacity_tokens"), p, strict=True))
            for p in pools
        ],
    }
    lines = [*shown(_models(checked), 200).splitlines(), *shown(_pools(checked), 200).splitlines()]
    assert [line.split() for line in lines] == [
        ["model", "satisfies", "expected", "USD/1,000", "requests", "output", "tokens"],
        ["a", "50.0", "%", "2", "100"],
        ["b", "70.0", "%", "-", "50"],
        ["pool", "GPUs", "KV", "tokens", "sustains", "gets", "load", "energy"],
        ["p", "2", "x", "H100", "80,000", "2.5/s", "-", "-", "measured"],
        ["q", "1", "x", "H100", "no", "limit", "-", "4/s", "-", "assumed"],
        ["r", "1", "x", "H100", "no", "limit", "2.5/s", "5/s", "200", "%", "assumed"],
    ]


def test_rent_is_of_the_gpus_that_there_were():
    pools = [
        {"gpus_per_replica": 2, "replicas": 3, "mean_replicas": 3.0},
        {"gpus_per_replica": 4, "replicas": 10, "mean_replicas": 1.25},
    ]
    summary = {"cost": {"rent_usd_per_hour": 22.0, "fixed": False}, "pools": pools[:1]}
    assert _rent(summary) == "22 USD an hour for 6 GPUs"
    assert _rent(summary | {"pools": pools}) == "22 USD an hour for 11.0 GPUs on average"
