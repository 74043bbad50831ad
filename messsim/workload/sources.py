"""The data files that a scenario's requests come from."""

from messsim.scenario import Scenario

from .table import OutcomeTable, read_table
from .trace import Lengths, TraceRows, read_lengths, read_trace

__all__ = ["lengths_of", "table_of", "trace_of"]


def trace_of(scenario: Scenario) -> TraceRows | None:
    """The trace of arrivals, if they come from one; token columns only where a law asks for them."""
    law = scenario.arrivals
    if law.kind != "trace":
        return None
    prompt, output = _asked(scenario, "trace")
    if scenario.tokens.file is not None:
        prompt = output = False
    tenants = [t.name for t in scenario.tenants]
    return read_trace(law, scenario.path(law.file), prompt=prompt, output=output, tenants=tenants)


def lengths_of(scenario: Scenario) -> Lengths | None:
    """The file of lengths without times, if the scenario names one; likewise."""
    tokens = scenario.tokens
    if tokens.file is None:
        return None
    prompt, output = _asked(scenario, "trace")
    return read_lengths(tokens, scenario.path(tokens.file), prompt=prompt, output=output)


def table_of(scenario: Scenario) -> OutcomeTable | None:
    """The table of outcomes, if they come from one; likewise."""
    satisfaction = scenario.satisfaction
    if satisfaction.kind != "table":
        return None
    prompt, output = _asked(scenario, "table")
    return read_table(scenario, satisfaction, prompt=prompt, output=output)


def _asked(scenario: Scenario, kind: str) -> tuple[bool, bool]:
    """Whether a law of this kind asks for prompt tokens, and for answer tokens."""
    prompts = [scenario.tokens.prompt, *(p.prompt for p in scenario.phases if p.prompt)]
    outputs = [m.output or scenario.tokens.output for m in scenario.models]
    outputs += [p.output for p in scenario.phases if p.output]
    return any(law.kind == kind for law in prompts), any(law.kind == kind for law in outputs)
