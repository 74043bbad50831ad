"""What is known of requests before any is drawn, outside all phases."""

from messsim.scenario import Scenario

from .stages import Stage
from .table import OutcomeTable
from .trace import TraceRows

__all__ = ["mean_rate_rps", "mean_satisfaction"]


def mean_satisfaction(scenario: Scenario, table: OutcomeTable | None, stage: Stage) -> list[float]:
    """Mean satisfaction of each model: the scenario's under IRT, the table's over all its rows."""
    if table is not None:
        return [float(table.satisfied[c].mean()) for c in stage.columns]
    return [m.satisfaction or 0.0 for m in scenario.models]


def mean_rate_rps(scenario: Scenario, trace: TraceRows | None) -> float | None:
    """Mean arrival rate, requests per second; None in a closed loop."""
    law = scenario.arrivals
    if law.kind == "trace":
        assert trace is not None
        return len(trace) / trace.period_s
    if law.kind == "diurnal":
        return sum(law.rates_rps) / len(law.rates_rps)
    if law.kind == "mmpp":
        calm, burst = law.mean_calm_s, law.mean_burst_s
        return (calm * law.rate_rps + burst * law.burst_rate_rps) / (calm + burst)
    return None if law.kind == "closed" else law.rate_rps
