"""Many runs in processes: the same summaries as here, errors kept apart, nothing lost."""

import os
import pickle
import signal
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool
from types import SimpleNamespace

import pytest
import tomli_w
from builders import scenario
from commands import commands

from messsim.errors import DataError, MissingColumns, ScenarioError, SimulationError
from messsim.scenario import parse
from messsim.study import run
from messsim.study.runs import local_workers, processes
from messsim.study.runs.processes import Processes
from messsim.study.runs.summaries import in_processes, summaries, summary_of
from messsim.zoo import UnknownProfile


def squared(x: int) -> int:
    if x == 3:
        raise ScenarioError("three is too many")
    if x == 5:
        os._exit(9)
    return x * x


def comparable(summary):
    return {k: v for k, v in summary.items() if k != "performance"}


@pytest.mark.parametrize(
    "error",
    [
        ScenarioError(["one", "two"], "s.toml"),
        DataError("no rows", "t.csv"),
        MissingColumns(["no column"], "t.csv", {"a": None}),
        UnknownProfile("none of that name"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_come_out_of_processes_as_they_are(error):
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_runs_in_processes_equal_runs_here():
    runs = [parse(scenario(requests=300, replication=r)) for r in range(3)]
    data = dict(summaries(runs, workers=2))
    assert {i: comparable(s) for i, s in data.items()} == {i: comparable(summary_of(r)) for i, r in enumerate(runs)}


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_stops_no_other(workers):
    data = dict(in_processes(squared, [1, 2, 3, 4], workers=workers))
    assert str(data.pop(2)) == "three is too many"
    assert data == {0: 1, 1: 4, 3: 16}


def test_items_are_read_as_they_are_needed():
    read = []

    def items():
        for i in range(10, 110):
            read.append(i)
            yield i

    result = in_processes(squared, items(), workers=2)
    first = next(result)
    assert len(read) <= 8
    assert sorted(v for _, v in [first, *result]) == [i * i for i in range(10, 110)]


@pytest.mark.parametrize(("broken", "raised"), [(False, OSError), (True, BrokenProcessPool)])
def test_what_the_system_refuses_is_no_death_of_a_process(broken, raised):
    def submit(*_):
        raise OSError("too many open files")

    processes = Processes.__new__(Processes)
    processes._pool, processes._started = SimpleNamespace(submit=submit, _broken=broken, _processes={7: "it"}), {}
    with pytest.raises(raised) as error:
        processes._submit(squared, 1)
    assert type(error.value) is raised
    assert processes._started == {7: "it"}


def test_a_process_that_dies_is_told():
    with pytest.raises(SimulationError, match="a process of the study died"):
        list(in_processes(squared, [5, 6], workers=2))


def test_a_command_that_a_test_starts_ends_with_it(tmp_path):
    """Also where the test fails while it waits, and with the processes of a study."""
    (tmp_path / "long.toml").write_text(tomli_w.dumps(scenario(requests=1_000_000_000)))
    with commands() as start:
        process = start("sweep", tmp_path / "long.toml", "--grid", "router.V=1,2", "--seeds", 1, "--workers", 2)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.5)
    assert process.returncode == -signal.SIGKILL


COPIES = """
import signal, sys, threading, messsim
from messsim.study.runs.processes import Processes
known = []
def seen(_):
    blocked = sorted(int(n) for n in signal.pthread_sigmask(signal.SIG_BLOCK, []))
    return known, signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, blocked
if __name__ == "__main__":
    known.append("what the script did before")
    signal.signal(signal.SIGTERM, lambda *_: None)
    if sys.argv[1] == "thread":
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    elif sys.argv[1] == "polars":
        import polars
    elif sys.argv[1] == "run":
        messsim.check(messsim.load("s.toml"))
    with Processes(2, may_fork=sys.argv[1] != "api") as processes:
        print([value for _, value in processes.each(seen, [1])])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere all are spawned")
@pytest.mark.parametrize("before", ["nothing", "api", "thread", "polars", "run"])
def test_processes_are_copies_where_that_is_safe(tmp_path, before):
    """With threads of one's own or of Polars, which do not survive a fork, none is; Ctrl-C is blocked in all."""
    (tmp_path / "s.toml").write_text(tomli_w.dumps(scenario(requests=50)))
    (tmp_path / "copies.py").write_text(COPIES)
    script, given = [sys.executable, "copies.py", before], os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(script, capture_output=True, text=True, cwd=tmp_path, env=given, timeout=60, check=False)
    known = ["what the script did before"] if before == "nothing" else []
    assert (done.stderr, done.stdout) == ("", f"{[(known, True, [int(signal.SIGINT)])]}\n")


FEW_FILES = """
import resource, sys
from messsim.study.runs.processes import Processes
def answer(item):
    return item
if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
    with Processes(30, may_fork=True) as processes:
        print([value for _, value in processes.each(answer, [1])])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere all are spawned")
def test_where_there_is_no_room_for_so_many_copies_processes_are_spawned(tmp_path):
    """Those that had been made by then do not wait for ever, nor this process for them."""
    (tmp_path / "few.py").write_text(FEW_FILES)
    script, given = [sys.executable, "few.py"], os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(script, capture_output=True, text=True, cwd=tmp_path, env=given, timeout=60, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "[1]\n")


def test_without_room_for_copies_no_process_counts_as_one(monkeypatch):
    monkeypatch.setattr(processes, "can_fork", lambda: True)
    monkeypatch.setattr(processes, "_copies", lambda _: None)
    with local_workers(may_fork=True) as workers:
        assert getattr(workers, "_copies", None) is None
        assert [value for _, value in workers.each(squared, [2])] == [4]


FORKING = ["-W", "ignore::DeprecationWarning"]  # from Python 3.12 on a fork is warned of
READS = """
import os, signal, sys, messsim
from pathlib import Path
from messsim import Result
signal.alarm(30)
said = messsim.load("s.toml")
before, after = sys.argv[1:]
if before == "run":
    messsim.run(said)
elif before == "records":
    Result.read("run").requests.collect()
else:
    messsim.check(messsim.load("t.toml"))
if child := os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
signal.alarm(10)
try:
    if after == "run":
        messsim.run(said)
    elif after == "read":
        Result.read("run")
    else:
        Result.requests.fget(Result({}, dict, directory=Path("run")))
except messsim.MesssimError as error:
    print(error, flush=True)
    os._exit(0)
os._exit(1)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize(
    ("before", "after"),
    [("run", "run"), ("run", "read"), ("run", "records"), ("records", "run"), ("records", "read"), ("trace", "read")],
)
def test_what_needs_threads_that_a_fork_lacks_is_told(tmp_path, before, after):
    """Reading needs them as simulating does: the child would wait for ever."""
    (tmp_path / "t.csv").write_text("arrival_s\n1\n2\n3\n")
    for name, changes in [("s", {}), ("t", {"arrivals": {"kind": "trace", "file": "t.csv"}})]:
        (tmp_path / f"{name}.toml").write_text(tomli_w.dumps(scenario(requests=50, **changes)))
    run(parse(scenario(requests=50)), out=tmp_path / "run")
    script = [sys.executable, *FORKING, "-c", READS, before, after]
    done = subprocess.run(script, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "this process was forked from one that had simulated or read data before" in done.stdout
    assert 'multiprocessing.get_context("spawn")' in done.stdout
