"""What is said, word for word, of keys that do not go together, and what next to it is taken."""

import math

import pytest
from builders import COEFFICIENTS, api, model, pool, scenario
from test_scenario_errors import READ, SESSIONS, problems

from messsim.errors import ScenarioError
from messsim.scenario import parse
from messsim.scenario.checks import notes_of
from messsim.scenario.drafts import Drafts
from messsim.scenario.routing import Router
from messsim.scenario.toml import read_toml

A = {"name": "a", "satisfaction": 0.5}
SHARED = {"dispatch": "shared_queue"}
NO_PLANS = (
    "with cluster.dispatch = 'shared_queue' replicas take requests when they have room, and no engine plans ahead with "
    "them; expected 0, or another dispatch"
)
NO_ROOM = "so that no request is ever let in; expected burst_s of at least"
DOLLARS = {"unit": "USD", "usd_per_gpu_hour": {"GPU": 1.0}}


SGLANG = {"engine": "sglang", "gpu": "H100", "prefix_cache": False}
LLAMA = {"profile": "Llama-3.1-8B", "gpu": "H100", "coefficients": None}


def split(prefill=None, decode=None):
    """A model whose prompts one pool prefills, and whose answers another decodes."""
    pools = [pool("a", name="p", role="prefill", kv_bytes_per_token=1.0) | (prefill or {})]
    return {"models": [A], "pools": [*pools, pool("a", name="d", role="decode") | (decode or {})]}


def scaled(**autoscale):
    return {"models": [model("a", replicas=8, autoscale={"rule": "target", "target": 1.0} | autoscale)]}


def with_drafts(tokens):
    drafts = {"tokens": 3, "acceptance": [0.5] * 3, "draft_s": 0.0}
    return {"models": [model("a", max_num_seqs=100, max_batched_tokens=tokens, drafts=drafts)]}


def an_api(**more):
    return {"models": [A | api() | more], "cost": {"unit": "USD"}}


@pytest.mark.parametrize(
    ("changes", "line", "taken"),
    [
        (
            {"models": [model("a", lookahead=1)], "cluster": SHARED},
            f"models.0.lookahead = 1: {NO_PLANS}",
            {"models": [model("a", lookahead=0)], "cluster": SHARED},
        ),
        (
            {"models": [A], "pools": [pool("a", lookahead=1)], "cluster": SHARED},
            f"pools.0.lookahead = 1: {NO_PLANS}",
            {"models": [A], "pools": [pool("a", lookahead=1)]},
        ),
        (
            {"models": [model("a", engine="sglang", gpu="H100", scheduler_recv_interval=9)], "cluster": SHARED},
            "models.0.scheduler_recv_interval = 9: with cluster.dispatch = 'shared_queue' replicas take requests when "
            "they have room; expected 1, or another dispatch",
            {"models": [model("a", engine="sglang", gpu="H100", scheduler_recv_interval=9)]},
        ),
        (
            {"tokens": {"prompt": {"kind": "builtin", "task": "mbpp"}}},
            "tokens.prompt.kind = 'builtin': lengths of answers are built in, of prompts none; expected another law",
            {"tokens": {"output": {"kind": "builtin", "task": "mbpp"}}},
        ),
        (
            {"models": [model("a", order="priority")]},
            "models.0.order = 'priority': nobody has one; expected priority in tenants, or 'fcfs'",
            {"models": [model("a", order="priority")], "tenants": [{"name": "t", "priority": 1}]},
        ),
        (
            {"models": [A], "pools": [pool("a", order="edf")]},
            "pools.0.order = 'edf': nobody has one; expected ttft_s in slo or in objectives of tenants, or 'fcfs'",
            {"models": [A], "pools": [pool("a", order="edf")], "slo": {"ttft_s": 1.0}},
        ),
        (
            {"cluster": {"when_full": "next_model"}},
            "cluster.when_full = 'next_model': no model ever takes no more; expected cluster.admission, "
            "requests_per_minute or tokens_per_minute or max_concurrent_requests of an API, or cluster.failures of a "
            "model that APIs alone serve",
            {"cluster": {"when_full": "next_model", "admission": {"max_waiting": 3}}},
        ),
        (
            {"sessions": SESSIONS, "arrivals": READ},
            "sessions: with arrivals.kind = 'trace'; expected poisson, gamma, mmpp or diurnal, by which sessions begin "
            "(a trace names its own sessions)",
            {"sessions": SESSIONS},
        ),
        (
            {"sessions": SESSIONS, "arrivals": {"kind": "closed", "clients": 2}},
            "sessions: with arrivals.kind = 'closed'; expected poisson, gamma, mmpp or diurnal, by which sessions "
            "begin",
            {"sessions": SESSIONS, "arrivals": {"kind": "gamma", "rate_rps": 1.0, "cv": 2.0}},
        ),
        (
            {"models": [A], "pools": [*split()["pools"], pool("a", name="b")]},
            "pools: model 'a' has pools of its own kind beside those with role = 'prefill' and 'decode'; expected a "
            "role in each of its pools",
            split(),
        ),
        (
            split(decode={"schedule": "sglang"}),
            "pools: model 'a' has pools with schedule = 'vllm' and 'sglang'; expected one, since engines hand over KV "
            "to their own kind",
            split({"schedule": "sglang"}, {"schedule": "sglang"}),
        ),
        (
            split() | {"cluster": SHARED},
            "cluster.dispatch = 'shared_queue': what is prefilled has its place at one replica; expected another rule, "
            "such as 'least_loaded'",
            split() | {"cluster": {"dispatch": "round_robin"}},
        ),
        (
            split() | {"router": {"cost_estimate": "marginal"}},
            "router.cost_estimate = 'marginal': prices a prompt by the batch of those who decode beside it, and with "
            "split prefill and decode nobody does; expected another, such as 'known' or 'mean'",
            split() | {"router": {"cost_estimate": "mean"}},
        ),
        (
            {
                "models": [A],
                "pools": [split()["pools"][0], {"model": "a", "name": "d", "role": "decode"} | api()],
                "cost": DOLLARS,
            },
            "pools.1.kind = 'api': an API serves whole requests; expected no role",
            split(decode={"role": "decode"}),
        ),
        (
            split({"schedule": "sglang"}, {"schedule": "sglang", "prefix_cache": True}),
            "pools.1.prefix_cache = true: with role = 'decode' and schedule = 'sglang', whose engine keeps none where "
            "others prefill; expected it in pools that prefill",
            split({"schedule": "sglang", "prefix_cache": True}, {"schedule": "sglang"}),
        ),
        (
            split({"drafts": {"tokens": 1, "acceptance": [0.5], "draft_s": 0.0}}),
            "pools.0.drafts: speculative decoding is not modelled with role = 'prefill'; expected none",
            split(),
        ),
        (
            split(decode={"lookahead": 1}),
            "pools.1.lookahead = 1: is not modelled with role = 'decode'; expected 0",
            split(decode={"lookahead": 0}),
        ),
        (
            split(SGLANG, SGLANG | {"scheduler_recv_interval": 2}),
            "pools.1.scheduler_recv_interval = 2: is not modelled with role = 'decode'; expected 1",
            split(SGLANG, SGLANG),
        ),
        (
            split({"kv_bytes_per_token": None}),
            "pools.0.kv_bytes_per_token: missing; expected what its transfers carry for each token of a prompt, bytes, "
            "where no profile says it",
            split(),
        ),
        (
            scaled(spare_usage=0.9),
            "models.0.autoscale: spare_usage = 0.9 is more than saturated_usage = 0.8; expected less: nobody ever has "
            "so much to spare",
            scaled(spare_usage=0.8),
        ),
        (
            scaled(spare_waiting=6.0),
            "models.0.autoscale: spare_waiting = 6 is more than saturated_waiting = 5; expected less: nobody ever has "
            "so much to spare",
            scaled(spare_waiting=5.0),
        ),
        (
            scaled(panic_window_s=60.5),
            "models.0.autoscale: panic_window_s = 60.5 is longer than stable_window_s = 60",
            scaled(panic_window_s=60.0),
        ),
        (
            scaled(period_s=0.001, up_window_s=600.0),
            "models.0.autoscale: period_s = 0.001: windows of 600 s hold more than 100000 decisions; expected a longer "
            "period or shorter windows",
            scaled(period_s=0.0078125, up_window_s=781.25),
        ),
        (
            scaled(period_s=0.001, down_window_s=0.0, stable_window_s=100.5),
            "models.0.autoscale: period_s = 0.001: windows of 100.5 s hold more than 100000 decisions; expected a "
            "longer period or shorter windows",
            scaled(period_s=0.001, down_window_s=0.0),
        ),
        *(
            (
                scaled(**{key: 9}),
                "models.0: autoscale: wants 9 replicas and replicas = 8 is the most that there are; expected "
                "replicas = 9 or more",
                scaled(**{key: 8}),
            )
            for key in ("min_replicas", "initial_replicas")
        ),
        (
            with_drafts(399),
            "models.0: max_batched_tokens = 399: 100 sequences (max_num_seqs) with 3 drafts each take up to 400 "
            "tokens; expected at least so many",
            with_drafts(400),
        ),
        (
            {"models": [model("a", max_num_seqs=100, max_batched_tokens=99)]},
            "models.0: max_batched_tokens = 99 is below max_num_seqs = 100; expected at least one token for each "
            "sequence",
            {"models": [model("a", max_num_seqs=100, max_batched_tokens=100)]},
        ),
        (
            an_api(requests_per_minute=0.5),
            f"models.0: requests_per_minute = 0.5 with burst_s = 60: the bucket holds less than one of them, {NO_ROOM} "
            "120",
            an_api(requests_per_minute=0.5, burst_s=120.0),
        ),
        (
            an_api(tokens_per_minute=10.0, burst_s=5.0),
            f"models.0: tokens_per_minute = 10 with burst_s = 5: the bucket holds less than one of them, {NO_ROOM} 6",
            an_api(tokens_per_minute=10.0, burst_s=6.0),
        ),
        (
            {"router": {"predictor": {"optimizer": "adagrad", "momentum": 0.5}}},
            'router.predictor: optimizer = "adagrad" and momentum = 0.5: expected momentum = 0',
            {"router": {"predictor": {"optimizer": "adagrad", "momentum": 0.0}}},
        ),
        (
            {"router": {"predictor": {"means": [0.5, 0.5]}}},
            'router.predictor: means are given and start = "even": expected start = "means"',
            {"router": {"predictor": {"means": [0.5, 0.5], "start": "means"}}},
        ),
        (
            {"router": {"weights": {"quality": 0, "latency": 0, "cost": 0}}},
            "router.weights: quality, latency and cost are all 0; expected one above 0",
            {"router": {"weights": {"quality": 0, "latency": 0, "cost": 0.5}}},
        ),
        (
            {"prefixes": {"choice": "tenant", "groups": 2, "exponent": 2.0}},
            "prefixes: groups, exponent with choice = 'tenant': each tenant has a group of its own",
            {"prefixes": {"choice": "tenant"}},
        ),
        (
            {"models": [model("a", engine="vllm", gpu="TPU")]},
            "models.0: gpu = 'TPU': the defaults of vllm go by the GPU's memory; expected one of A100, H100, H200, "
            "B200, B300, GB200, L40S, RTX-PRO-6000, or no engine but schedule, max_num_seqs, max_batched_tokens, "
            "kv_block_tokens and prefix_cache",
            {"models": [model("a", gpu="TPU")]},
        ),
        (
            {"router": {"keep_session_model": True}},
            "router.keep_session_model: there are no sessions; expected [sessions], or a trace that names them",
            {"router": {"keep_session_model": True}, "sessions": SESSIONS},
        ),
        (
            {"arrivals": READ, "prefixes": {"groups": 2, "tokens": {"kind": "trace"}}},
            "prefixes.tokens.kind = 'trace': expected a law of its own",
            {"arrivals": READ, "prefixes": {"groups": 2, "tokens": {"kind": "constant", "tokens": 3}}},
        ),
        (
            {"models": [model("a", coefficients={"c1_s_per_token": 1.0})]},
            "models.0.coefficients: a0_s: missing; expected fixed time of an iteration, s, or knots",
            {"models": [model("a", coefficients={"a0_s": 1e-9})]},
        ),
        (
            {"models": [model("a", coefficients=COEFFICIENTS | {"p_cap_w_per_gpu": 99.0})]},
            "models.0.coefficients: p_cap_w_per_gpu = 99.0 is below p0_w_per_gpu = 100.0",
            {"models": [model("a", coefficients=COEFFICIENTS | {"p_cap_w_per_gpu": 100.0})]},
        ),
        *(
            (
                {"models": [model("a", coefficients=COEFFICIENTS | {"ae_s": 1.0, "top_k": top_k, "experts": 4})]},
                f"models.0.coefficients: top_k = {top_k} and experts = 4; expected 0 < top_k < experts",
                {"models": [model("a", coefficients=COEFFICIENTS | {"ae_s": 1.0, "top_k": taken, "experts": 4})]},
            )
            for top_k, taken in ((0, 1), (4, 3))
        ),
        (
            {"phases": [{"from_request": 3, "withdrawn": ["small", "large"]}]},
            "phases.0.withdrawn: all models are; expected at least one that takes requests",
            {"phases": [{"from_request": 3, "withdrawn": ["small"]}]},
        ),
        (
            {"phases": [{"from_request": 3, "over_requests": 5, "difficulty": 1.0}, {"from_request": 7}]},
            "phases.0.over_requests = 5: expected at most 4, where the next phase begins",
            {"phases": [{"from_request": 3, "over_requests": 4, "difficulty": 1.0}, {"from_request": 7}]},
        ),
        (
            {"phases": [{"from_request": 3, "tasks": {"all": 0.0}}], "satisfaction": {"tasks": [{"name": "all"}]}},
            "phases.0.tasks: all weights are 0; expected at least one above it",
            {"phases": [{"from_request": 3, "tasks": {"all": 0.5}}], "satisfaction": {"tasks": [{"name": "all"}]}},
        ),
        (
            {"cost": {"unit": "USD"}, "models": [model("a", gpu="H100")]},
            "cost.usd_per_gpu_hour.H100: missing; expected the price of the GPU of pool a",
            {"cost": {"unit": "USD", "usd_per_gpu_hour": {"H100": 0.0}}, "models": [model("a", gpu="H100")]},
        ),
        (
            {"router": {"decision_s": 2e6}},
            "router.decision_s: 2e+06 seconds; expected at most 1e+06",
            {"router": {"decision_s": 1e6}},
        ),
        (
            {"models": [model("a", front_end_s=2e6)]},
            "models.0.front_end_s: 2e+06 seconds; expected at most 1e+06",
            {"models": [model("a", front_end_s=1e6)]},
        ),
        (
            {"models": [A], "pools": [pool("a", front_end_s=2e6)]},
            "pools.0.front_end_s: 2e+06 seconds; expected at most 1e+06",
            {"models": [A], "pools": [pool("a", front_end_s=1e6)]},
        ),
    ],
    ids=lambda x: x[:60] if isinstance(x, str) else "",
)
def test_keys_that_do_not_go_together(changes, line, taken):
    assert problems(scenario(**changes)) == [line]
    parse(scenario(**taken))


@pytest.mark.parametrize("role", ["prefill", "decode"])
def test_a_model_that_is_split_has_both_roles(role):
    pools = [p for p in split()["pools"] if p["role"] != role]
    line = f"pools: model 'a' has no pool with role = {role!r}; expected one of each role"
    assert problems(scenario(models=[A], pools=pools)) == [line]


@pytest.mark.parametrize(
    ("name", "text", "hint"),
    [
        ("s.ipynb", "{}", "; it is a notebook: expected a scenario in TOML, or messsim.run(...) in a cell of it"),
        (
            "s.json",
            '{"a": 1}',
            "; it is JSON: expected a scenario in TOML, or in Python messsim.parse(json.load(file))",
        ),
        (
            "s.toml",
            '\n [{"a": 1}]',
            "; it is JSON: expected a scenario in TOML, or in Python messsim.parse(json.load(file))",
        ),
        (
            "s.yaml",
            "# a\n---\nname: x\n",
            "; it looks like YAML: expected a scenario in TOML, key = value below [table]",
        ),
        ("s.toml", 'a = "C:\\data"', "; a path takes slashes, or stands in single quotes: 'C:\\data'"),
        ("s.toml", 'a = "C:\\users"', "; a path takes slashes, or stands in single quotes: 'C:\\data'"),
        (
            "s.toml",
            "a = \N{LEFT DOUBLE QUOTATION MARK}x\N{RIGHT DOUBLE QUOTATION MARK}",
            '; the quotes of TOML are straight: "x"',
        ),
        ("s.toml", "a = x", '; text stands in quotes: "x"'),
        ("s.toml", "b = 1\na = x # why", '; text stands in quotes: "x"'),
        ("s.toml", "a = 1,000", "; expected 1000, or 1_000"),
        ("s.toml", "a = 1,5", "; expected a point in 1,5"),
        ("s.toml", "a = 1\nb = 2\na = 3", "; a stands twice"),
        ("s.toml", "a = 1\na.b = 3", "; a.b makes a table of what is a value, or a value of a table"),
        ("s.toml", "[a]\n[[a]]", "; [[a]] stands beside the same name in single brackets, or a key"),
    ],
)
def test_what_may_be_meant_by_a_text_that_is_no_toml(tmp_path, name, text, hint):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError) as error:
        read_toml(tmp_path / name, "a scenario")
    (problem,) = error.value.problems
    assert problem.startswith("not valid TOML: ")
    assert problem.endswith(hint)


IGNORED = "ignored with dispatch = 'round_robin'"


@pytest.mark.parametrize(
    ("changes", "means", "notes"),
    [
        ({}, None, []),
        (
            {"sla": {"alpha": 0.9}},
            None,
            [
                "alpha = 0.9 is above the best model's mean satisfaction 0.8: only a router that foresees "
                "which model is right can keep it"
            ],
        ),
        ({"sla": {"alpha": 0.8}}, None, []),
        (
            {"router": {"reference": "small"}},
            None,
            ["router.reference: small answers the user when exploring, but large is more satisfying"],
        ),
        ({"router": {"reference": "small"}}, [0.5, 0.5], []),
        ({}, [0.6, 0.5], ["router.reference: large answers the user when exploring, but small is more satisfying"]),
        ({"router": {"workers": 3}}, None, ["router.workers: ignored without router.decision_s"]),
        ({"router": {"workers": 3, "decision_s": 0.1}}, None, []),
        (
            {"models": [model("a"), model("b", front_end_workers=2)]},
            None,
            ["models.1.front_end_workers: ignored without front_end_s"],
        ),
        (
            {"models": [A], "pools": [pool("a", front_end_workers=2)]},
            None,
            ["pools.0.front_end_workers: ignored without front_end_s"],
        ),
        ({"models": [model("a", front_end_workers=2, front_end_s=0.1)]}, None, []),
        ({"router": {"reconcile_s": 3.0}}, None, ["router.reconcile_s: ignored with router.instances = 1"]),
        ({"router": {"reconcile_s": 3.0, "instances": 2}}, None, []),
        ({"cluster": {"dispatch": "round_robin", "ties": "random"}}, None, [f"cluster.ties: {IGNORED}"]),
        ({"cluster": {"dispatch": "least_loaded", "ties": "random"}}, None, []),
        (
            {"cluster": {"dispatch": "round_robin", "packed": {"requests": 3}, "session": {"ttl_s": 3.0}}},
            None,
            [f"cluster.packed: {IGNORED}", f"cluster.session: {IGNORED}"],
        ),
        ({"cluster": {"dispatch": "packed", "packed": {"requests": 3}}}, None, []),
        ({"cluster": {"dispatch": "round_robin", "own": {"state": 3}}}, None, [f"cluster.own: {IGNORED}"]),
        (
            {"cluster": {"transfer": {"latency_s": 1.0}}},
            None,
            ["cluster.transfer: ignored without pools of role = 'prefill' and 'decode'"],
        ),
        (split() | {"cluster": {"transfer": {"latency_s": 1.0}}}, None, []),
        (
            split(decode={"front_end_s": 0.1, "kv_bytes_per_token": 2.0}),
            None,
            [
                "pools.1.front_end_s: ignored with role = 'decode': requests pass that of where they are prefilled",
                "pools.1.kv_bytes_per_token: ignored with role = 'decode'; it counts in a pool that prefills",
            ],
        ),
        (
            split(LLAMA | {"kv_cache_dtype": "fp8"}, LLAMA),
            None,
            [
                "pools: model 'a' has kv_cache_dtype = 'fp8' where it prefills and 'auto' where it decodes: a transfer "
                "carries what the pool holds that prefills"
            ],
        ),
        (split(LLAMA | {"kv_cache_dtype": "fp8"}, LLAMA | {"kv_cache_dtype": "fp8"}), None, []),
        (split(LLAMA | {"kv_cache_dtype": "fp8"}), None, []),  # coefficients may be of any cache
    ],
    ids=str,
)
def test_what_is_taken_and_deserves_a_word(changes, means, notes):
    data = scenario(**changes)
    data["sla"] = {"alpha": 0.4} | changes.get("sla", {})
    assert notes_of(parse(data), means) == notes


@pytest.mark.parametrize(
    ("acceptance", "wanted", "iterations"),
    [(0.0, 3.0, 3.0), ([0.5, 0.5], 0.0, 0.0), ([0.5, 0.5], 0.25, 1 / 1.75), ([1.0, 1.0], 6.0, (6 + 9 / 6 - 0.5) / 3)],
)
def test_iterations_with_drafts(acceptance, wanted, iterations):
    """1 + 0.5 + 0.25 tokens an iteration; at least one iteration, whatever is wanted."""
    tokens = len(acceptance) if isinstance(acceptance, list) else 2
    assert Drafts(tokens=tokens, acceptance=acceptance).iterations(wanted) == pytest.approx(iterations)


def test_an_automatic_weight_is_no_number_yet():
    assert Router(V=0.5).weight == 0.5
    with pytest.raises(ScenarioError) as error:
        _ = Router(V="auto").weight
    assert str(error.value) == 'router.V = "auto": nothing is known of costs here; expected a number'


def test_one_instance_is_not_reconciled():
    assert Router(reconcile_s=3.0).reconciled_s == math.inf
    assert Router(instances=2).reconciled_s == math.inf
    assert Router(reconcile_s=3.0, instances=2).reconciled_s == 3.0


def test_other_values_are_by_name_or_by_path():
    s = parse(scenario())
    assert s.changed(alpha=0.75, requests=7).sla.alpha == 0.75
    assert s.changed(alpha=0.75, requests=7).requests == 7
    assert (s.sla.alpha, s.requests) == (0.5, 40)
