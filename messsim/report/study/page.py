"""What the report of a study says that has points, or policies, with replications of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

from messsim.plot.figure import Figure
from messsim.plot.points import AXES, along, forest, shares
from messsim.plot.tradeoff import tradeoff
from messsim.shapes.studies import ComparisonWithFrontier
from messsim.wording import number, percent

from ..base.page import Page, Section, Tile
from .tables import differences_table, failures_table, has, points_table, with_half

if TYPE_CHECKING:
    import polars as pl

__all__ = ["study_page"]

LEAST_VALUES = 3  # of a key, for a chart along it
ORACLES = ("oracle", "statistical-oracle")  # they know what no router can


class StudyFacts(TypedDict):
    """Of the scenario: `alpha` is its promise where it is the same at all points."""

    name: str
    seed: int
    cost_unit: str
    alpha: float | None


def study_page(
    points: pl.DataFrame,
    keys: Sequence[str],
    *,
    facts: StudyFacts,
    models: Sequence[str],
    comparison: ComparisonWithFrontier | None,
    failures: pl.DataFrame,
    scenario: str,
) -> Page:
    """The report of ``compare``, ``sweep`` or whatever has a ``results.parquet``.

    Parameters
    ----------
    points, keys, failures
        See `messsim.study.pages.grouped.Grouped`.
    facts
        Of the scenario.
    models
        Names.
    comparison
        What ``compare`` wrote as comparison.json, if it did.
    scenario
        As TOML.
    """
    policies = list(keys) == ["policy"]
    what = "policies" if policies else "points"
    kept = points.filter((points["kept"] == points["replications"]) & ~_is_oracle(points, policies))
    rivals = points.filter(~_is_oracle(points, policies))
    best = kept.sort("cost_mean", nulls_last=True).head(1)
    most = int(points["replications"].max() or 0)  # type: ignore[arg-type]
    return Page(
        title=facts["name"],
        subtitle=f"{'Comparison of' if policies else 'Study of'} {len(points)} {what}, {most} replication"
        f"{'' if most == 1 else 's'} each, seed {facts['seed']}{_promised(facts['alpha'])}",
        kept=None if not len(points) else bool(len(kept)),
        headline=f"{len(kept)} of {len(rivals)} {what} keep the promise in every replication",
        verdict=_verdict(best, facts["cost_unit"], policies),
        tiles=_tiles(best, facts["cost_unit"]),
        notes=[f"{len(failures)} runs did not come to their end: see below."] if len(failures) else [],
        sections=_sections(points, keys, facts, models, comparison, failures, scenario),
        footer="Means are over replications, intervals are Student's of 95 %.",
    )


def _is_oracle(points: pl.DataFrame, policies: bool) -> pl.Series:
    return points["point"].is_in(ORACLES) if policies else points["point"].is_in([])


def _promised(alpha: float | None) -> str:
    """The promise, where it is the same at all points."""
    return "" if alpha is None else f", {percent(alpha, 2)} promised"


def _verdict(best: pl.DataFrame, unit: str, policies: bool) -> str:
    if best.is_empty():
        return f"No {'policy' if policies else 'point'} kept the promise to every tenant in every replication."
    row = best.row(0, named=True)
    return f"The cheapest of them is {row['point']}: {with_half(row, 'cost', unit)} for an answer."


def _tiles(best: pl.DataFrame, unit: str) -> list[Tile]:
    if best.is_empty():
        return []
    row = best.row(0, named=True)
    tiles = [
        Tile("Its cost of an answer", number(row["cost_mean"], unit)),
        Tile("Its satisfaction", percent(row["satisfaction_mean"], 2)),
        Tile("Its least margin", AXES["margin"][2](row["margin_mean"]), "mean over replications"),
    ]
    if row.get("ttft_p95_mean") is not None:
        tiles.append(Tile("Its TTFT p95", AXES["ttft_p95"][2](row["ttft_p95_mean"])))
    return tiles


def _sections(
    points: pl.DataFrame,
    keys: Sequence[str],
    facts: StudyFacts,
    models: Sequence[str],
    comparison: ComparisonWithFrontier | None,
    failures: pl.DataFrame,
    scenario: str,
) -> list[Section]:
    unit = facts["cost_unit"]
    sections = []
    if len(points):
        paid = tradeoff(points, keys, unit, facts["alpha"], comparison["frontier"] if comparison is not None else [])
        compared = [forest(points, "margin"), forest(points, "cost", unit)]
        compared += [forest(points, n) for n in ("ttft_p95", "e2e_p95") if has(points, n)]
        told = [points_table(points, keys, unit), *([] if comparison is None else [differences_table(comparison)])]
        sections.append(Section("tradeoff", "What does satisfaction cost?", figures=[paid], wide=True))
        if curves := _curves(points, keys, unit):
            sections.append(Section("along", "Along each key", figures=curves))
        sections.append(Section("compared", "Side by side", figures=compared))
        sections.append(Section("answers", "Who answered?", figures=[shares(points, models)], wide=True))
        sections.append(Section("figures", "In figures", tables=told))
    if len(failures):
        sections.append(Section("failures", "Runs that failed", tables=[failures_table(failures)]))
    sections.append(Section("scenario", "The scenario", verbatim=scenario))
    return sections


def _curves(points: pl.DataFrame, keys: Sequence[str], unit: str) -> list[Figure]:
    """Satisfaction and cost along every key that has a few numbers."""
    found = []
    for key in keys:
        if points[key].dtype.is_numeric() and points[key].n_unique() >= LEAST_VALUES:
            found += [along(points, keys, key, "satisfaction"), along(points, keys, key, "cost", unit)]
    return found
