"""Sweeps: points, replications, resuming, what stays of a sweep that was stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
import tomli_w
from builders import model, scenario, trace

from messsim.errors import DataError, OutputError, ScenarioError, SimulationError
from messsim.results.intervals import replication_interval
from messsim.scenario import load, parse, with_values
from messsim.scenario.overrides import format_value, parse_value
from messsim.study import sweep as sweeping
from messsim.study.runs.points import points_of
from messsim.study.runs.summaries import local_workers, summary_of
from messsim.study.sweep import sweep

V = [{"router.V": 1e-3}, {"router.V": 1e-1}]


def run(settings, points, **more):
    return sweep(settings, points, **{"seeds": 2, "workers": local_workers(1)} | more)


# ---- points ---------------------------------------------------------------------------------------------


def test_grids_are_combined():
    points = points_of(["router.V=1e-5, 1e-4", "router.policy=mess+,random", "sla.alpha=0.5"])
    assert points == [
        {"router.V": v, "router.policy": p, "sla.alpha": 0.5} for v in (1e-5, 1e-4) for p in ("mess+", "random")
    ]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("1,2.5,true", [1, 2.5, True]),
        ("[1,2],[3]", [[1, 2], [3]]),
        ('"a,b",c', ['"a', 'b"', "c"]),
        ('"a,b","c"', ["a,b", "c"]),
        ("{H100=2.5},{H100=3.0}", [{"H100": 2.5}, {"H100": 3.0}]),
        ("immediate,60", ["immediate", 60]),
    ],
)
def test_values_are_toml_or_words(values, expected):
    assert [p["k"] for p in points_of([f"k={values}"])] == expected


def test_points_come_from_a_file_too(tmp_path):
    file = tmp_path / "points.csv"
    file.write_text('router.V,"models.""a.b"".replicas"\n1e-3,2\n1e-4,\n')
    points = [{"router.V": 1e-3, 'models."a.b".replicas': 2}, {"router.V": 1e-4}]
    assert points_of([], file) == points
    assert points_of(["sla.alpha=0.4,0.5"], file) == [p | {"sla.alpha": a} for p in points for a in (0.4, 0.5)]


@pytest.mark.parametrize(
    ("grids", "message"),
    [
        ([], "no points; expected --grid KEY.PATH=VALUE,VALUE or --points FILE.csv"),
        (["router.V"], "--grid router.V: expected KEY.PATH=VALUE,VALUE,..., such as router.V=1e-5,1e-4"),
        (["router.V="], "--grid router.V=: expected KEY.PATH=VALUE,VALUE,..., such as router.V=1e-5,1e-4"),
        (["a b=1"], "--grid a b=1: 'a b' is no key path; expected one such as router.V"),
        (["seed=1,2"], "--grid seed=1,2: seed is no axis; expected --seed and --seeds for it"),
        (["router.V=1,2", "router.V=3"], "router.V: given twice; expected each key path once"),
        (["router.V=1,1"], "the point router.V = 1 is given twice; expected different points"),
    ],
)
def test_grids_that_are_none(grids, message):
    with pytest.raises(ScenarioError) as error:
        points_of(grids)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file"),
        ("router.V\n", "has no points; expected a line of key paths, then a line for each point"),
        ("router.V,sla.alpha\n1\n", "row 1 has 1 cells; expected 2"),
        ("router.V,router.V\n1,2\n", "a key path is given twice; expected each once"),
        ('router.V\n"1\n', "cannot be read: unexpected end of data"),
    ],
)
def test_files_of_points_that_are_none(tmp_path, text, message):
    file = tmp_path / "points.csv"
    if text is not None:
        file.write_text(text)
    with pytest.raises(DataError) as error:
        points_of([], file)
    assert str(error.value) == f"{file}: {message}"


@pytest.mark.parametrize("value", [1, 1e-5, True, "two words", 'a"b', "ünï", [1, "x"], {"kind": "constant", "n": [1]}])
def test_a_value_is_read_as_it_is_written(value):
    assert parse_value(format_value(value)) == value


# ---- results --------------------------------------------------------------------------------------------


def test_a_point_is_the_run_that_its_keys_describe(tmp_path):
    result = run(parse(scenario(seed=5)), V, out=tmp_path / "o")
    rows = pl.read_parquet(tmp_path / "o" / "results.parquet")
    assert rows.height == 4
    for row in rows.iter_rows(named=True):
        alone = summary_of(parse(scenario(seed=5, router={"V": row["router.V"]}, replication=row["replication"])))
        assert row["sla_satisfaction"] == alone["sla"]["satisfaction"]
        assert row["models_small_share"] == alone["models"][0]["share"]
        assert row["seed"] == 5
    assert [(p["point"], p["replications"]) for p in result["points"]] == [(v, 2) for v in V]
    assert (result["computed"], result["resumed"], result["failures"]) == (4, 0, [])


def test_every_point_sees_the_same_requests(tmp_path):
    run(
        parse(scenario()),
        [{"router.policy": "cheapest"}, {"sla.alpha": 0.9, "router.policy": "cheapest"}],
        out=tmp_path / "o",
    )
    rows = pl.read_parquet(tmp_path / "o" / "results.parquet")
    a, b = (rows[2 * i : 2 * i + 2]["latency_s_e2e_mean"].to_list() for i in range(2))
    assert a == b
    assert a[0] != a[1]


def test_figures_have_means_and_intervals(tmp_path):
    result = run(parse(scenario()), V, seeds=4, shown=["sla.satisfaction", "slo.attainment"], out=tmp_path / "o")
    rows = pl.read_parquet(tmp_path / "o" / "results.parquet").filter(pl.col("router.V") == 1e-1)
    values = rows["sla_satisfaction"].to_list()
    assert len(set(values)) > 1
    figures = result["points"][1]["figures"]
    assert figures["sla.satisfaction"] == replication_interval(values).summary()
    assert figures["slo.attainment"] is None


def test_an_entry_of_a_list_may_be_an_axis():
    models = [model("a.b", 0.4), model("c", 0.8)]
    points = [{'models."a.b".replicas': n} for n in (1, 2)]
    result = run(parse(scenario(models=models)), points, seeds=1, shown=['pools."a.b".replicas'])
    assert [p["figures"]['pools."a.b".replicas']["mean"] for p in result["points"]] == [1, 2]


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ({"router.V": -1}, "at router.V = -1: router.V = -1: expected above 0"),
        ({"router.v": 1}, "at router.v = 1: router.v: unknown key; "),
        ({"models.tiny.tp": 1}, "at models.tiny.tp = 1: models.tiny.tp: models has no entry 'tiny'"),
    ],
)
def test_what_is_wrong_with_a_point_is_told_before_anything_runs(tmp_path, point, message):
    with pytest.raises(ScenarioError) as error:
        run(parse(scenario()), [*V, point], out=tmp_path / "o")
    assert str(error.value).startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_a_figure_that_is_none_is_told_before_anything_runs(tmp_path):
    with pytest.raises(ScenarioError, match=r"did you mean 'sla\.satisfaction'"):
        run(parse(scenario()), V, shown=["sla.satisfacton"], out=tmp_path / "o")
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_one_point_stops_no_other(tmp_path):
    missing = {"kind": "trace", "file": "nowhere.csv"}
    result = run(parse(scenario()), [{"arrivals": missing}, *V], out=tmp_path / "o")
    assert [(f["point"], f["replication"]) for f in result["failures"]] == [({"arrivals": missing}, r) for r in (0, 1)]
    assert "nowhere.csv: no such file" in result["failures"][0]["error"]
    rows = pl.read_parquet(tmp_path / "o" / "results.parquet")
    assert rows["error"].is_null().to_list() == [False, False, True, True, True, True]
    assert result["points"][0] == result["points"][0] | {"replications": 0, "figures": dict.fromkeys(sweeping.SHOWN)}


def test_where_no_point_can_be_set_up_the_first_says_why(tmp_path):
    points = [{"arrivals": {"kind": "trace", "file": name}} for name in ("a.csv", "b.csv")]
    with pytest.raises(DataError, match=r"a\.csv: no such file"):
        run(parse(scenario()), points, out=tmp_path / "o")
    assert list(tmp_path.iterdir()) == []


# ---- resuming -------------------------------------------------------------------------------------------


def counted(monkeypatch, most: int | None = None) -> list[tuple]:
    """The runs that a sweep computes from now on; the one after `most` is interrupted."""
    seen, row = [], sweeping._row

    def note(task):
        if most is not None and len(seen) == most:
            raise KeyboardInterrupt
        seen.append((tuple(task[1].items()), task[0].replication))
        return row(task)

    monkeypatch.setattr(sweeping, "_row", note)
    return seen


def test_a_sweep_goes_on_where_it_stopped(tmp_path, monkeypatch):
    parsed = parse(scenario())
    whole = tmp_path / "whole"
    run(parsed, V, out=whole)
    first = counted(monkeypatch, most=3)
    with pytest.raises(KeyboardInterrupt, match="3 of 4 runs are kept"):
        run(parsed, V, out=tmp_path / "o")
    assert pl.read_parquet(tmp_path / "o" / "results.parquet").height == 3
    monkeypatch.undo()
    second = counted(monkeypatch)
    result = run(parsed, V, out=tmp_path / "o")
    assert len(first) == 3
    assert len(second) == 1
    assert not set(first) & set(second)
    assert (result["computed"], result["resumed"]) == (1, 3)
    assert pl.read_parquet(tmp_path / "o" / "results.parquet").equals(pl.read_parquet(whole / "results.parquet"))
    del second[:]
    assert run(parsed, V, out=tmp_path / "o")["points"] == result["points"]
    assert second == []


def test_more_replications_are_added_to_those_of_before(tmp_path, monkeypatch):
    parsed = parse(scenario())
    run(parsed, V, seeds=2, out=tmp_path / "o")
    seen = counted(monkeypatch)
    run(parsed, V, seeds=3, out=tmp_path / "o")
    assert [replication for _, replication in seen] == [2, 2]
    assert pl.read_parquet(tmp_path / "o" / "results.parquet")["replication"].to_list() == [0, 1, 2] * 2


def test_of_fewer_replications_only_those_are_taken_up(tmp_path):
    parsed = parse(scenario())
    run(parsed, V, seeds=3, out=tmp_path / "o")
    result = run(parsed, V, seeds=2, out=tmp_path / "o")
    assert (result["computed"], result["resumed"]) == (0, 4)


def test_what_failed_is_tried_again(tmp_path, monkeypatch):
    row = sweeping._row

    def fail(task):
        if task[1] == V[1]:
            raise SimulationError("a bad day")
        return row(task)

    monkeypatch.setattr(sweeping, "_row", fail)
    result = run(parse(scenario()), V, out=tmp_path / "o")
    assert [(f["point"], f["error"]) for f in result["failures"]] == [(V[1], "a bad day")] * 2
    monkeypatch.undo()
    seen = counted(monkeypatch)
    result = run(parse(scenario()), V, out=tmp_path / "o")
    assert (len(seen), result["resumed"], result["failures"]) == (2, 2, [])
    assert pl.read_parquet(tmp_path / "o" / "results.parquet")["error"].null_count() == 4


def test_half_a_line_of_a_killed_sweep_is_cut_off(tmp_path):
    parsed = parse(scenario())
    run(parsed, V, out=tmp_path / "o")
    journal = tmp_path / "o" / "rows.jsonl"
    text = journal.read_text()
    journal.write_text(text[: text[:-1].rindex("\n") + 1] + '{"point": 0' + " " * len(text))
    assert (result := run(parsed, V, out=tmp_path / "o"))["computed"] == 1
    assert result["resumed"] == 3
    assert sorted(journal.read_text().splitlines()) == sorted(text.splitlines())
    journal.write_text("{}\n" + text)
    with pytest.raises(OutputError, match=r"rows\.jsonl: line 1 is damaged"):
        run(parsed, V, out=tmp_path / "o")


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"seed": 2}, "scenario"),
        ({"requests": 41}, "scenario"),
        ({"points": V[:1]}, "points"),
        ({"trace": "arrival_s\n0\n1\n3\n"}, "data files"),
        ({"version": "0.0.1"}, "messsim"),
    ],
    ids=["seed", "requests", "points", "data", "version"],
)
def test_two_studies_are_never_mixed(tmp_path, monkeypatch, change, part):
    file = tmp_path / "trace.csv"
    file.write_text("arrival_s\n0\n1\n2\n")
    arrivals = {"kind": "trace", "file": "trace.csv"}
    parsed = parse(scenario(arrivals=arrivals), folder=tmp_path)
    run(parsed, V, out=tmp_path / "o")
    before = {p.name: p.read_bytes() for p in (tmp_path / "o").iterdir()}
    if "trace" in change:
        file.write_text(change["trace"])
    if "version" in change:
        monkeypatch.setattr("messsim.study.runs.identity.__version__", change["version"])
    values = {k: v for k, v in change.items() if k in ("seed", "requests")}
    with pytest.raises(OutputError) as error:
        run(with_values(parsed, values), change.get("points", V), out=tmp_path / "o")
    assert f"holds a study that differs in its {part}; " in str(error.value)
    assert {p.name: p.read_bytes() for p in (tmp_path / "o").iterdir()} == before


def test_a_profile_file_that_changed_makes_another_study(tmp_path):
    profile = tmp_path / "mine.toml"
    profile.write_text("[coefficients]\na0_s = 0.5\n")
    parsed, points = parse(scenario(), folder=tmp_path), [{"models.0.profile": "mine.toml"}]
    run(parsed, points, out=tmp_path / "o")
    profile.write_text("[coefficients]\na0_s = 1.5\n")
    with pytest.raises(OutputError, match="holds a study that differs in its data files; "):
        run(parsed, points, seeds=3, out=tmp_path / "o")


def test_a_moved_scenario_is_the_same_study(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        arrivals = trace(tmp_path / name, [0, 1, 2]) | {"file": "trace.csv", "repeat": True}
        (tmp_path / name / "s.toml").write_text(tomli_w.dumps(scenario(arrivals=arrivals)))
    run(load(tmp_path / "a" / "s.toml"), V, out=tmp_path / "o")
    assert run(load(tmp_path / "b" / "s.toml"), V, out=tmp_path / "o")["resumed"] == 4


def test_a_directory_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(OutputError, match="exists already and no study began it"):
        run(parse(scenario()), V, out=tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_two_at_once_do_not_fill_one_directory(tmp_path, monkeypatch):
    parsed, row = parse(scenario()), sweeping._row
    refused = []

    def meddle(task):
        with pytest.raises(OutputError, match="another process is filling it") as error:
            run(parsed, V, out=tmp_path / "o")
        refused.append(error)
        return row(task)

    monkeypatch.setattr(sweeping, "_row", meddle)
    run(parsed, V, out=tmp_path / "o")
    assert len(refused) == 4


def test_a_worker_of_another_version_is_refused(tmp_path, monkeypatch):
    row = sweeping._row
    monkeypatch.setattr(sweeping, "_row", lambda task: row(task) | {"version": "0.0.1"})
    with pytest.raises(SimulationError, match=r"a worker runs messsim 0\.0\.1"):
        run(parse(scenario()), V, out=tmp_path / "o")


# ---- as a command ---------------------------------------------------------------------------------------

POLICY = """
from messsim.routing.plugin import compile_policy
def decide(request, step, models, alpha, queue, scores, costs, loads, facts, uniforms, params, state):
    return 1 if uniforms[0] < params[0] else 0
def build(options, models, features):
    return compile_policy("coin", decide, params=[0.25])
"""


def command(*args) -> list[str]:
    return [sys.executable, "-m", "messsim.cli", *map(str, args)]


def test_processes_find_policies_and_traces_of_the_scenarios_folder(tmp_path):
    pytest.importorskip("numba")
    (tmp_path / "coin.py").write_text(POLICY)
    arrivals = trace(tmp_path, [0, 1, 2, 3]) | {"file": "trace.csv", "repeat": True}
    router = {"policy": "coin.py"}
    (tmp_path / "s.toml").write_text(tomli_w.dumps(scenario(arrivals=arrivals, router=router, requests=400)))
    (tmp_path / "elsewhere").mkdir()
    args = ["../s.toml", "--grid", "sla.alpha=0.3,0.5", "--seeds", 1, "--workers", 2, "--json"]
    args += ["--show", "models.large.share"]
    done = subprocess.run(command("sweep", *args), capture_output=True, text=True, cwd=tmp_path / "elsewhere")
    assert (done.returncode, done.stderr) == (0, "")
    printed = json.loads(done.stdout)
    points = [{"sla.alpha": a} for a in (0.3, 0.5)]
    assert printed == run(load(tmp_path / "s.toml"), points, seeds=1, shown=["models.large.share"])
    assert {p["policy"] for p in printed["points"]} == {"coin"}
    assert 0.15 < printed["points"][0]["figures"]["models.large.share"]["mean"] < 0.35
    left = {p.name for p in tmp_path.iterdir()} - {"__pycache__"}  # which Python leaves beside a file that it runs
    assert left == {"coin.py", "elsewhere", "s.toml", "trace.csv"}


@pytest.fixture
def long(tmp_path) -> Path:
    """Its later points take minutes."""
    models = [{"name": n, "satisfaction": s, "cost_per_request": c} for n, s, c in [("a", 0.4, 1.0), ("b", 0.8, 5.0)]]
    file = tmp_path / "long.toml"
    file.write_text(tomli_w.dumps(scenario(models=models, cluster={"mode": "none"})))
    return file


STOPS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL]


@pytest.mark.parametrize("stop", STOPS, ids=["ctrl-c", "term", "hangup", "kill"])
def test_finished_points_outlive_the_sweep(started, long, tmp_path, stop):
    """To the whole group of processes, as a terminal sends Ctrl-C; SIGTERM to the command alone, as `kill` does."""
    out = tmp_path / "o"
    args = ["sweep", long, "--grid", "requests=40,50,1_000_000_000", "--seeds", 1, "--workers", 2, "--out", out]
    process = started(*args)
    rows = out / "rows.jsonl"
    deadline = time.monotonic() + 60
    while not (rows.exists() and rows.read_text().count("\n") == 2) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(stop) if stop == signal.SIGTERM else os.killpg(process.pid, stop)
    output, error = process.communicate(timeout=60)
    if stop != signal.SIGKILL:
        assert (process.returncode, output) == (128 + stop, "")
        assert error == "interrupted; 2 of 3 runs are kept: the same command goes on from there\n"
        assert pl.read_parquet(out / "results.parquet")["requests_arrived"].to_list() == [40, 50]
    assert sorted(json.loads(line)["row"]["requests"] for line in rows.read_text().splitlines()) == [40, 50]


def test_a_killed_plan_goes_on_where_it_stopped(started, long, tmp_path):
    """The answer is that of a plan which was never killed, and no run is made twice."""
    args = ["plan", long.with_name("planned.toml"), "--replicas", "small=1..3", "--require", "latency_s.e2e.p95<1000"]
    args += ["--require", "sla.satisfaction>=0.99", "--objective", "energy", "--seeds", 2, "--workers", 2, "--json"]
    args[1].write_text(tomli_w.dumps(scenario(requests=60_000)))
    rows, whole = tmp_path / "o" / "rows.jsonl", tmp_path / "whole"
    process = started(*args, "--out", rows.parent)
    deadline = time.monotonic() + 60
    while not (rows.exists() and rows.read_bytes().count(b"\n") >= 1) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.communicate(timeout=60)
    before = rows.read_bytes()
    before = before[: before.rindex(b"\n") + 1]
    outs = [
        subprocess.run(command(*args, "--out", out), capture_output=True, check=False) for out in (rows.parent, whole)
    ]
    assert outs[0].stdout == outs[1].stdout != b""
    assert rows.read_bytes().startswith(before)
    assert pl.read_parquet(rows.parent / "results.parquet").equals(pl.read_parquet(whole / "results.parquet"))


def test_a_failed_point_is_told_with_the_command_that_shows_it(long):
    grid = 'router.policy=random,"own one.py"'
    args = ["sweep", long, "--grid", grid, "--seeds", 1, "--workers", 1, "--set", "sla.alpha=0.3"]
    done = subprocess.run(command(*args), capture_output=True, text=True, env=os.environ | {"COLUMNS": "60"})
    assert done.returncode == 1
    last = done.stdout.splitlines()[-1].strip()
    assert last == (f"messsim run {long} --set sla.alpha=0.3 --set 'router.policy=\"own one.py\"' --replication 0")
    assert done.stderr == ""


def test_a_sweep_of_pools_that_change_their_size_shows_rent_and_replicas():
    cold = {"fixed_s": 1.0, "weights_gb": 0.0, "compile_s": 0.0, "init_s": 0.0}
    autoscale = {"rule": "target", "target": 2.0, "period_s": 1.0, "cold_start": cold}
    data = scenario(models=[model("a.b", 0.5, replicas=4, autoscale=autoscale)], requests=50)
    points = [{"models.0.autoscale.target": 2.0}, {"models.0.autoscale.target": 4.0}]
    assert list(run(parse(data), points, seeds=1)["points"][0]["figures"])[3:] == ["pools.a.b.mean_replicas"]
    priced = parse(data | {"cost": {"unit": "USD", "usd_per_gpu_hour": {"GPU": 2.0}}})
    figures = [point["figures"] for point in run(priced, points, seeds=1)["points"]]
    rents, replicas = (
        [f[path]["mean"] for f in figures] for path in ("cost.rent_usd_per_hour", "pools.a.b.mean_replicas")
    )
    assert rents == pytest.approx([2.0 * n for n in replicas])
