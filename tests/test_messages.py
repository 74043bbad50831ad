"""Logs whose rows hold a program's own lines, and hints at what reads the files of other tools."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from builders import scenario

from messsim.errors import MissingColumns
from messsim.scenario import parse
from messsim.scenario.arrivals import Columns
from messsim.workload.messages import LeftOut, within_messages
from messsim.workload.sources import _another_tool, _asked

LINES = ['{"a": 1}', 'INFO {"a": 2} ', "started"]


def read(frame, left_out=None):
    left_out = LeftOut() if left_out is None else left_out
    return within_messages(pl.DataFrame(frame), left_out), left_out


@pytest.mark.parametrize(
    ("column", "others"),
    [
        ("log", {"stream": ["stdout", "stderr", "stdout"], "time": ["x"] * 3, "kubernetes.pod": ["p"] * 3}),
        ("line", {"labels": ["l"] * 3, "fields": ["f"] * 3}),
        ("message", {"ingestionTime": [7] * 3, "logStreamName": ["s"] * 3, "timestamp": [1] * 3}),
        ("MESSAGE", {"__REALTIME_TIMESTAMP": ["1"] * 3, "_PID": ["2"] * 3}),
    ],
)
def test_rows_are_those_of_the_lines_beside_what_the_log_says(column, others):
    frame, left_out = read({column: LINES} | others)
    assert frame["a"].to_list() == [1, 2]
    assert set(frame.columns) == {"a", *others}
    assert (left_out.column, left_out.messages, left_out.lines) == (column, 1, 0)
    # the next rows may be of other kinds
    again, _ = read({column: ["x"], "other": [1]}, left_out)
    assert (again.height, left_out.messages) == (0, 2)
    more, _ = read({column: ['{"a": {"b": 5}}'], "at": [dt.datetime(2024, 5, 6)]}, left_out)
    assert more.to_dicts() == [{"at": "2024-05-06 00:00:00", "a": {"b": 5}}]


@pytest.mark.parametrize(
    "frame",
    [
        {"log": LINES, "stream": ["stdout", "stderr", "other"]},  # of no container
        {"log": LINES, "stream": ["stdout"] * 3, "prompt": [1, 2, 3]},  # no such log has prompts
        {"log": LINES},
        {"log": [1, 2, 3], "stream": ["stdout"] * 3},
        {"log": ['{"a": 1}', "x", "y"], "stream": ["stdout"] * 3},  # mostly no JSON
        {"log": ['{"a": 1}', "[1]"], "stream": ["stdout"] * 2},  # half is not most
        {"message": LINES, "ingestionTime": [7] * 3, "LEVEL": ["x"] * 3},
        {"MESSAGE": LINES, "__REALTIME_TIMESTAMP": ["1"] * 3, "level": ["x"] * 3},
    ],
)
def test_other_tables_stay_as_they_are(frame):
    given, left_out = read(frame)
    assert given.equals(pl.DataFrame(frame))
    assert (left_out.column, left_out.messages) == ("", 0)
    given, _ = read({"log": LINES, "stream": ["stdout"] * 3}, left_out)  # told by the first rows
    assert given.columns == ["log", "stream"]


# ---- files of other tools -------------------------------------------------------------------------------


def hinted(meant, columns, command="import"):
    with pytest.raises(MissingColumns) as error, _another_tool(Path("a b.csv"), columns, "arrivals.columns", command):
        raise MissingColumns([f"column {c!r} is missing" for c in meant], "a b.csv", meant)
    assert error.value.meant == meant
    return error.value.problems[len(meant) :]


READS = "messsim import 'a b.csv' --out FILE reads files of other tools"


@pytest.mark.parametrize(
    ("meant", "columns", "hints"),
    [
        ({"arrival_s": "ts"}, Columns(), ['arrivals.columns = { time = "ts" } names it']),
        ({"arrival_s": None}, Columns(), []),
        ({"arrival_s": None, "prompt_tokens": None}, Columns(), [READS]),
        (
            {"arrival_s": "ts", "prompt_tokens": "in"},
            Columns(),
            ['arrivals.columns = { time = "ts", prompt_tokens = "in" } names them, or ' + READS],
        ),
        ({"arrival_s": "ts", "prompt_tokens": None}, Columns(), [READS]),
        ({"when": "ts"}, Columns(time="when"), []),  # the user named it
        (
            {"when": "ts", "prompt_tokens": "in"},
            Columns(time="when"),
            ['arrivals.columns = { time = "ts", prompt_tokens = "in" } names them, or ' + READS],
        ),
        ({"small": "x"}, None, []),
        ({"small": "x", "large": None}, None, [READS]),
    ],
)
def test_missing_columns_are_hinted_at(meant, columns, hints):
    assert hinted(meant, columns) == hints


def test_the_command_for_outcomes_is_another():
    assert hinted({"a": None, "b": None}, None, "import --outcomes") == [
        "messsim import --outcomes 'a b.csv' --out FILE reads files of other tools"
    ]


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({}, (False, False)),
        ({"tokens": {"prompt": {"kind": "trace"}}}, (True, False)),
        ({"tokens": {"output": {"kind": "trace"}}}, (False, True)),
        ({"phases": [{"from_request": 3, "prompt": {"kind": "trace"}}]}, (True, False)),
        ({"phases": [{"from_request": 3, "output": {"kind": "trace"}}]}, (False, True)),
    ],
)
def test_columns_of_tokens_are_read_where_a_law_asks_for_them(changes, asked):
    s = parse(scenario(arrivals={"kind": "trace", "file": "t.csv"}, **changes))
    assert _asked(s, "trace") == asked
    assert _asked(s, "table") == (False, False)
