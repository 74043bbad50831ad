"""Charts of a run, as Altair draws them: ``messsim.plot.satisfaction(result)``, or ``result.plot.satisfaction()``."""

from .face import FIGURES, Plots, answers, cost, latency, load, power, queue, replicas, satisfaction, tenants

__all__ = [
    "FIGURES",
    "Plots",
    "answers",
    "cost",
    "latency",
    "load",
    "power",
    "queue",
    "replicas",
    "satisfaction",
    "tenants",
]
