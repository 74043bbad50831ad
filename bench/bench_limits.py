"""Scoring 4 models on 32 features in float64 against what this machine allows: its loads alone, its arithmetic alone.

All three are timed in turn, round by round, and each keeps its best round: on a machine with other work to do, rounds
differ more than what is to be told apart. `extra_info` has the figures, which limit binds, and the ratio to it.
"""

import ctypes
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from messsim import _core

CSRC = Path(__file__).parent.parent / "csrc"
FLAGS = ["-O3", "-std=c11", "-march=native", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
MODELS, FEATURES, LANES = 4, 32, 32
ROUNDS = 40
COMPILER = shutil.which("cc")


@pytest.fixture(scope="module")
def floors(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """bench/floors.c, compiled for this machine."""
    if COMPILER is None:
        pytest.skip("needs a C compiler")
    library = tmp_path_factory.mktemp("floors") / "floors.so"
    source = Path(__file__).with_name("floors.c")
    subprocess.run([COMPILER, *FLAGS, "-shared", "-fPIC", f"-I{CSRC}", source, "-o", library], check=True)
    loaded = ctypes.CDLL(str(library))
    loaded.floor_loads.restype = ctypes.c_double
    return loaded


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def best_ns(kernels: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Nanoseconds of the best of ROUNDS rounds, in each of which every kernel has its turn."""
    best = dict.fromkeys(kernels, float("inf"))
    for _ in range(ROUNDS):
        for name, kernel in kernels.items():
            started = time.perf_counter_ns()
            kernel()
            best[name] = min(best[name], time.perf_counter_ns() - started)
    return best


@pytest.mark.benchmark(group="scoring against what the machine allows")
@pytest.mark.parametrize("n", [4096, 65_536])
def test_scoring_against_the_machine(benchmark, floors: ctypes.CDLL, n: int) -> None:
    rng = np.random.default_rng(1)
    predictor = _core.Predictor(MODELS, FEATURES, learning_rate=0.1)
    for _ in range(20):
        predictor.learn(rng.normal(size=FEATURES), rng.integers(0, 2, MODELS).astype(float))
    weights, bias = predictor.weights.copy(), predictor.bias.copy()
    x, scores = rng.normal(size=(FEATURES, n)), np.empty((MODELS, n))
    block, own = np.ascontiguousarray(x[:, :LANES]), np.empty((MODELS, LANES))
    kernels: dict[str, Callable[[], object]] = {
        "scoring": lambda: predictor.score(x, scores),
        "loads": lambda: floors.floor_loads(pointer(x), ctypes.c_int64(x.size)),
        "arithmetic": lambda: floors.floor_arithmetic(
            pointer(weights),
            pointer(bias),
            ctypes.c_int64(FEATURES),
            pointer(block),
            ctypes.c_int64(n // LANES),
            pointer(own),
        ),
    }
    best = benchmark.pedantic(best_ns, args=(kernels,), rounds=1)
    assert np.array_equal(own, scores[:, :LANES])  # the floor does the same sums: nothing fast and wrong is timed
    limit = max(("loads", "arithmetic"), key=lambda name: best[name])
    benchmark.extra_info.update({f"{name}_ns_a_request": round(ns / n, 2) for name, ns in best.items()})
    benchmark.extra_info.update(limit=limit, times_the_limit=round(best["scoring"] / best[limit], 2))
