"""What a fleet of rented GPUs costs by the hour, whatever it does."""

from collections.abc import Mapping

from messsim.scenario import Scenario

__all__ = ["RENT", "fixed_cost", "fleet_figures", "pool_of", "rent_usd_per_hour"]

RENT = "cost.rent_usd_per_hour"
REPLICAS = "mean_replicas"


def rent_usd_per_hour(scenario: Scenario, mean_replicas: Mapping[str, float] | None = None) -> float | None:
    """USD per hour of all GPUs that have a price in ``cost.usd_per_gpu_hour``; None where none has.

    `mean_replicas` are those that pools which change their size have had in a run, by name of the pool; without, the
    rent of such a fleet is not known, None.
    """
    prices = scenario.cost.usd_per_gpu_hour
    if scenario.cluster.mode == "none" or not prices:
        return None
    rented = [p for p in scenario.fleet if p.kind == "gpu" and (p.gpu or "GPU") in prices]
    if not rented or (mean_replicas is None and any(p.autoscale is not None for p in rented)):
        return None
    known = mean_replicas or {}
    replicas = [p.replicas if p.autoscale is None else known[str(p.name)] for p in rented]
    return sum(prices[p.gpu or "GPU"] * p.tp * count for p, count in zip(rented, replicas, strict=True))


def fleet_figures(scenario: Scenario) -> list[str]:
    """Paths of the figures that tell what a fleet was which changes its size: its rent and mean replicas; else none."""
    scaled = [p for p in scenario.fleet if p.autoscale is not None] if scenario.cluster.mode != "none" else []
    if not scaled:
        return []
    priced = any((p.gpu or "GPU") in scenario.cost.usd_per_gpu_hour for p in scenario.fleet if p.kind == "gpu")
    return [*[RENT] * priced, *(f"pools.{p.name}.{REPLICAS}" for p in scaled)]


def pool_of(path: str) -> str | None:
    """Whose mean replicas the figure at a path is; None: another figure."""
    name = path.removeprefix("pools.").removesuffix(f".{REPLICAS}")
    return name if path == f"pools.{name}.{REPLICAS}" else None


def fixed_cost(scenario: Scenario) -> bool:
    """Whether no routing changes the cost: in USD, with nothing but GPUs that are paid by the hour."""
    if scenario.cluster.mode == "none" or scenario.cost.unit != "USD":
        return False
    fleet = scenario.fleet
    return bool(fleet) and all(p.kind == "gpu" and p.autoscale is None for p in fleet)
