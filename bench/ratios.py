"""Rates of whole runs in S, and against another checkout: one Markdown table, from one session.

    python bench/ratios.py [ROUNDS] [BEFORE]

S is the rate of an M/M/1 queue in SimPy, a process a customer (`bench_engine.py`). Times are CPU time on one core, user
and system: other work on the machine lengthens them, but for S as for the runs, so that the ratio holds. Each round
measures S and every run once, in a process of its own, without its start: a few requests were served before. Medians
of 5 rounds unless given.

`BEFORE` is the root of another checkout, built, with its environment in `.venv` or else in this interpreter: its rounds
alternate with this one's, and the last column is how many times as fast a run is here as there, the median of pairs.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parents[1]
CUSTOMERS = 100_000
LEFT_OUT = ("cluster, simpy engine", "when-routing-does-not-pay")  # too slow, and too short, to tell much


def _cpu_s(function) -> float:
    began_s = time.process_time()
    function()
    return time.process_time() - began_s


def one_round() -> None:
    """Prints the CPU seconds of a customer in SimPy and of a request of each run, with the root of this checkout."""
    import bench_engine as bench

    import messsim

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    messsim.run(messsim.load(Path("scenarios") / "synthetic.toml", requests=1000), keep_records=False)
    customers = bench.scaled(CUSTOMERS)
    seconds = {"S": _cpu_s(lambda: bench.mm1_by_simpy(customers)) / customers}
    for case, (name, whole, sets) in bench.WHOLE.items():
        requests = bench.scaled(whole)
        if case not in LEFT_OUT:
            scenario = messsim.load(Path("scenarios") / f"{name}.toml", list(sets), requests=requests)
            seconds[case] = _cpu_s(lambda run=scenario: messsim.run(run, keep_records=False)) / requests
    print(json.dumps(seconds))


def _round_of(tree: Path) -> dict[str, float]:
    """One round in a checkout, by the runs of this file's."""
    own = tree / ".venv" / "bin" / "python"
    python = str(own) if own.exists() else sys.executable
    path = os.pathsep.join([str(tree), str(HERE / "bench")])
    done = subprocess.run(
        [python, __file__, "--round"],
        check=True,
        capture_output=True,
        text=True,
        cwd=tree,
        env=os.environ | {"PYTHONPATH": path},
    )
    seconds: dict[str, float] = json.loads(done.stdout)
    return seconds


def main(rounds: int, before: Path | None) -> None:
    """Prints the table."""
    trees = [HERE] if before is None else [before, HERE]
    seen: dict[Path, list[dict[str, float]]] = {tree: [] for tree in trees}
    for _ in range(rounds):
        for tree in trees:
            seen[tree].append(_round_of(tree))
    s = median(r["S"] for made in seen.values() for r in made)
    columns = ["times S"] if before is None else ["before, times S", "now, times S", "now / before"]
    print(f"S is {1 / s:,.0f} customers a second; medians of {rounds}.\n")
    print("| run | " + " | ".join(columns) + " |\n| --- |" + " ---: |" * len(columns))
    for case in seen[HERE][0]:
        cells = [f"{s / median(r[case] for r in seen[tree]):.2f}" for tree in trees]
        if before is not None:
            cells.append(f"{median(b[case] / n[case] for b, n in zip(seen[before], seen[HERE], strict=True)):.2f}")
        if case != "S":
            print(f"| {case} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    if sys.argv[1:] == ["--round"]:
        one_round()
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 5, Path(sys.argv[2]).resolve() if sys.argv[2:] else None)
