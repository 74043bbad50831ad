"""The report of a fleet for each policy: what each costs, gives and is made of, and how to run it."""

from __future__ import annotations

from messsim.shapes.studies import Cluster, Fleets, PlanSummary
from messsim.wording import cost, cost_heading, percent, request_unit

from ..base.page import Page, Section, Table, Tile
from ..plan.answer import answer, cluster, mean_replicas_of, plan_command
from ..plan.words import bound_in_words, figure_in_words, name_of
from ..study.points import spread
from .fleets import half_of

__all__ = ["fleets_page"]


def fleets_page(fleets: Fleets, *, scenario: str) -> Page:
    """The report of ``compare --fleets``; `scenario`: as TOML, that of the first policy."""
    bests = {e["policy"]: best for e in fleets["policies"] if (best := e["plan"]["best"]) is not None}
    cheapest = fleets["best"]
    one = f"{cheapest} needs the cheapest fleet"
    if len(bests) == 1 < len(fleets["policies"]):
        one = f"Only {cheapest} has a fleet that keeps every requirement"
    alike = [p for p, c in bests.items() if cheapest and c["objective"] == bests[cheapest]["objective"]]
    if len(alike) > 1:
        one = f"{', '.join(alike[:-1])} and {alike[-1]} need fleets at one price"
    sure = half_of(fleets["replications"])
    return Page(
        title=fleets["scenario"],
        subtitle=f"A fleet for each of {len(fleets['policies'])} policies, {fleets['replications']} replications each, "
        + ("each tenant with a promise" if fleets["alpha"] is None else f"{percent(fleets['alpha'], 2)} promised"),
        kept=bool(bests),
        headline=one if bests else "No fleet surely keeps every requirement",
        verdict=f"Each policy has the cheapest of its fleets that keeps: {', '.join(_required(fleets))}.",
        tiles=[_tile(e["policy"], e["plan"], fleets["unit"]) for e in fleets["policies"]],
        notes=[],
        sections=[
            Section("fleets", "What does each policy need?", tables=[_needs(fleets)]),
            Section("figures", "What do the fleets give?", tables=[_gives(fleets)]),
            *_commands(bests),
            Section("scenario", "The scenario", verbatim=scenario),
        ],
        footer=f"{sure[0].upper()}{sure[1:]}. "
        "messsim report on the directory of a policy tells which other fleets were simulated.",
    )


def _tile(policy: str, plan: PlanSummary, unit: str) -> Tile:
    best = plan["best"]
    if best is None:
        return Tile(policy, "undecided" if plan["status"] == "uncertain" else "no fleet")
    return Tile(policy, cost(best["objective"], unit), f"{best['gpus']:,} GPUs")


def _required(fleets: Fleets) -> list[str]:
    clusters = [c for e in fleets["policies"] for c in e["plan"]["clusters"]]
    if not clusters:
        return fleets["requirements"]
    judged = clusters[0]["requirements"]
    return [f"{name_of(r['path'])} {bound_in_words(r['path'], r['operator'], r['bound'])}" for r in judged]


def _needs(fleets: Fleets) -> Table:
    rows = []
    for entry in fleets["policies"]:
        best = entry["plan"]["best"]
        price = [cost(best["objective"], fleets["unit"]), f"{best['gpus']:,}"] if best else ["-", "-"]
        rows.append([entry["policy"], *price, cluster(best) if best else answer(entry["plan"])])
    return Table("The cheapest fleet of each policy", ["policy", "price", "GPUs", "fleet"], rows)


def _gives(fleets: Fleets) -> Table:
    scale, rows = request_unit(fleets["cost_unit"])[0], []
    means = mean_replicas_of([best for e in fleets["policies"] if (best := e["plan"]["best"]) is not None])
    for entry in fleets["policies"]:
        if (best := entry["plan"]["best"]) is None:
            continue
        f = best["figures"]
        asked = [figure_in_words(r["path"], r["mean"]) for r in best["requirements"]]
        kept = f"{best['kept']} of {fleets['replications']}"
        costs = [spread(f["cost.per_request"], scale), spread(f["latency_s.e2e.p95"])]
        sizes = [spread(f.get(path)) for path in means.values()]
        rows.append([entry["policy"], *asked, kept, *costs, *sizes])
    cost_head = cost_heading(fleets["cost_unit"])
    header = ["policy", *_required(fleets), "promise kept in", cost_head, "end-to-end p95, s", *means]
    return Table("Figures of these fleets", header, rows)


def _commands(bests: dict[str, Cluster]) -> list[Section]:
    """How to run each answer."""
    lines = [plan_command(c, ["messsim", "run", f"{_folder(p)}/scenario.toml"]) for p, c in bests.items()]
    if not lines:
        return []
    text = "In the directory of the study, which has the scenario of each policy as it was planned for:"
    return [Section("run", "The commands that run the answers", text, verbatim="\n".join(lines), shown=True)]


def _folder(policy: str) -> str:
    return policy.rpartition("/")[2]
