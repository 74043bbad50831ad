"""A fleet for each policy, side by side."""

from rich.console import Group, RenderableType

from messsim.shapes.studies import Fleets
from messsim.wording import cost_heading, request_unit

from ..base.screen import Text
from ..base.tables import Fitting, number, percent
from ..plan.answer import answer, cluster, mean_replicas_of
from ..study.points import spread

__all__ = ["fleet_tables", "half_of"]


def half_of(replications: int) -> str:
    """What ± stands for, or that one replication has none."""
    if replications == 1:
        return "one replication says nothing of chance: --seeds 5 gives intervals"
    return f"± is half of a 95 % interval over {replications} replications, the same requests for all"


def fleet_tables(fleets: Fleets) -> RenderableType:
    """What each policy's cheapest fleet is, costs and gives; then the fleets in words."""
    n = fleets["replications"]
    head = f"{fleets['scenario']}: for each policy the cheapest fleet with {', '.join(fleets['requirements'])}"
    means = mean_replicas_of([best for e in fleets["policies"] if (best := e["plan"]["best"]) is not None])
    columns = [
        "policy",
        "GPUs",
        *means,
        fleets["unit"],
        "satisfied",
        "kept",
        cost_heading(fleets["cost_unit"]),
        "end-to-end p95, s",
    ]
    table = Fitting(columns, spare=["kept", *list(means)[::-1]])
    words = []
    for entry in fleets["policies"]:
        plan = entry["plan"]
        if (best := plan["best"]) is None:
            table.add_row(entry["policy"], *["-"] * (len(columns) - 1))
            words.append(f"{entry['policy']}: {answer(plan)}")
            continue
        f = best["figures"]
        satisfied = f["sla.satisfaction"]
        table.add_row(
            entry["policy"],
            f"{best['gpus']:,}",
            *(spread(f.get(path)) for path in means.values()),
            number(best["objective"]),
            percent(satisfied["mean"], 2) if satisfied else "-",
            f"{best['kept']} of {n}",
            spread(f["cost.per_request"], request_unit(fleets["cost_unit"])[0]),
            spread(f["latency_s.e2e.p95"]),
        )
        words.append(f"{entry['policy']}: {cluster(best)}")
    notes = [half_of(n)]
    notes += dict.fromkeys(a for e in fleets["policies"] for a in e["plan"]["assumptions"] if "checked" not in a)
    return Group(
        Text(head, style="bold"),
        Text(),
        table,
        Text(),
        *map(Text, words),
        Text(),
        *(Text(t, style="dim") for t in notes),
    )
