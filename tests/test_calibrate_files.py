"""What files of measurements hold: iterations, points of a server, doubts of their times, and several as one."""

import dataclasses
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from messsim.errors import DataError
from messsim.study.calibrate.aiperf import summed_up
from messsim.study.calibrate.measurements import (
    Measurements,
    ServedPoints,
    _doubt_seconds,
    _finer,
    _iterations,
    _needed,
    _points,
    _whose,
    joined,
    read_measurements,
)
from messsim.workload.choosing import Chooser, conditions
from messsim.zoo.fitting import Iterations

FILE = Path("measured.csv")


def iterations(*rows, **more):
    """Of (prompt tokens, batch, cached tokens, seconds)."""
    prompts, batch, cached, seconds = (np.array(c, float) for c in zip(*rows, strict=True))
    return Iterations(prompts, prompts**2 / 2, np.zeros(len(prompts)), batch, cached, seconds, **more)


def points(*rows, **readings):
    """Of (clients, prompt, output)."""
    clients, prompts, outputs = map(list, zip(*rows, strict=True))
    return ServedPoints(clients, prompts, outputs, {k: np.array(v) for k, v in readings.items()}, None)


def frame(**columns):
    return pl.DataFrame(columns)


def test_iterations_of_a_file():
    rows, idle_w = _iterations(
        frame(
            prompt_tokens=[10, 0, 0, 0],
            batch=[0, 2, 0, 0],
            cached_tokens=[0, 8, 0, 0],
            duration_s=[1.0, 2.0, 3.0, 1.0],
            energy_j=[5.0, 6.0, 90.0, 10.0],
            prompt_prior=[4, 0, 0, 0],
        ),
        FILE,
    )
    assert (rows.seconds.tolist(), rows.joules.tolist(), rows.prompt_prior.tolist()) == ([1.0, 2.0], [5.0, 6.0], [4, 0])
    assert rows.prompt_pairs.tolist() == [10 * (4 + 5), 0], "p (c + p/2)"
    assert idle_w == 25.0, "100 J of 4 s without work"


BASIC = {"prompt_tokens": [10, 0], "batch": [0, 2], "cached_tokens": [0, 8], "duration_s": [1.0, 2.0]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cached_tokens": [3, 8]}, "column 'cached_tokens' has 3 in row 1, where batch is 0"),
        ({"prompt_prior": [0, 5]}, "column 'prompt_prior' has 5 in row 2, where prompt_tokens is 0"),
        ({"prompt_pairs": [50, 7]}, "column 'prompt_pairs' has 7 in row 2, where prompt_tokens is 0"),
        ({"batch": [0, 0], "cached_tokens": [0, 0]}, "row 2 has neither prompt_tokens nor batch; expected work"),
        ({"duration_s": [1.0, 0.0]}, "column 'duration_s' has 0"),
        (
            {"prompt_tokens": [0, 0], "batch": [0, 0], "cached_tokens": [0, 0], "energy_j": [1.0, 1.0]},
            "has no iteration with prompt_tokens or batch",
        ),
    ],
)
def test_iterations_that_contradict_themselves_are_told(change, message):
    assert _iterations(frame(**BASIC), FILE)[1] is None
    with pytest.raises(DataError) as caught:
        _iterations(frame(**BASIC | change), FILE)
    assert message in str(caught.value)


def test_points_of_a_file():
    data = {"clients": [4.0, 8.0], "prompt_tokens": [99.6, 100.4], "output_tokens": [2, 3]}
    made = _points(frame(**data, tpot_s=[0.1, 0.2], ttft_s=[None, None], j_per_token=[1.0, 2.0]), FILE)
    assert (made.clients, made.prompt_tokens, made.output_tokens) == ([4, 8], [100, 100], [2, 3])
    assert list(made.readings) == ["tpot_s"]
    assert made.j_per_token.tolist() == [1.0, 2.0]
    assert len(made) == 2
    with pytest.raises(DataError, match="column 'output_tokens' has 1 in row 2, where tpot_s has no meaning"):
        _points(frame(**data | {"output_tokens": [2, 1]}, tpot_s=[0.1, 0.2]), FILE)
    assert _points(frame(**data | {"output_tokens": [2, 1]}, ttft_s=[0.1, 0.2]), FILE).j_per_token is None
    with pytest.raises(DataError, match="has none of the columns ttft_s, tpot_s, e2e_s, tokens_per_s"):
        _points(frame(**data), FILE)


@pytest.mark.parametrize(("count", "more"), [(8, ""), (9, ", ...")])
def test_a_file_of_several_models_is_told(count, more):
    names = [f"m{k}" for k in range(count)]
    with pytest.raises(DataError) as caught:
        _whose(frame(model=names, gpu=["g"] * count), FILE)
    assert f"holds {count} values of model ({', '.join(names[:8])}{more}); expected the rows of one" in str(
        caught.value
    )
    assert "--select model=VALUE" in str(caught.value)
    assert _whose(frame(model=["m", "m"], tp=[2, 2], backend=["v", "v"]), FILE) == {
        "model": "m",
        "tp": 2,
        "backend": "v",
    }


@pytest.mark.parametrize("lengths", ["prompt_tokens,output_tokens", "isl,osl"])
def test_times_without_a_unit_beside_readings_are_not_passed_over(tmp_path, lengths):
    file = tmp_path / "points.csv"
    file.write_text(f"clients,{lengths},ttft,tpot,e2e_ms\n4,9,9,36.2,23.1,220\n")
    with pytest.raises(
        DataError, match=r"columns ttft, tpot say no unit: name them ttft_s, ttft_ms, .* leave them out"
    ):
        read_measurements(file)
    assert set(read_measurements(file, unit="ms").rows.readings) == {"ttft_s", "tpot_s", "e2e_s"}
    file.write_text(f"clients,{lengths},latency,ttft,ttft_ms\n4,9,9,36.2,1,220\n")  # said otherwise, or no reading
    assert set(read_measurements(file).rows.readings) == {"ttft_s"}


@pytest.mark.parametrize(
    ("seconds", "message"),
    [
        (100.0, None),  # ten seconds a token
        (101.0, "column 'mean_e2e' has 101 in row 1: no server takes so many seconds for 10 tokens, at most 100; are"),
    ],
)
def test_whole_answers_that_no_server_takes_so_long_for_are_doubted(tmp_path, seconds, message):
    file = tmp_path / "points.csv"
    file.write_text(f"clients,prompt_tokens,output_tokens,mean_e2e\n4,9,10,{seconds}\n")
    if message is None:
        assert read_measurements(file).rows.readings["e2e_s"].tolist() == [100.0]
        return
    with pytest.raises(DataError, match=message):
        read_measurements(file)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("ttft_s", [600.0, 700.0, 600.0], None),
        ("ttft_s", [1e-4, 1e-4, 1e-5], None),
        (
            "ttft_s",
            [601.0, 700.0, 1.0],
            "column 'ttft_s' has 601 in row 1: no server takes so many seconds, at most 6",
        ),
        (
            "tpot_s",
            [1.0, 3.0, 30.0],
            "has 3 in row 2: no server takes so many seconds, at most 2; are these milli",
        ),
        ("tpot_s", [1e-6, 1e-5, 1e-6], "has 1e-06 in row 1: no server takes so few seconds, at least 1e-05"),
        (
            "duration_s",
            [3e4, 4e4, 1.0],
            "milliseconds? Then --time-format ms, or name the column duration_ms",
        ),
        ("duration_s", [3e4, 4e6, 4e6], "are these microseconds? Then --time-format us"),
        ("duration_s", [4e9, 4e9, 4e9], "are these nanoseconds? Then --time-format ns"),
    ],
)
def test_times_that_no_server_takes_are_doubted(column, values, message):
    data = frame(**{column: values})
    if message is None:
        _doubt_seconds(data, [column], FILE)
        return
    with pytest.raises(DataError) as caught:
        _doubt_seconds(data, [column], FILE)
    assert message in str(caught.value)


def test_a_doubted_time_that_was_computed_is_named_as_the_file_names_it():
    data = frame(ttft_s=[700.0])
    for columns, name in ((["mean_ttft_ms"], "column 'mean_ttft_ms'"), (["x"], "the time to the first token")):
        with pytest.raises(DataError) as caught:
            _doubt_seconds(data, columns, FILE)
        assert f"{name} comes to 700 s in row 1: no server takes so many seconds, at most 600" in str(caught.value)
    assert _finer(frame(ttft_s=[700.0], tpot_s=[5e4]), FILE) == "us", "every time must be a server's"
    assert _finer(frame(ttft_s=[1e30]), FILE) == "ms"


def test_columns_that_are_needed_are_those_with_readings():
    held = frame(ttft_ms=[1.0], tpot=[None], clients=[1], max_concurrency=[2], prompt_tokens=[3], other=[4])
    assert set(_needed(held)) == {"ttft_ms", "clients", "max_concurrency", "prompt_tokens"}
    assert _needed(frame(duration_ms=[1.0], prompt_tokens=[3])) == ["duration_ms"]


def test_a_unit_that_is_none_is_told():
    with pytest.raises(DataError, match=r"--time-format min: the times are durations; expected auto, s, ms, us, ns"):
        read_measurements(FILE, unit="min")


def test_several_files_are_one():
    one = Measurements({"model": "m"}, points((4, 100, 9), ttft_s=[1.0]), 10.0)
    two = Measurements({"model": "m", "gpu": "g"}, points((8, 200, 7), ttft_s=[2.0]), 30.0)
    whole = joined([(FILE, one), (FILE, two), (FILE, dataclasses.replace(one, idle_w=None))])
    assert whole.whose == {"model": "m", "gpu": "g"}
    assert (whole.rows.clients, whole.rows.readings["ttft_s"].tolist()) == ([4, 8, 4], [1.0, 2.0, 1.0])
    assert whole.rows.j_per_token is None
    assert whole.idle_w == 20.0
    assert joined([(FILE, dataclasses.replace(one, idle_w=None))]).idle_w is None


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (
            Measurements({"model": "n"}, points((1, 1, 1), ttft_s=[1.0])),
            "is of model n; expected m, as the files before",
        ),
        (
            Measurements({}, iterations((1, 0, 0, 1.0))),
            "holds iterations; expected a server at fixed concurrencies, as the files before",
        ),
        (
            Measurements({}, points((1, 1, 1), e2e_s=[1.0])),
            "has other readings than the files before: e2e_s, ttft_s; expected the same",
        ),
    ],
)
def test_files_of_different_things_are_not_joined(second, message):
    first = Measurements({"model": "m"}, points((1, 1, 1), ttft_s=[1.0]))
    with pytest.raises(DataError) as caught:
        joined([(Path("a.csv"), first), (Path("b.csv"), second)])
    assert message in str(caught.value)
    assert "b.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (
            {"Concurrency": [4], "Input Sequence Length (tokens)": [9], "Output Sequence Length (tokens)": [7]}
            | {"Time to First Token (ms)": [5.0], "Output Token Throughput (tokens/sec)": [3.0]},
            ["clients", "prompt_tokens", "output_tokens", "ttft_ms", "tokens_per_s"],
        ),
        (
            {"concurrency": [4], "input_sequence_length_avg": [9], "output_sequence_length_avg": [7]}
            | {"request_latency.avg": [5.0], "request_latency.unit": ["s"]},
            ["clients", "prompt_tokens", "output_tokens", "e2e_s"],
        ),
        ({"concurrency": [4], "input_sequence_length_avg": [9], "request_latency_avg": [5.0]}, None),
        ({"clients": [4], "prompt_tokens": [9], "ttft_s": [5.0]}, None),
    ],
)
def test_sums_of_aiperf_get_our_names(columns, names):
    data = frame(**columns)
    made = summed_up(data, [])
    assert made.columns == (data.columns if names is None else names)


@pytest.mark.parametrize(
    ("columns", "hint"),
    [
        (["p50_ttft_ms", "median_tpot_ms"], "p50_ttft_ms, median_tpot_ms are no means, which a fit needs"),
        (["p99_ttft_ms"], "p99_ttft_ms is no mean, which a fit needs: mean_ttft_ms, mean_tpot_ms"),
        (["latency"], "latency says no unit: name the columns ttft_s, tpot_ms, or as their unit is"),
        (["ttft", "ITL"], "ttft, ITL say no unit: name the columns ttft_s, tpot_ms"),
        (["ttft", "e2e"], "ttft, e2e say no unit: name the columns ttft_s, tpot_ms"),
        (["power_w"], "tokens_per_s; it has clients, prompt_tokens, output_tokens, power_w"),
        (["ttft_p50", "tpot_ms_p99"], "ttft_p50, tpot_ms_p99 are no means, which a fit needs"),
    ],
)
def test_readings_that_cannot_be_taken_are_told_why(tmp_path, columns, hint):
    file = tmp_path / "points.csv"
    names = ["clients", "prompt_tokens", "output_tokens", *columns]
    file.write_text(",".join(names) + "\n" + ",".join(["4"] * len(names)) + "\n")
    with pytest.raises(DataError, match="has none of the columns") as error:
        read_measurements(file)
    assert str(error.value).endswith(hint) or hint in str(error.value)


# ---- notes, and rows of the file ------------------------------------------------------------------------

SERVED = "x,clients,prompt_tokens,output_tokens,tpot_s\n"


def test_what_deserves_a_word_is_noted(tmp_path):
    (tmp_path / "m.csv").write_text(
        "clients,clients,prompt_tokens,output_tokens,tpot_s\n1,7,12.4,9,0.01\n2,7,12,9,0.02\n"
    )
    (tmp_path / "n.csv").write_text("clients,prompt_tokens,output_tokens,tpot_s\n4,12,9,0.03\n")
    measured = read_measurements(tmp_path / "m.csv")
    twice, rounded = measured.notes
    assert twice == "its header has 'clients' more than once: the first is read"
    assert rounded == "column 'prompt_tokens' has counts that are not whole, such as 12.4: read as 12"
    assert (measured.rows.clients, measured.rows.prompt_tokens) == ([1, 2], [12, 12])
    parts = [(path, read_measurements(path)) for path in (tmp_path / "m.csv", tmp_path / "n.csv")]
    assert joined(parts[1:]).notes == ()
    assert joined(parts).notes == (f"{tmp_path}/m.csv: {twice}", f"{tmp_path}/m.csv: {rounded}")


def test_means_of_benchmarks_that_are_not_whole_are_noted_once(tmp_path):
    sums = "max_concurrency,completed,total_input_tokens,total_output_tokens,mean_ttft_ms\n4,3,100,20,9\n"
    (tmp_path / "m.csv").write_text(sums)
    (note,) = read_measurements(tmp_path / "m.csv").notes
    assert note.startswith("requests are taken to be all as long as their mean")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1,0,9,9,0.1\n", "column 'clients' has 0 in row 3; expected"),
        ("1,1,9,1,0.1\n", "column 'output_tokens' has 1 in row 3, where"),
        ("1,1,9,9,3.5\n1,1,9,9,3.5\n", "column 'tpot_s' has 3.5 in row 3: no server"),
    ],
)
def test_rows_are_those_of_the_file_whichever_count(tmp_path, rows, message):
    (tmp_path / "m.csv").write_text(
        f"{SERVED}0,1,1,1,1\n1,1,9,9,3.2\n{rows}".replace("3.2", "3.2" if "3.5" in rows else "1")
    )
    expected = message.replace("3.5 in row 3", "3.2 in row 2")
    with pytest.raises(DataError, match=expected):
        read_measurements(tmp_path / "m.csv", Chooser(conditions(["x=1"])))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,prompt_tokens,batch,cached_tokens,duration_s\n0,1,1,1,1\n1,9,0,0,1\n1,9,0,3,1\n",
         "has 3 in row 3, where"),
        ("x,prompt_tokens,batch,cached_tokens,duration_s\n0,1,1,1,1\n1,9,0,0,1\n1,0,0,0,1\n", "row 3 has neither"),
        ("x,clients,concurrency,isl,osl,ttft_ms\n0,1,1,1,1,1\n1,2,2,9,9,1\n", None),
        ("x,max_concurrency,concurrency,isl,osl,ttft_ms\n0,1,1,1,1,1\n1,2,3,9,9,1\n", "differ in row 2: 3 and 2"),
        ("x,max_concurrency,completed,total_input_tokens,total_output_tokens,mean_ttft_ms\n0,4,3,9,9,9\n1,,3,9,9,9\n",
         "no value in row 2"),
        ("x,concurrency,input_sequence_length_avg,output_sequence_length_avg,time_to_first_token_avg\n0,1,9,9,9\n1,0,9,9,9\n",
         "'clients' has 0 in row 2"),
    ],
)  # fmt: skip
def test_rows_are_those_of_the_file_in_tables_of_tools(tmp_path, text, message):
    (tmp_path / "m.csv").write_text(text)
    chooser = Chooser(conditions(["x=1"]))
    if message is None:
        assert len(read_measurements(tmp_path / "m.csv", chooser).rows) == 1
        return
    with pytest.raises(DataError, match=message):
        read_measurements(tmp_path / "m.csv", chooser)


def test_what_holds_no_measurements_is_told_what_does(tmp_path):
    (file := tmp_path / "k6.json").write_text('{"metrics": {"x": 1}, "root_group": 2}')
    with pytest.raises(
        DataError, match=r"holds no measurements: expected a row for each concurrency, .*; it has metrics"
    ):
        read_measurements(file)


@pytest.mark.parametrize(("column", "clients"), [("bs", [4, 2]), ("concurrency", [4, 2])])
def test_a_table_of_a_benchmark_may_say_its_clients_by_another_name(tmp_path, column, clients):
    """No more are under way than there are requests."""
    head = f"backend,{column},completed,total_input_tokens,total_output_tokens,mean_ttft_ms\n"
    (file := tmp_path / "b.csv").write_text(head + "x,4,10,100,50,20\nx,8,2,20,10,30\n")
    assert read_measurements(file).rows.clients == clients
