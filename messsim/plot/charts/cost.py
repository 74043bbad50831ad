"""What answers cost, beside what they would cost without a router or with one that knows all."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from messsim.summary import OracleName, Summary
from messsim.wording import number, per_request, request_unit, scaled_unit

from ..figure import Figure, Run, library
from ..marks import NOTHING, Marks
from ..parts import SQUARES, TONES, layered, rows, shortened, tip_title

if TYPE_CHECKING:
    import polars as pl

__all__ = ["cost"]

ORACLES: dict[OracleName, str] = {
    "clairvoyant": "clairvoyant oracle",
    "statistical": "statistical oracle",
    "feature": "feature oracle",
}
RIVAL = "rival"
ROOM = 52  # pixels
MOST_LETTERS_ASIDE = 24  # of a name beside its bar
PARTS = ["answers", "exploring", "lost", "idle", RIVAL]


def cost(run: Run, marks: Marks = NOTHING) -> Figure:
    """Cost of an answer by what it was spent on, beside what it could have cost."""
    import polars as pl

    alt = library()
    cost_figures = run.summary["cost"]
    scale, unit = request_unit(cost_figures["unit"])
    bars: list[Bar] = [{**b, "cost": scale * b["cost"]} for b in (*_spent(run.summary), *_rivals(run.summary))]
    kinds = list(dict.fromkeys(b["kind"] for b in bars))
    frame = pl.DataFrame(bars, schema={"kind": pl.String, "part": pl.String, "cost": pl.Float64})
    parts = [p for p in PARTS[:-1] if (frame["part"] == p).any()]
    order = pl.col("part").replace_strict(PARTS, list(range(len(PARTS))), return_dtype=pl.Int32)
    frame = frame.with_columns(order=order, shown=pl.col("cost").map_elements(number, return_dtype=pl.String))
    totals = frame.group_by("kind", maintain_order=True).agg(pl.col("cost").sum())
    totals = totals.with_columns(shown=pl.col("cost").map_elements(number, return_dtype=pl.String))
    y = alt.Y(
        "kind:N",
        title=None,
        sort=None,
        scale=alt.Scale(domain=kinds),
        axis=alt.Axis(labelLimit=150, labelExpr=shortened(MOST_LETTERS_ASIDE), ticks=False, domain=False),
    )
    most = max(totals["cost"], default=0.0)
    # For the figure at the bar's end: pixels, whatever the width of the chart.
    room = alt.Scale(domainMin=0, domainMax=alt.ExprRef(f"{most or 1.0} * width / (width - {ROOM})"), nice=False)
    axis = alt.Axis(grid=True, tickCount=4, labelBound=True)
    x = alt.X(
        "cost:Q",
        title=f"{unit} per answer" if scale == 1.0 else f"{unit} per 1,000 answers",
        stack="zero",
        scale=room,
        axis=axis,
    )
    tips = ["kind:N", "part:N", alt.Tooltip("shown:N", title=tip_title(unit))]
    spent, beside = frame.filter(pl.col("part") != RIVAL), frame.filter(pl.col("part") == RIVAL)
    color = alt.Color("part:N", title=None, scale=alt.Scale(domain=parts, range=TONES), legend=SQUARES)
    thick = {"band": 0.6}
    text = alt.Chart(rows(totals)).mark_text(style="value-label", align="left", dx=5)
    chart = layered(
        alt.Chart(rows(spent)).mark_bar(height=thick).encode(x=x, y=y, color=color, order="order:Q", tooltip=tips),
        alt.Chart(rows(beside))
        .mark_bar(height=thick, style="reference", filled=False, strokeWidth=1.5)
        .encode(x=x, y=y, tooltip=tips),
        text.encode(x="cost:Q", y=y, text="shown:N"),
    )
    rivals = "; ".join(f"{b['kind']} {number(b['cost'], scaled_unit(unit))}" for b in bars if b["part"] == RIVAL)
    return Figure(
        "Cost of an answer",
        chart,
        f"An answer of this run costs {per_request(cost_figures['per_request'], unit)} in all"
        + (f". Beside it: {rivals}." if rivals else "."),
        _note(run.summary),
        _table(run.summary),
        height=44 * len(kinds) + 30,
    )


class Bar(TypedDict):
    """A part of a bar, in the unit per answer."""

    kind: str
    part: str
    cost: float


def _spent(summary: Summary) -> list[Bar]:
    cost_figures, answered = summary["cost"], summary["requests"]["completed"]
    if not answered:
        return []
    extra = {
        "exploring": cost_figures["exploration"],
        "lost": cost_figures["lost"],
        "idle": cost_figures["idle"] or 0.0,
    }
    parts = {"answers": cost_figures["total"] - sum(extra.values())} | extra
    return [{"kind": "this run", "part": k, "cost": v / answered} for k, v in parts.items() if v > 0 or k == "answers"]


def _rivals(summary: Summary) -> list[Bar]:
    """Simulated where they were; oracles without servers only, where a cost is known before and nothing is realised."""
    cost_figures = summary["cost"]
    without_router = cost_figures.get("without_router")
    single, mix = (without_router["best_single"], without_router["static_mix"]) if without_router else (None, None)
    named = {f"{single['model'] or 'one model'} alone": single["per_request"]} if single else {}
    named |= {"best fixed mix": mix["per_request"]} if mix else {}
    if not summary["pools"]:
        oracles = ((name, cost_figures["oracle"][kind]) for kind, name in ORACLES.items())
        named |= {name: oracle["at_own"] for name, oracle in oracles if oracle is not None}
    return [{"kind": k, "part": RIVAL, "cost": v} for k, v in named.items() if v is not None]


def _note(summary: Summary) -> str:
    """What the bars are."""
    beforehand = ["the same requests by choices made beforehand, simulated"] * bool(
        summary["cost"].get("without_router")
    )
    oracles = ["oracles that know the outcomes"] * (not summary["pools"])
    outlined = f" Outlined: {'; '.join([*beforehand, *oracles])}." if beforehand + oracles else ""
    return f"This run: what was really spent.{outlined}"


def _table(summary: Summary) -> pl.DataFrame:
    import polars as pl

    cost_figures = summary["cost"]
    unit = cost_figures["unit"]
    spent = {
        "total": cost_figures["total"],
        "exploring": cost_figures["exploration"],
        "lost work": cost_figures["lost"],
        "idle": cost_figures["idle"],
    }
    table = [{"cost": k, "in all": number(v, unit), "per answer": _each(v, summary)} for k, v in spent.items()]
    table += [{"cost": b["kind"], "in all": "-", "per answer": per_request(b["cost"], unit)} for b in _rivals(summary)]
    return pl.DataFrame(table)


def _each(value: float | None, summary: Summary) -> str:
    answered = summary["requests"]["completed"]
    return per_request(value / answered if value is not None and answered else None, summary["cost"]["unit"])
