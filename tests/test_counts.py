"""Numbers in text, whoever reads them: what a point means in counts, and names that only look like numbers."""

from datetime import date, datetime, time, timedelta

import numpy as np
import polars as pl
import pytest
from builders import model, scenario

from messsim.errors import DataError
from messsim.logs.decisions import DecisionColumns, read_log
from messsim.logs.outcomes import read_outcomes
from messsim.logs.scores import OutcomeOptions
from messsim.logs.traces import TraceColumns, plan_reading, read_requests, write_trace
from messsim.scenario import parse
from messsim.scenario.arrivals import Columns, Trace
from messsim.study.calibrate.measurements import read_measurements
from messsim.workload import thousands
from messsim.workload.blocks import whole
from messsim.workload.choosing import Chooser, conditions
from messsim.workload.readers import as_key, with_rows_in_file
from messsim.workload.table import read_table
from messsim.workload.thousands import points_part_thousands
from messsim.workload.trace import read_trace


def written(folder, name, *lines):
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder / name


def test_a_point_parts_thousands_in_tables_of_outcomes(tmp_path):
    file = written(
        tmp_path, "o.csv", "id;model;score;cost;prompt_tokens;output_tokens",
        "1;a;1;0,500;1.200;80", "1;b;0;0,100;1.200;1.090",
    )  # fmt: skip
    table = read_outcomes([file], OutcomeOptions()).frame
    assert table.select("prompt_tokens", "output_tokens__b", "cost__a").rows() == [(1200.0, 1090.0, 0.5)]


def test_a_point_parts_thousands_in_measurements(tmp_path):
    lines = ("clients;prompt_tokens;output_tokens;ttft_ms", "1;1.024;200;40,5", "1.000;1.024;2.000;1.120,5")
    points = read_measurements(written(tmp_path, "points.csv", *lines)).rows
    assert (points.clients, points.prompt_tokens, points.output_tokens) == ([1, 1000], [1024, 1024], [200, 2000])
    assert np.allclose(points.readings["ttft_s"], [0.0405, 1.1205])
    lines = ("prompt_tokens;prompt_prior;batch;cached_tokens;duration_ms", "0;0;8;1.024;9,5", "2.048;4.096;0;0;40,1")
    rows = read_measurements(written(tmp_path, "iterations.csv", *lines)).rows
    assert rows.prompt_tokens.tolist() == [0, 2048]
    assert rows.prompt_prior.tolist() == [0, 4096]
    assert rows.cached_tokens.tolist() == [1024, 0]


def test_a_point_parts_thousands_where_rows_are_chosen_by_tokens(tmp_path):
    file = written(tmp_path, "f.csv", "t;prompt_tokens;score", "0,5;1.010;1.500", "1,5;900;1.250")
    frame = whole(file)
    for text, expected in (
        ("prompt_tokens>1000", [True, False]),
        ("prompt_tokens=1010", [True, False]),
        ("score<1.3", [False, True]),  # a name that counts nothing
    ):
        assert Chooser(conditions([text])).keep(frame, file).tolist() == expected, text


# Rows that do not show that a comma is the decimal mark, or that show that a point is.
NO_COMMA = (("40.5", "50.5"), ("40", "50"), ("40.500", "50.500"), ("1,234", "1,234"), ("40,5", "0.5"), ("40,5", "1.25"))


@pytest.mark.parametrize("times", NO_COMMA)
def test_a_point_parts_no_thousands_where_no_comma_is_decimal(tmp_path, times):
    """In measurements, outcomes and conditions: three decimals are no thousands."""
    lines = [f"{n};{tokens};200;{t}" for n, tokens, t in zip((1, 4), ("128.125", "256.250"), times, strict=True)]
    points = written(tmp_path, "points.csv", "clients;prompt_tokens;output_tokens;ttft_ms", *lines)
    assert read_measurements(points).rows.prompt_tokens == [128, 256]
    answers = [f"1;{m};1;{t};120.125;1.090" for m, t in zip("ab", times, strict=True)]
    table = read_outcomes(
        [written(tmp_path, "o.csv", "id;model;score;cost;prompt_tokens;output_tokens", *answers)], OutcomeOptions()
    ).frame
    assert table.select("prompt_tokens", "output_tokens__b").rows() == [(120.125, 1.09)]
    frame = with_rows_in_file(whole(points))
    assert Chooser(conditions(["prompt_tokens<1000"])).of_file(frame, points).height == 2
    assert Chooser(conditions(["prompt_tokens=128.125"])).of_file(frame, points).height == 1


def test_a_point_parts_no_thousands_in_text_of_json(tmp_path):
    rows = [f'{{"clients": {n}, "prompt_tokens": "128.000", "output_tokens": "200", "ttft_ms": 40.5}}' for n in (1, 4)]
    assert read_measurements(written(tmp_path, "p.jsonl", *rows)).rows.prompt_tokens == [128, 128]


def test_where_points_part_thousands_is_told_by_the_beginning_of_a_file(tmp_path, monkeypatch):
    file = written(tmp_path, "f.csv", "t;n", '"0,5";1.010', *["1,5;1.010"] * 9)
    assert points_part_thousands(file)
    with monkeypatch.context() as patched:
        patched.setattr(thousands, "LOOKED_AT", 23)  # within a number, which is none then
        assert points_part_thousands(file)
    assert not points_part_thousands(written(tmp_path, "g.csv", "t;n", "0,5;1.010", "1,5;.5"))
    assert not points_part_thousands(written(tmp_path, "h.csv", "t,n", '"0,5",1.010'))


def test_sessions_are_as_they_are_written(tmp_path):
    columns = Columns(session="session", delay="delay")
    for one, other in (("1.1", "1.10"), ("0012", "12"), ("1e3", "1000")):
        rows = (f"0,10,5,{one},", f"1,10,5,{other},", f"2,10,5,{one},1", f"3,10,5,{other},1")
        file = written(tmp_path, "t.csv", "arrival_s,prompt_tokens,output_tokens,session,delay", *rows)
        turns = read_trace(Trace(kind="trace", file=str(file), columns=columns), file, prompt=True, output=True).turns
        assert turns.session.tolist() == [0, 0, 1, 1], one
        written(tmp_path, "t.csv", "timestamp,input_length,output_length,session_id,delay", *rows)
        trace = read_requests(file, plan_reading(file, TraceColumns()))
        assert trace.frame["session"].to_list() == [one, other, one, other]


def test_chats_match_their_parents_as_pandas_writes_them(tmp_path):
    """Whole numbers beside gaps have a point; versions are as they are written."""
    rows = ("0,10,5,6,", "1,10,5,1.10,", "2,10,5,7,6.0", "3,10,5,1.1,1.10", "4,10,5,8,1.1")
    file = written(tmp_path, "t.csv", "arrival_s,prompt_tokens,output_tokens,chat,parent", *rows)
    columns = Columns(chat="chat", parent="parent")
    turns = read_trace(Trace(kind="trace", file=str(file), columns=columns), file, prompt=True, output=True).turns
    assert turns.session.tolist() == [0, 0, 1, 1, 1]
    assert turns.turn.tolist() == [0, 1, 0, 1, 2]


def test_groups_of_a_table_are_as_they_are_written(tmp_path):
    file = written(tmp_path, "g.csv", "a,task", "1,1.1", "1,1.10", "0,0012", "1,12")
    law = {"kind": "table", "file": str(file), "group": "task"}
    settings = parse(scenario(models=[model("a", 0.5)], satisfaction=law, features={"kind": "none"}))
    assert sorted(read_table(settings, settings.satisfaction, prompt=False, output=False).groups) == [
        "0012",
        "1.1",
        "1.10",
        "12",
    ]


def test_measurements_count_once_by_ids_as_they_are_written(tmp_path):
    lines = ("id,clients,prompt_tokens,output_tokens,ttft_ms", "1.1,1,100,10,40", "1.10,4,100,10,50", "1.1,8,100,10,60")
    file = written(tmp_path, "cu.csv", *lines)
    assert read_measurements(file, Chooser(unique="id")).rows.clients == [1, 4]
    assert read_measurements(file, Chooser(unique="clients")).rows.clients == [1, 4, 8]


def test_labels_are_chosen_as_they_are_written(tmp_path):
    rows = ("0,10,5,0012,2", "1,10,5,12,02", "2,10,5,7.0,2", "3,10,5,1.10,3", "4,10,5,true,4")
    file = written(tmp_path, "t.csv", "arrival_s,prompt_tokens,output_tokens,tenant,version", *rows)

    def kept(*texts):
        reading = plan_reading(file, TraceColumns(tenant="tenant"), None, Chooser(conditions(texts)))
        return read_requests(file, reading).frame["tenant"].to_list()

    assert kept("tenant=12") == ["12"]
    assert kept("tenant=0012") == ["0012"]
    assert kept("tenant!=12") == ["0012", "7.0", "1.10", "true"]
    assert kept("tenant=7") == kept("tenant=7.0") == ["7.0"]  # as pandas writes 7 beside gaps
    assert kept("tenant=true") == ["true"]
    assert kept("version=2") == ["0012", "12", "7.0"]  # a number as any other
    with pytest.raises(DataError, match=r"no row has tenant=1\.1;"):
        kept("tenant=1.1")


def test_prompts_and_models_of_outcomes_are_as_they_are_written(tmp_path):
    rows = [
        f"{prompt},{model},{int(prompt != '1.10')}" for prompt in ("1.1", "1.10", "0012") for model in ("4.1", "4.10")
    ]
    table = read_outcomes([written(tmp_path, "long.csv", "Question_ID,Model,Score", *rows)], OutcomeOptions())
    assert table.models == ("4.1", "4.10")
    assert table.frame["prompt"].to_list() == ["1.1", "1.10", "0012"]
    assert table.frame["4.10"].to_list() == [1.0, 0.0, 1.0]
    chooser = Chooser(conditions(["Question_ID=1.10"]))
    assert read_outcomes([tmp_path / "long.csv"], OutcomeOptions(), chooser).frame["prompt"].to_list() == ["1.10"]
    files = [written(tmp_path, f"{n}.csv", "which,score", "1.1,1", "1.10,0", "012,1", "12,0") for n in "ab"]
    joined = read_outcomes(files, OutcomeOptions(prompt="which")).frame
    assert joined.select("prompt", "b").rows() == [("1.1", 1.0), ("1.10", 0.0), ("012", 1.0), ("12", 0.0)]


def test_models_of_a_log_of_decisions_are_as_they_are_written(tmp_path):
    lines = ("who,satisfied,cost__4.1,cost__4.10", "4.1,1,1,2", "4.10,0,1,2", "4.1,1,1,2")
    log = read_log(written(tmp_path, "log.csv", *lines), DecisionColumns(model="who"))
    assert log.models == ["4.1", "4.10"]
    assert log.chosen.tolist() == [0, 1, 0]
    chosen = read_log(tmp_path / "log.csv", DecisionColumns(model="who"), Chooser(conditions(["who!=4.1"])))
    assert chosen.chosen.tolist() == [1]


# ---- ids of prompts that files write in different ways --------------------------------------------------


def joined(folder, *files):
    paths = [
        written(folder, f"m{i}.csv", "id,score", *(f"{name},1" for name in names)) for i, names in enumerate(files)
    ]
    outcomes = read_outcomes(paths, OutcomeOptions())
    return outcomes.frame["prompt"].to_list(), outcomes.notes


def test_zeros_before_an_id_do_not_part_files(tmp_path):
    names, _ = joined(tmp_path, [f"{i:03}" for i in range(1, 121)], range(1, 121))
    assert names == [str(i) for i in range(1, 121)]
    assert joined(tmp_path, ["001", "002"], ["001", "002"])[0] == ["001", "002"]  # nothing joins without them
    names, notes = joined(tmp_path, ["12", "0012", "3", "5"], ["12", "0012", "03", "4"])  # two prompts that differ so
    assert names == ["12", "0012"]
    assert notes[-1] == "prompts without an answer of every model are left out: 4 of 6 ('3', '5', '03', ...)"


@pytest.mark.parametrize("other", ["1.0", "01", " 1"])
def test_models_of_one_file_may_write_an_id_in_different_ways(tmp_path, other):
    file = written(tmp_path, "f.csv", "id,model,score", "1,a,1", f"{other},b,0", "2,a,0", "2,b,1")
    table = read_outcomes([file], OutcomeOptions()).frame
    assert table.select("a", "b").rows() == [(1.0, 0.0), (0.0, 1.0)]


def test_chat_messages_join_whatever_the_order_of_their_keys(tmp_path):
    """And with a key that only others have, or with letters written as escapes."""
    written(tmp_path, "a.jsonl", '{"prompt": [{"role": "user", "content": "\\u00fcn"}], "score": 1}')
    written(
        tmp_path, "b.jsonl",
        '{"prompt": [{"content": "ün", "role": "user"}], "score": 0}',
        '{"prompt": [{"content": "b", "role": "user", "name": "x"}], "score": 0}',
    )  # fmt: skip
    table = read_outcomes([tmp_path / "a.jsonl", tmp_path / "b.jsonl"], OutcomeOptions()).frame
    assert table.select("prompt", "b").rows() == [('[{"content": "ün", "role": "user"}]', 0.0)]
    many = pl.Series("p", [[{"k": i, "a": None}] for i in range(10_000)] + [None])
    assert as_key(many, "p", tmp_path).to_list() == [f'[{{"k": {i}}}]' for i in range(10_000)] + [None]


# ---- columns of other types -----------------------------------------------------------------------------


def parquet(folder, **columns):
    pl.DataFrame(columns).write_parquet(folder / "f.parquet")
    return folder / "f.parquet"


def test_bytes_of_text_are_text(tmp_path):
    file = parquet(tmp_path, prompt=[b"p", "ü".encode()] * 2, model=[b"a", b"a", b"b", b"b"], score=[b"1", b"0"] * 2)
    assert read_outcomes([file], OutcomeOptions()).frame.rows() == [("p", 1.0, 1.0), ("ü", 0.0, 0.0)]
    counts = {"timestamp": [0, 1, 2], "input_length": [1, 2, 3], "output_length": [1, 2, 3]}
    status = [b"200", b"200", b"500"]
    file = parquet(tmp_path, **counts, status=status, session_id=[b"s", b"t", b"s"], delay=[None] * 3)
    trace = read_requests(file, plan_reading(file, TraceColumns(), None, Chooser(conditions(["status=200"]))))
    assert trace.frame["session"].to_list() == ["s", "t"]
    write_trace(trace, tmp_path / "out.csv")
    file = parquet(tmp_path, **counts, status=[b"\xff", *status[1:]])
    with pytest.raises(DataError, match=r"f.parquet: column 'status' is of type Binary; expected text or numbers"):
        read_requests(file, plan_reading(file, TraceColumns(), None, Chooser(conditions(["status=200"]))))


@pytest.mark.parametrize("column", ["prompt_tokens", "output_tokens", "cost"])
@pytest.mark.parametrize(
    "value", [[1], b"\xff", timedelta(microseconds=5), date(1970, 1, 9), datetime(1970, 1, 1), time(0, 0, 1)]
)  # fmt: skip
def test_numbers_of_another_type_are_told(tmp_path, column, value):
    file = parquet(tmp_path, prompt=["p", "p"], model=["a", "b"], score=[1, 0], **{column: [value, value]})
    with pytest.raises(DataError, match=f"f.parquet: column '{column}' is of type .*; expected numbers"):
        read_outcomes([file], OutcomeOptions())
    if column == "cost":
        return
    counts = {"arrival_s": [0, 1], "prompt_tokens": [1, 2], "output_tokens": [1, 2], "ok": [1, 0]} | {
        column: [value] * 2
    }
    file = parquet(tmp_path, **counts)
    with pytest.raises(DataError, match=f"column '{column}' is of type .*; expected a number"):
        read_requests(file, plan_reading(file, TraceColumns(), None, Chooser(conditions(["ok=1"]))))


def test_counts_may_be_bytes_of_text_in_tables_of_outcomes(tmp_path):
    file = parquet(tmp_path, prompt=["p", "p"], model=["a", "b"], score=[1, 0], output_tokens=[b"5", b"6"])
    assert read_outcomes([file], OutcomeOptions()).frame["output_tokens__b"].to_list() == [6.0]
