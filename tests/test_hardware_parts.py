"""Parts of `validate` and `reproduce` without a run: meters, errors, groups, figures of benchmarks."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from messsim.errors import ScenarioError
from messsim.results.intervals import replication_interval
from messsim.study.calibrate.measured import Point
from messsim.study.calibrate.sharegpt import sharegpt_lengths
from messsim.study.reproduce.benchmarks import _all, _best_single, _mean, _mean_costs, _run, reproduce_paper
from messsim.study.reproduce.paper import BENCHMARKS
from messsim.study.validate.against_hardware import _errors, _grouped, _rows, _summary
from messsim.study.validate.measured_loads import _load
from messsim.study.validate.metering import _made, counted, metered

# ---- a meter --------------------------------------------------------------------------------------------


def result(rows, timeline):
    """A run of requests (first token, end, tokens) and of (time, power) as the engine was seen."""
    requests = pl.DataFrame(rows, ["first_token_s", "finish_s", "output_tokens"], orient="row")
    return SimpleNamespace(
        requests=requests.lazy(), timeline=pl.DataFrame(timeline, ["time_s", "power_w_p"], orient="row")
    )


def test_a_meter_reads_tokens_and_joules_between_two_instants():
    # from the second first token (2 s) until the second end (6 s); power is that until the row's time
    rows = [(1.0, 5.0, 5), (2.0, 6.0, 9), (4.0, 9.0, 6)]
    timeline = [(0.0, 1000.0), (2.0, 100.0), (4.0, 50.0), (8.0, 25.0), (10.0, None)]
    # at 2 s: 1 + 1 of the first, 1 of the second; at 6 s: 5, 9 and 1 + 2/5 x 5
    tokens = (5 + 9 + 3) - (2 + 1)
    joules = 2 * 50.0 + 2 * 25.0
    read = metered(result(rows, timeline), 2, 2)
    assert read["tokens_per_s"] == pytest.approx(tokens / 4.0)
    assert read["power_w"] == pytest.approx(joules / 4.0)
    assert read["j_per_token"] == pytest.approx(joules / tokens)


def test_what_is_counted_while_the_meter_runs():
    # first token, end, answer, prompt and what of it was found; the meter runs from 2 s until 6 s
    rows = [(1.0, 5.0, 5, 10, 0), (2.0, 6.0, 9, 100, 0), (4.0, 9.0, 6, 1000, 900)]
    names = ["first_token_s", "finish_s", "output_tokens", "prompt_tokens", "cached_prompt_tokens"]
    run = SimpleNamespace(requests=pl.DataFrame(rows, names, orient="row").lazy())
    read = counted(run, 2, 2)
    assert read["seconds"] == 4.0
    assert read["tokens"] == (5 + 9 + 3) - (2 + 1)
    assert read["prompt_tokens"] == 100.0, "of the third, the only one that began, nine tenths were cached"
    # after their first tokens: 3 of the first, from 11 cached up; 8 of the second, 2 of the third
    assert read["cached_tokens"] == pytest.approx(3 * 10 + (4**2 - 1) / 2 + 8 * 100 + 8**2 / 2 + 2 * 1000 + 2**2 / 2)


@pytest.mark.parametrize(("at", "tokens"), [(0.9, 0.0), (1.0, 1.0), (3.0, 3.0), (5.0, 5.0), (7.0, 5.0)])
def test_tokens_of_an_answer_come_evenly(at, tokens):
    import numpy as np

    assert _made(np.array([1.0]), np.array([5.0]), np.array([5.0]), at) == pytest.approx(tokens)
    once = _made(np.array([1.0]), np.array([1.0]), np.array([1.0]), at)
    assert once == (1.0 if at >= 1.0 else 0.0), "an answer of one token has no length"


# ---- errors and groups ----------------------------------------------------------------------------------


def test_errors_of_a_group_have_their_sizes_and_sign():
    rows = [{"in_sample": True, "error": {"ttft_s": e}} for e in (0.1, -0.3, 0.05, 0.25)]
    errors = _errors(rows)
    assert errors["in_sample"] is True
    assert errors["ttft_s"] == {
        "mape": pytest.approx(0.175),
        "median": pytest.approx(0.175),
        "worst": 0.3,
        "bias": pytest.approx(0.025),
    }
    assert _errors([{"model": "m"}]) == {}


def test_a_point_is_a_row_with_its_relative_errors():
    point = Point("served", {"model": "m"}, {"ttft_s": 2.0, "tpot_s": 4.0}, None, (0, 1))
    (row,) = _rows(point, {"ttft_s": 2.5, "tpot_s": 3.0})
    assert row == {
        "table": "served",
        "model": "m",
        "measured": {"ttft_s": 2.0, "tpot_s": 4.0},
        "predicted": {"ttft_s": 2.5, "tpot_s": 3.0},
        "error": {"ttft_s": 0.25, "tpot_s": -0.25},
    }


def test_requests_are_a_row_each_with_their_own_lengths():
    facts = {"model": "m", "prompt_tokens": [10, 20]}
    point = Point("requests", facts, {"ttft_s": [1.0, 2.0]}, None, (0, 2))
    rows = list(_rows(point, {"ttft_s": [1.5, 1.0]}))
    assert [(r["prompt_tokens"], r["model"], r["error"]["ttft_s"]) for r in rows] == [(10, "m", 0.5), (20, "m", -0.5)]


def test_groups_come_fitted_first_and_loads_from_light_to_heavy():
    loads = ("256 clients or more", "held up by their host", "up to 64 clients", "65 to 255 clients")
    rows = [{"in_sample": fitted, "load": load} for fitted in (False, True) for load in loads]
    order = [key for key, _ in _grouped(rows, ("in_sample", "load"))]
    sorted_loads = [loads[2], loads[3], loads[0], loads[1]]
    assert order == [(fitted, load) for fitted in (True, False) for load in sorted_loads]
    assert [key for key, _ in _grouped([{"k": v} for v in "bab"], ("k",))] == [("a",), ("b",)]
    assert [len(group) for _, group in _grouped([{"k": v} for v in "bab"], ("k",))] == [1, 2]


def test_a_summary_has_the_rows_of_its_table_and_counts_those_without_a_profile():
    facts = {"model": "m", "gpu": "g", "gpus": 1, "engine": "vllm", "in_sample": False}
    known = [r for e in (2.0, 3.0) for r in _rows(Point("served", facts, {"ttft_s": 2.0}, None, (0, 1)), {"ttft_s": e})]
    other = {**known[0], "table": "energy"}
    points = [Point("served", facts | {"gpu": "h"}, {}, None, (0, 1)), Point("energy", facts, {}, None, (0, 1))]
    made = _summary("served", points, [*known, other])
    assert len(made["rows"]) == 2
    assert "table" not in made["rows"][0]
    assert made["groups"][0]["rows"] == 2
    assert made["groups"][0]["ttft_s"]["bias"] == 0.25
    assert made["summary"][0]["engine"] == "vllm"
    assert made["without_profile"] == [{"model": "m", "gpu": "h", "gpus": 1, "engine": "vllm", "rows": 1}]


# ---- servers as they were measured ----------------------------------------------------------------------


def test_lengths_of_a_burst_are_constant_or_a_trace_of_sharegpts():
    means = {"prompt": 127.6, "output": 10.0}
    assert _load("random 128 input", 8, means) == ({"prompt": 128, "output": 10}, None)
    lengths, arrivals = _load("sharegpt", 50, means)
    assert lengths == {"prompt": {"kind": "trace"}, "output": {"kind": "trace"}}
    trace = pl.read_csv(arrivals["file"])
    assert trace.height == 50
    assert trace["arrival_s"].unique().to_list() == [0.0]
    assert trace["prompt_tokens"].mean() == pytest.approx(127.6, rel=0.01)


def test_sharegpt_has_as_many_short_answers_as_the_benchmark():
    """Half of a TPOT's mean is answers of some tokens; long prompts have the shorter answers."""
    prompts, answers = sharegpt_lengths(1000, 217.4, 201.8)
    assert (prompts.mean(), answers.mean()) == (pytest.approx(217.4, rel=0.01), pytest.approx(201.8, rel=0.01))
    assert (prompts.min(), answers.min()) == (4, 4)
    assert np.quantile(answers, [0.1, 0.5, 0.9]) == pytest.approx([11, 124, 491], rel=0.05)
    assert np.quantile(prompts, [0.1, 0.5, 0.9]) == pytest.approx([10, 108, 643], rel=0.1)
    assert 1000 < answers.max() < 1400
    ranks = [pl.Series(lengths).rank() for lengths in sharegpt_lengths(20_000, 217.4, 201.8)]
    assert np.corrcoef(ranks)[0, 1] == pytest.approx(-0.416, abs=0.02)


# ---- the paper's benchmarks -----------------------------------------------------------------------------


def summary(**changes):
    cost = {"best_single": {"model": "8b", "per_request": 2.0}, "total": 5e6, "paper": 3e6, "ratio_to_oracle": 1.5}
    return {
        "sla": {"satisfaction": 0.6, "satisfaction_time_mean": 0.7, "kept": True},
        "requests": {"arrived": 1_000_000, "explored": 250_000},
        "cost": cost | changes,
        "models": [{"name": "1b", "share": 0.25}, {"name": "8b", "share": 0.75}],
    }


def test_the_best_single_model_is_the_one_that_most_often_is():
    other = {"model": "1b", "per_request": 9.0}
    runs = [summary(best_single=other), summary(), summary(best_single={"model": "8b", "per_request": 4.0})]
    assert _best_single(runs) == {"model": "8b", "cost_mj": 3.0}, "a million requests at 2 and 4 J"
    assert _best_single([summary(best_single={"model": None, "per_request": None})]) == {"model": None, "cost_mj": None}


def test_megajoules_of_all_requests():
    assert _all(summary(), 2.5) == 2.5
    assert _all(summary(), None) is None
    assert _mean([None, 1.0, 3.0]) == 2.0
    assert _mean([None]) is None


def test_a_run_has_both_accountings():
    worse = summary(paper=1e6, total=9e6, ratio_to_oracle=None)
    worse["sla"] = {"satisfaction": 0.4, "satisfaction_time_mean": 0.5, "kept": False}
    benchmark = SimpleNamespace(satisfaction=0.65)
    made = _run(0.1, [summary(), worse], benchmark)
    assert made["c"] == 0.1
    assert made["paper"]["satisfaction"] == replication_interval([0.7, 0.5]).summary()
    assert made["paper"]["cost_mj"]["mean"] == 2.0
    assert made["whole"]["satisfaction"]["mean"] == 0.5
    assert made["whole"]["cost_mj"]["mean"] == 7.0
    assert made["shares"] == {"1b": 0.25, "8b": 0.75}
    assert (made["explored"], made["kept"], made["ratio_to_oracle"]) == (0.25, 1, 1.5)
    assert made["less_than_published"] == pytest.approx(0.05)


def test_mean_costs_are_by_rate_of_exploration():
    def benchmark(*costs):
        return {"runs": [{"paper": {"cost_mj": {"mean": p}}, "whole": {"cost_mj": {"mean": w}}} for p, w in costs]}

    made = _mean_costs([benchmark((1.0, 2.0), (3.0, 4.0)), benchmark((3.0, 6.0), (5.0, 10.0))], [0.1, 1.0])
    assert made["ours"] == [
        {"c": 0.1, "paper_mj": 2.0, "whole_mj": 4.0},
        {"c": 1.0, "paper_mj": 4.0, "whole_mj": 7.0},
    ]
    assert made["published_mj"] == 1.07
    assert made["rivals_mj"] == [2.09, 2.11]


def test_the_rate_of_exploration_is_no_override():
    with pytest.raises(ScenarioError, match=r"^--set router\.c: expected --c, once for each value$"):
        reproduce_paper(sets=["router.V=1", " router.c = 0.1"])


def test_a_benchmark_as_a_scenario():
    boolq = next(b for b in BENCHMARKS if b.name == "boolq").scenario()
    assert boolq["requests"] == 3270
    assert boolq["sla"] == {"alpha": 0.80}
    assert boolq["satisfaction"] == {"kind": "irt", "slope": 2.540}
    assert boolq["models"][2] == {"name": "llama-3.3-70b", "satisfaction": 0.8878, "cost_per_request": 1040.8}
    assert boolq["router"] == {"policy": "mess+", "V": 1e-4, "learn": "explored", "c": 0.1}
