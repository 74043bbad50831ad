"""Fitting a profile's coefficients to measured iterations, and telling which of them the measurements determine."""

from .determined import Estimate, judged
from .duration import DURATION, fit_duration
from .energy import ENERGY, NO_CAP_W, fit_energy
from .iterations import SMALL_BATCH, Iterations, by_kind, predicted_joules, predicted_seconds

__all__ = [
    "DURATION",
    "ENERGY",
    "NO_CAP_W",
    "SMALL_BATCH",
    "Estimate",
    "Iterations",
    "by_kind",
    "fit_duration",
    "fit_energy",
    "judged",
    "predicted_joules",
    "predicted_seconds",
]
