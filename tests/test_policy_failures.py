"""A policy that fails stops the run, whichever of its functions fails and however: it never looks like model 0."""

import ctypes
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from builders import DECIDE
from test_plugin import BUILD, HEAD, scenario, written

import messsim
from messsim import _core
from messsim.errors import OutputError, PolicyError, ScenarioError
from messsim.routing import Policy, check_policy
from messsim.scenario.routing import Router

pytest.importorskip("numba", reason="a policy of one's own needs Numba")

from messsim.routing.plugin import compile_policy

ENGINES = ("simpy", "compiled")


def stops(folder: Path, text: str, message: str, error: type[Exception] = PolicyError) -> None:
    """Both engines refuse the same policy file in the same words."""
    written(folder, text)
    for engine in ENGINES:
        with pytest.raises(error, match=message):
            messsim.run(scenario("own.py", folder).changed(engine=engine))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("x = 1.0 / (request - 41)", r"decide raised ZeroDivisionError: division by zero \(own.py, line 3\)"),
        ("x = 1 // (request - 41)", "decide raised ZeroDivisionError"),
        ("x = 1.0 % (request - 41.0)", "decide raised ZeroDivisionError"),
        ("x = state[0] if request < 41 else state[5]", r"decide raised IndexError.* \(own.py, line 3\)"),
        ("if request == 41: state[7] = 1.0", "decide raised IndexError"),
        ("if request == 41: state[-2] = 1.0", "decide raised IndexError"),
        ("x = costs[models if request == 41 else 0]", "decide raised IndexError"),
        ("x = params[request // 41]", "decide raised IndexError"),
        ("x = np.zeros(3)[3 + request - 41] if request == 41 else 0.0", "decide raised IndexError"),
    ],
)
def test_whatever_fails_in_decide_is_told_with_its_line(tmp_path, body, message):
    text = f"{HEAD}def decide(request, models, costs, params, state):\n    {body}\n    return models - 1\n"
    stops(tmp_path, f"{text}import numpy as np\n{BUILD}", f"{message}.* request 41 .*after 42 requests")


def test_what_cannot_be_checked_is_told():
    policy = compile_policy("own", lambda models: 0)
    for arguments, message in (
        ((None, 2), "policy = None: expected a Policy"),
        ((policy, 0), "models = 0, features = 0: expected at least 1 and 0"),
        ((policy, 2, -1), "models = 2, features = -1"),
    ):
        with pytest.raises(PolicyError, match=message):
            check_policy(*arguments)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("math.log(params[0] - 9.0)", "ValueError: "),
        ("math.exp(params[0] * 1e3)", "OverflowError: "),
        ("params[0] * 1e308 * 10.0 - params[0] * 1e308 * 10.0", "ValueError: cannot convert float NaN to integer"),
        ("params[0] * 1e308 * 10.0", "OverflowError: cannot convert float infinity to integer"),
    ],
)
def test_no_number_is_no_model_and_is_told_with_its_line(tmp_path, value, message):
    text = f"{HEAD}import math\ndef decide(request, params):\n    return int({value}) if request == 41 else 0\n"
    stops(tmp_path, text + BUILD, rf"decide raised {message}.*\(own.py, line 4\), at request 41.* after 42 requests")


def test_the_code_of_nan_itself_is_told_as_what_it_is(tmp_path):
    text = f"{HEAD}def decide(request):\n    return -(2**62) - 2**62 if request == 41 else 0\n"
    stops(tmp_path, text + BUILD, r"at request 41, which is what int\(\) makes of NaN and of infinity.* after 42 req")


def test_a_number_beyond_64_bits_is_no_model(tmp_path):
    """Numba adds unsigned and signed numbers as floats, of which any number may come."""
    text = f"{HEAD}import numpy as np\ndef decide():\n    return np.uint64(2**64 - 1)\n"
    stops(tmp_path, text + BUILD, "the policy returned its error code -1 at request 0")


@pytest.mark.parametrize(
    ("role", "arguments", "body", "message"),
    [
        ("rated", "request, models", "return 0", "rated takes models"),
        ("rated", "request, satisfaction", "return 0 // (request - 7)", "rated raised ZeroDivisionError.*request 7 "),
        ("learn", "request, labels", "return int(labels[request * 9]) * 0", "learn raised IndexError.* request [01] "),
        ("finish", "request, model, models", "return models + 0 // (request - 7)", "finish raised ZeroDiv.*request 7 "),
        ("rated", "satisfaction", "return 0.5", "rated returns a float64; expected 0 or an error code"),
        ("learn", "labels", "pass", "learn returns nothing; expected 0 or an error code"),
        ("finish", "model", "return 0.5", "finish returns a float64; expected a model"),
        ("finish", "model", "return model", "finish goes on after 1,000 answers to request"),
    ],
)
def test_whatever_fails_in_the_other_functions_is_told(tmp_path, role, arguments, body, message):
    plan = "2097152" if role == "finish" else "1048576"  # PLAN_CHAIN, PLAN_ALL
    text = f"{HEAD}def decide(request):\n    return {plan}\n\ndef other({arguments}):\n    {body}\n\n"
    error = PolicyError if "raised" in message or "goes on" in message else ScenarioError
    stops(tmp_path, text + BUILD.replace("decide,", f"decide, {role}=other,"), message, error)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 0.7", "decide returns a float64; expected a plan, a whole number"),
        ("return scores[0] / 0.0", "decide returns a float64"),
        ("return None", "decide returns nothing; expected a plan"),
        ("pass", "decide returns nothing; expected a plan"),
        ("if models > 1: return 0", "decide returns nothing on some of its ways"),
        ("scores[0] = 2.0; return 0", r"it writes into an array that it may only read; .* \(own.py, line 3\)"),
        ("params[0] += 1.0; return 0", "it writes into an array that it may only read"),
        ("return open('x')", r"cannot be compiled: .*open.* \(own.py, line 3\)"),
    ],
)
def test_what_can_be_seen_before_the_run_is_refused_before_it(tmp_path, body, message):
    stops(tmp_path, f"{HEAD}def decide(models, scores, params):\n    {body}\n{BUILD}", message, ScenarioError)


def test_an_async_function_is_refused(tmp_path):
    text = f"{HEAD}async def decide(request):\n    return 0\n{BUILD}"
    stops(tmp_path, text, "decide is an async function", ScenarioError)
    text = f"{HEAD}def decide(request):\n    return 0\n{BUILD}"
    stops(tmp_path, text.replace("def build", "async def build"), "build of .* is an async function", ScenarioError)
    text = (
        text.replace("decide, params", "decide, prepare=later, params")
        + "async def later(kernel, knowledge):\n    pass\n"
    )
    stops(tmp_path, text, "prepare is an async function", ScenarioError)


def test_a_number_of_any_kind_that_is_whole_is_a_model(tmp_path):
    written(tmp_path, f"{HEAD}def decide(request):\n    return request % 2 == 1\n{BUILD}")
    models = messsim.run(scenario("own.py", tmp_path)).requests.collect()["model"].to_list()
    assert models[:4] == ["a", "b", "a", "b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import sys\nsys.exit(0)\n", r"cannot be loaded: it ends Python by sys.exit\(0\) \(line 2\)"),
        ("import os\nos._exit(0)\n", r"cannot be loaded: it ends Python by os._exit\(0\) \(line 2\)"),
        (
            "from os import _exit\ndef build(*a):\n    _exit(3)\n",
            r"build of .*own.py failed: .*os._exit\(3\) \(line 3\)",
        ),
        ("def build(*a):\n    raise SystemExit\n", r"build of .*failed: it ends Python by sys.exit\(None\)"),
        ("def build(*a):\n    return 1 // 0\n", r"build of .* failed: ZeroDivisionError: .* \(line 2\)"),
        (
            "def build(*a):\n    return None\n",
            "build of .*own.py returned None; expected a Policy, as compile_policy makes",
        ),
        ("def build():\n    return None\n", "build of .* failed: TypeError: build\\(\\) takes 0 positional"),
        ("raise GeneratorExit\n", "cannot be loaded: GeneratorExit"),
        ("def f(:\n", r"cannot be loaded: SyntaxError: .*own.py, line 1"),
        (
            f"{HEAD}def decide(models):\n    return 0\ndef prepare(kernel, known):\n    return 1 // 0\n"
            "def build(*a):\n    return compile_policy('own', decide, prepare=prepare)\n",
            r"prepare of .*own.py failed: ZeroDivisionError: .* \(line 5\)",
        ),
    ],
)
def test_a_file_that_fails_before_the_run_never_passes_for_a_run(tmp_path, text, message):
    before = os._exit
    stops(tmp_path, text, message, ScenarioError)
    assert os._exit is before


def test_a_name_is_needed():
    with pytest.raises(PolicyError, match="name = '': expected a string of at least one character"):
        compile_policy("", first)


def first(models):
    return 0


def divides(queue):
    return int(1.0 / queue) * 0


def second_always(models):
    return 1


def second_state(costs, state):
    state[0] += costs[0]
    return 0


@pytest.mark.parametrize(
    ("decide", "more", "message"),
    [
        (divides, {}, "decide: the policy's decide raised ZeroDivisionError: division by zero"),
        (second_always, {}, "decide: where there is one model, the policy returned 1"),
        (second_state, {"state": [0.0]}, "decide: leaves a state that is not finite"),
    ],
)
def test_hostile_requests_find_what_ordinary_ones_do_not(decide, more, message):
    problems = check_policy(compile_policy("own", decide, **more), 3)
    assert len(problems) == 1
    assert problems[0].startswith(message)


def of_c(decide, state=()):
    """A policy whose code may write where it likes, as one that another compiler made; and what keeps it alive."""
    kept = DECIDE(decide)
    return Policy("own", _core.Policy(ctypes.cast(kept, ctypes.c_void_p).value, [0.0], state)), kept


@pytest.mark.parametrize("place", [0, 1, 2, 6], ids=["scores", "costs", "loads", "params"])
def test_a_single_value_that_is_written_over_is_noticed(place):
    def decide(request, step, tenant, models, dimensions, alpha, queue, *arrays):
        arrays[place][0 if place == 6 else models - 1] = -123.0
        return 0

    policy, _ = of_c(decide)
    written_over = "params" if place == 6 else "its arguments"
    assert check_policy(policy, 3, 2)[0].startswith(f"decide: writes into {written_over} at request 0")


def test_each_part_of_a_check_begins_with_the_state_of_the_policy():
    """It counts how often it was asked: the first number that does not follow the one before is the beginning."""
    asked = []

    def decide(request, step, tenant, models, dimensions, alpha, queue, *arrays):
        state = arrays[-1]
        asked.append(state[0])
        state[0] += 1.0
        return 0

    policy, _ = of_c(decide, [0.0])
    assert check_policy(policy, 3, 2) == []
    assert policy.kernel.state[0] == 0.0
    assert next(now for before, now in itertools.pairwise(asked) if now != before + 1.0) == 0.0


def test_arithmetic_that_only_python_refuses_is_found(tmp_path):
    import importlib.util

    path = written(
        tmp_path, f"{HEAD}import math\ndef decide(alpha):\n    return 0 if math.log(alpha) < 9.0 else 1\n{BUILD}"
    )
    spec = importlib.util.spec_from_file_location("own_log", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    problems = check_policy(module.build(None, 2, 0), 2)
    assert len(problems) == 1
    assert "Python raises ValueError: math domain error" in problems[0]


def test_a_policy_that_is_told_nothing_reads_zeros_for_any_number_of_models():
    policy = compile_policy("own", facts_of_many)
    many = np.full(200, 0.5)
    assert policy.kernel.decide(0, 1, 0.5, 0.0, many, many, many, np.full(2, 0.5)) == 0


def facts_of_many(models, facts):
    return 0 if facts[models - 1] == 0.0 else 1


def test_instances_end_their_chains_by_their_own_state(tmp_path):
    """Each instance counts its own decisions, and its chains depend on that count, in both engines."""
    text = (
        f"{HEAD}def decide(state):\n    state[0] += 1.0\n    return 2097152\n\n"
        "def finish(model, models, state):\n    return model + 1 if state[0] % 3 and model + 1 < models else models\n\n"
    )
    written(tmp_path, text + BUILD.replace("decide,", "decide, finish=finish,"))
    settings = scenario("own.py", tmp_path).changed(router=Router(policy="own.py", instances=3))
    seen = [messsim.run(settings.changed(engine=e)).requests.collect()["model"].to_list() for e in ENGINES]
    assert seen[0] == seen[1]
    assert len(set(seen[0])) > 1


FOREVER = (
    f"{HEAD}def decide(models):\n    i = 0\n    while i >= 0:\n        i = (i * 3 + 1) % 1000003\n    return 0\n{BUILD}"
)
RUN = """
import sys, messsim
from messsim.cli.signals import end_like_ctrl_c, exit_code
from messsim.routing import interruptible
end_like_ctrl_c()
import messsim.study.simulation.single as single
real = single.interruptible
def telling(*args):
    print("runs", flush=True)
    return real(*args)
single.interruptible = telling
try:
    messsim.run(messsim.load("s.toml", engine=sys.argv[1]))
except KeyboardInterrupt as interrupt:
    print(interrupt)
    raise SystemExit(exit_code(interrupt))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_signal_ends_a_policy_that_never_returns(tmp_path, engine, number):
    written(tmp_path, FOREVER)
    from messsim.scenario import dump

    (tmp_path / "s.toml").write_text(dump(scenario("own.py", tmp_path)), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, engine], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "runs\n"
        time.sleep(1.0)
        process.send_signal(number)
        reported, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 128 + number
    assert "a function of the policy did not return within 2 s" in reported


def test_what_stops_in_time_is_told_as_it_came(monkeypatch):
    class Waits(threading.Event):
        """Hears Ctrl-C at its first wait."""

        heard = False

        def wait(self, timeout=None):
            if self.heard:
                return super().wait(timeout)
            self.heard = True
            raise KeyboardInterrupt("by hand")

    def steps():
        while True:
            time.sleep(0.001)

    module = sys.modules["messsim.routing.interruptible"]
    names = ("Thread", "current_thread", "main_thread")
    threads = SimpleNamespace(Event=Waits, **{name: getattr(threading, name) for name in names})
    monkeypatch.setattr(module, "threading", threads)
    with pytest.raises(KeyboardInterrupt, match=r"^by hand$"):
        module.interruptible(steps)


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_stop_that_comes_when_the_call_is_over_is_not_told(monkeypatch):
    class Late(threading.Event):
        def set(self):
            super().set()
            if threading.current_thread() is not threading.main_thread():
                raise KeyboardInterrupt

    module = sys.modules["messsim.routing.interruptible"]
    names = ("Thread", "current_thread", "main_thread")
    threads = SimpleNamespace(Event=Late, **{name: getattr(threading, name) for name in names})
    monkeypatch.setattr(module, "threading", threads)
    assert module.interruptible(lambda: 7) == 7
    for thread in threading.enumerate():
        if thread.name == "messsim-run":
            thread.join(20.0)


# ---- looking at a directory runs nothing ------------------------------------------------------------------


def test_nothing_but_explain_runs_a_policy_and_that_only_when_asked(tmp_path):
    from messsim.report.pages.plots import plot
    from messsim.report.pages.report import report
    from messsim.study.simulation.explain import explain

    ran = tmp_path / "ran"
    note = f"import pathlib\npathlib.Path({str(ran)!r}).touch()\n"
    written(tmp_path, f"{note}{HEAD}def decide(models):\n    return 0\n{BUILD}")
    messsim.run(scenario("own.py", tmp_path), out=tmp_path / "out")
    ran.unlink()
    written(tmp_path, f"{note}{HEAD}def decide(models):\n    return 0 * 1\n{BUILD}")  # not the file in memory
    report(tmp_path / "out")
    plot(tmp_path / "out", "queue", tmp_path / "queue.svg")
    with pytest.raises(
        OutputError, match=r"its policy is a Python file, .*own.py, which .* would run; expected --run-pol"
    ):
        explain(tmp_path / "out", 3)
    assert not ran.exists()
    assert explain(tmp_path / "out", 3, run_policy=True)["policy"] == "own"
    assert ran.exists()


def test_the_length_of_params_and_state_follows_prepare():
    policy = compile_policy("own", last_param, params=[1.0], prepare=lambda kernel, known: None)
    policy.kernel.replace([1.0, 2.0, 3.0])
    half = np.full(4, 0.5)
    assert policy.kernel.decide(0, 1, 0.5, 0.0, half, half, half, np.full(2, 0.5)) == 3
    assert policy.kernel.copy().decide(0, 1, 0.5, 0.0, half, half, half, np.full(2, 0.5)) == 3
    assert _core.Policy("random", [], []).failure() is None


def last_param(params):
    return int(params[len(params) - 1])


class Recorded:
    """Stands for a policy, and keeps what it is asked."""

    def __init__(self):
        kernel = _core.Policy("largest", params=[], state=[])
        self.params, self.state, self.uniforms = kernel.params, kernel.state, 4
        self.asked, self.ratings, self.lessons = [], [], []

    def decide(self, request, step, alpha, queue, scores, costs, loads, uniforms, facts, features):
        arrays = (a if a is None else a.copy() for a in (scores, costs, loads, uniforms, facts, features))
        self.asked.append((request, step, alpha, queue, *arrays))
        return 0

    def rated(self, *arguments):
        self.ratings.append(arguments)

    def learn(self, request, features, labels):
        self.lessons.append((features.copy(), labels.copy()))


def test_what_a_check_asks_of_a_policy():
    """What its description promises: each end of everything, and thousands of ordinary requests."""
    policy = Recorded()
    assert check_policy(Policy("own", policy, needs=frozenset({"features", "outcomes"})), 3, 2) == []
    asked = policy.asked[: 9 + 2_000]
    assert [(request, step) for request, step, *_ in asked[9:]] == [(k, k + 1) for k in range(2_000)]
    alphas, queues = ({call[k] for call in asked[:9]} for k in (2, 3))
    assert {0.0, 1.0} <= alphas
    assert {0.0, 1e9} <= queues
    assert {call[3] for call in asked[9:]} == {0.0, 1e-9, 0.5, 3.0, 1e6}
    scores, costs, loads, uniforms, facts, features = ([call[k].tolist() for call in asked] for k in range(4, 10))
    inf = float("inf")
    for values, ends in (
        (scores, ([0.0] * 3, [0.5] * 3, [1.0] * 3)),
        (costs, ([0.0] * 3, [100.0, inf, inf], [inf, inf, 100.0])),
        (loads, ([0.0] * 3, [1e6] * 3)),
        (uniforms, ([2.0**-53] * 4, [1.0 - 2.0**-53] * 4)),
        (features, ([0.0] * 2, [1e6] * 2)),
    ):
        assert all(end in values[:9] for end in ends)
    alone = asked[8]
    assert (alone[2], alone[3], *(alone[k].tolist() for k in (4, 5, 6))) == (0.0, 0.0, *[[0.0] * 3] * 3)
    for k, (score, cost, load, fact) in enumerate(zip(scores[9:], costs[9:], loads[9:], facts[9:], strict=True)):
        assert (len(set(score)) == 1) == (k % 7 == 0)
        assert (cost == [0.0] * 3) == (k % 5 == 0)
        assert (load == [0.0] * 3) == (k % 3 == 0)
        assert set(fact) <= {0.0, 1.0}
        assert all(0.0 <= s < 1.0 for s in score)
        assert all(0.0 <= a < 2.0 for a in load)
    single = policy.asked[9 + 2_000]  # where there is one model
    assert len(single[4]) == 1
    assert len(policy.ratings) == 100
    assert {label for _, _, _, label, _ in policy.ratings} == {0.0, 1.0}
    assert len(policy.lessons) == 100
    assert any(np.isnan(labels).any() for _, labels in policy.lessons)
    assert {len(features) for features, _ in policy.lessons} == {2}


def test_a_policy_is_told_only_what_it_needs():
    policy = Recorded()
    check_policy(Policy("own", policy), 2, 1)
    assert {call[8] is None and call[9] is None for call in policy.asked} == {True}


@pytest.mark.parametrize(("models", "features"), [(0, 0), (1, -1)])
def test_a_check_is_of_some_models(models, features):
    line = f"check_policy: models = {models}, features = {features}: expected at least 1 and 0"
    with pytest.raises(PolicyError, match=f"^{line}$"):
        check_policy(Policy("own", Recorded()), models, features)
