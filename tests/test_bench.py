"""The benchmarks run, at a size at which they measure nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import messsim

ROOT = Path(__file__).parents[1]
BENCH = ROOT / "bench"


def test_whole_runs(tmp_path):
    pytest.importorskip("pytest_benchmark")
    small = os.environ | {"MESSSIM_BENCH_SCALE": "0.0005"}
    command = [sys.executable, "-m", "pytest", "-q", "--benchmark-disable", "-p", "no:cacheprovider"]
    command += [f"--basetemp={tmp_path}", str(BENCH / "bench_engine.py")]
    made = subprocess.run(command, cwd=ROOT, env=small, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout


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


def test_ratios_measure_the_runs_of_the_benchmark(capsys, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("MESSSIM_BENCH_SCALE", "0.0005")
    import bench_engine
    import ratios

    assert set(ratios.LEFT_OUT) <= set(bench_engine.WHOLE)
