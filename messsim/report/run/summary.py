"""Summaries as Rich tables."""

import math

from rich.console import Group, RenderableType
from rich.table import Table

from messsim.summary import (
    PERCENTILES,
    Cost,
    LatencyName,
    LongRun,
    RouterTimes,
    Sla,
    StaticChoice,
    Summary,
    Transfers,
    Windows,
)
from messsim.wording import cost as amount
from messsim.wording import cost_heading, per_request, rate, request_unit, together, virtual_queue

from ..base.screen import Text
from ..base.tables import Fitting, grid, number, percent, seconds
from .verdict import unanswered, verdict

__all__ = ["run_summary"]

MOST_TENANTS = 20  # in the table of a terminal


def run_summary(summary: Summary, notes: list[str]) -> RenderableType:
    """Verdict first, then cost, who answered, and how long it took."""
    parts: list[RenderableType] = [_verdict(summary)]
    parts += [Text(f"note: {note}", style="yellow") for note in notes]
    parts += [Text(), _figures(summary), Text(), _models(summary)]
    if summary["pools"]:
        parts += [Text(), _latencies(summary)]
    if len(summary["tenants"]) > 1:
        parts += [Text(), _tenants(summary)]
    parts.append(_performance(summary))
    return Group(*parts)


def _verdict(summary: Summary) -> Text:
    judged = verdict(summary)
    if judged.kept is None:
        return Text(f"SLA: {judged.text}", style="bold yellow")
    style = "bold green" if judged.kept else "bold red"
    return Text(f"SLA {'kept' if judged.kept else 'missed'}: {judged.text}", style=style)


def _figures(summary: Summary) -> Table:
    figures, sla, cost, requests = grid(), summary["sla"], summary["cost"], summary["requests"]
    arrived = f"{requests['arrived']:,} arrived, {requests['completed']:,} completed"
    rest = unanswered(requests)
    if requests["attempts"] > requests["arrived"]:
        rest.append(f"{requests['attempts']:,} attempts")
    figures.add_row("requests", ", ".join([arrived, *rest, f"{requests['explored']:,} explored"]))
    if summary["router"]["utilization"] is not None:
        figures.add_row("router", _router(summary["router"]))
    if summary["transfers"]["begun"]:
        figures.add_row("transfers", _transfers(summary["transfers"]))
    if (done := summary["throughput"])["duration_s"] is not None:
        tokens = rate(done["output_tokens_per_s"], " output tokens")
        figures.add_row("throughput", f"{rate(done['requests_per_s'])}, {tokens}, over {seconds(done['duration_s'])}")
    if summary["cache"]["hit_rate"] is not None:
        figures.add_row("prefix cache", f"held {percent(summary['cache']['hit_rate'])} of all prompt tokens")
    figures.add_row("certificate", _certificate(sla))
    since = sla["time_to_compliance"]
    when = "never" if since is None else f"from request {since:,} on"
    figures.add_row("kept for good", f"{when}{together(len(summary['tenants']))}")
    if sla["windows"] is not None:
        figures.add_row("windows", _windows(sla["windows"]))
    begun = f"{number(sla['queue_initial'])} to begin with, " if sla["queue_initial"] else ""
    queue_words = virtual_queue(sla["queue_final"], sla["queue_max"], len(summary["tenants"]))
    figures.add_row("virtual queue", f"{begun}{queue_words}")
    unit = cost["unit"]
    parts = [f"{amount(cost['exploration'], unit)} exploring"]
    parts += [f"{amount(cost['idle'], unit)} idle"] if cost["idle"] is not None else []
    parts += [f"{amount(cost['lost'], unit)} lost"] if cost["lost"] else []
    figures.add_row("cost", f"{amount(cost['total'], unit)} ({', '.join(parts)})")
    figures.add_row("cost per request", per_request(cost["per_request"], unit))
    if cost["rent_usd_per_hour"] is not None:
        figures.add_row("rent", _rent(summary))
    if cost["ratio_to_oracle"] is not None or not summary["pools"]:
        figures.add_row("cost vs oracle", _oracle(cost))
    if "without_router" in cost:
        figures.add_row("without router", _without_router(cost))
    energy = summary["energy"]
    if energy["j_per_output_token"]:
        tag = "" if energy["measured"] else "; energy of some pools is assumed, not measured"
        figures.add_row("energy", f"{number(energy['j_per_output_token'], 'J')} per output token{tag}")
    if cost["usd_per_million_tokens"] is not None:
        figures.add_row("price", f"{number(cost['usd_per_million_tokens'], 'USD')} per million tokens")
    slo = summary["slo"]
    if slo["attainment"] is not None:
        figures.add_row("SLO", f"{percent(slo['attainment'])} within, goodput {rate(slo['goodput_rps'])}")
    return figures


def _transfers(transfers: Transfers) -> str:
    return (
        f"{transfers['begun'] or 0:,} from prefill to decode, {seconds(transfers['transfer_s'])} each, after a wait of "
        f"{seconds(transfers['wait_s'])} in the mean"
    )


def _router(router: RouterTimes) -> str:
    return (
        f"busy {percent(router['utilization'])} of the time, {seconds(router['decision_s'])} a decision, waits "
        f"{seconds(router['wait_s'])} in the mean"
    )


def _certificate(sla: Sla) -> str:
    bound = sla["certificate"]
    if not sla["rated"]:
        return "none: no answer was rated"
    if bound is None:
        return f"none: raters err; they say that {percent(sla['satisfaction_rated'], 2)} of {sla['rated']:,} satisfied"
    if bound <= 0:
        return "vacuous: the queue is longer than the promise"
    return f"at least {percent(bound, 2)} of the {sla['rated']:,} rated answers, on this very path"


def _windows(windows: Windows) -> str:
    """How often the promise was missed for a while."""
    length, count = windows["window_s"], windows["count"]
    kind = f"periods of {seconds(length)}" if length else f"stretches of {windows['window_requests']:,} answers"
    if not count:
        return f"none: the run is shorter than {kind}"
    return (
        f"{windows['violated']:,} of {count:,} {kind} miss the promise ({percent(windows['violation_rate'])}), "
        f"{percent(windows['worst'], 2)} satisfied in the worst"
    )


def _rent(summary: Summary) -> str:
    cost = summary["cost"]
    pools = summary["pools"]
    gpus = sum(p["gpus_per_replica"] * p["mean_replicas"] for p in pools)
    changes = any(p["mean_replicas"] != p["replicas"] for p in pools)
    fleet = f"{gpus:.1f} GPUs on average" if changes else f"{gpus:.0f} GPUs"
    fixed = ", whatever the router does: only another fleet costs less" if cost["fixed"] else ""
    return f"{number(cost['rent_usd_per_hour'], 'USD')} an hour for {fleet}{fixed}"


def _oracle(cost: Cost) -> str:
    """What as much satisfaction costs the clairvoyant oracle, a router that always knows who is right."""
    least, ratio = cost["oracle_per_request"], cost["ratio_to_oracle"]
    if least is None or ratio is None:
        return "none: nobody was answered, or more were satisfied than any router could of all arrivals"
    return f"{number(ratio)} times the oracle's {per_request(least, cost['unit'])} at equal satisfaction"


def _without_router(cost: Cost) -> str:
    """What the same requests cost in the same cluster, by choices made beforehand."""
    without_router, unit = cost["without_router"], cost["unit"]
    if without_router["left_out"] is not None:
        return f"not simulated: {without_router['left_out']}"
    single, mix = without_router["best_single"], without_router["static_mix"]
    if mix is None:
        return "no model, and no fixed mix of them, keeps the promise"
    best = f"best fixed mix {_rival(mix, unit)}"
    if single is None:
        return f"{best}; no model alone keeps the promise"
    return f"{single['model'] or 'each tenant its model'} alone {_rival(single, unit)}\n{best}"


def _rival(choice: StaticChoice, unit: str) -> str:
    """Its cost, and what that buys: whether the promise is kept, and how long answers take."""
    missed = [f"{percent(choice['satisfaction'], 2)} satisfied: missed"] if choice["kept"] is False else []
    slow = [f"end-to-end p95 {seconds(choice['e2e_p95_s'])}"] if choice["e2e_p95_s"] is not None else []
    bought = f" ({', '.join(missed + slow)})" if missed or slow else ""
    return f"{per_request(choice['per_request'], unit)}{bought}"


def _models(summary: Summary) -> RenderableType:
    unit = summary["cost"]["unit"]
    scale, _ = request_unit(unit)
    assumed = {p["model"] for p in summary["pools"] if not p["energy_measured"]}
    served = ("utilisation", "energy") if summary["pools"] else ()
    columns = ("model", "answered", "share", "satisfied", cost_heading(unit), *served)
    table = Fitting(columns, spare=[*reversed(served), "answered"])
    for m in summary["models"]:
        cells = [m["name"], f"{m['answered']:,}", percent(m["share"]), percent(m["satisfaction"])]
        cells.append(number(None if m["cost_per_request"] is None else scale * m["cost_per_request"]))
        if served:
            draws = m["energy_j"] or m["idle_energy_j"]
            cells += [
                percent(m["utilization"]),
                "-" if not draws else "assumed" if m["name"] in assumed else "measured",
            ]
        table.add_row(*cells)
    return table


def _latencies(summary: Summary) -> RenderableType:
    """Latencies; means with half of their interval, where they have a long run."""
    intervals = summary["intervals"]["latency_s"]
    width = ("± 95 %",) if intervals else ()
    table = Fitting(("latency", "mean", *width, *PERCENTILES), spare=("p90", "p50"))
    names: dict[LatencyName, str] = {"ttft": "TTFT", "tpot": "TPOT", "e2e": "end to end", "queueing": "queueing"}
    for key, name in names.items():
        values = summary["latency_s"][key]
        cells = [seconds(values["mean"]), *(seconds(values[p]) for p in PERCENTILES)]
        if intervals:
            cells.insert(1, _half_width(intervals[key]))
        table.add_row(name, *cells)
    warnings: dict[str, list[str]] = {}
    for key, interval in (intervals or {}).items():
        if interval and interval["warning"]:
            warnings.setdefault(interval["warning"], []).append(names[key])
    notes = [Text(f"note: {', '.join(of)}: {warning}", style="yellow") for warning, of in warnings.items()]
    return Group(table, *notes)


def _half_width(interval: LongRun | None) -> str:
    if interval is None or interval["low"] is None or interval["high"] is None:
        return "-"
    return seconds((interval["high"] - interval["low"]) / 2.0)


def _tenants(summary: Summary) -> RenderableType:
    """Of many tenants those with the least margin, in the order of the scenario."""
    everyone = summary["tenants"]
    by_margin = sorted(everyone, key=lambda t: math.inf if t["margin"] is None else t["margin"])
    worst = {t["name"] for t in by_margin[:MOST_TENANTS]}
    within = ("in time", "goodput") if any(t["slo"]["attainment"] is not None for t in summary["tenants"]) else ()
    columns = ("tenant", "answered", "promised", "satisfied", "certificate", "TTFT p95", *within)
    table = Fitting(columns, spare=("TTFT p95", "answered", "certificate"))
    for t in everyone:
        if t["name"] not in worst:
            continue
        slo = (percent(t["slo"]["attainment"]), rate(t["slo"]["goodput_rps"], "")) if within else ()
        table.add_row(
            t["name"],
            f"{t['answered']:,}",
            percent(t["alpha"]),
            percent(t["satisfaction"]),
            percent(t["certificate"]),
            seconds(t["latency_s"]["ttft"]["p95"]),
            *slo,
        )
    if len(everyone) == len(worst):
        return table
    return Group(table, Text(f"the {len(worst)} of {len(everyone):,} tenants with the least margin", style="dim"))


def _performance(summary: Summary) -> Text:
    p = summary["performance"]
    return Text(
        f"\n{summary['engine']} engine: {number(p['requests_per_s'])} requests/s, {seconds(p['wall_s'])}, "
        f"{p['peak_rss_mib']:.0f} MiB",
        style="dim",
    )
