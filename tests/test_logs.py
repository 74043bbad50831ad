"""Files as people hold them: times, wrapped data, other tools' columns, rows chosen, outcomes, propensities."""

import contextlib
import gzip
import io
import json
import re
import tomllib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from builders import run, scenario

from messsim.cli import app
from messsim.errors import DataError
from messsim.logs.decisions import DecisionColumns, read_log
from messsim.logs.outcomes import read_outcomes
from messsim.logs.presets import PRESETS
from messsim.logs.replay import replay
from messsim.logs.scores import OutcomeOptions, parse_map
from messsim.logs.traces import TraceColumns, plan_reading, read_requests
from messsim.scenario import parse
from messsim.study.calibrate.measurements import read_measurements
from messsim.workload import Workload
from messsim.workload.choosing import Chooser, conditions
from messsim.workload.doubts import doubts
from messsim.workload.time_form import TimeForm
from messsim.workload.times import Times
from messsim.workload.units import unit_of

NAMES = TraceColumns("t", "in", "out")


def seconds(values, column="t", **form):
    times = Times(column, Path("f.csv"), TimeForm(**form))
    times.add(pl.DataFrame({column: values}), 0)
    return times.seconds().tolist(), times.notes


def stamps(values, **form):
    """When the first is, and how long after it each."""
    times = Times("t", Path("f.csv"), TimeForm(**form))
    times.add(pl.DataFrame({"t": values}), 0)
    after = times.seconds().tolist()
    return times.start.removesuffix("Z"), after


def read(file, columns=None, *, kind="auto", form=None, select=(), skip=False, unique=None, most=20):
    chooser = Chooser(conditions(select), ("",) if skip else (), unique)
    return read_requests(file, plan_reading(file, columns or TraceColumns(), form, chooser, kind), most_tenants=most)


def here(*args):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as left:
        app(list(map(str, args)), prog_name="messsim")
    return left.value.code, out.getvalue(), err.getvalue()


# ---- times ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        ["8/18/2025, 12:00:38.5 AM", "8/18/2025, 12:00:40.5 AM"],
        ["18/08/2025 00:00:38", "18/08/2025 00:00:40"],
        ["18.08.2025 00:00:38", "18.08.2025 00:00:40"],
        ["2025/08/18 00:00:38", "2025/08/18 00:00:40"],
        ["[18/Aug/2025:00:00:38 +0000]", "[18/Aug/2025:02:00:40 +0200]"],
        ["2025-08-18 00:00:38.123 UTC", "2025-08-18 00:00:40.123 UTC"],
        ["2025-08-18 00:00:38.123 +0000", "2025-08-17 19:00:40.123 -0500"],
        ["2025-08-18 00:00:38,123", "2025-08-18 00:00:40,123"],
        ["2025-08-18T00:00:38.123456789Z", "2025-08-18T00:00:40.123456789Z"],
        ["2025-08-18 00:00:38 +0000 UTC m=+0.1", "2025-08-18 00:00:40 +0000 UTC m=+2.1"],
        ["Mon, 18 Aug 2025 00:00:38 GMT", "Mon, 18 Aug 2025 00:00:40 GMT"],
        ["Aug 18, 2025 12:00:38 PM", "Aug 18, 2025 12:00:40 PM"],
        ["2025-08-18 00:00:38 PDT", "2025-08-18 07:00:40 UTC"],
        ["20250818T000038Z", "20250818T000040Z"],
        ["2016-12-31T23:59:59Z", "2017-01-01T00:00:01Z"],
    ],
    ids=lambda v: v[0],
)
def test_dates_in_any_common_form(values):
    assert seconds(values) == ([0.0, 2.0], [])


def test_a_clock_that_goes_back():
    local = ["2025-10-26 02:58:00", "2025-10-26 02:59:30", "2025-10-26 02:00:10", "2025-10-26 02:01:00"]
    assert seconds(local, zone="Europe/Berlin")[0] == [0.0, 90.0, 130.0, 180.0]
    result, (note,) = seconds(local)
    assert result == [3470.0, 3560.0, 0.0, 50.0]
    assert "--time-zone such as Europe/Berlin" in note
    with pytest.raises(DataError, match="go forward over it"):
        seconds(["2025-03-30 02:30:00"], zone="Europe/Berlin")


def test_a_day_and_a_month_that_may_be_either():
    result, (note,) = seconds(["02/11/2023 18:15:00", "03/11/2023 18:15:00"])
    assert result[1] == 28 * 86400
    assert "'%d/%m/%Y %H:%M:%S'" in note
    assert seconds(["02/11/2023 18:15:00", "03/11/2023 18:15:00"], format="%d/%m/%Y %H:%M:%S") == ([0.0, 86400.0], [])
    assert seconds(["30/11/2023 18:15:00", "01/12/2023 18:15:00"]) == ([0.0, 86400.0], [])


SAYS_NO_ZONE = ("", ":09", ":09.5", ":09,250", ":09.123456789", " PM", " pm", ":09 AM")
SAYS_ITS_ZONE = ("Z", " Z", ":09Z", ":09.5Z", "z", " UTC", " GMT", ":09 UTC", " +0200", "+02:00", " +02", "-05",
                 " GMT+0200", " UTC-03:30", " GMT+02", " PM +0200", " PM UTC", " +0200 (CEST)")  # fmt: skip
NO_PATTERN = (" PST", " CET", " Europe/Paris", " Europe/London", " Etc/GMT+10", " p.m.", ":09 P.M.")


@pytest.mark.parametrize("zone", [None, "Asia/Tokyo"])
@pytest.mark.parametrize("ending", [*SAYS_NO_ZONE, *SAYS_ITS_ZONE, *NO_PATTERN])
@pytest.mark.parametrize("date", ["1/2/2024 2:07", "01/02/24, 02:07", "[1-2-2024 02:07"])
def test_the_pattern_that_is_proposed_reads_the_same_instants(date, ending, zone):
    """Against the same dates with the month spelt out, which leaves no order open."""
    dates = [f"{date}{ending}", f"{date.replace('1', '3', 1)}{ending}"]
    _, (note,) = seconds(dates, zone=zone)
    assert "may be the other way round" in note
    proposed = re.search(r": --time-format '(.*)'$", note)
    if ending in NO_PATTERN:
        assert proposed is None
        return
    if zone and proposed is None:
        assert ending.endswith(("UTC", "GMT")), "text that a pattern takes no notice of, beside another zone"
        return
    time = re.sub(r"^.*[ ,](?=\d{1,2}:)", "", date) + ending
    assert proposed, note
    assert stamps(dates, format=proposed[1], zone=zone) == stamps(
        [f"2024-02-{day} {time}" for day in ("01", "03")], zone=zone
    )


def test_names_of_zones_are_proposed_as_text_only_where_they_shift_no_clock():
    """In winter London is at UTC: a pattern with its name would read its summer an hour late."""
    note = "column 't' is read as month/day/year, though it may be the other way round"
    assert seconds(["1/2/2024 14:07 Europe/London", "2/2/2024 14:07 Europe/London"])[1] == [note]
    rows = ["1/2/2024 14:07 CST", "2/2/2024 14:07 CST"]
    assert seconds(rows, zone="America/Chicago")[1] == [note], "nor without the name that its rows have"


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("request_start_ns", [1759813207532900363, 1759813207782900363]),
        ("t", [1759813207532900363, 1759813207782900363]),
        ("ts_us", [0, 250_000]),
        ("startTimeMs", [0, 250]),
        ("t", [1759813207500, 1759813207750]),
        ("t", ["1,000", "1,000.25"]),
    ],
)
def test_units_by_suffix_and_by_size(column, values):
    result, _ = seconds(values, column)
    assert result[1] - result[0] == 0.25


def test_units_that_are_doubted():
    with pytest.raises(DataError, match="expected seconds; --time-format ms for milliseconds"):
        seconds([1759813207500, 1759813208500], "arrival_s")
    with pytest.raises(DataError, match="--time-format ns for nanoseconds"):
        seconds([1759813207532900363], "t", format="ms")
    (note,) = doubts(np.arange(100) * 330.0, TimeForm())
    assert "--time-format ms" in note
    assert doubts(np.arange(100) * 0.33, TimeForm()) == []
    assert [unit_of(c) for c in ("tokens", "status", "time_s", "Timestamp(ms)")] == [None, None, "s", "ms"]
    with pytest.raises(DataError, match="unknown time zone"):
        seconds(["2025-08-18"], zone="Mars")
    with pytest.raises(DataError, match=r"no value in row 2.*--select 't!='"):
        seconds(["2025-08-18", None])
    with pytest.raises(DataError, match="expected a date too"):
        seconds(["09:00"])


@pytest.mark.parametrize(
    ("value", "form", "hint"),
    [
        ("12:30:05.5", {}, "expected a date too, not a time of day alone"),
        ("2025-08-18 12:30 CST", {}, "expected an offset such as +0100: this name stands for several; --time-zone"),
        ("Aug 18 12:30:00", {}, "expected a date with its year too"),
        ("18 Aug 12:30:00", {}, "expected a date with its year too"),
        ("18/Aug 12:30:00", {}, "expected a date with its year too"),
        ("Mon 18 Aug 12:30:00", {}, "expected a date with its year too"),
        ("2025-08-18", {"format": "%d.%m.%Y"}, "expected what --time-format '%d.%m.%Y' describes"),
        ("soon", {}, "2023-11-16T18:15:46; such rows can be left out, --select 't!=soon'"),
        ("day 18", {}, "expected a date and time such as 2023-11-16T18:15:46, or another with --time-format PATTERN"),
        ("2025-08-18 12:30 ISTANBUL", {}, "expected a date and time such as"),
    ],
)
def test_what_is_no_date_is_told_with_what_it_lacks(value, form, hint):
    with pytest.raises(DataError) as error:
        seconds(["2025-08-18 12:30:00", value] if not form else ["18.08.2025", value], **form)
    assert "in row 2" in str(error.value)
    assert hint in str(error.value)


def test_a_scenario_says_the_unit_too(tmp_path):
    (tmp_path / "t.csv").write_text("t,prompt_tokens,output_tokens\n0,1,1\n250,1,1\n")
    law = {"kind": "trace", "file": "t.csv", "columns": {"time": "t", "time_format": "ms"}}
    w = Workload(parse(scenario(requests=2, arrivals=law), folder=tmp_path))
    assert w.trace.time_s.tolist() == [0.0, 0.25]


# ---- wrapped data ---------------------------------------------------------------------------------------

ROWS = [{"t": i, "use": {"in": 10 + i, "out": 5}, "ok": True} for i in range(3)]
NESTED = TraceColumns("t", "use.in", "use.out")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", json.dumps(ROWS, indent=1)),
        ("b.json", json.dumps({"data": ROWS})),
        ("c.json", "".join(map(json.dumps, ROWS))),
        ("d.jsonl", "INFO starting\n" + "\n".join(map(json.dumps, ROWS)) + "\n\n"),
        ("e.log", "\n".join(map(json.dumps, ROWS))),
    ],
)
def test_json_of_any_shape(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    result = read(tmp_path / name, NESTED)
    assert result.frame.rows() == [(0.0, 10, 5), (1.0, 11, 5), (2.0, 12, 5)]
    assert ("lines that are no JSON object are left out: 1" in result.notes) == (name == "d.jsonl")
    with pytest.raises(DataError, match=r"'in' is missing; did you mean 'use\.in'"):
        read(tmp_path / name, TraceColumns("t", "in", "use.out"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "t;in;out\n0,5;10;5\n1,5;11;5\n"),
        ("b.tsv", "t\tin\tout\n0\t10\t5\n1\t11\t5\n"),
        ("c.csv", "# by a tool\nt,in,out\n0,10,5\n1,11,5\n"),
        ("d.csv", "t,in,out\n0,10,5\n\n1,11,5\n\n  \n"),
        ("e.csv", "t, in , out\n0, 10, 5\n1, 11, 5\n"),
        ("f.csv", 't,in,out\n0,"10","5"\n1,"11","5"\n'),
    ],
)
def test_csv_in_any_dialect(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read(tmp_path / name, NAMES).frame.rows() == [(0.0, 10, 5), (1.0, 11, 5)]
    with gzip.open(tmp_path / f"{name}.gz", "wt") as file:
        file.write(text)
    assert read(tmp_path / f"{name}.gz", NAMES).frame.height == 2


def test_a_column_that_stands_twice_is_noted(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("arrival_s,prompt_tokens,output_tokens,prompt_tokens,other,other\n0,1,2,3,4,5\n1,1,2,3,4,5\n")
    trace = read(file)
    assert trace.notes == ("its header has 'prompt_tokens' more than once: the first is read",)
    assert trace.frame["prompt_tokens"].to_list() == [1, 1]


def test_zstandard_without_its_package(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "zstandard", None)
    (tmp_path / "t.csv.zst").write_bytes(b"\x28\xb5\x2f\xfd00")
    with pytest.raises(DataError, match=r"pip install messsim\[zstd\]"):
        read(tmp_path / "t.csv.zst", NAMES)


# ---- whose file it is -----------------------------------------------------------------------------------

SPAN = {
    "startTimeUnixNano": "1759813207532900363",
    "spanId": "1",
    "attributes": [
        {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "7"}},
        {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "3"}},
    ],
}
GUIDE = {"request_id": "a", "prompt_tokens": 7, "output_tokens": 3, "start_time": 1.76e9, "end_time": 1.76e9}
AIPERF = {
    "metadata": {"request_start_ns": 1759813207532900363, "was_cancelled": False, "benchmark_phase": "profiling"},
    "metrics": {"input_sequence_length": {"value": 7}, "output_sequence_length": {"value": 3}},
    "error": None,
}
FILES = {
    "vllm": {"input_lens": [7], "output_lens": [3], "start_times": [1.5], "errors": [""]},
    "sglang": {"input_lens": [7], "output_lens": [3], "errors": [""], "total_output_tokens_retokenized": 3},
    "aiperf": AIPERF,
    "guidellm": {"benchmarks": [{"requests": {"successful": [GUIDE], "errored": [], "incomplete": []}}]},
    "inference-perf": [{"start_time": 1.0, "end_time": 2.0, "info": {"input_tokens": 7, "output_tokens": 3}, "error": None}],  # noqa: E501
    "litellm": [{"request_id": "a", "startTime": "2026-03-01 09:00:00", "prompt_tokens": 7, "completion_tokens": 3, "spend": 1}],  # noqa: E501
    "langfuse": [{"id": "a", "traceId": "b", "startTime": "2026-03-01T09:00:00Z", "usageDetails": {"input": 7, "output": 3}}],  # noqa: E501
    "helicone": [
        {"request_id": "a", "request_created_at": "2026-03-01T09:00:00Z", "response_status": 200, "prompt_tokens": 7,
         "completion_tokens": 3}
    ],
    "openrouter": [{"generation_id": "a", "created_at": "2026-03-01 09:00:00", "tokens_prompt": 7, "tokens_completion": 3}],  # noqa: E501
    "envoy": [
        {"start_time": "2025-08-28T13:25:36Z", "response_code": 200, "gen_ai.usage.input_tokens": "7",
         "gen_ai.usage.output_tokens": 3}
    ],
    "azure-gateway": [
        {"TimeGenerated [UTC]": "8/18/2025, 1:00:41.9 PM", "PromptTokens": 7, "CompletionTokens": 3, "TotalTokens": 10}
    ],
    "otel": {"resourceSpans": [{"scopeSpans": [{"spans": [SPAN]}]}]},
    "burstgpt": [{"Timestamp": 5, "Session ID": None, "Request tokens": 7, "Response tokens": 3, "Total tokens": 10}],
    "azure-trace": [{"TIMESTAMP": "2023-11-16 18:15:46.6805900", "ContextTokens": 7, "GeneratedTokens": 3}],
    "mooncake": [{"timestamp": 0, "input_length": 7, "output_length": 3, "hash_ids": [1]}],
    "qwen-bailian": [{"chat_id": 1, "parent_chat_id": -1, "timestamp": 0.1, "input_length": 7, "output_length": 3}],
    "vidur": [{"arrived_at": 0.0, "num_prefill_tokens": 7, "num_decode_tokens": 3}],
    "langsmith": [
        {"id": str(i), "run_type": kind, "start_time": "2026-03-01T09:00:00", "status": "success", "prompt_tokens": 7,
         "completion_tokens": 3, "total_tokens": 10} for i, kind in enumerate(("chain", "llm"))
    ],
    "cloudflare": [
        {"id": str(cached), "created_at": "2026-03-01T09:00:00Z", "success": True, "cached": cached, "tokens_in": 7,
         "tokens_out": 3, "path": "v1/chat/completions"} for cached in (False, True)
    ],
    "bedrock": [
        {"timestamp": "2026-03-01T09:00:00Z", "requestId": "a", "input": {"inputTokenCount": 7},
         "output": {"outputTokenCount": 3}}
    ],
    "openai-batch": [
        {"id": "a", "custom_id": "b", "response": {"status_code": 200, "body": {
            "created": 1_759_813_207, "usage": {"prompt_tokens": 7, "completion_tokens": 3}}}}
    ],
    "blis": [{"request_id": 0, "arrival_time_us": 0, "input_tokens": 7, "output_tokens": 3}],
}  # fmt: skip


@pytest.mark.parametrize("tool", FILES)
def test_files_of_other_tools_are_known(tmp_path, tool):
    file = tmp_path / "x.json"
    file.write_text(json.dumps(FILES[tool]))
    result = read(file)
    assert result.source == tool
    assert result.frame.select("prompt_tokens", "output_tokens").rows() == [(7, 3)]
    assert result.has_times == (tool != "sglang")
    assert any(note.startswith("read as ") for note in result.notes)


def test_what_is_of_no_use_or_unknown_is_told(tmp_path):
    file = tmp_path / "x.jsonl"
    file.write_text('{"total_input_tokens": 600, "request_throughput": 9.6}\n')
    with pytest.raises(DataError, match=r"looks like vllm bench serve without details.*--save-detailed"):
        read(file)
    file.write_text('{"timestamp": 0, "input_length": 5, "outputs": 5}\n')
    with pytest.raises(DataError, match=r"looks most like Mooncake.*lacks output_length"):
        read(file)


def test_columns_that_tell_a_tool_are_those_that_are_read():
    """Of several names of one column: each that tells the tool holds times or tokens, as each version calls them."""
    for preset in PRESETS:
        for names in (set(t.split("|")) for t in preset.tell):
            for read_from in (set(preset.time), set(preset.prompt), set(preset.output)):
                assert names <= read_from or not names & read_from, preset.name


@pytest.mark.parametrize(
    ("tool", "column", "times"),
    [
        ("langfuse", "promptTokens", {"startTime": "2026-03-01T09:00:00Z", "traceName": "x"}),
        ("langfuse", "inputUsage", {"startTime": "2026-03-01T09:00:00Z", "traceId": "x"}),
        ("langfuse", "usage_details.input", {"start_time": "2026-03-01T09:00:00Z", "trace_id": "x"}),
        ("helicone", "promptTokens", {"createdAt": "2026-03-01T09:00:00Z", "latency": 5}),
        ("helicone", "prompt_tokens", {"created_at": "2026-03-01T09:00:00Z", "status": 200}),
    ],
)
def test_versions_of_a_tool_name_their_columns_differently(tmp_path, tool, column, times):
    answers = {
        "promptTokens": "completionTokens",
        "prompt_tokens": "completion_tokens",
        "inputUsage": "outputUsage",
        "usage_details.input": "usage_details.output",
    }
    rows = []
    for tokens in (7, 9):
        row = times | ({"request_id": tokens} if tool == "helicone" else {})
        for name, value in ((column, tokens), (answers[column], 3)):
            outer, _, inner = name.partition(".")
            row[outer] = row.get(outer, {}) | {inner: value} if inner else value
        rows.append(row)
    file = tmp_path / "x.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    result = read(file)
    assert result.source == tool
    assert result.frame.select("prompt_tokens", "output_tokens").rows() == [(7, 3), (9, 3)]


def test_what_a_file_says_and_nobody_uses_is_noted(tmp_path):
    file = tmp_path / "x.jsonl"
    rows = [{"t": k, "in": 5, "out": 3, "cached_tokens": 2, "priority": 1, "note": "x"} for k in range(2)]
    file.write_text("\n".join(map(json.dumps, rows)))
    expected = "the file also has cached tokens (cached_tokens), priorities (priority), which are left out"
    assert expected in read(file, NAMES).notes
    file.write_text("\n".join(json.dumps({"t": k, "in": 5, "out": 3, "note": "x"}) for k in range(2)))
    assert not any("the file also has" in note or not note for note in read(file, NAMES).notes)


def test_units_of_a_tool(tmp_path):
    data = {"input_length": 7, "output_length": 3, "hash_ids": [1], "priority": 2}
    rows = [{"timestamp": 330 * i} | data for i in range(9)]
    file = tmp_path / "x.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    result = read(file)
    assert result.frame["arrival_s"].to_list() == pytest.approx([0.33 * i for i in range(9)])
    assert [note for note in result.notes if "which are left out" in note] == [
        "the file also has priorities (priority), which are left out"
    ]
    assert result.frame["hash_ids"].to_list() == [[1]] * 9


# ---- rows -----------------------------------------------------------------------------------------------


def test_rows_are_chosen_and_counted(tmp_path):
    file = tmp_path / "log.csv"
    file.write_text("id,t,status,in,out\na,0,200,9,2\na,1,200,9,2\nb,2,499,9,2\nc,3,200,9,-\nd,4,200,9,5\n")
    result = read(file, NAMES, select=["status=200", "t<9"], skip=True, unique="id")
    assert result.frame.rows() == [(0.0, 9, 2), (4.0, 9, 5)]
    assert result.notes == (
        "rows without status=200 are left out: 1",
        "rows without tokens are left out: 1",
        "rows whose id came before are left out: 1",
    )
    with pytest.raises(DataError, match=r"no row has status=201; status is: 200, 499"):
        read(file, NAMES, select=["status=201"])
    with pytest.raises(DataError, match=r"'out' has '-' in row 4; .*--skip-failed"):
        read(file, NAMES)
    with pytest.raises(DataError, match="expected COLUMN=VALUE"):
        conditions(["status"])


# ---- what import prints runs ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("arrival_s,prompt_tokens,output_tokens\n" + "5,9,2\n" * 20, []),
        ("prompt_tokens,output_tokens\n" + "9,2\n8,3\n" * 10, ["--time", "none"]),
        (
            "arrival_s,prompt_tokens,output_tokens,user\n" + "".join(f"{i},9,2,u{i % 300}\n" for i in range(900)),
            ["--tenant", "user", "--tenants", "5"],
        ),
        ('arrival_s,prompt_tokens,output_tokens,user\n0,9,2,\n1,9,2,"a ""b"" é"\n', ["--tenant", "user"]),
    ],
    ids=["at once", "no times", "many tenants", "no name"],
)
def test_what_import_prints_runs(tmp_path, text, more):
    (tmp_path / "log.csv").write_text(text)
    code, out, err = here("import", tmp_path / "log.csv", "--out", tmp_path / "t.csv", *more)
    assert (code, err) == (0, "")
    toml = tomllib.loads(out.split("beside it:\n\n")[1])
    assert len(toml.get("tenants", [])) <= 6
    assert run(scenario(requests=20) | with_paths(toml, tmp_path)).summary


def with_paths(toml, folder):
    for table in ("arrivals", "tokens"):
        if "file" in toml[table]:
            toml[table]["file"] = str(folder / toml[table]["file"])
    return toml


def test_a_tenant_stays_with_its_row(tmp_path):
    (tmp_path / "t.csv").write_text("arrival_s,prompt_tokens,output_tokens,tenant\n0,9,2,b\n1,8,2,a\n2,7,2,b\n")
    law = {"kind": "trace", "file": "t.csv", "columns": {"tenant": "tenant"}}
    names = [{"name": "a"}, {"name": "b"}]
    w = Workload(parse(scenario(requests=6, arrivals=law, tenants=names), folder=tmp_path))
    (chunk,) = w.chunks(64)
    assert chunk.tenant.tolist() == [1, 0, 1, 1, 0, 1]
    with pytest.raises(
        DataError, match="'a' in row 2, which is no tenant; expected one of b, or a tenant named 'others'"
    ):
        Workload(parse(scenario(requests=6, arrivals=law, tenants=[{"name": "b"}]), folder=tmp_path))


def test_lengths_are_drawn_jointly(tmp_path):
    (tmp_path / "l.csv").write_text("prompt_tokens,output_tokens\n10,1\n20,2\n30,3\n")
    tokens = {"file": "l.csv", "prompt": {"kind": "trace"}, "output": {"kind": "trace"}}
    w = Workload(parse(scenario(requests=500, tokens=tokens), folder=tmp_path))
    chunk = next(w.chunks(500))
    assert (chunk.prompt_tokens == 10 * chunk.output_tokens[0]).all()
    assert set(chunk.prompt_tokens.tolist()) == {10, 20, 30}
    assert w.mean_prompt_tokens() == 20


# ---- outcomes -------------------------------------------------------------------------------------------


def test_samples_of_one_model_each_are_joined(tmp_path):
    for name, right in (("small", 0), ("large", 1)):
        rows = [
            {"doc_id": i, "filter": f, "metrics": ["exact_match"], "exact_match": float(right if f == "strict" else 1)}
            for i in range(4)
            for f in ("strict", "flexible")
        ]
        (tmp_path / f"samples_{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    paths = [tmp_path / "samples_small.jsonl", tmp_path / "samples_large.jsonl"]
    outcomes = read_outcomes(paths, OutcomeOptions())
    assert outcomes.frame.select("small", "large").rows() == [(0.0, 1.0)] * 4
    assert "strict is taken" in outcomes.notes[0]
    assert read_outcomes(paths, OutcomeOptions(filter="flexible")).frame["small"].to_list() == [1.0] * 4
    with pytest.raises(DataError, match="no filter 'x'; expected --filter strict or flexible"):
        read_outcomes(paths, OutcomeOptions(filter="x"))
    with pytest.raises(DataError, match="MODEL=FILE"):
        read_outcomes([paths[0], paths[0]], OutcomeOptions())


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("id,model,score\n1,a,1\n2,b,0\n", {}, "no prompt was answered by all of a, b; --prompt names the column"),
        ("id,answer\n1,a\n", {}, "has no column of scores (score, "),
        ("answer,model,score\n1,a,1\n", {}, "has no column of prompts ("),
        ("type,run_id,event_id,data\nmatch,a,1,\n", {}, "has "),
    ],
)
def test_what_is_no_table_of_outcomes_is_told(tmp_path, text, options, message):
    file = tmp_path / "x.csv"
    file.write_text(text)
    with pytest.raises(DataError) as error:
        read_outcomes([file], OutcomeOptions(**options))
    assert message in str(error.value)


@pytest.mark.parametrize("text", ["5..1", "2..2"])
def test_grades_rise(text):
    with pytest.raises(DataError, match=r"--map .*: expected LOWEST\.\.HIGHEST"):
        parse_map([text])


def test_long_tables_are_turned_and_values_mapped(tmp_path):
    file = tmp_path / "long.csv"
    file.write_text("prompt_id,model_name,label,cost\n1,a,👍,1\n1,b,👎,2\n2,a,👎,1\n2,b,👍,2\n3,a,👍,1\n")
    outcomes = read_outcomes([file], OutcomeOptions())
    assert outcomes.frame.select("a", "b", "cost__b").rows() == [(1.0, 0.0, 2.0), (0.0, 1.0, 2.0)]
    assert outcomes.models == ("a", "b")
    assert outcomes.has_costs
    file.write_text("prompt_id,model_name,stars\n1,a,1\n1,b,5\n")
    values, grades = parse_map(["1..5"])
    outcomes = read_outcomes([file], OutcomeOptions(score="stars", values=values, grades=grades))
    assert outcomes.frame.select("a", "b").rows() == [(0.0, 1.0)]
    with pytest.raises(DataError, match=r"'stars' has 5 in row 2; .*--map"):
        read_outcomes([file], OutcomeOptions(score="stars"))


def test_rows_of_outcomes_are_chosen_as_those_of_traces(tmp_path):
    answers = ["1,1,x,a,1", "1,1,x,a,1", "2,1,x,b,0", "3,2,x,a,-", "4,2,x,b,1", "5,3,y,a,0", "6,3,y,b,1", "7,4,x,b,"]
    file, out = tmp_path / "o.csv", tmp_path / "o.parquet"
    file.write_text("\n".join(["row,id,task,model,score", *answers]))
    code, _, err = here("import", "--outcomes", file, "--out", out)
    assert (code, out.exists()) == (2, False)
    assert "column 'score' has '-' in row 4; " in err
    assert "--skip-failed leaves out what is no number" in err
    more = ("--skip-failed", "--select", "task=x", "--unique", "row")
    code, shown, err = here("import", "--outcomes", file, "--out", out, *more)
    assert (code, err) == (0, "")
    assert "rows without task=x are left out: 2" in shown
    assert "rows whose row came before are left out: 1" in shown
    assert "answers without a score are left out: 2" in shown
    assert pl.read_parquet(out).select("a", "b").rows() == [(1.0, 0.0)]


@pytest.mark.parametrize("name", ["a.csv", "b.csv"])
def test_each_file_of_outcomes_has_rows_of_its_own(tmp_path, name):
    for model in "ab":
        (tmp_path / f"{model}.csv").write_text("id,score\n1,1\n1,1\n2,0\n")
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    outcomes = read_outcomes(paths, OutcomeOptions(), Chooser(unique="id"))
    assert outcomes.frame.height == 2
    assert outcomes.notes == ("rows whose id came before are left out: 2",)
    with pytest.raises(DataError, match=rf"{name}: no row has id=[123]; id is: 1, 2"):
        read_outcomes([tmp_path / name], OutcomeOptions(), Chooser(conditions(["id=3"])))


def test_options_of_traces_are_not_ignored_where_outcomes_are_imported(tmp_path):
    file = tmp_path / "o.csv"
    file.write_text("id,model,score\n1,a,1\n1,b,0\n")
    for option, value in (("--time", "t"), ("--tenant", "t"), ("--from", "log"), ("--time-format", "ms")):
        code, _, err = here("import", "--outcomes", file, "--out", tmp_path / "o.parquet", option, value)
        assert code == 2
        assert f"{option}: is of traces; expected it without --outcomes" in err
    assert not (tmp_path / "o.parquet").exists()


def test_a_rate_that_nobody_counts_by_the_second_is_told_by_the_hour(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("timestamp,prompt_tokens,output_tokens\n2026-01-01,9,9\n2026-01-02,9,9\n2026-01-03,9,9\n")
    code, shown, _ = here("import", file, "--time", "timestamp", "--out", tmp_path / "o.csv")
    assert code == 0
    assert "0.04167 requests/h" in shown


def test_other_kinds_of_outcomes(tmp_path):
    (tmp_path / "gpt.json").write_text('{"resolved_ids": ["a"], "unresolved_ids": ["b"]}')
    (tmp_path / "helm.json").write_text(
        json.dumps([{"instance_id": i, "stats": [{"name": {"name": "exact_match"}, "mean": 1.0}]} for i in "ab"])
    )
    events = [{"sample_id": i, "type": "match", "data": {"correct": i == "b"}} for i in "ab"]
    (tmp_path / "evals.jsonl").write_text("\n".join(map(json.dumps, events)))
    outcomes = read_outcomes(
        [tmp_path / "gpt.json", ("h", tmp_path / "helm.json"), tmp_path / "evals.jsonl"], OutcomeOptions()
    )
    assert outcomes.frame.sort("prompt").select("gpt", "h", "evals").rows() == [(1.0, 1.0, 0.0), (0.0, 1.0, 1.0)]
    wide = [{"key": i, "m": {"score": 1.0, "num_input_tokens": 9, "num_output_tokens": 2}} for i in "ab"]
    (tmp_path / "wide.json").write_text(json.dumps(wide))
    outcomes = read_outcomes([tmp_path / "wide.json"], OutcomeOptions())
    assert outcomes.has_tokens
    code, out, err = here("import", "--outcomes", tmp_path / "wide.json", "--out", tmp_path / "o.parquet")
    assert (code, err) == (0, "")
    assert tomllib.loads(out.split("beside it:\n\n")[1])["models"][0]["name"] == "m"


# ---- decisions ------------------------------------------------------------------------------------------


def test_a_log_with_known_propensities(tmp_path):
    chance = np.random.default_rng(1)
    rows = []
    for _ in range(6000):
        cheap = bool(chance.random() < 0.8)
        rows.append(
            {
                "who": "8b" if cheap else "70b",
                "thumb": "up" if chance.random() < (0.5 if cheap else 0.9) else "down",
                "p": 0.8 if cheap else 0.2,
                "cost__8b": 1.0,
                "cost__70b": 5.0,
                "status": 200,
            }
        )
    rows += [{**rows[0], "who": None}, {**rows[0], "status": 500}]
    file = tmp_path / "log.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    columns = DecisionColumns("who", "thumb", "cost", "p", {"up": 1.0, "down": 0.0})
    log = read_log(file, columns, Chooser(conditions(["status=200"])))
    assert (len(log), log.unanswered) == (6000, 1)
    result = replay(log, 0.7, seed=2)
    assert result["kind"] == "propensities"
    shares = result["mess_plus"]["shares"]
    expected = 0.5 * shares[0] + 0.9 * shares[1]  # what the models it chose would satisfy
    assert result["mess_plus"]["satisfaction"] == pytest.approx(expected, abs=0.04)
    ips = result["shadow"]["ips"]
    in_shadow = 0.5 * result["shadow"]["shares"][0] + 0.9 * result["shadow"]["shares"][1]
    assert abs(ips["satisfaction"] - in_shadow) < 4 * ips["standard_error"] + 0.01
    assert ips["effective_sample_size"] < 6000
    assert "rows without status=200 are left out: 1" in result["notes"]
    assert "1 rows name no model, as of calls that failed: they are left out" in result["notes"]
    code, out, err = here(
        "replay", file, "--alpha", "0.7", "--model", "who", "--satisfied", "thumb", "--propensity", "p", "--json",
        "--map", "up=1,down=0",
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert json.loads(out)["kind"] == "propensities"
    code, _, err = here("replay", file, "--alpha", "0.7")
    assert code == 2
    assert "--model COLUMN names it" in err


# ---- measurements ---------------------------------------------------------------------------------------


def test_seconds_that_are_milliseconds_are_refused(tmp_path):
    file = tmp_path / "m.csv"
    file.write_text("clients,prompt_tokens,output_tokens,ttft_s\n1,128,64,12000\n2,128,64,13000\n")
    with pytest.raises(DataError, match=r"'ttft_s' has 12000 in row 1.*name the column ttft_ms"):
        read_measurements(file)
    file.write_text("isl,osl,concurrency,ttft,tpot\n128,64,1,12,12\n1024,64,1,41,12\n")
    assert read_measurements(file).rows.readings["ttft_s"].tolist() == [0.012, 0.041]
