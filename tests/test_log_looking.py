"""What a file whose columns nobody knows says by its first rows, and whether its hints lead to the right trace."""

import datetime as dt
import json
import re
import shlex

import polars as pl
import pytest

from messsim.errors import DataError
from messsim.logs.looking import FirstRows, is_text, may_be_outcomes
from messsim.logs.traces import TraceColumns, plan_reading, read_requests
from messsim.workload.time_form import TimeForm

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
    ("name", "values", "seen"),
    [
        ("account", [1612345678, 1712345678, 1812345678], False),  # ten digits, as seconds since 1970 have
        ("user", [1612345678, 1612345679, 1612345680], False),
        ("trace", [1612345678000, 1612345679000, 1612345680000], False),
        ("api_version", ["2024-05-01", "2024-06-01", "2024-08-01"], False),
        ("candidate", ["2024-05-01", "2024-06-01", "2024-08-01"], False),
        ("y", [1612345678, 1712345678, 1812345678], False),
        ("y", [1755507600, 1755507601, 1755507607], True),
        ("y", ["2025-08-18 09:00", "2025-08-18 09:01", "2025-08-20 11:01"], True),
        ("first_modified", [1612345678, 1712345678, 1812345678], True),
        ("pickupDay", ["2024-05-01", "2024-06-01", "2024-08-01"], True),
        ("asked_at_utc_s", [1612345678, 1712345678, 1812345678], True),
    ],
)
def test_a_column_that_no_word_calls_a_time_is_one_by_a_clock_or_by_close_rows(tmp_path, name, values, seen):
    file = tmp_path / "f.csv"
    pl.DataFrame({name: values, "in": [1, 2, 3], "out": [3, 4, 5]}).write_csv(file)
    assert FirstRows.of(file).time == (name if seen else None)


def test_a_column_that_a_word_calls_a_time_goes_first(tmp_path):
    file = tmp_path / "f.csv"
    file.write_text("y,first_modified,in,out\n1755507600,1755507610,1,2\n1755507601,1755507611,3,4\n")
    assert FirstRows.of(file).time == "first_modified"
    file.write_text("account,in,out\n1612345678,1,2\n1712345678,3,4\n")
    assert by_its_hint(file)[1]["--time"] == "none"


@pytest.mark.parametrize(
    "line", ["INFO level=info prompt_tokens=5, output_tokens=6", "INFO 08-18 09:00:00] done, 5, 6"]
)
def test_a_log_of_lines_is_told_to_have_no_header(tmp_path, line):
    file = tmp_path / "f.log"
    file.write_text(f"{line}\n{line}\n")
    with pytest.raises(DataError, match="its first line looks like a row"):
        read(file)


@pytest.mark.parametrize("name", ["ERROR", "INFO message", "DEBUG", "WARNING", "warn_level"])
def test_a_column_may_be_named_as_the_level_of_a_log(tmp_path, name):
    file = tmp_path / "f.csv"
    file.write_text(f"timestamp,in_tokens,out_tokens,{name}\n2026-01-01 00:00:00,100,20,\n2026-01-01 00:00:01,9,3,\n")
    with pytest.raises(DataError) as error:
        read(file)
    assert "looks like a row" not in str(error.value)


def test_text_of_conversations_is_told_to_have_no_counts(tmp_path):
    file = tmp_path / "f.json"
    file.write_text(json.dumps([{"id": "a", "conversations": [{"from": "human", "value": "hi"}]}] * 2))
    with pytest.raises(DataError, match="text of conversations: count its tokens with your model's tokenizer"):
        read(file)
    assert is_text(["id", "messages.0.content"])
    assert not is_text(["id", "messages_total", "my_messages"])


@pytest.mark.parametrize(("name", "values"), [("turns", "34"), ("conversation", "34"), ("conversations", ["c1", "c2"])])
def test_numbers_and_names_of_conversations_are_no_text(tmp_path, name, values):
    file = tmp_path / "f.csv"
    file.write_text(f"timestamp,{name},user\n2026-01-01 00:00:00,{values[0]},u\n2026-01-01 00:00:01,{values[1]},v\n")
    with pytest.raises(DataError) as error:
        read(file)
    assert "text of conversations" not in str(error.value)


def test_text_of_conversations_in_a_cell_is_told_too(tmp_path):
    file = tmp_path / "f.csv"
    for cell in ("Why is it so?", quoted('[{"role":"user"}]')):
        file.write_text(f"id,messages\n1,{cell}\n2,{cell}\n")
        with pytest.raises(DataError, match="text of conversations"):
            read(file)


def test_a_table_of_outcomes_is_told_to_be_one(tmp_path):
    file = tmp_path / "f.csv"
    file.write_text("doc_id,score\n1,0.5\n")
    with pytest.raises(DataError, match="as a table of outcomes: --outcomes"):
        read(file)
    assert not may_be_outcomes({"doc_id": pl.Int64, "latency": pl.Float64})
    file.write_text("prompt_id,model,score,output_tokens\n1,a,0.5,9\n")
    with pytest.raises(DataError, match="as a table of outcomes: --outcomes"):
        read(file)


@pytest.mark.parametrize(
    "row",
    [
        '{"instance_id": "id1", "train_trial_index": 0, "stats": [{"name": {"name": "em"}, "sum": 1.0}]}',
        '{"sample_id": "a.0", "type": "match", "data": {"correct": true}}',
        '{"doc_id": 1, "filter": "none", "em": 1.0}',
    ],
)
def test_a_file_of_an_evaluation_is_told_to_be_a_table_of_outcomes(tmp_path, row):
    file = tmp_path / "f.jsonl"
    file.write_text(row + "\n")
    with pytest.raises(DataError, match="as a table of outcomes: --outcomes"):
        read(file)


def test_a_log_with_feedback_is_no_table_of_outcomes(tmp_path):
    file = tmp_path / "f.csv"
    file.write_text(
        "timestamp,id,feedback,in_tokens,out_tokens\n2026-01-01 00:00:00,3,1,5,6\n2026-01-01 00:00:01,4,0,6,7\n"
    )
    with pytest.raises(DataError) as error:
        read(file)
    assert "--outcomes" not in str(error.value)
    assert by_its_hint(file)[0].frame.rows() == [(0.0, 5, 6), (1.0, 6, 7)]


def test_usage_within_a_log_likens_it_to_no_tool(tmp_path):
    file = tmp_path / "f.jsonl"
    usage = {"prompt_tokens": 4, "completion_tokens": 5}
    file.write_text(
        "".join(json.dumps({"timestamp": f"2026-01-01T00:00:0{i}Z", "usage": usage}) + "\n" for i in (0, 1))
    )
    with pytest.raises(DataError) as error:
        read(file)
    assert "looks most like" not in str(error.value)
    assert by_its_hint(file)[0].frame.rows() == [(0.0, 4, 5), (1.0, 4, 5)]


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
    "openrouter-prices": {"data": [{"id": "x", "pricing": {"prompt": "3e-6"}, "context_length": 9}] * 2},
    "litellm-prices": {"sample_spec": {"max_tokens": "x"}, "gpt-4o": {"input_cost_per_token": 2.5e-6, "mode": "chat"}},
    "vllm-summary": {"total_input_tokens": 600, "num_prompts": 6, "mean_ttft_ms": 60.0},
    "vllm-throughput": {"elapsed_time": 1.0, "num_requests": 9, "tokens_per_second": 3.0},
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_sums_and_averages_are_no_requests(tmp_path, name):
    from messsim.logs.presets import PRESETS

    file = tmp_path / "f.json"
    file.write_text(json.dumps(TABLES[name]))
    preset = next(p for p in PRESETS if p.name == name)
    says = "holds no requests, but" if preset.lacks.startswith("requests, ") else "does not say its requests one by one"
    with pytest.raises(DataError, match=f"looks like {re.escape(preset.title)}, which {says}"):
        read(file)


def test_no_file_that_is_refused_is_said_not_to_say_requests():
    from messsim.logs.presets import PRESETS

    refused = [p.refusal for p in PRESETS if p.lacks]
    assert "holds no requests, but times of one batch" in refused
    assert not any(words.startswith("does not say requests") for words in refused)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ("============ Serving Benchmark Result ============\nSuccessful requests: 9\n", "--save-result"),
        ("=" * 48 + "\nMLPerf Results Summary\n" + "=" * 48 + "\nSUT name : x\n", "MLPerf's loadgen"),
        ("| a | b |\n|---|---|\n| 1 | 2 |\n| 1 | 2 | 3 |\n", "row 2 has 3 values, and the header 2 names"),
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
        {"created_at": f"2025-08-18T09:00:0{i / 2}Z", "prompt_eval_count": 9 + i, "eval_count": e, "done": True,
         "total_duration": 10**9}
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


def ollama(at, took_ns, prompt=5, answer=6):
    took = {} if took_ns is None else {"total_duration": took_ns}
    return {"model": "m", "created_at": at, "done": True, "prompt_eval_count": prompt, "eval_count": answer} | took


def test_requests_to_ollama_came_before_their_answers_were_done(tmp_path):
    file = tmp_path / "f.jsonl"
    table = [
        ollama("2026-01-01T00:00:10.25Z", 9_000_000_000, 1),  # came at 1.25 s
        ollama("2026-01-01T00:00:11Z", None, None, None) | {"done": False},
        ollama("2026-01-01T00:00:12Z", 1_500_000_000, 3),
        ollama("2026-01-01T00:00:13Z", 12_000_000_000, 4),
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in table))
    trace = read(file)
    assert trace.frame.rows() == [(0.0, 4, 6), (0.25, 1, 6), (9.5, 3, 6)]
    assert trace.start == "2026-01-01T00:00:01Z"
    assert not any("answer was done" in note for note in trace.notes)
    assert read(file, time="created_at").frame["arrival_s"].to_list() == [0.0, 0.25, 9.5]


def test_answers_of_ollama_that_do_not_say_how_long_they_took_are_told(tmp_path):
    file = tmp_path / "f.jsonl"
    table = [ollama("2026-01-01T00:00:10Z", None), ollama("2026-01-01T00:00:12Z", None)]
    file.write_text("".join(json.dumps(row) + "\n" for row in table))
    trace = read(file)
    assert trace.frame["arrival_s"].to_list() == [0.0, 2.0]
    assert "2 rows do not say 'total_duration': their times are when an answer was done, not when it was asked for" in (
        trace.notes
    )
    table[1] |= {"total_duration": 1_000_000_000}
    file.write_text("".join(json.dumps(row) + "\n" for row in table))
    one = "1 row does not say 'total_duration': its time is when an answer was done, not when it was asked for"
    assert one in read(file).notes
    table[1] |= {"total_duration": -5}
    file.write_text("".join(json.dumps(row) + "\n" for row in table))
    with pytest.raises(DataError, match="column 'total_duration' has -5 in row 2; expected a number, at least 0"):
        read(file)


def test_sums_over_time_are_doubted(tmp_path):
    file = tmp_path / "f.csv"
    rows = [f"2025-08-18 0{h}:00:00,100,{9000 + h},800" for h in range(5)]
    file.write_text("\n".join(["hour,requests,in,out", *rows]) + "\n")
    notes = by_its_hint(file)[0].notes
    assert "column 'requests' may say that a row sums up several requests: such rows are no requests" in notes
    assert "rows are exactly 60 min apart: where each sums up what came in that time, they are no requests" in notes


@pytest.mark.parametrize(
    ("name", "values", "doubted"),
    [
        ("requests", (1, 1), False),
        ("calls", (1, 2), True),
        ("n_requests", (None, 3.0), True),
        ("requests", ("GET /", "POST /v1"), False),
        ("requests", ("", ""), False),
        ("answers", (5, 6), False),
    ],
)
def test_a_column_of_requests_is_doubted_where_some_row_counts_several(tmp_path, name, values, doubted):
    file = tmp_path / "f.csv"
    pl.DataFrame(
        {name: values, "t": ["2026-01-01 00:01", "2026-01-01 00:02"], "in_tokens": [5, 6], "out_tokens": [7, 8]}
    ).write_csv(file)
    notes = read(file, time="t", prompt_tokens="in_tokens", output_tokens="out_tokens").notes
    assert any(f"column {name!r} may say that a row sums up several requests" in note for note in notes) == doubted


@pytest.mark.parametrize(
    "times", [["09:00:00", "09:01:00", "09:02:00"], ["09:00", "09:01", "09:02", "09:04"], ["09:00"] * 4]
)
def test_times_that_are_not_even_or_few_are_requests(tmp_path, times):
    file = tmp_path / "f.csv"
    file.write_text("time,in,out\n" + "".join(f"2025-08-18 {t},5,6\n" for t in times))
    assert by_its_hint(file)[0].notes == ()


DAYS = [dt.date(2025, 8, 18 + i) for i in range(4)]


@pytest.mark.parametrize(
    ("columns", "time"),
    [
        ({"x": [dt.datetime(2025, 8, 18, 9, 0, i) for i in range(4)]}, "x"),
        ({"x": DAYS}, None),  # of a version, or of a birth
        ({"x": DAYS, "y": [dt.datetime(2025, 8, 18, 9, 0, i) for i in range(4)]}, "y"),
        ({"x": [dt.datetime(2025, 8, 18)] * 4}, None),  # one value for all
        ({"x": [dt.datetime(2025, 8, 18), None, dt.datetime(2025, 8, 19), dt.datetime(2025, 8, 20)]}, None),
        ({"timestamp": DAYS}, "timestamp"),  # which is called so
        ({"x": [True, False, True, False]}, None),
        ({"x": [1.7e9, 1.7e9 + 3600, 1.7e9 + 7200, 1.7e9 + 3 * 86_400]}, "x"),  # a day apart on average
        ({"x": [1.7e9, 1.7e9 + 3600, 1.7e9 + 7200, 1.7e9 + 3 * 86_400 + 1]}, None),
    ],
)
def test_columns_of_parquet_that_are_times(tmp_path, columns, time):
    file = tmp_path / "log.parquet"
    pl.DataFrame(columns | {"n": [1, 2, 3, 4]}).write_parquet(file)
    assert FirstRows.of(file).time == time


SPANS = [{"start": when, "u": {"input_tokens": p, "output_tokens": a}}
         for when, p, a in zip(WHEN, PROMPTS, ANSWERS, strict=True)]  # fmt: skip


@pytest.mark.parametrize("name", ["f.jsonl", "f.json", "f.parquet"])
def test_rows_that_hold_several_requests_are_told_how_to_be_taken_apart(tmp_path, name):
    """As traces of agents, a row each with all of its calls: the first of each row would not be all of them."""
    file = tmp_path / name
    rows = [{"trace_id": "a", "calls": SPANS[:3]}, {"trace_id": "b", "calls": SPANS[3:]}]
    if name == "f.parquet":
        pl.DataFrame(rows).write_parquet(file)
    else:
        file.write_text(json.dumps(rows) if name == "f.json" else "\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError) as error:
        read(file)
    assert "column 'calls' holds up to 3 requests in a row; expected a row for each, as " in str(error.value)
    assert ("explode('calls').unnest('calls')" if name == "f.parquet" else "jq -c ") in str(error.value)
    assert "calls.0" not in str(error.value)


def test_counts_within_a_list_of_one_are_those_of_the_row(tmp_path):
    file = tmp_path / "f.jsonl"
    file.write_text("\n".join(json.dumps({"time": s["start"], "usage": [s["u"]], "tags": []}) for s in SPANS))
    trace, options = by_its_hint(file)
    assert options["--prompt-tokens"] == "usage.0.input_tokens"
    assert trace.frame["output_tokens"].to_list() == ANSWERS
