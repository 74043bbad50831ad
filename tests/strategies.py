"""Random small scenarios, as dictionaries: every kind of traffic, cluster, promise and mishap, at most 200 requests.

Figures are coarse on purpose: iterations of a quarter of a second and gaps of whole seconds make ties, which is
where orders go wrong.
"""

from pathlib import Path
from typing import Any

from builders import trace
from hypothesis import strategies as st

raters = st.sampled_from([{}, {}, {"false_positive": 0.3}, {"false_positive": 0.1, "false_negative": 0.5}])
OWN_RULES = Path(__file__).with_name("own_dispatch.py")
share = st.floats(0.05, 0.95).map(lambda x: round(x, 3))


@st.composite
def token_laws(draw, mean: int, most: int) -> dict[str, Any]:
    kind = draw(st.sampled_from(["constant", "geometric", "lognormal", "empirical"]))
    if kind == "constant":
        return {"kind": kind, "tokens": mean}
    if kind == "empirical":
        return {"kind": kind, "tokens": [1, mean, most], "weights": [1.0, 2.0, 1.0]}
    cv = {"cv": 1.5} if kind == "lognormal" else {}
    return {"kind": kind, "mean": float(mean), "max": most} | cv


@st.composite
def coefficients(draw) -> dict[str, Any]:
    if draw(st.booleans()):
        return {"a0_s": 0.25, "p0_w_per_gpu": 100.0, "p_idle_w_per_gpu": 10.0}
    knots = [[1, 0.02], [8, 0.03], [9, 0.06], [64, 0.05], [200, 0.3]]
    host = {
        "kind": draw(st.sampled_from(["sum", "overlap"])),
        "h0_s": 0.03,
        "h1_s_per_sequence": 0.002,
        "after_s": 1e-3,
        **draw(st.sampled_from([{}, {"wait_w_per_gpu": 40.0}])),
    }
    prompts = {"a1_s": 0.01, "ac_s_per_token": 1e-4, "akx_s_per_token": 2e-4, "abk_s_per_token": 1e-5}
    return {
        "a0_s": draw(st.sampled_from([0.01, 0.05, 0.3])),
        **draw(st.sampled_from([{}, {"c0_s_per_token": 1e-3}, {"knots": knots}])),
        **draw(st.sampled_from([{}, prompts])),
        **draw(st.sampled_from([{}, {"host": host}])),
        "c1_s_per_token": draw(st.sampled_from([0.0, 1e-3])),
        "nstar_tokens": 16.0,
        "ab_s_per_sequence": draw(st.sampled_from([0.0, 1e-3])),
        "ak_s_per_token": draw(st.sampled_from([0.0, 1e-4])),
        "akm_s_per_token": draw(st.sampled_from([0.0, 1e-4])),
        "aq_s_per_token2": draw(st.sampled_from([0.0, 1e-5])),
        "p0_w_per_gpu": 100.0,
        "e_j_per_token": draw(st.sampled_from([0.0, 0.5])),
        "ek_j_per_cached_token": draw(st.sampled_from([0.0, 0.01])),
        "p_cap_w_per_gpu": draw(st.sampled_from([101.0, 150.0, 1000.0])),
        "p_idle_w_per_gpu": 20.0,
    }


remembered = {"prompt_cache_s": 2.5, "prompt_cache_least_tokens": 4, "prompt_cache_step_tokens": 3}


@st.composite
def apis(draw) -> dict[str, Any]:
    """Every key that an API has."""
    return {
        "kind": "api",
        "latency_s": draw(st.sampled_from([0.0, 0.25, 2.0])),
        "tpot_s": draw(st.sampled_from([0.0, 0.05, 0.25])),
        "usd_per_million_prompt_tokens": draw(st.sampled_from([0.0, 1.0])),
        "usd_per_million_output_tokens": draw(st.sampled_from([0.0, 5.0])),
        **draw(st.sampled_from([{}, {"requests_per_minute": 60.0, "burst_s": 2.5}, {"tokens_per_minute": 6000.0}])),
        **draw(st.sampled_from([{}, {}, {"max_concurrent_requests": 2}])),
        **draw(st.sampled_from([{}, {"usd_per_million_cached_prompt_tokens": 0.5} | remembered])),
    }


@st.composite
def servings(draw, usd: bool) -> dict[str, Any]:
    """How a pool serves; memory is short enough to preempt in half of them (the longest request needs 159)."""
    if usd and draw(st.integers(0, 3)) == 0:
        return draw(apis())
    seqs = draw(st.sampled_from([8, 8, 2, 1]))
    budget = seqs + draw(st.sampled_from([0, 8, 500]))
    engine = draw(engines(budget))
    polls = [1, 9] if engine.get("schedule") == "sglang" else [1]
    return {
        "coefficients": draw(coefficients()),
        "replicas": draw(st.integers(1, 3)),
        "tp": draw(st.sampled_from([1, 2])),
        "max_num_seqs": seqs,
        "max_batched_tokens": budget,
        "kv_capacity_tokens": draw(st.sampled_from([160, 200, 160, 100_000])),
        "kv_policy": draw(st.sampled_from(["recompute", "recompute", "reserve"])),
        **draw(st.sampled_from([{}, {}, {"max_model_len": 60}])),
        **draw(st.sampled_from([{}, {"front_end_s": 0.25}, {"front_end_s": {"kind": "exponential", "mean_s": 0.3}}])),
        **draw(st.sampled_from([{}, {"front_end_workers": 1}, {"detokenize_s": 0.25}])),
        **engine,
        **draw(st.sampled_from([{}, *({"lookahead": 1, "scheduler_recv_interval": n} for n in polls)])),
    }


@st.composite
def engines(draw, budget: int) -> dict[str, Any]:
    """Blocks, a prefix cache and a schedule; nothing of it half of the time."""
    if draw(st.booleans()):
        return {}
    memory = {"kv_block_tokens": draw(st.sampled_from([1, 3, 16])), "prefix_cache": draw(st.booleans())}
    schedule = draw(st.sampled_from(["vllm", "sglang", "tensorrt-llm"]))
    guesses = {"tokens": 2, "acceptance": [0.8, 0.5], "draft_s": 0.02, "draft_s_per_sequence": 0.001}
    drafts = draw(st.sampled_from([{}, {"drafts": guesses}])) if budget > 500 else {}
    if schedule == "vllm":
        return memory | {"order": draw(st.sampled_from(["fcfs", "priority", "edf"]))} | drafts
    allowed = draw(st.sampled_from([{}, {"max_new_tokens": 40}]))
    if schedule == "sglang":
        return memory | allowed | {"schedule": schedule, "kv_policy": "recompute"} | drafts
    return memory | allowed | drafts | {"schedule": schedule, "chunked_prefill": budget < 500}


@st.composite
def arrivals(draw, folder) -> dict[str, Any]:
    rate = draw(st.sampled_from([2.0, 10.0, 50.0]))
    kind = draw(st.sampled_from(["poisson", "gamma", "mmpp", "diurnal", "trace", "closed"]))
    if kind == "gamma":
        return {"kind": kind, "rate_rps": rate, "cv": draw(st.sampled_from([0.3, 3.0]))}
    if kind == "mmpp":
        return {"kind": kind, "rate_rps": 0.0, "burst_rate_rps": 9.0 * rate, "mean_calm_s": 8.0, "mean_burst_s": 2.0}
    if kind == "diurnal":
        return {"kind": kind, "rates_rps": [rate, 0.0, 3 * rate], "day_s": 30.0}
    if kind == "trace":
        return trace(folder, [0, 0, 0, 1, 1, 2, 5, 5, 5, 5, 5, 9.25]) | {"repeat": True}
    if kind == "closed":
        think = draw(st.sampled_from([("constant", 0.25), ("constant", 2.0), ("exponential", 3.0)]))
        return {"kind": kind, "clients": draw(st.integers(1, 12)), "think": think[0], "think_s": think[1]}
    return {"kind": kind, "rate_rps": rate}


@st.composite
def failures(draw, pools: list[dict[str, Any]]) -> dict[str, Any]:
    data: dict[str, Any] = {"on_failure": draw(st.sampled_from(["lose", "retry"]))}
    if draw(st.booleans()):
        data |= {"mtbf_s": draw(st.sampled_from([10.0, 30.0])), "mttr_s": draw(st.sampled_from([0.5, 3.0]))}
    if pools and draw(st.booleans()):
        first, other = draw(st.sampled_from(pools)), draw(st.sampled_from(pools))
        one = {"pool": first["name"], "replica": first.get("replicas", 1) - 1, "at_s": 0.25, "for_s": 2.5}
        data["schedule"] = [one, one | {"at_s": 1.0, "for_s": 4.0}, {"pool": other["name"], "at_s": 5.0, "for_s": 2.5}]
    return data


@st.composite
def dispatches(draw) -> dict[str, Any]:
    """A rule of dispatch with its options, and how old what it sees is."""
    affinity = {"cache_threshold": 0.1, "balance_abs_threshold": 1, "max_tree_tokens": 40, "eviction_interval_s": 2}
    weights = {"queue": 1.0, "kv_cache": 0.5, "prefix": 2.0, "load": 1.0, "token_load": 1.0}
    known = {"session": 1.0, "no_hit_lru": 2.0, "active": draw(st.sampled_from([0.0, 1.0]))}
    scored = {"index_block_tokens": 3, "index_blocks": 7, "max_load_tokens": 50}
    sticky = {"sticky_until_saturated": True, "affinity_threshold": 0.3, "peak_prefill_tokens_per_s": 40.0}
    rules = [
        *({"dispatch": d} for d in ("shared_queue", "least_loaded", "power_of_two", "round_robin", "random")),
        {"dispatch": "least_loaded", "ties": "random"},
        {"dispatch": "packed", "packed": {"requests": draw(st.sampled_from([1, 3, 64]))}},
        {"dispatch": "session", "session": {"ttl_s": draw(st.sampled_from([0.5, 300.0]))}},
        {"dispatch": "prefix_affinity", "prefix_affinity": affinity},
        {"dispatch": "kv_router", "kv_router": {"prefill_load_scale": draw(st.sampled_from([0.0, 0.5, 1.0]))}},
        {"dispatch": "scored", "scored": scored | draw(st.sampled_from([{}, {"weights": weights}]))},
        {"dispatch": "scored", "scored": scored | {"weights": known, "cold_replicas": 2, "max_busy_score": 0.5}},
        {"dispatch": f"{OWN_RULES}:everything", "own": {"state": 1}},
        {"dispatch": "scored", "scored": scored | sticky | {"max_ttft_penalty_s": draw(st.sampled_from([0.0, 1.0]))}},
    ]
    return draw(st.sampled_from(rules)) | draw(
        st.sampled_from([{}, {}, {"state_delay_s": 0.25}, {"state_delay_s": 0.7}])
    )


@st.composite
def clusters(draw, pools: list[dict[str, Any]]) -> dict[str, Any]:
    drawn: dict[str, Any] = draw(dispatches())
    if draw(st.booleans()):
        drawn["admission"] = {"max_waiting": draw(st.sampled_from([0, 2, 6]))}
    if draw(st.booleans()):
        drawn["failures"] = draw(failures(pools))
    return drawn


@st.composite
def phases(draw, closed: bool, names: list[str]) -> list[dict[str, Any]]:
    if draw(st.booleans()):
        return []
    key, start = ("from_request", 20) if closed or draw(st.booleans()) else ("from_s", 4.0)
    steps = draw(st.sampled_from([1, 10]))
    over = {"over_requests": steps} if key == "from_request" else {"over_s": 0.2 * steps}
    gone = draw(st.lists(st.sampled_from(names), max_size=len(names) - 1, unique=True))
    return [
        {key: start, "difficulty": 1.0, "satisfaction": {names[-1]: draw(share)}} | draw(st.sampled_from([{}, over])),
        {key: 2 * start, "withdrawn": gone, "prompt": 7, "output": {"kind": "geometric", "mean": 4.0, "max": 20}},
    ]


@st.composite
def routers(draw, names: list[str], has_servers: bool) -> dict[str, Any]:
    data = {
        "policy": draw(st.sampled_from(["mess+"] * 5 + ["random", "cheapest", "largest"])),
        "V": draw(st.sampled_from([1e-4, 1e-2, 1.0])),
        "c": draw(st.sampled_from([1.0, 1.0, 0.1, 0.0])),
        "kappa": draw(st.sampled_from([0.0, 0.25, 0.6])),
        "explore": draw(st.sampled_from(["all", "chosen"])),
        "learn": draw(st.sampled_from(["every", "explored"])),
        "cost_estimate": draw(st.sampled_from(["known", "mean", "last_explored"] + ["marginal"] * has_servers)),
        "reference": draw(st.sampled_from(names)),
        "predictor": {
            "learning_rate": 0.2,
            "clip": 2.0,
            "standardize": draw(st.booleans()),
            "start": draw(st.sampled_from(["even", "means", "optimistic"])),
        }
        | draw(st.sampled_from([{}, {"momentum": 0.9}, {"optimizer": "adagrad"}])),
    }
    more = [{}, {"window": 5}, {"discount": 0.8}, {"target_queue": 2.0, "gain": 0.1}, {"cost_prior": 1.0}]
    begun = {"initial_queue": draw(st.sampled_from([0.0, 0.3, 7.0]))}
    several = {"instances": draw(st.sampled_from([2, 9])), "reconcile_s": draw(st.sampled_from([0.25, 7.0]))}
    slow = {"decision_s": draw(st.sampled_from([0.0, 0.25, {"kind": "exponential", "mean_s": 0.2}]))}
    data |= draw(st.sampled_from([{}, slow, slow | {"workers": draw(st.sampled_from([0, 2]))}]))
    data |= draw(st.sampled_from([*more, several, several | {"discount": 0.8}]))
    return data if "window" in data else data | begun


@st.composite
def limits(draw, pools: list[dict[str, Any]]) -> dict[str, Any]:
    """What clients allow of answers, each its own or nobody anything."""
    law = {"kind": "empirical", "tokens": [3, 20, 45]}
    drawn: dict[str, Any] = draw(st.sampled_from([{}, {}, {"max_new_tokens": law}]))
    if drawn:
        without_own_limits(pools)
    return drawn


def without_own_limits(pools: list[dict[str, Any]]) -> None:
    """Where clients say what they allow, a server's own limit is refused."""
    for pool in pools:
        pool.pop("max_new_tokens", None)


delay = st.sampled_from(
    [
        *["immediate"] * 3,
        *(0.0, 2.5, {"kind": "exponential", "mean_s": 2.0}, {"kind": "lognormal", "mean_s": 3.0, "cv": 2.0}),
    ]
)


@st.composite
def scenarios(draw, folder) -> dict[str, Any]:
    """Whole scenarios; `folder` is where a trace may be put."""
    usd = draw(st.booleans())
    names = [f"model-{m}" for m in range(draw(st.integers(1, 6)))]
    law = draw(arrivals(folder))
    closed = law["kind"] == "closed"
    none = not closed and draw(st.integers(0, 5)) == 0
    models = [{"name": n, "satisfaction": draw(share), "output": draw(token_laws(20, 60))} for n in names]
    pools: list[dict[str, Any]] = []
    for m in models:
        if none:
            m["cost_per_request"] = draw(st.sampled_from([0.0, 1.0, 7.5]))
            continue
        for k in range(draw(st.sampled_from([1, 1, 2]))):
            pools.append({"model": m["name"], "name": f"{m['name']}.{k}"} | draw(servings(usd)))
    data: dict[str, Any] = {
        "seed": draw(st.integers(0, 9)),
        "sla": {"alpha": draw(share)},
        "arrivals": law,
        "tokens": {"prompt": draw(token_laws(25, 100))} | draw(limits(pools)),
        "satisfaction": {"kind": "irt", "slope": 1.5, "grades": draw(st.sampled_from([2, 2, 5]))},
        "features": {"dimensions": draw(st.sampled_from([1, 4])), "signal": 0.8},
        "models": models,
        "pools": pools,
        "router": draw(routers(names, not none)),
        "feedback": {"probability": draw(st.sampled_from([1.0, 1.0, 0.4, 0.0])), "delay": draw(delay)} | draw(raters),
        "cluster": {"mode": "none"} if none else draw(clusters(pools)),
        "cost": {"unit": "USD", "usd_per_gpu_hour": {"GPU": 3.0}} if usd else {},
        "phases": draw(phases(closed, names)),
        "record": {"chunk": draw(st.sampled_from([64, 100, 65_536]))},
    }
    for pool in pools if data["cluster"].get("dispatch") == "shared_queue" else []:
        pool.pop("front_end_workers", None)
        pool.pop("lookahead", None)
        pool.pop("scheduler_recv_interval", None)
    if draw(st.booleans()):
        objectives = {"ttft_s": 2.0, "tpot_s": 0.5, "e2e_s": 9.0}
        hurried = {
            "name": "x",
            "alpha": draw(share),
            "objectives": objectives,
            "priority": draw(st.sampled_from([-1, 1])),
        }
        data["tenants"] = [hurried, {"name": "y", "share": 3.0}]
    else:
        for pool in pools:
            pool.pop("order", None)
    if draw(st.integers(0, 3)) == 0 and law.get("rate_rps", 0) <= 10 and not (closed and law["think_s"] < 1):
        data["horizon_s"] = draw(st.sampled_from([0.5, 6.25, 20.0]))
    else:
        data["requests"] = draw(st.one_of(st.just(200), st.integers(1, 200)))
    return data


@st.composite
def prompts(draw, data: dict[str, Any], room: int) -> dict[str, Any]:
    """A scenario with shared system prompts, sessions or both, where its arrivals allow; pools get `room` for them."""
    changed = dict(data)
    if draw(st.booleans()):
        tokens = draw(st.sampled_from([4, 10, {"kind": "empirical", "tokens": [1, 10]}]))
        by_tenant = {"choice": "tenant", "tokens": tokens}
        changed["prefixes"] = draw(st.sampled_from([by_tenant, {"groups": 4, "exponent": 1.5, "tokens": tokens}]))
    alone = data["arrivals"]["kind"] in ("trace", "closed") or data["cluster"].get("mode") == "none"
    if not alone:
        thinking = [
            0.0,
            0.25,
            2.0,
            {"kind": "exponential", "mean_s": 1.0},
            {"kind": "lognormal", "mean_s": 2.0, "cv": 1.0},
        ]
        changed["sessions"] = {
            "turns": draw(st.sampled_from([1, 3, {"kind": "geometric", "mean": 2.0, "max": 3}])),
            "think_s": draw(st.sampled_from(thinking)),
        } | draw(st.sampled_from([{}, {"followup": 5}, {"followup": {"kind": "geometric", "mean": 4.0, "max": 20}}]))
        changed["router"] = data["router"] | {"keep_session_model": draw(st.booleans())}
    pools = [dict(p) for p in data["pools"]]
    for p in pools:
        if p.get("kind") != "api":
            blocks = draw(st.sampled_from([0, 1, 4, 16]))
            p |= {"prefix_cache": True, "kv_block_tokens": blocks} if blocks else {}
        if p.get("kv_capacity_tokens", 10_000) < 10_000:
            p["kv_capacity_tokens"] += room
    return changed | {"pools": pools}
