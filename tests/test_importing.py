"""`messsim import`: traces from benchmarks of vLLM and from logs."""

import contextlib
import io
import json
import tomllib

import polars as pl
import pytest
from builders import scenario

from messsim.cli import app
from messsim.errors import DataError, OutputError
from messsim.logs.traces import TraceColumns, plan_reading, read_requests, write_trace
from messsim.scenario import parse
from messsim.workload import Workload
from messsim.workload.choosing import Chooser, conditions
from messsim.workload.time_form import TimeForm

BENCH = {
    "date": "20260101-000000",
    "max_concurrency": None,
    "completed": 3,
    "failed": 1,
    "input_lens": [10, 20, 30, 40],
    "output_lens": [5, 0, 7, 8],
    "ttfts": [0.1, 0.0, 0.1, 0.1],
    "itls": [[0.1], [], [0.1], [0.1]],
    "start_times": [1000.5, 0.0, 1000.0, 1002.0],
    "generated_texts": ["a", "", "b", "c"],
    "errors": ["", "Bad Gateway", "", ""],
}


def bench(tmp_path, **changes):
    file = tmp_path / "bench.json"
    file.write_text(json.dumps({k: v for k, v in (BENCH | changes).items() if v != "gone"}))
    return file


def log(tmp_path, text, name="log.csv"):
    file = tmp_path / name
    file.write_text(text)
    return file


def rows(trace):
    return [tuple(row) for row in trace.frame.iter_rows()]


def from_log(file, columns=None, *, skip_failed=False, form=None, select=(), unique=None, kind="log"):
    chooser = Chooser(conditions(select), ("",) if skip_failed else (), unique)
    return read_requests(file, plan_reading(file, columns or TraceColumns(), form, chooser, kind))


def from_vllm(file):
    return from_log(file, kind="vllm")


# ---- vLLM -----------------------------------------------------------------------------------------------


def test_a_benchmark_of_vllm_becomes_a_trace(tmp_path):
    trace = from_vllm(bench(tmp_path))
    assert trace.frame.columns == ["arrival_s", "prompt_tokens", "output_tokens"]
    assert rows(trace) == [(0.0, 30, 7), (0.5, 10, 5), (2.0, 40, 8)]
    assert trace.notes == (
        "read as vllm bench serve, with --save-result --save-detailed",
        "requests that failed are left out: 1",
        "rows are not in order of time (1 are earlier than the row before); they are sorted",
    )


def test_a_limit_on_concurrency_is_noted(tmp_path):
    *_, note = from_vllm(bench(tmp_path, max_concurrency=8, output_lens=[5, 6, 7, 8], errors=[""] * 4)).notes
    assert note.startswith("at most 8 requests ran at once")


@pytest.mark.parametrize(("kind", "own"), [("vllm", {}), ("sglang", {"total_output_tokens_retokenized": 28})])
def test_a_benchmark_says_how_many_ran_at_once_and_how_fast(tmp_path, kind, own):
    whole = {"output_lens": [5, 6, 7, 8], "errors": [""] * 4, "max_concurrency": 8, "request_throughput": 2.5}
    trace = from_log(bench(tmp_path, **whole, **own), kind="auto")
    assert from_log(bench(tmp_path, **whole, **own), kind=kind).notes == trace.notes
    assert trace.rate_rps == 2.5
    assert trace.notes[-1] == (
        "at most 8 requests ran at once (--max-concurrency): times are when one was sent, not when it would have come; "
        "arrivals.kind = 'closed' is that benchmark"
    )
    untimed = from_log(bench(tmp_path, **whole, **own, start_times="gone"), kind="auto")
    assert untimed.notes[-1].endswith("(--max-concurrency): arrivals.kind = 'closed' is that benchmark")
    unlimited = from_log(bench(tmp_path, **whole | {"max_concurrency": None}, **own), kind="auto")
    assert not [note for note in unlimited.notes if "at once" in note]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_lens": "gone"}, "is not vllm bench serve, with --save-result --save-detailed: it lacks input_lens"),
        (
            {"start_times": [1.0]},
            "cannot be read: its lists differ in length: start_times 1, input_lens 4, output_lens",
        ),
        ({"errors": ["x"] * 4}, "no request of it was answered"),
        ({"output_lens": [5, 0, 0, 8]}, "column 'output_lens' has 0 in row 3; expected a number, at least 1"),
        ({"input_lens": [1, 2, "x", 3]}, "column 'input_lens' has 'x' in row 3; expected a number"),
    ],
)
def test_what_is_no_detailed_benchmark_is_told(tmp_path, changes, message):
    with pytest.raises(DataError) as error:
        from_vllm(bench(tmp_path, **changes))
    assert str(error.value).startswith(f"{tmp_path / 'bench.json'}: {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read: empty CSV"),
        ("[1]", "cannot be read: row 1 is no JSON object"),
        ("{}\n{}", "is not vllm bench serve, with --save-result --save-detailed: it lacks input_lens, output_lens"),
        ('{"input_lens": [1', "cannot be read: row 1 is no JSON object: Expecting"),
    ],
)
def test_what_is_no_json_object_is_told(tmp_path, text, message):
    file = tmp_path / "bench.json"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError) as error:
        from_vllm(file)
    assert str(error.value).startswith(f"{file}: {message}")
    with pytest.raises(DataError, match="no such file"):
        from_vllm(tmp_path / "none.json")


def test_a_benchmark_without_times_gives_lengths(tmp_path):
    trace = from_log(bench(tmp_path, start_times="gone", request_throughput=4.0), kind="auto")
    assert rows(trace) == [(10, 5), (30, 7), (40, 8)]
    assert trace.summary()["duration_s"] is None
    assert trace.rate_rps == 4.0
    assert "the file does not say when requests came: only their lengths are read" in trace.notes


# ---- logs -----------------------------------------------------------------------------------------------

NAMES = TraceColumns("t", "in", "out")


@pytest.mark.parametrize(
    ("form", "times"),
    [
        ("auto", ["1700000001.5", "1700000000", "1700000003"]),
        ("s", ["1.5", "0", "3"]),
        ("ms", ["1700000001500", "1700000000000", "1700000003000"]),
        ("auto", ["2023-11-14T22:13:21.5Z", "2023-11-14T23:13:20+01:00", "2023-11-14 22:13:23"]),
        ("iso", ["2023-11-14T22:13:21.5000000", "2023-11-14T22:13:20", "2023-11-14T22:13:23.000"]),
    ],
    ids=["epoch", "seconds", "ms", "offsets", "fractions"],
)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_times_come_in_several_forms(tmp_path, form, times, kind):
    table = pl.DataFrame({"t": times, "in": [2, 1, 3], "out": [5, 4, 6]})
    if "-" not in times[0]:
        table = table.with_columns(pl.col("t").cast(pl.Float64))
    file = tmp_path / f"log.{kind}"
    file.write_text(table.write_csv() if kind == "csv" else table.write_ndjson())
    columns = TraceColumns("t", "in", "out")
    assert rows(from_log(file, columns, form=TimeForm(form))) == [(0.0, 1, 4), (1.5, 2, 5), (3.0, 3, 6)]


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        (
            "t,in,out\n1,2,3\n1700000000000,2,3\n",
            NAMES,
            "column 't' has 1700000000000 in row 2; expected seconds; --time-",
        ),
        ("t,in,out\n1,2,3\n2,0,3\n", NAMES, "column 'in' has 0 in row 2; expected a number, at least 1"),
        ("t,in,out\n1,2,3\n2,2,\n", NAMES, "column 'out' has no value in row 2"),
        (
            "t,in,out\n2023-11-14T22:13:20Z,2,3\n14/14/2023,2,3\n",
            NAMES,
            "column 't' has '14/14/2023' in row 2; expected a d",
        ),
        ("t,in,out\n1,2,x\n", NAMES, "column 'out' has 'x' in row 1"),
        ("when,in,out\n1,2,3\n", NAMES, "column 't' is missing; "),
        ("time,in,out\n1,2,3\n", TraceColumns("tme", "in", "out"), "column 'tme' is missing; did you mean 'time'?"),
        ("t,in,out\n1,2,3\n", TraceColumns("t", "in", "out", "user"), "column 'user' is missing"),
        ("t,in,out\n", NAMES, "has no rows"),
    ],
)
def test_what_is_wrong_with_a_log_is_told_with_row_and_value(tmp_path, text, columns, message):
    with pytest.raises(DataError) as error:
        from_log(log(tmp_path, text), columns)
    assert str(error.value).startswith(f"{tmp_path / 'log.csv'}: {message}")


def test_rows_without_tokens_may_be_left_out(tmp_path):
    file = log(tmp_path, "t,in,out\n1,2,3\n2,5,0\n3,,4\n4,6,7\n")
    trace = from_log(file, NAMES, skip_failed=True)
    assert rows(trace) == [(0.0, 2, 3), (3.0, 6, 7)]
    assert trace.notes == ("rows without tokens are left out: 2",)
    with pytest.raises(DataError, match="column 'in' has -6 in row 3"):
        from_log(log(tmp_path, "t,in,out\n1,2,3\n2,5,0\n4,-6,7\n"), NAMES, skip_failed=True)
    file = log(tmp_path, 't,in,out\n1,-,3\n4,6,x\n5,6,7\n6,8,"312"\n')
    assert rows(from_log(file, NAMES, skip_failed=True)) == [(0.0, 6, 7), (1.0, 8, 312)]
    with pytest.raises(DataError, match="no request of it was answered"):
        from_log(log(tmp_path, "t,in,out\n1,0,3\n"), NAMES, skip_failed=True)


# ---- what is written ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["trace.csv", "trace.csv.gz", "trace.jsonl", "trace.parquet"])
def test_a_trace_is_what_a_scenario_reads(tmp_path, name):
    file = log(tmp_path, "t,in,out,who\n0,2,3,b\n0.1,4,5,a\n0.7,6,7,b\n")
    trace = from_log(file, TraceColumns("t", "in", "out", "who"))
    write_trace(trace, tmp_path / name)
    tokens = {"prompt": {"kind": "trace"}, "output": {"kind": "trace"}}
    arrivals = {"kind": "trace", "file": name, "repeat": False}
    parsed = parse(scenario(requests=3, arrivals=arrivals, tokens=tokens), folder=tmp_path)
    (chunk,) = Workload(parsed).chunks(64)
    assert chunk.arrival_s.tolist() == [0.0, 0.1, 0.7]
    assert chunk.prompt_tokens.tolist() == [2, 4, 6]
    assert trace.summary()["tenants"] == [{"name": "b", "share": 2 / 3}, {"name": "a", "share": 1 / 3}]
    assert trace.summary()["rate_rps"] == pytest.approx(2 / 0.7)


def test_a_file_that_is_there_or_of_no_kind_is_left_alone(tmp_path):
    trace = from_log(log(tmp_path, "t,in,out\n1,2,3\n"), NAMES)
    with pytest.raises(OutputError, match="exists already"):
        write_trace(trace, tmp_path / "log.csv")
    with pytest.raises(OutputError, match=r"trace\.txt: cannot tell its kind by its name; expected \.csv"):
        write_trace(trace, tmp_path / "trace.txt")
    assert [p.name for p in tmp_path.iterdir()] == ["log.csv"]


def here(*args):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as left:
        app(list(map(str, args)), prog_name="messsim")
    return left.value.code, out.getvalue(), err.getvalue()


def test_the_command_says_how_a_scenario_uses_the_trace(tmp_path):
    file = log(tmp_path, 'time,p,o,who\n0,2,3,"b ""x"""\n1,4,5,a\n2,4,5,a\n3,4,5,a\n')
    args = ["import", file, "--time", "time", "--prompt-tokens", "p", "--output-tokens", "o", "--tenant", "who"]
    code, out, err = here(*args, "--out", tmp_path / "t.csv")
    assert (code, err) == (0, "")
    toml = tomllib.loads(out.split("beside it:\n\n")[1])
    assert toml["arrivals"] == {"kind": "trace", "file": "t.csv", "columns": {"tenant": "tenant"}}
    assert toml["tenants"] == [{"name": "a", "share": 0.75}, {"name": 'b "x"', "share": 0.25}]
    assert parse(scenario(**toml), folder=tmp_path).tenants[0].share == 0.75
    code, out, err = here("import", bench(tmp_path), "--out", tmp_path / "v.csv", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["requests"] == 3
    assert (tmp_path / "v.csv").read_text() == "arrival_s,prompt_tokens,output_tokens\n0.0,30,7\n0.5,10,5\n2.0,40,8\n"


def test_bad_input_leaves_nothing(tmp_path):
    file = log(tmp_path, "arrival_s,prompt_tokens,output_tokens\n1,2,3\n2,2,-3\n")
    code, out, err = here("import", file, "--out", tmp_path / "deep" / "t.csv")
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {file}: column 'output_tokens' has -3 in row 2; expected a number, at least 1")
    assert [p.name for p in tmp_path.iterdir()] == ["log.csv"]


def test_without_out_a_file_is_looked_at_and_nothing_is_written(tmp_path):
    file = log(tmp_path, "arrival_s,prompt_tokens,output_tokens\n0,10,5\n2,30,7\n")
    code, out, err = here("import", file)
    assert (code, err, [p.name for p in tmp_path.iterdir()]) == (0, "", ["log.csv"])
    assert out.startswith("requests       2 in 2 s")
    assert out.endswith("\nnothing is written: --out FILE writes it, and says how a scenario uses it\n")
    looked, written = here("import", file, "--json")[1], here("import", file, "--json", "--out", tmp_path / "t.csv")[1]
    assert json.loads(looked) == json.loads(written) | {"file": None}
    assert (tmp_path / "t.csv").exists()


@pytest.mark.parametrize(
    ("time", "noted"),
    [("end_time", True), ("requestEndTime", True), ("completed_at", True), ("finished", True),
     ("completion_time", True), ("completionTimestamp", True), ("end_user_ts", False), ("frontEndTime", False),
     ("back_end_s", False), ("weekEnd", False), ("started", False), ("endpoint_time", False),
     ("completionStartTime", False), ("created", False)],
)  # fmt: skip
def test_times_of_the_end_of_a_request_are_doubted(tmp_path, time, noted):
    file = log(tmp_path, f"{time},p,o\n0,2,3\n1,4,5\n")
    notes = from_log(file, TraceColumns(time, "p", "o")).notes
    assert notes == (f"column {time!r} may say when answers were done, not when they were asked for",) * noted


def test_prompts_of_which_a_cache_is_counted_by_itself_are_noted(tmp_path):
    head = "arrival_s,input_tokens,output_tokens,cache_read_input_tokens\n"
    file = log(tmp_path, head + "0,2,3,9000\n1,4,5,0\n")
    notes = from_log(file, TraceColumns(prompt_tokens="input_tokens")).notes
    assert notes[-1] == (
        "prompts may be longer than 'input_tokens' says: Anthropic counts what a cache holds by itself, "
        "cache_read_input_tokens"
    )
    assert sum("cache_read_input_tokens" in note for note in notes) == 1
    file = log(tmp_path, head.replace("input_tokens,", "prompt_tokens,", 1) + "0,2,3,9000\n1,4,5,0\n")
    assert not any("prompts may be longer" in note for note in from_log(file).notes)


@pytest.mark.parametrize(
    "usage",
    [
        "{'in': 10, 'out': 5, 'x': None}",
        "{'in':'10','out':'5'}",
        r"{'in': 10, 'out': 5, 'x': '\d'}",
        '{"in": 10, "out": 5}',
        " {'in': 10, 'out': 5}",
    ],
)
def test_dictionaries_that_python_wrote_as_text_are_looked_into(tmp_path, usage):
    (file := tmp_path / "f.csv").write_text(f'arrival_s,use\n0,"{usage.replace(chr(34), chr(34) * 2)}"\n')
    columns = TraceColumns(prompt_tokens="use.in", output_tokens="use.out")
    assert rows(from_log(file, columns)) == [(0.0, 10, 5)]


@pytest.mark.parametrize(
    ("select", "lengths", "notes"),
    [
        (
            [],
            [8],
            ["read as LiteLLM spend logs", "answers from the gateway's cache (--from log keeps them) are left out: 1"],
        ),
        (["cache_hit=True"], [7], ["read as LiteLLM spend logs", "rows without cache_hit=True are left out: 1"]),
        (["cache_hit!=maybe"], [8], None),
        (["spend>=0.2"], [8], None),
    ],
)
def test_what_a_user_says_of_a_column_replaces_what_a_known_tool_leaves_out(tmp_path, select, lengths, notes):
    head = "startTime,prompt_tokens,completion_tokens,spend,cache_hit\n"
    file = log(tmp_path, head + "2024-05-06 10:00:00,7,3,0.1,True\n2024-05-06 10:00:01,8,3,0.2,False\n")
    trace = from_log(file, select=select, kind="auto")
    assert trace.frame["prompt_tokens"].to_list() == lengths
    assert notes is None or sorted(trace.notes) == sorted(notes)


def test_text_that_is_no_dictionary_holds_nothing(tmp_path):
    (file := tmp_path / "f.csv").write_text("arrival_s,use\n0,{'in': f(1)}\n")
    with pytest.raises(DataError, match=r"column 'use.in' has no value in row 1"):
        from_log(file, TraceColumns(prompt_tokens="use.in", output_tokens="use.out"))


def test_a_key_in_text_may_have_dots_itself(tmp_path):
    """As attributes of OpenTelemetry have, which ClickHouse exports as text of a map."""
    held = "{'gen_ai.usage.input_tokens':'10','gen_ai.usage.output_tokens':'5'}"
    (file := tmp_path / "f.csv").write_text(f'Timestamp,a\n0,"{held}"\n1,"{held}"\n')
    columns = TraceColumns("Timestamp", "a.gen_ai.usage.input_tokens", "a.gen_ai.usage.output_tokens")
    assert rows(from_log(file, columns)) == [(0.0, 10, 5), (1.0, 10, 5)]


@pytest.mark.parametrize("key", ["it's", "a'b'c", "x'.y", 'a"b"'])
def test_a_key_in_text_may_have_quotes_itself(tmp_path, key):
    held = json.dumps({key: 10, "out": 5}).replace('"', '""')
    (file := tmp_path / "f.csv").write_text(f'Timestamp,a\n0,"{held}"\n')
    assert rows(from_log(file, TraceColumns("Timestamp", f"a.{key}", "a.out"))) == [(0.0, 10, 5)]


@pytest.mark.parametrize("key", ["back\\slash", "end\\", "no\0ne", "a'\"b"])
def test_a_key_in_text_that_no_path_leads_to_is_missing(tmp_path, key):
    (file := tmp_path / "f.csv").write_text('Timestamp,a\n0,"{""out"": 5}"\n')
    with pytest.raises(DataError, match="is missing"):
        from_log(file, TraceColumns("Timestamp", f"a.{key}", "a.out"))


def test_without_out_outcomes_are_looked_at(tmp_path):
    file = log(tmp_path, "prompt,model,score\nx,a,1\nx,b,0\ny,a,1\ny,b,1\n")
    looked = json.loads(here("import", "--outcomes", file, "--json")[1])
    assert (looked["file"], looked["satisfaction"]) == (None, {"a": 1.0, "b": 0.5})
    assert [p.name for p in tmp_path.iterdir()] == ["log.csv"]
