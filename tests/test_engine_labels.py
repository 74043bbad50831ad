"""Routing, labels and queues in both engines: against MESS+ in plain Python, and by hand (docs/conventions.md, D)."""

import numpy as np
import pytest
from builders import ALWAYS, COEFFICIENTS, NEVER, POWER_W, STEP_S, OwnPolicy, Run, model, run, scenario, trace
from reference.router import Router, twin_of

from messsim import routing
from messsim.engines.outcome import assert_certified

LASTS_S = 3 * STEP_S
EVERY_TIME = {"c": 1.0, "kappa": 0.0}  # explores always
NO_TIME = {"c": 0.0}


@pytest.fixture(params=["simpy", "compiled"])
def engine(request) -> str:
    return request.param


# ---- against plain Python -------------------------------------------------------------------------------


def priced(name: str, satisfaction: float, joules: float) -> dict:
    """A model whose prompts cost so many joules an iteration, its known cost; long prompts take several."""
    return model(name, satisfaction, coefficients=COEFFICIENTS | {"p0_w_per_gpu": joules / STEP_S})


BASE = {
    "requests": 300,
    "models": [priced("a", 0.3, 1.0), priced("b", 0.6, 3.0), priced("c", 0.8, 9.0)],
    "tokens": {"prompt": {"kind": "geometric", "mean": 3000.0, "max": 9000}},
    "sla": {"alpha": 0.65},
    "arrivals": {"kind": "poisson", "rate_rps": 1.0},
    "cluster": {"mode": "none"},
    "router": {"V": 0.05, "c": 1.0, "kappa": 0.25, "predictor": {"learning_rate": 0.3}},
}

CASES = {
    "the paper's": {},
    "from explored answers only": {"router": {"learn": "explored"}},
    "explore one": {"router": {"explore": "chosen"}},
    "explore one, from explored answers only": {"router": {"explore": "chosen", "learn": "explored"}},
    "from explored answers only, late and few": {
        "router": {"learn": "explored", "explore": "chosen"},
        "feedback": {"probability": 0.5, "delay": {"kind": "lognormal", "mean_s": 9.0, "cv": 2.0}},
    },
    "user sees the first": {"router": {"reference": "a"}},
    "few ratings": {"feedback": {"probability": 0.3}},
    "late labels": {"feedback": {"delay": 5.0}},
    "late and few, in any order": {
        "feedback": {"probability": 0.5, "delay": {"kind": "lognormal", "mean_s": 9.0, "cv": 2.0}}
    },
    "late lessons from one": {
        "router": {"explore": "chosen"},
        "feedback": {"delay": {"kind": "exponential", "mean_s": 9.0}},
    },
    "two tenants": {"tenants": [{"name": "x", "alpha": 0.9}, {"name": "y", "share": 3.0, "alpha": 0.4}]},
    "tenants, late": {
        "tenants": [{"name": "x", "alpha": 0.9}, {"name": "y", "alpha": 0.4}],
        "feedback": {"delay": {"kind": "exponential", "mean_s": 3.0}},
    },
    "discount": {"router": {"discount": 0.9}},
    "window": {"router": {"window": 7}},
    "a queue that has begun": {"router": {"initial_queue": 5.0}},
    "begun, discount, tenants": {
        "tenants": [{"name": "x", "alpha": 0.9}, {"name": "y", "share": 3.0, "alpha": 0.4}],
        "router": {"initial_queue": 2.5, "discount": 0.9},
    },
    "target": {"router": {"target_queue": 4.0, "gain": 0.05}},
    "target, tenants": {
        "tenants": [{"name": "x", "alpha": 0.9}, {"name": "y", "share": 3.0, "alpha": 0.4}],
        "router": {"target_queue": 4.0, "gain": 0.05},
    },
    "mean": {"router": {"cost_estimate": "mean"}},
    "mean from a prior": {"router": {"cost_estimate": "mean", "cost_prior": 1.0}},
    "last explored": {"router": {"cost_estimate": "last_explored", "cost_prior": 1e-6}},
    "last explored, one at a time": {"router": {"cost_estimate": "last_explored", "explore": "chosen"}},
    "a better predictor": {"router": {"predictor": {"momentum": 0.9, "clip": 1.0, "weight_decay": 1e-3}}},
    "standardized": {"router": {"predictor": {"standardize": True, "momentum": 0.5, "weight_decay": 1e-3}}},
    "adagrad": {"router": {"predictor": {"optimizer": "adagrad", "start": "optimistic"}}},
    "raters err": {"feedback": {"false_positive": 0.3, "false_negative": 0.2}},
    "raters err, late": {"feedback": {"false_positive": 0.4, "delay": {"kind": "exponential", "mean_s": 9.0}}},
    "raters err, steered": {"feedback": {"false_negative": 0.4}, "router": {"target_queue": 4.0, "gain": 0.05}},
    "stars": {"satisfaction": {"grades": 5}},
    "stars of raters who err": {"satisfaction": {"grades": 3}, "feedback": {"false_positive": 0.3, "probability": 0.7}},
    "small chunks": {"record": {"chunk": 64}},
}


def case(name: str) -> dict:
    data = {**BASE}
    for key, value in CASES[name].items():
        data[key] = data.get(key, {}) | value if isinstance(value, dict) else value
    return scenario(**data)


@pytest.mark.parametrize("name", CASES)
def test_the_router_is_mess_plus(engine, name):
    r = run(case(name), engine)
    twin, records = twin_of(r), r.records
    everyone = list(range(len(r.satisfied)))
    decisions = []
    for i, now in enumerate(records.arrival_s):
        d = twin.decide(i, records.tenant[i], now)
        whole = d.explored and twin.options.explore == "all"
        twin.learn_cost(i, d.explored, everyone if whole else [d.model])
        decisions.append(d)
    assert records.explored.tolist() == [d.explored for d in decisions]
    assert records.model.tolist() == [d.model for d in decisions]
    assert records.score.tolist() == [d.score for d in decisions]
    # a window's sum is kept by adding and taking away: it may differ in the last bits
    np.testing.assert_allclose(records.queue, [d.queue for d in decisions], rtol=0, atol=1e-12)
    twin.deliver(np.inf)
    assert r.outcome.updates == twin.predictor.version > 10
    for k, tenant in enumerate(r.outcome.tenants):
        assert (tenant.delivered, tenant.queue_delivered) == (twin.delivered[k].rated, twin.delivered[k].plain)
        assert (tenant.rated, tenant.queue_plain) == (twin.tracked[k].rated, twin.tracked[k].plain)
        assert tenant.queue_tracked == pytest.approx(twin.tracked[k].q, abs=1e-12)
        assert tenant.queue_delivered_max == twin.delivered[k].plain_max
    assert len(set(records.model)) == 3  # every model was chosen: the case says something


def test_a_discounted_queue_keeps_a_plain_one_for_its_certificate(engine):
    r = run(case("discount"), engine)
    (tenant,) = r.outcome.tenants
    plain = 0.0
    for m, i in zip(r.records.model, range(len(r)), strict=True):
        plain = max(0.0, plain + (tenant.alpha - r.satisfied[m, i]))
    assert tenant.queue_plain == plain
    assert 0.0 < tenant.queue_tracked < plain
    sla = r.summary["sla"]
    assert (sla["queue_tracked_final"], sla["queue_plain_final"]) == (tenant.queue_tracked, plain)
    assert tenant.certificate == pytest.approx(tenant.alpha - plain / len(r), rel=1e-12)


def test_what_a_queue_began_with_is_owed_to_nobody(engine):
    """Of 40 answers none satisfies: Q grows by alpha each, and the bound is of what it grew by."""
    data = scenario(
        requests=40,
        sla={"alpha": 0.75},
        models=[model("only", NEVER)],
        tenants=[{"name": "x"}, {"name": "y"}],
        router={"initial_queue": 8.0, "instances": 2},
    )
    r = run(data, engine)
    assert r.records.queue[0] == 8.0
    sla = r.summary["sla"]
    assert (sla["queue_final"], sla["queue_initial"]) == (2 * 8.0 + 40 * 0.75, 4 * 8.0)
    assert sla["queue_tracked_final"] == sla["queue_plain_final"] == 4 * 8.0 + 40 * 0.75
    assert sla["certificate"] == sla["satisfaction"] == 0.0
    assert [t["certificate"] for t in r.summary["tenants"]] == [0.0, 0.0]
    assert r.outcome.timeline.samples[-1].certificate == 0.0


# ---- labels, by hand ------------------------------------------------------------------------------------


def test_an_immediate_label_moves_the_queue_before_the_next_decision(engine, tmp_path):
    """Even of the same instant, long before the answer is complete."""
    data = scenario(
        arrivals=trace(tmp_path, [0, 0, 0, 9]), requests=None, models=[model("only", NEVER)], sla={"alpha": 0.75}
    )
    r = run(data, engine).records
    assert r.queue.tolist() == [0, 0.75, 1.5, 2.25]
    assert r.feedback_s.tolist() == r.arrival_s.tolist()


def test_a_late_label_leaves_the_queue_stale(engine, tmp_path):
    delay = 2.0
    times = [0, 1, LASTS_S + delay, 1 + LASTS_S + delay]
    data = scenario(
        arrivals=trace(tmp_path, times), requests=None, models=[model("only", NEVER)], feedback={"delay": delay}
    )
    r = run(data, engine).records
    assert r.queue.tolist() == [0, 0, 0.5, 1.0]
    assert r.feedback_s.tolist() == (r.finish_s + delay).tolist()


def test_the_queue_falls_with_satisfaction_and_never_below_0(engine, tmp_path):
    data = scenario(arrivals=trace(tmp_path, [0, 1, 2, 3]), requests=None, models=[model("only", ALWAYS)])
    r = run(data, engine)
    assert r.records.queue.tolist() == [0, 0, 0, 0]
    assert r.summary["sla"]["queue_max"] == 0
    assert r.summary["sla"]["satisfaction"] == 1


def test_unrated_answers_move_one_queue_only(engine):
    f = 0.4
    r = run(scenario(requests=100, models=[model("only", NEVER)], feedback={"probability": f}), engine)
    rated = r.feedback < f
    assert 20 < rated.sum() < 60
    assert r.records.queue.tolist() == (0.5 * np.concatenate([[0], np.cumsum(rated)[:-1]])).tolist()
    assert np.isnan(r.records.feedback_s).tolist() == (~rated).tolist()
    sla = r.summary["sla"]
    assert sla["queue_final"] == 0.5 * 100
    assert sla["queue_tracked_final"] == 0.5 * rated.sum()
    assert sla["rated"] == r.summary["requests"]["with_feedback"] == rated.sum()


def test_a_cut_leaves_out_ratings_that_would_come_later(engine, tmp_path):
    """Of three answers, all in time, the third's rating would come after it."""
    times, delay = [0.0, 1.0, 2.0], 5.0
    cut = {"horizon_s": 1.5 + LASTS_S + delay, "arrivals": trace(tmp_path, times), "requests": None}
    r = run(scenario(models=[model("only", NEVER)], feedback={"delay": delay}, **cut), engine)
    assert r.summary["requests"]["completed"] == 3
    assert r.summary["sla"]["queue_final"] == 2 * 0.5
    assert r.summary["sla"]["rated"] == r.summary["requests"]["with_feedback"] == 2


def test_immediate_ratings_of_requests_in_flight_are_rated_but_on_no_record(engine, tmp_path):
    cut = {"horizon_s": 0.5 * LASTS_S, "arrivals": trace(tmp_path, [0.0, 0.0, 0.0]), "requests": None}
    r = run(scenario(models=[model("only", NEVER)], **cut), engine)
    assert r.summary["requests"]["in_flight"] == 3
    assert (r.summary["sla"]["rated"], r.summary["requests"]["with_feedback"]) == (3, 0)
    assert r.summary["sla"]["queue_final"] == 3 * 0.5


def test_nobody_rates(engine):
    r = run(scenario(feedback={"probability": 0.0}, router=EVERY_TIME), engine)
    assert r.outcome.updates == 0
    assert not r.records.queue.any()
    assert r.summary["sla"]["certificate"] is None
    assert r.summary["sla"]["queue_final"] > 0 or r.summary["sla"]["satisfaction"] >= 0.5


# ---- exploring ------------------------------------------------------------------------------------------


def spaced(folder, n=6, **changes) -> dict:
    """Requests so far apart that each copy is alone on its replica."""
    return scenario(arrivals=trace(folder, [60.0 * k for k in range(n)]), requests=None, **changes)


LENGTHS = (3, 5, 9)


def zoo(satisfaction=(0.3, 0.5, 0.7), **more) -> list[dict]:
    """Models with answers of 3, 5 and 9 tokens: alone, a copy costs POWER_W * STEP_S a token."""
    return [
        model(n, s, output={"kind": "constant", "tokens": o}, **more)
        for n, s, o in zip("abc", satisfaction, LENGTHS, strict=True)
    ]


COSTS = [POWER_W * STEP_S * o for o in LENGTHS]


@pytest.mark.parametrize("reference", [0, 1, 2])
def test_exploring_all_shows_the_references_answer_and_pays_for_all(engine, tmp_path, reference):
    data = spaced(tmp_path, models=zoo(), router=EVERY_TIME | {"reference": "abc"[reference]})
    r = run(data, engine)
    records = r.records
    assert records.explored.all()
    assert (records.model == reference).all()
    assert records.satisfied.tolist() == r.satisfied[reference].tolist()
    assert (records.finish_s == records.arrival_s + LENGTHS[reference] * STEP_S).all()
    assert (records.output_tokens == LENGTHS[reference]).all()
    assert (records.cost == sum(COSTS)).all()
    assert (records.exploration_cost == sum(COSTS) - COSTS[reference]).all()
    cost = r.summary["cost"]
    assert cost["exploration"] == 6 * (sum(COSTS) - COSTS[reference])
    assert cost["paper"] == 0  # of exploiting steps only
    assert cost["total"] == 6 * sum(COSTS) + cost["idle"]
    assert r.summary["models"][reference]["share"] == 1
    assert r.summary["models"][reference]["cost_per_request"] == COSTS[reference]
    assert r.summary["requests"]["explored"] == r.outcome.updates == 6


def test_exploring_one_asks_one(engine, tmp_path):
    data = spaced(tmp_path, 40, models=zoo(), router=EVERY_TIME | {"explore": "chosen"})
    r = run(data, engine)
    assert r.records.explored.all()
    assert r.records.model.tolist() == [int(u * 3) for u in r.uniforms[:, 1]]
    assert set(r.records.model) == {0, 1, 2}
    assert r.records.cost.tolist() == [COSTS[m] for m in r.records.model]
    assert not r.records.exploration_cost.any()
    assert r.outcome.updates == 40


def test_exploiting_asks_one_and_is_the_papers_cost(engine, tmp_path):
    r = run(spaced(tmp_path, models=zoo(), router=NO_TIME | {"learn": "explored"}), engine)
    assert not r.records.explored.any()
    assert r.records.cost.tolist() == [COSTS[m] for m in r.records.model]
    assert r.summary["cost"]["paper"] == r.records.cost.sum()
    assert r.outcome.updates == 0


def test_an_explored_request_learns_once_when_its_last_label_is_in(engine, tmp_path):
    """Copies end after 3, 5 and 9 iterations: only then does the score of the next request move."""
    last = LENGTHS[-1] * STEP_S
    plans = [routing.PLAN_ALL, 0, 0]
    own = OwnPolicy(lambda ask: plans[ask.request])
    data = scenario(
        arrivals=trace(tmp_path, [0, last - 1 / 64, last]),
        requests=None,
        models=zoo((ALWAYS, ALWAYS, NEVER)),
        feedback={"delay": 0.0},
        router={"policy": "own"},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(routing.POLICIES, "own", with_predictor(own))
        run(data, engine)
    assert own.asked[1].scores == [0.5, 0.5, 0.5]
    assert own.asked[2].scores[0] > 0.5
    assert own.asked[2].scores[2] < 0.5


def with_predictor(own: OwnPolicy):
    """A policy of one's own over the predictor of MESS+."""

    def build(options, models, features):
        own.policy["predictor"] = routing.POLICIES["mess+"](options, models, features).predictor
        return own.build(options, models, features)

    return build


# ---- rejected and lost copies ---------------------------------------------------------------------------


def crowded(folder, reference: str, labels) -> dict:
    """Two explored requests; `a` has one place and turns the second away, `b` has room."""
    return scenario(
        arrivals=trace(folder, [0, STEP_S, 60]),
        requests=None,
        models=[
            model("a", ALWAYS, output={"kind": "constant", "tokens": 40}, max_num_seqs=1),
            model("b", NEVER, output={"kind": "constant", "tokens": 4}),
        ],
        router=EVERY_TIME | {"reference": reference},
        cluster={"admission": {"max_waiting": 0}},
        feedback={"delay": labels},
    )


@pytest.mark.parametrize("labels", ["immediate", 1.0])
def test_a_rejected_copy_is_left_out_of_the_lesson(engine, tmp_path, labels):
    r = run(crowded(tmp_path, "b", labels), engine)
    assert r.statuses == ["completed"] * 3
    assert r.summary["requests"]["rejected"] == 0
    lessons = [(0, (1.0, 0.0)), (1, (np.nan, 0.0))]  # (request, labels) in order of their last label
    twin = twin_of(r)
    for i, of_copies in lessons if labels == "immediate" else lessons[::-1]:
        twin.predictor.learn(np.ascontiguousarray(r.features[:, i]), np.array(of_copies))
    assert r.records.score[2] == score_of(twin, r, 2)
    assert r.outcome.updates == 3
    assert r.records.exploration_cost[1] == 0  # only b's copy was served
    assert r.records.cost[1] > 0


def score_of(twin: Router, r: Run, i: int) -> float:
    scores = np.empty((len(r.satisfied), 1))
    twin.predictor.score(np.ascontiguousarray(r.features[:, i : i + 1]), scores)
    return scores[r.records.model[i], 0]


@pytest.mark.parametrize("labels", ["immediate", 1.0])
def test_a_rejected_answer_rejects_the_request_but_others_are_finished_and_paid(engine, tmp_path, labels):
    r = run(crowded(tmp_path, "a", labels), engine)
    assert r.statuses == ["completed", "rejected", "completed"]
    b_alone = POWER_W * STEP_S * 4
    shared = r.records.cost[1]
    assert 0 < shared < b_alone  # it ran beside the first request's copy on b for three iterations
    assert r.records.exploration_cost[1] == shared
    assert r.records.model[1] == 0
    assert np.isnan(r.records.finish_s[1])
    assert r.records.queue.tolist() == [0, 0, 0]
    assert r.outcome.tenants[0].delivered == 2
    assert r.outcome.updates == 3  # b's label of the second request teaches b
    metered = sum(p["energy_j"] for p in r.summary["pools"])
    assert r.records.energy_j.sum() == pytest.approx(metered, rel=1e-12)
    assert r.summary["cost"]["lost"] == shared


@pytest.mark.parametrize("labels", ["immediate", 1.0])
def test_a_lost_copy_has_no_late_label(engine, tmp_path, labels):
    """`a` fails under the first request. Late labels: it never gets one. Immediate ones were in already."""
    outage = {"pool": "a", "at_s": STEP_S, "for_s": 30.0}
    data = crowded(tmp_path, "b", labels)
    data["cluster"] = {"failures": {"on_failure": "lose", "schedule": [outage]}}
    data["arrivals"] = trace(tmp_path, [0, 60])
    r = run(data, engine)
    assert r.statuses == ["completed"] * 2
    twin = twin_of(r)
    lesson = (1.0, 0.0) if labels == "immediate" else (np.nan, 0.0)
    twin.predictor.learn(np.ascontiguousarray(r.features[:, 0]), np.array(lesson))
    assert twin.predictor.bias.tolist() != [0, 0]
    assert r.records.score[1] == score_of(twin, r, 1)
    assert r.outcome.updates == 2
    assert r.records.exploration_cost[0] == POWER_W * STEP_S  # the lost copy is paid for


def test_every_run_asserts_its_certificates(engine, monkeypatch):
    asserted = []
    for module in ("compiled", "instances"):
        monkeypatch.setattr(f"messsim.engines.{module}.assert_certified", asserted.append)
    run(scenario(requests=50), engine)
    assert asserted
    assert all(asserted)
    with pytest.raises(AssertionError, match="certificate does not hold"):
        assert_certified(False)
