"""The file that a calibration writes, and that a scenario names as its profile."""

from __future__ import annotations

from collections.abc import Mapping

from messsim.errors import OutputError
from messsim.scenario.base import SMALLEST
from messsim.shapes.evidence import Calibration, Facts
from messsim.zoo.fitting import ENERGY, NO_CAP_W

from .options import MIXTURE, WITHOUT_KNOTS

__all__ = ["not_tiny", "profile_text"]

HOW = {"given": "given", "base": "from_base", "not measured": "not_measured"}  # and the keys that list them
KNOTS = "; a base with knots, as all built-in profiles, gives terms of attention and energy alone"


def not_tiny(value: float) -> float:
    """A coefficient as a scenario takes it: searches that end at a bound of 0 leave 1e-17."""
    return value if value >= SMALLEST else 0.0


def profile_text(result: Calibration) -> str:
    """The profile file of a calibration, TOML.

    Raises
    ------
    OutputError
        If a coefficient is not determined (a profile may not guess), or the cap is below P0.
    """
    import tomli_w

    missing = [f"{n} ({result['coefficients'][n]['why']})" for n in result["not_determined"]]
    if missing:
        knots = "" if result["base"] is None or not set(WITHOUT_KNOTS) & set(result["not_determined"]) else KNOTS
        raise OutputError(
            f"no profile to write: {result['file']} does not determine {'; '.join(missing)}. Expected such "
            f"measurements, or --fix NAME=VALUE, or --base PROFILE{knots}"
        )
    coefficients = result["coefficients"]
    figures: dict[str, float] = {n: c["value"] for n, c in coefficients.items() if c["value"] is not None}
    if result["experts"]:
        figures |= {"experts": result["experts"], "top_k": result["top_k"]}
    else:
        figures = {n: v for n, v in figures.items() if n not in MIXTURE}
    is_measured = all(n in coefficients and coefficients[n]["how"] == "fitted" for n in ENERGY[:3])
    whole: Mapping[str, object] = result
    head = {k: whole[k] for k in ("model", "gpu", "tp", "kv_capacity_tokens", "engine") if whole[k] is not None}
    shown = {n: c for n, c in coefficients.items() if result["experts"] or n not in MIXTURE}
    taken = {how: [n for n, c in shown.items() if c["how"] == how] for how in HOW}
    fit = {k: whole[k] for k in ("file", "kind", "rows", "left_out", "base", "up_to")}
    fit |= {key: taken[how] for how, key in HOW.items() if taken[how]}
    fit["errors"] = [_flat(e) for e in result["errors"]]
    fit = {k: v for k, v in fit.items() if v is not None}
    comment = (
        '# Written by `messsim calibrate`. A scenario uses it as profile = "THIS_FILE.toml", relative to its folder.\n'
    )
    _checked(figures, result["file"])
    return comment + tomli_w.dumps({**head, "coefficients": {**figures, "energy_measured": is_measured}, "fit": fit})


def _checked(figures: Mapping[str, float], file: str) -> None:
    """Raises for coefficients that no scenario would take: a cap below P0."""
    p0, cap = figures.get("p0_w_per_gpu", 0.0), figures.get("p_cap_w_per_gpu", NO_CAP_W)
    if cap < p0:
        raise OutputError(
            f"no profile to write: p_cap_w_per_gpu = {cap:.5g} is below p0_w_per_gpu = {p0:.5g} by {file}"
        )


def _flat(errors: Facts) -> Facts:
    """Errors of a region with plain keys, to four digits."""
    sizes = {n: v for n, v in errors.items() if isinstance(v, dict)}
    flat = {f"{n}_{size}": float(f"{value:.4g}") for n, e in sizes.items() for size, value in e.items()}
    return {"region": errors["region"], "rows": errors["rows"]} | flat
