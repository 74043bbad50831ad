"""Files in the shapes that people hold: units, dates, separators, JSON, other tools' and evaluations' files."""

import bz2
import codecs
import datetime as dt
import io
import json
import re

import polars as pl
import pytest
from builders import scenario
from test_logs import here, read

from messsim.errors import DataError, ScenarioError
from messsim.logs.outcomes import read_outcomes
from messsim.logs.presets import recognised
from messsim.logs.scores import OutcomeOptions
from messsim.logs.traces import TraceColumns, plan_reading, read_requests
from messsim.scenario import parse
from messsim.scenario.problems import MEANT_KEYS
from messsim.workload import Workload, blocks
from messsim.workload.blocks import _header_of
from messsim.workload.blocks import whole as read_whole
from messsim.workload.choosing import Chooser, conditions
from messsim.workload.dialect import Dialect
from messsim.workload.kinds import kind_within
from messsim.workload.meaning import by_meaning, meaning_of
from messsim.workload.nested import column_of
from messsim.workload.readers import as_numbers

TIMES, PROMPT, ANSWER = [0.0, 1.5, 4.0], [10, 20, 30], [1, 2, 3]
NAMES = TraceColumns("t", "p", "o")
NESTED = TraceColumns("m.t", "m.u.p", "m.u.o")
ROWS = [{"m": {"t": t, "u": {"p": p, "o": o}}} for t, p, o in zip(TIMES, PROMPT, ANSWER, strict=True)]


def table(times, separator=",", head="t", quote=""):
    lines = [separator.join((head, "p", "o"))]
    lines += [
        separator.join((f"{quote}{t}{quote}", str(p), str(o))) for t, p, o in zip(times, PROMPT, ANSWER, strict=True)
    ]
    return "\n".join(lines) + "\n"


def requests(folder, name, content, columns=NAMES, kind="auto", chooser=None):
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_requests(file, plan_reading(file, columns, chooser=chooser, kind=kind))


def check(trace, times=TIMES, prompt=PROMPT):
    if times is not None:
        assert trace.frame["arrival_s"].to_list() == pytest.approx(times, abs=1e-6)
    assert trace.frame["prompt_tokens"].to_list() == prompt
    assert trace.frame["output_tokens"].to_list() == ANSWER


# ---- times ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "times"),
    [
        ("elapsed_msec", [0, 1500, 4000]),
        ("time [ms]", [0, 1500, 4000]),
        ("ts_usec", [0, 1_500_000, 4_000_000]),
        ("t_minutes", [0, 0.025, 4 / 60]),
        ("t", ["0s", "1.5s", "4s"]),
        ("t", ["0ms", "1500ms", "4000 ms"]),
        ("t", ["0s", "1500ms", "4s"]),
        ("t", ["0 days 00:00:00", "0 days 00:00:01.500000", "0 days 00:00:04"]),
        ("t", [f'""2025-08-18T00:00:{s}Z""' for s in ("00", "01.5", "04")]),
        ("t", ["1.7E12", "1.7000000015E12", "1.700000004E12"]),
        ("t", [f"2025-08-18 00:00:{s} Europe/Berlin" for s in ("00", "01.5", "04")]),
        (
            "t",
            [
                "2025-08-18 02:00:00 Europe/Berlin",
                "2025-08-17 20:00:01.5 America/New_York",
                "2025-08-18 00:00:04 UTC",
            ],
        ),
        ("t", [f"8/18/25 12:00:{s} AM" for s in ("00", "01.5", "04")]),
        ("t", [f"18.08.25 00:00:{s}" for s in ("00", "01.5", "04")]),
        ("t", [f"2025. 08. 18. 00:00:{s}" for s in ("00", "01.5", "04")]),
        ("t", [f"18. Aug. 2025 00:00:{s}" for s in ("00", "01.5", "04")]),
        ("t", [f"Mon Aug 18 2025 00:00:{s} GMT+0000 (Coordinated Universal Time)" for s in ("00", "01.5", "04")]),
    ],
)
def test_times_in_odd_units_and_forms(tmp_path, head, times):
    check(requests(tmp_path, "f.csv", table(times, head=head), TraceColumns(head, "p", "o")))


def test_a_date_of_fourteen_digits(tmp_path):
    check(requests(tmp_path, "f.csv", table([20250818000000, 20250818000001, 20250818000004])), [0, 1, 4])


def test_the_clock_of_a_named_place_goes_forward(tmp_path):
    times = [
        "2025-03-09 01:59:59 America/New_York",
        *(f"2025-03-09 03:00:{s} America/New_York" for s in ("00.5", "03")),
    ]
    check(requests(tmp_path, "f.csv", table(times)))
    with pytest.raises(DataError, match="in row 2"):
        requests(tmp_path, "g.csv", table([times[0], times[1].replace("03:00", "02:30"), times[2]]))


def test_durations_of_parquet(tmp_path):
    frame = pl.DataFrame({"t": [dt.timedelta(seconds=s) for s in TIMES], "p": PROMPT, "o": ANSWER})
    frame.write_parquet(tmp_path / "f.parquet")
    check(read_requests(tmp_path / "f.parquet", plan_reading(tmp_path / "f.parquet", NAMES)))


def test_what_is_likely_wrong_with_times_is_told(tmp_path):
    days = [45_000.0 + s / 86_400 for s in TIMES]
    (note,) = requests(tmp_path, "f.csv", table(days)).notes
    assert "days of a spreadsheet or Julian dates: --time-format d" in note
    note, _ = requests(tmp_path, "g.csv", table([0, 1, 2], head="t_hours"), TraceColumns("t_hours", "p", "o")).notes
    assert "read as hours, by its name" in note
    with pytest.raises(DataError, match="expected a date with its year too"):
        requests(tmp_path, "h.csv", table(["Aug 18 00:00:00", "Aug 18 00:00:01", "Aug 18 00:00:04"]))


# ---- text -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("f.csv", table(["0,0", "1,5", "4,0"], quote='"')),
        ("f.txt", "t  p   o\n0 10 1\n1.5   20 2\n4 30  3\n"),
        ("f.csv", codecs.BOM_UTF16_LE + table(TIMES).encode("utf-16-le")),
        ("f.csv", "t,p,o,name\n0,10,1,Müller\n1.5,20,2,a\n4,30,3,b\n".encode("latin-1")),
        ("f.csv", "\n\n" + table(TIMES).replace("\n", "\n\n")),
        ("f.csv", "sep=;\n" + table(TIMES, ";")),
        ("f.csv", table(TIMES) + ",,\n ,,\r\n\n"),
        ("f.csv", table(TIMES).replace("\n", "\r")),
        (
            "f.jsonl",
            "".join(
                json.dumps(dict(zip("tpo", r, strict=True))) + ",\n" for r in zip(TIMES, PROMPT, ANSWER, strict=True)
            ),
        ),
        ("f.csv", "Usage report,,\n,,\n" + table(TIMES)),
        ("f.csv", "Usage report\n\n" + table(TIMES)),
        ("f.csv", "t,p,o,text\n0,10,1,a;b;c\n1.5,20,2,d;e;f\n4,30,3,g\n"),
        ("f.jsonl", '{"t":0,"p":10,"o":1,"x":NaN}\n{"t":1.5,"p":20,"o":2,"x":1}\n{"t":4,"p":30,"o":3,"x":-Infinity}\n'),
    ],
)
def test_text_as_spreadsheets_and_logs_write_it(tmp_path, name, text):
    check(requests(tmp_path, name, text))


@pytest.mark.parametrize("point", ["'", " ", "\u202f", ","])
def test_thousands_may_be_parted(tmp_path, point):
    rows = "".join(f'{t},"1{point}0{p}",{o}\n' for t, p, o in zip(TIMES, PROMPT, ANSWER, strict=True))
    check(requests(tmp_path, "f.csv", "t,p,o\n" + rows), prompt=[1010, 1020, 1030])


def test_a_point_parts_thousands_of_tokens_where_a_comma_is_decimal(tmp_path):
    check(requests(tmp_path, "f.csv", "t;p;o\n0,0;1.010;1\n1,5;1.020;2\n4,0;1.030;3\n"), prompt=[1010, 1020, 1030])


def test_labels_are_as_they_are_written_though_they_look_like_numbers(tmp_path, monkeypatch):
    """Customers 0012 and 012, versions 1.1 and 1.10, hashes 1e3 and 1000 are not one, nor by another name."""
    labels = ["0012", "012", "1.10", "1.1", "1e3", "1000.0", ""]
    text = "t,p,o,who\n" + "".join(f"{i},10,1,{label}\n" for i, label in enumerate(labels))
    named = [*labels[:-1], "(none)"]
    for size in (blocks.BLOCK_BYTES, 16):
        monkeypatch.setattr(blocks, "BLOCK_BYTES", size)
        trace = requests(tmp_path, "f.csv", text, TraceColumns("t", "p", "o", "who"))
        assert trace.frame["tenant"].to_list() == named
        once = requests(tmp_path, "f.csv", text + "9,10,1,\n9,10,1,1e3\n", chooser=Chooser(unique="who"))
        assert once.frame.height == len(labels) + 1, "those without one all count"
        assert "rows whose who came before are left out: 1" in once.notes
    tenants = [{"name": name, "share": 1.0} for name in labels[:-1]]
    (tmp_path / "t.csv").write_text("arrival_s,who\n" + "".join(f"{i},{name}\n" for i, name in enumerate(labels[:-1])))
    law = {"kind": "trace", "file": str(tmp_path / "t.csv"), "columns": {"tenant": "who"}, "repeat": False}
    (chunk,) = Workload(parse(scenario(requests=None, arrivals=law, tenants=tenants))).chunks(10)
    assert chunk.tenant.tolist() == list(range(6))


def test_letters_of_another_encoding_are_kept_with_a_note(tmp_path):
    text = "t,p,o,name\n0,10,1,Müller\n1.5,20,2,a\n4,30,3,b\n".encode("latin-1")
    trace = requests(tmp_path, "f.csv", text, TraceColumns("t", "p", "o", "name"))
    assert trace.frame["tenant"][0] == "Müller"
    assert any("not in UTF-8" in note for note in trace.notes)


def test_amounts_of_money_are_numbers():
    assert as_numbers(pl.Series(["$1,234.50", "$ 2", " $3.5"])).to_list() == [1234.5, 2.0, 3.5]
    assert as_numbers(pl.Series(["1$x"])).null_count() == 1


def test_counts_that_are_not_whole_are_told(tmp_path):
    """As where a point that parts thousands is read as a decimal one."""
    trace = requests(tmp_path, "f.csv", "t,p,o\n0,1.25,1\n1,20.0,2\n2,12.000,3\n")
    assert "column 'p' has counts that are not whole, such as 1.25: read as 1" in trace.notes
    assert trace.frame["prompt_tokens"].to_list() == [1, 20, 12]
    for whole in ("t,p,o\n0,1.0,1\n", "t;p;o\n0;1.010;1\n", 't,p,o\n0,"1,234",1\n'):
        assert requests(tmp_path, "f.csv", whole).notes == ()


def test_counts_that_are_not_whole_are_told_of_later_blocks_too(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 16)
    text = "arrival_s,prompt_tokens,output_tokens\n" + "".join(f"{i},{20 + i}.0,2\n" for i in range(9)) + "9,1.25,3\n"
    note = "column 'prompt_tokens' has counts that are not whole, such as 1.25: read as 1"
    assert requests(tmp_path, "f.csv", text, TraceColumns()).notes == (note,)
    assert read(tmp_path / "f.csv").notes == (note,)


BARS = " t |  p |   o \n---+----+-----\n0   | 10 |   1\n1.5 | 20 |   2\n4   | 30 |   3\n"


@pytest.mark.parametrize(
    "text",
    [
        BARS + "(3 rows)\n\n",
        "+---+---+\n|"
        + BARS.replace("---+----+-----\n", "x").replace("\n", "|\n|").replace("x", "+---+\n|")[:-1]
        + "+---+\n3 rows in set (0.00 sec)\n",
        "| t | p | o |\n|:--|--:|--:|\n| 0 | 10 | 1 |\n| 1.5 | 20 | 2 |\n| 4 | 30 | 3 |\n",
        table(TIMES, "|") + "(3 rows)\n",
    ],
)
def test_tables_as_terminals_and_markdown_draw_them(tmp_path, text):
    check(requests(tmp_path, "f.txt", text))


@pytest.mark.parametrize(
    "text",
    [
        "user|t|p|o|x\n|0|10|1|\na--b|1.5|20|2|\n|4|30|3|\n",
        "|t|p|o\n0|0|10|1\n--|1.5|20|2\n2|4|30|3\n",  # the index of pandas
        "t|p|o|x\n0|10|1|\n1.5|20|2|--\n4|30|3|\n",
        "|t|p|o|x|\n|0|10|1||\n|1.5|20|2|--|\n|4|30|3||\n",
        "|x| t | p | o |y|\n|--|--|--|--|--|\n|  | 0 | 10 | 1 |  |\n| -- | 1.5 | 20 | 2 | -- |\n|  | 4 | 30 | 3 |  |\n",
        "|   | t | p | o |\n| ---: | --- | --- | --- |\n| 0 | 0 | 10 | 1 |\n| 1 | 1.5 | 20 | 2 |\n| 2 | 4 | 30 | 3 |\n",
        "+--+--+--+\n|t|p|o|\n+==+==+==+\n|0|10|1|\n+--+--+--+\n|1.5|20|2|\n+--+--+--+\n|4|30|3|\n+--+--+--+\n",
    ],
)
def test_bars_and_dashes_among_values_are_kept(tmp_path, monkeypatch, text):
    check(requests(tmp_path, "f.csv", text))
    frame = read_whole(tmp_path / "f.csv")
    assert frame["t"].cast(pl.String).str.strip_chars().cast(float).to_list() == TIMES
    monkeypatch.setattr("messsim.workload.blocks.BLOCK_BYTES", len(text) // 2 + 8)
    check(requests(tmp_path, "f.csv", text))


def test_a_row_of_dashes_is_a_row(tmp_path):
    text = "x|y\n1|a\n--|--\n2|b\n"
    for rule, edge in (("", ""), ("---+---\n", ""), ("---|---\n", "|")):
        rows = [f"{edge}{line}{edge}\n" for line in text.splitlines()]
        (tmp_path / "f.csv").write_text(rows[0] + rule + "".join(rows[1:]))
        assert read_whole(tmp_path / "f.csv").rows() == [("1", "a"), ("--", "--"), ("2", "b")]


def test_a_table_padded_by_many_spaces_is_read(tmp_path):
    """Its edges were sought in a time that grew with the square of the spaces."""
    wide = [" " * 30_000 + value for value in ("x", "a")]
    rows = "".join(f"| {t} | {p} | {o} | {wide[1]} |\n" for t, p, o in zip(TIMES, PROMPT, ANSWER, strict=True))
    check(requests(tmp_path, "f.md.txt", f"| t | p | o | {wide[0]} |\n|---|---|---|{'-' * 30_000}|\n{rows}"))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16", "utf-32"])
def test_letters_of_two_bytes_and_four(tmp_path, encoding):
    check(requests(tmp_path, "f.csv", table(TIMES).encode(encoding)))


@pytest.mark.parametrize(
    ("name", "start", "message"),
    [
        ("f.xlsx", b"PK\x03\x04", "a workbook of Excel; expected the table in it"),
        ("f.csv", b"SQLite format 3\0", "sqlite3 -csv -header"),
        ("f.csv.xz", b"\xfd7zXZ\0", "packed by xz"),
        ("f.csv.bz2", bz2.compress(b"t,p,o\n"), "packed by bzip2"),
        ("f.parquet", b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        ("f.csv", b"\n<!DOCTYPE html>", "a web page"),
    ],
)
def test_a_file_that_is_none_is_told_by_what_it_is(tmp_path, name, start, message):
    with pytest.raises(DataError, match=message):
        requests(tmp_path, name, start + bytes(100))


def test_the_kind_within_goes_before_the_name(tmp_path):
    rows = [{"t": t, "p": p, "o": o} for t, p, o in zip(TIMES, PROMPT, ANSWER, strict=True)]
    pl.DataFrame(rows).write_parquet(tmp_path / "p")
    for content in (json.dumps(rows), lines(rows), (tmp_path / "p").read_bytes()):
        check(requests(tmp_path, "f.csv", content))


@pytest.mark.parametrize("packed_by", ["gzip", "zstandard"])
def test_json_named_as_csv_may_be_packed(tmp_path, packed_by):
    pack = pytest.importorskip(packed_by).compress
    rows = [{"t": t, "p": p, "o": o} for t, p, o in zip(TIMES, PROMPT, ANSWER, strict=True)]
    check(requests(tmp_path, "f.csv.zst", pack(lines(rows).encode())))


def test_a_kind_is_told_without_going_back():
    """Which what Zstandard unpacks cannot."""
    file = io.BytesIO(b'{"t": 1}\n{"t": 2}\n')
    file.seek = None
    assert kind_within("csv", file) == "jsonl"


@pytest.mark.parametrize("name", ["BZhours", "PAR1", "BZh9"])
def test_names_of_columns_are_no_first_bytes(tmp_path, name):
    text = table(TIMES, head=name)
    check(requests(tmp_path, "f.csv", text, TraceColumns(name, "p", "o")), times=None)


# ---- JSON -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("f.json", json.dumps({"response": {"data": {"items": ROWS}}})),
        ("f.json", json.dumps({"count": 3, "entries": ROWS})),
        ("f.json", json.dumps({f"req-{i}": row for i, row in enumerate(ROWS)})),
        ("f.json", "// export of 2025\n" + json.dumps(ROWS)),
        ("f.jsonl", "".join("\x1e" + json.dumps(row) + "\n" for row in ROWS)),
        ("f.jsonl", "".join(f"2025-08-18T00:00:00Z INFO access {json.dumps(row)}\n" for row in ROWS)),
        ("f.log", "".join(f"2025-08-18T00:00:00Z INFO access {json.dumps(row)}\n" for row in ROWS)),
        (
            "f.log",
            "[2025-08-18 00:00:00][info] starting\n" + "".join(json.dumps(row) + "\n" for row in ROWS) + "[x] end\n",
        ),
        ("f.jsonl", "".join(f"2025-08-18 INFO\nTraceback\n  at line 3\n{json.dumps(row)}\n" for row in ROWS)),
    ],
)
def test_rows_within_json(tmp_path, name, text):
    check(requests(tmp_path, name, text, NESTED))


@pytest.mark.parametrize(
    "value",
    [
        {"t": TIMES, "p": PROMPT, "o": ANSWER},
        {k: {str(i): v for i, v in enumerate(c)} for k, c in (("t", TIMES), ("p", PROMPT), ("o", ANSWER))},
        {"columns": ["t", "p", "o"], "index": [0, 1, 2], "data": [[0.0, 10, 1], [1.5, 20, 2], [4.0, 30, 3]]},
        [
            {
                "TableName": "PrimaryResult",
                "Columns": [{"ColumnName": n} for n in "tpo"],
                "Rows": [[0.0, 10, 1], [1.5, 20, 2], [4.0, 30, 3]],
            }
        ],
        {
            "tables": [
                {
                    "name": "PrimaryResult",
                    "columns": [{"name": n, "type": "real"} for n in "tpo"],
                    "rows": [[0.0, 10, 1], [1.5, 20, 2], [4.0, 30, 3]],
                }
            ]
        },
    ],
)
def test_columns_within_json(tmp_path, value):
    check(requests(tmp_path, "f.json", json.dumps(value)))


@pytest.mark.parametrize(
    "around",
    [
        lambda line, t: {"log": line + "\n", "stream": "stdout", "time": t},
        lambda line, t: {"log": f"INFO {line}", "stream": "stderr", "time": t},
        lambda line, t: {"labels": {"app": "x"}, "line": line, "timestamp": t},
        lambda line, t: {"message": line, "ingestionTime": 5, "eventId": "e"},
    ],
)
def test_lines_of_a_program_within_those_of_its_container(tmp_path, around):
    held = [json.dumps({"t": t, "p": p, "o": o}) for t, p, o in zip(TIMES, PROMPT, ANSWER, strict=True)]
    trace = requests(tmp_path, "f.jsonl", lines(around(line, "2025-08-18T00:00:00Z") for line in ["starting", *held]))
    check(trace)
    assert "lines of the log without a JSON object are left out: 1" in trace.notes


@pytest.mark.parametrize(
    "beside",
    [
        {"stream": True, "log": "tool call {}"},
        {"stream": "stdout", "log": '{"t": 999, "p": 1}'},
        {"labels": "x", "line": '{"t": 999, "p": 1}'},
        {"ingestionTime": 5, "message": '{"t": 999, "p": 1}'},
    ],
)
def test_rows_that_hold_json_beside_their_own_columns_are_no_log_of_a_container(tmp_path, beside):
    rows = [{"t": t, "p": p, "o": o} | beside for t, p, o in zip(TIMES, PROMPT, ANSWER, strict=True)]
    check(requests(tmp_path, "f.jsonl", lines(rows)))


@pytest.mark.parametrize("held", [["hello", "tool call {}", '{"p": 1}'], ["a", "b", "{}"]])
def test_a_log_of_which_few_lines_hold_json_is_read_as_it_stands(tmp_path, held):
    rows = [{"time": i, "stream": "stdout", "log": line} for i, line in enumerate(held)]
    (tmp_path / "f.jsonl").write_text(lines(rows))
    assert read_whole(tmp_path / "f.jsonl")["log"].to_list() == held


def test_what_a_log_is_is_told_once(tmp_path, monkeypatch):
    held = [json.dumps({"t": t, "p": p, "o": o}) for t, p, o in zip(TIMES, PROMPT, ANSWER, strict=True)]
    rows = [{"log": line, "stream": "stdout"} for line in [*held, *["noise " * 40] * 2]]
    monkeypatch.setattr("messsim.workload.blocks.BLOCK_BYTES", 200)
    trace = requests(tmp_path, "f.jsonl", lines(rows))
    check(trace)
    assert "lines of the log without a JSON object are left out: 2" in trace.notes


@pytest.mark.parametrize("name", ["f.jsonl", "f.json", "wrapped.jsonl"])
def test_numbers_beyond_floats_are_no_values(tmp_path, name):
    rows = [
        json.dumps(dict(zip("tpo", r, strict=True)))[:-1] + ', "x": 1e999}\n'
        for r in zip(TIMES, PROMPT, ANSWER, strict=True)
    ]
    text = "[" + ",".join(rows) + "]" if name == "f.json" else "".join(rows)
    check(requests(tmp_path, name, lines({"log": r, "stream": "stdout"} for r in rows) if name[0] == "w" else text))


def test_values_with_their_types(tmp_path):
    mongo = [{"t": {"$date": {"$numberLong": str(int(1000 * (START + t)))}}, "p": {"$numberInt": str(p)}, "o": o}
             for t, p, o in zip(TIMES, PROMPT, ANSWER, strict=True)]  # fmt: skip
    check(requests(tmp_path, "f.jsonl", lines(mongo)))
    for row, kind in zip(mongo, ("$numberLong", "$numberInt", "$numberDouble"), strict=True):
        row["o"] = {kind: float(row["o"]) if kind == "$numberDouble" else str(row["o"])}
    check(requests(tmp_path, "g.jsonl", lines(mongo)))
    dynamo = [{"t": {"N": str(t)}, "p": {"N": str(p)}, "o": {"N": str(o)}}
              for t, p, o in zip(TIMES, PROMPT, ANSWER, strict=True)]  # fmt: skip
    check(requests(tmp_path, "f.json", json.dumps({"Items": dynamo, "Count": 3})))


# ---- other tools ----------------------------------------------------------------------------------------

START = 1_759_813_207.5


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def inference_perf(i, error=None):
    answer = None if error else {"output_tokens": i + 1, "server_usage": None}
    info = {"request_metrics": {"text": {"input_tokens": 10 * (i + 1)}}, "response_metrics": answer}
    return {"start_time": 12345.5 + i, "end_time": 12350.0 + i, "request": "{}", "info": info, "error": error}


def genai_perf(i):
    usage = {"prompt_tokens": 10 * (i + 1), "completion_tokens": i + 1}
    answer = {"response": json.dumps({"id": "x", "usage": usage})}
    return {"timestamp": 1741134590669919999 + i * 10**9, "response_timestamps": [1], "response_outputs": [answer]}


def span(i, operation="chat", tokens=True):
    figures = {"gen_ai.usage.input_tokens": 10 * (i + 1), "gen_ai.usage.output_tokens": i + 1} if tokens else {}
    attributes = [{"key": k, "value": {"intValue": str(v)}} for k, v in figures.items()]
    attributes += [{"key": "gen_ai.operation.name", "value": {"stringValue": operation}}]
    return {
        "spanId": f"{i}{operation}",
        "startTimeUnixNano": str(10**9 * (1_759_813_207 + i)),
        "attributes": attributes,
    }


def spans(*some):
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": list(some)}]}]}


def vllm_bench(*rows):
    columns = {"start_times": [5.0 + i for i in rows], "input_lens": [10 * (i + 1) for i in rows]}
    columns |= {"output_lens": [i + 1 for i in rows], "errors": [""] * len(rows)}
    return {"backend": "vllm", "total_input_tokens": 10, "request_throughput": 1.0, **columns}


def jaeger(i):
    tags = [
        {"key": "gen_ai.usage.input_tokens", "value": 10 * (i + 1)},
        {"key": "gen_ai.usage.output_tokens", "value": i + 1},
    ]
    return {"spans": [{"spanID": str(i), "startTime": 10**6 * (1_759_813_207 + i), "tags": tags}], "processes": {}}


HELICONE = (
    "response_id,response_created_at,response_status,request_created_at,model,prompt_tokens,completion_tokens,latency"
)


@pytest.mark.parametrize(
    ("name", "text", "source"),
    [
        (
            "per_request_lifecycle_metrics.json",
            json.dumps([*map(inference_perf, range(3)), inference_perf(3, {"error_type": "E", "error_msg": ""})]),
            "inference-perf",
        ),
        (
            "otlp.jsonl",
            lines([spans(span(0), span(0, "http", tokens=False)), spans(span(1), span(2), span(2, "invoke_agent"))]),
            "otel",
        ),
        (
            "helicone.csv",
            HELICONE
            + "".join(
                f'\n"{i}",,"200","2025-08-18T00:00:0{i}.000Z","m","{10 * (i + 1)}","{i + 1}",""' for i in range(3)
            )
            + '\n"9",,"500","2025-08-18T00:00:09.000Z","m","5","1",""\n',
            "helicone",
        ),
        ("bench.json", json.dumps([vllm_bench(0), vllm_bench(1, 2)]), "vllm"),
        ("jaeger.json", json.dumps({"data": [jaeger(i) for i in range(3)], "total": 0}), "otel"),
        (
            "phoenix.jsonl",
            lines(
                {
                    "start_time": f"2025-08-18T00:00:0{i}Z",
                    "context": {"span_id": str(i)},
                    "attributes": {"llm.token_count.prompt": 10 * (i + 1), "llm.token_count.completion": i + 1},
                }
                for i in range(3)
            ),
            "otel",
        ),
        (
            "access.log",
            lines(
                {
                    "start_time": f"2025-08-18T00:00:0{i}Z",
                    "response_code": 200,
                    "genai_tokens_input": 10 * (i + 1),
                    "genai_tokens_output": i + 1,
                }
                for i in range(3)
            ),
            "envoy-genai",
        ),
        (
            "higress.log",
            lines(
                {"start_time": f"2025-08-18T00:00:0{i}Z", "input_token": str(10 * (i + 1)), "output_token": str(i + 1)}
                for i in range(3)
            ),
            "higress",
        ),
        (
            "PT1H.json",
            lines(
                {
                    "time": f"2025-08-18T00:00:0{i}Z",
                    "category": "GatewayLlmLogs",
                    "properties": {"promptTokens": 10 * (i + 1), "completionTokens": i + 1, "totalTokens": 9},
                }
                for i in range(3)
            ),
            "azure-gateway",
        ),
        (
            "generations.jsonl",
            lines(
                {
                    "data": {
                        "id": str(i),
                        "created_at": f"2025-08-18T00:00:0{i}Z",
                        "tokens_prompt": 10 * (i + 1),
                        "tokens_completion": i + 1,
                    }
                }
                for i in range(3)
            ),
            "openrouter-generation",
        ),
        (
            "observations_v2.csv",
            "id,trace_id,start_time,level,usage_details\n"
            + "".join(
                f'o{i},t,2025-08-18 00:00:0{i}.000000,DEFAULT,"{{""input"":{10 * (i + 1)},""output"":{i + 1}}}"\n'
                for i in range(3)
            ),
            "langfuse",
        ),
        (
            "guidellm.json",
            json.dumps(
                {
                    "benchmarks": [
                        {
                            "requests": {
                                "successful": [
                                    {
                                        "request_id": str(i),
                                        "info": {"timings": {"request_start": 1.7e9 + i}},
                                        "input_metrics": {"text_tokens": 10 * (i + 1)},
                                        "output_metrics": {"text_tokens": i + 1},
                                    }
                                    for i in range(3)
                                ]
                            }
                        }
                    ]
                }
            ),
            "guidellm",
        ),
        (
            "blis.csv",
            "request_id,input_tokens,output_tokens,arrival_time_us,status,error_message\n"
            + "".join(f"{i},{10 * (i + 1)},{i + 1},{i}000000,ok,\n" for i in range(3))
            + "9,5,1,9000000,timeout,too late\n",
            "blis",
        ),
        (
            "observations.csv",
            "id,traceId,startTime,model,inputTokens,outputTokens,totalCost,level\n"
            + "".join(f"o{i},t{i},2026-04-02T08:30:0{i}.1Z,m,{10 * (i + 1)},{i + 1},0.1,DEFAULT\n" for i in range(3)),
            "langfuse",
        ),
    ],
)
def test_what_tools_really_write(tmp_path, name, text, source):
    trace = requests(tmp_path, name, text, TraceColumns())
    assert trace.source == source
    check(trace, [0, 1, 2])


def test_vidur_says_lengths_of_what_it_simulated(tmp_path):
    head = "Request Id,request_e2e_time,request_num_prefill_tokens,request_num_decode_tokens\n"
    trace = requests(tmp_path, "request_metrics.csv", head + "0,1,10,1\n1,1,20,2\n2,1,30,3\n", TraceColumns())
    assert trace.source == "vidur-lengths"
    check(trace, None)
    assert trace.notes[0] == "the file does not say when requests came: only their lengths are read"


def test_times_that_vidur_does_not_write_are_named_beside_lengths_alone(tmp_path):
    rows = "arrival_time_us,num_prefill_tokens,num_decode_tokens\n0,10,1\n1000000,20,2\n2000000,30,3\n"
    trace = requests(tmp_path, "f.csv", rows, TraceColumns())
    check(trace, None)
    assert (
        trace.notes[0] == "only lengths are read; 'arrival_time_us' may say when requests came: --time arrival_time_us"
    )
    check(requests(tmp_path, "g.csv", rows, TraceColumns("arrival_time_us")), [0, 1, 2])


def test_genai_perf_says_tokens_within_its_answers(tmp_path):
    text = json.dumps({"experiments": [{"experiment": {}, "requests": [genai_perf(i) for i in range(3)]}]})
    with pytest.raises(DataError, match=r"--prompt-tokens response_outputs\.0\.response\.usage\.prompt_tokens"):
        requests(tmp_path, "f.json", text, TraceColumns())
    usage = "response_outputs.0.response.usage."
    columns = TraceColumns("timestamp", f"{usage}prompt_tokens", f"{usage}completion_tokens")
    check(requests(tmp_path, "g.json", text, columns), [0, 1, 2])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ({"data": [{"date": "2025-08-24", "model_permaslug": "x", "requests": 5, "prompt_tokens": 50}] * 2}, "by day"),
        (
            {"request_latency": {"avg": 1.0}, "request_count": {"avg": 9.0}, "input_config": {"endpoint": {}}},
            "AIPerf's aggregates",
        ),
        ([{"id": "t", "timestamp": "2026-04-02T08:30:00Z", "bookmarked": False, "inputTokens": 9}] * 2, "of traces"),
        ([{"start_time": 1, "input_tokens": 9, "output_tokens": 9, "num_model_requests": 5}] * 2, "OpenAI's usage"),
        ([{"usage_date_utc": "2025-03-01", "usage_output_tokens": 9}] * 2, "Anthropic's usage"),
    ],
)
def test_sums_of_many_requests_are_told(tmp_path, text, message):
    with pytest.raises(DataError, match=rf"{message}.*does not say its requests one by one"):
        requests(tmp_path, "f.json", json.dumps(text), TraceColumns())


def test_lengths_without_times_are_told_how_to_be_read(tmp_path):
    rows = [
        {"ttft_s": 0.3, "number_output_tokens": o, "number_input_tokens": p}
        for o, p in zip(ANSWER, PROMPT, strict=True)
    ]
    with pytest.raises(
        DataError, match="--time none --prompt-tokens number_input_tokens --output-tokens number_output"
    ):
        requests(tmp_path, "f.json", json.dumps(rows), TraceColumns())
    check(
        requests(
            tmp_path, "f.json", json.dumps(rows), TraceColumns("none", "number_input_tokens", "number_output_tokens")
        ),
        None,
    )


# ---- hints ----------------------------------------------------------------------------------------------


def test_names_lose_the_spaces_around_them_unless_two_become_one():
    csv = Dialect(",")
    assert csv.named(pl.DataFrame({" t": [1], "p ": [2]})).columns == ["t", "p"]
    assert csv.named(pl.DataFrame({" t": [1], "t": [2]})).columns == [" t", "t"]
    names = [" t", "p ", "u", "v.w"]
    assert csv.original(names, ["t", "u.x", "v.w"]) == [" t", "u", "v.w"]
    assert csv.original(names, [" t", "p ", "v"]) == [" t", "p "]


def test_a_path_leads_to_any_element_of_a_list():
    frame = pl.DataFrame({"m": [[{"n": [1, 2, 3]}, {"n": [4, 5]}]]})
    for path, expected in (("m.0.n.2", 3), ("m.1.n.0", 4), ("m.1.n.2", None)):
        assert frame.select(column_of(frame.schema, path)).item() == expected


@pytest.mark.parametrize("name", [b"plain", b'"two\nlines"', b'"three\nlines\nlong"', b'"a ""quote""\nin\n\nfour"'])
def test_names_in_a_header_may_have_lines(name):
    assert _header_of(b"\r\n" + name + b",p\n1,2\n3,4\n") == (name + b",p\n", b"1,2\n3,4\n")


def test_a_file_of_nothing_is_told(tmp_path):
    with pytest.raises(DataError, match="it has no rows"):
        requests(tmp_path, "f.jsonl", "\n")


@pytest.mark.parametrize(
    "columns",
    [
        ("time", "prompt_tokens", "output_tokens", "n_requests"),
        ("created_at", "tokens_in", "tokens_out"),
        ("created_at", "tokens_in", "tokens_out", "success", "cached"),
    ],
)
def test_a_table_of_ones_own_is_no_tools(columns):
    """A name that anybody would give, alone."""
    assert recognised(dict.fromkeys(columns, pl.Int64())) is None


def test_usage_by_time_is_known_by_names_of_openai():
    preset = recognised(dict.fromkeys(("n_requests", "n_context_tokens_total"), pl.Int64()))
    assert preset is not None
    assert preset.name == "openai-usage"


def test_failures_and_cached_answers_are_told_by_numbers_too(tmp_path):
    rows = ["created_at,tokens_in,tokens_out,success,cached,path", "0,10,1,1,0,p", "1,9,9,0,0,p", "2,8,8,1,1,p"]
    trace = requests(tmp_path, "f.csv", "\n".join([*rows, "3,20,2,1,0,p"]), TraceColumns())
    assert trace.frame["prompt_tokens"].to_list() == [10, 20]


def test_a_log_without_a_header_is_told(tmp_path):
    text = "".join(f'[2026-04-02T08:30:0{i}.1Z] "POST /v1 HTTP/1.1" 200 - 312 20 508\n' for i in range(3))
    with pytest.raises(DataError, match="its first line looks like a row, and should be the names of its columns"):
        requests(tmp_path, "access.log", text, TraceColumns())


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("genai_tokens_input", "prompt_tokens"),
        ("llm_output_tokens", "output_tokens"),
        ("cached_input_tokens", None),
        ("max_output_tokens", None),
        ("cost_per_output_token", None),
    ],
)
def test_a_name_with_a_word_before_means_the_same_unless_it_is_of_a_part(name, meaning):
    assert meaning_of(name) == meaning


def test_a_missing_column_is_told_by_what_it_means(tmp_path):
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    with pytest.raises(DataError) as error:
        requests(tmp_path, "f.jsonl", lines([{"created": 1_700_000_000, "usage": usage}]), TraceColumns())
    text = str(error.value)
    assert "--time created --prompt-tokens usage.prompt_tokens --output-tokens usage.completion_tokens" in text
    assert "total_tokens" not in text
    assert meaning_of("total_tokens") is None
    assert by_meaning("prompt_tokens", ["output_tokens", "isl"]) == "isl"
    assert by_meaning("prompt_tokens", ["time", "in", "out"]) == "in"
    assert by_meaning("output_tokens", ["time", "in", "out"]) == "out"
    assert by_meaning("whatever", ["output_tokens"]) is None


def test_options_and_keys_are_told_by_what_they_mean(tmp_path):
    code, _, err = here("import", tmp_path / "f.csv", "--input-length", "p", "--out", tmp_path / "o.csv")
    assert code == 2
    assert "did you mean --prompt-tokens?" in err
    for key, hint in (("qps", "'arrivals.rate_rps'"), ("num_prompts", "'requests'")):
        with pytest.raises(ScenarioError, match=rf"did you mean {hint}"):
            parse({key: 3})
    with pytest.raises(ScenarioError, match="did you mean 'max_num_seqs'"):
        parse({"models": [{"name": "a", "batch_size": 8}]})
    for key, path in (("mtbf_s", "cluster.failures.mtbf_s"), ("outages", "cluster.failures")):
        with pytest.raises(ScenarioError, match=re.escape(f"models.0.{key}: unknown key; did you mean '{path}'?")):
            parse({"models": [{"name": "a", key: 8}]})
    assert set(MEANT_KEYS) & set(MEANT_KEYS.values()) == set()


# ---- outcomes -------------------------------------------------------------------------------------------

MODELS = ("big", "small")


def right(model, i):
    return i % 4 != 0 if model == "big" else i % 2 == 0


def put(folder, name, text):
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def harness(folder, model, task="gsm8k"):
    rows = [
        {"doc_id": i, "doc": {"question": f"q{i}"}, "filter": f, "metrics": ["exact_match"], "exact_match": score}
        for f in ("strict", "flexible")
        for i in range(8)
        for score in [float(f == "flexible" and right(model, i))]
    ]
    return put(folder, f"org__{model}/samples_{task}_2025-06-01T12-00-00.123.jsonl", lines(rows))


def openai_evals(folder, model):
    rows = [{"spec": {"completion_fns": [model], "eval_name": "e"}}]
    for i in range(8):
        event = {"run_id": "r", "sample_id": f"s.{i}"}
        prompt = [{"role": "user", "content": "q"}] if i % 2 else "q"
        rows += [event | {"type": "sampling", "data": {"prompt": prompt, "sampled": ["3"]}}]
        expected = "3" if i % 3 else ["3", "4"]
        rows += [event | {"type": "match", "data": {"correct": right(model, i), "expected": expected}}]
        rows += [event | {"type": "metrics", "data": {"accuracy": float(right(model, i)), "f1_score": 0.5}}]
    return put(folder, f"250601{model}_x.jsonl", lines([*rows, {"final_report": {"accuracy": 0.5}}]))


def helm(folder, model):
    def row(i, more=None, **stats):
        named = [{"name": {"name": n, "split": "test"}, "count": 1, "sum": v, "mean": v} for n, v in stats.items()]
        return {"instance_id": f"id{i}", "train_trial_index": 0, "stats": named} | (more or {})

    rows = [row(i, exact_match=float(right(model, i)), num_prompt_tokens=100, num_output_tokens=5) for i in range(8)]
    rows += [row(i, {"perturbation": {"name": "typos"}}, exact_match=0.0) for i in range(8)]
    rows += [row(i, max_prob=0.4) for i in range(8)]
    return put(folder, f"runs/mmlu:subject=x,model=org_{model}/per_instance_stats.json", json.dumps(rows))


def helm_displayed(folder, model):
    rows = [{"instance_id": f"id{i}", "stats": {"quasi_exact_match": float(right(model, i))}} for i in range(8)]
    return put(folder, f"gsm:model={model}/display_predictions.json", json.dumps(rows))


def swe_bench(folder, model):
    names = [f"django-{i}" for i in range(8)]
    done = [name for i, name in enumerate(names) if right(model, i)]
    report = {"submitted_ids": names, "completed_ids": names, "incomplete_ids": ["other"], "resolved_ids": done}
    return put(folder, f"{model}.run.json", json.dumps(report | {"unresolved_ids": [], "schema_version": 2}))


def leaderboard(folder, model, place="results.json"):
    done = [f"django-{i}" for i in range(8) if right(model, i)]
    report = {"no_generation": ["django-0"] if model == "big" else [], "no_logs": [], "resolved": done}
    return put(folder, f"{model}/{place}", json.dumps(report))


def leaderboard_of_results(folder, model):
    return leaderboard(folder, model, "results/results.json")


def router_arena(folder, model):
    rows = [
        {
            "global_index": f"AIME_{i}",
            "question": f"q{i}",
            "llm_selected": model,
            "token_usage": {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120},
            "success": True,
            "evaluation_result": {"score": float(right(model, i)), "metric": "m", "inference_cost": 0.001},
        }
        for i in range(8)
    ]
    return put(folder, f"cached_results/{model}.jsonl", lines(rows))


@pytest.mark.parametrize(
    "write", [harness, openai_evals, helm, helm_displayed, swe_bench, leaderboard, leaderboard_of_results, router_arena]
)
def test_results_of_evaluations_as_they_are_written(tmp_path, write):
    files = [write(tmp_path, model) for model in MODELS]
    options = OutcomeOptions(filter="flexible" if write is harness else None)
    outcomes = read_outcomes(files, options)
    assert {m.removeprefix("org_").lstrip("_") for m in outcomes.models} == set(MODELS)
    assert outcomes.frame.height == 8
    for model in outcomes.models:
        assert outcomes.frame[model].mean() == (0.75 if "big" in model else 0.5)


def test_a_router_of_router_arena_answers_with_several_models(tmp_path):
    rows = [
        {"global index": f"A_{i}", "prompt": f"q{i}", "prediction": m, "accuracy": float(right(m, i)), "cost": 0.1}
        for i in range(8)
        for m in MODELS
    ]
    outcomes = read_outcomes([put(tmp_path, "router.json", json.dumps(rows))], OutcomeOptions())
    assert set(outcomes.models) == set(MODELS)
    assert outcomes.has_costs


def test_tasks_of_the_harness_are_kept_apart(tmp_path):
    files = [harness(tmp_path, model, task) for model in MODELS for task in ("gsm8k", "arc")]
    assert read_outcomes(files, OutcomeOptions(filter="flexible")).frame.height == 16


def test_a_pickle_is_not_read(tmp_path):
    with pytest.raises(DataError, match=r"is a pickle, .*to_parquet"):
        read_outcomes([put(tmp_path, "routerbench_0shot.pkl", "x")], OutcomeOptions())


def test_files_that_are_all_named_stand_anywhere(tmp_path):
    files = []
    for model in "ab":
        files.append((model, tmp_path / model / "x.json"))
        files[-1][1].parent.mkdir()
        files[-1][1].write_text(json.dumps([{"id": i, "score": i % 2} for i in range(4)]))
    assert read_outcomes(files, OutcomeOptions()).models == ("a", "b")


def test_verdicts_of_inspect(tmp_path):
    samples = [{"id": i, "epoch": 1, "scores": {"match": {"value": v}}} for i, v in enumerate("CPIN")]
    file = tmp_path / "log.json"
    file.write_text(json.dumps({"version": 2, "eval": {"model": "m"}, "samples": samples}))
    assert read_outcomes([("m", file)], OutcomeOptions()).frame["m"].to_list() == [1.0, 0.5, 0.0, 0.0]
    samples[0]["scores"]["other"] = {"value": "C"}
    file.write_text(json.dumps({"samples": samples}))
    with pytest.raises(DataError, match=r"--score scores\.match\.value or scores\.other\.value"):
        read_outcomes([("m", file)], OutcomeOptions())


def test_epochs_of_inspect_are_told_apart(tmp_path):
    samples = [{"id": i, "epoch": e, "scores": {"match": {"value": "C"}}} for i in range(3) for e in (1, 2)]
    file = put(tmp_path, "log.json", json.dumps({"samples": samples}))
    with pytest.raises(DataError, match=r"in 2 epochs; expected one: --select epoch=1$"):
        read_outcomes([("m", file)], OutcomeOptions())
    chosen = read_outcomes([("m", file)], OutcomeOptions(), Chooser(conditions(["epoch=1"])))
    assert chosen.frame["m"].to_list() == [1.0, 1.0, 1.0]
    for sample in samples:
        sample["run"] = f"{sample['id']} in {sample['epoch']}"
    file.write_text(json.dumps({"samples": samples}))
    each = read_outcomes([("m", file)], OutcomeOptions(prompt="run"))
    assert each.frame["prompt"].n_unique() == 6, "of a column that tells the epochs apart"


def test_a_table_with_names_of_inspect_is_no_log_of_it(tmp_path):
    file = put(tmp_path, "m.csv", "id,epoch,scores,score\n1,1,x,1\n2,1,x,0\n3,2,x,1\n")
    assert read_outcomes([("m", file)], OutcomeOptions()).frame["m"].to_list() == [1.0, 0.0, 1.0]
