"""messsim beside other simulators on the same workload, in one session: one Markdown table.

    python bench/peers.py [PYTHON]

Two loads. *Serving*: Llama-3.1-8B on an A100, Poisson arrivals at 6 requests/s a replica, prompts of 500 and answers
of 150 tokens, on 1 replica and on 8 (`scenarios/peer-workload.toml`). *M/M/1*: customers of a queue at 80 % load.

Every figure is of whole commands on one core: CPU time, user and system, of a long run less that of a short one, over
the requests that it has more, so that imports and setting up are left out; medians of 3 rounds in which all take
turns. What does not start is left out and named.

`PYTHON` is an interpreter that has the other simulators (this one unless given): `pip install ciw`, and AISimulate
(`pip install --no-deps aisimulate`, and of what it needs all but the optimizers: numpy pandas pydantic pyarrow pyyaml
scipy tqdm psutil ijson prettytable munch jinja2 packaging 'plotext<6' plotly matplotlib bokeh).
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from messsim import __version__

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 3

AISIMULATE = """
traffic:
  source: {{type: synthetic, input_tokens: 500, output_tokens: 150}}
  load: {{type: poisson, requests_per_second: {rate}, seed: 1}}
  stop: {{requests: {requests}}}
engine:
  model: meta-llama/Meta-Llama-3.1-8B
  hardware: a100_sxm
  backend: vllm
  mode: aggregated
  workers:
    aggregated:
      parallelism: {{tensor: 1, replicas: {replicas}}}
"""
CIW = """
import sys, ciw
network = ciw.create_network(
    arrival_distributions=[ciw.dists.Exponential(0.8)],
    service_distributions=[ciw.dists.Exponential(1.0)],
    number_of_servers=[1],
)
ciw.seed(1)
ciw.Simulation(network).simulate_until_max_customers(int(sys.argv[1]))
"""
SIMPY = "import sys; sys.path.insert(0, {bench!r}); import bench_engine; bench_engine.{name}(int(sys.argv[1]))"

Command = Callable[[Path, int], list[str]]  # of a folder for its files, and of so many requests


def messsim(replicas: int) -> Command:
    """The peer workload, by the command line."""
    sets = ["--set", f"models.0.replicas={replicas}", "--set", f"arrivals.rate_rps={6.0 * replicas}"]
    scenario = str(ROOT / "scenarios" / "peer-workload.toml")
    return lambda _, n: [sys.executable, "-m", "messsim", "run", scenario, "--requests", str(n), *sets]


def aisimulate(python: str, replicas: int) -> Command:
    """The same in NVIDIA's AISimulate, vLLM's scheduler."""

    def command(folder: Path, n: int) -> list[str]:
        config = folder / f"{n}.yaml"
        config.write_text(AISIMULATE.format(rate=6.0 * replicas, requests=n, replicas=replicas))
        program = [python, "-m", "aisimulate", "predict", "-c", str(config), "--format", "json", "--overwrite"]
        return [*program, "--output-dir", str(folder / "out")]

    return command


def simpy(name: str) -> Command:
    """M/M/1 as `bench_engine.py` has it."""
    return lambda _, n: [sys.executable, "-c", SIMPY.format(bench=str(ROOT / "bench"), name=name), str(n)]


def cpu_s(command: list[str], folder: Path) -> float:
    """User and system, of a command and its children."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"exit code {process.returncode}: {' '.join(command)}")
    return used.ru_utime + used.ru_stime


def version_of(python: str, package: str) -> str:
    """Of a package in that interpreter."""
    if package == "messsim":
        return __version__
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True).stdout.strip()


def main(python: str) -> None:
    """Prints the table."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    own, other = sys.executable, python
    cases: dict[tuple[str, str, str], tuple[Command, int, int]] = {  # few and many requests
        ("serving, 1 replica", "messsim", own): (messsim(1), 100_000, 1_100_000),
        ("serving, 1 replica", "aisimulate", other): (aisimulate(other, 1), 2_000, 12_000),
        ("serving, 8 replicas", "messsim", own): (messsim(8), 100_000, 1_100_000),
        ("serving, 8 replicas", "aisimulate", other): (aisimulate(other, 8), 4_000, 24_000),
        ("M/M/1, a process a customer", "simpy", own): (simpy("mm1_by_simpy"), 10_000, 110_000),
        ("M/M/1, callbacks", "simpy", own): (simpy("mm1_by_callbacks"), 20_000, 420_000),
        ("M/M/1", "ciw", other): (lambda _, n: [other, "-c", CIW, str(n)], 2_000, 22_000),
    }
    seen: dict[tuple[str, str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for _ in range(ROUNDS):
            for case, (command, few, many) in cases.items():
                try:
                    more_s = cpu_s(command(folder, many), folder) - cpu_s(command(folder, few), folder)
                except (OSError, RuntimeError) as error:
                    print(f"left out: {case[1]}, {case[0]}: {error}", file=sys.stderr)
                    continue
                seen.setdefault(case, []).append((many - few) / more_s)
    rates = {case: median(values) for case, values in seen.items()}
    print("| workload | simulator | version | requests a CPU second | messsim, times as fast |")
    print("| --- | --- | --- | ---: | ---: |")
    for case, rate in rates.items():
        workload, package, where = case
        ours = rates.get((workload, "messsim", own))
        times = f"{ours / rate:,.0f}" if ours is not None and package != "messsim" else ""
        print(f"| {workload} | {package} | {version_of(where, package)} | {rate:,.0f} | {times} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else sys.executable)
