"""The paper's benchmarks beside what it published, for the terminal and for a page."""

from collections.abc import Sequence

from rich.console import Group, RenderableType

from messsim.shapes.evidence import MeanCost, PaperBenchmark, PaperRun, PaperSummary
from messsim.shapes.studies import IntervalSummary

from ..base.screen import Text
from ..base.tables import Fitting, number, percent

__all__ = ["cost_table", "paper_csv", "paper_page", "paper_table", "paper_tables", "provider_table"]

HEADS = (
    *("benchmark", "promised", "c", "satisfied", "published", "calls 70B/8B/1B", "published calls", "MJ"),
    *("at the end", "kept", "MJ with exploring", "one model, MJ", "x oracle"),
)
PAPERS = 8  # the first so many speak of what the paper's tables show
SPARE = ("x oracle", "kept", "one model, MJ", "MJ with exploring", "at the end", "published calls", "calls 70B/8B/1B")
HINT = (
    "satisfied, MJ: the paper's accounting (mean over steps of the satisfaction so far; energy without exploring). "
    "At the end, MJ with exploring: what a provider sees. ± is half of a 95 % interval over {n} replications; "
    "kept: replications that keep the promise at the end; one model: the cheapest that keeps it alone; "
    "x oracle: energy with exploring over the clairvoyant oracle's at equal satisfaction"
)


def paper_tables(paper: PaperSummary) -> RenderableType:
    """All benchmarks at all rates of exploration, and the mean cost."""
    table = Fitting(HEADS, spare=SPARE)
    for cells in _rows(paper):
        table.add_row(*cells)
    parts: list[RenderableType] = [table, Text(HINT.format(n=paper["replications"]), style="dim"), Text("")]
    costs = paper["mean_cost"]
    for ours in costs["ours"]:
        parts.append(Text(f"mean over {len(paper['benchmarks'])} benchmarks at {_mean_cost(ours)}"))
    rivals = " and ".join(f"{x:.2f}" for x in costs["rivals_mj"])
    parts.append(Text(f"published: {costs['published_mj']:.2f} MJ without exploring, {rivals} of its rivals"))
    if paper["missing"]:
        parts.append(Text(f"not in {paper['data']}: {', '.join(paper['missing'])}", style="yellow"))
    return Group(*parts)


def paper_table(paper: PaperSummary) -> str:
    """In the paper's accounting, beside what was published, as Markdown."""
    return _markdown(HEADS[:PAPERS], [row[:PAPERS] for row in _rows(paper)])


def provider_table(paper: PaperSummary) -> str:
    """What a provider sees, as Markdown."""
    kept = (0, 2, *range(PAPERS, len(HEADS)))
    return _markdown([HEADS[i] for i in kept], [[row[i] for i in kept] for row in _rows(paper)])


def cost_table(paper: PaperSummary) -> str:
    """Mean cost of the benchmarks as Markdown."""
    costs = paper["mean_cost"]
    rows = [[f"here, c = {o['c']:g}", f"{o['paper_mj']:.2f}", f"{o['whole_mj']:.2f}"] for o in costs["ours"]]
    rows.append(["published, MESS+", f"{costs['published_mj']:.2f}", ""])
    rows += [["published, a rival", f"{x:.2f}", ""] for x in costs["rivals_mj"]]
    return _markdown(["mean of a benchmark", "MJ without exploring", "MJ with exploring"], rows)


def paper_page(paper: PaperSummary) -> str:
    """All tables as one Markdown page."""
    hint = HINT.format(n=paper["replications"])
    parts = ["# The MESS+ paper's benchmarks", hint, paper_table(paper), provider_table(paper), cost_table(paper)]
    return "\n\n".join(parts) + "\n"


def paper_csv(paper: PaperSummary) -> str:
    """A row for each benchmark and rate of exploration, figures as they are."""
    import polars as pl

    rows = []
    for b in paper["benchmarks"]:
        for r in b["runs"]:
            spans = {
                f"{way}_{what}_{end}": r[way][what][end]
                for way in ("paper", "whole")
                for what in ("satisfaction", "cost_mj")
                for end in ("mean", "low", "high")
            }
            shares = {f"share_{name}": share for name, share in r["shares"].items()}
            figures = {k: b[k] for k in ("name", "alpha", "requests")} | {"c": r["c"]}
            ours = {k: r[k] for k in ("explored", "kept", "less_than_published", "ratio_to_oracle")}
            rows.append(figures | spans | shares | ours | {"published_satisfaction": b["published"]["satisfaction"]})
    return pl.DataFrame(rows).write_csv()


def _rows(paper: PaperSummary) -> list[tuple[str, ...]]:
    return [_row(b, r, paper["replications"]) for b in paper["benchmarks"] for r in b["runs"]]


def _row(b: PaperBenchmark, r: PaperRun, replications: int) -> tuple[str, ...]:
    published = b["published"]
    single = b["best_single"]
    alone = "none" if single["model"] is None else f"{number(single['cost_mj'])} ({single['model']})"
    return (
        b["title"],
        percent(b["alpha"], 0),
        f"{r['c']:g}",
        _percent(r["paper"]["satisfaction"]),
        f"{100 * published['satisfaction']:.2f} %",
        _calls(r["shares"]),
        _calls(published["shares"]) if published["shares"] else "-",
        _mj(r["paper"]["cost_mj"]),
        _percent(r["whole"]["satisfaction"]),
        f"{r['kept']} of {replications}",
        _mj(r["whole"]["cost_mj"]),
        alone,
        number(r["ratio_to_oracle"]),
    )


def _calls(shares: dict[str, float]) -> str:
    """Largest first, as the paper writes them, percent."""
    return "/".join(f"{100 * share:.0f}" for share in reversed(shares.values()))


def _percent(interval: IntervalSummary) -> str:
    return f"{100 * interval['mean']:.2f}{_half(interval, 100.0)} %"


def _mj(interval: IntervalSummary) -> str:
    return f"{interval['mean']:.2f}{_half(interval, 1.0)}"


def _half(interval: IntervalSummary, factor: float) -> str:
    return "" if interval["high"] is None else f" ± {factor * (interval['high'] - interval['mean']):.2f}"


def _mean_cost(ours: MeanCost) -> str:
    return f"c = {ours['c']:g}: {ours['paper_mj']:.2f} MJ without exploring, {ours['whole_mj']:.2f} with"


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Figures stay on one line: their spaces do not break."""
    rule = ["---"] + ["---:"] * (len(heads) - 1)
    unbroken = [[cell.replace(" ", "\u00a0") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [heads, rule, *unbroken])
