"""Writes messsim/workload/answer_lengths.json: how long models' answers are, by task.

    python tools/build_answer_lengths.py DATA

DATA is the maintainers' data directory: energy/mlenergy_v3_output_length_hist.csv, whose histograms have 50 equal
bins, of which empty ones are left out. The first and the last bin never are: they hold the shortest and the longest
answer.
"""

import csv
import json
import sys
from itertools import groupby
from pathlib import Path

BINS = 50
SOURCE = {
    "what": "lengths of answers in output tokens, thinking included, of the ML.ENERGY Benchmark, version 3",
    "repository": "https://github.com/ml-energy/leaderboard",
    "path": "public/data/models/*.json",
    "commit": "0cd52dab897c5d91a45f4d413038f3b8b4251b0f",
    "licence": "Apache-2.0, by the data set's card in https://github.com/ml-energy/data",
}


def main(data: Path) -> None:
    """Reads the table, writes the file."""
    with (data / "energy/mlenergy_v3_output_length_hist.csv").open() as file:
        rows = sorted(csv.DictReader(file), key=lambda r: (r["task"], r["model_id"], float(r["out_tokens_lo"])))
    tasks: dict[str, dict[str, object]] = {}
    for (task, model), group in groupby(rows, key=lambda r: (r["task"], r["model_id"])):
        bins = list(group)
        least, most = float(bins[0]["out_tokens_lo"]), float(bins[-1]["out_tokens_hi"])
        counts = [0] * BINS
        for row in bins:
            counts[round((float(row["out_tokens_lo"]) - least) * BINS / (most - least))] += int(row["count"])
        tasks.setdefault(task, {})[model] = {"least": least, "most": most, "counts": counts}
    lines = [
        f"    {json.dumps(task)}: {{\n"
        + ",\n".join(f"      {json.dumps(m)}: {json.dumps(h, separators=(',', ':'))}" for m, h in models.items())
        + "\n    }"
        for task, models in tasks.items()
    ]
    text = f'{{\n  "source": {json.dumps(SOURCE)},\n  "tasks": {{\n' + ",\n".join(lines) + "\n  }\n}\n"
    json.loads(text)
    (Path(__file__).parents[1] / "messsim/workload/answer_lengths.json").write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
