"""Write the table of docs/accuracy.md on servers that messsim knows by model, GPU and engine alone.

    python tools/build_defaults.py SILICON_SAMPLE

SILICON_SAMPLE is `aiconfigurator_core/systems/silicon_sample.csv` of the wheel aiconfigurator-core 0.12.0 (Apache-2.0).
Of its rows those of InferenceMAX are read, of Llama-3.1-70B and gpt-oss-120b without expert parallelism: clients who
each send the next request when the last is answered, prompts and answers uniform between 0.8 and 1 of the nominal
length. Of each model, GPU, engine and number of GPUs at most `MOST` rows are simulated, every n-th. A scenario says the
model, the GPU, the weights and the engine; everything else is messsim's default.
"""

import argparse
import csv
import re
from pathlib import Path
from statistics import mean
from typing import Any

from messsim.errors import MesssimError
from messsim.study.calibrate.measured import Point, one_server
from messsim.study.validate.against_hardware import predict
from messsim.zoo import UnknownProfile, find_profile

PAGE = Path(__file__).resolve().parents[1] / "docs" / "accuracy.md"
_TABLE = re.compile(r"(<!-- table: defaults -->\n).*?(<!-- end -->)", re.DOTALL)

MODELS = ("meta-llama/Llama-3.1-70B", "openai/gpt-oss-120b")
WEIGHTS = {"fp8": "fp8", "fp4": "nvfp4"}
ENGINES = {"vllm": "vllm", "sglang": "sglang", "trtllm": "tensorrt-llm"}
GPUS = {"h100_sxm": "H100", "h200_sxm": "H200", "b200_sxm": "B200"}
MOST = 12
REQUESTS_A_CLIENT = 8

Row = dict[str, Any]


def rows(path: Path) -> list[Row]:
    """The rows that a built-in profile speaks of, each once."""
    collected: dict[tuple[str, ...], Row] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            alone = all(row[name] in ("", "1", "1.0") for name in ("attention_dp_size", "moe_ep_size", "pp_size"))
            if row["mode"] != "agg" or row["model_path"] not in MODELS or row["system"] not in GPUS or not alone:
                continue
            if not row["silicon_data_source"].startswith("source_file=2026"):
                continue
            gpt = row["model_path"].startswith("openai/")
            weights = "mxfp4" if gpt else WEIGHTS[row["precision"]]
            gpus = int(float(row["tp_size"]))
            try:
                profile = find_profile(row["model_path"], row["system"], gpus, weights)
            except UnknownProfile:
                continue
            names = ("backend", "isl", "osl", "batch_size", "silicon_ttft_ms")
            collected[profile.name, *(row[name] for name in names)] = {
                "group": (profile.model, weights, profile.gpu, ENGINES[row["backend"]]),
                "gpus": gpus,
                "prompt": int(float(row["isl"])),
                "answer": int(float(row["osl"])),
                "clients": int(float(row["batch_size"])),
                "ttft_s": float(row["silicon_ttft_ms"]) / 1e3,
                "tpot_s": float(row["silicon_tpot_ms"]) / 1e3,
            }
    return list(collected.values())


def errors(row: Row) -> dict[str, float]:
    """Predicted over measured, minus one."""
    model, weights, gpu, engine = row["group"]
    served = {"name": model, "profile": model, "gpu": gpu, "tp": row["gpus"], "weights": weights, "engine": engine}
    requests = REQUESTS_A_CLIENT * row["clients"]
    lengths = {"prompt": _uniform(row["prompt"]), "output": _uniform(row["answer"])}
    arrivals = {"kind": "closed", "clients": row["clients"]}
    scenario = one_server("defaults", served, arrivals, requests, lengths, None, None)
    predicted = predict(
        Point("served", {"clients": row["clients"]}, {"ttft_s": 1.0, "tpot_s": 1.0}, scenario, (0, requests))
    )
    tokens = 0.9 * row["answer"] - 1
    whole = {"ttft_s": predicted["ttft_s"], "tpot_s": predicted["tpot_s"]}
    measured = {name: row[name] for name in whole}
    for each in (whole, measured):
        each["e2e_s"] = each["ttft_s"] + tokens * each["tpot_s"]
    return {name: whole[name] / measured[name] - 1 for name in whole}


def _uniform(nominal: int) -> Row:
    return {"kind": "empirical", "tokens": [round(nominal * (0.8 + 0.01 * (i + 0.5))) for i in range(20)]}


def table(path: Path) -> str:
    """Errors of TTFT, TPOT and end to end by model, weights, GPU and engine, worst last, as Markdown."""
    groups: dict[tuple[str, ...], dict[int, list[Row]]] = {}
    for row in rows(path):
        groups.setdefault(row["group"], {}).setdefault(row["gpus"], []).append(row)
    lines = ["| model, weights, GPU, engine | rows | TTFT | TPOT | end to end |", "| --- | ---: | ---: | ---: | ---: |"]
    for group, by_gpus in sorted(groups.items()):
        chosen = [r for some in by_gpus.values() for r in some[:: -(-len(some) // MOST)]]
        collected = []
        for row in chosen:
            try:
                collected.append(errors(row))
            except MesssimError as error:
                raise SystemExit(f"{row}: {error}") from None
        cells = [_cell([e[name] for e in collected]) for name in ("ttft_s", "tpot_s", "e2e_s")]
        lines.append(f"| {', '.join(group)} | {len(collected)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(values: list[float]) -> str:
    sizes = [abs(v) for v in values]
    middle = sorted(sizes)[len(sizes) // 2]
    return f"{100 * middle:.0f} / {100 * mean(sizes):.0f} / {100 * mean(values):+.0f}"


def main() -> None:
    """Write the table into the page."""
    parser = argparse.ArgumentParser(description="Write the table of servers at engines' defaults.")
    parser.add_argument("sample", type=Path)
    text = table(parser.parse_args().sample)
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(_TABLE.sub(lambda m: f"{m[1]}\n{text}\n\n{m[2]}", page), encoding="utf-8")


if __name__ == "__main__":
    main()
