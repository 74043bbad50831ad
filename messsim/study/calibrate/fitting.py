"""Fitting the coefficients of a profile to measurements."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from messsim.errors import DataError
from messsim.workload.choosing import Chooser, conditions
from messsim.zoo.fitting import NO_CAP_W, Estimate, Iterations

from .fits import fit_iterations, fit_points, unmeasured
from .measurements import Measurements, ServedPoints, joined, read_measurements
from .missing import measure_next
from .options import IDLE, NAMES, Base, Options, given_by, mixture_of, whose_of
from .profile_file import not_tiny
from .served_fit import PointFit

__all__ = ["calibrate"]


def calibrate(
    file: str | Path | Sequence[str | Path],
    select: list[str] | None = None,
    options: Options | None = None,
    sets: list[str] | None = None,
    *,
    unit: str = "auto",
    unique: str | None = None,
    skip_failed: bool = False,
) -> dict[str, Any]:
    """Fits a profile to measurements in one or more files.

    Parameters
    ----------
    file
        Measured iterations, or means of a server at fixed concurrencies (docs: your own GPU); several files count as
        one, such as a benchmark's results at several concurrencies.
    select
        Which rows count, as ``COLUMN=VALUE`` or with another of ``!= < <= > >=``.
    options
        What the measurements do not say.
    sets
        Overrides of the closed-loop scenarios that points of a server are compared with.
    unit
        Of all times in the file: "s", "ms", "us" or "ns"; "auto": as its columns' names say, else seconds.
    unique
        Column of which each value counts once, over all files.
    skip_failed
        Leave out rows without numbers other than 0 for what was measured.

    Returns
    -------
    dict
        `coefficients`: `value` (None where the measurements do not determine it), `standard_error`, `how` and `why`,
        by name. `not_determined`: names. `left_out`: rows of iterations that the memory cannot hold, beyond
        `kv_capacity_tokens`: no server runs them, and they would bend the fit. `measure_next`: what to measure for the
        coefficients that are not determined. `errors`: relative errors of the fit
        on its own rows, by region. `up_to`: the greatest prompt, batch and so on of the rows.

        `notes`: which rows do not count, and how many.

    Raises
    ------
    DataError, ScenarioError
        If the file or an option is not what it should be.
    """
    paths = [Path(f) for f in ([file] if isinstance(file, str | Path) else file)]
    path, options = paths[0], options or Options()
    chooser = Chooser(conditions(select or []), ("",) if skip_failed else (), unique, "rows without measurements")
    measured = joined([(p, read_measurements(p, chooser, unit)) for p in paths])
    base = Base.of(options.base)
    whose = whose_of(measured.whose, options, path)
    mixture = mixture_of(options, base)
    given = given_by(options.given, dense=not mixture[0])
    capacity = options.kv_capacity_tokens or base.kv_capacity_tokens
    left_out = 0
    if isinstance(measured.rows, ServedPoints):
        fit = PointFit(measured.rows, whose["tp"], mixture, base.figures, sets or [])
        estimates, errors = fit_points(fit, given, base.figures)
    else:
        rows = dataclasses.replace(measured.rows, gpus=whose["tp"], experts=mixture[0], top_k=mixture[1])
        rows, left_out = _within(rows, capacity, path)
        measured = dataclasses.replace(measured, rows=rows)
        estimates, errors = fit_iterations(rows, given, base.figures)
    estimates[IDLE] = _idle(measured, whose["tp"], given, base.figures)
    undetermined = [n for n in NAMES if n in estimates and estimates[n].how == "not determined"]
    few = any("readings for" in (estimates[n].why or "") for n in undetermined)
    return {
        "file": ", ".join(map(str, paths)),
        "kind": "served" if isinstance(measured.rows, ServedPoints) else "iterations",
        "rows": len(measured.rows),
        "left_out": left_out,
        **whose,
        "experts": mixture[0],
        "top_k": mixture[1],
        "kv_capacity_tokens": capacity,
        "base": options.base,
        "up_to": _greatest(measured.rows),
        "coefficients": {n: _stated(estimates[n]) for n in NAMES if n in estimates},
        "not_determined": undetermined,
        "measure_next": measure_next(undetermined, served=isinstance(measured.rows, ServedPoints), few=few),
        "errors": errors,
        "notes": chooser.notes(),
    }


def _within(rows: Iterations, capacity: int | None, path: Path) -> tuple[Iterations, int]:
    """The iterations that fit into memory, and how many do not."""
    if capacity is None:
        return rows, 0
    fits = rows.cached_tokens + rows.prompt_prior + rows.prompt_tokens <= capacity
    if not fits.any():
        raise DataError(f"no row fits into {capacity} cached tokens; expected another --kv-capacity-tokens", str(path))
    return rows.only(fits), int((~fits).sum())


def _greatest(rows: Iterations | ServedPoints) -> dict[str, float]:
    """How far the measurements go: beyond, a profile extrapolates."""
    names = ("prompt_tokens", "batch", "cached_tokens")
    if isinstance(rows, ServedPoints):
        names = ("clients", "prompt_tokens", "output_tokens")
    return {n: float(np.max(getattr(rows, n))) for n in names}


def _idle(measured: Measurements, gpus: int, given: dict[str, float], base: dict[str, float]) -> Estimate:
    if IDLE not in given and measured.idle_w is not None:
        return Estimate(measured.idle_w / gpus, None, "fitted")
    return unmeasured(IDLE, given, base)


def _stated(estimate: Estimate) -> dict[str, Any]:
    value = None if estimate.value is None or estimate.value >= NO_CAP_W else not_tiny(estimate.value)
    return {"value": value, "standard_error": estimate.error, "how": estimate.how, "why": estimate.why}
