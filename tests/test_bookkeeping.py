"""What is counted, weighed and matched where something failed, or where parts are of unequal size."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from builders import imported_log, model, pool, scenario

from messsim.errors import SimulationError
from messsim.logs.traces import TraceColumns
from messsim.results.summary import _mean_utilization
from messsim.scenario import parse
from messsim.scenario.transfer import Transfer
from messsim.study import sweep as sweeping
from messsim.study.converge.convergence import _quantiles
from messsim.study.plan.candidates import axes_of
from messsim.study.plan.capacity import Carrying, quantiles_of
from messsim.study.plan.cheapest import plan
from messsim.study.plan.goal import Goal
from messsim.study.replicate import _all_precise
from messsim.study.runs.summaries import local_workers, summary_of
from messsim.study.simulation.check import _batch, _broken_promises, check
from messsim.study.sweep import sweep

# ---- rows that failed -----------------------------------------------------------------------------------


def test_a_tenant_stays_with_its_row_where_failed_rows_are_skipped(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text(
        "arrival_s,prompt_tokens,output_tokens,who\n"
        "5,50,5,e\n"
        "1,,,failed\n"
        "3,30,3,c\n"
        "0,,,failed too\n"
        "2,20,2,b\n"
    )  # fmt: skip
    columns = TraceColumns("arrival_s", "prompt_tokens", "output_tokens", "who")
    frame = imported_log(log, columns, skip=True).frame
    assert frame.rows() == [(0.0, 20, 2, "b"), (1.0, 30, 3, "c"), (3.0, 50, 5, "e")]


def test_a_figure_that_some_replications_lack_is_not_precise():
    runs = [{"x": 1.0}, {"x": 1.0}, {"x": None}, {"x": 1.0}]
    assert not _all_precise(runs, ["x"], 0.5)
    assert _all_precise([*runs[:2], *runs[:2]], ["x"], 0.5)
    assert not _all_precise([{"x": 1.0, "y": v} for v in (1.0, 9.0, -4.0)], ["x", "y"], 0.5)


@pytest.fixture
def failing(monkeypatch):
    """Of the points of a sweep, the one at V = 0.1 fails in its second replication."""
    row = sweeping._row

    def fail(task):
        if task[1] == {"router.V": 1e-1} and task[0].replication == 1:
            raise SimulationError("a bad day")
        return row(task)

    monkeypatch.setattr(sweeping, "_row", fail)


def test_failed_runs_of_a_sweep_are_counted_once(failing, tmp_path):
    points, rows = [{"router.V": 1e-3}, {"router.V": 1e-1}], []
    more = {"seeds": 3, "out": tmp_path / "o", "on_progress": lambda done, total: rows.append((done, total))}
    swept = sweep(parse(scenario()), points, workers=local_workers(1), **more)
    assert rows == [(k, 6) for k in range(7)]
    assert (swept["computed"], swept["resumed"], len(swept["failures"])) == (5, 0, 1)
    assert [p["replications"] for p in swept["points"]] == [3, 2]
    rows.clear()
    again = sweep(parse(scenario()), points, workers=local_workers(1), **more)
    assert rows == [(5, 6), (6, 6)]
    assert (again["computed"], again["resumed"], len(again["failures"])) == (0, 5, 1)


# ---- quantiles ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "p25", "p50", "p75"),
    [(1, 1, 1, 1), (2, 1, 1, 2), (3, 1, 2, 3), (4, 1, 2, 3), (5, 2, 3, 4), (6, 2, 3, 5), (10, 3, 5, 8)],
)
def test_a_quantile_is_the_least_value_with_its_share_at_or_below(count, p25, p50, p75):
    values = list(np.random.default_rng(count).permutation(np.arange(1.0, count + 1)))
    result = _quantiles(values)
    assert (result["p25"], result["p50"], result["p75"]) == (p25, p50, p75)


# ---- pools of one model, of unequal size ----------------------------------------------------------------

TWO_POOLS = {
    "models": [{"name": "m", "satisfaction": 0.6}, {"name": "n", "satisfaction": 0.8}],
    "pools": [pool("m", name="one", replicas=1), pool("m", name="three", replicas=3), pool("n", name="rest")],
}


def test_the_utilisation_of_a_model_weighs_its_pools_by_their_replicas():
    pools = [SimpleNamespace(utilization=u, replicas=r) for u, r in ((0.8, 1), (0.4, 3), (None, 9))]
    assert _mean_utilization(pools) == pytest.approx((0.8 + 3 * 0.4) / 4)
    assert _mean_utilization(pools[2:]) is None


def test_the_utilisation_of_unequal_pools_in_a_run():
    data = scenario(requests=400, router={"policy": "random"}, **TWO_POOLS)
    summary = summary_of(parse(data))
    used = {p["name"]: (p["utilization"], p["replicas"]) for p in summary["pools"]}
    (one, _), (three, _) = used["one"], used["three"]
    assert one != pytest.approx(three, rel=0.01)
    assert summary["models"][0]["utilization"] == pytest.approx((one + 3 * three) / 4)


def test_gpus_are_those_of_all_replicas():
    pools = [pool("a", replicas=3, tp=2), pool("a", name="large", tp=4), pool("b", replicas=2)]
    models = [{"name": name, "satisfaction": 0.5} for name in "ab"]
    assert summary_of(parse(scenario(requests=5, models=models, pools=pools)))["cost"]["gpus"] == 3 * 2 + 4 + 2
    free = [m | {"cost_per_request": 1.0} for m in models]
    assert summary_of(parse(scenario(requests=5, models=free, cluster={"mode": "none"})))["cost"]["gpus"] is None


def test_a_check_offers_unequal_pools_what_their_replicas_stand_for():
    checklist = check(parse(scenario(requests=400, router={"policy": "random"}, **TWO_POOLS)))
    offered = {p["name"]: p["offered_rps"] for p in checklist["pools"]}
    assert offered["three"] == pytest.approx(3 * offered["one"])
    assert sum(offered.values()) == pytest.approx(2.0, rel=0.05)


def test_a_check_offers_each_half_of_a_split_pool_every_request():
    half = {"kv_bytes_per_token": 1.0, "kv_capacity_tokens": 400}
    pools = [pool("a", name="p", role="prefill", **half), pool("a", name="d", role="decode", replicas=3, **half)]
    split = {"models": [{"name": "a", "satisfaction": 0.6}], "pools": pools, "router": {"policy": "random"}}
    offered = {p["name"]: p["offered_rps"] for p in check(parse(scenario(requests=400, **split)))["pools"]}
    assert offered["p"] == offered["d"] == pytest.approx(2.0, rel=0.05)


# ---- what a plan leaves out -----------------------------------------------------------------------------


def test_a_plan_assumes_nothing_where_more_replicas_do_not_help_all_that_is_unmet():
    parsed = parse(scenario(requests=60))
    axes = axes_of(parsed, ["large=1..4"], [])

    def counts(*wanted):
        return plan(parsed, Goal(axes, wanted, "energy", seeds=2), workers=local_workers(1))["counts"]

    slow, dear = "latency_s.e2e.mean<=1e-9", "cost.total<=1e-9"
    assert counts(slow)["assumed"] == 3
    assert counts(dear)["assumed"] == 0
    assert counts(slow, dear)["assumed"] == 0


def test_a_plan_assumes_of_what_one_replication_misses_whatever_more_replicas_help():
    overloaded = {"arrivals": {"kind": "poisson", "rate_rps": 20.0}, "models": [model("only")]}
    parsed = parse(scenario(requests=240, router={"policy": "cheapest"}, **overloaded))
    slow, few = "latency_s.e2e.mean<=3", "throughput.requests_per_s>=12"
    result = plan(
        parsed, Goal(axes_of(parsed, ["only=1..4"], []), (slow, few), "energy", seeds=3), workers=local_workers(1)
    )
    once = [c for c in result["frontier"] if c["replications"] == 1]
    assert [[r["verdict"] for r in c["requirements"]] for c in once] == [["failed", "failed"]], "of two replicas"
    assert result["counts"]["assumed"] == 1, "one replica, as it is slower still"


def carrying(bounds, capacity, shares, rate=1.0, length=100, places=0):
    """One with given figures: a pool of one replica for each model."""
    result = object.__new__(Carrying)
    result._bounds, result._rate, result._length, result._shares = bounds, rate, length, shares
    result._sustained = {f"p{m}": (m, "both", rps / 1.25) for m, rps in enumerate(capacity)}
    result._places = {f"p{m}": places for m in range(len(capacity))}
    result._transfer, result._pools, result._prompt_tokens = Transfer(), [], 0.0
    return result


def enough(*arguments, **options):
    result = carrying(*arguments, **options)
    return result.enough(dict.fromkeys(result._sustained, 1))


def test_what_can_just_be_carried_is_carried():
    assert enough([(0.5, 0.0)], [0.5], [1.0])
    assert not enough([(0.5, 0.0)], [0.4999], [1.0])
    assert enough([(0.75, 0.0)], [0.5, 0.25], [0.5, 0.5])
    assert not enough([(0.75, 0.0)], [0.5, 0.2499], [0.5, 0.5])
    assert not enough([(0.75, 0.0)], [9.0, 0.2499], [0.5, 0.5])  # one pool serves nobody else's share
    assert enough([(0.5, 100.0)], [0.25], [1.0])  # it may take as long again
    assert not enough([(0.5, 99.0)], [0.25], [1.0])
    assert enough([(0.5, 0.0)], [0.25], [1.0], places=25)  # as many still run
    assert not enough([(0.5, 0.0)], [0.25], [1.0], places=24)
    assert enough([(0.5, 0.0)], [0.25], [0.5, 0.5])  # a model without pools of its own
    assert not enough([(0.25, 0.0), (0.5, 0.0)], [0.4], [1.0])


def test_only_bounds_from_above_on_latencies_with_a_wait_count():
    from messsim.results.figures import Requirement

    wanted = ["latency_s.ttft.p95<=2", "latency_s.tpot.p95<=2", "latency_s.e2e.mean<=2", "latency_s.e2e.p50>=2"]
    assert quantiles_of([Requirement.parse(w) for w in wanted]) == [(0.95, 2.0)]


def test_rows_of_a_sweep_stand_by_point_and_replication(failing, tmp_path):
    points = [{"router.V": 1e-3}, {"router.V": 1e-1}]
    sweep(parse(scenario()), points, seeds=2, workers=local_workers(1), out=tmp_path / "o")
    rows = pl.read_parquet(tmp_path / "o" / "results.parquet")
    assert rows["replication"].to_list() == [0, 1, 0, 1]
    assert rows["error"].is_null().to_list() == [True, True, True, False]


def test_a_promise_out_of_reach_is_named_by_its_tenant_where_there_are_several():
    promises = [
        {"tenant": name, "alpha": alpha, "reachable": alpha < 0.8, "best_model": 0.6, "any_model": 0.75, "most": 0.75}
        for name, alpha in (("x", 0.9), ("y", 0.7), ("z", 0.95))
    ]
    because = "out of reach: all models together satisfy 75.00%"
    assert _broken_promises(promises[:1]) == [f"sla.alpha = 0.9: {because}"]
    assert _broken_promises(promises[:2]) == [f"sla.alpha = 0.9 of tenant x: {because}"]
    assert len(_broken_promises(promises)) == 2


# ---- batches of a probe ---------------------------------------------------------------------------------------------


def test_batches_of_a_probe_are_over_all_replicas_of_a_model():
    """Until 10 s: model 0 has 3 replicas, half busy, and one that is always; model 1 is never, model 2 hardly asked."""
    pools = [(0, 0.5, 3), (0, 1.0, 1), (1, None, 5), (2, 1.0, 1)]
    outcome = SimpleNamespace(
        last_arrival_s=10.0,
        pools=[SimpleNamespace(model=m, utilization=busy, replicas=n) for m, busy, n in pools],
    )
    columns = {
        "model": np.array([0, 0, 0, 0, 0, 0, 2]),
        "start_s": np.array([0.0, 5.0, np.nan, 2.0, 12.0, -30.0, 3.0]),
        "finish_s": np.array([10.0, 20.0, 9.0, np.nan, 15.0, 10.0, 4.0]),
    }
    served = [SimpleNamespace(columns={k: v[part] for k, v in columns.items()}) for part in (slice(2), slice(2, 7))]
    assert [_batch(served, outcome, m) for m in range(3)] == [(10 + 5 + 40) / 25, None, 1.0]
