"""Points of a server in tables of people's own, under the names that they use."""

import polars as pl
import pytest

from messsim.errors import DataError
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
