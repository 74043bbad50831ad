"""What was imported."""

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType

from messsim.shapes.logs import ImportedTrace
from messsim.wording import rate

from ..base.screen import Text
from ..base.tables import grid, number, percent, seconds

__all__ = ["import_summary", "outcomes_summary"]


def import_summary(imported: ImportedTrace) -> RenderableType:
    """Counts, rate and lengths."""
    figures = grid()
    count, rps = f"{imported['requests']:,}", imported["rate_rps"]
    if imported["duration_s"] is None:
        figures.add_row("requests", f"{count}, without times")
    elif rps is None:
        figures.add_row("requests", f"{count}, all at one time")
    else:
        figures.add_row("requests", f"{count} in {seconds(imported['duration_s'])}, {rate(rps)}")
    for name, t in (("prompt tokens", imported["prompt_tokens"]), ("output tokens", imported["output_tokens"])):
        figures.add_row(
            name, f"mean {number(t['mean'])}, p50 {t['p50']:,.0f}, p99 {t['p99']:,.0f}, max {t['max']:,.0f}"
        )
    notes = [Text(f"note: {note}", style="yellow") for note in imported["notes"]]
    return Group(figures, *notes)


def outcomes_summary(prompts: int, means: Mapping[str, float], notes: Sequence[str]) -> RenderableType:
    """How many prompts, and how satisfying each model is."""
    figures = grid()
    figures.add_row("prompts", f"{prompts:,}")
    for model, mean in means.items():
        figures.add_row(model, f"satisfies {percent(mean)}")
    return Group(figures, *(Text(f"note: {note}", style="yellow") for note in notes))
