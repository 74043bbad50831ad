"""Traces from logs, piece by piece: who is named, what a benchmark says of itself, what is read and written."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from messsim.errors import DataError, OutputError
from messsim.logs import trace_hints, traces
from messsim.logs.traces import Trace, TraceColumns, plan_reading, read_requests, write_trace
from messsim.workload.choosing import Chooser, conditions
from messsim.workload.unread import unread

# ---- tenants --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("most", "shown"),
    [
        (3, ["a", "b", "c", "b", "c", "c"]),
        (2, ["others", "b", "c", "b", "c", "c"]),
        (1, ["others", "others", "c", "others", "c", "c"]),
    ],
)
def test_who_asks_most_is_named(most, shown):
    rows = np.array([0, 1, 2, 1, 2, 2], np.int32)
    named, notes = traces._named_tenants(rows, ["a", "b", "c"], most)
    assert named.to_list() == shown
    assert bool(notes) == (most < 3)


def test_the_share_of_the_others_is_told():
    rows = np.array([0, 1, 1, 1, 2, 1, 1, 1], np.int32)
    _, (note,) = traces._named_tenants(rows, ["a", "b", "c"], 1)
    assert note == (
        "3 tenants: the 1 with the most requests are kept, the rest (25 %) are 'others'; --tenants says how many"
    )


def test_of_equals_the_first_is_kept_and_the_others_have_a_name_of_their_own():
    named, _ = traces._named_tenants(np.array([2, 1, 0], np.int32), ["others", "others_", "x"], 1)
    assert named.to_list() == ["others__", "others__", "others"]


def test_who_asks_no_more_does_not_count():
    """Rows of a tenant may all be left out: of two names one is then seen."""
    named, notes = traces._named_tenants(np.array([1, 1], np.int32), ["gone", "there"], 1)
    assert (named.to_list(), notes) == (["there", "there"], [])


# ---- sessions -------------------------------------------------------------------------------------------

TURNS = """\
{"timestamp": 0, "input_length": 12, "output_length": 8, "session_id": "a", "ok": 0}
{"timestamp": 700, "input_length": 11, "output_length": 6, "session_id": "b", "ok": 1}
{"delay": 9000, "input_length": 15, "output_length": 9, "session_id": "a", "ok": 1}
{"delay": 5000, "input_length": 16, "output_length": 9, "session_id": "a", "ok": 1}
{"delay": 5000, "input_length": 16, "output_length": 9, "session_id": "b", "ok": 0}
{"timestamp": 800, "input_length": 11, "output_length": 6, "session_id": "c", "ok": 0}
"""


@pytest.mark.parametrize(
    ("which", "shown"), [("ok=1", 1), ("ok=0", 1), ("session_id!=a", 0), ("output_length>6", 1), ("ok!=7", 0)]
)
def test_sessions_that_lose_their_first_turn_are_counted(tmp_path, which, shown):
    (tmp_path / "t.jsonl").write_text(TURNS)
    chooser = Chooser(conditions([which]))
    trace = read_requests(tmp_path / "t.jsonl", plan_reading(tmp_path / "t.jsonl", TraceColumns(), None, chooser))
    notes = [
        note for note in trace.notes if note.startswith("sessions whose first turn is left out begin with a later")
    ]
    assert [note.rpartition(": ")[2] for note in notes] == [f"{shown}"] * bool(shown)


def test_delays_are_read_as_other_numbers_are(tmp_path):
    """With commas that part thousands; those of rows that do not count need be none."""
    delays = ['"9,000"', '"5,000"', '"none"']
    turns = TURNS
    for before, after in zip(["9000", "5000", "5000"], delays, strict=True):
        turns = turns.replace(f'"delay": {before}', f'"delay": {after}', 1)
    (tmp_path / "t.jsonl").write_text(turns)
    reading = plan_reading(tmp_path / "t.jsonl", TraceColumns(), None, Chooser(conditions(["ok=1"])))
    trace = read_requests(tmp_path / "t.jsonl", reading)
    assert trace.frame["delay_s"].drop_nulls().to_list() == [9.0, 5.0]


@pytest.mark.parametrize("value", [[1, 2], b"\xff"])
@pytest.mark.parametrize("column", ["timestamp", "input_length", "output_length", "delay", "session_id"])
def test_columns_of_lists_and_bytes_are_told_where_rows_are_left_out(tmp_path, column, value):
    row = {"timestamp": 0, "input_length": 12, "output_length": 8, "session_id": "a", "delay": 1, "ok": 1}
    rows = [row | {column: value}, row | {column: value, "ok": 0}, row | {column: None, "ok": 0}]
    file = tmp_path / "t.parquet"
    pl.DataFrame(rows).write_parquet(file)
    reading = plan_reading(file, TraceColumns(), None, Chooser(conditions(["ok=1"])))
    with pytest.raises(DataError, match=f"column '{column}' is of type (List|Binary)"):
        read_requests(file, reading)


# ---- what a benchmark says of itself --------------------------------------------------------------------


def extra(*frames, time="t", clients="c", rate="r"):
    made = traces._Extra(SimpleNamespace(preset=SimpleNamespace(clients=clients, rate=rate), time=time))
    for frame in frames:
        made.add(pl.DataFrame(frame))
    return made


@pytest.mark.parametrize(
    ("frames", "most"),
    [
        ([{"c": [8, 8]}], 8),
        ([{"c": [8, 32, None]}, {"c": [16]}], 32),  # of several benchmarks the greatest
        ([{"c": [None, 4]}], 4),
        ([{"c": [0]}], None),
        ([{"c": [None]}], None),
        ([{"x": [5]}], None),
        ([{"c": ["8"]}], None),
    ],
)
def test_how_many_requests_ran_at_once(frames, most):
    notes = extra(*frames, time=None).notes()
    expected = f"at most {most} requests ran at once (--max-concurrency): arrivals.kind = 'closed' is that benchmark"
    assert notes == ([] if most is None else [expected])


def test_times_of_a_closed_loop_are_those_of_sending():
    (note,) = extra({"c": [8]}).notes()
    assert " times are when one was sent, not when it would have come; arrivals.kind" in note


@pytest.mark.parametrize(
    ("frames", "rate"),
    [([{"r": [2.5, 2.5]}], 2.5), ([{"r": [2.5]}, {"r": [3.0]}], None), ([{"c": [1]}], None), ([{"r": [4]}], 4.0)],
)
def test_a_rate_is_that_of_all_rows(frames, rate):
    assert extra(*frames).rate_rps == rate


def test_a_file_of_no_tool_says_nothing_of_itself():
    made = traces._Extra(SimpleNamespace(preset=None, time="t"))
    made.add(pl.DataFrame({"c": [8]}))
    assert (made.columns, made.notes(), made.rate_rps) == ([], [], None)
    assert extra(rate=None).columns == ["c"]


@pytest.mark.parametrize(
    ("columns", "used", "shown"),
    [
        (["cached_tokens"], set(), "cached tokens (cached_tokens)"),
        (["cached_tokens"], {"cached_tokens"}, ""),
        (["usage.cached_tokens"], set(), "cached tokens (usage.cached_tokens)"),
        (["session_id", "priority"], set(), "sessions and turns (session_id), priorities (priority)"),
        (["hash_ids", "cached_tokens"], set(), "cached tokens (cached_tokens), hashes of blocks (hash_ids)"),
        (["conversation_id", "turn"], set(), "sessions and turns (conversation_id)"),
        (["reasoning_tokens"], set(), "reasoning tokens (reasoning_tokens)"),
        (["prompt_tokens", "model"], set(), ""),
        (["returns"], set(), ""),
    ],
)
def test_what_nobody_uses_is_told(columns, used, shown):
    note = unread(pl.Schema(dict.fromkeys(columns, pl.Int64)), used, trace_hints.UNUSED)
    assert note == (f"the file also has {shown}, which are left out" if shown else "")


@pytest.mark.parametrize(
    ("there", "used"),
    [
        ("hashes chat parent turn", "hashes chat parent turn"),
        ("hashes chat turn", "hashes"),  # a number of turns says nothing without the turn before
        ("parent turn", ""),
        ("chat parent", "chat parent"),
        ("session delay hashes", "session delay hashes"),
        ("session hashes", "hashes"),
        ("delay", ""),
    ],
)
def test_of_sessions_all_columns_are_used_or_none(there, used):
    keys = {"hash_ids": "hashes"} | {key: key for key in ("session", "delay", "chat", "parent", "turn")}
    preset = SimpleNamespace(prompts=keys, delay_format="ms")
    made = traces._made_of(pl.Schema(dict.fromkeys(there.split(), pl.Int64)), preset)
    named = {name for name in map(made.__getattribute__, keys) if name is not None}
    assert (named, made.delay_format) == (set(used.split()), "ms")


# ---- reading and writing --------------------------------------------------------------------------------


def written(tmp_path, text, name="log.csv"):
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_rows_go_in_order_of_time_and_stay_whole(tmp_path):
    file = written(tmp_path, "arrival_s,prompt_tokens,output_tokens,who\n7,70,1,c\n5,50,2,a\n6,60,3, \n")
    trace = read_requests(file, plan_reading(file, TraceColumns(tenant="who")))
    assert trace.frame.rows() == [(0.0, 50, 2, "a"), (1.0, 60, 3, "(none)"), (2.0, 70, 1, "c")]
    assert "rows are not in order of time (1 are earlier than the row before); they are sorted" in trace.notes


def test_rows_of_one_time_stay_in_the_order_of_the_file(tmp_path):
    n = 400
    rows = "".join(f"{5 - i % 3},{i + 1},2\n" for i in range(n))
    file = written(tmp_path, f"arrival_s,prompt_tokens,output_tokens\n{rows}")
    prompts = read_requests(file, plan_reading(file, TraceColumns())).frame["prompt_tokens"].to_list()
    assert prompts == [i + 1 for rest in (2, 1, 0) for i in range(n) if i % 3 == rest]


def test_what_the_user_says_goes_before_the_usual_names(tmp_path):
    file = written(tmp_path, "arrival_s,prompt_tokens,output_tokens,when,n\n0,1,2,10,3\n1,1,2,30,4\n")
    reading = plan_reading(file, TraceColumns(time="when", prompt_tokens="n"), kind="log")
    assert (reading.time, reading.prompt_tokens, reading.output_tokens) == ("when", "n", "output_tokens")
    assert read_requests(file, reading).frame.rows() == [(0.0, 3, 2), (20.0, 4, 2)]


def test_lengths_alone_are_read_where_times_are_not_wanted(tmp_path):
    file = written(tmp_path, "arrival_s,prompt_tokens,output_tokens\n3,1,2\n1,5,6\n")
    trace = read_requests(file, plan_reading(file, TraceColumns(time="none"), kind="log"))
    assert trace.frame.rows() == [(1, 2), (5, 6)]  # in the order of the file
    assert not trace.has_times


@pytest.mark.parametrize(
    ("head", "missing"),
    [
        ("arrival_s,prompt_tokens", "output_tokens"),
        ("prompt_tokens,output_tokens", "arrival_s"),
        ("arrival_s,output_tokens", "prompt_tokens"),
    ],
)
def test_a_column_that_is_missing_is_named(tmp_path, head, missing):
    file = written(tmp_path, f"{head}\n1,2\n")
    with pytest.raises(DataError, match=f"column .{missing}. is missing"):
        plan_reading(file, TraceColumns(), kind="log")


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.jsonl", "t.parquet", "T.CSV"])
def test_a_trace_is_written_whole_and_read_back(tmp_path, name):
    frame = pl.DataFrame({"arrival_s": [0.0, 0.5], "prompt_tokens": [3, 4], "output_tokens": [1, 2]})
    write_trace(Trace(frame), tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    reading = plan_reading(tmp_path / name, TraceColumns(), kind="log")
    assert read_requests(tmp_path / name, reading).frame.rows() == frame.rows()
    with pytest.raises(OutputError, match="exists already"):
        write_trace(Trace(frame), tmp_path / name)


def test_blocks_of_a_packed_file_have_one_head(tmp_path, monkeypatch):
    monkeypatch.setattr(traces, "BLOCK_ROWS", 2)
    frame = pl.DataFrame({"arrival_s": np.arange(5.0), "prompt_tokens": [1] * 5, "output_tokens": [2] * 5})
    write_trace(Trace(frame), tmp_path / "t.csv.gz")
    assert pl.read_csv(tmp_path / "t.csv.gz").rows() == frame.rows()


def test_a_trace_of_no_kind_is_refused(tmp_path):
    with pytest.raises(OutputError, match=r"cannot tell its kind by its name; expected \.csv, \.csv\.gz, \.parquet"):
        write_trace(Trace(pl.DataFrame()), tmp_path / "t.txt")


@pytest.mark.parametrize(
    ("times", "given", "duration", "rate"),
    [([0.0, 1.0, 4.0], None, 4.0, 0.5), ([0.0, 0.0], 7.0, 0.0, 7.0), (None, 7.0, None, 7.0), (None, None, None, None)],
)
def test_a_rate_is_that_of_the_gaps(times, given, duration, rate):
    """Three requests in four seconds leave two gaps: one every two seconds."""
    count = 3 if times is None else len(times)
    columns = {} if times is None else {"arrival_s": times}
    frame = pl.DataFrame(columns | {"prompt_tokens": [1] * count, "output_tokens": [2] * count})
    summary = Trace(frame, rate_rps=given).summary()
    assert (summary["requests"], summary["duration_s"], summary["rate_rps"]) == (count, duration, rate)


def test_a_summary_counts_tokens_and_who_asks():
    frame = pl.DataFrame(
        {"prompt_tokens": [1, 2, 3, 10], "output_tokens": [5, 5, 5, 5], "tenant": ["b", "a", "c", "c"]}
    )
    summary = Trace(frame, notes=("n",), source="s", columns={"k": "v"}, block_tokens=16).summary()
    assert summary["prompt_tokens"] == {"mean": 4.0, "p50": 2.5, "p99": pytest.approx(9.79), "max": 10.0}
    assert [(t["name"], t["share"]) for t in summary["tenants"]] == [("c", 0.5), ("a", 0.25), ("b", 0.25)]
    assert (summary["notes"], summary["format"], summary["columns"]) == (["n"], "s", {"k": "v"})


@pytest.mark.parametrize(
    ("columns", "options"),
    [
        (TraceColumns("t", "p", "p"), "column 'p' is named by --prompt-tokens and --output-tokens"),
        (TraceColumns("t", "p", "t"), "column 't' is named by --time and --output-tokens"),
        (TraceColumns("none", "o", "o"), "column 'o' is named by --prompt-tokens and --output-tokens"),
    ],
)
def test_a_column_is_one_thing(tmp_path, columns, options):
    (tmp_path / "log.csv").write_text("t,p,o\n0,1,2\n1,3,4\n")
    with pytest.raises(DataError, match=f"{options}; expected a column for each$"):
        plan_reading(tmp_path / "log.csv", columns)


@pytest.mark.parametrize("name", ["total_tokens", "totalTokens", "usage.total_tokens", "Total tokens", "tokens_total"])
def test_tokens_of_prompt_and_answer_together_are_told(tmp_path, name):
    (tmp_path / "log.csv").write_text(f"t,p,{name},output_tokens_total\n0,1,2,1\n1,3,4,1\n")
    note = f"column {name!r} counts the tokens of prompt and answer together, by its name"
    for columns, notes in ((("t", "p", name), (note,)), (("t", "p", "output_tokens_total"), ())):
        reading = plan_reading(tmp_path / "log.csv", TraceColumns(*columns))
        assert read_requests(tmp_path / "log.csv", reading).notes == notes


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("", "--skip-failed leaves out rows without tokens"),
        ("0", "--skip-failed leaves out rows without tokens"),
        ("-", "--skip-failed leaves out rows without tokens"),
        ("-1", "such rows can be left out, --select 'prompt_tokens>0'"),
        ("1.5k", ""),  # it has tokens
        ("99999999", ""),
    ],
)
def test_a_way_past_a_count_is_proposed_where_it_leads_past(tmp_path, value, hint):
    file = written(tmp_path, f"arrival_s,prompt_tokens,output_tokens\n0,{value},1\n1,5,1\n2,7,1\n")
    with pytest.raises(DataError) as error:
        read_requests(file, plan_reading(file, TraceColumns()))
    assert str(error.value).endswith(hint or "and at most 10000000")
    if hint:
        chooser = Chooser(conditions(["prompt_tokens>0"])) if "--select" in hint else Chooser(tokens=("",))
        assert read_requests(file, plan_reading(file, TraceColumns(), chooser=chooser)).frame.height == 2
