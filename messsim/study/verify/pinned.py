"""Without caches, sessions and other engines' schedules, records are bit for bit what they were before there were any.

The scenarios are shipped ones. Their models have the figures of this file in place of the zoo's, which may be measured
anew, and so little memory that some requests are preempted. Another sum is another model: that belongs into the
changelog, and then here.
"""

import hashlib
import tomllib

from messsim.scenario import Scenario, parse
from messsim.scenario.shipped import shipped
from messsim.shapes.evidence import PinnedRecords

from .measures import observe

__all__ = ["pinned_records", "pinned_scenario"]

COLUMNS = (
    *("arrival_s", "tenant", "model", "replica", "status", "explored", "output_tokens", "attempts", "preemptions"),
    *("queue", "score", "satisfied", "start_s", "first_token_s", "finish_s", "energy_j", "cost"),
)
REQUESTS = 150
SERVED = ("profile", "gpu", "tp", "weights", "engine")
SUMS = {
    "overload": "91d14c25340a4597",
    "two-tenants": "6c97f0e3bd82fd0e",
    "impatient-clients": "55d7ad38a33830b5",
    "failures": "7e7e11402cb221d6",
}  # the first half of SHA-256 over the columns


def pinned_records(engine: str) -> list[PinnedRecords]:
    """The sums of the records that an engine makes of each scenario, beside those that are pinned."""
    return [_summed(name, engine) for name in SUMS]


def pinned_scenario(name: str, engine: str) -> Scenario:
    """A shipped scenario with replicas of which each next model's are half as fast."""
    file = shipped(name)
    data = tomllib.loads(file.read_text(encoding="utf-8")) | {"requests": REQUESTS, "cost": {}, "engine": engine}
    for k, model in enumerate(data["models"]):
        for key in SERVED:
            model.pop(key, None)
        model |= {"coefficients": _coefficients(2.0**k), "kv_capacity_tokens": 20_000}
    return parse(data, folder=file.parent)


def _coefficients(slower: float) -> dict[str, float]:
    return {
        "a0_s": 0.006 * slower,
        "ab_s_per_sequence": 2e-5 * slower,
        "ak_s_per_token": 1e-8 * slower,
        "c1_s_per_token": 3e-5 * slower,
        "aq_s_per_token2": 1e-11,
        "p0_w_per_gpu": 300.0,
        "e_j_per_token": 0.05 * slower,
        "p_idle_w_per_gpu": 100.0,
    }


def _summed(name: str, engine: str) -> PinnedRecords:
    records = observe(pinned_scenario(name, engine), COLUMNS).records
    total = hashlib.sha256(b"".join(records[column].tobytes() for column in COLUMNS)).hexdigest()[:16]
    return {"scenario": name, "pinned": SUMS[name], "sum": total, "same": total == SUMS[name]}
