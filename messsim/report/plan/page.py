"""What the report of a plan says: the answer, what it costs, and what every other cluster misses."""

from __future__ import annotations

from messsim.plot.clusters import against_price
from messsim.plot.figure import Figure
from messsim.shapes.studies import Cluster, PlanSummary
from messsim.wording import number

from ..base.page import Page, Section, Table, Tile
from ..study.points import spread
from .answer import answer, cluster, left_out

__all__ = ["plan_page"]

MOST_ROWS = 200
PRICES = {"usd": "price of all GPUs", "energy": "energy of a run"}
KEPT = {"met": True, "uncertain": None, "failed": False}


def plan_page(found: PlanSummary, *, name: str, scenario: str) -> Page:
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
    best = found["best"]
    return Page(
        title=name,
        subtitle=f"Plan of a cluster: {found['counts']['candidates']:,} to choose from, {found['replications']} "
        f"replications each, seed {found['seed']}",
        kept=KEPT[found["status"]],
        headline="Every requirement is kept" if best else "No cluster surely keeps every requirement",
        verdict=f"{_sentence(answer(found))}.",
        tiles=_tiles(found),
        notes=[],
        sections=[
            Section("price", "What do clusters give for their price?", figures=_figures(found)),
            Section("clusters", "What does each cluster miss?", _how_judged(found), tables=[_clusters(found)]),
            Section("rest", "The clusters that were not simulated", _rest(found)),
            Section("scenario", "The scenario", verbatim=scenario),
        ],
        footer="A requirement is judged by its interval over replications of the same requests for every cluster.",
    )


def _tiles(found: PlanSummary) -> list[Tile]:
    best = found["best"]
    if best is None:
        return [Tile("Required", text) for text in found["requirements"]]
    price = Tile(_sentence(PRICES[found["objective"]]), number(best["objective"], found["unit"]))
    kept = [
        Tile(r["path"], number(r["mean"]), f"required {r['operator']} {r['bound']:.10g}") for r in best["requirements"]
    ]
    return [price, Tile("GPUs", f"{best['gpus']:,}"), *kept]


def _figures(found: PlanSummary) -> list[Figure]:
    import polars as pl

    names = {"cluster": pl.String, "objective": pl.Float64, "answer": pl.Boolean}
    names |= {"mean": pl.Float64, "low": pl.Float64, "high": pl.Float64, "verdict": pl.String}
    figures = []
    for k, said in enumerate(found["clusters"][0]["requirements"]):
        rows = [
            {"cluster": cluster(c), "objective": c["objective"], "answer": c == found["best"]} | c["requirements"][k]
            for c in found["clusters"]
        ]
        frame = pl.DataFrame([{n: row[n] for n in names} for row in rows], schema=names)
        figures.append(against_price(frame, said["path"], said["bound"], found["unit"], PRICES[found["objective"]]))
    return figures


def _how_judged(found: PlanSummary) -> str:
    return (
        f"A requirement is met only if its whole {100 * found['level']:.0f} % interval keeps to it, missed only if the "
        "whole interval does not, and uncertain otherwise."
    )


def _clusters(found: PlanSummary) -> Table:
    """Every cluster that was simulated, cheapest first."""
    shown = found["clusters"][:MOST_ROWS]
    told = [
        [
            cluster(c) + (" (the answer)" if c == found["best"] else ""),
            number(c["objective"]),
            _misses(c),
            *(spread(r) for r in c["requirements"]),
        ]
        for c in shown
    ]
    left = f" (the first {MOST_ROWS} of {len(found['clusters']):,})" if len(found["clusters"]) > len(shown) else ""
    header = ["cluster", found["unit"], "misses", *found["requirements"]]
    return Table(f"Clusters that were simulated, cheapest first{left}", header, told)


def _misses(candidate: Cluster) -> str:
    """The requirements that it does not surely keep."""
    judged = candidate["requirements"]
    reasons = {r["reason"] or "" for r in judged if r["verdict"] == "failed" and r["mean"] is None}
    missed = [r["requirement"] for r in judged if r["verdict"] == "failed"]
    perhaps = [f"perhaps {r['requirement']}" for r in judged if r["verdict"] == "uncertain"]
    why = f" ({'; '.join(sorted(reasons))})" if reasons else ""
    return ", ".join([*missed, *perhaps]) + why or "nothing"


def _rest(found: PlanSummary) -> str:
    counts = found["counts"]
    said = f"{counts['simulated']:,} of {counts['candidates']:,} clusters were simulated"
    said += f"; left out: {left_out(counts)}." if left_out(counts) else "."
    return " ".join([said, *(f"{_sentence(text)}." for text in found["assumptions"])])


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
