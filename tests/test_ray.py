"""Sweeps on Ray: a real local cluster of two workers (extra `ray`)."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tomli_w
from builders import scenario, trace

from messsim.errors import ScenarioError, SimulationError
from messsim.scenario import load
from messsim.study.runs.places import workers_on
from messsim.study.runs.summaries import local_workers
from messsim.study.sweep import sweep

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ray")
    arrivals = trace(folder, [0, 1, 2, 3]) | {"file": "trace.csv", "repeat": True}
    (folder / "s.toml").write_text(tomli_w.dumps(scenario(arrivals=arrivals)))
    return folder / "s.toml"


POINTS = [{"router.V": 1e-3}, {"router.policy": "nobody.py"}, {"router.V": 1e-1}]


def test_a_sweep_on_ray_is_the_sweep_here(file):
    pytest.importorskip("ray")
    loaded = load(file)
    here = sweep(loaded, POINTS, seeds=2, workers=local_workers(1))
    assert sweep(loaded, POINTS, seeds=2, workers=workers_on("ray", 2, None)) == here
    assert len(here["failures"]) == 2


def test_the_command_runs_on_ray(file):
    pytest.importorskip("ray")
    args = ["sweep", file, "--grid", "router.V=1e-3,1e-1", "--seeds", 1, "--on", "ray", "--workers", 2, "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "messsim.cli", *map(str, args)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    expected = sweep(load(file), [POINTS[0], POINTS[2]], seeds=1, workers=local_workers(1))
    assert json.loads(done.stdout) == expected


def descendants(pid: int) -> list[int]:
    below = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False).stdout
    return [one for child in map(int, below.split()) for one in (child, *descendants(child))]


def title(pid: int) -> str:
    """Ray's workers have titles such as ``ray::guarded`` while they work; empty for who is gone, or is a zombie."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads processes from /proc")
def test_workers_end_with_a_sweep_that_is_killed(tmp_path):
    pytest.importorskip("ray")
    (tmp_path / "long.toml").write_text(tomli_w.dumps(scenario(requests=200_000_000)))
    args = ["sweep", tmp_path / "long.toml", "--grid", "router.V=1e-3,1e-1", "--on", "ray", "--workers", 2]
    process = subprocess.Popen(
        [sys.executable, "-m", "messsim.cli", *map(str, args)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    busy: list[int] = []
    deadline_s = time.monotonic() + 120.0
    while len(busy) < 2 and process.poll() is None and time.monotonic() < deadline_s:
        busy = [pid for pid in descendants(process.pid) if title(pid).startswith("ray::guarded")]
        time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(busy) == 2
    deadline_s = time.monotonic() + 30.0
    while any(map(title, busy)) and time.monotonic() < deadline_s:
        time.sleep(0.2)
    assert not any(map(title, busy))


def test_a_cluster_that_is_not_there_is_told(file):
    pytest.importorskip("ray")
    with pytest.raises(SimulationError, match="no Ray cluster at auto: "):
        sweep(load(file), POINTS, workers=workers_on("ray", None, "auto"))


def test_an_address_is_for_ray_only():
    with pytest.raises(ScenarioError, match="expected --on ray with it"):
        workers_on("local", None, "auto")
