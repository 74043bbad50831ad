"""The directory that a study fills run by run: lines, check sums, what a kill leaves, what is written at the end."""

import json
from io import FileIO

import polars as pl
import pytest
from builders import scenario

from messsim.errors import OutputError, ScenarioError, SimulationError
from messsim.scenario import parse
from messsim.study.runs.identity import hashed
from messsim.study.runs.journal import _Lines, _write, journal, keeping

PARTS = {"command": "sweep", "data files": {}}
POINTS = [{"a": 1}, {"a": 2}]


def opened(directory, parts=PARTS, points=POINTS):
    return journal(directory, parse(scenario(name="base")), parts, points)


# ---- lines ----------------------------------------------------------------------------------------------


def lines(points=2, study="study"):
    return _Lines(opened_path, study, points)


opened_path = "DIR/rows.jsonl"


def test_a_line_is_json_with_a_check_sum_of_itself_and_the_study():
    line = lines().line((1, 4), {"x": None})
    entry = json.loads(line)
    assert line.endswith(b"}\n")
    assert entry.pop("check") == hashed(["study", {"point": 1, "replication": 4, "row": {"x": None}}])[:16]
    assert entry == {"point": 1, "replication": 4, "row": {"x": None}}


class Slow:
    """A file that takes three bytes at a time."""

    def __init__(self):
        self.content = b""

    def write(self, line):
        self.content += line[:3]
        return len(line[:3])


def test_a_line_is_written_to_its_end():
    file = Slow()
    _write(file, b"0123456")
    assert file.content == b"0123456"


# ---- directories ----------------------------------------------------------------------------------------


def test_a_new_directory_has_the_scenario_the_study_and_no_rows(tmp_path):
    with opened(tmp_path / "out") as kept:
        assert kept.rows == {}
        assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["rows.jsonl", "scenario.toml", "study.json"]
    assert json.loads((tmp_path / "out" / "study.json").read_text()) == {"contents": PARTS, "points": POINTS}
    assert 'name = "base"' in (tmp_path / "out" / "scenario.toml").read_text()
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_what_a_killed_process_left_half_written_is_removed(tmp_path, monkeypatch):
    with opened(tmp_path / "out"):
        pass
    file, folder = tmp_path / "out" / "half.json", tmp_path / "out" / "half"
    file.write_text("{")
    folder.mkdir()
    (folder / "inner").touch()
    left = {"plan.json": [file], "scenarios": [folder]}
    monkeypatch.setattr("messsim.study.runs.journal.leftovers", lambda path: left.get(path.name, []))
    with opened(tmp_path / "out"):
        pass
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["rows.jsonl", "scenario.toml", "study.json"]


def test_rows_are_in_the_file_at_once_and_gone_on_with(tmp_path):
    with opened(tmp_path / "out") as kept:
        kept.add((1, 0), {"x": 1})
        assert (tmp_path / "out" / "rows.jsonl").read_bytes().count(b"\n") == 1
        kept.add((0, 0), {"x": 2})
        assert kept.rows == {(1, 0): {"x": 1}, (0, 0): {"x": 2}}
    with opened(tmp_path / "out") as kept:
        assert kept.rows == {(1, 0): {"x": 1}, (0, 0): {"x": 2}}
        kept.add((1, 1), {"x": 3})
    with opened(tmp_path / "out") as kept:
        assert list(kept.rows) == [(1, 0), (0, 0), (1, 1)]


def test_a_figure_that_is_not_finite_is_none_at_once_and_when_gone_on_with(tmp_path):
    for _ in range(2):
        with opened(tmp_path / "out") as kept:
            if not kept.rows:
                kept.add((0, 0), {"x": float("nan"), "y": [float("inf"), 1.0]})
            assert kept.rows == {(0, 0): {"x": None, "y": [None, 1.0]}}
    assert b"NaN" not in (tmp_path / "out" / "rows.jsonl").read_bytes()


def test_half_a_line_is_cut_off_before_the_next_is_written(tmp_path):
    with opened(tmp_path / "out") as kept:
        kept.add((0, 0), {"x": 1})
    rows = tmp_path / "out" / "rows.jsonl"
    whole = rows.read_bytes()
    rows.write_bytes(whole + b'{"point": 1')
    with opened(tmp_path / "out") as kept:
        assert rows.read_bytes() == whole
        kept.add((1, 0), {"x": 2})
    with opened(tmp_path / "out") as kept:
        assert kept.rows == {(0, 0): {"x": 1}, (1, 0): {"x": 2}}


def test_a_line_that_cannot_be_written_whole_is_taken_back(tmp_path, monkeypatch):
    def full(file, line):
        file.write(line[:5])
        raise OSError(28, "No space left on device")

    with opened(tmp_path / "out") as kept:
        kept.add((0, 0), {"x": 1})
        with monkeypatch.context() as patched:
            patched.setattr("messsim.study.runs.journal._write", full)
            with pytest.raises(OutputError, match="its finished runs are kept"):
                kept.add((0, 1), {"x": 2})
        assert kept.rows == {(0, 0): {"x": 1}}
        kept.add((1, 0), {"x": 3})
    with opened(tmp_path / "out") as kept:
        assert kept.rows == {(0, 0): {"x": 1}, (1, 0): {"x": 3}}


FULL = OSError(28, "No space left on device")


class FullDisk(FileIO):
    """Can be read and locked; nothing about it can be changed."""

    def truncate(self, size=None):
        raise FULL


class NoLocks(FileIO):
    """Of a file system that knows none."""

    def fileno(self):
        raise FULL


def unopened(path, mode):
    raise FULL


@pytest.mark.parametrize("file", [FullDisk, NoLocks, unopened])
def test_a_directory_that_cannot_be_opened_keeps_its_runs(tmp_path, monkeypatch, file):
    with opened(tmp_path / "out") as kept:
        kept.add((0, 0), {"x": 1})
    with monkeypatch.context() as patched:
        patched.setattr("messsim.study.runs.journal.FileIO", file)
        with pytest.raises(OutputError) as caught, opened(tmp_path / "out"):
            pass
    reason = "cannot be written: No space left on device; its finished runs are kept"
    assert str(caught.value) == f"{tmp_path / 'out'}: {reason}"
    with opened(tmp_path / "out") as kept:
        assert kept.rows == {(0, 0): {"x": 1}}


def test_the_directory_of_something_else_is_refused(tmp_path):
    (tmp_path / "out").mkdir()
    with (
        pytest.raises(OutputError, match="out: exists already and no study began it; expected a directory that is yet"),
        opened(tmp_path / "out"),
    ):
        pass
    assert list((tmp_path / "out").iterdir()) == []


def test_the_directory_of_another_study_is_refused_and_says_what_differs(tmp_path):
    with opened(tmp_path / "out"):
        pass
    with (
        pytest.raises(OutputError, match="out: holds a study that differs in its command; expected another directory"),
        opened(tmp_path / "out", PARTS | {"command": "plan"}),
    ):
        pass


def test_a_directory_that_is_being_filled_is_left_to_who_fills_it(tmp_path):
    with (
        opened(tmp_path / "out"),
        pytest.raises(OutputError, match="out: another process is filling it; expected to be alone"),
        opened(tmp_path / "out"),
    ):
        pass
    with opened(tmp_path / "out"):
        pass


@pytest.mark.parametrize(
    ("before", "now", "left"), [(False, False, False), (False, True, True), (True, False, True), (True, True, True)]
)
def test_a_scenario_that_cannot_be_run_leaves_no_new_empty_directory(tmp_path, before, now, left):
    if before:
        with opened(tmp_path / "out"):
            pass
    rows = {(0, 0): {}} if now else {}
    with pytest.raises(ScenarioError, match="no such model"), opened(tmp_path / "out") as kept:
        fails_after(kept, rows)
    assert (tmp_path / "out").exists() is left


def fails_after(kept, rows):
    for key, row in rows.items():
        kept.add(key, row)
    raise ScenarioError("no such model")


def test_another_error_leaves_a_new_directory_to_go_on_with(tmp_path):
    with pytest.raises(SimulationError), opened(tmp_path / "out"):
        raise SimulationError("killed")
    assert (tmp_path / "out" / "rows.jsonl").exists()


# ---- the end of a study ---------------------------------------------------------------------------------


def test_the_table_is_written_at_the_end_in_place_of_the_last(tmp_path):
    for values in ([1], [1, 2]):
        with opened(tmp_path / "out") as kept, keeping(kept, lambda v=values: [{"x": x} for x in v], lambda: "all"):
            assert not (tmp_path / "out" / "results.parquet").exists() or values == [1, 2]
        assert pl.read_parquet(tmp_path / "out" / "results.parquet")["x"].to_list() == values


def test_without_rows_there_is_no_table(tmp_path):
    with opened(tmp_path / "out") as kept, keeping(kept, list, lambda: "none"):
        pass
    assert not (tmp_path / "out" / "results.parquet").exists()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (KeyboardInterrupt(), "interrupted"),
        (KeyboardInterrupt("ended by SIGTERM"), "ended by SIGTERM"),
        (SimulationError("a worker died"), "a worker died"),
        (OutputError("disk full"), "disk full"),
    ],
)
def test_what_stops_a_study_tells_what_is_kept(tmp_path, error, message):
    with (
        pytest.raises(type(error)) as caught,
        opened(tmp_path / "out") as kept,
        keeping(kept, lambda: [{"x": 5}], lambda: "3 of 4"),
    ):
        raise error
    assert caught.value is error, "one that a signal raised also knows which"
    assert error.args == (f"{message}; 3 of 4 runs are kept: the same command goes on from there",)
    assert pl.read_parquet(tmp_path / "out" / "results.parquet")["x"].to_list() == [5]


def test_what_stops_a_study_that_keeps_nothing_says_nothing_of_it():
    error = SimulationError("a worker died")
    with pytest.raises(SimulationError), keeping(None, list, lambda: "3 of 4"):
        raise error
    assert error.args == ("a worker died",)
    with keeping(None, lambda: 1 / 0, lambda: "3 of 4"):
        pass


def test_an_error_of_the_scenario_writes_no_table(tmp_path):
    with (
        pytest.raises(ScenarioError, match=r"^no such model$"),
        opened(tmp_path / "out") as kept,
        keeping(kept, lambda: [{"x": 1}], lambda: "1 of 2"),
    ):
        raise ScenarioError("no such model")
    assert not (tmp_path / "out").exists()
