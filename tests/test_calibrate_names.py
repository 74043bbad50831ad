"""Points of a server in tables of people's own, under the names that they use."""

import polars as pl
import pytest

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
        # AIConfigurator's, in ms
        (["concurrency", "isl", "osl", "ttft", "tpot"], ["concurrency", "isl", "osl", "tpot", "ttft"]),
        (["concurrency", "prompt_tokens", "duration_s"], ["concurrency", "duration_s", "prompt_tokens"]),  # iterations
        (["concurrency", "ttft_ms"], ["concurrency", "ttft_ms"]),
    ],
)  # fmt: skip
def test_names_that_people_use(columns, expected):
    assert sorted(by_usual_names(pl.DataFrame({c: [1.0] for c in columns})).columns) == expected
