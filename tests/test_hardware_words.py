"""What `validate`, `calibrate` and `profiles` say, word by word, of results that are made by hand."""

import polars as pl
import pytest
from builders import scenario
from runs import cells, shown

from messsim.engines import prepare
from messsim.report.hardware.accuracy import (
    _figure,
    _label,
    _summed_up,
    accuracy,
    accuracy_page,
    group_table,
    row_table,
    rows_csv,
    summary_table,
    unknown_table,
)
from messsim.report.hardware.accuracy_plots import _points, _series, _short
from messsim.report.hardware.calibration import calibration
from messsim.report.hardware.profiles import _figure as figure_of
from messsim.report.hardware.profiles import profile_details, profile_list
from messsim.scenario import parse
from messsim.study.simulation.trace.tracks import Tracks
from messsim.zoo import find_profile

# ---- predicted against measured -------------------------------------------------------------------------

FACTS = {"model": "Qwen/Qwen3-30B-A3B-Instruct-2507", "gpu": "H100-80GB-SXM", "gpus": 2, "engine": "vllm 0.12.0"}
SIZES = {"mape": 0.1234, "median": 0.1, "worst": 0.4567, "bias": -0.0321}


@pytest.mark.parametrize(
    ("change", "label"),
    [
        ({}, "Qwen3-30B-A3B, 2 H100, vllm 0.12.0"),
        ({"in_sample": True}, "Qwen3-30B-A3B*, 2 H100, vllm 0.12.0"),
        ({"precision": "fp8"}, "Qwen3-30B-A3B, 2 H100 fp8, vllm 0.12.0"),
        ({"precision": "bfloat16"}, "Qwen3-30B-A3B, 2 H100, vllm 0.12.0"),
        ({"precision": None}, "Qwen3-30B-A3B, 2 H100, vllm 0.12.0"),
        ({"load": "sharegpt"}, "Qwen3-30B-A3B, 2 H100, vllm 0.12.0, sharegpt"),
        ({"model": "openai/gpt-oss-20b", "gpu": "B200"}, "gpt-oss-20b, 2 B200, vllm 0.12.0"),
    ],
)
def test_whose_rows_they_are(change, label):
    assert _label(FACTS | {"in_sample": False} | change) == label


def test_rows_of_a_task_are_named_by_it():
    facts = {k: v for k, v in FACTS.items() if k != "engine"} | {"task": "gpqa", "load": "x", "in_sample": False}
    assert _label(facts) == "Qwen3-30B-A3B, 2 H100, gpqa"


@pytest.mark.parametrize(
    ("group", "text"),
    [
        ({"engine": "vllm"}, "vllm"),
        ({"engine": "vllm", "gpu": "A100"}, "vllm, A100"),
        ({"in_sample": True, "load": "l"}, "fitted, l"),
        ({"in_sample": False, "load": "l"}, "not fitted, l"),
    ],
)
def test_what_a_sum_is_of(group, text):
    assert _summed_up(group) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("ttft_s", 1.23456, "1,234.6 ms"),
        ("e2e_s", 0.001, "1.0 ms"),
        ("duration_s", 12.345, "12.3 s"),
        ("power_w", 1234.5, "1234"),
        ("j_per_token", 0.123456, "0.1235"),
    ],
)
def test_a_reading_has_its_unit(name, value, text):
    assert _figure(name, value) == text


def row(**changes):
    data = FACTS | {"in_sample": False, "prompt_tokens": 1024, "output_tokens": 128.4, "clients": 8}
    readings = {"measured": {"tpot_s": 0.02}, "predicted": {"tpot_s": 0.025}, "error": {"tpot_s": 0.25}}
    return data | readings | changes


def table(**changes):
    group = FACTS | {"in_sample": False, "rows": 12, "tpot_s": SIZES}
    unknown = [FACTS | {"gpu": "L40S", "rows": 3}, FACTS | {"gpu": "T4", "rows": 4}]
    data = {"rows": [row(), row(clients=None)], "groups": [group], "summary": [{"engine": "vllm"} | group]}
    return data | {"without_profile": unknown} | changes


def test_groups_have_mean_signed_mean_and_worst():
    made = cells(accuracy({"served": table()}))
    assert made[0] == ["Mean latencies at a fixed concurrency: predicted against measured"]
    assert made[1] == ["served", "rows", "TPOT"]
    assert made[2] == ["Qwen3-30B-A3B, 2 H100, vllm 0.12.0", "12", "12.3/-3.2/46"]
    assert made[3] == ["2 rows; 7 more are of models or GPUs without a built-in profile"]
    assert cells(accuracy({"served": table(groups=[])}))[0][0].startswith("percent: mean absolute error")


def test_tables_in_markdown():
    label = "Qwen3-30B-A3B, 2 H100, vllm 0.12.0"
    assert group_table(table()).splitlines() == [
        "| model, GPUs, engine | rows | TPOT |",
        "| --- | ---: | ---: |",
        f"| {label} | 12 | 12.3 / -3.2 / 46 |",
    ]
    assert summary_table(table()).splitlines()[0] == "| rows of | rows | TPOT |"
    assert row_table(table(), readings=True).splitlines() == [
        "| model, GPUs, engine | prompt | answer | clients | TPOT measured | predicted | error |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        f"| {label} | 1,024 | 128 | 8 | 20.0 ms | 25.0 ms | +25.0 % |",
        f"| {label} | 1,024 | 128 | - | 20.0 ms | 25.0 ms | +25.0 % |",
    ]
    assert row_table(table(), readings=False).splitlines()[2] == f"| {label} | 1,024 | 128 | 8 | +25.0 % |"
    assert unknown_table(table()).splitlines()[2:] == [
        "| Qwen3-30B-A3B, 2 L40S, vllm 0.12.0 | 3 |",
        "| Qwen3-30B-A3B, 2 T4, vllm 0.12.0 | 4 |",
    ]


def test_the_page_has_the_tables_that_there_are():
    page = accuracy_page({"served": table(), "bursts": table(rows=[]), "requests": table(without_profile=[])})
    heads = [line for line in page.splitlines() if line.startswith(("#", "!"))]
    assert heads[:3] == [
        "# Predicted against measured",
        "## Mean latencies at a fixed concurrency: predicted against measured",
        "![Mean latencies at a fixed concurrency: predicted against measured](served.svg)",
    ]
    assert [h for h in heads if h.startswith("###")] == [
        *("### Row by row", "### Without a built-in profile", "### Row by row"),
    ]
    assert sum(h.startswith("!") for h in heads) == 1, "loads of their own have no picture"


def test_rows_as_csv_have_a_column_a_reading():
    frame = pl.read_csv(rows_csv(table()).encode())
    assert frame.columns[-3:] == ["measured_tpot_s", "predicted_tpot_s", "error_tpot_s"]
    assert frame["predicted_tpot_s"].to_list() == [0.025, 0.025]
    assert frame["clients"].to_list() == [8, None]


def test_points_of_pictures_have_four_digits():
    (first, _) = _points({"rows": [row(), row(in_sample=True)]}, "tpot_s", 1e3)
    assert first == {
        "measured": 20.0,
        "predicted": 25.0,
        "ratio": 1.25,
        "clients": 8,
        "series": "Qwen3-30B-A3B, vllm",
        "GPU": "H100-80GB-SXM",
        "fitted": "not fitted on these rows",
    }
    assert _short(1.234567) == 1.235
    assert _series({k: v for k, v in row().items() if k != "engine"}) == "Qwen3-30B-A3B, 2 GPU"


# ---- a calibration --------------------------------------------------------------------------------------


def fitted(**changes):
    def c(value, how="fitted", why="", error=None):
        return {"value": value, "standard_error": error, "how": how, "why": why}

    data = {"kind": "iterations", "rows": 1234, "model": "m", "gpu": "g", "tp": 2, "experts": 0, "top_k": 0}
    data |= {"up_to": {"batch": 64.0, "prompt_tokens": 4096.0}, "notes": [], "left_out": 0, "kv_capacity_tokens": 9999}
    coefficients = {"a0_s": c(0.0123456, error=0.000123), "ae_s": c(0.0, "given"), "p0_w_per_gpu": c(100.0)}
    coefficients |= {"c0_s_per_token": c(None, "not determined", "no prompts")}
    errors = [{"region": "all", "rows": 1234, "duration": {"mape": 0.0123, "worst": 0.25, "bias": 0.0}}]
    data |= {"coefficients": coefficients, "errors": errors, "not_determined": [], "measure_next": []}
    return data | changes


def test_a_calibration_has_coefficients_and_errors():
    assert cells(calibration(fitted())) == [
        ["1,234 iterations of m on g, tp 2"],
        ["measured up to 64 sequences, 4,096 prompt tokens"],
        ["coefficient", "how", "value", "± error"],
        ["a0_s", "fitted", "0.012346", "0.00012"],
        ["p0_w_per_gpu", "fitted", "100"],
        ["c0_s_per_token", "not determined: no prompts", "-"],
        ["error, % (mean / worst)", "rows", "duration"],
        ["all", "1,234", "1.2 / 25.0"],
    ]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"kind": "served"}, "1,234 points of a server of m on g, tp 2"),
        ({"model": None}, "1,234 iterations of g, tp 2"),
        ({"model": None, "gpu": None}, "1,234 iterations, tp 2"),
        ({"experts": 64, "top_k": 6}, "1,234 iterations of m on g, tp 2, 6 of 64 experts"),
        ({"notes": ["a note"]}, "note: a note"),
        (
            {"left_out": 1200},
            "1,200 rows left out: they need more than 9,999 cached tokens, which the memory does not hold",
        ),
        ({"kv_capacity_tokens": None}, "KV capacity not given: memory has no limit (--kv-capacity-tokens N)"),
        ({"not_determined": ["a", "b"]}, "not determined by these measurements: a, b"),
        ({"measure_next": ["this", "that"]}, "measure next: this; that"),
    ],
)
def test_a_calibration_says_what_there_is(change, line):
    assert line in shown(calibration(fitted(**change))).splitlines()
    assert "no energy readings" not in shown(calibration(fitted(**change)))


def test_experts_have_coefficients_and_energy_may_be_missing():
    assert [row[0] for row in cells(calibration(fitted(experts=64, top_k=6)))][4] == "ae_s"
    blind = fitted()
    blind["coefficients"]["p0_w_per_gpu"]["how"] = "not measured"
    text = shown(calibration(blind))
    assert "no energy readings: every request will cost 0 J (--base PROFILE, or --fix)" in text


# ---- profiles -------------------------------------------------------------------------------------------


def test_profiles_in_a_table_and_one_with_every_figure():
    profile = find_profile("Llama-3.1-8B", "H100", 1, "bf16")
    made = cells(profile_list([profile]))
    assert made[0] == ["profile", "step ms", "us/token", "KV tokens", "fit error %", "energy"]
    assert made[1][0] == profile.name
    assert made[1][3] == f"{profile.memory.kv_capacity_tokens:,}"
    assert made[2][0].startswith("1 profile. step: one decoding sequence")
    assert "2 profiles. step" in shown(profile_list([profile] * 2))
    rows = {row[0]: row[1:] for row in cells(profile_details(profile)) if len(row) == 3}
    assert rows["kv_capacity_tokens"][0] == f"{profile.memory.kv_capacity_tokens:,}"
    assert rows["ak_s_per_token"][0] == f"{profile.duration.ak_s_per_token:.6g}"
    tokens, seconds = profile.duration.knots[0]
    assert rows[f"{tokens:,} new tokens, s"][0] == f"{seconds:.5g}"
    assert [figure_of(v) for v in (12345, 0.123456789, "x")] == ["12,345", "0.123457", "x"]


# ---- tracks of a trace ----------------------------------------------------------------------------------


class Heard:
    """A trace file that only listens."""

    def __init__(self):
        self.events = []

    def shows(self, time_s):
        return time_s >= 1.0

    def __getattr__(self, name):
        return lambda *arguments, **options: self.events.append((name, *arguments))


class Job:
    def __init__(self, request, replica=0):
        self.request, self.replica, self.source, self.model, self.attempt = request, replica, replica, 0, 0
        self.prompt_tokens = self.cached_prompt_tokens = self.output_tokens = self.preemptions = 0
        self.tag = self
        self.seen = 0


@pytest.fixture
def tracks():
    setup = prepare(parse(scenario()))
    file = Heard()
    made = Tracks(setup.scenario, setup.pools, file)
    return made, file


def test_a_sequence_is_a_span_of_prefill_and_one_of_decoding(tracks):
    made, file = tracks
    one, two = Job(1), Job(2)
    made.batch_starts(1.0, 0, [], [one], 3, None)
    made.batch_starts(2.0, 0, [one], [two], 0, (80, 20))
    made.batch_starts(3.0, 0, [two], [], 0, (0, 0))
    made.finished(4.0, two)
    made.close(5.0)
    events = [e for e in file.events if e[0] != "name"]
    assert [e for e in events if e[0] == "span"] == [
        ("span", 1000, 1, "prefill 1", "prefill", 1.0, 2.0),
        ("span", 1000, 1, "decode 1", "decode", 2.0, 3.0),
        ("span", 1000, 2, "prefill 2", "prefill", 2.0, 3.0),
        ("span", 1000, 2, "decode 2", "decode", 3.0, 4.0),
    ]
    assert ("instant", 1000, 1, "preempted 1", "preemption", 3.0) in events
    assert ("counter", 1000, "sequences", 2.0, {"decoding": 1, "prefilling": 1}) in events
    assert ("counter", 1000, "waiting", 1.0, {"requests": 3}) in events
    hits = [e for e in events if "cached of prompts so far (%)" in e]
    assert hits == [("counter", 1000, "cached of prompts so far (%)", 2.0, {"hit rate": 25.0})]
    names = [e[1:] for e in file.events if e[0] == "name"]
    assert names == [
        *((1, None, "router"), (1, 1, "decisions"), (1000, None, "small, replica 0")),
        *((1000, 1, "sequence"), (1000, 2, "sequence")),
    ]
    assert file.events[-1] == ("close",)


def test_a_call_is_drawn_from_its_own_times(tracks):
    made, file = tracks
    job = Job(1, replica=1)
    made.call_begins(2.0, job, 3.0)
    made.finished(10.0, job)
    made.call_begins(11.0, job, 14.0)  # once more
    made.abandoned(12.0, job)
    spans = [e[3:] for e in file.events if e[0] == "span"]
    assert sorted(spans, key=lambda span: span[2]) == [
        ("prefill 1", "prefill", 2.0, 3.0),
        ("decode 1", "decode", 3.0, 10.0),
        ("prefill 1", "prefill", 11.0, 12.0),
    ]


def test_failures_losses_and_clients_who_give_up_are_instants(tracks):
    made, file = tracks
    one, two = Job(1), Job(2, replica=1)
    made.batch_starts(1.0, 0, [one], [], 0, None)
    made.failed(2.0, 0)
    made.repaired(3.0, 0)
    made.lost(4.0, one, True)
    made.lost(4.0, one, False)
    made.batch_starts(5.0, 1, [two], [], 0, None)
    made.abandoned(6.0, two)
    made.abandoned(6.0, Job(3, replica=-1))
    made.transfer_begins(7.0, 1, two)
    made.transferred(8.0, 1, two)
    made.finished(9.0, Job(4, replica=-1))
    events = [e for e in file.events if e[0] in ("span", "instant")]
    assert events == [
        ("span", 1000, 1, "decode 1", "decode", 1.0, 2.0),
        ("instant", 1000, None, "failed", "failure", 2.0),
        ("instant", 1000, None, "repaired", "failure", 3.0),
        ("instant", 1, 1, "rejected 1", "rejection", 4.0),
        ("instant", 1, 1, "lost 1", "failure", 4.0),
        ("span", 1001, 1, "decode 2", "decode", 5.0, 6.0),
        ("instant", 1, 1, "given up 2", "giving up", 6.0),
        ("instant", 1, 1, "given up 3", "giving up", 6.0),
        ("instant", 1001, None, "KV of 2 sets off", "transfer", 7.0),
        ("instant", 1001, None, "KV of 2 is here", "transfer", 8.0),
    ]
