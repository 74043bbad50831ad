"""Fitting the coefficients of a profile to measurements."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from messsim.errors import DataError
from messsim.scenario.engines import Engine
from messsim.shapes.evidence import Calibration, Coefficient, Facts, Profiled, Whose
from messsim.workload.choosing import Chooser, conditions
from messsim.zoo.fitting import NO_CAP_W, Estimate, Iterations

from .fits import fit_iterations, fit_points, unmeasured
from .measurements import Measurements, ServedPoints, joined, read_measurements
from .missing import measure_next
from .options import IDLE, NAMES, Base, Options, check_engine, engine_notes, given_by, mixture_of, whose_of
from .profile_file import not_tiny
from .served_fit import OnFit, PointFit

__all__ = ["calibrate"]


@dataclass(frozen=True)
class _Known:
    """What is known before the fit: by the file, by options, and by the profile that fills gaps."""

    whose: Whose
    mixture: tuple[int, int]
    given: dict[str, float]
    capacity: int | None
    base_name: str | None
    base: dict[str, float]
    engine: Engine | None

    @classmethod
    def of(cls, options: Options, by_file: Facts, path: Path) -> _Known:
        """What options leave open is by the file, or by the base."""
        base = Base.of(options.base)
        whose, mixture = whose_of(by_file, options, path), mixture_of(options, base)
        check_engine(options.engine, whose["gpu"])
        given = given_by(options.given, dense=not mixture[0])
        capacity = options.kv_capacity_tokens or base.kv_capacity_tokens
        return cls(whose, mixture, given, capacity, options.base, base.figures, options.engine)

    def summary(self) -> Profiled:
        """What the profile is of."""
        experts, top_k = self.mixture
        return {
            **self.whose,
            "experts": experts,
            "top_k": top_k,
            "kv_capacity_tokens": self.capacity,
            "engine": self.engine,
            "base": self.base_name,
        }


def calibrate(
    file: str | Path | Sequence[str | Path],
    select: list[str] | None = None,
    options: Options | None = None,
    sets: list[str] | None = None,
    *,
    unit: str = "auto",
    unique: str | None = None,
    skip_failed: bool = False,
    progress: OnFit | None = None,
) -> Calibration:
    """Fits a profile to measurements in one or more files.

    Parameters
    ----------
    file
        Measured iterations, or means of a server at fixed concurrencies (docs: your own GPU); several count as one.
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
    progress
        Of points of a server, told how many runs were made and how far the last are from the readings, relative.

    Returns
    -------
    Calibration

    Raises
    ------
    DataError, ScenarioError
        If the file or an option is not what it should be.
    """
    paths = [Path(f) for f in ([file] if isinstance(file, str | Path) else file)]
    chooser = Chooser(conditions(select or []), ("",) if skip_failed else (), unique, "rows without measurements")
    given = joined([(p, read_measurements(p, chooser, unit)) for p in paths])
    known = _Known.of(options or Options(), given.whose, paths[0])
    measured = _within_memory(given, known, paths[0])
    estimates, errors = _fit(measured, known, sets or [], progress)
    return {
        "file": ", ".join(map(str, paths)),
        "kind": measured.kind,
        "rows": len(measured.rows),
        "left_out": len(given.rows) - len(measured.rows),
        **known.summary(),
        "up_to": _greatest(measured.rows),
        "coefficients": {n: _stated(estimates[n]) for n in NAMES if n in estimates},
        "not_determined": _undetermined(estimates),
        "measure_next": _measure_next(measured, estimates),
        "errors": errors,
        "notes": [*measured.notes, *chooser.notes(), *engine_notes(known.engine, measured.whose, paths[0])],
    }


def _undetermined(estimates: Mapping[str, Estimate]) -> list[str]:
    return [n for n in NAMES if n in estimates and estimates[n].how == "not determined"]


def _measure_next(measured: Measurements, estimates: Mapping[str, Estimate]) -> list[str]:
    return measure_next(_undetermined(estimates), served=measured.kind == "served", few=_too_few(estimates))


def _too_few(estimates: Mapping[str, Estimate]) -> bool:
    """Whether a coefficient is not determined for want of readings."""
    return any(e.few for e in estimates.values())


def _fit(
    measured: Measurements, known: _Known, sets: list[str], progress: OnFit | None
) -> tuple[dict[str, Estimate], list[Facts]]:
    """Estimates of all coefficients, and relative errors by region."""
    gpus, given, base = known.whose["tp"], known.given, known.base
    if isinstance(measured.rows, ServedPoints):
        server = {"gpu": known.whose["gpu"], "engine": known.engine}
        fit = PointFit(measured.rows, gpus, known.mixture, base, sets, server, progress)
        estimates, errors = fit_points(fit, given, base)
    else:
        estimates, errors = fit_iterations(measured.rows, given, base)
    return estimates | {IDLE: _idle(measured, gpus, given, base)}, errors


def _within_memory(measured: Measurements, known: _Known, path: Path) -> Measurements:
    if not isinstance(measured.rows, Iterations):
        return measured
    return dataclasses.replace(measured, rows=_within(measured.rows, known, path))


def _within(rows: Iterations, known: _Known, path: Path) -> Iterations:
    """The iterations that fit into memory, with what they were measured on."""
    experts, top_k = known.mixture
    rows = dataclasses.replace(rows, gpus=known.whose["tp"], experts=experts, top_k=top_k)
    if known.capacity is None:
        return rows
    fits = rows.cached_tokens + rows.prompt_prior + rows.prompt_tokens <= known.capacity
    if not fits.any():
        raise DataError(
            f"no row fits into {known.capacity} cached tokens; expected another --kv-capacity-tokens", str(path)
        )
    return rows.only(fits)


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


def _stated(estimate: Estimate) -> Coefficient:
    value = None if estimate.value is None or estimate.value >= NO_CAP_W else not_tiny(estimate.value)
    return {"value": value, "standard_error": estimate.error, "how": estimate.how, "why": estimate.why}
