"""How many tokens prompts and answers have: by a law, or as a trace or a table says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from messsim.scenario import Scenario
from messsim.scenario.laws import TokenLaw

from .answers import answers_of, names_of
from .chance import Chance
from .chunk import Floats, Ints
from .laws import TokenSampler, histogram_sampler, limited_sampler, token_sampler
from .spans import Span, mean_of_rows
from .stages import Stage

if TYPE_CHECKING:
    from .table import OutcomeTable, Rows
    from .trace import Lengths, TraceRows

__all__ = ["TokenCounts"]

MUCH_CUT = 0.75  # of the mean that a law states, below which what it is cut to is worth a note


class TokenCounts:
    """Token counts of a stage's prompts (model None) or of a model's answers."""

    def __init__(
        self, scenario: Scenario, trace: TraceRows | Lengths | None, table: OutcomeTable | None, chance: Chance
    ) -> None:
        self._names = scenario.model_names
        self._known_as = [names_of(scenario, m) for m in range(len(scenario.models))]
        self._trace = trace
        self._by_chance = trace is not None and not trace.in_order
        self._table = table
        self._chance = chance
        self._in_order = scenario.satisfaction.kind == "table" and scenario.satisfaction.order == "file"
        # each law is kept beside its sampler, so that no other gets its id
        self._samplers: dict[tuple[int | None, int], tuple[TokenLaw, TokenSampler]] = {}
        limit = scenario.tokens.max_new_tokens
        self._limit = None if limit is None else token_sampler(limit, chance, chance.column("max_new_tokens"))

    def notes(self, stages: Sequence[Stage]) -> list[str]:
        """A note on each law that is cut to much less than the mean that it states."""
        notes = [f"prompts {cut}" for stage in stages if (cut := self._cut_to(stage.prompt))]
        whose: dict[str, list[str]] = {}
        for stage in stages:
            for law, name in zip(stage.outputs, self._names, strict=True):
                if cut := self._cut_to(law):
                    whose.setdefault(cut, []).append(name)
        for cut, names in whose.items():
            models = list(dict.fromkeys(names))
            of = f" of {', '.join(models)}" if len(models) < len(self._names) else ""
            notes.append(f"answers{of} {cut}")
        return list(dict.fromkeys(notes))

    def _cut_to(self, law: TokenLaw) -> str:
        """What a law's `max` leaves of its mean, where that is much less; "": it is not."""
        if law.kind not in ("geometric", "lognormal"):
            return ""
        mean = token_sampler(law, self._chance, 0).mean
        if mean >= MUCH_CUT * law.mean:
            return ""
        return f"have a mean of {mean:.4g} tokens, not {law.mean:g}: max = {law.max:,} cuts longer ones"

    def draw(self, stage: Stage, model: int | None, first: int, n: int, row: Rows | None) -> Ints:
        """Tokens of requests first ... first + n - 1, whose rows of the table are `row`."""
        given = self._given(stage, model)
        if given is None:
            return self._sampler(stage, model).draw(first, n)
        at = row if _law(stage, model).kind == "table" else self._rows(first, n, len(given))
        return self._cut(np.asarray(given[at]), model, first)

    def draw_answers(self, stage: Stage, first: int, n: int, row: Rows | None) -> Ints:
        """What `draw` gives of every model, [models, n]."""
        out = np.empty((len(stage.outputs), n), np.int32)
        for m in range(len(out)):
            law = self._sampler(stage, m).geometric if self._given(stage, m) is None else None
            if law is None:
                out[m] = self.draw(stage, m, first, n, row)
            else:
                self._chance.geometric(self._chance.column("output", self._names[m]), first, n, *law, out=out[m])
        return out

    def limits(self, first: int, n: int) -> Ints | None:
        """The longest answer that the client of each request allows, tokens; None: nobody says."""
        return None if self._limit is None else self._limit.draw(first, n)

    @property
    def longest_limit(self) -> float | None:
        """The most that any client may allow, tokens; None: nobody says."""
        return None if self._limit is None else self._limit.most

    @property
    def mean_limit(self) -> float:
        """What clients allow on average, tokens; 0: nobody says."""
        return 0.0 if self._limit is None else self._limit.mean

    def _cut(self, tokens: Ints, model: int | None, first: int) -> Ints:
        """Answers of requests first, first + 1, ... no longer than their clients allow."""
        if self._limit is None or model is None:
            return tokens
        return np.minimum(tokens, self._limit.draw(first, len(tokens)))

    def _rows(self, first: int, n: int, count: int) -> Rows:
        """Rows of the trace or the file of lengths, of `count`: the same for a prompt and its answers."""
        if not self._by_chance:
            return np.arange(first, first + n) % count
        u = self._chance.uniform(self._chance.column("lengths"), first, n)
        return np.minimum((u * count).astype(np.int64), count - 1)

    def can_wait(self, stage: Stage) -> bool:
        """Whether answers can be drawn after it is known which model's a user gets: `answers` does that."""
        count = len(stage.outputs)
        return all(self._given(stage, m) is None and self._sampler(stage, m).geometric for m in range(count))

    def answers(self, stage: Stage, first: int, model: Ints) -> Ints:
        """Tokens of the answers to requests first, first + 1, ... by a model each: the same that `draw` gives."""
        laws = [self._sampler(stage, m).geometric or (0.0, 0.0) for m in range(len(stage.outputs))]
        columns = [self._chance.column("output", name) for name in self._names]
        return self._chance.geometric_of(
            first, model, columns, [scale for scale, _ in laws], [most for _, most in laws]
        )

    def mean(self, span: Span, model: int | None) -> float:
        """Mean over a span of the run, tokens."""
        given = self._lengths(span.stage, model)
        return self._sampler(span.stage, model).mean if given is None else self._mean_of(span, model, given)

    def mean_square(self, span: Span, model: int | None) -> float:
        """Mean of the squares over a span of the run, tokens^2."""
        given = self._lengths(span.stage, model)
        if given is None:
            return self._sampler(span.stage, model).mean_square
        return self._mean_of(span, model, given.astype(np.float64) ** 2)

    def _mean_of(self, span: Span, model: int | None, given: Ints | Floats) -> float:
        if _law(span.stage, model).kind == "trace":
            return mean_of_rows(given, span, in_order=not self._by_chance)
        return mean_of_rows(given if span.stage.rows is None else given[span.stage.rows], span, self._in_order)

    def usual(self, stage: Stage, model: int | None) -> float:
        """Mean of a stage's law, or of the whole column that it points to, tokens."""
        given = self._lengths(stage, model)
        return float(given.mean()) if given is not None else self._sampler(stage, model).mean

    def longest(self, stage: Stage, model: int | None) -> float:
        """The most that may come, tokens."""
        given = self._lengths(stage, model)
        return float(given.max()) if given is not None else self._sampler(stage, model).most

    def _given(self, stage: Stage, model: int | None) -> Ints | None:
        """The column of a trace or table that a law points to; None for a law of its own."""
        law = _law(stage, model)
        if law.kind == "trace" and self._trace is not None:
            return self._trace.prompt_tokens if model is None else self._trace.output_tokens
        if law.kind == "table" and self._table is not None:
            return self._table.prompt_tokens if model is None else self._table.output_tokens[stage.columns[model]]
        return None

    def _lengths(self, stage: Stage, model: int | None) -> Ints | None:
        """The same as requests have it, who take the rows in order."""
        given = self._given(stage, model)
        return None if given is None else self._cut(given, model, 0)

    def _sampler(self, stage: Stage, model: int | None) -> TokenSampler:
        law = _law(stage, model)
        key = (model, id(law))
        if key not in self._samplers:
            self._samplers[key] = (law, self._made(law, model))
        return self._samplers[key][1]

    def _made(self, law: TokenLaw, model: int | None) -> TokenSampler:
        column = (
            self._chance.column("prompt", "") if model is None else self._chance.column("output", self._names[model])
        )
        if law.kind == "builtin" and model is not None:
            known = answers_of(law, self._known_as[model])
            sampler = histogram_sampler(known.tokens, known.weights, self._chance, column)
        else:
            sampler = token_sampler(law, self._chance, column)
        return limited_sampler(sampler, self._limit) if self._limit is not None and model is not None else sampler


def _law(stage: Stage, model: int | None) -> TokenLaw:
    return stage.prompt if model is None else stage.outputs[model]
