"""Write messsim/zoo/profiles.json: composed durations, metered energies, and what follows from shapes.

    python tools/profiles/build.py [DATA]      DATA: by default ../shared/data beside the repository

Duration: tools/profiles/durations.json, which tools/profiles/composing.py makes. Only coefficients are written, never a
measured row. The same tables give the same bytes.

Host: values by kind of scheduler, assumed (see HOSTS).

Energy, measured: fits to ML.ENERGY version 3's readings of the same weights on as many GPUs of the same kind, by
non-negative least squares of relative errors, at the measured durations, host included; rows of servers that their own
host held up are left out (messsim.study.calibrate.metered.is_held_up). Where the readings cannot tell
ek from e, ek is 0 and e contains it. Where the profile's own durations are more than FAR_OFF from the measured ones in
the mean, the fit is at its own: what an answer costs is then right where it was metered, and power as wrong as time.
If that gives all to P0 or all to e, which holds at no other load, P0 alone is fitted so, and e and ek are those of the
measured durations.

Energy, assumed (every other profile), one rule. Of the H100 fits in bf16 at the measured durations take those that tell
P0, e and ek apart, and the median over them of three ratios: P0 / TDP, e / active parameters, ek / KV bytes per token.
Multiply by the GPU's TDP, the model's active parameters and its KV bytes per token; e is taken to shrink with the bytes
of a weight to the power that Llama, Qwen and gpt-oss checkpoints of both kinds show on one GPU (EIGHT_BITS, FOUR_BITS).

Power cap: the TDP. Memory: tools/profiles/cells.py.
"""

import argparse
import csv
import json
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import numpy as np
from cells import GPUS, Cell, cells, weights_bytes
from composing import ASSUMED, KNOTS, LEAST, MIXED, TERMS
from composing import TARGET as DURATIONS
from scipy.optimize import nnls
from shapes import MODELS

from messsim.study.calibrate.metered import PROMPT_TOKENS, WEIGHTS, is_held_up
from messsim.zoo import gpu_seconds
from messsim.zoo.records import Duration

REPOSITORY = Path(__file__).resolve().parents[2]
TARGET = REPOSITORY / "messsim" / "zoo" / "profiles.json"

Row = dict[str, Any]
_REPOSITORY, _LICENCE = "ai-dynamo/aiconfigurator (PyPI: aiconfigurator-core 0.12.0)", "Apache-2.0"
_VERSIONS = {
    "vllm": "vLLM 0.24 (A100: 0.14)",
    "sglang": "SGLang 0.5.14 (A100: 0.5.10)",
    "trtllm": "TensorRT-LLM 1.3 (A100: 1.0)",
}
_VERSIONS[LEAST] = f"the least, part by part, of {', '.join(_VERSIONS.values())}"

SOURCES: dict[str, Row] = {
    f"aic-{backend}": {
        "what": f"Duration, composed for messsim of kernel times of {version} (matrix products, attention, experts, "
        "all-reduce) at the model's shapes; the terms of attention are fitted",
        "repository": _REPOSITORY,
        "path": "aiconfigurator_core/systems/data",
        "commit": None,
        "licence": _LICENCE,
    }
    for backend, version in _VERSIONS.items()
} | {
    "aic-served": {
        "what": "Host time, fitted for messsim to mean TPOT of vLLM 0.12, TensorRT-LLM 1.0 and SGLang 0.5.1 on H100, "
        "given the kernels' time",
        "repository": "ai-dynamo/aiconfigurator",
        "path": "aic-core/src/aiconfigurator_core/systems/silicon_sample.csv",
        "commit": "095f58a51c4ca8e61b66ec108d86f223f8d559ce",
        "licence": _LICENCE,
    },
    "mlenergy-v3": {
        "what": "Energy coefficients, fitted for messsim to metered GPU energy; prompt lengths are assumed (150 tokens "
        "for chat, 250 for GPQA, 700 for code completion)",
        "repository": "ml-energy/leaderboard",
        "path": "public/data/tasks",
        "commit": "0cd52dab897c5d91a45f4d413038f3b8b4251b0f",
        "licence": "Apache-2.0 by the data set's card in ml-energy/data; the repository has no licence file",
    },
    "assumed": {
        "what": "No measurement: the rules stand in tools/profiles/build.py and tools/profiles/cells.py",
        "repository": None,
        "path": "tools/profiles",
        "commit": None,
        "licence": None,
    },
}

# What an engine's own processes add. Asynchronous schedulers, the default of vLLM since 0.14, hide the host's time
# behind the GPU's: the default has the values of vLLM 0.12, whose synchronous scheduler shows them, and 0.5 ms that
# remain. The others were fitted to mean TPOT at fixed concurrencies, given the kernels' time: 84 rows of Qwen3-32B
# (vLLM, 2, 4 and 8 GPUs), 78 of Qwen3-32B (SGLang, 2, 4 and 8), all H100. TensorRT-LLM: h0 and h1 to 177 rows of
# Llama-3.1-8B (1 to 8 GPUs); what remains, to the 42 of one GPU with one place less than there are clients.
HOSTS: dict[str, Row] = {
    name: {
        "kind": kind,
        "h0_s": h0,
        "h1_s_per_sequence": h1,
        "after_s": after,
        "source": source,
        "assumed": ["h0_s", "h1_s_per_sequence", "after_s"] if source == "assumed" else [],
    }
    for name, kind, h0, h1, after, source in (
        ("overlap", "overlap", 1.4e-3, 41e-6, 0.5e-3, "assumed"),
        ("vllm-0.12", "sum", 1.36e-3, 40.7e-6, 0.0, "aic-served"),
        ("trtllm-1.0", "overlap", 1.73e-3, 66.1e-6, 0.9e-3, "aic-served"),
        ("sglang-0.5", "sum", 0.8e-3, 16e-6, 0.0, "aic-served"),
    )
}

# Energy of a token with weights of 8 and of 4 bits over that with 16: assumed, in between the bytes and the arithmetic.
EIGHT_BITS, FOUR_BITS = 0.7, 0.6
OF_WEIGHTS = {"bf16": 1.0, "fp8": EIGHT_BITS, "nvfp4": FOUR_BITS, "mxfp4": FOUR_BITS}

# The metered checkpoints and the models of the zoo whose shapes they have.
METERED = {
    "meta-llama/Llama-3.1-8B-Instruct": "Llama-3.1-8B",
    "meta-llama/Llama-3.1-70B-Instruct": "Llama-3.1-70B",
    "meta-llama/Llama-3.1-405B-Instruct": "Llama-3.1-405B",
    "meta-llama/Llama-3.1-405B-Instruct-FP8": "Llama-3.1-405B",
    "meta-llama/Llama-4-Scout-17B-16E-Instruct": "Llama-4-Scout",
    "Qwen/Qwen3-8B": "Qwen3-8B",
    "Qwen/Qwen3-14B": "Qwen3-14B",
    "Qwen/Qwen3-32B": "Qwen3-32B",
    "Qwen/Qwen3-30B-A3B-Instruct-2507": "Qwen3-30B-A3B",
    "Qwen/Qwen3-235B-A22B-Instruct-2507": "Qwen3-235B-A22B",
    "Qwen/Qwen3-235B-A22B-Instruct-2507-FP8": "Qwen3-235B-A22B",
    "google/gemma-3-12b-it": "Gemma-3-12B",
    "google/gemma-3-27b-it": "Gemma-3-27B",
    "openai/gpt-oss-20b": "gpt-oss-20b",
    "openai/gpt-oss-120b": "gpt-oss-120b",
    "deepseek-ai/DeepSeek-V3.1": "DeepSeek-V3",
}
LEAST_ROWS = 5
FAR_OFF = 0.15  # mean relative error of durations from which energy is fitted at the profile's own

UNITS = {"ab": "ab_s_per_sequence", "ak": "ak_s_per_token", "aq": "aq_s_per_token2", "a1": "a1_s"}
UNITS |= {name: f"{name}_s_per_token" for name in ("ac", "akm", "akx", "abk")}

Key = tuple[str, str, int, str]


def rounded(value: float) -> float:
    """Return `value` to six significant digits."""
    return float(f"{value:.6g}")


def measured_energies(data: Path, composed: dict[str, Row] | None) -> dict[Key, Row]:
    """Return the energy block of each profile with readings: P0, e and, where two tasks tell it from e, ek.

    `composed` has the durations of the profiles; none: the measured ones count.
    """
    by_key: dict[Key, list[Row]] = {}
    with (data / "energy" / "mlenergy_v3_llm.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["model_id"] in METERED and row["task"] in PROMPT_TOKENS and not is_held_up(row):
                served = (METERED[row["model_id"]], row["gpu_model"], int(row["num_gpus"]))
                by_key.setdefault((*served, WEIGHTS[row["weight_precision"]]), []).append(row)
    names = {key: f"{key[0]}/{key[1]}/tp{key[2]}" + ("" if key[3] == "bf16" else f"/{key[3]}") for key in by_key}
    fits: dict[Key, Row] = {}
    for key, rows in by_key.items():
        if len(rows) < LEAST_ROWS or not (composed is None or names[key] in composed):
            continue
        fit = _energy_fit(rows, key[2], composed and composed[names[key]])
        if composed is not None and not _tells(fit):
            fit = _energy_fit(rows, key[2], composed[names[key]], _energy_fit(rows, key[2], None))
        if _tells(fit):
            fits[key] = fit
    return fits


def _tells(fit: Row) -> bool:
    """Whether neither time nor tokens have all the energy: else it holds at no other load."""
    return bool(fit["p0_w_per_gpu"] > 0 and fit["e_j_per_token"] > 0)


def _seconds(cell: Row, batch: float, prompt: float, output: float) -> float:
    """Mean time of an iteration of a server that is kept full, s: one in so many carries a prompt; vLLM 0.12's host."""
    terms = {UNITS[name]: value for name, value in cell["terms"].items()}
    knots = tuple(zip(cell.get("knots", KNOTS), cell["knots_s"], strict=True))
    shown = SimpleNamespace(duration=Duration(knots=knots, **terms, source="", assumed=()))
    cached = batch * (prompt + output / 2.0)
    decoding = gpu_seconds(shown, 0, 0, batch, cached)  # type: ignore[arg-type]
    prompts = batch / output
    with_prompt = gpu_seconds(shown, prompt * max(1.0, prompts), 0, batch, cached)  # type: ignore[arg-type]
    host = HOSTS["vllm-0.12"]
    seconds: float = decoding + min(prompts, 1.0) * (with_prompt - decoding)
    return float(seconds + host["h0_s"] + host["h1_s_per_sequence"] * batch)


def _energy_fit(rows: list[Row], gpus: int, cell: Row | None, held: Row | None = None) -> Row:
    """Fit of P0, e and ek at the measured durations, or a cell's; of P0 alone, beside e and ek of another fit."""
    batch = np.array([float(r["avg_batch_size"]) for r in rows])
    output = np.array([float(r["avg_output_len"]) for r in rows])
    prompt = np.array([float(PROMPT_TOKENS[r["task"]]) for r in rows])
    measured = batch / np.array([float(r["output_throughput_tokens_per_sec"]) for r in rows])
    seconds = measured
    if cell is not None:
        seconds = np.array([_seconds(cell, *each) for each in zip(batch, prompt, output, strict=True)])
    joules = batch * np.array([float(r["energy_per_token_joules"]) for r in rows])
    columns = [gpus * seconds, batch * (1.0 + prompt / output)]
    tasks = sorted({r["task"] for r in rows})
    if len(tasks) > 1:
        columns.append(batch * (prompt + output / 2.0))
    matrix = np.column_stack(columns) / joules[:, None]
    scale = np.linalg.norm(matrix, axis=0)
    result = nnls(matrix / scale, np.ones(len(rows)))[0] / scale
    if held is not None:
        result[1:] = [held["e_j_per_token"], held["ek_j_per_cached_token"]][: len(result) - 1]
        result[0] = max(0.0, matrix[:, 0] @ (1.0 - matrix[:, 1:] @ result[1:]) / (matrix[:, 0] @ matrix[:, 0]))
    errors = 100.0 * np.abs(matrix @ result - 1.0)
    p0, e, ek = (*result, 0.0)[:3]
    apart = "ek is contained in e" if ek == 0.0 else "P0, e and ek apart"
    return {
        "p0_w_per_gpu": rounded(p0),
        "e_j_per_token": rounded(e),
        "ek_j_per_cached_token": rounded(ek),
        "mape_percent": rounded(float(errors.mean())),
        "off": float(np.abs(seconds / measured - 1.0).mean()),
        "note": f"metered: {rows[0]['model_id']} on {gpus} {rows[0]['gpu_model']}, {len(rows)} readings of "
        f"{', '.join(tasks)}{'' if cell is None else ', at its own durations'}"
        f"{'' if held is None else ' but for e and ek'}; {apart}",
    }


def kv_bytes(model: str, tp: int) -> int:
    """Return the bytes of one cached token over all GPUs, in bf16; a latent cache stands on each."""
    shape = MODELS[model]
    copies = tp if shape.latent else max(1, tp // shape.kv_heads)
    return 2 * shape.kv_numbers_per_token * copies


def median_ratios(fits: dict[Key, Row]) -> tuple[float, float, float]:
    """Return P0 / TDP, e / active parameters and ek / KV bytes of the H100 fits in bf16 that tell all three apart."""
    complete = [
        (key, fit)
        for key, fit in fits.items()
        if key[1] == "H100" and key[3] == "bf16" and fit["ek_j_per_cached_token"] > 0 and fit["p0_w_per_gpu"] > 0
    ]
    return (
        median(fit["p0_w_per_gpu"] / GPUS["H100"].tdp_w for _, fit in complete),
        median(fit["e_j_per_token"] / MODELS[key[0]].active_parameters for key, fit in complete),
        median(fit["ek_j_per_cached_token"] / kv_bytes(key[0], key[2]) for key, fit in complete),
    )


def assumed_energy(cell: Cell, ratios: tuple[float, float, float]) -> Row:
    """Return the coefficients that the rule gives one model on one GPU, whatever the tp."""
    p0_per_tdp, e_per_parameter, ek_per_byte = ratios
    return {
        "p0_w_per_gpu": rounded(p0_per_tdp * GPUS[cell.gpu].tdp_w),
        "e_j_per_token": rounded(OF_WEIGHTS[cell.weights] * e_per_parameter * MODELS[cell.model].active_parameters),
        "ek_j_per_cached_token": rounded(ek_per_byte * kv_bytes(cell.model, 1)),
    }


def rules(ratios: tuple[float, float, float]) -> Row:
    """Return the rule of energies that nobody metered in words, by kind of weights."""
    p0_per_tdp, e_per_parameter, ek_per_byte = ratios
    return {
        weights: f"assumed: P0 = {p0_per_tdp:.4f} TDP, e = {e_per_parameter * 1e12:.4g} pJ per active parameter"
        + ("" if factor == 1.0 else f" times {factor:g} for {weights}")
        + f", ek = {ek_per_byte * 1e12:.4g} pJ per KV byte"
        for weights, factor in OF_WEIGHTS.items()
    }


def profiles(data: Path) -> tuple[list[Row], Row]:
    """Return every profile of the zoo, sorted by model, GPU, tp and weights, and the rule of assumed energies."""
    composed = json.loads(DURATIONS.read_text(encoding="utf-8"))["cells"]
    at_measured = measured_energies(data, None)
    at_own = {key: fit for key, fit in measured_energies(data, composed).items() if fit.pop("off") > FAR_OFF}
    for fit in at_measured.values():
        del fit["off"]
    fits = at_measured | at_own
    ratios = median_ratios(at_measured)
    zoo = []
    for cell in cells():
        if (result := composed.get(cell.name)) is None:
            continue
        energy = fits.get((cell.model, cell.gpu, cell.tp, cell.weights)) or assumed_energy(cell, ratios)
        errors = result["errors"]
        zoo.append(
            {
                "head": {
                    "model": cell.model,
                    "gpu": cell.gpu,
                    "tp": cell.tp,
                    "weights": cell.weights,
                    "host": "overlap",
                },
                "source": f"aic-{result['backend']}",
                **({"knots": result["knots"]} if "knots" in result else {}),
                "knots_s": [float(f"{x:.5g}") for x in result["knots_s"]],
                "terms": [float(f"{result['terms'][name]:.5g}") for name in TERMS],
                "error": [errors[kind]["mape"] for kind in ("decode", "prefill", "mixed")]
                + [max(e["worst"] for e in errors.values())],
                "energy": energy,
                "memory": {
                    "weights_bytes": weights_bytes(MODELS[cell.model], cell.weights),
                    "kv_bytes_per_token": kv_bytes(cell.model, cell.tp),
                    "kv_capacity_tokens": cell.capacity,
                },
            }
        )
    return sorted(zoo, key=lambda p: tuple(p["head"].values())), rules(ratios)


def render(data: Path) -> str:
    """Return the text of profiles.json: one line a table row, three lines a profile."""

    def lines(pairs: Iterable[tuple[str, Any]], indent: str) -> str:
        return ",\n".join(f"{indent}{json.dumps(key)}: {json.dumps(value)}" for key, value in pairs)

    gpus = {
        name: {"name": g.name, "memory_bytes": g.memory_bytes, "tdp_w": g.tdp_w, "idle_w": g.idle_w, "source": g.source}
        for name, g in GPUS.items()
    }
    models = {
        name: {
            "parameters": s.parameters,
            "active_parameters": s.active_parameters,
            "experts": s.experts,
            "top_k": s.top_k,
            "source": f"config.json and model card of huggingface.co/{s.public}",
            "licence": s.licence,
            "alike": list(s.alike),
        }
        for name, s in MODELS.items()
    }
    zoo, rule = profiles(data)
    tables = {"sources": SOURCES, "gpus": gpus, "models": models, "hosts": HOSTS, "rules": rule}
    one_call = [name for name, g in GPUS.items() if g.system in MIXED]
    parts = [
        f'  "knots": {json.dumps(KNOTS)}',
        f'  "terms": {json.dumps([UNITS[name] for name in TERMS])}',
        f'  "assumed_terms": {json.dumps({gpu: [UNITS[name] for name in ASSUMED] for gpu in one_call})}',
    ]
    parts += [f'  "{name}": {{\n{lines(table.items(), "    ")}\n  }}' for name, table in tables.items()]
    blocks = []
    for profile in zoo:
        duration = {k: profile[k] for k in ("source", "knots", "knots_s", "terms", "error") if k in profile}
        rows = [profile["head"], duration]
        rows.append({k: profile[k] for k in ("energy", "memory")})
        inner = ",\n     ".join(json.dumps(row, separators=(", ", ":"))[1:-1] for row in rows)
        blocks.append(f"    {{{inner}}}")
    parts.append('  "profiles": [\n' + ",\n".join(blocks) + "\n  ]")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main() -> None:
    """Read the data directory of the command line and write the zoo."""
    parser = argparse.ArgumentParser(description="Write messsim/zoo/profiles.json from a data directory.")
    parser.add_argument("data", nargs="?", type=Path, default=REPOSITORY.parent / "shared" / "data")
    text = render(parser.parse_args().data)
    TARGET.write_text(text, encoding="utf-8")
    print(f"{TARGET}: {len(json.loads(text)['profiles'])} profiles")


if __name__ == "__main__":
    main()
