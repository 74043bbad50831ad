"""What `messsim verify` found: a table for the terminal and the same for a page."""

from collections.abc import Callable

from rich.console import Group, RenderableType

from messsim.shapes.evidence import Verification, VerifiedCase

from .base.screen import Text
from .base.tables import Fitting

__all__ = ["verification", "verification_page"]

COLUMNS: dict[str, Callable[[VerifiedCase], str]] = {
    "case": lambda c: f"{c['name']}, {c['unit']}" if c["unit"] else str(c["name"]),
    "theory": lambda c: f"{c['theory']:.6g}",
    "simulated": lambda c: f"{c['simulated']:.6g}",
    "from": lambda c: f"{c['ci_low']:.6g}",
    "to": lambda c: f"{c['ci_high']:.6g}",
    "error": lambda c: f"{100 * c['relative_error']:+.2f} %",
    "half-width": lambda c: f"{100 * c['relative_half_width']:.2f} %",
    "bias": lambda c: f"{100 * c['bias'] / abs(c['theory']):.2g} %" if c["bias"] else "0",
    "verdict": lambda c: "agrees" if c["passed"] else "too wide" if c["agrees"] else "DIFFERS",
}


def verification(verified: Verification) -> RenderableType:
    """Every case, and whether all passed."""
    table = Fitting(list(COLUMNS), spare=("bias", "half-width", "from", "to"))
    for case in verified["cases"]:
        style = "" if case["passed"] else "bold red"
        table.add_row(*[cell(case) for cell in COLUMNS.values()], style=style)
    parts: list[RenderableType] = [table, Text()]
    if verified["slow_server"] != 1.0:
        parts.append(Text(_slowed(verified), style="yellow"))
    failed = [c["name"] for c in verified["cases"] if not c["passed"]]
    many = len(verified["cases"])
    verdict = f"{len(failed)} of {many} cases failed" if failed else f"all {many} cases agree with theory"
    parts.append(Text(verdict, style="bold red" if failed else "bold green"))
    if verified["records"]:
        same = all(r["same"] for r in verified["records"])
        parts.append(Text(_pinned(verified), style="bold green" if same else "bold red"))
    parts.append(Text(_method(verified), style="dim"))
    return Group(*parts)


def verification_page(verified: Verification) -> str:
    """The table in Markdown."""
    rows = [list(COLUMNS), ["---", *["--:"] * (len(COLUMNS) - 2), "---"]]
    rows += [[cell(case) for cell in COLUMNS.values()] for case in verified["cases"]]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    pinned = f"{_pinned(verified)}.\n\n" if verified["records"] else ""
    return f"# The simulator against theory\n\n{table}\n\n{pinned}{_method(verified)}\n"


def _pinned(verified: Verification) -> str:
    others = [r["scenario"] for r in verified["records"] if not r["same"]]
    if others:
        return f"records of {', '.join(others)} are not what they were before there were caches"
    names = ", ".join(r["scenario"] for r in verified["records"])
    return f"without caches, records of {names} are bit for bit what they were before there were any"


def _slowed(verified: Verification) -> str:
    timing = [c for c in verified["cases"] if c["timing"]]
    missed = [c["name"] for c in timing if c["agrees"]]
    tail = f"; not by: {', '.join(missed)}" if missed else ""
    return (
        f"every server takes {verified['slow_server']:g} times as long as theory is told: noticed by "
        f"{len(timing) - len(missed)} of {len(timing)} timing cases{tail}"
    )


def _method(verified: Verification) -> str:
    return (
        f"{verified['engine']} engine, seed {verified['seed']}: {verified['replications']} replications of each "
        f"scenario, "
        f"{verified['requests']:,} requests in all. Intervals cover all theories at once with probability "
        f"{100 * verified['family_level']:g} % ({100 * verified['level']:.3f} % each). A case agrees if its theory, "
        f"give or "
        f"take the bias, lies in its interval, and the half-width is at most {100 * verified['widest']:.2g} % of "
        f"theory."
    )
