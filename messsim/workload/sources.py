"""The data files that a scenario's requests come from."""

from messsim.scenario import Scenario

from .table import OutcomeTable, read_table
from .trace import TraceRows, read_trace

__all__ = ["table_of", "trace_of"]


def trace_of(scenario: Scenario) -> TraceRows | None:
    """The trace of arrivals, if they come from one; token columns only where a law asks for them."""
    law = scenario.arrivals
    if law.kind != "trace":
        return None
    prompt, output = _asked(scenario, "trace")
    return read_trace(law, scenario.path(law.file), prompt=prompt, output=output)


def table_of(scenario: Scenario) -> OutcomeTable | None:
    """The table of outcomes, if they come from one; likewise."""
    said = scenario.satisfaction
    if said.kind != "table":
        return None
    prompt, output = _asked(scenario, "table")
    return read_table(scenario, said, prompt=prompt, output=output)


def _asked(scenario: Scenario, kind: str) -> tuple[bool, bool]:
    """Whether a law of this kind asks for prompt tokens, and for answer tokens."""
    prompts = [scenario.tokens.prompt, *(p.prompt for p in scenario.phases if p.prompt)]
    outputs = [m.output or scenario.tokens.output for m in scenario.models]
    outputs += [p.output for p in scenario.phases if p.output]
    return any(law.kind == kind for law in prompts), any(law.kind == kind for law in outputs)
