"""Summaries as Rich tables."""

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

__all__ = ["number", "percent", "run_summary", "seconds"]


def percent(share: float | None, digits: int = 1) -> str:
    """A share as percent, or a dash."""
    return "-" if share is None else f"{100 * share:.{digits}f} %"


def number(value: float | None, unit: str = "") -> str:
    """Four significant digits, thousands set apart."""
    if value is None:
        return "-"
    digits = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{digits} {unit}".strip()


def seconds(value: float | None) -> str:
    """Milliseconds below a second."""
    if value is None:
        return "-"
    return f"{1000 * value:.3g} ms" if value < 1 else f"{value:,.3g} s"


def run_summary(summary: dict[str, Any], notes: list[str]) -> RenderableType:
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


def _verdict(summary: dict[str, Any]) -> Text:
    """Kept or missed; with several tenants, kept only if kept for each."""
    tenants = [t for t in summary["tenants"] if t["satisfaction"] is not None]
    if not tenants:
        return Text("SLA: nobody was answered", style="bold yellow")
    worst = min(tenants, key=lambda t: t["satisfaction"] - t["alpha"])
    margin = worst["satisfaction"] - worst["alpha"]
    kept = margin >= -1e-9  # sums of alpha are rounded
    who = f" to {worst['name']}" if len(tenants) > 1 else ""
    return Text(
        f"SLA {'kept' if kept else 'missed'}{who}: {percent(worst['satisfaction'], 2)} of answers satisfy, "
        f"{percent(worst['alpha'], 2)} were promised (margin {100 * margin:+.2f} points)",
        style="bold green" if kept else "bold red",
    )


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column()
    return grid


def _figures(summary: dict[str, Any]) -> Table:
    grid, sla, cost, requests = _grid(), summary["sla"], summary["cost"], summary["requests"]
    arrived = f"{requests['arrived']:,} arrived, {requests['completed']:,} completed"
    rest = [f"{requests[k]:,} {k.replace('_', ' ')}" for k in ("rejected", "lost", "in_flight") if requests[k]]
    grid.add_row("requests", ", ".join([arrived, *rest, f"{requests['explored']:,} explored"]))
    grid.add_row("certificate", _certificate(sla))
    since = sla["time_to_compliance"]
    grid.add_row("kept for good", "never" if since is None else f"from request {since:,} on")
    grid.add_row("virtual queue", f"{sla['queue_final']:.4g} at the end, {sla['queue_max']:.4g} at most")
    unit = cost["unit"]
    parts = [f"{number(cost['exploration'], unit)} exploring"]
    parts += [f"{number(cost['idle'], unit)} idle"] if cost["idle"] is not None else []
    parts += [f"{number(cost['lost'], unit)} lost"] if cost["lost"] else []
    grid.add_row("cost", f"{number(cost['total'], unit)} ({', '.join(parts)})")
    grid.add_row("cost per request", f"{number(cost['per_request'], unit)}{_single(cost)}")
    energy = summary["energy"]
    if energy["j_per_output_token"] is not None:
        tag = "" if energy["measured"] else "; energy of some pools is assumed, not measured"
        grid.add_row("energy", f"{number(energy['j_per_output_token'], 'J')} per output token{tag}")
    if cost["usd_per_million_tokens"] is not None:
        grid.add_row("price", f"{number(cost['usd_per_million_tokens'], 'USD')} per million tokens")
    slo = summary["slo"]
    if slo["attainment"] is not None:
        grid.add_row("SLO", f"{percent(slo['attainment'])} within, goodput {number(slo['goodput_rps'])} requests/s")
    return grid


def _certificate(sla: dict[str, Any]) -> str:
    bound = sla["certificate"]
    if bound is None:
        return "none: no answer was rated"
    if bound <= 0:
        return "vacuous: the queue is longer than the promise"
    return f"at least {percent(bound, 2)} of the {sla['rated']:,} rated answers, on this very path"


def _single(cost: dict[str, Any]) -> str:
    single, mix = cost["best_single"], cost["static_mix_per_request"]
    known = []
    if single["model"] is not None:
        known.append(f"{single['model']} alone {number(single['per_request'], cost['unit'])}")
    if mix is not None:
        known.append(f"best fixed mix {number(mix, cost['unit'])}")
    return f" (by known costs: {', '.join(known)})" if known else ""


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right")
    return table


def _models(summary: dict[str, Any]) -> Table:
    unit = summary["cost"]["unit"]
    assumed = {p["model"] for p in summary["pools"] if not p["energy_measured"]}
    table = _table("model", "answered", "share", "satisfied", f"{unit}/request", "utilisation", "energy figures")
    for m in summary["models"]:
        measured = "assumed" if m["name"] in assumed else "measured"
        table.add_row(
            m["name"],
            f"{m['answered']:,}",
            percent(m["share"]),
            percent(m["satisfaction"]),
            number(m["cost_per_request"]),
            percent(m["utilization"]),
            measured if summary["pools"] else "-",
        )
    return table


def _latencies(summary: dict[str, Any]) -> Table:
    table = _table("latency", "mean", "p50", "p90", "p95", "p99")
    names = {"ttft": "TTFT", "tpot": "TPOT", "e2e": "end to end", "queueing": "queueing"}
    for key, name in names.items():
        values = summary["latency_s"][key]
        table.add_row(name, *[seconds(values[k]) for k in ("mean", "p50", "p90", "p95", "p99")])
    return table


def _tenants(summary: dict[str, Any]) -> Table:
    table = _table("tenant", "answered", "promised", "satisfied", "certificate", "TTFT p95")
    for t in summary["tenants"]:
        table.add_row(
            t["name"],
            f"{t['answered']:,}",
            percent(t["alpha"]),
            percent(t["satisfaction"]),
            percent(t["certificate"]),
            seconds(t["latency_s"]["ttft"]["p95"]),
        )
    return table


def _performance(summary: dict[str, Any]) -> Text:
    p = summary["performance"]
    return Text(
        f"\n{summary['engine']} engine: {number(p['requests_per_s'])} requests/s, {p['wall_s']:.1f} s, "
        f"{p['peak_rss_mib']:.0f} MiB",
        style="dim",
    )
