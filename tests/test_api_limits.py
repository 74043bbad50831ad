"""Limits, prompt caches and prices of APIs: token buckets against their definition, the rest worked out by hand."""

from fractions import Fraction

import numpy as np
import pytest
from builders import api, model, run, scenario, trace
from hypothesis import given, settings
from hypothesis import strategies as st
from sizes import cases

from messsim import _core
from messsim.errors import ScenarioError
from messsim.scenario import parse
from messsim.workload import Chance

OUTPUT = 3
LASTS_S = 0.5 + 0.25 * (OUTPUT - 1)
NO_CACHE = {"keep_s": 0.0, "least_tokens": 1, "step_tokens": 1}
LIMITS = {"requests_per_minute": 0.0, "tokens_per_minute": 0.0, "burst_s": 60.0, "most_calls": 0}


@pytest.fixture(params=["simpy", "compiled"])
def engine(request) -> str:
    return request.param


def called(folder, times, *, models=None, **more) -> dict:
    """Requests at these times, to one API `only` unless there are `models`; labels come when answers do."""
    return scenario(
        **{
            "arrivals": trace(folder, times),
            "requests": None,
            "models": models or [{"name": "only", "satisfaction": 0.5} | api(**more.pop("limits", {}))],
            "cost": {"unit": "USD"},
            "feedback": {"delay": 0.0},
        }
        | more
    )


# ---- the token bucket --------------------------------------------------------------------------------------


def conforms(passed: list[tuple[Fraction, int]], at: Fraction, amount: int, per_s: Fraction, most: Fraction) -> bool:
    """By definition: of what passes from any time s to `at`, both included, there is at most most + per_s (at - s)."""
    taken = amount
    for time, tokens in reversed(passed):
        taken += tokens
        if taken > most + per_s * (at - time):
            return False
    return amount <= most


@settings(deadline=None, derandomize=True, max_examples=cases(200))
@given(
    st.lists(st.tuples(st.integers(0, 24), st.integers(1, 40)), max_size=60),
    st.sampled_from([60, 90, 480]),
    st.sampled_from([1, 4, 60]),
)
def test_a_bucket_lets_in_what_its_definition_does(calls, per_minute, burst_s):
    """In eighths of a second, so that nothing is rounded: each decision is that of the definition in fractions."""
    limited = _core.Api(LIMITS | {"tokens_per_minute": float(per_minute), "burst_s": float(burst_s)}, NO_CACHE)
    per_s, at, passed = Fraction(per_minute, 60), Fraction(0), []
    for gap, tokens in calls:
        at += Fraction(gap, 8)
        expected = conforms(passed, at, tokens, per_s, per_s * burst_s)
        assert (limited.wait_s(tokens, 0, float(at)) == 0.0) == expected
        if expected:
            passed.append((at, tokens))
            limited.call(_core.Job(0, 0, tokens - 1, 1) if tokens > 1 else _core.Job(0, 0, 0, 1), float(at))


def test_rounding_refuses_nobody_who_keeps_to_the_rate():
    """Seven a minute, one each 60/7 seconds, of which no double is the exact number."""
    limited = _core.Api(LIMITS | {"requests_per_minute": 7.0, "burst_s": 60.0 / 7.0}, NO_CACHE)
    for k in range(20_000):
        now_s = k * 60.0 / 7.0
        assert limited.wait_s(1, 0, now_s) == 0.0
        limited.call(_core.Job(k, 0, 1, 1), now_s)
        assert limited.wait_s(1, 0, now_s + 8.5) > 0.0


@pytest.mark.parametrize("now_s", [0.3, 1e5 + 0.3, 1e7 + 0.3, 1e9 + 0.3])
def test_who_waits_as_long_as_it_says_is_let_in(now_s):
    """Late in a run the clock's own steps are as much as a billionth of a small bucket gives."""
    for k in range(100):
        rates = {
            "requests_per_minute": 1e4 + 37.0 * k,
            "tokens_per_minute": 1e6 + 41.0 * k,
            "burst_s": 0.011 + 1e-4 * k,
        }
        limited = _core.Api(LIMITS | rates | {"burst_s": 0.011 + 1e-4 * k}, NO_CACHE)
        limited.call(_core.Job(0, 0, 180, 3), now_s)
        pause_s = limited.wait_s(183, 0, now_s)
        assert 0.0 < pause_s < 1.0
        assert limited.wait_s(183, 0, now_s + pause_s) == 0.0


def test_requests_a_minute_turn_away_what_is_too_much(engine, tmp_path):
    """One each two seconds, at most two at once: at 0 two of three pass, at 1 none, at 2 one, and at 10 two again."""
    times = [0.0, 0.0, 0.0, 1.0, 2.0, 3.5, 10.0, 10.0, 10.0]
    r = run(called(tmp_path, times, limits={"requests_per_minute": 30.0, "burst_s": 4.0}), engine)
    passed = [True, True, False, False, True, False, True, True, False]
    assert r.statuses == ["completed" if p else "rejected" for p in passed]
    assert r.summary["requests"]["rejected"] == 4


def test_tokens_a_minute_are_of_prompt_and_answer(engine, tmp_path):
    """The bucket holds 8 tokens and gets one a second; a request has 1 + 3 of them."""
    times = [0.0, 0.0, 0.0, 3.0, 4.0, 20.0, 20.0, 20.0]
    r = run(called(tmp_path, times, limits={"tokens_per_minute": 60.0, "burst_s": 8.0}), engine)
    passed = [True, True, False, False, True, True, True, False]
    assert r.statuses == ["completed" if p else "rejected" for p in passed]


def test_a_call_that_is_refused_takes_from_neither_bucket(engine, tmp_path):
    """Tokens let one request in each four seconds; those refused meanwhile would have used up that of requests."""
    limits = {"tokens_per_minute": 60.0, "requests_per_minute": 15.0, "burst_s": 4.0}
    times = [0.0, 1.0, 2.0, 3.0, 4.0]
    r = run(called(tmp_path, times, limits=limits), engine)
    assert r.statuses == ["completed", "rejected", "rejected", "rejected", "completed"]


def test_longer_than_a_full_bucket_is_too_long(engine, tmp_path):
    data = called(tmp_path, [0.0, 9.0], limits={"tokens_per_minute": 60.0, "burst_s": 8.0})
    arrivals = trace(tmp_path, [0.0, 9.0], prompt_tokens=[5, 6], output_tokens=[3, 3])
    tokens = {"prompt": {"kind": "trace"}, "output": {"kind": "trace"}}
    r = run(data | {"arrivals": arrivals, "tokens": tokens}, engine)
    assert r.statuses == ["completed", "too_long"]


def test_calls_at_once(engine, tmp_path):
    """Each takes one second: the one that comes as another ends is let in."""
    r = run(called(tmp_path, [0.0, 0.5, 0.75, LASTS_S, 1.25], limits={"max_concurrent_requests": 2}), engine)
    assert r.statuses == ["completed", "completed", "rejected", "completed", "rejected"]


def test_clients_back_off_until_they_are_let_in(engine, tmp_path):
    """Refused at 0, again at 1 (a pause of 1) and at 3 (of 2), let in at 7 (of 4): six seconds fill the bucket."""
    clients = {"retries": 3, "backoff_s": 1.0, "backoff_growth": 2.0}
    limits = {"requests_per_minute": 10.0, "burst_s": 6.0}
    r = run(called(tmp_path, [0.0, 0.0], limits=limits, clients=clients), engine)
    assert r.statuses == ["completed", "completed"]
    assert r.records.attempts.tolist() == [1, 4]
    assert r.records.finish_s.tolist() == [LASTS_S, 7.0 + LASTS_S]


@pytest.mark.parametrize(
    ("most_s", "starts_s", "attempts"),
    [
        (60.0, [0.0, 6.0, 12.0], [1, 2, 3]),  # both are told 6 s; one of them is too late then, and told 6 s more
        (4.0, [0.0, 6.0, 14.0], [1, 4, 5]),  # 6 s at 0, 5 s at 1 and 6 s at 6 are too long, 3 s at 3 are not
        (0.0, [0.0, 7.0, 15.0], [1, 4, 5]),  # at 1, 3, 7 and 15
    ],
)
def test_clients_ask_again_when_an_api_says_so(engine, tmp_path, most_s, starts_s, attempts):
    clients = {"retries": 5, "backoff_s": 1.0, "backoff_growth": 2.0, "retry_after_max_s": most_s}
    limits = {"requests_per_minute": 10.0, "burst_s": 6.0}
    r = run(called(tmp_path, [0.0, 0.0, 0.0], limits=limits, clients=clients), engine)
    assert r.records.start_s.tolist() == starts_s
    assert r.records.attempts.tolist() == attempts


def test_nobody_is_told_when_an_api_that_is_busy_has_time(engine, tmp_path):
    clients = {"retries": 1, "backoff_s": 2.0, "retry_after_max_s": 60.0}
    limits = {"max_concurrent_requests": 1, "requests_per_minute": 9.0}
    r = run(called(tmp_path, [0.0, 0.5], limits=limits, clients=clients), engine)
    assert r.records.start_s.tolist() == [0.0, 2.5]


def test_pauses_have_a_cap_and_jitter_of_their_own(engine, tmp_path):
    """Refused at 0 and after pauses of at most 1, 2, 2, 2 and 2 s, each by chance up to a quarter shorter."""
    clients = {"retries": 9, "backoff_s": 1.0, "backoff_growth": 2.0, "backoff_max_s": 2.0, "backoff_jitter": 0.25}
    limits = {"requests_per_minute": 7.5, "burst_s": 8.0}
    data = called(tmp_path, [0.0, 0.0], limits=limits, clients=clients)
    r = run(data, engine)
    chance = Chance(parse(data).seed)
    column, at_s = chance.column("backoff-jitter"), 0.0
    for attempt in range(r.records.attempts[1] - 1):
        at_s += min(2.0**attempt, 2.0) * (1.0 - 0.25 * chance.one(column, 1, attempt))
    assert 8.0 <= at_s == r.records.start_s[1]


THREE = [
    {"name": "cheap", "satisfaction": 0.4} | api(usd_per_million_output_tokens=1.0),
    {"name": "middle", "satisfaction": 0.6} | api(usd_per_million_output_tokens=2.0),
    {"name": "dear", "satisfaction": 0.8} | api(usd_per_million_output_tokens=3.0),
]


def test_the_next_model_serves_what_one_refuses(engine, tmp_path):
    """All want `middle`, which takes one; then `dear`, one more; then `cheap`; then nobody."""
    one_call = {"max_concurrent_requests": 1}
    data = called(tmp_path, [0.0] * 4, models=[m | one_call for m in THREE])
    data |= {"router": {"policy": "static-mix", "mix": [0.0, 1.0, 0.0]}}
    data |= {"cluster": {"when_full": "next_model"}}
    r = run(data, engine)
    assert r.records.model.tolist() == [1, 2, 0, 1]
    assert r.statuses == ["completed"] * 3 + ["rejected"]
    assert r.records.cost == pytest.approx([6e-6, 9e-6, 3e-6, 0.0])


def test_the_next_model_serves_during_an_outage_and_for_a_full_pool(engine, tmp_path):
    models = [
        model("own", 0.4, max_num_seqs=1),
        {"name": "api", "satisfaction": 0.8} | api(usd_per_million_output_tokens=1e6),
    ]
    data = called(tmp_path, [0.0, 0.0, 5.0, 5.0], models=models)
    outage = {"pool": "api", "at_s": 4.0, "for_s": 3.0}
    data |= {
        "cost": {"unit": "USD", "usd_per_gpu_hour": {"GPU": 3.0}},
        "router": {"policy": "cheapest"},
        "cluster": {"when_full": "next_model", "admission": {"max_waiting": 0}, "failures": {"schedule": [outage]}},
    }
    r = run(data, engine)
    assert r.records.model.tolist() == [0, 1, 0, 0]
    assert r.statuses == ["completed", "completed", "completed", "rejected"]


# ---- what is remembered of prompts, and prices -------------------------------------------------------------------


def job(prompt: int, *path: tuple[int, int]) -> _core.Job:
    return _core.Job(0, 0, prompt, 1, path=path)


def test_prompts_are_remembered_from_their_start():
    remembers = _core.Api(LIMITS, {"keep_s": 10.0, "least_tokens": 8, "step_tokens": 4})

    def cached(now_s: float, prompt: int, *path: tuple[int, int]) -> int:
        sent = job(prompt, *path)
        remembers.call(sent, now_s)
        return sent.cached_prompt_tokens

    assert cached(0.0, 40, (1, 30)) == 0  # new
    assert cached(1.0, 40, (1, 30)) == 28  # 8 + 5 steps of 4 is the most up to 30
    assert cached(2.0, 50, (1, 41)) == 28  # node 1 went as far as 30
    assert cached(3.0, 50, (1, 30), (2, 50)) == 28  # of node 2 nothing
    assert cached(4.0, 50, (1, 30), (2, 45)) == 44
    assert cached(14.0, 50, (1, 30), (2, 50)) == 48  # as far as 50 at time 3, sent again at 4: ten seconds are kept
    assert cached(24.5, 50, (1, 30), (2, 50)) == 0  # forgotten
    assert cached(25.0, 7, (3, 7)) == 0
    assert cached(25.0, 7, (3, 7)) == 0  # less than the least


def test_a_forgotten_start_hides_what_follows():
    remembers = _core.Api(LIMITS, {"keep_s": 10.0, "least_tokens": 1, "step_tokens": 1})
    for now_s in (0.0, 8.0):
        remembers.call(job(20, (2, 20)), now_s)
    remembers.call(job(20, (1, 10)), 0.0)
    again = job(30, (1, 10), (2, 20))
    remembers.call(again, 10.5)
    assert again.cached_prompt_tokens == 0


def test_what_is_remembered_takes_no_more_room_than_what_is_kept():
    """A million prompts, of which eight are kept at a time: the thousandth of before is found, the others are not."""
    remembers = _core.Api(LIMITS, {"keep_s": 7.5, "least_tokens": 1, "step_tokens": 1})
    for k in range(100_000):
        sent = job(9, (k, 9))
        remembers.call(sent, float(k))
        assert sent.cached_prompt_tokens == 0
    for back, expected in ((7, 9), (8, 0)):
        sent = job(9, (99_999 - back, 9))
        remembers.call(sent, 99_999.0)
        assert sent.cached_prompt_tokens == expected


@pytest.mark.parametrize("keep_s", [5.0, 0.5])
def test_remembered_tokens_cost_less(engine, tmp_path, keep_s):
    """Two groups of prompts with 20 tokens in common: full price for the first of each and after a long pause."""
    prices = {
        "usd_per_million_prompt_tokens": 10.0,
        "usd_per_million_output_tokens": 0.0,
        "usd_per_million_cached_prompt_tokens": 1.0,
        "prompt_cache_s": keep_s,
        "prompt_cache_least_tokens": 16,
        "prompt_cache_step_tokens": 8,
    }
    times = [keep_s / 5.0 * k for k in (0, 1, 2, 9)]
    data = called(tmp_path, times, limits=prices) | {"prefixes": {"groups": 1, "tokens": 20}}
    r = run(data, engine)
    assert r.records.cached_prompt_tokens.tolist() == [0, 16, 16, 0]
    full, cheaper = 21 * 10.0 / 1e6, (5 * 10.0 + 16 * 1.0) / 1e6
    assert r.records.cost == pytest.approx([full, cheaper, cheaper, full])
    assert r.known[0] == pytest.approx([full] * 4)  # what is expected of a prompt that nobody remembers


@pytest.mark.parametrize("by_time", [True, False])
def test_prices_change_by_phase(engine, tmp_path, by_time):
    start = {"from_s": 2.0} if by_time else {"from_request": 2}
    end = {"from_s": 4.0} if by_time else {"from_request": 3}
    phases = [start | {"price_factor": {"only": 3.0}}, end | {"price_factor": {}}]
    limits = {"usd_per_million_prompt_tokens": 7.0}
    r = run(called(tmp_path, [0.0, 1.0, 2.0, 4.0], limits=limits, phases=phases), engine)
    each = (7.0 + OUTPUT * 5.0) / 1e6
    assert r.records.cost == pytest.approx([each, each, 3 * each, each])
    assert r.known[0] == pytest.approx([each, each, 3 * each, each])


def test_later_turns_pay_the_price_of_their_phase(engine):
    data = scenario(
        requests=40,
        arrivals={"kind": "poisson", "rate_rps": 0.5},
        models=[{"name": "only", "satisfaction": 0.5} | api(usd_per_million_prompt_tokens=10.0)],
        cost={"unit": "USD"},
        sessions={"turns": 4, "think_s": 1.0, "followup": 5},
        phases=[{"from_request": 20, "price_factor": {"only": 2.0}}],
    )
    r = run(data, engine)
    price = (10.0 * r.records.prompt_tokens + 5.0 * r.records.output_tokens) / 1e6
    factor = np.where(r.records.id < 20, 1.0, 2.0)
    assert r.records.cost == pytest.approx(price * factor)
    assert r.known[0] == pytest.approx(price * factor)  # answers are all of three tokens, as expected


# ---- what does not fit -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": [model("own", 0.5, tokens_per_minute=5.0)]}, "models.0.tokens_per_minute = 5.0: has no effect"),
        ({"limits": {"requests_per_minute": 0.5}}, "burst_s of at least 120"),
        ({"limits": {"burst_s": 5.0}}, "models.0.burst_s = 5: expected requests_per_minute or tokens_per_minute"),
        ({"limits": {"prompt_cache_s": 5.0}}, "prompt_cache_s = 5: expected usd_per_million_cached_prompt_tokens"),
        ({"cluster": {"when_full": "next_model"}}, "cluster.when_full = 'next_model': no model ever takes no more"),
        ({"phases": [{"from_s": 1.0, "price_factor": {"other": 2.0}}]}, "price_factor.other: unknown model"),
        ({"clients": {"retries": 1}}, "limits of an API"),
        (
            {"limits": {"max_concurrent_requests": 1}, "cluster": {"mode": "none"}},
            "models.0.max_concurrent_requests: expected cluster.mode = 'servers'",
        ),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, change, message):
    with pytest.raises(ScenarioError, match=r"expected") as caught:
        parse(called(tmp_path, [0.0], **change))
    assert message in str(caught.value)


def test_prices_of_gpus_do_not_change(tmp_path):
    data = scenario(phases=[{"from_s": 1.0, "price_factor": {"small": 2.0}}])
    with pytest.raises(ScenarioError, match=r"price_factor\.small: is not served by APIs alone"):
        parse(data)
