"""What the report of a plan says: the answer, what it costs, and what every other cluster misses."""

from __future__ import annotations

from messsim.plot.clusters import against_price
from messsim.plot.figure import Figure
from messsim.shapes.studies import Cluster, PlanSummary, Verdict
from messsim.wording import cost, number, percent

from ..base.page import Page, Section, Table, Tile
from ..study.points import spread
from .answer import answer, cluster, left_out, mean_replicas_of, plan_command
from .words import bound_in_words, figure_in_words, is_bound, is_share, name_of

__all__ = ["plan_page"]

MOST_ROWS = 200
PRICES = {"usd": "price of all GPUs", "energy": "energy of a run"}
KEPT = {"met": True, "uncertain": None, "failed": False}


def plan_page(plan: PlanSummary, *, name: str, scenario: str) -> Page:
    """The report of a plan.

    Parameters
    ----------
    found
        What ``plan --json`` prints.
    name
        The scenario's.
    scenario
        As TOML.
    """
    best = plan["best"]
    return Page(
        title=name,
        subtitle=f"Plan of a cluster: {plan['counts']['candidates']:,} to choose from, {plan['replications']} "
        f"replications each, seed {plan['seed']}",
        kept=KEPT[plan["status"]],
        headline="Every requirement is kept" if best else "No cluster surely keeps every requirement",
        verdict=f"{_sentence(answer(plan))}.",
        tiles=_tiles(plan),
        notes=[],
        sections=[
            *_command(best),
            Section("price", "What do clusters give for their price?", figures=_figures(plan)),
            Section("clusters", "What does each cluster miss?", _how_judged(plan), tables=[_clusters(plan)]),
            Section("rest", _rest_title(plan), _rest(plan)),
            Section("scenario", "The scenario", verbatim=scenario),
        ],
        footer="A requirement is judged by its interval over replications of the same requests for every cluster.",
    )


def _tiles(plan: PlanSummary) -> list[Tile]:
    best = plan["best"]
    if best is None:
        return [Tile("Required", _required(r)) for r in plan["clusters"][0]["requirements"]] if plan["clusters"] else []
    price = Tile(_sentence(PRICES[plan["objective"]]), cost(best["objective"], plan["unit"]))
    kept = [
        Tile(
            _sentence(name_of(r["path"])),
            figure_in_words(r["path"], r["mean"]),
            f"required {bound_in_words(r['path'], r['operator'], r['bound'])}",
        )
        for r in best["requirements"]
    ]
    return [price, Tile("GPUs", f"{best['gpus']:,}"), *kept]


def _required(judged: Verdict) -> str:
    """A requirement in words."""
    return f"{name_of(judged['path'])} {bound_in_words(judged['path'], judged['operator'], judged['bound'])}"


def _command(best: Cluster | None) -> list[Section]:
    """How to run the answer."""
    if best is None:
        return []
    text = "In the plan's directory, which has the scenario as it was planned for:"
    command = plan_command(best, ["messsim", "run", "scenario.toml"])
    return [Section("run", "The command that runs the answer", text, verbatim=command, shown=True)]


def _figures(plan: PlanSummary) -> list[Figure]:
    import polars as pl

    names = {"cluster": pl.String, "objective": pl.Float64, "answer": pl.Boolean}
    names |= {"mean": pl.Float64, "low": pl.Float64, "high": pl.Float64, "verdict": pl.String}
    figures = []
    for k, requirement in enumerate(plan["clusters"][0]["requirements"]):
        rows = [
            {"cluster": cluster(c), "objective": c["objective"], "answer": c == plan["best"]} | c["requirements"][k]
            for c in plan["clusters"]
        ]
        frame = pl.DataFrame([{n: row[n] for n in names} for row in rows], schema=names)
        figures.append(
            against_price(
                frame,
                requirement["path"],
                requirement["bound"],
                plan["unit"],
                PRICES[plan["objective"]],
                name_of(requirement["path"]),
            )
        )
    return figures


def _how_judged(plan: PlanSummary) -> str:
    share, level = percent(plan["kept_share"], 0), percent(plan["level"], 0)
    return (
        f"A requirement on satisfaction is met where {share} of the replications keep to it; any other only if its "
        f"whole {level} interval keeps to it, missed only if the whole interval does not, and uncertain otherwise."
    )


def _clusters(plan: PlanSummary) -> Table:
    """Every cluster that was simulated, cheapest first."""
    shown, unit = plan["clusters"][:MOST_ROWS], plan["unit"]
    means = mean_replicas_of(shown)
    rows = [
        [
            cluster(c) + (" (the answer)" if c == plan["best"] else ""),
            cost(c["objective"], unit) if unit == "J" else number(c["objective"]),
            _misses(c),
            *(spread(c["figures"].get(path)) for path in means.values()),
            *(_spread(r) for r in c["requirements"]),
        ]
        for c in shown
    ]
    left = f" (the first {MOST_ROWS} of {len(plan['clusters']):,})" if len(plan["clusters"]) > len(shown) else ""
    asked = [_required(r) for r in shown[0]["requirements"]] if shown else plan["requirements"]
    header = ["cluster", PRICES["energy"] if unit == "J" else unit, "misses", *means, *asked]
    return Table(f"Clusters that were simulated, cheapest first{left}", header, rows)


def _spread(judged: Verdict) -> str:
    """A figure with the ends of its interval, which is cut at 0, but that of a bound, and of a share at 1."""
    path, low, high = judged["path"], judged["low"], judged["high"]
    mean = figure_in_words(path, judged["mean"])
    if judged["mean"] is None or low is None or high is None:
        return mean
    low = max(low, 0.0) if judged["mean"] >= 0.0 and not is_bound(path) else low
    high = min(high, 1.0) if is_share(path) else high
    return f"{mean} ({figure_in_words(path, low)} to {figure_in_words(path, high)})"


def _misses(candidate: Cluster) -> str:
    """The requirements that it does not surely keep."""
    judged = candidate["requirements"]
    reasons = {r["reason"] or "" for r in judged if r["verdict"] == "failed" and r["mean"] is None}
    missed = [_required(r) for r in judged if r["verdict"] == "failed"]
    perhaps = [f"perhaps {_required(r)}" for r in judged if r["verdict"] == "uncertain"]
    why = f" ({'; '.join(sorted(reasons))})" if reasons else ""
    return ", ".join([*missed, *perhaps]) + why or "nothing"


def _rest_title(plan: PlanSummary) -> str:
    every = plan["counts"]["simulated"] == plan["counts"]["candidates"]
    return "What the answer rests on" if every else "The clusters that were not simulated"


def _rest(plan: PlanSummary) -> str:
    counts = plan["counts"]
    note = f"{counts['simulated']:,} of {counts['candidates']:,} clusters were simulated"
    note += f"; left out: {left_out(counts)}." if left_out(counts) else "."
    return " ".join([note, *(f"{_sentence(text)}." for text in plan["assumptions"])])


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
