"""Drawing a stretch of requests: every column but the arrival times."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from messsim.scenario import Scenario
from messsim.scenario.quality import Irt

from .chance import Chance
from .chunk import Chunk, Floats, Ints
from .features import DifficultyLaw, difficulty_features
from .irt import moments, sigmoid, tasks_of
from .laws import delay_sampler
from .stages import Stage
from .tokens import TokenCounts

if TYPE_CHECKING:
    from .table import OutcomeTable, Rows
    from .trace import TraceRows

__all__ = ["Drawing"]


class Drawing:
    """Draws requests of a stage; each value is a function of the request's index alone.

    Attributes
    ----------
    uniforms
        Policy uniforms a request, an even number.
    tells
        "outcomes" or "difficulty": what the policy may know that is hidden.
    """

    def __init__(
        self,
        scenario: Scenario,
        chance: Chance,
        table: OutcomeTable | None,
        tokens: TokenCounts,
        trace: TraceRows | None = None,
    ) -> None:
        self._scenario = scenario
        self._chance = chance
        self._table = table
        self._tokens = tokens
        self._tenant_of_row = None if trace is None else trace.tenant
        shares = np.array([t.share for t in scenario.promises])
        self._tenant_edges = np.cumsum(shares / shares.sum())
        phases = scenario.phases
        self._withdraws = any(p.withdrawn for p in phases)
        self._reprices = any(p.price_factor for p in phases)
        self._states_costs = any(m.cost_per_request is not None for m in scenario.models)
        self._states_costs |= any(p.cost_per_request for p in phases)
        satisfaction = scenario.satisfaction
        self._difficulties = moments(tasks_of(satisfaction)) if satisfaction.kind == "irt" else (0.0, 1.0)
        self.uniforms = 2
        self.tells: frozenset[str] = frozenset()

    def draw(
        self,
        stage: Stage,
        first: int,
        n: int,
        progress: Floats | None = None,
        unread: frozenset[str] = frozenset(),
    ) -> Chunk:
        """Requests first ... first + n - 1, without arrival times.

        `progress` [n] in [0, 1] says how far requests are on the way to the stage from the one before it; columns
        that are `unread`, output_tokens or feedback_uniform, are None, and unread features have no rows.
        """
        chance = self._chance
        row = self._rows(stage, first, n)
        difficulty = stage.difficulty.draw(first, n, stage.shift_at(progress)) if stage.difficulty else None
        thetas = stage.thetas_at(progress)
        satisfied = self._satisfied(stage, thetas, first, n, row, difficulty)
        return Chunk(
            first=first,
            arrival_s=None,
            tenant=self.tenants(first, n),
            instance=self._instances(first, n),
            prompt_tokens=self._tokens.draw(stage, None, first, n, row),
            output_tokens=None if "output_tokens" in unread else self._tokens.draw_answers(stage, first, n, row),
            max_new_tokens=self._tokens.limits(first, n),
            features=np.empty((0, n)) if "features" in unread else self._features(first, n, row, difficulty),
            satisfied=satisfied,
            labels=self._labels(satisfied, first),
            costs=self._costs(stage, n, row),
            available=self._available(stage, n),
            price_factor=np.repeat(np.array(stage.price_factors)[:, None], n, axis=1) if self._reprices else None,
            difficulty=difficulty,
            facts=self._facts(thetas, satisfied, difficulty),
            policy_uniforms=self.policy_uniforms(first, n),
            feedback_uniform=None
            if "feedback_uniform" in unread
            else chance.choice(chance.column("feedback"), first, n),
            delay_s=self._delays(first, n),
        )

    @property
    def difficulty_law(self) -> DifficultyLaw | None:
        """By which features show a request's difficulty; None where they show something else."""
        if self._scenario.features.kind != "difficulty" or self._scenario.satisfaction.kind != "irt":
            return None
        return DifficultyLaw(self._scenario.features.signal, *self._difficulties)

    def tenants(self, first: int, n: int) -> Ints:
        """Index of the tenant of n requests, or sessions, from `first` on."""
        count = len(self._tenant_edges)
        if count == 1:
            return np.zeros(n, np.int32)
        if self._tenant_of_row is not None:
            return self._tenant_of_row[np.arange(first, first + n) % len(self._tenant_of_row)]
        u = self._chance.choice(self._chance.column("tenant"), first, n)
        return np.minimum(np.searchsorted(self._tenant_edges, u, side="right"), count - 1).astype(np.int32)

    def _instances(self, first: int, n: int) -> Ints | None:
        count = self._scenario.router.instances
        if count == 1:
            return None
        return (self._chance.choice(self._chance.column("instance"), first, n) * count).astype(np.int32)

    def _rows(self, stage: Stage, first: int, n: int) -> Rows | None:
        """The table row of each request."""
        satisfaction = self._scenario.satisfaction
        if self._table is None or satisfaction.kind != "table":
            return None
        count = self._table.rows if stage.rows is None else len(stage.rows)
        if satisfaction.order == "file":
            at = np.arange(first, first + n) % count
        else:
            u = self._chance.uniform(self._chance.column("row"), first, n)
            at = np.minimum((u * count).astype(np.int64), count - 1)
        return at if stage.rows is None else stage.rows[at]

    def _features(self, first: int, n: int, row: Rows | None, difficulty: Floats | None) -> Floats:
        features = self._scenario.features
        if self.difficulty_law is not None and difficulty is not None:
            return difficulty_features(difficulty, self.difficulty_law, features.dimensions, self._chance, first)
        if self._table is not None and features.kind != "none":
            return np.ascontiguousarray(self._table.features[:, row])
        return np.empty((0, n))

    def _satisfied(
        self,
        stage: Stage,
        thetas: list[float | Floats],
        first: int,
        n: int,
        row: Rows | None,
        difficulty: Floats | None,
    ) -> Floats:
        satisfaction = self._scenario.satisfaction
        if satisfaction.kind == "irt" and difficulty is not None:
            out = np.empty((len(self._scenario.models), n))
            for m, (model, theta) in enumerate(zip(self._scenario.models, thetas, strict=True)):
                column = self._chance.column("satisfaction", model.name)
                ability, against = (theta, difficulty) if isinstance(theta, float) else (0.0, difficulty - theta)
                self._chance.logistic(column, first, satisfaction.slope, ability, against, out[m])
                if satisfaction.grades > 2:
                    self._grade(column, first, satisfaction, ability, against, out[m])
            return out
        assert self._table is not None
        return np.stack([self._table.satisfied[c][row] for c in stage.columns])

    def _facts(self, thetas: list[float | Floats], satisfied: Floats, difficulty: Floats | None) -> Floats | None:
        satisfaction = self._scenario.satisfaction
        if "outcomes" in self.tells:
            return satisfied
        if "difficulty" not in self.tells or difficulty is None or satisfaction.kind != "irt":
            return None
        return np.stack([sigmoid(satisfaction.slope * (theta - difficulty)) for theta in thetas])

    @property
    def policy_column(self) -> int:
        """The column of chance of the policy."""
        return self._chance.column(f"policy:{self._scenario.router.policy_name}")

    def policy_uniforms(self, first: int, n: int, attempt: int = 0) -> Floats:
        """[n, uniforms]. Pair k of a request's attempt is the block of copy attempt * pairs + k."""
        count = self.uniforms // 2
        subs = range(attempt * count, (attempt + 1) * count)
        pairs = [self._chance.uniform_pair(self.policy_column, first, n, sub) for sub in subs]
        return pairs[0] if len(pairs) == 1 else np.concatenate(pairs, axis=1)

    def _grade(self, column: int, first: int, irt: Irt, theta: float, difficulty: Floats, out: Floats) -> None:
        """From the first criterion, 0 or 1, to the share of all criteria that are met."""
        one = np.empty_like(out)
        for criterion in range(1, irt.grades - 1):
            self._chance.logistic(column, first, irt.slope, theta, difficulty, one, sub=criterion)
            out += one
        out /= irt.grades - 1

    def _labels(self, satisfied: Floats, first: int) -> Floats | None:
        """An answer of satisfaction s is rated 1 - s with probability s false_negative + (1 - s) false_positive.

        With probability s (1 - satisfied_rate) its user says nothing: the label is NaN.
        """
        feedback = self._scenario.feedback
        if not feedback.raters_err:
            return None
        labels = np.empty_like(satisfied)
        for s, label, model in zip(satisfied, labels, self._scenario.models, strict=True):
            u = self._chance.choice(self._chance.column("rater", model.name), first, len(s))
            wrong = u < s * feedback.false_negative + (1.0 - s) * feedback.false_positive
            label[:] = np.where(wrong, 1.0 - s, s)
            if feedback.satisfied_rate < 1.0:
                u = self._chance.choice(self._chance.column("silent", model.name), first, len(s))
                label[u < s * (1.0 - feedback.satisfied_rate)] = np.nan
        return labels

    def _costs(self, stage: Stage, n: int, row: Rows | None) -> Floats | None:
        """What the scenario states of a model goes before the table."""
        by_table = self._table.costs if self._table is not None else {}
        if not by_table and not self._states_costs:
            return None
        costs = np.full((len(stage.costs), n), np.nan)
        for m, stated in enumerate(stage.costs):
            if stated is not None:
                costs[m] = stated
            elif by_table:
                costs[m] = by_table[stage.columns[m]][row]
        return costs

    def _available(self, stage: Stage, n: int) -> NDArray[np.bool_] | None:
        if not self._withdraws:
            return None
        return np.repeat(np.array(stage.available)[:, None], n, axis=1)

    def _delays(self, first: int, n: int) -> Floats | None:
        law = self._scenario.feedback.delay
        if law.kind == "immediate":
            return None
        columns = [self._chance.column("delay", m.name) for m in self._scenario.models]
        return np.stack([delay_sampler(law, self._chance, column)(first, n) for column in columns])
