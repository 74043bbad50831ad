"""A path is a path: whatever its name, the named file is read, and what is no plain file is refused by its kind."""

import gzip
import json
import os
import re
import shutil
import socket
import tomllib
from pathlib import Path

import polars as pl
import pytest
import tomli_w
from builders import imported_log, imported_vllm, scenario
from test_cli import here

import messsim
from messsim.engines import prepare
from messsim.errors import DataError, MesssimError, OutputError, ScenarioError
from messsim.files import json_text, read_bytes
from messsim.logs.traces import TraceColumns, write_trace
from messsim.report.pages.report import report
from messsim.results import Result, tally
from messsim.scenario import dump, load, parse
from messsim.scenario.overrides import override
from messsim.study.runs.points import read_points
from messsim.study.simulation.explain import explain
from messsim.study.simulation.single import ENGINES
from messsim.workload import Workload, blocks
from messsim.workload.readers import read

NAMES = ["t[1]", "a*", "q?", "{a,b}", "it's", 'say "so"', "a#b", "100%", "two words", "größe 度", "~", "$HOME", "[!a]"]
NOT_UTF8 = os.fsdecode(b"caf\xe9")
DECOYS = ["t1", "ab", "qq", "a", "b", "x"]  # what a pattern would find instead, or as well
KINDS = [".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet"]


def table(tokens: int) -> pl.DataFrame:
    return pl.DataFrame({"arrival_s": [0.0, 1.0], "prompt_tokens": [tokens] * 2, "output_tokens": [3, 4]})


def write(path: Path, frame: pl.DataFrame) -> None:
    kind = path.name.removesuffix(".gz").rsplit(".", 1)[1]
    if kind == "parquet":
        with path.open("wb") as file:
            frame.write_parquet(file)
        return
    text = (frame.write_csv() if kind == "csv" else frame.write_ndjson()).encode()
    path.write_bytes(gzip.compress(text, mtime=0) if path.name.endswith(".gz") else text)


def traced(file: str, **more) -> dict:
    tokens = {"prompt": {"kind": "trace"}, "output": {"kind": "trace"}}
    arrivals = {"kind": "trace", "file": file, "repeat": False}
    return scenario(requests=None, arrivals=arrivals, tokens=tokens, **more)


@pytest.mark.parametrize("name", [*NAMES, NOT_UTF8])
@pytest.mark.parametrize("kind", KINDS)
def test_the_named_file_is_read_and_no_other(tmp_path, name, kind):
    for decoy in DECOYS:
        write(tmp_path / f"{decoy}{kind}", table(9999))
    write(tmp_path / f"{name}{kind}", table(10))
    trace = Workload(parse(traced(f"{name}{kind}"), folder=tmp_path)).trace
    assert trace.prompt_tokens.tolist() == [10, 10]
    assert read(tmp_path / f"{name}{kind}")["prompt_tokens"].to_list() == [10, 10]
    imported = imported_log(tmp_path / f"{name}{kind}")
    assert imported.frame["prompt_tokens"].to_list() == [10, 10]
    out = tmp_path / f"{name} again{kind}"
    if kind != ".jsonl.gz":
        write_trace(imported, out)
        assert read(out)["prompt_tokens"].to_list() == [10, 10]


@pytest.mark.parametrize("kind", KINDS)
def test_a_pattern_that_is_no_file_matches_nothing(tmp_path, kind):
    write(tmp_path / f"t1{kind}", table(9999))
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / f"t[1]{kind}")
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / f"*{kind}")


@pytest.mark.parametrize("name", [*NAMES, NOT_UTF8])
def test_a_run_is_read_from_its_own_directory(tmp_path, name):
    """As a folder's name too: its data, its results, and what is made of them."""
    folder = tmp_path / name
    folder.mkdir()
    for decoy in DECOYS:
        messsim.run(parse(scenario(requests=70)), out=tmp_path / decoy / "r")
    messsim.run(parse(scenario(requests=30)), out=folder / "r")
    result = Result.read(folder / "r")
    assert result.requests.collect().height == 30
    assert result.timeline.height == 30
    assert explain(folder / "r", 29)["request"] == 29
    report(folder / "r", folder / "page.html")
    (folder / "points.csv").write_text("router.V\n1e-3\n")
    assert read_points(folder / "points.csv") == [{"router.V": 1e-3}]


@pytest.mark.parametrize("name", ["~", "~/r", "$HOME", "file:", "file:/r", "s3:", "http:/r", "hf:/r", "-"])
def test_a_name_that_means_more_to_others_is_a_name_here(tmp_path, monkeypatch, name):
    """Relative: a program that expands names does so at their beginning."""
    monkeypatch.chdir(tmp_path)
    Path(name).parent.mkdir(exist_ok=True)
    messsim.run(parse(scenario(requests=30)), out=Path(name))
    assert Result.read(Path(name)).requests.collect().height == 30
    assert explain(Path(name), 29)["request"] == 29
    if name != "-":
        write(Path(f"{name}.parquet"), table(10))
        assert read(Path(f"{name}.parquet"))["prompt_tokens"].to_list() == [10, 10]
        assert imported_log(Path(f"{name}.parquet")).frame["prompt_tokens"].to_list() == [10, 10]


def test_a_scenario_that_cannot_be_written_down_is_refused_before_it_runs(tmp_path):
    folder = tmp_path / NOT_UTF8
    folder.mkdir()
    write(folder / "t.csv", table(10))
    parsed = parse(traced("t.csv"), folder=folder)
    assert messsim.run(parsed).summary["requests"]["arrived"] == 2
    with pytest.raises(ScenarioError, match=r"caf\\udce9/t.csv: is not UTF-8"):
        messsim.run(parsed, out=tmp_path / "o")
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("command", ["init", "init --from", "import", "import --outcomes", "calibrate"])
def test_what_a_scenario_is_to_name_has_a_name_in_utf8(tmp_path, command):
    """It printed a scenario that cannot be read, or ended in a traceback; the folder's own name does not matter."""
    folder = tmp_path / NOT_UTF8
    folder.mkdir()
    (folder / "t.csv").write_text(table(7).write_csv())
    (folder / "o.csv").write_text("prompt,model,score\np,a,1\np,b,0\n")
    given = {
        "init": [],
        "init --from": [folder / "t.csv"],
        "import": [folder / "t.csv", "--out"],
        "import --outcomes": [folder / "o.csv", "--out"],
        "calibrate": [Path("scenarios") / "data" / "own-gpu-iterations.csv", "--out"],
    }
    ends = {"import": "csv", "import --outcomes": "parquet"}.get(command, "toml")
    for name, code in ((NOT_UTF8, 2), ("new", 0)):
        done = here(*command.split(), *given[command], folder / f"{name}.{ends}")
        assert done.returncode == code, done.stderr
        assert ("is not UTF-8, so that no scenario can name it; expected another name" in done.stderr) == (code == 2)
        assert (folder / f"{name}.{ends}").exists() == (code == 0)


def test_values_that_are_not_utf8_are_refused(tmp_path):
    (tmp_path / "s.toml").write_text(dump(parse(scenario())))
    with pytest.raises(ScenarioError, match=r"name=caf\\udce9: is not UTF-8"):
        load(tmp_path / "s.toml", [f"name={NOT_UTF8}"])


@pytest.mark.parametrize("length", [256, 300, 5000])
def test_names_that_are_too_long_are_told(tmp_path, length):
    name = "x" * length
    for reader in (lambda p: read(p.with_suffix(".csv")), load, read_points, imported_vllm, Result.read):
        with pytest.raises(MesssimError, match="File name too long"):
            reader(tmp_path / name)


# ---- what is no plain file ------------------------------------------------------------------------------


@pytest.fixture(params=["a pipe", "a socket", "a device", "a directory"])
def other(request, tmp_path):
    """Something that is no plain file, and which kind it is."""
    path = tmp_path / "it.csv"
    server = socket.socket(socket.AF_UNIX)
    if request.param == "a pipe":
        os.mkfifo(path)
    elif request.param == "a socket":
        server.bind(str(path))
    elif request.param == "a device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    yield path, request.param
    server.close()


def test_what_is_no_plain_file_is_refused_by_its_kind(other):
    path, kind = other
    instead = "; a command takes - for standard input" if kind == "a pipe" else ""
    for reader in (read, imported_vllm, read_points, imported_log):
        with pytest.raises(DataError) as reported:
            reader(path)
        assert str(reported.value) == f"{path}: is {kind}; expected a file{instead}"
    with pytest.raises(ScenarioError) as reported:
        load(path)
    assert str(reported.value) == f"{path}: is {kind}; expected a scenario in TOML{instead}"
    with pytest.raises(DataError, match=f"is {kind}"):
        Workload(parse(traced(path.name), folder=path.parent))


# ---- damaged results ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "r"
    messsim.run(parse(scenario(requests=50)), out=folder)
    return folder


DEEP = "[" * 200_000 + "]" * 200_000


@pytest.mark.parametrize("text", ["null", "[]", "3", "{}", '{"requests": 5}', DEEP, "", "\xff"], ids=lambda t: t[:8])
def test_explain_tells_what_is_wrong_with_a_summary(tmp_path, whole, text):
    shutil.copytree(whole, tmp_path / "r")
    (tmp_path / "r" / "summary.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(OutputError, match=r"summary\.json|expected a directory that"):
        explain(tmp_path / "r", 3)


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("models.0.name", "tiny", 'models = ["tiny", "large"], and the run was of ["small", "large"]'),
        ("seed", 7, "seed = 7, and the run was of 1: it was changed"),
        ("replication", 2, "replication = 2, and the run was of 0"),
        ("name", "b", 'name = "b", and the run was of "'),
        ("sla.alpha", 0.1, "or its scenario.toml was changed"),
    ],
)
def test_explain_tells_that_the_scenario_was_changed(tmp_path, whole, key, value, what):
    shutil.copytree(whole, tmp_path / "r")
    file = tmp_path / "r" / "scenario.toml"
    file.write_text(tomli_w.dumps(override(tomllib.loads(file.read_text()), key.split("."), value)))
    with pytest.raises(OutputError, match=re.escape(what)):
        explain(tmp_path / "r", 3)


@pytest.mark.parametrize("of", ["model", "tenant"])
def test_names_of_a_summary_that_are_not_those_of_the_records_are_told(tmp_path, whole, of):
    shutil.copytree(whole, tmp_path / "r")
    file = tmp_path / "r" / "summary.json"
    summary = json.loads(file.read_text())
    summary[f"{of}s"][0]["name"] = "tiny"
    file.write_text(json.dumps(summary))
    with pytest.raises(OutputError, match=rf"summary.json: its {of}s are tiny.*, those of the records "):
        explain(tmp_path / "r", 3)


@pytest.mark.parametrize("harm", ["cut", "noise", "gone", "empty", "folder gone"])
def test_explain_tells_what_is_wrong_with_the_records(tmp_path, whole, harm):
    shutil.copytree(whole, tmp_path / "r")
    (part,) = (tmp_path / "r" / "requests").iterdir()
    content = part.read_bytes()
    if harm == "gone":
        part.unlink()
    elif harm == "folder gone":
        shutil.rmtree(part.parent)
    else:
        harmed = {"cut": content[: len(content) // 2], "noise": content[:60] + b"\xff" * 60 + content[120:]}
        part.write_bytes(harmed.get(harm, b""))
    with pytest.raises(OutputError):
        explain(tmp_path / "r", 3)


def test_a_request_whose_record_is_missing_is_told(tmp_path, whole):
    shutil.copytree(whole, tmp_path / "r")
    (part,) = (tmp_path / "r" / "requests").iterdir()
    pl.read_parquet(part).filter(pl.col("id") != 3).write_parquet(part)
    for request in (3, 4):
        with pytest.raises(OutputError, match="holds records of 49 requests, not of 50"):
            explain(tmp_path / "r", request)


BENCH = {"start_times": [1.0, 2.0], "input_lens": [1, 2], "output_lens": [3, 4]}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (DEEP, "nested too deeply"),
        (json.dumps(BENCH | {"errors": 5}), "errors: expected a list"),
        (json.dumps(BENCH | {"start_times": [10**400, 1]}), "column 'start_times' has inf in row 1"),
        ('{"start_times": [' + "1" * 5000 + "]}", "is no JSON object"),
    ],
    ids=["deep", "errors", "400 digits", "5000 digits"],
)
def test_odd_benchmarks_are_told(tmp_path, text, line):
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(DataError, match=line):
        imported_vllm(tmp_path / "b.json")


# ---- block by block -------------------------------------------------------------------------------------


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 64)
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 5)
    monkeypatch.setattr(blocks, "LONGEST_LINE", 300)


LONG = pl.DataFrame(
    {
        "arrival_s": [i * 0.5 for i in range(200)],
        "prompt": [f'say "{i}",\n\nthen\r\nstop' if i % 3 else "" for i in range(200)],
        "prompt_tokens": [1 + i % 7 for i in range(200)],
        "output_tokens": [1 + i % 11 for i in range(200)],
        "user": [f"u{i % 5}" for i in range(200)],
    }
)


@pytest.mark.parametrize("kind", KINDS)
def test_the_size_of_blocks_changes_nothing(tmp_path, kind, small_blocks):
    if kind == ".parquet":
        LONG.write_parquet(tmp_path / "t.parquet", row_group_size=3)
    else:
        write(tmp_path / f"t{kind}", LONG)
    trace = Workload(parse(traced(f"t{kind}"), folder=tmp_path)).trace
    assert trace.time_s.tolist() == LONG["arrival_s"].to_list()
    assert trace.prompt_tokens.tolist() == LONG["prompt_tokens"].to_list()
    assert trace.output_tokens.tolist() == LONG["output_tokens"].to_list()
    imported = imported_log(tmp_path / f"t{kind}", TraceColumns(tenant="user")).frame
    assert imported["tenant"].to_list() == LONG["user"].to_list()
    assert len(list(blocks.blocks(tmp_path / f"t{kind}", ["user"]))) > 10


@pytest.mark.parametrize("kind", [".csv", ".jsonl", ".parquet"])
def test_a_bad_value_in_a_later_block_names_its_row(tmp_path, kind, small_blocks):
    values = [1 + i % 7 for i in range(200)]
    values[150] = 0
    frame = LONG.with_columns(pl.Series("prompt_tokens", values))
    frame.write_parquet(tmp_path / "t.parquet", row_group_size=3)
    if kind != ".parquet":
        write(tmp_path / f"t{kind}", frame)
    for reader in (
        lambda: Workload(parse(traced(f"t{kind}"), folder=tmp_path)),
        lambda: imported_log(tmp_path / f"t{kind}"),
    ):
        with pytest.raises(DataError, match=r"'prompt_tokens' has 0 in row 151; expected"):
            reader()


def test_dates_and_order_across_blocks(tmp_path, small_blocks):
    lines = [f"2023-11-16T18:{i // 60:02d}:{i % 60:02d},1,1" for i in reversed(range(300))]
    (tmp_path / "t.csv").write_text("arrival_s,prompt_tokens,output_tokens\n" + "\n".join(lines) + "\n\n\n")
    trace = Workload(parse(traced("t.csv"), folder=tmp_path)).trace
    assert trace.time_s.tolist() == list(range(300))
    assert "sorted" in trace.notes[0]
    (tmp_path / "t.csv").write_text("arrival_s,prompt_tokens,output_tokens\n" + "\n".join([*lines, "7,1,1"]) + "\n")
    with pytest.raises(DataError, match=r"row 301; expected"):
        Workload(parse(traced("t.csv"), folder=tmp_path))


def test_columns_of_two_types_and_byte_order_marks(tmp_path, small_blocks):
    lines = [f"{i},{i + 1},1" for i in range(60)] + [f"{i}.5,{i + 1}.0,1" for i in range(60, 120)]
    (tmp_path / "t.csv").write_bytes(
        b"\xef\xbb\xbfarrival_s,prompt_tokens,output_tokens\r\n" + "\r\n".join(lines).encode()
    )
    trace = Workload(parse(traced("t.csv"), folder=tmp_path)).trace
    assert len(trace) == 120
    assert trace.time_s[-1] == 119.5
    assert trace.prompt_tokens.tolist() == list(range(1, 121))


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.jsonl"])
def test_a_line_without_end_is_told(tmp_path, name, small_blocks):
    start = b"arrival_s,prompt_tokens,output_tokens\n0,1,1\n" if "csv" in name else b'{"arrival_s": 0}\n'
    text = start + b"7" * 5000
    (tmp_path / name).write_bytes(gzip.compress(text, mtime=0) if name.endswith("gz") else text)
    with pytest.raises(DataError, match=r"line [23] is longer than"):
        list(blocks.blocks(tmp_path / name, ["arrival_s"]))


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.jsonl"])
def test_a_line_without_end_is_told_where_all_is_read_at_once(tmp_path, name, monkeypatch):
    monkeypatch.setattr(blocks, "LONGEST_LINE", 1000)
    start = b"a,b\n" + b"1,2\n" * 600 if "csv" in name else b'{"a": 1}\n' * 600
    for more, line in ((b"7" * 5000, 602 if "csv" in name else 601), (b"", None)):
        text = start + more
        (tmp_path / name).write_bytes(gzip.compress(text, mtime=0) if name.endswith("gz") else text)
        if line is None:
            assert len(read(tmp_path / name)) == 600
        else:
            with pytest.raises(DataError, match=f"line {line} is longer than"):
                read(tmp_path / name)


def test_utf_16_is_not_cut_without_a_word(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "MOST_UNPACKED", 1000)
    (tmp_path / "t.csv").write_bytes(("a\n" + "1\n" * 1000).encode("utf-16"))
    with pytest.raises(DataError, match="is of UTF-16 and longer than"):
        list(blocks.blocks(tmp_path / "t.csv", ["a"]))


def test_a_name_of_any_length_leaves_a_message_that_can_be_read(tmp_path):
    (tmp_path / "t.csv").write_text("x" * 100_000 + ",b\n1,2\n")
    done = here(
        "import", tmp_path / "t.csv", "--time", "a", "--prompt-tokens", "b", "--output-tokens", "c", "--out", "o"
    )
    assert done.returncode == 2
    assert "column 'a' is missing" in done.stderr
    assert len(done.stderr) < 10_000


def test_a_quote_that_is_never_closed_is_told(tmp_path, small_blocks):
    (tmp_path / "t.csv").write_text('arrival_s,name\n0,"open\n' + "1,x\n" * 500)
    with pytest.raises(DataError, match="is there a quote that is never closed"):
        list(blocks.blocks(tmp_path / "t.csv", ["arrival_s"]))


def test_too_many_rows_are_told(tmp_path, monkeypatch, small_blocks):
    monkeypatch.setattr(blocks, "MOST_ROWS", 100)
    write(tmp_path / "t.csv", LONG)
    write(tmp_path / "t.parquet", LONG)
    for name in ("t.csv", "t.parquet"):
        with pytest.raises(DataError, match="rows; expected"):
            list(blocks.blocks(tmp_path / name, ["arrival_s"]))


def test_a_packed_file_that_holds_too_much_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "MOST_UNPACKED", 1000)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a\n" + b"1\n" * 1000, mtime=0))
    with pytest.raises(DataError, match="holds more than"):
        read(tmp_path / "t.csv.gz")


def test_a_bad_line_of_jsonl_is_named(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n{"a": 2}\n{"a": \n')
    with pytest.raises(DataError, match=r"row 3 is no JSON object"):
        read(tmp_path / "t.jsonl")
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n{"a": ' + DEEP + "}\n")
    with pytest.raises(DataError, match=r"cannot be read"):
        read(tmp_path / "t.jsonl")


# ---- many --------------------------------------------------------------------------------------------------


def test_requests_beyond_two_to_the_32nd_are_drawn_as_any_other():
    w = Workload(parse(scenario(features={"dimensions": 2})))
    border = 2**32
    together = w.columns(border - 2, 4)
    for i in range(4):
        alone = w.columns(border - 2 + i, 1)
        assert alone.features[:, 0].tolist() == together.features[:, i].tolist()
        assert alone.feedback_uniform[0] == together.feedback_uniform[i]
    early = w.columns(0, 2)
    assert early.features.tolist() != together.features[:, 2:].tolist()
    assert w.columns(2**40, 1).first == 2**40


def test_many_tenants_have_the_latencies_of_few():
    """Beyond some tenants only bins that are not empty are held; the figures are the same to the last bit."""
    parsed = parse(scenario(requests=400, tenants=[{"name": f"t{i}"} for i in range(70)]))
    summaries = []
    for few in (tally.FEW_TENANTS, 1000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tally, "FEW_TENANTS", few)
            sums = tally.Tally(parsed)
            ENGINES["compiled"](prepare(parsed), sums.add, None)
            sums.close()
        summaries.append([sums.latencies_of_tenant(k) for k in range(70)])
    assert summaries[0] == summaries[1]
    assert any(s["e2e"]["p50"] is not None for s in summaries[0])


def test_too_many_tenants_are_told():
    with pytest.raises(ScenarioError, match=r"tenants = \[\.\.\.\]: expected at most 20000 entries"):
        parse(scenario(tenants=[{"name": f"t{i}"} for i in range(20_001)]))


@pytest.mark.parametrize("engine", ["compiled", "simpy"])
def test_instances_that_learn_nothing_do_not_reconcile_for_ever(engine):
    """A thousand reconciliations a second, and a request in thirty years."""
    data = scenario(requests=20, arrivals={"kind": "poisson", "rate_rps": 1e-9})
    data["router"] |= {"instances": 3, "reconcile_s": 1e-3}
    assert messsim.run(parse(data | {"engine": engine})).summary["requests"]["completed"] == 20


def test_a_file_may_be_as_long_as_the_most(tmp_path):
    (tmp_path / "f").write_bytes(b"12345")
    assert read_bytes(tmp_path / "f", 5) == b"12345"
    with pytest.raises(OSError, match="it is longer than 0 MiB"):
        read_bytes(tmp_path / "f", 4)
    with (tmp_path / "f").open("wb") as file:
        file.truncate((3 << 20) + 1)
    with pytest.raises(OSError, match="it is longer than 3 MiB"):
        read_bytes(tmp_path / "f", 3 << 20)


def test_a_file_of_json_is_json_whatever_a_figure_came_to():
    value = {"a": [float("nan"), (1.5, float("-inf"))], "b": {"c": 1, "d": "NaN", "e": None, "f": True}}
    assert json.loads(json_text(value), parse_constant=pytest.fail) == {
        "a": [None, [1.5, None]],
        "b": {"c": 1, "d": "NaN", "e": None, "f": True},
    }
    assert json_text({"a": 1.5}) == '{\n  "a": 1.5\n}\n'


def test_all_files_of_json_are_written_alike():
    """By hand NaN would stand in a file, which only Python reads."""
    sources = Path(messsim.__file__).parent.rglob("*.py")
    assert [f.name for f in sources if re.search(r"write\w*\(.*json\.dumps\(", f.read_text())] == []
