"""What a request costs by the rule of dispatch: on 8 replicas of one pool, and on 10,000 of 200 pools, loaded alike.

`dispatch.c` is the core without requests, routing and records: a fleet, and conversations sent to it. What is counted,
by valgrind, are instructions, which other work on the machine does not change: those of a request more, so that what a
fleet costs to set up is left out, and of as many first turns of conversations as second, third and fourth ones.
`extra_info` has both figures and their ratio, which is to be at most 3. Rules of a user's own that loop over all
replicas are measured on fewer requests; what is left of them without their loops, which are counted alone, is to be at
most 3 times as much.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

CSRC = Path(__file__).parent.parent / "csrc"
FLAGS = ["-O2", "-std=c11", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", f"-I{CSRC}"]
COMPILER, VALGRIND = shutil.which("cc"), shutil.which("valgrind")
FEW, MANY = ("8", "1", 4_000, 8_000), ("10000", "200", 40_000, 80_000)  # replicas, pools, from and to which request
RULES = {
    "least_loaded": "0",
    "least_loaded, polled": "0.05",
    "round_robin": "0",
    "power_of_two": "0",
    "random": "0",
    "packed": "0",
    "session": "0",
    "shared_queue": "0",
    "prefix_affinity": "0",
    "kv_router": "0",
    "scored": "0",
    "scored, tokens and activity": "0 0 1 0 1",
    "scored, polled": "0.05",
    "scored, by session": "0.05 1",
    "scored, by activity": "0.05 0 1",
    "scored, by cold requests": "0.05 0 0 1",
    "scored, by tokens": "0.05 0 0 0 1",
    "scored, sticky": "0.05 0 0 0 0 1",
    "scored, by everything": "0 1 1 1 1",
    "scored, polled, tokens and activity": "0.05 0 1 0 1",
    "own_two": "0.05",
}
LOOPS = {"own": "loop", "own_caches": "loop_caches"}  # over all replicas
MANY_OF_ALL = ("10000", "200", 1_000, 2_000)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """bench/dispatch.c with the core."""
    if COMPILER is None or VALGRIND is None:
        pytest.skip("needs a C compiler and valgrind")
    made = tmp_path_factory.mktemp("dispatch") / "dispatch"
    sources = [Path(__file__).with_name("dispatch.c"), *sorted(CSRC.glob("*.c"))]
    subprocess.run([COMPILER, *FLAGS, *map(str, sources), "-lm", "-o", str(made)], check=True)
    return made


def instructions(program: Path, rule: str, replicas: str, pools: str, requests: int) -> int:
    """Of a whole run."""
    options = RULES.get(rule, "0.05").split()
    call = [str(program), rule.split(",")[0], replicas, pools, str(requests), *options]
    tool = [str(VALGRIND), "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    done = subprocess.run([*tool, *call], capture_output=True, text=True, check=True)
    match = re.search(r"Collected : (\d+)", done.stderr)
    assert match is not None, done.stderr
    return int(match[1])


def of_a_request(program: Path, rule: str, replicas: str, pools: str, first: int, last: int) -> float:
    """Of a request more."""
    runs = [instructions(program, rule, replicas, pools, n) for n in (first, last)]
    return (runs[1] - runs[0]) / (last - first)


@pytest.mark.benchmark(group="dispatch among many replicas")
@pytest.mark.parametrize("rule", RULES)
def test_dispatch_among_many(benchmark, program: Path, rule: str) -> None:
    few, many = benchmark.pedantic(lambda: [of_a_request(program, rule, *c) for c in (FEW, MANY)], rounds=1)
    benchmark.extra_info.update(instructions_few=round(few), instructions_many=round(many), ratio=round(many / few, 2))
    assert many < 3 * few


@pytest.mark.benchmark(group="dispatch that looks at everybody")
@pytest.mark.parametrize("rule", LOOPS)
def test_dispatch_that_looks_at_all(benchmark, program: Path, rule: str) -> None:
    few, many = benchmark.pedantic(lambda: [of_a_request(program, rule, *c) for c in (FEW, MANY_OF_ALL)], rounds=1)
    alone = of_a_request(program, LOOPS[rule], *MANY_OF_ALL)
    benchmark.extra_info.update(instructions_few=round(few), instructions_many=round(many), ratio=round(many / few, 2))
    benchmark.extra_info.update(instructions_loop=round(alone))
    assert many - alone < 3 * few
