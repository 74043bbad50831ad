"""Requests that differ in length: what results of benchmarks say of them, and that fits simulate them as they were."""

import json

import numpy as np
import polars as pl
import pytest

from messsim.errors import DataError
from messsim.study.calibrate import calibrate
from messsim.study.calibrate.lengths import by_quantiles
from messsim.study.calibrate.measurements import joined, read_measurements
from messsim.study.calibrate.served_fit import PointFit
from messsim.study.calibrate.sharegpt import sharegpt_lengths
from messsim.study.simulation.single import run
from tests.test_calibrate_fits import TRUE

CLIENTS = (2, 8, 32)
PROMPTS, ANSWERS = (np.maximum(tokens, 2) for tokens in sharegpt_lengths(128, 229, 60))
SUMS = {"backend": "vllm", "request_rate": "inf", "max_concurrency": 4, "completed": 4, "duration": 1.0}
SUMS |= {"total_input_tokens": 400, "total_output_tokens": 42, "mean_ttft_ms": 250, "mean_tpot_ms": 12.5}


def result_of(path, *, detailed=True, **figures):
    """A result of a benchmark."""
    each = {"input_lens": [10, 90, 100, 300, 70], "output_lens": [3, 20, 9, 10, 0]} if detailed else {}
    path.write_text(json.dumps(SUMS | each | figures))
    return path


def lengths_in(path):
    lengths = read_measurements(path).rows.lengths_of(0)
    return None if lengths is None else (lengths.prompts.tolist(), lengths.answers.tolist())


def test_lengths_of_each_request_that_was_answered_are_kept_in_their_order(tmp_path):
    file = tmp_path / "b.json"
    assert lengths_in(result_of(file)) == ([10, 90, 100, 300], [3, 20, 9, 10])
    assert lengths_in(result_of(file, detailed=False)) is None
    assert lengths_in(result_of(file, input_lens=[100] * 4, output_lens=[9] * 4)) is None, "all alike: the means"
    assert lengths_in(result_of(file, input_lens=[100] * 4, output_lens=[0] * 4)) is None, "none was answered"


@pytest.mark.parametrize("form", ["{}\n{}", "[{}, {}]"])
@pytest.mark.parametrize("detailed", [(True, False), (False, True), (True, True)])
def test_runs_with_and_without_details_may_stand_in_one_file(tmp_path, form, detailed):
    file = tmp_path / "b.json"
    runs = [result_of(file, detailed=d, max_concurrency=n).read_text() for d, n in zip(detailed, (4, 3), strict=True)]
    file.write_text(form.format(*runs))
    rows = read_measurements(file).rows
    assert rows.clients == [4, 3]
    for point, known in enumerate(detailed):
        lengths = rows.lengths_of(point)
        assert (lengths.answers.tolist() if known else lengths) == ([3, 20, 9, 10] if known else None)
    assert [len(rows), rows.prompt_tokens, rows.output_tokens] == [2, [100, 100], [10, 10]]


def test_lists_that_are_not_equally_long_tell_no_lengths(tmp_path):
    file = tmp_path / "b.jsonl"
    runs = [result_of(file, detailed=False), result_of(file, max_concurrency=3, output_lens=[3, 20])]
    texts = [json.dumps(SUMS), runs[1].read_text()]
    file.write_text("\n".join(texts))
    rows = read_measurements(file).rows
    assert [rows.clients, rows.lengths_of(0), rows.lengths_of(1)] == [[4, 3], None, None]


def test_runs_with_equal_sums_are_told_apart_by_their_date(tmp_path):
    file = tmp_path / "b.json"
    file.write_text("[" + ", ".join(result_of(file, date=d).read_text() for d in ("a", "b", "b")) + "]")
    rows = read_measurements(file).rows
    assert [len(rows), len(rows.lengths_of(0))] == [2, 4]


def test_a_table_may_have_columns_of_any_name(tmp_path):
    (tmp_path / "own.csv").write_text(
        "clients,prompt_tokens,output_tokens,ttft_s,prompt lengths,answer lengths\n4,100,10,0.2,5,5\n"
    )
    assert lengths_in(tmp_path / "own.csv") is None


def server(path, clients):
    """What a benchmark would write of a server with `TRUE` coefficients, `ANSWERS` being long and short."""
    figures = {"input_lens": PROMPTS.tolist(), "output_lens": ANSWERS.tolist(), "completed": len(PROMPTS)}
    figures |= {"total_input_tokens": int(PROMPTS.sum()), "total_output_tokens": int(ANSWERS.sum())}
    result_of(path, max_concurrency=clients, **figures)
    scenario = PointFit(read_measurements(path).rows, 1, (0, 0), {}, [])._loops.scenario(0, TRUE)
    requests = run(scenario, pipelined=False).requests.sort("id").collect()
    assert requests["prompt_tokens"].to_list() == PROMPTS.tolist()
    assert requests["output_tokens"].to_list() == ANSWERS.tolist()
    ttft, e2e = (requests[end] - requests["arrival_s"] for end in ("first_token_s", "finish_s"))
    tpot = (e2e - ttft) / (requests["output_tokens"] - 1)
    seconds = requests["finish_s"].max()
    readings = {"mean_ttft_ms": ttft.mean(), "mean_tpot_ms": tpot.mean(), "mean_e2el_ms": e2e.mean()}
    figures |= {"duration": seconds, "output_throughput": ANSWERS.sum() / seconds}
    return result_of(path, max_concurrency=clients, **figures, **{name: 1e3 * s for name, s in readings.items()})


def test_a_fit_simulates_each_request_as_long_as_it_was(tmp_path):
    """All readings of a simulated server come out again, and so do its coefficients, to which means alone are blind."""
    files = [server(tmp_path / f"{n}.json", n) for n in CLIENTS]
    points = joined([(file, read_measurements(file)) for file in files]).rows
    predicted = PointFit(points, 1, (0, 0), {}, []).simulated(TRUE)
    for name, measured in points.readings.items():
        assert predicted[name] == pytest.approx(measured, rel=1e-9), name
    fit = calibrate(files)
    assert max(fit["errors"][0][name]["worst"] for name in points.readings) < 0.005
    assert fit["coefficients"]["a0_s"]["value"] == pytest.approx(TRUE["a0_s"], rel=0.01)


def test_tokens_per_second_are_those_of_the_requests_that_are_simulated(tmp_path):
    """Another number of requests may be asked for than the result has."""
    points = read_measurements(result_of(tmp_path / "b.json", output_throughput=42.0)).rows
    fit = PointFit(points, 1, (0, 0), {}, ["requests=2"])
    requests = run(fit._loops.scenario(0, TRUE), pipelined=False).requests.collect()
    assert fit.simulated(TRUE)["tokens_per_s"][0] == pytest.approx(23 / requests["finish_s"].max(), rel=1e-9)


def test_lengths_of_a_named_data_set_are_drawn_as_benchmarks_cut_them(tmp_path):
    file, sharegpt = tmp_path / "b.json", {"dataset_name": "sharegpt", "completed": 400, "total_input_tokens": 91_600}
    sharegpt |= {"total_output_tokens": 78_800}
    prompts, answers = lengths_in(result_of(file, detailed=False, **sharegpt))
    assert (len(prompts), np.mean(answers)) == (400, pytest.approx(197, abs=1))
    assert np.quantile(answers, 0.9) > 2.3 * np.mean(answers), "most are short, some are very long"
    assert "ShareGPT" not in str(read_measurements(file).notes)
    assert "lengths of requests are taken to be those of the data set (sharegpt)" in str(read_measurements(file).notes)
    assert lengths_in(result_of(file, detailed=False, **sharegpt, sharegpt_output_len=197)) is None
    drawn = {"dataset_name": "random", "random_input_len": 133, "random_output_len": 20, "random_range_ratio": 0.5}
    hundred = {"completed": 100, "total_input_tokens": 10_000, "total_output_tokens": 1500}
    prompts, answers = lengths_in(result_of(file, detailed=False, **drawn, **hundred))
    assert (min(prompts), max(prompts), np.mean(prompts)) == (67, 133, pytest.approx(100, abs=0.5))
    assert lengths_in(result_of(file, detailed=False, **drawn | {"random_range_ratio": 1.0})) is None
    assert lengths_in(result_of(file, detailed=False, **drawn | {"random_output_len": "1,024"})) is None


def test_a_table_may_group_the_digits_of_its_counts(tmp_path):
    (tmp_path / "b.csv").write_text(
        "dataset_name,max_concurrency,request_rate,completed,total_input_tokens,total_output_tokens,mean_ttft_ms\n"
        'sharegpt,4,inf,"1,000","220,000","190,000",100\n'
    )
    assert len(lengths_in(tmp_path / "b.csv")[0]) == 1000


TOTALS = {"total_input_tokens": 100_000, "total_output_tokens": 10_000}


def test_lengths_that_are_taken_to_be_alike_though_they_differ_are_told(tmp_path):
    whole = result_of(tmp_path / "whole.json", detailed=False, total_output_tokens=40)
    files = [result_of(tmp_path / f"{n}.json", detailed=False) for n in "ab"]
    assert read_measurements(whole).notes == ()
    (note,) = joined([(file, read_measurements(file)) for file in (whole, *files)]).notes
    assert note.startswith(
        f"{files[0]} and 1 more: requests are taken to be all as long as their mean, which is no whole"
    )
    assert "--save-detailed" in note
    for tokens, notes in ((1_023_960, 0), (1_023_500, 1)):  # a token more in a few of a thousand prompts, or in half
        totals = {"completed": 1000, **TOTALS, "total_input_tokens": tokens}
        nearly = result_of(tmp_path / f"{tokens}.json", detailed=False, **totals)
        assert len(read_measurements(nearly).notes) == notes
    failed = result_of(tmp_path / "failed.json", output_lens=[0] * 5)
    (note,) = read_measurements(failed).notes
    assert note.endswith("some per cent"), "it has details already"


STATISTICS = {
    "input_sequence_length": {"avg": 100.0, "min": 50, "p50": 100, "max": 150},
    "output_sequence_length": {"avg": 30.0, "p25": 10, "p50": 20, "p90": 60, "p99": 100},
}


def aiperf(path, **change):
    run_of = {"concurrency": 4, "request_count": {"avg": 200.0}, "time_to_first_token": {"unit": "ms", "avg": 250.0}}
    path.write_text(json.dumps(run_of | STATISTICS | change))
    return path


def test_quantiles_of_aiperf_are_lengths_with_their_mean(tmp_path):
    prompts, answers = lengths_in(aiperf(tmp_path / "a.json"))
    assert (len(prompts), min(prompts), max(prompts), np.mean(prompts)) == (200, 50, 150, pytest.approx(100, abs=0.5))
    assert np.mean(answers) == pytest.approx(30, abs=0.5)
    assert np.median(answers) / np.mean(answers) == pytest.approx(20 / 31.5, rel=0.1)
    assert abs(np.corrcoef(prompts, answers)[0, 1]) < 0.15, "quantiles do not say who is long in both"
    assert prompts != sorted(prompts)
    assert lengths_in(aiperf(tmp_path / "b.json", output_sequence_length={"avg": 30.0, "p50": 20, "p90": 60})) is None
    alike = {name: {"avg": 9.0, "min": 9, "p50": 9, "max": 9} for name in STATISTICS}
    assert lengths_in(aiperf(tmp_path / "c.json", **alike)) is None
    ten_each = lengths_in(aiperf(tmp_path / "d.json", request_count=None))
    assert len(ten_each[0]) == 40


def test_what_aiperf_says_of_lengths_is_noted(tmp_path):
    (drawn,) = read_measurements(aiperf(tmp_path / "a.json")).notes
    assert drawn.startswith("lengths of requests are drawn by the quantiles")
    means = {"input_sequence_length": {"avg": 100.4}, "output_sequence_length": {"avg": 30.0}}
    (alike,) = read_measurements(aiperf(tmp_path / "b.json", **means)).notes
    assert alike.startswith("requests are taken to be all as long as their mean")
    assert alike.endswith("has quantiles")
    whole = {name: {"avg": 9.0, "min": 9, "p50": 9, "max": 9} for name in STATISTICS}
    assert read_measurements(aiperf(tmp_path / "c.json", **whole)).notes == ()


@pytest.mark.parametrize(("requests", "clients"), [(10.0, 10), (64.0, 64), (200.0, 64), (0.0, 64), (None, 64)])
def test_no_more_clients_of_aiperf_are_simulated_than_there_were_requests(tmp_path, requests, clients):
    file = aiperf(tmp_path / "a.json", concurrency=64, request_count={"avg": requests})
    assert read_measurements(file).rows.clients == [clients]


def test_quantiles_between_which_lengths_lie_evenly():
    lengths = by_quantiles(4, ((0.0, 1.0), (0.0, 80.0), 40.0), ((0.0, 1.0), (1.0, 1.0), 0.25))
    assert sorted(lengths.prompts.tolist()) == [10, 30, 50, 70]
    assert lengths.answers.tolist() == [1, 1, 1, 1], "at least a token"
    assert lengths.vary
    assert pl.read_csv(lengths.file()).columns == ["prompt_tokens", "output_tokens"]


@pytest.mark.parametrize(("completed", "clients"), [(3, 3), (4, 4), (400, 4)])
def test_no_more_clients_are_simulated_than_there_were_requests(tmp_path, completed, clients):
    """With 10 prompts and --max-concurrency 256 ten requests are under way, not 256."""
    totals = {"completed": completed, "total_input_tokens": 100 * completed, "total_output_tokens": 10 * completed}
    assert read_measurements(result_of(tmp_path / "b.json", detailed=False, **totals)).rows.clients == [clients]


def test_answers_of_one_token_have_no_time_per_token(tmp_path):
    """A benchmark of prompts alone writes 0 for it."""
    single = {"total_output_tokens": 4, "mean_tpot_ms": 0.0}
    assert set(read_measurements(result_of(tmp_path / "b.json", detailed=False, **single)).rows.readings) == {"ttft_s"}
    with pytest.raises(DataError, match="column 'mean_tpot_ms' has 0 in row 1"):
        read_measurements(result_of(tmp_path / "b.json", detailed=False, mean_tpot_ms=0.0))
