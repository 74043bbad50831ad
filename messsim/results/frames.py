"""Records and timelines as Polars frames: names for numbers, null for what did not happen."""

from __future__ import annotations

import math
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from messsim.engines import Outcome, RecordChunk
from messsim.engines.records import COLUMNS, OF_TURNS, STATUS
from messsim.scenario import Scenario

from .running import Running

if TYPE_CHECKING:
    import polars as pl

__all__ = ["joined", "record_frame", "timeline_frame", "write_parquet"]

CURVES = ("satisfaction_running", "promise_running", "cost_running")


def write_parquet(frame: pl.DataFrame, path: Path, **options: Any) -> None:
    """Writes a frame to a file: Polars takes no name that is not UTF-8, and hides why a disk takes no more."""
    packed = BytesIO()
    frame.write_parquet(packed, **options)
    with path.open("wb") as file:
        file.write(packed.getbuffer())


def record_frame(scenario: Scenario, chunks: list[RecordChunk]) -> pl.DataFrame:
    """One row a request.

    Columns as in docs/files.md. With ``record.potential_outcomes`` also ``s_MODEL`` and
    ``known_cost_MODEL`` for every model.
    """
    import polars as pl

    types = COLUMNS | (OF_TURNS if scenario.has_sessions else {})
    columns = {
        name: np.concatenate([np.empty(0, dtype), *(c.columns[name] for c in chunks)]) for name, dtype in types.items()
    }
    frame = pl.DataFrame(columns)
    floats = [name for name, dtype in COLUMNS.items() if dtype is np.float64]
    frame = frame.with_columns(
        _named("tenant", [t.name for t in scenario.promises]),
        _named("model", scenario.model_names),
        _named("status", list(STATUS)),
        pl.when(pl.col("replica") >= 0).then(pl.col("replica")).alias("replica"),
        *[pl.col(name).fill_nan(None) for name in floats],
    )
    if not scenario.record.potential_outcomes:
        return frame
    extra = []
    for m, name in enumerate(scenario.model_names):
        satisfied = np.concatenate([np.empty(0), *(c.drawn.satisfied[m, : len(c)] for c in chunks)])
        costs = np.concatenate([np.empty(0), *(c.known_costs[m, : len(c)] for c in chunks)])
        costs = np.where(np.isinf(costs), np.nan, costs)  # it could not be had
        extra += [pl.Series(f"s_{name}", satisfied), pl.Series(f"known_cost_{name}", costs).fill_nan(None)]
    return frame.with_columns(extra)


def joined(scenario: Scenario, frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Frames of chunks one under the other; without any, a frame of no rows."""
    import polars as pl

    return pl.concat(frames) if frames else record_frame(scenario, [])


def _named(column: str, names: list[str]) -> Any:
    import polars as pl

    known = {-1: None} | dict(enumerate(names))  # -1: there is none
    return pl.col(column).replace_strict(list(known), list(known.values()), return_dtype=pl.Enum(names))


def _caches(scenario: Scenario, outcome: Outcome, seen: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Columns of the timeline about the prefix caches of pools that have one."""
    columns: dict[str, NDArray[Any]] = {}
    for k, (keys, pool) in enumerate(zip(scenario.fleet, outcome.pools, strict=False)):  # without servers: no pools
        if keys.prefix_cache and keys.kind == "gpu":
            started, cached = (seen[name][:, k] for name in ("prompt_tokens", "cached_prompt_tokens"))
            columns[f"started_prompt_tokens_{pool.name}"] = started
            columns[f"hit_rate_{pool.name}"] = np.diff(cached, prepend=0) / np.diff(started, prepend=0)
    return columns


def _of_pools(columns: dict[str, NDArray[Any]], pools: int) -> dict[str, NDArray[Any]]:
    """Columns of a timeline, of which those by pool have as many columns as there are pools, without a sample too."""
    n = len(columns["time_s"])
    shapes = dict.fromkeys(("in_system", "energy_j", "prompt_tokens", "cached_prompt_tokens"), (n, pools))
    return columns | {name: columns[name].reshape(shape) for name, shape in shapes.items()}


def _seen(scenario: Scenario, outcome: Outcome) -> pl.DataFrame:
    """What the engine saw as requests came."""
    import polars as pl

    pools = [p.name for p in outcome.pools]
    seen = _of_pools(outcome.timeline.columns(), len(pools))
    scaled = {p.name for p in scenario.fleet if p.autoscale is not None} if pools else set()
    phases = seen["replicas"].reshape(len(seen["time_s"]), len(pools), 3) if scaled else seen["replicas"]
    times, energy = seen["time_s"], seen["energy_j"]
    with np.errstate(divide="ignore", invalid="ignore"):
        power = np.diff(energy, axis=0, prepend=energy[:1]) / np.diff(times, prepend=times[:1])[:, None]
        caches = _caches(scenario, outcome, seen)
    return pl.DataFrame(
        {
            **{name: seen[name] for name in ("request", "time_s", "queue", "queue_tracked")},
            "certificate": np.full(len(times), math.nan) if scenario.feedback.raters_err else seen["certificate"],
            "explored": seen["explored"],
            **{f"in_system_{name}": seen["in_system"][:, k] for k, name in enumerate(pools)},
            **{f"power_w_{name}": power[:, k] for k, name in enumerate(pools)},
            **caches,
            **{
                f"replicas_{phase}_{name}": phases[:, k, at]
                for k, name in enumerate(pools)
                if name in scaled
                for at, phase in enumerate(("up", "loading", "draining"))
            },
        },
    )


def timeline_frame(scenario: Scenario, outcome: Outcome, running: Running) -> pl.DataFrame:
    """At most 4,096 rows in request order: what the engine saw as each request came, and the curves so far.

    `power_w_POOL` is the mean power since the row before, `hit_rate_POOL` the share of cached tokens in the prompts
    started since then; both columns of prompts are of pools with a prefix cache only.
    """
    import polars as pl

    curves = pl.DataFrame(
        {
            "request": running.ids,
            "satisfaction_running": running.satisfaction,
            "promise_running": running.promise,
            "cost_running": running.cost_per_request,
        },
        schema={"request": pl.Int64} | dict.fromkeys(CURVES, pl.Float64),
    )
    joined = _seen(scenario, outcome).join(curves, on="request", how="left", maintain_order="left")
    first = [
        "request",
        "time_s",
        "satisfaction_running",
        "promise_running",
        "queue",
        "queue_tracked",
        "certificate",
        "cost_running",
    ]
    floats = pl.selectors.float()
    return joined.select(*first, pl.exclude(first)).with_columns(
        pl.when(floats.is_finite()).then(floats).otherwise(None)
    )
