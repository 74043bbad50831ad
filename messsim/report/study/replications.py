"""What `messsim replicate` found: mean and interval of the main figures."""

from collections.abc import Iterator

from rich.console import Group, RenderableType

from messsim.shapes.studies import IntervalSummary, Replications
from messsim.wording import headed

from ..base.screen import Text
from ..base.tables import Fitting, number, percent

__all__ = ["replication_table"]

MAIN = (
    "sla.satisfaction",
    "sla.satisfaction_time_mean",
    "sla.shortfall",
    "sla.certificate",
    "sla.queue_final",
    "sla.time_to_compliance",
    "sla.windows.violation_rate",
    "cost.total",
    "cost.per_request",
    "cost.ratio_to_oracle",
    "energy.j_per_output_token",
    "slo.attainment",
    "requests.explored",
    "requests.rejected",
    "requests.too_long",
    "requests.lost",
    "requests.timed_out",
    "latency_s.ttft.mean",
    "latency_s.ttft.p95",
    "latency_s.e2e.mean",
    "latency_s.e2e.p95",
)


def replication_table(replications: Replications) -> RenderableType:
    """The main figures, and whether the precision asked for is reached."""
    n, figures = replications["replications"], replications["figures"]
    table = Fitting(("figure", "mean", "from", "to", "±", "runs"), spare=("runs", "±"))
    for path in _shown(replications):
        table.add_row(*_cells(path, figures[path], replications["cost_unit"]))
    head = (
        f"{replications['scenario']}: {n} replication{'s' * (n > 1)} of seed {replications['seed']}, costs in "
        f"{replications['cost_unit']}"
    )
    parts: list[RenderableType] = [Text(head, style="bold"), Text(), table, Text()]
    if replications["precision"] is not None:
        parts.append(_precision(replications))
    how = "95 % intervals over replications (Student)" if n > 1 else "one replication says nothing of chance"
    return Group(*parts, Text(f"{how}; all figures: --json", style="dim"))


def _shown(replications: Replications) -> Iterator[str]:
    """The main figures that there are, each model's share, and what was asked to be precise."""
    figures = replications["figures"]
    asked = [path.replace('"', "") for path in replications["of"] or []]
    shares = [path for path in figures if path.startswith("models.") and path.endswith(".share")]
    for path in dict.fromkeys([*asked, *MAIN, *shares]):
        interval = figures.get(path)
        if interval is not None and (interval["mean"] or not path.startswith("requests.")):
            yield path


def _cells(path: str, interval: IntervalSummary | None, unit: str) -> tuple[str, ...]:
    scale, head = headed(path, unit)
    if interval is None:
        return (head, *["-"] * 5)
    mean, low, high = (None if v is None else scale * v for v in (interval["mean"], interval["low"], interval["high"]))
    relative = percent((high - low) / 2.0 / abs(mean), 2) if low is not None and high is not None and mean else None
    return (head, number(mean), number(low), number(high), relative or "-", str(interval["count"]))


def _precision(replications: Replications) -> Text:
    asked, figures = f"{100 * (replications['precision'] or 0.0):g} %", ", ".join(replications["of"] or [])
    if replications["precise"]:
        return Text(f"{figures} known to {asked}", style="green")
    return Text(f"{figures} not known to {asked} after {replications['replications']} replications", style="bold red")
