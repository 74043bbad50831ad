"""Parts of the workload by themselves: chunks, abilities, means over a run, sessions, prefixes, token counts."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from builders import model, scenario
from made_up import At

from messsim.errors import SimulationError
from messsim.scenario import parse
from messsim.scenario.laws import (
    Constant,
    ConstantDelay,
    Empirical,
    ExponentialDelay,
    Geometric,
    Lognormal,
    LognormalDelay,
)
from messsim.scenario.quality import Irt, Task
from messsim.scenario.sessions import Prefixes as PrefixSettings
from messsim.scenario.sessions import Sessions as SessionSettings
from messsim.workload import Workload, trace
from messsim.workload.arrivals import RateArrivals, rate_arrivals
from messsim.workload.chance import Chance
from messsim.workload.chunk import Chunk, joined, selected
from messsim.workload.clock import Clock, changed_by
from messsim.workload.expectations import any_satisfied, law_rate_rps, mean_satisfaction, most_satisfied, rates
from messsim.workload.irt import abilities, moments, shares_of, sigmoid, tasks_of
from messsim.workload.irt import any_satisfied as any_of
from messsim.workload.irt import mean_satisfaction as mean_of
from messsim.workload.laws import lognormal_parameters, token_sampler
from messsim.workload.sessions import BeginTimes, Prefixes, Sessions
from messsim.workload.waits import Wait, wait_of

# ---- chunks ---------------------------------------------------------------------------------------------


def chunk(first, n, **more):
    """Requests whose columns tell their number."""
    ids = np.arange(first, first + n)
    whole = dict.fromkeys(Chunk.__slots__)
    whole |= {"first": first, "tenant": ids.astype(np.int32), "prompt_tokens": (ids + 1).astype(np.int32)}
    whole |= {"features": np.stack([ids, ids * 10]) * 1.0, "satisfied": np.stack([ids, ids + 100]) * 1.0}
    whole |= {"policy_uniforms": np.stack([ids, ids + 0.5], axis=1)}
    return Chunk(**(whole | more))


def test_neighbours_become_one_chunk():
    both = joined([chunk(5, 2), chunk(7, 1)])
    assert (both.first, len(both)) == (5, 3)
    assert both.tenant.tolist() == [5, 6, 7]
    assert both.features.tolist() == [[5, 6, 7], [50, 60, 70]]
    assert both.policy_uniforms.tolist() == [[5, 5.5], [6, 6.5], [7, 7.5]]
    assert both.labels is None
    one = chunk(5, 2)
    assert joined([one]) is one


@pytest.mark.parametrize("rows", [np.array([2, 0]), slice(1, 3), slice(0, 0)])
def test_some_requests_of_a_chunk(rows):
    some = selected(chunk(5, 3, turns="turns", paths="paths"), rows)
    ids = np.arange(5, 8)[rows]
    assert some.tenant.tolist() == ids.tolist()
    assert some.satisfied.tolist() == [ids.tolist(), (ids + 100).tolist()]
    assert some.policy_uniforms.tolist() == [[i, i + 0.5] for i in ids]
    assert (some.turns, some.paths, some.labels) == (None, None, None)


# ---- item response theory -------------------------------------------------------------------------------

EASY, HARD = Task(name="easy", mean=-2.0, deviation=0.5, weight=3.0), Task(name="hard", mean=2.0, deviation=1.0)


def test_a_sigmoid_is_a_half_at_0():
    given = sigmoid(np.array([[0.0, math.log(3.0)], [-math.log(3.0), 700.0]]))
    assert given.shape == (2, 2)
    assert given.reshape(-1).tolist() == pytest.approx([0.5, 0.75, 0.25, 1.0])


def test_shares_and_moments_of_a_mixture():
    assert shares_of([EASY, HARD]) == [0.75, 0.25]
    centre, spread = moments([EASY, HARD])
    assert centre == -1.0
    # 0.75 (0.25 + 1) + 0.25 (1 + 9)
    assert spread == pytest.approx(math.sqrt(0.9375 + 2.5))
    law = Irt(kind="irt", tasks=[EASY, HARD])
    assert [t.weight for t in tasks_of(law, {"hard": 2.0})] == [0.0, 2.0]
    assert tasks_of(law) == [EASY, HARD]
    assert [t.name for t in tasks_of(Irt(kind="irt"))] == ["all"]


def test_an_ability_at_the_mean_satisfies_half():
    alone = [Task(name="all", mean=1.5)]
    assert mean_of(1.5, 2.0, alone) == pytest.approx(0.5, abs=1e-14)
    assert mean_of(2.5, 2.0, alone) + mean_of(0.5, 2.0, alone) == pytest.approx(1.0, abs=1e-14)
    assert abilities([0.5], 2.0, alone) == [pytest.approx(1.5, abs=1e-12)]
    (low, high) = abilities([0.3, 0.7], 2.0, alone)
    assert low + high == pytest.approx(3.0, abs=1e-12)
    assert mean_of(low, 2.0, alone) == pytest.approx(0.3, rel=1e-14)
    both = 0.75 * mean_of(0.0, 1.0, [EASY]) + 0.25 * mean_of(0.0, 1.0, [HARD])
    assert mean_of(0.0, 1.0, [EASY, HARD]) == pytest.approx(both, rel=1e-14)


def test_several_models_fail_together_only_given_the_difficulty():
    sharp = [Task(name="all", mean=0.0, deviation=1e-6)]  # all requests alike: models are independent
    p = 1.0 / (1.0 + math.exp(-1.0))
    assert any_of([1.0], 1.0, sharp) == pytest.approx(p, rel=1e-9)
    assert any_of([1.0, 1.0], 1.0, sharp) == pytest.approx(1.0 - (1.0 - p) ** 2, rel=1e-9)
    # of two criteria: the mean of P(best brings >= 1) and P(best brings 2)
    one, two = 1.0 - (1.0 - p) ** 4, 1.0 - (1.0 - p * p) ** 2
    assert any_of([1.0, 1.0], 1.0, sharp, 3) == pytest.approx((one + two) / 2.0, rel=1e-9)


# ---- the clock and rates --------------------------------------------------------------------------------


def test_times_of_unit_points_by_segments_of_rates():
    clock = Clock(iter([(2.0, 1.0), (1.0, 0.0), (2.0, 4.0), (math.inf, 0.5)]))
    # two points in 2 s, none in the third second, eight in the next two, then one every 2 s
    assert clock.times(np.array([0.5, 1.5])).tolist() == [0.5, 1.5]
    assert clock.times(np.array([2.0, 6.0, 9.9])).tolist() == [3.0, 4.0, pytest.approx(4.975)]
    assert clock.times(np.array([10.0, 11.0])).tolist() == [5.0, 7.0]
    assert clock.times(np.array([])).tolist() == []


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ([], [(2.0, 1.0), (3.0, 5.0)]),
        ([(0.0, 2.0)], [(2.0, 2.0), (3.0, 10.0)]),
        ([(1.0, 2.0)], [(1.0, 1.0), (1.0, 2.0), (3.0, 10.0)]),
        ([(2.0, 2.0)], [(2.0, 1.0), (3.0, 10.0)]),
        ([(1.0, 2.0), (4.0, 3.0)], [(1.0, 1.0), (1.0, 2.0), (2.0, 10.0), (1.0, 15.0)]),
        ([(1.0, 2.0), (1.5, 3.0)], [(1.0, 1.0), (0.5, 2.0), (0.5, 3.0), (3.0, 15.0)]),
        ([(5.0, 2.0)], [(2.0, 1.0), (3.0, 5.0)]),
    ],
)
def test_factors_split_segments_where_they_begin(factors, expected):
    assert list(changed_by(iter([(2.0, 1.0), (3.0, 5.0)]), factors)) == expected


def test_a_factor_by_request_shortens_gaps_from_there_on():
    def source(sizes):
        made = RateArrivals(lambda first, n: np.ones(n), Clock(iter([(math.inf, 1.0)])), [(2.0, 2.0), (4.0, 4.0)])
        return [t for n in sizes for t in made.next_times(n).tolist()]

    expected = [1.0, 2.0, 2.5, 3.0, 3.25, 3.5]
    for sizes in ((6,), (1, 5), (3, 0, 3), (2, 2, 2)):
        assert source(sizes) == expected


def source_of(law, by_request=(), by_time=()):
    s = parse(scenario(arrivals=law))
    return rate_arrivals(s.arrivals, Chance(1), list(by_request), list(by_time))


def test_poisson_arrivals_are_sums_of_exponential_gaps():
    chance = Chance(1)
    gaps = chance.exponential(chance.column("arrivals"), 0, 5)
    source = source_of({"kind": "poisson", "rate_rps": 2.0})
    given = [*source.next_times(2), *source.next_times(3)]
    assert given == pytest.approx(np.cumsum(gaps) / 2.0)
    later = source_of({"kind": "poisson", "rate_rps": 2.0}, [(3.0, 4.0)]).next_times(5)
    assert later == pytest.approx(np.cumsum(gaps / [1, 1, 1, 4, 4]) / 2.0)


def test_gamma_gaps_of_cv_1_are_exponential_by_their_normal_quantile():
    chance = Chance(1)
    z = chance.normal(chance.column("arrivals"), 0, 4)
    gaps = [-math.log(0.5 * math.erfc(x / math.sqrt(2.0))) for x in z]
    given = source_of({"kind": "gamma", "rate_rps": 4.0, "cv": 1.0}).next_times(4)
    assert given == pytest.approx(np.cumsum(gaps) / 4.0, rel=1e-8)


def test_bursts_begin_after_a_calm_period_of_chance():
    chance = Chance(1)
    calm_s = 5.0 * chance.one_exponential(chance.column("mmpp"), 0)
    burst_s = 3.0 * chance.one_exponential(chance.column("mmpp"), 1)
    law = {"kind": "mmpp", "rate_rps": 1e-9, "burst_rate_rps": 1e4, "mean_calm_s": 5.0, "mean_burst_s": 3.0}
    times_s = source_of(law).next_times(100)
    assert times_s[0] == pytest.approx(calm_s, abs=1e-2)
    assert times_s[-1] < calm_s + burst_s
    day = source_of({"kind": "diurnal", "rates_rps": [0.0, 1e6], "day_s": 100.0}).next_times(3)
    assert day == pytest.approx([50.0] * 3, abs=1e-3)


def test_periods_in_which_nobody_comes_end_in_an_error(monkeypatch):
    monkeypatch.setattr("messsim.workload.clock.MOST_IN_VAIN", 3)
    with pytest.raises(SimulationError, match="arrivals: nobody comes any more after 40 s"):
        Clock(iter([(10.0, 0.0)] * 9)).times(np.array([1.0]))


@pytest.mark.parametrize(
    ("times_s", "requests", "horizon_s", "expected"),
    [
        ([0, 1, 2, 4], 4, None, (4, 1.0, 1.0)),
        ([0, 1, 2, 100], 4, None, (4, 0.04, 0.05)),  # three in the first minute
        ([0, 61, 62, 63, 64, 119, 180], 7, None, (7, 7 / 180, 5 / 60)),
        ([0, 1, 2, 4, 9], 5, 4.0, (3, 0.75, 0.75)),  # who comes at the deadline comes too late
        ([0, 1, 2, 4, 9], 3, 100.0, (3, 1.5, 1.5)),
        ([5], 1, 1.0, (0, 0.0, 0.0)),
        ([0, 0], 2, None, (2, 0.0, 0.0)),
    ],
)
@pytest.mark.parametrize("block", [2, 65_536])
def test_rates_of_arrivals(times_s, requests, horizon_s, expected, block, monkeypatch):
    monkeypatch.setattr("messsim.workload.expectations.BLOCK", block)
    drawn = rates(At(*times_s), requests, horizon_s)
    assert (drawn.requests, drawn.mean_rps, drawn.peak_rps) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("law", "rate_rps"),
    [
        ({"kind": "poisson", "rate_rps": 3.0}, 3.0),
        ({"kind": "diurnal", "rates_rps": [1.0, 2.0, 6.0]}, 3.0),
        (
            {"kind": "mmpp", "rate_rps": 1.0, "burst_rate_rps": 10.0, "mean_calm_s": 80.0, "mean_burst_s": 10.0},
            (80.0 + 100.0) / 90.0,
        ),
        ({"kind": "closed", "clients": 3}, None),
    ],
)
def test_the_rate_of_a_law(law, rate_rps):
    assert law_rate_rps(parse(scenario(arrivals=law))) == rate_rps


def test_means_over_phases_count_requests():
    phases = [{"from_request": 30, "satisfaction": {"small": 0.8}}]
    workload = Workload(parse(scenario(requests=40, phases=phases)))
    spans = workload.spans
    assert [s.count for s in spans] == [30, 10]
    assert mean_satisfaction(workload.scenario, None, spans) == pytest.approx([0.75 * 0.4 + 0.25 * 0.8, 0.8])
    best = any_satisfied(workload.scenario, None, spans)
    assert 0.8 < best < 1.0
    gone = [{"from_request": 0, "withdrawn": ["large"]}]
    alone = Workload(parse(scenario(requests=40, phases=gone)))
    assert any_satisfied(alone.scenario, None, alone.spans) == pytest.approx(0.4)


def test_without_outcomes_nobody_satisfies_more_than_the_best_model_of_each_phase():
    """Each is the best for a part of the run; in the last the better one is gone."""
    phases = [
        {"from_request": 20, "satisfaction": {"small": 0.9}},
        {"from_request": 30, "withdrawn": ["large"]},
    ]
    workload = Workload(parse(scenario(requests=40, phases=phases)))
    most = most_satisfied(workload.scenario, None, workload.spans)
    assert most == pytest.approx((20 * 0.8 + 10 * 0.9 + 10 * 0.4) / 40)


def test_a_gradual_change_counts_by_its_middles():
    """Difficulty rises by 2 over 32 requests: the mean over sixteen steps, and then all of it for 8 more."""
    phases = [{"from_request": 0, "over_requests": 32, "difficulty": 2.0}]
    workload = Workload(parse(scenario(requests=40, phases=phases)))
    (task,) = tasks_of(workload.scenario.satisfaction)
    slope = workload.scenario.satisfaction.slope
    for place, mean in enumerate((0.4, 0.8)):
        (theta,) = abilities([mean], slope, [task])
        changing = sum(mean_of(theta - 2.0 * (k + 0.5) / 16, slope, [task]) for k in range(16)) / 16
        expected = (32 * changing + 8 * mean_of(theta - 2.0, slope, [task])) / 40
        given = mean_satisfaction(workload.scenario, None, workload.spans)[place]
        assert given == pytest.approx(expected, rel=1e-12)


# ---- laws, waits ----------------------------------------------------------------------------------------


def test_samplers_know_their_means_and_ends():
    chance = Chance(1)
    constant = token_sampler(Constant(tokens=7), chance, 1)
    assert (constant.mean, constant.mean_square, constant.most, constant.draw(3, 2).tolist()) == (7, 49, 7, [7, 7])
    one = token_sampler(Geometric(mean=1.0), chance, 1)
    assert (one.mean, one.most, one.draw(0, 3).tolist(), one.geometric) == (1, 1, [1, 1, 1], None)
    # of mean 2, cut to 2: one with probability 1/2, else two
    cut = token_sampler(Geometric(mean=2.0, max=2), chance, 1)
    assert (cut.mean, cut.mean_square, cut.most) == pytest.approx((1.5, 2.5, 2))
    assert set(cut.draw(0, 50).tolist()) == {1, 2}
    some = token_sampler(Empirical(tokens=[3, 5, 9], weights=[1.0, 3.0, 0.0]), chance, 1)
    assert (some.mean, some.mean_square, some.most) == (4.5, 21.0, 5)
    assert set(some.draw(0, 50).tolist()) == {3, 5}
    low = token_sampler(Lognormal(mean=1.0, cv=0.1, max=1), chance, 1)
    assert (low.mean, low.mean_square, low.most) == (1.0, 1.0, 1)
    mu, sigma = lognormal_parameters(math.e, math.sqrt(math.e - 1.0))
    assert (mu, sigma) == pytest.approx((0.5, 1.0))


def test_waits_by_their_laws():
    chance = Chance(3)
    column = chance.column("patience", "x")
    assert wait_of(None, chance, "patience", "x") == Wait("forever", math.inf, 0.0, 0.0, column)
    assert wait_of(None, chance, "patience").draw_s(chance, 1, 0) == math.inf
    assert wait_of(ConstantDelay(mean_s=4.0), chance, "patience").draw_s(chance, 9, 2) == 4.0
    exponential = wait_of(ExponentialDelay(mean_s=4.0), chance, "patience", "x")
    assert exponential.draw_s(chance, 9, 2) == 4.0 * chance.one_exponential(column, 9, 2)
    lognormal = wait_of(LognormalDelay(mean_s=math.e, cv=math.sqrt(math.e - 1.0)), chance, "patience", "x")
    assert lognormal.draw_s(chance, 9, 2) == pytest.approx(chance.one_lognormal(column, 9, 0.5, 1.0, 2), rel=1e-12)
    assert lognormal.draw_s(chance, 9, 2) != lognormal.draw_s(chance, 9, 1)


# ---- sessions -------------------------------------------------------------------------------------------


def sessions(counts, **more):
    """Sessions of these numbers of turns, again and again."""
    made = Sessions(SessionSettings(**more), Chance(1))
    made.turns = SimpleNamespace(
        draw=lambda first, n: np.array([counts[k % len(counts)] for k in range(first, first + n)], np.int32)
    )
    return made


def test_requests_are_numbered_session_by_session(monkeypatch):
    monkeypatch.setattr("messsim.workload.sessions.BLOCK", 2)
    made = sessions([2, 1, 3])  # sessions begin at 0, 2, 3, 6, 8, 9, ...
    assert [made.first_request(k) for k in range(6)] == [0, 2, 3, 6, 8, 9]
    session, turn = made.of(0, 9)
    assert session.tolist() == [0, 0, 1, 2, 2, 2, 3, 3, 4]
    assert turn.tolist() == [0, 1, 0, 0, 1, 2, 0, 1, 0]
    session, turn = sessions([2, 1, 3]).of(4, 3)
    assert (session.tolist(), turn.tolist()) == ([2, 2, 3], [1, 2, 0])
    assert [made.first_from(r) for r in (0, 1, 2, 3, 4, 5, 6)] == [0, 1, 1, 2, 3, 3, 3]
    assert [made.whole_from(0, least) for least in (1, 2, 3, 4, 6, 7)] == [1, 1, 2, 3, 3, 4]
    assert made.whole_from(1, 4) == 2


def test_later_turns_wait_and_add_text_of_their_own():
    made = sessions([3], followup=Constant(tokens=5), think_s=ConstantDelay(mean_s=7.0))
    session, turn = made.of(0, 4)
    new = made.new_tokens(0, turn, np.full(4, 9, np.int32))
    assert new.tolist() == [9, 5, 5, 9]
    turns = made.turns_of(0, session, turn, new)
    assert turns.parent.tolist() == [-1, 0, 1, -1]
    assert turns.wait_s.tolist() == [0.0, 7.0, 7.0, 0.0]
    text = np.array([4, 4], np.int32)
    assert sessions([2]).new_tokens(0, np.array([0, 1]), text) is text


@pytest.mark.parametrize("sizes", [(6,), (1, 5), (2, 2, 2), (3, 3)])
def test_turns_begin_when_their_session_does(sizes):
    begin = BeginTimes(At(1.0, 4.0, 9.0, 16.0), sessions([2, 1, 3]))
    assert [t for n in sizes for t in begin.next_times(n).tolist()] == [1.0, 1.0, 4.0, 9.0, 9.0, 9.0]


def prefixes(**law):
    s = parse(scenario(tenants=[{"name": "a"}, {"name": "b"}]))
    return Prefixes(PrefixSettings(**law) if law else None, s, Chance(1))


def test_groups_of_system_prompts():
    made = prefixes(groups=3, exponent=1.0, tokens=Constant(tokens=50))
    assert made.shares.tolist() == pytest.approx([6 / 11, 3 / 11, 2 / 11])
    assert made.tokens.tolist() == [50, 50, 50]
    groups = made.group_of(np.arange(2000), np.zeros(2000, np.int32))
    assert np.bincount(groups, minlength=3) / 2000 == pytest.approx(made.shares, abs=0.04)
    assert made.group_of(np.array([7, 9, 9]), np.zeros(3, np.int32)).tolist() == groups[[7, 9, 9]].tolist()
    assert prefixes(groups=2, exponent=0.0).shares.tolist() == [0.5, 0.5]
    by_tenant = prefixes(choice="tenant")
    assert by_tenant.groups == 2
    assert by_tenant.group_of(np.arange(3), np.array([1, 0, 1])).tolist() == [1, 0, 1]
    nobody = prefixes()
    assert nobody.group_of(np.arange(2), np.zeros(2)) is None
    assert nobody.tokens.tolist() == []


def test_paths_go_through_the_group_and_the_session():
    made = prefixes(groups=3, tokens=Constant(tokens=50))
    paths = made.paths(np.array([0, 4]), np.array([2, 1]), np.array([60, 70], np.int32))
    assert paths.start.tolist() == [0, 2, 4]
    assert paths.nodes["id"].tolist() == [2, 3, 1, 7]  # sessions are numbered behind the groups
    assert paths.nodes["end_tokens"].tolist() == [50, 60, 50, 70]
    alone = prefixes().paths(np.array([0, 4]), None, np.array([60, 70], np.int32))
    assert (alone.start.tolist(), alone.nodes["id"].tolist()) == ([0, 1, 2], [0, 4])


# ---- what prompts become --------------------------------------------------------------------------------


def composed(n, **changes):
    tokens = {"prompt": 10, "output": 4}
    return Workload(parse(scenario(tokens=tokens, **changes))).columns(0, n)


def test_prompts_begin_with_that_of_their_group():
    given = composed(5, prefixes={"groups": 2, "tokens": 30})
    assert given.prompt_tokens.tolist() == [40] * 5
    assert given.paths.nodes["end_tokens"].tolist() == [30, 40] * 5


def test_prompts_of_later_turns_hold_what_came_before():
    models = [model("small", 0.4), model("large", 0.8, output=6)]
    laws = {"turns": 3, "followup": 5, "think_s": 0}
    given = composed(6, sessions=laws, models=models)
    # 10, then 10 + 6 + 5, then 21 + 6 + 5: the reference, large, answers with 6
    assert given.prompt_tokens.tolist() == [10, 21, 32, 10, 21, 32]
    assert given.turns.new_tokens.tolist() == [10, 5, 5, 10, 5, 5]
    whole = Workload(parse(scenario(tokens={"prompt": 10, "output": 4}, sessions=laws, models=models)))
    assert whole.columns(2, 3).prompt_tokens.tolist() == [32, 10, 21]
    assert whole.longest_prompt_tokens() == 10 + 2 * (5 + 6)
    with_prefix = composed(3, sessions=laws, models=models, prefixes={"tokens": 100})
    assert with_prefix.prompt_tokens.tolist() == [110, 121, 132]


def test_answers_are_cut_to_what_clients_allow():
    s = scenario(tokens={"prompt": 10, "output": 40, "max_new_tokens": 15}, models=[model("a"), model("b", output=3)])
    workload = Workload(parse(s))
    given = workload.columns(0, 2)
    assert given.output_tokens.tolist() == [[15, 15], [3, 3]]
    assert given.max_new_tokens.tolist() == [15, 15]
    assert given.prompt_tokens.tolist() == [10, 10]
    assert (workload.mean_limit_tokens(), workload.longest_answer_allowed(1)) == (15.0, 15.0)
    assert (workload.mean_output_tokens(0), workload.longest_output_tokens(0)) == (15.0, 15.0)
    free = Workload(parse(scenario(tokens={"prompt": 10, "output": 40})))
    assert (free.mean_limit_tokens(), free.longest_answer_allowed(0)) == (0.0, 40.0)
    assert free.columns(0, 1).max_new_tokens is None


def test_what_clients_allow_is_of_each_request_however_many_are_drawn_at_once():
    law = {"kind": "geometric", "mean": 50, "max": 400}
    workload = Workload(parse(scenario(tokens={"prompt": 10, "output": law, "max_new_tokens": law})))
    whole = workload.columns(0, 40)
    assert len(set(whole.max_new_tokens.tolist())) > 10
    for first in (1, 7, 39):
        later = workload.columns(first, 40 - first)
        assert later.max_new_tokens.tolist() == whole.max_new_tokens[first:].tolist()
        assert later.output_tokens.tolist() == whole.output_tokens[:, first:].tolist()
    assert (whole.output_tokens <= whole.max_new_tokens).all()


def test_lengths_of_a_file_are_cut_to_what_the_client_of_the_same_request_allows(tmp_path):
    (tmp_path / "lengths.csv").write_text("prompt_tokens,output_tokens\n10,60\n20,40\n30,50\n")
    law = {"kind": "geometric", "mean": 50, "max": 400}
    lengths = {"prompt": {"kind": "trace"}, "output": {"kind": "trace"}, "file": str(tmp_path / "lengths.csv")}
    workload = Workload(parse(scenario(tokens=lengths | {"max_new_tokens": law})))
    for first in (0, 100):
        given = workload.columns(first, 40)
        own = {10: 60, 20: 40, 30: 50}
        free = [own[prompt] for prompt in given.prompt_tokens.tolist()]
        cut = [min(pair) for pair in zip(free, given.max_new_tokens.tolist(), strict=True)]
        assert given.output_tokens.tolist() == [cut, cut], first
        assert 0 < sum(c < f for c, f in zip(cut, free, strict=True)) < 40


def test_a_trace_of_times_takes_its_lengths_from_another_file(tmp_path):
    (tmp_path / "times.csv").write_text("arrival_s\n0\n1.5\n4\n")
    (tmp_path / "lengths.csv").write_text("prompt_tokens,output_tokens\n10,1\n20,2\n30,3\n")
    times = {"kind": "trace", "file": str(tmp_path / "times.csv"), "repeat": False}
    lengths = {"prompt": {"kind": "trace"}, "output": {"kind": "trace"}, "file": str(tmp_path / "lengths.csv")}
    (chunk,) = Workload(parse(scenario(requests=None, arrivals=times, tokens=lengths))).chunks(10)
    assert chunk.arrival_s.tolist() == [0.0, 1.5, 4.0]
    assert set(chunk.prompt_tokens.tolist()) <= {10, 20, 30}
    assert (chunk.prompt_tokens == 10 * chunk.output_tokens).all(), "both of one row"


def test_a_policy_gets_as_many_uniforms_as_it_asks_for_of_its_own_for_each_attempt():
    workload = Workload(parse(scenario()))
    workload.draw_for_policy(4, frozenset())
    pairs = [workload.chance.uniform_pair(workload.policy_column, 10, 1, sub)[0] for sub in range(6)]
    for attempt in range(3):
        assert workload.uniforms_of_attempt(10, attempt).tolist() == [*pairs[2 * attempt], *pairs[2 * attempt + 1]]


def test_a_file_of_lengths_has_its_notes(tmp_path):
    (tmp_path / "l.csv").write_text("prompt_tokens,prompt_tokens,output_tokens\n10,7,1\n20,7,2.4\n")
    lengths = {"prompt": {"kind": "trace"}, "output": {"kind": "trace"}, "file": str(tmp_path / "l.csv")}
    twice, rounded = Workload(parse(scenario(tokens=lengths))).notes
    assert twice == "l.csv: its header has 'prompt_tokens' more than once: the first is read"
    assert rounded == "l.csv: column 'output_tokens' has counts that are not whole, such as 2.4: read as 2"


def test_a_law_that_is_cut_to_much_less_than_its_mean_is_noted():
    def notes(prompt, *outputs):
        models = [model(name, 0.5, output=law) for name, law in zip("ab", outputs, strict=True)]
        return Workload(parse(scenario(tokens={"prompt": prompt, "output": 9}, models=models))).notes

    long = {"kind": "lognormal", "mean": 600, "cv": 1.0}
    assert notes(long | {"max": 8192}, {"kind": "geometric", "mean": 150, "max": 300}, 150) == []
    assert notes(long | {"max": 10}, {"kind": "geometric", "mean": 150, "max": 100}, 150) == [
        "prompts have a mean of 10 tokens, not 600: max = 10 cuts longer ones",
        "answers of a have a mean of 73.16 tokens, not 150: max = 100 cuts longer ones",
    ]
    same = {"kind": "geometric", "mean": 500, "max": 200}
    (note,) = notes(100, same, same)
    assert note.startswith("answers have a mean of 165"), "of one law it is said once"


# ---- data files -----------------------------------------------------------------------------------------


def times_of(file, **values):
    law = {"kind": "trace", "file": str(file), "repeat": False}
    return Workload(parse(scenario(arrivals=law, **values))).trace.time_s.tolist()


def test_runs_on_one_file_read_it_once(tmp_path, monkeypatch):
    file = tmp_path / "trace.csv"
    file.write_text("arrival_s\n0\n1\n4\n", encoding="utf-8")
    assert times_of(file) == [0, 1, 4]
    monkeypatch.setattr(trace, "read_trace", lambda *args, **kwargs: pytest.fail("read again"))
    assert times_of(file, seed=2) == [0, 1, 4]


@pytest.mark.parametrize("text", ["arrival_s\n0\n2\n4\n", "arrival_s\n0\n4\n"])
def test_a_file_that_has_changed_is_read_again(tmp_path, text):
    file = tmp_path / "trace.csv"
    file.write_text("arrival_s\n0\n1\n4\n", encoding="utf-8")
    assert times_of(file) == [0, 1, 4]
    file.write_text(text, encoding="utf-8")
    assert times_of(file) == [float(line) for line in text.split()[1:]]


def test_a_file_of_which_something_else_is_asked_is_read_again(tmp_path):
    file = tmp_path / "trace.csv"
    file.write_text("arrival_s,prompt_tokens\n0,5\n1,6\n", encoding="utf-8")
    law = {"kind": "trace", "file": str(file)}
    assert Workload(parse(scenario(arrivals=law))).trace.prompt_tokens is None
    of_trace = {"prompt": {"kind": "trace"}, "output": {"kind": "constant", "tokens": 7}}
    workload = Workload(parse(scenario(arrivals=law, tokens=of_trace)))
    assert workload.trace.prompt_tokens.tolist() == [5, 6]
