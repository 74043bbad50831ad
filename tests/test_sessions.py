"""Sessions and shared system prompts, against times and lengths worked out by hand, and in both engines."""

import runpy
import tomllib
from pathlib import Path

import numpy as np
import pytest
from builders import STEP_S, model, run, scenario
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import prompts, scenarios
from test_engine_properties import check_counts, check_energy
from test_engines_equal import assert_equal

from messsim.engines import compiled
from messsim.engines.records import rows_of
from messsim.errors import ScenarioError
from messsim.scenario import dump, parse
from messsim.workload import Workload

engines = pytest.mark.parametrize("engine", ["simpy", "compiled"])
quick = settings(deadline=None, derandomize=True, max_examples=40, suppress_health_check=list(HealthCheck))
THINK_S = 1.5


def sessions(turns=3, think_s=THINK_S, **changes) -> dict:
    """One model of one replica; first texts of 10 tokens, later ones of 5, answers of 3."""
    data = {
        "requests": turns,
        "sessions": {"turns": turns, "think_s": think_s, "followup": 5},
        "tokens": {"prompt": 10, "output": 3},
        "models": [model("only", 0.6)],
        "arrivals": {"kind": "poisson", "rate_rps": 0.01},
    }
    return scenario(**(data | changes))


def test_moments_of_prompts_that_grow_are_those_of_the_requests():
    """Prompts of 10, then 10 + 3 + 5 and 18 + 3 + 5 tokens."""
    workload = Workload(parse(sessions()))
    assert workload.mean_prompt_tokens() == pytest.approx((10 + 18 + 26) / 3)
    assert workload.mean_square_prompt_tokens() == pytest.approx((10**2 + 18**2 + 26**2) / 3)


# ---- by hand --------------------------------------------------------------------------------------------


@engines
def test_each_turn_adds_the_answer_and_new_text_and_comes_a_think_time_after_it(engine):
    r = run(sessions(prefixes={"tokens": 20}), engine)
    c = r.records
    assert c.session.tolist() == [0, 0, 0]
    assert c.turn.tolist() == [0, 1, 2]
    assert c.prompt_tokens.tolist() == [30, 30 + 3 + 5, 38 + 3 + 5]
    assert (c.arrival_s[1:] == c.finish_s[:-1] + THINK_S).all()
    assert np.allclose(c.finish_s - c.arrival_s, 3 * STEP_S)  # one iteration of prefill, two of decoding
    assert r.outcome.last_arrival_s == c.arrival_s[-1]
    assert r.summary["sessions"] == {"begun": 1, "turns": 3, "turns_not_sent": 0}


@engines
def test_a_turn_without_a_think_time_joins_the_iteration_that_starts_when_the_answer_ended(engine):
    c = run(sessions(think_s=0.0), engine).records
    assert (c.start_s[1:] == c.finish_s[:-1]).all()
    assert c.finish_s[-1] == c.arrival_s[0] + 9 * STEP_S


@engines
def test_the_answer_that_the_user_saw_makes_the_next_prompt(engine):
    models = [model("brief", 0.5, output=2), model("long", 0.6, output=40)]
    router = {"c": 1.0, "kappa": 0.0, "reference": "brief"}  # every request is explored
    c = run(sessions(models=models, router=router), engine).records
    assert c.explored.all()
    assert c.prompt_tokens.tolist() == [10, 10 + 2 + 5, 17 + 2 + 5]


@engines
def test_after_a_turn_that_was_turned_away_no_other_is_sent(engine):
    """Sessions begin each second; one request is served at a time, and nobody may wait."""
    data = sessions(
        turns=4,
        requests=400,
        models=[model("only", 0.6, max_num_seqs=1)],
        arrivals={"kind": "gamma", "rate_rps": 1.0, "cv": 0.1},
        cluster={"admission": {"max_waiting": 0}},
    )
    r = run(data, engine)
    c = r.records
    refused = np.flatnonzero(np.array(r.statuses) == "rejected")
    assert len(refused) > 5
    last = np.flatnonzero(np.concatenate([c.session[1:] != c.session[:-1], [True]]))
    assert np.isin(refused, last).all()
    sent = c.turn[last] + 1
    assert (sent[np.array(r.statuses)[last] == "completed"] == 4).all()
    assert r.summary["sessions"] == {"begun": 100, "turns": len(r), "turns_not_sent": 400 - len(r)}
    assert r.summary["requests"]["arrived"] == len(r) < 400
    assert (c.id == 4 * c.session + c.turn).all()


@engines
@pytest.mark.parametrize("retries", [0, 1])
def test_after_a_turn_that_was_given_up_no_other_is_sent(engine, retries):
    clients = {"patience_s": 2 * STEP_S, "retries": retries}
    r = run(sessions(clients=clients, feedback={"delay": 0.0}), engine)
    assert r.statuses == ["timed_out"]
    assert r.summary["sessions"] == {"begun": 1, "turns": 1, "turns_not_sent": 2}


@engines
def test_a_run_that_is_cut_leaves_the_turns_to_come_out(engine):
    data = sessions(requests=None, horizon_s=40.0, arrivals={"kind": "poisson", "rate_rps": 0.2}, think_s=20.0)
    r = run(data, engine)
    c = r.records
    assert (c.arrival_s < 40.0).all()
    assert (c.turn > 0).any()
    assert r.summary["sessions"]["turns_not_sent"] == 0
    assert r.summary["requests"]["arrived"] == len(r)


@engines
def test_a_prompt_goes_through_the_node_of_its_group_and_that_of_its_session(engine):
    r = run(sessions(requests=6, prefixes={"tokens": 20, "groups": 7}), engine)
    chunk = Workload(r.setup.scenario).columns(0, 6)
    groups = chunk.paths.nodes["id"][::2]
    assert chunk.paths.start.tolist() == [0, 2, 4, 6, 8, 10, 12]
    assert (chunk.paths.nodes["end_tokens"][::2] == 20).all()
    assert groups[0] == groups[1] == groups[2] < 7
    assert chunk.paths.nodes["id"][1::2].tolist() == [7, 7, 7, 8, 8, 8]


@engines
def test_a_session_stays_with_its_model(engine):
    models = [model("a", 0.5), model("b", 0.6), model("c", 0.7)]
    router = {"policy": "random", "keep_session_model": True}
    c = run(sessions(requests=60, models=models, router=router), engine).records
    assert len(set(c.model[c.turn == 0].tolist())) == 3
    assert (c.model[1:] == c.model[:-1])[c.turn[1:] > 0].all()


@engines
def test_the_next_turn_finds_its_prompt_and_the_answer_in_the_cache_of_the_model_that_gave_it(engine):
    """Blocks of 4: a prompt of 10 and an answer of 3, whose last token is never kept, leave floor(12 / 4) of them."""
    cached = {"prefix_cache": True, "kv_block_tokens": 4, "kv_capacity_tokens": 4000}
    r = run(sessions(prefixes={"tokens": 8}, models=[model("only", 0.6, **cached)]), engine)
    c = r.records
    assert c.prompt_tokens.tolist() == [18, 26, 34]
    assert c.cached_prompt_tokens.tolist() == [0, 20, 28]  # of 18 + 2 and 26 + 2 tokens


@engines
def test_a_session_that_changes_its_model_leaves_its_cache_behind(engine):
    cached = {"prefix_cache": True, "kv_block_tokens": 1, "kv_capacity_tokens": 4000}
    models = [model("a", 0.5, **cached), model("b", 0.6, **cached)]
    c = run(sessions(turns=4, requests=80, models=models, router={"policy": "random"}), engine).records
    for i in np.flatnonzero(c.turn > 0):
        if c.model[i] == c.model[i - 1]:
            assert c.cached_prompt_tokens[i] == c.prompt_tokens[i] - 5 - 1  # all but the new text and one token
        else:
            earlier = [j for j in range(i - c.turn[i], i) if c.model[j] == c.model[i]]
            assert c.cached_prompt_tokens[i] == (c.prompt_tokens[earlier[-1]] + 2 if earlier else 0)


@engines
@pytest.mark.parametrize("window", [{"window_s": 20.0}, {"window_requests": 5}])
def test_windows_of_a_promise_are_over_turns_in_order_of_time(engine, window):
    """Turns come late, so records are in another order than time."""
    r = run(sessions(requests=60, arrivals={"kind": "poisson", "rate_rps": 1.0}, sla={"alpha": 0.6} | window), engine)
    order = np.argsort(r.records.arrival_s, kind="stable")
    arrival_s, satisfied = r.records.arrival_s[order], r.records.satisfied[order]
    assert (np.diff(r.records.arrival_s) < 0).any()
    if "window_s" in window:
        numbers = arrival_s // 20.0
        over = [n for n in np.unique(numbers) if (n + 1) * 20.0 <= r.outcome.last_arrival_s]
        means = [satisfied[numbers == n].mean() for n in over]
    else:
        means = [satisfied[k : k + 5].mean() for k in range(len(satisfied) - 4)]
    windows = r.summary["sla"]["windows"]
    assert (windows["count"], windows["worst"]) == (len(means), min(means))
    assert windows["violated"] == sum(m < 0.6 - 1e-9 for m in means)


@engines
def test_a_session_belongs_to_the_phase_in_which_it_begins(engine):
    """Texts of 10 tokens, of 40 in sessions that begin after 40 s, ten times as often; answers of 3."""
    phases = [{"from_s": 40.0, "prompt": 40, "rate_factor": 10.0}]
    data = sessions(requests=300, phases=phases, arrivals={"kind": "poisson", "rate_rps": 0.5}, turns=3)
    del data["sessions"]["followup"]
    c = run(data, engine).records
    begin_s = c.arrival_s[c.turn == 0][c.session]
    text = np.where(begin_s < 40.0, 10, 40)
    assert (c.prompt_tokens == text + c.turn * (text + 3)).all()
    assert ((begin_s < 40.0) & (c.arrival_s > 40.0)).any()
    first_s = c.arrival_s[c.turn == 0]
    assert 10 < (first_s < 40.0).sum() < 30
    assert np.diff(first_s[first_s > 40.0]).mean() == pytest.approx(0.2, rel=0.3)


@engines
def test_a_phase_by_request_changes_the_rate_of_the_sessions_from_there_on(engine):
    phases = [{"from_request": 31, "rate_factor": 100.0}]  # in the middle of session 10
    c = run(sessions(requests=90, phases=phases, arrivals={"kind": "poisson", "rate_rps": 0.5}), engine).records
    gaps = np.diff(c.arrival_s[c.turn == 0])
    assert gaps[:10].mean() > 1.0
    assert gaps[11:].mean() < 0.1


# ---- chance ---------------------------------------------------------------------------------------------


def test_what_is_drawn_of_a_turn_does_not_hang_on_routing():
    """Text, answers by any model, satisfaction and think times by (session, turn), whoever answers and how late."""
    models = [model("small", 0.4, output={"kind": "geometric", "mean": 4.0}), model("large", 0.7, max_num_seqs=1)]
    data = sessions(
        requests=200,
        arrivals={"kind": "poisson", "rate_rps": 0.5},
        models=models,
        sessions={
            "turns": {"kind": "geometric", "mean": 3.0},
            "think_s": {"kind": "exponential", "mean_s": 2.0},
            "followup": {"kind": "geometric", "mean": 6.0},
        },
        prefixes={"groups": 3, "tokens": {"kind": "empirical", "tokens": [5, 9, 30]}},
        tenants=[{"name": "a"}, {"name": "b"}],
    )
    runs = [run(data | {"router": {"policy": policy}}, "compiled") for policy in ("cheapest", "largest", "random")]
    for r in runs:
        c = r.records
        later = np.flatnonzero(c.turn > 0)
        assert np.array_equal(c.tenant[later], c.tenant[later - 1])
        thought_s = c.arrival_s[later] - c.finish_s[later - 1]
        text = c.prompt_tokens[later] - c.prompt_tokens[later - 1] - c.output_tokens[later - 1]
        first = runs[0].records
        assert np.allclose(thought_s, first.arrival_s[later] - first.finish_s[later - 1], atol=1e-9)
        expected = first.prompt_tokens[later] - first.prompt_tokens[later - 1] - first.output_tokens[later - 1]
        assert np.array_equal(text, expected)
        assert np.array_equal(c.prompt_tokens[c.turn == 0], first.prompt_tokens[c.turn == 0])
        for name in ("satisfied", "features"):
            assert np.array_equal(getattr(r, name), getattr(runs[0], name)), name
    assert len({r.records.prompt_tokens.sum() for r in runs}) == 3  # whose answers they are makes a difference


def test_turns_of_a_histogram_come_by_their_weights():
    turns = {"kind": "empirical", "turns": [1, 2, 5], "weights": [1.0, 0.0, 3.0]}
    w = Workload(parse(sessions(requests=4000, sessions={"turns": turns})))
    lengths = np.bincount(w.columns(0, 4000).turns.session)[:-1]  # the last may be cut
    assert set(lengths.tolist()) == {1, 5}
    assert (lengths == 5).mean() == pytest.approx(0.75, abs=0.05)


def test_a_request_alone_has_the_turn_that_it_has_among_others():
    w = Workload(parse(sessions(requests=500, sessions={"turns": {"kind": "geometric", "mean": 3.0}})))
    whole = w.columns(0, 500)
    for first, n in ((0, 1), (17, 40), (499, 1)):
        part = w.columns(first, n)
        assert np.array_equal(part.prompt_tokens, whole.prompt_tokens[first : first + n])
        assert np.array_equal(part.tenant, whole.tenant[first : first + n])


@pytest.mark.parametrize("size", [64, 100, 65_536])
def test_chunks_hold_whole_sessions_whatever_their_size(size):
    w = Workload(parse(sessions(requests=1000, sessions={"turns": {"kind": "geometric", "mean": 9.0}})))
    chunks = list(w.chunks(size))
    assert sum(map(len, chunks)) == 1000
    assert all(c.turns.turn[0] == 0 for c in chunks)
    whole = w.columns(0, 1000)
    assert np.array_equal(np.concatenate([c.prompt_tokens for c in chunks]), whole.prompt_tokens)


def test_groups_are_chosen_by_zipfs_law():
    data = scenario(requests=20_000, prefixes={"groups": 4, "exponent": 1.0, "tokens": 7}, sessions=None)
    chunk = Workload(parse(data)).columns(0, 20_000)
    counts = np.bincount(chunk.paths.nodes["id"][::2], minlength=4) / 20_000
    shares = np.array([12, 6, 4, 3]) / 25
    assert np.abs(counts - shares).max() < 4 * np.sqrt(0.25 / 20_000)
    assert (chunk.prompt_tokens == 1 + 7).all()


# ---- two engines ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("traces")


@quick
@given(st.data())
def test_the_engines_are_equal_over_sessions_and_prefixes(folder, data):
    drawn = data.draw(prompts(data.draw(scenarios(folder)), room=340))
    assert_equal(parse(drawn))


@settings(quick, max_examples=20)
@given(st.data())
def test_every_run_of_sessions_is_sound(folder, data):
    r = run(data.draw(prompts(data.draw(scenarios(folder)), room=340)), "compiled")
    if len(r):
        check_counts(r)
        check_energy(r)


# ---- what does not fit ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arrivals": {"kind": "closed", "clients": 2}}, "sessions: with arrivals.kind = 'closed'"),
        ({"sessions": {"think_s": -1.0}}, "sessions.think_s"),
        ({"sessions": {"turns": 0}}, "sessions.turns"),
        ({"sessions": {"turns": {"kind": "empirical", "turns": [1, 2], "weights": [1.0]}}}, "2 turns but 1 weights"),
        (
            {"sessions": {"turns": {"kind": "empirical", "turns": [1, 2], "weights": [1.0] * 3}}},
            "2 turns but 3 weights",
        ),
        ({"prefixes": {"choice": "tenant", "groups": 3}}, "groups with choice = 'tenant'"),
        ({"prefixes": {"tokens": {"kind": "table"}}}, "prefixes.tokens.kind = 'table'"),
        ({"sessions": None, "router": {"keep_session_model": True}}, "router.keep_session_model: there are no"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ScenarioError, match=message.replace("(", "\\(")):
        parse(sessions(**changes))


def test_a_scenario_that_is_written_down_has_the_same_sessions():
    by_tenant = {"prefixes": {"choice": "tenant", "tokens": 7}, "tenants": [{"name": "a"}, {"name": "b"}]}
    for spec in (sessions(), sessions(prefixes={"groups": 3, "tokens": 7}), sessions(**by_tenant)):
        once = parse(spec)
        again = parse(tomllib.loads(dump(once)))
        assert (again.sessions, again.prefixes) == (once.sessions, once.prefixes)


def test_sessions_want_servers():
    with pytest.raises(ScenarioError, match=r"sessions: expected cluster\.mode = 'servers'"):
        parse(sessions(cluster={"mode": "none"}, models=[{"name": "a", "satisfaction": 0.5, "cost_per_request": 1.0}]))


def test_the_picture_on_the_page_is_of_its_table():
    """`python tools/draw_sessions.py` draws it anew."""
    root = Path(__file__).parents[1]
    picture = (root / "docs" / "sessions.svg").read_text()
    rows = runpy.run_path(str(root / "tools" / "draw_sessions.py"))["rows_of"](
        (root / "docs" / "sessions.md").read_text()
    )
    figures = [f"{value:,g}" for column in ("joules", "ttft_ms", "hits") for value in rows[column]]
    assert len(figures) == 15
    assert [figure for figure in figures if f">{figure}<" not in picture] == []


def test_records_of_turns_are_the_same_row_by_row(monkeypatch):
    """As those of a large fleet are written."""
    data = sessions(turns=4, requests=3000, arrivals={"kind": "poisson", "rate_rps": 2.0})
    by_column = vars(run(data, "compiled").records)
    laid = []
    monkeypatch.setattr(compiled, "SMALL_FLEET", 0)
    monkeypatch.setattr(compiled, "rows_of", lambda n: laid.append(n) or rows_of(n))
    by_row = vars(run(data, "compiled").records)
    assert sum(laid) == 3000
    assert by_row.keys() == by_column.keys()
    for name, column in by_column.items():
        np.testing.assert_array_equal(by_row[name], column, name)
