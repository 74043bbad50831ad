"""Compose iterations from the kernel tables of aiconfigurator-core and fit the duration form to them.

    pip install aiconfigurator-core==0.12.0
    python tools/profiles/composing.py           writes tools/profiles/durations.json, in half an hour
    python tools/profiles/composing.py CELL ...  composes these anew, and leaves the others as they are

An iteration is the sum of its kernels: matrix products of all new tokens, attention of the prompts, attention of the
decoding sequences, and the output projection of each sequence. The form is fitted to them as `fitting.py` says, and
judged on iterations that it was not fitted to. Where it cannot follow one engine's kernels, another's stand in. Where
it misses its goals on those it is judged on, it is fitted again, never to these: first with prompts that take no less
behind a cached prefix than alone, then to more iterations, as near everywhere as can be (`minimax.py`). A cell that
misses them even so is left out.
Only knots and coefficients are written, never a table's row.
"""

import argparse
import json
import logging
import re
import sys
import tempfile
from collections.abc import Callable, Container
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fitting import KNOTS, TERMS, Kernel, checked, closer, fitted, judged
from minimax import nearest_everywhere
from shapes import MODELS, Shape
from tables import systems_path

if TYPE_CHECKING:
    from cells import Cell

__all__ = [
    "ASSUMED",
    "KNOTS",
    "LEAST",
    "MIXED",
    "TARGET",
    "TERMS",
    "Behind",
    "Composer",
    "Kernels",
    "Least",
    "composed",
    "kernels_of",
    "mixing_of",
    "reason",
    "write_cells",
]

HERE = Path(__file__).resolve().parent
TARGET = HERE / "durations.json"
PROCESSES = 2
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
EXPERTS = "context_moe"
LEAST = "least"  # of several engines' kernels
CHECKED = 0.9  # share of its goals within which a fit to more iterations is taken
FARTHEST = 2.5  # times its goals that a region may be off before a cell is left out


@dataclass(frozen=True)
class Kernels:
    """Whose kernels a profile is composed of; `share`: others, whose experts say how several GPUs share one's work."""

    system: str
    backend: str
    options: dict[str, str]
    share: "Kernels | None" = None


class Composer:
    """Milliseconds of iterations on one GPU system; `shared` is a dense model whose MLP every token takes too."""

    def __init__(self, model_path: str, kernels: Kernels, tp: int, moe: bool, shared: str | None = None) -> None:
        split = {"moe_tp_size": tp, "moe_ep_size": 1} if moe else {}
        self._engine = _engine(model_path, kernels, tp, split)
        context = self._names(self._engine.evaluate_context_ops, {"batch_size": 1, "s": 512, "prefix": 0})
        decode = self._names(self._engine.evaluate_generation_ops, {"batch_size": 4, "s": 512})
        self._rest = [i for i, name in enumerate(context) if not _is_attention(name) and "logits" not in name]
        self._experts = [i for i, name in enumerate(context) if name == EXPERTS]
        self._prompt_attention = [i for i, name in enumerate(context) if _is_attention(name)]
        self._decode_attention = [i for i, name in enumerate(decode) if _is_attention(name)]
        self._logits = [i for i, name in enumerate(decode) if "logits" in name]
        self._shared = None if shared is None else _engine(shared, kernels, tp, {"moe_quant_mode": None})
        if self._shared is not None:
            dense = self._names(self._shared.evaluate_context_ops, {"batch_size": 1, "s": 512, "prefix": 0})
            self._mlp = [i for i, name in enumerate(dense) if "ffn" in name or "act" in name]
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
                if "MoE data missing" not in str(error):
                    raise
                names.append(EXPERTS)  # of another engine, or nothing can be composed

    def _tokens(self, n: int, outputs: int) -> float:
        """All new tokens together, `outputs` of which ask for a next token."""
        rest = self._engine.evaluate_context_ops(self._rest, batch_size=1, s=n, prefix=0, x=n)
        logits = self._engine.evaluate_generation_ops(self._logits, batch_size=max(outputs, 1), s=1024)
        parts = [rest, logits]
        if self._shared is not None:
            parts.append(self._shared.evaluate_context_ops(self._mlp, batch_size=1, s=n, prefix=0, x=n))
        return sum(_sum(part) for part in parts)

    def experts(self, n: int) -> float:
        """The experts' part of all new tokens."""
        return _sum(self._engine.evaluate_context_ops(self._experts, batch_size=1, s=n, prefix=0, x=n))

    def _prompt(self, p: int, prior: int) -> float:
        """Attention of p prompt tokens after `prior` cached ones."""
        return _sum(self._engine.evaluate_context_ops(self._prompt_attention, batch_size=1, s=p, prefix=prior))

    def _decoding(self, batch: int, context: int) -> float:
        """Attention of decoding sequences with `context` cached tokens each."""
        ops = self._decode_attention
        return _sum(self._engine.evaluate_generation_ops(ops, batch_size=batch, s=context + 1))


class Shared(Composer):
    """Kernels whose experts were timed on one GPU alone: on several they take the share that another engine's do."""

    def __init__(self, model_path: str, kernels: Kernels, tp: int, moe: bool, shared: str | None = None) -> None:
        super().__init__(model_path, kernels, tp, moe, shared)
        assert kernels.share is not None
        names = self._names(self._engine.evaluate_context_ops, {"batch_size": 1, "s": 512, "prefix": 0})
        self._experts = [i for i in self._rest if names[i] == EXPERTS]
        self._rest = [i for i in self._rest if names[i] != EXPERTS]
        self._alone, *self._others = (
            Composer(model_path, each, gpus, moe, shared)
            for each, gpus in ((kernels, 1), (kernels.share, tp), (kernels.share, 1))
        )

    def _tokens(self, n: int, outputs: int) -> float:
        some, alone = (other.experts(n) for other in self._others)
        return super()._tokens(n, outputs) + self._alone.experts(n) * some / alone


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


class Behind:
    """Kernels by which a prompt takes no less behind a cached prefix than alone.

    No table has a prefix: aiconfigurator-core scales what the whole sequence takes, and with it what a launch takes.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.tokens = kernel.tokens
        self.decoding = kernel.decoding

    def prompt(self, p: int, prior: int) -> float:
        """As `Composer.prompt`."""
        return max(self._kernel.prompt(p, prior), self._kernel.prompt(p, 0))


def _engine(model_path: str, kernels: Kernels, tp: int, more: dict[str, Any]) -> Any:
    """The kernels of a model on `tp` GPUs; `more` options stand in for those of the kernels."""
    from aiconfigurator_core.sdk import EngineHandle  # type: ignore[import-not-found]

    return EngineHandle.compile(
        model_path=model_path,
        system=kernels.system,
        backend=kernels.backend,
        tp_size=tp,
        systems_path=systems_path(kernels.system),
        **kernels.options | more,
    )


def _is_attention(name: str) -> bool:
    return "attention" in name or "mla_block" in name


def _sum(rows: list[Any]) -> float:
    return float(sum(row[1] for row in rows))


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


def composed(gpu: str, only: Container[str] | None = None) -> tuple[dict[str, Any], dict[str, str]]:
    """Compose the cells of one kind of GPU: coefficients by cell, and why where no engine's kernels will do."""
    from cells import cells

    logging.disable(logging.WARNING)
    done: dict[str, Any] = {}
    refused: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for cell in cells():
            if cell.gpu == gpu and (not only or cell.name in only):
                best, why = _best(cell, Path(folder))
                if best is None:
                    refused[cell.name] = why
                else:
                    done[cell.name] = {name: value for name, value in best.items() if name != "fit"}
    return done, refused


def _best(cell: "Cell", folder: Path) -> tuple[dict[str, Any] | None, str]:
    """The first of the cell's kernels that the form follows within its goals, else those that it follows best."""
    kernels, why = kernels_of(cell, folder)
    best: dict[str, Any] | None = None
    for origin, kernel in kernels:
        try:
            solution = origin | fitted(kernel, cell.capacity, mixing_of(cell))
        except Exception as error:  # the next choice's kernels
            why += f"{origin['backend']}: {reason(error)}; "
            continue
        if best is None or solution["fit"]["share"] < best["fit"]["share"]:
            best = solution | {"held_out": judged(kernel, cell.capacity, mixing_of(cell), solution)}
        if best["fit"]["share"] <= 1.0:
            break
    if best is None or best["fit"]["share"] > FARTHEST:
        return None, why + (f"the form is {best['fit']['mape']} % off in {best['fit']['region']}" if best else "")
    for again in (_least_squares, _nearest):
        if best["held_out"]["share"] > 1.0:
            best = again([(origin, Behind(kernel)) for origin, kernel in kernels], cell)
    if best["held_out"]["share"] > 1.0:
        return None, why + f"the form is {best['held_out']['mape']} % off in {best['held_out']['region']}"
    return best, why


def _least_squares(kernels: list[tuple[dict[str, Any], Kernel]], cell: "Cell") -> dict[str, Any]:
    """Of fits by least squares, the one with the least error where it is most in the wrong."""
    return _least_far(kernels, cell, fitted, lambda kernel, fit: fit["fit"])


def _nearest(kernels: list[tuple[dict[str, Any], Kernel]], cell: "Cell") -> dict[str, Any]:
    """Of fits to more iterations, as near everywhere as can be, the first that holds where it is checked."""

    def fit(kernel: Kernel, capacity: int, mixing: dict[str, float] | None) -> dict[str, Any]:
        return nearest_everywhere(closer(kernel, capacity, mixing))

    def off(kernel: Kernel, solution: dict[str, Any]) -> dict[str, Any]:
        return checked(kernel, cell.capacity, mixing_of(cell), solution)

    return _least_far(kernels, cell, fit, off, CHECKED)


def _least_far(
    kernels: list[tuple[dict[str, Any], Kernel]], cell: "Cell", fit: Any, off: Any, enough: float = 0.0
) -> dict[str, Any]:
    """The first fit that is no more than `enough` of its goals off, else the one that is least so."""
    tried: list[tuple[float, dict[str, Any], Kernel]] = []
    for origin, kernel in kernels:
        try:
            solution = fit(kernel, cell.capacity, mixing_of(cell))
            tried.append((off(kernel, solution)["share"], origin | solution, kernel))
        except Exception:  # a table that these iterations have no row in
            continue
        if tried[-1][0] <= enough:
            break
    _, best, kernel = min(tried, key=lambda t: t[0])
    return best | {"held_out": judged(kernel, cell.capacity, mixing_of(cell), best)}


def mixing_of(cell: "Cell") -> dict[str, float] | None:
    """Terms of mixed attention relative to ak where they are assumed."""
    return MIXED.get(cell.kernels[0][0].system)


def kernels_of(
    cell: "Cell", folder: Path, more: dict[str, str] | None = None
) -> tuple[list[tuple[dict[str, Any], Kernel]], str]:
    """Each choice of kernels and what is said of it, and why where there are none; `more` options are not said."""
    shape = MODELS[cell.model]
    path = configuration(shape, folder)
    shared = None
    if shape.shared:
        dense = replace(shape, public=f"{shape.public}-shared", inter=shape.shared, experts=0, top_k=0, config=None)
        shared = configuration(dense, folder)
    collected: list[tuple[dict[str, Any], Kernel]] = []
    why = ""
    for choice in cell.kernels:
        composers = []
        for kernels in choice:
            try:
                asked = replace(kernels, options=kernels.options | (more or {}))
                kind = Composer if kernels.share is None or cell.tp == 1 else Shared
                composers.append(kind(path, asked, cell.tp, shape.experts > 0, shared))
            except Exception as error:  # a table that this shape has no row in
                why += f"{kernels.backend}: {reason(error)}; "
        if composers:
            origin = {"backend": backend_of(choice), "options": choice[0].options}
            if choice[0].share is not None:
                origin["share"] = choice[0].share.backend
            collected.append((origin, composers[0] if len(composers) == 1 else Least(composers)))
    return collected, why


def reason(error: Exception) -> str:
    """The first line of an error, in short; its paths begin with the package, wherever that is installed."""
    return re.sub(r"/\S*/(?=aiconfigurator_core/)", "", str(error).split("\n")[0])[:160]


def backend_of(choice: tuple[Kernels, ...]) -> str:
    """Whose kernels: an engine's, or the least of several."""
    return choice[0].backend if len(choice) == 1 else LEAST


def write_cells(target: Path, of_gpu: Callable[..., tuple[dict[str, Any], dict[str, str]]], purpose: str) -> None:
    """Write what `of_gpu` makes of each GPU's cells, or of those that the command line names, and why of the others."""
    from cells import GPUS, cells

    parser = argparse.ArgumentParser(description=purpose)
    parser.add_argument("cells", nargs="*", metavar="CELL", help="as profiles are named (default: all)")
    only = parser.parse_args().cells
    done: dict[str, Any] = {}
    refused: dict[str, str] = {}
    if only:
        before = json.loads(target.read_text(encoding="utf-8"))
        done, refused = ({k: v for k, v in before[part].items() if k not in only} for part in ("cells", "refused"))
    with ProcessPoolExecutor(PROCESSES) as pool:
        for gpu, (more, missing) in zip(GPUS, pool.map(of_gpu, GPUS, repeat(only)), strict=True):
            done |= more
            refused |= missing
            print(f"{gpu}: {len(more)} written, {len(missing)} refused", file=sys.stderr)
    order = [cell.name for cell in cells()]
    text = ",\n".join(
        f'"{part}": {_lines({name: table[name] for name in order if name in table})}'
        for part, table in (("cells", done), ("refused", refused))
    )
    target.write_text(f"{{{text}}}\n", encoding="utf-8")


def _lines(table: dict[str, Any]) -> str:
    """JSON with a line for each entry."""
    lines = (f"{json.dumps(name)}:{json.dumps(entry, separators=(',', ':'))}" for name, entry in table.items())
    return "{\n" + ",\n".join(lines) + "\n}"


if __name__ == "__main__":
    write_cells(TARGET, composed, "Write durations.json from the tables of aiconfigurator-core.")
