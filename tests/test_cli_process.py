"""The command line as a process: pipes, signals, neighbours, imports."""

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


def write(path: Path, **changes) -> Path:
    path.write_text(tomli_w.dumps(scenario(**changes)))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def small(folder) -> Path:
    return write(folder / "small.toml", requests=200, router={"c": 1.0, "kappa": 0.5})


@pytest.fixture(scope="module")
def long(folder) -> Path:
    """One that takes minutes."""
    models = [{"name": n, "satisfaction": s, "cost_per_request": c} for n, s, c in [("a", 0.4, 1.0), ("b", 0.8, 5.0)]]
    return write(folder / "long.toml", requests=1_000_000_000, models=models, cluster={"mode": "none"})


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
