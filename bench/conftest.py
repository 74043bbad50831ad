"""Benchmarks are `bench_*.py`, and may use the reference implementations of the tests."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))


def pytest_configure(config: pytest.Config) -> None:
    """Collects bench_*.py, here and nowhere else."""
    config.addinivalue_line("python_files", "bench_*.py")
