"""The command line, as a user runs it: exit codes, what is printed, what is left.

Each command is run as a process at least once; further cases of it call `main` here, which saves half a second each.
"""

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import tomli_w
from builders import model, scenario

import messsim
from messsim.cli import app
from messsim.scenario import Scenario

COMMANDS = ["run", "check", "explain", "converge", "report", "plot", "profiles", "schema", "verify", "replicate"]


def cli(*args: object, columns: int = 80, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"COLUMNS": str(columns), "PYTHONWARNINGS": "error"}
    command = [sys.executable, "-m", "messsim.cli", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd=cwd)


def here(*args: object) -> subprocess.CompletedProcess[str]:
    """The same in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as left:
        app(list(map(str, args)), prog_name="messsim")
    return subprocess.CompletedProcess(args, left.value.code, out.getvalue(), err.getvalue())


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
    assert printed["cost"].pop("without_router")["best_single"]  # two more runs, which the command makes
    assert printed == expected


def test_both_engines_print_the_same(small):
    by_engine = [json.loads(here("run", small, "--json", "--engine", e).stdout) for e in ("simpy", "compiled")]
    for summary, engine in zip(by_engine, ("simpy", "compiled"), strict=True):
        assert summary.pop("engine") == engine
        del summary["performance"]
    assert by_engine[0] == by_engine[1]


def test_trace_writes_a_file_for_a_trace_viewer(small, tmp_path):
    file = tmp_path / "trace.json"
    done = here("run", small, "--trace", file, "--trace-window", "0..5", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["requests"]["arrived"] == 200
    events = json.loads(file.read_text())["traceEvents"]
    assert {e["ph"] for e in events} == {"X", "i", "C", "M"}
    assert max(e.get("ts", 0) for e in events) <= 5e6
    assert "trace written to" in here("run", small, "--trace", file).stdout


def test_where_it_was_written_is_told_as_it_is(small, tmp_path):
    out = tmp_path / "run [bold] 1"
    assert f"written to {out}" in here("run", small, "--out", out).stdout.replace("\n", "")


def test_a_window_in_which_nothing_happens_is_told(small, tmp_path):
    file = tmp_path / "trace [bold].json"
    done = here("run", small, "--trace", file, "--trace-window", "100000..100010")
    assert (done.returncode, done.stderr) == (0, f"nothing happens from 100000 to 100010 s: {file} is empty\n")


def test_a_window_that_is_none_is_told_before_the_run(small, tmp_path):
    error = refused(here("run", small, "--trace", tmp_path / "t.json", "--trace-window", "9..3"))
    assert error == "error: --trace-window 9..3: expected A..B, seconds of simulated time with A < B, as in 60..120\n"
    assert not list(tmp_path.iterdir())


def test_a_window_without_a_file_is_told(small):
    error = refused(here("run", small, "--trace-window", "0..5"))
    assert error == "error: --trace-window 0..5: expected --trace FILE with it\n"


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
    done = here("run", small, "--out", tmp_path / "o", "--json")
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
    summary = json.loads(here("run", small, *args, "--requests", 50, "--seed", 9, "--replication", 2).stdout)
    assert (summary["requests"]["arrived"], summary["seed"], summary["replication"]) == (50, 9, 2)
    summary = json.loads(here("run", small, *args).stdout)
    assert (summary["requests"]["arrived"], summary["seed"], summary["replication"]) == (70, 5, 0)


def test_requests_replace_a_horizon(folder):
    file = write(folder / "horizon.toml", requests=None, horizon_s=5.0)
    assert json.loads(here("run", file, "--json", "--requests", 30).stdout)["requests"]["arrived"] == 30


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--set", "router.policy=mess"], "router.policy = 'mess'"),
        (["--set", "sla.alpha=2"], "sla.alpha = 2"),
        (["--set", "nonsense"], "--set nonsense: expected key.path=value"),
        (["--engine", "fast"], "engine = 'fast': expected one of compiled, simpy"),
        (["--requests", "0"], "requests = 0"),
        (["--seed", "-1"], "seed = -1"),
        (["--out", "/dev/null/x"], "/dev/null is no directory"),
    ],
)
def test_bad_options_are_refused(small, args, says):
    assert says in refused(here("run", small, *args))


def test_a_missing_file_is_refused(tmp_path):
    for command in ("run", "check"):
        done = cli(command, "missing.toml", cwd=tmp_path)
        assert refused(done) == "error: missing.toml: no such file; expected a scenario in TOML\n"


def test_every_problem_has_a_line(folder):
    file = folder / "bad.toml"
    file.write_text(tomli_w.dumps(scenario(sla={"alpha": 1.5}, router={"V": -1.0, "polcy": "x"})))
    lines = refused(here("run", file)).splitlines()
    assert len(lines) == 3
    assert all(str(file) in line for line in lines)


@pytest.mark.parametrize(
    "args", [[], ["nonsense"], ["run"], ["run", "--nonsense"], ["explain", "x"], ["run", "x", "--requests", "many"]]
)
def test_wrong_usage_exits_2(args):
    done = here(*args)
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
        error = refused(here("run", file, "--engine", engine, "--out", tmp_path / "o"), code=1)
        assert "record.max_open = 64" in error
        assert list(tmp_path.iterdir()) == []


def test_a_narrow_terminal_shows_whole_words(small):
    for args in (["run", small], ["check", small], ["profiles", "Mixtral"], ["profiles", "Llama-3.1-8B/H100/tp1"]):
        done = cli(*args, columns=60)
        assert done.returncode == 0
        assert max(map(len, done.stdout.splitlines())) <= 60
        assert "…" not in done.stdout


def test_eighty_columns_hold_every_column_of_the_quickstart():
    """Names of 13 characters, as the shipped scenarios have."""
    shipped = Path(__file__).parents[1] / "scenarios" / "quickstart.toml"
    for args in (["run", shipped, "--requests", 500], ["check", shipped]):
        out = cli(*args).stdout
        assert len([line for line in out.splitlines() if line.startswith("model ")]) == 1  # none goes on below
        assert "…" not in out
    assert "…" not in cli("profiles", "Mixtral").stdout


# ---- check ----------------------------------------------------------------------------------------------


def test_check_tells_load_and_reach(small):
    done = cli("check", small)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("small: 200 requests, 2 requests/s, policy mess+\n")
    assert "alpha = 0.7 for gold: large alone would keep it" in done.stdout
    assert "alpha = 0.3 for basic: small alone would keep it" in done.stdout
    data = json.loads(here("check", small, "--json").stdout)
    assert [p["name"] for p in data["pools"]] == ["small", "large"]
    # one replica of 4 places, 3 iterations of a quarter of a second a request
    assert data["pools"][0]["capacity_rps"] == pytest.approx(4 / (3 * 0.25))
    assert data["requests"] == 200
    assert data["expect"]["probe_requests"] == 200
    assert 0 < data["pools"][1]["load"] < 2


def test_check_tells_where_a_run_draws_worse_than_the_long_run(folder):
    sla = {"alpha": 0.6}
    lines = []
    for seed in range(6):
        out = here(
            "check",
            write(
                folder / "draws.toml",
                requests=50,
                seed=seed,
                sla=sla,
                models=[model("small", 0.6), model("large", 0.8)],
            ),
        ).stdout
        best = out.split("best single model, ")[1].split()[0]
        line = next(line for line in out.splitlines() if line.startswith("alpha = 0.6: "))
        more = "" if best == "small" else " in the long run; in this run, large would"
        assert line == f"alpha = 0.6: small alone would keep it{more}"
        lines.append(line)
    assert len(set(lines)) == 2


def test_check_warns_of_what_cannot_be(folder):
    file = write(
        folder / "hopeless.toml",
        sla={"alpha": 0.99},
        arrivals={"kind": "poisson", "rate_rps": 500.0},
        models=[model("only", 0.5)],
    )
    done = here("check", file)
    text = done.stdout
    assert done.returncode == 1
    assert "alpha = 0.99 cannot be kept: on 50.0 % of requests is any model right, no more" in text
    assert "pool only gets more than it can sustain: its queue grows" in text
    data = json.loads(here("check", file, "--json").stdout)
    assert data["promises"][0]["reachable"] is False
    assert data["pools"][0]["load"] > 1
    assert data["pools"][0]["kv_capacity_tokens"] is None
    assert "no limit" in text


def test_check_of_clients_and_of_no_servers(folder):
    closed = write(folder / "closed.toml", requests=50, arrivals={"kind": "closed", "clients": 3})
    assert here("check", closed).stdout.startswith("scenario: 50 requests, as clients ask, policy mess+")
    horizon = write(
        folder / "none.toml",
        requests=None,
        horizon_s=100.0,
        models=[{"name": "a", "satisfaction": 0.5, "cost_per_request": 1.0}],
        cluster={"mode": "none"},
    )
    data = json.loads(here("check", horizon, "--json").stdout)
    assert (data["pools"], data["requests"]) == ([], 200.0)


# ---- explain --------------------------------------------------------------------------------------------


def explained(directory: Path, request: int) -> dict:
    done = here("explain", directory, "--request", request, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def rows(run_dir) -> list[dict]:
    return pl.read_parquet(run_dir / "requests").sort("id").rows(named=True)


@pytest.mark.parametrize("request_", [0, 1, 57, 199])
def test_explain_agrees_with_the_record_bit_for_bit(run_dir, rows, request_):
    explanation, row = explained(run_dir, request_), rows[request_]
    assert explanation["request"] == row["id"] == request_
    assert explanation["step"] == request_ + 1
    assert explanation["queue"] == row["queue"]
    assert explanation["alpha"] == {"gold": 0.7, "basic": 0.3}[row["tenant"]]
    of = {m["name"]: m for m in explanation["models"]}
    assert of[row["model"]]["score"] == row["score"]
    assert of[row["model"]]["chosen"]
    assert explanation["record"] == row
    assert explanation["how"].startswith("explored" if row["explored"] else "exploited")
    for m in explanation["models"]:
        assert m["total"] == explanation["V"] * m["cost"] + explanation["queue"] * (explanation["alpha"] - m["score"])
    if not row["explored"]:
        assert min(explanation["models"], key=lambda m: m["total"])["name"] == row["model"]
        assert sum(m["chosen"] for m in explanation["models"]) == 1


def test_explain_tells_it_to_people(run_dir, rows):
    exploited = next(r["id"] for r in rows if not r["explored"] and r["id"] > 20)
    done = here("explain", run_dir, "--request", exploited)
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
    explanation = explained(out, last - 1)
    assert explanation["record"] == pl.read_parquet(out / "requests").filter(id=last - 1).row(0, named=True)
    assert (explanation["V"] is None) == (name == "random")


def test_explain_refuses_what_is_not_there(run_dir, tmp_path):
    error = refused(here("explain", run_dir, "--request", 200))
    assert error == f"error: {run_dir}: --request 200: expected 0 to 199\n"
    assert "--request -1: expected 0 to 199" in refused(here("explain", run_dir, "--request", -1))
    error = refused(here("explain", tmp_path, "--request", 0))
    assert f"{tmp_path}: expected a directory that `messsim run --out` wrote" in error
    assert "expected a directory" in refused(here("explain", tmp_path / "missing", "--request", 0))


@pytest.mark.parametrize(("key", "value"), [("queue", 0.123), ("model", None), ("score", 0.5001), ("explored", None)])
def test_explain_notices_a_record_of_another_version(run_dir, tmp_path, rows, key, value):
    """A directory whose record says something else than the replay."""
    copy = tmp_path / "copy"
    shutil.copytree(run_dir, copy)
    (part,) = (copy / "requests").iterdir()
    frame = pl.read_parquet(part)
    other = {"model": {"small": "large", "large": "small"}[rows[150]["model"]], "explored": not rows[150]["explored"]}
    changed = pl.lit(other.get(key, value)).cast(frame.schema[key])
    frame.with_columns(pl.when(id=150).then(changed).otherwise(pl.col(key)).alias(key)).write_parquet(part)
    error = refused(here("explain", copy, "--request", 150))
    assert f"with {key} = " in error
    assert "another version of messsim, or other data files" in error


def test_explain_needs_the_files_of_the_run(folder, tmp_path):
    from builders import trace

    data = scenario(arrivals=trace(tmp_path, [0, 1, 2]), requests=None)
    messsim.run(messsim.parse(data), out=folder / "traced")
    (tmp_path / "trace.csv").unlink()
    assert "trace.csv" in refused(here("explain", folder / "traced", "--request", 0))


# ---- the zoo, the schema, the rest ----------------------------------------------------------------------


def test_profiles_are_listed_and_shown():
    done = cli("profiles")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Llama-3.1-70B/H100/tp4" in done.stdout
    listed = json.loads(here("profiles", "--json").stdout)
    assert f"{len(listed):,} profiles" in done.stdout
    one = here("profiles", "Llama-3.1-8B/H100/tp1")
    for word in (
        "new tokens",
        "aq_s_per_token2",
        "kv_capacity_tokens",
        "assumed",
        "fit error",
        "licence",
        "metered",
        "energy: ",
    ):
        assert word in one.stdout, word
    assert all(f"Llama-3.1-8B/{gpu}" in here("profiles", "Llama-3.1-8B").stdout for gpu in ("H100", "A100"))


def test_an_unknown_profile_has_neighbours():
    error = refused(here("profiles", "Llama-3.1-9B"))
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
        done = here(command, "--help")
        assert done.returncode == 0
        assert f"Usage: messsim {command}" in done.stdout


def test_without_a_command_the_help_is_shown():
    without, asked = here(), here("--help")
    assert (without.stdout + without.stderr).strip() == asked.stdout.strip()
    assert "Simulate LLM inference clusters" in asked.stdout
