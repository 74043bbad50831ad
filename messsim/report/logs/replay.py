"""MESS+ in shadow on a log, as tables."""

from rich.console import Group, RenderableType
from rich.padding import Padding

from messsim.shapes.logs import Baselines, Replay, ReplayFigures, Shadow

from ..base.screen import Text
from ..base.tables import Fitting, grid, number, percent

__all__ = ["replayed"]

KINDS = {
    "all outcomes": "the log has the outcome of every model: what MESS+ would have done is known exactly",
    "random": "the log's router chose at random: the requests on which MESS+ agrees are a fair sample",
    "propensities": "the log's router chose at random with known probabilities: rows are accepted by them, and those "
    "on which MESS+ agrees are a fair sample",
    "one outcome": "the log has one outcome a request: MESS+ in shadow, its own outcomes unknown",
}


def replayed(replay: Replay) -> RenderableType:
    """What the log supports, then what it cannot."""
    promise = f"{percent(replay['alpha'], 2)} promised, V = {replay['V']:g}"
    head = f"{replay['requests']:,} requests, {promise}: {KINDS[replay['kind']]}"
    parts: list[RenderableType] = [Text(head, style="bold"), Text("")]
    known: tuple[tuple[str, ReplayFigures | None], ...] = (("logged", replay["logged"]), ("mess+", replay["mess_plus"]))
    routers = [(name, figures) for name, figures in known if figures is not None]
    parts += [_routers(routers), Text("")]
    if replay["shadow"] is not None:
        parts += [_shadow(replay["shadow"]), Text("")]
    parts.append(_shares(replay, routers))
    if "baselines" in replay:
        parts += [Text(""), _baselines(replay["baselines"])]
    parts += [Text(f"note: {note}", style="yellow") for note in replay["notes"]]
    for refusal in replay["refused"]:
        parts += [Text(""), Text(f"refused: {refusal['what']}", style="yellow")]
        parts.append(Padding(Text(refusal["why"], style="dim"), (0, 0, 0, 2)))
    return Group(*parts)


def _routers(routers: list[tuple[str, ReplayFigures]]) -> Fitting:
    columns = ["router", "requests", "rated", "satisfied", "short by", "kept from"]
    columns += ["cost a request", "cost of exploring"]
    table = Fitting(columns, spare=["cost of exploring", "rated"])
    for name, f in routers:
        kept = f["time_to_compliance"]
        table.add_row(
            name,
            f"{f['requests']:,}",
            f"{f['rated']:,}",
            percent(f["satisfaction"], 2),
            percent(f["shortfall"], 2),
            "never" if kept is None else f"{kept:,}",
            number(f["cost_per_request"]),
            number(f["exploration_cost"]),
        )
    return table


def _shadow(shadow: Shadow) -> RenderableType:
    table = grid()
    table.add_row("agreement", percent(shadow["agreement"]))
    table.add_row("cost of its choices", f"{number(shadow['cost_per_request'])} a request, by expected costs")
    table.add_row("queue Q at the end", number(shadow["queue_final"]) + ", from the answers that users got")
    if (ips := shadow["ips"]) is not None:
        error = percent(ips["standard_error"], 2)
        table.add_row(
            "satisfied, by inverse propensity",
            f"{percent(ips['satisfaction'], 2)}, error {error}, worth {ips['effective_sample_size']:,.0f} requests",
        )
    table.add_row("predictor", f"log loss {number(shadow['log_loss'])}, AUC {number(shadow['auc'])}")
    return table


def _shares(replay: Replay, routers: list[tuple[str, ReplayFigures]]) -> Fitting:
    table = Fitting(["who answers", *replay["models"]])
    rows = [(name, figures["shares"]) for name, figures in routers]
    rows += [("mess+ in shadow", replay["shadow"]["shares"])] if replay["shadow"] else []
    for name, shares in rows:
        table.add_row(name, *map(percent, shares))
    return table


def _baselines(baselines: Baselines) -> RenderableType:
    table, single = grid(), baselines["best_single"]
    alone = (
        "no model keeps the promise alone"
        if single is None
        else f"{number(single['cost_per_request'])} ({single['model']})"
    )
    table.add_row("best single model", alone)
    table.add_row("best fixed mix", number(baselines["static_mix_per_request"]))
    table.add_row("oracle", number(baselines["oracle_per_request"]))
    table.add_row("mess+ / oracle", f"{number(baselines['ratio_to_oracle'])} at its own satisfaction")
    return table
