"""Sweeps on Ray: a real local cluster of two workers (extra `ray`)."""

import json
import subprocess
import sys

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
    said = load(file)
    here = sweep(said, POINTS, seeds=2, workers=local_workers(1))
    assert sweep(said, POINTS, seeds=2, workers=workers_on("ray", 2, None)) == here
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


def test_a_cluster_that_is_not_there_is_told(file):
    pytest.importorskip("ray")
    with pytest.raises(SimulationError, match="no Ray cluster at auto: "):
        sweep(load(file), POINTS, workers=workers_on("ray", None, "auto"))


def test_an_address_is_for_ray_only():
    with pytest.raises(ScenarioError, match="expected --on ray with it"):
        workers_on("local", None, "auto")
