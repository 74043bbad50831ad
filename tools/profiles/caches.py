"""What attention takes with a cache in fp8: shares of the terms of a cache in bf16, by kernel tables with both.

    pip install aiconfigurator-core==0.12.0
    python tools/profiles/caches.py           writes tools/profiles/caches.json, in a quarter of an hour
    python tools/profiles/caches.py CELL ...  these anew, and leaves the others as they are

The kernels are those of the cell in durations.json. Two shares of the form's terms, one of what decoding sequences'
cached tokens take, one of what prompts' attention takes, are fitted to iterations with a cache in fp8 by least squares
of their relative error, twice as many cached tokens being room for. They are judged as the form is, on iterations that
nothing was fitted to; cells that are too far off there, or without such kernels, are left out. Of latent attention the
share that another engine's kernels take with such a cache stands in there: SGLang's table of H200 has it five times as
long as in bf16, for half the bytes.
"""

import json
import logging
import tempfile
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from composing import TARGET as DURATIONS
from composing import Behind, kernels_of, mixing_of, reason, write_cells
from fitting import KNOTS, Kernel, between, composed_ms, grid, judged, regions
from scipy.optimize import nnls
from shapes import MODELS

if TYPE_CHECKING:
    from cells import Cell

__all__ = ["TARGET", "fitted_shares"]

TARGET = Path(__file__).resolve().parent / "caches.json"
FP8 = {"kvcache_quant_mode": "fp8"}
DECODE, PROMPTS = ("ak", "akm", "akx", "abk"), ("aq", "ac")  # the terms that each share is of
FARTHEST = 2.0  # times the form's goals that a region may be off


def fitted_shares(kernel: Kernel, cell: "Cell", solution: dict[str, Any]) -> dict[str, Any]:
    """Shares of the terms in `solution` by a kernel with its cache in fp8, and the worst region that was not fitted."""
    capacity, mixing = 2 * cell.capacity, mixing_of(cell) or {}
    rows = np.array(grid(capacity))
    whole = composed_ms(kernel, rows)
    p, prior, batch, context = rows.T.astype(float)
    cached, mixed = batch * context, (p > 0) & (batch > 0)
    terms = solution["terms"] | dict.fromkeys(mixing, 0.0)
    decode = terms["ak"] * cached
    decode += mixed * (terms["akm"] * cached + terms["akx"] * context + terms["abk"] * batch * cached)
    prompts = terms["aq"] * p * (prior + p / 2.0) + (p > 0) * terms["ac"] * prior
    rest = between(solution.get("knots", KNOTS), solution["knots_s"], p + batch)
    rest += terms["ab"] * batch + (p > 0) * terms["a1"]
    kinds = [which for name, which in regions(rows).items() if "," not in name]
    weight = sum(which / np.sqrt(which.sum()) for which in kinds) / whole  # each kind counts the same
    fitted = nnls(1e3 * np.column_stack([decode, prompts]) * weight[:, None], (whole - 1e3 * rest) * weight)[0]
    shares = [round(float(share), 3) for share in fitted]
    scaled = {
        n: v * (shares[0] if n in DECODE else shares[1] if n in PROMPTS else 1.0) for n, v in solution["terms"].items()
    }
    also = solution | {"terms": scaled}
    errors = [judged(each, capacity, mixing, also) for each in (kernel, Behind(kernel))]
    return {"decode": shares[0], "prompts": shares[1], "held_out": min(errors, key=lambda e: float(e["share"]))}


class Lent:
    """Kernels whose attention takes the share of its time that another engine's takes with a cache in fp8."""

    def __init__(self, own: Kernel, other: Kernel, eight: Kernel) -> None:
        self.tokens = own.tokens
        self._own, self._other, self._eight = own, other, eight

    def prompt(self, p: int, prior: int) -> float:
        """As `Composer.prompt`."""
        return self._own.prompt(p, prior) * self._eight.prompt(p, prior) / self._other.prompt(p, prior)

    def decoding(self, batch: int, context: int) -> float:
        """As `Composer.decoding`."""
        return (
            self._own.decoding(batch, context)
            * self._eight.decoding(batch, context)
            / self._other.decoding(batch, context)
        )


def shares(gpu: str, only: Container[str] | None = None) -> tuple[dict[str, Any], dict[str, str]]:
    """The shares of the cells of one kind of GPU, and why where there are none."""
    from cells import cells

    logging.disable(logging.WARNING)
    composed = json.loads(DURATIONS.read_text(encoding="utf-8"))["cells"]
    done: dict[str, Any] = {}
    refused: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for cell in cells():
            if cell.gpu != gpu or cell.name not in composed or (only and cell.name not in only):
                continue
            kernels, why = _with_fp8_cache(cell, Path(folder), composed[cell.name])
            best = None
            for kernel in kernels:
                try:
                    best = fitted_shares(kernel, cell, composed[cell.name])
                except Exception as error:  # a table without such a row
                    why, best = reason(error), None
                    continue
                if best["held_out"]["share"] <= FARTHEST:
                    break
                why, best = f"{best['held_out']['mape']} % off in {best['held_out']['region']}", None
            if best is None:
                refused[cell.name] = why
            else:
                done[cell.name] = best
    return done, refused


def _with_fp8_cache(cell: "Cell", folder: Path, solution: dict[str, Any]) -> tuple[list[Kernel], str]:
    """The kernels that the cell's coefficients are of with a cache in fp8, others, and why if none."""
    of = {name: solution[name] for name in ("backend", "options", "share") if name in solution}
    eight, why = kernels_of(cell, folder, FP8)
    own_and_lent = [kernel for origin, kernel in eight if origin == of]
    if MODELS[cell.model].latent:
        sixteen, _ = kernels_of(cell, folder)
        own = [kernel for origin, kernel in sixteen if origin == of]
        lent = [(o, k, kernel) for o, k in sixteen for origin, kernel in eight if own and o == origin != of]
        own_and_lent += [Lent(own[0], other, kernel) for _, other, kernel in lent]
    return own_and_lent, why or "no such kernels"


if __name__ == "__main__":
    write_cells(TARGET, shares, "Write caches.json from the tables of aiconfigurator-core.")
