"""The simulator against hardware: what was measured, what it predicts, and how far apart they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import mean, median
from typing import Any

from messsim.errors import DataError, MesssimError
from messsim.shapes.evidence import Accuracy, AccuracyTable, Facts

from ..calibrate.measured import SERVED_FILE, Point, served_points
from ..calibrate.metered import HELD_UP, LOADS, energy_points
from ..runs.summaries import in_processes
from ..simulation.single import run
from .measured_loads import burst_points, request_points
from .metering import metered

__all__ = ["predict", "validate"]

GROUPED_BY = {
    "served": ("model", "gpu", "gpus", "engine"),
    "bursts": ("model", "gpu", "gpus", "engine", "load"),
    "requests": ("model", "gpu", "gpus", "engine", "load"),
    "energy": ("model", "gpu", "gpus", "precision", "task"),
}
SUMMED_UP_BY = {
    "served": ("engine",),
    "bursts": ("engine", "gpu"),
    "requests": ("engine", "gpu"),
    "energy": ("in_sample", "load"),
}


def validate(
    data: str | Path,
    sets: list[str] | None = None,
    *,
    seed: int | None = None,
    workers: int | None = None,
) -> Accuracy:
    """Predicts every measured row of a data directory that a built-in profile can speak of.

    Parameters
    ----------
    data
        The directory, with `served_h100.csv` in `profiles/` and the ML.ENERGY tables in `energy/`; whole loads in
        `served/` are read if they are there.
    sets
        Overrides of all scenarios, such as ``models.0.max_batched_tokens=2048``.
    seed
        Of all scenarios; only the lengths of answers depend on it.
    workers
        Processes; none: one a core.

    Returns
    -------
    dict
        For each table `rows`: the facts of each predicted row, `measured`, `predicted` and `error` (relative:
        0.1 is 10 % too much) by quantity. `groups`: the same rows summed up by model, GPUs and engine or task;
        `summary`: by engine and GPU, or by whether the profile was fitted to them and by load. `without_profile`: how
        many rows no built-in profile speaks of, by the same keys as `groups`.

    Raises
    ------
    DataError, ScenarioError
        If a table is missing or wrong, or the overrides are.
    """
    folder = Path(data)
    if not (folder / SERVED_FILE).exists():
        raise DataError(
            "no such file; expected the directory in which profiles/ and energy/ are (docs: accuracy)",
            str(folder / SERVED_FILE),
        )
    readers = (served_points, burst_points, request_points, energy_points)
    points = [point for read in readers for point in read(folder, sets, seed)]
    known = [p for p in points if p.scenario is not None]
    predicted: dict[int, Facts] = {}
    for i, prediction in in_processes(predict, known, workers=workers):
        if isinstance(prediction, MesssimError):
            raise prediction
        predicted[i] = prediction
    rows = [row for i, p in enumerate(known) for row in _rows(p, predicted[i])]
    there = {p.table for p in points}
    return {table: _summary(table, points, rows) for table in GROUPED_BY if table in there}


def predict(point: Point) -> Facts:
    """What the simulator says of one row: the quantities that were measured; of "requests" those of each."""
    import polars as pl

    assert point.scenario is not None
    result = run(point.scenario, pipelined=False)
    if point.table == "energy":
        return metered(result, *point.window)
    first, last = point.window
    requests = result.requests.filter(pl.col("id").is_between(first, last, closed="left"))
    several = pl.col("output_tokens") > 1
    tpot = (pl.col("finish_s") - pl.col("first_token_s")) / (pl.col("output_tokens") - 1)
    ttft, e2e = (pl.col(column) - pl.col("arrival_s") for column in ("first_token_s", "finish_s"))
    if point.table == "requests":
        each = requests.sort("id").select(ttft_s=ttft, tpot_s=tpot, e2e_s=e2e).collect()
        return {name: each[name].to_list() for name in point.measured}
    means = requests.select(
        ttft_s=ttft.mean(),
        tpot_s=tpot.filter(several).mean(),
        e2e_s=e2e.mean(),
        duration_s=pl.col("finish_s").max() - pl.col("arrival_s").min(),
    ).collect()
    figures = means.row(0, named=True)
    return {name: figures[name] for name in point.measured}


def _rows(point: Point, predicted: Facts) -> Iterator[Facts]:
    """The row of a point, or one of each of its requests."""
    readings: Facts = dict(point.measured)
    if point.table != "requests":
        yield _row(point.table, point.facts, readings, predicted)
        return
    listed = {name for name, value in point.facts.items() if isinstance(value, list)}
    for i in range(len(next(iter(predicted.values())))):
        facts = {name: value[i] if name in listed else value for name, value in point.facts.items()}
        measured, forecast = ({name: v[i] for name, v in each.items()} for each in (readings, predicted))
        yield _row(point.table, facts, measured, forecast)


def _row(table: str, facts: Facts, measured: dict[str, float], predicted: dict[str, float]) -> Facts:
    error = {name: predicted[name] / value - 1 for name, value in measured.items()}
    return {"table": table, **facts, "measured": measured, "predicted": predicted, "error": error}


def _summary(table: str, points: list[Point], rows: list[Facts]) -> AccuracyTable:
    mine = [r for r in rows if r["table"] == table]
    unknown = [p.facts for p in points if p.table == table and p.scenario is None]

    def by_group(some: list[Facts], keys: tuple[str, ...]) -> list[Facts]:
        groups = _grouped(some, keys)
        return [{**dict(zip(keys, key, strict=True)), "rows": len(g), **_errors(g)} for key, g in groups]

    return {
        "rows": [{k: v for k, v in r.items() if k != "table"} for r in mine],
        "groups": by_group(mine, GROUPED_BY[table]),
        "summary": by_group(mine, SUMMED_UP_BY[table]),
        "without_profile": by_group(unknown, GROUPED_BY[table]),
    }


def _grouped(rows: Iterable[Facts], keys: tuple[str, ...]) -> list[tuple[tuple[Any, ...], list[Any]]]:
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for row in rows:
        groups.setdefault(tuple(row[k] for k in keys), []).append(row)
    return sorted(groups.items(), key=lambda group: tuple(map(_rank, group[0])))


def _rank(key: Any) -> Any:
    """Fitted rows before others, loads from light to heavy, the rest as it is."""
    loads = [*LOADS, HELD_UP]
    return not key if isinstance(key, bool) else loads.index(key) if key in loads else key


def _errors(rows: list[Facts]) -> Facts:
    """Of one group, by quantity: mean, median and greatest absolute relative error, and mean error with its sign."""
    if "error" not in rows[0]:
        return {}
    errors_of_rows: Facts = {"in_sample": rows[0]["in_sample"]}
    for name in rows[0]["error"]:
        errors = [r["error"][name] for r in rows]
        sizes = [abs(e) for e in errors]
        errors_of_rows[name] = {"mape": mean(sizes), "median": median(sizes), "worst": max(sizes), "bias": mean(errors)}
    return errors_of_rows
