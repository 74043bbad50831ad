"""Measured orders beside the paper's, for the terminal and for a page."""

from typing import Literal

from rich.console import Group, RenderableType

from messsim.shapes.evidence import TheorySummary

from ..base.screen import Text
from ..base.tables import Fitting

__all__ = ["PICTURES", "slope_table", "theory_page", "theory_tables"]

HEADS = ("quantity", "grows or falls with", "exponent predicted", "exponent measured")
OrderName = Literal["shortfall", "gap", "overhead", "queue"]
PICTURES: dict[OrderName, str] = {
    "shortfall": "Shortfall of the promise against the number of requests",
    "gap": "Cost beyond the oracle's against V",
    "overhead": "Cost of exploring against c",
    "queue": "Virtual queue against V",
}


def theory_tables(theory: TheorySummary) -> RenderableType:
    """Exponents, and what else the theory is measured by."""
    table = Fitting(HEADS)
    for cells in _rows(theory):
        table.add_row(*cells)
    return Group(table, Text(_facts(theory), style="dim"))


def slope_table(theory: TheorySummary) -> str:
    """The exponents as Markdown."""
    rule = ["---", "---", "---:", "---:"]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [HEADS, rule, *_rows(theory)])


def theory_page(theory: TheorySummary) -> str:
    """Exponents and pictures as one Markdown page."""
    pictures = [f"## {title}\n\n![{title}]({name}.svg)" for name, title in PICTURES.items()]
    return "\n\n".join(["# The orders of MESS+", slope_table(theory), _facts(theory), *pictures]) + "\n"


def _rows(theory: TheorySummary) -> list[tuple[str, ...]]:
    return [
        (s["of"], s["against"], s["predicted"], "-" if s["measured"] is None else f"{s['measured']:.2f}")
        for name in PICTURES
        for s in theory[name]["slopes"]
    ]


def _facts(theory: TheorySummary) -> str:
    return (
        f"{theory['requests']:,} requests, {theory['replications']} replications; alpha {theory['alpha']:g}; the "
        f"feature "
        f"oracle pays {theory['optimum']:.4g} J a request, and lambda = {theory['price']:.4g} J for one more satisfied "
        f"answer; the cost gap comes down to {theory['gap']['floor_j']:.3g} J"
    )
