"""Results of GuideLLM as points of a server, in the shapes of its versions."""

import gzip
import json

import pytest

from messsim.errors import DataError
from messsim.study.calibrate.measurements import read_measurements

REQUESTS = [  # of 0.3, not in the order in which they were sent
    {"prompt_tokens": 120, "output_tokens": 30, "start_time": 2.0},
    {"prompt_tokens": 100, "output_tokens": 10, "start_time": 1.0},
]
LATER = [  # of 0.4
    {
        "info": {"timings": {"request_start": request["start_time"]}},
        "input_metrics": {"text_tokens": request["prompt_tokens"]},
        "output_metrics": {"text_tokens": request["output_tokens"]},
    }
    for request in REQUESTS
]


def benchmark(strategy, scale=1.0, at="args", requests=REQUESTS, **changed):
    figures = {"prompt_token_count": 110.0, "output_token_count": 20.0, "time_to_first_token_ms": 40.0 * scale,
               "inter_token_latency_ms": 10.0 * scale, "request_latency": 0.23 * scale} | changed  # fmt: skip
    metrics = {
        name: {"successful": {"mean": mean, "count": 2}, "total": {"mean": 9e9}} for name, mean in figures.items()
    }
    metrics["request_totals"] = {"successful": 2, "errored": 1, "total": 3}
    return {at: {"strategy": strategy}, "metrics": metrics, "requests": {"successful": requests, "errored": [{}]}}


def result(folder, *benchmarks):
    (file := folder / "benchmarks.json").write_text(json.dumps({"metadata": {"version": 1}, "benchmarks": benchmarks}))
    return file


ONE, TWO = {"type_": "synchronous"}, {"type_": "concurrent", "streams": 2}


@pytest.mark.parametrize(("at", "requests"), [("args", REQUESTS), ("config", LATER)])
def test_each_number_of_streams_is_a_point(tmp_path, at, requests):
    file = result(tmp_path, benchmark(ONE, at=at, requests=requests), benchmark(TWO, 1.5, at, requests))
    measured = read_measurements(file)
    points = measured.rows
    assert (points.clients, points.prompt_tokens, points.output_tokens) == ([1, 2], [110, 110], [20, 20])
    assert {name: values.tolist() for name, values in points.readings.items()} == {
        "ttft_s": pytest.approx([0.04, 0.06]),
        "tpot_s": pytest.approx([0.01, 0.015]),
        "e2e_s": pytest.approx([0.23, 0.345]),
    }
    assert points.lengths_of(0).prompts.tolist() == [100, 120]
    assert points.lengths_of(1).answers.tolist() == [10, 30]
    assert measured.notes == ()


def test_no_more_clients_are_under_way_than_requests(tmp_path):
    assert read_measurements(result(tmp_path, benchmark(TWO | {"streams": 64}))).rows.clients == [2]


def test_what_keeps_no_number_of_streams_is_left_out_with_a_note(tmp_path):
    rates = [benchmark({"type_": kind, "rate": 2.0}) for kind in ("constant", "constant", "throughput")]
    measured = read_measurements(result(tmp_path, benchmark(ONE), *rates))
    assert len(measured.rows) == 1
    note = "benchmarks that keep no fixed number of streams are left out: 3 (constant, throughput)"
    assert measured.notes == (note,)
    with pytest.raises(
        DataError, match=r"no fixed number of streams \(constant, throughput\); expected --profile conc"
    ):
        read_measurements(result(tmp_path, *rates))


def test_lengths_that_are_not_known_are_noted_where_they_differ(tmp_path):
    file = result(tmp_path, benchmark(TWO, requests=[], prompt_token_count=110.4))
    measured = read_measurements(file)
    assert measured.rows.lengths_of(0) is None
    assert "requests are taken to be all as long as their mean" in measured.notes[0]


def test_a_request_without_lengths_is_noted_for_it_drops_those_of_all_others(tmp_path):
    measured = read_measurements(result(tmp_path, benchmark(TWO, requests=[*REQUESTS, {"start_time": 3.0}])))
    assert measured.rows.lengths_of(0) is None
    of = "of the 3 requests of a benchmark 1 have no lengths or no time"
    assert measured.notes == (f"{of}: all of it are taken to be as long as their mean",)


@pytest.mark.parametrize("tokens", [1e30, -3, 0.4, float("nan"), float("inf")])
@pytest.mark.parametrize(("key", "name"), [("prompt_tokens", "prompt"), ("output_tokens", "answer")])
def test_a_length_that_no_request_has_is_refused(tmp_path, key, name, tokens):
    file = result(tmp_path, benchmark(TWO, requests=[REQUESTS[0], REQUESTS[1] | {key: tokens}]))
    with pytest.raises(DataError) as error:
        read_measurements(file)
    assert f"has a request whose {name} is {tokens:g} long; expected 1 to 10,000,000 tokens" in str(error.value)


def without_an_answer(strategy):
    """A server that fell over: distributions of nothing are all 0."""
    failed = benchmark(strategy, requests=[])
    failed["metrics"] = {name: {"successful": {"mean": 0.0, "count": 0}} for name in failed["metrics"]}
    failed["metrics"]["request_totals"] = {"successful": 0, "errored": 9, "total": 9}
    return failed


def test_a_level_without_an_answered_request_is_left_out_with_a_note(tmp_path):
    none = without_an_answer(TWO) | {"metrics": {"request_latency": {"successful": {"mean": None, "count": 0}}}}
    measured = read_measurements(result(tmp_path, benchmark(ONE), without_an_answer(TWO), none))
    assert measured.rows.clients == [1]
    assert measured.notes == ("benchmarks without an answered request are left out: 2",)
    with pytest.raises(DataError, match=r"holds benchmarks of GuideLLM without an answered request; expected some"):
        read_measurements(result(tmp_path, without_an_answer(ONE), none))


def test_a_level_that_does_not_say_how_many_were_answered_stays(tmp_path):
    uncounted = benchmark(TWO)
    del uncounted["metrics"]["request_totals"]
    for figures in uncounted["metrics"].values():
        del figures["successful"]["count"]
    measured = read_measurements(result(tmp_path, benchmark(ONE), uncounted))
    assert (measured.rows.clients, measured.notes) == ([1, 2], ())


def test_answers_that_were_not_streamed_have_no_first_token(tmp_path):
    file = result(tmp_path, benchmark(TWO, time_to_first_token_ms=None, inter_token_latency_ms=0.0))
    assert set(read_measurements(file).rows.readings) == {"e2e_s"}


@pytest.mark.parametrize(
    "text",
    [
        '{"benchmarks": []}',
        '{"benchmarks": [{"metrics": {}}]}',
        '{"benchmarks": [{"args": {"strategy": {"type_": "synchronous"}}, "metrics": {}}]}',
        '{"benchmarks": 1}',
        '[{"benchmarks": 1}]',
        '{"benchmarks": [',
    ],
)
def test_other_files_with_that_key_are_none(tmp_path, text):
    (file := tmp_path / "f.json").write_text(text)
    with pytest.raises(DataError, match=r"f\.json: "):
        read_measurements(file)


def test_a_mean_that_is_missing_is_told_by_its_name(tmp_path):
    file = result(tmp_path, benchmark(ONE), benchmark(TWO, prompt_token_count=None))
    with pytest.raises(DataError, match=r"has a benchmark without metrics\.prompt_token_count\.successful\.mean; exp"):
        read_measurements(file)


@pytest.mark.parametrize("name", ["benchmarks.json.gz", "b.jsonl", "guidellm.log", "B.JSON"])
def test_results_are_read_whatever_the_file_is_called_and_packed(tmp_path, name):
    text = result(tmp_path, benchmark(ONE), benchmark(TWO, 1.5)).read_bytes()
    (file := tmp_path / name).write_bytes(gzip.compress(text, mtime=0) if name.endswith(".gz") else text)
    assert read_measurements(file).rows.clients == [1, 2]


def test_csv_of_guidellm_is_told_for_what_it_is(tmp_path):
    """Its header takes three rows: groups, names and units."""
    head = "Run Info,Benchmark,Timings,Request Latency\nRun ID,Type,Duration,Successful Sec\n,,Sec,Mean\n"
    (file := tmp_path / "benchmarks.csv").write_text(head + "a,generative,1.5,0.25\n")
    with pytest.raises(DataError, match=r"is the CSV of GuideLLM; expected its benchmarks.json"):
        read_measurements(file)
