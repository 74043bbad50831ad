"""How many random cases a test takes."""

import os

__all__ = ["cases"]

SHARE = float(os.environ.get("MESSSIM_CASES", "1"))


def cases(count: int) -> int:
    """So many, or the share of them that MESSSIM_CASES says: fewer where each takes long, as under sanitizers."""
    return max(1, round(SHARE * count))
