"""Plans of pools: what a replica takes and costs, and how many requests it sustains, by hand."""

import pytest
from builders import api, model, pool, scenario

from messsim.engines.capacity import saturation_rps
from messsim.engines.cluster import UNLIMITED_TOKENS, decoder_tokens, plan_pools, pools_of
from messsim.engines.costs import KnownCosts
from messsim.errors import ScenarioError
from messsim.scenario import parse
from messsim.workload import Workload


def plan(**more):
    """The plan of the only pool of a model that is served so."""
    cluster = more.pop("cluster", {})
    changes = {k: more.pop(k) for k in ("cost", "tokens") if k in more}
    (made,) = plan_pools(parse(scenario(models=[model("only", **more)], cluster=cluster, **changes)))
    return made


def test_gpus_are_called_as_the_scenario_does():
    assert (plan(gpu="H100").gpu, plan().gpu) == ("H100", "GPU")


def test_pools_stand_in_the_order_of_the_file():
    models = [{"name": "a", "satisfaction": 0.4}, {"name": "b", "satisfaction": 0.6}]
    pools = [pool("b", replicas=2), pool("a", replicas=3, tp=2), pool("b")]
    plans = plan_pools(parse(scenario(models=models, pools=pools)))
    assert [(p.model, p.first_replica, p.replicas, p.gpus) for p in plans] == [(1, 0, 2, 1), (0, 2, 3, 2), (1, 5, 1, 1)]
    assert [p.first_replica for p in pools_of(plans, 1)] == [0, 5]
    assert plan_pools(parse(scenario(cluster={"mode": "none"}))) == []


def test_powers_are_of_all_gpus_of_a_replica():
    figures = {"a0_s": 0.25, "p0_w_per_gpu": 100.0, "p_idle_w_per_gpu": 10.0, "p_cap_w_per_gpu": 300.0}
    made = plan(tp=4, coefficients=figures)
    assert [made.coefficients[k] for k in ("a0_s", "p0_w", "p_idle_w", "p_cap_w")] == [0.25, 400.0, 40.0, 1200.0]
    assert made.idle_w == 40.0
    assert plan(tp=4).coefficients["p_cap_w"] == 4e12
    assert "draft_tokens" not in made.coefficients
    assert not made.energy_measured


@pytest.mark.parametrize(
    ("more", "tokens", "prompt"),
    [
        ({}, UNLIMITED_TOKENS + 1, UNLIMITED_TOKENS),
        ({"max_model_len": 100}, 100, UNLIMITED_TOKENS),
        ({"kv_capacity_tokens": 100, "kv_block_tokens": 16}, 97, UNLIMITED_TOKENS),  # six blocks, and the last token
        ({"kv_capacity_tokens": 96, "kv_block_tokens": 16}, 97, UNLIMITED_TOKENS),
        ({"kv_capacity_tokens": 95, "kv_block_tokens": 16}, 81, UNLIMITED_TOKENS),
        ({"schedule": "tensorrt-llm", "chunked_prefill": False, "max_batched_tokens": 50}, UNLIMITED_TOKENS + 1, 50),
        ({"kv_policy": "reserve", "kv_capacity_tokens": 96, "kv_block_tokens": 16}, 97, 97),
        (
            {"schedule": "tensorrt-llm", "kv_policy": "reserve", "kv_capacity_tokens": 96, "kv_block_tokens": 16}
            | {"max_new_tokens": 30},
            97,
            67,
        ),
    ],
)
def test_the_longest_request_and_prompt(more, tokens, prompt):
    made = plan(**more)
    if tokens > UNLIMITED_TOKENS:
        assert made.most_tokens >= UNLIMITED_TOKENS
    else:
        assert made.most_tokens == tokens
    assert made.most_prompt_tokens == prompt
    if tokens < UNLIMITED_TOKENS:
        assert made.takes(1, tokens - 1)
        assert not made.takes(1, tokens)
    if prompt < UNLIMITED_TOKENS:
        assert not made.takes(prompt + 1, 1)


def test_what_a_replica_costs():
    prices = {"unit": "USD", "usd_per_gpu_hour": {"H100": 3.6}}
    made = plan(gpu="H100", tp=2, cost=prices)
    assert (made.usd_per_s, made.owned_usd_per_s) == (0.002, 0.002)
    joules = plan(gpu="H100", tp=2, cost=prices | {"unit": "J"})
    assert (joules.usd_per_s, joules.owned_usd_per_s) == (0.0, 0.002)
    assert plan(gpu="A100", cost=prices | {"unit": "J"}).owned_usd_per_s == 0.0


def test_prices_order_pools():
    models = [{"name": "a", "satisfaction": 0.4}]
    pools = [pool("a", gpu="H100"), pool("a", gpu="L40S"), pool("a", gpu="H100")]
    cost = {"unit": "USD", "usd_per_gpu_hour": {"H100": 3.0, "L40S": 1.0}}
    plans = plan_pools(parse(scenario(models=models, pools=pools, cost=cost)))
    assert [p.by_price(plans) for p in plans] == [1, 0, 2]


def test_limits_of_a_replica_are_those_of_its_pool():
    made = plan(max_num_seqs=5, max_batched_tokens=70, kv_capacity_tokens=64, kv_block_tokens=8, prefix_cache=True)
    limits = made.limits
    assert [limits[k] for k in ("max_num_seqs", "max_batched_tokens", "kv_capacity_tokens")] == [5, 70, 64]
    assert [limits[k] for k in ("kv_block_tokens", "prefix_cache", "max_new_tokens")] == [8, True, 0]
    assert (limits["whole_prompts"], limits["role"], limits["lookahead"]) == (False, "both", 0)
    assert plan(schedule="tensorrt-llm", chunked_prefill=False).limits["whole_prompts"] is True
    assert plan(lookahead=1).lookahead == 1
    assert plan(lookahead=0, cluster={"dispatch": "shared_queue"}).lookahead == 0


def test_what_an_autoscaler_wants_of_each_replica():
    assert plan(max_num_seqs=10).autoscale_target == 7.0
    assert plan(max_num_seqs=10, autoscale={"rule": "target", "target": 3.0}).autoscale_target == 3.0
    assert plan(max_num_seqs=10, autoscale={"rule": "target"}).autoscale_target == 7.0


USD = {"unit": "USD", "usd_per_gpu_hour": {"GPU": 1.0}}


def api_plan(**more):
    models = [{"name": "a", "satisfaction": 0.4, **api(**more)}]
    (made,) = plan_pools(parse(scenario(models=models, cost=USD)))
    return made


def test_an_api_has_limits_of_calls_and_tokens():
    made = api_plan(requests_per_minute=60.0, tokens_per_minute=6000.0, burst_s=30.0, max_concurrent_requests=9)
    assert made.is_api
    assert (made.gpu, made.coefficients, made.places) == ("API", {}, 9)
    assert made.api_limits == {
        "requests_per_minute": 60.0,
        "tokens_per_minute": 6000.0,
        "burst_s": 30.0,
        "most_calls": 9,
    }
    assert made.most_tokens == 3000  # a full bucket
    plain = api_plan()
    assert (plain.api_limits["requests_per_minute"], plain.api_limits["most_calls"]) == (0.0, 0)
    assert plain.prompt_cache["keep_s"] == 0.0
    kept = api_plan(usd_per_million_prompt_tokens=1.0, usd_per_million_cached_prompt_tokens=0.5, prompt_cache_s=77.0)
    assert kept.prompt_cache == {"keep_s": 77.0, "least_tokens": 1024, "step_tokens": 128}


def split(**prefill):
    models = [{"name": "a", "satisfaction": 0.4}]
    pools = [
        pool("a", role="prefill", kv_bytes_per_token=100.0, **prefill),
        pool("a", role="decode", kv_capacity_tokens=64, kv_block_tokens=16, max_model_len=50),
        pool("a", role="decode", kv_capacity_tokens=32, kv_block_tokens=16),
    ]
    return plan_pools(parse(scenario(models=models, pools=pools)))


def test_what_is_prefilled_fits_where_it_decodes():
    first, second, third = split(kv_capacity_tokens=400, kv_block_tokens=16)
    assert (second.most_tokens, third.most_tokens) == (50, 33)
    assert [most for most, _ in first.reach] == [50, 33]
    assert (first.takes(45, 5), first.takes(45, 6)) == (True, False)  # 50 tokens fit into the one, 51 into none
    assert (first.kv_bytes_per_token, second.kv_bytes_per_token) == (100.0, 0.0)
    assert (first.first_token_later, second.first_token_later) == (True, False)
    assert [p.role for p in (first, second)] == ["prefill", "decode"]
    small, _, _ = split(kv_capacity_tokens=32, kv_block_tokens=16)
    assert small.most_prompt_tokens == 32  # of its own memory


def test_a_profile_needs_a_gpu_and_room_for_its_weights():
    with pytest.raises(ScenarioError, match="gpu: missing for profile 'gpt-oss-20b'"):
        plan_pools(parse(scenario(models=[{"name": "a", "satisfaction": 0.4, "profile": "gpt-oss-20b"}])))
    small = {
        "name": "a",
        "satisfaction": 0.4,
        "profile": "Llama-3.1-70B",
        "gpu": "H100",
        "tp": 4,
        "gpu_memory_share": 0.1,
    }
    with pytest.raises(
        ScenarioError, match=r"pool a: gpu_memory_share = 0.1: the weights of Llama-3.1-70B/H100/tp4 leave"
    ):
        plan_pools(parse(scenario(models=[small])))


def test_tokens_of_one_that_decodes():
    assert decoder_tokens(plan().serving) == 1
    assert decoder_tokens(plan(schedule="sglang").serving) == 0
    assert decoder_tokens(plan(drafts={"tokens": 3, "acceptance": 0.5}).serving) == 4


# ---- how many requests a replica sustains ---------------------------------------------------------------


def test_constant_iterations_complete_as_many_as_places_over_their_stay():
    """Iterations of 0.25 s whatever is in them: 4 places, each held for 1 + 2 of them, is 4 / 3 a iteration."""
    assert saturation_rps(plan(max_num_seqs=4), 1.0, 3.0) == pytest.approx(4 / 3 / 0.25, rel=1e-12)
    assert saturation_rps(plan(max_num_seqs=6), 1.0, 1.0) == pytest.approx(6 / 0.25, rel=1e-12)


def test_memory_limits_places():
    """40 tokens, 10 of a prompt and (9 - 1) / 2 = 4 on average of an answer: 40 / 14 places, each for 9 iterations."""
    made = plan(max_num_seqs=100, kv_capacity_tokens=40, kv_block_tokens=1)
    assert saturation_rps(made, 10.0, 9.0) == pytest.approx(40 / 14 / 9 / 0.25, rel=1e-12)
    # reserved memory is kept for the whole answer, or for what clients allow
    kept = plan(max_num_seqs=100, kv_capacity_tokens=40, kv_block_tokens=1, kv_policy="reserve")
    assert saturation_rps(kept, 10.0, 9.0) == pytest.approx(40 / 19 / 9 / 0.25, rel=1e-12)
    assert saturation_rps(kept, 10.0, 9.0, limit_tokens=10.0) == pytest.approx(40 / 20 / 9 / 0.25, rel=1e-12)
    # long answers are found running more often: a mean square of 162 is a mean of 18 of those
    assert saturation_rps(made, 10.0, 9.0, output_square=162.0) == pytest.approx(40 / 18.5 / 9 / 0.25, rel=1e-12)
    assert saturation_rps(plan(max_num_seqs=9, kv_capacity_tokens=5, kv_block_tokens=1), 10.0, 2.0) == pytest.approx(
        2.0
    )


def test_the_budget_limits_who_starts():
    """Of 10 tokens an iteration a request takes 12 for its prompt and 2 to decode: 10 / 14 start in each."""
    made = plan(max_num_seqs=4, max_batched_tokens=10)
    assert saturation_rps(made, 12.0, 3.0) == pytest.approx(10 / 14 / 0.25, rel=1e-12)
    # with 6 tokens beside 4 who decode a prompt of 3 is one chunk: 4 places for 3 iterations
    assert saturation_rps(made, 3.0, 3.0) == pytest.approx(4 / 3 / 0.25, rel=1e-12)
    # and one of 7 is 7 / 6 chunks: 4 places for 2 + 7 / 6
    assert saturation_rps(made, 7.0, 3.0) == pytest.approx(10 / 9 / 0.25, rel=1e-12)


def test_pools_that_prefill_or_decode_alone():
    """Two prompts of 5 tokens fill a budget of 10; a decoder computes one token more than the answer's others."""
    models = [{"name": "a", "satisfaction": 0.4}]
    pools = [
        pool("a", role="prefill", kv_bytes_per_token=1.0, max_batched_tokens=10, max_num_seqs=10),
        pool("a", role="decode", max_num_seqs=6),
    ]
    prefill, decode = plan_pools(parse(scenario(models=models, pools=pools)))
    assert saturation_rps(prefill, 5.0, 3.0) == pytest.approx(2 / 0.25, rel=1e-12)
    assert saturation_rps(prefill, 20.0, 3.0) == pytest.approx(0.5 / 0.25, rel=1e-12)
    assert saturation_rps(decode, 5.0, 3.0) == pytest.approx(6 / 3 / 0.25, rel=1e-12)
    # two prompts' last tokens, each with all the prompt and half of itself: 0.01 s a token pair
    pools[1]["coefficients"] = {"a0_s": 0.25, "p0_w_per_gpu": 1.0, "aq_s_per_token2": 0.01}
    _, decode = plan_pools(parse(scenario(models=models, pools=pools)))
    assert saturation_rps(decode, 5.0, 3.0) == pytest.approx(2 / (0.25 + 2 * 5.5 * 0.01), rel=1e-12)


def test_prompts_apart_take_iterations_of_their_own():
    """One place under SGLang: an iteration for the prompt and two that decode."""
    made = plan(max_num_seqs=1, schedule="sglang")
    assert saturation_rps(made, 4.0, 3.0) == pytest.approx(1 / (3 * 0.25), rel=1e-12)
    assert saturation_rps(made, 4.0, 1.0) == pytest.approx(1 / 0.25, rel=1e-12)


# ---- known costs ----------------------------------------------------------------------------------------


def known(**changes):
    s = parse(scenario(**changes))
    workload = Workload(s)
    costs = KnownCosts(s, workload, plan_pools(s))
    return costs, workload.columns(0, 4)


def test_an_api_costs_its_tokens():
    models = [{"name": "a", "satisfaction": 0.4, **api(usd_per_million_prompt_tokens=2.0)}]
    costs, chunk = known(models=models, cost=USD, tokens={"prompt": 10, "output": 3})
    assert costs.of_chunk(chunk)[0].tolist() == pytest.approx([(2.0 * 10 + 5.0 * 3) / 1e6] * 4)
    assert not costs.limited


def test_stated_costs_go_first_and_pools_count_by_replicas():
    models = [{"name": "a", "satisfaction": 0.4, "cost_per_request": 7.0}, {"name": "b", "satisfaction": 0.5}]
    models[1]["cost_per_request"] = 9.0
    costs, chunk = known(models=models, cluster={"mode": "none"})
    assert costs.of_chunk(chunk).tolist() == [[7.0] * 4, [9.0] * 4]
    two = [{"name": "a", "satisfaction": 0.4}]
    pools = [
        pool("a", replicas=3, max_num_seqs=1, coefficients={"a0_s": 0.25, "p0_w_per_gpu": 100.0}),
        pool("a", replicas=1, max_num_seqs=1, coefficients={"a0_s": 0.25, "p0_w_per_gpu": 20.0}),
    ]
    costs, chunk = known(models=two, pools=pools)
    # three iterations of 0.25 s alone: 75 J and 15 J
    assert costs.of_chunk(chunk)[0].tolist() == pytest.approx([0.75 * 75.0 + 0.25 * 15.0] * 4)


def test_a_split_request_costs_its_prefill_and_what_is_decoded_after_it():
    """One iteration of 25 J that prefills, and two of three tokens that are decoded elsewhere."""
    pools = [
        pool("a", role="prefill", kv_bytes_per_token=1.0, max_num_seqs=1),
        pool("a", role="decode", max_num_seqs=1),
    ]
    costs, chunk = known(models=[{"name": "a", "satisfaction": 0.4}], pools=pools)
    assert costs.of_chunk(chunk)[0].tolist() == pytest.approx([75.0] * 4)


def test_unequal_pools_of_a_split_model_count_by_their_replicas():
    """An iteration takes 25 J or 5 J: one prefills, on either; two decode, on one of 25 J or three of 5 J."""
    small = {"a0_s": 0.25, "p0_w_per_gpu": 20.0}
    pools = [
        pool("a", role="prefill", kv_bytes_per_token=1.0, max_num_seqs=1),
        pool("a", role="prefill", kv_bytes_per_token=1.0, max_num_seqs=1, coefficients=small),
        pool("a", role="decode", max_num_seqs=1),
        pool("a", role="decode", max_num_seqs=1, replicas=3, coefficients=small),
    ]
    costs, chunk = known(models=[{"name": "a", "satisfaction": 0.4}], pools=pools)
    assert costs.of_chunk(chunk)[0].tolist() == pytest.approx([0.5 * 30.0 + 2.0 * (0.25 * 25.0 + 0.75 * 5.0)] * 4)


def test_without_servers_a_model_has_the_context_that_it_states():
    models = [
        {"name": "a", "satisfaction": 0.4, "cost_per_request": 7.0, "max_model_len": 5},
        {"name": "b", "satisfaction": 0.5, "cost_per_request": 9.0},
    ]
    costs, chunk = known(models=models, cluster={"mode": "none"}, tokens={"prompt": 3, "output": 3})
    assert costs.of_chunk(chunk).tolist() == [[float("inf")] * 4, [9.0] * 4]
    fits, chunk = known(models=models, cluster={"mode": "none"}, tokens={"prompt": 2, "output": 3})
    assert fits.of_chunk(chunk).tolist() == [[7.0] * 4, [9.0] * 4]
    assert not fits.limited


def test_requests_that_no_server_takes_cost_infinitely_much():
    models = [model("a", max_model_len=5), model("b", max_model_len=50)]
    costs, chunk = known(models=models, tokens={"prompt": 3, "output": 3})
    assert costs.limited
    assert costs.longest == (5, UNLIMITED_TOKENS), "no request is too long for the other"
    given = costs.of_chunk(chunk)
    assert given[0].tolist() == [float("inf")] * 4
    assert (given[1] < float("inf")).all()
    assert list(costs.too_long(chunk)) == [0]
    assert (costs.of_chunk_when_available(chunk) < float("inf")).all()
    both, _ = known(
        models=[model("a", max_model_len=5), model("b", max_model_len=8)], tokens={"prompt": 6, "output": 3}
    )
    assert both.longest[0] == 8
