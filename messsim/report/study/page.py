"""What the report of a study says that has points, or policies, with replications of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

from messsim.plot.figure import Figure
from messsim.plot.points import AXES, along, forest, shares
from messsim.plot.tradeoff import tradeoff
from messsim.shapes.studies import ComparisonWithFrontier, Dearer
from messsim.wording import number, percent, request_unit, scaled_unit

from ..base.page import Page, Section, Tile
from .tables import differences_table, failures_table, has, points_table, with_half
from .verdict import cheapest, level_with_first, undecided

if TYPE_CHECKING:
    import polars as pl

__all__ = ["study_page"]

LEAST_VALUES = 3  # of a key, for a chart along it


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
    dearer: Sequence[Dearer],
    failures: pl.DataFrame,
    scenario: str,
) -> Page:
    """The report of ``compare``, ``sweep`` or whatever has a ``results.parquet``.

    Parameters
    ----------
    points, keys, dearer, failures
        See `messsim.study.groups.grouped.Grouped`.
    facts
        Of the scenario.
    models
        Names.
    comparison
        What ``compare`` wrote as comparison.json, if it did.
    scenario
        As TOML.
    """
    scale = request_unit(facts["cost_unit"])[0]
    points = points.with_columns(scale * points[f"cost_{part}"] for part in ("mean", "low", "high", "each"))
    dearer = [Dearer(d.point, scale * d.mean, None if d.low is None else scale * d.low) for d in dearer]
    policies = list(keys) == ["policy"]
    what = "policies" if policies else "points"
    rivals = points.filter(~points["oracle"]) if policies else points
    kept = rivals.filter(rivals["standing"] == "kept")
    open_ = rivals.filter(rivals["standing"] == "undecided")
    most = int(points["replications"].max() or 0)  # type: ignore[arg-type]
    unit = scaled_unit(facts["cost_unit"])
    one = policies and len(points) == 1
    return Page(
        title=facts["name"],
        subtitle=_replicated(points, facts)
        if one
        else f"{_what(len(rivals), len(points) - len(rivals), policies)}, {most} replication"
        f"{'' if most == 1 else 's'} each, seed {facts['seed']}{_promised(facts['alpha'])}",
        kept=True if len(kept) else None if len(open_) or not len(points) else False,
        headline=_alone(points)
        if one
        else f"{len(kept)} of {len(rivals)} {what} keep the promise" + (f", {len(open_)} undecided" * bool(len(open_))),
        verdict=_sentence_on_one(points, unit)
        if one
        else " ".join([cheapest(kept, dearer, unit, what), *undecided(open_, most)]),
        tiles=[] if one else _tiles(kept, dearer, unit),
        notes=[f"{len(failures)} runs did not come to their end: see below."] if len(failures) else [],
        sections=_sections(points, keys, facts, models, comparison, failures, scenario),
        footer="Means are over replications, intervals are Student's of 95 %. A point keeps the promise if it did in "
        "every replication and the interval of its margin is not below 0, misses it if the whole interval is, and is "
        "undecided otherwise.",
    )


def _replicated(points: pl.DataFrame, facts: StudyFacts) -> str:
    """Of one scenario, replicated."""
    row = points.row(0, named=True)
    count = f"{row['replications']} replication{'s' * (row['replications'] != 1)}"
    return f"{count}, policy {row['point']}, seed {facts['seed']}{_promised(facts['alpha'])}"


def _alone(points: pl.DataFrame) -> str:
    row = points.row(0, named=True)
    unsure = ": undecided" if row["standing"] == "undecided" else ""
    return f"Promise kept in {row['kept']} of {row['replications']} replications{unsure}"


def _sentence_on_one(points: pl.DataFrame, unit: str) -> str:
    row = points.row(0, named=True)
    return f"{with_half(row, 'satisfaction')} of answers satisfy; an answer costs {with_half(row, 'cost', unit)}."


def _what(rivals: int, oracles: int, policies: bool) -> str:
    if not policies:
        return f"Study of {rivals} point{'s' * (rivals != 1)}"
    beside = f" and {oracles} oracle{'s' * (oracles > 1)}" if oracles else ""
    return f"Comparison of {rivals} polic{'y' if rivals == 1 else 'ies'}{beside}"


def _promised(alpha: float | None) -> str:
    """The promise, where it is the same at all points."""
    return "" if alpha is None else f", {percent(alpha, 2)} promised"


def _tiles(kept: pl.DataFrame, dearer: Sequence[Dearer], unit: str) -> list[Tile]:
    """Of the cheapest; none where chance hides which it is."""
    if not dearer or len(level_with_first(dearer)) > 1:
        return []
    row = kept.filter(kept["point"] == dearer[0].point).row(0, named=True)
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
    scale, unit = request_unit(facts["cost_unit"])[0], scaled_unit(facts["cost_unit"])
    sections = []
    if len(points):
        alphas = [] if "alpha" not in points.columns else points["alpha"].drop_nulls().to_list()
        frontier = comparison["frontier"] if comparison is not None else []
        paid = tradeoff(points, keys, unit, alphas, [{**p, "cost": scale * p["cost"]} for p in frontier])
        compared = [forest(points, "margin"), forest(points, "cost", unit)]
        compared += [forest(points, n) for n in ("ttft_p95", "e2e_p95") if has(points, n)]
        rows = [points_table(points, keys, unit), *([] if comparison is None else [differences_table(comparison)])]
        if len(points) > 1:
            sections.append(Section("tradeoff", "What does satisfaction cost?", figures=[paid], wide=True))
        if curves := _curves(points, keys, unit):
            sections.append(Section("along", "Along each key", figures=curves))
        sections.append(Section("compared", "Side by side" if len(points) > 1 else "How sure is it?", figures=compared))
        sections.append(Section("answers", "Who answered?", figures=[shares(points, models)], wide=True))
        sections.append(Section("figures", "In figures", tables=rows))
    if len(failures):
        sections.append(Section("failures", "Runs that failed", tables=[failures_table(failures)]))
    sections.append(Section("scenario", "The scenario", verbatim=scenario))
    return sections


def _curves(points: pl.DataFrame, keys: Sequence[str], unit: str) -> list[Figure]:
    """Satisfaction and cost along every key that has a few numbers."""
    collected = []
    for key in keys:
        if points[key].dtype.is_numeric() and points[key].n_unique() >= LEAST_VALUES:
            collected += [along(points, keys, key, "satisfaction"), along(points, keys, key, "cost", unit)]
    return collected
