"""Latency objectives by tenant: the share of requests within all of them, and how many a second that are."""

import numpy as np
import pytest
from builders import model, run, scenario, trace

from messsim.errors import ScenarioError
from messsim.scenario import Scenario, parse


def within(r, tenant, ttft_s=np.inf, tpot_s=np.inf, e2e_s=np.inf):
    """Requests of a tenant that kept all objectives, by their records."""
    c = r.records
    with np.errstate(invalid="ignore", divide="ignore"):
        tpot = np.where(c.output_tokens > 1, (c.finish_s - c.first_token_s) / (c.output_tokens - 1), 0.0)
    good = (c.first_token_s - c.arrival_s <= ttft_s) & (tpot <= tpot_s) & (c.finish_s - c.arrival_s <= e2e_s)
    return int((good & (c.tenant == tenant)).sum()), int((c.tenant == tenant).sum())


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_each_tenant_has_objectives_of_its_own(engine):
    strict = {"ttft_s": 0.5, "e2e_s": 1.2}
    data = scenario(
        requests=200,
        models=[model("only", max_num_seqs=2)],
        tenants=[{"name": "a", "objectives": strict}, {"name": "b"}, {"name": "c", "objectives": {}}],
        slo={"e2e_s": 5.0},
    )
    r = run(data, engine)
    counts = [within(r, 0, **strict), within(r, 1, e2e_s=5.0), within(r, 2)]
    assert all(good > 0 for good, _ in counts[:2])
    assert counts[0][0] < counts[0][1]
    tenants = r.summary["tenants"]
    for tenant, (good, arrived) in list(zip(tenants, counts, strict=True))[:2]:
        assert tenant["slo"]["attainment"] == good / arrived
        assert tenant["slo"]["goodput_rps"] == good / r.summary["throughput"]["duration_s"]
    assert tenants[0]["slo"]["ttft_s"] == 0.5
    assert tenants[1]["slo"]["e2e_s"] == 5.0
    assert tenants[2]["slo"] == {"ttft_s": None, "tpot_s": None, "e2e_s": None, "attainment": None, "goodput_rps": None}
    total = sum(good for good, _ in counts)
    assert r.summary["slo"]["attainment"] == total / 200
    assert r.summary["slo"]["e2e_s"] == 5.0


@pytest.mark.parametrize(
    "changes", [{"feedback": {"delay": 1e5}}, {"models": [model("only", max_num_seqs=2, detokenize_s=2.0)]}]
)
def test_goodput_and_throughput_are_per_second_of_the_same_time(changes):
    """Late ratings, and answers that are detokenized after all else, change neither."""
    data = scenario(requests=50, models=[model("only", max_num_seqs=2)], slo={"e2e_s": 1e6}) | changes
    s = run(data, "compiled").summary
    assert s["slo"]["goodput_rps"] == s["throughput"]["requests_per_s"] > 0
    assert s["throughput"]["duration_s"] < 1e4


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_goodput_counts_the_time_in_which_nobody_is_answered(engine):
    """The only replica fails early and for good; clients go on coming, and give up."""
    data = scenario(
        requests=None,
        horizon_s=400.0,
        arrivals={"kind": "poisson", "rate_rps": 1.0},
        models=[model("only", max_num_seqs=2)],
        slo={"e2e_s": 1e6},
        clients={"patience_s": 5.0},
        feedback={"delay": 0.0},
        cluster={"failures": {"schedule": [{"pool": "only", "replica": 0, "at_s": 20.0, "for_s": 1e9}]}},
    )
    r = run(data, engine)
    good = r.summary["requests"]["completed"]
    assert 0 < r.summary["throughput"]["duration_s"] < 100
    assert r.outcome.last_arrival_s > 300
    assert r.summary["slo"]["goodput_rps"] == good / r.outcome.last_arrival_s


def test_goodput_of_nothing_in_time_is_0():
    s = run(scenario(requests=20, slo={"e2e_s": 1e-9}), "compiled").summary
    assert s["slo"]["goodput_rps"] == s["slo"]["attainment"] == 0


def test_promises_are_read_equally_often_for_any_number_of_tenants(monkeypatch):
    """Else a summary of thousands takes minutes."""
    of_scenario = Scenario.promises.fget
    reads = []
    monkeypatch.setattr(Scenario, "promises", property(lambda self: reads.append(self) or of_scenario(self)))
    counts = []
    for tenants in (2, 20, 100):  # few and many have histograms of different kinds
        reads.clear()
        run(scenario(requests=50, tenants=[{"name": f"t{k}"} for k in range(tenants)]))
        counts.append(len(reads))
    assert counts[0] == counts[1] == counts[2] > 0


def test_an_objective_is_kept_at_its_edge_and_an_answer_that_never_comes_keeps_none(tmp_path):
    """Three iterations of 0.25 s, one place: answers take 0.75 s and 1.5 s; who is turned away counts as missed."""
    data = scenario(
        requests=3,
        arrivals=trace(tmp_path, [0, 0, 0]),
        models=[model("only", max_num_seqs=1)],
        cluster={"admission": {"max_waiting": 1}},
    )
    for e2e_s, share in [(0.75, 1 / 3), (1.5, 2 / 3), (0.74, 0.0)]:
        assert run(data | {"slo": {"e2e_s": e2e_s}}, "compiled").summary["slo"]["attainment"] == share


def test_bad_objectives_are_refused():
    with pytest.raises(ScenarioError, match=r"tenants.0.objectives.ttft_s = 0: expected above 0"):
        parse(scenario(tenants=[{"name": "a", "objectives": {"ttft_s": 0}}]))
