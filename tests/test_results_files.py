"""What a run leaves on disk: frames, parts, a directory that is complete or absent."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from builders import COEFFICIENTS, model, run, scenario, trace

import messsim
from messsim.engines.records import COLUMNS, STATUS
from messsim.errors import OutputError
from messsim.results import (
    RecordWriter,
    Result,
    check_free,
    check_replaceable,
    complete_or_absent,
    leftovers,
    record_frame,
    targets,
    timeline_frame,
    whole_or_absent,
    write_file,
    writer,
)
from messsim.results.directory import _reason, writing
from messsim.results.frames import write_parquet
from messsim.scenario import load, parse

ENGINES = ["simpy", "compiled"]
FILES = ["requests", "scenario.toml", "summary.json", "timeline.parquet"]


def simulate(data: dict, out: Path | None = None, **options) -> Result:
    return messsim.run(parse(data), out=out, **options)


def left_in(folder: Path) -> list[str]:
    """Everything under a folder, hidden or not."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


# ---- frames ---------------------------------------------------------------------------------------------

SCHEMA = {
    "id": pl.Int64,
    "tenant": pl.Enum(["all"]),
    "instance": pl.Int32,
    "arrival_s": pl.Float64,
    "explored": pl.Boolean,
    "model": pl.Enum(["small", "large"]),
    "replica": pl.Int32,
    "prompt_tokens": pl.Int32,
    "output_tokens": pl.Int32,
    "queue": pl.Float64,
    "score": pl.Float64,
    "satisfied": pl.Float64,
    "feedback_s": pl.Float64,
    "start_s": pl.Float64,
    "first_token_s": pl.Float64,
    "finish_s": pl.Float64,
    "preemptions": pl.Int32,
    "cached_prompt_tokens": pl.Int32,
    "cached_recompute_tokens": pl.Int64,
    "attempts": pl.Int32,
    "energy_j": pl.Float64,
    "cost": pl.Float64,
    "exploration_cost": pl.Float64,
    "status": pl.Enum(list(STATUS)),
}


@pytest.mark.parametrize("engine", ENGINES)
def test_records_have_their_columns(engine):
    frame = simulate(scenario(engine=engine)).requests.collect()
    assert dict(frame.schema) == SCHEMA
    assert list(COLUMNS) == list(SCHEMA)
    assert frame["id"].to_list() == list(range(40))


def test_what_did_not_happen_is_null(tmp_path):
    data = scenario(
        arrivals=trace(tmp_path, [0, 0, 9]),
        requests=None,
        models=[model("only", max_num_seqs=1)],
        cluster={"admission": {"max_waiting": 0}},
        router={"policy": "random"},
        feedback={"probability": 0.0},
    )
    rows = simulate(data).requests.collect().rows(named=True)
    assert [r["status"] for r in rows] == ["completed", "rejected", "completed"]
    nulls = [{k for k, v in row.items() if v is None} for row in rows]
    rejected = {"replica", "satisfied", "start_s", "first_token_s", "finish_s"}
    assert nulls == [{"score", "feedback_s"}, {"score", "feedback_s"} | rejected, {"score", "feedback_s"}]


def test_replicas_of_no_servers_are_null():
    data = scenario(models=[{"name": "a", "satisfaction": 0.5, "cost_per_request": 1.0}], cluster={"mode": "none"})
    result = simulate(data)
    assert result.requests.collect()["replica"].null_count() == 40
    nothing = dict.fromkeys(("total_j", "idle_j", "j_per_output_token", "measured"))
    assert (result.summary["pools"], result.summary["energy"]) == ([], nothing)


def test_names_stand_for_numbers():
    tenants = [{"name": "x"}, {"name": "y"}]
    data = scenario(tenants=tenants, router={"policy": "random"})
    frame, columns = simulate(data).requests.collect(), run(data).records
    assert frame["tenant"].to_list() == ["xy"[k] for k in columns.tenant]
    assert frame["model"].to_list() == [["small", "large"][m] for m in columns.model]
    assert len(set(frame["tenant"])) == len(set(frame["model"])) == 2


def test_potential_outcomes_are_written_where_they_are_asked_for():
    data = scenario(record={"potential_outcomes": True}, router={"policy": "random"}, requests=150)
    data["record"]["chunk"] = 64
    frame, r = simulate(data).requests.collect(), run(data)
    extra = ["s_small", "known_cost_small", "s_large", "known_cost_large"]
    assert frame.columns == [*SCHEMA, *extra]
    expected = [r.satisfied[0], r.known[0], r.satisfied[1], r.known[1]]
    np.testing.assert_array_equal(frame.select(extra).to_numpy().T, expected)
    seen = np.where(r.records.model == 0, frame["s_small"].to_numpy(), frame["s_large"].to_numpy())
    assert frame["satisfied"].to_list() == seen.tolist()


def test_the_timeline_is_what_each_sampled_arrival_found(tmp_path):
    """Two requests a second, 1 s each: at every arrival one is in the system, and the power is what both draw."""
    n = 20
    coefficients = COEFFICIENTS | {"p_idle_w_per_gpu": 0.0}
    data = scenario(
        arrivals=trace(tmp_path, [k / 2 for k in range(n)]),
        requests=None,
        tokens={"output": 4},
        models=[model("only", 1e-12, coefficients=coefficients, max_num_seqs=1, replicas=2)],
    )
    t = simulate(data).timeline
    assert t.columns == [
        *["request", "time_s", "satisfaction_running", "promise_running", "queue", "queue_tracked"],
        *["certificate", "cost_running"],
        *["explored", "in_system_only", "power_w_only"],
    ]
    assert t["request"].to_list() == list(range(n))
    assert t["time_s"].to_list() == [k / 2 for k in range(n)]
    assert t["satisfaction_running"].to_list() == [0.0] * n
    assert t["queue"].to_list() == t["queue_tracked"].to_list() == [0.5 * k for k in range(n)]
    assert t["certificate"].to_list() == [None] + [0.0] * (n - 1)
    assert t["cost_running"].to_list() == [100.0] * n
    assert t["in_system_only"].to_list() == [0] + [1] * (n - 1)
    assert t["power_w_only"].to_list() == [None, 100.0] + [200.0] * (n - 2)


def test_what_kept_a_file_from_being_written_is_told_without_number_and_name():
    assert _reason(OSError(28, "No space left on device", "/x/y")) == "No space left on device"
    assert _reason(OSError("odd")) == "odd"
    assert _reason(ValueError("not of the system")) is None
    panic = 'called `Result::unwrap()` on an `Err` value: Os { code: 24, kind: TooManyOpenFiles, message: "Too many" }'
    assert _reason(pl.exceptions.PanicException(panic)) == "Too many"
    assert _reason(pl.exceptions.PanicException("a bug")) is None
    text = re.escape("x: cannot be written: Too many; nothing is left of it")
    with pytest.raises(OutputError, match=text), writing(Path("x")):
        raise pl.exceptions.PanicException(panic)


def test_the_timeline_is_halved_when_it_is_full(monkeypatch):
    from messsim.engines.records import Timeline
    from messsim.results import running

    monkeypatch.setattr(Timeline, "MOST", 16)
    monkeypatch.setattr(Timeline, "LEAST", 16)
    monkeypatch.setattr(running, "MOST", 16)
    r = run(scenario(requests=100), "simpy")
    r.tally.close()
    frame = timeline_frame(r.setup.scenario, r.outcome, r.tally.running)
    assert frame["request"].to_list() == list(range(0, 100, 8))
    assert frame["satisfaction_running"].null_count() == 0
    satisfied = r.records.satisfied
    assert frame["satisfaction_running"].to_list() == [satisfied[: i + 1].mean() for i in range(0, 100, 8)]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_timeline_has_at_most_4096_rows(engine):
    n = 5000
    models = [{"name": "a", "satisfaction": 0.5, "cost_per_request": 1.0}]
    t = simulate(scenario(requests=n, models=models, cluster={"mode": "none"}, engine=engine)).timeline
    assert t["request"].to_list() == list(range(0, n, 2))
    assert t["satisfaction_running"].null_count() == 0


# ---- parts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "chunk"), [(64, 64), (100, 64), (1000, 64), (64, 100), (1, 65_536)])
def test_parts_hold_all_rows_in_order(monkeypatch, tmp_path, rows, chunk):
    monkeypatch.setattr(writer, "PART_ROWS", rows)
    data = scenario(requests=300, record={"chunk": chunk})
    result = simulate(data, tmp_path / "out")
    parts = sorted((tmp_path / "out" / "requests").iterdir())
    assert [p.name for p in parts] == [f"part-{k:05d}.parquet" for k in range(len(parts))]
    assert result.requests.collect().equals(simulate(data).requests.collect())
    each = -(-rows // chunk) * chunk  # parts end with chunks
    assert [pl.read_parquet(p).height for p in parts] == [min(each, 300 - k) for k in range(0, 300, each)]


@pytest.mark.parametrize("engine", ENGINES)
def test_no_request_at_all_leaves_an_empty_part(tmp_path, engine):
    data = scenario(requests=None, horizon_s=1e-9, engine=engine)
    result = simulate(data, tmp_path / "out")
    assert result.summary["requests"]["arrived"] == 0
    frame = result.requests.collect()
    assert dict(frame.schema) == SCHEMA
    assert frame.height == 0
    assert simulate(data).requests.collect().equals(frame)
    assert result.timeline.height == 0
    assert result.timeline.schema == simulate(scenario(requests=3, engine=engine)).timeline.schema


@pytest.mark.parametrize("engine", ENGINES)
def test_no_request_at_all_leaves_the_columns_of_prefix_caches_whole(engine):
    cached = [model("only", prefix_cache=True, kv_block_tokens=4, kv_capacity_tokens=400)]
    none, few = (scenario(models=cached, engine=engine, **end) for end in ({"requests": None, "horizon_s": 1e-9}, {}))
    schema = simulate(none).timeline.schema
    assert schema == simulate(few).timeline.schema
    assert schema["started_prompt_tokens_only"] == pl.Int64


def test_potential_outcomes_of_no_request(tmp_path):
    data = scenario(requests=None, horizon_s=1e-9, record={"potential_outcomes": True})
    assert simulate(data).requests.collect().columns[-1] == "known_cost_large"


def test_parts_are_written_as_they_fill(monkeypatch, tmp_path):
    """No more than a part is held in memory."""
    monkeypatch.setattr(writer, "PART_ROWS", 64)
    data = scenario(requests=300, record={"chunk": 64})
    r = run(data)
    w = RecordWriter(r.setup.scenario, tmp_path, tmp_path)
    for k, chunk in enumerate(r.chunks):
        w.add(chunk)
        assert len(list((tmp_path / "requests").iterdir())) == (k + 1 if k < 4 else 4)
    w.close()
    assert len(list((tmp_path / "requests").iterdir())) == 5


# ---- the directory --------------------------------------------------------------------------------------


def test_a_directory_holds_what_a_run_was(tmp_path):
    out = tmp_path / "out"
    data = scenario(arrivals=trace(tmp_path, [0, 1, 2]), requests=None, tenants=[{"name": "x"}])
    result = simulate(data, out)
    assert sorted(p.name for p in out.iterdir()) == FILES
    assert result.directory == out
    summary = json.loads((out / "summary.json").read_text())
    provenance = summary.pop("provenance")
    assert summary == result.summary
    assert set(provenance) == {"messsim", "python", "packages", "platform", "machine", "cpus", "data"}
    assert list(provenance["data"]) == [data["arrivals"]["file"]]
    digest = hashlib.sha256(Path(data["arrivals"]["file"]).read_bytes()).hexdigest()
    assert list(provenance["data"].values()) == [digest]
    again = messsim.run(load(out / "scenario.toml"))
    assert again.requests.collect().equals(result.requests.collect())
    assert pl.read_parquet(out / "timeline.parquet").equals(result.timeline)


def test_a_policy_in_a_file_is_found_again(tmp_path):
    (tmp_path / "own.py").write_text("from messsim.routing.simple import random as build")
    parsed = parse(scenario(router={"policy": "own.py"}), folder=tmp_path)
    result = messsim.run(parsed, out=tmp_path / "out")
    assert messsim.run(load(tmp_path / "out" / "scenario.toml")).requests.collect().equals(result.requests.collect())
    data = json.loads((tmp_path / "out" / "summary.json").read_text())["provenance"]["data"]
    assert data == {"own.py": hashlib.sha256((tmp_path / "own.py").read_bytes()).hexdigest()}


def test_a_directory_is_read_back(tmp_path):
    result = simulate(scenario(), tmp_path / "out")
    back = Result.read(tmp_path / "out")
    assert {k: v for k, v in back.summary.items() if k != "provenance"} == result.summary
    assert back.timeline.equals(result.timeline)
    assert back.requests.collect().equals(result.requests.collect())


@pytest.mark.parametrize("broken", ["nothing", "empty", "no timeline", "bad json", "bad parquet"])
def test_another_directory_is_not_a_run(tmp_path, broken):
    out = tmp_path / "out"
    if broken == "empty":
        out.mkdir()
    elif broken != "nothing":
        simulate(scenario(), out)
        if broken == "no timeline":
            (out / "timeline.parquet").unlink()
        else:
            (out / ("summary.json" if broken == "bad json" else "timeline.parquet")).write_text("{")
    with pytest.raises(OutputError, match=r"out: expected a directory that `messsim run --out` wrote") as error:
        Result.read(out)
    file = "timeline.parquet" if broken in ("no timeline", "bad parquet") else "summary.json"
    assert f"({out}/{file}: " in str(error.value)
    assert "Errno" not in str(error.value)


def test_without_a_directory_records_are_kept_or_asked_for_in_vain():
    kept = simulate(scenario())
    assert kept.requests.collect().height == 40
    with pytest.raises(OutputError, match="kept no records"):
        simulate(scenario(), keep_records=False).requests  # noqa: B018


class Boom(Exception):
    pass


def fail_in(target: Path) -> None:
    with complete_or_absent(target) as beside:
        (beside / "file").write_text("x")
        raise Boom


def test_an_exception_leaves_nothing(tmp_path):
    with pytest.raises(Boom):
        fail_in(tmp_path / "a" / "b" / "out")
    assert left_in(tmp_path) == []


def test_folders_that_were_there_stay(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(Boom):
        fail_in(tmp_path / "a" / "b" / "out")
    assert left_in(tmp_path) == ["a"]


def test_success_makes_the_folders_on_the_way(tmp_path):
    with complete_or_absent(tmp_path / "a" / "b" / "out") as beside:
        (beside / "file").write_text("x")
    assert left_in(tmp_path) == ["a", "a/b", "a/b/out", "a/b/out/file"]


def test_a_run_that_fails_in_the_middle_leaves_nothing(tmp_path, monkeypatch):
    """After two chunks of records are on disk."""
    monkeypatch.setattr(writer, "PART_ROWS", 64)
    seen = []
    real = writer.RecordWriter.add

    def add(self, chunk):
        real(self, chunk)
        seen.append(left_in(tmp_path))
        if len(seen) == 2:
            raise Boom

    monkeypatch.setattr(writer.RecordWriter, "add", add)
    with pytest.raises(Boom):
        simulate(scenario(requests=300, record={"chunk": 64}), tmp_path / "out")
    assert any(name.endswith("part-00001.parquet") for name in seen[1])
    assert "out" not in seen[1]
    assert left_in(tmp_path) == []


def test_the_target_appears_only_when_all_is_there(tmp_path, monkeypatch):
    order = []
    real = Path.rename

    def rename(self, target):
        order.append((left_in(tmp_path), sorted(p.name for p in self.iterdir())))
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    simulate(scenario(), tmp_path / "out")
    ((before, inside),) = order
    assert "out" not in before
    assert inside == FILES


@pytest.mark.parametrize("kind", ["directory", "file", "full directory"])
def test_what_exists_is_refused_before_the_run(tmp_path, kind, monkeypatch):
    out = tmp_path / "out"
    if kind == "file":
        out.write_text("mine")
    else:
        out.mkdir()
    if kind == "full directory":
        (out / "mine").write_text("mine")
    before = left_in(tmp_path)
    monkeypatch.setattr("messsim.study.simulation.single.prepare", lambda _: pytest.fail("it ran"))
    with pytest.raises(OutputError, match="out: exists already"):
        simulate(scenario(), out)
    assert left_in(tmp_path) == before


def test_a_file_on_the_way_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match=r"file is no directory"):
        check_free(tmp_path / "file" / "a" / "out")


def test_an_unwritable_parent_is_refused_before_the_run(tmp_path, monkeypatch):
    """As root every folder can be written to, so the answer of the system is made up."""
    real = os.access
    monkeypatch.setattr(targets.os, "access", lambda p, mode: Path(p) != tmp_path and real(p, mode))
    with pytest.raises(OutputError, match=r"out: .* cannot be written to"):
        check_free(tmp_path / "deeper" / "out")
    check_free(Path(__file__).parent / "deeper" / "out")


def take_the_name(out: Path) -> None:
    with complete_or_absent(out) as beside:
        (beside / "ours").write_text("x")
        out.mkdir()
        (out / "theirs").write_text("x")


def test_somebody_may_take_the_name_meanwhile(tmp_path):
    for name in ("out-2", "out-3"):
        out = tmp_path / "out"
        with pytest.raises(OutputError, match=rf"out: cannot be written: .*not empty; what .* is whole in .*{name}$"):
            take_the_name(out)
        (out / "theirs").unlink()
        out.rmdir()
    assert left_in(tmp_path) == ["out-2", "out-2/ours", "out-3", "out-3/ours"]


def two_at_once(out: Path) -> None:
    with complete_or_absent(out) as late:
        (late / "late").write_text("x")
        with complete_or_absent(out) as early:
            (early / "early").write_text("x")


def test_threads_of_one_process_do_not_meddle(tmp_path):
    """Both are under way before either ends: the first wins, the other is kept."""
    with pytest.raises(OutputError, match=r"is whole in .*out-2$"):
        two_at_once(tmp_path / "out")
    assert left_in(tmp_path) == ["out", "out-2", "out-2/late", "out/early"]


def test_what_a_killed_process_left_is_known_and_what_is_in_use_is_not(tmp_path):
    out = tmp_path / "o[1]"
    left = [tmp_path / f".o[1].{token}.partial" for token in ("0a", "123")]
    left[0].mkdir()
    left[1].write_text("x")
    (tmp_path / ".o1.123.partial").mkdir()
    with whole_or_absent(out):
        assert leftovers(out) == left
    out.unlink()
    with complete_or_absent(out):
        assert leftovers(out) == left
    assert leftovers(tmp_path / "nowhere" / "out") == []


def test_a_run_names_what_a_killed_one_left(tmp_path):
    (left := tmp_path / ".the out.0a.partial").mkdir()
    notes = simulate(scenario(requests=3), tmp_path / "the out").notes
    assert notes[0] == f"{left} is left of a command that was killed; to remove it: rm -r '{left}'"
    assert not any("is left" in note for note in simulate(scenario(requests=3), tmp_path / "o").notes)


@pytest.mark.parametrize("check", [check_free, check_replaceable])
def test_what_can_be_known_is_refused_at_the_start(tmp_path, check):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match=r"link: is a link to .*nowhere, which is not there"):
        check(tmp_path / "link")
    with pytest.raises(OutputError, match=r"link is no directory"):
        check(tmp_path / "link" / "out")
    with pytest.raises(OutputError, match=r"a name of 256 bytes; expected at most 255"):
        check(tmp_path / "deep" / ("ü" * 128) / "out")
    with pytest.raises(OutputError, match=r"a path of \d+ bytes; expected at most"):
        check(Path(tmp_path, *["d" * 200] * 25))
    with pytest.raises(OutputError, match=r"cannot be written to"):
        check(Path("/proc/out"))
    check(tmp_path / ("ü" * 127))
    assert left_in(tmp_path) == ["link"]


def test_a_name_of_255_bytes_can_be_written(tmp_path):
    for target in (tmp_path / ("ü" * 127), tmp_path / ("x" * 255)):
        with complete_or_absent(target) as beside:
            (beside / "file").write_text("x")
    assert len(left_in(tmp_path)) == 4


def test_a_device_or_a_directory_is_no_file_to_replace(tmp_path):
    for target, reason in ((Path("/dev/null"), "is a device or a pipe"), (tmp_path, "is a directory")):
        with pytest.raises(OutputError, match=reason):
            check_replaceable(target)


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_text("old")
    (tmp_path / "link").symlink_to("deep/file")
    write_file(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "deep" / "file").read_text() == "new"
    assert left_in(tmp_path) == ["deep", "deep/file", "link"]


FULL = """
import resource, sys
import messsim
from messsim.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
sys.argv = ["messsim", "run", {file!r}, "--out", {out!r}, "--requests", "20000"]
main()
"""


@pytest.mark.parametrize("size", [0, 2_000, 200_000])
def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path, size):
    """The kernel refuses to write files beyond a size: the scenario, the records, whatever comes first."""
    file, out = tmp_path / "s.toml", tmp_path / "results" / "out"
    import tomli_w

    models = [{"name": n, "satisfaction": s, "cost_per_request": 1.0} for n, s in [("a", 0.4), ("b", 0.8)]]
    file.write_text(tomli_w.dumps(scenario(models=models, cluster={"mode": "none"})))
    code = FULL.format(size=size, file=str(file), out=str(out))
    quiet = [sys.executable, "-B", "-c", code]  # nor may it leave compiled modules that are cut off
    done = subprocess.run(quiet, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: {out}: cannot be written: ")
    assert done.stderr.count("\n") == 1
    assert left_in(tmp_path) == ["s.toml"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full")
def test_a_table_on_a_full_disk_says_so():
    with pytest.raises(OSError, match="No space left on device"):
        write_parquet(pl.DataFrame({"a": range(100)}), Path("/dev/full"))


def test_records_without_chunks_have_no_rows_but_their_types():
    parsed = parse(scenario())
    frame = record_frame(parsed, [])
    assert dict(frame.schema) == SCHEMA
    assert frame.height == 0
