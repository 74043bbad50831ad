"""Write the tables of docs/accuracy.md on servers that messsim knows by model, GPU and engine alone.

    python tools/build_defaults.py SILICON_SAMPLE

SILICON_SAMPLE is `aiconfigurator_core/systems/silicon_sample.csv` of the wheel aiconfigurator-core 0.12.0 (Apache-2.0).
Of its rows those of InferenceMAX are read, of the models in `MODELS` without expert parallelism: clients who each send
the next request when the last is answered, prompts and answers uniform between 0.8 and 1 of the nominal length. Rows of
DeepSeek are of the data base's dump, named DeepSeek-V3: those named R1 are the same and others with speculative
decoding, of which they say nothing (perf-changelog.yaml of SemiAnalysisAI/InferenceX: TensorRT-LLM 1.2.0rc6.post2
without, post3 with it). Of each model, GPU, engine and number of GPUs at most `MOST` rows are simulated, every n-th. A
scenario says the model, the GPU, the weights and the engine; everything else is messsim's default. A second table is of
the same rows: there a scenario says too what the scripts say that started the servers (`started`).

Idle servers, which answer one client, are the rows of Qwen3-32B with one request under way (GB200, TensorRT-LLM 1.3
behind Dynamo's front end), and what SGLang's documentation has of Llama-3.1-8B without speculative decoding.

Rows of constant lengths in `OTHERS` are of models that no host or setting was taken from. They are simulated as a
scenario that says nothing else, and those of TensorRT-LLM with what it could say: places, two prompts an iteration, and
a cache in fp8. Left out are those with attention in parallel for its data, and vLLM's of Llama-3.1-8B in fp8 on H200:
some take in more prompt tokens a second (118,000) than 80 % of the GPU's peak has arithmetic for.
"""

import argparse
import csv
import re
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

from messsim.errors import MesssimError
from messsim.study.calibrate.measured import Point, one_server
from messsim.study.validate.against_hardware import predict
from messsim.zoo import UnknownProfile, find_profile

PAGE = Path(__file__).resolve().parents[1] / "docs" / "accuracy.md"
_TABLE = re.compile(r"(<!-- table: (?P<name>defaults|started|alone|other-model) -->\n).*?(<!-- end -->)", re.DOTALL)

MODELS = {  # and which of its rows
    "meta-llama/Llama-3.1-70B": "source_file=2026",
    "openai/gpt-oss-120b": "source_file=2026",
    "deepseek-ai/DeepSeek-V3": "db-dump",
    "MiniMaxAI/MiniMax-M2.5": "db-dump",
}
WEIGHTS = {"fp8": "fp8", "fp4": "nvfp4"}
ENGINES = {"vllm": "vllm", "sglang": "sglang", "trtllm": "tensorrt-llm"}
GPUS = {"h100_sxm": "H100", "h200_sxm": "H200", "b200_sxm": "B200", "b300_sxm": "B300"}
_MEASURED = re.compile(r"measured=(\d{4}-\d\d)")
ALONE = re.compile(r"silicon_concurrency=1;")
# Checkpoint, system, engine and version of rows, and the model in fp8 that they are of.
OTHERS = {
    ("Qwen/Qwen3-32B", "h100_sxm", "trtllm", "1.0.0rc3"): "Qwen3-32B",
    ("Qwen/Qwen3-235B-A22B-FP8", "h100_sxm", "trtllm", "1.0.0rc3"): "Qwen3-235B-A22B",
    ("Qwen/Qwen3-235B-A22B-FP8", "h200_sxm", "sglang", "0.5.6.post2"): "Qwen3-235B-A22B",
    ("Qwen/Qwen3-235B-A22B-FP8", "h200_sxm", "vllm", "0.12.0"): "Qwen3-235B-A22B",
    ("meta-llama/Llama-3.1-8B-Instruct", "h200_sxm", "sglang", "0.5.6.post2"): "Llama-3.1-8B",
}
# Tokens a second of MT-Bench with one client; its lengths, some 300 and 400 tokens, hardly matter
# (docs.sglang.io/advanced_features/speculative_decoding.html, first table).
SGLANG = {
    "group": ("Llama-3.1-8B", "bf16", "H100", "sglang"),
    "gpus": 1,
    "prompt": 300,
    "answer": 400,
    "e2e_s": 400 / 158.34,
}
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
            if not row["silicon_data_source"].startswith(MODELS[row["model_path"]]):
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
                "month": _MEASURED.search(row["silicon_data_source"])[1],  # type: ignore[index]
                "ttft_s": float(row["silicon_ttft_ms"]) / 1e3,
                "tpot_s": float(row["silicon_tpot_ms"]) / 1e3,
            }
    return list(collected.values())


def started(row: Row) -> Row:
    """What the script says that started the server of a row, beside model, GPUs and engine.

    SemiAnalysisAI/InferenceX, benchmarks/: 70b_*.sh at c198b20e, as since September 2025; gptoss_fp4_*.sh, whose cache
    on B200 is in fp8 with TensorRT-LLM since ac1998a5 (October), with vLLM since 25506e87 (5 December); dsr1_*.sh
    before 626932a1; minimaxm2.5_*.sh at bddbf403 and 13962fcf (B200), 340d7854 and 22d0f12f (B300), before 0f78cf4e
    (H200).
    """
    model, weights, gpu, engine = row["group"]
    if model == "DeepSeek-V3":
        return _deepseek(row, weights, gpu, engine)
    if model == "MiniMax-M2.5" and gpu == "H200":
        return {"gpu_memory_share": 0.95}
    if model == "MiniMax-M2.5":
        return {"kv_cache_dtype": "fp8", "max_batched_tokens": 2 * row["prompt"], "gpu_memory_share": 0.9}
    gpt, blackwell = model.startswith("gpt-oss"), gpu == "B200"
    dtype = "fp8" if not gpt or (blackwell and (engine != "vllm" or row["month"] >= "2025-12")) else "auto"
    if engine == "vllm":
        places = 512 if blackwell else row["clients"]
        return {"kv_cache_dtype": dtype, "max_batched_tokens": 8192, "max_num_seqs": places, "gpu_memory_share": 0.9}
    if gpt:
        places = 512 if blackwell else row["clients"]
        return {"kv_cache_dtype": dtype, "max_batched_tokens": 20_000, "max_num_seqs": places, "gpu_memory_share": 0.85}
    return {"kv_cache_dtype": dtype, "max_batched_tokens": 16_384}


def _deepseek(row: Row, weights: str, gpu: str, engine: str) -> Row:
    if engine == "tensorrt-llm":
        tokens = -(-(row["clients"] + row["prompt"] + 64) // 64) * 64
        return {"kv_cache_dtype": "fp8", "max_batched_tokens": max(8192, tokens)}
    interval = 30 if row["clients"] >= 16 else 10
    if weights == "nvfp4":
        dtype, tokens, places, share = "fp8", 16_384, 256, 0.85
    elif gpu == "H200":
        dtype, tokens, places, share = "auto", 32_768, 512 if row["prompt"] == row["answer"] else 256, 0.82
        interval = 1
    elif row["gpus"] == 8:
        dtype, tokens, places, share = "fp8", 32_768, 128, 0.82
    else:
        dtype, tokens, places, share = "fp8", 8192, 32, 0.95
        interval = 10
    return {
        "kv_cache_dtype": dtype,
        "max_batched_tokens": tokens,
        "max_num_seqs": places,
        "gpu_memory_share": share,
        "scheduler_recv_interval": interval,
    }


def errors(row: Row, settings: Row) -> dict[str, float]:
    """Predicted over measured, minus one."""
    lengths = {"prompt": _uniform(row["prompt"]), "output": _uniform(row["answer"])}
    return _errors(row, lengths, 0.9 * row["answer"], settings)


def _errors(row: Row, lengths: Row, answer: float, settings: Row) -> dict[str, float]:
    whole = _predicted(row, row["clients"], lengths, settings, "ttft_s", "tpot_s")
    tokens = answer - 1
    measured = {name: row[name] for name in whole}
    for each in (whole, measured):
        each["e2e_s"] = each["ttft_s"] + tokens * each["tpot_s"]
    return {name: whole[name] / measured[name] - 1 for name in whole}


def _predicted(row: Row, clients: int, lengths: Row, settings: Row, *names: str) -> dict[str, float]:
    """Means of the named readings of a server with so many clients; `settings` are what its scenario says besides."""
    model, weights, gpu, engine = row["group"]
    served = {"name": model, "profile": model, "gpu": gpu, "tp": row["gpus"], "weights": weights, "engine": engine}
    served |= settings
    requests = REQUESTS_A_CLIENT * clients
    scenario = one_server("defaults", served, {"kind": "closed", "clients": clients}, requests, lengths, None, None)
    return predict(Point("served", {"clients": clients}, dict.fromkeys(names, 1.0), scenario, (0, requests)))


def other_rows(path: Path) -> list[Row]:
    """The rows of models that no host or setting was taken from."""
    collected = []
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            model = OTHERS.get((row["model_path"], row["system"], row["backend"], row["backend_version"]))
            gpus = int(float(row["tp_size"] or 0))
            experts = int(float(row["moe_tp_size"] or 1)) * int(float(row["moe_ep_size"] or 1))
            if model is None or row["mode"] != "agg" or experts not in (1, gpus):
                continue
            try:
                profile = find_profile(model, row["system"], gpus, "fp8")
            except UnknownProfile:
                continue
            collected.append(
                {
                    "group": (profile.model, "fp8", profile.gpu, ENGINES[row["backend"]]),
                    "gpus": gpus,
                    "prompt": int(float(row["isl"])),
                    "answer": int(float(row["osl"])),
                    "clients": int(float(row["batch_size"])),
                    "ttft_s": float(row["silicon_ttft_ms"]) / 1e3,
                    "tpot_s": float(row["silicon_tpot_ms"]) / 1e3,
                }
            )
    return collected


def other_table(path: Path) -> str:
    """Errors by server, of a scenario that says nothing and of one that says how it was set up, as Markdown."""
    lines = ["| model, GPUs, engine, the scenario says | rows | TTFT | TPOT | end to end |"]
    lines.append("| --- | ---: | ---: | ---: | ---: |")
    collected: dict[tuple[Any, ...], list[dict[str, float]]] = {}
    for row in other_rows(path):
        model, _, gpu, engine = row["group"]
        clients, lengths = row["clients"], {"prompt": row["prompt"], "output": row["answer"]}
        described = {
            "max_num_seqs": clients,
            "max_batched_tokens": max(2 * row["prompt"], clients),
            "kv_cache_dtype": "fp8",
        }
        for describes in (False, True) if engine == "tensorrt-llm" else (False,):
            made = _errors(row, lengths, row["answer"], described if describes else {})
            server = (model, gpu, engine, describes, row["gpus"])
            collected.setdefault(server, []).append(made)
    for (model, gpu, engine, describes, gpus), some in sorted(collected.items()):
        says = "how it is set up" if describes else "nothing else"
        cells = [_cell([e[name] for e in some]) for name in ("ttft_s", "tpot_s", "e2e_s")]
        lines.append(f"| {model}, {gpus} {gpu}, {engine}, {says} | {len(some)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def idle_rows(path: Path) -> list[Row]:
    """The rows with one request under way that a built-in profile speaks of, and SGLang's."""
    with path.open(newline="", encoding="utf-8") as file:
        alone = [r for r in csv.DictReader(file) if r["mode"] == "agg" and ALONE.search(r["silicon_data_source"])]
    collected = []
    for row in alone:
        profile = find_profile(row["model_path"], row["system"], int(float(row["tp_size"])), "bf16")
        ttft_s, tpot_s = float(row["silicon_ttft_ms"]) / 1e3, float(row["silicon_tpot_ms"]) / 1e3
        collected.append(
            {
                "group": (profile.model, profile.weights, profile.gpu, ENGINES[row["backend"]]),
                "gpus": profile.tp,
                "prompt": int(float(row["isl"])),
                "answer": int(float(row["osl"])),
                "ttft_s": ttft_s,
                "e2e_s": ttft_s + (int(float(row["osl"])) - 1) * tpot_s,
            }
        )
    return [*collected, SGLANG]


def idle_table(path: Path) -> str:
    """TTFT, and milliseconds a token of whole answers, of one client, as Markdown."""
    readings = "".join(f" {reading}, ms | predicted | error |" for reading in ("TTFT", "a token"))
    lines = [f"| model, weights, GPUs, engine | prompt | answer |{readings}", "| --- " + "| ---: " * 8 + "|"]
    for row in idle_rows(path):
        made = _predicted(row, 1, {"prompt": row["prompt"], "output": row["answer"]}, {}, "ttft_s", "e2e_s")
        model, weights, gpu, engine = row["group"]
        cells = [f"{model}, {weights}, {row['gpus']} {gpu}, {engine}", f"{row['prompt']:,}", f"{row['answer']:,}"]
        for name, each in (("ttft_s", 1), ("e2e_s", row["answer"])):
            if name in row:
                measured, forecast = 1e3 * row[name] / each, 1e3 * made[name] / each
                cells += [f"{measured:.1f}", f"{forecast:.1f}", f"{100 * (forecast / measured - 1):+.0f} %"]
            else:
                cells += ["-"] * 3
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _uniform(nominal: int) -> Row:
    return {"kind": "empirical", "tokens": [round(nominal * (0.8 + 0.01 * (i + 0.5))) for i in range(20)]}


def table(path: Path, settings: Callable[[Row], Row]) -> str:
    """Errors of TTFT, TPOT and end to end by model, weights, GPU and engine, as Markdown."""
    groups: dict[tuple[str, ...], dict[int, list[Row]]] = {}
    for row in rows(path):
        groups.setdefault(row["group"], {}).setdefault(row["gpus"], []).append(row)
    lines = ["| model, weights, GPU, engine | rows | TTFT | TPOT | end to end |", "| --- | ---: | ---: | ---: | ---: |"]
    for group, by_gpus in sorted(groups.items()):
        chosen = [r for some in by_gpus.values() for r in some[:: -(-len(some) // MOST)]]
        collected = []
        for row in chosen:
            try:
                collected.append(errors(row, settings(row)))
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
    """Write the tables into the page."""
    parser = argparse.ArgumentParser(description="Write the tables of servers at engines' defaults.")
    parser.add_argument("sample", type=Path)
    sample = parser.parse_args().sample
    texts = {"defaults": table(sample, lambda _: {}), "started": table(sample, started)}
    texts |= {"alone": idle_table(sample), "other-model": other_table(sample)}
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(_TABLE.sub(lambda m: f"{m[1]}\n{texts[m['name']]}\n\n{m[3]}", page), encoding="utf-8")


if __name__ == "__main__":
    main()
