"""Pictures of the orders that the paper proves, each beside what was measured (extra `plot`)."""

import math
from typing import Any, TypedDict

from messsim.plot.files import svg_of
from messsim.plot.theme import LIGHT, Specification
from messsim.shapes.evidence import TheoryPoint, TheorySummary

from ..base.pictures import needs_altair
from .theory import PICTURES, OrderName

__all__ = ["theory_svg"]

WIDTH, NARROW, HEIGHT = 460, 260, 300  # NARROW: one of two side by side
MEASURED = "measured"


class Dot(TypedDict):
    """A point of a picture: of which law, and of which series."""

    x: float
    y: float
    law: str
    series: str


def theory_svg(theory: TheorySummary) -> dict[str, str]:
    """Four SVG pictures by name: `shortfall`, `gap`, `overhead`, `queue`.

    Raises
    ------
    ScenarioError
        If Altair is not installed.
    """
    needs_altair()
    import altair as alt

    charts: dict[OrderName, Any] = {
        "shortfall": _shortfall(alt, theory),
        "gap": _gap(alt, theory),
        "overhead": alt.hconcat(
            *(chart.properties(width=NARROW) for chart in (_overhead_by_c(alt, theory), _overhead_by_t(alt, theory)))
        ),
        "queue": _queue(alt, theory),
    }
    return {name: svg_of(chart.properties(title=PICTURES[name]).configure(**LIGHT)) for name, chart in charts.items()}


def _shortfall(alt: Any, theory: TheorySummary) -> Any:
    points = [p for p in theory["shortfall"]["points"] if p["measured"] > 0]
    least, most = min(p["measured"] for p in points), max(p["t"] for p in points)
    rows = [_row(p["t"], p["measured"], MEASURED, f"V = {p['V']:g}") for p in points]
    predicted = [p for p in theory["shortfall"]["points"] if least < p["predicted"] < theory["alpha"]]
    rows += [_row(p["t"], p["predicted"], "V λ / T", f"V = {p['V']:g}") for p in predicted]
    ends = [min(p["t"] for p in points), most]
    rows += [_row(t, 1.0 / t**0.5, "1 / √T", "the bound's 1 / √T") for t in ends]
    return _lines(alt, rows, "T, requests", "mean shortfall, share of answers")


def _gap(alt: Any, theory: TheorySummary) -> Any:
    points = theory["gap"]["points"]
    floor, top = theory["gap"]["floor_j"], max(p["measured"] for p in points)
    rows = [_row(p["V"], p["measured"], MEASURED, MEASURED) for p in points if p["measured"] > 0]
    line = [p for p in theory["gap"]["predicted"] if max(floor / 3, 0) < p["predicted"] < 3 * top]
    rows += [_row(p["V"], p["predicted"], "1 / V", "1 / V") for p in line]
    rows += [_row(p["V"], floor, "floor", "floor") for p in points if floor > 0]
    return _lines(alt, rows, "V, 1/J", "cost beyond the feature oracle's, J per request", points, "V")


def _overhead_by_c(alt: Any, theory: TheorySummary) -> Any:
    points = theory["overhead"]["points"]
    law = "c T^(-κ) / (1 - κ) · (ΣE - E)"
    rows = [_row(p["c"], p["measured"], MEASURED, MEASURED) for p in points]
    rows += [_row(p["c"], p["predicted"], law, law) for p in points]
    return _lines(alt, rows, "c", "cost of exploring, J per request", points, "c")


def _overhead_by_t(alt: Any, theory: TheorySummary) -> Any:
    law = "c T^(-κ) / (1 - κ) · (ΣE - E)"
    points = theory["overhead"]["by_t"]
    rows = [_row(p["t"], p["measured"], MEASURED, MEASURED) for p in points]
    rows += [_row(p["t"], p["predicted"], law, law) for p in points]
    return _lines(alt, rows, "T, requests (c = 1)", "cost of exploring, J per request")


def _queue(alt: Any, theory: TheorySummary) -> Any:
    points = theory["queue"]["points"]
    rows = [_row(p["V"], p["measured"], MEASURED, MEASURED) for p in points]
    shown = [p for p in points if p["predicted"] > 0.1]
    rows += [_row(p["V"], p["predicted"], "V λ", "V λ") for p in shown]
    return _lines(alt, rows, "V, 1/J", "mean queue, second half", points, "V")


def _row(x: float, y: float, law: str, series: str) -> Dot:
    return {"x": x, "y": y, "law": law, "series": series}


def _lines(alt: Any, rows: list[Dot], x: str, y: str, spans: list[TheoryPoint] | None = None, at: str = "") -> Any:
    """Logarithmic both ways: measured with points and a full line, predicted dashed; intervals where there are any."""
    laws = list(dict.fromkeys(r["law"] for r in rows))
    series = list(dict.fromkeys(r["series"] for r in rows))
    dashes = alt.Scale(domain=laws, range=[[1, 0], [6, 4], [2, 3]][: len(laws)])
    colour = alt.Color("series:N", scale=alt.Scale(domain=series), legend=alt.Legend(symbolType="stroke"))
    across = alt.X("x:Q", title=x, scale=alt.Scale(type="log", nice=False)).axis(**_powers([r["x"] for r in rows]))
    up = alt.Y("y:Q", title=y, scale=alt.Scale(type="log", nice=False)).axis(**_powers([r["y"] for r in rows]))
    base = alt.Chart(alt.Data(values=rows)).encode(x=across, y=up, color=colour)
    parts = [base.mark_line().encode(strokeDash=alt.StrokeDash("law:N", scale=dashes))]
    parts.append(base.transform_filter(f"datum.law == '{MEASURED}'").mark_point(filled=True, size=26))
    if spans:
        bars = [{"x": p[at], "low": p["low"], "high": p["high"]} for p in spans if p["low"] > 0]
        whiskers = alt.Chart(alt.Data(values=bars)).mark_rule(strokeWidth=1.5, color=LIGHT["range"]["category"][0])
        parts.append(whiskers.encode(x="x:Q", y=alt.Y("low:Q", title=y), y2="high:Q"))
    return alt.layer(*parts).properties(width=WIDTH, height=HEIGHT)


def _powers(values: list[float]) -> Specification:
    """Ticks at powers of ten, or at 1, 2 and 5 times them where those would be few."""
    least, most = min(values), max(values)
    tens = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    steps = (1.0,) if most / least > 30.0 else (1.0, 2.0, 5.0)
    return {"values": [step * 10.0**k for k in tens for step in steps], "format": "~g"}
