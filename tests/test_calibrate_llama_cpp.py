"""Benchmarks of llama.cpp as iterations: what a row stands for, whatever form it is printed in."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from messsim.errors import DataError
from messsim.study.calibrate import calibrate
from messsim.study.calibrate.llama_cpp import as_iterations
from messsim.zoo.fitting import ENERGY

FILE = Path("bench.json")
A0, C1, AK, AQ = 0.008, 4e-5, 2e-8, 1e-9  # of a server made up: s an iteration, a prompt token, a cached token, a pair


def bench(n_prompt, n_gen, avg_ns, **more):
    row = {"n_prompt": n_prompt, "n_gen": n_gen, "avg_ns": avg_ns, "n_ubatch": 512, "n_batch": 2048, "n_depth": 0}
    return row | {"model_type": "qwen2 7B", "gpu_info": "RTX 4080", "n_gpu_layers": 99, "avg_ts": 1.0} | more


def rows(table):
    return as_iterations(pl.DataFrame(table), FILE)


def test_a_prompt_goes_in_pieces_and_an_answer_token_by_token():
    frame = rows([bench(512, 0, 70_000_000), bench(2048, 0, 400_000_000), bench(0, 128, 1_280_000_000)])
    assert frame["prompt_tokens"].to_list() == [512, 512, 0]
    assert frame["prompt_prior"].to_list() == [0, 768, 0]  # the mean of 0, 512, 1024 and 1536
    assert frame["batch"].to_list() == [0, 0, 1]
    assert frame["cached_tokens"].to_list() == [0, 0, 63.5]
    assert frame["duration_s"].to_list() == pytest.approx([0.07, 0.1, 0.01])
    assert frame.select("model", "gpu").row(0) == ("qwen2 7B", "RTX 4080")


def test_a_prefilled_context_is_cached_and_a_smaller_batch_makes_more_pieces():
    frame = rows([bench(512, 0, 1e9, n_depth=1000), bench(512, 0, 1e9, n_batch=128), bench(0, 3, 3e9, n_depth=1000)])
    assert frame["prompt_tokens"].to_list() == [512, 128, 0]
    assert frame["prompt_prior"].to_list() == [1000, 192, 0]
    assert frame["cached_tokens"].to_list() == [0, 0, 1001]
    assert frame["duration_s"].to_list() == [1.0, 0.25, 1.0]


def test_prompts_with_answers_count_as_neither():
    assert rows([bench(512, 128, 1e9), bench(512, 0, 1e9)]).height == 1
    with pytest.raises(DataError, match="no prompt and no answer by itself"):
        rows([bench(512, 128, 1e9)])


MARKDOWN = """\
| model                  |     size | backend | ngl |         test |             t/s |
| ---------------------- | -------: | ------- | --: | -----------: | --------------: |
| qwen2 7B Q4_K - Medium | 4.36 GiB | CUDA    |  99 |       pp512  | 7314.28 ± 23.45 |
| qwen2 7B Q4_K - Medium | 4.36 GiB | CUDA    |  99 | tg128 @ d512 |   100.00 ± 0.59 |

build: 8cf427ff (5163)
"""


def test_markdown_says_the_same(tmp_path):
    file = tmp_path / "bench.md"
    file.write_text(MARKDOWN)
    fitted = calibrate(file)
    assert (fitted["kind"], fitted["rows"], fitted["model"]) == ("iterations", 2, "qwen2 7B Q4_K - Medium")
    assert fitted["up_to"] == {"prompt_tokens": 512.0, "batch": 1.0, "cached_tokens": 575.5}
    frame = as_iterations(pl.DataFrame({"test": ["pp 512", "x"], "t/s": ["5120 ± 1", "1"]}), FILE)
    assert frame["duration_s"].to_list() == pytest.approx([0.1])
    assert "model" not in frame.columns


def batched(batch, **more):
    return {"pp": 128, "tg": 64, "pl": batch, "t_pp": 0.1 * batch, "t_tg": 0.64, "n_kv": 0} | more


def test_a_batch_has_prompts_one_after_the_other_and_answers_side_by_side():
    frame = rows([batched(1), batched(8)])
    assert frame["prompt_tokens"].to_list() == [128, 512, 0, 0]
    assert frame["duration_s"].to_list() == pytest.approx([0.1, 0.4, 0.01, 0.01])
    assert frame["batch"].to_list() == [0, 0, 1, 8]
    assert frame["cached_tokens"].to_list() == [0, 0, 128 + 31.5, 8 * (128 + 31.5)]
    assert frame["prompt_pairs"].to_list() == [128**2 / 2, 8 * 128**2 / 2 / 2, 0, 0]
    assert rows([batched(8, is_pp_shared=1)])["prompt_tokens"][0] == 128


def test_a_table_of_batches_in_markdown(tmp_path):
    file = tmp_path / "batched.txt"
    head = "|    PP |     TG |    B |   N_KV |   T_PP s | S_PP t/s |   T_TG s | S_TG t/s |      T s |    S t/s |\n"
    rule = "|-------|--------|------|--------|----------|----------|----------|----------|----------|----------|\n"
    line = "|   128 |    128 | {b:4} | {n:6} |    0.{b}08 |  1186.64 |    3.079 |    41.57 |    3.187 |    80.32 |\n"
    file.write_text(head + rule + "".join(line.format(b=b, n=256 * b) for b in (1, 2, 4)))
    fit = calibrate(file)
    assert fit["up_to"]["batch"] == 4.0
    assert {fit["coefficients"][name]["how"] for name in ENERGY} == {"not measured"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_gpu_layers": 20}, "holds 2 values of n_gpu_layers (99, 20); expected the rows of one: --select"),
        ({"model_type": "llama 8B"}, "holds 2 values of model_type (qwen2 7B, llama 8B)"),
    ],
)
def test_rows_of_several_servers_are_told(change, message):
    with pytest.raises(DataError) as error:
        rows([bench(512, 0, 1e9), bench(0, 9, 1e9, **change)])
    assert message in str(error.value)


@pytest.mark.parametrize(("count", "listed"), [(4, "(0, 1, 2, 3)"), (5, "(0, 1, 2, 3, ...)")])
def test_four_of_many_servers_are_named(count, listed):
    with pytest.raises(DataError) as error:
        rows([bench(512, 0, 1e9, n_gpu_layers=k) for k in range(count)])
    assert f"holds {count} values of n_gpu_layers {listed}" in str(error.value)


def test_what_is_no_number_is_told_with_its_row():
    with pytest.raises(DataError, match="column 'avg_ns' has 'x' in row 2"):
        rows([bench(512, 0, "5"), bench(512, 0, "x")])


@pytest.mark.parametrize("columns", [["n_prompt", "n_gen"], ["pp", "tg", "t_pp"], ["test"], ["prompt_tokens", "batch"]])
def test_another_table_is_left_as_it_is(columns):
    frame = pl.DataFrame({c: [1.0] for c in columns})
    assert as_iterations(frame, FILE) is frame


def test_a_table_of_tests_with_other_names_is_no_benchmark(tmp_path):
    frame = pl.DataFrame({"model": ["a", "a"], "test": ["short", "long"], "t/s": [10, 12]})
    assert as_iterations(frame, FILE) is frame
    assert as_iterations(frame.clear(), FILE).height == 0
    file = tmp_path / "speeds.csv"
    frame.write_csv(file)
    with pytest.raises(DataError, match=r"holds no measurements: expected .*; it has model, test"):
        calibrate(file)


def test_a_table_of_prompts_with_answers_alone_is_told_so(tmp_path):
    file = tmp_path / "bench.md"
    file.write_text("| model | test | t/s |\n| --- | --- | --- |\n| llama 7B | pp512+tg128 | 100.0 ± 1.0 |\n")
    with pytest.raises(DataError, match="no prompt and no answer by itself; expected a run with -p and -n"):
        calibrate(file)


@pytest.mark.parametrize(
    ("speed", "read"),
    [
        ("1,024.0 ± 1.0", 1024),
        ("1024", 1024),
        ("1.024e3", 1024),
        ("1,048,576", 1 << 20),
        ("51.5 t/s", 51.5),
        ("5,5 ± 1", 5.5),
    ],
)
def test_a_speed_may_part_its_thousands(speed, read):
    frame = as_iterations(pl.DataFrame({"test": ["pp512"], "t/s": [speed]}), FILE)
    assert frame["duration_s"].to_list() == pytest.approx([512 / read])


@pytest.mark.parametrize("speed", ["1,5,0 ± 1", "1.000.0", "n/a", None])
def test_a_speed_that_is_no_number_is_told(speed):
    with pytest.raises(DataError, match=r"column 't/s' has .*in row 2"):
        as_iterations(pl.DataFrame({"test": ["pp128", "pp512"], "t/s": ["5", speed]}), FILE)


def test_a_whole_benchmark_gives_back_the_server(tmp_path):
    """llama-bench and batched-bench of a server made up, of which the fit finds each figure."""
    table = []
    for p in (64, 128, 256, 512, 1024, 4096):
        pieces = np.arange(0, p, 512)
        sizes = np.minimum(512, p - pieces)
        seconds = (A0 + C1 * sizes + AQ * sizes * (pieces + sizes / 2)).sum()
        table.append(bench(p, 0, 1e9 * seconds))
    for depth in (0, 4096, 16384):
        seconds = sum(A0 + AK * (depth + k) for k in range(128))
        table.append(bench(0, 128, 1e9 * seconds, n_depth=depth))
    file = tmp_path / "bench.json"
    file.write_text(json.dumps(table))
    fitted = calibrate(file)
    values = {name: c["value"] for name, c in fitted["coefficients"].items()}
    assert fitted["errors"][0]["duration"]["worst"] < 1e-9
    figures = [values[n] for n in ("c0_s_per_token", "ak_s_per_token", "aq_s_per_token2")]
    assert figures == pytest.approx([C1, AK, AQ])
    assert fitted["measure_next"]  # what a batch of 1 does not show
