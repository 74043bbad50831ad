"""What a plan found: the cheapest cluster, and what a cheaper or a dearer one gives."""

import shlex
from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType

from messsim.results.rent import pool_of
from messsim.scenario.overrides import format_value
from messsim.shapes.studies import Cluster, PlanCounts, PlanSummary, PoolChoice
from messsim.wording import cost, percent

from ..base.screen import Text
from ..base.tables import Fitting, number
from ..study.points import spread

__all__ = ["answer", "best_so_far", "cluster", "left_out", "mean_replicas_of", "plan_command", "plan_tables"]

MOST_LINES = 12
STYLES = {"met": "green", "uncertain": "yellow", "failed": ""}
ANSWERS = {"met": "bold green", "uncertain": "bold yellow", "failed": "bold red"}


def plan_tables(plan: PlanSummary) -> RenderableType:
    """The answer, the frontier around it, and what the answer rests on."""
    parts: list[RenderableType] = [
        Text(answer(plan), style=ANSWERS[plan["status"]]),
        Text(),
        _frontier(plan),
        Text(),
        _counts(plan),
    ]
    parts += [Text(f"- {text}", style="dim") for text in plan["assumptions"]]
    return Group(*parts)


def best_so_far(replicas: Mapping[str, int] | None, value: float | None, simulated: int, unit: str) -> Text:
    """The best cluster while a plan goes on."""
    many = f"{simulated:,} cluster{'s' * (simulated != 1)} simulated"
    if replicas is None:
        return Text(f"best so far: none keeps every requirement; {many}")
    names = ", ".join(f"{count} x {pool}" if count else f"no {pool}" for pool, count in replicas.items())
    price = f"{cost(value, 'J')} a run" if unit == "J a run" else number(value, unit)
    return Text(f"best so far: {names}; {price}; {many}")


def plan_command(best: Cluster, command: Sequence[str]) -> str:
    """The command that runs the best cluster; `command` runs the scenario as it was given."""
    sets = [word for path, v in best["overrides"].items() for word in ("--set", f"{path}={format_value(v)}")]
    return shlex.join([*command, *sets])


def answer(plan: PlanSummary) -> str:
    """The answer of a plan in a sentence."""
    best = plan["best"]
    if best is not None:
        price = cost(best["objective"], plan["unit"])
        return f"cheapest cluster that keeps every requirement: {cluster(best)}; {price}"
    if plan["status"] == "uncertain":
        return "no cluster surely keeps every requirement, some may: more --seeds would tell"
    return "no cluster of these keeps every requirement"


def cluster(candidate: Cluster) -> str:
    """What a cluster consists of."""
    return ", ".join(f"{p['pool']} {_kind(p)}" for p in candidate["pools"])


def _kind(pool: PoolChoice) -> str:
    most = pool.get("most")
    if not pool["replicas"] and most is None:
        return "left out"
    gpus = f"{pool['gpu'] or 'GPU'}" + (f"/tp{pool['tp']}" if pool["tp"] > 1 else "")
    return f"{pool['replicas']}{'' if most is None else f' to {most}'} x {gpus}"


def _frontier(plan: PlanSummary) -> RenderableType:
    shown = _around(plan["frontier"], plan["best"])
    if not shown:
        return Text("every cluster that was simulated stopped with an error", style="yellow")
    pools = [p["pool"] for p in shown[0]["pools"]]
    means = mean_replicas_of(shown)
    unit = "energy" if plan["unit"] == "J" else plan["unit"]
    columns = [*pools, "GPUs", *means, unit, *plan["requirements"], "verdict"]
    table = Fitting(columns, spare=[*list(means)[::-1], "GPUs", *plan["requirements"][:0:-1]], left=len(pools))
    for c in shown:
        figures = [spread(v) for v in c["requirements"]]
        bold = "bold " if c == plan["best"] else ""
        sizes = [f"{c['gpus']:,}", *(spread(c["figures"].get(path)) for path in means.values())]
        cells = [*map(_kind, c["pools"]), *sizes, _price(c, plan["unit"]), *figures, c["verdict"]]
        table.add_row(*cells, style=f"{bold}{STYLES[c['verdict']]}".strip())
    return table


def mean_replicas_of(clusters: Sequence[Cluster]) -> dict[str, str]:
    """Heads of columns and paths of figures: mean replicas of the pools that change their size in any of these."""
    paths = dict.fromkeys(path for c in clusters for path in c["figures"])
    return {f"mean replicas, {pool}": path for path in paths if (pool := pool_of(path))}


def _price(candidate: Cluster, unit: str) -> str:
    return cost(candidate["objective"], unit) if unit == "J" else number(candidate["objective"])


def _around(frontier: list[Cluster], best: Cluster | None) -> list[Cluster]:
    """A window of the frontier around the best; without one, its dearest end, which fails least."""
    at = len(frontier) - 1 if best is None else frontier.index(best)
    first = max(min(at - MOST_LINES // 2, len(frontier) - MOST_LINES), 0)
    return frontier[first : first + MOST_LINES]


def _counts(plan: PlanSummary) -> Text:
    c = plan["counts"]
    rest = f"; left out: {left_out(c)}" if left_out(c) else ""
    once = sum(cluster["replications"] < plan["replications"] for cluster in plan["clusters"])
    least = f" ({once:,} of them 1: what they missed in it others cannot make up for)" if once else ""
    lines = [
        f"{c['simulated']:,} of {c['candidates']:,} clusters simulated, {plan['replications']} replications each on "
        f"the same requests{least}{rest}",
        f"a requirement on satisfaction is met where {percent(plan['kept_share'], 0)} of the replications keep to it, "
        f"any other only if its whole {100 * plan['level']:.0f} % interval does",
    ]
    return Text("\n".join(lines), style="dim")


def left_out(counts: PlanCounts) -> str:
    """How many clusters were not simulated, and why."""
    why = {
        "cost no less": counts["costlier"],
        "too small for the load": counts["too_small"],
        "by assumption": counts["assumed"],
    }
    return ", ".join(f"{count:,} {reason}" for reason, count in why.items() if count)
