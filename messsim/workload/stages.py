"""Stages: how requests are drawn between two phase boundaries."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from messsim.scenario import Scenario
from messsim.scenario.laws import TokenLaw
from messsim.scenario.phases import Phase

from .chance import Chance
from .chunk import Floats
from .irt import Difficulty, abilities, tasks_of

if TYPE_CHECKING:
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
    before
        Of a gradual phase, the stage that it comes from; else None.
    costs
        What each model costs, in the scenario's unit, where the scenario states it.
    available
        Whether each model takes requests.
    price_factors
        What multiplies the prices of each model's APIs.
    """

    phase: Phase | None
    prompt: TokenLaw
    outputs: list[TokenLaw]
    difficulty: Difficulty | None
    thetas: list[float]
    columns: list[str]
    rows: Rows | None
    before: Stage | None = field(default=None, repr=False)
    costs: list[float | None] = field(default_factory=list)
    available: list[bool] = field(default_factory=list)
    price_factors: list[float] = field(default_factory=list)

    def shift_at(self, progress: Floats | None) -> float | Floats:
        """What is added to every difficulty (IRT); by request, where `progress` in [0, 1] says how far each is."""
        shift = self.difficulty.shift if self.difficulty else 0.0
        if progress is None or self.before is None or self.before.difficulty is None:
            return shift
        return _between(self.before.difficulty.shift, shift, progress)

    def thetas_at(self, progress: Floats | None) -> list[float | Floats]:
        """Each model's ability, likewise."""
        if progress is None or self.before is None:
            return [*self.thetas]
        return [_between(a, b, progress) for a, b in zip(self.before.thetas, self.thetas, strict=True)]

    def progress(self, numbers: NDArray[np.int64], arrival_s: Floats | None) -> Floats | None:
        """How far requests are on the way to this stage; None where it holds from its start on."""
        if self.before is None or self.phase is None:
            return None
        at = numbers if self.phase.from_request is not None else arrival_s
        return None if at is None else np.clip((at - self.phase.start) / self.phase.over, 0.0, 1.0)


def _between(a: float, b: float, progress: Floats) -> Floats:
    return a + progress * (b - a)


def stages_of(scenario: Scenario, table: OutcomeTable | None, chance: Chance) -> list[Stage]:
    """The stage before all phases, and one for each phase."""
    stages: list[Stage] = []
    for phase in (None, *scenario.phases):
        stage = _stage(scenario, table, chance, phase)
        before = stages[-1] if phase is not None and phase.gradual else None
        withdrawn = phase.withdrawn if phase is not None else []
        available = [m not in withdrawn for m in scenario.model_names]
        factors = [1.0 if phase is None else phase.price_factor.get(m, 1.0) for m in scenario.model_names]
        costs = _costs(scenario, phase)
        stages.append(replace(stage, before=before, costs=costs, available=available, price_factors=factors))
    return stages


def _costs(s: Scenario, phase: Phase | None) -> list[float | None]:
    """What the phase says goes before what the model says."""
    changed = phase.cost_per_request if phase is not None else {}
    return [changed.get(m.name, m.cost_per_request) for m in s.models]


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
