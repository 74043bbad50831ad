"""The rule `schedule`, and the floor of the others: so many replicas from each step of the day on, until the next."""

import math

from messsim.scenario.autoscale import Autoscale

__all__ = ["floor_of_day"]


def floor_of_day(settings: Autoscale, time_s: float) -> float:
    """Replicas of the step of the day that holds; before the first, the last of the day before."""
    if not settings.schedule:
        return 0.0
    of_day_s = time_s - math.floor(time_s / settings.day_s) * settings.day_s
    result = settings.schedule[-1]
    for step in settings.schedule:
        if step.at_s > of_day_s:
            break
        result = step
    return float(result.replicas)
