"""A comparison of policies, as tables and as a picture."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType

from messsim.plot.files import svg_of
from messsim.shapes.studies import Comparison, ComparisonWithFrontier, PolicyFigures, Spread
from messsim.wording import cost, cost_heading, request_unit, scaled_unit

from ..base.pictures import needs_altair
from ..base.screen import Text
from ..base.tables import Fitting, half_width, number, percent, seconds

if TYPE_CHECKING:
    import altair as alt

__all__ = ["comparison_pictures", "comparison_so_far", "comparison_tables", "cost_picture"]

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
    if len(policies) > 1:
        parts += [Text(""), _differences(policies, unit)]
    if n > 1:
        parts.append(Text(f"± is half of a 95 % interval over {n} replications", style="dim"))
    else:
        parts.append(Text("one replication says nothing of chance: --seeds 5 gives intervals", style="dim"))
    return Group(*parts)


def comparison_so_far(known: Sequence[tuple[str, int, int, float | None, float | None]], unit: str) -> RenderableType:
    """What is known while a study goes on: policy or point, runs, kept in, mean satisfaction and cost of a request.

    Of many points it is the last."""
    scale, _ = request_unit(unit)
    left, known = len(known) - MOST_SO_FAR, known[-MOST_SO_FAR:]
    table = Fitting(
        [f"so far ({left} more)" if left > 0 else "so far", "runs", "kept in", "satisfied", cost_heading(unit)]
    )
    for policy, runs, kept, satisfaction, mean_cost in known:
        shown = None if mean_cost is None else scale * mean_cost
        table.add_row(policy, str(runs), str(kept), percent(satisfaction, 2), number(shown))
    return table


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
    return {"cost-satisfaction.svg": svg_of(cost_picture(comparison)).encode("utf-8")}


def cost_picture(comparison: ComparisonWithFrontier) -> "alt.LayerChart | alt.FacetChart":
    """Cost against satisfaction: the policies with their intervals, the oracles' frontier, the promise."""
    import altair as alt
    import polars as pl

    scale = request_unit(comparison["cost_unit"])[0]
    points = pl.DataFrame([point for p in comparison["policies"] if (point := _point(p, scale)) is not None])
    x = alt.X("satisfaction:Q", title="answers that satisfy", scale=alt.Scale(zero=False), axis=alt.Axis(format="%"))
    y = alt.Y("cost:Q", title=f"cost of an answer, {scaled_unit(comparison['cost_unit'])}", scale=alt.Scale(zero=True))
    base = alt.Chart(points).encode(x=x, y=y, color=alt.Color("policy:N", scale=alt.Scale(scheme="tableau20")))
    promise = alt.Chart(pl.DataFrame({"alpha": [comparison["alpha"]]})).mark_rule(strokeDash=[4, 4], color="#888")
    layers = [
        promise.encode(x="alpha:Q"),
        base.mark_rule().encode(x="satisfaction_low:Q", x2="satisfaction_high:Q"),
        base.mark_rule().encode(y="cost_low:Q", y2="cost_high:Q"),
        base.mark_point(filled=True, size=80, opacity=1.0).encode(
            shape=alt.Shape("policy:N"), tooltip=["policy", "satisfaction", "cost"]
        ),
    ]
    if comparison["frontier"]:
        frontier = pl.DataFrame(comparison["frontier"]).with_columns(pl.col("cost") * scale)
        curve = alt.Chart(frontier).mark_line(color="#555")
        layers.insert(1, curve.encode(x=x, y=y, strokeDash=alt.StrokeDash("oracle:N", title="least cost of the")))
    title = f"{comparison['scenario']}: cost against satisfaction, {percent(comparison['alpha'], 1)} promised (dashed)"
    return alt.layer(*layers).properties(width=560, height=360, title=title, background="white")


def _point(policy: PolicyFigures, scale: float) -> dict[str, str | float] | None:
    satisfaction, cost = policy["figures"]["sla.satisfaction"], policy["figures"]["cost.per_request"]
    if satisfaction is None or cost is None:
        return None
    point: dict[str, str | float] = {"policy": policy["name"]}
    for name, spread, factor in (("satisfaction", satisfaction, 1.0), ("cost", cost, scale)):
        point[name] = factor * spread["mean"]
        point[f"{name}_low"] = factor * (spread["mean"] if spread["low"] is None else spread["low"])
        point[f"{name}_high"] = factor * (spread["mean"] if spread["high"] is None else spread["high"])
    return point
