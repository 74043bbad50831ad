"""The rivals of MESS+: what each decides, against its rule written out in NumPy or worked out by hand."""

import math
import re

import numpy as np
import pytest
from builders import model, run, scenario
from numpy.testing import assert_allclose

from messsim.errors import ScenarioError
from messsim.routing import PLAN_ALL, PLAN_CHAIN, PLAN_MODEL, POLICIES, Facts, Knowledge, check_policy
from messsim.routing.cascade import cheapest_chain
from messsim.routing.mixing import cheapest_able, cheapest_mix, educated_guess
from messsim.routing.oracle_dual import Frontier
from messsim.scenario.routing import Router

SATISFACTION, COSTS = [0.4, 0.6, 0.5, 0.8], [1.0, 3.0, 4.0, 10.0]


def built(name, *, models=4, features=0, alphas=(0.7,), requests=1000.0, prepare=True, **options):
    policy = POLICIES[name](Router(**{"V": 1e-4} | options), models, features)
    known = Knowledge(
        alphas=list(alphas),
        requests=requests,
        mean_costs=COSTS[:models],
        mean_satisfaction=SATISFACTION[:models],
        turnover_s=[2.0, 3.0, 5.0, 7.0][:models],
        sample=lambda n: examples(n, models),
        facts=lambda: iter([examples(500, models)]),
    )
    if prepare and policy.prepare is not None:
        policy.prepare(policy.kernel, known)
    return policy


def examples(n, models=4):
    chance = np.random.default_rng(5)
    satisfied = (chance.random((models, n)) < np.array(SATISFACTION[:models])[:, None]).astype(float)
    return Facts(np.zeros(n, np.int32), np.tile(np.array(COSTS[:models])[:, None], n), satisfied)


def decide(policy, *, models=4, step=10**9, queue=0.0, alpha=0.7, scores=None, costs=None, loads=None, uniforms=None,
           features=None, facts=None, tenant=0):  # fmt: skip
    return policy.kernel.decide(
        0,
        step,
        alpha,
        queue,
        np.full(models, 0.5) if scores is None else np.array(scores, dtype=float),
        np.array(COSTS[:models] if costs is None else costs, dtype=float),
        np.zeros(models) if loads is None else np.array(loads, dtype=float),
        np.full(policy.kernel.uniforms, 0.5) if uniforms is None else np.array(uniforms, dtype=float),
        None if facts is None else np.array(facts, dtype=float),
        None if features is None else np.array(features, dtype=float),
        tenant,
    )


# ---- fixed choices and mixes ------------------------------------------------------------------------------


def test_the_best_single_model_is_each_tenants_cheapest_that_keeps_the_promise():
    policy = built("best-single", alphas=[0.3, 0.55, 0.75, 0.95])
    assert [decide(policy, tenant=k) for k in range(4)] == [0, 1, 3, 3]  # none keeps 0.95: the most satisfying
    assert cheapest_able([0.9, 0.9], [5.0, 2.0], 0.5) == 1


def test_a_static_mix_mixes_the_two_that_are_cheapest_together():
    # 0.7 from models 1 and 3, half each, costs 6.5; from 0 and 3, 3/4 of the latter, 7.75
    assert cheapest_mix(SATISFACTION, COSTS, 0.7) == pytest.approx((6.5, 1, 3, 0.5))
    assert cheapest_mix(SATISFACTION, COSTS, 0.9) is None
    policy = built("static-mix", alphas=[0.7, 0.9, 0.1])
    assert [decide(policy, uniforms=(0.0, u)) for u in (0.49, 0.51)] == [3, 1]
    assert [decide(policy, uniforms=(0.0, u), tenant=1) for u in (0.1, 0.9)] == [3, 3]
    assert [decide(policy, uniforms=(0.0, u), tenant=2) for u in (0.1, 0.9)] == [0, 0]


def test_an_educated_guess_shifts_weight_until_the_mix_keeps_the_promise():
    p, steps = [0.25] * 4, 0
    while np.dot(p, SATISFACTION) < 0.68:  # the words of the paper, mean satisfaction 0.575
        p = [x * (1.01 if s > 0.575 else 0.99) for x, s in zip(p, SATISFACTION, strict=True)]
        p, steps = list(np.array(p) / sum(p)), steps + 1
    assert steps > 10
    assert_allclose(educated_guess(SATISFACTION, 0.68), p)
    assert educated_guess(SATISFACTION, 0.71) == [0.0, 0.0, 0.0, 1.0]  # 0.6 and 0.8 grow alike
    assert educated_guess(SATISFACTION, 0.5) == [0.25] * 4
    assert educated_guess([0.4, 0.8, 0.9], 0.88) == [0.0, 0.0, 1.0]  # 0.8 and 0.9 grow alike: never 0.88
    assert educated_guess(SATISFACTION, 0.99) == [0.0, 0.0, 0.0, 1.0]
    assert educated_guess([0.5, 0.5], 0.6) == [1.0, 0.0]
    policy, edges = built("educated-guess", alphas=[0.68]), np.cumsum(p)
    chosen = [decide(policy, uniforms=(0.0, u)) for u in (edges[0] - 1e-9, edges[0] + 1e-9, edges[2] + 1e-9, 1 - 1e-9)]
    assert chosen == [0, 1, 3, 3]


# ---- prices -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("queue", [0.0, 3.0, 40.0, 1e4])
def test_primal_dual_weighs_relative_cost_against_the_price(queue):
    policy = built("primal-dual", eta=0.1, c=0.0)
    scores = [0.2, 0.5, 0.45, 0.9]
    value = np.array(COSTS) / np.mean(COSTS) - 0.1 * queue * np.array(scores)
    assert decide(policy, queue=queue, scores=scores) == np.argmin(value)


def test_primal_dual_is_mess_plus_in_another_scale():
    mess = POLICIES["mess+"](Router(V=1 / (0.1 * np.mean(COSTS)), c=0.0), 4, 2)
    policy = built("primal-dual", eta=0.1, c=0.0, features=2)
    chance = np.random.default_rng(1)
    for _ in range(500):
        given = {"queue": chance.exponential(30.0), "scores": chance.random(4), "costs": chance.exponential(5.0, 4)}
        assert decide(policy, **given) == decide(mess, **given)


@pytest.mark.parametrize("name", ["primal-dual", "load-aware"])
def test_they_explore_as_mess_plus_does(name):
    policy = built(name, c=0.5, kappa=0.25)
    at = 0.5 * 16**-0.25
    assert decide(policy, step=16, uniforms=(at - 1e-9, 0.5)) == PLAN_ALL
    assert decide(policy, step=16, uniforms=(at + 1e-9, 0.5)) == 0


def test_load_aware_adds_the_wait_beyond_a_full_batch():
    policy = built("load-aware", V=1.0, c=0.0, delay_weight=2.0)
    scores = [0.1, 0.6, 0.5, 0.9]
    for loads in ([0.0] * 4, [1.0] * 4, [5.0, 0.3, 0.0, 0.0], [3.0, 4.0, 1.5, 1.1]):
        delay = np.maximum(0.0, np.array(loads) - 1.0) * [2.0, 3.0, 5.0, 7.0]
        value = np.array(COSTS) + 2.0 * delay + 4.0 * (0.7 - np.array(scores))
        assert decide(policy, queue=4.0, scores=scores, loads=loads) == np.argmin(value)
    dearest = built("load-aware", V=1.0, c=0.0)  # by default a second costs what the dearest model does
    assert decide(dearest, loads=[1.0 + 0.99 * 2.0 / 20.0, 0, 0, 0]) == 0
    assert decide(dearest, loads=[1.0 + 1.01 * 2.0 / 20.0, 0, 0, 0]) == 1


# ---- bandits ----------------------------------------------------------------------------------------------


def taught(policy, n, features, models=4):
    """Labels of n requests, half of them only of some models; returns each model's design and response."""
    chance = np.random.default_rng(3)
    design = [np.eye(features + 1) * 0.5 for _ in range(models)]
    response = [np.zeros(features + 1) for _ in range(models)]
    for k in range(n):
        x = chance.normal(size=features)
        labels = np.where(chance.random(models) < 0.6, np.round(chance.random(models)), np.nan)
        policy.kernel.learn(k, x, labels)
        whole = np.append(x, 1.0)
        for m in np.flatnonzero(~np.isnan(labels)):
            design[m] += np.outer(whole, whole)
            response[m] += labels[m] * whole
    return design, response


def beliefs(design, response, x):
    whole = np.append(x, 1.0)
    mean = [whole @ np.linalg.solve(a, b) for a, b in zip(design, response, strict=True)]
    return np.array(mean), np.sqrt([whole @ np.linalg.solve(a, whole) for a in design])


def test_linucb_is_optimistic_about_ridge_regressions():
    policy = built("linucb", features=3, eta=0.2, width=0.7, ridge=0.5)
    design, response = taught(policy, 60, 3)
    chance = np.random.default_rng(4)
    chosen = []
    for _ in range(200):
        x, queue = chance.normal(size=3), chance.exponential(60.0)
        mean, deviation = beliefs(design, response, x)
        value = np.array(COSTS) / np.mean(COSTS) - 0.2 * queue * np.clip(mean + 0.7 * deviation, 0.0, 1.0)
        chosen.append(decide(policy, queue=queue, features=x))
        assert chosen[-1] == np.argmin(value)
    assert len(set(chosen)) >= 3


def test_thompson_draws_from_its_beliefs():
    policy = built("thompson", features=2, eta=0.2, width=0.7, ridge=0.5)
    design, response = taught(policy, 40, 2)
    chance = np.random.default_rng(4)
    chosen = []
    for _ in range(200):
        x, queue, u = chance.normal(size=2), chance.exponential(20.0), chance.random(8)
        mean, deviation = beliefs(design, response, x)
        normal = np.sqrt(-2 * np.log(u[::2])) * np.cos(2 * math.pi * u[1::2])
        value = np.array(COSTS) / np.mean(COSTS) - 0.2 * queue * np.clip(mean + 0.7 * deviation * normal, 0.0, 1.0)
        chosen.append(decide(policy, queue=queue, features=x, uniforms=u))
        assert chosen[-1] == np.argmin(value)
    assert set(chosen) == {0, 1, 2, 3}


@pytest.mark.parametrize("name", ["linucb", "thompson"])
def test_bandits_learn_from_the_answers_that_users_rate(name):
    """By features that tell all, each learns who is right: far above what any model reaches alone."""
    data = scenario(
        requests=10_000,
        sla={"alpha": 0.72},
        features={"dimensions": 2, "signal": 1.0},
        satisfaction={"kind": "irt", "slope": 8.0},
        models=[model("small", 0.5), model("large", 0.75)],
        router={"policy": name, "eta": 0.5},
        cluster={"mode": "none"},
    )
    for m in data["models"]:
        m["cost_per_request"] = 1.0 if m["name"] == "small" else 10.0
    done = run(data, "compiled").summary
    assert done["sla"]["satisfaction"] > 0.71
    assert done["cost"]["per_request"] < 0.8 * done["cost"]["static_mix_per_request"]
    assert done["requests"]["explored"] == 0


# ---- threshold --------------------------------------------------------------------------------------------


def test_a_threshold_sends_the_wanted_share_of_the_likeliest_wins_to_the_strong_model():
    policy = built("threshold", requests=2000.0, calibration=0.5, alphas=[0.7, 0.5])
    # weak is model 0 (0.4), strong model 3 (0.8): 3/4 of the requests, and a quarter for the second tenant
    plans = [decide(policy, step=t + 1) for t in range(500)]
    assert plans == [PLAN_ALL] * 500
    chance = np.random.default_rng(2)
    seen = chance.random((500, 4))
    for t, scores in enumerate(seen):
        u = chance.random()
        assert decide(policy, step=501 + t, scores=scores, uniforms=(0.5, u)) == (3 if u < 0.75 else 0)
    wins = seen[:, 3] * (1 - seen[:, 0])
    wins = wins / (wins + seen[:, 0] * (1 - seen[:, 3]))
    for tenant, share in ((0, 0.75), (1, 0.25)):
        cut = np.quantile(wins, 1 - share)
        for w in np.linspace(0.01, 0.99, 99):
            if abs(w - cut) > 0.02:
                scores = [1 - w, 0.5, 0.5, w]
                odds = w * w / (w * w + (1 - w) * (1 - w))
                assert decide(policy, step=5000, scores=scores, tenant=tenant) == (3 if odds > cut else 0)


def test_a_threshold_needs_two_models():
    with pytest.raises(ScenarioError, match="chooses between two models; the scenario has one"):
        built("threshold", models=1)


# ---- cascade ----------------------------------------------------------------------------------------------


def scored(satisfaction, u, scorer=3.0):
    return scorer * (satisfaction - 0.5) + math.log(u / (1 - u))


def test_a_cascade_goes_on_where_the_scorer_doubts():
    policy = built("cascade", scorer=3.0, alphas=[0.7, 0.85])
    row = policy.kernel.params[1 + 6 : 1 + 12]  # the second tenant's
    length, models, cuts = int(row[0]), row[1:4].astype(int).tolist(), row[4:6]
    assert length == 3
    assert decide(policy, tenant=1, facts=[0.0] * 4) == PLAN_CHAIN | models[0]
    chance = np.random.default_rng(8)
    went_on = 0
    for _ in range(200):
        facts, u = np.round(chance.random(4)), chance.random(4)
        for stage in range(2):
            asked = models[stage]
            result = policy.kernel.finish(0, stage, asked, np.full(4, 0.5), np.array(COSTS), u, facts, 1)
            doubted = scored(facts[asked], u[asked]) < cuts[stage]
            assert result == (models[stage + 1] if doubted else 4)
            went_on += doubted
        assert policy.kernel.finish(0, 2, models[2], np.full(4, 0.5), np.array(COSTS), u, facts, 1) == 4
    assert 20 < went_on < 380


def test_the_chain_is_the_cheapest_that_keeps_the_promise_on_the_examples():
    settings, chance = examples(300, 3), np.random.default_rng(9)
    logits = 4.0 * (settings.satisfaction - 0.5) + chance.logistic(size=settings.satisfaction.shape)

    def played(models, cuts):
        satisfied, cost = 0.0, 0.0
        for t in range(300):
            for stage, m in enumerate(models):
                cost += settings.costs[m, t]
                if stage + 1 == len(models) or logits[m, t] >= cuts[stage]:
                    satisfied += settings.satisfaction[m, t]
                    break
        return satisfied / 300, cost / 300

    models, cuts = cheapest_chain(settings, logits, 0.65)
    reached, cost = played(models, cuts)
    assert reached >= 0.65 - 1e-12
    levels = np.quantile(logits, (np.arange(16) + 0.5) / 16)
    others = [played([0, 1], [c]) for c in levels] + [played([0, 1, 2], [a, b]) for a in levels for b in levels[::3]]
    assert min(c for s, c in others if s >= 0.65) >= cost - 1e-12
    assert cheapest_chain(settings, logits, 0.0) == ([0], [])
    most = cheapest_chain(settings, logits, 1.1)
    assert played(*most)[0] >= max(s for s, _ in others) - 1e-12


def test_a_zoo_too_large_for_every_chain_is_refused():
    assert POLICIES["cascade"](Router(), 64, 0).name == "cascade"
    with pytest.raises(ScenarioError, match=r"router.policy = 'cascade' with 65 models: expected at most 64"):
        POLICIES["cascade"](Router(), 65, 0)


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_a_doubted_answer_costs_its_time_and_its_place(engine):
    # Always doubted by a scorer that knows: never right, then always right.
    data = scenario(
        requests=20,
        sla={"alpha": 0.9},
        arrivals={"kind": "poisson", "rate_rps": 0.01},
        models=[model("small", 1e-12), model("large", 1 - 1e-12)],
        router={"policy": "cascade", "scorer": 200.0, "training": 50},
    )
    for m in data["models"]:
        m["cost_per_request"] = {"small": 1.0, "large": 10.0}[m["name"]]
    done = run(data, engine)
    assert set(done.records.model.tolist()) == {1}  # here the dearer one alone is cheaper than both
    data["models"][0]["satisfaction"], data["sla"] = 0.5, {"alpha": 0.99}
    done = run(data, engine)
    asked_both = done.records.model == 1
    assert 0 < asked_both.sum() < 20
    assert done.satisfied[0][~asked_both].mean() > 0.9  # what was trusted deserved it
    took = done.records.finish_s - done.records.start_s
    assert_allclose(took, np.where(asked_both, 1.5, 0.75))
    assert (done.records.exploration_cost > 0).tolist() == asked_both.tolist()


# ---- stated shares and thresholds -------------------------------------------------------------------------


def test_a_static_mix_may_be_stated():
    policy = built("static-mix", alphas=[0.7, 0.9], mix=[1.0, 0.0, 2.0, 1.0])
    for tenant in (0, 1):
        chosen = [decide(policy, uniforms=(0.0, u), tenant=tenant) for u in (0.0, 0.24, 0.26, 0.74, 0.76, 1 - 1e-9)]
        assert chosen == [0, 0, 2, 2, 3, 3]
    assert "mean_satisfaction" not in policy.needs
    for mix in ([0.5, 0.5], [0.2] * 5):
        with pytest.raises(ScenarioError, match=rf"router.mix = {re.escape(str(mix))}: expected 4 shares"):
            built("static-mix", mix=mix)
    with pytest.raises(ScenarioError, match="expected a share above 0"):
        Router(mix=[0.0, 0.0])


def test_a_stated_threshold_is_on_the_probability_of_a_win():
    policy = built("threshold", requests=1000.0, calibration=0.1, threshold=0.6)
    assert decide(policy, step=50) == PLAN_ALL
    for w, s in ((0.3, 0.4), (0.4, 0.4), (0.4, 0.45), (0.2, 0.9), (0.5, 0.59), (0.5, 0.61)):
        wins = s * (1 - w) / (s * (1 - w) + w * (1 - s))
        for step in (51, 5000):
            assert decide(policy, step=step, scores=[w, 0.5, 0.5, s]) == (3 if wins >= 0.6 else 0)


# ---- length-only, route-balance, multi-factor, pareto-floor ----------------------------------------------------


def test_length_only_knows_costs_and_its_own_means():
    policy = built("length-only", eta=0.3)
    ratings = {m: [1.0] for m in range(4)}
    chance, chosen = np.random.default_rng(6), set()
    for _ in range(300):
        queue, costs = chance.exponential(20.0), np.array(COSTS) * chance.random() * 3
        value = costs / np.mean(COSTS) - 0.3 * queue * np.array([np.mean(r) for r in ratings.values()])
        asked = decide(policy, queue=queue, costs=costs, scores=chance.random(4))
        assert asked == np.argmin(value)
        label = float(chance.random() < SATISFACTION[asked])
        policy.kernel.rated(0, asked, 0.7, label, queue)
        ratings[asked].append(label)
        chosen.add(asked)
    assert len(chosen) >= 3


def test_route_balance_adds_up_quality_latency_and_cost():
    weights = {"quality": 3.0, "latency": 1.0, "cost": 1.0, "load": 9.0}
    policy = built("route-balance", requests=1000.0, calibration=0.1, weights=weights)
    assert [decide(policy, step=t) for t in (1, 100)] == [PLAN_ALL, PLAN_ALL]
    chance, chosen = np.random.default_rng(7), set()
    for _ in range(300):
        scores, loads = chance.random(4), chance.exponential(1.5, 4)
        costs = chance.exponential(5.0, 4) * chance.choice([1e-6, 1.0])  # of any unit
        costs[chance.integers(4)] = math.inf
        there = np.isfinite(costs)
        latency = np.array([2.0, 3.0, 5.0, 7.0]) * np.maximum(1.0, loads)
        value = 0.6 * scores - 0.2 * latency / latency[there].max() - 0.2 * costs / costs[there].max()
        asked = decide(policy, step=101, scores=scores, loads=loads, costs=costs)
        assert asked == np.argmax(np.where(there, value, -math.inf))
        chosen.add(asked)
    assert chosen == {0, 1, 2, 3}


def test_multi_factor_scales_each_factor_over_the_models():
    policy = built("multi-factor", weights={"quality": 4.0, "latency": 2.0, "cost": 2.0, "load": 2.0})
    chance, chosen = np.random.default_rng(8), set()
    for trial in range(300):
        loads, costs = chance.exponential(1.5, 4) * (trial % 5 > 0), chance.exponential(5.0, 4)
        costs[chance.integers(4)] = math.inf
        there = np.isfinite(costs)

        def scaled(x, there=there):
            low, high = x[there].min(), x[there].max()
            return (x - low) / (high - low) if high > low else np.full(4, 0.5)

        latency = np.array([2.0, 3.0, 5.0, 7.0]) * np.maximum(1.0, loads)
        value = 0.4 * scaled(np.array(SATISFACTION))
        for factor in (latency, costs, loads):
            value = value + 0.2 * (1.0 - scaled(factor))
        asked = decide(policy, loads=loads, costs=costs)
        assert asked == np.argmax(np.where(there, value, -math.inf))
        chosen.add(asked)
    assert len(chosen) >= 3


def test_a_weight_is_needed():
    with pytest.raises(ScenarioError, match="expected one above 0"):
        Router(weights={"quality": 0.0, "latency": 0.0, "cost": 0.0})


def test_pareto_floor_forgets_and_paces():
    alphas, gamma, width = [0.7, 0.5], 0.9, 0.3
    policy = built("pareto-floor", features=2, alphas=alphas, forgetting=gamma, width=width, ridge=0.5)
    chance, chosen = np.random.default_rng(9), set()
    design, response = np.stack([np.eye(3) * 0.5] * 4), np.zeros((4, 3))
    lesson, asked_at, ema, price = np.zeros(4), np.zeros(4), list(alphas), [0.0, 0.0]
    for t in range(1, 400):
        x, tenant = chance.normal(size=2), int(chance.integers(2))
        whole = np.append(x, 1.0)
        mean = np.array([whole @ np.linalg.solve(a, b) for a, b in zip(design, response, strict=True)])
        variance = np.array([whole @ np.linalg.solve(a, whole) for a in design])
        variance *= np.minimum(200.0, gamma ** -(t - np.maximum(lesson, asked_at)))
        bound = np.clip(mean + width * np.sqrt(variance), 0.0, 1.0)
        asked = decide(policy, features=x, tenant=tenant, alpha=alphas[tenant])
        assert asked == np.argmin(np.array(COSTS) / 10.0 - price[tenant] * bound)
        asked_at[asked] = t
        label = float(chance.random() < SATISFACTION[asked])
        labels = np.full(4, np.nan)
        labels[asked] = label
        discount = max(1 / 200, gamma ** (t - lesson[asked]))
        design[asked] = discount * design[asked] + np.outer(whole, whole)
        response[asked] = discount * response[asked] + label * whole
        lesson[asked] = t
        policy.kernel.learn(0, x, labels, tenant)
        policy.kernel.rated(0, asked, alphas[tenant], label, 0.0, tenant)
        ema[tenant] = 0.95 * ema[tenant] + 0.05 * label
        price[tenant] = max(0.0, price[tenant] + 0.05 * (1.0 - ema[tenant] / alphas[tenant]))
        chosen.add(asked)
    assert len(chosen) >= 3


# ---- oracles ----------------------------------------------------------------------------------------------


def hidden(name, **changes):
    data = scenario(
        requests=3000,
        models=[
            model(f"m{k}", s, cost_per_request=c) for k, (s, c) in enumerate(zip(SATISFACTION, COSTS, strict=True))
        ],
        cluster={"mode": "none"},
        router={"policy": name, "cost_estimate": "mean"},  # which is not for an oracle
        **changes,
    )
    return run(data, "compiled")


def test_the_clairvoyant_routes_at_the_least_cost_of_the_promise():
    done = hidden("oracle", sla={"alpha": 0.85})
    assert 0.85 <= done.summary["sla"]["satisfaction"] < 0.85 + 2 / 3000
    assert done.summary["cost"]["ratio_to_oracle"] == pytest.approx(1.0, abs=1e-9)
    frontier = Frontier(4)
    frontier.add(done.satisfied, done.known)
    assert done.records.cost.mean() == pytest.approx(frontier.optimum(0.85).per_request, rel=1e-3)


def test_each_tenant_has_the_oracles_price_of_its_own():
    done = hidden("oracle", tenants=[{"name": "a", "alpha": 0.9}, {"name": "b", "alpha": 0.6}])
    a, b = done.summary["tenants"]
    assert 0.9 <= a["satisfaction"] < 0.9 + 2 / a["answered"]
    assert 0.6 <= b["satisfaction"] < 0.6 + 2 / b["answered"]


def test_an_oracle_of_what_cannot_be_takes_the_most_satisfying():
    done = hidden("oracle", sla={"alpha": 1.0})
    assert done.summary["sla"]["satisfaction"] == done.satisfied.max(axis=0).mean() < 1.0
    cheapest = np.where(done.satisfied.max(axis=0) == 0.0, 0, np.argmax(done.satisfied, axis=0))
    assert done.records.model.tolist() == cheapest.tolist()


def test_the_statistical_oracle_knows_probabilities_only():
    done = hidden("statistical-oracle", sla={"alpha": 0.7})
    kept = done.summary["sla"]["satisfaction"]
    assert kept == pytest.approx(0.7, abs=4 * math.sqrt(0.21 / 3000))
    clairvoyant = hidden("oracle", sla={"alpha": 0.7}).records.cost.mean()
    mix = cheapest_mix(SATISFACTION, COSTS, 0.7)[0]
    assert clairvoyant < done.records.cost.mean() < mix  # it tells hard from easy, not right from wrong
    difficulty = [np.mean(done.setup.workload.columns(0, 3000).difficulty[done.records.model == m]) for m in (0, 3)]
    assert done.records.model.max() == 3
    assert difficulty[0] != pytest.approx(difficulty[1], abs=0.3)


def test_probabilities_of_a_table_are_nobodys(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,feature__x\n1,0,0.5\n0,1,0.1\n")
    data = scenario(
        satisfaction={"kind": "table", "file": str(tmp_path / "t.csv")},
        features=None,
        models=[model("a", None, cost_per_request=1.0), model("b", None, cost_per_request=2.0)],
        cluster={"mode": "none"},
        router={"policy": "statistical-oracle"},
    )
    for m in data["models"]:
        del m["satisfaction"]
    with pytest.raises(ScenarioError, match="a table of outcomes does not tell"):
        run(data)


# ---- all of them ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_keeps_the_contract(name):
    policy = built(name, features=2)
    assert check_policy(policy, 4, 2) == []
    plan = decide(policy, features=[0.1, 0.2], facts=[0.0, 1.0, 0.0, 1.0])
    assert 0 <= plan & PLAN_MODEL < 4


def test_a_policy_is_told_only_what_it_declares():
    asked = {name: POLICIES[name](Router(V=1e-4), 2, 1).needs for name in POLICIES}
    assert {n for n, needs in asked.items() if needs & {"outcomes", "difficulty"}} <= {
        "cascade",
        "oracle",
        "statistical-oracle",
    }
    assert {n for n, needs in asked.items() if "mean_satisfaction" in needs} == {
        "best-single",
        "static-mix",
        "educated-guess",
        "threshold",
        "multi-factor",
    }


@pytest.mark.parametrize("name", ["length-only", "linucb", "multi-factor", "primal-dual", "route-balance"])
def test_of_models_that_are_alike_the_first_is_chosen(name):
    policy = built(name, prepare=False)
    if policy.prepare is not None:
        same = {"mean_costs": [2.0] * 4, "mean_satisfaction": [0.5] * 4, "turnover_s": [1.0] * 4}
        policy.prepare(policy.kernel, Knowledge([0.7], 1000.0, **same, sample=examples, facts=lambda: iter([])))
    features = [] if name == "linucb" else None
    assert decide(policy, queue=7.0, costs=[2.0] * 4, features=features) & PLAN_MODEL == 0
