"""What a request costs in CPU time of whole runs: among 10,000 replicas in 200 pools, or so many APIs, against 8.

    python bench/many.py [ROUNDS [CASE ...]]

Each case is `scenarios/synthetic.toml` with half a request a second and replica, in a process of its own, held to one
core where the system can: CPU time (user and system, all threads) of 400,000 requests less that of 100,000, without
records; of APIs, where many cost more to set up, of 1,200,000 less 400,000, the least of three each. 8 replicas are of
four pools. Sizes take turns, and the table has medians over so many rounds, 3 unless given. `CASE` is a name of the
table's first column, all unless some are named.
"""

import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import messsim
from messsim.scenario import parse
from messsim.scenario.loading import read_toml

SYNTHETIC = Path(__file__).resolve().parents[1] / "scenarios" / "synthetic.toml"
LESS, MORE, TRIES = 100_000, 400_000, 1  # requests, and runs of each
OF_APIS = (400_000, 1_200_000, 3)  # the same
POOLS = {8: 4, 10_000: 200}  # by replicas
PER_REPLICA = 0.5  # requests a second
RULES = [
    "least_loaded",
    "round_robin",
    "power_of_two",
    "random",
    "packed",
    "session",
    "prefix_affinity",
    "kv_router",
    "scored",
    "shared_queue",
]
SCALERS = ("target", "concurrency", "saturation")
SESSIONS: dict[str, Any] = {
    "sessions": {"turns": 8, "think_s": 5.0, "followup": 20},
    "prefixes": {"groups": 50, "tokens": 100},
}
CACHES = {"prefix_cache": True, "kv_block_tokens": 16}
API = {
    "kind": "api",
    "latency_s": 0.5,
    "tpot_s": 0.01,
    "usd_per_million_prompt_tokens": 1.0,
    "usd_per_million_output_tokens": 4.0,
}
A_MINUTE = {"APIs": 60, "APIs that are full half of the time": 15}  # requests that each takes, of 30 that come
CASES = {
    **dict.fromkeys(RULES, POOLS),
    **{f"least_loaded, autoscaling by {rule}": POOLS for rule in SCALERS},
    "least_loaded, sessions of 8 turns": POOLS,
    "scored, sessions of 8 turns": POOLS,
    **{f"{rule}, APIs": {8: 8, 200: 200, 1_000: 1_000} for rule in ("random", "scored")},
    "random, APIs that are full half of the time": {8: 8, 200: 200},
}


def scenario(case: str, size: int) -> dict[str, Any]:
    """As a file would say it, but for the number of requests."""
    rule, _, what = case.partition(", ")
    data = read_toml(SYNTHETIC, "a scenario")
    pools, rate_rps = CASES[case][size], PER_REPLICA * size
    models = [data["models"][1]] if what in A_MINUTE else data["models"]
    serving: list[dict[str, Any]] = []
    for k in range(pools):
        model = models[k * len(models) // pools]
        where = (
            API | {"requests_per_minute": A_MINUTE[what]}
            if what in A_MINUTE
            else {key: model[key] for key in ("profile", "gpu", "tp") if key in model}
        )
        pool = {"model": model["name"], **where, "replicas": size // pools}
        if what.startswith("autoscaling"):
            pool["autoscale"] = {"rule": what.split()[-1], "min_replicas": size // pools // 2}
        serving.append(pool | (CACHES if what.startswith("sessions") else {}))
    if what.startswith("sessions"):
        data |= SESSIONS
        rate_rps /= SESSIONS["sessions"]["turns"]
    if what in A_MINUTE:
        data["cost"] = {"unit": "USD"}
        for pool in serving:
            del pool["replicas"]
    bare = [{"name": m["name"], "satisfaction": m["satisfaction"]} for m in models]
    return data | {
        "arrivals": {"kind": "poisson", "rate_rps": rate_rps},
        "models": bare,
        "pools": serving,
        "cluster": {"dispatch": rule},
    }


def one(case: str, size: int) -> None:
    """Runs one case in this process, and prints its CPU time of a request more, µs."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    data = scenario(case, size)

    def cpu_s(requests: int) -> float:
        parsed = parse(data | {"requests": requests})
        used = resource.getrusage(resource.RUSAGE_SELF)
        messsim.run(parsed, keep_records=False)
        now = resource.getrusage(resource.RUSAGE_SELF)
        return now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime

    less, more, tries = OF_APIS if "APIs" in case else (LESS, MORE, TRIES)
    cpu_s(more)  # imports, and memory that later runs find at hand
    less_s, more_s = (min(cpu_s(count) for _try in range(tries)) for count in (less, more))
    print(1e6 * (more_s - less_s) / (more - less))


def main(rounds: int, cases: list[str]) -> None:
    """Prints the table, of all cases unless some are named."""
    print("| case | replicas | µs of CPU a request | times those of 8 |")
    print("| --- | --- | --- | --- |")
    for case in cases or CASES:
        sizes = list(CASES[case])
        seen: dict[int, list[float]] = {size: [] for size in sizes}
        for _round in range(rounds):
            for size in sizes:
                command = [sys.executable, __file__, "--one", case, str(size)]
                seen[size].append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        time_us = [statistics.median(seen[size]) for size in sizes]
        cells = [
            " · ".join(f"{size:,}" for size in sizes),
            " · ".join(f"{t:.2f}" for t in time_us),
            " · ".join(f"{t / time_us[0]:.1f}" for t in time_us[1:]),
        ]
        print(f"| {case} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], int(sys.argv[3]))
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 3, sys.argv[2:])
