"""An array that grows at its end."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["Growing"]


class Growing:
    """Values of one type, added block by block: memory for them and a quarter more, never for them twice."""

    def __init__(self, dtype: DTypeLike) -> None:
        self._values: NDArray[Any] = np.empty(0, dtype)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def add(self, values: NDArray[Any]) -> None:
        """Puts values at the end."""
        end = self._length + len(values)
        if end > len(self._values):
            self._values.resize(max(end, len(self._values) * 5 // 4), refcheck=False)
        self._values[self._length : end] = values
        self._length = end

    def copy(self) -> NDArray[Any]:
        """Those that are there, apart."""
        return self._values[: self._length].copy()

    def array(self) -> NDArray[Any]:
        """All of them. Nothing can be added after this."""
        self._values.resize(self._length, refcheck=False)
        return self._values
