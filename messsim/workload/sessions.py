"""Sessions and shared system prompts that are drawn by laws: who is of which session, what a turn adds, when it comes.

Requests are numbered session by session, and within one turn by turn. What belongs to a session as a whole, its number
of turns, its tenant and its system prompt, is drawn by its own number; what belongs to a turn by that of the request.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property

import numpy as np

from messsim import _core
from messsim.scenario import Scenario
from messsim.scenario import laws as scenario_laws
from messsim.scenario import sessions as session_settings

from .arrivals import ArrivalSource
from .chance import Chance
from .chunk import Floats, Ints, Numbers
from .laws import TokenSampler, delay_sampler, token_sampler
from .prompts import NODE, Paths, Turns

__all__ = ["BeginTimes", "Prefixes", "Sessions"]

BLOCK = 1024  # sessions whose first request is remembered as one


class Sessions:
    """The sessions of a scenario.

    Attributes
    ----------
    turns
        The law of how many turns a session has.
    """

    def __init__(self, law: session_settings.Sessions, chance: Chance) -> None:
        self._chance = chance
        self.turns = token_sampler(_as_counts(law.turns), chance, chance.column("turns"))
        self._think_s = delay_sampler(law.think_s, chance, chance.column("think"))
        self._followup: TokenSampler | None = None
        if law.followup is not None:
            self._followup = token_sampler(law.followup, chance, chance.column("followup"))
        self._firsts = [0]  # request with which session k * BLOCK begins
        self._before = ((-1, 0), (np.zeros(0, np.int64), np.zeros(0, np.int32)))  # what `of` was asked last, and gave

    @property
    def followup(self) -> TokenSampler | None:
        """The law of the new text of a later turn; None: that of the first."""
        return self._followup

    def whole_from(self, session: int, least: int) -> int:
        """How many sessions from this one on have at least so many turns together; at least one."""
        sessions, requests = 0, 0
        while requests < least:
            counts = np.cumsum(self.turns.draw(session + sessions, BLOCK))
            enough = int(np.searchsorted(counts, least - requests, side="left")) + 1
            taken = min(enough, BLOCK)
            sessions, requests = sessions + taken, requests + int(counts[taken - 1])
        return sessions

    def first_request(self, session: int) -> int:
        """The request that is the first turn of a session."""
        block, rest = divmod(session, BLOCK)
        while len(self._firsts) <= block:
            self._remember()
        return self._firsts[block] + int(self.turns.draw(block * BLOCK, rest).sum())

    def _remember(self) -> None:
        counts = self.turns.draw((len(self._firsts) - 1) * BLOCK, BLOCK)
        self._firsts.append(self._firsts[-1] + int(counts.sum()))

    def first_from(self, request: int) -> int:
        """The first session that begins with this request or a later one."""
        (session,), (turn,) = self.of(request, 1)
        return int(session) + int(turn > 0)

    def of(self, first: int, n: int) -> tuple[Numbers, Ints]:
        """Session and turn of requests first ... first + n - 1: a chunk's times and its prompts both ask."""
        before = self._before
        if before[0] != (first, n):
            before = self._before = (first, n), self._of(first, n)
        return before[1]

    def _of(self, first: int, n: int) -> tuple[Numbers, Ints]:
        while self._firsts[-1] <= first + n:
            self._remember()
        low = bisect_right(self._firsts, first) - 1
        high = bisect_right(self._firsts, max(first + n - 1, first)) - 1
        counts = self.turns.draw(low * BLOCK, (high - low + 1) * BLOCK)
        starts = self._firsts[low] + np.cumsum(counts, dtype=np.int64) - counts
        here = slice(first - self._firsts[low], first - self._firsts[low] + n)
        at = np.repeat(np.arange(len(counts)), counts)[here]
        return low * BLOCK + at, (np.arange(first, first + n) - starts[at]).astype(np.int32)

    def new_tokens(self, first: int, turn: Ints, text: Ints) -> Ints:
        """What each turn adds to the prompt; `text` is what it would by the law of first turns."""
        if self._followup is None:
            return text
        return np.where(turn > 0, self._followup.draw(first, len(turn)), text)

    def turns_of(self, first: int, session: Numbers, turn: Ints, new_tokens: Ints) -> Turns:
        """The turns of requests from `first` on, which begin with the first turn of a session."""
        places = np.arange(len(turn), dtype=np.int32)
        return Turns(
            session,
            turn,
            np.where(turn > 0, places - 1, -1).astype(np.int32),
            np.where(turn > 0, self._think_s(first, len(turn)), 0.0),
            new_tokens,
        )


class BeginTimes:
    """When the sessions of requests begin, one request after the other (an ArrivalSource).

    Parameters
    ----------
    source
        When sessions begin.
    """

    def __init__(self, source: ArrivalSource, sessions: Sessions) -> None:
        self._source = source
        self._sessions = sessions
        self._first, self._session, self._time_s = 0, -1, 0.0  # the next request, and the session before it

    def next_times(self, n: int) -> Floats:
        """Of the next n requests, seconds."""
        session, _ = self._sessions.of(self._first, n)
        begin_s = np.concatenate([[self._time_s], self._source.next_times(int(session[-1]) - self._session)])
        times: Floats = begin_s[session - self._session]
        self._first, self._session, self._time_s = self._first + n, int(session[-1]), float(times[-1])
        return times


class Prefixes:
    """The system prompts of a scenario, and what is below them: the text of a session, or of a single request."""

    def __init__(self, law: session_settings.Prefixes | None, scenario: Scenario, chance: Chance) -> None:
        self._law = law
        self._chance = chance
        self.groups = 0
        if law is not None:
            self.groups = len(scenario.promises) if law.choice == "tenant" else law.groups
            self._tokens = token_sampler(law.tokens, chance, chance.column("prefix tokens"))

    @cached_property
    def tokens(self) -> Ints:
        """Length of each group's system prompt."""
        return self._tokens.draw(0, self.groups) if self.groups else np.zeros(0, np.int32)

    @cached_property
    def shares(self) -> Floats:
        """How probable each group is by Zipf's law."""
        assert self._law is not None
        rank = np.arange(1, self.groups + 1, dtype=np.float64)
        weights = _core.exp(-self._law.exponent * _core.log(rank))
        return np.asarray(weights / weights.sum())

    @cached_property
    def _edges(self) -> Floats:
        return np.cumsum(self.shares)

    def group_of(self, numbers: Numbers, tenant: Ints) -> Ints | None:
        """The group of sessions, or of single requests, by their neighbouring numbers; None: there are no groups."""
        if self._law is None or len(numbers) == 0:
            return None if self._law is None else np.zeros(0, np.int32)
        if self._law.choice == "tenant":
            return tenant
        low = int(numbers[0])
        u = self._chance.uniform(self._chance.column("prefix"), low, int(numbers[-1]) - low + 1)
        groups = np.minimum(np.searchsorted(self._edges, u, side="right"), self.groups - 1).astype(np.int32)
        return groups[numbers - low]

    def paths(self, numbers: Numbers, group: Ints | None, prompt_tokens: Ints) -> Paths:
        """Through the node of the group, if there are groups, and that of the session or request."""
        n = len(numbers)
        width = 1 if group is None else 2
        nodes = np.zeros(n * width, NODE)
        nodes["id"][width - 1 :: width] = self.groups + numbers
        nodes["end_tokens"][width - 1 :: width] = prompt_tokens
        if group is not None:
            nodes["id"][::width] = group
            nodes["end_tokens"][::width] = self.tokens[group]
        return Paths(np.arange(n + 1, dtype=np.int64) * width, nodes)


def _as_counts(law: session_settings.TurnLaw) -> scenario_laws.TokenLaw:
    if law.kind == "constant":
        return scenario_laws.Constant(tokens=law.turns)
    if law.kind == "geometric":
        return scenario_laws.Geometric(mean=law.mean, max=law.max)
    return scenario_laws.Empirical(tokens=law.turns, weights=law.weights)
