"""What a plan may choose from, what it costs, and which of it keeps to bounds that are known before any run."""

from types import SimpleNamespace

import pytest
from builders import api, model, scenario

from messsim.errors import ScenarioError
from messsim.results.figures import Requirement
from messsim.scenario import parse
from messsim.study.plan.candidates import Axis, Candidate, Kind, axes_of, candidates_of, usd_per_hour
from messsim.study.plan.cheapest import BestSoFar, _affordable, _best_so_far, _gpus, _helped, _prices, _replicas, plan
from messsim.study.plan.goal import Goal

H1, H2, A1 = Kind("H100", 1), Kind("H100", 2), Kind("A100", 1)
PLAIN = Axis("8b", "pools.0", (H1,), 1, 3)
TWO_KINDS = Axis("70b", 'models."70b"', (H2, A1), 2, 2)
SCALED = Axis("8b", "pools.0", (H1, A1), 0, 2, ceiling=4)


def test_what_is_chosen_of_a_pool_that_changes_its_size_is_the_least():
    assert PLAIN.counts == "pools.0.replicas"
    assert SCALED.counts == "pools.0.autoscale.min_replicas"


def test_gpus_of_a_pool_are_those_it_may_ever_have():
    assert [PLAIN.gpus(H1, 3), PLAIN.gpus(H2, 3), PLAIN.gpus(H1, 0)] == [3, 6, 0]
    assert [SCALED.gpus(H1, 1), SCALED.gpus(H2, 0)] == [4, 8]


@pytest.mark.parametrize(
    ("one", "other", "within"),
    [
        (((H1, H1), (1, 1)), ((H1, H1), (1, 1)), True),
        (((H1, H1), (1, 1)), ((H1, H1), (2, 1)), True),
        (((H1, H1), (1, 2)), ((H1, H1), (2, 1)), False),
        (((H1, H1), (2, 1)), ((H1, H1), (1, 1)), False),
        (((H1, H1), (0, 1)), ((H1, H1), (1, 1)), False),
        (((H1, H1), (0, 1)), ((H1, H1), (0, 2)), True),
        (((H1, H1), (1, 1)), ((H1, A1), (2, 2)), False),
    ],
)
def test_a_cluster_lies_within_another_of_the_same_gpus_and_models(one, other, within):
    assert Candidate(*one).within(Candidate(*other)) is within


def test_the_gpus_of_a_cluster():
    assert Candidate((H1, H2), (3, 2)).gpus == 7
    assert Candidate((H2,), (0,)).gpus == 0


@pytest.mark.parametrize(
    ("axes", "candidate", "values"),
    [
        ([PLAIN], Candidate((H1,), (2,)), {"pools.0.replicas": 2}),
        (
            [TWO_KINDS],
            Candidate((A1,), (2,)),
            {'models."70b".replicas': 2, 'models."70b".gpu': "A100", 'models."70b".tp': 1},
        ),
        ([TWO_KINDS], Candidate((A1,), (0,)), {'models."70b".replicas': 0}),
        (
            [SCALED],
            Candidate((H1,), (0,)),
            {"pools.0.autoscale.min_replicas": 0, "pools.0.gpu": "H100", "pools.0.tp": 1},
        ),
    ],
)
def test_a_choice_is_values_by_key_path(axes, candidate, values):
    assert candidate.values(axes) == values


def test_choices_run_through_kinds_first_and_then_through_numbers_from_the_last_axis_on():
    axes = [Axis("a", "a", (H1, A1), 1, 2), Axis("b", "b", (H2,), 0, 1)]
    assert candidates_of(axes) == [
        Candidate(kinds, replicas) for kinds in [(H1, H2), (A1, H2)] for replicas in [(1, 0), (1, 1), (2, 0), (2, 1)]
    ]


def test_there_may_be_a_hundred_thousand_choices_and_no_more(monkeypatch):
    axes = [Axis("a", "a", (H1, A1), 0, 9), Axis("b", "b", (H1,), 1, 5_001)]
    with pytest.raises(ScenarioError, match=r"^--replicas: 100,020 clusters to choose from; expected at most 100,000$"):
        candidates_of(axes)
    monkeypatch.setattr("messsim.study.plan.candidates.MOST", 6)
    assert len(candidates_of([Axis("a", "a", (H1, A1), 1, 3)])) == 6
    with pytest.raises(ScenarioError, match=r"8 clusters to choose from; expected at most 6$"):
        candidates_of([Axis("a", "a", (H1, A1), 1, 4)])


# ---- of a scenario --------------------------------------------------------------------------------------


def served(*, prices=None, unit="J", **changes):
    """A pool `small` with figures of its own, 2 replicas; `large`, an 8B on one H100."""
    large = {"name": "large", "satisfaction": 0.8, "profile": "Llama-3.1-8B", "gpu": "H100", "tp": 1}
    changes = {"models": [model("small", 0.4, replicas=2), large]} | changes
    return parse(scenario(cost={"unit": unit, "usd_per_gpu_hour": prices or {}}, **changes))


@pytest.mark.parametrize(
    ("text", "bounds"), [("3", (3, 3)), ("1..8", (1, 8)), ("0..1", (0, 1)), ("2..2", (2, 2)), (" 1..2 ", (1, 2))]
)
def test_a_range_of_replicas(text, bounds):
    (axis,) = axes_of(served(), [f"small={text}"], [])
    assert (axis.least, axis.most) == bounds
    assert axis == Axis("small", 'models."small"', (Kind(None, 1),), *bounds)


@pytest.mark.parametrize("text", ["0", "0..0", "3..2", "1..", "..2", "-1", "1.5", "one", "1..2..3"])
def test_what_is_no_range_of_replicas_is_told(text):
    with pytest.raises(ScenarioError) as caught:
        axes_of(served(), [f"small={text}"], [])
    assert str(caught.value) == (
        f"--replicas small={text}: expected LEAST..MOST with LEAST <= MOST, such as 1..8, or 0..8 where the model may "
        "be left out"
    )


def test_a_pool_of_which_only_the_kind_is_chosen_keeps_its_replicas():
    axes = axes_of(served(), ["small=1..2"], ["large=H100,A100"])
    assert [(a.pool, a.least, a.most, a.kinds) for a in axes] == [
        ("small", 1, 2, (Kind(None, 1),)),
        ("large", 1, 1, (Kind("H100", 1), Kind("A100", 1))),
    ]


def test_quotes_around_a_pools_name_may_be_written():
    (axis,) = axes_of(served(), ['"small"=1..2'], [])
    assert axis.pool == "small"


@pytest.mark.parametrize("name", ['the "8b"', "8b=fp8", '"8b"', "8b"])
def test_a_pools_name_may_have_what_parts_it_from_its_replicas(name):
    """What is chosen is where it can be set, which is tried."""
    base = parse(scenario(models=[model("first"), model(name)]))
    (axis,) = axes_of(base, [f"{name}=1..2"], [])
    assert (axis.pool, axis.least, axis.most) == (name, 1, 2)
    assert base.changed(**{f"{axis.path}.replicas": 2}).fleet[1].replicas == 2


@pytest.mark.parametrize(
    ("replicas", "gpus", "message"),
    [
        (["small="], [], "--replicas small=: expected POOL=LEAST..MOST"),
        (["zzz=1"], [], "--replicas zzz=1: unknown pool 'zzz'; expected one of small, large"),
        (["lage=1"], [], "--replicas lage=1: unknown pool 'lage'; did you mean 'large'?"),
        (["small=1"], ["large"], "--gpus large: expected POOL=GPU,GPU/tpN"),
        (["small=1"], ["large=H 100"], "--gpus large=H 100: expected a GPU such as H100, or H100/tp2"),
        (["small=1"], ["large=H100/2"], "--gpus large=H100/2: expected a GPU such as H100, or H100/tp2"),
        (["small=1"], ["large=A100"], "--gpus large=A100: only one kind; expected several, or it in the scenario"),
        (["small=1"], ["large=H100,H100/tp1"], "--gpus large=H100,H100/tp1: a kind is given twice"),
    ],
)
def test_what_is_no_choice_is_told(replicas, gpus, message):
    with pytest.raises(ScenarioError) as caught:
        axes_of(served(), replicas, gpus)
    assert str(caught.value).startswith(message)


def test_without_servers_there_is_nothing_to_choose():
    none = parse(
        scenario(cluster={"mode": "none"}, models=[{"name": "m", "satisfaction": 0.5, "cost_per_request": 1.0}])
    )
    with pytest.raises(ScenarioError, match=r"the scenario has no servers; expected cluster\.mode = 'servers'$"):
        axes_of(none, ["m=1..2"], [])


# ---- prices ---------------------------------------------------------------------------------------------

PRICED = {"GPU": 2.0, "H100": 3.0}


def test_a_clusters_price_is_that_of_all_its_gpus():
    assert usd_per_hour(served(prices=PRICED)) == 2 * 2.0 + 3.0
    with pytest.raises(ScenarioError) as caught:
        usd_per_hour(served(prices={"GPU": 2.0}))
    assert str(caught.value) == (
        "cost.usd_per_gpu_hour.H100: missing; expected the price of the GPUs of pool large, "
        "such as --set cost.usd_per_gpu_hour.H100=2.5, or --objective energy"
    )


def test_an_api_has_no_price_by_the_hour():
    with pytest.raises(ScenarioError, match=r"^pool far: is an API, paid by the token; a plan prices GPUs by the hour"):
        usd_per_hour(served(prices=PRICED, unit="USD", models=[{"name": "far", "satisfaction": 0.5} | api()]))


def test_prices_of_candidates_are_those_of_their_scenarios():
    base = served(prices=PRICED | {"A100": 1.0})
    axes = axes_of(base, ["small=1..2", "large=0..2"], ["large=H100,A100"])
    candidates = candidates_of(axes)
    assert _prices(base, axes, candidates) == [
        2.0 * small + rent * large for rent in (3.0, 1.0) for small in (1, 2) for large in (0, 1, 2)
    ]


def scaled(**changes):
    cold = {"fixed_s": 1.0, "weights_gb": 0.0, "compile_s": 0.5, "init_s": 0.5}
    autoscale = {"rule": "target", "target": 2.0, "period_s": 1.0, "down_window_s": 5.0, "cold_start": cold}
    return served(models=[model("small", 0.4, replicas=4, autoscale=autoscale), model("large", 0.8)], **changes)


def test_of_pools_that_change_their_size_only_runs_tell_the_rent():
    base = scaled(prices=PRICED)
    axes = axes_of(base, ["small=1..2"], [])
    assert usd_per_hour(base) is None
    assert _prices(base, axes, candidates_of(axes)) is None
    with pytest.raises(ScenarioError, match=r"^cost\.usd_per_gpu_hour\.GPU: missing"):
        _prices(scaled(), axes, candidates_of(axes))


def test_replicas_of_pools_that_are_not_chosen_are_the_scenarios():
    base = served()
    axes = axes_of(base, ["large=1..3"], [])
    assert _replicas(base, axes, Candidate((H1,), (3,))) == {"small": 2, "large": 3}
    base = scaled()
    axes = axes_of(base, ["small=1..2"], [])
    assert _replicas(base, axes, Candidate((Kind(None, 1),), (1,))) == {"small": 4, "large": 1}, (
        "as many as it may have"
    )


def test_gpus_are_counted_over_all_axes():
    assert _gpus([PLAIN, SCALED], Candidate((H2, H1), (3, 1))) == 6 + 4


# ---- bounds that are known before any run ---------------------------------------------------------------


def left(base, replicas, *requirements):
    axes = axes_of(base, replicas, [])
    wanted = [Requirement.parse(r) for r in requirements]
    return [c.replicas for c in _affordable(base, axes, candidates_of(axes), wanted)]


@pytest.mark.parametrize(
    ("requirements", "sizes"),
    [
        ([], [1, 2, 3]),
        (["latency_s.ttft.p95<1"], [1, 2, 3]),
        (["cost.gpus<=4"], [1, 2]),  # two of `small` beside it
        (["cost.gpus<4"], [1]),
        (["cost.gpus>=4"], [2, 3]),
        (["cost.rent_usd_per_hour<=10"], [1, 2]),  # 2 x 2 for `small`, 3 each
        (["cost.rent_usd_per_hour<10"], [1]),
        (["cost.rent_usd_per_hour>7", "cost.gpus<5"], [2]),
    ],
)
def test_clusters_beyond_bounds_on_gpus_and_rent_are_left_out(requirements, sizes):
    assert left(served(prices=PRICED), ["large=1..3"], *requirements) == [(n,) for n in sizes]


def test_a_bound_on_gpus_needs_no_prices_and_is_of_the_most_that_a_pool_may_have():
    assert left(served(), ["large=1..2"], "cost.gpus<=3") == [(1,)]
    assert left(scaled(), ["small=1..2"], "cost.gpus<=5") == [(1,), (2,)]
    assert left(scaled(), ["small=1..2"], "cost.rent_usd_per_hour<=0") == [(1,), (2,)], "which runs have to tell"


def test_bounds_that_no_cluster_keeps_are_told():
    with pytest.raises(ScenarioError, match=r"^--require cost\.gpus<3: no cluster of these keeps to it$"):
        left(served(), ["large=1..2"], "cost.gpus<3")


@pytest.mark.parametrize(
    ("requirement", "helped"),
    [
        ("latency_s.ttft.p95<1", True),
        ("latency_s.ttft.p95>1", False),
        ("requests.rejected<=0", True),
        ("requests.lost<1", True),
        ("requests.timed_out<1", True),
        ("requests.attempts<1.5", True),
        ("requests.attempts>1.5", False),
        ("requests.in_flight<1", True),
        ("requests.completed>=10", False),
        ("slo.attainment>=0.9", True),
        ("slo.attainment<0.9", False),
        ("sla.satisfaction>=0.5", True),
        ("sla.shortfall<0.1", True),
        ("sla.shortfall>0.1", False),
        ("cost.per_request<1", False),
    ],
)
def test_more_replicas_help_against_waiting_and_losses(requirement, helped):
    assert _helped(Requirement.parse(requirement)) is helped


@pytest.mark.parametrize(
    ("requirements", "options", "message"),
    [
        ([], {}, "no requirements; expected --require, such as 'latency_s.ttft.p95<2'"),
        (["a<1"], {"seeds": 1}, "--seeds 1: expected at least 2: one replication has no interval"),
        (["a<1"], {"kept_share": 0.0}, "--kept 0: expected a share of replications, above 0 and at most 1"),
        (["a<1"], {"kept_share": 1.01}, "--kept 1.01: expected a share of replications, above 0 and at most 1"),
    ],
)
def test_what_is_no_plan_is_told_before_anything_runs(requirements, options, message):
    with pytest.raises(ScenarioError) as caught:
        plan(served(), Goal([PLAIN], requirements, **options))
    assert str(caught.value) == message


def test_what_is_best_so_far_is_told_by_pool():
    search = SimpleNamespace(best=None, evaluated={0: SimpleNamespace(value=7.5), 1: SimpleNamespace(value=2.5)})
    few, many = SimpleNamespace(replicas=(1, 2)), SimpleNamespace(replicas=(3, 4))
    assert _best_so_far([PLAIN, TWO_KINDS], [few, many], search) == BestSoFar(None, None, 2)
    search.best = 1
    assert _best_so_far([PLAIN, TWO_KINDS], [few, many], search) == BestSoFar({"8b": 3, "70b": 4}, 2.5, 2)
