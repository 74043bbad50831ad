"""Values in single quotes."""

import pytest

from messsim.errors import DataError
from messsim.workload import blocks as room
from messsim.workload.blocks import blocks, schema_of, whole

SINGLE = (
    ("'a','b'\n'x,y','it''s'\n'1','2'\n", [("x,y", "it's"), ("1", "2")]),
    ("'a';'b'\r\n'x;y';'2'\r\n", [("x;y", "2")]),
    ("'a'\t'b'\n'say \"hi\"'\t''\n", [('say "hi"', "")]),
    ("'a','b'\n'x',1\ny,2\n", [("x", "1"), ("y", "2")]),
    ("'a','b'\n'x',1\nO'Brien,2\n'z',3\n", [("x", "1"), ("O'Brien", "2"), ("z", "3")]),
    ("'a','b'\n" + "'x',1\n" * 12 + "O'Brien,users'\n", [("x", "1")] * 12 + [("O'Brien", "users'")]),
)
OTHERS = (
    ("a,b\nit's,1\nwon't,2\n", [("it's", "1"), ("won't", "2")]),
    ("a,b\n'x',1\nit's,2\n", [("'x'", "1"), ("it's", "2")]),
    (
        "a,b\n" + "'x',1\n" * 12 + "'tis,1\nO'Brien,2\n'",
        [("'x'", "1")] * 12 + [("'tis", "1"), ("O'Brien", "2"), ("'", "")],
    ),
    ("a,b\n'x',1\n'z',2\n", [("'x'", "1"), ("'z'", "2")]),
    ("a\n'x'\n", [("'x'",)]),
)


@pytest.mark.parametrize("block_bytes", [24, 1 << 20])
@pytest.mark.parametrize(("text", "expected"), [*SINGLE, *OTHERS])
def test_values_in_single_quotes(monkeypatch, tmp_path, text, expected, block_bytes):
    monkeypatch.setattr(room, "BLOCK_BYTES", block_bytes)
    (file := tmp_path / "f.csv").write_text(text)
    read = [tuple("" if v is None else str(v) for v in row) for _, frame in blocks(file, None) for row in frame.rows()]
    assert read == expected
    assert [tuple("" if v is None else str(v) for v in row) for row in whole(file).rows()] == expected
    assert [*schema_of(file)] == ["a", "b"][: len(expected[0])]


@pytest.mark.parametrize("value", ["'tis,1", "'x'y,1", "'two\nlines',1", '"x",1', "1,'"])
def test_a_quote_that_does_not_end_its_value_is_refused(tmp_path, value):
    (file := tmp_path / "f.csv").write_text("'a','b'\n" + "'x','1'\n" * 12 + value + "\n'y','2'\n")
    for read in (whole, lambda path: list(blocks(path, None))):
        with pytest.raises(
            DataError, match=r"a value opens a quote that does not end it, at .*; expected values in single"
        ):
            read(file)


@pytest.mark.parametrize("rows", ["1,x\n" * 12 + "2,'tis the season\n", "'x','1' \n"])
def test_a_header_in_single_quotes_alone_does_not_say_that_values_are(tmp_path, rows):
    (file := tmp_path / "f.csv").write_text(f"'a','b'\n{rows}")
    assert [*schema_of(file)] == ["'a'", "'b'"]
    assert whole(file).height == rows.count("\n")
