"""The benchmarks run, at a size at which they measure nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import messsim

ROOT = Path(__file__).parents[1]
BENCH = ROOT / "bench"


@pytest.mark.parametrize(
    ("file", "some"),
    [
        ("bench_engine.py", ""),
        ("bench_kernels.py", "known_costs or replica or frontier or drawing or n32-m4-d8"),
        ("bench_limits.py", ""),
    ],
)
def test_benchmarks_run(tmp_path, file, some):
    pytest.importorskip("pytest_benchmark")
    small = os.environ | {"MESSSIM_BENCH_SCALE": "0.0005"}
    command = [sys.executable, "-m", "pytest", "-q", "--benchmark-disable", "-p", "no:cacheprovider", "-k", some]
    command += [f"--basetemp={tmp_path}", str(BENCH / file)]
    made = subprocess.run(command, cwd=ROOT, env=small, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout
    assert " passed" in made.stdout


def growing():
    sys.path.append(str(BENCH))
    try:
        import growth
    finally:
        sys.path.remove(str(BENCH))
    return growth.SIZES


@pytest.mark.parametrize("axis", growing())
def test_growth(axis):
    sizes, sets_of = growing()[axis]
    assert sizes == sorted(sizes)
    scenario = messsim.load(ROOT / "scenarios" / "synthetic.toml", sets_of(sizes[1]), requests=50)
    assert messsim.run(scenario).summary["requests"]["arrived"] == 50


def test_fleets_of_many_are_what_their_table_says(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    import many

    for case, pools in many.CASES.items():
        for size, count in pools.items():
            parsed = messsim.parse(many.scenario(case, size) | {"requests": 40})
            assert len(parsed.pools) == count, case
            assert sum(pool.replicas for pool in parsed.pools) == size, case
            if size == 8:
                assert messsim.run(parsed).summary["requests"]["arrived"] == 40


def test_ratios_measure_the_runs_of_the_benchmark(capsys, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("MESSSIM_BENCH_SCALE", "0.0005")
    import bench_engine
    import ratios

    assert set(ratios.LEFT_OUT) <= set(bench_engine.WHOLE)


@pytest.fixture
def peers(monkeypatch):
    """bench/peers.py, and the CPU affinity of this process as it was."""
    monkeypatch.syspath_prepend(str(BENCH))
    import peers

    if hasattr(os, "sched_setaffinity"):
        monkeypatch.setattr(os, "sched_setaffinity", lambda *_: None)
    return peers


def test_peers_are_compared_by_what_more_requests_take(capsys, monkeypatch, peers):
    def cpu_s(command, folder):
        """A start of 2 s; a request takes 1 µs of messsim and 250 of AISimulate, and nobody has Ciw."""
        if "ciw" in command[-2]:
            raise RuntimeError("exit code 1")
        if "aisimulate" in command:
            return 2.0 + 250e-6 * int(Path(command[command.index("-c") + 1]).stem)
        return 2.0 + 1e-6 * int(command[-1] if "messsim" not in command else command[command.index("--requests") + 1])

    monkeypatch.setattr(peers, "cpu_s", cpu_s)
    peers.main(sys.executable)
    table, left_out = capsys.readouterr()
    rows = {tuple(cells[:2]): cells[3:] for line in table.splitlines()[2:] if (cells := line.strip("| ").split(" | "))}
    assert rows["serving, 1 replica", "messsim"][0].strip(" |") == "1,000,000"
    assert rows["serving, 8 replicas", "aisimulate"] == ["4,000", "250"]
    assert ("M/M/1", "ciw") not in rows
    assert left_out.count("left out: ciw, M/M/1") == peers.ROUNDS


def test_peers_run_the_workload_that_ships(tmp_path, peers):
    command = [*peers.messsim(8)(tmp_path, 200), "--json"]
    made = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    summary = json.loads(made.stdout)
    assert summary["requests"]["arrived"] == 200
    assert peers.cpu_s(peers.simpy("mm1_by_callbacks")(tmp_path, 10), tmp_path) > 0.0
    with pytest.raises(RuntimeError, match="exit code 3"):
        peers.cpu_s([sys.executable, "-c", "raise SystemExit(3)"], tmp_path)
