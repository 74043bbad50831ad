"""What attention takes with a cache in fp8: shares of the terms of a cache in bf16, by kernel tables with both.

    pip install aiconfigurator-core==0.12.0
    python tools/profiles/caches.py           writes tools/profiles/caches.json, in a quarter of an hour
    python tools/profiles/caches.py CELL ...  these anew, and leaves the others as they are

The kernels are those of the cell in durations.json. Of the iterations that the form was fitted to, twice as many cached
tokens being room for, what a cache in fp8 spares is fitted by least squares of the whole iteration's relative error:
one share of what decoding sequences' cached tokens take, one of what prompts' attention takes. It is judged as the form
is, on iterations that nothing was fitted to; cells that are too far off there, or without such kernels, are left out.
"""

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Container
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from composing import PROCESSES, Behind, kernels_of, lines, mixing_of
from composing import TARGET as DURATIONS
from fitting import Kernel, composed_ms, grid, judged

if TYPE_CHECKING:
    from cells import Cell

__all__ = ["TARGET", "fitted_shares"]

TARGET = Path(__file__).resolve().parent / "caches.json"
FP8 = {"kvcache_quant_mode": "fp8"}
DECODE, PROMPTS = ("ak", "akm", "akx", "abk"), ("aq", "ac")  # the terms that each share is of
FARTHEST = 2.0  # times the form's goals that a region may be off


def fitted_shares(kernels: tuple[Kernel, Kernel], cell: "Cell", solution: dict[str, Any]) -> dict[str, Any]:
    """Shares of the terms in `solution` with a cache in fp8, and the worst region of what they were not fitted to.

    `kernels` have their cache in bf16 and in fp8.
    """
    capacity, mixing = 2 * cell.capacity, mixing_of(cell) or {}
    rows = np.array(grid(capacity))
    wide, narrow = (composed_ms(kernel, rows) for kernel in kernels)
    p, prior, batch, context = rows.T.astype(float)
    cached, mixed = batch * context, (p > 0) & (batch > 0)
    terms = solution["terms"] | dict.fromkeys(mixing, 0.0)
    decode = terms["ak"] * cached
    decode += mixed * (terms["akm"] * cached + terms["akx"] * context + terms["abk"] * batch * cached)
    prompts = terms["aq"] * p * (prior + p / 2.0) + (p > 0) * terms["ac"] * prior
    matrix = 1e3 * np.column_stack([decode, prompts]) / narrow[:, None]
    spared = np.linalg.lstsq(matrix, (wide - narrow) / narrow, rcond=None)[0]
    shares = [round(float(1.0 - s), 3) for s in spared]
    scaled = {
        n: v * (shares[0] if n in DECODE else shares[1] if n in PROMPTS else 1.0) for n, v in solution["terms"].items()
    }
    also = solution | {"terms": scaled}
    errors = [judged(kernel, capacity, mixing, also) for kernel in (kernels[1], Behind(kernels[1]))]
    return {"decode": shares[0], "prompts": shares[1], "held_out": min(errors, key=lambda e: float(e["share"]))}


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
            solution = composed[cell.name]
            try:
                kernels = tuple(_same(cell, Path(folder), solution, more) for more in ({}, FP8))
                of_fp8 = fitted_shares((kernels[0], kernels[1]), cell, solution)
            except Exception as error:  # a table without such a row
                refused[cell.name] = str(error).splitlines()[0][:160]
                continue
            worst = of_fp8["held_out"]
            if worst["share"] <= FARTHEST:
                done[cell.name] = of_fp8
            else:
                refused[cell.name] = f"{worst['mape']} % off in {worst['region']}"
    return done, refused


def _same(cell: "Cell", folder: Path, solution: dict[str, Any], more: dict[str, str]) -> Kernel:
    """The kernels that the cell's coefficients are of, with more options."""
    kernels, why = kernels_of(cell, folder, more)
    of = {name: solution[name] for name in ("backend", "options", "share") if name in solution}
    same = next((kernel for origin, kernel in kernels if origin == of), None)
    if same is None:
        raise LookupError(why or "no such kernels")
    return same


def main() -> None:
    """Write the shares of every cell, or of the named ones."""
    from cells import GPUS, cells

    parser = argparse.ArgumentParser(description="Write caches.json from the tables of aiconfigurator-core.")
    parser.add_argument("cells", nargs="*", metavar="CELL", help="as profiles are named (default: all)")
    only = parser.parse_args().cells
    done: dict[str, Any] = {}
    refused: dict[str, str] = {}
    if only:
        before = json.loads(TARGET.read_text(encoding="utf-8"))
        done, refused = ({k: v for k, v in before[part].items() if k not in only} for part in ("cells", "refused"))
    with ProcessPoolExecutor(PROCESSES) as pool:
        for gpu, (more, missing) in zip(GPUS, pool.map(shares, GPUS, repeat(only)), strict=True):
            done |= more
            refused |= missing
            print(f"{gpu}: {len(more)} with a cache in fp8, {len(missing)} without", file=sys.stderr)
    order = [cell.name for cell in cells()]
    text = ",\n".join(
        f'"{part}": {lines({name: table[name] for name in order if name in table})}'
        for part, table in (("cells", done), ("refused", refused))
    )
    TARGET.write_text(f"{{{text}}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
