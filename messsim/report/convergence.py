"""What replications showed of the promise: on the terminal, and as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from messsim.plot.figure import library
from messsim.plot.replications import charts_of
from messsim.scenario import Scenario, dump, notes_of
from messsim.shapes.evidence import ConvergenceSummary, Quantile, Quantity
from messsim.wording import half_width, number, percent, request_unit, scaled_unit

from .base.page import Page, Section, Table, Tile, html
from .base.screen import Text
from .base.tables import Fitting, grid

if TYPE_CHECKING:
    import polars as pl

    from messsim.study.converge.convergence import Convergence

__all__ = ["convergence_page", "convergence_report", "convergence_table", "page_of"]

QUANTITIES: dict[Quantity, str] = {
    "satisfaction": "satisfied",
    "certificate": "certificate",
    "queue": "virtual queue",
    "cost_per_request": "cost of an answer",
}
QUANTILES: dict[Quantile, str] = {"p05": "5 %", "p25": "25 %", "p50": "50 %", "p75": "75 %", "p95": "95 %"}


def convergence_table(convergence: ConvergenceSummary) -> RenderableType:
    """How often the promise was kept, since when, and how the runs ended."""
    kept = convergence["kept"]
    style = "bold green" if kept["share"] == 1 else "bold red" if kept["share"] == 0 else "bold yellow"
    figures = grid()
    figures.add_row("true probability", f"{percent(kept['low'])} to {percent(kept['high'])} (95 % interval)")
    figures.add_row("kept for good", _since(convergence))
    table = Fitting(("at the end", "mean", *QUANTILES.values()), spare=("25 %", "75 %"))
    for row in _ends(convergence):
        table.add_row(*row)
    return Group(
        Text(
            f"SLA of {percent(convergence['alpha'], 2)} satisfying answers kept in {_share(convergence)}", style=style
        ),
        Text(),
        figures,
        Text(),
        table,
    )


def _share(convergence: ConvergenceSummary) -> str:
    return f"{convergence['kept']['runs']} of {convergence['replications']} runs"


def _since(convergence: ConvergenceSummary) -> str:
    since = convergence["time_to_compliance"]
    since_when = [
        f"{share} of runs from request {since[p]:,.0f}" for p, share in QUANTILES.items() if since[p] is not None
    ]
    never = f"{since['never']} never" if since["never"] else ""
    return ", ".join(filter(None, [*since_when[::2], never])) or "never"


def _ends(convergence: ConvergenceSummary) -> list[list[str]]:
    rows = []
    for key, name in QUANTITIES.items():
        spread = convergence["end"][key]
        if spread is None:
            continue
        scale, unit = _scale(convergence) if key == "cost_per_request" else (1.0, "")
        share = key in ("satisfaction", "certificate")
        values = [_times(scale, v) for v in (spread["mean"], *(spread[p] for p in QUANTILES))]
        cells = [percent(v, 2) if share else number(v, unit) for v in values]
        half = spread["high"] - spread["mean"] if spread["high"] is not None else None
        if half is not None:
            cells[0] += f" ± {half_width(100 * half if share else scale * half)}"
        rows.append([name, *cells])
    return rows


def convergence_report(convergence: Convergence, scenario: Scenario) -> dict[str, bytes]:
    """The page beside a study, by the name of its file."""
    library()
    return {"report.html": html(page_of(convergence, scenario))}


def page_of(convergence: Convergence, scenario: Scenario) -> Page:
    """The report of a study that was made or read."""
    return convergence_page(convergence.summary, convergence.curves, dump(scenario), notes_of(scenario))


def _scale(convergence: ConvergenceSummary) -> tuple[float, str]:
    """By what to multiply the cost of an answer, and its unit then."""
    return request_unit(convergence["cost_unit"])[0], scaled_unit(convergence["cost_unit"])


def _times(scale: float, value: float | None) -> float | None:
    return None if value is None else scale * value


def convergence_page(convergence: ConvergenceSummary, curves: pl.DataFrame, scenario: str, notes: list[str]) -> Page:
    """The report of ``converge``.

    Parameters
    ----------
    convergence
        What ``--json`` prints.
    curves
        From `messsim.study.converge.aligned`.
    scenario
        As TOML.
    notes
        What the scenario deserved to be told.
    """
    kept, since = convergence["kept"], convergence["time_to_compliance"]
    figures = [draw(curves, convergence) for draw in charts_of(curves).values()]
    mean = "mean ± half of its 95 % interval" if convergence["replications"] > 1 else "of one replication"
    table = Table("Figures at the end of the runs", ["figure", mean, *QUANTILES.values()],
                  _ends(convergence))  # fmt: skip
    return Page(
        title=convergence["scenario"],
        subtitle=f"Convergence study: {convergence['replications']} replications of {convergence['requests']:,} "
        f"requests, policy "
        f"{convergence['policy']}, seed {convergence['seed']}",
        kept=True if kept["share"] == 1 else False if kept["share"] == 0 else None,
        headline=f"Promise kept in {_share(convergence)}",
        verdict=f"{percent(convergence['alpha'], 2)} of answers were promised to satisfy. The probability that a run "
        f"keeps "
        f"the promise is between {percent(kept['low'])} and {percent(kept['high'])} (95 % interval).",
        tiles=_tiles(convergence),
        notes=notes,
        sections=[
            Section("convergence", "How does it converge?", figures=figures[:2], wide=True),
            Section("queue", "What is owed, and what it costs", figures=figures[2:]),
            Section("end", "How the runs ended", tables=[table]),
            Section("scenario", "The scenario", verbatim=scenario),
        ],
        footer=f"messsim {convergence['version']}. The same scenario, seed and version give the same figures. "
        f"{since['never']} of {convergence['replications']} runs never kept their promise for good.",
    )


def _tiles(convergence: ConvergenceSummary) -> list[Tile]:
    since, end = convergence["time_to_compliance"], convergence["end"]
    shares: tuple[tuple[str, Quantile], ...] = (("Half", "p50"), ("95 %", "p95"))
    tiles = [
        Tile(f"{share} keep it from request", f"{from_request:,.0f}", "on, to their end")
        if (from_request := since[p]) is not None
        else Tile(f"{share} keep it", "fewer do", "from some request to their end")
        for share, p in shares
    ]
    if (satisfied := end["satisfaction"]) is not None:
        note = f"90 % of runs: {percent(satisfied['p05'], 2)} to {percent(satisfied['p95'], 2)}"
        tiles.append(Tile("Satisfied at the end", percent(satisfied["mean"], 2), note))
    if (queue := end["queue"]) is not None:
        note = f"95 % of runs: {number(queue['p95'])} at most"
        tiles.append(Tile("Virtual queue at the end", number(queue["mean"]), note))
    if end["cost_per_request"] is not None:
        spread, (scale, unit) = end["cost_per_request"], _scale(convergence)
        note = f"90 % of runs: {number(_times(scale, spread['p05']))} to {number(_times(scale, spread['p95']))}"
        tiles.append(Tile("Cost of an answer", number(scale * spread["mean"], unit), note))
    return tiles
