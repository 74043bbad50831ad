"""What `messsim validate` found: tables for the terminal and for a page."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from .tables import Fitting, percent

__all__ = ["accuracy", "accuracy_page", "group_table", "row_table", "rows_csv", "summary_table", "unknown_table"]

QUANTITIES = {
    "ttft_s": "TTFT",
    "tpot_s": "TPOT",
    "e2e_s": "end to end",
    "tokens_per_s": "tokens/s",
    "power_w": "power",
    "j_per_token": "J/token",
}
TITLES = {
    "served": "Mean latencies at a fixed concurrency: predicted against measured",
    "energy": "Throughput, GPU power and energy in steady state: predicted against measured",
}


def accuracy(found: dict[str, Any]) -> RenderableType:
    """Errors of each group of rows, and how many rows no built-in profile speaks of."""
    parts: list[RenderableType] = []
    for table, title in TITLES.items():
        groups = found[table]["groups"]
        names = [n for n in QUANTITIES if n in groups[0]]
        shown = Fitting(["served", "rows", *(QUANTITIES[n] for n in names)], spare=["power", "rows"])
        for g in groups:
            errors = [f"{100 * g[n]['mape']:.1f} / {_signed(g[n]['bias'])}" for n in names]
            shown.add_row(", ".join(_whose(g)), str(g["rows"]), *errors)
        unknown = sum(g["rows"] for g in found[table]["without_profile"])
        many = f"{len(found[table]['rows'])} rows; {unknown} more are of models or GPUs without a built-in profile"
        parts += [Text(title, style="bold"), shown, Text(many + "\n", style="dim")]
    hint = "mean absolute error / mean error with its sign; *: energy coefficients were fitted on these very rows"
    return Group(*parts, Text(hint, style="dim"))


def accuracy_page(found: dict[str, Any]) -> str:
    """All tables as one Markdown page."""
    parts = ["# Predicted against measured"]
    for table, title in TITLES.items():
        parts += [f"## {title}", f"![{title}]({table}.svg)", summary_table(found[table]), group_table(found[table])]
        parts += ["### Row by row", row_table(found[table], readings=True)]
        parts += ["### Without a built-in profile", unknown_table(found[table])]
    return "\n\n".join(parts) + "\n"


def rows_csv(found: dict[str, Any]) -> str:
    """The rows of one table as CSV: facts, then what was measured, predicted and the error, by quantity."""
    import polars as pl

    def flat(row: dict[str, Any]) -> dict[str, Any]:
        nested = {f"{what}_{name}": v for what in ("measured", "predicted", "error") for name, v in row[what].items()}
        return {k: v for k, v in row.items() if not isinstance(v, dict)} | nested

    return pl.DataFrame([flat(r) for r in found["rows"]]).write_csv()


def group_table(found: dict[str, Any]) -> str:
    """The groups of one table as Markdown."""
    return _markdown(*_groups(found))


def summary_table(found: dict[str, Any]) -> str:
    """The summary of one table as Markdown."""
    groups = found["summary"]
    names = [n for n in QUANTITIES if n in groups[0]]
    heads = ["rows of", "rows"] + [h for n in names for h in (QUANTITIES[n], "bias", "worst")]
    return _markdown(heads, [[_summed_up(g), str(g["rows"]), *_errors(g, names)] for g in groups])


def row_table(found: dict[str, Any], *, readings: bool) -> str:
    """The rows of one table as Markdown: errors, and what was measured and predicted if `readings`."""
    names = list(found["rows"][0]["error"])
    heads = ["model", "GPUs", _kind(found["rows"][0]), "prompt", "answer", "clients"]
    for name in names:
        heads += [f"{QUANTITIES[name]} measured", "predicted", "error"] if readings else [f"{QUANTITIES[name]} error"]
    rows = []
    for r in found["rows"]:
        cells = [*_whose(r), f"{r['prompt_tokens']:,}", f"{r['output_tokens']:,.0f}", str(r["clients"])]
        for name in names:
            figures = [_figure(name, r[what][name]) for what in ("measured", "predicted")]
            cells += [*(figures if readings else []), _signed(r["error"][name])]
        rows.append(cells)
    return _markdown(heads, rows)


def unknown_table(found: dict[str, Any]) -> str:
    """The groups that no built-in profile speaks of, as Markdown."""
    groups = found["without_profile"]
    return _markdown(
        ["model", "GPUs", _kind(groups[0]), "rows"], [[*_whose(g, starred=False), str(g["rows"])] for g in groups]
    )


def _groups(found: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    groups = found["groups"]
    names = [n for n in QUANTITIES if n in groups[0]]
    heads = ["model", "GPUs", _kind(groups[0]), "rows"]
    for name in names:
        heads += [QUANTITIES[name], "bias", f"{QUANTITIES[name]} worst"]
    return heads, [[*_whose(g), str(g["rows"]), *_errors(g, names)] for g in groups]


def _errors(group: dict[str, Any], names: list[str]) -> list[str]:
    figures = [(group[n]["mape"], group[n]["bias"], group[n]["worst"]) for n in names]
    return [cell for mape, bias, worst in figures for cell in (percent(mape), _signed(bias), percent(worst, 0))]


def _summed_up(group: dict[str, Any]) -> str:
    if "engine" in group:
        return str(group["engine"])
    return f"{'fitted' if group['in_sample'] else 'not fitted'}, {group['load']}"


def _kind(facts: dict[str, Any]) -> str:
    return "engine" if "engine" in facts else "task"


def _whose(facts: dict[str, Any], *, starred: bool = True) -> list[str]:
    star = "*" if starred and facts["in_sample"] else ""
    weights = f" {facts['precision']}" if facts.get("precision") not in (None, "bfloat16") else ""
    gpu = facts["gpu"].split("-")[0]
    model = facts["model"].split("/")[-1].removesuffix("-2507").removesuffix("-Instruct")
    return [model + star, f"{facts['gpus']} {gpu}{weights}", facts[_kind(facts)]]


def _signed(error: float) -> str:
    return f"{100 * error:+.1f} %"


def _figure(name: str, value: float) -> str:
    return f"{1e3 * value:,.1f} ms" if name.endswith("_s") and "tokens" not in name else f"{value:.4g}"


def _markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    text = sum(h in ("model", "GPUs", "engine", "task", "rows of") for h in heads)
    rule = ["---"] * text + ["---:"] * (len(heads) - text)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [heads, rule, *rows])
