"""Rows that hold several requests each: what makes rows of these, and what is noted where the first alone is read."""

import gzip
import json
import re
import shutil
import subprocess

import polars as pl
import pytest

from messsim.errors import DataError
from messsim.logs.traces import TraceColumns, plan_reading, read_requests
from messsim.scenario.arrivals import Trace
from messsim.workload.trace import read_trace

FIRST = {"prompt_tokens": "calls.0.prompt_tokens", "output_tokens": "calls.0.completion_tokens"}


def call(prompt, **more):
    return {"prompt_tokens": prompt, "completion_tokens": 5, **more}


AGENTS = [
    {"timestamp": 1.0, "agent": "x", "calls": [call(10), call(11, agent="z")]},
    {"timestamp": 2.0, "agent": "y", "calls": [call(12)]},
    {"timestamp": 3.0, "agent": "y", "calls": None},
]
APART = [(1.0, "x", 10), (1.0, "z", 11), (2.0, "y", 12)]


def read(file, **columns):
    return read_requests(file, plan_reading(file, TraceColumns(**columns)))


def way_apart(file):
    """What the error of an import says that takes rows apart."""
    with pytest.raises(DataError, match="column 'calls' holds up to 2 requests in a row") as error:
        read(file)
    return re.search(r"a row for each, as (.*) makes them", str(error.value))[1]


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not here")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("f.jsonl", "\n".join(map(json.dumps, AGENTS))),
        ("f.json", json.dumps(AGENTS)),
        ("f.json", json.dumps({"model": "m", "results": AGENTS})),
        ("f.json", json.dumps({"run": {"results": AGENTS}})),
        ("f.jsonl.gz", "\n".join(map(json.dumps, AGENTS))),
    ],
)
def test_the_command_keeps_what_a_row_says_of_all_its_requests(tmp_path, name, text):
    file = tmp_path / name
    file.write_bytes(gzip.compress(text.encode(), mtime=0) if name.endswith(".gz") else text.encode())
    command = way_apart(file).replace("FILE", str(file))
    subprocess.run(command, shell=True, check=True)
    made = tmp_path / f"{name}.jsonl"
    rows = [json.loads(line) for line in made.read_text().splitlines()]
    assert [(row["timestamp"], row["agent"], row["prompt_tokens"]) for row in rows] == APART
    trace = read(made, time="timestamp", prompt_tokens="prompt_tokens", output_tokens="completion_tokens")
    assert trace.frame["prompt_tokens"].to_list() == [10, 11, 12]


def test_the_command_for_parquet_keeps_them_too(tmp_path):
    file = tmp_path / "f.parquet"
    pl.DataFrame(AGENTS, infer_schema_length=None).with_columns(
        calls=pl.Series([[call(10, agent="x"), call(11, agent="z")], [call(12, agent="y")], []])
    ).write_parquet(file)
    command = way_apart(file).replace("FILE", repr(str(file)))
    made = eval(command, {"polars": pl}).drop_nulls()
    assert made.select("timestamp", "agent", "prompt_tokens").rows() == APART


@pytest.mark.parametrize("name", ["f.jsonl", "f.json", "f.parquet"])
def test_requests_behind_the_first_of_a_list_are_left_out_with_their_number(tmp_path, name):
    """The first rows, by which columns are proposed, may each hold one request, and later ones several."""
    file = tmp_path / name
    rows = [{"arrival_s": float(i), "calls": [call(10)] * (1 if i < 20 else 3)} for i in range(30)]
    if name == "f.parquet":
        pl.DataFrame(rows).write_parquet(file)
    else:
        file.write_text(json.dumps(rows) if name == "f.json" else "\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError, match=r"--prompt-tokens calls\.0\.prompt_tokens"):
        read(file)
    expected = "requests behind the first in each row's 'calls' are left out: 20; "
    (note,) = (n for n in read(file, **FIRST).notes if "behind" in n)
    assert note.startswith(expected)
    assert note.endswith(" makes a row of each")
    law = Trace(kind="trace", file=str(file), columns=FIRST)
    noted = read_trace(law, file, prompt=True, output=True).notes
    assert any(n.startswith(f"{name}: {expected}") for n in noted)


def test_lists_of_one_and_of_no_objects_are_not_noted(tmp_path):
    file = tmp_path / "f.jsonl"
    rows = [{"arrival_s": float(i), "calls": [call(10)], "p": [7, 8], "deep": {"q": [call(3)] * 2}} for i in range(4)]
    file.write_text("\n".join(map(json.dumps, rows)))
    assert read(file, **FIRST).notes == read(file, **FIRST | {"prompt_tokens": "p.0"}).notes == ()
    (note,) = read(file, **FIRST | {"prompt_tokens": "deep.q.0.prompt_tokens"}).notes
    assert note == "requests behind the first in each row's 'deep.q' are left out: 4"
