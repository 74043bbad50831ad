"""Words of what is refused of policies, and of what Numba or a policy's author did, in full."""

import numpy as np
import pytest

from messsim.engines.records import too_many_open
from messsim.errors import PolicyError, ScenarioError
from messsim.routing.failures import raised_by, reason
from messsim.routing.learning import predictor_of, warm_start
from messsim.routing.tradeoff import notes_on_v
from messsim.scenario.routing import Router


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("no more to say", "no more to say"),
        ("", "ValueError"),
        ("Failed in nopython mode pipeline\n\x1b[1mThe reason:\x1b[0m\n", "The reason"),
        (
            "No implementation of function f\n\n  There are 4 candidates\nDuring: typing\n>>> f(1)\n name 'x' is not",
            "name 'x' is not",
        ),
        (
            "Cannot modify readonly array of type x",
            "it writes into an array that it may only read; only state may be written",
        ),
        (
            'Unknown attribute\nFile "/a/b/first.py", line 3:\n\nFile "/a/own.py", line 17:\n',
            "Unknown attribute (own.py, line 17)",
        ),
        (
            'Cannot modify readonly array\nFile "/a/own.py", line 4:\n',
            "it writes into an array that it may only read; only state may be written (own.py, line 4)",
        ),
    ],
)
def test_the_reason_why_numba_compiles_a_function_not(text, words):
    assert reason(ValueError(text)) == words


def test_what_a_call_raises_and_that_it_changes_nothing():
    def fails(state, params):
        state[0] = 7.0
        raise KeyError("x")

    state, params = np.zeros(2), np.zeros(1)
    params.flags.writeable = False
    error = raised_by(fails, [state, params])
    assert (type(error), error.args) == (KeyError, ("x",))
    assert state.tolist() == [0.0, 0.0]
    assert raised_by(lambda a, b: b is params, [state, params]) is None
    assert isinstance(raised_by(lambda a: a.__setitem__(0, 1.0), [params]), ValueError)
    with np.errstate(all="raise"):
        assert raised_by(lambda a: a / 0.0, [np.ones(1)]) is None  # compiled code goes on too
    with pytest.raises(KeyboardInterrupt):
        raised_by(lambda: (_ for _ in ()).throw(KeyboardInterrupt), [])


@pytest.mark.parametrize(("means", "given"), [(None, "none"), ([0.5], "1"), ([0.5] * 3, "3")])
def test_a_start_at_means_wants_one_for_each_model(means, given):
    router = Router(predictor={"start": "means"} | ({} if means is None else {"means": means}))
    with pytest.raises(ScenarioError) as error:
        predictor_of(router, 2, 1)
    assert str(error.value) == (
        "router.predictor.means: expected the mean satisfaction of each of the 2 models, in order; " + f"{given} given"
    )


def test_biases_at_the_start():
    def bias(**predictor):
        return predictor_of(Router(predictor=predictor), 2, 1).bias.tolist()

    assert bias() == bias(start="even") == [0.0, 0.0]
    assert bias(start="optimistic") == pytest.approx([np.log(19.0)] * 2)
    assert bias(start="means", means=[0.5, 0.0]) == pytest.approx([0.0, -np.log(99.0)])


def test_a_warm_start_takes_a_step_for_each_row_that_somebody_rated():
    made, by_hand = (predictor_of(Router(predictor={"learning_rate": 0.5}), 2, 1) for _ in range(2))
    rows, labels = np.array([[1.0], [2.0], [3.0]]), np.array([[1.0, np.nan], [np.nan, np.nan], [0.0, 1.0]])
    warm_start(made, rows, labels)
    for k in (0, 2):
        by_hand.learn(rows[k], labels[k])
    assert by_hand.version == 2
    assert made.version == 0
    assert made.saved() == by_hand.saved() | {"version": 0}


@pytest.mark.parametrize(
    ("v", "line"),
    [
        (
            1e-4,
            "router.V = 0.0001 1/USD: cost never matters: any dearer model is worth it once the queue is above "
            '1.3e-07, and one unsatisfying answer adds 0.7; "auto" would take 2500',
        ),
        (
            1e6,
            "router.V = 1e+06 1/USD: cost always decides: the most satisfying model is worth its cost from a queue of "
            '1.33e+03 on, and 1000 requests add at most 200; "auto" would take 2500',
        ),
        (2500.0, None),
    ],
)
def test_a_weight_that_does_nothing(v, line):
    assert notes_on_v(v, [1e-4, 5e-4], [0.5, 0.8], 0.7, 1000, "USD") == ([] if line is None else [line])


@pytest.mark.parametrize(
    ("costs", "satisfaction", "alpha"),
    [([1.0, 2.0], None, 0.7), ([1.0], [0.5], 0.7), ([1.0, 2.0], [0.5, 0.8], 0.0), ([2.0, 1.0], [0.5, 0.8], 0.7),
     ([1.0, 2.0], [0.5, 0.5], 0.7)],
)  # fmt: skip
def test_nothing_is_said_of_a_weight_where_models_are_no_choice(costs, satisfaction, alpha):
    assert notes_on_v(1e-12, costs, satisfaction, alpha, 1000, "J") == []


def test_a_request_that_millions_pass():
    assert str(too_many_open(64, 7)) == (
        "more than record.max_open = 64 requests lie between request 7, still unfinished, and the newest: a pool, or a "
        "router whose decisions take time, is far beyond its capacity; expected more replicas, more router.workers, "
        "cluster.admission, or a lower rate"
    )


def test_a_compiled_policy_has_a_name():
    pytest.importorskip("numba", reason="a policy of one's own needs Numba")
    from messsim.routing.plugin import compile_policy

    for name, shown in (("", "''"), (3, "3")):
        with pytest.raises(PolicyError) as error:
            compile_policy(name, lambda models: 0)
        assert str(error.value) == f"compile_policy: name = {shown}: expected a string of at least one character"


def test_a_function_of_a_policy_returns_whole_numbers():
    numba = pytest.importorskip("numba", reason="a policy of one's own needs Numba")
    from messsim.routing.roles import _check_return

    types = numba.types
    for returned, words in (
        (types.none, "nothing; expected a plan, a whole number"),
        (types.Optional(types.int64), "nothing on some of its ways; expected a plan, a whole number"),
        (types.float64, "a float64; expected a plan, a whole number; int(...) makes one of a number"),
    ):
        with pytest.raises(PolicyError) as error:
            _check_return(numba, "decide", returned)
        assert str(error.value) == f"decide returns {words}"
    for returned in (types.int64, types.uint8, types.boolean):
        _check_return(numba, "decide", returned)


def raising(models):
    raise ValueError


def asserting(models):
    x = models
    assert x
    return x


RETURN = "a compiled function cannot: return a negative number instead"


def line_of(function, further):
    return function.__code__.co_firstlineno + further


async def sleeping(models):
    return 0


def curious(models, satisfied, outcome):
    return 0


def drawing(models):
    return int(np.random.rand() * models)  # noqa: NPY002


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (3, "decide = 3: expected a Python function"),
        (print, "decide = <built-in function print>: expected a Python function"),
        (sleeping, "decide is an async function; expected a plain one, without async"),
        (raising, f"decide raises in line {line_of(raising, 1)} of its file; {RETURN}"),
        (asserting, f"decide asserts in line {line_of(asserting, 2)} of its file; {RETURN}"),
        (
            drawing,
            "decide draws from numpy.random, which no seed of a run governs; expected uniforms, drawn for it",
        ),
        (
            curious,
            "decide takes satisfied, outcome; expected any of request, step, tenant, models, dimensions, alpha, queue, "
            "scores, costs, loads, facts, features, uniforms, params, state",
        ),
    ],
)
def test_what_is_no_function_of_a_policy(function, words):
    pytest.importorskip("numba", reason="a policy of one's own needs Numba")
    from messsim.routing.plugin import compile_policy

    with pytest.raises(PolicyError) as error:
        compile_policy("own", function)
    assert str(error.value) == words


def test_a_prepare_is_no_coroutine():
    pytest.importorskip("numba", reason="a policy of one's own needs Numba")
    from messsim.routing.plugin import compile_policy

    with pytest.raises(PolicyError) as error:
        compile_policy("own", lambda models: 0, prepare=sleeping)
    assert str(error.value) == "prepare is an async function; expected a plain one, without async"
