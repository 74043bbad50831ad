"""Both engines on combinations that random scenarios draw too rarely, by name."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import apis
from test_engines_equal import assert_equal, check_random

from messsim.scenario import parse

QUARTERS = {"a0_s": 0.25, "p0_w_per_gpu": 100.0, "p_idle_w_per_gpu": 10.0}  # iterations that end together
OVERLOAD = {"kind": "poisson", "rate_rps": 40.0}
CLIENTS = {"patience_s": 1.0, "retries": 3, "backoff_s": 0.25, "backoff_growth": 2.0}
LATE = {"delay": 0.0}


def gpus(replicas: int, **more: Any) -> dict[str, Any]:
    return {"coefficients": QUARTERS, "replicas": replicas, "max_num_seqs": 4, "max_batched_tokens": 16} | more


def short(replicas: int, **more: Any) -> dict[str, Any]:
    """Memory for one of the longest requests, and not for two."""
    return gpus(replicas, kv_capacity_tokens=44, kv_policy="recompute") | more


def failing(on_failure: str, *outages: tuple[str, float, float], **more: float) -> dict[str, Any]:
    schedule = [{"pool": pool, "at_s": at, "for_s": lasts} for pool, at, lasts in outages]
    return {"failures": {"on_failure": on_failure, "schedule": schedule} | more}


# By name: the pools of model `a`, and tables of the scenario. `b` has a replica of its own.
COMBINATIONS: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "a shared queue, short memory, three replicas, overload": (
        [short(3)],
        {"arrivals": OVERLOAD, "cluster": {"dispatch": "shared_queue"}},
    ),
    "a shared queue, short memory, three replicas, little load": (
        [short(3)],
        {"arrivals": {"kind": "poisson", "rate_rps": 1.5}, "cluster": {"dispatch": "shared_queue"}},
    ),
    "power of two, four replicas, patience and retries": (
        [gpus(4)],
        {"arrivals": OVERLOAD, "cluster": {"dispatch": "power_of_two"}, "clients": CLIENTS, "feedback": LATE},
    ),
    "power of two, four replicas, retries of clients and after failures": (
        [gpus(4)],
        {
            "arrivals": OVERLOAD,
            "cluster": {"dispatch": "power_of_two"} | failing("retry", mtbf_s=5.0, mttr_s=1.0),
            "clients": CLIENTS,
            "feedback": LATE,
        },
    ),
    "a closed loop without think time, equal iterations": (
        [gpus(3)],
        {"arrivals": {"kind": "closed", "clients": 9, "think_s": 0.0}, "cluster": {"dispatch": "round_robin"}},
    ),
    "a closed loop without think time, a shared queue": (
        [short(3)],
        {"arrivals": {"kind": "closed", "clients": 9, "think_s": 0.0}, "cluster": {"dispatch": "shared_queue"}},
    ),
    "unequal pools of one model": (
        [gpus(1, max_num_seqs=1), gpus(3, kv_capacity_tokens=60)],
        {"arrivals": OVERLOAD, "cluster": {"admission": {"max_waiting": 2}}},
    ),
    "unequal pools of one model, a shared queue each, failures": (
        [gpus(1), gpus(3, max_num_seqs=2)],
        {"arrivals": OVERLOAD, "cluster": {"dispatch": "shared_queue"} | failing("retry", mtbf_s=4.0, mttr_s=2.0)},
    ),
    "an API beside replicas, both with outages": (
        [gpus(2), "api"],
        {
            "arrivals": OVERLOAD,
            "cluster": failing("retry", ("a-1", 1.0, 9.0), ("a-2", 1.5, 4.0), mtbf_s=6.0, mttr_s=2.0),
        },
    ),
    "an API alone, outages, patience and retries": (
        ["api"],
        {
            "arrivals": OVERLOAD,
            "cluster": failing("retry", ("a", 0.5, 2.0), mtbf_s=3.0, mttr_s=1.0),
            "clients": CLIENTS,
            "feedback": LATE,
        },
    ),
    "an API alone, lost calls, raters who err, labels at once": (
        ["api"],
        {
            "cluster": failing("lose", mtbf_s=3.0, mttr_s=1.0),
            "feedback": {"delay": "immediate", "false_positive": 0.3, "false_negative": 0.2},
        },
    ),
    "a chain through an API that fails": (
        ["api"],
        {"cluster": failing("lose", mtbf_s=3.0, mttr_s=1.0), "router": {"policy": "cascade"}},
    ),
    "a horizon in the middle of an outage": (
        [gpus(2), "api"],
        {"horizon_s": 3.0, "cluster": failing("retry", ("a-2", 0.5, 9.0), ("a-1", 1.0, 9.0))},
    ),
    "aborted requests in short memory, several instances": (
        [short(2)],
        {
            "arrivals": OVERLOAD,
            "clients": CLIENTS | {"abort": True, "until": "first_token"},
            "feedback": {"delay": 2.5},
            "router": {"instances": 3, "reconcile_s": 0.25},
        },
    ),
}


@st.composite
def combined(draw, name: str) -> dict[str, Any]:
    """A scenario of a combination; what is left open is drawn."""
    pools, tables = COMBINATIONS[name]
    law = {"kind": "geometric", "mean": 8.0, "max": 20}
    data = {
        "seed": draw(st.integers(0, 99)),
        "requests": draw(st.integers(50, 200)),
        "sla": {"alpha": draw(st.sampled_from([0.3, 0.6, 0.9]))},
        "arrivals": {"kind": "poisson", "rate_rps": draw(st.sampled_from([4.0, 15.0]))},
        "tokens": {"prompt": draw(st.sampled_from([{"kind": "constant", "tokens": 8}, law])), "output": law},
        "satisfaction": {"kind": "irt"},
        "features": {"dimensions": 2},
        "models": [{"name": "a", "satisfaction": 0.5}, {"name": "b", "satisfaction": 0.8}],
        "pools": [{"model": "a"} | (draw(apis()) if p == "api" else p) for p in pools] + [{"model": "b"} | gpus(1)],
        "router": {"explore": draw(st.sampled_from(["all", "chosen"])), "V": draw(st.sampled_from([1e-4, 1.0]))},
        "cost": {"unit": "USD", "usd_per_gpu_hour": {"GPU": 3.0}},
    }
    for table, values in tables.items():
        data[table] = data[table] | values if table == "router" else values
    if "horizon_s" in data:
        data.pop("requests")
    return data


@pytest.mark.parametrize("name", COMBINATIONS)
@settings(deadline=None, derandomize=True, max_examples=15, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_the_engines_are_equal_where(name, data):
    check_random(data.draw(combined(name)))


def test_a_replica_that_comes_back_at_the_instant_of_its_last_boundary_starts_once():
    """It drains, ends, is turned off and is ready again, all at one instant: what it was about to start is no more."""
    autoscale = {
        "rule": "schedule",
        "min_replicas": 1,
        "period_s": 1.0,
        "day_s": 5.0,
        "schedule": [{"at_s": 0.5, "replicas": 3}, {"at_s": 3.0, "replicas": 0}],
        "cold_start": {"fixed_s": 0.0, "weights_gb": 0.0, "compile_s": 0.0, "init_s": 0.0},
    }
    pool = gpus(3, kv_capacity_tokens=60, max_num_seqs=16, autoscale=autoscale)
    assert_equal(
        parse(
            {
                "requests": 200,
                "seed": 4,
                "sla": {"alpha": 0.5},
                "arrivals": {"kind": "closed", "clients": 4, "think_s": 0.0},
                "tokens": {"prompt": 10},
                "satisfaction": {"kind": "irt"},
                "models": [
                    pool | {"name": "a", "satisfaction": 0.5, "output": {"kind": "geometric", "mean": 30, "max": 240}}
                ],
                "router": {"policy": "random"},
                "cluster": {"dispatch": "shared_queue"},
            }
        )
    )


def test_a_request_pulled_from_a_shared_queue_is_seen_at_the_next_look():
    """The marginal cost of the eighth request is of a replica that detokenizes still, as the look at 3 s saw it."""
    models = [
        gpus(1, max_num_seqs=2, max_batched_tokens=2, kv_capacity_tokens=60, detokenize_s=0.03)
        | {"name": "a", "satisfaction": 0.5, "output": 6},
        gpus(1, max_num_seqs=1, max_batched_tokens=1, kv_capacity_tokens=60)
        | {"name": "b", "satisfaction": 0.5, "output": 1},
    ]
    assert_equal(
        parse(
            {
                "requests": 8,
                "sla": {"alpha": 0.5},
                "arrivals": {"kind": "closed", "clients": 1, "think_s": 0.0},
                "tokens": {"prompt": 1},
                "satisfaction": {"kind": "irt", "slope": 1.5},
                "features": {"dimensions": 1, "signal": 0.8},
                "models": models,
                "router": {"policy": "mess+", "V": 1e-4, "cost_estimate": "marginal", "reference": "a"},
                "feedback": {"probability": 0.0},
                "cost": {"unit": "USD", "usd_per_gpu_hour": {"GPU": 3.0}},
                "cluster": {"dispatch": "shared_queue", "state_delay_s": 0.25},
            }
        )
    )
