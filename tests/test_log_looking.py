"""What a file whose columns nobody knows says by its first rows, and whether its hints lead to the right trace."""

import json
import re
import shlex

import polars as pl
import pytest

from messsim.errors import DataError
from messsim.logs.looking import FirstRows, is_text, may_be_outcomes
from messsim.logs.traces import TraceColumns, plan_reading, read_requests
from messsim.workload.times import TimeForm

PROMPTS, ANSWERS = [100 + i for i in range(4)], [10 + i for i in range(4)]
WHEN = [f"2025-08-18 09:00:0{i}.250" for i in range(4)]
USAGE = [json.dumps({"usage": {"input_tokens": p, "output_tokens": a}}) for p, a in zip(PROMPTS, ANSWERS, strict=True)]


def read(file, **columns):
    return read_requests(file, plan_reading(file, TraceColumns(**columns), TimeForm()))


def by_its_hint(file):
    """What is read by the options that the error of a bare import says."""
    with pytest.raises(DataError) as error:
        read(file)
    way = re.search(r"; say (.*?)(?:; |\. |$)", str(error.value))
    assert way, str(error.value)
    words = shlex.split(way[1])
    options = dict(zip(words[::2], words[1::2], strict=True))
    assert set(options) <= {"--time", "--prompt-tokens", "--output-tokens"}
    return read(file, **{option[2:].replace("-", "_"): name for option, name in options.items()}), options


def quoted(text):
    return '"' + text.replace('"', '""') + '"'


FILES = {
    "insights.csv": "@timestamp,@message\n" + "".join(f"{w},{quoted(u)}\n" for w, u in zip(WHEN, USAGE, strict=True)),
    "insights.json": json.dumps(
        {
            "results": [
                [{"field": "@timestamp", "value": w}, {"field": "@message", "value": u}]
                for w, u in zip(WHEN, USAGE, strict=True)
            ],
            "status": "Complete",
        }
    ),
    "fields.json": json.dumps(
        {
            "results": [
                [{"field": k, "value": str(v)} for k, v in zip(("@timestamp", "in", "out"), row, strict=True)]
                for row in zip(WHEN, PROMPTS, ANSWERS, strict=True)
            ]
        }
    ),
    "loki.json": json.dumps(
        {
            "status": "success",
            "data": {
                "resultType": "streams",
                "result": [
                    {"stream": {"app": app}, "values": [[f"17555076{i:02d}250000000", USAGE[i]] for i in rows]}
                    for app, rows in (("a", (0, 1)), ("b", (2, 3)))
                ],
            },
        }
    ),
    "nested.jsonl": "".join(
        json.dumps({"info": {"at": w, "tags": {"my.usage": u}}}) + "\n" for w, u in zip(WHEN, USAGE, strict=True)
    ),
    "when.csv": "when,in,out\n" + "".join(f"{w},{p},{a}\n" for w, p, a in zip(WHEN, PROMPTS, ANSWERS, strict=True)),
    "arrive.csv": "arrive_time,in,out\n" + "".join(f"{i},{PROMPTS[i]},{ANSWERS[i]}\n" for i in range(4)),
    "by_content.csv": "done,x,in,out\n" + "".join(f"1.5,{WHEN[i]},{PROMPTS[i]},{ANSWERS[i]}\n" for i in range(4)),
    "epoch.csv": "finish_ts,x,in,out\n"
    + "".join(f"{1755507609 + i},{1755507600250 + 1000 * i},{PROMPTS[i]},{ANSWERS[i]}\n" for i in range(4)),
    "nginx.csv": "request_time,time_iso8601,in,out\n"
    + "".join(f"0.7,{WHEN[i]},{PROMPTS[i]},{ANSWERS[i]}\n" for i in range(4)),
    "numbered.csv": "arrival_timestamp_ms,input_token_num,output_token_num\n"
    + "".join(f"{1000 * i},{PROMPTS[i]},{ANSWERS[i]}\n" for i in range(4)),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(set(FILES) - {"nested.jsonl"}))
def test_what_an_error_says_leads_to_the_right_trace(tmp_path, name):
    file = tmp_path / name
    file.write_text(FILES[name])
    trace, _ = by_its_hint(file)
    assert trace.frame["arrival_s"].to_list() == pytest.approx([0.0, 1.0, 2.0, 3.0])
    assert trace.frame["prompt_tokens"].to_list() == PROMPTS
    assert trace.frame["output_tokens"].to_list() == ANSWERS


def test_json_that_is_text_within_objects_is_looked_into(tmp_path):
    file = tmp_path / "nested.jsonl"
    file.write_text(FILES["nested.jsonl"])
    trace, options = by_its_hint(file)
    assert options["--prompt-tokens"] == "info.tags.my.usage.usage.input_tokens"
    assert trace.frame["prompt_tokens"].to_list() == PROMPTS


@pytest.mark.parametrize(
    ("columns", "text", "never"),
    [
        ({"t_token": [1.5], "total_tokens": [3]}, "column 'output_tokens' is missing; it has", "mean"),
        ({"num_prompts": [100], "total_num_tokens": [900]}, "column 'prompt_tokens' is missing; it has", "say "),
        ({"prompt": ["Why?"], "response": ["So."]}, "column 'prompt_tokens' is missing; it has", "--prompt-tokens"),
        ({"responses": [[1, 2]], "input_tokens": [3]}, "column 'output_tokens' is missing; it has", "'responses'?"),
    ],
)
def test_no_hint_names_what_holds_something_else(tmp_path, columns, text, never):
    file = tmp_path / "f.parquet"
    pl.DataFrame(columns).write_parquet(file)
    with pytest.raises(DataError) as error:
        read(file)
    assert text in str(error.value)
    assert never not in str(error.value)


def test_a_slip_of_the_pen_is_still_told(tmp_path):
    file = tmp_path / "f.csv"
    file.write_text("arrival_s,promt_tokens,output_tokens\n0,1,2\n")
    with pytest.raises(DataError, match="did you mean 'promt_tokens'"):
        read(file)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("request_id", [1755507600, 1755507607]),
        ("phone", [1755507600, 1755507607]),
        ("traceId", ["2025-08-18", "2025-08-19"]),
        ("ended_at", ["2025-08-18 09:00:00", "2025-08-18 09:00:01"]),
        ("day", ["2025-08-18", "2025-08-18"]),
        ("x", ["2025-08-18", None]),
        ("x", [True, False]),
    ],
)
def test_what_only_looks_like_a_time_is_none(tmp_path, name, values):
    file = tmp_path / "f.parquet"
    pl.DataFrame({name: values, "in": [1, 2], "out": [3, 4]}).write_parquet(file)
    assert FirstRows.of(file).time is None


def test_the_day_may_come_first(tmp_path):
    file = tmp_path / "f.csv"
    file.write_text("Zeitpunkt;in;out\n18.08.2025 09:00:00;1;2\n18.08.2025 09:00:01;3;4\n")
    assert FirstRows.of(file).time == "Zeitpunkt"


@pytest.mark.parametrize(
    "line", ["level=info prompt_tokens=5, output_tokens=6", "INFO 08-18 09:00:00 x.py:3] done, 5, 6"]
)
def test_a_log_of_lines_is_told_to_have_no_header(tmp_path, line):
    file = tmp_path / "f.log"
    file.write_text(f"{line}\n{line}\n")
    with pytest.raises(DataError, match="its first line looks like a row"):
        read(file)


def test_text_of_conversations_is_told_to_have_no_counts(tmp_path):
    file = tmp_path / "f.json"
    file.write_text(json.dumps([{"id": "a", "conversations": [{"from": "human", "value": "hi"}]}] * 2))
    with pytest.raises(DataError, match="text of conversations: count its tokens with your model's tokenizer"):
        read(file)
    assert is_text(["id", "messages.0.content"])
    assert not is_text(["id", "messages_total", "my_messages"])


def test_a_table_of_outcomes_is_told_to_be_one(tmp_path):
    file = tmp_path / "f.csv"
    file.write_text("doc_id,score\n1,0.5\n")
    with pytest.raises(DataError, match="as a table of outcomes: --outcomes"):
        read(file)
    assert not may_be_outcomes({"doc_id": pl.Int64, "latency": pl.Float64})


def test_the_first_rows_of_what_cannot_be_read_say_nothing(tmp_path):
    assert FirstRows.of(tmp_path / "none.csv") == FirstRows()
    file = tmp_path / "f.csv"
    file.write_text("a,b,ends_at,c\nx,1755507600,2025-08-18,{no json\n")
    first = FirstRows.of(file)
    assert first.time == "b"
    assert first.within_text == ()
    assert first.may_count(["a", "b", "ends_at", "q"]) == ["b", "q"]


TABLES = {
    "trtllm-bench": {"request_info": {"avg_input_length": 1.0}, "performance": {"request_throughput_req_s": 2.0}},
    "llmperf-summary": {"results_ttft_s_mean": 0.1, "mean_input_tokens": 550, "mean_output_tokens": 150},
    "inference-perf-summary": {"load_summary": {"count": 1}, "successes": {"latency": {"mean": 1}}},
    "inference-benchmarker": {"results": [{"executor_type": "x", "token_throughput_secs": 2.0}] * 2},
    "llama-bench": [{"n_prompt": 512, "n_gen": 0, "avg_ns": 1, "avg_ts": 2.0}] * 2,
    "llama-batched-bench": [{"pp": 128, "tg": 128, "pl": 1, "n_kv": 256, "t_tg": 3.0}] * 2,
    "litellm-daily": {"results": [{"date": "2025-08-18", "metrics": {"prompt_tokens": 9, "api_requests": 8}}] * 2},
    "prometheus": {"data": {"resultType": "matrix", "result": [{"metric": {}, "values": [[1, "2"]]}]}},
    "aiconfigurator": [{"isl": 1, "osl": 2, "concurrency": 4, "ttft": 9.0, "tpot": 1.0, "tokens/s/gpu": 3.0}] * 2,
    "vllm-summary": {"total_input_tokens": 600, "num_prompts": 6, "mean_ttft_ms": 60.0},
    "vllm-throughput": {"elapsed_time": 1.0, "num_requests": 9, "tokens_per_second": 3.0},
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_sums_and_averages_are_no_requests(tmp_path, name):
    from messsim.logs.presets import PRESETS

    file = tmp_path / "f.json"
    file.write_text(json.dumps(TABLES[name]))
    title = next(p.title for p in PRESETS if p.name == name)
    with pytest.raises(DataError, match=f"looks like {re.escape(title)}, which does not say"):
        read(file)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ("============ Serving Benchmark Result ============\nSuccessful requests: 9\n", "--save-result"),
        ("=" * 48 + "\nMLPerf Results Summary\n" + "=" * 48 + "\nSUT name : x\n", "MLPerf's loadgen"),
        ("| a | b |\n|---|---|\n| 1 | 2 |\n| 1 | 2 | 3 |\n", "a row has more values than the header has names"),
    ],
)
def test_what_benchmarks_print_is_no_table(tmp_path, start, message):
    file = tmp_path / "f.txt"
    file.write_text(start)
    with pytest.raises(DataError, match=message):
        read(file)


def test_a_table_of_markdown_may_be_named_so(tmp_path):
    file = tmp_path / "trace.md"
    file.write_text("| arrival_s | prompt_tokens | output_tokens |\n|---|---|---|\n| 0 | 5 | 6 |\n| 2 | 7 | 8 |\n")
    assert read(file).frame["prompt_tokens"].to_list() == [5, 7]


GATEWAYS = {
    "kong": [
        {"started_at": 1755507600000 + 500 * i, "request": {"id": f"r{i}"}, "response": {"status": s},
         "ai": {"proxy": {"usage": {"prompt_tokens": 9 + i, "completion_tokens": 2}}}}
        for i, s in enumerate((200, 429, 200))
    ],
    "portkey": [
        {"id": f"x{i}", "created_at": f"2025-08-18T09:00:0{i / 2}Z", "req_units": 9 + i, "res_units": 2,
         "response_status_code": s}
        for i, s in enumerate((200, 429, 200))
    ],
    "ollama": [
        {"created_at": f"2025-08-18T09:00:0{i / 2}Z", "prompt_eval_count": 9 + i, "eval_count": e, "done": True}
        for i, e in enumerate((2, 0, 2))
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", GATEWAYS)
def test_gateways_are_known_and_what_failed_is_left_out(tmp_path, name):
    file = tmp_path / "f.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in GATEWAYS[name]))
    trace = read(file)
    assert trace.source == name
    assert trace.frame.rows() == [(0.0, 9, 2), (1.0, 11, 2)]
    assert any("left out: 1" in note for note in trace.notes)


def test_sums_over_time_are_doubted(tmp_path):
    file = tmp_path / "f.csv"
    rows = [f"2025-08-18 0{h}:00:00,100,{9000 + h},800" for h in range(5)]
    file.write_text("\n".join(["hour,requests,in,out", *rows]) + "\n")
    notes = by_its_hint(file)[0].notes
    assert "column 'requests' may say that a row sums up several requests: such rows are no requests" in notes
    assert "rows are exactly 60 min apart: where each sums up what came in that time, they are no requests" in notes


@pytest.mark.parametrize(
    "times", [["09:00:00", "09:01:00", "09:02:00"], ["09:00", "09:01", "09:02", "09:04"], ["09:00"] * 4]
)
def test_times_that_are_not_even_or_few_are_requests(tmp_path, times):
    file = tmp_path / "f.csv"
    file.write_text("time,in,out\n" + "".join(f"2025-08-18 {t},5,6\n" for t in times))
    assert by_its_hint(file)[0].notes == ()
