"""Traces with hashes and sessions: the forms of Mooncake, NVIDIA Dynamo and Qwen-Bailian, and what is wrong in them."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from builders import STEP_S, imported_log, model, run, scenario
from hypothesis import given, settings
from hypothesis import strategies as st
from test_engines_equal import assert_equal

from messsim.errors import DataError, MesssimError
from messsim.logs.traces import write_trace
from messsim.scenario import dump, parse
from messsim.workload import Workload

engines = pytest.mark.parametrize("engine", ["simpy", "compiled"])


def traced(folder: Path, rows: list[dict], form: str = "mooncake", name: str = "trace.jsonl", **changes) -> dict:
    file = folder / name
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    law = {"kind": "trace", "file": str(file), "format": form, "repeat": False} | changes.pop("arrivals", {})
    data = {
        "requests": None,
        "arrivals": law,
        "tokens": {"prompt": {"kind": "trace"}, "output": {"kind": "trace"}},
        "models": [model("only", 0.6)],
    }
    return scenario(**(data | changes))


def mooncake(timestamp, tokens, ids, answer=3) -> dict:
    return {"timestamp": timestamp, "input_length": tokens, "output_length": answer, "hash_ids": ids}


def paths(data: dict, n: int, first: int = 0) -> list[list[tuple[int, int]]]:
    paths_value = Workload(parse(data)).columns(first, n).paths
    return [paths_value.nodes[a:b].tolist() for a, b in zip(paths_value.start, paths_value.start[1:], strict=False)]


# ---- hashes ---------------------------------------------------------------------------------------------


def test_ids_are_joined_into_the_longest_runs_that_no_prompt_enters_or_leaves(tmp_path):
    rows = [
        mooncake(0, 1500, [7, 8, 9]),
        mooncake(10, 2000, [7, 8, 20, 21]),
        mooncake(20, 1024, [7, 8]),
        mooncake(30, 2048, [7, 8, 20, 21]),
        mooncake(40, 600, [30, 31]),
    ]
    assert paths(traced(tmp_path, rows), 5) == [
        [(0, 1024), (1, 1500)],
        [(0, 1024), (2, 2000)],
        [(0, 1024)],
        [(0, 1024), (2, 2048)],
        [(3, 600)],
    ]


def test_what_no_hash_names_is_a_requests_own(tmp_path):
    rows = [mooncake(0, 600, [1]), mooncake(1, 600, [1]), mooncake(2, 600, [])]
    result = paths(traced(tmp_path, rows), 3)
    assert [[end for _, end in path] for path in result] == [[512, 600], [512, 600], [600]]
    own = [path[-1][0] for path in result]
    assert result[0][0] == result[1][0]
    assert len({*own, result[0][0][0]}) == 4


def test_a_repetition_is_other_text(tmp_path):
    rows = [mooncake(0, 600, [1, 2]), mooncake(1000, 600, [1, 3])]
    data = traced(tmp_path, rows, arrivals={"repeat": True}, requests=4)
    a, b, c, d = paths(data, 4)
    assert a[0] == b[0]
    assert c[0] == d[0] != a[0]


def test_text_in_a_csv_file_is_read_as_a_list(tmp_path):
    file = tmp_path / "trace.csv"
    file.write_text('arrival_s,prompt_tokens,output_tokens,ids\n0,40,2,"[1, 2, 3]"\n1,32,2,1 2\n2,10,2,\n')
    columns = {"hash_ids": "ids"}
    data = traced(
        tmp_path, [], arrivals={"file": str(file), "format": "columns", "columns": columns, "block_tokens": 16}
    )
    assert [[end for _, end in path] for path in paths(data, 3)] == [[32, 40], [32], [10]]


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=5), min_size=1, max_size=12), st.data())
def test_paths_share_exactly_what_the_ids_share(tmp_path_factory, texts, data):
    """Texts are words over three letters: an id for each of their beginnings. Nodes are shared as these are."""
    names: dict[tuple[int, ...], int] = {}
    ids = [[names.setdefault(tuple(t[: k + 1]), len(names)) for k in range(len(t))] for t in texts]
    rows = [mooncake(k, 512 * len(t), i) for k, (t, i) in enumerate(zip(texts, ids, strict=True))]
    result = paths(traced(tmp_path_factory.mktemp("t"), rows), len(rows))
    for a in range(len(rows)):
        assert result[a][-1][1] == 512 * len(texts[a])
        assert sorted({end for _, end in result[a]}) == [end for _, end in result[a]]
        for b in range(a):
            common = 0
            while common < min(len(texts[a]), len(texts[b])) and texts[a][common] == texts[b][common]:
                common += 1
            shared = [n for n in result[a] if n in result[b]]
            assert (shared[-1][1] if shared else 0) == 512 * common
    ends = set(map(tuple, texts))
    forks = {n for n in names if len({m for m in names if m[:-1] == n}) > 1}
    assert len({n for p in result for n, _ in p}) == len(ends | forks)  # no node more than it takes


# ---- sessions -------------------------------------------------------------------------------------------


def dynamo(session, tokens, timestamp=None, delay=None, ids=(1,)) -> dict:
    return mooncake(timestamp, tokens, list(ids)) | {"session_id": session, "delay": delay}


@engines
def test_a_turn_with_a_delay_is_sent_so_long_after_the_answer_before(tmp_path, engine):
    rows = [
        dynamo("a", 10, timestamp=0),
        dynamo("b", 11, timestamp=1000),
        dynamo("a", 12, delay=2500),
        dynamo("b", 13, delay=0),
        dynamo("a", 14, delay=0),
    ]
    for row in rows:
        row["hash_ids"] = []
    r = run(traced(tmp_path, rows, "dynamo"), engine)
    c = r.records
    assert c.session.tolist() == [0, 0, 0, 1, 1]
    assert c.turn.tolist() == [0, 1, 2, 0, 1]
    assert c.prompt_tokens.tolist() == [10, 12, 14, 11, 13]  # as the trace says: it knows no other answers
    answer_s = 3 * STEP_S
    assert c.arrival_s.tolist() == [0.0, answer_s + 2.5, 2 * answer_s + 2.5, 1.0, 1.0 + answer_s]
    assert r.summary["sessions"] == {"begun": 2, "turns": 5, "turns_not_sent": 0}


def bailian(chat, parent, timestamp, turn=None, ids=(), tokens=10) -> dict:
    data = {"chat_id": chat, "parent_chat_id": parent, "timestamp": timestamp, "type": "text"}
    return (
        mooncake(timestamp, tokens, list(ids)) | data | {"turn": (1 if parent == -1 else 2) if turn is None else turn}
    )


@engines
def test_a_turn_with_a_parent_is_sent_at_its_time_but_not_before_the_answer(tmp_path, engine):
    rows = [
        bailian(5, -1, 0.0),
        bailian(6, 5, 0.5),  # would come before the answer, at 0.75
        bailian(7, -1, 1.0),
        bailian(8, 5, 4.0),  # another turn after the same answer
        bailian(9, 6, 10.0, turn=3),
        bailian(10, 99, 11.0, turn=4),  # whose parent is not here
    ]
    r = run(traced(tmp_path, rows, "qwen-bailian"), engine)
    c = r.records
    assert c.session.tolist() == [0, 0, 0, 0, 1, 2]
    assert c.turn.tolist() == [0, 1, 1, 2, 0, 0]
    assert c.arrival_s.tolist() == [0.0, 0.75, 4.0, 10.0, 1.0, 11.0]
    assert any("begin sessions of their own: 1" in note for note in r.setup.notes)


def test_times_are_doubted_in_the_order_in_which_requests_come(tmp_path):
    """The first session ends after 11 days, the second begins in between."""
    rows = [bailian(1, -1, 0.0), bailian(2, -1, 5.0), bailian(3, 1, 1e6)]
    notes = Workload(parse(traced(tmp_path, rows, "qwen-bailian"))).notes
    assert [note for note in notes if "is slow for a server" in note and "11.57 days" in note] != []


@pytest.mark.parametrize("size", [1, 2, 100])
@pytest.mark.parametrize(("horizon_s", "requests"), [(5.0, 2), (5.1, 3), (20.0, 3), (20.1, 4), (100.0, 4)])
def test_sessions_that_begin_before_a_deadline_are_whole(tmp_path, size, horizon_s, requests):
    """The second turn of the first session is due after all others begin."""
    rows = [bailian(0, -1, 0.0), bailian(1, -1, 5.0), bailian(2, -1, 20.0), bailian(3, 0, 30.0)]
    data = traced(tmp_path, rows, "qwen-bailian", horizon_s=horizon_s)
    chunks = list(Workload(parse(data)).chunks(size))
    assert sum(len(c) for c in chunks) == requests
    arrival_s = np.concatenate([c.arrival_s for c in chunks]).tolist()
    assert arrival_s == [0.0, 30.0, 5.0, 20.0][:requests]


@engines
def test_turns_in_all_branches_of_a_turn_that_was_turned_away_are_not_sent(tmp_path, engine):
    rows = [bailian(0, -1, 0.0, tokens=5)]
    rows += [bailian(1, -1, 0.1), bailian(2, 1, 5.0), bailian(3, 1, 6.0), bailian(4, 2, 7.0, turn=3)]
    rows += [bailian(5, 0, 8.0)]
    models = [model("only", 0.6, max_num_seqs=1)]
    r = run(traced(tmp_path, rows, "qwen-bailian", models=models, cluster={"admission": {"max_waiting": 0}}), engine)
    assert r.records.id.tolist() == [0, 1, 2]
    assert r.statuses == ["completed", "completed", "rejected"]
    assert r.summary["sessions"] == {"begun": 2, "turns": 3, "turns_not_sent": 3}


def test_the_engines_are_equal_over_sessions_of_a_trace_that_is_repeated_cut_and_stretched(tmp_path):
    chance = np.random.default_rng(1)
    rows: list[dict] = []
    for k in range(120):
        parent = rows[-int(chance.integers(1, 20))] if k > 20 and chance.random() < 0.5 else None
        chat, turn = (parent["chat_id"], parent["turn"] + 1) if parent is not None else (-1, 1)
        rows.append(bailian(k, chat, float(k // 3), turn))
    for law in ({"repeat": True}, {"window_s": [5.0, 30.0]}, {"rate_rps": 50.0, "repeat": True}):
        requests = 300 if law.get("repeat") else None
        models = [model("a", 0.4), model("b", 0.7, max_num_seqs=1)]
        data = traced(tmp_path, rows, "qwen-bailian", arrivals=law, requests=requests, models=models)
        assert_equal(parse(data | {"record": {"chunk": 64}, "router": {"c": 1.0}}))


@pytest.mark.parametrize("form", ["mooncake", "dynamo", "qwen-bailian"])
def test_a_scenario_that_is_written_down_reads_its_trace_as_before(tmp_path, form):
    parsed = parse(traced(tmp_path, [], form))
    again = parse(tomllib.loads(dump(parsed)))
    assert again.arrivals == parsed.arrivals
    assert parsed.arrivals.block_tokens == (16 if form == "qwen-bailian" else 512)
    assert parse(traced(tmp_path, [], form, arrivals={"columns": {"time": "t"}})).arrivals.columns.time == "t"


# ---- import -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.jsonl", "t.parquet"])
def test_what_is_imported_reads_as_the_file_that_it_was_made_of(tmp_path, name):
    rows = [
        dynamo("a", 1024, timestamp=0, ids=[1, 2]),
        dynamo("b", 700, timestamp=1000, ids=[1, 3]),
        dynamo("a", 1100, delay=2500, ids=[1, 2, 4]),
    ]
    rows[2].pop("timestamp")
    data = traced(tmp_path, rows, "dynamo")
    trace = imported_log(tmp_path / "trace.jsonl", kind="auto")
    assert trace.columns == {"hash_ids": "hash_ids", "session": "session", "delay": "delay_s"}
    assert trace.block_tokens == 512
    write_trace(trace, tmp_path / name)
    law = {"file": str(tmp_path / name), "format": "columns", "columns": dict(trace.columns), "block_tokens": 512}
    imported = traced(tmp_path, rows, "dynamo", arrivals=law)
    assert paths(imported, 3) == paths(data, 3)
    a, b = (Workload(parse(d)).columns(0, 3).turns for d in (data, imported))
    for column in ("session", "turn", "parent", "wait_s"):
        assert getattr(a, column).tolist() == getattr(b, column).tolist(), column


def test_an_import_refuses_what_a_run_would(tmp_path):
    traced(tmp_path, [mooncake(0, 900, [1, 2]), mooncake(1, 900, [3, 2])])
    with pytest.raises(DataError, match="id 2 follows 3 in row 2"):
        imported_log(tmp_path / "trace.jsonl", kind="auto")
    traced(tmp_path, [dynamo("a", 9, 5000), dynamo("a", 9, 1000)], "dynamo")
    with pytest.raises(DataError, match="row 2 follows row 1, which comes later"):
        imported_log(tmp_path / "trace.jsonl", kind="auto")


# ---- what is wrong in a file ----------------------------------------------------------------------------


A, B = "first of its prompt in row", "and this one in the end row"
WRONG = [
    ("mooncake", [mooncake(0, 900, [1, 2]), mooncake(1, 900, [3, 2])], "follows 3 in row 2, but follows 1 in row 1"),
    ("mooncake", [mooncake(0, 900, [1, 2]), mooncake(1, 400, [2])], f"id 2 is the {A} 2, but follows 1 in row 1"),
    ("mooncake", [mooncake(0, 900, [1, 1])], f"id 1 follows 1 in row 1, but is the {A} 1"),
    ("mooncake", [mooncake(0, 900, [1, 2]), mooncake(1, 100, [1])], "id 1 stands for 100 tokens in row 2"),
    ("mooncake", [mooncake(0, 900, [1, 2, 3])], "3 ids in row 1, whose prompt has 900 tokens; expected at most 2"),
    ("mooncake", [mooncake(0, 900, [1]), mooncake(1, 900, [1, None])], "has '[1, None]' in row 2; expected a list"),
    ("mooncake", [mooncake(0, 900, "x y")], "'hash_ids' has 'x y' in row 1; expected a list of whole numbers"),
    ("dynamo", [dynamo("a", 9, 0), dynamo("a", 9, delay=-1)], "'delay' has -1 in row 2; expected a number, at least 0"),
    ("dynamo", [dynamo("a", 9, 5000), dynamo("a", 9, 1000)], "row 2 follows row 1, which comes later"),
    ("qwen-bailian", [bailian(1, -1, 0.0), bailian(2, 3, 1.0), bailian(3, -1, 2.0)], "row 2 follows row 3, which"),
    ("qwen-bailian", [bailian(1, 1, 0.0)], f"row 1 follows row 1, {B} 1"),
    ("qwen-bailian", [bailian(1, -1, 0.0), bailian(2, 3, 1.0), bailian(3, 2, 1.0)], f"row 2 follows row 3, {B} 2"),
    ("qwen-bailian", [bailian(1, 3, 0.0), bailian(2, 1, 1.0), bailian(3, 2, 1.0)], f"row 1 follows row 3, {B} 1"),
    ("qwen-bailian", [bailian(1, -1, 0.0), bailian(1, -1, 1.0)], "'chat_id' has '1' in row 1 and in row 2"),
    ("qwen-bailian", [bailian(1, -1, 0.0, 4), bailian(2, 1, 1.0, 4)], "'turn' has 4 in row 2 and 4 in row 1"),
]


@pytest.mark.parametrize(("form", "rows", "message"), WRONG)
def test_what_contradicts_itself_is_named_by_file_and_row(tmp_path, form, rows, message):
    with pytest.raises(DataError) as error:
        Workload(parse(traced(tmp_path, rows, form)))
    assert message in str(error.value)
    assert "trace.jsonl" in str(error.value)


def test_columns_that_say_half_of_sessions_are_refused(tmp_path):
    for columns in ({"session": "s"}, {"parent": "p"}, {"turn": "t"}):
        with pytest.raises(MesssimError, match="expected"):
            parse(traced(tmp_path, [], "columns", arrivals={"columns": columns}))


def test_hashes_are_left_out_with_a_note_where_prompts_are_not_those_of_the_trace(tmp_path):
    data = traced(tmp_path, [mooncake(0, 600, [1, 2])], tokens={"prompt": 10, "output": 2})
    w = Workload(parse(data))
    assert w.columns(0, 1).paths is None
    assert any("hash_ids is left out" in note for note in w.notes)


SESSION = [
    mooncake(0, 1024, [1, 2]) | {"session_id": "s", "delay": 0},
    mooncake(4000, 1536, [1, 2, 3]) | {"session_id": "s", "delay": 500},
]
PLAIN = {"time": "timestamp", "time_format": "ms", "prompt_tokens": "input_length", "output_tokens": "output_length"}


@pytest.mark.parametrize(
    ("form", "columns", "noted"),
    [
        ("mooncake", {}, "sessions and turns (session_id)"),
        ("columns", PLAIN, "hashes of blocks (hash_ids), sessions and turns (session_id)"),
        ("columns", PLAIN | {"session": "session_id", "delay": "delay"}, "hashes of blocks (hash_ids)"),
        ("dynamo", {}, None),
    ],
)
def test_sessions_and_hashes_that_no_column_names_are_left_out_with_a_note(tmp_path, form, columns, noted):
    data = traced(tmp_path, SESSION, form, arrivals={"columns": columns})
    notes = [note for note in Workload(parse(data)).notes if "left out" in note]
    expected = f"trace.jsonl: the file also has {noted}, which are left out; arrivals.columns names what is read"
    assert notes == ([] if noted is None else [expected])


@pytest.mark.parametrize(
    ("block_tokens", "tokens", "ids", "noted"),
    [
        (16, 1024, [1, 2], True),  # ids of 512 tokens, of which 16 are taken
        (512, 1535, [1, 2], False),  # what is shorter than a block has no id with some
        (512, 1536, [1, 2], True),
        (512, 1536, [], False),
    ],
)
def test_prompts_that_go_on_beyond_their_hashes_are_noted(tmp_path, block_tokens, tokens, ids, noted):
    rows = [mooncake(0, 512, [7]), mooncake(1, tokens, ids)]
    data = traced(tmp_path, rows, arrivals={"block_tokens": block_tokens})
    data["tokens"]["output"] = 3
    prompts = 2 if block_tokens == 16 else 1
    note = f"prompts that go on for {block_tokens} tokens or more beyond their hash_ids: {prompts}"
    assert any(note in n for n in Workload(parse(data)).notes) == noted
    if noted and block_tokens == 512:
        assert any(note in n for n in imported_log(tmp_path / "trace.jsonl", kind="mooncake").notes)


@pytest.mark.parametrize("rows", [[mooncake(0, 600, [1, 2, 3])], [SESSION[0], SESSION[1] | {"delay": -5}]])
def test_an_import_has_no_advice_on_tokens_where_hashes_or_delays_are_wrong(tmp_path, rows):
    file = tmp_path / "trace.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError, match="in row") as error:
        imported_log(file, kind="mooncake")
    assert "--skip-failed" not in str(error.value)


@pytest.mark.parametrize("before", [[], [mooncake(0, 512, [1]) | {"session_id": "s", "delay": None}]])
def test_a_first_turn_needs_a_time(tmp_path, before):
    first = {"input_length": 512, "output_length": 3, "hash_ids": [2], "session_id": "t", "delay": 500}
    data = traced(tmp_path, [*before, first, mooncake(9000, 512, [3]) | {"session_id": "u"}], "dynamo")
    message = f"column 'timestamp' has no value in row {len(before) + 1}"
    with pytest.raises(DataError, match=message):
        Workload(parse(data))
    with pytest.raises(DataError, match=message):
        imported_log(tmp_path / "trace.jsonl", kind="mooncake")
