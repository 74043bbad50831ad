"""Fits to iterations and to points of a server, with what they leave open taken from a base profile."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from messsim.shapes.evidence import Facts
from messsim.zoo.fitting import (
    DURATION,
    ENERGY,
    NO_CAP_W,
    SMALL_BATCH,
    Estimate,
    Iterations,
    by_kind,
    fit_duration,
    fit_energy,
    predicted_joules,
    predicted_seconds,
)

from .served_fit import PointFit

__all__ = ["fit_iterations", "fit_points", "unmeasured"]

# Which of several coefficients that cannot be told apart is taken from the base profile first.
FIRST_FROM_BASE = [
    "abk_s_per_token",
    "akx_s_per_token",
    "ac_s_per_token",
    "a1_s",
    "akm_s_per_token",
    "aq_s_per_token2",
    "nstar_tokens",
    "c1_s_per_token",
    "c0_s_per_token",
    "ak_s_per_token",
    "se",
    "ae_s",
    "ab_s_per_sequence",
    "ek_j_per_cached_token",
    "e_j_per_token",
    "a0_s",
    "p0_w_per_gpu",
]

# What means of a server do not tell from the rest.
HIDDEN = ("c0_s_per_token", "a1_s", "ac_s_per_token", "akx_s_per_token", "abk_s_per_token")
UNSEEN = "means of a server do not show it"


def fit_iterations(
    rows: Iterations, given: dict[str, float], base: dict[str, float]
) -> tuple[dict[str, Estimate], list[Facts]]:
    """Estimates of all coefficients but the idle power, and relative errors by region."""
    seconds, estimates = _determined(lambda held: fit_duration(rows, held), _only(given, DURATION), base)
    joules: dict[str, float] | None = None
    if rows.joules is not None:
        joules, more = _determined(lambda held: fit_energy(rows, held), _only(given, ENERGY), base)
        estimates |= more
    else:
        estimates |= {n: unmeasured(n, given, base) for n in ENERGY}
    return estimates, _errors(rows, seconds, joules)


def fit_points(
    fit: PointFit, given: dict[str, float], base: dict[str, float]
) -> tuple[dict[str, Estimate], list[Facts]]:
    """The same of a server's points, regions being numbers of clients."""
    hidden = {n: base.get(n, 0.0) for n in HIDDEN if n not in given}
    seconds, estimates = _determined(fit.duration, _only(given, DURATION) | hidden, base)
    estimates |= {n: Estimate(v, None, "base" if n in base else "given", UNSEEN) for n, v in hidden.items()}
    joules: dict[str, float] = {}
    if fit.points.j_per_token is not None:
        joules, more = _determined(lambda held: fit.energy(seconds, held), _only(given, ENERGY), base)
        estimates |= more
    else:
        estimates |= {n: unmeasured(n, given, base) for n in ENERGY}
    predicted = fit.simulated(seconds, joules)
    measured = dict(fit.points.readings)
    if fit.points.j_per_token is not None:
        measured["j_per_token"] = fit.points.j_per_token
    clients = np.array(fit.points.clients)
    regions = {
        "all": clients > 0,
        f"up to {SMALL_BATCH} clients": clients <= SMALL_BATCH,
        f"above {SMALL_BATCH} clients": clients > SMALL_BATCH,
    }
    errors = {name: predicted[name] / values - 1.0 for name, values in measured.items()}
    return estimates, _by_region(regions, errors)


Fit = Callable[[dict[str, float]], tuple[dict[str, float], dict[str, Estimate]]]


def _determined(
    fit: Fit, given: dict[str, float], base: dict[str, float]
) -> tuple[dict[str, float], dict[str, Estimate]]:
    """Fits, and takes what is not determined from the base, one coefficient after the other, until the rest is."""
    borrowed: dict[str, Estimate] = {}
    while True:
        held = given | {n: base[n] for n in borrowed}
        figures, estimates = fit(held)
        missing = [n for n in FIRST_FROM_BASE if n in base and n in estimates and estimates[n].how == "not determined"]
        if not missing:
            return figures, {n: Estimate(v, None, "given") for n, v in given.items()} | borrowed | estimates
        borrowed[missing[0]] = Estimate(base[missing[0]], None, "base", estimates[missing[0]].why)


def _only(given: dict[str, float], names: list[str]) -> dict[str, float]:
    return {n: v for n, v in given.items() if n in names}


def unmeasured(name: str, given: dict[str, float], base: dict[str, float]) -> Estimate:
    """A coefficient of which the file has no readings."""
    if name in given:
        return Estimate(given[name], None, "given")
    if name in base and base[name] < NO_CAP_W:
        return Estimate(base[name], None, "base", "no readings")
    return Estimate(None, None, "not measured", "no readings")


def _errors(rows: Iterations, seconds: dict[str, float], joules: dict[str, float] | None) -> list[Facts]:
    """Relative errors by region: kind of iteration, and small or large batch."""
    small = rows.batch <= SMALL_BATCH
    regions = {"all": np.ones(len(rows), dtype=bool)}
    for kind, which in by_kind(rows).items():
        if kind == "prefill":
            regions[kind] = which
        else:
            regions[f"{kind}, batch up to {SMALL_BATCH}"] = which & small
            regions[f"{kind}, batch above {SMALL_BATCH}"] = which & ~small
    errors = {"duration": predicted_seconds(seconds, rows) / rows.seconds - 1.0}
    if joules is not None and rows.joules is not None:
        errors["energy"] = predicted_joules(joules, rows, rows.seconds) / rows.joules - 1.0
    return _by_region(regions, errors)


def _by_region(regions: dict[str, NDArray[np.bool_]], errors: dict[str, NDArray[np.float64]]) -> list[Facts]:
    return [
        {"region": region, "rows": int(which.sum()), **{name: _sizes(e[which]) for name, e in errors.items()}}
        for region, which in regions.items()
        if which.any()
    ]


def _sizes(errors: NDArray[np.float64]) -> dict[str, float]:
    return {"mape": float(np.abs(errors).mean()), "bias": float(errors.mean()), "worst": float(np.abs(errors).max())}
