"""What `messsim check` found, as tables."""

from rich.console import Group, RenderableType

from messsim.results.verdict import bounded_by
from messsim.shapes.checks import CheckedPool, CheckedPromise, Checklist
from messsim.wording import cost_heading, rate, request_unit

from ..base.screen import Text
from ..base.tables import Fitting, number, percent, seconds
from .starts import start_line
from .worth import bounds_of, sentences_of

__all__ = ["checklist"]


def checklist(checked: Checklist) -> RenderableType:
    """Promises, models, pools, and what to expect."""
    parts: list[RenderableType] = [_headline(checked)]
    parts += [Text(f"note: {note}", style="yellow") for note in checked["notes"]]
    several = len(checked["promises"]) > 1
    drawn = checked["worth"]["best_single"]["model"]
    parts += [_promise(p, p["single_model"] if several else drawn, several) for p in checked["promises"]]
    if checked["rent_usd_per_hour"] is not None:
        fixed = ", whatever the router does: only another fleet costs less" if checked["cost_fixed"] else ""
        parts.append(Text(f"rent: {number(checked['rent_usd_per_hour'], 'USD')} an hour{fixed}"))
    parts += [Text(), _models(checked)]
    if checked["pools"]:
        parts += [Text(), _pools(checked)]
        parts += [start_line(p["name"], p["start"]) for p in checked["pools"] if p["start"] is not None]
        parts += [_stability(p) for p in checked["pools"] if p["peak_load"] is not None and p["peak_load"] >= 0.9]
    parts += [Text(problem, style="bold red") for problem in checked["other_problems"]]
    parts += [Text(), *_worth(checked)]
    expect = checked["expect"]
    if expect["wall_s"] is not None:
        parts.append(
            Text(
                f"\nexpect about {seconds(expect['wall_s'])} and {expect['peak_rss_mib']:.0f} MiB "
                f"(from the first {expect['probe_requests']:,} requests, simulated here)",
                style="dim",
            )
        )
    return Group(*parts)


def _headline(checked: Checklist) -> Text:
    mean_rps, peak_rps = checked["rate_rps"], checked["peak_rate_rps"]
    pace = "as clients ask" if mean_rps is None else rate(mean_rps)
    if mean_rps is not None and peak_rps is not None and peak_rps > mean_rps:
        pace += f", {rate(peak_rps, '')} in the busiest minute"
    many = "" if checked["requests"] is None else f"{checked['requests']:,.0f} requests, "
    return Text(f"{checked['scenario']}: {many}{pace}, policy {checked['policy']}", style="bold")


def _promise(promise: CheckedPromise, drawn: str | None, several: bool) -> Text:
    """Can it be kept? `drawn` is the model that keeps it alone on the requests that this run draws."""
    alone = promise["single_model"]
    alpha = f"alpha = {promise['alpha']}" + (f" for {promise['tenant']}" if several else "")
    if not promise["reachable"]:
        most = percent(promise["most"])
        who = bounded_by(promise["most"], promise["best_model"], promise["any_model"])
        if who is not None:
            why = f"{who} reaches {most}, and nothing that a router sees tells where another does better"
            return Text(f"{alpha} cannot be kept: {why}", style="bold red")
        return Text(f"{alpha} cannot be kept: on {most} of requests is any model right, no more", style="bold red")
    if alone is not None:
        if drawn != alone:
            return Text(f"{alpha}: {alone} alone would keep it in the long run; in this run, {drawn or 'none'} would")
        return Text(f"{alpha}: {alone} alone would keep it", style="green")
    return Text(
        f"{alpha}: the best model reaches {percent(promise['best_model'])}, all together "
        f"{percent(promise['any_model'])}: it depends on how well the router predicts",
        style="yellow",
    )


def _models(checked: Checklist) -> RenderableType:
    columns = ("model", "satisfies", f"expected {cost_heading(checked['cost_unit'])}", "output tokens")
    table, scale = Fitting(columns, spare=("output tokens",)), request_unit(checked["cost_unit"])[0]
    for m in checked["models"]:
        cost = None if m["known_cost"] is None else scale * m["known_cost"]
        table.add_row(m["name"], percent(m["satisfaction"]), number(cost), number(m["mean_output_tokens"]))
    return table


def _pools(checked: Checklist) -> RenderableType:
    columns = ("pool", "GPUs", "KV tokens", "sustains", "gets", "load", "energy")
    table = Fitting(columns, spare=("energy", "KV tokens", "GPUs"))
    for p in checked["pools"]:
        table.add_row(
            p["name"],
            f"{p['gpus']} x {p['gpu']}",
            "no limit" if p["kv_capacity_tokens"] is None else f"{p['kv_capacity_tokens']:,}",
            "-" if p["capacity_rps"] is None else rate(p["capacity_rps"], ""),
            "-" if p["offered_rps"] is None else rate(p["offered_rps"], ""),
            percent(p["load"], 0),
            "measured" if p["energy_measured"] else "assumed",
        )
    return table


def _worth(checked: Checklist) -> list[RenderableType]:
    """Can a router pay here?"""
    table = Fitting(("who chooses", "an answer costs at least"))
    for row in bounds_of(checked["worth"]):
        table.add_row(*row)
    first, *rest = sentences_of(checked["worth"], checked["pools"])
    return [Text(first, style="bold"), table, *(Text(sentence) for sentence in rest)]


def _stability(pool: CheckedPool) -> Text:
    if (pool["load"] or 0.0) >= 1:
        return Text(f"pool {pool['name']} gets more than it can sustain: its queue grows", style="bold red")
    if (pool["peak_load"] or 0.0) >= 1:
        return Text(
            f"pool {pool['name']} gets more than it can sustain in its busiest minute "
            f"(load {percent(pool['peak_load'], 0)}): expect a queue then",
            style="yellow",
        )
    return Text(f"pool {pool['name']} is near saturation: expect long queues", style="yellow")
