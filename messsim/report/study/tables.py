"""The tables of a study's report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from messsim.plot.points import AXES
from messsim.shapes.studies import Comparison, Spread
from messsim.wording import half_width, number, plain, request_unit, scaled_unit, seconds

from ..base.page import Table

if TYPE_CHECKING:
    import polars as pl

__all__ = ["differences_table", "failures_table", "has", "points_table", "with_half"]

MOST_ROWS = 200


def has(points: pl.DataFrame, name: str) -> bool:
    """Whether any point has the figure."""
    return f"{name}_mean" in points.columns and bool(points[f"{name}_mean"].is_not_null().any())


def points_table(points: pl.DataFrame, keys: Sequence[str], unit: str) -> Table:
    """Every point, or the first of many."""
    names = [n for n in AXES if has(points, n)]
    fleet = [c.removesuffix("_mean") for c in points.columns if c == "rent_mean" or c.startswith("replicas ")]
    fleet = [n for n in fleet if f"{n}_mean" in points.columns and has(points, n)]
    header = [*keys, "promise", "kept in", *(f"{AXES[n][0]}{f', {unit}' if n == 'cost' else ''}" for n in names)]
    header += ["rent, USD/h" if n == "rent" else f"mean {n}" for n in fleet]
    rows = [
        [
            *(plain(row[k]) for k in keys),
            row["standing"],
            f"{row['kept']} of {row['replications']}",
            *(with_half(row, n) for n in [*names, *fleet]),
        ]
        for row in points.head(MOST_ROWS).iter_rows(named=True)
    ]
    left = f" (the first {MOST_ROWS} of {len(points):,})" if len(points) > MOST_ROWS else ""
    sure = any(bool(points[f"{n}_high"].is_not_null().any()) for n in names)
    caption = "Means ± half of their 95 % intervals" if sure else "Figures of one replication"
    return Table(f"{caption}{left}", header, rows, keyed=list(keys) != ["policy"])


def with_half(row: Mapping[str, float | None], name: str, unit: str = "") -> str:
    """A mean, and half of its interval where it has one: of shares in points, of times with their unit; then `unit`."""
    mean, high = row[f"{name}_mean"], row[f"{name}_high"]
    as_text = AXES[name][2] if name in AXES else number
    figure = as_text(mean)
    after = f" {unit}" * bool(unit)
    if mean is None or high is None:
        return f"{figure}{after}"
    half = high - mean
    if name != "margin" and half > mean:  # Student's interval does not know that none is below 0
        return f"{figure} (0 to {as_text(high)}){after}"
    if name in ("satisfaction", "margin"):
        return f"{figure} ± {half_width(100 * half)}"
    return f"{figure} ± {seconds(half) if name in AXES and name.endswith('_p95') else half_width(half)}{after}"


def differences_table(comparison: Comparison) -> Table:
    """Paired differences to the first policy."""
    unit = comparison["cost_unit"]
    cost = (f"cost, {scaled_unit(unit)}", request_unit(unit)[0])
    paths = {"sla.satisfaction": ("satisfied, points", 100.0), "cost.per_request": cost}
    paths |= {f"latency_s.{k}.p95": (f"{name} p95, s", 1.0) for k, name in (("ttft", "TTFT"), ("e2e", "end to end"))}
    rows = [
        [
            p["name"],
            *(_difference((p["difference"] or {}).get(path), scale) for path, (_, scale) in paths.items()),
            _tested((p["difference"] or {}).get("cost.per_request")),
        ]
        for p in comparison["policies"][1:]
    ]
    first = comparison["policies"][0]["name"]
    header = ["policy", *(title for title, _ in paths.values()), "by the paired test"]
    return Table(f"Less {first}, on the same requests (paired)", header, rows)


def _difference(spread: Spread | None, scale: float) -> str:
    if spread is None:
        return "-"
    half = "" if spread["high"] is None else f" ± {half_width(scale * (spread['high'] - spread['mean']))}"
    return f"{scale * spread['mean']:+.3g}{half}"


def _tested(spread: Spread | None) -> str:
    """Whether a policy costs more or less, as far as the interval of the difference tells."""
    if spread is None or spread["high"] is None:
        return "undecided"
    high, low = spread["high"], 2 * spread["mean"] - spread["high"]
    return "cheaper" if high < 0 else "dearer" if low > 0 else "undecided"


def failures_table(failures: pl.DataFrame) -> Table:
    """Runs that did not come to their end."""
    left = f" (the first {MOST_ROWS} of {len(failures):,})" if len(failures) > MOST_ROWS else ""
    rows = [[str(v) for v in row] for row in failures.head(MOST_ROWS).iter_rows()]
    return Table(f"Runs that failed{left}", ["point", "replication", "error"], rows, words=True)
