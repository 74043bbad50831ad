"""What was imported, and what a scenario says to use it."""

from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType

from messsim.scenario.overrides import format_value

from .screen import Text
from .tables import grid, number, seconds

__all__ = ["import_summary", "import_toml"]


def import_summary(found: dict[str, Any]) -> RenderableType:
    """Counts, rate and lengths."""
    figures = grid()
    rate = "all at once" if found["rate_rps"] is None else f"{number(found['rate_rps'])} requests/s"
    figures.add_row("requests", f"{found['requests']:,} in {seconds(found['duration_s'])}, {rate}")
    for name, key in (("prompt tokens", "prompt_tokens"), ("output tokens", "output_tokens")):
        t = found[key]
        figures.add_row(
            name, f"mean {number(t['mean'])}, p50 {t['p50']:,.0f}, p99 {t['p99']:,.0f}, max {t['max']:,.0f}"
        )
    notes = [Text(f"note: {note}", style="yellow") for note in found["notes"]]
    return Group(figures, *notes)


def import_toml(found: dict[str, Any], file: Path) -> str:
    """The tables of a scenario beside the file that replays it; tenants by their share of the requests."""
    lines = ["[arrivals]", 'kind = "trace"', f"file = {format_value(str(file))}", "", "[tokens]"]
    lines += ['prompt = { kind = "trace" }', 'output = { kind = "trace" }']
    for tenant in found["tenants"]:
        lines += ["", "[[tenants]]", f"name = {format_value(tenant['name'])}", f"share = {tenant['share']:.6g}"]
    return "\n".join(lines)
