"""Which point of a study is cheapest, as far as the paired differences tell, and which are undecided: in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from messsim.plot.points import BETWEEN
from messsim.shapes.studies import Dearer
from messsim.wording import half_width, number

from .tables import with_half

if TYPE_CHECKING:
    import polars as pl

__all__ = ["cheapest", "level_with_first", "undecided"]

MOST_NAMED, MOST_LONG = 4, 2  # points that a sentence names; of several keys


def level_with_first(dearer: Sequence[Dearer]) -> list[Dearer]:
    """The cheapest point, and those whose difference to it may be chance.

    `dearer` is what `messsim.study.groups.paired.dearer_by` found.
    """
    return [d for k, d in enumerate(dearer) if not k or d.low is None or d.low <= 0.0]


def cheapest(kept: pl.DataFrame, dearer: Sequence[Dearer], unit: str, what: str) -> str:
    """The cheapest of the points that keep the promise, or those that share the place."""
    if kept.is_empty():
        return f"None of the {what} surely kept the promise to every tenant."
    if not dearer:
        return "None of them has a cost."
    level = level_with_first(dearer)
    row = kept.filter(kept["point"] == dearer[0].point).row(0, named=True)
    paid = f"{with_half(row, 'cost', unit)} for an answer"
    if len(kept) == 1:
        return f"{row['point']} does: {paid}."
    if len(level) > 1:
        names = _named([d.point for d in level])
        if level[1].low is None:
            return (
                f"{row['point']} was the cheapest of them in the one replication: {paid}; more seeds would tell chance."
            )
        if all(d.mean == 0.0 for d in level):
            return f"{names} cost the same to the digit: {paid}."
        return (
            f"{names} cost about the same, {paid} of {row['point']}: what {level[1].point} costs more on the same "
            f"requests, {_difference(level[1], unit)} (paired), may be chance."
        )
    return (
        f"The cheapest of them is {row['point']}: {paid}; the next, {dearer[1].point}, costs "
        f"{_difference(dearer[1], unit)} more on the same requests (paired)."
    )


def undecided(points: pl.DataFrame, replications: int) -> list[str]:
    """A sentence on the points of which the replications do not tell, or none."""
    if points.is_empty():
        return []
    names = points["point"].to_list()
    if len(names) > MOST_LONG and any(BETWEEN in name for name in names):
        return [f"Whether {len(names)} of them keep it, {replications} replications do not decide."]
    return [f"Whether {_named(names)} keep{'s' * (len(names) == 1)} it, {replications} replications do not decide."]


def _named(names: Sequence[str]) -> str:
    of_several_keys = any(BETWEEN in name for name in names)
    most = MOST_LONG if of_several_keys else MOST_NAMED
    more = [f"{len(names) - most} more"] if len(names) > most else []
    listed = [*names[:most], *more]
    between = "; " if of_several_keys else ", "
    return listed[0] if len(listed) == 1 else f"{between.join(listed[:-1])} and {listed[-1]}"


def _difference(d: Dearer, unit: str) -> str:
    half = "" if d.low is None else f" ± {half_width(d.mean - d.low)}"
    return f"{number(d.mean)}{half} {unit}"
