"""A comparison of policies, as tables and as a picture."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from rich.console import Console, Group, RenderableType

from messsim.plot.figure import Figure, specification_of
from messsim.plot.files import as_bytes
from messsim.plot.tradeoff import tradeoff
from messsim.results.rent import RENT, pool_of
from messsim.shapes.studies import Comparison, ComparisonWithFrontier, OraclePoint, PolicyFigures, Spread
from messsim.study.runs import OnProgress
from messsim.study.runs.so_far import OnKnown, SoFar
from messsim.wording import cost, cost_heading, request_unit, scaled_unit

from ..base import progress
from ..base.pictures import needs_altair
from ..base.screen import Text
from ..base.tables import Fitting, half_width, number, percent, seconds

__all__ = ["comparison_pictures", "comparison_so_far", "comparison_tables", "cost_figure", "so_far_bar"]

MOST_SO_FAR = 12  # points that are shown while a study goes on

LATENCIES = ("p50", "p95", "p99")
Figures = Mapping[str, Spread | None]


def comparison_tables(comparison: Comparison) -> RenderableType:
    """Promise and cost, then latency and who answered, then differences to the first policy."""
    policies, unit, n = comparison["policies"], comparison["cost_unit"], comparison["replications"]
    promised = percent(comparison["alpha"], 2)
    head = (
        f"{comparison['scenario']}: {len(policies)} policies on the same {n} replication{'s' * (n > 1)}, "
        f"{promised} promised"
    )
    if comparison["rent_usd_per_hour"] is not None:
        head += f", on {comparison['gpus']} GPUs at {number(comparison['rent_usd_per_hour'], 'USD')} an hour"
    parts: list[RenderableType] = [Text(head, style="bold")]
    if comparison["cost_fixed"]:
        parts.append(Text("the rent is the cost, whatever the router does: only another fleet costs less"))
    parts += [Text(""), _promise(policies, unit, n), Text("")]
    parts += [_latency(policies), Text(""), _shares(policies, comparison["models"])]
    if any(map(pool_of, policies[0]["figures"])):
        parts += [Text(""), _fleet(policies)]
    if len(policies) > 1:
        parts += [Text(""), _differences(policies, unit)]
    if n > 1:
        parts.append(Text(f"± is half of a 95 % interval over {n} replications", style="dim"))
    else:
        parts.append(Text("one replication says nothing of chance: --seeds 5 gives intervals", style="dim"))
    return Group(*parts)


def comparison_so_far(known: Sequence[SoFar], unit: str) -> RenderableType:
    """What is known while a study goes on: policy or point, runs, kept in, mean satisfaction and cost of a request.

    Of many points it is the last."""
    scale, _ = request_unit(unit)
    left, known = len(known) - MOST_SO_FAR, known[-MOST_SO_FAR:]
    table = Fitting(
        [f"so far ({left} more)" if left > 0 else "so far", "runs", "kept in", "satisfied", cost_heading(unit)]
    )
    for p in known:
        shown = None if p.cost_per_request is None else scale * p.cost_per_request
        table.add_row(p.point, str(p.runs), str(p.kept), percent(p.satisfaction, 2), number(shown))
    return table


@contextmanager
def so_far_bar(console: Console, name: str, unit: str) -> Iterator[tuple[OnProgress | None, OnKnown | None]]:
    """A bar of progress, and below it what is known of each point so far; nothing where nobody looks."""
    with progress.known_bar(console, name) as (on_progress, show):
        yield on_progress, on_progress and (lambda known: show(comparison_so_far(known, unit)))


def _promise(policies: list[PolicyFigures], unit: str, replications: int) -> Fitting:
    partly = any(_unanswered(policy["figures"]) for policy in policies)  # else it is what is satisfied of the answers
    columns = ["policy", "satisfied", *["of arrivals"] * partly, "short by", "worst window", "kept from"]
    columns += [cost_heading(unit), "unexplored", "x oracle", "x statistical"]
    table = Fitting(columns, spare=["unexplored", "worst window", "x statistical", "short by"])
    for policy in policies:
        f = policy["figures"]
        table.add_row(
            policy["name"],
            _spread(f["sla.satisfaction"], _points),
            *[_mean(f["sla.satisfaction_per_arrived"], percent)] * partly,
            _mean(f["sla.shortfall"], lambda x: percent(x, 2)),
            _mean(f["sla.windows.worst"], percent),
            _kept(f["sla.time_to_compliance"], replications),
            _spread(_of_requests(f["cost.per_request"], unit), number),
            _mean(_of_requests(f["cost.per_request_without_exploration"], unit), number),
            _mean(f["cost.ratio_to_simulated_oracle"], number),
            _mean(f["cost.ratio_to_statistical_oracle"], number),
        )
    return table


def _unanswered(figures: Figures) -> bool:
    """Whether requests were turned away, lost, or left by clients who gave up."""
    counts = [figures[f"requests.{how}"] for how in ("rejected", "lost", "timed_out")]
    return any(count is not None and count["mean"] > 0 for count in counts)


def _kept(interval: Spread | None, replications: int) -> str:
    if interval is None:
        return "never"
    often = "" if interval["count"] == replications else f" ({interval['count']} of {replications})"
    return f"{interval['mean']:,.0f}{often}"


def _latency(policies: list[PolicyFigures]) -> Fitting:
    columns = ["policy", *(f"{kind} {at}" for kind in ("TTFT", "end-to-end") for at in LATENCIES), "energy"]
    table = Fitting(columns, spare=["energy", "TTFT p50", "end-to-end p50", "TTFT p99", "end-to-end p99"])
    for policy in policies:
        f = policy["figures"]
        cells = [_mean(f[f"latency_s.{kind}.{at}"], seconds) for kind in ("ttft", "e2e") for at in LATENCIES]
        table.add_row(policy["name"], *cells, _mean(f["energy.total_j"], lambda x: cost(x, "J")))
    return table


def _shares(policies: list[PolicyFigures], models: list[str]) -> Fitting:
    table = Fitting(["policy", *models], spare=models[-1:3:-1])
    for policy in policies:
        cells = [_mean(policy["figures"][f"models.{name}.share"], percent) for name in models]
        table.add_row(policy["name"], *cells)
    return table


def _fleet(policies: list[PolicyFigures]) -> Fitting:
    """Of pools that change their size: what was rented, and how many replicas there were on average."""
    paths = [path for path in policies[0]["figures"] if path == RENT or pool_of(path)]
    heads = ["rent, USD/h" if path == RENT else f"mean replicas, {pool_of(path)}" for path in paths]
    table = Fitting(["policy", *heads], spare=heads[:2:-1])
    for policy in policies:
        table.add_row(policy["name"], *(_spread(policy["figures"][path], number) for path in paths))
    return table


def _differences(policies: list[PolicyFigures], unit: str) -> Fitting:
    columns = [f"against {policies[0]['name']}", "satisfied", cost_heading(unit), "TTFT p95", "end-to-end p95"]
    table = Fitting(columns, spare=["end-to-end p95", "TTFT p95"])
    for policy in policies[1:]:
        f = policy["difference"] or {}
        table.add_row(
            policy["name"],
            _spread(f["sla.satisfaction"], _signed_points),
            _spread(_of_requests(f["cost.per_request"], unit), lambda x: ("+" if x > 0 else "") + number(x)),
            _spread(f["latency_s.ttft.p95"], lambda x: f"{x:+.3g} s"),
            _spread(f["latency_s.e2e.p95"], lambda x: f"{x:+.3g} s"),
        )
    return table


def _of_requests(interval: Spread | None, unit: str) -> Spread | None:
    """The interval of a cost of a request, as `request_unit` scales it."""
    scale = request_unit(unit)[0]
    if interval is None:
        return None
    low, high = (None if end is None else scale * end for end in (interval["low"], interval["high"]))
    return {"mean": scale * interval["mean"], "low": low, "high": high, "count": interval["count"]}


def _points(share: float) -> str:
    return percent(share, 2)


def _signed_points(share: float) -> str:
    return f"{100 * share:+.2f} points"


def _mean(interval: Spread | None, value: Any) -> str:
    return "-" if interval is None else str(value(interval["mean"]))


def _spread(interval: Spread | None, value: Any) -> str:
    """Mean ± half width, the latter without a unit."""
    if interval is None or interval["high"] is None:
        return _mean(interval, value)
    half = interval["high"] - interval["mean"]
    scaled = 100.0 * half if value in (_points, _signed_points) else half
    return f"{value(interval['mean'])} ± {half_width(scaled)}"


def comparison_pictures(comparison: ComparisonWithFrontier) -> dict[str, bytes]:
    """The pictures beside a comparison, by the name of their file."""
    needs_altair()
    return {"cost-satisfaction.svg": as_bytes(specification_of(cost_figure(comparison)), "svg")}


def cost_figure(comparison: ComparisonWithFrontier) -> Figure:
    """Cost against satisfaction, as on the page of the comparison."""
    import polars as pl

    scale, unit = request_unit(comparison["cost_unit"])[0], scaled_unit(comparison["cost_unit"])
    columns = [f"{name}_{part}" for name in ("satisfaction", "cost") for part in ("mean", "low", "high")]
    points = [point for policy in comparison["policies"] if (point := _point(policy, scale)) is not None]
    frame = pl.DataFrame(points, schema={"policy": pl.String} | dict.fromkeys(columns, pl.Float64), orient="row")
    frontier = [OraclePoint({**p, "cost": scale * p["cost"]}) for p in comparison["frontier"]]
    figure = tradeoff(frame.with_columns(point="policy"), ["policy"], unit, [comparison["alpha"]], frontier)
    return replace(figure, title=f"{comparison['scenario']}: cost against satisfaction")


def _point(policy: PolicyFigures, scale: float) -> tuple[str | float | None, ...] | None:
    """A policy's name, and mean and ends of its satisfaction and its cost."""
    satisfaction, cost = policy["figures"]["sla.satisfaction"], policy["figures"]["cost.per_request"]
    if satisfaction is None or cost is None:
        return None
    ends = [None if v is None else scale * v for v in (cost["mean"], cost["low"], cost["high"])]
    return policy["name"], satisfaction["mean"], satisfaction["low"], satisfaction["high"], *ends
