"""How far away the capacity of pools is that change their size."""

from messsim.engines.cluster import PoolPlan
from messsim.shapes.checks import CheckedStart

__all__ = ["start_of"]


def start_of(pool: PoolPlan) -> CheckedStart | None:
    """How long a replica takes until it serves, where replicas come and go."""
    if pool.serving.autoscale is None:
        return None
    cold = pool.serving.autoscale.cold_start
    weights_gb, whose = pool.weights
    return {"mean_s": cold.mean_s(weights_gb), "weights_gb": weights_gb, "weights_of": whose}
