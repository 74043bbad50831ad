"""Where the runs of a study happen: in threads of this process while they are short, in processes where those pay."""

import os
import sys
import threading
import time
from contextlib import closing
from types import SimpleNamespace

import pytest

from messsim.errors import ScenarioError, SimulationError
from messsim.study.runs import every, local_workers, processes
from messsim.study.runs import local as here
from messsim.study.runs.ray_cluster import RayWorkers


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(here, "cores", lambda: 2)


def spin(cpu_s: float) -> int:
    """Takes so much CPU time and tells which process took it."""
    if cpu_s < 0:
        raise ScenarioError("below 0")
    began_s = time.thread_time()
    while time.thread_time() - began_s < cpu_s:
        pass
    return os.getpid()


def test_short_runs_stay_in_this_process():
    with local_workers() as workers:
        assert set(every(workers, spin, [0.001] * 20)) == {os.getpid()}


def test_long_runs_are_made_in_processes_and_these_are_started_once(monkeypatch):
    monkeypatch.setattr(here, "START_S", 0.02)
    with local_workers() as workers:
        first, second = every(workers, spin, [0.01] * 20), every(workers, spin, [0.001] * 4)
    assert first[0] == os.getpid()
    others = {*first[1:], *second} - {os.getpid()}
    assert 1 <= len(others) <= 2
    assert os.getpid() not in second


def test_one_long_run_is_not_waited_for(monkeypatch):
    """The first is still under way when it is plain that the others are many."""
    monkeypatch.setattr(here, "START_S", 0.05)
    with local_workers() as workers:
        order = [i for i, _ in workers.each(spin, [5.0, 0.0, 0.0], count=3)]
    assert order[-1] == 0


def test_an_unknown_number_of_runs_is_as_many_as_there_were(monkeypatch):
    monkeypatch.setattr(here, "START_S", 0.1)
    with local_workers() as workers:
        made = dict(workers.each(spin, iter([0.02] * 40)))
    assert [made[i] for i in range(8)] == [os.getpid()] * 8
    assert made[39] != os.getpid()


def test_runs_that_free_the_lock_are_made_side_by_side():
    meeting = threading.Barrier(2, timeout=20)
    with local_workers() as workers:
        assert len(every(workers, lambda _: meeting.wait(), [0, 1], frees_gil=True)) == 2


def test_a_run_that_ends_is_not_kept_waiting_for_the_others():
    others = threading.Event()
    with here._Threads(lambda slow: others.wait(5.0) if slow else None) as threads:
        threads.start(0, True)
        threads.start(1, False)
        ended = [i for i, _, _ in threads.finished(60.0)]
        others.set()
    assert ended == [1]


def test_an_error_is_the_value_of_its_run():
    with local_workers() as workers:
        made = dict(workers.each(spin, [0.0, -1.0, 0.0], count=3))
    assert str(made.pop(1)) == "below 0"
    assert made == {0: os.getpid(), 2: os.getpid()}


def test_what_is_interrupted_ends_soon():
    def interrupted():
        with local_workers() as workers, closing(workers.each(spin, [0.0, 60.0, 60.0], frees_gil=True)) as made:
            next(made)
            raise KeyboardInterrupt

    began_s = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - began_s < 20
    assert not [t for t in threading.enumerate() if t.name.startswith("messsim-run")]


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_stop_that_comes_when_a_run_is_over_is_not_told(monkeypatch):
    class Late(here.Future):
        def set_result(self, result):
            super().set_result(result)
            raise KeyboardInterrupt

    monkeypatch.setattr(here, "Future", Late)
    with here._Threads(lambda x: -x) as threads:
        threads.start(0, 7)
        assert [value for _, value, _ in threads.finished(20.0)] == [-7]
    for thread in threading.enumerate():
        if thread.name.startswith("messsim-run"):
            thread.join(20.0)


@pytest.mark.parametrize(
    ("left_s", "count", "frees_gil", "expected"),
    [(2.1, 2, False, False), (2.3, 2, False, True), (7.0, 2, True, False), (7.5, 2, True, True)],
)
def test_when_processes_pay(left_s, count, frees_gil, expected):
    assert here.pays(left_s, count, frees_gil) is expected
    assert here.pays(left_s, count, frees_gil, copies=True)


def test_what_is_left_is_reckoned_from_the_runs_that_ended(monkeypatch):
    asked = []
    monkeypatch.setattr(here, "pays", lambda *given, copies: asked.append(given))
    automatic = here._Automatic(2)
    ended = SimpleNamespace(finished=lambda wait_s: [(0, "a", 3.0), (1, "b", 1.0)])
    assert list(automatic._counted(ended)) == [(0, "a"), (1, "b")]
    for left, longest_s in ((10, 1.0), (10, 3.0), (1, 1.0), (None, 1.0), (0, 1.0)):
        assert not automatic._start(SimpleNamespace(longest_s=lambda s=longest_s: s), left, True)
    assert asked == [(20.0, 2, True), (30.0, 2, True), (5.0, 2, True), (5.0, 2, True)]
    automatic._alone = True
    assert not automatic._start(SimpleNamespace(longest_s=lambda: 1.0), 10, True)
    assert len(asked) == 4


def test_processes_are_copies_of_this_one_only_where_they_may(monkeypatch):
    asked = []
    monkeypatch.setattr(processes, "Processes", lambda count, may_fork: asked.append((count, may_fork)))
    local_workers(2)
    local_workers(3, may_fork=True)
    assert asked == [(2, False), (3, True)]


def test_a_script_that_no_process_could_import_runs_in_this_one(monkeypatch):
    monkeypatch.setattr(here, "START_S", 0.0)
    monkeypatch.setattr("__main__.__file__", "<stdin>", raising=False)
    monkeypatch.setattr("__main__.__spec__", None)
    with local_workers() as workers:
        assert set(every(workers, spin, [0.01] * 5)) == {os.getpid()}


def test_a_ray_that_does_not_start_is_no_bug(monkeypatch):
    def init(**_):
        raise Exception("The current node timed out during startup.\nThis could happen because")

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    ray = SimpleNamespace(is_initialized=lambda: False, init=init, shutdown=lambda: None)
    monkeypatch.setitem(sys.modules, "ray", ray)
    with pytest.raises(SimulationError, match=r"^no Ray cluster at this machine: The current node timed out"):
        RayWorkers().__enter__()
