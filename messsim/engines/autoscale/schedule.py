"""The rule `schedule`, and the floor of the others: so many replicas from each step of the day on, until the next."""

import math

from messsim.scenario.autoscale import Autoscale

__all__ = ["floor_of_day"]


def floor_of_day(said: Autoscale, time_s: float) -> float:
    """Replicas of the step of the day that holds; before the first, the last of the day before."""
    if not said.schedule:
        return 0.0
    of_day_s = time_s - math.floor(time_s / said.day_s) * said.day_s
    found = said.schedule[-1]
    for step in said.schedule:
        if step.at_s > of_day_s:
            break
        found = step
    return float(found.replicas)
