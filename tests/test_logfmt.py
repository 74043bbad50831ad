"""Lines of keys and values."""

import json

import pytest

from messsim.errors import DataError
from messsim.workload import blocks as room
from messsim.workload.blocks import blocks, schema_of, whole
from messsim.workload.logfmt import as_json, is_logfmt

LINE = 'time=2024-05-06T10:00:00Z level=INFO msg="it is \\"done\\"" model=llama-3.1 tokens=12 took=1.5s err= id=007'
OBJECT = {
    "time": "2024-05-06T10:00:00Z", "level": "INFO", "msg": 'it is "done"', "model": "llama-3.1", "tokens": 12,
    "took": "1.5s", "err": None, "id": "007",
}  # fmt: skip


def test_a_line_is_an_object():
    text, others = as_json(f"started\n{LINE}\n\nGET /v1 200\n".encode())
    assert (json.loads(text), others) == (OBJECT, 2)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("-1.5e3", -1500.0), ("0", 0), ("1.2.3", "1.2.3"), ("+1", "+1"), ("true", "true"), ('"12"', "12"), ('""', ""),
        ('"a\\tb"', "a\tb"), ('"a\\x41"', "a\\x41"), ('"größer = 1"', "größer = 1"), ("a,b", "a,b"),
        ("12,", 12), ("x;", "x"),
    ],
)  # fmt: skip
def test_values(value, expected):
    assert json.loads(as_json(f"a=1 b={value} c=2".encode())[0]) == {"a": 1, "b": expected, "c": 2}


def test_the_first_of_a_key_that_is_there_twice_counts():
    assert json.loads(as_json(b"a=1 b=2 a=3")[0]) == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LINE, True),
        (f"started\n{LINE}\n{LINE}\n", True),
        (f"started\n{LINE}\n", False),
        ("a=1\na=2\n", False),  # one pair alone
        ("a=1,b=2\na=3,b=4\n", False),
        ("INFO a=1 b=2\n", False),
        ("labels,arrival_s,x\n" + "k=a tier=b,12,3\n" * 9, False),
        ("arrival_s,x,labels\n" + "k=a tier=b,12,3\n" * 9, False),
        ("k=a tier=b,12,3\n" * 9, True),
        ("ts=1 gpus=0,1\n" * 9, True),
        ("ts=1 path=/v1?a:1,2 ct=application/json;utf-8\n" * 9, True),
        ("labels,x\n" + "k=a tier=b,\n" * 9, False),
        ("labels\tx\n" + "k=a tier=b\tx=1\n" * 9, False),
        ("started, port 80\n" + "k=a tier=b\n" * 9, True),
        ("a=1, b=2; c=3\n", True),
        ("Received request: params: SamplingParams(n=1, temperature=0.7)\n", False),
        ("a b c\n1 2 3\n", False),
        ("", False),
    ],
)
def test_what_is_such_a_text(text, expected):
    assert is_logfmt(text.encode()) is expected


@pytest.mark.parametrize("block_bytes", [64, 1 << 20])
@pytest.mark.parametrize("name", ["f.log", "f.txt"])
def test_a_log_is_a_table(monkeypatch, tmp_path, name, block_bytes):
    monkeypatch.setattr(room, "BLOCK_BYTES", block_bytes)
    text = "started\n" + "".join(f'ts={n} msg="a b" tokens={n + 10} who=x\n' for n in range(9)) + "ended\n"
    (file := tmp_path / name).write_text(text)
    assert [*schema_of(file)] == ["ts", "msg", "tokens", "who"]
    notes = []
    parts = [frame for _, frame in blocks(file, ["tokens", "ts"], notes)]
    assert [row for frame in parts for row in frame.rows()] == [(n + 10, n) for n in range(9)]
    assert notes == ["lines that are no keys with values are left out: 2"]
    notes = []
    assert whole(file, notes)["tokens"].to_list() == [*range(10, 19)]
    assert notes == ["lines that are no keys with values are left out: 2"]
    with pytest.raises(DataError, match="column 'token' is missing; did you mean 'tokens'"):
        list(blocks(file, ["token"]))


def test_kinds_of_a_value_may_differ_by_row(tmp_path):
    (file := tmp_path / "f.log").write_text("ts=1 tokens=12\nts=2 tokens=-\nts=3 tokens=1.5\n")
    assert whole(file)["tokens"].to_list() == ["12", "-", "1.5"]
