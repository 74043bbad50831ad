"""What `messsim validate` found: tables for the terminal and for a page."""

from collections.abc import Callable, Iterable, Sequence

from rich.console import Group, RenderableType

from messsim.shapes.evidence import Accuracy, AccuracyTable, Facts

from ..base.screen import Text
from ..base.tables import Fitting

__all__ = [
    "accuracy",
    "accuracy_page",
    "group_table",
    "row_table",
    "rows_csv",
    "short_name",
    "summary_table",
    "unknown_table",
]

QUANTITIES = {
    "ttft_s": "TTFT",
    "tpot_s": "TPOT",
    "e2e_s": "end to end",
    "duration_s": "duration",
    "tokens_per_s": "tokens/s",
    "power_w": "power",
    "j_per_token": "J/token",
}
PICTURED = ("served", "energy")
TITLES = {
    "served": "Mean latencies at a fixed concurrency: predicted against measured",
    "bursts": "Many requests at once: predicted against measured",
    "requests": "Requests that arrive one by one, each by itself: predicted against measured",
    "energy": "Throughput, GPU power and energy while servers are full: predicted against measured",
}


def accuracy(result: Accuracy) -> RenderableType:
    """Errors of each group of rows, and how many rows no built-in profile speaks of."""
    parts: list[RenderableType] = []
    for table, title in TITLES.items():
        groups = result[table]["groups"] if table in result else []
        if not groups:
            continue
        names = [n for n in QUANTITIES if n in groups[0]]
        shown = Fitting(["served", "rows", *(QUANTITIES[n] for n in names)], spare=["power", "rows"])
        for g in groups:
            errors = [f"{100 * g[n]['mape']:.1f}/{_signed(g[n]['bias'])}/{100 * g[n]['worst']:.0f}" for n in names]
            shown.add_row(_label(g), str(g["rows"]), *errors)
        unknown = sum(g["rows"] for g in result[table]["without_profile"])
        many = f"{len(result[table]['rows'])} rows; {unknown} more are of models or GPUs without a built-in profile"
        parts += [Text(title, style="bold"), shown, Text(many + "\n", style="dim")]
    hint = (
        "percent: mean absolute error/mean error with its sign/worst; *: the host's time or a setting (latencies), or "
        "energy coefficients were fitted to these very rows"
    )
    return Group(*parts, Text(hint, style="dim"))


def accuracy_page(result: Accuracy) -> str:
    """All tables as one Markdown page."""
    parts = ["# Predicted against measured"]
    for table, title in TITLES.items():
        if table not in result or not result[table]["rows"]:
            continue
        picture = [f"![{title}]({table}.svg)"] if table in PICTURED else []
        parts += [f"## {title}", *picture, summary_table(result[table]), group_table(result[table])]
        parts += ["### Row by row", row_table(result[table], readings=True)]
        if result[table]["without_profile"]:
            parts += ["### Without a built-in profile", unknown_table(result[table])]
    return "\n\n".join(parts) + "\n"


def rows_csv(result: AccuracyTable) -> str:
    """The rows of one table as CSV: facts, then what was measured, predicted and the error, by quantity."""
    import polars as pl

    def flat(row: Facts) -> Facts:
        nested = {f"{what}_{name}": v for what in ("measured", "predicted", "error") for name, v in row[what].items()}
        return {k: v for k, v in row.items() if not isinstance(v, dict)} | nested

    return pl.DataFrame([flat(r) for r in result["rows"]]).write_csv()


def group_table(result: AccuracyTable) -> str:
    """The groups of one table as Markdown; a cell is mean absolute error / mean error / greatest error, percent."""
    return _sizes_table("model, GPUs, " + _kind(result["groups"][0]), result["groups"], _label)


def summary_table(result: AccuracyTable) -> str:
    """The summary of one table as Markdown, cells as in `group_table`."""
    return _sizes_table("rows of", result["summary"], _summed_up)


def row_table(result: AccuracyTable, *, readings: bool) -> str:
    """The rows of one table as Markdown: errors, and what was measured and predicted if `readings`."""
    names = list(result["rows"][0]["error"])
    heads = ["model, GPUs, " + _kind(result["rows"][0]), "prompt", "answer", "clients"]
    for name in names:
        heads += [f"{QUANTITIES[name]} measured", "predicted", "error"] if readings else [f"{QUANTITIES[name]} error"]
    rows = []
    for r in result["rows"]:
        cells = [
            _label(r),
            f"{r['prompt_tokens']:,}",
            f"{r['output_tokens']:,.0f}",
            "-" if r["clients"] is None else str(r["clients"]),
        ]
        for name in names:
            figures = [_figure(name, r[what][name]) for what in ("measured", "predicted")]
            cells += [*(figures if readings else []), f"{_signed(r['error'][name])} %"]
        rows.append(cells)
    return _markdown(heads, rows)


def unknown_table(result: AccuracyTable) -> str:
    """The groups that no built-in profile speaks of, as Markdown."""
    groups = result["without_profile"]
    rows = [[_label(g | {"in_sample": False}), str(g["rows"])] for g in groups]
    return _markdown(["model, GPUs, " + _kind(groups[0]), "rows"], rows)


def _sizes_table(head: str, groups: list[Facts], label: Callable[[Facts], str]) -> str:
    names = [n for n in QUANTITIES if n in groups[0]]
    rows = [[label(g), str(g["rows"]), *(_sizes(g[n]) for n in names)] for g in groups]
    return _markdown([head, "rows", *(QUANTITIES[n] for n in names)], rows)


def _sizes(group: dict[str, float]) -> str:
    return f"{100 * group['mape']:.1f} / {_signed(group['bias'])} / {100 * group['worst']:.0f}"


def _summed_up(group: Facts) -> str:
    if "engine" in group:
        return f"{group['engine']}, {group['gpu']}" if "gpu" in group else str(group["engine"])
    return f"{'fitted' if group['in_sample'] else 'not fitted'}, {group['load']}"


def _kind(facts: Facts) -> str:
    return "engine" if "engine" in facts else "task"


def _label(facts: Facts) -> str:
    """Whose rows: model, GPUs, and engine or task; * where the energy coefficients were fitted to them."""
    weights = f" {facts['precision']}" if facts.get("precision") not in (None, "bfloat16") else ""
    gpu = facts["gpu"].removesuffix("-80GB-SXM")
    load = f", {facts['load']}" if "engine" in facts and "load" in facts else ""
    model = f"{short_name(facts['model'])}{'*' * facts['in_sample']}"
    return f"{model}, {facts['gpus']} {gpu}{weights}, {facts[_kind(facts)]}{load}"


def short_name(checkpoint: str) -> str:
    """A checkpoint without its owner, its date, and that it follows instructions, as most do."""
    return checkpoint.split("/")[-1].removesuffix("-2507").removesuffix("-Instruct")


def _signed(error: float) -> str:
    return f"{100 * error:+.1f}"


def _figure(name: str, value: float) -> str:
    return (
        f"{1e3 * value:,.1f} ms"
        if name in ("ttft_s", "tpot_s", "e2e_s")
        else f"{value:.1f} s"
        if name == "duration_s"
        else f"{value:.4g}"
    )


def _markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(heads) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [heads, rule, *rows])
