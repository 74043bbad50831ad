"""How the time and the memory of a run grow: one Markdown table, from one session.

    python bench/growth.py [REQUESTS [AXIS ...]]

Each case is `scenarios/synthetic.toml` with one size changed, in a process of its own, held to one core where the
system can; CPU time (user and system, all threads) less that of the same process with 1,000 requests, so that imports
and setting up are left out; the less of two. Cases take turns: other work on the machine meets all of them. The
exponent is the slope of log CPU time a request over log size between the least and the largest size: 0 is flat, 1
doubles with the size. Peak memory is that of the whole process.

`REQUESTS` (100,000 unless given) is of each run that does not grow in requests; axes are those of the table's first
column, such as `tenants`, all unless some are named.
"""

import json
import math
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import messsim

ROOT = Path(__file__).resolve().parents[1]
WARM_UP = 1_000  # requests of the run that is taken off
ROUNDS = 2


def replicas(size: int) -> list[str]:
    """`size` replicas under so many times the load of 8."""
    times = size // 8
    return [f"models.{m}.replicas={times * r}" for m, r in enumerate((1, 1, 3, 3))] + [
        f"arrivals.rate_rps={4.0 * times}"
    ]


def models(size: int) -> list[str]:
    """So many models of one family, of rising satisfaction, two replicas each."""
    zoo = [
        {
            "name": f"model-{m}",
            "satisfaction": 0.4 + 0.3 * m / (size - 1),
            "profile": "Llama-3.1-8B",
            "gpu": "H100",
            "replicas": 2,
        }
        for m in range(size)
    ]
    return ["models=" + json.dumps(zoo).replace('": ', '" = ')]


def tenants(size: int) -> list[str]:
    """So many tenants of one share and promise each."""
    each = [{"name": f"tenant-{k}", "share": 1, "alpha": 0.6} for k in range(size)]
    return ["tenants=" + json.dumps(each).replace('": ', '" = ')]


SIZES: dict[str, tuple[list[int], Callable[[int], list[str]]]] = {
    "requests": ([100_000, 1_000_000, 10_000_000, 100_000_000], lambda _: []),
    "requests, records to Parquet": ([100_000, 1_000_000, 10_000_000], lambda _: []),
    "replicas": ([8, 64, 512, 4_096], replicas),
    "models": ([2, 4, 16, 64, 256], models),
    "features": ([4, 16, 64, 256, 1_024], lambda size: [f"features.dimensions={size}"]),
    "tenants": ([1, 10, 100, 1_000, 10_000], tenants),
    "ratings under way": (
        [10, 100, 1_000, 10_000],
        lambda size: [f"feedback={{ delay = {{ kind = 'exponential', mean_s = {size / 4} }} }}"],
    ),
    "clients in a closed loop": (
        [8, 64, 512, 10_000],
        lambda size: [*replicas(max(size, 8))[:4], f"arrivals={{ kind = 'closed', clients = {size}, think_s = 1.0 }}"],
    ),
    "router instances, reconciled every minute": (
        [1, 10, 100],
        lambda size: [f"router.instances={size}", "router.reconcile_s=60.0"],
    ),
}


def one(axis: str, size: int, requests: int) -> None:
    """Runs one case in this process, and prints its CPU seconds and the peak of its memory, MiB."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    sets = SIZES[axis][1](size)

    def cpu_s(requests: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            used = resource.getrusage(resource.RUSAGE_SELF)
            scenario = messsim.load(ROOT / "scenarios" / "synthetic.toml", sets, requests=requests)
            out = {"out": Path(folder) / "run"} if "Parquet" in axis else {}
            messsim.run(scenario, keep_records=bool(out), **out)
            now = resource.getrusage(resource.RUSAGE_SELF)
        return now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime

    cpu_s(WARM_UP)
    few = cpu_s(WARM_UP)
    many = cpu_s(requests)
    print(json.dumps([(many - few) / (requests - WARM_UP), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))


def main(requests: int, axes: list[str]) -> None:
    """Prints the table, of all axes unless some are named."""
    print("| what grows | sizes | µs of CPU a request | exponent | peak memory, MiB |")
    print("| --- | --- | --- | ---: | --- |")
    for axis in axes or SIZES:
        sizes = SIZES[axis][0]
        seen: dict[int, list[list[float]]] = {size: [] for size in sizes}
        for _round in range(ROUNDS):
            for size in sizes:
                count = size if axis.startswith("requests") else requests
                command = [sys.executable, __file__, "--one", axis, str(size), str(count)]
                seen[size].append(
                    json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                )
        time_s = [min(t for t, _ in seen[size]) for size in sizes]
        exponent = math.log(time_s[-1] / time_s[0]) / math.log(sizes[-1] / sizes[0])
        cells = [
            ", ".join(f"{size:,}" for size in sizes).replace(", ", " · "),
            " · ".join(f"{1e6 * t:.3g}" for t in time_s),
            f"{exponent:+.2f}",
            " · ".join(f"{max(m for _, m in seen[size]):.0f}" for size in sizes),
        ]
        print(f"| {axis} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 100_000, sys.argv[2:])
