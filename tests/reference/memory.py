"""Memory of one replica, block by block: who holds which, and what is kept for prompts that begin alike.

Every block that others may find stands for itself, by what it holds: the text that its last token belongs to, and its
number within the request's whole text. All others are private. Blocks nobody holds wait to be evicted, in the order in
which they were released, one by one.
"""

from __future__ import annotations

from typing import Protocol

Block = tuple[object, int] | None  # None: private


class Text(Protocol):
    """What a request's tokens belong to."""

    number: int
    prompt_tokens: int
    path: tuple[tuple[int, int], ...]
    answer_node: int | None


class Memory:
    """Blocks of `block_tokens` tokens, `capacity` of them."""

    def __init__(self, block_tokens: int, capacity_tokens: int, caches: bool) -> None:
        self.block_tokens = block_tokens
        self.capacity = capacity_tokens // block_tokens
        self.caches = caches
        self.users: dict[Block, set[int]] = {}  # of every block that others may find
        self.unused: dict[Block, None] = {}  # the oldest first
        self.held: dict[int, list[Block]] = {}  # by request, from the start of its text
        self.evicted = 0

    def blocks(self, tokens: int) -> int:
        """How many hold so many tokens."""
        return -(-tokens // self.block_tokens)

    @property
    def used(self) -> int:
        """Blocks that somebody holds, each counted once."""
        names = {block for blocks in self.held.values() for block in blocks if block is not None}
        return len(names) + sum(block is None for blocks in self.held.values() for block in blocks)

    def needed(self, text: Text, tokens: int) -> int:
        """Blocks that a request needs beyond those that it holds, to have so many tokens."""
        return max(self.blocks(tokens) - len(self.held[text.number]), 0)

    def find(self, text: Text, tokens: int) -> tuple[int, int]:
        """Of the first `tokens` of a text, the blocks that are there from its start, and those of them in use."""
        present = held = 0
        if self.caches:
            names = [self._name(text, k) for k in range(tokens // self.block_tokens)]
            while present < len(names) and names[present] in self.users:
                present += 1
            while held < present and self.users[names[held]]:
                held += 1
        return present, held

    def admit(self, text: Text, tokens: int) -> int:
        """A request takes what is there of its text; the tokens of it that need not be computed."""
        present, _ = self.find(text, tokens)
        self.held[text.number] = []
        for k in range(present):
            self._take(text.number, self._name(text, k))
        return min(present, (tokens - 1) // self.block_tokens) * self.block_tokens

    def grow(self, text: Text, tokens: int) -> None:
        """A request takes blocks for so many tokens."""
        self.held[text.number] += [None] * self.needed(text, tokens)

    def make_room(self) -> None:
        """Evicts what is beyond the capacity."""
        while self.used + len(self.unused) > self.capacity:
            block = next(iter(self.unused))
            del self.unused[block], self.users[block]
            self.evicted += 1

    def share(self, text: Text, tokens: int, renamed: bool = False) -> None:
        """The full blocks of a request's first `tokens` can be found; of two alike, one is given back."""
        if not self.caches:
            return
        blocks = self.held[text.number]
        for k in range(tokens // self.block_tokens):
            name = self._name(text, k, renamed)
            if blocks[k] is not None and blocks[k] != name:
                assert self.users[blocks[k]] == {text.number}, "what a request has generated is its own"
                del self.users[blocks[k]]
                blocks[k] = None
            if blocks[k] is None:
                blocks[k] = name
                self.unused.pop(name, None)
                self.users.setdefault(name, set()).add(text.number)

    def leave(self, text: Text) -> None:
        """A request gives everything back, the end of its text first."""
        for block in reversed(self.held.pop(text.number)):
            if block is not None:
                self.users[block].discard(text.number)
                if not self.users[block]:
                    self.unused[block] = None

    def check(self) -> None:
        """Asserts what always holds."""
        assert self.used + len(self.unused) <= self.capacity
        assert set(self.unused) == {block for block, users in self.users.items() if not users}
        for number, blocks in self.held.items():
            assert all(number in self.users[block] for block in blocks if block is not None)

    def _take(self, number: int, block: Block) -> None:
        self.held[number].append(block)
        self.unused.pop(block, None)
        self.users[block].add(number)

    def _name(self, text: Text, k: int, renamed: bool = False) -> Block:
        last = (k + 1) * self.block_tokens - 1
        for node, end in text.path:
            if last < end:
                return node, k
        if last < text.prompt_tokens:
            return ("own", text.number), k
        if renamed and text.answer_node is not None:
            return text.answer_node, k
        return ("generated", text.number), k
