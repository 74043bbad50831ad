"""A run as it goes, and what `check` finds before it: lines and tables, of snapshots and checklists made by hand."""

import io
import math
from types import SimpleNamespace

import pytest
from rich.console import Console
from runs import WORTH, cells, shown

from messsim.report.base.page import columns_of
from messsim.report.base.progress import curve, progress_bar, runs_bar
from messsim.report.base.tables import Fitting
from messsim.report.run import live
from messsim.report.run.checklist import _headline, _models, _pools, _promise, _stability, checklist
from messsim.report.run.live import dashboard, line_of, sparks, watching
from messsim.shapes.live import LiveLatency, LiveModel, LivePool, Snapshot

SNAPSHOT = Snapshot(
    scenario="s",
    policy="mess+",
    requests=1200,
    total=2000,
    time_s=90.0,
    horizon_s=None,
    satisfaction=0.6,
    promise=0.5,
    queue=12.5,
    certificate=0.25,
    explored=30,
    cost_per_request=2.5,
    cost_unit="J",
    models=[LiveModel(name="8b", answered=300), LiveModel(name="70b", answered=100)],
    latencies=[LiveLatency(name="TTFT", p50_s=0.1, p95_s=0.25), LiveLatency(name="TPOT", p50_s=None, p95_s=None)],
    pools=[LivePool(name="p", replicas=4, in_system=1002, power_w=350.0)],
    satisfaction_curve=[0.0, 0.5, 1.0],
    queue_curve=[],
    done=False,
)


LATE = SNAPSHOT.latencies[1:]
SATISFIED = "60.00 % satisfied, 50.00 % promised (+10.00 points)"


def snapshot(**changes):
    return SNAPSHOT.model_copy(update=changes)


# ---- a line ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            {},
            f"1,200 of 2,000 requests, {SATISFIED.replace('satisfied', 'satisfied so far')}, Q 12.5, TTFT p95 250 ms",
        ),
        (
            {"done": True, "latencies": []},
            f"1,200 of 2,000 requests, {SATISFIED}, Q 12.5",
        ),
        ({"requests": 2000, "satisfaction": None, "latencies": []}, "2,000 requests, no answer yet, Q 12.5"),
        ({"total": 1201, "promise": None, "latencies": []}, "1,200 of 1,201 requests, no answer yet, Q 12.5"),
        (
            {"total": None, "promise": None, "latencies": SNAPSHOT.latencies[1:]},
            "1,200 requests, no answer yet, Q 12.5",
        ),
    ],
)
def test_a_snapshot_as_one_line(change, line):
    assert line_of(snapshot(**change)) == f"s: {line}"


def test_a_line_commands_no_terminal():
    assert line_of(snapshot(scenario="\x1b[2J", satisfaction=None)).startswith("\\x1b[2J: ")


# ---- the picture ----------------------------------------------------------------------------------------


def test_a_snapshot_as_a_picture():
    assert [line.strip() for line in shown(dashboard(SNAPSHOT)).splitlines()] == [
        "s, mess+: 1,200 of 2,000 requests, 90 s simulated, running",
        "promise      60.00 % satisfied so far, 50.00 % promised (+10.00 points)",
        "▁▅█",
        "queue        12.5 answers owed",
        "",
        "certificate  at least 25.00 %, whatever the traffic does",
        "cost         2.5 J a request, 2.50 % of requests explored",
        "TTFT         p50 100 ms, p95 250 ms",
        "",
        "model   share",
        "8b     75.0 %  ██████████████████",
        "70b    25.0 %  ██████",
        "",
        "pool  replicas  requests in it  a replica  power",
        "p            4           1,002      250.5  350 W",
    ]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"done": True}, "s, mess+: 1,200 of 2,000 requests, 90 s simulated, over"),
        ({"cost_unit": "USD", "cost_per_request": 0.0025}, "2.5 USD per 1,000 requests, 2.50 % of requests explored"),
        ({"cost_per_request": None}, "cost         2.50 % of requests explored"),
        ({"requests": 0, "total": 1, "explored": 0, "cost_per_request": None}, "0.00 % of requests explored"),
        ({"models": [LiveModel(name="8b", answered=0)]}, "8b         -"),
        (
            {"pools": [LivePool(name="p", replicas=0, in_system=3, power_w=None)]},
            "p            0               3        3.0      -",
        ),
    ],
)
def test_a_picture_says_what_there_is(change, line):
    assert line in shown(dashboard(snapshot(**change)))


@pytest.mark.parametrize("certificate", [None, 0.0, -0.5])
def test_a_certificate_of_nothing_is_not_shown(certificate):
    assert "certificate" not in shown(dashboard(snapshot(certificate=certificate)))


def test_without_servers_there_are_no_pools():
    assert "replicas" not in shown(dashboard(snapshot(pools=[])))


@pytest.mark.parametrize(
    ("satisfaction", "promise", "style"),
    [(0.6, 0.5, "green"), (0.3, 0.1 + 0.2, "green"), (0.49, 0.5, "yellow"), (None, 0.5, ""), (0.5, None, "")],
)
def test_the_promise_is_green_where_it_holds(satisfaction, promise, style):
    assert live._style(snapshot(satisfaction=satisfaction, promise=promise)) == style


@pytest.mark.parametrize(
    ("values", "blocks"),
    [
        ([], ""),
        ([0.5], "▁"),
        ([2.0, 2.0], "▁▁"),
        ([0.0, 1.0], "▁█"),
        ([-7.0, 0.0, -3.5], "▁█▅"),
        ([0, 1, 2, 3, 4, 5, 6, 7], "▁▂▃▄▅▆▇█"),
    ],
)
def test_values_as_blocks_from_least_to_most(values, blocks):
    assert sparks(values) == blocks


def test_a_pipe_gets_a_line_every_five_seconds(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(live.time, "monotonic", lambda: now[0])
    console = Console(width=200, file=io.StringIO())
    with watching(console) as tell:
        for at, requests in ((104.9, 1), (105.0, 2), (109.9, 3), (110.0, 4)):
            now[0] = at
            tell(snapshot(requests=requests))
    assert [line.split()[1] for line in console.file.getvalue().splitlines()] == ["2", "4"]


# ---- progress -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shares", "blocks"),
    [
        ([], ""),
        ([0.5], "▄"),
        ([1.0, 0.5, 0.0], "█▄▁"),
        ([0.6, 0.5, 0.55], "█▄▆"),
        ([0.5, 0.5], "▄▄"),
    ],
)
def test_the_middle_of_a_curve_is_the_promise(shares, blocks):
    assert curve(shares, 0.5) == blocks


def test_a_long_curve_is_thinned_and_ends_with_the_last():
    assert len(curve([0.5] * 40, 0.5)) == 40
    assert len(curve([0.5] * 41, 0.5)) == 21
    assert curve([0.5] * 80 + [1.0], 0.5) == "▄" * 26 + "█"


@pytest.mark.parametrize(
    ("tiles", "most", "columns"),
    [(0, 4, 1), (1, 4, 1), (4, 4, 4), (5, 4, 3), (6, 4, 3), (7, 4, 4), (8, 4, 4), (9, 4, 3)],
)
def test_rows_of_tiles_are_alike(tiles, most, columns):
    assert columns_of(tiles, most) == columns


# ---- tables that fit ------------------------------------------------------------------------------------


def blocks(width, spare=(), columns=("name", "a", "b", "c")):
    """Which columns stand together where one takes ten characters."""
    return Fitting(columns, spare=spare)._blocks(lambda cs: 10 * len(cs) <= width)


@pytest.mark.parametrize(
    ("width", "spare", "expected"),
    [
        (40, (), [[0, 1, 2, 3]]),
        (39, (), [[0, 1, 2], [0, 3]]),
        (30, ("a",), [[0, 2, 3], [0, 1]]),
        (20, (), [[0, 1], [0, 2], [0, 3]]),
        (20, ("b", "a"), [[0, 3], [0, 1], [0, 2]]),
        (20, ("x",), [[0, 1], [0, 2], [0, 3]]),
        (19, (), None),
    ],
)
def test_columns_go_below_where_they_do_not_fit(width, spare, expected):
    assert blocks(width, spare) == expected


def test_names_alone_fit_or_do_not():
    assert blocks(10, columns=("name",)) == [[0]]
    assert blocks(9, columns=("name",)) is None


# ---- the checklist --------------------------------------------------------------------------------------

PROMISE = {
    "tenant": "gold",
    "alpha": 0.6,
    "best_model": 0.55,
    "any_model": 0.9,
    "most": 0.9,
    "single_model": None,
    "reachable": True,
}
POOL = {
    "name": "p",
    "model": "8b",
    "gpu": "H100",
    "gpus": 4,
    "replicas": 2,
    "kv_capacity_tokens": 12_345,
    "capacity_rps": 10.5,
    "offered_rps": 5.25,
    "load": 0.5,
    "peak_load": 0.89,
    "batch": 20.0,
    "few": 8.0,
    "start": None,
    "thin": False,
    "energy_measured": True,
}
CHECKED = {
    "scenario": "s",
    "policy": "mess+",
    "cost_unit": "J",
    "rent_usd_per_hour": None,
    "cost_fixed": False,
    "requests": 12_345.0,
    "rate_rps": 2.0,
    "peak_rate_rps": 2.0,
    "models": [{"name": "8b", "satisfaction": 0.6, "known_cost": 2.5, "mean_output_tokens": 200.0}],
    "promises": [PROMISE],
    "pools": [POOL],
    "worth": WORTH | {"best_single": {"model": "8b", "per_request": 20.0}},
    "other_problems": [],
    "notes": [],
    "expect": {"wall_s": None, "probe_requests": 1000, "peak_rss_mib": 123.4},
}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({}, "s: 12,345 requests, 2 requests/s, policy mess+"),
        ({"requests": None}, "s: 2 requests/s, policy mess+"),
        ({"rate_rps": None}, "s: 12,345 requests, as clients ask, policy mess+"),
        ({"peak_rate_rps": 3.0}, "s: 12,345 requests, 2 requests/s, 3/s in the busiest minute, policy mess+"),
        ({"peak_rate_rps": None}, "s: 12,345 requests, 2 requests/s, policy mess+"),
    ],
)
def test_the_head_of_a_checklist(change, line):
    assert _headline(CHECKED | change).plain == line


@pytest.mark.parametrize(
    ("change", "drawn", "several", "line", "style"),
    [
        (
            {},
            None,
            False,
            "alpha = 0.6: the best model reaches 55.0 %, all together 90.0 %: it depends on how well the router "
            "predicts",
            "yellow",
        ),
        ({"single_model": "8b"}, "8b", True, "alpha = 0.6 for gold: 8b alone would keep it", "green"),
        (
            {"single_model": "8b"},
            "70b",
            False,
            "alpha = 0.6: 8b alone would keep it in the long run; in this run, 70b would",
            "",
        ),
        (
            {"single_model": "8b"},
            None,
            False,
            "alpha = 0.6: 8b alone would keep it in the long run; in this run, none would",
            "",
        ),
        (
            {"reachable": False},
            None,
            True,
            "alpha = 0.6 for gold cannot be kept: on 90.0 % of requests is any model right, no more",
            "bold red",
        ),
        (
            {"reachable": False, "single_model": "8b"},
            "8b",
            False,
            "alpha = 0.6 cannot be kept: on 90.0 % of requests is any model right, no more",
            "bold red",
        ),
        (
            {"reachable": False, "most": math.nextafter(0.9, 0.0)},
            None,
            False,
            "alpha = 0.6 cannot be kept: on 90.0 % of requests is any model right, no more",
            "bold red",
        ),
        (
            {"reachable": False, "most": math.nextafter(0.55, 1.0)},
            None,
            False,
            "alpha = 0.6 cannot be kept: the best model reaches 55.0 %, and nothing that a router sees tells where "
            "another does better",
            "bold red",
        ),
        (
            {"reachable": False, "most": 0.58},
            None,
            False,
            "alpha = 0.6 cannot be kept: the best model of each phase reaches 58.0 %, and nothing that a router sees "
            "tells where another does better",
            "bold red",
        ),
    ],
)
def test_whether_a_promise_can_be_kept(change, drawn, several, line, style):
    text = _promise(PROMISE | change, drawn, several)
    assert (text.plain, text.style) == (line, style)


@pytest.mark.parametrize(
    ("load", "peak", "line", "style"),
    [
        (1.0, 1.0, "pool p gets more than it can sustain: its queue grows", "bold red"),
        (0.99, 1.0, "gets more than it can sustain in its busiest minute (load 100 %): expect a queue then", "yellow"),
        (0.9, 0.99, "pool p is near saturation: expect long queues", "yellow"),
        (None, 1.25, "pool p gets more than it can sustain in its busiest minute (load 125 %)", "yellow"),
        (None, None, "pool p is near saturation: expect long queues", "yellow"),
    ],
)
def test_whether_a_pool_is_stable(load, peak, line, style):
    text = _stability(POOL | {"load": load, "peak_load": peak})
    assert line in text.plain
    assert text.style == style


def test_models_and_pools_of_a_checklist():
    assert cells(_models(CHECKED)) == [
        ["model", "satisfies", "expected J/request", "output tokens"],
        ["8b", "60.0 %", "2.5", "200"],
    ]
    models = [CHECKED["models"][0], CHECKED["models"][0] | {"known_cost": None}]
    usd = cells(_models(CHECKED | {"cost_unit": "USD", "models": models}))
    assert usd[0][2] == "expected USD/1,000 requests"
    assert [row[2] for row in usd[1:]] == ["2,500", "-"]
    none = {"kv_capacity_tokens": None, "capacity_rps": None, "offered_rps": None, "load": None}
    assert cells(_pools(CHECKED | {"pools": [POOL, POOL | none | {"energy_measured": False}]})) == [
        ["pool", "GPUs", "KV tokens", "sustains", "gets", "load", "energy"],
        ["p", "4 x H100", "12,345", "10.5/s", "5.25/s", "50 %", "measured"],
        ["p", "4 x H100", "no limit", "-", "-", "-", "assumed"],
    ]


def checked(**changes):
    return shown(checklist(CHECKED | changes)).splitlines()


def test_a_checklist_says_promises_models_pools_and_what_routing_can_save():
    made = checked()
    assert made[0].startswith("s: 12,345 requests")
    assert made[1].startswith("alpha = 0.6: the best model reaches")
    assert made[2] == ""
    assert made[3].startswith("model")
    assert made[6].startswith("pool")
    assert made[9].startswith("routing can save at most 50 %")
    assert [line.split() for line in made[10:13]] == [
        ["who", "chooses", "an", "answer", "costs", "at", "least"],
        ["best", "single", "model,", "8b", "20", "J"],
        ["best", "fixed", "mix", "15", "J"],
    ]
    assert len(made) == 16


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        ({"notes": ["a note"]}, ["note: a note"]),
        ({"other_problems": ["a problem"]}, ["a problem"]),
        ({"rent_usd_per_hour": 7.5}, ["rent: 7.5 USD an hour"]),
        (
            {"rent_usd_per_hour": 7.5, "cost_fixed": True},
            ["rent: 7.5 USD an hour, whatever the router does: only another fleet costs less"],
        ),
        (
            {"expect": {"wall_s": 2.5, "probe_requests": 1000, "peak_rss_mib": 123.4}},
            ["", "expect about 2.5 s and 123 MiB (from the first 1,000 requests, simulated here)"],
        ),
        ({"pools": [POOL | {"peak_load": 0.9}]}, ["pool p is near saturation: expect long queues"]),
        ({"pools": [POOL | {"peak_load": None}]}, []),
        (
            {"promises": [PROMISE | {"single_model": "70b", "tenant": t} for t in ("gold", "rest")]},
            ["alpha = 0.6 for gold: 70b alone would keep it", "alpha = 0.6 for rest: 70b alone would keep it"],
        ),
        (
            {"promises": [PROMISE | {"single_model": "70b"}]},
            ["alpha = 0.6: 70b alone would keep it in the long run; in this run, 8b would"],
        ),
    ],
)
def test_a_checklist_says_what_there_is(change, lines):
    usual, made = checked(), checked(**change)
    assert [line for line in made if line not in usual] == [line for line in lines if line]
    assert len(made) == len(usual) + len(lines) - ("promises" in change)


def test_without_servers_a_checklist_has_no_pools():
    assert not [line for line in checked(pools=[]) if line.startswith("pool")]


# ---- bars ---------------------------------------------------------------------------------------------------


def test_bars_of_studies_count_runs_and_leave_nothing_behind():
    console = Console(file=io.StringIO(), force_terminal=True, width=60)
    with runs_bar(console, "a study") as tell:
        assert "begins" in console.file.getvalue()
        tell(1, 2000)
    text = console.file.getvalue()
    assert "a study" in text
    assert "1 of 2,000 runs" in text
    assert text.endswith("\x1b[1A\x1b[2K"), "the last line is taken back"


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, " 25 %"),
        ({"total": None}, " 75 %"),  # of the time
        ({"total": None, "horizon_s": None}, "  0 %"),
        ({"satisfaction": math.nan}, "satisfied -  Q 1.5"),
        ({"satisfaction": 0.75}, "satisfied 75.0 %  Q 1.5"),
    ],
)
def test_the_bar_of_a_run_leaves_nothing_behind(changes, shown):
    state = {"requests": 50, "total": 200, "time_s": 3.0, "horizon_s": 4.0, "satisfaction": 0.5, "queue": 1.5}
    console = Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)
    with progress_bar(console, "a run") as tell:
        tell(SimpleNamespace(**state | changes))
    text = console.file.getvalue()
    assert shown in text
    assert text.endswith("\x1b[1A\x1b[2K")


def test_a_pipe_has_no_bar():
    console = Console(file=io.StringIO(), width=60)
    with runs_bar(console, "a study") as tell:
        assert tell is None
    assert console.file.getvalue() == ""
