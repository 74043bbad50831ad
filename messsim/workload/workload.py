"""The stream of requests that a scenario describes, chunk after chunk."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from messsim.errors import ScenarioError
from messsim.scenario import Scenario

from . import expectations
from .answers import problems_of_answers
from .arrivals import ArrivalSource, TraceArrivals, rate_arrivals
from .chance import Chance
from .chunk import Chunk, Floats, Ints, joined, requests_at_once
from .composing import Composing
from .drawing import Drawing
from .expectations import WINDOW_S, Rates
from .features import DifficultyLaw
from .sessions import BeginTimes
from .sources import lengths_of, table_of, trace_of
from .spans import Asked, Span, mean_over, spans_of
from .stages import Stage, stages_of
from .tokens import TokenCounts
from .usage import shared_columns, usage_notes

__all__ = ["Workload"]

WITHOUT_END = 100_000  # requests that stand for a run of which nobody knows how many will come: a closed loop in time
PROMPTS = 4096  # whose mean length stands for that of all where prompts grow with the turns of a session
SAMPLE_BLOCKS = 16  # a sample of a file in its order is taken from so many places of it


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
    """

    def __init__(self, scenario: Scenario) -> None:
        problems = problems_of_answers(scenario)
        if problems:
            raise ScenarioError(problems)
        self.scenario = scenario
        self.most_at_once: int | None = None  # drawn at once, where a run is watched
        self.chance = Chance(scenario.seed, scenario.replication)
        self.trace = trace_of(scenario)
        self.table = table_of(scenario)
        self.features = self._dimensions()
        self.stages = stages_of(scenario, self.table, self.chance)
        self.length = self._length()
        self._lengths = lengths_of(scenario)
        self._tokens = TokenCounts(scenario, self._lengths or self.trace, self.table, self.chance)
        self._drawing = Drawing(scenario, self.chance, self.table, self._tokens, self.trace)
        self._composing = Composing(scenario, self.chance, self._drawing, self._tokens, self.trace)

    def _dimensions(self) -> int:
        features = self.scenario.features
        if features.kind == "none":
            return 0
        return len(self.table.features) if self.table is not None else features.dimensions

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

    @cached_property
    def notes(self) -> list[str]:
        """What is allowed in a data file, in how much of it the run takes, or in a law, but deserves a word."""
        notes = [note for data in (self.trace, self.table, self._lengths) if data is not None for note in data.notes]
        notes += [*shared_columns(self.scenario), *self._tokens.notes(self.stages)]
        if self.expected_requests is not None:
            notes += usage_notes(self.scenario, self.trace, self.table, self.spans)
        return notes

    @property
    def policy_column(self) -> int:
        """The column of chance that the policy's uniforms are drawn from."""
        return self._drawing.policy_column

    @property
    def difficulty_law(self) -> DifficultyLaw | None:
        """By which features show a request's difficulty, where they can be drawn one request after the other."""
        return None if self.scenario.has_sessions else self._drawing.difficulty_law

    def uniforms_of_attempt(self, request: int, attempt: int) -> Floats:
        """[uniforms] of the policy, where a request is routed again; attempt 0 is the first."""
        uniforms: Floats = self._drawing.policy_uniforms(request, 1, attempt)[0]
        return uniforms

    def draw_for_policy(self, uniforms: int, tells: frozenset[str]) -> None:
        """From now on draws so many policy uniforms a request, and the facts that the policy may know."""
        self._drawing.uniforms, self._drawing.tells = uniforms, tells

    # ---- expectations: means over the requests that the run will have -------------------------------------------

    @cached_property
    def expected_requests(self) -> float | None:
        """How many requests come, or are expected to by a deadline; None for clients in a closed loop until one."""
        horizon_s, law = self.scenario.horizon_s, self.scenario.arrivals
        if horizon_s is None or law.kind == "closed":
            return self.length
        if self.trace is not None:
            return self.trace.requests_before(horizon_s, repeat=not self._ends_with_the_trace())
        if any(p.rate_factor for p in self.scenario.phases):
            return expectations.rates(source, None, horizon_s).requests if (source := self._arrivals()) else None
        rate_rps = self.mean_rate_rps()
        return rate_rps * horizon_s if rate_rps is not None else None

    @cached_property
    def spans(self) -> list[Span]:
        """Which of the run's requests are drawn by which stage."""
        expected = WITHOUT_END if self.expected_requests is None else max(1, round(self.expected_requests))
        return spans_of(self.stages, expected, self._begins)

    def mean_prompt_tokens(self) -> float:
        """Mean length of prompts, tokens."""
        if self._composing.changes:
            return float(self._prompts.mean())
        return mean_over(self.spans, lambda s: self._tokens.mean(s, None))

    @cached_property
    def _prompts(self) -> Floats:
        """Lengths of the prompts of the first requests, where no law tells their mean."""
        expected = self.expected_requests or PROMPTS
        return self.columns(0, max(1, min(PROMPTS, round(expected)))).prompt_tokens.astype(np.float64)

    def mean_output_tokens(self, model: int) -> float:
        """Mean length of a model's answers, tokens."""
        return mean_over(self.spans, lambda s: self._tokens.mean(s, model))

    def mean_square_prompt_tokens(self) -> float:
        """Mean square of the length of prompts, tokens^2."""
        if self._composing.changes:
            return float((self._prompts**2).mean())
        return mean_over(self.spans, lambda s: self._tokens.mean_square(s, None))

    def mean_square_output_tokens(self, model: int) -> float:
        """Mean square of the length of a model's answers, tokens^2."""
        return mean_over(self.spans, lambda s: self._tokens.mean_square(s, model))

    def mean_limit_tokens(self) -> float:
        """How long an answer clients allow on average, tokens; 0: nobody says."""
        return self._tokens.mean_limit

    def usual_output_tokens(self, model: int) -> float:
        """Mean length of a model's answers by the law that the run begins with, tokens.

        Over all rows of a trace or a table: it does not depend on how long the run is.
        """
        return self._tokens.usual(self.spans[0].stage, model)

    def longest_prompt_tokens(self) -> float:
        """Longest prompt that may come in any phase, tokens."""
        outputs = max(self.longest_output_tokens(m) for m in range(len(self.scenario.models)))
        return self._composing.longest(max(self._tokens.longest(stage, None) for stage in self.stages), outputs)

    def longest_output_tokens(self, model: int) -> float:
        """Longest answer of a model that may come in any phase, tokens."""
        return max(self._tokens.longest(stage, model) for stage in self.stages)

    def longest_answer_allowed(self, model: int) -> float:
        """The most that the servers of a model may be told an answer to become, tokens."""
        limit = self._tokens.longest_limit
        return self.longest_output_tokens(model) if limit is None else limit

    def spans_of_tenant(self, tenant: int) -> list[Span]:
        """The spans in which a tenant asks, whose means are over its requests; none if it never does.

        Tenants that are drawn by their shares ask everywhere alike; those of a trace where its rows say.
        """
        rows = None if self.trace is None else self.trace.tenant
        if rows is None or len(self.scenario.promises) == 1:
            return self.spans
        asked = Asked(rows == tenant)
        spans = [replace(s, asked=asked) for s in self.spans]
        return [s for s in spans if s.weight()]

    def mean_satisfaction(self, spans: Sequence[Span] | None = None) -> list[float]:
        """Mean satisfaction of each model, as if each could be had all the time; over some spans, or all."""
        return expectations.mean_satisfaction(self.scenario, self.table, spans or self.spans)

    def any_satisfied(self, spans: Sequence[Span] | None = None) -> float:
        """Mean satisfaction by the best answer of all models: no router can satisfy more."""
        return expectations.any_satisfied(self.scenario, self.table, spans or self.spans)

    def most_satisfied(self, spans: Sequence[Span] | None = None) -> float:
        """The most that a router which sees no outcome beforehand can satisfy on average."""
        return expectations.most_satisfied(self.scenario, self.table, spans or self.spans)

    def mean_rate_rps(self) -> float | None:
        """Mean arrival rate of a law outside all phases, or of the rows of a trace that the run takes; requests/s.

        None in a closed loop.
        """
        if self.trace is not None:
            return self.trace.rate_rps(max(1, round(self.expected_requests or 1)))
        rate_rps, sessions = expectations.law_rate_rps(self.scenario), self._composing.sessions
        return rate_rps if sessions is None or rate_rps is None else rate_rps * sessions.turns.mean

    def rates(self) -> Rates | None:
        """Mean rate of the run's own arrivals and that of its busiest minute; None in a closed loop."""
        law, source = self.scenario.arrivals, self._arrivals()
        if source is None:
            return None
        mean_rps = self.mean_rate_rps()
        if law.kind in ("poisson", "gamma") and not any(p.rate_factor for p in self.scenario.phases):
            assert mean_rps is not None
            return Rates(round(self.expected_requests or 1), mean_rps, mean_rps)
        drawn = expectations.rates(source, self._most(), self.scenario.horizon_s)
        if (sessions := self._composing.sessions) is not None and mean_rps is not None:
            peak_rps = drawn.peak_rps * sessions.turns.mean
            return Rates(round(self.expected_requests or 1), mean_rps, max(mean_rps, peak_rps))
        if self.trace is None or mean_rps is None:
            return drawn
        return Rates(drawn.requests, mean_rps, max(mean_rps, drawn.peak_rps))

    @cached_property
    def rushes(self) -> list[tuple[float, Span]]:
        """Of a trace with lengths of its own, the minutes in which most requests and most tokens come.

        Their rates, requests per second, and their requests; none where the run is no longer than a minute.
        """
        trace = self.trace
        if trace is None or not trace.has_tokens or trace.turns is not None:
            return []
        requests = max(1, round(self.expected_requests or 1))
        if requests <= len(trace) and trace.time_s[requests - 1] <= WINDOW_S:
            return []
        rushes = expectations.rushes(trace, requests)
        stages = [next(s.stage for s in reversed(self.spans) if s.first <= first) for first, _ in rushes]
        return [(n / WINDOW_S, Span(stage, first, n)) for stage, (first, n) in zip(stages, rushes, strict=True)]

    def mean_tokens(self, span: Span, model: int) -> tuple[float, float, float, float]:
        """Of the requests of a span, the means of prompts and of a model's answers, tokens, and of their squares."""
        of = self._tokens
        means, squares = ([f(span, m) for m in (None, model)] for f in (of.mean, of.mean_square))
        return means[0], means[1], squares[0], squares[1]

    def sample(self, most: int) -> Iterator[tuple[float, Chunk]]:
        """Up to `most` requests of the run, as chunks, each with the share of the run that it stands for.

        The first of each span, or evenly spread blocks where a file's rows come in their order.
        """
        total = sum(s.count for s in self.spans)
        for span in self.spans:
            share = span.count / total
            wanted = min(span.count, max(1, round(most * share)))
            blocks = SAMPLE_BLOCKS if self._in_order() and span.count > wanted >= SAMPLE_BLOCKS else 1
            n = wanted // blocks
            for k in range(blocks):
                skipped = span.count * k // blocks
                drawn = self._drawing.draw(span.stage, span.first + skipped, n, span.progress_of(skipped, n))
                yield share / blocks, self._composing.complete(drawn, span.stage) if n else drawn

    def _in_order(self) -> bool:
        """Whether what a request is follows from its place in a file."""
        satisfaction = self.scenario.satisfaction
        ordered = satisfaction.kind == "table" and satisfaction.order == "file"
        lengths = self._lengths is not None and self._lengths.in_order
        return ordered or lengths or (self.trace is not None and self.trace.has_tokens)

    # ---- drawing --------------------------------------------------------------------------------------------

    @property
    def chunk_size(self) -> int:
        """Requests to draw at once: record.chunk, or so many that features and columns a model take little memory.

        Larger chunks leave the cache, and their pages are new every time.
        """
        size = self.scenario.record.chunk
        if size is None:
            most = self.most_at_once or requests_at_once(len(self.scenario.models))
            size = min(most, max(1_024, 2**22 // max(self.features, 1)))
        return size

    @property
    def answers_can_wait(self) -> bool:
        """Whether `answer_tokens` can draw the answers that users got, so that the others need not be drawn."""
        return len(self.stages) == 1 and self._tokens.can_wait(self.stages[0])

    def answer_tokens(self, first: int, model: Ints) -> Ints:
        """Tokens of the answers to requests first, first + 1, ... by model[i] each: what their chunk would hold."""
        return self._tokens.answers(self.stages[0], first, model)

    def chunks(self, size: int, unread: frozenset[str] = frozenset()) -> Iterator[Chunk]:
        """All requests in order, `size` at a time; the last chunk may be shorter. Of sessions only whole ones.

        Columns that are `unread` (`Drawing.draw`) are None.
        """
        source = self._arrivals()
        first, horizon_s = 0, self.scenario.horizon_s
        most = self._most()
        whole = self._composing.keeps_sessions_whole
        while most is None or first < most:
            drawn = self._composing.stretch(first, size) if whole else size
            n = drawn if most is None else min(drawn, most - first)
            arrival_s = None if source is None else self._times(source, first, drawn if whole else n)[:n]
            if horizon_s is not None and arrival_s is not None:
                n = self._before(horizon_s, first, arrival_s)
                if n < len(arrival_s):
                    if n:
                        yield self._join(first, n, arrival_s[:n], unread)
                    return
            yield self._join(first, n, arrival_s, unread)
            first += n

    def _times(self, source: ArrivalSource, first: int, n: int) -> Floats:
        """Arrival times of the next n requests; of a later turn of a session that laws draw, that of the first."""
        if self._composing.sessions is None:
            return source.next_times(n)
        session, _ = self._composing.sessions.of(first, n)
        times: Floats = source.next_times(int(session[-1] - session[0]) + 1)[session - session[0]]
        return times

    def _before(self, horizon_s: float, first: int, arrival_s: Floats) -> int:
        """How many requests come before a deadline, or are turns of sessions that begin before it."""
        if self.trace is None or self.trace.turns is None:
            return int(np.searchsorted(arrival_s, horizon_s, side="left"))
        late = np.flatnonzero((arrival_s >= horizon_s) & self.trace.begins(first, len(arrival_s)))
        return int(late[0]) if len(late) else len(arrival_s)

    def _most(self) -> int | None:
        """No more requests come than this; None where time alone decides."""
        return self._rows() if self._ends_with_the_trace() and self.length is None else self.length

    def _arrivals(self) -> ArrivalSource | None:
        law, phases = self.scenario.arrivals, self.scenario.phases
        if law.kind == "closed":
            return None
        if law.kind == "trace":
            assert self.trace is not None
            return TraceArrivals(self.trace)
        begins = [(p.from_request, p.rate_factor or 1.0) for p in phases if p.from_request is not None]
        if (sessions := self._composing.sessions) is not None:  # which are what comes by this law
            begins = [(sessions.first_from(request), factor) for request, factor in begins]
        by_request = [(float(number), factor) for number, factor in begins]
        by_time = [(p.from_s, p.rate_factor or 1.0) for p in phases if p.from_s is not None]
        return rate_arrivals(law, self.chance, by_request, by_time)

    def _begins(self) -> ArrivalSource | None:
        """Times by which requests belong to phases: of a turn, that of its session's first."""
        source, sessions = self._arrivals(), self._composing.sessions
        return source if source is None or sessions is None else BeginTimes(source, sessions)

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
        return self._composing.complete(chunk, parts[0][0])

    def stretches(self, first: int, n: int, arrival_s: Floats | None) -> list[tuple[Stage, slice, Floats | None]]:
        """Requests first ... first + n - 1 between phase boundaries.

        Each stage with its slice of them, and how far these are on the way to it (`Stage.progress`).
        """
        edges = [0, *self._boundaries(first, n, arrival_s), n]
        collected = []
        for stage, a, b in zip(self.stages, edges, edges[1:], strict=False):
            if b > a:
                times = None if arrival_s is None else arrival_s[a:b]
                collected.append((stage, slice(a, b), stage.progress(np.arange(first + a, first + b), times)))
        return collected

    def _boundaries(self, first: int, n: int, arrival_s: Floats | None) -> list[int]:
        edges = []
        for phase in self.scenario.phases:
            if phase.from_request is not None:
                edges.append(min(max(phase.from_request - first, 0), n))
            elif arrival_s is not None:
                edges.append(int(np.searchsorted(arrival_s, phase.from_s or 0.0, side="left")))
        return edges
