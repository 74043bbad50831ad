"""What is known of each point of a study while its runs go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .journal import Key
from .rows import Row

__all__ = ["OnKnown", "SoFar", "so_far", "telling"]

OnKnown = Callable[["list[SoFar]"], None]


@dataclass(frozen=True)
class SoFar:
    """Of a point, or all conditions of a policy: means over the runs that are done.

    Attributes
    ----------
    runs, kept
        How many are done, and in how many of them the promise was kept.
    satisfaction
        Mean share of answers that satisfy; None where no run has one.
    cost_per_request
        Mean, in the scenario's unit of cost.
    """

    point: str
    runs: int
    kept: int
    satisfaction: float | None
    cost_per_request: float | None


def so_far(names: Sequence[str], rows: Mapping[Key, Row]) -> list[SoFar]:
    """Of every point that has runs, in order; points of one name are one.

    Parameters
    ----------
    names
        Of the points by number, as keys count them.
    rows
        Of the runs that are done.
    """
    by_name: dict[str, list[Row]] = {}
    for (point, _), row in sorted(rows.items()):
        by_name.setdefault(names[point], []).append(row)
    return [
        SoFar(
            name,
            len(mine),
            sum(bool(row["sla_kept"]) for row in mine),
            _mean(row.get("sla_satisfaction") for row in mine),
            _mean(row.get("cost_per_request") for row in mine),
        )
        for name, mine in by_name.items()
    ]


def telling(
    on_known: OnKnown | None, names: Sequence[str], rows: Callable[[], Mapping[Key, Row]]
) -> Callable[[], None] | None:
    """A function that tells what is known of each point by then; None where nobody listens.

    Parameters
    ----------
    on_known
        Whom.
    names, rows
        As `so_far` takes them.
    """
    return None if on_known is None else lambda: on_known(so_far(names, rows()))


def _mean(values: Any) -> float | None:
    known = [float(value) for value in values if value is not None]
    return sum(known) / len(known) if known else None
