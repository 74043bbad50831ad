"""What a scenario says to use an imported file."""

from collections.abc import Sequence
from pathlib import Path

from messsim.scenario.overrides import format_value
from messsim.shapes.logs import ImportedTrace

__all__ = ["import_toml", "outcomes_toml"]


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
        if imported["start"] is not None:
            lines[-1] += f" # 0 s in it is {imported['start']}"
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
