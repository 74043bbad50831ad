"""Write messsim/zoo/profiles.json from the fitted tables of a data directory.

    python tools/build_profiles.py [DATA]      DATA: by default ../shared/data beside the repository

Only fitted coefficients are written, never a measured row. The same tables give the same bytes.

Duration: the columns of DATA/profiles/fit_duration.csv as they are. akm, the extra cost of cached tokens in
an iteration that carries prompt tokens, is assumed to be 1.5 ak: those fits rest on kernels measured one by
one, which cannot show it. Where mixed attention was measured (RTX PRO 6000, RTX 4090), akm is 1 to 2.7 ak.

Energy, measured: a fit of DATA/profiles/fit_energy_v3.csv (H100) for the same weights in bfloat16 and as many
GPUs as the profile's tp. Where the readings cannot tell ek from e, ek is 0 and e contains it. The fits of
fit_energy_v2.csv are not used: another form, and an older engine.

Energy, assumed (every other profile), one rule. Of the measured fits take those that tell P0, e and ek apart,
and the median over them of three ratios: P0 / TDP, e / active parameters, ek / KV bytes per token. Multiply
by the GPU's TDP, the model's active parameters and its KV bytes per token. So joules per token are the same
on every GPU and for every tp. On H100 readings of models that did not set it, the rule is in the mean 12 %
low (Llama-3.1-8B) to 6 % high (Llama-3.1-70B); on a single GPU it is 18 % low for Qwen3-32B.

Power cap: the TDP. Idle power: published, of a GPU that holds a CUDA context but runs nothing.

Memory: bfloat16 weights, and for the KV cache what they leave of 90 % of the GPU memory (vLLM's default).
Activations and CUDA graphs are not taken off, so a real engine fits fewer tokens. Null: does not fit.
"""

import argparse
import csv
import json
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
TARGET = REPOSITORY / "messsim" / "zoo" / "profiles.json"

Row = dict[str, Any]

SOURCES: dict[str, Row] = {
    "aic-ops": {
        "what": "Duration coefficients, fitted for messsim to sums of measured kernel times (GEMM, "
        "attention, MoE, all-reduce) interpolated to the model's shapes, plus 0.8 ms an iteration and 50 us "
        "a sequence on the host. The host's share was chosen on H100 and is copied to A100 and L40S.",
        "repository": "ai-dynamo/aiconfigurator",
        "path": "aic-core/src/aiconfigurator_core/systems/data/{a100_sxm,h100_sxm,l40s}",
        "commit": "095f58a51c4ca8e61b66ec108d86f223f8d559ce",
        "licence": "Apache-2.0",
    },
    "mlenergy-v3": {
        "what": "Energy coefficients, fitted for messsim to GPU energy metered on H100; prompt "
        "lengths are assumed (150 tokens for chat, 250 for GPQA).",
        "repository": "ml-energy/leaderboard",
        "path": "public/data/tasks/{gpqa,lm-arena-chat}.json",
        "commit": "0cd52dab897c5d91a45f4d413038f3b8b4251b0f",
        "licence": "Apache-2.0 by the data set's card in ml-energy/data; the repository has no licence file",
    },
    "assumed": {
        "what": "No measurement. akm = 1.5 ak. P0, e, ek: medians of the measured H100 fits that tell the "
        "three apart, scaled by TDP, active parameters and KV bytes per token, the same for every tp. Power "
        "cap = TDP. Idle power: see gpus. KV capacity = (0.9 GPU memory tp - bfloat16 weights) / KV bytes "
        "per token.",
        "repository": None,
        "path": "tools/build_profiles.py",
        "commit": None,
        "licence": None,
    },
}

# A replica that waits for requests holds a CUDA context. Without one the same cards draw 71.8 (H100), 53.7
# (A100) and 35.6 W (L40S), but that is not its state.
_IDLE = "idle power with a CUDA context: Vadari, The Model Parking Tax, arXiv 2605.23918"
# HBM stacks hold binary gigabytes: nvidia-smi shows 81920 MiB on A100, 81559 MiB on H100. The L40S pays for
# ECC out of its 48 GiB and shows 46068 MiB = 48.3e9 bytes: 48e9 is nearer to what an engine gets.
GPUS: dict[str, Row] = {
    "A100": {
        "name": "A100-80GB-SXM",
        "memory_bytes": 80 * 2**30,
        "tdp_w": 400.0,
        "idle_w": 80.0,
        "source": f"NVIDIA data sheet (80 GB, 400 W); {_IDLE}, there a PCIe card of 300 W",
    },
    "H100": {
        "name": "H100-80GB-SXM",
        "memory_bytes": 80 * 2**30,
        "tdp_w": 700.0,
        "idle_w": 121.7,
        "source": f"NVIDIA data sheet (80 GB, 700 W); {_IDLE}",
    },
    "L40S": {
        "name": "L40S-48GB",
        "memory_bytes": 48 * 10**9,
        "tdp_w": 350.0,
        "idle_w": 102.1,
        "source": f"NVIDIA data sheet (48 GB, 350 W); {_IDLE}",
    },
}

# Parameters, layers, KV heads, head size, public model, licence. The shapes in config.json give these counts,
# which are those of the published weights.
_LLAMA = "Llama {} Community License"
_SHAPES: dict[str, tuple[int, int, int, int, str, str]] = {
    "Llama-2-70B": (68_976_648_192, 80, 8, 128, "meta-llama/Llama-2-70b-hf", _LLAMA.format("2")),
    "Llama-3.1-8B": (8_030_261_248, 32, 8, 128, "meta-llama/Llama-3.1-8B", _LLAMA.format("3.1")),
    "Llama-3.1-70B": (70_553_706_496, 80, 8, 128, "meta-llama/Llama-3.1-70B", _LLAMA.format("3.1")),
    "Llama-3.2-1B": (1_235_814_400, 16, 8, 64, "meta-llama/Llama-3.2-1B", _LLAMA.format("3.2")),
    "Llama-3.2-3B": (3_212_749_824, 28, 8, 128, "meta-llama/Llama-3.2-3B", _LLAMA.format("3.2")),
    "Mistral-7B": (7_241_732_096, 32, 8, 128, "mistralai/Mistral-7B-v0.1", "Apache-2.0"),
    "Mixtral-8x7B": (46_702_792_704, 32, 8, 128, "mistralai/Mixtral-8x7B-v0.1", "Apache-2.0"),
    "Qwen2.5-1.5B": (1_543_714_304, 28, 2, 128, "Qwen/Qwen2.5-1.5B", "Apache-2.0"),
    "Qwen2.5-7B": (7_615_616_512, 28, 4, 128, "Qwen/Qwen2.5-7B", "Apache-2.0"),
    "Qwen2.5-14B": (14_770_033_664, 48, 8, 128, "Qwen/Qwen2.5-14B", "Apache-2.0"),
    "Qwen2.5-32B": (32_763_876_352, 64, 8, 128, "Qwen/Qwen2.5-32B", "Apache-2.0"),
    "Qwen2.5-72B": (72_706_203_648, 80, 8, 128, "Qwen/Qwen2.5-72B", "Qwen License Agreement"),
    "Qwen3-8B": (8_190_735_360, 36, 8, 128, "Qwen/Qwen3-8B", "Apache-2.0"),
    "Qwen3-14B": (14_768_307_200, 40, 8, 128, "Qwen/Qwen3-14B", "Apache-2.0"),
    "Qwen3-32B": (32_762_123_264, 64, 8, 128, "Qwen/Qwen3-32B", "Apache-2.0"),
    "Qwen3-30B-A3B": (30_532_122_624, 48, 4, 128, "Qwen/Qwen3-30B-A3B", "Apache-2.0"),
}
# Experts, experts per token, active parameters as the model cards state them.
_MIXTURES = {"Mixtral-8x7B": (8, 2, 12_900_000_000), "Qwen3-30B-A3B": (128, 8, 3_300_000_000)}
MODELS: dict[str, Row] = {
    model: {
        "parameters": parameters,
        "active_parameters": _MIXTURES[model][2] if model in _MIXTURES else parameters,
        "layers": layers,
        "kv_heads": kv_heads,
        "head_dim": head_dim,
        "source": f"config.json and model card of huggingface.co/{public}",
        "licence": licence,
    }
    for model, (parameters, layers, kv_heads, head_dim, public, licence) in _SHAPES.items()
}

# The metered checkpoints and the models of the zoo whose shapes they have.
METERED = {
    "meta-llama/Llama-3.1-8B-Instruct": "Llama-3.1-8B",
    "meta-llama/Llama-3.1-70B-Instruct": "Llama-3.1-70B",
    "Qwen/Qwen3-8B": "Qwen3-8B",
    "Qwen/Qwen3-14B": "Qwen3-14B",
    "Qwen/Qwen3-32B": "Qwen3-32B",
    "Qwen/Qwen3-30B-A3B-Instruct-2507": "Qwen3-30B-A3B",
}
# The two-GPU meter readings of this mixture of experts spread the experts, not the tensors.
_EXPERT_PARALLEL = ("Qwen3-30B-A3B", 2)


def rounded(value: float) -> float:
    """Return `value` to six significant digits, no fewer than the coefficients have."""
    return float(f"{value:.6g}")


def kv_bytes_per_token(model: str) -> int:
    """Return the bytes of one cached token over all GPUs: keys and values, two bytes each."""
    shape = MODELS[model]
    return int(2 * shape["layers"] * shape["kv_heads"] * shape["head_dim"] * 2)


def duration(row: Row) -> Row:
    """Return the duration block of one row of fit_duration.csv."""
    experts, top_k, _ = _MIXTURES.get(row["model"], (0, 0, 0))
    return {
        "a0_s": float(row["a0"]),
        "c1_s_per_token": float(row["c"]),
        "nstar_tokens": float(row["nstar"]),
        "ae_s": float(row["aE"]),
        "se": float(row["sE"]),
        "experts": experts,
        "top_k": top_k,
        "ab_s_per_sequence": float(row["ab"]),
        "ak_s_per_token": float(row["ak"]),
        "akm_s_per_token": rounded(1.5 * float(row["ak"])),
        "aq_s_per_token2": float(row["aq"]),
        "source": "aic-ops",
        "assumed": ["akm_s_per_token"],
    }


def measured_energy(fit: Row) -> Row:
    """Return the coefficients, error and note of one fit of fit_energy_v3.csv."""
    separable = fit["ek_J_per_cached_token"] != ""
    notes = [f"metered: {fit['model']} on {fit['gpus']} H100"]
    if not separable:
        notes.append("ek not separable from e in these readings, so it is 0 and e contains it")
    if (METERED[fit["model"]], int(fit["gpus"])) == _EXPERT_PARALLEL:
        notes.append("two-way expert parallelism instead of tp 2")
    return {
        "p0_w_per_gpu": float(fit["P0_W_per_gpu"]),
        "e_j_per_token": float(fit["e_J_per_token"]),
        "ek_j_per_cached_token": float(fit["ek_J_per_cached_token"]) if separable else 0.0,
        "measured": True,
        "mape_percent": float(fit["mape"]),
        "note": "; ".join(notes),
        "source": "mlenergy-v3",
    }


def median_ratios(fits: dict[tuple[str, int], Row]) -> tuple[float, float, float]:
    """Return P0 / TDP, e / active parameters and ek / KV bytes of the fits that tell all three apart."""
    complete = [(model, fit) for (model, _), fit in fits.items() if fit["ek_j_per_cached_token"] > 0]
    return (
        median(fit["p0_w_per_gpu"] / GPUS["H100"]["tdp_w"] for _, fit in complete),
        median(fit["e_j_per_token"] / MODELS[model]["active_parameters"] for model, fit in complete),
        median(fit["ek_j_per_cached_token"] / kv_bytes_per_token(model) for model, fit in complete),
    )


def assumed_energy(model: str, gpu: str, ratios: tuple[float, float, float]) -> Row:
    """Return the coefficients that the rule gives one model on one GPU, whatever the tp."""
    p0_per_tdp, e_per_parameter, ek_per_byte = ratios
    return {
        "p0_w_per_gpu": rounded(p0_per_tdp * GPUS[gpu]["tdp_w"]),
        "e_j_per_token": rounded(e_per_parameter * MODELS[model]["active_parameters"]),
        "ek_j_per_cached_token": rounded(ek_per_byte * kv_bytes_per_token(model)),
        "measured": False,
        "mape_percent": None,
        "note": f"assumed: P0 = {p0_per_tdp:.4f} TDP, e = {e_per_parameter * 1e12:.4g} pJ per active "
        f"parameter, ek = {ek_per_byte * 1e12:.4g} pJ per KV byte",
        "source": "assumed",
    }


def energy(fit: Row, gpu: str) -> Row:
    """Return the energy block: a measured fit or the rule's, with what is assumed of every GPU."""
    always = ["p_cap_w_per_gpu", "p_idle_w_per_gpu"]
    by_rule = ["p0_w_per_gpu", "e_j_per_token", "ek_j_per_cached_token"]
    return {
        **fit,
        "p_cap_w_per_gpu": GPUS[gpu]["tdp_w"],
        "p_idle_w_per_gpu": GPUS[gpu]["idle_w"],
        "assumed": always if fit["measured"] else by_rule + always,
    }


def memory(model: str, gpu: str, tp: int) -> Row:
    """Return the memory block; a capacity of None says that the weights do not fit."""
    weights = 2 * MODELS[model]["parameters"]
    left = 9 * GPUS[gpu]["memory_bytes"] * tp // 10 - weights
    return {
        "gpu_memory_bytes": GPUS[gpu]["memory_bytes"],
        "weights_bytes": weights,
        "kv_bytes_per_token": kv_bytes_per_token(model),
        "kv_capacity_tokens": left // kv_bytes_per_token(model) if left > 0 else None,
        "source": "assumed",
        "assumed": ["kv_capacity_tokens"],
    }


def read(path: Path) -> list[Row]:
    """Return the rows of a CSV file as dictionaries of strings."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def profiles(data: Path) -> list[Row]:
    """Return every profile of the zoo, sorted by model, GPU and tp."""
    gpu_names = {spec["name"]: gpu for gpu, spec in GPUS.items()}
    fits = {
        (METERED[fit["model"]], int(fit["gpus"])): measured_energy(fit)
        for fit in read(data / "profiles" / "fit_energy_v3.csv")
        if fit["model"] in METERED and fit["weights"] == "bfloat16"
    }
    ratios = median_ratios(fits)
    zoo = []
    for row in read(data / "profiles" / "fit_duration.csv"):
        model, gpu, tp = row["model"], gpu_names[row["gpu"]], int(row["tp"])
        metered = gpu == "H100" and (model, tp) in fits
        fit = fits[model, tp] if metered else assumed_energy(model, gpu, ratios)
        errors = {"decode": float(row["dec"]), "prefill": float(row["pre"]), "mixed": float(row["mix"])}
        zoo.append(
            {
                "model": model,
                "gpu": gpu,
                "gpu_name": row["gpu"],
                "tp": tp,
                "duration": duration(row),
                "duration_error": errors,
                "energy": energy(fit, gpu),
                "memory": memory(model, gpu, tp),
            }
        )
    return sorted(zoo, key=lambda profile: (profile["model"], profile["gpu"], profile["tp"]))


def render(data: Path) -> str:
    """Return the text of profiles.json: one line a table row, one line a block of a profile."""

    def lines(pairs: Iterable[tuple[str, Any]], indent: str) -> str:
        return ",\n".join(f"{indent}{json.dumps(key)}: {json.dumps(value)}" for key, value in pairs)

    tables = {"sources": SOURCES, "gpus": GPUS, "models": MODELS}
    parts = [f'  "{name}": {{\n{lines(table.items(), "    ")}\n  }}' for name, table in tables.items()]
    blocks = []
    for profile in profiles(data):
        head = json.dumps({key: profile[key] for key in ("model", "gpu", "gpu_name", "tp")})[1:-1]
        body = ((key, value) for key, value in profile.items() if isinstance(value, dict))
        blocks.append(f"    {{{head},\n{lines(body, '     ')}}}")
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
