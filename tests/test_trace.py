"""A trace as rows: its period, its rate, its window, and how it repeats; worked out by hand."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from messsim.errors import DataError
from messsim.scenario.arrivals import Trace
from messsim.workload.arrivals import TraceArrivals
from messsim.workload.links import TraceTurns
from messsim.workload.trace import TraceRows, read_trace
from messsim.workload.usage import usage_notes

TIMES = [10.0, 11.0, 13.0, 16.0]  # a span of 6 s in three gaps: a mean gap of 2 s, so a period of 8 s


def read(folder, times=TIMES, *, prompt=False, output=False, tenants=None, columns=None, more=None, **law):
    file = folder / "t.csv"
    pl.DataFrame({"arrival_s": times} | (more or {})).write_csv(file)
    given = Trace(kind="trace", file=str(file), **({} if columns is None else {"columns": columns}), **law)
    return read_trace(given, file, prompt=prompt, output=output, tenants=tenants)


def test_time_starts_at_0_and_a_repetition_adds_the_span_and_a_mean_gap(tmp_path):
    trace = read(tmp_path)
    assert trace.time_s.tolist() == [0.0, 1.0, 3.0, 6.0]
    assert trace.period_s == 8.0
    assert (trace.file, trace.file_rows, trace.first_row, trace.file_rate_rps) == ("t.csv", 4, 0, 0.5)
    assert (trace.prompt_tokens, trace.output_tokens, trace.tenant, trace.turns, trace.runs) == (None,) * 5
    assert not trace.has_tokens
    assert len(trace) == 4


def test_a_rate_stretches_the_whole_period(tmp_path):
    trace = read(tmp_path, rate_rps=2.0)
    assert trace.time_s.tolist() == [0.0, 0.25, 0.75, 1.5]
    assert (trace.period_s, trace.file_rate_rps) == (2.0, 2.0)


def test_a_window_keeps_its_rows_and_counts_from_its_beginning(tmp_path):
    trace = read(tmp_path, window_s=[1.0, 6.0])
    assert trace.time_s.tolist() == [0.0, 2.0]
    assert (trace.first_row, trace.file_rows, trace.period_s, trace.file_rate_rps) == (1, 4, 4.0, 0.5)
    trace = read(tmp_path, window_s=[0.5, 6.5], rate_rps=1.0, more={"prompt_tokens": [5, 6, 7, 8]}, prompt=True)
    # rows at 0.5, 2.5 and 5.5 s of the window: a span of 5 s, a mean gap of 2.5 s, so three requests in 7.5 s
    assert trace.time_s.tolist() == pytest.approx([0.2, 1.0, 2.2])
    assert (trace.period_s, trace.file_rate_rps) == pytest.approx((3.0, 0.5 * 7.5 / 3.0))
    assert trace.prompt_tokens.tolist() == [6, 7, 8]
    with pytest.raises(DataError, match=r"t.csv: has no rows in window_s = \[7.0, 9.0\] s"):
        read(tmp_path, window_s=[7.0, 9.0])


def test_rows_out_of_order_are_sorted_with_their_tokens(tmp_path):
    more = {"prompt_tokens": [1, 2, 3], "output_tokens": [4, 5, 6]}
    trace = read(tmp_path, [5.0, 1.0, 5.0], prompt=True, output=True, more=more)
    assert trace.time_s.tolist() == [0.0, 4.0, 4.0]
    assert trace.prompt_tokens.tolist() == [2, 1, 3]
    assert trace.output_tokens.tolist() == [5, 4, 6]
    assert trace.notes == ("t.csv: arrivals are not in order of time; they are sorted",)
    assert trace.has_tokens


def test_rows_of_one_time_stay_in_the_order_of_the_file(tmp_path):
    n = 400
    more = {"prompt_tokens": list(range(1, n + 1))}
    trace = read(tmp_path, [5.0 - i % 3 for i in range(n)], prompt=True, more=more)
    assert trace.prompt_tokens.tolist() == [i + 1 for rest in (2, 1, 0) for i in range(n) if i % 3 == rest]


def test_arrivals_at_one_time(tmp_path):
    with pytest.raises(DataError, match=r"all 2 arrivals are at one time, .*expected arrivals.rate_rps, or"):
        read(tmp_path, [3.0, 3.0])
    ends = read(tmp_path, [3.0, 3.0], repeat=False)
    assert (ends.time_s.tolist(), ends.period_s, ends.file_rate_rps) == ([0.0, 0.0], 1.0, None)
    rated = read(tmp_path, [3.0, 3.0], rate_rps=4.0)
    assert (rated.time_s.tolist(), rated.period_s, rated.file_rate_rps) == ([0.0, 0.0], 0.5, None)
    one = read(tmp_path, [3.0], rate_rps=4.0)
    assert (one.time_s.tolist(), one.period_s) == ([0.0], 0.25)


def test_tenants_are_known_by_name(tmp_path):
    columns = {"tenant": "who"}
    more = {"who": ["b", "a", "x", "b"]}
    trace = read(tmp_path, tenants=["a", "b", "others"], columns=columns, more=more)
    assert trace.tenant.tolist() == [1, 0, 2, 1]
    with pytest.raises(DataError, match=r"column 'who' has 'x' in row 3, which is no tenant; expected one of a, b"):
        read(tmp_path, tenants=["a", "b"], columns=columns, more=more)


def test_tenants_that_are_true_or_false_in_a_file_are_so_in_the_scenario(tmp_path):
    for true, false in (("True", "False"), ("true", "false"), ("TRUE", "FALSE")):
        more = {"who": pl.Series([true, false, "x", true])}
        for names in ([true, false], ["true", "false"]):
            trace = read(tmp_path, tenants=[*names, "others"], columns={"tenant": "who"}, more=more)
            assert trace.tenant.tolist() == [0, 1, 2, 0]


def test_words_of_what_is_no_tenant(tmp_path):
    columns, more = {"tenant": "who"}, {"who": ["b", "a", "b", "x"]}
    with pytest.raises(DataError) as error:
        read(tmp_path, tenants=["a", "b"], columns=columns, more=more)
    assert str(error.value) == (
        f"{tmp_path / 't.csv'}: column 'who' has 'x' in row 4, which is no tenant; expected one of a, b, or a tenant "
        "named 'others' for all that are none"
    )


@pytest.mark.parametrize(
    ("wait", "rate_rps", "noted"), [(2.0, 1.0, True), (0.0, 1.0, False), (2.0, None, False), (None, 1.0, False)]
)
def test_waits_of_turns_are_not_stretched_and_that_is_noted(tmp_path, wait, rate_rps, noted):
    columns = {"session": "who", "delay": "pause"}
    more = {"who": ["a", "a", "b", "c"], "pause": [None, wait, None, None]}
    trace = read(tmp_path, columns=columns, more=more, rate_rps=rate_rps)
    assert trace.notes == ("t.csv: time is stretched, but pause is as recorded",) * noted


def test_ids_that_no_prompt_takes_are_left_out(tmp_path):
    more = {"h": ["[1]", "[1]", "[2]", "[3]"], "prompt_tokens": [5] * 4}
    trace = read(tmp_path, columns={"hash_ids": "h"}, more=more)
    assert trace.notes == ("t.csv: h is left out: no prompt is as long as the trace says",)
    assert trace.runs is None
    assert read(tmp_path, columns={"hash_ids": "h"}, more=more, prompt=True).runs.count == 3


def test_columns_that_nobody_reads_are_noted(tmp_path):
    more = {"session_id": ["a"] * 4, "hash_ids": ["1"] * 4}
    assert read(tmp_path, more=more).notes == (
        "t.csv: the file also has hashes of blocks (hash_ids), sessions and turns (session_id), which are left out; "
        "arrivals.columns names what is read",
    )


def test_a_row_without_tokens_is_told_with_what_leaves_it_out(tmp_path):
    with pytest.raises(DataError, match=r"column 'prompt_tokens' has 0 in row 2; .*messsim import --skip-failed"):
        read(tmp_path, prompt=True, more={"prompt_tokens": [1, 0, 1, 1]})


# ---- how far a trace goes -------------------------------------------------------------------------------


def rows(times, period_s, **more):
    return TraceRows(np.array(times, float), period_s, None, None, **more)


@pytest.mark.parametrize(
    ("horizon_s", "repeat", "expected"),
    [
        (0.0, True, 0),
        (0.5, True, 1),
        (1.0, True, 1),  # who comes at the deadline comes too late
        (1.5, True, 2),
        (7.9, True, 4),
        (8.0, True, 4),
        (8.1, True, 5),
        (16.0, True, 8),
        (25.5, True, 14),
        (25.5, False, 4),
        (3.5, False, 3),
    ],
)
def test_requests_before_a_deadline(horizon_s, repeat, expected):
    assert rows([0, 1, 3, 6], 8.0).requests_before(horizon_s, repeat=repeat) == expected


def turns(parent):
    """Of rows that follow these; all of one chain a session."""
    parent = np.array(parent, np.int32)
    n = len(parent)
    depth = np.zeros(n, np.int32)
    for i in range(n):
        depth[i] = 0 if parent[i] < 0 else depth[parent[i]] + 1
    return TraceTurns(np.arange(n), np.cumsum(parent < 0) - 1, depth, parent, np.arange(n) * 1.0)


CHATS = rows([0, 5, 2, 9, 4], 10.0, turns=turns([-1, 0, -1, 2, -1]))  # sessions begin at 0, 2 and 4 s


@pytest.mark.parametrize(
    ("horizon_s", "repeat", "expected"),
    [(0.0, False, 0), (2.0, False, 2), (2.1, False, 4), (4.5, False, 5), (99.0, False, 5), (12.0, True, 7)],
)
def test_sessions_that_begin_before_a_deadline_come_whole(horizon_s, repeat, expected):
    assert CHATS.requests_before(horizon_s, repeat=repeat) == expected


def test_the_rate_of_the_first_requests():
    trace = rows([0, 1, 3, 6], 8.0)
    assert trace.rate_rps(2) == 1.0
    assert trace.rate_rps(3) == pytest.approx(2 / 3)
    repeated_twice_and_two_rows = 2 * len(trace) + 2  # the run is that much longer, not as fast as the whole trace
    assert trace.rate_rps(repeated_twice_and_two_rows) == pytest.approx(9 / (2 * trace.period_s + 1.0))
    assert trace.rate_rps(2 * len(trace)) == len(trace) / trace.period_s
    assert trace.rate_rps(1) == 0.5  # one has no rate
    assert trace.rate_rps(4) == 0.5
    assert trace.rate_rps(40) == 0.5
    assert rows([0, 0, 6], 9.0).rate_rps(2) == pytest.approx(1 / 3)


def test_a_stretch_ends_where_a_session_begins_or_the_trace_does():
    assert CHATS.begins(3, 4).tolist() == [False, True, True, False]
    assert [CHATS.stretch(0, least) for least in (1, 2, 3, 4, 5)] == [2, 2, 4, 4, 5]
    assert CHATS.stretch(4, 1) == 1
    assert CHATS.stretch(7, 3) == 3  # to the end of the second repetition
    assert CHATS.stretch(7, 9) == 3


def test_turns_of_a_repetition_are_other_sessions():
    made, paths = CHATS.made_of(2, 5, np.ones(5, np.int32))
    assert paths is None
    assert made.session.tolist() == [1, 1, 2, 3, 3]
    assert made.turn.tolist() == [0, 1, 0, 0, 1]
    assert made.parent.tolist() == [-1, 0, -1, -1, 3]
    assert made.wait_s.tolist() == [2.0, 3.0, 4.0, 0.0, 1.0]
    assert CHATS.made_of(1, 2, np.ones(2, np.int32)) == (None, None)  # not from a session's first turn on
    assert rows([0], 1.0).made_of(0, 1, np.ones(1, np.int32)) == (None, None)


def test_times_of_a_trace_go_on_after_its_period():
    source = TraceArrivals(rows([0, 1, 3], 4.0))
    assert source.next_times(2).tolist() == [0.0, 1.0]
    assert source.next_times(0).tolist() == []
    assert source.next_times(6).tolist() == [3.0, 4.0, 5.0, 7.0, 8.0, 9.0]


# ---- notes on what a run takes --------------------------------------------------------------------------


class Taken:
    """A span of a run, over all rows of a table or some."""

    def __init__(self, first, count, rows=None):
        self.first, self.count = first, count
        self.stage = type("Stage", (), {"rows": rows})


class Asks:
    """As much of a scenario as notes look at."""

    requests = None

    class satisfaction:  # noqa: N801
        kind, order, file = "table", "file", "out.csv"

    path = staticmethod(Path)


def trace_notes(requests, **more):
    trace = rows([0, 1, 3, 6], 8.0, **({"file": "t.csv", "file_rows": 4} | more))
    return list(usage_notes(Asks, trace, None, [Taken(0, requests)]))


@pytest.mark.parametrize(
    ("requests", "more", "expected"),
    [
        (4, {}, []),
        (3, {}, ["t.csv: takes rows 1 to 3 of 4, 0.6667 requests/s"]),
        (4, {"first_row": 2, "file_rows": 10}, ["t.csv: takes rows 3 to 6 of 10, 0.5 requests/s"]),
        (2, {"file_rate_rps": 0.5}, ["t.csv: takes rows 1 to 2 of 4, 1 requests/s; all of them come at 0.5/s"]),
        (5, {}, ["t.csv: 5 requests repeat its 4 rows 1.25 times; 25 % of them are taken more than once"]),
        (4000, {}, ["t.csv: 4,000 requests repeat its 4 rows 1e+03 times; 100 % of them are taken more than once"]),
    ],
)
def test_a_run_that_takes_a_part_of_a_trace_or_repeats_it_says_so(requests, more, expected):
    assert trace_notes(requests, **more) == expected


def test_rows_that_all_come_at_one_time_have_no_rate():
    burst = rows([0, 0, 0, 6], 8.0, file="t.csv", file_rows=4, file_rate_rps=0.5)
    (note,) = usage_notes(Asks, burst, None, [Taken(0, 3)])
    assert note == "t.csv: takes rows 1 to 3 of 4, all at one time; all of them come at 0.5/s"


@pytest.mark.parametrize(
    ("order", "spans", "expected"),
    [
        ("file", [Taken(0, 100)], None),
        ("file", [Taken(0, 101)], "101 requests repeat its 100 rows; 1 % of them are taken more than once"),
        ("file", [Taken(0, 250)], "250 requests repeat its 100 rows; 100 % of them are taken more than once"),
        ("file", [Taken(0, 150)], "150 requests repeat its 100 rows; 50 % of them are taken more than once"),
        # of two spans one takes rows 0 to 49, the other ten rows, from place 50 % 10 = 0 on, three times
        (
            "file",
            [Taken(0, 50), Taken(50, 30, np.arange(90, 100))],
            "80 requests repeat its 100 rows; 10 % of them are taken more than once",
        ),
        # by chance each row is taken once on average: 1 - 2/e = 26.4 % of them twice or more
        ("random", [Taken(0, 100)], "100 requests are drawn from its 100 rows; about 26 % of them are taken more"),
        ("random", [Taken(0, 15)], "15 requests are drawn from its 100 rows; about 1 % of them"),
        ("random", [Taken(0, 14)], None),  # 1 - 1.14 e^-0.14 = 0.9 %
        ("random", [Taken(0, 800)], "about 99.6 % of them are taken"),  # 1 - 9 e^-8 = 99.70 %
    ],
)
def test_rows_of_a_table_that_are_taken_more_than_once(order, spans, expected, monkeypatch):
    monkeypatch.setattr(Asks.satisfaction, "order", order)
    table = type("Table", (), {"rows": 100})
    noted = list(usage_notes(Asks, None, table, spans))
    assert len(noted) == (expected is not None)
    if expected is not None:
        assert expected in noted[0]
        assert noted[0].startswith("out.csv: ")
