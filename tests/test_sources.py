"""What is read of a data file is kept for the next run on it: of the file as it is, and as it was read."""

import os

import numpy as np
import pytest

from messsim.scenario import load
from messsim.workload import blocks, sources

TRACE = """[sla]
alpha = 0.5
[satisfaction]
kind = "irt"
[arrivals]
kind = "trace"
file = "trace.csv"
[[models]]
name = "a"
satisfaction = 0.9
cost_per_request = 1.0
[cluster]
mode = "none"
"""


@pytest.fixture
def scenario(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "_latest", {})
    (tmp_path / "s.toml").write_text(TRACE)
    written(tmp_path, "0", "1", "3")
    return load(tmp_path / "s.toml")


def written(folder, *times):
    (folder / "trace.csv").write_text("\n".join(["arrival_s", *times]) + "\n")


def test_a_file_is_read_once(scenario):
    assert sources.trace_of(scenario) is sources.trace_of(scenario)


def test_a_file_that_is_written_anew_is_read_again_though_its_date_is_put_back(scenario, tmp_path):
    """As `cp -p` and `rsync --inplace -t` do."""
    before = (tmp_path / "trace.csv").stat()
    first = sources.trace_of(scenario)
    written(tmp_path, "0", "2", "3")
    os.utime(tmp_path / "trace.csv", ns=(before.st_atime_ns, before.st_mtime_ns))
    after = (tmp_path / "trace.csv").stat()
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (before.st_ino, before.st_size, before.st_mtime_ns)
    again = sources.trace_of(scenario)
    assert (first.time_s.tolist(), again.time_s.tolist()) == ([0, 1, 3], [0, 2, 3])


def test_what_is_kept_cannot_be_written_to(scenario):
    kept = sources.trace_of(scenario)
    with pytest.raises(ValueError, match="read-only"):
        kept.time_s[0] = 1.0


def test_what_is_large_in_memory_is_not_kept(scenario, monkeypatch):
    size = sources.trace_of(scenario).time_s.nbytes
    monkeypatch.setattr(sources, "_latest", {})
    monkeypatch.setattr(sources, "MOST_KEPT", size - 1)
    first = sources.trace_of(scenario)
    assert not sources._latest
    assert sources.trace_of(scenario) is not first


def test_rows_of_json_are_parsed_once_and_let_go(scenario, tmp_path, monkeypatch):
    parsed, parse = [], blocks._parsed
    monkeypatch.setattr(blocks, "_parsed", lambda text: parsed.append(text) or parse(text))
    (tmp_path / "trace.json").write_text('[{"arrival_s": 0}, {"arrival_s": 2}]')
    read = sources.trace_of(load(tmp_path / "s.toml", ["arrivals.file=trace.json"]))
    assert (read.time_s.tolist(), len(parsed), blocks._kept) == ([0, 2], 1, {})


def test_arrays_within_others_count_too():
    values = np.arange(3)
    assert [a.tolist() for a in sources._arrays_of({"a": {"b": values}, "c": "text", "d": 1})] == [[0, 1, 2]]
