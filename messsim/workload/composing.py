"""Puts together what prompts are made of: system prompts, the turns of sessions, and what a trace says of both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from messsim.scenario import Scenario

from .chance import Chance
from .chunk import Chunk, Ints, Numbers
from .drawing import Drawing
from .sessions import Prefixes, Sessions
from .stages import Stage
from .tokens import TokenCounts

if TYPE_CHECKING:
    from .trace import TraceRows

__all__ = ["Composing"]

MOST = 2**31 - 1  # tokens of a prompt


class Composing:
    """Completes chunks whose other columns are drawn.

    Attributes
    ----------
    sessions
        Those that laws draw, if the scenario has any.
    changes
        Whether prompts are longer than their own law says.
    """

    def __init__(
        self, scenario: Scenario, chance: Chance, drawing: Drawing, tokens: TokenCounts, trace: TraceRows | None
    ) -> None:
        self._drawing = drawing
        self._tokens = tokens
        self._trace = trace
        self._reference = scenario.reference
        self._has_prefixes = scenario.prefixes is not None
        self.prefixes = Prefixes(scenario.prefixes, scenario, chance)
        self.sessions = Sessions(scenario.sessions, chance) if scenario.sessions is not None else None

    @property
    def changes(self) -> bool:
        """Whether prompts are longer than their own law says."""
        return self._has_prefixes or self.sessions is not None

    @property
    def keeps_sessions_whole(self) -> bool:
        """Whether chunks must end where sessions do."""
        return self.sessions is not None or (self._trace is not None and self._trace.turns is not None)

    def stretch(self, first: int, least: int) -> int:
        """How many requests from one on, the first turn of a session, make whole sessions and are at least so many."""
        if self.sessions is not None:
            session = int(self.sessions.of(first, 1)[0][0])
            return self.sessions.first_request(session + self.sessions.whole_from(session, least)) - first
        assert self._trace is not None
        return self._trace.stretch(first, least)

    def complete(self, chunk: Chunk, stage: Stage) -> Chunk:
        """Sets turns and paths, and prompts to their whole length; `stage` is that of its first request."""
        n, first = len(chunk), chunk.first
        if self.sessions is not None:
            self._complete_turns(chunk, self.sessions, stage)
        elif self._has_prefixes:
            numbers = np.arange(first, first + n)
            group = self.prefixes.group_of(numbers, chunk.tenant)
            if group is not None:
                chunk.prompt_tokens = _cut(chunk.prompt_tokens.astype(np.int64) + self.prefixes.tokens[group])
            chunk.paths = self.prefixes.paths(numbers, group, chunk.prompt_tokens)
        elif self._trace is not None:
            chunk.turns, chunk.paths = self._trace.made_of(first, n, chunk.prompt_tokens)
        return chunk

    def _complete_turns(self, chunk: Chunk, sessions: Sessions, stage: Stage) -> None:
        first, n = chunk.first, len(chunk)
        session, turn = sessions.of(first, n)
        low = int(session[0])
        chunk.tenant = self._drawing.tenants(low, int(session[-1]) - low + 1)[session - low]
        new = sessions.new_tokens(first, turn, chunk.prompt_tokens)
        group = self.prefixes.group_of(session, chunk.tenant)
        chunk.prompt_tokens = self._expected(first, turn, new, group, stage)
        if turn[0] == 0:
            chunk.turns = sessions.turns_of(first, session, turn, new)
        chunk.paths = self.prefixes.paths(session, group, chunk.prompt_tokens)

    def _expected(self, first: int, turn: Ints, new: Ints, group: Ints | None, stage: Stage) -> Ints:
        """Length of prompts if all answers were as long as those of the reference are on average."""
        lead = int(turn[0])  # turns of the first session that come before
        assert self.sessions is not None
        if lead:
            earlier = np.arange(lead, dtype=np.int32)
            text = self._tokens.draw(stage, None, first - lead, lead, None)
            new = np.concatenate([self.sessions.new_tokens(first - lead, earlier, text), new])
        sums = np.concatenate([[0], np.cumsum(new, dtype=np.int64)])
        places = np.arange(len(turn)) + lead
        prompt: Numbers = sums[places + 1] - sums[places - turn]
        prompt += turn * np.int64(round(self._tokens.usual(stage, self._reference)))
        if group is not None:
            prompt += self.prefixes.tokens[group]
        return _cut(prompt)

    def longest(self, text: float, output: float) -> float:
        """Longest prompt that may come, if no text of a turn and no answer is longer than these; tokens."""
        prefix = float(self.prefixes.tokens.max(initial=0))
        if self.sessions is None:
            return prefix + text
        followup = text if self.sessions.followup is None else self.sessions.followup.most
        return prefix + text + (self.sessions.turns.most - 1) * (followup + output)


def _cut(tokens: Numbers) -> Ints:
    return np.minimum(tokens, MOST).astype(np.int32)
