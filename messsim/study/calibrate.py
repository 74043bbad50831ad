"""Fitting the coefficients of a profile to measurements, and writing it as a file that a scenario can name."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from messsim.errors import OutputError, ScenarioError
from messsim.scenario.own import read_own_profile
from messsim.zoo import select_profiles
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

from .measurements import Measurements, ServedPoints, read_measurements
from .served_fit import PointFit

__all__ = ["Options", "calibrate", "profile_text"]

IDLE = "p_idle_w_per_gpu"
NAMES = [*DURATION, *ENERGY, IDLE]
HOW = {
    "given": "given",
    "base": "from_base",
    "not measured": "not_measured",
}  # and the keys that list such coefficients
MIXTURE = ("ae_s", "se")  # coefficients that only a mixture of experts has
# Which of several coefficients that cannot be told apart is taken from the base profile first.
FIRST_FROM_BASE = [
    "akm_s_per_token",
    "aq_s_per_token2",
    "nstar_tokens",
    "c1_s_per_token",
    "ak_s_per_token",
    "se",
    "ae_s",
    "ab_s_per_sequence",
    "ek_j_per_cached_token",
    "e_j_per_token",
    "a0_s",
    "p0_w_per_gpu",
]


@dataclass(frozen=True)
class Options:
    """What the measurements do not say.

    Attributes
    ----------
    model, gpu, tp
        Whose they are, where the file has no such columns.
    experts, top_k
        Of a mixture of experts: experts a layer, and experts a token uses; 0 for a dense model.
    kv_capacity_tokens
        Cached tokens that a replica holds; none: no limit.
    given
        Coefficients that are not to be fitted, as ``NAME=VALUE``.
    base
        A profile, as MODEL/GPU/tpN or a file, from which whatever the measurements do not determine is taken.
    """

    model: str | None = None
    gpu: str | None = None
    tp: int | None = None
    experts: int | None = None
    top_k: int | None = None
    kv_capacity_tokens: int | None = None
    given: list[str] = field(default_factory=list)
    base: str | None = None


def calibrate(
    file: str | Path, select: list[str] | None = None, options: Options | None = None, sets: list[str] | None = None
) -> dict[str, Any]:
    """Fits a profile to a file of measurements.

    Parameters
    ----------
    file
        Measured iterations, or means of a server at fixed concurrencies (docs: your own GPU).
    select
        Which rows count, as ``COLUMN=VALUE``.
    options
        What the measurements do not say.
    sets
        Overrides of the closed-loop scenarios that points of a server are compared with.

    Returns
    -------
    dict
        `coefficients`: `value` (None where the measurements do not determine it), `standard_error`, `how` and `why`,
        by name. `not_determined`: names. `errors`: relative errors of the fit on its own rows, by region. `up_to`: the
        greatest prompt, batch and so on of the rows.

    Raises
    ------
    DataError, ScenarioError
        If the file or an option is not what it should be.
    """
    path, options = Path(file), options or Options()
    measured = read_measurements(path, dict(_pair(s, "--select") for s in select or []))
    base = _Base.of(options.base)
    whose = _whose(measured, options, path)
    mixture = base.mixture if options.experts is None else (options.experts, options.top_k or 0)
    if mixture[0] and not 0 < mixture[1] < mixture[0]:
        raise ScenarioError(f"--experts {mixture[0]} and --top-k {mixture[1]}: expected 0 < top-k < experts")
    given = _given(options.given, dense=not mixture[0])
    if isinstance(measured.rows, ServedPoints):
        fit = PointFit(measured.rows, whose["tp"], mixture, base.figures, sets or [])
        estimates, errors = _fit_points(fit, given, base.figures)
    else:
        rows = dataclasses.replace(measured.rows, gpus=whose["tp"], experts=mixture[0], top_k=mixture[1])
        estimates, errors = _fit_iterations(rows, given, base.figures)
    estimates[IDLE] = _idle(measured, whose["tp"], given, base.figures)
    capacity = options.kv_capacity_tokens or base.kv_capacity_tokens
    return {
        "file": str(path),
        "kind": "served" if isinstance(measured.rows, ServedPoints) else "iterations",
        "rows": len(measured.rows),
        **whose,
        "experts": mixture[0],
        "top_k": mixture[1],
        "kv_capacity_tokens": capacity,
        "base": options.base,
        "up_to": _greatest(measured.rows),
        "coefficients": {n: _told(estimates[n]) for n in NAMES if n in estimates},
        "not_determined": [n for n in NAMES if n in estimates and estimates[n].how == "not determined"],
        "errors": errors,
    }


def profile_text(found: dict[str, Any]) -> str:
    """The profile file of a calibration, TOML.

    Raises
    ------
    OutputError
        If a coefficient is not determined (a profile may not guess), or the cap is below P0.
    """
    import tomli_w

    missing = [f"{n} ({found['coefficients'][n]['why']})" for n in found["not_determined"]]
    if missing:
        raise OutputError(
            f"no profile to write: {found['file']} does not determine {'; '.join(missing)}. Expected such "
            "measurements, or --fix NAME=VALUE, or --base PROFILE"
        )
    told = found["coefficients"]
    figures: dict[str, Any] = {n: c["value"] for n, c in told.items() if c["value"] is not None}
    if found["experts"]:
        figures |= {"experts": found["experts"], "top_k": found["top_k"]}
    else:
        figures = {n: v for n, v in figures.items() if n not in MIXTURE}
    figures["energy_measured"] = all(told.get(n, {}).get("how") == "fitted" for n in ENERGY[:3])
    head = {k: found[k] for k in ("model", "gpu", "tp", "kv_capacity_tokens") if found[k] is not None}
    shown = {n: c for n, c in told.items() if found["experts"] or n not in MIXTURE}
    taken = {how: [n for n, c in shown.items() if c["how"] == how] for how in HOW}
    fit = {k: found[k] for k in ("file", "kind", "rows", "base", "up_to")}
    fit |= {key: taken[how] for how, key in HOW.items() if taken[how]}
    fit["errors"] = [_flat(e) for e in found["errors"]]
    fit = {k: v for k, v in fit.items() if v is not None}
    comment = (
        '# Written by `messsim calibrate`. A scenario uses it as profile = "THIS_FILE.toml", relative to its folder.\n'
    )
    _checked(figures, found["file"])
    return comment + tomli_w.dumps({**head, "coefficients": figures, "fit": fit})


def _checked(figures: dict[str, Any], file: str) -> None:
    """Raises for coefficients that no scenario would take: a cap below P0."""
    p0, cap = figures.get("p0_w_per_gpu", 0.0), figures.get("p_cap_w_per_gpu", NO_CAP_W)
    if cap < p0:
        raise OutputError(
            f"no profile to write: p_cap_w_per_gpu = {cap:.5g} is below p0_w_per_gpu = {p0:.5g} by {file}"
        )


def _flat(errors: dict[str, Any]) -> dict[str, Any]:
    """Errors of a region with plain keys, to four digits."""
    sizes = {n: v for n, v in errors.items() if isinstance(v, dict)}
    flat = {f"{n}_{size}": float(f"{value:.4g}") for n, e in sizes.items() for size, value in e.items()}
    return {"region": errors["region"], "rows": errors["rows"]} | flat


# ---- options --------------------------------------------------------------------------------------------


def _pair(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ScenarioError(f"{option} {text}: expected NAME=VALUE")
    return name.strip(), value.strip()


def _given(texts: list[str], *, dense: bool) -> dict[str, float]:
    given = dict.fromkeys(MIXTURE, 0.0) if dense else {}
    for text in texts:
        name, value = _pair(text, "--fix")
        if name not in NAMES:
            near = [n for n in NAMES if n.startswith(f"{name}_")] or get_close_matches(name, NAMES, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(NAMES)}"
            raise ScenarioError(f"--fix {text}: unknown coefficient {name!r}; {hint}")
        if dense and name in MIXTURE:
            raise ScenarioError(f"--fix {text}: a dense model has none; expected --experts and --top-k too")
        try:
            given[name] = float(value)
        except ValueError:
            given[name] = float("nan")
        if not 0 <= given[name] < float("inf"):
            raise ScenarioError(f"--fix {text}: expected a number, at least 0")
    return given


@dataclass(frozen=True)
class _Base:
    """Where whatever is not determined comes from."""

    figures: dict[str, float]
    mixture: tuple[int, int]
    kv_capacity_tokens: int | None

    @classmethod
    def of(cls, name: str | None) -> _Base:
        if name is None:
            return cls({}, (0, 0), None)
        if name.endswith(".toml"):
            own = read_own_profile(Path(name))
            c = own.coefficients
            figures = {n: getattr(c, n) for n in NAMES}
            figures["p_cap_w_per_gpu"] = c.p_cap_w_per_gpu or NO_CAP_W
            return cls(figures, (c.experts, c.top_k), own.kv_capacity_tokens)
        found = select_profiles(name)
        if len(found) != 1:
            names = ", ".join(p.name for p in found)
            raise ScenarioError(f"--base {name}: {len(found)} profiles; expected one of {names}")
        d, e = found[0].duration, found[0].energy
        figures = {n: getattr(d if n in DURATION else e, n) for n in NAMES}
        return cls(figures, (d.experts, d.top_k), found[0].memory.kv_capacity_tokens)


def _whose(measured: Measurements, options: Options, path: Path) -> dict[str, Any]:
    """Model, GPU and tp, by the file or the options."""
    whose = {}
    for name in ("model", "gpu", "tp"):
        said, asked = measured.whose.get(name), getattr(options, name)
        if said is not None and asked is not None and str(said) != str(asked):
            raise ScenarioError(f"--{name} {asked}: expected {said}, which {path} is of")
        whose[name] = said if said is not None else asked
    try:
        whose["tp"] = int(whose["tp"] if whose["tp"] is not None else 1)
    except ValueError:
        whose["tp"] = 0
    if whose["tp"] < 1:
        raise ScenarioError(f"column 'tp' has {measured.whose['tp']!r}; expected a whole number, at least 1", str(path))
    return whose


# ---- the fit --------------------------------------------------------------------------------------------


def _fit_iterations(
    rows: Iterations, given: dict[str, float], base: dict[str, float]
) -> tuple[dict[str, Estimate], list[dict[str, Any]]]:
    seconds, estimates = _determined(lambda held: fit_duration(rows, held), _only(given, DURATION), base)
    joules: dict[str, float] | None = None
    if rows.joules is not None:
        joules, more = _determined(lambda held: fit_energy(rows, held), _only(given, ENERGY), base)
        estimates |= more
    else:
        estimates |= {n: _unmeasured(n, given, base) for n in ENERGY}
    return estimates, _errors(rows, seconds, joules)


def _fit_points(
    fit: PointFit, given: dict[str, float], base: dict[str, float]
) -> tuple[dict[str, Estimate], list[dict[str, Any]]]:
    seconds, estimates = _determined(fit.duration, _only(given, DURATION), base)
    joules: dict[str, float] = {}
    if fit.points.j_per_token is not None:
        joules, more = _determined(lambda held: fit.energy(seconds, held), _only(given, ENERGY), base)
        estimates |= more
    else:
        estimates |= {n: _unmeasured(n, given, base) for n in ENERGY}
    told = fit.simulated(seconds, joules)
    measured = dict(fit.points.readings)
    if fit.points.j_per_token is not None:
        measured["j_per_token"] = fit.points.j_per_token
    clients = np.array(fit.points.clients)
    regions = {
        "all": clients > 0,
        f"up to {SMALL_BATCH} clients": clients <= SMALL_BATCH,
        f"above {SMALL_BATCH} clients": clients > SMALL_BATCH,
    }
    errors = {name: told[name] / values - 1.0 for name, values in measured.items()}
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


def _greatest(rows: Iterations | ServedPoints) -> dict[str, float]:
    """How far the measurements go: beyond, a profile extrapolates."""
    names = ("prompt_tokens", "batch", "cached_tokens")
    if isinstance(rows, ServedPoints):
        names = ("clients", "prompt_tokens", "output_tokens")
    return {n: float(np.max(getattr(rows, n))) for n in names}


def _only(given: dict[str, float], names: list[str]) -> dict[str, float]:
    return {n: v for n, v in given.items() if n in names}


def _unmeasured(name: str, given: dict[str, float], base: dict[str, float]) -> Estimate:
    """A coefficient of which the file has no readings."""
    if name in given:
        return Estimate(given[name], None, "given")
    if name in base and base[name] < NO_CAP_W:
        return Estimate(base[name], None, "base", "no readings")
    return Estimate(None, None, "not measured", "no readings")


def _idle(measured: Measurements, gpus: int, given: dict[str, float], base: dict[str, float]) -> Estimate:
    if IDLE not in given and measured.idle_w is not None:
        return Estimate(measured.idle_w / gpus, None, "fitted")
    return _unmeasured(IDLE, given, base)


def _told(estimate: Estimate) -> dict[str, Any]:
    value = None if estimate.value is not None and estimate.value >= NO_CAP_W else estimate.value
    return {"value": value, "standard_error": estimate.error, "how": estimate.how, "why": estimate.why}


def _errors(rows: Iterations, seconds: dict[str, float], joules: dict[str, float] | None) -> list[dict[str, Any]]:
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


def _by_region(regions: dict[str, Any], errors: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"region": region, "rows": int(which.sum()), **{name: _sizes(e[which]) for name, e in errors.items()}}
        for region, which in regions.items()
        if which.any()
    ]


def _sizes(errors: Any) -> dict[str, float]:
    return {"mape": float(np.abs(errors).mean()), "bias": float(errors.mean()), "worst": float(np.abs(errors).max())}
