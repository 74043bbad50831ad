"""Rows of a data file by themselves: kinds by name and content, pieces of text, the header, noise."""

import gzip
import io
import json

import numpy as np
import polars as pl
import pytest

from messsim.errors import DataError
from messsim.workload import blocks as room
from messsim.workload import nested
from messsim.workload.blocks import blocks, schema_of, whole
from messsim.workload.hashes import PRIVATE, HashIds, Runs
from messsim.workload.kinds import kind_within
from messsim.workload.prompts import NODE

A, B = {"a": 1, "b": 2}, {"a": 3, "b": 4}
LINES = "\n".join(json.dumps(row) for row in (A, B)) + "\n"
TABLE = "a,b\n1,2\n3,4\n"


def write(folder, name, content):
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def rows(file, columns=None, notes=None):
    """All rows, and where each block began."""
    parts = list(blocks(file, columns, notes))
    return [row for _, frame in parts for row in frame.to_dicts()], [before for before, _ in parts]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("f.csv", TABLE),
        ("F.CSV", TABLE),
        ("f.csv.gz", gzip.compress(TABLE.encode(), mtime=0)),
        ("f.csv", gzip.compress(TABLE.encode(), mtime=0)),  # packed whatever its name
        ("f.csv", "\ufeff" + TABLE),
        ("f.csv", TABLE.encode("utf-16")),
        ("f.csv", TABLE.replace("\n", "\r")),
        ("f.csv", "\n\n" + TABLE + "\n\n"),
        ("f.txt", TABLE),
        ("f.tsv", TABLE.replace(",", "\t")),
        ("f.jsonl", LINES),
        ("f.ndjson", LINES),
        ("f.jsonl.gz", gzip.compress(LINES.encode(), mtime=0)),
        ("f.log", "started\n" + LINES),
        ("f.log", "".join(f"2024 INFO {json.dumps(row)}\n" for row in (A, B))),
        ("f.json", json.dumps([A, B])),
        ("f.json", json.dumps([A, B], indent=1)),
        ("f.json", json.dumps({"data": [A, B]})),
        ("f.json", LINES),
        ("f.jsonl", json.dumps([A, B])),
        ("f.json", json.dumps(A) + json.dumps(B)),
        ("f.json", "some noise\n" + json.dumps([A, B])),
        ("f.json", "\x1e" + json.dumps(A) + "\n\x1e" + json.dumps(B) + "\n"),
    ],
)
def test_a_kind_is_told_by_name_and_content(tmp_path, name, content):
    file = write(tmp_path, name, content)
    assert rows(file)[0] == [A, B]
    assert whole(file).to_dicts() == [A, B] or name.endswith((".log", ".json", ".jsonl"))
    assert list(schema_of(file)) == ["a", "b"]
    assert rows(file, ["b"])[0] == [{"b": 2}, {"b": 4}]


@pytest.mark.parametrize("end", ["", "\n", "\n\n\n", "\r\n\r\n", "\n\x1a", "\n\n\x1a\n"])
def test_lines_without_anything_at_the_end_are_no_rows(tmp_path, end):
    file = write(tmp_path, "f.csv", "a\n1\n2" + end)  # of one column, where an empty line would be an empty value
    assert rows(file)[0] == [{"a": 1}, {"a": 2}]


def test_parquet_comes_by_groups(tmp_path, monkeypatch):
    file = tmp_path / "f.parquet"
    pl.DataFrame({"a": range(7)}).write_parquet(file, row_group_size=2)
    assert rows(file)[1] == [0]  # a million rows or more are a block
    monkeypatch.setattr(room, "BLOCK_ROWS", 3)
    got, starts = rows(file)
    assert [row["a"] for row in got] == list(range(7))
    assert starts == [0, 4]  # whole groups, as many as make three rows
    assert schema_of(file) == {"a": pl.Int64}
    monkeypatch.setattr(room, "MOST_ROWS", 6)
    with pytest.raises(DataError, match="has 7 rows; expected at most 6"):
        rows(file)


def test_text_in_a_block_of_parquet_is_looked_into_without_the_other_blocks(tmp_path, monkeypatch):
    file, looked_into = tmp_path / "f.parquet", []
    pl.DataFrame({"u": [f"{{'a': {i}}}" for i in range(8)]}).write_parquet(file, row_group_size=2)
    monkeypatch.setattr(room, "BLOCK_ROWS", 2)
    as_json = nested._as_json
    monkeypatch.setattr(nested, "_as_json", lambda series: looked_into.append(len(series)) or as_json(series))
    got, starts = rows(file, ["u.a"])
    assert ([row["u.a"] for row in got], starts) == ([str(i) for i in range(8)], [0, 2, 4, 6])
    assert sum(looked_into) == 8


def test_text_of_a_column_is_converted_once_for_all_paths_into_it(tmp_path, monkeypatch):
    file, converted = tmp_path / "f.csv", []
    file.write_text("""u,v\n"{'a': 1, 'b': 2}",3\n"{'a': 4, 'b': 5}",6\n""")
    json_of = nested.json_of
    monkeypatch.setattr(nested, "json_of", lambda text: converted.append(text) or json_of(text))
    got, _ = rows(file, ["u.a", "u.b", "v"])
    assert got == [{"u.a": "1", "u.b": "2", "v": 3}, {"u.a": "4", "u.b": "5", "v": 6}]
    assert len(converted) == 2
    both, _ = rows(file, ["u.a", "u"])
    assert both[0] == {"u.a": "1", "u": "{'a': 1, 'b': 2}"}  # as it is, where it is wanted itself
    resolved = nested.resolved(whole(file), ["u.a", "u.b"], file)
    assert (resolved["u"][0], resolved["u.b"].to_list()) == ("{'a': 1, 'b': 2}", ["2", "5"])


def test_a_file_that_is_not_there_uses_nothing_that_a_fork_lacks(tmp_path, monkeypatch):
    monkeypatch.setattr("messsim.forking._used_in", used := set())
    with pytest.raises(DataError, match="no such file"):
        schema_of(tmp_path / "f.csv")
    assert used == set()
    (tmp_path / "f.csv").write_text("a\n1\n")
    schema_of(tmp_path / "f.csv")
    assert len(used) == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("f.xyz", "", "cannot tell its kind by its name; expected .csv, .csv.gz, .parquet"),
        ("f.pkl", "", "is a pickle, which is a program and is not read"),
        ("f.csv", "a,b\n", "has no rows"),
        ("f.csv", "", "cannot be read: "),
        ("f.json", "{}", "has no rows"),
        ("f.jsonl", '{"a": 1}\n{"a": }\n', "row 2 is no JSON object"),
        ("f.jsonl", '{"a": 1}\n{"a": ' + "7" * 5000 + "}\n", "row 2 is no JSON object: a number has over 4,300 digits"),
        ("f.json", "[]", "it has no rows"),
        ("f.csv.gz", b"\x1f\x8b\x08 damaged", "cannot be read: "),
        ("f.parquet", b"PAR1", "too short for a Parquet file"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path, name, content, message):
    file = write(tmp_path, name, content)
    with pytest.raises(DataError, match=message) as error:
        rows(file)
    assert str(error.value).startswith(str(file))


@pytest.mark.parametrize("size", [8, 9, 12, 30, 1000])
def test_blocks_end_where_rows_do_whatever_their_size(tmp_path, monkeypatch, size):
    monkeypatch.setattr(room, "BLOCK_BYTES", size)
    quoted = 'a,b\n1,"x\ny"\n2,"z ""q"", w"\n3,"v"\n4,"\n\n"\n'
    got, starts = rows(write(tmp_path, "f.csv", quoted))
    assert [row["b"] for row in got] == ["x\ny", 'z "q", w', "v", "\n\n"]
    assert starts == sorted(starts)
    assert starts[0] == 0
    got, _ = rows(write(tmp_path, "f.jsonl", LINES * 3))
    assert got == [A, B] * 3


@pytest.mark.parametrize(
    ("text", "quoted", "end"),
    [
        (b"a\nb\n", True, 4),
        (b"a\nb", True, 2),
        (b"a", True, 0),
        (b'a\n"b\n', True, 2),
        (b'a\n"b\nc"\n', True, 8),
        (b'"a\nb', True, 0),
        (b'a\n"b\n', False, 5),
        (b"", True, 0),
    ],
)
def test_the_last_row_that_is_whole(text, quoted, end):
    assert room._end_of_rows(text, quoted) == end


@pytest.mark.parametrize(
    ("text", "header", "rest"),
    [
        (b"a,b\n1,2\n", b"a,b\n", b"1,2\n"),
        (b"\r\n\na,b\n1", b"a,b\n", b"1"),
        (b"a,b", b"a,b\n", b""),
        (b'"a\nb",c\n1', b'"a\nb",c\n', b"1"),
        (b'"a\n', b'"a\n\n', b""),
    ],
)
def test_the_header_is_the_first_row(text, header, rest):
    assert room._header_of(text) == (header, rest)


def test_a_line_may_be_no_longer_than_is_said(monkeypatch):
    monkeypatch.setattr(room, "LONGEST_LINE", 5)
    room._check_lines(b"12345\n12345\n12345")
    with pytest.raises(ValueError, match="line 2 is longer than 0 MiB"):
        room._check_lines(b"12345\n123456\n1")
    monkeypatch.setattr(room, "BLOCK_BYTES", 4)
    with pytest.raises(ValueError, match=r"line 1 is longer than 0 MiB; is there a quote that is never closed\?"):
        list(room._pieces(io.BytesIO(b'"234567890123456'), quoted=True))
    monkeypatch.setattr(room, "LONGEST_LINE", 2 << 20)
    with pytest.raises(ValueError, match="line 1 is longer than 2 MiB"):
        room._check_lines(b"x" * ((2 << 20) + 1))


def test_what_deserves_a_word_is_noted(tmp_path):
    notes = []
    rows(write(tmp_path, "f.csv", b"a,b\n1,\xe4\n"), None, notes)
    assert notes == ["it is not in UTF-8: letters beyond ASCII are read as Windows-1252"]
    notes = []
    assert rows(write(tmp_path, "f.csv", "a,a\n1,2\n"), ["a"], notes)[0] == [{"a": 1}]
    assert notes == ["its header has 'a' more than once: the first is read"]
    for name, text in (
        ("f.jsonl", '{"a": 0}\n{"a": 1, "a": 2}\n{"a": 3, "b": {"a": 4}}\n{"a": 5, "a": 5}\n'),
        ("f.json", '[{"a": 0},\n{"a": 1, "a": 2},\n{"a": 3, "b": {"a": 4}}]'),
    ):
        notes = []
        assert [row["a"] for row in rows(write(tmp_path, name, text), ["a"], notes)[0]][:3] == [0, 1, 3]
        assert notes == ["a row has 'a' more than once: the first is read"]
    for text in ('{"a": 3, "b": {"a": 4}}\n', '{"a": 5, "a": 5}\n', '{"a": 1, "b": 2, "b": 3}\n'):
        notes = []
        rows(write(tmp_path, "f.jsonl", text * 2), ["a"], notes)
        assert notes == []
    notes = []
    rows(write(tmp_path, "f.log", "x\n" + LINES + "y\n"), None, notes)
    assert notes == ["lines that are no JSON object are left out: 2"]
    notes = []
    rows(write(tmp_path, "f.json", json.dumps({"data": [A]}) + json.dumps({"data": [B]})), None, notes)
    assert notes == ["it holds 2 results one after the other, all of which are read"]


def test_types_are_those_of_all_rows(tmp_path):
    late = "a,b\n" + "1,\n" * 1500 + "2,x\n"
    got, _ = rows(write(tmp_path, "f.csv", late))
    assert got[-1] == {"a": 2, "b": "x"}
    mixed = "a\n" + "1\n" * 1500 + "2.5\n"
    assert rows(write(tmp_path, "f.csv", mixed))[0][-1] == {"a": 2.5}
    comma = rows(write(tmp_path, "f.csv", "a;b\n1,5;2\n"))[0]
    assert comma == [{"a": 1.5, "b": 2}]


def test_a_key_that_a_later_block_lacks_has_no_values_there(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "BLOCK_BYTES", 20)
    file = write(tmp_path, "f.jsonl", '{"a": 1, "b": 2}\n' * 2 + '{"a": 3}\n' * 4)
    assert [row["b"] for row in rows(file, ["a", "b"])[0]] == [2, 2, None, None, None, None]
    with pytest.raises(DataError, match="column 'c' is missing"):
        rows(file, ["c"])


# ---- what prompts share, by hashes ----------------------------------------------------------------------


def hashed(lists, prompts, block=4, dtype=None):
    made = HashIds("h", room.Path("t"), block)
    made.add(pl.DataFrame({"h": pl.Series(lists, dtype=dtype)}), np.array(prompts, np.int32), 0)
    return made.runs(np.array(prompts, np.int32))


def test_ids_are_joined_into_runs():
    # 1 2 are always together; 3 and 4 follow them in one row each
    runs = hashed([[1, 2, 3], [1, 2, 4], [1, 2], []], [12, 11, 8, 5])
    assert runs.start.tolist() == [0, 2, 4, 5, 5]
    assert runs.node.tolist() == [0, 1, 0, 2, 0]
    assert runs.end_tokens.tolist() == [8, 12, 8, 11, 8]
    assert runs.count == 3
    assert HashIds(None, room.Path("t"), 4).runs(None) is None
    text = hashed(["[1, 2]", "1 2;3"], [8, 12])
    assert text.node.tolist() == [0, 0, 1]


def test_ids_may_be_missing_or_of_64_bits():
    nothing = hashed([None, None], [4, 5])
    assert (nothing.start.tolist(), nothing.node.tolist(), nothing.count) == ([0, 0, 0], [], 0)
    unsigned = hashed([[2**63 + 1, 2], None, [2**63 + 1]], [8, 5, 4], dtype=pl.List(pl.UInt64))
    assert unsigned.start.tolist() == [0, 2, 2, 3]
    assert (unsigned.node.tolist(), unsigned.end_tokens.tolist()) == ([0, 1, 0], [4, 8, 4])


def test_paths_of_requests_end_with_their_own_text():
    runs = Runs(np.array([0, 2, 3]), np.array([0, 1, 0]), np.array([8, 12, 8], np.int32), 2)
    paths = runs.paths(np.array([1, 0, 1]), np.array([0, 0, 1]), 50, np.array([9, 12, 8], np.int32))
    assert paths.start.tolist() == [0, 2, 4, 5]
    assert paths.nodes["id"].tolist() == [0, PRIVATE + 50, 0, 1, 2]  # the second repetition is other text
    assert paths.nodes["end_tokens"].tolist() == [8, 9, 8, 12, 8]
    assert paths.nodes.dtype == NODE
    taken = runs.taken(np.array([1, 0]))
    assert (taken.start.tolist(), taken.node.tolist()) == ([0, 1, 3], [0, 0, 1])
    assert taken.end_tokens.tolist() == [8, 8, 12]


@pytest.mark.parametrize(
    ("lists", "prompts", "message"),
    [
        (
            [[1, 2], [1, 2, 3]],
            [8, 8],
            r"column 'h' has 3 ids in row 2, whose prompt has 8 tokens; expected at most 2",
        ),
        ([[1, 2], [3, 2]], [8, 8], r"id 2 follows 3 in row 2, but follows 1 in row 1; expected one and the same"),
        ([[1, 2], [2]], [8, 8], r"id 2 is the first of its prompt in row 2, but follows 1 in row 1"),
        ([[1], [1, 2]], [3, 8], r"id 1 stands for 3 tokens in row 1, where the prompt ends, but goes on elsewhere"),
        ([[1, None]], [8], r"column 'h' has '\[1, None\]' in row 1; expected a list of whole numbers"),
        ([[1.0], [1.5]], [8, 8], r"column 'h' has '\[1.5\]' in row 2; expected a list of whole numbers"),
        ([["1"], ["1", "x"]], [8, 8], r"column 'h' has \"\['1', 'x'\]\" in row 2; expected a list of whole numbers"),
        (["1 x"], [8], r"column 'h' has '1 x' in row 1; expected a list of whole numbers"),
        ([[True]], [8], r"column 'h' is of type List\(Boolean\); expected a list of whole numbers in each row"),
    ],
)
def test_ids_that_contradict_each_other_are_told(lists, prompts, message):
    with pytest.raises(DataError, match=message):
        hashed(lists, prompts)


@pytest.mark.parametrize("lists", [["1", "1 x"], [["1"], ["x"]], [[1.0], [1.5]], [[1], [None]]])
def test_rows_of_bad_ids_are_counted_from_the_beginning_of_the_file(lists):
    made = HashIds("h", room.Path("t"), 4)
    with pytest.raises(DataError, match="in row 12;"):
        made.add(pl.DataFrame({"h": pl.Series(lists)}), np.array([8, 8], np.int32), 10)


def test_ids_of_64_bits_may_be_text():
    text = hashed([f"{2**63 + 1} 2", f"{2**63 + 1} 3"], [8, 8])
    assert text.node.tolist() == hashed([[1, 2], [1, 3]], [8, 8]).node.tolist()
    with pytest.raises(DataError, match="in row 1; expected a list of whole numbers"):
        hashed([f"{2**64}"], [4])


@pytest.mark.parametrize("lists", [[["1", "2"], ["1", "3"]], [[1.0, 2.0], [1.0, 3.0]]])
def test_ids_may_be_written_as_text_or_with_a_point(lists):
    assert hashed(lists, [8, 8]).node.tolist() == hashed([[1, 2], [1, 3]], [8, 8]).node.tolist()


def test_benchmarks_that_are_no_list_are_a_column(tmp_path):
    (tmp_path / "f.json").write_text('{"benchmarks": 5}')
    notes = []
    ((_, frame),) = blocks(tmp_path / "f.json", None, notes)
    assert (frame.rows(), notes) == ([(5,)], [])


@pytest.mark.parametrize(("noise", "kind"), [(49, "jsonl"), (50, "csv")])
def test_a_log_of_no_kind_has_its_first_object_within_fifty_lines(noise, kind):
    assert kind_within("any", io.BytesIO(b"a line of noise\n" * noise + b'{"a": 1}\n{"a": 2}\n')) == kind


def test_json_whose_columns_were_looked_at_is_parsed_once(monkeypatch, tmp_path):
    parsed, parse = [], room._parsed
    monkeypatch.setattr(room, "_parsed", lambda text: parsed.append(text) or parse(text))
    file = write(tmp_path, "f.json", '[{"a": 1, "a": 2}, {"a": 3, "b": 1}]')
    other = write(tmp_path, "g.json", '[{"a": 5, "a": 2}, {"a": 3, "b": 1}]')
    notes = []
    schema_of(file)
    assert rows(file, ["a"], notes)[0] == [{"a": 1}, {"a": 3}]
    assert (len(parsed), notes) == (1, ["a row has 'a' more than once: the first is read"])
    schema_of(file)
    assert whole(other)["a"].to_list() == [5, 3]
    assert whole(file)["a"].to_list() == [1, 3]
    assert len(parsed) == 4
    assert not room._kept, "what was read is not kept in memory"
    schema_of(file, again=False)
    assert not room._kept, "nor what nobody will read"


@pytest.mark.parametrize(("name", "text"), [("f.csv", TABLE), ("f.jsonl", LINES), ("f.json", LINES)])
def test_zeros_at_the_end_of_a_file_are_no_row(tmp_path, name, text):
    """As a file system leaves them where a machine went down while a log was written."""
    file = write(tmp_path, name, text.encode() + bytes(40))
    assert rows(file)[0] == [A, B]
    assert whole(file).to_dicts() == [A, B]
    assert [*schema_of(file)] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("a,b\n1,2\n", "csv"),
        ("a;b\n1;2\n", "csv"),
        ("a,b\n", "jsonl"),  # a line alone
        ("a,b\nnothing\n", "jsonl"),
        ("a line\n1,2\n", "jsonl"),
        ('{"a": 1, "b": 2}\n1,2\n', "jsonl"),
        ("[1, 2]\n[3, 4]\n", "jsonl"),
        ('started, pid 7\n{"a": 1, "b": 2}\n', "jsonl"),
        ('started, pid 7\n  {"a": 1, "b": 2}\n', "jsonl"),
        ('started, pid 7\nready, pid 7\n{"a": 1, "b": 2}\n', "jsonl"),
        ('started, pid 7\nINFO, {"a": 1}\n', "jsonl"),
        ('started, pid 7\n{ "a": 1, "b": 2 }\n', "jsonl"),
    ],
)
def test_a_table_under_the_name_of_lines_of_json_begins_with_a_header(text, kind):
    assert kind_within("jsonl", io.BytesIO(text.encode())) == kind
