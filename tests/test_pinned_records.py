"""Without caches, sessions and other engines' schedules, records are bit for bit what they were.

The scenarios are shipped ones. Their models have the figures of this file in place of the zoo's, which may be measured
anew, and so little memory that some are preempted. Another sum is another model: that belongs into the changelog, and
then here.
"""

import hashlib
import tomllib
from pathlib import Path

import pytest
from builders import run

SCENARIOS = Path(__file__).parents[1] / "scenarios"
COLUMNS = (
    *("arrival_s", "tenant", "model", "replica", "status", "explored", "output_tokens", "attempts", "preemptions"),
    *("queue", "score", "satisfied", "start_s", "first_token_s", "finish_s", "energy_j", "cost"),
)
SERVED = ("profile", "gpu", "tp", "weights", "engine")
PINNED = {
    "overload": "91d14c25340a4597",
    "two-tenants": "6c97f0e3bd82fd0e",
    "impatient-clients": "55d7ad38a33830b5",
    "failures": "7e7e11402cb221d6",
}


def plain(name: str) -> dict:
    """Of a shipped scenario, with replicas of which each next model's are half as fast."""
    data = tomllib.loads((SCENARIOS / f"{name}.toml").read_text()) | {"requests": 150, "cost": {}}
    for k, model in enumerate(data["models"]):
        for key in SERVED:
            model.pop(key, None)
        slower = 2.0**k
        model["coefficients"] = {
            "a0_s": 0.006 * slower,
            "ab_s_per_sequence": 2e-5 * slower,
            "ak_s_per_token": 1e-8 * slower,
            "c1_s_per_token": 3e-5 * slower,
            "aq_s_per_token2": 1e-11,
            "p0_w_per_gpu": 300.0,
            "e_j_per_token": 0.05 * slower,
            "p_idle_w_per_gpu": 100.0,
        }
        model["kv_capacity_tokens"] = 20_000
    return data


@pytest.mark.parametrize("engine", ["compiled", "simpy"])
@pytest.mark.parametrize("name", PINNED)
def test_records_are_what_they_were(name, engine):
    made = run(plain(name), engine)
    total = hashlib.sha256(b"".join(getattr(made.records, column).tobytes() for column in COLUMNS))
    assert not any(plan.serving.prefix_cache for plan in made.setup.pools)
    assert total.hexdigest()[:16] == PINNED[name]
