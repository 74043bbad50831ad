"""Which points of a study keep the promise, and which of these is cheapest, as far as its replications tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from messsim.results.intervals import paired_difference
from messsim.results.verdict import TOLERANCE
from messsim.shapes.studies import Dearer

if TYPE_CHECKING:
    import polars as pl

__all__ = ["dearer_by", "standing"]


def standing() -> pl.Expr:
    """Of points: ``kept``, ``missed``, or ``undecided`` where more replications would have to tell.

    A point keeps the promise if it did in every replication and the 95 % interval of its margin is not below 0; it
    misses it if the whole interval is. One replication has no interval: its own verdict stands.
    """
    import polars as pl

    always, never = pl.col("kept") == pl.col("replications"), pl.col("kept") == 0
    low, high = pl.col("margin_low"), pl.col("margin_high")
    kept = always & (low.is_null() | (low >= -TOLERANCE))
    missed = pl.when(high.is_null()).then(never).otherwise(high < -TOLERANCE)
    return pl.when(kept).then(pl.lit("kept")).when(missed).then(pl.lit("missed")).otherwise(pl.lit("undecided"))


def dearer_by(rows: pl.DataFrame, points: list[str]) -> list[Dearer]:
    """How much more an answer of other points costs than one of the cheapest, on the same requests.

    Parameters
    ----------
    rows
        `point`, `replication` and `cost_per_request` of runs.
    points
        Which are compared.

    Returns
    -------
    list
        Paired differences to the first; cheapest first. Points that share no
        replication with it are left out, and all that have no cost.
    """
    import polars as pl

    known = rows.filter(pl.col("point").is_in(points)).drop_nulls("cost_per_request")
    means = known.group_by("point", maintain_order=True).agg(pl.col("cost_per_request").mean()).sort("cost_per_request")
    costs = {
        p: dict(known.filter(point=p).select("replication", "cost_per_request").iter_rows()) for p in means["point"]
    }
    dearers: list[Dearer] = []
    for point, mine in costs.items():
        best = costs[means["point"][0]]
        if both := sorted(mine.keys() & best.keys()):
            d = paired_difference([mine[r] for r in both], [best[r] for r in both])
            dearers.append(Dearer(point, d.mean, d.low))
    return dearers
