"""Points of a server in tables of people's own, under the names that they use."""

import polars as pl
import pytest

from messsim.errors import DataError
from messsim.study.calibrate.measurements import read_measurements
from messsim.study.calibrate.usual import by_usual_names

OURS = ["clients", "output_tokens", "prompt_tokens", "tpot_ms", "ttft_ms"]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["concurrency", "input_tokens", "output_tokens", "ttft_ms", "tpot_ms"], OURS),
        (["users", "ISL", "OSL", "TTFT (ms)", "Mean ITL [ms]"], OURS),
        (["conc", "isl", "osl", "mean_ttft", "mean_tpot", "mean_itl"],
         ["clients", "mean_itl", "output_tokens", "prompt_tokens", "tpot_s", "ttft_s"]),
        (["clients", "prompt_tokens", "output_tokens", "e2el_ms"],
         ["clients", "e2e_ms", "output_tokens", "prompt_tokens"]),
        (["max_concurrency", "avg_input_length", "output_tokens_mean", "ttft_ms", "tpot_ms"], OURS),
        # AIConfigurator's, in ms
        (["concurrency", "isl", "osl", "ttft", "tpot"], ["concurrency", "isl", "osl", "tpot", "ttft"]),
        (["concurrency", "prompt_tokens", "duration_s"], ["concurrency", "duration_s", "prompt_tokens"]),  # iterations
        (["concurrency", "ttft_ms"], ["concurrency", "ttft_ms"]),
    ],
)  # fmt: skip
def test_names_that_people_use(columns, expected):
    assert sorted(by_usual_names(pl.DataFrame({c: [1.0] for c in columns})).columns) == expected


@pytest.mark.parametrize(
    ("columns", "clients"),
    [
        ({"users": [5, 5], "concurrency": [1, 4]}, [1, 4]),
        ({"concurrent_users": [5, 5], "max_concurrency": [1, 4]}, [1, 4]),
        ({"conc": [1, 4], "Concurrency": [1, 4]}, [1, 4]),
        ({"concurrency": [0.9, 3.7], "clients": [1, 4]}, [1, 4]),  # the name that is asked for
        ({"users": [1, 4]}, [1, 4]),
    ],
)
def test_clients_go_by_the_surest_name(columns, clients):
    frame = pl.DataFrame(columns | {"isl": [1, 1], "osl": [1, 1], "ttft_ms": [1.0, 1.0]})
    assert by_usual_names(frame)["clients"].to_list() == clients


def test_two_numbers_of_clients_that_differ_are_refused():
    frame = pl.DataFrame({"max_concurrency": [1, 4], "concurrency": [1, 3], "isl": [1, 1], "osl": [1, 1]})
    with pytest.raises(
        DataError, match="columns 'concurrency' and 'max_concurrency' differ in row 2: 3 and 4; expected"
    ):
        by_usual_names(frame)


# ---- units and AIConfigurator's samples -----------------------------------------------------------------

TIMED = "prompt_tokens,batch,cached_tokens,{}\n0,1,500,7.5\n0,8,4000,8.1\n512,0,0,20\n1024,4,2000,33\n"
SILICON = "backend,model_path,system,isl,osl,batch_size,tp_size,silicon_ttft_ms,silicon_tpot_ms\n"


@pytest.mark.parametrize(
    ("column", "why"),
    [
        ("duration", "column 'duration' says no unit: name it duration_s, duration_ms, or as the unit is, or give"),
        (
            "duration_s",
            "'duration_s' has 7.5 in row 1: no server takes so many seconds, at most 2; are these",
        ),
    ],
)
def test_times_of_iterations_have_a_unit_that_can_be(tmp_path, column, why):
    path = tmp_path / "rows.csv"
    path.write_text(TIMED.format(column))
    with pytest.raises(DataError) as error:
        read_measurements(path)
    assert why in str(error.value)
    assert read_measurements(path, unit="ms").rows.seconds[0] == pytest.approx(7.5e-3)
    slow = tmp_path / "slow.csv"  # a prompt may take so long, where nothing says that a token does
    slow.write_text("prompt_tokens,batch,cached_tokens,duration_s\n32000,0,0,8\n16000,0,0,3.5\n")
    assert read_measurements(slow).rows.seconds.tolist() == [8.0, 3.5]
    slow.write_text("prompt_tokens,batch,cached_tokens,duration_s\n0,1,500,0.02\n32000,0,0,305\n16000,0,0,300\n")
    with pytest.raises(DataError, match=r"'duration_s' has 305 in row 2: no server takes so many seconds, at most 30"):
        read_measurements(slow)


def test_measured_samples_of_the_wheel_are_points(tmp_path):
    path = tmp_path / "silicon_sample.csv"
    row = "vllm,meta-llama/Llama-3.1-70B,h100_sxm,1024,128,{},{},300.5,12\n"
    path.write_text(SILICON + row.format("4.0", "2.0") + row.format("16.0", "2.0"))
    read = read_measurements(path)
    assert (read.whose["gpu"], read.whose["tp"]) == ("h100_sxm", 2)
    assert (read.rows.clients, read.rows.prompt_tokens, read.rows.output_tokens) == ([4, 16], [1024] * 2, [128] * 2)
    assert read.rows.readings["ttft_s"].tolist() == pytest.approx([0.3005] * 2)
    assert read.rows.readings["tpot_s"].tolist() == pytest.approx([0.012] * 2)
    path.write_text(SILICON + row.format("4.0", "2.0") + row.format("8.0", "2.0").replace("vllm", "trtllm"))
    with pytest.raises(DataError, match="2 values of backend"):
        read_measurements(path)
    path.write_text(SILICON + row.format("4.0", "2.0") + row.format("4.0", "4.0"))
    with pytest.raises(DataError, match=r"2 values of tp_size .* --select tp_size=VALUE"):
        read_measurements(path)


@pytest.mark.parametrize(
    ("names", "values", "readings"),
    [
        ("ttft,tpot", ("30.5 ms,12ms", "1.5s, 250us "), {"ttft_s": [0.0305, 1.5], "tpot_s": [0.012, 0.00025]}),
        ("Mean TTFT (ms),e2e_s", ("30 ms,1.5s", "40 ms,900ms"), {"ttft_s": [0.03, 0.04], "e2e_s": [1.5, 0.9]}),
    ],
)
def test_times_may_state_their_own_unit(tmp_path, names, values, readings):
    rows = "".join(f"{4 + n},100,10,{value}\n" for n, value in enumerate(values))
    (file := tmp_path / "own.csv").write_text(f"clients,prompt_tokens,output_tokens,{names}\n{rows}")
    read = read_measurements(file).rows.readings
    assert {name: pytest.approx(seconds) for name, seconds in readings.items()} == {k: list(v) for k, v in read.items()}


def test_a_time_without_its_unit_beside_others_is_told_with_its_row(tmp_path):
    (file := tmp_path / "own.csv").write_text(
        "clients,prompt_tokens,output_tokens,ttft\n1,9,9,30 ms\n2,9,9,40 ms\n3,9,9,45\n"
    )
    with pytest.raises(DataError, match=r"column 'ttft' has '45' in row 3; expected a duration with its unit"):
        read_measurements(file)


def test_a_stated_unit_is_not_that_of_the_option_too(tmp_path):
    (file := tmp_path / "own.csv").write_text("clients,prompt_tokens,output_tokens,ttft\n1,9,9,30 ms\n2,9,9,40 ms\n")
    with pytest.raises(DataError, match="column 'ttft' has '30 ms' in row 1; expected a number"):
        read_measurements(file, unit="ms")
