"""The journal of a study: what a line must be, and what stands in the way of reading it."""

import json
import os

import pytest
from builders import scenario

from messsim.errors import OutputError
from messsim.scenario import parse
from messsim.study.runs.identity import contents
from messsim.study.runs.journal import ROWS, _Lines, journal

POINTS = [{"router.V": 0.1}, {"router.V": 0.2}]


@pytest.fixture
def lines(tmp_path):
    return _Lines(tmp_path / "rows.jsonl", "a study", points=2)


def line_of(lines, point=0, replication=0, **row):
    return lines.line((point, replication), row or {"x": 1.0})


def test_rows_are_read_as_they_were_written(lines):
    whole = line_of(lines, 0, 0, x=0.1) + line_of(lines, 1, 3, x=None, name="é\u2028")
    rows, size = lines.read(whole)
    assert rows == {(0, 0): {"x": 0.1}, (1, 3): {"x": None, "name": "é\u2028"}}
    assert size == len(whole)
    assert lines.read(b"") == ({}, 0)


@pytest.mark.parametrize("cut", [1, 7, 30])
def test_half_a_line_at_the_end_does_not_count(lines, cut):
    first, second = line_of(lines), line_of(lines, 1)
    assert lines.read(first + second[:-cut]) == ({(0, 0): {"x": 1.0}}, len(first))


def changed(line, **changes):
    return json.dumps(json.loads(line) | changes).encode() + b"\n"


@pytest.mark.parametrize(
    "bad",
    [b"\n", b"{}\n", b"null\n", b"[]\n", b"5\n", b'"row"\n', b"\xff\xfe\n", b"{\n", b"[" * 100_000 + b"\n"],
    ids=["empty", "object", "null", "list", "number", "text", "bytes", "half", "deep"],
)
def test_a_line_that_is_no_row_is_named(lines, bad):
    with pytest.raises(OutputError) as error:
        lines.read(line_of(lines) + bad + line_of(lines, 1))
    hint = "expected a row that this study wrote: without the line, its run is made again"
    assert str(error.value).endswith(f"rows.jsonl: line 2 is damaged; {hint}")


@pytest.mark.parametrize(
    "changes", [{"row": {}}, {"row": {"x": 2.0}}, {"point": 1}, {"replication": 1}, {"check": "0"}, {"more": 1}]
)
def test_a_row_that_was_changed_is_refused(lines, changes):
    with pytest.raises(OutputError, match="line 1 is damaged, or of another study"):
        lines.read(changed(line_of(lines), **changes))


def test_a_row_of_another_study_is_refused(lines, tmp_path):
    other = _Lines(tmp_path / "rows.jsonl", "another study", points=2)
    with pytest.raises(OutputError, match="line 1 is damaged, or of another study"):
        lines.read(line_of(other))


@pytest.mark.parametrize(("point", "fine"), [(-1, False), (0, True), (1, True), (2, False)])
def test_a_point_is_one_of_the_study(lines, point, fine):
    if fine:
        assert lines.read(line_of(lines, point))[0].keys() == {(point, 0)}
    else:
        with pytest.raises(OutputError, match=f"line 1 is of point {point}, of 2 from 0"):
            lines.read(line_of(lines, point))


def test_a_run_has_one_row(lines):
    with pytest.raises(OutputError, match="line 3 repeats replication 4 of point 1"):
        lines.read(line_of(lines, 1, 4) + line_of(lines, 0, 4) + line_of(lines, 1, 4))


# ---- the directory --------------------------------------------------------------------------------------


def opened(directory, **changes):
    base = parse(scenario(**changes))
    return journal(directory, base, contents("sweep", base, POINTS, [base]), POINTS)


def test_a_journal_keeps_what_was_added(tmp_path):
    with opened(tmp_path / "o") as kept:
        kept.add((1, 0), {"x": 2.0})
        with pytest.raises(OutputError, match="another process is filling it"), opened(tmp_path / "o"):
            pass
    with opened(tmp_path / "o") as kept:
        assert kept.rows == {(1, 0): {"x": 2.0}}
    with pytest.raises(OutputError, match="holds a study that differs in its scenario"), opened(tmp_path / "o", seed=9):
        pass


@pytest.mark.parametrize("kind", ["a pipe", "a device", "a directory"])
def test_rows_that_are_no_plain_file_are_refused_by_their_kind(tmp_path, kind):
    """To read a pipe would take for ever, and a device all memory."""
    with opened(tmp_path / "o"):
        pass
    path = tmp_path / "o" / ROWS
    path.unlink()
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    with pytest.raises(OutputError) as shown, opened(tmp_path / "o"):
        pass
    assert str(shown.value) == f"{path}: is {kind}; expected the rows that this study wrote"


def test_rows_that_are_gone_are_missed(tmp_path):
    with opened(tmp_path / "o"):
        pass
    (tmp_path / "o" / ROWS).unlink()
    with pytest.raises(OutputError, match=r"rows\.jsonl: no such file; expected the rows"), opened(tmp_path / "o"):
        pass


@pytest.mark.parametrize("text", ["null", "[]", "{}", "[" * 100_000, '{"contents": 5}', "\x00"])
def test_what_no_study_began_is_left_alone(tmp_path, text):
    with opened(tmp_path / "o"):
        pass
    (tmp_path / "o" / "study.json").write_text(text)
    with pytest.raises(OutputError), opened(tmp_path / "o"):
        pass
    assert (tmp_path / "o" / ROWS).exists()
