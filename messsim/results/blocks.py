"""Records cut into blocks that no chunk size moves: sums over them have the same bits whatever it was."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from messsim.engines import RecordChunk
from messsim.workload.chunk import Floats

__all__ = ["Block", "Blocks"]


@dataclass(frozen=True)
class Block:
    """Records of consecutive requests, with the potential outcomes and known costs [models, n] behind them."""

    columns: dict[str, NDArray[Any]]
    satisfied: Floats
    known_costs: Floats

    def __len__(self) -> int:
        return len(self.columns["id"])


class Blocks:
    """Takes chunks of any size in order; gives blocks of one size, the last of which may be shorter."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._parts: list[Block] = []
        self._held = 0

    def add(self, chunk: RecordChunk) -> Iterator[Block]:
        """Takes a chunk of records; the blocks that are whole with it."""
        at = 0
        while at < len(chunk):
            end = min(at + self._size - self._held, len(chunk))
            self._parts.append(_part(chunk, at, end))
            self._held += end - at
            at = end
            if self._held == self._size:
                yield from self.left()

    def left(self) -> Iterator[Block]:
        """What is left, if anything is."""
        parts, self._parts, self._held = self._parts, [], 0
        if parts:
            yield parts[0] if len(parts) == 1 else _joined(parts)


def _part(chunk: RecordChunk, start: int, end: int) -> Block:
    columns = {name: column[start:end] for name, column in chunk.columns.items()}
    satisfied, known = chunk.drawn.satisfied[:, start:end], chunk.known_costs[:, start:end]
    return Block(columns, np.ascontiguousarray(satisfied), np.ascontiguousarray(known))


def _joined(parts: list[Block]) -> Block:
    columns = {name: np.concatenate([p.columns[name] for p in parts]) for name in parts[0].columns}
    satisfied = np.concatenate([p.satisfied for p in parts], axis=1)
    return Block(columns, satisfied, np.concatenate([p.known_costs for p in parts], axis=1))
