"""The orders that the MESS+ paper proves, measured: shortfall, cost gap, exploration, queue.

The setting is the paper's own (no servers, labels at once) on the zoo of its BoolQ benchmark, with features that tell
more (signal 0.8), and runs long enough for orders to show.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import TypedDict

import numpy as np

from messsim.errors import ScenarioError
from messsim.results.intervals import replication_interval
from messsim.routing.oracle_dual import Optimum
from messsim.scenario import Scenario, parse
from messsim.shapes.evidence import Gap, Order, Overhead, Slope, TheoryPoint, TheorySummary
from messsim.version import __version__

from ..runs import GivenWorkers, Matrix, OnProgress, Task, every, runs_of
from ..runs.identity import contents
from ..runs.points import Point as Values
from ..simulation.oracles import Oracles
from ..simulation.single import run
from .paper import BENCHMARKS

__all__ = ["reproduce_theory"]

REQUESTS = 1_000_000
WEIGHTS = tuple(10.0 ** (k / 2.0) for k in range(-10, 1))  # V, 1/J
SHORTFALL_WEIGHTS = (1e-2, 1e-1, 1.0)
RATES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)  # c
C, V = 0.1, 1e-2  # of the runs that vary the other
FIRST, POINTS = 1000, 28  # of the grid of T
SWEPT = ("router.V", "router.c", "requests", "horizon_s", "replication")


class Measured(TypedDict):
    """What the four orders need of one run: energies in J a request, and how it stood at the requests `t`."""

    version: str
    exploit_j: float
    all_models_j: float
    overhead_j: float
    queue: float
    t: list[int]
    satisfaction: list[float]
    explored: list[float]


def reproduce_theory(
    requests: int | None = None,
    *,
    seeds: int = 8,
    seed: int | None = None,
    sets: list[str] | None = None,
    out: Path | None = None,
    workers: GivenWorkers = None,
    on_progress: OnProgress | None = None,
) -> TheorySummary:
    """Measures the four orders, each with what the paper predicts.

    Parameters
    ----------
    requests
        T, the length of every run; none: a million.
    seeds
        Replications of each run; all figures are means over them.
    seed, sets
        Of all scenarios; what is swept cannot be set.
    out
        A directory that keeps each finished run; one that the same study began is continued.
    workers, on_progress
        As in `messsim.study.runs.runs_of`.

    Returns
    -------
    TheorySummary

    Raises
    ------
    ScenarioError
        If an override is wrong or of what is swept, or no router that sees the features can keep the promise.
    """
    _check(sets or [])
    length = requests or REQUESTS
    wanted = [(v, C) for v in WEIGHTS] + [(V, c) for c in RATES if c != C]
    points: list[Values] = [{"router.V": v, "router.c": c} for v, c in wanted]
    scenarios = [_scenario(v, c, length, sets, seed) for v, c in wanted]
    keys = [(i, r) for i in range(len(points)) for r in range(seeds)]
    with runs_of(
        Matrix(scenarios[0], points, scenarios.__getitem__, _measured),
        out=out,
        identity=lambda: contents("reproduce theory", scenarios[0], points, scenarios),
        table=lambda made: [],
        keys=keys,
        workers=workers,
        on_progress=on_progress,
    ) as made:
        measured = made.all(keys)
        usual = _scenario(V, C, length, sets, seed)
        optima = every(made.workers, _optimum, [usual.changed(replication=r) for r in range(seeds)], frees_gil=True)
    runs: dict[tuple[float, float], list[Measured]] = {}
    for (i, _), one in zip(keys, measured, strict=True):
        runs.setdefault(wanted[i], []).append(one)
    return _summed_up(scenarios[0], runs, optima, length)


def _summed_up(
    first: Scenario, runs: dict[tuple[float, float], list[Measured]], optima: list[Optimum], length: int
) -> TheorySummary:
    price = fmean((o.low + o.high) / 2.0 for o in optima)
    return {
        "version": __version__,
        "requests": length,
        "replications": len(optima),
        "alpha": first.sla.alpha,
        "price": price,
        "optimum": fmean(o.per_request for o in optima),
        "shortfall": _shortfall({v: runs[v, C] for v in SHORTFALL_WEIGHTS}, price, first.sla.alpha),
        "gap": _gap({v: runs[v, C] for v in WEIGHTS}, optima, price, length),
        "overhead": _overhead({c: runs[V, c] for c in RATES}, first.router.kappa, length),
        "queue": _queue({v: runs[v, C] for v in WEIGHTS}, price),
    }


def _check(sets: list[str]) -> None:
    for text in sets:
        if text.split("=")[0].strip() in SWEPT:
            raise ScenarioError(
                f"--set {text}: theory sweeps {', '.join(SWEPT[:2])} and fixes the rest; see --requests"
            )


def _scenario(v: float, c: float, requests: int, sets: list[str] | None, seed: int | None) -> Scenario:
    base = next(b for b in BENCHMARKS if b.name == "boolq").scenario()
    changes = {"name": "theory", "requests": requests, "features": {"dimensions": 4, "signal": 0.8}}
    return parse(base | changes | {"router": {"policy": "mess+", "V": v, "c": c}}, sets, seed=seed)


def _optimum(scenario: Scenario) -> Optimum:
    """The cheapest way to keep the promise for whoever knows what the features tell."""
    frontier = Oracles(scenario).frontiers["feature"]
    optimum = None if frontier is None else frontier.optimum(scenario.sla.alpha)
    if optimum is None:
        raise ScenarioError(f"sla.alpha = {scenario.sla.alpha}: expected a promise that features alone can keep")
    return optimum


def _measured(task: Task) -> Measured:
    """What the four figures need of one run."""
    scenario, _ = task
    result = run(scenario, keep_records=False, pipelined=False)
    s, timeline = result.summary, result.timeline
    arrived, explored, cost = s["requests"]["arrived"], s["requests"]["explored"], s["cost"]
    exploit = cost["paper"] / (arrived - explored)
    seen = timeline["request"].to_numpy() + 1
    grid = np.geomspace(FIRST, arrived, POINTS)
    at = np.unique(np.searchsorted(seen, grid, side="right") - 1)
    at = at[at >= 0]
    return {
        "version": __version__,
        "exploit_j": exploit,
        "all_models_j": sum(m.cost_per_request or 0.0 for m in scenario.models),
        "overhead_j": cost["total"] / arrived - exploit,
        "queue": float(timeline["queue"].tail(timeline.height // 2).mean()),  # type: ignore[arg-type]
        "t": seen[at].tolist(),
        "satisfaction": timeline["satisfaction_running"].to_numpy()[at].tolist(),
        "explored": (timeline["explored"].to_numpy()[at] / seen[at]).tolist(),
    }


def _shortfall(runs: dict[float, list[Measured]], price: float, alpha: float) -> Order:
    """E max(0, alpha - satisfaction) against T. The queue settles at V lambda, and shortfall is at most Q / T."""
    points: list[TheoryPoint] = []
    slopes: list[Slope] = []
    for v, ones in runs.items():
        short = np.maximum(alpha - np.array([r["satisfaction"] for r in ones]), 0.0).mean(axis=0)
        curve = [
            {"V": v, "t": float(t), "measured": float(y), "predicted": v * price / t}
            for t, y in zip(ones[0]["t"], short, strict=True)
        ]
        points += curve
        settled = [p for p in curve if p["t"] >= SETTLED * v * price / alpha]
        slopes.append(_slope(f"shortfall, V = {v:g}", "T", "-1 (V/T) to -1/2", settled, "t", "measured"))
    return {"slopes": slopes, "points": points}


SETTLED = 20.0  # times the requests that a queue of V lambda takes to grow at least


def _gap(runs: dict[float, list[Measured]], optima: list[Optimum], price: float, requests: int) -> Gap:
    """Cost of exploiting steps beyond the feature oracle's, pair by pair, against V.

    The oracle keeps the promise. A run that falls short of it by V lambda / T saves lambda times that: where this
    passes OWED of the optimum, T is too short for V, and there is no point.
    """
    points: list[TheoryPoint] = []
    for v, ones in runs.items():
        if v * price * price / requests <= OWED * fmean(o.per_request for o in optima):
            gaps = [r["exploit_j"] - o.per_request for r, o in zip(ones, optima, strict=True)]
            points.append({"V": v} | _spread(gaps))
    means = [p["measured"] for p in points]
    falling = [p for p in points if max(3.0 * min(means), 0.0) < p["measured"] < max(means) / 3.0]
    slope = _slope("cost gap where it falls", "V", "-1", falling, "V", "measured")
    return {"slopes": [slope], "points": points, "floor_j": min(means), "predicted": _through_middle(falling)}


OWED = 0.01


def _through_middle(points: list[TheoryPoint]) -> list[TheoryPoint]:
    """The line of slope -1 through the logarithmic middle of points."""
    if not points:
        return []
    level = math.exp(fmean(math.log(p["V"] * p["measured"]) for p in points))
    return [{"V": v, "predicted": level / v} for v in WEIGHTS]


def _overhead(runs: dict[float, list[Measured]], kappa: float, requests: int) -> Overhead:
    """Cost of exploring beyond exploiting, against c; and at c = 1 against T."""
    points: list[TheoryPoint] = []
    for c, ones in runs.items():
        more = fmean(r["all_models_j"] - r["exploit_j"] for r in ones)
        predicted = c / (1.0 - kappa) * requests**-kappa * more
        points.append({"c": c, "predicted": predicted} | _spread([r["overhead_j"] for r in ones]))
    ones = runs[1.0]
    more = fmean(r["all_models_j"] - r["exploit_j"] for r in ones)
    by_t = [
        {"t": float(t), "measured": float(share) * more, "predicted": t**-kappa / (1.0 - kappa) * more}
        for t, share in zip(ones[0]["t"], np.mean([r["explored"] for r in ones], axis=0), strict=True)
    ]
    slopes = [
        _slope("exploration overhead, c up to 1", "c", "1", [p for p in points if p["c"] <= 1.0], "c", "measured"),
        _slope("exploration overhead, c = 1", "T", f"{-kappa:g}", by_t, "t", "measured"),
    ]
    return {"slopes": slopes, "points": points, "by_t": by_t}


def _queue(runs: dict[float, list[Measured]], price: float) -> Order:
    """Mean queue of the second half against V, beside V lambda, at which the two best choices cost the same."""
    points = [{"V": v, "predicted": v * price} | _spread([r["queue"] for r in ones]) for v, ones in runs.items()]
    large = [p for p in points if p["predicted"] > 3.0]
    return {"slopes": [_slope("queue, where V lambda > 3", "V", "1", large, "V", "measured")], "points": points}


def _spread(values: list[float]) -> TheoryPoint:
    interval = replication_interval(values)
    half = interval.half_width or 0.0
    return {"measured": interval.mean, "low": interval.mean - half, "high": interval.mean + half}


def _slope(of: str, against: str, predicted: str, points: Iterable[TheoryPoint], x: str, y: str) -> Slope:
    """The exponent of a power law through the points that are positive; None of fewer than three."""
    positive = np.log([(p[x], p[y]) for p in points if p[y] > 0])
    fitted = float(np.polyfit(positive[:, 0], positive[:, 1], 1)[0]) if len(positive) > 2 else None
    return {"of": of, "against": against, "predicted": predicted, "measured": fitted}
