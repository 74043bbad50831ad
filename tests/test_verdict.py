"""One verdict on a promise, with one tolerance, wherever it is spoken of."""

import numpy as np
import pytest
from builders import ALWAYS, NEVER, model, scenario

from messsim import _core
from messsim.results.figures import Requirement
from messsim.results.histogram import LogHistogram
from messsim.results.running import Running
from messsim.results.verdict import TOLERANCE, Verdict, falls_short, mean_alpha, verdict_of, verdict_of_all
from messsim.results.windows import LastAnswers, Periods
from messsim.routing.mixing import best_single, cheapest_mix
from messsim.scenario import parse
from messsim.study import run
from messsim.study.runs import verdicts
from messsim.study.runs.verdicts import is_promise


def test_rounding_is_no_miss_and_anything_more_is():
    assert verdict_of(0.1 + 0.2, 0.3) == verdict_of(0.3, 0.1 + 0.2) == Verdict(True, 0.0)
    assert verdict_of(0.3 - 3e-9, 0.3).kept is False
    assert verdict_of(0.3 - 0.5e-9, 0.3).kept is True
    assert verdict_of(None, 0.3) == Verdict(None, None)
    assert falls_short(np.array([0.3, 0.2, np.nan]), 0.3).tolist() == [False, True, False]


def test_one_missed_tenant_is_a_missed_promise():
    assert verdict_of_all([Verdict(True, 0.2), Verdict(False, -0.1), Verdict(None, None)]) == Verdict(False, -0.1)
    assert verdict_of_all([Verdict(None, None)]) == Verdict(None, None)


def test_alpha_is_rounded_once():
    assert mean_alpha([0.1], [3]) == 0.1
    assert mean_alpha([0.7, 0.7, 0.9], [11, 3, 0]) == 0.7
    assert mean_alpha([0.2, 0.6], [1, 3]) == pytest.approx(0.5, abs=1e-16)
    assert mean_alpha([0.2], [0]) is None


@pytest.mark.parametrize("short", [0.0, 0.5, 3.0])
def test_curves_windows_and_baselines_have_the_same_tolerance(short):
    """Answers that miss alpha by a multiple of the tolerance."""
    n, alpha = 10, 0.7
    missed = short > 1
    satisfied, alphas = np.full(n, alpha - short * TOLERANCE), np.full(n, alpha)
    running = Running()
    running.add(np.arange(n), satisfied, alphas, np.ones(n))
    assert (running.last_short == n - 1) is missed
    for windows in (Periods(5.0), LastAnswers(5)):
        windows.add(np.arange(n, dtype=float), satisfied, alphas)
        assert (windows.close(10.0).violated > 0) is missed
    assert (best_single([satisfied[0]], [1.0], alpha) is None) is missed
    assert (cheapest_mix([satisfied[0]], [1.0], alpha) is None) is missed
    assert verdict_of(satisfied[0], alpha).kept is not missed


def test_the_tolerance_is_that_of_the_kernel():
    assert _core.KEPT_TOLERANCE == TOLERANCE == 1e-9


@pytest.mark.parametrize("alpha", [0.1, 0.3, 0.7, 0.9])
def test_no_shortfall_where_satisfaction_is_alpha(alpha):
    """Ten requests to be satisfied ten alpha times: a table in its order."""
    data = scenario(requests=1000, sla={"alpha": alpha}, models=[model("only", ALWAYS)])
    data["satisfaction"] = {"kind": "irt"}
    data["models"][0]["satisfaction"] = alpha
    sla = run(parse(data)).summary["sla"]
    assert sla["alpha"] == alpha
    assert sla["margin"] == pytest.approx(sla["satisfaction"] - alpha, abs=1e-12)
    assert sla["shortfall"] == max(0.0, -sla["margin"])
    assert sla["kept"] is (sla["margin"] >= 0)


@pytest.mark.parametrize(
    ("text", "promise"),
    [
        ("sla.satisfaction>=0.5", True),
        ("sla.margin>=0", True),
        ("tenants.gold.satisfaction>=0.5", True),
        ("tenants.gold.margin>=0", True),
        ("sla.satisfaction<=0.5", False),
        ("tenants.gold.margin<=0", False),
        ("tenants.gold.queue_final>=0", False),
        ("cost.satisfaction>=0.5", False),
        ("latency_s.e2e.p95>=1", False),
    ],
)
def test_what_bounds_satisfaction_from_below_is_a_promise(text, promise):
    """Met where nine in ten replications hold it: here 18 of 20 do, and the mean lies below the bound."""
    requirement = Requirement.parse(text)
    assert is_promise(requirement) == promise
    if promise:
        column = requirement.path.replace(".", "_")
        rows = [{column: requirement.bound + 0.001}] * 18 + [{column: requirement.bound - 0.4}] * 2
        judged = verdicts.verdict_of(requirement, rows)
        assert (judged["verdict"], judged["kept"]) == ("met", 18)
        assert verdicts.verdict_of(requirement, rows[1:])["verdict"] == "failed"


def test_a_summary_tells_each_tenant_and_all():
    tenants = [{"name": "x", "alpha": 0.9}, {"name": "y", "alpha": 0.0}]
    s = run(parse(scenario(tenants=tenants, models=[model("only", NEVER)], requests=50))).summary
    assert [(t["kept"], t["margin"]) for t in s["tenants"]] == [(False, -0.9), (True, 0.0)]
    assert (s["sla"]["kept"], s["sla"]["margin"]) == (False, -0.9)


def test_percentiles_reach_far_and_then_are_none():
    far = LogHistogram()
    far.add(np.array([3e7, 3e7, 1e12]))
    p50, p99 = far.quantiles([0.5, 0.99])
    assert p50 == pytest.approx(3e7, rel=LogHistogram.RELATIVE_ERROR)
    assert p99 == pytest.approx(1e12, rel=LogHistogram.RELATIVE_ERROR)
    beyond = LogHistogram()
    beyond.add(np.array([1.0, 1e13]))
    assert beyond.quantiles([0.4, 0.99]) == [pytest.approx(1.0, rel=1e-3), None]


def test_times_without_digits_are_told():
    slow = {"kind": "poisson", "rate_rps": 1e-9}
    notes = run(parse(scenario(arrivals=slow, requests=100))).notes
    assert any("is known to" in n for n in notes)
    assert not any("is known to" in n for n in run(parse(scenario(requests=100))).notes)
