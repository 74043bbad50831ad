"""A directory for files that scenarios are given and nobody keeps."""

from __future__ import annotations

from functools import cache
from tempfile import TemporaryDirectory

__all__ = ["scratch"]


@cache
def scratch() -> TemporaryDirectory[str]:
    """A directory that lasts as long as this process."""
    return TemporaryDirectory(prefix="messsim-")
