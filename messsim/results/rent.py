"""What a fleet of rented GPUs costs by the hour, whatever it does."""

from messsim.scenario import Scenario

__all__ = ["fixed_cost", "rent_usd_per_hour"]


def rent_usd_per_hour(scenario: Scenario) -> float | None:
    """USD per hour of all GPUs that have a price in ``cost.usd_per_gpu_hour``; None where none has."""
    if scenario.cluster.mode == "none":
        return None
    prices = scenario.cost.usd_per_gpu_hour
    rented = [p for p in scenario.fleet if p.kind == "gpu" and (p.gpu or "GPU") in prices]
    return sum(prices[p.gpu or "GPU"] * p.tp * p.replicas for p in rented) if rented else None


def fixed_cost(scenario: Scenario) -> bool:
    """Whether no routing changes the cost: in USD, with nothing but GPUs that are paid by the hour."""
    rented = bool(scenario.fleet) and all(p.kind == "gpu" for p in scenario.fleet)
    return scenario.cluster.mode != "none" and scenario.cost.unit == "USD" and rented
