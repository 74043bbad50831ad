"""What goes into the next iteration, by the rules of three engines, worked out anew for every iteration."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from .memory import Memory

if TYPE_CHECKING:
    from .replica import Limits, Number, Request

FIRST_RATIO = Fraction(7, 10)
LAST_RATIO = FIRST_RATIO * Fraction(14, 100)
MOST_NEW_TOKENS = 4096


@dataclass
class Server:
    """One replica between two iterations."""

    limits: Limits
    memory: Memory
    running: list[Request] = field(default_factory=list)
    waiting: deque[Request] = field(default_factory=deque)
    coming: list[tuple[Number, Request]] = field(default_factory=list)  # who the iteration to come was planned without
    full: bool = False
    ratio: Fraction = FIRST_RATIO
    since: int = 0  # iterations since it looked for who comes
    looked: Number = -1  # who came by then was there

    def leave(self, r: Request, *, keeps: bool = True, answered: bool = False) -> None:
        """A request leaves the batch: `keeps` what it has generated, under the answer's name if it is complete."""
        if keeps:
            self.memory.share(r, int(r.cached), renamed=answered)
        self.memory.leave(r)
        self.running.remove(r)
        self.full = False

    def wait(self, r: Request) -> None:
        """A request joins the queue: behind all others, or before whoever is less urgent."""
        behind = [k for k, other in enumerate(self.waiting) if r.urgency < other.urgency]
        self.waiting.insert(behind[0] if behind else len(self.waiting), r)

    def look(self, now: Number) -> None:
        """If it is time to, it looks for who has come by now."""
        if self.since >= self.limits.recv_interval:
            self.since, self.looked = 0, now
        self.see(self.looked)

    def see(self, until: Number) -> None:
        """Who came by then joins the queue; so does everybody if there is nothing else to do."""
        seen = [r for time, r in self.coming if time <= until]
        if not self.running and not self.waiting and not seen:
            seen = [r for _, r in self.coming]
        for r in seen:
            self.wait(r)
        del self.coming[: len(seen)]

    def max_new(self, r: Request) -> int:
        """The longest answer that its client allows."""
        return max(r.allowed, self.limits.max_new_tokens)

    def peak_blocks(self, r: Request) -> int:
        """Most blocks that a request may come to need."""
        reserves = self.limits.kv_policy == "reserve"
        answer = self.max_new(r) if reserves else r.output_tokens
        return self.memory.blocks(r.prompt_tokens + answer - 1 + self.limits.draft_tokens)

    def needed(self) -> int:
        """Blocks of the batch when all have taken their part of the iteration at hand."""
        return self.memory.used + sum(self.memory.needed(r, r.cached + r.takes) for r in self.running)

    def take(self, requests: list[Request]) -> None:
        """They take their blocks; what the cache has too much goes."""
        for r in requests:
            self.memory.grow(r, r.cached + r.takes)
        self.memory.make_room()

    def preempt(self, r: Request, *, keeps: bool) -> None:
        """A request loses its memory and will be computed again."""
        self.leave(r, keeps=keeps)
        r.cached = r.takes = 0
        r.decoding = False
        r.preemptions += 1

    def admit(self, budget: int, now: Number) -> Request:
        """The head joins."""
        head = self.waiting.popleft()
        head.cached = self.memory.admit(head, head.to_prefill)
        if head.start_s is None:
            head.start_s = now
            head.cached_prompt_tokens = head.cached
        else:
            head.cached_recompute_tokens += head.cached
        head.takes = min(head.to_prefill - head.cached, budget)
        self.running.append(head)
        self.take([head])
        return head


def plan(server: Server, now: Number) -> tuple[list[int], list[int]]:
    """Decide the next iteration: everybody's `takes`; who was preempted and who admitted, in order."""
    return _sglang(server, now) if server.limits.schedule == "sglang" else _vllm(server, now)


# vllm and tensorrt-llm --------------------------------------------------------------------------------------


def _assign_tokens(s: Server) -> None:
    """A token and drafts to each decoder; to the partial prefill the rest of its prompt, as far as the budget goes."""
    each = 1 + s.limits.draft_tokens
    budget = s.limits.max_batched_tokens - each * sum(r.decoding for r in s.running)
    for position, r in enumerate(s.running):
        assert r.decoding or position == len(s.running) - 1, "only the tail may be a partial prefill"
        r.takes = each if r.decoding else min(r.to_prefill - r.cached, budget)
        assert r.takes > 0, "every running sequence advances"


def _fits(s: Server, head: Request, budget: int) -> bool:
    """Whether memory has room for the whole prefill of `head`, or, reserved, for its whole answer."""
    present, held = s.memory.find(head, head.to_prefill)
    hit = min(present, (head.to_prefill - 1) // s.memory.block_tokens) * s.memory.block_tokens
    reserves = s.limits.kv_policy == "reserve"
    is_whole = s.limits.whole_prompts and (reserves or head.to_prefill <= s.limits.max_batched_tokens)
    if is_whole and head.to_prefill - hit > budget:
        return False
    if reserves:
        to_come = sum(s.peak_blocks(r) - len(s.memory.held[r.number]) for r in s.running)
        return to_come + s.memory.used + s.peak_blocks(head) - held <= s.memory.capacity
    return s.memory.used + s.memory.blocks(head.to_prefill) - held <= s.memory.capacity


def _vllm(s: Server, now: Number) -> tuple[list[int], list[int]]:
    preempted: list[int] = []
    _assign_tokens(s)
    while s.limits.kv_policy == "recompute" and s.needed() > s.memory.capacity:
        gone = s.running[-1] if s.limits.order == "fcfs" else max(s.running, key=lambda r: r.urgency)
        s.preempt(gone, keeps=True)
        if s.limits.order == "fcfs":
            s.waiting.appendleft(gone)
        else:
            s.wait(gone)
        preempted.append(gone.number)
        _assign_tokens(s)
    s.take(s.running)
    for r in s.running:
        if not r.decoding:
            s.memory.share(r, r.cached + r.takes)
    admitted: list[int] = []
    while not preempted and s.waiting and len(s.running) < s.limits.max_num_seqs:
        budget = s.limits.max_batched_tokens - sum(r.takes for r in s.running)
        if budget == 0 or not _fits(s, s.waiting[0], budget):
            break
        head = s.admit(budget, now)
        s.memory.share(head, head.cached + head.takes)
        admitted.append(head.number)
    return preempted, admitted


# sglang -----------------------------------------------------------------------------------------------------


def _clip(tokens: int) -> int:
    return min(tokens, MOST_NEW_TOKENS)


def _takes_head(s: Server) -> bool:
    """Whether the head may join; if not, nobody is looked at until somebody leaves."""
    if not s.running:
        return True
    head = s.waiting[0]
    _, held = s.memory.find(head, head.to_prefill)
    decoding = sum(_clip(s.max_new(r) - r.generated) for r in s.running if r.decoding)
    beginning = sum(_clip(s.max_new(r)) for r in s.running if not r.decoding)
    tokens = s.memory.block_tokens * (s.memory.used - held + 1) + head.to_prefill
    tokens += _clip(s.max_new(head) - head.generated) + beginning
    room = s.memory.block_tokens * s.memory.capacity - tokens
    if len(s.running) < s.limits.max_num_seqs and s.ratio * decoding < room:
        return True
    s.full = any(r.decoding for r in s.running)
    return False


def _sglang(s: Server, now: Number) -> tuple[list[int], list[int]]:
    if not any(r.decoding for r in s.running):
        s.full = False
    budget = s.limits.max_batched_tokens
    for r in s.running:
        r.takes = 0 if r.decoding else min(r.to_prefill - r.cached, budget)
        budget -= r.takes
    s.take(s.running)
    admitted: list[int] = []
    while s.waiting and not s.full and budget > 0 and _takes_head(s):
        head = s.admit(budget, now)
        budget -= head.takes
        admitted.append(head.number)
    if any(r.takes for r in s.running):
        return [], admitted
    return _sglang_decodes(s), admitted


def _sglang_decodes(s: Server) -> list[int]:
    for r in s.running:
        r.takes = 1 + s.limits.draft_tokens
    retracted: list[int] = []
    while s.needed() > s.memory.capacity and len(s.running) > 1:
        by_worth = sorted(enumerate(s.running), key=lambda p: (p[1].generated, -p[1].prompt_tokens, -p[0]))
        gone = by_worth[0][1]
        s.preempt(gone, keeps=False)
        s.waiting.append(gone)
        retracted.append(gone.number)
    if retracted:
        generated = sum(r.generated for r in s.running)
        ratio = Fraction(generated + 20 * len(s.running), sum(s.max_new(r) for r in s.running) + 1)
        s.ratio = min(Fraction(1), ratio)
    else:
        s.ratio = max(s.ratio - (FIRST_RATIO - LAST_RATIO) / 600, LAST_RATIO)
    s.take(s.running)
    return retracted
