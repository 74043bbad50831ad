"""Raters who err: what they say, what the router believes, and what stays true."""

import numpy as np
import pytest
from builders import ALWAYS, NEVER, model, run, scenario

from messsim.report.run.summary import run_summary
from messsim.results import timeline_frame


@pytest.fixture(params=["simpy", "compiled"])
def engine(request) -> str:
    return request.param


def drawn(**feedback):
    return run(scenario(requests=4000, feedback=feedback, record={"chunk": 64}, cluster={"mode": "none"}, **FREE))


FREE = {"models": [{"name": n, "satisfaction": s, "cost_per_request": 1.0} for n, s in (("a", 0.4), ("b", 0.8))]}


def share_wrong(r, which) -> float:
    return float((r.labels != r.satisfied)[which].mean())


@pytest.mark.parametrize(("false_positive", "false_negative"), [(0.3, 0.0), (0.0, 0.2), (0.1, 0.5), (1.0, 1.0)])
def test_each_direction_errs_as_often_as_said(false_positive, false_negative):
    r = drawn(false_positive=false_positive, false_negative=false_negative)
    bad, good = r.satisfied == 0, r.satisfied == 1
    for which, p in ((bad, false_positive), (good, false_negative)):
        assert abs(share_wrong(r, which) - p) <= 4 * np.sqrt(p * (1 - p) / which.sum())
    assert set(np.unique(r.labels)) <= {0.0, 1.0}


def test_errors_change_nothing_else_that_is_drawn():
    plain, erring = drawn(), drawn(false_positive=0.3)
    np.testing.assert_array_equal(plain.satisfied, erring.satisfied)
    np.testing.assert_array_equal(plain.uniforms, erring.uniforms)


def test_raters_err_about_each_model_by_themselves():
    wrong = (lambda r: r.labels != r.satisfied)(drawn(false_positive=0.5, false_negative=0.5))
    both = float(np.mean(wrong[0] & wrong[1]))
    assert abs(both - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 4000)


@pytest.mark.parametrize("delay", ["immediate", 1.0])
def test_the_router_believes_what_it_is_told(engine, delay):
    """Nobody is satisfied and all say they are: the tracked queue stays 0, the true one grows by alpha a request."""
    feedback = {"false_positive": 1.0, "delay": delay}
    r = run(scenario(models=[model("only", NEVER)], sla={"alpha": 0.75}, feedback=feedback), engine)
    assert not r.records.queue.any()
    assert not r.records.satisfied.any()
    sla = r.summary["sla"]
    assert (sla["queue_final"], sla["queue_tracked_final"]) == (0.75 * 40, 0.0)
    assert (sla["satisfaction"], sla["satisfaction_rated"]) == (0.0, 1.0)


def test_who_is_told_of_failures_buys_quality_that_nobody_misses(engine):
    """All are satisfied by both models and say they are not: the queue drives the router to the dear one."""
    models = [model("cheap", ALWAYS), model("dear", ALWAYS)]
    quiet = {"models": models, "router": {"c": 1.0, "kappa": 0.5}, "requests": 200}
    plain = run(scenario(**quiet), engine)
    reported = run(scenario(feedback={"false_negative": 1.0}, **quiet), engine)
    assert reported.records.queue[-1] > 50 > 1 > plain.records.queue[-1]
    assert reported.summary["sla"]["satisfaction"] == 1.0


def test_there_is_no_certificate_where_raters_err(engine):
    r = run(scenario(feedback={"false_negative": 0.1}), engine)
    summary = r.summary
    assert summary["sla"]["certificate"] is summary["tenants"][0]["certificate"] is None
    assert timeline_frame(r.setup.scenario, r.outcome, r.tally.running)["certificate"].null_count() == 40
    verdict = "".join(str(c) for part in run_summary(summary, []).renderables for c in getattr(part, "columns", [part]))
    assert run(scenario(), engine).summary["sla"]["certificate"] is not None
    assert "raters err" in verdict


# ---- who says anything ------------------------------------------------------------------------------------


def test_satisfied_users_rate_as_often_as_said():
    r = drawn(satisfied_rate=0.3)
    silent = np.isnan(r.labels)
    assert not silent[r.satisfied == 0].any()
    heard = 1.0 - silent[r.satisfied == 1].mean()
    assert abs(heard - 0.3) < 4 * np.sqrt(0.3 * 0.7 / (r.satisfied == 1).sum())
    np.testing.assert_array_equal(r.labels[~silent], r.satisfied[~silent])


@pytest.mark.parametrize("delay", ["immediate", 1.0])
def test_only_complaints_are_heard(engine, delay):
    r = run(scenario(requests=200, feedback={"satisfied_rate": 0.0, "delay": delay}), engine)
    bad = r.records.satisfied == 0
    assert 20 < bad.sum() < 180
    np.testing.assert_array_equal(~np.isnan(r.records.feedback_s), bad)
    (tenant,) = r.outcome.tenants
    assert (tenant.rated, tenant.rated_satisfied, tenant.delivered) == (bad.sum(), 0, 200)
    assert r.summary["sla"]["certificate"] is None


@pytest.mark.parametrize("delay", ["immediate", 1.0])
def test_one_sided_ratings_teach_of_the_answer_that_was_seen_alone(engine, delay):
    """All requests explore and `large` is the reference: of `small` nothing is ever learnt."""
    data = {"requests": 100, "router": {"c": 1.0, "kappa": 0.0}, "features": {"dimensions": 1}}
    seen = {}
    for one_sided in (False, True):
        r = run(scenario(feedback={"one_sided": one_sided, "delay": delay}, **data), engine)
        assert r.summary["requests"]["explored"] == 100
        scores = np.empty((2, 1))
        r.setup.policy.predictor.score(np.zeros((1, 1)), scores, 0, 1)
        seen[one_sided] = scores[:, 0]
    assert seen[True][0] == 0.5 != seen[False][0]
    assert seen[True][1] == seen[False][1] > 0.6
