"""What was imported, and what a scenario says to use it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Group, RenderableType

from messsim.scenario.overrides import format_value
from messsim.shapes.logs import ImportedTrace
from messsim.wording import rate

from ..base.screen import Text
from ..base.tables import grid, number, percent, seconds

__all__ = ["import_summary", "import_toml", "outcomes_summary", "outcomes_toml"]


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


def import_toml(imported: ImportedTrace, file: Path) -> str:
    """The tables of a scenario beside the file that replays it, each tenant with the rows that are theirs."""
    name = format_value(str(file))
    lines = []
    if imported["duration_s"] is None:
        rate = (
            f"{imported['rate_rps']:.6g}"
            if imported["rate_rps"]
            else "1.0 # requests per second: the file does not say"
        )
        lines += ["[arrivals]", 'kind = "poisson"', f"rate_rps = {rate}", "", "[tokens]", f"file = {name}"]
    else:
        lines += ["[arrivals]", 'kind = "trace"', f"file = {name}"]
        if imported["rate_rps"] is None:
            lines += ["repeat = false"]
        columns = {"tenant": "tenant"} if imported["tenants"] else {}
        if columns | imported["columns"]:
            listed = ", ".join(f"{key} = {format_value(name)}" for key, name in (columns | imported["columns"]).items())
            lines += [f"columns = {{ {listed} }}"]
        if imported["block_tokens"]:
            lines += [f"block_tokens = {imported['block_tokens']}"]
        lines += ["", "[tokens]"]
    lines += ['prompt = { kind = "trace" }', 'output = { kind = "trace" }']
    for tenant in imported["tenants"]:
        lines += ["", "[[tenants]]", f"name = {format_value(tenant['name'])}", f"share = {tenant['share']:.6g}"]
    return "\n".join(lines)


def outcomes_summary(prompts: int, means: Mapping[str, float], notes: Sequence[str]) -> RenderableType:
    """How many prompts, and how satisfying each model is."""
    figures = grid()
    figures.add_row("prompts", f"{prompts:,}")
    for model, mean in means.items():
        figures.add_row(model, f"satisfies {percent(mean)}")
    return Group(figures, *(Text(f"note: {note}", style="yellow") for note in notes))


def outcomes_toml(models: Sequence[str], file: Path, *, costs: bool, tokens: bool) -> str:
    """The tables of a scenario beside the file that draws its outcomes from it, models by rising cost."""
    lines = ["[satisfaction]", 'kind = "table"', f"file = {format_value(str(file))}"]
    if costs:
        lines += ['costs = "cost__{column}"']
    lines += ["", "[features]", 'kind = "none"', "", "[cluster]", 'mode = "none"', "", "[cost]", 'unit = "USD"']
    if tokens:
        lines += ["", "[tokens]", 'prompt = { kind = "table" }', 'output = { kind = "table" }']
    for place, model in enumerate(models):
        lines += ["", "[[models]]", f"name = {format_value(model)}"]
        if not costs:
            lines += [f"cost_per_request = {10.0**place:g} # the file does not say: put in what a request costs, USD"]
    return "\n".join(lines)
