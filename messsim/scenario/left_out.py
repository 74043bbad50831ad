"""Models and pools that an override leaves out: those with ``replicas = 0``."""

from typing import Any, TypeGuard

from .toml import Table

__all__ = ["without_empty_pools"]


def without_empty_pools(data: Table) -> Table:
    """A scenario's data without pools of no replicas, models that then have none, and what is said of those."""
    models, pools = data.get("models", []), data.get("pools", [])
    if not _tables(models) or not _tables(pools):
        return data
    staying = [p for p in pools if not _empty(p)]
    served = {p.get("model") for p in staying}
    pooled = {p.get("model") for p in pools}
    gone = {m.get("name") for m in models if (m.get("name") not in served if m.get("name") in pooled else _empty(m))}
    if not gone and len(staying) == len(pools):
        return data
    kept = data | {"models": [m for m in models if m.get("name") not in gone]}
    if "pools" in data:
        kept["pools"] = staying
    if isinstance(router := data.get("router"), dict):
        kept["router"] = _router(router, [m.get("name") not in gone for m in models], gone)
    if _tables(phases := data.get("phases")):
        kept["phases"] = [_phase(p, gone) for p in phases]
    return kept


def _tables(value: Any) -> TypeGuard[list[Table]]:
    return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)


def _empty(serving: Table) -> bool:
    return serving.get("replicas") == 0 and not isinstance(serving["replicas"], bool)


def _router(router: Table, stays: list[bool], gone: set[Any]) -> Table:
    left = {k: v for k, v in router.items() if not (k == "reference" and v in gone)}
    predictor = router.get("predictor")
    if isinstance(predictor, dict) and isinstance(means := predictor.get("means"), list) and len(means) == len(stays):
        left["predictor"] = predictor | {"means": [x for x, stay in zip(means, stays, strict=True) if stay]}
    return left


def _phase(phase: Table, gone: set[Any]) -> Table:
    left = dict(phase)
    if isinstance(names := phase.get("withdrawn"), list):
        left["withdrawn"] = [n for n in names if n not in gone]
    for key in ("cost_per_request", "price_factor", "satisfaction", "columns"):
        if isinstance(by_model := phase.get(key), dict):
            left[key] = {name: value for name, value in by_model.items() if name not in gone}
    return left
