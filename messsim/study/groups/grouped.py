"""The rows of a study's ``results.parquet``, a group a point: means and intervals over its replications."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from messsim.errors import OutputError
from messsim.plot.points import BETWEEN
from messsim.results.intervals import LEVEL
from messsim.results.rent import RENT, fleet_figures, pool_of
from messsim.scenario.overrides import split_path
from messsim.shapes.studies import Dearer
from messsim.wording import plain

from ..runs.rows import column_of
from .paired import dearer_by, standing

if TYPE_CHECKING:
    import polars as pl

    from messsim.scenario import Scenario

__all__ = ["FIGURES", "Grouped", "grouped"]

ORACLES = ("oracle", "statistical-oracle")  # they know what no router can

FIGURES = {
    "satisfaction": "sla_satisfaction",
    "cost": "cost_per_request",
    "ttft_p95": "latency_s_ttft_p95",
    "e2e_p95": "latency_s_e2e_p95",
}


@dataclass(frozen=True)
class Grouped:
    """A study's points.

    Attributes
    ----------
    keys
        What tells the points apart: key paths, and ``policy`` where there are several.
    points
        A row a point, in order: the keys, `point` (all of them in words), `replications`, `kept` (runs that kept the
        promise, to every tenant), and ``NAME_mean``, ``NAME_low``, ``NAME_high`` of `FIGURES`, of `margin`
        (satisfaction less promise, of the tenant with the least), and of ``share MODEL``: 95 % intervals;
        of pools that change their size ``rent`` and ``replicas POOL`` likewise;
        ``NAME_each``, the values of its runs, of all but shares; `alpha`, the promise where all
        its runs have the same; `standing`, see `standing`; `oracle`, whether it is an oracle's.
    dearer
        Of the points that keep the promise, oracles aside: see `dearer_by`.
    failures
        `point`, `replication`, `error` of runs that did not come to their end.
    """

    keys: list[str]
    points: pl.DataFrame
    dearer: list[Dearer]
    failures: pl.DataFrame


def grouped(rows: pl.DataFrame, scenario: Scenario) -> Grouped:
    """Groups the rows of a study.

    Parameters
    ----------
    rows
        As `messsim.study.runs.rows` makes them.
    scenario
        Whose points they are.

    Raises
    ------
    OutputError
        If they are no such rows.
    """
    import polars as pl

    needed = ["policy", "replication", "error"]
    if "error" in rows.columns and rows["error"].has_nulls():  # a run came to its end
        needed += ["sla_kept", "sla_margin"]
    if missing := [c for c in needed if c not in rows.columns]:
        raise OutputError(f"results.parquet: the column {missing[0]} is missing; another version of messsim wrote it")
    point_keys = rows.columns[: rows.columns.index("policy")]
    several = rows["policy"].n_unique() > 1 and "router.policy" not in point_keys
    keys = [*point_keys, *(["policy"] if several or not point_keys else [])]
    words = rows.with_columns(_in_words(keys).alias("point"))
    done = words.filter(pl.col("error").is_null())
    shares = {f"share {m}": column_of(f"models.{m}.share") for m in scenario.model_names}
    figures = {"margin": "sla_margin"} | FIGURES | shares | _fleet(scenario)
    done = done.with_columns(
        pl.lit(None, pl.Float64).alias(c) for c in [*figures.values(), "sla_kept", "sla_alpha"] if c not in done.columns
    )
    points = (
        done.group_by("point", maintain_order=True)
        .agg(
            *[pl.col(k).first() for k in keys],
            pl.len().alias("replications"),
            pl.col("sla_kept").cast(pl.Boolean).sum().alias("kept"),
            pl.when(pl.col("sla_alpha").n_unique() == 1).then(pl.col("sla_alpha").first()).alias("alpha"),
            pl.col("policy").first().is_in(ORACLES).alias("oracle"),
            *[e for name, column in figures.items() for e in _moments(name, column)],
            *[pl.col(figures[n]).cast(pl.Float64).drop_nulls().alias(f"{n}_each") for n in ("margin", *FIGURES)],
        )
        .with_columns(e for name in figures for e in _interval(name))
        .drop(f"{name}_{part}" for name in figures for part in ("sd", "n"))
        .with_columns(standing().alias("standing"))
    )
    kept = points.filter((pl.col("standing") == "kept") & ~pl.col("oracle"))["point"].to_list()
    return Grouped(
        keys,
        points,
        dearer_by(done, kept),
        words.filter(pl.col("error").is_not_null()).select("point", "replication", "error"),
    )


def _fleet(scenario: Scenario) -> dict[str, str]:
    """Columns of the rent and the replicas of a fleet that changes its size, by what they are called here."""
    named = {"rent" if path == RENT else f"replicas {pool_of(path)}": path for path in fleet_figures(scenario)}
    return {name: column_of(path) for name, path in named.items()}


def _in_words(keys: Sequence[str]) -> pl.Expr:
    import polars as pl

    if list(keys) == ["policy"]:
        return pl.col("policy")
    names = _short(keys)
    values = {k: pl.col(k).map_elements(plain, return_dtype=pl.String).fill_null("none") for k in keys}
    parts = [pl.format("{} = {}", pl.lit(names[k]), value) for k, value in values.items()]
    return pl.concat_str(parts, separator=BETWEEN)


def _short(keys: Sequence[str]) -> dict[str, str]:
    """The last two parts of each key path, unless two keys would then be the same."""
    short = {k: ".".join((split_path(k) or [k])[-2:]) for k in keys}
    return short if len(set(short.values())) == len(keys) else {k: k for k in keys}


def _moments(name: str, column: str) -> list[pl.Expr]:
    import polars as pl

    value = pl.col(column).cast(pl.Float64)
    return [
        value.mean().alias(f"{name}_mean"),
        value.std().alias(f"{name}_sd"),
        value.count().alias(f"{name}_n"),
    ]


def _interval(name: str) -> list[Any]:
    """Student's, as `results.intervals.replication_interval`; null where a single value says nothing of spread."""
    import polars as pl

    half = pl.struct(f"{name}_sd", f"{name}_n").map_batches(_half_width, return_dtype=pl.Float64)
    return [
        (pl.col(f"{name}_mean") - half).alias(f"{name}_low"),
        (pl.col(f"{name}_mean") + half).alias(f"{name}_high"),
    ]


def _half_width(of: pl.Series) -> pl.Series:
    import numpy as np
    import polars as pl
    from scipy.special import stdtrit

    sd, n = (field.cast(pl.Float64).fill_null(np.nan).to_numpy() for field in of.struct.unnest())
    with np.errstate(invalid="ignore", divide="ignore"):
        half = stdtrit(n - 1.0, 0.5 + LEVEL / 2.0) * sd / np.sqrt(n)
    return pl.Series(np.where(n > 1, half, np.nan)).fill_nan(None)
