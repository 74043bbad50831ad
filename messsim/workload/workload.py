"""The stream of requests that a scenario describes, chunk after chunk."""

from collections.abc import Iterator

import numpy as np

from messsim.scenario import Scenario

from . import expectations
from .arrivals import ArrivalSource, TraceArrivals, rate_arrivals
from .chance import Chance
from .chunk import Chunk, Floats, Ints, joined
from .drawing import Drawing
from .sources import table_of, trace_of
from .stages import Stage, stages_of
from .tokens import TokenCounts

__all__ = ["Workload"]


class Workload:
    """Draws a scenario's requests.

    Every column but the arrival times is random access: ``columns(first, n)`` gives the same values
    whatever was drawn before. Arrival times come in order, from `chunks`.

    Attributes
    ----------
    chance
        Where all of them come from.
    trace, table
        The data files, where the scenario names them.
    stages
        How requests are drawn before the first phase, and in each phase.
    features
        How many features a request has.
    length
        How many requests come; None where time decides.
    notes
        What is allowed in a data file but deserves a word.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.chance = Chance(scenario.seed, scenario.replication)
        self.trace = trace_of(scenario)
        self.table = table_of(scenario)
        self.notes = list(self.trace.notes) if self.trace else []
        self.features = self._dimensions()
        self.stages = stages_of(scenario, self.table, self.chance)
        self.length = self._length()
        self._tokens = TokenCounts(scenario, self.trace, self.table, self.chance)
        self._drawing = Drawing(scenario, self.chance, self.table, self._tokens)

    def _dimensions(self) -> int:
        said = self.scenario.features
        if said.kind == "none":
            return 0
        return len(self.table.features) if self.table is not None else said.dimensions

    def _length(self) -> int | None:
        s = self.scenario
        if s.horizon_s is not None:
            return None
        length = s.requests if s.requests is not None else self._rows()
        return min(length, self._rows()) if self._ends_with_the_trace() else length

    def _rows(self) -> int:
        return len(self.trace) if self.trace is not None else 0

    def _ends_with_the_trace(self) -> bool:
        law = self.scenario.arrivals
        return law.kind == "trace" and not law.repeat

    @property
    def policy_column(self) -> int:
        """The column of chance that the policy's uniforms are drawn from."""
        return self._drawing.policy_column

    def uniforms_of_attempt(self, request: int, attempt: int) -> Floats:
        """[uniforms] of the policy, where a request is routed again; attempt 0 is the first."""
        uniforms: Floats = self._drawing.policy_uniforms(request, 1, attempt)[0]
        return uniforms

    def draw_for_policy(self, uniforms: int, tells: frozenset[str]) -> None:
        """From now on draws so many policy uniforms a request, and the facts that the policy may know."""
        self._drawing.uniforms, self._drawing.tells = uniforms, tells

    # ---- expectations ---------------------------------------------------------------------------------------

    def mean_prompt_tokens(self) -> float:
        """Mean length of prompts outside all phases, tokens."""
        return self._tokens.mean(self.stages[0], None)

    def mean_output_tokens(self, model: int) -> float:
        """Mean length of a model's answers outside all phases, tokens."""
        return self._tokens.mean(self.stages[0], model)

    def mean_square_prompt_tokens(self) -> float:
        """Mean square of the length of prompts outside all phases, tokens^2."""
        return self._tokens.mean_square(self.stages[0], None)

    def mean_square_output_tokens(self, model: int) -> float:
        """Mean square of the length of a model's answers outside all phases, tokens^2."""
        return self._tokens.mean_square(self.stages[0], model)

    def longest_prompt_tokens(self) -> float:
        """Longest prompt that may come in any phase, tokens."""
        return max(self._tokens.longest(stage, None) for stage in self.stages)

    def longest_output_tokens(self, model: int) -> float:
        """Longest answer of a model that may come in any phase, tokens."""
        return max(self._tokens.longest(stage, model) for stage in self.stages)

    def mean_satisfaction(self) -> list[float]:
        """Mean satisfaction of each model outside all phases."""
        return expectations.mean_satisfaction(self.scenario, self.table, self.stages[0])

    def mean_rate_rps(self) -> float | None:
        """Mean arrival rate outside all phases, requests per second; None in a closed loop."""
        return expectations.mean_rate_rps(self.scenario, self.trace)

    # ---- drawing --------------------------------------------------------------------------------------------

    @property
    def chunk_size(self) -> int:
        """Requests to draw at once: record.chunk, or so many that their features take 32 MiB, within limits.

        Larger chunks leave the cache, and their pages are new every time.
        """
        size = self.scenario.record.chunk
        return size if size is not None else min(65_536, max(1_024, 2**22 // max(self.features, 1)))

    @property
    def answers_can_wait(self) -> bool:
        """Whether `answer_tokens` can draw the answers that users got, so that the others need not be drawn."""
        return len(self.stages) == 1 and self._tokens.can_wait(self.stages[0])

    def answer_tokens(self, first: int, model: Ints) -> Ints:
        """Tokens of the answers to requests first, first + 1, ... by model[i] each: what their chunk would hold."""
        return self._tokens.answers(self.stages[0], first, model)

    def chunks(self, size: int, unread: frozenset[str] = frozenset()) -> Iterator[Chunk]:
        """All requests in order, `size` at a time; the last chunk may be shorter.

        Columns that are `unread` (`Drawing.draw`) are None.
        """
        source = self._arrivals()
        first, horizon_s = 0, self.scenario.horizon_s
        most = self._rows() if self._ends_with_the_trace() and self.length is None else self.length
        while most is None or first < most:
            n = size if most is None else min(size, most - first)
            arrival_s = source.next_times(n) if source else None
            if horizon_s is not None and arrival_s is not None:
                n = int(np.searchsorted(arrival_s, horizon_s, side="left"))
                if n < len(arrival_s):
                    if n:
                        yield self._join(first, n, arrival_s[:n], unread)
                    return
            yield self._join(first, n, arrival_s, unread)
            first += n

    def _arrivals(self) -> ArrivalSource | None:
        law, phases = self.scenario.arrivals, self.scenario.phases
        if law.kind == "closed":
            return None
        if law.kind == "trace":
            assert self.trace is not None
            return TraceArrivals(self.trace)
        by_request = [(float(p.from_request), p.rate_factor or 1.0) for p in phases if p.from_request is not None]
        by_time = [(p.from_s, p.rate_factor or 1.0) for p in phases if p.from_s is not None]
        return rate_arrivals(law, self.chance, by_request, by_time)

    def columns(self, first: int, n: int) -> Chunk:
        """Requests first ... first + n - 1 without arrival times (phases by time are not looked at)."""
        return self._join(first, n, None)

    def _join(self, first: int, n: int, arrival_s: Floats | None, unread: frozenset[str] = frozenset()) -> Chunk:
        """Draws each stretch between phase boundaries by its stage, and joins them."""
        parts = self.stretches(first, n, arrival_s)
        drawn = [
            self._drawing.draw(stage, first + p.start, p.stop - p.start, progress, unread)
            for stage, p, progress in parts
        ]
        chunk = joined(drawn)
        chunk.arrival_s = arrival_s
        return chunk

    def stretches(self, first: int, n: int, arrival_s: Floats | None) -> list[tuple[Stage, slice, Floats | None]]:
        """Requests first ... first + n - 1 between phase boundaries.

        Each stage with its slice of them, and how far these are on the way to it (`Stage.progress`).
        """
        edges = [0, *self._boundaries(first, n, arrival_s), n]
        found = []
        for stage, a, b in zip(self.stages, edges, edges[1:], strict=False):
            if b > a:
                times = None if arrival_s is None else arrival_s[a:b]
                found.append((stage, slice(a, b), stage.progress(np.arange(first + a, first + b), times)))
        return found

    def _boundaries(self, first: int, n: int, arrival_s: Floats | None) -> list[int]:
        edges = []
        for phase in self.scenario.phases:
            if phase.from_request is not None:
                edges.append(min(max(phase.from_request - first, 0), n))
            elif arrival_s is not None:
                edges.append(int(np.searchsorted(arrival_s, phase.from_s or 0.0, side="left")))
        return edges
