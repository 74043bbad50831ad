"""The simulator against hardware: what was measured, what it predicts, and how far apart they are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import mean, median
from typing import Any

from messsim.errors import MesssimError

from .measured import LOADS, Point, energy_points, served_points
from .processes import in_processes
from .single import run

__all__ = ["predict", "validate"]

GROUPED_BY = {"served": ("model", "gpu", "gpus", "engine"), "energy": ("model", "gpu", "gpus", "precision", "task")}
SUMMED_UP_BY = {"served": ("engine",), "energy": ("in_sample", "load")}


def validate(
    data: str | Path,
    sets: list[str] | None = None,
    *,
    seed: int | None = None,
    workers: int | None = None,
) -> dict[str, Any]:
    """Predicts every measured row of a data directory that a built-in profile can speak of.

    Parameters
    ----------
    data
        The directory, with `served_h100.csv` in `profiles/` and the ML.ENERGY tables in `energy/`.
    sets
        Overrides of all scenarios, such as ``models.0.max_batched_tokens=2048``.
    seed
        Of all scenarios; only the lengths of answers hang on it.
    workers
        Processes; none: one a core.

    Returns
    -------
    dict
        For each table `rows`: the facts of each predicted row, `measured`, `predicted` and `error` (relative:
        0.1 is 10 % too much) by quantity. `groups`: the same rows summed up by model, GPUs and engine or task;
        `summary`: by engine, or by whether the profile was fitted to them and by load. `without_profile`: how many
        rows no built-in profile speaks of, by the same keys as `groups`.

    Raises
    ------
    DataError, ScenarioError
        If a table is missing or wrong, or the overrides are.
    """
    folder = Path(data)
    points = [*served_points(folder, sets, seed), *energy_points(folder, sets, seed)]
    known = [p for p in points if p.scenario is not None]
    predicted: dict[int, dict[str, float]] = {}
    for i, found in in_processes(predict, known, workers=workers):
        if isinstance(found, MesssimError):
            raise found
        predicted[i] = found
    rows = [_row(p, predicted[i]) for i, p in enumerate(known)]
    return {table: _told(table, points, rows) for table in GROUPED_BY}


def predict(point: Point) -> dict[str, float]:
    """What the simulator says of one row: the quantities that were measured."""
    import polars as pl

    assert point.scenario is not None
    first, last = point.window
    requests = run(point.scenario, pipelined=False).requests.filter(pl.col("id").is_between(first, last, closed="left"))
    decoding = pl.col("finish_s") - pl.col("first_token_s")
    found = requests.select(
        ttft_s=(pl.col("first_token_s") - pl.col("arrival_s")).mean(),
        tpot_s=(decoding / (pl.col("output_tokens") - 1)).filter(pl.col("output_tokens") > 1).mean(),
        tokens=pl.col("output_tokens").sum(),
        e2e_s=(pl.col("finish_s") - pl.col("arrival_s")).mean(),
        requests=pl.len(),
        energy_j=pl.col("energy_j").sum(),
    ).collect()
    s = found.row(0, named=True)
    # Little's law: every client always has a request under way
    tokens_per_s = point.facts["clients"] / s["e2e_s"] * s["tokens"] / s["requests"]
    j_per_token = s["energy_j"] / s["tokens"]
    figures = {
        "ttft_s": s["ttft_s"],
        "tpot_s": s["tpot_s"],
        "e2e_s": s["e2e_s"],
        "tokens_per_s": tokens_per_s,
        "j_per_token": j_per_token,
        "power_w": j_per_token * tokens_per_s,
    }
    return {name: figures[name] for name in point.measured}


def _row(point: Point, predicted: dict[str, float]) -> dict[str, Any]:
    error = {name: predicted[name] / value - 1 for name, value in point.measured.items()}
    return {
        "table": point.table,
        **point.facts,
        "measured": point.measured,
        "predicted": predicted,
        "error": error,
    }


def _told(table: str, points: list[Point], rows: list[dict[str, Any]]) -> dict[str, Any]:
    mine = [r for r in rows if r["table"] == table]
    unknown = [p.facts for p in points if p.table == table and p.scenario is None]

    def told(some: list[dict[str, Any]], keys: tuple[str, ...]) -> list[dict[str, Any]]:
        groups = _grouped(some, keys)
        return [{**dict(zip(keys, key, strict=True)), "rows": len(g), **_errors(g)} for key, g in groups]

    return {
        "rows": [{k: v for k, v in r.items() if k != "table"} for r in mine],
        "groups": told(mine, GROUPED_BY[table]),
        "summary": told(mine, SUMMED_UP_BY[table]),
        "without_profile": told(unknown, GROUPED_BY[table]),
    }


def _grouped(rows: Iterable[dict[str, Any]], keys: tuple[str, ...]) -> list[tuple[tuple[Any, ...], list[Any]]]:
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for row in rows:
        groups.setdefault(tuple(row[k] for k in keys), []).append(row)
    return sorted(groups.items(), key=lambda group: tuple(map(_rank, group[0])))


def _rank(key: Any) -> Any:
    """Fitted rows before others, loads from light to heavy, the rest as it is."""
    return not key if isinstance(key, bool) else list(LOADS).index(key) if key in LOADS else key


def _errors(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Of one group, by quantity: mean, median and greatest absolute relative error, and mean error with its sign."""
    if "error" not in rows[0]:
        return {}
    told: dict[str, Any] = {"in_sample": rows[0]["in_sample"]}
    for name in rows[0]["error"]:
        errors = [r["error"][name] for r in rows]
        sizes = [abs(e) for e in errors]
        told[name] = {"mape": mean(sizes), "median": median(sizes), "worst": max(sizes), "bias": mean(errors)}
    return told
