"""Was the promise kept: the one sentence that every report begins with; and who was not answered."""

from dataclasses import dataclass

from messsim.summary import UNANSWERED, Requests, Summary, TenantSummary
from messsim.wording import percent

__all__ = ["Verdict", "least_margin", "unanswered", "verdict"]


@dataclass(frozen=True)
class Verdict:
    """Whether the promise was kept; None where nobody was answered."""

    kept: bool | None
    text: str


def verdict(summary: Summary) -> Verdict:
    """The summary's own verdict, in words; with several tenants those of the one with the least margin."""
    tenants = summary["tenants"]
    worst = least_margin(tenants)
    if worst is None:
        return Verdict(None, "nobody was answered")
    who = f" to {worst['name']}" if len(tenants) > 1 else ""
    return Verdict(
        summary["sla"]["kept"],
        f"{percent(worst['satisfaction'], 2)} of answers satisfy, {percent(worst['alpha'], 2)} promised{who} "
        f"({100 * (worst['margin'] or 0.0):+.2f} points)",
    )


def least_margin(tenants: list[TenantSummary]) -> TenantSummary | None:
    """The tenant by whom a run is judged, whose margin is the least; None where nobody was answered."""
    return min((t for t in tenants if t["margin"] is not None), key=lambda t: t["margin"] or 0.0, default=None)


def unanswered(requests: Requests) -> list[str]:
    """How requests ended without an answer: ``["3 rejected", "2 timed out"]``."""
    counts = {name: requests[name] for name in UNANSWERED}
    return [f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count]
