"""The command line, as a user runs it: another process, its exit code, what it prints and what it leaves."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
import tomli_w
from builders import COEFFICIENTS, model, scenario

import messsim
from messsim.scenario import Scenario

COMMANDS = ["run", "check", "explain", "profiles", "schema"]


def cli(*args: object, columns: int = 80, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"COLUMNS": str(columns), "PYTHONWARNINGS": "error"}
    command = [sys.executable, "-m", "messsim.cli", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd=cwd)


def refused(done: subprocess.CompletedProcess[str], code: int = 2) -> str:
    """Its error: one voice, nothing on standard output, no traceback."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cli")


def write(path: Path, **changes) -> Path:
    path.write_text(tomli_w.dumps(scenario(**changes)))
    return path


@pytest.fixture(scope="module")
def small(folder) -> Path:
    """A scenario of 200 requests that explores, with two tenants."""
    return write(
        folder / "small.toml",
        name="small",
        requests=200,
        router={"c": 1.0, "kappa": 0.5},
        tenants=[{"name": "gold", "alpha": 0.7}, {"name": "basic", "share": 3.0, "alpha": 0.3}],
    )


@pytest.fixture(scope="module")
def long(folder) -> Path:
    """One that takes minutes."""
    models = [{"name": n, "satisfaction": s, "cost_per_request": c} for n, s, c in [("a", 0.4, 1.0), ("b", 0.8, 5.0)]]
    return write(folder / "long.toml", requests=1_000_000_000, models=models, cluster={"mode": "none"})


@pytest.fixture(scope="module")
def run_dir(folder, small) -> Path:
    out = folder / "out"
    done = cli("run", small, "--out", out)
    assert done.returncode == 0, done.stderr
    return out


# ---- run ------------------------------------------------------------------------------------------------


def test_run_prints_a_summary(small):
    done = cli("run", small)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith(("SLA kept: ", "SLA missed: "))
    for word in (
        *("200 arrived", "certificate", "virtual queue", "cost per request", "without router"),
        *("small", "large", "utilisation", "TTFT", "TPOT", "end to end", "queueing", "gold", "basic", "promised"),
    ):
        assert word in done.stdout, word
    assert "written to" not in done.stdout


def test_json_is_one_object_and_nothing_else(small):
    done = cli("run", small, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("{\n")
    printed = json.loads(done.stdout)
    expected = messsim.run(messsim.load(small)).summary
    del printed["performance"], expected["performance"]
    assert printed == expected


def test_both_engines_print_the_same(small):
    by_engine = [json.loads(cli("run", small, "--json", "--engine", e).stdout) for e in ("simpy", "compiled")]
    for summary, engine in zip(by_engine, ("simpy", "compiled"), strict=True):
        assert summary.pop("engine") == engine
        del summary["performance"]
    assert by_engine[0] == by_engine[1]


def test_out_writes_a_directory(run_dir, small):
    assert sorted(p.name for p in run_dir.iterdir()) == [
        "requests",
        "scenario.toml",
        "summary.json",
        "timeline.parquet",
    ]
    assert pl.read_parquet(run_dir / "requests").height == 200
    done = cli("run", small, "--out", run_dir)
    assert refused(done) == f"error: {run_dir}: exists already; expected a directory that is yet to be made\n"
    assert sorted(p.name for p in run_dir.parent.iterdir() if p.name.startswith(".")) == []


def test_out_and_json_go_together(small, tmp_path):
    done = cli("run", small, "--out", tmp_path / "o", "--json")
    assert json.loads(done.stdout)["requests"]["arrived"] == 200
    assert (tmp_path / "o" / "summary.json").exists()


def test_the_directory_runs_again_to_the_same_records(run_dir, tmp_path):
    done = cli("run", run_dir / "scenario.toml", "--out", tmp_path / "again")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == f"written to {tmp_path / 'again'}"
    a, b = (pl.read_parquet(d / "requests") for d in (run_dir, tmp_path / "again"))
    assert a.equals(b)


def test_flags_go_before_sets_and_sets_before_the_file(small):
    args = ["--json", "--set", "seed=5", "--set", "requests=70", "--set", "models.large.satisfaction=0.9"]
    summary = json.loads(cli("run", small, *args, "--requests", 50, "--seed", 9, "--replication", 2).stdout)
    assert (summary["requests"]["arrived"], summary["seed"], summary["replication"]) == (50, 9, 2)
    summary = json.loads(cli("run", small, *args).stdout)
    assert (summary["requests"]["arrived"], summary["seed"], summary["replication"]) == (70, 5, 0)


def test_requests_replace_a_horizon(folder):
    file = write(folder / "horizon.toml", requests=None, horizon_s=5.0)
    assert json.loads(cli("run", file, "--json", "--requests", 30).stdout)["requests"]["arrived"] == 30


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--set", "router.policy=mess"], "router.policy = 'mess'"),
        (["--set", "sla.alpha=2"], "sla.alpha = 2"),
        (["--set", "nonsense"], "--set nonsense: expected key.path=value"),
        (["--engine", "fast"], "engine = 'fast': expected 'compiled' or 'simpy'"),
        (["--requests", "0"], "requests = 0"),
        (["--seed", "-1"], "seed = -1"),
        (["--out", "/dev/null/x"], "/dev/null is no directory"),
    ],
)
def test_bad_options_are_refused(small, args, says):
    assert says in refused(cli("run", small, *args))


def test_a_missing_file_is_refused(tmp_path):
    for command in ("run", "check"):
        done = cli(command, "missing.toml", cwd=tmp_path)
        assert refused(done) == "error: missing.toml: no such file; expected a scenario in TOML\n"


def test_every_problem_has_a_line(folder):
    file = folder / "bad.toml"
    file.write_text(tomli_w.dumps(scenario(sla={"alpha": 1.5}, router={"V": -1.0, "polcy": "x"})))
    lines = refused(cli("run", file)).splitlines()
    assert len(lines) == 3
    assert all(str(file) in line for line in lines)


@pytest.mark.parametrize(
    "args", [[], ["nonsense"], ["run"], ["run", "--nonsense"], ["explain", "x"], ["run", "x", "--requests", "many"]]
)
def test_wrong_usage_exits_2(args):
    done = cli(*args)
    assert done.returncode == 2
    assert "Usage: messsim" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_a_run_that_cannot_go_on_exits_1_and_leaves_nothing(folder, tmp_path):
    """More than 64 requests wait behind the oldest: far more than the scenario wants to hold."""
    file = write(
        folder / "flood.toml",
        requests=2000,
        arrivals={"kind": "poisson", "rate_rps": 1000.0},
        models=[model("only", max_num_seqs=1)],
        record={"chunk": 64, "max_open": 64},
    )
    for engine in ("simpy", "compiled"):
        error = refused(cli("run", file, "--engine", engine, "--out", tmp_path / "o"), code=1)
        assert "record.max_open = 64" in error
        assert list(tmp_path.iterdir()) == []


def test_a_narrow_terminal_shows_whole_words(small):
    for args in (["run", small], ["check", small], ["profiles"], ["profiles", "Llama-3.1-8B/H100/tp1"]):
        done = cli(*args, columns=60)
        assert done.returncode == 0
        assert max(map(len, done.stdout.splitlines())) <= 60
        assert "…" not in done.stdout


def test_eighty_columns_hold_every_column_of_the_quickstart():
    """Names of 13 characters, as the shipped scenarios have."""
    shipped = Path(__file__).parents[1] / "scenarios" / "quickstart.toml"
    for args in (["run", shipped, "--requests", 500], ["check", shipped], ["profiles"]):
        out = cli(*args).stdout
        assert "wider terminal" not in out
        assert "…" not in out


# ---- who reads the output -------------------------------------------------------------------------------


@pytest.mark.parametrize("args", [["run", "{}"], ["run", "{}", "--json"], ["check", "{}"], ["profiles"], ["schema"]])
def test_a_reader_who_leaves_early_sees_no_traceback(small, args):
    command = [sys.executable, "-m", "messsim.cli", *(a.format(small) for a in args)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    process.wait()
    assert error == ""


def started(*args: object) -> subprocess.Popen:
    command = [sys.executable, "-m", "messsim.cli", *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads CPU time from /proc")
@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_ctrl_c_ends_a_run_within_a_second_and_leaves_nothing(long, tmp_path, engine):
    """Of CPU time, so that a busy machine does not matter."""
    out = tmp_path / "deep" / "out"
    process = started("run", long, "--engine", engine, "--out", out)
    deadline = time.monotonic() + 60
    while not list(tmp_path.rglob("*.partial")) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.5)
    assert process.poll() is None
    spent = cpu_s(process.pid)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process.send_signal(signal.SIGINT)
    output, error = process.communicate(timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert process.returncode == 130
    assert (output, error) == ("", "interrupted; nothing was written\n")
    assert total - spent < 1.0
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_before_anything_happens_is_silent_too(long):
    process = started("run", long)
    time.sleep(0.15)  # still importing, on most machines
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT)
    assert "Error" not in error


def test_runs_side_by_side_share_no_file(small, tmp_path):
    outs = [tmp_path / f"o{k}" for k in range(3)]
    processes = [started("run", small, "--seed", k % 2, "--out", out) for k, out in enumerate(outs)]
    assert [p.communicate()[1] for p in processes] == [""] * 3
    assert [p.returncode for p in processes] == [0] * 3
    assert sorted(tmp_path.iterdir()) == outs
    a, b, c = (pl.read_parquet(out / "requests") for out in outs)
    assert a.equals(c)
    assert not a.equals(b)


def test_of_two_runs_to_one_directory_one_wins(small, tmp_path):
    processes = [started("run", small, "--seed", k, "--out", tmp_path / "o") for k in range(2)]
    errors = [p.communicate()[1] for p in processes]
    codes = [p.returncode for p in processes]
    assert sorted(codes) == [0, 2]
    assert "Traceback" not in "".join(errors)
    assert [p.name for p in tmp_path.iterdir()] == ["o"]
    winner = json.loads((tmp_path / "o" / "summary.json").read_text())["seed"]
    assert codes[winner] == 0


# ---- check ----------------------------------------------------------------------------------------------


def test_check_tells_load_and_reach(small):
    done = cli("check", small)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("small: 200 requests, 2 requests/s, policy mess+\n")
    assert "alpha = 0.7 for gold: large alone would keep it" in done.stdout
    assert "alpha = 0.3 for basic: small alone would keep it" in done.stdout
    found = json.loads(cli("check", small, "--json").stdout)
    assert [p["name"] for p in found["pools"]] == ["small", "large"]
    # one replica of 4 places, 3 iterations of a quarter of a second a request
    assert found["pools"][0]["capacity_rps"] == pytest.approx(4 / (3 * 0.25))
    assert found["requests"] == 200
    assert found["expect"]["probe_requests"] == 200
    assert 0 < found["pools"][1]["load"] < 2


def test_check_warns_of_what_cannot_be(folder):
    file = write(
        folder / "hopeless.toml",
        sla={"alpha": 0.99},
        arrivals={"kind": "poisson", "rate_rps": 500.0},
        models=[model("only", 0.5)],
    )
    text = cli("check", file).stdout
    assert "alpha = 0.99 cannot be kept: any model at all is right on only 50.0 % of requests" in text
    assert "pool only gets more than it can sustain: its queue grows" in text
    found = json.loads(cli("check", file, "--json").stdout)
    assert found["promises"][0]["reachable"] is False
    assert found["pools"][0]["load"] > 1


def test_check_of_clients_and_of_no_servers(folder):
    closed = write(folder / "closed.toml", requests=50, arrivals={"kind": "closed", "clients": 3})
    assert cli("check", closed).stdout.startswith("scenario: 50 requests, as clients ask, policy mess+")
    horizon = write(
        folder / "none.toml",
        requests=None,
        horizon_s=100.0,
        models=[{"name": "a", "satisfaction": 0.5, "cost_per_request": 1.0}],
        cluster={"mode": "none"},
    )
    found = json.loads(cli("check", horizon, "--json").stdout)
    assert (found["pools"], found["requests"]) == ([], 200.0)


# ---- explain --------------------------------------------------------------------------------------------


def explained(directory: Path, request: int) -> dict:
    done = cli("explain", directory, "--request", request, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def rows(run_dir) -> list[dict]:
    return pl.read_parquet(run_dir / "requests").sort("id").rows(named=True)


@pytest.mark.parametrize("request_", [0, 1, 57, 199])
def test_explain_agrees_with_the_record_bit_for_bit(run_dir, rows, request_):
    found, row = explained(run_dir, request_), rows[request_]
    assert found["request"] == row["id"] == request_
    assert found["step"] == request_ + 1
    assert found["queue"] == row["queue"]
    assert found["alpha"] == {"gold": 0.7, "basic": 0.3}[row["tenant"]]
    of = {m["name"]: m for m in found["models"]}
    assert of[row["model"]]["score"] == row["score"]
    assert of[row["model"]]["chosen"]
    assert found["record"] == row
    assert found["how"].startswith("explored" if row["explored"] else "exploited")
    for m in found["models"]:
        assert m["total"] == found["V"] * m["cost"] + found["queue"] * (found["alpha"] - m["score"])
    if not row["explored"]:
        assert min(found["models"], key=lambda m: m["total"])["name"] == row["model"]
        assert sum(m["chosen"] for m in found["models"]) == 1


def test_explain_tells_it_to_people(run_dir, rows):
    exploited = next(r["id"] for r in rows if not r["explored"] and r["id"] > 20)
    done = cli("explain", run_dir, "--request", exploited)
    assert (done.returncode, done.stderr) == (0, "")
    for word in (f"request {exploited} of tenant", "exploited", "Q = ", "V = 0.01", "score", "sum", "> ", "on replica"):
        assert word in done.stdout, word


@pytest.mark.parametrize("name", ["closed", "horizon", "phases", "late", "random"])
def test_explain_replays_every_kind_of_run(folder, name):
    data = {
        "closed": {"arrivals": {"kind": "closed", "clients": 3, "think_s": 0.5}},
        "horizon": {"requests": None, "horizon_s": 30.0},
        "phases": {"phases": [{"from_s": 10.0, "difficulty": 2.0, "rate_factor": 2.0}]},
        "late": {
            "feedback": {"probability": 0.5, "delay": {"kind": "exponential", "mean_s": 5.0}},
            "router": {"c": 1.0},
        },
        "random": {"router": {"policy": "random"}},
    }[name]
    out = folder / f"run-{name}"
    messsim.run(messsim.parse(scenario(**data)), out=out)
    last = messsim.parse(scenario(**data)).requests or pl.read_parquet(out / "requests").height
    found = explained(out, last - 1)
    assert found["record"] == pl.read_parquet(out / "requests").filter(id=last - 1).row(0, named=True)
    assert (found["V"] is None) == (name == "random")


def test_explain_refuses_what_is_not_there(run_dir, tmp_path):
    error = refused(cli("explain", run_dir, "--request", 200))
    assert error == f"error: {run_dir}: --request 200: expected 0 to 199\n"
    assert "--request -1: expected 0 to 199" in refused(cli("explain", run_dir, "--request", -1))
    error = refused(cli("explain", tmp_path, "--request", 0))
    assert f"{tmp_path}: expected a directory that `messsim run --out` wrote" in error
    assert "expected a directory" in refused(cli("explain", tmp_path / "missing", "--request", 0))


@pytest.mark.parametrize(("key", "value"), [("queue", 0.123), ("model", None), ("score", 0.5001), ("explored", None)])
def test_explain_notices_a_record_of_another_version(run_dir, tmp_path, rows, key, value):
    """A directory whose record says something else than the replay."""
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(run_dir, copy)
    (part,) = (copy / "requests").iterdir()
    frame = pl.read_parquet(part)
    other = {"model": {"small": "large", "large": "small"}[rows[150]["model"]], "explored": not rows[150]["explored"]}
    changed = pl.lit(other.get(key, value)).cast(frame.schema[key])
    frame.with_columns(pl.when(id=150).then(changed).otherwise(pl.col(key)).alias(key)).write_parquet(part)
    error = refused(cli("explain", copy, "--request", 150))
    assert f"with {key} = " in error
    assert "another version of messsim, or other data files" in error


def test_explain_needs_the_files_of_the_run(folder, tmp_path):
    from builders import trace

    data = scenario(arrivals=trace(tmp_path, [0, 1, 2]), requests=None)
    messsim.run(messsim.parse(data), out=folder / "traced")
    (tmp_path / "trace.csv").unlink()
    assert "trace.csv" in refused(cli("explain", folder / "traced", "--request", 0))


# ---- the zoo, the schema, the rest ----------------------------------------------------------------------


def test_profiles_are_listed_and_shown():
    done = cli("profiles")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Llama-3.1-70B/H100/tp4" in done.stdout
    listed = json.loads(cli("profiles", "--json").stdout)
    assert f"{len(listed)} profiles" in done.stdout
    one = cli("profiles", "Llama-3.1-8B/H100/tp1")
    for word in ("a0_s", "kv_capacity_tokens", "assumed", "fit error", "licence", "measured", "energy: "):
        assert word in one.stdout, word
    assert all(f"Llama-3.1-8B/{gpu}" in cli("profiles", "Llama-3.1-8B").stdout for gpu in ("H100", "A100"))


def test_an_unknown_profile_has_neighbours():
    error = refused(cli("profiles", "Llama-3.1-9B"))
    assert "no built-in profile of model 'Llama-3.1-9B'" in error
    assert "Llama-3.1-8B" in error


def test_the_schema_is_the_scenarios():
    done = cli("schema")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == Scenario.model_json_schema(by_alias=True)


def test_version_and_help():
    assert cli("--version").stdout == f"messsim {messsim.__version__}\n"
    done = cli("--help")
    assert done.returncode == 0
    assert all(f" {command} " in done.stdout for command in COMMANDS)
    for command in COMMANDS:
        done = cli(command, "--help")
        assert done.returncode == 0
        assert f"Usage: messsim {command}" in done.stdout


# ---- what is imported when ------------------------------------------------------------------------------


def loaded(code: str) -> set[str]:
    """The modules that are loaded after the code has run."""
    script = f"import sys\n{code}\nprint('@'.join(['', *sys.modules]))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split("@"))


MAIN = "from messsim.cli import main\nsys.argv = {!r}\ntry:\n    main()\nexcept SystemExit as e:\n    assert not e.code"


def test_importing_messsim_imports_next_to_nothing():
    modules = loaded("import messsim")
    assert not modules & {"polars", "scipy", "numba", "altair", "simpy", "ray", "numpy", "pydantic", "typer"}
    assert "messsim" in modules


def test_help_imports_no_numpy():
    modules = loaded(MAIN.format(["messsim", "--help"]))
    assert not modules & {"polars", "scipy", "numpy", "pydantic", "simpy"}


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_a_run_imports_no_scipy_stats(folder, engine):
    """Of every law that is drawn."""
    file = write(
        folder / "laws.toml",
        requests=300,
        arrivals={"kind": "gamma", "rate_rps": 2.0, "cv": 2.0},
        tokens={"prompt": {"kind": "lognormal", "mean": 50.0, "cv": 1.0, "max": 900}},
        feedback={"delay": {"kind": "lognormal", "mean_s": 1.0, "cv": 1.0}},
        models=[model("only", coefficients=COEFFICIENTS, output={"kind": "geometric", "mean": 5.0})],
    )
    modules = loaded(MAIN.format(["messsim", "run", str(file), "--engine", engine]))
    assert not {m for m in modules if m.startswith("scipy.stats")}
    assert not modules & {"numba", "altair", "ray"}
    if engine == "compiled":
        assert "simpy" not in modules
