"""Was the promise kept: the one sentence that every report begins with."""

from dataclasses import dataclass
from typing import Any

from messsim.wording import percent

__all__ = ["Verdict", "least_margin", "verdict"]

ROUNDING = 1e-9  # sums of alpha are rounded


@dataclass(frozen=True)
class Verdict:
    """Whether the promise was kept; None where nobody was answered. With several tenants the worst margin counts."""

    kept: bool | None
    text: str


def verdict(summary: dict[str, Any]) -> Verdict:
    """Kept or missed; with several tenants, kept only if kept for each."""
    tenants = summary["tenants"]
    worst = least_margin(tenants)
    if worst is None:
        return Verdict(None, "nobody was answered")
    margin = worst["satisfaction"] - worst["alpha"]
    who = f" to {worst['name']}" if len(tenants) > 1 else ""
    return Verdict(
        margin >= -ROUNDING,
        f"{percent(worst['satisfaction'], 2)} of answers satisfy, {percent(worst['alpha'], 2)} promised{who} "
        f"({100 * margin:+.2f} points)",
    )


def least_margin(tenants: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The tenant whose satisfaction is least above its promise; None where nobody was answered."""
    answered = [t for t in tenants if t["satisfaction"] is not None]
    return min(answered, key=lambda t: t["satisfaction"] - t["alpha"], default=None)
