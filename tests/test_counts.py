"""Numbers in text, whoever reads them: what a point means in counts, and names that only look like numbers."""

import numpy as np

from messsim.logs.decisions import DecisionColumns, read_log
from messsim.logs.outcomes import read_outcomes
from messsim.logs.scores import OutcomeOptions
from messsim.study.calibrate.measurements import read_measurements
from messsim.workload.blocks import whole
from messsim.workload.choosing import Chooser, conditions


def written(folder, name, *lines):
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder / name


def test_a_point_parts_thousands_in_tables_of_outcomes(tmp_path):
    file = written(
        tmp_path, "o.csv", "id;model;score;cost;prompt_tokens;output_tokens",
        "1;a;1;0,500;1.200;80", "1;b;0;0,100;1.200;1.090",
    )  # fmt: skip
    table = read_outcomes([file], OutcomeOptions()).frame
    assert table.select("prompt_tokens", "output_tokens__b", "cost__a").rows() == [(1200.0, 1090.0, 0.5)]


def test_a_point_parts_thousands_in_measurements(tmp_path):
    lines = ("clients;prompt_tokens;output_tokens;ttft_ms", "1;1.024;200;40,5", "1.000;1.024;2.000;1.120,5")
    points = read_measurements(written(tmp_path, "points.csv", *lines)).rows
    assert (points.clients, points.prompt_tokens, points.output_tokens) == ([1, 1000], [1024, 1024], [200, 2000])
    assert np.allclose(points.readings["ttft_s"], [0.0405, 1.1205])
    lines = ("prompt_tokens;prompt_prior;batch;cached_tokens;duration_ms", "0;0;8;1.024;9,5", "2.048;4.096;0;0;40,1")
    rows = read_measurements(written(tmp_path, "iterations.csv", *lines)).rows
    assert rows.prompt_tokens.tolist() == [0, 2048]
    assert rows.prompt_prior.tolist() == [0, 4096]
    assert rows.cached_tokens.tolist() == [1024, 0]


def test_a_point_parts_thousands_where_rows_are_chosen_by_tokens(tmp_path):
    frame = whole(written(tmp_path, "f.csv", "t;prompt_tokens;score", "0,5;1.010;0.500", "1,5;900;0.250"))
    for text, expected in (
        ("prompt_tokens>1000", [True, False]),
        ("prompt_tokens=1010", [True, False]),
        ("score>0.3", [True, False]),  # a name that counts nothing
    ):
        assert Chooser(conditions([text])).keep(frame).tolist() == expected, text


def test_prompts_and_models_of_outcomes_are_as_they_are_written(tmp_path):
    rows = [
        f"{prompt},{model},{int(prompt != '1.10')}" for prompt in ("1.1", "1.10", "0012") for model in ("4.1", "4.10")
    ]
    table = read_outcomes([written(tmp_path, "long.csv", "Question_ID,Model,Score", *rows)], OutcomeOptions())
    assert table.models == ("4.1", "4.10")
    assert table.frame["prompt"].to_list() == ["1.1", "1.10", "0012"]
    assert table.frame["4.10"].to_list() == [1.0, 0.0, 1.0]
    files = [written(tmp_path, f"{n}.csv", "which,score", "1.1,1", "1.10,0", "012,1", "12,0") for n in "ab"]
    joined = read_outcomes(files, OutcomeOptions(prompt="which")).frame
    assert joined.select("prompt", "b").rows() == [("1.1", 1.0), ("1.10", 0.0), ("012", 1.0), ("12", 0.0)]


def test_models_of_a_log_of_decisions_are_as_they_are_written(tmp_path):
    lines = ("who,satisfied,cost__4.1,cost__4.10", "4.1,1,1,2", "4.10,0,1,2", "4.1,1,1,2")
    log = read_log(written(tmp_path, "log.csv", *lines), DecisionColumns(model="who"))
    assert log.models == ["4.1", "4.10"]
    assert log.chosen.tolist() == [0, 1, 0]
