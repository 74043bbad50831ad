"""Predicted against measured: small tables whose right answer is known, and the command."""

import contextlib
import csv
import io
import json
import re
import runpy
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from builders import scenario

from messsim.cli import app
from messsim.errors import DataError, ScenarioError
from messsim.scenario import parse
from messsim.study.calibrate.measured import SERVED_FILE, Point, served_points
from messsim.study.calibrate.metered import (
    ENERGY_FILE,
    HELD_UP,
    LENGTHS_FILE,
    PROMPT_TOKENS,
    QUESTIONS,
    energy_points,
    requests_of,
)
from messsim.study.validate import shared_prompts
from messsim.study.validate.against_hardware import _rows, predict, validate
from messsim.study.validate.measured_loads import (
    ADMITTED_S,
    BURSTS_FILE,
    ITERATIONS_FILE,
    REQUESTS_FILE,
    SLOWER,
    burst_points,
    request_points,
)
from messsim.study.validate.metering import metered

DATA = Path(__file__).parents[2] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"needs the measured tables in {DATA}")

SERVED = {
    "model": "meta-llama/Llama-3.1-8B-Instruct",
    "gpu": "H100-80GB-SXM",
    "tp": 1,
    "backend": "vllm",
    "backend_version": "1",
    "prompt_len": 256,
    "output_len": 16,
    "batch": 4,
    "ttft_ms": 100.0,
    "tpot_ms": 10.0,
}
ENERGY = {
    "task": "lm-arena-chat",
    "gpu_model": "H100",
    "model_id": "meta-llama/Llama-3.1-8B-Instruct",
    "weight_precision": "bfloat16",
    "num_gpus": 1,
    "tensor_parallel": 1,
    "max_num_seqs": 8,
    "avg_batch_size": 8.0,
    "avg_output_len": 400.0,
    "median_itl_ms": 8.0,
    "p90_itl_ms": 9.0,
    "output_throughput_tokens_per_sec": 1000.0,
    "avg_power_watts": 500.0,
    "energy_per_token_joules": 0.5,
}
LENGTHS = [
    {
        "task": "lm-arena-chat",
        "model_id": "meta-llama/Llama-3.1-8B-Instruct",
        "out_tokens_lo": lo,
        "out_tokens_hi": lo + 100,
        "count": n,
    }
    for lo, n in ((50, 3), (250, 2), (850, 1))
]


def write(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def data(tmp_path) -> Path:
    write(tmp_path / SERVED_FILE, [SERVED, SERVED | {"batch": 8, "output_len": 64}, SERVED | {"tp": 8}])
    write(tmp_path / ENERGY_FILE, [ENERGY, ENERGY | {"weight_precision": "int4"}, ENERGY | {"gpu_model": "GH200"}])
    write(tmp_path / LENGTHS_FILE, LENGTHS)
    return tmp_path


def test_a_closed_loop_that_can_be_worked_out_by_hand():
    # 4 clients at once, 1 prompt and 5 answer tokens, 0.25 s an iteration at 100 W: all in step for ever
    spec = scenario(requests=40, arrivals={"kind": "closed", "clients": 4}, tokens={"prompt": 1, "output": 5})
    spec["models"], spec["router"] = spec["models"][:1], {"policy": "cheapest"}
    names = ["ttft_s", "tpot_s", "e2e_s"]
    point = Point("served", {"clients": 4}, dict.fromkeys(names, 1.0), parse(spec), (8, 36))
    assert predict(point) == pytest.approx({"ttft_s": 0.25, "tpot_s": 0.25, "e2e_s": 1.25})
    # metered from 0.25 s, when 4 have their first token, until 11.25 s, when 36 have finished
    readings = dict.fromkeys(("tokens_per_s", "power_w", "j_per_token"), 1.0)
    read = predict(Point("energy", {"clients": 4}, readings, parse(spec), (4, 36)))
    assert read == pytest.approx({"tokens_per_s": 16.0, "power_w": 100.0, "j_per_token": 6.25})


def test_a_meter_counts_tokens_and_joules_between_two_instants():
    # from 1 s, when two have their first token, until 3 s, when the first has finished: 100 W for a second, then 200
    requests = pl.LazyFrame({"first_token_s": [1.0, 1.0, 3.0], "finish_s": [3.0, 5.0, 6.0], "output_tokens": [3, 5, 4]})
    timeline = pl.DataFrame({"time_s": [0.0, 0.0, 2.0, 6.0], "power_w_a": [None, None, 100.0, 200.0]})
    read = metered(SimpleNamespace(requests=requests, timeline=timeline), 2, 1)
    assert read == pytest.approx({"tokens_per_s": 2.5, "power_w": 150.0, "j_per_token": 60.0})


def test_a_meter_runs_while_the_server_is_full(data):
    # the questions of the chat once, and under a cap for which the benchmark went through them three times
    many = ENERGY | {"max_num_seqs": 1024, "avg_output_len": 5.0}
    write(data / ENERGY_FILE, [ENERGY, many])
    once, thrice = energy_points(data, None, None)
    assert [p.scenario.requests for p in (once, thrice)] == [1024, 3 * 1024]
    assert [p.window for p in (once, thrice)] == [(8, 1015), (1024, 2047)]
    assert (once.scenario.prefixes, once.scenario.tokens.prompt.tokens) == (None, PROMPT_TOKENS["lm-arena-chat"])
    # sent again, a question is found in the prefix cache: a text of its own, but for one token
    shared = thrice.scenario.prefixes
    assert (shared.groups, shared.exponent) == (1024, 0.0)
    assert shared.tokens.tokens + thrice.scenario.tokens.prompt.tokens == PROMPT_TOKENS["lm-arena-chat"]
    assert {(p.scenario.models[0].prefix_cache, p.scenario.models[0].kv_block_tokens) for p in (once, thrice)} == {
        (True, 16)
    }
    unlisted = ENERGY | {"task": "gpqa", "model_id": "google/gemma-3-12b-it", "max_num_seqs": 400}
    assert requests_of(unlisted) == 3 * QUESTIONS["gpqa"]  # the least that leaves something to meter


def test_measured_as_predicted_has_no_error_and_half_has_one_hundred_percent(data):
    rows = validate(data, workers=1)["served"]["rows"]
    tables = [(SERVED_FILE, SERVED, 1.0), (SERVED_FILE, SERVED | {"batch": 8, "output_len": 64}, 0.5)]
    again = [
        row | {k: 1e3 * factor * r["predicted"][k.replace("_ms", "_s")] for k in ("ttft_ms", "tpot_ms")}
        for (_, row, factor), r in zip(tables, rows, strict=True)
    ]
    write(data / SERVED_FILE, again)
    served = validate(data, workers=1)["served"]
    exact, twice = (r["error"] for r in served["rows"])
    assert exact == pytest.approx({"ttft_s": 0, "tpot_s": 0, "e2e_s": 0}, abs=1e-9)
    assert twice == pytest.approx({"ttft_s": 1, "tpot_s": 1, "e2e_s": 1})
    (group,) = served["groups"]
    assert group["tpot_s"] == pytest.approx({"mape": 0.5, "median": 0.5, "worst": 1.0, "bias": 0.5})
    assert group["rows"] == 2
    (summed,) = served["summary"]
    assert (summed["engine"], summed["tpot_s"]) == ("vllm 1", group["tpot_s"])


def test_rows_without_a_profile_are_counted_not_predicted(data):
    validation = validate(data, workers=1)
    (unknown,) = validation["served"]["without_profile"]
    assert (unknown["gpus"], unknown["rows"]) == (8, 1)
    assert {(u["gpu"], u["precision"]) for u in validation["energy"]["without_profile"]} == {
        ("H100", "int4"),
        ("GH200", "bfloat16"),
    }
    assert [len(validation[t]["rows"]) for t in ("served", "energy")] == [2, 1]


def test_answers_have_the_histograms_shape_and_the_rows_mean(data):
    (point,) = [p for p in energy_points(data, None, None) if p.scenario is not None]
    law = point.scenario.tokens.output
    mean = sum(t * w for t, w in zip(law.tokens, law.weights, strict=True)) / sum(law.weights)
    assert mean == pytest.approx(400, abs=0.5)
    assert [t / law.tokens[0] for t in law.tokens] == pytest.approx([1, 3, 9], rel=0.01)  # 100, 300, 900 stretched
    assert point.facts["in_sample"]


def test_energy_coefficients_of_another_checkpoint_are_not_in_sample(data):
    other = "meta-llama/Llama-3.3-70B-Instruct"
    write(data / ENERGY_FILE, [ENERGY | {"model_id": other, "num_gpus": 4, "tensor_parallel": 4}])
    write(data / LENGTHS_FILE, [r | {"model_id": other} for r in LENGTHS])
    (point,) = energy_points(data, None, None)
    assert point.scenario is not None
    assert not point.facts["in_sample"]


@pytest.mark.parametrize(
    "change, held_up",
    [
        ({}, False),
        ({"p90_itl_ms": 25.0}, True),  # gaps uneven though 8 answers of 400 tokens bring a prompt in 50 iterations
        ({"p90_itl_ms": 17.0}, False),  # less than 10 ms apart
        ({"p90_itl_ms": 25.0, "avg_output_len": 90.0}, False),  # more than a prompt in 12 iterations
        ({"median_itl_ms": 80.0, "p90_itl_ms": 100.0}, False),  # less than 1.3 medians
        ({"p90_itl_ms": 25.0, "avg_batch_size": 256.0, "avg_output_len": 9000.0}, False),  # memory may be short
    ],
)
def test_servers_that_their_host_held_up_are_told_apart_and_not_fitted_to(data, change, held_up):
    write(data / ENERGY_FILE, [ENERGY | change])
    (row,) = validate(data, workers=1)["energy"]["rows"]
    assert (row["load"] == HELD_UP, row["in_sample"]) == (held_up, not held_up)


@pytest.mark.parametrize(
    "change, waits",
    [
        ({}, True),
        ({"p90_itl_ms": 25.0}, True),  # whatever its own readings say
        ({"avg_output_len": 4999.0}, False),
        ({"num_gpus": 2}, False),
        ({"gpu_model": "H100"}, False),
        ({"task": "lm-arena-chat"}, False),
    ],
)
def test_long_answers_on_one_b200_wait_for_the_host_that_other_models_met_there(data, change, waits):
    row = ENERGY | {"model_id": "Qwen/Qwen3-8B", "gpu_model": "B200", "task": "gpqa", "avg_output_len": 5000.0}
    row |= change
    write(data / ENERGY_FILE, [row])
    write(data / LENGTHS_FILE, [r | {"model_id": row["model_id"], "task": row["task"]} for r in LENGTHS])
    (point,) = energy_points(data, None, None)
    if point.scenario is None:  # two GPUs are more than the model is sold on
        assert change == {"num_gpus": 2}
        return
    host = point.scenario.models[0].host
    slow = (0.0295, 68e-6, 286.0)  # as docs/accuracy.md says: 29.5 ms an iteration, 68 µs a sequence, 286 W meanwhile
    assert ((host.h0_s, host.h1_s_per_sequence, host.wait_w_per_gpu) == slow) == waits


def test_a_cap_on_the_batch_above_the_default_counts(data):
    write(data / ENERGY_FILE, [ENERGY | {"max_num_seqs": 2048}])
    (point,) = energy_points(data, None, None)
    assert point.scenario.models[0].max_num_seqs == 2048


BURST = {
    "engine": "vllm",
    "gpu": "A100",
    "model": "Qwen/Qwen3-14B",
    "command": "vllm serve Qwen/Qwen3-14B",
    "load": "random 2K input",
    "requests": 20,
    "prompt_tokens_total": 40_000,
    "output_tokens_total": 400,
    "duration_s": 10.0,
    "ttft_mean_ms": 1e3,
    "tpot_mean_ms": 50.0,
}


@pytest.fixture
def bursts(tmp_path) -> Path:
    write(tmp_path / BURSTS_FILE, [BURST, BURST | {"gpu": "H100"}])
    return tmp_path


def test_a_burst_passes_the_front_end_together_and_a_slow_gpu_counts_twice(bursts):
    points = burst_points(bursts, None, None)
    assert [p.facts["gpu"] for p in points] == ["A100", "H100", "H100 at its own speed"]
    assert {p.scenario.models[0].front_end_s.mean_s for p in points} == {20 * ADMITTED_S["vllm"]}
    front_end = 20 * ADMITTED_S["vllm"]
    as_profiled, slow = (predict(p)["ttft_s"] - front_end for p in points[1:])
    assert slow / as_profiled == pytest.approx(SLOWER["H100"], rel=0.03)  # all but the host's time


def test_rows_that_a_setting_was_read_off_are_in_sample(bursts):
    loads = ("random 128 input", "random 32K input", "random 2K input")
    write(bursts / BURSTS_FILE, [BURST | {"load": load, "gpu": gpu} for load in loads for gpu in ("A100", "H100")])
    fitted = {(p.facts["load"], p.facts["gpu"]) for p in burst_points(bursts, None, None) if p.facts["in_sample"]}
    assert fitted == {("random 128 input", "A100"), ("random 32K input", "H100 at its own speed")}


def test_a_burst_has_its_rows_means_limits_and_readings(bursts):
    """2,000 tokens and 20; those of ShareGPT are a trace that arrives at once."""
    command = "trtllm-serve --max_num_tokens=4096"
    rows = [BURST, BURST | {"load": "sharegpt"}, BURST | {"engine": "tensorrt-llm", "command": command}]
    write(bursts / BURSTS_FILE, [*rows, BURST | {"model": "nobody/knows"}])
    fixed, shaped, commanded, unknown = burst_points(bursts, None, None)
    assert (fixed.scenario.tokens.prompt.tokens, fixed.scenario.tokens.output.tokens) == (2000, 20)
    assert (shaped.scenario.tokens.prompt.kind, shaped.scenario.tokens.output.kind) == ("trace", "trace")
    assert predict(shaped)["duration_s"] > predict(fixed)["duration_s"]  # answers from 4 tokens to 115, not 20 each
    served = [p.scenario.models[0] for p in (fixed, commanded)]
    assert [(s.max_num_seqs, s.max_batched_tokens, s.kv_policy) for s in served] == [
        (256, 2048, "recompute"),
        (2048, 4096, "reserve"),
    ]
    assert (fixed.table, fixed.window, unknown.scenario) == ("bursts", (0, 20), None)
    assert fixed.measured == {"duration_s": 10.0, "ttft_s": 1.0, "tpot_s": 0.05}
    facts = {"prompt_tokens": 2000, "output_tokens": 20, "clients": 20, "gpus": 1, "engine": "vllm", "in_sample": False}
    assert facts.items() <= fixed.facts.items()
    assert fixed.scenario.arrivals.clients == fixed.scenario.requests == 20


def test_overrides_and_seed_reach_every_scenario(data):
    points = [
        *served_points(data, ["models.0.max_batched_tokens=2048"], 7),
        *energy_points(data, ["cluster.dispatch=round_robin"], 7),
    ]
    lines = [p.scenario for p in points if p.scenario is not None]
    assert {s.seed for s in lines} == {7}
    assert [s.models[0].max_batched_tokens for s in lines] == [2048, 2048, 8192]
    assert lines[-1].cluster.dispatch == "round_robin"


@pytest.mark.parametrize(
    "file, change, message",
    [
        (SERVED_FILE, {"tpot_ms": -1.0}, r"column 'tpot_ms' has -1 in row 1; expected a number, at least 1e-09"),
        (SERVED_FILE, {"batch": 0}, r"column 'batch' has 0 in row 1; expected a number, at least 1"),
        (ENERGY_FILE, {"avg_power_watts": "n/a"}, r"column 'avg_power_watts' has 'n/a' in row 1"),
        (LENGTHS_FILE, {"count": ""}, r"column 'count' has no value in row 1"),
    ],
)
def test_bad_values_are_told_by_file_column_and_row(data, file, change, message):
    row = {SERVED_FILE: SERVED, ENERGY_FILE: ENERGY, LENGTHS_FILE: LENGTHS[0]}[file]
    write(data / file, [row | change])
    with pytest.raises(DataError, match=message) as raised:
        validate(data, workers=1)
    assert str(raised.value).startswith(str(data / file))


def test_a_missing_table_or_histogram_is_told(data):
    write(data / LENGTHS_FILE, [LENGTHS[0] | {"task": "gpqa"}])
    with pytest.raises(DataError, match=r"has no histogram of meta-llama/Llama-3.1-8B-Instruct, lm-arena-chat"):
        validate(data, workers=1)
    (data / SERVED_FILE).unlink()
    with pytest.raises(DataError, match=r"served_h100.csv: no such file; expected the directory"):
        validate(data, workers=1)


def test_a_wrong_override_is_told(data):
    with pytest.raises(ScenarioError, match="max_batched_tokens"):
        validate(data, ["models.0.max_batched_tokens=0"], workers=1)


# ---- the command ----------------------------------------------------------------------------------------


def here(*args: object) -> subprocess.CompletedProcess[str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as left:
        app(list(map(str, args)), prog_name="messsim")
    return subprocess.CompletedProcess(args, left.value.code, out.getvalue(), err.getvalue())


def test_the_command_prints_writes_and_refuses(data, tmp_path):
    pytest.importorskip("altair")
    pytest.importorskip("vl_convert")
    out = tmp_path / "out"
    done = here("validate", data, "--out", out)
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("Llama-3.1-8B, 1 H100, vllm 1", "Llama-3.1-8B*, 1 H100, lm-arena-chat", "2 rows; 1 more are"):
        assert word in done.stdout
    names = {"accuracy.md", "accuracy.json", "served.csv", "energy.csv", "served.svg", "energy.svg"}
    assert {p.name for p in out.iterdir()} == names
    assert (out / "served.svg").read_text().startswith("<svg")
    with (out / "served.csv").open() as file:
        assert [r["clients"] for r in csv.DictReader(file)] == ["4", "8"]
    assert "| Llama-3.1-8B, 1 H100, vllm 1 | 256 | 64 | 8 |" in (out / "accuracy.md").read_text()
    printed = here("validate", data, "--json")
    assert json.loads(printed.stdout) == json.loads((out / "accuracy.json").read_text())
    again = here("validate", data, "--out", out)
    assert (again.returncode, again.stdout) == (2, "")
    assert "exists already" in again.stderr


def test_the_command_tells_what_is_missing(tmp_path):
    done = here("validate", tmp_path / "nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert "served_h100.csv: no such file" in done.stderr.replace("\n", "")


# ---- the page in docs -----------------------------------------------------------------------------------

ROOT = Path(__file__).parents[1]
MEASURED = ROOT.parent / "shared" / "data"


@pytest.mark.skipif(not (MEASURED / SERVED_FILE).is_file(), reason=f"no measured tables in {MEASURED}")
def test_the_page_says_what_the_command_finds():
    pytest.importorskip("altair")
    pytest.importorskip("vl_convert")
    build = runpy.run_path(str(ROOT / "tools" / "build_accuracy.py"))
    texts, *_ = build["tables"](MEASURED)
    for page in build["PAGES"]:
        text = page.read_text(encoding="utf-8")
        assert build["spliced"](text, texts) == text, f"{page.name} is out of date: python tools/build_accuracy.py"


# Mean absolute errors of TTFT, TPOT and end to end that a reader of docs/accuracy.md may count on, per cent.
MOST = {"vllm": (20, 6, 5), "sglang": (30, 12, 6), "trtllm": (25, 6, 5)}
OF_ENGINE = re.compile(r"^\| (vllm|sglang|trtllm) [\d.]\S* \| \d+ \|" + r" ([\d.]+) /[^|]*\|" * 3, re.MULTILINE)


def test_mean_errors_of_each_engine_stay_within_bounds():
    rows = OF_ENGINE.findall((ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8"))
    assert {row[0] for row in rows} == MOST.keys()
    for engine, *errors in rows:
        assert all(float(e) <= most for e, most in zip(errors, MOST[engine], strict=True)), (engine, errors)


OF_BURSTS = re.compile(r"^\| [\w-]+, (A100|H100 at its own speed) \| (\d+) \|(?:[^|]*\|){2} ([\d.]+) /", re.MULTILINE)


def test_mean_errors_of_whole_bursts_stay_within_bounds():
    rows = OF_BURSTS.findall((ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8"))
    for gpu in ("A100", "H100 at its own speed"):
        mine = [(int(n), float(error)) for name, n, error in rows if name == gpu]
        assert sum(n for n, _ in mine) > 10
        assert sum(n * error for n, error in mine) / sum(n for n, _ in mine) <= 12, gpu


# ---- requests one by one --------------------------------------------------------------------------------


@pytest.fixture
def one_by_one(tmp_path) -> Path:
    """Iterations of 10 ms, and 0.1 ms a token of a prompt; three requests, of which the second is done first."""
    zero = {"prompt_tokens": 0, "prompt_prior": 0, "batch": 0, "cached_tokens": 0}
    decodes = [zero | {"batch": b, "cached_tokens": c * b, "duration_s": 0.01} for b in (1, 2, 8) for c in (16, 900)]
    prompts = [zero | {"prompt_tokens": p, "duration_s": 0.01 + 1e-4 * p} for p in (1, 16, 64, 256, 1024, 2048)]
    write(tmp_path / ITERATIONS_FILE, [*decodes, *prompts])
    lengths = [(0.0, 100, 201), (0.5, 300, 11), (50.0, 1000, 2)]
    readings = {"ttft_s": 0.02, "tpot_s": 0.005, "e2e_s": 4.0}
    rows = [{"arrival_s": at, "prompt_tokens": p, "output_tokens": o} | readings for at, p, o in lengths]
    write(tmp_path / REQUESTS_FILE, rows)
    return tmp_path


def test_requests_are_one_point_of_a_server_fitted_to_its_iterations(one_by_one):
    (point,) = request_points(one_by_one, ["models.0.max_num_seqs=9"], 7)
    assert (point.table, point.window, point.scenario.seed, point.scenario.requests) == ("requests", (0, 3), 7, 3)
    facts = {"model": "Llama-3.1-8B", "gpu": "RTX-4090", "gpus": 1, "engine": "vllm 0.19", "clients": None}
    facts |= {"load": "ShareGPT, one by one", "in_sample": False}
    assert point.facts == facts | {"prompt_tokens": [100, 300, 1000], "output_tokens": [201, 11, 2]}
    assert point.measured == {"ttft_s": [0.02] * 3, "tpot_s": [0.005] * 3, "e2e_s": [4.0] * 3}
    (model,) = point.scenario.models
    assert (model.name, model.gpu, model.host.kind, model.lookahead) == ("Llama-3.1-8B", "RTX-4090", "overlap", 1)
    assert (model.max_num_seqs, model.max_batched_tokens, model.kv_capacity_tokens) == (9, 2048, 41_408)
    assert (model.kv_block_tokens, model.prefix_cache) == (16, True)
    arrivals = point.scenario.arrivals
    assert (arrivals.block_tokens, arrivals.repeat, arrivals.columns.hash_ids) == (16, False, "hash_ids")
    trace = pl.read_ndjson(arrivals.file)
    assert trace["arrival_s"].to_list() == [0.0, 0.5, 50.0]
    assert [len(ids) for ids in trace["hash_ids"]] == [7, 19, 63]


def test_each_request_is_predicted_in_its_place(one_by_one):
    (point,) = request_points(one_by_one, None, None)
    rows = list(_rows(point, predict(point)))
    assert [(r["prompt_tokens"], r["output_tokens"]) for r in rows] == [(100, 201), (300, 11), (1000, 2)]
    predicted = {name: [r["predicted"][name] for r in rows] for name in rows[0]["predicted"]}
    step_s = predicted["tpot_s"][2]  # what is fitted to so few: 10.4 ms
    assert predicted["tpot_s"] == pytest.approx([step_s] * 3, rel=0.001)
    tokens = np.array([201, 11, 2])
    answers_s = np.array(predicted["e2e_s"]) - predicted["ttft_s"]
    assert answers_s == pytest.approx((tokens - 1) * step_s, rel=0.001)
    assert rows[0]["error"]["tpot_s"] == pytest.approx(step_s / 0.005 - 1, rel=0.001)


def test_without_its_tables_there_is_no_point(tmp_path):
    assert request_points(tmp_path, None, None) == burst_points(tmp_path, None, None) == []


# ---- requests that begin alike --------------------------------------------------------------------------


def test_prompts_that_begin_alike_have_the_same_blocks_there(monkeypatch):
    monkeypatch.setattr(shared_prompts, "ALIKE", ((2, 0, 40), (3, 2, 47), (4, 1, 9)))
    first, second, later, latest, other = shared_prompts.blocks([40, 33, 90, 48, 20], 16)
    assert [len(ids) for ids in (first, second, later, latest, other)] == [3, 3, 6, 3, 2]
    assert later[:2] == first[:2] == latest[:2]  # the third block of 40 tokens is not full
    assert not {*later[2:], *latest[2:], *second, *other} & set(first)
    assert not set(other) & set(second)
    assert latest[2:] != later[2:3]


def test_what_prompts_share_fits_into_both():
    assert len({request for request, _, _ in shared_prompts.ALIKE}) == len(shared_prompts.ALIKE) == 32
    assert all(0 <= earlier < request < 300 and tokens >= 16 for request, earlier, tokens in shared_prompts.ALIKE)


@needs_data
def test_later_turns_find_the_blocks_of_earlier_ones():
    """Without them, requests wait for room that their server had: TPOT is off by 5 % then."""
    (point,) = request_points(DATA, None, None)
    lengths = point.facts["prompt_tokens"]
    assert all(tokens <= min(lengths[i], lengths[j]) for i, j, tokens in shared_prompts.ALIKE)
    predicted, measured = predict(point), point.measured
    errors = {n: np.array(predicted[n]) / np.array(measured[n]) - 1 for n in measured}
    assert np.abs(errors["tpot_s"]).mean() < 0.025
    assert np.abs(errors["ttft_s"]).mean() < 0.05
    assert np.abs(errors["e2e_s"]).mean() < 0.02
