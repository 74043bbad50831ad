"""Split prefill and decode, stepping: one replica prefills, one decodes, every iteration by itself, in exact numbers.

The rules are those of docs/model.md, written without the product's code: no jump, no kept sums, no queue but lists.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

__all__ = ["Asked", "Side", "Split"]

ENDS, ARRIVES, STARTS = 1, 5, 6  # what comes first at one instant
PREFILL, DECODE = 0, 1  # sides; the first one's iterations end first
LINK = 2


@dataclass(frozen=True)
class Side:
    """Limits of one replica; an iteration takes `a0_s`, `c0_s` a token that it computes, `ak_s` one that it reads."""

    places: int
    budget: int
    capacity: int  # tokens
    block: int
    a0_s: Fraction
    c0_s: Fraction
    ak_s: Fraction
    reserves: bool = False  # memory for the longest answer that is allowed, as it joins
    whole: bool = False  # a prompt waits until all of it fits into an iteration
    max_new: int = 0

    def blocks(self, tokens: int) -> int:
        return -(-tokens // self.block)

    @property
    def all_blocks(self) -> int:
        return self.capacity // self.block


@dataclass
class Asked:
    """A request, and when what happened to it."""

    number: int
    time_s: Fraction
    prompt: int
    output: int
    start_s: Fraction | None = None
    first_token_s: Fraction | None = None
    finish_s: Fraction | None = None
    preemptions: int = 0
    generated: int = 0
    cached: int = 0
    chunk: int = 0
    decodes: bool = False  # its prefill is done where it is
    crosses: bool = False  # its KV is where it was prefilled, or on its way from there

    @property
    def whole(self) -> int:
        return self.prompt + self.generated


@dataclass
class _State:
    queue: list[Asked] = field(default_factory=list)
    batch: list[Asked] = field(default_factory=list)
    outside: list[Asked] = field(default_factory=list)  # whose blocks are kept: prefilled there, or coming
    here: list[Asked] = field(default_factory=list)  # of those, the ones that have come
    runs: bool = False
    preempted: bool = False
    starts: bool = False  # it is due


class Split:
    """A pair of replicas of an engine; `first_token_later` leaves the answer's first token to the one that decodes.

    That of vLLM computes the prompt's last token again for it; the others show the token that came with the KV.

    A transfer takes `latency_s` and `token_s` a token while it has the bandwidth for itself; with `shares` so many
    times as long as there are transfers.
    """

    def __init__(
        self,
        sides: Sequence[Side],
        latency_s: Fraction,
        token_s: Fraction,
        *,
        first_token_later: bool,
        shares: bool = False,
        engine: str = "vllm",
    ) -> None:
        self.engine = engine
        self.sides = sides
        self.latency_s, self.token_s = latency_s, token_s
        self.later = first_token_later
        self.state = [_State(), _State()]
        self.events: list[tuple[Fraction, tuple[int, int, int], Asked | None]] = []
        self.transfers = 0
        self.shares = shares
        self.left_s: dict[int, Fraction] = {}  # of each that crosses, by number, were it alone
        self.crossing: dict[int, Asked] = {}
        self.since_s = Fraction(0)

    def run(self, asked: Sequence[Asked]) -> None:
        """Serves all of them."""
        for a in asked:
            heapq.heappush(self.events, (a.time_s, (ARRIVES, a.number, 0), a))
        while self.events:
            now, (kind, whom, what), a = heapq.heappop(self.events)
            if kind == ARRIVES:
                assert a is not None
                self._queue(now, PREFILL, a)
            elif kind == STARTS:
                self.state[whom].starts = False
                if self.engine == "sglang":
                    (self._prefill_sglang if whom == PREFILL else self._decode_sglang)(now)
                else:
                    self._start(now, whom)
                self._run(now, whom)
            elif whom == LINK:
                self._carry(now)
            elif what == 0:
                self._end(now, whom)
            else:
                assert a is not None
                self._arrive(now, a)

    def _queue(self, now: Fraction, side: int, a: Asked) -> None:
        self.state[side].queue.append(a)
        self._wake(now, side)

    def _wake(self, now: Fraction, side: int) -> None:
        state = self.state[side]
        if not state.runs and not state.starts:
            state.starts = True
            heapq.heappush(self.events, (now, (STARTS, side, 0), None))

    def _used(self, side: int) -> int:
        """Blocks of the next iteration."""
        state, limits = self.state[side], self.sides[side]
        held = sum(limits.blocks(a.cached + a.chunk) for a in state.batch)
        return held + sum(limits.blocks(a.prompt if side == PREFILL else a.whole) for a in state.outside)

    def _compose(self, side: int) -> bool:
        """What those in the batch take of the next iteration; returns whether somebody was preempted."""
        state, limits = self.state[side], self.sides[side]
        preempted = False
        while True:
            left = limits.budget - sum(a.decodes for a in state.batch)
            for a in state.batch:
                a.chunk = 1 if a.decodes else min(a.whole - a.cached, left)
            if limits.reserves or self._used(side) <= limits.all_blocks:
                return preempted
            victim = state.batch.pop()
            victim.preemptions += 1
            victim.cached, victim.chunk, victim.decodes = 0, 0, False
            state.queue.insert(0, victim)
            preempted = True

    def _start(self, now: Fraction, side: int) -> None:
        state, limits = self.state[side], self.sides[side]
        preempted = self._compose(side) and bool(state.batch)
        left = limits.budget - sum(a.chunk for a in state.batch)
        while not preempted and left > 0 and state.here:
            a = state.here.pop(0)
            state.outside.remove(a)
            self._join(now, a)
            left -= 1
        while not preempted and left > 0 and state.queue:
            head = state.queue[0]
            taken = len(state.batch) + (len(state.outside) if side == DECODE else 0)
            if taken >= limits.places or not self._fits(side, head, left):
                break
            state.queue.pop(0)
            if head.crosses:
                state.outside.append(head)
                self.transfers += 1
                self._cross(now, head)
                continue
            head.cached, head.chunk = 0, min(head.whole, left)
            head.start_s = now if head.start_s is None else head.start_s
            state.batch.append(head)
            left -= head.chunk

    def _fits(self, side: int, head: Asked, left: int) -> bool:
        state, limits = self.state[side], self.sides[side]
        is_whole = limits.whole and not head.crosses and (limits.reserves or head.whole <= limits.budget)
        if is_whole and head.whole > left:
            return False
        if limits.reserves:
            return sum(self._peak(side, a) for a in [*state.batch, *state.outside, head]) <= limits.all_blocks
        return self._used(side) + limits.blocks(head.whole) <= limits.all_blocks

    def _peak(self, side: int, a: Asked) -> int:
        limits = self.sides[side]
        answer = 0 if side == PREFILL else max(a.output, limits.max_new) - 1
        return limits.blocks(a.prompt + answer)

    def _join(self, now: Fraction, a: Asked) -> None:
        """Its KV is where it decodes."""
        batch = self.state[DECODE].batch
        a.crosses, a.cached, a.chunk = False, a.whole - 1, 1
        if self.engine == "vllm":
            batch.append(a)
            return
        a.decodes = True
        a.first_token_s = now if a.first_token_s is None else a.first_token_s
        batch.insert(sum(other.decodes for other in batch), a)

    # ---- sglang: a side does one thing only --------------------------------------------------------------

    def _prefill_sglang(self, now: Fraction) -> None:
        state, limits = self.state[PREFILL], self.sides[PREFILL]
        left = limits.budget
        for a in state.batch:
            a.chunk = min(a.whole - a.cached, left)
            left -= a.chunk
        while left > 0 and state.queue:
            head = state.queue[0]
            tokens = limits.block * (self._used(PREFILL) + 1) + head.whole + 1 + len(state.batch)
            is_empty = not state.batch and not state.outside
            if not is_empty and (len(state.batch) >= limits.places or tokens >= limits.block * limits.all_blocks):
                break
            state.queue.pop(0)
            head.cached, head.chunk = 0, min(head.whole, left)
            head.start_s = now if head.start_s is None else head.start_s
            state.batch.append(head)
            left -= head.chunk

    def _decode_sglang(self, now: Fraction) -> None:
        state, limits = self.state[DECODE], self.sides[DECODE]
        for a in state.here:
            state.outside.remove(a)
            self._join(now, a)
        state.here.clear()
        while state.queue and self._takes_kv(state.queue[0]):
            head = state.queue.pop(0)
            if head.crosses:
                state.outside.append(head)
                self.transfers += 1
                self._cross(now, head)
            else:
                self._join(now, head)
        for a in state.batch:
            a.chunk = 1
        least = 0 if state.outside else 1
        while len(state.batch) > least and self._used(DECODE) > limits.all_blocks:
            k, victim = min(enumerate(state.batch), key=lambda p: (p[1].generated, -p[1].prompt, -p[0]))
            del state.batch[k]
            victim.preemptions += 1
            victim.cached, victim.chunk, victim.decodes = 0, 0, False
            state.queue.insert(sum(not other.crosses for other in state.queue), victim)

    def _takes_kv(self, head: Asked) -> bool:
        """512 tokens stay free for each that is there, and for the head."""
        state, limits = self.state[DECODE], self.sides[DECODE]
        there = len(state.batch) + len(state.outside)
        if there in (0, limits.places):
            return there == 0
        used = sum(limits.blocks(a.cached) for a in state.batch) + sum(limits.blocks(a.whole) for a in state.outside)
        own = head.prompt if head.crosses else head.whole
        return own + 512 * (there + 1) <= (limits.all_blocks - used) * limits.block

    # ---- iterations --------------------------------------------------------------------------------------

    def _run(self, now: Fraction, side: int) -> None:
        state, limits = self.state[side], self.sides[side]
        if state.batch:
            state.runs = True
            computed = sum(a.chunk for a in state.batch)
            read = sum(a.cached for a in state.batch if a.decodes)
            tau = limits.a0_s + limits.c0_s * computed + limits.ak_s * read
            heapq.heappush(self.events, (now + tau, (ENDS, side, 0), None))

    def _end(self, now: Fraction, side: int) -> None:
        state = self.state[side]
        state.runs = False
        for a in list(state.batch):
            a.cached += a.chunk
            if a.cached < a.whole:
                continue
            if side == PREFILL and self.later and self.engine == "vllm":
                self._hand_over(now, a)
                continue
            a.generated += 1
            if side == DECODE or not self.later or a.generated == a.output:
                a.first_token_s = now if a.first_token_s is None else a.first_token_s
            if a.generated == a.output:
                a.finish_s = now
                state.batch.remove(a)
            elif side == PREFILL:
                self._hand_over(now, a)
            else:
                a.decodes = True
        self._wake(now, side)

    def _hand_over(self, now: Fraction, a: Asked) -> None:
        state = self.state[PREFILL]
        state.batch.remove(a)
        state.outside.append(a)
        a.crosses, a.chunk = True, 0
        self._queue(now, DECODE, a)

    def _cross(self, now: Fraction, a: Asked) -> None:
        alone_s = a.prompt * self.token_s
        if self.shares:
            self._carry(now)
            self.left_s[a.number], self.crossing[a.number] = alone_s, a
            self._carry(now)
        else:
            self._is_over(now + self.latency_s + alone_s, a)

    def _carry(self, now: Fraction) -> None:
        """What has crossed by now, and when to look again."""
        for number in self.left_s:
            self.left_s[number] -= (now - self.since_s) / len(self.left_s)
        self.since_s = now
        for number in [n for n, left in self.left_s.items() if left <= 0]:
            del self.left_s[number]
            self._is_over(now + self.latency_s, self.crossing.pop(number))
        if self.left_s:
            then = now + min(self.left_s.values()) * len(self.left_s)
            heapq.heappush(self.events, (then, (ENDS, LINK, 0), None))

    def _is_over(self, time_s: Fraction, a: Asked) -> None:
        heapq.heappush(self.events, (time_s, (ENDS, DECODE, a.number + 1), a))

    def _arrive(self, now: Fraction, a: Asked) -> None:
        self.state[PREFILL].outside.remove(a)
        self._wake(now, PREFILL)
        self.state[DECODE].here.append(a)
        self._wake(now, DECODE)
