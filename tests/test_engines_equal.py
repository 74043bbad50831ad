"""Two engines, one truth: every record column equal bit for bit, over random scenarios.

A mismatch shrinks to the smallest scenario that shows it and is written as TOML, to be run by hand.
"""

import builtins
import math
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, note, settings
from hypothesis import strategies as st
from sizes import cases
from strategies import apis, dispatches, limits

from messsim.engines import compiled, prepare, simpy_engine
from messsim.errors import ScenarioError, SimulationError
from messsim.routing import POLICIES
from messsim.scenario import Scenario, dump, parse
from messsim.scenario.apis import TOGETHER

share = st.floats(0.05, 0.95).map(lambda x: round(x, 3))
raters = st.sampled_from(
    [
        {},
        {},
        {"false_positive": 0.3},
        {"false_positive": 0.1, "false_negative": 0.5},
        {"satisfied_rate": 0.0},
        {"satisfied_rate": 0.5, "false_negative": 0.2},
        {"one_sided": True},
    ]
)
instances = st.sampled_from(
    [{}, {}, {"instances": 2, "reconcile_s": 2.5}, {"instances": 3, "reconcile_s": 0.25}, {"instances": 11}]
)
small_time = st.sampled_from([0.0, 0.25, 1.0, 3.0])
brief = st.sampled_from([0.0, 0.25, 0.5, {"kind": "exponential", "mean_s": 0.3}])  # ties with iterations, and none


@st.composite
def outside_the_gpu(draw):
    """Of a pool: its context, its front end, and the time after the last token."""
    drawn = draw(st.sampled_from([{}, {}, {"max_model_len": 45}]))
    if draw(st.booleans()):
        drawn = drawn | {"front_end_s": draw(brief), "front_end_workers": draw(st.sampled_from([0, 1, 3]))}
    return drawn | draw(st.sampled_from([{}, {"detokenize_s": 0.25}, {"detokenize_s": 0.03}]))


@st.composite
def decisions(draw):
    """Of a router: the time that its decisions take."""
    if draw(st.booleans()):
        return {}
    return {"decision_s": draw(brief), "workers": draw(st.sampled_from([0, 1, 2]))}


def law(mean):
    return st.one_of(
        st.just({"kind": "constant", "tokens": mean}),
        st.just({"kind": "geometric", "mean": float(mean), "max": 8 * mean}),
        st.just({"kind": "lognormal", "mean": float(mean), "cv": 1.0, "max": 8 * mean}),
    )


@st.composite
def coefficients(draw):
    """Figures that make ties likely: iterations of a quarter of a second, or anything."""
    if draw(st.booleans()):
        return {"a0_s": 0.25, "p0_w_per_gpu": 100.0, "p_idle_w_per_gpu": 10.0}
    return {
        "a0_s": draw(st.floats(0.005, 0.1)),
        "c1_s_per_token": draw(st.sampled_from([0.0, 1e-3])),
        "nstar_tokens": draw(st.sampled_from([0.0, 20.0])),
        "ab_s_per_sequence": draw(st.sampled_from([0.0, 1e-3])),
        "ak_s_per_token": draw(st.sampled_from([0.0, 1e-4])),
        "akm_s_per_token": draw(st.sampled_from([0.0, 1e-4])),
        "aq_s_per_token2": draw(st.sampled_from([0.0, 1e-6])),
        "p0_w_per_gpu": 100.0,
        "e_j_per_token": draw(st.sampled_from([0.0, 0.5])),
        "ek_j_per_cached_token": draw(st.sampled_from([0.0, 0.01])),
        "p_cap_w_per_gpu": draw(st.sampled_from([110.0, 500.0])),
        "p_idle_w_per_gpu": 20.0,
    }


@st.composite
def autoscale(draw, replicas):
    """Of a pool, or nothing: decisions and starts that tie with iterations, and none that last longer than a run."""
    data = {
        "rule": draw(st.sampled_from(["schedule", "target", "concurrency", "saturation"])),
        "saturated_waiting": draw(st.sampled_from([1.0, 2.0, 5.0])),
        "saturated_usage": draw(st.sampled_from([0.3, 0.8])),
        "spare_waiting": draw(st.sampled_from([0.0, 1.0])),
        "min_replicas": draw(st.integers(0, replicas)),
        "period_s": draw(st.sampled_from([0.25, 1.0, 0.7])),
        "target": draw(st.sampled_from([0.5, 2.0])),
        "down_window_s": draw(st.sampled_from([0.0, 2.0])),
        "up_window_s": draw(st.sampled_from([0.0, 0.5])),
        "up_most_replicas": draw(st.sampled_from([0, 1, 4])),
        "stable_window_s": 3.0,
        "panic_window_s": 0.75,
        "zero_after_s": draw(st.sampled_from([0.0, 1.5])),
        "day_s": 5.0,
        "cold_start": {"fixed_s": draw(brief), "weights_gb": 0.0, "compile_s": draw(brief), "init_s": 0.0},
    }
    if data["rule"] == "schedule" or draw(st.booleans()):
        data["schedule"] = [{"at_s": 0.5, "replicas": replicas}, {"at_s": 3.0, "replicas": draw(st.integers(0, 1))}]
    return draw(st.sampled_from([{}, {}, {"autoscale": data}]))


def agree(pools):
    """Pools of one model that scale by saturation are looked at together."""
    first = {}
    for pool in pools:
        scaled = pool.get("autoscale", {})
        if scaled.get("rule") == "saturation":
            other = first.setdefault((pool["model"], pool.get("role")), scaled)
            scaled.update({name: other[name] for name in TOGETHER if name in other})
    return pools


@st.composite
def serving(draw, usd):
    if usd and draw(st.integers(0, 3)) == 0:
        return draw(apis())
    seqs, replicas = draw(st.sampled_from([1, 2, 4, 16])), draw(st.integers(1, 4))
    return (
        {
            "coefficients": draw(coefficients()),
            "replicas": replicas,
            "max_num_seqs": seqs,
            "max_batched_tokens": seqs + draw(st.sampled_from([0, 4, 32, 512])),
            "kv_capacity_tokens": draw(st.sampled_from([60, 330, 400, 1000, 100_000])),
            "kv_policy": draw(st.sampled_from(["recompute", "recompute", "reserve"])),
        }
        | draw(outside_the_gpu())
        | draw(st.sampled_from([{}, {"lookahead": 1}]))
        | draw(autoscale(replicas))
    )


@st.composite
def arrivals(draw):
    rate = draw(st.sampled_from([0.5, 4.0, 40.0]))
    return draw(
        st.one_of(
            st.just({"kind": "poisson", "rate_rps": rate}),
            st.just({"kind": "gamma", "rate_rps": rate, "cv": 2.0}),
            st.just(
                {
                    "kind": "mmpp",
                    "rate_rps": rate,
                    "burst_rate_rps": 5 * rate,
                    "mean_calm_s": 10.0,
                    "mean_burst_s": 3.0,
                }
            ),
            st.just({"kind": "diurnal", "rates_rps": [rate, 0.0, 2 * rate], "day_s": 60.0}),
            st.fixed_dictionaries(
                {
                    "kind": st.just("closed"),
                    "clients": st.integers(1, 20),
                    "think_s": small_time,
                    "think": st.sampled_from(["constant", "exponential"]),
                }
            ),
        )
    )


@st.composite
def phases(draw, closed, models, by_apis):
    if draw(st.booleans()):
        return []
    prices = {"price_factor": {name: draw(st.sampled_from([0.0, 0.5, 3.0])) for name in by_apis}}
    key = "from_request" if closed or draw(st.booleans()) else "from_s"
    start = 30 if key == "from_request" else 5.0
    over = {"over_requests": 25} if key == "from_request" else {"over_s": 4.0}
    gone = st.lists(st.sampled_from(models), max_size=len(models) - 1, unique=True)
    return [
        {key: 0 if key == "from_request" else 0.0, "withdrawn": draw(gone)},
        {key: start, "difficulty": 0.5, "satisfaction": {models[0]: draw(share)}} | draw(st.sampled_from([{}, over])),
        {key: 2 * start, "withdrawn": draw(gone), "prompt": 7, "output": {"kind": "geometric", "mean": 3.0, "max": 20}}
        | prices,
    ]


@st.composite
def cluster(draw, pools):
    drawn = draw(dispatches())
    if draw(st.booleans()):
        drawn["admission"] = {"max_waiting": draw(st.sampled_from([0, 1, 5]))}
        drawn["when_full"] = draw(st.sampled_from(["turn_away", "next_model"]))
    if draw(st.booleans()):
        failures = {"on_failure": draw(st.sampled_from(["retry", "lose"]))}
        scaled = [p for p in pools if "autoscale" in p]
        if not scaled and draw(st.booleans()):
            failures |= {"mtbf_s": draw(st.sampled_from([5.0, 30.0])), "mttr_s": draw(st.sampled_from([1.0, 10.0]))}
        if not scaled and draw(st.booleans()):
            hit = draw(st.sampled_from(pools))
            outage = {"pool": hit["name"], "at_s": draw(small_time), "for_s": 2.5}
            outage |= {"replica": draw(st.integers(0, hit.get("replicas", 1) - 1))}
            failures["schedule"] = [outage, outage | {"at_s": 1.0, "for_s": 4.0}][: draw(st.integers(1, 2))]
        drawn["failures"] = failures
    return drawn


def by_apis_alone(pools):
    own = {p["model"] for p in pools if p.get("kind") != "api"}
    return sorted({p["model"] for p in pools} - own)


@st.composite
def clients(draw, delay, loses):
    """Patience around the time of an answer, and retries that meet each other."""
    if delay == "immediate":
        return {}
    wait = st.sampled_from([0.25, 0.5, 1.0, {"kind": "exponential", "mean_s": 1.0}])
    data = {
        "until": draw(st.sampled_from(["answer", "first_token"])),
        "abort": draw(st.booleans()),
        "backoff_s": draw(st.sampled_from([0.0, 0.25, {"kind": "lognormal", "mean_s": 1.0, "cv": 1.0}])),
        "backoff_growth": draw(st.sampled_from([1.0, 2.0])),
        "backoff_max_s": draw(st.sampled_from([None, 0.5])),
        "backoff_jitter": draw(st.sampled_from([0.0, 0.25, 1.0])),
        "rate_giving_up": draw(st.booleans()),
    }
    if draw(st.booleans()):
        data["patience_s"] = draw(wait)
    if loses or "patience_s" in data:
        data["retries"] = draw(st.integers(0, 3))
    return data


@st.composite
def routers(draw, names: list[str], none: bool):
    """The router; `none`: models have no servers."""
    return (
        {
            "policy": draw(
                st.sampled_from(["mess+"] * 12 + [p for p in POLICIES if p != "threshold" or len(names) > 1])
            ),
            "eta": draw(st.sampled_from([0.05, 1.0])),
            "calibration": 0.3,
            "training": 100,
            "V": draw(st.sampled_from([1e-4, 1e-2, "auto"])),
            "c": draw(st.sampled_from([0.1, 1.0])),
            "kappa": draw(st.sampled_from([0.25, 0.4])),
            "explore": draw(st.sampled_from(["all", "chosen"])),
            "learn": draw(st.sampled_from(["every", "explored"])),
            "cost_estimate": draw(st.sampled_from(["known", "mean", "last_explored"] + ["marginal"] * (not none))),
            "reference": draw(st.sampled_from(names)),
            "predictor": {
                "learning_rate": 0.1,
                "clip": 1.0,
                "standardize": draw(st.booleans()),
                "start": draw(st.sampled_from(["even", "means", "optimistic"])),
            }
            | draw(st.sampled_from([{}, {"momentum": 0.9}, {"optimizer": "adagrad"}, {"weight_decay": 1e-3}])),
        }
        | draw(instances)
        | draw(decisions())
        | draw(st.sampled_from([{}, {"window": 10}, {"discount": 0.9}, {"target_queue": 3.0}, {"initial_queue": 2.0}]))
    )


@st.composite
def ends(draw, law_of_arrivals: dict, few: bool):
    """When a run ends; `few`: after some requests only, now and then."""
    if law_of_arrivals["kind"] != "closed" and law_of_arrivals.get("rate_rps", 99) <= 4 and draw(st.booleans()):
        return {"horizon_s": draw(st.sampled_from([2.5, 20.0]))}
    if few and draw(st.booleans()):
        return {"requests": draw(st.integers(1, 40))}
    return {"requests": draw(st.integers(1, 200))}


@st.composite
def scenarios(draw):
    """Whole scenarios, at most 200 requests each."""
    usd = draw(st.booleans())
    count = draw(st.sampled_from([1, 2, 3, 4, 7, 16]))
    names = [f"model-{m}" for m in range(count)]
    law_of_arrivals = draw(arrivals())
    closed = law_of_arrivals["kind"] == "closed"
    none = not closed and draw(st.integers(0, 5)) == 0
    models = [
        {"name": n, "satisfaction": draw(share), "output": draw(law(draw(st.sampled_from([1, 6, 30]))))} for n in names
    ]
    pools = []
    for model in models:
        if none:
            model["cost_per_request"] = draw(st.floats(0, 100).map(lambda x: round(x, 3)))
            continue
        for k in range(draw(st.sampled_from([1, 1, 2]))):
            pools.append({"model": model["name"], "name": f"{model['name']}.{k}"} | draw(serving(usd)))
    cluster_spec = {"mode": "none"} if none else draw(cluster(agree(pools)))
    # Full pools, and APIs that are down or limited, turn clients away; without a pause they would ask again at once.
    if closed and (by_apis_alone(pools) or not cluster_spec.keys().isdisjoint({"admission", "failures"})):
        law_of_arrivals["think_s"] = max(law_of_arrivals["think_s"], 0.25)
    data = {
        "seed": draw(st.integers(0, 5)),
        "sla": {"alpha": draw(share)},
        "arrivals": law_of_arrivals,
        "tokens": {"prompt": draw(law(draw(st.sampled_from([1, 10, 11]))))} | draw(limits([*models, *pools])),
        "satisfaction": {"kind": "irt", "slope": 1.5, "grades": draw(st.sampled_from([2, 2, 5]))},
        "features": {"dimensions": draw(st.sampled_from([1, 3, 40])), "signal": 0.8},
        "models": models,
        "pools": pools,
        "router": draw(routers(names, none)),
        "feedback": {
            "probability": draw(st.sampled_from([0.0, 0.3, 1.0])),
            "delay": draw(
                st.sampled_from(["immediate", "immediate", 0.0, 2.5, {"kind": "lognormal", "mean_s": 3.0, "cv": 2.0}])
            ),
        }
        | draw(raters),
        "cluster": cluster_spec,
        "cost": {"unit": "USD", "usd_per_gpu_hour": {"GPU": 3.0}} if usd else {},
        "phases": draw(phases(closed, names, by_apis_alone(pools))),
        "record": {"chunk": draw(st.sampled_from([64, 100, 65_536]))},
    }
    if data["router"].get("instances", 1) > 1:
        data["router"].pop("window", None)
    if not none:
        loses = cluster_spec.get("failures", {}).get("on_failure") == "lose"
        data["clients"] = draw(clients(data["feedback"]["delay"], loses or "admission" in cluster_spec))
        if any(f"{name}_per_minute" in pool for pool in pools for name in ("requests", "tokens")):
            data["clients"] |= {"retry_after_max_s": draw(st.sampled_from([0.0, 60.0]))}
    if draw(st.booleans()):
        data["tenants"] = [{"name": "a", "alpha": 0.9}, {"name": "b", "share": 3.0}]
    for pool in pools if cluster_spec.get("dispatch") == "shared_queue" else []:
        pool.pop("front_end_workers", None)
        pool.pop("lookahead", None)
    return data | draw(ends(law_of_arrivals, few=closed and data["tokens"]["prompt"]["kind"] == "constant"))


def simulated(engine, scenario: Scenario):
    chunks: list = []
    outcome = engine.simulate(prepare(scenario), chunks.append)
    names = chunks[0].columns if chunks else {}
    return {n: np.concatenate([c.columns[n] for c in chunks]) for n in names}, outcome


def assert_equal(scenario: Scenario) -> None:
    by_simpy, outcome_by_simpy = simulated(simpy_engine, scenario)
    by_loop, outcome_by_loop = simulated(compiled, scenario)
    assert list(by_simpy) == list(by_loop)
    for name in by_simpy:
        assert by_simpy[name].dtype == by_loop[name].dtype, name
        assert by_simpy[name].tobytes() == by_loop[name].tobytes(), name
    assert repr(outcome_by_simpy.tenants) == repr(outcome_by_loop.tenants)
    assert [repr(s) for s in outcome_by_simpy.timeline.samples] == [repr(s) for s in outcome_by_loop.timeline.samples]
    counted = (
        "issued",
        "attempts",
        "explored",
        "rated",
        "labels_of_lost",
        "last_arrival_s",
        "end_s",
        "updates",
        "router",
    )
    for name in counted:
        assert getattr(outcome_by_simpy, name) == getattr(outcome_by_loop, name), name
    for mine, theirs in zip(outcome_by_simpy.pools, outcome_by_loop.pools, strict=True):
        assert repr(mine) == repr(theirs)
    assert math.isclose(outcome_by_simpy.in_system_integral, outcome_by_loop.in_system_integral, rel_tol=1e-12)


def check_random(data: dict) -> None:
    scenario = parse(data)
    note(dump(scenario))
    try:
        prepare(scenario)
    except ScenarioError as error:
        assume("too long for every model" not in str(error))
        raise
    try:
        assert_equal(scenario)
    except SimulationError as error:  # an answer may take longer than a replica lives: both engines end by saying so
        in_vain = re.escape(str(error)) if "MS_ERR_IN_VAIN" in str(error) else "MS_ERR_IN_VAIN"
        with pytest.raises(SimulationError, match=in_vain):
            simulated(compiled, scenario)


quick = settings(deadline=None, derandomize=True, max_examples=cases(200), suppress_health_check=list(HealthCheck))
nightly = settings(quick, max_examples=2000)


@quick
@given(scenarios())
def test_the_engines_are_equal(data):
    check_random(data)


def test_no_bit_hangs_on_how_python_adds(monkeypatch):
    """`sum` compensates its rounding since Python 3.12, as the compiled engine does not: here it does so anywhere."""
    pool = {"coefficients": {"a0_s": 0.03, "c1_s_per_token": 1e-3, "p0_w_per_gpu": 99.9, "p_idle_w_per_gpu": 7.1}}
    data = {
        "requests": 300,
        "sla": {"alpha": 0.5},
        "arrivals": {"kind": "poisson", "rate_rps": 40.0},
        "satisfaction": {"kind": "irt"},
        "models": [{"name": n, "satisfaction": s} | pool | {"replicas": 7} for n, s in (("a", 0.4), ("b", 0.7))],
        "tenants": [{"name": n, "alpha": a} for n, a in (("x", 0.1), ("y", 0.7), ("z", 0.9))],
        "router": {"instances": 5, "reconcile_s": 1.0},
    }
    plain = builtins.sum

    def compensated(values, start=0):
        values = list(values)
        return math.fsum([start, *values]) if any(isinstance(v, float) for v in values) else plain(values, start)

    monkeypatch.setattr(builtins, "sum", compensated)
    assert_equal(parse(data))


@pytest.mark.slow
@nightly
@given(scenarios())
def test_the_engines_are_equal_in_many_scenarios(data):
    check_random(data)
