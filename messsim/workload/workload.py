"""The stream of requests that a scenario describes, chunk after chunk."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from messsim.scenario import Scenario
from messsim.scenario.laws import TokenLaw
from messsim.scenario.phases import Phase

from .arrivals import ArrivalSource, TraceArrivals, rate_arrivals
from .chance import Chance
from .chunk import Chunk, Floats, Ints
from .features import difficulty_features
from .irt import Difficulty, abilities, moments, sigmoid, tasks_of
from .laws import TokenSampler, delay_sampler, token_sampler
from .table import OutcomeTable, read_table
from .trace import TraceRows, read_trace

__all__ = ["Stage", "Workload"]


@dataclass(frozen=True)
class Stage:
    """How requests are drawn between two phase boundaries."""

    phase: Phase | None
    prompt: TokenLaw
    outputs: list[TokenLaw]
    difficulty: Difficulty | None  # IRT ...
    thetas: list[float]
    columns: list[str]  # ... or a table
    rows: NDArray[np.int64] | None


class Workload:
    """Draws a scenario's requests.

    Every column but the arrival times is random access: ``columns(first, n)`` gives the same values
    whatever was drawn before. Arrival times come in order, from `chunks`.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.chance = Chance(scenario.seed, scenario.replication)
        self.trace = self._read_trace()
        self.table = self._read_table()
        self.notes = list(self.trace.notes) if self.trace else []
        self.features = self._dimensions()
        self.stages = [self._stage(None), *(self._stage(p) for p in scenario.phases)]
        self.length = self._length()
        self._samplers: dict[tuple[str, str], TokenSampler] = {}
        shares = np.array([t.share for t in scenario.promises])
        self._tenant_edges = np.cumsum(shares / shares.sum())

    # ---- preparation --------------------------------------------------------------------------------

    def _laws(self) -> tuple[list[TokenLaw], list[TokenLaw]]:
        s = self.scenario
        prompts = [s.tokens.prompt, *(p.prompt for p in s.phases if p.prompt)]
        outputs = [m.output or s.tokens.output for m in s.models] + [p.output for p in s.phases if p.output]
        return prompts, outputs

    def _asks(self, kind: str) -> dict[str, bool]:
        prompts, outputs = self._laws()
        return {
            "prompt": any(law.kind == kind for law in prompts),
            "output": any(law.kind == kind for law in outputs),
        }

    def _read_trace(self) -> TraceRows | None:
        law = self.scenario.arrivals
        if law.kind != "trace":
            return None
        return read_trace(law, self.scenario.path(law.file), **self._asks("trace"))

    def _read_table(self) -> OutcomeTable | None:
        said = self.scenario.satisfaction
        return read_table(self.scenario, said, **self._asks("table")) if said.kind == "table" else None

    def _dimensions(self) -> int:
        kind = self.scenario.features.kind
        if kind == "none":
            return 0
        return len(self.table.features) if self.table is not None else self.scenario.features.dimensions

    def _stage(self, phase: Phase | None) -> Stage:
        s = self.scenario
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
            return Stage(phase, prompt, outputs, Difficulty(tasks, shift, self.chance), thetas, [], None)
        assert self.table is not None
        columns = [m.column or m.name for m in s.models]
        if phase:
            columns = [phase.columns.get(m.name, c) for m, c in zip(s.models, columns, strict=True)]
        rows = self.table.select(phase.groups if phase else None)
        return Stage(phase, prompt, outputs, None, [], columns, rows)

    def _length(self) -> int | None:
        s = self.scenario
        if s.horizon_s is not None:
            return None
        rows = len(self.trace) if self.trace is not None else 0
        length = s.requests if s.requests is not None else rows
        ends = s.arrivals.kind == "trace" and not s.arrivals.repeat
        return min(length, rows) if ends else length

    # ---- expectations -------------------------------------------------------------------------------

    def mean_output_tokens(self, model: int) -> float:
        """Mean length of a model's answers outside all phases, tokens."""
        return self._mean_tokens(self.stages[0], model)

    def mean_prompt_tokens(self) -> float:
        """Mean length of prompts outside all phases, tokens."""
        return self._mean_tokens(self.stages[0], None)

    def longest_prompt_tokens(self) -> float:
        """Longest prompt that may come in any phase, tokens."""
        return max(self._longest_tokens(stage, None) for stage in self.stages)

    def longest_output_tokens(self, model: int) -> float:
        """Longest answer of a model that may come in any phase, tokens."""
        return max(self._longest_tokens(stage, model) for stage in self.stages)

    def _mean_tokens(self, stage: Stage, model: int | None) -> float:
        given = self._given_tokens(stage, model)
        return float(given.mean()) if given is not None else self._law_tokens(stage, model).mean

    def _longest_tokens(self, stage: Stage, model: int | None) -> float:
        given = self._given_tokens(stage, model)
        return float(given.max()) if given is not None else self._law_tokens(stage, model).most

    def mean_satisfaction(self) -> list[float]:
        """Mean satisfaction of each model outside all phases."""
        if self.table is not None:
            return [float(self.table.satisfied[c].mean()) for c in self.stages[0].columns]
        return [m.satisfaction or 0.0 for m in self.scenario.models]

    def mean_rate_rps(self) -> float | None:
        """Mean arrival rate outside all phases, requests per second; None in a closed loop."""
        law = self.scenario.arrivals
        if law.kind == "trace":
            assert self.trace is not None
            return len(self.trace) / self.trace.period_s
        if law.kind == "diurnal":
            return sum(law.rates_rps) / len(law.rates_rps)
        if law.kind == "mmpp":
            calm, burst = law.mean_calm_s, law.mean_burst_s
            return (calm * law.rate_rps + burst * law.burst_rate_rps) / (calm + burst)
        return None if law.kind == "closed" else law.rate_rps

    # ---- drawing ------------------------------------------------------------------------------------

    def chunks(self, size: int) -> Iterator[Chunk]:
        """All requests in order, `size` at a time; the last chunk may be shorter."""
        source = self._arrivals()
        first, horizon_s = 0, self.scenario.horizon_s
        while self.length is None or first < self.length:
            n = size if self.length is None else min(size, self.length - first)
            arrival_s = source.next_times(n) if source else None
            if horizon_s is not None and arrival_s is not None:
                n = int(np.searchsorted(arrival_s, horizon_s, side="left"))
                if n < len(arrival_s):
                    if n:
                        yield self._chunk(first, arrival_s[:n])
                    return
            yield self._chunk(first, arrival_s) if arrival_s is not None else self.columns(first, n)
            first += n

    def _arrivals(self) -> ArrivalSource | None:
        law, phases = self.scenario.arrivals, self.scenario.phases
        if law.kind == "closed":
            return None
        if law.kind == "trace":
            assert self.trace is not None
            return TraceArrivals(self.trace)
        by_request = [(p.from_request, p.rate_factor or 1.0) for p in phases if p.from_request is not None]
        by_time = [(p.from_s, p.rate_factor or 1.0) for p in phases if p.from_s is not None]
        return rate_arrivals(law, self.chance, [(float(r), f) for r, f in by_request], by_time)

    def _chunk(self, first: int, arrival_s: Floats) -> Chunk:
        return self._join(first, len(arrival_s), arrival_s)

    def columns(self, first: int, n: int) -> Chunk:
        """Requests first ... first + n - 1 without arrival times (phases by time are not looked at)."""
        return self._join(first, n, None)

    def _join(self, first: int, n: int, arrival_s: Floats | None) -> Chunk:
        """Draws each stretch between phase boundaries by its stage, and joins them."""
        edges = [0, *self._boundaries(first, n, arrival_s), n]
        parts = [
            self._draw(stage, first + a, b - a)
            for stage, a, b in zip(self.stages, edges, edges[1:], strict=False)
            if b > a
        ]
        chunk = parts[0] if len(parts) == 1 else _concatenated(parts)
        chunk.arrival_s = arrival_s
        return chunk

    def _boundaries(self, first: int, n: int, arrival_s: Floats | None) -> list[int]:
        edges = []
        for phase in self.scenario.phases:
            if phase.from_request is not None:
                edges.append(min(max(phase.from_request - first, 0), n))
            elif arrival_s is not None:
                edges.append(int(np.searchsorted(arrival_s, phase.from_s or 0.0, side="left")))
        return edges

    def _draw(self, stage: Stage, first: int, n: int) -> Chunk:
        s, chance = self.scenario, self.chance
        row = self._rows(stage, first, n)
        difficulty = stage.difficulty.draw(first, n) if stage.difficulty else None
        u_tenant = chance.choice(chance.column("tenant"), first, n) if len(s.promises) > 1 else np.zeros(n)
        tenant = np.searchsorted(self._tenant_edges, u_tenant, side="right")
        policy = chance.column(f"policy:{s.router.policy}")
        return Chunk(
            first=first,
            arrival_s=None,
            tenant=np.minimum(tenant, len(s.promises) - 1).astype(np.int32),
            prompt_tokens=self._tokens(stage, first, n, row, None),
            output_tokens=np.stack([self._tokens(stage, first, n, row, m) for m in range(len(stage.outputs))]),
            features=self._features(first, n, row, difficulty),
            satisfied=self._satisfied(stage, first, n, row, difficulty),
            costs=self._costs(stage, row),
            difficulty=difficulty,
            policy_uniforms=np.stack(
                [chance.uniform(policy, first, n), chance.uniform(policy, first, n, odd=True)], axis=1
            ),
            feedback_uniform=chance.choice(chance.column("feedback"), first, n),
            delay_s=self._delays(first, n),
        )

    def _rows(self, stage: Stage, first: int, n: int) -> NDArray[np.int64] | None:
        """The table row of each request."""
        said = self.scenario.satisfaction
        if self.table is None or said.kind != "table":
            return None
        count = self.table.rows if stage.rows is None else len(stage.rows)
        if said.order == "file":
            at = np.arange(first, first + n) % count
        else:
            u = self.chance.uniform(self.chance.column("row"), first, n)
            at = np.minimum((u * count).astype(np.int64), count - 1)
        return at if stage.rows is None else stage.rows[at]

    def _sampler(self, law: TokenLaw, family: str, model: str = "") -> TokenSampler:
        key = (f"{family}/{model}", law.model_dump_json())
        if key not in self._samplers:
            self._samplers[key] = token_sampler(law, self.chance, self.chance.column(family, model))
        return self._samplers[key]

    def _given_tokens(self, stage: Stage, model: int | None) -> Ints | None:
        """The column of a trace or table that a law of tokens points to; None for a law of its own."""
        law = stage.prompt if model is None else stage.outputs[model]
        if law.kind == "trace" and self.trace is not None:
            return self.trace.prompt_tokens if model is None else self.trace.output_tokens
        if law.kind == "table" and self.table is not None:
            if model is None:
                return self.table.prompt_tokens
            return self.table.output_tokens[stage.columns[model]]
        return None

    def _law_tokens(self, stage: Stage, model: int | None) -> TokenSampler:
        if model is None:
            return self._sampler(stage.prompt, "prompt")
        return self._sampler(stage.outputs[model], "output", self.scenario.models[model].name)

    def _tokens(self, stage: Stage, first: int, n: int, row: NDArray[np.int64] | None, model: int | None) -> Ints:
        """Prompt tokens (model None), or answer tokens of a model."""
        given = self._given_tokens(stage, model)
        if given is None:
            return self._law_tokens(stage, model).draw(first, n)
        law = stage.prompt if model is None else stage.outputs[model]
        at = row if law.kind == "table" else np.arange(first, first + n) % len(given)
        return np.asarray(given[at])

    def _features(self, first: int, n: int, row: NDArray[np.int64] | None, difficulty: Floats | None) -> Floats:
        said = self.scenario.features
        if said.kind == "difficulty" and difficulty is not None and self.scenario.satisfaction.kind == "irt":
            centre, spread = moments(tasks_of(self.scenario.satisfaction))
            return difficulty_features((difficulty - centre) / spread, said.signal, said.dimensions, self.chance, first)
        if self.table is not None and self.features:
            return np.ascontiguousarray(self.table.features[:, row])
        return np.empty((0, n))

    def _satisfied(
        self,
        stage: Stage,
        first: int,
        n: int,
        row: NDArray[np.int64] | None,
        difficulty: Floats | None,
    ) -> Floats:
        said = self.scenario.satisfaction
        if said.kind == "irt" and difficulty is not None:
            out = np.empty((len(self.scenario.models), n))
            for m, (model, theta) in enumerate(zip(self.scenario.models, stage.thetas, strict=True)):
                u = self.chance.choice(self.chance.column("satisfaction", model.name), first, n)
                out[m] = u < sigmoid(said.slope * (theta - difficulty))
            return out
        assert self.table is not None
        return np.stack([self.table.satisfied[c][row] for c in stage.columns])

    def _costs(self, stage: Stage, row: NDArray[np.int64] | None) -> Floats | None:
        if self.table is None or not self.table.costs:
            return None
        return np.stack([self.table.costs[c][row] for c in stage.columns])

    def _delays(self, first: int, n: int) -> Floats | None:
        law = self.scenario.feedback.delay
        if law.kind == "immediate":
            return None
        return np.stack(
            [
                delay_sampler(law, self.chance, self.chance.column("delay", m.name))(first, n)
                for m in self.scenario.models
            ]
        )


def _concatenated(parts: list[Chunk]) -> Chunk:
    def join(name: str) -> Floats | None:
        pieces = [getattr(p, name) for p in parts]
        axis = 0 if name == "policy_uniforms" else -1
        return None if pieces[0] is None else np.concatenate(pieces, axis=axis)

    fields = {name: join(name) for name in Chunk.__slots__ if name != "first"}
    return Chunk(first=parts[0].first, **fields)  # type: ignore[arg-type]
