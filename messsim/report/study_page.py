"""What the report of a study says that has points, or policies, with replications of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from messsim.plot.figure import Figure
from messsim.plot.points import AXES, along, forest, shares, tradeoff
from messsim.wording import number, percent

from .page import Page, Section, Table, Tile

if TYPE_CHECKING:
    import polars as pl

__all__ = ["study_page"]

MOST_ROWS = 200
LEAST_VALUES = 3  # of a key, for a chart along it
ORACLES = ("oracle", "statistical-oracle")  # they know what no router can


def study_page(
    points: pl.DataFrame,
    keys: Sequence[str],
    *,
    facts: dict[str, Any],
    models: Sequence[str],
    comparison: dict[str, Any] | None,
    failures: pl.DataFrame,
    scenario: str,
) -> Page:
    """The report of ``compare``, ``sweep`` or whatever has a ``results.parquet``.

    Parameters
    ----------
    points, keys, failures
        See `messsim.study.grouped.Grouped`.
    facts
        `name`, `seed` and `cost_unit` of the scenario, and `alpha`, its promise where it is the same at all points.
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
        f"{'' if most == 1 else 's'} each, seed {facts['seed']}",
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


def _verdict(best: pl.DataFrame, unit: str, policies: bool) -> str:
    if best.is_empty():
        return f"No {'policy' if policies else 'point'} kept the promise to every tenant in every replication."
    row = best.row(0, named=True)
    return f"The cheapest of them is {row['point']}: {_with_half(row, 'cost', unit)} for an answer."


def _tiles(best: pl.DataFrame, unit: str) -> list[Tile]:
    if best.is_empty():
        return []
    row = best.row(0, named=True)
    tiles = [
        Tile("Cheapest that keeps it", row["point"]),
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
    facts: dict[str, Any],
    models: Sequence[str],
    comparison: dict[str, Any] | None,
    failures: pl.DataFrame,
    scenario: str,
) -> list[Section]:
    unit = facts["cost_unit"]
    frontier = (comparison or {}).get("frontier", [])
    sections = []
    if len(points):
        compared = [forest(points, "margin"), forest(points, "cost", unit)]
        compared += [forest(points, n) for n in ("ttft_p95", "e2e_p95") if _has(points, n)]
        sections.append(
            Section(
                "tradeoff",
                "What does satisfaction cost?",
                "",
                [tradeoff(points, unit, facts["alpha"], frontier)],
                wide=True,
            )
        )
        if curves := _curves(points, keys, unit):
            sections.append(Section("along", "Along each key", "", curves))
        sections.append(Section("compared", "Side by side", "", compared))
        sections.append(Section("answers", "Who answered?", "", [shares(points, models)], wide=True))
        sections.append(Section("figures", "In figures", "", [], _tables(points, keys, unit, comparison)))
    if len(failures):
        told = [[str(v) for v in row] for row in failures.head(MOST_ROWS).iter_rows()]
        sections.append(
            Section(
                "failures",
                "Runs that failed",
                "",
                [],
                [Table("Runs that failed", ["point", "replication", "error"], told)],
            )
        )
    sections.append(Section("scenario", "The scenario", "", [], [], scenario))
    return sections


def _has(points: pl.DataFrame, name: str) -> bool:
    return f"{name}_mean" in points.columns and bool(points[f"{name}_mean"].is_not_null().any())


def _curves(points: pl.DataFrame, keys: Sequence[str], unit: str) -> list[Figure]:
    """Satisfaction and cost along every key that has a few numbers."""
    found = []
    for key in keys:
        if points[key].dtype.is_numeric() and points[key].n_unique() >= LEAST_VALUES:
            found += [along(points, keys, key, "satisfaction"), along(points, keys, key, "cost", unit)]
    return found


def _tables(points: pl.DataFrame, keys: Sequence[str], unit: str, comparison: dict[str, Any] | None) -> list[Table]:
    names = [n for n in AXES if _has(points, n)]
    header = [*keys, "kept", *(f"{AXES[n][0]}{f', {unit}' if n == 'cost' else ''}" for n in names)]
    told = [
        [*(str(row[k]) for k in keys), f"{row['kept']} of {row['replications']}", *(_with_half(row, n) for n in names)]
        for row in points.head(MOST_ROWS).iter_rows(named=True)
    ]
    left = f" (the first {MOST_ROWS} of {len(points)})" if len(points) > MOST_ROWS else ""
    tables = [Table(f"Means ± half of their 95 % intervals{left}", header, told)]
    if comparison is not None and len(comparison["policies"]) > 1:
        tables.append(_differences(comparison))
    return tables


def _with_half(row: dict[str, Any], name: str, unit: str = "") -> str:
    mean, high = row[f"{name}_mean"], row[f"{name}_high"]
    told = number(mean, unit) if name == "cost" else AXES[name][2](mean)
    if mean is None or high is None:
        return told
    half = high - mean
    return f"{told} ± {100 * half if name in ('satisfaction', 'margin') else half:.2g}"


def _differences(comparison: dict[str, Any]) -> Table:
    """Paired, to the first policy."""
    unit = comparison["cost_unit"]
    paths = {
        "sla.satisfaction": "satisfied, points",
        "cost.per_request": f"cost, {unit}",
        "latency_s.ttft.p95": "TTFT p95, s",
    }
    told = []
    for policy in comparison["policies"][1:]:
        cells = [policy["name"]]
        for path in paths:
            spread, scale = policy["difference"][path], 100.0 if path == "sla.satisfaction" else 1.0
            half = (
                ""
                if spread is None or spread["high"] is None
                else f" ± {scale * (spread['high'] - spread['mean']):.2g}"
            )
            cells.append("-" if spread is None else f"{scale * spread['mean']:+.4g}{half}")
        told.append(cells)
    first = comparison["policies"][0]["name"]
    return Table(f"Less {first}, on the same requests (paired)", ["policy", *paths.values()], told)
