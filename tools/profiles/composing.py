"""Compose iterations from the kernel tables of aiconfigurator-core and fit the duration form to them.

    pip install aiconfigurator-core==0.12.0
    python tools/profiles/composing.py        writes tools/profiles/durations.json (--all: from nothing)

An iteration is the sum of its kernels: matrix products of all new tokens, attention of the prompts, attention of the
decoding sequences, and the output projection of each sequence. What all new tokens take together is read at 19
counts of tokens, on both sides of the edges of a kernel's tiles; the terms of attention are fitted to the rest of each
iteration by non-negative least squares, each kind of iteration (decode, prefill, mixed) counting the same; where they
leave a kind far off, a part that goes by new token is fitted with them and added to the knots. vLLM's
scaled products (fp8, nvfp4) jump at 1,025 and 2,049 tokens, too: five knots more.
Only knots and coefficients are written, never a table's row.
"""

import argparse
import json
import logging
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls
from shapes import MODELS, Shape

HERE = Path(__file__).resolve().parent
TARGET = HERE / "durations.json"
KNOTS = (1, 4, 8, 16, 32, 64, 65, 96, 128, 129, 192, 256, 257, 384, 512, 513, 1024, 2048, 8192)
FINE_KNOTS = tuple(sorted({*KNOTS, 768, 1025, 1536, 2049, 4096}))
CONTEXTS = (256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768)
BATCHES = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 160, 192, 256, 320, 384, 512, 768, 1024)
PROMPTS = (16, 40, 64, 100, 128, 200, 256, 400, 512, 700, 1024, 1500, 2048, 3000, 4096, 6000, 8192)
BUDGETS = (512, 2048, 8192)  # a chunk fills what the decoding sequences leave of it
LAST_CHUNKS = (64, 300, 900, 1500)
LONGEST = 40_960
PROCESSES = 2
FLOOR = "floor"  # what attention takes however little there is to attend to: part of the knots
BY_TOKEN = (16, 64, 256, 1024, 2048, 8192)  # counts at which a prompt's attention may have a part by new token
MOST, MOST_BIAS = 5.0, 4.0  # percent, mean error and bias of a kind of iteration, beyond which it has
TERMS = ("ab", "ak", "aq", "a1", "ac", "akm", "akx", "abk")
# Mixed attention relative to ak, where prompts and decoding sequences share one call of FlashAttention, which no table
# has: with a prompt in the call each query head reads its keys for itself, and finds those of its group's others in the
# L2 cache if that holds them. As LLMServingSim's profiler measured it (vLLM 0.19) on the RTX PRO 6000 (L2 of 128 MB),
# and on the RTX 4090 (72 MB) for the L40S, which has the same chip, and the A100, whose L2 (40 MB) is smaller still.
_ADA = {"akm": 0.65, "abk": 0.0138, "akx": 3.2, "ac": 5.4}
MIXED = {
    "rtx_pro_6000_server": {"akm": 0.15, "abk": 0.009, "akx": 3.1, "ac": 6.1},
    "l40s": _ADA,
    "a100_sxm": _ADA,
}
ASSUMED = tuple(_ADA)
LEAST = "least"  # of several engines' kernels


@dataclass(frozen=True)
class Kernels:
    """Whose kernels a profile is composed of."""

    system: str
    backend: str
    options: dict[str, str]


class Composer:
    """Milliseconds of iterations on one GPU system."""

    def __init__(self, model_path: str, kernels: Kernels, tp: int, moe: bool) -> None:
        from aiconfigurator_core.sdk import EngineHandle  # type: ignore[import-not-found]

        options: dict[str, Any] = dict(kernels.options)
        if moe:
            options |= {"moe_tp_size": tp, "moe_ep_size": 1}
        self._engine = EngineHandle.compile(
            model_path=model_path, system=kernels.system, backend=kernels.backend, tp_size=tp, **options
        )
        context = self._names(self._engine.evaluate_context_ops, {"batch_size": 1, "s": 512, "prefix": 0})
        decode = self._names(self._engine.evaluate_generation_ops, {"batch_size": 4, "s": 512})
        self._rest = [i for i, name in enumerate(context) if not _is_attention(name) and "logits" not in name]
        self._prompt_attention = [i for i, name in enumerate(context) if _is_attention(name)]
        self._decode_attention = [i for i, name in enumerate(decode) if _is_attention(name)]
        self._logits = [i for i, name in enumerate(decode) if "logits" in name]
        self.tokens = cache(self._tokens)  # iterations share most of their parts
        self.prompt = cache(self._prompt)
        self.decoding = cache(self._decoding)

    @staticmethod
    def _names(evaluate: Any, arguments: dict[str, int]) -> list[str]:
        names: list[str] = []
        while True:
            try:
                names.append(evaluate([len(names)], **arguments)[0][0])
            except Exception as error:
                if "out of range" in str(error):
                    return names
                raise

    def _tokens(self, n: int, outputs: int) -> float:
        """All new tokens together, `outputs` of which ask for a next token."""
        rest = self._engine.evaluate_context_ops(self._rest, batch_size=1, s=n, prefix=0, x=n)
        logits = self._engine.evaluate_generation_ops(self._logits, batch_size=max(outputs, 1), s=1024)
        return _sum(rest) + _sum(logits)

    def _prompt(self, p: int, prior: int) -> float:
        """Attention of p prompt tokens after `prior` cached ones."""
        return _sum(self._engine.evaluate_context_ops(self._prompt_attention, batch_size=1, s=p, prefix=prior))

    def _decoding(self, batch: int, context: int) -> float:
        """Attention of decoding sequences with `context` cached tokens each."""
        ops = self._decode_attention
        return _sum(self._engine.evaluate_generation_ops(ops, batch_size=batch, s=context + 1))


class Least:
    """The least of several engines' kernels, part by part: for tables where one engine's stand out."""

    def __init__(self, composers: list[Composer]) -> None:
        self._composers = composers

    def tokens(self, n: int, outputs: int) -> float:
        """As `Composer.tokens`."""
        return min(c.tokens(n, outputs) for c in self._composers)

    def prompt(self, p: int, prior: int) -> float:
        """As `Composer.prompt`."""
        return min(c.prompt(p, prior) for c in self._composers)

    def decoding(self, batch: int, context: int) -> float:
        """As `Composer.decoding`."""
        return min(c.decoding(batch, context) for c in self._composers)


def _is_attention(name: str) -> bool:
    return "attention" in name or "mla_block" in name


def _sum(rows: list[Any]) -> float:
    return float(sum(row[1] for row in rows))


def grid(capacity: int) -> list[tuple[int, int, int, int]]:
    """Iterations that a server with that much memory reaches: (p, prior, batch, context)."""
    rows = [(0, 0, b, x) for b in BATCHES for x in CONTEXTS if b * x <= capacity]
    rows += [(p, c, 0, 0) for p in PROMPTS for c in (0, 1024, 4096, 16_384, 32_768) if p + c <= LONGEST]
    for b in (1, 4, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512):
        for p in sorted({budget - b for budget in BUDGETS if budget - b >= 64} | set(LAST_CHUNKS)):
            for c in (0, 2048, 8192):
                rows += [(p, c, b, x) for x in (256, 1024, 4096, 16_384) if b * x + p + c <= capacity]
    return [row for row in rows if row[0] + row[1] + row[2] * row[3] <= capacity]


def fitted(
    composer: Composer | Least, capacity: int, mixing: dict[str, float] | None, counts: tuple[int, ...] = KNOTS
) -> dict[str, Any]:
    """Knots and coefficients, seconds, and the errors of the form by region, percent.

    `mixing` has the terms of mixed attention relative to ak where they are assumed, `counts` those of the knots. Where
    the form leaves a kind of iteration far off, the knots hold a part of the prompts' attention that goes by new token.
    """
    solution = _fit(composer, capacity, mixing, counts, ())
    return _fit(composer, capacity, mixing, counts, BY_TOKEN) if far_off(solution) else solution


def far_off(solution: dict[str, Any]) -> bool:
    """Whether the mean error or the bias of a kind of iteration is beyond the bounds."""
    return any(e["mape"] > MOST or abs(e["bias"]) > MOST_BIAS for e in solution["errors"].values())


def _fit(
    composer: Composer | Least,
    capacity: int,
    mixing: dict[str, float] | None,
    counts: tuple[int, ...],
    by_token: tuple[int, ...],
) -> dict[str, Any]:
    """`fitted`, with a part by new token that is linear between the counts `by_token`."""
    rows = np.array(grid(capacity))
    p, prior, batch, context = rows.T.astype(float)
    knots = np.array([composer.tokens(n, min(n, 128)) for n in counts])
    cached, new = batch * context, p + batch
    attention = np.array(
        [
            (composer.prompt(r[0], r[1]) if r[0] else 0.0) + (composer.decoding(r[2], r[3]) if r[2] else 0.0)
            for r in rows.tolist()
        ]
    )
    whole = attention + [composer.tokens(r[0] + r[2], r[2] + (r[0] > 0)) for r in rows.tolist()]
    mixed, prefill = (p > 0) & (batch > 0), (p > 0) & (batch == 0)
    columns = {
        FLOOR: np.ones(len(rows)),
        "ab": batch,
        "ak": cached,
        "aq": p * (prior + p / 2.0),
        "a1": (p > 0).astype(float),
        "ac": prior,
        "akm": mixed * cached,
        "akx": mixed * context,
        "abk": mixed * batch * cached,
    }
    parts = {f"by {n} tokens": np.interp(counts, (1, *by_token), row) for n, row in _hats(by_token)}
    columns |= {name: _between(counts, part, new) for name, part in parts.items()}
    kinds = [prefill, mixed, ~(prefill | mixed)]
    weight = np.zeros(len(rows))
    for kind in kinds:
        weight[kind] = 1.0 / np.sqrt(max(kind.sum(), 1))
    base = _between(counts, knots, new)
    free = [FLOOR, *parts, *(t for t in TERMS if t not in (mixing or {}))]
    matrix = np.column_stack([columns[t] for t in free]) * (weight / whole)[:, None]
    scale = np.maximum(np.linalg.norm(matrix, axis=0), 1e-300)
    solution, _ = nnls(matrix / scale, (whole - base) * weight / whole)
    terms = dict.fromkeys((FLOOR, *TERMS), 0.0) | dict(zip(free, (solution / scale).tolist(), strict=True))
    if mixing:
        terms |= {name: share * terms["ak"] for name, share in mixing.items()}
        fit_terms = {**terms, **dict.fromkeys(mixing, 0.0)}  # judged without what no table has
    else:
        fit_terms = terms
    predicted = base + sum(fit_terms[t] * column for t, column in columns.items())
    attending = terms[FLOOR] + sum(terms[name] * part for name, part in parts.items())
    error = predicted / whole - 1.0
    return {
        "knots_s": [float(f"{1e-3 * x:.6g}") for x in knots + attending],
        "terms": {t: float(f"{1e-3 * terms[t]:.6g}") for t in TERMS},
        "errors": _errors(error, kinds),
    }


def _errors(error: Any, kinds: list[Any]) -> dict[str, dict[str, float]]:
    """Relative errors by kind of iteration, percent."""
    errors: dict[str, dict[str, float]] = {}
    for name, kind in zip(("prefill", "mixed", "decode"), kinds, strict=True):
        errors[name] = {
            "mape": round(100 * float(np.abs(error[kind]).mean()), 2),
            "bias": round(100 * float(error[kind].mean()), 2),
            "worst": round(100 * float(np.abs(error[kind]).max()), 1),
        }
    return errors


def _hats(nodes: tuple[int, ...]) -> list[tuple[int, list[float]]]:
    """Of each node, 1 there and 0 at the others and at one token."""
    return [(n, [0.0, *(float(n == other) for other in nodes)]) for n in nodes]


def _between(counts: tuple[int, ...], knots: Any, n: Any) -> Any:
    slope = (knots[-1] - knots[-2]) / (counts[-1] - counts[-2])
    return np.interp(n, counts, knots) + slope * np.maximum(0.0, n - counts[-1])


def configuration(shape: Shape, folder: Path) -> str:
    """Name or folder by which the engine finds a model's sizes."""
    if shape.config is not None:
        return shape.config
    kind = (
        "MixtralForCausalLM"
        if shape.experts
        else "Qwen3ForCausalLM"
        if shape.qk_norm
        else "Qwen2ForCausalLM"
        if shape.bias
        else "LlamaForCausalLM"
    )
    config = {
        "architectures": [kind],
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "intermediate_size": shape.inter,
        "vocab_size": shape.vocab,
        "tie_word_embeddings": shape.tied,
        "max_position_embeddings": 131_072,
        "model_type": kind.removesuffix("ForCausalLM").lower(),
    }
    if shape.experts:
        config |= {"num_local_experts": shape.experts, "num_experts_per_tok": shape.top_k}
    own = folder / shape.public.replace("/", "--")
    own.mkdir(exist_ok=True)
    (own / "config.json").write_text(json.dumps(config))
    return str(own)


def composed(gpu: str, known: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Compose every model on one kind of GPU: coefficients by cell, and why where no engine has the kernels.

    Cells that are known, of the kernels that are asked for first, stay as they are unless they are far off.
    """
    from cells import Cell, cells

    logging.disable(logging.WARNING)
    done: dict[str, Any] = {}
    refused: dict[str, str] = {}

    def compose(cell: Cell, folder: Path) -> str:
        """Add the cell to `done`; or say why no engine has the kernels."""
        shape = MODELS[cell.model]
        path = configuration(shape, folder)
        why = ""
        for choice in cell.kernels:
            composers = []
            for kernels in choice:
                try:
                    composers.append(Composer(path, kernels, cell.tp, shape.experts > 0))
                except Exception as error:  # a table that this shape has no row in
                    why += f"{kernels.backend}: {str(error).splitlines()[0][:160]}; "
            try:
                composer = composers[0] if len(composers) == 1 else Least(composers)
                counts = knots_of(choice)
                solution = fitted(composer, cell.capacity, MIXED.get(choice[0].system), counts)
            except Exception as error:  # the next choice's kernels
                why += f"{backend_of(choice)}: {str(error).splitlines()[0][:160]}; "
                continue
            fine = {} if counts == KNOTS else {"knots": counts}
            done[cell.name] = {"backend": backend_of(choice), "options": choice[0].options, **fine, **solution}
            return ""
        return why

    with tempfile.TemporaryDirectory() as folder:
        for cell in cells():
            if cell.gpu != gpu:
                continue
            old = known.get(cell.name)
            asked = cell.kernels[0]
            same = (backend_of(asked), asked[0].options, list(knots_of(asked)))
            kept = (
                None if old is None or far_off(old) else (old["backend"], old["options"], old.get("knots", list(KNOTS)))
            )
            if kept == same:
                done[cell.name] = old
            elif why := compose(cell, Path(folder)):
                refused[cell.name] = why
    return done, refused


def backend_of(choice: tuple[Kernels, ...]) -> str:
    """Whose kernels: an engine's, or the least of several."""
    return choice[0].backend if len(choice) == 1 else LEAST


def knots_of(choice: tuple[Kernels, ...]) -> tuple[int, ...]:
    """Counts of new tokens at which a profile of these kernels is read."""
    scaled = choice[0].options.get("gemm_quant_mode") in ("fp8", "nvfp4")
    return FINE_KNOTS if scaled and backend_of(choice) == "vllm" else KNOTS


def main() -> None:
    """Compose every model on every GPU and write the coefficients."""
    from cells import GPUS

    parser = argparse.ArgumentParser(description="Write durations.json from the tables of aiconfigurator-core.")
    parser.add_argument("--all", action="store_true", help="compose what durations.json has already, too")
    known = {} if parser.parse_args().all else json.loads(TARGET.read_text(encoding="utf-8"))["cells"]
    done: dict[str, Any] = {}
    refused: dict[str, str] = {}
    with ProcessPoolExecutor(PROCESSES) as pool:
        for gpu, (more, missing) in zip(GPUS, pool.map(partial(composed, known=known), GPUS), strict=True):
            done |= more
            refused |= missing
            # cells of GPUs that are still to come stay until they are composed: a run that is cut off loses nothing
            rest = {name: cell for name, cell in known.items() if name not in done}
            TARGET.write_text(json.dumps({"cells": rest | done, "refused": refused}, indent=0) + "\n", encoding="utf-8")
            print(f"{gpu}: {len(more)} composed, {len(missing)} without kernels", file=sys.stderr)
    TARGET.write_text(json.dumps({"cells": done, "refused": refused}, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
