"""Speculative decoding of a pool, with its chance."""

import numpy as np

from messsim import _core
from messsim.workload import Chance

from .cluster import PoolPlan

__all__ = ["drafts_of"]


def drafts_of(plan: PoolPlan, chance: Chance) -> _core.Drafts | None:
    """How many iterations answers take, by request, the same whichever replica serves it; None without drafts."""
    if plan.serving.drafts is None:
        return None
    stream = (chance.seed, chance.column("drafts", plan.name), chance.replication, 0)
    return _core.Drafts(np.array(plan.serving.drafts.accepted), stream)
