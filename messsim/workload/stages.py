"""Stages: how requests are drawn between two phase boundaries."""

from dataclasses import dataclass

from messsim.scenario import Scenario
from messsim.scenario.laws import TokenLaw
from messsim.scenario.phases import Phase

from .chance import Chance
from .irt import Difficulty, abilities, tasks_of
from .table import OutcomeTable, Rows

__all__ = ["Stage", "stages_of"]


@dataclass(frozen=True)
class Stage:
    """The scenario with one phase put over it, as far as drawing goes.

    Attributes
    ----------
    phase
        None before the first phase.
    prompt, outputs
        Laws of the tokens of prompts, and of each model's answers.
    difficulty, thetas
        Under IRT: of requests, and each model's ability. None and empty with a table.
    columns, rows
        With a table: each model's column, and the rows to draw from (None: all). Empty and None under IRT.
    """

    phase: Phase | None
    prompt: TokenLaw
    outputs: list[TokenLaw]
    difficulty: Difficulty | None
    thetas: list[float]
    columns: list[str]
    rows: Rows | None


def stages_of(scenario: Scenario, table: OutcomeTable | None, chance: Chance) -> list[Stage]:
    """The stage before all phases, and one for each phase."""
    return [_stage(scenario, table, chance, phase) for phase in (None, *scenario.phases)]


def _stage(s: Scenario, table: OutcomeTable | None, chance: Chance, phase: Phase | None) -> Stage:
    prompt = (phase and phase.prompt) or s.tokens.prompt
    outputs = [(phase and phase.output) or m.output or s.tokens.output for m in s.models]
    if s.satisfaction.kind == "irt":
        # Abilities belong to the scenario's own difficulties: a phase that brings harder requests
        # lowers satisfaction; a phase that gives a model another satisfaction changes its ability.
        means = [m.satisfaction or 0.5 for m in s.models]
        if phase:
            means = [phase.satisfaction.get(m.name, mean) for m, mean in zip(s.models, means, strict=True)]
        thetas = abilities(means, s.satisfaction.slope, tasks_of(s.satisfaction))
        shift = (phase and phase.difficulty) or 0.0
        tasks = tasks_of(s.satisfaction, phase.tasks if phase else None)
        return Stage(phase, prompt, outputs, Difficulty(tasks, shift, chance), thetas, [], None)
    assert table is not None
    columns = [m.column or m.name for m in s.models]
    if phase:
        columns = [phase.columns.get(m.name, c) for m, c in zip(s.models, columns, strict=True)]
    rows = table.select(phase.groups if phase else None)
    return Stage(phase, prompt, outputs, None, [], columns, rows)
