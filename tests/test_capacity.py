"""The closed form of saturation against sums by hand and against servers that always have someone waiting."""

from types import SimpleNamespace

import numpy as np
import pytest
from builders import model, run, scenario

from messsim.engines import capacity as closed_form
from messsim.engines import prepare
from messsim.engines.capacity import _places, _prefills, _prompts, saturation_rps
from messsim.results import replication_interval
from messsim.scenario import parse

LINEAR = {
    "a0_s": 0.01,
    "c1_s_per_token": 2e-5,
    "ab_s_per_sequence": 1e-4,
    "ak_s_per_token": 1e-6,
    "aq_s_per_token2": 1e-8,
}
GEOMETRIC = {"kind": "geometric", "mean": 60.0}
LOGNORMAL = {"kind": "lognormal", "mean": 200.0, "cv": 1.0, "max": 3000}


def saturated(prompt, output, requests=8000, **pool):
    serving = {"coefficients": LINEAR, "max_num_seqs": 16, "max_batched_tokens": 100_000} | pool
    return scenario(
        requests=requests,
        arrivals={"kind": "closed", "clients": 3 * serving["max_num_seqs"]},
        tokens={"prompt": prompt, "output": output},
        models=[model("only", **serving)],
        router={"policy": "largest"},
    )


def sustained_rps(data) -> float:
    setup = prepare(parse(data))
    w, (pool,) = setup.workload, setup.pools
    squares = {"prompt_square": w.mean_square_prompt_tokens(), "output_square": w.mean_square_output_tokens(0)}
    limit = w.mean_limit_tokens()
    return saturation_rps(pool, w.mean_prompt_tokens(), w.mean_output_tokens(0), **squares, limit_tokens=limit)


def simulated_rps(data, replication: int) -> float:
    """Completions a second between the first and the last fifth of them, corrected for the answers being longer or
    shorter there than in the mean (else their chance is most of the noise)."""
    r = run(data | {"replication": replication}, "compiled")
    order = np.argsort(r.records.finish_s)
    middle = order[len(order) // 5 : len(order) * 4 // 5]
    seconds = r.records.finish_s[middle[-1]] - r.records.finish_s[middle[0]]
    return r.records.output_tokens[middle[1:]].sum() / r.setup.workload.mean_output_tokens(0) / seconds


def test_one_place_by_hand():
    """Prefill of 30 tokens, then 4 iterations that read 30, 31, 32 and 33 cached tokens."""
    prefill = 0.01 + 30 * 2e-5 + 1e-8 * 30 * 15
    decode = 4 * (0.01 + 2e-5 + 1e-4) + 1e-6 * (30 + 31 + 32 + 33)
    result = sustained_rps(saturated(30, 5, max_num_seqs=1))
    assert result == pytest.approx(1 / (prefill + decode), rel=1e-12)


def test_the_token_budget_limits():
    """3 prompts of 100 an iteration fill a budget of 300, whatever the places."""
    result = sustained_rps(saturated(100, 1, max_num_seqs=200, max_batched_tokens=300, coefficients={"a0_s": 0.5}))
    assert result == pytest.approx(3 / 0.5)


def test_drafts_take_their_part_of_the_token_budget():
    """Who decodes asks for four tokens an iteration, not for one."""
    drafts = {"tokens": 3, "acceptance": [0.8, 0.7, 0.5], "draft_s": 0.0}
    data = saturated(100, 9, max_num_seqs=50, max_batched_tokens=300, coefficients={"a0_s": 0.5}, drafts=drafts)
    decodes = prepare(parse(data)).pools[0].serving.drafts.iterations(8.0)
    assert sustained_rps(data) == pytest.approx(300 / (100 + 4 * decodes) / 0.5)


@pytest.mark.parametrize(("policy", "places"), [("recompute", 1000 / (100 + 49.5)), ("reserve", 1000 / 200)])
def test_memory_limits(policy, places):
    data = {"kv_capacity_tokens": 1000, "kv_policy": policy, "coefficients": {"a0_s": 0.5}}
    assert sustained_rps(saturated(100, 100, **data)) == pytest.approx(places / 100 / 0.5)


@pytest.mark.parametrize("who", ["client", "server"])
def test_memory_is_reserved_for_what_is_allowed(who):
    """Answers of 100 tokens where 400 are allowed: 2,000 tokens are kept for 4 requests, not for 10."""
    pool = {"kv_capacity_tokens": 2000, "kv_policy": "reserve", "schedule": "tensorrt-llm", "max_num_seqs": 64}
    data = saturated(100, 100, 1000, **pool, **({"max_new_tokens": 400} if who == "server" else {}))
    data["tokens"] |= {"max_new_tokens": 400} if who == "client" else {}
    four = saturated(100, 100, 1000, **pool | {"max_num_seqs": 4})
    assert sustained_rps(data) == pytest.approx(sustained_rps(four), rel=1e-12)
    assert simulated_rps(data, 0) == pytest.approx(sustained_rps(data), rel=0.02)


@pytest.mark.parametrize(
    ("prompt", "output"), [(300, 40), (300, GEOMETRIC), (LOGNORMAL, GEOMETRIC), (50, LOGNORMAL)], ids=str
)
def test_servers_sustain_what_is_said(prompt, output):
    """Within the 99.9 % interval of 8 replications, whose half-width is at most 3 %."""
    data = saturated(prompt, output)
    interval = replication_interval([simulated_rps(data, k) for k in range(8)], level=0.999)
    assert interval.half_width < 0.03 * interval.mean
    assert interval.covers(
        sustained_rps(data), slack=0.005 * interval.mean
    )  # equal answers end 16 at a time: a coarse count


def test_servers_with_drafts_sustain_what_is_said():
    """The same with three drafts, which make iterations longer and fewer."""
    drafts = {"tokens": 3, "acceptance": [0.8, 0.7, 0.5], "draft_s": 0.002, "draft_s_per_sequence": 1e-5}
    data = saturated(300, GEOMETRIC, drafts=drafts)
    interval = replication_interval([simulated_rps(data, k) for k in range(8)], level=0.999)
    assert interval.half_width < 0.03 * interval.mean
    assert interval.covers(sustained_rps(data), slack=0.01 * interval.mean)
    assert sustained_rps(data) > 1.3 * sustained_rps(saturated(300, GEOMETRIC))


def test_iterations_without_prompts_are_faster():
    """Prompts in one iteration of 60: what they make slower must not be charged to all."""
    slow = LINEAR | {"akm_s_per_token": 1e-5}
    data = saturated(2000, {"kind": "geometric", "mean": 400.0}, max_num_seqs=4, coefficients=slow)
    interval = replication_interval([simulated_rps(data, k) for k in range(8)], level=0.999)
    assert interval.half_width < 0.05 * interval.mean
    # a prompt's own place decodes nothing: iterations with prompts are a little shorter than reckoned
    assert interval.covers(sustained_rps(data), slack=0.02 * interval.mean)


def test_prompts_are_computed_where_a_place_came_free_or_as_long_as_they_last():
    from messsim.engines.capacity import _share_with_prompts

    assert _share_with_prompts(0.05, 10.0, places=1, held=20.0, left=100.0) == pytest.approx(0.05)
    assert _share_with_prompts(0.1, 10.0, places=2, held=20.0, left=100.0) == pytest.approx(1 - 0.95**2)
    assert _share_with_prompts(0.05, 1000.0, places=1, held=20.0, left=100.0) == pytest.approx(
        0.5
    )  # ten iterations each
    assert _share_with_prompts(0.2, 1000.0, places=1, held=5.0, left=100.0) == 1.0
    assert _share_with_prompts(0.05, 10.0, places=1, held=20.0, left=1.0) == pytest.approx(0.5)
    assert _share_with_prompts(0.05, 10.0, places=1, held=20.0, left=0.25) == pytest.approx(0.5)  # a token is left


def test_iterations_by_their_number_of_prompts_add_up():
    """Of 8 places each comes free with chance 1/20: by the binomial law as far as 7, and the rest of the mean."""
    some = 1.0 - 0.95**8
    shares = list(_prompts(0.4, some, 10.0, places=8.0, held=20.0, left=1000.0))
    assert [prompts for _, prompts in shares[:2]] == [1.0, 2.0]
    assert [share for share, _ in shares[:2]] == pytest.approx([8 * 0.05 * 0.95**7, 28 * 0.05**2 * 0.95**6])
    assert sum(share for share, _ in shares) == pytest.approx(some)
    assert sum(share * prompts for share, prompts in shares) == pytest.approx(0.4)
    for none in ({"left": 70.0}, {"places": 0.5}, {"held": 1.0}):  # eight prompts of 10 do not fit; no binomial law
        of = {"places": 8.0, "held": 20.0, "left": 1000.0} | none
        assert list(_prompts(0.4, 0.25, 10.0, **of)) == [(0.25, 0.4 / 0.25)]


@pytest.mark.parametrize(("prompt", "mean", "budget"), [(64, 60.0, 16), (1000, 20.0, 32), (1000, 20.0, 8192)])
def test_prompts_have_iterations_of_their_own_under_sglang(prompt, mean, budget):
    """Nobody decodes in them, and who decodes takes nothing of their budget."""
    data = saturated(prompt, {"kind": "geometric", "mean": mean}, schedule="sglang", max_batched_tokens=budget)
    assert sustained_rps(data) == pytest.approx(simulated_rps(data, 0), rel=0.02)


# ---- pieces of the closed form --------------------------------------------------------------------------


def pool_plan(*, role="both", **serving):
    """A replica of a second an iteration, whatever is in it."""
    capacity = serving.pop("kv_capacity_tokens", 10_000)
    base = {"max_num_seqs": 8, "max_batched_tokens": 100, "kv_policy": "recompute", "max_new_tokens": None}
    base |= {"drafts": None, "draft_tokens": 0, "schedule": "vllm"}
    return SimpleNamespace(kv_capacity_tokens=capacity, role=role, serving=SimpleNamespace(**base | serving))


@pytest.mark.parametrize(
    ("serving", "limit", "places"),
    [
        ({}, 0.0, 8),  # as many as may
        ({"kv_capacity_tokens": 90}, 0.0, 90 / (20 + 2.5)),  # answers of 5 and 7: found running 6, at 2.5 of them
        ({"kv_capacity_tokens": 90, "kv_policy": "reserve"}, 0.0, 90 / 26),
        ({"kv_capacity_tokens": 90, "kv_policy": "reserve"}, 10.0, 90 / 30),
        ({"kv_capacity_tokens": 90, "kv_policy": "reserve", "max_new_tokens": 25}, 10.0, 90 / 45),
        ({"kv_capacity_tokens": 90, "max_new_tokens": 25}, 10.0, 90 / 22.5),  # nothing is kept for what may come
        ({"kv_capacity_tokens": 10}, 0.0, 1.0),
    ],
)
def test_places_are_those_that_memory_has(serving, limit, places):
    """Prompts of 20 tokens; answers whose mean is 5 and mean square 30."""
    assert _places(pool_plan(**serving), 20.0, 5.0, 30.0, limit) == pytest.approx(places)


@pytest.mark.parametrize(
    ("prompt", "seqs", "rps"),
    [
        (20.0, 8, 5.0),  # five fill the budget
        (20.0, 2, 2.0),  # no more may run
        (100.0, 8, 1.0),
        (250.0, 8, 0.4),  # two and a half iterations each
    ],
)
def test_who_prefills_only_does_what_its_budget_holds(monkeypatch, prompt, seqs, rps):
    seen = []

    def a_second(pool, decoders, context, tokens, work, **more):
        seen.append((decoders, context, tokens, more["prompts"]))
        return 1.0

    monkeypatch.setattr(closed_form, "_seconds", a_second)
    assert _prefills(pool_plan(max_num_seqs=seqs), prompt, prompt**2) == pytest.approx(rps)
    assert seen == [(0.0, 0.0, pytest.approx(min(100.0, seqs * prompt)), pytest.approx(max(rps, 1.0)))]


@pytest.mark.parametrize(
    ("role", "prompt", "new", "work", "chunks", "prior"),
    [
        ("both", 250.0, 250.0, 250.0**2 / 2, 250 / 99, 250 * (250 / 99 - 1) / 2),  # who decodes takes one of 100 tokens
        ("both", 50.0, 50.0, 50.0**2 / 2, 1.0, 0.0),
        ("decode", 250.0, 1.0, 250.5, 1.0, 250.0),  # the last token of the prompt, which reads all others
    ],
)
def test_what_an_iteration_with_prompts_computes(monkeypatch, role, prompt, new, work, chunks, prior):
    """Of a prompt in pieces each reads what the ones before have left: half of it on average."""
    seen = []

    def a_second(pool, decoders, context, tokens, work, **more):
        seen.append((decoders, context, tokens, work, more))
        return 1.0

    monkeypatch.setattr(closed_form, "_seconds", a_second)
    rps = saturation_rps(pool_plan(role=role, max_num_seqs=1), prompt, 3.0)
    assert rps == pytest.approx(1 / (2 + chunks))  # two iterations decode
    for decoders, context, *_ in seen:
        assert (decoders, context) == (pytest.approx(2 * rps), pytest.approx((2 * prompt + 1) * rps))
    assert seen[0][2:] == (0.0, 0.0, {})
    assert len(seen) > 1
    for _, _, tokens, computed, more in seen[1:]:
        k = tokens / new
        assert computed == pytest.approx(k * work)
        assert more == {"prompt_prior": pytest.approx(k * prior), "prompts": pytest.approx(k * chunks)}


def test_prompts_of_a_few_kinds_end_where_places_do():
    """Three places: iterations with one prompt, with two, and what is left of the mean."""
    some = 1.0 - 0.9**3
    shares = list(_prompts(0.3, some, 1.0, places=3.0, held=10.0, left=1000.0))
    assert [k for k, _ in enumerate(shares)] == [0, 1, 2]
    assert shares[0] == (pytest.approx(3 * 0.1 * 0.81), 1.0)
    assert shares[1] == (pytest.approx(3 * 0.01 * 0.9), 2.0)
    assert shares[2] == (pytest.approx(0.001), pytest.approx(3.0))


@pytest.mark.parametrize(("left", "one_by_one"), [(80.0, True), (79.9, False)])
def test_eight_prompts_must_fit(left, one_by_one):
    shares = list(_prompts(0.4, 1.0 - 0.95**8, 10.0, places=8.0, held=20.0, left=left))
    assert (len(shares) > 1) == one_by_one
