"""What charts of pools share: their values by slices of the run, and a table of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from messsim.errors import OutputError
from messsim.wording import number, percent

from .digest import sliced
from .figure import Run
from .parts import folded, middles

if TYPE_CHECKING:
    import polars as pl

__all__ = ["AlongTheRun", "along_the_run", "are_models", "caches", "pool_table", "pools_of"]

HIT_RATE = "hit_rate_"


def caches(run: Run) -> list[str]:
    """The pools whose prefix caches are followed along the run; an API's is not."""
    return [p["name"] for p in run.summary["pools"] if f"{HIT_RATE}{p['name']}" in run.timeline.columns]


def pools_of(run: Run, prefix: str) -> tuple[pl.DataFrame, str, float, list[str]]:
    """One quantity by `time` and `pool` as `value`; the unit of time, its seconds, and the pools' names."""
    import polars as pl

    names = [p["name"] for p in run.summary["pools"]]
    if not names:
        raise OutputError("the run has no servers (cluster.mode = 'none'): there is no load to draw")
    frame = sliced(run)
    middle, unit, size = middles(frame)
    names = [n for n in names if prefix + n in frame.columns]
    wide = frame.select(middle, *[pl.col(prefix + n).cast(pl.Float64) for n in names])
    long = wide.unpivot(index="time", variable_name="pool", value_name="value").drop_nulls()
    return long.with_columns(pl.col("pool").str.strip_prefix(prefix)), unit, size, names


def are_models(run: Run, names: list[str]) -> bool:
    """Whether pools are named as the models are, and so have their colours."""
    return names == [m["name"] for m in run.summary["models"]]


def _answered(run: Run) -> dict[str, float]:
    """Answers by model."""
    return {m["name"]: m["answered"] for m in run.summary["models"]}


class AlongTheRun(NamedTuple):
    """A quantity of pools by slices of the run; of many pools the least go as one.

    Attributes
    ----------
    values
        One `value` for each `time` and `pool`.
    unit, size_s
        The unit of time, and its seconds.
    names
        The pools, in order.
    models
        Whether they are named as the models are, and so have their colours.
    """

    values: pl.DataFrame
    unit: str
    size_s: float
    names: list[str]
    models: bool


def along_the_run(run: Run, prefix: str) -> AlongTheRun:
    """Values by pool, of the columns of a timeline that begin so."""
    long, unit, size_s, names = pools_of(run, prefix)
    models = are_models(run, names)
    long, names = folded(long, "pool", names, "value", _answered(run) if models else None)
    return AlongTheRun(_summed(long), unit, size_s, names, models)


def _summed(long: pl.DataFrame) -> pl.DataFrame:
    """One value for each time and pool."""
    import polars as pl

    return long.group_by("time", "pool").agg(pl.col("value").sum()).sort("time", "pool")


def pool_table(run: Run) -> pl.DataFrame:
    """The pools, a row each."""
    import polars as pl

    return pl.DataFrame(
        [
            {
                "pool": p["name"],
                "model": p["model"],
                "GPUs": f"{p['replicas'] * p['gpus_per_replica']} x {p['gpu']}" if p["gpu"] else "-",
                "replicas": str(p["replicas"]),
                "utilisation": percent(p["utilization"]),
                "energy (kJ)": number((p["energy_j"] + p["idle_energy_j"]) / 1000),
                "of which idle (kJ)": number(p["idle_energy_j"] / 1000),
                "energy is": "measured" if p["energy_measured"] else "assumed",
                "preemptions": f"{p['preemptions']:,}",
            }
            for p in run.summary["pools"]
        ]
    )
