"""Turns of sessions: each waits for the answer before, or comes at a time of its own.

When an answer has reached its user, the turns that wait for it are sent a think time later, though never before a time
of their own. Without an answer they are not sent, nor are those that wait for theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from messsim import _core

from .brain import Columns
from .calendar import RETRIES, Calendar
from .cluster import PoolPlan, pools_of
from .open_request import OpenRequest
from .rows import Rows

__all__ = ["Followups"]


class Followups:
    """Sends turns when their time has come.

    `send` routes the i-th request of a chunk, and `leave_out` hears of a request that is not sent.

    Attributes
    ----------
    to_come
        Of the chunks so far, those that wait for an answer or are on their way.
    not_sent
        Those that never will be.
    """

    def __init__(
        self,
        calendar: Calendar,
        pools: list[PoolPlan],
        prompt_costs: _core.PromptCosts | None,
        send: Callable[[Rows, Columns, int], None],
        leave_out: Callable[[int], None],
    ) -> None:
        self._calendar = calendar
        self._pools = pools
        self._prompt_costs = prompt_costs
        self._send = send
        self._leave_out = leave_out
        self.to_come = 0
        self.not_sent = 0

    def expect(self, rows: Rows) -> None:
        """A chunk has come whose turns are to come."""
        self.to_come += len(rows.chunk) - len(rows.coming)

    def follow(self, opened: OpenRequest) -> None:
        """Nothing more comes for the client of a request: the answer has reached it, or there is none."""
        rows = opened.rows
        if rows.children is None:
            return
        assert rows.arrival_s is not None
        first = rows.chunk.first
        waiting = list(rows.children[opened.request - first])
        if not opened.completed:
            self._cancel(rows, waiting)
            return
        for i in waiting:
            rows.model_before[i] = opened.seen
            self._grow(opened, i)
            thought_s = self._calendar.now + rows.wait_s[i]
            order = (RETRIES, first + i, 0)
            goes = partial(self._go, opened, i)
            self._calendar.call_at(goes, max(thought_s, rows.arrival_s[i]), order)

    def _go(self, before: OpenRequest, i: int, _: object) -> None:
        self.to_come -= 1
        self._send(before.rows, before.columns, i)

    def _cancel(self, rows: Rows, waiting: list[int]) -> None:
        assert rows.children is not None
        while waiting:
            i = waiting.pop()
            waiting += rows.children[i]
            self.to_come -= 1
            self.not_sent += 1
            self._leave_out(rows.chunk.first + i)

    def _grow(self, before: OpenRequest, i: int) -> None:
        """The prompt of a turn is the one before, the answer that the user saw, and new text."""
        rows, chunk = before.rows, before.rows.chunk
        assert chunk.turns is not None
        if chunk.turns.new_tokens is None:
            return
        tokens = before.prompt + before.outputs[before.seen] + int(chunk.turns.new_tokens[i])
        chunk.prompt_tokens[i] = rows.prompt[i] = tokens
        if chunk.paths is not None:
            chunk.paths.nodes["end_tokens"][chunk.paths.start[i + 1] - 1] = tokens
        if self._prompt_costs is not None:
            self._prompt_costs.write(tokens, rows.known_costs, i, chunk.price_factor)
        for m, answer in enumerate(before.rows.max_new[i]):
            if not any(p.takes(tokens, answer) for p in pools_of(self._pools, m) if p.role != "decode"):
                rows.known_costs[m, i] = np.inf
        before.columns.known[i] = rows.known_costs[:, i]
