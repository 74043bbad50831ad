"""What copies cost, what the router expects them to cost, and what the summary adds up (docs/conventions.md, E)."""

import math

import numpy as np
import pytest
from builders import COEFFICIENTS, IDLE_W, POWER_W, STEP_S, OwnPolicy, model, pool, run, scenario, trace

from messsim import routing

OUTPUT = 3
LASTS_S = OUTPUT * STEP_S
HOUR_USD = 3600.0  # so that a GPU-second costs 1 USD


@pytest.fixture(params=["simpy", "compiled"])
def engine(request) -> str:
    return request.param


@pytest.fixture
def follow_plans(monkeypatch):
    """Runs a scenario under a policy that follows a script of plans; returns the run and what it was told."""

    def follow(data: dict, plans: list[int], engine: str, **policy):
        own = OwnPolicy(lambda ask: plans[ask.request % len(plans)], **policy)
        monkeypatch.setitem(routing.POLICIES, "own", own.build)
        r = run(data | {"router": data["router"] | {"policy": "own"}}, engine)
        return r, own.asked

    return follow


def usd(**prices: float) -> dict:
    return {"unit": "USD", "usd_per_gpu_hour": prices or {"GPU": HOUR_USD}}


# ---- USD ------------------------------------------------------------------------------------------------


def test_a_lone_request_costs_its_time_on_all_gpus_of_the_replica(engine, tmp_path):
    tp = 4
    data = scenario(
        arrivals=trace(tmp_path, [0, 9]), requests=None, models=[model("only", tp=tp)], cost=usd(GPU=7200.0)
    )
    r = run(data, engine)
    assert r.records.cost.tolist() == [2 * tp * LASTS_S] * 2
    assert r.records.energy_j.tolist() == [tp * POWER_W * LASTS_S] * 2
    assert r.summary["cost"]["idle"] == 2 * tp * (9 - LASTS_S)
    assert r.summary["energy"]["idle_j"] == tp * IDLE_W * (9 - LASTS_S)
    assert r.summary["cost"]["total"] == 2 * 2 * tp * LASTS_S + r.summary["cost"]["idle"]
    assert r.summary["cost"]["usd_per_million_tokens"] == r.summary["cost"]["total"] / (2 * (1 + OUTPUT)) * 1e6


def test_requests_share_the_time_of_their_iterations(engine, tmp_path):
    """As energy: decoders alike, a prompt what it adds; here c1 makes a prompt of 8 tokens add 1 s."""
    coefficients = COEFFICIENTS | {"c1_s_per_token": 0.125}
    data = scenario(
        arrivals=trace(tmp_path, [0, STEP_S, 30]),
        requests=None,
        tokens={"prompt": 8, "output": 4},
        models=[model("only", coefficients=coefficients)],
        cost=usd(),
    )
    r = run(data, engine).records

    def tau(tokens: int) -> float:
        return STEP_S + 0.125 * tokens

    first_s = tau(8)  # its prompt alone
    assert r.first_token_s[0] == first_s
    decode_beside_prompt = tau(1)  # what the decoder alone would take; the prompt pays the rest
    costs = [tau(8) + decode_beside_prompt + 2 * tau(2) / 2, tau(9) - decode_beside_prompt + 2 * tau(2) / 2 + tau(1)]
    np.testing.assert_allclose(r.cost[:2], costs, rtol=1e-12)
    assert r.cost[:2].sum() == pytest.approx(tau(8) + tau(9) + 2 * tau(2) + tau(1), rel=1e-12)


def test_an_api_costs_its_tokens(engine):
    spec = {
        "name": "api",
        "satisfaction": 0.6,
        "kind": "api",
        "usd_per_million_prompt_tokens": 2.0,
        "usd_per_million_output_tokens": 10.0,
    }
    data = scenario(
        requests=5,
        models=[spec],
        cost={"unit": "USD"},
        tokens={"prompt": 300, "output": {"kind": "geometric", "mean": 50.0}},
    )
    r = run(data, engine)
    np.testing.assert_allclose(r.records.cost, (2.0 * 300 + 10.0 * r.records.output_tokens) / 1e6, rtol=1e-15)
    np.testing.assert_allclose(r.known[0], (2.0 * 300 + 10.0 * 50) / 1e6, rtol=1e-12)
    assert not r.records.energy_j.any()
    assert r.summary["cost"]["idle"] == 0
    assert r.summary["energy"]["total_j"] == 0


def test_a_gpu_without_a_price_of_its_own_is_refused():
    data = scenario(models=[model("only", gpu="H100")], cost=usd(A100=1.0))
    with pytest.raises(Exception, match=r"usd_per_gpu_hour\.H100"):
        run(data)


# ---- the known cost -------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["J", "USD"])
def test_the_known_cost_is_a_prompt_alone_and_a_share_of_a_nominal_batch(unit):
    """Prompt in chunks of the budget, then mean - 1 decode iterations at batch b, a 1/b share of each."""
    prompt, mean, b, budget = 10, 20.0, 8, 4
    coefficients = COEFFICIENTS | {"c1_s_per_token": 1 / 64, "ak_s_per_token": 1 / 4096}
    coefficients |= {"e_j_per_token": 2.0, "ek_j_per_cached_token": 0.5}
    only = model("only", coefficients=coefficients, max_batched_tokens=budget)
    data = scenario(
        tokens={"prompt": prompt, "output": {"kind": "geometric", "mean": mean}},
        models=[only],
        cluster={"nominal_batch": b},
        cost=usd() if unit == "USD" else {},
    )
    chunk_s = [STEP_S + n / 64 for n in (4, 4, 2)]
    context = b * (prompt + mean / 2)
    step_s = STEP_S + b / 64 + context / 4096
    share = (mean - 1) / b
    seconds = sum(chunk_s) + share * step_s
    joules = POWER_W * seconds + 2.0 * (prompt + share * b) + 0.5 * share * context
    expected = seconds if unit == "USD" else joules
    np.testing.assert_allclose(run(data).known, expected, rtol=1e-12)


@pytest.mark.parametrize(("places", "batch"), [(1, 1), (8, 8), (32, 32), (256, 32)])
def test_the_nominal_batch_is_a_full_replica_or_32(places, batch):
    coefficients = COEFFICIENTS | {"p0_w_per_gpu": 0.0, "e_j_per_token": 1.0, "ek_j_per_cached_token": 1.0}
    data = scenario(
        tokens={"prompt": 10, "output": 20}, models=[model("only", coefficients=coefficients, max_num_seqs=places)]
    )
    step = batch + batch * (10 + 20 / 2)  # joules of an iteration: its tokens and what they look back on
    np.testing.assert_allclose(run(data).known, 10 + 19 * step / batch, rtol=1e-12)
    data["models"][0]["coefficients"] = COEFFICIENTS
    np.testing.assert_allclose(run(data).known, POWER_W * STEP_S * (1 + 19 / batch), rtol=1e-12)


def test_the_known_cost_does_not_look_at_the_answer(engine):
    r = run(scenario(tokens={"prompt": 5, "output": {"kind": "geometric", "mean": 30.0}}), engine)
    assert len(set(r.records.output_tokens)) > 10
    assert (r.known == r.known[:, :1]).all()


def test_a_model_with_several_pools_is_expected_to_cost_their_mean(engine):
    dear = COEFFICIENTS | {"p0_w_per_gpu": 4 * POWER_W}
    data = scenario(
        models=[{"name": "only", "satisfaction": 0.5}],
        pools=[pool("only"), pool("only", coefficients=dear, replicas=3)],
        cluster={"nominal_batch": 1},
    )
    one = POWER_W * LASTS_S
    np.testing.assert_allclose(run(data, engine).known, (one + 3 * 4 * one) / 4, rtol=1e-12)


def test_a_stated_cost_goes_before_the_profiles(engine):
    r = run(scenario(models=[model("small", 0.4, cost_per_request=7.5), model("large", 0.8)]), engine)
    assert (r.known[0] == 7.5).all()
    assert (r.known[1] != 7.5).all()
    assert not (r.records.cost == 7.5).any()  # expected, not charged


# ---- estimates: what the router is told -----------------------------------------------------------------

LENGTHS = {"kind": "geometric", "mean": 6.0, "max": 40}


def crowd(**router) -> dict:
    """Enough traffic that copies overlap and end out of order."""
    return scenario(
        requests=120,
        arrivals={"kind": "poisson", "rate_rps": 1.0},
        models=[model("a", output=LENGTHS), model("b", output=LENGTHS)],
        router=router,
    )


def test_known_costs_are_told_as_they_are(engine, follow_plans):
    r, asked = follow_plans(crowd(cost_estimate="known"), [0, 1], engine)
    assert [a.costs for a in asked] == r.known.T.tolist()


def test_known_costs_of_turns_go_by_their_grown_prompts(engine, follow_plans):
    """Prompts of 10, 22 and 30 tokens, of which each takes 1/64 s, after answers of 7 and of 3."""
    data = scenario(
        requests=3,
        arrivals={"kind": "poisson", "rate_rps": 0.01},
        sessions={"turns": 3, "think_s": 1.5, "followup": 5},
        tokens={"prompt": 10, "output": 3},
        models=[
            model(
                name, coefficients=COEFFICIENTS | {"c0_s_per_token": 1 / 64}, output={"kind": "constant", "tokens": o}
            )
            for name, o in (("a", 3), ("b", 7))
        ],
        router={"cost_estimate": "known"},
    )
    r, asked = follow_plans(data, [1, 0], engine)
    assert r.records.prompt_tokens.tolist() == [10, 22, 30]
    assert [a.costs for a in asked] == r.known.T.tolist()
    assert np.diff(r.known).tolist() == [[12 / 64 * POWER_W, 8 / 64 * POWER_W]] * 2


@pytest.mark.parametrize("prior", [None, 0.0, 1e-6])
def test_the_mean_estimate_is_of_all_that_is_complete(engine, follow_plans, prior):
    router = {"cost_estimate": "mean"} | ({} if prior is None else {"cost_prior": prior})
    plans = [0, 1, routing.PLAN_EXPLORE | 1, 0]
    r, asked = follow_plans(crowd(**router), plans, engine)
    records = r.records
    for i, ask in enumerate(asked):
        for m in range(2):
            complete = (records.model == m) & (records.finish_s <= records.arrival_s[i])
            before = r.known[m, i] if prior is None else prior
            expected = records.cost[complete].mean() if complete.any() else before
            assert ask.costs[m] == pytest.approx(expected, rel=1e-12)
    assert asked[0].costs == ([prior] * 2 if prior is not None else r.known[:, 0].tolist())


def test_the_mean_estimate_counts_each_copy_of_an_explored_request(engine, follow_plans, tmp_path):
    """The first request goes to both, alone: 3 and 5 tokens."""
    data = scenario(
        arrivals=trace(tmp_path, [0, 9]),
        requests=None,
        models=[model("a"), model("b", output={"kind": "constant", "tokens": 5})],
        router={"cost_estimate": "mean"},
    )
    _, asked = follow_plans(data, [routing.PLAN_ALL, 0], engine)
    assert asked[1].costs == [POWER_W * 3 * STEP_S, POWER_W * 5 * STEP_S]


@pytest.mark.parametrize("prior", [None, 0.0, 1.0])
def test_the_last_explored_estimate_is_the_last_explored_copys_cost(engine, follow_plans, prior):
    router = {"cost_estimate": "last_explored"} | ({} if prior is None else {"cost_prior": prior})
    plans = [0, routing.PLAN_EXPLORE | 0, 1, 1, routing.PLAN_EXPLORE | 1]
    r, asked = follow_plans(crowd(**router), plans, engine)
    records = r.records
    assert records.explored.tolist() == [k % 5 in (1, 4) for k in range(120)]
    for i, ask in enumerate(asked):
        for m in range(2):
            of_m = np.flatnonzero(records.explored & (records.model == m) & (records.finish_s <= records.arrival_s[i]))
            before = r.known[m, i] if prior is None else prior
            last = of_m[np.argmax(records.finish_s[of_m])] if len(of_m) else None
            assert ask.costs[m] == (before if last is None else records.cost[last])


# ---- what a policy is told ------------------------------------------------------------------------------


def test_a_policy_is_told_what_it_needs_and_nothing_else(engine, follow_plans):
    data = crowd()
    r, asked = follow_plans(data, [0, 1], engine)
    assert not any(x for a in asked for x in a.facts or [])
    assert {x for a in asked for x in a.loads} == {0}
    assert {x for a in asked for x in a.scores} == {0.5}  # it has no predictor
    assert np.isnan(r.records.score).all()
    assert [a.step for a in asked] == list(range(1, 121))
    assert [a.uniforms for a in asked] == r.uniforms.tolist()
    r, asked = follow_plans(data, [0, 1], engine, needs=frozenset({"outcomes"}))
    assert [a.facts for a in asked] == r.satisfied.T.tolist()


def test_loads_are_unfinished_requests_per_place_that_is_up(engine, follow_plans, tmp_path):
    """Model b has two replicas of 4 places, one of which fails at 1."""
    outage = {"pool": "b", "replica": 1, "at_s": 1.0, "for_s": 50.0}
    data = scenario(
        arrivals=trace(tmp_path, [0, 0, 0, 2, 60]),
        requests=None,
        tokens={"output": 100},
        models=[model("a", max_num_seqs=2), model("b", replicas=2)],
        cluster={"failures": {"schedule": [outage]}},
    )
    _, asked = follow_plans(data, [0, 1, 1, 1, 0], engine, needs=frozenset({"loads"}))
    assert [a.loads for a in asked] == [[0, 0], [1 / 2, 0], [1 / 2, 1 / 8], [1 / 2, 2 / 4], [0, 0]]


def test_a_policy_hears_each_rating_with_the_queue_that_it_made(engine, monkeypatch):
    heard = []
    own = OwnPolicy(lambda ask: ask.request % 2, rated=lambda *follow_plans: heard.append(follow_plans))
    monkeypatch.setitem(routing.POLICIES, "own", own.build)
    r = run(scenario(router={"policy": "own"}, feedback={"probability": 0.5}), engine)
    queue, expected = 0.0, []
    for i in np.flatnonzero(r.feedback < 0.5):
        queue = max(0.0, queue + (0.5 - r.records.satisfied[i]))
        expected.append((i, i % 2, r.records.satisfied[i], queue))
    assert heard == expected


@pytest.mark.parametrize("plan", [-7, 2, routing.PLAN_ALL | routing.PLAN_EXPLORE, routing.PLAN_CHAIN])
def test_an_unlawful_plan_stops_the_run_and_says_where(engine, follow_plans, plan):
    from messsim.errors import PolicyError

    with pytest.raises(PolicyError, match=rf"returned.* {plan} at request 3.*after 4 requests"):
        follow_plans(crowd(), [0, 1, 0, plan], engine)


# ---- what adds up ---------------------------------------------------------------------------------------


def test_energy_per_token_counts_idle_energy_and_answers_only(engine, tmp_path):
    data = scenario(arrivals=trace(tmp_path, [0, 10]), requests=None, models=[model("only")])
    energy = run(data, engine).summary["energy"]
    idle = IDLE_W * (10 - LASTS_S)
    assert energy["idle_j"] == idle
    assert energy["total_j"] == 2 * POWER_W * LASTS_S + idle
    assert energy["j_per_output_token"] == energy["total_j"] / (2 * OUTPUT)


def test_cost_per_request_is_everything_over_the_answers(engine):
    r = run(scenario(router={"c": 1.0, "kappa": 0.5}), engine)
    cost = r.summary["cost"]
    assert 0 < cost["exploration"] < cost["total"]
    assert math.isclose(cost["total"], r.records.cost.sum() + cost["idle"])
    assert math.isclose(cost["per_request"], cost["total"] / 40)
    exploiting = ~r.records.explored
    assert math.isclose(cost["paper"], r.records.cost[exploiting].sum())
    assert math.isclose(cost["exploration"], r.records.exploration_cost.sum())
