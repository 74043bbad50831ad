"""Cost against satisfaction, a dot a point of a study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from messsim.shapes.studies import OraclePoint
from messsim.wording import percent, plain

from .figure import Figure, library
from .labels import PLACES, placed
from .parts import layered, rows, tip_title
from .points import in_words, possible

if TYPE_CHECKING:
    import polars as pl

__all__ = ["tradeoff"]

MOST_DRAWN = 1000
MOST_LABELLED = 40
MOST_PROMISES = 4  # lines of promises, where points have several
HEIGHT, PADDING = 360, 24
WIDTHS = (260.0, 480.0, 760.0)  # pixels of plots that names are placed for: those of a wider one are too close in it
FIGURES = ("satisfaction", "cost")
Axis = Callable[[str], Any]  # the channel of a column


def tradeoff(
    points: pl.DataFrame,
    keys: Sequence[str],
    unit: str,
    alphas: Sequence[float],
    frontier: Sequence[OraclePoint] = (),
) -> Figure:
    """Cost against satisfaction, with the promise and what oracles pay for as much.

    Every point is named by its values of `keys`; where there is no room for all names, points that no other beats come
    first.
    """
    import polars as pl

    alt = library()
    promised = sorted(set(alphas))[:MOST_PROMISES]
    drawn = possible(possible(points, "satisfaction"), "cost")
    drawn = drawn.drop_nulls(["satisfaction_mean", "cost_mean"]).head(MOST_DRAWN)
    drawn = drawn.with_columns(in_words(n).alias(f"{n} told") for n in FIGURES)
    drawn = drawn.with_columns(pl.Series("label", _labels(drawn, keys), pl.String))
    lows, highs = _domain(
        drawn, [0.0, *(p["cost"] for p in frontier)], [*promised, *(p["satisfaction"] for p in frontier)]
    )
    scales = [alt.Scale(domain=[lo, hi], nice=False, padding=PADDING) for lo, hi in (lows, highs)]

    def x(column: str) -> Any:
        return alt.X(f"{column}:Q", title=f"cost of an answer, {unit}", scale=scales[0], axis=alt.Axis(tickCount=5))

    def y(column: str) -> Any:
        axis = alt.Axis(format="%")
        return alt.Y(f"{column}:Q", title="share of answers that satisfy", scale=scales[1], axis=axis)

    spans = [f"{n}_{p}" for n in FIGURES for p in ("mean", "low", "high")]
    base = alt.Chart(rows(drawn.select("point", *spans, *(f"{n} told" for n in FIGURES))))
    tips = [
        "point:N",
        alt.Tooltip("satisfaction told:N", title="satisfied"),
        alt.Tooltip("cost told:N", title=tip_title(unit)),
    ]
    rules, labels = _promises(promised, y)
    whisker = base.mark_rule(style="whisker", opacity=0.5)
    layers = [
        *rules,
        whisker.encode(x=x("cost_low"), x2="cost_high:Q", y=y("satisfaction_mean")),
        whisker.encode(x=x("cost_mean"), y=y("satisfaction_low"), y2="satisfaction_high:Q"),
        *labels,
        base.mark_point(style="dot", filled=True, size=70).encode(
            x=x("cost_mean"), y=y("satisfaction_mean"), tooltip=tips
        ),
        *_named(drawn, (lows, highs), promised, x("cost_mean"), y("satisfaction_mean")),
    ]
    _add_oracles(layers, frontier, x, y)
    return Figure(
        "Cost against satisfaction",
        layered(*layers) if len(drawn) else None,
        f"{len(drawn)} points by cost and share of satisfying answers"
        + (f", {', '.join(percent(a) for a in promised)} promised." if promised else "."),
        _note(keys, bool(promised), bool(frontier), sure=any(drawn[f"{n}_low"].is_not_null().any() for n in FIGURES)),
        height=HEIGHT,
    )


def _add_oracles(layers: list[Any], frontier: Sequence[OraclePoint], x: Axis, y: Axis) -> None:
    """What each oracle pays for each share of satisfying answers: a line below all, its name above."""
    import polars as pl

    alt = library()
    for oracle in dict.fromkeys(p["oracle"] for p in frontier):
        line = pl.DataFrame([p for p in frontier if p["oracle"] == oracle]).sort("satisfaction")
        curve = alt.Chart(rows(line)).mark_line(style="mark")
        layers.insert(0, curve.encode(x=x("cost"), y=y("satisfaction"), order="satisfaction:Q", tooltip=["oracle:N"]))
        name = alt.Chart(rows(line.tail(1))).mark_text(style="mark-label", align="left", dx=5, dy=-5)
        layers.append(name.encode(x=x("cost"), y=y("satisfaction"), text="oracle:N"))


def _promises(promised: Sequence[float], y: Axis) -> tuple[list[Any], list[Any]]:
    """Lines of what is promised, and what they say, which whiskers do not cross."""
    alt = library()
    rules, labels = [], []
    for alpha in promised:
        promise = alt.Chart(alt.Data(values=[{"alpha": alpha, "text": f"promised {percent(alpha)}"}]))
        rules.append(promise.mark_rule(style="promise").encode(y=y("alpha")))
        for style in ("promise-halo", "promise-label"):
            name = promise.mark_text(style=style, align="right", baseline="top", dx=-4, dy=4, x={"expr": "width"},
                                     opacity={"expr": f"width < {WIDTHS[1]:g} ? 0 : 1"})  # fmt: skip
            labels.append(name.encode(y=y("alpha"), text="text:N"))
    return rules, labels


def _note(keys: Sequence[str], promised: bool, oracles: bool, *, sure: bool = True) -> str:
    """What marks mean; `sure`: of points with intervals."""
    lines = ["Up and to the left is better."]
    lines.append("Whiskers: 95 % intervals over the replications." if sure else "Dots: of one replication.")
    if len(keys) > 1:
        lines.append(f"Names: the values of {', '.join(keys)}.")
    lines.append("Points without a name, for want of room, tell theirs by pointing.")
    if promised:
        lines.append("Dashed: the promise.")
    if oracles:
        lines.append("Dotted: what oracles, which know more than a router can, pay for as much.")
    return " ".join(lines)


def _labels(drawn: pl.DataFrame, keys: Sequence[str]) -> list[str]:
    """Short names: the policy, ``V = 0.001``, or the values of several keys."""
    columns = [[plain(v) for v in drawn[k]] for k in keys]
    if len(keys) == 1 and keys[0] != "policy":
        last = keys[0].rpartition(".")[2].strip('"')
        return [f"{last} = {v}" for v in columns[0]]
    return [", ".join(values) for values in zip(*columns, strict=True)]


def _domain(drawn: pl.DataFrame, costs: list[float], shares: list[float]) -> list[tuple[float, float]]:
    """What both axes have to hold."""
    collected = []
    for name, more in (("cost", costs), ("satisfaction", shares)):
        values = [v for part in ("mean", "low", "high") for v in drawn[f"{name}_{part}"].drop_nulls()]
        values += more or ([] if values else [0.0])
        room = 0.0 if min(values) < max(values) else 0.01 * (abs(max(values)) or 1.0)
        collected.append((min(values) - room, max(values) + room))
    return collected


def _named(
    drawn: pl.DataFrame, domain: tuple[tuple[float, float], ...], promised: Sequence[float], x: Any, y: Any
) -> list[Any]:
    """Layers of names, for plots of several widths; only those for the width that there is are seen."""
    costs, shares = domain
    lines = [HEIGHT - _pixel(alpha, shares, HEIGHT) for alpha in promised]
    best_first = sorted(range(len(drawn)), key=lambda i: (_beaten(drawn, i), i))
    names = [drawn["label"][i] if k < MOST_LABELLED else "" for k, i in enumerate(best_first)]
    down = [HEIGHT - _pixel(drawn["satisfaction_mean"][i], shares, HEIGHT) for i in best_first]
    layers = []
    for width, shown in zip(WIDTHS, _shown(), strict=True):
        across = [_pixel(drawn["cost_mean"][i], costs, width) for i in best_first]
        places = placed(list(zip(across, down, strict=True)), names, width, HEIGHT, lines)
        for k, place in enumerate(PLACES):
            mine = drawn[[i for i, at in zip(best_first, places, strict=True) if at == k]]
            text = library().Chart(rows(mine.select("label", "cost_mean", "satisfaction_mean")))
            for style in ("halo", "value-label"):
                mark = text.mark_text(style=style, baseline="middle", opacity=shown, **place.mark)
                layers.append(mark.encode(x=x, y=y, text="label:N"))
    return layers


def _shown() -> list[dict[str, str]]:
    """Opacity of the names that are placed for each of `WIDTHS`: 1 from that width to the next."""
    least, most = (0.0, *WIDTHS[1:]), (*WIDTHS[1:], 1e9)
    return [{"expr": f"width >= {a:g} && width < {b:g} ? 1 : 0"} for a, b in zip(least, most, strict=True)]


def _beaten(drawn: pl.DataFrame, i: int) -> bool:
    """Whether another point satisfies as much for less, or more for as much."""
    cost, share = drawn["cost_mean"], drawn["satisfaction_mean"]
    no_worse = (cost <= cost[i]) & (share >= share[i])
    return bool((no_worse & ((cost < cost[i]) | (share > share[i]))).any())


def _pixel(value: float, domain: tuple[float, float], length: float) -> float:
    low, high = domain
    return PADDING + (length - 2 * PADDING) * (value - low) / (high - low)
