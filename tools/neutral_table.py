"""Print how far off messsim is at servers of the neutral table of simulators.

    python tools/neutral_table.py ERROR_RECORDS

ERROR_RECORDS is `results_trainval/error_records.csv` of inference-sim/sim-to-real-accuracy-validation at `dcec3fd`. It
has the measured means of vLLM 0.15.1 on H100. The repository states the load of the workloads codegen and roleplay
(`docs/plans/2026-03-04-sim-to-real-accuracy-validation-design.md`), not those of the lighter ones, which are left out.
A test's example of it has 44 users who send one prompt each, again and again (`tests/test_ground_truth.py`): all of a
prompt but its last tokens is cached from the second time on. A scenario says the model, the GPUs, the engine, the load
and the two limits that the repository states.
"""

import csv
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import messsim

USERS = 44
LAST_TOKENS = 16  # a block of vLLM's, which is computed anew
STAGE_S = 600
SEATS = 128
METRICS = ("e2e_mean", "ttft_mean", "itl_mean")


@dataclass(frozen=True)
class Load:
    """Requests a second in each stage, and tokens of a prompt."""

    rates_rps: tuple[int, ...]
    prompt: int


LOADS = {"codegen": Load((5, 10), 566), "roleplay": Load((6,), 750)}


def cells(path: Path) -> dict[tuple[str, int], dict[str, str]]:
    """The rows of the loads that are known, one of each experiment, stage and metric, by experiment and stage."""
    measured: dict[tuple[str, int], dict[str, str]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            folder, stage = Path(row["experiment_folder"]).name, int(row["stage_index"])
            if stage >= 0 and row["workload"] in LOADS and row["workload"] in folder and row["metric_name"] in METRICS:
                measured.setdefault((folder, stage), row)[row["metric_name"]] = row["actual"]
    return measured


def predicted(row: dict[str, str], stage: int) -> dict[str, float]:
    """Mean latencies of one stage, ms."""
    load = LOADS[row["workload"]]
    rate = load.rates_rps[stage]
    e2e_ms, ttft_ms, between_ms = (float(row[name]) for name in METRICS)
    answer = round((e2e_ms - ttft_ms) / between_ms) + 1  # as the table defines its time between tokens
    scenario = {
        "requests": rate * STAGE_S,
        "arrivals": {"kind": "poisson", "rate_rps": rate},
        "tokens": {"prompt": LAST_TOKENS, "output": answer},
        "prefixes": {"groups": USERS, "exponent": 0, "tokens": load.prompt - LAST_TOKENS},
        "models": [
            {"name": "served", "profile": row["model"], "gpu": row["hardware"], "tp": int(row["tp"]), "engine": "vllm"}
            | {"max_batched_tokens": int(row["max_num_batched_tokens"]), "max_num_seqs": SEATS, "satisfaction": 0.5}
        ],
        "router": {"policy": "cheapest"},
        "sla": {"alpha": 0},
        "satisfaction": {"kind": "irt"},
    }
    latency = messsim.run(messsim.parse(scenario)).summary["latency_s"]
    means_s = [latency[name]["mean"] for name in ("e2e", "ttft", "tpot")]
    return {name: 1e3 * mean for name, mean in zip(METRICS, means_s, strict=True) if mean is not None}


def main(path: Path) -> None:
    """Print the relative errors of each cell, percent, and the medians of their sizes."""
    errors = []
    for (folder, stage), row in sorted(cells(path).items()):
        made = predicted(row, stage)
        errors.append([100 * (made[name] / float(row[name]) - 1) for name in METRICS])
        print(f"{folder:48} {stage}", *(f"{error:+6.1f}" for error in errors[-1]))
    medians = (median(abs(error) for error in column) for column in zip(*errors, strict=True))
    print(f"{len(errors)} cells, median:", *(f"{size:.1f}" for size in medians))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
