"""The columns of chance: each kind of draw has a number, made from its name."""

import hashlib
from functools import lru_cache

__all__ = ["column_id"]


@lru_cache(maxsize=4096)
def column_id(family: str, model: str = "") -> int:
    """First 32 bits of SHA-256 of ``family/model``: adding a model changes no other column."""
    return int.from_bytes(hashlib.sha256(f"{family}/{model}".encode()).digest()[:4], "big")
