"""Records cut into blocks that no chunk size moves: sums over them have the same bits whatever it was."""

from collections.abc import Callable
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
    """Takes chunks of any size in order; hands on blocks of one size, the last of which may be shorter."""

    def __init__(self, size: int, take: Callable[[Block], None]) -> None:
        self._size = size
        self._take = take
        self._parts: list[Block] = []
        self._held = 0

    def add(self, chunk: RecordChunk) -> None:
        """Takes a chunk of records."""
        at = 0
        while at < len(chunk):
            end = min(at + self._size - self._held, len(chunk))
            self._parts.append(_part(chunk, at, end))
            self._held += end - at
            at = end
            if self._held == self._size:
                self.close()

    def close(self) -> None:
        """Hands on what is left."""
        if self._parts:
            self._take(self._parts[0] if len(self._parts) == 1 else _joined(self._parts))
        self._parts, self._held = [], 0


def _part(chunk: RecordChunk, start: int, end: int) -> Block:
    columns = {name: column[start:end] for name, column in chunk.columns.items()}
    satisfied, known = chunk.drawn.satisfied[:, start:end], chunk.known_costs[:, start:end]
    return Block(columns, np.ascontiguousarray(satisfied), np.ascontiguousarray(known))


def _joined(parts: list[Block]) -> Block:
    columns = {name: np.concatenate([p.columns[name] for p in parts]) for name in parts[0].columns}
    satisfied = np.concatenate([p.satisfied for p in parts], axis=1)
    return Block(columns, satisfied, np.concatenate([p.known_costs for p in parts], axis=1))
