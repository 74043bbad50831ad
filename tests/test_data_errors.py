"""What can be wrong with a trace or a table, and the line that it earns: file, column, row, what was expected."""

import gzip
import shlex
from pathlib import Path

import polars as pl
import pytest
from builders import model, scenario
from hypothesis import given, settings
from hypothesis import strategies as st

from messsim.errors import DataError, ScenarioError
from messsim.scenario import parse
from messsim.workload import Workload, blocks
from messsim.workload.readers import read

TRACE = {"arrival_s": [0.0, 1.0, 2.5], "prompt_tokens": [5, 6, 7], "output_tokens": [1, 2, 3]}
TABLE = {
    "prompt": ["one", "two", "three", "four"],
    "subject": ["a", "a", "b", None],
    "small": [0, 1, 1, 0],
    "large": [1, 1, 1, 0],
    "feature__0": [0.5, 1.5, -1.0, 0.0],
    "prompt_tokens": [5, 6, 7, 8],
    "output_tokens__small": [1, 2, 3, 4],
    "output_tokens__large": [1, 2, 3, 4],
    "joules_small": [1.0, 2.0, 3.0, 4.0],
    "joules_large": [1.0, 2.0, 3.0, 4.0],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


def write(path: Path, rows) -> None:
    """Bytes as they are, text as it is, columns as the name's kind of file."""
    if isinstance(rows, bytes):
        path.write_bytes(rows)
    elif isinstance(rows, str):
        path.write_text(rows)
    else:
        frame = pl.DataFrame(rows, strict=False)
        if path.name.endswith(".csv"):
            frame.write_csv(path)
        elif path.name.endswith(".parquet"):
            frame.write_parquet(path)
        else:
            frame.write_ndjson(path)


def with_trace(name: str, **law) -> dict:
    tokens = {"prompt": {"kind": "trace"}, "output": {"kind": "trace"}}
    return scenario(arrivals={"kind": "trace", "file": name} | law, tokens=tokens)


def with_table(name: str, phases=(), features=None, **spec) -> dict:
    satisfaction = {
        "kind": "table",
        "file": name,
        "group": "subject",
        "costs": "joules_{column}",
    } | spec
    tokens = {"prompt": {"kind": "table"}, "output": {"kind": "table"}}
    data = scenario(satisfaction=None, features=None, tokens=tokens, phases=list(phases))
    return data | {"satisfaction": satisfaction, "features": features or {"kind": "table"}}


def error_of(data: dict, folder: Path) -> str:
    """The error, its folder left out."""
    with pytest.raises(DataError) as caught:
        Workload(parse(data, folder=folder))
    return str(caught.value).replace(f"{folder}/", "")


def test_what_is_right_is_read(tmp_path):
    write(tmp_path / "t.csv", TRACE)
    write(tmp_path / "t.parquet", TABLE)
    assert len(Workload(parse(with_trace("t.csv"), folder=tmp_path)).trace) == 3
    assert Workload(parse(with_table("t.parquet"), folder=tmp_path)).table.rows == 4


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_rows_of_later_blocks_are_named_as_in_the_file(tmp_path, monkeypatch, kind):
    """40 rows in blocks of a few, of which row 31 is wrong."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 200)
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 4)
    file = tmp_path / f"t.{kind}"
    lengths = {"prompt": {"kind": "trace"}, "output": {"kind": "trace"}}
    for column in ("prompt_tokens", "output_tokens"):
        rows = {"arrival_s": [float(i) for i in range(40)], "prompt_tokens": [5] * 40, "output_tokens": [3] * 40}
        rows[column][30] = -7
        frame = pl.DataFrame(rows)
        frame.write_parquet(file, row_group_size=4) if kind == "parquet" else write(file, rows)
        expected = f"t.{kind}: column '{column}' has -7 in row 31"
        assert error_of(with_trace(file.name), tmp_path).startswith(expected)
        assert error_of(scenario(tokens={"file": file.name} | lengths), tmp_path).startswith(expected)


# ---- files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("none.csv", None, "none.csv: no such file"),
        ("t.xlsx", "PK", "t.xlsx: cannot tell its kind by its name; expected .csv, .csv.gz, .parquet, .jsonl or .nd"),
        ("t", "1", "t: cannot tell its kind by its name"),
        ("t.csv", "", "t.csv: cannot be read: "),
        ("t.csv.gz", b"", "t.csv.gz: cannot be read: "),
        ("t.parquet", b"", "t.parquet: cannot be read: "),
        ("t.jsonl", "", "t.jsonl: "),
        ("t.csv", "arrival_s,prompt_tokens,output_tokens\n", "t.csv: has no rows"),
        ("t.parquet", {k: [] for k in TRACE}, "t.parquet: has no rows"),
        ("t.csv", "arrival_s,prompt_tokens,output_tokens\n1,2\n3,4,5,6,7\n", "t.csv: cannot be read: "),
        (
            "t.csv",
            b"arrival_s,prompt_tokens,output_tokens\n\xff\xfe,1,1\n",
            "t.csv: column 'arrival_s' has 'ÿþ' in row 1",
        ),
        ("t.csv.gz", gzip.compress(b"arrival_s\n1\n" * 500, mtime=0)[:-20], "t.csv.gz: cannot be read: "),
        ("t.parquet", b"PAR1 and nothing more", "t.parquet: cannot be read: "),
        ("t.jsonl", '{"arrival_s": 1}\n{"arrival_s"', "t.jsonl: cannot be read: "),
        ("t.jsonl", "[1, 2]\n", "t.jsonl: "),
    ],
    ids=str,
)
def test_files(tmp_path, name, content, line):
    if content is not None:
        write(tmp_path / name, content)
    result = error_of(with_trace(name), tmp_path)
    assert result.startswith(line)
    assert len(result.splitlines()) == 1


def test_names_that_cannot_be_printed_are_written_out(tmp_path):
    write(tmp_path / "t.parquet", {"a\nb": [1], "": [2], "plain": [3]})
    assert error_of(with_trace("t.parquet"), tmp_path).splitlines()[0] == (
        r"t.parquet: column 'arrival_s' is missing; it has 'a\nb', '', plain"
    )


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "t.csv").mkdir()
    assert error_of(with_trace("t.csv"), tmp_path) == "t.csv: is a directory; expected a file"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "assertion failed: offset + length <= self.length",
            "it is damaged, or of a kind that Polars does not know",
        ),
        (
            'an `Err` value: Os { code: 24, kind: TooManyOpenFiles, message: "Too many open files" }',
            "Too many open files",
        ),
    ],
)
def test_a_panic_of_the_parquet_reader_is_an_error_of_the_file(tmp_path, monkeypatch, text, expected):
    """Polars panics on some damaged files, and without room, with an exception that no `except Exception` catches."""
    write(tmp_path / "t.parquet", TRACE)

    def panic(*_, **__):
        raise pl.exceptions.PanicException(text)

    monkeypatch.setattr(pl, "scan_parquet", panic)
    assert error_of(with_trace("t.parquet"), tmp_path) == f"t.parquet: cannot be read: {expected}"


# ---- traces ---------------------------------------------------------------------------------------------

WHEN = "seconds, or a date and time such as 2023-11-16T18:15:46"
DATE = "a date and time such as 2023-11-16T18:15:46, or another with arrivals.columns.time_format PATTERN"
TIME = "a number, at least 0 and at most 1e+12"
COUNT = "a number, at least 1 and at most 10000000"
COUNT_OF_A_TRACE = f"{COUNT}; messsim import --skip-failed leaves out rows without tokens"
COUNT_BELOW_0 = f"{COUNT}; such rows can be left out, messsim import --select 'prompt_tokens>0'"
NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
@pytest.mark.parametrize(
    ("column", "values", "has", "expected"),
    [
        ("arrival_s", [0.0, None, 1.0], "has no value in row 2", WHEN),
        ("arrival_s", ["0", "x", "1"], "has 'x' in row 2", WHEN),
        ("arrival_s", ["2023-11-16T18:15:46", "soon", "1"], "has 'soon' in row 2", DATE),
        (
            "arrival_s",
            ["16/11/2023 18:15", "11/16/2023 18:15", "11/17/2023 18:15"],
            "has '16/11/2023 18:15' in row 1",
            DATE,
        ),
        ("arrival_s", ["2023-13-16 18:15:00"] * 3, "has '2023-13-16 18:15:00' in row 1", DATE),
        ("arrival_s", [0.0, 1.0, -1.0], "has -1 in row 3", TIME),
        ("arrival_s", [0.0, 1e13, 1.0], "has 1e+13 in row 2", TIME),
        ("arrival_s", [True, False, True], "is of type Boolean", TIME),
        ("prompt_tokens", [5, 0, 7], "has 0 in row 2", COUNT_OF_A_TRACE),
        ("prompt_tokens", [5, 0.25, 7], "has 0.25 in row 2", COUNT),
        ("prompt_tokens", [5, -3, 7], "has -3 in row 2", COUNT_BELOW_0),
        ("prompt_tokens", [5, None, 7], "has no value in row 2", COUNT_OF_A_TRACE),
        ("output_tokens", ["5", "many", "7"], "has 'many' in row 2", COUNT_OF_A_TRACE),
        ("output_tokens", [1, 2, 10_000_001], "has 10000001 in row 3", COUNT),
    ],
)
def test_values_of_a_trace(tmp_path, name, column, values, has, expected):
    write(tmp_path / name, TRACE | {column: values})
    assert error_of(with_trace(name), tmp_path) == f"{name}: column {column!r} {has}; expected {expected}"


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize(("column", "expected"), [("arrival_s", TIME), ("prompt_tokens", COUNT_OF_A_TRACE)])
def test_numbers_of_a_trace_are_finite(tmp_path, value, column, expected):
    expected = COUNT if column == "prompt_tokens" and value in (INF, -INF) else expected
    write(tmp_path / "t.parquet", TRACE | {column: [1.0, value, 2.0]})
    assert error_of(with_trace("t.parquet"), tmp_path) == (
        f"t.parquet: column {column!r} has {value} in row 2; expected {expected}"
    )


ONE_TIME = "arrivals are at one time, so there is no rate; expected arrivals.rate_rps, or arrivals.repeat = false"


@pytest.mark.parametrize(
    ("change", "law", "line"),
    [
        ({"arrival_s": None}, {}, "column 'arrival_s' is missing; it has prompt_tokens, output_tokens"),
        ({"arrival_s": None, "arrivals": [1, 2, 3]}, {}, "column 'arrival_s' is missing; did you mean 'arrivals'?"),
        ({}, {"columns": {"time": "TIME"}}, "column 'TIME' is missing; did you mean 'arrival_s'?"),
        ({}, {"columns": {"prompt_tokens": "prompt"}}, "column 'prompt' is missing; did you mean 'prompt_tokens'?"),
        ({"arrival_s": [4.0, 4.0, 4.0]}, {}, f"all 3 {ONE_TIME}"),
        ({}, {"window_s": [1.5, 2.0]}, "has no rows in window_s = [1.5, 2.0] s"),
        ({}, {"window_s": [2.0, 3.0]}, f"all 1 {ONE_TIME}"),
    ],
    ids=lambda x: x[:60] if isinstance(x, str) else "",
)
def test_traces(tmp_path, change, law, line):
    write(tmp_path / "t.csv", {k: v for k, v in (TRACE | change).items() if v is not None})
    assert error_of(with_trace("t.csv", **law), tmp_path) == f"t.csv: {line}"


def test_all_missing_columns_are_told(tmp_path):
    write(tmp_path / "t.csv", {"x": [1.0, 2.0]})
    assert error_of(with_trace("t.csv"), tmp_path).splitlines() == [
        *(f"t.csv: column {column!r} is missing; it has x" for column in TRACE),
        "t.csv: messsim import t.csv --out FILE reads files of other tools",
    ]


def test_the_columns_of_another_tool_are_named_by_the_key_that_takes_them(tmp_path):
    """As BurstGPT calls them; the benchmark of vLLM has totals too, which are not those of a request."""
    write(tmp_path / "b.csv", {"Timestamp": [1.0, 2.0], "Request tokens": [1, 2], "Response tokens": [3, 4]})
    named = '{ time = "Timestamp", prompt_tokens = "Request tokens", output_tokens = "Response tokens" }'
    assert f"arrivals.columns = {named} names them, or messsim import b.csv" in error_of(with_trace("b.csv"), tmp_path)
    bench = '{"total_input_tokens": 3, "start_times": [1.0, 2.0], "input_lens": [1, 2], "output_lens": [3, 4]}'
    (tmp_path / "bench.json").write_text(bench)
    assert '"start_times", prompt_tokens = "input_lens", ' in error_of(with_trace("bench.json"), tmp_path)


def test_outcomes_of_another_tool_are_referred_to_the_import(tmp_path):
    write(tmp_path / "t.parquet", {"instance_id": ["a"], "stats": [[1.0]]})
    assert "messsim import --outcomes t.parquet --out FILE" in error_of(with_table("t.parquet"), tmp_path)


def test_columns_that_nobody_asks_for_may_be_anything(tmp_path):
    write(tmp_path / "t.csv", {"arrival_s": [1.0, 2.0], "prompt_tokens": [-1, -2], "other": ["x", None]})
    data = with_trace("t.csv") | {"tokens": {}}
    assert len(Workload(parse(data, folder=tmp_path)).trace) == 2


def test_a_column_of_lists_is_told(tmp_path):
    write(tmp_path / "t.parquet", TRACE | {"arrival_s": [[1], [2], [3]]})
    assert error_of(with_trace("t.parquet"), tmp_path).startswith(
        "t.parquet: column 'arrival_s' is of type List(Int64); expected a number"
    )


# ---- tables ---------------------------------------------------------------------------------------------

OUTCOME = "a number, at least 0 and at most 1"
WAY_OUT = "messsim import --outcomes with --skip-failed leaves out prompts without a score"
COST = "a number, at least 0"
FINITE = "a finite number"


@pytest.mark.parametrize(
    ("column", "values", "has", "expected"),
    [
        ("small", [0, 1, 2, 1], "has 2 in row 3", OUTCOME),
        ("small", [0, 1, -0.5, 1], "has -0.5 in row 3", OUTCOME),
        ("small", [0, None, 1, None], "has no value in row 2", f"{OUTCOME}; {WAY_OUT}"),
        ("small", ["1", "no", "1", "0"], "has 'no' in row 2", OUTCOME),
        ("joules_large", [1.0, -2.0, 0.0, 0.0], "has -2 in row 2", COST),
        ("joules_large", [1.0, INF, 0.0, 0.0], "has inf in row 2", COST),
        ("output_tokens__large", [1, 2, 3, 0], "has 0 in row 4", COUNT),
        ("feature__0", [1.0, 2.0, INF, 0.0], "has inf in row 3", FINITE),
        ("feature__0", [1.0, NAN, 0.0, 0.0], "has nan in row 2", FINITE),
    ],
)
def test_values_of_a_table(tmp_path, column, values, has, expected):
    write(tmp_path / "t.parquet", TABLE | {column: values})
    result = error_of(with_table("t.parquet"), tmp_path)
    assert result.startswith(f"t.parquet: column {column!r} {has}; expected {expected}")
    assert ("messsim import --outcomes" in result) == (column == "small")


@pytest.mark.parametrize(
    ("values", "grades"),
    [([80, 20, 100, 0], " --map 0..100"), ([5, 1, 2, 3], " --map LOWEST..HIGHEST"), (["1", "no", "1", "0"], "")],
)
def test_scores_of_another_scale_are_referred_to_the_import_that_reads_them(tmp_path, values, grades):
    write(tmp_path / "t.parquet", TABLE | {"small": values})
    with pytest.raises(DataError) as raised:
        Workload(parse(with_table("t.parquet"), folder=tmp_path))
    file = shlex.quote(f"small={tmp_path / 't.parquet'}")
    assert f"messsim import --outcomes {file} and so on{grades} reads percents" in raised.value.problems[0]


def test_numbers_in_quotes_are_numbers(tmp_path):
    write(tmp_path / "t.jsonl", TABLE | {"small": ["1", " 0.5", "1", "0"], "prompt_tokens": ["5", "6", "7", "8"]})
    table = Workload(parse(with_table("t.jsonl"), folder=tmp_path)).table
    assert table.satisfied["small"].tolist() == [1.0, 0.5, 1.0, 0.0]
    assert table.prompt_tokens.tolist() == [5, 6, 7, 8]


@pytest.mark.parametrize(
    ("change", "message", "line"),
    [
        ({"large": None, "larg": [1, 1, 0, 0]}, {}, "column 'large' is missing; did you mean 'larg'?"),
        ({"joules_small": None}, {}, "column 'joules_small' is missing; did you mean 'joules_large'?"),
        ({}, {"costs": "usd"}, "column 'usd' is missing; it has prompt, subject, small, large, feature__0, prompt_"),
        ({}, {"costs": "{"}, "column '{' is missing; it has"),
        ({}, {"costs": "{name}"}, "column '{name}' is missing; it has"),
        ({}, {"output_tokens": "{0}"}, "column '{0}' is missing; it has"),
        ({"prompt_tokens": None}, {}, "column 'prompt_tokens' is missing; did you mean"),
        ({"subject": None}, {}, "column 'subject' is missing"),
        ({}, {"format": "capture"}, "column 'label_small' is missing; did you mean"),
        ({"feature__0": None}, {}, "no column starts with features.prefix = 'feature__'"),
    ],
    ids=lambda x: x[:60] if isinstance(x, str) else "",
)
def test_tables(tmp_path, change, message, line):
    write(tmp_path / "t.parquet", {k: v for k, v in (TABLE | change).items() if v is not None})
    result = error_of(with_table("t.parquet", **message), tmp_path)
    assert result.splitlines()[0].startswith(f"t.parquet: {line}")


def test_a_group_that_no_row_has(tmp_path):
    write(tmp_path / "t.parquet", TABLE)
    phases = [{"from_request": 1, "groups": ["a"]}, {"from_request": 2, "groups": ["b", "law"]}]
    assert error_of(with_table("t.parquet", phases), tmp_path) == (
        "t.parquet: phases.1.groups: column 'subject' has no 'law'; it has a, b"
    )


def test_a_phases_column_that_is_missing(tmp_path):
    write(tmp_path / "t.parquet", TABLE)
    phases = [{"from_request": 1, "columns": {"small": "smaller"}}]
    assert "column 'smaller' is missing; did you mean 'small'?" in error_of(with_table("t.parquet", phases), tmp_path)


@pytest.mark.parametrize(
    ("message", "features"),
    [({"group": "lists"}, None), ({}, {"kind": "text", "column": "lists"})],
    ids=["group", "text"],
)
def test_lists_are_no_text(tmp_path, message, features):
    write(tmp_path / "t.parquet", TABLE | {"lists": [[1], [2], [3], [4]]})
    assert error_of(with_table("t.parquet", features=features, **message), tmp_path) == (
        "t.parquet: column 'lists' is of type List(Int64); expected text or numbers"
    )


def test_a_text_column_that_is_missing(tmp_path):
    write(tmp_path / "t.parquet", TABLE)
    features = {"kind": "text", "column": "promt", "dimensions": 2}
    assert error_of(with_table("t.parquet", features=features), tmp_path) == (
        "t.parquet: column 'promt' is missing; did you mean 'prompt'?"
    )


def test_more_features_than_texts(tmp_path):
    pytest.importorskip("sklearn")
    write(tmp_path / "t.parquet", TABLE)
    with pytest.raises(ScenarioError) as caught:
        Workload(parse(with_table("t.parquet", features={"kind": "text", "dimensions": 4}), folder=tmp_path))
    assert str(caught.value) == "features.dimensions = 4: expected fewer than the 4 texts"


def test_text_needs_scikit_learn(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.decomposition", None)
    write(tmp_path / "t.parquet", TABLE)
    with pytest.raises(ScenarioError) as caught:
        Workload(parse(with_table("t.parquet", features={"kind": "text"}), folder=tmp_path))
    assert str(caught.value) == (
        "features.kind = 'text': scikit-learn is not installed; expected `pip install messsim[text]`"
    )


def test_a_models_column_is_named_by_its_column_key(tmp_path):
    write(tmp_path / "t.parquet", TABLE)
    data = with_table("t.parquet") | {"models": [model("small"), model("big", column="larger")]}
    assert "column 'larger' is missing; did you mean 'large'?" in error_of(data, tmp_path)


# ---- any bytes at all -----------------------------------------------------------------------------------


def bytes_of(folder: Path, name: str, rows: dict) -> bytes:
    plain = folder / f"whole{Path(name.removesuffix('.gz')).suffix}"
    write(plain, rows)
    return gzip.compress(plain.read_bytes(), mtime=0) if name.endswith(".gz") else plain.read_bytes()


DAMAGED = ["t.csv", "t.csv.gz", "t.jsonl", "t.parquet"]


@st.composite
def damaged(draw, whole: bytes) -> bytes:
    """A file with some bytes replaced, removed or added."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
    return bytes(data)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(draw=st.data(), name=st.sampled_from(DAMAGED), rows=st.sampled_from([TRACE, TABLE]))
def test_any_damage_is_told(folder, draw, name, rows):
    whole = bytes_of(folder, name, rows)
    (folder / name).write_bytes(draw.draw(st.one_of(st.binary(max_size=60), damaged(whole))))
    taken_or_refused(folder, name)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(noise=st.binary(max_size=60), end=st.floats(0, 1))
def test_no_bytes_and_no_truncated_parquet_file_do_harm(folder, noise, end):
    whole = bytes_of(folder, "t.parquet", TABLE)
    for data in (noise, whole[: int(end * len(whole))], b"PAR1" + noise + b"PAR1"):
        (folder / "t.parquet").write_bytes(data)
        taken_or_refused(folder, "t.parquet")


def taken_or_refused(folder: Path, name: str) -> None:
    for data in (with_trace(name), with_table(name)):
        try:
            w = Workload(parse(data, folder=folder))
        except DataError as error:
            problems = error.problems
        else:
            assert all(len(c) for c in w.chunks(16))
            continue
        assert problems
        assert all("\n" not in p for p in problems)


def test_reading_nothing_but_named_columns(tmp_path):
    write(tmp_path / "t.csv", TRACE)
    assert read(tmp_path / "t.csv", ["output_tokens", "arrival_s", "arrival_s"]).columns == [
        "output_tokens",
        "arrival_s",
    ]
