"""Plans: what may be chosen, the search, verdicts by intervals, and the whole against trying everything."""

import contextlib
import io
import itertools
import json
from types import SimpleNamespace

import polars as pl
import pytest
import tomli_w
from builders import model, pool, scenario
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import cells

from messsim.cli import app
from messsim.errors import ScenarioError, SimulationError
from messsim.report.plan.answer import plan_tables
from messsim.report.plan.page import plan_page
from messsim.report.study.points import spread
from messsim.results.figures import Requirement
from messsim.scenario import parse, with_values
from messsim.study.plan import candidate_runs as plan_runs
from messsim.study.plan.answer import _assumptions
from messsim.study.plan.candidate_runs import CandidateRuns
from messsim.study.plan.candidates import Candidate, Kind, axes_of, candidates_of, usd_per_hour
from messsim.study.plan.capacity import Carrying, quantiles_of
from messsim.study.plan.cheapest import plan
from messsim.study.plan.goal import Goal
from messsim.study.plan.search import Evaluation, Search
from messsim.study.runs.rows import row_of
from messsim.study.runs.summaries import local_workers, summary_of
from messsim.study.runs.verdicts import out_of_reach, overall, verdict_of

# ---- what may be chosen ---------------------------------------------------------------------------------

LLAMA = {"profile": "Llama-3.1-8B", "gpu": "H100"}


def served(**more):
    """The 8B on built-in profiles twice, and figures of its own."""
    models = [{"name": "8b", "satisfaction": 0.4}, model("own", 0.6), model("70b", 0.8)]
    models[2] |= {"profile": "Llama-3.1-70B", "gpu": "H100", "tp": 4}
    del models[2]["coefficients"]
    pools = [{"model": "8b", **LLAMA}, {"model": "8b", "name": "more", **LLAMA, "replicas": 2}]
    return parse(scenario(models=models, pools=pools, **more))


def test_pools_go_by_their_names_or_their_models():
    axes = axes_of(served(), ["more=1..3", "70b=2", "8b-1=1..1"], ["70b=H100/tp4,A100/tp8"])
    assert [(a.pool, a.path, a.least, a.most) for a in axes] == [
        ("70b", 'models."70b"', 2, 2),
        ("8b-1", "pools.0", 1, 1),
        ("more", "pools.1", 1, 3),
    ]
    assert axes[0].kinds == (Kind("H100", 4), Kind("A100", 8))
    candidates = candidates_of(axes)
    assert len(candidates) == 6
    spec = with_values(served(), candidates[-1].values(axes))
    collected = {p.name: (p.gpu, p.tp, p.replicas) for p in spec.fleet}
    assert collected == {"own": (None, 1, 1), "70b": ("A100", 8, 2), "8b-1": ("H100", 1, 1), "more": ("H100", 1, 3)}


@pytest.mark.parametrize(
    ("replicas", "gpus", "message"),
    [
        ([], [], "nothing to choose; expected --replicas POOL=1..8"),
        (["own"], [], "--replicas own: expected POOL=LEAST..MOST"),
        (["own=0"], [], "--replicas own=0: expected LEAST..MOST with LEAST <= MOST"),
        (["own=3..2"], [], "--replicas own=3..2: expected LEAST..MOST with LEAST <= MOST"),
        (["onw=1..2"], [], "--replicas onw=1..2: unknown pool 'onw'; did you mean 'own'?"),
        (["8b=1..2"], [], "--replicas 8b=1..2: 8b has several pools; expected one of 8b-1, more"),
        (["own=1..2", "own=3"], [], "--replicas own=3: own is given twice"),
        (["own=1..2"], ["own=H100,A100"], "--gpus own=H100: own has figures of its own"),
        (["70b=1..2"], ["70b=H100,A10"], "--gpus 70b=A10: no built-in profile of Llama-3.1-70B on A10 with tp 4"),
        (["70b=1..2"], ["70b=A100"], "--gpus 70b=A100: only one kind"),
        (["70b=1..2"], ["70b=H100,H100/tp4"], "--gpus 70b=H100,H100/tp4: a kind is given twice"),
    ],
)
def test_choices_that_are_none(replicas, gpus, message):
    with pytest.raises(ScenarioError) as error:
        axes_of(served(), replicas, gpus)
    assert str(error.value).startswith(message)


def test_prices_are_of_all_gpus():
    prices = {"H100": 2.5, "A100": 1.0, "GPU": 0.5}
    assert usd_per_hour(served(cost={"usd_per_gpu_hour": prices})) == 0.5 + 4 * 2.5 + 2.5 + 2 * 2.5
    with pytest.raises(
        ScenarioError, match=r"^cost\.usd_per_gpu_hour\.GPU: missing; expected the price of the GPUs of pool own"
    ):
        usd_per_hour(served(cost={"usd_per_gpu_hour": {"H100": 2.5}}))


# ---- verdicts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "verdict"),
    [([0.9, 1.0, 1.1], "met"), ([2.9, 3.0, 3.1], "failed"), ([1.9, 2.0, 2.1], "uncertain"), ([1.0, 2.5], "uncertain")],
)
def test_only_a_whole_interval_decides(values, verdict):
    rows = [{"x_y": v} for v in values]
    assert verdict_of(Requirement.parse("x.y<2"), rows)["verdict"] == verdict
    opposite = {"met": "failed", "failed": "met", "uncertain": "uncertain"}[verdict]
    assert verdict_of(Requirement.parse("x.y>2"), rows)["verdict"] == opposite


def test_one_replication_decides_nothing_and_an_error_fails():
    requirement = Requirement.parse("x.y<2")
    assert verdict_of(requirement, [{"x_y": 1.0}])["verdict"] == "uncertain"
    assert verdict_of(requirement, [{"x_y": 1.0}, {"x_y": None}])["verdict"] == "failed"
    judged = verdict_of(requirement, [{"x_y": 1.0}, SimulationError("it would not end")])
    assert (judged["verdict"], judged["reason"]) == ("failed", "it would not end")
    assert verdict_of(Requirement.parse("x.y==1"), [{"x_y": 1}] * 2)["verdict"] == "met"
    assert overall([{"verdict": "met"}, {"verdict": "uncertain"}]) == "uncertain"


@given(st.lists(st.floats(0.0, 4.0), min_size=2, max_size=8), st.integers(1, 8), st.sampled_from(["<2", ">2", "<=2"]))
@settings(deadline=None, derandomize=True, max_examples=300)
def test_what_is_out_of_reach_is_not_met_whatever_comes(values, seen, bound):
    rows = [{"x_y": v, "sla_satisfaction": v} for v in values]
    for requirement in (Requirement.parse(f"x.y{bound}"), Requirement.parse("sla.satisfaction>=2")):
        if out_of_reach(requirement, rows[:seen], len(rows)):
            assert verdict_of(requirement, rows)["verdict"] != "met"


def test_one_miss_decides_of_a_few_replications_and_two_of_five():
    late = Requirement.parse("x.y<2")
    missed, kept = {"x_y": 2.0}, {"x_y": 1.0}
    assert [out_of_reach(late, [missed], seeds) for seeds in (2, 3, 4, 5)] == [True, True, True, False]
    assert not out_of_reach(late, [kept], 3)
    assert out_of_reach(late, [{"x_y": None}], 9)
    promise = Requirement.parse("sla.satisfaction>=0.6")
    assert out_of_reach(promise, [{"sla_satisfaction": 0.5}], 9)
    assert not out_of_reach(promise, [{"sla_satisfaction": 0.5}], 10)


# ---- the search -----------------------------------------------------------------------------------------

BOX = [
    Candidate((Kind(gpu, 1), Kind("B", 2)), replicas)
    for gpu in "AB"
    for replicas in itertools.product(range(1, 5), range(1, 4))
]
WORTH = {"A": 3.0, "B": 1.0}


def price(c):
    return sum(WORTH[k.gpu] * k.tp * r for k, r in zip(c.kinds, c.replicas, strict=True))


def searched(met, prices, carries=lambda c: True):
    search = Search(
        BOX,
        prices,
        evaluate=lambda i: Evaluation(met(BOX[i]), True, price(BOX[i])),
        promising=lambda i, best: met(BOX[i]) and (best is None or price(BOX[i]) < price(BOX[best])),
        carries=lambda i: carries(BOX[i]),
    )
    search.run()
    return search


def cheapest(met):
    return min((i for i, c in enumerate(BOX) if met(c)), key=lambda i: price(BOX[i]), default=None)


def cost(i):
    return None if i is None else price(BOX[i])


corners = st.lists(st.sampled_from(BOX), max_size=4)


@given(corners, st.booleans())
@settings(deadline=None, derandomize=True, max_examples=200)
def test_the_cheapest_is_found_where_more_replicas_help(minimal, priced):
    """What is met are all candidates that hold one of a few."""

    def met(c):
        return any(m.within(c) for m in minimal)

    search = searched(met, [price(c) for c in BOX] if priced else None)
    assert cost(search.best) == cost(cheapest(met))
    assert search.violation is None
    assert len(search.evaluated) < len(BOX)


@given(st.sampled_from(BOX), st.sampled_from(BOX))
@settings(deadline=None, derandomize=True, max_examples=100)
def test_a_capacity_that_is_estimated_too_low_is_noticed(minimal, floor):
    """Candidates that would be met are called too small to carry the load."""

    def met(c):
        return minimal.within(c)

    search = searched(met, [price(c) for c in BOX], carries=lambda c: floor.within(c))
    assert cost(search.best) == cost(cheapest(met))


def tried(replicas, prices):
    """The numbers of replicas that a search evaluates, in order, of candidates of which each would do."""
    candidates, order = [Candidate((Kind("A", 1),) * len(r), r) for r in replicas], []

    def evaluate(i):
        order.append(candidates[i].replicas)
        return Evaluation(True, True, prices[i])

    search = Search(candidates, prices, evaluate, promising=lambda i, best: False, carries=lambda i: True)
    search.run()
    return order


def test_what_costs_no_less_than_the_best_is_not_tried():
    assert tried([(1, 2), (2, 1)], [3.0, 3.0]) == [(1, 2)]
    assert tried([(1, 2), (2, 1)], [3.0, 2.0]) == [(2, 1)]


def test_a_model_that_is_left_out_makes_another_search():
    """The largest cluster without it is tried for itself, before a larger one with it."""
    assert tried([(0, 1), (1, 1)], [1.0, 2.0]) == [(0, 1)]
    assert tried([(1, 1), (2, 1)], [1.0, 2.0]) == [(2, 1), (1, 1)]


def test_what_was_left_out_is_checked_from_the_dearest_on():
    """Of 3 x 3 the two just below the largest, the dearer first."""
    candidates = [Candidate((Kind("A", 1), Kind("B", 1)), r) for r in itertools.product(range(1, 4), range(1, 4))]
    prices = [3.0 * a + b for a, b in (c.replicas for c in candidates)]
    looked_at = []

    def promising(i, best):
        looked_at.append(candidates[i].replicas)
        return False

    Search(candidates, prices, lambda i: Evaluation(True, True, prices[i]), promising, carries=lambda i: False).run()
    assert looked_at == [(3, 2), (2, 3)]


def test_a_row_of_clusters_is_halved_again_and_again():
    """One of sixteen, of which the last four would do: the largest, and then the middle of what is left."""
    candidates = [Candidate((Kind("A", 1),), (r,)) for r in range(1, 17)]
    prices, evaluated = [float(r) for r in range(1, 17)], []

    def evaluate(i):
        evaluated.append(i + 1)
        return Evaluation(i >= 12, True, prices[i])

    Search(candidates, prices, evaluate, promising=lambda i, best: False, carries=lambda i: True).run()
    assert evaluated == [16, 8, 12, 14, 13]


def test_the_progress_of_a_plan_counts_what_may_come():
    laters, values = [], {(5, r): {"error": None} for r in range(3)}

    def each(keys, *, later):
        laters.append(later)
        return iter(keys)

    runs = SimpleNamespace(each=each, values=values, failed={})
    candidate_runs = CandidateRuns(SimpleNamespace(scenario_at=None), runs, seeds=3)
    assert len(candidate_runs.evaluation(5, lambda rows: False, left=4)) == 3
    assert (laters, candidate_runs.made) == ([12, 12], {5: 3})
    assert len(candidate_runs.evaluation(5, lambda rows: True, left=2)) == 1
    assert (laters, candidate_runs.made) == ([12, 12, 6], {5: 1})


def test_a_smaller_cluster_that_is_met_ends_all_assumptions():
    """The largest fails, the one just below it does not; nor does the smallest."""

    def met(c):
        return c.kinds[0].gpu == "B" and c.replicas in ((3, 3), (1, 1))

    search = searched(met, [price(c) for c in BOX])
    assert search.violation is not None
    assert BOX[search.best].replicas == (1, 1)


# ---- utilisation ----------------------------------------------------------------------------------------


def test_only_latencies_that_contain_the_wait_bound_the_load():
    texts = ["latency_s.ttft.p95<2", "latency_s.e2e.mean<2", "latency_s.tpot.p99<1", "latency_s.e2e.p99>=1"]
    assert quantiles_of([Requirement.parse(t) for t in texts]) == [(0.95, 2.0)]


def overloaded(**more):
    """Each replica of `large` serves 4 at a time, 5 of them a second at most; 20 a second come, all to it."""
    return parse(
        scenario(requests=400, arrivals={"kind": "poisson", "rate_rps": 20.0}, router={"policy": "largest"}, **more)
    )


def carrying(spec, requirement="latency_s.ttft.p95<1"):
    return Carrying(spec, [row_of(spec, summary_of(spec))], [Requirement.parse(requirement)])


def test_a_cluster_below_its_load_does_not_carry_it():
    judge = carrying(overloaded())
    assert [judge.enough({"small": 1, "large": n}) for n in (1, 2, 4, 6)] == [False, False, True, True]
    late = summary_of(overloaded(models=[model("small", 0.4), model("large", 0.8, replicas=2)]))
    assert late["latency_s"]["ttft"]["p95"] > 1


@pytest.mark.parametrize(
    "more",
    [
        {"cluster": {"admission": {"max_waiting": 3}}},
        {"cluster": {"failures": {"mtbf_s": 1e6}}},
        {"phases": [{"from_request": 10, "rate_factor": 0.1}]},
        {"requests": None, "horizon_s": 20.0},
    ],
    ids=["admission", "failures", "phases", "horizon"],
)
def test_nothing_is_said_of_the_load_where_the_bound_does_not_hold(more):
    data = scenario(requests=400, arrivals={"kind": "poisson", "rate_rps": 20.0}, router={"policy": "largest"})
    parsed = parse({k: v for k, v in (data | more).items() if v is not None})
    assert carrying(parsed).enough({"small": 1, "large": 1})


def test_what_was_checked_reads_alone_where_every_cluster_was_simulated():
    search = searched(lambda c: BOX[-1].within(c), [price(c) for c in BOX])
    search.evaluated.update(dict.fromkeys(range(len(BOX)), search.evaluated[search.best]))
    search.checked = {0}
    assert _assumptions(search, "usd") == [
        "checked: runs of 1 of the largest clusters that were assumed to fail did fail"
    ]


# ---- the whole ------------------------------------------------------------------------------------------

WANTED = ["latency_s.ttft.p95<1", "sla.satisfaction>=0.45"]


def traffic(**more):
    return parse(
        scenario(
            requests=300,
            arrivals={"kind": "poisson", "rate_rps": 16.0},
            cost={"usd_per_gpu_hour": {"GPU": 2.0}},
            **more,
        )
    )


def planned(spec=None, replicas=("small=1..4", "large=1..4"), wanted=WANTED, *, objective="usd", seeds=3, **more):
    spec = spec or traffic()
    goal = Goal(axes_of(spec, replicas, []), wanted, objective, seeds)
    return plan(spec, goal, **{"workers": local_workers(1)} | more)


@pytest.fixture(scope="module")
def everything():
    """All 16 clusters, three replications each: rows and the verdict."""
    requirements = [Requirement.parse(w) for w in WANTED]
    collected = {}
    for small, large in itertools.product(range(1, 5), range(1, 5)):
        spec = with_values(traffic(), {"models.small.replicas": small, "models.large.replicas": large})
        rows = [row_of(spec, summary_of(spec.changed(replication=r))) for r in range(3)]
        collected[small, large] = rows, overall([verdict_of(r, rows) for r in requirements])
    return collected


def test_a_plan_finds_what_trying_everything_finds(everything):
    met = {c for c, (_, verdict) in everything.items() if verdict == "met"}
    assert 0 < len(met) < 16
    best = planned()["best"]
    assert tuple(p["replicas"] for p in best["pools"]) == min(met, key=lambda c: (sum(c), c))
    assert best["objective"] == 2.0 * sum(p["replicas"] for p in best["pools"])
    least = planned(objective="energy")["best"]
    joules = {c: sum(row["energy_total_j"] for row in everything[c][0]) / 3 for c in met}
    assert tuple(p["replicas"] for p in least["pools"]) == min(met, key=joules.get)
    assert least["objective"] == pytest.approx(min(joules.values()))


def test_a_plan_says_how_sure_it_is_and_what_it_left_out(everything):
    result = planned()
    counts = result["counts"]
    assert counts["candidates"] == 16
    left_out = ("simulated", "costlier", "too_small", "assumed")
    assert sum(counts[k] for k in left_out) == 16
    assert counts["simulated"] < 16
    assert counts["too_small"] > 0
    assert result["status"] == "met"
    assert (result["replications"], result["level"]) == (3, 0.95)
    assert [r["verdict"] for r in result["best"]["requirements"]] == ["met", "met"]
    prices = [c["objective"] for c in result["frontier"]]
    assert prices == sorted(prices)
    assert result["best"] in result["frontier"]


def test_where_nothing_is_met_the_plan_says_so():
    result = planned(wanted=["latency_s.ttft.p95<0.01"])
    assert (result["status"], result["best"]) == ("failed", None)
    assert result["counts"]["checked"] > 0
    assert {c["verdict"] for c in result["frontier"]} == {"failed"}


def test_what_lies_within_the_interval_is_uncertain(everything):
    rows, _ = everything[2, 2]
    mean = sum(row["latency_s_ttft_mean"] for row in rows) / 3
    result = planned(replicas=["small=2", "large=2"], wanted=[f"latency_s.ttft.mean<{mean}"])
    assert (result["status"], result["best"]) == ("uncertain", None)
    assert result["frontier"][0]["requirements"][0]["mean"] == pytest.approx(mean)


def test_a_plan_goes_on_where_it_stopped(tmp_path, monkeypatch):
    first = planned(out=tmp_path / "o")
    rows = pl.read_parquet(tmp_path / "o" / "results.parquet")
    assert {'models."small".replicas', "latency_s_ttft_p95"} <= set(rows.columns)
    monkeypatch.setattr("messsim.study.plan.cheapest.row_at", None)
    assert planned(out=tmp_path / "o") == first


def test_an_interrupted_plan_keeps_its_runs(tmp_path, monkeypatch):
    row, done = plan_runs.row_at, []

    def stop(task):
        if len(done) == 4:
            raise KeyboardInterrupt
        done.append(task)
        return row(task)

    monkeypatch.setattr("messsim.study.plan.cheapest.row_at", stop)
    with pytest.raises(KeyboardInterrupt, match=r"^interrupted; 4 runs are kept"):
        planned(out=tmp_path / "o")
    assert pl.read_parquet(tmp_path / "o" / "results.parquet").height == 4
    monkeypatch.setattr("messsim.study.plan.cheapest.row_at", row)
    assert planned(out=tmp_path / "o") == planned()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"wanted": []}, "no requirements; expected --require"),
        ({"seeds": 1}, "--seeds 1: expected at least 2"),
        ({"wanted": ["latency.ttft.p95<1"]}, "latency.ttft.p95: no such figure"),
        ({"spec": parse(scenario())}, "cost.usd_per_gpu_hour.GPU: missing; expected the price"),
        ({"replicas": ["small=1..1000", "large=1..1000"]}, "--replicas: 1,000,000 clusters to choose from"),
    ],
)
def test_a_plan_that_is_none(more, message):
    with pytest.raises(ScenarioError) as error:
        planned(**more)
    assert str(error.value).startswith(message)


def test_an_api_has_no_price_by_the_hour():
    models = [model("small", 0.4), {"name": "large", "satisfaction": 0.8, "kind": "api"}]
    parsed = parse(scenario(models=models, cost={"unit": "USD", "usd_per_gpu_hour": {"GPU": 1.0}}))
    with pytest.raises(ScenarioError, match="is an API, paid by the token"):
        planned(parsed, replicas=["small=1..2"])
    with pytest.raises(ScenarioError, match="is an API, which has no replicas"):
        planned(parsed, replicas=["large=1..2"])


# ---- pools that change their size --------------------------------------------------------------------------------


def breathing(**more):
    """Bursts on pools that grow to four replicas, which take two seconds to start; a replica is 2 USD an hour."""
    cold = {"fixed_s": 1.0, "weights_gb": 0.0, "compile_s": 0.5, "init_s": 0.5}
    autoscale = {"rule": "target", "target": 2.0, "period_s": 1.0, "down_window_s": 5.0, "cold_start": cold}
    models = [model(n, s, replicas=4, autoscale=autoscale) for n, s in (("small", 0.4), ("large", 0.8))]
    law = {"kind": "mmpp", "rate_rps": 2.0, "burst_rate_rps": 20.0, "mean_calm_s": 10.0, "mean_burst_s": 3.0}
    return parse(scenario(requests=300, arrivals=law, cost={"usd_per_gpu_hour": {"GPU": 2.0}}, models=models, **more))


FAST = ["latency_s.ttft.p95<1.5"]


def test_of_pools_that_change_their_size_the_least_is_planned_and_the_rent_of_runs_compared():
    requirement = Requirement.parse(FAST[0])
    rents = {}
    for small, large in itertools.product(range(1, 5), range(1, 5)):
        least = {f"models.{n}.autoscale.min_replicas": k for n, k in (("small", small), ("large", large))}
        spec = with_values(breathing(), least)
        rows = [row_of(spec, summary_of(spec.changed(replication=r))) for r in range(3)]
        if verdict_of(requirement, rows)["verdict"] == "met":
            rents[small, large] = sum(row["cost_rent_usd_per_hour"] for row in rows) / 3
    assert 0 < len(rents) < 16
    answer = planned(breathing(), wanted=FAST)
    best = answer["best"]
    assert tuple(p["replicas"] for p in best["pools"]) == min(rents, key=rents.get)
    assert best["objective"] == pytest.approx(min(rents.values()))
    assert answer["unit"] == "USD/h"
    assert [p["most"] for p in best["pools"]] == [4, 4]
    assert set(best["overrides"]) == {f'models."{n}".autoscale.min_replicas' for n in ("small", "large")}
    assert best["gpus"] == 8
    means = {}
    for r in range(3):
        for scaled in summary_of(with_values(breathing(), best["overrides"]).changed(replication=r))["pools"]:
            means.setdefault(scaled["name"], []).append(scaled["mean_replicas"])
    figures = {name: best["figures"][f"pools.{name}.mean_replicas"] for name in means}
    assert {n: f["mean"] for n, f in figures.items()} == pytest.approx({n: sum(m) / 3 for n, m in means.items()})
    assert best["figures"]["cost.rent_usd_per_hour"]["mean"] == pytest.approx(best["objective"])
    heads, *_ = [row for row in cells(plan_tables(answer)) if row[:2] == ["small", "large"]]
    assert heads[2:6] == ["GPUs", "mean replicas, small", "mean replicas, large", "USD/h"]
    page = plan_page(answer, name="breathing", scenario="")
    table = next(table for section in page.sections for table in section.tables)
    assert table.header[3:5] == ["mean replicas, small", "mean replicas, large"]
    row = next(row for row in table.rows if row[0].endswith("(the answer)"))
    assert row[3] == spread(figures["small"])


# ---- split prefill and decode ---------------------------------------------------------------------------------------


def halved():
    """Prompts of 40 tokens, 20 a quarter of a second, answers of 12; replicas are 2 and 3 USD an hour."""
    common = {"model": "only", "coefficients": {"a0_s": 0.25, "p0_w_per_gpu": 100.0}, "replicas": 4}
    prefill = {"name": "p", "role": "prefill", "gpu": "P", "kv_bytes_per_token": 1e6, "max_num_seqs": 1}
    decode = {"name": "d", "role": "decode", "gpu": "D", "max_num_seqs": 4}
    return parse(
        scenario(
            requests=200,
            arrivals={"kind": "poisson", "rate_rps": 2.5},
            tokens={"prompt": 40, "output": 12},
            models=[{"name": "only", "satisfaction": 0.6}],
            pools=[common | prefill | {"max_batched_tokens": 20}, common | decode],
            cost={"usd_per_gpu_hour": {"P": 2.0, "D": 3.0}},
            slo={"ttft_s": 3.0, "tpot_s": 0.4},
        )
    )


def test_both_sizes_of_a_split_are_those_of_trying_everything():
    """The cheapest of the sixteen that keep the objectives; neither side can do with one."""
    requirement = Requirement.parse("slo.attainment>=0.9")
    met = {}
    for sizes in itertools.product(range(1, 5), range(1, 5)):
        spec = with_values(halved(), {f"pools.{n}.replicas": k for n, k in zip("pd", sizes, strict=True)})
        rows = [row_of(spec, summary_of(spec.changed(replication=r))) for r in range(3)]
        if verdict_of(requirement, rows)["verdict"] == "met":
            met[sizes] = 2.0 * sizes[0] + 3.0 * sizes[1]
    assert 0 < len(met) < 10
    best = planned(halved(), wanted=["slo.attainment>=0.9"], replicas=["p=1..4", "d=1..4"])["best"]
    assert tuple(p["replicas"] for p in best["pools"]) == min(met, key=met.get)
    assert best["objective"] == min(met.values())


def test_a_pool_may_sleep_and_keep_no_more_than_it_has():
    axes = axes_of(breathing(), ["small=0..2"], [])
    assert [(a.least, a.most, a.ceiling) for a in axes] == [(0, 2, 4)]
    with pytest.raises(ScenarioError, match=r"small=1..5: replicas that the pool keeps at least, .* 4 is the most"):
        axes_of(breathing(), ["small=1..5"], [])
    with pytest.raises(ScenarioError, match=r"usd_per_gpu_hour\.GPU: missing"):
        planned(breathing().changed(cost=breathing().cost.model_copy(update={"usd_per_gpu_hour": {}})), wanted=FAST)


def test_pools_in_tables_of_their_own_are_planned_too():
    models = [{"name": "small", "satisfaction": 0.4}, model("large", 0.8)]
    spec = traffic(models=models, pools=[pool("small", name="p"), pool("small", name="q")])
    result = planned(spec, replicas=["q=1..3"], wanted=["sla.satisfaction>=0.1"])
    assert result["best"]["overrides"] == {"pools.1.replicas": 1}
    assert (result["best"]["gpus"], result["best"]["objective"]) == (3, 6.0)


# ---- as a command ---------------------------------------------------------------------------------------


def here(*args):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as left:
        app(list(map(str, args)), prog_name="messsim")
    return left.value.code, out.getvalue(), err.getvalue()


def test_the_command_prints_the_answer_and_how_to_run_it(tmp_path):
    file = tmp_path / "s.toml"
    file.write_text(tomli_w.dumps(traffic().model_dump(by_alias=True, exclude_unset=True)))
    args = [
        "plan",
        file,
        "--replicas",
        "large=1..3",
        "--require",
        "sla.satisfaction>=0.1",
        "--seeds",
        2,
        "--workers",
        1,
    ]
    code, out, err = here(*args)
    assert (code, err) == (0, "")
    assert out.startswith("cheapest cluster that keeps every requirement: large 1 x GPU; 4 USD/h")
    assert out.endswith(f"\nmesssim run {file} --set 'models.\"large\".replicas=1'\n")
    code, out, err = here(*args, "--json", "--require", "sla.satisfaction>2")
    assert (code, err) == (1, "")
    assert json.loads(out)["status"] == "failed"
