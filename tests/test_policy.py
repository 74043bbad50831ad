"""The policies in C against NumPy and by hand, and what the door makes of a policy of one's own."""

import ctypes
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messsim import _core
from messsim.errors import KernelError, PolicyError

ALL, CHOSEN = 0.0, 1.0
NEVER = (0.999, 0.5)  # uniforms with which nobody explores unless c / t^kappa is 1


def mess(V=1.0, c=0.0, kappa=0.25, explore=ALL, target_queue=0.0, gain=0.0) -> _core.Policy:  # noqa: N803
    return _core.Policy("mess+", [V, c, kappa, explore, target_queue, gain], [V])


def decide(policy, scores, costs, *, queue=0.0, alpha=0.7, step=1, uniforms=NEVER, request=0, facts=None) -> int:
    scores = np.array(scores, dtype=float)
    return policy.decide(
        request,
        step,
        alpha,
        queue,
        scores,
        np.array(costs, dtype=float),
        np.zeros(len(scores)),
        np.array(uniforms),
        facts,
    )


# ---- argmin ---------------------------------------------------------------------------------------------


def argmin_twin(v, alpha, queue, scores, costs) -> np.ndarray:
    """Of equals, NumPy takes the first."""
    return np.argmin(v * costs + queue * (alpha - scores), axis=0)


coarse = st.integers(0, 4).map(lambda k: k / 4)  # ties abound
fine = st.floats(0, 1)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    st.integers(1, 17),
    st.integers(0, 200),
    st.sampled_from([0.0, 1e-3, 1.0, 50.0]),
    fine,
    st.sampled_from([0.0, 0.5, 4.0, 1e4]),
    st.booleans(),
    st.integers(0, 2**31),
)
def test_argmin_equals_numpys(models, n, v, alpha, queue, with_ties, seed):
    rng = np.random.default_rng(seed)
    scores, costs = rng.random((2, models, n))
    if with_ties:
        scores, costs = np.round(4 * scores) / 4, np.round(4 * costs)
    chosen = np.full(n, -1, dtype=np.int32)
    _core.argmin_block(v, alpha, queue, scores, costs, chosen)
    np.testing.assert_array_equal(chosen, argmin_twin(v, alpha, queue, scores, costs))
    policy = mess(v)
    for i in range(0, n, 7):
        assert decide(policy, scores[:, i], costs[:, i], queue=queue, alpha=alpha) == chosen[i]


def test_equals_go_to_the_lowest_model():
    scores, costs = np.full((5, 100), 0.5), np.ones((5, 100))
    costs[0] = 2.0
    chosen = np.full(100, -1, dtype=np.int32)
    _core.argmin_block(1.0, 0.5, 3.0, scores, costs, chosen)
    assert np.all(chosen == 1)
    assert decide(mess(), scores[:, 0], costs[:, 0], queue=3.0) == 1


def test_the_queue_buys_quality():
    scores, costs = [0.5, 0.75, 0.95], [1.0, 2.0, 4.0]
    # V E + Q (alpha - s): the second is better than the first from Q = 4, the third from Q = 10
    for queue, best in [(0.0, 0), (3.9, 0), (4.1, 1), (9.9, 1), (10.1, 2), (1e6, 2)]:
        assert decide(mess(), scores, costs, queue=queue) == best
        assert decide(mess(V=10.0), scores, costs, queue=10 * queue) == best


@pytest.mark.parametrize(
    ("scores", "costs", "n"),
    [((3, 5), (2, 5), 5), ((3, 5), (3, 4), 5), ((3, 5), (3, 5), 4), ((0, 5), (0, 5), 5)],
    ids=["models", "costs", "chosen", "none"],
)
def test_shapes_of_a_block_are_checked(scores, costs, n):
    with pytest.raises(KernelError, match=r"scores and costs are \[models, n\]"):
        _core.argmin_block(1.0, 0.5, 1.0, np.zeros(scores), np.zeros(costs), np.zeros(n, dtype=np.int32))


# ---- MESS+ ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("c", "kappa"), [(1.0, 0.25), (0.1, 0.25), (1.0, 0.5), (3.0, 0.4), (0.02, 0.0)])
def test_exploration_has_its_frequency(c, kappa):
    steps = 40_000
    policy = mess(c=c, kappa=kappa)
    uniforms = np.empty(steps)
    _core.Stream(5, 6).uniform(0, uniforms)
    explored = sum(
        decide(policy, [0.5, 0.5], [1, 2], step=t + 1, uniforms=(u, 0.5)) == _core.PLAN_ALL
        for t, u in enumerate(uniforms)
    )
    p = np.minimum(1.0, c / np.arange(1, steps + 1) ** kappa)
    z = (explored - p.sum()) / math.sqrt(np.sum(p * (1 - p)))
    # P(|z| > 4.5) = 7e-6, 5 cases: one other seed in 30,000 would fail
    assert abs(z) < 4.5


@pytest.mark.parametrize("kappa", [0.25, math.nextafter(0.25, 1), 0.1, 0.5, 0.9])
def test_the_probability_to_explore_is_c_over_t_to_the_kappa(kappa):
    """To 1e-14, so that the two square roots of kappa = 1/4 and the general way agree to that."""
    policy = mess(c=0.9, kappa=kappa)
    for step in [1, 2, 3, 10, 16, 81, 1000, 12345, 10**6, 10**9, 10**12]:
        p = 0.9 * step**-kappa
        assert decide(policy, [0.5], [1], step=step, uniforms=(p * (1 - 1e-14), 0.5)) == _core.PLAN_ALL
        assert decide(policy, [0.5], [1], step=step, uniforms=(p * (1 + 1e-14), 0.5)) == 0


def test_c_above_1_always_explores_at_first():
    policy = mess(c=2.0)
    assert decide(policy, [0.5], [1], step=15, uniforms=(1 - 2**-53, 0.5)) == _core.PLAN_ALL
    assert decide(policy, [0.5], [1], step=17, uniforms=(1 - 2**-53, 0.5)) == 0


@pytest.mark.parametrize("models", [1, 2, 3, 7])
def test_exploring_by_one_model_takes_each_alike(models):
    policy = mess(c=1.0, kappa=0.0, explore=CHOSEN)
    n = 20_000
    uniforms = np.empty(n)
    _core.Stream(7, 8).uniform(0, uniforms)
    half = [0.5] * models
    plans = np.array([decide(policy, half, half, uniforms=(0.3, u)) for u in uniforms])
    assert np.all(plans & ~_core.PLAN_MODEL == _core.PLAN_EXPLORE)
    counts = np.bincount(plans & _core.PLAN_MODEL, minlength=models)
    assert len(counts) == models
    z = (counts - n / models) / math.sqrt(n / models * (1 - 1 / models) or 1.0)
    # P(|z| > 4.5) = 7e-6, 13 counts: one other seed in 10,000 would fail
    assert np.all(np.abs(z) < 4.5)


@pytest.mark.parametrize("u", [2.0**-53, 0.5, 1 - 2.0**-53, 1.0])
@pytest.mark.parametrize("models", [1, 3, 5, 17, 49])
def test_a_choice_never_names_a_model_too_many(u, models):
    half = [0.5] * models
    expected = min(int(u * models), models - 1)  # no draw gives 1, but it must do no harm
    assert decide(_core.Policy("random", [], []), half, half, uniforms=(0.5, u)) == expected
    explored = decide(mess(c=1.0, kappa=0.0, explore=CHOSEN), half, half, uniforms=(0.5, u))
    assert explored == _core.PLAN_EXPLORE | expected


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    st.floats(0.1, 100),
    st.floats(0.5, 50),
    st.floats(0.001, 0.5),
    st.lists(st.floats(0, 200), max_size=50),
)
def test_v_follows_the_queue(v, target, gain, queues):
    policy = mess(V=v, target_queue=target, gain=gain)
    assert policy.state[0] == v
    for queue in queues:
        policy.rated(0, 0, 0.5, 1.0, queue)
        v = min(max(v * (1.0 + gain * max(-1.0, (target - queue) / target)), 1e-15), 1e15)
        assert policy.state[0] == pytest.approx(v, rel=1e-12)
        assert policy.state[0] > 0.0


def test_v_stands_still_without_a_target():
    policy = mess(V=3.0, gain=0.5)
    policy.rated(0, 0, 0.5, 0.0, 100.0)
    assert policy.state[0] == 3.0
    assert policy.params[0] == 3.0


@pytest.mark.parametrize("start", [0.01, 1000.0])
def test_the_queue_hovers_about_its_target(start):
    """Two models, the mean of which is to be had: whatever V is at first, Q comes to the target."""
    target, alpha = 5.0, 0.7
    satisfaction, costs = np.array([0.5, 0.9]), np.array([1.0, 10.0])
    policy, ledger = mess(V=start, target_queue=target, gain=0.02), _core.Ledger(alpha)
    uniforms = np.empty(30_000)
    _core.Stream(1, 1).uniform(0, uniforms)
    seen = []
    for i, u in enumerate(uniforms):
        model = decide(policy, satisfaction, costs, queue=ledger.queue, alpha=alpha, request=i)
        answer = float(u < satisfaction[model])
        ledger.rate(answer)
        policy.rated(i, model, ledger.alpha, answer, ledger.queue)
        seen.append(ledger.queue)
    assert np.mean(seen[10_000:]) == pytest.approx(target, rel=0.15)


# ---- the plain ones -------------------------------------------------------------------------------------


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.lists(st.tuples(fine, coarse), min_size=1, max_size=9), fine.filter(lambda u: 0 < u < 1))
def test_the_plain_policies_are_plain(models, u):
    scores, costs = zip(*models, strict=True)
    chosen = {
        name: decide(_core.Policy(name, [], []), scores, costs, queue=9.0, uniforms=(0.5, u))
        for name in ("cheapest", "largest", "random")
    }
    assert chosen["cheapest"] == costs.index(min(costs))
    assert chosen["largest"] == len(models) - 1
    assert chosen["random"] == min(int(u * len(models)), len(models) - 1)


# ---- a policy of one's own ------------------------------------------------------------------------------

INT, DOUBLE, ARRAY = ctypes.c_int64, ctypes.c_double, ctypes.POINTER(ctypes.c_double)
DECIDE = ctypes.CFUNCTYPE(INT, *[INT] * 5, DOUBLE, DOUBLE, *[ARRAY] * 8)
FINISH = ctypes.CFUNCTYPE(INT, *[INT] * 5, *[ARRAY] * 6)
RATED = ctypes.CFUNCTYPE(INT, *[INT] * 3, *[DOUBLE] * 3, ARRAY, ARRAY)
LEARN = ctypes.CFUNCTYPE(INT, *[INT] * 4, *[ARRAY] * 4)

Own = Callable[..., _core.Policy]


@pytest.fixture
def own() -> Own:
    """Policies made of Python functions; the compiled callbacks live as long as the test."""
    kept = []

    def address(signature, function) -> int:
        if function is None:
            return 0
        kept.append(signature(function))
        return ctypes.cast(kept[-1], ctypes.c_void_p).value

    def make(decide, *, finish=None, rated=None, learn=None, params=(), state=(), uniforms=2) -> _core.Policy:
        return _core.Policy(
            address(DECIDE, decide),
            params,
            state,
            finish=address(FINISH, finish),
            rated=address(RATED, rated),
            learn=address(LEARN, learn),
            uniforms=uniforms,
        )

    return make


def returning(own: Own, plan: int, **kwargs) -> _core.Policy:
    return own(lambda *_: plan, **kwargs)


def test_a_policy_is_told_all_that_the_contract_says(own):
    figures = {}

    def remember(request, step, tenant, models, dimensions, alpha, queue, *arrays):
        scores, costs, loads, facts, features, uniforms, params, state = arrays
        figures.update(request=request, step=step, tenant=tenant, alpha=alpha, queue=queue)
        figures["features"] = features[:dimensions]
        figures.update(
            scores=scores[:models],
            costs=costs[:models],
            loads=loads[:models],
            uniforms=uniforms[:2],
            params=params[:3],
            facts=facts[:models],
        )
        state[0] += 1
        return 1

    policy = own(remember, params=[1, 2, 3], state=[40])
    arrays = [np.array(a) for a in ([0.1, 0.2], [3.0, 4.0], [5.0, 6.0], [0.7, 0.8])]
    assert policy.decide(2**40, 9, 0.6, 2.5, *arrays) == 1
    assert figures == {
        "request": 2**40,
        "step": 9,
        "tenant": 0,
        "alpha": 0.6,
        "queue": 2.5,
        "scores": [0.1, 0.2],
        "costs": [3.0, 4.0],
        "loads": [5.0, 6.0],
        "uniforms": [0.7, 0.8],
        "params": [1.0, 2.0, 3.0],
        "facts": [0.0, 0.0],  # it is told none
        "features": [],
    }
    policy.decide(0, 1, 0.6, 2.5, *arrays, np.array([1.0, 0.0]), np.array([7.0, 8.0, 9.0]), 3)
    assert figures["facts"] == [1.0, 0.0]
    assert (figures["features"], figures["tenant"]) == ([7.0, 8.0, 9.0], 3)
    assert policy.state[0] == 42.0


def test_params_and_state_are_the_policys_own_copies(own):
    params, state = np.array([1.0]), np.array([2.0])
    policy = own(lambda *a: int(a[-2][0] + a[-1][0]) - 3, params=params, state=state)
    params[0] = state[0] = 99.0
    assert decide(policy, [0.5], [1]) == 0
    policy.state[0] = 3.0  # the run's own array: what a test sets, the policy sees
    assert decide(policy, [0.5, 0.5], [1, 1]) == 1


PLANS = [0, 2, _core.PLAN_ALL, _core.PLAN_EXPLORE | 1, _core.PLAN_CHAIN | 2]


@pytest.mark.parametrize("plan", PLANS)
def test_a_lawful_plan_is_handed_on(own, plan):
    assert decide(returning(own, plan, finish=lambda *_: 3), [0.5] * 3, [1] * 3) == plan


@pytest.mark.parametrize(
    "plan",
    [
        3,
        _core.PLAN_MODEL,
        _core.PLAN_EXPLORE | 3,
        _core.PLAN_CHAIN | 3,
        _core.PLAN_EXPLORE | _core.PLAN_CHAIN | 1,
        _core.PLAN_ALL | _core.PLAN_EXPLORE,
        _core.PLAN_ALL | _core.PLAN_CHAIN | _core.PLAN_EXPLORE,
        1 << 23,
        1 << 62,
    ],
)
def test_an_unlawful_plan_stops_the_run_and_names_itself(own, plan):
    policy = returning(own, plan, finish=lambda *_: 3)
    with pytest.raises(PolicyError, match=f"returned {plan} at request 17; expected a model from 0 to 2"):
        decide(policy, [0.5] * 3, [1] * 3, request=17)


@pytest.mark.parametrize("code", [-1, -77, -(2**62)])
def test_a_negative_plan_is_the_policys_own_error(own, code):
    with pytest.raises(PolicyError, match=f"its error code {code} at request 5"):
        decide(returning(own, code), [0.5], [1], request=5)


def test_a_chain_needs_a_finish_function(own):
    with pytest.raises(PolicyError, match="single PLAN_ flag"):
        decide(returning(own, _core.PLAN_CHAIN | 1), [0.5] * 2, [1] * 2)


def finish(policy, models=3, stage=0, model=0, **arrays) -> int:
    a = {"scores": models, "costs": models, "uniforms": 2} | arrays
    return policy.finish(8, stage, model, np.ones(a["scores"]), np.ones(a["costs"]), np.full(a["uniforms"], 0.5))


def test_a_chain_asks_model_after_model(own):
    asked = []

    def following(request, stage, tenant, model, models, *_):
        asked.append((request, stage, model, models))
        return model + 1

    policy = returning(own, _core.PLAN_CHAIN, finish=following)
    assert [finish(policy, stage=k, model=k) for k in range(3)] == [1, 2, 3]  # 3: the user gets this answer
    assert asked == [(8, 0, 0, 3), (8, 1, 1, 3), (8, 2, 2, 3)]


@pytest.mark.parametrize("chosen", [-1, 4, _core.PLAN_CHAIN | 1])
def test_an_unlawful_next_model_stops_the_run(own, chosen):
    policy = returning(own, _core.PLAN_CHAIN, finish=lambda *_: chosen)
    with pytest.raises(PolicyError, match=f"finish returned {chosen} at request 8; expected a model"):
        finish(policy, stage=2)


@pytest.mark.parametrize("name", ["mess+", "random", "cheapest", "largest"])
def test_the_built_in_policies_make_no_chains(name):
    policy = mess() if name == "mess+" else _core.Policy(name, [], [])
    with pytest.raises(KernelError, match="makes no chains"):
        finish(policy)


@pytest.mark.parametrize("arrays", [{"costs": 2}, {"scores": 0, "costs": 0}], ids=repr)
def test_shapes_of_finish_are_checked(own, arrays):
    with pytest.raises(KernelError, match=r"costs and facts are \[models\]"):
        finish(returning(own, 0, finish=lambda *_: 1), **arrays)


def test_a_policy_listens_to_ratings(own):
    heard = []
    policy = returning(own, 0, rated=lambda *a: heard.append(a[:6]) or 0)
    policy.rated(7, 2, 0.75, 0.25, 1.5, tenant=1)
    assert heard == [(7, 1, 2, 0.75, 0.25, 1.5)]
    returning(own, 0).rated(7, 2, 0.75, 0.25, 1.5)  # one that does not listen


def test_a_policy_learns_from_labels(own):
    learnt = []

    def learn(request, tenant, models, dimensions, features, labels, params, state):
        learnt.append((request, tenant, features[:dimensions], labels[:models]))
        return 0

    policy = returning(own, 0, learn=learn)
    policy.learn(7, np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0]), 4)
    policy.learn(8, np.empty(0), np.array([1.0]))
    assert learnt == [(7, 4, [1.0, 2.0, 3.0], [0.0, 1.0]), (8, 0, [], [1.0])]
    returning(own, 0).learn(7, np.ones(3), np.ones(2))  # one that does not listen
    with pytest.raises(PolicyError, match="its error code -6 on the label of request 7"):
        returning(own, 0, learn=lambda *_: -6).learn(7, np.ones(3), np.ones(2))


def test_a_policy_gets_the_uniforms_that_it_declares(own):
    policy = own(lambda *a: int(a[-3][3]), uniforms=4)
    assert decide(policy, [0.5] * 3, [1] * 3, uniforms=(0.0, 0.0, 0.0, 2.0)) == 2
    with pytest.raises(KernelError, match="takes 4 uniforms"):
        decide(policy, [0.5] * 3, [1] * 3)


def test_an_error_while_listening_stops_the_run(own):
    policy = returning(own, 0, rated=lambda *_: -4)
    with pytest.raises(PolicyError, match="its error code -4 on the label of request 7"):
        policy.rated(7, 2, 0.75, 0.25, 1.5)


@pytest.mark.parametrize(
    "lengths",
    [(0, 0, 0, 2), (3, 2, 3, 2), (3, 3, 4, 2), (3, 3, 3, 2, 2)],
    ids=["no models", "costs", "loads", "facts"],
)
def test_shapes_of_decide_are_checked(lengths):
    with pytest.raises(KernelError, match=r"scores, costs, loads and facts are \[models\]"):
        mess().decide(0, 1, 0.5, 1.0, *(np.full(n, 0.5) for n in lengths))


def test_mess_plus_wants_all_its_parameters():
    with pytest.raises(KernelError, match=r"mess\+ takes 6 parameters and 1 of state"):
        _core.Policy("mess+", [1.0, 0.1, 0.25, 0.0, 0.0], [1.0])
    with pytest.raises(KernelError, match=r"mess\+ takes 6 parameters and 1 of state"):
        _core.Policy("mess+", [1.0, 0.1, 0.25, 0.0, 0.0, 0.0], [])


def test_no_address_is_no_policy():
    with pytest.raises(KernelError, match="built-in's name or the address"):
        _core.Policy(0, [], [])
