"""Fit energy coefficients to ML.ENERGY version 3's readings, and say by rule what nobody metered.

Measured: the readings of the same weights on as many GPUs of the same kind, by non-negative least squares of relative
errors. What is counted - tokens, prompts, cached tokens - is read off a simulation of each row, as its benchmark
metered it (messsim.study.calibrate.metered); the time is the measured one. Rows of servers that their own host held
up are left out. Where the readings cannot tell ek from e, ek is 0 and e contains it. Where the simulated throughput
is more than FAR_OFF from the measured one in the mean, the fit is at the simulated times: what an answer costs is
then right where it was metered, and power as wrong as time. If that gives all to P0 or all to e, which holds at no
other load, P0 alone is fitted so, and e and ek are those of the measured times.

Assumed, first rule: what was metered, at the measured times, of the same weights on another number of GPUs of the same
kind, the nearest.

Assumed, second rule. Of the H100 fits in bf16 at the measured times take those that tell P0, e and ek apart, and the
median over them of three ratios: P0 / TDP, e / active parameters, ek / KV bytes per token. Multiply by the GPU's TDP,
the model's active parameters and its KV bytes per token; B200, B300 and GB200, which draw more at rest, have the median
P0 / TDP of the B200 fits in bf16. e is taken to shrink with the bytes of a weight to the power that Llama, Qwen and
gpt-oss checkpoints of both kinds show on one GPU (EIGHT_BITS, FOUR_BITS).
"""

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from cells import GPUS, Cell
from scipy.optimize import nnls
from shapes import MODELS

from messsim.errors import MesssimError
from messsim.study.calibrate.measured import Point
from messsim.study.calibrate.metered import HELD_UP, WEIGHTS, energy_points
from messsim.study.runs.summaries import in_processes
from messsim.study.simulation.single import run
from messsim.study.validate.metering import counted

__all__ = ["Ratios", "assumed_energy", "kv_bytes", "measured_energies", "nearest", "ratios", "rounded", "rules"]

Row = dict[str, Any]
Key = tuple[str, str, int, str]
Ratios = dict[str, float]

# Energy of a token with weights of 8 and of 4 bits over that with 16: assumed, in between the bytes and the arithmetic.
EIGHT_BITS, FOUR_BITS = 0.7, 0.6
OF_WEIGHTS = {"bf16": 1.0, "fp8": EIGHT_BITS, "fp8_block": EIGHT_BITS, "nvfp4": FOUR_BITS, "mxfp4": FOUR_BITS}
LIKE_B200 = ("B200", "B300", "GB200")

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
FAR_OFF = 0.15  # mean relative error of throughput from which energy is fitted at the simulated times


def rounded(value: float) -> float:
    """Return `value` to six significant digits."""
    return float(f"{value:.6g}")


def measured_energies(data: Path) -> tuple[dict[Key, Row], dict[Key, Row]]:
    """Return the energy block of each profile with readings, and those at the measured times alone.

    The simulated times are those of the profiles there are: after a change of durations, build twice.
    """
    points = [p for p in energy_points(data, None, None) if _counts(p)]
    by_key: dict[Key, list[Row]] = {}
    counts: dict[int, Row] = {}
    for i, row in in_processes(_simulated, points):
        if isinstance(row, MesssimError):
            raise row
        counts[i] = row
    for i, point in enumerate(points):
        f = point.facts
        key = (METERED[f["model"]], f["gpu"], f["gpus"], WEIGHTS[f["precision"]])
        by_key.setdefault(key, []).append({**f, **point.measured, **counts[i]})
    fits, at_measured = {}, {}
    for key, rows in by_key.items():
        if len(rows) < LEAST_ROWS:
            continue
        fit = at_measured[key] = _fit(rows, "measured_s")
        if np.mean([abs(r["measured_s"] / r["seconds"] - 1) for r in rows]) > FAR_OFF:
            del at_measured[key]
            own = _fit(rows, "seconds")
            fit = own if _tells(own) else _fit(rows, "seconds", fit)
        if _tells(fit):
            fits[key] = fit
    return fits, at_measured


def _counts(point: Point) -> bool:
    return point.scenario is not None and point.facts["model"] in METERED and point.facts["load"] != HELD_UP


def _simulated(point: Point) -> Row:
    """What the energy formula counts in a row, and the time that the row's server took for it."""
    assert point.scenario is not None
    row: Row = counted(run(point.scenario, pipelined=False), *point.window)
    return row | {"measured_s": row["tokens"] / point.measured["tokens_per_s"]}


def _tells(fit: Row) -> bool:
    """Whether neither time nor tokens have all the energy: else it holds at no other load."""
    return bool(fit["p0_w_per_gpu"] > 0 and fit["e_j_per_token"] > 0)


def _fit(rows: list[Row], time: str, held: Row | None = None) -> Row:
    """Fit of P0, e and ek at the named times; of P0 alone, beside e and ek of another fit."""
    gpus = rows[0]["gpus"]
    joules = np.array([r["tokens"] * r["j_per_token"] for r in rows])
    columns = [[gpus * r[time] for r in rows], [r["tokens"] + r["prompt_tokens"] for r in rows]]
    tasks = sorted({r["task"] for r in rows})
    if len(tasks) > 1:
        columns.append([r["cached_tokens"] for r in rows])
    matrix = np.array(columns).T / joules[:, None]
    scale = np.linalg.norm(matrix, axis=0)
    result = nnls(matrix / scale, np.ones(len(rows)))[0] / scale
    if held is not None:
        result[1:] = [held["e_j_per_token"], held["ek_j_per_cached_token"]][: len(result) - 1]
        result[0] = max(0.0, matrix[:, 0] @ (1.0 - matrix[:, 1:] @ result[1:]) / (matrix[:, 0] @ matrix[:, 0]))
    p0, e, ek = (*result, 0.0)[:3]
    apart = "ek is contained in e" if ek == 0.0 else "P0, e and ek apart"
    own = "" if time == "measured_s" else ", at its own durations"
    return {
        "p0_w_per_gpu": rounded(p0),
        "e_j_per_token": rounded(e),
        "ek_j_per_cached_token": rounded(ek),
        "mape_percent": rounded(float(100.0 * np.abs(matrix @ result - 1.0).mean())),
        "note": f"metered: {rows[0]['model']} on {gpus} {rows[0]['gpu']}, {len(rows)} readings of "
        f"{', '.join(tasks)}{own}{'' if held is None else ' but for e and ek'}; {apart}",
    }


def kv_bytes(model: str, tp: int) -> int:
    """Return the bytes of one cached token over all GPUs, in bf16; a latent cache stands on each."""
    shape = MODELS[model]
    copies = tp if shape.latent else max(1, tp // shape.kv_heads)
    return 2 * shape.kv_numbers_per_token * copies


def ratios(fits: Mapping[Key, Row]) -> Ratios:
    """Return the medians of the second rule, of fits at the measured times."""
    plain = {gpu: {k: f for k, f in fits.items() if (k[1], k[3]) == (gpu, "bf16")} for gpu in ("H100", "B200")}
    apart = {key: fit for key, fit in plain["H100"].items() if fit["ek_j_per_cached_token"] > 0}
    return {
        "H100": median(fit["p0_w_per_gpu"] for fit in apart.values()) / GPUS["H100"].tdp_w,
        "B200": median(fit["p0_w_per_gpu"] for fit in plain["B200"].values()) / GPUS["B200"].tdp_w,
        "e": median(fit["e_j_per_token"] / MODELS[key[0]].active_parameters for key, fit in apart.items()),
        "ek": median(fit["ek_j_per_cached_token"] / kv_bytes(key[0], key[2]) for key, fit in apart.items()),
    }


def nearest(cell: Cell, fits: Mapping[Key, Row]) -> Row | None:
    """Return what the first rule gives, if the model was metered on another number of GPUs."""
    alike = [key for key in fits if (key[0], key[1], key[3]) == (cell.model, cell.gpu, cell.weights)]
    if not alike:
        return None
    key = min(alike, key=lambda key: (max(key[2] / cell.tp, cell.tp / key[2]), key[2]))
    figures = {name: fits[key][name] for name in ("p0_w_per_gpu", "e_j_per_token", "ek_j_per_cached_token")}
    return figures | {"note": f"assumed: as metered on {key[2]} {cell.gpu}"}


def assumed_energy(cell: Cell, ratios: Ratios) -> Row:
    """Return the coefficients that the second rule gives one model on one GPU, whatever the tp."""
    share = ratios["B200" if cell.gpu in LIKE_B200 else "H100"]
    return {
        "p0_w_per_gpu": rounded(share * GPUS[cell.gpu].tdp_w),
        "e_j_per_token": rounded(OF_WEIGHTS[cell.weights] * ratios["e"] * MODELS[cell.model].active_parameters),
        "ek_j_per_cached_token": rounded(ratios["ek"] * kv_bytes(cell.model, 1)),
    }


def rules(ratios: Ratios) -> Row:
    """Return the second rule in words, by kind of weights."""
    return {
        weights: f"assumed: P0 = {ratios['H100']:.4f} TDP ({ratios['B200']:.4f} on {', '.join(LIKE_B200)}), "
        f"e = {ratios['e'] * 1e12:.4g} pJ per active parameter"
        + ("" if factor == 1.0 else f" times {factor:g} for {weights}")
        + f", ek = {ratios['ek'] * 1e12:.4g} pJ per KV byte"
        for weights, factor in OF_WEIGHTS.items()
    }
