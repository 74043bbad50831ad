"""Write messsim/zoo/profiles.json: composed durations, metered energies, and what follows from shapes.

    python tools/profiles/build.py [DATA]      DATA: by default ../shared/data beside the repository

Where durations have changed, run it again until the file stays as it is: what metered servers did is read off
simulations with the file as it stands, the second time with the new durations.

Duration: tools/profiles/durations.json, which tools/profiles/composing.py makes, and what attention takes with a cache
in fp8, tools/profiles/caches.json, which tools/profiles/caches.py makes. Only coefficients are written, never a row of
a table. Once the file has settled, the same tables give the same bytes.

Host: values by kind of scheduler, assumed (see HOSTS).

Energy: tools/profiles/energies.py. Power cap: the TDP. Memory: tools/profiles/cells.py.
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from caches import TARGET as CACHES
from cells import GPUS, cells, weights_bytes
from composing import ASSUMED, KNOTS, LEAST, MIXED, TERMS
from composing import TARGET as DURATIONS
from energies import assumed_energy, kv_bytes, measured_energies, nearest, ratios, rules
from fitting import held_out, regions
from shapes import MODELS

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
        "what": "Energy coefficients, fitted for messsim to metered GPU energy; prompt lengths are inferred (450 "
        "tokens for chat, 250 for GPQA, 1,300 for code completion)",
        "repository": "ml-energy/leaderboard",
        "path": "public/data/tasks",
        "commit": "0cd52dab897c5d91a45f4d413038f3b8b4251b0f",
        "licence": "Apache-2.0 by the data set's card in ml-energy/data; the repository has no licence file",
    },
    "assumed": {
        "what": "No measurement: the rules stand in tools/profiles/energies.py and tools/profiles/cells.py",
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
# Llama-3.1-8B (1 to 8 GPUs); what remains, to the 42 of one GPU with one place less than there are clients. SGLang on
# one GPU broadcasts no requests to other GPUs' processes.
HOSTS: dict[str, Row] = {
    name: {
        "kind": kind,
        "h0_s": h0,
        "h1_s_per_sequence": h1,
        "after_s": after,
        "source": source,
        "assumed": ["h0_s", "h1_s_per_sequence", "after_s"] if source == "assumed" else ["h0_s"] if h0 == 0.0 else [],
    }
    for name, kind, h0, h1, after, source in (
        ("overlap", "overlap", 1.4e-3, 41e-6, 0.5e-3, "assumed"),
        ("vllm-0.12", "sum", 1.36e-3, 40.7e-6, 0.0, "aic-served"),
        ("trtllm-1.0", "overlap", 1.73e-3, 66.1e-6, 0.9e-3, "aic-served"),
        ("sglang-0.5", "sum", 0.8e-3, 16e-6, 0.0, "aic-served"),
        ("sglang-0.5-alone", "sum", 0.0, 16e-6, 0.0, "aic-served"),
    )
}

DURATION = ("source", "knots", "knots_s", "terms", "error", "unseen", "fp8_cache", "assumed")
REGIONS = list(regions(np.array(held_out(10**9))))  # names, of iterations that no fit has seen
UNITS = {"ab": "ab_s_per_sequence", "ak": "ak_s_per_token", "aq": "aq_s_per_token2", "a1": "a1_s"}
UNITS |= {name: f"{name}_s_per_token" for name in ("ac", "akm", "akx", "abk")}


def profiles(data: Path) -> tuple[list[Row], Row]:
    """Return every profile of the zoo, sorted by model, GPU, tp and weights, and the rule of assumed energies."""
    composed = json.loads(DURATIONS.read_text(encoding="utf-8"))["cells"]
    caches = json.loads(CACHES.read_text(encoding="utf-8"))["cells"]
    fits, at_measured = measured_energies(data)
    medians = ratios(at_measured)
    zoo = []
    for cell in cells():
        if (result := composed.get(cell.name)) is None:
            continue
        energy = fits.get((cell.model, cell.gpu, cell.tp, cell.weights))
        energy = energy or nearest(cell, at_measured) or assumed_energy(cell, medians)
        errors, unseen = result["errors"], result["held_out"]
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
                "unseen": _unseen(unseen),
                **_fp8_cache(caches.get(cell.name)),
                **({"assumed": ["knots"]} if "share" in result else {}),
                "energy": energy,
                "memory": {
                    "weights_bytes": weights_bytes(MODELS[cell.model], cell.weights),
                    "kv_bytes_per_token": kv_bytes(cell.model, cell.tp),
                    "kv_capacity_tokens": cell.capacity,
                },
            }
        )
    return sorted(zoo, key=lambda p: tuple(p["head"].values())), rules(medians)


def _unseen(region: Row) -> list[Any]:
    return [REGIONS.index(region["region"]), region["mape"], region["bias"]]


def _fp8_cache(shares: Row | None) -> Row:
    return {} if shares is None else {"fp8_cache": [shares["decode"], shares["prompts"], *_unseen(shares["held_out"])]}


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
        f'  "regions": {json.dumps(REGIONS)}',
        f'  "assumed_terms": {json.dumps({gpu: [UNITS[name] for name in ASSUMED] for gpu in one_call})}',
    ]
    parts += [f'  "{name}": {{\n{lines(table.items(), "    ")}\n  }}' for name, table in tables.items()]
    blocks = []
    for profile in zoo:
        duration = {k: profile[k] for k in DURATION if k in profile}
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
