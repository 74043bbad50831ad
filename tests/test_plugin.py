"""Policies of one's own: compiled by Numba, called by both engines, checked in words."""

from pathlib import Path

import numpy as np
import pytest
from test_engines_equal import assert_equal

import messsim
from messsim import _core
from messsim.errors import PolicyError, ScenarioError
from messsim.routing import PLAN_CHAIN, Policy, check_policy
from messsim.routing import unseeded as unseeded_module
from messsim.routing.unseeded import unseeded
from messsim.scenario import parse

pytest.importorskip("numba", reason="a policy of one's own needs Numba")

from messsim.routing.plugin import compile_policy

SCENARIOS = Path(__file__).parent.parent / "scenarios"


def second(models):
    return min(1, models - 1)


def chain(request):
    return PLAN_CHAIN


def upwards(model, models, uniforms):
    return model + 1 if uniforms[0] < 0.5 else models


def scenario(policy: str, folder: Path):
    data = {
        "requests": 150,
        "sla": {"alpha": 0.5},
        "arrivals": {"kind": "poisson", "rate_rps": 5.0},
        "tokens": {"prompt": 20, "output": {"kind": "geometric", "mean": 5.0}},
        "satisfaction": {"kind": "irt"},
        "features": {"dimensions": 2},
        "models": [
            {"name": n, "satisfaction": s, "coefficients": {"a0_s": 0.02, "p0_w_per_gpu": 100.0}}
            for n, s in (("a", 0.4), ("b", 0.6), ("c", 0.8))
        ],
        "router": {"policy": policy},
    }
    return parse(data, folder=folder)


def written(folder: Path, text: str) -> Path:
    path = folder / "own.py"
    path.write_text(text, encoding="utf-8")
    return path


HEAD = "from messsim.routing.plugin import compile_policy\n"
ARGUMENTS = "request, step, models, costs, params, state"
BUILD = "def build(options, models, features):\n    return compile_policy('own', decide, params=[2.0], state=[0.0])\n"


def policy_file(folder: Path, body: str, arguments: str = ARGUMENTS) -> Path:
    return written(folder, f"{HEAD}def decide({arguments}):\n    {body}\n{BUILD}")


def test_a_file_beside_the_scenario_is_a_policy(tmp_path):
    policy_file(tmp_path, "return request % models")
    data = scenario("own.py", tmp_path)
    models = messsim.run(data).requests.collect()["model"].to_list()
    assert models == [("a", "b", "c")[i % 3] for i in range(150)]
    assert_equal(data)


def test_a_file_is_loaded_once_for_all_runs_until_it_changes(tmp_path):
    """Compiling takes a good half second, which a sweep would pay for every run."""
    loads = tmp_path / "loads"
    loads.write_text("")
    note = f"import pathlib\nloads = pathlib.Path({str(loads)!r})\nloads.write_text(loads.read_text() + 'x')\n"
    answers = []
    for body in ("return request % models", "return request % models", "return 1"):
        written(tmp_path, f"{HEAD}{note}def decide({ARGUMENTS}):\n    {body}\n{BUILD}")
        answers.append(messsim.run(scenario("own.py", tmp_path)).requests.collect()["model"].to_list())
    assert loads.read_text() == "xx"
    assert answers[0] == answers[1]
    assert set(answers[2]) == {"b"}


def test_params_state_and_arrays_reach_it(tmp_path):
    policy_file(tmp_path, "state[0] += params[0]; return int(state[0]) % len(costs)")
    models = messsim.run(scenario("own.py", tmp_path)).requests.collect()["model"].to_list()
    assert models == [("a", "b", "c")[2 * (i + 1) % 3] for i in range(150)]


def test_its_own_error_code_stops_the_run_and_names_the_request(tmp_path):
    policy_file(tmp_path, "return -7 if request == 41 else 0")
    for engine in ("simpy", "compiled"):
        with pytest.raises(PolicyError, match=r"its error code -7 at request 41 \(at .* after 42 requests\)"):
            messsim.run(scenario("own.py", tmp_path).changed(engine=engine))


def test_its_own_error_code_on_a_label_says_so(tmp_path):
    text = f"{HEAD}def decide(models):\n    return 0\n\ndef hears(request):\n    return -6 if request == 7 else 0\n\n"
    written(tmp_path, text + BUILD.replace("decide,", "decide, rated=hears,"))
    for engine in ("simpy", "compiled"):
        with pytest.raises(PolicyError, match="returned its error code -6 on the label of request 7 "):
            messsim.run(scenario("own.py", tmp_path).changed(engine=engine))


def test_an_illegal_model_stops_the_run(tmp_path):
    policy_file(tmp_path, "return 3 if request == 5 else 0")
    for engine in ("simpy", "compiled"):
        with pytest.raises(PolicyError, match="returned 3 at request 5; expected a model from 0 to 2"):
            messsim.run(scenario("own.py", tmp_path).changed(engine=engine))


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("x = 1\n", ScenarioError, "has no function build"),
        ("import no_such_module\n", ScenarioError, "cannot be loaded: ModuleNotFoundError"),
        (
            f"{HEAD}def decide(request, satisfied):\n    return 0\n{BUILD}",
            ScenarioError,
            r"decide takes satisfied; expected any of request, step",
        ),
        (
            f"{HEAD}def decide({ARGUMENTS}):\n    if step < 0:\n        raise ValueError\n    return 0\n{BUILD}",
            ScenarioError,
            "decide raises in line 4 of its file; a compiled function cannot",
        ),
        (f"{HEAD}def decide({ARGUMENTS}):\n    return open('x')\n{BUILD}", ScenarioError, "cannot be compiled"),
    ],
)
def test_a_file_that_is_no_policy_is_refused(tmp_path, text, error, message):
    written(tmp_path, text)
    with pytest.raises(error, match=message):
        messsim.run(scenario("own.py", tmp_path))


@pytest.mark.parametrize(
    ("head", "draw", "module"),
    [
        ("import random", "random.randint(0, 1)", "random"),
        ("from random import random as chance", "int(2 * chance())", "random"),
        ("import numpy as np", "np.random.randint(2)", r"numpy\.random"),
        ("import numpy.random as r", "int(2 * r.rand())", r"numpy\.random"),
        ("from numpy.random import randint", "randint(2)", r"numpy\.random"),
        ("import numba, random\n@numba.njit\ndef coin():\n    return random.randint(0, 1)", "coin()", "random"),
    ],
)
def test_chance_that_no_seed_governs_is_refused(tmp_path, head, draw, module):
    """Two runs of one seed would differ."""
    written(tmp_path, f"{HEAD}{head}\n\ndef decide({ARGUMENTS}):\n    return {draw}\n\n{BUILD}")
    with pytest.raises(ScenarioError, match=f"decide draws from {module}, which no seed of a run governs"):
        messsim.run(scenario("own.py", tmp_path))


def by_a_local_name():
    n = np
    return n.random.rand()


def by_the_second_of_two_local_names():
    m = n = np
    chance = m.random
    return chance.rand() + n.pi


def by_a_name_around():
    n = np

    def inner():
        return n.random.rand()

    return inner()


@pytest.mark.parametrize("function", [by_a_local_name, by_the_second_of_two_local_names, by_a_name_around])
def test_chance_is_found_behind_local_names_of_modules(function):
    assert unseeded(function) == "numpy.random"


def test_local_names_are_not_those_of_modules_outside():
    def own(np, random):
        n = np
        return n.random.rand() + random.random()

    assert unseeded(own) is None


def test_each_helper_is_searched_for_chance_once(monkeypatch):
    """Each calls the next twice: there are 2^12 ways to the last."""
    helpers: dict[str, object] = {"f12": lambda: 0}
    for k in reversed(range(12)):
        exec(f"def f{k}():\n    return f{k + 1}() + f{k + 1}()\n", helpers)
    searched = []
    named = unseeded_module._named
    monkeypatch.setattr(unseeded_module, "_named", lambda f: searched.append(f) or named(f))
    assert unseeded(helpers["f0"]) is None
    assert len(searched) == 13


def test_what_is_called_as_chance_is_may_be_used(tmp_path):
    text = f"{HEAD}import numpy as np\n\nrandom = 1\n\ndef decide(models, uniforms):\n"
    written(tmp_path, f"{text}    return int(np.floor(uniforms[0] * models)) * random\n\n{BUILD}")
    assert messsim.run(scenario("own.py", tmp_path)).summary["requests"]["completed"] > 0


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ScenarioError, match=r"router.policy: no such file .*own\.py"):
        messsim.run(scenario("own.py", tmp_path))


def test_the_example_runs_alike_in_both_engines():
    assert_equal(messsim.load(SCENARIOS / "own-policy.toml", requests=2_000))


def test_a_good_policy_passes():
    assert check_policy(compile_policy("second", second), 3) == []
    assert check_policy(compile_policy("chain", chain, finish=upwards), 3) == []


def too_far(request, models):
    return models if request == 3 else 0


def gives_up(queue):
    return -2 if queue > 1e5 else 0


def explodes(step, state):
    state[0] = 1e308 * (1.0 + step) * 10.0
    return 0


def forever(model):
    return 0


def deaf(request):
    return -3


def speechless(request, stage, model, models):
    return -4


def unteachable(models, dimensions, features, labels):
    return -5


@pytest.mark.parametrize(
    ("decide", "more", "message"),
    [
        (chain, {"finish": speechless}, "finish: the policy's finish returned -4 at request 0"),
        (second, {"learn": unteachable}, "learn: the policy returned its error code -5"),
        (too_far, {}, "decide: the policy returned 3 at request 3; expected a model from 0 to 2"),
        (gives_up, {}, "decide: the policy returned its error code -2"),
        (explodes, {"state": [0.0, 1.0]}, "decide: leaves a state that is not finite"),
        (chain, {"finish": forever}, "finish: the chain of request 0 goes on"),
        (chain, {}, "decide: the policy returned"),
        (second, {"rated": deaf}, "rated: the policy returned its error code -3"),
    ],
)
def test_what_a_policy_breaks_is_told(decide, more, message):
    problems = check_policy(compile_policy("own", decide, **more), 3)
    assert len(problems) == 1
    assert problems[0].startswith(message)


def test_chance_from_elsewhere_is_found():
    kernel = _core.Policy("largest", params=[], state=[])

    class Fickle:
        """Stands for a function that keeps a count of its own, which `state` does not hold."""

        params, state, uniforms = kernel.params, kernel.state, 2

        def __init__(self):
            self.calls = 0

        def decide(self, *arguments):
            self.calls += 1
            return int(self.calls > 3_000)  # the second round of 2,000 differs

        def learn(self, *arguments):
            return None

        def rated(self, *arguments):
            return None

    problems = check_policy(Policy("fickle", Fickle()), 2)
    assert len(problems) == 1
    assert "chance may come from uniforms alone" in problems[0]
