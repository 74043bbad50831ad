"""How long a replica takes to start: phases one after another."""

from messsim.workload import Chance, Wait, wait_of

from ..cluster import PoolPlan

__all__ = ["cold_phases"]


def cold_phases(plan: PoolPlan, chance: Chance) -> list[Wait]:
    """The laws of the phases of a pool's cold starts, with their columns of chance."""
    assert plan.serving.autoscale is not None
    laws = zip(
        ("fixed", "load", "compile", "init"), plan.serving.autoscale.cold_start.phases(plan.weights_gb), strict=True
    )
    return [wait_of(law, chance, f"cold-start:{name}", plan.name) for name, law in laws]
