"""Was the promise kept: the one sentence that every report begins with."""

from dataclasses import dataclass
from typing import Any

from messsim.wording import percent

__all__ = ["Verdict", "least_margin", "verdict"]


@dataclass(frozen=True)
class Verdict:
    """Whether the promise was kept; None where nobody was answered."""

    kept: bool | None
    text: str


def verdict(summary: dict[str, Any]) -> Verdict:
    """The summary's own verdict, in words; with several tenants those of the one with the least margin."""
    tenants = summary["tenants"]
    worst = least_margin(tenants)
    if worst is None:
        return Verdict(None, "nobody was answered")
    who = f" to {worst['name']}" if len(tenants) > 1 else ""
    return Verdict(
        summary["sla"]["kept"],
        f"{percent(worst['satisfaction'], 2)} of answers satisfy, {percent(worst['alpha'], 2)} promised{who} "
        f"({100 * worst['margin']:+.2f} points)",
    )


def least_margin(tenants: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The tenant by whom a run is judged, whose margin is the least; None where nobody was answered."""
    return min((t for t in tenants if t["margin"] is not None), key=lambda t: t["margin"], default=None)
