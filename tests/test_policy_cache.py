"""Machine code of policies, kept from one process to the next."""

import json
import os
import subprocess
import sys

import numba
import numpy as np
import pytest
import tomli_w
from builders import scenario

from messsim.routing.compiled import digest_of

POLICY = """
import numba
from messsim.routing.plugin import compile_policy
from helper import LIMIT, chosen

def decide(request, models, costs, queue):
    if request == {fails}:
        return 1 // (models - models)
    return chosen(models, request % LIMIT)

def build(options, models, features):
    return compile_policy("own", decide)
"""
HELPER = """
import numba

LIMIT = {limit}

@numba.njit
def chosen(models, wanted):
    return min(wanted, models - 1)
"""
# Runs a scenario, and prints how many answers each model gave and how many functions Numba had to compile.
PROGRAM = """
import json, sys
import numba.core.compiler as compiler
compiled, whole = [], compiler.compile_extra
def counted(*args, **options):
    compiled.append(args)
    return whole(*args, **options)
compiler.compile_extra = counted
import messsim
result = messsim.run(messsim.load(sys.argv[1]))
print(json.dumps([[m["answered"] for m in result.summary["models"]], len(compiled)]))
"""


@pytest.fixture
def own(tmp_path):
    """Runs a policy of one's own in a process of its own."""

    def run(limit=2, fails=-1, **environment):
        (tmp_path / "own.py").write_text(POLICY.format(fails=fails))
        (tmp_path / "helper.py").write_text(HELPER.format(limit=limit))
        file = tmp_path / "own.toml"
        file.write_text(tomli_w.dumps(scenario(requests=20, router={"policy": str(tmp_path / "own.py")})))
        return subprocess.run(
            [sys.executable, "-c", PROGRAM, file],
            cwd=tmp_path,
            env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")} | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_policy_is_compiled_once_for_all_processes(own, tmp_path):
    models, compiled = json.loads(own().stdout)
    assert compiled > 0
    assert json.loads(own().stdout) == [models, 0]
    for pattern in ("*.nbc", "*.code"):  # one that is damaged is made anew
        for file in (tmp_path / "cache").rglob(pattern):
            file.write_bytes(file.read_bytes()[:100])
    again, compiled = json.loads(own().stdout)
    assert again == models
    assert compiled > 0


def test_what_a_policy_imports_counts(own):
    alone, _ = json.loads(own(limit=1).stdout)
    both, compiled = json.loads(own(limit=2).stdout)
    assert (alone, both) == ([20, 0], [10, 10])
    assert compiled > 0


def test_a_failure_is_explained_by_the_code_that_was_kept(own):
    first, second = own(fails=7), own(fails=7)
    assert first.returncode == second.returncode == 1
    for shown in (first, second):
        assert "decide raised ZeroDivisionError: integer division by zero (own.py, line 8)" in shown.stderr, (
            shown.stderr
        )


def test_a_cache_that_cannot_be_written_is_done_without(own, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    models, compiled = json.loads(own(XDG_CACHE_HOME=str(tmp_path / "file")).stdout)
    assert sum(models) == 20
    assert compiled > 0


PLAIN = """
import math
import numpy as np
from messsim.routing.plugin import compile_policy

{before}

def decide(request, models, costs, params):
    sums = {sums}
    for k in range(models):
        sums = sums + math.exp(-costs[k])
    return int(params[{index}] + {sums} + math.floor(sums)) % models

def build(options, models, features):
    return compile_policy("plain", decide, params=[1.0])
"""
ANSWERS = """
import sys, messsim
try:
    print([m["answered"] for m in messsim.run(messsim.load(sys.argv[1])).summary["models"]])
except messsim.MesssimError as error:
    print(error)
print("numba" in sys.modules)
"""


@pytest.fixture
def plain(tmp_path):
    """Runs a policy that imports nothing of Numba's; what it prints, and whether Numba was imported."""

    def run(sums="0.0", index="0", before="", **environment):
        (tmp_path / "plain.py").write_text(PLAIN.format(sums=sums, index=index, before=before))
        file = tmp_path / "plain.toml"
        file.write_text(tomli_w.dumps(scenario(requests=20, router={"policy": str(tmp_path / "plain.py")})))
        given = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")} | environment
        command = [sys.executable, "-c", ANSWERS, file]
        done = subprocess.run(command, env=given, capture_output=True, text=True, check=True)
        printed, imported = done.stdout.splitlines()
        return printed, imported == "True"

    return run


def test_what_was_compiled_before_runs_without_numba(plain, tmp_path):
    printed, imported = plain()
    assert imported
    assert plain() == (printed, False)
    assert plain(NUMBA_BOUNDSCHECK="1") == (printed, True)  # which asks for other code
    for file in (tmp_path / "cache").rglob("*.code"):
        file.write_bytes(file.read_bytes()[:-100])
    assert plain() == (printed, True)


def test_a_policy_that_allocates_is_left_to_numba(plain):
    first, second = plain(sums="np.zeros(3)[0]"), plain(sums="np.zeros(int(params[0]))[models - 2]")
    assert first[1]
    assert second == plain(sums="np.zeros(int(params[0]))[models - 2]")
    assert second[1]


@pytest.mark.parametrize("table", ["np.arange(200_000.0)", "np.arange(40.0).reshape(20, 2)[:, 0]"])
def test_a_policy_with_a_table_that_is_no_constant_is_left_to_numba(plain, tmp_path, table):
    """Its code has the address of the table, in this process."""
    first = plain(sums="TABLE[request % 20]", before=f"TABLE = {table}")
    assert first[1]
    assert plain(sums="TABLE[request % 20]", before=f"TABLE = {table}") == first


def test_a_failure_is_explained_without_numba_at_first(plain):
    first, second = plain(index="request"), plain(index="request")
    assert first == second
    assert "IndexError: index is out of bounds (plain.py, line 12), at request 1" in first[0]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"NUMBA_DISABLE_JIT": "1"}, "NUMBA_DISABLE_JIT is set"),
        ({"NUMBA_NUM_THREADS": "0"}, "cannot start: Number of threads specified must be > 0"),
        ({"NUMBA_NUM_THREADS": "0"}, "The environment has NUMBA_NUM_THREADS=0"),
    ],
)
def test_settings_with_which_numba_cannot_compile_are_named(plain, setting, message):
    assert message in plain(**setting)[0]


LIMIT, TABLE, ANYTHING = 3, np.array([1.0, 2.0]), object()


@numba.njit
def helper(x):
    return x + LIMIT


def test_everything_that_a_function_refers_to_is_in_its_digest(monkeypatch):
    def decide(models, costs):
        return helper(int(TABLE[0] + np.floor(costs[0])))

    def unknown(models):
        return ANYTHING

    def inner(models):
        return (lambda: models)()

    first = digest_of(decide, "decide")
    assert first is not None
    assert first == digest_of(decide, "decide")
    assert first != digest_of(decide, "finish")
    monkeypatch.setattr("test_policy_cache.LIMIT", 4)
    second = digest_of(decide, "decide")
    monkeypatch.setattr("test_policy_cache.TABLE", np.array([1.0, 2.5]))
    assert len({first, second, digest_of(decide, "decide")}) == 3
    assert digest_of(unknown, "decide") is None
    assert digest_of(inner, "decide") is None
