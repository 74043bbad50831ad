"""Means over the requests that a run will have: phases, parts of a trace, and rows taken again and again."""

import csv

import numpy as np
import pytest
from builders import model, scenario

from messsim.engines import prepare
from messsim.scenario import parse
from messsim.study import run
from messsim.study.simulation.check import check
from messsim.workload import Workload

FREE = {"mode": "none"}


def priced(name, satisfaction, cost, **more):
    return {"name": name, "satisfaction": satisfaction, "cost_per_request": cost, **more}


def irt(phases, **changes):
    data = {"requests": 1000, "cluster": FREE, "models": [priced("a", 0.3, 1.0), priced("b", 0.8, 5.0)]}
    return parse(scenario(**data, phases=phases, **changes))


def drawn(scene):
    """Mean satisfaction of each model over all requests of a run, as drawn."""
    chunks = list(Workload(scene).chunks(4096))
    return np.concatenate([c.satisfied for c in chunks], axis=1).mean(axis=1)


PHASES = {
    "from request 0": [{"from_request": 0, "satisfaction": {"a": 0.9}}],
    "from the middle": [{"from_request": 5_000, "satisfaction": {"a": 0.9}, "difficulty": 1.0}],
    "in steps": [{"from_request": 2_000, "over_requests": 6_000, "satisfaction": {"a": 0.9}}],
    "cut off in its steps": [{"from_request": 10_000, "over_requests": 20_000, "satisfaction": {"a": 0.9}}],
    "by time": [{"from_s": 3_000.0, "satisfaction": {"b": 0.1}}],
    "by time, in steps": [{"from_s": 1_000.0, "over_s": 6_000.0, "satisfaction": {"b": 0.1}}],
    "by time, cut off in its steps": [{"from_s": 5_000.0, "over_s": 10_000.0, "satisfaction": {"b": 0.1}}],
    "from 0 s": [{"from_s": 0.0, "difficulty": 2.0}],
    "after the end": [{"from_request": 10**6, "satisfaction": {"a": 0.9}}],
}


@pytest.mark.parametrize("name", PHASES)
def test_mean_satisfaction_is_that_of_the_runs_own_requests(name):
    scene = irt(
        PHASES[name],
    ).changed(requests=20_000)
    assert Workload(scene).mean_satisfaction() == pytest.approx(drawn(scene), abs=0.015)


@pytest.fixture
def table(tmp_path):
    rows = [
        {"group": g, "a": float(g == "easy"), "b": 1.0, "cost_a": 1.0 + (g == "hard"), "cost_b": 7.0}
        for g in ["easy"] * 60 + ["hard"] * 40
    ]
    with (tmp_path / "t.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return tmp_path


def of_table(folder, phases=(), order="random", requests=500, policy="best-single", alpha=0.55):
    law = {"kind": "table", "file": "t.csv", "order": order, "group": "group", "costs": "cost_{column}"}
    data = scenario(
        requests=requests,
        cluster=FREE,
        models=[{"name": "a"}, {"name": "b"}],
        satisfaction=law,
        phases=list(phases),
        features={"kind": "none"},
        sla={"alpha": alpha},
        router={"policy": policy},
    )
    return parse(data, folder=folder)


def test_groups_from_request_0_count_for_baselines_and_check(table):
    hard = [{"from_request": 0, "groups": ["hard"]}]
    assert Workload(of_table(table, hard)).mean_satisfaction() == [0.0, 1.0]
    checklist = check(of_table(table, hard))
    assert [m["satisfaction"] for m in checklist["models"]] == [0.0, 1.0]
    assert [m["known_cost"] for m in checklist["models"]] == [2.0, 7.0]
    assert checklist["promises"][0]["single_model"] == "b"
    for policy in ("best-single", "static-mix", "educated-guess"):
        assert run(of_table(table, hard, policy=policy)).summary["sla"]["satisfaction"] >= 0.5
    assert run(of_table(table)).summary["sla"]["satisfaction"] < 0.7  # the table as a whole: a alone


def test_rows_in_the_files_order_are_those_that_the_run_takes(table):
    mean = [Workload(of_table(table, order="file", requests=n)).mean_satisfaction()[0] for n in (30, 60, 80, 100, 130)]
    assert mean == pytest.approx([1.0, 1.0, 0.75, 0.6, 90 / 130])
    later = [{"from_request": 50, "groups": ["hard"]}]
    assert Workload(of_table(table, later, order="file", requests=100)).mean_satisfaction()[0] == pytest.approx(0.5)
    costs = [prepare(of_table(table, order="file", requests=n)) for n in (60, 100)]
    assert [s.costs.means[0] for s in costs] == pytest.approx([1.0, 1.4])


def test_a_phase_that_changes_costs_counts(table):
    dear = [{"from_request": 250, "cost_per_request": {"a": 11.0}}]
    setup = prepare(irt(dear).changed(requests=500))
    assert setup.costs.means == pytest.approx([6.0, 5.0])


# ---- parts of a trace ---------------------------------------------------------------------------------------


def of_trace(folder, times, requests=None, repeat=True, replicas=1, **law):
    (folder / "t.csv").write_text(
        "arrival_s,prompt_tokens,output_tokens\n" + "".join(f"{t},{int(10 + t)},3\n" for t in times)
    )
    arrivals = {"kind": "trace", "file": "t.csv", "repeat": repeat, **law}
    tokens = {"prompt": {"kind": "trace"}, "output": {"kind": "trace"}}
    models = [model("small", 0.6, replicas=replicas)]
    return parse(scenario(requests=requests, arrivals=arrivals, tokens=tokens, models=models), folder=folder)


BURST = [0.01 * k for k in range(400)] + [100.0 * k for k in range(1, 400)]


def test_check_reckons_with_the_rows_that_the_run_takes(tmp_path):
    whole, head = check(of_trace(tmp_path, BURST)), check(of_trace(tmp_path, BURST, 400))
    assert whole["rate_rps"] < 0.03
    assert head["rate_rps"] == pytest.approx(100.0)
    assert whole["problems"] == []
    assert "pool small: gets" in head["problems"][0]
    assert whole["pools"][0]["peak_load"] > 1 > whole["pools"][0]["load"]
    assert head["mean_prompt_tokens"] == pytest.approx(np.mean([int(10 + t) for t in BURST[:400]]))
    (note,) = head["notes"]
    assert note.startswith("t.csv: takes rows 1 to 400 of 799, 100 requests/s; all of them come at 0.02")
    assert whole["notes"] == []


def test_a_window_and_a_deadline_are_parts_too(tmp_path):
    scene = of_trace(tmp_path, range(100), window_s=[10, 30], repeat=False)
    assert Workload(scene).notes == ["t.csv: takes rows 11 to 30 of 100, 1 requests/s; all of them come at 1/s"]
    cut = of_trace(tmp_path, range(100), 50).changed(requests=None, horizon_s=40.5)
    assert Workload(cut).expected_requests == 41 == run(cut).summary["requests"]["arrived"]
    longer = cut.changed(horizon_s=250.5)
    assert Workload(longer).expected_requests == 251 == run(longer).summary["requests"]["arrived"]


MMPP = {"kind": "mmpp", "rate_rps": 1.0, "burst_rate_rps": 10.0, "mean_calm_s": 100.0, "mean_burst_s": 100.0}
THREE = {"turns": {"kind": "constant", "turns": 3}, "think_s": {"kind": "constant", "mean_s": 1.0}}


def test_sessions_of_three_turns_are_three_times_as_many_requests():
    until = {"requests": None, "horizon_s": 3000.0, "arrivals": MMPP}
    alone, sessions = (Workload(parse(scenario(**until, **more))) for more in ({}, {"sessions": THREE}))
    assert (alone.expected_requests, sessions.expected_requests) == (16_500, 49_500)
    assert (sessions.rates().requests, sessions.rates().mean_rps) == (49_500, 16.5)
    assert sessions.rates().peak_rps == 3 * alone.rates().peak_rps > 30
    calm = MMPP | {"burst_rate_rps": 1.0, "rate_rps": 1.0}
    steady = Workload(parse(scenario(requests=1, arrivals=calm, sessions=THREE))).rates()
    assert (steady.requests, steady.mean_rps, steady.peak_rps) == (1, 3.0, 3.0)  # a minute is as busy as the mean


def test_a_rate_that_phases_change_is_drawn_until_the_deadline():
    phases = [{"from_request": 1000, "rate_factor": 2.0}]
    law = {"kind": "poisson", "rate_rps": 2.0}
    drawn = Workload(parse(scenario(arrivals=law, phases=phases, requests=None, horizon_s=3000.0)))
    assert drawn.expected_requests == drawn.rates().requests
    assert drawn.expected_requests == pytest.approx(1000 + 2500 * 4, rel=0.03)


def test_repetitions_are_noted(tmp_path, table):
    assert Workload(of_trace(tmp_path, range(100), 150)).notes == [
        "t.csv: 150 requests repeat its 100 rows 1.5 times; 50 % of them are taken more than once"
    ]
    (tmp_path / "t.csv").unlink()


def test_a_trace_that_ends_before_the_run_is_noted(tmp_path):
    noted = "t.csv: ends after 100 of 150 requests; arrivals.repeat = true begins it again"
    assert Workload(of_trace(tmp_path, range(100), 150, repeat=False)).notes == [noted]
    assert Workload(of_trace(tmp_path, range(100), 100, repeat=False)).notes == []
    assert Workload(of_trace(tmp_path, range(100), repeat=False)).notes == []


def test_rows_of_a_table_that_come_again_are_noted(table):
    assert Workload(of_table(table, requests=3)).notes == []
    assert Workload(of_table(table, order="file", requests=100)).notes == []
    assert Workload(of_table(table, order="file", requests=130)).notes == [
        "t.csv: 130 requests repeat its 100 rows; 30 % of them are taken more than once"
    ]
    (note,) = Workload(of_table(table, requests=100)).notes
    assert note == "t.csv: 100 requests are drawn from its 100 rows; about 26 % of them are taken more than once"
    (note,) = Workload(of_table(table, requests=850)).notes
    assert note == "t.csv: 850 requests are drawn from its 100 rows; about 99.8 % of them are taken more than once"
    (note,) = Workload(of_table(table, order="file", requests=200)).notes
    assert note == "t.csv: 200 requests repeat its 100 rows; 100 % of them are taken more than once"


# ---- samples --------------------------------------------------------------------------------------------


def numbered(folder, rows):
    """A trace whose prompts are as long as the number of their row, from 1."""
    lines = [f"{k},{k + 1},1" for k in range(rows)]
    (folder / "n.csv").write_text("\n".join(["arrival_s,prompt_tokens,output_tokens", *lines]) + "\n")
    law = {"kind": "trace", "file": str(folder / "n.csv"), "repeat": False}
    lengths = {"prompt": {"kind": "trace"}, "output": {"kind": "trace"}}
    return parse(scenario(requests=None, arrivals=law, tokens=lengths))


def sampled(scene, most):
    """Shares, and the prompts of each chunk."""
    shares, chunks = zip(*Workload(scene).sample(most), strict=True)
    return list(shares), [chunk.prompt_tokens.tolist() for chunk in chunks]


def test_of_a_file_in_its_order_evenly_spread_blocks_are_taken(tmp_path):
    shares, prompts = sampled(numbered(tmp_path, 64), 32)
    assert shares == [1 / 16] * 16
    assert prompts == [[4 * k + 1, 4 * k + 2] for k in range(16)]


def test_few_are_taken_from_the_start_and_all_where_there_are_no_more(tmp_path):
    assert sampled(numbered(tmp_path, 64), 15) == ([1.0], [[*range(1, 16)]])
    assert sampled(numbered(tmp_path, 64), 100) == ([1.0], [[*range(1, 65)]])


def test_a_span_stands_for_its_share_of_the_run():
    scene = irt([{"from_request": 250, "difficulty": 1.0}])
    shares, prompts = sampled(scene, 100)
    assert shares == [0.25, 0.75]
    assert [len(p) for p in prompts] == [25, 75]
