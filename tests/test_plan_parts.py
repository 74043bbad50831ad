"""What a plan has to say, and what a cluster is taken to carry, from searches and rows made by hand."""

from types import SimpleNamespace

import pytest
from builders import model, scenario

from messsim.errors import SimulationError
from messsim.results.figures import Requirement
from messsim.scenario import parse
from messsim.study.plan.answer import _assumptions, _choice, _frontier, _more_seeds, _verdict, plan_answer
from messsim.study.plan.candidate_runs import CandidateRuns
from messsim.study.plan.candidates import Axis, Candidate, Kind
from messsim.study.plan.capacity import Carrying, quantiles_of
from messsim.study.plan.files import read_plan, write_plan
from messsim.study.plan.goal import Goal
from messsim.study.plan.search import Evaluation, Search
from messsim.version import __version__

BASE = parse(scenario(name="base", seed=4, models=[model("small", 0.4, replicas=2), model("large", 0.8)]))
G = Kind("G", 1)
AXES = [Axis("small", 'models."small"', (G,), 1, 4)]
LATE = Requirement.parse("latency_s.ttft.p95<2")
PROMISE = Requirement.parse("sla.satisfaction>=0.5")


def goal(objective="usd", seeds=2, kept_share=0.9):
    return Goal(AXES, [str(LATE)], objective, seeds, kept_share)


def search(prices=(1.0, 2.0, 3.0, 4.0), **known):
    """One that is over: of one to four replicas."""
    s = Search([Candidate((G,), (n,)) for n in (1, 2, 3, 4)], prices, None, None, None)
    for name, value in known.items():
        setattr(s, name, value)
    return s


def row(ttft, satisfaction=0.6, kept=True):
    return {
        "latency_s_ttft_p95": ttft,
        "sla_satisfaction": satisfaction,
        "sla_kept": kept,
        "energy_total_j": 10.0 * ttft if ttft is not None else None,
        "cost_per_request": 3.0,
    }


def runs(rows, seeds=2):
    """Of candidates by number."""
    made = {i: len(r) for i, r in rows.items()}
    return SimpleNamespace(of=lambda i, n: rows[i][:n], made=made, seeds=seeds, scenario=lambda i: BASE)


# ---- the answer -----------------------------------------------------------------------------------------


def test_the_answer_has_the_clusters_by_objective_and_counts_what_became_of_all():
    rows = {
        0: [row(9.0, kept=False), row(9.0)],
        1: [row(1.0), row(1.0, kept=None)],
        3: [SimulationError("stopped"), row(0.5)],
        2: [row(0.5), row(0.5)],
    }
    values = {0: 7.0, 1: 5.0, 3: None, 2: 6.0}
    met = {1, 2}
    s = search(
        None,
        best=1,
        evaluated={i: Evaluation(i in met, True, v) for i, v in values.items()},
        too_small={0},
        checked={0, 3},
        unchecked=9,
    )
    answer = plan_answer(BASE, goal("energy", kept_share=0.8), [LATE], s, runs(rows))
    assert [c["pools"][0]["replicas"] for c in answer["clusters"]] == [2, 3, 1, 4], "without an objective: last"
    assert [c["verdict"] for c in answer["clusters"]] == ["met", "met", "failed", "failed"]
    assert [c["kept"] for c in answer["clusters"]] == [1, 2, 1, 1]
    assert answer["best"] is answer["clusters"][0]
    assert answer["frontier"] == answer["clusters"][:2]
    head = {k: v for k, v in answer.items() if k not in ("clusters", "best", "frontier", "assumptions")}
    assert head == {
        "scenario": "base",
        "version": __version__,
        "objective": "energy",
        "unit": "J",
        "requirements": ["latency_s.ttft.p95<2"],
        "seed": 4,
        "replications": 2,
        "level": 0.95,
        "status": "met",
        "counts": {
            "candidates": 4,
            "simulated": 4,
            "costlier": 0,
            "too_small": 0,
            "assumed": 0,
            "checked": 2,
            "unchecked": 9,
        },
        "violation": None,
        "kept_share": 0.8,
    }


def test_a_cluster_has_its_figures_over_the_runs_that_came_to_their_end():
    s = search(best=1, evaluated={1: Evaluation(True, True, 2.0)})
    (cluster,) = plan_answer(BASE, goal(), [LATE], s, runs({1: [row(1.0), row(3.0)]}))["clusters"]
    assert cluster["overrides"] == {'models."small".replicas': 2}
    assert cluster["pools"] == [{"pool": "small", "gpu": "G", "tp": 1, "replicas": 2}]
    assert cluster["gpus"] == 3
    assert cluster["objective"] == 2.0
    assert (cluster["energy_j"]["mean"], cluster["energy_j"]["count"]) == (20.0, 2)
    assert cluster["figures"]["latency_s.ttft.p95"]["mean"] == 2.0
    assert cluster["figures"]["cost.per_request"]["low"] == 3.0
    assert cluster["figures"]["latency_s.e2e.p95"] is None
    assert cluster["replications"] == 2


@pytest.mark.parametrize(
    ("rows", "best", "status"),
    [
        ([row(1.0), row(1.0)], 1, "met"),
        ([row(1.0), row(3.0)], None, "uncertain"),
        ([row(3.0), row(3.0)], None, "failed"),
    ],
)
def test_the_status_of_a_plan(rows, best, status):
    s = search(best=best, evaluated={1: Evaluation(best is not None, True, 2.0)})
    answer = plan_answer(BASE, goal(), [LATE], s, runs({1: rows}))
    assert answer["status"] == status
    assert answer["unit"] == "USD/h"
    assert (answer["best"] is None) == (best is None)


def test_clusters_that_were_not_simulated_are_counted_once():
    s = search(best=1, evaluated={1: Evaluation(True, True, 2.0)}, too_small={0}, assumed={0, 3}, violation=1)
    answer = plan_answer(BASE, goal(), [LATE], s, runs({1: [row(1.0), row(1.0)]}))
    assert answer["counts"] == {
        "candidates": 4,
        "simulated": 1,
        "costlier": 1,  # three replicas; four are assumed
        "too_small": 1,
        "assumed": 1,
        "checked": 0,
        "unchecked": 0,
    }
    assert answer["violation"] is answer["clusters"][0]


def test_a_pool_that_changes_its_size_has_its_most_too():
    axis = Axis("p", "pools.0", (G,), 0, 2, ceiling=4)
    assert _choice(axis, Kind("H", 2), 1) == {"pool": "p", "gpu": "H", "tp": 2, "replicas": 1, "most": 4}


def test_the_first_replication_alone_decides_where_others_cannot_make_up_for_it():
    verdict = _verdict(LATE, [row(3.0)], goal())
    assert (verdict["verdict"], verdict["mean"]) == ("failed", 3.0)
    assert verdict["reason"] == "missed in the first replication: others cannot make up for it"
    assert _verdict(LATE, [row(1.0)], goal())["verdict"] == "uncertain"
    assert _verdict(LATE, [row(3.0)], goal(seeds=5))["verdict"] == "uncertain", "four others may"
    assert _verdict(LATE, [row(3.0)], goal(seeds=1))["reason"] == "one replication has no interval"


# ---- the frontier ---------------------------------------------------------------------------------------


def cluster(objective, *means):
    return {"objective": objective, "requirements": [{"mean": m} for m in means]}


@pytest.mark.parametrize(
    ("clusters", "best", "frontier"),
    [
        # cheaper, or earlier: none beats the other
        ([cluster(1.0, 1.5), cluster(2.0, 1.0)], 0, [0, 1]),
        ([cluster(1.0, 1.0), cluster(2.0, 1.5)], 0, [0]),
        ([cluster(1.0, 1.0), cluster(1.0, 1.0)], 0, [0, 1]),
        ([cluster(1.0, 1.0), cluster(1.0, 1.5)], 0, [0]),
        # the best stays, whatever else is cheaper and not met
        ([cluster(1.0, 1.0), cluster(2.0, 1.5)], 1, [0, 1]),
        # what has no objective, or not all figures, is not compared
        ([cluster(None, 1.0), cluster(2.0, None), cluster(3.0, 1.5)], None, [2]),
        ([], None, []),
    ],
)
def test_the_frontier_is_what_no_other_beats_in_everything(clusters, best, frontier):
    order = range(len(clusters))
    assert _frontier(order, dict(enumerate(clusters)), [LATE], best) == frontier


def test_margins_of_all_requirements_count_each_by_its_side():
    clusters = dict(enumerate([cluster(2.0, 1.0, 0.6), cluster(2.0, 1.0, 0.7), cluster(2.0, 1.5, 0.8)]))
    assert _frontier([2, 0, 1], clusters, [LATE, PROMISE], None) == [2, 1], "in the order given"


# ---- what it rests on -----------------------------------------------------------------------------------

WITHIN = "a cluster within one that is not met, with the same GPUs, is not met either"
SMALL = "a cluster whose load is above 1.25 times what the closed form sustains cannot keep its latencies"


@pytest.mark.parametrize(
    ("known", "objective", "sentences"),
    [
        ({}, "usd", []),
        ({"assumed": {0}}, "usd", [WITHIN]),
        ({"assumed": {0}, "prices": None}, "usd", [f"{WITHIN}, and a larger one than one that is met costs more"]),
        (
            {"assumed": {0}, "prices": None},
            "energy",
            [f"{WITHIN}, and a larger one than one that is met draws more energy"],
        ),
        ({"assumed": {0}, "too_small": {0}}, "usd", [SMALL]),
        ({"assumed": {0, 1}, "too_small": {0}}, "usd", [WITHIN, SMALL]),
        ({"assumed": {0}, "too_small": {1}, "evaluated": {0: None, 1: None}}, "usd", []),
        (
            {"checked": {0, 1}},
            "usd",
            ["checked: runs of 2 of the largest clusters that were assumed to fail did fail"],
        ),
        (
            {"checked": {0}, "unchecked": 7},
            "usd",
            [
                "checked: runs of 1 of the largest clusters that were assumed to fail did fail "
                "(7 more were not: at most 64 are)"
            ],
        ),
        (
            {"violation": 0, "assumed": {1}, "checked": {1}},
            "usd",
            [
                "a smaller cluster met what a larger one did not: nothing was assumed any more, and every cheaper "
                "cluster was simulated"
            ],
        ),
    ],
)
def test_what_an_answer_rests_on(known, objective, sentences):
    assert _assumptions(search(**known), objective) == sentences


def kept(*counts):
    return {1: {"requirements": [{"kept": k} if k is not None else {} for k in counts]}}


MEAN = "no number of seeds moves the mean away from alpha: a router pays for no more than it promised"


@pytest.mark.parametrize(
    ("clusters", "wanted", "seeds", "share", "first"),
    [
        # Clopper and Pearson: of n that all keep it, in 0.025^(1/n) of all or more
        (
            kept(2),
            [PROMISE],
            2,
            0.9,
            "the promise is kept in 2 of 2 replications, so in 16 % of all or more (95 %); 36 seeds that all keep it "
            "would say so of 90 %",
        ),
        (
            kept(36),
            [PROMISE],
            36,
            0.9,
            "the promise is kept in 36 of 36 replications, so in 90 % of all or more (95 %)",
        ),
        (
            kept(None, 3),
            [LATE, PROMISE],
            4,
            0.1,
            "the promise is kept in 3 of 4 replications, so in 19 % of all or more (95 %)",
        ),
        (
            kept(5, 4),
            [PROMISE, PROMISE],
            5,
            0.5,
            "the promise is kept in 4 of 5 replications, so in 28 % of all or more (95 %); 6 seeds that all keep it "
            "would say so of 50 %",
        ),
    ],
)
def test_what_more_seeds_could_tell(clusters, wanted, seeds, share, first):
    assert _more_seeds(search(best=1), clusters, wanted, goal(seeds=seeds, kept_share=share)) == [first, MEAN]


def test_without_a_promise_or_a_best_more_seeds_are_no_matter():
    assert _more_seeds(search(best=1), kept(None), [LATE], goal()) == []
    assert _more_seeds(search(), kept(2), [PROMISE], goal()) == []


# ---- replications ---------------------------------------------------------------------------------------


def test_replications_are_made_once_and_an_error_stands_in_its_place():
    error, asked = SimulationError("stopped"), []

    def each(keys, *, later):
        asked.append((list(keys), later))
        return iter(keys)

    made = SimpleNamespace(each=each, values={(5, 0): "a", (5, 2): "c"}, failed={(5, 1): error})
    r = CandidateRuns(SimpleNamespace(scenario_at=None), made, seeds=3)
    assert r.of(5, 3) == ["a", error, "c"]
    assert asked == [([(5, 0), (5, 1), (5, 2)], 0)]
    assert r.made == {}
    assert r.evaluation(5, lambda first: first == ["a"], left=2) == ["a"]
    assert (r.made, asked[1:]) == ({5: 1}, [([(5, 0)], 6)])


# ---- what a cluster carries -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("latency_s.ttft.p50<2", [(0.5, 2.0)]),
        ("latency_s.ttft.p90<=3", [(0.9, 3.0)]),
        ("latency_s.e2e.p95<2", [(0.95, 2.0)]),
        ("latency_s.queueing.p99<2", [(0.99, 2.0)]),
        ("latency_s.ttft.mean<2", []),
        ("latency_s.tpot.p95<2", []),
        ("latency_s.ttft.p95>2", []),
        ("slo.attainment>=0.9", []),
    ],
)
def test_bounds_from_above_on_latencies_with_their_wait_bound_the_load(text, bounds):
    assert quantiles_of([Requirement.parse(text)]) == bounds


def carrying(shares, *requirements, rate=20.0, requests=1000, **changes):
    """A replica of either model serves at most 4 at a time: 16/3 answers of 3 tokens a second."""
    spec = parse(scenario(requests=requests, arrivals={"kind": "poisson", "rate_rps": rate}, **changes))
    rows = [{"models_small_share": small, "models_large_share": large} for small, large in shares]
    return Carrying(spec, rows, [Requirement.parse(r) for r in requirements])


def test_what_pools_get_is_the_mean_over_the_rows():
    assert carrying([(0.5, 0.5), (0.25, 0.75), (None, 1.0)])._shares == [0.25, 0.75]


def test_a_cluster_carries_what_its_pools_sustain_with_a_fourth_more():
    judge = carrying([(0.0, 1.0)], "latency_s.ttft.p50<0.001")
    one = judge._sustained["large"][2]
    # half of 20 a second must be done: n x 1.25 x what a replica sustains, and 4 of 1,000 that still run
    enough = next(n for n in range(1, 9) if n * 1.25 * one / 20.0 + 8 / 1000 >= 0.5)
    assert 1 < enough < 8
    assert [judge.enough({"small": 1, "large": n}) for n in (enough - 1, enough)] == [False, True]


def test_a_long_bound_is_time_for_the_rest_to_be_served():
    strict, lax = (carrying([(0.0, 1.0)], f"latency_s.ttft.p95<{s}") for s in (0.1, 200.0))
    assert not strict.enough({"small": 1, "large": 2})
    assert lax.enough({"small": 1, "large": 2}), "five times as long as the arrivals take"
    assert not carrying([(0.0, 1.0)], "latency_s.ttft.p95<200", "latency_s.e2e.p95<0.1").enough(
        {"small": 1, "large": 2}
    ), "every bound counts"


def test_what_the_other_model_could_carry_is_no_help():
    judge = carrying([(0.5, 0.5)], "latency_s.ttft.p95<0.1", requests=100_000)
    assert judge.enough({"small": 3, "large": 3})
    assert not judge.enough({"small": 30, "large": 1})
    assert not judge.enough({"small": 1, "large": 30})


def test_a_plan_is_read_as_it_was_written(tmp_path):
    s = search(best=1, evaluated={1: Evaluation(True, True, 2.0)})
    answer = plan_answer(BASE, goal(), [LATE], s, runs({1: [row(1.0), row(1.0)]}))
    write_plan(tmp_path, answer)
    text = (tmp_path / "plan.json").read_text()
    assert text.startswith('{\n  "scenario": "base",\n')
    assert text.endswith("}\n")
    assert read_plan(tmp_path) == answer
