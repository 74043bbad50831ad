"""Counts of tokens in text: what a point in them means, whoever reads them."""

import numpy as np

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
