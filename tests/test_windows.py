"""The promise in windows: by hand, against its definition, and through a run."""

import copy

import numpy as np
import pytest
from builders import ALWAYS, NEVER, model, run, scenario, trace
from hypothesis import given, settings
from hypothesis import strategies as st

from messsim.errors import ScenarioError
from messsim.results.windows import InOrder, LastAnswers, Periods
from messsim.scenario import parse

quick = settings(derandomize=True, deadline=None, max_examples=150)

ANSWERS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.25, 1.0, 7.0]), st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.4, 0.9])),
    max_size=40,
)


def windows_summary(windows, answers, size: int, until_s: float) -> dict:
    """The summary after answers (gap before it, satisfied, alpha), `size` at a time."""
    gaps, satisfied, alphas = np.array(answers).reshape(-1, 3).T
    arrival_s = np.cumsum(gaps)
    for start in range(0, len(gaps), size):
        cut = slice(start, start + size)
        windows.add(arrival_s[cut], satisfied[cut], alphas[cut])
    closed = windows.close(until_s)
    return {name: getattr(closed, name) for name in ("count", "violated", "violation_rate", "worst")}


def judged(groups: list[list[tuple[float, float]]]) -> dict:
    """The summary of windows of (satisfied, alpha), by its definition."""
    short = [sum(s for s, _ in g) < sum(a for _, a in g) - 1e-9 for g in groups]
    return {
        "count": len(groups),
        "violated": sum(short),
        "violation_rate": sum(short) / len(groups) if groups else None,
        "worst": min((sum(s for s, _ in g) / len(g) for g in groups), default=None),
    }


@quick
@given(ANSWERS, st.integers(1, 40), st.sampled_from([1.0, 3.5, 100.0]), st.sampled_from([0.0, 14.0, 1e9]))
def test_periods_are_their_definition(answers, size, length_s, more_s):
    arrival_s = np.cumsum([a[0] for a in answers])
    until_s = (arrival_s[-1] if len(answers) else 0.0) + more_s
    groups: dict[int, list] = {}
    for at, (_, s, alpha) in zip(arrival_s, answers, strict=True):
        if (at // length_s + 1) * length_s <= until_s:
            groups.setdefault(int(at // length_s), []).append((s, alpha))
    assert windows_summary(Periods(length_s), answers, size, until_s) == pytest.approx(
        judged(list(groups.values())), abs=1e-12
    )


@quick
@given(ANSWERS, st.integers(1, 40), st.sampled_from([1, 2, 7, 30]))
def test_the_last_answers_are_their_definition(answers, size, length):
    pairs = [a[1:] for a in answers]
    groups = [pairs[k : k + length] for k in range(len(pairs) - length + 1)]
    assert windows_summary(LastAnswers(length), answers, size, 0.0) == pytest.approx(judged(groups), abs=1e-12)


@quick
@given(ANSWERS, st.integers(1, 40), st.randoms(use_true_random=False), st.sampled_from([Periods(3.5), LastAnswers(3)]))
def test_answers_in_any_order_make_the_same_windows(answers, size, chance, windows):
    arrival_s = np.cumsum([1.0 + a[0] for a in answers])
    values = np.array([(t, s, alpha) for t, (_, s, alpha) in zip(arrival_s, answers, strict=True)]).reshape(-1, 3)
    shuffled = list(range(len(values)))
    chance.shuffle(shuffled)
    mixed, sorted_ones = InOrder(copy.deepcopy(windows)), copy.deepcopy(windows)
    for start in range(0, len(values), size):
        mixed.add(*values[shuffled[start : start + size]].T)
    sorted_ones.add(*values.T)
    until_s = float(arrival_s[-1]) if len(values) else 0.0
    assert vars(mixed.close(until_s)) == vars(sorted_ones.close(until_s))


def test_a_promise_met_exactly_is_kept_in_a_window():
    windows = LastAnswers(10)
    windows.add(np.arange(10.0), np.array([1.0] * 3 + [0.0] * 7), np.full(10, 0.1 + 0.2))
    assert windows.close(0.0).violated == 0


def a_changing_model(folder, **sla) -> dict:
    """One answer a second: four that satisfy, three that do not, then three that do."""
    return scenario(
        arrivals=trace(folder, range(10)),
        requests=None,
        sla={"alpha": 0.5} | sla,
        models=[model("only", ALWAYS)],
        phases=[
            {"from_request": 4, "satisfaction": {"only": NEVER}},
            {"from_request": 7, "satisfaction": {"only": ALWAYS}},
        ],
    )


def test_days_of_three_seconds(tmp_path):
    """111 100 011 (1): the third is over when the last request comes at 9 s, the fourth never is."""
    r = run(a_changing_model(tmp_path, window_s=3.0))
    assert r.satisfied[0].tolist() == [1, 1, 1, 1, 0, 0, 0, 1, 1, 1]
    summaries = {"window_s": 3.0, "window_requests": None, "count": 3, "violated": 1, "violation_rate": 1 / 3}
    assert r.summary["sla"]["windows"] == summaries | {"worst": 1 / 3}
    assert r.summary["tenants"][0]["windows"] == r.summary["sla"]["windows"]


def test_a_horizon_ends_the_last_day(tmp_path):
    data = a_changing_model(tmp_path, window_s=3.0) | {"horizon_s": 12.0}
    assert run(data).summary["sla"]["windows"]["count"] == 4


def test_the_last_four_answers(tmp_path):
    """1111000111: of the seven windows of four, 1000 and 0001 fall short."""
    windows = run(a_changing_model(tmp_path, window_requests=4)).summary["sla"]["windows"]
    assert windows["window_requests"] == 4
    assert (windows["count"], windows["violated"], windows["worst"]) == (7, 2, 0.25)


def test_each_tenant_has_windows_of_their_own():
    tenants = [{"name": "x", "alpha": 0.9}, {"name": "y", "share": 3.0, "alpha": 0.2}]
    r = run(scenario(requests=200, sla={"alpha": 0.5, "window_requests": 20}, tenants=tenants))
    for k, tenant in enumerate(r.summary["tenants"]):
        mine = r.records.satisfied[r.records.tenant == k]
        pairs = [(s, tenant["alpha"]) for s in mine]
        groups = [pairs[i : i + 20] for i in range(len(pairs) - 19)]
        assert {k: tenant["windows"][k] for k in judged([])} == pytest.approx(judged(groups))
    assert r.summary["tenants"][0]["windows"]["violated"] > r.summary["tenants"][1]["windows"]["violated"]
    assert r.summary["sla"]["windows"]["count"] == 181


def test_who_is_turned_away_is_in_no_window(tmp_path):
    data = a_changing_model(tmp_path, window_requests=4)
    crowd = {"models": [model("only", ALWAYS, max_num_seqs=1)], "cluster": {"admission": {"max_waiting": 0}}}
    r = run(data | crowd | {"tokens": {"output": 7}})
    answered = r.statuses.count("completed")
    assert 4 < answered < 10
    assert r.summary["sla"]["windows"]["count"] == answered - 3


def test_without_windows_there_are_none():
    r = run(scenario())
    assert r.summary["sla"]["windows"] is None
    assert r.summary["tenants"][0]["windows"] is None


def test_one_kind_of_window():
    with pytest.raises(ScenarioError) as caught:
        parse(scenario(sla={"alpha": 0.5, "window_s": 1.0, "window_requests": 5}))
    assert caught.value.problems == ["sla: both window_s and window_requests are given; expected one of them"]
