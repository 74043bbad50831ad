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


def partials(folder: Path) -> list[Path]:
    """Runs under way; what is tried out beside them may be gone before it is looked at."""
    try:
        return list(folder.rglob("*.partial"))
    except FileNotFoundError:
        return []


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads CPU time from /proc")
@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_ctrl_c_ends_a_run_within_a_second_and_leaves_nothing(started, long, tmp_path, engine):
    """Of CPU time, so that a busy machine does not matter."""
    out = tmp_path / "deep" / "out"
    process = started("run", long, "--engine", engine, "--out", out)
    deadline = time.monotonic() + 60
    while not partials(tmp_path) and time.monotonic() < deadline:
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


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads processes from /proc")
@pytest.mark.parametrize("number", ["TERM", "HUP", "QUIT", "XCPU", "USR1", "USR2", "ALRM"])
@pytest.mark.parametrize("engine", ["compiled", "simpy"])
def test_what_ends_a_process_ends_a_run_and_leaves_nothing(started, long, tmp_path, number, engine):
    process = started("run", long, "--engine", engine, "--out", tmp_path / "deep" / "out")
    until(lambda: partials(tmp_path))
    process.send_signal(getattr(signal, f"SIG{number}"))
    output, error = process.communicate(timeout=60)
    code = 128 + getattr(signal, f"SIG{number}")
    assert (process.returncode, output, error) == (code, "", "interrupted; nothing was written\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_while_nothing_can_be_raised_is_not_lost(name):
    """An exception in `__del__`, or in what is called when an object goes, is only told by Python."""
    code = f"""
import os, signal, time
from messsim.cli.signals import end_like_ctrl_c, exit_code
class Goes:
    def __del__(self):
        os.kill(os.getpid(), signal.{name})
        for _ in range(1000):
            pass
end_like_ctrl_c()
try:
    Goes()
    time.sleep(50)
except KeyboardInterrupt as error:
    print(exit_code(error))
"""
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (made.stdout, made.stderr) == (f"{128 + getattr(signal, name)}\n", "")


def until(happened, deadline_s=60.0):
    deadline = time.monotonic() + deadline_s
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert happened()


def children(pid: int) -> list[int]:
    result = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in result.stdout.split()]


def lives(pid: int) -> bool:
    """Not even as a zombie that nobody collects."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads processes from /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("study", [["sweep", "--grid", "router.V=1,2,3"], ["replicate"]], ids=["sweep", "replicate"])
def test_processes_of_a_study_end_with_it(started, long, tmp_path, study, number):
    """Only the parent is told to end; a process more keeps the resources of the others in order."""
    process = started(study[0], long, *study[1:], "--workers", 2)
    until(lambda: len(children(process.pid)) >= 3)
    time.sleep(1.0)
    many = children(process.pid)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == (143 if number == signal.SIGTERM else -signal.SIGKILL)
    until(lambda: not any(map(lives, many)), 20.0)


def test_what_a_killed_run_left_is_named_by_the_next(started, long, small, tmp_path):
    out = tmp_path / "the out"
    process = started("run", long, "--out", out)
    until(lambda: partials(tmp_path))
    process.kill()
    process.communicate(timeout=60)
    (left,) = tmp_path.iterdir()
    again = started("run", small, "--out", out)
    error = again.communicate(timeout=60)[1]
    assert again.returncode == 0
    assert error == f"note: {left} is left of a command that was killed; to remove it: rm -r '{left}'\n"


# ---- where output goes ----------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full")
@pytest.mark.parametrize("args", [["run", "{}"], ["run", "{}", "--json"], ["schema"], ["--help"], ["--version"]])
def test_output_to_a_full_disk_is_an_error(small, args):
    command = [sys.executable, "-m", "messsim.cli", *(a.format(small) for a in args)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: standard output cannot be written to: No space left on device\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full")
def test_a_profile_is_written_before_it_is_shown(tmp_path):
    """As all that a command has computed."""
    measured = Path(__file__).parents[1] / "scenarios/data/own-gpu-iterations.csv"
    out = tmp_path / "my-gpu.toml"
    command = [sys.executable, "-m", "messsim.cli", "calibrate", measured, "--gpu", "my-gpu", "--out", out]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert "error: standard output cannot be written to" in done.stderr
    assert out.exists()


@pytest.mark.parametrize("args", [["run", "{}", "--json"], ["--version"]])
def test_closed_output_is_an_error(small, args):
    command = [sys.executable, "-m", "messsim.cli", *(a.format(small) for a in args)]
    shell = ["sh", "-c", '"$@" >&-', "sh", *command]
    done = subprocess.run(shell, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: standard output is closed; expected it to lead somewhere, such as to /dev/null\n"


def test_a_reader_who_leaves_early_does_not_look_like_a_failed_requirement(small):
    shell = ["bash", "-c", '"$@" | head -c 1; exit ${PIPESTATUS[0]}', "bash", sys.executable, "-m", "messsim.cli"]
    done = subprocess.run([*shell, "schema"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) in [(0, ""), (2, "")]


def test_runs_side_by_side_share_no_file(started, small, tmp_path):
    outs = [tmp_path / f"o{k}" for k in range(3)]
    processes = [started("run", small, "--seed", k % 2, "--out", out) for k, out in enumerate(outs)]
    assert [p.communicate()[1] for p in processes] == [""] * 3
    assert [p.returncode for p in processes] == [0] * 3
    assert sorted(tmp_path.iterdir()) == outs
    a, b, c = (pl.read_parquet(out / "requests") for out in outs)
    assert a.equals(c)
    assert not a.equals(b)


def test_of_two_runs_to_one_directory_one_wins(started, small, tmp_path):
    processes = [started("run", small, "--seed", k, "--out", tmp_path / "o") for k in range(2)]
    errors = [p.communicate()[1] for p in processes]
    codes = [p.returncode for p in processes]
    assert sorted(codes) == [0, 2]
    assert "Traceback" not in "".join(errors)
    loser = [f"{tmp_path / 'o-2'}"] if (tmp_path / "o-2").exists() else []  # else it saw the other's at its start
    assert sorted(map(str, tmp_path.iterdir())) == [str(tmp_path / "o"), *loser]
    assert all(name in "".join(errors) for name in loser)
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


READERS = {f"messsim.workload.{reader}" for reader in ("blocks", "readers", "table", "trace")}


@pytest.mark.parametrize("command", ["check", "run"])
def test_without_data_files_nothing_that_reads_them_is_imported(folder, command):
    modules = loaded(MAIN.format(["messsim", command, str(write(folder / "plain.toml", requests=50))]))
    assert "messsim.engines.compiled" in modules
    assert not modules & {"polars", "scipy", "numba", "messsim.routing.unseeded", *READERS}


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
