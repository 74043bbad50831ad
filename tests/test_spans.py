"""Which stretch of a run is drawn by which phase, and means over the run; stages by hand, without a scenario's run."""

from types import SimpleNamespace

import numpy as np
import pytest
from builders import api, model, scenario
from made_up import At

from messsim.scenario import parse
from messsim.workload.chance import Chance
from messsim.workload.spans import Asked, Span, mean_of_rows, mean_over, spans_of
from messsim.workload.stages import stages_of


def phase(*, at=None, at_s=None, over=0):
    start = at if at_s is None else at_s
    return SimpleNamespace(from_request=at, from_s=at_s, start=start, over=over)


def stages(*phases):
    """Stages of these phases; those that last are gradual."""
    made = [SimpleNamespace(phase=None, before=None)]
    for p in phases:
        made.append(SimpleNamespace(phase=p, before=made[-1] if p.over else None))
    return made


def seen(spans, made):
    return [(made.index(s.stage), s.first, s.count, s.progress) for s in spans]


WHOLE = (1.0, 1.0)


@pytest.mark.parametrize(
    ("phases", "total", "expected"),
    [
        ([], 10, [(0, 0, 10, WHOLE)]),
        ([phase(at=4)], 10, [(0, 0, 4, WHOLE), (1, 4, 6, WHOLE)]),
        ([phase(at=0)], 10, [(1, 0, 10, WHOLE)]),
        ([phase(at=10)], 10, [(0, 0, 10, WHOLE)]),
        ([phase(at=9)], 10, [(0, 0, 9, WHOLE), (1, 9, 1, WHOLE)]),
        ([phase(at=50)], 10, [(0, 0, 10, WHOLE)]),
        ([phase(at=2), phase(at=5)], 8, [(0, 0, 2, WHOLE), (1, 2, 3, WHOLE), (2, 5, 3, WHOLE)]),
        ([phase(at=2, over=4)], 10, [(0, 0, 2, WHOLE), (1, 2, 4, (0.0, 1.0)), (1, 6, 4, WHOLE)]),
        ([phase(at=2, over=4)], 6, [(0, 0, 2, WHOLE), (1, 2, 4, (0.0, 1.0))]),
        ([phase(at=2, over=8)], 4, [(0, 0, 2, WHOLE), (1, 2, 2, (0.0, 0.25))]),  # cut off by the run's end
        (
            [phase(at=2, over=4), phase(at=4)],
            10,
            [(0, 0, 2, WHOLE), (1, 2, 2, (0.0, 0.5)), (2, 4, 6, WHOLE)],
        ),
    ],
)
def test_phases_by_request(phases, total, expected):
    made = stages(*phases)
    assert seen(spans_of(made, total, lambda: pytest.fail("no time is asked")), made) == expected


@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        ([phase(at_s=2.0)], [(0, 0, 2, WHOLE), (1, 2, 4, WHOLE)]),  # who comes at 2 s is of the phase
        ([phase(at_s=2.5)], [(0, 0, 3, WHOLE), (1, 3, 3, WHOLE)]),
        ([phase(at_s=2.0, over=2.0)], [(0, 0, 2, WHOLE), (1, 2, 2, (0.0, 1.0)), (1, 4, 2, WHOLE)]),
        ([phase(at_s=99.0)], [(0, 0, 6, WHOLE)]),
        # five requests come in 5 s, twelve by 10 s: the change from 4 s to 10 s is of 8 requests, of which 2 come
        ([phase(at_s=4.0, over=6.0)], [(0, 0, 4, WHOLE), (1, 4, 2, (0.0, 2 / 8))]),
    ],
)
def test_phases_by_time(phases, expected):
    made = stages(*phases)
    assert seen(spans_of(made, 6, lambda: At(0.0, 1.0, 2.0, 3.0, 4.0, 5.0)), made) == expected


def test_without_arrival_times_a_phase_by_time_begins_at_once():
    made = stages(phase(at_s=3.0))
    assert seen(spans_of(made, 5, lambda: None), made) == [(1, 0, 5, WHOLE)]


def test_progress_of_some_requests_of_a_span():
    span = Span(None, 10, 8, (0.25, 0.75))
    assert span.progress_of(0, 3).tolist() == [0.25, 0.3125, 0.375]
    assert span.progress_of(6, 2).tolist() == [0.625, 0.6875]
    assert Span(None, 10, 8).progress_of(0, 3) is None


def test_means_count_each_request():
    spans = [Span("a", 0, 1), Span("b", 1, 3)]
    assert mean_over(spans, lambda s: {"a": 4.0, "b": 8.0}[s.stage]) == 7.0
    assert mean_over(spans[:1], lambda s: 4.0) == 4.0


@pytest.mark.parametrize(
    ("first", "count", "expected"),
    [
        (0, 4, 2.5),
        (0, 1, 1.0),
        (1, 2, 2.5),
        (3, 1, 4.0),
        (3, 2, 2.5),  # the last row and again the first
        (0, 5, 11 / 5),
        (2, 7, (10 + 3 + 4 + 1) / 7),
        (6, 3, (3 + 4 + 1) / 3),
        (1, 8, 2.5),
    ],
)
def test_the_mean_of_rows_is_over_those_that_are_taken(first, count, expected):
    values = np.array([1.0, 2.0, 3.0, 4.0])
    assert mean_of_rows(values, Span(None, first, count), in_order=True) == pytest.approx(expected, rel=1e-15)
    assert mean_of_rows(values, Span(None, first, count), in_order=False) == 2.5


@pytest.mark.parametrize("most", [20_000_000, 5])
def test_means_of_a_tenant_are_over_its_own_requests(most, monkeypatch):
    """Rows 1 and 2 of three ask, in pieces of two requests; beyond the most that is looked at, until one did."""
    monkeypatch.setattr("messsim.workload.spans.BLOCK", 2)
    monkeypatch.setattr("messsim.workload.spans.MOST", most)
    asked = Asked(np.array([False, True, True]))
    values = np.array([1.0, 2.0, 4.0, 8.0])
    span = Span(None, 4, 8, asked=asked)  # requests 4, 5, 7, 8, 10 and 11
    assert (span.weight(), span.weight(0.0, 0.5), span.weight(0.5, 1.0)) == (6, 3, 3)
    expected = {20_000_000: (1 + 2 + 8 + 1 + 4 + 8) / 6, 5: (1 + 2 + 8 + 1) / 4}[most]
    assert mean_of_rows(values, span, in_order=True) == expected
    assert mean_of_rows(values, span, in_order=False) == 3.75
    assert mean_over([span, Span(None, 12, 3, asked=asked)], lambda s: float(s.first)) == (6 * 4 + 2 * 12) / 8


# ---- stages ---------------------------------------------------------------------------------------------


def staged(*phases, **changes):
    return stages_of(parse(scenario(phases=list(phases), **changes)), None, Chance(1))


def test_a_phase_lies_over_the_scenario_and_not_over_the_phase_before():
    first, second, third = staged(
        {"name": "a", "from_request": 10, "prompt": 7, "difficulty": 0.5, "cost_per_request": {"small": 2.0}},
        {"name": "b", "from_request": 20, "output": 9, "withdrawn": ["small"]},
        models=[
            {"name": "small", "satisfaction": 0.4, "cost_per_request": 1.0},
            {"name": "large", "satisfaction": 0.8, "output": 5, "cost_per_request": 4.0},
        ],
        cluster={"mode": "none"},
    )
    assert [s.phase.name if s.phase else None for s in (first, second, third)] == [None, "a", "b"]
    assert [s.prompt.tokens for s in (first, second, third)] == [1, 7, 1]
    assert [[o.tokens for o in s.outputs] for s in (first, second, third)] == [[3, 5], [3, 5], [9, 9]]
    assert [s.difficulty.shift for s in (first, second, third)] == [0.0, 0.5, 0.0]
    assert [s.costs for s in (first, second, third)] == [[1.0, 4.0], [2.0, 4.0], [1.0, 4.0]]
    assert [s.available for s in (first, second, third)] == [[True, True], [True, True], [False, True]]
    assert [s.before for s in (first, second, third)] == [None, None, None]
    assert first.thetas == second.thetas == third.thetas


def test_a_phase_multiplies_prices_of_apis():
    models = [model("small", 0.4), {"name": "large", "satisfaction": 0.8, **api()}]
    phases = [{"name": "a", "from_request": 5, "price_factor": {"large": 3.0}}, {"name": "b", "from_request": 9}]
    costs = {"unit": "USD", "usd_per_gpu_hour": {"GPU": 1.0}}
    assert [s.price_factors for s in staged(*phases, models=models, cost=costs)] == [[1.0, 1.0], [1.0, 3.0], [1.0, 1.0]]


def test_a_gradual_phase_comes_from_the_stage_before():
    start, end = staged({"name": "a", "from_request": 10, "over_requests": 20, "difficulty": 2.0})
    assert end.before is start or end.before == start
    assert end.progress(np.array([9, 10, 15, 30, 31]), None).tolist() == [0.0, 0.0, 0.25, 1.0, 1.0]
    assert start.progress(np.array([0]), None) is None
    assert end.shift_at(np.array([0.0, 0.25, 1.0])).tolist() == [0.0, 0.5, 2.0]
    assert end.shift_at(None) == 2.0
    assert start.shift_at(np.array([0.5])) == 0.0


def test_a_phase_by_time_goes_by_the_times_of_arrival():
    _, end = staged({"name": "a", "from_s": 4.0, "over_s": 8.0, "satisfaction": {"small": 0.9}})
    assert end.progress(np.arange(3), np.array([4.0, 6.0, 20.0])).tolist() == [0.0, 0.25, 1.0]
    assert end.progress(np.arange(3), None) is None
    low, high = end.before.thetas[0], end.thetas[0]
    assert high > low
    assert end.thetas_at(np.array([0.0, 0.5]))[0].tolist() == [low, low + 0.5 * (high - low)]
    assert end.thetas_at(None) == end.thetas
    assert end.before.thetas_at(np.array([0.5])) == end.before.thetas


def test_tasks_of_a_phase_have_other_weights():
    law = {"kind": "irt", "tasks": [{"name": "easy", "mean": -1.0}, {"name": "hard", "mean": 1.0}]}
    first, second = staged({"name": "a", "from_request": 5, "tasks": {"hard": 1.0}}, satisfaction=law)
    assert [t.weight for t in first.difficulty.tasks] == [1.0, 1.0]
    assert [t.weight for t in second.difficulty.tasks] == [0.0, 1.0]
    assert first.thetas == second.thetas  # abilities belong to the scenario's own difficulties
